/* The command line, read by the rows of a command. getopt_long does the reading; the rows say what it reads for, where a
 * value goes, what it may be, and what it is if nobody says. Defaults are parsed like values, so that the help cannot say
 * another default than the one in use. */
#include "cli.h"

#include "nn/nn.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROWS 64
enum { LONG_ONLY = 1000 }; /* getopt's value of row i, if it has no letter: LONG_ONLY + i */

/* ---- options that commands share */

static const char *when_name(int i)
{
    static const char *const names[] = {"auto", "always", "never"};
    return i >= 0 && i < (int)COUNT(names) ? names[i] : NULL;
}

/* `group` of the first row that is shown is "General": all rows name it. */
#define GENERAL N_("General")
static const struct {
    unsigned bit; /* 0: of every command */
    cli_option row;
} common[] = {
    {CLI_SEED, {"seed", 's', "N", CLI_WHOLE, offsetof(cli, seed), N_("seed of everything random: initial weights, order of the data, dropout"), "0", .group = GENERAL, .low = 0, .high = 9e18}},
    {CLI_THREADS, {"threads", 't', "N", CLI_WHOLE, offsetof(cli, threads), N_("threads to compute with; the result does not depend on it"), .usual = N_("all processors"), .group = GENERAL, .low = 1, .high = 1024}},
    {CLI_JSON, {"json", 0, NULL, CLI_FLAG, offsetof(cli, json), N_("print one JSON object a line; the last line is the result"), .group = GENERAL}},
    {CLI_QUIET, {"quiet", 'q', NULL, CLI_FLAG, offsetof(cli, quiet), N_("no progress and no remarks; errors are still told"), .group = GENERAL}},
    {0, {"color", 0, "WHEN", CLI_CHOICE, offsetof(cli, colour), N_("colours; auto: on a terminal, unless NO_COLOR is set"), "auto", .group = GENERAL, .choice = when_name}},
    {0, {"lang", 0, "LANGUAGE", CLI_CHOICE, offsetof(cli, lang), N_("language of the messages"), .usual = N_("as LC_ALL, LC_MESSAGES or LANG say"), .group = GENERAL, .choice = cli_language_name}},
    {0, {"help", 'h', NULL, CLI_FLAG, offsetof(cli, help), N_("show this help"), .group = GENERAL}},
};

static const cli_option *common_at(const cli_command *command, int i)
{
    for (size_t k = 0; k < COUNT(common); k++)
        if ((common[k].bit == 0 || (common[k].bit & command->common)) && i-- == 0)
            return &common[k].row;
    return NULL;
}

const cli_option *cli_row_at(const cli_command *command, int i)
{
    int n = 0;
    for (const cli_option *o = command->options; o && o->name; o++)
        if (n++ == i)
            return o;
    return common_at(command, i - n);
}

/* A row and the struct that its value goes to. */
typedef struct place {
    const cli_option *row;
    void *settings;
} place;

static int rows_of(cli *c, void *settings, place *rows)
{
    int n = 0;
    for (const cli_option *o = c->command->options; o && o->name; o++)
        rows[n++] = (place){o, settings};
    for (; cli_row_at(c->command, n); n++)
        rows[n] = (place){cli_row_at(c->command, n), c};
    return n;
}

/* ---- values */

static void put(const place *p, const void *value, size_t size)
{
    memcpy((char *)p->settings + p->row->at, value, size);
}

/* The range in words: "at least 1", "from 0 to 1". */
static void range_text(const cli_option *o, char out[96])
{
    char low[32], high[32];
    if (o->kind != CLI_NUMBER && o->high >= 1e9)
        snprintf(out, 96, _(N_("at least %s")), nn_number_text(o->low, low));
    else if (o->high >= HUGE_VAL)
        snprintf(out, 96, _(N_("at least %s")), nn_number_text(o->low, low));
    else
        snprintf(out, 96, _(N_("from %s to %s")), nn_number_text(o->low, low), nn_number_text(o->high, high));
}

static nilu_status bad_range(cli *c, const cli_option *o, const char *text)
{
    char range[96];
    range_text(o, range);
    return cli_fail(c, NILU_E_USAGE, _(N_("%s: --%s is %s, but must be %s")), c->command->name, o->name, text, range);
}

/* Whole numbers in words, exactly: an int64_t that a double could not hold is read as one. */
static bool whole(const char *text, int64_t *value)
{
    char *end;
    if (*text != '-' && (*text < '0' || *text > '9'))
        return false;
    long long v = strtoll(text, &end, 10);
    if (*end == 0 && v != INT64_MIN && v != INT64_MAX) {
        *value = v;
        return true;
    }
    double real; /* 1e6 */
    if (!nn_number(text, &real) || real != floor(real) || fabs(real) > 9e15)
        return false;
    *value = (int64_t)real;
    return true;
}

static nilu_status read_whole(cli *c, const cli_option *o, const char *text, int64_t *value)
{
    if (!whole(text, value))
        return cli_fail(c, NILU_E_USAGE, _(N_("%s: --%s wants a whole number, not \"%s\"")), c->command->name, o->name, text);
    if ((double)*value < o->low || (double)*value > o->high)
        return bad_range(c, o, text);
    return NILU_OK;
}

static nilu_status read_sizes(cli *c, const cli_option *o, const char *text, cli_sizes *sizes)
{
    *sizes = (cli_sizes){0};
    for (const char *p = text;; p++) {
        char part[32];
        size_t n = strcspn(p, ",");
        snprintf(part, sizeof part, "%.*s", n < sizeof part ? (int)n : (int)sizeof part - 1, p);
        if (sizes->n == (int)COUNT(sizes->at))
            return cli_fail(c, NILU_E_USAGE, _(N_("%s: --%s has more than %d numbers; write a model file for so deep a network")),
                            c->command->name, o->name, (int)COUNT(sizes->at));
        if (!whole(part, &sizes->at[sizes->n]))
            return cli_fail(c, NILU_E_USAGE, _(N_("%s: --%s wants whole numbers separated by commas, as in 512,256, not \"%s\"")),
                            c->command->name, o->name, text);
        if ((double)sizes->at[sizes->n] < o->low || (double)sizes->at[sizes->n] > o->high)
            return bad_range(c, o, part);
        sizes->n++;
        p += n;
        if (!*p)
            return NILU_OK;
    }
}

static nilu_status read_pair(cli *c, const place *p, const char *text)
{
    cli_pairs *pairs = (void *)((char *)p->settings + p->row->at);
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return cli_fail(c, NILU_E_USAGE, _(N_("%s: --%s wants a name and a file, as in x=a.npy, not \"%s\"")), c->command->name, p->row->name, text);
    if (pairs->n == (int)COUNT(pairs->at))
        return cli_fail(c, NILU_E_USAGE, _(N_("%s: --%s is given more than %d times")), c->command->name, p->row->name, (int)COUNT(pairs->at));
    pairs->at[pairs->n++] = text;
    return NILU_OK;
}

/* "did you mean X?" or all there is. */
static const char *suggestion(const char *wrong, const char *const *names, int n, char out[512])
{
    const char *near = base_nearest(wrong, names, (size_t)n);
    if (near) {
        snprintf(out, 512, _(N_("did you mean %s?")), near);
        return out;
    }
    size_t at = (size_t)snprintf(out, 512, "%s", _(N_("there are")));
    for (int i = 0; i < n && at + strlen(names[i]) + 8 < 512; i++)
        at += (size_t)snprintf(out + at, 512 - at, "%s %s", i ? "," : "", names[i]);
    return out;
}

static nilu_status read_choice(cli *c, const cli_option *o, const char *text)
{
    const char *names[256];
    char nearest[512];
    int n = 0;
    for (; n < (int)COUNT(names) && (names[n] = o->choice(n)); n++)
        if (strcmp(names[n], text) == 0)
            return NILU_OK;
    return cli_fail(c, NILU_E_USAGE, _(N_("%s: there is no %s \"%s\"; %s")), c->command->name, o->name, text,
                    suggestion(text, names, n, nearest));
}

static nilu_status read_value(cli *c, const place *p, const char *text)
{
    const cli_option *o = p->row;
    int64_t number;
    double real;
    bool yes = true;
    cli_sizes sizes;
    switch (o->kind) {
    case CLI_FLAG:
        put(p, &yes, sizeof yes);
        return NILU_OK;
    case CLI_CHOICE:
        NILU_TRY(read_choice(c, o, text));
        put(p, &text, sizeof text);
        return NILU_OK;
    case CLI_FILE:
    case CLI_FOLDER:
    case CLI_DATA:
        if (!*text)
            return cli_fail(c, NILU_E_USAGE, _(N_("%s: --%s wants a name, but it is empty")), c->command->name, o->name);
        put(p, &text, sizeof text);
        return NILU_OK;
    case CLI_WORD:
        put(p, &text, sizeof text);
        return NILU_OK;
    case CLI_WHOLE:
        NILU_TRY(read_whole(c, o, text, &number));
        put(p, &number, sizeof number);
        return NILU_OK;
    case CLI_NUMBER:
        if (!nn_number(text, &real))
            return cli_fail(c, NILU_E_USAGE, _(N_("%s: --%s wants a number, not \"%s\"")), c->command->name, o->name, text);
        if (!(real >= o->low && real <= o->high))
            return bad_range(c, o, text);
        put(p, &real, sizeof real);
        return NILU_OK;
    case CLI_SIZES:
        NILU_TRY(read_sizes(c, o, text, &sizes));
        put(p, &sizes, sizeof sizes);
        return NILU_OK;
    case CLI_PAIRS:
        return read_pair(c, p, text);
    }
    return NILU_OK;
}

/* What a row is before the line is read. */
static nilu_status put_default(cli *c, const place *p)
{
    int64_t unset = CLI_UNSET;
    double unsaid = NAN;
    if (p->row->otherwise)
        return read_value(c, p, p->row->otherwise);
    if (p->row->kind == CLI_WHOLE)
        put(p, &unset, sizeof unset);
    if (p->row->kind == CLI_NUMBER)
        put(p, &unsaid, sizeof unsaid);
    return NILU_OK; /* the rest is zero */
}

/* ---- the line */

static nilu_status no_such_option(cli *c, const place *rows, int n, const char *wrong)
{
    const char *names[MAX_ROWS];
    char word[64];
    size_t length = strcspn(wrong, "=");
    snprintf(word, sizeof word, "%.*s", length < sizeof word ? (int)length : (int)sizeof word - 1, wrong);
    for (int i = 0; i < n; i++)
        names[i] = rows[i].row->name;
    const char *near = base_nearest(word, names, (size_t)n);
    if (near)
        return cli_fail(c, NILU_E_USAGE, _(N_("%s: there is no option --%s; did you mean --%s?")), c->command->name, word, near);
    return cli_fail(c, NILU_E_USAGE, _(N_("%s: there is no option --%s; nilu help %s lists them")), c->command->name, word,
                    c->command->name);
}

/* getopt's complaint, said in our words. glibc leaves optopt 0 for a long option that is unknown or ambiguous, and else
 * what the option is called in the table. */
static nilu_status complain(cli *c, const place *rows, int n, int what, const char *wrong)
{
    const char *name = c->command->name;
    for (int i = 0; i < n && optopt; i++) {
        const cli_option *o = rows[i].row;
        if (optopt != (o->letter ? o->letter : LONG_ONLY + i))
            continue;
        if (what == ':')
            return cli_fail(c, NILU_E_USAGE, _(N_("%s: --%s wants a value: --%s %s")), name, o->name, o->name, o->argument);
        return cli_fail(c, NILU_E_USAGE, _(N_("%s: --%s takes no value; write it alone")), name, o->name);
    }
    if (optopt)
        return cli_fail(c, NILU_E_USAGE, _(N_("%s: there is no option -%c; nilu help %s lists them")), name, optopt, name);
    int alike = 0;
    for (int i = 0; i < n; i++)
        alike += strncmp(rows[i].row->name, wrong + 2, strcspn(wrong + 2, "=")) == 0;
    if (alike > 1)
        return cli_fail(c, NILU_E_USAGE, _(N_("%s: %s can be several options; write it out")), name, wrong);
    return no_such_option(c, rows, n, wrong + 2);
}

static nilu_status check_operands(cli *c, int n, char **operand)
{
    const cli_operand *row = c->command->operands;
    char synopsis[CLI_SYNOPSIS];
    int i = 0;
    for (; row && row->name; row++) {
        if (i >= n && !row->optional)
            return cli_fail(c, NILU_E_USAGE, _(N_("%s: %s is missing; the usage is: nilu %s")), c->command->name, row->name,
                            cli_synopsis(c->command, synopsis));
        if (row->many)
            return NILU_OK;
        i += i < n;
    }
    if (i < n)
        return cli_fail(c, NILU_E_USAGE, _(N_("%s: \"%s\" is one argument too many; nilu help %s says what it takes")),
                        c->command->name, operand[i], c->command->name);
    return NILU_OK;
}

nilu_status cli_parse(cli *c, void *settings, int argc, char **argv, int *n)
{
    place rows[MAX_ROWS];
    struct option longs[MAX_ROWS + 1];
    char letters[2 * MAX_ROWS + 2] = ":";
    int count = rows_of(c, settings, rows), at = 1;
    for (int i = 0; i < count; i++) {
        const cli_option *o = rows[i].row;
        bool takes = o->kind != CLI_FLAG;
        longs[i] = (struct option){o->name, takes ? required_argument : no_argument, NULL, o->letter ? o->letter : LONG_ONLY + i};
        if (o->letter)
            letters[at++] = o->letter;
        if (o->letter && takes)
            letters[at++] = ':';
        NILU_TRY(put_default(c, &rows[i]));
    }
    longs[count] = (struct option){0};
    letters[at] = 0;
    opterr = 0;
    optind = 0; /* glibc's way to start anew */
    for (;;) {
        int what = getopt_long(argc, argv, letters, longs, NULL);
        if (what < 0)
            break;
        if (what == '?' || what == ':')
            return complain(c, rows, count, what, argv[optind - 1]);
        for (int i = 0; i < count; i++) {
            if (what != (rows[i].row->letter ? rows[i].row->letter : LONG_ONLY + i))
                continue;
            if (rows[i].settings == settings)
                c->given |= (uint64_t)1 << i;
            NILU_TRY(read_value(c, &rows[i], optarg));
        }
    }
    *n = argc - optind;
    memmove(argv, argv + optind, (size_t)*n * sizeof *argv);
    argv[*n] = NULL;
    return c->help ? NILU_OK : check_operands(c, *n, argv);
}

bool cli_given(const cli *c, const char *name)
{
    int i = 0;
    for (const cli_option *o = c->command->options; o && o->name; o++, i++)
        if (strcmp(o->name, name) == 0)
            return c->given >> i & 1;
    return false;
}
