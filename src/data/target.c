/* What the target is: classes or numbers. Classes are sorted, so that 0, 1, 2 and a, b, c are numbered as anyone would
 * number them; a class is known by its number where all of them are numbers (1 and 1.0 are one class), else by its text. */
#include "data/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEW = 20, FEW_LABELS = 1000, EACH = 5 };

/* Whole numbers in v, and their range: false if one is not whole, or there are none. */
static bool whole_range(const double *v, int64_t n, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        if (isnan(v[i]))
            continue;
        if (v[i] != floor(v[i]) || fabs(v[i]) > 1e15)
            return false;
        *low = v[i] < *low ? v[i] : *low;
        *high = v[i] > *high ? v[i] : *high;
    }
    return *low <= *high;
}

bool data_target_is_classes(const double *v, int64_t n, bool labels)
{
    double low, high;
    enum { SPAN = 4096 };
    if (!whole_range(v, n, &low, &high) || high - low >= SPAN)
        return false;
    bool seen[SPAN] = {false};
    int64_t distinct = 0, known = 0;
    for (int64_t i = 0; i < n; i++) {
        if (isnan(v[i]))
            continue;
        bool *s = &seen[(int)(v[i] - low)];
        distinct += !*s;
        *s = true;
        known++;
    }
    return distinct <= (labels ? FEW_LABELS : FEW) && (labels || distinct * EACH <= known);
}

static nilu_status keep_classes(nilu_data *d, const char *where, int64_t n)
{
    if (n < 2)
        return base_fail(d->nl, NILU_E_DATA,
                         N_("%s: all samples are of one class; two are needed to learn a difference"), where);
    d->info.outputs = n;
    d->class_name = data_keep(&d->pool, (size_t)n * sizeof *d->class_name);
    d->info.class_names = d->class_name;
    return d->class_name ? NILU_OK : NILU_E_NO_MEMORY;
}

nilu_status data_classes_of_numbers(nilu_data *d, const char *where, const double *v, int64_t n)
{
    double low, high;
    if (!whole_range(v, n, &low, &high))
        return base_fail(d->nl, NILU_E_DATA, N_("%s: its targets are not whole numbers, so they cannot be classes"),
                         where);
    if (high - low >= DATA_MAX_CLASSES)
        return base_fail(d->nl, NILU_E_UNSUPPORTED,
                         N_("%s: its classes go from %.0f to %.0f; they may span %d numbers"), where, low, high,
                         DATA_MAX_CLASSES);
    int span = (int)(high - low) + 1, classes = 0;
    bool *seen = base_calloc(d->nl, (size_t)span, sizeof *seen);
    if (!seen)
        return NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(v[i]))
            seen[(int)(v[i] - low)] = true;
    for (int i = 0; i < span; i++)
        classes += seen[i];
    nilu_status status = keep_classes(d, where, classes);
    d->class_value = status == NILU_OK ? data_keep(&d->pool, (size_t)classes * sizeof *d->class_value) : NULL;
    if (!d->class_value && status == NILU_OK)
        status = NILU_E_NO_MEMORY;
    for (int i = 0, k = 0; i < span && status == NILU_OK; i++) {
        if (!seen[i])
            continue;
        d->class_value[k] = low + i;
        d->class_name[k] = data_keep_format(&d->pool, "%.0f", low + i);
        status = d->class_name[k++] ? NILU_OK : NILU_E_NO_MEMORY;
    }
    base_free(d->nl, seen);
    return status;
}

int data_class_of_number(const nilu_data *d, double v)
{
    int low = 0, high = (int)d->info.outputs - 1;
    while (low <= high) {
        int middle = low + (high - low) / 2;
        if (d->class_value[middle] == v)
            return middle;
        if (d->class_value[middle] < v)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return -1;
}

typedef struct ranked {
    const char *text;
    int word;
} ranked;

static int by_text(const void *a, const void *b)
{
    return strcmp(((const ranked *)a)->text, ((const ranked *)b)->text);
}

nilu_status data_classes_of_words(nilu_data *d, const char *where, const data_words *w, int **class_of)
{
    if (w->full)
        return base_fail(d->nl, NILU_E_UNSUPPORTED, N_("%s: has more than %d different texts, too many to be classes"),
                         where, DATA_MAX_CLASSES);
    NILU_TRY(keep_classes(d, where, w->words));
    ranked *r = base_calloc(d->nl, (size_t)w->words, sizeof *r);
    *class_of = r ? base_calloc(d->nl, (size_t)w->words, sizeof **class_of) : NULL;
    nilu_status status = *class_of ? NILU_OK : NILU_E_NO_MEMORY;
    for (int i = 0; i < w->words && status == NILU_OK; i++)
        r[i] = (ranked){w->word[i].text, i};
    if (status == NILU_OK)
        qsort(r, (size_t)w->words, sizeof *r, by_text);
    for (int i = 0; i < w->words && status == NILU_OK; i++) {
        (*class_of)[r[i].word] = i;
        d->class_name[i] = data_keep_text(&d->pool, r[i].text, strlen(r[i].text));
        status = d->class_name[i] ? NILU_OK : NILU_E_NO_MEMORY;
    }
    base_free(d->nl, r);
    if (status != NILU_OK) {
        base_free(d->nl, *class_of);
        *class_of = NULL;
    }
    return status;
}
