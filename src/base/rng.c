/* Random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011). A
 * number is a pure function of (seed, stream, index), so nothing is stored, and any thread may compute any of them. */
#include "base/base.h"

#include <math.h>

void base_philox(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4])
{
    uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32), c2 = (uint32_t)stream,
             c3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* Four 32-bit draws a counter: draw i is word i % 4 of counter i / 4. */
static uint32_t word(base_key key, uint64_t index)
{
    uint32_t out[4];
    base_philox(key.seed, key.stream, index >> 2, out);
    return out[index & 3];
}

float base_uniform(base_key key, uint64_t index)
{
    return (float)(word(key, index) >> 8) * 0x1p-24f;
}

double base_uniform53(base_key key, uint64_t index)
{
    uint32_t out[4];
    base_philox(key.seed, key.stream, index >> 1, out);
    uint64_t bits = (uint64_t)out[(index & 1) * 2] << 32 | out[(index & 1) * 2 + 1];
    return (double)(bits >> 11) * 0x1p-53;
}

/* Box and Muller (1958): both numbers of a pair come from one Philox block. */
static void normal_pair(base_key key, uint64_t counter, double pair[2])
{
    uint32_t out[4];
    base_philox(key.seed, key.stream, counter, out);
    double u = ((double)((uint64_t)out[0] << 21 ^ out[1] >> 11) + 1) * 0x1p-53; /* (0, 1]: the logarithm is finite */
    double v = (double)((uint64_t)out[2] << 21 ^ out[3] >> 11) * 0x1p-53;
    double radius = sqrt(-2 * log(u)), angle = 6.283185307179586476925 * v;
    pair[0] = radius * cos(angle);
    pair[1] = radius * sin(angle);
}

double base_normal(base_key key, uint64_t index)
{
    double pair[2];
    normal_pair(key, index >> 1, pair);
    return pair[index & 1];
}

/* ---- many at once */

#define TOGETHER 16 /* counters: their rounds are loops that a compiler makes vectors of */

static void philox_row(base_key key, uint64_t counter, uint32_t word[4][TOGETHER])
{
    uint64_t c0[TOGETHER], c1[TOGETHER], c2[TOGETHER], c3[TOGETHER]; /* the lower halves count */
    uint32_t k0 = (uint32_t)key.seed, k1 = (uint32_t)(key.seed >> 32);
    for (int i = 0; i < TOGETHER; i++) {
        c0[i] = (uint32_t)(counter + (uint64_t)i);
        c1[i] = (counter + (uint64_t)i) >> 32;
        c2[i] = (uint32_t)key.stream;
        c3[i] = key.stream >> 32;
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < TOGETHER; i++) {
            uint64_t p0 = 0xD2511F53u * (c0[i] & 0xffffffffu), p1 = 0xCD9E8D57u * (c2[i] & 0xffffffffu);
            c0[i] = (p1 >> 32) ^ c1[i] ^ k0;
            c1[i] = p1;
            c2[i] = (p0 >> 32) ^ c3[i] ^ k1;
            c3[i] = p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < TOGETHER; i++) {
        word[0][i] = (uint32_t)c0[i];
        word[1][i] = (uint32_t)c1[i];
        word[2][i] = (uint32_t)c2[i];
        word[3][i] = (uint32_t)c3[i];
    }
}

void base_uniforms(base_key key, uint64_t first, double *to, int64_t n)
{
    uint32_t w[4][TOGETHER];
    for (int64_t i = 0; i < n; i += 4 * TOGETHER) {
        const int64_t count = n - i < 4 * TOGETHER ? n - i : 4 * TOGETHER;
        philox_row(key, (first + (uint64_t)i) >> 2, w);
        for (int64_t j = 0; j < count; j++)
            to[i + j] = (double)(int32_t)(w[j & 3][j >> 2] >> 8) * 0x1p-24;
    }
}

void base_normals(base_key key, uint64_t first, double *to, int64_t n)
{
    for (int64_t i = 0; i < n; i += 2) {
        double pair[2];
        normal_pair(key, (first + (uint64_t)i) >> 1, pair);
        to[i] = pair[0];
        if (i + 1 < n)
            to[i + 1] = pair[1];
    }
}

/* ---- order */

static uint64_t mixed(uint64_t x) /* the finaliser of SplitMix64 (Steele, Lea, Flood 2014), variant 13 of Stafford */
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* A Feistel network on the fewest bits that hold n - 1, whose halves take turns; places beyond n are walked on from until
 * one falls inside: two tries at most in the mean, since the domain is less than 2 n. A shuffle wants no cryptography: the
 * round function is a mixer, which makes an order of samples five times as fast as Philox would. With eight rounds the
 * permutations of three and four things are equally frequent (chi squared per degree of freedom about 1). */
uint64_t base_permute(base_key key, uint64_t n, uint64_t index)
{
    const uint64_t golden = 0x9e3779b97f4a7c15u, k = mixed(mixed(key.seed + golden) ^ key.stream);
    int bits = 2;
    while (bits < 64 && (n - 1) >> bits)
        bits++;
    int low = bits / 2;
    uint64_t low_mask = ((uint64_t)1 << low) - 1, high_mask = ((uint64_t)1 << (bits - low)) - 1;
    do {
        uint64_t a = index >> low, b = index & low_mask;
        for (uint64_t round = 0; round < 8; round += 2) {
            a ^= mixed(b + k + round * golden) >> 32 & high_mask;
            b ^= mixed(a + k + (round + 1) * golden) >> 32 & low_mask;
        }
        index = a << low | b;
    } while (index >= n);
    return index;
}
