/* Products of bf16: the blocks of gemm_real.inc with an instruction that multiplies two pairs of bf16 and adds both products
 * to a float. Operands are brought into pairs first: elements k and k + 1 of a row side by side. */
#include "cpu/cpu.h"
#include "cpu/simd.h"

#include "cpu/isa/gemm_kinds.inc"

#define REAL uint32_t
#define SUM float
#define KIND IS_PAIR
#define NAME(x) bf16_##x
#include "cpu/isa/gemm_real.inc"

/* ---- into pairs. Two vectors of sixteen floats become one of 32 bf16, the first of them in its lower half. */

#define FIRST(n) (__mmask16)((n) >= 16 ? 0xffff : (n) <= 0 ? 0 : (1u << (n)) - 1)

/* Sixteen numbers from `at` on, those that the mask names. */
INLINE __m512 take(const bool is_float, const void *from, int64_t at, __mmask16 m)
{
    if (is_float)
        return _mm512_maskz_loadu_ps(m, (const float *)from + at);
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, (const uint16_t *)from + at)), 16));
}

INLINE __m512i halves(__m512 low, __m512 high)
{
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* k is adjacent: the order stays. */
INLINE void rows_of(const bool is_float, int64_t rows, int64_t k, const void *from, int64_t ld, uint32_t *to,
                    int64_t to_ld)
{
    for (int64_t r = 0; r < rows; r++, to += to_ld) {
        int64_t at = r * ld, i = 0;
        for (; i + 32 <= k; i += 32)
            _mm512_storeu_si512(
                to + i / 2, halves(take(is_float, from, at + i, 0xffff), take(is_float, from, at + i + 16, 0xffff)));
        if (i < k)
            _mm512_mask_storeu_epi32(to + i / 2, FIRST((k - i + 1) / 2),
                                     halves(take(is_float, from, at + i, FIRST(k - i)),
                                            take(is_float, from, at + i + 16, FIRST(k - i - 16))));
    }
}

#define SOON 24       /* steps of k that are asked for before they are read, */
#define FAR (2 << 20) /* where all of them take more bytes than this: nothing else foresees steps that are far apart */

/* Rows are adjacent: those of k and of k + 1 are threaded into each other. */
INLINE void columns_of(const bool is_float, int64_t rows, int64_t k, const void *from, int64_t ld, uint32_t *to,
                       int64_t to_ld)
{
    const __m512i thread = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                            21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const int64_t size = is_float ? 4 : 2;
    const bool far = k * ld * size > FAR;
    for (int64_t i = 0; i < k; i += 2, to += to_ld) {
        const __mmask16 second = i + 1 < k ? 0xffff : 0;
        int64_t at = i * ld, r = 0;
        for (; r + 16 <= rows; r += 16) {
            if (far) {
                __builtin_prefetch((const char *)from + (at + SOON * ld + r) * size);
                __builtin_prefetch((const char *)from + (at + (SOON + 1) * ld + r) * size);
            }
            _mm512_storeu_si512(to + r,
                                _mm512_permutexvar_epi16(thread, halves(take(is_float, from, at + r, 0xffff),
                                                                        take(is_float, from, at + ld + r, second))));
        }
        if (r < rows)
            _mm512_mask_storeu_epi32(
                to + r, FIRST(rows - r),
                _mm512_permutexvar_epi16(thread, halves(take(is_float, from, at + r, FIRST(rows - r)),
                                                        take(is_float, from, at + ld + r, FIRST(rows - r) & second))));
    }
}

static void round_rows(int64_t rows, int64_t k, const void *from, nilu_dtype type, int64_t ld, void *to, int64_t to_ld)
{
    if (type == NILU_F32)
        rows_of(true, rows, k, from, ld, to, to_ld);
    else
        rows_of(false, rows, k, from, ld, to, to_ld);
}

static void round_columns(int64_t rows, int64_t k, const void *from, nilu_dtype type, int64_t ld, void *to,
                          int64_t to_ld)
{
    if (type == NILU_F32)
        columns_of(true, rows, k, from, ld, to, to_ld);
    else
        columns_of(false, rows, k, from, ld, to, to_ld);
}

static void to_bf16(const float *from, uint16_t *to, int64_t n)
{
    for (int64_t i = 0; i < n; i += 16)
        _mm256_mask_storeu_epi16(to + i, FIRST(n - i),
                                 (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(FIRST(n - i), from + i)));
}

const cpu_gemm_table ISA(cpu_gemm) = {.lanes = {0, 0, bf16_lanes},
                                      .most = MOST,
                                      .per = 2,
                                      .multiply = {NULL, NULL, bf16_multiply},
                                      .round_rows = round_rows,
                                      .round_columns = round_columns,
                                      .to_bf16 = to_bf16};
