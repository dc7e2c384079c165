/* Files: read whole, or replaced atomically: what stands under a name is the old content or the new, never a part. */
#define _POSIX_C_SOURCE 200809L
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

nilu_status base_read_file(nilu *nl, const char *path, size_t limit, char **bytes, size_t *n)
{
    nilu_status status = NILU_OK;
    char *at = NULL;
    struct stat info;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* or a pipe would be waited for */
    if (file < 0)
        return base_fail(nl, errno == ENOENT ? NILU_E_FILE_NOT_FOUND : NILU_E_FILE_READ,
                         N_("%s: cannot be opened: %s"), path, strerror(errno));
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = base_fail(nl, NILU_E_FILE_READ, N_("%s: is not a regular file"), path);
        goto cleanup;
    }
    if ((uint64_t)info.st_size > limit) {
        status = base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s: has %lld bytes, more than the %zu allowed here"), path,
                           (long long)info.st_size, limit);
        goto cleanup;
    }
    size_t size = (size_t)info.st_size, got = 0;
    at = base_alloc(nl, size + 1);
    if (!at) {
        status = NILU_E_NO_MEMORY;
        goto cleanup;
    }
    while (got < size) {
        ssize_t r = read(file, at + got, size - got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            status = base_fail(nl, NILU_E_FILE_READ, N_("%s: reading failed after %zu of %zu bytes: %s"), path, got,
                               size, r < 0 ? strerror(errno) : "the file became shorter");
            goto cleanup;
        }
        got += (size_t)r;
    }
    at[size] = 0;
    *bytes = at;
    *n = size;
    at = NULL;
cleanup:
    base_free(nl, at);
    close(file);
    return status;
}

nilu_status base_read_at(nilu *nl, int file, const char *path, uint64_t at, void *out, size_t n)
{
    for (size_t got = 0; got < n;) {
        ssize_t r = pread(file, (char *)out + got, n - got, (off_t)(at + got));
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return base_fail(nl, NILU_E_FILE_READ, N_("%s: reading failed: %s"), path, r < 0 ? strerror(errno) : base_text(N_("the file became shorter")));
        got += (size_t)r;
    }
    return NILU_OK;
}

nilu_status base_create(nilu *nl, const char *path, base_output *o)
{
    *o = (base_output){.nl = nl};
    o->path = base_strdup(nl, path);
    o->temporary = o->path ? base_format(nl, "%s.%ld.tmp", path, (long)getpid()) : NULL;
    if (!o->temporary) {
        base_free(nl, o->path);
        *o = (base_output){0};
        return NILU_E_NO_MEMORY;
    }
    int file = open(o->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    o->file = file < 0 ? NULL : fdopen(file, "wb");
    if (!o->file) {
        o->status = base_fail(nl, NILU_E_FILE_WRITE, N_("%s: cannot be written: %s"), path, strerror(errno));
        if (file >= 0) {
            close(file);
            unlink(o->temporary);
        }
        nilu_status status = o->status;
        base_free(nl, o->path);
        base_free(nl, o->temporary);
        *o = (base_output){0};
        return status;
    }
    return NILU_OK;
}

void base_write(base_output *o, const void *bytes, size_t n)
{
    if (o->status == NILU_OK && n && fwrite(bytes, 1, n, o->file) != n)
        o->status = base_fail(o->nl, NILU_E_FILE_WRITE, N_("%s: writing failed: %s; what stood there is unchanged"),
                              o->path, strerror(errno));
}

/* A rename lasts through a power cut only when its folder is synced as well. */
static void sync_folder(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 1;
    if (n >= sizeof folder)
        return;
    memcpy(folder, slash ? path : ".", n);
    folder[n] = 0;
    int f = open(n ? folder : "/", O_RDONLY | O_CLOEXEC);
    if (f >= 0) {
        fsync(f);
        close(f);
    }
}

nilu_status base_commit(base_output *o)
{
    nilu *nl = o->nl;
    if (o->status == NILU_OK && (fflush(o->file) != 0 || fsync(fileno(o->file)) != 0))
        o->status = base_fail(nl, NILU_E_FILE_WRITE, N_("%s: writing failed: %s; what stood there is unchanged"), o->path,
                              strerror(errno));
    bool closed = fclose(o->file) == 0;
    o->file = NULL;
    if (o->status == NILU_OK && (!closed || rename(o->temporary, o->path) != 0))
        o->status = base_fail(nl, NILU_E_FILE_WRITE, N_("%s: cannot be replaced: %s"), o->path, strerror(errno));
    nilu_status status = o->status;
    if (status == NILU_OK)
        sync_folder(o->path);
    base_discard(o);
    return status;
}

void base_discard(base_output *o)
{
    if (!o->nl)
        return;
    if (o->file)
        fclose(o->file);
    unlink(o->temporary); /* after a rename there is nothing under this name */
    base_free(o->nl, o->path);
    base_free(o->nl, o->temporary);
    *o = (base_output){0};
}

nilu_status base_make_dirs(nilu *nl, const char *path)
{
    char part[4096];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return base_fail(nl, NILU_E_FILE_WRITE, N_("%s: is no usable folder name"), path);
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != 0)
            continue;
        part[i] = 0;
        struct stat info;
        if (mkdir(part, 0777) != 0 && !(errno == EEXIST && stat(part, &info) == 0 && S_ISDIR(info.st_mode)))
            return base_fail(nl, NILU_E_FILE_WRITE, N_("%s: this folder cannot be made: %s"), part, strerror(errno));
        if (i < n)
            part[i] = '/';
    }
    return NILU_OK;
}
