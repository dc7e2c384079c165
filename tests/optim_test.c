/* Optimizers as nodes: what they refuse, what they leave alone, and what can be changed while a training runs. (That their
 * numbers are right is for the golden files.) */
#include "graph/graph.h"
#include "support/support.h"

#define N 12

/* x [N, 3] -> 4 tanh -> 1; the mean square is made small. */
typedef struct net {
    nilu_graph *g;
    nilu_tensor *p[4], *loss, *rate, *norm;
} net;

static nilu_status make(nilu *nl, nilu_dtype dtype, const nilu_optimizer_options *o, int frozen, net *t)
{
    static const char *const names[] = {"fc/w", "fc/b", "out/w", "out/b"};
    *t = (net){.g = nilu_graph_new(nl)};
    if (!t->g)
        return NILU_E_NO_MEMORY;
    nilu_tensor *x = nilu_input(t->g, "x", NILU_F32, NILU_SHAPE(N, 3));
    nilu_shape shapes[] = {NILU_SHAPE(3, 4), NILU_SHAPE(4), NILU_SHAPE(4, 1), NILU_SHAPE(1)};
    for (int i = 0; i < 4; i++)
        t->p[i] = nilu_param(t->g, names[i], dtype, shapes[i], (nilu_init){NILU_INIT_NORMAL, 0, 0.5});
    nilu_tensor *w[4];
    for (int i = 0; i < 4; i++)
        w[i] = dtype == NILU_F32 ? t->p[i] : nilu_cast(t->p[i], NILU_F32);
    nilu_tensor *h = nilu_tanh(nilu_add(nilu_matmul(x, w[0]), w[1]));
    t->loss = nilu_mean(nilu_square(nilu_shift(nilu_add(nilu_matmul(h, w[2]), w[3]), -1)), NILU_ALL, false);
    if (nilu_graph_status(t->g) != NILU_OK)
        return nilu_graph_status(t->g);
    return nilu_minimise(t->loss, frozen ? 4 - frozen : 0, frozen ? t->p + frozen : NULL, o, &t->rate, &t->norm);
}

static const float *numbers(void)
{
    static float x[N * 3];
    for (int i = 0; i < N * 3; i++)
        x[i] = (float)sin(i * 0.7);
    return x;
}

static nilu_plan *ready(nilu *nl, nilu_store *store, const net *t)
{
    nilu_tensor *fetch[] = {t->loss, t->rate, t->norm};
    nilu_plan *plan;
    assert_ok(nl, nilu_compile(t->g, store, 3, fetch, NULL, &plan));
    assert_ok(nl, nilu_feed(plan, "x", numbers(), N * 3 * sizeof(float)));
    return plan;
}

static double fetched(const nilu_plan *plan, int i)
{
    return base_load(nilu_fetched_dtype(plan, i), nilu_fetched(plan, i), 0);
}

/* ---- they learn, in every type of parameter, and leave alone what is frozen */

static void all_make_the_loss_smaller(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    for (int i = 0; nilu_optimizer_name(i); i++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            nilu_optimizer_options o = NILU_OPTIMIZER_DEFAULT;
            nilu_store *store = nilu_store_new(nl);
            net t;
            o.name = nilu_optimizer_name(i);
            o.lr = strcmp(o.name, "adadelta") == 0 ? 5 : 0.05;
            assert_ok(nl, make(nl, bf16 ? NILU_BF16 : NILU_F32, &o, 0, &t));
            nilu_plan *plan = ready(nl, store, &t);
            double first = 0;
            for (int s = 0; s < 80; s++) {
                assert_ok(nl, nilu_step(plan));
                first = s ? first : fetched(plan, 0);
                assert_true(fetched(plan, 2) > 0);
            }
            if (!(fetched(plan, 0) < 0.1 * first))
                fail_msg("%s (%s): from %g to %g", o.name, bf16 ? "bf16" : "f32", first, fetched(plan, 0));
            for (int v = 0; v < nilu_store_count(store); v++) { /* states are f32, names start with the scope */
                const nilu_value *value = nilu_store_at(store, v);
                if (value->kind == NILU_PARAM)
                    assert_int_equal(value->dtype, bf16 ? NILU_BF16 : NILU_F32);
                else if (strcmp(value->name, "step") != 0)
                    assert_true(strncmp(value->name, "opt/", 4) == 0 &&
                                value->dtype == (strcmp(value->name, "opt/lr") ? NILU_F32 : NILU_F64));
            }
            nilu_plan_free(plan);
            nilu_graph_free(t.g);
            nilu_store_free(store);
        }
    nilu_free(nl);
}

static void frozen_parameters_stay(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *store = nilu_store_new(nl);
    net t;
    float before[4][12];
    assert_ok(nl, make(nl, NILU_F32, NULL, 2, &t));
    nilu_plan *plan = ready(nl, store, &t);
    for (int i = 0; i < 4; i++)
        memcpy(before[i], nilu_store_find(store, nilu_tensor_name(t.p[i]))->data,
               nilu_store_find(store, nilu_tensor_name(t.p[i]))->bytes);
    for (int s = 0; s < 3; s++)
        assert_ok(nl, nilu_step(plan));
    for (int i = 0; i < 4; i++) {
        const nilu_value *v = nilu_store_find(store, nilu_tensor_name(t.p[i]));
        if (i < 2)
            assert_memory_equal(before[i], v->data, v->bytes);
        else
            assert_memory_not_equal(before[i], v->data, v->bytes);
    }
    assert_null(nilu_store_find(store, "opt/fc/w/m"));
    assert_non_null(nilu_store_find(store, "opt/out/w/m"));
    nilu_plan_free(plan);
    nilu_graph_free(t.g);
    nilu_store_free(store);
    nilu_free(nl);
}

/* ---- the rate may be changed in the store, and schedules work on what stands there */

static void the_rate_is_a_state(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *store = nilu_store_new(nl);
    nilu_optimizer_options o = NILU_OPTIMIZER_DEFAULT;
    net t;
    o.name = "sgd";
    o.lr = 0.5;
    o.schedule.kind = NILU_SCHEDULE_STEP;
    o.schedule.every = 2;
    o.schedule.gamma = 0.5;
    assert_ok(nl, make(nl, NILU_F32, &o, 0, &t));
    nilu_plan *plan = ready(nl, store, &t);
    static const double want[] = {0.5, 0.5, 0.25, 0.25, 0.025, 0.025};
    for (int s = 0; s < 6; s++) {
        if (s == 4)
            assert_ok(nl, nilu_store_put(store, NILU_STATE, "opt/lr", NILU_F64, NILU_SCALAR, &(double){0.1}));
        assert_ok(nl, nilu_step(plan));
        assert_near(fetched(plan, 1), want[s], 1e-15);
    }
    assert_ok(nl, nilu_store_put(store, NILU_STATE, "opt/lr", NILU_F64, NILU_SCALAR, &(double){0}));
    char before[65], after[65];
    nilu_store_hash(store, NILU_PARAM, before);
    assert_ok(nl, nilu_step(plan));
    nilu_store_hash(store, NILU_PARAM, after);
    assert_string_equal(before, after); /* at rate 0 nothing moves */
    nilu_plan_free(plan);
    nilu_graph_free(t.g);
    nilu_store_free(store);
    nilu_free(nl);
}

/* With accumulation the parameters move in every third step alone, and the norm is that of the mean. */
static void between_updates_nothing_moves(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *store = nilu_store_new(nl), *single = nilu_store_new(nl);
    nilu_optimizer_options o = NILU_OPTIMIZER_DEFAULT;
    net t, one;
    o.name = "sgd";
    o.lr = 0.1;
    assert_ok(nl, make(nl, NILU_F32, &o, 0, &one));
    o.accumulate = 3;
    assert_ok(nl, make(nl, NILU_F32, &o, 0, &t));
    nilu_plan *plan = ready(nl, store, &t), *plain = ready(nl, single, &one);
    char before[65], after[65];
    for (int s = 0; s < 9; s++) {
        nilu_store_hash(store, NILU_PARAM, before);
        assert_ok(nl, nilu_step(plan));
        nilu_store_hash(store, NILU_PARAM, after);
        assert_int_equal(strcmp(before, after) != 0, s % 3 == 2);
        if (s % 3 == 2) { /* three times the same batch is one */
            assert_ok(nl, nilu_step(plain));
            assert_near(fetched(plan, 2), fetched(plain, 2), 1e-6);
            for (int i = 0; i < 4; i++) {
                const float *a = nilu_store_find(store, nilu_tensor_name(t.p[i]))->data;
                const float *b = nilu_store_find(single, nilu_tensor_name(t.p[i]))->data;
                assert_near((double)*a, (double)*b, 1e-6);
            }
        }
    }
    nilu_plan_free(plan), nilu_plan_free(plain);
    nilu_graph_free(t.g), nilu_graph_free(one.g);
    nilu_store_free(store), nilu_store_free(single);
    nilu_free(nl);
}

/* ---- refusals */

/* ---- averages */

static void averages_follow(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    for (int accumulate = 1; accumulate <= 2; accumulate++) {
        nilu_optimizer_options o = NILU_OPTIMIZER_DEFAULT;
        nilu_store *store = nilu_store_new(nl);
        net t;
        double want[12] = {0};
        o.name = "sgd";
        o.lr = 0.3;
        o.ema = 0.7;
        o.accumulate = accumulate;
        assert_ok(nl, make(nl, NILU_F32, &o, 0, &t));
        nilu_plan *plan = ready(nl, store, &t);
        for (int s = 1; s <= 40; s++) {
            assert_ok(nl, nilu_step(plan));
            const float *w = nilu_store_find(store, "fc/w")->data, *ema = nilu_store_find(store, "opt/fc/w/ema")->data;
            double u = s / accumulate, share = fmax(0.3, 9 / (8 + u)); /* the 23rd update is the first at 0.3 */
            for (int i = 0; i < 12; i++) {
                want[i] += s % accumulate == 0 ? share * ((double)w[i] - want[i]) : 0;
                assert_near(ema[i], want[i], 2e-6);
            }
            if (s == accumulate)
                assert_memory_equal(ema, w, 12 * sizeof *w); /* the first average is what was learnt first */
        }
        nilu_plan_free(plan);
        nilu_graph_free(t.g);
        nilu_store_free(store);
    }
    nilu_free(nl);
}

/* Filters are the matrix [filters, what one reads]: the transpose of a dense layer's. */
static void muon_takes_filters(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *store = nilu_store_new(nl);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_optimizer_options o = NILU_OPTIMIZER_DEFAULT;
    nilu_plan *plan;
    float a[60], b[60];
    o.name = "muon";
    o.lr = 0.1;
    nilu_tensor *filters = nilu_param(g, "filters", NILU_F32, NILU_SHAPE(5, 3, 2, 2), (nilu_init){0});
    nilu_tensor *matrix = nilu_param(g, "matrix", NILU_F32, NILU_SHAPE(12, 5), (nilu_init){0});
    nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(5, 12));
    nilu_tensor *loss = nilu_sum(nilu_add(nilu_square(nilu_sub(nilu_reshape(filters, NILU_SHAPE(5, 12)), x)),
                                          nilu_square(nilu_sub(nilu_transpose(matrix, NILU_ALL), x))), NILU_ALL, false);
    for (int i = 0; i < 60; i++) {
        a[i] = (float)cos(i * 0.9);
        b[i] = (float)sin(i * 1.3);
    }
    assert_ok(nl, nilu_store_put(store, NILU_PARAM, "filters", NILU_F32, NILU_SHAPE(5, 3, 2, 2), a));
    float turned[60];
    for (int i = 0; i < 60; i++)
        turned[i % 12 * 5 + i / 12] = a[i];
    assert_ok(nl, nilu_store_put(store, NILU_PARAM, "matrix", NILU_F32, NILU_SHAPE(12, 5), turned));
    assert_ok(nl, nilu_minimise(loss, 0, NULL, &o, NULL, NULL));
    assert_ok(nl, nilu_compile(g, store, 1, &loss, NULL, &plan));
    assert_ok(nl, nilu_feed(plan, "x", b, sizeof b));
    for (int s = 0; s < 5; s++)
        assert_ok(nl, nilu_step(plan));
    const float *f = nilu_store_find(store, "filters")->data, *m = nilu_store_find(store, "matrix")->data;
    float moved = 0;
    for (int i = 0; i < 60; i++) {
        assert_near(f[i], m[i % 12 * 5 + i / 12], 1e-5);
        moved = fmaxf(moved, fabsf(f[i] - a[i]));
    }
    assert_true(moved > 0.01f);
    nilu_plan_free(plan);
    nilu_graph_free(g);
    nilu_store_free(store);
    nilu_free(nl);
}

/* x ← 3.4445 x + (−4.775 a + 2.0315 a²) x with a = x xᵀ, as Muon is defined. */
static void orthogonal(int rows, int columns, double *x)
{
    enum { MOST = 100 };
    static double a[MOST][MOST], p[MOST][MOST], y[MOST];
    for (int step = 0; step < 5; step++) {
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < rows; j++) {
                a[i][j] = 0;
                for (int k = 0; k < columns; k++)
                    a[i][j] += x[i * columns + k] * x[j * columns + k];
            }
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < rows; j++) {
                p[i][j] = -4.775 * a[i][j];
                for (int k = 0; k < rows; k++)
                    p[i][j] += 2.0315 * a[i][k] * a[k][j];
            }
        for (int k = 0; k < columns; k++) {
            for (int i = 0; i < rows; i++) {
                y[i] = 3.4445 * x[i * columns + k];
                for (int j = 0; j < rows; j++)
                    y[i] += p[i][j] * x[j * columns + k];
            }
            for (int i = 0; i < rows; i++)
                x[i * columns + k] = y[i];
        }
    }
}

/* One update of zeros by an error that stays the same: long matrices are multiplied otherwise than they are defined. */
static void muon_of_long_matrices(void **state)
{
    (void)state;
    static const int shapes[][2] = {{36, 90}, {90, 36}, {36, 40}};
    static double error[90 * 40], x[90 * 40];
    for (size_t s = 0; s < COUNT(shapes); s++) {
        const int rows = shapes[s][0], columns = shapes[s][1], n = rows * columns;
        nilu *nl = support_context(1, NULL);
        nilu_store *store = nilu_store_new(nl);
        nilu_graph *g = nilu_graph_new(nl);
        nilu_optimizer_options o = NILU_OPTIMIZER_DEFAULT;
        nilu_plan *plan;
        double norm = 0, gain = columns > rows ? sqrt((double)columns / rows) : 1;
        o.name = "muon";
        o.lr = 1;
        o.decay = 0;
        nilu_tensor *w = nilu_param(g, "w", NILU_F64, NILU_SHAPE(rows, columns), (nilu_init){0});
        nilu_tensor *loss = nilu_sum(nilu_mul(w, nilu_input(g, "error", NILU_F64, NILU_SHAPE(rows, columns))), NILU_ALL, false);
        for (int i = 0; i < n; i++) {
            error[i] = sin(i * 1.7) + cos(i * 0.013 * i);
            norm += error[i] * error[i];
        }
        const bool tall = rows > columns;
        for (int i = 0; i < n; i++)
            x[tall ? i % columns * rows + i / columns : i] = error[i] / sqrt(norm);
        orthogonal(tall ? columns : rows, tall ? rows : columns, x);
        assert_ok(nl, nilu_minimise(loss, 0, NULL, &o, NULL, NULL));
        assert_ok(nl, nilu_compile(g, store, 1, &loss, NULL, &plan));
        assert_ok(nl, nilu_feed(plan, "error", error, (size_t)n * sizeof *error));
        assert_ok(nl, nilu_step(plan));
        const double *moved = nilu_store_find(store, "w")->data;
        for (int i = 0; i < n; i++)
            assert_near(moved[i], -gain * x[tall ? i % columns * rows + i / columns : i], 1e-11);
        nilu_plan_free(plan);
        nilu_graph_free(g);
        nilu_store_free(store);
        nilu_free(nl);
    }
}

static void refusals(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_optimizer_options o, out;
#define REFUSED(change_, text)                                                                                         \
    do {                                                                                                               \
        o = (nilu_optimizer_options)NILU_OPTIMIZER_DEFAULT;                                                            \
        change_;                                                                                                       \
        assert_int_equal(nilu_optimizer_resolve(nl, &o, &out), NILU_E_USAGE);                                          \
        assert_contains(nilu_errmsg(nl), text);                                                                        \
    } while (0)
    REFUSED(o.name = "adm", "did you mean adam?");
    REFUSED(o.name = "conjugate", "use sgd, momentum, nesterov");
    REFUSED(o.lr = -1, "lr of adam is -1");
    REFUSED(o.beta1 = 1, "beta1 of adam is 1");
    REFUSED(o.momentum = 1, "momentum of adam is 1");
    REFUSED(o.clip_norm = -2, "clip_norm");
    REFUSED(o.ema = 1, "ema of adam is 1");
    REFUSED(o.lr = HUGE_VAL, "lr of adam is inf");
    REFUSED(o.accumulate = -1, "accumulate is -1");
    REFUSED(o.size = 3, "size is wrong");
    REFUSED(o.schedule.kind = (nilu_schedule_kind)9, "9 is no kind of schedule");
    REFUSED(o.schedule.kind = NILU_SCHEDULE_COSINE, "cosine lasts 0 updates");
    REFUSED((o.schedule.kind = NILU_SCHEDULE_LINEAR, o.schedule.total = 5, o.schedule.warmup = 5),
            "linear lasts 5 updates of which 5");
    REFUSED(o.schedule.kind = NILU_SCHEDULE_STEP, "set every");
    REFUSED(o.schedule.warmup = -1, "negative number of updates");
    REFUSED((o.schedule.kind = NILU_SCHEDULE_ONECYCLE, o.schedule.total = 9, o.schedule.warmup = 2), "its own rise");
    REFUSED(o.schedule.final = 2, "final is 2");

    assert_ok(nl, nilu_optimizer_resolve(nl, NULL, &out));
    assert_string_equal(out.name, "adam");
    assert_near(out.lr, 1e-3, 0);
    assert_near(out.beta2, 0.999, 0);
    o = (nilu_optimizer_options)NILU_OPTIMIZER_DEFAULT;
    o.name = "muon";
    o.lr = 0.02;
    assert_ok(nl, nilu_optimizer_resolve(nl, &o, &o));
    assert_near(o.side_lr, 0.02, 0);
    assert_near(o.decay, 0.1, 0);

    nilu_graph *g = nilu_graph_new(nl);
    nilu_tensor *w = nilu_param(g, "w", NILU_F32, NILU_SHAPE(3), (nilu_init){0});
    assert_int_equal(nilu_minimise(nilu_square(w), 0, NULL, NULL, NULL, NULL), NILU_E_SHAPE); /* no scalar */
    nilu_graph_free(g);
    g = nilu_graph_new(nl);
    w = nilu_param(g, "w", NILU_F32, NILU_SHAPE(3), (nilu_init){0});
    nilu_tensor *loss = nilu_sum(nilu_square(w), NILU_ALL, false);
    assert_ok(nl, nilu_minimise(loss, 0, NULL, NULL, NULL, NULL));
    assert_int_equal(nilu_minimise(loss, 0, NULL, NULL, NULL, NULL), NILU_E_NAME); /* its states are there already */
    nilu_graph_free(g);
    assert_int_equal(nilu_minimise(NULL, 0, NULL, NULL, NULL, NULL), NILU_E_GRAPH);
    nilu_free(nl);
}

static nilu_status build_and_step(nilu *nl, void *user)
{
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan = NULL;
    net t = {0};
    nilu_status status = store ? make(nl, NILU_F32, user, 0, &t) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = nilu_compile(t.g, store, 1, &t.loss, NULL, &plan);
    if (status == NILU_OK)
        status = nilu_feed(plan, "x", numbers(), N * 3 * sizeof(float));
    if (status == NILU_OK)
        status = nilu_step(plan);
    nilu_plan_free(plan);
    nilu_graph_free(t.g);
    nilu_store_free(store);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    nilu_optimizer_options o = NILU_OPTIMIZER_DEFAULT;
    o.name = "muon";
    o.accumulate = 2;
    o.clip_norm = 1;
    o.ema = 0.9;
    o.schedule.kind = NILU_SCHEDULE_COSINE;
    o.schedule.total = 10;
    o.schedule.warmup = 2;
    support_fail_each(1, build_and_step, &o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_make_the_loss_smaller),
        cmocka_unit_test(frozen_parameters_stay),
        cmocka_unit_test(the_rate_is_a_state),
        cmocka_unit_test(between_updates_nothing_moves),
        cmocka_unit_test(averages_follow),
        cmocka_unit_test(muon_takes_filters),
        cmocka_unit_test(muon_of_long_matrices),
        cmocka_unit_test(refusals),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
