#!/bin/sh
# nilu as others meet it: installed, found by pkg-config and by CMake, used from C99, C11 and C++17; small, and exporting
# nothing but its own names.
set -eu
build=$1 source=$2
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
failed=0
try() { # description, command…
    what=$1
    shift
    if "$@" >"$here/log" 2>&1; then
        echo "ok - $what"
    else
        echo "not ok - $what"
        cat "$here/log"
        failed=1
    fi
}
grep -q 'NILU_SANITIZE:STRING=.' "$build/CMakeCache.txt" && { echo "ok - not for sanitizer builds"; exit 0; }
try "it installs" cmake --install "$build" --prefix "$here/usr"
lib=$(dirname "$(find "$here/usr" -name 'libnilu.so')")
export PKG_CONFIG_PATH="$lib/pkgconfig" LD_LIBRARY_PATH="$lib"
flags=$(pkg-config --cflags --libs nilu)
core=$(pkg-config --cflags nilu)
# shellcheck disable=SC2086
{
    try "C99 sees the header" gcc -std=c99 -pedantic -Wall -Wextra -Werror "$source/tests/embed/consumer.c" -o "$here/c99" $flags
    try "C11 sees the header" gcc -std=c11 -pedantic -Wall -Wextra -Werror "$source/tests/embed/consumer.c" -o "$here/c11" $flags
    try "the ten lines compile" gcc -std=c11 -Wall -Wextra -Werror "$source/examples/xor.c" -o "$here/xor" $flags
    try "C++17 sees the header" g++ -std=c++17 -pedantic -Wall -Wextra -Werror "$source/tests/embed/consumer.cpp" -o "$here/cpp" $flags
}
try "a context of one thread makes none" "$here/c99"
try "C11 runs" "$here/c11"
try "C++ runs" "$here/cpp"
try "the ten lines learn" sh -c "'$here/xor' | awk '{ exit !(\$2 < 0.05) }'"
try "CMake finds it" cmake -G Ninja -S "$source/tests/embed" -B "$here/build" -DCMAKE_PREFIX_PATH="$here/usr" -DCMAKE_BUILD_TYPE=Release
try "CMake builds with it" cmake --build "$here/build"
try "the static library runs" "$here/build/consumer_static"
try "the shared library runs" "$here/build/consumer_shared"
nm -D --defined-only "$lib/libnilu.so" | awk '$2 ~ /[TDBRVW]/ { print $3 }' | grep -v '^nilu_' >"$here/foreign" || true
try "it exports its own names alone" sh -c "! grep . '$here/foreign'"
nm -D --defined-only "$lib/libnilu.so" | awk '$2 == "T" { print $3 }' | while read -r name; do
    grep -qE "\b$name\b" "$source/include/nilu.h" || grep -qE "NILU_OP\(${name#nilu_}," "$source/include/nilu/ops.inc" || echo "$name"
done >"$here/unlisted"
try "every exported name stands in the header" sh -c "! grep . '$here/unlisted'"
strip -o "$here/stripped" "$lib"/libnilu.so.*.*.*
size=$(wc -c <"$here/stripped")
try "stripped it is $size bytes, below 1.5 MB" test "$size" -lt 1500000
try "the manual is installed" sh -c "[ ! -d '$source/cli' ] || find '$here/usr' -name 'nilu-train.1*' | grep ."
try "the digits are installed" sh -c "[ ! -d '$source/data/digits' ] || find '$here/usr' -name 'train-images-idx3-ubyte.gz' | grep ."
exit $failed
