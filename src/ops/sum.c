/* sum: adds up along axes.
 *     x [..]   ->   z: x's shape without `axes`, or with 1 for them (keep)        z_k = Σ_j x_kj
 * The sum of nothing is 0. Integers saturate.
 * Backward:
 *     δx_kj = δz_k        each summand owes the whole error                                        */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    NILU_NEED_AS(b, NILU_E_DTYPE, b->in[0]->dtype != NILU_BOOL, N_("x must be numbers, not bool; is a cast missing?"));
    return ops_reduce_shape(b);
}

static void grad(nilu_back *g)
{
    const struct ops_reduce *t = g->attr;
    if (g->need[0])
        g->din[0] = ops_unreduce(g->dout[0], g->in[0]->shape, t->axes);
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_reduce *t = c->attr;
    ops_walk kept = ops_walk_over(c->in[0].shape, t->axes, false), gone = ops_walk_over(c->in[0].shape, t->axes, true);
    for (int64_t i = 0; i < kept.n; i++, ops_walk_step(&kept)) {
        double sum = 0;
        for (int64_t j = 0; j < gone.n; j++, ops_walk_step(&gone))
            sum += call_get(c, 0, kept.offset + gone.offset);
        call_put(c, 0, i, sum);
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"by hand, all axes", "2x3", .fill = "count", .want = "[] 15"},
    {"by hand, first axis", "2x3", .attr = "axes=0", .fill = "count", .want = "[3] 3 5 7"},
    {"by hand, last axis", "2x3", .attr = "axes=1", .fill = "count", .want = "[2] 3 12", .gradient = "1 1 1 1 1 1"},
    {"by hand, kept", "2x3", .attr = "axes=1 keep=1", .fill = "count", .want = "[2, 1] 3 12"},
    {"by hand, all kept", "2x3", .attr = "keep=1", .fill = "count", .want = "[1, 1] 15"},
    {"by hand, two axes of three", "2x3x4", .attr = "axes=0,2", .fill = "count", .want = "[3] 60 92 124"},
    {"by hand, axes in any order, from the end", "2x3x4", .attr = "axes=-1,0 keep=1", .fill = "count",
     .want = "[1, 3, 1] 60 92 124"},
    {"scalar", "s", .fill = "list 7", .want = "7"},
    {"infinity", "2x2", .attr = "axes=1", .fill = "list inf 1 -inf inf", .want = "inf nan", .kinky = true},
    {"one NaN", "3", .fill = "list 1 nan 2", .want = "nan", .kinky = true},
    {"integers", "2x3i9", .attr = "axes=0", .fill = "count", .want = "3 5 7"},
    {"bytes saturate", "2u", .fill = "list 200 100", .want = "255"},
    {"random", "5x7", .attr = "axes=1"},
    {"random, first axis", "5x7", .attr = "axes=0"},
    {"middle axis", "3x4x5", .attr = "axes=1"},
    {"outer and inner axis", "3x4x5", .attr = "axes=0,2"},
    {"axes of 1", "1x5x1", .attr = "axes=0,2"},
    {"eight axes", "2x1x3x1x2x1x2x3", .attr = "axes=1,2,4,7"},
    {"longer than a block", "3x301", .attr = "axes=1"},
    {"columns longer than a block", "301x3", .attr = "axes=0"},
    {"many columns", "3x301", .attr = "axes=0"},
    {"all of many", "17x301"},
    {"sum of nothing", "0x3", .attr = "axes=0", .want = "[3] 0 0 0"},
    {"of no runs of four", "0x3x4", .attr = "axes=0,2", .want = "[3] 0 0 0"},
    {"sum of nothing at all", "0x3", .want = "0"},
    {"no sums", "0x3", .attr = "axes=1"},
    {"axis out of range", "2x3", .attr = "axes=2", .error = "axis is 2, but there are 2 axes"},
    {"axis named twice", "2x3", .attr = "axes=1,-1", .error = "axis 1 is named twice"},
    {"a scalar has no axis", "s", .attr = "axes=0", .error = "axis is 0, but there are 0 axes"},
    {"bool", "2x3b", .error = "x must be numbers, not bool"},
    {0}};

const nilu_op nilu_op_sum = {.name = "sum",
                             .inputs = {"x"},
                             .attr_size = sizeof(struct ops_reduce),
                             .fields = {NILU_AXIS_LIST(struct ops_reduce, axes), NILU_FLAG(struct ops_reduce, keep)},
                             .shape = shape,
                             .grad = grad,
                             .ref = ref,
                             .flops = ops_reduce_flops,
                             .cases = cases,
                             .backward = N_("dx = dz, spread over what was summed")};

nilu_tensor *nilu_sum(nilu_tensor *x, nilu_axes axes, bool keep)
{
    return graph_node(&nilu_op_sum, 1, &x, &(struct ops_reduce){axes, keep});
}
