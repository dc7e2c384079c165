/* softmax_xent and its way back, of f32 or f64, fused: a tile is some rows, each of which passes through the cache once. The
 * rows' losses are added up in double, in a second phase. Labels are checked where they are used; a row whose label is out of
 * range is reported and left out. */
#include "cpu/cpu.h"

#define TILE 4096 /* elements of a tile, if a row has no more */
#define LANES 16

static const cpu_row_steps *steps_of(const nilu_call *c)
{
    return c->in[0].dtype == NILU_F64 ? &cpu_row_steps_f64 : &cpu_row_steps_f32;
}

static int64_t rows_of_tile(int64_t k)
{
    return TILE / (k + 1) + 1;
}

static bool ignored(const nilu_call *c, int64_t i)
{
    const struct ops_xent *o = c->attr;
    return o->ignoring && cpu_index(&c->in[1], i) == o->ignore;
}

/* ---- forward: each row's loss and weight wait in scratch */

static nilu_status prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)nl, (void)isa;
    nilu_shape x = n->in[0]->shape;
    *job = (cpu_job){.phases = 2, .tiles = {cpu_ceil_div(x.dim[0], rows_of_tile(x.dim[1])), 1}, .faults = true};
    job->scratch = (size_t)x.dim[0] * 2 * sizeof(double);
    return NILU_OK;
}

static void forward_row(const nilu_call *c, int64_t i)
{
    int64_t label, n = c->in[0].shape.dim[0];
    double *loss = (double *)c->scratch + i, *own = loss + n;
    *loss = *own = 0;
    if (ignored(c, i))
        call_put(c, 1, i, 0);
    else if (ops_label(c, i, c->in[0].shape.dim[1], &label) == NILU_OK)
        *loss = steps_of(c)->xent(c, i, label, own);
}

static double total(const nilu_call *c, double *v, int64_t n)
{
    double lane[LANES] = {0};
    for (int64_t i = 0; i < n; i += CPU_BLOCK)
        c->isa->numbers->lanes[CPU_SUM](lane, v + i, cpu_least(n - i, CPU_BLOCK));
    return c->isa->numbers->across[CPU_SUM](lane);
}

static nilu_status run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    (void)local;
    int64_t n = c->in[0].shape.dim[0], rows = rows_of_tile(c->in[0].shape.dim[1]), stop = cpu_least(end * rows, n);
    for (int64_t i = begin * rows; i < stop && phase == 0; i++)
        forward_row(c, i);
    if (phase == 1 && begin < end) {
        double loss = total(c, c->scratch, n), weight = total(c, (double *)c->scratch + n, n);
        call_put(c, 0, 0, loss / weight);
        call_put(c, 2, 0, weight);
    }
    return NILU_OK;
}

/* ---- the way back: z may lie where x lies */

static nilu_status prepare_back(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)nl, (void)isa;
    nilu_shape x = n->in[0]->shape;
    *job = (cpu_job){.phases = 1, .tiles = {cpu_ceil_div(x.dim[0], rows_of_tile(x.dim[1]))}, .faults = true};
    job->in_place[0] = 1;
    return NILU_OK;
}

static nilu_status run_back(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    (void)phase, (void)local;
    int64_t k = c->in[0].shape.dim[1], rows = rows_of_tile(k), stop = cpu_least(end * rows, c->in[0].shape.dim[0]),
            label;
    size_t row = (size_t)k * nilu_dtype_size(c->out[0].dtype);
    for (int64_t i = begin * rows; i < stop; i++)
        if (ignored(c, i))
            memset((char *)c->out[0].data + (size_t)i * row, 0, row);
        else if (ops_label(c, i, k, &label) == NILU_OK)
            steps_of(c)->xent_back(c, i, label);
    return NILU_OK;
}

const cpu_kernel cpu_kernel_softmax_xent = {"softmax_xent", "softmax_xent", cpu_accepts_wide, prepare, run};
const cpu_kernel cpu_kernel_softmax_xent_grad = {"softmax_xent_grad", "softmax_xent_grad", cpu_accepts_wide, prepare_back,
                                                 run_back};
