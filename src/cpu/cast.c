/* Casts, through blocks of doubles that stay in the first-level cache: a double holds what any other type holds, but for
 * whole numbers beyond 2^53, which the reference rounds to a double too. */
#include "cpu/cpu.h"

#define PIECE 8192 /* elements of a tile */

static nilu_status prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)nl, (void)isa;
    *job = (cpu_job){.phases = 1, .tiles = {(base_count(n->out[0].shape) + PIECE - 1) / PIECE}};
    return NILU_OK;
}

static nilu_status run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    (void)phase, (void)local;
    const cpu_numbers_table *numbers = c->isa->numbers;
    const nilu_arg *x = &c->in[0], *z = &c->out[0];
    size_t from = nilu_dtype_size(x->dtype), to = nilu_dtype_size(z->dtype);
    int64_t stop = end * PIECE < z->n ? end * PIECE : z->n;
    double block[CPU_BLOCK];
    for (int64_t i = begin * PIECE; i < stop; i += CPU_BLOCK) {
        int64_t n = stop - i < CPU_BLOCK ? stop - i : CPU_BLOCK;
        numbers->load[x->dtype](block, (const char *)x->data + (size_t)i * from, n);
        numbers->store[z->dtype]((char *)z->data + (size_t)i * to, block, n);
    }
    return NILU_OK;
}

const cpu_kernel cpu_kernel_cast = {"cast", "cast", cpu_accepts_all, prepare, run};
