/* Who reads a layer's output: the layers whose inputs it becomes unchanged, on whatever way (reshaped, added to something,
 * put beside something); the answer; and what else. */
#include "forensics/forensics.h"

static int64_t last_dim(const nilu_tensor *t)
{
    return t->shape.rank ? t->shape.dim[t->shape.rank - 1] : 1;
}

/* Where the numbers at `from` of input k stand in the node's output, if it hands them on as they are; -1: it does not. */
static int64_t handed_on(const nilu_node *n, int k, int64_t from)
{
    const nilu_tensor *z = &n->out[0];
    if (n->op == &nilu_op_reshape)
        return from;
    if (n->op == &nilu_op_add && n->in[0] != n->in[1] && base_same_shape(n->in[0]->shape, n->in[1]->shape))
        return from;
    if (n->op == &nilu_op_concat && base_count(n->in[k]->shape) == last_dim(n->in[k]) && base_count(z->shape) == last_dim(z)) {
        for (int i = 0; i < k; i++)
            from += last_dim(n->in[i]);
        return from;
    }
    return -1;
}

int forensics_readers(const nilu_graph *g, int nodes, const nilu_tensor *answer, const forensics_site *site, int nsite, int from,
                      forensics_path *path, int room, bool *answers, const char **other)
{
    const nilu_tensor *a = site[from].a;
    int n = 0;
    int64_t *at = base_calloc(g->nl, (size_t)nodes + 1, sizeof *at); /* 1 + where a's numbers begin in a node's output */
    if (!at)
        return -1;
    at[a->node->id] = 1;
    *other = NULL;
    for (int id = a->node->id + 1; id < nodes; id++) {
        const nilu_node *node = g->node[id];
        for (int k = 0; k < node->nin; k++) {
            int64_t begins = node->in[k]->out == 0 && node->in[k]->node->id < id ? at[node->in[k]->node->id] : 0;
            if (!begins)
                continue;
            bool found = false;
            for (int i = 0; i < nsite && k == 0; i++)
                if (site[i].x == node->in[0] && site[i].w == (node->nin > 1 ? node->in[1] : NULL)) {
                    if (n < room)
                        path[n] = (forensics_path){i, begins - 1};
                    n++;
                    found = true;
                }
            int64_t next = found ? -1 : handed_on(node, k, begins - 1);
            if (next >= 0 && !at[id])
                at[id] = next + 1;
            else if (!found)
                *other = node->op->name;
        }
    }
    *answers = at[answer->node->id] != 0;
    base_free(g->nl, at);
    return n;
}
