"""Graphs, plans, stores and models; the ops stand in ops.py."""
from __future__ import annotations

import weakref
from typing import Any, Iterator, Mapping, Sequence

import numpy as np

from ._library import Error, check, encoded, ffi, lib, text

_dtypes = {"f32": np.float32, "f64": np.float64, "i32": np.int32, "i64": np.int64, "u8": np.uint8, "bool": np.bool_}
_codes = {np.dtype(v): getattr(lib, "NILU_" + k.upper()) for k, v in _dtypes.items()}
_numpy = {code: dtype for dtype, code in _codes.items()}


def _code(dtype: Any) -> int:
    dtype = np.dtype(_dtypes.get(dtype, dtype) if isinstance(dtype, str) else dtype)
    if dtype not in _codes:
        raise TypeError("nilu has no type %s; there are %s" % (dtype, ", ".join(_dtypes)))
    return int(_codes[dtype])


def _shape(dims: Sequence[int]) -> Any:
    s = ffi.new("nilu_shape *")
    if len(dims) > len(s.dim):
        raise ValueError("%d dimensions are too many; nilu has at most %d" % (len(dims), len(s.dim)))
    s.rank = len(dims)
    for i, n in enumerate(dims):
        s.dim[i] = n
    return s[0]


def _dims(s: Any) -> tuple[int, ...]:
    return tuple(s.dim[i] for i in range(s.rank))


def _axes(axes: int | Sequence[int] | None) -> Any:
    a = ffi.new("nilu_axes *")
    if axes is not None:
        axes = (axes,) if isinstance(axes, int) else tuple(axes)
        a.n = len(axes)
        for i, axis in enumerate(axes):
            a.at[i] = axis
    return a[0]


class Context:
    """Threads, seed and errors: everything hangs from one. Two contexts share nothing."""

    def __init__(self, threads: int = 0, seed: int = 0, isa: str | None = None):
        o, why = ffi.new("nilu_options *"), ffi.new("const char **")
        self._isa = encoded(isa)
        o.size, o.threads, o.seed, o.isa = ffi.sizeof("nilu_options"), threads, seed, self._isa
        self.c = lib.nilu_new(o, why)
        if not self.c:
            raise Error(text(why[0]) or "out of memory", lib.NILU_E_USAGE)
        self._free = weakref.finalize(self, lib.nilu_free, self.c)

    @property
    def threads(self) -> int:
        return int(lib.nilu_threads(self.c))

    @property
    def isa(self) -> str:
        return text(lib.nilu_isa(self.c))


_default: Context | None = None


def _context(context: Context | None) -> Context:
    global _default
    if context is not None:
        return context
    _default = _default or Context()
    return _default


class Store:
    """Named values: parameters and states. Arrays of NumPy's look into it; nothing is copied."""

    def __init__(self, context: Context | None = None):
        self.context = _context(context)
        self.c = lib.nilu_store_new(self.context.c)
        if not self.c:
            check(self.context.c, lib.NILU_E_NO_MEMORY)
        self._free = weakref.finalize(self, _free_after, lib.nilu_store_free, self.c, self.context)

    def __len__(self) -> int:
        return int(lib.nilu_store_count(self.c))

    def __iter__(self) -> Iterator[str]:
        return (text(lib.nilu_store_at(self.c, i).name) for i in range(len(self)))

    def __contains__(self, name: str) -> bool:
        return bool(lib.nilu_store_find(self.c, name.encode()))

    def __getitem__(self, name: str) -> np.ndarray:
        v = lib.nilu_store_find(self.c, name.encode())
        if not v:
            raise KeyError(name)
        return _view(v.data, v.dtype, _dims(v.shape), self)

    def __setitem__(self, name: str, value: Any) -> None:
        old = lib.nilu_store_find(self.c, name.encode())
        a = _laid_out(value, _numpy[old.dtype] if old else None)
        check(self.context.c, lib.nilu_store_put(self.c, old.kind if old else lib.NILU_PARAM, name.encode(), _code(a.dtype), _shape(a.shape), _pointer(a)))

    def save(self, path: Any) -> None:
        """Writes all values to a safetensors file, atomically."""
        check(self.context.c, lib.nilu_save(self.c, 3, 0, ffi.NULL, encoded(path)))

    def load(self, path: Any) -> None:
        check(self.context.c, lib.nilu_load(self.c, 3, encoded(path)))

    def hash(self, states: bool = False) -> str:
        """SHA-256 over all parameters (or states): equal for equal bits."""
        out = ffi.new("char[65]")
        lib.nilu_store_hash(self.c, lib.NILU_STATE if states else lib.NILU_PARAM, out)
        return text(out)


def _free_after(free: Any, c: Any, *keep: Any) -> None:
    """Frees c; what it hangs from lives until then."""
    free(c)


def _pointer(a: np.ndarray) -> Any:
    return ffi.cast("void *", a.ctypes.data)


def _laid_out(value: Any, dtype: Any = None) -> np.ndarray:
    """As rows of numbers, copied only if it is not; np.ascontiguousarray would give a single number a dimension."""
    return np.asarray(value, dtype=dtype, order="C")


class _Memory:
    """An array that looks into memory of nilu's keeps its owner alive through this."""

    def __init__(self, pointer: Any, dtype: np.dtype, dims: tuple[int, ...], owner: Any, writable: bool):
        self.owner = owner
        self.__array_interface__ = {"shape": dims, "typestr": dtype.str, "data": (int(ffi.cast("uintptr_t", pointer)), not writable), "version": 3}


def _view(pointer: Any, code: int, dims: tuple[int, ...], owner: Any, writable: bool = True) -> np.ndarray:
    if code == lib.NILU_BF16: # NumPy has none: widened, so a copy
        raw = np.array(_Memory(pointer, np.dtype(np.uint16), dims, owner, False), copy=True)
        return (raw.astype(np.uint32) << 16).view(np.float32)
    if 0 in dims:
        return np.empty(dims, _numpy[code])
    return np.asarray(_Memory(pointer, _numpy[code], dims, owner, writable))


class Tensor:
    """A value in a graph: a node's output. Arithmetic makes new nodes."""

    __slots__ = ("c", "graph")
    __array_ufunc__ = None  # so that an array on the left leaves the operator to the tensor

    def __init__(self, c: Any, graph: "Graph"):
        self.c, self.graph = c, graph

    @property
    def shape(self) -> tuple[int, ...]:
        return _dims(lib.nilu_tensor_shape(self.c))

    @property
    def dtype(self) -> str:
        return text(lib.nilu_dtype_name(lib.nilu_tensor_dtype(self.c)))

    @property
    def name(self) -> str:
        return text(lib.nilu_tensor_name(self.c))

    def output(self, i: int) -> "Tensor":
        return self.graph._made(lib.nilu_output(self.c, i))

    def named(self, name: str) -> "Tensor":
        lib.nilu_named(self.c, encoded(name))
        return self

    def __repr__(self) -> str:
        return "<nilu.Tensor %s %s %s>" % (self.name, self.dtype, list(self.shape))

    def _like(self, other: Any) -> "Tensor":
        return other if isinstance(other, Tensor) else self.graph.constant(np.asarray(other, dtype=_dtypes[self.dtype]))

    def __add__(self, o: Any) -> Tensor: return call("add", self, self._like(o))
    def __radd__(self, o: Any) -> Tensor: return call("add", self._like(o), self)
    def __sub__(self, o: Any) -> Tensor: return call("sub", self, self._like(o))
    def __rsub__(self, o: Any) -> Tensor: return call("sub", self._like(o), self)
    def __mul__(self, o: Any) -> Tensor: return call("mul", self, self._like(o))
    def __rmul__(self, o: Any) -> Tensor: return call("mul", self._like(o), self)
    def __truediv__(self, o: Any) -> Tensor: return call("div", self, self._like(o))
    def __rtruediv__(self, o: Any) -> Tensor: return call("div", self._like(o), self)
    def __pow__(self, o: Any) -> Tensor: return call("pow", self, self._like(o))
    def __matmul__(self, o: Any) -> Tensor: return call("matmul", self, self._like(o))
    def __rmatmul__(self, o: Any) -> Tensor: return call("matmul", self._like(o), self)
    def __neg__(self) -> Tensor: return call("neg", self)
    def __lt__(self, o: Any) -> Tensor: return call("lt", self, self._like(o))
    def __le__(self, o: Any) -> Tensor: return call("le", self, self._like(o))
    def __gt__(self, o: Any) -> Tensor: return call("gt", self, self._like(o))
    def __ge__(self, o: Any) -> Tensor: return call("ge", self, self._like(o))


class Graph:
    """The forward pass, and after `grad` the way back, as nodes."""

    def __init__(self, context: Context | None = None):
        self.context = _context(context)
        self.c = lib.nilu_graph_new(self.context.c)
        if not self.c:
            check(self.context.c, lib.NILU_E_NO_MEMORY)
        self._free = weakref.finalize(self, _free_after, lib.nilu_graph_free, self.c, self.context)

    def _made(self, c: Any) -> Tensor:
        if not c:
            check(self.context.c, lib.nilu_graph_status(self.c) or lib.NILU_E_GRAPH)
        return Tensor(c, self)

    def input(self, name: str, shape: Sequence[int], dtype: Any = "f32") -> Tensor:
        """What is fed before each step."""
        return self._made(lib.nilu_input(self.c, encoded(name), _code(dtype), _shape(shape)))

    def param(self, name: str, shape: Sequence[int], dtype: Any = "f32", init: str = "zeros") -> Tensor:
        """What is trained; `init` is a name of nilu_init_named, such as "he_uniform" or "normal:0.02"."""
        i = ffi.new("nilu_init *")
        fan_in = int(np.prod(shape[:-1])) if len(shape) > 1 else (shape[0] if len(shape) else 1)
        check(self.context.c, lib.nilu_init_named(self.context.c, encoded(init), fan_in, shape[-1] if len(shape) else 1, i))
        return self._made(lib.nilu_param(self.c, encoded(name), _code(dtype), _shape(shape), i[0]))

    def state(self, name: str, shape: Sequence[int], dtype: Any = "f32", value: float = 0) -> Tensor:
        return self._made(lib.nilu_state(self.c, encoded(name), _code(dtype), _shape(shape), value))

    def constant(self, value: Any) -> Tensor:
        a = _laid_out(value)
        return self._made(lib.nilu_constant(self.c, _code(a.dtype), _shape(a.shape), _pointer(a)))

    def assign(self, state: Tensor, value: Tensor) -> None:
        """At the end of each step `state` becomes `value`."""
        lib.nilu_assign(state.c, value.c)
        check(self.context.c, lib.nilu_graph_status(self.c))

    def find(self, name: str) -> Tensor | None:
        c = lib.nilu_find(self.c, encoded(name))
        return Tensor(c, self) if c else None

    def params_of(self, y: Tensor) -> list[Tensor]:
        n = lib.nilu_params_of(y.c, 0, ffi.NULL)
        out = ffi.new("nilu_tensor *[]", max(n, 1))
        lib.nilu_params_of(y.c, n, out)
        return [Tensor(out[i], self) for i in range(n)]

    def text(self, format: str = "text") -> str:
        """The graph as "text", "dot" or "mermaid"."""
        c = lib.nilu_graph_text(self.c, encoded(format))
        try:
            return text(c)
        finally:
            lib.nilu_text_free(self.context.c, c)

    def compile(self, *fetch: Tensor, store: Store | None = None, dtype: str = "f32", bf16: bool = False) -> "Plan":
        """A fixed list of kernel calls that compute `fetch` and the assignments."""
        return Plan(self, fetch, Store(self.context) if store is None else store, dtype, bf16)


class Plan:
    """A compiled step."""

    def __init__(self, graph: Graph, fetch: Sequence[Tensor], store: Store, dtype: str, bf16: bool):
        o, out = ffi.new("nilu_compile_options *"), ffi.new("nilu_plan **")
        o.size, o.dtype, o.bf16 = ffi.sizeof("nilu_compile_options"), _code(dtype), bf16
        self.context, self.store, self.fetches = graph.context, store, len(fetch)
        check(self.context.c, lib.nilu_compile(graph.c, store.c, len(fetch), [t.c for t in fetch], o, out))
        self.c = out[0]
        self._fed: dict[str, np.ndarray] = {}
        self._free = weakref.finalize(self, _free_after, lib.nilu_plan_free, self.c, store)

    def feed(self, name: str, value: Any) -> None:
        """Tells where the numbers of input `name` are. A contiguous array of the right type is read in place, be it NumPy's or
        one that speaks DLPack."""
        if hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray):
            value = np.from_dlpack(value)
        a = _laid_out(value)
        check(self.context.c, lib.nilu_feed(self.c, encoded(name), _pointer(a), a.nbytes))
        self._fed[name] = a  # it must live until the next feed

    def step(self, **feeds: Any) -> Any:
        """One step: feeds, fetches, assignments. Returns what was fetched: a number for a scalar, else an array that looks into the
        plan and changes with the next step."""
        for name, value in feeds.items():
            self.feed(name, value)
        check(self.context.c, lib.nilu_step(self.c))
        got = [self.fetched(i) for i in range(self.fetches)]
        return got[0] if len(got) == 1 else tuple(got) if got else None

    def fetched(self, i: int) -> Any:
        a = _view(lib.nilu_fetched(self.c, i), lib.nilu_fetched_dtype(self.c, i), _dims(lib.nilu_fetched_shape(self.c, i)), self, writable=False)
        return a[()] if a.ndim == 0 else a

    def summary(self) -> dict[str, Any]:
        s = ffi.new("nilu_plan_summary *")
        lib.nilu_plan_summarise(self.c, s)
        return {name: getattr(s, name) for name, _ in ffi.typeof("nilu_plan_summary").fields}

    def text(self) -> str:
        c = lib.nilu_plan_text(self.c)
        try:
            return text(c)
        finally:
            lib.nilu_text_free(self.context.c, c)


# ---- ops: what the functions of ops.py call

def call(name: str, *values: Any) -> Tensor:
    """nilu_<name>: tensors, graphs, lists of tensors, shapes, axes and options become what C wants."""
    f = getattr(lib, "nilu_" + name)
    kinds = [t.cname for t in ffi.typeof(f).args]
    graph = next((v if isinstance(v, Graph) else v.graph for v in _flat(values) if isinstance(v, (Tensor, Graph))), None)
    if graph is None:
        raise TypeError("nilu.%s wants a tensor" % name)
    made = [_argument(v, kind) for v, kind in zip(values, kinds)]
    return graph._made(f(*made))


def _flat(values: Sequence[Any]) -> Iterator[Any]:
    for v in values:
        if isinstance(v, (list, tuple)):
            yield from v
        else:
            yield v


def _argument(value: Any, kind: str) -> Any:
    if isinstance(value, (Tensor, Graph)):
        return value.c
    if kind in ("nilu_axes", "nilu_sizes"):
        return _axes(value)
    if kind == "nilu_shape":
        return _shape(value)
    if kind == "nilu_dtype":
        return _code(value)
    if isinstance(value, list):
        return [v.c for v in value]
    if value is None:
        return ffi.NULL if "*" in kind else 0
    if isinstance(value, Mapping):  # options, by the names of their fields
        return _options(value, kind)
    return value


def _options(value: Mapping[str, Any], kind: str) -> Any:
    o = ffi.new(kind.replace(" const", "").replace("const ", ""))
    fields = dict(ffi.typeof(o).item.fields)
    for name, v in value.items():
        if name not in fields:
            raise TypeError("there is no option %s; there are %s" % (name, ", ".join(fields)))
        setattr(o, name, _argument(v, fields[name].type.cname))
    return o


def dense(x: Tensor, name: str, units: int, activation: str | None = None, init: str | None = None, bias: bool = True) -> Tensor:
    """activation(x @ weight + bias), with parameters <name>/weight and <name>/bias."""
    return x.graph._made(lib.nilu_dense(x.c, encoded(name), units, encoded(activation), encoded(init), bias))


def loss(name: str, y: Tensor, target: Tensor) -> Tensor:
    """A loss by name: "cross_entropy", "mse", "bce", ..."""
    return y.graph._made(lib.nilu_loss(encoded(name), y.c, target.c))


def grad(y: Tensor, wrt: Tensor | Sequence[Tensor]) -> Any:
    """The gradient of a scalar by tensors, as nodes: differentiate them again for higher orders."""
    many = not isinstance(wrt, Tensor)
    wrt = [wrt] if isinstance(wrt, Tensor) else list(wrt)
    out = ffi.new("nilu_tensor *[]", max(len(wrt), 1))
    check(y.graph.context.c, lib.nilu_grad(y.c, len(wrt), [t.c for t in wrt], out))
    made = [Tensor(out[i], y.graph) for i in range(len(wrt))]
    return made if many else made[0]


def minimise(loss: Tensor, optimizer: str = "adam", params: Sequence[Tensor] | None = None, **options: float) -> None:
    """Adds gradients and updates to the graph; options are the fields of nilu_optimizer_options: lr, beta1, decay, clip_norm, ..."""
    o = ffi.new("nilu_optimizer_options *")
    unset = float("nan")
    for field, kind in ffi.typeof("nilu_optimizer_options").fields:
        if kind.type.cname == "double":
            setattr(o, field, unset)
    for field, kind in ffi.typeof("nilu_schedule").fields:
        if kind.type.cname == "double":
            setattr(o.schedule, field, unset)
    name = encoded(optimizer)
    o.size, o.name = ffi.sizeof("nilu_optimizer_options"), name
    for field, value in options.items():
        if not hasattr(o, field):
            raise TypeError("the optimizer has no option %s" % field)
        setattr(o, field, value)
    check(loss.graph.context.c, lib.nilu_minimise(loss.c, len(params or ()), [p.c for p in params] if params else ffi.NULL, o, ffi.NULL, ffi.NULL))


class Onnx:
    """A model from an ONNX file; its float initial values become parameters."""

    def __init__(self, path: Any, context: Context | None = None):
        self.context = _context(context)
        out = ffi.new("nilu_onnx **")
        check(self.context.c, lib.nilu_onnx_open(self.context.c, encoded(path), out))
        self.c = out[0]
        self._free = weakref.finalize(self, _free_after, lib.nilu_onnx_free, self.c, self.context)

    @property
    def inputs(self) -> list[str]:
        return [text(lib.nilu_onnx_input(self.c, i).name) for i in range(lib.nilu_onnx_inputs(self.c))]

    @property
    def outputs(self) -> list[str]:
        return [text(lib.nilu_onnx_output(self.c, i).name) for i in range(lib.nilu_onnx_outputs(self.c))]

    def build(self, graph: Graph, store: Store, training: bool = False, **inputs: Tensor) -> list[Tensor]:
        """Builds the model into `graph`, puts its weights into `store`, and returns its outputs."""
        names = [encoded(n) for n in inputs]
        given = ffi.new("nilu_onnx_given[]", max(len(inputs), 1))
        for i, t in enumerate(inputs.values()):
            given[i].name, given[i].t = names[i], t.c
        y = ffi.new("nilu_tensor *[]", max(len(self.outputs), 1))
        check(self.context.c, lib.nilu_onnx_build(self.c, graph.c, len(inputs), given, training, y))
        check(self.context.c, lib.nilu_onnx_weights(self.c, graph.c, lib.NILU_F32, store.c))
        return [Tensor(y[i], graph) for i in range(len(self.outputs))]

    def run(self, **arrays: Any) -> list[np.ndarray]:
        """Outputs for these arrays. Inputs that decide about shapes are taken as they are given."""
        graph, store = Graph(self.context), Store(self.context)
        kept = {n: _laid_out(a) for n, a in arrays.items()}
        given, names = ffi.new("nilu_onnx_given[]", max(len(kept), 1)), []
        for i, (n, a) in enumerate(kept.items()):
            names.append(encoded(n))
            given[i].name, given[i].t, given[i].data = names[-1], graph.input(n, a.shape, a.dtype).c, _pointer(a)
        y = ffi.new("nilu_tensor *[]", max(len(self.outputs), 1))
        check(self.context.c, lib.nilu_onnx_build(self.c, graph.c, len(kept), given, False, y))
        check(self.context.c, lib.nilu_onnx_weights(self.c, graph.c, lib.NILU_F32, store.c))
        plan = graph.compile(*[Tensor(y[i], graph) for i in range(len(self.outputs))], store=store)
        for n, a in kept.items():
            plan.feed(n, a)
        check(self.context.c, lib.nilu_step(plan.c))
        return [np.array(plan.fetched(i)) for i in range(plan.fetches)]
