/* One PNG or JPEG file: its header, then its pixels as they are, and made to cover another size. The check sums of a PNG's
 * chunks are mended first: they keep a fuzzer out, but nobody who writes a hostile file. The last byte chooses the size. */
#include "fuzz/fuzz.h"

#include "data/picture.h"

#include <zlib.h>

enum { SIGNATURE = 8, PIXELS = 1 << 16 }; /* more are the same code for longer */

static void mend(unsigned char *file, size_t n)
{
    if (n < SIGNATURE || memcmp(file, "\x89PNG", 4) != 0)
        return;
    for (size_t at = SIGNATURE; n - at >= 12;) {
        size_t length = (size_t)file[at] << 24 | (size_t)file[at + 1] << 16 | (size_t)file[at + 2] << 8 | file[at + 3];
        if (length > n - at - 12)
            return;
        uLong sum = crc32(0, file + at + 4, (uInt)length + 4);
        for (int i = 0; i < 4; i++)
            file[at + 8 + length + (size_t)i] = (unsigned char)(sum >> (24 - 8 * i));
        at += 12 + length;
    }
}

static void judge(const picture_decoder *d, nilu_status status)
{
    if (status != NILU_OK && !d->why[0])
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const picture_form sizes[] = {{1, 1, 0}, {7, 5, 0}, {16, 16, 0}, {3, 64, 0}, {64, 3, 0}, {100, 90, 0}, {2, 255, 0}, {33, 1, 0}};
    if (n < 2)
        return 0;
    nilu *nl = fuzz_context(n, 1 << 20);
    picture_decoder d = {.bytes = n - 1, .room = n - 1};
    picture_look look;
    d.file = malloc(d.bytes);
    if (!d.file)
        abort();
    memcpy(d.file, bytes, d.bytes);
    mend(d.file, d.bytes);
    nilu_status status = picture_header(&d, &look);
    judge(&d, status);
    for (int channels = 1; channels <= 3 && status == NILU_OK && (int64_t)look.height * look.width <= PIXELS; channels += 2) {
        picture_form form[2] = {{look.height, look.width, channels}, sizes[bytes[n - 1] % (sizeof sizes / sizeof *sizes)]};
        form[1].channels = channels;
        for (int i = 0; i < 2; i++) {
            unsigned char *to = malloc((size_t)form[i].height * (size_t)form[i].width * (size_t)channels);
            if (!to)
                abort();
            judge(&d, picture_decode(&d, look, form[i], to));
            free(to);
        }
    }
    picture_free(&d);
    fuzz_end(nl);
    return 0;
}
