/* logsumexp: the logarithm of the sum of exponentials along axes, a maximum without corners.
 *     x [..]   ->   z: x's shape without `axes`, or with 1 for them (keep)
 *     z_k = top_k + log Σ_j exp(x_kj - top_k)        top_k = max_j x_kj: nothing overflows
 * Of nothing, and where all are -inf, it is -inf, and no error passes.
 * Backward:
 *     δx_kj = δz_k · exp(x_kj - z_k)        each owes its share (softmax) of the error             */
#include "ops/ops.h"

#include <math.h>

static nilu_status shape(nilu_build *b)
{
    NILU_TRY(graph_same_float(b));
    return ops_reduce_shape(b);
}

static void grad(nilu_back *g)
{
    const struct ops_reduce *t = g->attr;
    nilu_tensor *x = g->in[0], *z = g->out[0];
    if (!g->need[0])
        return;
    nilu_tensor *zero = nilu_fill(g->g, x->dtype, NILU_SCALAR, 0);
    nilu_tensor *masked = nilu_eq(z, nilu_fill(g->g, x->dtype, NILU_SCALAR, -INFINITY)); /* -inf - -inf is no number */
    nilu_tensor *share = nilu_exp(nilu_sub(x, ops_unreduce(nilu_where(masked, zero, z), x->shape, t->axes)));
    g->din[0] = nilu_mul(ops_unreduce(g->dout[0], x->shape, t->axes), share);
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_reduce *t = c->attr;
    ops_walk kept = ops_walk_over(c->in[0].shape, t->axes, false), gone = ops_walk_over(c->in[0].shape, t->axes, true);
    for (int64_t i = 0; i < kept.n; i++, ops_walk_step(&kept)) {
        double top = -INFINITY, sum = 0;
        for (int64_t j = 0; j < gone.n; j++, ops_walk_step(&gone)) {
            double x = call_get(c, 0, kept.offset + gone.offset);
            top = x > top || x != x ? x : top;
        }
        for (int64_t j = 0; j < gone.n; j++, ops_walk_step(&gone))
            sum += exp(call_get(c, 0, kept.offset + gone.offset) - top);
        call_put(c, 0, i, isinf(top) ? top : top + log(sum));
    }
    return NILU_OK;
}

static double flops(const nilu_node *n) /* maximum, difference, exp, sum */
{
    return 4.0 * (double)base_count(n->in[0]->shape);
}

static const nilu_case cases[] = {
    {"equal: ln 4", "4", .fill = "zero", .want = "1.3862943611198906"},
    {"by hand: ln (1 + 2 + 3)", "3", .fill = "list 0 0.6931471805599453 1.0986122886681098",
     .want = "1.791759469228055"},
    {"by hand, down the columns, kept", "2x2", .attr = "axes=0 keep=1", .fill = "list 0 5 1.0986122886681098 5",
     .want = "[1, 2] 1.3862943611198906 5.693147180559945"},
    {"by hand, two axes of three: ln 4 each", "2x2x2", .attr = "axes=0,2", .fill = "list 0 0 1 1 0 0 1 1",
     .want = "1.3862943611198906 2.3862943611198906"},
    {"one number", "3x1", .attr = "axes=1", .fill = "list 1 -2 3", .want = "1 -2 3"},
    {"scalar", "s", .fill = "list 7", .want = "7"},
    {"exp would overflow", "2", .fill = "list 5000 5000", .want = "5000.693147180559945"},
    {"exp would underflow", "2", .fill = "list -5000 -5000", .want = "-4999.306852819440055"},
    {"one masked: ln 2", "3", .fill = "list 0 -inf 0", .want = "0.6931471805599453", .gradient = "0.5 0 0.5",
     .kinky = true},
    {"all masked", "2x2", .attr = "axes=1", .fill = "list -inf -inf 0 0", .want = "-inf 0.6931471805599453",
     .gradient = "0 0 0.5 0.5", .kinky = true},
    {"infinity", "2", .fill = "list inf 1", .want = "inf", .kinky = true},
    {"one NaN", "3", .fill = "list inf nan 1", .want = "nan", .kinky = true},
    {"random", "5x7", .attr = "axes=1"},
    {"random, first axis", "5x7", .attr = "axes=0"},
    {"middle axis", "3x4x5", .attr = "axes=1"},
    {"outer and inner axis, from the end", "3x4x5", .attr = "axes=-1,0 keep=1"},
    {"all axes", "3x4x5"},
    {"longer than a block", "3x301", .attr = "axes=1"},
    {"tail of a vector", "4x17", .attr = "axes=1"},
    {"numbers of 5000", "4x6", .attr = "axes=1", .gain = 5000, .kinky = true},
    {"of nothing", "2x0", .attr = "axes=1", .want = "[2] -inf -inf"},
    {"no groups", "0x3", .attr = "axes=1"},
    {"axis out of range", "2x3", .attr = "axes=2", .error = "axis is 2, but there are 2 axes"},
    {"axis named twice", "2x3", .attr = "axes=1,-1", .error = "axis 1 is named twice"},
    {"ids", "2x3i5", .error = "x must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_logsumexp = {
    .name = "logsumexp",
    .inputs = {"x"},
    .attr_size = sizeof(struct ops_reduce),
    .fields = {NILU_AXIS_LIST(struct ops_reduce, axes), NILU_FLAG(struct ops_reduce, keep)},
    .shape = shape,
    .grad = grad,
    .ref = ref,
    .flops = flops,
    .cases = cases,
    .backward = N_("dx = dz * exp(x - z): in proportion to the share")};

nilu_tensor *nilu_logsumexp(nilu_tensor *x, nilu_axes axes, bool keep)
{
    return graph_node(&nilu_op_logsumexp, 1, &x, &(struct ops_reduce){axes, keep});
}
