"""The Python package: built here, used as people use it. Run by python_test.sh; prints a line a test."""
import gc
import os
import sys
import traceback

import numpy as np

import nilu

SOURCE = sys.argv[1]
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
T = np.array([[0], [1], [1], [0]], np.float32)


def net(context):
    g = nilu.Graph(context)
    x, t = g.input("x", (4, 2)), g.input("t", (4, 1))
    y = nilu.dense(nilu.dense(x, "hidden", 8, "tanh"), "out", 1)
    return g, y, nilu.bce_logits(y, t)


def learns_exclusive_or():
    g, y, loss = net(nilu.Context(threads=1, seed=1))
    nilu.minimise(loss, "adam", lr=0.05)
    plan = g.compile(loss)
    for _ in range(400):
        value = plan.step(x=X, t=T)
    assert value < 0.01, value


def same_bits_for_any_threads():
    hashes = set()
    for threads in (1, 2, 3):
        g, _, loss = net(nilu.Context(threads=threads, seed=1))
        nilu.minimise(loss, "adamw", lr=0.05, decay=0.1)
        plan = g.compile(loss)
        for _ in range(20):
            plan.step(x=X, t=T)
        hashes.add(plan.store.hash())
    assert len(hashes) == 1


def gradients_are_nodes():
    g = nilu.Graph()
    x = g.input("x", (3,), "f64")
    y = nilu.sum(x ** 3 * 2.0)
    d = nilu.grad(y, x)
    dd = nilu.grad(nilu.sum(d), x)
    plan = g.compile(y, d, dd)
    at = np.array([1.0, -2.0, 0.5])
    value, first, second = plan.step(x=at)
    assert np.isclose(value, 2 * (at ** 3).sum())
    assert np.allclose(first, 6 * at ** 2) and np.allclose(second, 12 * at)


def arrays_are_not_copied():
    g = nilu.Graph()
    w = g.param("w", (3, 3), init="ones")
    x = g.input("x", (2, 3))
    plan = g.compile(x @ w)
    a = np.ones((2, 3), np.float32)
    first = plan.step(x=a)
    assert (first == 3).all() and not first.flags.writeable
    a[:] = 2  # fed in place: no new feed is needed
    assert (plan.step() == 6).all()
    plan.store["w"][:] = 0  # the store's own memory
    assert (plan.step() == 0).all()
    w = plan.store["w"]
    del g, plan, first
    gc.collect()
    assert (w == 0).all()  # the array keeps its owner alive


def other_arrays_come_by_dlpack():
    class Foreign:  # an array of another library
        def __init__(self, a):
            self.a = a

        def __dlpack__(self, **k):
            return self.a.__dlpack__(**k)

        def __dlpack_device__(self):
            return self.a.__dlpack_device__()

    g = nilu.Graph()
    plan = g.compile(nilu.sum(g.input("x", (3,))))
    assert plan.step(x=Foreign(np.arange(3, dtype=np.float32))) == 3


def ops_have_their_options():
    g = nilu.Graph()
    x = g.input("x", (1, 1, 4, 4))
    k = g.constant(np.ones((1, 1, 3, 3), np.float32))
    y = nilu.conv(x, k, {"padding": (1, 1), "stride": 2})
    z = nilu.concat([nilu.reshape(y, (4,)), nilu.mean(x, (0, 1, 2))], 0)
    got = g.compile(z).step(x=np.ones((1, 1, 4, 4), np.float32))
    assert got.tolist() == [4, 6, 6, 9, 1, 1, 1, 1], got
    assert "matmul" in dir(nilu) and "2" in nilu.conv.__doc__ or nilu.conv.__doc__


def mistakes_are_sentences():
    g = nilu.Graph()
    x, t = g.input("x", (4, 2)), g.input("t", (4, 1))
    for wrong, part in ((lambda: nilu.matmul(x, t), "2 features"), (lambda: g.input("z", (2,), "f16"), "no type"), (lambda: nilu.Onnx("nowhere.onnx"), "nowhere.onnx"),
                        (lambda: nilu.Graph().compile(nilu.Graph().input("a", (1,))).step(a=np.zeros(2, np.float32)), ""),
                        (lambda: nilu.minimise(x, "adam", speed=1), "no option speed"), (lambda: net(nilu.Context(isa="mmx"))[0].compile(), "mmx")):
        try:
            wrong()
        except (nilu.Error, TypeError) as e:
            assert part in str(e), (part, str(e))
        else:
            raise AssertionError("nothing was said of a mistake: " + part)


def models_of_others():
    folder = os.path.join(SOURCE, "tests", "golden", "onnx")
    m = nilu.Onnx(os.path.join(folder, "classifier.onnx"))
    assert m.inputs == ["x", "t"] and m.outputs == ["y", "loss"]
    x, t = (np.load(os.path.join(folder, n + ".npy")) for n in "xt")
    y, loss = m.run(x=x, t=t)
    assert y.shape == (5, 3) and abs(loss - 1.19685707) < 1e-6
    g, store = nilu.Graph(m.context), nilu.Store(m.context)
    _, node = m.build(g, store, x=g.input("x", x.shape), t=g.input("t", t.shape, "i64"))
    nilu.minimise(node, "sgd", lr=0.5)
    plan = g.compile(node, store=store)
    first = plan.step(x=x, t=t)
    for _ in range(50):
        last = plan.step()
    assert abs(first - loss) < 1e-6 and last < first / 2


def stores_are_files():
    import tempfile
    g, _, loss = net(nilu.Context(seed=5))
    store = nilu.Store(g.context)
    g.compile(loss, store=store)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "w.safetensors")
        store.save(path)
        again = nilu.Store(g.context)
        again.load(path)
    assert again.hash() == store.hash() and set(again) == set(store) and len(again) == 4
    again["out/bias"] = [3.0]
    assert again["out/bias"][0] == 3 and again.hash() != store.hash()


bad = 0
tests = [learns_exclusive_or, same_bits_for_any_threads, gradients_are_nodes, arrays_are_not_copied, other_arrays_come_by_dlpack, ops_have_their_options,
         mistakes_are_sentences, models_of_others, stores_are_files]
for i, test in enumerate(tests):
    try:
        test()
        print("ok %d - %s" % (i + 1, test.__name__.replace("_", " ")))
    except Exception:
        traceback.print_exc(file=sys.stdout)
        print("not ok %d - %s" % (i + 1, test.__name__.replace("_", " ")))
        bad = 1
sys.exit(bad)
