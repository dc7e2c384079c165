/* group_norm: the channels of each sample, in groups, brought to mean 0 and variance 1, then scaled and shifted (Wu, He 2018).
 *     x [n, c, ..]   gamma, beta [c] (optional)   ->   y: x's shape
 *     y = (x - mean) / sqrt(variance + eps) · gamma + beta         mean and variance of each sample's c / groups channels
 * One group is a layer norm of the whole picture; as many as channels is an instance norm.
 * A composite of moments and elementwise ops; backward as layer_norm's, group by group.               */
#include "ops/ops.h"

struct group_norm {
    int64_t groups;
    double eps;
};

static nilu_status shape(nilu_build *b)
{
    const struct group_norm *t = b->attr;
    const nilu_shape x = b->in[0]->shape;
    NILU_TRY(ops_norm_need(b, t->eps));
    NILU_TRY(ops_norm_channels(b));
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, t->groups > 0 && x.dim[1] % t->groups == 0, N_("x has %lld channels, which %lld groups do not share evenly"),
                 (long long)x.dim[1], (long long)t->groups);
    nilu_shape rest = x;
    rest.dim[0] = 1;
    NILU_NEED(b, base_count(rest) > 0, N_("there is nothing to normalise in x"));
    return graph_out(b, 0, b->in[0]->dtype, x);
}

static nilu_tensor *expand(nilu_build *b)
{
    const struct group_norm *t = b->attr;
    nilu_tensor *x = b->in[0], *rows = nilu_reshape(x, NILU_SHAPE(x->shape.dim[0] * t->groups, base_count(x->shape) ? -1 : 1));
    if (base_count(x->shape) == 0)
        return nilu_reshape(x, x->shape);
    nilu_tensor *mean = nilu_moments(rows, NILU_AXES(1), true);
    nilu_tensor *y = nilu_reshape(ops_normalised(rows, mean, mean ? nilu_output(mean, 1) : NULL, t->eps), x->shape);
    y = b->nin > 1 ? nilu_mul(y, ops_channelwise(b->in[1], x->shape.rank)) : y;
    return b->nin > 2 ? nilu_add(y, ops_channelwise(b->in[2], x->shape.rank)) : y;
}

static nilu_status ref(const nilu_call *c)
{
    const struct group_norm *t = c->attr;
    const graph_around x = graph_split(c->in[0].shape, 1);
    const int64_t n = x.n / t->groups * x.inner;
    for (int64_t i = 0; i < c->in[0].n; i += n) {
        double mean, scale;
        ops_norm_group(c, n, (int64_t[]){i, 1}, t->eps, &mean, &scale);
        for (int64_t j = i; j < i + n; j++) {
            const int64_t channel = j / x.inner % x.n;
            call_put(c, 0, j, (call_get(c, 0, j) - mean) * scale * (c->nin > 1 ? call_get(c, 1, channel) : 1) + (c->nin > 2 ? call_get(c, 2, channel) : 0));
        }
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"an instance norm by hand", "1x2x2 2 2", .attr = "groups=2", .fill = "list 1 3 -5 5 10 20 0 6", .want = "[1, 2, 2] -10 10 -14 26", .kinky = true},
    {"one group by hand", "1x2x2", .attr = "groups=1", .fill = "list 1 3 3 1", .want = "[1, 2, 2] -1 1 1 -1"},
    {"eps by hand: variance 1 + 3", "1x1x2", .attr = "groups=1 eps=3", .fill = "list 1 3", .want = "[1, 1, 2] -0.5 0.5"},
    {"pictures", "2x6x3x2 6 6", .attr = "groups=3 eps=1e-5"},
    {"features", "3x6 6 6", .attr = "groups=2 eps=1e-5"},
    {"scaled only", "2x4x5 4", .attr = "groups=2 eps=1e-5"},
    {"no samples", "0x4x2", .attr = "groups=2"},
    {"no channels of samples", "3", .attr = "groups=1", .error = "x must be [samples, channels, ..]"},
    {"groups do not share", "1x4x2", .attr = "groups=3", .error = "x has 4 channels, which 3 groups do not share evenly"},
    {"no groups", "1x4x2", .error = "x has 4 channels, which 0 groups do not share evenly"},
    {"nothing to normalise", "1x4x0", .attr = "groups=2", .error = "there is nothing to normalise in x"},
    {"beta does not fit", "1x4x2 4 3", .attr = "groups=2", .error = "beta must be [4], a number for each channel"},
    {0}};

const nilu_op nilu_op_group_norm = {.name = "group_norm",
                                    .inputs = {"x", "gamma", "beta"},
                                    .attr_size = sizeof(struct group_norm),
                                    .fields = {NILU_INT(struct group_norm, groups), NILU_REAL(struct group_norm, eps)},
                                    .shape = shape,
                                    .expand = expand,
                                    .ref = ref,
                                    .cases = cases,
                                    .backward = N_("dx = r (g - mean(g) - n mean(g n)) in each group, g = dy * gamma")};

nilu_tensor *nilu_group_norm(nilu_tensor *x, nilu_tensor *gamma, nilu_tensor *beta, int64_t groups, double eps)
{
    return graph_node(&nilu_op_group_norm, beta ? 3 : gamma ? 2 : 1, (nilu_tensor *[]){x, gamma, beta}, &(struct group_norm){groups, eps});
}
