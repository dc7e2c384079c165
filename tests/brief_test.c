/* Briefs: what a plan of few numbers does in one list gives the same bits as its instructions one by one. Random small nets
 * are trained both ways, from the same weights on the same samples, on every instruction set: all activations, losses and
 * optimizers, some arrays of more than sixteen numbers among those of fewer. What is fed lies elsewhere in every step, in
 * memory that ends where its numbers end. */
#include "support/support.h"

#include "plan/plan.h"

#define STEPS 6
#define SEEDS 400

typedef struct numbers {
    uint64_t state;
} numbers;

static int draw(numbers *r, int below)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (int)((r->state >> 33) % (uint64_t)below);
}

static int count(const char *(*name)(int i))
{
    int n = 0;
    while (name(n))
        n++;
    return n;
}

typedef struct net {
    nilu *nl;
    nilu_store *store;
    nilu_plan *plan;
    nilu_dtype target;
    int64_t batch, inputs, outputs;
    char what[256];
} net;

static nilu_tensor *layers(numbers *r, net *t, nilu_graph *g)
{
    nilu_tensor *y = nilu_input(g, "x", NILU_F32, NILU_SHAPE(t->batch, t->inputs));
    const int hidden = draw(r, 3);
    for (int i = 0; i <= hidden; i++) {
        char name[16];
        const char *activation = draw(r, 4) ? nilu_activation_name(draw(r, count(nilu_activation_name))) : "tanh";
        const int64_t units = i < hidden ? 1 + draw(r, 5) : t->outputs;
        snprintf(name, sizeof name, "fc%d", i);
        snprintf(t->what + strlen(t->what), sizeof t->what - strlen(t->what), " %d %s", (int)units, activation);
        y = nilu_dense(y, name, units, i < hidden || draw(r, 2) ? activation : NULL, NULL, draw(r, 4) != 0);
    }
    return y;
}

/* The net of a seed; `brief`: as it is planned, or one instruction after the other. */
static void build(net *t, uint64_t seed, const char *isa, bool brief)
{
    numbers r = {seed};
    nilu_options options = NILU_OPTIONS_DEFAULT;
    nilu_optimizer_options optimizer = NILU_OPTIMIZER_DEFAULT;
    draw(&r, 2);
    *t = (net){.batch = 1 + draw(&r, 4), .inputs = 1 + draw(&r, 4), .outputs = 1 + draw(&r, 3)};
    options.isa = isa;
    options.seed = seed;
    t->nl = nilu_new(&options, NULL);
    t->store = nilu_store_new(t->nl);
    nilu_graph *g = nilu_graph_new(t->nl);
    nilu_tensor *y = layers(&r, t, g);
    const char *loss = draw(&r, 3) ? nilu_loss_name(draw(&r, count(nilu_loss_name))) : "mse";
    t->target = strcmp(loss, "cross_entropy") == 0 || strcmp(loss, "nll") == 0 ? NILU_I32 : NILU_F32;
    nilu_tensor *target = nilu_input(g, "target", t->target,
                                     t->target == NILU_I32 ? NILU_SHAPE(t->batch) : NILU_SHAPE(t->batch, t->outputs));
    nilu_tensor *value = nilu_loss(loss, y, target), *norm = NULL;
    optimizer.name = nilu_optimizer_name(draw(&r, count(nilu_optimizer_name)));
    optimizer.lr = 0.05;
    optimizer.clip_norm = draw(&r, 4) ? 0 : 0.5;
    optimizer.decay = draw(&r, 3) ? NILU_UNSET : 0.1;
    optimizer.schedule.kind = draw(&r, 2) ? NILU_SCHEDULE_CONSTANT : NILU_SCHEDULE_STEP;
    optimizer.schedule.every = 2;
    snprintf(t->what + strlen(t->what), sizeof t->what - strlen(t->what), ", %s, %s", loss, optimizer.name);
    assert_ok(t->nl, nilu_minimise(value, 0, NULL, &optimizer, NULL, &norm));
    assert_ok(t->nl, nilu_compile(g, t->store, 2, (nilu_tensor *[]){value, y}, NULL, &t->plan));
    nilu_graph_free(g);
    if (!brief) {
        cpu_brief_free(t->plan->brief);
        t->plan->brief = NULL;
    }
}

static void step(net *t, uint64_t seed)
{
    numbers r = {seed};
    const size_t nx = (size_t)(t->batch * t->inputs),
                 nt = (size_t)(t->batch * (t->target == NILU_I32 ? 1 : t->outputs));
    float *x = malloc(nx * sizeof *x);
    void *target = malloc(nt * sizeof(float));
    for (size_t i = 0; i < nx; i++)
        x[i] = (float)draw(&r, 1000) / 500 - 1;
    for (size_t i = 0; i < nt; i++)
        base_store(t->target, target, (int64_t)i,
                   t->target == NILU_I32 ? draw(&r, (int)t->outputs) : draw(&r, 100) / 100.0);
    assert_ok(t->nl, nilu_feed(t->plan, "x", x, nx * sizeof *x));
    assert_ok(t->nl, nilu_feed(t->plan, "target", target, nt * sizeof(float)));
    assert_ok(t->nl, nilu_step(t->plan));
    free(x);
    free(target);
}

static void same(const net *a, const net *b, uint64_t seed, const char *isa, const char *name, const void *x,
                 const void *y, size_t bytes)
{
    if (memcmp(x, y, bytes) != 0)
        fail_msg("seed %llu, %s:%s, batch %d: %s differs\n%s", (unsigned long long)seed, isa ? isa : "best", a->what,
                 (int)a->batch, name, nilu_plan_text(b->plan));
}

static void compare(const net *a, const net *b, uint64_t seed, const char *isa)
{
    for (int i = 0; i < 2; i++)
        same(a, b, seed, isa, i ? "the output" : "the loss", nilu_fetched(a->plan, i), nilu_fetched(b->plan, i),
             (size_t)base_count(nilu_fetched_shape(a->plan, i)) * sizeof(float));
    for (int i = 0; i < nilu_store_count(a->store); i++) {
        const nilu_value *v = nilu_store_at(a->store, i), *w = nilu_store_at(b->store, i);
        same(a, b, seed, isa, v->name, v->data, w->data, v->bytes);
    }
}

static void tear_down(net *t)
{
    nilu_plan_free(t->plan);
    nilu_store_free(t->store);
    nilu_free(t->nl);
}

static void same_bits(const char *isa)
{
    int brief = 0;
    if (!cpu_isa_find(isa))
        skip();
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        net a, b;
        build(&a, seed, isa, true);
        build(&b, seed, isa, false);
        brief += a.plan->brief != NULL;
        for (uint64_t i = 0; i < STEPS; i++) {
            step(&a, seed * STEPS + i);
            step(&b, seed * STEPS + i);
            compare(&a, &b, seed, isa);
        }
        tear_down(&a);
        tear_down(&b);
    }
    assert_true(brief > SEEDS * 9 / 10);
}

static void best(void **state)
{
    (void)state;
    same_bits(getenv("NILU_ISA"));
}
static void portable(void **state)
{
    (void)state;
    same_bits("portable");
}
static void avx2(void **state)
{
    (void)state;
    same_bits("avx2");
}

/* A label that no class has stops a step before it changes anything. */
static void bad_labels(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan;
    float x[2] = {1, 2}, before[6];
    int32_t label = 1;
    nilu_tensor *y = nilu_dense(nilu_input(g, "x", NILU_F32, NILU_SHAPE(1, 2)), "fc", 3, NULL, NULL, true);
    nilu_tensor *loss = nilu_loss("cross_entropy", y, nilu_input(g, "label", NILU_I32, NILU_SHAPE(1)));
    assert_ok(nl, nilu_minimise(loss, 0, NULL, NULL, NULL, NULL));
    assert_ok(nl, nilu_compile(g, store, 1, &loss, NULL, &plan));
    assert_non_null(plan->brief);
    assert_ok(nl, nilu_feed(plan, "x", x, sizeof x));
    assert_ok(nl, nilu_feed(plan, "label", &label, sizeof label));
    assert_ok(nl, nilu_step(plan));
    const nilu_value *w = nilu_store_find(store, "fc/weight");
    memcpy(before, w->data, sizeof before);
    label = 3;
    assert_int_equal(nilu_step(plan), NILU_E_RANGE);
    assert_memory_equal(before, w->data, sizeof before);
    label = 0;
    assert_ok(nl, nilu_step(plan));
    assert_memory_not_equal(before, w->data, sizeof before);
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    nilu_free(nl);
}

static nilu_status plan_and_step(nilu *nl, void *user)
{
    (void)user;
    nilu_graph *g = nilu_graph_new(nl);
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan = NULL;
    float x[2] = {1, 2};
    nilu_status status = g && store ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        nilu_tensor *y = nilu_dense(nilu_input(g, "x", NILU_F32, NILU_SHAPE(1, 2)), "fc", 3, "tanh", NULL, true);
        nilu_tensor *loss = nilu_mean(nilu_square(y), NILU_ALL, false);
        status = loss ? nilu_minimise(loss, 0, NULL, NULL, NULL, NULL) : graph_report(g);
        if (status == NILU_OK)
            status = nilu_compile(g, store, 1, &loss, NULL, &plan);
    }
    if (status == NILU_OK)
        status = nilu_feed(plan, "x", x, sizeof x);
    if (status == NILU_OK)
        status = nilu_step(plan);
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    return status;
}

static void survives(void **state)
{
    (void)state;
    support_fail_each(1, plan_and_step, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best),       cmocka_unit_test(portable), cmocka_unit_test(avx2),
        cmocka_unit_test(bad_labels), cmocka_unit_test(survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
