/* Philox4x32-10, as base_philox, for a vector of counters at once; and the bell curve by Box and Muller, in doubles. Integers are
 * the same everywhere; the doubles' logarithm, sine and cosine are polynomials of our own, in plain multiplications and
 * additions, so they are too. */
#include "cpu/cpu.h"
#include "cpu/simd.h"

/* Counters stand in lanes of 64 bits, of which the lower half counts, and the upper is whatever a product left there: so a
 * round is two products, two shifts and two times exclusive or. */
#if defined(__AVX512F__)
typedef uint64_t wide __attribute__((vector_size(64)));
#define FIRST                                                                                                          \
    {                                                                                                                  \
        0, 4, 1, 5, 2, 6, 3, 7                                                                                         \
    } /* in this order, so that the words come out in theirs */
#define LOWER_OF(a, b) __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14)
#define UPPER_OF(a, b) __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15)
#define PRODUCT(a, m) ((wide)_mm512_mul_epu32((__m512i)(a), _mm512_set1_epi64(m)))
#elif defined(__AVX2__)
typedef uint64_t wide __attribute__((vector_size(32)));
#define FIRST                                                                                                          \
    {                                                                                                                  \
        0, 2, 1, 3                                                                                                     \
    }
#define LOWER_OF(a, b) __builtin_shufflevector(a, b, 0, 4, 2, 6)
#define UPPER_OF(a, b) __builtin_shufflevector(a, b, 1, 5, 3, 7)
#define PRODUCT(a, m) ((wide)_mm256_mul_epu32((__m256i)(a), _mm256_set1_epi64x(m)))
#else
typedef uint64_t wide __attribute__((vector_size(16)));
#define FIRST                                                                                                          \
    {                                                                                                                  \
        0, 1                                                                                                           \
    }
#define LOWER_OF(a, b) __builtin_shufflevector(a, b, 0, 2)
#define UPPER_OF(a, b) __builtin_shufflevector(a, b, 1, 3)
#define PRODUCT(a, m) (((a)&0xffffffffu) * (uint64_t)(m))
#endif
#define COUNTERS ((int64_t)(sizeof(wide) / 8))
#define TOGETHER 2 /* chains, so that none waits for its own last product */

/* words[4 i + w] is word w of counter + i, i < counters, in steps of COUNTERS * TOGETHER; counter is a multiple of 8, so
 * that its upper half stays. */
static void philox(base_key key, uint64_t counter, uint32_t *words, int64_t counters)
{
    const wide zero = {0}, first = FIRST, lower = zero + 0xffffffffu;
    for (int64_t i = 0; i < counters; i += COUNTERS * TOGETHER) {
        wide c0[TOGETHER], c1[TOGETHER], c2[TOGETHER], c3[TOGETHER];
        uint32_t k0 = (uint32_t)key.seed, k1 = (uint32_t)(key.seed >> 32);
        SIMD_UNROLL for (int t = 0; t < TOGETHER; t++)
        {
            uint64_t at = counter + (uint64_t)(i + t * COUNTERS);
            c0[t] = first + (at & 0xffffffffu);
            c1[t] = zero + (at >> 32);
            c2[t] = zero + (key.stream & 0xffffffffu);
            c3[t] = zero + (key.stream >> 32);
        }
        SIMD_UNROLL for (int round = 0; round < 10; round++)
        {
            SIMD_UNROLL for (int t = 0; t < TOGETHER; t++)
            {
                wide p0 = PRODUCT(c0[t], 0xD2511F53u), p1 = PRODUCT(c2[t], 0xCD9E8D57u);
                c0[t] = (p1 >> 32) ^ c1[t] ^ (zero + k0);
                c1[t] = p1;
                c2[t] = (p0 >> 32) ^ c3[t] ^ (zero + k1);
                c3[t] = p0;
            }
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        SIMD_UNROLL for (int t = 0; t < TOGETHER; t++)
        {
            wide front = (c0[t] & lower) | c1[t] << 32, back = (c2[t] & lower) | c3[t] << 32;
            wide low = LOWER_OF(front, back), high = UPPER_OF(front, back);
            memcpy(words + 4 * (i + t * COUNTERS), &low, sizeof low);
            memcpy(words + 4 * (i + t * COUNTERS) + 2 * COUNTERS, &high, sizeof high);
        }
    }
}

/* Draws first .. first+n-1, first a multiple of 64, in [0, 1). */
static void uniform(base_key key, uint64_t first, double *to, int64_t n)
{
    uint32_t words[CPU_BLOCK];
    for (int64_t i = 0; i < n; i += CPU_BLOCK) {
        int64_t count = n - i < CPU_BLOCK ? n - i : CPU_BLOCK;
        philox(key, (first + (uint64_t)i) / 4, words, (count + 3) / 4);
        for (int64_t j = 0; j < count; j++)
            to[i + j] = (double)(int32_t)(words[j] >> 8) * 0x1p-24;
    }
}

/* v[j] grows by 1 / (1 - rate) where draw first + j, of 24 bits, is not below `rate`, else it becomes 0. */
static void drop(base_key key, uint64_t first, double rate, double *v, int64_t n)
{
    uint32_t words[CPU_BLOCK];
    const double factor = 1 / (1 - rate), below = rate * 0x1p24;
    int32_t least = (int32_t)below; /* draws are whole numbers: d >= below if d >= its ceiling */
    least += (double)least < below;
    for (int64_t i = 0; i < n; i += CPU_BLOCK) {
        int64_t count = n - i < CPU_BLOCK ? n - i : CPU_BLOCK;
        philox(key, (first + (uint64_t)i) / 4, words, (count + 3) / 4);
        for (int64_t j = 0; j < count; j++)
            v[i + j] = (int32_t)(words[j] >> 8) >= least ? v[i + j] * factor : 0;
    }
}

#define PAIRS (CPU_BLOCK / 4)

/* sin and cos of 2 pi v, 0 <= v < 1: the nearest quarter turn, and Taylor's series of the rest, at most pi / 4. */
static inline void turn(double v, double *sine, double *cosine)
{
    int32_t quarter = (int32_t)(4 * v + 0.5);
    double a = 6.283185307179586476925 * (v - 0.25 * (double)quarter), z = a * a;
    double s = -1.0 / 1307674368000, c = -1.0 / 87178291200;
    s = s * z + 1.0 / 6227020800;
    s = s * z - 1.0 / 39916800;
    s = s * z + 1.0 / 362880;
    s = s * z - 1.0 / 5040;
    s = s * z + 1.0 / 120;
    s = s * z - 1.0 / 6;
    s = a + a * z * s;
    c = c * z + 1.0 / 479001600;
    c = c * z - 1.0 / 3628800;
    c = c * z + 1.0 / 40320;
    c = c * z - 1.0 / 720;
    c = c * z + 1.0 / 24;
    c = c * z - 0.5;
    c = 1 + z * c;
    double odd = (double)(quarter & 1), even = 1 - odd, half = 1 - (double)(quarter & 2); /* a turn by k quarters */
    *cosine = half * (even * c - odd * s);
    *sine = half * (even * s + odd * c);
}

/* Draws first .. first+n-1 of the bell curve, as base_normal but for the last digits. */
static void normal(base_key key, uint64_t first, double *to, int64_t n)
{
    uint32_t words[4 * PAIRS];
    double u[PAIRS], v[PAIRS], both[2 * PAIRS];
    for (int64_t i = 0; i < n; i += 2 * PAIRS) {
        philox(key, (first + (uint64_t)i) / 2, words, PAIRS);
        for (int j = 0; j < PAIRS; j++) {
            u[j] = (double)words[4 * j] * 0x1p-32 + ((double)(words[4 * j + 1] >> 11) + 1) * 0x1p-53;
            v[j] = (double)words[4 * j + 2] * 0x1p-32 + (double)(words[4 * j + 3] >> 11) * 0x1p-53;
        }
        for (int j = 0; j < PAIRS; j++)
            u[j] = sqrt(-2 * cpu_log(u[j]));
        for (int j = 0; j < PAIRS; j++) {
            double sine, cosine;
            turn(v[j], &sine, &cosine);
            both[2 * j] = u[j] * cosine;
            both[2 * j + 1] = u[j] * sine;
        }
        memcpy(to + i, both, (size_t)(n - i < 2 * PAIRS ? n - i : 2 * PAIRS) * sizeof *to);
    }
}

const cpu_random_table ISA(cpu_random) = {.uniform = uniform, .drop = drop, .normal = normal};
