/* Writing ONNX: a graph's forward pass as nodes of ONNX, its parameters as initial values. A row says what an op of nilu is
 * called there; where it is several nodes, a function writes them. */
#ifndef ONNX_OUT_H
#define ONNX_OUT_H

#include "io/onnx.h"

typedef struct onnx_writer {
    nilu *nl;
    onnx_pool pool;
    nilu_status status; /* the first failure; what follows does nothing */
    int64_t batch;      /* a dimension of this size is the batch's: free in the file; 0: none is */
    Onnx__NodeProto **node;
    Onnx__TensorProto **initial;
    int nnode, node_cap, ninitial, initial_cap, fresh;
} onnx_writer;

typedef struct onnx_out_row {
    const char *op;   /* nilu's */
    const char *name; /* ONNX's; NULL where it is several nodes */
    void (*write)(onnx_writer *w, const nilu_node *n);
    void (*named)(onnx_writer *w, const nilu_node *n, const char *name); /* what several ops of ONNX share */
} onnx_out_row;                            /* neither: the same inputs, one output, no attribute */
extern const onnx_out_row onnx_out_rows[]; /* ends with {0} */

/* The name of a tensor in the file. */
const char *onnx_out_name(onnx_writer *w, const nilu_tensor *t);
/* A node with inputs in[0..n-1]; its output is `out`, or a fresh name where that is NULL. */
Onnx__NodeProto *onnx_out_node(onnx_writer *w, const char *op, int n, const char *const *in, const char *out);
/* The same, and its output's name. */
const char *onnx_out_step(onnx_writer *w, const char *op, int n, const char *const *in, const char *out);
void onnx_out_int(onnx_writer *w, Onnx__NodeProto *node, const char *name, int64_t value);
void onnx_out_float(onnx_writer *w, Onnx__NodeProto *node, const char *name, double value);
void onnx_out_text(onnx_writer *w, Onnx__NodeProto *node, const char *name, const char *value);
void onnx_out_ints(onnx_writer *w, Onnx__NodeProto *node, const char *name, int n, const int64_t *at);
/* An initial value of its own; its name. */
const char *onnx_out_constant(onnx_writer *w, nilu_dtype dtype, nilu_shape shape, const void *data);
const char *onnx_out_whole(onnx_writer *w, int n, const int64_t *at); /* i64 [n] */
const char *onnx_out_scalar(onnx_writer *w, nilu_dtype dtype, double value);
/* "node (op): cannot be written as ONNX: why", UNSUPPORTED. */
void onnx_out_fail(onnx_writer *w, const nilu_node *n, const char *why);

#endif
