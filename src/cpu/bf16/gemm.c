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

/* Sixteen numbers as floats; the first n of them. */
INLINE __m512 wide(const void *from, nilu_dtype type, int64_t i, int64_t n)
{
    const __mmask16 m = n >= 16 ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
    if (type == NILU_F32)
        return _mm512_maskz_loadu_ps(m, (const float *)from + i);
    __m256i half = _mm256_maskz_loadu_epi16(m, (const uint16_t *)from + i);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* k is adjacent: two vectors become one, in the same order. */
static void round_rows(int64_t rows, int64_t k, const void *from, nilu_dtype type, int64_t ld, void *to_, int64_t to_ld)
{
    for (int64_t r = 0; r < rows; r++) {
        uint32_t *to = (uint32_t *)to_ + r * to_ld;
        for (int64_t i = 0; i < k; i += 32) {
            int64_t left = k - i, pairs = (left + 1) / 2;
            __m512bh v =
                _mm512_cvtne2ps_pbh(wide(from, type, r * ld + i + 16, left - 16), wide(from, type, r * ld + i, left));
            _mm512_mask_storeu_epi32(to + i / 2, pairs >= 16 ? 0xffff : (__mmask16)((1u << pairs) - 1), (__m512i)v);
        }
    }
}

/* Rows are adjacent: those of k and of k + 1 are threaded into each other. */
static void round_columns(int64_t rows, int64_t k, const void *from, nilu_dtype type, int64_t ld, void *to_,
                          int64_t to_ld)
{
    const __m512i thread = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                            21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    for (int64_t i = 0; i < k; i += 2) {
        uint32_t *to = (uint32_t *)to_ + i / 2 * to_ld;
        for (int64_t r = 0; r < rows; r += 16) {
            int64_t left = rows - r;
            __m512bh v = _mm512_cvtne2ps_pbh(wide(from, type, (i + 1) * ld + r, i + 1 < k ? left : 0),
                                             wide(from, type, i * ld + r, left));
            _mm512_mask_storeu_epi32(to + r, left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1),
                                     _mm512_permutexvar_epi16(thread, (__m512i)v));
        }
    }
}

const cpu_gemm_table ISA(cpu_gemm) = {.lanes = {0, 0, bf16_lanes},
                                      .most = MOST,
                                      .per = 2,
                                      .multiply = {NULL, NULL, bf16_multiply},
                                      .round_rows = round_rows,
                                      .round_columns = round_columns};
