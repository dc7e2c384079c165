/* Alarms: what is wrong with a training, from what the watch saw. A rule is a few lines with its limit beside it; limits were
 * set between 20 healthy and 20 sick trainings (script/sick), wide of both where there was room. Each code is told once. */
#include "train/train.h"

#include <math.h>
#include <string.h>

typedef struct row {
    const char *code;
    nilu_alarm_level level;
    const char *cause, *remedy;
} row;

enum {
    INITIAL_LOSS, SYMMETRY, NO_GRADIENT, FROZEN, VANISHING, EXPLODING, UPDATE_LARGE, UPDATE_SMALL, WORSE_THAN_GUESS, DEAD_UNITS,
    SATURATED_UNITS, NOT_FINITE, NOTHING_LEARNT, CONSTANT_COLUMNS, UNSHUFFLED, OVERLAP, SCALE, IMBALANCE, WRONG_LABELS, CODES
};

static const row rows[CODES] = {
    [INITIAL_LOSS] = {"initial_loss", NILU_WARNING,
                      N_("the initial weights are too large: the network is sure of answers that it cannot know"),
                      N_("leave init out, so that each layer gets weights that suit its activation")},
    [SYMMETRY] = {"symmetry", NILU_FAULT,
                  N_("all units of the layer start equal, so they get equal gradients and stay one unit for ever"),
                  N_("leave init out: random weights tell units apart")},
    [NO_GRADIENT] = {"no_gradient", NILU_FAULT,
                     N_("no error comes back to it: all weights or all units behind it are zero"),
                     N_("leave init out; look for dead units in the layer behind it")},
    [FROZEN] = {"frozen", NILU_FAULT,
                N_("its gradient is not zero, but its update is: the learning rate is 0, or so small that rounding swallows the update"),
                N_("raise the learning rate; the optimizer's default is a good start")},
    [VANISHING] = {"vanishing_gradient", NILU_FAULT,
                   N_("on the way back through many saturating layers, or small weights, the error is multiplied by small numbers again and again"),
                   N_("use relu with its own init (leave init out), or fewer layers")},
    [EXPLODING] = {"exploding_gradient", NILU_FAULT,
                   N_("on the way back the error is multiplied by large weights again and again"),
                   N_("leave init out, clip the gradients (clip_norm=1), lower the learning rate")},
    [UPDATE_LARGE] = {"update_too_large", NILU_WARNING,
                      N_("the learning rate is too high: an update changes the weights by as much as they are"),
                      N_("lower the learning rate ten times")},
    [UPDATE_SMALL] = {"update_too_small", NILU_WARNING,
                      N_("the learning rate is too low: the weights hardly move"),
                      N_("raise the learning rate; the optimizer's default is a good start")},
    [WORSE_THAN_GUESS] = {"worse_than_guessing", NILU_FAULT,
                          N_("the updates overshoot: the learning rate is too high"),
                          N_("lower the learning rate ten times, and clip the gradients (clip_norm=1)")},
    [DEAD_UNITS] = {"dead_units", NILU_WARNING,
                    N_("their sums are negative for every sample, so relu gives 0 and passes no error back: too high a learning rate, or a bad init, has pushed them there"),
                    N_("lower the learning rate, leave init out, or use leaky_relu")},
    [SATURATED_UNITS] = {"saturated_units", NILU_WARNING,
                         N_("their sums are so large that the function is flat: it passes almost no error back"),
                         N_("leave init out, lower the learning rate, or use relu")},
    [NOT_FINITE] = {"not_finite", NILU_FAULT,
                    N_("a number grew beyond what f32 can hold"),
                    N_("lower the learning rate ten times, and clip the gradients (clip_norm=1)")},
    [NOTHING_LEARNT] = {"nothing_learnt", NILU_WARNING,
                        N_("the network answers no better than who knows the classes' shares alone: it cannot learn, or the labels have nothing to do with the samples"),
                        N_("look at some samples and their labels; then at the learning rate and at the width of the network")},
    [CONSTANT_COLUMNS] = {"constant_columns", NILU_NOTE,
                          N_("a column that never changes says nothing; often it was written or read wrongly"),
                          N_("leave it out (--ignore), or mend it")},
    [UNSHUFFLED] = {"unshuffled", NILU_NOTE,
                    N_("the file is sorted by the target; a part that is cut off its end would miss classes"),
                    N_("nothing need be done: nilu shuffles each epoch and gives each part its share of every class")},
    [OVERLAP] = {"overlap", NILU_WARNING,
                 N_("samples that are judged by are also learnt from, so the scores are too good"),
                 N_("remove samples that occur twice before the parts are divided")},
    [SCALE] = {"scale", NILU_WARNING,
               N_("features are of very different size, so that few of them rule the gradient: they were not normalised one by one, or there are outliers"),
               N_("store features as a table, whose columns are normalised each for itself; look at the largest values")},
    [IMBALANCE] = {"imbalance", NILU_WARNING,
                   N_("nearly all samples are of one class: answering it always looks good and is worth nothing"),
                   N_("judge by macro F1 instead of accuracy; collect more of the rare class, or weigh it more")},
    [WRONG_LABELS] = {"wrong_labels", NILU_WARNING,
                      N_("for more samples than its own probabilities allow the network is sure of another class than the label"),
                      N_("look at these samples: nilu eval RUN --mistakes 20 lists them")},
};

const char *nilu_alarm_code(int i)
{
    return i >= 0 && i < CODES ? rows[i].code : NULL;
}

nilu_alarm train_alarm(const char *code, int64_t step)
{
    const row *r = rows;
    while (r < rows + CODES - 1 && strcmp(r->code, code) != 0)
        r++;
    return (nilu_alarm){.code = r->code, .level = r->level, .step = step, .cause = base_text(r->cause), .remedy = base_text(r->remedy)};
}

static size_t quoted(const char *text, char *out, size_t room)
{
    size_t at = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p && at + 8 < room; p++) {
        if (*p < 32 || *p == '"' || *p == '\\')
            at += (size_t)snprintf(out + at, room - at, "\\u%04x", *p);
        else
            out[at++] = (char)*p;
    }
    out[at] = 0;
    return at;
}

size_t train_alarm_line(const nilu_alarm *a, char *out, size_t room)
{
    char where[600], evidence[700];
    quoted(a->where, where, sizeof where);
    quoted(a->evidence, evidence, sizeof evidence);
    size_t n = (size_t)snprintf(out, room, "{\"alarm\": \"%s\", \"step\": %lld, \"where\": \"%s\", \"value\": %.9g, \"limit\": %.9g, \"evidence\": \"%s\"}\n",
                                a->code, (long long)a->step, where, isfinite(a->value) ? a->value : 1e308,
                                isfinite(a->limit) ? a->limit : 1e308, evidence);
    return n < room ? n : room - 1;
}

/* ---- rules */

typedef struct teller {
    train_watch *w;
    void (*tell)(void *user, const nilu_alarm *a);
    void *user;
} teller;

static void raise_alarm(const teller *t, int code, const char *where, double value, double limit, const char *format, ...)
    NILU_FORMAT(6, 7);
static void raise_alarm(const teller *t, int code, const char *where, double value, double limit, const char *format, ...)
{
    if (t->w && t->w->told >> code & 1)
        return;
    if (t->w)
        t->w->told |= (uint64_t)1 << code;
    nilu_alarm a = train_alarm(rows[code].code, t->w ? t->w->step : 0);
    va_list args;
    snprintf(a.where, sizeof a.where, "%s", where);
    a.value = value;
    a.limit = limit;
    va_start(args, format);
    vsnprintf(a.evidence, sizeof a.evidence, base_text(format), args);
    va_end(args);
    t->tell(t->user, &a);
}

static bool told(const train_watch *w, int code)
{
    return w->told >> code & 1;
}

static bool is_matrix(const watch_param *p)
{
    return p->value && p->value->shape.rank >= 2;
}

static double root_mean(const watch_param *p)
{
    return p->gradient / sqrt((double)base_count(p->value->shape));
}

#define FIRST_LOSS 2.0 /* times what weights that know nothing give, and one more; healthy: below 1.6 times */
static void check_first_loss(const teller *t)
{
    const train_watch *w = t->w;
    double limit = (w->classes ? FIRST_LOSS : 10 * FIRST_LOSS) * w->expected + 1;
    if (w->first_loss > limit)
        raise_alarm(t, INITIAL_LOSS, "", w->first_loss, limit,
                    N_("the loss of the first step is %.4g, where weights that know nothing give about %.4g"), w->first_loss, w->expected);
}

/* Are all columns of w [in, out] the same? */
static bool all_alike(const nilu_value *v)
{
    int64_t out = v->shape.dim[v->shape.rank - 1], n = base_count(v->shape);
    const float *f = v->data;
    if (v->dtype != NILU_F32 || v->shape.rank != 2 || out < 2)
        return false;
    for (int64_t i = 0; i < n; i++)
        if (f[i] != f[i - i % out])
            return false;
    return true;
}

static void check_symmetry(const teller *t)
{
    int last = -1;
    for (int i = 0; i < t->w->params; i++)
        if (is_matrix(&t->w->param[i]))
            last = i;
    for (int i = 0; i < last; i++) /* of the last, zeros are a choice */
        if (is_matrix(&t->w->param[i]) && all_alike(t->w->param[i].value))
            raise_alarm(t, SYMMETRY, t->w->param[i].value->name, 1, 0, N_("%.90s: all units have the same weights"),
                        t->w->param[i].value->name);
}

#define LOOKS 3
static void check_gradients(const teller *t)
{
    train_watch *w = t->w;
    const watch_param *first = NULL, *largest = NULL, *last = NULL;
    for (int i = 0; i < w->params; i++) {
        const watch_param *p = &w->param[i];
        if (!is_matrix(p))
            continue;
        last = p;
        first = first ? first : p;
        if (p->gradient > 0 && (!largest || root_mean(p) > root_mean(largest)))
            largest = p;
        if (p->silent >= LOOKS && !told(w, SYMMETRY) && !told(w, DEAD_UNITS) && !told(w, SATURATED_UNITS))
            raise_alarm(t, NO_GRADIENT, p->value->name, 0, 0, N_("%.90s: its gradient was 0 at %d looks in a row"), p->value->name, p->silent);
        if (p->before && p->gradient > 0 && p->change == 0 && w->looks >= LOOKS && p->rise == 0 && !w->partial && !w->vanishing)
            raise_alarm(t, FROZEN, p->value->name, 0, 0, N_("%.90s: no weight of it has changed, although its gradient is %.3g long"),
                        p->value->name, p->gradient);
    }
    bool small = first && largest && last != first && first != largest && root_mean(first) < 1e-4 * root_mean(largest);
    w->vanishing = small ? w->vanishing + 1 : 0;
    if (w->vanishing >= LOOKS && !told(w, DEAD_UNITS) && !told(w, SATURATED_UNITS) && !told(w, SYMMETRY))
        raise_alarm(t, VANISHING, first->value->name, root_mean(first) / root_mean(largest), 1e-4,
                    N_("the gradient of %.60s is %.2g times that of %.60s (root mean squares, 3 looks in a row)"), first->value->name,
                    root_mean(first) / root_mean(largest), largest->value->name);
    if (!(w->norm <= 1e3))
        raise_alarm(t, EXPLODING, "", w->norm, 1e3, N_("the gradient's norm is %.3g"), w->norm);
}

#define LARGE 0.3  /* healthy: below 0.1 after the first look */
#define SMALL 1e-3 /* and yet the loss stays: healthy ones pass 2e-3 on their way */
static void check_updates(const teller *t)
{
    train_watch *w = t->w;
    for (int i = 0; i < w->params && w->looks > 1; i++) {
        watch_param *p = &w->param[i];
        p->large += is_matrix(p) && p->ratio > LARGE;
        if (p->large >= 2)
            raise_alarm(t, UPDATE_LARGE, p->value->name, p->ratio, LARGE, N_("an update of %.90s is %.2g times as long as the weights themselves"),
                        p->value->name, p->ratio);
    }
}

static void check_units(const teller *t)
{
    for (int i = 0; i < t->w->layers; i++) {
        watch_layer *l = &t->w->layer[i];
        bool flat = !l->units && l->share > 0.8;
        l->looks = flat ? l->looks + 1 : 0;
        if (l->units && l->share >= 0.7)
            raise_alarm(t, DEAD_UNITS, l->name, l->share, 0.7, N_("%.60s: %.0f %% of its %lld units gave 0 for every sample of the last three looks"),
                        l->name, 100 * l->share, (long long)l->units);
        if (l->looks >= LOOKS)
            raise_alarm(t, SATURATED_UNITS, l->name, l->share, 0.8, N_("%.60s: %.0f %% of its outputs are at an end of %s"), l->name,
                        100 * l->share, l->op);
    }
}

/* At the end of an epoch. */
static void check_loss(const teller *t, double epoch)
{
    const train_watch *w = t->w;
    double rise = 0;
    for (int i = 0; i < w->params; i++)
        rise = fmax(rise, is_matrix(&w->param[i]) ? w->param[i].rise : 0);
    bool enough = w->looks >= LOOKS + 1 && w->step >= 0.35 * (double)w->steps; /* a schedule has passed its highest rate */
    bool late = w->step >= 0.35 * (double)w->steps && !(told(w, INITIAL_LOSS) && epoch < w->first_loss);
    if (epoch > 1.3 * w->guess + 0.1 && w->looks >= LOOKS && (late || epoch > 1.5 * w->first_loss) && rise >= SMALL)
        raise_alarm(t, WORSE_THAN_GUESS, "", epoch, w->guess, N_("the mean loss of an epoch is %.4g; who answers the same always has %.4g"), epoch,
                    w->guess);
    if (enough && !w->partial && rise < SMALL && epoch > 0.9 * fmin(w->first_loss, w->guess) && !told(w, FROZEN) && !told(w, NO_GRADIENT) && !told(w, SYMMETRY))
        raise_alarm(t, UPDATE_SMALL, "", rise, SMALL, N_("no update was longer than %.2g times the weights, and the loss is still %.4g"), rise, epoch);
    if (w->step >= w->steps && epoch > 0.97 * w->guess && !w->told)
        raise_alarm(t, NOTHING_LEARNT, "", epoch, w->guess, N_("the mean loss of the last epoch is %.4g; who answers the same always has %.4g"), epoch,
                    w->guess);
}

void train_alarms(train_watch *w, double epoch, void (*tell)(void *user, const nilu_alarm *a), void *user)
{
    teller t = {w, tell, user};
    if (!isnan(epoch)) {
        check_loss(&t, epoch);
        return;
    }
    if (w->looks == 1) {
        check_symmetry(&t);
        check_first_loss(&t);
    }
    check_units(&t);
    check_gradients(&t);
    check_updates(&t);
}

void train_unit_alarms(train_watch *w, void (*tell)(void *user, const nilu_alarm *a), void *user)
{
    teller t = {w, tell, user};
    check_units(&t);
}

/* ---- data */

void train_survey_alarms(const nilu_data_info *d, const train_survey *s, void (*tell)(void *user, const nilu_alarm *a), void *user)
{
    teller t = {NULL, tell, user};
    if (s->constant)
        raise_alarm(&t, CONSTANT_COLUMNS, s->first_constant, (double)s->constant, 0, N_("%lld columns never change; the first is %s"),
                    (long long)s->constant, s->first_constant);
    if (s->expected_changes > 20 && (double)s->changes < 0.2 * s->expected_changes)
        raise_alarm(&t, UNSHUFFLED, "", (double)s->changes, s->expected_changes,
                    N_("neighbours in the file differ in their class %lld times; in a random order it would be %.0f"), (long long)s->changes,
                    s->expected_changes);
    double share = s->compared ? (double)s->overlap / (double)s->compared : 0, own = s->looked ? (double)s->twins / (double)s->looked : 0;
    if (s->compared >= 20 && share > 0.25 && share > 1.5 * own)
        raise_alarm(&t, OVERLAP, "", share, 0.25, N_("%.0f %% of %lld samples to be judged by are in the training part, too"), 100 * share,
                    (long long)s->compared);
    else if (s->compared >= 20 && share > 0.6)
        raise_alarm(&t, OVERLAP, "", share, 0.6, N_("%.0f %% of %lld samples to be judged by are in the training part, too"), 100 * share,
                    (long long)s->compared);
    if (s->reach > 50 || s->spread > 1e3)
        raise_alarm(&t, SCALE, "", fmax(s->reach, s->spread), 50,
                    N_("the largest feature is %.3g deviations from the mean; the columns' deviations differ by a factor of %.3g"), s->reach, s->spread);
    if (d->task == NILU_TASK_CLASSES && s->labelled >= 100 && (double)s->largest > 0.95 * (double)s->labelled)
        raise_alarm(&t, IMBALANCE, "", (double)s->largest / (double)s->labelled, 0.95, N_("%.1f %% of the samples are of one class"),
                    100 * (double)s->largest / (double)s->labelled);
}
