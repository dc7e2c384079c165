#include "support/rows.h"

#include <stdarg.h>

#define SEED 0

rows_taken rows_were_taken;

static void describe(const rows_way *w, char *text, size_t room)
{
    if (!w) {
        *text = 0;
        return;
    }
    snprintf(text, room, " [%s, %s, %s, %d threads%s%s%s%s%s]", nilu_dtype_name(w->real), w->isa ? w->isa : "best",
             w->reference ? "reference"
             : w->kernel  ? w->kernel->name
                          : "any kernel",
             w->threads, w->wrapped ? ", wrapped" : "", w->without ? ", without " : "", w->without ? w->without : "",
             w->whole == NILU_I64 ? ", i64" : "", w->bf16 ? ", products in bf16" : "");
}

void rows_complain(rows_row *r, const rows_way *w, const char *format, ...)
{
    char sentence[1500], way[200];
    va_list args;
    if (r->failures++ > 20)
        return;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    describe(w, way, sizeof way);
    print_error("%s / \"%s\"%s: %s; seed %d; alone: rows_test %s \"%s\"\n", r->op->name, r->c->what, way, sentence,
                SEED, r->op->name, r->c->what);
}

void rows_free(rows_values *v)
{
    for (int i = 0; i < v->n; i++)
        free(v->data[i]);
    memset(v, 0, sizeof *v);
}

void *rows_add(rows_values *v, nilu_dtype dtype, nilu_shape shape, const void *data)
{
    size_t bytes = (size_t)base_count(shape) * nilu_dtype_size(dtype);
    v->dtype[v->n] = dtype;
    v->shape[v->n] = shape;
    v->data[v->n] = calloc(bytes + 1, 1);
    assert_non_null(v->data[v->n]);
    if (data)
        memcpy(v->data[v->n], data, bytes);
    return v->data[v->n++];
}

nilu *rows_context(const char *isa, int threads)
{
    nilu_options o = NILU_OPTIONS_DEFAULT;
    o.threads = threads;
    o.isa = isa ? isa : getenv("NILU_ISA");
    nilu *nl = nilu_new(&o, NULL);
    assert_non_null(nl);
    return nl;
}

/* ---- the op in a graph */

/* What runs: the op alone, or its inputs halved (which is exact, and leaves every domain that cases use), its outputs
 * tripled, and the gradients of their weighted sum. */
typedef struct program {
    graph_case made;
    nilu_tensor *fetch[GRAPH_MAX_OUT + GRAPH_MAX_IN], *u[GRAPH_MAX_OUT];
    int n, gradients, nu;
} program;

static nilu_status differentiate(program *p, const nilu_op *op)
{
    nilu_tensor *loss = NULL, *wrt[GRAPH_MAX_IN];
    int n = rows_wrt(op, &p->made, wrt);
    for (int i = 0; i < p->n; i++) {
        char name[8];
        if (!base_is_float(p->fetch[i]->dtype))
            continue;
        snprintf(name, sizeof name, "u%d", p->nu);
        nilu_tensor *u = p->u[p->nu++] = nilu_input(p->made.g, name, p->fetch[i]->dtype, p->fetch[i]->shape);
        nilu_tensor *term = nilu_cast(nilu_sum(nilu_mul(p->fetch[i], u), NILU_ALL, false), p->fetch[0]->dtype);
        loss = loss ? nilu_add(loss, term) : term;
    }
    if (!loss || !n)
        return nilu_graph_status(p->made.g);
    NILU_TRY(nilu_grad(loss, n, wrt, p->fetch + p->n));
    p->n += n;
    p->gradients = n;
    return NILU_OK;
}

static nilu_status build(nilu *nl, const rows_row *r, const rows_way *w, program *p)
{
    const nilu_op *op = r->op;
    nilu_tensor *in[GRAPH_MAX_IN], *out;
    memset(p, 0, sizeof *p);
    NILU_TRY(graph_case_new(nl, op, r->c, w->real, w->whole, SEED, &p->made));
    out = p->made.out;
    if (w->wrapped) {
        unsigned char attr[GRAPH_MAX_ATTR];
        NILU_TRY(graph_attr_parse(nl, op, r->c->attr, attr));
        for (int k = 0; k < p->made.nin; k++)
            in[k] = base_is_float(p->made.in[k]->dtype) ? nilu_scale(p->made.in[k], 0.5) : p->made.in[k];
        if (w->known)
            in[w->known - 1] = nilu_fill(p->made.g, in[w->known - 1]->dtype, in[w->known - 1]->shape, w->number);
        if (p->made.nin)
            out = graph_node(op, p->made.nin, in, attr);
    }
    NILU_TRY(nilu_graph_status(p->made.g));
    for (int i = 0; i < (op->expand ? 1 : out->node->nout); i++) {
        nilu_tensor *t = op->expand ? out : nilu_output(out, i);
        p->fetch[p->n++] = w->wrapped && base_is_float(t->dtype) ? nilu_scale(t, 3) : t;
    }
    return w->wrapped && (op->grad || op->expand) ? differentiate(p, op) : nilu_graph_status(p->made.g);
}

/* ---- the plan */

static int64_t most_tiles(const plan_step *s)
{
    int64_t most = 0;
    for (int phase = 0; phase < s->job.phases; phase++)
        most = s->job.tiles[phase] > most ? s->job.tiles[phase] : most;
    return most;
}

/* Small plans run on one thread; here they are shared all the same, or nothing would be tested. */
static void share(nilu_plan *p, int threads)
{
    for (int i = 0; i < p->nstep; i++)
        p->step[i].alone = most_tiles(&p->step[i]) < 2;
    assert_int_equal(plan_threads(p, threads), NILU_OK);
    plan_barriers(p);
}

static bool overlaps(const nilu_plan *p, const plan_step *s)
{
    for (int j = 0; j < s->call.nout; j++)
        for (int k = 0; k < s->call.nin; k++)
            if (s->out[j] == s->in[k] && p->buffer[s->out[j]].bytes)
                return true;
    return false;
}

static void take_note(const nilu_plan *p, const plan_step *s)
{
    const cpu_kernel *k;
    rows_were_taken.in_place += overlaps(p, s);
    rows_were_taken.shared += p->threads > 1 && !s->alone;
    for (size_t i = 0; (k = cpu_kernel_at(i)) && i < COUNT(rows_were_taken.kernel); i++)
        if (k == s->kernel && most_tiles(s) > rows_were_taken.kernel[i])
            rows_were_taken.kernel[i] = most_tiles(s);
}

static const plan_step *step_of(const nilu_plan *p, const nilu_op *op)
{
    for (int i = 0; i < p->nstep; i++)
        if (!p->step[i].copy && p->step[i].node->op == op)
            return &p->step[i];
    return NULL;
}

/* Feeds lie one element beside a boundary of 64 bytes: no kernel may count on more. */
static nilu_status feed(const program *p, nilu_plan *plan, void **held)
{
    for (int f = 0; f < plan->nfeed; f++) {
        const nilu_tensor *t = &plan->feed[f].node->out[0];
        int64_t n = base_count(t->shape);
        size_t size = nilu_dtype_size(t->dtype);
        char *at = (char *)(held[f] = aligned_alloc(64, ((size_t)n * size + 2 * 64) / 64 * 64)) + size;
        const void *data = NULL;
        for (int k = 0; k < p->made.nin; k++)
            if (strcmp(p->made.in[k]->node->name, plan->feed[f].node->name) == 0)
                data = p->made.data[k];
        if (data)
            memcpy(at, data, (size_t)n * size);
        for (int64_t i = 0; i < n && !data; i++)
            base_store(t->dtype, at, i, base_normal((base_key){SEED, 1}, (uint64_t)i));
        NILU_TRY(nilu_feed(plan, plan->feed[f].node->name, at, plan->feed[f].bytes));
    }
    return NILU_OK;
}

static nilu_status execute(nilu *nl, const rows_row *r, const rows_way *w, program *p, rows_values *v)
{
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan = NULL;
    void *held[2 * GRAPH_MAX_IN] = {0};
    o.reference = w->reference && !w->unsimplified;
    o.kernels = w->unsimplified ? "none of this name" : w->kernel ? w->kernel->name : NULL;
    o.without = w->unsimplified ? "simplify,cse,fuse,fold" : w->without;
    o.bf16 = w->bf16;
    nilu_status status = nilu_compile(p->made.g, store, p->n, p->fetch, &o, &plan);
    if (status == NILU_OK && w->threads > 1)
        share(plan, w->threads);
    if (status == NILU_OK)
        status = feed(p, plan, held);
    for (int twice = 0; twice < 2 && status == NILU_OK; twice++) /* what a step leaves behind must not matter */
        status = nilu_step(plan);
    for (int i = 0; i < p->n && status == NILU_OK; i++)
        rows_add(v, nilu_fetched_dtype(plan, i), nilu_fetched_shape(plan, i), nilu_fetched(plan, i));
    v->gradients = status == NILU_OK ? p->gradients : 0;
    for (int i = 0; status == NILU_OK && i < plan->nstep; i++)
        take_note(plan, &plan->step[i]);
    const plan_step *own = plan ? step_of(plan, r->op) : NULL;
    if (w->kernel && own && own->kernel != w->kernel) {
        status = base_fail(nl, NILU_E_UNSUPPORTED, "the kernel accepts the node, but the plan did not choose it");
    }
    snprintf(v->message, sizeof v->message, "%s", status == NILU_OK ? "" : nilu_errmsg(nl));
    nilu_plan_free(plan);
    nilu_store_free(store);
    for (size_t i = 0; i < COUNT(held); i++)
        free(held[i]);
    return status;
}

nilu_status rows_run(const rows_row *r, const rows_way *w, rows_values *v)
{
    program p;
    nilu *nl = rows_context(w->isa, w->threads);
    memset(v, 0, sizeof *v);
    nilu_status status = build(nl, r, w, &p);
    if (status == NILU_OK)
        status = execute(nl, r, w, &p, v);
    else
        snprintf(v->message, sizeof v->message, "%s", nilu_errmsg(nl));
    graph_case_free(&p.made);
    nilu_free(nl);
    return status;
}

/* ---- the judge */

nilu_status rows_judge(const rows_row *r, nilu_dtype real, nilu_dtype whole, rows_values *v)
{
    const nilu_op *op = r->op;
    nilu *nl = rows_context(NULL, 1);
    graph_case made;
    unsigned char attr[GRAPH_MAX_ATTR];
    call_fault fault = {0};
    nilu_arg in[GRAPH_MAX_IN], out[GRAPH_MAX_OUT];
    memset(v, 0, sizeof *v);
    nilu_status status = graph_case_new(nl, op, r->c, real, whole, SEED, &made);
    if (status == NILU_OK)
        status = nilu_graph_status(made.g);
    if (status == NILU_OK)
        status = graph_attr_parse(nl, op, r->c->attr, attr);
    nilu_build b = {.g = made.g, .op = op, .nin = made.nin, .in = made.in, .attr = attr};
    if (status == NILU_OK)
        status = op->shape(&b);
    if (status == NILU_OK) {
        nilu_call c = {.op = op,
                       .node = op->expand ? NULL : made.out->node,
                       .attr = attr,
                       .nin = made.nin,
                       .nout = b.nout,
                       .in = in,
                       .out = out,
                       .fault = &fault};
        for (int k = 0; k < made.nin; k++)
            in[k] = (nilu_arg){made.data[k], made.in[k]->dtype, made.in[k]->shape, base_count(made.in[k]->shape)};
        for (int k = 0; k < b.nout; k++) {
            void *data = rows_add(v, b.dtype[k], b.shape[k], NULL);
            out[k] = (nilu_arg){data, b.dtype[k], b.shape[k], base_count(b.shape[k])};
        }
        size_t scratch = op->ref_scratch && c.node ? op->ref_scratch(c.node) : 0;
        c.scratch = malloc(scratch + 1);
        assert_non_null(c.scratch);
        memset(c.scratch, 0xff, scratch); /* NaNs: a reference clears what it needs cleared */
        status = op->ref(&c);
        free(c.scratch);
    }
    snprintf(v->message, sizeof v->message, "%s", fault.raised ? fault.text : status == NILU_OK ? "" : nilu_errmsg(nl));
    v->composite = op->expand != NULL;
    for (int k = 0; k < made.nin && status == NILU_OK; k++)
        for (int64_t i = 0; i < in[k].n; i++) {
            double x = fabs(base_load(in[k].dtype, in[k].data, i));
            v->operand = x > v->operand && isfinite(x) ? x : v->operand;
        }
    graph_case_free(&made);
    nilu_free(nl);
    return status;
}
