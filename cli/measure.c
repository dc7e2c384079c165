/* What `nilu bench` measures, in a process of its own so that start-up and memory are those of this measurement alone: steps
 * of training on random data that are in memory already, and single products. Each is built as any program would build it,
 * through the public interface, and its speed is the median of many short runs: others may want the machine too. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

typedef struct workload {
    const char *name;
    int sizes;
    int64_t size[4], batch;
    const char *activation, *last, *loss, *optimizer;
    double lr;
    bool turns; /* its samples come one after the other: each step is another one */
} workload;

static const workload workloads[] = {
    {"W1", 4, {784, 512, 512, 10}, 64, "relu", NULL, "cross_entropy", "adam", 1e-3, false},
    {"W2", 3, {784, 128, 10}, 32, "relu", NULL, "cross_entropy", "sgd", 1e-2, false},
    {"W8", 3, {2, 3, 1}, 1, "tanh", "tanh", "mse", "sgd", 1e-2, true},
    {"W8b4", 3, {2, 3, 1}, 4, "tanh", "tanh", "mse", "sgd", 1e-2, false},
};

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

const char *cli_workload_name(int i)
{
    return i >= 0 && i < (int)COUNT(workloads) ? workloads[i].name : NULL;
}

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
    double begin = cli_now();
    for (long i = 0; i < times; i++)
        call(user);
    return cli_now() - begin;
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
    for (end = cli_now() + seconds; n < RUNS && (n < RUNS_MIN || cli_now() < end); n++)
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
    const workload *w;
    nilu_plan *plan;
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

/* FLOPs of a step's products; the first layer's input wants no gradient. */
static double flops_of(const workload *w)
{
    double sum = 0;
    for (int i = 0; i + 1 < w->sizes; i++)
        sum += (i == 0 ? 4.0 : 6.0) * (double)(w->batch * w->size[i] * w->size[i + 1]);
    return sum;
}

static nilu_status fill(nilu *nl, training *t)
{
    const workload *w = t->w;
    int64_t n = w->batch * w->size[0], outputs = w->size[w->sizes - 1];
    base_key key = {nilu_seed(nl), 1};
    t->x = base_calloc(nl, (size_t)n, sizeof *t->x);
    t->target = base_calloc(nl, (size_t)w->batch, sizeof *t->target);
    t->label = base_calloc(nl, (size_t)w->batch, sizeof *t->label);
    if (!t->x || !t->target || !t->label)
        return NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < n; i++)
        t->x[i] = 2 * base_uniform(key, (uint64_t)i) - 1;
    for (int64_t i = 0; i < w->batch; i++) {
        t->label[i] = (int32_t)(i % outputs);
        t->target[i] = (float)(i & 1);
    }
    for (int i = 0; i < 4; i++) /* exclusive or */
        memcpy(t->all[i], (float[]){(float)(i & 1), (float)(i >> 1), (float)((i & 1) != i >> 1)}, sizeof t->all[i]);
    return NILU_OK;
}

static nilu_status build(nilu *nl, nilu_store *store, bool bf16, training *t)
{
    const workload *w = t->w;
    nilu_compile_options options = NILU_COMPILE_DEFAULT;
    nilu_optimizer_options optimizer = NILU_OPTIMIZER_DEFAULT;
    bool classes = strcmp(w->loss, "cross_entropy") == 0;
    nilu_graph *g = nilu_graph_new(nl);
    if (!g)
        return NILU_E_NO_MEMORY;
    nilu_tensor *y = nilu_input(g, "x", NILU_F32, NILU_SHAPE(w->batch, w->size[0]));
    nilu_tensor *target = classes ? nilu_input(g, "target", NILU_I32, NILU_SHAPE(w->batch))
                                  : nilu_input(g, "target", NILU_F32, NILU_SHAPE(w->batch, w->size[w->sizes - 1]));
    for (int i = 1; i < w->sizes; i++) {
        char name[16];
        snprintf(name, sizeof name, "fc%d", i);
        y = nilu_dense(y, name, w->size[i], i + 1 < w->sizes ? w->activation : w->last, NULL, true);
    }
    nilu_tensor *loss = nilu_loss(w->loss, y, target);
    optimizer.name = w->optimizer;
    optimizer.lr = w->lr;
    options.bf16 = bf16;
    nilu_status status = nilu_minimise(loss, 0, NULL, &optimizer, NULL, NULL);
    if (status == NILU_OK)
        status = nilu_compile(g, store, 1, &loss, &options, &t->plan);
    if (status == NILU_OK)
        status = nilu_feed(t->plan, "x", t->x, (size_t)(w->batch * w->size[0]) * sizeof *t->x);
    if (status == NILU_OK)
        status = classes ? nilu_feed(t->plan, "target", t->label, (size_t)w->batch * sizeof *t->label)
                         : nilu_feed(t->plan, "target", t->target, (size_t)w->batch * sizeof *t->target);
    nilu_graph_free(g);
    return status;
}

static nilu_status train(cli *c, training *t, nilu_store *store, bool bf16, double seconds)
{
    nilu_plan_summary summary;
    double before = cli_now();
    NILU_TRY(fill(c->nl, t));
    double data = cli_now() - before;
    NILU_TRY(build(c->nl, store, bf16, t));
    step(t);
    double first = cli_now() - c->started - data;
    timing time = measure(step, t, seconds);
    NILU_TRY(t->status);
    nilu_plan_summarise(t->plan, &summary);
    double flops = flops_of(t->w);
    return cli_emit(c, "workload",
                    json_pack("{s:s, s:s, s:I, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:f}", "workload", t->w->name,
                              "precision", bf16 ? "bf16" : "f32", "batch", (json_int_t)t->w->batch, "threads",
                              nilu_threads(c->nl), "step_us", time.seconds * 1e6, "samples_per_second",
                              (double)t->w->batch / time.seconds, "steps_per_second", 1 / time.seconds, "spread",
                              time.spread, "flops", flops / time.seconds, "resident_bytes", most_resident(),
                              "planned_bytes", (json_int_t)summary.peak_bytes, "first_step_ms", first * 1e3));
}

nilu_status cli_measure_workload(cli *c, const char *name, bool bf16, double seconds)
{
    int i = 0;
    while (strcmp(workloads[i].name, name) != 0)
        i++;
    training t = {.w = &workloads[i]};
    nilu_store *store = nilu_store_new(c->nl);
    nilu_status status = store ? train(c, &t, store, bf16, seconds) : NILU_E_NO_MEMORY;
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
