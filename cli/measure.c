/* What `nilu bench` measures, in a process of its own so that start-up and memory are those of this measurement alone: steps
 * of training on random data that are in memory already, and single products. Each is built as any program would build it,
 * through the public interface, and its speed is the median of many short runs: others may want the machine too. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

typedef struct product {
    const char *name; /* m x n x k, and N or T for an operand that is read as it is or transposed */
    int64_t m, n, k;
    bool ta, tb;
} product;

static const product products[] = {
    {"1024x1024x1024 NN", 1024, 1024, 1024, false, false},
    {"2048x2048x2048 NN", 2048, 2048, 2048, false, false},
    {"64x512x784 NN", 64, 512, 784, false, false},
    {"64x512x784 NT", 64, 512, 784, false, true},
    {"784x512x64 TN", 784, 512, 64, true, false},
    {"64x784x512 NT", 64, 784, 512, false, true},
    {"32x128x784 NN", 32, 128, 784, false, false},
    {"256x2304x768 NN", 256, 2304, 768, false, false},
    {"256x3072x768 NN", 256, 3072, 768, false, false},
    {"256x768x3072 NN", 256, 768, 3072, false, false},
    {"768x3072x256 TN", 768, 3072, 256, true, false},
    {"256x50257x768 NT", 256, 50257, 768, false, true},
    {"256x768x50257 NN", 256, 768, 50257, false, false},
    {"50257x768x256 TN", 50257, 768, 256, true, false},
    {"8x8x8 NN", 8, 8, 8, false, false},
    {"16x16x16 NN", 16, 16, 16, false, false},
    {"32x32x32 NN", 32, 32, 32, false, false},
    {"64x64x64 NN", 64, 64, 64, false, false},
};
#define SMALL 64 /* products up to 64³ are one thread's */

/* ---- time */

typedef struct timing {
    double seconds; /* of one call: the median */
    double spread;  /* distance of the quartiles, as a share of the median */
} timing;

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double several(void (*call)(void *), void *user, long times)
{
    double begin = base_now();
    for (long i = 0; i < times; i++)
        call(user);
    return base_now() - begin;
}

#define RUNS 1024
#define RUNS_MIN 5
/* As many calls make a run as take a twentieth of the time, but at most 20 ms. */
static timing measure(void (*call)(void *), void *user, double seconds)
{
    static double run[RUNS];
    double least = seconds / 20 < 0.02 ? seconds / 20 : 0.02, t, end;
    long times = 1;
    int n = 0;
    while ((t = several(call, user, times)) < least && times < 1L << 40)
        times = t < least / 100 ? times * 10 : (long)((double)times * 1.2 * least / t) + 1;
    for (end = base_now() + seconds; n < RUNS && (n < RUNS_MIN || base_now() < end); n++)
        run[n] = several(call, user, times) / (double)times;
    qsort(run, (size_t)n, sizeof *run, by_size);
    return (timing){run[n / 2], (run[n - 1 - n / 4] - run[n / 4]) / run[n / 2]};
}

/* Most memory that was resident at once in this process, in bytes; 0 where the system does not say. */
static double most_resident(void)
{
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return 1024.0 * (double)kib;
}

/* ---- a step of training */

typedef struct training {
    const cli_workload *w;
    nilu_plan *plan;
    double flops; /* of a step's products and convolutions */
    nilu_status status;
    int turn;
    float *x, *target; /* what is fed */
    int32_t *label;
    float all[4][3]; /* the samples that take turns */
} training;

static void step(void *user)
{
    training *t = user;
    if (t->w->turns) {
        const float *sample = t->all[t->turn++ & 3];
        t->x[0] = sample[0];
        t->x[1] = sample[1];
        t->target[0] = sample[2];
    }
    nilu_status status = nilu_step(t->plan);
    if (status != NILU_OK)
        t->status = status;
}

static int64_t numbers_of(const cli_workload *w) /* that are fed as x */
{
    int64_t n = 1;
    for (int i = 0; i < w->rank; i++)
        n *= w->sample[i];
    return n;
}

static nilu_status fill(nilu *nl, training *t)
{
    const cli_workload *w = t->w;
    const int64_t n = numbers_of(w), batch = w->sample[0];
    base_key key = {nilu_seed(nl), 1};
    t->x = base_calloc(nl, (size_t)n, sizeof *t->x);
    t->target = base_calloc(nl, (size_t)batch, sizeof *t->target);
    t->label = base_calloc(nl, (size_t)batch, sizeof *t->label);
    if (!t->x || !t->target || !t->label)
        return NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < n; i++)
        t->x[i] = 2 * base_uniform(key, (uint64_t)i) - 1;
    for (int64_t i = 0; i < batch; i++) {
        t->label[i] = w->classes ? (int32_t)(i % w->classes) : 0;
        t->target[i] = (float)(i & 1);
    }
    for (int i = 0; i < 4; i++) /* exclusive or */
        memcpy(t->all[i], (float[]){(float)(i & 1), (float)(i >> 1), (float)((i & 1) != i >> 1)}, sizeof t->all[i]);
    return NILU_OK;
}

static nilu_status build(nilu *nl, nilu_store *store, bool bf16, training *t)
{
    const cli_workload *w = t->w;
    const size_t batch = (size_t)w->sample[0];
    nilu_compile_options options = NILU_COMPILE_DEFAULT;
    nilu_optimizer_options optimizer = NILU_OPTIMIZER_DEFAULT;
    nilu_graph *g = nilu_graph_new(nl);
    if (!g)
        return NILU_E_NO_MEMORY;
    nilu_tensor *loss = cli_workload_loss(w, g, &t->flops);
    optimizer.name = w->optimizer;
    optimizer.lr = w->lr;
    options.bf16 = bf16;
    nilu_status status = nilu_minimise(loss, 0, NULL, &optimizer, NULL, NULL);
    if (status == NILU_OK)
        status = nilu_compile(g, store, 1, &loss, &options, &t->plan);
    if (status == NILU_OK)
        status = nilu_feed(t->plan, "x", t->x, (size_t)numbers_of(w) * sizeof *t->x);
    if (status == NILU_OK)
        status = w->classes ? nilu_feed(t->plan, "target", t->label, batch * sizeof *t->label)
                            : nilu_feed(t->plan, "target", t->target, batch * sizeof *t->target);
    nilu_graph_free(g);
    return status;
}

static nilu_status train(cli *c, training *t, nilu_store *store, bool bf16, double seconds)
{
    nilu_plan_summary summary;
    double before = base_now();
    NILU_TRY(fill(c->nl, t));
    double data = base_now() - before;
    NILU_TRY(build(c->nl, store, bf16, t));
    step(t);
    double first = base_now() - c->started - data;
    timing time = measure(step, t, seconds);
    NILU_TRY(t->status);
    nilu_plan_summarise(t->plan, &summary);
    const double batch = (double)t->w->sample[0];
    return cli_emit(c, "workload",
                    json_pack("{s:s, s:s, s:I, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:f}", "workload", t->w->name,
                              "precision", bf16 ? "bf16" : "f32", "batch", (json_int_t)batch, "threads",
                              nilu_threads(c->nl), "step_us", time.seconds * 1e6, "samples_per_second",
                              batch / time.seconds, "steps_per_second", 1 / time.seconds, "spread",
                              time.spread, "flops", t->flops / time.seconds, "resident_bytes", most_resident(),
                              "planned_bytes", (json_int_t)summary.peak_bytes, "first_step_ms", first * 1e3));
}

/* Steps in which every instruction is timed. */
static nilu_status profile(cli *c, training *t, nilu_store *store, bool bf16, double seconds)
{
    nilu_plan_summary summary;
    NILU_TRY(fill(c->nl, t));
    NILU_TRY(build(c->nl, store, bf16, t));
    step(t);
    nilu_plan_summarise(t->plan, &summary);
    double *each = base_calloc(c->nl, (size_t)summary.instructions + 1, sizeof *each);
    if (!each)
        return NILU_E_NO_MEMORY;
    int64_t steps = 0;
    for (double end = base_now() + seconds; t->status == NILU_OK && (steps < RUNS_MIN || base_now() < end); steps++)
        t->status = nilu_profile_step(t->plan, each);
    nilu_status status = t->status == NILU_OK ? cli_profile(c, t->plan, steps, each, NULL) : t->status;
    base_free(c->nl, each);
    return status;
}

nilu_status cli_measure_workload(cli *c, const char *name, bool bf16, double seconds, bool profiled)
{
    const cli_workload *w = cli_workloads;
    while (strcmp(w->name, name) != 0)
        w++;
    training t = {.w = w};
    nilu_store *store = nilu_store_new(c->nl);
    nilu_status status = !store ? NILU_E_NO_MEMORY : (profiled ? profile : train)(c, &t, store, bf16, seconds);
    nilu_plan_free(t.plan);
    nilu_store_free(store);
    base_free(c->nl, t.x);
    base_free(c->nl, t.target);
    base_free(c->nl, t.label);
    return status;
}

/* ---- products: a plan of one instruction */

static void multiply(void *plan)
{
    nilu_step(plan);
}

static nilu_status plan_of(nilu *nl, const product *p, bool bf16, nilu_store *store, nilu_plan **plan)
{
    nilu_compile_options options = NILU_COMPILE_DEFAULT;
    nilu_init init = {NILU_INIT_UNIFORM, -1, 1};
    nilu_graph *g = nilu_graph_new(nl);
    if (!g)
        return NILU_E_NO_MEMORY;
    nilu_tensor *a = nilu_param(g, "a", NILU_F32, p->ta ? NILU_SHAPE(p->k, p->m) : NILU_SHAPE(p->m, p->k), init);
    nilu_tensor *b = nilu_param(g, "b", NILU_F32, p->tb ? NILU_SHAPE(p->n, p->k) : NILU_SHAPE(p->k, p->n), init);
    nilu_tensor *y = nilu_matmul_t(a, p->ta, b, p->tb);
    options.bf16 = bf16;
    nilu_status status = nilu_compile(g, store, 1, &y, &options, plan);
    nilu_graph_free(g);
    return status == NILU_OK ? nilu_step(*plan) : status;
}

static nilu_status measure_product(cli *c, nilu *nl, const product *p, bool bf16, double seconds)
{
    nilu_plan *plan = NULL;
    nilu_plan_instruction in = {0};
    nilu_store *store = nilu_store_new(nl);
    nilu_status status = store ? plan_of(nl, p, bf16, store, &plan) : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        timing time = measure(multiply, plan, seconds);
        double flops = 2.0 * (double)p->m * (double)p->n * (double)p->k / time.seconds;
        nilu_plan_instruction_at(plan, 0, &in);
        status = cli_emit(c, "product",
                          json_pack("{s:s, s:s, s:s, s:i, s:f, s:f, s:f}", "product", p->name, "precision",
                                    bf16 ? "bf16" : "f32", "kernel", in.kernel, "threads", nilu_threads(nl), "us",
                                    time.seconds * 1e6, "spread", time.spread, "flops", flops));
    } else if (nl != c->nl) {
        status = cli_fail(c, status, "%s", nilu_errmsg(nl));
    }
    nilu_plan_free(plan);
    nilu_store_free(store);
    return status;
}

nilu_status cli_measure_products(cli *c, const char *only, bool bf16, double seconds)
{
    nilu_options one = NILU_OPTIONS_DEFAULT;
    one.isa = nilu_isa(c->nl);
    nilu *single = nilu_new(&one, NULL);
    nilu_status status = single ? NILU_OK : NILU_E_NO_MEMORY;
    for (size_t i = 0; i < COUNT(products) && status == NILU_OK; i++)
        if (strstr(products[i].name, only))
            status = measure_product(c, products[i].m <= SMALL && products[i].n <= SMALL ? single : c->nl, &products[i],
                                     bf16, seconds);
    nilu_free(single);
    return status;
}
