"""A model's file (YAML), and the words of --layers."""
from rows import row


def model(what, text, says):
    row("yaml: " + what, {"m.yaml": text.encode() if isinstance(text, str) else text}, "plan m.yaml --input 4 --outputs 3", says)


GOOD = "input: [4]\nlayers:\n  - dense 8 relu\n  - dense 3\n"
BOMB = "a: &a [x, x]\n" + "".join("%s: &%s [*%s, *%s, *%s, *%s, *%s, *%s, *%s, *%s]\n" % (c, c, *([p] * 8)) for p, c in zip("abcdefghijkl", "bcdefghijklm"))

model("nothing", "", "layers is missing")
model("a comment alone", "# nothing\n", "layers is missing")
model("NUL bytes", b"\0" * 64, "m.yaml")
model("a NUL byte in a word", b"layers:\n  - dense 8\0 relu\n", "m.yaml: byte 19")
model("bad UTF-8", b"layers:\n  - dense \xff\xfe8\n", "m.yaml")
model("UTF-16 cut in half", "layers: [3]".encode("utf-16")[:-1], "m.yaml")
model("a control sign", b"layers:\n  - \x1b[2J\n", "m.yaml")
model("a bomb of aliases", BOMB + "layers: *m\n", "anchors and aliases")
model("an alias of itself", "layers: &a [*a]\n", "anchors and aliases")
model("an alias of nothing", "layers: *nothing\n", "m.yaml:1")
model("merge keys", "base: &b {dense: 3}\nlayers:\n  - <<: *b\n", "anchors and aliases")
model("10,000 brackets", "layers: " + "[" * 10000, "m.yaml")
model("10,000 braces", "{a: " * 10000, "m.yaml")
model("10,000 levels of indentation", "".join(" " * i + "- \n" for i in range(2000)), "m.yaml")
model("a key twice", GOOD + "layers: []\n", "the key layers stands here and in line 2")
model("a tag that is a program", "layers: !!python/object/apply:os.system ['true']\n", "m.yaml:1")
model("a binary tag", "layers: !!binary R0lGODlh\n", "m.yaml:1")
model("two documents", GOOD + "---\n" + GOOD, "second document")
model("a quote that is never closed", 'layers:\n  - "dense 8\n', "m.yaml")
model("tabs", "layers:\n\t- dense 8\n", "m.yaml:2")
model("a list as a key", "? [a, b]\n: c\nlayers: [3]\n", "m.yaml:1")
model("a model of 5 MB", lambda: (GOOD + "# " + "x" * 5000000 + "\n").encode(), "m.yaml")
model("100,000 layers", "layers:\n" + "  - dense 1\n" * 100000, "at most 10000 layers")
model("-1 units", "layers: [dense -1]\n", "units is -1")
model("units beyond 64 bits", "layers: [dense 99999999999999999999]\n", "units is")
model("units that are not a number", "layers: [dense nan]\n", "units must be")
model("units of infinity", "layers: [dense 1e999]\n", "units must be")
model("dropout of not a number", "layers: [dropout nan]\n", "rate must be")
model("dropout of all", "layers: [dropout 1]\n", "rate is 1")
model("a cycle", "layers:\n  - dense 3 name=a from=b\n  - dense 3 name=b from=a\n", "m.yaml:2")
model("a layer that reads itself", "layers: [dense 3 name=a from=a]\n", "reads itself")
model("a name of 10,000 letters", "layers: [dense 3 name=%s]\n" % ("a" * 10000), "a layer of 10013 characters")
model("a name that leads out of a folder", "layers: [dense 3 name=../../x]\n", "cannot be a name")
model("names twice", "layers: [dense 3 name=a, dense 3 name=a]\n", "the name a is taken")
model("a shape of -1", "input: [-1]\nlayers: [dense 3]\n", "-1 is no dimension")
model("a shape beyond 64 bits", "input: [99999999999999999999]\nlayers: [dense 3]\n", "m.yaml:1")
model("a shape whose product is beyond 64 bits", "input: [4294967296, 4294967296]\nlayers: [flatten, dense 3]\n", "m.yaml")
model("a shape of nine dimensions", "input: [1,1,1,1,1,1,1,1,4]\nlayers: [flatten, dense 3]\n", "m.yaml:1")
model("weights beyond all memory", "input: [1000000]\nlayers: [dense 1000000, dense 1000000]\n", "")
model("a window larger than the picture", "input: [1, 4, 4]\nlayers: [conv 4 9, flatten, dense 3]\n", "m.yaml")
model("a stride of 0", "input: [1, 4, 4]\nlayers: [conv 4 3 stride=0, flatten, dense 3]\n", "stride is 0")
model("padding of 2^31", "input: [1, 4, 4]\nlayers: [conv 4 3 padding=2147483648, flatten, dense 3]\n", "padding is")
model("groups that do not divide", "input: [3, 4, 4]\nlayers: [conv 4 3 groups=2, flatten, dense 3]\n", "m.yaml")
model("upsampling without end", "input: [1, 4, 4]\nlayers: [upsample 1000000, upsample 1000000, flatten, dense 3]\n", "m.yaml")
model("a learning rate that is not a number", GOOD + "train: {lr: nan}\n", "lr must be")
model("a batch of -1", GOOD + "train: {batch: -1}\n", "batch")
model("a formatted text as a name", "layers: ['%s%n%s%n']\n", "there is no layer called")
row("yaml: a folder of its name", {"m.yaml/x": b""}, "plan m.yaml --input 4 --outputs 3", "m.yaml")
row("yaml: a device without end", {"m.yaml": ("link", "/dev/zero")}, "plan m.yaml --input 4 --outputs 3", "is not a regular file")


def layers(what, words, says):
    row("layers: " + what, {}, "plan --input 4 --outputs 3 --layers", says)
    from rows import ROWS
    ROWS[-1][2].append(words)


layers("nothing", "", "layer")
layers("commas alone", ",,,,", "layer")
layers("100,000 letters", "x" * 100000, "a layer of 100000 characters")
layers("20,000 layers' worth of commas", "8," * 20000 + "?", "at most 10000 layers")
layers("a sign that is no UTF-8", "dense \udcff8", "units must be")
layers("an equals sign alone", "dense =", "is not key=value")
layers("a key without a value", "dense 8 init=", "is not key=value")
layers("formats of printf", "%s%n%d", "there is no layer called")
layers("2^63 units", "dense 9223372036854775808", "units is")
layers("an escape sequence", "\x1b[31mdense 8", "there is no layer called")
row("yaml: a pipe that nobody writes to", {"m.yaml": ("pipe",)}, "plan m.yaml --input 4 --outputs 3", "is not a regular file")
