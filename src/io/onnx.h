/* onnx: a model that others made becomes an ordinary graph. An ONNX file is a list of nodes over named values; each op of
 * ONNX is one row of a table: its name and the function that builds it out of nilu's ops, so that what comes in can be
 * differentiated, trained and blamed as if it had been written here.
 *
 * Invariants: a value is in the graph, or known (its elements are here), or both; what can be known is never left to the
 * steps (shapes, axes, sizes are numbers when a graph is built); nothing of a file is believed: sizes are held against the
 * bytes that are there, nesting is limited before anything is unpacked. */
#ifndef ONNX_H
#define ONNX_H

#include "graph/graph.h"

#include "onnx.pb-c.h"

#define ONNX_MAX_IN 64
#define ONNX_MAX_OUT 8

typedef Onnx__NodeProto onnx_node;
typedef Onnx__AttributeProto onnx_attribute;
typedef Onnx__TensorProto onnx_tensor;

typedef struct onnx_value {
    const char *name;
    nilu_tensor *t;   /* NULL: not in the graph so far */
    const void *data; /* its elements, row-major; NULL: not known before a step */
    bool given;       /* known because the caller said so: for this graph alone */
    bool weight;      /* an initial value: becomes a parameter once it is used as a tensor */
    nilu_dtype dtype;
    int type; /* the format's own, which may be narrower; 0: not said */
    nilu_shape shape;
} onnx_value;

/* Memory that lives as long as its owner. A few bytes of a file can ask for any amount of it (a range, a tile, the same
 * external data for every tensor), so what is given is limited by the length of the files. */
typedef struct onnx_pool {
    nilu *nl;
    const char *path;
    void **block;
    int n, cap;
    size_t bytes, limit;
    uint64_t *file; /* external ones that the limit knows of, by number */
    int files, files_cap;
} onnx_pool;
#define ONNX_BESIDE ((size_t)1 << 26) /* what may be kept beside twice the file: measured, 3 MB do for models of real size */
void *onnx_keep(onnx_pool *p, size_t bytes); /* cleared, on 64 bytes; NULL: no memory, and the error is set */
void onnx_pool_free(onnx_pool *p);

struct nilu_onnx {
    nilu *nl;
    char *path;
    int folder; /* for external data; -1: none */
    size_t size; /* of the file */
    Onnx__ModelProto *model;
    onnx_pool pool;
    int opset;
    struct nilu_onnx_port *in, *out; /* model's inputs without those that have an initial value; its outputs */
    int nin, nout;
    int *in_type; /* as the format counts them */
    onnx_value *initial; /* the graph's initializers */
    int ninitial;
    int holders; /* models and graphs, where it is the source of a model */
};

/* How a graph is wanted. */
typedef struct onnx_wish {
    bool training;
    const struct nilu_model *model; /* that the file is the source of: its weights begin as in the file, it says what is
                                       frozen; NULL: the file alone says how it is */
    int64_t batch, n;               /* of the file, and of this graph; batch -1: free */
} onnx_wish;

/* Values by name while a graph is being built; a subgraph sees those around it. */
typedef struct onnx_scope {
    const struct onnx_scope *outer;
    onnx_value **value;
    int n, cap;
    int *by_name, by_name_cap;
} onnx_scope;

typedef struct onnx_builder {
    const nilu_onnx *m;
    nilu *nl;
    nilu_graph *g;
    onnx_pool pool;
    int opset, depth;
    int64_t built; /* nodes so far, those of bodies each time */
    const onnx_wish *wish;
} onnx_builder;

typedef struct onnx_site { /* a node that is being built */
    onnx_builder *b;
    const onnx_node *node;
    const onnx_scope *scope;
    int nin, nout;
    onnx_value *in[ONNX_MAX_IN]; /* NULL: left out */
    onnx_value out[ONNX_MAX_OUT];
} onnx_site;

typedef nilu_status (*onnx_build_fn)(onnx_site *s);
typedef struct onnx_row {
    const char *name;
    onnx_build_fn build;
} onnx_row;
extern const onnx_row onnx_rows[], onnx_rows_shape[], onnx_rows_reduce[], onnx_rows_index[], onnx_rows_nn[],
    onnx_rows_net[], onnx_rows_picture[], onnx_rows_sample[], onnx_rows_narrow[], onnx_rows_flow[]; /* end with {0} */
const onnx_row *onnx_find(const char *op);                  /* NULL: none */

/* ---- onnx_tensor.c */
/* The elements of a tensor of the file: in `v`, kept in `pool` where they are not as in the file. `folder` is where
 * external data lie (-1: nowhere). */
nilu_status onnx_tensor_read(nilu *nl, const char *path, int folder, const onnx_tensor *t, onnx_pool *pool,
                             onnx_value *v);
/* Opens a file beneath `folder`; -1: errno says why. */
int onnx_beside(int folder, const char *name);
/* What nilu holds a type of the format as: itself, or for float16, int8, int16 and uint16 the next wider one. */
bool onnx_dtype(int type, nilu_dtype *dtype);
/* `data`, elements of v, as the format holds them: itself, or a copy in `pool`. */
const void *onnx_tensor_bytes(onnx_pool *pool, const onnx_value *v, const void *data, size_t *bytes);
int onnx_type(nilu_dtype dtype); /* the number that the format has for it */
const char *onnx_type_name(int type);

static inline nilu_shape onnx_vector(int64_t n)
{
    return (nilu_shape){.rank = 1, .dim = {n}};
}

/* ---- onnx_build.c */
/* "path: op node: sentence", MODEL. */
nilu_status onnx_fail(const onnx_site *s, const char *format, ...) NILU_FORMAT(2, 3);
/* Input i as a tensor of the graph being built; NULL where there is none, or the graph has an error. */
nilu_tensor *onnx_t(onnx_site *s, int i);
/* The same as a given: used, not trained. */
nilu_tensor *onnx_frozen(onnx_site *s, int i);
nilu_status onnx_build(const nilu_onnx *m, nilu_graph *g, int n, const nilu_onnx_given *in, const onnx_wish *wish, nilu_tensor **y);
bool onnx_has(const onnx_site *s, int i);
nilu_shape onnx_shape(const onnx_site *s, int i);
nilu_dtype onnx_dtype_of(const onnx_site *s, int i);
int onnx_rank(const onnx_site *s, int i);
/* The elements of input i as whole numbers or reals, kept by the builder; an error if they are not known. */
nilu_status onnx_whole(onnx_site *s, int i, const int64_t **at, int64_t *n);
nilu_status onnx_real(onnx_site *s, int i, const double **at, int64_t *n);
/* Output i. */
nilu_status onnx_put(onnx_site *s, int i, nilu_tensor *t);
/* Output i is known: `data` is kept by the builder. */
nilu_status onnx_know(onnx_site *s, int i, nilu_dtype dtype, nilu_shape shape, const void *data);
/* A known tensor of i64 or of `like`'s float type. */
nilu_tensor *onnx_whole_constant(onnx_site *s, nilu_shape shape, const int64_t *at);
nilu_tensor *onnx_real_constant(onnx_site *s, nilu_dtype dtype, nilu_shape shape, const double *at);
nilu_tensor *onnx_scalar(onnx_site *s, nilu_dtype dtype, double value);
/* Any number of tensors, one behind the other along `axis`. */
nilu_tensor *onnx_joined(nilu_tensor *const *part, int64_t n, int axis);
/* Every line of x along `axis`, as a row, times `matrix` (read transposed where `turned`), plus `add` (NULL: nothing). */
nilu_tensor *onnx_times(nilu_tensor *x, int axis, nilu_tensor *matrix, bool turned, nilu_tensor *add);
/* A value of a body as one row of what is stacked: [1, ..]. */
nilu_tensor *onnx_as_row(onnx_site *s, const onnx_value *v);
/* Builds the nodes of a subgraph whose inputs are `in`; its outputs are left in `out`. */
nilu_status onnx_subgraph(onnx_site *s, const Onnx__GraphProto *sub, int nin, onnx_value *const *in, int nout,
                          onnx_value *out);

/* ---- onnx_files.c: all files of a model hashed together, and copied into folder `to` (with a slash at its end) unless NULL. */
nilu_status onnx_files(const nilu_onnx *m, const char *to, char hex[65]);

/* ---- onnx_out.c */
nilu_status onnx_pack(nilu *nl, const Onnx__ModelProto *model, const char *path);

/* ---- onnx_model.c: makes a file the source of a model. */
nilu_status onnx_model_open(nilu_model *m, const char *path);
int onnx_norms(const nilu_onnx *m); /* BatchNormalization nodes */

/* ---- attributes */
const onnx_attribute *onnx_attr(const onnx_site *s, const char *name); /* NULL: not said */
int64_t onnx_int(const onnx_site *s, const char *name, int64_t otherwise);
double onnx_float(const onnx_site *s, const char *name, double otherwise);
/* At most `room` numbers; returns how many there are, -1 if the attribute is not said. */
int onnx_ints(const onnx_site *s, const char *name, int64_t *at, int room);
bool onnx_text_is(const onnx_site *s, const char *name, const char *otherwise, const char *text);
/* axis made positive, or an error. */
nilu_status onnx_axis(onnx_site *s, int64_t axis, int rank, int *positive);
/* Axes from attribute `axes`, or known input i (from opset `since` on); n = 0: none were said. */
nilu_status onnx_axes(onnx_site *s, int i, int rank, nilu_axes *axes);

#endif
