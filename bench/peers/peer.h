/* What the peers' programs share: the clock, the median of short runs as nilu's own bench takes it, the shapes on the command
 * line, and the lines of JSON that script/bench reads. */
#ifndef PEER_H
#define PEER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double peer_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int peer_by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double peer_several(void (*call)(void *), void *user, long times)
{
    double begin = peer_now();
    for (long i = 0; i < times; i++)
        call(user);
    return peer_now() - begin;
}

/* Seconds of one call: the median of runs, at least five, that take a twentieth of the time but at most 20 ms each. */
static double peer_measure(void (*call)(void *), void *user, double seconds)
{
    static double run[1024];
    double least = seconds / 20 < 0.02 ? seconds / 20 : 0.02, t;
    long times = 1;
    int n = 0;
    while ((t = peer_several(call, user, times)) < least)
        times = t < least / 100 ? times * 10 : (long)((double)times * 1.2 * least / t) + 1;
    double end = peer_now() + seconds;
    while (n < 1024 && (n < 5 || peer_now() < end))
        run[n++] = peer_several(call, user, times) / (double)times;
    qsort(run, (size_t)n, sizeof *run, peer_by_size);
    return run[n / 2];
}

/* "64x512x784 NT": rows, columns, inner length, and whether each operand is read transposed. */
typedef struct peer_shape {
    long m, n, k;
    int ta, tb;
} peer_shape;

static inline int peer_read(const char *text, peer_shape *s)
{
    char a, b;
    if (sscanf(text, "%ldx%ldx%ld %c%c", &s->m, &s->n, &s->k, &a, &b) != 5)
        return 0;
    s->ta = a == 'T';
    s->tb = b == 'T';
    return s->m > 0 && s->n > 0 && s->k > 0;
}

/* "500x24x31x31 64x3x3 1 1 forward": pictures, filters, stride, padding, pass. */
typedef struct peer_window {
    long n, c, h, w, o, kh, kw, stride, padding, oh, ow;
    char pass; /* f, e or w */
} peer_window;

static inline int peer_read_window(const char *text, peer_window *s)
{
    if (sscanf(text, "%ldx%ldx%ldx%ld %ldx%ldx%ld %ld %ld %c", &s->n, &s->c, &s->h, &s->w, &s->o, &s->kh, &s->kw, &s->stride, &s->padding,
               &s->pass) != 10 || s->stride < 1 || !strchr("few", s->pass))
        return 0;
    s->oh = (s->h + 2 * s->padding - s->kh) / s->stride + 1;
    s->ow = (s->w + 2 * s->padding - s->kw) / s->stride + 1;
    return s->n > 0 && s->c > 0 && s->o > 0 && s->oh > 0 && s->ow > 0;
}

/* Room for `n` floats with numbers from -1 to 1 in it. */
static inline float *peer_numbers(long n)
{
    float *p = (float *)aligned_alloc(64, ((size_t)n * sizeof *p + 63) / 64 * 64);
    unsigned long state = 88172645463325252UL; /* xorshift (Marsaglia 2003) */
    for (long i = 0; p && i < n; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        p[i] = (float)(long)(state >> 40) / 8388608.0f - 1;
    }
    if (!p) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return p;
}

static long peer_resident(void)
{
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib * 1024;
}

static inline void peer_tell_product(const char *shape, const peer_shape *s, double seconds)
{
    printf("{\"event\":\"product\",\"product\":\"%s\",\"us\":%.17g,\"flops\":%.17g}\n", shape, seconds * 1e6,
           2.0 * (double)s->m * (double)s->n * (double)s->k / seconds);
}

static inline void peer_tell_window(const char *text, const peer_window *s, double seconds, double best)
{
    double rate = 2.0 * (double)s->n * (double)s->o * (double)s->oh * (double)s->ow * (double)s->c * (double)s->kh * (double)s->kw / seconds;
    printf("{\"event\":\"product\",\"product\":\"%s\",\"us\":%.17g,\"flops\":%.17g", text, seconds * 1e6, rate);
    printf(best > 0 ? ",\"percent\":%.1f}\n" : "}\n", 100 * rate / best);
    fflush(stdout);
}

static inline void peer_tell_workload(const char *name, double batch, double step, double first)
{
    printf("{\"event\":\"workload\",\"workload\":\"%s\",\"step_us\":%.17g,\"samples_per_second\":%.17g,\"steps_per_second\":%.17g,"
           "\"resident_bytes\":%ld,\"first_step_ms\":%.17g}\n", name, step * 1e6, batch / step, 1 / step, peer_resident(), first * 1e3);
}
#endif
