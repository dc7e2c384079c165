/* Decimal figures as they are printed: whole numbers with a decimal point somewhere. */
#include "report/sheet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST 1000000000000000 /* 15 digits, which a double holds */

int report_decimals(double size, int digits)
{
    size = fabs(size);
    if (!(size > 0) || isinf(size))
        return digits - 1;
    int d = digits - 1 - (int)floor(log10(size));
    if (round(size * pow(10, d)) >= pow(10, digits)) /* 9.9999996 has one digit more when it is rounded */
        d--;
    return d;
}

report_figure report_round(double value, int d)
{
    double m = d > 300 ? value * 1e300 * pow(10, d - 300) : value * pow(10, d);
    if (!(fabs(m) < MOST))
        return (report_figure){REPORT_NO_FIGURE, d};
    return (report_figure){(int64_t)round(m), d};
}

static __int128 power(int n)
{
    __int128 p = 1;
    while (n-- > 0)
        p *= 10;
    return p;
}

static report_figure fit(__int128 m, int from, int d)
{
    if (d >= from) {
        m = d - from > 20 ? 0 : m * power(d - from);
    } else {
        __int128 by = from - d > 37 ? 0 : power(from - d), half = by / 2;
        m = by == 0 ? 0 : m < 0 ? -((-m + half) / by) : (m + half) / by;
    }
    return m > -MOST && m < MOST ? (report_figure){(int64_t)m, d} : (report_figure){REPORT_NO_FIGURE, d};
}

report_figure report_times(report_figure a, report_figure b, int d)
{
    if (a.m == REPORT_NO_FIGURE || b.m == REPORT_NO_FIGURE)
        return (report_figure){REPORT_NO_FIGURE, d};
    return fit((__int128)a.m * b.m, a.d + b.d, d);
}

report_figure report_plus(report_figure a, report_figure b, int sign)
{
    int d = a.d > b.d ? a.d : b.d;
    if (a.m == REPORT_NO_FIGURE || b.m == REPORT_NO_FIGURE)
        return (report_figure){REPORT_NO_FIGURE, d};
    a = fit(a.m, a.d, d);
    b = fit(b.m, b.d, d);
    if (a.m == REPORT_NO_FIGURE || b.m == REPORT_NO_FIGURE)
        return (report_figure){REPORT_NO_FIGURE, d};
    return fit((__int128)a.m + sign * b.m, d, d);
}

double report_value(report_figure f)
{
    return f.m == REPORT_NO_FIGURE ? NAN : f.d > 300 ? (double)f.m / 1e300 / pow(10, f.d - 300) : (double)f.m / pow(10, f.d);
}

/* The digits of m with a point before the last `d`. */
static void pointed(int64_t m, int d, char *out, size_t room)
{
    d = d > 15 ? 15 : d;
    int64_t one = (int64_t)power(d), size = m < 0 ? -m : m;
    if (d > 0)
        snprintf(out, room, "%s%lld.%0*lld", m < 0 ? "-" : "", (long long)(size / one), d, (long long)(size % one));
    else
        snprintf(out, room, "%lld", (long long)m);
}

const char *report_figure_text(report_figure f, report_digits out)
{
    if (f.m == REPORT_NO_FIGURE) {
        snprintf(out, sizeof(report_digits), "nan");
    } else if (f.d >= 0 && (f.d <= 9 || (f.d <= 15 && llabs(f.m) >= (int64_t)power(f.d - 3)))) {
        pointed(f.m, f.d, out, sizeof(report_digits));
    } else {
        pointed(f.m, 5, out, sizeof(report_digits));
        size_t n = strlen(out);
        snprintf(out + n, sizeof(report_digits) - n, "e%+03d", 5 - f.d);
    }
    return out;
}
