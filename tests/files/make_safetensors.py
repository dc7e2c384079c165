#!/usr/bin/env python3
"""Development only: needs numpy and safetensors 0.8 (pip). Writes theirs.safetensors as the package writes it, and checks
that the package reads ours.safetensors, which io_test writes byte for byte, as what it should hold.

    python3 tests/files/make_safetensors.py
"""
import os
import struct

import numpy as np
from safetensors import TensorSpec, safe_open, serialize

here = os.path.dirname(os.path.abspath(__file__))

theirs = {
    "f32": ("float32", [2, 3], np.array([1, -2, 0.5, 3e38, -0.0, 1e-45], "f4").tobytes()),
    "f64": ("float64", [], struct.pack("<d", 0.1)),
    "bf16": ("bfloat16", [3], struct.pack("<3H", 0x3F80, 0xC000, 0x7F80)),
    "f16": ("float16", [6], np.array([1, -2, 65504, 6e-8, 0.333251953125, -np.inf], "f2").tobytes()),
    "i32": ("int32", [2], np.array([-2147483648, 7], "i4").tobytes()),
    "i64": ("int64", [1, 1], np.array([-9007199254740993], "i8").tobytes()),
    "u8": ("uint8", [3], bytes([0, 128, 255])),
    "bool": ("bool", [2], bytes([1, 0])),
    "empty": ("float32", [0, 3], b""),
    "näme \"q\" \\ \n": ("float32", [1], struct.pack("<f", 42)),
}


def write(name, tensors, metadata):
    kept = {k: np.frombuffer(b, "u1") for k, (_, _, b) in tensors.items()}
    specs = {k: TensorSpec(dtype=d, shape=s, data_ptr=kept[k].ctypes.data, data_len=len(b)) for k, (d, s, b) in tensors.items()}
    with open(os.path.join(here, name), "wb") as f:
        f.write(serialize(specs, metadata))


write("theirs.safetensors", theirs, {"note": "hello, 世界"})
write("i8.safetensors", {"ok": ("float32", [1], struct.pack("<f", 1)), "tiny": ("int8", [2], b"\x01\x02")}, None)

with safe_open(os.path.join(here, "ours.safetensors"), "np") as f:
    assert sorted(f.keys()) == sorted(["a/weight", "b \"q\"", "empty", "flag", "n", "opt/m", "step"]), f.keys()
    assert f.metadata()["note"] == "line\nline \"世界\"", f.metadata()
    assert f.metadata()["nilu.states"] == '["opt/m","step"]', f.metadata()
    assert (f.get_tensor("a/weight") == np.arange(6, dtype="f4").reshape(2, 3) / 2).all()
    assert f.get_tensor('b "q"').dtype == np.float64 and f.get_tensor('b "q"') == 0.1
    assert f.get_tensor("empty").shape == (0, 4)
    assert f.get_tensor("flag").tolist() == [True, False, True]
    assert f.get_tensor("n").tolist() == [250, 5] and f.get_tensor("n").dtype == np.uint8
    assert f.get_tensor("opt/m").tolist() == [-1.5, 2.5]
    assert f.get_tensor("step").dtype == np.int64 and f.get_tensor("step") == 1 << 40
print("ours.safetensors is read as it should be")
