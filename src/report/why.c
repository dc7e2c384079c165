/* Why the error is sent back, drawn: the losses that the ways came to, and how little a random direction knows of the
 * gradient, both against the number of dimensions. */
#include "report/report.h"

#include <math.h>

#define WIDTH 720.0
#define HEIGHT 340.0
#define LEFT 60.0
#define RIGHT 150.0
#define TOP 20.0
#define BOTTOM 40.0

static double across(const nilu_why_result *w, int i)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * (w->sizes > 1 ? (double)i / (w->sizes - 1) : 0.5);
}

static double down(double share) /* 1: the upper edge */
{
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - fmin(fmax(share, 0), 1));
}

static void axes(report *r, const nilu_why_result *w)
{
    report_svg_line(r, "rule", 1, LEFT, down(0), WIDTH - RIGHT, down(0));
    for (int i = 0; i < w->sizes; i++)
        report_svg_text(r, "soft", "middle", 12, across(w, i), HEIGHT - 14, "%.0f", (double)w->size[i].dimensions);
}

static const char *const role[NILU_WAYS] = {"good", "soft", "mark", "bad", "ink"};

/* Labels of lines that end close together are moved apart, upwards from the lowest. */
static void labels(report *r, const nilu_why_result *w, double most)
{
    bool done[NILU_WAYS] = {false};
    double before = HEIGHT;
    for (int k = 0; k < NILU_WAYS; k++) {
        int next = -1;
        for (int way = 0; way < NILU_WAYS; way++)
            if (!done[way] && (next < 0 || w->size[w->sizes - 1].way[way].loss < w->size[w->sizes - 1].way[next].loss))
                next = way;
        double y = fmin(down(w->size[w->sizes - 1].way[next].loss / most), before - 15);
        report_svg_text(r, role[next], "start", 13, WIDTH - RIGHT + 8, y + 4, "%s", base_text(nilu_way_name(next)));
        before = y;
        done[next] = true;
    }
}

static void losses(report *r, bool alone, const nilu_why_result *w)
{
    double most = 0, x[NILU_WHY_SIZES], y[NILU_WHY_SIZES];
    for (int i = 0; i < w->sizes; i++) {
        most = fmax(most, w->size[i].loss);
        x[i] = across(w, i);
    }
    report_svg(r, alone, WIDTH, HEIGHT, base_text(N_("Loss that each way came to, against the number of dimensions")));
    axes(r, w);
    for (int k = 0; k <= 4; k++)
        report_svg_text(r, "soft", "end", 12, LEFT - 8, down(k / 4.0) + 4, "%.2f", most * k / 4);
    for (int i = 0; i < w->sizes; i++)
        y[i] = down(w->size[i].loss / most);
    report_svg_curve(r, "rule", 2, w->sizes, x, y);
    for (int way = NILU_WAYS - 1; way >= 0; way--) {
        for (int i = 0; i < w->sizes; i++)
            y[i] = down(w->size[i].way[way].loss / most);
        report_svg_curve(r, role[way], way ? 1.6 : 3.2, w->sizes, x, y);
    }
    labels(r, w, most);
    report_svg_end(r);
}

static void angles(report *r, const nilu_why_result *w)
{
    double x[NILU_WHY_SIZES], y[NILU_WHY_SIZES];
    report_svg(r, false, WIDTH, HEIGHT, base_text(N_("Mean |cos| between a random direction and the gradient, against the number of dimensions")));
    axes(r, w);
    for (int k = 0; k >= -4; k--)
        report_svg_text(r, "soft", "end", 12, LEFT - 8, down((k + 4) / 4.0) + 4, "10^%d", k);
    for (int i = 0; i < w->sizes; i++) {
        x[i] = across(w, i);
        y[i] = down((log10(w->size[i].theory) + 4) / 4);
    }
    report_svg_curve(r, "soft", 1.2, w->sizes, x, y);
    report_svg_text(r, "soft", "start", 13, WIDTH - RIGHT + 8, y[w->sizes - 1] + 4, "√(2 / πN)");
    for (int i = 0; i < w->sizes; i++)
        report_svg_box(r, "good", x[i] - 4, down((log10(w->size[i].cosine) + 4) / 4) - 4, 8, 8, 4);
    report_svg_end(r);
}

static void loss_table(report *r, const nilu_why_result *w)
{
    report_table(r, "rrrrrrrr");
    report_cell(r, "%s", base_text(N_("dimensions")));
    report_cell(r, "%s", base_text(N_("FLOPs each")));
    report_cell(r, "%s", base_text(N_("start")));
    for (int way = 0; way < NILU_WAYS; way++)
        report_cell(r, "%s", base_text(nilu_way_name(way)));
    for (int i = 0; i < w->sizes; i++) {
        report_cell(r, "%lld", (long long)w->size[i].dimensions);
        report_cell(r, "%.1e", w->size[i].flops);
        report_cell(r, "%.4f", w->size[i].loss);
        for (int way = 0; way < NILU_WAYS; way++)
            report_cell(r, "%.4f", w->size[i].way[way].loss);
    }
    report_table_end(r);
}

static void navigation(report *r, const nilu_why_size *s)
{
    report_table(r, "rrrr");
    report_cell(r, "ε");
    report_cell(r, "%s", base_text(N_("measured")));
    report_cell(r, "-ε‖g‖²");
    report_cell(r, "%s", base_text(N_("measured / predicted")));
    for (int k = 0; k < NILU_WHY_STEPS; k++) {
        report_cell(r, "%.0e", s->step[k].eps);
        report_cell(r, "%.8e", s->step[k].measured);
        report_cell(r, "%.8e", s->step[k].predicted);
        report_cell(r, "%.8f", s->step[k].measured / s->step[k].predicted);
    }
    report_table_end(r);
}

nilu_status report_why_svg(nilu *nl, const nilu_why_result *w, const char *path)
{
    report r = {.nl = nl};
    losses(&r, true, w);
    return report_write(&r, path);
}

nilu_status report_why_page(nilu *nl, const char *data, const nilu_why_result *w, const char *path)
{
    const nilu_why_size *last = &w->size[w->sizes - 1];
    report r = report_page(nl, base_text(N_("Why the error is sent back")), data);
    report_section(&r, base_text(N_("Five ways down, at equal cost")));
    report_say(&r, base_text(N_("Each way may spend the floating-point operations of %lld steps of backpropagation on the same %lld samples, from the same weights.")),
               (long long)w->steps, (long long)w->samples);
    losses(&r, false, w);
    loss_table(&r, w);
    report_section(&r, base_text(N_("A random direction knows nothing of the gradient")));
    report_say(&r, "%s", base_text(N_("Dots are measured, the line is theory: in N dimensions the mean |cos| comes to √(2 / πN).")));
    angles(&r, w);
    report_section(&r, base_text(N_("Exact navigation")));
    report_say(&r, base_text(N_("What a step of ε against the gradient g does to the loss, with %lld dimensions, in f64: the shorter the step, the more exactly what was promised.")),
               (long long)last->dimensions);
    navigation(&r, last);
    report_page_end(&r);
    return report_write(&r, path);
}
