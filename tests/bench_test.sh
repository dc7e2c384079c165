#!/bin/sh
# What measures: nilu bench, and the profile of nilu train. Speeds are not judged here, only that they are told and add up.
set -u
nilu=$1/nilu
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here" || exit 1
export LC_ALL=C COLUMNS=80 NO_COLOR=1 HOME="$here" OMP_WAIT_POLICY=passive
number=0 failed=0
ok() { # verdict, what
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        sed 's/^/    /' out err | head -20
        failed=1
    fi
}
# field EVENT NAME: the numbers of this name in the lines of this event, one a line
field() {
    sed -n "/\"event\":\"$1\"/s/.*\"$2\":\([-+.0-9e]*\).*/\1/p" out
}
positive() { # event, name…: each is there and above 0
    event=$1
    shift
    for name in "$@"; do
        field "$event" "$name" | awk -v name="$name" '$1 > 0 { n++ } END { if (n < 1) { print "# no " name; exit 1 } exit n != NR }' || return 1
    done
}

"$nilu" bench W8 W2 --seconds 0.05 --threads 2 --json >out 2>err
ok $? "two workloads are measured"
test "$(grep -c '"event":"workload"' out)" -eq 2 && test "$(head -n 1 out | grep -c '"event":"peak"')" -eq 1 &&
    test "$(tail -n 1 out | grep -c '"event":"result"')" -eq 1 && [ ! -s err ]
ok $? "the peak comes first, the result last, and nothing on stderr"
positive peak flops flops_one bytes && positive workload step_us samples_per_second flops of_peak resident_bytes planned_bytes first_step_ms
ok $? "every number is there"
test "$(grep '"workload":"W2"' out | sed 's/.*"samples_per_second":\([0-9.e+]*\),"steps_per_second":\([0-9.e+]*\),.*/\1 \2/' | awk '{ print int($1 / $2 + 0.5) }')" = 32
ok $? "samples a second are steps a second times 32"
"$nilu" bench --gemm --only 8x8x8 --seconds 0.02 --threads 2 --json >out 2>err && positive product us flops of_peak &&
    test "$(field product threads)" = 1
ok $? "a small product, on one thread"
"$nilu" bench W8b4 --seconds 0.02 >out 2>err && grep -q '^this machine: ' out && grep -q '^W8b4 ' out && test "$(wc -l <out)" -eq 3
ok $? "a table for people"
"$nilu" bench W3 --profile --seconds 0.01 >out 2>err && grep -q 'conv_weight  *[a-z_]*  *grad/conv2' out && grep -q 'max_pool' out && [ ! -s err ]
ok $? "where the time of a step of a convolutional net goes"
"$nilu" bench W3 W4 --profile >out 2>err
test $? -eq 2 && grep -q 'shows one workload; name it' err && [ ! -s out ]
ok $? "--profile wants one workload"
"$nilu" bench W8b5 >out 2>err
test $? -eq 2 && grep -qx 'nilu: bench: there is no workload W8b5; did you mean W8b4?' err && [ ! -s out ]
ok $? "a workload that there is not: a suggestion"
"$nilu" bench W1 --alone --seconds 0.01 >out 2>err
test $? -eq 2 && test "$(wc -l <err)" -eq 1
ok $? "--alone wants --json"
awk 'BEGIN { print "a,b,kind"; for (i = 0; i < 300; i++) print i % 3 "," 5 - i % 4 "," (i % 3 ? "x" : "y") }' >t.csv
"$nilu" train t.csv --hidden 16 --epochs 2 --no-run --profile --profile-svg p.svg --json >out 2>err
ok $? "training is profiled"
# Split into a line a field: the rows' seconds must add up to the step's.
grep '"event":"profile"' out | tr '{,' '\n\n' | sed 's/[]}"]//g' | awk -F: '
    $1 == "step_seconds" { all = $2 } $1 == "seconds" { sum += $2; n++ } $1 == "of_roofline" && $2 >= 0 { roof++ }
    END { d = sum - all; exit !(n > 5 && roof == n && all > 0 && d * d <= 1e-12 * all * all) }'
ok $? "the instructions' times add up to the step's, and each has its share of the roofline"
grep -q '^<svg ' p.svg && grep -q 'prefers-color-scheme' p.svg && test "$(grep -c '<title>' p.svg)" -gt 8 && ! grep -q 'href\|url(' p.svg
ok $? "the drawing stands by itself"
"$nilu" train t.csv --hidden 16 --epochs 2 --no-run --profile -q >out 2>err && grep -q 'of roofline' out &&
    sed -n '/of roofline/,/^$/p' out | sed '1d;$d' | awk '{ if (NR > 1 && $1 > last) exit 1; last = $1 } END { exit NR < 6 }'
ok $? "a table, slowest first"

grep -o '"[0-9]*x[0-9]*x[0-9]* [NT][NT]"' "$2/cli/measure.c" | sort >ours
grep -o '"[0-9]*x[0-9]*x[0-9]* [NT][NT]"' "$2/script/bench" | sort >theirs
test -s ours && cmp ours theirs >out 2>err
ok $? "script/bench asks for the products that nilu measures"
if command -v python3 >/dev/null; then
    python3 "$2/script/bench" W9 --no-build >out 2>err
    test $? -eq 1 && grep -q 'there is no workload W9' err && [ ! -s out ]
    ok $? "script/bench refuses a workload that there is not"
fi
exit $failed
