/* A run is read: settings, model, journal, values. Nothing here needs the trainer. */
#include "nn/nn.h"
#include "record/record.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SETTINGS_LIMIT (64u << 20)

struct nilu_run {
    nilu *nl;
    nilu_run_info info;
    data_pool pool;
    nilu_model *model;
    nilu_epoch *epoch;
    int epochs;
    int64_t *snapshot;
};

static nilu_status read_settings(nilu_run *r)
{
    char *path = record_path(r->nl, r->info.path, "run.yaml"), *text = NULL;
    const char *folder = r->info.path;
    size_t n = 0;
    nilu_status status = path ? base_read_file(r->nl, path, SETTINGS_LIMIT, &text, &n) : NILU_E_NO_MEMORY;
    if (status == NILU_E_FILE_NOT_FOUND)
        status = base_fail(r->nl, status, N_("%s: is no run (there is no run.yaml in it); give the folder that nilu train made"),
                           folder);
    if (status == NILU_OK)
        status = record_settings_read(r->nl, path, text, n, &r->pool, &r->info);
    r->info.path = folder;
    base_free(r->nl, text);
    base_free(r->nl, path);
    return status;
}

/* Where the folder lies may have changed since; its name is what it is called now. */
static nilu_status name_it(nilu_run *r)
{
    const char *path = r->info.path;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t begin = n;
    while (begin && path[begin - 1] != '/')
        begin--;
    r->info.name = data_keep_text(&r->pool, path + begin, n - begin);
    return r->info.name ? NILU_OK : NILU_E_NO_MEMORY;
}

static nilu_status has_file(nilu_run *r, const char *name, bool *has)
{
    struct stat info;
    char *path = record_path(r->nl, r->info.path, name);
    *has = path && stat(path, &info) == 0 && S_ISREG(info.st_mode);
    base_free(r->nl, path);
    return path ? NILU_OK : NILU_E_NO_MEMORY;
}

/* How far the run came. A damaged checkpoint is told when it is used. */
static nilu_status read_progress(nilu_run *r)
{
    nilu_run_info *i = &r->info;
    record_position p;
    NILU_TRY(has_file(r, RECORD_MODEL, &i->ended));
    i->ended &= i->ending == NILU_FINISHED || i->ending == NILU_STOPPED_EARLY;
    if (i->ended)
        return NILU_OK;
    i->scores = (nilu_scores){i->task, 0, NAN, NAN, NAN, NAN, NAN};
    i->weights = "";
    if (i->ending != NILU_DIVERGED)
        i->ending = NILU_INTERRUPTED;
    i->epochs = i->steps = i->best_epoch = 0;
    i->seconds = 0;
    nilu_status status = record_checkpoint_read(r->nl, i->path, RECORD_LAST, i->identity, 0, NULL, &p);
    if (status == NILU_OK) {
        i->epochs = p.epoch;
        i->steps = p.step;
        i->best_epoch = p.best_epoch;
        i->seconds = p.seconds;
    }
    return status == NILU_E_NO_MEMORY ? status : NILU_OK;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static nilu_status list_snapshots(nilu_run *r)
{
    char *path = record_path(r->nl, r->info.path, "snapshots");
    DIR *folder = path ? opendir(path) : NULL;
    nilu_status status = path ? NILU_OK : NILU_E_NO_MEMORY;
    int cap = 0, n = 0;
    for (struct dirent *d; folder && status == NILU_OK && (d = readdir(folder));) {
        char *end;
        errno = 0;
        int64_t step = strtoll(d->d_name, &end, 10);
        if (*d->d_name < '0' || *d->d_name > '9' || strcmp(end, ".safetensors") != 0 || errno)
            continue;
        status = base_grow(r->nl, &r->snapshot, &cap, n + 1, sizeof *r->snapshot);
        if (status == NILU_OK)
            r->snapshot[n++] = step;
    }
    if (folder)
        closedir(folder);
    if (n)
        qsort(r->snapshot, (size_t)n, sizeof *r->snapshot, by_value);
    r->info.snapshots = n;
    r->info.snapshot = r->snapshot;
    base_free(r->nl, path);
    return status;
}

nilu_status nilu_run_open(nilu *nl, const char *path, nilu_run **run)
{
    *run = NULL;
    nilu_run *r = base_calloc(nl, 1, sizeof *r);
    if (!r)
        return NILU_E_NO_MEMORY;
    r->nl = nl;
    r->pool.nl = nl;
    r->info.path = data_keep_text(&r->pool, path, strlen(path));
    nilu_status status = r->info.path ? read_settings(r) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = name_it(r);
    if (status == NILU_OK)
        status = io_model_read(nl, r->info.model, strlen(r->info.model), "run.yaml", path, &r->model);
    if (status == NILU_OK)
        status = record_journal_read(nl, path, &r->epoch, &r->epochs);
    if (status == NILU_OK)
        status = read_progress(r);
    if (status == NILU_OK)
        status = list_snapshots(r);
    if (status == NILU_OK)
        *run = r;
    else
        nilu_run_free(r);
    return status;
}

void nilu_run_free(nilu_run *r)
{
    if (!r)
        return;
    nilu *nl = r->nl;
    nilu_model_free(r->model);
    base_free(nl, r->epoch);
    base_free(nl, r->snapshot);
    data_pool_free(&r->pool);
    base_free(nl, r);
}

const nilu_run_info *nilu_run_about(const nilu_run *r)
{
    return &r->info;
}

const nilu_model *nilu_run_model(const nilu_run *r)
{
    return r->model;
}

bool nilu_run_epoch(const nilu_run *r, int i, nilu_epoch *epoch)
{
    if (i < 0 || i >= r->epochs)
        return false;
    *epoch = r->epoch[i];
    epoch->validation.task = r->info.task;
    return true;
}

/* ---- values */

static nilu_status read_values(const nilu_run *r, const char *name, nilu_store *store)
{
    io_file f;
    char *path = record_path(r->nl, r->info.path, name);
    if (!path)
        return NILU_E_NO_MEMORY;
    nilu_status status = io_open(r->nl, path, &f);
    const char *of = status == NILU_OK ? io_metadata(&f, "identity") : NULL;
    if (status == NILU_OK && (!of || strcmp(of, r->info.identity) != 0))
        status = base_fail(r->nl, NILU_E_VERIFY, N_("%s: holds values of another run; put back the file that was here"), path);
    if (status == NILU_OK)
        status = io_read(&f, store, NILU_PARAMS | NILU_STATES);
    io_close(&f);
    base_free(r->nl, path);
    return status;
}

static nilu_status new_store(const nilu_run *r, const char *name, nilu_store **store)
{
    *store = nilu_store_new(r->nl);
    if (!*store)
        return NILU_E_NO_MEMORY;
    nilu_status status = read_values(r, name, *store);
    if (status != NILU_OK) {
        nilu_store_free(*store);
        *store = NULL;
    }
    return status;
}

nilu_status nilu_run_store(const nilu_run *r, nilu_moment moment, nilu_store **store)
{
    static const char *const names[] = {RECORD_MODEL, RECORD_BEST, RECORD_LAST};
    nilu_status status = NILU_E_FILE_NOT_FOUND;
    *store = NULL;
    /* The model of a run that goes on, or was broken off, is its best so far. */
    for (int i = (int)moment; i < (int)COUNT(names) && status == NILU_E_FILE_NOT_FOUND; i++) {
        if (i == 0 && !r->info.ended)
            continue;
        status = new_store(r, names[i], store);
        if (moment != NILU_MODEL)
            break;
    }
    if (status == NILU_E_FILE_NOT_FOUND)
        return base_fail(r->nl, status, N_("%s: has no values yet; the run stopped before its first checkpoint: train it with --resume"),
                         r->info.path);
    return status;
}

nilu_status nilu_run_snapshot(const nilu_run *r, int64_t step, nilu_store **store)
{
    char name[64];
    snprintf(name, sizeof name, "snapshots/%08lld.safetensors", (long long)step);
    return new_store(r, name, store);
}

/* ---- data */

static nilu_status same_data(const nilu_run *r, nilu_data *data)
{
    const nilu_data_info *d = nilu_data_about(data);
    if (strcmp(d->fingerprint, r->info.fingerprint) != 0)
        return base_fail(r->nl, NILU_E_VERIFY, N_("%s: the data have changed since the run was started (fingerprint %s, not %s); put the "
                                                  "old ones back, or train anew"), r->info.where, d->fingerprint, r->info.fingerprint);
    char *encoder = nilu_data_encoder_text(data);
    if (!encoder)
        return NILU_E_NO_MEMORY;
    bool same = strcmp(encoder, r->info.encoder) == 0 && d->count[NILU_TRAIN] == r->info.samples;
    nilu_text_free(r->nl, encoder);
    return same ? NILU_OK
                : base_fail(r->nl, NILU_E_VERIFY, N_("%s: the data are divided or encoded in another way than when the run was started; "
                                                     "this version of nilu cannot go on with it"), r->info.where);
}

nilu_status nilu_run_data(const nilu_run *r, const char *where, const nilu_data_options *options, nilu_data **data)
{
    nilu_data_options o = where && options ? *options : r->info.opened;
    *data = NULL;
    if (!where && !*r->info.where)
        return base_fail(r->nl, NILU_E_FILE_NOT_FOUND, N_("%s: was trained on data that the run cannot open by itself; name them"),
                         r->info.path);
    if (options) {
        o.data_dir = options->data_dir;
        o.cache_dir = options->cache_dir;
        o.memory = options->memory;
    }
    o.encoder = where ? r->info.encoder : NULL;
    NILU_TRY(nilu_data_open(r->nl, where ? where : r->info.where, &o, data));
    nilu_status status = where ? NILU_OK : same_data(r, *data);
    if (status != NILU_OK) {
        nilu_data_free(*data);
        *data = NULL;
    }
    return status;
}
