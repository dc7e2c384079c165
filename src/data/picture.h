/* Pictures in files: one PNG or JPEG becomes bytes [channels][height][width].
 *
 * A decoder is one thread's: it keeps its room from one file to the next, takes memory from the C library as the decoders
 * it calls do (a context serves one thread at a time), and says in `why` what is wrong with a file. Invariants: nothing is
 * asked for before the header's size was checked against PICTURE_PIXELS; what comes out depends on the file's bytes alone. */
#ifndef DATA_PICTURE_H
#define DATA_PICTURE_H

#include "data/data.h"

#define PICTURE_PIXELS (1 << 26) /* 64 million: more are no picture to be learnt from, but a way to fill memory */
#define PICTURE_SIDE 65535       /* as JPEG has it */
#define PICTURE_BYTES (1 << 28)  /* of a file */
#define PICTURE_CHANNELS 3       /* grey is 1, colour 3 */

typedef struct picture_look { /* what a header says */
    int height, width;
    bool colour;
} picture_look;

typedef struct picture_decoder {
    unsigned char *file; /* bytes of the file at hand */
    size_t bytes, room;
    unsigned char *pixels; /* [height][width][channels] */
    size_t pixel_room;
    uint32_t *sums; /* of a row, while a picture is made smaller */
    size_t sum_room;
    char why[256]; /* translated, without the file's name */
} picture_decoder;

/* How pictures are brought to one form. */
typedef struct picture_form {
    int height, width, channels;
} picture_form;

/* The bytes of a file into the decoder. */
nilu_status picture_load(picture_decoder *d, const char *path);
nilu_status picture_header(picture_decoder *d, picture_look *look);
/* The loaded file, whose header says `look`, as `form` wants it, into to[channels][height][width]. */
nilu_status picture_decode(picture_decoder *d, picture_look look, picture_form form, unsigned char *to);
void picture_free(picture_decoder *d);

/* ---- for the decoders: picture_jpeg.c, picture_png.c */
nilu_status picture_fail(picture_decoder *d, nilu_status status, const char *format, ...) NILU_FORMAT(3, 4);
/* Memory that is kept for the next file: false and an error where there is none. */
bool picture_room(picture_decoder *d, void *block, size_t *room, size_t bytes);
nilu_status picture_damaged(picture_decoder *d, const char *kind, const char *what);
/* Checks the size that a header claims. */
nilu_status picture_size(picture_decoder *d, uint64_t height, uint64_t width);
nilu_status picture_jpeg_header(picture_decoder *d, picture_look *look);
nilu_status picture_png_header(picture_decoder *d, picture_look *look);
/* Fills d->pixels, `channels` of 1 or 3. */
nilu_status picture_jpeg_pixels(picture_decoder *d, int channels);
nilu_status picture_png_pixels(picture_decoder *d, int channels);

/* The grey of a colour, as JPEG has it (ITU-R BT.601). */
static inline unsigned char picture_luma(int red, int green, int blue)
{
    return (unsigned char)((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16);
}

/* ---- another size: picture_fit.c */
/* Makes `look`'s pixels in d->pixels cover form's size, its middle cut out, into to[channels][height][width]. */
nilu_status picture_fit(picture_decoder *d, picture_look look, picture_form form, unsigned char *to);

/* ---- many of them: folder.c */
typedef struct picture_set { /* found files, in order: training, validation, test */
    const char **path;       /* of the set's pool */
    int32_t *label;          /* -1: none */
    int n, path_cap, label_cap;
    const char **class; /* names, where they are learnt */
    int classes, class_cap;
    int first[NILU_PARTS]; /* where a part begins */
} picture_set;
/* Everything that is a picture in the folder, its arrays freed by base_free; n is 0 where there is none. Sets info.task,
 * info.outputs and the class names where they are learnt. */
nilu_status data_find_pictures(nilu_data *d, const char *where, picture_set *set);

#endif
