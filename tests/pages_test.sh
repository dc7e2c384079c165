#!/bin/sh
# Pages as a reader sees them: Chromium finds nothing to complain of, and nothing to load. Skipped where there is no Chromium.
set -u
nilu=$1/nilu
cd "$2" || exit 1
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
if ! { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null; then
    echo "ok 1 - pages # SKIP Chromium is not installed"
    exit 0
fi
export HOME="$here" LC_ALL=C.UTF-8
"$nilu" train digits --hidden 12,9 --steps 40 --out "$here/run" --quiet >/dev/null || exit 1
"$nilu" explain "$here/run" --layer fc1 --neuron 3 --lang zh_TW --html "$here/explain.html" --quiet || exit 1
grep -q 'lang="zh-Hant-TW"' "$here/explain.html" && ! grep -q '�' "$here/explain.html"
a=$?
[ $a -eq 0 ] && echo "ok 1 - the Chinese page says so, and has no broken sign" || echo "not ok 1 - the Chinese page"
"$nilu" blame "$here/run" --worst 5 --html "$here/blame.html" --quiet >/dev/null || exit 1
PAGES_QUICK=1 script/pages "$here" "$here/explain.html" "$here/blame.html" >"$here/log" 2>&1
b=$?
[ $b -eq 0 ] && echo "ok 2 - pages at 400 and 1400 pixels, dark and light" || { echo "not ok 2 - pages"; cat "$here/log"; }
exit $((a + b))
