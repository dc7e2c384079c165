/* Parts: which samples are for training, validation and testing. Every class gives the same share to each part. Which
 * samples they are is a keyed permutation within the class, a pure function of (seed, class, number of its samples), so
 * nothing random is stored. Invariant: the parts are disjoint, and every class has a sample left to be trained on. */
#include "data/data.h"

#include <math.h>

typedef struct share {
    int64_t samples, test, validation; /* of one class; those left are for training */
    int64_t met;                       /* on the way through the rows */
} share;

/* Class of a row: 0 where there are none, -1: the row has no target and belongs to no part. */
static int class_of(const nilu_data *d, int64_t row)
{
    const data_rows *r = &d->rows[0];
    if (r->label)
        return r->label[row] >= 0 ? r->label[row] : d->has_encoder ? 0 : -1;
    if (r->value && isnan(r->value[row * d->info.outputs]))
        return d->has_encoder ? 0 : -1;
    return 0;
}

/* Takes `wanted` samples from the classes, in proportion to what they have left. Shares are rounded as they add up, so
 * that each class is at most one off and the total is right. A class always keeps one. */
static void take(share *s, int classes, int64_t wanted, bool test)
{
    int64_t left = 0, passed = 0, taken = 0;
    for (int k = 0; k < classes; k++)
        left += s[k].samples - s[k].test;
    for (int k = 0; k < classes && left > 0; k++) {
        int64_t have = s[k].samples - s[k].test;
        passed += have;
        int64_t until = llround((double)passed * (double)wanted / (double)left), n = until - taken;
        taken = until;
        n = n < have ? n : have - (have > 0);
        *(test ? &s[k].test : &s[k].validation) = n;
    }
}

/* The part of a class's sample number i: its place in the permutation says it. */
static nilu_part part_of(const nilu_data *d, const share *s, int k)
{
    if (s->test + s->validation == 0)
        return NILU_TRAIN;
    base_key key = {d->options.seed, base_hash_text("split") + (uint64_t)k};
    int64_t place = (int64_t)base_permute(key, (uint64_t)s->samples, (uint64_t)s->met);
    return place < s->test ? NILU_TEST : place < s->test + s->validation ? NILU_VALIDATION : NILU_TRAIN;
}

static nilu_status note(nilu_data *d, bool own_test)
{
    const int64_t *n = d->info.count;
    bool classes = d->info.task == NILU_TASK_CLASSES;
    if (n[NILU_VALIDATION] && !d->has_encoder)
        NILU_TRY(data_note(d,
                           classes ? N_("Held out for validation, each class by the same share: %lld samples.")
                                   : N_("Held out for validation: %lld samples."),
                           (long long)n[NILU_VALIDATION]));
    if (n[NILU_TEST] && !own_test && !d->has_encoder)
        NILU_TRY(data_note(d,
                           classes ? N_("Held out for testing, each class by the same share: %lld samples.")
                                   : N_("Held out for testing: %lld samples."),
                           (long long)n[NILU_TEST]));
    return NILU_OK;
}

nilu_status data_split(nilu_data *d, bool own_test)
{
    int64_t rows = d->rows[0].count, known = 0;
    int classes = d->rows[0].label ? (int)d->info.outputs : 1;
    if (own_test) {
        d->source[NILU_TEST] = 1;
        d->info.count[NILU_TEST] = d->rows[1].count;
    } else if (d->has_encoder) {
        d->info.count[NILU_TEST] = rows;
        return NILU_OK;
    }
    share *s = base_calloc(d->nl, (size_t)classes, sizeof *s);
    if (!s)
        return NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < rows; i++) {
        int k = class_of(d, i);
        if (k >= 0)
            s[k].samples++;
        known += k >= 0;
    }
    if (!own_test)
        take(s, classes, llround(d->options.test * (double)known), true);
    int64_t test = 0, validation = 0;
    for (int k = 0; k < classes; k++)
        test += s[k].test;
    take(s, classes, llround(d->options.validation * (double)(known - test)), false);
    for (int k = 0; k < classes; k++)
        validation += s[k].validation;
    int64_t count[NILU_PARTS] = {
        [NILU_TRAIN] = known - test - validation, [NILU_VALIDATION] = validation, [NILU_TEST] = test};
    nilu_status status = NILU_OK;
    for (int p = 0; p < NILU_PARTS && status == NILU_OK; p++) {
        if (p == NILU_TEST && own_test)
            continue;
        d->info.count[p] = count[p];
        if (count[p] == 0 || count[p] == rows)
            continue;
        d->index[p] = data_keep(&d->pool, (size_t)count[p] * sizeof **d->index);
        status = d->index[p] ? NILU_OK : NILU_E_NO_MEMORY;
    }
    int64_t put[NILU_PARTS] = {0};
    for (int64_t i = 0; i < rows && status == NILU_OK; i++) {
        int k = class_of(d, i);
        if (k < 0)
            continue;
        nilu_part p = part_of(d, &s[k], k);
        s[k].met++;
        if (d->index[p])
            d->index[p][put[p]++] = (uint32_t)i;
    }
    base_free(d->nl, s);
    return status == NILU_OK ? note(d, own_test) : status;
}
