/* Broadcasting and its adjoint: what was spread over an axis is summed over it on the way back. */
#include "ops/ops.h"

nilu_tensor *ops_sum_to(nilu_tensor *t, nilu_shape shape)
{
    if (!t || base_same_shape(t->shape, shape))
        return t;
    nilu_axes spread = {0};
    int lead = t->shape.rank - shape.rank;
    for (int d = 0; d < t->shape.rank; d++)
        if (d < lead || (shape.dim[d - lead] == 1 && t->shape.dim[d] != 1))
            spread.at[spread.n++] = d;
    if (spread.n)
        t = nilu_sum(t, spread, false);
    return t && !base_same_shape(t->shape, shape) ? nilu_reshape(t, shape) : t;
}

nilu_tensor *ops_spread_to(nilu_tensor *t, nilu_shape shape)
{
    return !t || base_same_shape(t->shape, shape) ? t : nilu_broadcast_to(t, shape);
}

nilu_shape ops_reduced(nilu_shape s, nilu_axes axes, bool keep)
{
    nilu_shape out = NILU_SCALAR;
    for (int d = 0, a = 0; d < s.rank; d++) {
        bool gone = a < axes.n && axes.at[a] == d;
        a += gone;
        if (!gone || keep)
            out.dim[out.rank++] = gone ? 1 : s.dim[d];
    }
    return out;
}

nilu_tensor *ops_fill_like(nilu_tensor *t, double value)
{
    return t ? nilu_fill(t->node->g, t->dtype, t->shape, value) : NULL;
}

void ops_strides(nilu_shape s, nilu_shape loop, int64_t stride[NILU_MAX_RANK])
{
    int64_t step = 1;
    for (int d = loop.rank - 1, own = s.rank - 1; d >= 0; d--, own--) {
        stride[d] = own >= 0 && s.dim[own] != 1 ? step : 0;
        if (own >= 0)
            step *= s.dim[own];
    }
}
