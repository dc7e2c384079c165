/* The road from graph to numbers: differentiation, rewriting, planning, running. */
#include "support/support.h"

/* A small net and its training step: x [n, 4] -> 8 tanh -> 3, cross-entropy; plain descent. */
typedef struct net {
    nilu_graph *g;
    nilu_tensor *x, *label, *loss, *p[4], *d[4];
} net;

static nilu_status make(nilu *nl, int n, double rate, net *t)
{
    memset(t, 0, sizeof *t);
    t->g = nilu_graph_new(nl);
    if (!t->g)
        return NILU_E_NO_MEMORY;
    t->x = nilu_input(t->g, "x", NILU_F32, NILU_SHAPE(n, 4));
    t->label = nilu_input(t->g, "label", NILU_I32, NILU_SHAPE(n));
    t->p[0] = nilu_param(t->g, "w1", NILU_F32, NILU_SHAPE(4, 8), (nilu_init){NILU_INIT_NORMAL, 0, 0.5});
    t->p[1] = nilu_param(t->g, "b1", NILU_F32, NILU_SHAPE(8), (nilu_init){NILU_INIT_CONSTANT, 0.1, 0});
    t->p[2] = nilu_param(t->g, "w2", NILU_F32, NILU_SHAPE(8, 3), (nilu_init){NILU_INIT_NORMAL, 0, 0.5});
    t->p[3] = nilu_param(t->g, "b2", NILU_F32, NILU_SHAPE(3), (nilu_init){NILU_INIT_CONSTANT, 0, 0});
    nilu_tensor *h = nilu_tanh(nilu_add(nilu_matmul(t->x, t->p[0]), t->p[1]));
    nilu_tensor *y = nilu_add(nilu_matmul(h, t->p[2]), t->p[3]);
    t->loss = nilu_named(nilu_softmax_xent(y, t->label, NULL), "loss");
    nilu_status status = nilu_graph_status(t->g);
    if (status == NILU_OK)
        status = nilu_grad(t->loss, 4, t->p, t->d);
    for (int i = 0; i < 4 && status == NILU_OK && rate > 0; i++)
        nilu_assign(t->p[i], nilu_sub(t->p[i], nilu_scale(t->d[i], rate)));
    return status == NILU_OK ? nilu_graph_status(t->g) : status;
}

static void fill(float *x, int32_t *label, int n, int round)
{
    for (int i = 0; i < n; i++) {
        label[i] = (i * 7 + round) % 3;
        for (int k = 0; k < 4; k++)
            x[i * 4 + k] = (float)sin(i * 1.3 + k * (label[i] + 1) + round);
    }
}

#define N 17
/* Trains `steps` steps and gives the last loss and the hash of the weights. */
static double train(int threads, const nilu_compile_options *o, int steps, char hash[65])
{
    nilu *nl = support_context(threads, NULL);
    nilu_store *store = nilu_store_new(nl);
    net t;
    assert_ok(nl, make(nl, N, 0.3, &t));
    nilu_plan *plan;
    assert_ok(nl, nilu_compile(t.g, store, 1, &t.loss, o, &plan));
    nilu_graph_free(t.g);
    float x[N * 4];
    double x64[N * 4], loss = 0;
    int32_t label[N];
    bool wide = o && o->dtype == NILU_F64;
    for (int s = 0; s < steps; s++) {
        fill(x, label, N, s);
        for (int i = 0; i < N * 4; i++)
            x64[i] = (double)x[i];
        assert_ok(nl, nilu_feed(plan, "x", wide ? (void *)x64 : x, wide ? sizeof x64 : sizeof x));
        assert_ok(nl, nilu_feed(plan, "label", label, sizeof label));
        assert_ok(nl, nilu_step(plan));
        const void *v = nilu_fetched(plan, 0);
        loss = wide ? *(const double *)v : (double)*(const float *)v;
    }
    nilu_store_hash(store, NILU_PARAM, hash);
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_free(nl);
    return loss;
}

static void learns_the_same_in_every_arithmetic(void **state)
{
    (void)state;
    nilu_compile_options reference = NILU_COMPILE_DEFAULT, wide = NILU_COMPILE_DEFAULT, plain = NILU_COMPILE_DEFAULT;
    char a[65], b[65], c[65];
    reference.reference = true;
    wide.dtype = NILU_F64;
    plain.without = "fuse,cse,simplify";
    double fast = train(1, NULL, 60, a);
    assert_near(fast, train(1, &reference, 60, b), 1e-4);
    assert_near(fast, train(1, &wide, 60, b), 1e-4);
    assert_near(fast, train(1, &plain, 60, c), 1e-5);
    assert_true(fast < 0.9);
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    char one[65], many[65];
    train(1, NULL, 40, one);
    for (int threads = 2; threads <= 8; threads += 3) {
        train(threads, NULL, 40, many);
        assert_string_equal(one, many);
    }
}

static void gradients_match_differences(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *store = nilu_store_new(nl);
    net t;
    assert_ok(nl, make(nl, N, 0, &t));
    nilu_tensor *fetch[5] = {t.loss, t.d[0], t.d[1], t.d[2], t.d[3]};
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    o.dtype = NILU_F64;
    nilu_plan *plan;
    assert_ok(nl, nilu_compile(t.g, store, 5, fetch, &o, &plan));
    float x32[N * 4];
    double x[N * 4];
    int32_t label[N];
    fill(x32, label, N, 0);
    for (int i = 0; i < N * 4; i++)
        x[i] = (double)x32[i];
    assert_ok(nl, nilu_feed(plan, "x", x, sizeof x));
    assert_ok(nl, nilu_feed(plan, "label", label, sizeof label));
    static const char *const names[] = {"w1", "b1", "w2", "b2"};
    for (int p = 0; p < 4; p++) {
        const nilu_value *v = nilu_store_find(store, names[p]);
        double *w = v->data;
        for (size_t i = 0; i < v->bytes / sizeof *w; i += 3) {
            double h = 1e-5, keep = w[i], side[2];
            assert_ok(nl, nilu_step(plan));
            double slope = ((const double *)nilu_fetched(plan, 1 + p))[i];
            for (int s = 0; s < 2; s++) {
                w[i] = keep + (s ? h : -h);
                assert_ok(nl, nilu_step(plan));
                side[s] = *(const double *)nilu_fetched(plan, 0);
            }
            w[i] = keep;
            assert_near(slope, (side[1] - side[0]) / (2 * h), 1e-8);
        }
    }
    nilu_plan_free(plan);
    nilu_graph_free(t.g);
    nilu_store_free(store);
    nilu_free(nl);
}

static void twice_differentiated(void **state)
{
    (void)state; /* y = x^3 at 2: 8, 12, 12, 6 */
    nilu *nl = support_context(1, NULL);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_store *store = nilu_store_new(nl);
    nilu_tensor *x = nilu_input(g, "x", NILU_F64, NILU_SCALAR), *y[4];
    y[0] = nilu_mul(x, nilu_square(x));
    for (int i = 1; i < 4; i++)
        assert_ok(nl, nilu_grad(y[i - 1], 1, &x, &y[i]));
    nilu_plan *plan;
    assert_ok(nl, nilu_compile(g, store, 4, y, NULL, &plan));
    double two = 2, want[] = {8, 12, 12, 6};
    assert_ok(nl, nilu_feed(plan, "x", &two, sizeof two));
    assert_ok(nl, nilu_step(plan));
    for (int i = 0; i < 4; i++)
        assert_near(*(const double *)nilu_fetched(plan, i), want[i], 1e-15);
    nilu_plan_free(plan);
    nilu_graph_free(g);
    nilu_store_free(store);
    nilu_free(nl);
}

static void names_tell_the_way_back(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    net t;
    assert_ok(nl, make(nl, N, 0, &t));
    assert_string_equal(nilu_tensor_name(t.d[0]), "grad/w1");
    assert_non_null(nilu_find(t.g, "delta/tanh"));
    assert_null(nilu_find(t.g, "delta/x")); /* nobody asked */
    char *text = nilu_graph_text(t.g, "text");
    assert_non_null(text);
    assert_contains(text, "grad/w1 = matmul(x, delta/add; ta=true tb=false bf16=false) -> f32 [4, 8]");
    nilu_text_free(nl, text);
    text = nilu_graph_text(t.g, "dot");
    assert_contains(text, "digraph");
    nilu_text_free(nl, text);
    assert_null(nilu_graph_text(t.g, "gif"));
    assert_contains(nilu_errmsg(nl), "use text, dot or mermaid");
    nilu_graph_free(t.g);
    nilu_free(nl);
}

static void only_what_is_asked_for_is_computed(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *store = nilu_store_new(nl);
    net t;
    assert_ok(nl, make(nl, N, 0, &t));
    nilu_plan *all, *last;
    nilu_plan_summary a, b;
    assert_ok(nl, nilu_compile(t.g, store, 4, t.d, NULL, &all));
    assert_ok(nl, nilu_compile(t.g, store, 1, &t.d[3], NULL, &last));
    nilu_plan_summarise(all, &a);
    nilu_plan_summarise(last, &b);
    assert_true(b.flops < 0.6 * a.flops);
    nilu_plan_free(all);
    nilu_plan_free(last);
    nilu_graph_free(t.g);
    nilu_store_free(store);
    nilu_free(nl);
}

static void fused_plan_is_short(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *store = nilu_store_new(nl);
    net t;
    assert_ok(nl, make(nl, N, 0.1, &t));
    nilu_plan *plan;
    assert_ok(nl, nilu_compile(t.g, store, 1, &t.loss, NULL, &plan));
    char *text = nilu_plan_text(plan);
    assert_contains(text, "matmul{add tanh}");
    nilu_plan_summary s;
    nilu_plan_summarise(plan, &s);
    if (s.instructions > 10)
        fail_msg("%d instructions:\n%s", s.instructions, text);
    assert_true((double)s.arena_bytes <= 1.05 * (double)s.lower_bound);
    nilu_text_free(nl, text);
    nilu_plan_free(plan);
    nilu_graph_free(t.g);
    nilu_store_free(store);
    nilu_free(nl);
}

/* Two convolutions, each normalised by the batch's moments, and relu. */
static nilu_tensor *normalised_net(nilu_graph *g)
{
    nilu_tensor *y = nilu_input(g, "x", NILU_F32, NILU_SHAPE(4, 3, 8, 8));
    for (int i = 0; i < 2; i++) {
        char name[24];
        snprintf(name, sizeof name, "w%d", i);
        y = nilu_conv(y, nilu_param(g, name, NILU_F32, NILU_SHAPE(6, i ? 6 : 3, 3, 3), (nilu_init){NILU_INIT_NORMAL, 0, 0.3}), NULL);
        nilu_tensor *now = nilu_moments(y, NILU_AXES(0, 2, 3), false);
        snprintf(name, sizeof name, "gamma%d", i);
        nilu_tensor *gamma = nilu_param(g, name, NILU_F32, NILU_SHAPE(6), (nilu_init){NILU_INIT_NORMAL, 1, 0.2});
        snprintf(name, sizeof name, "beta%d", i);
        nilu_tensor *beta = nilu_param(g, name, NILU_F32, NILU_SHAPE(6), (nilu_init){NILU_INIT_NORMAL, 0, 0.2});
        y = nilu_relu(nilu_batch_norm(y, now, nilu_output(now, 1), gamma, beta, 1e-3));
    }
    return nilu_mean(nilu_square(y), NILU_ALL, false);
}

static void the_way_back_computes_again_what_is_cheap(void **state)
{
    (void)state;
    float x[4 * 3 * 8 * 8], weights[2][6];
    size_t arena[2];
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)((i * 37) % 101) / 50 - 1;
    for (int kept = 0; kept < 2; kept++) {
        nilu *nl = support_context(1, NULL);
        nilu_store *store = nilu_store_new(nl);
        nilu_graph *g = nilu_graph_new(nl);
        nilu_compile_options o = NILU_COMPILE_DEFAULT;
        nilu_optimizer_options sgd = NILU_OPTIMIZER_DEFAULT;
        nilu_plan_summary s;
        nilu_plan *plan;
        sgd.name = "sgd";
        sgd.lr = 0.1;
        o.without = kept ? "recompute,simplify" : NULL;
        nilu_tensor *loss = normalised_net(g);
        assert_ok(nl, nilu_minimise(loss, 0, NULL, &sgd, NULL, NULL));
        assert_ok(nl, nilu_compile(g, store, 1, &loss, &o, &plan));
        assert_ok(nl, nilu_feed(plan, "x", x, sizeof x));
        for (int i = 0; i < 3; i++)
            assert_ok(nl, nilu_step(plan));
        memcpy(weights[kept], nilu_store_find(store, "gamma0")->data, sizeof weights[kept]);
        nilu_plan_summarise(plan, &s);
        arena[kept] = s.arena_bytes;
        if (!kept) { /* what relu makes of the first is all that its tape writes */
            char *text = nilu_plan_text(plan);
            assert_contains(text, "tape{sub mul add relu}");
            nilu_text_free(nl, text);
        }
        nilu_plan_free(plan);
        nilu_graph_free(g);
        nilu_store_free(store);
        nilu_free(nl);
    }
    for (int i = 0; i < 6; i++)
        assert_near((double)weights[0][i], (double)weights[1][i], 2e-6);
    if ((double)arena[0] > 0.7 * (double)arena[1])
        fail_msg("%zu bytes, and %zu where nothing is computed again", arena[0], arena[1]);
}

/* What fusion would swallow is not kept in memory only to be computed from. */
static void a_chain_that_lies_nowhere_is_not_computed_again(void **state)
{
    (void)state;
    char *text[2];
    nilu *nls[2];
    for (int kept = 0; kept < 2; kept++) {
        nilu *nl = support_context(1, NULL);
        nilu_store *store = nilu_store_new(nl);
        nilu_graph *g = nilu_graph_new(nl);
        nilu_compile_options o = NILU_COMPILE_DEFAULT;
        nilu_plan *plan;
        o.without = kept ? "recompute" : NULL;
        nilu_tensor *y = nilu_input(g, "x", NILU_F32, NILU_SHAPE(64, 32));
        y = nilu_dense(nilu_dense(y, "first", 48, "relu", NULL, true), "second", 8, "relu", NULL, true);
        nilu_tensor *loss = nilu_mean(nilu_square(y), NILU_ALL, false);
        assert_ok(nl, nilu_minimise(loss, 0, NULL, NULL, NULL, NULL));
        assert_ok(nl, nilu_compile(g, store, 1, &loss, &o, &plan));
        text[kept] = nilu_plan_text(plan);
        nls[kept] = nl;
        nilu_plan_free(plan);
        nilu_graph_free(g);
        nilu_store_free(store);
    }
    assert_string_equal(text[0], text[1]);
    for (int kept = 0; kept < 2; kept++) {
        nilu_text_free(nls[kept], text[kept]);
        nilu_free(nls[kept]);
    }
}

/* Σ x · c, c of many shapes: what changes along the axes of the sum stays in it. */
static void factors_leave_a_sum(void **state)
{
    (void)state;
    static const struct {
        int rank;
        int64_t dim[4];
    } factors[] = {{0}, {1, {5}}, {3, {3, 1, 1}}, {3, {1, 4, 1}}, {4, {2, 1, 1, 1}}, {4, {2, 1, 4, 1}}, {4, {1, 3, 1, 5}}, {3, {3, 4, 5}}};
    static const nilu_axes axes[] = {{3, {0, 2, 3}}, {2, {1, 2}}, {2, {2, 3}}, {2, {0, 1}}};
    float x[120], c[60];
    for (int i = 0; i < 120; i++)
        x[i] = (float)(i * 7 % 23) - 11;
    for (int i = 0; i < 60; i++)
        c[i] = (float)(i * 5 % 13) - 6;
    for (size_t f = 0; f < sizeof factors / sizeof *factors; f++)
        for (size_t a = 0; a < sizeof axes / sizeof *axes; a++) {
            float sum[2][120];
            nilu *nl = support_context(1, NULL);
            nilu_graph *g = nilu_graph_new(nl);
            nilu_store *store = nilu_store_new(nl);
            nilu_shape s = {.rank = factors[f].rank};
            size_t n[2] = {0}, numbers = 1;
            memcpy(s.dim, factors[f].dim, sizeof factors[f].dim);
            for (int d = 0; d < s.rank; d++)
                numbers *= (size_t)s.dim[d];
            nilu_tensor *y = nilu_mul(nilu_input(g, "x", NILU_F32, NILU_SHAPE(2, 3, 4, 5)), nilu_neg(nilu_input(g, "c", NILU_F32, s)));
            y = nilu_sum(nilu_scale(y, 3), axes[a], false);
            for (int plain = 0; plain < 2; plain++) {
                nilu_compile_options o = NILU_COMPILE_DEFAULT;
                nilu_plan *plan;
                o.without = plain ? "simplify" : NULL;
                assert_ok(nl, nilu_compile(g, store, 1, &y, &o, &plan));
                assert_ok(nl, nilu_feed(plan, "x", x, sizeof x));
                assert_ok(nl, nilu_feed(plan, "c", c, numbers * sizeof *c));
                assert_ok(nl, nilu_step(plan));
                n[plain] = nilu_fetched_shape(plan, 0).rank == 1 ? (size_t)nilu_fetched_shape(plan, 0).dim[0]
                                                                 : (size_t)(nilu_fetched_shape(plan, 0).dim[0] * nilu_fetched_shape(plan, 0).dim[1]);
                memcpy(sum[plain], nilu_fetched(plan, 0), n[plain] * sizeof(float));
                nilu_plan_free(plan);
            }
            assert_int_equal(n[0], n[1]);
            for (size_t i = 0; i < n[0]; i++)
                assert_near((double)sum[0][i], (double)sum[1][i], 0); /* whole numbers: every order is exact */
            nilu_graph_free(g);
            nilu_store_free(store);
            nilu_free(nl);
        }
}

static void assignments_see_old_values(void **state)
{
    (void)state; /* a and b change places, c counts, and a fetch sees what was before the step */
    nilu *nl = support_context(1, NULL);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_store *store = nilu_store_new(nl);
    nilu_tensor *a = nilu_state(g, "a", NILU_F32, NILU_SHAPE(3), 1), *b = nilu_state(g, "b", NILU_F32, NILU_SHAPE(3), 2);
    nilu_tensor *c = nilu_step_counter(g), *seen = nilu_add(a, nilu_scale(b, 10));
    nilu_assign(a, b);
    nilu_assign(b, a);
    nilu_tensor *fetch[] = {a, seen, c};
    nilu_plan *plan;
    assert_ok(nl, nilu_compile(g, store, 3, fetch, NULL, &plan));
    for (int i = 0; i < 5; i++) {
        assert_ok(nl, nilu_step(plan));
        assert_near((double)*(const float *)nilu_fetched(plan, 0), i % 2 ? 2 : 1, 0);
        assert_near((double)*(const float *)nilu_fetched(plan, 1), i % 2 ? 12 : 21, 0);
        assert_int_equal(*(const int64_t *)nilu_fetched(plan, 2), i);
    }
    assert_int_equal(*(const int64_t *)nilu_store_find(store, "step")->data, 5);
    nilu_plan_free(plan);
    nilu_graph_free(g);
    nilu_store_free(store);
    nilu_free(nl);
}

static void a_state_is_not_written_before_its_last_reader(void **state)
{
    (void)state; /* `seen` needs the old value after the new one is there */
    for (int fused = 0; fused < 2; fused++) {
        nilu *nl = support_context(1, NULL);
        nilu_graph *g = nilu_graph_new(nl);
        nilu_store *store = nilu_store_new(nl);
        nilu_compile_options o = NILU_COMPILE_DEFAULT;
        nilu_plan *plan;
        o.without = fused ? NULL : "simplify,cse,fuse";
        nilu_tensor *s = nilu_state(g, "s", NILU_F32, NILU_SHAPE(3), 1), *next = nilu_scale(s, 2);
        nilu_tensor *seen = nilu_add(nilu_scale(s, 10), nilu_neg(next)), *late = nilu_sub(s, nilu_square(seen));
        nilu_assign(s, next);
        assert_ok(nl, nilu_compile(g, store, 1, &late, &o, &plan));
        for (double old = 1; old < 9; old *= 2) {
            assert_ok(nl, nilu_step(plan));
            assert_near((double)*(const float *)nilu_fetched(plan, 0), old - 64 * old * old, 0);
            assert_near((double)*(const float *)nilu_store_find(store, "s")->data, 2 * old, 0);
        }
        nilu_plan_free(plan);
        nilu_graph_free(g);
        nilu_store_free(store);
        nilu_free(nl);
    }
}

static void bad_data_change_nothing(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads += 2) {
        nilu *nl = support_context(threads, NULL);
        nilu_store *store = nilu_store_new(nl);
        net t;
        assert_ok(nl, make(nl, N, 0.3, &t));
        nilu_plan *plan;
        assert_ok(nl, nilu_compile(t.g, store, 1, &t.loss, NULL, &plan));
        float x[N * 4];
        int32_t label[N];
        fill(x, label, N, 0);
        label[5] = 3;
        label[9] = -1;
        char before[65], after[65];
        nilu_store_hash(store, NILU_PARAM, before);
        assert_int_equal(nilu_step(plan), NILU_E_USAGE);
        assert_contains(nilu_errmsg(nl), "never fed");
        assert_ok(nl, nilu_feed(plan, "x", x, sizeof x));
        assert_ok(nl, nilu_feed(plan, "label", label, sizeof label));
        assert_int_equal(nilu_step(plan), NILU_E_RANGE);
        assert_contains(nilu_errmsg(nl), "loss: ");
        assert_contains(nilu_errmsg(nl), "5");
        nilu_store_hash(store, NILU_PARAM, after);
        assert_string_equal(before, after);
        label[5] = label[9] = 2;
        assert_ok(nl, nilu_step(plan));
        nilu_store_hash(store, NILU_PARAM, after);
        assert_string_not_equal(before, after);
        nilu_plan_free(plan);
        nilu_graph_free(t.g);
        nilu_store_free(store);
        nilu_free(nl);
    }
}

static void a_step_does_not_allocate(void **state)
{
    (void)state;
    support_memory m = {0};
    nilu *nl = support_context(2, &m);
    nilu_store *store = nilu_store_new(nl);
    net t;
    assert_ok(nl, make(nl, N, 0.3, &t));
    nilu_plan *plan;
    assert_ok(nl, nilu_compile(t.g, store, 1, &t.loss, NULL, &plan));
    float x[N * 4];
    int32_t label[N];
    fill(x, label, N, 0);
    assert_ok(nl, nilu_feed(plan, "x", x, sizeof x));
    assert_ok(nl, nilu_feed(plan, "label", label, sizeof label));
    long before = m.made;
    for (int i = 0; i < 10; i++)
        assert_ok(nl, nilu_step(plan));
    assert_int_equal(before, m.made);
    nilu_plan_free(plan);
    nilu_graph_free(t.g);
    nilu_store_free(store);
    nilu_free(nl);
    assert_int_equal(m.alive, 0);
}

static nilu_status one_step(nilu *nl, void *user)
{
    (void)user;
    net t = {0};
    nilu_plan *plan = NULL;
    nilu_store *store = nilu_store_new(nl);
    nilu_status status = store ? make(nl, N, 0.3, &t) : NILU_E_NO_MEMORY;
    float x[N * 4];
    int32_t label[N];
    fill(x, label, N, 0);
    if (status == NILU_OK)
        status = nilu_compile(t.g, store, 1, &t.loss, NULL, &plan);
    if (status == NILU_OK)
        status = nilu_feed(plan, "x", x, sizeof x);
    if (status == NILU_OK)
        status = nilu_feed(plan, "label", label, sizeof label);
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
    support_fail_each(2, one_step, NULL);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan;
    nilu_tensor *dx;
#define GRAPH nilu_graph *g = nilu_graph_new(nl)
    {
        GRAPH;
        nilu_scope_push(g, "fc1");
        nilu_birthplace(g, "model.yaml:14");
        nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(64, 784));
        nilu_tensor *y = nilu_relu(nilu_matmul(x, nilu_param(g, "w", NILU_F32, NILU_SHAPE(512, 10), (nilu_init){0})));
        assert_null(y);
        assert_int_equal(nilu_compile(g, store, 1, &y, NULL, &plan), NILU_E_SHAPE);
        assert_contains(nilu_errmsg(nl), "fc1/matmul: a has 784 features in each row but b expects 512");
        assert_contains(nilu_errmsg(nl), "[64, 784]");
        assert_contains(nilu_errmsg(nl), "model.yaml:14");
        nilu_graph_free(g);
    }
    {
        GRAPH;
        nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(3));
        assert_int_equal(nilu_grad(nilu_square(x), 1, &x, &dx), NILU_E_SHAPE);
        assert_contains(nilu_errmsg(nl), "must be one number");
        nilu_graph_free(g);
    }
    {
        GRAPH;
        nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(3)), *i = nilu_input(g, "i", NILU_I32, NILU_SHAPE(3));
        assert_int_equal(nilu_grad(nilu_sum(x, NILU_ALL, false), 1, &i, &dx), NILU_E_DTYPE);
        nilu_graph_free(g);
    }
    {
        GRAPH;
        nilu_tensor *a = nilu_state(g, "a", NILU_F32, NILU_SHAPE(3), 0), *b = nilu_input(g, "b", NILU_F32, NILU_SHAPE(3));
        nilu_assign(b, a);
        assert_int_equal(nilu_graph_status(g), NILU_E_GRAPH);
        assert_contains(nilu_errmsg(nl), "only parameters and states can be assigned");
        nilu_graph_free(g);
    }
    {
        GRAPH;
        nilu_tensor *a = nilu_state(g, "a", NILU_F32, NILU_SHAPE(3), 0);
        nilu_assign(a, nilu_shift(a, 1));
        nilu_assign(a, nilu_shift(a, 2));
        assert_int_equal(nilu_graph_status(g), NILU_E_GRAPH);
        assert_contains(nilu_errmsg(nl), "assigned twice");
        nilu_graph_free(g);
    }
    {
        GRAPH;
        nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(3)), *y = nilu_relu(x);
        nilu_input(g, "unread", NILU_F32, NILU_SHAPE(2));
        assert_ok(nl, nilu_compile(g, store, 1, &y, NULL, &plan));
        float v[3] = {0};
        assert_ok(nl, nilu_feed(plan, "unread", v, 8)); /* dropped */
        assert_int_equal(nilu_feed(plan, "unread", v, 12), NILU_E_SHAPE);
        assert_contains(nilu_errmsg(nl), "unread: takes 8 bytes, but was fed 12");
        assert_int_equal(nilu_feed(plan, "z", v, sizeof v), NILU_E_NAME);
        assert_int_equal(nilu_feed(plan, "x", v, 8), NILU_E_SHAPE);
        assert_contains(nilu_errmsg(nl), "12 bytes, but was fed 8");
        nilu_plan_free(plan);
        nilu_graph_free(g);
    }
    nilu_store_free(store);
    nilu_free(nl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns_the_same_in_every_arithmetic),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(gradients_match_differences),
        cmocka_unit_test(twice_differentiated),
        cmocka_unit_test(names_tell_the_way_back),
        cmocka_unit_test(only_what_is_asked_for_is_computed),
        cmocka_unit_test(fused_plan_is_short),
        cmocka_unit_test(the_way_back_computes_again_what_is_cheap),
        cmocka_unit_test(a_chain_that_lies_nowhere_is_not_computed_again),
        cmocka_unit_test(factors_leave_a_sum),
        cmocka_unit_test(assignments_see_old_values),
        cmocka_unit_test(a_state_is_not_written_before_its_last_reader),
        cmocka_unit_test(bad_data_change_nothing),
        cmocka_unit_test(a_step_does_not_allocate),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
