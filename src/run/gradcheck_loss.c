/* The gradient of a whole net checked: a scalar loss by its parameters, in f64. The parameters are moved where the plan
 * reads them, in a store of the check's own; what a step changes (counters, running statistics) is put back before the
 * next, so that every step sees the same dropout. */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>

typedef struct check {
    nilu *nl;
    nilu_graph *g;
    const nilu_gradcheck_options *options;
    int n, nfeed;
    const nilu_fed *fed;
    void **wide; /* the feeds, f32 made f64 */
    nilu_tensor **wrt, **grads;
    run_part *part;
    nilu_store *store;
    void **copy;
    int ncopy;
    nilu_plan *value, *slope;
} check;

/* `n` numbers of `from` as the plan in f64 keeps them. */
static void *widened(nilu *nl, nilu_dtype from, const void *data, int64_t n, nilu_dtype *to)
{
    *to = from == NILU_F32 ? NILU_F64 : from;
    size_t size = nilu_dtype_size(*to);
    void *wide = base_calloc(nl, (size_t)n + 1, size);
    if (wide && *to == from)
        memcpy(wide, data, (size_t)n * size);
    for (int64_t i = 0; wide && *to != from && i < n; i++)
        base_store(*to, wide, i, base_load(from, data, i));
    return wide;
}

static nilu_status copy_store(check *k, const nilu_store *from)
{
    k->store = nilu_store_new(k->nl);
    if (!k->store)
        return NILU_E_NO_MEMORY;
    for (int i = 0; from && i < nilu_store_count(from); i++) {
        const nilu_value *v = nilu_store_at(from, i);
        nilu_dtype dtype;
        void *wide = widened(k->nl, v->dtype, v->data, base_count(v->shape), &dtype);
        nilu_status status =
            wide ? nilu_store_put(k->store, v->kind, v->name, dtype, v->shape, wide) : NILU_E_NO_MEMORY;
        base_free(k->nl, wide);
        NILU_TRY(status);
    }
    return NILU_OK;
}

static nilu_status feed(check *k, nilu_plan *plan)
{
    for (int f = 0; f < plan->nfeed; f++)
        for (int i = 0; i < k->nfeed; i++)
            if (strcmp(k->fed[i].name, plan->feed[f].node->name) == 0)
                NILU_TRY(nilu_feed(plan, k->fed[i].name, k->wide[i], plan->feed[f].bytes));
    return NILU_OK;
}

static nilu_status widen_feeds(check *k)
{
    k->wide = base_calloc(k->nl, (size_t)k->nfeed + 1, sizeof *k->wide);
    if (!k->wide)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < k->nfeed; i++) {
        const nilu_tensor *t = nilu_find(k->g, k->fed[i].name);
        if (!t || t->node->op != &graph_op_input)
            return base_fail(k->nl, NILU_E_NAME, N_("nilu_gradcheck: the graph has no input \"%s\""), k->fed[i].name);
        if (k->fed[i].bytes != (size_t)base_count(t->shape) * nilu_dtype_size(t->dtype))
            return base_fail(k->nl, NILU_E_SHAPE, N_("nilu_gradcheck: %s was given %zu bytes, which is not its shape"),
                             k->fed[i].name, k->fed[i].bytes);
        nilu_dtype dtype;
        k->wide[i] = widened(k->nl, t->dtype, k->fed[i].data, base_count(t->shape), &dtype);
        if (!k->wide[i])
            return NILU_E_NO_MEMORY;
    }
    return NILU_OK;
}

static nilu_status find_parameters(check *k, nilu_tensor *loss)
{
    k->n = nilu_params_of(loss, 0, NULL);
    NILU_TRY(graph_report(k->g));
    size_t room = (size_t)k->n + 1;
    k->wrt = base_calloc(k->nl, room, sizeof *k->wrt);
    k->grads = base_calloc(k->nl, room, sizeof *k->grads);
    k->part = base_calloc(k->nl, room, sizeof *k->part);
    if (!k->wrt || !k->grads || !k->part)
        return NILU_E_NO_MEMORY;
    nilu_params_of(loss, k->n, k->wrt);
    NILU_TRY(graph_report(k->g));
    for (int i = 0; i < k->n; i++)
        if (k->wrt[i]->dtype == NILU_BF16)
            return base_fail(k->nl, NILU_E_DTYPE,
                             N_("%s is bf16, in which no difference is exact; build the model in f32 to check it"),
                             k->wrt[i]->node->name);
    return nilu_grad(loss, k->n, k->wrt, k->grads);
}

static nilu_status ready_parts(check *k)
{
    for (int i = 0; i < k->n; i++) {
        const nilu_value *v = nilu_store_find(k->store, k->wrt[i]->node->name);
        run_part *part = &k->part[i];
        *part = (run_part){.name = v->name, .x = v->data, .n = base_count(v->shape), .g = nilu_fetched(k->slope, i)};
        part->v = base_calloc(k->nl, (size_t)part->n + 1, sizeof *part->v);
        part->at = base_calloc(k->nl, (size_t)part->n + 1, sizeof *part->at);
        if (!part->v || !part->at)
            return NILU_E_NO_MEMORY;
    }
    k->copy = base_calloc(k->nl, (size_t)nilu_store_count(k->store) + 1, sizeof *k->copy);
    for (; k->copy && k->ncopy < nilu_store_count(k->store); k->ncopy++) {
        const nilu_value *v = nilu_store_at(k->store, k->ncopy);
        if (!(k->copy[k->ncopy] = base_alloc(k->nl, v->bytes + 1)))
            return NILU_E_NO_MEMORY;
        memcpy(k->copy[k->ncopy], v->data, v->bytes);
    }
    return k->copy ? NILU_OK : NILU_E_NO_MEMORY;
}

static nilu_status run(check *k, nilu_tensor *loss, const nilu_store *store, nilu_gradcheck_report *report)
{
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    char subject[512];
    o.dtype = NILU_F64;
    NILU_TRY(find_parameters(k, loss));
    NILU_TRY(widen_feeds(k));
    NILU_TRY(copy_store(k, store));
    NILU_TRY(nilu_compile(k->g, k->store, 1, &loss, &o, &k->value));
    NILU_TRY(nilu_compile(k->g, k->store, k->n, k->grads, &o, &k->slope));
    NILU_TRY(feed(k, k->value));
    NILU_TRY(feed(k, k->slope));
    NILU_TRY(ready_parts(k));
    NILU_TRY(nilu_step(k->slope));
    snprintf(subject, sizeof subject, base_text(N_("%s: its gradient by")), loss->node->name);
    run_probe p = {.nl = k->nl,
                   .options = k->options,
                   .report = report,
                   .subject = subject,
                   .alone = "",
                   .value = k->value,
                   .n = k->n,
                   .part = k->part,
                   .kept = k->store,
                   .copy = k->copy};
    for (int i = 0; i < k->n; i++) {
        run_part *part = &k->part[i];
        const nilu_value *v = nilu_store_find(k->store, part->name);
        for (int c = 0; c < k->ncopy; c++)
            if (nilu_store_at(k->store, c) == v)
                memcpy(part->at, k->copy[c], v->bytes);
        for (int64_t e = 0; e < part->n; e++)
            part->v[e] = base_normal((base_key){k->options->seed + 1, base_hash_text(part->name)}, (uint64_t)e);
    }
    return k->n ? run_probe_parts(&p) : NILU_OK;
}

nilu_status nilu_gradcheck(nilu_tensor *loss, const nilu_store *store, int n, const nilu_fed *feeds,
                           const nilu_gradcheck_options *options, nilu_gradcheck_report *report)
{
    nilu_gradcheck_options o = NILU_GRADCHECK_DEFAULT;
    memset(report, 0, sizeof *report);
    if (!loss)
        return NILU_E_GRAPH;
    nilu *nl = loss->node->g->nl;
    if (options)
        o = *options;
    if (o.size != sizeof o)
        return base_fail(nl, NILU_E_USAGE,
                         N_("nilu_gradcheck: options.size is not sizeof(nilu_gradcheck_options); start from "
                            "NILU_GRADCHECK_DEFAULT"));
    check k = {.nl = nl, .g = loss->node->g, .options = &o, .nfeed = n, .fed = feeds};
    nilu_status status = run(&k, loss, store, report);
    nilu_plan_free(k.value);
    nilu_plan_free(k.slope);
    for (int i = 0; i < n && k.wide; i++)
        base_free(nl, k.wide[i]);
    for (int i = 0; i < k.n && k.part; i++) {
        base_free(nl, k.part[i].v);
        base_free(nl, k.part[i].at);
    }
    for (int i = 0; i < k.ncopy; i++)
        base_free(nl, k.copy[i]);
    base_free(nl, k.copy);
    base_free(nl, k.wide);
    base_free(nl, k.wrt);
    base_free(nl, k.grads);
    base_free(nl, k.part);
    nilu_store_free(k.store);
    return status;
}
