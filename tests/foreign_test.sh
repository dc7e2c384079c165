#!/bin/sh
# A net that comes in a file of another's format is trained, kept, gone on with, looked into and written again like one of
# nilu's own: the file is made here by nilu itself, so that nothing else is needed (script/round-trips has PyTorch write one).
#   sh tests/foreign_test.sh BUILD SOURCE
set -u
nilu=$1/nilu
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here" || exit 1
export LC_ALL=C COLUMNS=80 NO_COLOR=1 OMP_WAIT_POLICY=passive
number=0 failed=0
ok() {
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        sed 's/^/    /' out err 2>/dev/null | head -20
        failed=1
    fi
}
try() {
    what=$1
    shift
    "$@" >out 2>err
    ok $? "$what"
}
has() {
    cat out err | grep -qF -e "$1"
    ok $? "  ... says \"$1\""
}
refuses() { # text, command…: one line on stderr, behind what was said of the data
    text=$1
    shift
    "$@" >out 2>err
    [ $? -ne 0 ] && [ "$(grep -c '^nilu: ' err)" -eq 1 ] && tail -n 1 err | grep -qF -e "$text"
    ok $? "refused: $text"
}
weights() {
    sha256sum <"$1/model.safetensors" | cut -c1-64
}

awk 'BEGIN { srand(11); print "a,b,c,kind"; for (i = 0; i < 300; i++) { a = rand(); b = rand(); c = rand()
    print a "," b "," c "," (a + b * c > 0.9 ? "yes" : a > c ? "perhaps" : "no") } }' >table.csv
settings="--optimizer adamw --lr 0.01 --batch 16 --seed 5 --patience 0 --every-steps 5"
try "a net of one's own" "$nilu" train table.csv --layers "12 relu, batchnorm, dropout 0.2, 8 tanh" $settings --epochs 4 --out own
try "  ... written as ONNX" "$nilu" export own --onnx own.onnx

# ---- trained, kept, gone on with
try "goes on as another's" "$nilu" train table.csv --model own.onnx $settings --epochs 3 --out tuned
has "own.onnx (ONNX)"
test -f tuned/network/own.onnx && grep -q "sha256: " tuned/run.yaml && grep -q "file: .*network/own.onnx" tuned/run.yaml
ok $? "  ... and the run keeps the file"
rm -f own.onnx.moved; mv own.onnx own.onnx.moved
for command in eval health; do
    try "$command, without the file that it came from" "$nilu" $command tuned
done
try "predict" "$nilu" predict tuned table.csv --format csv
mv own.onnx.moved own.onnx
try "blame" "$nilu" blame tuned --sample train:3
try "explain" "$nilu" explain tuned
try "trace" "$nilu" trace tuned --out trace.html
try "plan" "$nilu" plan own.onnx --data table.csv
try "written again" "$nilu" export tuned --onnx again.onnx --safetensors tuned.safetensors --npz tuned.npz
cmp -s own.onnx again.onnx
test $? -eq 1
ok $? "  ... with other weights"
try "a step at rate 0" "$nilu" train table.csv --model again.onnx --optimizer sgd --lr 0 --batch 16 --steps 1 --out still
"$nilu" export still --onnx still.onnx >out 2>err
cmp still.onnx again.onnx >out 2>&1
ok $? "  ... to the very byte"
try "any number of threads" "$nilu" train table.csv --model own.onnx $settings --epochs 3 --threads 3 --out other
test "$(weights other)" = "$(weights tuned)"
ok $? "  ... the very same bits"

"$nilu" train table.csv --model own.onnx $settings --epochs 60 --quiet --out whole >out 2>err
ok $? "a run that is left alone"
kills=0
for moment in 0.15 0.2 0.3 0.1 0.25 0.4; do
    [ -e broken/model.safetensors ] && break
    if [ -e broken/run.yaml ]; then
        "$nilu" train --resume broken --quiet --every-steps 5 >out 2>err &
    else
        rm -rf broken
        "$nilu" train table.csv --model own.onnx $settings --epochs 60 --quiet --out broken >out 2>err &
    fi
    pid=$!
    sleep $moment
    kill -9 $pid 2>/dev/null && kills=$((kills + 1))
    wait $pid 2>/dev/null
done
[ -e broken/run.yaml ] || "$nilu" train table.csv --model own.onnx $settings --epochs 60 --quiet --out broken >out 2>err
try "one that was killed $kills times goes on" "$nilu" train --resume broken --quiet
test "$(weights broken)" = "$(weights whole)"
ok $? "  ... and ends with the very same bits"

# ---- what is trained of it
try "all but the head is frozen" "$nilu" train table.csv --model own.onnx $settings --epochs 2 --freeze "*, !fc3" --out head
has "of them trained"
"$nilu" export head --safetensors head.safetensors >out 2>err
"$nilu" export own --safetensors own.safetensors >out 2>err
python3 - <<'END' >out 2>&1
import json, struct
def read(path):
    b = open(path, "rb").read()
    n = struct.unpack("<Q", b[:8])[0]
    return {k: b[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]] for k, v in json.loads(b[8:8 + n]).items() if k != "__metadata__"}
a, b = read("own.safetensors"), read("head.safetensors")
assert set(a) == set(b), (sorted(a), sorted(b))
changed = sorted(k for k in a if a[k] != b[k])
assert changed == ["fc3/bias", "fc3/weight"], changed
END
ok $? "  ... and has not changed by a bit"
try "a model of nilu's own, frozen in part" "$nilu" train table.csv --layers "8 relu, 8 relu" $settings --epochs 1 --freeze fc1 --out part
has "of them trained"
grep -q 'freeze: .*fc1' part/run.yaml
ok $? "  ... the run says so"

# ---- mistakes
refuses "no parameter is called fc9; there are" "$nilu" train table.csv --model own.onnx --freeze fc9 --no-run
refuses "so nothing is left to train" "$nilu" train table.csv --model own.onnx --freeze "*" --no-run
refuses "with BatchNormalization" "$nilu" train table.csv --model own.onnx --train-norms --no-run
refuses "--freeze cannot be changed" "$nilu" train --resume tuned --freeze fc1
cut -d, -f2- table.csv >narrow.csv
refuses "wants samples of [3] (-1: any), but those of the data are [2]" "$nilu" train narrow.csv --model own.onnx --no-run
awk -F, -v OFS=, 'NR > 1 && NR % 5 == 0 { $4 = "never" } 1' table.csv >more.csv
refuses "gives 3 numbers for each sample, but the data want 4" "$nilu" train more.csv --model own.onnx --no-run
cp -r tuned bent
cp again.onnx bent/network/own.onnx
refuses "is not the file that the model was made of" "$nilu" eval bent
rm bent/network/own.onnx
refuses "bent/network/own.onnx" "$nilu" eval bent
printf 'file: own.onnx\nfreeze: fc1\ntrain: {epochs: 1}\n' >own.yaml
try "a model file may name one" "$nilu" train table.csv --model own.yaml --out named
printf 'file: own.onnx\nlayers: [8 relu]\n' >both.yaml
refuses "both.yaml" "$nilu" train table.csv --model both.yaml --no-run
printf 'layers: [8 relu]\nnorms: frozen\n' >none.yaml
refuses "norms go with file" "$nilu" train table.csv --model none.yaml --no-run
printf 'file: own.onnx\nnorms: melted\n' >melted.yaml
refuses "norms must be frozen or trained, not melted" "$nilu" train table.csv --model melted.yaml --no-run

exit $failed
