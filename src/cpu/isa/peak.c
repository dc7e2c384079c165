/* How fast this machine is at most: fused multiply-adds on registers alone, enough chains of them that none waits for its
 * own last result. What a product reaches is measured against this. */
#include "cpu/cpu.h"
#include "cpu/simd.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#define VECTOR __m512
#define SET(x) _mm512_set1_ps(x)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define WIDTH 16
#elif defined(__AVX2__)
#include <immintrin.h>
#define VECTOR __m256
#define SET(x) _mm256_set1_ps(x)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define WIDTH 8
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#define VECTOR float32x4_t
#define SET(x) vdupq_n_f32(x)
#define FMA(a, b, c) vfmaq_f32(c, a, b)
#define WIDTH 4
#else
#define VECTOR float
#define SET(x) (x)
#define FMA(a, b, c) fmaf(a, b, c)
#define WIDTH 1
#endif

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define CHAINS 12 /* latency 4 or 5, two a cycle, and registers for all of them on every instruction set */

double ISA(cpu_peak)(int64_t rounds, float *sink)
{
    VECTOR sum[CHAINS];
    const VECTOR a = SET(0.999f), b = SET(1e-3f);
    UNROLL for (int i = 0; i < CHAINS; i++)
        sum[i] = SET(1.0f + (float)i);
    for (int64_t r = 0; r < rounds; r++) {
        UNROLL for (int i = 0; i < CHAINS; i++)
            sum[i] = FMA(sum[i], a, b);
    }
    UNROLL for (int i = 1; i < CHAINS; i++)
        sum[0] = FMA(sum[i], a, sum[0]);
    memcpy(sink, &sum[0], sizeof(float));
    return 2.0 * WIDTH * CHAINS * (double)rounds;
}
