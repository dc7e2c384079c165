/* kl: the divergence of the guess q from the truth p (Kullback, Leibler 1951), the mean over rows.
 *     log_q, p [n, k]   ->   loss [] = 1/n Σ_ic p_ic · (log p_ic - log_q_ic)
 * Where p is 0 nothing is owed, even at log_q = -inf. A composite of elementwise ops.
 * Backward: δlog_q = -p · δloss / n;  δp = (log p + 1 - log_q) · δloss / n where p > 0, else 0.    */
#include "ops/ops.h"

#include <math.h>

static nilu_status shape(nilu_build *b)
{
    NILU_TRY(ops_pair_loss(b));
    NILU_NEED(b, b->in[0]->shape.rank == 2, N_("both inputs must be [samples, classes]; is a reshape missing before it?"));
    return NILU_OK;
}

static nilu_tensor *expand(nilu_build *b)
{
    nilu_tensor *log_q = b->in[0], *p = b->in[1];
    nilu_tensor *zero = nilu_fill(b->g, p->dtype, NILU_SCALAR, 0), *one = nilu_fill(b->g, p->dtype, NILU_SCALAR, 1);
    nilu_tensor *some = nilu_gt(p, zero); /* log and log_q are kept away from the elements that owe nothing */
    nilu_tensor *apart = nilu_sub(nilu_log(nilu_where(some, p, one)), nilu_where(some, log_q, zero));
    nilu_tensor *owed = nilu_where(some, nilu_mul(p, apart), zero);
    return nilu_scale(nilu_sum(owed, NILU_ALL, false), 1.0 / (double)p->shape.dim[0]);
}

static nilu_status ref(const nilu_call *c)
{
    double sum = 0;
    for (int64_t i = 0; i < c->in[0].n; i++) {
        double p = call_get(c, 1, i);
        if (p > 0)
            sum += p * (log(p) - call_get(c, 0, i));
    }
    call_put(c, 0, 0, sum / (double)c->in[0].shape.dim[0]);
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"the same: nothing", "1x2 1x2", .fill = "list -0.6931471805599453 -0.6931471805599453 0.5 0.5", .want = "0"},
    {"by hand: 3/4 ln 3/2 + 1/4 ln 1/2", "1x2 1x2", .fill = "list -0.6931471805599453 -0.6931471805599453 0.75 0.25",
     .want = "0.13081203594113697"},
    {"sure truth is cross-entropy: mean of 1 and 4", "2x2 2x2", .fill = "list -1 -2 -3 -4 1 0 0 1", .want = "2.5", .kinky = true},
    {"nothing is owed at -inf", "1x2 1x2", .fill = "list -0.5 -inf 1 0", .want = "0.5", .kinky = true},
    {"random", "4x5 4x5", .fill = "unit"},
    {"longer than a block", "3x301 3x301", .fill = "unit"},
    {"one class", "3x1 3x1", .fill = "unit"},
    {"empty", "0x4 0x4", .error = "the batch is empty"},
    {"vectors", "4 4", .error = "both inputs must be [samples, classes]"},
    {"a column and a matrix", "4x1 4x2", .error = "both inputs must have one shape"},
    {"p is ids", "4x2 4x2i2", .error = "p must be f32, f64 or bf16"},
    {"log_q is ids", "4x2i2 4x2", .error = "log_q must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_kl = {.name = "kl",
                            .inputs = {"log_q", "p"},
                            .shape = shape,
                            .expand = expand,
                            .ref = ref,
                            .cases = cases,
                            .backward = N_("dlog_q = -p * dloss / n")};

nilu_tensor *nilu_kl(nilu_tensor *log_q, nilu_tensor *p)
{
    return graph_node(&nilu_op_kl, 2, (nilu_tensor *[]){log_q, p}, NULL);
}
