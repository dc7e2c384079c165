/* The journey back as a drawing: the error comes down the left side, from the start through each layer; at every layer a
 * branch leads to the right, where its weights are updated. Bars show the error's size on a logarithmic scale, so that a
 * vanishing or exploding gradient is seen at once. */
#include "report/sheet.h"

#include <math.h>
#include <string.h>

#define _(text) base_text(N_(text))

typedef struct leg_text {
    char what[160], where[64];
} leg_text;

static leg_text words(const report_journey *j, const nilu_leg *g)
{
    leg_text t;
    const forensics_site *l = forensics_scene_site(j->scene, g->layer);
    const char *start = j->start == NILU_FROM_GAP ? _("the gap") : _("the loss");
    nilu_relay r;
    nilu_relay_of(j->scene, g->layer, j->start, &r);
    switch (g->kind) {
    case NILU_LEG_START:
        snprintf(t.what, sizeof t.what, _("error at %s, from %s"), l->name, g->via ? g->via : start);
        break;
    case NILU_LEG_BACK:
        snprintf(t.what, sizeof t.what, "· %s.Wᵀ   %lld → %lld", forensics_scene_site(j->scene, g->reader)->name,
                 (long long)forensics_scene_site(j->scene, g->reader)->out, (long long)r.out);
        break;
    case NILU_LEG_SLOPE:
        snprintf(t.what, sizeof t.what, _("· f'(z)   %s, %lld of %lld open"), r.activation, (long long)r.open, (long long)r.out);
        break;
    default:
        if (r.window) {
            snprintf(t.what, sizeof t.what, _("update %s.W [%lld, %lld, %lld, %lld] by x * error, over %lld places"), l->name, (long long)r.filters,
                     (long long)(r.window->channels / r.window->groups), (long long)r.window->kernel[0], (long long)r.window->kernel[1],
                     (long long)(r.window->map[0] * r.window->map[1]));
            break;
        }
        snprintf(t.what, sizeof t.what, _("update %s.W [%lld, %lld] by xᵀ · error"), l->name, (long long)r.in, (long long)r.out);
    }
    if (g->instruction >= 0)
        snprintf(t.where, sizeof t.where, "#%d %.40s", g->instruction, g->kernel);
    else
        *t.where = 0;
    return t;
}

static const char *start_text(const report_journey *j, char out[96])
{
    if (j->start == NILU_FROM_GAP)
        snprintf(out, 96, _("gap %.6g"), j->gap);
    else
        snprintf(out, 96, _("loss %.6g"), j->loss);
    return out;
}

/* ---- text */

static nilu_status put(nilu *nl, base_buffer *out, const char *text, bool utf8, int width)
{
    int own = report_width(text);
    for (const char *p = text; *p; p++) {
        static const char *const signs[][2] = {{"·", "*"}, {"→", "->"}, {"ᵀ", "'"}, {"↓", "|"}, {"├─", "+-"}, {"‖", "|"}, {"∂", "d"}};
        bool replaced = false;
        for (size_t i = 0; i < COUNT(signs) && !utf8 && !replaced; i++)
            if (strncmp(p, signs[i][0], strlen(signs[i][0])) == 0) {
                NILU_TRY(base_appendf(nl, out, "%s", signs[i][1]));
                p += strlen(signs[i][0]) - 1;
                replaced = true;
            }
        if (!replaced)
            NILU_TRY(base_append(nl, out, p, 1));
    }
    return base_appendf(nl, out, "%*s", own < width ? width - own : 0, "");
}

nilu_status report_journey_text(const report_journey *j, nilu *nl, bool utf8, base_buffer *out)
{
    char start[96];
    int width = 0;
    for (int i = 0; i < j->n; i++) {
        leg_text t = words(j, &j->leg[i]);
        int own = report_width(t.what);
        width = own > width ? own : width;
    }
    NILU_TRY(base_appendf(nl, out, "  %s\n", start_text(j, start)));
    for (int i = 0; i < j->n; i++) {
        const nilu_leg *g = &j->leg[i];
        leg_text t = words(j, g);
        bool branch = g->kind == NILU_LEG_UPDATE;
        NILU_TRY(put(nl, out, branch ? "  ├─ " : "  ↓  ", utf8, 0));
        NILU_TRY(put(nl, out, t.what, utf8, width));
        NILU_TRY(put(nl, out, branch ? "  ‖∂W‖ " : "  ‖δ‖  ", utf8, 0));
        NILU_TRY(base_appendf(nl, out, "%-12.6g %s\n", g->norm, t.where));
    }
    return NILU_OK;
}

/* ---- mermaid */

nilu_status report_journey_mermaid(const report_journey *j, nilu *nl, base_buffer *out)
{
    char start[96];
    int last = -1;
    NILU_TRY(base_appendf(nl, out, "flowchart TD\n  start([\"%s\"])\n", start_text(j, start)));
    for (int i = 0; i < j->n; i++) {
        const nilu_leg *g = &j->leg[i];
        leg_text t = words(j, g);
        bool branch = g->kind == NILU_LEG_UPDATE;
        NILU_TRY(base_appendf(nl, out, branch ? "  n%d[[\"%s<br>%s %.4g\"]]\n" : "  n%d[\"%s<br>%s %.4g\"]\n", i, t.what,
                              branch ? "‖∂W‖" : "‖δ‖", g->norm));
        if (last < 0)
            NILU_TRY(base_appendf(nl, out, "  start --> n%d\n", i));
        else
            NILU_TRY(base_appendf(nl, out, branch ? "  n%d -.-> n%d\n" : "  n%d --> n%d\n", last, i));
        last = branch ? last : i;
    }
    return NILU_OK;
}

/* ---- SVG */

#define WIDTH 720.0
#define ROW 46.0
#define LEFT 20.0

static void stop(report *r, double y, double width, const char *what, const char *where)
{
    report_svg_box(r, "tint", LEFT, y, width, 34, 6);
    report_svg_text(r, "ink", "start", 14, LEFT + 12, y + 22, "%s", what);
    if (*where)
        report_svg_text(r, "soft", "end", 11, LEFT + width - 10, y + 22, "%s", where);
}

void report_journey_svg(const report_journey *j, bool alone, report *r)
{
    char start[96];
    double most = -INFINITY, least = INFINITY, y = 16, main_y = y; /* main_y: of the last stop on the left side */
    for (int i = 0; i < j->n; i++)
        if (j->leg[i].kind != NILU_LEG_UPDATE && j->leg[i].norm > 0) {
            most = fmax(most, log10(j->leg[i].norm));
            least = fmin(least, log10(j->leg[i].norm));
        }
    least = fmin(least, most - 2); /* two powers of ten at least, so that small differences look small */
    report_svg(r, alone, WIDTH, 16 + (j->n + 1) * ROW, _("The journey back, from its start to every weight"));
    stop(r, y, 300, start_text(j, start), "");
    report_svg_text(r, "soft", "start", 11, 528, y + 22, "%s", _("size of the error ‖δ‖, logarithmic"));
    for (int i = 0; i < j->n; i++) {
        const nilu_leg *g = &j->leg[i];
        leg_text t = words(j, g);
        y += ROW;
        if (g->kind == NILU_LEG_UPDATE) {
            report_svg_line(r, "mark", 1.5, LEFT + 44, main_y + 34, LEFT + 44, y + 17);
            report_svg_line(r, "mark", 1.5, LEFT + 44, y + 17, LEFT + 64, y + 17);
            report_svg_frame(r, "mark", LEFT + 64, y + 2, 432, 30, 6);
            report_svg_text(r, "mark", "start", 13, LEFT + 76, y + 21, "%s", t.what);
            report_svg_text(r, "soft", "start", 11, 528, y + 21, "‖∂W‖ %.4g   %s", g->norm, t.where);
            continue;
        }
        report_svg_line(r, "soft", 1.5, LEFT + 24, main_y + 34, LEFT + 24, y);
        main_y = y;
        report_svg_line(r, "soft", 1.5, LEFT + 20, y - 5, LEFT + 24, y);
        report_svg_line(r, "soft", 1.5, LEFT + 28, y - 5, LEFT + 24, y);
        stop(r, y, 496, t.what, t.where);
        double share = g->norm > 0 && most > least ? (log10(g->norm) - least) / (most - least) : 0;
        report_svg_box(r, "bad", 528, y + 22, 4 + 160 * share, 8, 2);
        report_svg_text(r, "ink", "start", 12, 528, y + 15, "%.4g", g->norm);
    }
    report_svg_end(r);
}
