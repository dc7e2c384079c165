/* Aligned tables. Columns are as wide as their widest cell on the screen; two blanks stand between them. */
#include "cli.h"

#include <stdarg.h>
#include <string.h>

cli_table cli_table_new(nilu *nl, const char *align)
{
    return (cli_table){.nl = nl, .align = align};
}

void cli_cell(cli_table *t, const char *format, ...)
{
    char raw[512], text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    if (t->status == NILU_OK)
        t->status = base_grow(t->nl, &t->cell, &t->cap, t->cells + 1, sizeof *t->cell);
    if (t->status != NILU_OK)
        return;
    char *copy = base_strdup(t->nl, cli_clean(raw, text, sizeof text));
    if (copy)
        t->cell[t->cells++] = copy;
    else
        t->status = NILU_E_NO_MEMORY;
}

static void print_row(const cli_table *t, const cli_screen *s, int row, int columns, const int *width, int indent)
{
    fprintf(s->file, "%*s%s", indent, "", row == 0 ? cli_paint(s, CLI_BOLD) : "");
    int owed = 0; /* blanks are printed when something follows them, so that no line ends with some */
    for (int k = 0; k < columns && row * columns + k < t->cells; k++) {
        const char *cell = t->cell[row * columns + k];
        int pad = width[k] - cli_width(cell);
        bool right = t->align[k] == 'r';
        if (*cell) {
            fprintf(s->file, "%*s%s", owed + (right ? pad : 0), "", cell);
            owed = right ? 0 : pad;
        } else {
            owed += pad;
        }
        owed += 2;
    }
    fprintf(s->file, "%s\n", row == 0 ? cli_paint(s, CLI_PLAIN) : "");
}

void cli_table_free(cli_table *t)
{
    for (int i = 0; i < t->cells; i++)
        base_free(t->nl, t->cell[i]);
    base_free(t->nl, t->cell);
    *t = (cli_table){.nl = t->nl, .align = t->align};
}

nilu_status cli_table_print(cli_table *t, const cli_screen *s, int indent)
{
    int columns = (int)strlen(t->align), width[32] = {0};
    nilu_status status = t->status;
    for (int i = 0; i < t->cells && columns <= (int)COUNT(width); i++) {
        int w = cli_width(t->cell[i]);
        if (w > width[i % columns])
            width[i % columns] = w;
    }
    for (int row = 0; row * columns < t->cells && status == NILU_OK; row++)
        print_row(t, s, row, columns, width, indent);
    cli_table_free(t);
    return status;
}
