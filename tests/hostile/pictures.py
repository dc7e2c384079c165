"""PNG and JPEG: sizes that nobody has, parts that are missing, and files that are small until they are unpacked."""
import zlib

from rows import be, row

W, H = 9, 7


def chunk(kind, data, length=None, crc=None):
    return be("I", len(data) if length is None else length) + kind + data + be("I", zlib.crc32(kind + data) if crc is None else crc)


def head(width=W, height=H, depth=8, colour=0, method=0, filters=0, interlace=0):
    return chunk(b"IHDR", be("IIBBBBB", width, height, depth, colour, method, filters, interlace))


def lines(width=W, height=H):
    return b"".join(b"\0" + bytes((x * 20 + y) % 256 for x in range(width)) for y in range(height))


MAGIC = b"\x89PNG\r\n\x1a\n"
DATA = chunk(b"IDAT", zlib.compress(lines()))
END = chunk(b"IEND", b"")
PNG = MAGIC + head() + DATA + END


def picture(what, bytes_, says, name="2.png", good=PNG):
    row(what, {"p/a/1.png": good, "p/b/" + name: bytes_}, "train p --epochs 1 --out run", says)


def png(what, bytes_, says="p/b/2.png: is a damaged PNG file"):
    picture("png: " + what, bytes_, says)


png("nothing", b"", "p/b/2.png: is empty")
png("three bytes of its magic ones", PNG[:3], "begins neither as a PNG nor as a JPEG")
png("its magic bytes alone", MAGIC)
for cut in (12, 20, 32, 33, 40, len(PNG) - len(END) - 6, len(PNG) - len(END) - 30):
    png("cut off after %d bytes" % cut, PNG[:cut])
png("a first chunk of another kind", MAGIC + DATA + END)
png("two headers", MAGIC + head() + head() + DATA + END)
png("a header of 12 bytes", MAGIC + chunk(b"IHDR", be("IIBBBB", W, H, 8, 0, 0, 0)) + DATA + END)
png("a header of 2^31 - 1 bytes", MAGIC + chunk(b"IHDR", be("IIBBBBB", W, H, 8, 0, 0, 0, 0), length=0x7fffffff) + DATA)
png("a chunk of 2^32 - 1 bytes", MAGIC + head() + chunk(b"IDAT", zlib.compress(lines()), length=0xffffffff))
png("a header whose check sum is wrong", MAGIC + chunk(b"IHDR", be("IIBBBBB", W, H, 8, 0, 0, 0, 0), crc=7) + DATA + END)
png("pixels whose check sum is wrong", MAGIC + head() + chunk(b"IDAT", zlib.compress(lines()), crc=7) + END)
png("no width", MAGIC + head(width=0) + DATA + END)
png("no height", MAGIC + head(height=0) + DATA + END)
png("2^31 pixels wide", MAGIC + head(width=1 << 31) + DATA + END)
png("2^31 - 1 pixels wide", MAGIC + head(width=(1 << 31) - 1) + DATA + END)
png("65,536 pixels wide", MAGIC + head(width=65536, height=1) + DATA + END)
png("65,535 x 65,535 pixels", MAGIC + head(width=65535, height=65535) + DATA + END, "has 65535 x 65535 pixels")
png("8,192 x 8,193 pixels", MAGIC + head(width=8193, height=8192) + DATA + END, "has 8192 x 8193 pixels")
png("8,192 x 8,192 pixels that are not there", MAGIC + head(width=8192, height=8192) + DATA + END, "p/b/2.png has 8192 x 8192")
png("a depth of 3 bits", MAGIC + head(depth=3) + DATA + END)
png("a depth of 255 bits", MAGIC + head(depth=255) + DATA + END)
png("a kind of colour that does not exist", MAGIC + head(colour=5) + DATA + END)
png("a colour of 4 bits", MAGIC + head(depth=4, colour=2) + DATA + END)
png("another way of packing", MAGIC + head(method=1) + DATA + END)
png("another way of filtering", MAGIC + head(filters=9) + DATA + END)
png("another way of interlacing", MAGIC + head(interlace=7) + DATA + END)
png("a line filtered by no known way", MAGIC + head() + chunk(b"IDAT", zlib.compress(b"\x09" + lines()[1:])) + END)
png("fewer lines than it says", MAGIC + head() + chunk(b"IDAT", zlib.compress(lines(height=H - 1))) + END)
png("pixels that are not packed", MAGIC + head() + chunk(b"IDAT", lines()) + END)
png("pixels with a bit changed", MAGIC + head() + chunk(b"IDAT", zlib.compress(lines())[:20] + b"\xff" + zlib.compress(lines())[21:]) + END)
png("a dictionary for its pixels", MAGIC + head() + chunk(b"IDAT", b"\x78\xbb\0\0\0\1" + zlib.compress(lines())[2:]) + END)
png("no pixels at all", MAGIC + head() + END)
png("a palette that is missing", MAGIC + head(colour=3) + DATA + END)
png("a palette of 257 colours", MAGIC + head(colour=3) + chunk(b"PLTE", bytes(257 * 3)) + DATA + END)
png("a palette of a colour and a third", MAGIC + head(colour=3) + chunk(b"PLTE", bytes(4)) + DATA + END)
png("a palette behind the pixels", MAGIC + head(colour=3) + DATA + chunk(b"PLTE", bytes(768)) + END)
png("a critical chunk that nobody knows", MAGIC + head() + chunk(b"EVIL", b"x") + DATA + END)
png("a chunk whose name is no letters", MAGIC + head() + chunk(b"\x1b[2J", b"x") + DATA + END)
png("another size than the others", MAGIC + head(width=4, height=4) + chunk(b"IDAT", zlib.compress(lines(4, 4))) + END, "say which size")
# Texts that unpack to eight million bytes each are legal; the picture itself is what is cut off.
TEXT = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(7900000), 9))
png("500 texts, 4 GB when they are unpacked", MAGIC + head() + TEXT * 500 + DATA[:-20])
PROFILE = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(7900000), 9))
png("a colour profile of 8 MB of zeros", MAGIC + head() + PROFILE + DATA[:-20])
png("100,000 chunks of nothing", MAGIC + head() + chunk(b"tEXt", b"a\0") * 100000 + DATA[:-20])
png("100,000 pieces of no pixels", MAGIC + head() + chunk(b"IDAT", b"") * 100000 + END)
row("png: a link to itself", {"p/a/1.png": PNG, "p/b/2.png": ("link", "2.png")}, "train p --epochs 1 --out run", "p/b/2.png")
row("png: a device without end", {"p/a/1.png": PNG, "p/b/2.png": ("link", "/dev/zero")}, "train p --epochs 1 --out run", "is not a regular file")
row("png: a pipe that nobody writes to", {"p/a/1.png": PNG, "p/b/2.png": ("pipe",)}, "train p --epochs 1 --out run", "is not a regular file")
row("png: a folder that is a link to what holds it", {"p/a/1.png": PNG, "p/b/c": ("link", ".."), "p/b/2.png": PNG[:40]}, "train p --epochs 1 --out run", "damaged")
row("pictures: a folder whose name is no UTF-8", {"p/a/1.png": PNG, "p/b\udcff/2.png": PNG}, "train p --epochs 1 --out run", "not UTF-8")
row("pictures: a folder whose name is a command to a terminal", {"p/a/1.png": PNG, "p/b\x1b[2J\n/2.png": PNG[:40]}, "train p --epochs 1 --out run", "damaged")
row("pictures: one class alone", {"p/a/1.png": PNG, "p/a/2.png": PNG}, "train p --epochs 1 --out run", "all samples are of one class")
for size in ("0", "-1", "5x", "x5", "4097", "5x5x5", "1e3", "99999999999999999999"):
    row("pictures: a size of " + size, {"p/a/1.png": PNG, "p/b/2.png": PNG}, "train p --epochs 1 --out run --size " + size, size)


# ---- JPEG: grey, of one block, made by hand.

def segment(marker, data, length=None):
    return bytes([0xff, marker]) + be("H", (len(data) if length is None else length - 2) + 2) + data


def frame(width=8, height=8, kind=0xc0, depth=8, parts=((1, 0x11, 0),), count=None):
    return segment(kind, be("BHHB", depth, height, width, len(parts) if count is None else count) + b"".join(bytes(p) for p in parts))


def scan(parts=((1, 0),), first=0, last=63, high=0, low=0):
    return segment(0xda, bytes([len(parts)]) + b"".join(bytes(p) for p in parts) + bytes([first, last, high << 4 | low]))


def codes(which, *symbols):
    """One code of length 1, or of 8 bits: all lengths but one are empty."""
    bits = 1 if len(symbols) == 1 else 8
    return segment(0xc4, bytes([which]) + bytes(len(symbols) if i == bits else 0 for i in range(1, 17)) + bytes(symbols))


START, STOP = b"\xff\xd8", b"\xff\xd9"
TABLE = segment(0xdb, b"\0" + b"\1" * 64)
CODES = codes(0x00, 0) + codes(0x10, 0)
JPEG = START + TABLE + frame() + CODES + scan() + b"\x3f" + STOP
GREY8 = MAGIC + head(8, 8) + chunk(b"IDAT", zlib.compress(lines(8, 8))) + END


GREY16 = MAGIC + head(16, 8) + chunk(b"IDAT", zlib.compress(lines(16, 8))) + END


def jpeg(what, bytes_, says="p/b/2.jpg: is a damaged JPEG file", good=GREY8):
    picture("jpeg: " + what, bytes_, says, "2.jpg", good)


for cut in (3, 4, 20, len(START + TABLE) + 5, len(START + TABLE + frame()) + 10, len(JPEG) - 12, len(JPEG) - 4):
    jpeg("cut off after %d bytes" % cut, JPEG[:cut])
jpeg("nothing but its beginning", START + b"\xff")
jpeg("a million bytes that fill between markers", START + b"\xff" * 1000000)
jpeg("its beginning twice", START + JPEG)
jpeg("a segment of no byte", START + b"\xff\xdb\0\0" + JPEG[2:])
jpeg("a segment that is longer than the file", START + b"\xff\xdb\xff\xff" + TABLE[4:])
jpeg("a table in 16 bits that is not there", START + segment(0xdb, b"\x10" + b"\1" * 64) + JPEG[2 + len(TABLE):])
jpeg("no table", START + frame() + CODES + scan() + b"\x3f" + STOP)
jpeg("no codes", START + TABLE + frame() + scan() + b"\x3f" + STOP)
jpeg("codes that are more than there can be", START + TABLE + frame() + segment(0xc4, b"\0" + b"\xff" * 16 + bytes(250)) + CODES + scan() + b"\x3f" + STOP)
jpeg("codes of a table that does not exist", START + TABLE + frame() + codes(0x0f, 0) + CODES + scan() + b"\x3f" + STOP)
jpeg("no frame", START + TABLE + CODES + scan() + b"\x3f" + STOP)
jpeg("two frames", START + TABLE + frame() + frame() + CODES + scan() + b"\x3f" + STOP)
jpeg("no width", START + TABLE + frame(width=0) + CODES + scan() + b"\x3f" + STOP)
jpeg("no height", START + TABLE + frame(height=0) + CODES + scan() + b"\x3f" + STOP)
jpeg("65,535 x 65,535 pixels", START + TABLE + frame(65535, 65535) + CODES + scan() + b"\x3f" + STOP, "65")
jpeg("65,500 x 65,500 pixels", START + TABLE + frame(65500, 65500) + CODES + scan() + b"\x3f" + STOP, "has 65500 x 65500 pixels")
jpeg("12 bits a number", START + TABLE + frame(depth=12) + CODES + scan() + b"\x3f" + STOP)
jpeg("no part", START + TABLE + frame(parts=()) + CODES + scan() + b"\x3f" + STOP)
jpeg("255 parts", START + TABLE + frame(count=255) + CODES + scan() + b"\x3f" + STOP)
jpeg("two parts", START + TABLE + frame(parts=((1, 0x11, 0), (2, 0x11, 0))) + CODES + scan(((1, 0), (2, 0))) + b"\x0f" + STOP)
jpeg("a part that is sampled 0 times", START + TABLE + frame(parts=((1, 0x00, 0),)) + CODES + scan() + b"\x3f" + STOP)
jpeg("a part that is sampled 15 times", START + TABLE + frame(parts=((1, 0xff, 0),)) + CODES + scan() + b"\x3f" + STOP)
jpeg("a table of quantities that does not exist", START + TABLE + frame(parts=((1, 0x11, 9),)) + CODES + scan() + b"\x3f" + STOP)
jpeg("a scan of a part that does not exist", START + TABLE + frame() + CODES + scan(((7, 0),)) + b"\x3f" + STOP)
jpeg("a scan that goes backwards", START + TABLE + frame(kind=0xc2) + CODES + scan(first=9, last=3) + b"\x3f" + STOP)
jpeg("without loss", START + TABLE + frame(kind=0xc3) + CODES + scan() + b"\x3f" + STOP)
jpeg("of a kind that does not exist", START + TABLE + frame(kind=0xcf) + CODES + scan() + b"\x3f" + STOP)
jpeg("a restart that nobody announced", START + TABLE + frame(16, 8) + segment(0xdd, be("H", 1)) + CODES + scan() + b"\x3f\xff\xd5\x3f" + STOP, good=GREY16)
jpeg("another size than the others", START + TABLE + frame(24, 16) + CODES + scan() + b"\0\x0f" + STOP, "say which size")
# Each scan would say the same of millions of blocks in few bytes.
SCANS = b"".join(codes(0x10 | i % 2, 0xe0) + scan(((1, i % 2),), k, k, a, b) + b"\0\0" * 300
                 for i, (k, a, b) in enumerate([(k, 0 if s == 13 else s + 1, s) for k in range(1, 64) for s in range(13, -1, -1)]))
jpeg("882 scans", START + TABLE + frame(kind=0xc2) + CODES + scan(last=0) + b"\x7f" + SCANS + STOP)
