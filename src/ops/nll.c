/* nll: negative log-likelihood, what log_softmax leaves of cross-entropy.
 *     log_p [n, k]   label [n]   ->   loss [] = -1/n Σ_i log_p[i, label(i)]
 * A composite of one_hot, where, sum and mean.
 * Backward: δlog_p = -δloss / n at the label, else 0.                                             */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    NILU_TRY(ops_need_labels(b));
    return graph_out(b, 0, b->in[0]->dtype, NILU_SCALAR);
}

static nilu_tensor *expand(nilu_build *b)
{
    nilu_tensor *log_p = b->in[0], *hot = nilu_one_hot(b->in[1], log_p->shape.dim[1], NILU_BOOL);
    nilu_tensor *chosen = nilu_where(hot, log_p, nilu_fill(b->g, log_p->dtype, NILU_SCALAR, 0));
    return nilu_neg(nilu_mean(nilu_sum(chosen, NILU_AXES(1), false), NILU_ALL, false));
}

static nilu_status ref(const nilu_call *c)
{
    int64_t n = c->in[0].shape.dim[0], k = c->in[0].shape.dim[1];
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t label;
        NILU_TRY(ops_label(c, i, k, &label));
        sum -= call_get(c, 0, i * k + label);
    }
    call_put(c, 0, 0, sum / (double)n);
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"by hand", "2x3 2i3", .fill = "list -1 -2 -3 -4 -5 -6 2 0", .want = "3.5"},
    {"what is not chosen may be -inf", "1x2 1i2", .fill = "list -inf -0.25 1", .want = "0.25", .kinky = true},
    {"one class", "3x1 3i1", .fill = "list -1 -2 -6 0 0 0", .want = "3"},
    {"random", "4x5 4i5"},
    {"longer than a block", "3x301 3i301"},
    {"many rows", "301x3 301i3"},
    {"gain of 5000", "4x6 4i6", .gain = 5000},
    {"label too large", "2x3 2i3", .fill = "list 1 2 3 4 5 6 0 3", .fault = "1 is 3, but there are 3 classes"},
    {"label negative", "2x3 2i3", .fill = "list 1 2 3 4 5 6 -1 0", .fault = "0 is -1, but there are 3 classes"},
    {"empty batch", "0x4 0i4", .error = "the batch is empty"},
    {"no classes", "3x0 3i1", .error = "log_p has no classes"},
    {"log_p is a vector", "3 3i3", .error = "log_p must be [samples, classes]"},
    {"label too short", "4x2 3i2", .error = "label must be [4], one class for each row of log_p"},
    {"label is floats", "4x2 4", .error = "label must be i32 or i64"},
    {"log_p is ids", "4x2i3 4i2", .error = "log_p must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_nll = {.name = "nll",
                             .inputs = {"log_p", "label"},
                             .shape = shape,
                             .nodiff = {[1] = N_("it is the number of a class")},
                             .expand = expand,
                             .ref = ref,
                             .cases = cases,
                             .backward = N_("dlog_p = -dloss / n at the label")};

nilu_tensor *nilu_nll(nilu_tensor *log_p, nilu_tensor *label)
{
    return graph_node(&nilu_op_nll, 2, (nilu_tensor *[]){log_p, label}, NULL);
}
