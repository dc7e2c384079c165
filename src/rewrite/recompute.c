/* What costs less to compute again than to bring from memory is computed again where the error comes back. A normalised
 * picture, its distance from the mean and what relu made of it all follow from the one array that the convolution wrote; so
 * that array is all that is kept, and each chain on the way back begins with it.
 *
 * The node that a chain begins with must lie in memory anyway, or more would be stored and not less: it is no step that fusion
 * could swallow, and something that is no step reads it. Copies are made for each reader; a tape that gets two equal
 * ones computes them once. */
#include "rewrite/passes.h"

#define MOST_DEPTH 6

typedef struct chain {
    nilu_tensor *root; /* the one array of full size that it depends on; NULL: there is none, or several */
    int depth;
} chain;

typedef struct work {
    chain *chain; /* of each node */
    bool *anchored;
} work;

/* Steps that take less time than a number takes from memory. */
static bool cheap(const nilu_op *op)
{
    static const nilu_op *const all[] = {&nilu_op_add, &nilu_op_sub, &nilu_op_mul, &nilu_op_neg, &nilu_op_scale, &nilu_op_shift,
                                         &nilu_op_square, &nilu_op_relu, &nilu_op_heaviside, &nilu_op_maximum, &nilu_op_minimum};
    for (size_t i = 0; i < COUNT(all); i++)
        if (all[i] == op)
            return true;
    return false;
}

static bool is_step(const nilu_node *n)
{
    return n->op->elementwise && n->nout == 1 && n->out[0].dtype == NILU_F32;
}

static chain chain_of(const work *w, const nilu_node *n)
{
    chain c = {0};
    if (!is_step(n) || !cheap(n->op) || n->origin)
        return c;
    for (int k = 0; k < n->nin; k++) {
        nilu_tensor *t = n->in[k];
        if (!base_same_shape(t->shape, n->out[0].shape))
            continue; /* spread: small beside it */
        const chain *before = &w->chain[t->node->id];
        nilu_tensor *root = before->root ? before->root : t;
        if ((c.root && c.root != root) || !w->anchored[root->node->id] || before->depth >= MOST_DEPTH)
            return (chain){0};
        c.root = root;
        c.depth = c.depth > before->depth + 1 ? c.depth : before->depth + 1;
    }
    return c;
}

/* The value again, from its root on. */
static nilu_tensor *again(const work *w, nilu_tensor *t)
{
    const nilu_node *n = t->node;
    nilu_tensor *in[3];
    if (!w->chain[n->id].root)
        return t;
    for (int k = 0; k < n->nin; k++)
        in[k] = base_same_shape(n->in[k]->shape, n->out[0].shape) ? again(w, n->in[k]) : n->in[k];
    return graph_node(n->op, n->nin, in, n->attr);
}

/* Where relu is closed can be seen before it as well as behind it. */
static nilu_tensor *masked(const work *w, const nilu_node *reader, nilu_tensor *t)
{
    return reader->op == &nilu_op_heaviside && w->chain[t->node->id].root && t->node->op == &nilu_op_relu ? t->node->in[0] : t;
}

nilu_status rewrite_recompute(rewrite_job *job)
{
    nilu_graph *g = job->g;
    const int count = g->nnode;
    work w;
    w.chain = base_calloc(g->nl, (size_t)count + 1, sizeof *w.chain);
    w.anchored = base_calloc(g->nl, (size_t)count + 1, sizeof *w.anchored);
    if (!w.chain || !w.anchored)
        goto cleanup;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < g->node[i]->nin; k++) {
            const nilu_node *n = g->node[i], *maker = n->in[k]->node;
            if (!is_step(n) && n->op != &nilu_op_sum && !is_step(maker))
                w.anchored[maker->id] = true;
        }
    for (int i = 0; i < count; i++)
        w.chain[i] = chain_of(&w, g->node[i]);
    for (int i = 0; i < count && g->status == NILU_OK; i++) {
        nilu_node *n = g->node[i];
        if (!n->origin || !(is_step(n) || n->op == &nilu_op_sum))
            continue;
        g->origin = n->origin;
        for (int k = 0; k < n->nin && g->status == NILU_OK; k++)
            if (n->in[k] && base_same_shape(n->in[k]->shape, is_step(n) ? n->out[0].shape : n->in[k]->shape))
                n->in[k] = again(&w, masked(&w, n, n->in[k]));
        g->origin = NULL;
    }
cleanup:
    base_free(g->nl, w.chain);
    base_free(g->nl, w.anchored);
    return w.chain && w.anchored ? graph_report(g) : NILU_E_NO_MEMORY;
}
