/* Rows of numbers: their largest, the exponentials of what they have below it, cross-entropy's way back. Sums run in sixteen
 * lanes of f32 over 1024 numbers, then in double. The last numbers of a row stand in a vector whose other lanes count for
 * nothing. */
#include "cpu/cpu.h"
#include "cpu/isa/math.h"

#define CHUNK 1024 /* numbers a lane sums 64 of: half a unit in the last place, on average */

static const float count_up[LANES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* The first n lanes. */
SIMD_FN vm first_lanes(int64_t n)
{
    return v_lt(v_load(count_up), v_set((float)n));
}

/* The largest (or by sign -1 the smallest) of four chains; NaN if there is one. */
SIMD_FN float extreme(const float *x, int64_t n, bool most)
{
    const vf none = v_set(most ? -INFINITY : INFINITY);
    vf a[4] = {none, none, none, none};
    vm nan = v_lt(none, none);
    int64_t i = 0;
#define TAKE(a, v) a = most ? v_select(v_lt(a, v), v, a) : v_select(v_lt(v, a), v, a)
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        for (int k = 0; k < 4; k++) {
            vf v = v_load(x + i + k * LANES);
            TAKE(a[k], v);
            nan = v_either(nan, v_nan(v));
        }
    for (; i < n; i += LANES) {
        vf v = n - i < LANES ? v_select(first_lanes(n - i), v_load_n(x + i, n - i), none) : v_load(x + i);
        TAKE(a[0], v);
        nan = v_either(nan, v_nan(v));
    }
    TAKE(a[0], a[2]);
    TAKE(a[1], a[3]);
    TAKE(a[0], a[1]);
    if (v_any(nan))
        return NAN;
    float lane[LANES];
    v_store(lane, a[0]);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int k = 0; k < half; k++)
            lane[k] = (most ? lane[k] < lane[k + half] : lane[k + half] < lane[k]) ? lane[k + half] : lane[k];
    return lane[0];
}

static float largest(const float *x, int64_t n)
{
    return extreme(x, n, true);
}

static float smallest(const float *x, int64_t n)
{
    return extreme(x, n, false);
}

static int64_t find(const float *x, float v, int64_t n)
{
    const vf wanted = v_set(v);
    int64_t i = 0;
    for (; i + LANES <= n && !v_any(v == v ? v_eq(v_load(x + i), wanted) : v_nan(v_load(x + i))); i += LANES)
        ;
    while (i < n && (v == v ? x[i] != v : x[i] == x[i]))
        i++;
    return i;
}

/* One vector of exp(x - top), stored if z is wanted. */
SIMD_FN vf exp_part(float *z, const float *x, vf top, int64_t n)
{
    vf e;
    if (n >= LANES) {
        e = v_exp(v_sub(v_load(x), top));
        if (z)
            v_store(z, e);
        return e;
    }
    e = v_exp(v_sub(v_load_n(x, n), top));
    if (z)
        v_store_n(z, e, n);
    return v_select(first_lanes(n), e, v_set(0));
}

SIMD_FN double exp_sums(float *z, const float *x, float top_, int64_t n)
{
    const vf top = v_set(top_);
    double sum = 0;
    for (int64_t begin = 0; begin < n; begin += CHUNK) {
        int64_t stop = n - begin < CHUNK ? n : begin + CHUNK, i = begin;
        vf a = v_set(0), b = v_set(0);
        for (; i + 2 * LANES <= stop; i += 2 * LANES) {
            a = v_add(a, exp_part(z ? z + i : NULL, x + i, top, LANES));
            b = v_add(b, exp_part(z ? z + i + LANES : NULL, x + i + LANES, top, LANES));
        }
        for (; i < stop; i += LANES)
            a = v_add(a, exp_part(z ? z + i : NULL, x + i, top, stop - i));
        sum += (double)v_sum(v_add(a, b));
    }
    return sum;
}

static double exp_sum(const float *x, float top, int64_t n)
{
    return exp_sums(NULL, x, top, n);
}

static double exp_row(float *z, const float *x, float top, int64_t n)
{
    return exp_sums(z, x, top, n);
}

#define EACH(z, n, whole, part)                                                                                        \
    int64_t i = 0;                                                                                                     \
    for (; i + LANES <= (n); i += LANES)                                                                               \
        v_store((z) + i, whole);                                                                                       \
    if (i < (n))                                                                                                       \
    v_store_n((z) + i, part, (n)-i)

static void scale(float *z, float factor, int64_t n)
{
    const vf f = v_set(factor);
    EACH(z, n, v_mul(v_load(z + i), f), v_mul(v_load_n(z + i, n - i), f));
}

static void lower(float *z, const float *x, float top, float more, int64_t n)
{
    const vf a = v_set(top), b = v_set(more);
    EACH(z, n, v_sub(v_sub(v_load(x + i), a), b), v_sub(v_sub(v_load_n(x + i, n - i), a), b));
}

/* w (top - x), 0 where w is 0. */
SIMD_FN vf below(vf x, vf w, vf top)
{
    return v_select(v_eq(w, v_set(0)), v_set(0), v_mul(w, v_sub(top, x)));
}

static double depth(const float *x, const float *w, float top_, int64_t n)
{
    const vf top = v_set(top_);
    double sum = 0;
    for (int64_t begin = 0; begin < n; begin += CHUNK) {
        int64_t stop = n - begin < CHUNK ? n : begin + CHUNK, i = begin;
        vf a = v_set(0);
        for (; i + LANES <= stop; i += LANES)
            a = v_add(a, below(v_load(x + i), w ? v_load(w + i) : v_set(1), top));
        if (i < stop)
            a = v_add(a, below(v_load_n(x + i, stop - i),
                               w ? v_load_n(w + i, stop - i) : v_truth(first_lanes(stop - i)), top));
        sum += (double)v_sum(a);
    }
    return sum;
}

static void xent_back(float *z, const float *x, const float *w, const cpu_xent_row *r, int64_t n)
{
    const vf lse = v_set((float)r->lse), whole = v_set((float)r->whole), even = v_set((float)-r->even);
    const vf share = v_set((float)r->share);
#define BACK(x, w) v_mul(v_fma(v_exp(v_sub(x, lse)), whole, w), share)
    if (w) {
        EACH(z, n, BACK(v_load(x + i), v_mul(v_load(w + i), even)),
             BACK(v_load_n(x + i, n - i), v_mul(v_load_n(w + i, n - i), even)));
    } else {
        EACH(z, n, BACK(v_load(x + i), even), BACK(v_load_n(x + i, n - i), even));
    }
}

const cpu_rows_table ISA(cpu_rows) = {.largest = largest,
                                      .smallest = smallest,
                                      .find = find,
                                      .exp_sum = exp_sum,
                                      .exp_row = exp_row,
                                      .scale = scale,
                                      .lower = lower,
                                      .depth = depth,
                                      .xent_back = xent_back};
