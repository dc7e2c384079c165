/* A bar that shows how much of the work is done and how long the rest will take. Only on a terminal: a log gets lines. */
#include "cli.h"

#include <string.h>

#define BAR 20
#define BETWEEN 0.1 /* seconds between two drawings: what the eye can follow costs nothing */

static void draw_bar(const cli_screen *s, double fraction)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int parts = (int)(fraction * BAR * 8 + 0.5), full = parts / 8;
    for (int i = 0; i < full; i++)
        fputs(s->utf8 ? "█" : "#", s->file);
    const char *part = s->utf8 ? eighths[parts % 8] : "";
    fputs(part, s->file);
    fprintf(s->file, "%*s", BAR - full - (*part != 0), "");
}

/* Parts at the end that would not fit are left out: a line that wraps could not be drawn over. Two blanks part them. */
static void fit(char *line, int columns)
{
    while (cli_width(line) > columns) {
        char *last = NULL;
        for (char *p = line; (p = strstr(p, "  ")) != NULL; p += 2)
            last = p;
        *(last ? last : line) = 0;
    }
}

void cli_progress_show(cli_progress *p, double fraction, const char *text)
{
    const cli_screen *s = p->screen;
    double now = base_now();
    if (!s->terminal)
        return;
    if (p->started == 0) {
        p->started = now;
        p->from = fraction;
    }
    if (p->drawn && now - p->shown < BETWEEN)
        return;
    fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
    double gone = now - p->started, made = fraction - p->from;
    char line[256], left[64] = "";
    cli_figure time;
    if (made > 0 && gone > 0.5)
        snprintf(left, sizeof left, _(N_("  %s left")), cli_seconds(gone * (1 - fraction) / made, time));
    snprintf(line, sizeof line, " %3.0f %%%s  %s", fraction * 100, left, text);
    fprintf(s->file, "\r\033[K");
    draw_bar(s, fraction);
    fit(line, s->columns - BAR - 1);
    fputs(line, s->file);
    fflush(s->file);
    p->shown = now;
    p->drawn = true;
}

void cli_progress_clear(cli_progress *p)
{
    if (p->drawn) {
        fprintf(p->screen->file, "\r\033[K");
        fflush(p->screen->file);
    }
    p->drawn = false;
    p->shown = 0;
}
