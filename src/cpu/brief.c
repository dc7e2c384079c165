/* A brief is made: instructions become steps on vectors of sixteen, or are called as ever. Places are addresses, each once:
 * a step's operands and results are numbers of places, as in a program. */
#include "cpu/cpu.h"

#include <string.h>

#define LANES 16
#define PLACES 256 /* as many as a step can name */

/* What is called as ever. */
typedef struct called {
    const cpu_kernel *kernel; /* NULL: the reference */
    const nilu_call *c;
    const cpu_job *job;
    void *local;
} called;

/* One number of any type from others, as the kernel and the reference compute it. */
typedef struct number {
    const nilu_call *c;
    ops_scalar_fn f; /* NULL: it stays as it is */
    double p[2];
} number;

struct cpu_brief {
    nilu *nl;
    const cpu_isa *isa;
    int nop, cap, nplace, ntemp;
    bool helps;
    nilu_status status; /* memory ran out */
    cpu_brief_op *op;
    float *temp; /* PLACES vectors */
    float *at[PLACES];
    int64_t ld[PLACES]; /* all 0: there is one row */
};

nilu_status cpu_brief_new(nilu *nl, const cpu_isa *isa, cpu_brief **out)
{
    cpu_brief *b = base_calloc(nl, 1, sizeof *b);
    *out = b;
    if (!b)
        return NILU_E_NO_MEMORY;
    b->nl = nl;
    b->isa = isa;
    b->temp = base_alloc_aligned(nl, PLACES * LANES * sizeof *b->temp);
    return b->temp ? NILU_OK : NILU_E_NO_MEMORY;
}

static void drop(cpu_brief *b, int from)
{
    while (b->nop > from) {
        b->nop--;
        base_free(b->nl, b->op[b->nop].index);
        base_free(b->nl, b->op[b->nop].data);
    }
}

void cpu_brief_free(cpu_brief *b)
{
    if (!b)
        return;
    drop(b, 0);
    base_free(b->nl, b->op);
    base_free_aligned(b->nl, b->temp);
    base_free(b->nl, b);
}

bool cpu_brief_helps(const cpu_brief *b)
{
    return b->helps;
}

void cpu_brief_run(const cpu_brief *b, const call_fault *fault)
{
    for (const cpu_brief_op *o = b->op, *end = o + b->nop; o < end; o++) {
        o->step.run(&o->step, b->at, b->ld, 1, LANES);
        if (o->faults && fault->raised)
            return;
    }
}

/* ---- making ops. A NULL op or a place of -1 is handed on until somebody looks: then the instruction is called as ever. */

static int place_of(cpu_brief *b, float *p)
{
    for (int i = 0; i < b->nplace; i++)
        if (b->at[i] == p)
            return i;
    if (b->nplace == PLACES)
        return -1;
    b->at[b->nplace] = p;
    return b->nplace++;
}

static int new_temp(cpu_brief *b)
{
    return b->ntemp == PLACES ? -1 : place_of(b, b->temp + LANES * b->ntemp++);
}

/* An op that writes place z; with room for `indices` vectors of lanes. */
static cpu_brief_op *add_op(cpu_brief *b, cpu_step_fn run, int z, int indices)
{
    if (z < 0)
        return NULL;
    int32_t *index = indices ? base_calloc(b->nl, (size_t)indices * LANES, sizeof *index) : NULL;
    if (base_grow(b->nl, &b->op, &b->cap, b->nop + 1, sizeof *b->op) != NILU_OK || (indices && !index)) {
        base_free(b->nl, index);
        b->status = NILU_E_NO_MEMORY;
        return NULL;
    }
    cpu_brief_op *o = &b->op[b->nop++];
    *o = (cpu_brief_op){.step = {.run = run, .z = {(uint8_t)z}}, .index = index};
    return o;
}

static void read_argument(cpu_brief_op *o, int k, const nilu_arg *a, bool ragged)
{
    o->arg[k] = a;
    o->n[k] = (int)a->n;
    o->whole[k] = !ragged;
}

/* ---- what converts */

static bool add_product(cpu_brief *b, const nilu_call *c, bool ta, bool tb, uint32_t ragged, int z)
{
    const cpu_brief_steps *steps = b->isa->tape->brief;
    const nilu_shape x = c->in[0].shape, w = c->in[1].shape;
    const int m = (int)x.dim[ta ? 1 : 0], k = (int)x.dim[ta ? 0 : 1], n = (int)w.dim[tb ? 0 : 1];
    cpu_brief_op *o = add_op(b, m == 1 ? steps->row_product : steps->product, z, m == 1 ? k : 2 * k);
    if (!o)
        return false;
    o->rounds = k;
    read_argument(o, 0, &c->in[0], ragged & 1);
    read_argument(o, 1, &c->in[1], ragged & 2);
    int32_t *index = o->index;
    for (int i = 0; i < k; i++) {
        for (int lane = 0; lane < m * n; lane++)
            index[lane] = tb ? lane % n * k + i : i * n + lane % n;
        index += LANES;
        for (int lane = 0; lane < m * n && m > 1; lane++)
            index[lane] = ta ? i * m + lane / n : lane / n * k + i;
        index += m > 1 ? LANES : 0;
    }
    return true;
}

/* The input as a vector with one lane for each point of the loop. */
static int add_spread(cpu_brief *b, const cpu_program *p, int input, const nilu_call *c, bool ragged)
{
    const cpu_tape_input *in = &p->in[input];
    const nilu_arg *a = &c->in[in->input];
    if (!in->brought && !ragged)
        return place_of(b, a->data);
    const int z = new_temp(b);
    cpu_brief_op *o = add_op(b, b->isa->tape->brief->spread, z, 1);
    if (!o)
        return -1;
    read_argument(o, 0, a, ragged);
    for (int lane = 0; lane < LANES; lane++) {
        int64_t at = 0, rest = lane;
        for (int d = p->rank - 1; d >= 0; rest /= p->dim[d--])
            at += rest % p->dim[d] * in->stride[d];
        o->index[lane] = (int32_t)at;
    }
    return z;
}

/* Sums over rows are taken first, as everywhere but in a tape that sums over all: its numbers are one row there. */
static bool add_sum(cpu_brief *b, const cpu_program *p, const cpu_tape_end *end, int v, int z)
{
    const int rows = (int)p->dim[0], columns = (int)p->dim[1];
    const bool down = end->over[0] && rows > 1, along = end->over[1], flat = !p->product && down && along;
    if (p->rank != 2)
        return false;
    if (!flat && (down || !along)) {
        const int to = along ? new_temp(b) : z;
        cpu_brief_op *o = add_op(b, b->isa->tape->brief->chain, to, down ? rows : 1);
        if (!o)
            return false;
        o->step.a[0] = (uint8_t)v;
        o->rounds = down ? rows : 1;
        for (int r = 0; r < o->rounds; r++)
            for (int lane = 0; lane < (down ? columns : rows * columns); lane++)
                o->index[r * LANES + lane] = r * columns + lane;
        v = to;
    }
    if (!along)
        return true;
    cpu_brief_op *o = add_op(b, b->isa->tape->brief->tree, z, 0);
    if (!o)
        return false;
    o->step.a[0] = (uint8_t)v;
    o->rounds = down || flat ? 1 : rows;
    o->n[0] = flat ? rows * columns : columns;
    return true;
}

static bool add_program(cpu_brief *b, const cpu_program *p, const nilu_call *c, uint32_t ragged, int tile)
{
    int place[REWRITE_MAX_INPUTS + CPU_MAX_TEMPS + GRAPH_MAX_OUT], n = 0;
    bool all = true;
    for (int k = 0; k < p->nin; k++)
        place[n++] = p->product && k == 0 ? tile : add_spread(b, p, k, c, ragged >> p->in[k].input & 1);
    for (int i = 0; i < p->ntemp; i++)
        place[n++] = new_temp(b);
    for (int e = 0; e < p->nend; e++)
        place[n++] = place_of(b, c->out[e].data);
    for (int i = 0; i < n; i++)
        all &= place[i] >= 0;
    for (int i = 0; i < p->nstep && all; i++) {
        cpu_brief_op *o = add_op(b, p->step[i].run, place[p->step[i].z[0]], 0);
        if (!o)
            return false;
        o->step = p->step[i];
        for (int k = 0; k < CPU_MAX_RESULTS; k++)
            o->step.z[k] = (uint8_t)place[p->step[i].z[k]];
        for (int k = 0; k < CPU_MAX_OPERANDS; k++)
            o->step.a[k] = (uint8_t)place[p->step[i].a[k]];
    }
    for (int e = 0; e < p->nend && all; e++)
        if (p->end[e].sum)
            all = add_sum(b, p, &p->end[e], place[p->end[e].place], place[p->nin + p->ntemp + e]);
    return all;
}

static bool is_tiny(const nilu_call *c)
{
    bool tiny = true;
    for (int k = 0; k < c->nin; k++)
        tiny &= c->in[k].dtype == NILU_F32 && c->in[k].n >= 1 && c->in[k].n <= LANES;
    for (int k = 0; k < c->nout; k++)
        tiny &= c->out[k].dtype == NILU_F32 && c->out[k].n >= 1 && c->out[k].n <= LANES;
    return tiny;
}

static bool flag(const nilu_node *n, const char *name)
{
    return *(const bool *)graph_attr_find(n, name);
}

static bool add_chain(cpu_brief *b, const nilu_call *c, uint32_t ragged)
{
    rewrite_step step;
    const rewrite_tape t = cpu_tape_of(c->node, &step);
    cpu_program *p;
    int tile = -1;
    if (base_count(t.loop) > LANES)
        return false;
    if (c->op == &rewrite_op_product) {
        tile = new_temp(b);
        if (cpu_rounds(c->node) || !add_product(b, c, flag(c->node, "ta"), flag(c->node, "tb"), ragged, tile))
            return false;
    }
    b->status = cpu_program_new(b->nl, c->node, &t, b->isa, true, &p);
    if (b->status != NILU_OK)
        return false;
    const bool all = add_program(b, p, c, ragged, tile);
    base_free(b->nl, p);
    return all;
}

static void compute_number(const cpu_step *s, float *const *at, const int64_t *ld, int64_t rows, int64_t columns)
{
    const number *x = ((const cpu_brief_op *)(const void *)s)->data;
    const nilu_call *c = x->c;
    const double first = call_get(c, 0, 0);
    (void)at, (void)ld, (void)rows, (void)columns;
    call_put(c, 0, 0,
             x->f ? x->f(first, c->nin > 1 ? call_get(c, 1, 0) : 0, c->nin > 2 ? call_get(c, 2, 0) : 0, x->p) : first);
}

static bool add_number(cpu_brief *b, const nilu_call *c)
{
    bool single = c->out[0].n == 1;
    for (int k = 0; k < c->nin; k++)
        single &= c->in[k].n == 1;
    cpu_brief_op *o = single ? add_op(b, compute_number, 0, 0) : NULL;
    number *x = o ? base_calloc(b->nl, 1, sizeof *x) : NULL;
    if (!x) {
        b->status = o ? NILU_E_NO_MEMORY : b->status;
        return false;
    }
    x->c = c;
    x->f = ops_scalar(c->op);
    if (x->f)
        ops_params(c->node, x->p);
    o->data = x;
    return true;
}

/* Steps for the instruction, if there are some. */
static bool convert(cpu_brief *b, const cpu_kernel *k, const nilu_call *c, uint32_t ragged)
{
    if (k == &cpu_kernel_cast && c->in[0].dtype == NILU_F64 && c->out[0].dtype == NILU_F32 && c->out[0].n <= LANES) {
        cpu_brief_op *o = add_op(b, b->isa->tape->brief->narrow, place_of(b, c->out[0].data), 0);
        if (o)
            read_argument(o, 0, &c->in[0], true);
        return o != NULL;
    }
    if (k == &cpu_kernel_plain || k == &cpu_kernel_cast)
        return add_number(b, c);
    if (!is_tiny(c))
        return false;
    if (k == &cpu_kernel_gemm)
        return c->in[0].shape.rank == 2 && c->in[1].shape.rank == 2 && !cpu_rounds(c->node) &&
               add_product(b, c, flag(c->node, "ta"), flag(c->node, "tb"), ragged, place_of(b, c->out[0].data));
    return (k == &cpu_kernel_product || k == &cpu_kernel_tape || k == &cpu_kernel_elementwise) &&
           add_chain(b, c, ragged);
}

static void call(const cpu_step *s, float *const *at, const int64_t *ld, int64_t rows, int64_t columns)
{
    const called *x = ((const cpu_brief_op *)(const void *)s)->data;
    (void)at, (void)ld, (void)rows, (void)columns;
    if (!x->kernel)
        x->c->op->ref(x->c);
    for (int phase = 0; x->kernel && phase < x->job->phases; phase++)
        x->kernel->run(x->c, phase, 0, x->job->tiles[phase], x->local);
}

nilu_status cpu_brief_add(cpu_brief *b, const cpu_kernel *k, const nilu_call *c, const cpu_job *job, uint32_t ragged,
                          void *local)
{
    const int before = b->nop;
    if (k && convert(b, k, c, ragged)) {
        b->helps = true;
        return NILU_OK;
    }
    NILU_TRY(b->status);
    drop(b, before);
    called *x = base_alloc(b->nl, sizeof *x);
    cpu_brief_op *o = x ? add_op(b, call, 0, 0) : NULL;
    if (!o) {
        base_free(b->nl, x);
        return NILU_E_NO_MEMORY;
    }
    *x = (called){k, c, job, local};
    o->data = x;
    o->faults = job->faults;
    return NILU_OK;
}
