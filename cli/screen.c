/* What a terminal or a file can show, and how wide a text is on it. Widths count columns, not bytes: a Chinese character
 * takes two, a combining mark none. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

#define COLUMNS_WITHOUT_TERMINAL 80
#define COLUMNS_MAX 120 /* longer lines of prose are hard to read */

static int columns_of(FILE *file, bool terminal)
{
    struct winsize size;
    const char *said = getenv("COLUMNS");
    int n = said ? atoi(said) : 0;
    if (n <= 0 && terminal && ioctl(fileno(file), TIOCGWINSZ, &size) == 0)
        n = size.ws_col;
    if (n <= 0)
        n = COLUMNS_WITHOUT_TERMINAL;
    return n < 20 ? 20 : n > COLUMNS_MAX ? COLUMNS_MAX : n;
}

cli_screen cli_screen_of(FILE *file, const char *when, bool utf8)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM"), *depth = getenv("COLORTERM");
    cli_screen s = {.file = file, .utf8 = utf8, .terminal = isatty(fileno(file)) == 1};
    bool dumb = !term || strcmp(term, "dumb") == 0;
    bool wanted = strcmp(when, "always") == 0 ||
                  (strcmp(when, "auto") == 0 && s.terminal && !dumb && !(no_color && *no_color));
    s.terminal = s.terminal && !dumb; /* a dumb one cannot redraw a line */
    s.colours = !wanted ? 0 : depth && (!strcmp(depth, "truecolor") || !strcmp(depth, "24bit")) ? 1 << 24 : 256;
    s.columns = columns_of(file, s.terminal);
    return s;
}

const char *cli_paint(const cli_screen *s, cli_style style)
{
    static const char *const escape[] = {[CLI_PLAIN] = "\033[0m",  [CLI_BOLD] = "\033[1m",   [CLI_DIM] = "\033[2m",
                                         [CLI_RED] = "\033[31m",   [CLI_GREEN] = "\033[32m", [CLI_YELLOW] = "\033[33m"};
    return s->colours ? escape[style] : "";
}

/* One character: its bytes and its columns. A byte that is not UTF-8 counts for itself. */
static int step(const char *text, utf8proc_int32_t *c, int *columns)
{
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, -1, c);
    if (n < 1) {
        *c = 0xfffd;
        *columns = 1;
        return 1;
    }
    *columns = utf8proc_charwidth(*c);
    return (int)n;
}

int cli_width(const char *text)
{
    int width = 0, columns;
    utf8proc_int32_t c;
    for (const char *p = text; *p; width += columns)
        p += step(p, &c, &columns);
    return width;
}

/* May a line break between these two characters? At blanks always; beside a wide one, unless punctuation forbids it. */
static bool may_break(utf8proc_int32_t before, int before_columns, utf8proc_int32_t after, int after_columns)
{
    static const utf8proc_int32_t closing[] = {0x3001, 0x3002, 0xff0c, 0xff1b, 0xff1a, 0xff01, 0xff1f, 0xff09, 0x300d,
                                               0x300f, 0x300b, ',', '.', ';', ':', '!', '?', ')', ']', 0};
    static const utf8proc_int32_t opening[] = {0xff08, 0x300c, 0x300e, 0x300a, '(', '[', 0};
    for (int i = 0; closing[i]; i++)
        if (after == closing[i])
            return false;
    for (int i = 0; opening[i]; i++)
        if (before == opening[i])
            return false;
    return after == ' ' || before_columns == 2 || after_columns == 2;
}

/* The piece that must stay on one line: up to the next place where a line may break. */
static const char *piece(const char *text, int *columns)
{
    utf8proc_int32_t before = 0, c;
    int before_width = 0, width;
    const char *p = text;
    *columns = 0;
    while (*p && *p != '\n') {
        int n = step(p, &c, &width);
        if (p > text && may_break(before, before_width, c, width))
            break;
        *columns += width;
        before = c;
        before_width = width;
        p += n;
    }
    return p;
}

void cli_wrap(FILE *f, const char *text, int column, int indent, int width)
{
    bool fresh = true; /* nothing stands on this line yet */
    for (const char *p = text; *p;) {
        int blanks = (int)strspn(p, " "), columns;
        if (p[blanks] == '\n') {
            fprintf(f, "\n%*s", indent, "");
            column = indent;
            fresh = true;
            p += blanks + 1;
            continue;
        }
        const char *end = piece(p + blanks, &columns);
        if (!fresh && column + blanks + columns > width) {
            fprintf(f, "\n%*s", indent, "");
            column = indent;
            fresh = true;
        }
        /* Blanks at the start of a line of the text itself are meant; those where it was broken are not. */
        int keep = fresh && p > text && p[-1] != '\n' ? 0 : blanks;
        fprintf(f, "%*s%.*s", keep, "", (int)(end - p - blanks), p + blanks);
        column += keep + columns;
        fresh = fresh && end == p + blanks;
        p = end;
    }
}

const char *cli_clean(const char *text, char *out, size_t room)
{
    size_t at = 0;
    for (const char *p = text; *p;) {
        utf8proc_int32_t c;
        int columns, n = step(p, &c, &columns);
        bool broken = c == 0xfffd && n == 1;
        bool odd = c < ' ' || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
        size_t need = broken || odd ? 8 : (size_t)n;
        if (at + need + 1 > room)
            break;
        if (broken)
            at += (size_t)snprintf(out + at, room - at, "\\x%02x", (unsigned)(unsigned char)*p);
        else if (odd)
            at += (size_t)snprintf(out + at, room - at, c < 256 ? "\\x%02x" : "\\u%04x", (unsigned)c);
        else {
            memcpy(out + at, p, (size_t)n);
            at += (size_t)n;
        }
        p += n;
    }
    if (room)
        out[at] = 0;
    return out;
}
