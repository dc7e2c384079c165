/* nilu_compile: the graph's copy is rewritten, ordered, given kernels and places, and bound to memory. After this nothing
 * is looked up or allocated any more. */
#include "plan/plan.h"

#include <string.h>

static size_t bytes_of(const nilu_tensor *t)
{
    return (size_t)base_count(t->shape) * nilu_dtype_size(t->dtype);
}

static int *place_of(nilu_plan *p, const nilu_tensor *t)
{
    t = plan_root(t);
    return &p->buffer_of[t->node->id * GRAPH_MAX_OUT + t->out];
}

static nilu_status add_buffer(nilu_plan *p, plan_buffer b, int *index)
{
    NILU_TRY(base_grow(p->nl, &p->buffer, &p->buffer_cap, p->nbuffer + 1, sizeof *p->buffer));
    p->buffer[p->nbuffer] = b;
    *index = p->nbuffer++;
    return NILU_OK;
}

static nilu_status add_step(nilu_plan *p, const nilu_node *node, bool copy, int nin, int nout)
{
    NILU_TRY(base_grow(p->nl, &p->step, &p->step_cap, p->nstep + 1, sizeof *p->step));
    plan_step *s = &p->step[p->nstep];
    memset(s, 0, sizeof *s);
    s->node = node;
    s->copy = copy;
    p->nstep++; /* from here on nilu_plan_free frees what the step holds */
    s->in = base_calloc(p->nl, (size_t)(nin + nout) + 1, sizeof *s->in);
    s->call.in = base_calloc(p->nl, (size_t)(nin + nout) + 1, sizeof *s->call.in);
    if (!s->in || !s->call.in)
        return NILU_E_NO_MEMORY;
    s->out = s->in + nin;
    s->call.out = s->call.in + nin;
    s->call.nin = nin;
    s->call.nout = nout;
    return NILU_OK;
}

/* ---- leaves: values from the store, from the caller, or known */

static nilu_status bind_value(nilu_plan *p, const nilu_node *n)
{
    const nilu_tensor *t = &n->out[0];
    nilu_kind kind = n->op == &graph_op_param ? NILU_PARAM : NILU_STATE;
    const nilu_value *v = nilu_store_find(p->store, n->name);
    char a[BASE_SHAPE_TEXT], b[BASE_SHAPE_TEXT];
    if (!v) {
        NILU_TRY(nilu_store_put(p->store, kind, n->name, t->dtype, t->shape, NULL));
        v = nilu_store_find(p->store, n->name);
        NILU_TRY(graph_init(p->nl, n, v->data));
    }
    if (v->dtype != t->dtype || !base_same_shape(v->shape, t->shape))
        return base_fail(p->nl, v->dtype != t->dtype ? NILU_E_DTYPE : NILU_E_SHAPE,
                         N_("%s: the store holds %s %s, but the graph wants %s %s; was it trained with another model?"), n->name,
                         nilu_dtype_name(v->dtype), base_shape_text(v->shape, a), nilu_dtype_name(t->dtype),
                         base_shape_text(t->shape, b));
    return add_buffer(p, (plan_buffer){.where = PLAN_STORE, .bytes = v->bytes, .data = v->data, .leaf = n}, place_of(p, t));
}

static nilu_status bind_leaves(nilu_plan *p)
{
    int inputs = 0;
    for (int i = 0; i < p->g->nnode; i++)
        inputs += p->g->node[i]->op == &graph_op_input;
    p->feed = base_calloc(p->nl, (size_t)inputs + 1, sizeof *p->feed);
    if (!p->feed)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < p->g->nnode; i++) {
        const nilu_node *n = p->g->node[i];
        const nilu_tensor *t = &n->out[0];
        if (n->op == &graph_op_param || n->op == &graph_op_state) {
            NILU_TRY(bind_value(p, n));
        } else if (n->op == &graph_op_constant) {
            NILU_TRY(add_buffer(p, (plan_buffer){.where = PLAN_CONSTANT, .bytes = bytes_of(t), .data = n->data, .leaf = n},
                                place_of(p, t)));
        } else if (n->op == &graph_op_input) {
            NILU_TRY(add_buffer(p, (plan_buffer){.where = PLAN_FEED, .bytes = bytes_of(t), .leaf = n}, place_of(p, t)));
            p->feed[p->nfeed++] = (plan_feed){.node = n, .buffer = *place_of(p, t), .bytes = bytes_of(t)};
        }
    }
    return NILU_OK;
}

static bool is_read(const nilu_plan *p, const char *name)
{
    for (int i = 0; i < p->nfeed; i++)
        if (strcmp(p->feed[i].node->name, name) == 0)
            return true;
    return false;
}

/* Who feeds a plan need not know which inputs those values need that are fetched. */
static nilu_status note_unread(nilu_plan *p, const nilu_graph *g, bool wide)
{
    for (int i = 0; i < g->nnode; i++) {
        const nilu_node *n = g->node[i];
        if (n->op != &graph_op_input || is_read(p, n->name))
            continue;
        nilu_dtype dtype = wide && n->out[0].dtype == NILU_F32 ? NILU_F64 : n->out[0].dtype;
        NILU_TRY(base_grow(p->nl, &p->unread, &p->unread_cap, p->nunread + 1, sizeof *p->unread));
        plan_unread *u = &p->unread[p->nunread];
        *u = (plan_unread){base_strdup(p->nl, n->name), (size_t)base_count(n->out[0].shape) * nilu_dtype_size(dtype)};
        if (!u->name)
            return NILU_E_NO_MEMORY;
        p->nunread++;
    }
    return NILU_OK;
}

/* ---- instructions */

static bool leaf_to_copy(const nilu_tensor *t)
{
    const nilu_op *op = plan_root(t)->node->op;
    return op == &graph_op_param || op == &graph_op_state || op == &graph_op_input;
}

static void describe(nilu_arg *a, nilu_dtype dtype, nilu_shape shape)
{
    *a = (nilu_arg){.dtype = dtype, .shape = shape, .n = base_count(shape)};
}

/* A copy of buffer `from` into buffer `to`, as an instruction. */
static nilu_status add_copy(nilu_plan *p, const nilu_node *leaf, int from, int to)
{
    NILU_TRY(add_step(p, leaf, true, 1, 1));
    plan_step *s = &p->step[p->nstep - 1];
    describe(&s->call.in[0], leaf->out[0].dtype, leaf->out[0].shape);
    describe(&s->call.out[0], leaf->out[0].dtype, leaf->out[0].shape);
    s->in[0] = from;
    s->out[0] = to;
    return plan_choose(p, s);
}

/* The value that leaf `t` has before the step, kept in the arena. */
static nilu_status keep_leaf(nilu_plan *p, const nilu_tensor *t, int *buffer)
{
    const nilu_node *leaf = plan_root(t)->node;
    NILU_TRY(add_buffer(p, (plan_buffer){.where = PLAN_ARENA, .bytes = bytes_of(&leaf->out[0])}, buffer));
    return add_copy(p, leaf, *place_of(p, t), *buffer);
}

static nilu_status add_nodes(nilu_plan *p)
{
    const nilu_node **order = base_calloc(p->nl, (size_t)p->g->nnode + 1, sizeof(const nilu_node *));
    int n = order ? plan_order(p->g, order) : -1;
    nilu_status status = n < 0 ? NILU_E_NO_MEMORY : NILU_OK;
    for (int i = 0; i < n && status == NILU_OK; i++) {
        const nilu_node *node = order[i];
        status = add_step(p, node, false, node->nin, node->nout);
        if (status != NILU_OK)
            break;
        plan_step *s = &p->step[p->nstep - 1];
        for (int k = 0; k < node->nin; k++)
            describe(&s->call.in[k], node->in[k]->dtype, node->in[k]->shape);
        for (int k = 0; k < node->nout; k++)
            describe(&s->call.out[k], node->out[k].dtype, node->out[k].shape);
        status = plan_choose(p, s);
    }
    base_free(p->nl, order);
    return status;
}

/* Can state `n` take its new value as soon as it is computed? Then *step and *out say by whom. */
static bool at_once(nilu_plan *p, const nilu_node *n, int *step, int *out)
{
    const nilu_tensor *value = plan_root(n->assigned);
    int maker = -1;
    if (value->node->op->leaf || *place_of(p, value) >= 0)
        return false;
    for (int i = 0; i < p->nstep; i++)
        if (!p->step[i].copy && p->step[i].node == value->node)
            maker = i;
    for (int i = maker; i < p->nstep; i++) {
        const plan_step *s = &p->step[i];
        if (s->job.faults)
            return false;
        for (int k = 0; k < s->call.nin && !s->copy; k++) {
            bool reads = plan_root(s->node->in[k])->node == n;
            if (reads && (i != maker || k >= 32 || !(s->job.in_place[value->out] >> k & 1)))
                return false;
        }
    }
    *step = maker;
    *out = value->out;
    return true;
}

/* Does one of those behind which instruction i runs read the buffer? It may not be done with it. */
static bool is_read_before(const nilu_plan *p, int i, int buffer)
{
    for (int m = plan_leader(p, i); m < i; m++)
        for (int k = 0; k < p->step[m].call.nin; k++)
            if (p->step[m].in[k] == buffer)
                return true;
    return false;
}

/* Gives each value of the instructions a buffer: the state's own where that is legal, an input's that dies here where the
 * kernel allows it, else a new one. */
static nilu_status bind_values(nilu_plan *p, int *last)
{
    int step, out;
    for (int i = 0; i < p->g->nnode; i++) {
        const nilu_node *n = p->g->node[i];
        if (n->assigned && at_once(p, n, &step, &out))
            *place_of(p, n->assigned) = *place_of(p, &n->out[0]);
    }
    for (int i = 0; i < p->nstep; i++) {
        plan_step *s = &p->step[i];
        if (s->copy)
            continue;
        for (int k = 0; k < s->call.nin; k++)
            s->in[k] = *place_of(p, s->node->in[k]);
        for (int j = 0; j < s->call.nout; j++) {
            const nilu_tensor *t = &s->node->out[j];
            int *place = place_of(p, t), until = last[t->node->id * GRAPH_MAX_OUT + j];
            if (*place >= 0) {
                s->out[j] = *place;
                continue;
            }
            for (int k = 0; k < s->call.nin && k < 32 && *place < 0; k++) {
                plan_buffer *b = &p->buffer[s->in[k]];
                bool taken = is_read_before(p, i, s->in[k]);
                for (int e = 0; e < j; e++)
                    taken |= s->out[e] == s->in[k];
                for (int e = 0; e < s->call.nin; e++) /* another operand in the same memory may be read in another order */
                    taken |= e != k && s->in[e] == s->in[k] && !(e < 32 && s->job.in_place[j] >> e & 1);
                if ((s->job.in_place[j] >> k & 1) && b->where == PLAN_ARENA && b->last == i && b->bytes == bytes_of(t) && !taken)
                    *place = s->in[k];
            }
            if (*place < 0)
                NILU_TRY(add_buffer(p, (plan_buffer){.where = PLAN_ARENA, .bytes = bytes_of(t), .first = plan_leader(p, i)}, place));
            if (until > p->buffer[*place].last)
                p->buffer[*place].last = until;
            if (p->buffer[*place].last < i)
                p->buffer[*place].last = i;
            s->out[j] = *place;
        }
    }
    return NILU_OK;
}

/* The last instruction that reads each value; the count of them all for what is read after the step. */
static void last_readers(nilu_plan *p, int *last, int nfetch, nilu_tensor *const *fetch)
{
    for (int i = 0; i < p->nstep; i++)
        for (int k = 0; k < p->step[i].call.nin && !p->step[i].copy; k++) {
            const nilu_tensor *t = plan_root(p->step[i].node->in[k]);
            last[t->node->id * GRAPH_MAX_OUT + t->out] = i;
        }
    for (int i = 0; i < p->g->nnode; i++)
        if (p->g->node[i]->assigned) {
            const nilu_tensor *t = plan_root(p->g->node[i]->assigned);
            last[t->node->id * GRAPH_MAX_OUT + t->out] = INT32_MAX;
        }
    for (int i = 0; i < nfetch; i++) {
        const nilu_tensor *t = plan_root(fetch[i]);
        last[t->node->id * GRAPH_MAX_OUT + t->out] = INT32_MAX;
    }
}

static nilu_status lay_out(nilu_plan *p, int nfetch, nilu_tensor *const *fetch)
{
    size_t tensors = (size_t)p->g->nnode * GRAPH_MAX_OUT + 1;
    int *kept = base_calloc(p->nl, (size_t)p->g->nnode + 1, sizeof *kept), *last = base_calloc(p->nl, tensors, sizeof *last);
    nilu_status status = kept && last ? NILU_OK : NILU_E_NO_MEMORY;
    p->fetch = base_calloc(p->nl, (size_t)nfetch + 1, sizeof *p->fetch);
    if (!p->fetch)
        status = NILU_E_NO_MEMORY;
    for (int i = 0; i < p->g->nnode && status == NILU_OK; i++)
        kept[i] = -1;
    for (int i = 0; i < nfetch && status == NILU_OK; i++) {
        p->fetch[i] = (plan_fetch){.buffer = -1, .dtype = fetch[i]->dtype, .shape = fetch[i]->shape};
        if (leaf_to_copy(fetch[i])) {
            int *k = &kept[plan_root(fetch[i])->node->id];
            status = *k >= 0 ? NILU_OK : keep_leaf(p, fetch[i], k);
            p->fetch[i].buffer = *k;
        }
    }
    for (int i = 0; i < p->g->nnode && status == NILU_OK; i++) {
        const nilu_node *n = p->g->node[i];
        if (n->assigned && leaf_to_copy(n->assigned) && kept[plan_root(n->assigned)->node->id] < 0)
            status = keep_leaf(p, n->assigned, &kept[plan_root(n->assigned)->node->id]);
    }
    for (int b = 0; b < p->nbuffer; b++)
        p->buffer[b].last = INT32_MAX; /* kept leaves: to the end */
    if (status == NILU_OK)
        status = add_nodes(p);
    if (status == NILU_OK)
        status = plan_find_behind(p);
    if (status == NILU_OK) {
        last_readers(p, last, nfetch, fetch);
        status = bind_values(p, last);
    }
    for (int i = 0; i < p->g->nnode && status == NILU_OK; i++) {
        const nilu_node *n = p->g->node[i];
        if (!n->assigned)
            continue;
        int from = leaf_to_copy(n->assigned) ? kept[plan_root(n->assigned)->node->id] : *place_of(p, n->assigned);
        if (from != *place_of(p, &n->out[0]))
            status = add_copy(p, n, from, *place_of(p, &n->out[0]));
    }
    for (int i = 0; i < nfetch && status == NILU_OK; i++)
        if (p->fetch[i].buffer < 0)
            p->fetch[i].buffer = *place_of(p, fetch[i]);
    p->nfetch = status == NILU_OK ? nfetch : 0;
    for (int b = 0; b < p->nbuffer; b++)
        if (p->buffer[b].last > p->nstep)
            p->buffer[b].last = p->nstep;
    base_free(p->nl, kept);
    base_free(p->nl, last);
    return status;
}

/* ---- memory of the instructions, and the pointers */

nilu_status plan_threads(nilu_plan *p, int threads)
{
    int64_t phases = 0;
    for (int i = 0; i < p->nstep; phases += p->step[i++].job.phases)
        p->step[i].taken = phases;
    base_free_aligned(p->nl, p->local);
    base_free_aligned(p->nl, p->taken);
    p->threads = threads;
    p->taken_far = (phases + 7) / 8 * 8; /* whole lines */
    p->local = base_alloc_aligned(p->nl, p->local_bytes * (size_t)threads + 64);
    p->taken = base_alloc_aligned(p->nl, (size_t)(p->taken_far * threads) * sizeof *p->taken + 64);
    return p->local && p->taken ? NILU_OK : NILU_E_NO_MEMORY;
}

#define REGION_FROM 4000 /* ns of what can be shared in a step: below this no region is opened */

static nilu_status bind_memory(nilu_plan *p)
{
    size_t scratch = 0, local = 0;
    double shared = 0;
    for (int i = 0; i < p->nstep; i++) {
        plan_step *s = &p->step[i];
        scratch += (s->job.scratch + 63) & ~(size_t)63;
        local = s->job.local > local ? s->job.local : local;
        shared += s->alone ? 0 : plan_estimate(s);
    }
    p->scratch_bytes = scratch;
    p->local_bytes = (local + 63) & ~(size_t)63;
    p->scratch = base_alloc_aligned(p->nl, scratch + 64);
    if (!p->scratch)
        return NILU_E_NO_MEMORY;
    NILU_TRY(plan_threads(p, shared < REGION_FROM ? 1 : p->nl->threads));
    char *at = p->scratch;
    for (int i = 0; i < p->nstep; i++) {
        plan_step *s = &p->step[i];
        nilu_call *c = &s->call;
        for (int k = 0; k < c->nin; k++)
            c->in[k].data = p->buffer[s->in[k]].data;
        for (int k = 0; k < c->nout; k++)
            c->out[k].data = p->buffer[s->out[k]].data;
        c->op = s->node->op;
        c->node = s->node;
        c->attr = s->node->attr;
        c->scratch = at;
        at += (s->job.scratch + 63) & ~(size_t)63;
        c->plan = s->job.plan;
        c->seed = p->nl->options.seed;
        c->isa = p->isa;
        c->fault = &p->fault;
    }
    return NILU_OK;
}

static nilu_status bind_feeds(nilu_plan *p)
{
    for (int f = 0; f < p->nfeed; f++) {
        plan_feed *feed = &p->feed[f];
        for (int pass = 0; pass < 2; pass++) {
            int n = 0;
            for (int i = 0; i < p->nstep; i++)
                for (int k = 0; k < p->step[i].call.nin; k++) {
                    if (p->step[i].in[k] != feed->buffer)
                        continue;
                    if (pass)
                        feed->use[n][0] = i, feed->use[n][1] = k;
                    n++;
                }
            if (!pass && !(feed->use = base_calloc(p->nl, (size_t)n + 1, sizeof *feed->use)))
                return NILU_E_NO_MEMORY;
            feed->nuse = n;
        }
    }
    return NILU_OK;
}

static nilu_status check(nilu_graph *g, nilu_store *store, int n, nilu_tensor *const *fetch,
                         const nilu_compile_options *o)
{
    NILU_TRY(graph_report(g));
    if (!store)
        return base_fail(g->nl, NILU_E_USAGE, N_("nilu_compile: a store is needed; make one with nilu_store_new"));
    if (o->size != sizeof *o)
        return base_fail(g->nl, NILU_E_USAGE,
                         N_("nilu_compile: options.size is not sizeof(nilu_compile_options); start from NILU_COMPILE_DEFAULT"));
    if (o->dtype != NILU_F32 && o->dtype != NILU_F64)
        return base_fail(g->nl, NILU_E_DTYPE, N_("nilu_compile: options.dtype must be NILU_F32 (as built) or NILU_F64"));
    for (int i = 0; i < n; i++)
        if (!fetch[i] || fetch[i]->node->g != g)
            return base_fail(g->nl, NILU_E_GRAPH, N_("nilu_compile: fetch %d is %s; pass tensors of this graph"), i,
                             fetch[i] ? N_("of another graph") : N_("missing (NULL)"));
    return NILU_OK;
}

nilu_status nilu_compile(nilu_graph *g, nilu_store *store, int n, nilu_tensor *const *fetch,
                         const nilu_compile_options *options, nilu_plan **plan)
{
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    if (options)
        o = *options;
    *plan = NULL;
    NILU_TRY(check(g, store, n, fetch, &o));
    double begin = base_now();
    nilu_plan *p = base_calloc(g->nl, 1, sizeof *p);
    nilu_tensor **fetched = base_calloc(g->nl, (size_t)n + 1, sizeof(nilu_tensor *));
    nilu_status status = p && fetched ? NILU_OK : NILU_E_NO_MEMORY;
    if (p)
        p->nl = g->nl;
    if (status != NILU_OK)
        goto cleanup;
    p->store = store;
    p->reference = o.reference;
    p->kernels = o.kernels;
    p->isa = cpu_isa_find(g->nl->options.isa);
    if (!p->isa) {
        status = base_fail(g->nl, NILU_E_UNSUPPORTED, N_("nilu_compile: this machine cannot run \"%s\" instructions; leave options.isa NULL for the best it has"),
                           g->nl->options.isa);
        goto cleanup;
    }
    status = rewrite_copy(g, n, fetch, o.dtype == NILU_F64, &p->g, fetched);
    if (status != NILU_OK)
        goto cleanup;
    rewrite_job job = {p->g, o.bf16, n, fetched};
    status = rewrite_all(&job, o.reference ? "fuse" : o.without);
    if (status != NILU_OK)
        goto cleanup;
    size_t tensors = (size_t)p->g->nnode * GRAPH_MAX_OUT + 1;
    p->buffer_of = base_calloc(p->nl, tensors, sizeof *p->buffer_of);
    status = p->buffer_of ? NILU_OK : NILU_E_NO_MEMORY;
    for (size_t i = 0; i < tensors && status == NILU_OK; i++)
        p->buffer_of[i] = -1;
    if (status == NILU_OK)
        status = bind_leaves(p);
    if (status == NILU_OK)
        status = note_unread(p, g, o.dtype == NILU_F64);
    if (status == NILU_OK)
        status = lay_out(p, n, fetched);
    if (status == NILU_OK)
        status = plan_place(p);
    if (status == NILU_OK)
        status = bind_memory(p);
    if (status == NILU_OK) {
        plan_barriers(p);
        status = bind_feeds(p);
    }
    if (status == NILU_OK)
        status = plan_brief(p);
    p->seconds = base_now() - begin;
cleanup:
    base_free(g->nl, fetched);
    if (status == NILU_OK)
        *plan = p;
    else
        nilu_plan_free(p);
    return status;
}

void nilu_plan_free(nilu_plan *p)
{
    if (!p)
        return;
    nilu *nl = p->nl;
    cpu_brief_free(p->brief);
    for (int i = 0; i < p->nstep; i++) {
        base_free(nl, p->step[i].in);
        base_free(nl, p->step[i].call.in);
        base_free(nl, p->step[i].job.plan);
        base_free(nl, p->step[i].behind);
    }
    for (int i = 0; i < p->nfeed; i++)
        base_free(nl, p->feed[i].use);
    for (int i = 0; i < p->nunread; i++)
        base_free(nl, p->unread[i].name);
    base_free(nl, p->unread);
    base_free(nl, p->step);
    base_free(nl, p->buffer);
    base_free(nl, p->buffer_of);
    base_free(nl, p->fetch);
    base_free(nl, p->feed);
    base_free_aligned(nl, p->arena);
    base_free_aligned(nl, p->scratch);
    base_free_aligned(nl, p->local);
    base_free_aligned(nl, p->taken);
    nilu_graph_free(p->g);
    base_free(nl, p);
}
