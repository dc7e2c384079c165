/* Training samples: the length of each one's gradient, who taught an answer, whose label is wrong; an index that is of
 * another run, damaged or cut off. */
#include "support/support.h"

#include "base/base.h"

#include <unistd.h>

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
    assert_contains(nilu_errmsg(nl), "gain: belongs to no dense layer, or to several");
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

/* ---- who taught it */

static char folder[] = "/tmp/nilu-samples-XXXXXX";

static nilu_inquiry *inquire(nilu *nl, const char *run)
{
    nilu_inquiry *q;
    nilu_data_options d = NILU_DATA_DEFAULT;
    nilu_inquiry_options o = NILU_INQUIRY_DEFAULT;
    d.data_dir = NILU_SOURCE_DIR "/data";
    o.opened = &d;
    assert_ok(nl, nilu_inquiry_open(nl, run, &o, &q));
    return q;
}

/* A short run on the digits, with snapshots. */
static int train(void **state)
{
    (void)state;
    nilu *nl = nilu_new(NULL, NULL);
    nilu_data *data;
    nilu_model *model;
    nilu_train_options o = NILU_TRAIN_DEFAULT;
    nilu_data_options d = NILU_DATA_DEFAULT;
    d.data_dir = NILU_SOURCE_DIR "/data";
    char run[64];
    if (!mkdtemp(folder))
        return -1;
    snprintf(run, sizeof run, "%s/run", folder);
    assert_ok(nl, nilu_data_open(nl, "digits", &d, &data));
    assert_ok(nl, nilu_model_chain(nl, "40 relu, 30 relu", &model));
    o.out = run;
    o.where = "digits";
    o.opened = &d;
    o.epochs = 3;
    o.snapshots = 5;
    assert_ok(nl, nilu_train(nl, model, data, &o, NULL));
    nilu_model_free(model);
    nilu_data_free(data);
    nilu_free(nl);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    char line[128];
    snprintf(line, sizeof line, "rm -rf %s", folder);
    return system(line);
}

#define CASES 6
#define TOP 10

/* What the index finds is what a walk over all samples finds; and that is what gradients say that were made one by one. */
static void the_index_finds_what_a_walk_finds(void **state)
{
    (void)state;
    nilu *nl = nilu_new(NULL, NULL);
    char run[64];
    snprintf(run, sizeof run, "%s/run", folder);
    nilu_inquiry *q = inquire(nl, run);
    const nilu_inquiry_info *a = nilu_inquiry_about(q);
    nilu_samples *s;
    nilu_teacher walk[CASES * TOP], found[TOP];
    int n, same = 0;
    int64_t f = a->set->features;
    float *x = malloc((size_t)(CASES * f) * sizeof *x), *other = malloc((size_t)f * sizeof *other);
    int32_t label[CASES];
    assert_ok(nl, nilu_data_batch(a->data, NILU_TEST, NULL, CASES, x, label, NULL));
    for (int again = 0; again < 2; again++) {
        assert_ok(nl, nilu_samples_open(nl, q, NULL, &s));
        assert_int_equal(nilu_samples_about(s)->made, !again);
        assert_int_equal(nilu_samples_about(s)->moments, 5);
        if (!again)
            assert_ok(nl, nilu_samples_ask(s, NILU_KIN_DIRECTION, CASES, x, label, NULL, NULL, TOP, walk, &n));
        for (int i = 0; i < CASES; i++) {
            assert_ok(nl, nilu_samples_ask(s, NILU_KIN_DIRECTION, 1, x + i * f, label + i, NULL, NULL, TOP, found, &n));
            assert_int_equal(n, TOP);
            for (int k = 0; k < TOP; k++) {
                same += found[k].index == walk[i * TOP + k].index;
                assert_near(found[k].influence, walk[i * TOP + k].influence, 1e-5);
                assert_true(k == 0 || found[k].influence <= found[k - 1].influence);
            }
        }
        nilu_samples_free(s);
    }
    assert_true(same >= 2 * CASES * TOP - 2);
    double mean = 0; /* case 0 and its first teacher, in f64, layer by layer */
    nilu_verdict v;
    nilu_scene *scene;
    assert_ok(nl, nilu_scene_look(a->scene, x, label[0], NULL, -1));
    nilu_scene_verdict(a->scene, &v);
    int accused = v.accused, rival = v.rival;
    for (int m = 0; m < a->about->snapshots; m++) {
        nilu_store *w;
        nilu_layer_view l;
        double *gx[8], *gd[8], dot = 0, own = 0, its = 0;
        assert_ok(nl, nilu_run_snapshot(a->run, a->about->snapshot[m], &w));
        assert_ok(nl, nilu_scene_new(nl, a->model, w, f, a->set->outputs, NULL, &scene));
        assert_ok(nl, nilu_scene_look(scene, x, rival == label[0] ? label[0] : rival, NULL, accused));
        for (int i = 0; nilu_scene_layer(scene, i, NILU_FROM_GAP, &l); i++) {
            gx[i] = malloc((size_t)l.in * sizeof(double));
            gd[i] = malloc((size_t)l.out * sizeof(double));
            memcpy(gx[i], l.x, (size_t)l.in * sizeof(double));
            memcpy(gd[i], l.delta, (size_t)l.out * sizeof(double));
        }
        assert_ok(nl, nilu_data_batch(a->data, NILU_TRAIN, &walk[0].index, 1, other, NULL, NULL));
        assert_ok(nl, nilu_scene_look(scene, other, walk[0].label, NULL, -1));
        for (int i = 0; nilu_scene_layer(scene, i, NILU_FROM_LOSS, &l); i++) {
            for (int64_t j = 0; j < l.out; j++)
                for (int64_t k = 0; k <= l.in; k++) {
                    double mine = gd[i][j] * (k < l.in ? gx[i][k] : 1), theirs = l.delta[j] * (k < l.in ? l.x[k] : 1);
                    dot += mine * theirs;
                    own += mine * mine;
                    its += theirs * theirs;
                }
            free(gx[i]);
            free(gd[i]);
        }
        mean -= dot / sqrt(own * its) / a->about->snapshots;
        nilu_scene_free(scene);
        nilu_store_free(w);
    }
    assert_near(walk[0].influence, mean, 1e-4);
    free(x);
    free(other);
    nilu_inquiry_free(q);
    nilu_free(nl);
}

/* Whatever is wrong with the file, it is noticed. */
static void a_damaged_index_is_made_anew(void **state)
{
    (void)state;
    nilu *nl = nilu_new(NULL, NULL);
    char run[64], path[96];
    snprintf(run, sizeof run, "%s/run", folder);
    snprintf(path, sizeof path, "%s/own.index", folder);
    nilu_inquiry *q = inquire(nl, run);
    nilu_samples *s;
    nilu_samples_options o = NILU_SAMPLES_DEFAULT;
    o.index = path;
    assert_ok(nl, nilu_samples_open(nl, q, &o, &s));
    size_t bytes = nilu_samples_about(s)->bytes;
    float *x = calloc((size_t)nilu_inquiry_about(q)->set->features, sizeof *x);
    int32_t label = 3;
    nilu_teacher out[3];
    int n;
    for (int damage = 0; damage < 4; damage++) { /* header, middle, facts, cut off */
        nilu_samples_free(s);
        FILE *f = fopen(path, "r+b");
        long at = damage == 0 ? 20 : damage == 1 ? (long)bytes / 2 : (long)bytes - 100;
        fseek(f, at, SEEK_SET);
        int was = fgetc(f);
        fseek(f, at, SEEK_SET);
        fputc(was ^ 0x10, f);
        fclose(f);
        if (damage == 3)
            assert_int_equal(truncate(path, (off_t)bytes - 1), 0);
        assert_ok(nl, nilu_samples_open(nl, q, &o, &s));
        assert_int_equal(nilu_samples_about(s)->made, damage != 1);
        if (damage == 1) {
            assert_int_equal(nilu_samples_ask(s, NILU_KIN_DIRECTION, 1, x, &label, NULL, NULL, 3, out, &n),
                             NILU_E_FILE_CORRUPT);
            assert_contains(nilu_errmsg(nl), "is damaged; delete it");
            remove(path);
            nilu_samples_free(s);
            assert_ok(nl, nilu_samples_open(nl, q, &o, &s));
        }
        assert_ok(nl, nilu_samples_ask(s, NILU_KIN_DIRECTION, 1, x, &label, NULL, NULL, 3, out, &n));
    }
    label = 10;
    assert_int_equal(nilu_samples_ask(s, NILU_KIN_DIRECTION, 1, x, &label, NULL, NULL, 3, out, &n), NILU_E_RANGE);
    nilu_samples_free(s);
    free(x);
    nilu_inquiry_free(q);
    nilu_free(nl);
}

/* ---- memory that runs out */

static nilu_teacher taught[3];

/* An index is made, or is not there; who could not be asked can be asked again. */
static nilu_status ask_once(nilu *nl, void *user)
{
    nilu_samples *s = NULL;
    nilu_samples_options o = NILU_SAMPLES_DEFAULT;
    nilu_teacher out[3];
    float x[6] = {1, 2, 3, 4, 5, 6};
    int32_t label = 1;
    int n;
    char index[64];
    snprintf(index, sizeof index, "%s/failing.index", folder);
    o.index = index;
    remove(index);
    nilu_status status = nilu_samples_open(nl, user, &o, &s);
    assert_int_equal(access(index, F_OK), status == NILU_OK ? 0 : -1);
    if (status != NILU_OK)
        return status;
    status = nilu_samples_ask(s, NILU_KIN_DIRECTION, 1, x, &label, NULL, NULL, 3, out, &n);
    if (status == NILU_E_NO_MEMORY) {
        assert_ok(nl, nilu_samples_ask(s, NILU_KIN_DIRECTION, 1, x, &label, NULL, NULL, 3, out, &n));
        assert_memory_equal(out, taught, sizeof out);
    } else if (status == NILU_OK) {
        memcpy(taught, out, sizeof out);
        status = nilu_samples_ask(s, NILU_KIN_TRACIN, 1, x, &label, NULL, NULL, 3, out, &n);
        if (status == NILU_OK)
            status = nilu_samples_suspects(s, 3, out, &n);
    }
    nilu_samples_free(s);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    support_memory m = {0};
    nilu *nl = support_context(1, &m);
    nilu_data_options d = NILU_DATA_DEFAULT;
    nilu_inquiry_options o = NILU_INQUIRY_DEFAULT;
    nilu_train_options t = NILU_TRAIN_DEFAULT;
    nilu_inquiry *q;
    nilu_data *data;
    nilu_model *model;
    char run[64], table[64];
    snprintf(run, sizeof run, "%s/small", folder);
    snprintf(table, sizeof table, "%s/t.csv", folder);
    FILE *f = fopen(table, "w");
    for (int i = 0; i < 40; i++)
        fprintf(f, "%d,%d,%d,%d,%d,%d,%c\n", i * 7 % 11, i * 3 % 5, i * i % 13, i % 3, i * 5 % 7, i % 2, "ab"[i * 7 % 11 > 5]);
    fclose(f);
    assert_ok(nl, nilu_data_open(nl, table, &d, &data));
    assert_ok(nl, nilu_model_chain(nl, "5 relu", &model));
    t.out = run;
    t.where = table;
    t.opened = &d;
    t.epochs = 2;
    t.snapshots = 2;
    assert_ok(nl, nilu_train(nl, model, data, &t, NULL));
    nilu_model_free(model);
    nilu_data_free(data);
    o.opened = &d;
    assert_ok(nl, nilu_inquiry_open(nl, run, &o, &q));
    assert_int_equal(nilu_inquiry_about(q)->set->features, 6);
    assert_ok(nl, ask_once(nl, q));
    support_fail_within(nl, &m, ask_once, q);
    nilu_inquiry_free(q);
    nilu_free(nl);
    assert_int_equal(m.alive, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norms_are_those_of_single_samples),  cmocka_unit_test(norms_change_no_step),
        cmocka_unit_test(norms_refuse_what_they_do_not_know), cmocka_unit_test(the_index_finds_what_a_walk_finds),
        cmocka_unit_test(a_damaged_index_is_made_anew),       cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("samples", tests, train, clean);
}
