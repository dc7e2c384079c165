/* Sheets of pictures: tiles of one size, in rows, each pixel drawn as a square. Between them, and where one is missing, the
 * ground shows. */
#include "report/report.h"

#include <string.h>

#define GROUND 128

nilu_status report_tiles_new(nilu *nl, int n, int columns, int height, int width, int zoom, report_tiles *t)
{
    const int rows = (n + columns - 1) / columns;
    *t = (report_tiles){.nl = nl, .n = n, .columns = columns, .height = height, .width = width, .zoom = zoom,
                        .sheet_height = rows * (height * zoom + REPORT_TILE_GAP) - REPORT_TILE_GAP,
                        .sheet_width = columns * (width * zoom + REPORT_TILE_GAP) - REPORT_TILE_GAP};
    size_t bytes;
    if (!base_mul((size_t)t->sheet_height, (size_t)t->sheet_width * 3, &bytes))
        return base_no_memory(nl, SIZE_MAX);
    t->pixels = base_alloc(nl, bytes);
    if (!t->pixels)
        return NILU_E_NO_MEMORY;
    memset(t->pixels, GROUND, bytes);
    return NILU_OK;
}

void report_tiles_put(report_tiles *t, int i, const unsigned char *pixels, int channels)
{
    const int top = i / t->columns * (t->height * t->zoom + REPORT_TILE_GAP), left = i % t->columns * (t->width * t->zoom + REPORT_TILE_GAP);
    for (int y = 0; y < t->height * t->zoom; y++)
        for (int x = 0; x < t->width * t->zoom; x++) {
            const unsigned char *from = pixels + ((int64_t)(y / t->zoom) * t->width + x / t->zoom) * channels;
            unsigned char *to = t->pixels + ((int64_t)(top + y) * t->sheet_width + left + x) * 3;
            for (int k = 0; k < 3; k++)
                to[k] = from[channels == 3 ? k : 0];
        }
}

nilu_status report_tiles_write(report_tiles *t, const char *path)
{
    return report_png_write(t->nl, t->pixels, t->sheet_height, t->sheet_width, 3, path);
}

void report_tiles_free(report_tiles *t)
{
    base_free(t->nl, t->pixels);
    t->pixels = NULL;
}

nilu_status report_png_write(nilu *nl, const unsigned char *pixels, int height, int width, int channels, const char *path)
{
    base_buffer png = {0};
    base_output o;
    nilu_status status = report_png(nl, pixels, height, width, channels, &png);
    if (status == NILU_OK)
        status = base_create(nl, path, &o);
    if (status == NILU_OK) {
        base_write(&o, png.at, png.len);
        status = base_commit(&o);
    }
    base_free(nl, png.at);
    return status;
}
