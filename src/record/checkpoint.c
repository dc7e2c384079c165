/* Checkpoints: the store and the position in the data in one safetensors file, so that they cannot disagree. */
#include "nn/nn.h"
#include "record/record.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The position as texts of the metadata; reals in hexadecimal, so that not a bit is lost. */
typedef struct row {
    const char *key;
    bool real;
    size_t at;
} row;
#define AT(field) offsetof(record_position, field)
static const row rows[] = {
    {"epoch", false, AT(epoch)},
    {"step", false, AT(step)},
    {"batch", false, AT(batch)},
    {"loss_sum", true, AT(loss_sum)},
    {"loss_samples", false, AT(loss_n)},
    {"last_loss", true, AT(last_loss)},
    {"best_loss", true, AT(best_loss)},
    {"best_epoch", false, AT(best_epoch)},
    {"bad_epochs", false, AT(bad)},
    {"seconds", true, AT(seconds)},
};

/* Bits of a double as 16 hex digits: exact, in every locale. */
static void real_text(double value, char out[32])
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    snprintf(out, 32, "%016llx", (unsigned long long)bits);
}

static bool real_read(const char *text, double *value)
{
    char *end;
    uint64_t bits = strtoull(text, &end, 16);
    memcpy(value, &bits, sizeof *value);
    return strlen(text) == 16 && !*end && *text != '-' && *text != '+' && *text != ' ';
}

static bool count_read(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && errno == 0;
}

nilu_status record_checkpoint(record_folder *f, const char *name, const nilu_store *store, const record_position *p)
{
    char text[COUNT(rows)][32];
    nilu_pair pair[COUNT(rows) + 2];
    size_t n = 0;
    if (!f->path)
        return NILU_OK;
    for (; n < COUNT(rows); n++) {
        const void *at = (const char *)p + rows[n].at;
        if (rows[n].real)
            real_text(*(const double *)at, text[n]);
        else
            snprintf(text[n], sizeof text[n], "%lld", (long long)*(const int64_t *)at);
        pair[n] = (nilu_pair){rows[n].key, text[n]};
    }
    pair[n++] = (nilu_pair){"identity", f->identity};
    pair[n++] = (nilu_pair){"run", f->settings};
    char *path = record_path(f->nl, f->path, name);
    nilu_status status = path ? record_journal_sync(f) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = io_write(store, NILU_PARAMS | NILU_STATES, (int)n, pair, path);
    base_free(f->nl, path);
    return status;
}

static nilu_status read_position(const io_file *f, record_position *p)
{
    for (const row *r = rows; r < rows + COUNT(rows); r++) {
        const char *text = io_metadata(f, r->key);
        void *at = (char *)p + r->at;
        if (!text || !(r->real ? real_read(text, at) : count_read(text, at)))
            return base_fail(f->nl, NILU_E_FILE_CORRUPT, N_("%s: is no checkpoint of a training: %s is %s"), f->path, r->key,
                             text ? text : base_text(N_("missing")));
    }
    return NILU_OK;
}

nilu_status record_checkpoint_read(nilu *nl, const char *folder, const char *name, const char *identity, unsigned kinds,
                                   nilu_store *store, record_position *p)
{
    io_file f = {.nl = nl, .fd = -1};
    char *path = record_path(nl, folder, name);
    nilu_status status = path ? io_open(nl, path, &f) : NILU_E_NO_MEMORY;
    const char *of = status == NILU_OK ? io_metadata(&f, "identity") : NULL;
    if (status == NILU_OK && (!of || strcmp(of, identity) != 0))
        status = base_fail(nl, NILU_E_VERIFY, N_("%s: is a checkpoint of another run; put back the one that was here"), path);
    if (status == NILU_OK && p)
        status = read_position(&f, p);
    if (status == NILU_OK && store)
        status = io_read(&f, store, kinds);
    io_close(&f);
    base_free(nl, path);
    return status;
}

nilu_status record_model(record_folder *f, const char *model, const nilu_store *store)
{
    nilu_pair pair[] = {{"identity", f->identity}, {"model", model}};
    char *path = f->path ? record_path(f->nl, f->path, RECORD_MODEL) : NULL;
    if (!path)
        return f->path ? NILU_E_NO_MEMORY : NILU_OK;
    nilu_status status = io_write(store, NILU_PARAMS, (int)COUNT(pair), pair, path);
    base_free(f->nl, path);
    return status;
}

nilu_status record_snapshot(record_folder *f, const nilu_store *store, int64_t step)
{
    char name[64], number[32];
    if (!f->path)
        return NILU_OK;
    snprintf(name, sizeof name, "snapshots/%08lld.safetensors", (long long)step);
    snprintf(number, sizeof number, "%lld", (long long)step);
    nilu_pair pair[] = {{"identity", f->identity}, {"step", number}};
    char *path = record_path(f->nl, f->path, name);
    nilu_status status = path ? io_write(store, NILU_PARAMS, (int)COUNT(pair), pair, path) : NILU_E_NO_MEMORY;
    base_free(f->nl, path);
    return status;
}
