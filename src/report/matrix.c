/* The three products of a layer for one sample, with their shapes and a corner of their numbers: the rows are the inputs that
 * said most to the neuron, the columns the neuron and those after it. */
#include "report/sheet.h"

#include <math.h>
#include <string.h>

#define _(text) base_text(N_(text))
#define CORNER 4
#define ROWS (CORNER + 4)
#define COLUMNS (CORNER + 3)

typedef struct grid {
    char title[160];
    int rows, columns;
    char cell[ROWS][COLUMNS][REPORT_NAME];
} grid;

typedef struct corner {
    nilu_layer_view l;
    int rows, columns;
    int64_t row[CORNER], column[CORNER]; /* inputs, neurons */
    char name[CORNER][REPORT_NAME], neuron[CORNER][REPORT_NAME];
    int w_d, x_d, delta_d, z_d;
} corner;

static bool find_corner(const nilu_explanation *e, const report_names *names, corner *c)
{
    double w = 0, x = 0, delta = 0, z = 0;
    if (!nilu_scene_layer((nilu_scene *)names->scene, e->layer, e->start, &c->l) || c->l.window) /* filters are no such matrix */
        return false;
    c->rows = e->said.n < CORNER ? e->said.n : CORNER;
    c->columns = e->out < CORNER ? (int)e->out : CORNER;
    for (int i = 0; i < c->rows; i++) {
        c->row[i] = e->said.term[i].place;
        report_name(names, e->said.term[i].layer, e->said.term[i].index, c->name[i]);
        x = fmax(x, fabs(c->l.x[c->row[i]]));
    }
    for (int j = 0; j < c->columns; j++) {
        int64_t at = c->column[j] = (e->neuron + j) % e->out;
        report_name(names, e->layer, at, c->neuron[j]);
        delta = fmax(delta, fabs(c->l.delta[at]));
        z = fmax(z, fmax(fabs(c->l.z[at]), c->l.bias ? fabs(c->l.bias[at]) : 0));
        for (int i = 0; i < c->rows; i++)
            w = fmax(w, fabs(c->l.weight[c->row[i] * e->out + at]));
    }
    c->w_d = report_decimals(w, 4);
    c->x_d = report_decimals(x, 4);
    c->z_d = report_decimals(z, 4);
    c->delta_d = report_decimals(delta, 4);
    return true;
}

static void put(grid *g, int row, int column, const char *text)
{
    snprintf(g->cell[row][column], REPORT_NAME, "%s", text);
}

static void put_figure(grid *g, int row, int column, double value, int d)
{
    report_digits digits;
    put(g, row, column, report_figure_text(report_round(value, d), digits));
}

static grid forward(const nilu_explanation *e, const corner *c)
{
    grid g = {.rows = c->rows + 4, .columns = c->columns + 3};
    long long k = (long long)e->in, n = (long long)e->out;
    snprintf(g.title, sizeof g.title, e->biased ? "Z = X · W + b    [1, %lld] = [1, %lld] · [%lld, %lld] + [%lld]" : "Z = X · W    [1, %lld] = [1, %lld] · [%lld, %lld]",
             n, k, k, n, n);
    put(&g, 0, 1, "x");
    for (int j = 0; j < c->columns; j++)
        put(&g, 0, 2 + j, c->neuron[j]);
    for (int i = 0; i < c->rows; i++) {
        put(&g, 1 + i, 0, c->name[i]);
        put_figure(&g, 1 + i, 1, c->l.x[c->row[i]], c->x_d);
        for (int j = 0; j < c->columns; j++)
            put_figure(&g, 1 + i, 2 + j, c->l.weight[c->row[i] * e->out + c->column[j]], c->w_d);
    }
    put(&g, 1 + c->rows, 0, e->in > c->rows ? "…" : "");
    put(&g, 2 + c->rows, 0, e->biased ? "b" : "");
    put(&g, 3 + c->rows, 0, "z");
    for (int j = 0; j < c->columns; j++) {
        if (e->biased)
            put_figure(&g, 2 + c->rows, 2 + j, c->l.bias[c->column[j]], c->z_d);
        put_figure(&g, 3 + c->rows, 2 + j, c->l.z[c->column[j]], c->z_d);
    }
    put(&g, 0, 2 + c->columns, e->out > c->columns ? "…" : "");
    return g;
}

static grid back(const nilu_explanation *e, const corner *c)
{
    grid g = {.rows = c->rows + 2, .columns = c->columns + 3};
    long long k = (long long)e->in, n = (long long)e->out;
    double most = 0;
    snprintf(g.title, sizeof g.title, "δ_prev = δ · Wᵀ    [1, %lld] = [1, %lld] · [%lld, %lld]", k, n, n, k);
    put(&g, 1, 0, "δ");
    for (int i = 0; i < c->rows; i++)
        most = fmax(most, fabs(c->l.passed[c->row[i]]));
    for (int j = 0; j < c->columns; j++) {
        put(&g, 0, 1 + j, c->neuron[j]);
        put_figure(&g, 1, 1 + j, c->l.delta[c->column[j]], c->delta_d);
    }
    put(&g, 0, 1 + c->columns, e->out > c->columns ? "…" : "");
    put(&g, 0, 2 + c->columns, "δ_prev");
    for (int i = 0; i < c->rows; i++) {
        put(&g, 2 + i, 0, c->name[i]);
        for (int j = 0; j < c->columns; j++)
            put_figure(&g, 2 + i, 1 + j, c->l.weight[c->row[i] * e->out + c->column[j]], c->w_d);
        put_figure(&g, 2 + i, 2 + c->columns, c->l.passed[c->row[i]], report_decimals(most, 4));
    }
    return g;
}

/* Each number is the product of the two at the heads of its row and column, as they are printed. */
static grid own(const nilu_explanation *e, const corner *c)
{
    grid g = {.rows = c->rows + 2, .columns = c->columns + 3};
    long long k = (long long)e->in, n = (long long)e->out;
    double most = 0;
    report_digits digits;
    snprintf(g.title, sizeof g.title, "∂W = Xᵀ · δ    [%lld, %lld] = [%lld, 1] · [1, %lld]", k, n, k, n);
    put(&g, 0, 1, "x");
    put(&g, 1, 0, "δ");
    for (int i = 0; i < c->rows; i++)
        for (int j = 0; j < c->columns; j++)
            most = fmax(most, fabs(c->l.x[c->row[i]] * c->l.delta[c->column[j]]));
    for (int j = 0; j < c->columns; j++) {
        put(&g, 0, 2 + j, c->neuron[j]);
        put_figure(&g, 1, 2 + j, c->l.delta[c->column[j]], c->delta_d);
    }
    put(&g, 0, 2 + c->columns, e->out > c->columns ? "…" : "");
    for (int i = 0; i < c->rows; i++) {
        report_figure x = report_round(c->l.x[c->row[i]], c->x_d);
        put(&g, 2 + i, 0, c->name[i]);
        put(&g, 2 + i, 1, report_figure_text(x, digits));
        for (int j = 0; j < c->columns; j++) {
            report_figure delta = report_round(c->l.delta[c->column[j]], c->delta_d);
            put(&g, 2 + i, 2 + j, report_figure_text(report_times(x, delta, report_decimals(most, 4)), digits));
        }
    }
    return g;
}

/* ---- showing */

static nilu_status grid_text(nilu *nl, const grid *g, bool utf8, const char *bold, const char *plain, base_buffer *out)
{
    int width[COLUMNS] = {0};
    NILU_TRY(base_appendf(nl, out, "\n%s%s%s\n", bold, g->title, plain));
    for (int i = 0; i < g->rows; i++)
        for (int j = 0; j < g->columns; j++) {
            int own_width = report_width(g->cell[i][j]);
            width[j] = own_width > width[j] ? own_width : width[j];
        }
    for (int i = 0; i < g->rows; i++) {
        NILU_TRY(base_appendf(nl, out, "    %s%*s", g->cell[i][0], width[0] - report_width(g->cell[i][0]), ""));
        for (int j = 1; j < g->columns; j++)
            NILU_TRY(base_appendf(nl, out, "  %*s%s", width[j] - report_width(g->cell[i][j]), "", g->cell[i][j]));
        while (out->len && out->at[out->len - 1] == ' ')
            out->at[--out->len] = 0;
        NILU_TRY(base_append(nl, out, "\n", 1));
    }
    (void)utf8;
    return NILU_OK;
}

static void grid_page(const grid *g, report *r)
{
    report_markup(r, "<h3 class=\"n\">%s</h3>\n<div class=\"wide\"><table class=\"sums\">\n", g->title);
    for (int i = 0; i < g->rows; i++) {
        report_raw(r, "<tr>");
        for (int j = 0; j < g->columns; j++)
            report_markup(r, i == 0 ? "<th class=\"r\">%s</th>" : j == 0 ? "<td>%s</td>" : "<td class=\"n\">%s</td>", g->cell[i][j]);
        report_raw(r, "</tr>\n");
    }
    report_raw(r, "</table></div>\n");
}

nilu_status report_matrix_text(const nilu_explanation *e, const report_names *names, bool utf8, const char *bold, const char *plain,
                               base_buffer *out)
{
    corner c;
    if (!find_corner(e, names, &c))
        return NILU_OK;
    nilu *nl = forensics_scene_context(names->scene);
    grid g = forward(e, &c);
    NILU_TRY(grid_text(nl, &g, utf8, bold, plain, out));
    g = back(e, &c);
    NILU_TRY(grid_text(nl, &g, utf8, bold, plain, out));
    g = own(e, &c);
    return grid_text(nl, &g, utf8, bold, plain, out);
}

void report_matrix_page(const nilu_explanation *e, const report_names *names, report *r)
{
    corner c;
    if (!find_corner(e, names, &c))
        return;
    report_section(r, _("The whole layer at once"));
    report_say(r, "%s", _("What every neuron of the layer does, as three products of matrices, with a corner of their numbers."));
    grid g = forward(e, &c);
    grid_page(&g, r);
    g = back(e, &c);
    grid_page(&g, r);
    g = own(e, &c);
    grid_page(&g, r);
}
