/* Products: c = p · q, one block of accumulators at a time. A block is a few rows of p by a few vectors of q; its sums stay
 * in registers while k runs, and each of them is one chain of fused multiply-adds in ascending k. So which block an element
 * falls into changes no bit of it, and neither does the instruction set. gemm_real.inc holds the code for one type of
 * number and is read twice; here is how many rows of 1, 2, 3 or 4 vectors there are registers for. */
#include "cpu/cpu.h"
#include "cpu/simd.h"

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define TO4(X, v) X(1, v) X(2, v) X(3, v) X(4, v)
#define TO6(X, v) TO4(X, v) X(5, v) X(6, v)
#define TO9(X, v) TO6(X, v) X(7, v) X(8, v) X(9, v)
#define TO12(X, v) TO9(X, v) X(10, v) X(11, v) X(12, v)
#define TO14(X, v) TO12(X, v) X(13, v) X(14, v)
#define MAX_ROWS 14
#define MAX_STRIP 4

#if defined(__AVX512F__)
#include <immintrin.h>
#define MASKS_ARE_FREE /* so there is no kind of block without one */
#define BY_WIDTH(wide, narrow) wide
#define BLOCKS(X) TO14(X, 1) TO14(X, 2) TO9(X, 3) TO6(X, 4)
#define MOST                                                                                                           \
    {                                                                                                                  \
        0, 14, 14, 9, 6                                                                                                \
    }
#elif defined(__AVX2__)
#include <immintrin.h>
#define BY_WIDTH(wide, narrow) narrow
#define BLOCKS(X) TO12(X, 1) TO6(X, 2) TO4(X, 3)
#define MOST                                                                                                           \
    {                                                                                                                  \
        0, 12, 6, 4, 0                                                                                                 \
    }
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#define BLOCKS(X) TO14(X, 1) TO12(X, 2) TO9(X, 3) TO6(X, 4)
#define MOST                                                                                                           \
    {                                                                                                                  \
        0, 14, 12, 8, 6                                                                                                \
    }
#else
#define BLOCKS(X) TO4(X, 1)
#define MOST                                                                                                           \
    {                                                                                                                  \
        0, 4, 0, 0, 0                                                                                                  \
    }
#endif

static const int most[MAX_STRIP + 1] = MOST;

#define REAL float
#define IS_FLOAT 1
#define NAME(x) f32_##x
#include "cpu/isa/gemm_real.inc"
#undef REAL
#undef IS_FLOAT
#undef NAME
#define REAL double
#define IS_FLOAT 0
#define NAME(x) f64_##x
#include "cpu/isa/gemm_real.inc"

const cpu_gemm_table ISA(cpu_gemm) = {.lanes = {f32_lanes, f64_lanes},
                                      .most = MOST,
                                      .multiply = {f32_multiply, f64_multiply},
                                      .flip = {f32_flip, f64_flip}};
