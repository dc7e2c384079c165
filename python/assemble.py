#!/usr/bin/env python3
"""Puts the Python package together: python/assemble.py LIBRARY OUT writes OUT/nilu with the modules of python/nilu, the functions of
include/nilu/ops.inc as ops.py, the declarations of nilu.h, and a copy of the library (libnilu.so)."""
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)

# C type of a parameter: what Python takes, and what is meant where nothing is said.
TYPES = {"nilu_tensor *": ("Tensor", None), "nilu_graph *": ("Graph", None), "double": ("float", None), "bool": ("bool", "False"), "int": ("int", None),
         "int64_t": ("int", None), "nilu_axes": ("Axes", "None"), "nilu_sizes": ("Axes", "None"), "nilu_shape": ("Sequence[int]", None),
         "nilu_dtype": ("str", None)}
HEAD = '''"""The ops of nilu, one function a row of include/nilu/ops.inc."""
# Written by python/assemble.py.
from __future__ import annotations

from typing import Any, Mapping, Sequence, Union

from ._core import Graph, Tensor, call

Axes = Union[int, Sequence[int], None]
'''
KEYWORDS = {"lambda", "in", "from", "is", "not", "or", "and"}


def parameter(text):
    kind, name = re.match(r"(.*?)(\w+)$", text.strip()).groups()
    kind = kind.replace("const ", "").strip()
    kind = re.sub(r"\s*\*", " *", kind)
    hint, otherwise = TYPES.get(kind, ("Mapping[str, Any] | None", "None") if "*" in kind else ("int", "0"))
    return name + ("_" if name in KEYWORDS else ""), hint, otherwise


def function(name, parameters, about):
    parts = [p.strip() for p in parameters.split(",")]
    many = parts[0] == "int n"
    made = [parameter(p) for p in (parts[2:] if many else parts)]
    if many:
        made.insert(0, ("x", "Sequence[Tensor]", None))
    written, optional = [], True
    for n, hint, otherwise in reversed(made):  # what has a default stands behind what has none
        optional = optional and otherwise is not None
        written.insert(0, "%s: %s%s" % (n, hint, " = " + otherwise if optional else ""))
    passed = ", ".join(n for n, _, _ in made)
    if many:
        passed = "len(x), list(x)" + passed[1:]
    return 'def %s(%s) -> Tensor:\n    """%s"""\n    return call("%s", %s)\n' % (name, ", ".join(written), about or "See the C reference.", name, passed)


def rows():
    with open(os.path.join(ROOT, "include", "nilu", "ops.inc"), encoding="utf-8") as f:
        text = f.read()
    text = text[text.index("*/") + 2:]
    for m in re.finditer(r"NILU_OP\((\w+),\s*\((.*?)\)\)[ \t]*(?:/\*(?! --)(.*?)\*/)?", text, re.S):
        name, parameters, about = m.groups()
        yield name, " ".join(parameters.split()), " ".join((about or "").split()).replace("\\", "").replace('"', "'")


def main(library, out):
    package = os.path.join(out, "nilu")
    os.makedirs(package, exist_ok=True)
    for name in os.listdir(os.path.join(HERE, "nilu")):
        if name.endswith(".py") or name == "py.typed":
            shutil.copy(os.path.join(HERE, "nilu", name), package)
    made = list(rows())
    with open(os.path.join(package, "ops.py"), "w", encoding="utf-8") as f:
        f.write(HEAD + "\n__all__ = %r\n" % [name for name, _, _ in made])
        for row in made:
            f.write("\n\n" + function(*row))
    with open(os.path.join(package, "nilu_cdef.h"), "w", encoding="utf-8") as f:
        subprocess.run(["sh", os.path.join(ROOT, "cmake", "cdef.sh"), os.path.join(ROOT, "include")], check=True, stdout=f)
    shutil.copy(os.path.realpath(library), os.path.join(package, "libnilu.so"))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("python/assemble.py: give the library and a folder")
    main(sys.argv[1], sys.argv[2])
