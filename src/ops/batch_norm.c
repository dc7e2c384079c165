/* batch_norm: each channel brought to mean 0 and variance 1 by moments that are given, then scaled and shifted (Ioffe,
 * Szegedy 2015).
 *     x [n, c, ..]   mean, variance [c]   gamma, beta [c] (optional)   ->   y: x's shape
 *     y = (x - mean) / sqrt(variance + eps) · gamma + beta
 * In training the moments are the batch's own, nilu_moments(x, all axes but 1), and errors pass through them; in use, or
 * where it is frozen, they are running statistics. A composite of elementwise ops. Backward, with r = 1 / sqrt(variance + eps):
 *     δx = δy · gamma · r   δmean = - Σ δx   δvariance = - Σ δx (x - mean) r² / 2                       */
#include "ops/ops.h"

#include <math.h>

struct batch_norm {
    double eps;
};

static nilu_status shape(nilu_build *b)
{
    const struct batch_norm *t = b->attr;
    NILU_TRY(ops_norm_need(b, t->eps));
    NILU_TRY(ops_norm_channels(b));
    return graph_out(b, 0, b->in[0]->dtype, b->in[0]->shape);
}

static nilu_tensor *expand(nilu_build *b)
{
    const struct batch_norm *t = b->attr;
    nilu_tensor *in[5] = {b->in[0]};
    for (int k = 1; k < b->nin; k++)
        if (!(in[k] = ops_channelwise(b->in[k], in[0]->shape.rank)))
            return NULL;
    nilu_tensor *y = ops_normalised(in[0], in[1], in[2], t->eps);
    y = b->nin > 3 ? nilu_mul(y, in[3]) : y;
    return b->nin > 4 ? nilu_add(y, in[4]) : y;
}

static nilu_status ref(const nilu_call *c)
{
    const struct batch_norm *t = c->attr;
    const graph_around x = graph_split(c->in[0].shape, 1);
    for (int64_t i = 0; i < c->in[0].n; i++) {
        const int64_t k = i / x.inner % x.n;
        call_put(c, 0, i, (call_get(c, 0, i) - call_get(c, 1, k)) / sqrt(call_get(c, 2, k) + t->eps) * (c->nin > 3 ? call_get(c, 3, k) : 1) +
                              (c->nin > 4 ? call_get(c, 4, k) : 0));
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"by hand", "1x2x2 2 2", .fill = "list 1 5 7 -3 3 2 4 25", .want = "[1, 2, 2] -1 1 1 -1"},
    {"scaled and shifted by hand", "1x1x2 1 1 1 1", .attr = "eps=3", .fill = "list 1 5 3 1 10 7", .want = "[1, 1, 2] -3 17"},
    {"pictures", "2x3x2x4 3 3 3 3", .attr = "eps=1e-5", .fill = "positive"},
    {"features", "5x3 3 3 3 3", .attr = "eps=1e-5", .fill = "positive"},
    {"scaled only", "2x3x4 3 3 3", .attr = "eps=1e-5", .fill = "positive"},
    {"no samples", "0x3x4 3 3", .attr = "eps=1e-5", .fill = "positive"},
    {"no channels of samples", "3 3 3", .error = "x must be [samples, channels, ..]"},
    {"variance does not fit", "1x3x2 3 2", .error = "variance must be [3], a number for each channel"},
    {"eps not a number", "1x3x2 3 3", .attr = "eps=nan", .error = "but must be finite and not negative"},
    {"ids", "1x3x2 3i4 3", .error = "mean must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_batch_norm = {.name = "batch_norm",
                                    .inputs = {"x", "mean", "variance", "gamma", "beta"},
                                    .attr_size = sizeof(struct batch_norm),
                                    .fields = {NILU_REAL(struct batch_norm, eps)},
                                    .shape = shape,
                                    .expand = expand,
                                    .ref = ref,
                                    .cases = cases,
                                    .backward = N_("dx = dy * gamma / sqrt(variance + eps); errors of mean and variance go on to where they are from")};

nilu_tensor *nilu_batch_norm(nilu_tensor *x, nilu_tensor *mean, nilu_tensor *variance, nilu_tensor *gamma, nilu_tensor *beta, double eps)
{
    return graph_node(&nilu_op_batch_norm, beta ? 5 : gamma ? 4 : 3, (nilu_tensor *[]){x, mean, variance, gamma, beta}, &(struct batch_norm){eps});
}
