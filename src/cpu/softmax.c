/* softmax, log_softmax and logsumexp along one axis of f32 or f64. A tile is some rows; each passes through the cache once,
 * and is read there two or three times: its largest, the exponentials and their sum, the shares. Where the axis is not the
 * last, a line of columns is turned into rows in `local`, and back. */
#include "cpu/cpu.h"

#include <math.h>

#define TILE 8192 /* elements of a tile, if a row has no more */
#define LINE 64   /* bytes of the columns that are turned into rows together */

typedef void (*row_fn)(const cpu_isa *isa, void *z, const void *x, int64_t n);
typedef struct softmax {
    row_fn row;
    graph_around x;
    bool sum;             /* one result a row */
    int64_t size;         /* of an element */
    int64_t rows, across; /* of a tile; inner > 1: tiles of one outer slice, of `rows` columns each */
} softmax;

static nilu_status plan(nilu *nl, const nilu_node *n, graph_around x, bool sum, row_fn row, cpu_job *job)
{
    softmax *s = base_calloc(nl, 1, sizeof *s);
    if (!s)
        return NILU_E_NO_MEMORY;
    s->row = row;
    s->x = x;
    s->sum = sum;
    s->size = (int64_t)nilu_dtype_size(n->in[0]->dtype);
    s->rows = x.inner > 1 ? cpu_least(x.inner, LINE / s->size) : TILE / (x.n + 1) + 1;
    s->across = x.inner > 1 ? cpu_ceil_div(x.inner, s->rows) : 1;
    *job = (cpu_job){.phases = 1, .plan = s};
    job->tiles[0] = x.inner > 1 ? x.outer * s->across : x.inner * cpu_ceil_div(x.outer, s->rows);
    if (x.inner > 1)
        job->local = (size_t)(x.n * s->rows * s->size + LINE);
    if (!sum)
        job->in_place[0] = 1;
    return NILU_OK;
}

static void tile(const nilu_call *c, const softmax *s, int64_t t, char *local)
{
    int64_t n = s->x.n, row = n * s->size, step = s->sum ? s->size : row;
    const char *x = c->in[0].data;
    char *z = c->out[0].data;
    if (s->x.inner == 1) {
        int64_t stop = cpu_least((t + 1) * s->rows, s->x.outer);
        for (int64_t i = t * s->rows; i < stop; i++)
            s->row(c->isa, z + i * step, x + i * row, n);
        return;
    }
    int64_t outer = t / s->across, column = t % s->across * s->rows, rows = cpu_least(s->x.inner - column, s->rows);
    int64_t ld = s->x.inner * s->size;
    cpu_flip(x + outer * n * ld + column * s->size, ld, local, row, n, rows, s->size, false);
    z += outer * (s->sum ? 1 : n) * ld + column * s->size;
    for (int64_t i = 0; i < rows; i++)
        s->row(c->isa, s->sum ? z + i * s->size : local + i * row, local + i * row, n);
    if (!s->sum)
        cpu_flip(local, row, z, ld, rows, n, s->size, false);
}

static nilu_status run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    (void)phase;
    for (int64_t t = begin; t < end; t++)
        tile(c, c->plan, t, local);
    return NILU_OK;
}

static const cpu_row_steps *steps_of(const nilu_node *n)
{
    return n->in[0]->dtype == NILU_F64 ? &cpu_row_steps_f64 : &cpu_row_steps_f32;
}

static graph_around along_axis(const nilu_node *n)
{
    return graph_split(n->in[0]->shape, (int)((const struct ops_axis *)n->attr)->axis);
}

static nilu_status prepare_softmax(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)isa;
    return plan(nl, n, along_axis(n), false, steps_of(n)->softmax, job);
}

static nilu_status prepare_log_softmax(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)isa;
    return plan(nl, n, along_axis(n), false, steps_of(n)->log_softmax, job);
}

/* logsumexp may name several axes; those that lie behind each other are one. */
static bool along_axes(const nilu_node *n, graph_around *x)
{
    nilu_axes gone;
    nilu_shape s = cpu_group_axes(n->in[0]->shape, ((const struct ops_reduce *)n->attr)->axes, &gone);
    *x = gone.n ? graph_split(s, gone.at[0]) : (graph_around){base_count(s), 1, 1};
    return gone.n <= 1;
}

static const char *accepts_logsumexp(const nilu_node *n, const cpu_isa *isa)
{
    graph_around x;
    return along_axes(n, &x) ? cpu_accepts_wide(n, isa) : N_("the axes do not lie behind each other");
}

static nilu_status prepare_logsumexp(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)isa;
    graph_around x;
    along_axes(n, &x);
    return plan(nl, n, x, true, steps_of(n)->logsumexp, job);
}

const cpu_kernel cpu_kernel_softmax = {"softmax", "softmax", cpu_accepts_wide, prepare_softmax, run};
const cpu_kernel cpu_kernel_log_softmax = {"log_softmax", "log_softmax", cpu_accepts_wide, prepare_log_softmax, run};
const cpu_kernel cpu_kernel_logsumexp = {"logsumexp", "logsumexp", accepts_logsumexp, prepare_logsumexp, run};
