#!/bin/sh
# The tutorial's output is what the commands say today.
set -u
cd "$2" || exit 1
if log=$(NILU_BUILD=$1 script/journey --check 2>&1); then
    echo "ok 1 - docs/journey.md and docs/journey.zh-TW.md are as the commands say"
else
    echo "not ok 1 - the tutorial is stale"
    echo "$log" | sed 's/^/    /'
    exit 1
fi
