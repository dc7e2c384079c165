/* moments: mean and variance over axes in one visit; what every normalisation stands on.
 *     x [..]   ->   mean, variance: x's shape without `axes`, or with 1 for them (keep)
 *     mean_k = Σ_j x_kj / n        variance_k = Σ_j (x_kj - mean_k)² / n      (of the population: over n, not n - 1)
 * Backward; a change of the mean changes no variance:
 *     δx = δmean / n + δvariance · 2 (x - mean) / n                                                     */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    NILU_TRY(graph_same_float(b));
    NILU_TRY(ops_reduce_some(b, "mean"));
    return graph_out(b, 1, b->dtype[0], b->shape[0]);
}

static void grad(nilu_back *g)
{
    const struct ops_reduce *t = g->attr;
    nilu_tensor *x = g->in[0], *dx = NULL;
    if (!g->need[0])
        return;
    const double each = 1 / (double)ops_walk_over(x->shape, t->axes, true).n;
    if (g->dout[0])
        dx = ops_unreduce(nilu_scale(g->dout[0], each), x->shape, t->axes);
    if (g->dout[1]) {
        const nilu_shape kept = ops_reduced(x->shape, t->axes, true);
        nilu_tensor *far = nilu_sub(x, nilu_reshape(g->out[0], kept));
        nilu_tensor *more = nilu_mul(far, nilu_reshape(nilu_scale(g->dout[1], 2 * each), kept));
        dx = dx ? nilu_add(dx, more) : more;
    }
    g->din[0] = dx;
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_reduce *t = c->attr;
    ops_walk kept = ops_walk_over(c->in[0].shape, t->axes, false), gone = ops_walk_over(c->in[0].shape, t->axes, true);
    for (int64_t i = 0; i < kept.n; i++, ops_walk_step(&kept)) {
        double sum = 0, squares = 0;
        for (int64_t j = 0; j < gone.n; j++, ops_walk_step(&gone))
            sum += call_get(c, 0, kept.offset + gone.offset);
        const double mean = sum / (double)gone.n;
        for (int64_t j = 0; j < gone.n; j++, ops_walk_step(&gone)) {
            const double far = call_get(c, 0, kept.offset + gone.offset) - mean;
            squares += far * far;
        }
        call_put(c, 0, i, mean);
        call_put(c, 1, i, squares / (double)gone.n);
    }
    return NILU_OK;
}

static double flops(const nilu_node *n)
{
    return 4.0 * (double)base_count(n->in[0]->shape);
}

static const nilu_case cases[] = {
    {"by hand", "2x3", .attr = "axes=1", .fill = "list 1 2 6 4 4 4", .want = "[2] 3 4"},
    {"first axis kept", "2x3", .attr = "axes=0 keep=1", .fill = "list 1 2 6 4 4 4", .want = "[1, 3] 2.5 3 5"},
    {"all", "2x2", .fill = "list 1 2 3 6", .want = "3"},
    {"one number", "3x1", .attr = "axes=1", .fill = "list 1 2 3", .want = "1 2 3"},
    {"channels of pictures", "3x4x2x5", .attr = "axes=0,2,3 keep=1"},
    {"features", "9x5", .attr = "axes=0"},
    {"outer and inner axis", "3x4x5", .attr = "axes=0,2"},
    {"middle axis", "3x4x5", .attr = "axes=1"},
    {"rows longer than a block", "3x301", .attr = "axes=1"},
    {"columns longer than a block", "301x3", .attr = "axes=0"},
    {"far from 0", "4x40", .attr = "axes=1", .gain = 5000},
    {"no groups", "0x3", .attr = "axes=1"},
    {"of nothing", "0x3", .attr = "axes=0", .error = "axis 0 is empty, and there is no mean of nothing"},
    {"ids", "2x3i9", .attr = "axes=1", .error = "x must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_moments = {.name = "moments",
                                 .inputs = {"x"},
                                 .attr_size = sizeof(struct ops_reduce),
                                 .fields = {NILU_AXIS_LIST(struct ops_reduce, axes), NILU_FLAG(struct ops_reduce, keep)},
                                 .shape = shape,
                                 .grad = grad,
                                 .ref = ref,
                                 .flops = flops,
                                 .cases = cases,
                                 .backward = N_("dx = dmean / n + dvariance * 2 (x - mean) / n")};

nilu_tensor *nilu_moments(nilu_tensor *x, nilu_axes axes, bool keep)
{
    return graph_node(&nilu_op_moments, 1, &x, &(struct ops_reduce){axes, keep});
}
