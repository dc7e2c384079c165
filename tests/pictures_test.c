/* Layers for pictures: what they become, what running statistics follow, what a model is told about its data, and that the
 * number of threads changes no bit of what is learnt. */
#include "nn/nn.h"
#include "support/support.h"

/* ---- shapes */

static const struct {
    const char *layers;
    nilu_shape x, y;
} shapes[] = {
    {"conv 6 5 relu", {4, {2, 3, 28, 28}}, {4, {2, 6, 24, 24}}},
    {"conv 6 5 relu padding=2", {3, {2, 28, 27}}, {4, {2, 6, 28, 27}}},
    {"conv 6 3 stride=2 padding=same", {4, {2, 3, 7, 8}}, {4, {2, 6, 4, 4}}},
    {"conv 6 2 padding=same dilation=3", {4, {2, 3, 7, 8}}, {4, {2, 6, 7, 8}}},
    {"conv 6 3 groups=3 bias=false", {4, {2, 3, 7, 8}}, {4, {2, 6, 5, 6}}},
    {"conv 6 3 2 1 relu", {4, {2, 3, 7, 8}}, {4, {2, 6, 4, 4}}}, /* stride, padding */
    {"pool max 2", {4, {2, 3, 7, 8}}, {4, {2, 3, 3, 4}}},
    {"pool avg 3 stride=2 padding=1", {4, {2, 3, 7, 8}}, {4, {2, 3, 4, 4}}},
    {"pool avg global", {4, {2, 3, 7, 8}}, {2, {2, 3}}},
    {"pool max global", {3, {2, 7, 8}}, {2, {2, 1}}},
    {"adaptive_pool max 3", {4, {2, 3, 7, 8}}, {4, {2, 3, 3, 3}}},
    {"adaptive_pool avg 3", {4, {2, 3, 7, 8}}, {4, {2, 3, 3, 3}}},
    {"upsample 2", {4, {2, 3, 7, 8}}, {4, {2, 3, 14, 16}}},
    {"upsample 0.5 linear", {4, {2, 3, 7, 8}}, {4, {2, 3, 3, 4}}},
    {"pad 2 reflect", {4, {2, 3, 7, 8}}, {4, {2, 3, 11, 12}}},
    {"pad 1", {3, {2, 7, 8}}, {4, {2, 1, 9, 10}}},
    {"channels_first", {4, {2, 7, 8, 3}}, {4, {2, 3, 7, 8}}},
    {"batchnorm", {4, {2, 3, 7, 8}}, {4, {2, 3, 7, 8}}},
    {"batchnorm", {2, {5, 3}}, {2, {5, 3}}},
    {"groupnorm channels", {4, {2, 3, 7, 8}}, {4, {2, 3, 7, 8}}},
    {"layernorm, rmsnorm", {2, {5, 3}}, {2, {5, 3}}},
};

static void layers_become_shapes(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    char got[BASE_SHAPE_TEXT], want[BASE_SHAPE_TEXT];
    for (size_t i = 0; i < COUNT(shapes); i++)
        for (int training = 0; training < 2; training++) {
            nilu_model *m, *again;
            nilu_graph *g = nilu_graph_new(nl);
            nilu_tensor *y, *x = nilu_input(g, "x", NILU_F32, shapes[i].x);
            assert_ok(nl, nilu_model_chain(nl, shapes[i].layers, &m));
            assert_ok(nl, nilu_model_build(m, x, 0, training, &y));
            assert_string_equal(base_shape_text(nilu_tensor_shape(y), got), base_shape_text(shapes[i].y, want));
            char *text = nilu_model_text(m); /* reads back to the same text */
            assert_ok(nl, nilu_model_from_text(nl, text, "again", &again));
            char *more = nilu_model_text(again);
            assert_string_equal(text, more);
            nilu_text_free(nl, text);
            nilu_text_free(nl, more);
            nilu_model_free(again);
            nilu_model_free(m);
            nilu_graph_free(g);
        }
    nilu_free(nl);
}

static void mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *layers, *want;
    } rows[] = {
        {"conv 6", "conv: kernel is missing; write for example conv 32 3"},
        {"conv 6 0", "kernel is 0; it must be at least 1"},
        {"pool 2", "pool: kind is one of max, avg, not 2"},
        {"pool max", "pool: kernel is missing; write for example pool max 2"},
        {"pad 2 mirror", "pad: kind is one of zeros, reflect, replicate, circular, not mirror"},
        {"conv 6 3 groups=2", "conv1: 2 groups do not share 3 channels and 6 filters evenly"},
        {"conv 6 9", "the kernel covers 9 places of spatial axis 0, but with its padding x has only 7"},
        {"flatten, conv 6 3", "conv1 reads [2, 168], but it wants pictures"},
        {"dense 10", "fc1 reads pictures [2, 3, 7, 8]; write flatten or pool avg global before it"},
        {"upsample 0.1", "makes 7 places 0.1 times as many"},
        {"flatten, channels_first", "channels_first1 reads [2, 168], but it wants [samples, height, width, channels]"},
    };
    nilu *nl = support_context(1, NULL);
    for (size_t i = 0; i < COUNT(rows); i++) {
        nilu_model *m = NULL;
        nilu_graph *g = nilu_graph_new(nl);
        nilu_tensor *y, *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(2, 3, 7, 8));
        nilu_status status = nilu_model_chain(nl, rows[i].layers, &m);
        if (status == NILU_OK)
            status = nilu_model_build(m, x, 0, false, &y);
        assert_int_not_equal(status, NILU_OK);
        assert_contains(nilu_errmsg(nl), rows[i].want);
        nilu_graph_free(g);
        nilu_model_free(m);
    }
    nilu_free(nl);
}

/* ---- running statistics */

static float value(const nilu_store *store, const char *name, int i)
{
    const nilu_value *v = nilu_store_find(store, name);
    assert_non_null(v);
    assert_int_equal(v->kind, NILU_PARAM); /* saved with the model */
    return ((const float *)v->data)[i];
}

/* x: two channels of mean 3 and -1, variance 5 and 1 over four numbers: of the sample 20/3 and 4/3. */
static void statistics_follow(void **state)
{
    (void)state;
    static const float x[] = {0, 2, 4, 6, -2, 0, 0, -2};
    static const char *const layers[] = {"batchnorm 0.5 name=n", "batchnorm 0.5 frozen=true name=n"};
    for (int frozen = 0; frozen < 2; frozen++) {
        nilu *nl = support_context(1, NULL);
        nilu_store *store = nilu_store_new(nl);
        nilu_model *m;
        nilu_plan *plan;
        assert_ok(nl, nilu_model_chain(nl, layers[frozen], &m));
        for (int training = 1; training >= 0; training--) {
            nilu_graph *g = nilu_graph_new(nl);
            nilu_tensor *y, *in = nilu_input(g, "x", NILU_F32, NILU_SHAPE(1, 2, 2, 2));
            assert_ok(nl, nilu_model_build(m, in, 0, training, &y));
            assert_int_equal(nilu_params_of(y, 0, NULL), 2); /* gamma and beta: no error reaches the others */
            assert_ok(nl, nilu_compile(g, store, 1, &y, NULL, &plan));
            assert_ok(nl, nilu_feed(plan, "x", x, sizeof x));
            assert_ok(nl, nilu_step(plan));
            const float *got = nilu_fetched(plan, 0);
            const double mean = frozen ? 0 : training ? 3 : 1.5, variance = frozen ? 1 : training ? 5 : 0.5 + 10.0 / 3;
            assert_true(fabs((double)got[3] - (6 - mean) / sqrt(variance + 1e-5)) < 1e-6);
            nilu_plan_free(plan);
            nilu_graph_free(g);
            assert_true(fabsf(value(store, "n/mean", 0) - (frozen ? 0 : 1.5f)) < 1e-6f);
            assert_true(fabsf(value(store, "n/mean", 1) - (frozen ? 0 : -0.5f)) < 1e-6f);
            assert_true(fabsf(value(store, "n/variance", 0) - (frozen ? 1 : 0.5f + 10.0f / 3)) < 1e-6f);
            assert_true(fabsf(value(store, "n/variance", 1) - (frozen ? 1 : 0.5f + 2.0f / 3)) < 1e-6f);
        }
        nilu_model_free(m);
        nilu_store_free(store);
        nilu_free(nl);
    }
}

/* ---- what a model is told */

static void told_of_pictures(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_model *m, *own;
    assert_ok(nl, nilu_model_chain(nl, "dense 5", &m)); /* wants none */
    assert_ok(nl, nn_for_pictures(m, 28, 28, 1, false, &own));
    assert_null(own);
    nilu_model_free(m);
    assert_ok(nl, nilu_model_chain(nl, "conv 4 3 relu, flatten, dense 5", &m));
    assert_ok(nl, nn_for_pictures(m, 0, 0, 0, false, &own)); /* no pictures */
    assert_null(own);
    for (int many = 1; many <= 3; many += 2) {
        nilu_model *again;
        nilu_tensor *y;
        assert_ok(nl, nn_for_pictures(m, 6, 7, many, false, &own));
        assert_non_null(own);
        nilu_shape s = nn_input_shape(own, 2, 42 * many);
        assert_int_equal(s.rank, 4);
        assert_int_equal(s.dim[many == 1 ? 1 : 3], many);
        char *text = nilu_model_text(own);
        assert_ok(nl, nilu_model_from_text(nl, text, "again", &again));
        nilu_graph *g = nilu_graph_new(nl);
        assert_ok(nl, nilu_model_build(again, nilu_input(g, "x", NILU_F32, s), 5, false, &y));
        assert_int_equal(nilu_tensor_shape(y).dim[1], 5);
        nilu_graph_free(g);
        nilu_text_free(nl, text);
        nilu_model_free(again);
        nilu_model_free(own);
    }
    nilu_model_free(m);
    nilu_free(nl);
}

/* ---- the same bits */

static void learn(int threads, char hash[65])
{
    enum { N = 12, SIDE = 14 };
    static float x[N * SIDE * SIDE];
    static int32_t label[N];
    nilu *nl = support_context(threads, NULL);
    nilu_store *store = nilu_store_new(nl);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_model *m;
    nilu_tensor *y, *loss;
    nilu_plan *plan;
    nilu_optimizer_options o = NILU_OPTIMIZER_DEFAULT;
    o.name = "momentum";
    o.lr = 0.05;
    for (int i = 0; i < N * SIDE * SIDE; i++)
        x[i] = (float)base_normal((base_key){7, 1}, (uint64_t)i);
    for (int i = 0; i < N; i++)
        label[i] = i % 3;
    assert_ok(nl, nilu_model_chain(nl, "conv 20 3 bias=false, batchnorm, relu, pool max 2, conv 33 3 relu stride=2 padding=same, pool avg 3 stride=1, "
                                       "groupnorm 3, pool avg global, dense 3", &m));
    assert_ok(nl, nilu_model_build(m, nilu_input(g, "x", NILU_F32, NILU_SHAPE(N, SIDE, SIDE)), 3, true, &y));
    loss = nilu_loss("cross_entropy", y, nilu_input(g, "label", NILU_I32, NILU_SHAPE(N)));
    assert_ok(nl, nilu_minimise(loss, 0, NULL, &o, NULL, NULL));
    assert_ok(nl, nilu_compile(g, store, 1, &loss, NULL, &plan));
    assert_ok(nl, nilu_feed(plan, "x", x, sizeof x));
    assert_ok(nl, nilu_feed(plan, "label", label, sizeof label));
    float first = 0;
    for (int s = 0; s < 100; s++) {
        assert_ok(nl, nilu_step(plan));
        first = s == 0 ? *(const float *)nilu_fetched(plan, 0) : first;
    }
    assert_true(*(const float *)nilu_fetched(plan, 0) < 0.5f * first); /* it learns */
    nilu_store_hash(store, NILU_PARAM, hash);
    nilu_plan_free(plan);
    nilu_model_free(m);
    nilu_graph_free(g);
    nilu_store_free(store);
    nilu_free(nl);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    char one[65], many[65];
    learn(1, one);
    for (int threads = 2; threads <= 8; threads = threads == 2 ? 3 : threads + 5) {
        learn(threads, many);
        assert_string_equal(one, many);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(layers_become_shapes), cmocka_unit_test(mistakes), cmocka_unit_test(statistics_follow),
                                       cmocka_unit_test(told_of_pictures), cmocka_unit_test(threads_change_no_bit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
