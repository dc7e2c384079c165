/* Products of the shapes that training meets, in GFLOP/s and in % of what this machine's multiply-adds can do, which is
 * measured first. One line each, fields between bars:
 *     bench_gemm [threads [f32|bf16|rounded|f64 [text that the shape's name contains]]]
 * bf16: operands and result are bf16; rounded: they are f32, and operands are rounded while they are read. */
#include "plan.h"
#include "cpu/cpu.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct shape {
    const char *name;
    int m, n, k;
    bool ta, tb;
} shape;

static const shape shapes[] = {{"1024^3 NN", 1024, 1024, 1024, false, false},
                               {"2048^3 NN", 2048, 2048, 2048, false, false},
                               {"mlp-fwd 64x512x784 NN", 64, 512, 784, false, false},
                               {"mlp-fwd 64x512x784 NT", 64, 512, 784, false, true},
                               {"mlp-dW 784x512x64 TN", 784, 512, 64, true, false},
                               {"mlp-dX 64x784x512 NT", 64, 784, 512, false, true},
                               {"mlp2 32x128x784 NN", 32, 128, 784, false, false},
                               {"gpt qkv 256x2304x768 NN", 256, 2304, 768, false, false},
                               {"gpt fc 256x3072x768 NN", 256, 3072, 768, false, false},
                               {"gpt proj 256x768x3072 NN", 256, 768, 3072, false, false},
                               {"gpt dW 768x3072x256 TN", 768, 3072, 256, true, false},
                               {"gpt logits 256x50257x768 NT", 256, 50257, 768, false, true},
                               {"gpt dX 256x768x50257 NN", 256, 768, 50257, false, false},
                               {"gpt dWte 50257x768x256 TN", 50257, 768, 256, true, false},
                               {"8^3", 8, 8, 8, false, false},
                               {"16^3", 16, 16, 16, false, false},
                               {"32^3", 32, 32, 32, false, false},
                               {"64^3", 64, 64, 64, false, false}};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

#define ROUNDS 9
/* Seconds of one call, the median of some rounds of calls that take long enough to be measured. */
static double seconds(void (*call)(void *), void *user)
{
    double round[ROUNDS], t;
    long times = 1;
    call(user);
    for (;;) {
        t = now();
        for (long i = 0; i < times; i++)
            call(user);
        t = now() - t;
        if (t > 0.04)
            break;
        times = t < 1e-6 ? times * 100 : (long)((double)times * 0.06 / t) + 1;
    }
    for (int r = 0; r < ROUNDS; r++) {
        t = now();
        for (long i = 0; i < times; i++)
            call(user);
        round[r] = (now() - t) / (double)times;
    }
    qsort(round, ROUNDS, sizeof *round, by_size);
    return round[ROUNDS / 2];
}

/* ---- products, as a plan of one instruction */

static int measure(int threads, const char *type, const shape *s, double best)
{
    nilu *nl = context(threads);
    nilu_graph *g = nl ? nilu_graph_new(nl) : NULL;
    nilu_store *store = nl ? nilu_store_new(nl) : NULL;
    nilu_plan *plan = NULL;
    if (!g || !store)
        return 1;
    nilu_dtype dtype = strcmp(type, "f64") == 0 ? NILU_F64 : strcmp(type, "bf16") == 0 ? NILU_BF16 : NILU_F32;
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    o.bf16 = strcmp(type, "rounded") == 0;
    nilu_init init = {NILU_INIT_UNIFORM, -1, 1};
    nilu_tensor *a = nilu_param(g, "a", dtype, s->ta ? NILU_SHAPE(s->k, s->m) : NILU_SHAPE(s->m, s->k), init);
    nilu_tensor *b = nilu_param(g, "b", dtype, s->tb ? NILU_SHAPE(s->n, s->k) : NILU_SHAPE(s->k, s->n), init);
    nilu_tensor *c = nilu_matmul_t(a, s->ta, b, s->tb);
    if (nilu_compile(g, store, 1, &c, &o, &plan) != NILU_OK) {
        fprintf(stderr, "%s\n", nilu_errmsg(nl));
        return 1;
    }
    double flops = 2.0 * s->m * s->n * s->k, rate = flops / seconds(step, plan) / 1e9;
    printf("nilu-%s|%d|%s|%s|%.1f|%.1f%%\n", nilu_isa(nl), threads, type, s->name, rate, 100 * rate / best);
    fflush(stdout);
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    nilu_free(nl);
    return 0;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 1, failed = 0;
    const char *type = argc > 2 ? argv[2] : "f32", *only = argc > 3 ? argv[3] : "";
    nilu *nl = context(threads);
    if (!nl)
        return 1;
    double best = nilu_peak_flops(nl) / 1e9;
    nilu_free(nl);
    printf("peak|%d|f32|multiply-adds|%.1f|100%%\n", threads, best);
    best *= strcmp(type, "f64") == 0 ? 0.5 : strcmp(type, "bf16") == 0 || strcmp(type, "rounded") == 0 ? 2 : 1;
    for (size_t i = 0; i < COUNT(shapes); i++)
        if (strstr(shapes[i].name, only))
            failed |= measure(threads, type, &shapes[i], best);
    return failed;
}
