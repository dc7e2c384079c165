/* The trial: every accusation is a change that can be made, and is made. Many worlds are run at once, in each of which one
 * thing is otherwise: a neuron puts out what it usually does, or nothing; a weight has gone to the edge of what is usual in
 * its layer, or to 0. What the answer becomes is the verdict. */
#include "forensics/forensics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double forensics_gap(const nilu_blame *b, int world)
{
    const float *y = nilu_whatif_y(b->worlds, world);
    return (double)y[b->verdict.accused] - (b->verdict.rival >= 0 ? (double)y[b->verdict.rival] : 0);
}

bool forensics_turned(const nilu_blame *b, int world, int *said)
{
    const float *y = nilu_whatif_y(b->worlds, world);
    *said = -1;
    if (b->verdict.rival < 0)
        return fabs((double)y[b->verdict.accused] - b->target) <= 0.5 * fabs(b->verdict.gap - b->target);
    *said = 0;
    for (int k = 1; k < (int)b->outputs; k++)
        if (y[k] > y[*said])
            *said = k;
    return b->verdict.accused == b->verdict.label ? *said != b->verdict.accused : *said == b->verdict.label;
}

/* In this world `s` is mended, or 0. A filter's weight moves the sums of all its places. */
static nilu_status change(nilu_blame *b, int world, const nilu_suspect *s, bool mend)
{
    nilu_layer_view v;
    nilu_status status = NILU_OK;
    if (s->from < 0 && s->places == 1)
        return nilu_whatif_hold(b->worlds, world, s->layer, s->neuron, mend ? s->mended : 0);
    nilu_scene_layer(b->scene, s->layer, NILU_FROM_GAP, &v);
    const double by = (mend ? s->mended : 0) - s->value;
    for (int64_t p = 0; p < s->places && status == NILU_OK; p++) {
        const int64_t j = s->neuron * s->places + p, in = s->from < 0 ? -1 : nilu_layer_input(&v, s->from, s->neuron, p);
        if (s->from < 0)
            status = nilu_whatif_hold(b->worlds, world, s->layer, j, mend ? b->layer[s->layer].output[j] : 0);
        else if (in >= 0)
            status = nilu_whatif_nudge(b->worlds, world, s->layer, j, by * v.x[in]);
    }
    return status;
}

/* World 0 is the real one; then two for each suspect. */
nilu_status forensics_try(nilu_blame *b, int n, nilu_suspect *const *suspect)
{
    int each = (FORENSICS_WORLDS - 1) / 2;
    for (int first = 0; first < n; first += each) {
        int m = n - first < each ? n - first : each;
        nilu_whatif_reset(b->worlds, b->x);
        for (int k = 0; k < m; k++) {
            const nilu_suspect *s = suspect[first + k];
            NILU_TRY(change(b, 1 + 2 * k, s, true));
            NILU_TRY(change(b, 2 + 2 * k, s, false));
        }
        NILU_TRY(nilu_whatif_run(b->worlds));
        double gap = forensics_gap(b, 0);
        for (int k = 0; k < m; k++) {
            nilu_suspect *s = suspect[first + k];
            s->measured += forensics_gap(b, 1 + 2 * k) - gap;
            s->off += forensics_gap(b, 2 + 2 * k) - gap;
            s->fixed += forensics_turned(b, 1 + 2 * k, &s->said);
        }
    }
    return NILU_OK;
}

/* What helped most comes first: the change against the side on which the gap is wrong. Of weights, those that are out of the
 * usual come before those that are not, whose mending to the mean is a larger change of the net than anybody asked for. */
static int worse(const nilu_suspect *a, const nilu_suspect *c, int side)
{
    bool special = a->over > 2, other = c->over > 2;
    double mine = -side * a->measured, yours = -side * c->measured;
    if (special != other && (special ? mine : yours) > 0)
        return special ? -1 : 1;
    return mine > yours ? -1 : mine < yours;
}

static int worse_too_large(const void *a, const void *c)
{
    return worse(a, c, 1);
}

static int worse_too_small(const void *a, const void *c)
{
    return worse(a, c, -1);
}

void forensics_sort(const nilu_blame *b, int n, nilu_suspect *suspect)
{
    qsort(suspect, (size_t)n, sizeof *suspect, b->side > 0 ? worse_too_large : worse_too_small);
}

/* ---- sanity */

static double correlation(const double *a, const double *c, int64_t n)
{
    double ma = 0, mc = 0, both = 0, first = 0, second = 0;
    for (int64_t i = 0; i < n; i++) {
        ma += a[i] / (double)n;
        mc += c[i] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        both += (a[i] - ma) * (c[i] - mc);
        first += (a[i] - ma) * (a[i] - ma);
        second += (c[i] - mc) * (c[i] - mc);
    }
    return first > 0 && second > 0 ? both / sqrt(first * second) : 0;
}

/* Every parameter's values in another order: the same sizes, nothing learnt. */
static void shuffle(const nilu_store *from, nilu_store *to, uint64_t seed)
{
    for (int i = 0; i < nilu_store_count(from); i++) {
        const nilu_value *v = nilu_store_at(from, i);
        const float *old = v->data;
        float *new = nilu_store_at(to, i)->data;
        uint64_t n = v->bytes / sizeof *old;
        for (uint64_t k = 0; k < n && v->dtype == NILU_F32; k++)
            new[base_permute((base_key){seed, (uint64_t)i}, n, k)] = old[k];
    }
}

nilu_status nilu_blame_sanity(nilu_blame *b, int rounds, uint64_t seed, double *out)
{
    *out = 0;
    double *other = base_calloc(b->nl, (size_t)b->features, sizeof *other);
    nilu_store *mixed = NULL;
    nilu_status status = other ? forensics_weights(b->nl, b->store, NILU_F32, &mixed) : NILU_E_NO_MEMORY;
    for (int i = 0; i < rounds && status == NILU_OK; i++) {
        nilu_attributor *a = NULL;
        nilu_attribute_options o = NILU_ATTRIBUTE_DEFAULT;
        o.baseline = b->baseline;
        shuffle(b->store, mixed, seed + 1000 * (uint64_t)i);
        status = nilu_attributor_new(b->nl, b->model, mixed, b->features, b->outputs, &o, &a);
        if (status == NILU_OK)
            status = nilu_attribute(a, NILU_INTEGRATED, b->x, b->verdict.accused, b->verdict.rival, other, NULL);
        *out += correlation(b->path, other, b->features) / rounds;
        nilu_attributor_free(a);
    }
    base_free(b->nl, other);
    nilu_store_free(mixed);
    return status;
}
