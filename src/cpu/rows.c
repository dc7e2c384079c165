/* Rows of f32, by the functions of the instruction set, and of f64, in plain loops: f64 is the arithmetic of forensics and
 * tests, where no product of the rows' size is far, and libm's exp will do. */
#include "cpu/cpu.h"

#include <math.h>

static double largest(const double *x, int64_t n)
{
    double top = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        top = x[i] > top || x[i] != x[i] ? x[i] : top;
    return top;
}

static double exp_sum(const double *x, double top, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += exp(x[i] - top);
    return sum;
}

static double exp_row(double *z, const double *x, double top, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += z[i] = exp(x[i] - top);
    return sum;
}

static void scale(double *z, double factor, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        z[i] *= factor;
}

static void lower(double *z, const double *x, double top, double more, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        z[i] = x[i] - top - more;
}

static double depth(const double *x, const double *w, double top, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += w && w[i] == 0 ? 0 : (w ? w[i] : 1) * (top - x[i]);
    return sum;
}

static void xent_back(double *z, const double *x, const double *w, const cpu_xent_row *r, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        z[i] = (r->whole * exp(x[i] - r->lse) - r->even * (w ? w[i] : 1)) * r->share;
}

static const cpu_rows_f64 wide = {.largest = largest,
                                  .exp_sum = exp_sum,
                                  .exp_row = exp_row,
                                  .scale = scale,
                                  .lower = lower,
                                  .depth = depth,
                                  .xent_back = xent_back};

#define REAL float
#define CPU_ROWS_OF cpu_rows_table
#define ROWS(isa) ((isa)->rows)
#define NAME(x) x##_f32
#include "cpu/rows_real.inc"
#undef REAL
#undef CPU_ROWS_OF
#undef ROWS
#undef NAME
#define REAL double
#define CPU_ROWS_OF cpu_rows_f64
#define ROWS(isa) ((void)(isa), &wide)
#define NAME(x) x##_f64
#include "cpu/rows_real.inc"
