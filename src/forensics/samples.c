/* The training samples that taught an answer. In each of some weights that training passed through, a sample's gradient is
 * compared with that of the gap between the accused answer and its rival: where they point against each other, learning the
 * sample has widened the gap. Lengths are divided out, else a few samples that were hard to learn would be the teachers of
 * everything (as in the sum of plain products, TracIn, Pruthi et al. 2020); the weights are spread on a logarithmic scale,
 * because what is planted is learnt early, and has no gradient left when it is learnt. */
#include "forensics/samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void samples_put(nilu_samples *s, const nilu_store *weights)
{
    for (int i = 0; i < nilu_store_count(s->live); i++) {
        const nilu_value *to = nilu_store_at(s->live, i), *from = nilu_store_find(weights, to->name);
        memcpy(to->data, from->data, to->bytes);
    }
}

/* ---- graphs and plans of many samples */

void samples_graph_free(nilu_samples *s, samples_graph *p)
{
    nilu_graph_free(p->g);
    base_free(s->nl, p->site);
    base_free(s->nl, p->delta);
    *p = (samples_graph){0};
}

nilu_status samples_graph_new(nilu_samples *s, int64_t rows, samples_graph *p)
{
    *p = (samples_graph){0};
    NILU_TRY(forensics_build(s->nl, s->about->model, rows, s->features, s->outputs, &p->g, &p->y));
    nilu_tensor *truth = s->classes ? nilu_input(p->g, "label", NILU_I32, NILU_SHAPE(rows))
                                    : nilu_input(p->g, "target", NILU_F32, NILU_SHAPE(rows, s->outputs));
    p->loss = nilu_loss(s->loss, p->y, truth);
    NILU_TRY(nilu_graph_status(p->g));
    nilu_status status = forensics_dense(p->loss, &p->n, &p->site);
    if (status != NILU_OK)
        return graph_report(p->g);
    p->delta = base_calloc(s->nl, (size_t)p->n + 1, sizeof *p->delta);
    if (!p->delta)
        return NILU_E_NO_MEMORY;
    NILU_TRY(forensics_errors(p->loss, p->n, p->site, p->delta));
    NILU_TRY(nilu_grad(p->loss, 1, &p->y, &p->delta[p->n]));
    for (int i = 0; i <= p->n; i++)
        p->delta[i] = nilu_scale(p->delta[i], (double)rows);
    p->norm = forensics_norm(p->n, p->site, p->delta);
    return nilu_graph_status(p->g);
}

void samples_pass_free(nilu *nl, samples_pass *p)
{
    nilu_plan_free(p->plan);
    base_free(nl, p->x);
    base_free(nl, p->label);
    base_free(nl, p->index);
    base_free(nl, p->known);
    *p = (samples_pass){0};
}

nilu_status samples_pass_new(nilu_samples *s, samples_graph *g, int64_t rows, int n, nilu_tensor *const *fetch,
                             samples_pass *p)
{
    size_t r = (size_t)rows;
    p->rows = rows;
    p->x = base_calloc(s->nl, r, (size_t)(s->features + s->outputs) * sizeof *p->x);
    p->label = base_calloc(s->nl, r, sizeof *p->label);
    p->index = base_calloc(s->nl, r, sizeof *p->index);
    p->known = base_calloc(s->nl, r, sizeof *p->known);
    if (!p->x || !p->label || !p->index || !p->known)
        return NILU_E_NO_MEMORY;
    p->target = p->x + rows * s->features;
    NILU_TRY(nilu_compile(g->g, s->live, n, fetch, NULL, &p->plan));
    NILU_TRY(nilu_feed(p->plan, "x", p->x, r * (size_t)s->features * sizeof *p->x));
    return s->classes ? nilu_feed(p->plan, "label", p->label, r * sizeof *p->label)
                      : nilu_feed(p->plan, "target", p->target, r * (size_t)s->outputs * sizeof *p->target);
}

/* What cannot be judged is given a target, so that nothing stumbles over it, and counts for nothing afterwards. */
static void settle(const nilu_samples *s, samples_pass *p)
{
    for (int64_t i = 0; i < p->rows; i++) {
        p->known[i] = s->classes ? p->label[i] >= 0 : true;
        if (s->classes && p->label[i] < 0)
            p->label[i] = 0;
        for (int64_t k = 0; k < s->outputs && !s->classes; k++)
            if (isnan(p->target[i * s->outputs + k])) {
                p->target[i * s->outputs + k] = 0;
                p->known[i] = false;
            }
    }
}

nilu_status samples_meet(nilu_samples *s, samples_pass *p, const int64_t *index, int64_t first, int64_t n)
{
    for (int64_t i = 0; i < p->rows; i++) {
        int64_t at = first + i < n ? first + i : n - 1;
        p->index[i] = index ? index[at] : at;
    }
    NILU_TRY(nilu_data_batch(s->about->data, NILU_TRAIN, p->index, p->rows, p->x, s->classes ? p->label : NULL,
                             s->classes ? NULL : p->target));
    settle(s, p);
    return NILU_OK;
}

/* ---- a case */

/* Fetches: the answer; then of each layer x, the error from the gap, the error from the loss. */
static nilu_status plan_seen(nilu_samples *s)
{
    samples_graph g;
    nilu_tensor **fetch = NULL;
    nilu_status status = samples_graph_new(s, 1, &g);
    if (status == NILU_OK && !(fetch = base_calloc(s->nl, 1 + 4 * (size_t)g.n, sizeof *fetch)))
        status = NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        nilu_tensor *direction = nilu_input(g.g, "direction", NILU_F32, NILU_SHAPE(1, s->outputs)),
                    *gap = nilu_sum(nilu_mul(g.y, direction), NILU_ALL, false), **delta = fetch + 1 + 3 * g.n;
        status = forensics_errors(gap, g.n, g.site, delta);
        fetch[0] = g.y;
        for (int i = 0; i < g.n; i++) {
            fetch[1 + 3 * i] = g.site[i].x;
            fetch[2 + 3 * i] = delta[i];
            fetch[3 + 3 * i] = g.delta[i];
        }
    }
    if (status == NILU_OK) {
        s->nlayer = g.n;
        s->layer = base_calloc(s->nl, (size_t)g.n, sizeof *s->layer);
        status = s->layer ? NILU_OK : NILU_E_NO_MEMORY;
    }
    for (int i = 0; status == NILU_OK && i < g.n; i++) {
        samples_layer *l = &s->layer[i];
        *l = (samples_layer){.in = g.site[i].in, .out = g.site[i].out, .bias = g.site[i].b};
        l->kx = l->in < SAMPLES_WIDTH ? l->in : SAMPLES_WIDTH;
        l->kd = l->out < SAMPLES_WIDTH ? l->out : SAMPLES_WIDTH;
        snprintf(l->x, sizeof l->x, "asked/x%d", i);
        snprintf(l->d, sizeof l->d, "asked/d%d", i);
        snprintf(l->bx, sizeof l->bx, "basis/x%d", i);
        snprintf(l->bd, sizeof l->bd, "basis/d%d", i);
        s->in += l->in;
        s->out += l->out;
    }
    if (status == NILU_OK)
        status = samples_pass_new(s, &g, 1, 1 + 3 * g.n, fetch, &s->seen);
    if (status == NILU_OK)
        status = nilu_feed(s->seen.plan, "direction", s->direction, (size_t)s->outputs * sizeof *s->direction);
    base_free(s->nl, fetch);
    samples_graph_free(s, &g);
    return status;
}

/* The case's gradient with the weights that are live; the gap's, or the loss's. */
static nilu_status take_ghost(nilu_samples *s, bool of_loss, samples_ghost *ghost)
{
    NILU_TRY(nilu_step(s->seen.plan));
    float *x = ghost->x, *delta = ghost->delta;
    double sum = 0;
    for (int i = 0; i < s->nlayer; i++) {
        const samples_layer *l = &s->layer[i];
        double x2 = l->bias, d2 = 0;
        memcpy(x, nilu_fetched(s->seen.plan, 1 + 3 * i), (size_t)l->in * sizeof *x);
        memcpy(delta, nilu_fetched(s->seen.plan, 2 + 3 * i + of_loss), (size_t)l->out * sizeof *delta);
        for (int64_t k = 0; k < l->in; k++)
            x2 += (double)x[k] * (double)x[k];
        for (int64_t k = 0; k < l->out; k++)
            d2 += (double)delta[k] * (double)delta[k];
        sum += x2 * d2;
        x += l->in;
        delta += l->out;
    }
    ghost->length = sqrt(sum);
    return NILU_OK;
}

/* Puts a case before the plan, and finds accused and rival by the weights that the run ended with. */
static nilu_status show(nilu_samples *s, const float *x, int32_t label, const float *target, int accused, double *sign)
{
    samples_pass *p = &s->seen;
    memcpy(p->x, x, (size_t)s->features * sizeof *x);
    p->label[0] = label;
    if (!s->classes)
        memcpy(p->target, target, (size_t)s->outputs * sizeof *target);
    if (s->classes && (label < 0 || label >= s->outputs))
        return base_fail(s->nl, NILU_E_RANGE,
                         N_("nilu_samples_ask: label %d, but there are %lld classes (0 is the first)"), (int)label,
                         (long long)s->outputs);
    if (accused < -1 || accused >= s->outputs)
        return base_fail(s->nl, NILU_E_RANGE,
                         N_("nilu_samples_ask: output %d is accused, but there are %lld (0 is the first)"), accused,
                         (long long)s->outputs);
    samples_put(s, s->last);
    NILU_TRY(nilu_step(p->plan));
    const float *y = nilu_fetched(p->plan, 0);
    int said = 0, rival = -1;
    for (int k = 1; k < (int)s->outputs; k++)
        if (s->classes ? y[k] > y[said] : fabsf(y[k] - target[k]) > fabsf(y[said] - target[said]))
            said = k;
    accused = accused < 0 ? said : accused;
    for (int k = 0; k < (int)s->outputs; k++)
        if (k != accused && (rival < 0 || y[k] > y[rival]))
            rival = k;
    if (accused != label)
        rival = label;
    *sign = !s->classes && y[accused] < target[accused] ? -1 : 1;
    memset(s->direction, 0, (size_t)s->outputs * sizeof *s->direction);
    s->direction[accused] = 1;
    if (s->classes && rival >= 0)
        s->direction[rival] = -1;
    return NILU_OK;
}

/* ---- exact products of many samples with those asked about */

/* Fetches: products [rows, asked], lengths [rows, 1]. */
static nilu_status plan_weigh(nilu_samples *s, int asked)
{
    if (s->asked == asked)
        return NILU_OK;
    samples_pass_free(s->nl, &s->weigh);
    base_free(s->nl, s->asked_x);
    s->asked = 0;
    s->asked_x = base_calloc(s->nl, (size_t)asked, (size_t)(s->in + s->out) * sizeof *s->asked_x);
    if (!s->asked_x)
        return NILU_E_NO_MEMORY;
    s->asked_d = s->asked_x + asked * s->in;
    samples_graph g;
    nilu_tensor *sum = NULL;
    nilu_status status = samples_graph_new(s, SAMPLES_ROWS, &g);
    for (int i = 0; status == NILU_OK && i < s->nlayer; i++) {
        const samples_layer *l = &s->layer[i];
        nilu_tensor *x = nilu_matmul_t(g.site[i].x, false, nilu_input(g.g, l->x, NILU_F32, NILU_SHAPE(asked, l->in)),
                                       true),
                    *d = nilu_matmul_t(g.delta[i], false, nilu_input(g.g, l->d, NILU_F32, NILU_SHAPE(asked, l->out)),
                                       true),
                    *own = nilu_mul(l->bias ? nilu_shift(x, 1) : x, d);
        sum = sum ? nilu_add(sum, own) : own;
    }
    nilu_tensor *fetch[] = {sum, g.norm};
    if (status == NILU_OK)
        status = samples_pass_new(s, &g, SAMPLES_ROWS, 2, fetch, &s->weigh);
    float *x = s->asked_x, *d = s->asked_d;
    for (int i = 0; status == NILU_OK && i < s->nlayer; i++) {
        const samples_layer *l = &s->layer[i];
        status = nilu_feed(s->weigh.plan, l->x, x, (size_t)(asked * l->in) * sizeof *x);
        if (status == NILU_OK)
            status = nilu_feed(s->weigh.plan, l->d, d, (size_t)(asked * l->out) * sizeof *d);
        x += asked * l->in;
        d += asked * l->out;
    }
    samples_graph_free(s, &g);
    if (status == NILU_OK)
        s->asked = asked;
    return status;
}

/* Puts ghost `i` of `asked` in its row of every layer. */
static void ask_for(nilu_samples *s, int i, const samples_ghost *ghost)
{
    float *x = s->asked_x, *d = s->asked_d;
    const float *gx = ghost->x, *gd = ghost->delta;
    for (int k = 0; k < s->nlayer; k++) {
        const samples_layer *l = &s->layer[k];
        memcpy(x + i * l->in, gx, (size_t)l->in * sizeof *x);
        memcpy(d + i * l->out, gd, (size_t)l->out * sizeof *d);
        gx += l->in;
        gd += l->out;
        x += s->asked * l->in;
        d += s->asked * l->out;
    }
}

/* Adds the products of training samples index[n] (NULL: all) with ghosts [asked] to score [asked, n]. */
static nilu_status weigh(nilu_samples *s, const samples_ghost *ghost, bool cosine, const int64_t *index, int64_t n,
                         double *score)
{
    for (int i = 0; i < s->asked; i++)
        ask_for(s, i, &ghost[i]);
    for (int64_t first = 0; first < n; first += SAMPLES_ROWS) {
        NILU_TRY(samples_meet(s, &s->weigh, index, first, n));
        NILU_TRY(nilu_step(s->weigh.plan));
        const float *product = nilu_fetched(s->weigh.plan, 0), *norm = nilu_fetched(s->weigh.plan, 1);
        for (int64_t r = 0; r < SAMPLES_ROWS && first + r < n; r++)
            for (int i = 0; i < s->asked; i++) {
                double length = cosine ? (double)norm[r] * ghost[i].length : 1;
                if (s->weigh.known[r] && length > 0)
                    score[i * n + first + r] += (double)product[r * s->asked + i] / length;
            }
    }
    return NILU_OK;
}

/* ---- asking */

static bool before(const nilu_teacher *a, const nilu_teacher *b)
{
    return a->influence > b->influence || (a->influence == b->influence && a->index < b->index);
}

static void keep(nilu_teacher *best, int want, int *have, nilu_teacher t)
{
    int at = *have < want ? (*have)++ : want;
    if (at == want && (want == 0 || !before(&t, &best[--at])))
        return;
    for (; at > 0 && before(&t, &best[at - 1]); at--)
        best[at] = best[at - 1];
    best[at] = t;
}

static int by_influence(const void *a, const void *b)
{
    return before(a, b) ? -1 : before(b, a);
}

static nilu_status name_labels(nilu_samples *s, int n, nilu_teacher *t)
{
    for (int i = 0; i < n; i++) {
        t[i].label = -1;
        if (s->classes)
            NILU_TRY(nilu_data_batch(s->about->data, NILU_TRAIN, &t[i].index, 1, s->weigh.x, &t[i].label, NULL));
    }
    return NILU_OK;
}

/* The best by the index, weighed again exactly. */
static nilu_status ask_index(nilu_samples *s, const samples_ghost *ghost, double sign, int want, nilu_teacher *out,
                             int *found)
{
    nilu *nl = s->nl;
    int have = 0;
    double *score = base_calloc(nl, (size_t)s->n, sizeof *score), exact[SAMPLES_ROWS] = {0};
    nilu_teacher *best = base_calloc(nl, (size_t)s->n, sizeof *best);
    int64_t index[SAMPLES_ROWS];
    nilu_status status = score && best ? samples_search(s, ghost, score) : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        for (int64_t i = 0; i < s->n; i++)
            best[i] = (nilu_teacher){.index = i, .influence = -sign * score[i]};
        qsort(best, (size_t)s->n, sizeof *best, by_influence);
        have = s->n < SAMPLES_ROWS ? (int)s->n : SAMPLES_ROWS;
        for (int i = 0; i < have; i++)
            index[i] = best[i].index;
        status = plan_weigh(s, 1);
    }
    for (int m = 0; m < s->info.moments && status == NILU_OK; m++) {
        samples_put(s, s->moment[m]);
        status = weigh(s, &ghost[m], true, index, have, exact);
    }
    *found = 0;
    for (int i = 0; i < have && status == NILU_OK; i++)
        keep(out, want, found, (nilu_teacher){.index = index[i], .influence = -sign * exact[i] / s->info.moments});
    base_free(nl, score);
    base_free(nl, best);
    return status;
}

static nilu_status ask_all(nilu_samples *s, int n, const samples_ghost *ghost, nilu_kinship kinship, const double *sign,
                           int want, nilu_teacher *out, int *found)
{
    double *score = base_calloc(s->nl, (size_t)n, (size_t)s->n * sizeof *score);
    nilu_status status = score ? plan_weigh(s, n) : NILU_E_NO_MEMORY;
    int first = kinship == NILU_KIN_FINAL ? s->info.moments - 1 : 0;
    for (int m = first; m < s->info.moments && status == NILU_OK; m++) {
        samples_put(s, s->moment[m]);
        status = weigh(s, ghost + m * n, kinship == NILU_KIN_DIRECTION, NULL, s->n, score);
    }
    for (int i = 0; i < n && status == NILU_OK; i++) {
        *found = 0;
        /* A step down the sample's loss moves the gap by minus the product; it lowers the case's loss by the product. */
        for (int64_t k = 0; k < s->n; k++)
            keep(out + i * want, want, found,
                 (nilu_teacher){.index = k,
                                .influence = (kinship == NILU_KIN_DIRECTION ? -sign[i] : 1) * score[i * s->n + k] /
                                             (s->info.moments - first)});
    }
    base_free(s->nl, score);
    return status;
}

nilu_status nilu_samples_ask(nilu_samples *s, nilu_kinship kinship, int n, const float *x, const int32_t *labels,
                             const float *targets, const int *accused, int want, nilu_teacher *out, int *found)
{
    nilu *nl = s->nl;
    *found = 0;
    if (n < 1 || want < 0 || kinship < 0 || kinship >= NILU_KINSHIPS)
        return base_fail(
            nl, NILU_E_USAGE,
            N_("nilu_samples_ask: %d cases, %d samples wanted, kinship %d; there must be at least one case"), n, want,
            (int)kinship);
    int moments = s->info.moments;
    size_t each = (size_t)(s->in + s->out);
    want = want < s->n ? want : (int)s->n;
    samples_ghost *ghost = base_calloc(nl, (size_t)(n * moments), sizeof *ghost);
    float *numbers = base_calloc(nl, (size_t)(n * moments), each * sizeof *numbers);
    double *sign = base_calloc(nl, (size_t)n, sizeof *sign);
    nilu_status status = ghost && numbers && sign ? NILU_OK : NILU_E_NO_MEMORY;
    for (int i = 0; i < n && status == NILU_OK; i++) {
        status = show(s, x + i * s->features, labels ? labels[i] : -1, targets ? targets + i * s->outputs : NULL,
                      accused ? accused[i] : -1, &sign[i]);
        for (int m = 0; m < moments && status == NILU_OK; m++) {
            samples_ghost *own = &ghost[m * n + i];
            own->x = numbers + (size_t)(m * n + i) * each;
            own->delta = own->x + s->in;
            samples_put(s, s->moment[m]);
            status = take_ghost(s, kinship != NILU_KIN_DIRECTION, own);
        }
    }
    if (status == NILU_OK)
        status = n == 1 && kinship == NILU_KIN_DIRECTION && !s->options.exact
                     ? ask_index(s, ghost, sign[0], want, out, found)
                     : ask_all(s, n, ghost, kinship, sign, want, out, found);
    if (status == NILU_OK)
        status = name_labels(s, n * *found, out);
    base_free(nl, ghost);
    base_free(nl, numbers);
    base_free(nl, sign);
    return status;
}

nilu_status nilu_samples_suspects(nilu_samples *s, int want, nilu_teacher *out, int *found)
{
    *found = 0;
    if (!s->norm)
        return base_fail(s->nl, NILU_E_USAGE,
                         N_("nilu_samples_suspects: needs the index; open the samples without `exact`"));
    NILU_TRY(plan_weigh(s, 1));
    for (int64_t k = 0; k < s->n; k++) {
        double sum = 0;
        for (int m = 0; m < s->info.moments; m++)
            sum += (double)s->error[m * s->n + k];
        keep(out, want, found, (nilu_teacher){.index = k, .influence = sum / s->info.moments});
    }
    return name_labels(s, *found, out);
}

/* ---- opening */

/* The weights on the way, evenly chosen if there are more than are used; where none were kept, those of the end. */
static nilu_status take_moments(nilu_samples *s)
{
    const nilu_run_info *run = s->about->about;
    int all = run->snapshots, n = all < SAMPLES_MOMENTS ? all : SAMPLES_MOMENTS;
    NILU_TRY(forensics_weights(s->nl, s->about->store, NILU_F32, &s->last));
    NILU_TRY(forensics_weights(s->nl, s->about->store, NILU_F32, &s->live));
    s->info.moments = n ? n : 1;
    if (!n) {
        s->step[0] = run->steps;
        return forensics_weights(s->nl, s->about->store, NILU_F32, &s->moment[0]);
    }
    for (int i = 0; i < n; i++) {
        nilu_store *whole;
        s->step[i] = run->snapshot[n > 1 ? (int64_t)i * (all - 1) / (n - 1) : all - 1];
        NILU_TRY(nilu_run_snapshot(s->about->run, s->step[i], &whole));
        nilu_status status = forensics_weights(s->nl, whole, NILU_F32, &s->moment[i]);
        nilu_store_free(whole);
        NILU_TRY(status);
        for (int k = 0; k < nilu_store_count(s->live); k++) {
            const nilu_value *v = nilu_store_at(s->live, k), *own = nilu_store_find(s->moment[i], v->name);
            if (!own || own->dtype != v->dtype || own->bytes != v->bytes)
                return base_fail(s->nl, NILU_E_MODEL,
                                 N_("%s: the trained weights do not hold it; was the model changed after training?"),
                                 v->name);
        }
    }
    return NILU_OK;
}

nilu_status nilu_samples_open(nilu *nl, nilu_inquiry *q, const nilu_samples_options *options, nilu_samples **samples)
{
    static const nilu_samples_options usual = NILU_SAMPLES_DEFAULT;
    *samples = NULL;
    if (options && options->size != sizeof *options)
        return base_fail(
            nl, NILU_E_USAGE,
            N_("nilu_samples_open: options.size is not sizeof(nilu_samples_options); start from NILU_SAMPLES_DEFAULT"));
    nilu_samples *s = base_calloc(nl, 1, sizeof *s);
    if (!s)
        return NILU_E_NO_MEMORY;
    s->nl = nl;
    s->options = options ? *options : usual;
    s->about = nilu_inquiry_about(q);
    s->n = s->about->set->count[NILU_TRAIN];
    s->features = s->about->set->features;
    s->outputs = s->about->set->outputs;
    s->classes = s->about->about->task == NILU_TASK_CLASSES;
    s->loss = s->about->about->options.loss;
    s->path = s->options.index ? base_strdup(nl, s->options.index)
                               : base_format(nl, "%s/samples.index", s->about->about->path);
    s->direction = base_calloc(nl, (size_t)s->outputs, sizeof *s->direction);
    nilu_status status = s->path && s->direction ? take_moments(s) : NILU_E_NO_MEMORY;
    s->info.samples = s->n;
    s->info.step = s->step;
    s->info.path = s->path;
    if (status == NILU_OK)
        status = plan_seen(s);
    if (status == NILU_OK && !s->options.exact)
        status = samples_index(s);
    if (status == NILU_OK)
        *samples = s;
    else
        nilu_samples_free(s);
    return status;
}

void nilu_samples_free(nilu_samples *s)
{
    if (!s)
        return;
    nilu *nl = s->nl;
    samples_pass_free(nl, &s->seen);
    samples_pass_free(nl, &s->weigh);
    samples_pass_free(nl, &s->make);
    for (int i = 0; i < SAMPLES_MOMENTS; i++)
        nilu_store_free(s->moment[i]);
    nilu_store_free(s->live);
    nilu_store_free(s->last);
    base_free(nl, s->layer);
    base_free(nl, s->path);
    base_free(nl, s->direction);
    base_free(nl, s->asked_x);
    base_free(nl, s->basis);
    base_free(nl, s->norm);
    base_free(nl, s);
}

const nilu_samples_info *nilu_samples_about(const nilu_samples *s)
{
    return &s->info;
}
