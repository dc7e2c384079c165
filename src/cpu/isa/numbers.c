/* Numbers between data types: a block of any type becomes doubles, and doubles become a block of any type, in the words of
 * base_load and base_store: floats are rounded once, to nearest even; to integers they are truncated and saturated. The
 * loops are plain, for the compiler to turn into vectors; no instruction set changes a bit of them. */
#include "cpu/cpu.h"
#include "cpu/simd.h"

#define LOAD(name, type, convert)                                                                                      \
    static void load_##name(double *restrict to, const void *at, int64_t n)                                            \
    {                                                                                                                  \
        const type *restrict from = at;                                                                                \
        for (int64_t i = 0; i < n; i++)                                                                                \
            to[i] = convert(from[i]);                                                                                  \
    }
#define STORE(name, type, convert)                                                                                     \
    static void store_##name(void *at, const double *restrict from, int64_t n)                                         \
    {                                                                                                                  \
        type *restrict to = at;                                                                                        \
        for (int64_t i = 0; i < n; i++)                                                                                \
            to[i] = (type)convert(from[i]);                                                                            \
    }

static inline float of_half(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline uint16_t to_half(double wide)
{
    float v = (float)wide;
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    uint32_t nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, nan = bits >> 16 | 0x40;
    return (uint16_t)(v != v ? nan : nearest);
}

static inline int64_t to_i64(double v)
{
    if (!(v > -0x1p63))
        return v != v ? 0 : INT64_MIN;
    return v >= 0x1p63 ? INT64_MAX : (int64_t)v;
}

LOAD(f32, float, (double))
LOAD(f64, double, )
LOAD(bf16, uint16_t, of_half)
LOAD(i32, int32_t, (double))
LOAD(i64, int64_t, (double))
LOAD(u8, uint8_t, (double)(int32_t))
STORE(f32, float, )
STORE(f64, double, )
STORE(bf16, uint16_t, to_half)
STORE(i64, int64_t, to_i64)
STORE(bool, uint8_t, 0 !=)

/* Two loops, or the compiler would see three outcomes and jump between them. */
#define CLIP(name, type, low, high)                                                                                    \
    static void store_##name(void *at, const double *restrict from, int64_t n)                                         \
    {                                                                                                                  \
        type *restrict to = at;                                                                                        \
        double kept[CPU_BLOCK];                                                                                        \
        for (int64_t i = 0; i < n; i += CPU_BLOCK) {                                                                   \
            int64_t count = n - i < CPU_BLOCK ? n - i : CPU_BLOCK;                                                     \
            for (int64_t j = 0; j < count; j++) {                                                                      \
                double v = from[i + j], number = v == v ? v : 0, above = number > (low) ? number : (low);              \
                kept[j] = above < (high) ? above : (high);                                                             \
            }                                                                                                          \
            for (int64_t j = 0; j < count; j++)                                                                        \
                to[i + j] = (type)(int32_t)kept[j];                                                                    \
        }                                                                                                              \
    }
CLIP(i32, int32_t, INT32_MIN, INT32_MAX)
CLIP(u8, uint8_t, 0, 255)

/* Sums of slices in double, a chunk of them in registers and the first-level cache. */
#define CHUNK 64
static void add_slices(float *z, const float *x, const int64_t *order, int64_t slices, int64_t inner)
{
    double sum[CHUNK];
    for (int64_t k = 0; k < inner; k += CHUNK) {
        int64_t n = inner - k < CHUNK ? inner - k : CHUNK;
        memset(sum, 0, sizeof sum);
        for (int64_t s = 0; s < slices; s++) {
            const float *from = x + order[s] * inner + k;
            if (n == CHUNK)
                for (int64_t j = 0; j < CHUNK; j++)
                    sum[j] += (double)from[j];
            else
                for (int64_t j = 0; j < n; j++)
                    sum[j] += (double)from[j];
        }
        for (int64_t j = 0; j < n; j++)
            z[k + j] = (float)sum[j];
    }
}

/* ---- reductions, in double */

#define SUM(a, v) ((a) + (v))
#define PROD(a, v) ((a) * (v))
#define MAX(a, v) ((v) > (a) || (v) != (v) ? (v) : (a)) /* the first of equals; a NaN wins and stays */
#define MIN(a, v) ((v) < (a) || (v) != (v) ? (v) : (a))
#define FOLD(name, OP)                                                                                                 \
    static void fold_##name(double *restrict to, const double *restrict v, int64_t n)                                  \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; i++)                                                                                \
            to[i] = OP(to[i], v[i]);                                                                                   \
    }                                                                                                                  \
    static void lanes_##name(double *lane, double *v, int64_t n)                                                       \
    {                                                                                                                  \
        while (n > LANES) {                                                                                            \
            int64_t half = ((n + 1) / 2 + LANES - 1) / LANES * LANES;                                                  \
            fold_##name(v, v + half, n - half);                                                                        \
            n = half;                                                                                                  \
        }                                                                                                              \
        fold_##name(lane, v, n);                                                                                       \
    }                                                                                                                  \
    static void runs_##name(double *restrict to, double start, const double *restrict v, int64_t results, int64_t run) \
    {                                                                                                                  \
        for (int64_t i = 0; i < results; i++) {                                                                        \
            double a = start;                                                                                          \
            for (int64_t j = 0; j < run; j++)                                                                          \
                a = OP(a, v[i * run + j]);                                                                             \
            to[i] = a;                                                                                                 \
        }                                                                                                              \
    }                                                                                                                  \
    static double across_##name(double *lane)                                                                          \
    {                                                                                                                  \
        for (int half = LANES / 2; half > 0; half /= 2)                                                                \
            for (int i = 0; i < half; i++)                                                                             \
                lane[i] = OP(lane[i], lane[i + half]);                                                                 \
        return lane[0];                                                                                                \
    }
FOLD(sum, SUM)
FOLD(prod, PROD)
FOLD(max, MAX)
FOLD(min, MIN)
static void add_f32(double *restrict to, const float *restrict v, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] += (double)v[i];
}

/* Sixteen lanes add up v - shift, and its square. Vectors are written out: as a loop over lanes it took five times as long. */
typedef double four __attribute__((vector_size(32)));
#ifdef __AVX2__
#define WIDE(v) _mm256_cvtps_pd(_mm_loadu_ps(v))
#else
#define WIDE(v) (four){(v)[0], (v)[1], (v)[2], (v)[3]}
#endif

static void add_moments(double *one, double *two, const float *v, double shift, int64_t n)
{
    four a[LANES / 4], b[LANES / 4], far;
    memcpy(a, one, sizeof a);
    memcpy(b, two, sizeof b);
    const four by = {shift, shift, shift, shift};
    for (; n >= LANES; n -= LANES, v += LANES)
        SIMD_UNROLL for (int k = 0; k < LANES / 4; k++)
        {
            far = WIDE(v + 4 * k) - by;
            a[k] += far;
            b[k] += far * far;
        }
    memcpy(one, a, sizeof a);
    memcpy(two, b, sizeof b);
    for (int64_t k = 0; k < n; k++) {
        const double rest = (double)v[k] - shift;
        one[k] += rest;
        two[k] += rest * rest;
    }
}

#define EACH_FOLD(f)                                                                                                   \
    {                                                                                                                  \
        [CPU_SUM] = f##_sum, [CPU_PROD] = f##_prod, [CPU_MAX] = f##_max, [CPU_MIN] = f##_min                           \
    }

const cpu_numbers_table ISA(cpu_numbers) = {.load = {[NILU_F32] = load_f32,
                                                     [NILU_F64] = load_f64,
                                                     [NILU_BF16] = load_bf16,
                                                     [NILU_I32] = load_i32,
                                                     [NILU_I64] = load_i64,
                                                     [NILU_U8] = load_u8,
                                                     [NILU_BOOL] = load_u8},
                                            .store = {[NILU_F32] = store_f32,
                                                      [NILU_F64] = store_f64,
                                                      [NILU_BF16] = store_bf16,
                                                      [NILU_I32] = store_i32,
                                                      [NILU_I64] = store_i64,
                                                      [NILU_U8] = store_u8,
                                                      [NILU_BOOL] = store_bool},
                                            .add_slices = add_slices,
                                            .fold = EACH_FOLD(fold),
                                            .lanes = EACH_FOLD(lanes),
                                            .runs = EACH_FOLD(runs),
                                            .add_f32 = add_f32,
                                            .add_moments = add_moments,
                                            .across = EACH_FOLD(across)};
