/* Products: c = p · q, one block of accumulators at a time. A block is a few rows of p by a few vectors of q; its sums stay
 * in registers while k runs, and each of them is one chain of fused multiply-adds in ascending k. So which block an element
 * falls into changes no bit of it, and neither does the instruction set. gemm_real.inc holds the code for one type of
 * number and is read twice. */
#include "cpu/cpu.h"
#include "cpu/simd.h"

#include "cpu/isa/gemm_kinds.inc"

#define REAL float
#define SUM float
#define KIND IS_FLOAT
#define NAME(x) f32_##x
#include "cpu/isa/gemm_real.inc"
#undef REAL
#undef SUM
#undef KIND
#undef NAME
#define REAL double
#define SUM double
#define KIND IS_DOUBLE
#define NAME(x) f64_##x
#include "cpu/isa/gemm_real.inc"

/* ---- operands rounded to bf16, where no instruction multiplies such: floats that are rounded are what f32 products take */

INLINE uint32_t upper_half(float value) /* to nearest even; NaN stays NaN */
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t even = bits + 0x7fff + (bits >> 16 & 1);
    return ((bits & 0x7fffffff) > 0x7f800000 ? bits | 0x400000 : even) & 0xffff0000;
}

static void to_bf16(const float *from, uint16_t *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (uint16_t)(upper_half(from[i]) >> 16);
}

/* Also where it lies. */
static void round_row(const float *from, float *to, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        const vf x = i + LANES <= n ? v_load(from + i) : v_load_n(from + i, n - i);
        const vi bits = v_bits(x), odd = v_iand(v_sar(bits, 16), v_iset(1)), even = v_iadd(v_iadd(bits, v_iset(0x7fff)), odd);
        const vf all = v_select(v_nan(x), v_of_bits(v_ior(bits, v_iset(0x400000))), v_of_bits(even));
        const vf z = v_of_bits(v_iand(v_bits(all), v_iset(-0x10000)));
        if (i + LANES <= n)
            v_store(to + i, z);
        else
            v_store_n(to + i, z, n - i);
    }
}

static void round_rows(int64_t rows, int64_t k, const void *from, nilu_dtype type, int64_t ld, void *to, int64_t to_ld)
{
    for (int64_t r = 0; r < rows; r++) {
        float *row = (float *)to + r * to_ld;
        if (type == NILU_F32)
            round_row((const float *)from + r * ld, row, k);
        else
            for (int64_t i = 0; i < k; i++) {
                const uint32_t bits = (uint32_t)((const uint16_t *)from)[r * ld + i] << 16;
                memcpy(row + i, &bits, sizeof bits);
            }
    }
}

/* Rows are adjacent, and stay so. */
static void round_columns(int64_t rows, int64_t k, const void *from, nilu_dtype type, int64_t ld, void *to,
                          int64_t to_ld)
{
    round_rows(k, rows, from, type, ld, to, to_ld);
}

const cpu_gemm_table ISA(cpu_gemm) = {.lanes = {f32_lanes, f64_lanes, f32_lanes},
                                      .most = MOST,
                                      .per = 1,
                                      .multiply = {f32_multiply, f64_multiply, f32_multiply},
                                      .flip = {f32_flip, f64_flip},
                                      .lay = {f32_lay, f64_lay},
                                      .round_rows = round_rows,
                                      .round_columns = round_columns,
                                      .to_bf16 = to_bf16};
