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

What was trained, here or by the command, can be asked:

    run = nilu.load("runs/digits-1")
    case = run.blame("test:42")
    print(case["gap"], case["layers"][0]["neurons"][0])
"""
from ._core import Context, Graph, Onnx, Plan, Store, Tensor, dense, grad, loss, minimise
from ._library import Error
from ._run import Model, Run, load, train
from .ops import *  # noqa: F401,F403
from .ops import __all__ as _ops

version = "0.1.0"
__all__ = ["Context", "Error", "Graph", "Model", "Onnx", "Plan", "Run", "Store", "Tensor", "dense", "grad", "load", "loss", "minimise",
           "train", "version"] + _ops
