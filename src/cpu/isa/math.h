/* Functions of sixteen lanes, the same bits on every instruction set: argument reduction in two or three pieces, then a
 * polynomial in fused multiply-adds. Denormals are zero here, as they are in every worker. */
#ifndef CPU_MATH_H
#define CPU_MATH_H

#include "cpu/simd.h"

#define LOG2E 1.44269504f
#define LN2_HIGH 0.693145752f /* 15 bits: its product with an exponent is exact */
#define LN2_LOW 1.42860677e-6f

/* 2^k for whole k in -126 .. 127. */
SIMD_FN vf v_power_of_2(vi k)
{
    return v_of_bits(v_shl(v_iadd(k, v_iset(127)), 23));
}

/* x = k ln 2 + r, |r| <= ln 2 / 2; x is first kept within what has a result. */
typedef struct math_split {
    vf r, one, two; /* 2^k as a product of two, since it may be beyond an f32 */
    vf less;        /* 1 / two */
} math_split;
SIMD_FN math_split math_reduce(vf x)
{
    x = v_select(v_lt(v_set(89), x), v_set(89), x); /* NaN stays */
    x = v_select(v_lt(x, v_set(-104)), v_set(-104), x);
    vf k = v_round(v_mul(x, v_set(LOG2E)));
    vi whole = v_to_int(k), half = v_sar(whole, 1);
    math_split s;
    s.r = v_fma(k, v_set(-LN2_LOW), v_fma(k, v_set(-LN2_HIGH), x));
    s.one = v_power_of_2(half);
    s.two = v_power_of_2(v_isub(whole, half));
    s.less = v_power_of_2(v_isub(half, whole));
    return s;
}

/* exp(r) - 1 for |r| <= ln 2 / 2: Taylor's series to r^8, 6e-10 of the result. */
SIMD_FN vf math_expm1_small(vf r)
{
    vf p = v_set(1.0f / 40320);
    p = v_fma(p, r, v_set(1.0f / 5040));
    p = v_fma(p, r, v_set(1.0f / 720));
    p = v_fma(p, r, v_set(1.0f / 120));
    p = v_fma(p, r, v_set(1.0f / 24));
    p = v_fma(p, r, v_set(1.0f / 6));
    p = v_fma(p, r, v_set(0.5f));
    return v_fma(v_mul(r, r), p, r);
}

SIMD_FN vf v_exp(vf x)
{
    math_split s = math_reduce(x);
    return v_mul(v_mul(v_add(v_set(1), math_expm1_small(s.r)), s.one), s.two);
}

SIMD_FN vf v_expm1(vf x)
{
    math_split s = math_reduce(x);
    return v_mul(v_fma(math_expm1_small(s.r), s.one, v_sub(s.one, s.less)), s.two);
}

/* x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2); log(1 + f) = f - f²/2 + s (f²/2 + R(s²)), s = f / (2 + f). */
SIMD_FN vf v_log(vf x)
{
    vi bits = v_bits(x), k = v_sar(v_isub(bits, v_iset(0x3f3504f3)), 23);
    vf f = v_sub(v_of_bits(v_isub(bits, v_shl(k, 23))), v_set(1)), e = v_to_float(k);
    vf s = v_div(f, v_add(f, v_set(2))), z = v_mul(s, s), half = v_mul(v_set(0.5f), v_mul(f, f));
    vf r = v_set(2.0f / 11);
    r = v_fma(r, z, v_set(2.0f / 9));
    r = v_fma(r, z, v_set(2.0f / 7));
    r = v_fma(r, z, v_set(2.0f / 5));
    r = v_fma(r, z, v_set(2.0f / 3));
    vf tail = v_fma(s, v_fma(r, z, half), v_mul(e, v_set(LN2_LOW)));
    vf y = v_fma(e, v_set(LN2_HIGH), v_sub(f, v_sub(half, tail)));
    y = v_select(v_lt(v_set(3.402823e38f), x), v_select(v_eq(x, v_set(INFINITY)), x, y), y);
    y = v_select(v_eq(x, v_set(0)), v_set(-INFINITY), y);
    return v_select(v_either(v_lt(x, v_set(0)), v_nan(x)), v_set(NAN), y);
}

/* log(u) x / (u - 1), u = 1 + x rounded: the error of u is taken back (Kahan). */
SIMD_FN vf v_log1p(vf x)
{
    vf u = v_add(x, v_set(1)), y = v_mul(v_log(u), v_div(x, v_sub(u, v_set(1))));
    y = v_select(v_eq(u, v_set(1)), x, y);
    y = v_select(v_eq(x, v_set(INFINITY)), x, y);
    return v_select(v_eq(x, v_set(-1)), v_set(-INFINITY), y);
}

/* (e^2x - 1) / (e^2x + 1) */
SIMD_FN vf v_tanh(vf x)
{
    vf a = v_abs(x), m = v_expm1(v_add(a, a)), y = v_div(m, v_add(m, v_set(2)));
    y = v_select(v_lt(v_set(9.5f), a), v_set(1), y);
    return v_select(v_nan(x), x, v_signed(y, x));
}

/* 1 / (1 + e^-x), by e^-|x| so that nothing overflows. */
SIMD_FN vf v_sigmoid(vf x)
{
    vf t = v_exp(v_neg(v_abs(x)));
    return v_div(v_select(v_lt(x, v_set(0)), t, v_set(1)), v_add(t, v_set(1)));
}

SIMD_FN vf v_softplus(vf x)
{
    vf y = v_log1p(v_exp(v_neg(v_abs(x))));
    return v_select(v_nan(x), x, v_add(y, v_select(v_lt(x, v_set(0)), v_set(0), x)));
}

#endif
