/* Bringing a set of the catalogue onto this machine. Invariant: what stands in the cache under a file's name has the right
 * hash; anything else is under a temporary name, and gone when it is over. */
#include "data/data.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, SLACK = 1 << 16 };

/* VERIFY if the file does not unpack to the bytes that it must be. `who` names it in the error. */
static nilu_status check_file(nilu *nl, const char *path, const char *who, const data_set_file *file)
{
    data_file f;
    base_sha256 sha;
    char hex[65], *chunk;
    nilu_status status = data_file_open(nl, path, (size_t)file->size, &f);
    if (status == NILU_E_FILE_CORRUPT || status == NILU_E_UNSUPPORTED)
        return base_fail(nl, NILU_E_VERIFY,
                         N_("%s: is damaged or not the file it should be: it does not unpack to %llu bytes"), who,
                         (unsigned long long)file->size);
    NILU_TRY(status);
    chunk = base_alloc(nl, CHUNK);
    status = chunk ? NILU_OK : NILU_E_NO_MEMORY;
    base_sha256_start(&sha);
    for (uint64_t at = 0; status == NILU_OK && at < f.size; at += CHUNK) {
        size_t n = f.size - at < CHUNK ? (size_t)(f.size - at) : CHUNK;
        if (!data_file_at(&f, at, chunk, n))
            status = base_fail(nl, NILU_E_FILE_READ, N_("%s: reading failed: %s"), who, strerror(errno));
        base_sha256_add(&sha, chunk, n);
    }
    base_sha256_end(&sha, hex);
    if (status == NILU_OK && strcmp(hex, file->sha256) != 0)
        status = base_fail(nl, NILU_E_VERIFY,
                           N_("%s: has SHA-256 %.16s… unpacked, where %.16s… is right; it is not the file it "
                              "should be"),
                           who, hex, file->sha256);
    base_free(nl, chunk);
    data_file_close(nl, &f);
    return status;
}

/* Copies a file of a folder. */
static nilu_status copy(nilu *nl, const char *path, const nilu_get_options *o, const char *name, base_output *out)
{
    FILE *in = fopen(path, "rb");
    if (!in)
        return base_fail(nl, errno == ENOENT ? NILU_E_FILE_NOT_FOUND : NILU_E_FILE_READ, N_("%s: cannot be opened: %s"),
                         path, strerror(errno));
    char *chunk = base_alloc(nl, CHUNK);
    nilu_status status = chunk ? NILU_OK : NILU_E_NO_MEMORY;
    uint64_t done = 0;
    size_t n = 0;
    while (status == NILU_OK && (n = fread(chunk, 1, CHUNK, in)) > 0) {
        base_write(out, chunk, n);
        done += n;
        status = out->status;
        if (status == NILU_OK && o->progress && !o->progress(o->user, name, done, 0))
            status = base_fail(nl, NILU_E_CANCELLED, N_("%s: copying was stopped"), path);
    }
    if (status == NILU_OK && ferror(in))
        status = base_fail(nl, NILU_E_FILE_READ, N_("%s: reading failed: %s"), path, strerror(errno));
    fclose(in);
    base_free(nl, chunk);
    return status;
}

/* One file from `from` to `path`, by way of a temporary name under which it is checked. */
static nilu_status fetch(nilu *nl, const char *from, const char *ending, const data_set_file *file,
                         const nilu_get_options *o, const char *folder)
{
    base_output out;
    bool address = strstr(from, "://") != NULL;
    size_t n = strlen(from);
    while (n > 1 && from[n - 1] == '/')
        n--;
    char *source = base_format(nl, "%.*s/%s%s", (int)n, from, file->name, ending);
    char *path = source ? base_format(nl, "%s/%s%s", folder, file->name, ending) : NULL;
    nilu_status status = path ? base_create(nl, path, &out) : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        status = address ? data_download(nl, source, file->size + SLACK, o, file->name, &out)
                         : copy(nl, source, o, file->name, &out);
        if (status == NILU_OK && fflush(out.file) != 0)
            status = base_fail(nl, NILU_E_FILE_WRITE, N_("%s: writing failed: %s"), path, strerror(errno));
        if (status == NILU_OK)
            status = check_file(nl, out.temporary, source, file);
        if (status == NILU_OK)
            status = base_commit(&out);
        else
            base_discard(&out);
    }
    base_free(nl, source);
    base_free(nl, path);
    return status;
}

/* Is it there, and right? *there: it was. */
static nilu_status check_there(nilu *nl, const char *folder, const data_set_file *file, bool *there)
{
    static const char *const endings[] = {".gz", ""};
    *there = false;
    for (size_t i = 0; i < COUNT(endings) && !*there; i++) {
        char *path = base_format(nl, "%s/%s%s", folder, file->name, endings[i]);
        if (!path)
            return NILU_E_NO_MEMORY;
        nilu_status status = data_exists(path, false) ? check_file(nl, path, path, file) : NILU_E_FILE_NOT_FOUND;
        base_free(nl, path);
        if (status == NILU_E_NO_MEMORY)
            return status;
        *there = status == NILU_OK;
    }
    return NILU_OK;
}

static nilu_status get_files(nilu *nl, const data_set *set, const char *from, const nilu_get_options *o,
                             const char *folder)
{
    NILU_TRY(base_make_dirs(nl, folder));
    for (int i = 0; i < 4; i++) {
        const data_set_file *file = &set->file[i];
        bool there;
        NILU_TRY(check_there(nl, folder, file, &there));
        if (there) {
            if (o->progress && !o->progress(o->user, file->name, file->size, file->size))
                return base_fail(nl, NILU_E_CANCELLED, N_("%s: getting it was stopped"), set->about.name);
            continue;
        }
        nilu_status status = fetch(nl, from, ".gz", file, o, folder);
        if (status ==
            NILU_E_FILE_NOT_FOUND) { /* some mirrors keep them unpacked; if not, the first answer is the one told */
            char *first = base_strdup(nl, nilu_errmsg(nl));
            if (!first)
                return NILU_E_NO_MEMORY;
            status = fetch(nl, from, "", file, o, folder);
            if (status == NILU_E_FILE_NOT_FOUND)
                base_fail(nl, status, "%s", first);
            base_free(nl, first);
        }
        NILU_TRY(status);
    }
    return NILU_OK;
}

/* *there: all files of the set are in the folder, and right. */
static nilu_status check_all(nilu *nl, const data_set *set, const char *folder, bool *there)
{
    *there = folder && data_exists(folder, true);
    for (int i = 0; i < 4 && *there; i++)
        NILU_TRY(check_there(nl, folder, &set->file[i], there));
    return NILU_OK;
}

nilu_status data_get_set(nilu *nl, const data_set *set, const nilu_get_options *o, char **folder)
{
    bool installed = false;
    if (!o->from)
        NILU_TRY(check_all(nl, set, set->system, &installed));
    *folder = installed ? base_strdup(nl, set->system) : base_format(nl, "%s/%s", o->cache_dir, set->about.name);
    if (!*folder)
        return NILU_E_NO_MEMORY;
    nilu_status status = installed ? NILU_OK : get_files(nl, set, o->from ? o->from : set->about.source, o, *folder);
    if (status != NILU_OK) {
        rmdir(*folder); /* only if nothing is in it */
        base_free(nl, *folder);
        *folder = NULL;
    }
    return status;
}

static nilu_status unknown(nilu *nl, const char *name)
{
    const char *names[16];
    size_t n = 0;
    for (const nilu_dataset *s; n < COUNT(names) && (s = nilu_data_catalogue((int)n)) != NULL;)
        names[n++] = s->name;
    const char *near = base_nearest(name, names, n);
    if (near)
        return base_fail(nl, NILU_E_NAME, N_("%s: there is no set of this name; did you mean \"%s\"?"), name, near);
    return base_fail(nl, NILU_E_NAME, N_("%s: there is no set of this name; see: nilu data list"), name);
}

nilu_status nilu_data_get(nilu *nl, const char *name, const nilu_get_options *options, char **folder)
{
    const data_set *set = data_set_named(name);
    char *where;
    if (folder)
        *folder = NULL;
    if (!options || options->size != sizeof *options || !options->cache_dir)
        return base_fail(nl, NILU_E_USAGE,
                         N_("nilu_data_get: options must start from NILU_GET_DEFAULT and have a cache_dir"));
    if (!set)
        return unknown(nl, name);
    if (!set->file[0].name)
        return base_fail(nl, NILU_E_USAGE, N_("%s: comes with nilu; there is nothing to get"), name);
    NILU_TRY(data_get_set(nl, set, options, &where));
    if (folder)
        *folder = where;
    else
        base_free(nl, where);
    return NILU_OK;
}
