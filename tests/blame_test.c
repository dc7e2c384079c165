/* Who is to blame, tried: the sums of every layer, predictions that must be exact where nothing bends, measured changes that
 * must be those of a net that was really changed, a culprit planted in a trained net, and maps that shuffled weights cannot
 * give. bench_blame does the last three at full size. */
#include "support/support.h"

#include "base/base.h"

#define FEATURES 12

typedef struct net {
    nilu *nl;
    nilu_model *model;
    nilu_store *store;
    int64_t features, outputs;
} net;

static net make(uint64_t seed, const char *chain, int64_t outputs)
{
    nilu_options o = NILU_OPTIONS_DEFAULT;
    o.seed = seed;
    net n = {.nl = nilu_new(&o, NULL), .features = FEATURES, .outputs = outputs};
    nilu_plan *plan;
    nilu_tensor *y;
    assert_ok(n.nl, nilu_model_chain(n.nl, chain, &n.model));
    n.store = nilu_store_new(n.nl);
    nilu_graph *g = nilu_graph_new(n.nl);
    nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(1, FEATURES));
    assert_ok(n.nl, nilu_model_build(n.model, x, outputs, false, &y));
    assert_ok(n.nl, nilu_compile(g, n.store, 1, &y, NULL, &plan));
    nilu_plan_free(plan);
    nilu_graph_free(g);
    for (int i = 0; i < nilu_store_count(n.store); i++) {
        const nilu_value *v = nilu_store_at(n.store, i);
        float *w = v->data;
        for (size_t k = 0; v->shape.rank == 1 && k < v->bytes / sizeof *w; k++)
            w[k] = (float)(0.2 * base_normal((base_key){seed, 7 + (uint64_t)i}, k));
    }
    return n;
}

static void drop(net *n)
{
    nilu_store_free(n->store);
    nilu_model_free(n->model);
    nilu_free(n->nl);
}

static void draw(uint64_t which, int64_t n, float *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)base_normal((base_key){which, 5}, (uint64_t)i);
}

/* The gap, asked of a scene that knows nothing of the court. */
static double gap_of(const net *n, const float *x, int accused, int rival)
{
    nilu_scene *s;
    nilu_verdict v;
    nilu_scene_options o = NILU_SCENE_DEFAULT;
    float target[8] = {0};
    o.task = rival < 0 ? NILU_TASK_NUMBERS : NILU_TASK_CLASSES;
    assert_ok(n->nl, nilu_scene_new(n->nl, n->model, n->store, n->features, n->outputs, &o, &s));
    assert_ok(n->nl, nilu_scene_look(s, x, rival < 0 ? 0 : rival, target, accused));
    nilu_scene_verdict(s, &v);
    double gap = v.gap;
    nilu_scene_free(s);
    return gap;
}

static const char *weight_of(const nilu_case_file *f, int layer, char out[80])
{
    snprintf(out, 80, "%s/weight", f->stop[layer].name);
    return out;
}

static void sums_and_trials(void **state)
{
    (void)state;
    static const char *const chains[] = {"16 relu, 9 relu", "14 leaky_relu, 8 linear, 10 relu", "15 tanh, 9 gelu"};
    int tried = 0;
    for (int c = 0; c < 3; c++)
        for (uint64_t seed = 0; seed < 6; seed++) {
            net n = make(seed, chains[c], 4);
            nilu_blame *b;
            nilu_case_file f;
            float usual[50 * FEATURES], x[FEATURES];
            char name[80];
            draw(seed + 100, 50 * FEATURES, usual);
            draw(seed, FEATURES, x);
            assert_ok(n.nl, nilu_blame_new(n.nl, n.model, n.store, FEATURES, 4, NULL, &b));
            assert_ok(n.nl, nilu_blame_learn(b, 50, usual));
            assert_ok(n.nl, nilu_blame_case(b, x, (int32_t)(seed % 4), NULL, -1, &f));
            assert_near(f.verdict.gap, gap_of(&n, x, f.verdict.accused, f.verdict.rival), 1e-12);
            for (int i = 0; i < f.stops; i++) {
                const nilu_stop *s = &f.stop[i];
                if (c < 2 && !(fabs(s->residual) <= 1e-12 * fmax(fabs(f.verdict.gap), 0.1)))
                    fail_msg("%s, seed %d, %s: residual %g", chains[c], (int)seed, s->name, s->residual);
                assert_near(s->tickets + s->biases + s->residual, f.verdict.gap, 1e-14);
                assert_int_equal(s->neurons > 0, i + 1 < f.stops);
                assert_int_equal(s->reads, i - 1);
                for (int k = 0; k < s->neurons; k++) /* before the last layer nothing bends any more */
                    if (i + 2 == f.stops)
                        assert_near(s->neuron[k].measured, s->neuron[k].predicted, 1e-5);
                for (int k = 1; k < s->neurons; k++)
                    assert_true(s->neuron[k].measured >= s->neuron[k - 1].measured);
                for (int k = 0; k < s->weights && k < 3; k++, tried++) { /* the same change, made for good */
                    const nilu_suspect *w = &s->weight[k];
                    float *at = (float *)nilu_store_find(n.store, weight_of(&f, i, name))->data + w->from * s->out +
                                w->neuron,
                          was = *at;
                    assert_near(w->value, (double)was, 1e-7);
                    assert_near(w->amount, w->value * w->ticket, 1e-14);
                    assert_near(fabs(w->value - s->mean), w->over * s->deviation, 1e-12);
                    assert_near(fabs(w->mended - s->mean), w->over > 2 ? 2 * s->deviation : 0, 1e-12);
                    *at = (float)w->mended;
                    assert_near(w->measured, gap_of(&n, x, f.verdict.accused, f.verdict.rival) - f.verdict.gap, 2e-5);
                    *at = 0;
                    assert_near(w->off, gap_of(&n, x, f.verdict.accused, f.verdict.rival) - f.verdict.gap, 2e-5);
                    *at = was;
                }
            }
            float restored[FEATURES];
            memcpy(restored, x, sizeof x);
            for (int64_t k = 0; k < f.restored; k++)
                restored[f.restore[k]] = 0;
            assert_near(f.restored_gap, gap_of(&n, restored, f.verdict.accused, f.verdict.rival), 1e-5);
            for (int k = 0; k < f.inputs; k++) {
                float moved[FEATURES];
                memcpy(moved, x, sizeof x);
                moved[f.input[k].neuron] = 0;
                assert_near(f.input[k].measured, gap_of(&n, moved, f.verdict.accused, f.verdict.rival) - f.verdict.gap,
                            2e-5);
                assert_near(f.heat[f.input[k].neuron], -f.input[k].measured, 1e-6);
            }
            nilu_blame_free(b);
            drop(&n);
        }
    print_message("%d weights mended for good: as tried\n", tried);
}

/* What a neuron usually puts out is the mean of what it did, asked one sample at a time. */
static void usual_is_the_mean(void **state)
{
    (void)state;
    enum { SAMPLES = 150 };
    net n = make(4, "16 relu, 9 tanh", 4);
    nilu_blame *b;
    nilu_scene *s;
    nilu_layer_view v;
    nilu_case_file f;
    float x[SAMPLES * FEATURES];
    double mean[2][16] = {{0}};
    draw(3, SAMPLES * FEATURES, x);
    assert_ok(n.nl, nilu_scene_new(n.nl, n.model, n.store, FEATURES, 4, NULL, &s));
    for (int k = 0; k < SAMPLES; k++) {
        assert_ok(n.nl, nilu_scene_look(s, x + k * FEATURES, 0, NULL, -1));
        for (int i = 0; i < 2; i++) {
            nilu_scene_layer(s, i, NILU_FROM_GAP, &v);
            for (int64_t j = 0; j < v.out; j++)
                mean[i][j] += v.a[j] / SAMPLES;
        }
    }
    nilu_blame_options o = NILU_BLAME_DEFAULT;
    o.scene = s; /* which may be looked through */
    assert_ok(n.nl, nilu_blame_new(n.nl, n.model, n.store, FEATURES, 4, &o, &b));
    assert_ok(n.nl, nilu_blame_learn(b, SAMPLES, x));
    assert_ok(n.nl, nilu_blame_case(b, x, 1, NULL, -1, &f));
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < f.stop[i].neurons; k++)
            assert_near(f.stop[i].neuron[k].mended, mean[i][f.stop[i].neuron[k].neuron], 1e-6);
    nilu_blame_free(b);
    nilu_scene_free(s);
    drop(&n);
}

/* Columns of one category are restored together; an answer that is too small is blamed on what made it so. */
static void numbers_and_groups(void **state)
{
    (void)state;
    net n = make(3, "16 relu, 9 relu", 2);
    nilu_blame *b;
    nilu_case_file f;
    nilu_blame_options o = NILU_BLAME_DEFAULT;
    int32_t group[FEATURES] = {0, 1, 2, 3, 3, 3, 4, 5, 6, 7, 7, 8};
    float baseline[FEATURES], x[FEATURES], moved[FEATURES];
    draw(8, FEATURES, baseline);
    draw(9, FEATURES, x);
    o.task = NILU_TASK_NUMBERS;
    o.group = group;
    o.baseline = baseline;
    assert_ok(n.nl, nilu_blame_new(n.nl, n.model, n.store, FEATURES, 2, &o, &b));
    for (int side = -1; side <= 1; side += 2) {
        double y = gap_of(&n, x, 1, -1);
        float target[2] = {(float)gap_of(&n, x, 0, -1), (float)(y - side)};
        assert_ok(n.nl, nilu_blame_case(b, x, -1, target, -1, &f));
        assert_int_equal(f.verdict.accused, 1);
        assert_int_equal(f.side, side);
        assert_near(f.verdict.gap, y, 1e-12);
        assert_int_equal(f.inputs, 9);
        for (int k = 0; k < f.inputs; k++) {
            memcpy(moved, x, sizeof x);
            for (int i = 0; i < FEATURES; i++)
                if (group[i] == group[f.input[k].neuron])
                    moved[i] = baseline[i];
            assert_near(f.input[k].measured, gap_of(&n, moved, 1, -1) - y, 2e-5);
            assert_true(k == 0 || side * f.input[k].measured >= side * f.input[k - 1].measured);
        }
        assert_true(side * f.stop[1].neuron[0].measured < 0);
        memcpy(moved, x, sizeof x);
        for (int64_t k = 0; k < f.restored; k++)
            moved[f.restore[k]] = baseline[f.restore[k]];
        assert_near(f.restored_gap, gap_of(&n, moved, 1, -1), 1e-5);
        assert_int_equal(f.turned, fabs(f.restored_gap - (y - side)) <= 0.5 + 1e-6);
    }
    nilu_blame_free(b);
    drop(&n);
}

/* ---- a trained net */

typedef struct trained {
    nilu *nl;
    nilu_data *data;
    nilu_model *model;
    nilu_train_result result;
    float *x, *usual, *baseline;
    int32_t *label;
    int64_t n;
} trained;

#define LEARNT 256

static trained train_digits(void)
{
    trained t = {.nl = support_context(1, NULL)};
    nilu_data_options o = NILU_DATA_DEFAULT;
    nilu_train_options how = NILU_TRAIN_DEFAULT;
    int64_t units[] = {48, 32};
    o.data_dir = NILU_SOURCE_DIR "/data";
    how.epochs = 3;
    assert_ok(t.nl, nilu_data_open(t.nl, "digits", &o, &t.data));
    assert_ok(t.nl, nilu_model_hidden(t.nl, 2, units, NULL, &t.model));
    assert_ok(t.nl, nilu_train(t.nl, t.model, t.data, &how, &t.result));
    t.n = nilu_data_about(t.data)->count[NILU_TEST];
    t.x = malloc((size_t)t.n * 784 * sizeof *t.x);
    t.usual = malloc(LEARNT * 784 * sizeof *t.usual);
    t.baseline = calloc(784, sizeof *t.baseline);
    t.label = malloc((size_t)t.n * sizeof *t.label);
    assert_ok(t.nl, nilu_data_batch(t.data, NILU_TEST, NULL, t.n, t.x, t.label, NULL));
    assert_ok(t.nl, nilu_data_batch(t.data, NILU_TRAIN, NULL, LEARNT, t.usual, NULL, NULL));
    for (int i = 0; i < LEARNT * 784; i++)
        t.baseline[i % 784] += t.usual[i] / LEARNT;
    return t;
}

static nilu_blame *court(const trained *t)
{
    nilu_blame *b;
    nilu_blame_options o = NILU_BLAME_DEFAULT;
    o.baseline = t->baseline;
    o.height = o.width = 28;
    o.channels = 1;
    assert_ok(t->nl, nilu_blame_new(t->nl, t->model, t->result.store, 784, 10, &o, &b));
    assert_ok(t->nl, nilu_blame_learn(b, LEARNT, t->usual));
    return b;
}

/* Wrong answers: fills index[] with at most `room`. */
static int wrong_answers(const trained *t, int room, int *index)
{
    nilu_predictor *p;
    float *y = malloc((size_t)t->n * 10 * sizeof *y);
    int n = 0;
    assert_ok(t->nl, nilu_predictor_new(t->nl, t->model, t->result.store, t->data, NULL, &p));
    assert_ok(t->nl, nilu_predict(p, NILU_TEST, NULL, t->n, y));
    for (int i = 0; i < t->n && n < room; i++) {
        int said = 0;
        for (int k = 1; k < 10; k++)
            said = y[i * 10 + k] > y[i * 10 + said] ? k : said;
        if (said != t->label[i])
            index[n++] = i;
    }
    nilu_predictor_free(p);
    free(y);
    return n;
}

#define TRIALS 10
#define CASES 12
static void a_planted_culprit_is_found(trained *t)
{
    static const char *const layers[] = {"fc1/weight", "fc2/weight", "fc3/weight"};
    int together = 0, alone = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        const nilu_value *v = nilu_store_find(t->result.store, layers[trial % 3]);
        int64_t out = v->shape.dim[1], at = 0;
        float *w = v->data, was = 0;
        int before[200], after[200], was_wrong = wrong_answers(t, 200, before), n = 0;
        for (uint64_t draws = 0; n < was_wrong + 10 && draws < 50; draws++) {
            at = (int64_t)(base_uniform53((base_key){(uint64_t)trial, 3}, draws) * (double)(v->bytes / sizeof *w));
            was = w[at];
            w[at] = trial % 2 ? -4 : 4;
            n = wrong_answers(t, 200, after);
            if (n < was_wrong + 10)
                w[at] = was;
        }
        assert_true(n >= was_wrong + 10);
        float *x = malloc(CASES * 784 * sizeof *x);
        int32_t label[CASES];
        int one = 0, found;
        for (int k = 0, m = 0; k < n; k++) {
            while (m < was_wrong && before[m] < after[k])
                m++;
            if (m == was_wrong || before[m] != after[k])
                one = after[k];
        }
        for (int k = 0; k < CASES; k++) {
            memcpy(x + k * 784, t->x + after[k * n / CASES] * 784, 784 * sizeof *x);
            label[k] = t->label[after[k * n / CASES]];
        }
        nilu_blame *b = court(t);
        nilu_suspect s[3];
        assert_ok(t->nl, nilu_blame_together(b, CASES, x, label, NULL, 3, s, &found));
        together += found && s[0].layer == trial % 3 && s[0].from == at / out && s[0].neuron == at % out;
        assert_true(found && s[0].measured < 0);
        assert_ok(t->nl, nilu_blame_together(b, 1, t->x + one * 784, &t->label[one], NULL, 3, s, &found));
        alone += found && s[0].layer == trial % 3 && s[0].from == at / out && s[0].neuron == at % out;
        nilu_blame_free(b);
        free(x);
        w[at] = was;
    }
    print_message("culprit first in %d of %d trials from several cases, in %d from one\n", together, TRIALS, alone);
    assert_true(together >= TRIALS - 1);
    assert_true(alone >= TRIALS - 1);
}

static void predictions_hold(const trained *t)
{
    nilu_blame *b = court(t);
    int wrong[20], n = wrong_answers(t, 20, wrong), turned = 0;
    double sum = 0, same = 0;
    assert_true(n >= 10);
    for (int k = 0; k < n; k++) {
        nilu_case_file f;
        double map;
        int64_t i = wrong[k];
        assert_ok(t->nl, nilu_blame_case(b, t->x + i * 784, t->label[i], NULL, -1, &f));
        assert_int_equal(f.judged, 32);
        assert_true(!f.turned || (f.restored_said == t->label[i] && f.restored > 0));
        turned += f.turned;
        assert_ok(t->nl, nilu_blame_sanity(b, 1, (uint64_t)k, &map));
        sum += f.agreement / n;
        same += map / n;
    }
    print_message("%d cases: predicted against measured %.4f by rank, map against shuffled weights %.4f, %d turned\n",
                  n, sum, same, turned);
    assert_true(turned >= n * 3 / 4);
    assert_true(sum >= 0.9);
    assert_true(fabs(same) < 0.1);
    nilu_blame_free(b);
}

static void of_a_trained_net(void **state)
{
    (void)state;
    trained t = train_digits();
    a_planted_culprit_is_found(&t);
    predictions_hold(&t);
    free(t.x), free(t.usual), free(t.baseline), free(t.label);
    nilu_train_result_free(t.nl, &t.result);
    nilu_model_free(t.model);
    nilu_data_free(t.data);
    nilu_free(t.nl);
}

/* ---- what can go wrong */

static void mistakes_are_named(void **state)
{
    (void)state;
    net n = make(6, "9 relu", 4);
    nilu_blame *b;
    nilu_blame_options o = NILU_BLAME_DEFAULT;
    nilu_case_file f;
    float x[FEATURES] = {0};
    o.height = 3, o.width = 3, o.channels = 1;
    assert_int_equal(nilu_blame_new(n.nl, n.model, n.store, FEATURES, 4, &o, &b), NILU_E_USAGE);
    assert_contains(nilu_errmsg(n.nl), "3 x 3 x 1");
    o = (nilu_blame_options)NILU_BLAME_DEFAULT;
    o.weights = 0;
    assert_int_equal(nilu_blame_new(n.nl, n.model, n.store, FEATURES, 4, &o, &b), NILU_E_USAGE);
    o.size = 3;
    assert_int_equal(nilu_blame_new(n.nl, n.model, n.store, FEATURES, 4, &o, &b), NILU_E_USAGE);
    assert_null(b);
    assert_ok(n.nl, nilu_blame_new(n.nl, n.model, n.store, FEATURES, 4, NULL, &b));
    assert_int_equal(nilu_blame_case(b, x, 4, NULL, -1, &f), NILU_E_RANGE);
    assert_ok(n.nl, nilu_blame_case(b, x, 1, NULL, -1, &f)); /* nothing was seen: nothing of it is to blame */
    assert_int_equal(f.inputs, 0);
    assert_int_equal(f.restored, 0);
    assert_false(f.turned);
    nilu_blame_free(b);
    drop(&n);
}

static nilu_status one_case(nilu *nl, void *user)
{
    const net *n = user;
    nilu_model *model = NULL;
    nilu_blame *b = NULL;
    nilu_case_file f;
    nilu_suspect s[4];
    nilu_blame_options o = NILU_BLAME_DEFAULT;
    int32_t group[FEATURES] = {0}, label = 1;
    float x[FEATURES] = {1, 2, 3};
    double map;
    int found;
    o.group = group;
    nilu_status status = nilu_model_chain(nl, "9 relu", &model);
    if (status == NILU_OK)
        status = nilu_blame_new(nl, model, n->store, FEATURES, 4, &o, &b);
    if (status == NILU_OK)
        status = nilu_blame_learn(b, 1, x);
    if (status == NILU_OK)
        status = nilu_blame_case(b, x, label, NULL, -1, &f);
    if (status == NILU_OK)
        status = nilu_blame_together(b, 1, x, &label, NULL, 4, s, &found);
    if (status == NILU_OK)
        status = nilu_blame_sanity(b, 1, 0, &map);
    nilu_blame_free(b);
    nilu_model_free(model);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    net n = make(7, "9 relu", 4);
    support_fail_each(1, one_case, &n);
    drop(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_and_trials),    cmocka_unit_test(usual_is_the_mean),
        cmocka_unit_test(numbers_and_groups), cmocka_unit_test(of_a_trained_net),
        cmocka_unit_test(mistakes_are_named), cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests_name("blame", tests, NULL, NULL);
}
