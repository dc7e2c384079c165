/* A sheet of a set's pictures as PNG: a row for each class, or where there are none, rows of pictures as they come. */
#include "cli.h"
#include "report/report.h"

enum { ACROSS = 12, MOST_ROWS = 24 };

static nilu_status fill(cli *c, nilu_data *data, nilu_part part, int rows, unsigned char *pixels, report_tiles *sheet)
{
    const nilu_data_info *d = nilu_data_about(data);
    int missing = rows * ACROSS, filled[MOST_ROWS] = {0};
    for (int64_t i = 0; i < d->count[part] && missing > 0; i++) {
        int32_t label = -1;
        NILU_TRY(nilu_data_batch(data, part, &i, 1, NULL, &label, NULL));
        int row = label >= 0 ? label : (int)(i / ACROSS);
        if (row >= rows || filled[row] == ACROSS)
            continue;
        if (*cli_signal())
            return base_fail(c->nl, NILU_E_CANCELLED, N_("data show: interrupted"));
        NILU_TRY(nilu_data_picture(data, part, i, pixels));
        report_tiles_put(sheet, row * ACROSS + filled[row]++, pixels, d->channels);
        missing--;
    }
    return NILU_OK;
}

nilu_status cli_sheet(cli *c, nilu_data *data, nilu_part part, const char *path)
{
    const nilu_data_info *d = nilu_data_about(data);
    const bool classes = d->task == NILU_TASK_CLASSES;
    int rows = classes && d->outputs < MOST_ROWS ? (int)d->outputs : MOST_ROWS;
    if (!classes && d->count[part] < ACROSS * MOST_ROWS)
        rows = (int)((d->count[part] + ACROSS - 1) / ACROSS) + (d->count[part] == 0);
    report_tiles sheet = {0};
    unsigned char *pixels = base_alloc(c->nl, (size_t)d->features);
    nilu_status status = pixels ? report_tiles_new(c->nl, rows * ACROSS, ACROSS, d->height, d->width, 1, &sheet) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = fill(c, data, part, rows, pixels, &sheet);
    if (status == NILU_OK)
        status = report_tiles_write(&sheet, path);
    report_tiles_free(&sheet);
    base_free(c->nl, pixels);
    return status;
}
