/* l1: mean absolute error.
 *     x, target: one shape   ->   loss [] = mean |x - target|
 * A composite of elementwise ops.
 * Backward: δx = sign(x - target) · δloss / n, 0 where they are equal;  δtarget = -δx.             */
#include "ops/ops.h"

#include <math.h>

static nilu_tensor *expand(nilu_build *b)
{
    return nilu_mean(nilu_abs(nilu_sub(b->in[0], b->in[1])), NILU_ALL, false);
}

static nilu_status ref(const nilu_call *c)
{
    double sum = 0;
    for (int64_t i = 0; i < c->in[0].n; i++)
        sum += fabs(call_get(c, 0, i) - call_get(c, 1, i));
    call_put(c, 0, 0, sum / (double)c->in[0].n);
    return NILU_OK;
}

static const nilu_case cases[] = {{"by hand", "2x2 2x2", .fill = "list 1 2 3 4 0 4 3 1", .want = "1.5", .gradient = "0.25 -0.25 0 0.25 -0.25 0.25 0 -0.25", .kinky = true},
                                  {"nothing is wrong", "3 3", .fill = "ones", .want = "0", .kinky = true},
                                  {"scalar", "s s", .fill = "list 5 7", .want = "2"},
                                  {"random", "4x5 4x5"},
                                  {"longer than a block", "3x301 3x301", .kinky = true},
                                  {"four axes", "2x3x4x5 2x3x4x5"},
                                  {"numbers of 5000", "4x6 4x6", .gain = 5000},
                                  {"empty", "0x4 0x4", .error = "the batch is empty"},
                                  {"a column and a vector", "4x1 4", .error = "both inputs must have one shape"},
                                  {"target is ids", "4 4i2", .error = "target must be f32, f64 or bf16"},
                                  {"x is ids", "4i2 4", .error = "x must be f32, f64 or bf16"},
                                  {0}};

const nilu_op nilu_op_l1 = {.name = "l1",
                            .inputs = {"x", "target"},
                            .shape = ops_pair_loss,
                            .expand = expand,
                            .ref = ref,
                            .cases = cases,
                            .backward = N_("dx = sign(x - target) * dloss / n")};

nilu_tensor *nilu_l1(nilu_tensor *x, nilu_tensor *target)
{
    return graph_node(&nilu_op_l1, 2, (nilu_tensor *[]){x, target}, NULL);
}
