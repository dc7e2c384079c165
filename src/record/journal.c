/* metrics.jsonl: a line of JSON an epoch. It only grows; after an interruption the lines that the last checkpoint does not
 * know of are dropped, since their epochs are run again. */
#include "nn/nn.h"
#include "record/record.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL "metrics.jsonl"
#define JOURNAL_LIMIT (256u << 20)

/* What an epoch's line holds: rows for writing and reading. */
typedef enum kind { REAL, COUNTED, TRUTH } kind;
typedef struct row {
    const char *key;
    kind kind;
    bool validation; /* there only with a validation part */
    size_t at;
} row;
#define AT(field) offsetof(nilu_epoch, field)
static const row rows[] = {
    {"epoch", COUNTED, false, AT(epoch)},
    {"step", COUNTED, false, AT(step)},
    {"loss", REAL, false, AT(loss)},
    {"validation_loss", REAL, true, AT(validation.loss)},
    {"accuracy", REAL, true, AT(validation.accuracy)},
    {"rmse", REAL, true, AT(validation.rmse)},
    {"mae", REAL, true, AT(validation.mae)},
    {"r2", REAL, true, AT(validation.r2)},
    {"validation_samples", COUNTED, true, AT(validation.n)},
    {"best", TRUTH, true, AT(best)},
    {"bad", COUNTED, true, AT(bad)},
    {"lr", REAL, false, AT(rate)},
    {"seconds", REAL, false, AT(seconds)},
    {"samples_per_second", REAL, false, AT(samples_per_second)},
};

static nilu_status line_text(nilu *nl, const nilu_epoch *e, base_buffer *b)
{
    const char *comma = "{";
    char number[32];
    for (const row *r = rows; r < rows + COUNT(rows); r++) {
        const void *at = (const char *)e + r->at;
        if (r->validation && e->validation.n == 0)
            continue;
        if (r->kind == REAL && r->validation && isnan(*(const double *)at))
            continue; /* not of this task */
        NILU_TRY(base_appendf(nl, b, "%s\"%s\": ", comma, r->key));
        comma = ", ";
        if (r->kind == COUNTED)
            NILU_TRY(base_appendf(nl, b, "%lld", (long long)*(const int64_t *)at));
        else if (r->kind == TRUTH)
            NILU_TRY(base_appendf(nl, b, "%s", *(const bool *)at ? "true" : "false"));
        else if (!isfinite(*(const double *)at))
            NILU_TRY(base_append(nl, b, "null", 4)); /* JSON has no other word for it */
        else
            NILU_TRY(base_appendf(nl, b, "%s", nn_number_text(*(const double *)at, number)));
    }
    return base_append(nl, b, "}\n", 2);
}

static bool line_read(const char *text, size_t n, nilu_epoch *e)
{
    json_t *line = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    bool good = json_is_object(line);
    *e = (nilu_epoch){0};
    for (const row *r = rows; r < rows + COUNT(rows) && good; r++) {
        void *at = (char *)e + r->at;
        json_t *value = json_object_get(line, r->key);
        if (r->kind == COUNTED && json_is_integer(value))
            *(int64_t *)at = json_integer_value(value);
        else if (r->kind == TRUTH)
            *(bool *)at = json_is_true(value);
        else if (r->kind == REAL)
            *(double *)at = json_is_number(value) ? json_number_value(value) : NAN;
        else
            good = r->validation;
    }
    json_decref(line);
    return good && e->epoch > 0;
}

/* ---- writing */

static nilu_status fail(const record_folder *f)
{
    return base_fail(f->nl, NILU_E_FILE_WRITE, N_("%s/%s: writing failed: %s; the last checkpoint is as it was"), f->path, JOURNAL,
                     strerror(errno));
}

nilu_status record_epoch(record_folder *f, const nilu_epoch *e)
{
    base_buffer b = {0};
    if (f->journal < 0)
        return NILU_OK;
    nilu_status status = line_text(f->nl, e, &b);
    for (size_t done = 0; status == NILU_OK && done < b.len;) {
        ssize_t n = write(f->journal, b.at + done, b.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            status = fail(f);
        else
            done += (size_t)n;
    }
    base_free(f->nl, b.at);
    return status;
}

nilu_status record_journal_sync(record_folder *f)
{
    return f->journal >= 0 && fsync(f->journal) != 0 ? fail(f) : NILU_OK;
}

/* Length of the first lines that speak of epochs 1, 2, … `epochs`. */
static size_t known_lines(const char *text, size_t n, int64_t epochs)
{
    size_t keep = 0;
    nilu_epoch e;
    for (int64_t want = 1; want <= epochs; want++) {
        const char *end = memchr(text + keep, '\n', n - keep);
        if (!end || !line_read(text + keep, (size_t)(end - text) - keep, &e) || e.epoch != want)
            break;
        keep = (size_t)(end - text) + 1;
    }
    return keep;
}

nilu_status record_journal_open(record_folder *f, int64_t epochs)
{
    char *path = f->path ? record_path(f->nl, f->path, JOURNAL) : NULL, *text = NULL;
    size_t n = 0, keep = 0;
    if (!path)
        return f->path ? NILU_E_NO_MEMORY : NILU_OK;
    nilu_status status = epochs ? base_read_file(f->nl, path, JOURNAL_LIMIT, &text, &n) : NILU_OK;
    if (status == NILU_E_FILE_NOT_FOUND)
        status = NILU_OK;
    if (status == NILU_OK && text)
        keep = known_lines(text, n, epochs);
    if (status == NILU_OK) {
        f->journal = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (f->journal < 0 || ftruncate(f->journal, (off_t)keep) != 0)
            status = base_fail(f->nl, NILU_E_FILE_WRITE, N_("%s: cannot be written: %s"), path, strerror(errno));
    }
    base_free(f->nl, text);
    base_free(f->nl, path);
    return status;
}

/* ---- reading */

nilu_status record_journal_read(nilu *nl, const char *folder, nilu_epoch **epoch, int *n)
{
    char *path = record_path(nl, folder, JOURNAL), *text = NULL;
    size_t size = 0;
    int cap = 0;
    *epoch = NULL;
    *n = 0;
    nilu_status status = path ? base_read_file(nl, path, JOURNAL_LIMIT, &text, &size) : NILU_E_NO_MEMORY;
    if (status == NILU_E_FILE_NOT_FOUND)
        status = NILU_OK;
    for (size_t at = 0; status == NILU_OK && at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        if (!end)
            break; /* a line that is being written */
        status = base_grow(nl, epoch, &cap, *n + 1, sizeof **epoch);
        if (status == NILU_OK && !line_read(text + at, (size_t)(end - text) - at, &(*epoch)[*n]))
            status = base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s:%d: is no line of a journal"), path, *n + 1);
        *n += status == NILU_OK;
        at = (size_t)(end - text) + 1;
    }
    base_free(nl, text);
    base_free(nl, path);
    return status;
}
