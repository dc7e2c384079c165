/* Rates of each weight's own, from the squares of its gradients.
 * RMSprop (Tieleman, Hinton 2012):   s ← ρ s + (1 − ρ) g²,   w ← w − η g / (√s + ε);   with momentum μ the quotient goes
 *     through v ← μ v + g / (√s + ε),   w ← w − η v
 * Adagrad (Duchi et al. 2011):   s ← s + g²,   w ← w − η g / (√s + ε)
 * Adadelta (Zeiler 2012):   s ← ρ s + (1 − ρ) g²,   d = √(a + ε) / √(s + ε) · g,   a ← ρ a + (1 − ρ) d²,   w ← w − η d */
#include "optim/optim.h"

static nilu_tensor *rmsprop(const optim_site *s)
{
    const nilu_optimizer_options *o = s->all->o;
    nilu_tensor *g = optim_decayed(s), *squares = optim_state(s, "squares", 0);
    nilu_tensor *now = optim_average(squares, nilu_square(g), 1 - o->rho);
    optim_keep(s, squares, now);
    nilu_tensor *d = nilu_div(g, nilu_shift(nilu_sqrt(now), o->eps));
    if (o->momentum > 0) {
        nilu_tensor *v = optim_state(s, "velocity", 0);
        d = nilu_add(nilu_scale(v, o->momentum), d);
        optim_keep(s, v, d);
    }
    return nilu_sub(s->w, nilu_mul(d, s->k[0]));
}

static nilu_tensor *adagrad(const optim_site *s)
{
    nilu_tensor *g = optim_decayed(s), *squares = optim_state(s, "squares", 0);
    nilu_tensor *now = nilu_add(squares, nilu_square(g));
    optim_keep(s, squares, now);
    return nilu_sub(s->w, nilu_mul(nilu_div(g, nilu_shift(nilu_sqrt(now), s->all->o->eps)), s->k[0]));
}

static nilu_tensor *adadelta(const optim_site *s)
{
    const nilu_optimizer_options *o = s->all->o;
    nilu_tensor *g = optim_decayed(s), *squares = optim_state(s, "squares", 0), *moves = optim_state(s, "moves", 0);
    nilu_tensor *now = optim_average(squares, nilu_square(g), 1 - o->rho);
    optim_keep(s, squares, now);
    nilu_tensor *d = nilu_mul(nilu_div(nilu_sqrt(nilu_shift(moves, o->eps)), nilu_sqrt(nilu_shift(now, o->eps))), g);
    optim_keep(s, moves, optim_average(moves, nilu_square(d), 1 - o->rho));
    return nilu_sub(s->w, nilu_mul(d, s->k[0]));
}

const optim_rule optim_rmsprop = {.name = "rmsprop", .otherwise = {.lr = 1e-2, .rho = 0.99, .eps = 1e-8}, .step = rmsprop};
const optim_rule optim_adagrad = {.name = "adagrad", .otherwise = {.lr = 1e-2, .eps = 1e-10}, .step = adagrad};
const optim_rule optim_adadelta = {.name = "adadelta", .otherwise = {.lr = 1, .rho = 0.9, .eps = 1e-6}, .step = adadelta};
