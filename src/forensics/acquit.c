/* Acquittals: the smallest change of a picture that turns the answer to another class.
 *
 * Where the network is nearly linear, what turns the answer is the nearest picture beyond the plane on which both classes
 * are level: x0 + t g, with the slope g of the gap between them (Moosavi-Dezfooli, Fawzi, Frossard 2016). The plane is
 * drawn anew at the picture found, the nearest point of it to x0 is gone towards, and from there the border is looked for
 * again: what is wanted is not any picture beyond it, but the one nearest to where it started (the aim of Carlini, Wagner
 * 2017). Pixels stay between black and white: the nearest point under that is found exactly, by halving t.
 *
 * Invariant: what is handed out are bytes, and the network was run on those bytes. */
#include "forensics/lens.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 40 /* steps along the border, for a margin */
#define PUSHES 64
#define PUSH 0.1 /* their longest, 1 being a channel's way from black to white */
#define PULLS 10
#define HALVINGS 40
#define MARGINS 12 /* each twice the one before, until bytes are enough */

typedef struct search {
    nilu *nl;
    const forensics_lens *lens;
    nilu_attributor *ask;
    int64_t n, outputs;
    int to;
    double *from, *at, *best, *far, *slope, *along; /* [n] pixels from 0 to 255; slope by features, along by pixels */
    double *y;
    float *x;
    double gap;  /* of `at`: what `to` is ahead by */
    int said;    /* the strongest of the others */
} search;

/* The answer at s->at, and the slope of the gap to the strongest rival. */
static nilu_status look(search *s)
{
    for (int64_t i = 0; i < s->n; i++) {
        const int c = (int)(i % s->lens->channels);
        s->x[forensics_lens_at(s->lens, i)] = (float)s->at[i] * s->lens->factor[c] + s->lens->term[c];
    }
    for (int tries = 0; tries < 2; tries++) {
        NILU_TRY(forensics_slope(s->ask, s->x, s->to, s->said, s->slope, s->y));
        int rival = s->to ? 0 : 1;
        for (int k = 0; k < s->outputs; k++)
            if (k != s->to && s->y[k] > s->y[rival])
                rival = k;
        if (rival == s->said)
            break;
        s->said = rival;
    }
    s->gap = s->y[s->to] - s->y[s->said];
    for (int64_t i = 0; i < s->n; i++)
        s->along[i] = s->slope[forensics_lens_at(s->lens, i)] * (double)s->lens->factor[i % s->lens->channels];
    return NILU_OK;
}

static double length(const search *s, const double *a)
{
    double sum = 0;
    for (int64_t i = 0; i < s->n; i++)
        sum += (a[i] - s->from[i]) * (a[i] - s->from[i]);
    return sqrt(sum);
}

static double kept(double v)
{
    return v < 0 ? 0 : v > 255 ? 255 : v;
}

/* The gap that the plane at s->at promises for the pixel values from + t along. */
static double promised(const search *s, double t)
{
    double sum = s->gap;
    for (int64_t i = 0; i < s->n; i++)
        sum += s->along[i] * (kept(s->from[i] + t * s->along[i]) - s->at[i]);
    return sum;
}

/* How far along the slope the plane promises `margin`. */
static double reach(const search *s, double margin)
{
    double low = 0, high = 1;
    for (int k = 0; k < HALVINGS && promised(s, high) < margin; k++)
        high *= 4;
    for (int k = 0; k < HALVINGS; k++) {
        const double middle = (low + high) / 2;
        if (promised(s, middle) < margin)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* Goes up the slope, by short steps, until the margin is there; false: it did not come to be. */
static nilu_status push(search *s, double margin, bool *there)
{
    for (int round = 0; round < PUSHES; round++) {
        double slope = 0;
        NILU_TRY(look(s));
        *there = s->gap >= margin;
        if (*there)
            return NILU_OK;
        for (int64_t i = 0; i < s->n; i++) /* what stands at an end and would go beyond it has no part */
            if (s->along[i] > 0 ? s->at[i] < 255 : s->at[i] > 0)
                slope += s->along[i] * s->along[i];
        const double wanted = 1.1 * (margin - s->gap) / (slope + 1e-30), most = PUSH * 255 / sqrt(slope + 1e-30);
        for (int64_t i = 0; i < s->n; i++)
            s->at[i] = kept(s->at[i] + fmin(wanted, most) * s->along[i]);
    }
    return NILU_OK;
}

/* Goes back towards the start as far as the margin holds. */
static nilu_status pull(search *s, double margin)
{
    double low = 0, high = 1;
    memcpy(s->far, s->at, (size_t)s->n * sizeof *s->at);
    for (int k = 0; k <= PULLS; k++) {
        const double t = k < PULLS ? (low + high) / 2 : high;
        for (int64_t i = 0; i < s->n; i++)
            s->at[i] = s->from[i] + t * (s->far[i] - s->from[i]);
        NILU_TRY(look(s));
        if (s->gap >= margin)
            high = t;
        else
            low = t;
    }
    return NILU_OK;
}

/* Walks along the border to where it is nearest: from s->best on, if there is one (*found). Where the walk does not come
 * nearer, its steps become shorter. */
static nilu_status nearest(search *s, double margin, bool *found)
{
    double shortest = INFINITY, step = 0.5;
    memcpy(s->at, *found ? s->best : s->from, (size_t)s->n * sizeof *s->at);
    *found = false;
    for (int round = 0; round < ROUNDS && step > 0.01; round++) {
        bool there;
        NILU_TRY(push(s, margin, &there));
        if (there)
            NILU_TRY(pull(s, margin));
        const double far = length(s, s->at);
        if (there && far < shortest) {
            step = fmin(far < 0.999 * shortest ? 1.2 * step : step, 1);
            shortest = far;
            memcpy(s->best, s->at, (size_t)s->n * sizeof *s->at);
        } else if (!*found && !there) {
            return NILU_OK;
        } else {
            step /= 2;
            memcpy(s->at, s->best, (size_t)s->n * sizeof *s->at);
            NILU_TRY(look(s));
        }
        *found = true;
        const double t = reach(s, margin);
        for (int64_t i = 0; i < s->n; i++)
            s->at[i] += step * (kept(s->from[i] + t * s->along[i]) - s->at[i]);
    }
    return NILU_OK;
}

/* Rounds to bytes, and asks about those. */
static nilu_status settle(search *s, unsigned char *pixels, bool *turned)
{
    for (int64_t i = 0; i < s->n; i++) {
        pixels[i] = (unsigned char)lrint(s->best[i]);
        s->at[i] = pixels[i];
    }
    NILU_TRY(look(s));
    *turned = s->gap > 0;
    return NILU_OK;
}

static void measure(const search *s, const unsigned char *before, const unsigned char *after, nilu_acquittal *out)
{
    double sum = 0;
    const int c = s->lens->channels;
    for (int64_t i = 0; i < s->n; i += c) {
        bool moved = false;
        for (int k = 0; k < c; k++) {
            const int by = after[i + k] - before[i + k];
            sum += by * by;
            moved |= by != 0;
            out->most = abs(by) > out->most ? abs(by) : out->most;
        }
        out->changed += moved;
    }
    out->distance = sqrt(sum) / 255;
}

static nilu_status acquit(search *s, const unsigned char *before, unsigned char *after, nilu_acquittal *out)
{
    bool found = false;
    for (int64_t i = 0; i < s->n; i++)
        s->at[i] = s->from[i] = before[i];
    NILU_TRY(look(s));
    out->said = s->said;
    out->before = s->gap;
    if (s->gap > 0)
        return base_fail(s->nl, NILU_E_USAGE, N_("nilu_acquit: the answer is class %d already"), s->to);
    double margin = fmax(-s->gap, 1e-3) / 1024;
    for (int k = 0; k < MARGINS && !out->found; k++, margin *= 2) {
        NILU_TRY(nearest(s, margin, &found));
        if (found)
            NILU_TRY(settle(s, after, &out->found));
    }
    out->after = s->gap;
    if (out->found)
        measure(s, before, after, out);
    return NILU_OK;
}

nilu_status nilu_acquit(nilu *nl, nilu_inquiry *q, const unsigned char *picture, int to, nilu_acquittal *out)
{
    const nilu_inquiry_info *i = nilu_inquiry_about(q);
    nilu_attribute_options o = NILU_ATTRIBUTE_DEFAULT;
    forensics_lens lens;
    search s = {.nl = nl, .lens = &lens, .n = i->set->features, .outputs = i->set->outputs, .to = to};
    *out = (nilu_acquittal){0};
    if (i->about->task != NILU_TASK_CLASSES || s.outputs < 2)
        return base_fail(nl, NILU_E_UNSUPPORTED, N_("%s: its answers are no classes; only a verdict between classes can be turned"), i->set->name);
    if (to < 0 || to >= s.outputs)
        return base_fail(nl, NILU_E_RANGE, N_("nilu_acquit: class %d, but there are %lld (0 is the first)"), to, (long long)s.outputs);
    NILU_TRY(forensics_lens_of(nl, i->data, &lens));
    o.steps = 1;
    s.said = to ? 0 : 1;
    s.from = base_calloc(nl, 6 * (size_t)s.n + (size_t)s.outputs, sizeof *s.from);
    s.x = base_calloc(nl, (size_t)s.n, sizeof *s.x);
    out->pixels = base_alloc(nl, (size_t)s.n);
    nilu_status status = s.from && s.x && out->pixels ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        s.at = s.from + s.n;
        s.best = s.at + s.n;
        s.slope = s.best + s.n;
        s.along = s.slope + s.n;
        s.far = s.along + s.n;
        s.y = s.far + s.n;
        status = nilu_attributor_new(nl, i->model, i->store, s.n, s.outputs, &o, &s.ask);
    }
    if (status == NILU_OK)
        status = acquit(&s, picture, out->pixels, out);
    nilu_attributor_free(s.ask);
    base_free(nl, s.x);
    base_free(nl, s.from);
    if (status != NILU_OK)
        nilu_acquittal_free(nl, out);
    return status;
}

void nilu_acquittal_free(nilu *nl, nilu_acquittal *a)
{
    base_free(nl, a->pixels);
    *a = (nilu_acquittal){0};
}
