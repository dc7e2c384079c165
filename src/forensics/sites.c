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

bool forensics_constant(const nilu_tensor *t)
{
    const nilu_node *n = t->node;
    if (n->op == &graph_op_input)
        return false;
    for (int k = 0; k < n->nin; k++)
        if (!forensics_constant(n->in[k]))
            return false;
    return true;
}

/* What `n` does to t alone is a constant factor, or adds what is constant; t's shape stays. */
static bool is_affine(const nilu_node *n, const nilu_tensor *t)
{
    if (!n || n->nin != 2 || !base_same_shape(n->out[0].shape, t->shape))
        return false;
    int k = n->in[0] == t ? 1 : 0;
    bool any = n->op == &nilu_op_add || n->op == &nilu_op_sub || n->op == &nilu_op_mul || (n->op == &nilu_op_div && k == 1);
    return any && n->in[k] != t && forensics_constant(n->in[k]);
}

static bool find_product(const nilu_node *n, forensics_site *s)
{
    if (n->origin || n->nin != 2 || is_param(n->in[0], n->in[0]->shape.rank))
        return false;
    const nilu_shape x = n->in[0]->shape, y = n->out[0].shape, w = n->in[1]->shape;
    *s = (forensics_site){.x = n->in[0], .w = n->in[1], .product = (nilu_tensor *)&n->out[0], .places = 1};
    if (n->op == &nilu_op_matmul && x.rank == 2 && is_param(s->w, 2) && !*(const bool *)graph_attr_find(n, "ta")) {
        s->transposed = *(const bool *)graph_attr_find(n, "tb");
        s->in = s->taps = x.dim[1];
        s->out = s->filters = y.dim[1];
        return true;
    }
    if (n->op != &nilu_op_conv || !is_param(s->w, w.rank))
        return false;
    const ops_slide_plan p = ops_conv_plan((const struct ops_conv *)n->attr, x, w, y);
    s->slides = s->transposed = true;
    s->in = p.channels * p.in[0] * p.in[1];
    s->filters = p.filters;
    s->places = p.out[0] * p.out[1];
    s->out = s->filters * s->places;
    s->taps = p.filters ? base_count(w) / p.filters : 0;
    s->window = (nilu_window){.channels = p.channels, .groups = p.groups};
    for (int d = 0; d < 2; d++) {
        s->window.size[d] = p.in[d];
        s->window.map[d] = p.out[d];
        s->window.kernel[d] = p.kernel[d];
        s->window.stride[d] = p.stride[d];
        s->window.dilation[d] = p.dilation[d];
        s->window.padding[d] = p.padding[d];
    }
    return true;
}

/* A parameter with a number for each filter, as a sum takes it. */
static nilu_tensor *bias_in(nilu_tensor *t, const forensics_site *s)
{
    nilu_tensor *from = s->slides && t->node->op == &nilu_op_reshape ? t->node->in[0] : t;
    bool fits = is_param(from, 1) && from->shape.dim[0] == s->filters;
    return fits && (!s->slides || (from != t && t->shape.dim[t->shape.rank - 1] == 1)) ? from : NULL;
}

static bool find_site(const nilu_graph *g, const nilu_node *n, forensics_site *s)
{
    if (!find_product(n, s))
        return false;
    s->z = s->product;
    name_layer(s->w, s->name);
    nilu_node *reader = only_reader(g, s->z);
    for (int k = 0; reader && reader->op == &nilu_op_add && k < 2 && !s->b; k++)
        if (reader->in[1 - k] == s->z && base_same_shape(reader->out[0].shape, s->z->shape) && (s->b = bias_in(reader->in[k], s)))
            s->z = &reader->out[0];
    s->u = s->z;
    for (reader = only_reader(g, s->u); is_affine(reader, s->u); reader = only_reader(g, s->u))
        s->u = &reader->out[0];
    bool acts = reader && reader->op->elementwise && reader->nin == 1 && reader->op->grad;
    s->a = acts ? &reader->out[0] : s->u;
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

int64_t forensics_weight_at(const forensics_site *s, int64_t tap, int64_t filter)
{
    return s->transposed ? filter * s->taps + tap : tap * s->filters + filter;
}

int64_t nilu_layer_input(const nilu_layer_view *l, int64_t tap, int64_t filter, int64_t place)
{
    const nilu_window *w = l->window;
    if (!w)
        return tap;
    const int64_t area = w->kernel[0] * w->kernel[1], group = filter / (l->filters / w->groups);
    const int64_t channel = group * (w->channels / w->groups) + tap / area, k = tap % area;
    const int64_t row = place / w->map[1] * w->stride[0] + k / w->kernel[1] * w->dilation[0] - w->padding[0];
    const int64_t column = place % w->map[1] * w->stride[1] + k % w->kernel[1] * w->dilation[1] - w->padding[1];
    if (row < 0 || row >= w->size[0] || column < 0 || column >= w->size[1])
        return -1;
    return (channel * w->size[0] + row) * w->size[1] + column;
}

double forensics_ticket(const nilu_layer_view *v, int64_t tap, int64_t filter)
{
    return v->gradient ? v->gradient[tap * v->filters + filter] : v->x[tap] * v->delta[filter];
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
