/* The court of a run: what its set teaches about what is usual. The baseline is the mean of the training part, features that
 * are one column's are restored together, and neurons have put out what they did on some samples of the training part. */
#include "forensics/forensics.h"

#include <string.h>

#define LEARNT                                                                                                         \
    512 /* samples of the training part: the mean output of a neuron is known to a twentieth of its deviation */

/* Features of one column are called "column=category". */
static bool same_column(const char *a, const char *c)
{
    const char *end = strchr(a, '=');
    return end && strncmp(a, c, (size_t)(end - a) + 1) == 0;
}

static void group_columns(const nilu_data_info *set, int32_t *group)
{
    for (int64_t i = 0; i < set->features; i++)
        group[i] = i && same_column(set->feature_names[i - 1], set->feature_names[i]) ? group[i - 1] : (int32_t)i;
}

static nilu_status learn(nilu *nl, nilu_blame *b, nilu_data *data)
{
    const nilu_data_info *set = nilu_data_about(data);
    int64_t index[LEARNT], all = set->count[NILU_TRAIN], n = all < LEARNT ? all : LEARNT;
    for (int64_t i = 0; i < n; i++) /* evenly: a set may be sorted */
        index[i] = i * all / n;
    float *x = base_calloc(nl, (size_t)set->features, LEARNT * sizeof *x);
    nilu_status status = x ? nilu_data_batch(data, NILU_TRAIN, index, n, x, NULL, NULL) : NILU_E_NO_MEMORY;
    if (status == NILU_OK && n)
        status = nilu_blame_learn(b, n, x);
    base_free(nl, x);
    return status;
}

nilu_status nilu_blame_open(nilu *nl, nilu_inquiry *q, const nilu_blame_options *options, nilu_blame **blame)
{
    const nilu_inquiry_info *i = nilu_inquiry_about(q);
    const nilu_data_info *set = i->set;
    nilu_blame_options o = options ? *options : (nilu_blame_options)NILU_BLAME_DEFAULT;
    const double *mean;
    *blame = NULL;
    NILU_TRY(nilu_inquiry_mean(q, &mean));
    float *baseline = base_calloc(nl, (size_t)set->features, sizeof *baseline);
    int32_t *group = base_calloc(nl, (size_t)set->features, sizeof *group);
    nilu_status status = baseline && group ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        for (int64_t k = 0; k < set->features; k++)
            baseline[k] = (float)mean[k];
        if (set->feature_names)
            group_columns(set, group);
        o.scene = i->scene;
        o.task = i->about->task;
        o.loss = i->about->options.loss;
        o.baseline = baseline;
        o.group = set->feature_names ? group : NULL;
        o.height = set->height;
        o.width = set->width;
        o.channels = set->channels;
        o.planes = set->planes;
        status = nilu_blame_new(nl, i->model, i->store, set->features, set->outputs, &o, blame);
    }
    base_free(nl, baseline);
    base_free(nl, group);
    if (status == NILU_OK)
        status = learn(nl, *blame, i->data);
    if (status == NILU_OK)
        return status;
    nilu_blame_free(*blame);
    *blame = NULL;
    return status;
}
