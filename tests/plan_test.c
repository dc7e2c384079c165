/* Plans: whatever a program is made of, a plan of it computes what the plain program computes; the same bits for any
 * number of threads; bad data change nothing, wherever in the step they are met. */
#include "plan/plan.h"
#include "run/run.h"
#include "support/support.h"

static void release(nilu_plan *plan, nilu_graph *g, nilu_store *store, nilu *nl)
{
    nilu_plan_free(plan);
    nilu_graph_free(g);
    nilu_store_free(store);
    nilu_free(nl);
}

#define ROWS 48
#define COLUMNS 80

/* ---- random programs */

typedef struct dice {
    base_key key;
    uint64_t n;
} dice;

static int roll(dice *d, int sides)
{
    return (int)((double)base_uniform(d->key, d->n++) * sides);
}

#define MOST 80
typedef struct program {
    nilu_graph *g;
    nilu_tensor *pool[MOST], *fetch[8];
    int n, nfetch;
} program;

static bool matrix(const nilu_tensor *t)
{
    return t->shape.rank == 2 && t->shape.dim[0] == ROWS && t->shape.dim[1] == COLUMNS;
}

/* A tensor of the pool, one of the latest with some luck; any shape, or only matrices. */
static nilu_tensor *pick(program *p, dice *d, bool whole)
{
    for (;;) {
        int back = roll(d, 2) ? roll(d, p->n) : roll(d, p->n < 5 ? p->n : 5);
        nilu_tensor *t = p->pool[p->n - 1 - back];
        if (!whole || matrix(t))
            return t;
    }
}

/* One more node, small enough numbers in, small enough numbers out. */
static nilu_tensor *grow(program *p, dice *d)
{
    nilu_tensor *a = pick(p, d, true), *b = pick(p, d, false);
    switch (roll(d, 17)) {
    case 0:
        return nilu_add(nilu_scale(a, 0.5), nilu_scale(b, 0.5));
    case 1:
        return nilu_mul(a, nilu_tanh(b));
    case 2:
        return nilu_tanh(nilu_sub(a, b));
    case 3:
        return nilu_relu(nilu_neg(a));
    case 4:
        return nilu_maximum(a, b);
    case 5:
        return nilu_where(nilu_gt(a, b), nilu_scale(a, 0.9), b);
    case 6:
        return nilu_mean(a, NILU_AXES(roll(d, 2)), true);
    case 7:
        return nilu_scale(nilu_sum(nilu_square(a), NILU_ALL, false), 1.0 / (ROWS * COLUMNS));
    case 8: /* b's other side has the right length: an inner product, then back */
        return nilu_scale(nilu_matmul(nilu_matmul_t(a, false, pick(p, d, true), true), pick(p, d, true)),
                          1.0 / (ROWS * COLUMNS));
    case 9:
        return nilu_reshape(nilu_transpose(a, NILU_ALL), NILU_SHAPE(ROWS, COLUMNS));
    case 10:
        return nilu_concat(
            2, (nilu_tensor *[]){nilu_slice(a, 0, 8, INT64_MAX, 1), nilu_slice(pick(p, d, true), 0, 0, 8, 1)}, 0);
    case 11:
        return nilu_softmax(a, -1);
    case 12:
        return nilu_sigmoid(nilu_add(nilu_mul(a, a), b));
    case 13:
        return nilu_pad(nilu_slice(a, 1, 0, COLUMNS - 3, 1), 1, 3, 0, 0.25);
    case 14:
        return nilu_log_softmax(nilu_scale(a, 0.1), 1);
    case 15:
        return nilu_dropout(a, 0.3);
    default:
        return nilu_max(a, NILU_AXES(1), true);
    }
}

static const char *const names[] = {"s0", "s1", "s2", "s3"};

static void make(nilu *nl, uint64_t seed, program *p, nilu_tensor *state[4])
{
    dice d = {{seed, 77}, 0};
    *p = (program){.g = nilu_graph_new(nl)};
    p->pool[p->n++] = nilu_input(p->g, "x", NILU_F32, NILU_SHAPE(ROWS, COLUMNS));
    p->pool[p->n++] = nilu_input(p->g, "row", NILU_F32, NILU_SHAPE(COLUMNS));
    for (int i = 0; i < 4; i++)
        p->pool[p->n++] = state[i] = i % 2 ? nilu_state(p->g, names[i], NILU_F32, NILU_SHAPE(ROWS, COLUMNS), 0.1 * i)
                                           : nilu_param(p->g, names[i], NILU_F32, NILU_SHAPE(ROWS, COLUMNS),
                                                        (nilu_init){NILU_INIT_NORMAL, 0, 0.7});
    int size = 8 + roll(&d, 40);
    for (int i = 0; i < size; i++) {
        nilu_tensor *t = grow(p, &d);
        p->pool[p->n++] = t;
        assert_ok(nl, graph_report(p->g));
    }
    if (roll(&d, 2)) { /* and the way back through it */
        nilu_tensor *loss = nilu_mean(nilu_square(pick(p, &d, true)), NILU_ALL, false), *dw[2];
        assert_ok(nl, nilu_grad(loss, 2, (nilu_tensor *[]){state[0], state[2]}, dw));
        p->pool[p->n++] = dw[0];
        p->pool[p->n++] = dw[1];
        p->fetch[p->nfetch++] = loss;
    }
    for (int i = 0; i < 4; i++) /* some become each other's old value, or the input */
        if (roll(&d, 4))
            nilu_assign(state[i], pick(p, &d, true));
    for (int i = 1 + roll(&d, 4); i > 0; i--)
        p->fetch[p->nfetch++] = pick(p, &d, false);
    p->fetch[p->nfetch++] = p->pool[p->n - 1];
    assert_ok(nl, graph_report(p->g));
}

/* Everything that can be seen of three steps: fetches and states after each. */
#define STEPS 3
static double *watch(uint64_t seed, int threads, const nilu_compile_options *o, size_t *seen, char hash[65])
{
    nilu *nl = support_context(threads, NULL);
    nilu_store *store = nilu_store_new(nl);
    program p;
    nilu_plan *plan;
    nilu_tensor *values[4];
    float x[ROWS * COLUMNS], row[COLUMNS];
    make(nl, seed, &p, values);
    assert_ok(nl, nilu_compile(p.g, store, 4, values, NULL, &plan)); /* all four are in the store, needed or not */
    nilu_plan_free(plan);
    assert_ok(nl, nilu_compile(p.g, store, p.nfetch, p.fetch, o, &plan));
    nilu_graph_free(p.g);
    size_t room = 0, n = 0;
    for (int i = 0; i < p.nfetch; i++)
        room += (size_t)base_count(nilu_fetched_shape(plan, i));
    room = STEPS * (room + 4 * ROWS * COLUMNS);
    double *all = malloc(room * sizeof *all);
    assert_non_null(all);
    for (int s = 0; s < STEPS; s++) {
        for (int i = 0; i < ROWS * COLUMNS; i++)
            x[i] = (float)base_normal((base_key){seed, 1}, (uint64_t)(s * ROWS * COLUMNS + i));
        for (int i = 0; i < COLUMNS; i++)
            row[i] = (float)base_normal((base_key){seed, 2}, (uint64_t)(s * COLUMNS + i));
        nilu_feed(plan, "x", x, sizeof x); /* perhaps nothing needs them */
        nilu_feed(plan, "row", row, sizeof row);
        assert_ok(nl, nilu_step(plan));
        for (int i = 0; i < p.nfetch; i++)
            for (int64_t k = 0; k < base_count(nilu_fetched_shape(plan, i)); k++)
                all[n++] = base_load(nilu_fetched_dtype(plan, i), nilu_fetched(plan, i), k);
        for (int v = 0; v < 4; v++)
            for (int64_t k = 0; k < ROWS * COLUMNS; k++)
                all[n++] = base_load(NILU_F32, nilu_store_find(store, names[v])->data, k);
    }
    assert_true(n <= room);
    nilu_store_hash(store, NILU_PARAM, hash);
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_free(nl);
    *seen = n;
    return all;
}

static void near(uint64_t seed, const char *what, const double *got, const double *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= 2e-4 * fmax(1, fabs(want[i]))) && !(isnan(got[i]) && isnan(want[i])))
            fail_msg("program %llu, %s: number %zu is %.9g, not %.9g", (unsigned long long)seed, what, i, got[i],
                     want[i]);
}

static void random_programs(void **state)
{
    (void)state;
    nilu_compile_options plain = NILU_COMPILE_DEFAULT;
    plain.reference = true;
    nilu_compile_options bare = NILU_COMPILE_DEFAULT;
    bare.without = "simplify,cse,precision,fuse,fold";
    for (uint64_t seed = 1; seed <= 60; seed++) {
        size_t n, m;
        char one[65], three[65], hex[65];
        double *want = watch(seed, 1, &plain, &n, hex), *got = watch(seed, 1, NULL, &m, one), *more;
        assert_int_equal(n, m);
        near(seed, "as it is planned", got, want, n);
        more = watch(seed, 3, NULL, &m, three);
        assert_int_equal(n, m);
        if (memcmp(got, more, n * sizeof *got) != 0 || strcmp(one, three) != 0)
            fail_msg("program %llu: three threads give other bits than one", (unsigned long long)seed);
        free(more);
        more = watch(seed, 2, &bare, &m, hex);
        assert_int_equal(n, m);
        near(seed, "without passes", more, want, n);
        free(more);
        free(want);
        free(got);
    }
}

/* ---- bad data */

/* Weights [64, 512] are updated, a state counts, and somewhere in the step an index is out of range. */
static void bad_data_change_nothing(void **state)
{
    (void)state;
    enum { N = 64, K = 512 };
    for (int threads = 1; threads <= 3; threads++)
        for (int late = 0; late < 2; late++) { /* late: what is at fault comes after all updates in the program */
            nilu *nl = support_context(threads, NULL);
            nilu_graph *g = nilu_graph_new(nl);
            nilu_store *store = nilu_store_new(nl);
            nilu_tensor *w = nilu_param(g, "w", NILU_F32, NILU_SHAPE(K, K), (nilu_init){NILU_INIT_NORMAL, 0, 1});
            nilu_tensor *sum = nilu_state(g, "sum", NILU_F32, NILU_SHAPE(N, K), 0), *table, *picked, *d, *fetch[3];
            nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(N, K)),
                        *index = nilu_input(g, "index", NILU_I32, NILU_SHAPE(N));
            table = nilu_input(g, "table", NILU_F32, NILU_SHAPE(100, 30));
            picked = late ? NULL : nilu_gather(table, index, 0);
            nilu_tensor *h = nilu_tanh(nilu_matmul(x, w)), *loss = nilu_mean(nilu_square(h), NILU_ALL, false);
            assert_ok(nl, nilu_grad(loss, 1, &w, &d));
            nilu_assign(w, nilu_sub(w, d));
            nilu_assign(sum, nilu_add(sum, h));
            if (late)
                picked = nilu_gather(table, index, 0);
            fetch[0] = loss;
            fetch[1] = picked;
            fetch[2] = nilu_step_counter(g);
            nilu_plan *plan;
            assert_ok(nl, nilu_compile(g, store, 3, fetch, NULL, &plan));
            float *xs = calloc(N * K, sizeof *xs), rows[100 * 30] = {0};
            int32_t ids[N];
            for (int i = 0; i < N * K; i++)
                xs[i] = (float)((i * 37 % 101) / 50.0 - 1);
            for (int i = 0; i < N; i++)
                ids[i] = i == 40 ? 100 : i;
            assert_ok(nl, nilu_feed(plan, "x", xs, N * K * sizeof *xs));
            assert_ok(nl, nilu_feed(plan, "table", rows, sizeof rows));
            assert_ok(nl, nilu_feed(plan, "index", ids, sizeof ids));
            char before[65], states[65], after[65];
            nilu_store_hash(store, NILU_PARAM, before);
            nilu_store_hash(store, NILU_STATE, states);
            for (int i = 0; i < 3; i++) {
                assert_int_equal(nilu_step(plan), NILU_E_RANGE);
                assert_contains(nilu_errmsg(nl), "gather: index 40 is 100");
            }
            nilu_store_hash(store, NILU_PARAM, after);
            assert_string_equal(before, after);
            nilu_store_hash(store, NILU_STATE, after);
            assert_string_equal(states, after);
            ids[40] = 99;
            assert_ok(nl, nilu_step(plan));
            nilu_store_hash(store, NILU_PARAM, after);
            assert_string_not_equal(before, after);
            nilu_store_hash(store, NILU_STATE, after);
            assert_string_not_equal(states, after);
            assert_int_equal(*(const int64_t *)nilu_store_find(store, "step")->data, 1);
            free(xs);
            release(plan, g, store, nl);
        }
}

/* ---- shares */

/* Others that are late, or never come, leave nothing undone: one of three threads computes all of an instruction. */
static void what_others_leave_is_done(void **state)
{
    (void)state;
    enum { N = 100, K = 1000 };
    for (int me = 0; me < 3; me++) {
        nilu *nl = support_context(3, NULL);
        nilu_graph *g = nilu_graph_new(nl);
        nilu_store *store = nilu_store_new(nl);
        nilu_tensor *y = nilu_exp(nilu_input(g, "x", NILU_F32, NILU_SHAPE(N, K)));
        float *x = calloc(N * K, sizeof *x);
        nilu_plan *plan;
        assert_ok(nl, nilu_compile(g, store, 1, &y, NULL, &plan));
        assert_true(plan->threads == 3 && plan->nstep == 1 && !plan->step->alone && plan->step->job.phases == 1);
        assert_ok(nl, nilu_feed(plan, "x", x, N * K * sizeof *x));
        run_barrier barrier = {.watch = &plan->fault.raised};
        for (int step = 0; step < 2; step++) {
            float *z = (float *)(uintptr_t)nilu_fetched(plan, 0);
            memset(z, 0, N * K * sizeof *z);
            assert_ok(nl, run_ready(plan));
            run_share(plan, plan->step, &barrier, me, 3);
            for (int i = 0; i < N * K; i++)
                assert_true(z[i] == 1);
            memset(z, 0, N * K * sizeof *z); /* and once only */
            run_share(plan, plan->step, &barrier, (me + 1) % 3, 3);
            for (int i = 0; i < N * K; i++)
                assert_true(z[i] == 0);
        }
        free(x);
        release(plan, g, store, nl);
    }
}

/* ---- refusals */

static void refusals(void **state)
{
    (void)state;
    nilu_options o = NILU_OPTIONS_DEFAULT;
    o.isa = "abacus";
    nilu *nl = nilu_new(&o, NULL), *other = support_context(1, NULL);
    nilu_store *store = nilu_store_new(nl), *theirs = nilu_store_new(other);
    nilu_graph *g = nilu_graph_new(nl), *h = nilu_graph_new(other);
    nilu_plan *plan;
    nilu_tensor *y = nilu_relu(nilu_param(g, "w", NILU_F32, NILU_SHAPE(3), (nilu_init){0})), *none = NULL;
    assert_int_equal(nilu_compile(g, store, 1, &y, NULL, &plan), NILU_E_UNSUPPORTED);
    assert_contains(nilu_errmsg(nl), "abacus");
    assert_null(plan);

    nilu_tensor *w = nilu_param(h, "w", NILU_F32, NILU_SHAPE(3), (nilu_init){0}), *z = nilu_relu(w);
    nilu_compile_options c = NILU_COMPILE_DEFAULT;
    assert_int_equal(nilu_compile(h, theirs, 1, &y, NULL, &plan), NILU_E_GRAPH);
    assert_int_equal(nilu_compile(h, theirs, 1, &none, NULL, &plan), NILU_E_GRAPH);
    c.size = 1;
    assert_int_equal(nilu_compile(h, theirs, 1, &z, &c, &plan), NILU_E_USAGE);
    c = (nilu_compile_options)NILU_COMPILE_DEFAULT;
    c.dtype = NILU_I32;
    assert_int_equal(nilu_compile(h, theirs, 1, &z, &c, &plan), NILU_E_DTYPE);
    assert_ok(other, nilu_store_put(theirs, NILU_PARAM, "w", NILU_F32, NILU_SHAPE(4), NULL));
    assert_int_equal(nilu_compile(h, theirs, 1, &z, NULL, &plan), NILU_E_SHAPE);
    assert_contains(nilu_errmsg(other), "w: the store holds f32 [4], but the graph wants f32 [3]");
    nilu_graph_free(g), nilu_graph_free(h);
    nilu_store_free(store), nilu_store_free(theirs);
    nilu_free(nl), nilu_free(other);
}

/* The same where what is at fault, and what comes behind it, is small and runs on the first thread, beside a large product. */
static void small_bad_data_change_nothing(void **state)
{
    (void)state;
    enum { N = 64, K = 512 };
    nilu *nl = support_context(3, NULL);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_store *store = nilu_store_new(nl);
    nilu_tensor *w = nilu_param(g, "w", NILU_F32, NILU_SHAPE(K, K), (nilu_init){NILU_INIT_NORMAL, 0, 1});
    nilu_tensor *seen = nilu_state(g, "seen", NILU_F32, NILU_SHAPE(4), 0);
    nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(N, K)), *y = nilu_matmul(x, w);
    nilu_tensor *index = nilu_input(g, "index", NILU_I32, NILU_SHAPE(4));
    float *xs = calloc(N * K, sizeof *xs);
    float table[6] = {1, 2, 3, 4, 5, 6};
    int32_t ids[4] = {0, 2, 6, 1};
    nilu_plan *plan;
    nilu_assign(seen, nilu_add(seen, nilu_gather(nilu_input(g, "table", NILU_F32, NILU_SHAPE(6)), index, 0)));
    assert_ok(nl, nilu_compile(g, store, 1, &y, NULL, &plan));
    assert_int_equal(plan->threads, 3);
    assert_ok(nl, nilu_feed(plan, "x", xs, N * K * sizeof *xs));
    assert_ok(nl, nilu_feed(plan, "table", table, sizeof table));
    assert_ok(nl, nilu_feed(plan, "index", ids, sizeof ids));
    const float *now = nilu_store_find(store, "seen")->data;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(nilu_step(plan), NILU_E_RANGE);
        assert_true(now[0] == 0 && now[1] == 0 && now[3] == 0);
    }
    ids[2] = 5;
    assert_ok(nl, nilu_step(plan));
    assert_true(now[0] == 1 && now[1] == 3 && now[2] == 6 && now[3] == 2);
    free(xs);
    release(plan, g, store, nl);
}

/* One thread walks the instructions one by one only where a plan has no brief, and one number in it (a loss, the counter of
 * steps) is enough for a brief: so there is none here. */
static void without_a_brief_bad_data_change_nothing(void **state)
{
    (void)state;
    enum { N = 64, K = 32 };
    nilu *nl = support_context(1, NULL);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_store *store = nilu_store_new(nl);
    nilu_tensor *index = nilu_input(g, "index", NILU_I32, NILU_SHAPE(N)), *sum = nilu_state(g, "sum", NILU_F32, NILU_SHAPE(N, K), 0);
    nilu_tensor *picked = nilu_gather(nilu_input(g, "table", NILU_F32, NILU_SHAPE(100, 30)), index, 0);
    static float x[N * K], table[100 * 30];
    int32_t ids[N] = {[40] = 100};
    nilu_plan *plan;
    nilu_assign(sum, nilu_add(sum, nilu_input(g, "x", NILU_F32, NILU_SHAPE(N, K))));
    assert_ok(nl, nilu_compile(g, store, 1, &picked, NULL, &plan));
    assert_null(plan->brief);
    assert_true(plan->nstep == 2 && plan->step[0].job.faults && !plan->step[1].copy); /* the sum is written in place, behind the gather */
    for (int i = 0; i < N * K; i++)
        x[i] = 1;
    assert_ok(nl, nilu_feed(plan, "x", x, sizeof x));
    assert_ok(nl, nilu_feed(plan, "table", table, sizeof table));
    assert_ok(nl, nilu_feed(plan, "index", ids, sizeof ids));
    const float *now = nilu_store_find(store, "sum")->data;
    assert_int_equal(nilu_step(plan), NILU_E_RANGE);
    for (int i = 0; i < N * K; i++)
        assert_true(now[i] == 0);
    ids[40] = 99;
    assert_ok(nl, nilu_step(plan));
    for (int i = 0; i < N * K; i++)
        assert_true(now[i] == 1);
    release(plan, g, store, nl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_programs), cmocka_unit_test(bad_data_change_nothing),
                                       cmocka_unit_test(without_a_brief_bad_data_change_nothing),
                                       cmocka_unit_test(small_bad_data_change_nothing), cmocka_unit_test(what_others_leave_is_done),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
