/* The loop. What a step depends on is in job->store and job->at alone; the rest is clocks and things to be told. */
#include "train/train.h"

#include <math.h>
#include <string.h>
#include <time.h>

nilu_status train_copy_values(nilu_store *to, const nilu_store *from, unsigned kinds)
{
    for (int i = 0; i < nilu_store_count(from); i++) {
        const nilu_value *v = nilu_store_at(from, i);
        if (kinds & 1u << v->kind)
            NILU_TRY(nilu_store_put(to, v->kind, v->name, v->dtype, v->shape, v->data));
    }
    return NILU_OK;
}

nilu_status train_average(train_job *j)
{
    const char *scope = j->info->options.optimizer.scope;
    nilu_status status = NILU_OK;
    for (int i = 0; j->averages && i < nilu_store_count(j->store) && status == NILU_OK; i++) {
        const nilu_value *v = nilu_store_at(j->store, i), *ema;
        if (v->kind != NILU_PARAM)
            continue;
        char *name = base_format(j->nl, "%s/%s/ema", scope, v->name);
        if (!name)
            return NILU_E_NO_MEMORY;
        ema = nilu_store_find(j->store, name); /* none of what does not change */
        base_free(j->nl, name);
        status = nilu_store_put(j->averages, NILU_PARAM, v->name, v->dtype, v->shape, ema && ema->bytes == v->bytes ? ema->data : v->data);
    }
    return status;
}

static double seconds(const train_job *j)
{
    return j->at.seconds + base_now() - j->resumed_at;
}

/* ---- being watched */

static void tell(void *user, const nilu_alarm *a)
{
    train_job *j = user;
    char line[1600];
    record_health(&j->folder, line, train_alarm_line(a, line, sizeof line));
    if (j->told->on_alarm)
        j->told->on_alarm(j->told->user, a);
}

/* After the first step, so that nobody waits for it. */
static nilu_status open_watch(train_job *j)
{
    train_survey s;
    const nilu_train_options *o = &j->info->options;
    nilu_plan *plan;
    NILU_TRY(train_watch_new(j->nl, j->about, o->loss, j->store, &j->watch));
    j->watch.steps = j->steps;
    j->watch.partial = o->optimizer.accumulate > 1;
    j->watching = j->net;
    j->watching.mode = TRAIN_WATCH;
    j->watching.watch = &j->watch;
    j->watching.plans = j->watching.oldest = 0;
    memset(j->watching.plan, 0, sizeof j->watching.plan); /* those are not its own */
    NILU_TRY(train_net_plan(&j->watching, o->batch, &plan));
    NILU_TRY(train_survey_take(j->data, SURVEYED, &s));
    if (s.looked && j->about->task == NILU_TASK_CLASSES && !isnan(j->watch.guess))
        j->watch.guess = s.entropy;
    if (j->at.step == 1)
        train_survey_alarms(j->about, &s, tell, j);
    return NILU_OK;
}

static nilu_status look(train_job *j, const train_batch *b)
{
    nilu_plan *plan;
    NILU_TRY(train_net_plan(&j->watching, b->n, &plan));
    NILU_TRY(train_net_feed(&j->watching, plan, b));
    return train_watch_look(&j->watch, plan);
}

static nilu_status looked(train_job *j)
{
    char line[16384];
    j->watch.recent_loss = j->at.loss_sum / (double)j->at.loss_n;
    j->watch.step = j->at.step;
    train_watch_after(&j->watch);
    NILU_TRY(record_health(&j->folder, line, train_watch_line(&j->watch, line, sizeof line)));
    train_alarms(&j->watch, NAN, tell, j);
    return NILU_OK;
}

/* ---- trouble */

static nilu_status diverged(train_job *j, const char *what)
{
    const nilu_optimizer_options *o = &j->info->options.optimizer;
    bool kept = j->folder.path && j->saved_step >= 0;
    j->ending = NILU_DIVERGED;
    if (!j->told->blind) {
        nilu_alarm a = train_alarm("not_finite", j->at.step);
        snprintf(a.evidence, sizeof a.evidence, "%s", what);
        tell(j, &a);
    }
    return base_fail(j->nl, NILU_E_NOT_FINITE,
                     N_("training diverged: %s at epoch %lld, step %lld; try a lower learning rate (lr is %g), or clip the gradients "
                        "(clip_norm=1)%s%s"), what, (long long)j->at.epoch + (j->at.batch > 0),
                     (long long)j->at.step, o->lr,
                     kept ? base_text(N_("; the last good checkpoint is in ")) : "", kept ? j->folder.path : "");
}

/* A loss can still be finite when the update that came after it was not. */
static nilu_status check_values(train_job *j)
{
    char what[300];
    for (int i = 0; i < nilu_store_count(j->store); i++) {
        const nilu_value *v = nilu_store_at(j->store, i);
        int64_t n = base_count(v->shape);
        if (v->kind != NILU_PARAM)
            continue;
        float sum = 0; /* 0 · x is 0 if x is finite, else NaN: a loop that runs at memory speed */
        const float *f = v->dtype == NILU_F32 ? v->data : NULL;
        for (int64_t k = 0; f && k < n; k++)
            sum += f[k] * 0.0f;
        if (f && sum == 0)
            continue;
        for (int64_t k = 0; k < n; k++)
            if (!isfinite(base_load(v->dtype, v->data, k))) {
                snprintf(what, sizeof what, base_text(N_("number %lld of %.200s became infinite or not a number")), (long long)k, v->name);
                return diverged(j, what);
            }
    }
    return NILU_OK;
}

/* ---- keeping */

/* The best first: the last checkpoint speaks of it. */
static nilu_status save(train_job *j)
{
    NILU_TRY(check_values(j));
    if (!j->folder.path || j->saved_step == j->at.step)
        return NILU_OK;
    double begin = base_now();
    record_position at = j->at;
    at.seconds = seconds(j);
    if (j->best_unsaved)
        NILU_TRY(record_checkpoint(&j->folder, RECORD_BEST, j->best, &j->best_at));
    j->best_unsaved = false;
    NILU_TRY(record_checkpoint(&j->folder, RECORD_LAST, j->store, &at));
    j->saved_step = at.step;
    j->saved = base_now();
    j->saving = j->saved - begin;
    return NILU_OK;
}

#define SAVING_SHARE 20 /* an epoch's end is worth a checkpoint if writing takes less than 1/20 of the time */

static bool worth_saving(const train_job *j, bool epoch_end)
{
    double since = base_now() - (j->saved_step >= 0 ? j->saved : j->resumed_at);
    int64_t every = j->told->checkpoint_steps;
    if (!j->folder.path)
        return false;
    if (every && j->at.step % every == 0)
        return true;
    return since >= j->told->checkpoint_seconds || (epoch_end && since >= SAVING_SHARE * j->saving);
}

/* Snapshot i of n is of step total^(i / (n - 1)), rounded. */
static bool snapshot_due(const train_job *j)
{
    int n = j->info->options.snapshots;
    for (int i = 0; i < n; i++) {
        double share = n > 1 ? (double)i / (n - 1) : 1;
        if (llround(pow((double)j->steps, share)) == j->at.step)
            return true;
    }
    return false;
}

/* ---- an epoch ends */

static nilu_status keep_best(train_job *j)
{
    unsigned kinds = j->folder.path ? NILU_PARAMS | NILU_STATES : NILU_PARAMS;
    if (!j->best && !(j->best = nilu_store_new(j->nl)))
        return NILU_E_NO_MEMORY;
    j->best_unsaved = true;
    j->best_at = j->at;
    j->best_at.seconds = seconds(j);
    NILU_TRY(train_copy_values(j->best, j->store, kinds));
    return j->averages ? train_copy_values(j->best, j->averages, NILU_PARAMS) : NILU_OK;
}

static bool patience_is_over(const train_job *j)
{
    int64_t patience = j->info->options.patience;
    return patience && j->at.bad >= patience;
}

static nilu_status end_epoch(train_job *j, double rate, bool *go_on)
{
    record_position *at = &j->at;
    nilu_epoch e = {.epoch = ++at->epoch, .step = at->step, .loss = at->loss_sum / (double)at->loss_n, .rate = rate};
    at->batch = 0;
    at->last_loss = e.loss;
    at->loss_sum = 0;
    at->loss_n = 0;
    if (j->judge) {
        NILU_TRY(train_average(j));
        NILU_TRY(train_judge(j->judge, NILU_VALIDATION, &j->sums));
        e.validation = train_sums_scores(&j->sums, j->about);
        e.best = e.validation.loss < at->best_loss;
        at->bad = e.best ? 0 : at->bad + 1;
        if (e.best) {
            at->best_loss = e.validation.loss;
            at->best_epoch = at->epoch;
            NILU_TRY(keep_best(j));
        }
        if (patience_is_over(j))
            j->ending = NILU_STOPPED_EARLY;
    }
    e.bad = at->bad;
    e.seconds = seconds(j);
    e.samples_per_second = j->epoch_stepping > 0 ? (double)j->epoch_stepped / j->epoch_stepping : 0;
    j->epoch_stepping = 0;
    j->epoch_stepped = 0;
    NILU_TRY(record_epoch(&j->folder, &e));
    if (j->watching.plans) {
        j->watch.step = at->step;
        train_alarms(&j->watch, e.loss, tell, j);
    }
    *go_on = !j->told->on_epoch || j->told->on_epoch(j->told->user, &e);
    return NILU_OK;
}

/* ---- a step */

static nilu_status take_step(train_job *j, nilu_progress *p)
{
    const train_batch *b;
    nilu_plan *plan;
    record_position *at = &j->at;
    double begin = base_now();
    NILU_TRY(train_loader_next(&j->loader, &b));
    NILU_TRY(train_net_plan(&j->net, b->n, &plan));
    NILU_TRY(train_net_feed(&j->net, plan, b));
    bool profiled = j->profile && b->n == j->info->options.batch;
    bool watched = j->watching.plans && b->n == j->info->options.batch && train_watch_due(at->step);
    if (watched)
        NILU_TRY(look(j, b));
    NILU_TRY(profiled ? nilu_profile_step(plan, j->profile) : nilu_step(plan));
    j->profiled += profiled;
    double loss = *(const float *)nilu_fetched(plan, 0), now = base_now();
    if (j->first_step == 0)
        j->first_step = now - j->called;
    j->stepping += now - begin;
    j->epoch_stepping += now - begin;
    j->stepped += b->n;
    j->epoch_stepped += b->n;
    at->step++;
    at->batch++;
    if (!isfinite(loss))
        return diverged(j, isnan(loss) ? base_text(N_("the loss is not a number")) : base_text(N_("the loss is infinite")));
    at->loss_sum += loss * (double)b->n;
    at->loss_n += b->n;
    *p = (nilu_progress){.epoch = at->epoch + 1,
                         .step = at->step,
                         .batch = b->n,
                         .loss = loss,
                         .mean_loss = at->loss_sum / (double)at->loss_n,
                         .rate = *(const double *)nilu_fetched(plan, 1),
                         .seconds = now - j->called,
                         .samples_per_second = (double)j->epoch_stepped / j->epoch_stepping,
                         .epoch_ends = at->batch == j->epoch_steps || at->step == j->steps,
                         .store = j->store};
    if (watched)
        return looked(j);
    if (j->watching.plans || j->told->blind)
        return NILU_OK;
    NILU_TRY(open_watch(j));
    if (at->step == 1)
        j->watch.first_loss = loss;
    return NILU_OK;
}

static nilu_status interrupted(train_job *j)
{
    j->ending = NILU_INTERRUPTED;
    NILU_TRY(save(j));
    return base_fail(j->nl, NILU_E_CANCELLED, N_("training was interrupted at epoch %lld, step %lld of %lld; %s"),
                     (long long)j->at.epoch + (j->at.batch > 0), (long long)j->at.step, (long long)j->steps,
                     j->folder.path ? base_text(N_("go on with --resume")) : base_text(N_("nothing was recorded")));
}

nilu_status train_loop(train_job *j, bool go_on)
{
    const nilu_train_options *told = j->told;
    j->ending = patience_is_over(j) && j->at.batch == 0 ? NILU_STOPPED_EARLY : NILU_FINISHED;
    j->resumed_at = base_now();
    if (told->weights) /* or nobody could go on from the beginning */
        NILU_TRY(save(j));
    while (j->at.step < j->steps && j->ending == NILU_FINISHED) {
        nilu_progress p;
        if (!go_on || (told->stop && *told->stop))
            return interrupted(j);
        NILU_TRY(take_step(j, &p));
        go_on = !told->on_step || told->on_step(told->user, &p);
        if (snapshot_due(j))
            NILU_TRY(record_snapshot(&j->folder, j->store, j->at.step));
        if (p.epoch_ends) {
            bool wish = true;
            NILU_TRY(end_epoch(j, p.rate, &wish));
            go_on &= wish;
        }
        if (worth_saving(j, p.epoch_ends))
            NILU_TRY(save(j));
    }
    return save(j);
}
