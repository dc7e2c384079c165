"""ONNX models, written field by field: protobuf that is torn, graphs that cannot be, tensors that point elsewhere."""
from rows import HUGE, le, row


def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    """A whole number, bytes or text, a float, or a list: a field for each."""
    if isinstance(value, list):
        return b"".join(field(number, v) for v in value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + le("f", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def attribute(name, i=None, ints=None, f=None, s=None, t=None, g=None):
    out = field(1, name)
    for number, value, kind in ((3, i, 2), (8, ints, 7), (2, f, 1), (4, s, 3), (5, t, 4), (6, g, 5)):
        if value is not None:
            out += field(number, value) + field(20, kind)
    return out


def node(op, inputs, outputs, *attributes, name="n"):
    return field(1, list(inputs)) + field(2, list(outputs)) + field(3, name) + field(4, op) + field(5, list(attributes))


def tensor(name, dims, kind=1, raw=None, more=b""):
    return field(1, list(dims)) + field(2, kind) + field(8, name) + (field(9, raw) if raw is not None else b"") + more


def external(name, dims, location, **pairs):
    entries = [field(1, "location") + field(2, location)] + [field(1, k) + field(2, v) for k, v in pairs.items()]
    return tensor(name, dims, more=field(13, entries) + field(14, 1))


def port(name, dims=(2, 3), kind=1):
    shape = field(1, [field(1, d) if isinstance(d, int) else field(2, d) for d in dims])
    return field(1, name) + field(2, field(1, field(1, kind) + (field(2, shape) if dims is not None else b"")))


def graph(nodes, inputs=None, outputs=None, initial=()):
    return field(1, list(nodes)) + field(2, "g") + field(5, list(initial)) + field(11, [port("x")] if inputs is None else inputs) + \
        field(12, [port("y")] if outputs is None else outputs)


def model(g, opset=17):
    return field(1, 8) + field(7, g) + field(8, field(2, opset))


X = b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".ljust(117) + b"\n" + le("6f", *range(6))
RELU = node("Relu", ["x"], ["y"])
GOOD = model(graph([RELU]))


def onnx(what, bytes_, says, **others):
    row("onnx: " + what, dict({"m.onnx": bytes_, "x.npy": X}, **{k.replace("__", "."): v for k, v in others.items()}),
        "run m.onnx -i x=x.npy -o out", says)


def nodes(what, *list_, initial=(), says):
    onnx(what, model(graph(list_, initial=initial)), says)


def whole(name, *values):
    return tensor(name, [len(values)], 7, le("%dq" % len(values), *values))


onnx("nothing", b"", "no graph")
for cut in (1, 2, 3, 10, 20, len(GOOD) - 3, len(GOOD) - 1):
    onnx("cut off after %d bytes" % cut, GOOD[:cut], "m.onnx")
onnx("a length of 2^63", field(1, 8) + varint(7 << 3 | 2) + varint(1 << 63), "cut off")
onnx("a length of 2^64 - 1", field(1, 8) + varint(7 << 3 | 2) + varint((1 << 64) - 1), "cut off")
onnx("a number of eleven bytes", field(1, 8) + varint(7 << 3 | 2) + b"\x80" * 11, "cut off")
onnx("field number 0", b"\0" + GOOD, "m.onnx")
onnx("a wire type that does not exist", b"\x0f" + GOOD, "cut off")
onnx("groups, which are of another age", b"\x0b" * 5000, "cut off")
onnx("random text", b"this is no model, it is a sentence" * 10, "m.onnx")
onnx("a page of the web", b"<!DOCTYPE html><html></html>", "m.onnx")
onnx("a zip archive", b"PK\x03\x04" + bytes(200), "m.onnx")
deep = graph([RELU])
for _ in range(40):
    deep = graph([node("If", ["x"], ["y"], attribute("then_branch", g=deep), attribute("else_branch", g=deep[:0]))])
onnx("40 bodies within bodies", model(deep), "nested too deep")
kind = b""
for _ in range(200):
    kind = field(4, field(1, kind))
onnx("200 sequences of sequences", model(graph([RELU], inputs=[field(1, "x") + field(2, kind)])), "nested too deep")
onnx("a million empty nodes", lambda: model(field(1, [b""] * 1000000)), "unpacks to more than")
onnx("a million inputs of no name", lambda: model(graph([RELU]) + field(11, [b""] * 1000000)), "m.onnx")
onnx("two graphs", GOOD + field(7, graph([RELU])), "m.onnx")
onnx("opset 0", model(graph([RELU]), 0), "m.onnx")
onnx("opset 2^63", model(graph([RELU]), 1 << 63), "opset")
onnx("opset 6", model(graph([RELU]), 6), "opset 6")
onnx("opset 1000000", model(graph([RELU]), 1000000), "opset")
onnx("no opset", field(1, 8) + field(7, graph([RELU])), "no ops of ONNX itself")
onnx("ops of another domain", model(graph([RELU + field(7, "com.evil")])), "com.evil.Relu")

# ---- values
nodes("a cycle of two", node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"]), says='input "b" is computed nowhere')
nodes("a node that reads itself", node("Add", ["x", "y"], ["y"]), says='input "y" is computed nowhere')
nodes("an output that nobody computes", node("Relu", ["x"], ["z"]), says='output "y" is computed nowhere')
nodes("an op that does not exist", node("Frobnicate", ["x"], ["y"]), says="Frobnicate")
nodes("an op of 10,000 letters", node("R" * 10000, ["x"], ["y"]), says="does not know")
nodes("an op that is no UTF-8", node(b"\xff\xfe", ["x"], ["y"]), says="does not know")
nodes("an op with an escape sequence", node("\x1b[2J", ["x"], ["y"]), says="does not know")
nodes("a node without an op", field(1, ["x"]) + field(2, ["y"]), says="m.onnx")
nodes("a node with 100 inputs", node("Concat", ["x"] * 100, ["y"], attribute("axis", i=0)), says="more than 64 inputs")
nodes("a node with 100,000 attributes", node("Relu", ["x"], ["y"], *[attribute("a", i=1)] * 100000), says="attributes")
nodes("no input where two are needed", node("Add", ["x"], ["y"]), says="Add")
nodes("an input left out", node("Add", ["x", ""], ["y"]), says="Add")
nodes("an output more than there is", node("Relu", ["x"], ["y", "z"]), says="output 1")
onnx("the same input twice", model(graph([RELU], inputs=[port("x"), port("x")])), "m.onnx")
onnx("65 inputs", model(graph([RELU], inputs=[port("x%d" % i) for i in range(65)])), "m.onnx")
onnx("an input of nine dimensions", model(graph([RELU], inputs=[port("x", (1,) * 9)])), "9 dimensions")
onnx("an input of texts", model(graph([RELU], inputs=[port("x", kind=8)])), "string")
onnx("an input of a type that does not exist", model(graph([RELU], inputs=[port("x", kind=9999)])), "later versions")
onnx("an input that is a map", model(graph([RELU], inputs=[field(1, "x") + field(2, field(5, b""))])), "is no tensor")
onnx("sparse weights", model(graph([RELU]) + field(15, [b"", b""])), "sparse")


# ---- tensors
def weights(what, t, says, **others):
    onnx("weights: " + what, model(graph([node("Add", ["x", "w"], ["y"])], initial=[t])), says, **others)


weights("2^62 of them", tensor("w", [1 << 62], raw=b"\0" * 4), "too large")
weights("a product that is 4 in 64 bits", tensor("w", [1 << 32, 1 << 32], raw=b""), "too large")
weights("-1 of them", tensor("w", [-1], raw=b""), "negative")
weights("none beside 2^62", tensor("w", [0, 1 << 62], raw=b""), "too large")
weights("nine dimensions", tensor("w", [1] * 9, raw=b"\0" * 4), "9 dimensions")
weights("a byte too few", tensor("w", [2, 3], raw=bytes(23)), "as many bytes")
weights("a byte too many", tensor("w", [2, 3], raw=bytes(25)), "as many bytes")
weights("no numbers", tensor("w", [2, 3]), "as many numbers")
weights("numbers in the field of another type", tensor("w", [2, 3], more=field(7, [1, 2, 3, 4, 5, 6])), "as many numbers")
weights("texts", tensor("w", [2], 8, more=field(6, ["a", "b"])), "string")
weights("complex numbers", tensor("w", [2], 14, raw=bytes(16)), "complex64")
weights("type 2^31 - 1", tensor("w", [2], (1 << 31) - 1, raw=bytes(16)), "later versions")
weights("external: ../", external("w", [2, 3], "../secret"), "outside")
weights("external: a/../../", external("w", [2, 3], "a/../../secret"), "w")
weights("external: an absolute path", external("w", [2, 3], "/etc/passwd"), "outside")
weights("external: a link out of the folder", external("w", [2, 3], "l"), "outside", l=("link", "/etc/passwd"))
weights("external: a folder that is a link", external("w", [2, 3], "l/passwd"), "outside", l=("link", "/etc"))
weights("external: a link within the folder", external("w", [2, 3], "l"), "outside", l=("link", "d"), d=bytes(24))
weights("external: a device without end", external("w", [2, 3], "l"), "w", l=("link", "/dev/zero"))
weights("external: a pipe that nobody writes to", external("w", [2, 3], "p"), "w", p=("pipe",))
weights("external: the folder itself", external("w", [2, 3], "."), "w")
weights("external: nothing there", external("w", [2, 3], "gone.bin"), "gone.bin")
weights("external: no location", tensor("w", [2, 3], more=field(14, 1)), "no location")
weights("external: an empty location", external("w", [2, 3], ""), "w")
weights("external: a name of 5,000 letters", external("w", [2, 3], "d" * 5000), "w")
weights("external: too short", external("w", [2, 3], "d"), "as long as", d=bytes(23))
weights("external: an offset behind the end", external("w", [2, 3], "d", offset="1"), "as long as", d=bytes(24))
weights("external: an offset of 2^64 - 1", external("w", [2, 3], "d", offset=str((1 << 64) - 1)), "as long as", d=bytes(24))
weights("external: an offset of 2^65", external("w", [2, 3], "d", offset=str(1 << 65)), "whole numbers", d=bytes(24))
weights("external: an offset of -1", external("w", [2, 3], "d", offset="-1"), "whole numbers", d=bytes(24))
weights("external: another length than the shape's", external("w", [2, 3], "d", length="25"), "as long as", d=bytes(64))
onnx("weights: external: one file of 1 MB for 2,000 tensors",
     lambda: model(graph([RELU], initial=[external("w%d" % i, [1 << 18], "d") for i in range(2000)])), "beside its weights", d=lambda: bytes(1 << 20))

# ---- what ops are told
nodes("a shape of 2^40 from three bytes", node("ConstantOfShape", ["s"], ["z"]), node("Add", ["x", "z"], ["y"]), initial=[whole("s", 1 << 40, 2)], says="2^40")
nodes("a shape of -1", node("ConstantOfShape", ["s"], ["y"]), initial=[whole("s", -1)], says="negative")
nodes("a shape of 2^62 beside 0", node("ConstantOfShape", ["s"], ["y"]), initial=[whole("s", 0, 1 << 62)], says="2^40")
nodes("a reshape to two unknown sizes", node("Reshape", ["x", "s"], ["y"]), initial=[whole("s", -1, -1)], says="m.onnx")
nodes("a reshape to INT64_MIN", node("Reshape", ["x", "s"], ["y"]), initial=[whole("s", -HUGE - 1)], says="m.onnx")
nodes("a range of a billion", node("Range", ["a", "b", "c"], ["y"]), initial=[tensor(n, [], 7, le("q", v)) for n, v in zip("abc", (0, 1000000000, 1))],
      says="beside its weights")
nodes("a range that never ends", node("Range", ["a", "b", "c"], ["y"]), initial=[tensor(n, [], 7, le("q", v)) for n, v in zip("abc", (0, 1, 0))], says="no end")
nodes("a tile of 2^30", node("Tile", ["x", "s"], ["y"]), initial=[whole("s", 1 << 30, 1)], says="Tile")
nodes("a tile of -1", node("Tile", ["x", "s"], ["y"]), initial=[whole("s", -1, 1)], says="too often")
nodes("padding of INT64_MIN", node("Pad", ["x", "s"], ["y"]), initial=[whole("s", -HUGE - 1, 0, 0, 0)], says="out of range")
nodes("padding of 2^31", node("Pad", ["x", "s"], ["y"], attribute("mode", s="edge")), initial=[whole("s", 1 << 31, 0, 0, 0)], says="out of range")
nodes("a slice with a step of 0", node("Slice", ["x", "a", "b", "c", "d"], ["y"]), initial=[whole("a", 0), whole("b", 1), whole("c", 0), whole("d", 0)], says="step is 0")
nodes("a slice along axis 9", node("Slice", ["x", "a", "b", "c"], ["y"]), initial=[whole("a", 0), whole("b", 1), whole("c", 9)], says="axis 9")
nodes("axes of INT64_MIN", node("Unsqueeze", ["x", "a"], ["y"]), initial=[whole("a", -HUGE - 1)], says="out of range")
nodes("axes of 3 million numbers", node("Unsqueeze", ["x", "a"], ["y"]), initial=[whole("a", *([0] * 300000))], says="dimensions are too many")
nodes("a permutation that is none", node("Transpose", ["x"], ["y"], attribute("perm", ints=[0, 0])), says="m.onnx")
nodes("a permutation of 2^32", node("Transpose", ["x"], ["y"], attribute("perm", ints=[1 << 32, 1])), says="out of range")
nodes("a triangle of INT64_MAX", node("Trilu", ["x", "k"], ["t"]), node("Gather", ["t", "i"], ["y"]), initial=[tensor("k", [], 7, le("q", HUGE)), whole("i", 5)], says="index 0 is 5")
nodes("one-hot of nine dimensions", node("OneHot", ["i", "d", "v"], ["y"]), initial=[tensor("i", [1] * 8, 7, le("q", 0)), whole("d", 2), tensor("v", [2], raw=bytes(8))],
      says="9 dimensions are too many")
nodes("one-hot of 2^31 classes", node("OneHot", ["i", "d", "v"], ["y"]), initial=[whole("i", 0), whole("d", 1 << 31), tensor("v", [2], raw=bytes(8))], says="depth")
nodes("the 2^40 largest", node("TopK", ["x", "k"], ["y", "i"]), initial=[whole("k", 1 << 40)], says="more than the axis has")
nodes("the -1 largest", node("TopK", ["x", "k"], ["y", "i"]), initial=[whole("k", -1)], says="more than the axis has")
nodes("the largest of an axis that is not there", node("TopK", ["x", "k"], ["y", "i"], attribute("axis", i=7)), initial=[whole("k", 1)], says="axis 7")
nodes("an index beyond", node("Gather", ["x", "i"], ["y"]), initial=[whole("i", 7)], says="index 0 is 7")
nodes("an equation of 10,000 letters", node("Einsum", ["x"], ["y"], attribute("equation", s="i" * 10000)), says="equation")
nodes("an equation of dots", node("Einsum", ["x"], ["y"], attribute("equation", s="....................->")), says="m.onnx")
nodes("an equation that is no UTF-8", node("Einsum", ["x"], ["y"], attribute("equation", s=b"\xff\xfe->\xfd")), says="equation")
nodes("a resize to 2^62", node("Resize", ["x", "", "", "s"], ["y"]), initial=[whole("s", 1 << 62, 1)], says="out of range")
nodes("a resize by not-a-number", node("Resize", ["x", "", "f"], ["y"]), initial=[tensor("f", [2], raw=le("2f", float("nan"), 1))], says="out of range")
nodes("blocks of 2^62", node("SpaceToDepth", ["x"], ["y"], attribute("blocksize", i=1 << 62)), says="blocks")
nodes("a window of 2^40", node("MaxPool", ["x"], ["y"], attribute("kernel_shape", ints=[1 << 40])), says="MaxPool")
nodes("strides of 0", node("Conv", ["p", "p"], ["y"], attribute("strides", ints=[0, 0])), initial=[tensor("p", [1, 1, 2, 2], raw=bytes(16))], says="strides are out of range")
nodes("filters of no size", node("Conv", ["p", "f"], ["y"]), initial=[tensor("p", [1, 1, 2, 2], raw=bytes(16)), tensor("f", [1, 1, 0, 0], raw=b"")], says="m.onnx")
nodes("an output of INT64_MIN", node("ConvTranspose", ["p", "p"], ["y"], attribute("output_shape", ints=[-HUGE - 1, 1])), initial=[tensor("p", [1, 1, 2, 2], raw=bytes(16))],
      says="out of range")
nodes("groups of -1", node("Conv", ["p", "p"], ["y"], attribute("group", i=-1)), initial=[tensor("p", [1, 1, 2, 2], raw=bytes(16))], says="m.onnx")
nodes("a constant of nothing", node("Constant", [], ["y"]), says="holds no number")
nodes("a dropout of 7", node("Dropout", ["x", "r", "t"], ["y"]), initial=[tensor("r", [], raw=le("f", 7)), tensor("t", [], 9, b"\1")], says="m.onnx")
nodes("a cast to type 2^63", node("Cast", ["x"], ["y"], attribute("to", i=1 << 63)), says="m.onnx")

# ---- loops
YES = tensor("c", [], 9, b"\1")


def trips(n):
    return tensor("m", [], 7, le("q", n))


def body(inner=(), extra=()):
    return graph(list(inner) + [node("Identity", ["go"], ["on"])], [port("i", (), 7), port("go", (), 9)] + list(extra), [port("on", (), 9)])


nodes("a loop of 2^62 steps", node("Loop", ["m", "c"], ["z"], attribute("body", g=body([node("Identity", ["x"], ["out"])]) + field(12, [port("out")]))), node("Relu", ["z"], ["y"]),
      initial=[trips(1 << 62), YES], says="more than 10000 steps")
inner = body([node("Add", ["x", "x"], ["q%d" % i]) for i in range(8)])
for _ in range(4):
    inner = body([node("Loop", ["m", "c"], [], attribute("body", g=inner))])
nodes("10,000 ^ 5 steps of loops in loops", node("Loop", ["m", "c"], [], attribute("body", g=inner)), RELU, initial=[trips(9999), YES], says="m.onnx")
nodes("a loop whose state is left out", node("Loop", ["m", "c", ""], ["y"], attribute("body", g=body(extra=[port("s")]) + field(12, [port("s")]))), initial=[trips(2), YES], says="input 2 is missing")
nodes("a loop without a body", node("Loop", ["m", "c", "x"], ["y"]), initial=[trips(2), YES], says="no body")
nodes("a loop whose body wants more", node("Loop", ["m", "c", "x"], ["y"], attribute("body", g=body())), initial=[trips(2), YES], says="its body has")
nodes("a scan of INT64_MIN inputs", node("Scan", ["x"], ["y"], attribute("body", g=body()), attribute("num_scan_inputs", i=-HUGE - 1)), says="no body")
nodes("a scan of 2^32 + 1 inputs", node("Scan", ["x"], ["y"], attribute("body", g=body()), attribute("num_scan_inputs", i=(1 << 32) + 1)), says="no body")
nodes("a scan whose input is left out", node("Scan", ["", "x"], ["y"], attribute("body", g=body()), attribute("num_scan_inputs", i=1)), says="m.onnx")
nodes("a branch whose body reads what is nowhere", node("If", ["x"], ["y"], attribute("then_branch", g=body()), attribute("else_branch", g=body())), says="computed nowhere")
row("onnx: a folder of its name", {"m.onnx/x": b""}, "run m.onnx -o out", "m.onnx: is not a regular file")
row("onnx: a device without end", {"m.onnx": ("link", "/dev/zero")}, "run m.onnx -o out", "m.onnx: is not a regular file")
row("onnx: a pipe that nobody writes to", {"m.onnx": ("pipe",)}, "run m.onnx -o out", "m.onnx: is not a regular file")
