/* What a cell holds. Numbers are read the same under every locale of the host program: short ones exactly by one
 * multiplication or division of two exact doubles (Clinger 1990), all others by strtod with the decimal point the
 * locale wants. */
#define _POSIX_C_SOURCE 200809L
#include "data/data.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(const data_cell *cell, const char *word)
{
    return strlen(word) == cell->n && strncasecmp(cell->at, word, cell->n) == 0;
}

static bool is_missing(const data_cell *cell)
{
    return cell->n == 0 || (cell->n == 1 && *cell->at == '?') || (cell->n == 2 && memcmp(cell->at, "NA", 2) == 0) ||
           is_word(cell, "n/a") || is_word(cell, "null");
}

/* Digits beyond what the exact way holds. */
static double slow(const char *at, size_t n, char point)
{
    char text[512], *stop;
    if (n >= sizeof text)
        return NAN;
    memcpy(text, at, n);
    text[n] = 0;
    char *p = memchr(text, point, n);
    if (p)
        *p = *localeconv()->decimal_point;
    double v = strtod(text, &stop);
    return *stop ? NAN : v;
}

data_cell_kind data_cell_number(const data_cell *cell, bool decimal_comma, double *value)
{
    static const double ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *p = cell->at, *end = p + cell->n;
    bool negative = cell->n > 0 && *p == '-';
    p += cell->n > 0 && (*p == '-' || *p == '+');
    if (p == end || !is_digit(*p)) { /* nearly all cells of a column of numbers begin with a digit */
        data_cell rest = {(char *)p, (size_t)(end - p), false};
        if (is_missing(cell))
            return CELL_MISSING;
        if (is_word(&rest, "nan") || is_word(&rest, "inf") || is_word(&rest, "infinity"))
            return CELL_NOT_FINITE;
    }

    uint64_t digits = 0;
    int count = 0, scale = 0, exponent = 0;
    char point = decimal_comma && p < end && memchr(p, ',', (size_t)(end - p)) ? ',' : '.';
    bool any = false, after = false, exact = true;
    for (; p < end && (is_digit(*p) || (*p == point && !after)); p++) {
        if (*p == point) {
            after = true;
            continue;
        }
        any = true;
        scale -= after;
        if (digits || *p != '0')
            count++;
        if (count <= 18)
            digits = digits * 10 + (uint64_t)(*p - '0');
        else
            exact = false;
    }
    if (!any)
        return CELL_TEXT;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        bool down = p < end && *p == '-';
        p += p < end && (*p == '-' || *p == '+');
        if (p == end)
            return CELL_TEXT;
        for (; p < end && is_digit(*p); p++)
            exponent = exponent < 100000 ? exponent * 10 + (*p - '0') : exponent;
        exponent = down ? -exponent : exponent;
    }
    if (p != end)
        return CELL_TEXT;
    exponent += scale;
    if (exact && digits <= (uint64_t)1 << 53 && exponent >= -22 && exponent <= 22) {
        double v = exponent < 0 ? (double)digits / ten[-exponent] : (double)digits * ten[exponent];
        *value = negative ? -v : v;
    } else {
        *value = slow(cell->at, cell->n, point);
    }
    return isfinite(*value) ? CELL_NUMBER : CELL_NOT_FINITE;
}
