/* argmax and argmin, of any data type. A row of f32 is asked for its largest, and searched for where that first is; other
 * types are looked at number by number. Where the axis is not the last, a line of columns is turned into rows in `local`. */
#include "cpu/cpu.h"

#include <math.h>

#define TILE 8192 /* elements of a tile, if a row has no more */
#define LINE 64   /* bytes of the columns that are turned into rows together */

typedef struct position {
    bool most;
    graph_around x;
    int64_t size;         /* of an element */
    int64_t rows, across; /* of a tile; inner > 1: tiles of one outer slice, of `rows` columns each */
} position;

static nilu_status prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)isa;
    position *p = base_calloc(nl, 1, sizeof *p);
    if (!p)
        return NILU_E_NO_MEMORY;
    p->most = n->op == &nilu_op_argmax;
    p->x = graph_split(n->in[0]->shape, (int)((const struct ops_position *)n->attr)->axis);
    p->size = (int64_t)nilu_dtype_size(n->in[0]->dtype);
    p->rows = p->x.inner > 1 ? cpu_least(p->x.inner, LINE / p->size) : TILE / (p->x.n + 1) + 1;
    p->across = p->x.inner > 1 ? cpu_ceil_div(p->x.inner, p->rows) : 1;
    *job = (cpu_job){.phases = 1, .plan = p};
    job->tiles[0] = p->x.inner > 1 ? p->x.outer * p->across : p->x.inner * cpu_ceil_div(p->x.outer, p->rows);
    if (p->x.inner > 1)
        job->local = (size_t)(p->x.n * p->rows * p->size + LINE);
    return NILU_OK;
}

/* The first of the largest or smallest; a NaN is more than all. */
static int64_t among_reals(const cpu_numbers_table *isa, bool most, nilu_dtype dtype, const char *x, int64_t n)
{
    double block[CPU_BLOCK], best = most ? -INFINITY : INFINITY;
    int64_t at = 0;
    for (int64_t i = 0; i < n; i += CPU_BLOCK) {
        int64_t count = cpu_least(n - i, CPU_BLOCK);
        isa->load[dtype](block, x + (size_t)i * nilu_dtype_size(dtype), count);
        for (int64_t j = 0; j < count; j++) {
            double v = most ? block[j] : -block[j];
            if (v != v)
                return i + j;
            if (v > (most ? best : -best)) {
                best = block[j];
                at = i + j;
            }
        }
    }
    return at;
}

static int64_t among_i64(bool most, const int64_t *x, int64_t n)
{
    int64_t at = 0;
    for (int64_t i = 1; i < n; i++)
        if (most ? x[i] > x[at] : x[i] < x[at])
            at = i;
    return at;
}

static int64_t search(const nilu_call *c, bool most, const char *x, int64_t n)
{
    const cpu_rows_table *rows = c->isa->rows;
    nilu_dtype dtype = c->in[0].dtype;
    if (dtype == NILU_F32)
        return rows->find((const float *)x,
                          most ? rows->largest((const float *)x, n) : rows->smallest((const float *)x, n), n);
    return dtype == NILU_I64 ? among_i64(most, (const int64_t *)x, n) : among_reals(c->isa->numbers, most, dtype, x, n);
}

static void tile(const nilu_call *c, const position *p, int64_t t, char *local)
{
    int64_t n = p->x.n, row = n * p->size, *z = c->out[0].data;
    const char *x = c->in[0].data;
    if (p->x.inner == 1) {
        int64_t stop = cpu_least((t + 1) * p->rows, p->x.outer);
        for (int64_t i = t * p->rows; i < stop; i++)
            z[i] = search(c, p->most, x + i * row, n);
        return;
    }
    int64_t outer = t / p->across, column = t % p->across * p->rows, rows = cpu_least(p->x.inner - column, p->rows);
    int64_t ld = p->x.inner * p->size;
    cpu_flip(x + outer * n * ld + column * p->size, ld, local, row, n, rows, p->size, false);
    for (int64_t i = 0; i < rows; i++)
        z[outer * p->x.inner + column + i] = search(c, p->most, local + i * row, n);
}

static nilu_status run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    (void)phase;
    for (int64_t t = begin; t < end; t++)
        tile(c, c->plan, t, local);
    return NILU_OK;
}

const cpu_kernel cpu_kernel_argmax = {"argmax", "argmax", cpu_accepts_all, prepare, run};
const cpu_kernel cpu_kernel_argmin = {"argmin", "argmin", cpu_accepts_all, prepare, run};
