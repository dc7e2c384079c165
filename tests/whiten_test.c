/* Whitening: the eigenvectors are NumPy's, what comes out of the filters has variance 1 and no correlation, and no step
 * changes a filter. */
#include "support/sets.h"
#include "nn/nn.h"
#include "train/train.h"

enum { N = 40, H = 6, W = 7, C = 2, K = 2, D = C * K * K };

static void eigenvectors(void **state)
{
    (void)state;
    enum { M = 5 };
    /* a_ij = cos(0.7 i j), i and j from 1: numpy.linalg.eigh of NumPy 2 */
    static const double values[M] = {2.1070194189012845, 1.5002891631122857, 0.074392826652156616, -0.56900591425236846, -1.867772184383903},
                        first[M] = {0.55162196799150653, -0.2758111073159204, 0.32597669712132327, -0.5103449075473131, -0.50292017834318514},
                        last[M] = {-0.36218661322999801, 0.71355835222198205, -0.087402022433494209, -0.42674630814457698, -0.41219389870635192};
    double a[M * M], value[M], vector[M * M];
    for (int i = 0; i < M * M; i++)
        a[i] = cos(0.7 * (i / M + 1) * (i % M + 1));
    train_eigen(M, a, value, vector);
    for (int i = 0; i < M; i++) {
        assert_near(value[i], values[i], 1e-13);
        assert_near(vector[i], first[i], 1e-13);
        assert_near(vector[(M - 1) * M + i], last[i], 1e-13);
    }
    double same[4] = {2, 0, 0, 2}, zero[4] = {0};
    train_eigen(2, same, value, vector);
    assert_near(value[0], 2, 0);
    assert_near(vector[0] * vector[0] + vector[1] * vector[1], 1, 1e-15);
    train_eigen(2, zero, value, vector);
    assert_near(value[1], 0, 0);
}

static nilu_data *pictures(nilu *nl, const float **out)
{
    static float x[N * H * W * C];
    static int32_t label[N];
    nilu_data *data;
    nilu_data_options o = NILU_DATA_DEFAULT;
    o.validation = 0;
    for (int i = 0; i < N * H * W * C; i++) /* neighbours are alike */
        x[i] = (float)(sin(i * 0.31) + 0.5 * base_normal((base_key){7, 1}, (uint64_t)i));
    for (int i = 0; i < N; i++)
        label[i] = i % 3;
    assert_ok(nl, nilu_npy_write(nl, support_at("Xwhite.npy"), NILU_F32, NILU_SHAPE(N, H, W, C), x));
    assert_ok(nl, nilu_npy_write(nl, support_at("ywhite.npy"), NILU_I32, NILU_SHAPE(N), label));
    assert_ok(nl, nilu_data_open(nl, support_at("Xwhite.npy"), &o, &data));
    *out = x;
    return data;
}

static nilu_model *model(nilu *nl, const char *layers)
{
    nilu_model *m, *own;
    assert_ok(nl, nilu_model_chain(nl, layers, &m));
    assert_ok(nl, nn_for_pictures(m, H, W, C, false, &own));
    nilu_model_free(m);
    return own;
}

static void variance_one(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *store = nilu_store_new(nl);
    const float *all;
    nilu_data *data = pictures(nl, &all);
    nilu_model *m = model(nl, "whiten 16 2, flatten, dense auto");
    assert_ok(nl, train_whiten(nl, m, data, store));
    const nilu_value *v = nilu_store_find(store, "whiten1/weight");
    assert_non_null(v);
    assert_int_equal(v->shape.dim[0], 2 * D);
    const float *w = v->data;
    double moments[2 * D][2 * D] = {{0}}, n = 0;
    for (int i = 0; i < N; i++) {
        float x[H * W * C];
        const int64_t index = i;
        assert_ok(nl, nilu_data_batch(data, NILU_TRAIN, &index, 1, x, NULL, NULL)); /* scaled */
        for (int top = 0; top + K <= H; top++)
            for (int left = 0; left + K <= W; left++, n++) {
                double y[2 * D] = {0};
                for (int f = 0; f < 2 * D; f++)
                    for (int c = 0; c < C; c++)
                        for (int p = 0; p < K * K; p++)
                            y[f] += (double)w[(f * C + c) * K * K + p] * (double)x[((top + p / K) * W + left + p % K) * C + c];
                for (int f = 0; f < 2 * D; f++)
                    for (int g = 0; g < 2 * D; g++)
                        moments[f][g] += y[f] * y[g];
            }
    }
    for (int f = 0; f < 2 * D; f++)
        for (int g = 0; g < 2 * D; g++)
            assert_near(moments[f][g] / n, f == g ? 1 : f % D == g % D ? -1 : 0, 0.02); /* ε takes a little */
    nilu_model_free(m);
    nilu_data_free(data);
    nilu_store_free(store);
    nilu_free(nl);
}

static void filters_stay(void **state)
{
    (void)state;
    char hash[3][65];
    for (int k = 0; k < 3; k++) {
        nilu *nl = support_context(1 + 2 * k, NULL);
        nilu_store *store = nilu_store_new(nl);
        const float *all;
        nilu_data *data = pictures(nl, &all);
        nilu_model *m = model(nl, k < 2 ? "whiten 8 3, relu, flatten, dense auto" : "whiten 8 3 bias=false, relu, flatten, dense auto");
        nilu_train_options o = NILU_TRAIN_DEFAULT;
        nilu_train_result r;
        o.epochs = 3;
        assert_ok(nl, nilu_train(nl, m, data, &o, &r));
        assert_ok(nl, train_whiten(nl, m, data, store));
        const nilu_value *w = nilu_store_find(r.store, "whiten1/weight"), *set = nilu_store_find(store, "whiten1/weight");
        assert_memory_equal(w->data, set->data, w->bytes);
        const nilu_value *bias = nilu_store_find(r.store, "whiten1/bias");
        assert_int_equal(bias != NULL, k < 2);
        assert_true(!bias || ((const float *)bias->data)[0] != 0); /* it is learnt */
        memcpy(hash[k], r.weights, 65);
        nilu_train_result_free(nl, &r);
        nilu_store_free(store);
        nilu_model_free(m);
        nilu_data_free(data);
        nilu_free(nl);
    }
    assert_string_equal(hash[0], hash[1]);
}

static void refusals(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"whiten 7 2, flatten, dense auto", "whiten1: it must read the pictures"},
        {"whiten 18 2, flatten, dense auto", "whiten1: it must read the pictures"},
        {"whiten 8 9, flatten, dense auto", "whiten1: it must read the pictures"},
        {"conv 4 3, whiten 8 2, flatten, dense auto", "whiten1: it must read the pictures"},
    };
    nilu *nl = support_context(1, NULL);
    const float *all;
    nilu_data *data = pictures(nl, &all);
    for (size_t i = 0; i < COUNT(rows); i++) {
        nilu_model *m = model(nl, rows[i][0]);
        assert_int_equal(nilu_train(nl, m, data, NULL, NULL), NILU_E_MODEL);
        assert_contains(nilu_errmsg(nl), rows[i][1]);
        nilu_model_free(m);
    }
    nilu_model *m;
    nilu_graph *g = nilu_graph_new(nl);
    nilu_tensor *y, *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(2, 3, 7, 8));
    assert_ok(nl, nilu_model_chain(nl, "whiten 26 2", &m));
    assert_int_equal(nilu_model_build(m, x, 0, false, &y), NILU_E_MODEL);
    assert_contains(nilu_errmsg(nl), "whiten1: 26 filters; there can be any even number of them up to 24");
    nilu_graph_free(g);
    nilu_model_free(m);
    nilu_data_free(data);
    nilu_free(nl);
}

static int set_up(void **state)
{
    (void)state;
    return !support_folder();
}

static int tear_down(void **state)
{
    (void)state;
    support_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(eigenvectors), cmocka_unit_test(variance_one), cmocka_unit_test(filters_stay), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
