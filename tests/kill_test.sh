#!/bin/sh
# A run that is killed at 50 moments and resumed each time ends with the very weights of one that was left alone. And where
# there is no room or no permission to write, the error is clear and the last good checkpoint stays.
#   KILL_SEED=7 sh tests/kill_test.sh BUILD SOURCE      the moments are a function of the seed
set -u
nilu=$1/nilu
kills=50
seed=${KILL_SEED:-$$}
here=$(mktemp -d)
mounted=""
trap '[ -z "$mounted" ] || umount "$mounted"; rm -rf "$here"' EXIT
cd "$here" || exit 1
export LC_ALL=C OMP_WAIT_POLICY=passive
number=0 failed=0
ok() {
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        sed 's/^/    /' out err 2>/dev/null | tail -20
        failed=1
    fi
}
skip() {
    number=$((number + 1))
    echo "ok $number - $1 # SKIP $2"
}
awk 'BEGIN { srand(11); print "a,b,c,y"; for (i = 0; i < 600; i++) { a = rand(); b = rand(); c = rand()
    print a "," b "," c "," (a + b * c > 0.7 ? "yes" : "no") } }' >data.csv
settings="--layers '24 relu, dropout 0.1' --epochs 150 --patience 0 --batch 8 --optimizer adamw --accumulate 2 --seed 5 --quiet --every-steps 40"
train() { eval "exec '$nilu' train data.csv $settings --out $1"; }

(train whole) >out 2>err
ok $? "a run that is left alone"
want=$(sha256sum <whole/model.safetensors)

# ---- killed at random moments
echo "# seed $seed"
awk -v seed="$seed" -v n=2000 'BEGIN { srand(seed); for (i = 0; i < n; i++) printf "0.%03d\n", 5 + rand() * 60 }' >moments
exec 3<moments
done=0 early=0
while [ $done -lt $kills ]; do
    read -r moment <&3 || break
    if [ -e broken/model.safetensors ]; then # it ended before all kills were spent: the rest goes to another one
        early=$((early + 1))
        [ "$(sha256sum <broken/model.safetensors)" = "$want" ] || break
        rm -rf broken
    fi
    if [ -e broken/run.yaml ]; then
        "$nilu" train --resume broken --quiet --every-steps 40 >out 2>err &
    else
        rm -rf broken # killed before there was a run
        (train broken) >out 2>err &
    fi
    pid=$!
    sleep "$moment"
    if kill -9 $pid 2>/dev/null; then
        wait $pid 2>/dev/null
        [ $? -eq 137 ] && done=$((done + 1))
    else
        wait $pid || { echo "# after $done kills:"; break; }
    fi
done
test $done -eq $kills
ok $? "killed $done times ($early runs got through in between)"
[ -e broken/run.yaml ] || { rm -rf broken; (train broken) >out 2>err; }
"$nilu" train --resume broken --quiet >out 2>err
ok $? "resumed to its end"
[ "$(sha256sum <broken/model.safetensors)" = "$want" ]
ok $? "the same SHA-256 of all weights as left alone"
! find broken -name '*.tmp' | grep -q .
ok $? "nothing half-written is left"

# ---- a convolutional net: running statistics go on as well
pictures="digits --layers 'conv 4 3 stride=2 bias=false, batchnorm, relu, pool avg global, dense 10' --steps 90 --batch 32 --optimizer momentum --seed 3 --quiet --every-steps 10"
learn() { eval "exec '$nilu' train $pictures --out $1"; }
(learn seen) >out 2>err
ok $? "a net with batch norm that is left alone"
stops=0
while [ $stops -lt 8 ]; do
    if [ -e blind/run.yaml ]; then
        [ ! -e blind/model.safetensors ] || break
        "$nilu" train --resume blind --quiet --every-steps 10 >out 2>err &
    else
        rm -rf blind
        (learn blind) >out 2>err &
    fi
    pid=$!
    tries=0
    before=$(sha256sum blind/checkpoints/last.safetensors 2>/dev/null)
    until [ "$(sha256sum blind/checkpoints/last.safetensors 2>/dev/null)" != "$before" ] || ! kill -0 $pid 2>/dev/null || [ $tries -gt 1000 ]; do
        sleep 0.01
        tries=$((tries + 1))
    done
    kill -9 $pid 2>/dev/null && stops=$((stops + 1))
    wait $pid 2>/dev/null
done
test $stops -gt 1
ok $? "killed $stops times after its checkpoints"
[ -e blind/model.safetensors ] || "$nilu" train --resume blind --quiet >out 2>err
[ "$(sha256sum <blind/model.safetensors)" = "$(sha256sum <seen/model.safetensors)" ]
ok $? "the same SHA-256 of weights and running statistics as left alone"

# ---- no room: the file-size limit stands for a full disk
stop() { # RUN: a run of the same settings, interrupted after its first checkpoints
    (train "$1") >out 2>err &
    pid=$!
    tries=0
    until [ -s "$1/checkpoints/last.safetensors" ] || [ $tries -gt 200 ]; do sleep 0.02; tries=$((tries + 1)); done
    kill -TERM $pid
    wait $pid
}
stop full
sum=$(sha256sum <full/checkpoints/last.safetensors)
(ulimit -f 1; exec "$nilu" train --resume full --quiet) >out 2>err
code=$?
test $code -eq 1 && test "$(wc -l <err)" -eq 1 && grep -q "writing failed" err
ok $? "where a file may not grow: one line, exit code $code: $(cut -c1-120 err)"
[ "$(sha256sum <full/checkpoints/last.safetensors)" = "$sum" ]
ok $? "the last good checkpoint stays"
"$nilu" train --resume full --quiet >out 2>err && [ "$(sha256sum <full/model.safetensors)" = "$want" ]
ok $? "and the run goes on from it to the same weights"

if [ "$(id -u)" -eq 0 ] && mkdir small && mount -t tmpfs -o size=16k none small 2>/dev/null; then
    mounted=$here/small
    (cd small && eval "'$nilu' train ../data.csv $settings --out run") >out 2>err
    code=$?
    test $code -eq 1 && test "$(wc -l <err)" -eq 1 && grep -qi "no space left" err
    ok $? "a full disk: one line, exit code $code: $(cut -c1-120 err)"
    umount small && mounted=""
else
    skip "a full disk" "a small file system can be mounted by root alone"
fi

# ---- no permission
mkdir locked
stop locked/run
sum=$(sha256sum <locked/run/checkpoints/last.safetensors)
as=""
if [ "$(id -u)" -eq 0 ]; then
    as="setpriv --reuid=65534 --regid=65534 --clear-groups"
    chmod 755 "$here"
fi
chmod -R a-w,a+rX locked
if $as test -x "$nilu" 2>/dev/null && ! $as touch locked/x 2>/dev/null; then
    $as "$nilu" train --resume locked/run --quiet >out 2>err
    code=$?
    test $code -eq 1 && test "$(wc -l <err)" -eq 1 && grep -q "locked/run" err
    ok $? "a folder that may not be written: one line, exit code $code: $(cut -c1-120 err)"
    $as "$nilu" train data.csv --hidden 4 --epochs 1 --quiet --out locked/new >out 2>err
    code=$?
    test $code -eq 1 && test "$(wc -l <err)" -eq 1
    ok $? "no new run in it either, exit code $code"
    [ "$(sha256sum <locked/run/checkpoints/last.safetensors)" = "$sum" ]
    ok $? "and the last checkpoint stays"
else
    skip "a folder that may not be written" "this user may write everywhere"
fi
chmod -R u+w locked
exit $failed
