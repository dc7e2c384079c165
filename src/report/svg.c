/* Drawings in SVG, out of few shapes. Colours are classes, so that a drawing in a page follows the page from light to dark;
 * a drawing of its own brings the style along. */
#include "report/report.h"

const char *report_style(void);
void report_vtext(report *r, const char *format, va_list args);

void report_svg(report *r, bool alone, double width, double height, const char *about)
{
    if (alone)
        report_raw(r, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    report_markup(r, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %g %g\" role=\"img\">\n", width,
                  height, width, height);
    report_markup(r, "<title>%s</title>\n", about);
    if (!alone)
        return;
    report_raw(r, "<style>svg{font-family:system-ui,\"Noto Sans\",\"Noto Sans CJK TC\",\"PingFang TC\",\"Microsoft JhengHei\",sans-serif}");
    report_raw(r, report_style()); /* has no "<" or "&", so that it is XML, too */
    report_raw(r, "</style>\n");
    report_svg_box(r, "paper", 0, 0, width, height, 0);
}

void report_svg_end(report *r)
{
    report_raw(r, "</svg>\n");
}

void report_svg_box(report *r, const char *role, double x, double y, double width, double height, double round)
{
    report_markup(r, "<rect class=\"f-%s\" x=\"%.4g\" y=\"%.4g\" width=\"%.4g\" height=\"%.4g\" rx=\"%g\"/>\n", role, x, y, width, height,
                  round);
}

void report_svg_frame(report *r, const char *role, double x, double y, double width, double height, double round)
{
    report_markup(r, "<rect class=\"s-%s\" fill=\"none\" x=\"%.4g\" y=\"%.4g\" width=\"%.4g\" height=\"%.4g\" rx=\"%g\"/>\n", role, x, y,
                  width, height, round);
}

void report_svg_line(report *r, const char *role, double thick, double x1, double y1, double x2, double y2)
{
    report_markup(r, "<line class=\"s-%s\" stroke-width=\"%g\" x1=\"%.5g\" y1=\"%.5g\" x2=\"%.5g\" y2=\"%.5g\"/>\n", role, thick, x1, y1, x2,
                  y2);
}

void report_svg_curve(report *r, const char *role, double thick, int n, const double *x, const double *y)
{
    report_markup(r, "<polyline class=\"s-%s\" fill=\"none\" stroke-width=\"%g\" stroke-linejoin=\"round\" points=\"", role, thick);
    for (int i = 0; i < n; i++)
        report_markup(r, "%s%.5g,%.5g", i ? " " : "", x[i], y[i]);
    report_raw(r, "\"/>\n");
}

void report_svg_text(report *r, const char *role, const char *anchor, double size, double x, double y, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_markup(r, "<text class=\"f-%s\" text-anchor=\"%s\" font-size=\"%g\" x=\"%.5g\" y=\"%.5g\">", role, anchor, size, x, y);
    report_vtext(r, format, args);
    report_raw(r, "</text>\n");
    va_end(args);
}
