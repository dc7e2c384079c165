/* The ways down: each gets a number of floating-point operations and gives back the best place that it found.
 *   backprop        w <- w - lr g
 *   random search   w drawn anew as initial weights are, the best is kept
 *   hill climbing   w + s z and its mirror image w - s z; the better one is taken if it is lower; s grows after a success and
 *                   shrinks after a failure (Rechenberg 1973, the one-fifth rule)
 *   evolution       g estimated from pairs of mirror images, sum (f(w + s z) - f(w - s z)) z / 2 s (Salimans et al. 2017)
 *   SPSA            the same from one pair whose steps are all of one size (Spall 1992; gains of Spall 1998)
 * Those with a step size try several in a part of the budget first, which is not counted, and go on with the best. */
#include "forensics/why.h"

#include <math.h>
#include <string.h>

/* A way while it runs. */
typedef struct walk {
    why_race *r;
    double flops, left; /* given; not yet spent */
    double lr;
    int64_t asked;
} walk;

nilu_status why_noise(why_race *r, const float **z)
{
    NILU_TRY(nilu_step(r->noise));
    *z = nilu_fetched(r->noise, 0);
    return NILU_OK;
}

/* World `world` becomes w + factor · z; of z only the signs where `signs`. */
static void put(why_race *r, int world, const float *w, double factor, const float *z, bool signs)
{
    float f = (float)factor;
    for (int k = 0; k < r->pieces; k++) {
        const why_piece *p = &r->piece[k];
        float *to = r->world + WHY_WORLDS * p->at + world * p->n;
        const float *from = w + p->at, *by = z + p->at;
        for (int64_t i = 0; i < p->n; i++)
            to[i] = from[i] + f * (signs ? copysignf(1, by[i]) : by[i]);
    }
}

/* The losses of all worlds; NaN counts as infinite. */
static nilu_status ask(walk *k, double loss[WHY_WORLDS])
{
    NILU_TRY(nilu_step(k->r->asking));
    for (int i = 0; i < WHY_WORLDS; i++) {
        loss[i] = ((const float *)nilu_fetched(k->r->asking, 0))[i];
        if (isnan(loss[i]))
            loss[i] = INFINITY;
    }
    k->left -= WHY_WORLDS * k->r->ask_flops;
    k->asked += WHY_WORLDS;
    return NILU_OK;
}

static bool affords(const walk *k, int pairs)
{
    return k->left >= pairs * WHY_WORLDS * k->r->ask_flops;
}

static nilu_status backprop(walk *k)
{
    why_race *r = k->r;
    for (int i = 0; i < r->pieces; i++) {
        const why_piece *p = &r->piece[i];
        NILU_TRY(nilu_store_put(r->store, NILU_PARAM, p->name, NILU_F32, NILU_SHAPE(p->rows, p->columns), r->start + p->at));
    }
    *(double *)nilu_store_find(r->store, "opt/lr")->data = k->lr;
    for (; k->left >= r->step_flops * 0.999; k->left -= r->step_flops, k->asked++)
        NILU_TRY(nilu_step(r->learning));
    for (int i = 0; i < r->pieces; i++)
        memcpy(r->w + r->piece[i].at, nilu_store_find(r->store, r->piece[i].name)->data, (size_t)r->piece[i].n * sizeof *r->w);
    return NILU_OK;
}

static nilu_status random_search(walk *k)
{
    why_race *r = k->r;
    double loss[WHY_WORLDS], best = INFINITY;
    const float *z;
    while (affords(k, 1)) {
        for (int world = 0; world < WHY_WORLDS; world++) {
            NILU_TRY(why_noise(r, &z));
            for (int i = 0; i < r->pieces; i++) {
                const why_piece *p = &r->piece[i];
                float *to = r->world + WHY_WORLDS * p->at + world * p->n;
                for (int64_t j = 0; j < p->n; j++)
                    to[j] = (float)p->scale * z[p->at + j];
            }
        }
        NILU_TRY(ask(k, loss));
        for (int world = 0; world < WHY_WORLDS; world++)
            if (loss[world] < best) {
                best = loss[world];
                for (int i = 0; i < r->pieces; i++)
                    memcpy(r->w + r->piece[i].at, r->world + WHY_WORLDS * r->piece[i].at + world * r->piece[i].n,
                           (size_t)r->piece[i].n * sizeof *r->w);
            }
    }
    return NILU_OK;
}

#define FIRST_STEP 0.3 /* of the deviation of the initial weights */
static nilu_status hill_climbing(walk *k)
{
    why_race *r = k->r;
    double loss[WHY_WORLDS], here, step = FIRST_STEP * r->piece[0].scale;
    const float *z;
    put(r, 0, r->w, 0, r->w, false);
    put(r, 1, r->w, 0, r->w, false);
    NILU_TRY(ask(k, loss));
    here = loss[0];
    while (affords(k, 1)) {
        NILU_TRY(why_noise(r, &z));
        put(r, 0, r->w, step, z, false);
        put(r, 1, r->w, -step, z, false);
        NILU_TRY(ask(k, loss));
        int better = loss[1] < loss[0];
        bool success = loss[better] < here;
        if (success) {
            here = loss[better];
            for (int64_t i = 0; i < r->n; i++)
                r->w[i] += (float)(better ? -step : step) * z[i];
        }
        step *= success ? 1.5 : pow(1.5, -0.25);
    }
    return NILU_OK;
}

#define PAIRS 8      /* of an update of evolution */
#define WIDTH 0.02   /* how far away evolution and SPSA ask */

/* w <- w - rate · sum / pairs */
static void descend(why_race *r, double rate, int pairs)
{
    for (int64_t i = 0; i < r->n; i++) {
        r->w[i] -= (float)(rate / pairs) * r->sum[i];
        r->sum[i] = 0;
    }
}

static nilu_status pair(walk *k, double width, bool signs)
{
    why_race *r = k->r;
    double loss[WHY_WORLDS];
    const float *z;
    NILU_TRY(why_noise(r, &z));
    put(r, 0, r->w, width, z, signs);
    put(r, 1, r->w, -width, z, signs);
    NILU_TRY(ask(k, loss));
    float slope = (float)((loss[0] - loss[1]) / (2 * width));
    for (int64_t i = 0; i < r->n && isfinite(slope); i++)
        r->sum[i] += slope * (signs ? copysignf(1, z[i]) : z[i]);
    return NILU_OK;
}

/* An estimate from p pairs is longer than the gradient by about sqrt(n / p), nearly all of it sideways: the rate is smaller
 * by p / (n + p), and what is tried are multiples of that. */
static double careful(const walk *k, int pairs)
{
    return k->lr * pairs / ((double)k->r->n + pairs);
}

static nilu_status evolution(walk *k)
{
    int pairs = affords(k, 4 * PAIRS) ? PAIRS : 1;
    while (affords(k, pairs)) {
        for (int i = 0; i < pairs; i++)
            NILU_TRY(pair(k, WIDTH, false));
        descend(k->r, careful(k, pairs), pairs);
    }
    return NILU_OK;
}

static nilu_status spsa(walk *k)
{
    double steps = floor(k->left / (WHY_WORLDS * k->r->ask_flops)), calm = 0.1 * steps;
    for (int i = 0; affords(k, 1); i++) {
        NILU_TRY(pair(k, WIDTH / pow(i + 1, 0.101), true));
        descend(k->r, careful(k, 1) * pow((1 + calm) / (i + 1 + calm), 0.602), 1);
    }
    return NILU_OK;
}

static const struct {
    const char *name;
    nilu_status (*run)(walk *k);
    double first, factor; /* step sizes that are tried; first 0: it has none */
} ways[NILU_WAYS] = {{N_("backpropagation"), backprop, 0.125, 4},
                     {N_("random search"), random_search, 0, 0},
                     {N_("hill climbing"), hill_climbing, 0, 0},
                     {N_("evolution strategy"), evolution, 4, 8},
                     {"SPSA", spsa, 4, 8}};

const char *nilu_way_name(int i)
{
    return i >= 0 && i < NILU_WAYS ? ways[i].name : NULL;
}

/* From the start, with this step size; then where it ended is judged. */
static nilu_status go(why_race *r, int way, double flops, double lr, nilu_why_way *out)
{
    walk k = {.r = r, .flops = flops, .left = flops, .lr = lr};
    double loss[WHY_WORLDS];
    memcpy(r->w, r->start, (size_t)r->n * sizeof *r->w);
    memset(r->sum, 0, (size_t)r->n * sizeof *r->sum);
    NILU_TRY(ways[way].run(&k));
    out->rate = lr;
    out->asked = k.asked;
    out->flops = flops - k.left;
    for (int world = 0; world < WHY_WORLDS; world++)
        put(r, world, r->w, 0, r->start, false);
    NILU_TRY(ask(&k, loss));
    const float *z = nilu_fetched(r->asking, 1);
    int64_t right = 0;
    for (int64_t i = 0; i < r->m; i++)
        right += (z[i] > 0) == (r->t[i] > 0);
    out->loss = loss[0];
    out->right = (double)right / (double)r->m;
    return NILU_OK;
}

#define TRIES 4
#define TRIAL 0.2 /* of the budget */
nilu_status why_run(why_race *r, int way, double flops, nilu_why_way *out)
{
    double lr = ways[way].first, best = 0, lowest = INFINITY;
    for (int i = 0; lr > 0 && i < TRIES; i++, lr *= ways[way].factor) {
        NILU_TRY(go(r, way, flops * TRIAL, lr, out));
        if (out->loss < lowest) {
            lowest = out->loss;
            best = lr;
        }
    }
    NILU_TRY(go(r, way, flops, best, out));
    if (best > 0 && !(out->loss <= lowest)) /* what was best for a while was too much in the long run */
        return go(r, way, flops, best / ways[way].factor, out);
    return NILU_OK;
}
