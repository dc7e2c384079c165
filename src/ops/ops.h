/* ops: one file an op. A file holds, in this order: the mathematics and the gradient in its head comment, the attribute
 * struct, shape rule, gradient rule, reference kernel, cost, test cases, the nilu_op record, and the builder. The table
 * (table.c) is expanded from the rows of nilu/ops.inc; nothing else lists the ops.
 *
 * Invariant: the set is closed under differentiation: a gradient rule only builds ops that have rules themselves. */
#ifndef OPS_H
#define OPS_H

#include "graph/graph.h"

/* The adjoint of broadcasting: sums `t` over the axes along which `shape` was spread to become t's shape. */
nilu_tensor *ops_sum_to(nilu_tensor *t, nilu_shape shape);
/* `t` without the broadcast: t itself if the shapes are equal, else broadcast_to. */
nilu_tensor *ops_spread_to(nilu_tensor *t, nilu_shape shape);
/* The shape of a reduction's result with its reduced axes kept as 1, and without them. */
nilu_shape ops_reduced(nilu_shape s, nilu_axes axes, bool keep);
/* Zeros, ones: a fill of t's dtype and shape. */
nilu_tensor *ops_fill_like(nilu_tensor *t, double value);
/* Strides, in elements, of an operand of shape `s` read in the loop over `loop` (0 where it is broadcast). */
void ops_strides(nilu_shape s, nilu_shape loop, int64_t stride[NILU_MAX_RANK]);

/* The scalar function of an elementwise op: out = f(a, b, c, attributes), used by the reference and by constant
 * folding. NULL if `op` is not elementwise. */
typedef double (*ops_scalar_fn)(double a, double b, double c, const double *p);
ops_scalar_fn ops_scalar(const nilu_op *op);
/* The real attributes of an elementwise node (slope, low, high, …), at most two; fills p. */
void ops_params(const nilu_node *n, double p[2]);

/* Element `i` of input `k` of a product, rounded to bf16 if `bf16`. */
double ops_operand(const nilu_call *c, int k, int64_t i, bool bf16);

/* ---- reductions */
/* Some axes of a shape walked in row-major order: `offset` is where the present coordinates lie, in elements. */
typedef struct ops_walk {
    int rank;
    int64_t dim[NILU_MAX_RANK], stride[NILU_MAX_RANK], at[NILU_MAX_RANK];
    int64_t n, offset; /* n: steps until it is back at the start */
} ops_walk;
/* The walk over the axes in `axes`, or (named = false) over all others. */
ops_walk ops_walk_over(nilu_shape s, nilu_axes axes, bool named);
void ops_walk_step(ops_walk *w);
/* Shape rule of a reduction; it leaves the axes sorted, positive, and all named. */
nilu_status ops_reduce_shape(nilu_build *b);
/* The same where nothing cannot be reduced: `what` says so. */
nilu_status ops_reduce_some(nilu_build *b, const char *what);
double ops_reduce_flops(const nilu_node *n); /* one for each element read */
/* The error of a reduction's result, spread over what was reduced. */
nilu_tensor *ops_unreduce(nilu_tensor *dz, nilu_shape shape, nilu_axes axes);
/* x as rows [groups, n], one for each element of the reduction's result, and back to x's shape. */
nilu_tensor *ops_to_rows(nilu_tensor *x, nilu_axes axes);
nilu_tensor *ops_from_rows(nilu_tensor *rows, nilu_shape shape, nilu_axes axes);
/* Where `gone` stands at the first largest (sign = 1) or smallest (-1) element of input 0 from offset `start`; a NaN is
 * more than all. *element is its offset. */
int64_t ops_extreme(const nilu_call *c, int64_t start, ops_walk *gone, int sign, int64_t *element);
/* max, min; argmax, argmin: what the two of a pair share. */
void ops_extreme_grad(nilu_back *g, nilu_tensor *(*position)(nilu_tensor *x, int axis, bool keep));
nilu_status ops_extreme_ref(const nilu_call *c, int sign);
nilu_status ops_position_shape(nilu_build *b);
nilu_status ops_position_ref(const nilu_call *c, int sign);

/* ---- attributes that fast kernels read too */
struct ops_reduce { /* sum, mean, max, min, prod, logsumexp */
    nilu_axes axes;
    bool keep;
};
struct ops_position { /* argmax, argmin */
    int64_t axis;
    bool keep;
};
struct ops_axis { /* softmax, log_softmax */
    int64_t axis;
};
struct ops_dtype { /* cast */
    nilu_dtype dtype;
};
struct ops_xent { /* softmax_xent, softmax_xent_grad */
    double smoothing;
    int64_t ignore;
    bool ignoring;
};
struct ops_dropout {
    double rate;
    int64_t stream;
};

/* The attributes of movements. */
struct ops_transpose {
    nilu_axes axes; /* one for each axis of x */
};
struct ops_slice {
    int64_t axis, start, stop, step;
};
struct ops_pad {
    int64_t axis, before, after;
    double value;
};
struct ops_scatter {
    int64_t axis, n;
};

/* ---- windows over pictures (window.c) */
struct ops_window { /* one number for each spatial axis, once a shape rule has seen them */
    nilu_axes stride, dilation, padding, after;
};
struct ops_conv { /* conv, conv_transpose, conv_weight */
    struct ops_window window;
    nilu_axes size; /* of conv_transpose: of its pictures; of conv_weight: of its kernel */
    int64_t groups;
    bool bf16;      /* set by a pass: the operands are rounded to bf16 before they are multiplied */
};
struct ops_pool { /* max_pool, avg_pool, avg_unpool */
    struct ops_window window;
    nilu_axes kernel, size; /* size: of avg_unpool's pictures */
    bool counting;          /* of avg_pool: the padding counts too, so every window is as large */
};
#define OPS_WINDOW_FIELD(type, field) {#field, FIELD_AXES, offsetof(type, window.field)}
#define OPS_WINDOW(type)                                                                                               \
    OPS_WINDOW_FIELD(type, stride), OPS_WINDOW_FIELD(type, dilation), OPS_WINDOW_FIELD(type, padding),                 \
        OPS_WINDOW_FIELD(type, after)
#define OPS_CONV NILU_INT(struct ops_conv, groups), NILU_FLAG(struct ops_conv, bf16)
/* Input `i` is a float picture of one or two spatial axes. */
nilu_status ops_need_picture(nilu_build *b, int i);
/* The lists get one number for each spatial axis. */
nilu_status ops_fill_window(nilu_build *b, struct ops_window *t, int axes);
nilu_status ops_fill_size(nilu_build *b, const char *what, nilu_axes *size, int axes);
/* How many places a kernel finds along spatial axis d of n numbers; it must fit. */
nilu_status ops_slide(nilu_build *b, const struct ops_window *t, int d, int64_t n, int64_t kernel, int64_t *places);
/* Shape rules of convolutions: of inputs and attributes; of x and w that fit, and what they become; of such a y. */
nilu_status ops_conv_need(nilu_build *b);
nilu_status ops_conv_fits(nilu_build *b, nilu_shape x, nilu_shape w, nilu_shape *y);
nilu_status ops_conv_same(nilu_build *b, nilu_shape made, nilu_shape y);
struct ops_conv ops_conv_attr(const nilu_conv_options *options, nilu_axes size);
nilu_conv_options ops_conv_options(const struct ops_conv *t);
nilu_axes ops_spatial(nilu_shape s); /* sizes of the spatial axes */
/* A window's way over pictures of two spatial axes: place k of the window at p is p * stride + k * dilation - padding. */
typedef struct ops_slide_plan {
    int64_t samples, channels, filters, groups; /* of pools: filters = groups = channels */
    int64_t in[2], kernel[2], out[2], stride[2], dilation[2], padding[2];
} ops_slide_plan;
ops_slide_plan ops_conv_plan(const struct ops_conv *t, nilu_shape x, nilu_shape w, nilu_shape y);
ops_slide_plan ops_pool_plan(const struct ops_pool *t, nilu_shape x, nilu_shape y);
double ops_conv_flops(const ops_slide_plan *p);
/* Shape rules of pools: of input 0; of pictures of shape x, which become y. */
nilu_status ops_pool_shape(nilu_build *b, nilu_shape *y);
nilu_status ops_pool_fits(nilu_build *b, nilu_shape x, nilu_shape *y);
struct ops_pool ops_pool_attr(nilu_axes kernel, const nilu_pool_options *options);
nilu_pool_options ops_pool_options(const struct ops_pool *t);
double ops_pool_flops(const nilu_node *n);
/* What a pool's window number `place` sees of axis d; what the sum over two spans is divided by. */
typedef struct ops_span {
    int64_t from, to;
} ops_span;
ops_span ops_pool_span(const ops_slide_plan *p, int d, int64_t place);
double ops_pool_count(const ops_slide_plan *p, bool counting, ops_span y, ops_span x);
/* The planes of input 0 have places, and 2^31 at most. */
nilu_status ops_need_planes(nilu_build *b);
/* Shape rule of pictures that become `size`. */
nilu_status ops_resized(nilu_build *b, nilu_axes *size, nilu_shape *y);
/* Places of part i, when an axis of `in` places is shared out into `out` parts. */
ops_span ops_adaptive_span(int64_t in, int64_t out, int64_t i);
/* A constant whose element (i, j) is at(how, i, j); shape: rows and columns, or a vector, then axes of 1. */
nilu_tensor *ops_table(nilu_graph *g, nilu_dtype dtype, nilu_shape shape, double (*at)(const void *how, int64_t i, int64_t j), const void *how);

/* ---- normalisations */
nilu_status ops_norm_need(nilu_build *b, double eps);      /* all inputs one float type; a possible eps */
nilu_status ops_norm_last(nilu_build *b, int64_t axes);    /* inputs 1, .. have the shape of x's last axes */
nilu_status ops_norm_channels(nilu_build *b);              /* inputs 1, .. have a number for each channel of x */
nilu_axes ops_last_axes(int rank, int64_t n);
nilu_tensor *ops_channelwise(nilu_tensor *t, int rank);    /* [c] as [c, 1, ..], to go with [n, c, ..] */
nilu_tensor *ops_normalised(nilu_tensor *x, nilu_tensor *mean, nilu_tensor *variance, double eps);
/* Mean and 1 / sqrt(variance + eps) of n elements of input 0 from at[0] on, at[1] apart. */
void ops_norm_group(const nilu_call *c, int64_t n, const int64_t *at, double eps, double *mean, double *scale);

/* ---- movements */
/* Elements from .. from+n-1 of input k become elements to .. of output 0, of the same data type. */
void ops_copy(const nilu_call *c, int k, int64_t from, int64_t to, int64_t n);
double ops_no_flops(const nilu_node *n);
/* Shape rule of an index, input `i`. */
nilu_status ops_need_index(nilu_build *b, int i);
/* Shape rule of lines along an axis: input 1 may differ from input 0 there alone. */
nilu_status ops_need_lines(nilu_build *b, int axis);
/* Index `i` of input 1; a fault if it is not below `n`. */
nilu_status ops_index(const nilu_call *c, int64_t i, int64_t n, int64_t *index);

/* ---- random nodes: the key of (seed, a node's stream, step) is a Philox block of the three; element i of the node is
 * draw i of that key, in every data type. Dropout keeps element i where base_uniform(key, i) >= rate. */
base_key ops_random_key(uint64_t seed, int64_t stream, int64_t step);
/* Shape rule of the step counter, input `i`: one whole number. */
nilu_status ops_need_step(nilu_build *b, int i);

/* ---- losses */
/* Shape rule of a loss between classes: scores [n, k] float, label [n] i32 or i64, n and k not 0. */
nilu_status ops_need_labels(nilu_build *b);
/* Shape rule of a mean over elements: two floats of one type and shape, not empty -> []. */
nilu_status ops_pair_loss(nilu_build *b);
/* Label `i` of input 1; a fault if it is not below `classes`. */
nilu_status ops_label(const nilu_call *c, int64_t i, int64_t classes, int64_t *label);
/* The cross-entropy's small ops. Rows that count for nothing read as zeros, so that nothing in them can do harm. */
typedef struct ops_xent_parts {
    nilu_tensor *keep;   /* [n, 1] bool: the rows that count; NULL: all */
    nilu_tensor *x;      /* [n, k] */
    nilu_tensor *hot;    /* [n, k] bool: true at the label */
    nilu_tensor *weight; /* [k], or NULL: all 1 */
    nilu_tensor *own;    /* [n, 1] the weight of the label, or NULL: 1 */
} ops_xent_parts;
ops_xent_parts ops_xent_split(nilu_tensor *x, nilu_tensor *label, nilu_tensor *weight, const struct ops_xent *o);
/* `t` in the rows that count, 0 elsewhere. */
nilu_tensor *ops_xent_kept(const ops_xent_parts *p, nilu_tensor *t);

/* Every op's record, one declaration a row. */
#define NILU_OP(name, parameters) extern const nilu_op nilu_op_##name;
#include "nilu/ops.inc"
#undef NILU_OP

#endif
