/* A sheet of sums: calculations as one writes them on paper, in which every line can be done again from what is printed.
 *
 * Invariant: figures are decimal numbers, m / 10^d, rounded once; products, sums and remainders are worked out from the
 * rounded figures, so what is printed is right to its last digit, and terms add up to their total. */
#ifndef SHEET_H
#define SHEET_H

#include "report/report.h"

/* ---- figures: report/figure.c */
typedef struct report_figure {
    int64_t m; /* INT64_MIN: not a finite number */
    int d;
} report_figure;
#define REPORT_NO_FIGURE INT64_MIN
/* Decimals with which a number of this size shows `digits` digits. */
int report_decimals(double size, int digits);
report_figure report_round(double value, int d);
/* Half a digit and more goes away from zero. */
report_figure report_times(report_figure a, report_figure b, int d);
report_figure report_plus(report_figure a, report_figure b, int sign); /* a + sign * b, with the decimals of the finer one */
double report_value(report_figure f);
/* "-0.012345"; small numbers with more than nine decimals, and too large ones, as "-1.23456e-12". */
typedef char report_digits[48];
const char *report_figure_text(report_figure f, report_digits out);

/* ---- sheets: report/sheet.c */
typedef enum sheet_kind {
    SHEET_STEP,  /* a heading */
    SHEET_NOTE,  /* a sentence */
    SHEET_TERM,  /* label   a × b = c: one of a sum */
    SHEET_REST,  /* label           c: also one of a sum */
    SHEET_TOTAL, /* the sum, below a line */
    SHEET_LINE   /* a calculation that stands by itself, or a number that is given */
} sheet_kind;
typedef struct sheet_line {
    sheet_kind kind;
    char *text;                /* owned by the sheet */
    int n;                     /* operands: 0 to 3, with the signs between them: '*', '+', '-' */
    report_figure operand[3], result;
    char sign[3];
    bool asks;                 /* may be what a quiz hides */
} sheet_line;
typedef struct report_sheet {
    nilu *nl;
    sheet_line *line;
    int n, cap, hidden;        /* hidden: the line whose result is not shown; -1: none */
    nilu_status status;
} report_sheet;
report_sheet report_sheet_new(nilu *nl);
void report_sheet_free(report_sheet *s);
/* Adds a line with its label, a text for people; NULL if memory ran out. */
sheet_line *report_sheet_add(report_sheet *s, sheet_kind kind, const char *format, ...) NILU_FORMAT(3, 4);
/* The sheet as text. `bold` and `plain` go around headings; without utf8, signs are ASCII's. */
nilu_status report_sheet_text(const report_sheet *s, bool utf8, const char *bold, const char *plain, base_buffer *out);
/* The sheet as tables of a page; each step is a section. */
void report_sheet_page(const report_sheet *s, report *r);
/* One line's calculation, as in "0.5 × 2 = 1". */
void report_sheet_formula(const sheet_line *l, bool utf8, char *out, size_t room);
/* Columns that a text takes on a terminal: wide characters two. */
int report_width(const char *text);

/* ---- names of ends: report/names.c */
typedef struct report_names {
    const nilu_scene *scene;
    const nilu_data_info *set; /* NULL: features and classes have numbers alone */
} report_names;
/* "fc2[31]", "fc3[4] stone", "(14, 13)" for a pixel in row 14 and column 13, a column's name, "x[7]". */
#define REPORT_NAME 96
const char *report_name(const report_names *names, int layer, int64_t index, char out[REPORT_NAME]);

/* ---- sheets of findings */
/* One neuron's four steps; `lesson` NULL: without what the optimizer makes of it. report/explain.c */
void report_explain(report_sheet *s, const nilu_explanation *e, const report_names *names, const nilu_lesson *lesson,
                    const char *optimizer);

/* Z = X · W and its two ways back, delta · Wᵀ and Xᵀ · delta: their shapes, and a corner of numbers around the neuron. As text,
 * or in a page. report/matrix.c */
nilu_status report_matrix_text(const nilu_explanation *e, const report_names *names, bool utf8, const char *bold, const char *plain,
                               base_buffer *out);
void report_matrix_page(const nilu_explanation *e, const report_names *names, report *r);

/* ---- the journey back, drawn: report/journey.c */
typedef struct report_journey {
    nilu_scene *scene;
    nilu_start start;
    double loss, gap;
    int n;
    const nilu_leg *leg;
    const char *optimizer;
} report_journey;
nilu_status report_journey_text(const report_journey *j, nilu *nl, bool utf8, base_buffer *out);
nilu_status report_journey_mermaid(const report_journey *j, nilu *nl, base_buffer *out);
/* As a drawing: in a page, or with `alone` a file of its own. */
void report_journey_svg(const report_journey *j, bool alone, report *r);

#endif
