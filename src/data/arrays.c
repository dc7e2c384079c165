/* A set made of arrays: one file of samples, one of targets, perhaps two more for testing (IDX or NPY, told by their first
 * bytes). Bytes stay as they are in memory; all other numbers are scaled once into f32 if they fit, or else read and
 * scaled when asked for. */
#include "data/data.h"

#include <math.h>
#include <string.h>

static nilu_status read_header(nilu *nl, data_array *a)
{
    unsigned char magic[2] = {1, 1};
    bool npy = data_file_at(&a->file, 0, magic, 2) && magic[0] == 0x93;
    a->format = npy ? "npy" : "idx";
    return npy ? data_npy_header(nl, a) : data_idx_header(nl, a);
}

/* The files themselves, or members of an archive. */
static nilu_status open_files(nilu_data *d, const char *const path[4], nilu_npz *archive, const int *member, data_file file[4])
{
    nilu_status status = NILU_OK;
    if (!archive)
        return data_files_open(d->nl, 4, path, d->limit, file);
    for (int i = 0; i < 4; i++) {
        file[i] = (data_file){.fd = -1};
        if (path[i] && status == NILU_OK)
            status = data_npz_member(archive, member[i], path[i], d->limit, &file[i]);
    }
    for (int i = 0; i < 4 && status != NILU_OK; i++)
        data_file_close(d->nl, &file[i]);
    return status;
}

static nilu_status open_rows(nilu_data *d, const char *const path[4], nilu_npz *archive, const int *member)
{
    nilu *nl = d->nl;
    data_file file[4];
    size_t loaded = 0;
    NILU_TRY(open_files(d, path, archive, member, file));
    for (int i = 0; i < 4; i++) { /* from here on all are closed with the set */
        data_rows *r = &d->rows[i / 2];
        *(i % 2 ? &r->target : &r->array) = (data_array){.file = file[i]};
    }
    for (int i = 0; i < 4; i++) {
        data_rows *r = &d->rows[i / 2];
        data_array *a = i % 2 ? &r->target : &r->array;
        if (!path[i])
            continue;
        if (a->file.size <= d->limit - loaded) { /* else it is read row by row */
            NILU_TRY(data_file_load(nl, &a->file));
            loaded += (size_t)a->file.size;
        }
        NILU_TRY(data_file_print(nl, &a->file, d->print));
        NILU_TRY(read_header(nl, a));
        if (i % 2 == 0) {
            r->count = a->count;
            r->name = data_base_name(path[i]);
        } else if (a->count != r->count) {
            return base_fail(nl, NILU_E_DATA, N_("%s: has %lld targets for the %lld samples in %s"), path[i],
                             (long long)a->count, (long long)r->count, path[i - 1]);
        }
    }
    const data_array *x = &d->rows[0].array, *test = &d->rows[1].array;
    char one[BASE_SHAPE_TEXT], other[BASE_SHAPE_TEXT];
    if (path[2] && x->width != test->width)
        return base_fail(nl, NILU_E_DATA, N_("%s: its shape %s does not fit %s of %s: samples must be of one size"),
                         path[2], base_shape_text(test->shape, one), base_shape_text(x->shape, other), path[0]);
    return NILU_OK;
}

/* What a sample is: pictures have two or three dimensions. */
static nilu_status describe_samples(nilu_data *d)
{
    const data_array *a = &d->rows[0].array;
    nilu_shape s = {.rank = a->shape.rank - 1};
    memcpy(s.dim, a->shape.dim + 1, (size_t)s.rank * sizeof *s.dim);
    if (d->has_encoder && a->width != d->info.features) {
        char want[BASE_SHAPE_TEXT], got[BASE_SHAPE_TEXT];
        return base_fail(d->nl, NILU_E_DATA, N_("%s: its samples have shape %s, but the model was trained on %s"),
                         a->file.path, base_shape_text(s, got), base_shape_text(d->sample, want));
    }
    if (!d->has_encoder)
        d->sample = s;
    d->info.features = a->width;
    s = d->sample;
    if (s.rank == 2 || (s.rank == 3 && s.dim[2] <= 4)) {
        d->info.height = (int)s.dim[0];
        d->info.width = (int)s.dim[1];
        d->info.channels = s.rank == 3 ? (int)s.dim[2] : 1;
    }
    return NILU_OK;
}

/* ---- targets */

/* All numbers of an array of one column; freed by base_free. */
static nilu_status column_of(nilu_data *d, const data_array *a, double **v)
{
    unsigned char raw[8];
    *v = base_calloc(d->nl, (size_t)a->count, sizeof **v);
    if (!*v)
        return NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < a->count; i++) {
        if (!data_array_read(a, i, 0, 1, raw)) {
            base_free(d->nl, *v);
            *v = NULL;
            return base_fail(d->nl, NILU_E_FILE_READ, N_("%s: reading failed in row %lld; did the file change?"),
                             a->file.path, (long long)i + 1);
        }
        data_array_numbers(a, raw, 1, *v + i);
    }
    return NILU_OK;
}

static nilu_status label_rows(nilu_data *d, data_rows *r, const double *v)
{
    r->label = data_keep(&d->pool, (size_t)r->count * sizeof *r->label);
    if (!r->label)
        return NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < r->count; i++) {
        r->label[i] = d->class_value ? data_class_of_number(d, v[i]) : -1;
        if (r->label[i] < 0)
            return base_fail(d->nl, NILU_E_RANGE,
                             N_("%s: label %g of sample %lld is none of the %lld classes that the training "
                                "samples have"),
                             r->target.file.path, v[i], (long long)i + 1, (long long)d->info.outputs);
    }
    return NILU_OK;
}

/* Names from the catalogue, if the labels are their numbers. */
static void name_classes(nilu_data *d)
{
    const data_set *set = data_set_named(d->info.name);
    int n = set && set->classes ? set->outputs : 0;
    if (n == 0 || n != d->info.outputs || d->class_value[0] != 0 || d->class_value[n - 1] != n - 1)
        return;
    for (int i = 0; i < n; i++)
        d->class_name[i] = set->classes[i];
}

static nilu_status learn_targets(nilu_data *d)
{
    data_rows *r = d->rows;
    const data_array *a = &r->target;
    double *v = NULL;
    nilu_task wish = d->options.task;
    nilu_status status = NILU_OK;
    if (a->width == 1)
        status = column_of(d, a, &v);
    else if (wish == NILU_TASK_CLASSES)
        status = base_fail(d->nl, NILU_E_DATA, N_("%s: has %lld numbers for each sample, so it holds no classes"),
                           a->file.path, (long long)a->width);
    if (status != NILU_OK)
        return status;
    bool classes = wish == NILU_TASK_CLASSES ||
                   (wish == NILU_TASK_AUTO && v && data_target_is_classes(v, r->count, !data_type_is_float(a->type)));
    d->info.task = classes ? NILU_TASK_CLASSES : NILU_TASK_NUMBERS;
    d->info.outputs = a->width;
    if (classes)
        status = data_classes_of_numbers(d, a->file.path, v, r->count);
    base_free(d->nl, v);
    NILU_TRY(status);
    if (classes)
        name_classes(d);
    return NILU_OK;
}

/* Labels of all rows, or a check that targets have the width they must have. */
static nilu_status read_targets(nilu_data *d)
{
    if (d->rows[0].target.file.path && !d->has_encoder)
        NILU_TRY(learn_targets(d));
    for (int i = 0; i < 2; i++) {
        data_rows *r = &d->rows[i];
        const data_array *a = &r->target;
        double *v;
        if (!a->file.path || d->info.task == NILU_TASK_NONE)
            continue;
        if (a->width != (d->info.task == NILU_TASK_CLASSES ? 1 : d->info.outputs))
            return base_fail(d->nl, NILU_E_DATA,
                             N_("%s: has %lld numbers for each sample, where the training part has %lld"), a->file.path,
                             (long long)a->width, (long long)d->info.outputs);
        if (d->info.task != NILU_TASK_CLASSES)
            continue;
        NILU_TRY(column_of(d, a, &v));
        nilu_status status = label_rows(d, r, v);
        base_free(d->nl, v);
        NILU_TRY(status);
        data_file_close(d->nl, &r->target.file);
    }
    return NILU_OK;
}

static nilu_status scale_targets(nilu_data *d)
{
    char fault[DATA_FAULT];
    nilu_status status = NILU_OK;
    if (d->info.task != NILU_TASK_NUMBERS)
        return NILU_OK;
    if (!d->has_encoder) {
        NILU_TRY(data_scale_new(d, d->info.outputs, 1, &d->target_scale));
        NILU_TRY(data_scale_learn(d, &d->rows[0].target, &d->target_scale));
        d->info.target_mean = d->target_scale.mean;
        d->info.target_std = d->target_scale.std;
    }
    for (int i = 0; i < 2 && status == NILU_OK; i++) {
        data_rows *r = &d->rows[i];
        if (!r->target.file.path || !data_fits(d, r->count, d->info.outputs, sizeof(float)))
            continue;
        r->value = data_keep(&d->pool, (size_t)r->count * (size_t)d->info.outputs * sizeof *r->value);
        if (!r->value)
            return NILU_E_NO_MEMORY;
        for (int64_t k = 0; k < r->count && status == NILU_OK; k++)
            status = data_scale_row(&d->target_scale, &r->target, k, r->value + k * d->info.outputs, fault);
        if (status != NILU_OK)
            base_fail(d->nl, status, "%s", fault);
        data_file_close(d->nl, &r->target.file);
    }
    return status;
}

/* ---- samples */

/* Bytes stay as they are; other numbers are scaled into memory, or read from the file, when asked for. */
static nilu_status place_rows(nilu_data *d, data_rows *r)
{
    data_array *a = &r->array;
    int64_t width = d->info.features;
    char fault[DATA_FAULT];
    nilu_status status = NILU_OK;
    if (!r->count)
        return NILU_OK;
    if (a->type == DATA_U8 && a->file.bytes && !a->fortran) {
        r->u8 = (const unsigned char *)a->file.bytes + a->offset;
        d->held += (size_t)a->file.size;
        return NILU_OK;
    }
    if (!data_fits(d, r->count, width, sizeof(float))) {
        d->info.streamed = true;
        return NILU_OK;
    }
    r->f32 = data_keep(&d->pool, (size_t)r->count * (size_t)width * sizeof *r->f32);
    if (!r->f32)
        return NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < r->count && status == NILU_OK; i++)
        status = data_scale_row(&d->scale, a, i, r->f32 + i * width, fault);
    if (status != NILU_OK)
        return base_fail(d->nl, status, "%s", fault);
    data_file_close(d->nl, &a->file);
    return NILU_OK;
}

static nilu_status notes(nilu_data *d)
{
    const data_scale *s = &d->scale;
    bool shared = s->each == s->columns;
    if (d->has_encoder)
        return NILU_OK;
    if (d->info.task == NILU_TASK_NONE && d->options.task != NILU_TASK_NONE)
        NILU_TRY(data_note(d, N_("No labels were found beside the samples, so there is nothing to learn from them.")));
    if (shared && d->info.height)
        return data_note(
            d,
            N_("All pixels are scaled alike, to mean 0 and deviation 1 of the training part (%.4g and %.4g "
               "before)."),
            s->mean[0], s->std[0]);
    if (shared)
        return data_note(
            d,
            N_("All numbers are scaled alike, to mean 0 and deviation 1 of the training part (%.4g and %.4g "
               "before)."),
            s->mean[0], s->std[0]);
    int64_t constant = 0;
    for (int64_t j = 0; j < s->columns; j++)
        constant += !(s->std[j] > 0);
    NILU_TRY(data_note(d, N_("Each column is scaled to mean 0 and deviation 1 of the training part.")));
    return constant ? data_note(d, N_("Columns that never change are set to 0; there are %lld."), (long long)constant)
                    : NILU_OK;
}

nilu_status data_open_arrays(nilu_data *d, const char *const path[4], nilu_npz *archive, const int *member)
{
    d->arrays = true;
    if (d->has_encoder && d->column)
        return base_fail(d->nl, NILU_E_DATA,
                         N_("%s: is an array, but the model was trained on a table; give a table with the "
                            "same columns"),
                         path[0]);
    NILU_TRY(open_rows(d, path, archive, member));
    d->info.format = d->rows[0].array.format;
    NILU_TRY(describe_samples(d));
    NILU_TRY(read_targets(d));
    NILU_TRY(data_split(d, path[2] != NULL));
    if (d->info.count[NILU_TRAIN] == 0 && !d->has_encoder)
        return base_fail(d->nl, NILU_E_DATA, N_("%s: no sample is left to be trained on"), path[0]);
    const data_array *x = &d->rows[0].array;
    if (!d->has_encoder) {
        NILU_TRY(data_scale_new(d, x->width, x->type == DATA_U8 || x->shape.rank >= 3 ? x->width : 1, &d->scale));
        NILU_TRY(data_scale_learn(d, x, &d->scale));
        if (d->options.scale)
            NILU_TRY(data_scale_wanted(d, &d->scale, x->type == DATA_U8));
    }
    NILU_TRY(scale_targets(d));
    NILU_TRY(place_rows(d, &d->rows[0]));
    NILU_TRY(place_rows(d, &d->rows[1]));
    return notes(d);
}
