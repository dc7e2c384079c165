/* What normalisations share. They are composites: one visit for the moments, then a chain that fusion runs as one pass
 * together with whatever follows; and the way back becomes two passes in the same manner. So none of them has a kernel. */
#include "ops/ops.h"

#include <math.h>

nilu_status ops_norm_need(nilu_build *b, double eps)
{
    NILU_TRY(graph_same_float(b));
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, eps >= 0 && isfinite(eps), N_("eps is %g, but must be finite and not negative"), eps);
    return NILU_OK;
}

nilu_status ops_norm_last(nilu_build *b, int64_t axes)
{
    const nilu_shape x = b->in[0]->shape;
    char want[BASE_SHAPE_TEXT];
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, axes >= 1 && axes <= x.rank, N_("x has %d axes, of which %lld cannot be normalised together"), x.rank, (long long)axes);
    nilu_shape last = {.rank = (int)axes};
    for (int d = 0; d < last.rank; d++)
        last.dim[d] = x.dim[x.rank - last.rank + d];
    NILU_NEED(b, base_count(last) > 0, N_("there is nothing to normalise in x"));
    for (int k = 1; k < b->nin; k++)
        NILU_NEED(b, base_same_shape(b->in[k]->shape, last), N_("%s must be %s, a number for each of what is normalised together"),
                  b->op->inputs[k], base_shape_text(last, want));
    return NILU_OK;
}

nilu_status ops_norm_channels(nilu_build *b)
{
    const nilu_shape x = b->in[0]->shape;
    NILU_NEED(b, x.rank >= 2, N_("x must be [samples, channels, ..]"));
    for (int k = 1; k < b->nin; k++)
        NILU_NEED(b, b->in[k]->shape.rank == 1 && b->in[k]->shape.dim[0] == x.dim[1], N_("%s must be [%lld], a number for each channel"),
                  b->op->inputs[k], (long long)x.dim[1]);
    return NILU_OK;
}

nilu_axes ops_last_axes(int rank, int64_t n)
{
    nilu_axes axes = {.n = (int)n};
    for (int d = 0; d < axes.n; d++)
        axes.at[d] = rank - axes.n + d;
    return axes;
}

nilu_tensor *ops_channelwise(nilu_tensor *t, int rank)
{
    nilu_shape s = {.rank = rank - 1};
    for (int d = 0; d < s.rank; d++)
        s.dim[d] = d ? 1 : t->shape.dim[0];
    return t->shape.rank == s.rank ? t : nilu_reshape(t, s);
}

nilu_tensor *ops_normalised(nilu_tensor *x, nilu_tensor *mean, nilu_tensor *variance, double eps)
{
    return nilu_mul(nilu_sub(x, mean), nilu_rsqrt(nilu_shift(variance, eps)));
}

void ops_norm_group(const nilu_call *c, int64_t n, const int64_t *at, double eps, double *mean, double *scale)
{
    double sum = 0, squares = 0;
    for (int64_t j = 0; j < n; j++)
        sum += call_get(c, 0, at[0] + j * at[1]);
    *mean = sum / (double)n;
    for (int64_t j = 0; j < n; j++) {
        const double far = call_get(c, 0, at[0] + j * at[1]) - *mean;
        squares += far * far;
    }
    *scale = 1 / sqrt(squares / (double)n + eps);
}
