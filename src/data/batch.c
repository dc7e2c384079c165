/* Batches: rows of a part in any order, scaled on their way out. Bytes of pictures stay bytes until here: they take a
 * quarter of the room and so come four times as fast from memory.
 * Invariant: data_gather asks the context for no memory and writes nothing but what it was given, so threads may call it at once. */
#include "data/data.h"

#include <math.h>
#include <sched.h>
#include <string.h>

int64_t data_row_of(const nilu_data *d, nilu_part part, int64_t i)
{
    return d->index[part] ? d->index[part][i] : i;
}

/* ---- rows that stay in the file */

nilu_status data_scratch_new(nilu_data *d)
{
    int n = d->nl->threads + 1;
    d->scratch = data_keep(&d->pool, (size_t)n * sizeof *d->scratch);
    if (!d->scratch)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < n; i++) {
        data_scratch *s = &d->scratch[i];
        atomic_flag_clear(&s->taken);
        s->bytes = data_keep(&d->pool, d->longest);
        s->cell = s->bytes ? data_keep(&d->pool, (size_t)d->cells * sizeof *s->cell) : NULL;
        if (!s->cell)
            return NILU_E_NO_MEMORY;
    }
    d->scratches = n;
    return NILU_OK;
}

static data_scratch *take_scratch(nilu_data *d)
{
    for (;;) {
        for (int i = 0; i < d->scratches; i++)
            if (!atomic_flag_test_and_set(&d->scratch[i].taken))
                return &d->scratch[i];
        sched_yield();
    }
}

/* Reads and splits the record of a row: false if the file is no longer what it was. */
static bool read_record(const nilu_data *d, int64_t row, char *bytes, data_record *r)
{
    uint64_t at = d->offset[row];
    size_t n = d->file.size - at < d->longest ? (size_t)(d->file.size - at) : d->longest;
    if (!data_file_at(&d->file, at, bytes, n))
        return false;
    size_t length = data_csv_length(bytes, n, d->delimiter, true);
    data_csv_split(bytes, length, d->delimiter, r);
    return r->fault == CSV_OK && r->cells == d->cells;
}

static nilu_status table_row(nilu_data *d, int64_t row, float *x, char fault[DATA_FAULT])
{
    data_scratch *s = take_scratch(d);
    data_record r = {.cell = s->cell, .cap = d->cells};
    char what[DATA_FAULT / 2];
    nilu_status status = NILU_OK;
    if (!read_record(d, row, s->bytes, &r)) {
        snprintf(fault, DATA_FAULT, base_text(N_("%s: row %lld is not what it was; did the file change?")),
                 d->file.path, (long long)row + 1);
        status = NILU_E_FILE_READ;
    } else if (!data_table_encode(d, &r, x, what, sizeof what)) {
        snprintf(fault, DATA_FAULT, base_text(N_("%s: row %lld: %s; did the file change?")), d->file.path,
                 (long long)row + 1, what);
        status = NILU_E_FILE_READ;
    }
    atomic_flag_clear(&s->taken);
    return status;
}

/* Bytes of a picture that stays in its file. */
static nilu_status picture_row(nilu_data *d, const data_rows *r, int64_t row, float *x, char fault[DATA_FAULT])
{
    data_scratch *s = take_scratch(d);
    nilu_status status = r->bring(d, r, row, s->decoder, (unsigned char *)s->bytes, fault);
    if (status == NILU_OK)
        data_scale_bytes(&d->scale, (const unsigned char *)s->bytes, x);
    atomic_flag_clear(&s->taken);
    return status;
}

/* ---- gathering */

/* Shuffled rows are nowhere near each other, so memory is told early which come next. Measured on MNIST, 64 rows: 7.4 µs
 * without, 5.4 µs four rows ahead, no better with more. */
enum { AHEAD = 4 };

static void prefetch(const void *at, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const char *)at + i);
}

static nilu_status gather_x(nilu_data *d, nilu_part part, const int64_t *index, int64_t n, float *x,
                            char fault[DATA_FAULT])
{
    const data_rows *r = &d->rows[d->source[part]];
    int64_t width = d->info.features;
    size_t size = r->u8 ? 1 : sizeof *x;
    const char *base = r->u8 ? (const char *)r->u8 : (const char *)r->f32;
    for (int64_t i = 0; i < n; i++, x += width) {
        int64_t row = data_row_of(d, part, index ? index[i] : i);
        if (base && i + AHEAD < n) {
            int64_t later = data_row_of(d, part, index ? index[i + AHEAD] : i + AHEAD);
            prefetch(base + (size_t)(later * width) * size, width * (int64_t)size);
        }
        if (r->u8) {
            data_scale_bytes(&d->scale, r->u8 + row * width, x);
        } else if (r->f32) {
            memcpy(x, r->f32 + row * width, (size_t)width * sizeof *x);
        } else if (r->bring) {
            NILU_TRY(picture_row(d, r, row, x, fault));
        } else if (!d->arrays) {
            NILU_TRY(table_row(d, row, x, fault));
        } else {
            NILU_TRY(data_scale_row(&d->scale, &r->array, row, x, fault));
        }
    }
    return NILU_OK;
}

static nilu_status gather_targets(nilu_data *d, nilu_part part, const int64_t *index, int64_t n, float *targets,
                                  char fault[DATA_FAULT])
{
    const data_rows *r = &d->rows[d->source[part]];
    int64_t outputs = d->info.outputs;
    for (int64_t i = 0; i < n; i++, targets += outputs) {
        int64_t row = data_row_of(d, part, index ? index[i] : i);
        if (r->value) {
            memcpy(targets, r->value + row * outputs, (size_t)outputs * sizeof *targets);
        } else if (r->target.file.path) {
            NILU_TRY(data_scale_row(&d->target_scale, &r->target, row, targets, fault));
        } else {
            for (int64_t j = 0; j < outputs; j++)
                targets[j] = NAN;
        }
    }
    return NILU_OK;
}

nilu_status data_gather(nilu_data *d, nilu_part part, const int64_t *index, int64_t n, float *x, int32_t *labels,
                        float *targets, char fault[DATA_FAULT])
{
    if ((int)part < 0 || part >= NILU_PARTS) {
        snprintf(fault, DATA_FAULT, base_text(N_("%s: there is no part %d")), d->info.name, (int)part);
        return NILU_E_USAGE;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t at = index ? index[i] : i;
        if (at < 0 || at >= d->info.count[part]) {
            snprintf(fault, DATA_FAULT, base_text(N_("%s: there is no sample %lld; this part has %lld")), d->info.name,
                     (long long)at, (long long)d->info.count[part]);
            return NILU_E_RANGE;
        }
    }
    const data_rows *r = &d->rows[d->source[part]];
    if (x)
        NILU_TRY(gather_x(d, part, index, n, x, fault));
    for (int64_t i = 0; i < n && labels; i++)
        labels[i] = r->label ? r->label[data_row_of(d, part, index ? index[i] : i)] : -1;
    return targets ? gather_targets(d, part, index, n, targets, fault) : NILU_OK;
}

nilu_status nilu_data_batch(nilu_data *data, nilu_part part, const int64_t *index, int64_t n, float *x, int32_t *labels,
                            float *targets)
{
    char fault[DATA_FAULT];
    nilu_status status = data_gather(data, part, index, n, x, labels, targets, fault);
    return status == NILU_OK ? NILU_OK : base_fail(data->nl, status, "%s", fault);
}

int64_t nilu_data_order(const nilu_data *data, nilu_part part, uint64_t seed, uint64_t epoch, int64_t first, int64_t n,
                        int64_t *index)
{
    int64_t count = (int)part >= 0 && part < NILU_PARTS ? data->info.count[part] : 0;
    if (first < 0 || first >= count)
        return 0;
    n = n < count - first ? n : count - first;
    base_key key = {seed, base_hash(&epoch, sizeof epoch, base_hash_text("order"))};
    for (int64_t i = 0; i < n; i++)
        index[i] = (int64_t)base_permute(key, (uint64_t)count, (uint64_t)(first + i));
    return n;
}

/* ---- one sample, shown */

nilu_status nilu_data_picture(nilu_data *data, nilu_part part, int64_t index, unsigned char *pixels)
{
    nilu *nl = data->nl;
    const data_scale *s = &data->scale;
    if (!data->info.height)
        return base_fail(nl, NILU_E_UNSUPPORTED, N_("%s: its samples are no pictures"), data->info.name);
    size_t n = (size_t)data->info.features;
    float *x = base_alloc(nl, n * sizeof *x);
    if (!x)
        return NILU_E_NO_MEMORY;
    nilu_status status = nilu_data_batch(data, part, &index, 1, x, NULL, NULL);
    double low = s->low, range = s->high > low ? s->high - low : 1;
    const data_rows *r = status == NILU_OK ? &data->rows[data->source[part]] : NULL;
    bool bytes = r && r->array.type == DATA_U8;
    size_t channels = (size_t)data->info.channels, plane = n / channels;
    for (size_t i = 0; i < n && status == NILU_OK; i++) {
        size_t at = data->planes ? i % plane * channels + i / plane : i;
        double v = x[i] * s->std[(int64_t)i / s->each] + s->mean[(int64_t)i / s->each];
        v = bytes ? v : (v - low) / range * 255;
        pixels[at] = v < 0 ? 0 : v > 255 ? 255 : (unsigned char)lround(v);
    }
    base_free(nl, x);
    return status;
}

void data_pixel_scale(const nilu_data *d, int channel, float *factor, float *term)
{
    const data_scale *s = &d->scale;
    const int64_t plane = d->info.features / d->info.channels, k = (d->planes ? channel * plane : channel) / s->each;
    const bool bytes = d->rows[0].array.type == DATA_U8;
    const double black = bytes ? 0 : s->low, step = bytes ? 1 : (s->high - s->low) / 255;
    *factor = (float)(step * (double)s->factor[k]);
    *term = (float)(black * (double)s->factor[k] + (double)s->shift[k]);
}

/* ", name cell" for each cell. */
static nilu_status describe_cells(nilu_data *d, const data_record *r, base_buffer *b)
{
    for (int c = 0, cells = 0; c < d->columns; c++) {
        int place = d->column[c].place;
        if (place < 0)
            continue;
        const data_cell *cell = &r->cell[place];
        char *text = base_alloc(d->nl, cell->n * 2 + 1);
        if (!text)
            return NILU_E_NO_MEMORY;
        data_cell_text(cell, text);
        nilu_status status =
            base_appendf(d->nl, b, "%s %s %s", cells++ ? "," : "", d->column[c].name, cell->n ? text : "?");
        base_free(d->nl, text);
        NILU_TRY(status);
    }
    return NILU_OK;
}

static nilu_status describe_record(nilu_data *d, int64_t row, base_buffer *b)
{
    nilu *nl = d->nl;
    data_record r = {.cap = d->cells};
    char *bytes = base_alloc(nl, d->longest), chunk[4096], before = 0;
    r.cell = bytes ? base_calloc(nl, (size_t)d->cells, sizeof *r.cell) : NULL;
    nilu_status status = r.cell ? NILU_OK : NILU_E_NO_MEMORY;
    int64_t line = 1;
    bool read = status == NILU_OK && read_record(d, row, bytes, &r);
    for (uint64_t at = 0; read && at < d->offset[row]; at += sizeof chunk) {
        size_t n = d->offset[row] - at < sizeof chunk ? (size_t)(d->offset[row] - at) : sizeof chunk;
        read = data_file_at(&d->file, at, chunk, n);
        for (size_t i = 0; i < n; before = chunk[i++])
            line += chunk[i] == '\r' || (chunk[i] == '\n' && before != '\r');
    }
    if (status == NILU_OK && !read)
        status = base_fail(nl, NILU_E_FILE_READ, N_("%s: row %lld is not what it was; did the file change?"),
                           d->file.path, (long long)row + 1);
    if (status == NILU_OK)
        status = base_appendf(nl, b, "%s:%lld:", d->info.name, (long long)line);
    if (status == NILU_OK)
        status = describe_cells(d, &r, b);
    base_free(nl, r.cell);
    base_free(nl, bytes);
    return status;
}

const char *data_sample_file(const nilu_data *data, nilu_part part, int64_t index)
{
    const data_rows *r = &data->rows[data->source[part]];
    return r->path ? r->path[data_row_of(data, part, index)] + r->hidden : NULL;
}

char *nilu_data_describe(nilu_data *data, nilu_part part, int64_t index)
{
    base_buffer b = {0};
    int32_t label = -1;
    if (nilu_data_batch(data, part, &index, 1, NULL, &label, NULL) != NILU_OK)
        return NULL;
    int64_t row = data_row_of(data, part, index);
    nilu_status status;
    const data_rows *r = &data->rows[data->source[part]];
    if (!data->arrays) {
        status = describe_record(data, row, &b);
    } else {
        const char *file = data_sample_file(data, part, index);
        status = file ? base_appendf(data->nl, &b, "%s", file)
                      : base_appendf(data->nl, &b, base_text(N_("%s: sample %lld")), r->name, (long long)row + 1);
        if (status == NILU_OK && label >= 0)
            status = base_appendf(data->nl, &b, ", %s", data->info.class_names[label]);
    }
    if (status == NILU_OK)
        return b.at;
    base_free(data->nl, b.at);
    return NULL;
}
