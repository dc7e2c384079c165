/* Elementwise ops that no tape runs, because they are of f64, bf16 or integers: the op's own function, number by number in
 * double, as the reference has it, but on blocks, and shared among threads. */
#include "cpu/cpu.h"

#define PIECE 4096 /* elements of a tile */

typedef struct plain {
    ops_scalar_fn f;
    double p[2];
    int rank;
    int64_t dim[NILU_MAX_RANK], stride[3][NILU_MAX_RANK]; /* of the loop's axes; in elements of each operand */
} plain;

/* Neighbouring axes become one wherever all operands step through them as one. */
static void join_axes(plain *l, const nilu_node *n)
{
    nilu_shape loop = n->out[0].shape;
    int64_t stride[3][NILU_MAX_RANK];
    for (int k = 0; k < n->nin; k++)
        ops_strides(n->in[k]->shape, loop, stride[k]);
    for (int d = 0; d < loop.rank; d++) {
        if (loop.dim[d] == 1)
            continue;
        bool joins = l->rank > 0;
        for (int k = 0; k < n->nin && joins; k++)
            joins = l->stride[k][l->rank - 1] == stride[k][d] * loop.dim[d];
        if (joins)
            l->dim[l->rank - 1] *= loop.dim[d];
        else
            l->dim[l->rank++] = loop.dim[d];
        for (int k = 0; k < n->nin; k++)
            l->stride[k][l->rank - 1] = stride[k][d];
    }
    if (!l->rank)
        l->dim[l->rank++] = 1;
}

static nilu_status prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)isa;
    plain *l = base_calloc(nl, 1, sizeof *l);
    if (!l)
        return NILU_E_NO_MEMORY;
    l->f = ops_scalar(n->op);
    ops_params(n, l->p);
    join_axes(l, n);
    *job = (cpu_job){.phases = 1, .tiles = {cpu_ceil_div(base_count(n->out[0].shape), PIECE)}, .plan = l};
    for (int k = 0; k < n->nin; k++)
        if (n->in[k]->dtype == n->out[0].dtype && base_same_shape(n->in[k]->shape, n->out[0].shape))
            job->in_place[0] |= 1u << k;
    return NILU_OK;
}

/* `n` numbers of operand k from `at` on, along the last axis. */
static void load(const nilu_call *c, const plain *l, int k, int64_t at, double *v, int64_t n)
{
    const nilu_arg *x = &c->in[k];
    int64_t step = l->stride[k][l->rank - 1];
    if (step == 1) {
        c->isa->numbers->load[x->dtype](v, (const char *)x->data + (size_t)at * nilu_dtype_size(x->dtype), n);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        v[i] = i && step == 0 ? v[0] : call_get(c, k, at + i * step);
}

/* Elements i .. i+n-1, within one row. */
static void block(const nilu_call *c, const plain *l, int64_t i, int64_t n)
{
    double v[3][CPU_BLOCK], z[CPU_BLOCK];
    const nilu_arg *out = &c->out[0];
    for (int k = 0; k < c->nin; k++) {
        int64_t at = 0, rest = i;
        for (int d = l->rank - 1; d >= 0; rest /= l->dim[d], d--)
            at += rest % l->dim[d] * l->stride[k][d];
        load(c, l, k, at, v[k], n);
    }
    for (int64_t j = 0; j < n; j++)
        z[j] = l->f(v[0][j], c->nin > 1 ? v[1][j] : 0, c->nin > 2 ? v[2][j] : 0, l->p);
    c->isa->numbers->store[out->dtype]((char *)out->data + (size_t)i * nilu_dtype_size(out->dtype), z, n);
}

static nilu_status run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    (void)phase, (void)local;
    const plain *l = c->plan;
    int64_t row = l->dim[l->rank - 1], stop = cpu_least(end * PIECE, c->out[0].n);
    for (int64_t i = begin * PIECE, n; i < stop; i += n) {
        n = cpu_least(cpu_least(stop - i, row - i % row), CPU_BLOCK);
        block(c, l, i, n);
    }
    return NILU_OK;
}

const cpu_kernel cpu_kernel_plain = {"elementwise", "plain", cpu_accepts_all, prepare, run};
