/* An inquiry: a run that is looked into. Its weights, its data and a scene are at hand, and samples are called by name:
 * "test:42", or a file with samples like the run's. Nothing of the run is changed. */
#include "forensics/forensics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record/record.h"

struct nilu_inquiry {
    nilu *nl;
    nilu_inquiry_options options;
    nilu_data_options opened; /* what options.opened points to, if anything: the caller's may be gone */
    nilu_inquiry_info info;
    nilu_data *other; /* the file that the sample at hand comes from; NULL: the run's own set */
    char *name;       /* of the sample at hand, as it is shown */
    float *x, *target;
    double *mean;     /* NULL until it is asked for */
    nilu_lesson *lesson; /* likewise */
};

static const char *const parts[NILU_PARTS] = {"train", "validation", "test"};

nilu_status nilu_inquiry_open(nilu *nl, const char *folder, const nilu_inquiry_options *options, nilu_inquiry **out)
{
    static const nilu_inquiry_options usual = NILU_INQUIRY_DEFAULT;
    *out = NULL;
    if (options && options->size != sizeof *options)
        return base_fail(nl, NILU_E_USAGE, N_("nilu_inquiry_open: options.size is not sizeof(nilu_inquiry_options); start from NILU_INQUIRY_DEFAULT"));
    nilu_inquiry *q = base_calloc(nl, 1, sizeof *q);
    if (!q)
        return NILU_E_NO_MEMORY;
    q->nl = nl;
    q->options = options ? *options : usual;
    if (q->options.opened) {
        q->opened = *q->options.opened;
        q->options.opened = &q->opened;
    }
    nilu_inquiry_info *i = &q->info;
    nilu_scene_options s = NILU_SCENE_DEFAULT;
    nilu_status status = nilu_run_open(nl, folder, &i->run);
    if (status == NILU_OK) {
        i->about = nilu_run_about(i->run);
        i->model = nilu_run_model(i->run);
        status = nilu_run_store(i->run, q->options.moment, &i->store);
    }
    if (status == NILU_OK)
        status = nilu_run_data(i->run, NULL, q->options.opened, &i->data);
    if (status == NILU_OK) {
        i->set = nilu_data_about(i->data);
        s.dtype = q->options.dtype;
        s.task = i->about->task;
        s.loss = i->about->options.loss;
        status = nilu_scene_new(nl, i->model, i->store, i->set->features, i->set->outputs, &s, &i->scene);
    }
    if (status == NILU_OK) {
        q->x = base_calloc(nl, (size_t)i->set->features + (size_t)i->set->outputs, sizeof *q->x);
        q->target = q->x ? q->x + i->set->features : NULL;
        status = q->x ? NILU_OK : NILU_E_NO_MEMORY;
    }
    if (status == NILU_OK)
        *out = q;
    else
        nilu_inquiry_free(q);
    return status;
}

void nilu_inquiry_free(nilu_inquiry *q)
{
    if (!q)
        return;
    nilu_scene_free(q->info.scene);
    nilu_lesson_free(q->lesson);
    nilu_data_free(q->other);
    nilu_data_free(q->info.data);
    nilu_store_free(q->info.store);
    nilu_run_free(q->info.run);
    base_free(q->nl, q->name);
    base_free(q->nl, q->x);
    base_free(q->nl, q->mean);
    base_free(q->nl, q);
}

const nilu_inquiry_info *nilu_inquiry_about(const nilu_inquiry *q)
{
    return &q->info;
}

/* A whole number that ends the text; -1: it is none. */
static int64_t number(const char *text)
{
    char *end;
    errno = 0;
    long long n = *text >= '0' && *text <= '9' ? strtoll(text, &end, 10) : -1;
    return n >= 0 && !errno && !*end ? n : -1;
}

/* Class by its name, else by its number. */
static int32_t class_of(const nilu_inquiry *q, const char *text)
{
    const nilu_data_info *set = q->info.set;
    for (int64_t i = 0; set->class_names && i < set->outputs; i++)
        if (strcmp(set->class_names[i], text) == 0)
            return (int32_t)i;
    int64_t n = number(text);
    return n < set->outputs ? (int32_t)n : -1;
}

nilu_status forensics_class(nilu_inquiry *q, const char *text, int32_t usual, int32_t *out)
{
    *out = text ? class_of(q, text) : usual;
    if (!text || *out >= 0)
        return NILU_OK;
    return base_fail(q->nl, NILU_E_NAME, N_("%s: is none of the %lld classes of %s; give a class's name or its number from 0"), text,
                     (long long)q->info.set->outputs, q->info.set->name);
}

nilu_status nilu_inquiry_look(nilu_inquiry *q, nilu_part part, int64_t index, const char *truth, const char *accused, nilu_sample *out)
{
    const nilu_inquiry_info *i = &q->info;
    nilu_data *data = q->other ? q->other : i->data;
    const nilu_data_info *set = nilu_data_about(data);
    bool classes = i->about->task == NILU_TASK_CLASSES;
    int32_t label = -1, whom = -1;
    if (index < 0 || index >= set->count[part])
        return base_fail(q->nl, NILU_E_NAME, N_("%s:%lld: there is no such sample; %s has %lld in its %s part (0 is the first)"), parts[part],
                         (long long)index, set->name, (long long)set->count[part], parts[part]);
    bool told = set->outputs == i->set->outputs;
    NILU_TRY(nilu_data_batch(data, part, &index, 1, q->x, told && classes ? &label : NULL, told && !classes ? q->target : NULL));
    if (classes) {
        NILU_TRY(forensics_class(q, truth, label, &label));
        NILU_TRY(forensics_class(q, accused, -1, &whom));
    }
    if (classes ? label < 0 : !told || q->target[0] != q->target[0])
        return base_fail(q->nl, NILU_E_DATA, N_("%s:%lld of %s: nobody says what is right for this sample; name its class"), parts[part],
                         (long long)index, set->name);
    NILU_TRY(nilu_scene_look(i->scene, q->x, label, q->target, whom));
    char *name = q->other ? base_format(q->nl, "%s:%lld", set->name, (long long)index)
                          : base_format(q->nl, "%s:%lld", parts[part], (long long)index);
    if (!name)
        return NILU_E_NO_MEMORY;
    base_free(q->nl, q->name);
    q->name = name;
    if (out)
        *out = (nilu_sample){.name = name, .data = data, .set = set, .part = part, .index = index, .x = q->x, .label = label,
                             .target = classes ? NULL : q->target};
    return NILU_OK;
}

/* The part that has samples, in the order in which a run is judged. */
static nilu_part judged(const nilu_data_info *set)
{
    return set->count[NILU_TEST] ? NILU_TEST : set->count[NILU_VALIDATION] ? NILU_VALIDATION : NILU_TRAIN;
}

/* Opens the set of "FILE" or "FILE:7", to be read as the run's was. */
static nilu_status open_file(nilu_inquiry *q, const char *name, int64_t *index)
{
    nilu_data_options o = q->options.opened ? *q->options.opened : (nilu_data_options)NILU_DATA_DEFAULT;
    char *path = base_strdup(q->nl, name), *colon = path ? strrchr(path, ':') : NULL;
    if (!path)
        return NILU_E_NO_MEMORY;
    *index = 0;
    if (colon && access(path, F_OK) != 0 && number(colon + 1) >= 0) {
        *index = number(colon + 1);
        *colon = 0;
    }
    nilu_data *data = NULL;
    nilu_status status;
    if (access(path, F_OK) != 0)
        status = base_fail(q->nl, NILU_E_NAME, N_("%s: is neither a sample of %s (as in test:42, validation:7, train:3) nor a file"), name,
                           q->info.set->name);
    else
        status = nilu_run_data(q->info.run, path, &o, &data);
    base_free(q->nl, path);
    if (status == NILU_OK && nilu_data_about(data)->features != q->info.set->features)
        status = base_fail(q->nl, NILU_E_DATA, N_("%s: has %lld features, but the run was trained on %lld"), name,
                           (long long)nilu_data_about(data)->features, (long long)q->info.set->features);
    if (status == NILU_OK)
        q->other = data;
    else
        nilu_data_free(data);
    return status;
}

nilu_status nilu_inquiry_sample(nilu_inquiry *q, const char *name, const char *truth, const char *accused, nilu_sample *out)
{
    nilu_data_free(q->other);
    q->other = NULL;
    if (!name)
        return nilu_inquiry_look(q, judged(q->info.set), 0, truth, accused, out);
    if (number(name) >= 0)
        return nilu_inquiry_look(q, judged(q->info.set), number(name), truth, accused, out);
    for (int p = 0; p < NILU_PARTS; p++) {
        size_t n = strlen(parts[p]);
        if (strncmp(name, parts[p], n) == 0 && name[n] == ':' && number(name + n + 1) >= 0)
            return nilu_inquiry_look(q, (nilu_part)p, number(name + n + 1), truth, accused, out);
    }
    int64_t index;
    NILU_TRY(open_file(q, name, &index));
    return nilu_inquiry_look(q, judged(nilu_data_about(q->other)), index, truth, accused, out);
}

#define BLOCK 512
nilu_status nilu_inquiry_mean(nilu_inquiry *q, const double **mean)
{
    const nilu_data_info *set = q->info.set;
    int64_t n = set->count[NILU_TRAIN], k = set->features, index[BLOCK];
    size_t bytes;
    *mean = q->mean;
    if (q->mean)
        return NILU_OK;
    if (!base_mul((size_t)k, BLOCK * sizeof(float), &bytes))
        return base_no_memory(q->nl, 0);
    float *x = base_alloc(q->nl, bytes);
    double *sum = base_calloc(q->nl, (size_t)k, sizeof *sum);
    nilu_status status = x && sum ? NILU_OK : NILU_E_NO_MEMORY;
    for (int64_t first = 0; first < n && status == NILU_OK; first += BLOCK) {
        int64_t m = n - first < BLOCK ? n - first : BLOCK;
        for (int64_t i = 0; i < m; i++)
            index[i] = first + i;
        status = nilu_data_batch(q->info.data, NILU_TRAIN, index, m, x, NULL, NULL);
        for (int64_t i = 0; i < m && status == NILU_OK; i++)
            for (int64_t j = 0; j < k; j++)
                sum[j] += (double)x[i * k + j];
    }
    base_free(q->nl, x);
    if (status != NILU_OK) {
        base_free(q->nl, sum);
        return status;
    }
    for (int64_t j = 0; j < k && n; j++)
        sum[j] /= (double)n;
    *mean = q->mean = sum;
    return NILU_OK;
}

nilu_status nilu_inquiry_lesson(nilu_inquiry *q, nilu_lesson **lesson)
{
    const nilu_inquiry_info *i = &q->info;
    nilu_scene_options o = NILU_SCENE_DEFAULT;
    nilu_store *states = NULL;
    *lesson = q->lesson;
    if (q->lesson)
        return NILU_OK;
    nilu_status status = nilu_run_store(i->run, NILU_LAST, &states);
    if (status != NILU_OK && status != NILU_E_FILE_NOT_FOUND)
        return status;
    nilu_optimizer_options steady = i->about->options.optimizer; /* a schedule that has come to its end would show nothing */
    steady.schedule.kind = NILU_SCHEDULE_CONSTANT;
    steady.schedule.warmup = 0;
    o.task = i->about->task;
    o.loss = i->about->options.loss;
    status = nilu_lesson_new(q->nl, i->model, i->store, states, i->set->features, i->set->outputs, &o, &steady, &q->lesson);
    nilu_store_free(states);
    *lesson = q->lesson;
    return status;
}
