"""Runs that were trained, models that are asked, and who is to blame: what the command does in `nilu train`, `eval`, `blame`,
`explain` and `attribute`, on arrays."""
from __future__ import annotations

import os
import tempfile
import weakref
from typing import Any, Mapping, Sequence

import numpy as np

from ._core import Context, Store, Tensor, _context, _free_after, _pointer, _view
from ._library import Error, check, encoded, ffi, lib, text

_parts = {"train": lib.NILU_TRAIN, "validation": lib.NILU_VALIDATION, "test": lib.NILU_TEST}
_starts = {"loss": lib.NILU_FROM_LOSS, "gap": lib.NILU_FROM_GAP}


def _plain(struct: Any, leave: Sequence[str] = ()) -> dict[str, Any]:
    """The numbers and texts of a struct; what points to more is left to the caller."""
    out: dict[str, Any] = {}
    for name, field in ffi.typeof(struct).fields if ffi.typeof(struct).kind == "struct" else ffi.typeof(struct).item.fields:
        value = getattr(struct, name)
        if name in leave or field.type.kind == "struct":
            continue
        if field.type.cname == "char const *" or field.type.cname == "char *":
            out[name] = text(value) if value else None
        elif field.type.kind == "array" and field.type.item.cname == "char":
            out[name] = text(value)
        elif field.type.kind in ("primitive", "enum"):
            out[name] = value
    return out


def _numbers(pointer: Any, n: int) -> np.ndarray | None:
    """A copy of n doubles, which the library may write over at its next call."""
    return np.array(_view(pointer, lib.NILU_F64, (n,), None, writable=False)) if pointer else None


def _sample(x: Any) -> np.ndarray:
    return np.ascontiguousarray(x, dtype=np.float32).reshape(-1)


def _suspects(at: Any, n: int) -> list[dict[str, Any]]:
    return [_plain(at[i]) for i in range(n)]


def _verdict(v: Any) -> dict[str, Any]:
    out = _plain(v)
    out["y"] = _numbers(v.y, v.outputs)
    if v.target:
        out["target"] = _numbers(v.target, v.outputs)
    return out


def _case(c: Any) -> dict[str, Any]:
    features = c.verdict.features
    layers = []
    for i in range(c.stops):
        s = c.stop[i]
        layer = _plain(s, ("neurons", "weights", "channels"))
        layer.update(neurons=_suspects(s.neuron, s.neurons), weights=_suspects(s.weight, s.weights), channels=_suspects(s.channel, s.channels))
        layers.append(layer)
    out = _verdict(c.verdict)
    out.update(_plain(c, ("stops", "inputs")))
    out.update(layers=layers, inputs=_suspects(c.input, c.inputs), heat=_numbers(c.heat, features), path=_numbers(c.path, features),
               restore=[c.restore[i] for i in range(c.restored)])
    return out


def _explanation(context: Context, scene: Any, layer: int | str, neuron: int, start: str, terms: int) -> dict[str, Any]:
    if isinstance(layer, str):
        view, names = ffi.new("nilu_layer_view *"), []
        for i in range(lib.nilu_scene_layers(scene)):
            lib.nilu_scene_layer(scene, i, _starts[start], view)
            names.append(text(view.name))
        if layer not in names:
            raise KeyError("there is no layer %s; there are %s" % (layer, ", ".join(names)))
        layer = names.index(layer)
    e = ffi.new("nilu_explanation *")
    check(context.c, lib.nilu_explain(scene, layer, neuron, _starts[start], terms, e))
    out = _plain(e[0])
    for name in ("said", "heard", "own", "passed"):
        sum_ = getattr(e, name)
        out[name] = {"total": sum_.total, "of": sum_.of, "terms": [_plain(sum_.term[i]) for i in range(sum_.n)]}
    return out


def _data_options(options: Mapping[str, Any], keep: list[Any]) -> Any:
    o = ffi.new("nilu_data_options *")
    o.size, o.header, o.validation = ffi.sizeof("nilu_data_options"), -1, 0.1
    for name, value in options.items():
        if not hasattr(o, name):
            raise TypeError("there is no option %s of data" % name)
        if isinstance(value, (str, os.PathLike)):
            value = encoded(value)
            keep.append(value)
        setattr(o, name, value)
    return o


class Model:
    """A network that can be asked: layers in words ("512 relu, dropout 0.2"), the text of a model file, or a file (YAML or ONNX).
    `Model.of` makes one of a graph that was built here."""

    def __init__(self, source: Any, context: Context | None = None):
        self.context = _context(context)
        out, c = ffi.new("nilu_model **"), self.context.c
        name = os.fspath(source)
        if os.path.exists(name):
            check(c, lib.nilu_model_load(c, encoded(name), out))
        elif ":" in name:
            check(c, lib.nilu_model_from_text(c, encoded(name), encoded("model"), out))
        elif name.endswith((".yaml", ".onnx")):
            raise FileNotFoundError(name)
        else:
            check(c, lib.nilu_model_chain(c, encoded(name), out))
        self.c = out[0]
        self._free = weakref.finalize(self, _free_after, lib.nilu_model_free, self.c, self.context)

    @classmethod
    def of(cls, y: Tensor, store: Store) -> "Model":
        """The model that computes `y`, which has a row for each sample, from the graph's one input, with the values of `store`."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.onnx")
            batch = y.shape[0] if y.shape and sum(n == y.shape[0] for n in y.shape) == 1 else 0
            check(y.graph.context.c, lib.nilu_onnx_write(y.graph.c, 1, ffi.new("nilu_tensor *[1]", [y.c]), store.c, batch, encoded(path)))
            return cls(path, y.graph.context)

    def __repr__(self) -> str:
        c = lib.nilu_model_summary(self.c)
        try:
            return "<nilu.Model %s>" % text(c)
        finally:
            lib.nilu_text_free(self.context.c, c)

    def text(self) -> str:
        """As a model file."""
        c = lib.nilu_model_text(self.c)
        try:
            return text(c)
        finally:
            lib.nilu_text_free(self.context.c, c)

    def export(self, store: Store, features: int, outputs: int, path: Any) -> None:
        """Writes the network with these weights as ONNX."""
        check(self.context.c, lib.nilu_onnx_write_model(self.c, store.c, features, outputs, encoded(path)))

    def blame(self, store: Store, x: Any, label: int = -1, target: Any = None, *, outputs: int, accused: int = -1, usual: Any = None,
              picture: Sequence[int] = (0, 0, 0), loss: str | None = None, neurons: int = 32, weights: int = 16, inputs: int = 16) -> dict[str, Any]:
        """Who is to blame for what the network says of sample `x`: layers in the order of the forward pass, each with the neurons
        and weights that were tried, the worst first. `usual` are samples of the training part: what neurons usually put out,
        and what a feature is restored to. `picture` is (height, width, channels)."""
        x = _sample(x)
        o, out, keep = ffi.new("nilu_blame_options *"), ffi.new("nilu_blame **"), []
        o.size, o.neurons, o.weights, o.inputs = ffi.sizeof("nilu_blame_options"), neurons, weights, inputs
        o.task = lib.NILU_TASK_CLASSES if target is None else lib.NILU_TASK_NUMBERS
        o.height, o.width, o.channels = picture
        o.loss = keep_text = encoded(loss)
        if usual is not None:
            usual = np.ascontiguousarray(usual, dtype=np.float32).reshape(-1, x.size)
            mean = usual.mean(0, dtype=np.float64).astype(np.float32)
            keep.append(mean)
            o.baseline = ffi.cast("float *", mean.ctypes.data)
        check(self.context.c, lib.nilu_blame_new(self.context.c, self.c, store.c, x.size, outputs, o, out))
        try:
            if usual is not None:
                check(self.context.c, lib.nilu_blame_learn(out[0], len(usual), ffi.cast("float *", usual.ctypes.data)))
            goal = None if target is None else _sample(target)  # which must live until the case is told
            found = ffi.new("nilu_case_file *")
            check(self.context.c, lib.nilu_blame_case(out[0], ffi.cast("float *", x.ctypes.data), label,
                                                      ffi.NULL if goal is None else ffi.cast("float *", goal.ctypes.data), accused, found))
            return _case(found)
        finally:
            lib.nilu_blame_free(out[0])
            del keep_text

    def explain(self, store: Store, x: Any, label: int = -1, target: Any = None, *, outputs: int, layer: int | str = 0, neuron: int = 0,
                start: str = "loss", accused: int = -1, terms: int = 8, loss: str | None = None) -> dict[str, Any]:
        """One neuron's part: what it said and heard, its slope, its gradient, what it passes on; each sum with its largest terms."""
        x, name = _sample(x), encoded(loss)
        o, out = ffi.new("nilu_scene_options *"), ffi.new("nilu_scene **")
        o.size, o.dtype, o.loss = ffi.sizeof("nilu_scene_options"), lib.NILU_F64, name
        o.task = lib.NILU_TASK_CLASSES if target is None else lib.NILU_TASK_NUMBERS
        goal = None if target is None else _sample(target)
        check(self.context.c, lib.nilu_scene_new(self.context.c, self.c, store.c, x.size, outputs, o, out))
        try:
            check(self.context.c, lib.nilu_scene_look(out[0], ffi.cast("float *", x.ctypes.data), label,
                                                      ffi.NULL if goal is None else ffi.cast("float *", goal.ctypes.data), accused))
            return _explanation(self.context, out[0], layer, neuron, start, terms)
        finally:
            lib.nilu_scene_free(out[0])


class Run:
    """A run's folder: its network, weights and data at hand. Samples are named as in the command: "test:42", "7", a file."""

    def __init__(self, folder: Any, context: Context | None = None, data_dir: Any = None, cache_dir: Any = None):
        self.context = _context(context)
        o, out = ffi.new("nilu_inquiry_options *"), ffi.new("nilu_inquiry **")
        keep: list[Any] = []
        opened = _data_options({k: v for k, v in (("data_dir", data_dir), ("cache_dir", cache_dir)) if v}, keep)
        o.size, o.moment, o.dtype, o.opened = ffi.sizeof("nilu_inquiry_options"), lib.NILU_MODEL, lib.NILU_F64, opened
        check(self.context.c, lib.nilu_inquiry_open(self.context.c, encoded(folder), o, out))
        self.c = out[0]
        self._free: Any = weakref.finalize(self, _free_after, lib.nilu_inquiry_free, self.c, self.context)
        self._about = lib.nilu_inquiry_about(self.c)

    @property
    def info(self) -> dict[str, Any]:
        """Settings and result, as in run.yaml."""
        out = _plain(self._about.about[0])
        out["scores"] = _plain(self._about.about.scores)
        return out

    @property
    def classes(self) -> list[str]:
        s = self._about.set
        return [text(s.class_names[i]) for i in range(s.outputs)] if s.class_names else []

    @property
    def weights(self) -> Store:
        """A copy of the weights."""
        store, have = Store(self.context), self._about.store
        for i in range(lib.nilu_store_count(have)):
            v = lib.nilu_store_at(have, i)
            check(self.context.c, lib.nilu_store_put(store.c, v.kind, v.name, v.dtype, v.shape, v.data))
        return store

    def __len__(self) -> int:
        return sum(self._about.set.count[i] for i in _parts.values())

    def samples(self, part: str = "test", index: Sequence[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Encoded samples [n, features], and their labels [n] or targets [n, outputs]."""
        s = self._about.set
        n, at = self._index(part, index)
        x = np.empty((n, s.features), np.float32)
        classes = s.task == lib.NILU_TASK_CLASSES
        y = np.empty(n, np.int32) if classes else np.empty((n, s.outputs), np.float32)
        check(self.context.c, lib.nilu_data_batch(self._about.data, _parts[part], at, n, ffi.cast("float *", x.ctypes.data),
                                                  ffi.cast("int32_t *", y.ctypes.data) if classes else ffi.NULL,
                                                  ffi.NULL if classes else ffi.cast("float *", y.ctypes.data)))
        return x, y

    def _index(self, part: str, index: Sequence[int] | None) -> tuple[int, Any]:
        if index is None:
            return self._about.set.count[_parts[part]], ffi.NULL
        return len(index), ffi.new("int64_t[]", [int(i) for i in index])

    def _predictor(self) -> Any:
        if not hasattr(self, "_predicts"):
            out = ffi.new("nilu_predictor **")
            check(self.context.c, lib.nilu_predictor_new(self.context.c, self._about.model, self._about.store, self._about.data,
                                                         self._about.about.options.loss, out))
            self._predicts = out[0]
            self._free.detach()  # the predictor goes first
            self._free = weakref.finalize(self, _free_both, out[0], self.c, self.context)
        return self._predicts

    def predict(self, part: str = "test", index: Sequence[int] | None = None) -> np.ndarray:
        """[n, outputs]: probabilities of classes, or numbers in the target's own units."""
        n, at = self._index(part, index)
        out = np.empty((n, self._about.set.outputs), np.float32)
        check(self.context.c, lib.nilu_predict(self._predictor(), _parts[part], at, n, ffi.cast("float *", out.ctypes.data)))
        return out

    def evaluate(self, part: str = "test") -> dict[str, Any]:
        """Loss and accuracy, or rmse, mae and r2, over a part; of classes also the confusion [truth, said]."""
        e = ffi.new("nilu_evaluation *")
        check(self.context.c, lib.nilu_evaluate(self._predictor(), _parts[part], e))
        try:
            out = _plain(e.scores)
            if e.confusion:
                out["confusion"] = np.array(_view(e.confusion, lib.NILU_I64, (e.outputs, e.outputs), None, writable=False))
                out["macro_f1"] = e.macro_f1
            return out
        finally:
            lib.nilu_evaluation_free(self.context.c, e)

    def _look(self, sample: Any, truth: Any, accused: Any) -> None:
        name = ffi.NULL if sample is None else encoded(sample)
        check(self.context.c, lib.nilu_inquiry_sample(self.c, name, encoded(truth), encoded(accused), ffi.NULL))

    def blame(self, sample: Any = None, truth: Any = None, accused: Any = None) -> dict[str, Any]:
        """As Model.blame, with what neurons usually put out learnt from the run's own data. `truth` and `accused` name classes."""
        seen, out, found = ffi.new("nilu_sample *"), ffi.new("nilu_blame **"), ffi.new("nilu_case_file *")
        check(self.context.c, lib.nilu_blame_open(self.context.c, self.c, ffi.NULL, out))
        try:
            name = ffi.NULL if sample is None else encoded(sample)
            check(self.context.c, lib.nilu_inquiry_sample(self.c, name, encoded(truth), encoded(accused), seen))
            v = ffi.new("nilu_verdict *")
            lib.nilu_scene_verdict(self._about.scene, v)
            check(self.context.c, lib.nilu_blame_case(out[0], seen.x, seen.label, seen.target, v.accused, found))
            case = _case(found)
            case["sample"] = text(seen.name)
            return case
        finally:
            lib.nilu_blame_free(out[0])

    def explain(self, layer: int | str = 0, neuron: int = 0, sample: Any = None, truth: Any = None, accused: Any = None, start: str = "loss",
                terms: int = 8) -> dict[str, Any]:
        """As Model.explain."""
        self._look(sample, truth, accused)
        return _explanation(self.context, self._about.scene, layer, neuron, start, terms)


def _free_both(predictor: Any, inquiry: Any, *keep: Any) -> None:
    lib.nilu_predictor_free(predictor)
    lib.nilu_inquiry_free(inquiry)


def load(folder: Any, context: Context | None = None, **where: Any) -> Run:
    """A run that nilu trained or imported: load("runs/digits-1")."""
    return Run(folder, context, **where)


def train(data: Any, model: Model | str | None = None, out: Any = None, *, context: Context | None = None, weights: Store | None = None,
          reading: Mapping[str, Any] | None = None, **options: Any) -> Run:
    """Trains on a data set as `nilu train` does, and returns the run, whose folder is `out`. Options are the fields of
    nilu_train_options, those of its optimizer (lr, momentum, decay, ...), and `optimizer`, its name; `reading` those of
    nilu_data_options (target, validation, scale, ...)."""
    c = _context(context)
    keep: list[Any] = []
    if isinstance(model, str):
        model = Model(model, c)
    if out is None:
        raise TypeError("train: say in `out` which folder the run gets")
    opened, set_ = _data_options(reading or {}, keep), ffi.new("nilu_data **")
    where, folder = encoded(data), encoded(out)
    check(c.c, lib.nilu_data_open(c.c, where, opened, set_))
    try:
        o, unset = ffi.new("nilu_train_options *"), float("nan")
        o.size, o.optimizer.size = ffi.sizeof("nilu_train_options"), ffi.sizeof("nilu_optimizer_options")
        for owner, kind in ((o.optimizer, "nilu_optimizer_options"), (o.optimizer.schedule, "nilu_schedule")):
            for field, f in ffi.typeof(kind).fields:
                if f.type.cname == "double":
                    setattr(owner, field, unset)
        o.label_smoothing, o.checkpoint_seconds = unset, 30
        o.out, o.where, o.opened = folder, where, opened
        if weights is not None:
            o.weights = weights.c
        for name, value in options.items():
            owner, field = (o.optimizer, "name") if name == "optimizer" else (o if hasattr(o, name) else o.optimizer, name)
            if not hasattr(owner, field):
                raise TypeError("there is no option %s of training" % name)
            if isinstance(value, str):
                value = encoded(value)
                keep.append(value)
            setattr(owner, field, value)
        result = ffi.new("nilu_train_result *")
        try:
            check(c.c, lib.nilu_train(c.c, model.c if model is not None else ffi.NULL, set_[0], o, result))
        finally:
            lib.nilu_train_result_free(c.c, result)
    finally:
        lib.nilu_data_free(set_[0])
    return Run(out, c, **{name: reading[name] for name in ("data_dir", "cache_dir") if reading and name in reading})


__all__ = ["Error", "Model", "Run", "load", "train"]
