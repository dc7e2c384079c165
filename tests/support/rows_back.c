/* The ways back of a row: value and gradients in one small program, which is compared with what is known by hand and with
 * what a coarse op is made of, and in which every allocation is made to fail. */
#include "support/rows.h"

int rows_wrt(const nilu_op *op, const graph_case *made, nilu_tensor *wrt[GRAPH_MAX_IN])
{
    int n = 0;
    for (int k = 0; k < made->nin; k++)
        if (base_is_float(made->in[k]->dtype) && !(k < 6 && op->nodiff[k]))
            wrt[n++] = made->in[k];
    return n;
}

static nilu_status feed(nilu_plan *plan, const graph_case *made)
{
    for (int f = 0; f < plan->nfeed; f++)
        for (int k = 0; k < made->nin; k++)
            if (strcmp(plan->feed[f].node->name, made->in[k]->node->name) == 0)
                NILU_TRY(nilu_feed(plan, made->in[k]->node->name, made->data[k], plan->feed[f].bytes));
    return NILU_OK;
}

/* fetch[0] is the op's value, or that of its parts; behind it the gradients of the value's sum. */
static nilu_status build(const rows_row *r, bool parts, const graph_case *made, int *n, nilu_tensor **fetch)
{
    nilu_tensor *wrt[GRAPH_MAX_IN], *y = made->out;
    if (y && parts)
        y = r->op->decompose(made->g, made->nin, made->in, y->node->attr);
    NILU_TRY(nilu_graph_status(made->g));
    fetch[0] = y;
    *n = rows_wrt(r->op, made, wrt);
    if (!base_is_float(y->dtype) || !(r->op->grad || r->op->expand))
        *n = 0;
    if (!*n)
        return NILU_OK;
    nilu_tensor *dy = nilu_fill(made->g, y->dtype, y->shape, 1);
    return dy ? nilu_grad_from(y, dy, *n, wrt, fetch + 1) : nilu_graph_status(made->g);
}

static nilu_status execute(nilu *nl, const rows_row *r, nilu_dtype real, bool parts, graph_case *made,
                           nilu_store *store, nilu_plan **plan, int *n)
{
    nilu_tensor *fetch[GRAPH_MAX_IN + 1];
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    o.reference = real == NILU_F64;
    NILU_TRY(graph_case_new(nl, r->op, r->c, real, NILU_I32, 0, made));
    NILU_TRY(build(r, parts, made, n, fetch));
    NILU_TRY(nilu_compile(made->g, store, *n + 1, fetch, &o, plan));
    NILU_TRY(feed(*plan, made));
    return nilu_step(*plan);
}

/* `v` may be NULL: then nothing is kept. */
static nilu_status run(nilu *nl, const rows_row *r, nilu_dtype real, bool parts, rows_values *v)
{
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan = NULL;
    graph_case made = {0};
    int n = 0;
    nilu_status status = store ? execute(nl, r, real, parts, &made, store, &plan, &n) : NILU_E_NO_MEMORY;
    for (int i = 0; v && status == NILU_OK && i < n + 1; i++)
        rows_add(v, nilu_fetched_dtype(plan, i), nilu_fetched_shape(plan, i), nilu_fetched(plan, i));
    if (v)
        v->gradients = n;
    nilu_plan_free(plan);
    graph_case_free(&made);
    nilu_store_free(store);
    return status;
}

void rows_decompose(rows_row *r)
{
    rows_way w = {.real = NILU_F64, .whole = NILU_I32, .threads = 1, .reference = true};
    rows_values whole = {0}, parts = {0};
    nilu *nl = rows_context(NULL, 1);
    if (run(nl, r, w.real, false, &whole) != NILU_OK || run(nl, r, w.real, true, &parts) != NILU_OK)
        rows_complain(r, &w, "decomposed: %s", nilu_errmsg(nl));
    else
        rows_same(r, &w, "the op against what it is made of", &parts, &whole, false);
    rows_free(&whole);
    rows_free(&parts);
    nilu_free(nl);
}

void rows_gradient(rows_row *r)
{
    rows_way w = {.real = NILU_F64, .whole = NILU_I32, .threads = 1, .reference = true};
    rows_values v = {0};
    nilu *nl = rows_context(NULL, 1);
    const char *p = r->c->gradient;
    char *end;
    if (run(nl, r, w.real, false, &v) != NILU_OK)
        rows_complain(r, &w, "%s", nilu_errmsg(nl));
    for (int k = 1; k < v.n; k++)
        for (int64_t i = 0; i < base_count(v.shape[k]); i++, p = end) {
            double want = strtod(p, &end), got = base_load(v.dtype[k], v.data[k], i);
            if (end == p || !(fabs(got - want) <= 1e-14 * fmax(1, fabs(want))))
                rows_complain(r, &w, "gradient %d known by hand, element %lld: expected %s%.17g, got %.17g", k - 1,
                              (long long)i, end == p ? "more numbers than are given; " : "", want, got);
        }
    if (p[strspn(p, " ")])
        rows_complain(r, &w, "gradient known by hand: more numbers are given than the inputs have");
    rows_free(&v);
    nilu_free(nl);
}

static nilu_status once(nilu *nl, void *user)
{
    return run(nl, user, NILU_F32, false, NULL);
}

void rows_survive(rows_row *r)
{
    for (r->c = r->op->cases; r->c->what; r->c++)
        if (!r->c->error && !r->c->fault) {
            support_fail_each(1, once, r);
            return;
        }
}
