#!/bin/sh
# Every planted bug still applies to the tree as it is; whether the tests notice them is for script/mutants to say.
set -eu
source=$2
command -v patch >/dev/null || { echo "skipped: patch is not installed"; exit 0; }
cd "$source"
n=0 stale=0
for p in tests/mutants/*.patch; do
    n=$((n + 1))
    if ! patch -p1 -F0 -s -N -f --dry-run -r - <"$p" >/dev/null 2>&1; then
        echo "not ok $n - $(basename "$p") no longer applies; make it anew from the code as it is"
        stale=$((stale + 1))
    else
        echo "ok $n - $(basename "$p" .patch)"
    fi
done
if [ "$n" -lt 50 ]; then
    echo "not ok - there are only $n planted bugs; 50 are the least"
    exit 1
fi
[ "$stale" -eq 0 ]
