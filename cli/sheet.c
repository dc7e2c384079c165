/* A sheet of pictures as PNG: a row for each class, or where there are none, rows of pictures as they come. */
#include "cli.h"
#include "report/report.h"

#include <string.h>

enum { ACROSS = 12, MOST_ROWS = 24, GAP = 2 };

typedef struct sheet {
    int rows, width, height; /* of pixels */
    unsigned char *canvas, *pixels;
    int filled[MOST_ROWS];
} sheet;

static void put(const sheet *s, const nilu_data_info *d, int row, int column)
{
    for (int y = 0; y < d->height; y++)
        for (int x = 0; x < d->width; x++) {
            const unsigned char *from = s->pixels + ((size_t)y * (size_t)d->width + (size_t)x) * (size_t)d->channels;
            unsigned char *to = s->canvas + 3 * ((size_t)(GAP + row * (d->height + GAP) + y) * (size_t)s->width +
                                                 (size_t)(GAP + column * (d->width + GAP) + x));
            for (int k = 0; k < 3; k++)
                to[k] = from[d->channels == 3 ? k : 0];
        }
}

static nilu_status fill(cli *c, nilu_data *data, nilu_part part, sheet *s)
{
    const nilu_data_info *d = nilu_data_about(data);
    int missing = s->rows * ACROSS;
    for (int64_t i = 0; i < d->count[part] && missing > 0; i++) {
        int32_t label = -1;
        NILU_TRY(nilu_data_batch(data, part, &i, 1, NULL, &label, NULL));
        int row = label >= 0 ? label : (int)(i / ACROSS);
        if (row >= s->rows || s->filled[row] == ACROSS)
            continue;
        if (*cli_signal())
            return base_fail(c->nl, NILU_E_CANCELLED, N_("data show: interrupted"));
        NILU_TRY(nilu_data_picture(data, part, i, s->pixels));
        put(s, d, row, s->filled[row]++);
        missing--;
    }
    return NILU_OK;
}

nilu_status cli_sheet(cli *c, nilu_data *data, nilu_part part, const char *path)
{
    const nilu_data_info *d = nilu_data_about(data);
    sheet s = {.rows = d->task == NILU_TASK_CLASSES && d->outputs < MOST_ROWS ? (int)d->outputs : MOST_ROWS};
    size_t bytes;
    if (d->task != NILU_TASK_CLASSES && d->count[part] < ACROSS * MOST_ROWS)
        s.rows = (int)((d->count[part] + ACROSS - 1) / ACROSS) + (d->count[part] == 0);
    s.width = GAP + ACROSS * (d->width + GAP);
    s.height = GAP + s.rows * (d->height + GAP);
    if (!base_mul((size_t)s.width * 3, (size_t)s.height, &bytes))
        return base_no_memory(c->nl, 0);
    s.canvas = base_alloc(c->nl, bytes);
    s.pixels = s.canvas ? base_alloc(c->nl, (size_t)d->features) : NULL;
    nilu_status status = s.pixels ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        memset(s.canvas, 255, bytes);
        status = fill(c, data, part, &s);
    }
    if (status == NILU_OK)
        status = report_png_write(c->nl, s.canvas, s.height, s.width, 3, path);
    base_free(c->nl, s.canvas);
    base_free(c->nl, s.pixels);
    return status;
}
