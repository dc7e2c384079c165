/* Errors: a status that a program can act on and one sentence that a person can act on, kept in the context. */
#include "base/base.h"

#include <ctype.h>
#include <string.h>
#ifdef NILU_GETTEXT
#include <libintl.h>
#endif

const char *nilu_status_text(nilu_status status)
{
    switch (status) {
    case NILU_OK:
        return base_text("ok");
#define NILU_ERROR(code, value, exit, text)                                                                            \
    case NILU_E_##code:                                                                                                \
        return base_text(text);
#include "nilu/err.inc"
#undef NILU_ERROR
    }
    return base_text("unknown status");
}

int nilu_status_exit(nilu_status status)
{
    switch (status) {
    case NILU_OK:
        return 0;
#define NILU_ERROR(code, value, exit, text)                                                                            \
    case NILU_E_##code:                                                                                                \
        return exit;
#include "nilu/err.inc"
#undef NILU_ERROR
    }
    return 1;
}

const char *base_text(const char *msgid)
{
#ifdef NILU_GETTEXT
    return *msgid ? dgettext("nilu", msgid) : msgid; /* of "" gettext has the catalogue's header */
#else
    return msgid;
#endif
}

/* Bytes of the sign at p in UTF-8; 0: it is none, or one that a terminal would obey. */
static size_t sign_bytes(const char *p)
{
    const unsigned char *c = (const unsigned char *)p;
    if (c[0] < 0x80)
        return c[0] >= 0x20 && c[0] != 0x7f;
    size_t n = c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    if ((c[0] == 0xc2 && c[1] < 0xa0) || (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
        (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
        return 0;
    return n;
}

/* Sentences quote names out of files, which may hold anything: what is no text is shown as \x1b. */
static void keep_sentence(nilu *nl, const char *text)
{
    size_t at = 0;
    while (*text) {
        size_t n = sign_bytes(text), room = n ? n : 4;
        if (at + room >= sizeof nl->message)
            break;
        if (n)
            memcpy(nl->message + at, text, n);
        else
            snprintf(nl->message + at, 5, "\\x%02x", (unsigned char)*text);
        at += room;
        text += n ? n : 1;
    }
    nl->message[at] = 0;
}

nilu_status base_vfail(nilu *nl, nilu_status status, const char *format, va_list args)
{
    char text[sizeof nl->message]; /* apart: an argument may be the old message */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(text, sizeof text, base_text(format), args);
#pragma GCC diagnostic pop
    keep_sentence(nl, text);
    nl->status = status;
    return status;
}

nilu_status base_fail(nilu *nl, nilu_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    base_vfail(nl, status, format, args);
    va_end(args);
    return status;
}

nilu_status base_no_memory(nilu *nl, size_t bytes)
{
    if (bytes == 0)
        return base_fail(nl, NILU_E_NO_MEMORY, N_("out of memory; a smaller batch or model needs less"));
    return base_fail(nl, NILU_E_NO_MEMORY, N_("out of memory: %zu bytes were not to be had; a smaller batch or model "
                                              "needs less"),
                     bytes);
}

void base_log(const nilu *nl, nilu_log_level level, const char *format, ...)
{
    if (!nl->options.log)
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(text, sizeof text, base_text(format), args);
#pragma GCC diagnostic pop
    va_end(args);
    nl->options.log(nl->options.log_user, level, text);
}

/* Edit distance with transpositions (optimal string alignment), letters compared without case; both at most 63 long. */
static int distance(const char *a, const char *b)
{
    int rows[3][64], n = (int)strlen(a), m = (int)strlen(b);
    if (n > 62 || m > 62)
        return 99;
    for (int j = 0; j <= m; j++)
        rows[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *now = rows[i % 3], *above = rows[(i - 1) % 3], *two = rows[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            int best = above[j - 1] + (x != y);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) && y == tolower((unsigned char)a[i - 2]) &&
                two[j - 2] + 1 < best)
                best = two[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[n % 3][m];
}

const char *base_nearest(const char *wrong, const char *const *names, size_t n)
{
    const char *best = NULL;
    int limit = (int)strlen(wrong) / 3 + 1, least = limit + 1;
    for (size_t i = 0; i < n; i++) {
        int d = names[i] ? distance(wrong, names[i]) : 99;
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}
