/* What the kernels ask of AVX-512, for machines that have AVX2 only: each instruction is a loop over the lanes of a vector of
 * 64 bytes, which the compiler makes two of. Included before all else where sources of the instruction set avx512 are compiled
 * (NILU_EMULATE_AVX512): their results are then those of the instructions (Intel 64 and IA-32 manual, volume 2), their speed is not.
 * An instruction that is missing here is one that such a machine lacks, so the compiler refuses it. */
#ifndef SUPPORT_AVX512_H
#define SUPPORT_AVX512_H

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define __AVX512F__ 1
#define EMULATED static inline __attribute__((always_inline, unused))

typedef uint32_t wide_words __attribute__((vector_size(64)));
typedef uint64_t wide_longs __attribute__((vector_size(64)));
typedef uint16_t wide_shorts __attribute__((vector_size(64)));
typedef int32_t wide_ints __attribute__((vector_size(64)));

#define EACH(n) for (int i = 0; i < (n); i++)

/* ---- of sixteen floats, eight doubles */
#define ARITHMETIC(V, T, N, suffix, fused)                                                                             \
    EMULATED V wide_set1_##suffix(T a)                                                                                     \
    {                                                                                                                  \
        V z;                                                                                                           \
        EACH(N) z[i] = a;                                                                                              \
        return z;                                                                                                      \
    }                                                                                                                  \
    EMULATED V wide_setzero_##suffix(void)                                                                                 \
    {                                                                                                                  \
        return (V){0};                                                                                                 \
    }                                                                                                                  \
    EMULATED V wide_loadu_##suffix(const void *at)                                                                         \
    {                                                                                                                  \
        V z;                                                                                                           \
        memcpy(&z, at, sizeof z);                                                                                      \
        return z;                                                                                                      \
    }                                                                                                                  \
    EMULATED void wide_storeu_##suffix(void *at, V v)                                                                      \
    {                                                                                                                  \
        memcpy(at, &v, sizeof v);                                                                                      \
    }                                                                                                                  \
    EMULATED V wide_maskz_loadu_##suffix(unsigned m, const void *at)                                                       \
    {                                                                                                                  \
        V z = {0};                                                                                                     \
        EACH(N) if (m >> i & 1) memcpy((T *)&z + i, (const T *)at + i, sizeof(T));                                     \
        return z;                                                                                                      \
    }                                                                                                                  \
    EMULATED void wide_mask_storeu_##suffix(void *at, unsigned m, V v)                                                     \
    {                                                                                                                  \
        EACH(N) if (m >> i & 1) memcpy((T *)at + i, (T *)&v + i, sizeof(T));                                           \
    }                                                                                                                  \
    EMULATED V wide_fmadd_##suffix(V a, V b, V c)                                                                          \
    {                                                                                                                  \
        V z;                                                                                                           \
        EACH(N) z[i] = fused(a[i], b[i], c[i]);                                                                        \
        return z;                                                                                                      \
    }                                                                                                                  \
    EMULATED V wide_fnmadd_##suffix(V a, V b, V c)                                                                         \
    {                                                                                                                  \
        return wide_fmadd_##suffix(-a, b, c);                                                                          \
    }                                                                                                                  \
    EMULATED V wide_add_##suffix(V a, V b)                                                                                 \
    {                                                                                                                  \
        return a + b;                                                                                                  \
    }                                                                                                                  \
    EMULATED V wide_sub_##suffix(V a, V b)                                                                                 \
    {                                                                                                                  \
        return a - b;                                                                                                  \
    }                                                                                                                  \
    EMULATED V wide_mul_##suffix(V a, V b)                                                                                 \
    {                                                                                                                  \
        return a * b;                                                                                                  \
    }                                                                                                                  \
    EMULATED V wide_div_##suffix(V a, V b)                                                                                 \
    {                                                                                                                  \
        return a / b;                                                                                                  \
    }
ARITHMETIC(__m512, float, 16, ps, fmaf)
ARITHMETIC(__m512d, double, 8, pd, fma)

EMULATED __m512 wide_min_ps(__m512 a, __m512 b) /* b where either is NaN */
{
    EACH(16) a[i] = a[i] < b[i] ? a[i] : b[i];
    return a;
}
EMULATED __m512 wide_max_ps(__m512 a, __m512 b)
{
    EACH(16) a[i] = a[i] > b[i] ? a[i] : b[i];
    return a;
}
EMULATED __m512 wide_sqrt_ps(__m512 a)
{
    EACH(16) a[i] = sqrtf(a[i]);
    return a;
}
EMULATED __m512 wide_roundscale_ps(__m512 a, int how)
{
    EACH(16) a[i] = (how & 3) == 0 ? rintf(a[i]) : (how & 3) == 1 ? floorf(a[i]) : ceilf(a[i]);
    return a;
}
EMULATED __mmask16 wide_cmp_ps_mask(__m512 a, __m512 b, int how)
{
    unsigned m = 0;
    EACH(16) m |= (unsigned)(how == _CMP_LT_OQ ? a[i] < b[i] : how == _CMP_LE_OQ ? a[i] <= b[i] : a[i] == b[i]) << i;
    return (__mmask16)m;
}
EMULATED __m512 wide_mask_blend_ps(__mmask16 m, __m512 a, __m512 b)
{
    EACH(16) a[i] = m >> i & 1 ? b[i] : a[i];
    return a;
}
EMULATED __m512i wide_cvtps_epi32(__m512 a)
{
    wide_ints z;
    EACH(16) z[i] = a[i] >= -2147483648.0f && a[i] < 2147483648.0f ? (int32_t)rintf(a[i]) : INT32_MIN;
    return (__m512i)z;
}
EMULATED __m512 wide_cvtepi32_ps(__m512i a)
{
    __m512 z;
    EACH(16) z[i] = (float)((wide_ints)a)[i];
    return z;
}

/* ---- of integers */
EMULATED __m512i wide_set1_epi32(int32_t a)
{
    return (__m512i)((wide_words){0} + (uint32_t)a);
}
EMULATED __m512i wide_set1_epi64(int64_t a)
{
    return (__m512i)((wide_longs){0} + (uint64_t)a);
}
EMULATED __m512i wide_mul_epu32(__m512i a, __m512i b)
{
    return (__m512i)(((wide_longs)a & 0xffffffffu) * ((wide_longs)b & 0xffffffffu));
}
EMULATED __m512i wide_cvtepu16_epi32(__m256i a)
{
    wide_words z;
    uint16_t from[16];
    memcpy(from, &a, sizeof from);
    EACH(16) z[i] = from[i];
    return (__m512i)z;
}
EMULATED __m512i wide_permutexvar_epi16(__m512i index, __m512i a)
{
    wide_shorts z;
    EACH(32) z[i] = ((wide_shorts)a)[((wide_shorts)index)[i] & 31];
    return (__m512i)z;
}
EMULATED __m512 wide_permutexvar_ps(__m512i index, __m512 a)
{
    __m512 z;
    EACH(16) z[i] = a[((wide_words)index)[i] & 15];
    return z;
}
EMULATED __m512i wide_maskz_loadu_epi32(__mmask16 m, const void *at)
{
    return (__m512i)wide_maskz_loadu_ps(m, at);
}
EMULATED void wide_mask_storeu_epi32(void *at, __mmask16 m, __m512i v)
{
    wide_mask_storeu_ps(at, m, (__m512)v);
}

/* ---- quarters and halves */
EMULATED __m512 wide_insertf32x4(__m512 a, __m128 b, int i)
{
    memcpy((float *)&a + 4 * i, &b, sizeof b);
    return a;
}
EMULATED __m512d wide_insertf64x2(__m512d a, __m128d b, int i)
{
    memcpy((double *)&a + 2 * i, &b, sizeof b);
    return a;
}
EMULATED __m256 wide_extractf32x8_ps(__m512 a, int i)
{
    __m256 z;
    memcpy(&z, (const float *)&a + 8 * i, sizeof z);
    return z;
}
#define INTERLEAVED(name, V, N, upper) /* in each quarter, numbers of a and b in turn, of its lower or upper half */        \
    EMULATED V wide_##name(V a, V b)                                                                                   \
    {                                                                                                                  \
        enum { QUARTER = N / 4 };                                                                                      \
        V z;                                                                                                           \
        EACH(N) z[i] = (i & 1 ? b : a)[i / QUARTER * QUARTER + i % QUARTER / 2 + upper * QUARTER / 2];                 \
        return z;                                                                                                      \
    }
INTERLEAVED(unpacklo_ps, __m512, 16, 0)
INTERLEAVED(unpackhi_ps, __m512, 16, 1)
INTERLEAVED(unpacklo_pd, __m512d, 8, 0)
INTERLEAVED(unpackhi_pd, __m512d, 8, 1)
EMULATED __m512 wide_shuffle_ps(__m512 a, __m512 b, int how)
{
    __m512 z;
    EACH(16) z[i] = (i % 4 < 2 ? a : b)[i / 4 * 4 + (how >> i % 4 * 2 & 3)];
    return z;
}

/* ---- bf16. The instruction takes numbers below the normal ones for 0, and makes 0 of them; the upper element goes first. */
EMULATED float wide_normal(float x)
{
    return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}
EMULATED float wide_of_half(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float z;
    memcpy(&z, &bits, sizeof z);
    return wide_normal(z);
}
EMULATED uint16_t wide_to_half(float x)
{
    uint32_t bits;
    x = wide_normal(x);
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((x != x ? bits | 0x400000 : bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
EMULATED __m512 wide_dpbf16_ps(__m512 c, __m512bh a, __m512bh b)
{
    const wide_shorts p = (wide_shorts)a, q = (wide_shorts)b;
    EACH(16)
    {
        const float first = wide_normal(fmaf(wide_of_half(p[2 * i + 1]), wide_of_half(q[2 * i + 1]), wide_normal(c[i])));
        c[i] = wide_normal(fmaf(wide_of_half(p[2 * i]), wide_of_half(q[2 * i]), first));
    }
    return c;
}
EMULATED __m512bh wide_cvtne2ps_pbh(__m512 high, __m512 low)
{
    wide_shorts z;
    EACH(16) z[i] = wide_to_half(low[i]);
    EACH(16) z[16 + i] = wide_to_half(high[i]);
    return (__m512bh)z;
}
EMULATED __m256i wide_cvtneps_pbh(__m512 a)
{
    __m256i z;
    uint16_t to[16];
    EACH(16) to[i] = wide_to_half(a[i]);
    memcpy(&z, to, sizeof z);
    return z;
}
EMULATED __m256i wide_maskz_loadu_epi16(__mmask16 m, const void *at)
{
    uint16_t from[16] = {0};
    __m256i z;
    EACH(16) if (m >> i & 1) from[i] = ((const uint16_t *)at)[i];
    memcpy(&z, from, sizeof z);
    return z;
}
EMULATED void wide_mask_storeu_epi16(void *at, __mmask16 m, __m256i v)
{
    uint16_t from[16];
    memcpy(from, &v, sizeof v);
    EACH(16) if (m >> i & 1) ((uint16_t *)at)[i] = from[i];
}

#undef EACH
#undef ARITHMETIC
#undef INTERLEAVED

/* ---- their names */
#define _mm512_set1_ps wide_set1_ps
#define _mm512_set1_pd wide_set1_pd
#define _mm512_setzero_ps wide_setzero_ps
#define _mm512_setzero_pd wide_setzero_pd
#define _mm512_loadu_ps wide_loadu_ps
#define _mm512_loadu_pd wide_loadu_pd
#define _mm512_storeu_ps wide_storeu_ps
#define _mm512_storeu_pd wide_storeu_pd
#define _mm512_maskz_loadu_ps wide_maskz_loadu_ps
#define _mm512_maskz_loadu_pd wide_maskz_loadu_pd
#define _mm512_mask_storeu_ps wide_mask_storeu_ps
#define _mm512_mask_storeu_pd wide_mask_storeu_pd
#define _mm512_fmadd_ps wide_fmadd_ps
#define _mm512_fmadd_pd wide_fmadd_pd
#define _mm512_fnmadd_ps wide_fnmadd_ps
#define _mm512_add_ps wide_add_ps
#define _mm512_sub_ps wide_sub_ps
#define _mm512_mul_ps wide_mul_ps
#define _mm512_div_ps wide_div_ps
#define _mm512_min_ps wide_min_ps
#define _mm512_max_ps wide_max_ps
#define _mm512_sqrt_ps wide_sqrt_ps
#undef _mm512_roundscale_ps
#define _mm512_roundscale_ps wide_roundscale_ps
#undef _mm512_cmp_ps_mask
#define _mm512_cmp_ps_mask wide_cmp_ps_mask
#define _mm512_mask_blend_ps wide_mask_blend_ps
#define _mm512_cvtps_epi32 wide_cvtps_epi32
#define _mm512_cvtepi32_ps wide_cvtepi32_ps
#define _mm512_castps_si512(a) ((__m512i)(a))
#define _mm512_castsi512_ps(a) ((__m512)(a))
#define _mm512_castps512_ps256(a) wide_extractf32x8_ps(a, 0)
#define _mm512_castps128_ps512(a) wide_insertf32x4((__m512){0}, a, 0)
#define _mm512_castpd128_pd512(a) wide_insertf64x2((__m512d){0}, a, 0)
#define _mm512_set1_epi32 wide_set1_epi32
#define _mm512_set1_epi64 wide_set1_epi64
#define _mm512_add_epi32(a, b) ((__m512i)((wide_words)(a) + (wide_words)(b)))
#define _mm512_sub_epi32(a, b) ((__m512i)((wide_words)(a) - (wide_words)(b)))
#define _mm512_and_si512(a, b) ((__m512i)((wide_words)(a) & (wide_words)(b)))
#define _mm512_or_si512(a, b) ((__m512i)((wide_words)(a) | (wide_words)(b)))
#define _mm512_xor_si512(a, b) ((__m512i)((wide_words)(a) ^ (wide_words)(b)))
#undef _mm512_slli_epi32
#define _mm512_slli_epi32(a, n) ((__m512i)((wide_words)(a) << (uint32_t)(n)))
#undef _mm512_srai_epi32
#define _mm512_srai_epi32(a, n) ((__m512i)((wide_ints)(a) >> (int32_t)(n)))
#define _mm512_mul_epu32 wide_mul_epu32
#define _mm512_cvtepu16_epi32 wide_cvtepu16_epi32
#define _mm512_permutexvar_epi16 wide_permutexvar_epi16
#define _mm512_permutexvar_ps wide_permutexvar_ps
#define _mm512_set_epi16(...) wide_set_epi16((const uint16_t[]){__VA_ARGS__})
#define _mm512_loadu_si512(at) ((__m512i)wide_loadu_ps(at))
#define _mm512_storeu_si512(at, v) wide_storeu_ps(at, (__m512)(v))
#define _mm512_maskz_loadu_epi32 wide_maskz_loadu_epi32
#define _mm512_mask_storeu_epi32 wide_mask_storeu_epi32
#undef _mm512_insertf32x4
#define _mm512_insertf32x4 wide_insertf32x4
#undef _mm512_insertf64x2
#define _mm512_insertf64x2 wide_insertf64x2
#undef _mm512_extractf32x8_ps
#define _mm512_extractf32x8_ps wide_extractf32x8_ps
#define _mm512_unpacklo_ps wide_unpacklo_ps
#define _mm512_unpackhi_ps wide_unpackhi_ps
#define _mm512_unpacklo_pd wide_unpacklo_pd
#define _mm512_unpackhi_pd wide_unpackhi_pd
#undef _mm512_shuffle_ps
#define _mm512_shuffle_ps wide_shuffle_ps
#define _mm512_dpbf16_ps wide_dpbf16_ps
#define _mm512_cvtne2ps_pbh wide_cvtne2ps_pbh
#define _mm512_cvtneps_pbh wide_cvtneps_pbh
#define _mm256_maskz_loadu_epi16 wide_maskz_loadu_epi16
#define _mm256_mask_storeu_epi16 wide_mask_storeu_epi16

EMULATED __m512i wide_set_epi16(const uint16_t from[32]) /* the last one first */
{
    wide_shorts z;
    for (int i = 0; i < 32; i++)
        z[i] = from[31 - i];
    return (__m512i)z;
}
#undef EMULATED

#endif
