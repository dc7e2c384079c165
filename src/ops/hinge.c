/* hinge: the loss of the maximum margin (Vapnik): right by a margin of 1 costs nothing.
 *     x, target: one shape, targets -1 or 1   ->   loss [] = mean max(0, 1 - x · target)
 * A composite of elementwise ops.
 * Backward: δx = -target · δloss / n where x · target < 1, else 0;  δtarget likewise with x.       */
#include "ops/ops.h"

static nilu_tensor *expand(nilu_build *b)
{
    return nilu_mean(nilu_relu(nilu_shift(nilu_neg(nilu_mul(b->in[0], b->in[1])), 1)), NILU_ALL, false);
}

static nilu_status ref(const nilu_call *c)
{
    double sum = 0;
    for (int64_t i = 0; i < c->in[0].n; i++) {
        double short_of = 1 - call_get(c, 0, i) * call_get(c, 1, i);
        sum += short_of > 0 || short_of != short_of ? short_of : 0;
    }
    call_put(c, 0, 0, sum / (double)c->in[0].n);
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"by hand: 0.5, 0, 3, 0", "4 4", .fill = "list 0.5 2 2 -1 1 1 -1 -1", .want = "0.875", .kinky = true},
    {"undecided", "3 3", .fill = "list 0 0 0 1 -1 1", .want = "1"},
    {"scalar", "s s", .fill = "list -5 1", .want = "6"},
    {"random", "4x5 4x5"},
    {"longer than a block", "3x301 3x301", .kinky = true},
    {"scores of 5000", "4x6 4x6", .gain = 5000, .kinky = true},
    {"empty", "0x4 0x4", .error = "the batch is empty"},
    {"a column and a vector", "4x1 4", .error = "both inputs must have one shape"},
    {"target is ids", "4 4i2", .error = "target must be f32, f64 or bf16"},
    {"x is ids", "4i2 4", .error = "x must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_hinge = {.name = "hinge",
                               .inputs = {"x", "target"},
                               .shape = ops_pair_loss,
                               .expand = expand,
                               .ref = ref,
                               .cases = cases,
                               .backward = N_("dx = -target * dloss / n where x * target < 1")};

nilu_tensor *nilu_hinge(nilu_tensor *x, nilu_tensor *target)
{
    return graph_node(&nilu_op_hinge, 2, (nilu_tensor *[]){x, target}, NULL);
}
