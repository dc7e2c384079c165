/* Runs as folders: named so that nothing is overwritten, locked while they are written, read back as they were, and not
 * believed when they were changed. */
#include "support/sets.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Trains a little into `out` (or the next name in `runs`); *r is the caller's to free. */
static nilu_status train(nilu *nl, const char *set, const char *out, const char *runs, nilu_train_result *r)
{
    nilu_data_options opened = NILU_DATA_DEFAULT;
    nilu_train_options o = NILU_TRAIN_DEFAULT;
    nilu_data *data = NULL;
    nilu_model *model = NULL;
    *r = (nilu_train_result){0};
    opened.validation = 0.2;
    o.epochs = 3;
    o.batch = 8;
    o.out = out;
    o.runs = runs;
    o.where = set;
    o.opened = &opened;
    o.snapshots = 4;
    o.optimizer.lr = 0.0123;
    o.patience = -1;
    nilu_status status = nilu_data_open(nl, set, &opened, &data);
    if (status == NILU_OK)
        status = nilu_model_chain(nl, "6 tanh, dropout 0.1", &model);
    if (status == NILU_OK)
        status = nilu_train(nl, model, data, &o, r);
    nilu_model_free(model);
    nilu_data_free(data);
    return status;
}

static void train_done(nilu *nl, const char *set, const char *out)
{
    nilu_train_result r;
    assert_ok(nl, train(nl, set, out, NULL, &r));
    nilu_train_result_free(nl, &r);
}

static void names(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    const char *set = support_set("names", 40, 3, 2), *runs = support_at("deep/runs");
    nilu_train_result r[3], again;
    for (int i = 0; i < 3; i++) {
        char want[32];
        snprintf(want, sizeof want, "deep/runs/xnames-%d", i + 1);
        assert_ok(nl, train(nl, set, NULL, runs, &r[i]));
        assert_string_equal(r[i].run, support_at(want));
    }
    assert_int_equal(train(nl, set, r[0].run, NULL, &again), NILU_E_USAGE);
    assert_contains(nilu_errmsg(nl), "is there already");
    assert_int_equal(train(nl, set, "/dev/null/run", NULL, &again), NILU_E_FILE_WRITE);
    for (int i = 0; i < 3; i++)
        nilu_train_result_free(nl, &r[i]);
    nilu_free(nl);
}

/* Empty folders may be had, and what was left by a process that died before its run began; nothing else. */
static void folders_that_are_there(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    const char *set = support_set("there", 40, 3, 2);
    nilu_train_result r;
    static const char *const left[] = {
        "bare/", "dead/", "dead/lock", "dead/metrics.jsonl", "dead/run.yaml.12.tmp", "dead/checkpoints/"};
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        const char *path = support_at(left[i]);
        if (path[strlen(path) - 1] == '/')
            assert_int_equal(mkdir(path, 0777), 0);
        else
            support_write(path, "", 0);
    }
    train_done(nl, set, support_at("bare"));
    train_done(nl, set, support_at("dead"));
    assert_int_equal(mkdir(support_at("mine"), 0777), 0);
    assert_int_equal(mkdir(support_at("mine/checkpoints"), 0777), 0);
    support_write(support_at("mine/checkpoints/last.safetensors"), "x", 1);
    assert_int_equal(train(nl, set, support_at("mine"), NULL, &r), NILU_E_USAGE);
    assert_contains(nilu_errmsg(nl), "is there already");
    assert_int_equal(access(support_at("mine/checkpoints/last.safetensors"), F_OK), 0);
    assert_int_not_equal(access(support_at("mine/lock"), F_OK), 0);
    nilu_free(nl);
}

static void all_that_was_said(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    const char *set = support_set("said", 50, 3, 2), *out = support_at("said");
    nilu_train_result r;
    nilu_run *run;
    nilu_epoch e;
    nilu_store *store;
    char hex[65];
    assert_ok(nl, train(nl, set, out, NULL, &r));
    assert_ok(nl, nilu_run_open(nl, out, &run));
    const nilu_run_info *i = nilu_run_about(run);
    assert_string_equal(i->path, out);
    assert_string_equal(i->name, "said");
    assert_string_equal(i->version, NILU_VERSION);
    assert_string_equal(i->arithmetic, "f32");
    assert_string_equal(i->where, set);
    assert_int_equal(i->seed, 7);
    assert_int_equal(i->task, NILU_TASK_CLASSES);
    assert_int_equal(i->features, 3);
    assert_int_equal(i->outputs, 2);
    assert_int_equal(i->samples, 40);
    assert_int_equal(i->options.batch, 8);
    assert_int_equal(i->options.patience, 0);
    assert_true(i->options.optimizer.lr == 0.0123 && i->options.optimizer.beta2 == 0.999);
    assert_int_equal(i->options.optimizer.schedule.total, 15);
    assert_true(i->opened.validation == 0.2);
    assert_string_equal(i->model, "layers:\n  - dense 6 tanh name=fc1\n  - dropout 0.1 name=dropout1\n");
    assert_true(i->ended);
    assert_int_equal(i->ending, NILU_FINISHED);
    assert_int_equal(i->steps, 15);
    assert_int_equal(i->best_epoch, r.best_epoch);
    assert_int_equal(i->judged, NILU_VALIDATION);
    assert_true(i->scores.loss == r.scores.loss && i->scores.accuracy == r.scores.accuracy && isnan(i->scores.rmse));
    assert_string_equal(i->weights, r.weights);
    assert_int_equal(i->snapshots, 4);
    assert_int_equal(i->snapshot[0], 1);
    assert_int_equal(i->snapshot[3], 15);
    assert_ok(nl, nilu_run_store(run, NILU_MODEL, &store));
    nilu_store_hash(store, NILU_PARAM, hex);
    assert_string_equal(hex, r.weights);
    nilu_store_free(store);
    assert_ok(nl, nilu_run_store(run, NILU_LAST, &store));
    assert_int_equal(*(int64_t *)nilu_store_find(store, "step")->data, 15);
    nilu_store_free(store);
    assert_ok(nl, nilu_run_store(run, NILU_BEST, &store));
    nilu_store_hash(store, NILU_PARAM, hex);
    assert_string_equal(hex, r.weights);
    nilu_store_free(store);
    assert_ok(nl, nilu_run_snapshot(run, i->snapshot[1], &store));
    assert_non_null(nilu_store_find(store, "fc1/weight"));
    nilu_store_free(store);
    assert_int_equal(nilu_run_snapshot(run, 99, &store), NILU_E_FILE_NOT_FOUND);
    assert_true(nilu_run_epoch(run, 2, &e) && e.epoch == 3 && e.step == 15 && e.validation.n == 10);
    assert_false(nilu_run_epoch(run, 3, &e));
    nilu_run_free(run);
    nilu_train_result_free(nl, &r);
    nilu_free(nl);
}

/* The run's data, opened by the run: parts as they were; another set, encoded as the run's. */
static void its_data(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    const char *set = support_set("own", 50, 3, 2), *other;
    nilu_train_result r;
    nilu_run *run;
    nilu_data *data;
    nilu_predictor *p;
    nilu_evaluation e;
    assert_ok(nl, train(nl, set, support_at("own"), NULL, &r));
    assert_ok(nl, nilu_run_open(nl, r.run, &run));
    assert_ok(nl, nilu_run_data(run, NULL, NULL, &data));
    assert_ok(nl, nilu_predictor_new(nl, nilu_run_model(run), r.store, data, nilu_run_about(run)->options.loss, &p));
    assert_ok(nl, nilu_evaluate(p, NILU_VALIDATION, &e));
    assert_near(e.scores.loss, r.scores.loss, 0);
    nilu_evaluation_free(nl, &e);
    nilu_predictor_free(p);
    nilu_data_free(data);
    other = support_set("other", 33, 3, 2);
    assert_ok(nl, nilu_run_data(run, other, NULL, &data));
    assert_int_equal(nilu_data_about(data)->count[NILU_TEST], 33);
    assert_ok(nl, nilu_predictor_new(nl, nilu_run_model(run), r.store, data, NULL, &p));
    assert_ok(nl, nilu_evaluate(p, NILU_TEST, &e));
    assert_int_equal(e.scores.n, 33);
    nilu_evaluation_free(nl, &e);
    nilu_predictor_free(p);
    nilu_data_free(data);
    /* a store of another model is not filled up with fresh weights */
    nilu_store *empty = nilu_store_new(nl);
    assert_ok(nl, nilu_run_data(run, NULL, NULL, &data));
    assert_ok(nl, nilu_predictor_new(nl, nilu_run_model(run), empty, data, NULL, &p));
    assert_int_equal(nilu_evaluate(p, NILU_VALIDATION, &e), NILU_E_VERIFY);
    assert_contains(nilu_errmsg(nl), "fc1/weight");
    nilu_predictor_free(p);
    nilu_store_free(empty);
    nilu_data_free(data);
    support_set("own", 51, 3, 2); /* the data change under the run */
    assert_int_equal(nilu_run_data(run, NULL, NULL, &data), NILU_E_VERIFY);
    assert_contains(nilu_errmsg(nl), "have changed since the run was started");
    nilu_run_free(run);
    nilu_train_result_free(nl, &r);
    nilu_free(nl);
}

/* ---- changed by hand, or damaged */

/* run.yaml with the first `from` replaced. */
static void edit(const char *folder, const char *from, const char *to)
{
    static char text[1 << 16], changed[1 << 16];
    char name[300];
    snprintf(name, sizeof name, "%s/run.yaml", folder);
    support_read(name, text, sizeof text);
    char *at = strstr(text, from);
    if (!at)
        fail_msg("run.yaml does not hold \"%s\"", from);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    support_write(name, changed, strlen(changed));
}

static void settings_are_not_believed(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        nilu_status status;
        const char *says;
    } cases[] = {
        {"lr: 0.0123", "lr: 0.0124", NILU_E_VERIFY, "not those that the run was started with"},
        {"seed: 7", "seed: 8", NILU_E_VERIFY, "not those that the run was started with"},
        {"dense 6 tanh", "dense 7 tanh", NILU_E_VERIFY, "not those that the run was started with"},
        {"batch: 8", "batch: eight", NILU_E_FILE_CORRUPT, "batch cannot be eight"},
        {"batch: 8", "batch: 99999999999999999999", NILU_E_FILE_CORRUPT, "batch cannot be"},
        {"batch: 8", "batch: -8", NILU_E_FILE_CORRUPT, "batch cannot be -8"},
        {"seed: 7", "seed: -7", NILU_E_FILE_CORRUPT, "seed cannot be -7"},
        {"lr: 0.0123", "lr: [1]", NILU_E_FILE_CORRUPT, "lr cannot be a list"},
        {"loss: cross_entropy", "loss: cross", NILU_E_FILE_CORRUPT, "loss cannot be cross"},
        {"  batch: 8\n", "", NILU_E_FILE_CORRUPT, "train.batch is missing"},
        {"train:", "train: 3\nrain:", NILU_E_FILE_CORRUPT, "train.loss is missing"},
        {"ending: finished", "ending: happily", NILU_E_FILE_CORRUPT, "ending cannot be happily"},
        {"model: |", "model: \"", NILU_E_FILE_CORRUPT, "run.yaml:"},
    };
    nilu *nl = support_context(1, NULL);
    const char *set = support_set("edited", 40, 3, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32];
        nilu_run *run;
        snprintf(name, sizeof name, "edited-%zu", i);
        const char *out = support_at(name);
        train_done(nl, set, out);
        edit(out, cases[i].from, cases[i].to);
        nilu_status status = nilu_run_open(nl, out, &run);
        if (status != cases[i].status || !strstr(nilu_errmsg(nl), cases[i].says))
            fail_msg("%s -> %s: status %d, \"%s\"", cases[i].from, cases[i].to, status, nilu_errmsg(nl));
        assert_null(run);
    }
    nilu_run *run;
    assert_int_equal(nilu_run_open(nl, support_at("nowhere"), &run), NILU_E_FILE_NOT_FOUND);
    assert_contains(nilu_errmsg(nl), "is no run");
    nilu_free(nl);
}

static bool halt(void *user, const nilu_progress *p)
{
    return p->step < *(int64_t *)user;
}

/* Breaks a run off after `steps` of its 15. */
static void broken_off(nilu *nl, const char *set, const char *out, int64_t steps)
{
    nilu_data_options opened = NILU_DATA_DEFAULT;
    nilu_train_options o = NILU_TRAIN_DEFAULT;
    nilu_data *data = support_open(nl, set, 0.2);
    nilu_train_result r;
    opened.validation = 0.2;
    o.epochs = 3;
    o.batch = 8;
    o.out = out;
    o.where = set;
    o.opened = &opened;
    o.patience = -1;
    o.on_step = halt;
    o.user = &steps;
    assert_int_equal(nilu_train(nl, NULL, data, &o, &r), NILU_E_CANCELLED);
    nilu_train_result_free(nl, &r);
    nilu_data_free(data);
}

static void swap(const char *a, const char *b)
{
    char name[3][300];
    snprintf(name[0], sizeof name[0], "%s/checkpoints/last.safetensors", a);
    snprintf(name[1], sizeof name[1], "%s/checkpoints/last.safetensors", b);
    assert_int_equal(rename(name[0], name[1]), 0);
}

static void refused(nilu *nl, const char *run, nilu_status want)
{
    nilu_train_result r;
    assert_int_equal(nilu_resume(nl, run, NULL, NULL, &r), want);
    assert_null(r.store);
    nilu_train_result_free(nl, &r);
}

static void checkpoints_are_not_believed(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    const char *set = support_set("tampered", 50, 3, 2), *a = support_at("ta"), *b = support_at("tb");
    nilu_train_result r;
    static char bytes[1 << 20];
    broken_off(nl, set, a, 7);
    const char *last = support_at("ta/checkpoints/last.safetensors");
    size_t n = support_read(last, bytes, sizeof bytes);
    for (size_t at = 100; at < n; at += n / 7) { /* somewhere in the header, somewhere in the values */
        bytes[at] ^= 1;
        support_write(last, bytes, n);
        nilu_status status = nilu_resume(nl, a, NULL, NULL, &r);
        if (status == NILU_OK ||
            !(status == NILU_E_FILE_CORRUPT || status == NILU_E_VERIFY || status == NILU_E_UNSUPPORTED))
            fail_msg("byte %zu: status %d, \"%s\"", at, status, nilu_errmsg(nl));
        assert_null(r.store);
        nilu_train_result_free(nl, &r);
        bytes[at] ^= 1;
    }
    support_write(last, bytes, n / 2);
    refused(nl, a, NILU_E_FILE_CORRUPT);
    support_write(last, bytes, n);
    /* the best one is missing */
    assert_int_equal(rename(support_at("ta/checkpoints/best.safetensors"), support_at("ta/best")), 0);
    refused(nl, a, NILU_E_FILE_NOT_FOUND);
    assert_int_equal(rename(support_at("ta/best"), support_at("ta/checkpoints/best.safetensors")), 0);
    /* that of another run */
    nilu *other = nilu_new(&(nilu_options){.size = sizeof(nilu_options), .threads = 1, .seed = 8}, NULL);
    broken_off(other, set, b, 7);
    swap(b, a);
    refused(nl, a, NILU_E_VERIFY);
    assert_contains(nilu_errmsg(nl), "is a checkpoint of another run");
    support_write(last, bytes, n);
    /* what a process that died had begun is swept away; what others put there is not */
    support_write(support_at("ta/checkpoints/last.safetensors.123.tmp"), "x", 1);
    support_write(support_at("ta/notes.tmp"), "x", 1);
    assert_ok(nl, nilu_resume(nl, a, NULL, NULL, &r));
    assert_int_not_equal(access(support_at("ta/checkpoints/last.safetensors.123.tmp"), F_OK), 0);
    assert_int_equal(access(support_at("ta/notes.tmp"), F_OK), 0);
    assert_int_equal(r.steps, 15);
    nilu_train_result_free(nl, &r);
    nilu_free(other);
    nilu_free(nl);
}

/* Other data are refused, also when they are given by hand. */
static void other_data_are_refused(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    const char *set = support_set("one", 50, 3, 2), *out = support_at("one");
    nilu_train_result r;
    broken_off(nl, set, out, 7);
    nilu_data *two = support_open(nl, support_set("two", 60, 3, 2), 0.2);
    assert_int_equal(nilu_resume(nl, out, two, NULL, &r), NILU_E_VERIFY);
    assert_contains(nilu_errmsg(nl), "not the data that the run was started with");
    nilu_data *one = support_open(nl, set, 0.2);
    assert_ok(nl, nilu_resume(nl, out, one, NULL, &r));
    nilu_train_result_free(nl, &r);
    nilu_data_free(one);
    nilu_data_free(two);
    nilu_free(nl);
}

/* ---- two at once, and folders that cannot be written */

static bool try_to_join(void *user, const nilu_progress *p)
{
    nilu *nl = user;
    nilu_train_result r;
    nilu *own = support_context(1, NULL);
    (void)p;
    assert_int_equal(nilu_resume(own, support_at("locked"), NULL, NULL, &r), NILU_E_SYSTEM);
    assert_contains(nilu_errmsg(own), "another process is training in this folder");
    nilu_free(own);
    (void)nl;
    return false;
}

static void one_at_a_time(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_train_options o = NILU_TRAIN_DEFAULT;
    nilu_train_result r;
    const char *set = support_set("locked", 50, 3, 2);
    nilu_data_options opened = NILU_DATA_DEFAULT;
    nilu_data *data = support_open(nl, set, 0.1);
    o.out = support_at("locked");
    o.where = set;
    o.opened = &opened;
    o.on_step = try_to_join;
    o.user = nl;
    o.epochs = 2;
    assert_int_equal(nilu_train(nl, NULL, data, &o, &r), NILU_E_CANCELLED);
    nilu_train_result_free(nl, &r);
    o.on_step = NULL;
    assert_ok(nl, nilu_resume(nl, o.out, NULL, &o, &r));
    nilu_train_result_free(nl, &r);
    nilu_data_free(data);
    nilu_free(nl);
}

/* As somebody who may not write there. */
static int as_nobody(const char *set, const char *out, const char *resume)
{
    int how;
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(7);
        nilu *nl = support_context(1, NULL);
        nilu_train_result r;
        nilu_status status = resume ? nilu_resume(nl, resume, NULL, NULL, &r) : train(nl, set, out, NULL, &r);
        _exit(status == NILU_E_FILE_WRITE && strstr(nilu_errmsg(nl), "Permission denied") ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &how, 0), child);
    return WEXITSTATUS(how);
}

static void folders_that_may_not_be_written(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    const char *set = support_set("closed", 50, 3, 2), *out = support_at("closed");
    nilu_train_result r;
    static char before[1 << 20], after[1 << 20];
    assert_int_equal(chmod(support_at("."), 0755), 0);
    broken_off(nl, set, out, 7);
    size_t n = support_read(support_at("closed/checkpoints/last.safetensors"), before, sizeof before);
    if (geteuid() != 0) {
        assert_int_equal(chmod(support_at("closed/checkpoints"), 0555), 0);
        assert_int_equal(chmod(support_at("."), 0555), 0);
        assert_int_equal(chmod(support_at("closed/lock"), 0444), 0);
    }
    assert_int_equal(as_nobody(set, support_at("new"), NULL), 0);
    assert_int_equal(as_nobody(set, NULL, out), 0);
    assert_int_equal(chmod(support_at("."), 0755), 0);
    assert_int_equal(chmod(support_at("closed/checkpoints"), 0755), 0);
    assert_int_equal(chmod(support_at("closed/lock"), 0644), 0);
    assert_int_equal(support_read(support_at("closed/checkpoints/last.safetensors"), after, sizeof after), n);
    assert_memory_equal(before, after, n);
    assert_ok(nl, nilu_resume(nl, out, NULL, NULL, &r));
    nilu_train_result_free(nl, &r);
    nilu_free(nl);
}

/* ---- the journal */

static void a_torn_journal(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    const char *set = support_set("torn", 50, 3, 2), *out = support_at("torn"),
               *journal = support_at("torn/metrics.jsonl");
    nilu_run *run;
    nilu_epoch e;
    nilu_train_result r;
    static char text[1 << 16];
    broken_off(nl, set, out, 7);
    size_t n = support_read(journal, text, sizeof text);
    strcpy(text + n, "{\"epoch\": 2, \"st");
    support_write(journal, text, strlen(text));
    assert_ok(nl, nilu_run_open(nl, out, &run));
    assert_true(nilu_run_epoch(run, 0, &e));
    assert_false(nilu_run_epoch(run, 1, &e));
    nilu_run_free(run);
    assert_ok(nl, nilu_resume(nl, out, NULL, NULL, &r));
    nilu_train_result_free(nl, &r);
    assert_ok(nl, nilu_run_open(nl, out, &run));
    assert_true(nilu_run_epoch(run, 2, &e));
    assert_false(nilu_run_epoch(run, 3, &e));
    nilu_run_free(run);
    strcpy(text, "{\"epoch\": 1}\n{\"nonsense\n");
    support_write(journal, text, strlen(text));
    assert_int_equal(nilu_run_open(nl, out, &run), NILU_E_FILE_CORRUPT);
    assert_contains(nilu_errmsg(nl), "metrics.jsonl:1: is no line of a journal");
    nilu_free(nl);
}

/* ---- odd names */

static void odd_names_survive(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    support_set("odd", 50, 3, 2);
    nilu_train_result r;
    nilu_run *run;
    const char *odd[][2] = {{"X \"q\" \\ 數 \x7f\t:#.npy", "y \"q\" \\ 數 \x7f\t:#.npy"}};
    assert_int_equal(rename(support_at("Xodd.npy"), support_at(odd[0][0])), 0);
    assert_int_equal(rename(support_at("yodd.npy"), support_at(odd[0][1])), 0);
    assert_ok(nl, train(nl, support_at(odd[0][0]), NULL, support_at("odd runs"), &r));
    assert_string_equal(r.run, support_at("odd runs/x-q-1"));
    assert_ok(nl, nilu_run_open(nl, r.run, &run));
    assert_string_equal(nilu_run_about(run)->where, support_at(odd[0][0]));
    nilu_run_free(run);
    nilu_train_result_free(nl, &r);
    nilu_free(nl);
}

static nilu_status open_it(nilu *nl, void *user)
{
    nilu_run *run;
    nilu_store *store = NULL;
    nilu_status status = nilu_run_open(nl, user, &run);
    if (status == NILU_OK)
        status = nilu_run_store(run, NILU_MODEL, &store);
    nilu_store_free(store);
    nilu_run_free(run);
    return status;
}

static void failed_allocations(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    const char *out = support_at("memory");
    train_done(nl, support_set("memory", 50, 3, 2), out);
    nilu_free(nl);
    support_fail_each(1, open_it, (void *)out);
}

static int make(void **state)
{
    (void)state;
    return support_folder() ? 0 : -1;
}

static int unmake(void **state)
{
    (void)state;
    support_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(folders_that_are_there),
        cmocka_unit_test(all_that_was_said),
        cmocka_unit_test(its_data),
        cmocka_unit_test(settings_are_not_believed),
        cmocka_unit_test(checkpoints_are_not_believed),
        cmocka_unit_test(other_data_are_refused),
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(folders_that_may_not_be_written),
        cmocka_unit_test(a_torn_journal),
        cmocka_unit_test(odd_names_survive),
        cmocka_unit_test(failed_allocations),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
