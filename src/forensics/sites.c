/* Finding the layers of a graph, and the copies that forensics works on. */
#include "forensics/forensics.h"

#include <string.h>

/* The one node that reads `t`; NULL if there are several or none. */
static nilu_node *only_reader(const nilu_graph *g, const nilu_tensor *t)
{
    nilu_node *found = NULL;
    for (int i = t->node->id + 1; i < g->nnode; i++)
        for (int k = 0; k < g->node[i]->nin; k++)
            if (g->node[i]->in[k] == t) {
                if (found && found != g->node[i])
                    return NULL;
                found = g->node[i];
            }
    return found;
}

static bool is_param(const nilu_tensor *t, int rank)
{
    return t->node->op == &graph_op_param && t->shape.rank == rank;
}

/* "fc1" of the weight "fc1/weight"; a weight without scope stands for itself. */
static void name_layer(const nilu_tensor *w, char out[NILU_LAYER_NAME])
{
    const char *name = w->node->name, *slash = strrchr(name, '/');
    size_t n = slash ? (size_t)(slash - name) : strlen(name);
    snprintf(out, NILU_LAYER_NAME, "%.*s", (int)(n < NILU_LAYER_NAME ? n : NILU_LAYER_NAME - 1), name);
}

static bool find_site(const nilu_graph *g, const nilu_node *n, forensics_site *s)
{
    if (n->origin || n->op != &nilu_op_matmul || n->in[0]->shape.rank != 2 || !is_param(n->in[1], 2) || is_param(n->in[0], 2) ||
        *(const bool *)graph_attr_find(n, "ta"))
        return false;
    *s = (forensics_site){.x = n->in[0], .w = n->in[1], .z = (nilu_tensor *)&n->out[0]};
    s->transposed = *(const bool *)graph_attr_find(n, "tb");
    s->in = s->x->shape.dim[1];
    s->out = s->z->shape.dim[1];
    name_layer(s->w, s->name);
    nilu_node *reader = only_reader(g, s->z);
    for (int k = 0; reader && reader->op == &nilu_op_add && k < 2; k++)
        if (reader->in[1 - k] == s->z && is_param(reader->in[k], 1) && base_same_shape(reader->out[0].shape, s->z->shape)) {
            s->b = reader->in[k];
            s->z = &reader->out[0];
            reader = only_reader(g, s->z);
            break;
        }
    bool acts = reader && reader->op->elementwise && reader->nin == 1 && reader->op->grad;
    s->a = acts ? &reader->out[0] : s->z;
    return true;
}

int forensics_sites(const nilu_graph *g, forensics_site *site, int room)
{
    int n = 0;
    forensics_site s;
    for (int i = 0; i < g->nnode; i++)
        if (find_site(g, g->node[i], &s)) {
            if (n < room)
                site[n] = s;
            n++;
        }
    return n;
}

nilu_status forensics_weights(nilu *nl, const nilu_store *weights, nilu_dtype dtype, nilu_store **copy)
{
    *copy = nilu_store_new(nl);
    nilu_status status = *copy ? NILU_OK : NILU_E_NO_MEMORY;
    for (int i = 0; i < nilu_store_count(weights) && status == NILU_OK; i++) {
        const nilu_value *v = nilu_store_at(weights, i);
        if (v->kind != NILU_PARAM)
            continue;
        nilu_dtype own = v->dtype == NILU_F32 || v->dtype == NILU_F64 ? dtype : v->dtype;
        status = nilu_store_put(*copy, v->kind, v->name, own, v->shape, own == v->dtype ? v->data : NULL);
        if (status != NILU_OK || own == v->dtype)
            continue;
        void *data = nilu_store_find(*copy, v->name)->data;
        for (int64_t k = 0; k < base_count(v->shape); k++)
            base_store(own, data, k, base_load(v->dtype, v->data, k));
    }
    if (status == NILU_OK)
        return status;
    nilu_store_free(*copy);
    *copy = NULL;
    return status;
}

nilu_status forensics_build(nilu *nl, const nilu_model *model, int64_t n, int64_t features, int64_t outputs, nilu_graph **g,
                            nilu_tensor **y)
{
    *g = nilu_graph_new(nl);
    if (!*g)
        return NILU_E_NO_MEMORY;
    nilu_tensor *x = nilu_input(*g, "x", NILU_F32, nn_input_shape(model, n, features));
    nilu_status status = nilu_graph_status(*g);
    if (status == NILU_OK)
        status = nilu_model_build(model, x, outputs, false, y);
    if (status == NILU_OK)
        return status;
    nilu_graph_free(*g);
    *g = NULL;
    return status;
}
