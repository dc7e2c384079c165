/* A remedy is tried: the run is forked. Its settings are changed as its alarms advise, a new run is trained in a folder of
 * its own, and both are judged by the same part. The old run is only read. */
#include "forensics/health.h"

#include <math.h>
#include <string.h>

enum { LESS_RATE = 1, SANE_RATE = 2, CLIP = 4, NO_INIT = 8, RELU = 16, LEAKY = 32 };

static const struct {
    const char *code;
    unsigned what;
} advice[] = {{"initial_loss", NO_INIT},          {"symmetry", NO_INIT},         {"no_gradient", NO_INIT | LEAKY},
              {"frozen", SANE_RATE},              {"vanishing_gradient", NO_INIT | RELU | SANE_RATE},
              {"exploding_gradient", NO_INIT | CLIP}, {"update_too_large", LESS_RATE}, {"update_too_small", SANE_RATE},
              {"worse_than_guessing", LESS_RATE | CLIP}, {"dead_units", NO_INIT | LEAKY | LESS_RATE}, {"saturated_units", NO_INIT},
              {"not_finite", LESS_RATE | CLIP | NO_INIT}, {"nothing_learnt", SANE_RATE}};

/* A rate that suits most networks. */
static double sane_rate(const char *optimizer)
{
    static const struct {
        const char *name;
        double rate;
    } rates[] = {{"sgd", 0.05}, {"momentum", 0.01}, {"nesterov", 0.01}, {"adagrad", 0.01}, {"adadelta", 1}, {"lion", 3e-4}};
    for (size_t i = 0; i < COUNT(rates); i++)
        if (strcmp(rates[i].name, optimizer) == 0)
            return rates[i].rate;
    return 2e-3;
}

static unsigned advised(const nilu_health *h)
{
    unsigned what = 0;
    for (int i = 0; i < h->alarms; i++)
        for (size_t k = 0; k < COUNT(advice); k++)
            if (strcmp(h->alarm[i].code, advice[k].code) == 0)
                what |= advice[k].what;
    return what;
}

/* ---- the model's text: words are left out or put for others */

static void without(char *text, const char *word) /* " init=zeros" up to the next blank or end of line */
{
    for (char *p; (p = strstr(text, word)) != NULL;) {
        size_t n = strlen(word) + strcspn(p + strlen(word), " \n");
        memmove(p, p + n, strlen(p + n) + 1);
    }
}

static nilu_status put_for(nilu *nl, char **text, const char *word, const char *other)
{
    base_buffer b = {0};
    const char *p = *text;
    nilu_status status = NILU_OK;
    for (const char *hit; status == NILU_OK && (hit = strstr(p, word)) != NULL; p = hit + strlen(word)) {
        status = base_append(nl, &b, p, (size_t)(hit - p));
        char after = hit[strlen(word)];
        bool whole = after == ' ' || after == '\n' || after == 0;
        if (status == NILU_OK)
            status = base_append(nl, &b, whole ? other : word, strlen(whole ? other : word));
    }
    if (status == NILU_OK)
        status = base_append(nl, &b, p, strlen(p));
    if (status != NILU_OK) {
        base_free(nl, b.at);
        return status;
    }
    base_free(nl, *text);
    *text = b.at;
    return NILU_OK;
}

static void note(nilu_remedy *r, const char *what)
{
    size_t n = strlen(r->change);
    snprintf(r->change + n, sizeof r->change - n, "%s%s", n ? ", " : "", what);
}

static nilu_status change_model(nilu *nl, char **text, unsigned what, nilu_remedy *r)
{
    if (what & NO_INIT && (strstr(*text, " init=") || strstr(*text, "\ninit:") || strncmp(*text, "init:", 5) == 0)) {
        without(*text, " init=");
        char *top = strncmp(*text, "init:", 5) == 0 ? *text : strstr(*text, "\ninit:");
        if (top) {
            char *line = top + (*top == '\n');
            size_t n = strcspn(line, "\n");
            memmove(line, line + n + (line[n] == '\n'), strlen(line + n + (line[n] == '\n')) + 1);
        }
        note(r, base_text(N_("the layers' own init")));
    } else if (what & NO_INIT && what & LEAKY && strstr(*text, " relu")) {
        NILU_TRY(put_for(nl, text, " relu", " leaky_relu"));
        note(r, base_text(N_("leaky_relu for relu")));
    }
    if (what & RELU && (strstr(*text, " sigmoid") || strstr(*text, " tanh"))) {
        NILU_TRY(put_for(nl, text, " sigmoid", " relu"));
        NILU_TRY(put_for(nl, text, " tanh", " relu"));
        note(r, base_text(N_("relu for functions that saturate")));
    }
    return NILU_OK;
}

static void change_options(nilu_train_options *o, unsigned what, bool init_changed, nilu_remedy *r)
{
    char words[64];
    double sane = sane_rate(o->optimizer.name), lr = o->optimizer.lr;
    bool high = lr > sane;
    if (what & LESS_RATE && (high || !init_changed))
        o->optimizer.lr = fmin(lr / 10, sane);
    else if (what & SANE_RATE && lr < sane)
        o->optimizer.lr = sane;
    if (o->optimizer.lr != lr) {
        o->optimizer.side_lr = NILU_UNSET;
        snprintf(words, sizeof words, base_text(N_("learning rate %g for %g")), o->optimizer.lr, lr);
        note(r, words);
    }
    if (what & CLIP && !(o->optimizer.clip_norm > 0)) {
        o->optimizer.clip_norm = 1;
        note(r, "clip_norm 1");
    }
}

/* ---- the fork */

static nilu_status judge_old(nilu *nl, const nilu_run *run, nilu_data *data, nilu_remedy *r)
{
    const nilu_run_info *i = nilu_run_about(run);
    const nilu_data_info *d = nilu_data_about(data);
    nilu_store *store = NULL;
    nilu_predictor *p = NULL;
    nilu_evaluation e = {0};
    r->part = d->count[NILU_TEST] ? NILU_TEST : d->count[NILU_VALIDATION] ? NILU_VALIDATION : NILU_TRAIN;
    r->before = (nilu_scores){.task = i->task, .loss = INFINITY, .accuracy = NAN, .rmse = NAN, .mae = NAN, .r2 = NAN};
    nilu_status status = i->ending == NILU_DIVERGED ? NILU_E_NOT_FINITE : nilu_run_store(run, NILU_MODEL, &store);
    if (status != NILU_OK) /* there is nothing to be judged */
        return status == NILU_E_NO_MEMORY ? status : NILU_OK;
    status = nilu_predictor_new(nl, nilu_run_model(run), store, data, i->options.loss, &p);
    if (status == NILU_OK)
        status = nilu_evaluate(p, r->part, &e);
    if (status == NILU_OK)
        r->before = e.scores;
    nilu_evaluation_free(nl, &e);
    nilu_predictor_free(p);
    nilu_store_free(store);
    return status;
}

static nilu_status fork_run(nilu *nl, const nilu_run *run, nilu_data *data, unsigned what, const nilu_remedy_options *o, char **text,
                            nilu_remedy *r)
{
    const nilu_run_info *i = nilu_run_about(run);
    nilu_train_options t = i->options;
    nilu_model *model = NULL;
    nilu_train_result result = {0};
    *text = base_strdup(nl, i->model);
    if (!*text)
        return NILU_E_NO_MEMORY;
    NILU_TRY(change_model(nl, text, what, r));
    change_options(&t, what, *r->change != 0, r);
    if (!*r->change)
        return base_fail(nl, NILU_E_UNSUPPORTED, N_("%s: none of its alarms has a remedy that can be tried by changing settings; see what they advise"), i->path);
    t.out = o->out;
    t.runs = o->out ? NULL : o->runs;
    t.where = *i->where ? i->where : NULL;
    t.opened = &i->opened;
    t.stop = o->stop;
    t.steps = o->steps ? o->steps : t.steps;
    t.patience = t.patience ? t.patience : -1;
    t.checkpoint_seconds = 30;
    t.on_start = NULL;
    t.on_step = NULL;
    t.on_epoch = NULL;
    t.on_alarm = NULL;
    t.on_profile = NULL;
    NILU_TRY(io_model_read(nl, *text, strlen(*text), i->path, i->path, &model));
    nilu_status status = nilu_train(nl, model, data, &t, &result);
    r->diverged = status == NILU_E_NOT_FINITE;
    r->after = result.scores;
    if (r->diverged)
        r->after.loss = INFINITY;
    r->run = result.run;
    result.run = NULL;
    nilu_train_result_free(nl, &result);
    nilu_model_free(model);
    return r->diverged ? NILU_OK : status;
}

nilu_status nilu_health_remedy(nilu *nl, const char *folder, const nilu_health *h, const nilu_remedy_options *options, nilu_remedy *r)
{
    nilu_remedy_options o = NILU_REMEDY_DEFAULT;
    nilu_run *run = NULL;
    nilu_data *data = NULL;
    char *text = NULL;
    uint64_t seed = nl->options.seed;
    *r = (nilu_remedy){0};
    if (options)
        o = *options;
    if (o.size != sizeof o)
        return base_fail(nl, NILU_E_USAGE, N_("nilu_health_remedy: options.size is not sizeof(nilu_remedy_options); start from NILU_REMEDY_DEFAULT"));
    nilu_status status = nilu_run_open(nl, folder, &run);
    if (status == NILU_OK)
        status = nilu_run_data(run, NULL, o.opened, &data);
    if (status == NILU_OK) {
        nl->options.seed = nilu_run_about(run)->seed;
        status = judge_old(nl, run, data, r);
    }
    if (status == NILU_OK)
        status = fork_run(nl, run, data, advised(h), &o, &text, r);
    nl->options.seed = seed;
    r->better = status == NILU_OK && isfinite(r->after.loss) && r->after.loss < 0.95 * r->before.loss;
    base_free(nl, text);
    nilu_data_free(data);
    nilu_run_free(run);
    return status;
}
