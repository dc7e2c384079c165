/* Whole training steps of dense nets, on one fixed batch: samples a second, the median of some rounds.
 *     bench_mlp [threads [W1|W2|W8|W8b4|all|NET [f32|bf16 [plan|profile]]]]
 * W1 784-512-512-10 relu, cross-entropy, batch 64, Adam; W2 784-128-10, batch 32, SGD; W8 2-3-1 tanh, batch 1 and 4, SGD;
 * NET is like W1 with these units, batch and optimizer: 784-512-512-10,64,adam. */
#include "nilu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { MOST_UNITS = 66 };
typedef struct net {
    const char *name;
    int units[MOST_UNITS]; /* ends with 0 */
    int batch;
    const char *activation, *loss, *optimizer;
} net;

static const net nets[] = {{"W1", {784, 512, 512, 10}, 64, "relu", "cross_entropy", "adam"},
                           {"W2", {784, 128, 10}, 32, "relu", "cross_entropy", "sgd"},
                           {"W8", {2, 3, 1}, 1, "tanh", "mse", "sgd"},
                           {"W8b4", {2, 3, 1}, 4, "tanh", "mse", "sgd"}};

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

static float uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(*state >> 40) / 16777216.0f;
}

static nilu_tensor *build(nilu_graph *g, const net *n, int *classes)
{
    int last = 0;
    while (n->units[last + 1])
        last++;
    nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(n->batch, n->units[0]));
    bool labels = strcmp(n->loss, "cross_entropy") == 0;
    *classes = labels ? n->units[last] : 0;
    nilu_tensor *t = labels ? nilu_input(g, "t", NILU_I64, NILU_SHAPE(n->batch))
                            : nilu_input(g, "t", NILU_F32, NILU_SHAPE(n->batch, n->units[last]));
    for (int i = 1; i <= last; i++) {
        char name[16];
        snprintf(name, sizeof name, "fc%d", i);
        x = nilu_dense(x, name, n->units[i], i < last ? n->activation : NULL, NULL, true);
    }
    nilu_tensor *loss = nilu_loss(n->loss, x, t);
    nilu_optimizer_options o = NILU_OPTIMIZER_DEFAULT;
    o.name = n->optimizer;
    nilu_minimise(loss, 0, NULL, &o, NULL, NULL);
    return loss;
}

/* The best time of each instruction over some steps: what other programs did meanwhile is left out. */
static void profile(nilu_plan *plan, double step)
{
    enum { STEPS = 2000, MOST = 256 };
    double best[MOST], all = 0;
    nilu_plan_instruction in;
    int n = 0;
    while (nilu_plan_instruction_at(plan, n, &in))
        n++;
    double begin = now();
    for (int s = 0; s < STEPS && n <= MOST && (s < 3 || now() - begin < 10); s++) {
        double seconds[MOST] = {0};
        nilu_profile_step(plan, seconds);
        for (int i = 0; i < n; i++)
            best[i] = s == 0 || seconds[i] < best[i] ? seconds[i] : best[i];
    }
    for (int i = 0; i < n && n <= MOST; i++)
        all += best[i];
    printf("      us     %%  GFLOP/s   GB/s  kernel      value        (%.1f us in all, %.1f us a step)\n", all * 1e6,
           step * 1e6);
    for (int i = 0; i < n && n <= MOST; i++) {
        nilu_plan_instruction_at(plan, i, &in);
        printf("%8.2f %5.1f %8.1f %6.1f  %-11s %s\n", best[i] * 1e6, 100 * best[i] / all, in.flops / best[i] / 1e9,
               in.bytes / best[i] / 1e9, in.kernel, in.value);
    }
}

static int measure(int threads, const net *n, const char *type, const char *show)
{
    nilu_options options = NILU_OPTIONS_DEFAULT;
    options.threads = threads;
    options.isa = getenv("NILU_ISA");
    nilu *nl = nilu_new(&options, NULL);
    nilu_graph *g = nl ? nilu_graph_new(nl) : NULL;
    nilu_store *store = nl ? nilu_store_new(nl) : NULL;
    nilu_plan *plan = NULL;
    if (!g || !store)
        return 1;
    int classes;
    nilu_tensor *loss = build(g, n, &classes);
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    o.bf16 = strcmp(type, "bf16") == 0;
    if (nilu_compile(g, store, 1, &loss, &o, &plan) != NILU_OK) {
        fprintf(stderr, "%s\n", nilu_errmsg(nl));
        return 1;
    }
    size_t nx = (size_t)(n->batch * n->units[0]), nt = (size_t)n->batch;
    float *x = malloc(nx * sizeof *x), *targets = malloc(nt * sizeof *targets);
    int64_t *labels = malloc(nt * sizeof *labels);
    if (!x || !targets || !labels)
        return 1;
    uint64_t state = 1;
    for (size_t i = 0; i < nx; i++)
        x[i] = uniform(&state);
    for (size_t i = 0; i < nt; i++) {
        targets[i] = uniform(&state);
        labels[i] = classes ? (int64_t)(uniform(&state) * (float)classes) : 0;
    }
    nilu_feed(plan, "x", x, nx * sizeof *x);
    nilu_feed(plan, "t", classes ? (void *)labels : targets, classes ? nt * sizeof *labels : nt * sizeof *targets);
    char *text = nilu_plan_text(plan);
    if (strcmp(show, "plan") == 0 && text)
        puts(text);
    nilu_text_free(nl, text);
    double round[15];
    long times = 1;
    for (double t = 0; t < 0.05; times *= 2) {
        t = now();
        for (long i = 0; i < times; i++)
            nilu_step(plan);
        t = now() - t;
    }
    for (size_t r = 0; r < COUNT(round); r++) {
        round[r] = now();
        for (long i = 0; i < times; i++)
            nilu_step(plan);
        round[r] = (now() - round[r]) / (double)times;
    }
    qsort(round, COUNT(round), sizeof *round, by_size);
    double step = round[COUNT(round) / 2];
    nilu_plan_summary sum;
    nilu_plan_summarise(plan, &sum);
    printf("nilu-%s|%d|%s|%s|%.0f samples/s|%.2f us a step|%.1f GFLOP/s|best %.0f\n", nilu_isa(nl), threads, type,
           n->name, n->batch / step, step * 1e6, sum.flops / step / 1e9, n->batch / round[0]);
    if (strcmp(show, "profile") == 0)
        profile(plan, step);
    free(x);
    free(targets);
    free(labels);
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    nilu_free(nl);
    return 0;
}

/* "784-512-10,64,adam" */
static bool read_net(char *text, net *n)
{
    char *rest = text;
    int units = 0;
    *n = (net){.name = text, .activation = "relu", .loss = "cross_entropy"};
    for (bool more = true; more && units < MOST_UNITS - 1; units++) {
        n->units[units] = (int)strtol(rest + (units > 0), &rest, 10);
        more = *rest == '-';
    }
    if (units < 2 || *rest != ',')
        return false;
    n->batch = (int)strtol(rest + 1, &rest, 10);
    n->optimizer = rest + 1;
    return n->batch > 0 && *rest == ',';
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 1, failed = 0;
    const char *only = argc > 2 ? argv[2] : "all";
    for (size_t i = 0; i < COUNT(nets); i++)
        if (strcmp(only, "all") == 0 || strcmp(only, nets[i].name) == 0)
            failed |= measure(threads, &nets[i], argc > 3 ? argv[3] : "f32", argc > 4 ? argv[4] : "");
    net other;
    if (strchr(only, ',') && read_net(argv[2], &other))
        return measure(threads, &other, argc > 3 ? argv[3] : "f32", argc > 4 ? argv[4] : "");
    return failed;
}
