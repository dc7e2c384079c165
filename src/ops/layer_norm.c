/* layer_norm: each sample's features brought to mean 0 and variance 1, then scaled and shifted (Ba, Kiros, Hinton 2016).
 *     x [.., last axes..]   gamma, beta [last axes..] (optional)   ->   y: x's shape
 *     y = (x - mean) / sqrt(variance + eps) · gamma + beta         mean and variance over the last `axes` axes
 * A composite of moments and elementwise ops. Backward, with r = 1 / sqrt(variance + eps), g = δy · gamma, n = (x - mean) r:
 *     δx = r (g - mean(g) - n · mean(g n))                                                             */
#include "ops/ops.h"

struct layer_norm {
    int64_t axes;
    double eps;
};

static nilu_status shape(nilu_build *b)
{
    const struct layer_norm *t = b->attr;
    NILU_TRY(ops_norm_need(b, t->eps));
    NILU_TRY(ops_norm_last(b, t->axes));
    return graph_out(b, 0, b->in[0]->dtype, b->in[0]->shape);
}

static nilu_tensor *expand(nilu_build *b)
{
    const struct layer_norm *t = b->attr;
    nilu_tensor *x = b->in[0], *mean = nilu_moments(x, ops_last_axes(x->shape.rank, t->axes), true);
    nilu_tensor *y = ops_normalised(x, mean, mean ? nilu_output(mean, 1) : NULL, t->eps);
    y = b->nin > 1 ? nilu_mul(y, b->in[1]) : y;
    return b->nin > 2 ? nilu_add(y, b->in[2]) : y;
}

static nilu_status ref(const nilu_call *c)
{
    const struct layer_norm *t = c->attr;
    const int64_t n = ops_walk_over(c->in[0].shape, ops_last_axes(c->in[0].shape.rank, t->axes), true).n;
    for (int64_t i = 0; i < c->in[0].n; i += n) {
        double mean, scale;
        ops_norm_group(c, n, (int64_t[]){i, 1}, t->eps, &mean, &scale);
        for (int64_t j = 0; j < n; j++)
            call_put(c, 0, i + j, (call_get(c, 0, i + j) - mean) * scale * (c->nin > 1 ? call_get(c, 1, j) : 1) + (c->nin > 2 ? call_get(c, 2, j) : 0));
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"by hand: variance 3 + 1", "1x4", .attr = "axes=1 eps=1", .fill = "list 1 1 5 1", .want = "-0.5 -0.5 1.5 -0.5"},
    {"eps by hand: variance 1 + 3", "1x2", .attr = "axes=1 eps=3", .fill = "list 1 3", .want = "-0.5 0.5"},
    {"scaled and shifted by hand", "1x2 2 2", .attr = "axes=1 eps=3", .fill = "list 1 3 10 20 5 6", .want = "0 16"},
    {"random", "4x7 7 7", .attr = "axes=1 eps=1e-5"},
    {"scaled only", "4x7 7", .attr = "axes=1 eps=1e-5"},
    {"two axes", "3x4x5 4x5 4x5", .attr = "axes=2 eps=1e-5"},
    {"rows longer than a block", "2x301 301 301", .attr = "axes=1 eps=1e-5"},
    {"one feature: eps alone", "3x1 1 1", .attr = "axes=1 eps=1e-3", .kinky = true},
    {"no samples", "0x3 3 3", .attr = "axes=1"},
    {"no axes", "2x3", .error = "x has 2 axes, of which 0 cannot be normalised together"},
    {"nothing to normalise", "2x0", .attr = "axes=1", .error = "there is nothing to normalise in x"},
    {"gamma does not fit", "2x3 2", .attr = "axes=1", .error = "gamma must be [3], a number for each"},
    {"eps negative", "2x3", .attr = "axes=1 eps=-1", .error = "eps is -1, but must be finite and not negative"},
    {"ids", "2x3i4", .attr = "axes=1", .error = "x must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_layer_norm = {.name = "layer_norm",
                                    .inputs = {"x", "gamma", "beta"},
                                    .attr_size = sizeof(struct layer_norm),
                                    .fields = {NILU_INT(struct layer_norm, axes), NILU_REAL(struct layer_norm, eps)},
                                    .shape = shape,
                                    .expand = expand,
                                    .ref = ref,
                                    .cases = cases,
                                    .backward = N_("dx = r (g - mean(g) - n mean(g n)), g = dy * gamma")};

nilu_tensor *nilu_layer_norm(nilu_tensor *x, nilu_tensor *gamma, nilu_tensor *beta, int axes, double eps)
{
    return graph_node(&nilu_op_layer_norm, beta ? 3 : gamma ? 2 : 1, (nilu_tensor *[]){x, gamma, beta}, &(struct layer_norm){axes, eps});
}
