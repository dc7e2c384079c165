/* The health of a run that is there: what was told while it was trained, what its data and its weights say now, and, where it
 * diverged, which number was the first to go. */
#include "forensics/health.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

typedef struct taking {
    nilu *nl;
    nilu_health *h;
    int cap;
    nilu_status status;
} taking;

static void add(void *user, const nilu_alarm *a)
{
    taking *t = user;
    for (int i = 0; i < t->h->alarms; i++)
        if (strcmp(t->h->alarm[i].code, a->code) == 0)
            return;
    if (t->status == NILU_OK)
        t->status = base_grow(t->nl, &t->h->alarm, &t->cap, t->h->alarms + 1, sizeof *t->h->alarm);
    if (t->status == NILU_OK)
        t->h->alarm[t->h->alarms++] = *a;
}

/* ---- what was told */

static double real(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static void read_line(taking *t, const char *line, size_t n)
{
    json_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
    const char *code = json_string_value(json_object_get(o, "alarm")), *where = json_string_value(json_object_get(o, "where")),
               *evidence = json_string_value(json_object_get(o, "evidence"));
    bool known = false;
    for (int i = 0; code && nilu_alarm_code(i); i++)
        known |= strcmp(code, nilu_alarm_code(i)) == 0;
    if (json_is_object(o) && !code)
        t->h->looks++;
    if (known && where && evidence) {
        nilu_alarm a = train_alarm(code, json_integer_value(json_object_get(o, "step")));
        snprintf(a.where, sizeof a.where, "%s", where);
        snprintf(a.evidence, sizeof a.evidence, "%s", evidence);
        a.value = real(o, "value");
        a.limit = real(o, "limit");
        add(t, &a);
    }
    json_decref(o);
}

static nilu_status read_told(taking *t, const char *folder)
{
    char *text;
    size_t n;
    NILU_TRY(record_health_read(t->nl, folder, &text, &n));
    for (size_t at = 0; text && at < n;) {
        const char *end = memchr(text + at, '\n', n - at);
        if (!end)
            break;
        read_line(t, text + at, (size_t)(end - text) - at);
        at = (size_t)(end - text) + 1;
    }
    base_free(t->nl, text);
    return t->status;
}

/* ---- how the weights are now: three looks at other samples */

#define LOOKED_AT 256
static nilu_status look(taking *t, const nilu_run *run, nilu_data *data, nilu_store *store)
{
    const nilu_run_info *i = nilu_run_about(run);
    const nilu_data_info *about = nilu_data_about(data);
    int64_t n = about->count[NILU_TRAIN] < LOOKED_AT ? about->count[NILU_TRAIN] : LOOKED_AT;
    train_watch w;
    train_loader l = {0};
    nilu_status status = train_watch_new(t->nl, about, i->options.loss, store, &w);
    train_net net = {.nl = t->nl, .model = nilu_run_model(run), .data = about, .store = store, .loss = i->options.loss,
                     .mode = TRAIN_WATCH, .watch = &w};
    if (status == NILU_OK)
        status = train_loader_start(data, i->seed, n, 0, 0, NULL, &l);
    for (int k = 0; k < 3 && status == NILU_OK; k++) {
        const train_batch *b;
        nilu_plan *plan;
        status = train_loader_next(&l, &b);
        if (status == NILU_OK && b->n < n)
            break;
        if (status == NILU_OK)
            status = train_net_plan(&net, n, &plan);
        if (status == NILU_OK)
            status = train_net_feed(&net, plan, b);
        if (status == NILU_OK)
            status = train_watch_look(&w, plan);
        if (status != NILU_OK)
            break;
        train_watch_after(&w);
        w.step = i->steps;
        train_unit_alarms(&w, add, t);
    }
    train_loader_stop(&l);
    train_net_clear(&net);
    train_watch_free(&w);
    return status == NILU_OK ? t->status : status;
}

/* ---- labels: of answers with a probability below `RARE` a calibrated network is right that often, and not much more */

#define RARE 0.01
#define SUSPECT 0.04 /* share of the samples, and five times what the probabilities allow */
static nilu_status labels(taking *t, const nilu_run *run, nilu_data *data, nilu_store *store)
{
    const nilu_data_info *d = nilu_data_about(data);
    nilu_part part = d->count[NILU_TEST] > d->count[NILU_VALIDATION] ? NILU_TEST : NILU_VALIDATION;
    int64_t n = d->count[part] < 5000 ? d->count[part] : 5000, rare = 0, k = d->outputs;
    double allowed = 0;
    nilu_predictor *p = NULL;
    for (int i = 0; i < t->h->alarms; i++) /* which would explain it */
        if (t->h->alarm[i].level != NILU_NOTE && strcmp(t->h->alarm[i].code, "nothing_learnt") != 0)
            return NILU_OK;
    if (d->task != NILU_TASK_CLASSES || n < 50 || strcmp(nilu_run_about(run)->options.loss, "cross_entropy") != 0)
        return NILU_OK;
    float *said = base_calloc(t->nl, (size_t)n, (size_t)k * sizeof *said), *x = base_calloc(t->nl, (size_t)n, (size_t)d->features * sizeof *x);
    int32_t *label = base_calloc(t->nl, (size_t)n, sizeof *label);
    nilu_status status = said && x && label ? nilu_predictor_new(t->nl, nilu_run_model(run), store, data, NULL, &p) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = nilu_predict(p, part, NULL, n, said);
    if (status == NILU_OK)
        status = nilu_data_batch(data, part, NULL, n, x, label, NULL);
    for (int64_t i = 0; i < n && status == NILU_OK; i++) {
        rare += label[i] >= 0 && said[i * k + label[i]] < RARE;
        for (int64_t c = 0; c < k; c++)
            allowed += said[i * k + c] < RARE ? said[i * k + c] : 0;
    }
    double share = (double)rare / (double)n;
    if (status == NILU_OK && share > SUSPECT && (double)rare > 5 * allowed) {
        nilu_alarm a = train_alarm("wrong_labels", nilu_run_about(run)->steps);
        a.value = share;
        a.limit = allowed / (double)n;
        snprintf(a.evidence, sizeof a.evidence,
                 base_text(N_("%.1f %% of the labels were given less than 1 in 100; by its own probabilities it should be %.1f %%")), 100 * share,
                 100 * allowed / (double)n);
        add(t, &a);
    }
    nilu_predictor_free(p);
    base_free(t->nl, said);
    base_free(t->nl, x);
    base_free(t->nl, label);
    return status == NILU_OK ? t->status : status;
}

/* ---- all of it */

#define SURVEYED_NOW 30000000
static nilu_status examine(taking *t, const nilu_run *run, const nilu_health_options *o)
{
    const nilu_run_info *i = nilu_run_about(run);
    nilu_data *data = NULL;
    nilu_store *store = NULL;
    train_survey s;
    NILU_TRY(read_told(t, i->path));
    nilu_status status = nilu_run_data(run, NULL, o->opened, &data);
    if (status == NILU_OK)
        status = train_survey_take(data, SURVEYED_NOW, &s);
    if (status == NILU_OK)
        train_survey_alarms(nilu_data_about(data), &s, add, t);
    nilu_status has = status == NILU_OK ? nilu_run_store(run, NILU_MODEL, &store) : status;
    status = has == NILU_E_NO_MEMORY ? has : status;
    if (status == NILU_OK && has == NILU_OK)
        status = look(t, run, data, store);
    if (status == NILU_OK && has == NILU_OK)
        status = labels(t, run, data, store);
    if (status == NILU_OK && i->ending == NILU_DIVERGED && !o->no_replay)
        status = health_first_fault(t->nl, run, data, &t->h->fault);
    nilu_store_free(store);
    nilu_data_free(data);
    return status == NILU_OK ? t->status : status;
}

nilu_status nilu_health_of(nilu *nl, const char *folder, const nilu_health_options *options, nilu_health *out)
{
    nilu_health_options o = NILU_HEALTH_DEFAULT;
    taking t = {.nl = nl, .h = out};
    nilu_run *run = NULL;
    *out = (nilu_health){0};
    if (options)
        o = *options;
    if (o.size != sizeof o)
        return base_fail(nl, NILU_E_USAGE, N_("nilu_health_of: options.size is not sizeof(nilu_health_options); start from NILU_HEALTH_DEFAULT"));
    double begin = base_now();
    nilu_status status = nilu_run_open(nl, folder, &run);
    if (status == NILU_OK)
        status = examine(&t, run, &o);
    nilu_run_free(run);
    out->seconds = base_now() - begin;
    if (status != NILU_OK)
        nilu_health_free(nl, out);
    return status;
}

void nilu_health_free(nilu *nl, nilu_health *h)
{
    base_free(nl, h->alarm);
    h->alarm = NULL;
    h->alarms = 0;
}
