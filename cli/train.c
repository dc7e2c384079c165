/* `nilu train`: a network learns a data set, and a run folder keeps it. */
#include "cli.h"
#include "weights.h"

#include "graph/graph.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

struct train {
    cli_network network;
    cli_reading reading;
    int64_t epochs, steps, batch, warmup, accumulate, patience, snapshots, every_steps;
    double lr, momentum, decay, clip_norm, clip_value, ema, smoothing, every;
    const char *optimizer, *schedule, *loss, *precision, *augment, *out, *runs, *resume, *drawing, *freeze, *from;
    bool no_run, profile, no_alarms, train_norms;
};

/* What the callbacks need. */
typedef struct session {
    cli *c;
    cli_progress bar;
    const nilu_data_info *data;
    double opened;              /* seconds that opening the data took */
    double called;              /* base_now() when training was called */
    int64_t epochs, steps;
    int digits;                 /* of the number of epochs */
    const char *drawing;        /* of the profile; NULL: none */
    const char *augment;        /* NULL: nothing, or as the run that is resumed */
    nilu_status profiled;
} session;

/* ---- the settings */

static bool is_set(int64_t value)
{
    return value != CLI_UNSET;
}

static int named(const char *(*name)(int), const char *wanted)
{
    int i = 0;
    while (name(i) && strcmp(name(i), wanted) != 0)
        i++;
    return i;
}

static nilu_train_options options_of(const struct train *t)
{
    nilu_train_options o = NILU_TRAIN_DEFAULT;
    o.loss = t->loss;
    o.epochs = is_set(t->epochs) ? t->epochs : 0;
    o.batch = is_set(t->batch) ? t->batch : 0;
    o.steps = is_set(t->steps) ? t->steps : 0;
    o.patience = !is_set(t->patience) ? 0 : t->patience == 0 ? -1 : t->patience;
    o.optimizer.name = t->optimizer;
    o.optimizer.lr = t->lr;
    o.optimizer.momentum = t->momentum;
    o.optimizer.decay = t->decay;
    o.optimizer.clip_norm = t->clip_norm;
    o.optimizer.clip_value = t->clip_value;
    o.optimizer.ema = t->ema;
    o.label_smoothing = t->smoothing;
    o.optimizer.accumulate = is_set(t->accumulate) ? (int)t->accumulate : 0;
    o.scheduled = t->schedule;
    if (t->schedule)
        o.optimizer.schedule.kind = (nilu_schedule_kind)named(nilu_schedule_name, t->schedule);
    if (is_set(t->warmup))
        o.optimizer.schedule.warmup = t->warmup || t->schedule ? t->warmup : -1;
    o.bf16 = t->precision && strcmp(t->precision, "bf16") == 0;
    o.augment = t->augment;
    o.out = t->out;
    o.runs = t->out || t->no_run ? NULL : t->runs;
    o.checkpoint_seconds = t->every;
    o.checkpoint_steps = is_set(t->every_steps) ? t->every_steps : 0;
    o.snapshots = t->snapshots == CLI_UNSET ? -1 : (int)t->snapshots;
    return o;
}

/* Options that a run has settled, given again beside --resume. */
static nilu_status check_resume(cli *c, const struct train *t)
{
    static const char *const free[] = {"resume", "every", "every-steps", "profile", "profile-svg", "no-alarms"};
    if (!t->resume)
        return NILU_OK;
    for (const cli_option *o = c->command->options; o->name; o++) {
        bool allowed = false;
        for (size_t i = 0; i < COUNT(free); i++)
            allowed = allowed || strcmp(o->name, free[i]) == 0;
        if (!allowed && cli_given(c, o->name))
            return cli_fail(c, NILU_E_USAGE, _(N_("train: --%s cannot be changed in a run that is resumed; leave it out, or start "
                                                  "a new run")), o->name);
    }
    return NILU_OK;
}

/* ---- telling what happens */

static void tell_data(const session *s)
{
    const nilu_data_info *d = s->data;
    cli_figure a, b, f;
    char shape[64];
    if (!d)
        return;
    if (d->height)
        snprintf(shape, sizeof shape, d->channels > 1 ? "%d x %d x %d" : "%d x %d", d->height, d->width, d->channels);
    else
        snprintf(shape, sizeof shape, _(N_("%s features")), cli_quantity((double)d->features, f));
    cli_note(s->c, _(N_("data       %s: %s training and %s validation samples, %s")), d->name,
             cli_quantity((double)d->count[NILU_TRAIN], a), cli_quantity((double)d->count[NILU_VALIDATION], b), shape);
    if (d->task == NILU_TASK_CLASSES)
        cli_note(s->c, _(N_("target     %s: %lld classes")), *d->target ? d->target : _(N_("labels")), (long long)d->outputs);
    else
        cli_note(s->c, _(N_("target     %s: %lld numbers")), *d->target ? d->target : _(N_("targets")), (long long)d->outputs);
}

static void tell_model(const session *s, const nilu_train_about *about)
{
    char *line = nilu_model_summary(about->model);
    cli_figure n, trained, measured;
    const char *what = line ? line : "";
    cli_quantity((double)about->params, n);
    if (about->trained != about->params)
        cli_note(s->c, _(N_("model      %s: %s parameters, %s of them trained")), what, n, cli_quantity((double)about->trained, trained));
    else if (about->measured)
        cli_note(s->c, _(N_("model      %s: %s parameters, and %s numbers that are measured, not trained")), what, n,
                 cli_quantity((double)about->measured, measured));
    else
        cli_note(s->c, _(N_("model      %s: %s parameters")), what, n);
    nilu_text_free(s->c->nl, line);
}

static bool on_start(void *user, const nilu_train_about *about)
{
    session *s = user;
    cli *c = s->c;
    s->epochs = about->epochs;
    s->steps = about->steps;
    for (int64_t n = about->epochs; n; n /= 10)
        s->digits++;
    if (c->json) {
        cli_emit(c, "start", json_pack("{s:s?, s:s, s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "run", about->run, "loss",
                                       about->loss, "optimizer", about->optimizer.name, "lr", about->optimizer.lr, "epochs",
                                       (json_int_t)about->epochs, "batch", (json_int_t)about->batch, "steps",
                                       (json_int_t)about->steps, "samples", (json_int_t)about->samples, "validation",
                                       (json_int_t)about->validation, "params", (json_int_t)about->params, "seed",
                                       (json_int_t)about->seed, "done", (json_int_t)about->done));
        return true;
    }
    tell_data(s);
    tell_model(s, about);
    if (s->augment)
        cli_note(c, _(N_("augment    %s")), s->augment);
    cli_note(c, _(N_("training   %s, learning rate %g (%s), batch %lld, up to %lld epochs, loss %s, seed %llu")),
             about->optimizer.name, about->optimizer.lr, nilu_schedule_name((int)about->optimizer.schedule.kind),
             (long long)about->batch, (long long)about->epochs, about->loss, (unsigned long long)about->seed);
    if (about->done)
        cli_note(c, _(N_("resumed    after step %lld of %lld")), (long long)about->done, (long long)about->steps);
    return true;
}

static bool on_step(void *user, const nilu_progress *p)
{
    session *s = user;
    char text[160];
    cli_figure rate;
    if (base_now() - s->bar.shown < 0.1)
        return true;
    snprintf(text, sizeof text, _(N_("epoch %*lld/%lld  loss %.4f  %s samples/s")), s->digits, (long long)p->epoch,
             (long long)s->epochs, p->mean_loss, cli_quantity(p->samples_per_second, rate));
    cli_progress_show(&s->bar, s->steps ? (double)p->step / (double)s->steps : 0, text);
    return true;
}

static bool on_epoch(void *user, const nilu_epoch *e)
{
    session *s = user;
    cli *c = s->c;
    char scores[96];
    cli_figure time;
    if (c->json) {
        json_t *fields = json_pack("{s:I, s:I, s:o, s:f, s:f, s:f, s:b}", "epoch", (json_int_t)e->epoch, "step",
                                   (json_int_t)e->step, "loss", cli_real(e->loss), "rate", e->rate, "seconds", e->seconds,
                                   "samples_per_second", e->samples_per_second, "best", (int)e->best);
        if (fields)
            json_object_set_new(fields, "validation", cli_scores_json(&e->validation));
        cli_emit(c, "epoch", fields);
        return true;
    }
    cli_progress_clear(&s->bar);
    if (c->quiet)
        return true;
    fprintf(c->err.file, _(N_("epoch %*lld/%lld  loss %.4f")), s->digits, (long long)e->epoch, (long long)s->epochs, e->loss);
    if (e->validation.n)
        fprintf(c->err.file, _(N_("  validation loss %.4f, %s")), e->validation.loss, cli_scores_text(&e->validation, scores));
    fprintf(c->err.file, "  %s%s\n", cli_seconds(e->seconds, time), e->best ? " *" : "");
    return true;
}

static void on_profile(void *user, const nilu_plan *plan, int64_t steps, const double *seconds)
{
    session *s = user;
    cli_progress_clear(&s->bar);
    s->profiled = cli_profile(s->c, plan, steps, seconds, s->drawing);
}

static void on_alarm(void *user, const nilu_alarm *a)
{
    session *s = user;
    cli *c = s->c;
    if (c->json) {
        cli_emit(c, "alarm", cli_alarm_json(a));
        return;
    }
    cli_progress_clear(&s->bar);
    cli_alarm_say(c, a);
}

/* ---- the end */

static const char *ending_name(nilu_ending ending)
{
    static const char *const names[] = {[NILU_FINISHED] = "finished", [NILU_STOPPED_EARLY] = "stopped_early",
                                        [NILU_INTERRUPTED] = "interrupted", [NILU_DIVERGED] = "diverged"};
    return names[ending];
}

static nilu_status result_json(const session *s, const nilu_train_result *r)
{
    double startup = s->called - s->c->started - s->opened;
    json_t *fields = cli_scores_json(&r->scores);
    json_t *more = json_pack("{s:s?, s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:f, s:o, s:f, s:f, s:f}", "run", r->run, "ending",
                             ending_name(r->ending), "part", cli_part_name((int)r->judged), "weights", r->weights, "epochs",
                             (json_int_t)r->epochs, "steps", (json_int_t)r->steps, "best_epoch", (json_int_t)r->best_epoch,
                             "train_loss", cli_real(r->loss), "seconds", r->seconds, "samples_per_second",
                             cli_real(r->samples_per_second), "startup_ms", startup * 1e3, "data_ms", s->opened * 1e3,
                             "first_step_ms", (startup + r->first_step) * 1e3);
    return cli_emit(s->c, "result", cli_merge(fields, more) ? fields : NULL);
}

#define LABEL 11 /* columns of the labels on the left; the texts below have them written out */
static void result_text(const session *s, const nilu_train_result *r)
{
    cli *c = s->c;
    char scores[96];
    cli_figure time, rate;
    const char *ending = r->ending == NILU_STOPPED_EARLY ? _(N_("stopped early")) : _(N_("finished"));
    if (r->best_epoch)
        printf(_(N_("ended      %s after %lld epochs; the weights are those of epoch %lld, the best in validation\n")), ending,
               (long long)r->epochs, (long long)r->best_epoch);
    else
        printf(_(N_("ended      %s after %lld epochs\n")), ending, (long long)r->epochs);
    if (r->scores.n)
        printf(_(N_("%s%*s%s%s%s, loss %.4f, %lld samples\n")), cli_part_title(r->judged),
               LABEL - cli_width(cli_part_title(r->judged)), "", cli_paint(&c->out, CLI_BOLD),
               cli_scores_text(&r->scores, scores), cli_paint(&c->out, CLI_PLAIN), r->scores.loss, (long long)r->scores.n);
    printf(_(N_("time       %s, %s samples/s\n")), cli_seconds(r->seconds, time), cli_quantity(r->samples_per_second, rate));
    if (!r->run)
        return;
    printf(_(N_("run        %s\n")), r->run);
    cli_note(c, _(N_("next       nilu eval %s")), r->run);
}

static nilu_status finish(session *s, nilu_status status, const nilu_train_result *r)
{
    cli *c = s->c;
    cli_progress_clear(&s->bar);
    if (status == NILU_E_CANCELLED) {
        if (c->json)
            result_json(s, r);
        return r->run ? cli_fail(c, status, _(N_("interrupted after step %lld; continue with: nilu train --resume %s")),
                                 (long long)r->steps, r->run)
                      : cli_fail(c, status, _(N_("interrupted after step %lld; nothing was kept, as --no-run asked")), (long long)r->steps);
    }
    if (status != NILU_OK)
        return status;
    if (c->json)
        return result_json(s, r);
    result_text(s, r);
    return NILU_OK;
}

/* The data to train on: opened here, so that reading is timed apart. A resumed run opens its own, unless it was moved. */
static nilu_status open_data(session *s, const struct train *t, const char *where, nilu_data_options *o, nilu_data **data)
{
    cli *c = s->c;
    double before = base_now();
    nilu_status status = NILU_OK;
    if (t->resume) {
        nilu_run *run = NULL;
        NILU_TRY(nilu_run_open(c->nl, t->resume, &run));
        *o = nilu_run_about(run)->opened;
        o->data_dir = c->data_dir;
        o->cache_dir = c->cache_dir;
        status = where ? nilu_data_open(c->nl, where, o, data) : nilu_run_data(run, NULL, o, data);
        nilu_run_free(run); /* the texts in *o go with it */
        *o = (nilu_data_options)NILU_DATA_DEFAULT;
    } else {
        status = cli_data_options(c, &t->reading, o);
        if (status == NILU_OK)
            status = cli_open_data(c, &t->reading, where, data);
    }
    s->data = *data ? nilu_data_about(*data) : NULL;
    s->opened = base_now() - before;
    return status;
}

/* What is trained of the model, and what is left as it is. */
static nilu_status adapt(cli *c, const struct train *t, nilu_data *data, nilu_model **model)
{
    if (t->train_norms && (!*model || !nilu_model_train_norms(*model, true)))
        return cli_fail(c, NILU_E_USAGE, _(N_("train: --train-norms is for an ONNX model with BatchNormalization, which this is not; exporters "
                                              "fold them into convolutions unless they are told to write the net for training")));
    if (!t->freeze)
        return NILU_OK;
    if (!*model)
        NILU_TRY(nilu_model_for(c->nl, data, model));
    return nilu_model_freeze(*model, t->freeze);
}

/* What the parameters begin with: the weights of a run, where their names and shapes are the same. *store NULL: the model's own. */
static nilu_status begin_from(cli *c, const char *folder, const nilu_data *data, nilu_model **model, nilu_store **store)
{
    nilu_run *run = NULL;
    nilu_store *have = NULL;
    nilu_graph *g = NULL;
    nilu_tensor **p = NULL;
    int n = 0, taken = 0;
    const cli_network of_run = {.model = folder};
    nilu_status status = nilu_run_open(c->nl, folder, &run);
    if (status == NILU_OK)
        status = nilu_run_store(run, NILU_MODEL, &have);
    if (status == NILU_OK && !*model)
        status = cli_open_model(c, &of_run, model);
    if (status == NILU_OK)
        status = cli_parameters(c, *model, data, &g, &p, &n);
    if (status == NILU_OK && !(*store = nilu_store_new(c->nl)))
        status = NILU_E_NO_MEMORY;
    for (int i = 0; i < n && status == NILU_OK; i++) {
        const nilu_value *v = nilu_store_find(have, p[i]->node->name);
        if (!v || !base_same_shape(v->shape, p[i]->shape))
            continue;
        taken++;
        status = nilu_store_put(*store, NILU_PARAM, v->name, v->dtype, v->shape, v->data);
    }
    if (status == NILU_OK && !taken)
        status = cli_fail(c, NILU_E_VERIFY, _(N_("train: no parameter of the model has the name and shape of one of %s")), folder);
    else if (status == NILU_OK && taken < n)
        cli_note(c, _(N_("from       %s: %d of %d parameters; the others begin anew")), folder, taken, n);
    else if (status == NILU_OK)
        cli_note(c, _(N_("from       %s: all %d parameters")), folder, n);
    base_free(c->nl, p);
    nilu_graph_free(g);
    nilu_store_free(have);
    nilu_run_free(run);
    return status;
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    const struct train *t = settings;
    session s = {.c = c, .bar = {.screen = &c->err}, .drawing = t->drawing, .augment = t->augment};
    nilu_data *data = NULL;
    nilu_model *model = NULL;
    nilu_store *weights = NULL;
    nilu_data_options opened;
    nilu_train_result result = {0};
    if (n == 0 && !t->resume)
        return cli_fail(c, NILU_E_USAGE, _(N_("train: which data? Name a file or a set, as in: nilu train digits")));
    NILU_TRY(check_resume(c, t));
    cli_signals_catch();
    nilu_status status = cli_open_model(c, &t->network, &model);
    if (status == NILU_OK)
        status = open_data(&s, t, operand[0], &opened, &data);
    if (status == NILU_OK && t->from)
        status = begin_from(c, t->from, data, &model, &weights);
    if (status == NILU_OK && !t->resume)
        status = adapt(c, t, data, &model);
    if (status == NILU_OK) {
        nilu_train_options o = options_of(t);
        o.where = operand[0];
        o.weights = weights;
        o.opened = &opened;
        o.on_start = on_start;
        o.on_step = c->err.terminal && !c->quiet && !c->json ? on_step : NULL;
        o.on_epoch = on_epoch;
        o.on_alarm = on_alarm;
        o.blind = t->no_alarms;
        o.on_profile = t->profile || t->drawing ? on_profile : NULL;
        o.user = &s;
        o.stop = cli_signal();
        s.called = base_now();
        status = t->resume ? nilu_resume(c->nl, t->resume, data, &o, &result)
                           : nilu_train(c->nl, model, data, &o, &result);
        status = finish(&s, status == NILU_OK ? s.profiled : status, &result);
    }
    nilu_train_result_free(c->nl, &result);
    nilu_store_free(weights);
    nilu_model_free(model);
    nilu_data_free(data);
    return status;
}

/* ---- the rows */

static const char *precision_name(int i)
{
    return i == 0 ? "f32" : i == 1 ? "bf16" : NULL;
}

static const char *const story[] = {
    N_("DATA is a set that comes with nilu or was brought by nilu data get (digits, mnist), a folder of IDX files, a table (CSV, "
       "TSV, also with .gz), or a NumPy array (.npy). What is not said is found out: the delimiter, the header, types of "
       "columns, whether classes or numbers are to be predicted, the network's size, how long to train. What was decided is told."),
    N_("A run folder keeps the settings, a line an epoch, the weights and checkpoints. Ctrl-C or SIGTERM ends a training so that "
       "--resume continues it to the very same bits; a second Ctrl-C ends it at once, and the last checkpoint holds."),
    NULL,
};

static const cli_operand operands[] = {
    {"DATA", CLI_DATA, N_("what to learn: the name of a set, a file or a folder"), .optional = true},
    {0},
};

#define AT(field) offsetof(struct train, field)
static const cli_option options[] = {
    {"model", 'm', "FILE", CLI_FILE, AT(network.model), N_("model file in YAML or ONNX, the folder of a run whose model is wanted, or a name of nilu model list"), .usual = N_("a network that suits the data"), .group = N_("Network")},
    CLI_NETWORK_ROWS(struct train),
    {"from", 0, "RUN", CLI_FOLDER, AT(from), N_("begin with the weights of this run, and with its network unless another is named; what has another shape begins anew")},
    {"freeze", 0, "NAMES", CLI_WORD, AT(freeze), N_("parameters that are not trained: patterns of names, as in \"conv*\" or, for all but fc, \"*, !fc\"")},
    {"train-norms", 0, NULL, CLI_FLAG, AT(train_norms), N_("normalisations of an ONNX model learn the statistics of the data, rather than keep those that they came with")},
    {"loss", 0, "NAME", CLI_CHOICE, AT(loss), N_("what is made small"), .usual = N_("cross_entropy for classes, mse for numbers"), .choice = nilu_loss_name},
    {"epochs", 'e', "N", CLI_WHOLE, AT(epochs), N_("times that all samples are seen"), .usual = N_("by the size of the data"), .group = N_("Training"), .low = 1, .high = 1e9},
    {"steps", 0, "N", CLI_WHOLE, AT(steps), N_("end after this many steps, whatever the epochs"), .low = 1, .high = 1e15},
    {"batch", 'b', "N", CLI_WHOLE, AT(batch), N_("samples of a step"), .usual = N_("by the size of the data"), .low = 1, .high = 1e9},
    {"optimizer", 'O', "NAME", CLI_CHOICE, AT(optimizer), N_("how weights follow the gradient"), .usual = "adam", .choice = nilu_optimizer_name},
    {"lr", 'l', "RATE", CLI_NUMBER, AT(lr), N_("learning rate"), .usual = N_("by the optimizer; adam 0.001"), .low = 0, .high = 1e30},
    {"momentum", 0, "SHARE", CLI_NUMBER, AT(momentum), N_("share of the last update that goes on"), .usual = N_("by the optimizer; momentum 0.9"), .low = 0, .high = 1},
    {"schedule", 0, "NAME", CLI_CHOICE, AT(schedule), N_("how the learning rate changes"), .usual = N_("one that suits"), .choice = nilu_schedule_name},
    {"warmup", 0, "N", CLI_WHOLE, AT(warmup), N_("updates in which the rate first rises in a straight line"), .low = 0, .high = 1e12},
    {"weight-decay", 0, "RATE", CLI_NUMBER, AT(decay), N_("pull of weights towards zero"), .usual = N_("by the optimizer; adam 0"), .low = 0, .high = 1e6},
    {"clip-norm", 0, "NORM", CLI_NUMBER, AT(clip_norm), N_("gradients whose common norm is larger are scaled down to it"), .low = 0, .high = 1e30},
    {"clip-value", 0, "VALUE", CLI_NUMBER, AT(clip_value), N_("each number of a gradient is kept within plus and minus this"), .low = 0, .high = 1e30},
    {"ema", 0, "DECAY", CLI_NUMBER, AT(ema), N_("judge and keep the weights' averages, which forget at this rate: 0.99 is about the last hundred updates"), .usual = N_("the weights themselves"), .low = 0, .high = 0.9999999},
    {"label-smoothing", 0, "SHARE", CLI_NUMBER, AT(smoothing), N_("share of the truth that training spreads over all classes"), .usual = "0", .low = 0, .high = 0.9999999},
    {"accumulate", 0, "N", CLI_WHOLE, AT(accumulate), N_("steps whose mean gradient makes one update"), .usual = "1", .low = 1, .high = 1e6},
    {"precision", 0, "NAME", CLI_CHOICE, AT(precision), N_("of the operands of products; sums, weights and updates stay f32"), "f32", .choice = precision_name},
    {"augment", 0, "WORDS", CLI_WORD, AT(augment), N_("pictures change in each epoch: some of flip, altflip, crop N, translate N, cutout N, colour S, mixup A, separated by commas")},
    {"patience", 0, "N", CLI_WHOLE, AT(patience), N_("epochs without a new lowest validation loss before it stops early; 0: never"), .usual = N_("by the epochs"), .low = 0, .high = 1e9},
    CLI_READING_ROWS(struct train),
    {"out", 'o', "RUN", CLI_FOLDER, AT(out), N_("folder of the run, which must not exist yet"), .usual = N_("a new one in runs, named after the data"), .group = N_("Run")},
    {"runs", 0, "FOLDER", CLI_FOLDER, AT(runs), N_("folder in which new runs are made"), "runs"},
    {"no-run", 0, NULL, CLI_FLAG, AT(no_run), N_("keep nothing")},
    {"resume", 'r', "RUN", CLI_FOLDER, AT(resume), N_("go on with this run from its last checkpoint")},
    {"every", 0, "SECONDS", CLI_NUMBER, AT(every), N_("write a checkpoint at least so often"), "30", .low = 0, .high = 1e9},
    {"every-steps", 0, "N", CLI_WHOLE, AT(every_steps), N_("and after every N steps"), .usual = N_("not by steps"), .low = 1, .high = 1e15},
    {"snapshots", 0, "N", CLI_WHOLE, AT(snapshots), N_("keep copies of the weights at N steps from the first to the last, evenly on a logarithmic scale"), .usual = N_("8 where each takes at most 32 MiB"), .low = 0, .high = 1000},
    {"no-alarms", 0, NULL, CLI_FLAG, AT(no_alarms), N_("do not watch gradients, updates and units; saves a fiftieth of the time, and changes no weight")},
    {"profile", 0, NULL, CLI_FLAG, AT(profile), N_("show where the time of a step goes, and how near each instruction comes to what this machine can do")},
    {"profile-svg", 0, "FILE", CLI_FILE, AT(drawing), N_("and draw it: forward, backward and update in the order in which they run")},
    {0},
};

static const cli_field fields[] = {
    {"start", "run", "text", N_("folder of the run; null: nothing is kept")},
    {"start", "loss", "text", N_("name of the loss")},
    {"start", "optimizer", "text", N_("name of the optimizer")},
    {"start", "lr", "number", N_("learning rate before the schedule")},
    {"start", "epochs", "number", N_("epochs that are planned")},
    {"start", "batch", "number", N_("samples of a step")},
    {"start", "steps", "number", N_("steps that are planned")},
    {"start", "samples", "number", N_("samples of the training part")},
    {"start", "validation", "number", N_("samples of the validation part")},
    {"start", "params", "number", N_("trained numbers")},
    {"start", "seed", "number", N_("seed of the run")},
    {"start", "done", "number", N_("steps done before, of a resumed run")},
    {"epoch", "epoch", "number", N_("epochs done")},
    {"epoch", "step", "number", N_("steps done")},
    {"epoch", "loss", "number", N_("mean loss of the epoch's samples as they were met")},
    {"epoch", "rate", "number", N_("learning rate of its last step")},
    {"epoch", "seconds", "number", N_("of training and validation so far")},
    {"epoch", "samples_per_second", "number", N_("of its training steps")},
    {"epoch", "best", "truth", N_("its validation loss is the lowest so far")},
    {"epoch", "validation", "object", N_("loss, and accuracy or rmse, mae and r2; empty without validation part")},
    {"alarm", "code", "text", N_("what is wrong")},
    {"alarm", "level", "text", "note, warning, fault"},
    {"alarm", "step", "number", N_("step at which it was seen; 0: before training")},
    {"alarm", "where", "text", N_("parameter, layer or column; else empty")},
    {"alarm", "value", "number", N_("what was measured")},
    {"alarm", "limit", "number", N_("what it should have stayed within")},
    {"alarm", "evidence", "text", N_("that in words")},
    {"alarm", "cause", "text", N_("where it comes from")},
    {"alarm", "remedy", "text", N_("what to do")},
    {"profile", "steps", "number", N_("steps that were measured; with --profile")},
    {"profile", "step_seconds", "number", N_("of a step, the mean")},
    {"profile", "peak_flops", "number", N_("f32 multiply-adds on registers, in operations a second")},
    {"profile", "peak_bytes", "number", N_("read from and written to memory a second")},
    {"profile", "profile", "objects", N_("of each instruction, as they run: place, value, op, kernel, phase, seconds, flops, bytes, of_roofline")},
    {"result", "run", "text", N_("folder of the run; null: nothing was kept")},
    {"result", "ending", "text", "finished, stopped_early, interrupted"},
    {"result", "part", "text", N_("the part that the following scores are of: test, else validation, else train")},
    {"result", "loss", "number", N_("mean loss")},
    {"result", "accuracy", "number", N_("share that is right, from 0 to 1; of classes")},
    {"result", "rmse", "number", N_("root mean squared error, in the target's units; of numbers")},
    {"result", "mae", "number", N_("mean absolute error; of numbers")},
    {"result", "r2", "number", N_("share of the variance that is explained; of numbers")},
    {"result", "weights", "text", N_("SHA-256 of all weights: equal for equal runs")},
    {"result", "epochs", "number", N_("epochs done")},
    {"result", "steps", "number", N_("steps done")},
    {"result", "best_epoch", "number", N_("epoch that the weights are of; 0: the last step")},
    {"result", "train_loss", "number", N_("mean loss of the last epoch's training samples")},
    {"result", "seconds", "number", N_("of training and validation, interruptions not counted")},
    {"result", "samples_per_second", "number", N_("of all training steps")},
    {"result", "startup_ms", "number", N_("milliseconds from the start of the process to the start of training, without data_ms")},
    {"result", "data_ms", "number", N_("milliseconds that opening the data took")},
    {"result", "first_step_ms", "number", N_("milliseconds from the start of the process to the end of the first step, without data_ms")},
    {0},
};

static const cli_example examples[] = {
    {"nilu train digits", N_("the handwritten digits that come with nilu")},
    {"nilu train titanic.csv --target Survived", N_("a table")},
    {"nilu train mnist --hidden 512,512 --epochs 10 --schedule onecycle", N_("a larger network, for longer")},
    {"nilu train mnist --layers \"512 relu, dropout 0.2, 512 relu\" --optimizer adamw", N_("layers in words")},
    {"nilu train flowers --size 64 --model resnet.yaml --augment \"flip, crop 4\"", N_("pictures in a folder for each class, changed in each epoch")},
    {"nilu train photos --model resnet18.onnx --freeze \"*, !fc\"", N_("the head alone of a net from elsewhere")},
    {"nilu train mnist --model lenet5", N_("a network that comes with nilu")},
    {"nilu train photos --from runs/imported-1 --lr 0.0003", N_("go on with the weights of another run")},
    {"nilu train --resume runs/mnist-1", N_("go on after an interruption")},
    {0},
};

const cli_command command_train = {
    .name = "train", .about = N_("Trains a network on a data set and keeps the run in a folder"), .story = story,
    .operands = operands, .options = options, .common = CLI_JSON | CLI_QUIET | CLI_THREADS | CLI_SEED, .fields = fields,
    .examples = examples, .run = run,
};
