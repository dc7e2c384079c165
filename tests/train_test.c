/* Training: it learns; it gives the same bits with any number of threads, and stopped and continued at any step; it says
 * what is wrong and loses nothing when something fails. */
#include "support/sets.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A training in tests: what differs from case to case. */
typedef struct plan {
    const char *set, *chain, *out;
    double validation;
    int64_t batch, epochs, steps, patience, checkpoint_steps;
    const char *optimizer, *loss;
    double lr, clip_norm, ema, smoothing;
    int accumulate;
    int64_t stop_at, die_at; /* steps */
    int threads;
    bool record;             /* where the data come from, too */
} plan;

static bool halt(void *user, const nilu_progress *p)
{
    const plan *c = user;
    if (c->die_at && p->step == c->die_at)
        _exit(9);
    return !c->stop_at || p->step < c->stop_at;
}

static nilu_train_options options_of(const plan *c, nilu_data_options *opened)
{
    nilu_train_options o = NILU_TRAIN_DEFAULT;
    *opened = (nilu_data_options)NILU_DATA_DEFAULT;
    opened->validation = c->validation;
    o.batch = c->batch;
    o.epochs = c->epochs;
    o.steps = c->steps;
    o.patience = c->patience;
    o.loss = c->loss;
    o.out = c->out;
    o.optimizer.name = c->optimizer;
    o.optimizer.accumulate = c->accumulate;
    o.checkpoint_steps = c->checkpoint_steps;
    if (c->lr > 0)
        o.optimizer.lr = c->lr;
    if (c->clip_norm > 0)
        o.optimizer.clip_norm = c->clip_norm;
    if (c->ema > 0)
        o.optimizer.ema = c->ema;
    if (c->smoothing > 0)
        o.label_smoothing = c->smoothing;
    if (c->record) {
        o.where = c->set;
        o.opened = opened;
    }
    o.on_step = halt;
    o.user = (void *)c;
    return o;
}

static nilu_status train(nilu *nl, const plan *c, nilu_train_result *r)
{
    nilu_model *model = NULL;
    nilu_data *data = NULL;
    nilu_data_options opened;
    nilu_train_options o = options_of(c, &opened);
    nilu_status status = nilu_data_open(nl, c->set, &opened, &data);
    *r = (nilu_train_result){0};
    if (status == NILU_OK && c->chain)
        status = nilu_model_chain(nl, c->chain, &model);
    if (status == NILU_OK)
        status = nilu_train(nl, model, data, &o, r);
    nilu_model_free(model);
    nilu_data_free(data);
    return status;
}

static nilu_status go_on(nilu *nl, const plan *c, nilu_train_result *r)
{
    nilu_data_options opened;
    nilu_train_options o = options_of(c, &opened);
    return nilu_resume(nl, c->out, NULL, &o, r);
}

static void same_file(const char *a, const char *b)
{
    static char one[1 << 20], two[1 << 20];
    size_t n = support_read(a, one, sizeof one);
    assert_int_equal(support_read(b, two, sizeof two), n);
    if (memcmp(one, two, n) != 0)
        fail_msg("%s and %s differ", a, b);
}

/* ---- it learns */

static void exclusive_or(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    const char *text = "a,b,either\n0,0,no\n0,1,yes\n1,0,yes\n1,1,no\n";
    support_write(support_at("xor.csv"), text, strlen(text));
    plan c = {.set = support_at("xor.csv"), .chain = "8 tanh", .batch = 4, .epochs = 500, .optimizer = "adam", .lr = 0.05};
    nilu_train_result r;
    assert_ok(nl, train(nl, &c, &r));
    assert_int_equal(r.judged, NILU_TRAIN);
    assert_near(r.scores.accuracy, 1, 0);
    assert_true(r.scores.loss < 0.02);
    nilu_train_result_free(nl, &r);
    nilu_free(nl);
}

static void clouds_and_curves(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_train_result r;
    for (int optimizer = 0; nilu_optimizer_name(optimizer); optimizer++) {
        const char *name = nilu_optimizer_name(optimizer);
        plan c = {.set = support_set("clouds", 300, 5, 3), .chain = "16 relu", .batch = 16, .epochs = 20, .validation = 0.2,
                  .optimizer = name, .lr = strcmp(name, "adadelta") == 0 ? 10 : strstr("sgd momentum nesterov adagrad", name) ? 0.1 : 0.01};
        assert_ok(nl, train(nl, &c, &r));
        assert_int_equal(r.judged, NILU_VALIDATION);
        if (!(r.scores.accuracy > 0.85))
            fail_msg("%s: accuracy %g", name, r.scores.accuracy);
        assert_true(isnan(r.scores.rmse));
        nilu_train_result_free(nl, &r);
    }
    for (int loss = 0; loss < 3; loss++) {
        plan c = {.set = support_set("curve", 400, 3, 0), .chain = "32 tanh", .batch = 16, .epochs = 60, .validation = 0.2,
                  .loss = (const char *[]){"mse", "l1", "huber"}[loss], .lr = 0.01};
        assert_ok(nl, train(nl, &c, &r));
        assert_true(r.scores.r2 > 0.97);
        assert_true(r.scores.rmse < 4 && r.scores.mae <= r.scores.rmse); /* in units of the target, which spreads over ±20 */
        assert_true(isnan(r.scores.accuracy));
        nilu_train_result_free(nl, &r);
    }
    nilu_free(nl);
}

static void every_loss_of_classes(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_data *data = support_open(nl, support_set("clouds", 300, 5, 3), 0.2);
    for (int i = 0; nilu_loss_name(i); i++) {
        const char *name = nilu_loss_name(i);
        bool logs = strcmp(name, "nll") == 0 || strcmp(name, "kl") == 0;
        bool sums = logs || strcmp(name, "cross_entropy") == 0;
        nilu_model *model;
        nilu_predictor *p;
        nilu_train_options o = NILU_TRAIN_DEFAULT;
        nilu_train_result r;
        float y[10][3];
        o.epochs = 20;
        o.optimizer.lr = 0.01;
        o.loss = name;
        assert_ok(nl, nilu_model_chain(nl, logs ? "16 relu, 3 linear, log_softmax" : "16 relu", &model));
        assert_ok(nl, nilu_train(nl, model, data, &o, &r));
        if (!(r.scores.accuracy > 0.85))
            fail_msg("%s: accuracy %g", name, r.scores.accuracy);
        assert_ok(nl, nilu_predictor_new(nl, model, r.store, data, name, &p));
        assert_ok(nl, nilu_predict(p, NILU_TRAIN, NULL, 10, y[0]));
        for (int k = 0; k < 10; k++) {
            if (sums)
                assert_near(y[k][0] + y[k][1] + y[k][2], 1, 1e-5);
            if (sums || strcmp(name, "bce") == 0)
                assert_true(y[k][0] >= 0 && y[k][0] <= 1 && y[k][1] >= 0 && y[k][1] <= 1);
        }
        nilu_predictor_free(p);
        nilu_train_result_free(nl, &r);
        nilu_model_free(model);
    }
    nilu_data_free(data);
    nilu_free(nl);
}

/* ---- what judging says, against sums by hand */

static void scores_by_hand(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_data *data = support_open(nl, support_set("clouds", 700, 4, 3), 0.5);
    nilu_model *model;
    nilu_predictor *p;
    nilu_evaluation e;
    nilu_train_options o = NILU_TRAIN_DEFAULT;
    nilu_train_result r;
    static float y[350][3];
    static int32_t label[350];
    int64_t n = nilu_data_about(data)->count[NILU_VALIDATION], right = 0, confusion[9] = {0};
    double loss = 0;
    o.epochs = 2;
    assert_ok(nl, nilu_model_chain(nl, "8 relu, dropout 0.5", &model));
    assert_ok(nl, nilu_train(nl, model, data, &o, &r));
    assert_ok(nl, nilu_predictor_new(nl, model, r.store, data, NULL, &p));
    assert_int_equal(n, 350); /* more than one batch, and a short one */
    assert_ok(nl, nilu_predict(p, NILU_VALIDATION, NULL, n, y[0]));
    assert_ok(nl, nilu_data_batch(data, NILU_VALIDATION, NULL, n, NULL, label, NULL));
    for (int64_t i = 0; i < n; i++) {
        int said = y[i][0] >= y[i][1] && y[i][0] >= y[i][2] ? 0 : y[i][1] >= y[i][2] ? 1 : 2;
        loss -= log((double)y[i][label[i]]) / (double)n;
        right += said == label[i];
        confusion[label[i] * 3 + said]++;
    }
    assert_ok(nl, nilu_evaluate(p, NILU_VALIDATION, &e));
    assert_int_equal(e.scores.n, n);
    assert_near(e.scores.loss, loss, 1e-5);
    assert_near(e.scores.loss, r.scores.loss, 0);
    assert_near(e.scores.accuracy, (double)right / (double)n, 0);
    assert_memory_equal(e.confusion, confusion, sizeof confusion);
    int64_t said = confusion[1] + confusion[4] + confusion[7], there = confusion[3] + confusion[4] + confusion[5];
    assert_int_equal(e.classes[1].n, there);
    assert_int_equal(e.classes[1].said, said);
    assert_near(e.classes[1].precision, (double)confusion[4] / (double)said, 1e-15);
    assert_near(e.classes[1].recall, (double)confusion[4] / (double)there, 1e-15);
    double pr = e.classes[1].precision, re = e.classes[1].recall;
    assert_near(e.classes[1].f1, 2 * pr * re / (pr + re), 1e-12);
    assert_near(e.macro_f1, (e.classes[0].f1 + e.classes[1].f1 + e.classes[2].f1) / 3, 1e-12);
    nilu_evaluation_free(nl, &e);
    assert_int_equal(nilu_evaluate(p, NILU_TEST, &e), NILU_E_DATA);
    /* one by one and in any order, the same to rounding */
    float one[3];
    int64_t at = 349;
    assert_ok(nl, nilu_predict(p, NILU_VALIDATION, &at, 1, one));
    assert_near(one[2], y[349][2], 1e-6);
    at = 350;
    assert_int_equal(nilu_predict(p, NILU_VALIDATION, &at, 1, one), NILU_E_RANGE);
    nilu_predictor_free(p);
    nilu_train_result_free(nl, &r);
    nilu_model_free(model);
    nilu_data_free(data);
    nilu_free(nl);
}

static void numbers_by_hand(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_data *data = support_open(nl, support_set("curve", 300, 2, 0), 0.2);
    const nilu_data_info *d = nilu_data_about(data);
    nilu_model *model;
    nilu_predictor *p;
    nilu_evaluation e;
    nilu_train_result r;
    static float y[60], target[60];
    double se = 0, ae = 0, mean = 0, spread = 0;
    assert_ok(nl, nilu_model_chain(nl, "8 tanh", &model));
    assert_ok(nl, nilu_train(nl, model, data, NULL, &r));
    assert_ok(nl, nilu_predictor_new(nl, model, r.store, data, NULL, &p));
    assert_int_equal(d->count[NILU_VALIDATION], 60);
    assert_ok(nl, nilu_predict(p, NILU_VALIDATION, NULL, 60, y));
    assert_ok(nl, nilu_data_batch(data, NILU_VALIDATION, NULL, 60, NULL, NULL, target));
    for (int i = 0; i < 60; i++)
        mean += (target[i] * d->target_std[0] + d->target_mean[0]) / 60;
    for (int i = 0; i < 60; i++) {
        double t = target[i] * d->target_std[0] + d->target_mean[0], error = y[i] - t;
        se += error * error;
        ae += fabs(error);
        spread += (t - mean) * (t - mean);
    }
    assert_true(mean > 80 && mean < 120); /* the target's own units */
    assert_ok(nl, nilu_evaluate(p, NILU_VALIDATION, &e));
    assert_near(e.scores.rmse, sqrt(se / 60), 1e-5);
    assert_near(e.scores.mae, ae / 60, 1e-5);
    assert_near(e.scores.r2, 1 - se / spread, 1e-5);
    assert_near(e.rmse[0], e.scores.rmse, 1e-12);
    assert_near(e.scores.loss, se / 60 / (d->target_std[0] * d->target_std[0]), 1e-5);
    assert_null(e.confusion);
    nilu_evaluation_free(nl, &e);
    nilu_predictor_free(p);
    nilu_train_result_free(nl, &r);
    nilu_model_free(model);
    nilu_data_free(data);
    nilu_free(nl);
}

/* ---- the same bits */

static void weights(const plan *c, char hex[65])
{
    nilu *nl = support_context(c->threads, NULL);
    nilu_train_result r;
    assert_ok(nl, train(nl, c, &r));
    memcpy(hex, r.weights, 65);
    nilu_train_result_free(nl, &r);
    nilu_free(nl);
}

static void any_number_of_threads(void **state)
{
    (void)state;
    static const plan cases[] = {
        {.chain = "512 relu, 512 relu", .batch = 64, .epochs = 30, .steps = 20},
        {.chain = "128 relu", .batch = 32, .epochs = 30, .steps = 40, .optimizer = "sgd", .lr = 0.1},
        {.chain = "40 gelu, dropout 0.3, 24 tanh", .batch = 50, .epochs = 10, .clip_norm = 1, .accumulate = 3, .validation = 0.1},
        {.chain = "16 relu", .batch = 7, .epochs = 2, .optimizer = "muon"},
    };
    const char *set = support_set("wide", 1000, 784, 10);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char one[65], many[65];
        plan c = cases[i];
        c.set = set;
        c.threads = 1;
        weights(&c, one);
        for (int t = 0; t < 3; t++) {
            c.threads = (int[]){2, 3, 8}[t];
            weights(&c, many);
            if (strcmp(one, many) != 0)
                fail_msg("case %zu: %d threads give other weights than 1", i, c.threads);
        }
    }
}

/* Set of 45 samples, 40 of them to learn from: 4 steps an epoch, the last of 4 samples. */
#define BROKEN                                                                                                         \
    {.set = support_at("Xsmall.npy"), .chain = "6 relu, dropout 0.4", .batch = 12, .epochs = 4, .validation = 0.1,     \
     .clip_norm = 0.5, .accumulate = 3, .threads = 1, .record = true, .lr = 0.02, .patience = -1, \
     .ema = 0.8, .smoothing = 0.1}

static void stopped_at_any_step(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    support_set("small", 45, 4, 3);
    plan c = BROKEN;
    nilu_train_result whole, part, rest;
    c.out = support_at("whole");
    assert_ok(nl, train(nl, &c, &whole));
    assert_int_equal(whole.steps, 16);
    for (int64_t stop = 1; stop <= 16; stop++) {
        char name[32];
        snprintf(name, sizeof name, "part-%d", (int)stop);
        plan b = BROKEN;
        b.out = support_at(name);
        b.stop_at = stop;
        nilu_status status = train(nl, &b, &part);
        if (stop < 16) { /* a stop in the last step comes too late */
            assert_int_equal(status, NILU_E_CANCELLED);
            assert_contains(nilu_errmsg(nl), "go on with --resume");
            assert_int_equal(part.steps, stop);
            assert_int_equal(part.ending, NILU_INTERRUPTED);
        }
        b.stop_at = 0;
        nilu *other = support_context(1 + (int)stop % 3, NULL);
        assert_ok(other, go_on(other, &b, &rest));
        assert_string_equal(rest.weights, whole.weights);
        assert_int_equal(rest.steps, 16);
        assert_near(rest.loss, whole.loss, 0);
        assert_near(rest.scores.loss, whole.scores.loss, 0);
        assert_int_equal(rest.best_epoch, whole.best_epoch);
        char model[64];
        snprintf(model, sizeof model, "part-%d/model.safetensors", (int)stop);
        same_file(support_at("whole/model.safetensors"), support_at(model));
        nilu_train_result_free(other, &rest);
        nilu_free(other);
        nilu_train_result_free(nl, &part);
    }
    nilu_train_result_free(nl, &whole);
    nilu_free(nl);
}

/* A process that dies at once at step k: what it had written is enough. */
static void killed_at_any_step(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    support_set("small", 45, 4, 3);
    for (int every = 1; every <= 3; every += 2) {
        plan c = BROKEN;
        nilu_train_result whole, rest;
        char name[32];
        snprintf(name, sizeof name, "alive-%d", every);
        c.out = support_at(name);
        c.checkpoint_steps = every;
        assert_ok(nl, train(nl, &c, &whole));
        for (int64_t die = 1; die <= 16; die++) {
            snprintf(name, sizeof name, "dead-%d-%d", every, (int)die);
            c.out = support_at(name);
            pid_t child = fork();
            if (child == 0) {
                plan d = c;
                nilu_train_result r;
                d.die_at = die;
                nilu *own = support_context(1, NULL);
                train(own, &d, &r);
                _exit(1);
            }
            int how;
            assert_int_equal(waitpid(child, &how, 0), child);
            assert_int_equal(WEXITSTATUS(how), 9);
            assert_ok(nl, go_on(nl, &c, &rest));
            assert_string_equal(rest.weights, whole.weights);
            nilu_run *run;
            nilu_epoch e;
            int epochs = 0;
            assert_ok(nl, nilu_run_open(nl, c.out, &run));
            while (nilu_run_epoch(run, epochs, &e))
                assert_int_equal(e.epoch, ++epochs);
            assert_int_equal(epochs, 4);
            assert_true(nilu_run_about(run)->ended);
            nilu_run_free(run);
            nilu_train_result_free(nl, &rest);
        }
        nilu_train_result_free(nl, &whole);
    }
    nilu_free(nl);
}

/* The journal, the stop flag and the callbacks tell the same story. */
typedef struct story {
    int started, steps, epochs;
    int64_t last_step;
    double rate, loss[8], sum, n;
    volatile sig_atomic_t stop;
} story;

static bool told_start(void *user, const nilu_train_about *a)
{
    story *s = user;
    s->started++;
    assert_int_equal(a->epoch_steps, 4);
    assert_int_equal(a->steps, 12);
    assert_int_equal(a->params, 4 * 6 + 6 + 6 * 3 + 3);
    assert_string_equal(a->loss, "cross_entropy");
    assert_int_equal(a->optimizer.schedule.total, 12);
    return true;
}

static bool told_step(void *user, const nilu_progress *p)
{
    story *s = user;
    s->steps++;
    assert_int_equal(p->step, s->steps);
    assert_int_equal(p->batch, p->step % 4 ? 12 : 4);
    assert_int_equal(p->epoch_ends, p->step % 4 == 0);
    s->sum += p->loss * (double)p->batch;
    s->n += (double)p->batch;
    assert_near(p->mean_loss, s->sum / s->n, 0);
    assert_true(p->rate > 0 && p->rate <= 0.02);
    assert_non_null(nilu_store_find(p->store, "fc1/weight"));
    if (s->steps == 9)
        s->stop = 1;
    return true;
}

static bool told_epoch(void *user, const nilu_epoch *e)
{
    story *s = user;
    s->loss[s->epochs++] = e->loss;
    assert_int_equal(e->epoch, s->epochs);
    assert_near(e->loss, s->sum / s->n, 0);
    s->sum = s->n = 0;
    assert_int_equal(e->validation.n, 5);
    return true;
}

static void what_is_told(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    story s = {0};
    support_set("small", 45, 4, 3);
    plan c = BROKEN;
    nilu_data_options opened;
    c.accumulate = 0;
    nilu_train_options o = options_of(&c, &opened);
    nilu_data *data = support_open(nl, c.set, 0.1);
    nilu_model *model;
    nilu_train_result r;
    nilu_run *run;
    nilu_epoch e;
    o.epochs = 3;
    o.runs = support_at("runs");
    o.on_start = told_start;
    o.on_step = told_step;
    o.on_epoch = told_epoch;
    o.user = &s;
    o.stop = &s.stop;
    assert_ok(nl, nilu_model_chain(nl, "6 relu", &model));
    assert_int_equal(nilu_train(nl, model, data, &o, &r), NILU_E_CANCELLED);
    assert_int_equal(nilu_status_exit(NILU_E_CANCELLED), 75);
    assert_int_equal(s.started, 1);
    assert_int_equal(s.steps, 9);
    assert_int_equal(s.epochs, 2);
    assert_int_equal(r.steps, 9);
    assert_ok(nl, nilu_run_open(nl, r.run, &run));
    assert_false(nilu_run_about(run)->ended);
    assert_int_equal(nilu_run_about(run)->steps, 9);
    assert_int_equal(nilu_run_about(run)->epochs, 2);
    for (int i = 0; i < 2; i++) {
        assert_true(nilu_run_epoch(run, i, &e));
        assert_near(e.loss, s.loss[i], 0);
    }
    assert_false(nilu_run_epoch(run, 2, &e));
    nilu_run_free(run);
    nilu_train_result_free(nl, &r);
    nilu_model_free(model);
    nilu_data_free(data);
    nilu_free(nl);
}

/* ---- ends */

static void stops_early_with_the_best(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_train_result r;
    nilu_run *run;
    nilu_epoch e, best = {0};
    plan c = {.set = support_set("noise", 60, 20, 2), .chain = "64 relu", .batch = 8, .epochs = 400, .validation = 0.3,
              .patience = 4, .lr = 0.01, .out = support_at("early"), .record = true};
    /* labels that have nothing to do with the samples: the validation loss can only rise */
    int32_t label[60];
    for (int i = 0; i < 60; i++)
        label[i] = i * 7 % 13 < 6;
    assert_ok(nl, nilu_npy_write(nl, support_at("ynoise.npy"), NILU_I32, NILU_SHAPE(60), label));
    assert_ok(nl, train(nl, &c, &r));
    assert_int_equal(r.ending, NILU_STOPPED_EARLY);
    assert_int_equal(r.epochs, r.best_epoch + 4);
    assert_ok(nl, nilu_run_open(nl, c.out, &run));
    best.validation.loss = INFINITY;
    for (int i = 0; nilu_run_epoch(run, i, &e); i++)
        if (e.validation.loss < best.validation.loss)
            best = e;
    assert_int_equal(best.epoch, r.best_epoch);
    assert_near(r.scores.loss, best.validation.loss, 0); /* judged are the best weights, not the last */
    assert_int_equal(nilu_run_about(run)->ending, NILU_STOPPED_EARLY);
    nilu_run_free(run);
    /* broken off while it waits for a better epoch, it does not begin to count anew */
    for (int64_t bad = 1; bad < 4; bad++) {
        plan b = c;
        nilu_train_result part, rest;
        char name[32];
        snprintf(name, sizeof name, "early-%d", (int)bad);
        b.out = support_at(name);
        b.stop_at = r.steps / r.epochs * (r.best_epoch + bad) + 2;
        assert_int_equal(train(nl, &b, &part), NILU_E_CANCELLED);
        b.stop_at = 0;
        assert_ok(nl, go_on(nl, &b, &rest));
        assert_int_equal(rest.ending, NILU_STOPPED_EARLY);
        assert_int_equal(rest.epochs, r.epochs);
        assert_int_equal(rest.best_epoch, r.best_epoch);
        assert_string_equal(rest.weights, r.weights);
        nilu_train_result_free(nl, &part), nilu_train_result_free(nl, &rest);
    }
    nilu_train_result_free(nl, &r);
    nilu_free(nl);
}

static void divergence(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_train_result r;
    nilu_run *run;
    nilu_store *last;
    plan c = {.set = support_set("curve", 200, 3, 0), .chain = "16 relu", .batch = 16, .epochs = 50, .optimizer = "sgd",
              .lr = 1e6, .out = support_at("diverged"), .record = true, .checkpoint_steps = 1};
    assert_int_equal(train(nl, &c, &r), NILU_E_NOT_FINITE);
    assert_int_equal(nilu_status_exit(NILU_E_NOT_FINITE), 4);
    assert_contains(nilu_errmsg(nl), "training diverged: ");
    assert_contains(nilu_errmsg(nl), "at epoch 1, step ");
    assert_contains(nilu_errmsg(nl), "lower learning rate (lr is 1e+06)");
    assert_int_equal(r.ending, NILU_DIVERGED);
    assert_ok(nl, nilu_run_open(nl, c.out, &run));
    assert_int_equal(nilu_run_about(run)->ending, NILU_DIVERGED);
    assert_false(nilu_run_about(run)->ended);
    assert_ok(nl, nilu_run_store(run, NILU_LAST, &last));
    for (int i = 0; i < nilu_store_count(last); i++) {
        const nilu_value *v = nilu_store_at(last, i);
        for (size_t k = 0; v->kind == NILU_PARAM && k < v->bytes / 4; k++)
            assert_true(isfinite(((const float *)v->data)[k]));
    }
    nilu_store_free(last);
    nilu_run_free(run);
    nilu_train_result_free(nl, &r);
    nilu_free(nl);
}

static void refusals(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_train_result r;
    support_set("small", 45, 4, 3);
    support_set("curve", 40, 3, 0);
    plan c = {.set = support_at("Xsmall.npy"), .loss = "crossentropy"};
    assert_int_equal(train(nl, &c, &r), NILU_E_USAGE);
    assert_contains(nilu_errmsg(nl), "did you mean cross_entropy?");
    c = (plan){.set = support_at("Xcurve.npy"), .loss = "cross_entropy"};
    assert_int_equal(train(nl, &c, &r), NILU_E_USAGE);
    assert_contains(nilu_errmsg(nl), "is for classes, but the target");
    c = (plan){.set = support_at("Xsmall.npy"), .optimizer = "adan"};
    assert_int_equal(train(nl, &c, &r), NILU_E_USAGE);
    assert_contains(nilu_errmsg(nl), "did you mean adam?");
    c = (plan){.set = support_at("Xsmall.npy"), .epochs = -1};
    assert_int_equal(train(nl, &c, &r), NILU_E_USAGE);
    c = (plan){.set = support_at("Xsmall.npy"), .batch = (int64_t)1 << 40};
    assert_int_equal(train(nl, &c, &r), NILU_E_USAGE);
    assert_contains(nilu_errmsg(nl), "batch is 1099511627776");
    c = (plan){.set = support_at("Xcurve.npy"), .smoothing = 0.1};
    assert_int_equal(train(nl, &c, &r), NILU_E_USAGE);
    assert_contains(nilu_errmsg(nl), "label_smoothing is for the loss cross_entropy, not for mse");
    c = (plan){.set = support_at("Xsmall.npy"), .smoothing = 1};
    assert_int_equal(train(nl, &c, &r), NILU_E_USAGE);
    assert_contains(nilu_errmsg(nl), "label_smoothing is 1; give a number from 0 to below 1");
    c = (plan){.set = support_at("Xsmall.npy"), .ema = 1};
    assert_int_equal(train(nl, &c, &r), NILU_E_USAGE);
    assert_contains(nilu_errmsg(nl), "ema of adamw is 1");
    c = (plan){.set = support_at("Xsmall.npy"), .chain = "16 relu, 7 linear"};
    assert_int_equal(train(nl, &c, &r), NILU_E_MODEL);
    assert_null(r.run);
    assert_null(r.store);
    nilu_free(nl);
}

/* ---- what is kept */

/* The model is the averages that the last checkpoint has as states; and what is judged are these. */
static void averages_are_kept(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    support_set("small", 45, 4, 3);
    plan c = {.set = support_at("Xsmall.npy"), .chain = "6 relu, batchnorm", .batch = 12, .epochs = 5, .ema = 0.9, .lr = 0.05, .out = support_at("averages"),
              .record = true};
    nilu_train_result r;
    nilu_run *run;
    nilu_store *last = nilu_store_new(nl);
    assert_ok(nl, train(nl, &c, &r));
    assert_ok(nl, nilu_load(last, NILU_PARAMS | NILU_STATES, support_at("averages/checkpoints/last.safetensors")));
    int params = 0, same = 0;
    for (int i = 0; i < nilu_store_count(r.store); i++) {
        const nilu_value *v = nilu_store_at(r.store, i);
        char name[96];
        if (v->kind != NILU_PARAM)
            continue;
        snprintf(name, sizeof name, "opt/%s/ema", v->name);
        const nilu_value *ema = nilu_store_find(last, name), *raw = nilu_store_find(last, v->name);
        assert_non_null(ema);
        assert_non_null(raw);
        assert_memory_equal(v->data, ema->data, v->bytes);
        same += memcmp(raw->data, ema->data, v->bytes) == 0;
        params++;
    }
    assert_int_equal(params, 8); /* running statistics, too */
    assert_int_equal(same, 0);
    /* judged anew from the folder, the scores are the same */
    nilu_store *model;
    nilu_data *data;
    nilu_predictor *p;
    nilu_evaluation e;
    assert_ok(nl, nilu_run_open(nl, c.out, &run));
    assert_ok(nl, nilu_run_store(run, NILU_MODEL, &model));
    assert_ok(nl, nilu_run_data(run, NULL, NULL, &data));
    assert_ok(nl, nilu_predictor_new(nl, nilu_run_model(run), model, data, NULL, &p));
    assert_ok(nl, nilu_evaluate(p, r.judged, &e));
    assert_near(e.scores.loss, r.scores.loss, 0);
    nilu_evaluation_free(nl, &e);
    nilu_predictor_free(p);
    nilu_data_free(data);
    nilu_store_free(model);
    nilu_store_free(last);
    nilu_run_free(run);
    nilu_train_result_free(nl, &r);
    nilu_free(nl);
}

/* Smoothing is of the loss that is learnt by, not of the one that judges. */
static void labels_are_smoothed(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_train_result plain, smooth;
    support_set("small", 45, 4, 3);
    plan c = {.set = support_at("Xsmall.npy"), .chain = "dense auto init=zeros", .batch = 45, .epochs = 1, .steps = 1, .optimizer = "sgd", .lr = 1e-6};
    assert_ok(nl, train(nl, &c, &plain));
    c.smoothing = 0.5;
    assert_ok(nl, train(nl, &c, &smooth));
    assert_near(plain.loss, log(3), 1e-6); /* logits of zero: no difference yet */
    assert_near(smooth.loss, log(3), 1e-6);
    nilu_train_result_free(nl, &plain), nilu_train_result_free(nl, &smooth);
    c.epochs = 2000, c.steps = 2000, c.lr = 1;
    assert_ok(nl, train(nl, &c, &smooth));
    c.smoothing = 0;
    assert_ok(nl, train(nl, &c, &plain));
    assert_true(smooth.loss > 0.5 * log(3) && plain.loss < 0.5 * smooth.loss); /* at least the entropy of what is asked for */
    assert_true(smooth.scores.loss < smooth.loss);
    nilu_train_result_free(nl, &plain), nilu_train_result_free(nl, &smooth);
    nilu_free(nl);
}

/* What is said of a picture and of its mirror image is the same, once each is seen both ways; and a single view's is not. */
typedef struct looked_at {
    nilu_model *model;
    nilu_data *data;
    nilu_store *store;
} looked_at;

static nilu_status look_twice(nilu *nl, void *user)
{
    const looked_at *l = user;
    nilu_predictor *p = NULL;
    float y[2];
    int64_t first = 0;
    nilu_status status = nilu_predictor_new(nl, l->model, l->store, l->data, NULL, &p);
    if (status == NILU_OK)
        status = nilu_predictor_views(p, NILU_VIEWS_FLIP_SHIFT);
    if (status == NILU_OK)
        status = nilu_predict(p, NILU_TRAIN, &first, 1, y);
    nilu_predictor_free(p);
    return status;
}

static void views(void **state)
{
    (void)state;
    enum { N = 9, H = 5, W = 6, C = 3 };
    static float x[2][N * H * W * C], y[2][3][N * 2];
    static int32_t label[N];
    support_memory memory = {0};
    nilu *nl = support_context(1, &memory);
    nilu_model *m;
    nilu_data *data[2];
    nilu_train_result r;
    for (int i = 0; i < N * H * W * C; i++)
        x[0][i] = (float)sin(i * 1.7);
    for (int i = 0; i < N * H; i++)
        for (int j = 0; j < W; j++)
            memcpy(&x[1][(i * W + j) * C], &x[0][(i * W + W - 1 - j) * C], C * sizeof(float));
    for (int i = 0; i < N; i++)
        label[i] = i % 2;
    for (int k = 0; k < 2; k++) {
        nilu_data_options o = NILU_DATA_DEFAULT;
        o.validation = 0;
        assert_ok(nl, nilu_npy_write(nl, support_at(k ? "Xmirror.npy" : "Xpicture.npy"), NILU_F32, NILU_SHAPE(N, H, W, C), x[k]));
        assert_ok(nl, nilu_npy_write(nl, support_at(k ? "ymirror.npy" : "ypicture.npy"), NILU_I32, NILU_SHAPE(N), label));
        assert_ok(nl, nilu_data_open(nl, support_at(k ? "Xmirror.npy" : "Xpicture.npy"), &o, &data[k]));
        assert_int_equal(nilu_data_about(data[k])->height, H);
    }
    nilu_train_options o = NILU_TRAIN_DEFAULT;
    o.steps = 3;
    assert_ok(nl, nilu_model_from_text(nl, "input: [5, 6, 3]\nlayers: [channels_first, conv 4 3 tanh, flatten, dense auto]", "m.yaml", &m));
    assert_ok(nl, nilu_train(nl, m, data[0], &o, &r));
    for (int k = 0; k < 2; k++) {
        nilu_predictor *p;
        assert_ok(nl, nilu_predictor_new(nl, m, r.store, data[k], NULL, &p));
        for (int v = 0; v < 3; v++) {
            assert_ok(nl, nilu_predictor_views(p, (nilu_views)v));
            assert_ok(nl, nilu_predict(p, NILU_TRAIN, NULL, N, y[k][v]));
        }
        assert_int_equal(nilu_predictor_views(p, (nilu_views)3), NILU_E_USAGE);
        nilu_predictor_free(p);
    }
    float apart[3] = {0};
    for (int v = 0; v < 3; v++)
        for (int i = 0; i < N * 2; i++) {
            float d = fabsf(y[0][v][i] - y[1][v][i]);
            apart[v] = d > apart[v] ? d : apart[v];
            assert_true(v == 0 || fabsf(y[0][v][i] - y[0][v - 1][i]) > 0); /* each looks at something else */
        }
    assert_true(apart[0] > 1e-3f && apart[1] < 1e-6f && apart[2] > 1e-5f); /* moved up left is no mirror image of down right */
    support_fail_within(nl, &memory, look_twice, &(looked_at){m, data[0], r.store});
    nilu_train_result_free(nl, &r);
    nilu_data_free(data[0]), nilu_data_free(data[1]);
    nilu_model_free(m);
    data[0] = support_open(nl, support_set("small", 45, 4, 3), 0);
    nilu_predictor *p;
    assert_ok(nl, nilu_model_chain(nl, "dense auto", &m));
    assert_ok(nl, nilu_train(nl, m, data[0], &o, &r));
    assert_ok(nl, nilu_predictor_new(nl, m, r.store, data[0], NULL, &p));
    assert_int_equal(nilu_predictor_views(p, NILU_VIEWS_FLIP), NILU_E_DATA);
    assert_contains(nilu_errmsg(nl), "its samples are no pictures");
    nilu_predictor_free(p);
    nilu_train_result_free(nl, &r);
    nilu_data_free(data[0]);
    nilu_model_free(m);
    nilu_free(nl);
}

/* ---- things go wrong */

static nilu_status small_run(nilu *nl, void *user)
{
    (void)user;
    nilu_train_result r;
    plan c = BROKEN;
    c.out = support_at("oom");
    c.epochs = 2;
    c.stop_at = 6;
    nilu_status status = train(nl, &c, &r);
    nilu_train_result_free(nl, &r);
    if (status == NILU_E_CANCELLED) {
        c.stop_at = 0;
        status = go_on(nl, &c, &r);
        nilu_train_result_free(nl, &r);
    }
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", support_at("oom"));
    return system(command) == 0 ? status : NILU_E_SYSTEM;
}

static void failed_allocations(void **state)
{
    (void)state;
    support_set("small", 45, 4, 3);
    support_fail_each(1, small_run, NULL);
}

/* No allocation within an epoch: counted from the second step of a plan on. */
typedef struct counted {
    const support_memory *m;
    long after_first, after_last;
} counted;

static bool count_step(void *user, const nilu_progress *p)
{
    counted *c = user;
    if (p->step == 1)
        c->after_first = c->m->made;
    if (p->step == 3)
        c->after_last = c->m->made;
    return true;
}

static void steps_allocate_nothing(void **state)
{
    (void)state;
    support_memory m = {0};
    nilu *nl = support_context(1, &m);
    counted count = {.m = &m};
    nilu_train_options o = NILU_TRAIN_DEFAULT;
    nilu_train_result r;
    nilu_data *data = support_open(nl, support_set("small", 45, 4, 3), 0);
    o.batch = 12;
    o.on_step = count_step;
    o.user = &count;
    assert_ok(nl, nilu_train(nl, NULL, data, &o, &r));
    assert_true(count.after_first > 0);
    assert_int_equal(count.after_first, count.after_last);
    nilu_train_result_free(nl, &r);
    nilu_data_free(data);
    nilu_free(nl);
    assert_int_equal(m.alive, 0);
}

/* A disk that is full: the sentence says so, and the run goes on from its last checkpoint when there is room again. */
static void a_full_disk(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_train_result r, whole;
    struct rlimit old, small;
    support_set("small", 45, 4, 3);
    plan c = BROKEN, b = BROKEN;
    c.chain = b.chain = "64 relu, 64 relu";
    b.out = support_at("undisturbed");
    assert_ok(nl, train(nl, &b, &whole));
    c.out = support_at("full");
    c.stop_at = 5;
    assert_int_equal(train(nl, &c, &r), NILU_E_CANCELLED);
    nilu_train_result_free(nl, &r);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 10000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    c.stop_at = 7;
    nilu_status status = go_on(nl, &c, &r);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(status, NILU_E_FILE_WRITE);
    assert_contains(nilu_errmsg(nl), "what stood there is unchanged");
    nilu_train_result_free(nl, &r);
    c.stop_at = 0;
    assert_ok(nl, go_on(nl, &c, &r));
    assert_string_equal(r.weights, whole.weights);
    nilu_train_result_free(nl, &r);
    nilu_train_result_free(nl, &whole);
    nilu_free(nl);
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

/* Argument: a test; default: all. */
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exclusive_or),          cmocka_unit_test(clouds_and_curves),
        cmocka_unit_test(every_loss_of_classes), cmocka_unit_test(scores_by_hand),
        cmocka_unit_test(numbers_by_hand),       cmocka_unit_test(stopped_at_any_step),
        cmocka_unit_test(killed_at_any_step),    cmocka_unit_test(what_is_told),
        cmocka_unit_test(stops_early_with_the_best), cmocka_unit_test(divergence),
        cmocka_unit_test(averages_are_kept), cmocka_unit_test(labels_are_smoothed), cmocka_unit_test(views),
        cmocka_unit_test(refusals),              cmocka_unit_test(failed_allocations),
        cmocka_unit_test(steps_allocate_nothing), cmocka_unit_test(a_full_disk),
        cmocka_unit_test(any_number_of_threads),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
