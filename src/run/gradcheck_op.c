/* An op's own cases as a check of its derivatives, in f64. First order: y against Jᵀu, for random weights u of y. Second
 * order: Jᵀu is itself a value of x and u, checked in the same way with weights v; and since it is linear in u, what its
 * gradient gives for u is J v. So <J v, u> = <v, Jᵀu> is asked as well, which no rounding of differences blurs. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct check {
    nilu *nl;
    const nilu_op *op;
    const nilu_case *c;
    const nilu_gradcheck_options *options;
    nilu_gradcheck_report *report;
    char alone[256]; /* the command that runs this case alone */
    graph_case made;
    int n; /* parts: the inputs with a gradient; behind them u */
    run_part part[GRAPH_MAX_IN + 1];
    nilu_tensor *wrt[GRAPH_MAX_IN + 1];
    double *u, *jv;    /* of the size of y */
    nilu_store *store; /* empty: cases have no parameters */
} check;

static const char *input_name(const nilu_op *op, int k)
{
    return op->variadic || k >= 6 || !op->inputs[k] ? "an input" : op->inputs[k];
}

static double *random_numbers(const check *k, int64_t n, uint64_t stream)
{
    double *v = base_calloc(k->nl, (size_t)n + 1, sizeof *v);
    for (int64_t i = 0; v && i < n; i++)
        v[i] = base_normal((base_key){k->options->seed + 1, stream}, (uint64_t)i);
    return v;
}

static nilu_status add_part(check *k, const char *name, nilu_tensor *t, double *x)
{
    int64_t n = base_count(t->shape);
    run_part *part = &k->part[k->n];
    *part = (run_part){.name = name, .x = x, .n = n};
    k->wrt[k->n++] = t;
    part->v = random_numbers(k, n, (uint64_t)k->n);
    part->at = base_calloc(k->nl, (size_t)n + 1, sizeof *part->at);
    if (!part->v || !part->at)
        return NILU_E_NO_MEMORY;
    memcpy(part->at, x, (size_t)n * sizeof *x);
    return NILU_OK;
}

static nilu_status feed(check *k, nilu_plan *plan)
{
    for (int f = 0; f < plan->nfeed; f++) {
        const char *name = plan->feed[f].node->name;
        const void *data = NULL;
        for (int i = 0; i < k->made.nin; i++)
            if (strcmp(name, k->made.in[i]->node->name) == 0)
                data = k->made.data[i];
        for (int i = 0; i < k->n; i++) {
            if (strcmp(name, k->wrt[i]->node->name) == 0)
                data = k->part[i].x;
            if (name[0] == 'v' && atoi(name + 1) == i)
                data = k->part[i].v;
        }
        NILU_TRY(nilu_feed(plan, name, data, plan->feed[f].bytes));
    }
    return NILU_OK;
}

static nilu_status compile(check *k, int n, nilu_tensor *const *fetch, nilu_plan **plan)
{
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    o.dtype = NILU_F64;
    o.reference = true;
    NILU_TRY(nilu_compile(k->made.g, k->store, n, fetch, &o, plan));
    return feed(k, *plan);
}

/* The value y with weights u, and its gradients by the first n parts; `jv` receives what the last of them gets. */
static nilu_status compare(check *k, const char *subject, nilu_tensor *y, const double *u, int n,
                           nilu_tensor *const *grads, double *jv)
{
    nilu_plan *value = NULL, *slope = NULL;
    nilu_status status = compile(k, 1, &y, &value);
    if (status == NILU_OK)
        status = compile(k, n, grads, &slope);
    if (status == NILU_OK)
        status = nilu_step(slope);
    for (int i = 0; i < n && status == NILU_OK; i++)
        k->part[i].g = nilu_fetched(slope, i);
    for (int64_t i = 0; jv && status == NILU_OK && i < k->part[n - 1].n; i++)
        jv[i] += k->part[n - 1].g[i];
    run_probe p = {.nl = k->nl,
                   .options = k->options,
                   .report = k->report,
                   .subject = subject,
                   .alone = k->alone,
                   .value = value,
                   .u = u,
                   .n = n,
                   .part = k->part};
    if (status == NILU_OK && !k->c->kinky)
        status = run_probe_parts(&p);
    nilu_plan_free(value);
    nilu_plan_free(slope);
    return status;
}

/* <J v, u> against <v, Jᵀu>, where both are numbers. */
static nilu_status agree(check *k, const char *subject, int n, nilu_tensor *const *din)
{
    nilu_plan *plan = NULL;
    nilu_status status = compile(k, n, din, &plan);
    if (status == NILU_OK)
        status = nilu_step(plan);
    double there = 0, back = 0, size = 0;
    for (int64_t i = 0; status == NILU_OK && i < k->part[n].n; i++) {
        there += k->jv[i] * k->u[i];
        size += fabs(k->jv[i] * k->u[i]);
    }
    for (int i = 0; i < n && status == NILU_OK; i++) {
        const double *g = nilu_fetched(plan, i);
        for (int64_t e = 0; e < k->part[i].n; e++) {
            back += k->part[i].v[e] * g[e];
            size += fabs(k->part[i].v[e] * g[e]);
        }
    }
    run_probe p = {.nl = k->nl, .options = k->options, .report = k->report, .subject = subject, .alone = k->alone};
    if (status == NILU_OK &&
        isfinite(size)) /* rounding alone may part them: 1e-10 of the terms, not of what they leave */
        run_judge(&p, N_("<Jv, u>, which must be <v, J'u>,"), -1, there, back, size * 1e-10 / k->options->tolerance);
    nilu_plan_free(plan);
    return status;
}

/* All orders of output `j` of the case's node. */
static nilu_status check_output(check *k, nilu_tensor *y)
{
    char subject[256];
    nilu_tensor *din[GRAPH_MAX_IN], *second[GRAPH_MAX_IN + 1];
    int n = k->n;
    int64_t count = base_count(y->shape);
    k->u = random_numbers(k, count, 0);
    k->jv = base_calloc(k->nl, (size_t)count + 1, sizeof *k->jv);
    nilu_tensor *dy = nilu_input(k->made.g, "u", y->dtype, y->shape);
    if (!k->u || !k->jv || !dy)
        return NILU_E_NO_MEMORY;
    NILU_TRY(nilu_grad_from(y, dy, n, k->wrt, din));
    NILU_TRY(add_part(k, "dz", dy, k->u));
    snprintf(subject, sizeof subject, base_text(N_("%s, case \"%s\": the gradient of")), k->op->name, k->c->what);
    NILU_TRY(compare(k, subject, y, k->u, n, din, NULL));
    if (k->c->first_only)
        return NILU_OK;
    for (int i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "v%d", i);
        nilu_tensor *v = nilu_input(k->made.g, name, din[i]->dtype, din[i]->shape);
        if (!v)
            return graph_report(k->made.g);
        NILU_TRY(nilu_grad_from(din[i], v, n + 1, k->wrt, second));
        snprintf(subject, sizeof subject, base_text(N_("%s, case \"%s\": the gradient of the error of %s, by")),
                 k->op->name, k->c->what, k->part[i].name);
        NILU_TRY(compare(k, subject, din[i], k->part[i].v, n + 1, second, k->jv));
    }
    snprintf(subject, sizeof subject, "%s, case \"%s\":", k->op->name, k->c->what);
    return agree(k, subject, n, din);
}

static nilu_status check_once(check *k, int output, bool *checked)
{
    NILU_TRY(graph_case_new(k->nl, k->op, k->c, NILU_F64, NILU_I64, k->options->seed, &k->made));
    nilu_tensor *y = output ? nilu_output(k->made.out, output) : k->made.out;
    if (!y || !base_is_float(y->dtype) || y->dtype == NILU_BF16) /* no difference is exact in bf16 */
        return NILU_OK;
    snprintf(k->alone, sizeof k->alone, "nilu gradcheck --op %s --case \"%s\"", k->op->name, k->c->what);
    if (k->options->seed)
        snprintf(k->alone + strlen(k->alone), sizeof k->alone - strlen(k->alone), " --seed %llu",
                 (unsigned long long)k->options->seed);
    for (int i = 0; i < k->made.nin; i++)
        if (base_is_float(k->made.in[i]->dtype) && !(i < 6 && k->op->nodiff[i]))
            NILU_TRY(add_part(k, input_name(k->op, i), k->made.in[i], k->made.data[i]));
    if (!k->n)
        return NILU_OK;
    *checked = true;
    k->store = nilu_store_new(k->nl);
    return k->store ? check_output(k, y) : NILU_E_NO_MEMORY;
}

static nilu_status check_case(nilu *nl, const nilu_op *op, const nilu_case *c, const nilu_gradcheck_options *o,
                              nilu_gradcheck_report *report)
{
    nilu_status status = NILU_OK;
    bool checked = false;
    for (int output = 0; output < GRAPH_MAX_OUT && status == NILU_OK; output++) {
        check k = {.nl = nl, .op = op, .c = c, .options = o, .report = report};
        status = check_once(&k, output, &checked);
        nilu_store_free(k.store);
        graph_case_free(&k.made);
        for (int i = 0; i < k.n; i++) {
            base_free(nl, k.part[i].v);
            base_free(nl, k.part[i].at);
        }
        base_free(nl, k.u);
        base_free(nl, k.jv);
    }
    report->cases += checked;
    return status;
}

static nilu_status find(nilu *nl, const char *name, const nilu_op **op)
{
    const char *names[256], *near;
    size_t n = 0;
    for (size_t i = 0; i < graph_op_count() && n < COUNT(names); i++)
        names[n++] = graph_op_at(i)->name;
    *op = graph_op(name);
    if (*op)
        return NILU_OK;
    near = base_nearest(name, names, n);
    return near ? base_fail(nl, NILU_E_NAME, N_("\"%s\" is no op; did you mean \"%s\"?"), name, near)
                : base_fail(nl, NILU_E_NAME, N_("\"%s\" is no op"), name);
}

nilu_status nilu_gradcheck_op(nilu *nl, const char *name, const nilu_gradcheck_options *options,
                              nilu_gradcheck_report *report)
{
    nilu_gradcheck_options o = NILU_GRADCHECK_DEFAULT;
    const nilu_op *op;
    if (options)
        o = *options;
    memset(report, 0, sizeof *report);
    if (o.size != sizeof o)
        return base_fail(nl, NILU_E_USAGE,
                         N_("nilu_gradcheck_op: options.size is not sizeof(nilu_gradcheck_options); start from "
                            "NILU_GRADCHECK_DEFAULT"));
    NILU_TRY(find(nl, name, &op));
    if (o.only && !graph_case_find(op, o.only))
        return base_fail(nl, NILU_E_NAME, N_("%s has no case \"%s\"; its file src/ops/%s.c lists them"), name, o.only,
                         name);
    for (const nilu_case *c = op->cases; c && c->what && (op->grad || op->expand); c++)
        if (!c->error && !c->fault && (!o.only || strcmp(o.only, c->what) == 0))
            NILU_TRY(check_case(nl, op, c, &o, report));
    return NILU_OK;
}
