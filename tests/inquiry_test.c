/* Inquiries: a run is opened, samples are called by their names, and what is not there is named. */
#include "support/support.h"

#include "base/base.h"
#include <unistd.h>

static char folder[] = "/tmp/nilu-inquiry-XXXXXX", run[64], table[64];
static nilu_data_options opened = NILU_DATA_DEFAULT;

static int train_runs(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return 1;
    snprintf(run, sizeof run, "%s/digits", folder);
    snprintf(table, sizeof table, "%s/line", folder);
    char csv[80];
    snprintf(csv, sizeof csv, "%s/line.csv", folder);
    FILE *f = fopen(csv, "w");
    fprintf(f, "a,b,y\n");
    for (int i = 0; i < 60; i++)
        fprintf(f, "%d.5,%d.25,%d.75\n", i * 7 % 31, i * 5 % 13, 3 * i % 17);
    fclose(f);
    opened.data_dir = NILU_SOURCE_DIR "/data";
    for (int i = 0; i < 2; i++) {
        nilu *nl = support_context(1, NULL);
        nilu_model *model;
        nilu_data *data;
        nilu_train_options o = NILU_TRAIN_DEFAULT;
        nilu_train_result result;
        o.steps = 20;
        o.out = i ? table : run;
        o.where = i ? csv : "digits";
        o.opened = &opened;
        assert_ok(nl, nilu_model_chain(nl, i ? "5 tanh" : "12 relu, 9 relu", &model));
        assert_ok(nl, nilu_data_open(nl, o.where, &opened, &data));
        assert_ok(nl, nilu_train(nl, model, data, &o, &result));
        nilu_train_result_free(nl, &result);
        nilu_data_free(data);
        nilu_model_free(model);
        nilu_free(nl);
    }
    return 0;
}

static int remove_runs(void **state)
{
    (void)state;
    char line[80];
    snprintf(line, sizeof line, "rm -rf %s", folder);
    return system(line);
}

static nilu_inquiry *inquire(nilu *nl, const char *where)
{
    nilu_inquiry_options o = NILU_INQUIRY_DEFAULT;
    nilu_inquiry *q;
    o.opened = &opened;
    assert_ok(nl, nilu_inquiry_open(nl, where, &o, &q));
    return q;
}

static void samples_have_names(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_inquiry *q = inquire(nl, run);
    const nilu_inquiry_info *info = nilu_inquiry_about(q);
    nilu_sample s;
    static const struct {
        const char *name;
        nilu_part part;
        int64_t index;
    } rows[] = {{"test:42", NILU_TEST, 42}, {"validation:7", NILU_VALIDATION, 7}, {"train:3", NILU_TRAIN, 3}, {"9", NILU_TEST, 9},
                {NULL, NILU_TEST, 0}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_ok(nl, nilu_inquiry_sample(q, rows[i].name, NULL, NULL, &s));
        assert_int_equal(s.part, rows[i].part);
        assert_int_equal(s.index, rows[i].index);
        float x[784];
        int32_t label;
        assert_ok(nl, nilu_data_batch(info->data, s.part, &s.index, 1, x, &label, NULL));
        assert_memory_equal(x, s.x, sizeof x);
        assert_int_equal(label, s.label);
        nilu_verdict v;
        nilu_scene_verdict(info->scene, &v);
        assert_int_equal(v.label, label);
        assert_near(v.x[200], (double)x[200], 0);
    }
    assert_string_equal(s.name, "test:0");
    assert_ok(nl, nilu_inquiry_sample(q, "test:1", "3", "8", &s));
    nilu_verdict v;
    nilu_scene_verdict(info->scene, &v);
    assert_int_equal(v.label, 3);
    assert_int_equal(v.accused, 8);
    nilu_inquiry_free(q);
    nilu_free(nl);
}

/* A file with samples like the run's, with and without what is right. */
static void files_have_samples(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_inquiry *q = inquire(nl, run);
    static float x[3][784];
    char path[80], name[96];
    nilu_sample s;
    snprintf(path, sizeof path, "%s/X.npy", folder);
    for (int i = 0; i < 3 * 784; i++)
        ((float *)x)[i] = (float)i;
    assert_ok(nl, nilu_npy_write(nl, path, NILU_F32, NILU_SHAPE(3, 784), x));
    snprintf(name, sizeof name, "%s:2", path);
    assert_int_equal(nilu_inquiry_sample(q, name, NULL, NULL, &s), NILU_E_DATA);
    assert_contains(nilu_errmsg(nl), "nobody says what is right");
    assert_ok(nl, nilu_inquiry_sample(q, name, "7", NULL, &s));
    assert_int_equal(s.index, 2);
    assert_string_equal(s.name, "X.npy:2");
    assert_int_equal(s.label, 7);
    assert_ok(nl, nilu_inquiry_sample(q, path, "7", NULL, &s));
    assert_string_equal(s.name, "X.npy:0");
    assert_ok(nl, nilu_inquiry_sample(q, "test:3", NULL, NULL, &s));
    assert_string_equal(s.name, "test:3");
    nilu_inquiry_free(q);
    nilu_free(nl);
}

static void tables_have_numbers(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_inquiry *q = inquire(nl, table);
    nilu_sample s;
    nilu_verdict v;
    assert_ok(nl, nilu_inquiry_sample(q, "train:5", NULL, NULL, &s));
    nilu_scene_verdict(nilu_inquiry_about(q)->scene, &v);
    assert_int_equal(v.label, -1);
    double off = v.y[0] - (double)s.target[0];
    assert_near(v.loss, off * off, 1e-12);
    nilu_inquiry_free(q);
    nilu_free(nl);
}

static void means_are_of_training(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_inquiry *q = inquire(nl, run);
    const nilu_inquiry_info *info = nilu_inquiry_about(q);
    const double *mean, *again;
    double sum[784] = {0};
    assert_ok(nl, nilu_inquiry_mean(q, &mean));
    int64_t n = info->set->count[NILU_TRAIN];
    for (int64_t i = 0; i < n; i++) {
        float x[784];
        assert_ok(nl, nilu_data_batch(info->data, NILU_TRAIN, &i, 1, x, NULL, NULL));
        for (int j = 0; j < 784; j++)
            sum[j] += (double)x[j] / (double)n;
    }
    for (int j = 0; j < 784; j++)
        assert_near(mean[j], sum[j], 1e-12);
    assert_ok(nl, nilu_inquiry_mean(q, &again));
    assert_ptr_equal(mean, again);
    nilu_inquiry_free(q);
    nilu_free(nl);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_inquiry *q = inquire(nl, run);
    nilu_sample s;
    static const struct {
        const char *name, *truth, *accused;
        nilu_status status;
        const char *text;
    } rows[] = {
        {"test:99999", NULL, NULL, NILU_E_NAME, "test:99999: there is no such sample; digits has"},
        {"test:-1", NULL, NULL, NILU_E_NAME, "neither a sample of digits"},
        {"test:4x", NULL, NULL, NILU_E_NAME, "neither a sample of digits"},
        {"tset:4", NULL, NULL, NILU_E_NAME, "neither a sample of digits"},
        {"test:99999999999999999999", NULL, NULL, NILU_E_NAME, "neither"},
        {"", NULL, NULL, NILU_E_NAME, "neither"},
        {"test:4", "ten", NULL, NILU_E_NAME, "ten: is none of the 10 classes"},
        {"test:4", NULL, "10", NILU_E_NAME, "10: is none of the 10 classes"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        nilu_status status = nilu_inquiry_sample(q, rows[i].name, rows[i].truth, rows[i].accused, &s);
        if (status != rows[i].status)
            fail_msg("%s: %d: %s", rows[i].name, status, nilu_errmsg(nl));
        assert_contains(nilu_errmsg(nl), rows[i].text);
    }
    nilu_inquiry_free(q);
    assert_int_equal(nilu_inquiry_open(nl, folder, NULL, &q), NILU_E_FILE_NOT_FOUND);
    assert_null(q);
    nilu_free(nl);
}

/* The court of a run knows its pictures, its baseline and what its neurons usually put out. */
static void a_court_is_opened(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_inquiry_options o = NILU_INQUIRY_DEFAULT;
    nilu_inquiry *q;
    nilu_blame *b;
    nilu_sample s;
    nilu_case_file f;
    const double *mean;
    o.opened = &opened;
    for (int i = 0; i < 2; i++) {
        assert_ok(nl, nilu_inquiry_open(nl, i ? table : run, &o, &q));
        assert_ok(nl, nilu_inquiry_sample(q, "train:5", NULL, NULL, &s));
        assert_ok(nl, nilu_inquiry_mean(q, &mean));
        assert_ok(nl, nilu_blame_open(nl, q, NULL, &b));
        assert_ok(nl, nilu_blame_case(b, s.x, s.label, s.target, -1, &f));
        assert_true(f.stops > 0 && f.inputs > 0);
        assert_int_equal(f.input[0].side, i ? 0 : 4);
        assert_near(f.input[0].mended, mean[f.input[0].neuron], 1e-6);
        assert_int_equal(f.verdict.rival < 0, i);
        double usual = 0;
        for (int k = 0; f.stops > 1 && k < f.stop[0].neurons; k++)
            usual += f.stop[0].neuron[k].mended;
        assert_true(f.stops == 1 || usual > 0);
        nilu_blame_free(b);
        nilu_inquiry_free(q);
    }
    nilu_free(nl);
}

/* Each allocation of opening a court fails once, in an inquiry that is open already. */
static void a_court_may_have_no_memory(void **state)
{
    (void)state;
    support_memory m = {0};
    nilu *nl = support_context(1, &m);
    nilu_inquiry_options o = NILU_INQUIRY_DEFAULT;
    nilu_inquiry *q;
    nilu_blame *b;
    const double *mean;
    o.opened = &opened;
    assert_ok(nl, nilu_inquiry_open(nl, run, &o, &q));
    assert_ok(nl, nilu_inquiry_mean(q, &mean));
    long alive = m.alive;
    nilu_status status = NILU_E_NO_MEMORY;
    for (long k = 1; status != NILU_OK; k++) {
        m.fail_at = m.made + k;
        status = nilu_blame_open(nl, q, NULL, &b);
        m.fail_at = 0;
        if (status == NILU_OK)
            nilu_blame_free(b);
        else
            assert_int_equal(status, NILU_E_NO_MEMORY);
        assert_int_equal(m.alive, alive);
    }
    nilu_inquiry_free(q);
    nilu_free(nl);
}

static nilu_status inquire_once(nilu *nl, void *user)
{
    (void)user;
    nilu_inquiry_options o = NILU_INQUIRY_DEFAULT;
    nilu_inquiry *q = NULL;
    const double *mean;
    o.opened = &opened;
    nilu_status status = nilu_inquiry_open(nl, run, &o, &q);
    if (status == NILU_OK)
        status = nilu_inquiry_sample(q, "test:3", NULL, NULL, NULL);
    if (status == NILU_OK)
        status = nilu_inquiry_mean(q, &mean);
    nilu_inquiry_free(q);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    support_fail_each(1, inquire_once, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_have_names),    cmocka_unit_test(files_have_samples), cmocka_unit_test(tables_have_numbers),
        cmocka_unit_test(means_are_of_training), cmocka_unit_test(mistakes_are_named), cmocka_unit_test(every_allocation_may_fail), cmocka_unit_test(a_court_is_opened), cmocka_unit_test(a_court_may_have_no_memory),
    };
    return cmocka_run_group_tests_name("inquiry", tests, train_runs, remove_runs);
}
