/* Sheets of the maps that a convolution has for one sample: what each channel gave, and the error that came back to it, side
 * by side. A tile is a channel; all tiles of a sheet have one scale, from blue over white, which is 0, to red. */
#include "cli.h"
#include "forensics/lens.h"
#include "report/report.h"

#include <math.h>
#include <string.h>

#define SHOWN 24  /* channels; of more, those with the largest error */
#define COLUMNS 6
#define TILE 64   /* pixels that a tile is wide, about; larger maps are made smaller */

typedef struct choice {
    int n;
    int64_t channel[SHOWN];
} choice;

static double size_of(const double *v, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += v[i] * v[i];
    return sum;
}

/* In the order of their numbers. */
static choice choose(const nilu_layer_view *l)
{
    choice c = {0};
    for (int64_t f = 0; f < l->filters; f++) {
        const double own = size_of(l->delta + f * l->places, l->places);
        int larger = 0;
        for (int64_t k = 0; k < l->filters; k++) {
            const double other = size_of(l->delta + k * l->places, l->places);
            larger += other > own || (!(other < own) && k < f);
        }
        if (larger < SHOWN)
            c.channel[c.n++] = f;
    }
    return c;
}

/* v [filters, places] as a sheet; *most: the end of its scale. */
static nilu_status sheet(nilu *nl, const nilu_layer_view *l, const choice *c, const double *v, report_tiles *tiles, double *most)
{
    const int height = (int)l->window->map[0], width = (int)l->window->map[1];
    const int w = width > TILE ? TILE : width, h = width > TILE ? (int)lround(fmax(1, (double)height * TILE / width)) : height;
    const size_t n = (size_t)l->places, shown = (size_t)h * (size_t)w;
    float *map = base_calloc(nl, n + shown, sizeof *map), *small = map ? map + n : NULL;
    double *value = base_calloc(nl, shown, sizeof *value);
    unsigned char *rgb = base_alloc(nl, 3 * shown);
    nilu_status status = map && value && rgb ? report_tiles_new(nl, c->n, c->n < COLUMNS ? c->n : COLUMNS, h, w, TILE / w, tiles) : NILU_E_NO_MEMORY;
    *most = 0;
    for (int64_t j = 0; j < l->out; j++)
        *most = fmax(*most, fabs(v[j]));
    for (int i = 0; i < c->n && status == NILU_OK; i++) {
        for (size_t p = 0; p < n; p++)
            map[p] = (float)(v[c->channel[i] * l->places + (int64_t)p] / (*most > 0 ? *most : 1));
        status = forensics_resample(nl, map, 1, height, width, small, h, w);
        for (size_t p = 0; p < shown && status == NILU_OK; p++)
            value[p] = (double)small[p];
        report_heat(value, (int64_t)shown, 1, rgb);
        report_tiles_put(tiles, i, rgb, 3);
    }
    base_free(nl, map);
    base_free(nl, value);
    base_free(nl, rgb);
    return status;
}

static nilu_status figure(report *r, const nilu_layer_view *l, const choice *c, const double *v, const char *what)
{
    report_tiles tiles = {0};
    double most;
    nilu_status status = sheet(r->nl, l, c, v, &tiles, &most);
    if (status == NILU_OK) {
        report_raw(r, "<figure>");
        report_picture(r, tiles.pixels, tiles.sheet_height, tiles.sheet_width, 3, 1, what);
        report_markup(r, "<figcaption>%s ± %.3g</figcaption></figure>\n", what, most);
    }
    report_tiles_free(&tiles);
    return status;
}

/* "0 to 15", or the numbers of those that are shown. */
static nilu_status name_channels(report *r, const nilu_layer_view *l, const choice *c)
{
    base_buffer list = {0};
    nilu_status status = NILU_OK;
    if (c->n == l->filters) {
        report_remark(r, _(N_("Channels 0 to %d, row by row; %lld x %lld places each.")), c->n - 1, (long long)l->window->map[0], (long long)l->window->map[1]);
        return status;
    }
    for (int i = 0; i < c->n && status == NILU_OK; i++)
        status = base_appendf(r->nl, &list, "%s%lld", i ? ", " : "", (long long)c->channel[i]);
    if (status == NILU_OK)
        report_remark(r, _(N_("The %d of %lld channels with the largest error, row by row: %s; %lld x %lld places each.")), c->n, (long long)l->filters, list.at,
                      (long long)l->window->map[0], (long long)l->window->map[1]);
    base_free(r->nl, list.at);
    return status;
}

nilu_status cli_maps_page(nilu_scene *scene, nilu_start start, report *r)
{
    nilu_layer_view l;
    bool begun = false;
    for (int i = 0; nilu_scene_layer(scene, i, start, &l); i++) {
        if (!l.window || l.places == 1)
            continue;
        if (!begun) {
            report_section(r, _(N_("Maps: what each channel gave, and the error that came back to it")));
            report_remark(r, "%s", _(N_("Red is above 0, blue below, white is 0; the strongest colour of a sheet is the number beneath it.")));
        }
        begun = true;
        const choice c = choose(&l);
        report_markup(r, "<h3>%s</h3>\n", l.name);
        NILU_TRY(name_channels(r, &l, &c));
        report_raw(r, "<div class=\"row\">\n");
        NILU_TRY(figure(r, &l, &c, l.a, _(N_("output a"))));
        NILU_TRY(figure(r, &l, &c, l.delta, _(N_("error δ"))));
        report_raw(r, "</div>\n");
    }
    return r->status;
}
