/* Stochastic gradient descent:            w ← w − η g
 * with momentum (Polyak 1964):   v ← μ v + g,   w ← w − η v
 * Nesterov's (Sutskever et al. 2013, as PyTorch writes it):   w ← w − η (g + μ v) with the new v.
 * v starts at zero, so the first step of either has v = g. */
#include "optim/optim.h"

static nilu_tensor *descend(const optim_site *s, nilu_tensor *direction)
{
    return nilu_sub(s->w, nilu_mul(direction, s->k[0]));
}

static nilu_tensor *sgd(const optim_site *s)
{
    return descend(s, optim_decayed(s));
}

static nilu_tensor *velocity(const optim_site *s, nilu_tensor *g)
{
    nilu_tensor *v = optim_state(s, "velocity", 0);
    nilu_tensor *moved = nilu_add(nilu_scale(v, s->all->o->momentum), g);
    optim_keep(s, v, moved);
    return moved;
}

static nilu_tensor *momentum(const optim_site *s)
{
    return descend(s, velocity(s, optim_decayed(s)));
}

static nilu_tensor *nesterov(const optim_site *s)
{
    nilu_tensor *g = optim_decayed(s);
    return descend(s, nilu_add(g, nilu_scale(velocity(s, g), s->all->o->momentum)));
}

const optim_rule optim_sgd = {.name = "sgd", .otherwise = {.lr = 1e-3}, .step = sgd};
const optim_rule optim_momentum = {.name = "momentum", .otherwise = {.lr = 1e-3, .momentum = 0.9}, .step = momentum};
const optim_rule optim_nesterov = {.name = "nesterov", .otherwise = {.lr = 1e-3, .momentum = 0.9}, .step = nesterov};
