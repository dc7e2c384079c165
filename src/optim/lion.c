/* Lion (Chen et al. 2023): every weight moves by the same distance, in the direction of a sign.
 *     w ← w (1 − η λ) − η sign(β1 m + (1 − β1) g)      m ← β2 m + (1 − β2) g */
#include "optim/optim.h"

static void scalars(const optim_update *u, nilu_tensor *k[OPTIM_MAX_SCALARS])
{
    k[0] = u->rate;
    k[1] = nilu_shift(nilu_scale(u->rate, -u->o->decay), 1);
}

static nilu_tensor *lion(const optim_site *s)
{
    const nilu_optimizer_options *o = s->all->o;
    nilu_tensor *m = optim_state(s, "m", 0);
    nilu_tensor *move = nilu_sign(optim_average(m, s->g, 1 - o->beta1));
    optim_keep(s, m, optim_average(m, s->g, 1 - o->beta2));
    nilu_tensor *w = o->decay > 0 ? nilu_mul(s->w, s->k[1]) : s->w;
    return nilu_sub(w, nilu_mul(move, s->k[0]));
}

const optim_rule optim_lion = {.name = "lion", .otherwise = {.lr = 1e-4, .beta1 = 0.9, .beta2 = 0.99},
                               .scalars = scalars, .step = lion};
