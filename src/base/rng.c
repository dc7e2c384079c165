/* Random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011). A
 * number is a pure function of (seed, stream, index), so nothing is stored, and any thread may compute any of them. */
#include "base/base.h"

#include <math.h>

void base_philox(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4])
{
    uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32), c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
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
double base_normal(base_key key, uint64_t index)
{
    uint32_t out[4];
    base_philox(key.seed, key.stream, index >> 1, out);
    double u = ((double)((uint64_t)out[0] << 21 ^ out[1] >> 11) + 1) * 0x1p-53; /* (0, 1]: the logarithm is finite */
    double v = (double)((uint64_t)out[2] << 21 ^ out[3] >> 11) * 0x1p-53;
    double radius = sqrt(-2 * log(u)), angle = 6.283185307179586476925 * v;
    return index & 1 ? radius * sin(angle) : radius * cos(angle);
}

/* A balanced Feistel network on the smallest even number of bits that holds n - 1; places beyond n are walked on
 * from until one falls inside, at most four tries in the mean, since the domain is less than 4 n. */
uint64_t base_permute(base_key key, uint64_t n, uint64_t index)
{
    int bits = 2;
    while (bits < 64 && (n - 1) >> bits)
        bits += 2;
    int half = bits / 2;
    uint64_t mask = ((uint64_t)1 << half) - 1;
    do {
        uint64_t left = index >> half, right = index & mask;
        for (uint64_t round = 0; round < 6; round++) {
            uint32_t out[4];
            base_philox(key.seed, key.stream ^ round << 56, right, out);
            uint64_t f = ((uint64_t)out[0] << 32 | out[1]) & mask, next = left ^ f;
            left = right;
            right = next;
        }
        index = left << half | right;
    } while (index >= n);
    return index;
}
