/* Other worlds: the same network with something in it changed, many changes in one run, one in each row of a batch. The
 * graph is copied, and behind every layer's sum and every layer's output a place is made where a number can be moved or
 * held; so any architecture can be asked, and the trained weights are never touched. */
#include "forensics/forensics.h"

#include <string.h>

typedef struct handle { /* of a layer */
    char name[NILU_LAYER_NAME];
    int64_t in, out;
    float *nudge, *value; /* [worlds, out] */
    bool *hold;
} handle;

struct nilu_whatif {
    nilu *nl;
    int worlds;
    int64_t features, outputs;
    nilu_store *store;
    nilu_plan *plan;
    int nlayer;
    handle *layer;
    float *x; /* [worlds, features] */
    const float *y;
};

static nilu_tensor *place(nilu_tensor *t, const char *what, const forensics_site *s, nilu_dtype dtype)
{
    char name[NILU_LAYER_NAME + 16];
    snprintf(name, sizeof name, "%s/%s", what, s->name);
    return nilu_input(nilu_tensor_graph(t), name, dtype, nilu_tensor_shape(t));
}

typedef struct places {
    const forensics_site *site;
    int nsite;
} places;

/* Behind a layer's sum something can be added; what it puts out can be held. */
static nilu_tensor *changed(void *user, const nilu_node *n, nilu_tensor *t, nilu_tensor *const *twin)
{
    const places *p = user;
    (void)twin;
    for (int i = 0; i < p->nsite; i++) {
        const forensics_site *s = &p->site[i];
        if (s->z->node == n)
            t = nilu_add(t, place(t, "nudge", s, NILU_F32));
        if (s->a->node == n)
            t = nilu_where(place(t, "hold", s, NILU_BOOL), place(t, "value", s, NILU_F32), t);
    }
    return t;
}

static nilu_status feed_all(nilu_whatif *w)
{
    char name[NILU_LAYER_NAME + 16];
    NILU_TRY(nilu_feed(w->plan, "x", w->x, (size_t)(w->worlds * w->features) * sizeof(float)));
    for (int i = 0; i < w->nlayer; i++) {
        handle *h = &w->layer[i];
        size_t n = (size_t)(w->worlds * h->out);
        snprintf(name, sizeof name, "nudge/%s", h->name);
        NILU_TRY(nilu_feed(w->plan, name, h->nudge, n * sizeof(float)));
        snprintf(name, sizeof name, "value/%s", h->name);
        NILU_TRY(nilu_feed(w->plan, name, h->value, n * sizeof(float)));
        snprintf(name, sizeof name, "hold/%s", h->name);
        NILU_TRY(nilu_feed(w->plan, name, h->hold, n * sizeof(bool)));
    }
    return NILU_OK;
}

static nilu_status build(nilu_whatif *w, const nilu_model *model)
{
    nilu *nl = w->nl;
    nilu_graph *g = NULL, *to = nilu_graph_new(nl);
    nilu_tensor *y, *y2 = NULL;
    forensics_site *site = NULL;
    nilu_status status = to ? forensics_build(nl, model, w->worlds, w->features, w->outputs, &g, &y) : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        w->nlayer = forensics_sites(g, NULL, 0);
        site = base_calloc(nl, (size_t)w->nlayer + 1, sizeof *site);
        w->layer = base_calloc(nl, (size_t)w->nlayer + 1, sizeof *w->layer);
        status = site && w->layer ? NILU_OK : NILU_E_NO_MEMORY;
    }
    if (status == NILU_OK) {
        forensics_sites(g, site, w->nlayer);
        status = forensics_copy(g, y, changed, &(places){site, w->nlayer}, to, &y2);
    }
    for (int i = 0; i < w->nlayer && status == NILU_OK; i++) {
        handle *h = &w->layer[i];
        size_t n = (size_t)(w->worlds * site[i].out);
        memcpy(h->name, site[i].name, sizeof h->name);
        h->in = site[i].in;
        h->out = site[i].out;
        h->nudge = base_calloc(nl, 2 * n, sizeof(float) + sizeof(bool));
        if (!h->nudge)
            status = NILU_E_NO_MEMORY;
        else
            h->value = h->nudge + n, h->hold = (bool *)(h->value + n);
    }
    if (status == NILU_OK)
        status = nilu_compile(to, w->store, 1, &y2, NULL, &w->plan);
    if (status == NILU_OK)
        status = feed_all(w);
    base_free(nl, site);
    nilu_graph_free(g);
    nilu_graph_free(to);
    return status;
}

nilu_status nilu_whatif_new(nilu *nl, const nilu_model *model, const nilu_store *weights, int64_t features,
                            int64_t outputs, int worlds, nilu_whatif **whatif)
{
    *whatif = NULL;
    if (worlds < 1 || features < 1 || outputs < 1)
        return base_fail(
            nl, NILU_E_USAGE,
            N_("nilu_whatif_new: %d worlds, %lld features and %lld outputs; there must be at least one of each"),
            worlds, (long long)features, (long long)outputs);
    nilu_whatif *w = base_calloc(nl, 1, sizeof *w);
    if (!w)
        return NILU_E_NO_MEMORY;
    *w = (nilu_whatif){.nl = nl, .worlds = worlds, .features = features, .outputs = outputs};
    w->x = base_calloc(nl, (size_t)worlds * (size_t)features, sizeof *w->x);
    nilu_status status = w->x ? forensics_weights(nl, weights, NILU_F32, &w->store) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = build(w, model);
    if (status == NILU_OK)
        *whatif = w;
    else
        nilu_whatif_free(w);
    return status;
}

void nilu_whatif_free(nilu_whatif *w)
{
    if (!w)
        return;
    for (int i = 0; i < w->nlayer && w->layer; i++)
        base_free(w->nl, w->layer[i].nudge);
    base_free(w->nl, w->layer);
    base_free(w->nl, w->x);
    nilu_plan_free(w->plan);
    nilu_store_free(w->store);
    base_free(w->nl, w);
}

void nilu_whatif_reset(nilu_whatif *w, const float *x)
{
    for (int i = 0; i < w->worlds; i++)
        memcpy(w->x + i * w->features, x, (size_t)w->features * sizeof *x);
    for (int i = 0; i < w->nlayer; i++) {
        handle *h = &w->layer[i];
        memset(h->nudge, 0, (size_t)(w->worlds * h->out) * sizeof *h->nudge);
        memset(h->hold, 0, (size_t)(w->worlds * h->out) * sizeof *h->hold);
    }
}

float *nilu_whatif_x(nilu_whatif *w, int world)
{
    return world >= 0 && world < w->worlds ? w->x + world * w->features : NULL;
}

static nilu_status there(nilu_whatif *w, int world, int layer, int64_t neuron)
{
    if (world >= 0 && world < w->worlds && layer >= 0 && layer < w->nlayer && neuron >= 0 &&
        neuron < w->layer[layer].out)
        return NILU_OK;
    return base_fail(w->nl, NILU_E_RANGE,
                     N_("world %d, layer %d, neuron %lld: there is no such place in %d worlds of %d layers"), world,
                     layer, (long long)neuron, w->worlds, w->nlayer);
}

nilu_status nilu_whatif_hold(nilu_whatif *w, int world, int layer, int64_t neuron, double value)
{
    NILU_TRY(there(w, world, layer, neuron));
    handle *h = &w->layer[layer];
    h->hold[world * h->out + neuron] = true;
    h->value[world * h->out + neuron] = (float)value;
    return NILU_OK;
}

nilu_status nilu_whatif_nudge(nilu_whatif *w, int world, int layer, int64_t neuron, double amount)
{
    NILU_TRY(there(w, world, layer, neuron));
    handle *h = &w->layer[layer];
    h->nudge[world * h->out + neuron] += (float)amount;
    return NILU_OK;
}

nilu_status nilu_whatif_run(nilu_whatif *w)
{
    NILU_TRY(nilu_step(w->plan));
    w->y = nilu_fetched(w->plan, 0);
    return NILU_OK;
}

const float *nilu_whatif_y(const nilu_whatif *w, int world)
{
    return w->y && world >= 0 && world < w->worlds ? w->y + world * w->outputs : NULL;
}
