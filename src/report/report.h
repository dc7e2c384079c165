/* report: findings, made readable: pages of HTML, drawings in SVG, pictures in PNG.
 *
 * Invariants: a page is one file that shows all it has without a network and without a script. Every text that is put into
 * markup is escaped, because report_markup escapes each %s and there is no other way in but report_raw, which is given
 * literals and markup made here. Colours are names of roles (ink, soft, good, bad, …) which the style sheet fills for light
 * and for dark. The first failure sticks: what follows does nothing, and report_write or report_finish tell it. */
#ifndef REPORT_H
#define REPORT_H

#include "forensics/forensics.h"

typedef struct report {
    nilu *nl;
    base_buffer text;
    nilu_status status; /* the first failure */
    bool section;       /* one is open */
    const char *align;  /* of the table that is open: one letter a column, l or r */
    int cell;
} report;

/* ---- markup: report/markup.c */
/* `format` is markup; what %s stands for is escaped for text and attributes. Only plain conversions: %s %d %lld %zu %g %f %c
 * with flags, width and precision, also as *. */
void report_markup(report *r, const char *format, ...) NILU_FORMAT(2, 3);
/* Markup as it is. */
void report_raw(report *r, const char *markup);
/* Formats a text, which is escaped as a whole: `format` is a text for people, already translated. */
void report_text(report *r, const char *format, ...) NILU_FORMAT(2, 3);
/* Writes what there is to `path`, replaced whole, and frees it. The first failure, if there was one, is returned instead. */
nilu_status report_write(report *r, const char *path);
void report_free(report *r);

/* ---- pages: report/html.c */
/* Begins a page; `lead` (NULL: none) stands below its title. Both are texts for people, translated. */
report report_page(nilu *nl, const char *title, const char *lead);
/* Begins a section with a heading; the one before ends. */
void report_section(report *r, const char *heading);
/* A paragraph. */
void report_say(report *r, const char *format, ...) NILU_FORMAT(2, 3);
/* A remark in small print: what a number means, how it was computed. */
void report_remark(report *r, const char *format, ...) NILU_FORMAT(2, 3);
/* A table: cells are filled in row by row, the first row is the heading. `align` must outlive the table. */
void report_table(report *r, const char *align);
void report_cell(report *r, const char *format, ...) NILU_FORMAT(2, 3);
/* A cell with a number and a bar as long as value / most (-1 to 1), on either side of its middle. */
void report_bar(report *r, double value, double most, const char *format, ...) NILU_FORMAT(4, 5);
void report_table_end(report *r);
/* Text as on a terminal: spaces and lines as they are. */
void report_listing(report *r, const char *text);
/* Ends the page: report_write may follow. */
void report_page_end(report *r);

/* ---- drawings: report/svg.c. Inside of a page or, with `alone`, as a file of their own that brings its colours along. */
/* `about` says in words what is to be seen. */
void report_svg(report *r, bool alone, double width, double height, const char *about);
void report_svg_end(report *r);
/* `role` names the colour: "ink", "soft", "rule", "paper", "tint", "good", "bad", "mark". */
void report_svg_box(report *r, const char *role, double x, double y, double width, double height, double round);
void report_svg_frame(report *r, const char *role, double x, double y, double width, double height, double round);
void report_svg_line(report *r, const char *role, double thick, double x1, double y1, double x2, double y2);
/* A line through n points. */
void report_svg_curve(report *r, const char *role, double thick, int n, const double *x, const double *y);
/* `anchor`: "start", "middle" or "end". */
void report_svg_text(report *r, const char *role, const char *anchor, double size, double x, double y, const char *format, ...)
    NILU_FORMAT(7, 8);

/* Which pixel of a picture, in rows, a feature belongs to, and which channel: report/names.c. */
int64_t report_pixel(const nilu_data_info *set, int64_t feature, int *channel);

/* ---- pictures: report/png.c. Pixels [height][width][channels], 1 or 3 channels. */
nilu_status report_png(nilu *nl, const unsigned char *pixels, int height, int width, int channels, base_buffer *out);
/* The same into a file, replaced whole. */
nilu_status report_png_write(nilu *nl, const unsigned char *pixels, int height, int width, int channels, const char *path);
/* A picture in a page, each pixel `zoom` CSS pixels large; `about` says what is to be seen. */
void report_picture(report *r, const unsigned char *pixels, int height, int width, int channels, int zoom, const char *about);
/* Colours of n numbers, rgb [n][3]: from blue for -most over white to red for +most. */
void report_heat(const double *value, int64_t n, double most, unsigned char *rgb);

/* ---- sheets of pictures: report/tiles.c */
#define REPORT_TILE_GAP 2
typedef struct report_tiles {
    nilu *nl;
    int n, columns, height, width, zoom; /* of a tile: pixels, and squares that each of them is drawn as */
    int sheet_height, sheet_width;
    unsigned char *pixels; /* [sheet_height][sheet_width][3] */
} report_tiles;
nilu_status report_tiles_new(nilu *nl, int n, int columns, int height, int width, int zoom, report_tiles *t);
/* Tile i: pixels [height][width][channels], 1 or 3 channels. */
void report_tiles_put(report_tiles *t, int i, const unsigned char *pixels, int channels);
nilu_status report_tiles_write(report_tiles *t, const char *path);
void report_tiles_free(report_tiles *t);

/* ---- why the error is sent back: report/why.c. The chart alone, and the whole page; `data` names the set. */
nilu_status report_why_svg(nilu *nl, const nilu_why_result *w, const char *path);
nilu_status report_why_page(nilu *nl, const char *data, const nilu_why_result *w, const char *path);

#endif
