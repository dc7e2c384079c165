/* What it costs that results have the same bits for any number of threads: W1's products, whose sums over k nobody may cut,
 * beside the same blocks under a free partition, which cuts k among the threads and adds up the parts. The free one gets
 * its second operand in the order that it likes best. One line each, in turn, so that noise hurts both alike; the cost is
 * what the free one would gain, which can always choose nilu's own partition too.
 *     bench_bits [threads] */
#include "cpu/cpu.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct shape {
    const char *name;
    int m, n, k;
    bool ta, tb;
} shape;

static const shape shapes[] = {{"forward 1", 64, 512, 784, false, false}, {"forward 2", 64, 512, 512, false, false},
                               {"forward 3", 64, 10, 512, false, false},  {"delta 2", 64, 512, 10, false, true},
                               {"delta 1", 64, 512, 512, false, true},    {"gradient 3", 512, 10, 64, true, false},
                               {"gradient 2", 512, 512, 64, true, false}, {"gradient 1", 784, 512, 64, true, false}};
enum { ROUNDS = 41, WIDE = 64 };

typedef struct split {
    const cpu_isa *isa;
    const shape *s;
    float *a, *b, *c, *part;
    int threads;
} split;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Part `me` of k, all of the result, in pieces of columns that stay near. */
static void part_of(const split *x, int me, int all)
{
    const shape *s = x->s;
    int64_t k0 = (int64_t)s->k * me / all, k1 = (int64_t)s->k * (me + 1) / all, p_row = s->ta ? 1 : s->k,
            p_step = s->ta ? s->m : 1;
    cpu_product g = {.rows = s->m,
                     .k = k1 - k0,
                     .p_row = p_row,
                     .p_step = p_step,
                     .q_step = s->n,
                     .c_row = s->n,
                     .strip = x->isa->gemm->most[2] ? 2 : 1};
    g.q_strip = g.strip * x->isa->gemm->lanes[0];
    for (int64_t c = 0; c < s->n; c += WIDE) {
        g.columns = s->n - c < WIDE ? s->n - c : WIDE;
        x->isa->gemm->multiply[CPU_F32](&g, x->a + k0 * p_step, x->b + k0 * s->n + c,
                                        (me ? x->part + (int64_t)(me - 1) * s->m * s->n : x->c) + c);
    }
}

static void freely(void *user)
{
    const split *x = user;
    int64_t n = (int64_t)x->s->m * x->s->n;
#pragma omp parallel num_threads(x->threads)
    {
#ifdef _OPENMP
        int me = omp_get_thread_num(), all = omp_get_num_threads();
#else
        int me = 0, all = 1;
#endif
        part_of(x, me, all);
#pragma omp barrier
        for (int t = 1; t < all; t++)
            for (int64_t i = n * me / all; i < n * (me + 1) / all; i++)
                x->c[i] += x->part[(t - 1) * n + i];
    }
}

static void step(void *plan)
{
    nilu_step(plan);
}

static double several(void (*call)(void *), void *user, long times)
{
    double t = now();
    for (long i = 0; i < times; i++)
        call(user);
    return (now() - t) / (double)times;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static nilu_plan *plan_of(nilu *nl, nilu_graph *g, nilu_store *store, const shape *s)
{
    nilu_plan *plan = NULL;
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    nilu_init init = {NILU_INIT_UNIFORM, -1, 1};
    nilu_tensor *a = nilu_param(g, "a", NILU_F32, s->ta ? NILU_SHAPE(s->k, s->m) : NILU_SHAPE(s->m, s->k), init);
    nilu_tensor *b = nilu_param(g, "b", NILU_F32, s->tb ? NILU_SHAPE(s->n, s->k) : NILU_SHAPE(s->k, s->n), init);
    nilu_tensor *c = nilu_matmul_t(a, s->ta, b, s->tb);
    if (nilu_compile(g, store, 1, &c, &o, &plan) != NILU_OK)
        fprintf(stderr, "%s\n", nilu_errmsg(nl));
    return plan;
}

/* Adds to the microseconds of all products of a step. */
static bool measure(nilu *nl, const shape *s, double *all, double *free_all)
{
    double ours[ROUNDS], theirs[ROUNDS], flops = 2.0 * s->m * s->n * s->k;
    size_t a = (size_t)s->m * (size_t)s->k, b = (size_t)s->k * (size_t)s->n, c = (size_t)s->m * (size_t)s->n;
    int threads = nilu_threads(nl);
    split x = {.isa = cpu_isa_find(nilu_isa(nl)), .s = s, .threads = threads};
    x.a = calloc(a + b + c * (size_t)threads + 64, sizeof(float));
    nilu_graph *g = nilu_graph_new(nl);
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan = g && store ? plan_of(nl, g, store, s) : NULL;
    bool done = plan && x.a && x.isa;
    if (done) {
        x.b = x.a + a;
        x.c = x.b + b;
        x.part = x.c + c;
        for (size_t i = 0; i < a + b; i++)
            x.a[i] = (float)(i % 17) * 0.1f - 0.8f;
        long times = (long)(5e-3 / (several(step, plan, 20) + 1e-9)) + 1;
        for (int r = 0; r < ROUNDS; r++) {
            ours[r] = several(step, plan, times);
            theirs[r] = several(freely, &x, times);
        }
        qsort(ours, ROUNDS, sizeof *ours, by_size);
        qsort(theirs, ROUNDS, sizeof *theirs, by_size);
        double mine = ours[ROUNDS / 2], its = theirs[ROUNDS / 2], best = its < mine ? its : mine;
        printf("%-10s  %4dx%dx%d %c%c  %8.1f us %6.1f GFLOP/s  %8.1f us %6.1f GFLOP/s  %5.1f %%\n", s->name, s->m, s->n,
               s->k, s->ta ? 'T' : 'N', s->tb ? 'T' : 'N', mine * 1e6, flops / mine * 1e-9, its * 1e6,
               flops / its * 1e-9, 100 * (mine / best - 1));
        *all += mine * 1e6;
        *free_all += best * 1e6;
    }
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    free(x.a);
    return done;
}

int main(int argc, char **argv)
{
    nilu_options o = NILU_OPTIONS_DEFAULT;
    o.threads = argc > 1 ? atoi(argv[1]) : 2;
    o.isa = getenv("NILU_ISA");
    nilu *nl = nilu_new(&o, NULL);
    double all = 0, free_all = 0;
    if (!nl)
        return 1;
    printf("%-10s  %-14s  %-25s  %-25s  cost of equal bits\n", "product", "shape", "nilu", "k cut among threads");
    for (size_t i = 0; i < COUNT(shapes); i++)
        if (!measure(nl, &shapes[i], &all, &free_all))
            return 1;
    printf("a step's products: %.1f us; each under the better partition: %.1f us; cost %.1f %%\n", all, free_all,
           100 * (all / free_all - 1));
    nilu_free(nl);
    return 0;
}
