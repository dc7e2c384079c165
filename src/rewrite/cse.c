/* Common subexpressions: two nodes of one op, one set of attributes and the same inputs compute the same value, so the
 * first stands for both. Random nodes differ in an attribute (their stream), so they are never joined by mistake. */
#include "rewrite/passes.h"

#include <string.h>

static uint64_t hash_of(const nilu_node *n)
{
    uint64_t h = base_hash_text(n->op->name);
    for (int k = 0; k < n->nin; k++)
        h = base_hash(&n->in[k], sizeof n->in[k], h);
    h = graph_attr_hash(n->op, n->attr, h);
    if (n->data)
        h = base_hash(n->data, (size_t)base_count(n->out[0].shape) * nilu_dtype_size(n->out[0].dtype), h);
    return h;
}

bool rewrite_equal(const nilu_node *a, const nilu_node *b)
{
    if (a->op != b->op || a->nin != b->nin || a->out[0].dtype != b->out[0].dtype ||
        !base_same_shape(a->out[0].shape, b->out[0].shape))
        return false;
    for (int k = 0; k < a->nin; k++)
        if (a->in[k] != b->in[k])
            return false;
    if (a->data)
        return memcmp(a->data, b->data, (size_t)base_count(a->out[0].shape) * nilu_dtype_size(a->out[0].dtype)) == 0;
    return graph_attr_equal(a->op, a->attr, b->attr);
}

nilu_status rewrite_cse(rewrite_job *job)
{
    nilu_graph *g = job->g;
    size_t cap = 64;
    while (cap < 2 * (size_t)g->nnode)
        cap *= 2;
    nilu_node **table = base_calloc(g->nl, cap, sizeof(nilu_node *));
    nilu_node **first = base_calloc(g->nl, (size_t)g->nnode + 1, sizeof(nilu_node *));
    nilu_status status = table && first ? NILU_OK : NILU_E_NO_MEMORY;
#define REDIRECT(t)                                                                                                    \
    do {                                                                                                               \
        if ((t) && first[(t)->node->id])                                                                               \
            (t) = &first[(t)->node->id]->out[(t)->out];                                                                \
    } while (0)
    for (int i = 0; i < g->nnode && status == NILU_OK; i++) {
        nilu_node *n = g->node[i];
        for (int k = 0; k < n->nin; k++)
            REDIRECT(n->in[k]);
        if (n->op->leaf && n->op != &graph_op_constant)
            continue;
        size_t slot = hash_of(n) & (cap - 1);
        while (table[slot] && !rewrite_equal(table[slot], n))
            slot = (slot + 1) & (cap - 1);
        if (table[slot])
            first[i] = table[slot];
        else
            table[slot] = n;
    }
    for (int i = 0; i < g->nnode && status == NILU_OK; i++)
        REDIRECT(g->node[i]->assigned);
    for (int i = 0; i < job->nfetch && status == NILU_OK; i++)
        REDIRECT(job->fetch[i]);
    base_free(g->nl, table);
    base_free(g->nl, first);
    return status;
}
