/* huber: squared error for small mistakes, absolute for large ones (Huber 1964), so that outliers do not rule.
 *     x, target: one shape   ->   loss [] = mean h(x - target),
 *     h(d) = d² / 2 within delta, delta · (|d| - delta / 2) beyond
 * With c = d clamped to ±delta both branches are c · (d - c / 2). A composite of elementwise ops.
 * Backward: δx = c · δloss / n: guess minus truth, cut off at delta;  δtarget = -δx.               */
#include "ops/ops.h"

#include <math.h>

struct huber {
    double delta;
};

static nilu_status shape(nilu_build *b)
{
    const struct huber *t = b->attr;
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, isfinite(t->delta) && t->delta > 0, N_("delta is %g, but must be positive and finite"), t->delta);
    return ops_pair_loss(b);
}

static nilu_tensor *expand(nilu_build *b)
{
    const struct huber *t = b->attr;
    nilu_tensor *d = nilu_sub(b->in[0], b->in[1]), *cut = nilu_clamp(d, -t->delta, t->delta);
    return nilu_mean(nilu_mul(cut, nilu_sub(d, nilu_scale(cut, 0.5))), NILU_ALL, false);
}

static nilu_status ref(const nilu_call *c)
{
    const struct huber *t = c->attr;
    double sum = 0;
    for (int64_t i = 0; i < c->in[0].n; i++) {
        double d = fabs(call_get(c, 0, i) - call_get(c, 1, i));
        sum += d <= t->delta ? 0.5 * d * d : t->delta * (d - 0.5 * t->delta);
    }
    call_put(c, 0, 0, sum / (double)c->in[0].n);
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"by hand: 1/2, 3/2, 0, 5/2", "2x2 2x2", .attr = "delta=1", .fill = "list 1 2 3 4 0 4 3 1", .want = "1.125", .kinky = true},
    {"a small delta by hand: 1.25 - 1/8 twice", "2 2", .attr = "delta=0.5", .fill = "list 2.5 -2.5 0 0", .want = "1.125"},
    {"a large delta: half of mse", "2x2 2x2", .attr = "delta=100", .fill = "list 1 2 3 4 0 4 3 1", .want = "1.75"},
    {"nothing is wrong", "3 3", .attr = "delta=1", .fill = "ones", .want = "0"},
    {"scalar", "s s", .attr = "delta=1", .fill = "list 5 2", .want = "2.5"},
    {"random", "4x5 4x5", .attr = "delta=0.7"},
    {"longer than a block", "3x301 3x301", .attr = "delta=1", .kinky = true},
    {"numbers of 5000", "4x6 4x6", .attr = "delta=1", .gain = 5000},
    {"delta 0", "3 3", .attr = "delta=0", .error = "delta is 0, but must be positive"},
    {"delta infinite", "3 3", .attr = "delta=inf", .error = "delta is inf, but must be positive and finite"},
    {"empty", "0x4 0x4", .attr = "delta=1", .error = "the batch is empty"},
    {"a column and a vector", "4x1 4", .attr = "delta=1", .error = "both inputs must have one shape"},
    {"target is ids", "4 4i2", .attr = "delta=1", .error = "target must be f32, f64 or bf16"},
    {"x is ids", "4i2 4", .attr = "delta=1", .error = "x must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_huber = {.name = "huber",
                               .inputs = {"x", "target"},
                               .attr_size = sizeof(struct huber),
                               .fields = {NILU_REAL(struct huber, delta)},
                               .shape = shape,
                               .expand = expand,
                               .ref = ref,
                               .cases = cases,
                               .backward = N_("dx = clamp(x - target, -delta, delta) * dloss / n")};

nilu_tensor *nilu_huber(nilu_tensor *x, nilu_tensor *target, double delta)
{
    return graph_node(&nilu_op_huber, 2, (nilu_tensor *[]){x, target}, &(struct huber){delta});
}
