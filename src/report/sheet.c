/* Sheets of sums, as text and as tables of a page. */
#include "report/sheet.h"

#include <string.h>
#include <utf8proc.h>

report_sheet report_sheet_new(nilu *nl)
{
    return (report_sheet){.nl = nl, .hidden = -1};
}

void report_sheet_free(report_sheet *s)
{
    for (int i = 0; i < s->n; i++)
        base_free(s->nl, s->line[i].text);
    base_free(s->nl, s->line);
    *s = report_sheet_new(s->nl);
}

sheet_line *report_sheet_add(report_sheet *s, sheet_kind kind, const char *format, ...)
{
    char small[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (s->status == NILU_OK)
        s->status = base_grow(s->nl, &s->line, &s->cap, s->n + 1, sizeof *s->line);
    char *text = s->status == NILU_OK ? base_strdup(s->nl, small) : NULL;
    if (!text) {
        s->status = NILU_E_NO_MEMORY;
        return NULL;
    }
    sheet_line *l = &s->line[s->n++];
    *l = (sheet_line){.kind = kind, .text = text};
    return l;
}

int report_width(const char *text)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    int width = 0;
    utf8proc_int32_t c;
    for (utf8proc_ssize_t n; *at; at += n < 1 ? 1 : n) {
        n = utf8proc_iterate(at, -1, &c);
        width += n < 1 ? 1 : utf8proc_charwidth(c);
    }
    return width;
}

static const char *sign_text(char sign, bool utf8)
{
    return sign == '*' ? utf8 ? "\xc3\x97" : "x" : sign == '-' ? utf8 ? "\xe2\x88\x92" : "-" : "+";
}

void report_sheet_formula(const sheet_line *l, bool utf8, char *out, size_t room)
{
    report_digits digits;
    size_t n = 0;
    *out = 0;
    for (int i = 0; i <= l->n && n < room; i++) {
        const char *before = i == l->n ? "= " : "";
        n += (size_t)snprintf(out + n, room - n, "%s%s", before, report_figure_text(i == l->n ? l->result : l->operand[i], digits));
        if (i < l->n && n < room)
            n += (size_t)snprintf(out + n, room - n, " %s%s", i + 1 < l->n ? sign_text(l->sign[i], utf8) : "", i + 1 < l->n ? " " : "");
    }
}

/* ---- columns: of the lines between two headings or notes */

typedef struct columns {
    int label, operand[3], result, n; /* n: most operands of a line */
} columns;

static bool calculates(const sheet_line *l)
{
    return l->kind != SHEET_STEP && l->kind != SHEET_NOTE;
}

static columns measure(const report_sheet *s, int first)
{
    columns c = {0};
    report_digits digits;
    for (int i = first; i < s->n && calculates(&s->line[i]); i++) {
        const sheet_line *l = &s->line[i];
        int width = report_width(l->text);
        c.label = width > c.label ? width : c.label;
        c.n = l->n > c.n ? l->n : c.n;
        for (int k = 0; k < l->n; k++) {
            int own = (int)strlen(report_figure_text(l->operand[k], digits)), at = k + 3 - l->n;
            c.operand[at] = own > c.operand[at] ? own : c.operand[at];
        }
        width = (int)strlen(report_figure_text(l->result, digits));
        c.result = width > c.result ? width : c.result;
    }
    return c;
}

/* ---- text */

/* A label or a sentence; where there is no UTF-8, the sign of multiplication is a letter. */
static nilu_status put_words(const report_sheet *s, const char *text, bool utf8, base_buffer *out)
{
    static const char times[] = "\xc3\x97";
    for (const char *sign; !utf8 && (sign = strstr(text, times)); text = sign + 2) {
        NILU_TRY(base_append(s->nl, out, text, (size_t)(sign - text)));
        NILU_TRY(base_append(s->nl, out, "x", 1));
    }
    return base_append(s->nl, out, text, strlen(text));
}

#define INDENT 4

static nilu_status put_line(const report_sheet *s, int i, const columns *c, bool utf8, base_buffer *out)
{
    const sheet_line *l = &s->line[i];
    report_digits digits;
    nilu *nl = s->nl;
    int operands = 0;
    for (int k = 3 - c->n; k < 3; k++)
        operands += c->operand[k] + 3;
    if (l->kind == SHEET_TOTAL) {
        NILU_TRY(base_appendf(nl, out, "%*s", INDENT + c->label + 2 + operands + (c->n ? 0 : 2), ""));
        for (int k = 0; k < c->result; k++)
            NILU_TRY(base_appendf(nl, out, "%s", utf8 ? "\xe2\x94\x80" : "-"));
        NILU_TRY(base_appendf(nl, out, "\n"));
    }
    NILU_TRY(base_appendf(nl, out, "%*s", INDENT, ""));
    NILU_TRY(put_words(s, l->text, utf8, out));
    NILU_TRY(base_appendf(nl, out, "%*s", c->label - report_width(l->text) + 2, ""));
    for (int k = 3 - c->n; k < 3; k++) {
        int own = k - (3 - l->n);
        if (own < 0)
            NILU_TRY(base_appendf(nl, out, "%*s", c->operand[k] + (k < 2 ? 3 : 1), ""));
        else
            NILU_TRY(base_appendf(nl, out, "%*s%s%s%s", c->operand[k], report_figure_text(l->operand[own], digits), " ",
                                  k < 2 ? sign_text(l->sign[own], utf8) : "", k < 2 ? " " : ""));
    }
    return base_appendf(nl, out, "= %*s\n", c->result, i == s->hidden ? "?" : report_figure_text(l->result, digits));
}

nilu_status report_sheet_text(const report_sheet *s, bool utf8, const char *bold, const char *plain, base_buffer *out)
{
    columns c = {0};
    NILU_TRY(s->status);
    for (int i = 0; i < s->n; i++) {
        const sheet_line *l = &s->line[i];
        bool first = i == 0 || !calculates(&s->line[i - 1]);
        if (!calculates(l)) {
            bool step = l->kind == SHEET_STEP;
            NILU_TRY(base_appendf(s->nl, out, "%s%s", step || !first ? "\n" : "", step ? bold : "    "));
            NILU_TRY(put_words(s, l->text, utf8, out));
            NILU_TRY(base_appendf(s->nl, out, "%s\n", step ? plain : ""));
        } else {
            if (first) {
                c = measure(s, i);
                NILU_TRY(base_appendf(s->nl, out, "\n"));
            }
            NILU_TRY(put_line(s, i, &c, utf8, out));
        }
    }
    return NILU_OK;
}

/* ---- pages */

static void figure_cell(report *r, report_figure f)
{
    report_digits digits;
    const char *text = report_figure_text(f, digits);
    report_raw(r, "<td class=\"n\">");
    if (*text == '-')
        report_raw(r, "\xe2\x88\x92"); /* the minus of the typographer */
    report_markup(r, "%s</td>", *text == '-' ? text + 1 : text);
}

static void put_row(const sheet_line *l, const columns *c, report *r)
{
    report_raw(r, l->kind == SHEET_TOTAL ? "<tr class=\"total\">" : "<tr>");
    report_markup(r, "<td>%s</td>", l->text);
    for (int k = 3 - c->n; k < 3; k++) {
        int own = k - (3 - l->n);
        if (own < 0)
            report_raw(r, k < 2 ? "<td></td><td></td>" : "<td></td>");
        else {
            figure_cell(r, l->operand[own]);
            if (k < 2)
                report_markup(r, "<td class=\"op\">%s</td>", sign_text(l->sign[own], true));
        }
    }
    report_raw(r, "<td class=\"op\">=</td>");
    figure_cell(r, l->result);
    report_raw(r, "</tr>\n");
}

void report_sheet_page(const report_sheet *s, report *r)
{
    columns c = {0};
    if (r->status == NILU_OK)
        r->status = s->status;
    for (int i = 0; i < s->n && r->status == NILU_OK; i++) {
        const sheet_line *l = &s->line[i];
        if (l->kind == SHEET_STEP)
            report_section(r, l->text);
        else if (l->kind == SHEET_NOTE)
            report_say(r, "%s", l->text);
        else {
            if (i == 0 || !calculates(&s->line[i - 1])) {
                c = measure(s, i);
                report_raw(r, "<div class=\"wide\"><table class=\"sums\">\n");
            }
            put_row(l, &c, r);
            if (i + 1 == s->n || !calculates(&s->line[i + 1]))
                report_raw(r, "</table></div>\n");
        }
    }
}
