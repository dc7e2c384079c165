#!/bin/sh
# `nilu data get` as a user types it, from a web server on the loopback address: whole, damaged, and with files missing.
set -eu
build=$1 source=$2
mnist=$source/../shared/data/mnist fashion=/usr/share/datasets/fashion-mnist
if ! command -v python3 >/dev/null; then
    echo "ok - not run: python3, whose web server this uses, is not here"
    exit 0
fi
if [ -d "$mnist" ]; then
    set_=mnist files=$mnist
elif [ -d "$fashion" ]; then
    set_=fashion-mnist files=$fashion
else
    echo "ok - not run: neither $mnist nor $fashion is here"
    exit 0
fi
here=$(mktemp -d)
mkdir "$here/web"
cp "$files"/*.gz "$here/web"
python3 -u -m http.server --bind 127.0.0.1 --directory "$here/web" 0 >"$here/server" 2>&1 &
server=$!
trap 'kill $server; rm -rf "$here"' EXIT
tries=0
until grep -q 'port [0-9]' "$here/server"; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { cat "$here/server"; exit 1; }
    sleep 0.1
done
url=http://127.0.0.1:$(sed -n 's/.*port \([0-9]*\).*/\1/p' "$here/server")
unset http_proxy all_proxy ALL_PROXY
failed=0
# description, exit code, text in what it says, arguments of the command
try() {
    what=$1 want=$2 text=$3 got=0
    shift 3
    "$build/nilu" "$@" >"$here/log" 2>&1 || got=$?
    if [ "$got" -eq "$want" ] && grep -qF -e "$text" "$here/log"; then
        echo "ok - $what"
    else
        echo "not ok - $what: exit code $got, wanted $want and \"$text\""
        cat "$here/log"
        failed=1
    fi
}
# description, command…
check() {
    what=$1
    shift
    if "$@"; then echo "ok - $what"; else echo "not ok - $what"; failed=1; fi
}
try "a set is brought from a server" 0 "$here/cache/$set_" data get $set_ --from "$url" --to "$here/cache"
check "its files are the server's" diff -r "$here/web" "$here/cache/$set_"
printf x | dd of="$here/cache/$set_/train-labels-idx1-ubyte.gz" bs=1 seek=100 conv=notrunc 2>/dev/null
mv "$here"/web/t10k-labels* "$here"
try "a damaged file is fetched again, the others are kept" 0 "$set_ is in" data get $set_ --from "$url/" --to "$here/cache"
try "a missing file is named" 3 "t10k-labels-idx1-ubyte.gz: the server answered 404" data get $set_ --from "$url" --to "$here/new"
printf 'not a gzip file' >"$here/web/t10k-images-idx3-ubyte.gz"
rm "$here/new/$set_/t10k-images-idx3-ubyte.gz"
try "a wrong file is refused" 5 "is not the file it should be" data get $set_ --from "$url" --to "$here/new"
check "it was not put in place, and nothing is left of it" test "$(ls "$here/new/$set_" | wc -l)" -eq 2
kill $server
wait $server 2>/dev/null || true
try "a server that is not there" 3 "is the network there?" data get $set_ --from "$url" --to "$here/third"
trap 'rm -rf "$here"' EXIT
check "the damaged file is whole again" cmp "$files/train-labels-idx1-ubyte.gz" "$here/cache/$set_/train-labels-idx1-ubyte.gz"
exit $failed
