/* One picture's file: its bytes, which decoder they are for, and the planes that come out. What a file is, is told by its
 * first bytes: names lie. */
#include "data/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

nilu_status picture_fail(picture_decoder *d, nilu_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(d->why, sizeof d->why, base_text(format), args);
#pragma GCC diagnostic pop
    va_end(args);
    return status;
}

bool picture_room(picture_decoder *d, void *block, size_t *room, size_t bytes)
{
    void *old, *larger;
    if (bytes <= *room)
        return true;
    memcpy(&old, block, sizeof old);
    free(old); /* nothing in it is wanted any more */
    larger = malloc(bytes);
    memcpy(block, &larger, sizeof larger);
    *room = larger ? bytes : 0;
    if (!larger)
        picture_fail(d, NILU_E_NO_MEMORY, N_("memory ran out: %zu bytes were wanted"), bytes);
    return larger != NULL;
}

nilu_status picture_damaged(picture_decoder *d, const char *kind, const char *what)
{
    return picture_fail(d, NILU_E_FILE_CORRUPT, N_("is a damaged %s file (%s); replace it, or take it out of the folder"),
                        kind, what);
}

nilu_status picture_size(picture_decoder *d, uint64_t height, uint64_t width)
{
    if (height == 0 || width == 0 || height > PICTURE_SIDE || width > PICTURE_SIDE || height * width > PICTURE_PIXELS)
        return picture_fail(d, NILU_E_UNSUPPORTED,
                            N_("has %llu x %llu pixels, where a picture may have %d in all and %d a side; make it smaller"),
                            (unsigned long long)height, (unsigned long long)width, PICTURE_PIXELS, PICTURE_SIDE);
    return NILU_OK;
}

static nilu_status read_all(picture_decoder *d, int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return picture_fail(d, NILU_E_FILE_READ, N_("is not a regular file"));
    if (info.st_size == 0)
        return picture_fail(d, NILU_E_FILE_CORRUPT, N_("is empty; replace it, or take it out of the folder"));
    if (info.st_size > PICTURE_BYTES)
        return picture_fail(d, NILU_E_UNSUPPORTED, N_("has %lld bytes, where a picture's file may have %d"),
                            (long long)info.st_size, PICTURE_BYTES);
    size_t want = (size_t)info.st_size;
    if (!picture_room(d, &d->file, &d->room, want))
        return NILU_E_NO_MEMORY;
    while (d->bytes < want) {
        ssize_t r = read(fd, d->file + d->bytes, want - d->bytes);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return picture_fail(d, NILU_E_FILE_READ, N_("reading failed: %s"),
                                r < 0 ? strerror(errno) : base_text(N_("the file became shorter")));
        d->bytes += (size_t)r;
    }
    return NILU_OK;
}

nilu_status picture_load(picture_decoder *d, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    d->bytes = 0;
    if (fd < 0)
        return picture_fail(d, errno == ENOENT || errno == ENOTDIR ? NILU_E_FILE_NOT_FOUND : NILU_E_FILE_READ,
                            N_("cannot be opened: %s"), strerror(errno));
    nilu_status status = read_all(d, fd);
    close(fd);
    return status;
}

static bool begins(const picture_decoder *d, const char *magic, size_t n)
{
    return d->bytes >= n && memcmp(d->file, magic, n) == 0;
}

static bool is_jpeg(const picture_decoder *d)
{
    return begins(d, "\xff\xd8\xff", 3);
}

nilu_status picture_header(picture_decoder *d, picture_look *look)
{
    if (is_jpeg(d))
        return picture_jpeg_header(d, look);
    if (begins(d, "\x89PNG\r\n\x1a\n", 8))
        return picture_png_header(d, look);
    return picture_fail(d, NILU_E_UNSUPPORTED, N_("begins neither as a PNG nor as a JPEG file does; convert it, or take it out of the folder"));
}

nilu_status picture_decode(picture_decoder *d, picture_look look, picture_form form, unsigned char *to)
{
    NILU_TRY(is_jpeg(d) ? picture_jpeg_pixels(d, form.channels) : picture_png_pixels(d, form.channels));
    if (look.height != form.height || look.width != form.width)
        return picture_fit(d, look, form, to);
    const unsigned char *from = d->pixels;
    int64_t n = (int64_t)form.height * form.width;
    if (form.channels == 1)
        memcpy(to, from, (size_t)n);
    else
        for (int64_t i = 0; i < n; i++, from += 3)
            for (int k = 0; k < 3; k++)
                to[k * n + i] = from[k];
    return NILU_OK;
}

void picture_free(picture_decoder *d)
{
    free(d->file);
    free(d->pixels);
    free(d->sums);
    *d = (picture_decoder){0};
}
