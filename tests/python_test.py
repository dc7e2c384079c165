"""The Python package: built here, used as people use it. Run by python_test.sh; prints a line a test."""
import gc
import os
import runpy
import sys
import tempfile
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


def arrays_go_by_dlpack_too():
    g = nilu.Graph()
    w = g.param("w", (3, 3), init="ones")
    plan = g.compile(nilu.sum(w))
    other = np.from_dlpack(plan.store["w"])
    plan.store["w"][0, 0] = 7  # the same memory
    assert other[0, 0] == 7 and plan.step() == 15
    try:
        import torch
    except ImportError:
        print("# torch is not there")
        return
    there = torch.from_dlpack(plan.store["w"])
    there.fill_(2)
    assert plan.step() == 18 and there.data_ptr() == plan.store["w"].ctypes.data
    x = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    plan = g.compile(g.input("x", (2, 3)) @ w, store=plan.store)
    first = torch.from_numpy(np.array(plan.step(x=x)))
    assert torch.equal(first, x @ there)
    x.zero_()  # fed in place
    assert (plan.step() == 0).all()


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


def single_numbers_have_no_dimensions():
    g = nilu.Graph()
    x, store = g.param("x", ()), nilu.Store(g.context)
    store["x"] = np.float32(3)
    assert store["x"].shape == () and g.compile(x * 2, store=store).step() == 6


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


def graphs_are_asked_who_is_to_blame():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(7, 4)).astype(np.float32)
    t = (x[:, 0] > x[:, 1]).astype(np.int32)
    g = nilu.Graph(nilu.Context(threads=1, seed=2))
    y = nilu.dense(nilu.dense(g.input("x", (7, 4)), "hidden", 8, "relu"), "out", 2)
    loss = nilu.loss("cross_entropy", y, g.input("t", (7,), "i32"))
    nilu.minimise(loss, "adam", lr=0.05)
    plan = g.compile(loss)
    for _ in range(200):
        plan.step(x=x, t=t)
    model, w = nilu.Model.of(y, plan.store), plan.store
    case = model.blame(w, x[0], 1 - int(t[0]), outputs=2, usual=x)
    logits = np.maximum(x[0] @ w["hidden/weight"] + w["hidden/bias"], 0) @ w["out/weight"] + w["out/bias"]
    assert np.allclose(case["y"], logits, atol=1e-5) and case["accused"] == t[0]
    assert np.isclose(case["gap"], abs(logits[0] - logits[1]), atol=1e-5)
    for layer in case["layers"]:  # each is a cut through the net: its parts are the whole gap
        assert abs(case["gap"] - layer["tickets"] - layer["biases"] - layer["roads"]) < 1e-9, layer
    assert [layer["name"] for layer in case["layers"]] == ["hidden", "out"]
    for suspect in case["layers"][0]["weights"]:  # mended here, it does what was measured
        mended = {n: np.array(w[n], np.float64) for n in w if n in ("hidden/weight", "hidden/bias", "out/weight", "out/bias")}
        mended["hidden/weight"][suspect["from"], suspect["neuron"]] = suspect["mended"]
        z = np.maximum(x[0] @ mended["hidden/weight"] + mended["hidden/bias"], 0) @ mended["out/weight"] + mended["out/bias"]
        now = z[case["accused"]] - z[case["rival"]]
        assert abs(now - case["gap"] - suspect["measured"]) < 1e-4, suspect
    e = model.explain(w, x[0], int(t[0]), outputs=2, layer="hidden", neuron=5, terms=4)
    assert np.isclose(e["z"], x[0] @ w["hidden/weight"][:, 5] + w["hidden/bias"][5], atol=1e-6) and len(e["said"]["terms"]) == 4
    assert np.isclose(sum(t["product"] for t in e["said"]["terms"]) + e["bias"], e["z"])
    for wrong, part in ((lambda: model.explain(w, x[0], 0, outputs=2, layer="attic"), "there are hidden, out"), (lambda: model.blame(w, x[0], 9, outputs=2), "9"),
                        (lambda: nilu.Model("nowhere.onnx"), "nowhere.onnx"), (lambda: nilu.Model("512 relux"), "relux")):
        try:
            wrong()
        except (nilu.Error, KeyError, FileNotFoundError) as mistake:
            assert part in str(mistake), (part, str(mistake))
        else:
            raise AssertionError("nothing was said of a mistake: " + part)


def runs_are_loaded():
    data = os.path.join(SOURCE, "data")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "run")
        trained = nilu.train("digits", "16 relu", path, steps=40, lr=0.01, optimizer="adam", context=nilu.Context(seed=1), reading={"data_dir": data})
        run = nilu.load(path, data_dir=data)
        assert run.info["steps"] == 40 and run.weights.hash() == trained.weights.hash()
        scores = run.evaluate()
        assert scores["accuracy"] > 0.5 and scores["confusion"].sum() == scores["n"] == 1000
        x, labels = run.samples("test")
        said = run.predict()
        assert np.allclose(said.sum(1), 1, atol=1e-5) and (said.argmax(1) == labels).mean() == scores["accuracy"]
        wrong = int(np.flatnonzero(said.argmax(1) != labels)[0])
        case = run.blame("test:%d" % wrong)
        assert case["sample"] == "test:%d" % wrong and case["accused"] == said[wrong].argmax() and case["rival"] == labels[wrong]
        w = run.weights
        hidden = x[wrong] @ w["fc1/weight"] + w["fc1/bias"]
        e = run.explain("fc1", 3, "test:%d" % wrong)
        assert np.isclose(e["z"], hidden[3], atol=1e-4) and case["heat"].shape == (784,)
        more = nilu.train("digits", "16 relu", os.path.join(folder, "more"), weights=w, steps=-1, reading={"data_dir": data})
        assert more.weights.hash() == w.hash() and more.evaluate()["loss"] == scores["loss"]
        try:
            nilu.load(folder)
        except nilu.Error as e:
            assert "is no run" in str(e)
        else:
            raise AssertionError("a folder was taken for a run")


def the_notebook_runs():
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["NILU_DATA"] = os.path.join(SOURCE, "data")
        try:
            cells = runpy.run_path(os.path.join(SOURCE, "examples", "notebook.py"))
        finally:
            os.chdir(here)
    assert cells["scores"]["accuracy"] > 0.9 and cells["mended"] > 0


def stores_are_files():
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
         mistakes_are_sentences, single_numbers_have_no_dimensions, models_of_others, arrays_go_by_dlpack_too, graphs_are_asked_who_is_to_blame,
         runs_are_loaded, stores_are_files, the_notebook_runs]
for i, test in enumerate(tests):
    try:
        test()
        print("ok %d - %s" % (i + 1, test.__name__.replace("_", " ")))
    except Exception:
        traceback.print_exc(file=sys.stdout)
        print("not ok %d - %s" % (i + 1, test.__name__.replace("_", " ")))
        bad = 1
sys.exit(bad)
