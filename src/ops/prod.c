/* prod: multiplies along axes.
 *     x [..]   ->   z: x's shape without `axes`, or with 1 for them (keep)        z_k = Π_j x_kj
 * The product of nothing is 1.
 * Backward:
 *     δx_kj = δz_k · Π_i≠j x_ki        the error, times all the other factors
 * The products without one factor are found without a division, so that they are right where factors are 0, in every
 * order of derivative: pairs are multiplied up a tree; on the way down each of a pair takes its parent's product times
 * its sibling. */
#include "ops/ops.h"

#define MAX_LEVELS 41 /* a tensor has at most 2^40 elements */

static nilu_status shape(nilu_build *b)
{
    NILU_TRY(graph_same_float(b));
    return ops_reduce_shape(b);
}

/* dz [groups, 1] and factors [groups, n] -> dz times the product of the others [groups, n] */
static nilu_tensor *others(nilu_tensor *factors, nilu_tensor *dz)
{
    nilu_tensor *sibling[MAX_LEVELS];
    int64_t width[MAX_LEVELS], groups = factors->shape.dim[0], n = factors->shape.dim[1];
    int level = 0;
    for (nilu_tensor *v = factors; n > 1; level++) {
        width[level] = n;
        if (n % 2)
            v = nilu_pad(v, 1, 0, 1, 1);
        n = (n + 1) / 2;
        v = nilu_reshape(v, NILU_SHAPE(groups, n, 2));
        nilu_tensor *left = nilu_slice(v, 2, 0, 1, 1), *right = nilu_slice(v, 2, 1, 2, 1);
        sibling[level] = nilu_concat(2, (nilu_tensor *[]){right, left}, 2);
        v = nilu_reshape(nilu_mul(left, right), NILU_SHAPE(groups, n));
    }
    nilu_tensor *rest = dz;
    while (level-- > 0) {
        rest = nilu_mul(nilu_reshape(rest, NILU_SHAPE(groups, n, 1)), sibling[level]);
        rest = nilu_reshape(rest, NILU_SHAPE(groups, 2 * n));
        n = width[level];
        if (n % 2)
            rest = nilu_slice(rest, 1, 0, n, 1);
    }
    return rest;
}

static void grad(nilu_back *g)
{
    const struct ops_reduce *t = g->attr;
    nilu_tensor *x = g->in[0], *rows = ops_to_rows(x, t->axes);
    if (!g->need[0] || !rows || base_count(x->shape) == 0)
        return;
    nilu_tensor *dz = nilu_reshape(g->dout[0], NILU_SHAPE(rows->shape.dim[0], 1));
    g->din[0] = ops_from_rows(others(rows, dz), x->shape, t->axes);
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_reduce *t = c->attr;
    ops_walk kept = ops_walk_over(c->in[0].shape, t->axes, false), gone = ops_walk_over(c->in[0].shape, t->axes, true);
    for (int64_t i = 0; i < kept.n; i++, ops_walk_step(&kept)) {
        double product = 1;
        for (int64_t j = 0; j < gone.n; j++, ops_walk_step(&gone))
            product *= call_get(c, 0, kept.offset + gone.offset);
        call_put(c, 0, i, product);
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"by hand, all axes", "2x3", .fill = "list 1 2 3 4 5 6", .want = "720"},
    {"by hand, last axis", "2x3", .attr = "axes=1", .fill = "list 1 2 3 4 5 6", .want = "[2] 6 120"},
    {"by hand, first axis kept", "2x3", .attr = "axes=0 keep=1", .fill = "list 1 2 3 4 5 6", .want = "[1, 3] 4 10 18"},
    {"by hand, two axes of three", "2x3x2", .attr = "axes=0,2", .fill = "list 1 2 3 4 5 6 1 -1 2 0.5 1 1",
     .want = "-2 12 30"},
    {"scalar", "s", .fill = "list 7", .want = "7"},
    {"one zero", "2x4", .attr = "axes=1", .fill = "list 3 0 -2 5 1 2 3 0", .want = "0 0",
     .gradient = "0 -30 0 0 0 0 0 6"},
    {"two zeros", "5", .fill = "list 3 0 -2 0 5", .want = "0", .gradient = "0 0 0 0 0"},
    {"three zeros", "2x2x2", .attr = "axes=0,2", .fill = "list 0 2 3 1 0 0 2 2", .want = "0 12",
     .gradient = "0 0 4 12 0 0 6 6"},
    {"one factor", "3x1", .attr = "axes=1", .fill = "list 1 0 3", .want = "1 0 3"},
    {"zero times infinity", "2x2", .attr = "axes=1", .fill = "list inf 2 inf 0", .want = "inf nan", .kinky = true},
    {"one NaN", "3", .fill = "list 1 nan 2", .want = "nan", .kinky = true},
    {"random", "5x7", .attr = "axes=1"},
    {"random, first axis", "5x6", .attr = "axes=0"},
    {"middle axis", "3x4x5", .attr = "axes=1"},
    {"outer and inner axis, from the end", "3x4x3", .attr = "axes=-1,0 keep=1"},
    {"eight axes", "2x1x3x1x2x1x1x3", .attr = "axes=1,2,4,7"},
    {"longer than a block", "3x301", .attr = "axes=1", .fill = "unit", .gain = 2.718281828459045},
    {"columns longer than a block", "301x3", .attr = "axes=0", .fill = "unit", .gain = 2.718281828459045},
    {"product of nothing", "0x3", .attr = "axes=0", .want = "1 1 1"},
    {"no products", "0x3", .attr = "axes=1"},
    {"axis out of range", "2x3", .attr = "axes=2", .error = "axis is 2, but there are 2 axes"},
    {"axis named twice", "2x3", .attr = "axes=1,-1", .error = "axis 1 is named twice"},
    {"ids", "2x3i5", .error = "x must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_prod = {.name = "prod",
                              .inputs = {"x"},
                              .attr_size = sizeof(struct ops_reduce),
                              .fields = {NILU_AXIS_LIST(struct ops_reduce, axes), NILU_FLAG(struct ops_reduce, keep)},
                              .shape = shape,
                              .grad = grad,
                              .ref = ref,
                              .flops = ops_reduce_flops,
                              .cases = cases,
                              .backward = N_("dx = dz * product of all other factors")};

nilu_tensor *nilu_prod(nilu_tensor *x, nilu_axes axes, bool keep)
{
    return graph_node(&nilu_op_prod, 1, &x, &(struct ops_reduce){axes, keep});
}
