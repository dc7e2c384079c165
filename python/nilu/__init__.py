"""nilu: train neural networks by backpropagation, and learn who is to blame for a mistake.

Graphs are built as in C, with operators; arrays are NumPy's, fed and fetched without a copy.

    import numpy as np, nilu

    g = nilu.Graph()
    x, t = g.input("x", (4, 2)), g.input("t", (4, 1))
    y = nilu.dense(nilu.dense(x, "hidden", 8, "tanh"), "out", 1)
    loss = nilu.bce_logits(y, t)
    nilu.minimise(loss, "adam", lr=0.05)
    plan = g.compile(loss)
    for step in range(500):
        value = plan.step(x=inputs, t=targets)
"""
from ._core import Context, Graph, Onnx, Plan, Store, Tensor, dense, grad, loss, minimise
from ._library import Error
from .ops import *  # noqa: F401,F403
from .ops import __all__ as _ops

version = "0.1.0"
__all__ = ["Context", "Error", "Graph", "Onnx", "Plan", "Store", "Tensor", "dense", "grad", "loss", "minimise", "version"] + _ops
