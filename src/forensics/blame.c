/* The case file of an answer: from the loss back to the sample, layer by layer. In each layer the slope names suspects,
 * neurons by error x (output - usual output), weights by what is unusual in them x input x error x over-reaction squared;
 * verify.c then runs the world in which each is mended, and by what was measured they are put in order.
 *
 * Invariant: nothing that is told of a suspect comes from the slope alone; predicted and measured change stand side by side. */
#include "forensics/forensics.h"

#include <math.h>
#include <string.h>

/* Deviations from the mean within which a weight is nothing special. Tampered weights came first in 99 of 100 trials from one
 * case when mended to this edge, in 46 and 47 of 50 when to 1 or 1.5 deviations, in 26 of 40
 * when set to 0 (digits, 784-64-32-10). */
#define USUAL 2.0

/* ---- setting up */

static nilu_status make_lists(nilu_blame *b)
{
    nilu *nl = b->nl;
    const nilu_blame_options *o = &b->options;
    size_t n = (size_t)b->features;
    b->baseline = base_calloc(nl, n, sizeof *b->baseline);
    b->x = base_calloc(nl, n, sizeof *b->x);
    b->heat = base_calloc(nl, n, 2 * sizeof *b->heat);
    b->restore = base_calloc(nl, n, sizeof *b->restore);
    b->input = base_calloc(nl, (size_t)o->inputs + 1, sizeof *b->input);
    b->layer = base_calloc(nl, (size_t)b->nlayer + 1, sizeof *b->layer);
    b->stop = base_calloc(nl, (size_t)b->nlayer + 1, sizeof *b->stop);
    if (o->group)
        b->group = base_alloc(nl, n * sizeof *b->group);
    if (!b->baseline || !b->x || !b->heat || !b->restore || !b->input || !b->layer || !b->stop ||
        (o->group && !b->group))
        return NILU_E_NO_MEMORY;
    b->path = b->heat + n;
    if (o->baseline)
        memcpy(b->baseline, o->baseline, n * sizeof *b->baseline);
    if (o->group)
        memcpy(b->group, o->group, n * sizeof *b->group);
    b->options.baseline = b->baseline;
    b->options.group = b->group;
    return NILU_OK;
}

/* What is usual in a layer: mean and deviation of its weights, and room for its suspects. */
static nilu_status survey(nilu_blame *b, int i)
{
    nilu_layer_view v;
    forensics_usual *l = &b->layer[i];
    if (!nilu_scene_layer(b->scene, i, NILU_FROM_GAP, &v))
        return NILU_OK;
    int64_t n = v.taps * v.filters;
    double sum = 0, squares = 0;
    for (int64_t k = 0; k < n; k++) {
        sum += v.weight[k];
        squares += v.weight[k] * v.weight[k];
    }
    l->mean = sum / (double)n;
    l->deviation = sqrt(fmax(squares / (double)n - l->mean * l->mean, 1e-300));
    l->output = base_calloc(b->nl, (size_t)v.out, sizeof *l->output);
    l->neuron = base_calloc(b->nl, (size_t)(2 * b->options.neurons + b->options.weights) + 1, sizeof *l->neuron);
    if (!l->output || !l->neuron)
        return NILU_E_NO_MEMORY;
    l->channel = l->neuron + b->options.neurons;
    l->weight = l->channel + b->options.neurons;
    return NILU_OK;
}

static nilu_status open_court(nilu_blame *b, const nilu_store *weights)
{
    const nilu_blame_options *o = &b->options;
    nilu_scene_options scene = NILU_SCENE_DEFAULT;
    nilu_attribute_options path = NILU_ATTRIBUTE_DEFAULT;
    scene.task = o->task;
    scene.loss = o->loss;
    path.baseline = o->baseline;
    b->scene = o->scene;
    if (!o->scene)
        NILU_TRY(nilu_scene_new(b->nl, b->model, weights, b->features, b->outputs, &scene, &b->scene));
    NILU_TRY(nilu_whatif_new(b->nl, b->model, weights, b->features, b->outputs, FORENSICS_WORLDS, &b->worlds));
    NILU_TRY(nilu_attributor_new(b->nl, b->model, weights, b->features, b->outputs, &path, &b->attributor));
    NILU_TRY(forensics_weights(b->nl, weights, NILU_F32, &b->store));
    b->nlayer = nilu_scene_layers(b->scene);
    NILU_TRY(make_lists(b));
    for (int i = 0; i < b->nlayer; i++)
        NILU_TRY(survey(b, i));
    return NILU_OK;
}

nilu_status nilu_blame_new(nilu *nl, const nilu_model *model, const nilu_store *weights, int64_t features,
                           int64_t outputs, const nilu_blame_options *options, nilu_blame **blame)
{
    static const nilu_blame_options usual = NILU_BLAME_DEFAULT;
    *blame = NULL;
    const nilu_blame_options *o = options ? options : &usual;
    if (o->size != sizeof *o)
        return base_fail(
            nl, NILU_E_USAGE,
            N_("nilu_blame_new: options.size is not sizeof(nilu_blame_options); start from NILU_BLAME_DEFAULT"));
    bool picture = o->height > 0 && o->width > 0 && o->channels > 0;
    if (o->neurons < 1 || o->weights < 1 || o->inputs < 1 || o->neurons > 4096 || o->weights > 4096 || o->inputs > 4096)
        return base_fail(
            nl, NILU_E_USAGE,
            N_("nilu_blame_new: %d neurons, %d weights and %d inputs are to be tried; each must be 1 to 4096"),
            o->neurons, o->weights, o->inputs);
    if (picture && (int64_t)o->height * o->width * o->channels != features)
        return base_fail(nl, NILU_E_USAGE, N_("nilu_blame_new: a picture of %d x %d x %d is not %lld features"),
                         o->height, o->width, o->channels, (long long)features);
    nilu_blame *b = base_calloc(nl, 1, sizeof *b);
    if (!b)
        return NILU_E_NO_MEMORY;
    *b = (nilu_blame){.nl = nl, .options = *o, .model = model, .features = features, .outputs = outputs};
    if (!picture)
        b->options.height = b->options.width = b->options.channels = 0;
    nilu_status status = open_court(b, weights);
    if (status == NILU_OK)
        *blame = b;
    else
        nilu_blame_free(b);
    return status;
}

void nilu_blame_free(nilu_blame *b)
{
    if (!b)
        return;
    for (int i = 0; i < b->nlayer && b->layer; i++) {
        base_free(b->nl, b->layer[i].output);
        base_free(b->nl, b->layer[i].neuron);
        base_free(b->nl, b->layer[i].harm);
    }
    void *const own[] = {b->baseline, b->x, b->heat, b->restore, b->input, b->layer, b->stop, b->group};
    for (size_t i = 0; i < COUNT(own); i++)
        base_free(b->nl, own[i]);
    if (!b->options.scene)
        nilu_scene_free(b->scene);
    nilu_whatif_free(b->worlds);
    nilu_attributor_free(b->attributor);
    nilu_store_free(b->store);
    base_free(b->nl, b);
}

#define ROWS 64
nilu_status nilu_blame_learn(nilu_blame *b, int64_t n, const float *x)
{
    nilu_graph *g = NULL;
    nilu_tensor *y, **fetch = base_calloc(b->nl, (size_t)b->nlayer + 1, sizeof *fetch);
    forensics_site *site = base_calloc(b->nl, (size_t)b->nlayer + 1, sizeof *site);
    float *rows = base_calloc(b->nl, (size_t)b->features, ROWS * sizeof *rows);
    nilu_plan *plan = NULL;
    nilu_status status = fetch && site && rows ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = forensics_build(b->nl, b->model, ROWS, b->features, b->outputs, &g, &y);
    if (status == NILU_OK) {
        forensics_sites(g, site, b->nlayer);
        for (int i = 0; i < b->nlayer; i++)
            fetch[i] = site[i].a;
        status = nilu_compile(g, b->store, b->nlayer, fetch, NULL, &plan);
    }
    if (status == NILU_OK)
        status = nilu_feed(plan, "x", rows, (size_t)b->features * ROWS * sizeof *rows);
    for (int i = 0; i < b->nlayer && status == NILU_OK; i++)
        memset(b->layer[i].output, 0, (size_t)site[i].out * sizeof(double));
    for (int64_t first = 0; first < n && status == NILU_OK; first += ROWS) {
        int64_t m = n - first < ROWS ? n - first : ROWS;
        memcpy(rows, x + first * b->features, (size_t)(m * b->features) * sizeof *rows);
        status = nilu_step(plan);
        for (int i = 0; i < b->nlayer && status == NILU_OK; i++) {
            const float *a = nilu_fetched(plan, i);
            for (int64_t k = 0; k < m * site[i].out; k++)
                b->layer[i].output[k % site[i].out] += (double)a[k] / (double)n;
        }
    }
    base_free(b->nl, fetch);
    base_free(b->nl, site);
    base_free(b->nl, rows);
    nilu_plan_free(plan);
    nilu_graph_free(g);
    return status;
}

/* ---- suspects, by the slope */

void forensics_keep(nilu_suspect *best, double *scores, int room, int *n, nilu_suspect new, double score)
{
    int at = *n < room ? (*n)++ : room;
    if (at == room && !(score > scores[room - 1]))
        return;
    at = at == room ? room - 1 : at;
    for (; at > 0 && score > scores[at - 1]; at--) {
        best[at] = best[at - 1];
        scores[at] = scores[at - 1];
    }
    best[at] = new;
    scores[at] = score;
}

static void suspect_neurons(nilu_blame *b, int i, const nilu_layer_view *v, double *scores)
{
    forensics_usual *l = &b->layer[i];
    l->neurons = 0;
    for (int64_t j = 0; j < v->out; j++) {
        double amount = v->a[j] * v->received[j], change = (l->output[j] - v->a[j]) * v->received[j];
        if (change < 0 || change > 0)
            forensics_keep(l->neuron, scores, b->options.neurons, &l->neurons,
                           (nilu_suspect){.layer = i,
                                          .neuron = j,
                                          .from = -1,
                                          .places = 1,
                                          .value = v->a[j],
                                          .mended = l->output[j],
                                          .ticket = v->received[j],
                                          .amount = amount,
                                          .predicted = change},
                           fabs(change));
    }
}

/* Whole maps of a convolution: each place put to what it usually is. */
static void suspect_channels(nilu_blame *b, int i, const nilu_layer_view *v, double *scores)
{
    forensics_usual *l = &b->layer[i];
    l->channels = 0;
    for (int64_t c = 0; c < v->filters && v->places > 1; c++) {
        nilu_suspect s = {.layer = i, .neuron = c, .from = -1, .places = v->places};
        for (int64_t j = c * v->places; j < (c + 1) * v->places; j++) {
            s.value += v->a[j] / (double)v->places;
            s.mended += l->output[j] / (double)v->places;
            s.ticket += v->received[j];
            s.amount += v->a[j] * v->received[j];
            s.predicted += (l->output[j] - v->a[j]) * v->received[j];
        }
        if (s.predicted < 0 || s.predicted > 0)
            forensics_keep(l->channel, scores, b->options.neurons, &l->channels, s, fabs(s.predicted));
    }
}

/* A weight as a suspect, without its ticket. */
static nilu_suspect weight_suspect(const forensics_usual *l, int i, const nilu_layer_view *v, int64_t tap, int64_t filter)
{
    double w = v->weight[tap * v->filters + filter];
    double over = fabs(w - l->mean) / l->deviation, edge = l->mean + (w > l->mean ? USUAL : -USUAL) * l->deviation;
    return (nilu_suspect){.layer = i, .neuron = filter, .from = tap, .places = v->places, .value = w,
                          .mended = over > USUAL ? edge : l->mean, .over = over};
}

/* What should become of the gap if weight (tap, filter) were larger by `by`: the sum of what its neurons would put out at all
 * its places. The neuron's own function is asked, not its slope: a weight that has closed a relu has no slope, but the error
 * that waits behind the relu is known. */
static double foresee(const nilu_layer_view *v, const forensics_function *f, int64_t tap, int64_t filter, double by)
{
    double sum = 0;
    for (int64_t p = 0; p < v->places; p++) {
        const int64_t in = nilu_layer_input(v, tap, filter, p), j = filter * v->places + p;
        if (in >= 0 && (v->received[j] < 0 || v->received[j] > 0))
            sum += v->received[j] * (forensics_moved(f, v, j, by * v->x[in]) - v->a[j]);
    }
    return sum;
}

/* Where input x error is largest. */
static int64_t main_place(const nilu_layer_view *v, int64_t tap, int64_t filter)
{
    int64_t best = 0;
    double most = -1;
    for (int64_t p = 0; p < v->places; p++) {
        const int64_t in = nilu_layer_input(v, tap, filter, p);
        const double part = in >= 0 ? fabs(v->x[in] * v->delta[filter * v->places + p]) : 0;
        if (part > most) {
            most = part;
            best = p;
        }
    }
    return best;
}

/* What the case at hand says of a weight: its ticket, its part, and what the gap should do with the mended weight. */
static void hear(const nilu_layer_view *v, const forensics_function *f, nilu_suspect *s)
{
    s->ticket = forensics_ticket(v, s->from, s->neuron);
    s->amount = s->value * s->ticket;
    s->place = main_place(v, s->from, s->neuron);
    s->predicted = foresee(v, f, s->from, s->neuron, s->mended - s->value);
}

/* The harm of weight (r, c): how much smaller the gap should be without what is unusual in it. */
static double harm(const forensics_usual *l, const nilu_layer_view *v, const forensics_function *f, int64_t r,
                   int64_t c)
{
    double w = v->weight[r * v->filters + c], away = w - l->mean, edge = USUAL * l->deviation;
    if (fabs(away) <= edge)
        return away * forensics_ticket(v, r, c);
    return -foresee(v, f, r, c, (away > 0 ? edge : -edge) - away);
}

static void suspect_weights(nilu_blame *b, int i, const nilu_layer_view *v, bool joint, int room, nilu_suspect *best,
                            double *scores, int *n)
{
    forensics_usual *l = &b->layer[i];
    forensics_function f = forensics_function_of(b->scene, i);
    for (int64_t r = 0; r < v->taps; r++)
        for (int64_t c = 0; c < v->filters && (joint || v->window || v->x[r] < 0 || v->x[r] > 0); c++) {
            double w = v->weight[r * v->filters + c], over = (w - l->mean) / l->deviation;
            double score = (joint ? l->harm[r * v->filters + c] : b->side * harm(l, v, &f, r, c)) * over * over;
            if (score > 0 && (*n < room || score > scores[room - 1]))
                forensics_keep(best, scores, room, n, weight_suspect(l, i, v, r, c), score);
        }
}

/* ---- the case */

static nilu_status look(nilu_blame *b, const float *x, int32_t label, const float *target, int accused)
{
    bool numbers = b->options.task == NILU_TASK_NUMBERS;
    NILU_TRY(nilu_scene_look(b->scene, x, label, target, accused));
    nilu_scene_verdict(b->scene, &b->verdict);
    if (numbers && accused < 0 && target) {
        int worst = 0;
        for (int k = 1; k < (int)b->outputs; k++)
            if (fabs(b->verdict.y[k] - (double)target[k]) > fabs(b->verdict.y[worst] - (double)target[worst]))
                worst = k;
        NILU_TRY(nilu_scene_look(b->scene, x, label, target, worst));
        nilu_scene_verdict(b->scene, &b->verdict);
    }
    b->target = numbers && target ? (double)target[b->verdict.accused] : 0;
    b->side = numbers && b->verdict.gap < b->target ? -1 : 1;
    memcpy(b->x, x, (size_t)b->features * sizeof *b->x);
    return NILU_OK;
}

/* The sums of a layer, and its suspects by the slope. */
static void walk_stop(nilu_blame *b, int i, double *scores)
{
    nilu_layer_view v;
    nilu_scene_layer(b->scene, i, NILU_FROM_GAP, &v);
    nilu_stop *stop = &b->stop[i];
    forensics_usual *l = &b->layer[i];
    *stop = (nilu_stop){.name = v.name,
                        .activation = v.activation,
                        .in = v.in,
                        .out = v.out,
                        .taps = v.taps,
                        .filters = v.filters,
                        .places = v.places,
                        .window = v.window,
                        .mean = l->mean,
                        .deviation = l->deviation,
                        .neuron = l->neuron,
                        .weight = l->weight,
                        .channel = l->channel};
    stop->reads = forensics_reads(b->scene, i, stop->map);
    for (int64_t r = 0; r < v.in; r++)
        stop->tickets += v.x[r] * v.passed[r];
    forensics_beside(b->scene, i, &stop->biases, &stop->roads);
    stop->residual = b->verdict.gap - stop->tickets - stop->biases - stop->roads;
    l->neurons = l->weights = l->channels = 0;
    if (i + 1 < b->nlayer) { /* those of the last layer are the answer itself */
        suspect_neurons(b, i, &v, scores);
        suspect_channels(b, i, &v, scores);
    }
    suspect_weights(b, i, &v, false, b->options.weights, l->weight, scores, &l->weights);
    forensics_function f = forensics_function_of(b->scene, i);
    for (int k = 0; k < l->weights; k++)
        hear(&v, &f, &l->weight[k]);
}

/* ---- predicted against measured, by rank */

typedef struct pair {
    double predicted, measured;
} pair;

static double rank(const pair *p, int n, int i, bool measured)
{
    double below = 0, same = 0, own = measured ? p[i].measured : p[i].predicted;
    for (int k = 0; k < n; k++) {
        double other = measured ? p[k].measured : p[k].predicted;
        below += other < own;
        same += !(other < own) && !(other > own);
    }
    return below + (same + 1) / 2;
}

static double spearman(const pair *p, int n)
{
    double mean = (n + 1) / 2.0, both = 0, first = 0, second = 0;
    for (int i = 0; i < n; i++) {
        double a = rank(p, n, i, false) - mean, c = rank(p, n, i, true) - mean;
        both += a * c;
        first += a * a;
        second += c * c;
    }
    return first > 0 && second > 0 ? both / sqrt(first * second) : NAN;
}

#define JUDGED 32
/* Over the neurons of all hidden layers whose part in the gap is largest. */
static void agree(const nilu_blame *b, nilu_case_file *out)
{
    nilu_suspect best[JUDGED];
    double scores[JUDGED];
    pair p[JUDGED];
    int n = 0;
    for (int i = 0; i < b->nlayer; i++)
        for (int k = 0; k < b->layer[i].neurons; k++)
            forensics_keep(best, scores, JUDGED, &n, b->layer[i].neuron[k], fabs(b->layer[i].neuron[k].predicted));
    for (int k = 0; k < n; k++)
        p[k] = (pair){best[k].predicted, best[k].measured};
    out->judged = n;
    out->agreement = spearman(p, n);
}

static nilu_status try_layers(nilu_blame *b)
{
    int room = b->nlayer * (2 * b->options.neurons + b->options.weights), n = 0;
    nilu_suspect **all = base_calloc(b->nl, (size_t)room + 1, sizeof *all);
    if (!all)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < b->nlayer; i++) {
        for (int k = 0; k < b->layer[i].neurons; k++)
            all[n++] = &b->layer[i].neuron[k];
        for (int k = 0; k < b->layer[i].channels; k++)
            all[n++] = &b->layer[i].channel[k];
        for (int k = 0; k < b->layer[i].weights; k++)
            all[n++] = &b->layer[i].weight[k];
    }
    nilu_status status = forensics_try(b, n, all);
    base_free(b->nl, all);
    return status;
}

nilu_status nilu_blame_case(nilu_blame *b, const float *x, int32_t label, const float *target, int accused,
                            nilu_case_file *out)
{
    double start = base_now();
    *out = (nilu_case_file){0};
    NILU_TRY(look(b, x, label, target, accused));
    int room = b->options.neurons > b->options.weights ? b->options.neurons : b->options.weights;
    double *scores = base_calloc(b->nl, (size_t)room, sizeof *scores);
    if (!scores)
        return NILU_E_NO_MEMORY;
    for (int i = b->nlayer - 1; i >= 0; i--)
        walk_stop(b, i, scores);
    base_free(b->nl, scores);
    NILU_TRY(try_layers(b));
    agree(b, out);
    for (int i = 0; i < b->nlayer; i++) {
        forensics_sort(b, b->layer[i].neurons, b->layer[i].neuron);
        forensics_sort(b, b->layer[i].weights, b->layer[i].weight);
        forensics_sort(b, b->layer[i].channels, b->layer[i].channel);
        b->stop[i].channels = b->layer[i].channels;
        b->stop[i].neurons = b->layer[i].neurons;
        b->stop[i].weights = b->layer[i].weights;
    }
    NILU_TRY(forensics_input(b, out));
    out->verdict = b->verdict;
    out->target = b->target;
    out->side = b->side;
    out->stops = b->nlayer;
    out->stop = b->stop;
    out->heat = b->heat;
    out->path = b->path;
    out->restore = b->restore;
    out->input = b->input;
    out->seconds = base_now() - start;
    return NILU_OK;
}

/* ---- several cases together */

static nilu_status add_harm(nilu_blame *b, int64_t n)
{
    for (int i = 0; i < b->nlayer; i++) {
        nilu_layer_view v;
        nilu_scene_layer(b->scene, i, NILU_FROM_GAP, &v);
        forensics_usual *l = &b->layer[i];
        forensics_function f = forensics_function_of(b->scene, i);
        if (!l->harm)
            l->harm = base_calloc(b->nl, (size_t)(v.taps * v.filters), sizeof *l->harm);
        if (!l->harm)
            return NILU_E_NO_MEMORY;
        for (int64_t r = 0; r < v.taps; r++)
            for (int64_t c = 0; c < v.filters && (v.window || v.x[r] < 0 || v.x[r] > 0); c++)
                l->harm[r * v.filters + c] += b->side * harm(l, &v, &f, r, c) / (double)n;
    }
    return NILU_OK;
}

typedef struct cases {
    int64_t n;
    const float *x, *targets;
    const int32_t *labels;
} cases;

static nilu_status look_at(nilu_blame *b, const cases *c, int64_t k)
{
    return look(b, c->x + k * b->features, c->labels ? c->labels[k] : 0,
                c->targets ? c->targets + k * b->outputs : NULL, -1);
}

/* The suspects of all cases by the slope. */
static nilu_status gather(nilu_blame *b, const cases *c, int room, nilu_suspect *best, int *have)
{
    double *scores = base_calloc(b->nl, (size_t)room, sizeof *scores);
    nilu_status status = scores ? NILU_OK : NILU_E_NO_MEMORY;
    for (int64_t k = 0; k < c->n && status == NILU_OK; k++) {
        status = look_at(b, c, k);
        if (status == NILU_OK)
            status = add_harm(b, c->n);
    }
    for (int i = 0; i < b->nlayer; i++) {
        nilu_layer_view v;
        nilu_scene_layer(b->scene, i, NILU_FROM_GAP, &v);
        if (status == NILU_OK && b->layer[i].harm)
            suspect_weights(b, i, &v, true, room, best, scores, have);
        base_free(b->nl, b->layer[i].harm);
        b->layer[i].harm = NULL;
    }
    base_free(b->nl, scores);
    return status;
}

/* What one case says of all suspects, added to theirs. */
static nilu_status hear_case(nilu_blame *b, int n, nilu_suspect *s, nilu_suspect *const *each)
{
    for (int k = 0; k < n; k++) {
        nilu_layer_view v;
        nilu_suspect own = s[k];
        nilu_scene_layer(b->scene, s[k].layer, NILU_FROM_GAP, &v);
        forensics_function f = forensics_function_of(b->scene, s[k].layer);
        hear(&v, &f, &own);
        s[k].place = own.place;
        s[k].ticket += b->side * own.ticket;
        s[k].amount += b->side * own.amount;
        s[k].predicted += b->side * own.predicted;
        s[k].measured *= b->side; /* what is there already is on the side of what is wrong */
        s[k].off *= b->side;
    }
    NILU_TRY(forensics_try(b, n, each));
    for (int k = 0; k < n; k++) {
        s[k].measured *= b->side;
        s[k].off *= b->side;
    }
    return NILU_OK;
}

#define TRIED 64
nilu_status nilu_blame_together(nilu_blame *b, int64_t n, const float *x, const int32_t *labels, const float *targets,
                                int want, nilu_suspect *out, int *found)
{
    nilu_suspect best[TRIED], *each[TRIED];
    const cases c = {n, x, targets, labels};
    int have = 0;
    *found = 0;
    nilu_status status = gather(b, &c, TRIED, best, &have);
    for (int k = 0; k < have; k++)
        each[k] = &best[k];
    for (int64_t k = 0; k < n && status == NILU_OK; k++) {
        status = look_at(b, &c, k);
        if (status == NILU_OK)
            status = hear_case(b, have, best, each);
    }
    NILU_TRY(status);
    b->side = 1;
    for (int k = 0; k < have; k++) {
        double *const mean[] = {&best[k].ticket, &best[k].amount, &best[k].predicted, &best[k].measured, &best[k].off};
        for (size_t i = 0; i < COUNT(mean); i++)
            *mean[i] /= (double)n;
        best[k].said = -1;
    }
    forensics_sort(b, have, best);
    *found = have < want ? have : want;
    memcpy(out, best, (size_t)*found * sizeof *out);
    return NILU_OK;
}
