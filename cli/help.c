/* `nilu help`: what there is, and what each command takes, made from its rows. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

#define NAME_COLUMN 2
#define MOST_CHOICES 24 /* more are not listed */
#define MOST_NAME 30 /* longer options put their sentence on the next line */

const char *const cli_exit_codes[][2] = {
    {"0", N_("all went well")},
    {"1", N_("it failed")},
    {"2", N_("the command line is wrong")},
    {"3", N_("data, a model or a file are missing or damaged")},
    {"4", N_("training diverged: a value is no longer finite")},
    {"5", N_("a check failed: gradcheck, a hash, a run that does not fit its data")},
    {"75", N_("interrupted; the run can be continued with --resume")},
    {NULL, NULL},
};

const char *const cli_environment[][2] = {
    {"LC_ALL, LC_MESSAGES, LANG, LANGUAGE", N_("language of the messages; numbers are written with a point in all of them")},
    {"NO_COLOR", N_("where it is not empty, no colours are used")},
    {"COLORTERM", N_("truecolor or 24bit: pictures are shown in 24-bit colours")},
    {"COLUMNS", N_("width of the output")},
    {"XDG_CACHE_HOME", N_("data sets that were brought by nilu data get are kept in its folder nilu; else in ~/.cache/nilu")},
    {"NILU_ISA", N_("instruction set to compute with: portable, avx2, avx512, neon; unset, the best there is")},
    {NULL, NULL},
};

const char *cli_synopsis(const cli_command *command, char out[CLI_SYNOPSIS])
{
    size_t at = (size_t)snprintf(out, CLI_SYNOPSIS, "%s", command->name);
    for (const cli_operand *o = command->operands; o && o->name && at < CLI_SYNOPSIS; o++)
        at += (size_t)snprintf(out + at, CLI_SYNOPSIS - at, o->optional ? " [%s%s]" : " %s%s", o->name, o->many ? "..." : "");
    if (at < CLI_SYNOPSIS)
        snprintf(out + at, CLI_SYNOPSIS - at, " [%s]", _(N_("options")));
    return out;
}

/* "  -e, --epochs N" */
static void option_name(const cli_option *o, char out[96])
{
    if (o->letter)
        snprintf(out, 96, "-%c, --%s%s%s", o->letter, o->name, o->argument ? " " : "", o->argument ? o->argument : "");
    else
        snprintf(out, 96, "    --%s%s%s", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
}

static void heading(const cli_screen *s, const char *text)
{
    fprintf(s->file, "\n%s", cli_paint(s, CLI_BOLD));
    fprintf(s->file, _(N_("%s:")), text);
    fprintf(s->file, "%s\n", cli_paint(s, CLI_PLAIN));
}

/* A name in the left column, and what it means in the right one. */
static void entry(const cli_screen *s, int column, const char *name, const char *text)
{
    fprintf(s->file, "%*s%s", NAME_COLUMN, "", name);
    int at = NAME_COLUMN + cli_width(name);
    if (at + 2 > column) {
        fputc('\n', s->file);
        at = 0;
    }
    fprintf(s->file, "%*s", column - at, "");
    cli_wrap(s->file, text, column, column, s->columns);
    fputc('\n', s->file);
}

static int longest_option(const cli_option *o, int most)
{
    char name[96];
    option_name(o, name);
    int width = cli_width(name);
    return width > most && width <= MOST_NAME ? width : most;
}

static int option_column(const cli_command *command)
{
    int most = 0;
    for (int i = 0; cli_row_at(command, i); i++)
        most = longest_option(cli_row_at(command, i), most);
    return most + NAME_COLUMN + 2;
}

const char *cli_option_text(const cli_option *o, char out[CLI_OPTION_TEXT])
{
    const char *otherwise = o->otherwise ? o->otherwise : o->usual ? _(o->usual) : NULL;
    char choices[CLI_OPTION_TEXT] = "";
    size_t at = 0;
    int n = 0;
    while (o->kind == CLI_CHOICE && o->choice(n))
        n++;
    for (int i = 0; i < n && n <= MOST_CHOICES && at < sizeof choices; i++)
        at += (size_t)snprintf(choices + at, sizeof choices - at, "%s%s", i ? ", " : "", o->choice(i));
    if (*choices)
        at = (size_t)snprintf(out, CLI_OPTION_TEXT, _(N_("%s: %s")), _(o->help), choices);
    else
        at = (size_t)snprintf(out, CLI_OPTION_TEXT, "%s", _(o->help));
    if (otherwise && at < CLI_OPTION_TEXT)
        snprintf(out + at, CLI_OPTION_TEXT - at, " [%s]", otherwise);
    return out;
}

static void option_entry(const cli_screen *s, int column, const cli_option *o)
{
    char name[96], text[CLI_OPTION_TEXT];
    option_name(o, name);
    entry(s, column, name, cli_option_text(o, text));
}

/* A heading where a new group begins. */
static void group(const cli_screen *s, const cli_option *o, const char **last)
{
    if (o->group && (!*last || strcmp(o->group, *last) != 0))
        heading(s, _(o->group));
    *last = o->group ? o->group : *last;
}

static void one(const cli_screen *s, const cli_command *command)
{
    char synopsis[CLI_SYNOPSIS], about[256];
    FILE *f = s->file;
    fprintf(f, "%snilu %s%s\n\n", cli_paint(s, CLI_BOLD), cli_synopsis(command, synopsis), cli_paint(s, CLI_PLAIN));
    snprintf(about, sizeof about, _(N_("%s.")), _(command->about));
    cli_wrap(f, about, 0, 0, s->columns);
    fputc('\n', f);
    for (int i = 0; command->story && command->story[i]; i++) {
        fputc('\n', f);
        cli_wrap(f, _(command->story[i]), 0, 0, s->columns);
        fputc('\n', f);
    }
    int column = option_column(command);
    if (command->operands && command->operands->name)
        heading(s, _(N_("Arguments")));
    for (const cli_operand *o = command->operands; o && o->name; o++)
        entry(s, column, o->name, _(o->help));
    const char *last = NULL;
    for (int i = 0; cli_row_at(command, i); i++) {
        group(s, cli_row_at(command, i), &last);
        option_entry(s, column, cli_row_at(command, i));
    }
    if (command->examples && command->examples->line)
        heading(s, _(N_("Examples")));
    for (const cli_example *e = command->examples; e && e->line; e++)
        fprintf(f, "  %s\n      %s%s%s\n", e->line, cli_paint(s, CLI_DIM), _(e->about), cli_paint(s, CLI_PLAIN));
}

static void all(const cli_screen *s)
{
    FILE *f = s->file;
    fprintf(f, "%snilu %s%s\n\n", cli_paint(s, CLI_BOLD), _(N_("COMMAND [options]")), cli_paint(s, CLI_PLAIN));
    cli_wrap(f, _(N_("Trains neural networks by backpropagation, and says who is to blame for a mistake.")), 0, 0, s->columns);
    fputc('\n', f);
    heading(s, _(N_("Commands")));
    int column = 0;
    for (int i = 0; cli_command_at(i); i++)
        if (cli_width(cli_command_name(i)) + 4 > column)
            column = cli_width(cli_command_name(i)) + 4;
    for (int i = 0; cli_command_at(i); i++)
        entry(s, column, cli_command_name(i), _(cli_command_at(i)->about));
    fputc('\n', f);
    cli_wrap(f, _(N_("nilu help COMMAND says what a command takes. Start with: nilu train digits")), 0, 0, s->columns);
    fputc('\n', f);
}

void cli_print_help(const cli *c, const cli_command *command, FILE *f)
{
    cli_screen s = c->out;
    s.file = f;
    if (command)
        one(&s, command);
    else
        all(&s);
}

/* ---- the command */

struct help {
    bool man;
    const char *completion, *write;
};

static const char *shell_name(int i)
{
    static const char *const names[] = {"bash", "zsh", "fish"};
    return i >= 0 && i < (int)COUNT(names) ? names[i] : NULL;
}

/* Writes one page or script under `folder`. */
static nilu_status write_file(cli *c, const char *folder, const char *name, void (*print)(const void *, FILE *), const void *what)
{
    base_output o;
    char *path = base_format(c->nl, "%s/%s", folder, name), *text = NULL;
    size_t n = 0;
    nilu_status status = path ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        char *slash = strrchr(path, '/');
        *slash = 0;
        status = base_make_dirs(c->nl, path);
        *slash = '/';
    }
    if (status == NILU_OK)
        status = base_create(c->nl, path, &o);
    if (status == NILU_OK) {
        FILE *f = open_memstream(&text, &n);
        if (f) {
            print(what, f);
            fclose(f);
            base_write(&o, text, n);
            status = base_commit(&o);
        } else {
            base_discard(&o);
            status = base_no_memory(c->nl, 0);
        }
        free(text);
    }
    base_free(c->nl, path);
    return status;
}

static void print_man(const void *command, FILE *f)
{
    cli_man(command, f);
}

static void print_completion(const void *shell, FILE *f)
{
    cli_complete(shell, f);
}

static nilu_status write_pages(cli *c, const char *folder, const char *language)
{
    char man[64], name[160];
    snprintf(man, sizeof man, strcmp(language, "en") == 0 ? "man/man1" : "man/%s/man1", language);
    snprintf(name, sizeof name, "%s/nilu.1", man);
    NILU_TRY(write_file(c, folder, name, print_man, NULL));
    for (int i = 0; cli_command_at(i); i++) {
        size_t at = (size_t)snprintf(name, sizeof name, "%s/nilu-%s.1", man, cli_command_name(i));
        for (size_t k = strlen(man); k < at && k < sizeof name; k++)
            if (name[k] == ' ')
                name[k] = '-';
        NILU_TRY(write_file(c, folder, name, print_man, cli_command_at(i)));
    }
    return NILU_OK;
}

static nilu_status write_all(cli *c, const char *folder)
{
    static const char *const scripts[][2] = {{"bash", "bash-completion/completions/nilu"},
                                             {"zsh", "zsh/site-functions/_nilu"},
                                             {"fish", "fish/vendor_completions.d/nilu.fish"}};
    for (int i = 0; cli_language_name(i); i++) {
        cli_language(cli_language_name(i), c->locale_dir);
        NILU_TRY(write_pages(c, folder, cli_language_name(i)));
    }
    cli_language("en", c->locale_dir);
    for (size_t i = 0; i < COUNT(scripts); i++)
        NILU_TRY(write_file(c, folder, scripts[i][1], print_completion, scripts[i][0]));
    return NILU_OK;
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    const struct help *h = settings;
    const cli_command *command = NULL;
    int words = 0;
    if (h->write)
        return write_all(c, h->write);
    if (h->completion) {
        cli_complete(h->completion, stdout);
        return NILU_OK;
    }
    if (n > 0) {
        command = cli_command_find(n, operand, &words);
        if (!command)
            return NILU_E_USAGE;
        if (words < n)
            return cli_fail(c, NILU_E_USAGE, _(N_("help: \"%s\" is one argument too many; name one command")), operand[words]);
    }
    if (h->man)
        cli_man(command, stdout);
    else
        cli_print_help(c, command, stdout);
    return NILU_OK;
}

static const cli_operand operands[] = {
    {"COMMAND", CLI_CHOICE, N_("the command that is asked about; without it, all are listed"), .optional = true, .many = true, .choice = cli_command_name},
    {0},
};

#define AT(field) offsetof(struct help, field)
static const cli_option options[] = {
    {"man", 'm', NULL, CLI_FLAG, AT(man), N_("print the man page, for man -l -"), .group = N_("Output")},
    {"completion", 0, "SHELL", CLI_CHOICE, AT(completion), N_("print the completion of a shell"), .choice = shell_name},
    {"write", 0, "FOLDER", CLI_FOLDER, AT(write), N_("write all man pages and completions below FOLDER")},
    {0},
};

static const cli_example examples[] = {
    {"nilu help train", N_("what train takes")},
    {"nilu help --man train | man -l -", N_("its man page")},
    {"source <(nilu help --completion bash)", N_("completion in this shell")},
    {0},
};

const cli_command command_help = {
    .name = "help", .about = N_("Says what nilu can do and what each command takes"), .operands = operands,
    .options = options, .examples = examples, .run = run,
};
