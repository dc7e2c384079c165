"""NPZ, and CIFAR's batch files."""
import zlib

from arrays import GOOD, Y, bomb
from rows import le, row

WIDE = 0xffffffff


def local(name, data, method=0, size=None, flags=0, magic=b"PK\3\4"):
    packed = pack(data, method)
    return magic + le("HHHHHIIIHH", 20, flags, method, 0, 33, zlib.crc32(data), len(packed), len(data) if size is None else size, len(name), 0) + name + packed


def pack(data, method):
    if method != 8:
        return data
    c = zlib.compressobj(9, zlib.DEFLATED, -15)
    return c.compress(data) + c.flush()


def entry(name, data, at, method=0, crc=None, stored=None, size=None, flags=0, extra=b"", magic=b"PK\1\2", lengths=None):
    a, b, c = lengths or (len(name), len(extra), 0)
    return magic + le("HHHHHHIIIHHHHHII", 20, 20, flags, method, 0, 33, zlib.crc32(data) if crc is None else crc,
                      len(pack(data, method)) if stored is None else stored, len(data) if size is None else size, a, b, c, 0, 0, 0, at) + name + extra


def end(count, size, at, comment=b"", parts=(0, 0), other=None, length=None):
    return b"PK\5\6" + le("HHHHIIH", parts[0], parts[1], count, count if other is None else other, size, at, len(comment) if length is None else length) + comment


def archive(members=((b"x.npy", GOOD), (b"y.npy", Y)), method=0, **more):
    body, listed, at = b"", b"", 0
    for name, data in members:
        listed += entry(name, data, len(body), method, **more)
        body += local(name, data, method)
    return body + listed + end(len(members), len(listed), len(body))


def npz(what, bytes_, says="this is no sound NPZ file"):
    row("npz: " + what, {"a.npz": bytes_}, "train a.npz --epochs 1 --out run", says)


PLAIN = archive()
LIST = PLAIN.index(b"PK\1\2")
npz("its magic bytes alone", b"PK\3\4")
for cut in (10, 60, LIST, LIST + 20, len(PLAIN) - 22, len(PLAIN) - 1):
    npz("cut off after %d bytes" % cut, PLAIN[:cut])
npz("a list that lies behind its end", PLAIN[:-22] + end(2, len(PLAIN) - 22 - LIST, 1 << 30))
npz("a list of 4 GiB", PLAIN[:-22] + end(2, WIDE - 1, LIST))
npz("65,534 members that are not there", PLAIN[:-22] + end(65534, len(PLAIN) - 22 - LIST, LIST))
npz("a part of several", PLAIN[:-22] + end(2, len(PLAIN) - 22 - LIST, LIST, parts=(1, 1)))
npz("fewer members on this part", PLAIN[:-22] + end(2, len(PLAIN) - 22 - LIST, LIST, other=3))
npz("a comment that is longer than the file", PLAIN[:-22] + end(2, len(PLAIN) - 22 - LIST, LIST, length=9))
npz("a wide list that is nowhere", PLAIN[:-22] + end(65535, WIDE, WIDE))
npz("a wide list that is itself", PLAIN[:-22] + b"PK\6\7" + le("IQI", 0, len(PLAIN) - 22, 1) + end(65535, WIDE, WIDE))
npz("a wide list at 2^64 - 1", PLAIN[:-22] + b"PK\6\7" + le("IQI", 0, (1 << 64) - 1, 1) + end(65535, WIDE, WIDE))
npz("a wide list of 2^64 - 1 members", PLAIN[:-22] + b"PK\6\6" + le("QHHIIQQQQ", 44, 45, 45, 0, 0, (1 << 64) - 1, (1 << 64) - 1, 100, LIST) +
    b"PK\6\7" + le("IQI", 0, len(PLAIN) - 22, 1) + end(65535, WIDE, WIDE))
npz("no member", b"PK\3\4" + bytes(30) + end(0, 0, 34), "a.npz")
npz("a name that leads out of a folder", archive(((b"../../x.npy", GOOD), (b"y.npy", Y))))
npz("a name from the root", archive(((b"/etc/x.npy", GOOD), (b"y.npy", Y))))
npz("a name with a backslash", archive(((b"..\\x.npy", GOOD), (b"y.npy", Y))))
npz("a name with a NUL byte", archive(((b"x\0.npy", GOOD), (b"y.npy", Y))))
npz("a name that is no UTF-8", archive(((b"x\xff.npy", GOOD), (b"y.npy", Y))))
npz("a name of 60,000 letters", archive(((b"x" * 60000 + b".npy", GOOD), (b"y.npy", Y))))
npz("no name", archive(((b"", GOOD), (b"y.npy", Y))))
npz("a member that is no array", archive(((b"x.exe", GOOD), (b"y.npy", Y))))
npz("a name that is a command to a terminal", archive(((b"\x1b[2J.npy", GOOD), (b"b.npy", Y))), "call the samples x")
npz("one name twice", archive(((b"x.npy", GOOD), (b"x.npy", Y))))
npz("samples alone, called by no known name", archive(((b"data.npy", GOOD),)), "call the samples x")
npz("a length of names beyond the list", archive(lengths=(65535, 0, 0)))
npz("a length of extra fields beyond the list", archive(lengths=(5, 65535, 0)))
npz("an extra field that is longer than itself", archive(extra=le("HH", 1, 500)))
npz("a wide size without an extra field", archive(size=WIDE, extra=le("HH", 1, 0)))
npz("a wide size of 2^63", archive(size=WIDE, stored=WIDE, extra=le("HHQQ", 1, 16, 1 << 63, 1 << 63)))
npz("members of another size", archive(size=7))
npz("members that are larger than the file", archive(size=1 << 30, stored=1 << 30))
npz("members that overlap", PLAIN[:LIST] + entry(b"x.npy", GOOD, 0) + entry(b"y.npy", GOOD, 0) + end(2, 2 * 51, LIST))
npz("a member that is not where it should be", PLAIN[:LIST] + entry(b"x.npy", GOOD, 7) + end(1, 51, LIST))
npz("a member that lies in the list", PLAIN[:LIST] + entry(b"x.npy", GOOD, LIST) + end(1, 51, LIST))
npz("a member behind the end", PLAIN[:LIST] + entry(b"x.npy", GOOD, WIDE - 1) + end(1, 51, LIST))
npz("a way of packing that is not known", archive(method=12), "method 12")
npz("a password", archive(flags=1), "is encrypted")
npz("a packed array whose check sum is wrong", archive(method=8, crc=7), "check sum is wrong")
npz("a packed array that is damaged", archive(method=8)[:60] + b"\xff" * 8 + archive(method=8)[68:])
npz("a packed array that is longer than it says", archive(method=8, size=40))
npz("a packed array that is shorter than it says", archive(method=8, size=len(GOOD) + 1))
npz("a packed array of 1,032 times its bytes and more", archive(method=8, size=200000))
npz("an array of objects, which are a program", archive(((b"x.npy", GOOD.replace(b"'<f4'", b"'|O' ")), (b"y.npy", Y))), "|O")
npz("an array that is cut off", archive(((b"x.npy", GOOD[:-4]), (b"y.npy", Y))), "a.npz: x")
npz("more targets than samples", archive(((b"x.npy", GOOD), (b"y.npy", Y[:-16] + Y[-16:] * 2))), "a.npz: y")
npz("samples that are not finite", archive(((b"x.npy", GOOD[:-4] + b"\0\0\xc0\x7f"), (b"y.npy", Y))), "only finite numbers")
npz("200 MB of zeros in 200 KB", lambda: archive(((b"x.npy", GOOD + bytes(200 << 20)), (b"y.npy", Y)), method=8), "unpacks to more than 100 times")
npz("100 arrays of one megabyte of zeros", lambda: archive([(b"z%d.npy" % i, bytes(1 << 20)) for i in range(100)], method=8), "call the samples x")
row("npz: packed by gzip", {"a.npz": lambda: bomb(1, PLAIN)}, "train a.npz --epochs 1 --out run", "a.npz")


# ---- CIFAR

TEN = b"".join(bytes([i % 10]) + bytes((i * 7 + k) % 256 for k in range(3072)) for i in range(20))
NAMES = b"".join(b"class%d\n" % i for i in range(10))
HUNDRED = b"".join(bytes([i % 20, i % 100]) + bytes(3072) for i in range(4))


def cifar(what, says, batch=TEN, names=NAMES, **more):
    row("cifar: " + what, {"c/data_batch_1.bin": batch, "c/batches.meta.txt": names, **more}, "train c --epochs 1 --out run", says)


cifar("nothing", "has 0 bytes", b"")
cifar("cut off", "no whole number of records", TEN[:-1])
cifar("a byte too many", "no whole number of records", TEN + b"\0")
cifar("a label of 10", "has label 10", TEN[:3073] + b"\x0a" + TEN[3074:])
cifar("a label of 255", "has label 255", b"\xff" + TEN[1:])
cifar("nine names", "has 9 names", names=NAMES[:-7])
cifar("no names", "has 0 names", names=b"")
cifar("names that are no UTF-8", "is not UTF-8", names=NAMES.replace(b"class3", b"cl\xff\xfe3"))
cifar("NUL bytes for names", "has 0 names", names=b"\0" * 100)
cifar("a megabyte of names", "batches.meta.txt", names=b"x\n" * 500000)
cifar("a batch that is a device without end", "is not a regular file", batch=("link", "/dev/zero"))
cifar("a pipe for names", "is not a regular file", names=("pipe",))
cifar("a second batch that is cut off", "data_batch_2.bin", **{"c/data_batch_2.bin": TEN[:100]})
cifar("a test batch that is cut off", "test_batch.bin", **{"c/test_batch.bin": TEN[:-5]})
cifar("a test batch of other labels", "has label 99", **{"c/test_batch.bin": b"\x63" + TEN[1:]})
row("cifar: a hundred classes in the files of ten", {"c/data_batch_1.bin": HUNDRED + HUNDRED[:2]}, "train c --epochs 1 --out run", "no whole number of records")
row("cifar: a coarse label of 200", {"c/train.bin": b"\xc8" + HUNDRED[1:]}, "train c --target coarse --epochs 1 --out run", "has label 200")
row("cifar: a fine label of 200", {"c/train.bin": HUNDRED[:1] + b"\xc8" + HUNDRED[2:]}, "train c --epochs 1 --out run", "has label 200")
