/* Shell completion, made from the rows: commands, options, and what a value may be. */
#include "cli.h"

#include <string.h>

/* ---- words shared by the shells */

/* "data show" is two words to the shell; its first word stands once. */
static bool first_of_its_word(int i)
{
    const char *name = cli_command_name(i);
    size_t n = strcspn(name, " ");
    for (int k = 0; k < i; k++)
        if (strncmp(cli_command_name(k), name, n) == 0 && strcspn(cli_command_name(k), " ") == n)
            return false;
    return true;
}

static void put_first_words(FILE *f)
{
    for (int i = 0; cli_command_at(i); i++)
        if (first_of_its_word(i))
            fprintf(f, "%s%.*s", i ? " " : "", (int)strcspn(cli_command_name(i), " "), cli_command_name(i));
}

/* What follows the word `first`, such as show, get, list behind data. */
static void put_second_words(FILE *f, const char *first, size_t n)
{
    bool any = false;
    for (int i = 0; cli_command_at(i); i++) {
        const char *name = cli_command_name(i);
        if (strncmp(name, first, n) != 0 || name[n] != ' ')
            continue;
        fprintf(f, "%s%s", any ? " " : "", name + n + 1);
        any = true;
    }
}

/* Texts inside single quotes. */
static void put_quoted(FILE *f, const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p == '\'')
            fputs("'\\''", f);
        else
            fputc(*p, f);
}

static void put_choices(FILE *f, const char *(*choice)(int))
{
    for (int i = 0; choice && choice(i); i++)
        fprintf(f, "%s%s", i ? " " : "", choice(i));
}

/* ---- bash */

static void bash_values(FILE *f, const cli_command *command)
{
    for (int i = 0; cli_row_at(command, i); i++) {
        const cli_option *o = cli_row_at(command, i);
        if (o->kind == CLI_FLAG)
            continue;
        fprintf(f, "        '%s --%s'", command->name, o->name);
        if (o->letter)
            fprintf(f, "|'%s -%c'", command->name, o->letter);
        fputs(") ", f);
        if (o->kind == CLI_CHOICE) {
            fputs("COMPREPLY=($(compgen -W '", f);
            put_choices(f, o->choice);
            fputs("' -- \"$word\"));", f);
        } else if (o->kind == CLI_FOLDER) {
            fputs("COMPREPLY=($(compgen -d -- \"$word\"));", f);
        } else if (o->kind == CLI_FILE || o->kind == CLI_DATA) {
            fputs("COMPREPLY=($(compgen -f -- \"$word\"));", f);
        }
        fputs(" return ;;\n", f);
    }
}

static void bash_words(FILE *f, const cli_command *command)
{
    fprintf(f, "        '%s') words='", command->name);
    for (int i = 0; cli_row_at(command, i); i++)
        fprintf(f, "%s--%s", i ? " " : "", cli_row_at(command, i)->name);
    fputs("'; names='", f);
    const cli_operand *o = command->operands;
    if (o && o->name)
        put_choices(f, o->choice);
    fprintf(f, "'; kind=%s ;;\n", !o || !o->name || o->kind == CLI_CHOICE ? "none" : o->kind == CLI_FOLDER ? "folder" : "file");
}

static void bash(FILE *f)
{
    fputs("# completion of nilu in bash\n_nilu() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command words names kind i=1\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W '", f);
    put_first_words(f);
    fputs("' -- \"$word\"))\n        return\n    fi\n    command=${COMP_WORDS[1]}\n    case $command in\n", f);
    for (int i = 0; cli_command_at(i); i++) {
        const char *name = cli_command_name(i);
        size_t n = strcspn(name, " ");
        if (!name[n] || !first_of_its_word(i))
            continue;
        fprintf(f, "        %.*s)\n            if [ \"$COMP_CWORD\" -eq 2 ]; then\n                COMPREPLY=($(compgen -W '", (int)n, name);
        put_second_words(f, name, n);
        fputs("' -- \"$word\"))\n                return\n            fi\n            command=\"$command ${COMP_WORDS[2]}\" ;;\n", f);
    }
    fputs("    esac\n    case \"$command $before\" in\n", f);
    for (int i = 0; cli_command_at(i); i++)
        bash_values(f, cli_command_at(i));
    fputs("    esac\n    case $command in\n", f);
    for (int i = 0; cli_command_at(i); i++)
        bash_words(f, cli_command_at(i));
    fputs("        *) return ;;\n    esac\n"
          "    case $word in\n        -*) COMPREPLY=($(compgen -W \"$words\" -- \"$word\")); return ;;\n    esac\n"
          "    COMPREPLY=($(compgen -W \"$names\" -- \"$word\"))\n"
          "    case $kind in\n"
          "        file) COMPREPLY+=($(compgen -f -- \"$word\")) ;;\n"
          "        folder) COMPREPLY+=($(compgen -d -- \"$word\")) ;;\n    esac\n"
          "}\ncomplete -o filenames -F _nilu nilu\n", f);
}

/* ---- zsh */

static void zsh_option(FILE *f, const cli_option *o)
{
    if (o->letter)
        fprintf(f, "        {-%c,--%s}", o->letter, o->name);
    else
        fprintf(f, "        --%s", o->name);
    fputs("'[", f);
    for (const char *p = o->help; *p; p++)
        if (*p == '[' || *p == ']' || *p == ':')
            fprintf(f, "\\%c", *p);
        else if (*p == '\'')
            fputs("'\\''", f);
        else
            fputc(*p, f);
    fputc(']', f);
    if (o->kind != CLI_FLAG) {
        fprintf(f, ":%s:", o->argument);
        if (o->kind == CLI_CHOICE) {
            fputc('(', f);
            put_choices(f, o->choice);
            fputc(')', f);
        } else if (o->kind == CLI_FOLDER) {
            fputs("_files -/", f);
        } else if (o->kind == CLI_FILE || o->kind == CLI_DATA) {
            fputs("_files", f);
        }
    }
    fputs("' \\\n", f);
}

static void zsh(FILE *f)
{
    fputs("#compdef nilu\n# completion of nilu in zsh\n_nilu() {\n    local command=${words[2]}\n"
          "    if (( CURRENT == 2 )); then\n        compadd ", f);
    put_first_words(f);
    fputs("\n        return\n    fi\n    case $command in\n", f);
    for (int i = 0; cli_command_at(i); i++) {
        const char *name = cli_command_name(i);
        size_t n = strcspn(name, " ");
        if (!name[n] || !first_of_its_word(i))
            continue;
        fprintf(f, "        %.*s)\n            if (( CURRENT == 3 )); then\n                compadd ", (int)n, name);
        put_second_words(f, name, n);
        fputs("\n                return\n            fi\n            command=\"$command ${words[3]}\"\n"
              "            shift words; (( CURRENT-- )) ;;\n", f);
    }
    fputs("    esac\n    shift words; (( CURRENT-- ))\n    case $command in\n", f);
    for (int i = 0; cli_command_at(i); i++) {
        const cli_command *command = cli_command_at(i);
        fprintf(f, "    '%s') _arguments \\\n", command->name);
        for (int k = 0; cli_row_at(command, k); k++)
            zsh_option(f, cli_row_at(command, k));
        const cli_operand *o = command->operands;
        if (o && o->name && o->choice) {
            fputs("        '*:: :(", f);
            put_choices(f, o->choice);
            fputs(")' ;;\n", f);
        } else {
            fputs("        '*::file:_files' ;;\n", f);
        }
    }
    fputs("    esac\n}\n_nilu \"$@\"\n", f);
}

/* ---- fish */

static void fish_option(FILE *f, const char *command, const cli_option *o)
{
    size_t n = strcspn(command, " ");
    fprintf(f, "complete -c nilu -n '__fish_seen_subcommand_from %.*s", (int)n, command);
    if (command[n])
        fprintf(f, "; and __fish_seen_subcommand_from %s", command + n + 1);
    fprintf(f, "' -l %s", o->name);
    if (o->letter)
        fprintf(f, " -s %c", o->letter);
    if (o->kind == CLI_CHOICE) {
        fputs(" -x -a '", f);
        put_choices(f, o->choice);
        fputc('\'', f);
    } else if (o->kind == CLI_FILE || o->kind == CLI_FOLDER || o->kind == CLI_DATA) {
        fputs(" -r -F", f);
    } else if (o->kind != CLI_FLAG) {
        fputs(" -x", f);
    }
    fputs(" -d '", f);
    put_quoted(f, o->help);
    fputs("'\n", f);
}

static void fish(FILE *f)
{
    fputs("# completion of nilu in fish\n", f);
    for (int i = 0; cli_command_at(i); i++) {
        const char *name = cli_command_name(i);
        size_t n = strcspn(name, " ");
        if (first_of_its_word(i))
            fprintf(f, "complete -c nilu -f -n __fish_use_subcommand -a '%.*s'", (int)n, name);
        if (first_of_its_word(i) && !name[n]) {
            fputs(" -d '", f);
            put_quoted(f, cli_command_at(i)->about);
            fputc('\'', f);
        }
        if (first_of_its_word(i))
            fputc('\n', f);
        if (name[n]) {
            fprintf(f, "complete -c nilu -f -n '__fish_seen_subcommand_from %.*s' -a '%s' -d '", (int)n, name, name + n + 1);
            put_quoted(f, cli_command_at(i)->about);
            fputs("'\n", f);
        }
        for (int k = 0; cli_row_at(cli_command_at(i), k); k++)
            fish_option(f, name, cli_row_at(cli_command_at(i), k));
    }
}

void cli_complete(const char *shell, FILE *f)
{
    if (strcmp(shell, "bash") == 0)
        bash(f);
    else if (strcmp(shell, "zsh") == 0)
        zsh(f);
    else
        fish(f);
}
