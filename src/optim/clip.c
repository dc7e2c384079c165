/* Clipping: gradients that are too large are held back before the update uses them. */
#include "optim/optim.h"

/* Sums of squares are taken in each gradient's own arithmetic, their sum in f64. */
nilu_tensor *optim_norm(nilu_graph *g, int n, nilu_tensor *const *grads)
{
    nilu_tensor *sum = NULL;
    for (int i = 0; i < n; i++) {
        nilu_tensor *own = nilu_sum(nilu_square(grads[i]), NILU_ALL, false);
        own = nilu_cast(own, NILU_F64);
        sum = i == 0 ? own : nilu_add(sum, own);
    }
    return n ? nilu_sqrt(sum) : optim_number(g, 0);
}

/* PyTorch's clip_grad_norm_: min(1, most / (norm + 1e-6)). */
nilu_tensor *optim_shrink(nilu_graph *g, nilu_tensor *norm, double most)
{
    return nilu_minimum(nilu_div(optim_number(g, most), nilu_shift(norm, 1e-6)), optim_number(g, 1));
}
