/* A run from its beginning, or from its last checkpoint, to its end: what is needed is made, the loop runs, the model that
 * came out is judged and kept. */
#include "nn/nn.h"
#include "train/train.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- setting up */

/* The values that parameters begin with, where the model does not say it. */
static nilu_status begin_with(train_job *j)
{
    const nilu_store *weights = j->told->weights;
    for (int i = 0; weights && i < nilu_store_count(weights); i++) {
        const nilu_value *v = nilu_store_at(weights, i);
        if (v->kind == NILU_PARAM)
            NILU_TRY(nilu_store_put(j->store, v->kind, v->name, v->dtype, v->shape, v->data));
    }
    return weights ? NILU_OK : train_whiten(j->nl, j->model, j->data, j->store);
}

static nilu_status start_job(train_job *j, nilu_store *store)
{
    const nilu_train_options *o = &j->info->options;
    nilu_plan *plan;
    j->store = store ? store : nilu_store_new(j->nl);
    if (!j->store)
        return NILU_E_NO_MEMORY;
    if (!store)
        NILU_TRY(begin_with(j));
    j->epoch_steps = train_epoch_steps(j->about, o);
    j->steps = train_steps(j->about, o);
    j->net = (train_net){.nl = j->nl,
                         .model = j->model,
                         .data = j->about,
                         .store = j->store,
                         .loss = o->loss,
                         .optimizer = &o->optimizer,
                         .mode = TRAIN_LEARN,
                         .smoothing = o->label_smoothing,
                         .bf16 = o->bf16,
                         .mixes = train_mixes(j->data, o->augment),
                         .complete = store != NULL};
    if (o->optimizer.ema > 0 && !(j->averages = nilu_store_new(j->nl)))
        return NILU_E_NO_MEMORY;
    NILU_TRY(train_net_plan(&j->net, o->batch, &plan));
    if (!j->told->on_profile)
        return NILU_OK;
    nilu_plan_summary summary;
    nilu_plan_summarise(plan, &summary);
    j->profile = base_calloc(j->nl, (size_t)summary.instructions + 1, sizeof *j->profile);
    return j->profile ? NILU_OK : NILU_E_NO_MEMORY;
}

static nilu_status start_loop(train_job *j)
{
    const nilu_run_info *i = j->info;
    if (j->about->count[NILU_VALIDATION]) {
        NILU_TRY(nilu_predictor_new(j->nl, j->model, j->averages ? j->averages : j->store, j->data, i->options.loss, &j->judge));
        NILU_TRY(train_sums_new(j->nl, j->about, false, &j->sums));
    }
    return train_loader_start(j->data, i->seed, i->options.batch, j->at.epoch, j->at.batch, i->options.augment, &j->loader);
}

static bool announce(train_job *j)
{
    const nilu_train_options *o = &j->info->options;
    nilu_plan_summary summary;
    if (!j->told->on_start)
        return true;
    nilu_plan_summarise(j->net.plan[0].plan, &summary);
    nilu_train_about about = {.run = j->folder.path,
                              .loss = o->loss,
                              .optimizer = o->optimizer,
                              .epochs = o->epochs,
                              .batch = o->batch,
                              .patience = o->patience,
                              .epoch_steps = j->epoch_steps,
                              .steps = j->steps,
                              .samples = j->about->count[NILU_TRAIN],
                              .validation = j->about->count[NILU_VALIDATION],
                              .params = summary.params + j->net.frozen,
                              .trained = summary.params,
                              .measured = j->net.measured,
                              .seed = j->info->seed,
                              .model = j->model,
                              .plan = j->net.plan[0].plan,
                              .done = j->at.step,
                              .seconds = base_now() - j->called};
    return j->told->on_start(j->told->user, &about);
}

static void free_job(train_job *j)
{
    train_loader_stop(&j->loader);
    nilu_predictor_free(j->judge);
    train_net_clear(&j->net);
    train_net_clear(&j->watching);
    train_watch_free(&j->watch);
    base_free(j->nl, j->profile);
    train_sums_free(j->nl, &j->sums);
    nilu_store_free(j->best);
    nilu_store_free(j->averages);
    nilu_store_free(j->store);
    record_close(&j->folder);
}

/* ---- the end */

/* Judges the weights in j->store on the part that says most. */
static nilu_status judge(train_job *j, nilu_train_result *r)
{
    const int64_t *count = j->about->count;
    double begin = base_now();
    train_sums sums = {0};
    nilu_predictor *p = j->judge;
    r->judged = count[NILU_TEST] ? NILU_TEST : count[NILU_VALIDATION] ? NILU_VALIDATION : NILU_TRAIN;
    nilu_status status =
        p ? NILU_OK : nilu_predictor_new(j->nl, j->model, j->store, j->data, j->info->options.loss, &p);
    j->judge = p;
    if (status == NILU_OK)
        status = train_sums_new(j->nl, j->about, false, &sums);
    if (status == NILU_OK)
        status = train_judge(p, r->judged, &sums);
    if (status == NILU_OK)
        r->scores = train_sums_scores(&sums, j->about);
    train_sums_free(j->nl, &sums);
    r->score_seconds = base_now() - begin;
    return status;
}

static void fill_result(const train_job *j, nilu_train_result *r)
{
    r->ending = j->ending;
    r->epochs = j->at.epoch;
    r->steps = j->at.step;
    r->best_epoch = j->at.best_epoch;
    r->loss = j->at.last_loss;
    r->seconds = j->at.seconds;
    r->first_step = j->first_step;
    r->samples_per_second = j->stepping > 0 ? (double)j->stepped / j->stepping : 0;
    nilu_store_hash(j->store, NILU_PARAM, r->weights);
}

static nilu_status note_result(train_job *j, const nilu_train_result *r)
{
    nilu_run_info *i = j->info;
    i->ending = r->ending;
    i->epochs = r->epochs;
    i->steps = r->steps;
    i->best_epoch = r->best_epoch;
    i->seconds = r->seconds;
    i->scores = r->scores;
    i->judged = r->judged;
    i->weights = r->weights;
    return record_result(&j->folder, i);
}

static nilu_status finish(train_job *j, nilu_train_result *r)
{
    if (j->averages) { /* from here on the trained weights are not needed */
        NILU_TRY(train_average(j));
        NILU_TRY(train_copy_values(j->store, j->averages, NILU_PARAMS));
        nilu_predictor_free(j->judge);
        j->judge = NULL;
    }
    if (j->best)
        NILU_TRY(train_copy_values(j->store, j->best, NILU_PARAMS));
    fill_result(j, r);
    NILU_TRY(record_model(&j->folder, j->info->model, j->store));
    NILU_TRY(judge(j, r));
    return note_result(j, r);
}

/* Runs the loop, and brings what came of it into *r; the first error is the one that is told. */
static nilu_status run_job(train_job *j, nilu_train_result *r)
{
    nilu *nl = j->nl;
    char sentence[sizeof nl->message];
    NILU_TRY(start_loop(j));
    j->ran = true;
    double before = j->at.seconds;
    nilu_status status = train_loop(j, announce(j));
    j->at.seconds = before + base_now() - j->resumed_at;
    if (j->profile)
        j->told->on_profile(j->told->user, j->net.plan[0].plan, j->profiled, j->profile);
    if (status == NILU_OK)
        return finish(j, r);
    memcpy(sentence, nl->message, sizeof sentence);
    if (status == NILU_E_NOT_FINITE && j->best)
        train_copy_values(j->store, j->best, NILU_PARAMS);
    fill_result(j, r);
    if (status == NILU_E_NOT_FINITE)
        note_result(j, r);
    memcpy(nl->message, sentence, sizeof sentence);
    nl->status = status;
    return status;
}

static void hand_over(train_job *j, const nilu_train_result *r, nilu_train_result *result)
{
    if (result) {
        *result = *r;
        result->run = j->folder.path;
        j->folder.path = NULL;
        if (j->ran) {
            result->store = j->store;
            j->store = NULL;
        }
    }
}

void nilu_train_result_free(nilu *nl, nilu_train_result *r)
{
    base_free(nl, r->run);
    nilu_store_free(r->store);
    r->run = NULL;
    r->store = NULL;
}

static nilu_train_result no_result(const nilu_data_info *data)
{
    return (nilu_train_result){.ending = NILU_INTERRUPTED,
                               .loss = NAN,
                               .scores = {data ? data->task : NILU_TASK_NONE, 0, NAN, NAN, NAN, NAN, NAN}};
}

/* ---- a new run */

/* The texts that a run's description is made of. */
typedef struct texts {
    char *model, *encoder;
    char identity[65], begun[65], where[PATH_MAX], target[PATH_MAX];
} texts;

/* A path as it is from everywhere; names of sets and columns stay as they are. */
static const char *absolute(const char *where, char path[PATH_MAX])
{
    for (int i = 0; nilu_data_catalogue(i); i++)
        if (strcmp(nilu_data_catalogue(i)->name, where) == 0)
            return where;
    return realpath(where, path) ? path : where;
}

static bool kept_as_text(const char *text)
{
    return data_is_utf8(text, strlen(text));
}

static void describe_data(train_job *j, texts *t)
{
    nilu_run_info *i = j->info;
    const nilu_train_options *told = j->told;
    const nilu_data_info *d = j->about;
    i->where = "";
    i->opened = (nilu_data_options)NILU_DATA_DEFAULT;
    if (told->opened)
        i->opened = *told->opened;
    if (told->where && kept_as_text(told->where) && !i->opened.encoder)
        i->where = absolute(told->where, t->where);
    if (i->opened.target && strcmp(d->format, "csv") != 0)
        i->opened.target = absolute(i->opened.target, t->target);
    i->data = d->name;
    i->fingerprint = d->fingerprint;
    i->task = d->task;
    i->features = d->features;
    i->outputs = d->outputs;
    i->samples = d->count[NILU_TRAIN];
}

static nilu_status describe(train_job *j, texts *t)
{
    nilu_run_info *i = j->info;
    i->version = NILU_VERSION;
    i->arithmetic = i->options.bf16 ? "bf16" : "f32";
    i->seed = j->nl->options.seed;
    describe_data(j, t);
    t->model = nilu_model_text(j->model);
    t->encoder = t->model ? nilu_data_encoder_text(j->data) : NULL;
    if (!t->encoder)
        return NILU_E_NO_MEMORY;
    i->model = t->model;
    i->encoder = t->encoder;
    i->identity = t->identity;
    if (j->told->weights) {
        nilu_store_hash(j->told->weights, NILU_PARAM, t->begun);
        i->options.begun = t->begun;
    }
    return record_identity(j->nl, i, t->identity);
}

/* As many as forensics asks for, where they take little room. */
static int usual_snapshots(const train_job *j)
{
    enum { USUAL = 8, ROOM = 32 << 20 };
    size_t bytes = 0;
    for (int i = 0; i < nilu_store_count(j->store); i++)
        if (nilu_store_at(j->store, i)->kind == NILU_PARAM)
            bytes += nilu_store_at(j->store, i)->bytes;
    return (j->told->out || j->told->runs) && bytes <= ROOM ? USUAL : 0;
}

static nilu_status train_new(train_job *j, texts *t, nilu_train_result *r)
{
    NILU_TRY(train_resolve(j->nl, j->model, j->data, j->told, &j->info->options));
    NILU_TRY(start_job(j, NULL));
    if (j->info->options.snapshots < 0)
        j->info->options.snapshots = usual_snapshots(j);
    NILU_TRY(describe(j, t));
    NILU_TRY(record_create(j->nl, j->told->out, j->told->runs, j->info, j->model, &j->folder));
    return run_job(j, r);
}

/* A model from a file, as the run will know it: the name of the copy, its hash, and the loss that its end is for. */
static nilu_status as_kept(nilu_model *own, const nilu_data_info *data, const nilu_train_options *o)
{
    const char *loss;
    NILU_TRY(train_loss(own->nl, data, o->loss ? o->loss : own->loss, &loss));
    NILU_TRY(nn_for_loss(own, loss));
    return io_model_for_run(own);
}

nilu_status nilu_train(nilu *nl, const nilu_model *model, nilu_data *data, const nilu_train_options *options,
                       nilu_train_result *result)
{
    static const nilu_train_options none = NILU_TRAIN_DEFAULT;
    nilu_run_info info = {.options = NILU_TRAIN_DEFAULT};
    train_job j = {.nl = nl,
                   .data = data,
                   .about = nilu_data_about(data),
                   .told = options ? options : &none,
                   .info = &info,
                   .called = base_now(),
                   .saved_step = -1,
                   .folder = {.nl = nl, .lock = -1, .journal = -1}};
    nilu_train_result r = no_result(j.about);
    nilu_model *own = NULL;
    texts *t = base_calloc(nl, 1, sizeof *t);
    nilu_status status = t ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK && !model)
        status = nilu_model_for(nl, data, &own);
    if (status == NILU_OK && model)
        status = nn_for_pictures(model, j.about->height, j.about->width, j.about->channels, j.about->planes, &own);
    if (status == NILU_OK && own && own->path)
        status = as_kept(own, j.about, j.told);
    j.model = own ? own : model;
    j.at = (record_position){.last_loss = NAN, .best_loss = INFINITY};
    if (status == NILU_OK)
        status = train_new(&j, t, &r);
    hand_over(&j, &r, result);
    free_job(&j);
    nilu_model_free(own);
    if (t) {
        base_free(nl, t->model);
        base_free(nl, t->encoder);
        base_free(nl, t);
    }
    return status;
}

/* ---- going on */

static nilu_status wrong_position(train_job *j)
{
    return base_fail(j->nl, NILU_E_VERIFY,
                     N_("%s/" RECORD_LAST ": its position in the data cannot be (epoch %lld, batch %lld, step "
                        "%lld); was it changed?"),
                     j->folder.path, (long long)j->at.epoch, (long long)j->at.batch, (long long)j->at.step);
}

/* Is the position one that the loop can have been at, and the one that the values are of? */
static nilu_status check_position(train_job *j)
{
    const record_position *p = &j->at;
    const nilu_value *step = nilu_store_find(j->store, "step");
    bool partial = p->step == j->steps && p->batch == 0; /* the last epoch may be cut short */
    if (p->batch >= j->epoch_steps || p->epoch > j->info->options.epochs || p->step > j->steps ||
        p->best_epoch > p->epoch || p->bad > p->epoch || !(p->seconds >= 0) ||
        (!partial && p->epoch * j->epoch_steps + p->batch != p->step) || (p->batch > 0) != (p->loss_n > 0) || !step ||
        step->dtype != NILU_I64 || step->bytes != sizeof(int64_t) || *(const int64_t *)step->data != p->step)
        return wrong_position(j);
    return NILU_OK;
}

static nilu_status load_best(train_job *j)
{
    record_position p;
    if (!j->at.best_epoch)
        return NILU_OK;
    j->best = nilu_store_new(j->nl);
    if (!j->best)
        return NILU_E_NO_MEMORY;
    NILU_TRY(record_checkpoint_read(j->nl, j->folder.path, RECORD_BEST, j->info->identity, NILU_PARAMS | NILU_STATES,
                                    j->best, &p));
    if (p.best_epoch == j->at.best_epoch)
        return NILU_OK;
    if (p.best_epoch < j->at.best_epoch)
        return base_fail(j->nl, NILU_E_VERIFY,
                         N_("%s/" RECORD_BEST ": is of epoch %lld, but the best was %lld; put back the file that "
                            "was here"),
                         j->folder.path, (long long)p.best_epoch, (long long)j->at.best_epoch);
    /* It was written just before the run was broken off; the epoch is run again, and gives the same. */
    nilu_store_free(j->best);
    j->best = NULL;
    return NILU_OK;
}

static nilu_status load_last(train_job *j, nilu_store **store)
{
    nilu_status status = record_checkpoint_read(j->nl, j->folder.path, RECORD_LAST, j->info->identity,
                                                NILU_PARAMS | NILU_STATES, *store, &j->at);
    if (status == NILU_E_FILE_NOT_FOUND) { /* it never came to a checkpoint: from the beginning */
        nilu_store_free(*store);
        *store = NULL;
        return NILU_OK;
    }
    return status;
}

static nilu_status go_on(train_job *j, nilu_train_result *r)
{
    nilu_store *store = nilu_store_new(j->nl);
    nilu_status status = store ? load_last(j, &store) : NILU_E_NO_MEMORY;
    if (status != NILU_OK) {
        nilu_store_free(store);
        return status;
    }
    bool begun = store != NULL;
    if (!begun && j->info->options.begun && *j->info->options.begun)
        return base_fail(j->nl, NILU_E_FILE_NOT_FOUND, N_("%s: stopped before its first checkpoint, which has the weights that it began "
                                                          "with; start it anew"), j->info->path);
    NILU_TRY(start_job(j, store));
    if (begun)
        NILU_TRY(check_position(j));
    NILU_TRY(load_best(j));
    NILU_TRY(record_journal_open(&j->folder, j->at.epoch));
    NILU_TRY(record_health_reopen(&j->folder, j->at.step));
    if (begun)
        j->saved_step = j->at.step;
    j->saved = base_now();
    return run_job(j, r);
}

/* The model of a run that has ended is judged again; nothing of the run changes. */
static nilu_status judge_ended(train_job *j, const nilu_run *run, nilu_train_result *r)
{
    const nilu_run_info *i = j->info;
    nilu_epoch last;
    NILU_TRY(nilu_run_store(run, NILU_MODEL, &j->store));
    j->ran = true;
    j->ending = i->ending;
    j->at.epoch = i->epochs;
    j->at.step = i->steps;
    j->at.best_epoch = i->best_epoch;
    j->at.seconds = i->seconds;
    for (int k = 0; nilu_run_epoch(run, k, &last); k++)
        j->at.last_loss = last.loss;
    fill_result(j, r);
    return judge(j, r);
}

static nilu_status resume(train_job *j, const nilu_run *run, nilu_train_result *r)
{
    nilu_train_options *o = &j->info->options;
    if (strcmp(j->about->fingerprint, j->info->fingerprint) != 0 || j->about->count[NILU_TRAIN] != j->info->samples)
        return base_fail(j->nl, NILU_E_VERIFY,
                         N_("%s: these are not the data that the run was started with (fingerprint %s, not %s)"),
                         j->about->name, j->about->fingerprint, j->info->fingerprint);
    if (!o->patience)
        o->patience = -1;
    NILU_TRY(
        train_resolve(j->nl, j->model, j->data, o, o)); /* what a hostile file says is checked as all options are */
    NILU_TRY(record_reopen(j->nl, j->info, &j->folder));
    return j->info->ended ? judge_ended(j, run, r) : go_on(j, r);
}

nilu_status nilu_resume(nilu *nl, const char *path, nilu_data *data, const nilu_train_options *options,
                        nilu_train_result *result)
{
    static const nilu_train_options none = NILU_TRAIN_DEFAULT;
    nilu_run *run = NULL;
    nilu_data *own = NULL;
    train_job j = {.nl = nl,
                   .told = options ? options : &none,
                   .called = base_now(),
                   .saved_step = -1,
                   .folder = {.nl = nl, .lock = -1, .journal = -1}};
    nilu_train_result r = no_result(NULL);
    nilu_run_info info;
    uint64_t seed = nl->options.seed;
    nilu_status status = nilu_run_open(nl, path, &run);
    if (status == NILU_OK && !data)
        status = nilu_run_data(run, NULL, j.told->opened, &own);
    if (status == NILU_OK) {
        info = *nilu_run_about(run);
        j.info = &info;
        j.data = data ? data : own;
        j.about = nilu_data_about(j.data);
        j.model = nilu_run_model(run);
        j.at = (record_position){.last_loss = NAN, .best_loss = INFINITY};
        r = no_result(j.about);
        nl->options.seed = info.seed;
        status = resume(&j, run, &r);
        nl->options.seed = seed;
    }
    hand_over(&j, &r, result);
    free_job(&j);
    nilu_run_free(run);
    nilu_data_free(own);
    return status;
}
