"""GGUF: what stands before the values says more than there is, tensors lie where they cannot, types that are none."""
from rows import HUGE, le, row


def text(s):
    s = s if isinstance(s, bytes) else s.encode()
    return le("Q", len(s)) + s


def pair(key, kind, raw):
    return text(key) + le("I", kind) + raw


def tensor(name="w", dims=(2,), kind=0, at=0):
    return text(name) + le("I", len(dims)) + b"".join(le("Q", d) for d in dims) + le("IQ", kind, at)


def file_of(tensors=(tensor(),), pairs=(), values=bytes(64), version=3, count=None, entries=None, magic=b"GGUF"):
    head = magic + le("IQQ", version, len(tensors) if count is None else count, len(pairs) if entries is None else entries)
    head += b"".join(pairs) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + values


def gguf(what, bytes_, says, command="import w.gguf"):
    row("gguf: " + what, {"w.gguf": bytes_}, command, says)


GOOD = file_of()
SOUND = "no sound GGUF file"
for cut in (4, 8, 20, 23, 24, 30, 40, len(GOOD) - 57, len(GOOD) - 64):
    gguf("cut off after %d bytes" % cut, GOOD[:cut], SOUND)
gguf("version 1", file_of(version=1), "version 1")
gguf("version 2^32 - 1", file_of(version=(1 << 32) - 1), "version 4294967295")
gguf("big endian", file_of(version=0x03000000), "big endian")
gguf("2^63 tensors", file_of(count=1 << 63), "more than it has room for")
gguf("2^64 - 1 tensors", file_of(count=(1 << 64) - 1), "more than it has room for")
gguf("a million tensors that are not there", file_of(count=1000000), "more than it has room for")
gguf("two tensors where one is", file_of(count=2, values=bytes(512)), SOUND)
gguf("2^63 pairs", file_of(entries=1 << 63), "more than it has room for")
gguf("ten pairs that are not there", file_of(entries=10, values=bytes(512)), SOUND)
gguf("a key of 2^64 - 1 bytes", file_of(pairs=[le("Q", (1 << 64) - 1) + b"k"]), "longer than can be")
gguf("a key of 5,000 bytes", file_of(pairs=[pair("k" * 5000, 7, b"\1")]), "longer than can be")
gguf("a key that is no UTF-8", file_of(pairs=[pair(b"\xff\xfe", 7, b"\1")]), "not UTF-8")
gguf("a key with a NUL byte", file_of(pairs=[pair(b"a\0b", 7, b"\1")]), "not UTF-8")
gguf("a value of type 13", file_of(pairs=[pair("k", 13, b"\1")]), "type that does not exist")
gguf("a value of type 2^32 - 1", file_of(pairs=[pair("k", (1 << 32) - 1, b"\1")]), "type that does not exist")
gguf("a text of 2^63 bytes", file_of(pairs=[pair("k", 8, le("Q", 1 << 63))]), "before its values begin")
gguf("a name of 2^40 bytes", file_of(pairs=[pair("general.name", 8, le("Q", 1 << 40))]), "longer than can be")
gguf("a list of 2^61 numbers", file_of(pairs=[pair("k", 9, le("IQ", 10, 1 << 61))]), "before its values begin")
gguf("a list of 2^64 - 1 bytes", file_of(pairs=[pair("k", 9, le("IQ", 0, (1 << 64) - 1))]), "before its values begin")
gguf("a list of a type that is none", file_of(pairs=[pair("k", 9, le("IQ", 77, 1))]), "type that does not exist")
gguf("lists in lists without end", file_of(pairs=[pair("k", 9, le("IQ", 9, 1) * 1000)]), "type that does not exist")
gguf("a list of 5 million empty texts", lambda: file_of(pairs=[pair("k", 9, le("IQ", 8, 5000000) + bytes(40000000))], count=9), SOUND)
gguf("an alignment of 0", file_of(pairs=[pair("general.alignment", 4, le("I", 0))]), "alignment")
gguf("an alignment of 3", file_of(pairs=[pair("general.alignment", 4, le("I", 3))]), "alignment")
gguf("an alignment of 2^31", file_of(pairs=[pair("general.alignment", 4, le("I", 1 << 31))]), "alignment")
gguf("an alignment that is a text", file_of(pairs=[pair("general.alignment", 8, text("32"))]), "alignment")
gguf("five dimensions", file_of([tensor(dims=(1, 1, 1, 1, 2))]), "more than 4 dimensions")
gguf("2^32 - 1 dimensions", file_of([text("w") + le("I", (1 << 32) - 1) + bytes(64)]), "more than 4 dimensions")
gguf("a dimension of 2^63", file_of([tensor(dims=(1 << 63,))]), "too large")
gguf("dimensions whose product is 4 in 64 bits", file_of([tensor(dims=(1 << 33, 1 << 33))]), "too large")
gguf("a dimension of 2^63 - 1", file_of([tensor(dims=(HUGE,))]), "too large")
gguf("none beside 2^62", file_of([tensor(dims=(0, 1 << 62), at=1 << 40)]), SOUND)
gguf("31 numbers in blocks of 32", file_of([tensor(dims=(31,), kind=8)]), "no blocks")
gguf("an offset between multiples", file_of([tensor(at=4)]), "multiple of its alignment")
gguf("an offset of 2^64 - 32", file_of([tensor(at=(1 << 64) - 32)]), "before its last tensor")
gguf("an offset behind the end", file_of([tensor(at=64)]), "before its last tensor")
gguf("two tensors in one place", file_of([tensor("a"), tensor("b")]), "one over the other")
gguf("two tensors of one name", file_of([tensor("a"), tensor("a", at=32)]), "one name")
gguf("a name with an escape sequence", file_of([tensor("\x1b[2J", kind=99)]), "type 99")
gguf("a type of 2^32 - 1", file_of([tensor(kind=(1 << 32) - 1)]), "type 4294967295")
gguf("K-quants", file_of([tensor(dims=(256,), kind=12)], values=bytes(144)), "convert it to F32")
gguf("another model's text", file_of(pairs=[pair("nilu.model", 8, text("layers: [" * 5000))]), "w.gguf", "import w.gguf --data digits --quiet")
row("gguf: a folder of its name", {"w.gguf/x": b""}, "import w.gguf", "w.gguf: is not a regular file")
row("gguf: a pipe that nobody writes to", {"w.gguf": ("pipe",)}, "import w.gguf", "w.gguf: is not a regular file")
row("gguf: a device without end", {"w.gguf": ("link", "/dev/zero")}, "import w.gguf", "w.gguf: is not a regular file")
row("import: a pickle", {"net.pt": b"\x80\x02cposix\nsystem\n"}, "import net.pt", "is a pickle")
row("import: a zip that begins as PyTorch's", {"net.pt": b"PK\3\4" + bytes(22) + le("HH", 65535, 0) + b"archive/data.pkl"}, "import net.pt", "net.pt")
row("import: an empty file", {"net": b""}, "import net", "net")
row("import: a scale of 10,000 numbers", {"x.npy": b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 1), }".ljust(117) + b"\n" + bytes(4)},
    "train x.npy --no-run --quiet --scale " + ",".join(["1"] * 10000) + "/1", "")
