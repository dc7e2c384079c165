/* Adam (Kingma, Ba 2015):
 *     m ← m + (1 − β1)(g − m)      v ← v + (1 − β2)(g² − v)
 *     w ← w − η / (1 − β1ᵗ) · m / (√v / √(1 − β2ᵗ) + ε)
 * AdamW (Loshchilov, Hutter 2019) first takes the decay from the weight itself: w ← w (1 − η λ). */
#include "optim/optim.h"

/* 1 - beta^t */
static nilu_tensor *correction(const optim_update *u, double beta)
{
    return nilu_shift(nilu_neg(nilu_pow(optim_number(u->g, beta), u->count)), 1);
}

void optim_adamw_scalars(const optim_update *u, nilu_tensor *rate, nilu_tensor *k[3])
{
    k[0] = nilu_div(rate, correction(u, u->o->beta1));
    k[1] = nilu_rsqrt(correction(u, u->o->beta2));
    k[2] = nilu_shift(nilu_scale(rate, -u->o->decay), 1);
}

static void scalars(const optim_update *u, nilu_tensor *k[OPTIM_MAX_SCALARS])
{
    optim_adamw_scalars(u, u->rate, k);
}

static nilu_tensor *change(const optim_site *s, nilu_tensor *g, double eps, nilu_tensor *const k[3])
{
    const nilu_optimizer_options *o = s->all->o;
    nilu_tensor *m = optim_state(s, "m", 0), *v = optim_state(s, "v", 0);
    nilu_tensor *m1 = optim_average(m, g, 1 - o->beta1), *v1 = optim_average(v, nilu_square(g), 1 - o->beta2);
    optim_keep(s, m, m1);
    optim_keep(s, v, v1);
    return nilu_mul(nilu_div(m1, nilu_shift(nilu_mul(nilu_sqrt(v1), k[1]), eps)), k[0]);
}

static nilu_tensor *adam(const optim_site *s)
{
    return nilu_sub(s->w, change(s, optim_decayed(s), s->all->o->eps, s->k));
}

nilu_tensor *optim_adamw_step(const optim_site *s, double eps, nilu_tensor *const k[3])
{
    nilu_tensor *w = s->all->o->decay > 0 ? nilu_mul(s->w, k[2]) : s->w;
    return nilu_sub(w, change(s, s->g, eps, k));
}

static nilu_tensor *adamw(const optim_site *s)
{
    return optim_adamw_step(s, s->all->o->eps, s->k);
}

#define BETAS .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8
const optim_rule optim_adam = {.name = "adam", .otherwise = {BETAS}, .scalars = scalars, .step = adam};
const optim_rule optim_adamw = {.name = "adamw", .otherwise = {BETAS, .decay = 0.01}, .scalars = scalars, .step = adamw};
