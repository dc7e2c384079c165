"""NPY and IDX: headers that claim what is not there, and bombs of gzip."""
import gzip
import zlib

from rows import be, le, row


def npy(header, data=b"", version=(1, 0), length=None, magic=b"\x93NUMPY"):
    text = header.encode("latin-1") if isinstance(header, str) else header
    n = len(text) if length is None else length
    return magic + bytes(version) + le("H" if version[0] == 1 else "I", n) + text + data


def head(descr="'<f4'", order="False", shape="(4, 2)", more=""):
    return "{'descr': %s, 'fortran_order': %s, 'shape': %s, %s}\n" % (descr, order, shape, more)


GOOD = npy(head(), le("8f", *range(8)))
Y = npy(head("'<i4'", shape="(4,)"), le("4i", 0, 1, 0, 1))


def array(what, bytes_, says, y=Y):
    row("npy: " + what, {"X.npy": bytes_, "y.npy": y}, "train X.npy --epochs 1 --out run", says)


array("nothing but the magic bytes", GOOD[:6], "X.npy")
array("cut off within the version", GOOD[:7], "X.npy")
array("cut off within the length of the header", GOOD[:9], "X.npy")
array("cut off within the header", GOOD[:40], "X.npy")
array("cut off behind the header", GOOD[:-32], "more than the 0 bytes that follow")
array("cut off within the last number", GOOD[:-1], "is the file cut off?")
array("a byte too many", GOOD + b"\0", "the file is damaged")
array("version 9", npy(head(), version=(9, 0)), "version")
array("version 0", npy(head(), version=(0, 0)), "version")
array("a header of 65,535 bytes that are not there", npy(head(), length=65535), "header")
array("version 2 with a header of 4 GiB", npy(head(), version=(2, 0), length=0xffffffff), "header")
array("a header of nothing", npy("", b"\0" * 32), "header")
array("a header that is a list", npy("[1, 2]\n"), "header")
array("a header that never ends", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), "), "header")
array("a header of 20,000 brackets", npy("(" * 20000), "header")
array("a header with a NUL byte", npy(head().replace("shape", "sha\0e")), "header")
array("a header that is no text", npy(b"\xff\xfe{'descr'" + b"\x80" * 40), "header")
array("a key twice", npy(head(more="'descr': '<f8'")), "header")
array("a key that is none of its three", npy(head(more="'run': 'rm -rf'")), "header")
array("a key missing", npy("{'descr': '<f4', 'shape': (4, 2)}\n"), "header")
array("a call instead of a shape", npy(head(shape="__import__('os')")), "header")
array("a dimension of 2^63", npy(head(shape="(9223372036854775808, 2)"), b"\0" * 32), "X.npy")
array("a dimension of 2^62", npy(head(shape="(4611686018427387904, 1)"), b"\0" * 32), "X.npy")
array("a dimension of 40 digits", npy(head(shape="(%s,)" % ("9" * 40)), b"\0" * 32), "X.npy")
array("a negative dimension", npy(head(shape="(-4, 2)"), b"\0" * 32), "header")
array("a product of dimensions that is 0 in 64 bits", npy(head(shape="(4294967296, 4294967296)")), "X.npy")
array("a product that is 32 in 64 bits", npy(head(shape="(8, 2305843009213693953)"), b"\0" * 32), "X.npy")
array("nine dimensions", npy(head(shape="(1,1,1,1,1,1,1,1,8)"), b"\0" * 32), "X.npy")
array("no sample", npy(head(shape="(0, 2)")), "is empty")
array("samples of no number", npy(head(shape="(4, 0)")), "is empty")
array("a single number", npy(head(shape="()"), b"\0" * 4), "single number")
array("objects, which are a program", npy(head(descr="'|O'"), b"\x80\x04cos\nsystem\n."), "|O")
array("a structured type", npy(head(descr="[('a', '<f4'), ('b', '<f4')]"), b"\0" * 64), "X.npy")
array("texts", npy(head(descr="'<U8'"), b"\0" * 256), "<U8")
array("complex numbers", npy(head(descr="'<c8'"), b"\0" * 64), "<c8")
array("a type of 255 bytes", npy(head(descr="'<f255'")), "f255")
array("a type that is 300 letters long", npy(head(descr="'%s'" % ("f" * 300))), "header")
array("not a number", npy(head(), le("8f", *[float("nan")] * 8)), "only finite numbers")
array("infinity", npy(head(), le("8f", 1, 2, float("inf"), 4, 5, 6, 7, 8)), "infinite")
array("more targets than samples", GOOD, "targets for the", y=npy(head("'<i4'", shape="(5,)"), le("5i", 0, 1, 0, 1, 0)))
array("targets that are not finite", GOOD, "y.npy", y=npy(head("'<f8'", shape="(4,)"), le("4d", 0, float("nan"), 1, 2)))
array("targets cut off", GOOD, "y.npy", y=Y[:-1])
array("targets of 64-bit extremes", GOOD, "y.npy", y=npy(head("'<i8'", shape="(4,)"), le("4q", -(1 << 63), 1, 0, (1 << 63) - 1))[:-8])
row("npy: a link to itself", {"X.npy": ("link", "X.npy"), "y.npy": Y}, "train X.npy --epochs 1 --out run", "X.npy")
row("npy: a folder of its name", {"X.npy/inner": b""}, "train X.npy --epochs 1 --out run", "X.npy")
row("npy: a device without end", {"X.npy": ("link", "/dev/zero"), "y.npy": Y}, "train X.npy --epochs 1 --out run", "X.npy: is not a regular file")
row("npy: a pipe that nobody writes to", {"X.npy": ("pipe",), "y.npy": Y}, "train X.npy --epochs 1 --out run", "X.npy: is not a regular file")


# ---- IDX

def idx(code=8, dims=(4, 2, 2), data=None, zero=b"\0\0", rank=None):
    n = 1
    for d in dims:
        n *= d
    return zero + bytes([code, len(dims) if rank is None else rank]) + be("%dI" % len(dims), *dims) + (bytes(range(n)) if data is None else data)


PICTURES = idx()
LABELS = idx(dims=(4,), data=bytes([0, 1, 0, 1]))


def picture(what, bytes_, says, labels=LABELS, name=""):
    row("idx: " + what, {"train-images-idx3-ubyte" + name: bytes_, "train-labels-idx1-ubyte": labels}, "train . --epochs 1 --out run", says)


picture("nothing", b"", "train-images-idx3-ubyte")
picture("three bytes", PICTURES[:3], "4 bytes that begin")
picture("cut off within the dimensions", PICTURES[:9], "header of 3 dimensions")
picture("cut off within the pictures", PICTURES[:-1], "is the file cut off?")
picture("a byte too many", PICTURES + b"x", "the file is damaged")
picture("the wrong magic bytes", b"\1\2" + PICTURES[2:], "is no IDX file")
picture("a type that does not exist", idx(code=0x0a), "type code 0x0a")
picture("no dimension", idx(dims=(), data=b""), "0 dimensions")
picture("255 dimensions", idx(rank=255), "255 dimensions")
picture("nine dimensions", idx(dims=(1,) * 9), "9 dimensions")
picture("4 billion pictures", idx(dims=(0xffffffff, 2, 2), data=b"\0" * 16), "is the file cut off?")
picture("a product beyond 64 bits", idx(dims=(0xffffffff,) * 3, data=b"\0" * 16), "is the file cut off?")
picture("a product that is 0 in 64 bits", idx(dims=(1 << 31, 1 << 31, 4), data=b""), "is the file cut off?")
picture("little-endian dimensions", b"\0\0\x08\3" + le("3I", 4, 2, 2) + bytes(16), "is the file cut off?")
picture("no picture", idx(dims=(0, 2, 2), data=b""), "is empty")
picture("pictures of no pixel", idx(dims=(4, 0, 2), data=b""), "is empty")
picture("numbers that are not finite", idx(code=0x0d, dims=(4, 2), data=be("8f", *[float("nan")] * 8)), "only finite numbers")
picture("fewer labels than pictures", PICTURES, "targets for the", labels=idx(dims=(3,), data=bytes(3)))
picture("labels cut off", PICTURES, "train-labels-idx1-ubyte", labels=LABELS[:-2])
picture("labels that are pictures", PICTURES, "train-labels-idx1-ubyte", labels=idx(dims=(4, 2), data=b"\0" * 7))
row("idx: pictures without labels", {"train-images-idx3-ubyte": PICTURES}, "train . --epochs 1 --out run", "no train-labels-idx1-ubyte beside it")
row("idx: a link that leads nowhere", {"train-images-idx3-ubyte": ("link", "/nowhere/at/all"), "train-labels-idx1-ubyte": LABELS},
    "train . --epochs 1 --out run", "train-images-idx3-ubyte")


# ---- gzip

def bomb(megabytes, head_=b""):
    """Zeros, a thousand times smaller."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    out = packer.compress(head_)
    zeros = bytes(1 << 20)
    for _ in range(megabytes):
        out += packer.compress(zeros)
    return out + packer.flush()


packed = gzip.compress(PICTURES, mtime=0)
for what, bytes_ in (("cut off within its header", packed[:6]), ("cut off in the middle", packed[:len(packed) // 2]), ("cut off before its check sum", packed[:-8]),
                     ("another length at its end", packed[:-1] + b"\x7f"), ("another check sum", packed[:-6] + b"\xff\xff" + packed[-4:]),
                     ("a bit changed", packed[:12] + bytes([packed[12] ^ 255]) + packed[13:]), ("reserved flags", packed[:3] + b"\xe0" + packed[4:]),
                     ("another method", packed[:2] + b"\x07" + packed[3:]), ("something behind its end", packed + b"and more")):
    picture("gzip: " + what, bytes_, ".gz: ", name=".gz")
picture("gzip in gzip", gzip.compress(packed, mtime=0), ".gz: ", name=".gz")
row("gzip: a table of 300 MB of zeros in 300 KB", {"t.csv.gz": lambda: bomb(300)}, "train t.csv.gz --epochs 1 --out run", "t.csv.gz")
row("gzip: pictures that are a bomb", {"train-images-idx3-ubyte.gz": lambda: bomb(200, be("HBBIII", 0, 8, 3, 4, 2, 2)), "train-labels-idx1-ubyte": LABELS},
    "train . --epochs 1 --out run", "train-images-idx3-ubyte.gz")
