#!/usr/bin/env python3
"""Writes tests/files/npy with numpy (2.4.6): every type in both orders, big-endian twins, the three versions of the format.

The numbers are those that array_of() in tests/data_readers_test.c expects: element i (in C order) of shape [3, 2, 2] is
7 i - 30 as a signed integer, 7 i as an unsigned one, (7 i - 30) / 4 as a float, i % 3 == 0 as a bool; the last element of
integers is the largest that the type has."""
import pathlib
import zipfile
import numpy as np
from numpy.lib import format as npy

FOLDER = pathlib.Path(__file__).resolve().parent / "npy"
SHAPE = (3, 2, 2)


def array_of(code):
    i = np.arange(12)
    kind = code[0]
    if kind == "b":
        return (i % 3 == 0).reshape(SHAPE)
    if kind == "f":
        return ((i * 7 - 30) / 4).astype(code).reshape(SHAPE)
    a = (i * 7 - (30 if kind == "i" else 0)).astype(code)
    a[-1] = np.iinfo(a.dtype).max
    return a.reshape(SHAPE)


FOLDER.mkdir(exist_ok=True)
for code in ("b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"):
    a = array_of(code)
    np.save(FOLDER / f"{code}.npy", a)
    np.save(FOLDER / f"{code}-fortran.npy", np.asfortranarray(a))
    if code[1] != "1":
        np.save(FOLDER / f"{code}-big.npy", a.astype(a.dtype.newbyteorder(">")))
for version in ((1, 0), (2, 0), (3, 0)):
    with open(FOLDER / f"version{version[0]}.npy", "wb") as f:
        npy.write_array(f, array_of("f4"), version)
np.save(FOLDER / "scalar.npy", np.float32(1.5))
np.save(FOLDER / "complex.npy", np.zeros(3, np.complex64))
np.save(FOLDER / "fields.npy", np.zeros(3, [("a", "f4"), ("b", "i4")]))
np.save(FOLDER / "objects.npy", np.array([1, "two", None], object))

# One table in the dialects that people meet, written by Python's csv module.
import csv

TABLE = [["name", "city", "size", "weight", "kind"]] + [
    [f"no. {i}, \"{'äöü'[i % 3]}\"\nline two", ["Köln", "臺北", "New York"][i % 3], "" if i % 7 == 0 else f"{i * 1.25 - 3:g}",
     f"{i * i}", ["cat", "dog"][i // 3 % 2]] for i in range(40)]
DIALECTS = {
    "excel.csv": dict(encoding="utf-8-sig", dialect="excel"),
    "unix.csv": dict(encoding="utf-8", dialect="unix"),
    "minimal.csv": dict(encoding="utf-8", lineterminator="\n"),
    "tabs.tsv": dict(encoding="utf-8", dialect="excel-tab"),
    "semicolon.csv": dict(encoding="utf-8", delimiter=";", decimal=","),
    "pipe.txt": dict(encoding="utf-8", delimiter="|", quoting=csv.QUOTE_NONNUMERIC),
    "old-mac.csv": dict(encoding="utf-8", lineterminator="\r"),
}
folder = FOLDER.parent / "csv"
folder.mkdir(exist_ok=True)
for name, options in DIALECTS.items():
    comma = options.pop("decimal", ".")
    with open(folder / name, "w", encoding=options.pop("encoding"), newline="") as f:
        rows = [[c.replace(".", comma) if i in (2, 3) else c for i, c in enumerate(r)] for r in TABLE]
        csv.writer(f, **options).writerows(rows)

# Archives: stored, packed, and with the sizes in 64 bits that members of unknown length get.
NPZ = FOLDER.parent / "npz"
NPZ.mkdir(exist_ok=True)
arrays = {"x": (np.arange(600) / np.float32(7)).astype("f4").reshape(200, 3), "layer/y": np.arange(200) % 3, "none": np.zeros((0, 2), "f8")}
np.savez(NPZ / "stored.npz", **arrays)
np.savez_compressed(NPZ / "packed.npz", **arrays)
with zipfile.ZipFile(NPZ / "wide.npz", "w") as z:
    for name, a in arrays.items():
        with z.open(name + ".npy", "w", force_zip64=True) as f:
            npy.write_array(f, a)
