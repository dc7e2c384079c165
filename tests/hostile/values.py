"""safetensors: the weights of a run, which is made once by the command itself, and the other files of its folder."""
import os
import subprocess
import sys
import tempfile

from rows import HUGE, le, row

NAMES = ("run.yaml", "metrics.jsonl", "health.jsonl", "model.safetensors", "checkpoints/last.safetensors", "checkpoints/best.safetensors")
RUN = {}
with tempfile.TemporaryDirectory() as folder:
    table = os.path.join(folder, "t.csv")
    with open(table, "w") as f:
        f.write("a,b,kind\n" + "".join("%d,%d,k%d\n" % (i * 7 % 11, i * 3 % 5, i % 2) for i in range(40)))
    run = os.path.join(folder, "run")
    nilu = os.path.join(os.path.abspath(sys.argv[1]), "nilu")
    subprocess.run([nilu, "train", table, "--layers", "2 relu", "--epochs", "2", "--threads", "1", "--out", run, "--quiet"], check=True, capture_output=True)
    for name in NAMES:
        with open(os.path.join(run, name), "rb") as f:
            RUN[name] = f.read()
MODEL = RUN["model.safetensors"]


def in_run(what, name, bytes_, says, command="export run --safetensors w.safetensors"):
    files = {"run/" + n: b for n, b in RUN.items()}
    files["run/" + name] = bytes_
    row(what, files, command, says)


def weights(what, bytes_, says):
    in_run("safetensors: " + what, "model.safetensors", bytes_, says)


def file_of(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else header.encode()
    return le("Q", len(text) if length is None else length) + text + data


def tensor(dtype="F32", shape="[1]", place="[0,4]", name="a", more=""):
    return '{"%s":{"dtype":"%s","shape":%s,"data_offsets":%s}%s}' % (name, dtype, shape, place, more)


weights("nothing", b"", "model.safetensors")
for cut in (1, 7, 8, 9, 100, len(MODEL) - 1):
    weights("cut off after %d bytes" % cut, MODEL[:cut], "model.safetensors")
weights("a byte too many", MODEL + b"\0", "model.safetensors")
weights("a header of 2^63 bytes", le("Q", 1 << 63) + MODEL[8:], "model.safetensors")
weights("a header of 2^64 - 1 bytes", le("Q", (1 << 64) - 1) + MODEL[8:], "model.safetensors")
weights("a length that is big-endian", MODEL[7::-1] + MODEL[8:], "model.safetensors")
weights("a header that is a list", file_of("[]"), "no JSON object")
weights("a header that is no JSON", file_of("{'a': 1}"), "model.safetensors")
weights("a header of 100,000 brackets", file_of("[" * 100000), "model.safetensors")
weights("a header of 100,000 braces", file_of('{"a":' * 100000), "model.safetensors")
weights("a header that is no UTF-8", file_of(b'{"\xff\xfe": 1}'), "model.safetensors")
weights("a header with a NUL byte", file_of(b'{"a\0b": 1}'), "model.safetensors")
weights("a name with an escaped NUL byte", file_of(tensor(name="a\\u0000b"), bytes(4)), "model.safetensors")
weights("a tensor twice", file_of('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', bytes(8)), "duplicate")
weights("a dimension of 2^63", file_of(tensor(shape="[9223372036854775808]"), bytes(4)), "model.safetensors")
weights("a dimension of 2^63 - 1", file_of(tensor(shape="[%d]" % HUGE), bytes(4)), "tensor a")
weights("a negative dimension", file_of(tensor(shape="[-1]"), bytes(4)), "tensor a")
weights("a dimension of 1.5", file_of(tensor(shape="[1.5]"), bytes(4)), "tensor a")
weights("a product beyond 64 bits", file_of(tensor(shape="[4294967296,4294967296]"), bytes(4)), "tensor a")
weights("nine dimensions", file_of(tensor(shape="[1,1,1,1,1,1,1,1,1]"), bytes(4)), "9 dimensions")
weights("a place behind the end", file_of(tensor(place="[0,8]", shape="[2]"), bytes(4)), "tensor a")
weights("a place before the beginning", file_of(tensor(place="[-4,0]"), bytes(4)), "tensor a")
weights("a place that ends before it begins", file_of(tensor(place="[4,0]"), bytes(4)), "tensor a")
weights("places that overlap", file_of('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)), "tensor b")
weights("a hole between two", file_of('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}', bytes(12)), "tensor b")
weights("bytes of no tensor", file_of(tensor(), bytes(8)), "belong to no tensor")
weights("a type that does not exist", file_of(tensor(dtype="F33"), bytes(4)), "F33")
weights("a type of 10,000 letters", file_of(tensor(dtype="F" * 10000), bytes(4)), "model.safetensors")
weights("another network's weights", file_of(tensor(name="fc1/weight")[:-1] + ',"__metadata__":{}}', bytes(4)), "model.safetensors")
weights("not-a-number in every weight", MODEL[:-8] + b"\xff" * 8, "check sum")
for at in (0, 30, len(MODEL) // 2, len(MODEL) - 1):
    weights("byte %d changed" % at, MODEL[:at] + bytes([MODEL[at] ^ 4]) + MODEL[at + 1:], "model.safetensors")

Y = RUN["run.yaml"]
for what, bytes_, says in (("nothing", b"", "run.yaml"), ("cut off in the middle", Y[:len(Y) // 2], "run.yaml"), ("NUL bytes", b"\0" * 500, "run.yaml"),
                           ("bad UTF-8", Y.replace(b"kind", b"k\xff\xfed"), "run.yaml"), ("a rate changed by hand", Y.replace(b"batch: ", b"batch: 1"), "run.yaml"),
                           ("a bomb of aliases", b"a: &a [x]\nb: *a\n" + Y, "run.yaml:1"), ("10,000 brackets", b"data: " + b"[" * 10000, "run.yaml"),
                           ("a key twice", Y + Y, "run.yaml"), ("a seed beyond 64 bits", Y.replace(b"seed: 0", b"seed: 99999999999999999999", 1), "run.yaml"),
                           ("a share that is not a number", Y.replace(b"validation: 0.1", b"validation: .nan"), "run.yaml"), ("a list", b"- a\n- b\n", "run.yaml")):
    in_run("run.yaml: " + what, "run.yaml", bytes_, says)
for what, bytes_, says in (("a line that is no JSON", b"{'epoch': 1}\n", "metrics.jsonl:1"), ("a line of 100,000 brackets", b"[" * 100000 + b"\n", "metrics.jsonl:1"),
                           ("an epoch of 2^64", b'{"epoch": 18446744073709551616}\n', "metrics.jsonl:1"), ("NUL bytes", b"\0" * 100 + b"\n", "metrics.jsonl:1"),
                           ("a device without end", ("link", "/dev/zero"), "metrics.jsonl")):
    in_run("metrics.jsonl: " + what, "metrics.jsonl", bytes_, says)
