/* bce_logits: binary cross-entropy of sigmoid(x), each element a question of its own.
 *     x, target: one shape   ->   loss [] = mean( t · softplus(-x) + (1 - t) · softplus(x) )
 * softplus(-x) is -log sigmoid(x), so nothing overflows, and where the guess is nearly right the small cost is not the
 * difference of two large numbers. A composite of elementwise ops.
 * Backward: δx = (sigmoid(x) - t) · δloss / n: guess minus truth;  δt = -x · δloss / n.            */
#include "ops/ops.h"

#include <math.h>

static nilu_tensor *expand(nilu_build *b)
{
    nilu_tensor *x = b->in[0], *t = b->in[1];
    nilu_tensor *yes = nilu_mul(t, nilu_softplus(nilu_neg(x)));
    nilu_tensor *no = nilu_mul(nilu_shift(nilu_neg(t), 1), nilu_softplus(x));
    return nilu_mean(nilu_add(yes, no), NILU_ALL, false);
}

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static nilu_status ref(const nilu_call *c)
{
    double sum = 0;
    for (int64_t i = 0; i < c->in[0].n; i++) {
        double x = call_get(c, 0, i), t = call_get(c, 1, i);
        sum += t * softplus(-x) + (1 - t) * softplus(x);
    }
    call_put(c, 0, 0, sum / (double)c->in[0].n);
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"undecided: ln 2", "2x2 2x2", .fill = "list 0 0 0 0 0 1 0.5 0.25", .want = "0.6931471805599453"},
    {"by hand: sigmoid 3/4, target 1: ln 4/3", "1 1", .fill = "list 1.0986122886681098 1", .want = "0.28768207245178085"},
    {"by hand: sigmoid 3/4, target 0: ln 4", "1 1", .fill = "list 1.0986122886681098 0", .want = "1.3862943611198906"},
    {"sure and right", "2 2", .fill = "list 5000 -5000 1 0", .want = "0"},
    {"sure and wrong", "2 2", .fill = "list 5000 -5000 0 1", .want = "5000"},
    {"nearly right: e^-30", "1 1", .fill = "list 30 1", .want = "9.357622968839299e-14"},
    {"random", "4x5 4x5", .fill = "unit"},
    {"any targets", "4x5 4x5"},
    {"longer than a block", "3x301 3x301", .fill = "unit"},
    {"scalar", "s s"},
    {"logits of 5000", "4x6 4x6", .gain = 5000, .kinky = true},
    {"empty", "0x4 0x4", .error = "the batch is empty"},
    {"a column and a vector", "4x1 4", .error = "both inputs must have one shape"},
    {"target is ids", "4 4i2", .error = "target must be f32, f64 or bf16"},
    {"x is ids", "4i2 4", .error = "x must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_bce_logits = {.name = "bce_logits",
                                    .inputs = {"x", "target"},
                                    .shape = ops_pair_loss,
                                    .expand = expand,
                                    .ref = ref,
                                    .cases = cases,
                                    .backward = N_("dx = (sigmoid(x) - target) * dloss / n: guess minus truth")};

nilu_tensor *nilu_bce_logits(nilu_tensor *x, nilu_tensor *target)
{
    return graph_node(&nilu_op_bce_logits, 2, (nilu_tensor *[]){x, target}, NULL);
}
