/* One neuron's four steps in the journey back: receive the error from everyone it spoke to, filter it by the slope of its own
 * function, owe input x error for each of its weights, pass error x weight on. Everything is read off a scene. */
#include "forensics/forensics.h"

#include <math.h>
#include <string.h>

/* Takes a term if it belongs to the largest; largest first. */
static void offer(nilu_terms *s, int room, nilu_term t)
{
    s->of++;
    s->total += t.product;
    s->left += t.left;
    int at = s->n < room ? s->n++ : room;
    if (at == room && !(fabs(t.product) > fabs(s->term[room - 1].product)))
        return;
    at = at == room ? room - 1 : at;
    for (; at > 0 && fabs(t.product) > fabs(s->term[at - 1].product); at--)
        s->term[at] = s->term[at - 1];
    s->term[at] = t;
}

/* Where a layer's inputs come from: stretches of them are other layers' outputs; the rest is the sample's, or cannot be said. */
#define PATHS 64
typedef struct origins {
    int n;
    struct {
        int layer;
        int64_t first, end;
    } at[PATHS];
} origins;

static bool find_origins(const nilu_scene *s, int reader, origins *o)
{
    forensics_path path[PATHS];
    bool answers;
    const char *other;
    o->n = 0;
    for (int i = 0; i < reader; i++) {
        int n = forensics_scene_readers(s, i, path, PATHS, &answers, &other);
        if (n < 0)
            return false;
        for (int k = 0; k < n && k < PATHS && o->n < PATHS; k++)
            if (path[k].site == reader) {
                o->at[o->n].layer = i;
                o->at[o->n].first = path[k].offset;
                o->at[o->n++].end = path[k].offset + forensics_scene_site(s, i)->out;
            }
    }
    return true;
}

/* Does the layer read channels that stand last in the sample's pixels? */
static bool turns_channels(const nilu_scene *s, int layer)
{
    const nilu_node *n = forensics_scene_site(s, layer)->x->node;
    for (; n->op->view && n->nin; n = n->in[0]->node)
        if (n->op == &nilu_op_transpose && n->out[0].shape.rank == 4)
            return true;
    return false;
}

/* An input that several layers put their outputs into, added, is named after the last of them. */
static void name_ends(const nilu_scene *scene, int layer, const origins *o, nilu_terms *s)
{
    int64_t map[3];
    const int reads = forensics_reads(scene, layer, map);
    const bool turned = reads == -1 && turns_channels(scene, layer);
    for (int i = 0; i < s->n; i++) {
        nilu_term *t = &s->term[i];
        t->layer = reads == -1 ? -1 : -2;
        if (turned)
            t->index = t->index % (map[1] * map[2]) * map[0] + t->index / (map[1] * map[2]);
        for (int k = o->n - 1; k >= 0 && t->layer < 0; k--)
            if (t->index >= o->at[k].first && t->index < o->at[k].end) {
                t->layer = o->at[k].layer;
                t->index -= o->at[k].first;
            }
    }
}

/* Every neuron of layer l that reads its input `in`, and the weight between. */
static void hear_from(const nilu_layer_view *l, int site, int64_t in, int terms, nilu_explanation *e)
{
    const nilu_window *w = l->window;
    const int64_t area = w ? w->kernel[0] * w->kernel[1] : 1, plane = w ? w->size[0] * w->size[1] : 1;
    const int64_t each = w ? w->channels / w->groups : 1, channel = in / plane, filters = w ? l->filters / w->groups : l->filters;
    const int64_t first = w ? channel / each * filters : 0;
    for (int64_t k = 0; k < area; k++) {
        int64_t place = 0, tap = in;
        if (w) {
            const int64_t row = in % plane / w->size[1] + w->padding[0] - k / w->kernel[1] * w->dilation[0];
            const int64_t column = in % w->size[1] + w->padding[1] - k % w->kernel[1] * w->dilation[1];
            if (row < 0 || column < 0 || row % w->stride[0] || column % w->stride[1] || row / w->stride[0] >= w->map[0] ||
                column / w->stride[1] >= w->map[1])
                continue;
            place = row / w->stride[0] * w->map[1] + column / w->stride[1];
            tap = channel % each * area + k;
        }
        for (int64_t f = first; f < first + filters; f++) {
            const int64_t j = f * l->places + place;
            const double weight = l->weight[tap * l->filters + f];
            offer(&e->heard, terms,
                  (nilu_term){.layer = site, .index = j, .place = j, .tap = tap, .left = l->delta[j], .right = weight, .product = l->delta[j] * weight});
        }
    }
}

static nilu_status hear(nilu_scene *s, nilu_start start, int terms, nilu_explanation *e)
{
    forensics_path path[PATHS];
    int n = forensics_scene_readers(s, e->layer, path, PATHS, &e->answers, &e->via);
    if (n < 0)
        return NILU_E_NO_MEMORY;
    for (int p = 0; p < n && p < PATHS; p++) {
        nilu_layer_view l;
        nilu_scene_layer(s, path[p].site, start, &l);
        hear_from(&l, path[p].site, path[p].offset + e->neuron, terms, e);
    }
    return NILU_OK;
}

/* Of an output under cross-entropy: the error is guess - truth. */
static void compare(const nilu_scene *s, nilu_explanation *e)
{
    const nilu_scene_options *o = forensics_scene_options(s);
    const char *loss = o->loss ? o->loss : o->task == NILU_TASK_CLASSES ? "cross_entropy" : "mse";
    nilu_verdict v;
    nilu_scene_verdict(s, &v);
    e->guess = e->truth = NAN;
    if (!e->answers || e->start != NILU_FROM_LOSS || strcmp(loss, "cross_entropy") != 0 || e->heard.of || e->via || e->out != v.outputs)
        return;
    double top = v.y[0], sum = 0;
    for (int64_t i = 1; i < v.outputs; i++)
        top = fmax(top, v.y[i]);
    for (int64_t i = 0; i < v.outputs; i++)
        sum += exp(v.y[i] - top);
    e->truth = e->neuron == v.label;
    e->guess = exp(v.y[e->neuron] - top) / sum;
    if (o->dtype != NILU_F64) /* as rounded as the error is */
        e->guess = e->received + e->truth;
}

nilu_status nilu_explain(nilu_scene *s, int layer, int64_t neuron, nilu_start start, int terms, nilu_explanation *e)
{
    nilu *nl = forensics_scene_context(s);
    nilu_layer_view l;
    if (terms < 1 || terms > NILU_TERMS)
        return base_fail(nl, NILU_E_USAGE, N_("nilu_explain: %d terms; give a number from 1 to %d"), terms, NILU_TERMS);
    if (!nilu_scene_layer(s, layer, start, &l))
        return base_fail(nl, NILU_E_RANGE, N_("layer %d: there are %d layers with weights (0 is the first)"), layer, nilu_scene_layers(s));
    if (neuron < 0 || neuron >= l.out)
        return base_fail(nl, NILU_E_RANGE, N_("%s, neuron %lld: the layer has %lld (0 is the first)"), l.name, (long long)neuron,
                         (long long)l.out);
    const int64_t f = neuron / l.places, p = neuron % l.places;
    *e = (nilu_explanation){.start = start, .layer = layer, .name = l.name, .activation = l.activation, .neuron = neuron, .in = l.taps,
                            .out = l.out, .filter = f, .place = p, .window = l.window, .biased = l.bias != NULL, .normed = l.normed,
                            .bias = l.bias ? l.bias[f] : 0, .z = l.z[neuron], .a = l.a[neuron], .slope = l.slope[neuron],
                            .received = l.received[neuron], .delta = l.delta[neuron]};
    for (int64_t k = 0; k < l.taps; k++) {
        const int64_t i = nilu_layer_input(&l, k, f, p);
        e->outside += i < 0;
        if (i < 0)
            continue;
        double x = l.x[i], w = l.weight[k * l.filters + f], delta = e->delta, all = forensics_ticket(&l, k, f);
        offer(&e->said, terms, (nilu_term){.index = i, .place = i, .tap = k, .left = x, .right = w, .product = x * w});
        offer(&e->own, terms, (nilu_term){.index = i, .place = i, .tap = k, .all = all, .left = x, .right = delta, .product = x * delta});
        offer(&e->passed, terms, (nilu_term){.index = i, .place = i, .tap = k, .left = w, .right = delta, .product = w * delta});
    }
    origins from;
    if (!find_origins(s, layer, &from))
        return NILU_E_NO_MEMORY;
    name_ends(s, layer, &from, &e->said);
    name_ends(s, layer, &from, &e->own);
    name_ends(s, layer, &from, &e->passed);
    NILU_TRY(hear(s, start, terms, e));
    compare(s, e);
    return NILU_OK;
}
