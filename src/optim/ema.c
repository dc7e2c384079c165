/* Averages of the weights as they change (Polyak 1992, as an exponential average): of each parameter that the step assigns,
 * be it by the optimizer or as a running statistic, with its new value w at update u = 1, 2, ..
 *     a <- a + share (w - a),        share = max(1 - decay, 9 / (8 + u))
 * so the first average is the first weights themselves, and an early one soon forgets them. */
#include "optim/optim.h"

static nilu_tensor *as(nilu_tensor *t, nilu_dtype dtype)
{
    return t && t->dtype != dtype ? nilu_cast(t, dtype) : t;
}

void optim_ema(const optim_update *u)
{
    nilu_graph *g = u->g;
    nilu_tensor *early = nilu_div(optim_number(g, 9), nilu_shift(u->count, 8)), *shares[NILU_DTYPES] = {NULL};
    nilu_tensor *share = nilu_maximum(optim_number(g, 1 - u->o->ema), early);
    for (int i = 0, n = g->nnode; i < n && g->status == NILU_OK; i++) {
        nilu_node *w = g->node[i];
        if (w->op != &graph_op_param || !w->assigned)
            continue;
        nilu_dtype dtype = w->out[0].dtype == NILU_BF16 ? NILU_F32 : w->out[0].dtype;
        if (!shares[dtype])
            shares[dtype] = as(share, dtype);
        nilu_scope_push(g, w->name);
        nilu_tensor *old = nilu_state(g, "ema", dtype, w->out[0].shape, 0);
        nilu_tensor *next = nilu_add(old, nilu_mul(nilu_sub(as(w->assigned, dtype), old), shares[dtype]));
        nilu_assign(old, u->due ? nilu_where(u->due, next, old) : next);
        nilu_scope_pop(g);
    }
}
