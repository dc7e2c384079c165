/* PNG by libpng: palettes are looked up, 16 bits rounded to 8, and what is transparent shows a white page behind it. */
#include "data/picture.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

typedef struct guard {
    picture_decoder *decoder;
    size_t at; /* next byte of the file */
    nilu_status status;
} guard;

static void fail(png_structp png, png_const_charp what)
{
    guard *g = png_get_error_ptr(png);
    g->status = picture_damaged(g->decoder, "PNG", what);
    png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp what)
{
    (void)png, (void)what; /* of chunks beside the pixels */
}

static void take(png_structp png, png_bytep to, size_t n)
{
    guard *g = png_get_io_ptr(png);
    if (n > g->decoder->bytes - g->at)
        png_error(png, "it is cut off");
    memcpy(to, g->decoder->file + g->at, n);
    g->at += n;
}

static bool start(picture_decoder *d, guard *g, png_structp *png, png_infop *info)
{
    *g = (guard){.decoder = d, .status = NILU_OK};
    *png = png_create_read_struct(PNG_LIBPNG_VER_STRING, g, fail, ignore);
    *info = *png ? png_create_info_struct(*png) : NULL;
    if (!*info) {
        png_destroy_read_struct(png, NULL, NULL);
        g->status = picture_fail(d, NILU_E_NO_MEMORY, N_("memory ran out"));
        return false;
    }
    png_set_read_fn(*png, g, take);
    png_set_user_limits(*png, PICTURE_SIDE, PICTURE_SIDE);
    png_set_chunk_cache_max(*png, 1); /* texts are passed over: thousands may each unpack to eight megabytes */
    return true;
}

/* A palette is grey if all of its colours are. */
static bool has_colour(png_structp png, png_infop info)
{
    png_colorp palette;
    int n = 0;
    if (png_get_color_type(png, info) != PNG_COLOR_TYPE_PALETTE)
        return png_get_color_type(png, info) & PNG_COLOR_MASK_COLOR;
    png_get_PLTE(png, info, &palette, &n);
    for (int i = 0; i < n; i++)
        if (palette[i].red != palette[i].green || palette[i].green != palette[i].blue)
            return true;
    return false;
}

nilu_status picture_png_header(picture_decoder *d, picture_look *look)
{
    png_structp png;
    png_infop info;
    guard g;
    if (!start(d, &g, &png, &info))
        return g.status;
    if (setjmp(png_jmpbuf(png)) == 0) {
        png_read_info(png, info);
        g.status = picture_size(d, png_get_image_height(png, info), png_get_image_width(png, info));
        *look = (picture_look){(int)png_get_image_height(png, info), (int)png_get_image_width(png, info),
                               has_colour(png, info)};
    }
    png_destroy_read_struct(&png, &info, NULL);
    return g.status;
}

/* n pixels of `from` channels (grey, grey and alpha, RGB, RGBA) become `to` channels, in place, as to <= from. */
static void convert(unsigned char *row, int n, int from, int to)
{
    unsigned char *out = row;
    for (int x = 0; x < n && from != to; x++, row += from, out += to) {
        int colours = from < 3 ? 1 : 3, alpha = from % 2 ? 255 : row[from - 1], light[3];
        for (int k = 0; k < 3; k++)
            light[k] = (row[colours == 3 ? k : 0] * alpha + 255 * (255 - alpha) + 127) / 255;
        for (int k = 0; k < 3 && to == 3; k++)
            out[k] = (unsigned char)light[k];
        if (to == 1)
            out[0] = colours == 1 ? (unsigned char)light[0] : picture_luma(light[0], light[1], light[2]);
    }
}

static void read_rows(picture_decoder *d, png_structp png, int height, size_t stride)
{
    for (int pass = png_set_interlace_handling(png); pass > 0; pass--)
        for (int y = 0; y < height; y++)
            png_read_row(png, d->pixels + (size_t)y * stride, NULL);
}

/* Every kind of pixel becomes bytes of at least `channels` channels. */
static void prepare(png_structp png, png_infop info, int channels)
{
    png_set_expand(png);
    png_set_scale_16(png);
    if (channels == 3)
        png_set_gray_to_rgb(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
}

nilu_status picture_png_pixels(picture_decoder *d, int channels)
{
    png_structp png;
    png_infop info;
    guard g;
    if (!start(d, &g, &png, &info))
        return g.status;
    if (setjmp(png_jmpbuf(png)) == 0) {
        png_read_info(png, info);
        const int height = (int)png_get_image_height(png, info), width = (int)png_get_image_width(png, info);
        g.status = picture_size(d, (uint64_t)height, (uint64_t)width);
        if (g.status == NILU_OK)
            prepare(png, info, channels);
        const int have = png_get_channels(png, info);
        const size_t stride = (size_t)width * (size_t)have;
        if (g.status == NILU_OK && !picture_room(d, &d->pixels, &d->pixel_room, (size_t)height * stride))
            g.status = NILU_E_NO_MEMORY;
        if (g.status == NILU_OK) {
            read_rows(d, png, height, stride);
            convert(d->pixels, height * width, have, channels);
        }
    }
    png_destroy_read_struct(&png, &info, NULL);
    return g.status;
}
