/* The fingerprint of a set: XXH64 with seed 0 (Yann Collet 2012, its published specification) over the bytes as they
 * were read, fed piece by piece. It tells whether data changed; it is no protection against someone who wants to
 * deceive. 13 GB/s would be memory's speed; SHA-256 would double the time that opening MNIST takes. */
#include "data/data.h"

#include <string.h>

static const uint64_t P1 = 0x9E3779B185EBCA87u, P2 = 0xC2B2AE3D27D4EB4Fu, P3 = 0x165667B19E3779F9u,
                      P4 = 0x85EBCA77C2B2AE63u, P5 = 0x27D4EB2F165667C5u;

static uint64_t turn(uint64_t v, int by)
{
    return v << by | v >> (64 - by);
}

static uint64_t load(const unsigned char *at, int bytes) /* little-endian */
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)at[i] << 8 * i;
    return v;
}

static uint64_t mixed(uint64_t lane, uint64_t word)
{
    return turn(lane + word * P2, 31) * P1;
}

static void stripes(data_print *p, const unsigned char *at, size_t n)
{
    uint64_t a = p->lane[0], b = p->lane[1], c = p->lane[2], d = p->lane[3];
    for (; n >= 32; n -= 32, at += 32) {
        a = mixed(a, load(at, 8));
        b = mixed(b, load(at + 8, 8));
        c = mixed(c, load(at + 16, 8));
        d = mixed(d, load(at + 24, 8));
    }
    p->lane[0] = a;
    p->lane[1] = b;
    p->lane[2] = c;
    p->lane[3] = d;
}

void data_print_start(data_print *p)
{
    *p = (data_print){.lane = {P1 + P2, P2, 0, 0 - P1}};
}

void data_print_add(data_print *p, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    size_t held = p->total % 32;
    p->total += n;
    if (held) {
        size_t take = 32 - held < n ? 32 - held : n;
        memcpy(p->rest + held, at, take);
        at += take;
        n -= take;
        if (held + take < 32)
            return;
        stripes(p, p->rest, 32);
    }
    stripes(p, at, n);
    memcpy(p->rest, at + (n - n % 32), n % 32);
}

uint64_t data_print_end(const data_print *p)
{
    uint64_t h = P5;
    if (p->total >= 32) {
        h = turn(p->lane[0], 1) + turn(p->lane[1], 7) + turn(p->lane[2], 12) + turn(p->lane[3], 18);
        for (int i = 0; i < 4; i++)
            h = (h ^ mixed(0, p->lane[i])) * P1 + P4;
    }
    h += p->total;
    size_t n = p->total % 32;
    const unsigned char *at = p->rest;
    for (; n >= 8; n -= 8, at += 8)
        h = turn(h ^ mixed(0, load(at, 8)), 27) * P1 + P4;
    if (n >= 4) {
        h = turn(h ^ load(at, 4) * P1, 23) * P2 + P3;
        n -= 4;
        at += 4;
    }
    for (; n > 0; n--, at++)
        h = turn(h ^ *at * P5, 11) * P1;
    h = (h ^ h >> 33) * P2;
    h = (h ^ h >> 29) * P3;
    return h ^ h >> 32;
}
