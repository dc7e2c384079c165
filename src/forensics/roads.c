/* What adds up beside the weights of a scene's layers: constants that nodes add, and what goes past a layer, as a skip does. Each
 * is a road; what goes along it times its error is its part of the gap, so that the parts of every cut through the net add up. */
#include "forensics/scene.h"

#include <string.h>

/* Which nodes depend on what is said first to: `t`, or, NULL, on any input. */
static void mark(const nilu_scene *s, const nilu_tensor *t, bool *on)
{
    for (int id = 0; id < s->forward; id++) {
        const nilu_node *n = s->g->node[id];
        on[id] = t ? n == t->node : n->op == &graph_op_input;
        for (int k = 0; k < n->nin && !on[id]; k++)
            on[id] = on[n->in[k]->node->id];
    }
}

/* The part of input k of n in the error at n's output, which is `delta`, by way of n alone; NULL: it cannot be told from that
 * of n's other inputs, which come from it as well. */
static nilu_tensor *by_way_of(nilu_scene *s, const nilu_node *n, int k, nilu_tensor *delta, bool *on)
{
    nilu_tensor *v = n->in[k], *error = NULL;
    const bool whole = base_same_shape(v->shape, n->out[0].shape) && n->nin == 2 && n->in[0] != n->in[1];
    if (whole && n->op == &nilu_op_add)
        return delta;
    mark(s, v, on);
    for (int i = 0; i < n->nin; i++)
        if (i != k && on[n->in[i]->node->id])
            return NULL;
    return nilu_grad_from((nilu_tensor *)&n->out[0], delta, 1, &v, &error) == NILU_OK ? error : NULL;
}

static bool crosses(const nilu_scene *s, int from, int to)
{
    for (int i = 0; i < s->nlayer; i++)
        if (from < s->layer[i].site.product->node->id && s->layer[i].site.product->node->id < to)
            return true;
    return false;
}

/* Is what node n reads as input k such a road; does it add it, as a constant? */
static bool is_road(const nilu_scene *s, const nilu_node *n, int k, const bool *depends, bool *adds)
{
    const nilu_tensor *v = n->in[k];
    const bool sum = n->nin == 2 && (n->op == &nilu_op_add || n->op == &nilu_op_sub);
    *adds = sum && !depends[v->node->id] && depends[n->in[1 - k]->node->id];
    return *adds || (depends[v->node->id] && v->out == 0 && base_is_float(v->dtype) && base_is_float(n->out[0].dtype) &&
                     crosses(s, v->node->id, n->id));
}

/* The roads and the errors at the nodes that they lead to; returns how many there are. */
static int list_roads(const nilu_scene *s, const bool *depends, scene_road *list, nilu_tensor **wrt, int *input)
{
    int n = 0;
    bool adds;
    for (int id = 0; id < s->forward; id++)
        for (int k = 0; k < s->g->node[id]->nin && depends[id]; k++)
            if (is_road(s, s->g->node[id], k, depends, &adds)) {
                if (list) {
                    list[n] = (scene_road){adds ? -1 : s->g->node[id]->in[k]->node->id, id, -1, 0};
                    wrt[n] = &s->g->node[id]->out[0];
                    input[n] = k;
                }
                n++;
            }
    return n;
}

/* Puts a sum behind the fetches for every road: what goes along it times its error. */
static nilu_status follow_roads(nilu_scene *s, nilu_tensor **fetch, const nilu_tensor *gap, nilu_tensor **wrt, int *input, bool *on)
{
    nilu_tensor **error = wrt + s->nroad;
    int at = HEAD + EACH * s->nlayer;
    NILU_TRY(nilu_grad((nilu_tensor *)gap, s->nroad, wrt, error));
    for (int i = 0; i < s->nroad; i++) {
        scene_road *r = &s->road[i];
        const nilu_node *n = s->g->node[r->to];
        nilu_tensor *v = n->in[input[i]], *e = error[i];
        if (r->from >= 0)
            e = by_way_of(s, n, input[i], e, on);
        else if (n->op == &nilu_op_sub && input[i] == 1)
            e = nilu_neg(e);
        NILU_TRY(nilu_graph_status(s->g));
        if (!e)
            continue;
        r->fetched = at;
        fetch[at++] = nilu_sum(nilu_mul(e, v), NILU_ALL, false);
    }
    for (; at < HEAD + EACH * s->nlayer + s->nroad; at++)
        fetch[at] = fetch[0];
    return nilu_graph_status(s->g);
}

nilu_status forensics_add_roads(nilu_scene *s, bool *depends, nilu_tensor ***list)
{
    mark(s, NULL, depends);
    s->nroad = list_roads(s, depends, NULL, NULL, NULL);
    const size_t n = (size_t)s->nroad, all = (size_t)(HEAD + EACH * s->nlayer) + n;
    s->road = base_calloc(s->nl, n + 1, sizeof *s->road);
    nilu_tensor **fetch = base_calloc(s->nl, all, sizeof *fetch), **wrt = base_calloc(s->nl, 2 * n + 1, sizeof *wrt);
    int *input = base_calloc(s->nl, n + 1, sizeof *input);
    nilu_status status = s->road && fetch && wrt && input ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        memcpy(fetch, *list, (size_t)(HEAD + EACH * s->nlayer) * sizeof *fetch);
        base_free(s->nl, *list);
        *list = fetch;
        list_roads(s, depends, s->road, wrt, input);
        status = follow_roads(s, fetch, fetch[2], wrt, input, depends);
    } else {
        base_free(s->nl, fetch);
    }
    base_free(s->nl, wrt);
    base_free(s->nl, input);
    return status;
}

void forensics_beside(const nilu_scene *s, int i, double *offsets, double *roads)
{
    const int cut = i < 0 ? -1 : s->layer[i].site.product->node->id;
    *offsets = *roads = 0;
    for (int k = 0; k < s->nroad; k++) {
        const scene_road *r = &s->road[k];
        if (r->from < 0 && cut < r->to)
            *offsets += r->value;
        else if (r->from >= 0 && r->from < cut && cut < r->to)
            *roads += r->value;
    }
}
