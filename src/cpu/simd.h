/* One source for every instruction set. A file that includes this header is compiled once for each of them, with
 * CPU_ISA one of portable, avx2, avx512, neon and the compiler's flags to match; ISA(name) gives its functions names of
 * their own. `vf` is sixteen f32 lanes on every one of them: a whole register, or several, or an array; `vi` sixteen i32,
 * `vm` sixteen answers. Everything that is summed across lanes goes through v_sum, whose tree is the same everywhere, and
 * every multiply-add that is meant to be fused is written v_fma; so fp32 results are the same bits on every one. */
#ifndef CPU_SIMD_H
#define CPU_SIMD_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ISA_PASTE_(name, isa) name##_##isa
#define ISA_PASTE(name, isa) ISA_PASTE_(name, isa)
#define ISA(name) ISA_PASTE(name, CPU_ISA)

#define LANES 16
#if defined(__AVX2__)
#define SIMD_MASKS /* loads and stores of some lanes are cheap */
#endif
#define SIMD_FN static inline __attribute__((always_inline, unused))
/* What is long without vector instructions is called there, and inlined elsewhere. */
#if defined(__AVX2__) || defined(__ARM_NEON)
#define SIMD_CALL SIMD_FN
#else
#define SIMD_CALL static __attribute__((noinline, unused))
#endif
#if defined(__clang__)
#define SIMD_UNROLL _Pragma("clang loop unroll(full)")
#else
#define SIMD_UNROLL _Pragma("GCC unroll 16")
#endif

/* ---- one register: r_… of R_LANES lanes */
#define R_UNARY(name, Z, A, expression)                                                                                \
    SIMD_FN Z r_##name(A a)                                                                                            \
    {                                                                                                                  \
        return expression;                                                                                             \
    }
#define R_BINARY(name, Z, A, B, expression)                                                                            \
    SIMD_FN Z r_##name(A a, B b)                                                                                       \
    {                                                                                                                  \
        return expression;                                                                                             \
    }
#define R_TERNARY(name, Z, A, B, C, expression)                                                                        \
    SIMD_FN Z r_##name(A a, B b, C c)                                                                                  \
    {                                                                                                                  \
        return expression;                                                                                             \
    }

#if defined(__AVX512F__)
#include <immintrin.h>
#define R_LANES 16
typedef __m512 rf;
typedef __m512i ri;
typedef __mmask16 rm;
R_UNARY(set, rf, float, _mm512_set1_ps(a))
R_UNARY(load, rf, const float *, _mm512_loadu_ps(a))
SIMD_FN void r_store(float *at, rf v)
{
    _mm512_storeu_ps(at, v);
}
R_BINARY(add, rf, rf, rf, _mm512_add_ps(a, b))
R_BINARY(sub, rf, rf, rf, _mm512_sub_ps(a, b))
R_BINARY(mul, rf, rf, rf, _mm512_mul_ps(a, b))
R_BINARY(div, rf, rf, rf, _mm512_div_ps(a, b))
R_TERNARY(fma, rf, rf, rf, rf, _mm512_fmadd_ps(a, b, c))
R_TERNARY(fnma, rf, rf, rf, rf, _mm512_fnmadd_ps(a, b, c))
R_BINARY(min, rf, rf, rf, _mm512_min_ps(a, b))
R_BINARY(max, rf, rf, rf, _mm512_max_ps(a, b))
R_UNARY(sqrt, rf, rf, _mm512_sqrt_ps(a))
R_UNARY(round, rf, rf, _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))
R_UNARY(floor, rf, rf, _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC))
R_UNARY(ceil, rf, rf, _mm512_roundscale_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC))
R_BINARY(lt, rm, rf, rf, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ))
R_BINARY(le, rm, rf, rf, _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ))
R_BINARY(eq, rm, rf, rf, _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ))
R_BINARY(both, rm, rm, rm, (rm)(a &b))
R_BINARY(either, rm, rm, rm, (rm)(a | b))
R_UNARY(not, rm, rm, (rm)~a)
R_UNARY(any, int, rm, a != 0)
R_TERNARY(select, rf, rm, rf, rf, _mm512_mask_blend_ps(a, c, b))
R_UNARY(iset, ri, int32_t, _mm512_set1_epi32(a))
R_BINARY(iadd, ri, ri, ri, _mm512_add_epi32(a, b))
R_BINARY(isub, ri, ri, ri, _mm512_sub_epi32(a, b))
R_BINARY(iand, ri, ri, ri, _mm512_and_si512(a, b))
R_BINARY(ior, ri, ri, ri, _mm512_or_si512(a, b))
R_BINARY(ixor, ri, ri, ri, _mm512_xor_si512(a, b))
R_BINARY(shl, ri, ri, int, _mm512_slli_epi32(a, (unsigned)b))
R_BINARY(sar, ri, ri, int, _mm512_srai_epi32(a, (unsigned)b))
R_UNARY(to_int, ri, rf, _mm512_cvtps_epi32(a))
R_UNARY(to_float, rf, ri, _mm512_cvtepi32_ps(a))
R_UNARY(bits, ri, rf, _mm512_castps_si512(a))
R_UNARY(of_bits, rf, ri, _mm512_castsi512_ps(a))

#elif defined(__AVX2__)
#include <immintrin.h>
#define R_LANES 8
typedef __m256 rf;
typedef __m256i ri;
typedef __m256 rm;
R_UNARY(set, rf, float, _mm256_set1_ps(a))
R_UNARY(load, rf, const float *, _mm256_loadu_ps(a))
SIMD_FN void r_store(float *at, rf v)
{
    _mm256_storeu_ps(at, v);
}
R_BINARY(add, rf, rf, rf, _mm256_add_ps(a, b))
R_BINARY(sub, rf, rf, rf, _mm256_sub_ps(a, b))
R_BINARY(mul, rf, rf, rf, _mm256_mul_ps(a, b))
R_BINARY(div, rf, rf, rf, _mm256_div_ps(a, b))
R_TERNARY(fma, rf, rf, rf, rf, _mm256_fmadd_ps(a, b, c))
R_TERNARY(fnma, rf, rf, rf, rf, _mm256_fnmadd_ps(a, b, c))
R_BINARY(min, rf, rf, rf, _mm256_min_ps(a, b))
R_BINARY(max, rf, rf, rf, _mm256_max_ps(a, b))
R_UNARY(sqrt, rf, rf, _mm256_sqrt_ps(a))
R_UNARY(round, rf, rf, _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))
R_UNARY(floor, rf, rf, _mm256_round_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC))
R_UNARY(ceil, rf, rf, _mm256_round_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC))
R_BINARY(lt, rm, rf, rf, _mm256_cmp_ps(a, b, _CMP_LT_OQ))
R_BINARY(le, rm, rf, rf, _mm256_cmp_ps(a, b, _CMP_LE_OQ))
R_BINARY(eq, rm, rf, rf, _mm256_cmp_ps(a, b, _CMP_EQ_OQ))
R_BINARY(both, rm, rm, rm, _mm256_and_ps(a, b))
R_BINARY(either, rm, rm, rm, _mm256_or_ps(a, b))
R_UNARY(any, int, rm, _mm256_movemask_ps(a))
R_UNARY(not, rm, rm, _mm256_xor_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(-1))))
R_TERNARY(select, rf, rm, rf, rf, _mm256_blendv_ps(c, b, a))
R_UNARY(iset, ri, int32_t, _mm256_set1_epi32(a))
R_BINARY(iadd, ri, ri, ri, _mm256_add_epi32(a, b))
R_BINARY(isub, ri, ri, ri, _mm256_sub_epi32(a, b))
R_BINARY(iand, ri, ri, ri, _mm256_and_si256(a, b))
R_BINARY(ior, ri, ri, ri, _mm256_or_si256(a, b))
R_BINARY(ixor, ri, ri, ri, _mm256_xor_si256(a, b))
R_BINARY(shl, ri, ri, int, _mm256_slli_epi32(a, b))
R_BINARY(sar, ri, ri, int, _mm256_srai_epi32(a, b))
R_UNARY(to_int, ri, rf, _mm256_cvtps_epi32(a))
R_UNARY(to_float, rf, ri, _mm256_cvtepi32_ps(a))
R_UNARY(bits, ri, rf, _mm256_castps_si256(a))
R_UNARY(of_bits, rf, ri, _mm256_castsi256_ps(a))

#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#define R_LANES 4
typedef float32x4_t rf;
typedef int32x4_t ri;
typedef uint32x4_t rm;
R_UNARY(set, rf, float, vdupq_n_f32(a))
R_UNARY(load, rf, const float *, vld1q_f32(a))
SIMD_FN void r_store(float *at, rf v)
{
    vst1q_f32(at, v);
}
R_BINARY(add, rf, rf, rf, vaddq_f32(a, b))
R_BINARY(sub, rf, rf, rf, vsubq_f32(a, b))
R_BINARY(mul, rf, rf, rf, vmulq_f32(a, b))
R_BINARY(div, rf, rf, rf, vdivq_f32(a, b))
R_TERNARY(fma, rf, rf, rf, rf, vfmaq_f32(c, a, b))
R_TERNARY(fnma, rf, rf, rf, rf, vfmsq_f32(c, a, b))
R_BINARY(min, rf, rf, rf, vbslq_f32(vcltq_f32(a, b), a, b)) /* not vminq: x86 gives b where either is NaN */
R_BINARY(max, rf, rf, rf, vbslq_f32(vcgtq_f32(a, b), a, b))
R_UNARY(sqrt, rf, rf, vsqrtq_f32(a))
R_UNARY(round, rf, rf, vrndnq_f32(a))
R_UNARY(floor, rf, rf, vrndmq_f32(a))
R_UNARY(ceil, rf, rf, vrndpq_f32(a))
R_BINARY(lt, rm, rf, rf, vcltq_f32(a, b))
R_BINARY(le, rm, rf, rf, vcleq_f32(a, b))
R_BINARY(eq, rm, rf, rf, vceqq_f32(a, b))
R_BINARY(both, rm, rm, rm, vandq_u32(a, b))
R_BINARY(either, rm, rm, rm, vorrq_u32(a, b))
R_UNARY(not, rm, rm, vmvnq_u32(a))
R_UNARY(any, int, rm, vmaxvq_u32(a) != 0)
R_TERNARY(select, rf, rm, rf, rf, vbslq_f32(a, b, c))
R_UNARY(iset, ri, int32_t, vdupq_n_s32(a))
R_BINARY(iadd, ri, ri, ri, vaddq_s32(a, b))
R_BINARY(isub, ri, ri, ri, vsubq_s32(a, b))
R_BINARY(iand, ri, ri, ri, vandq_s32(a, b))
R_BINARY(ior, ri, ri, ri, vorrq_s32(a, b))
R_BINARY(ixor, ri, ri, ri, veorq_s32(a, b))
R_BINARY(shl, ri, ri, int, vshlq_s32(a, vdupq_n_s32(b)))
R_BINARY(sar, ri, ri, int, vshlq_s32(a, vdupq_n_s32(-b)))
R_UNARY(to_int, ri, rf, vcvtnq_s32_f32(a))
R_UNARY(to_float, rf, ri, vcvtq_f32_s32(a))
R_UNARY(bits, ri, rf, vreinterpretq_s32_f32(a))
R_UNARY(of_bits, rf, ri, vreinterpretq_f32_s32(a))

#else
/* Vectors of four as the compiler makes them out of whatever the machine has. */
#define R_LANES 4
typedef float rf __attribute__((vector_size(16)));
typedef int32_t ri __attribute__((vector_size(16)));
typedef uint32_t ru __attribute__((vector_size(16)));
typedef ri rm;
#define R_LANEWISE(name, expression)                                                                                   \
    SIMD_FN rf r_##name(rf a)                                                                                          \
    {                                                                                                                  \
        rf z;                                                                                                          \
        SIMD_UNROLL for (int i = 0; i < R_LANES; i++) z[i] = expression(a[i]);                                         \
        return z;                                                                                                      \
    }
R_UNARY(set, rf, float, ((rf){a, a, a, a}))
SIMD_FN rf r_load(const float *at)
{
    rf z;
    memcpy(&z, at, sizeof z);
    return z;
}
SIMD_FN void r_store(float *at, rf v)
{
    memcpy(at, &v, sizeof v);
}
R_BINARY(add, rf, rf, rf, a + b)
R_BINARY(sub, rf, rf, rf, a - b)
R_BINARY(mul, rf, rf, rf, a *b)
R_BINARY(div, rf, rf, rf, a / b)
SIMD_FN rf r_fma(rf a, rf b, rf c)
{
    SIMD_UNROLL for (int i = 0; i < R_LANES; i++) c[i] = fmaf(a[i], b[i], c[i]);
    return c;
}
R_TERNARY(fnma, rf, rf, rf, rf, r_fma(-a, b, c))
R_LANEWISE(sqrt, sqrtf)
R_LANEWISE(round, rintf)
R_LANEWISE(floor, floorf)
R_LANEWISE(ceil, ceilf)
R_BINARY(lt, rm, rf, rf, a < b)
R_BINARY(le, rm, rf, rf, a <= b)
R_BINARY(eq, rm, rf, rf, a == b)
R_BINARY(both, rm, rm, rm, a &b)
R_BINARY(either, rm, rm, rm, a | b)
R_UNARY(not, rm, rm, ~a)
R_UNARY(any, int, rm, a[0] | a[1] | a[2] | a[3])
R_TERNARY(select, rf, rm, rf, rf, (rf)(((ri)b & a) | ((ri)c & ~a)))
R_BINARY(min, rf, rf, rf, r_select(a < b, a, b))
R_BINARY(max, rf, rf, rf, r_select(a > b, a, b))
R_UNARY(iset, ri, int32_t, ((ri){a, a, a, a}))
R_BINARY(iadd, ri, ri, ri, (ri)((ru)a + (ru)b))
R_BINARY(isub, ri, ri, ri, (ri)((ru)a - (ru)b))
R_BINARY(iand, ri, ri, ri, a &b)
R_BINARY(ior, ri, ri, ri, a | b)
R_BINARY(ixor, ri, ri, ri, a ^ b)
R_BINARY(shl, ri, ri, int, (ri)((ru)a << (uint32_t)b))
R_BINARY(sar, ri, ri, int, a >> b)
R_UNARY(to_float, rf, ri, __builtin_convertvector(a, rf))
SIMD_FN ri r_to_int(rf a) /* what does not fit becomes the smallest number, as on x86 */
{
    ri z;
    SIMD_UNROLL for (int i = 0; i < R_LANES; i++) z[i] =
        a[i] >= -2147483648.0f && a[i] < 2147483648.0f ? (int32_t)rintf(a[i]) : INT32_MIN;
    return z;
}
R_UNARY(bits, ri, rf, (ri)a)
R_UNARY(of_bits, rf, ri, (rf)a)
#endif

/* ---- sixteen lanes */
#define V_PARTS (LANES / R_LANES)
typedef struct vf {
    rf r[V_PARTS];
} vf;
typedef struct vi {
    ri r[V_PARTS];
} vi;
typedef struct vm {
    rm r[V_PARTS];
} vm;
#define V_EACH SIMD_UNROLL for (int p = 0; p < V_PARTS; p++)
#define V_SET(name, Z, A)                                                                                              \
    SIMD_FN Z v_##name(A a)                                                                                            \
    {                                                                                                                  \
        Z z;                                                                                                           \
        V_EACH z.r[p] = r_##name(a);                                                                                   \
        return z;                                                                                                      \
    }
#define V_UNARY(name, Z, A) V_UNARY_AS(SIMD_FN, name, Z, A)
#define V_UNARY_AS(kind, name, Z, A)                                                                                   \
    kind Z v_##name(A a)                                                                                               \
    {                                                                                                                  \
        Z z;                                                                                                           \
        V_EACH z.r[p] = r_##name(a.r[p]);                                                                              \
        return z;                                                                                                      \
    }
#define V_BINARY(name, Z, A, B)                                                                                        \
    SIMD_FN Z v_##name(A a, B b)                                                                                       \
    {                                                                                                                  \
        Z z;                                                                                                           \
        V_EACH z.r[p] = r_##name(a.r[p], b.r[p]);                                                                      \
        return z;                                                                                                      \
    }
#define V_TERNARY(name, Z, A, B, C) V_TERNARY_AS(SIMD_FN, name, Z, A, B, C)
#define V_TERNARY_AS(kind, name, Z, A, B, C)                                                                           \
    kind Z v_##name(A a, B b, C c)                                                                                     \
    {                                                                                                                  \
        Z z;                                                                                                           \
        V_EACH z.r[p] = r_##name(a.r[p], b.r[p], c.r[p]);                                                              \
        return z;                                                                                                      \
    }
#define V_SHIFT(name)                                                                                                  \
    SIMD_FN vi v_##name(vi a, int b)                                                                                   \
    {                                                                                                                  \
        vi z;                                                                                                          \
        V_EACH z.r[p] = r_##name(a.r[p], b);                                                                           \
        return z;                                                                                                      \
    }
V_SET(set, vf, float)
V_SET(iset, vi, int32_t)
V_BINARY(add, vf, vf, vf)
V_BINARY(sub, vf, vf, vf)
V_BINARY(mul, vf, vf, vf)
V_BINARY(div, vf, vf, vf)
V_TERNARY_AS(SIMD_CALL, fma, vf, vf, vf, vf)  /* a * b + c, rounded once */
V_TERNARY_AS(SIMD_CALL, fnma, vf, vf, vf, vf) /* c - a * b, rounded once */
V_BINARY(min, vf, vf, vf)                     /* a < b ? a : b, so b where either is NaN */
V_BINARY(max, vf, vf, vf)                     /* a > b ? a : b */
V_UNARY_AS(SIMD_CALL, sqrt, vf, vf)
V_UNARY_AS(SIMD_CALL, round, vf, vf) /* to nearest, ties to even */
V_UNARY_AS(SIMD_CALL, floor, vf, vf)
V_UNARY_AS(SIMD_CALL, ceil, vf, vf)
V_BINARY(lt, vm, vf, vf) /* comparisons with NaN are false */
V_BINARY(le, vm, vf, vf)
V_BINARY(eq, vm, vf, vf)
V_BINARY(both, vm, vm, vm)
V_BINARY(either, vm, vm, vm)
V_UNARY(not, vm, vm)
V_TERNARY(select, vf, vm, vf, vf) /* b where a holds, else c */
V_BINARY(iadd, vi, vi, vi)
V_BINARY(isub, vi, vi, vi)
V_BINARY(iand, vi, vi, vi)
V_BINARY(ior, vi, vi, vi)
V_BINARY(ixor, vi, vi, vi)
V_SHIFT(shl)
V_SHIFT(sar)                          /* arithmetic */
V_UNARY_AS(SIMD_CALL, to_int, vi, vf) /* to nearest; where it does not fit the result is any */
V_UNARY(to_float, vf, vi)
V_UNARY(bits, vi, vf)
V_UNARY(of_bits, vf, vi)

SIMD_FN vf v_load(const float *at)
{
    vf z;
    V_EACH z.r[p] = r_load(at + p * R_LANES);
    return z;
}
SIMD_FN void v_store(float *at, vf v)
{
    V_EACH r_store(at + p * R_LANES, v.r[p]);
}
/* The first n of sixteen numbers, 0 <= n <= 16; the others are 0, or stay as they are. Nothing behind them is touched. */
#if defined(__AVX512F__)
SIMD_FN vf v_load_n(const float *at, int64_t n)
{
    return (vf){{_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), at)}};
}
SIMD_FN void v_store_n(float *at, vf v, int64_t n)
{
    _mm512_mask_storeu_ps(at, (__mmask16)((1u << n) - 1), v.r[0]);
}
#elif defined(__AVX2__)
SIMD_FN __m256i simd_first(int64_t n) /* ones in the first n lanes; none if n < 0, all if n > 8 */
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
SIMD_FN vf v_load_n(const float *at, int64_t n)
{
    return (vf){{_mm256_maskload_ps(at, simd_first(n)), _mm256_maskload_ps(at + 8, simd_first(n - 8))}};
}
SIMD_FN void v_store_n(float *at, vf v, int64_t n)
{
    _mm256_maskstore_ps(at, simd_first(n), v.r[0]);
    _mm256_maskstore_ps(at + 8, simd_first(n - 8), v.r[1]);
}
#else
SIMD_CALL vf v_load_n(const float *at, int64_t n)
{
    float whole[LANES] = {0};
    memcpy(whole, at, (size_t)n * sizeof *at);
    return v_load(whole);
}
SIMD_FN void v_store_n(float *at, vf v, int64_t n)
{
    float whole[LANES];
    v_store(whole, v);
    memcpy(at, whole, (size_t)n * sizeof *at);
}
#endif
/* One tree for all: lane i with i + 8, then + 4, + 2, + 1. */
#if defined(__AVX2__)
SIMD_FN float v_sum(vf v)
{
#if defined(__AVX512F__)
    const __m256 low = _mm512_castps512_ps256(v.r[0]), high = _mm512_extractf32x8_ps(v.r[0], 1);
#else
    const __m256 low = v.r[0], high = v.r[1];
#endif
    const __m256 eight = _mm256_add_ps(low, high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
#else
SIMD_FN float v_sum(vf v)
{
    float a[4];
    r_store(a, r_add(r_add(v.r[0], v.r[2]), r_add(v.r[1], v.r[3])));
    return (a[0] + a[2]) + (a[1] + a[3]);
}
#endif
/* Lane i is lane index[i] of a. */
#if defined(__AVX512F__)
SIMD_FN vf v_permute(vf a, const int32_t *index)
{
    return (vf){{_mm512_permutexvar_ps(_mm512_loadu_si512(index), a.r[0])}};
}
#elif defined(__AVX2__)
SIMD_FN __m256 simd_permute(vf a, __m256i index)
{
    const __m256 low = _mm256_permutevar8x32_ps(a.r[0], index), high = _mm256_permutevar8x32_ps(a.r[1], index);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_cmpgt_epi32(index, _mm256_set1_epi32(7))));
}
SIMD_FN vf v_permute(vf a, const int32_t *index)
{
    return (vf){{simd_permute(a, _mm256_loadu_si256((const __m256i *)(const void *)index)),
                 simd_permute(a, _mm256_loadu_si256((const __m256i *)(const void *)(index + 8)))}};
}
#else
SIMD_CALL vf v_permute(vf a, const int32_t *index)
{
    float from[LANES], to[LANES];
    v_store(from, a);
    for (int i = 0; i < LANES; i++)
        to[i] = from[index[i]];
    return v_load(to);
}
#endif
SIMD_FN vf v_neg(vf a)
{
    return v_of_bits(v_ixor(v_bits(a), v_iset(INT32_MIN)));
}
SIMD_FN vf v_abs(vf a)
{
    return v_of_bits(v_iand(v_bits(a), v_iset(INT32_MAX)));
}
SIMD_FN vm v_nan(vf a)
{
    return v_not(v_eq(a, a));
}
/* `size`, which is not negative, with the sign of `sign`. */
SIMD_FN vf v_signed(vf size, vf sign)
{
    return v_of_bits(v_ior(v_bits(size), v_iand(v_bits(sign), v_iset(INT32_MIN))));
}
SIMD_FN bool v_any(vm m)
{
    int any = 0;
    V_EACH any |= r_any(m.r[p]);
    return any;
}
SIMD_FN vf v_truth(vm m)
{
    return v_select(m, v_set(1), v_set(0));
}

#endif
