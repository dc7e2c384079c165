/* nilu, the command: finds the subcommand, reads its line, makes a context, and turns what it returns into an exit code. */
#include "cli.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *cli_text(const char *msgid)
{
    return base_text(msgid);
}

/* ---- the table */

static const cli_command *const commands[] = {
#define CLI_COMMAND(name) &command_##name,
#include "commands.inc"
#undef CLI_COMMAND
};

const cli_command *cli_command_at(int i)
{
    return i >= 0 && i < (int)COUNT(commands) ? commands[i] : NULL;
}

const char *cli_command_name(int i)
{
    return cli_command_at(i) ? cli_command_at(i)->name : NULL;
}

/* Does the line begin with the words of `name`? How many those are; 0: no. */
static int matches(const char *name, int argc, char **argv)
{
    int words = 0;
    while (*name && words < argc) {
        size_t n = strcspn(name, " ");
        if (strlen(argv[words]) != n || strncmp(argv[words], name, n) != 0)
            return 0;
        words++;
        name += n + (name[n] == ' ');
    }
    return *name ? 0 : words;
}

const cli_command *cli_command_find(int argc, char **argv, int *words)
{
    for (size_t i = 0; i < COUNT(commands); i++) {
        *words = matches(commands[i]->name, argc, argv);
        if (*words)
            return commands[i];
    }
    return NULL;
}

/* There is no such command: what was probably meant, or what may follow "data". */
static nilu_status no_such_command(cli *c, int argc, char **argv)
{
    const char *names[COUNT(commands)], *wrong = argv[0];
    char list[256] = "", both[160];
    size_t at = 0, first = strlen(argv[0]);
    int n = 0;
    for (size_t i = 0; i < COUNT(commands); i++) {
        const char *name = commands[i]->name;
        if (strncmp(name, argv[0], first) == 0 && name[first] == ' ' && at < sizeof list)
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", at ? ", " : "", name + first + 1);
        names[n++] = name;
    }
    if (*list && argc == 1)
        return cli_fail(c, NILU_E_USAGE, _(N_("%s wants one of: %s")), argv[0], list);
    if (*list) {
        snprintf(both, sizeof both, "%.64s %.64s", argv[0], argv[1]);
        wrong = both;
    }
    if (*wrong == '-')
        return cli_fail(c, NILU_E_USAGE, _(N_("a command comes first, and its options behind it: nilu COMMAND %s")), wrong);
    const char *near = base_nearest(wrong, names, (size_t)n);
    if (near)
        return cli_fail(c, NILU_E_USAGE, _(N_("there is no command %s; did you mean %s?")), wrong, near);
    if (*list)
        return cli_fail(c, NILU_E_USAGE, _(N_("%s wants one of: %s")), argv[0], list);
    return cli_fail(c, NILU_E_USAGE, _(N_("there is no command \"%s\"; nilu help lists them")), wrong);
}

/* ---- telling */

static void tell(cli *c, nilu_status status, const char *text)
{
    char clean[2600];
    fflush(stdout);
    fprintf(stderr, "nilu: %s\n", cli_clean(text, clean, sizeof clean));
    c->said = true;
    if (c->json && !c->done)
        cli_emit(c, "error", json_pack("{s:s, s:s, s:i}", "status", cli_status_name(status), "message", clean, "exit",
                                       nilu_status_exit(status)));
}

nilu_status cli_fail(cli *c, nilu_status status, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tell(c, status, text);
    return status;
}

void cli_note(const cli *c, const char *format, ...)
{
    char text[2048], clean[2600];
    va_list args;
    if (c->quiet)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(c->err.file, "%s\n", cli_clean(text, clean, sizeof clean));
}

const char *cli_status_name(nilu_status status)
{
    switch (status) {
    case NILU_OK:
        return "OK";
#define NILU_ERROR(code, value, exit, text)                                                                            \
    case NILU_E_##code:                                                                                                \
        return #code;
#include "nilu/err.inc"
#undef NILU_ERROR
    }
    return "";
}

/* ---- JSON */

json_t *cli_real(double value)
{
    return value - value == 0 ? json_real(value) : json_null();
}

bool cli_merge(json_t *fields, json_t *more)
{
    bool done = fields && more && json_object_update(fields, more) == 0;
    json_decref(more);
    return done;
}

nilu_status cli_emit(cli *c, const char *event, json_t *fields)
{
    json_t *line = json_object();
    char *text = NULL;
    if (fields && line && json_object_set_new(line, "event", json_string(event)) == 0 && json_object_update(line, fields) == 0)
        text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(12));
    json_decref(line);
    json_decref(fields);
    if (!text)
        return c->nl ? base_no_memory(c->nl, 0) : NILU_E_NO_MEMORY;
    puts(text);
    fflush(stdout);
    c->done = strcmp(event, "result") == 0;
    free(text);
    return NILU_OK;
}

/* ---- the process */

/* When the process began: now, less what it has computed since. That counts the loading of libraries, which is before main. */
static double process_start(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return base_now() - ((double)used.tv_sec + 1e-9 * (double)used.tv_nsec);
}

/* Processors that this process may run on: taskset and containers allow fewer than there are. */
static int processors(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > 1024 ? 1024 : n;
}

static nilu_status make_context(cli *c)
{
    nilu_options o = NILU_OPTIONS_DEFAULT;
    const char *why;
    o.threads = c->threads == CLI_UNSET || c->threads == 0 ? processors() : (int)c->threads;
    o.seed = (uint64_t)c->seed;
    o.isa = getenv("NILU_ISA");
    if (o.isa && !*o.isa)
        o.isa = NULL;
    c->nl = nilu_new(&o, &why);
    if (!c->nl)
        return cli_fail(c, NILU_E_NO_MEMORY, "%s", why);
    if (o.isa && strcmp(nilu_isa(c->nl), o.isa) != 0)
        return cli_fail(c, NILU_E_USAGE, _(N_("NILU_ISA is %s, which this machine or this build does not have; unset it")), o.isa);
    c->cache_dir = cli_cache_dir(c->nl);
    return c->cache_dir ? NILU_OK : NILU_E_NO_MEMORY;
}

/* Options that matter before the line can be read: in which language to complain about it. */
static const char *early(int argc, char **argv, const char *option)
{
    size_t n = strlen(option);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], option, n) == 0 && argv[i][n] == '=')
            return argv[i] + n + 1;
        if (strcmp(argv[i], option) == 0 && i + 1 < argc)
            return argv[i + 1];
    }
    return NULL;
}

static nilu_status run(cli *c, int argc, char **argv)
{
    static _Alignas(16) char settings[CLI_SETTINGS_MAX];
    int words = 0, n = 0;
    c->command = cli_command_find(argc, argv, &words);
    if (!c->command)
        return no_such_command(c, argc, argv);
    /* The last word of the name stands where getopt expects the program's. */
    NILU_TRY(cli_parse(c, settings, argc - words + 1, argv + words - 1, &n));
    c->out = cli_screen_of(stdout, c->colour, c->out.utf8);
    c->err = cli_screen_of(stderr, c->colour, c->err.utf8);
    if (c->help) {
        cli_print_help(c, c->command, stdout);
        return NILU_OK;
    }
    NILU_TRY(make_context(c));
    return c->command->run(c, settings, n, argv + words - 1);
}

int main(int argc, char **argv)
{
    cli c = {.started = process_start(), .colour = "auto"};
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of the write, not the end of the process */
    cli_places(&c);
    bool utf8 = cli_language(early(argc, argv, "--lang"), c.locale_dir);
    c.out = cli_screen_of(stdout, "auto", utf8);
    c.err = cli_screen_of(stderr, "auto", utf8);
    int at = 1; /* --lang may stand before the command, too */
    while (at + 1 < argc && strcmp(argv[at], "--lang") == 0)
        at += 2;
    while (at < argc && strncmp(argv[at], "--lang=", 7) == 0)
        at++;
    nilu_status status = NILU_OK;
    if (at >= argc) {
        cli_print_help(&c, NULL, stderr);
        status = NILU_E_USAGE;
        c.said = true;
    } else {
        if (strcmp(argv[at], "--version") == 0 || strcmp(argv[at], "-V") == 0)
            argv[at] = (char *)"version";
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)
            argv[at] = (char *)"help";
        status = run(&c, argc - at, argv + at);
    }
    if (status != NILU_OK && !c.said)
        tell(&c, status, c.nl && *nilu_errmsg(c.nl) ? nilu_errmsg(c.nl) : nilu_status_text(status));
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, _(N_("nilu: standard output cannot be written: %s\n")), strerror(errno));
        status = status == NILU_OK ? NILU_E_FILE_WRITE : status;
    }
    if (c.nl)
        base_free(c.nl, c.cache_dir);
    nilu_free(c.nl);
    return nilu_status_exit(status);
}
