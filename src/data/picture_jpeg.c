/* JPEG by libjpeg. A file that is decoded without a part of its pixels is an error, as is one that was cut off; only bytes
 * that nobody asked for between two markers are passed over. Each file has a decoder of its own, so that no table of one
 * file can be used by the next. */
#include "data/picture.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

enum { SCANS = 32 }; /* of a progressive file: programs write ten to twenty, and more are a way to take time */

typedef struct guard {
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    picture_decoder *decoder;
    nilu_status status;
    jmp_buf out;
} guard;

static void fail(j_common_ptr jpeg)
{
    guard *g = (guard *)jpeg->err;
    char what[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, what);
    g->status = jpeg->err->msg_code == JERR_OUT_OF_MEMORY
                    ? picture_fail(g->decoder, NILU_E_NO_MEMORY, N_("memory ran out"))
                    : picture_damaged(g->decoder, "JPEG", what);
    longjmp(g->out, 1);
}

/* level < 0: a warning. */
static void warn(j_common_ptr jpeg, int level)
{
    int code = jpeg->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM && code != JWRN_JFIF_MAJOR)
        fail(jpeg);
}

static void watch(j_common_ptr jpeg)
{
    guard *g = (guard *)jpeg->err;
    if (((j_decompress_ptr)jpeg)->input_scan_number <= SCANS)
        return;
    g->status = picture_damaged(g->decoder, "JPEG", base_text(N_("it has too many scans")));
    longjmp(g->out, 1);
}

static void start(picture_decoder *d, guard *g, struct jpeg_decompress_struct *jpeg)
{
    *g = (guard){.decoder = d, .progress.progress_monitor = watch, .status = NILU_OK};
    memset(jpeg, 0, sizeof *jpeg);
    jpeg->err = jpeg_std_error(&g->errors);
    g->errors.error_exit = fail;
    g->errors.emit_message = warn;
}

/* Creates the decoder and reads the header; called where the jump is set. */
static nilu_status open_header(picture_decoder *d, guard *g, struct jpeg_decompress_struct *jpeg)
{
    jpeg_create_decompress(jpeg);
    jpeg->progress = &g->progress;
    jpeg_mem_src(jpeg, d->file, d->bytes);
    jpeg_read_header(jpeg, TRUE);
    return picture_size(d, jpeg->image_height, jpeg->image_width);
}

nilu_status picture_jpeg_header(picture_decoder *d, picture_look *look)
{
    struct jpeg_decompress_struct jpeg;
    guard g;
    start(d, &g, &jpeg);
    if (setjmp(g.out) == 0) {
        g.status = open_header(d, &g, &jpeg);
        *look = (picture_look){(int)jpeg.image_height, (int)jpeg.image_width, jpeg.jpeg_color_space != JCS_GRAYSCALE};
    }
    jpeg_destroy_decompress(&jpeg);
    return g.status;
}

/* Four inks to three lights. Adobe's programs write how much paper shows instead of how much ink is on it. */
static void from_inks(const unsigned char *line, int width, bool adobe, int channels, unsigned char *to)
{
    for (int x = 0; x < width; x++, line += 4, to += channels) {
        int light[3], black = adobe ? line[3] : 255 - line[3];
        for (int k = 0; k < 3; k++)
            light[k] = ((adobe ? line[k] : 255 - line[k]) * black + 127) / 255;
        for (int k = 0; k < 3 && channels == 3; k++)
            to[k] = (unsigned char)light[k];
        if (channels == 1)
            to[0] = picture_luma(light[0], light[1], light[2]);
    }
}

static void read_rows(picture_decoder *d, struct jpeg_decompress_struct *jpeg, int channels)
{
    size_t stride = (size_t)jpeg->output_width * (size_t)channels;
    bool inks = jpeg->out_color_space == JCS_CMYK;
    JSAMPARRAY line = inks ? jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE, jpeg->output_width * 4, 1) : NULL;
    while (jpeg->output_scanline < jpeg->output_height) {
        unsigned char *to = d->pixels + jpeg->output_scanline * stride, *row = inks ? line[0] : to;
        jpeg_read_scanlines(jpeg, &row, 1);
        if (inks)
            from_inks(row, (int)jpeg->output_width, jpeg->saw_Adobe_marker, channels, to);
    }
}

nilu_status picture_jpeg_pixels(picture_decoder *d, int channels)
{
    struct jpeg_decompress_struct jpeg;
    guard g;
    start(d, &g, &jpeg);
    if (setjmp(g.out) == 0) {
        g.status = open_header(d, &g, &jpeg);
        if (g.status == NILU_OK) {
            bool inks = jpeg.jpeg_color_space == JCS_CMYK || jpeg.jpeg_color_space == JCS_YCCK;
            jpeg.out_color_space = inks ? JCS_CMYK : channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
            if (picture_room(d, &d->pixels, &d->pixel_room,
                             (size_t)jpeg.image_height * jpeg.image_width * (size_t)channels)) {
                jpeg_start_decompress(&jpeg);
                read_rows(d, &jpeg, channels);
            } else {
                g.status = NILU_E_NO_MEMORY;
            }
        }
    }
    jpeg_destroy_decompress(&jpeg);
    return g.status;
}
