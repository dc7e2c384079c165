"""What else stands in a run's folder: an encoder and a model whose identity is right, so that they are read and not refused by
their hash; journals; checkpoints; the index of samples."""
import hashlib
import json
import re
import struct

from rows import row
from values import MODEL, RUN, file_of, in_run

YAML = RUN["run.yaml"].decode()
TABLE = b"a,b,kind\n" + b"".join(b"%d,%d,k%d\n" % (i * 7 % 11, i * 3 % 5, i % 2) for i in range(40))
# What is not part of the identity, as src/record/settings.c has it.
APART = {"": ("nilu", "identity"), "data": ("where", "name"), "train": ("snapshots",), "result": None,
         "opened": ("target", "task", "delimiter", "header", "refuse_missing", "ignore", "keep", "memory", "resize", "colour")}


def identity(text):
    return text.split('identity: "', 1)[1][:64]


def signed(text):
    """The run.yaml `text` with the identity that it has."""
    section, kept, skip = "", [], False
    for line in text.splitlines(True):
        if line[0] == "#":
            continue
        if line[0] != " ":
            key, rest = line.split(":", 1)
            section = key if rest == "\n" else ""
            skip = APART.get(key, ()) is None or (section == "" and key in APART[""])
        elif section:
            skip = APART.get(section, ()) is None or line.strip().split(":", 1)[0] in APART.get(section, ())
        if not skip:
            kept.append(line)
    return text.replace(identity(text), hashlib.sha256("".join(kept).encode()).hexdigest(), 1)


assert signed(YAML) == YAML, "the identity of a run is made in another way"


def block(key):
    """Where the text of a key that has lines of its own begins and ends."""
    at = YAML.index("\n%s: |\n" % key) + len("\n%s: |\n" % key)
    end = at
    while YAML[end:end + 2] == "  ":
        end = YAML.index("\n", end) + 1
    return at, end


def weights_of(bytes_, text, **more):
    """A file of weights that says that it is of this run, and nothing of its check sum."""
    n = struct.unpack("<Q", bytes_[:8])[0]
    header = json.loads(bytes_[8:8 + n])
    header["__metadata__"]["identity"] = identity(text)
    del header["__metadata__"]["nilu.check"]
    header["__metadata__"].update((k.replace("__", "."), v) for k, v in more.items())
    return file_of(json.dumps(header), bytes_[8 + n:])


def run_of(text):
    """A whole run with this run.yaml: its weights say that they are of it."""
    text = signed(text)
    files = {"run/" + n: weights_of(b, text) if n.endswith(".safetensors") else b for n, b in RUN.items()}
    files["run/run.yaml"] = text.encode()
    files["t.csv"] = TABLE
    return files


def with_text(key, text):
    at, end = block(key)
    return YAML[:at] + "".join("  " + l + "\n" for l in text.splitlines()) + YAML[end:]


ENCODER = json.loads("".join(YAML[slice(*block("encoder"))].splitlines()))


def encoder(what, says="the encoder of the data is damaged", text=None, **changes):
    e = dict(ENCODER, **changes)
    e = {k: v for k, v in e.items() if v is not None}
    row("encoder: " + what, run_of(with_text("encoder", text if text else json.dumps(e, indent=1))), "eval run t.csv", says)


def columns(first=None, more=(), **changes):
    c = [dict(x) for x in ENCODER["columns"]]
    c[0] = dict(c[0] if first is None else first, **changes)
    return {"columns": c + list(more)}


encoder("no JSON", text="{'format': 1}\n")
encoder("100,000 brackets", text="\n".join(["[" * 1000] * 100) + "\n")
encoder("a list", text="[]\n[]\n")
encoder("a key twice", text=json.dumps(ENCODER, indent=1)[:-2] + ',\n "task": "none"\n}\n')
encoder("another format", format="nilu-encoder-9")
encoder("no format", format=None)
encoder("a format that is a number", format=1)
encoder("no task", task=None)
encoder("a task that does not exist", task="world domination")
encoder("no target", target=None)
encoder("a target that is a list", target=[])
encoder("no classes", classes=None)
encoder("one class", classes=["k0"])
encoder("classes that are out of order", classes=["k1", "k0"])
encoder("a class twice", classes=["k0", "k0"])
encoder("classes that are numbers", classes=[0, 1])
encoder("70,000 classes", classes=["k%06d" % i for i in range(70000)])
encoder("three classes for a network of two", "were they saved from another model?", classes=["k0", "k1", "k2"])
encoder("numbers of classes that are out of order", class_numbers=[1, 0])
encoder("more numbers of classes than classes", class_numbers=[0, 1, 2])
encoder("numbers of classes that are texts", class_numbers=["0", "1"])
encoder("a number of a class beyond all", class_numbers=[0, -1e300])
encoder("no columns", columns=[])
encoder("columns that are a text", columns="a")
encoder("a column that is a number", columns=[7] + ENCODER["columns"][1:])
encoder("a column without a name", **columns(name=None))
encoder("a column without a use", **columns(use=None))
encoder("a column of a use that does not exist", **columns(use="weapon"))
encoder("a mean that is a text", **columns(mean="0"))
encoder("a mean that is nothing", **columns(mean=None))
encoder("a deviation of 0", **columns(std=0))
encoder("a deviation of -1", **columns(std=-1))
encoder("a mean beyond all", text=json.dumps(dict(ENCODER, **columns(mean=12345)), indent=1).replace("12345", "1e999") + "\n")
encoder("a mean that is not a number", text=json.dumps(dict(ENCODER, **columns(mean=float("nan"))), indent=1) + "\n")
encoder("texts that are out of order", **columns({"name": "a", "use": "text", "texts": ["b", "a"], "other": False}))
encoder("texts that are no list", **columns({"name": "a", "use": "text", "texts": 3, "other": False}))
encoder("a column of texts for a network of numbers", "was it trained with another model?", **columns({"name": "a", "use": "text", "texts": ["1", "2", "3"], "other": True}))
encoder("a column more than the network reads", 'has no column "kind2"', **columns(more=[dict(ENCODER["columns"][0], name="kind2")]))
encoder("a name that is not in the table", "t.csv", **columns(name="nowhere"))
encoder("a name with a NUL byte", **columns(name="a\0b"))
encoder("a shape instead of columns", "is a table, but the model was trained on arrays", columns=None, shape=[2], low=0, high=1, shared=True, mean=[0], std=[1])
encoder("a shape of 2^62", columns=None, shape=[1 << 62, 4], low=0, high=1, shared=True, mean=[0], std=[1])
encoder("a shape of -1", columns=None, shape=[-1], low=0, high=1, shared=True, mean=[0], std=[1])
encoder("a shape of nine dimensions", columns=None, shape=[1] * 9, low=0, high=1, shared=True, mean=[0], std=[1])
encoder("a shape of texts", columns=None, shape=["2"], low=0, high=1, shared=True, mean=[0], std=[1])
encoder("planes of two dimensions", columns=None, shape=[1, 2], planes=True, low=0, high=1, shared=True, mean=[0], std=[1])
encoder("two billion features by one mean", "is a table, but the model was trained on arrays", columns=None, shape=[2000000000], low=0, high=1, shared=True, mean=[0], std=[1])
encoder("fewer means than features", columns=None, shape=[2], low=0, high=1, mean=[0], std=[1])
encoder("a mean and no deviation", columns=None, shape=[2], low=0, high=1, shared=True, mean=[0])
encoder("neither columns nor a shape", columns=None)


def model(what, text, says):
    row("run.yaml: signed: a model " + what, run_of(with_text("model", text)), "eval run t.csv", says)


model("of other layers than its weights", "layers:\n  - dense 3 relu name=fc1", "were they saved from another model?")
model("that is no YAML", "layers: [[[\n", "run.yaml")
model("that has no layers", "name: x\n# nothing\n", "run.yaml")
model("of 10^12 units", "layers:\n  - dense 1000000000000 name=fc1", "")
model("of 1,000 layers of 1,000 units", "layers:\n" + "".join("  - dense 1000 name=f%d\n" % i for i in range(1000)), "write dense auto")


# ---- a training that is gone on with

STOPPED = re.sub("where: .*", 'where: "t.csv"', YAML[:YAML.index("result:")])


def resume(what, says, text=STOPPED, name="run/lock", bytes_=b""):
    row("resumed: " + what, {**run_of(text), "run/lock": b"", name: bytes_}, "train --resume run", says)


for what, old, new, says in (
        ("samples: 2^62", "samples: 36", "samples: 4611686018427387904", "divided or encoded in another way"),
        ("another seed for the parts", "  seed: 0", "  seed: 7", "divided or encoded in another way"),
        ("a batch of 2^62", "batch: 16", "batch: 4611686018427387904", "batch is 4611686018427387904"),
        ("epochs: -1", "epochs: 2", "epochs: -1", "epochs is -1"), ("a rate of -1", "  lr: ", "  lr: -", "lr of adamw is -0.002"),
        ("gradients of 2^31 - 1 batches", "accumulate: 1", "accumulate: 2147483647", "were they saved from another model?"),
        ("a share of 1", "validation: 0.1", "validation: 1", "validation is 1"), ("a share of -1", "validation: 0.1", "validation: -1", "validation is -1"),
        ("a schedule of -1 steps", "total: 6", "total: -1", "negative number of updates"),
        ("a model of other layers", "dense 2 relu", "dense 3 relu", "were they saved from another model?")):
    assert old in STOPPED, old
    resume(what, says, STOPPED.replace(old, new, 1))
CHECKPOINT = "run/checkpoints/last.safetensors"
LAST = weights_of(RUN["checkpoints/last.safetensors"], signed(STOPPED))
for what, bytes_ in (("nothing", b""), ("weights alone", weights_of(MODEL, signed(STOPPED))),
                     ("cut off", LAST[:-9]), ("a device without end", ("link", "/dev/zero")),
                     ("a pipe that nobody writes to", ("pipe",))):
    resume("a checkpoint: " + what, "last.safetensors", name=CHECKPOINT, bytes_=bytes_)
for what, more in (("a step of -1", {"step": "-1"}), ("a step of 2^62", {"step": "4611686018427387904"}), ("a step of 2^64", {"step": "18446744073709551616"}),
                   ("a step that is a word", {"step": "six"}), ("an epoch of -1", {"epoch": "-1"}), ("an epoch of 2^62", {"epoch": "4611686018427387904"}),
                   ("a batch of -1", {"batch": "-1"}), ("a batch of 2^62", {"batch": "4611686018427387904"}), ("a batch behind the last", {"epoch": "1", "batch": "99"}),
                   ("a best epoch of 2^62", {"best_epoch": "4611686018427387904"}), ("a best epoch of -1", {"best_epoch": "-1"}),
                   ("a loss of letters", {"best_loss": "zzzzzzzzzzzzzzzz"}),
                   ("a loss of -1 samples", {"loss_samples": "-1"}), ("no epoch", {"epoch": ""}), ("states that are no JSON", {"nilu__states": "["}),
                   ("states that are an object", {"nilu__states": "{}"}), ("states that are not there", {"nilu__states": '["nowhere"]'}),
                   ("states that are numbers", {"nilu__states": "[1]"})):
    resume("a checkpoint: " + what, "last.safetensors:", name=CHECKPOINT, bytes_=weights_of(RUN["checkpoints/last.safetensors"], signed(STOPPED), **more))
resume("a lock that is a link out of the folder", "lock", bytes_=("link", "../t.csv"))


# ---- journals, links

LINE = RUN["metrics.jsonl"].splitlines(True)[0]
for what, bytes_ in (("no epoch", b'{"step": 1}\n'), ("an epoch of -1", LINE.replace(b'"epoch": 1', b'"epoch": -1')), ("bad UTF-8", b'{"epoch": 1, "a": "\xff\xfe"}\n'),
                     ("a list", b"[1]\n"), ("a key twice", LINE[:-2] + b', "epoch": 1}\n'), ("a line of 8 MB", b'{"epoch": 1, "a": "' + b"x" * 8000000 + b'"}\n'),
                     ("a number of 1,000 digits", b'{"epoch": ' + b"9" * 1000 + b"}\n"), ("a second line that is none", LINE + b"\0\n")):
    in_run("metrics.jsonl: signed: " + what, "metrics.jsonl", bytes_, "metrics.jsonl:")
row("run: a link to itself", {"run": ("link", "run")}, "export run --safetensors w.safetensors", "run")
row("run: a file of its name", {"run": b"x"}, "export run --safetensors w.safetensors", "run")
row("run: nothing in it", {"run/notes": b"x"}, "export run --safetensors w.safetensors", "run")
row("run: run.yaml is a folder", {"run/run.yaml/x": b"", "run/model.safetensors": MODEL}, "export run --safetensors w.safetensors", "run.yaml")
