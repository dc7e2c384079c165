"""The shared library, opened through cffi; its declarations are those of nilu.h."""
from __future__ import annotations

import os
from typing import Any

from cffi import FFI

_here = os.path.dirname(os.path.abspath(__file__))
ffi: Any = FFI()  # what it makes has the fields of C, which no checker of types knows


def _declarations() -> str:
    path = os.environ.get("NILU_DECLARATIONS", os.path.join(_here, "nilu_cdef.h"))
    try:
        with open(path, encoding="utf-8") as f:
            return f.read()
    except OSError as e:
        raise ImportError("nilu: %s; build the package with pip install, or set NILU_DECLARATIONS" % e) from None


def _open() -> Any:
    path = os.environ.get("NILU_LIBRARY", os.path.join(_here, "libnilu.so"))
    try:
        return ffi.dlopen(path)
    except OSError as e:
        raise ImportError("nilu: %s; build the package with pip install, or set NILU_LIBRARY" % e) from None


ffi.cdef(_declarations())
lib = _open()


class Error(Exception):
    """What the library says of a call that failed: one sentence, and the code of nilu.h as `.status`."""

    def __init__(self, sentence: str, status: int):
        super().__init__(sentence)
        self.status = status


def check(nl: Any, status: int) -> None:
    if status:
        raise Error(ffi.string(lib.nilu_errmsg(nl)).decode("utf-8", "replace"), int(status))


def text(pointer: Any) -> str:
    """"" for NULL."""
    return str(ffi.string(pointer).decode("utf-8", "replace")) if pointer else ""


def encoded(value: Any) -> Any:
    return ffi.NULL if value is None else ffi.new("char[]", os.fsencode(value) if isinstance(value, os.PathLike) else str(value).encode())


