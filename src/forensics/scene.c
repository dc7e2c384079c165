/* The scene: one sample in a trained network. One plan computes the answer, the loss, the gap between the accused answer and
 * its rival, and walks the error back from either start; every layer's part in it is fetched. */
#include "forensics/scene.h"

#include <math.h>
#include <string.h>

static nilu_tensor *ones_like(nilu_tensor *t)
{
    return nilu_fill(nilu_tensor_graph(t), nilu_tensor_dtype(t), nilu_tensor_shape(t), 1);
}

/* Adds the way back from `start`, and puts its errors among the fetches. */
static nilu_status walk_back(nilu_scene *s, nilu_tensor *from, int start, nilu_tensor **fetch)
{
    int n = 1 + 2 * s->nlayer;
    nilu_tensor **wrt = base_calloc(s->nl, (size_t)n, sizeof *wrt), **error = base_calloc(s->nl, (size_t)n, sizeof *error);
    nilu_status status = wrt && error ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        wrt[0] = nilu_find(s->g, "x");
        for (int i = 0; i < s->nlayer; i++) {
            wrt[1 + 2 * i] = s->layer[i].site.a;
            wrt[2 + 2 * i] = s->layer[i].site.z;
        }
        status = nilu_grad(from, n, wrt, error);
    }
    if (status == NILU_OK)
        fetch[SCALARS + start] = error[0];
    for (int i = 0; i < s->nlayer && status == NILU_OK; i++) {
        const forensics_site *l = &s->layer[i].site;
        nilu_tensor **own = &fetch[HEAD + EACH * i], *back[2];
        own[RECEIVED + start] = error[1 + 2 * i];
        own[DELTA + start] = error[2 + 2 * i];
        if (!l->slides)
            continue;
        status = nilu_grad_from(l->product, error[2 + 2 * i], 2, (nilu_tensor *[]){l->x, l->w}, back);
        own[PASSED + start] = back[0];
        own[GRADIENT + start] = back[1];
    }
    base_free(s->nl, wrt);
    base_free(s->nl, error);
    return status;
}

/* ---- setting up */

static nilu_status build(nilu_scene *s, const nilu_model *model, nilu_tensor ***list)
{
    nilu_tensor *y;
    NILU_TRY(forensics_build(s->nl, model, 1, s->features, s->outputs, &s->g, &y));
    s->nlayer = forensics_sites(s->g, NULL, 0);
    s->layer = base_calloc(s->nl, (size_t)s->nlayer + 1, sizeof *s->layer);
    forensics_site *site = base_calloc(s->nl, (size_t)s->nlayer + 1, sizeof *site);
    if (s->layer && site)
        forensics_sites(s->g, site, s->nlayer);
    for (int i = 0; i < s->nlayer && s->layer && site; i++)
        s->layer[i].site = site[i];
    bool found = s->layer && site;
    s->site = site;
    s->forward = s->g->nnode;
    s->answer = y;
    nilu_tensor **fetch = *list = base_calloc(s->nl, (size_t)(HEAD + EACH * s->nlayer), sizeof *fetch);
    if (!found || !fetch)
        return NILU_E_NO_MEMORY;
    bool classes = s->options.task == NILU_TASK_CLASSES;
    nilu_tensor *truth = classes ? nilu_input(s->g, "label", NILU_I32, NILU_SHAPE(1))
                                 : nilu_input(s->g, "target", NILU_F32, NILU_SHAPE(1, s->outputs));
    nilu_tensor *direction = nilu_input(s->g, "direction", NILU_F32, NILU_SHAPE(1, s->outputs));
    fetch[0] = y;
    fetch[1] = nilu_loss(s->options.loss ? s->options.loss : classes ? "cross_entropy" : "mse", y, truth);
    fetch[2] = nilu_sum(nilu_mul(y, direction), NILU_ALL, false);
    NILU_TRY(nilu_graph_status(s->g));
    for (int i = 0; i < s->nlayer; i++) {
        forensics_site *l = &s->layer[i].site;
        nilu_tensor **own = &fetch[HEAD + EACH * i];
        for (int k = 0; k < EACH; k++)
            own[k] = y;
        own[X] = l->x;
        own[Z] = l->z;
        own[A] = l->a;
        NILU_TRY(nilu_grad_from(l->a, ones_like(l->a), 1, &l->z, &own[SLOPE]));
        if (l->u == l->z)
            continue;
        own[U] = l->u;
        NILU_TRY(nilu_grad_from(l->u, ones_like(l->u), 1, &l->z, &own[SCALE]));
    }
    NILU_TRY(walk_back(s, fetch[1], NILU_FROM_LOSS, fetch));
    NILU_TRY(walk_back(s, fetch[2], NILU_FROM_GAP, fetch));
    bool *depends = base_calloc(s->nl, (size_t)s->forward + 1, sizeof *depends);
    nilu_status status = depends ? forensics_add_roads(s, depends, list) : NILU_E_NO_MEMORY;
    base_free(s->nl, depends);
    return status;
}

/* n numbers of the stretch at *at, which begins after them. */
static double *cut(double **at, size_t n)
{
    double *own = *at;
    *at += n;
    return own;
}

/* Numbers that outlive the next step; row-major [in, out] weights. */
static nilu_status make_room(nilu_scene *s)
{
    size_t k = (size_t)s->outputs, n = (size_t)s->features;
    s->y = base_calloc(s->nl, 3 * k + n * (1 + NILU_STARTS), sizeof *s->y);
    if (!s->y)
        return NILU_E_NO_MEMORY;
    s->target = s->y + k;
    s->direction = s->target + k;
    s->x = s->direction + k;
    for (int start = 0; start < NILU_STARTS; start++)
        s->at_x[start] = s->x + n * (size_t)(1 + start);
    for (int i = 0; i < s->nlayer; i++) {
        scene_layer *l = &s->layer[i];
        const bool slides = l->site.slides, normed = l->site.u != l->site.z;
        size_t in = (size_t)l->site.in, out = (size_t)l->site.out, weights = (size_t)l->site.taps * (size_t)l->site.filters;
        double *at = base_calloc(s->nl, in * (slides ? 1 + NILU_STARTS : 2) + out * (3 + 2 * NILU_STARTS + (normed ? 2 : 0)) +
                                            (slides ? NILU_STARTS * weights : 0), sizeof *at);
        if (!at)
            return NILU_E_NO_MEMORY;
        l->x = cut(&at, in);
        l->z = cut(&at, out);
        l->a = cut(&at, out);
        l->slope = cut(&at, out);
        l->u = normed ? cut(&at, out) : NULL;
        l->scale = normed ? cut(&at, out) : NULL;
        for (int start = 0; start < NILU_STARTS; start++) {
            l->received[start] = cut(&at, out);
            l->delta[start] = cut(&at, out);
            l->gradient[start] = slides ? cut(&at, weights) : NULL;
            l->passed[start] = slides || !start ? cut(&at, in) : l->passed[0];
        }
    }
    return NILU_OK;
}

static const double *doubles(const nilu_value *v)
{
    return v->data;
}

/* The weights as doubles, whatever the plan computes in. */
static nilu_status take_weights(nilu_scene *s, const nilu_store *weights)
{
    nilu_store *wide = s->store;
    if (s->options.dtype != NILU_F64)
        NILU_TRY(forensics_weights(s->nl, weights, NILU_F64, &wide));
    nilu_status status = NILU_OK;
    for (int i = 0; i < s->nlayer && status == NILU_OK; i++) {
        scene_layer *l = &s->layer[i];
        size_t in = (size_t)l->site.taps, out = (size_t)l->site.filters;
        double *own = l->transposed = base_alloc(s->nl, (in * out + out) * sizeof *own);
        if (!own) {
            status = NILU_E_NO_MEMORY;
            break;
        }
        const double *w = doubles(nilu_store_find(wide, nilu_tensor_name(l->site.w)));
        for (size_t r = 0; r < in; r++)
            for (size_t c = 0; c < out; c++)
                own[r * out + c] = l->site.transposed ? w[c * in + r] : w[r * out + c];
        l->weight = own;
        if (l->site.b)
            l->bias = memcpy(own + in * out, doubles(nilu_store_find(wide, nilu_tensor_name(l->site.b))), out * sizeof *own);
    }
    if (wide != s->store)
        nilu_store_free(wide);
    return status;
}

nilu_status nilu_scene_new(nilu *nl, const nilu_model *model, const nilu_store *weights, int64_t features, int64_t outputs,
                           const nilu_scene_options *options, nilu_scene **scene)
{
    static const nilu_scene_options usual = NILU_SCENE_DEFAULT;
    *scene = NULL;
    if (options && options->size != sizeof *options)
        return base_fail(nl, NILU_E_USAGE, N_("nilu_scene_new: options.size is not sizeof(nilu_scene_options); start from NILU_SCENE_DEFAULT"));
    if (features < 1 || outputs < 1)
        return base_fail(nl, NILU_E_USAGE, N_("nilu_scene_new: %lld features and %lld outputs; there must be at least one of each"),
                         (long long)features, (long long)outputs);
    nilu_scene *s = base_calloc(nl, 1, sizeof *s);
    if (!s)
        return NILU_E_NO_MEMORY;
    s->nl = nl;
    s->options = options ? *options : usual;
    s->features = features;
    s->outputs = outputs;
    nilu_tensor **fetch = NULL;
    nilu_status status = forensics_weights(nl, weights, s->options.dtype, &s->store);
    if (status == NILU_OK)
        status = build(s, model, &fetch);
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    o.dtype = s->options.dtype;
    int known = s->store ? nilu_store_count(s->store) : 0;
    if (status == NILU_OK)
        status = nilu_compile(s->g, s->store, HEAD + EACH * s->nlayer + s->nroad, fetch, &o, &s->plan);
    if (status == NILU_OK && nilu_store_count(s->store) != known)
        status = base_fail(nl, NILU_E_MODEL, N_("%s: the trained weights do not hold it; was the model changed after training?"),
                           nilu_store_at(s->store, known)->name);
    base_free(nl, fetch);
    if (status == NILU_OK)
        status = make_room(s);
    if (status == NILU_OK)
        status = take_weights(s, weights);
    if (status == NILU_OK)
        *scene = s;
    else
        nilu_scene_free(s);
    return status;
}

void nilu_scene_free(nilu_scene *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->nlayer && s->layer; i++) {
        base_free(s->nl, s->layer[i].x);
        base_free(s->nl, s->layer[i].transposed);
    }
    base_free(s->nl, s->layer);
    base_free(s->nl, s->site);
    base_free(s->nl, s->road);
    base_free(s->nl, s->y);
    nilu_plan_free(s->plan);
    nilu_store_free(s->store);
    nilu_graph_free(s->g);
    base_free(s->nl, s);
}

static void take(const nilu_scene *s, int i, double *out, int64_t n)
{
    const void *data = nilu_fetched(s->plan, i);
    nilu_dtype dtype = nilu_fetched_dtype(s->plan, i);
    for (int64_t k = 0; k < n; k++)
        out[k] = base_load(dtype, data, k);
}

/* Filters [filters, taps] as [taps, filters]. */
static void take_turned(const nilu_scene *s, int i, double *out, const forensics_site *l)
{
    const void *data = nilu_fetched(s->plan, i);
    nilu_dtype dtype = nilu_fetched_dtype(s->plan, i);
    for (int64_t f = 0; f < l->filters; f++)
        for (int64_t k = 0; k < l->taps; k++)
            out[k * l->filters + f] = base_load(dtype, data, f * l->taps + k);
}

static int largest(const double *v, int64_t n, int but)
{
    int best = -1;
    for (int i = 0; i < n; i++)
        if (i != but && (best < 0 || v[i] > v[best]))
            best = i;
    return best;
}

/* Numbers go to the plan in its own arithmetic. Feeds are read by the step in place, so they live in the scene. */
static nilu_status run(nilu_scene *s)
{
    bool wide = s->options.dtype == NILU_F64;
    int64_t n = s->features, k = s->outputs;
    double *const wides[] = {s->x, s->target, s->direction};
    static const char *const names[] = {"x", "target", "direction"};
    int64_t counts[] = {n, k, k};
    float *narrow = wide ? NULL : base_alloc(s->nl, (size_t)(n + 2 * k) * sizeof *narrow), *at = narrow;
    if (!wide && !narrow)
        return NILU_E_NO_MEMORY;
    nilu_status status = NILU_OK;
    for (int i = 0; i < 3 && status == NILU_OK; i++) {
        if (i == 1 && s->options.task == NILU_TASK_CLASSES)
            continue;
        for (int64_t j = 0; j < counts[i] && !wide; j++)
            at[j] = (float)wides[i][j];
        status = nilu_feed(s->plan, names[i], wide ? (void *)wides[i] : at, (size_t)counts[i] * (wide ? sizeof(double) : sizeof(float)));
        at = wide ? at : at + counts[i];
    }
    if (status == NILU_OK && s->options.task == NILU_TASK_CLASSES)
        status = nilu_feed(s->plan, "label", &s->label, sizeof s->label);
    if (status == NILU_OK)
        status = nilu_step(s->plan);
    base_free(s->nl, narrow);
    return status;
}

nilu_status nilu_scene_look(nilu_scene *s, const float *x, int32_t label, const float *target, int accused)
{
    bool classes = s->options.task == NILU_TASK_CLASSES;
    if (classes && (label < 0 || label >= s->outputs))
        return base_fail(s->nl, NILU_E_RANGE, N_("nilu_scene_look: label %d, but there are %lld classes (0 is the first)"), (int)label,
                         (long long)s->outputs);
    if (accused < -1 || accused >= s->outputs)
        return base_fail(s->nl, NILU_E_RANGE, N_("nilu_scene_look: output %d is accused, but there are %lld (0 is the first)"), accused,
                         (long long)s->outputs);
    for (int64_t i = 0; i < s->features; i++)
        s->x[i] = (double)x[i];
    for (int64_t i = 0; i < s->outputs; i++) {
        s->target[i] = target ? (double)target[i] : 0;
        s->direction[i] = 0;
    }
    s->label = label;
    NILU_TRY(run(s));
    take(s, 0, s->y, s->outputs);
    s->accused = accused >= 0 ? accused : classes ? largest(s->y, s->outputs, -1) : 0;
    s->rival = !classes ? -1 : s->accused != label ? label : largest(s->y, s->outputs, s->accused);
    s->direction[s->accused] = 1;
    if (s->rival >= 0)
        s->direction[s->rival] = -1;
    NILU_TRY(run(s));
    take(s, 1, &s->loss, 1);
    take(s, 2, &s->gap, 1);
    for (int start = 0; start < NILU_STARTS; start++)
        take(s, SCALARS + start, s->at_x[start], s->features);
    for (int i = 0; i < s->nlayer; i++) {
        scene_layer *l = &s->layer[i];
        int f = HEAD + EACH * i;
        take(s, f + X, l->x, l->site.in);
        take(s, f + Z, l->z, l->site.out);
        take(s, f + A, l->a, l->site.out);
        take(s, f + SLOPE, l->slope, l->site.out);
        if (l->u) {
            take(s, f + U, l->u, l->site.out);
            take(s, f + SCALE, l->scale, l->site.out);
        }
        for (int start = 0; start < NILU_STARTS; start++) {
            take(s, f + RECEIVED + start, l->received[start], l->site.out);
            take(s, f + DELTA + start, l->delta[start], l->site.out);
            if (!l->site.slides)
                continue;
            take(s, f + PASSED + start, l->passed[start], l->site.in);
            take_turned(s, f + GRADIENT + start, l->gradient[start], &l->site);
        }
    }
    for (int i = 0; i < s->nroad; i++)
        if (s->road[i].fetched >= 0)
            take(s, s->road[i].fetched, &s->road[i].value, 1);
    return NILU_OK;
}

void nilu_scene_verdict(const nilu_scene *s, nilu_verdict *out)
{
    *out = (nilu_verdict){.outputs = s->outputs, .features = s->features, .y = s->y, .x = s->x, .loss = s->loss, .gap = s->gap,
                          .label = s->options.task == NILU_TASK_CLASSES ? s->label : -1, .accused = s->accused, .rival = s->rival,
                          .target = s->options.task == NILU_TASK_CLASSES ? NULL : s->target};
}

const double *nilu_scene_error(const nilu_scene *s, nilu_start start)
{
    return s->at_x[start];
}

int nilu_scene_layers(const nilu_scene *s)
{
    return s->nlayer;
}

bool nilu_scene_layer(nilu_scene *s, int i, nilu_start start, nilu_layer_view *out)
{
    if (i < 0 || i >= s->nlayer)
        return false;
    scene_layer *l = &s->layer[i];
    const forensics_site *site = &l->site;
    for (int64_t r = 0; r < site->in && !site->slides; r++) {
        double sum = 0;
        for (int64_t c = 0; c < site->out; c++)
            sum += l->weight[r * site->out + c] * l->delta[start][c];
        l->passed[start][r] = sum;
    }
    *out = (nilu_layer_view){.name = site->name, .activation = site->a == site->u ? "" : site->a->node->op->name, .in = site->in,
                             .out = site->out, .taps = site->taps, .filters = site->filters, .places = site->places,
                             .window = site->slides ? &site->window : NULL, .normed = site->u != site->z,
                             .weight_name = nilu_tensor_name(site->w), .bias_name = site->b ? nilu_tensor_name(site->b) : "",
                             .weight = l->weight, .bias = l->bias, .gradient = l->gradient[start], .x = l->x, .z = l->z, .a = l->a,
                             .slope = l->slope, .received = l->received[start], .delta = l->delta[start],
                             .passed = l->passed[start]};
    return true;
}

forensics_function forensics_function_of(const nilu_scene *s, int i)
{
    const scene_layer *l = &s->layer[i];
    const forensics_site *site = &l->site;
    forensics_function f = {NULL, {0, 0}, l->scale, l->u};
    if (site->a == site->u)
        return f;
    f.f = ops_scalar(site->a->node->op);
    ops_params(site->a->node, f.p);
    return f;
}

double forensics_moved(const forensics_function *f, const nilu_layer_view *v, int64_t j, double move)
{
    double u = f->scale ? f->u[j] + f->scale[j] * move : v->z[j] + move;
    return f->f ? f->f(u, 0, 0, f->p) : f->scale ? u : v->a[j] + move;
}

/* Ops that hand a map's channels on, each to itself. */
static bool keeps_channels(const nilu_node *n)
{
    return n->op == &nilu_op_max_pool || n->op == &nilu_op_avg_pool;
}

int forensics_reads(const nilu_scene *s, int i, int64_t map[3])
{
    const nilu_tensor *t = s->layer[i].site.x;
    bool told = false;
    map[0] = s->layer[i].site.in;
    map[1] = map[2] = 1;
    for (;; t = t->node->in[0]) {
        const nilu_shape *z = &t->shape;
        if ((z->rank == 4 || z->rank == 3) && !told) { /* from here on, at the latest, it is no longer flat */
            told = true;
            map[0] = z->dim[1];
            map[1] = z->rank == 4 ? z->dim[2] : 1;
            map[2] = z->dim[z->rank - 1];
        }
        for (int k = 0; k < i; k++)
            if (s->layer[k].site.a == t)
                return k;
        if (!(t->node->op->view || keeps_channels(t->node)) || t->node->nin == 0)
            return t == nilu_find(s->g, "x") ? -1 : -2;
    }
}

void nilu_scene_conservation(const nilu_scene *s, nilu_conservation *out)
{
    double roads;
    *out = (nilu_conservation){.gap = s->gap};
    for (int64_t i = 0; i < s->features; i++)
        out->inputs += s->x[i] * s->at_x[NILU_FROM_GAP][i];
    forensics_beside(s, -1, &out->biases, &roads);
    out->residual = s->gap - out->inputs - out->biases;
}

int forensics_scene_readers(const nilu_scene *s, int from, forensics_path *path, int room, bool *answers, const char **other)
{
    return forensics_readers(s->g, s->forward, s->answer, s->site, s->nlayer, from, path, room, answers, other);
}

const forensics_site *forensics_scene_site(const nilu_scene *s, int i)
{
    return &s->site[i];
}

const nilu_scene_options *forensics_scene_options(const nilu_scene *s)
{
    return &s->options;
}

nilu *forensics_scene_context(const nilu_scene *s)
{
    return s->nl;
}
