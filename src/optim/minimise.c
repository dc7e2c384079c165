/* One step of training, written into the graph: gradients, accumulation, clipping, the rate, and for each parameter the
 * optimizer's rule. What is here holds for all optimizers; what is particular to one is in its own file. */
#include "optim/optim.h"

#include <math.h>
#include <string.h>

static const optim_rule *const rules[] = {&optim_sgd,      &optim_momentum, &optim_nesterov, &optim_rmsprop, &optim_adagrad,
                                          &optim_adadelta, &optim_adam,     &optim_adamw,    &optim_lion,    &optim_muon};

const char *nilu_optimizer_name(int i)
{
    return i >= 0 && i < (int)COUNT(rules) ? rules[i]->name : NULL;
}

static const optim_rule *find(const char *name)
{
    for (size_t i = 0; i < COUNT(rules); i++)
        if (strcmp(rules[i]->name, name) == 0)
            return rules[i];
    return NULL;
}

static nilu_status unknown(nilu *nl, const char *name)
{
    const char *names[COUNT(rules)];
    for (size_t i = 0; i < COUNT(rules); i++)
        names[i] = rules[i]->name;
    const char *near = base_nearest(name, names, COUNT(names));
    if (near)
        return base_fail(nl, NILU_E_USAGE, N_("optimizer: there is no %s; did you mean %s?"), name, near);
    return base_fail(nl, NILU_E_USAGE, N_("optimizer: there is no %s; use sgd, momentum, nesterov, rmsprop, adagrad, adadelta, "
                                          "adam, adamw, lion or muon"), name);
}

/* ---- options */

/* A field, its name, and what it may be: low <= value < high. */
typedef struct limit {
    const char *name;
    size_t at;
    double low, high;
} limit;
#define FIELD(field, low, high) {#field, offsetof(nilu_optimizer_options, field), low, high}
static const limit limits[] = {FIELD(lr, 0, HUGE_VAL),    FIELD(momentum, 0, 1),         FIELD(beta1, 0, 1),
                               FIELD(beta2, 0, 1),        FIELD(eps, 0, HUGE_VAL),       FIELD(decay, 0, HUGE_VAL),
                               FIELD(rho, 0, 1),          FIELD(side_lr, 0, HUGE_VAL),   FIELD(clip_value, 0, HUGE_VAL),
                               FIELD(clip_norm, 0, HUGE_VAL), FIELD(ema, 0, 1)};

nilu_status nilu_optimizer_resolve(nilu *nl, const nilu_optimizer_options *options, nilu_optimizer_options *out)
{
    static const nilu_optimizer_options none = NILU_OPTIMIZER_DEFAULT;
    if (!options)
        options = &none;
    if (options->size != sizeof *options)
        return base_fail(nl, NILU_E_USAGE, N_("optimizer: the options' size is wrong; start from NILU_OPTIMIZER_DEFAULT"));
    nilu_optimizer_options o = *options;
    if (!o.name)
        o.name = "adam";
    const optim_rule *rule = find(o.name);
    if (!rule)
        return unknown(nl, o.name);
    o.name = rule->name;
    for (size_t i = 0; i < COUNT(limits); i++) {
        double value, otherwise;
        memcpy(&value, (char *)&o + limits[i].at, sizeof value);
        memcpy(&otherwise, (const char *)&rule->otherwise + limits[i].at, sizeof otherwise);
        if (isnan(value))
            value = limits[i].at == offsetof(nilu_optimizer_options, side_lr) ? o.lr : otherwise;
        if (!(value >= limits[i].low && value < limits[i].high))
            return base_fail(nl, NILU_E_USAGE, N_("optimizer: %s of %s is %g; give a number from %g to below %g"),
                             limits[i].name, o.name, value, limits[i].low, limits[i].high);
        memcpy((char *)&o + limits[i].at, &value, sizeof value);
    }
    if (o.accumulate < 0)
        return base_fail(nl, NILU_E_USAGE, N_("optimizer: accumulate is %d; give the number of steps for one update, 1 or more"),
                         o.accumulate);
    if (o.accumulate == 0)
        o.accumulate = 1;
    if (!o.scope)
        o.scope = "opt";
    NILU_TRY(optim_schedule_check(nl, &o.schedule));
    *out = o;
    return NILU_OK;
}

/* ---- what the rules are written with */

nilu_tensor *optim_number(nilu_graph *g, double value)
{
    return nilu_fill(g, NILU_F64, NILU_SCALAR, value);
}

nilu_tensor *optim_state(const optim_site *s, const char *name, double value)
{
    return s->w ? nilu_state(s->all->g, name, s->dtype, s->w->shape, value) : NULL;
}

/* Between two updates a state keeps its value. */
void optim_keep(const optim_site *s, nilu_tensor *state, nilu_tensor *value)
{
    nilu_assign(state, s->all->due ? nilu_where(s->all->due, value, state) : value);
}

nilu_tensor *optim_average(nilu_tensor *old, nilu_tensor *fresh, double share)
{
    return nilu_add(old, nilu_scale(nilu_sub(fresh, old), share));
}

nilu_tensor *optim_decayed(const optim_site *s)
{
    double decay = s->all->o->decay;
    return decay > 0 ? nilu_add(s->g, nilu_scale(s->w, decay)) : s->g;
}

/* ---- the step */

static nilu_dtype arithmetic(nilu_dtype dtype)
{
    return dtype == NILU_BF16 ? NILU_F32 : dtype;
}

static nilu_tensor *as(nilu_tensor *t, nilu_dtype dtype)
{
    return t && t->dtype != dtype ? nilu_cast(t, dtype) : t;
}

/* Counts updates, and finds the rate. With accumulation over N steps, step s (from 0) is in update floor(s / N), which
 * happens in the last of the N. */
static void count(optim_update *u)
{
    nilu_graph *g = u->g;
    int n = u->o->accumulate;
    nilu_tensor *done = nilu_cast(nilu_step_counter(g), NILU_F64);
    if (n > 1) {
        nilu_tensor *step = done, *each = optim_number(g, n);
        done = nilu_floor(nilu_div(step, each));
        u->count = nilu_shift(done, 1);
        u->due = nilu_named(nilu_eq(nilu_shift(step, 1), nilu_mul(u->count, each)), "due");
    } else {
        u->count = nilu_shift(done, 1);
    }
    nilu_tensor *lr = nilu_state(g, "lr", NILU_F64, NILU_SCALAR, u->o->lr);
    nilu_tensor *factor = optim_schedule(g, &u->o->schedule, done);
    u->rate = factor ? nilu_named(nilu_mul(lr, factor), "rate") : lr;
}

/* The gradient of a whole update in `dtype`: with accumulation the mean of those of its steps. */
static nilu_tensor *gather(const optim_update *u, const nilu_tensor *w, nilu_tensor *g)
{
    nilu_dtype dtype = arithmetic(w->dtype);
    g = as(g, dtype);
    if (u->due) {
        nilu_tensor *sum = nilu_state(u->g, "sum", dtype, w->shape, 0);
        g = nilu_add(sum, g);
        nilu_assign(sum, nilu_where(u->due, nilu_fill(u->g, dtype, NILU_SCALAR, 0), g));
        g = nilu_scale(g, 1.0 / u->o->accumulate);
    }
    if (u->o->clip_value > 0)
        g = nilu_clamp(g, -u->o->clip_value, u->o->clip_value);
    return g;
}

/* Scalars in the arithmetics that occur: made once for each. */
typedef struct scalars {
    nilu_tensor *f64[OPTIM_MAX_SCALARS], *in[NILU_DTYPES][OPTIM_MAX_SCALARS], *shrink[NILU_DTYPES];
} scalars;

static void update(const optim_update *u, const optim_rule *rule, scalars *k, nilu_tensor *shrink, nilu_tensor *w,
                   nilu_tensor *grad)
{
    optim_site s = {.all = u, .dtype = arithmetic(w->dtype)};
    for (int i = 0; i < OPTIM_MAX_SCALARS; i++) {
        if (!k->in[s.dtype][i])
            k->in[s.dtype][i] = as(k->f64[i], s.dtype);
        s.k[i] = k->in[s.dtype][i];
    }
    if (shrink && !k->shrink[s.dtype])
        k->shrink[s.dtype] = as(shrink, s.dtype);
    s.w = as(w, s.dtype);
    s.g = shrink ? nilu_mul(grad, k->shrink[s.dtype]) : grad;
    nilu_tensor *next = as(rule->step(&s), w->dtype);
    nilu_assign(w, u->due ? nilu_where(u->due, next, w) : next);
}

static nilu_status build(optim_update *u, const optim_rule *rule, int n, nilu_tensor *const *w, nilu_tensor **grads,
                         nilu_tensor **rate, nilu_tensor **norm)
{
    nilu_graph *g = u->g;
    scalars k = {0};
    nilu_scope_push(g, u->o->scope);
    count(u);
    if (rule->scalars)
        rule->scalars(u, k.f64);
    else
        k.f64[0] = u->rate;
    for (int i = 0; i < n && g->status == NILU_OK; i++) {
        nilu_scope_push(g, w[i]->node->name);
        grads[i] = gather(u, w[i], grads[i]);
        nilu_scope_pop(g);
    }
    nilu_tensor *shrink = NULL;
    if (g->status == NILU_OK && (norm || u->o->clip_norm > 0)) {
        nilu_tensor *length = nilu_named(optim_norm(g, n, grads), "norm");
        if (u->o->clip_norm > 0)
            shrink = optim_shrink(g, length, u->o->clip_norm);
        if (norm)
            *norm = length;
    }
    for (int i = 0; i < n && g->status == NILU_OK; i++) {
        nilu_scope_push(g, w[i]->node->name);
        update(u, rule, &k, shrink, w[i], grads[i]);
        nilu_scope_pop(g);
    }
    if (u->o->ema > 0 && g->status == NILU_OK)
        optim_ema(u);
    if (rate)
        *rate = u->rate;
    return graph_report(g);
}

nilu_status nilu_minimise(nilu_tensor *loss, int n, nilu_tensor *const *params, const nilu_optimizer_options *options,
                          nilu_tensor **rate, nilu_tensor **norm)
{
    nilu_graph *g = nilu_tensor_graph(loss);
    if (rate)
        *rate = NULL;
    if (norm)
        *norm = NULL;
    for (int i = 0; i < n && params && !g; i++)
        g = nilu_tensor_graph(params[i]);
    if (!g)
        return NILU_E_GRAPH;
    NILU_TRY(graph_report(g));
    nilu *nl = g->nl;
    if (!loss)
        return graph_fail(g, NILU_E_GRAPH, N_("nilu_minimise: the loss is missing (NULL); pass the tensor of an earlier call"));
    nilu_optimizer_options o;
    NILU_TRY(nilu_optimizer_resolve(nl, options, &o));

    nilu_status status = NILU_E_NO_MEMORY;
    if (!params) {
        n = nilu_params_of(loss, 0, NULL);
        NILU_TRY(graph_report(g));
    }
    /* The names of what is added start at the root, whatever scope is open; it comes from no line of a model file. */
    char scope[sizeof g->scope];
    memcpy(scope, g->scope, sizeof scope);
    int depth = g->depth;
    char *where = g->where;
    g->scope[0] = 0;
    g->depth = 0;
    g->where = NULL;
    int ends[COUNT(g->scope_end)];
    memcpy(ends, g->scope_end, sizeof ends);

    nilu_tensor **w = base_calloc(nl, (size_t)n + 1, sizeof *w), **grads = base_calloc(nl, (size_t)n + 1, sizeof *grads);
    if (!w || !grads)
        goto cleanup;
    if (params)
        memcpy(w, params, (size_t)n * sizeof *w);
    else
        nilu_params_of(loss, n, w);
    optim_update u = {.g = g, .o = &o};
    status = graph_report(g);
    if (status == NILU_OK)
        status = nilu_grad(loss, n, w, grads);
    if (status == NILU_OK)
        status = build(&u, find(o.name), n, w, grads, rate, norm);

cleanup:
    base_free(nl, w);
    base_free(nl, grads);
    memcpy(g->scope, scope, sizeof scope);
    memcpy(g->scope_end, ends, sizeof ends);
    g->depth = depth;
    g->where = where;
    return status;
}
