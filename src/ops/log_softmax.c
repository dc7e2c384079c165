/* log_softmax: the logarithm of the shares that softmax gives, without their underflow.
 *     z_i = (x_i - top) - log Σ_j exp(x_j - top)      top = max x
 * A score of -inf stays -inf; where all are -inf, so is all of z: the logarithm of softmax's zeros.
 * Backward:
 *     δx = δz - exp(z) · Σ_j δz_j         each share owes its part of the whole error             */
#include "ops/ops.h"

#include <math.h>

static nilu_status shape(nilu_build *b)
{
    struct ops_axis *t = b->attr;
    NILU_TRY(graph_same_float(b));
    NILU_TRY(graph_axis(b, "axis", t->axis, b->in[0]->shape.rank, &t->axis));
    return graph_out(b, 0, b->in[0]->dtype, b->in[0]->shape);
}

static void grad(nilu_back *g)
{
    const struct ops_axis *t = g->attr;
    nilu_tensor *z = g->out[0], *dz = g->dout[0];
    if (g->need[0])
        g->din[0] = nilu_sub(dz, nilu_mul(nilu_exp(z), nilu_sum(dz, NILU_AXES((int)t->axis), true)));
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_axis *t = c->attr;
    graph_around a = graph_split(c->in[0].shape, (int)t->axis);
    for (int64_t o = 0; o < a.outer; o++)
        for (int64_t i = 0; i < a.inner; i++) {
            int64_t start = o * a.n * a.inner + i;
            double top = -INFINITY, sum = 0;
            for (int64_t j = 0; j < a.n; j++) {
                double x = call_get(c, 0, start + j * a.inner);
                top = x > top || x != x ? x : top;
            }
            if (top == -INFINITY)
                top = 0;
            for (int64_t j = 0; j < a.n; j++)
                sum += exp(call_get(c, 0, start + j * a.inner) - top);
            for (int64_t j = 0; j < a.n; j++) {
                double x = call_get(c, 0, start + j * a.inner);
                call_put(c, 0, start + j * a.inner, x == -INFINITY && sum == sum ? x : x - top - log(sum));
            }
        }
    return NILU_OK;
}

static double flops(const nilu_node *n) /* maximum, difference, exp, sum, difference */
{
    return 5.0 * (double)base_count(n->out[0].shape);
}

static const nilu_case cases[] = {
    {"equal scores: -ln 4", "1x4", .attr = "axis=1", .fill = "zero",
     .want = "-1.3862943611198906 -1.3862943611198906 -1.3862943611198906 -1.3862943611198906", .gradient = "0 0 0 0"},
    {"by hand: log of 1/4 and 3/4", "2", .attr = "axis=0", .fill = "list 0 1.0986122886681098",
     .want = "-1.3862943611198906 -0.2876820724517809"},
    {"softmax would underflow", "2", .attr = "axis=0", .fill = "list 0 5000", .want = "-5000 0"},
    {"one masked", "3", .attr = "axis=0", .fill = "list 1 -inf 1", .want = "-0.6931471805599453 -inf -0.6931471805599453", .kinky = true},
    {"all masked", "2", .attr = "axis=0", .fill = "list -inf -inf", .want = "-inf -inf", .kinky = true},
    {"one class", "3x1", .attr = "axis=1", .want = "0 0 0"},
    {"random", "6x5", .attr = "axis=1"},
    {"last axis by -1", "3x4x5", .attr = "axis=-1"},
    {"middle axis", "3x4x5", .attr = "axis=1"},
    {"first axis", "7x3", .attr = "axis=0"},
    {"longer than a block", "3x301", .attr = "axis=1"},
    {"tail of a vector", "4x17", .attr = "axis=1"},
    {"logits of 5000", "4x6", .attr = "axis=1", .gain = 5000, .kinky = true},
    {"empty batch", "0x4", .attr = "axis=1"},
    {"no classes", "3x0", .attr = "axis=1"},
    {"axis out of range", "2x3", .attr = "axis=-3", .error = "axis is -3, but there are 2 axes"},
    {"ids", "2x3i5", .attr = "axis=1", .error = "x must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_log_softmax = {.name = "log_softmax",
                                     .inputs = {"x"},
                                     .attr_size = sizeof(struct ops_axis),
                                     .fields = {NILU_INT(struct ops_axis, axis)},
                                     .shape = shape,
                                     .grad = grad,
                                     .ref = ref,
                                     .flops = flops,
                                     .cases = cases,
                                     .backward = N_("dx = dz - exp(z) * sum(dz)")};

nilu_tensor *nilu_log_softmax(nilu_tensor *x, int axis)
{
    return graph_node(&nilu_op_log_softmax, 1, &x, &(struct ops_axis){axis});
}
