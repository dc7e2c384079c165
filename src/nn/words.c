/* Small things about texts: numbers in any locale, and what was probably meant. */
#include "nn/nn.h"

#include <math.h>
#include <string.h>

const char *nn_suggest(const char *wrong, const char *(*name)(int), const char *what, char out[256])
{
    const char *names[64];
    size_t n = 0;
    while (n < COUNT(names) && (names[n] = name((int)n)))
        n++;
    const char *near = base_nearest(wrong, names, n);
    if (near) {
        snprintf(out, 256, base_text(N_("did you mean %s?")), near);
        return out;
    }
    size_t at = (size_t)snprintf(out, 256, "%s", base_text(what));
    for (size_t i = 0; i < n && at + strlen(names[i]) + 6 < 256; i++)
        at += (size_t)snprintf(out + at, 256 - at, "%s %s", i ? "," : "", names[i]);
    return out;
}

/* Up to 18 digits are kept in an integer; long double takes the power of ten, so that what %.17g wrote is read back. */
bool nn_number(const char *text, double *value)
{
    const char *p = text;
    bool negative = *p == '-';
    uint64_t digits = 0;
    int scale = 0, any = 0;
    p += *p == '-' || *p == '+';
    for (bool point = false; (*p >= '0' && *p <= '9') || (*p == '.' && !point); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        any = 1;
        if (digits < 100000000000000000u) {
            digits = digits * 10 + (uint64_t)(*p - '0');
            scale -= point;
        } else {
            scale += !point;
        }
    }
    if (!any)
        return false;
    if (*p == 'e' || *p == 'E') {
        int sign = p[1] == '-' ? -1 : 1, exponent = 0;
        p += 1 + (p[1] == '-' || p[1] == '+');
        if (*p < '0' || *p > '9')
            return false;
        for (; *p >= '0' && *p <= '9'; p++)
            exponent = exponent < 10000 ? exponent * 10 + (*p - '0') : exponent;
        scale += sign * exponent;
    }
    if (*p)
        return false;
    long double v = (long double)digits;
    v = scale < 0 ? v / powl(10, -scale) : v * powl(10, scale);
    *value = (double)(negative ? -v : v);
    return isfinite(*value);
}

const char *nn_number_text(double value, char out[32])
{
    for (int precision = 6; precision <= 17; precision++) {
        double back;
        snprintf(out, 32, "%.*g", precision, value);
        for (char *c = out; *c; c++)
            if (*c == ',')
                *c = '.';
        if (nn_number(out, &back) && back == value)
            break;
    }
    return out;
}
