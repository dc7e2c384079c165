/* Pictures: PNG by libpng, and their place in a page as data: URIs. libpng's memory is the context's; its errors jump. */
#include "report/report.h"

#include <png.h>
#include <setjmp.h>

typedef struct sink {
    nilu *nl;
    base_buffer *out;
    nilu_status status;
} sink;

static png_voidp get_memory(png_structp png, png_alloc_size_t n)
{
    return base_alloc(png_get_mem_ptr(png), n);
}

static void give_memory(png_structp png, png_voidp p)
{
    base_free(png_get_mem_ptr(png), p);
}

static void take_bytes(png_structp png, png_bytep bytes, size_t n)
{
    sink *s = png_get_io_ptr(png);
    if (s->status == NILU_OK)
        s->status = base_append(s->nl, s->out, bytes, n);
}

static void flush(png_structp png)
{
    (void)png;
}

static void fail(png_structp png, png_const_charp why)
{
    (void)why;
    png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp why)
{
    (void)png;
    (void)why;
}

nilu_status report_png(nilu *nl, const unsigned char *pixels, int height, int width, int channels, base_buffer *out)
{
    sink s = {nl, out, NILU_OK};
    png_structp png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, NULL, fail, ignore, nl, get_memory, give_memory);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_write_struct(&png, NULL);
        return base_no_memory(nl, 0);
    }
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        return base_no_memory(nl, 0);
    }
    png_set_write_fn(png, &s, take_bytes, flush);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8, channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(png, 9);
    png_write_info(png, info);
    for (int y = 0; y < height; y++)
        png_write_row(png, pixels + (size_t)y * (size_t)width * (size_t)channels);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return s.status;
}

static void base64(report *r, const unsigned char *p, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0u);
        char four[5] = {digit[v >> 18], digit[v >> 12 & 63], i + 1 < n ? digit[v >> 6 & 63] : '=', i + 2 < n ? digit[v & 63] : '=', 0};
        report_raw(r, four);
    }
}

void report_picture(report *r, const unsigned char *pixels, int height, int width, int channels, int zoom, const char *about)
{
    base_buffer png = {0};
    if (r->status == NILU_OK)
        r->status = report_png(r->nl, pixels, height, width, channels, &png);
    report_markup(r, "<img alt=\"%s\" width=\"%d\" height=\"%d\" src=\"data:image/png;base64,", about, width * zoom, height * zoom);
    base64(r, (const unsigned char *)png.at, png.len);
    report_raw(r, "\">");
    base_free(r->nl, png.at);
}

/* Between two colours; `t` from 0 to 1. */
static unsigned char between(int from, int to, double t)
{
    return (unsigned char)(from + (to - from) * t + 0.5);
}

void report_heat(const double *value, int64_t n, double most, unsigned char *rgb)
{
    static const int white[3] = {250, 248, 244}, blue[3] = {33, 102, 172}, red[3] = {178, 40, 25};
    for (int64_t i = 0; i < n; i++) {
        double t = most > 0 ? value[i] / most : 0;
        const int *end = t < 0 ? blue : red;
        t = !(t == t) ? 0 : t < 0 ? -t : t;
        for (int k = 0; k < 3; k++)
            rgb[3 * i + k] = between(white[k], end[k], t > 1 ? 1 : t);
    }
}
