/* A run's folder: made under a name that nobody has, locked while a process trains in it, described by run.yaml. */
#include "record/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

char *record_path(nilu *nl, const char *folder, const char *name)
{
    size_t n = strlen(folder);
    return base_format(nl, "%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", name);
}

static void give_lock_back(record_folder *f)
{
    if (f->lock >= 0)
        close(f->lock);
    f->lock = -1;
}

static nilu_status take_lock(record_folder *f)
{
    char *path = record_path(f->nl, f->path, "lock");
    if (!path)
        return NILU_E_NO_MEMORY;
    nilu_status status = NILU_OK;
    f->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (f->lock < 0)
        status = base_fail(f->nl, NILU_E_FILE_WRITE, N_("%s: cannot be written: %s"), path, strerror(errno));
    else if (flock(f->lock, LOCK_EX | LOCK_NB) != 0)
        status = base_fail(f->nl, NILU_E_SYSTEM,
                           errno == EWOULDBLOCK
                               ? N_("%s: another process is training in this folder; wait for it, or stop it")
                               : N_("%s: cannot be locked: %s"),
                           errno == EWOULDBLOCK ? f->path : path, strerror(errno));
    if (status != NILU_OK)
        give_lock_back(f);
    base_free(f->nl, path);
    return status;
}

static nilu_status write_text(nilu *nl, const char *folder, const char *name, const base_buffer *b)
{
    base_output o;
    char *path = record_path(nl, folder, name);
    nilu_status status = path ? base_create(nl, path, &o) : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        base_write(&o, b->at, b->len);
        status = base_commit(&o);
    }
    base_free(nl, path);
    return status;
}

/* "name.1234.tmp": what base_create had begun when the process died. */
static bool is_leftover(const char *name)
{
    size_t n = strlen(name), digits = 0;
    if (n < 6 || strcmp(name + n - 4, ".tmp") != 0)
        return false;
    for (n -= 4; n && name[n - 1] >= '0' && name[n - 1] <= '9'; n--)
        digits++;
    return digits && n && name[n - 1] == '.';
}

/* ---- a new folder */

/* What a run's folder holds; run.yaml comes last, so a folder without it is none yet. */
static const char *const furniture[] = {"run.yaml", "metrics.jsonl", RECORD_HEALTH, "lock", "checkpoints", "snapshots"};

/* Is folder `name` in `at` without anything, but for what died while it was written and `known` names that are empty too? */
static bool is_empty(int at, const char *name, const char *const *known, size_t n)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    bool good = folder != NULL;
    for (struct dirent *d; good && (d = readdir(folder));) {
        struct stat s;
        bool found = false;
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 || is_leftover(d->d_name))
            continue;
        for (size_t i = 0; i < n; i++)
            found = found || strcmp(d->d_name, known[i]) == 0;
        good = found && fstatat(fd, d->d_name, &s, AT_SYMLINK_NOFOLLOW) == 0 &&
               (S_ISREG(s.st_mode) ? s.st_size == 0 : S_ISDIR(s.st_mode) && is_empty(fd, d->d_name, NULL, 0));
    }
    if (folder)
        closedir(folder);
    else if (fd >= 0)
        close(fd);
    return good;
}

/* An empty folder may be had, and one whose run died before it began. */
static bool is_free(const char *path)
{
    return is_empty(AT_FDCWD, path, furniture + 1, COUNT(furniture) - 1);
}

static nilu_status taken(nilu *nl, const char *path)
{
    return base_fail(nl, NILU_E_USAGE,
                     N_("%s: is there already; give another name, or go on with --resume if it is a run"), path);
}

static nilu_status make(nilu *nl, const char *path)
{
    if (mkdir(path, 0777) == 0)
        return NILU_OK;
    if (errno == EEXIST)
        return is_free(path) ? NILU_OK : taken(nl, path);
    return base_fail(nl, NILU_E_FILE_WRITE, N_("%s: this folder cannot be made: %s"), path, strerror(errno));
}

/* "iris" for "Iris.csv": lower case letters, digits and dashes. */
static void short_name(const char *name, char out[64])
{
    size_t n = 0, dot = 0;
    for (; *name && n < 40; name++) {
        char c = *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name;
        bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (c == '.' && n && !dot)
            dot = n;
        if (good)
            out[n++] = c;
        else if (n && out[n - 1] != '-')
            out[n++] = '-';
    }
    n = dot ? dot : n;
    while (n && out[n - 1] == '-')
        n--;
    out[n] = 0;
    if (!n)
        memcpy(out, "run", 4);
}

static nilu_status make_next(nilu *nl, const char *runs, const char *name, char **path)
{
    NILU_TRY(base_make_dirs(nl, runs));
    for (int i = 1; i > 0; i++) {
        char *folder = record_path(nl, runs, name);
        *path = folder ? base_format(nl, "%s-%d", folder, i) : NULL;
        base_free(nl, folder);
        if (!*path)
            return NILU_E_NO_MEMORY;
        if (mkdir(*path, 0777) == 0)
            return NILU_OK;
        if (errno != EEXIST)
            return base_fail(nl, NILU_E_FILE_WRITE, N_("%s: this folder cannot be made: %s"), *path, strerror(errno));
        base_free(nl, *path);
    }
    return base_fail(nl, NILU_E_FILE_WRITE, N_("%s: there are too many runs; give a name"), runs);
}

static nilu_status make_out(nilu *nl, const char *out, char **path)
{
    char *folder = base_strdup(nl, out);
    if (!folder)
        return NILU_E_NO_MEMORY;
    for (size_t n = strlen(folder); n > 1 && folder[n - 1] == '/'; n--)
        folder[n - 1] = 0;
    char *slash = strrchr(folder, '/');
    nilu_status status = NILU_OK;
    if (slash && slash != folder) {
        *slash = 0;
        status = base_make_dirs(nl, folder);
        *slash = '/';
    }
    *path = folder;
    return status == NILU_OK ? make(nl, folder) : status;
}

static nilu_status make_inner(nilu *nl, const char *folder, const char *name)
{
    char *path = record_path(nl, folder, name);
    nilu_status status = path ? base_make_dirs(nl, path) : NILU_E_NO_MEMORY;
    base_free(nl, path);
    return status;
}

static nilu_status open_folder(record_folder *f, const nilu_run_info *info)
{
    base_buffer b = {0};
    nilu_status status = take_lock(f);
    snprintf(f->identity, sizeof f->identity, "%s", info->identity);
    if (status == NILU_OK)
        status = record_settings_text(f->nl, info, false, &b);
    f->settings = b.at;
    return status;
}

/* What a failed start has made is taken away again, unless another process has the folder. */
static void unmake(record_folder *f)
{
    for (size_t i = 0; i < COUNT(furniture) && f->lock >= 0; i++) {
        char *path = record_path(f->nl, f->path, furniture[i]);
        if (path)
            remove(path);
        base_free(f->nl, path);
    }
    rmdir(f->path);
}

static nilu_status furnish(record_folder *f, const nilu_run_info *info, const nilu_model *model)
{
    NILU_TRY(open_folder(f, info));
    if (!is_free(f->path)) { /* another process had it meanwhile */
        give_lock_back(f);
        return taken(f->nl, f->path);
    }
    base_buffer b = {f->settings, strlen(f->settings), 0};
    NILU_TRY(make_inner(f->nl, f->path, "checkpoints"));
    if (info->options.snapshots > 0)
        NILU_TRY(make_inner(f->nl, f->path, "snapshots"));
    NILU_TRY(record_journal_open(f, 0));
    NILU_TRY(io_model_keep(model, f->path));
    return write_text(f->nl, f->path, "run.yaml", &b);
}

nilu_status record_create(nilu *nl, const char *out, const char *runs, nilu_run_info *info, const nilu_model *model,
                          record_folder *f)
{
    char name[64];
    *f = (record_folder){.nl = nl, .lock = -1, .journal = -1};
    if (!out && !runs)
        return NILU_OK;
    short_name(info->data, name);
    nilu_status status = out ? make_out(nl, out, &f->path) : make_next(nl, runs, name, &f->path);
    if (status == NILU_OK) {
        status = furnish(f, info, model);
        if (status != NILU_OK)
            unmake(f);
    }
    if (status != NILU_OK)
        record_close(f);
    return status;
}

static nilu_status sweep(nilu *nl, const char *run, const char *inner)
{
    char *path = record_path(nl, run, inner);
    DIR *folder = path ? opendir(path) : NULL;
    for (struct dirent *d; folder && (d = readdir(folder));)
        if (is_leftover(d->d_name))
            unlinkat(dirfd(folder), d->d_name, 0);
    if (folder)
        closedir(folder);
    base_free(nl, path);
    return path ? NILU_OK : NILU_E_NO_MEMORY;
}

nilu_status record_reopen(nilu *nl, const nilu_run_info *info, record_folder *f)
{
    *f = (record_folder){.nl = nl, .lock = -1, .journal = -1, .path = base_strdup(nl, info->path)};
    nilu_status status = f->path ? open_folder(f, info) : NILU_E_NO_MEMORY;
    static const char *const inner[] = {"", "checkpoints", "snapshots"};
    for (size_t i = 0; i < COUNT(inner) && status == NILU_OK; i++)
        status = sweep(nl, f->path, inner[i]);
    if (status != NILU_OK)
        record_close(f);
    return status;
}

void record_close(record_folder *f)
{
    if (f->journal >= 0)
        close(f->journal);
    give_lock_back(f);
    base_free(f->nl, f->path);
    base_free(f->nl, f->settings);
    *f = (record_folder){.nl = f->nl, .lock = -1, .journal = -1};
}

nilu_status record_result(record_folder *f, const nilu_run_info *info)
{
    base_buffer b = {0};
    if (!f->path)
        return NILU_OK;
    nilu_status status = record_settings_text(f->nl, info, true, &b);
    if (status == NILU_OK)
        status = write_text(f->nl, f->path, "run.yaml", &b);
    base_free(f->nl, b.at);
    return status;
}
