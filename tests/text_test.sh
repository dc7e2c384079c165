#!/bin/sh
# Texts for people: every one is translated, and what the command says in Chinese has no English sentence in it.
set -u
nilu=$1/nilu
cd "$2" || exit 1
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
number=0 failed=0
ok() {
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        sed 's/^/    /' "$here/log" | head -40
        failed=1
    fi
}
if ! command -v xgettext >/dev/null; then
    echo "ok 1 - texts are translated # SKIP gettext is not installed"
    exit 0
fi
script/po --check >"$here/log" 2>&1
ok $? "every text is translated, none is fuzzy (script/po merges what is missing)"
for po in po/*.po; do
    msgfmt --check --output-file=/dev/null "$po" >"$here/log" 2>&1
    ok $? "$(basename "$po"): formats agree"
done

# Pieces of English that must not be seen: of each message that differs from its translation, the longest part between
# conversions, if it is long enough to be a sentence's.
msgcat --no-wrap po/zh_TW.po | awk '
    /^msgid / { id = substr($0, 8, length($0) - 8); next }
    /^msgstr / { s = substr($0, 9, length($0) - 9); if (id == s) next
        gsub(/\\n/, " ", id); gsub(/\\"/, "\"", id); gsub(/\\\\/, "\\", id)
        n = split(id, part, /%[-+ #0-9.*]*(ll|z|l)?[a-zA-Z%]/); best = ""
        for (i = 1; i <= n; i++) if (length(part[i]) > length(best)) best = part[i]
        if (length(best) >= 14 && best ~ /[a-z] [a-z]/) print best }' >"$here/english"
test "$(wc -l <"$here/english")" -gt 300
ok $? "$(wc -l <"$here/english") pieces of English are looked for"
cd "$here" || exit 1
awk 'BEGIN { print "a,b,kind"; for (i = 0; i < 60; i++) print i % 3 "," 5 - i % 4 "," (i % 3 ? "x" : "y") }' >t.csv
export LC_ALL=zh_TW.UTF-8 COLUMNS=2000 HOME="$here" OMP_WAIT_POLICY=passive
{
    "$nilu"
    "$nilu" help --lang en | sed -n 's/^  \([a-z ]*[a-z]\)  .*/\1/p' >commands
    while read -r c; do
        # shellcheck disable=SC2086
        "$nilu" help $c; "$nilu" help --man $c
    done <commands
    "$nilu" version
    "$nilu" train t.csv --hidden 4 --epochs 2 --out run --profile
    "$nilu" eval run --part train --mistakes 2 --show-mistake
    "$nilu" predict run t.csv
    "$nilu" plan run --passes
    "$nilu" gradcheck --op tanh
    "$nilu" bench W8 --gemm --only 8x8x8 --seconds 0.01; "$nilu" bench W9; "$nilu" bench W8 --alone
    "$nilu" data show t.csv -n 1
    "$nilu" data list
    "$nilu" data get mnistt
    "$nilu" op; for o in softmax_xent argmax matmul relu dropout; do "$nilu" op $o | sed "/^案例/,\$d"; done # cases quote English
    "$nilu" trian; "$nilu" train --epoch5; "$nilu" train t.csv --lr fast; "$nilu" train nowhere.csv; "$nilu" train t.csv --out run
    "$nilu" train t.csv --layers "8 rleu"; "$nilu" train t.csv --target kid; "$nilu" eval nowhere; "$nilu" eval .
    "$nilu" train t.csv --lr 1e30 --optimizer sgd --no-run; "$nilu" gradcheck; "$nilu" plan; "$nilu" train t.csv --validation 2
} >said 2>&1
grep -F -f english said >log
test $? -eq 1
ok $? "what is said in Chinese has none of them"
test "$(grep -c '[一-龥]' said)" -gt 500
ok $? "and it is Chinese ($(grep -c '[一-龥]' said) lines)"
"$nilu" help --lang en | grep -q "Trains neural networks"
ok $? "--lang en speaks English all the same"
printf 'a;b;y\n1,5;2;x\n2,5;3;z\n3,5;4;x\n4,5;5;z\n' >comma.csv
"$nilu" plan --layers "4 relu" --input 2 --outputs 2 --brief --json >log 2>&1 && ! grep -q '[0-9],[0-9]*[}]' log
ok $? "numbers keep their point"
exit $failed
