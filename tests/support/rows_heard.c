/* Which of the ops' sentences have been heard? A refusal or fault that no row provokes is a refusal nobody has seen. The
 * sentences are read from the sources: the text behind N_( in calls that refuse; a row's message must hold its pieces
 * between the % signs in their order. In an op's own file its own rows must do it. */
#include "support/rows.h"

#include <dirent.h>

static struct heard {
    const nilu_op *op;
    char *message;
} * heard;
static size_t count, room;

void rows_heard(const nilu_op *op, const char *message)
{
    if (count == room)
        heard = realloc(heard, (room = room ? 2 * room : 256) * sizeof *heard);
    assert_non_null(heard);
    heard[count++] = (struct heard){op, strdup(message)};
}

/* Skips one conversion: "%lld" -> behind it. */
static const char *behind_conversion(const char *p)
{
    p++;
    if (*p == '%')
        return p + 1;
    p += strspn(p, "-+ #0123456789.lzhj");
    return *p ? p + 1 : p;
}

static bool fits(const char *sentence, const char *message)
{
    while (*sentence) {
        size_t n = strcspn(sentence, "%");
        char piece[512];
        if (n >= sizeof piece)
            return false;
        memcpy(piece, sentence, n);
        piece[n] = 0;
        message = strstr(message, piece);
        if (!message)
            return false;
        message += n;
        sentence += n;
        if (*sentence)
            sentence = behind_conversion(sentence);
    }
    return true;
}

static bool met(const nilu_op *op, const char *sentence)
{
    for (size_t i = 0; i < count; i++)
        if ((!op || heard[i].op == op) && fits(sentence, heard[i].message))
            return true;
    return false;
}

/* The C string literal at `p`, unescaped; pieces that stand side by side are one. */
static void literal(const char *p, char *out, size_t size)
{
    size_t n = 0;
    while (*p == '"') {
        for (p++; *p && *p != '"'; p++) {
            if (*p == '\\' && p[1])
                p++;
            if (n + 1 < size)
                out[n++] = *p;
        }
        p += *p == '"';
        p += strspn(p, " \n\t");
    }
    out[n] = 0;
}

/* Is the text at `p` part of a statement that refuses? Others say what a gradient is. */
static bool refuses(const char *text, const char *p)
{
    static const char *const calls[] = {"NILU_NEED", "graph_refuse", "graph_fault", "graph_fail", "base_fail"};
    char statement[512];
    const char *from = p;
    while (from > text && !strchr(";{}", from[-1]))
        from--;
    snprintf(statement, sizeof statement, "%.*s", (int)(p - from), from);
    for (size_t i = 0; i < COUNT(calls); i++)
        if (strstr(statement, calls[i]))
            return true;
    return false;
}

static int unheard_in(const char *file, const char *text)
{
    char name[64], sentence[512];
    int missing = 0;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(file, "."), file);
    const nilu_op *op = graph_op(name);
    for (const char *p = text; (p = strstr(p, "N_(\"")); p++) {
        literal(p + 3, sentence, sizeof sentence);
        if (!refuses(text, p) || met(op, sentence))
            continue;
        print_error("src/ops/%s: no row%s%s meets \"%s\"\n", file, op ? " of " : "", op ? op->name : "", sentence);
        missing++;
    }
    return missing;
}

int rows_unheard(const char *folder)
{
    nilu *nl = support_context(1, NULL);
    DIR *dir = opendir(folder);
    int missing = 0, files = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        size_t n = strlen(e->d_name), bytes;
        char path[512], *text;
        if (n < 3 || strcmp(e->d_name + n - 2, ".c") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        assert_ok(nl, base_read_file(nl, path, 1 << 20, &text, &bytes));
        missing += unheard_in(e->d_name, text);
        base_free(nl, text);
        files++;
    }
    closedir(dir);
    nilu_free(nl);
    assert_true(files > 30);
    for (size_t i = 0; i < count; i++)
        free(heard[i].message);
    free(heard);
    heard = NULL;
    count = room = 0;
    return missing;
}
