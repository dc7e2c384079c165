/* graph: the program as data. A graph is a list of nodes; a node is an op applied to tensors; a tensor is one output of
 * a node. Nodes are only ever added, each after its inputs, so the list is in an order in which it can be run.
 *
 * Invariants (graph_verify checks them): the inputs of a node stand before it; its shapes are what its op's shape rule
 * says; names are unique; only states and parameters are assigned, each once. */
#ifndef GRAPH_H
#define GRAPH_H

#include "base/base.h"

#define GRAPH_MAX_OUT 4
#define GRAPH_MAX_IN 64
#define GRAPH_MAX_ATTR 256

typedef struct nilu_node nilu_node;
typedef struct nilu_op nilu_op;

struct nilu_tensor {
    nilu_node *node;
    int out;
    nilu_dtype dtype;
    nilu_shape shape;
};

/* ---- attributes: a typed struct per op, described by a field table, so that it is printed, hashed and compared from
 * one place. A struct is plain data without pointers and without padding that matters: it is cleared before it is
 * filled. */
typedef enum graph_field_kind { FIELD_INT, FIELD_REAL, FIELD_BOOL, FIELD_DTYPE, FIELD_SHAPE, FIELD_AXES } graph_field_kind;
typedef struct graph_field {
    const char *name;
    graph_field_kind kind; /* int64_t, double, bool, nilu_dtype, nilu_shape, nilu_axes */
    size_t offset;
} graph_field;
#define NILU_INT(type, field) {#field, FIELD_INT, offsetof(type, field)}
#define NILU_REAL(type, field) {#field, FIELD_REAL, offsetof(type, field)}
#define NILU_FLAG(type, field) {#field, FIELD_BOOL, offsetof(type, field)}
#define NILU_DTYPE(type, field) {#field, FIELD_DTYPE, offsetof(type, field)}
#define NILU_DIMS(type, field) {#field, FIELD_SHAPE, offsetof(type, field)}
#define NILU_AXIS_LIST(type, field) {#field, FIELD_AXES, offsetof(type, field)}
#define GRAPH_MAX_FIELDS 8

/* ---- what the four functions of an op are given */

/* Shape rule: reads inputs and attributes, says the outputs. */
typedef struct nilu_build {
    nilu_graph *g;
    const nilu_op *op;
    int nin;
    nilu_tensor *const *in;
    void *attr; /* the rule may normalise it (a negative axis becomes its positive twin) */
    int nout;
    nilu_dtype dtype[GRAPH_MAX_OUT];
    nilu_shape shape[GRAPH_MAX_OUT];
} nilu_build;

/* Records "name: sentence; inputs [..], [..]" as the graph's error, and returns its status. */
nilu_status graph_refuse(nilu_build *b, nilu_status status, const char *format, ...) NILU_FORMAT(3, 4);
#define NILU_NEED_AS(b, status, condition, ...)                                                                        \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return graph_refuse(b, status, __VA_ARGS__);                                                               \
    } while (0)
#define NILU_NEED(b, condition, ...) NILU_NEED_AS(b, NILU_E_SHAPE, condition, __VA_ARGS__)
/* Output `i` is `dtype` of `shape`. Refuses more than 2^40 elements. */
nilu_status graph_out(nilu_build *b, int i, nilu_dtype dtype, nilu_shape shape);
/* Shape rules that many ops share. */
nilu_status graph_broadcast(nilu_build *b, nilu_shape *out); /* NumPy's rule over all inputs */
nilu_status graph_axis(nilu_build *b, const char *what, int64_t axis, int rank, int64_t *positive);
nilu_status graph_axes(nilu_build *b, nilu_axes axes, int rank, nilu_axes *positive); /* sorted, unique; n = 0: all */
nilu_status graph_same_float(nilu_build *b); /* all inputs one float dtype */

/* Gradient rule: given the errors that reach the outputs, builds the errors of the inputs out of ops that have rules
 * themselves. It may leave din[i] NULL: no error goes there. */
typedef struct nilu_back {
    nilu_graph *g;
    const nilu_node *node;
    const void *attr;
    int nin, nout;
    nilu_tensor *const *in;
    nilu_tensor *out[GRAPH_MAX_OUT];
    nilu_tensor *dout[GRAPH_MAX_OUT]; /* NULL: no error reaches this output */
    const bool *need;                 /* is din[i] wanted? Nothing is built for one that is not */
    nilu_tensor **din;
} nilu_back;

/* An operand of a call: data in row-major order. */
typedef struct nilu_arg {
    void *data;
    nilu_dtype dtype;
    nilu_shape shape;
    int64_t n; /* elements */
} nilu_arg;

/* Kernel call. */
typedef struct nilu_call {
    const nilu_op *op;
    const nilu_node *node; /* for its name */
    const void *attr;
    int nin, nout;
    nilu_arg *in, *out;
    void *scratch;    /* as many bytes as the kernel's plan asked for, on 64 bytes, kept from step to step */
    const void *plan; /* what the kernel's `prepare` worked out */
    uint64_t seed;
    const struct cpu_isa *isa;
    struct call_fault *fault;
} nilu_call;
/* Where kernels of all threads report bad data: the fault of the lowest (instruction, element) wins, so that the
 * sentence does not depend on threads. */
nilu_status graph_fault(const nilu_call *c, int64_t element, const char *format, ...) NILU_FORMAT(3, 4);
typedef struct call_fault {
    int instruction;
    int64_t element;
    char text[512];
    int raised;
    int lock;
} call_fault;

/* Element `i` of input or output `k`, in any dtype: what reference kernels read and write with. */
static inline double call_get(const nilu_call *c, int k, int64_t i)
{
    return base_load(c->in[k].dtype, c->in[k].data, i);
}
static inline int64_t call_get_int(const nilu_call *c, int k, int64_t i)
{
    return base_load_int(c->in[k].dtype, c->in[k].data, i);
}
static inline void call_put(const nilu_call *c, int k, int64_t i, double value)
{
    base_store(c->out[k].dtype, c->out[k].data, i, value);
}

/* A view of a shape as [outer, n, inner] around one axis: element (o, j, i) is at (o * n + j) * inner + i. */
typedef struct graph_around {
    int64_t outer, n, inner;
} graph_around;
graph_around graph_split(nilu_shape s, int axis);

/* ---- test cases: data only; they ship, because `nilu gradcheck --all` is a command. A case is built by graph_node with
 * all inputs of the op's record in their order (the step counter of random ops among them), and runs with seed 0. */
typedef struct nilu_case {
    const char *what;      /* what is special about it */
    const char *in;        /* inputs, separated by blanks: "3x4", "s" for a scalar, "3i5" three ids below 5, "si9" one id,
                              "2x3b" bool, "4u" u8; "": no inputs (graph_source builds it); NULL: one input, as long as
                              the list in `fill` */
    const char *attr;      /* how to call the builder: "axis=1 keep=1", fields of the op's table; NULL: all zero */
    const char *fill;      /* NULL: random normal; "zero", "ones", "positive", "unit" in (0, 1), "count" 0, 1, 2, …,
                              "list 1 2 3 …" all inputs' elements in order */
    const char *want;      /* elements of output 0 known by hand or from elsewhere, separated by blanks, behind its shape
                              where that is not plain: "[2, 1] 3 12"; NULL: none */
    const char *gradient;  /* of the sum of output 0, by all inputs that have one, elements in order: known by hand, and
                              needed where it is a convention (at kinks, ties, masks); NULL: differences say it */
    const char *error;     /* text that the refusal must contain */
    const char *fault;     /* text that the failing step must contain */
    float gain;            /* inputs are multiplied by this; 0 is 1 */
    bool kinky;            /* inputs may lie on kinks: finite differences are not asked */
    bool first_only;       /* no second derivative is asked (a kink everywhere, or a rule's written reason) */
} nilu_case;

/* A case made real: a graph in which the op is applied to inputs "in0", "in1", …, and numbers to feed them with. Floats
 * are of type `real`, ids of type `whole`; random numbers are a function of (seed, op, case). An op that refuses leaves
 * `out` NULL and its sentence in the graph: that is no failure of graph_case_new, which is OK then. Freed by
 * graph_case_free, also after a failure. */
typedef struct graph_case {
    nilu_graph *g;
    nilu_tensor *in[GRAPH_MAX_IN], *out;
    void *data[GRAPH_MAX_IN]; /* in[k]'s numbers, of its dtype */
    int nin;
} graph_case;
nilu_status graph_case_new(nilu *nl, const nilu_op *op, const nilu_case *c, nilu_dtype real, nilu_dtype whole, uint64_t seed,
                           graph_case *made);
void graph_case_free(graph_case *made);
/* The case of this name; NULL: none. */
const nilu_case *graph_case_find(const nilu_op *op, const char *what);

/* ---- an op */
struct nilu_op {
    const char *name;
    const char *inputs[6]; /* names; NULL ends; an op of any number of inputs has .variadic */
    bool variadic;
    bool leaf;             /* input, param, state, constant: no kernel runs */
    bool random;           /* depends on the seed */
    bool elementwise;      /* out[i] depends on the (broadcast) inputs' element i alone: the tape can run it */
    bool view;             /* output 0 holds the same numbers in the same order as input 0 */
    size_t attr_size;
    graph_field fields[GRAPH_MAX_FIELDS];
    nilu_status (*shape)(nilu_build *b);
    void (*grad)(nilu_back *b);
    const char *no_gradient;      /* instead of grad: why there is none */
    const char *nodiff[6];        /* inputs that no error goes to, and why */
    /* A composite: built at once from other ops, so that no node of it ever exists; `ref` is still its judge. */
    nilu_tensor *(*expand)(nilu_build *b);
    /* A coarse op in terms of small ones: its reference for tests, and its road to second derivatives. */
    nilu_tensor *(*decompose)(nilu_graph *g, int nin, nilu_tensor *const *in, const void *attr);
    nilu_status (*ref)(const nilu_call *c); /* plain loops in double: the judge of every kernel */
    size_t (*ref_scratch)(const nilu_node *n); /* bytes that ref wants at c->scratch; NULL: none */
    double (*flops)(const nilu_node *n);    /* NULL: one for each output element */
    const nilu_case *cases;                 /* ends with {0} */
    const char *backward;                   /* the gradient in one line, shown by explain and the reference */
    const void *own;                        /* what the op file keeps for itself */
};

/* ---- nodes */
struct nilu_node {
    nilu_graph *g;
    const nilu_op *op;
    int id;                /* position in the graph */
    char *name;            /* full path, unique */
    const char *where;     /* birthplace, or NULL */
    const nilu_node *origin; /* of a backward node: the forward node whose rule made it */
    void *attr;
    int nin, nout;
    nilu_tensor **in;
    nilu_tensor out[GRAPH_MAX_OUT];
    void *data;            /* of a constant */
    nilu_init init;        /* of a parameter; of a state: a */
    const void *begin;     /* of a parameter: the values that it begins with instead, in begin_dtype; owned by a guest */
    nilu_dtype begin_dtype;
    bool frozen;           /* a parameter that is used, or measured, but not trained */
    nilu_tensor *assigned; /* what a parameter or state takes at the end of the step */
};

struct nilu_graph {
    nilu *nl;
    nilu_node **node;
    int nnode, node_cap;
    nilu_status status; /* first error */
    char message[1024];
    char scope[512];
    int scope_end[32], depth;
    char *where;
    const nilu_node *origin; /* while a gradient rule runs */
    const char *naming;      /* prefix while a gradient rule runs: "delta/fc1/relu" */
    int64_t streams;         /* random nodes made so far */
    nilu_tensor *step;
    struct graph_block *block; /* memory of nodes: freed with the graph */
    struct graph_guest *guest; /* what nodes point at, and others own too: released with the graph */
    int *by_name;              /* hash table of node ids + 1 */
    int by_name_cap, by_name_used;
};

/* Adds a node; its first output, or NULL with the graph's sticky error. A NULL among the inputs passes through. */
nilu_tensor *graph_node(const nilu_op *op, int nin, nilu_tensor *const *in, const void *attr);
/* The same for an op without inputs, such as fill. */
nilu_tensor *graph_source(nilu_graph *g, const nilu_op *op, const void *attr);
/* A leaf. */
nilu_tensor *graph_leaf(nilu_graph *g, const nilu_op *op, const char *name, const void *attr, nilu_dtype dtype,
                        nilu_shape shape);
/* Records an error of the graph as a whole. */
nilu_status graph_fail(nilu_graph *g, nilu_status status, const char *format, ...) NILU_FORMAT(3, 4);
/* Puts the graph's sticky error into the context, and returns its status. */
nilu_status graph_report(nilu_graph *g);
void *graph_alloc(nilu_graph *g, size_t bytes); /* cleared, freed with the graph; NULL records the error */
/* Calls release(of) when the graph is freed, or at once where there is no memory to remember it. */
nilu_status graph_hold(nilu_graph *g, void *of, void (*release)(void *of));
const nilu_op *graph_op(const char *name);      /* by name, leaves too; NULL: none */
size_t graph_op_count(void);
const nilu_op *graph_op_at(size_t i); /* the rows of ops.inc, in their order */
/* The table of names, made anew after nodes were dropped or moved. */
nilu_status graph_reindex(nilu_graph *g);
nilu_status graph_verify(nilu_graph *g);
/* Attributes as "axis=1 keep=true", appended to `b`. */
nilu_status graph_attr_text(nilu *nl, const nilu_op *op, const void *attr, base_buffer *b);
/* The attribute `name` of a node, of the type its field says; NULL: its op has none. */
const void *graph_attr_find(const nilu_node *n, const char *name);
bool graph_attr_equal(const nilu_op *op, const void *a, const void *b);
uint64_t graph_attr_hash(const nilu_op *op, const void *attr, uint64_t seed);
/* Reads "axis=1 keep=1" into a cleared attribute struct. */
nilu_status graph_attr_parse(nilu *nl, const nilu_op *op, const char *text, void *attr);
/* The initial value of a parameter or state, written to `data`, which is cleared. */
nilu_status graph_init(nilu *nl, const nilu_node *n, void *data);

/* The context that a store was made with. */
nilu *graph_store_context(const nilu_store *store);

extern const nilu_op graph_op_input, graph_op_param, graph_op_state, graph_op_constant;

#endif
