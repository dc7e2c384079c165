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

/* Every op's record, one declaration a row. */
#define NILU_OP(name, parameters) extern const nilu_op nilu_op_##name;
#include "nilu/ops.inc"
#undef NILU_OP

#endif
