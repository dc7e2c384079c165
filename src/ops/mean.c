/* mean: the average along axes.
 *     x [..]   ->   z: x's shape without `axes`, or with 1 for them (keep)        z_k = 1/n Σ_j x_kj
 * A composite: a sum, scaled.
 * Backward:
 *     δx_kj = δz_k / n        each owes an equal share of the error                                */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    NILU_TRY(graph_same_float(b));
    return ops_reduce_some(b, "mean");
}

static nilu_tensor *expand(nilu_build *b)
{
    const struct ops_reduce *t = b->attr;
    int64_t n = ops_walk_over(b->in[0]->shape, t->axes, true).n;
    return nilu_scale(nilu_sum(b->in[0], t->axes, t->keep), 1.0 / (double)n);
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_reduce *t = c->attr;
    ops_walk kept = ops_walk_over(c->in[0].shape, t->axes, false), gone = ops_walk_over(c->in[0].shape, t->axes, true);
    for (int64_t i = 0; i < kept.n; i++, ops_walk_step(&kept)) {
        double sum = 0;
        for (int64_t j = 0; j < gone.n; j++, ops_walk_step(&gone))
            sum += call_get(c, 0, kept.offset + gone.offset);
        call_put(c, 0, i, sum / (double)gone.n);
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"by hand, all axes", "2x3", .fill = "count", .want = "2.5"},
    {"by hand, first axis", "2x3", .attr = "axes=0", .fill = "count", .want = "1.5 2.5 3.5"},
    {"by hand, last axis kept", "2x3", .attr = "axes=-1 keep=1", .fill = "count", .want = "[2, 1] 1 4"},
    {"by hand, two axes of three", "2x3x4", .attr = "axes=0,2", .fill = "count", .want = "[3] 7.5 11.5 15.5"},
    {"scalar", "s", .fill = "list 7", .want = "7"},
    {"infinity", "2x2", .attr = "axes=1", .fill = "list inf 1 -inf inf", .want = "inf nan", .kinky = true},
    {"random", "5x7", .attr = "axes=1"},
    {"middle axis", "3x4x5", .attr = "axes=1"},
    {"longer than a block", "3x301", .attr = "axes=1"},
    {"columns longer than a block", "301x3", .attr = "axes=0"},
    {"numbers of 5000", "4x6", .attr = "axes=0", .gain = 5000},
    {"no means", "0x3", .attr = "axes=1"},
    {"mean of nothing", "0x3", .attr = "axes=0", .error = "axis 0 is empty, and there is no mean of nothing"},
    {"mean of nothing at all", "2x0", .error = "axis 1 is empty"},
    {"axis out of range", "2x3", .attr = "axes=-3", .error = "axis is -3, but there are 2 axes"},
    {"axis named twice", "2x3", .attr = "axes=0,0", .error = "axis 0 is named twice"},
    {"ids", "2x3i5", .error = "x must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_mean = {.name = "mean",
                              .inputs = {"x"},
                              .attr_size = sizeof(struct ops_reduce),
                              .fields = {NILU_AXIS_LIST(struct ops_reduce, axes), NILU_FLAG(struct ops_reduce, keep)},
                              .shape = shape,
                              .expand = expand,
                              .ref = ref,
                              .flops = ops_reduce_flops,
                              .cases = cases,
                              .backward = N_("dx = dz / n, spread over what was averaged")};

nilu_tensor *nilu_mean(nilu_tensor *x, nilu_axes axes, bool keep)
{
    return graph_node(&nilu_op_mean, 1, &x, &(struct ops_reduce){axes, keep});
}
