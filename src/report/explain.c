/* One neuron's four steps, written down as sums. The error that is printed in step 2 is the factor of steps 3 and 4, so that
 * a reader with pencil and paper comes to the same figures. */
#include "report/sheet.h"

#include <math.h>
#include <string.h>

#define _(text) base_text(N_(text))
#define DIGITS 6

typedef struct writer {
    report_sheet *s;
    const nilu_explanation *e;
    const report_names *names;
    report_figure z, a, received, slope, delta;
} writer;

static report_figure figure(double value)
{
    return report_round(value, report_decimals(value, DIGITS));
}

static void fill(sheet_line *l, int n, report_figure a, char sign, report_figure b, report_figure result)
{
    if (!l)
        return;
    l->n = n;
    l->operand[0] = a;
    l->operand[1] = b;
    l->sign[0] = sign;
    l->result = result;
    l->asks = n > 0;
}

static const report_figure none = {0, 0}, one = {1, 0};

static double largest(const nilu_terms *t, bool right)
{
    double most = 0;
    for (int i = 0; i < t->n; i++)
        most = fmax(most, fabs(right ? t->term[i].right : t->term[i].left));
    return most;
}

/* The largest terms of a sum, then what the others come to. `left_d`, `right`: how factors are printed; right NULL: by their
 * own size. Returns the total, which the caller prints. */
static void terms(writer *w, const nilu_terms *t, const report_figure *right, double total, double extra, report_figure *sum, int *d)
{
    char name[REPORT_NAME];
    double most = fmax(fabs(total), fabs(extra)), rest = total - extra;
    for (int i = 0; i < t->n; i++) {
        most = fmax(most, fabs(t->term[i].product));
        rest -= t->term[i].product;
    }
    *d = report_decimals(fmax(most, fabs(rest)), DIGITS);
    int own = report_decimals(total, DIGITS - 1); /* a small total of large terms keeps its digits */
    *d = own > *d && total != 0 ? own < *d + DIGITS ? own : *d + DIGITS : *d;
    int left_d = report_decimals(largest(t, false), DIGITS), right_d = report_decimals(largest(t, true), DIGITS);
    *sum = (report_figure){0, *d};
    for (int i = 0; i < t->n; i++) {
        const nilu_term *m = &t->term[i];
        report_figure a = report_round(m->left, left_d), b = right ? *right : report_round(m->right, right_d);
        report_figure c = report_times(a, b, *d);
        *sum = report_plus(*sum, c, 1);
        fill(report_sheet_add(w->s, SHEET_TERM, "%s", report_name(w->names, m->layer, m->index, name)), 2, a, '*', b, c);
    }
}

/* What is left between the terms so far and the total. */
static void rest(writer *w, const nilu_terms *t, report_figure total, report_figure sum)
{
    if (t->of > t->n)
        fill(report_sheet_add(w->s, SHEET_REST, _("%lld others"), (long long)(t->of - t->n)), 0, none, 0, none,
             report_plus(total, sum, -1));
}

/* Where all terms are there, the last one takes the rounding: a remainder of its own would be no neuron's. */
static void rounding(writer *w, const nilu_terms *t, report_figure total, report_figure sum)
{
    report_figure left = report_plus(total, sum, -1);
    if (t->of > t->n)
        rest(w, t, total, sum);
    else if (left.m != 0)
        fill(report_sheet_add(w->s, SHEET_REST, "%s", _("rounding")), 0, none, 0, none, left);
}

static void forward(writer *w)
{
    const nilu_explanation *e = w->e;
    report_figure sum;
    int d;
    report_sheet_add(w->s, SHEET_STEP, "%s", _("0  What it saw and said"));
    report_sheet_add(w->s, SHEET_NOTE, "%s", _("input × weight, added up, is z; what it says is a = f(z)."));
    if (e->outside)
        report_sheet_add(w->s, SHEET_NOTE, _("%lld of its %lld taps lie outside the picture, where 0 is read."), (long long)e->outside, (long long)e->in);
    if (e->normed)
        report_sheet_add(w->s, SHEET_NOTE, "%s", _("f begins with a norm by its running statistics: a factor, and what it adds."));
    terms(w, &e->said, NULL, e->z, e->bias, &sum, &d);
    w->z = report_round(e->z, d);
    report_figure bias = report_round(e->bias, d);
    if (e->biased)
        sum = report_plus(sum, bias, 1);
    rounding(w, &e->said, w->z, sum);
    if (e->biased)
        fill(report_sheet_add(w->s, SHEET_REST, "%s", _("bias")), 0, none, 0, none, bias);
    fill(report_sheet_add(w->s, SHEET_TOTAL, "z"), 0, none, 0, none, w->z);
    bool relu = strcmp(e->activation, "relu") == 0 && !e->normed;
    w->a = e->normed ? figure(e->a) : !*e->activation || (relu && w->z.m > 0) ? w->z : relu ? (report_figure){0, w->z.d} : figure(e->a);
    /* From a saturated tanh or sigmoid the slope must still come out. */
    if (!relu && !e->normed && *e->activation && e->slope > 1e-9 && e->slope < 1)
        w->a = report_round(e->a, report_decimals(e->slope, DIGITS));
    if (e->normed)
        fill(report_sheet_add(w->s, SHEET_LINE, *e->activation ? "a = %s(norm(z))" : "a = norm(z)", e->activation), 0, none, 0, none, w->a);
    else if (*e->activation)
        fill(report_sheet_add(w->s, SHEET_LINE, "a = %s(z)", e->activation), 0, none, 0, none, w->a);
    else
        fill(report_sheet_add(w->s, SHEET_LINE, "%s", _("a = z, as it has no activation")), 0, none, 0, none, w->a);
}

/* An output that the start reads by itself. */
static void receive_start(writer *w)
{
    const nilu_explanation *e = w->e;
    char accused[REPORT_NAME], rival[REPORT_NAME];
    int last = nilu_scene_layers(w->names->scene) - 1;
    const nilu_scene_options *o = forensics_scene_options(w->names->scene);
    nilu_verdict v;
    nilu_scene_verdict(w->names->scene, &v);
    if (e->start == NILU_FROM_GAP && v.rival >= 0) {
        report_sheet_add(w->s, SHEET_NOTE, _("The gap is %s minus %s: its slope is 1, -1, or 0 for all others."),
                         report_name(w->names, last, v.accused, accused), report_name(w->names, last, v.rival, rival));
    } else if (e->guess == e->guess) {
        int d = report_decimals(e->received, DIGITS); /* of a sure guess, what is missing to 1 must still come out */
        report_figure guess = report_round(e->guess, e->truth > 0 && d > 14 ? 14 : d), truth = e->truth > 0 ? one : none;
        report_sheet_add(w->s, SHEET_NOTE, "%s", _("It is an output, and the loss is cross-entropy: error = guess - truth."));
        w->received = report_plus(guess, truth, -1);
        fill(report_sheet_add(w->s, SHEET_LINE, "%s", _("received from the loss")), 2, guess, '-', truth, w->received);
        return;
    } else if (e->start == NILU_FROM_LOSS && v.target && v.outputs == 1 && (!o->loss || strcmp(o->loss, "mse") == 0)) {
        int d = report_decimals(fmax(fabs(e->a), fabs(v.target[0])), DIGITS), own = report_decimals(e->received, DIGITS);
        d = own > d && e->received != 0 ? own < d + DIGITS ? own : d + DIGITS : d;
        report_figure y = report_round(e->a, d), target = report_round(v.target[0], d), off = report_plus(y, target, -1);
        report_sheet_add(w->s, SHEET_NOTE, "%s", _("It is the output, and the loss is the squared error: error = 2 × (answer - target)."));
        fill(report_sheet_add(w->s, SHEET_LINE, "%s", _("answer - target")), 2, y, '-', target, off);
        w->received = report_times((report_figure){2, 0}, off, d);
        fill(report_sheet_add(w->s, SHEET_LINE, "%s", _("received from the loss")), 2, (report_figure){2, 0}, '*', off, w->received);
        return;
    } else {
        report_sheet_add(w->s, SHEET_NOTE, "%s", _("It is an output: the error is the slope of the loss."));
    }
    w->received = figure(e->received);
    fill(report_sheet_add(w->s, SHEET_LINE, "%s", _("received")), 0, none, 0, none, w->received);
}

static void receive(writer *w)
{
    const nilu_explanation *e = w->e;
    report_figure sum;
    int d;
    report_sheet_add(w->s, SHEET_STEP, "%s", _("1  Receive: the error of everyone it spoke to"));
    if (e->answers && !e->heard.of && !e->via) {
        receive_start(w);
        return;
    }
    double other = e->received - e->heard.total;
    bool more = e->answers || e->via;
    report_sheet_add(w->s, SHEET_NOTE, "%s", e->heard.of ? _("error of the reader × the weight between them.") : _("It has no reader with weights."));
    terms(w, &e->heard, NULL, e->received, more ? other : 0, &sum, &d);
    w->received = report_round(e->received, d);
    report_figure via = report_round(other, d);
    if (more && e->heard.of)
        sum = report_plus(sum, via, 1);
    if (e->heard.of)
        rounding(w, &e->heard, w->received, sum);
    else
        via = w->received;
    if (more)
        fill(report_sheet_add(w->s, SHEET_REST, _("by way of %s"), e->via ? e->via : e->start == NILU_FROM_GAP ? _("the gap") : _("the loss")), 0,
             none, 0, none, via);
    fill(report_sheet_add(w->s, SHEET_TOTAL, "%s", _("received")), 0, none, 0, none, w->received);
    if (w->s->status == NILU_OK)
        w->s->line[w->s->n - 1].asks = true;
}

/* The slope, out of what is printed where that is a short calculation. */
static void slope_line(writer *w)
{
    const nilu_explanation *e = w->e;
    bool arithmetic = e->slope > 1e-9 && w->a.d <= 15;
    w->slope = figure(e->slope);
    if (e->normed) {
        fill(report_sheet_add(w->s, SHEET_LINE, "f'(z)"), 0, none, 0, none, w->slope);
        return;
    }
    if (!*e->activation || strcmp(e->activation, "relu") == 0 || e->slope == 1 || e->slope == 0)
        w->slope = (report_figure){e->slope != 0, 0};
    if (strcmp(e->activation, "tanh") == 0 && arithmetic) {
        report_figure square = report_times(w->a, w->a, w->a.d);
        w->slope = report_plus(one, square, -1);
        fill(report_sheet_add(w->s, SHEET_LINE, "a × a"), 2, w->a, '*', w->a, square);
        fill(report_sheet_add(w->s, SHEET_LINE, "f'(z) = 1 - a × a"), 2, one, '-', square, w->slope);
    } else if (strcmp(e->activation, "sigmoid") == 0 && arithmetic) {
        report_figure left = report_plus(one, w->a, -1);
        w->slope = report_times(w->a, left, report_decimals(e->slope, DIGITS));
        fill(report_sheet_add(w->s, SHEET_LINE, "1 - a"), 2, one, '-', w->a, left);
        fill(report_sheet_add(w->s, SHEET_LINE, "f'(z) = a × (1 - a)"), 2, w->a, '*', left, w->slope);
    } else {
        fill(report_sheet_add(w->s, SHEET_LINE, "f'(z)"), 0, none, 0, none, w->slope);
    }
}

static void filter(writer *w)
{
    const nilu_explanation *e = w->e;
    report_sheet_add(w->s, SHEET_STEP, "%s", _("2  Filter: how far z moves a"));
    if (e->normed)
        report_sheet_add(w->s, SHEET_NOTE, "%s", _("The slope is the norm's factor times that of what follows it; where relu is closed it is 0."));
    else if (!*e->activation)
        report_sheet_add(w->s, SHEET_NOTE, "%s", _("It has no activation: f'(z) = 1."));
    else if (strcmp(e->activation, "relu") == 0 && e->slope == 0)
        report_sheet_add(w->s, SHEET_NOTE, "%s", _("relu is closed, as z is not above 0: it did not take part, and owes 0."));
    else if (strcmp(e->activation, "relu") == 0)
        report_sheet_add(w->s, SHEET_NOTE, "%s", _("relu is open, as z is above 0: the error passes as it is."));
    else
        report_sheet_add(w->s, SHEET_NOTE, _("f is %s; the error is multiplied by its slope at z."), e->activation);
    slope_line(w);
    double size = report_value(w->received) * report_value(w->slope);
    w->delta = report_times(w->received, w->slope, w->slope.m == 1 && w->slope.d == 0 ? w->received.d : report_decimals(size, DIGITS));
    fill(report_sheet_add(w->s, SHEET_LINE, "%s", _("error = received × f'(z)")), 2, w->received, '*', w->slope, w->delta);
}

/* A sum all of whose terms have the error as a factor. */
static void shared(writer *w, const nilu_terms *t)
{
    report_figure sum, left = report_round(t->left, report_decimals(fmax(fabs(t->left), largest(t, false)), DIGITS));
    int d;
    double total = report_value(left) * report_value(w->delta);
    terms(w, t, &w->delta, total, 0, &sum, &d);
    report_figure all = report_times(left, w->delta, d);
    rounding(w, t, all, sum);
    fill(report_sheet_add(w->s, SHEET_TOTAL, _("all %lld"), (long long)t->of), 2, left, '*', w->delta, all);
}

/* A filter's weights are used at every place: what this one owes is a part of their gradient. */
static void everywhere(writer *w)
{
    const nilu_explanation *e = w->e;
    char name[REPORT_NAME];
    const nilu_terms *t = &e->own;
    report_sheet_add(w->s, SHEET_NOTE, _("That is its part alone. All %lld places of its map share these weights; added up over all of them they owe:"),
                     (long long)(e->window->map[0] * e->window->map[1]));
    for (int i = 0; i < t->n; i++)
        fill(report_sheet_add(w->s, SHEET_LINE, "%s", report_name(w->names, t->term[i].layer, t->term[i].index, name)), 0, none, 0, none,
             figure(t->term[i].all));
}

/* What became of the printed weights. */
static void lesson(writer *w, const nilu_lesson *l, const char *optimizer)
{
    const nilu_explanation *e = w->e;
    nilu_layer_view view;
    char name[REPORT_NAME];
    if (!nilu_scene_layer((nilu_scene *)w->names->scene, e->layer, e->start, &view))
        return;
    const forensics_site *site = forensics_scene_site(w->names->scene, e->layer);
    const float *before = nilu_lesson_before(l, view.weight_name), *after = nilu_lesson_after(l, view.weight_name);
    const float *bias = nilu_lesson_before(l, view.bias_name), *bias_after = nilu_lesson_after(l, view.bias_name);
    if (!before || !after)
        return;
    double was[NILU_TERMS + 1], change[NILU_TERMS + 1], most = 0, size = 0;
    const nilu_terms *t = e->delta != 0 ? &e->own : &e->said; /* who owes nothing is shown by what it heard */
    int n = t->n;
    for (int i = 0; i <= n; i++) {
        int64_t at = i < n ? forensics_weight_at(site, t->term[i].tap, e->filter) : e->filter;
        const float *b = i < n ? before : bias, *a = i < n ? after : bias_after;
        was[i] = b ? (double)b[at] : 0;
        change[i] = b && a ? (double)a[at] - was[i] : 0;
        most = fmax(most, fabs(change[i]));
        size = fmax(size, fabs(was[i]));
    }
    int d = report_decimals(most, 4), finest = report_decimals(size, 14);
    d = most > 0 ? d : report_decimals(size, DIGITS);
    d = d > finest ? finest : d;
    report_sheet_add(w->s, SHEET_NOTE, _("What %s, as it remembers the run, would make of it in one step (rate %.3g):"), optimizer,
                     nilu_lesson_rate(l));
    for (int i = 0; i <= n; i++) {
        if (i == n && !bias)
            break;
        report_figure from = report_round(was[i], d), to = report_round(was[i] + change[i], d);
        fill(report_sheet_add(w->s, SHEET_LINE, "%s", i < n ? report_name(w->names, t->term[i].layer, t->term[i].index, name) : _("bias")),
             2, from, '+', report_plus(to, from, -1), to);
    }
}

void report_explain(report_sheet *s, const nilu_explanation *e, const report_names *names, const nilu_lesson *l, const char *optimizer)
{
    writer w = {.s = s, .e = e, .names = names};
    forward(&w);
    receive(&w);
    filter(&w);
    bool owes = w.delta.m != 0;
    report_sheet_add(s, SHEET_STEP, "%s", _("3  Own gradient: input × error"));
    if (owes) {
        report_sheet_add(s, SHEET_NOTE, "%s", e->start == NILU_FROM_GAP ? _("How the gap grows with each of its weights.") : _("How the loss grows with each of its weights."));
        shared(&w, &e->own);
        if (e->biased)
            fill(report_sheet_add(s, SHEET_LINE, "%s", _("bias")), 2, one, '*', w.delta, w.delta);
        if (e->window)
            everywhere(&w);
    } else {
        report_sheet_add(s, SHEET_NOTE, e->window ? _("Its error is 0, and so is its part in the gradient of its filter's %lld weights.") : _("Its error is 0, and so is the gradient of all its %lld weights."), (long long)e->in);
    }
    if (l && e->start == NILU_FROM_LOSS)
        lesson(&w, l, optimizer);
    report_sheet_add(s, SHEET_STEP, "%s", _("4  Pass on: error × weight"));
    if (owes) {
        report_sheet_add(s, SHEET_NOTE, "%s", _("What it blames on each of its inputs; they add up what all neurons of this layer send."));
        shared(&w, &e->passed);
    } else {
        report_sheet_add(s, SHEET_NOTE, "%s", _("Nothing: it has no error to hand on."));
    }
}
