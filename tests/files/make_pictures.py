#!/usr/bin/env python3
"""Writes tests/files/pictures with Pillow (12) and, of what Pillow does not write, by hand: one picture in every kind that
PNG and JPEG have, and tests/files/cifar, batch files in CIFAR's two binary forms.

Beside NAME.png or NAME.jpg stands NAME.raw: three bytes of height, width and channels, then the pixels as this script or
Pillow understands them, [height][width][channels], transparent ones on white."""
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE / "pictures"
H, W = 7, 9


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(height, width, depth, colour, interlace, lines, more=b""):
    """A PNG of filtered lines (filter type 0 is put before each)."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more +
            chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(l) for l in lines), 9)) + chunk(b"IEND", b""))


def keep(name, data, pixels):
    pixels = np.asarray(pixels, dtype=np.uint8)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    (FOLDER / name).write_bytes(data)
    (FOLDER / name).with_suffix(".raw").write_bytes(bytes(pixels.shape) + pixels.tobytes())


def on_white(colour, alpha):
    colour, alpha = colour.astype(int), alpha.astype(int)
    return (2 * (colour * alpha + 255 * (255 - alpha)) + 255) // 510  # rounded


def packed(a, bits):
    """Rows of numbers below 2^bits as PNG packs them."""
    out = []
    for row in a:
        text = "".join(f"{v:0{bits}b}" for v in row)
        text += "0" * (-len(text) % 8)
        out.append(bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8)))
    return out


def saved(image, kind, **options):
    path = FOLDER / "tmp"
    image.save(path, kind, **options)
    data = path.read_bytes()
    path.unlink()
    return data


FOLDER.mkdir(exist_ok=True)
y, x = np.mgrid[0:H, 0:W]
red, green, blue = (y * 31 + x * 7) % 256, (x * 29 + 90) % 256, (y * x * 5 + 17) % 256
rgb = np.dstack([red, green, blue]).astype(np.uint8)
grey = red.astype(np.uint8)
alpha = ((x * 40 + y * 11) % 256).astype(np.uint8)
alpha[0, 0], alpha[0, 1] = 0, 255
flat = lambda a: a.reshape(H, -1)

keep("grey.png", saved(Image.fromarray(grey), "PNG"), grey)
keep("rgb.png", saved(Image.fromarray(rgb), "PNG"), rgb)
keep("rgba.png", saved(Image.fromarray(np.dstack([rgb, alpha])), "PNG"), on_white(rgb, alpha[:, :, None]))
keep("grey-alpha.png", saved(Image.fromarray(np.dstack([grey, alpha]), "LA"), "PNG"), on_white(grey, alpha))
keep("bits1.png", png(H, W, 1, 0, 0, packed((x + y) % 2, 1)), (x + y) % 2 * 255)
keep("bits2.png", png(H, W, 2, 0, 0, packed((x + y) % 4, 2)), (x + y) % 4 * 85)
keep("bits4.png", png(H, W, 4, 0, 0, packed((x + y) % 16, 4)), (x + y) % 16 * 17)
deep = (rgb.astype(int) * 257 + 100).clip(0, 65535)
keep("rgb16.png", png(H, W, 16, 2, 0, [flat(deep)[i].astype(">u2").tobytes() for i in range(H)]),
     (deep * 255 + 32767) // 65535)
grey16 = deep[:, :, 0]
keep("grey16.png", png(H, W, 16, 0, 0, [grey16[i].astype(">u2").tobytes() for i in range(H)]),
     (grey16 * 255 + 32767) // 65535)
table = rgb.reshape(-1, 3)[:40]
index = (x * 4 + y * 3) % 40
keep("palette.png", png(H, W, 8, 3, 0, index.astype(np.uint8), chunk(b"PLTE", table.tobytes())), table[index])
clear = np.arange(0, 240, 6, dtype=np.uint8)
keep("palette-alpha.png", png(H, W, 8, 3, 0, index.astype(np.uint8),
                              chunk(b"PLTE", table.tobytes()) + chunk(b"tRNS", clear.tobytes())),
     on_white(table[index], clear[index][:, :, None]))
greys = np.repeat(np.arange(0, 160, 4, dtype=np.uint8)[:, None], 3, axis=1)
keep("palette-grey.png", png(H, W, 8, 3, 0, index.astype(np.uint8), chunk(b"PLTE", greys.tobytes())), greys[index][:, :, 0])
lines = []
for top, left, down, across in ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)):
    part = rgb[top::down, left::across]
    lines += [part[i].tobytes() for i in range(part.shape[0]) if part.shape[1]]
keep("interlaced.png", png(H, W, 8, 2, 1, lines), rgb)

smooth = np.dstack([y * 30, x * 25, 255 - y * 20]).clip(0, 255).astype(np.uint8)
image = Image.fromarray(smooth)
for name, options in (("colour", {"quality": 90}), ("progressive", {"quality": 85, "progressive": True}),
                      ("full", {"quality": 95, "subsampling": 0}), ("restarts", {"quality": 90, "restart_marker_blocks": 1})):
    data = saved(image, "JPEG", **options)
    (FOLDER / "tmp").write_bytes(data)
    keep(f"{name}.jpg", data, np.asarray(Image.open(FOLDER / "tmp").convert("RGB")))
data = saved(Image.fromarray(smooth[:, :, 0]), "JPEG", quality=90)
(FOLDER / "tmp").write_bytes(data)
keep("shades.jpg", data, np.asarray(Image.open(FOLDER / "tmp")))
inks = np.dstack([y * 20, x * 20, 60 + 0 * x, y * 10 + x * 5]).clip(0, 255).astype(np.uint8)
data = saved(Image.fromarray(inks, "CMYK"), "JPEG", quality=95)
(FOLDER / "tmp").write_bytes(data)
ink = np.asarray(Image.open(FOLDER / "tmp")).astype(int)  # 255: full of ink
keep("inks.jpg", data, ((255 - ink[:, :, :3]) * (255 - ink[:, :, 3:]) + 127) // 255)

# A small file that says it is huge.
(FOLDER / "bomb.png").write_bytes(png(60000, 60000, 8, 2, 0, [b"\0" * 12]))
data = bytearray(saved(image, "JPEG", quality=90))
at = data.index(b"\xff\xc0")
data[at + 5:at + 9] = struct.pack(">HH", 65500, 65500)
(FOLDER / "bomb.jpg").write_bytes(data)

# ---- CIFAR: pixel k of picture i is (37 i + 11 k) mod 251, as tests/images_test.c expects it


def pixels(i):
    return bytes((37 * i + 11 * k) % 251 for k in range(3072))


NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
TEN, HUNDRED = HERE / "cifar" / "ten", HERE / "cifar" / "hundred"
TEN.mkdir(parents=True, exist_ok=True)
HUNDRED.mkdir(parents=True, exist_ok=True)
(TEN / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
for file, first, n in (("data_batch_1.bin", 0, 4), ("data_batch_2.bin", 4, 2), ("test_batch.bin", 6, 2)):
    (TEN / file).write_bytes(b"".join(bytes([i * 3 % 10]) + pixels(i) for i in range(first, first + n)))
(HUNDRED / "fine_label_names.txt").write_text("".join(f"fine{i:02d}\n" for i in range(100)))
(HUNDRED / "coarse_label_names.txt").write_text("".join(f"coarse{i:02d}\n" for i in range(20)))
for file, first, n in (("train.bin", 0, 3), ("test.bin", 3, 1)):
    (HUNDRED / file).write_bytes(b"".join(bytes([i * 7 % 20, i * 13 % 100]) + pixels(i) for i in range(first, first + n)))
