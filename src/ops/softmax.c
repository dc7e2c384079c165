/* softmax: scores become shares that sum to 1 along an axis.
 *     z_i = exp(x_i - top) / Σ_j exp(x_j - top)      top = max x: nothing overflows
 * A score of -inf has no share; where all are -inf (all is masked) every share is 0, and no error passes.
 * Backward:
 *     δx = (δz - Σ_j δz_j z_j) · z       what is more than the mean error, in proportion to the share */
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
        g->din[0] = nilu_mul(nilu_sub(dz, nilu_sum(nilu_mul(dz, z), NILU_AXES((int)t->axis), true)), z);
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
            for (int64_t j = 0; j < a.n; j++)
                call_put(c, 0, start + j * a.inner, sum == 0 ? 0 : exp(call_get(c, 0, start + j * a.inner) - top) / sum);
        }
    return NILU_OK;
}

static double flops(const nilu_node *n) /* maximum, difference, exp, sum, division */
{
    return 5.0 * (double)base_count(n->out[0].shape);
}

static const nilu_case cases[] = {
    {"equal scores", "2x4", .attr = "axis=1", .fill = "zero", .want = "0.25 0.25 0.25 0.25 0.25 0.25 0.25 0.25"},
    {"by hand: shares 1 2 3 of 6", "3", .attr = "axis=0", .fill = "list 0 0.6931471805599453 1.0986122886681098",
     .want = "0.16666666666666666 0.3333333333333333 0.5"},
    {"down the columns, by hand", "2x2", .attr = "axis=0", .fill = "list 0 5 1.0986122886681098 5", .want = "0.25 0.5 0.75 0.5"},
    {"the largest f32", "2", .attr = "axis=0", .fill = "list 3e38 3e38", .want = "0.5 0.5", .kinky = true},
    {"one masked", "3", .attr = "axis=0", .fill = "list 1 -inf 1", .want = "0.5 0 0.5", .gradient = "0 0 0", .kinky = true},
    {"all masked", "2", .attr = "axis=0", .fill = "list -inf -inf", .want = "0 0", .gradient = "0 0", .kinky = true},
    {"one class", "5x1", .attr = "axis=1", .want = "1 1 1 1 1"},
    {"random", "6x5", .attr = "axis=1"},
    {"last axis by -1", "3x4x5", .attr = "axis=-1"},
    {"middle axis", "3x4x5", .attr = "axis=1"},
    {"first axis", "7x3", .attr = "axis=0"},
    {"longer than a block", "3x301", .attr = "axis=1"},
    {"tail of a vector", "4x17", .attr = "axis=1"},
    {"logits of 5000", "4x6", .attr = "axis=1", .gain = 5000, .kinky = true},
    {"empty batch", "0x4", .attr = "axis=1"},
    {"no classes", "3x0", .attr = "axis=1"},
    {"axis out of range", "2x3", .attr = "axis=2", .error = "axis is 2, but there are 2 axes"},
    {"a scalar has no axis", "s", .attr = "axis=0", .error = "axis is 0, but there are 0 axes"},
    {"ids", "2x3i5", .attr = "axis=1", .error = "x must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_softmax = {.name = "softmax",
                                 .inputs = {"x"},
                                 .attr_size = sizeof(struct ops_axis),
                                 .fields = {NILU_INT(struct ops_axis, axis)},
                                 .shape = shape,
                                 .grad = grad,
                                 .ref = ref,
                                 .flops = flops,
                                 .cases = cases,
                                 .backward = N_("dx = (dz - sum(dz * z)) * z")};

nilu_tensor *nilu_softmax(nilu_tensor *x, int axis)
{
    return graph_node(&nilu_op_softmax, 1, &x, &(struct ops_axis){axis});
}
