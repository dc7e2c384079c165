/* The page: one file that opens anywhere. Its style is set for reading: a column of some 70 characters, figures of equal
 * width in tables, which scroll by themselves where the screen is narrow; light or dark as the reader's system is. */
#include "report/report.h"

#include <math.h>
#include <string.h>

static const char style[] =
    ":root{color-scheme:light dark;--paper:#fcfbf8;--tint:#f3f0e9;--rule:#dcd7cb;--ink:#23211d;--soft:#6d675c;--good:#2f6db3;--bad:#c0391f;"
    "--mark:#a86a00}"
    "@media(prefers-color-scheme:dark){:root{--paper:#17181b;--tint:#202226;--rule:#3a3d43;--ink:#e8e4da;--soft:#a39d90;--good:#7db4f0;"
    "--bad:#ff8a70;--mark:#e3b341}}"
    "*{box-sizing:border-box}"
    "html{-webkit-text-size-adjust:100%}"
    "body{margin:0;background:var(--paper);color:var(--ink);font:17px/1.6 system-ui,-apple-system,\"Segoe UI\",\"Noto Sans\",\"Liberation Sans\","
    "\"PingFang TC\",\"Microsoft JhengHei\",\"Noto Sans TC\",\"Noto Sans CJK TC\",sans-serif}"
    "main{max-width:58rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}"
    "h1,h2,h3{line-height:1.25;text-wrap:balance;font-weight:650;margin:0}"
    "h1{font-size:1.9rem;letter-spacing:-.01em}"
    "h2{font-size:1.25rem;margin:2.8rem 0 .6rem;padding-top:.9rem;border-top:1px solid var(--rule)}"
    "h3{font-size:1.05rem;margin:1.6rem 0 .3rem}"
    "p{margin:.6rem 0;max-width:44rem}"
    ".lead{font-size:1.1rem;color:var(--soft);margin-top:.5rem}"
    ".remark{font-size:.88rem;color:var(--soft)}"
    "a{color:var(--good)}"
    "code,pre,.n,.z{font-family:ui-monospace,\"SF Mono\",\"Cascadia Mono\",Menlo,Consolas,\"DejaVu Sans Mono\",\"Liberation Mono\","
    "\"Noto Sans Mono CJK TC\",monospace;font-variant-numeric:tabular-nums}"
    "code,pre{font-size:.88em}"
    ".wide{overflow-x:auto;margin:.8rem 0}"
    "pre{margin:.8rem 0;padding:.8rem 1rem;background:var(--tint);border-radius:6px;overflow-x:auto;line-height:1.45}"
    "table{border-collapse:collapse;font-size:.92rem}"
    "th,td{padding:.28rem .9rem .28rem 0;text-align:left;vertical-align:baseline;border-bottom:1px solid var(--rule)}"
    "th{font-weight:600;color:var(--soft);font-size:.84rem;white-space:nowrap}"
    "th.r,td.r{text-align:right}"
    "td.r{font-variant-numeric:tabular-nums;white-space:nowrap}"
    "tr:last-child td{border-bottom:0}"
    ".sums td{border:0;padding:.14rem .35rem}"
    ".sums td:first-child{padding-left:0;padding-right:1.4rem;white-space:nowrap}"
    ".sums .n{text-align:right;white-space:nowrap;font-size:.93em}"
    ".sums .op{color:var(--soft);padding:.14rem .1rem}"
    ".sums .total td{border-top:1px solid var(--soft);font-weight:600}"
    ".bar{display:inline-block;vertical-align:middle;margin-left:.6rem}"
    "figure{margin:1rem 0}figcaption{font-size:.88rem;color:var(--soft)}"
    "img{image-rendering:pixelated;max-width:100%;height:auto;border-radius:3px}"
    ".row{display:flex;flex-wrap:wrap;gap:1.2rem;align-items:flex-start}"
    "svg{max-width:100%;height:auto;display:block}"
    ".wide>svg{min-width:40rem}"
    "svg text{font-family:inherit}"
    ".f-ink{fill:var(--ink)}.f-soft{fill:var(--soft)}.f-rule{fill:var(--rule)}.f-paper{fill:var(--paper)}.f-tint{fill:var(--tint)}"
    ".f-good{fill:var(--good)}.f-bad{fill:var(--bad)}.f-mark{fill:var(--mark)}"
    ".s-ink{stroke:var(--ink)}.s-soft{stroke:var(--soft)}.s-rule{stroke:var(--rule)}.s-paper{stroke:var(--paper)}"
    ".s-tint{stroke:var(--tint)}.s-good{stroke:var(--good)}.s-bad{stroke:var(--bad)}.s-mark{stroke:var(--mark)}"
    "footer{margin-top:3.5rem;padding-top:.8rem;border-top:1px solid var(--rule);font-size:.84rem;color:var(--soft)}"
    "@media(max-width:600px){body{font-size:16px}main{padding:1.5rem 1rem 3rem}h1{font-size:1.55rem}"
    "table{font-size:.8rem}th{font-size:.76rem}th,td{padding-right:.55rem}"
    ".sums{font-size:.74rem;letter-spacing:-.02em}.sums td{padding:.16rem .18rem}.sums td:first-child{padding-right:.6rem}}"
    "@media print{body{background:none}}";

const char *report_style(void)
{
    return style;
}

void report_vtext(report *r, const char *format, va_list args);

report report_page(nilu *nl, const char *title, const char *lead)
{
    report r = {.nl = nl};
    /* The language that the texts are in, as HTML names it. */
    report_markup(&r, "<!doctype html>\n<html lang=\"%s\">\n<meta charset=\"utf-8\">\n", base_text(N_("en")));
    report_raw(&r, "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                   "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n");
    report_markup(&r, "<title>%s</title>\n<style>", title);
    report_raw(&r, style);
    report_markup(&r, "</style>\n<main>\n<h1>%s</h1>\n", title);
    if (lead)
        report_markup(&r, "<p class=\"lead\">%s</p>\n", lead);
    return r;
}

void report_section(report *r, const char *heading)
{
    if (r->section)
        report_raw(r, "</section>\n");
    r->section = true;
    report_markup(r, "<section>\n<h2>%s</h2>\n", heading);
}

void report_say(report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_raw(r, "<p>");
    report_vtext(r, format, args);
    report_raw(r, "</p>\n");
    va_end(args);
}

void report_remark(report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_raw(r, "<p class=\"remark\">");
    report_vtext(r, format, args);
    report_raw(r, "</p>\n");
    va_end(args);
}

/* ---- tables */

void report_table(report *r, const char *align)
{
    r->align = align;
    r->cell = 0;
    report_raw(r, "<div class=\"wide\"><table>\n");
}

static void cell_start(report *r)
{
    int columns = (int)strlen(r->align), column = r->cell % columns;
    const char *tag = r->cell < columns ? "th" : "td";
    if (column == 0)
        report_raw(r, "<tr>");
    report_markup(r, r->align[column] == 'r' ? "<%s class=\"r\">" : "<%s>", tag);
}

static void cell_end(report *r)
{
    int columns = (int)strlen(r->align);
    report_markup(r, "</%s>", r->cell < columns ? "th" : "td");
    if (++r->cell % columns == 0)
        report_raw(r, "</tr>\n");
}

void report_cell(report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cell_start(r);
    report_vtext(r, format, args);
    cell_end(r);
    va_end(args);
}

#define BAR 96.0
void report_bar(report *r, double value, double most, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    double share = most > 0 ? value / most : 0, long_ = fmin(fabs(share), 1) * BAR / 2;
    cell_start(r);
    report_vtext(r, format, args);
    report_markup(r, "<svg class=\"bar\" width=\"%.0f\" height=\"10\" viewBox=\"0 0 %.0f 10\" aria-hidden=\"true\">", BAR, BAR);
    report_svg_box(r, share < 0 ? "good" : "bad", share < 0 ? BAR / 2 - long_ : BAR / 2, 1, long_, 8, 0);
    report_svg_line(r, "rule", 1, BAR / 2, 0, BAR / 2, 10);
    report_raw(r, "</svg>");
    cell_end(r);
    va_end(args);
}

void report_table_end(report *r)
{
    report_raw(r, "</table></div>\n");
}

void report_listing(report *r, const char *text)
{
    report_markup(r, "<pre>%s</pre>\n", text);
}

void report_page_end(report *r)
{
    if (r->section)
        report_raw(r, "</section>\n");
    r->section = false;
    report_markup(r, "<footer>nilu %s</footer>\n</main>\n</html>\n", NILU_VERSION);
}
