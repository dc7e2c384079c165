/* Man pages in roff, made from the rows of a command. A page says all that the help says, and describes the JSON. */
#include "cli.h"

#include <string.h>

/* Text in roff: backslashes, hyphens that must be copied as such, and a point or quote at the start of a line. */
static void put(FILE *f, const char *text)
{
    for (const char *p = text; *p; p++) {
        bool starts = p == text || p[-1] == '\n';
        if (starts && (*p == '.' || *p == '\''))
            fputs("\\&", f);
        if (*p == '\\')
            fputs("\\e", f);
        else if (*p == '-')
            fputs("\\-", f);
        else
            fputc(*p, f);
    }
}

static void section(FILE *f, const char *title)
{
    fprintf(f, ".SH \"%s\"\n", title);
}

static void paragraph(FILE *f, const char *text)
{
    fputs(".PP\n", f);
    put(f, text);
    fputc('\n', f);
}

/* A term in bold, an argument in italics behind it, and what it means. */
static void item(FILE *f, const char *term, const char *argument, const char *text)
{
    fputs(".TP\n\\fB", f);
    put(f, term);
    fputs("\\fR", f);
    if (argument) {
        fputs(" \\fI", f);
        put(f, argument);
        fputs("\\fR", f);
    }
    fputc('\n', f);
    put(f, text);
    fputc('\n', f);
}

static void option(FILE *f, const cli_option *o)
{
    char term[64], text[CLI_OPTION_TEXT];
    if (o->letter)
        snprintf(term, sizeof term, "-%c, --%s", o->letter, o->name);
    else
        snprintf(term, sizeof term, "--%s", o->name);
    item(f, term, o->argument, cli_option_text(o, text));
}

static void options(FILE *f, const cli_command *command)
{
    section(f, _(N_("OPTIONS")));
    const char *last = NULL;
    for (int i = 0; cli_row_at(command, i); i++) {
        const cli_option *o = cli_row_at(command, i);
        if (o->group && (!last || strcmp(o->group, last) != 0))
            fprintf(f, ".SS \"%s\"\n", _(o->group));
        last = o->group ? o->group : last;
        option(f, o);
    }
}

static void json(FILE *f, const cli_field *fields)
{
    char type[96];
    section(f, "JSON");
    paragraph(f, _(N_("With --json standard output has one JSON object a line (UTF-8). Its field event says which kind it is; the "
                      "last line's is result, or error with the fields status, message and exit. Numbers that are not finite "
                      "are null. Fields may be added; those that are here stay.")));
    for (const cli_field *r = fields; r->event; r++) {
        if (r == fields || strcmp(r->event, r[-1].event) != 0) {
            fputs(".SS ", f);
            put(f, r->event);
            fputc('\n', f);
        }
        snprintf(type, sizeof type, "%s", r->type);
        item(f, r->name, type, _(r->help));
    }
}

static void pairs(FILE *f, const char *title, const char *const (*rows)[2])
{
    section(f, title);
    for (int i = 0; rows[i][0]; i++)
        item(f, rows[i][0], NULL, _(rows[i][1]));
}

static void examples(FILE *f, const cli_example *e)
{
    section(f, _(N_("EXAMPLES")));
    for (; e->line; e++)
        item(f, e->line, NULL, _(e->about));
}

/* "nilu-data-show" */
static const char *page_name(const char *command, char out[64])
{
    snprintf(out, 64, "nilu%s%s", command ? "-" : "", command ? command : "");
    for (char *p = out; *p; p++)
        *p = *p == ' ' ? '-' : *p;
    return out;
}

static void see_also(FILE *f, const cli_command *but)
{
    char name[64];
    section(f, _(N_("SEE ALSO")));
    fputs(".nh\n", f);
    if (but)
        fputs("\\fBnilu\\fR(1)", f);
    for (int i = 0, first = !but; cli_command_at(i); i++) {
        if (cli_command_at(i) == but)
            continue;
        fputs(first ? "" : ",\n", f);
        fputs("\\fB", f);
        put(f, page_name(cli_command_name(i), name));
        fputs("\\fR(1)", f);
        first = 0;
    }
    fputc('\n', f);
}

static void head(FILE *f, const cli_command *command, const char *about)
{
    char name[64];
    page_name(command ? command->name : NULL, name);
    fputs(".TH \"", f);
    for (const char *p = name; *p; p++)
        fputc(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p, f);
    fprintf(f, "\" \"1\" \"\" \"nilu %s\" \"nilu\"\n", NILU_VERSION);
    fputs(".ad l\n", f);
    section(f, _(N_("NAME")));
    put(f, name);
    fputs(" \\- ", f);
    put(f, about);
    fputc('\n', f);
}

static void overview(FILE *f)
{
    head(f, NULL, _(N_("trains neural networks by backpropagation, and says who is to blame for a mistake")));
    section(f, _(N_("SYNOPSIS")));
    fprintf(f, "\\fBnilu\\fR \\fI%s\\fR\n", _(N_("COMMAND [options]")));
    section(f, _(N_("DESCRIPTION")));
    paragraph(f, _(N_("A network is trained on a data set, and a run is kept in a folder: its settings, what happened, and the "
                      "weights. The other commands look into that folder. The same run gives the same bits with any number "
                      "of threads, and interrupted and continued the same as undisturbed.")));
    section(f, _(N_("COMMANDS")));
    for (int i = 0; cli_command_at(i); i++)
        item(f, cli_command_name(i), NULL, _(cli_command_at(i)->about));
    pairs(f, _(N_("EXIT STATUS")), cli_exit_codes);
    pairs(f, _(N_("ENVIRONMENT")), cli_environment);
    see_also(f, NULL);
}

void cli_man(const cli_command *command, FILE *f)
{
    if (!command) {
        overview(f);
        return;
    }
    char synopsis[CLI_SYNOPSIS], about[256];
    head(f, command, _(command->about));
    section(f, _(N_("SYNOPSIS")));
    fputs("\\fBnilu\\fR ", f);
    put(f, cli_synopsis(command, synopsis));
    fputc('\n', f);
    section(f, _(N_("DESCRIPTION")));
    snprintf(about, sizeof about, _(N_("%s.")), _(command->about));
    paragraph(f, about);
    for (int i = 0; command->story && command->story[i]; i++)
        paragraph(f, _(command->story[i]));
    if (command->operands && command->operands->name) {
        section(f, _(N_("ARGUMENTS")));
        for (const cli_operand *o = command->operands; o->name; o++)
            item(f, o->name, NULL, _(o->help));
    }
    options(f, command);
    if (command->fields)
        json(f, command->fields);
    pairs(f, _(N_("EXIT STATUS")), cli_exit_codes);
    if (command->examples)
        examples(f, command->examples);
    see_also(f, command);
}
