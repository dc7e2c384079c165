/* CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their binary form: a record is a label, in CIFAR-100 a coarse and a fine one,
 * and 32 x 32 pixels: all red ones, then green, then blue. The classes' names stand in text files beside them. */
#include "data/picture.h"

#include <string.h>

enum { SIDE = 32, PIXELS = 3 * SIDE * SIDE, MOST = 16 };

struct data_batches {
    int n;
    data_file file[MOST];
    int64_t first[MOST + 1]; /* row of a file's first record */
};

/* How the two are laid out. */
typedef struct kind {
    const char *train, *test, *names, *coarse; /* train NULL: data_batch_1.bin, … */
    int labels, classes[2]; /* bytes of a record before its pixels; of the labels: fine, coarse */
} kind;

static const kind kinds[] = {
    {NULL, "test_batch.bin", "batches.meta.txt", NULL, 1, {10, 10}},
    {"train.bin", "test.bin", "fine_label_names.txt", "coarse_label_names.txt", 2, {100, 20}},
};

/* The path of batch number i, from 1; NULL: there is none, or memory ran out. */
static const char *batch_path(nilu_data *d, const kind *k, const char *folder, int i)
{
    char name[32];
    if (!k->train)
        snprintf(name, sizeof name, "data_batch_%d.bin", i);
    else if (i == 1)
        snprintf(name, sizeof name, "%s", k->train);
    else
        return NULL;
    const char *path = data_keep_format(&d->pool, "%s/%s", folder, name);
    return path && data_exists(path, false) ? path : NULL;
}

static const kind *kind_of(nilu_data *d, const char *folder)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (batch_path(d, &kinds[i], folder, 1))
            return &kinds[i];
    return NULL;
}

bool data_has_batches(nilu_data *d, const char *folder)
{
    return kind_of(d, folder) != NULL;
}

static int record(const data_rows *r)
{
    return PIXELS + (int)r->array.offset;
}

/* A record's labels and pixels: false if they cannot be read. */
static bool read_at(const data_rows *r, int64_t row, uint64_t from, size_t n, unsigned char *to)
{
    const struct data_batches *b = r->batches;
    int i = 0;
    while (row >= b->first[i + 1])
        i++;
    return data_file_at(&b->file[i], (uint64_t)(row - b->first[i]) * (uint64_t)record(r) + from, to, n);
}

static nilu_status bring_record(const nilu_data *d, const data_rows *r, int64_t row, picture_decoder *x, unsigned char *to,
                                char fault[DATA_FAULT])
{
    (void)x;
    if (read_at(r, row, r->array.offset, PIXELS, to))
        return NILU_OK;
    snprintf(fault, DATA_FAULT, base_text(N_("%s: reading failed in row %lld; did the file change?")), d->info.name, (long long)row + 1);
    return NILU_E_FILE_READ;
}

/* ---- names */

/* Lines of a file of names become class names; *found false if there is no such file. */
static nilu_status read_names(nilu_data *d, const char *path, int n, const char **name, bool *found)
{
    char *text = NULL, *at;
    size_t length;
    int lines = 0;
    *found = data_exists(path, false);
    if (!*found)
        return NILU_OK;
    NILU_TRY(base_read_file(d->nl, path, 1 << 16, &text, &length));
    nilu_status status = NILU_OK;
    for (at = text; *at && status == NILU_OK; at += strcspn(at, "\n"), at += *at == '\n') {
        size_t end = strcspn(at, "\r\n");
        if (end == 0)
            continue;
        if (lines < n)
            name[lines] = data_keep_text(&d->pool, at, end);
        if (lines < n && (!name[lines] || !data_is_utf8(at, end)))
            status = name[lines] ? base_fail(d->nl, NILU_E_FILE_CORRUPT, N_("%s: is not UTF-8"), path) : NILU_E_NO_MEMORY;
        lines++;
    }
    base_free(d->nl, text);
    if (status == NILU_OK && lines != n)
        status = base_fail(d->nl, NILU_E_FILE_CORRUPT, N_("%s: has %d names, where the set has %d classes"), path, lines, n);
    return status;
}

/* Names of the set's own classes into name[n]; else their numbers. */
static nilu_status class_names(nilu_data *d, const kind *k, const char *folder, bool coarse, const char **name)
{
    int n = k->classes[coarse];
    bool found;
    const char *path = data_keep_format(&d->pool, "%s/%s", folder, coarse ? k->coarse : k->names);
    NILU_TRY(path ? read_names(d, path, n, name, &found) : NILU_E_NO_MEMORY);
    for (int i = 0; i < n && !found; i++) {
        name[i] = data_keep_format(&d->pool, "%d", i);
        if (!name[i])
            return NILU_E_NO_MEMORY;
    }
    return NILU_OK;
}

/* ---- labels */

/* The classes are the set's, or with a model those of the same names. */
static nilu_status learn_classes(nilu_data *d, const kind *k, const char *folder, bool coarse, int32_t class_of[256])
{
    const char *name[256];
    int n = k->classes[coarse];
    NILU_TRY(class_names(d, k, folder, coarse, name));
    for (int i = 0; i < n && d->has_encoder; i++) {
        class_of[i] = d->info.task == NILU_TASK_CLASSES ? data_class_named(d, name[i]) : -1;
        if (class_of[i] < 0 && d->info.task == NILU_TASK_CLASSES)
            return base_fail(d->nl, NILU_E_RANGE, N_("%s: \"%s\" is none of the %lld classes that the model was trained on; rename the folder, or "
                                                     "read the pictures without their classes (task none)"), folder, name[i], (long long)d->info.outputs);
    }
    if (d->has_encoder)
        return NILU_OK;
    d->class_name = data_keep(&d->pool, (size_t)n * sizeof *d->class_name);
    d->class_value = d->class_name ? data_keep(&d->pool, (size_t)n * sizeof *d->class_value) : NULL;
    if (!d->class_value)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < n; i++) {
        class_of[i] = i;
        d->class_name[i] = name[i];
        d->class_value[i] = i;
    }
    d->info.task = NILU_TASK_CLASSES;
    d->info.outputs = n;
    d->info.class_names = d->class_name;
    return NILU_OK;
}

static nilu_status label_rows(nilu_data *d, const kind *k, bool coarse, const int32_t *class_of, data_rows *r)
{
    r->label = data_keep(&d->pool, (size_t)r->count * sizeof *r->label);
    if (!r->label)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < r->batches->n; i++)
        for (int64_t row = r->batches->first[i]; row < r->batches->first[i + 1]; row++) {
            unsigned char label;
            const char *path = r->batches->file[i].path;
            if (!read_at(r, row, k->labels == 2 && !coarse, 1, &label))
                return base_fail(d->nl, NILU_E_FILE_READ, N_("%s: reading failed in row %lld; did the file change?"), path,
                                 (long long)(row - r->batches->first[i]) + 1);
            if (label >= k->classes[coarse])
                return base_fail(d->nl, NILU_E_RANGE, N_("%s: record %lld has label %d, where there are classes 0 to %d; is it a file of CIFAR-%d?"), path,
                                 (long long)(row - r->batches->first[i]) + 1, label, k->classes[coarse] - 1, k->classes[0]);
            r->label[row] = class_of[label];
        }
    return NILU_OK;
}

/* ---- opening */

static nilu_status add_batch(nilu_data *d, data_rows *r, const char *path)
{
    struct data_batches *b = r->batches;
    data_file *f = &b->file[b->n];
    NILU_TRY(data_file_open(d->nl, path, d->limit - d->held, f));
    b->n++; /* from here on it is closed with the set */
    uint64_t each = (uint64_t)record(r);
    if (f->size == 0 || f->size % each)
        return base_fail(d->nl, NILU_E_FILE_CORRUPT, N_("%s: has %llu bytes, which is no whole number of records of %llu; fetch it again"),
                         path, (unsigned long long)f->size, (unsigned long long)each);
    if (f->size / each > (uint64_t)(DATA_MAX_ROWS - r->count))
        return base_fail(d->nl, NILU_E_UNSUPPORTED, N_("%s: has more than %d rows"), path, DATA_MAX_ROWS);
    r->count += (int64_t)(f->size / each);
    b->first[b->n] = r->count;
    return data_file_print(d->nl, f, d->print);
}

static nilu_status start_rows(nilu_data *d, const kind *k, const char *name, data_rows *r)
{
    r->name = name;
    r->bring = bring_record;
    r->array.offset = (uint64_t)k->labels;
    r->batches = data_keep(&d->pool, sizeof *r->batches);
    return r->batches ? NILU_OK : NILU_E_NO_MEMORY;
}

static void close_batches(nilu_data *d, data_rows *r)
{
    for (int i = 0; r->batches && i < r->batches->n; i++)
        data_file_close(d->nl, &r->batches->file[i]);
}

nilu_status data_open_batches(nilu_data *d, const char *folder)
{
    const kind *k = kind_of(d, folder);
    const char *target = d->options.target, *path;
    int32_t class_of[256];
    bool coarse = target && k->coarse && strcmp(target, "coarse") == 0;
    if (target && !coarse && !(k->coarse && strcmp(target, "fine") == 0))
        return base_fail(d->nl, NILU_E_USAGE, k->coarse ? N_("%s: there is no target \"%s\"; CIFAR-100 has fine and coarse labels")
                                                        : N_("%s: a folder has its own labels; a target can be named for a single file"), folder, target);
    if (d->options.task == NILU_TASK_NUMBERS)
        return base_fail(d->nl, NILU_E_USAGE, N_("%s: its targets are classes"), folder);
    if (d->has_encoder && !d->planes)
        return base_fail(d->nl, NILU_E_DATA, N_("%s: is pictures, but the model was not trained on files of pictures; give data like those it was trained on"), folder);
    d->info.format = "cifar";
    d->info.target = coarse ? "coarse" : k->coarse ? "fine" : "";
    NILU_TRY(start_rows(d, k, d->info.name, &d->rows[0]));
    for (int i = 1; i < MOST && (path = batch_path(d, k, folder, i)) != NULL; i++)
        NILU_TRY(add_batch(d, &d->rows[0], path));
    path = data_keep_format(&d->pool, "%s/%s", folder, k->test);
    if (path && data_exists(path, false)) {
        NILU_TRY(start_rows(d, k, k->test, &d->rows[1]));
        NILU_TRY(add_batch(d, &d->rows[1], path));
    }
    if (d->nl->status == NILU_E_NO_MEMORY)
        return NILU_E_NO_MEMORY;
    NILU_TRY(data_picture_shape(d, folder, 3, SIDE, SIDE));
    if (d->options.task != NILU_TASK_NONE) {
        NILU_TRY(learn_classes(d, k, folder, coarse, class_of));
        for (int i = 0; i < 2 && d->info.task == NILU_TASK_CLASSES; i++)
            if (d->rows[i].count)
                NILU_TRY(label_rows(d, k, coarse, class_of, &d->rows[i]));
    }
    NILU_TRY(data_finish_pictures(d, 0, d->rows[1].count > 0));
    for (int i = 0; i < 2; i++)
        if (d->rows[i].u8)
            close_batches(d, &d->rows[i]);
    return NILU_OK;
}

void data_batches_free(nilu_data *d)
{
    for (int i = 0; i < 2; i++)
        close_batches(d, &d->rows[i]);
}
