/* A graph once more, with something put in the place of what some of its nodes give. The copy is what other worlds and
 * other rules of the way back are built on: any architecture can be asked, since nothing is known of it but its nodes. */
#include "forensics/forensics.h"

#include <string.h>

/* A node of another graph once more, on other inputs. */
static nilu_tensor *again(nilu_graph *to, const nilu_node *n, nilu_tensor *const *in)
{
    if (n->op->leaf) {
        nilu_tensor *t = graph_leaf(to, n->op, n->name, n->attr, n->out[0].dtype, n->out[0].shape);
        size_t bytes = (size_t)base_count(n->out[0].shape) * nilu_dtype_size(n->out[0].dtype);
        if (!t)
            return NULL;
        t->node->init = n->init;
        if (n->data && (t->node->data = graph_alloc(to, bytes + 1)))
            memcpy(t->node->data, n->data, bytes);
        return t;
    }
    unsigned char attr[GRAPH_MAX_ATTR] = {0};
    if (n->op->attr_size)
        memcpy(attr, n->attr, n->op->attr_size);
    to->naming = n->name;
    nilu_tensor *t = n->nin ? graph_node(n->op, n->nin, in, attr) : graph_source(to, n->op, attr);
    to->naming = NULL;
    return t;
}

nilu_status forensics_copy(const nilu_graph *g, const nilu_tensor *y, forensics_change change, void *user,
                           nilu_graph *to, nilu_tensor **y2)
{
    nilu_tensor **twin = base_calloc(g->nl, (size_t)g->nnode + 1, sizeof *twin), *in[GRAPH_MAX_IN];
    if (!twin)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < g->nnode && to->status == NILU_OK; i++) {
        const nilu_node *n = g->node[i];
        for (int k = 0; k < n->nin; k++) {
            nilu_tensor *t = twin[n->in[k]->node->id];
            in[k] = n->in[k]->out ? nilu_output(t, n->in[k]->out) : t;
        }
        twin[i] = again(to, n, in);
        if (twin[i])
            twin[i] = change(user, n, twin[i], twin);
    }
    *y2 = to->status == NILU_OK ? twin[y->node->id] : NULL;
    base_free(g->nl, twin);
    return graph_report(to);
}
