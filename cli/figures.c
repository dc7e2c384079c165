/* Numbers as people read them. */
#include "cli.h"

#include <math.h>

/* Three significant digits, never in the form 1e+03. */
static const char *three(double value, const char *unit, cli_figure out)
{
    int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(out, sizeof(cli_figure), "%.*f%s%s", decimals, value, *unit ? " " : "", unit);
    return out;
}

const char *cli_bytes(double bytes, cli_figure out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t i = 0;
    for (; bytes >= 1023.5 && i + 1 < COUNT(units); i++)
        bytes /= 1024;
    if (i == 0)
        snprintf(out, sizeof(cli_figure), "%.0f B", bytes);
    else
        three(bytes, units[i], out);
    return out;
}

/* Whole numbers below a million are written out, in groups of three. */
static const char *grouped(long value, cli_figure out)
{
    if (value >= 1000)
        snprintf(out, sizeof(cli_figure), "%ld,%03ld", value / 1000, value % 1000);
    else
        snprintf(out, sizeof(cli_figure), "%ld", value);
    return out;
}

const char *cli_quantity(double value, cli_figure out)
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
    if (value >= 0 && value < 1e6 && value == floor(value))
        return grouped((long)value, out);
    size_t i = 0;
    for (; value >= 999.5 && i + 1 < COUNT(units); i++)
        value /= 1000;
    return three(value, units[i], out);
}

const char *cli_seconds(double seconds, cli_figure out)
{
    if (!(seconds >= 0) || seconds > 1e9)
        snprintf(out, sizeof(cli_figure), "?");
    else if (seconds < 1e-3)
        three(seconds * 1e6, "us", out);
    else if (seconds < 1)
        three(seconds * 1e3, "ms", out);
    else if (seconds < 60)
        three(seconds, "s", out);
    else if (seconds < 3600)
        snprintf(out, sizeof(cli_figure), "%d:%02d", (int)seconds / 60, (int)seconds % 60);
    else
        snprintf(out, sizeof(cli_figure), "%d:%02d:%02d", (int)(seconds / 3600), (int)fmod(seconds / 60, 60),
                 (int)fmod(seconds, 60));
    return out;
}
