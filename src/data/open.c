/* Opening a set: what `where` means, and what all kinds of sets have in common. */
#include "data/data.h"

#include <string.h>
#include <unistd.h>

const char *data_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

nilu_status data_note(nilu_data *d, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(text, sizeof text, base_text(format), args);
#pragma GCC diagnostic pop
    va_end(args);
    size_t n = strlen(text);
    while (n > 0 && !data_is_utf8(text, n)) /* cut within a character of a name without end */
        n--;
    NILU_TRY(base_grow(d->nl, &d->note, &d->note_cap, d->info.notes + 1, sizeof *d->note));
    d->note[d->info.notes] = data_keep_text(&d->pool, text, n);
    if (!d->note[d->info.notes])
        return NILU_E_NO_MEMORY;
    d->info.notes++;
    d->info.note = d->note;
    return NILU_OK;
}

bool data_fits(nilu_data *d, int64_t rows, int64_t width, size_t size)
{
    size_t bytes;
    if (!base_mul((size_t)rows, (size_t)width, &bytes) || !base_mul(bytes, size, &bytes) || bytes > d->limit - d->held)
        return false;
    d->held += bytes;
    return true;
}

/* ---- the files of a set */

/* `folder/name` or `folder/name.gz`, whichever is there; NULL if none is, or memory ran out. */
static const char *find_file(nilu_data *d, const char *folder, const char *name)
{
    char *path = data_keep_format(&d->pool, "%s/%s.gz", folder, name);
    if (!path)
        return NULL;
    if (!data_exists(path, false))
        path[strlen(path) - 3] = 0;
    return data_exists(path, false) ? path : NULL;
}

/* One of MNIST's four names, with the dot or dash that people put before idx. */
static nilu_status find_idx(nilu_data *d, const char *folder, int which, const char **path)
{
    static const char *const names[4][2] = {{"train-images-idx3-ubyte", "train-images.idx3-ubyte"},
                                            {"train-labels-idx1-ubyte", "train-labels.idx1-ubyte"},
                                            {"t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"},
                                            {"t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte"}};
    *path = find_file(d, folder, names[which][0]);
    if (!*path)
        *path = find_file(d, folder, names[which][1]);
    return d->nl->status == NILU_E_NO_MEMORY ? NILU_E_NO_MEMORY : NILU_OK;
}

static nilu_status open_folder(nilu_data *d, const char *folder)
{
    const char *path[4];
    nilu *nl = d->nl;
    if (data_has_batches(d, folder))
        return data_open_batches(d, folder);
    for (int i = 0; i < 4; i++)
        NILU_TRY(find_idx(d, folder, i, &path[i]));
    if (!path[0]) {
        NILU_TRY(data_open_pictures(d, folder));
        if (d->rows[0].count)
            return NILU_OK;
        return base_fail(nl, NILU_E_FILE_NOT_FOUND,
                         N_("%s: has no folders of PNG or JPEG pictures, no data_batch_1.bin and no "
                            "train-images-idx3-ubyte (or .gz); name a file in it instead"),
                         folder);
    }
    if (d->options.target)
        return base_fail(nl, NILU_E_USAGE,
                         N_("%s: a folder has its own labels; a target can be named for a single file"), folder);
    if (d->options.task == NILU_TASK_NONE)
        path[1] = path[3] = NULL;
    else if (!path[1] || (path[2] && !path[3]))
        return base_fail(nl, NILU_E_FILE_NOT_FOUND,
                         N_("%s: has %s-images-idx3-ubyte, but no %s-labels-idx1-ubyte beside it"), folder,
                         path[1] ? "t10k" : "train", path[1] ? "t10k" : "train");
    if (!path[2])
        path[3] = NULL;
    return data_open_arrays(d, path, NULL, NULL);
}

/* The path with the last `from` in its file name replaced; NULL if there is none, or memory ran out. */
static char *renamed(nilu_data *d, const char *path, const char *from, const char *to)
{
    const char *at = NULL, *p = data_base_name(path);
    while ((p = strstr(p, from)) != NULL)
        at = p++;
    return at ? data_keep_format(&d->pool, "%.*s%s%s", (int)(at - path), path, to, at + strlen(from)) : NULL;
}

/* With and without .gz. */
static const char *either(nilu_data *d, const char *path)
{
    size_t n = path ? strlen(path) : 0;
    if (!path || data_exists(path, false))
        return path;
    bool packed = n > 3 && strcmp(path + n - 3, ".gz") == 0;
    char *other = packed ? data_keep_text(&d->pool, path, n - 3) : data_keep_format(&d->pool, "%s.gz", path);
    return other && data_exists(other, false) ? other : NULL;
}

/* The file of targets that goes with a file of samples by its name. */
static const char *find_targets(nilu_data *d, const char *path)
{
    static const char *const pairs[][2] = {{"images", "labels"}, {"data", "labels"}, {"data", "target"}};
    const char *name = data_base_name(path), *found = NULL;
    if (name[0] == 'X' || name[0] == 'x')
        found = either(d, data_keep_format(&d->pool, "%.*sy%s", (int)(name - path), path, name + 1));
    for (size_t i = 0; i < COUNT(pairs) && !found; i++) {
        const char *other = renamed(d, path, pairs[i][0], pairs[i][1]);
        char *one = other ? renamed(d, other, "idx3", "idx1") : NULL;
        found = either(d, one ? one : other);
    }
    return found;
}

static nilu_status open_array_file(nilu_data *d, const char *path)
{
    const char *pair[4] = {path, d->options.target, NULL, NULL};
    if (d->options.task == NILU_TASK_NONE) {
        pair[1] = NULL;
    } else if (!pair[1]) {
        pair[1] = find_targets(d, path);
        if (d->nl->status == NILU_E_NO_MEMORY)
            return NILU_E_NO_MEMORY;
        if (!pair[1] && d->options.task != NILU_TASK_AUTO && !d->has_encoder)
            return base_fail(d->nl, NILU_E_FILE_NOT_FOUND,
                             N_("%s: no file of targets was found beside it; name one as target"), path);
    }
    return data_open_arrays(d, pair, NULL, NULL);
}

/* Samples and targets, to train with and to test with, by the names that people give them; the first set of which the samples
 * are there. */
static const char *const array_names[][4] = {{"x_train", "y_train", "x_test", "y_test"},
                                             {"X_train", "y_train", "X_test", "y_test"},
                                             {"train_images", "train_labels", "test_images", "test_labels"},
                                             {"x", "y", "x_test", "y_test"},
                                             {"X", "y", "X_test", "y_test"}};

static int member_named(const nilu_npz *z, const char *name)
{
    for (int i = 0; i < nilu_npz_count(z); i++)
        if (strcmp(nilu_npz_name(z, i), name) == 0)
            return i;
    return -1;
}

static nilu_status no_samples(const nilu_data *d, const nilu_npz *z, const char *path)
{
    char list[200] = "";
    for (int i = 0, at = 0; i < nilu_npz_count(z) && at < (int)sizeof list - 44; i++)
        at += snprintf(list + at, sizeof list - (size_t)at, "%s%.40s", i ? ", " : "", nilu_npz_name(z, i));
    return base_fail(d->nl, NILU_E_DATA, N_("%s: its arrays are called %s; call the samples x and the targets y, or x_train, y_train, "
                                            "x_test and y_test"), path, list);
}

static nilu_status open_members(nilu_data *d, nilu_npz *z, const char *path)
{
    const char *const *names = NULL, *as_file[4] = {NULL};
    int member[4];
    bool wanted = d->options.task != NILU_TASK_NONE;
    for (size_t k = 0; k < COUNT(array_names) && !names; k++)
        names = member_named(z, array_names[k][0]) >= 0 ? array_names[k] : NULL;
    if (!names)
        return no_samples(d, z, path);
    for (int i = 0; i < 4; i++) {
        const char *name = i == 1 && d->options.target ? d->options.target : names[i];
        member[i] = i % 2 && !wanted ? -1 : member_named(z, name);
        if (i == 1 && d->options.target && wanted && member[i] < 0)
            return base_fail(d->nl, NILU_E_NAME, N_("%s: holds no array called %.80s; its first is %.80s"), path, name,
                             nilu_npz_name(z, 0));
        as_file[i] = member[i] >= 0 ? data_keep_format(&d->pool, "%s: %s", path, name) : NULL;
        if (member[i] >= 0 && !as_file[i])
            return NILU_E_NO_MEMORY;
    }
    if (!as_file[1] && wanted && d->options.task != NILU_TASK_AUTO && !d->has_encoder)
        return no_samples(d, z, path);
    if (wanted && !as_file[3] && as_file[1])
        as_file[2] = NULL; /* it could not be judged */
    return data_open_arrays(d, as_file, z, member);
}

/* numpy's archive of arrays: what is wanted of it is opened, and stays open without it. */
static nilu_status open_archive(nilu_data *d, const char *path)
{
    nilu_npz *z;
    NILU_TRY(nilu_npz_open(d->nl, path, &z));
    nilu_status status = open_members(d, z, path);
    nilu_npz_free(z);
    return status;
}

/* Kinds of files that people try and that nilu does not read. */
static const char *foreign(const unsigned char *head, size_t n)
{
    static const struct {
        const char *magic, *kind;
    } known[] = {{"\x89HDF", N_("an HDF5 file")},
                 {"PAR1", N_("a Parquet file")},
                 {"SQLite format 3", N_("an SQLite file")},
                 {"BZh", N_("packed by bzip2")},
                 {"\xfd"
                  "7zXZ",
                  N_("packed by xz")},
                 {"\x28\xb5\x2f\xfd", N_("packed by zstd")}};
    for (size_t i = 0; i < COUNT(known); i++)
        if (n >= strlen(known[i].magic) && memcmp(head, known[i].magic, strlen(known[i].magic)) == 0)
            return base_text(known[i].kind);
    return NULL;
}

static nilu_status open_file(nilu_data *d, const char *path)
{
    unsigned char head[16] = {0};
    size_t n = sizeof head;
    nilu *nl = d->nl;
    NILU_TRY(data_file_head(nl, path, head, &n));
    if (n >= 4 && memcmp(head, "PK\x03\x04", 4) == 0)
        return open_archive(d, path);
    const char *kind = foreign(head, n);
    if (kind)
        return base_fail(
            nl, NILU_E_UNSUPPORTED,
            N_("%s: is %s; nilu reads tables (CSV, TSV), IDX, NPY and NPZ, also packed by gzip, and PNG and JPEG pictures"),
            path, kind);
    if (n == 0)
        return base_fail(nl, NILU_E_DATA, N_("%s: is empty"), path);
    if ((n >= 8 && memcmp(head, "\x89PNG\r\n\x1a\n", 8) == 0) || (n >= 3 && memcmp(head, "\xff\xd8\xff", 3) == 0))
        return data_open_pictures(d, path);
    bool npy = n >= 6 && memcmp(head, "\x93NUMPY", 6) == 0, idx = n >= 4 && head[0] == 0 && head[1] == 0 && head[3] > 0;
    if (npy || idx)
        return open_array_file(d, path);
    return data_open_table(d, path);
}

/* Nothing is there: perhaps it was meant for a set that nilu can get. */
static nilu_status not_there(nilu_data *d, const char *where)
{
    const char *name[16];
    size_t n = 0;
    for (const nilu_dataset *s; n < COUNT(name) && (s = nilu_data_catalogue((int)n)) != NULL;)
        name[n++] = s->name;
    const char *near = strpbrk(where, "/.") ? NULL : base_nearest(where, name, n);
    if (near)
        return base_fail(d->nl, NILU_E_FILE_NOT_FOUND,
                         N_("%s: there is no such file or set; did you mean the set \"%s\"?"), where, near);
    return base_fail(d->nl, NILU_E_FILE_NOT_FOUND, N_("%s: there is no such file or folder"), where);
}

static nilu_status open_where(nilu_data *d, const char *where)
{
    nilu_status status = NILU_OK;
    char *folder = NULL;
    if (data_catalogue_find(d, where, &status, &folder)) {
        NILU_TRY(status);
        d->info.name = data_keep_text(&d->pool, where, strlen(where));
        if (!folder)
            return base_fail(d->nl, NILU_E_FILE_NOT_FOUND,
                             N_("%s: this set is not on this machine yet; get it with: nilu data get %s"), where,
                             where);
        return d->info.name ? open_folder(d, folder) : NILU_E_NO_MEMORY;
    }
    size_t n = strlen(where);
    while (n > 1 && where[n - 1] == '/')
        n--;
    char *path = data_keep_text(&d->pool, where, n);
    if (!path)
        return NILU_E_NO_MEMORY;
    d->info.name = data_base_name(path);
    if (!data_exists(path, false))
        return not_there(d, where);
    return data_exists(path, true) ? open_folder(d, path) : open_file(d, path);
}

/* ---- a set */

static nilu_status check_options(nilu *nl, const nilu_data_options *o)
{
    if (o->size != sizeof *o)
        return base_fail(nl, NILU_E_USAGE,
                         N_("nilu_data_open: options.size is not sizeof(nilu_data_options); start from "
                            "NILU_DATA_DEFAULT"));
    if (!(o->validation >= 0 && o->validation < 1) || !(o->test >= 0 && o->test < 1))
        return base_fail(nl, NILU_E_USAGE,
                         N_("nilu_data_open: validation is %g and test is %g; both must be at least 0 and "
                            "less than 1"),
                         o->validation, o->test);
    if ((int)o->task < 0 || o->task > NILU_TASK_NONE || o->header < -1 || o->header > 1)
        return base_fail(nl, NILU_E_USAGE, N_("nilu_data_open: task or header is out of range"));
    if (o->delimiter && strchr("\"\r\n.0123456789", o->delimiter))
        return base_fail(nl, NILU_E_USAGE,
                         N_("nilu_data_open: cells cannot be separated by a quote, a line end, a point or a "
                            "digit"));
    return NILU_OK;
}

static size_t quarter_of_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t bytes;
    if (pages < 1 || page < 1 || !base_mul((size_t)pages, (size_t)page, &bytes))
        return (size_t)1 << 30;
    return bytes / 4;
}

static nilu_status open_set(nilu_data *d, const char *where)
{
    nilu *nl = d->nl;
    d->print = XXH64_createState();
    if (!d->print)
        return base_no_memory(nl, 0);
    XXH64_reset(d->print, 0);
    if (d->options.encoder)
        NILU_TRY(data_encoder_read(d, d->options.encoder));
    NILU_TRY(open_where(d, where));
    snprintf(d->info.fingerprint, sizeof d->info.fingerprint, "xxh64:%016llx",
             (unsigned long long)XXH64_digest(d->print));
    const data_file *file[] = {&d->file, &d->rows[0].array.file, &d->rows[0].target.file, &d->rows[1].array.file,
                               &d->rows[1].target.file};
    d->info.bytes = sizeof *d + d->pool.bytes + (d->offset ? (size_t)d->rows[0].count * sizeof *d->offset : 0);
    for (size_t i = 0; i < COUNT(file); i++)
        d->info.bytes += file[i]->bytes ? (size_t)file[i]->size : 0;
    for (int i = 0; i < 2; i++)
        d->info.bytes += d->rows[i].bytes ? (size_t)(d->rows[i].count * d->info.features) : 0;
    /* The texts are the caller's. */
    d->options.target = d->options.ignore = d->options.keep = d->options.encoder = NULL;
    d->options.data_dir = d->options.cache_dir = d->options.resize = d->options.colour = d->options.scale = NULL;
    return NILU_OK;
}

nilu_status nilu_data_open(nilu *nl, const char *where, const nilu_data_options *options, nilu_data **data)
{
    nilu_data_options o = NILU_DATA_DEFAULT;
    double start = base_now();
    *data = NULL;
    if (options)
        o = *options;
    NILU_TRY(check_options(nl, &o));
    nilu_data *d = base_calloc(nl, 1, sizeof *d);
    if (!d)
        return NILU_E_NO_MEMORY;
    nl->status = NILU_OK; /* from here on NO_MEMORY in it is ours */
    d->nl = d->pool.nl = nl;
    d->options = o;
    d->limit = o.memory ? o.memory : quarter_of_memory();
    d->target = -1;
    d->info.name = "";
    d->info.task = NILU_TASK_NONE;
    d->info.target = "";
    nilu_status status = open_set(d, where);
    d->info.seconds = base_now() - start;
    if (status == NILU_OK)
        *data = d;
    else
        nilu_data_free(d);
    return status;
}

void nilu_data_free(nilu_data *data)
{
    if (!data)
        return;
    nilu *nl = data->nl;
    data_pictures_free(data);
    for (int i = 0; i < 2; i++) {
        data_file_close(nl, &data->rows[i].array.file);
        data_file_close(nl, &data->rows[i].target.file);
    }
    data_file_close(nl, &data->file);
    XXH64_freeState(data->print);
    base_free(nl, data->note);
    base_free(nl, data->offset);
    data_pool_free(&data->pool);
    base_free(nl, data);
}

const nilu_data_info *nilu_data_about(const nilu_data *data)
{
    return &data->info;
}
