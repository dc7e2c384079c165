/* Markup that cannot be broken out of: what comes in as text is escaped on its way. */
#include "report/report.h"

#include <string.h>
#include <utf8proc.h>

static void put(report *r, const char *bytes, size_t n)
{
    if (r->status == NILU_OK)
        r->status = base_append(r->nl, &r->text, bytes, n);
}

/* HTML and XML alike: five characters mean something; control characters and broken UTF-8 become the sign for what cannot be
 * shown. */
static void put_escaped(report *r, const char *text)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    while (*at) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate(at, -1, &c);
        const char *as = n < 1 || (c < 32 && c != '\n' && c != '\t') || (c >= 127 && c < 160) || c == 0xfffe || c == 0xffff
                             ? "\xef\xbf\xbd"
                         : c == '&'  ? "&amp;"
                         : c == '<'  ? "&lt;"
                         : c == '>'  ? "&gt;"
                         : c == '"'  ? "&quot;"
                         : c == '\'' ? "&#39;"
                                     : NULL;
        n = n < 1 ? 1 : n;
        put(r, as ? as : (const char *)at, as ? strlen(as) : (size_t)n);
        at += n;
    }
}

void report_raw(report *r, const char *markup)
{
    put(r, markup, strlen(markup));
}

/* One conversion, `spec` with its "%": the argument that it wants is taken from `args`. */
static void convert(report *r, const char *spec, int stars, const int *star, va_list *args)
{
    char small[512];
    char kind = spec[strlen(spec) - 1];
    bool longer = strstr(spec, "ll") != NULL, size = strchr(spec, 'z') != NULL;
    int a = stars > 0 ? star[0] : 0, b = stars > 1 ? star[1] : 0;
#define FORMAT(value)                                                                                                  \
    (stars == 0   ? snprintf(small, sizeof small, spec, value)                                                         \
     : stars == 1 ? snprintf(small, sizeof small, spec, a, value)                                                      \
                  : snprintf(small, sizeof small, spec, a, b, value))
    if (kind == 's') {
        put_escaped(r, va_arg(*args, const char *));
        return;
    }
    if (strchr("eEfFgG", kind))
        FORMAT(va_arg(*args, double));
    else if (longer)
        FORMAT(va_arg(*args, long long));
    else if (size)
        FORMAT(va_arg(*args, size_t));
    else
        FORMAT(va_arg(*args, int));
#undef FORMAT
    put_escaped(r, small);
}

void report_markup(report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    while (*format) {
        size_t plain = strcspn(format, "%");
        put(r, format, plain);
        format += plain;
        if (!*format)
            break;
        if (format[1] == '%') {
            put(r, "%", 1);
            format += 2;
            continue;
        }
        char spec[32];
        int stars = 0, star[2] = {0, 0};
        size_t n = 1 + strspn(format + 1, "-+ #0123456789.*lz") + 1;
        n = n < sizeof spec ? n : sizeof spec - 1;
        memcpy(spec, format, n);
        spec[n] = 0;
        for (const char *p = spec; *p && stars < 2; p++)
            if (*p == '*')
                star[stars++] = va_arg(args, int);
        convert(r, spec, stars, star, &args);
        format += n;
    }
    va_end(args);
}

void report_vtext(report *r, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *text = n < 0 || r->status != NILU_OK ? NULL : base_alloc(r->nl, (size_t)n + 1);
    if (text) {
        vsnprintf(text, (size_t)n + 1, format, again);
        put_escaped(r, text);
        base_free(r->nl, text);
    } else if (r->status == NILU_OK) {
        r->status = NILU_E_NO_MEMORY;
    }
    va_end(again);
}

void report_text(report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_vtext(r, format, args);
    va_end(args);
}

nilu_status report_write(report *r, const char *path)
{
    base_output o;
    nilu_status status = r->status;
    if (status == NILU_OK)
        status = base_create(r->nl, path, &o);
    if (status == NILU_OK) {
        base_write(&o, r->text.at, r->text.len);
        status = base_commit(&o);
    }
    report_free(r);
    return status;
}

void report_free(report *r)
{
    base_free(r->nl, r->text.at);
    r->text = (base_buffer){0};
}
