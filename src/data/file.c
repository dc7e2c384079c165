/* Bytes of a file: read in place through a descriptor, or, when packed by gzip, unpacked into memory. A file is never
 * mapped: one that another program shortens is then an error and not a signal. */
#define _POSIX_C_SOURCE 200809L
#include "data/data.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { CHUNK = 1 << 17, GZIP_SMALLEST = 18 };
/* Deflate cannot do better than 1032 : 1 (a match of 258 bytes in two bits), so a larger claim is a lie. */
enum { DEFLATE_RATIO = 1032 };

static void *zlib_alloc(void *user, unsigned items, unsigned size)
{
    return base_calloc(user, items, size);
}

static void zlib_free(void *user, void *p)
{
    base_free(user, p);
}

/* Bytes at `offset` of a descriptor: how many were there, -1: failed (errno). */
static ssize_t read_at(int fd, uint64_t offset, void *out, size_t n)
{
    size_t got = 0;
    while (got < n) {
        ssize_t r = pread(fd, (char *)out + got, n - got, (off_t)(offset + got));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -1;
        if (r == 0)
            break;
        got += (size_t)r;
    }
    return (ssize_t)got;
}

bool data_file_at(const data_file *f, uint64_t offset, void *out, size_t n)
{
    if (offset > f->size || n > f->size - offset)
        return false;
    if (f->bytes) {
        memcpy(out, f->bytes + offset, n);
        return true;
    }
    return read_at(f->fd, offset, out, n) == (ssize_t)n;
}

void data_file_close(nilu *nl, data_file *f)
{
    if (f->fd >= 0 && f->path)
        close(f->fd);
    base_free(nl, f->bytes);
    *f = (data_file){.fd = -1};
}

static nilu_status too_large(nilu *nl, const char *path, size_t limit)
{
    return base_fail(nl, NILU_E_UNSUPPORTED,
                     N_("%s: unpacks to more than the %zu bytes that samples may take in memory; unpack it with gunzip, "
                        "then it is read from the file as needed"),
                     path, limit);
}

/* Grows the output to hold more than `cap` bytes. */
static nilu_status more_room(nilu *nl, const char *path, size_t limit, char **bytes, size_t *cap)
{
    if (*cap >= limit)
        return too_large(nl, path, limit);
    size_t size = *cap > limit / 2 ? limit : *cap * 2;
    char *larger = base_realloc(nl, *bytes, size);
    if (!larger)
        return NILU_E_NO_MEMORY;
    *bytes = larger;
    *cap = size;
    return NILU_OK;
}

static nilu_status unpack_into(nilu *nl, data_file *f, uint64_t packed, size_t limit, z_stream *z, char *chunk)
{
    const char *path = f->path;
    unsigned char tail[4] = {0};
    if (packed < GZIP_SMALLEST || read_at(f->fd, packed - 4, tail, 4) != 4)
        return base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s: ends too early for a gzip file (%llu bytes)"), path,
                         (unsigned long long)packed);
    /* The last four bytes say how long it is unless it has several members or 4 GiB; if so the room grows. */
    uint64_t guess = (uint64_t)tail[0] | (uint64_t)tail[1] << 8 | (uint64_t)tail[2] << 16 | (uint64_t)tail[3] << 24;
    if (guess / DEFLATE_RATIO > packed)
        guess = packed * 4;
    size_t cap = guess > limit ? limit : (size_t)guess, used = 0;
    cap = cap < 64 ? 64 : cap;
    f->bytes = base_alloc(nl, cap);
    if (!f->bytes)
        return NILU_E_NO_MEMORY;

    uint64_t offset = 0;
    bool between = false; /* members */
    for (;;) {
        if (z->avail_in == 0) {
            ssize_t r = read_at(f->fd, offset, chunk, CHUNK);
            if (r < 0)
                return base_fail(nl, NILU_E_FILE_READ, N_("%s: reading failed: %s"), path, strerror(errno));
            if (r == 0 && between)
                break;
            if (r == 0)
                return base_fail(nl, NILU_E_FILE_CORRUPT,
                                 N_("%s: ends in the middle of its packed data, after %llu bytes; fetch it again"), path,
                                 (unsigned long long)offset);
            offset += (uint64_t)r;
            z->next_in = (unsigned char *)chunk;
            z->avail_in = (unsigned)r;
        }
        if (between && inflateReset(z) != Z_OK)
            return base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s: cannot be unpacked"), path);
        between = false;
        size_t room = cap - used;
        unsigned step = room > 1u << 30 ? 1u << 30 : (unsigned)room;
        z->next_out = (unsigned char *)f->bytes + used;
        z->avail_out = step;
        int r = inflate(z, Z_NO_FLUSH);
        used += step - z->avail_out;
        if (r == Z_STREAM_END)
            between = true;
        else if (r == Z_MEM_ERROR)
            return NILU_E_NO_MEMORY; /* zlib_alloc said so */
        else if (r != Z_OK && r != Z_BUF_ERROR)
            return base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s: is a damaged gzip file (%s near byte %llu); fetch it again"),
                             path, z->msg ? z->msg : "bad data", (unsigned long long)(offset - z->avail_in));
        else if (used == cap && z->avail_out == 0)
            NILU_TRY(more_room(nl, path, limit, &f->bytes, &cap));
    }
    f->size = used;
    return NILU_OK;
}

static nilu_status unpack(nilu *nl, data_file *f, uint64_t packed, size_t limit)
{
    z_stream z = {.zalloc = zlib_alloc, .zfree = zlib_free, .opaque = nl};
    char *chunk = base_alloc(nl, CHUNK);
    if (!chunk)
        return NILU_E_NO_MEMORY;
    nilu_status status = NILU_E_NO_MEMORY;
    if (inflateInit2(&z, 16 + MAX_WBITS) == Z_OK) {
        status = unpack_into(nl, f, packed, limit, &z, chunk);
        inflateEnd(&z);
    } else {
        base_no_memory(nl, 0);
    }
    base_free(nl, chunk);
    close(f->fd);
    f->fd = -1;
    return status;
}

nilu_status data_file_open(nilu *nl, const char *path, size_t limit, data_file *f)
{
    *f = (data_file){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (f->fd < 0) {
        nilu_status status = errno == ENOENT ? NILU_E_FILE_NOT_FOUND : NILU_E_FILE_READ;
        return base_fail(nl, status, N_("%s: cannot be opened: %s"), path, strerror(errno));
    }
    struct stat info;
    nilu_status status = NILU_OK;
    unsigned char magic[2] = {0, 0};
    if (fstat(f->fd, &info) != 0 || !S_ISREG(info.st_mode))
        status = base_fail(nl, NILU_E_FILE_READ, N_("%s: is not a regular file"), path);
    else if (read_at(f->fd, 0, magic, 2) < 0)
        status = base_fail(nl, NILU_E_FILE_READ, N_("%s: reading failed: %s"), path, strerror(errno));
    else if (magic[0] == 0x1f && magic[1] == 0x8b)
        status = unpack(nl, f, (uint64_t)info.st_size, limit);
    else
        f->size = (uint64_t)info.st_size;
    if (status != NILU_OK)
        data_file_close(nl, f);
    return status;
}

nilu_status data_file_load(nilu *nl, data_file *f)
{
    if (f->bytes)
        return NILU_OK;
    if (f->size > SIZE_MAX - 1)
        return base_no_memory(nl, SIZE_MAX);
    f->bytes = base_alloc(nl, (size_t)f->size);
    if (!f->bytes)
        return NILU_E_NO_MEMORY;
    ssize_t r = read_at(f->fd, 0, f->bytes, (size_t)f->size);
    if (r != (ssize_t)f->size) {
        base_free(nl, f->bytes);
        f->bytes = NULL;
        return base_fail(nl, NILU_E_FILE_READ, N_("%s: reading failed: %s"), f->path,
                         r < 0 ? strerror(errno) : "the file became shorter");
    }
    close(f->fd);
    f->fd = -1;
    return NILU_OK;
}

bool data_exists(const char *path, bool folder)
{
    struct stat info;
    return stat(path, &info) == 0 && (!folder || S_ISDIR(info.st_mode));
}
