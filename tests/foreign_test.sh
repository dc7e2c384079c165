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

# ---- weights by themselves, in each format
try "what is in a file" "$nilu" import own.onnx
has "Relu"
has "fc1/weight"
has "-1, 3]"
try "written in every format" "$nilu" export part --safetensors part.safetensors --npz part.npz --gguf part.gguf --onnx part.onnx
for file in part.safetensors part.gguf part.onnx; do
    try "$file becomes a run" "$nilu" import $file --data table.csv --seed 5 --out "in-$file"
    "$nilu" export "in-$file" --npz back.npz >out 2>err && cmp back.npz part.npz >out 2>&1
    ok $? "  ... with every bit"
done
try "part.npz, which has no network with it" "$nilu" import part.npz --layers "8 relu, 8 relu" --data table.csv --out in-part.npz
"$nilu" export in-part.npz --npz back.npz >out 2>err && cmp back.npz part.npz >out 2>&1
ok $? "  ... with every bit"
"$nilu" eval part --json >one 2>err && "$nilu" eval in-part.gguf --json >two 2>err
test "$(grep -o '"loss": *[0-9.e-]*' one | head -1)" = "$(grep -o '"loss": *[0-9.e-]*' two | head -1)"
ok $? "  ... and the same loss"
for command in blame explain health; do
    try "$command of what was imported" "$nilu" $command in-part.gguf
done
try "a net of pictures, written" "$nilu" train digits --hidden 8 --steps 1 --quiet --out seen
try "  ..." "$nilu" export seen --onnx seen.onnx
try "  ... is imported" "$nilu" import seen.onnx --data digits --out dreamer
try "  ... and dreams" "$nilu" dream dreamer --class 3 --steps 2 --out dream.png
try "trained on from there" "$nilu" train table.csv --from in-part.gguf --optimizer sgd --lr 0 --batch 16 --steps 1 --out on
has "all 6 parameters"
"$nilu" export on --npz back.npz >out 2>err && cmp back.npz part.npz >out 2>&1
ok $? "  ... beginning with every bit"
"$nilu" train table.csv --from in-part.gguf $settings --epochs 60 --quiet --out whole-on >out 2>err
rm -rf broken-on
"$nilu" train table.csv --from in-part.gguf $settings --epochs 60 --quiet --out broken-on >out 2>err &
pid=$!
for wait in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ -e broken-on/checkpoints/last.safetensors ] && break
    sleep 0.05
done
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
try "killed, and gone on with" "$nilu" train --resume broken-on --quiet
test "$(weights broken-on)" = "$(weights whole-on)"
ok $? "  ... to the very same bits"
try "into another net: what fits" "$nilu" train table.csv --from in-part.gguf --layers "8 relu, 9 relu" $settings --epochs 1 --no-run
has "3 of 6 parameters; the others begin anew"

# ---- as others name and pack them: matrices of PyTorch's stand the other way round, and its sequences count their modules
python3 - <<'END' >out 2>&1
import json, struct
from array import array
def halves(values):
    return b"".join(struct.pack("<e", v) for v in values)
w = [[round((i * 7 + k * 3) % 11 - 5, 3) / 8 for k in range(3)] for i in range(8)]      # [8, 3]: outputs, inputs
b1 = [i / 16 for i in range(8)]
v = [[((i * 5 + k) % 7 - 3) / 4 for k in range(8)] for i in range(3)]                   # [3, 8]
b2 = [0.5, -0.25, 0.125]
flat = lambda m: [x for r in m for x in r]
def safetensors(path, tensors, kind="F32"):
    head, data = {}, b""
    for name, (shape, values) in sorted(tensors.items()):
        raw = halves(values) if kind == "F16" else array("f", values).tobytes()
        head[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(head).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)
names = ["2.weight", "2.bias", "10.weight", "10.bias"]                                  # 10 behind 2, as numbers go
tensors = dict(zip(names, [([8, 3], flat(w)), ([8], b1), ([3, 8], flat(v)), ([3], b2)]))
safetensors("sequence.safetensors", tensors)
safetensors("halves.safetensors", tensors, "F16")
safetensors("named.safetensors", dict(zip(["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc9.weight"], list(tensors.values()) + [([1], [1])])))
def text(s):
    return struct.pack("<Q", len(s)) + s.encode()
def gguf(path, rows, alignment=64):                                                     # name, shape as ggml has it, type, bytes
    head = b"GGUF" + struct.pack("<IQQ", 3, len(rows), 4)
    head += text("general.architecture") + struct.pack("<I", 8) + text("mlp") + text("general.alignment") + struct.pack("<II", 4, alignment)
    head += text("some.list") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bc") + text("some.flag") + struct.pack("<IB", 7, 1)
    data = b""
    for name, shape, kind, raw in rows:
        data += bytes(-len(data) % alignment)
        head += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", d) for d in shape) + struct.pack("<IQ", kind, len(data))
        data += raw
    open(path, "wb").write(head + bytes(-len(head) % alignment) + data)
q8 = lambda m, d: b"".join(halves([d]) + struct.pack("<32b", *m[i:i + 32]) for i in range(0, len(m), 32))
ints = [(i * 37) % 255 - 127 for i in range(96)]                                        # [3 inputs, 32 units]: fc1/weight as nilu has it
nibbles = [(i * 5 + i // 16) % 16 for i in range(96)]                                         # [32, 3]
q4 = b"".join(halves([0.5]) + bytes(nibbles[i + k] | nibbles[i + 16 + k] << 4 for k in range(16)) for i in range(0, 96, 32))
bf16 = b"".join(array("f", [x]).tobytes()[2:] for x in range(32))
gguf("packed.gguf", [("fc1/weight", [32, 3], 8, q8(ints, 0.25)), ("fc1/bias", [32], 30, bf16), ("fc2.weight", [32, 3], 2, q4),
                     ("fc2/bias", [3], 24, struct.pack("<3b", -1, 0, 7))])
gguf("k.gguf", [("fc1/weight", [256], 12, bytes(144))])
END
ok $? "files as others write them"
try "PyTorch's names" "$nilu" import named.safetensors --layers "8 relu" --data table.csv --out pt-named
has "1 tensors of named.safetensors are not the model's"
try "a sequence of modules" "$nilu" import sequence.safetensors --layers "8 relu" --data table.csv --out pt-sequence
has "modules were taken in their order"
try "half floats" "$nilu" import halves.safetensors --layers "8 relu" --data table.csv --out pt-halves
test "$(weights pt-named)" = "$(weights pt-sequence)" && test "$(weights pt-named)" = "$(weights pt-halves)"
ok $? "  ... all of them the same weights"
try "blocks of whole numbers" "$nilu" import packed.gguf --layers "32 relu" --data table.csv --out unpacked
python3 - <<'END' >out 2>&1
import json, struct
from array import array
def read(path):
    b = open(path, "rb").read()
    n = struct.unpack("<Q", b[:8])[0]
    return {k: (v["shape"], list(array("f", b[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]]))) for k, v in json.loads(b[8:8 + n]).items() if k != "__metadata__"}
n = read("pt-named/model.safetensors")
w = [[round((i * 7 + k * 3) % 11 - 5, 3) / 8 for k in range(3)] for i in range(8)]
assert n["fc1/weight"] == ([3, 8], [w[i][k] for k in range(3) for i in range(8)]), n["fc1/weight"]
assert n["fc2/bias"] == ([3], [0.5, -0.25, 0.125])
u = read("unpacked/model.safetensors")
assert u["fc1/weight"] == ([3, 32], [((i * 37) % 255 - 127) * 0.25 for i in range(96)]), u["fc1/weight"]
four = [((i * 5 + i // 16) % 16 - 8) * 0.5 for i in range(96)]
assert u["fc2/weight"] == ([32, 3], [four[k * 32 + i] for i in range(32) for k in range(3)]), u["fc2/weight"]
assert u["fc1/bias"][1] == list(range(32)) and u["fc2/bias"][1] == [-1, 0, 7]
END
ok $? "  ... their values, by hand"

# ---- scaled as the net was trained
python3 -c '
import struct
def npy(path, kind, shape, raw):
    head = ("{%r: %r, %r: False, %r: %r, }" % ("descr", kind, "fortran_order", "shape", shape)).encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    open(path, "wb").write(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + raw)
npy("x.npy", "|u1", (40, 3), bytes((i * 7) % 256 for i in range(120)))
npy("x_labels.npy", "<i4", (40,), b"".join(struct.pack("<i", i % 3) for i in range(40)))
'
try "a scale that was given" "$nilu" train x.npy --target x_labels.npy --scale "0.5/0.25" --epochs 1 --out scaled
has "Samples are scaled by means and deviations that were given: 0.5/0.25."
grep -q 'scale: "0.5/0.25"' scaled/run.yaml && grep -q '127.5' scaled/run.yaml && grep -q '63.75' scaled/run.yaml
ok $? "  ... is kept, of bytes as shares of 255"
try "  ... and holds when the data are opened again" "$nilu" eval scaled

# ---- mistakes
refuses "give them with --data DATA" "$nilu" import own.onnx --out never
refuses "say which it is with --model FILE" "$nilu" import part.npz --data table.csv --out never
refuses "part.onnx is a network itself" "$nilu" import part.onnx --data table.csv --hidden 3 --out never
refuses "were they made for another net?" "$nilu" import part.npz --layers "9 relu, 8 relu" --data table.csv --out never
refuses "has values for 4 of the 6 parameters" "$nilu" import named.safetensors --layers "8 relu, 3 relu, 3 relu" --data table.csv --out never
refuses "is of type 12, which is not read" "$nilu" import k.gguf
refuses "gone.gguf" "$nilu" import gone.gguf
printf 'PK\003\004\024\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\020\000\000\000archive/data.pkl' >net.pt
printf '\200\002cposix\nsystem\n' >net.pkl
refuses "net.pt: is a pickle" "$nilu" import net.pt
refuses "net.pkl: is a pickle" "$nilu" import net.pkl
refuses "has the name and shape of one of part" "$nilu" train table.csv --from part --layers "3 tanh name=q" --no-run
refuses "--from cannot be changed" "$nilu" train --resume tuned --from part
for scale in "0.5" "0.5/0" "a/b" "0.5,0.5/1" "/" "1/2/3" "0.5/nan"; do
    refuses "must be MEANS/DEVIATIONS" "$nilu" train x.npy --target x_labels.npy --scale "$scale" --no-run
done
refuses "is a table, whose columns are scaled by what they hold" "$nilu" train table.csv --scale 0/1 --no-run
test ! -e never
ok $? "nothing was left behind"
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
