/* Scaling: what comes out of a file has any range; what goes into a network has mean 0 and deviation 1, as the training
 * part has it. The pixels of a channel share one mean and one deviation, so that grey stays grey; columns have their own.
 * Invariant: the numbers learnt do not depend on threads: sums of bytes are exact, all others are taken in row order. */
#include "data/data.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 512 };

static const char UNREADABLE[] = N_("%s: reading failed in row %lld; did the file change?");
static const char NOT_FINITE[] = N_("%s: element %lld of row %lld is %s; only finite numbers can be learnt from");

nilu_status data_scale_new(nilu_data *d, int64_t columns, int64_t each, data_scale *s)
{
    *s = (data_scale){.columns = columns, .each = each, .low = 0, .high = 255};
    size_t n = (size_t)(columns / each), bytes;
    if (!base_mul(n, sizeof(double), &bytes))
        return base_no_memory(d->nl, SIZE_MAX);
    s->mean = data_keep(&d->pool, bytes);
    s->std = s->mean ? data_keep(&d->pool, bytes) : NULL;
    s->factor = s->std ? data_keep(&d->pool, bytes / 2) : NULL;
    s->shift = s->factor ? data_keep(&d->pool, bytes / 2) : NULL;
    return s->shift ? NILU_OK : NILU_E_NO_MEMORY;
}

void data_scale_finish(data_scale *s)
{
    int64_t n = s->columns / s->each;
    for (int64_t j = 0; j < n; j++) {
        s->factor[j] = s->std[j] > 0 ? (float)(1 / s->std[j]) : 0;
        s->shift[j] = s->std[j] > 0 ? (float)(-s->mean[j] / s->std[j]) : 0;
    }
}

void data_scale_numbers(const data_scale *s, int64_t first, int64_t n, const double *v, float *x)
{
    for (int64_t j = 0; j < n; j++) {
        int64_t k = (first + j) / s->each;
        x[j] = s->std[k] > 0 ? (float)((v[j] - s->mean[k]) / s->std[k]) : 0;
    }
}

/* In blocks of a fixed length, which compilers make vectors of where they are not told to spend room. */
static void scale_run(const unsigned char *restrict v, int64_t n, float a, float b, float *restrict x)
{
    enum { BLOCK = 16 };
    int64_t j = 0;
    for (; j + BLOCK <= n; j += BLOCK)
        for (int k = 0; k < BLOCK; k++)
            x[j + k] = (float)v[j + k] * a + b;
    for (; j < n; j++)
        x[j] = (float)v[j] * a + b;
}

void data_scale_bytes(const data_scale *s, const unsigned char *v, float *restrict x)
{
    const float *restrict factor = s->factor, *restrict shift = s->shift;
    int64_t n = s->columns, each = s->each;
    if (each == 1) {
        for (int64_t j = 0; j < n; j++)
            x[j] = (float)v[j] * factor[j] + shift[j];
        return;
    }
    for (int64_t first = 0; first < n; first += each)
        scale_run(v + first, each, *factor++, *shift++, x + first);
}

nilu_status data_scale_row(const data_scale *s, const data_array *a, int64_t row, float *x, char fault[DATA_FAULT])
{
    unsigned char raw[CHUNK * 8];
    double v[CHUNK];
    for (int64_t first = 0; first < a->width; first += CHUNK) {
        int64_t n = a->width - first < CHUNK ? a->width - first : CHUNK;
        if (!data_array_read(a, row, first, n, raw)) {
            snprintf(fault, DATA_FAULT, base_text(UNREADABLE), a->file.path, (long long)row + 1);
            return NILU_E_FILE_READ;
        }
        if (a->type == DATA_U8) { /* the same arithmetic as for bytes in memory */
            data_scale part = *s;
            part.columns = n;
            part.each = s->each == 1 ? 1 : n; /* arrays have one mean, or one a column */
            part.factor += s->each == 1 ? first : 0;
            part.shift += s->each == 1 ? first : 0;
            data_scale_bytes(&part, raw, x + first);
            continue;
        }
        data_array_numbers(a, raw, n, v);
        data_scale_numbers(s, first, n, v, x + first);
        for (int64_t j = 0; j < n; j++)
            if (!isfinite(v[j]) || !isfinite(x[first + j])) {
                snprintf(fault, DATA_FAULT, base_text(NOT_FINITE), a->file.path, (long long)(first + j) + 1,
                         (long long)row + 1,
                         isnan(v[j])      ? "NaN"
                         : isfinite(v[j]) ? "too large"
                                          : "infinite");
                return NILU_E_DATA;
            }
    }
    return NILU_OK;
}

/* ---- learning */

data_sums data_sums_of(const unsigned char *v, int64_t n)
{
    data_sums s = DATA_SUMS_NONE;
    for (int64_t first = 0; first < n; first += 1 << 16) { /* 2^16 squares of a byte fit into 32 bits */
        int64_t end = n - first < 1 << 16 ? n : first + (1 << 16);
        uint32_t sum = 0, squares = 0;
        unsigned char low = s.low, high = s.high;
        for (int64_t j = first; j < end; j++) {
            sum += v[j];
            squares += (uint32_t)(v[j] * v[j]);
            low = v[j] < low ? v[j] : low;
            high = v[j] > high ? v[j] : high;
        }
        s = (data_sums){s.sum + sum, s.squares + squares, low, high};
    }
    return s;
}

data_sums data_sums_join(data_sums a, data_sums b)
{
    return (data_sums){a.sum + b.sum, a.squares + b.squares, a.low < b.low ? a.low : b.low,
                       a.high > b.high ? a.high : b.high};
}

void data_scale_take(data_scale *s, int64_t k, const data_sums *sums, double n)
{
    double mean = (double)sums->sum / n, variance = (double)sums->squares / n - mean * mean;
    s->low = k == 0 || sums->low < s->low ? sums->low : s->low;
    s->high = k == 0 || sums->high > s->high ? sums->high : s->high;
    s->mean[k] = mean;
    s->std[k] = sums->low < sums->high ? sqrt(variance) : 0;
}

static data_sums sums_in_memory(const nilu_data *d, const data_array *a, int64_t first, int64_t end)
{
    const unsigned char *bytes = (const unsigned char *)a->file.bytes + a->offset;
    data_sums all = DATA_SUMS_NONE;
    for (int64_t i = first; i < end; i++)
        all = data_sums_join(all, data_sums_of(bytes + data_row_of(d, NILU_TRAIN, i) * a->width, a->width));
    return all;
}

static nilu_status sums_in_file(const nilu_data *d, const data_array *a, data_sums *all)
{
    unsigned char raw[CHUNK * 8];
    for (int64_t i = 0; i < d->info.count[NILU_TRAIN]; i++) {
        int64_t row = data_row_of(d, NILU_TRAIN, i);
        for (int64_t first = 0; first < a->width; first += sizeof raw) {
            int64_t n = a->width - first < (int64_t)sizeof raw ? a->width - first : (int64_t)sizeof raw;
            if (!data_array_read(a, row, first, n, raw))
                return base_fail(d->nl, NILU_E_FILE_READ, UNREADABLE, a->file.path, (long long)row + 1);
            *all = data_sums_join(*all, data_sums_of(raw, n));
        }
    }
    return NILU_OK;
}

/* Bytes with one mean: sums are whole numbers, so threads may share the work, and order does not matter. */
static nilu_status learn_bytes(const nilu_data *d, const data_array *a, data_scale *s)
{
    enum { BLOCKS = 64 };
    int64_t count = d->info.count[NILU_TRAIN];
    data_sums block[BLOCKS], all = DATA_SUMS_NONE;
    if (!a->file.bytes || a->fortran) {
        NILU_TRY(sums_in_file(d, a, &all));
    } else if (d->nl->threads > 1) {
#pragma omp parallel for num_threads(d->nl->threads)
        for (int i = 0; i < BLOCKS; i++)
            block[i] = sums_in_memory(d, a, count * i / BLOCKS, count * (i + 1) / BLOCKS);
        for (int i = 0; i < BLOCKS; i++)
            all = data_sums_join(all, block[i]);
    } else {
        all = sums_in_memory(d, a, 0, count);
    }
    data_scale_take(s, 0, &all, (double)count * (double)a->width);
    return NILU_OK;
}

/* Adds up one row: the numbers (pass 0), or the squares of their distance from the mean (pass 1). same[]: the number
 * that all rows have had in a column, NaN: there were others. */
static nilu_status add_row(nilu *nl, const data_array *a, int64_t row, int pass, data_scale *s, double *sum,
                           double *same)
{
    unsigned char raw[CHUNK * 8];
    double v[CHUNK];
    for (int64_t first = 0; first < a->width; first += CHUNK) {
        int64_t n = a->width - first < CHUNK ? a->width - first : CHUNK;
        if (!data_array_read(a, row, first, n, raw))
            return base_fail(nl, NILU_E_FILE_READ, UNREADABLE, a->file.path, (long long)row + 1);
        data_array_numbers(a, raw, n, v);
        for (int64_t j = 0; j < n; j++) {
            double from = pass == 0 ? v[j] : v[j] - s->mean[(first + j) / s->each];
            sum[first + j] += pass == 0 ? from : from * from;
            same[first + j] = v[j] == same[first + j] ? v[j] : NAN;
            s->low = v[j] < s->low ? v[j] : s->low;
            s->high = v[j] > s->high ? v[j] : s->high;
            if (!isfinite(v[j]))
                return base_fail(nl, NILU_E_DATA, NOT_FINITE, a->file.path, (long long)(first + j) + 1,
                                 (long long)row + 1, isnan(v[j]) ? "NaN" : "infinite");
        }
    }
    return NILU_OK;
}

/* The first training row into same[], which all others are compared with. */
static nilu_status start_same(nilu_data *d, const data_array *a, double *same)
{
    unsigned char raw[CHUNK * 8];
    int64_t row = data_row_of(d, NILU_TRAIN, 0);
    for (int64_t first = 0; first < a->width; first += CHUNK) {
        int64_t n = a->width - first < CHUNK ? a->width - first : CHUNK;
        if (!data_array_read(a, row, first, n, raw))
            return base_fail(d->nl, NILU_E_FILE_READ, UNREADABLE, a->file.path, (long long)row + 1);
        data_array_numbers(a, raw, n, same + first);
    }
    return NILU_OK;
}

nilu_status data_scale_learn(nilu_data *d, const data_array *a, data_scale *s)
{
    nilu *nl = d->nl;
    int64_t count = d->info.count[NILU_TRAIN], width = s->columns, columns = width / s->each;
    bool shared = columns == 1;
    if (a->type == DATA_U8 && shared) {
        NILU_TRY(learn_bytes(d, a, s));
        data_scale_finish(s);
        return NILU_OK;
    }
    double *sum = base_calloc(nl, (size_t)width, 2 * sizeof *sum);
    if (!sum)
        return NILU_E_NO_MEMORY;
    double *same = sum + width;
    s->low = INFINITY;
    s->high = -INFINITY;
    nilu_status status = start_same(d, a, same);
    for (int pass = 0; pass < 2 && status == NILU_OK; pass++) {
        memset(sum, 0, (size_t)width * sizeof *sum);
        for (int64_t i = 0; i < count && status == NILU_OK; i++)
            status = add_row(nl, a, data_row_of(d, NILU_TRAIN, i), pass, s, sum, same);
        for (int64_t j = 1; j < width && shared; j++)
            sum[0] += sum[j];
        double n = (double)count * (shared ? (double)width : 1);
        for (int64_t j = 0; j < columns && pass == 0; j++)
            s->mean[j] = sum[j] / n;
        for (int64_t j = 0; j < columns && pass == 1; j++)
            s->std[j] = sqrt(sum[j] / n);
    }
    for (int64_t j = 0; j < columns && status == NILU_OK; j++) {
        bool constant = shared ? !(s->low < s->high) : !isnan(same[j]);
        s->std[j] = constant ? 0 : s->std[j];
        if (!isfinite(s->mean[j]) || !isfinite(s->std[j]))
            status = base_fail(nl, NILU_E_DATA,
                               N_("%s: its numbers are too large to be squared; divide them by a power of ten"),
                               a->file.path);
    }
    base_free(nl, sum);
    data_scale_finish(s);
    return status;
}

/* ---- as others scaled */

/* One number, or n, up to `end`; what stands behind it. NULL: they are none. */
static const char *read_list(const char *p, char end, double unit, int64_t n, double *out)
{
    int64_t have = 0;
    for (char next = ','; next == ','; p++) {
        data_cell cell = {.at = (char *)p, .n = strcspn(p, ",/")};
        if (have == n || data_cell_number(&cell, false, &out[have]) != CELL_NUMBER)
            return NULL;
        out[have++] *= unit;
        p += cell.n;
        next = *p;
        if (next != ',' && next != end)
            return NULL;
    }
    for (int64_t k = 1; have == 1 && k < n; k++)
        out[k] = out[0];
    return have == 1 || have == n ? p : NULL;
}

nilu_status data_scale_wanted(nilu_data *d, data_scale *s, bool bytes)
{
    int64_t n = s->columns / s->each;
    double unit = bytes ? 255 : 1;
    const char *rest = read_list(d->options.scale, '/', unit, n, s->mean);
    bool good = rest && read_list(rest, 0, unit, n, s->std);
    for (int64_t k = 0; k < n && good; k++)
        good = s->std[k] > 0;
    if (!good)
        return base_fail(d->nl, NILU_E_USAGE, N_("%s: the scale \"%.100s\" must be MEANS/DEVIATIONS, each one number or %lld of them "
                                                 "separated by commas, deviations above 0; as in 0.5/0.25"),
                         d->info.name, d->options.scale, (long long)n);
    data_scale_finish(s);
    return data_note(d, N_("Samples are scaled by means and deviations that were given: %.100s."), d->options.scale);
}
