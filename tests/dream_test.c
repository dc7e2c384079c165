/* Dreams and acquittals, on a small convolutional net that is trained here on the digits that come with nilu: what is climbed
 * rises, the picture shows it to the net itself, the weights stay, and the bytes depend on the seed alone. */
#include "support/support.h"

#include "forensics/lens.h"

#include <unistd.h>

static char folder[] = "/tmp/nilu-dream-XXXXXX", run[64];
static nilu_data_options opened = NILU_DATA_DEFAULT;

static const char layers[] = "conv 8 5 relu stride=2 name=conv1, conv 12 3 relu stride=2 name=conv2, flatten name=flat, dense auto name=fc";

static int train_run(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_model *model;
    nilu_data *data;
    nilu_train_options o = NILU_TRAIN_DEFAULT;
    if (!mkdtemp(folder))
        return 1;
    snprintf(run, sizeof run, "%s/run", folder);
    opened.data_dir = NILU_SOURCE_DIR "/data";
    o.steps = 150;
    o.out = run;
    o.where = "digits";
    o.opened = &opened;
    assert_ok(nl, nilu_model_chain(nl, layers, &model));
    assert_ok(nl, nilu_data_open(nl, "digits", &opened, &data));
    assert_ok(nl, nilu_train(nl, model, data, &o, NULL));
    nilu_data_free(data);
    nilu_model_free(model);
    nilu_free(nl);
    return 0;
}

static int remove_run(void **state)
{
    (void)state;
    char line[80];
    snprintf(line, sizeof line, "rm -rf %s", folder);
    return system(line);
}

static nilu_inquiry *inquire(nilu *nl)
{
    nilu_inquiry_options o = NILU_INQUIRY_DEFAULT;
    nilu_inquiry *q;
    o.dtype = NILU_F32;
    o.opened = &opened;
    assert_ok(nl, nilu_inquiry_open(nl, run, &o, &q));
    return q;
}

static int said(nilu *nl, nilu_inquiry *q, const unsigned char *pixels)
{
    const nilu_inquiry_info *i = nilu_inquiry_about(q);
    forensics_lens lens;
    nilu_whatif *world;
    float x[28 * 28];
    int best = 0;
    assert_ok(nl, forensics_lens_of(nl, i->data, &lens));
    forensics_lens_features(&lens, pixels, x);
    assert_ok(nl, nilu_whatif_new(nl, i->model, i->store, i->set->features, i->set->outputs, 1, &world));
    nilu_whatif_reset(world, x);
    assert_ok(nl, nilu_whatif_run(world));
    for (int k = 1; k < 10; k++)
        best = nilu_whatif_y(world, 0)[k] > nilu_whatif_y(world, 0)[best] ? k : best;
    nilu_whatif_free(world);
    return best;
}

static void a_byte_becomes_the_feature_of_the_data(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_inquiry *q = inquire(nl);
    const nilu_inquiry_info *i = nilu_inquiry_about(q);
    forensics_lens lens;
    unsigned char pixels[28 * 28];
    float x[28 * 28], want[28 * 28];
    int64_t index = 5;
    assert_ok(nl, forensics_lens_of(nl, i->data, &lens));
    assert_ok(nl, nilu_data_picture(i->data, NILU_TEST, index, pixels));
    assert_ok(nl, nilu_data_batch(i->data, NILU_TEST, &index, 1, want, NULL, NULL));
    forensics_lens_features(&lens, pixels, x);
    assert_memory_equal(x, want, sizeof x);
    nilu_inquiry_free(q);
    nilu_free(nl);
}

static void what_is_climbed_rises(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_inquiry *q = inquire(nl);
    nilu_dream_options o = NILU_DREAM_DEFAULT;
    nilu_dream *d;
    nilu_dream_result r;
    int64_t steps = 0, rose = 0, recognised = 0;
    o.steps = 20;
    o.octaves = 2;
    assert_ok(nl, nilu_dream_open(nl, q, &o, &d));
    assert_int_equal(nilu_dream_channels(d), 10);
    assert_false(nilu_dream_any_size(d));
    for (int64_t k = 0; k < 10; k++) {
        assert_ok(nl, nilu_dream_of(d, 1, &k, NULL, 0, 0, &r));
        assert_true(r.height == 28 && r.width == 28 && r.channels == 1);
        assert_true(r.after > r.before + 1);
        steps += r.steps;
        rose += r.rose;
        recognised += said(nl, q, r.pixels) == k;
    }
    print_message("%lld of %lld steps rose; the net recognises %lld of its 10 portraits\n", (long long)rose, (long long)steps, (long long)recognised);
    assert_true((double)rose >= 0.95 * (double)steps);
    assert_int_equal(recognised, 10);
    int64_t three = 3;
    assert_int_equal(nilu_dream_of(d, 1, &three, NULL, 40, 40, &r), NILU_E_RANGE);
    assert_contains(nilu_errmsg(nl), "28 x 28 alone");
    nilu_dream_free(d);

    char hash[65];
    nilu_store_hash(nilu_inquiry_about(q)->store, NILU_PARAM, hash);
    o.layer = "conv2";
    assert_ok(nl, nilu_dream_open(nl, q, &o, &d));
    assert_true(nilu_dream_any_size(d));
    assert_ok(nl, nilu_dream_of(d, 0, NULL, NULL, 40, 52, &r)); /* the whole layer, on a larger picture */
    assert_true(r.height == 40 && r.width == 52 && r.after > r.before && (double)r.rose >= 0.95 * (double)r.steps);
    assert_string_equal(r.weights, hash);
    three = 12;
    assert_int_equal(nilu_dream_of(d, 1, &three, NULL, 0, 0, &r), NILU_E_RANGE);
    assert_contains(nilu_errmsg(nl), "12 channels");
    nilu_dream_free(d);
    o.layer = "conv7";
    assert_int_equal(nilu_dream_open(nl, q, &o, &d), NILU_E_NAME);
    assert_contains(nilu_errmsg(nl), "conv1, conv2, flat, fc");
    o.layer = NULL;
    o.octaves = 0;
    assert_int_equal(nilu_dream_open(nl, q, &o, &d), NILU_E_USAGE);
    o.size = 1;
    assert_int_equal(nilu_dream_open(nl, q, &o, &d), NILU_E_USAGE);
    assert_null(d);
    nilu_inquiry_free(q);
    nilu_free(nl);
}

static void bytes_depend_on_the_seed_alone(void **state)
{
    (void)state;
    unsigned char first[36 * 36], other[36 * 36];
    for (int threads = 0; threads < 4; threads++) { /* 0: another seed */
        nilu *nl = support_context(threads ? threads : 1, NULL);
        nilu_inquiry *q = inquire(nl);
        nilu_dream_options o = NILU_DREAM_DEFAULT;
        nilu_dream *d;
        nilu_dream_result r;
        const int64_t both[2] = {1, 4};
        o.layer = "conv2";
        o.steps = 6;
        o.seed = threads ? 7 : 8;
        assert_ok(nl, nilu_dream_open(nl, q, &o, &d));
        assert_ok(nl, nilu_dream_of(d, 2, both, NULL, 36, 36, &r));
        memcpy(threads == 1 ? first : other, r.pixels, sizeof first);
        if (threads == 1)
            assert_true(memcmp(first, other, sizeof first) != 0);
        else if (threads)
            assert_memory_equal(first, other, sizeof first);
        nilu_dream_free(d);
        nilu_inquiry_free(q);
        nilu_free(nl);
    }
}

static void a_verdict_turns_by_little(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_inquiry *q = inquire(nl);
    const nilu_inquiry_info *i = nilu_inquiry_about(q);
    for (int64_t k = 0; k < 3; k++) {
        unsigned char before[28 * 28], half[28 * 28];
        nilu_acquittal a;
        assert_ok(nl, nilu_data_picture(i->data, NILU_TEST, k, before));
        int own = said(nl, q, before), to = (own + 3) % 10;
        assert_int_equal(nilu_acquit(nl, q, before, own, &a), NILU_E_USAGE);
        assert_ok(nl, nilu_acquit(nl, q, before, to, &a));
        assert_true(a.found);
        assert_int_equal(said(nl, q, a.pixels), to);
        double sum = 0, most = 0, changed = 0;
        for (int p = 0; p < 28 * 28; p++) {
            double by = a.pixels[p] - before[p];
            sum += by * by;
            most = fmax(most, fabs(by));
            changed += fabs(by) > 0;
            half[p] = (unsigned char)(before[p] + 0.9 * by);
        }
        assert_near(a.distance, sqrt(sum) / 255, 1e-12);
        assert_true(most == a.most && changed == (double)a.changed);
        assert_int_not_equal(said(nl, q, half), to); /* less is too little */
        print_message("from %d to %d: length %.2f, at most %d\n", own, to, a.distance, a.most);
        assert_true(a.distance < 4);
        nilu_acquittal_free(nl, &a);
        assert_int_equal(nilu_acquit(nl, q, before, 10, &a), NILU_E_RANGE);
    }
    nilu_inquiry_free(q);
    nilu_free(nl);
}

/* ---- memory that runs out */

static unsigned char dreamt[20 * 20];

/* A dream that failed can be asked again, and has learnt nothing from it. */
static nilu_status dream_once(nilu *nl, void *user)
{
    nilu_dream_options o = NILU_DREAM_DEFAULT;
    nilu_dream *d = NULL;
    nilu_dream_result r;
    o.layer = "conv1";
    o.steps = 1;
    o.octaves = 1;
    nilu_status status = nilu_dream_open(nl, user, &o, &d);
    if (status != NILU_OK)
        return status;
    status = nilu_dream_of(d, 0, NULL, NULL, 20, 20, &r);
    if (status == NILU_E_NO_MEMORY) {
        assert_null(r.pixels);
        assert_ok(nl, nilu_dream_of(d, 0, NULL, NULL, 20, 20, &r));
        assert_memory_equal(r.pixels, dreamt, sizeof dreamt);
    } else if (status == NILU_OK) {
        memcpy(dreamt, r.pixels, sizeof dreamt);
    }
    nilu_dream_free(d);
    return status;
}

static unsigned char shown[28 * 28];
static int turned_to;

static nilu_status acquit_once(nilu *nl, void *user)
{
    nilu_acquittal a;
    nilu_status status = nilu_acquit(nl, user, shown, turned_to, &a);
    if (status != NILU_OK)
        assert_null(a.pixels);
    nilu_acquittal_free(nl, &a);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    support_memory m = {0};
    nilu *nl = support_context(1, &m);
    nilu_inquiry *q = inquire(nl);
    assert_ok(nl, dream_once(nl, q));
    support_fail_within(nl, &m, dream_once, q);
    assert_ok(nl, nilu_data_picture(nilu_inquiry_about(q)->data, NILU_TEST, 0, shown));
    turned_to = (said(nl, q, shown) + 3) % 10;
    support_fail_within(nl, &m, acquit_once, q);
    nilu_inquiry_free(q);
    nilu_free(nl);
    assert_int_equal(m.alive, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_byte_becomes_the_feature_of_the_data), cmocka_unit_test(what_is_climbed_rises),
                                       cmocka_unit_test(bytes_depend_on_the_seed_alone), cmocka_unit_test(a_verdict_turns_by_little),
                                       cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, train_run, remove_run);
}
