/* The passes in their order, and what all of them need: replacing a tensor by another, and putting the graph in order
 * again, without its dead nodes. */
#include "rewrite/passes.h"

#include <string.h>

void rewrite_replace(rewrite_job *job, nilu_tensor *old, nilu_tensor *new_one)
{
    for (int i = 0; i < job->g->nnode; i++) {
        nilu_node *n = job->g->node[i];
        for (int k = 0; k < n->nin; k++)
            if (n->in[k] == old)
                n->in[k] = new_one;
        if (n->assigned == old)
            n->assigned = new_one;
    }
    for (int i = 0; i < job->nfetch; i++)
        if (job->fetch[i] == old)
            job->fetch[i] = new_one;
}

/* Puts `n` behind its inputs, depth first without recursion: a chain may be as long as the graph. */
static int place(nilu_node *root, unsigned char *state, nilu_node **stack, nilu_node **order, int count)
{
    int depth = 0;
    stack[depth++] = root;
    while (depth) {
        nilu_node *n = stack[depth - 1];
        if (state[n->id] == 0) {
            state[n->id] = 1;
            for (int k = n->nin - 1; k >= 0; k--)
                if (state[n->in[k]->node->id] == 0)
                    stack[depth++] = n->in[k]->node;
        } else {
            depth--;
            if (state[n->id] == 1) {
                state[n->id] = 2;
                order[count++] = n;
            }
        }
    }
    return count;
}

nilu_status rewrite_tidy(rewrite_job *job)
{
    nilu_graph *g = job->g;
    size_t edges = 1;
    for (int i = 0; i < g->nnode; i++) {
        g->node[i]->id = i;
        edges += (size_t)g->node[i]->nin + 1;
    }
    unsigned char *state = base_calloc(g->nl, (size_t)g->nnode + 1, 1), *root = base_calloc(g->nl, (size_t)g->nnode + 1, 1);
    nilu_node **stack = base_calloc(g->nl, edges, sizeof *stack);
    nilu_node **order = base_calloc(g->nl, (size_t)g->nnode + 1, sizeof(nilu_node *));
    nilu_status status = NILU_E_NO_MEMORY;
    int count = 0;
    if (!state || !root || !stack || !order)
        goto cleanup;
    /* In the old order wherever that is possible: live nodes only, each with its inputs before it. */
    for (int i = 0; i < job->nfetch; i++)
        root[job->fetch[i]->node->id] = 1;
    for (int i = 0; i < g->nnode; i++)
        if (g->node[i]->assigned)
            root[i] = root[g->node[i]->assigned->node->id] = 1;
    for (int i = 0; i < g->nnode; i++)
        if (root[i] && state[i] != 2)
            count = place(g->node[i], state, stack, order, count);
    memcpy(g->node, order, (size_t)count * sizeof *order);
    g->nnode = count;
    for (int i = 0; i < count; i++)
        g->node[i]->id = i;
    status = graph_reindex(g);
cleanup:
    base_free(g->nl, state);
    base_free(g->nl, root);
    base_free(g->nl, stack);
    base_free(g->nl, order);
    return status;
}

static const struct {
    const char *name;
    nilu_status (*run)(rewrite_job *job);
} passes[] = {{"simplify", rewrite_simplify}, {"cse", rewrite_cse}, {"precision", rewrite_precision}, {"recompute", rewrite_recompute}, {"fuse", rewrite_fuse}, {"fold", rewrite_fold}};

const char *rewrite_pass_name(int i)
{
    return i >= 0 && (size_t)i < COUNT(passes) ? passes[i].name : NULL;
}

static bool named_in(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = list; p && (p = strstr(p, name)); p += n)
        if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == 0))
            return true;
    return false;
}

nilu_status rewrite_all(rewrite_job *job, const char *without)
{
    for (size_t i = 0; i < COUNT(passes); i++) {
        if (named_in(without, passes[i].name))
            continue;
        NILU_TRY(passes[i].run(job));
        NILU_TRY(graph_report(job->g));
        NILU_TRY(rewrite_tidy(job));
        NILU_TRY(graph_verify(job->g));
    }
    return NILU_OK;
}
