/* The order of instructions. Two orders are tried, the graph's own and one that at each point takes the node that leaves
 * the fewest bytes alive, and the one with the lower peak is kept. Both let the readers of a state go before the node that
 * computes its new value, wherever that closes no circle, so that it can be written in place. */
#include "plan/plan.h"

#include <string.h>

typedef struct ordering {
    nilu_graph *g;
    int *first, *after; /* nodes that must come after node i: after[first[i]] .. after[first[i + 1] - 1] */
    int edges;
    int (*edge)[2]; /* from, to */
    int edge_cap;
    int *mark, stamp, *stack;
} ordering;

const nilu_tensor *plan_root(const nilu_tensor *t)
{
    while (t->node->op->view)
        t = t->node->in[0];
    return t;
}

static nilu_status add_edge(ordering *o, int from, int to)
{
    NILU_TRY(base_grow(o->g->nl, &o->edge, &o->edge_cap, o->edges + 1, sizeof *o->edge));
    o->edge[o->edges][0] = from;
    o->edge[o->edges++][1] = to;
    return NILU_OK;
}

static nilu_status sort_edges(ordering *o)
{
    nilu *nl = o->g->nl;
    int n = o->g->nnode;
    base_free(nl, o->first);
    base_free(nl, o->after);
    o->first = base_calloc(nl, (size_t)n + 2, sizeof *o->first);
    o->after = base_calloc(nl, (size_t)o->edges + 1, sizeof *o->after);
    if (!o->first || !o->after)
        return NILU_E_NO_MEMORY;
    for (int e = 0; e < o->edges; e++)
        o->first[o->edge[e][0] + 1]++;
    for (int i = 0; i < n; i++)
        o->first[i + 1] += o->first[i];
    for (int e = 0; e < o->edges; e++)
        o->after[o->first[o->edge[e][0]]++] = o->edge[e][1];
    for (int i = n; i > 0; i--)
        o->first[i] = o->first[i - 1];
    o->first[0] = 0;
    return NILU_OK;
}

/* Does anything lead from `from` to `to`? Extra edges since the last sort are looked at too. */
static bool leads(ordering *o, int from, int to, int sorted)
{
    int depth = 0;
    o->stamp++;
    o->stack[depth++] = from;
    o->mark[from] = o->stamp;
    while (depth) {
        int id = o->stack[--depth];
        if (id == to)
            return true;
        for (int e = o->first[id]; e < o->first[id + 1]; e++)
            if (o->mark[o->after[e]] != o->stamp) {
                o->mark[o->after[e]] = o->stamp;
                o->stack[depth++] = o->after[e];
            }
        for (int e = sorted; e < o->edges; e++)
            if (o->edge[e][0] == id && o->mark[o->edge[e][1]] != o->stamp) {
                o->mark[o->edge[e][1]] = o->stamp;
                o->stack[depth++] = o->edge[e][1];
            }
    }
    return false;
}

static nilu_status readers_first(ordering *o)
{
    nilu_graph *g = o->g;
    int sorted = o->edges;
    for (int i = 0; i < g->nnode; i++) {
        const nilu_node *state = g->node[i];
        if (!state->assigned || plan_root(state->assigned)->node->op->leaf)
            continue;
        int writer = plan_root(state->assigned)->node->id;
        for (int j = 0; j < g->nnode; j++) {
            const nilu_node *n = g->node[j];
            bool reads = false;
            for (int k = 0; k < n->nin; k++)
                reads |= plan_root(n->in[k])->node == state;
            if (reads && j != writer && !n->op->view && !leads(o, writer, j, sorted))
                NILU_TRY(add_edge(o, j, writer));
        }
    }
    return sort_edges(o);
}

/* Kahn's algorithm. With `greedy`, of the nodes that could come next the one that makes memory grow least. */
static int sort(ordering *o, bool greedy, const nilu_node **order, double *peak, int *waits, int *left)
{
    nilu_graph *g = o->g;
    int count = 0, ready = 0, *list = o->stack;
    double live = 0;
    *peak = 0;
    memset(waits, 0, sizeof *waits * (size_t)g->nnode);
    memset(left, 0, sizeof *left * (size_t)g->nnode);
    for (int e = 0; e < o->edges; e++)
        waits[o->edge[e][1]]++;
    for (int i = 0; i < g->nnode; i++) /* left: reads of the root value that are still to come */
        for (int k = 0; k < g->node[i]->nin && !g->node[i]->op->view; k++)
            left[plan_root(g->node[i]->in[k])->node->id]++;
    for (int i = 0; i < g->nnode; i++)
        if (!waits[i])
            list[ready++] = i;
    while (ready) {
        int best = 0;
        double least = 0;
        for (int r = 0; r < ready; r++) {
            const nilu_node *n = g->node[list[r]];
            double grows = 0;
            if (greedy && !n->op->leaf && !n->op->view) {
                for (int k = 0; k < n->nout; k++)
                    grows += (double)base_count(n->out[k].shape) * (double)nilu_dtype_size(n->out[k].dtype);
                for (int k = 0; k < n->nin; k++) {
                    const nilu_node *root = plan_root(n->in[k])->node;
                    if (!root->op->leaf && left[root->id] == 1)
                        grows -= (double)base_count(root->out[0].shape) * (double)nilu_dtype_size(root->out[0].dtype);
                }
            }
            if (r == 0 || grows < least || (grows == least && list[r] < list[best]))
                best = r, least = grows;
        }
        const nilu_node *n = g->node[list[best]];
        list[best] = list[--ready];
        if (!n->op->leaf && !n->op->view) {
            order[count++] = n;
            for (int k = 0; k < n->nout; k++)
                live += (double)base_count(n->out[k].shape) * (double)nilu_dtype_size(n->out[k].dtype);
            *peak = live > *peak ? live : *peak;
            for (int k = 0; k < n->nin; k++) {
                const nilu_node *root = plan_root(n->in[k])->node;
                if (!root->op->leaf && --left[root->id] == 0)
                    for (int i = 0; i < root->nout; i++)
                        live -= (double)base_count(root->out[i].shape) * (double)nilu_dtype_size(root->out[i].dtype);
            }
        }
        for (int e = o->first[n->id]; e < o->first[n->id + 1]; e++)
            if (--waits[o->after[e]] == 0)
                list[ready++] = o->after[e];
    }
    return count;
}

int plan_order(nilu_graph *g, const nilu_node **order)
{
    nilu *nl = g->nl;
    size_t n = (size_t)g->nnode + 1;
    ordering o = {.g = g};
    int count = -1;
    double own = 0, greedy = 0;
    o.mark = base_calloc(nl, n, sizeof *o.mark);
    o.stack = base_calloc(nl, n, sizeof *o.stack);
    int *waits = base_calloc(nl, n, sizeof *waits), *left = base_calloc(nl, n, sizeof *left);
    const nilu_node **other = base_calloc(nl, n, sizeof(const nilu_node *));
    if (!o.mark || !o.stack || !waits || !left || !other)
        goto cleanup;
    for (int i = 0; i < g->nnode; i++)
        for (int k = 0; k < g->node[i]->nin; k++)
            if (add_edge(&o, g->node[i]->in[k]->node->id, i) != NILU_OK)
                goto cleanup;
    if (sort_edges(&o) != NILU_OK || readers_first(&o) != NILU_OK)
        goto cleanup;
    count = sort(&o, false, order, &own, waits, left);
    sort(&o, true, other, &greedy, waits, left);
    if (greedy < own)
        memcpy(order, other, sizeof *order * (size_t)count);
cleanup:
    base_free(nl, o.mark);
    base_free(nl, o.stack);
    base_free(nl, o.first);
    base_free(nl, o.after);
    base_free(nl, o.edge);
    base_free(nl, waits);
    base_free(nl, left);
    base_free(nl, other);
    return count;
}
