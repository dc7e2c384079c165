/* A set of pictures: all headers are looked at, and say the size and whether there is colour; the files are decoded into bytes
 * [sample][channel][height][width], which stay bytes until a batch is gathered, or where memory does not hold them, when they
 * are asked for. The first file is taken for the form of all, so that as a rule each file is read once; if another one shows
 * that it is not, all are decoded again. Every thread has a decoder, and what it makes depends on the file alone, so no bit
 * depends on threads or on memory. */
#include "data/picture.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SIDE = 4096 };
/* Means are learnt from so many pictures, spread evenly over the training part: their error is far below a grey level. */
enum { LEARNT = 1 << 16 };

/* ---- all rows, by all threads */

typedef struct seen {
    picture_look look;
    uint64_t hash; /* of the file's bytes */
} seen;

typedef struct worker {
    picture_decoder decoder;
    data_sums sums[PICTURE_CHANNELS];
    unsigned char *row;
    char fault[DATA_FAULT];
} worker;

typedef struct work {
    nilu_data *d;
    const data_rows *rows;
    nilu_status (*act)(struct work *w, worker *k, int64_t i);
    int64_t n, failed; /* failed: the first that did, -1: none */
    seen *seen;
    picture_form form;
    bool any_size;     /* all are brought to it */
    unsigned char *to; /* [rows] of bytes; NULL: looked at alone */
    data_sums sums[PICTURE_CHANNELS];
} work;

static worker *new_worker(void)
{
    worker *k = calloc(1, sizeof *k);
    for (int c = 0; c < PICTURE_CHANNELS && k; c++)
        k->sums[c] = (data_sums)DATA_SUMS_NONE;
    return k;
}

static void do_one(work *w, worker *k, int64_t i)
{
    if (k && w->act(w, k, i) == NILU_OK)
        return;
#pragma omp critical
    w->failed = w->failed < 0 || i < w->failed ? i : w->failed;
}

/* Joins what a worker has summed up. */
static void end_worker(work *w, worker *k)
{
    if (!k)
        return;
#pragma omp critical
    for (int c = 0; c < PICTURE_CHANNELS; c++)
        w->sums[c] = data_sums_join(w->sums[c], k->sums[c]);
    picture_free(&k->decoder);
    free(k->row);
    free(k);
}

/* Does all n; of those that fail the first is told, whichever was met first. */
static nilu_status do_all(work *w)
{
    nilu *nl = w->d->nl;
    int64_t n = w->n;
    w->failed = -1;
    for (int c = 0; c < PICTURE_CHANNELS; c++)
        w->sums[c] = (data_sums)DATA_SUMS_NONE;
    if (nl->threads > 1) {
#pragma omp parallel num_threads(nl->threads)
        {
            worker *k = new_worker();
#pragma omp for schedule(dynamic, 16)
            for (int64_t i = 0; i < n; i++)
                do_one(w, k, i);
            end_worker(w, k);
        }
    } else {
        worker *k = new_worker();
        for (int64_t i = 0; i < n; i++)
            do_one(w, k, i);
        end_worker(w, k);
    }
    if (w->failed < 0)
        return NILU_OK;
    worker *k = new_worker();
    nilu_status status = k ? w->act(w, k, w->failed) : base_no_memory(nl, sizeof *k);
    if (k && status == NILU_OK)
        status = base_fail(nl, NILU_E_FILE_READ, N_("%s: a file changed while it was read; open the set again"), w->d->info.name);
    else if (k)
        base_fail(nl, status, "%s", k->fault);
    end_worker(w, k);
    return status;
}

/* ---- looking */

static nilu_status name_fault(const picture_decoder *x, const char *path, nilu_status status, char fault[DATA_FAULT])
{
    if (status != NILU_OK)
        snprintf(fault, DATA_FAULT, "%.250s: %s", path, x->why);
    return status;
}

static size_t form_bytes(picture_form f)
{
    return (size_t)f.channels * (size_t)f.height * (size_t)f.width;
}

static nilu_status look_at(work *w, worker *k, int64_t i)
{
    picture_decoder *x = &k->decoder;
    const char *path = w->rows->path[i];
    picture_look *look = &w->seen[i].look;
    nilu_status status = picture_load(x, path);
    if (status == NILU_OK)
        status = picture_header(x, look);
    if (status == NILU_OK)
        w->seen[i].hash = XXH64(x->file, x->bytes, 0);
    bool fits = w->any_size || (look->height == w->form.height && look->width == w->form.width);
    if (status == NILU_OK && w->to && fits)
        status = picture_decode(x, *look, w->form, w->to + (size_t)i * form_bytes(w->form));
    return name_fault(x, path, status, k->fault);
}

static nilu_status bring_file(const nilu_data *d, const data_rows *r, int64_t row, picture_decoder *x, unsigned char *to,
                              char fault[DATA_FAULT])
{
    const picture_form form = {d->info.height, d->info.width, d->info.channels};
    picture_look look;
    nilu_status status = picture_load(x, r->path[row]);
    if (status == NILU_OK)
        status = picture_header(x, &look);
    if (status == NILU_OK)
        status = picture_decode(x, look, form, to);
    return name_fault(x, r->path[row], status, fault);
}

/* ---- the form of all pictures */

/* "48x64", or "48" for both; 0: not given. */
static nilu_status wanted_size(nilu_data *d, int *height, int *width)
{
    const char *text = d->options.resize;
    char *end;
    *height = *width = 0;
    if (!text)
        return NILU_OK;
    long h = strtol(text, &end, 10), w = h;
    if (*end == 'x' && end[1])
        w = strtol(end + 1, &end, 10);
    if (*end || h < 1 || w < 1 || h > MAX_SIDE || w > MAX_SIDE)
        return base_fail(d->nl, NILU_E_USAGE, N_("\"%.40s\" is no size of pictures; give the height and the width, as in 48x64, or one number for both, from 1 to %d"), text, MAX_SIDE);
    *height = (int)h;
    *width = (int)w;
    return NILU_OK;
}

static nilu_status wanted_channels(nilu_data *d, int *channels)
{
    const char *text = d->options.colour;
    *channels = !text || strcmp(text, "auto") == 0 ? 0 : strcmp(text, "grey") == 0 ? 1 : strcmp(text, "rgb") == 0 ? 3 : -1;
    if (*channels < 0)
        return base_fail(d->nl, NILU_E_USAGE, N_("there is no colour \"%.40s\"; give grey, rgb or auto"), text);
    return NILU_OK;
}

static nilu_status two_sizes(nilu_data *d, const char *a, picture_look one, const char *b, picture_look other)
{
    return base_fail(d->nl, NILU_E_DATA,
                     N_("%.200s has %d x %d pixels, but %.200s has %d x %d; say which size all are brought to, as in --size %d"), a,
                     one.height, one.width, b, other.height, other.width, one.height < one.width ? one.height : one.width);
}

/* What was asked for, or is the model's; where nothing was, the first picture's. */
static nilu_status guess_form(nilu_data *d, picture_form *form, bool *any_size)
{
    picture_decoder x = {0};
    picture_look look;
    char fault[DATA_FAULT];
    const char *first = d->rows[0].count ? d->rows[0].path[0] : d->rows[1].path[0];
    NILU_TRY(wanted_size(d, &form->height, &form->width));
    NILU_TRY(wanted_channels(d, &form->channels));
    *any_size = form->height > 0 || d->has_encoder;
    if (d->has_encoder) {
        const int64_t *dim = d->sample.dim;
        *form = d->sample.rank == 2 ? (picture_form){(int)dim[0], (int)dim[1], 1}
                                    : (picture_form){(int)dim[1], (int)dim[2], (int)dim[0]};
        return NILU_OK;
    }
    nilu_status status = picture_load(&x, first);
    if (status == NILU_OK)
        status = picture_header(&x, &look);
    if (name_fault(&x, first, status, fault) != NILU_OK)
        base_fail(d->nl, status, "%s", fault);
    picture_free(&x);
    NILU_TRY(status);
    if (!form->height) {
        form->height = look.height;
        form->width = look.width;
    }
    if (!form->channels)
        form->channels = look.colour ? 3 : 1;
    return NILU_OK;
}

/* Makes sure of it: sizes that differ are an error unless one was asked for, and one picture with colour makes all rgb. */
static nilu_status check_form(nilu_data *d, const seen *s, bool any_size, picture_form *form)
{
    const picture_look first = s[0].look;
    const data_rows *rows = d->rows;
    bool differ = false;
    int asked;
    NILU_TRY(wanted_channels(d, &asked));
    for (int64_t i = 0; i < rows[0].count + rows[1].count; i++) {
        const picture_look *l = &s[i].look;
        if (l->colour && !asked && !d->has_encoder)
            form->channels = 3;
        if (!any_size && (l->height != first.height || l->width != first.width))
            return two_sizes(d, rows[0].path[0], first,
                             i < rows[0].count ? rows[0].path[i] : rows[1].path[i - rows[0].count], *l);
        differ = differ || l->height != form->height || l->width != form->width;
    }
    if (differ && !d->has_encoder)
        return data_note(d, N_("Pictures of other sizes are made to cover %d x %d, and their middle is cut out."), form->height, form->width);
    return NILU_OK;
}

nilu_status data_picture_shape(nilu_data *d, const char *path, int channels, int height, int width)
{
    const nilu_shape s = NILU_SHAPE(channels, height, width);
    if (d->has_encoder && base_count(d->sample) != base_count(s)) {
        char want[BASE_SHAPE_TEXT], got[BASE_SHAPE_TEXT];
        return base_fail(d->nl, NILU_E_DATA, N_("%s: its samples have shape %s, but the model was trained on %s"), path,
                         base_shape_text(s, got), base_shape_text(d->sample, want));
    }
    if (!d->has_encoder)
        d->sample = s;
    d->arrays = true;
    d->planes = d->sample.rank == 3; /* a model of grey arrays has two */
    d->info.features = base_count(s);
    d->info.height = height;
    d->info.width = width;
    d->info.channels = channels;
    d->info.planes = true;
    return NILU_OK;
}

/* A model's samples must have been pictures as these are: bytes, and planes where there is more than one. */
static nilu_status check_encoder(nilu_data *d, const char *path)
{
    const nilu_shape *s = &d->sample;
    bool grey = s->rank == 2 && d->scale.high > 1;
    if (!d->has_encoder || (!d->column && (grey || (d->planes && s->rank == 3 && (s->dim[0] == 1 || s->dim[0] == 3) &&
                                                    s->dim[1] <= MAX_SIDE && s->dim[2] <= MAX_SIDE))))
        return NILU_OK;
    return base_fail(d->nl, NILU_E_DATA, N_("%s: is pictures, but the model was not trained on files of pictures; give data like those it was trained on"), path);
}

/* ---- memory */

static nilu_status decode_row(work *w, worker *k, int64_t i)
{
    return w->rows->bring(w->d, w->rows, i, &k->decoder, w->to + (size_t)i * (size_t)w->d->info.features, k->fault);
}

/* Room for all rows as bytes, where memory holds them; it is the set's. */
static nilu_status make_room(nilu_data *d, data_rows *r, size_t each)
{
    r->array.type = DATA_U8;
    if (!r->count || !data_fits(d, r->count, (int64_t)each, 1))
        return NILU_OK;
    r->bytes = base_alloc(d->nl, (size_t)r->count * each);
    if (!r->bytes)
        return NILU_E_NO_MEMORY;
    base_in_large_pages(r->bytes, /* 180 MB of small ones took 0.4 s to be handed out, a fifth of what decoding takes */
                        (size_t)r->count * each);
    return NILU_OK;
}

static void give_room(nilu_data *d, data_rows *r, size_t each)
{
    d->held -= r->bytes ? (size_t)r->count * each : 0;
    base_free(d->nl, r->bytes);
    r->bytes = NULL;
}

static nilu_status decode_rows(nilu_data *d, data_rows *r)
{
    if (!r->count || r->u8)
        return NILU_OK;
    NILU_TRY(make_room(d, r, (size_t)d->info.features));
    if (!r->bytes) {
        d->info.streamed = true;
        return NILU_OK;
    }
    work w = {.d = d, .rows = r, .act = decode_row, .n = r->count, .to = r->bytes};
    NILU_TRY(do_all(&w));
    r->u8 = r->bytes;
    return NILU_OK;
}

/* ---- scale */

static nilu_status add_sums(work *w, worker *k, int64_t i)
{
    nilu_data *d = w->d;
    const data_rows *r = w->rows;
    int64_t count = d->info.count[NILU_TRAIN], plane = (int64_t)d->info.height * d->info.width;
    int64_t row = data_row_of(d, NILU_TRAIN, w->n == count ? i : i * (count / w->n) + i * (count % w->n) / w->n);
    const unsigned char *bytes = r->u8 ? r->u8 + row * d->info.features : k->row;
    if (!bytes)
        bytes = k->row = malloc((size_t)d->info.features);
    if (!bytes) {
        snprintf(k->fault, DATA_FAULT, "%s", base_text(N_("memory ran out")));
        return NILU_E_NO_MEMORY;
    }
    if (!r->u8)
        NILU_TRY(r->bring(d, r, row, &k->decoder, k->row, k->fault));
    for (int c = 0; c < d->info.channels; c++)
        k->sums[c] = data_sums_join(k->sums[c], data_sums_of(bytes + c * plane, plane));
    return NILU_OK;
}

static nilu_status learn_scale(nilu_data *d)
{
    int64_t count = d->info.count[NILU_TRAIN], plane = (int64_t)d->info.height * d->info.width;
    work w = {.d = d, .rows = &d->rows[0], .act = add_sums, .n = count < LEARNT ? count : LEARNT};
    data_scale *s = &d->scale;
    NILU_TRY(data_scale_new(d, d->info.features, plane, s));
    NILU_TRY(do_all(&w));
    for (int c = 0; c < d->info.channels; c++)
        data_scale_take(s, c, &w.sums[c], (double)w.n * (double)plane);
    data_scale_finish(s);
    if (d->options.scale)
        return data_scale_wanted(d, s, true);
    if (d->info.channels == 1)
        return data_note(d, N_("All pixels are scaled alike, to mean 0 and deviation 1 of the training part (%.4g and %.4g before)."), s->mean[0], s->std[0]);
    return data_note(d, N_("Each channel is scaled to mean 0 and deviation 1 of the training part (means %.4g, %.4g, %.4g; deviations %.4g, %.4g, %.4g before)."),
                     s->mean[0], s->mean[1], s->mean[2], s->std[0], s->std[1], s->std[2]);
}

/* ---- parts */

/* Those for training are divided unless the set has a validation part of its own, which stands behind them. */
static nilu_status divide(nilu_data *d, int64_t own, bool own_test)
{
    data_rows *r = &d->rows[0];
    int64_t all = r->count;
    double share = d->options.validation;
    r->count -= own;
    d->options.validation = own ? 0 : share;
    nilu_status status = data_split(d, own_test);
    d->options.validation = share;
    r->count = all;
    if (status != NILU_OK || !own)
        return status;
    d->info.count[NILU_VALIDATION] = own;
    d->index[NILU_VALIDATION] = data_keep(&d->pool, (size_t)own * sizeof **d->index);
    for (int64_t i = 0; i < own && d->index[NILU_VALIDATION]; i++)
        d->index[NILU_VALIDATION][i] = (uint32_t)(all - own + i);
    return d->index[NILU_VALIDATION] ? NILU_OK : NILU_E_NO_MEMORY;
}

nilu_status data_finish_pictures(nilu_data *d, int64_t own, bool own_test)
{
    NILU_TRY(divide(d, own, own_test));
    if (d->info.count[NILU_TRAIN] == 0 && !d->has_encoder)
        return base_fail(d->nl, NILU_E_DATA, N_("%s: no sample is left to be trained on"), d->info.name);
    for (int i = 0; i < 2; i++)
        NILU_TRY(decode_rows(d, &d->rows[i]));
    if (!d->has_encoder) {
        if (d->info.task == NILU_TASK_NONE && d->options.task != NILU_TASK_NONE)
            NILU_TRY(data_note(d, N_("No labels were found beside the samples, so there is nothing to learn from them.")));
        NILU_TRY(learn_scale(d));
    }
    if (!d->info.streamed)
        return NILU_OK;
    d->longest = (size_t)d->info.features;
    NILU_TRY(data_scratch_new(d));
    for (int i = 0; i < d->scratches; i++) {
        d->scratch[i].decoder = data_keep(&d->pool, sizeof(picture_decoder));
        if (!d->scratch[i].decoder)
            return NILU_E_NO_MEMORY;
    }
    return NILU_OK;
}

void data_pictures_free(nilu_data *d)
{
    for (int i = 0; i < d->scratches; i++)
        if (d->scratch[i].decoder)
            picture_free(d->scratch[i].decoder);
    for (int i = 0; i < 2; i++)
        base_free(d->nl, d->rows[i].bytes);
    data_batches_free(d);
}

/* ---- opening */

/* Looks at all files, and decodes those of the form that all are thought to have. */
static nilu_status look_at_all(nilu_data *d, picture_form form, bool any_size, seen **s)
{
    data_rows *r = d->rows;
    *s = base_calloc(d->nl, (size_t)(r[0].count + r[1].count), sizeof **s);
    if (!*s)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < 2; i++) {
        NILU_TRY(make_room(d, &r[i], form_bytes(form)));
        work w = {.d = d,
                  .rows = &r[i],
                  .act = look_at,
                  .n = r[i].count,
                  .seen = *s + (i ? r[0].count : 0),
                  .form = form,
                  .any_size = any_size,
                  .to = r[i].bytes};
        NILU_TRY(do_all(&w));
    }
    for (int64_t i = 0; i < r[0].count + r[1].count; i++) {
        const data_rows *of = i < r[0].count ? &r[0] : &r[1];
        int32_t label = of->label ? of->label[i - (of == r ? 0 : r[0].count)] : -1;
        XXH64_update(d->print, &(*s)[i].hash, sizeof (*s)[i].hash);
        XXH64_update(d->print, &label, sizeof label);
    }
    return NILU_OK;
}

/* Rows first .. end-1 of what was found. */
static nilu_status keep_rows(nilu_data *d, const picture_set *s, int first, int end, int hidden, data_rows *r)
{
    size_t n = (size_t)(end - first);
    bool labelled = false;
    for (int i = first; i < end; i++)
        labelled = labelled || s->label[i] >= 0;
    r->count = end - first;
    r->name = d->info.name;
    r->bring = bring_file;
    r->hidden = hidden;
    r->path = n ? data_keep(&d->pool, n * sizeof *r->path) : NULL;
    r->label = n && labelled ? data_keep(&d->pool, n * sizeof *r->label) : NULL;
    if (n && (!r->path || (labelled && !r->label)))
        return NILU_E_NO_MEMORY;
    if (n)
        memcpy(r->path, s->path + first, n * sizeof *r->path);
    if (r->label)
        memcpy(r->label, s->label + first, n * sizeof *r->label);
    return NILU_OK;
}

static nilu_status one_file(nilu_data *d, const char *path, picture_set *s)
{
    NILU_TRY(base_grow(d->nl, &s->path, &s->path_cap, 1, sizeof *s->path));
    NILU_TRY(base_grow(d->nl, &s->label, &s->label_cap, 1, sizeof *s->label));
    s->path[0] = path;
    s->label[0] = -1;
    s->n = s->first[NILU_VALIDATION] = s->first[NILU_TEST] = 1;
    return NILU_OK;
}

static nilu_status open_set(nilu_data *d, const char *path, picture_set *s)
{
    bool folder = data_exists(path, true);
    picture_form form;
    bool any_size;
    seen *see = NULL;
    NILU_TRY(folder ? data_find_pictures(d, path, s) : one_file(d, path, s));
    if (s->n == 0)
        return NILU_OK;
    NILU_TRY(check_encoder(d, path));
    int hidden = (int)(folder ? strlen(path) + 1 : (size_t)(data_base_name(path) - path));
    NILU_TRY(keep_rows(d, s, 0, s->first[NILU_TEST], hidden, &d->rows[0]));
    NILU_TRY(keep_rows(d, s, s->first[NILU_TEST], s->n, hidden, &d->rows[1]));
    NILU_TRY(guess_form(d, &form, &any_size));
    const picture_form guess = form;
    nilu_status status = look_at_all(d, form, any_size, &see);
    if (status == NILU_OK)
        status = check_form(d, see, any_size, &form);
    base_free(d->nl, see);
    NILU_TRY(status);
    for (int i = 0; i < 2; i++) {
        if (form.channels != guess.channels)
            give_room(d, &d->rows[i], form_bytes(guess));
        d->rows[i].u8 = d->rows[i].bytes;
    }
    NILU_TRY(data_picture_shape(d, path, form.channels, form.height, form.width));
    return data_finish_pictures(d, s->first[NILU_TEST] - s->first[NILU_VALIDATION], d->rows[1].count > 0);
}

nilu_status data_open_pictures(nilu_data *d, const char *path)
{
    picture_set s = {0};
    if (d->options.task == NILU_TASK_NUMBERS || d->options.target)
        return base_fail(d->nl, NILU_E_USAGE, N_("%s: the classes of pictures are the names of their folders; no other target can be named"), path);
    d->info.format = "pictures";
    nilu_status status = open_set(d, path, &s);
    base_free(d->nl, s.path);
    base_free(d->nl, s.label);
    base_free(d->nl, s.class);
    return status;
}
