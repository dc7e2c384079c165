/* Augmentation: every number of a changed picture is where the draws say; draws are spread as they should be; the batches are
 * the same with helpers and without, from any place on, and through a training that was interrupted. */
#include "support/files.h"

#include "train/train.h"
#include <math.h>
#include <sys/stat.h>

typedef enum layout { GREY, PLANES, LAST, REALS, LAYOUTS } layout; /* LAST: bytes, channels last; REALS: f32, likewise */
enum { N = 30, SIDE = 32 };

static int channels_of(layout l)
{
    return l == GREY ? 1 : 3;
}

/* A set of N pictures of 32 x 32 by chance, in four classes. */
static const char *written(nilu *nl, layout l)
{
    static unsigned char bytes[N * 3 * SIDE * SIDE], records[N * 3073];
    static float reals[N * 3 * SIDE * SIDE];
    int32_t label[N];
    const int64_t n = (int64_t)channels_of(l) * SIDE * SIDE;
    for (int64_t i = 0; i < N * n; i++) {
        uint32_t r[4];
        base_philox(3, (uint64_t)l, (uint64_t)i, r);
        bytes[i] = (unsigned char)(r[0] >> 24);
        reals[i] = (float)bytes[i] / 100;
    }
    for (int i = 0; i < N; i++)
        label[i] = i * 7 % 4;
    if (l == PLANES) {
        for (int i = 0; i < N; i++) {
            records[i * 3073] = (unsigned char)label[i];
            memcpy(records + i * 3073 + 1, bytes + i * 3072, 3072);
        }
        mkdir(files_path("cifar"), 0700);
        files_put("cifar/data_batch_1.bin", records, sizeof records);
        return files_path("cifar");
    }
    const char *path = files_path("X.npy");
    const nilu_shape shape = l == GREY ? NILU_SHAPE(N, SIDE, SIDE) : NILU_SHAPE(N, SIDE, SIDE, 3);
    assert_ok(nl, nilu_npy_write(nl, path, l == REALS ? NILU_F32 : NILU_U8, shape, l == REALS ? (void *)reals : (void *)bytes));
    assert_ok(nl, nilu_npy_write(nl, files_path("y.npy"), NILU_I32, NILU_SHAPE(N), label));
    return files_path("X.npy");
}

static nilu_data *opened(nilu *nl, const char *path, size_t memory)
{
    nilu_data_options o = NILU_DATA_DEFAULT;
    nilu_data *d = NULL;
    o.memory = memory;
    o.validation = 0;
    assert_ok(nl, nilu_data_open(nl, path, &o, &d));
    return d;
}

/* ---- words */

static void words(void **state)
{
    static const struct {
        const char *text, *error;
    } wrong[] = {{"flp", "there is nothing called \"flp\"; did you mean flip?"},
                 {"swirl", "there is nothing called \"swirl\"; give some of flip, altflip, crop N"},
                 {"flip 2", "flip takes no number, but \"2\" stands behind it"},
                 {"crop", "crop wants a number from 1 to 31, not \"\""},
                 {"crop 32", "crop wants a number from 1 to 31, not \"32\""},
                 {"crop 2.5", "crop wants a number from 1 to 31"},
                 {"crop -1", "crop wants a number from 1 to 31"},
                 {"crop four", "not \"four\""},
                 {"cutout 33", "cutout wants a number from 1 to 32"},
                 {"colour 1.5", "colour wants a number from 0.01 to 1"},
                 {"colour nan", "colour wants a number"},
                 {"mixup 0", "mixup wants a number from 0.01 to 4"},
                 {"flip, flip", "flip stands there twice"},
                 {"flip, altflip", "flip and altflip both mirror"},
                 {"crop 2, translate 2", "crop and translate both shift"},
                 {"flip,,crop 2", "there is nothing called \"\""}};
    nilu *nl = *state;
    data_augment a;
    nilu_data *d = opened(nl, written(nl, PLANES), 0);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_int_equal(data_augment_read(nl, d, wrong[i].text, &a), NILU_E_USAGE);
        assert_contains(nilu_errmsg(nl), wrong[i].error);
    }
    assert_ok(nl, data_augment_read(nl, d, " flip ,crop  4, cutout 8,colour 0.25 , mixup 0.2", &a));
    assert_true(a.flip == AUGMENT_FLIP && a.shift == 4 && a.reflect && a.cutout == 8 && a.colour == 0.25 && a.mixup == 0.2);
    assert_ok(nl, data_augment_read(nl, d, "", &a));
    assert_false(data_augment_changes(&a));
    nilu_data_free(d);
    nilu_data_options o = NILU_DATA_DEFAULT;
    assert_ok(nl, nilu_data_open(nl, files_text("t.csv", "a,b\n1.5,x\n2.25,y\n3,x\n1.5,y\n5,x\n2.25,y\n3,x\n5,y\n"), &o, &d));
    nilu_train_options t = NILU_TRAIN_DEFAULT;
    t.augment = "flip";
    assert_int_equal(nilu_train(nl, NULL, d, &t, NULL), NILU_E_USAGE);
    assert_contains(nilu_errmsg(nl), "the samples of t.csv are no pictures");
    nilu_data_free(d);
}

/* ---- where numbers go */

static int64_t place(layout l, int c, int y, int x)
{
    return l == PLANES ? (c * SIDE + y) * SIDE + x : (y * SIDE + x) * channels_of(l) + c;
}

static int mirror_at(int i)
{
    return i < 0 ? -i : i >= SIDE ? 2 * (SIDE - 1) - i : i;
}

static int chance(uint32_t draw, int n)
{
    return (int)floor((double)draw / 4294967296.0 * n);
}

/* A changed picture, number by number: from the draws, and by nothing that the code uses but these. */
static void expect(layout l, uint64_t seed, int64_t epoch, int64_t sample, int shift, bool reflect, int cutout, const float *from, float *to)
{
    uint32_t r[4], s[4];
    const uint64_t stream = base_hash(&epoch, sizeof epoch, base_hash_text("augment"));
    base_philox(seed, stream, (uint64_t)sample * 4, r);
    base_philox(seed, stream, (uint64_t)sample * 4 + 1, s);
    const int down = chance(r[1], 2 * shift + 1) - shift, right = chance(r[2], 2 * shift + 1) - shift;
    const int row = chance(s[0], SIDE), column = chance(s[1], SIDE);
    for (int c = 0; c < channels_of(l); c++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                int fy = y + down, fx = (r[0] >> 31 ? SIDE - 1 - x : x) + right;
                bool out = fy < 0 || fx < 0 || fy >= SIDE || fx >= SIDE;
                bool covered = y >= row - cutout / 2 && y < row - cutout / 2 + cutout && x >= column - cutout / 2 &&
                               x < column - cutout / 2 + cutout;
                to[place(l, c, y, x)] = covered || (out && !reflect) ? 0 : from[place(l, c, mirror_at(fy), mirror_at(fx))];
            }
}

static void number_by_number(void **state)
{
    static const struct {
        const char *text;
        int shift;
        bool reflect;
        int cutout;
    } rows[] = {{"flip", 0, false, 0}, {"flip, crop 4", 4, true, 0}, {"flip, translate 3, cutout 9", 3, false, 9}, {"flip, crop 31, cutout 8", 31, true, 8}};
    static float want[3 * SIDE * SIDE], plain[3 * SIDE * SIDE];
    nilu *nl = *state;
    for (int l = 0; l < LAYOUTS; l++) {
        nilu_data *d = opened(nl, written(nl, (layout)l), 0);
        const int64_t n = nilu_data_about(d)->features;
        for (size_t i = 0; i < COUNT(rows); i++) {
            train_loader loader;
            const train_batch *b;
            assert_ok(nl, train_loader_start(d, 11, 8, 2, 0, rows[i].text, &loader));
            for (int k = 0; k < 6; k++) { /* into the next epoch */
                const int64_t epoch = loader.epoch;
                assert_ok(nl, train_loader_next(&loader, &b));
                for (int64_t j = 0; j < b->n; j++) {
                    assert_ok(nl, nilu_data_batch(d, NILU_TRAIN, b->index + j, 1, plain, NULL, NULL));
                    expect((layout)l, 11, epoch, b->index[j], rows[i].shift, rows[i].reflect, rows[i].cutout, plain, want);
                    if (memcmp(b->x + j * n, want, (size_t)n * sizeof *want) != 0)
                        fail_msg("layout %d, %s, epoch %lld: sample %lld is not what its draws say", l, rows[i].text, (long long)epoch, (long long)b->index[j]);
                }
            }
            train_loader_stop(&loader);
        }
        nilu_data_free(d);
    }
}

/* Every other epoch, from the first or the second on: half of the samples each. */
static void alternating(void **state)
{
    nilu *nl = *state;
    nilu_data *d = opened(nl, written(nl, PLANES), 0);
    static float x[3072], room[8192];
    int first = 0;
    data_augment a;
    assert_ok(nl, data_augment_read(nl, d, "altflip", &a));
    for (int64_t i = 0; i < N; i++) {
        float plain[2];
        bool before = false;
        for (int64_t epoch = 0; epoch < 6; epoch++) {
            assert_ok(nl, nilu_data_batch(d, NILU_TRAIN, &i, 1, x, NULL, NULL));
            memcpy(plain, x, sizeof plain);
            const float last = x[31];
            data_augment_batch(d, &a, 5, epoch, &i, 1, x, room);
            bool mirrored = x[0] == last && x[31] == plain[0];
            assert_true(mirrored || x[0] == plain[0]);
            if (epoch > 0)
                assert_true(mirrored != before);
            first += epoch == 0 && mirrored;
            before = mirrored;
        }
    }
    assert_true(first > N / 5 && first < N - N / 5);
    nilu_data_free(d);
}

/* Mirroring and shifts come up as often as each other: chi-squared over 4,000 draws. */
static void draws_are_even(void **state)
{
    nilu *nl = *state;
    nilu_data *d = opened(nl, written(nl, PLANES), 0);
    static float x[3072], plain[3072], room[8192];
    int seen[2][5][5] = {0};
    data_augment a;
    const int64_t i = 4;
    assert_ok(nl, data_augment_read(nl, d, "flip, translate 2", &a));
    assert_ok(nl, nilu_data_batch(d, NILU_TRAIN, &i, 1, plain, NULL, NULL));
    for (int64_t epoch = 0; epoch < 4000; epoch++) {
        memcpy(x, plain, sizeof x);
        data_augment_batch(d, &a, 9, epoch, &i, 1, x, room);
        int found = 0;
        for (int k = 0; k < 50; k++) {
            const int flip = k / 25, down = k / 5 % 5 - 2, right = k % 5 - 2;
            bool same = true;
            for (int t = 8; t < 14; t++)
                same = same && x[t * SIDE + t] == plain[(t + down) * SIDE + (flip ? SIDE - 1 - t : t) + right];
            seen[flip][down + 2][right + 2] += same;
            found += same;
        }
        assert_int_equal(found, 1);
    }
    double chi = 0;
    for (int k = 0; k < 50; k++)
        chi += pow(seen[k / 25][k / 5 % 5][k % 5] - 80, 2) / 80;
    if (!(chi < 85)) /* 49 degrees of freedom: 1 in 1,000 */
        fail_msg("chi-squared is %g", chi);
    nilu_data_free(d);
}

/* ---- light, written again in double */

static double cut(double v)
{
    return fmin(fmax(v, 0), 1);
}

static void light(void **state)
{
    static double v[3072];
    static float x[3072], room[8192];
    nilu *nl = *state;
    for (int l = 0; l < LAYOUTS; l++) {
        nilu_data *d = opened(nl, written(nl, (layout)l), 0);
        const int64_t n = nilu_data_about(d)->features, sample = 6, epoch = 3;
        const int c = channels_of((layout)l), count = SIDE * SIDE;
        uint32_t r[4];
        data_augment a;
        assert_ok(nl, data_augment_read(nl, d, "colour 0.5", &a));
        assert_ok(nl, nilu_data_batch(d, NILU_TRAIN, &sample, 1, x, NULL, NULL));
        const data_scale *s = &d->scale;
        const double black = l == REALS ? s->low : 0, range = l == REALS ? s->high - s->low : 255;
        for (int64_t j = 0; j < n; j++)
            v[j] = (x[j] * s->std[j / s->each] + s->mean[j / s->each] - black) / range;
        data_augment_batch(d, &a, 1, epoch, &sample, 1, x, room);
        base_philox(1, base_hash(&epoch, sizeof epoch, base_hash_text("augment")), (uint64_t)sample * 4 + 2, r);
        double by[3], middle = 0;
        for (int k = 0; k < 3; k++)
            by[k] = 0.5 + r[k] / 4294967296.0;
        for (int64_t j = 0; j < n; j++)
            v[j] = cut(v[j] * by[0]);
        for (int i = 0; i < count; i++)
            for (int k = 0; k < c; k++)
                middle += (c == 1 ? 1 : k == 0 ? 0.299 : k == 1 ? 0.587 : 0.114) * v[place((layout)l, k, i / SIDE, i % SIDE)] / count;
        for (int64_t j = 0; j < n; j++)
            v[j] = cut(by[1] * v[j] + (1 - by[1]) * middle);
        for (int i = 0; i < count && c == 3; i++) {
            double *at[3], grey = 0;
            for (int k = 0; k < 3; k++) {
                at[k] = &v[place((layout)l, k, i / SIDE, i % SIDE)];
                grey += (k == 0 ? 0.299 : k == 1 ? 0.587 : 0.114) * *at[k];
            }
            for (int k = 0; k < 3; k++)
                *at[k] = cut(by[2] * *at[k] + (1 - by[2]) * grey);
        }
        for (int64_t j = 0; j < n; j++) {
            double want = (v[j] * range + black - s->mean[j / s->each]) / s->std[j / s->each];
            if (!(fabs(x[j] - want) < 1e-5))
                fail_msg("layout %d: number %lld is %g, expected %g", l, (long long)j, (double)x[j], want);
        }
        nilu_data_free(d);
    }
}

/* ---- mixing */

static void mixed(void **state)
{
    static float plain[7 * 3072];
    nilu *nl = *state;
    nilu_data *d = opened(nl, written(nl, PLANES), 0);
    train_loader loader;
    const train_batch *b;
    double sum = 0, square = 0;
    enum { BATCHES = 2000 };
    assert_ok(nl, train_loader_start(d, 1, 7, 0, 0, "mixup 0.5", &loader));
    for (int k = 0; k < BATCHES; k++) {
        assert_ok(nl, train_loader_next(&loader, &b));
        sum += b->share;
        square += (double)b->share * b->share;
        if (k > 20)
            continue;
        assert_ok(nl, nilu_data_batch(d, NILU_TRAIN, b->index, b->n, plain, NULL, NULL));
        for (int64_t i = 0; i < b->n; i++) {
            const int64_t other = b->n - 1 - i;
            assert_int_equal(b->other[i], b->label[other]);
            for (int64_t j = 0; j < 3072; j++)
                if (!(fabs(b->x[i * 3072 + j] - (b->share * (double)plain[i * 3072 + j] + (1 - (double)b->share) * plain[other * 3072 + j])) < 1e-6))
                    fail_msg("batch %d: sample %lld, number %lld", k, (long long)i, (long long)j);
        }
    }
    const double mean = sum / BATCHES, variance = square / BATCHES - mean * mean;
    assert_true(fabs(mean - 0.5) < 0.03); /* Beta(a, a): mean 1/2, variance 1 / (8a + 4) */
    assert_true(fabs(variance - 1 / 8.0) < 0.012);
    train_loader_stop(&loader);
    nilu_data_free(d);
}

/* The loss that is learnt from is that of both labels, each by its share. */
static void mixed_loss(void **state)
{
    nilu *nl = *state;
    nilu_data *d = opened(nl, written(nl, PLANES), 0);
    nilu_model *m = NULL;
    nilu_store *store = nilu_store_new(nl);
    nilu_optimizer_options o = NILU_OPTIMIZER_DEFAULT;
    train_loader loader;
    const train_batch *b;
    nilu_plan *plan;
    o.name = "sgd";
    o.lr = 1e-30;
    assert_ok(nl, nilu_optimizer_resolve(nl, &o, &o));
    assert_ok(nl, nilu_model_chain(nl, "5 relu", &m));
    train_net net = {.nl = nl, .model = m, .data = nilu_data_about(d), .store = store, .loss = "cross_entropy", .optimizer = &o, .mode = TRAIN_LEARN};
    train_net judge = net;
    net.mixes = train_mixes(d, "mixup 1");
    assert_true(net.mixes);
    judge.mode = TRAIN_JUDGE;
    assert_ok(nl, train_loader_start(d, 1, 6, 0, 0, "mixup 1", &loader));
    assert_ok(nl, train_loader_next(&loader, &b));
    assert_ok(nl, train_net_plan(&net, b->n, &plan));
    assert_ok(nl, train_net_feed(&net, plan, b));
    assert_ok(nl, nilu_step(plan));
    const double learnt = *(const float *)nilu_fetched(plan, 0);
    double loss[2];
    for (int k = 0; k < 2; k++) {
        train_batch one = *b;
        one.label = k ? b->other : b->label;
        assert_ok(nl, train_net_plan(&judge, b->n, &plan));
        assert_ok(nl, train_net_feed(&judge, plan, &one));
        assert_ok(nl, nilu_step(plan));
        loss[k] = *(const float *)nilu_fetched(plan, 1);
    }
    assert_true(fabs(loss[0] - loss[1]) > 1e-3);
    assert_true(fabs(learnt - (b->share * loss[0] + (1 - (double)b->share) * loss[1])) < 1e-5);
    train_loader_stop(&loader);
    train_net_clear(&net);
    train_net_clear(&judge);
    nilu_store_free(store);
    nilu_model_free(m);
    nilu_data_free(d);
}

/* ---- the same, always */

#define ALL "altflip, crop 3, cutout 5, colour 0.3, mixup 0.4"

static void same_batches(void **state)
{
    enum { BATCHES = 23, ROOM = 4 * 3072 };
    static float first[BATCHES][ROOM];
    nilu *nl = *state;
    const char *path = written(nl, PLANES);
    for (int k = 0; k < 6; k++) { /* in memory or not, one thread or four, from the start or from the middle */
        nilu_options options = NILU_OPTIONS_DEFAULT;
        options.threads = k % 2 ? 4 : 1;
        nilu *own = nilu_new(&options, NULL);
        nilu_data *d = opened(own, path, k / 2 == 1 ? 1000 : 0);
        const int64_t batches = (N + 3) / 4;
        const int begin = k / 2 == 2 ? 11 : 0;
        train_loader loader;
        const train_batch *b;
        assert_int_equal(nilu_data_about(d)->streamed, k / 2 == 1);
        assert_ok(own, train_loader_start(d, 2, 4, begin / batches, begin % batches, ALL, &loader));
        for (int i = begin; i < BATCHES; i++) {
            assert_ok(own, train_loader_next(&loader, &b));
            const size_t bytes = (size_t)b->n * 3072 * sizeof *b->x;
            if (k == 0)
                memcpy(first[i], b->x, bytes);
            if (memcmp(first[i], b->x, bytes) != 0)
                fail_msg("way %d: batch %d differs", k, i);
        }
        train_loader_stop(&loader);
        nilu_data_free(d);
        nilu_free(own);
    }
}

static bool stop_at(void *user, const nilu_progress *p)
{
    return p->step < *(const int64_t *)user;
}

/* A run that is stopped at a step and resumed ends with the weights of one that was not, and its settings come back. */
static void resumed(void **state)
{
    nilu *nl = *state;
    const char *path = written(nl, PLANES);
    char whole[65] = "";
    static const int64_t stops[] = {INT64_MAX, 1, 4, 11};
    for (size_t k = 0; k < COUNT(stops); k++) {
        nilu_train_options o = NILU_TRAIN_DEFAULT;
        nilu_data_options how = NILU_DATA_DEFAULT;
        nilu_train_result r = {0};
        nilu_data *d = opened(nl, path, 0);
        nilu_model *m = NULL;
        char name[16];
        int64_t until = stops[k];
        snprintf(name, sizeof name, "run%zu", k);
        how.validation = 0;
        o.batch = 7;
        o.epochs = 4;
        o.augment = ALL;
        o.out = files_path(name);
        o.where = path;
        o.opened = &how;
        o.on_step = stop_at;
        o.user = &until;
        assert_ok(nl, nilu_model_chain(nl, "conv 4 3 relu, pool max 2, flatten, 8 relu", &m));
        nilu_status status = nilu_train(nl, m, d, &o, &r);
        nilu_train_result_free(nl, &r);
        if (k) {
            assert_int_equal(status, NILU_E_CANCELLED);
            until = INT64_MAX;
            assert_ok(nl, nilu_resume(nl, files_path(name), NULL, &o, &r));
            nilu_train_result_free(nl, &r);
            assert_string_equal(r.weights, whole);
        } else {
            assert_ok(nl, status);
            snprintf(whole, sizeof whole, "%s", r.weights);
            nilu_run *run = NULL;
            assert_ok(nl, nilu_run_open(nl, files_path(name), &run));
            assert_string_equal(nilu_run_about(run)->options.augment, ALL);
            nilu_run_free(run);
        }
        nilu_model_free(m);
        nilu_data_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(words, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(number_by_number, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(alternating, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(draws_are_even, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(light, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(mixed, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(mixed_loss, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(same_batches, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(resumed, files_setup, files_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
