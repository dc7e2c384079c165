/* A survey of the data that a training begins with: columns that never change, an order that is none, samples that are in two
 * parts. It looks at the first samples of each part, as many as the caller has time for; at the labels of all, which are at
 * hand, since samples often stand class by class. */
#include "train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct look {
    nilu_data *data;
    const nilu_data_info *info;
    int64_t n;      /* samples at hand */
    float *x;       /* [n, features] */
    int32_t *label; /* [n] */
    uint64_t *hash; /* [n], of the training part, sorted */
    double *sum;    /* [features, 2] */
} look;

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static nilu_status gather(look *l, nilu_part part, int64_t first, int64_t n)
{
    int64_t *index = base_calloc(l->data->nl, (size_t)n + 1, sizeof *index);
    if (!index)
        return NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < n; i++)
        index[i] = first + i;
    bool classes = l->info->task == NILU_TASK_CLASSES;
    nilu_status status = nilu_data_batch(l->data, part, index, n, l->x, classes ? l->label : NULL, NULL);
    base_free(l->data->nl, index);
    return status;
}

static uint64_t print_of(const look *l, int64_t i)
{
    return XXH64(l->x + i * l->info->features, (size_t)l->info->features * sizeof *l->x, 0);
}

static void columns(const look *l, train_survey *s)
{
    int64_t d = l->info->features;
    double small = INFINITY, large = 0;
    for (int64_t i = 0; i < l->n; i++)
        for (int64_t j = 0; j < d; j++) {
            double v = l->x[i * d + j];
            l->sum[2 * j] += v;
            l->sum[2 * j + 1] += v * v;
            if (fabs(v) > s->reach) {
                s->reach = fabs(v);
                s->reach_column = j;
            }
        }
    for (int64_t j = 0; j < d; j++) {
        bool constant = true;
        for (int64_t i = 1; i < l->n && constant; i++)
            constant = l->x[i * d + j] == l->x[j];
        if (constant) {
            s->constant += !l->info->feature_names && !l->info->height; /* of a category's few rows none may be at hand */
            if (s->constant == 1)
                snprintf(s->first_constant, sizeof s->first_constant, "#%lld", (long long)j + 1);
            continue;
        }
        double mean = l->sum[2 * j] / (double)l->n, variance = l->sum[2 * j + 1] / (double)l->n - mean * mean;
        small = fmin(small, sqrt(fmax(variance, 1e-30)));
        large = fmax(large, sqrt(fmax(variance, 1e-30)));
    }
    for (int c = 0; c < l->data->columns; c++) /* of a table they are left out already */
        if (l->data->column[c].same && s->constant++ == 0)
            snprintf(s->first_constant, sizeof s->first_constant, "%s", l->data->column[c].name);
    s->spread = large > 0 && !l->info->height ? large / small : 1;
}

static nilu_status classes(const look *l, train_survey *s)
{
    nilu *nl = l->data->nl;
    int64_t k = l->info->outputs, n = l->info->count[NILU_TRAIN], known = 0;
    int64_t *count = base_calloc(nl, (size_t)k + 1, sizeof *count);
    int32_t *label = base_calloc(nl, (size_t)n, sizeof *label);
    nilu_status status = count && label ? nilu_data_batch(l->data, NILU_TRAIN, NULL, n, NULL, label, NULL) : NILU_E_NO_MEMORY;
    double same = 0;
    for (int64_t i = 0; i < n && status == NILU_OK; i++) {
        s->changes += i && label[i] != label[i - 1];
        if (label[i] >= 0) {
            count[label[i]]++;
            known++;
        }
    }
    s->labelled = known;
    s->smallest = INT64_MAX;
    for (int64_t c = 0; c < k && known; c++) {
        double p = (double)count[c] / (double)known;
        same += p * p;
        s->entropy -= p > 0 ? p * log(p) : 0;
        s->largest = count[c] > s->largest ? count[c] : s->largest;
        s->smallest = count[c] < s->smallest ? count[c] : s->smallest;
    }
    /* A folder for each class has no other order. */
    s->expected_changes = strcmp(l->info->format, "pictures") == 0 ? 0 : (double)(n - 1) * (1 - same);
    base_free(nl, count);
    base_free(nl, label);
    return status;
}

/* Samples of `part` that are in the training part, too. Where only some of that was looked at, as many more are thought of. */
static nilu_status compare(look *l, nilu_part part, train_survey *s, int64_t room)
{
    int64_t n = l->info->count[part] < room ? l->info->count[part] : room;
    if (n < 1)
        return NILU_OK;
    NILU_TRY(gather(l, part, 0, n));
    double found = 0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t h = print_of(l, i);
        found += bsearch(&h, l->hash, (size_t)l->n, sizeof h, by_size) != NULL;
    }
    found *= (double)l->info->count[NILU_TRAIN] / (double)l->n;
    s->overlap += (int64_t)fmin(found, (double)n);
    s->compared += n;
    return NILU_OK;
}

static nilu_status take(look *l, train_survey *s, int64_t room)
{
    NILU_TRY(gather(l, NILU_TRAIN, 0, l->n));
    s->looked = l->n;
    columns(l, s);
    if (l->info->task == NILU_TASK_CLASSES)
        NILU_TRY(classes(l, s));
    for (int64_t i = 0; i < l->n; i++)
        l->hash[i] = print_of(l, i);
    qsort(l->hash, (size_t)l->n, sizeof *l->hash, by_size);
    for (int64_t i = 0; i < l->n; i++)
        s->twins += (i && l->hash[i] == l->hash[i - 1]) || (i + 1 < l->n && l->hash[i] == l->hash[i + 1]);
    NILU_TRY(compare(l, NILU_VALIDATION, s, room));
    return compare(l, NILU_TEST, s, room);
}

nilu_status train_survey_take(nilu_data *data, int64_t cells, train_survey *s)
{
    const nilu_data_info *info = nilu_data_about(data);
    nilu *nl = data->nl;
    int64_t room = cells / (info->features > 0 ? info->features : 1);
    *s = (train_survey){.smallest = 0, .reach_column = -1, .spread = 1};
    room = room < 16 ? 16 : room;
    look l = {.data = data, .info = info, .n = info->count[NILU_TRAIN] < room ? info->count[NILU_TRAIN] : room};
    if (l.n < 1 || info->features < 1)
        return NILU_OK;
    l.x = base_alloc(nl, (size_t)room * (size_t)info->features * sizeof *l.x);
    l.label = base_calloc(nl, (size_t)room, sizeof *l.label);
    l.hash = base_calloc(nl, (size_t)l.n, sizeof *l.hash);
    l.sum = base_calloc(nl, (size_t)info->features, 2 * sizeof *l.sum);
    nilu_status status = l.x && l.label && l.hash && l.sum ? take(&l, s, room) : NILU_E_NO_MEMORY;
    base_free(nl, l.x);
    base_free(nl, l.label);
    base_free(nl, l.hash);
    base_free(nl, l.sum);
    return status;
}
