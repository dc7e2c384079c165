/* What in the sample spoke for the answer, by trial: parts of it are restored to the baseline, and the net is asked again.
 * The parts of a picture are windows, because a single pixel rarely says anything; of a table its columns, all features of
 * a category together; else features. A part's effect is shared out over its features by how far each was from the
 * baseline: what was not changed is not to blame. Then the smallest set is sought that turns the answer, hottest first. */
#include "forensics/forensics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct part {
    int64_t n;
    int64_t *feature; /* [n] */
    int side;         /* of a window */
} part;

typedef struct hot {
    int64_t at; /* a feature */
    double heat;
    int32_t group;
} hot;

/* A seventh of the picture: on 28 x 28 windows of 4 x 4. */
static int window_side(const nilu_blame *b)
{
    int length = b->options.height < b->options.width ? b->options.height : b->options.width;
    return length < 11 ? 1 : (length + 3) / 7;
}

/* Windows overlap by three quarters: of any size there are some 600. */
static int window_step(int side)
{
    return side < 4 ? 1 : side / 4;
}

static int64_t places(int length, int side)
{
    int step = window_step(side);
    return (length - side + step - 1) / step + 1;
}

static int64_t parts(const nilu_blame *b)
{
    int side = b->options.height ? window_side(b) : 0;
    return side ? places(b->options.height, side) * places(b->options.width, side) : b->features;
}

static int64_t least(int64_t a, int64_t c)
{
    return a < c ? a : c;
}

/* Part i; n = 0: none (a feature that another stands for). */
static void part_at(const nilu_blame *b, int64_t i, part *p)
{
    p->n = 0;
    p->side = b->options.height ? window_side(b) : 0;
    if (!p->side) {
        for (int64_t k = i; k < (b->group ? b->features : i + 1); k++)
            if (k == i || b->group[k] == b->group[i])
                p->feature[p->n++] = k;
        for (int64_t k = 0; k < i && b->group; k++)
            if (b->group[k] == b->group[i])
                p->n = 0;
        return;
    }
    int64_t across = places(b->options.width, p->side), step = window_step(p->side), c = b->options.channels;
    int64_t top = least(i / across * step, b->options.height - p->side),
            left = least(i % across * step, b->options.width - p->side);
    const int64_t plane = (int64_t)b->options.height * b->options.width;
    for (int64_t y = top; y < top + p->side; y++)
        for (int64_t x = left; x < left + p->side; x++)
            for (int64_t k = 0; k < c; k++)
                p->feature[p->n++] = b->options.planes ? k * plane + y * b->options.width + x
                                                       : (y * b->options.width + x) * c + k;
}

static double away(const nilu_blame *b, int64_t i)
{
    return fabs((double)b->x[i] - (double)b->baseline[i]);
}

static double part_away(const nilu_blame *b, const part *p)
{
    double sum = 0;
    for (int64_t k = 0; k < p->n; k++)
        sum += away(b, p->feature[k]);
    return sum;
}

/* The part as a suspect, before its trial. */
static nilu_suspect accuse(const nilu_blame *b, const part *p)
{
    const double *slope = nilu_scene_error(b->scene, NILU_FROM_GAP);
    int64_t first = p->feature[0];
    nilu_suspect s = {.layer = -1,
                      .neuron = first,
                      .from = -1,
                      .places = 1,
                      .side = p->side,
                      .value = (double)b->x[first],
                      .mended = (double)b->baseline[first],
                      .ticket = slope[first]};
    for (int64_t k = 0; k < p->n; k++) {
        int64_t i = p->feature[k];
        s.amount += (double)b->x[i] * slope[i];
        s.predicted += ((double)b->baseline[i] - (double)b->x[i]) * slope[i];
    }
    return s;
}

/* Shares the effect of a part out; `cover` counts the parts that a feature lies in. */
static void share(nilu_blame *b, const part *p, double effect, double *cover)
{
    double sum = part_away(b, p);
    for (int64_t k = 0; k < p->n; k++) {
        int64_t i = p->feature[k];
        cover[i]++;
        if (sum > 0)
            b->heat[i] += effect * away(b, i) / sum;
    }
}

/* Do two windows overlap? */
static bool overlap(const nilu_blame *b, const nilu_suspect *a, const nilu_suspect *c)
{
    const int64_t width = b->options.width, k = b->options.planes ? 1 : b->options.channels; /* a window's first feature is */
    if (!a->side)                                                                            /* in the first plane */
        return false;
    return llabs(a->neuron / k / width - c->neuron / k / width) < a->side &&
           llabs(a->neuron / k % width - c->neuron / k % width) < a->side;
}

static int stronger(const void *a, const void *c)
{
    const nilu_suspect *x = a, *y = c;
    double mine = fabs(x->measured), yours = fabs(y->measured);
    return mine > yours ? -1 : mine < yours ? 1 : x->neuron < y->neuron ? -1 : 1;
}

/* The strongest of those tried; of windows that overlap the strongest alone. */
static void pick(nilu_blame *b, nilu_suspect *tried, int64_t n, nilu_case_file *out)
{
    qsort(tried, (size_t)n, sizeof *tried, stronger);
    for (int64_t i = 0; i < n && out->inputs < b->options.inputs; i++) {
        bool new = true;
        for (int k = 0; k < out->inputs && new; k++)
            new = !overlap(b, &tried[i], &b->input[k]);
        if (new)
            b->input[out->inputs++] = tried[i];
    }
}

/* Tries all parts, a batch of worlds at a time. */
static nilu_status try_parts(nilu_blame *b, part *p, double *cover, nilu_suspect *tried, nilu_case_file *out)
{
    nilu_suspect s[FORENSICS_WORLDS];
    int64_t index[FORENSICS_WORLDS], all = parts(b), i = 0, ntried = 0;
    memset(b->heat, 0, (size_t)b->features * sizeof *b->heat);
    while (i < all) {
        int n = 1; /* world 0 stays as it is */
        nilu_whatif_reset(b->worlds, b->x);
        for (; i < all && n < FORENSICS_WORLDS; i++) {
            part_at(b, i, p);
            if (!(part_away(b, p) > 0)) {
                share(b, p, 0, cover);
                continue;
            }
            float *x = nilu_whatif_x(b->worlds, n);
            for (int64_t k = 0; k < p->n; k++)
                x[p->feature[k]] = b->baseline[p->feature[k]];
            s[n] = accuse(b, p);
            index[n++] = i;
        }
        NILU_TRY(nilu_whatif_run(b->worlds));
        double gap = forensics_gap(b, 0);
        for (int k = 1; k < n; k++) {
            part_at(b, index[k], p);
            s[k].measured = s[k].off = forensics_gap(b, k) - gap;
            s[k].fixed = forensics_turned(b, k, &s[k].said);
            share(b, p, -s[k].measured, cover);
            tried[ntried++] = s[k];
        }
    }
    pick(b, tried, ntried, out);
    for (int64_t k = 0; k < b->features; k++)
        b->heat[k] /= fmax(cover[k], 1);
    return NILU_OK;
}

/* ---- the smallest set that turns the answer */

static int hotter(const void *a, const void *c)
{
    const hot *x = a, *y = c;
    if (x->heat < y->heat || x->heat > y->heat)
        return x->heat > y->heat ? -1 : 1;
    return x->group != y->group ? (x->group < y->group ? -1 : 1) : x->at < y->at ? -1 : 1;
}

/* Features that speak for the answer, hottest first; those of one group share one heat and stand side by side. */
static int64_t list_hot(const nilu_blame *b, hot *list)
{
    int64_t n = 0;
    for (int64_t i = 0; i < b->features; i++) {
        double heat = b->group ? 0 : b->heat[i];
        for (int64_t k = 0; b->group && k < b->features; k++)
            heat += b->group[k] == b->group[i] ? b->heat[k] : 0;
        if (b->side * heat > 0)
            list[n++] = (hot){i, b->side * heat, b->group ? b->group[i] : (int32_t)(i < INT32_MAX ? i : INT32_MAX)};
    }
    qsort(list, (size_t)n, sizeof *list, hotter);
    return n;
}

/* The first n of the list, and what is left of the last one's group. */
static int64_t whole(const nilu_blame *b, const hot *list, int64_t n, int64_t all)
{
    while (b->group && n > 0 && n < all && list[n].group == list[n - 1].group)
        n++;
    return n;
}

static void restore(const nilu_blame *b, float *x, const hot *list, int64_t n)
{
    for (int64_t k = 0; k < n; k++)
        x[list[k].at] = b->baseline[list[k].at];
}

/* Restores from `low` (known to be too few) up to `high` of the list, in as many worlds as there are; says at which the
 * answer turned first, else where the gap was best. */
static nilu_status scan(nilu_blame *b, const hot *list, int64_t all, int64_t *low, int64_t *high, nilu_case_file *out)
{
    int64_t from = *low, span = *high - from, count[FORENSICS_WORLDS];
    int n = span < FORENSICS_WORLDS ? (int)span : FORENSICS_WORLDS, best = -1, said;
    nilu_whatif_reset(b->worlds, b->x);
    for (int k = 0; k < n; k++) {
        count[k] = whole(b, list, from + (span * (k + 1) + n - 1) / n, all);
        restore(b, nilu_whatif_x(b->worlds, k), list, count[k]);
    }
    NILU_TRY(nilu_whatif_run(b->worlds));
    out->turned = false;
    for (int k = 0; k < n && !out->turned; k++) {
        out->turned = forensics_turned(b, k, &said);
        if (out->turned || best < 0 || b->side * forensics_gap(b, k) < b->side * out->restored_gap) {
            best = k;
            out->restored = count[k];
            out->restored_gap = forensics_gap(b, k);
            out->restored_said = said;
        }
    }
    if (best >= 0 && out->turned) {
        *low = best ? count[best - 1] : from;
        *high = count[best];
    }
    return NILU_OK;
}

static nilu_status seek(nilu_blame *b, hot *list, nilu_case_file *out)
{
    int64_t n = list_hot(b, list), low = 0, high = n;
    out->restored_gap = b->verdict.gap;
    out->restored_said = b->verdict.rival >= 0 ? b->verdict.accused : -1;
    if (n == 0)
        return NILU_OK;
    bool exact;
    do {
        exact = high - low <= FORENSICS_WORLDS;
        NILU_TRY(scan(b, list, n, &low, &high, out));
    } while (out->turned && !exact);
    for (int64_t k = 0; k < out->restored; k++)
        b->restore[k] = list[k].at;
    return NILU_OK;
}

nilu_status forensics_input(nilu_blame *b, nilu_case_file *out)
{
    nilu *nl = b->nl;
    size_t n = (size_t)b->features;
    part p = {.feature = base_alloc(nl, n * sizeof *p.feature)};
    double *cover = base_calloc(nl, n, sizeof *cover);
    nilu_suspect *tried = base_calloc(nl, (size_t)parts(b), sizeof *tried);
    hot *list = base_alloc(nl, n * sizeof *list);
    nilu_status status = p.feature && cover && tried && list ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = nilu_attribute(b->attributor, NILU_INTEGRATED, b->x, b->verdict.accused, b->verdict.rival, b->path,
                                &out->sum);
    if (status == NILU_OK)
        status = try_parts(b, &p, cover, tried, out);
    if (status == NILU_OK)
        status = seek(b, list, out);
    if (status == NILU_OK)
        forensics_sort(b, out->inputs, b->input);
    base_free(nl, p.feature);
    base_free(nl, cover);
    base_free(nl, tried);
    base_free(nl, list);
    return status;
}
