/* random_uniform, random_normal and dropout, of any float type, through blocks of doubles: draws as base_uniform gives them,
 * bit by bit, and as base_normal does but for rounding. */
#include "cpu/cpu.h"

#define PIECE 8192 /* elements of a tile: a multiple of what one call of Philox gives */

static nilu_status prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)nl, (void)isa;
    *job = (cpu_job){.phases = 1, .tiles = {cpu_ceil_div(base_count(n->out[0].shape), PIECE)}};
    if (n->op == &nilu_op_dropout)
        job->in_place[0] = 1;
    return NILU_OK;
}

/* What fills or changes a block of doubles that begins with element `first`; a and b are the node's two reals. */
typedef void (*block_fn)(const nilu_call *c, base_key key, int64_t first, double a, double b, double *v, int64_t n);

static void uniform_block(const nilu_call *c, base_key key, int64_t first, double low, double high, double *v,
                          int64_t n)
{
    double width = high - low;
    c->isa->random->uniform(key, (uint64_t)first, v, n);
    for (int64_t i = 0; i < n; i++)
        v[i] = low + width * v[i];
}

static void normal_block(const nilu_call *c, base_key key, int64_t first, double mean, double deviation, double *v,
                         int64_t n)
{
    c->isa->random->normal(key, (uint64_t)first, v, n);
    for (int64_t i = 0; i < n; i++)
        v[i] = mean + deviation * v[i];
}

static void dropout_block(const nilu_call *c, base_key key, int64_t first, double rate, double none, double *v,
                          int64_t n)
{
    (void)none;
    const nilu_arg *x = &c->in[0];
    c->isa->numbers->load[x->dtype](v, (const char *)x->data + (size_t)first * nilu_dtype_size(x->dtype), n);
    c->isa->random->drop(key, (uint64_t)first, rate, v, n);
}

static double real(const nilu_call *c, const char *name)
{
    const double *v = name ? graph_attr_find(c->node, name) : NULL;
    return v ? *v : 0;
}

static void each_block(const nilu_call *c, int step, block_fn fill, double a, double b, int64_t begin, int64_t end)
{
    const nilu_arg *z = &c->out[0];
    double v[CPU_BLOCK];
    base_key key =
        ops_random_key(c->seed, *(const int64_t *)graph_attr_find(c->node, "stream"), call_get_int(c, step, 0));
    int64_t stop = cpu_least(end * PIECE, z->n);
    for (int64_t i = begin * PIECE; i < stop; i += CPU_BLOCK) {
        int64_t n = cpu_least(stop - i, CPU_BLOCK);
        fill(c, key, i, a, b, v, n);
        c->isa->numbers->store[z->dtype]((char *)z->data + (size_t)i * nilu_dtype_size(z->dtype), v, n);
    }
}

#define KERNEL(name, step, fill, a, b)                                                                                 \
    static nilu_status run_##name(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)              \
    {                                                                                                                  \
        (void)phase, (void)local;                                                                                      \
        each_block(c, step, fill, real(c, a), real(c, b), begin, end);                                                 \
        return NILU_OK;                                                                                                \
    }                                                                                                                  \
    const cpu_kernel cpu_kernel_##name = {#name, #name, cpu_accepts_all, prepare, run_##name};
KERNEL(random_uniform, 0, uniform_block, "low", "high")
KERNEL(random_normal, 0, normal_block, "mean", "deviation")
KERNEL(dropout, 1, dropout_block, "rate", NULL)
