/* What in the sample spoke for the accused answer: the gap between it and its rival, shared out over the features in
 * several ways. All but occlusion follow the error back; it asks other worlds.
 *   gradient x input       x_i d gap/dx_i
 *   integrated gradients   (x_i - b_i) times the mean of d gap/dx_i on the way from the baseline b to x: a Gauss-Legendre
 *                          sum whose points are the rows of one batch. Sundararajan, Taly, Yan 2017: the parts add up to
 *                          gap(x) - gap(b)
 *   LRP-epsilon            Bach et al. 2015, as a changed derivative: where a layer's function has the slope f'(z), the way
 *                          back takes f(z) / (z + epsilon sign z). Times x, this is LRP for all features at once (Ancona
 *                          et al. 2018)
 *   occlusion              gap(x) - gap(x with the feature restored to the baseline), run for every feature
 *   saliency               |d gap/dx_i| (Simonyan, Vedaldi, Zisserman 2014)
 *   smooth_grad            d gap/dx_i, the mean over noisy copies of x (Smilkov et al. 2017)
 *   grad_cam               where a layer's channels were open, each weighed by its mean error: cam.c */
#include "forensics/forensics.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {"gradient x input", "integrated gradients", "lrp", "occlusion", "saliency", "smooth_grad", "grad_cam"};

#define WORLDS 128 /* features that are occluded in one run */

typedef struct walk { /* a plan that gives y and d gap / dx for a few rows */
    nilu_plan *plan;
    int64_t rows;
    void *x, *direction; /* fed */
} walk;

struct nilu_attributor {
    nilu *nl;
    nilu_attribute_options options;
    const nilu_model *model;
    int64_t features, outputs;
    float *baseline;
    double *at, *weight; /* [steps] points on the way, and what they weigh */
    nilu_store *store;
    walk path, lrp;
    forensics_cam *cam;
    nilu_whatif *worlds;
};

const char *nilu_method_name(int i)
{
    return i >= 0 && i < (int)COUNT(names) ? names[i] : NULL;
}

/* Points and weights on [0, 1] that integrate polynomials up to degree 2n - 1 exactly: zeros of the Legendre polynomial by
 * Newton's method. */
static void gauss_legendre(int n, double *at, double *weight)
{
    for (int i = 0; i < n; i++) {
        double z = cos(3.14159265358979323846 * (i + 0.75) / (n + 0.5)), slope = 1;
        for (int round = 0; round < 100; round++) {
            double p = 1, before = 0;
            for (int k = 1; k <= n; k++) {
                double next = ((2 * k - 1) * z * p - (k - 1) * before) / k;
                before = p;
                p = next;
            }
            slope = n * (z * p - before) / (z * z - 1);
            z -= p / slope;
            if (fabs(p / slope) < 1e-15)
                break;
        }
        at[i] = (1 - z) / 2;
        weight[i] = 1 / ((1 - z * z) * slope * slope);
    }
}

/* ---- LRP: a layer's function hands back relevance in proportion, whatever its slope */

typedef struct rules {
    const forensics_site *site;
    int nsite;
    double epsilon;
} rules;

static nilu_tensor *proportional(void *user, const nilu_node *n, nilu_tensor *t, nilu_tensor *const *twin)
{
    const rules *r = user;
    for (int i = 0; i < r->nsite; i++) {
        if (r->site[i].a->node != n)
            continue;
        nilu_tensor *z = r->site[i].u->node == n ? t : twin[r->site[i].u->node->id];
        nilu_tensor *zero = nilu_fill(nilu_tensor_graph(t), nilu_tensor_dtype(t), NILU_SCALAR, 0);
        nilu_tensor *kept = nilu_where(nilu_ge(z, zero), nilu_shift(z, r->epsilon), nilu_shift(z, -r->epsilon));
        nilu_tensor *share = nilu_stop_gradient(nilu_div(t, kept));
        return nilu_add(nilu_stop_gradient(t), nilu_mul(nilu_sub(z, nilu_stop_gradient(z)), share));
    }
    return t;
}

/* ---- plans */

static nilu_status compile(nilu_attributor *a, nilu_graph *g, nilu_tensor *y, walk *w)
{
    nilu_tensor *x = nilu_find(g, "x"), *fetch[2] = {y, NULL};
    nilu_tensor *direction = nilu_input(g, "direction", NILU_F32, NILU_SHAPE(a->outputs));
    NILU_TRY(nilu_grad(nilu_sum(nilu_mul(y, direction), NILU_ALL, false), 1, &x, &fetch[1]));
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    o.dtype = a->options.dtype;
    int known = nilu_store_count(a->store);
    NILU_TRY(nilu_compile(g, a->store, 2, fetch, &o, &w->plan));
    if (nilu_store_count(a->store) != known)
        return base_fail(a->nl, NILU_E_MODEL,
                         N_("%s: the trained weights do not hold it; was the model changed after training?"),
                         nilu_store_at(a->store, known)->name);
    size_t real = nilu_dtype_size(a->options.dtype);
    w->x = base_calloc(a->nl, (size_t)(w->rows * a->features), real);
    w->direction = base_calloc(a->nl, (size_t)a->outputs, real);
    if (!w->x || !w->direction)
        return NILU_E_NO_MEMORY;
    NILU_TRY(nilu_feed(w->plan, "x", w->x, (size_t)(w->rows * a->features) * real));
    return nilu_feed(w->plan, "direction", w->direction, (size_t)a->outputs * real);
}

static void drop(nilu *nl, walk *w)
{
    nilu_plan_free(w->plan);
    base_free(nl, w->x);
    base_free(nl, w->direction);
    *w = (walk){0};
}

static nilu_status prepare(nilu_attributor *a, bool lrp, walk *w)
{
    nilu_graph *g = NULL, *changed = NULL;
    nilu_tensor *y, *y2;
    forensics_site *site = NULL;
    w->rows = lrp ? 1 : a->options.steps + 2;
    nilu_status status = forensics_build(a->nl, a->model, w->rows, a->features, a->outputs, &g, &y);
    if (status == NILU_OK && lrp) {
        int n = forensics_sites(g, NULL, 0);
        site = base_calloc(a->nl, (size_t)n + 1, sizeof *site);
        changed = nilu_graph_new(a->nl);
        status = site && changed ? NILU_OK : NILU_E_NO_MEMORY;
        if (status == NILU_OK) {
            forensics_sites(g, site, n);
            status = forensics_copy(g, y, proportional, &(rules){site, n, a->options.epsilon}, changed, &y2);
        }
        if (status == NILU_OK)
            status = compile(a, changed, y2, w);
    } else if (status == NILU_OK) {
        status = compile(a, g, y, w);
    }
    base_free(a->nl, site);
    nilu_graph_free(changed);
    nilu_graph_free(g);
    if (status != NILU_OK)
        drop(a->nl, w); /* or it would be taken for whole when it is asked for again */
    return status;
}

nilu_status nilu_attributor_new(nilu *nl, const nilu_model *model, const nilu_store *weights, int64_t features,
                                int64_t outputs, const nilu_attribute_options *options, nilu_attributor **attributor)
{
    static const nilu_attribute_options usual = NILU_ATTRIBUTE_DEFAULT;
    *attributor = NULL;
    const nilu_attribute_options *o = options ? options : &usual;
    if (o->size != sizeof *o)
        return base_fail(nl, NILU_E_USAGE,
                         N_("nilu_attributor_new: options.size is not sizeof(nilu_attribute_options); start from "
                            "NILU_ATTRIBUTE_DEFAULT"));
    if (features < 1 || outputs < 1 || o->steps < 1 || o->steps > 4096 || !(o->epsilon >= 0) || o->copies < 1 || !(o->noise >= 0))
        return base_fail(nl, NILU_E_USAGE,
                         N_("nilu_attributor_new: %lld features, %lld outputs, %d steps, epsilon %g, %d copies, noise %g; there must be a "
                            "feature, an output, 1 to 4096 steps, a copy, and an epsilon and noise of 0 or more"),
                         (long long)features, (long long)outputs, o->steps, o->epsilon, o->copies, o->noise);
    nilu_attributor *a = base_calloc(nl, 1, sizeof *a);
    if (!a)
        return NILU_E_NO_MEMORY;
    *a = (nilu_attributor){.nl = nl, .options = *o, .model = model, .features = features, .outputs = outputs};
    a->baseline = base_calloc(nl, (size_t)features, sizeof *a->baseline);
    a->at = base_calloc(nl, 2 * (size_t)o->steps, sizeof *a->at);
    nilu_status status = a->baseline && a->at ? forensics_weights(nl, weights, o->dtype, &a->store) : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        a->weight = a->at + o->steps;
        gauss_legendre(o->steps, a->at, a->weight);
        if (o->baseline)
            memcpy(a->baseline, o->baseline, (size_t)features * sizeof *a->baseline);
        status = prepare(a, false, &a->path);
    }
    if (status == NILU_OK)
        *attributor = a;
    else
        nilu_attributor_free(a);
    return status;
}

void nilu_attributor_free(nilu_attributor *a)
{
    if (!a)
        return;
    drop(a->nl, &a->path);
    drop(a->nl, &a->lrp);
    nilu_whatif_free(a->worlds);
    forensics_cam_free(a->cam);
    nilu_store_free(a->store);
    base_free(a->nl, a->baseline);
    base_free(a->nl, a->at);
    base_free(a->nl, a);
}

/* ---- the methods */

static double row_gap(const nilu_attributor *a, const walk *w, int64_t row, int accused, int rival)
{
    const void *y = nilu_fetched(w->plan, 0);
    double said = base_load(a->options.dtype, y, row * a->outputs + accused);
    return rival < 0 ? said : said - base_load(a->options.dtype, y, row * a->outputs + rival);
}

static void aim(const nilu_attributor *a, walk *w, int accused, int rival)
{
    for (int64_t k = 0; k < a->outputs; k++)
        base_store(a->options.dtype, w->direction, k, (k == accused) - (double)(k == rival));
}

/* Rows: x, the baseline, then the points between. */
static nilu_status run_path(nilu_attributor *a, const float *x)
{
    walk *w = &a->path;
    for (int64_t row = 0; row < w->rows; row++) {
        double share = row == 0 ? 1 : row == 1 ? 0 : a->at[row - 2];
        for (int64_t i = 0; i < a->features; i++) {
            double from = (double)a->baseline[i], to = (double)x[i];
            base_store(a->options.dtype, w->x, row * a->features + i, row == 0 ? to : from + share * (to - from));
        }
    }
    return nilu_step(w->plan);
}

static nilu_status follow(nilu_attributor *a, nilu_method method, const float *x, int accused, int rival, double *part,
                          nilu_attribution *out)
{
    walk *w = &a->path;
    nilu_dtype dtype = a->options.dtype;
    int64_t n = a->features;
    aim(a, w, accused, rival);
    NILU_TRY(run_path(a, x));
    const void *slope = nilu_fetched(w->plan, 1);
    for (int64_t i = 0; i < n; i++) {
        double mean = 0;
        for (int s = 0; s < a->options.steps && method == NILU_INTEGRATED; s++)
            mean += a->weight[s] * base_load(dtype, slope, (s + 2) * n + i);
        part[i] = method == NILU_INTEGRATED ? ((double)x[i] - (double)a->baseline[i]) * mean
                  : method == NILU_SALIENCY ? fabs(base_load(dtype, slope, i))
                                            : (double)x[i] * base_load(dtype, slope, i);
    }
    out->gap = row_gap(a, w, 0, accused, rival);
    out->baseline_gap = row_gap(a, w, 1, accused, rival);
    out->wanted = method == NILU_INTEGRATED ? out->gap - out->baseline_gap : out->gap;
    return NILU_OK;
}

nilu_status forensics_slope(nilu_attributor *a, const float *x, int accused, int rival, double *slope, double *y)
{
    aim(a, &a->path, accused, rival);
    NILU_TRY(run_path(a, x));
    for (int64_t i = 0; i < a->features; i++)
        slope[i] = base_load(a->options.dtype, nilu_fetched(a->path.plan, 1), i);
    for (int64_t k = 0; k < a->outputs; k++)
        y[k] = base_load(a->options.dtype, nilu_fetched(a->path.plan, 0), k);
    return NILU_OK;
}

/* The mean slope over noisy copies, as many in a run as the way has rows. */
static nilu_status smooth(nilu_attributor *a, const float *x, int accused, int rival, double *part, nilu_attribution *out)
{
    walk *w = &a->path;
    const nilu_dtype dtype = a->options.dtype;
    const int64_t n = a->features;
    const base_key key = {a->options.seed, base_hash_text("smooth_grad")};
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        low = fmin(low, (double)x[i]);
        high = fmax(high, (double)x[i]);
        part[i] = 0;
    }
    aim(a, w, accused, rival);
    for (int64_t first = 0; first <= a->options.copies; first += w->rows) { /* copy 0 is x itself, and counts for the gap alone */
        for (int64_t r = 0; r < w->rows * n; r++) {
            const int64_t copy = first + r / n;
            const double noise = copy ? base_normal(key, (uint64_t)((copy - 1) * n + r % n)) : 0;
            base_store(dtype, w->x, r, (double)x[r % n] + a->options.noise * (high - low) * noise);
        }
        NILU_TRY(nilu_step(w->plan));
        if (!first)
            out->gap = out->wanted = row_gap(a, w, 0, accused, rival);
        for (int64_t r = 0; r < w->rows; r++)
            for (int64_t i = 0; i < n && first + r >= 1 && first + r <= a->options.copies; i++)
                part[i] += base_load(dtype, nilu_fetched(w->plan, 1), r * n + i) / a->options.copies;
    }
    return NILU_OK;
}

static nilu_status relevance(nilu_attributor *a, const float *x, int accused, int rival, double *part,
                             nilu_attribution *out)
{
    walk *w = &a->lrp;
    if (!w->plan)
        NILU_TRY(prepare(a, true, w));
    aim(a, w, accused, rival);
    for (int64_t i = 0; i < a->features; i++)
        base_store(a->options.dtype, w->x, i, (double)x[i]);
    NILU_TRY(nilu_step(w->plan));
    for (int64_t i = 0; i < a->features; i++)
        part[i] = (double)x[i] * base_load(a->options.dtype, nilu_fetched(w->plan, 1), i);
    out->gap = out->wanted = row_gap(a, w, 0, accused, rival);
    return NILU_OK;
}

static nilu_status occlude(nilu_attributor *a, const float *x, int accused, int rival, double *part,
                           nilu_attribution *out)
{
    if (!a->worlds)
        NILU_TRY(nilu_whatif_new(a->nl, a->model, a->store, a->features, a->outputs, WORLDS, &a->worlds));
    int64_t place[WORLDS], i = 0;
    memset(part, 0, (size_t)a->features * sizeof *part);
    do {
        int n = 1; /* world 0 stays as it is */
        nilu_whatif_reset(a->worlds, x);
        for (; i < a->features && n < WORLDS; i++)
            if (x[i] < a->baseline[i] || x[i] > a->baseline[i]) {
                nilu_whatif_x(a->worlds, n)[i] = a->baseline[i];
                place[n++] = i;
            }
        NILU_TRY(nilu_whatif_run(a->worlds));
        for (int k = 0; k < n; k++) {
            const float *y = nilu_whatif_y(a->worlds, k);
            double gap = (double)y[accused] - (rival >= 0 ? (double)y[rival] : 0);
            if (k == 0)
                out->gap = gap;
            else
                part[place[k]] = out->gap - gap;
        }
    } while (i < a->features);
    out->wanted = out->gap;
    return NILU_OK;
}

static nilu_status camera(nilu_attributor *a, const float *x, int accused, int rival, double *part, nilu_attribution *out)
{
    if (!a->cam)
        NILU_TRY(forensics_cam_new(a->nl, a->model, a->store, a->features, a->outputs, &a->options, &a->cam));
    NILU_TRY(forensics_cam_look(a->cam, x, accused, rival, part, &out->gap));
    out->wanted = out->gap;
    return NILU_OK;
}

nilu_status nilu_attribute(nilu_attributor *a, nilu_method method, const float *x, int accused, int rival, double *part,
                           nilu_attribution *out)
{
    nilu_attribution own = {0};
    if (accused < 0 || accused >= a->outputs || rival < -1 || rival >= a->outputs || (unsigned)method >= NILU_METHODS)
        return base_fail(a->nl, NILU_E_RANGE,
                         N_("nilu_attribute: method %d, output %d against %d; there are %d methods and %lld outputs (0 "
                            "is the first, -1 no rival)"),
                         (int)method, accused, rival, (int)NILU_METHODS, (long long)a->outputs);
    NILU_TRY(method == NILU_LRP         ? relevance(a, x, accused, rival, part, &own)
             : method == NILU_OCCLUSION ? occlude(a, x, accused, rival, part, &own)
             : method == NILU_SMOOTH    ? smooth(a, x, accused, rival, part, &own)
             : method == NILU_GRAD_CAM  ? camera(a, x, accused, rival, part, &own)
                                        : follow(a, method, x, accused, rival, part, &own));
    for (int64_t i = 0; i < a->features; i++)
        own.sum += part[i];
    own.residual = own.wanted - own.sum;
    if (out)
        *out = own;
    return NILU_OK;
}
