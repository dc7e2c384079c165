/* Bytes of a file: read in place through a descriptor, or, when packed by gzip, unpacked into memory. A file is never
 * mapped: one that another program shortens is then an error and not a signal.
 *
 * Unpacking comes in three parts, since a context serves one thread at a time: memory is prepared, the bytes are
 * unpacked without touching the context (so that several files are unpacked at once), and what came of it is told. */
#include "data/data.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { CHUNK = 1 << 17, ZLIB_ROOM = 1 << 17, GZIP_SMALLEST = 18 };
/* Deflate cannot do better than 1032 : 1 (a match of 258 bytes in two bits), so a larger claim is a lie. */
enum { DEFLATE_RATIO = 1032 };

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
    return f->path && read_at(f->fd, f->begin + offset, out, n) == (ssize_t)n;
}

void data_file_close(nilu *nl, data_file *f)
{
    if (f->fd >= 0 && f->path)
        close(f->fd);
    base_free(nl, f->bytes);
    *f = (data_file){.fd = -1};
}

/* ---- unpacking */

typedef enum progress { RUNNING, WHOLE, FULL, CUT_OFF, DAMAGED, UNREADABLE } progress;

typedef struct unpacker {
    data_file *file;
    char *room; /* CHUNK bytes of the packed file, then what zlib asks for */
    size_t zlib_used;
    z_stream z;
    uint64_t offset;       /* in the packed file */
    size_t cap, used;      /* of file->bytes */
    size_t usual;          /* longer, and it is taken for a bomb */
    bool started, between; /* members of the file */
    progress at;
    int error; /* errno, where unreadable */
} unpacker;

static void *zlib_alloc(void *user, unsigned items, unsigned size)
{
    unpacker *u = user;
    size_t bytes;
    if (!base_mul(items, size, &bytes) || bytes > ZLIB_ROOM - u->zlib_used)
        return NULL;
    void *p = u->room + CHUNK + u->zlib_used;
    u->zlib_used += (bytes + 63) & ~(size_t)63;
    u->zlib_used = u->zlib_used > ZLIB_ROOM ? ZLIB_ROOM : u->zlib_used;
    return p;
}

static void zlib_free(void *user, void *p)
{
    (void)user, (void)p; /* all of it goes with `room` */
}

/* The next packed bytes into the chunk: false if there are none. */
static bool fetch(unpacker *u)
{
    ssize_t r = read_at(u->file->fd, u->offset, u->room, CHUNK);
    if (r < 0) {
        u->error = errno;
        u->at = UNREADABLE;
    } else if (r == 0) {
        u->at = u->between ? WHOLE : CUT_OFF;
    }
    if (r <= 0)
        return false;
    u->offset += (uint64_t)r;
    u->z.next_in = (unsigned char *)u->room;
    u->z.avail_in = (unsigned)r;
    return true;
}

/* Unpacks until the end, a fault, or until there is no more room. Touches nothing but the unpacker. */
static void unpack(unpacker *u)
{
    z_stream *z = &u->z;
    if (!u->started && inflateInit2(z, 16 + MAX_WBITS) != Z_OK)
        u->at = DAMAGED;
    else
        u->at = RUNNING;
    u->started = true;
    while (u->at == RUNNING) {
        if (z->avail_in == 0 && !fetch(u))
            return;
        if (u->between && inflateReset(z) != Z_OK)
            u->at = DAMAGED;
        u->between = false;
        size_t left = u->cap - u->used;
        unsigned step = left > 1u << 30 ? 1u << 30 : (unsigned)left;
        z->next_out = (unsigned char *)u->file->bytes + u->used;
        z->avail_out = step;
        int r = inflate(z, Z_NO_FLUSH);
        u->used += step - z->avail_out;
        if (r == Z_STREAM_END)
            u->between = true;
        else if (r == Z_BUF_ERROR && z->avail_in > 0)
            u->at = FULL; /* nothing came of it, so all that is missing is room */
        else if (r != Z_OK && r != Z_BUF_ERROR)
            u->at = DAMAGED;
    }
}

static nilu_status prepare(nilu *nl, data_file *f, uint64_t packed, size_t limit, unpacker *u)
{
    unsigned char tail[4] = {0};
    *u = (unpacker){.file = f, .z = {.zalloc = zlib_alloc, .zfree = zlib_free, .opaque = u}};
    if (packed < GZIP_SMALLEST || read_at(f->fd, packed - 4, tail, 4) != 4)
        return base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s: ends too early for a gzip file (%llu bytes)"), f->path,
                         (unsigned long long)packed);
    /* The last four bytes say how long it is unless it has several members or 4 GiB; if so the room grows. */
    uint64_t guess = (uint64_t)tail[0] | (uint64_t)tail[1] << 8 | (uint64_t)tail[2] << 16 | (uint64_t)tail[3] << 24;
    if (guess / DEFLATE_RATIO > packed)
        guess = packed * 4;
    if (!base_mul((size_t)packed, DATA_USUAL_RATIO, &u->usual) || !base_add(u->usual, DATA_USUAL_BESIDE, &u->usual))
        u->usual = SIZE_MAX;
    limit = limit > u->usual ? u->usual : limit;
    u->cap = guess > limit ? limit : (size_t)guess;
    u->cap = u->cap < 64 ? 64 : u->cap;
    u->room = base_alloc(nl, CHUNK + ZLIB_ROOM);
    f->bytes = u->room ? base_alloc(nl, u->cap) : NULL;
    return f->bytes ? NILU_OK : NILU_E_NO_MEMORY;
}

static nilu_status more_room(nilu *nl, size_t limit, unpacker *u)
{
    if (u->cap >= limit)
        return base_fail(
            nl, NILU_E_UNSUPPORTED,
            N_("%s: unpacks to more than the %zu bytes that samples may take in memory; unpack it with gunzip, "
               "then it is read from the file as needed"),
            u->file->path, limit);
    if (u->cap >= u->usual)
        return base_fail(
            nl, NILU_E_UNSUPPORTED,
            N_("%s: unpacks to more than %d times its length and %d MB; if that is as it should be, unpack it with gunzip"),
            u->file->path, DATA_USUAL_RATIO, DATA_USUAL_BESIDE >> 20);
    limit = limit > u->usual ? u->usual : limit;
    size_t cap = u->cap > limit / 2 ? limit : u->cap * 2;
    char *larger = base_realloc(nl, u->file->bytes, cap);
    if (!larger)
        return NILU_E_NO_MEMORY;
    u->file->bytes = larger;
    u->cap = cap;
    return NILU_OK;
}

/* Grows where it must, and says what was wrong. */
static nilu_status conclude(nilu *nl, size_t limit, unpacker *u)
{
    const char *path = u->file->path;
    while (u->at == FULL) {
        NILU_TRY(more_room(nl, limit, u));
        unpack(u);
    }
    u->file->size = u->used;
    switch (u->at) {
    case WHOLE:
        return NILU_OK;
    case CUT_OFF:
        return base_fail(nl, NILU_E_FILE_CORRUPT,
                         N_("%s: ends in the middle of its packed data, after %llu bytes; fetch it again"), path,
                         (unsigned long long)u->offset);
    case UNREADABLE:
        return base_fail(nl, NILU_E_FILE_READ, N_("%s: reading failed: %s"), path, strerror(u->error));
    default:
        return base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s: is a damaged gzip file (%s near byte %llu); fetch it again"),
                         path, u->z.msg ? u->z.msg : "bad data", (unsigned long long)(u->offset - u->z.avail_in));
    }
}

/* ---- opening */

/* Opens a regular file; *packed is its length if it is a gzip file, else 0. */
static nilu_status open_one(nilu *nl, const char *path, data_file *f, uint64_t *packed)
{
    *f = (data_file){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (f->fd < 0) {
        nilu_status status = errno == ENOENT || errno == ENOTDIR ? NILU_E_FILE_NOT_FOUND : NILU_E_FILE_READ;
        return base_fail(nl, status, N_("%s: cannot be opened: %s"), path, strerror(errno));
    }
    struct stat info;
    unsigned char magic[2] = {0, 0};
    if (fstat(f->fd, &info) != 0 || !S_ISREG(info.st_mode))
        return base_fail(nl, NILU_E_FILE_READ, N_("%s: is not a regular file"), path);
    if (read_at(f->fd, 0, magic, 2) < 0)
        return base_fail(nl, NILU_E_FILE_READ, N_("%s: reading failed: %s"), path, strerror(errno));
    f->size = (uint64_t)info.st_size;
    *packed = magic[0] == 0x1f && magic[1] == 0x8b ? f->size : 0;
    return NILU_OK;
}

nilu_status data_files_open(nilu *nl, int n, const char *const *path, size_t limit, data_file *f)
{
    nilu_status status = NILU_OK;
    unpacker u[DATA_FILES];
    int unpackers = 0;
    for (int i = 0; i < n; i++)
        f[i] = (data_file){.fd = -1};
    for (int i = 0; i < n && status == NILU_OK; i++) {
        uint64_t packed = 0;
        status = path[i] ? open_one(nl, path[i], &f[i], &packed) : NILU_OK;
        if (status == NILU_OK && packed)
            status = prepare(nl, &f[i], packed, limit, &u[unpackers++]);
    }
    if (status == NILU_OK && nl->threads > 1 && unpackers > 1) {
        int threads = nl->threads < unpackers ? nl->threads : unpackers;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
        for (int i = 0; i < unpackers; i++)
            unpack(&u[i]);
    } else if (status == NILU_OK) {
        for (int i = 0; i < unpackers; i++)
            unpack(&u[i]);
    }
    for (int i = 0; i < unpackers; i++) {
        if (status == NILU_OK)
            status = conclude(nl, limit, &u[i]);
        inflateEnd(&u[i].z);
        base_free(nl, u[i].room);
        close(u[i].file->fd);
        u[i].file->fd = -1;
    }
    for (int i = 0; i < n && status != NILU_OK; i++)
        data_file_close(nl, &f[i]);
    return status;
}

nilu_status data_file_open(nilu *nl, const char *path, size_t limit, data_file *f)
{
    return data_files_open(nl, 1, &path, limit, f);
}

nilu_status data_file_head(nilu *nl, const char *path, void *head, size_t *n)
{
    data_file f;
    uint64_t packed = 0;
    unpacker u = {0};
    size_t room = *n;
    nilu_status status = open_one(nl, path, &f, &packed);
    *n = 0;
    if (status == NILU_OK && packed) {
        status = prepare(nl, &f, packed, room < 64 ? 64 : room, &u);
        if (status == NILU_OK)
            unpack(&u);
        if (status == NILU_OK && u.at != FULL)
            status = conclude(nl, room, &u);
        f.size = u.used;
        inflateEnd(&u.z);
        base_free(nl, u.room);
    }
    if (status == NILU_OK) {
        *n = f.size < room ? (size_t)f.size : room;
        if (!data_file_at(&f, 0, head, *n))
            status = base_fail(nl, NILU_E_FILE_READ, N_("%s: reading failed: %s"), path, strerror(errno));
    }
    data_file_close(nl, &f);
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
    ssize_t r = read_at(f->fd, f->begin, f->bytes, (size_t)f->size);
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

nilu_status data_file_print(nilu *nl, const data_file *f, XXH64_state_t *print)
{
    if (f->bytes) {
        XXH64_update(print, f->bytes, (size_t)f->size);
        return NILU_OK;
    }
    char *chunk = base_alloc(nl, CHUNK);
    if (!chunk)
        return NILU_E_NO_MEMORY;
    nilu_status status = NILU_OK;
    for (uint64_t at = 0; at < f->size && status == NILU_OK; at += CHUNK) {
        size_t n = f->size - at < CHUNK ? (size_t)(f->size - at) : CHUNK;
        if (!data_file_at(f, at, chunk, n))
            status = base_fail(nl, NILU_E_FILE_READ, N_("%s: reading failed at byte %llu; did the file change?"),
                               f->path, (unsigned long long)at);
        else
            XXH64_update(print, chunk, n);
    }
    base_free(nl, chunk);
    return status;
}

bool data_exists(const char *path, bool folder)
{
    struct stat info;
    return stat(path, &info) == 0 && (!folder || S_ISDIR(info.st_mode));
}
