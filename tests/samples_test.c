/* Training samples: the length of each one's gradient, who taught an answer, whose label is wrong; an index that is of
 * another run, damaged or cut off. */
#include "support/support.h"

#include "base/base.h"

/* The gradient of one sample at a time, by the ordinary way, against all at once. */
static void norms_are_those_of_single_samples(void **state)
{
    (void)state;
    static const struct {
        const char *chain, *loss;
    } cases[] = {{"16 relu", NULL},
                 {"12 tanh, dropout 0.2, 9 gelu", "cross_entropy"},
                 {"20 relu bias=false, 7 linear, dense auto", "hinge"},
                 {"dense auto", "bce"}};
    enum { N = 13, F = 11, K = 4 };
    double worst = 0;
    for (size_t c = 0; c < COUNT(cases); c++) {
        nilu *nl = nilu_new(NULL, NULL);
        nilu_store *store = nilu_store_new(nl);
        nilu_model *model;
        float x[N * F];
        int32_t label[N];
        for (int i = 0; i < N * F; i++)
            x[i] = (float)base_normal((base_key){c, 3}, (uint64_t)i);
        for (int i = 0; i < N; i++)
            label[i] = i % K;
        assert_ok(nl, nilu_model_chain(nl, cases[c].chain, &model));
        nilu_plan *plan[2];
        int fetched = 0;
        for (int one = 0; one < 2; one++) {
            int64_t n = one ? 1 : N;
            nilu_graph *g = nilu_graph_new(nl);
            nilu_tensor *in = nilu_input(g, "x", NILU_F32, NILU_SHAPE(n, F)), *y, *fetch[16], *param[16];
            assert_ok(nl, nilu_model_build(model, in, K, false, &y));
            nilu_tensor *loss = nilu_loss(cases[c].loss ? cases[c].loss : "cross_entropy", y,
                                          nilu_input(g, "label", NILU_I32, NILU_SHAPE(n)));
            fetched = 1;
            if (one) {
                fetched = nilu_params_of(loss, 16, param);
                assert_ok(nl, nilu_grad(loss, fetched, param, fetch));
            } else {
                fetch[0] = nilu_sample_norms(loss);
            }
            assert_ok(nl, nilu_compile(g, store, fetched, fetch, NULL, &plan[one]));
            nilu_graph_free(g);
        }
        assert_ok(nl, nilu_feed(plan[0], "x", x, sizeof x));
        assert_ok(nl, nilu_feed(plan[0], "label", label, sizeof label));
        assert_ok(nl, nilu_step(plan[0]));
        assert_int_equal(nilu_fetched_shape(plan[0], 0).rank, 1);
        assert_int_equal(nilu_fetched_shape(plan[0], 0).dim[0], N);
        for (int i = 0; i < N; i++) {
            assert_ok(nl, nilu_feed(plan[1], "x", x + i * F, F * sizeof *x));
            assert_ok(nl, nilu_feed(plan[1], "label", label + i, sizeof *label));
            assert_ok(nl, nilu_step(plan[1]));
            double sum = 0, got = (double)((const float *)nilu_fetched(plan[0], 0))[i];
            for (int k = 0; k < fetched; k++)
                for (int64_t j = 0; j < base_count(nilu_fetched_shape(plan[1], k)); j++)
                    sum += pow((double)((const float *)nilu_fetched(plan[1], k))[j], 2);
            assert_near(got / sqrt(sum), 1, 2e-6);
            worst = fmax(worst, fabs(got / sqrt(sum) - 1));
        }
        nilu_plan_free(plan[0]);
        nilu_plan_free(plan[1]);
        nilu_model_free(model);
        nilu_store_free(store);
        nilu_free(nl);
    }
    print_message("52 samples: worst norm is %.1e off\n", worst);
}

/* A training step with the norms gives the same weights as one without, bit by bit. */
static void norms_change_no_step(void **state)
{
    (void)state;
    char hash[2][65];
    for (int with = 0; with < 2; with++) {
        nilu *nl = nilu_new(NULL, NULL);
        nilu_store *store = nilu_store_new(nl);
        nilu_graph *g = nilu_graph_new(nl);
        nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(32, 20)),
                    *h = nilu_dense(x, "fc1", 24, "relu", NULL, true),
                    *loss = nilu_loss("cross_entropy", nilu_dense(h, "fc2", 3, NULL, NULL, true),
                                      nilu_input(g, "label", NILU_I32, NILU_SHAPE(32)));
        nilu_plan *plan;
        float data[32 * 20];
        int32_t label[32];
        for (int i = 0; i < 32 * 20; i++)
            data[i] = (float)base_normal((base_key){1, 1}, (uint64_t)i);
        for (int i = 0; i < 32; i++)
            label[i] = i % 3;
        assert_ok(nl, nilu_minimise(loss, 0, NULL, NULL, NULL, NULL));
        nilu_tensor *fetch[] = {loss, with ? nilu_sample_norms(loss) : loss};
        assert_ok(nl, nilu_compile(g, store, 2, fetch, NULL, &plan));
        assert_ok(nl, nilu_feed(plan, "x", data, sizeof data));
        assert_ok(nl, nilu_feed(plan, "label", label, sizeof label));
        for (int i = 0; i < 20; i++)
            assert_ok(nl, nilu_step(plan));
        nilu_store_hash(store, NILU_PARAM, hash[with]);
        nilu_plan_free(plan);
        nilu_graph_free(g);
        nilu_store_free(store);
        nilu_free(nl);
    }
    assert_string_equal(hash[0], hash[1]);
}

static void norms_refuse_what_they_do_not_know(void **state)
{
    (void)state;
    nilu *nl = nilu_new(NULL, NULL);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(8, 5)),
                *gain = nilu_param(g, "gain", NILU_F32, NILU_SHAPE(5), (nilu_init){0}),
                *y = nilu_dense(nilu_mul(x, gain), "fc1", 3, NULL, NULL, true);
    assert_null(nilu_sample_norms(nilu_loss("cross_entropy", y, nilu_input(g, "label", NILU_I32, NILU_SHAPE(8)))));
    assert_int_equal(nilu_graph_status(g), NILU_E_UNSUPPORTED);
    assert_contains(nilu_errmsg(nl), "gain: is no weight or bias of exactly one dense layer");
    nilu_graph_free(g);
    g = nilu_graph_new(nl); /* one matrix, read twice */
    x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(8, 5));
    nilu_tensor *w = nilu_param(g, "w", NILU_F32, NILU_SHAPE(5, 5), (nilu_init){0});
    assert_null(nilu_sample_norms(nilu_mean(nilu_matmul(nilu_tanh(nilu_matmul(x, w)), w), NILU_ALL, false)));
    assert_int_equal(nilu_graph_status(g), NILU_E_UNSUPPORTED);
    nilu_graph_free(g);
    g = nilu_graph_new(nl);
    x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(8, 5));
    assert_null(nilu_sample_norms(nilu_mean(x, NILU_ALL, false)));
    assert_contains((nilu_graph_status(g), nilu_errmsg(nl)), "depends on no dense layer");
    nilu_graph_free(g);
    nilu_free(nl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norms_are_those_of_single_samples),
        cmocka_unit_test(norms_change_no_step),
        cmocka_unit_test(norms_refuse_what_they_do_not_know),
    };
    return cmocka_run_group_tests_name("samples", tests, NULL, NULL);
}
