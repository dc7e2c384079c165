#!/bin/sh
# The Python package around the library that was just built.
set -eu
build=$1 source=$2
grep -q 'NILU_SANITIZE:STRING=.' "$build/CMakeCache.txt" && { echo "ok - not for sanitizer builds"; exit 0; }
for python in python3 /usr/bin/python3; do
    "$python" -c 'import cffi, numpy' 2>/dev/null && break
done
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
"$python" "$source/python/assemble.py" "$build/libnilu.so" "$here"
cd "$here"
PYTHONPATH="$here" PYTHONDONTWRITEBYTECODE=1 "$python" "$source/tests/python_test.py" "$source"
