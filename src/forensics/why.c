/* Why the error is sent back. The same network asks a yes-or-no question of the same samples, and several ways try to make
 * its loss small: one that is told the gradient, and four that can only ask what the loss would be elsewhere. All may spend
 * the same number of floating-point operations, counted by the plans; what the searchers spend on making up places to ask
 * at is not counted. The network has 10 weights, then 100, up to a million: a layer of h units on d inputs has h (d + 2) + 1
 * numbers, and for each power of ten there are an h and a d that give it exactly. Inputs are fixed random mixtures of the
 * features, so that any set can be asked.
 *
 * Invariant: all ways start from the same weights, and are judged by the same forward plan. */
#include "forensics/why.h"

#include <math.h>
#include <string.h>

/* h (d + 2) + 1 = 10^k; the smallest is a single unit on 9 inputs and its bias. */
static const int64_t shapes[NILU_WHY_SIZES][2] = {{9, 0}, {9, 9}, {35, 27}, {99, 99}, {367, 271}, {775, 1287}};

/* ---- the question: x [m, d] random mixtures of the features, each with mean 0 and deviation 1, and the answers */

static void standardise(float *x, int64_t m, int64_t d)
{
    for (int64_t j = 0; j < d; j++) {
        double sum = 0, square = 0;
        for (int64_t i = 0; i < m; i++)
            sum += x[i * d + j];
        for (int64_t i = 0; i < m; i++)
            square += (x[i * d + j] - sum / (double)m) * (x[i * d + j] - sum / (double)m);
        double factor = square > 0 ? 1 / sqrt(square / (double)m) : 0;
        for (int64_t i = 0; i < m; i++)
            x[i * d + j] = (float)((x[i * d + j] - sum / (double)m) * factor);
    }
}

static nilu_status mix(why_race *r, const float *sample, int64_t features)
{
    float *row = base_alloc(r->nl, (size_t)r->d * sizeof *row);
    if (!row)
        return NILU_E_NO_MEMORY;
    for (int64_t k = 0; k < features; k++) {
        for (int64_t j = 0; j < r->d; j++)
            row[j] = (float)base_normal((base_key){r->seed, 1}, (uint64_t)(k * r->d + j));
        for (int64_t i = 0; i < r->m; i++)
            for (int64_t j = 0; j < r->d; j++)
                r->x[i * r->d + j] += sample[i * features + k] * row[j];
    }
    base_free(r->nl, row);
    standardise(r->x, r->m, r->d);
    return NILU_OK;
}

/* ---- the network, for `worlds` candidates at once: weights are inputs, or (0) one set that is trained */

static nilu_tensor *piece(why_race *r, nilu_graph *g, int k, int worlds)
{
    const why_piece *p = &r->piece[k];
    nilu_shape s = worlds ? NILU_SHAPE(worlds, p->rows, p->columns) : NILU_SHAPE(p->rows, p->columns);
    return worlds ? nilu_input(g, p->name, NILU_F32, s)
                  : nilu_param(g, p->name, NILU_F32, s, (nilu_init){NILU_INIT_CONSTANT, 0, 0});
}

/* Mean over the samples of log(1 + exp(z)) - t z, the cross-entropy of sigmoid(z): one number a world. */
static nilu_tensor *network(why_race *r, nilu_graph *g, int worlds, nilu_tensor **z)
{
    nilu_tensor *y = nilu_input(g, "x", NILU_F32, NILU_SHAPE(r->m, r->d)), *t = nilu_input(g, "t", NILU_F32, NILU_SHAPE(r->m, 1));
    for (int k = 0; k < r->pieces; k += 2) {
        nilu_tensor *w = piece(r, g, k, worlds), *b = piece(r, g, k + 1, worlds);
        y = nilu_add(nilu_matmul(y, w), b);
        if (k + 2 < r->pieces)
            y = nilu_tanh(y);
    }
    *z = y;
    nilu_tensor *each = nilu_sub(nilu_softplus(y), nilu_mul(t, y));
    return nilu_mean(each, worlds ? NILU_AXES(1, 2) : NILU_ALL, false);
}

static nilu_status plan_asking(why_race *r, nilu_graph *g)
{
    nilu_tensor *fetch[2];
    fetch[0] = network(r, g, WHY_WORLDS, &fetch[1]);
    NILU_TRY(graph_report(g));
    NILU_TRY(nilu_compile(g, r->store, 2, fetch, NULL, &r->asking));
    NILU_TRY(nilu_feed(r->asking, "x", r->x, (size_t)(r->m * r->d) * sizeof(float)));
    NILU_TRY(nilu_feed(r->asking, "t", r->t, (size_t)r->m * sizeof(float)));
    for (int k = 0; k < r->pieces; k++) {
        const why_piece *p = &r->piece[k];
        NILU_TRY(nilu_feed(r->asking, p->name, r->world + WHY_WORLDS * p->at, (size_t)(WHY_WORLDS * p->n) * sizeof(float)));
    }
    nilu_plan_summary sum;
    nilu_plan_summarise(r->asking, &sum);
    r->ask_flops = sum.flops / WHY_WORLDS;
    return NILU_OK;
}

static nilu_status plan_learning(why_race *r, nilu_graph *g)
{
    nilu_optimizer_options o = NILU_OPTIMIZER_DEFAULT;
    o.name = "sgd";
    nilu_tensor *z, *loss = network(r, g, 0, &z);
    NILU_TRY(graph_report(g));
    NILU_TRY(nilu_minimise(loss, 0, NULL, &o, NULL, NULL));
    NILU_TRY(nilu_compile(g, r->store, 1, &loss, NULL, &r->learning));
    NILU_TRY(nilu_feed(r->learning, "x", r->x, (size_t)(r->m * r->d) * sizeof(float)));
    NILU_TRY(nilu_feed(r->learning, "t", r->t, (size_t)r->m * sizeof(float)));
    nilu_plan_summary sum;
    nilu_plan_summarise(r->learning, &sum);
    r->step_flops = sum.flops;
    return NILU_OK;
}

static nilu_status plan_noise(why_race *r, nilu_graph *g)
{
    nilu_tensor *z = nilu_random_normal(g, NILU_F32, NILU_SHAPE(r->n), 0, 1);
    NILU_TRY(graph_report(g));
    return nilu_compile(g, r->store, 1, &z, NULL, &r->noise);
}

static nilu_status planned(why_race *r, nilu_status (*plan)(why_race *r, nilu_graph *g))
{
    nilu_graph *g = nilu_graph_new(r->nl);
    nilu_status status = g ? plan(r, g) : NILU_E_NO_MEMORY;
    nilu_graph_free(g);
    return status;
}

static void add_piece(why_race *r, const char *name, int64_t rows, int64_t columns, int64_t fan_in)
{
    r->piece[r->pieces++] = (why_piece){name, r->n, rows * columns, rows, columns, 1 / sqrt((double)fan_in)};
    r->n += rows * columns;
}

static nilu_status open_race(why_race *r, const float *sample, int64_t features)
{
    add_piece(r, "w1", r->d, r->h ? r->h : 1, r->d);
    add_piece(r, "b1", 1, r->h ? r->h : 1, r->d);
    if (r->h) {
        add_piece(r, "w2", r->h, 1, r->h);
        add_piece(r, "b2", 1, 1, r->h);
    }
    r->store = nilu_store_new(r->nl);
    r->x = base_calloc(r->nl, (size_t)(r->m * r->d), sizeof *r->x);
    r->start = base_calloc(r->nl, (size_t)(WHY_WORLDS + 3) * (size_t)r->n, sizeof *r->start);
    if (!r->store || !r->x || !r->start)
        return NILU_E_NO_MEMORY;
    r->w = r->start + r->n;
    r->sum = r->w + r->n;
    r->world = r->sum + r->n;
    for (int k = 0; k < r->pieces; k += 2) /* biases start at 0 */
        for (int64_t i = 0; i < r->piece[k].n; i++)
            r->start[r->piece[k].at + i] = (float)(r->piece[k].scale * base_normal((base_key){r->seed, 2}, (uint64_t)(r->piece[k].at + i)));
    NILU_TRY(mix(r, sample, features));
    NILU_TRY(planned(r, plan_asking));
    NILU_TRY(planned(r, plan_learning));
    return planned(r, plan_noise);
}

static void close_race(why_race *r)
{
    nilu_plan_free(r->asking);
    nilu_plan_free(r->learning);
    nilu_plan_free(r->noise);
    nilu_store_free(r->store);
    base_free(r->nl, r->x);
    base_free(r->nl, r->start);
}

/* ---- the gradient in f64: its angle to a random direction, and whether it keeps what it promises */

typedef struct slope {
    nilu_store *store;
    nilu_plan *plan;
    double *x; /* [m, d], then t [m] */
    double *g; /* [n] */
} slope;

static nilu_status plan_slope(why_race *r, slope *s, nilu_graph *g)
{
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    nilu_tensor *z, *param[WHY_PIECES], *fetch[1 + WHY_PIECES];
    o.dtype = NILU_F64;
    fetch[0] = network(r, g, 0, &z);
    NILU_TRY(graph_report(g));
    for (int k = 0; k < r->pieces; k++)
        param[k] = nilu_find(g, r->piece[k].name);
    NILU_TRY(nilu_grad(fetch[0], r->pieces, param, fetch + 1));
    NILU_TRY(nilu_compile(g, s->store, 1 + r->pieces, fetch, &o, &s->plan));
    NILU_TRY(nilu_feed(s->plan, "x", s->x, (size_t)(r->m * r->d) * sizeof(double)));
    return nilu_feed(s->plan, "t", s->x + r->m * r->d, (size_t)r->m * sizeof(double));
}

/* The loss at start - eps · g. */
static nilu_status look(why_race *r, slope *s, double eps, double *loss)
{
    for (int k = 0; k < r->pieces; k++) {
        const why_piece *p = &r->piece[k];
        double *w = nilu_store_find(s->store, p->name)->data;
        for (int64_t i = 0; i < p->n; i++)
            w[i] = (double)r->start[p->at + i] - eps * s->g[p->at + i];
    }
    NILU_TRY(nilu_step(s->plan));
    *loss = *(const double *)nilu_fetched(s->plan, 0);
    return NILU_OK;
}

static nilu_status navigate(why_race *r, slope *s, nilu_why_size *out)
{
    double here, there, square = 0;
    NILU_TRY(look(r, s, 0, &here));
    for (int k = 0; k < r->pieces; k++)
        memcpy(s->g + r->piece[k].at, nilu_fetched(s->plan, 1 + k), (size_t)r->piece[k].n * sizeof *s->g);
    for (int64_t i = 0; i < r->n; i++)
        square += s->g[i] * s->g[i];
    out->loss = here;
    out->gradient = sqrt(square);
    for (int k = 0; k < NILU_WHY_STEPS; k++) {
        double eps = pow(10, -k);
        NILU_TRY(look(r, s, eps, &there));
        out->step[k] = (nilu_why_step){eps, there - here, -eps * square};
    }
    return NILU_OK;
}

static nilu_status angles(why_race *r, const slope *s, nilu_why_size *out)
{
    double sum = 0, squares = 0;
    for (int k = 0; k < out->directions; k++) {
        double dot = 0, length = 0;
        const float *z;
        NILU_TRY(why_noise(r, &z));
        for (int64_t i = 0; i < r->n; i++) {
            dot += z[i] * s->g[i];
            length += (double)z[i] * z[i];
        }
        double c = fabs(dot) / (sqrt(length) * out->gradient);
        sum += c;
        squares += c * c;
    }
    double n = out->directions;
    out->cosine = sum / n;
    out->cosine_error = sqrt(fmax(squares / n - out->cosine * out->cosine, 0) / (n - 1));
    out->theory = sqrt(2 / (M_PI * (double)r->n));
    return NILU_OK;
}

static nilu_status survey(why_race *r, nilu_why_size *out)
{
    int64_t cells = r->m * r->d;
    slope s = {.store = nilu_store_new(r->nl), .x = base_alloc(r->nl, (size_t)(cells + r->m + r->n) * sizeof(double))};
    nilu_graph *g = nilu_graph_new(r->nl);
    nilu_status status = s.store && s.x && g ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        s.g = s.x + cells + r->m;
        memset(s.g, 0, (size_t)r->n * sizeof *s.g);
        for (int64_t i = 0; i < cells; i++)
            s.x[i] = r->x[i];
        for (int64_t i = 0; i < r->m; i++)
            s.x[cells + i] = r->t[i];
        status = plan_slope(r, &s, g);
    }
    if (status == NILU_OK)
        status = navigate(r, &s, out);
    if (status == NILU_OK)
        status = angles(r, &s, out);
    nilu_graph_free(g);
    nilu_plan_free(s.plan);
    nilu_store_free(s.store);
    base_free(r->nl, s.x);
    return status;
}

/* ---- all of it */

/* Yes: the class has an odd number; of numbers: above the mean. */
static nilu_status take_samples(nilu *nl, nilu_data *data, uint64_t seed, int64_t *m, float **x, float **t)
{
    const nilu_data_info *d = nilu_data_about(data);
    bool classes = d->task == NILU_TASK_CLASSES;
    if (d->task == NILU_TASK_NONE || d->count[NILU_TRAIN] < 2)
        return base_fail(nl, NILU_E_DATA, N_("why: %s has no target, or fewer than two samples; there is nothing to learn from it"), d->name);
    if (*m > d->count[NILU_TRAIN])
        *m = d->count[NILU_TRAIN];
    int64_t *index = base_calloc(nl, (size_t)*m, sizeof *index);
    int32_t *label = base_calloc(nl, (size_t)*m, sizeof *label);
    float *target = base_calloc(nl, (size_t)*m, (size_t)d->outputs * sizeof *target);
    *x = base_calloc(nl, (size_t)*m, (size_t)d->features * sizeof **x);
    *t = base_calloc(nl, (size_t)*m, sizeof **t);
    nilu_status status = index && label && target && *x && *t ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        nilu_data_order(data, NILU_TRAIN, seed, 0, 0, *m, index);
        status = nilu_data_batch(data, NILU_TRAIN, index, *m, *x, classes ? label : NULL, classes ? NULL : target);
    }
    for (int64_t i = 0; i < *m && status == NILU_OK; i++)
        (*t)[i] = classes ? (float)(label[i] > 0 && label[i] % 2 == 1) : (float)(target[i * d->outputs] > 0);
    base_free(nl, index);
    base_free(nl, label);
    base_free(nl, target);
    return status;
}

static nilu_status check(nilu *nl, const nilu_why_options *o)
{
    if (o->size != sizeof *o)
        return base_fail(nl, NILU_E_USAGE, N_("nilu_why: options.size is not sizeof(nilu_why_options); start from NILU_WHY_DEFAULT"));
    if (o->sizes < 1 || o->sizes > NILU_WHY_SIZES || o->steps < 1 || o->steps > 1000000 || o->samples < 2 || o->samples > 1 << 20)
        return base_fail(nl, NILU_E_USAGE, N_("nilu_why: %d sizes, %lld steps, %lld samples; give 1 to %d, 1 to 1000000 and 2 to 1048576"),
                         o->sizes, (long long)o->steps, (long long)o->samples, NILU_WHY_SIZES);
    return NILU_OK;
}

static nilu_status run_size(why_race *r, const nilu_why_options *o, nilu_why_size *s)
{
    s->dimensions = r->n;
    s->inputs = r->d;
    s->hidden = r->h;
    s->directions = r->n > 100000 ? 60 : r->n > 10000 ? 200 : 1000;
    s->flops = r->step_flops * (double)o->steps;
    NILU_TRY(survey(r, s));
    for (int way = 0; way < NILU_WAYS; way++) {
        double begin = base_now();
        if (o->progress && !o->progress(o->user, r->n, way))
            return base_fail(r->nl, NILU_E_CANCELLED, N_("why: stopped at %lld dimensions"), (long long)r->n);
        NILU_TRY(why_run(r, way, s->flops, &s->way[way]));
        s->way[way].seconds = base_now() - begin;
    }
    return NILU_OK;
}

nilu_status nilu_why(nilu *nl, nilu_data *data, const nilu_why_options *options, nilu_why_result *result)
{
    nilu_why_options o = NILU_WHY_DEFAULT;
    float *x = NULL, *t = NULL;
    if (options)
        o = *options;
    *result = (nilu_why_result){0};
    NILU_TRY(check(nl, &o));
    int64_t m = o.samples, features = nilu_data_about(data)->features;
    double begin = base_now();
    nilu_status status = take_samples(nl, data, nl->options.seed, &m, &x, &t);
    for (int i = 0; i < o.sizes && status == NILU_OK; i++) {
        why_race r = {.nl = nl, .seed = nl->options.seed, .m = m, .d = shapes[i][0], .h = shapes[i][1], .t = t};
        status = open_race(&r, x, features);
        if (status == NILU_OK)
            status = run_size(&r, &o, &result->size[i]);
        close_race(&r);
        result->sizes += status == NILU_OK;
    }
    base_free(nl, x);
    base_free(nl, t);
    result->samples = m;
    result->steps = o.steps;
    result->seconds = base_now() - begin;
    return status;
}
