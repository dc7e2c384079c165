/* Functions of sixteen lanes, the same bits on every instruction set: argument reduction in fused multiply-adds, then a
 * polynomial, without branches. The polynomials are minimax fits whose coefficients were rounded to f32 while they were
 * fitted (fpminimax: Brisebarre, Chevillard 2007). Errors are measured over all floats by tests/math_test.c: at most 2 ULP
 * for the functions, a little more where the comment of a composed one says so.
 *
 * Denormals are zero here, inputs and results alike, as they are in every worker. */
#ifndef CPU_MATH_H
#define CPU_MATH_H

#include "cpu/simd.h"

#define C(x) v_set(x##f)

/* Horner's scheme: math_3(x, c0, c1, c2, c3) = c0 + x (c1 + x (c2 + x c3)). */
#define MATH_1(x, a, b) v_fma(x, b, a)
#define MATH_2(x, a, ...) v_fma(x, MATH_1(x, __VA_ARGS__), a)
#define MATH_3(x, a, ...) v_fma(x, MATH_2(x, __VA_ARGS__), a)
#define MATH_4(x, a, ...) v_fma(x, MATH_3(x, __VA_ARGS__), a)
#define MATH_5(x, a, ...) v_fma(x, MATH_4(x, __VA_ARGS__), a)
#define MATH_6(x, a, ...) v_fma(x, MATH_5(x, __VA_ARGS__), a)
#define MATH_7(x, a, ...) v_fma(x, MATH_6(x, __VA_ARGS__), a)
#define MATH_8(x, a, ...) v_fma(x, MATH_7(x, __VA_ARGS__), a)
#define MATH_9(x, a, ...) v_fma(x, MATH_8(x, __VA_ARGS__), a)

/* ---- exponentials */

/* x = n ln 2 + r, |r| <= ln 2 / 2. n is rounded to the nearest by adding 1.5 · 2^23, whose last bits are then n: shifted
 * into the exponent they make 2^n. |x| must be below 2^21. */
typedef struct math_split {
    vf r;
    vi scale; /* n << 23 */
} math_split;
SIMD_FN math_split math_reduce(vf x)
{
    const vf sum = v_fma(x, C(1.44269504), C(12582912.0)), n = v_sub(sum, C(12582912.0));
    const vf r = v_fnma(n, C(0.693145752), x); /* 15 bits: exact */
    return (math_split){v_fnma(n, C(1.42860677e-6), r), v_shl(v_bits(sum), 23)};
}

/* exp(r) - 1 for |r| <= ln 2 / 2 */
SIMD_FN vf math_expm1_near(vf r)
{
    const vf q = MATH_5(r, C(0.5), C(0.16666667), C(0.041666508), C(0.008333177), C(0.0013930865), C(1.9972307e-4));
    return v_fma(v_mul(r, r), q, r);
}

/* 2^n, -126 <= n <= 127, from n << 23. */
SIMD_FN vf math_power(vi scale)
{
    return v_of_bits(v_iadd(scale, v_iset(0x3f800000)));
}

SIMD_CALL vf v_exp(vf x)
{
    const math_split s = math_reduce(x);
    const vf y = v_of_bits(v_iadd(v_bits(v_add(C(1.0), math_expm1_near(s.r))), s.scale));
    const vf low = v_select(v_le(x, C(-87.3365479)), C(0.0), y); /* denormal from here on */
    return v_select(v_lt(x, C(88.7228394)), low, v_add(x, v_set(INFINITY)));
}

SIMD_CALL vf v_expm1(vf x)
{
    const vf near = v_max(C(-30.0), x); /* NaN stays */
    const math_split s = math_reduce(near);
    const vf half = v_of_bits(v_iadd(s.scale, v_iset(0x3f000000))); /* 2^(n-1): 2^128 is no f32 */
    const vf y = v_fma(half, math_expm1_near(s.r), v_sub(half, C(0.5)));
    const vf low = v_select(v_lt(v_abs(x), C(1e-30)), v_add(x, C(0.0)), v_add(y, y));
    return v_select(v_lt(x, C(88.7228394)), low, v_add(x, v_set(INFINITY)));
}

/* (1 - e^-2|x|) / (1 + e^-2|x|), the numerator without cancellation */
SIMD_CALL vf v_tanh(vf x)
{
    const math_split s = math_reduce(v_max(C(-80.0), v_mul(v_abs(x), C(-2.0)))); /* NaN stays */
    const vf power = math_power(s.scale);
    const vf m = v_fnma(power, math_expm1_near(s.r), v_sub(C(1.0), power));
    const vf q = v_div(m, v_sub(C(2.0), m)), lost = v_fma(q, m, v_fnma(q, C(2.0), m)); /* m - q (2 - m) */
    return v_signed(v_fma(lost, v_fma(q, C(0.5), C(0.5)), q), x);                      /* (1 + q) / 2 = 1 / (2 - m) */
}

/* e^-|x|, 0 from 87.34 on */
SIMD_FN vf math_exp_down(vf x)
{
    const math_split s = math_reduce(v_max(C(-88.0), v_neg(v_abs(x)))); /* NaN stays */
    const vf power = math_power(s.scale);
    return v_fma(power, math_expm1_near(s.r), power);
}

/* q = n / (1 + e), n = e = e^-|x| or 1, and what the roundings of sum and quotient lost: n - q (1 + e) */
SIMD_CALL vf v_sigmoid(vf x)
{
    const vf e = math_exp_down(x), n = v_select(v_lt(x, C(0.0)), e, C(1.0));
    const vf q = v_div(n, v_add(C(1.0), e)), lost = v_fnma(q, e, v_sub(n, q));
    return v_fma(lost, v_max(v_sub(C(1.0), q), q), q); /* 1 / (1 + e) is q or 1 - q */
}

/* 3 ULP, and 0 from -87.4 down */
SIMD_CALL vf v_silu(vf x)
{
    const vf e = math_exp_down(x);
    return v_div(v_select(v_lt(x, C(0.0)), v_mul(x, e), x), v_add(C(1.0), e));
}

/* ---- logarithms */

/* log(1 + f), -1/3 <= f <= 1/3, + n ln 2 */
SIMD_FN vf math_log(vf f, vf n)
{
    const vf q = MATH_8(f, C(-0.5), C(0.33333272), C(-0.24999818), C(0.20007305), C(-0.16680138), C(0.14054474),
                        C(-0.121832766), C(0.13755384), C(-0.12914951));
    return v_fma(n, C(0.693147182), v_fma(v_mul(f, f), q, f));
}

/* n << 23 such that x / 2^n lies in [2/3, 4/3). */
SIMD_FN vi math_exponent(vf x)
{
    return v_iand(v_isub(v_bits(x), v_iset(0x3f2aaaab)), v_iset((int32_t)0xff800000));
}

SIMD_FN vf math_whole(vi scale) /* n from n << 23 */
{
    return v_mul(v_to_float(scale), C(1.1920929e-7));
}

SIMD_CALL vf v_log(vf x)
{
    const vi scale = math_exponent(x);
    const vf y = math_log(v_sub(v_of_bits(v_isub(v_bits(x), scale)), C(1.0)), math_whole(scale));
    const vf low = v_select(v_eq(x, C(0.0)), v_set(-INFINITY), v_select(v_lt(x, C(0.0)), v_set(NAN), y));
    return v_select(v_lt(x, v_set(INFINITY)), low, v_add(x, x)); /* infinity and NaN stay */
}

/* 1 + x = 2^n (1 + f) with f computed from x itself, so that what 1 + x lost in rounding is not lost. */
SIMD_CALL vf v_log1p(vf x)
{
    const vf u = v_add(C(1.0), x);
    const vi scale = math_exponent(u);
    const vf power = v_of_bits(v_isub(v_iset(0x3f800000), scale)); /* 2^-n, if it is no denormal */
    const vf f = v_fma(x, power, v_sub(power, C(1.0))), large = v_sub(v_of_bits(v_isub(v_bits(u), scale)), C(1.0));
    const vf y = math_log(v_select(v_lt(x, C(1e9)), f, large), math_whole(scale));
    const vf low = v_select(v_eq(x, C(-1.0)), v_set(-INFINITY), v_select(v_lt(x, C(-1.0)), v_set(NAN), y));
    const vf some = v_select(v_eq(x, C(0.0)), v_add(x, x), low); /* -0 */
    return v_select(v_lt(x, v_set(INFINITY)), some, v_add(x, x));
}

SIMD_CALL vf v_softplus(vf x)
{
    const vf y = v_log1p(math_exp_down(x));
    return v_add(v_max(C(0.0), x), y);
}

/* x tanh(log(1 + e^x)) = x n / (n + 2), n = e^x (e^x + 2): 5 ULP, and 0 from -87.4 down. */
SIMD_CALL vf v_mish(vf x)
{
    const vf e = v_exp(v_min(C(20.0), x)), n = v_mul(e, v_add(e, C(2.0)));
    return v_mul(x, v_div(n, v_add(n, C(2.0))));
}

/* ---- the normal distribution */

/* Up to 0.92 x + x P(x²), from there on 1 - exp(-Q(|x|)), 1 from 3.92 on. */
SIMD_CALL vf v_erf(vf x)
{
    const vf a = v_min(C(3.93), v_abs(x)), z = v_mul(a, a);
    const vf near = MATH_6(z, C(0.12837917), C(-0.37612632), C(0.112836696), C(-0.026857924), C(0.005197268),
                           C(-8.099236e-4), C(8.184970e-5));
    const vf far = MATH_8(a, C(-3.0575189e-4), C(1.1301798), C(0.63190979), C(0.11000872), C(-0.026384778),
                          C(0.0047482555), C(-5.946912e-4), C(4.5842935e-5), C(-1.6280424e-6));
    const math_split s = math_reduce(v_neg(far));
    const vf power = math_power(s.scale);
    const vf tail = v_fma(power, math_expm1_near(s.r), power);
    return v_signed(v_select(v_lt(a, C(0.92)), v_fma(a, near, a), v_sub(C(1.0), tail)), x);
}

/* x Phi(x), where Phi(-a) = exp(-a²/2) t P(a t - 1), t = 1 / (1 + a / 4): 5 ULP, in the negative tail too. */
SIMD_CALL vf v_gelu(vf x)
{
    const vf a = v_min(C(20.0), v_abs(x)), z = v_mul(a, a), lost = v_fma(a, a, v_neg(z));
    const vf t = v_div(C(1.0), v_fma(a, C(0.25), C(1.0)));
    const vf p =
        MATH_9(v_fma(a, t, C(-1.0)), C(0.2958193), C(-0.14583313), C(0.047670502), C(-0.0098255845), C(0.00094489235),
               C(7.018097e-05), C(-2.4866145e-05), C(-7.5188115e-07), C(8.0504526e-07), C(-7.222326e-08));
    const vf e = v_exp(v_mul(z, C(-0.5))), exact = v_fnma(v_mul(e, C(0.5)), lost, e);
    const vf tp = v_mul(t, p); /* multiplied with x first, or it might be denormal */
    return v_select(v_lt(x, C(0.0)), v_mul(v_mul(x, exact), tp), v_mul(x, v_fnma(exact, tp, C(1.0))));
}

/* x / 2 (1 + tanh(k (x + c x³))) = x sigmoid(y), y = x (2k + 2kc x²) in two parts, because its error is the result's: 5 ULP,
 * and 0 from -10.04 down. */
SIMD_CALL vf v_gelu_tanh(vf x)
{
    const vf a = v_max(C(-12.0), v_min(C(12.0), x)), z = v_mul(a, a), z_low = v_fma(a, a, v_neg(z));
    const vf k = C(1.59576917), kc = C(0.0713548139), part = v_mul(kc, z), h = v_add(k, part), k_in = v_sub(h, part);
    const vf part_low = v_fma(kc, z_low, v_fma(C(2.3988324e-9), z, v_fma(kc, z, v_neg(part))));
    const vf h_low = v_add(v_add(v_sub(part, v_sub(h, k_in)), v_sub(k, k_in)), v_add(part_low, C(-4.534068e-8)));
    const vf y = v_mul(a, h), y_low = v_fma(a, h_low, v_fma(a, h, v_neg(y)));
    const math_split s = math_reduce(v_max(C(-87.0), v_min(C(88.3), v_neg(y))));
    const vf power = math_power(s.scale), e = v_fma(power, math_expm1_near(s.r), power);
    const vf near = v_div(x, v_add(C(1.0), v_fnma(e, y_low, e)));
    return v_select(v_lt(x, C(-10.04)), v_mul(x, C(0.0)), near);
}

/* ---- the circle */

/* sin(x + turn · π / 2) for |x| >= 30000, one number, in double. x · 2 / π modulo 4 is a product of whole numbers, in which
 * those bits of 2 / π do not count whose product is a multiple of 4 (Payne, Hanek 1983). */
static float math_far_sine(float x, uint64_t turn)
{
    static const uint32_t two_over_pi[] = {0,          0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0,
                                           0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561};
    uint32_t bits, w[3];
    memcpy(&bits, &x, sizeof bits);
    const int exponent = (int)(bits >> 23 & 255) - 150, from = exponent + 30; /* the first bit that counts */
    if (exponent == 105)
        return x - x; /* infinity, NaN */
    for (int i = 0; i < 3; i++) {
        const uint32_t *at = &two_over_pi[from / 32 + i];
        w[i] = (uint32_t)(((uint64_t)at[0] << 32 | at[1]) >> (32 - from % 32));
    }
    const uint64_t m = (bits & 0x7fffff) | 0x800000, low = m * w[2], middle = m * w[1] + (low >> 32);
    uint64_t angle = ((m * w[0] + (middle >> 32)) << 32) | (uint32_t)middle; /* 2^62 is a right angle */
    if (bits >> 31)
        angle = 0 - angle;
    const uint64_t quadrant = ((angle + ((uint64_t)1 << 61)) >> 62) + turn;
    const double r = (double)(int64_t)(angle << 2) * (1.57079632679489661923 / 18446744073709551616.0), z = r * r;
    const double sine =
        r + r * z * (-1.0 / 6 + z * (1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880 + z * (-1.0 / 39916800)))));
    const double cosine = 1 + z * (-0.5 + z * (1.0 / 24 + z * (-1.0 / 720 + z * (1.0 / 40320 + z * (-1.0 / 3628800)))));
    const double y = quadrant & 1 ? cosine : sine;
    return (float)(quadrant & 2 ? -y : y);
}

/* sin(x + turn · π / 2) */
SIMD_CALL vf math_sine(vf x, int turn)
{
    const vf sum = v_fma(x, C(0.636619747), C(12582912.0)), n = v_sub(sum, C(12582912.0));
    const vf r = v_fnma(n, C(-1.71512451e-15), v_fnma(n, C(-4.37113883e-8), v_fnma(n, C(1.57079637), x)));
    const vf z = v_mul(r, r);
    const vf sine =
        v_fma(v_mul(r, z), MATH_3(z, C(-0.16666667), C(0.008333397), C(-0.00019861292), C(2.9217092e-06)), r);
    const vf cosine = MATH_5(z, C(1.0), C(-0.5), C(0.041666668), C(-0.0013889049), C(2.4852765e-05), C(-3.213022e-07));
    const vi quadrant = v_iadd(v_bits(sum), v_iset(turn));
    const vf y = v_select(v_eq(v_to_float(v_iand(quadrant, v_iset(1))), C(0.0)), sine, cosine);
    const vf near = v_of_bits(v_ixor(v_bits(y), v_shl(v_iand(quadrant, v_iset(2)), 30)));
    const vm far = v_not(v_lt(v_abs(x), C(30000.0)));
    if (!v_any(far))
        return near;
    float from[LANES], to[LANES];
    v_store(from, x);
    v_store(to, near);
    for (int i = 0; i < LANES; i++)
        if (!(fabsf(from[i]) < 30000.0f))
            to[i] = math_far_sine(from[i], (uint64_t)turn);
    return v_load(to);
}

SIMD_FN vf v_sin(vf x)
{
    return v_select(v_eq(x, C(0.0)), v_add(x, x), math_sine(x, 0)); /* -0 */
}

SIMD_FN vf v_cos(vf x)
{
    return math_sine(x, 1);
}

/* ---- powers, one number after the other, in double */

static double math_log2(double x) /* of a positive normal number */
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint64_t exponent = (bits - 0x3fe6a09e667f3bcd) >> 52 << 52; /* of x / m, sqrt(1/2) <= m < sqrt(2) */
    double m;
    bits -= exponent;
    memcpy(&m, &bits, sizeof m);
    const double s = (m - 1) / (m + 1), z = s * s;
    const double q =
        1 + z * (1.0 / 3 +
                 z * (1.0 / 5 + z * (1.0 / 7 + z * (1.0 / 9 + z * (1.0 / 11 + z * (1.0 / 13 + z * (1.0 / 15)))))));
    return (double)((int64_t)exponent >> 52) + s * q * 2.88539008177792681472;
}

static double math_exp2(double x) /* -1000 < x < 1000 */
{
    const double n = rint(x), r = (x - n) * 0.69314718055994530942;
    double q = 1, power;
    for (int i = 11; i > 0; i--)
        q = 1 + q * r / i;
    const uint64_t bits = (uint64_t)(1023 + (int64_t)n) << 52;
    memcpy(&power, &bits, sizeof power);
    return q * power;
}

/* As C's pow. */
static float math_pow(float a, float b)
{
    const float size = fabsf(a);
    if (b == 0 || a == 1)
        return 1;
    if (a != a || b != b)
        return a + b;
    const bool whole = fabsf(b) >= 8388608.0f || rintf(b) == b;
    const bool odd = whole && fabsf(b) < 16777216.0f && ((int64_t)b & 1);
    const bool negative = signbit(a) && odd;
    float y;
    if (a < 0 && !whole && a >= -3.40282347e38f)
        return NAN;
    if (size == 0 || size > 3.40282347e38f) {
        y = (size == 0) == (b < 0) ? INFINITY : 0;
    } else if (size == 1) {
        y = 1;
    } else {
        const double power = (double)b * math_log2((double)size);
        y = power > 130 ? INFINITY : power < -160 ? 0 : (float)math_exp2(power);
    }
    return negative ? -y : y;
}

static __attribute__((unused)) vf v_pow(vf a, vf b)
{
    float x[LANES], y[LANES], z[LANES];
    v_store(x, a);
    v_store(y, b);
    for (int i = 0; i < LANES; i++)
        z[i] = math_pow(x[i], y[i]);
    return v_load(z);
}

#undef C
#endif
