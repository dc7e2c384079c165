/* Pools and their ways back: max_pool, avg_pool, avg_unpool, and scatter_along and take_along, which carry a maximum's error
 * to where it stood. A tile is some planes, or lines, each of which passes through the first-level cache once. */
#include "cpu/cpu.h"

#include <math.h>
#include <string.h>

/* Places of the result that see the picture at place b of the kernel. */
static ops_span seen(const ops_slide_plan *p, int64_t b)
{
    const int64_t before = p->padding[1] - b, room = p->in[1] + before;
    const int64_t from = before > 0 ? cpu_ceil_div(before, p->stride[1]) : 0, to = room > 0 ? cpu_ceil_div(room, p->stride[1]) : 0;
    return (ops_span){from, cpu_least(to, p->out[1])};
}

#define REAL float
#define NAME(x) x##_f32
#define PACE
#include "cpu/pool_real.inc"
#undef REAL
#undef NAME
#undef PACE
#define REAL double
#define NAME(x) x##_f64
#define PACE __attribute__((cold)) /* f64 is the arithmetic of forensics and tests: small rather than fast */
#include "cpu/pool_real.inc"

/* ---- windows two wide, side by side: the most common ones, four at a time */

typedef float four __attribute__((vector_size(16)));
typedef int32_t places __attribute__((vector_size(16)));

typedef struct winner {
    four best;
    places at;
} winner;

static inline winner larger(winner w, four v, places at)
{
    const places more = ~(v <= w.best) & (w.best == w.best); /* a NaN is more than all, the first of equals stays */
    return (winner){(four)((more & (places)v) | (~more & (places)w.best)), (more & at) | (~more & w.at)};
}

static bool in_pairs(const ops_slide_plan *p)
{
    return p->kernel[1] == 2 && p->stride[1] == 2 && p->padding[1] == 0 && p->out[1] >= 4 && 2 * p->out[1] <= p->in[1];
}

static void max_pairs(const ops_slide_plan *p, const float *restrict x, float *restrict y, int32_t *restrict index)
{
    const int64_t across = p->out[1];
    for (int64_t row = 0; row < p->out[0]; row++, y += across, index += across) {
        const ops_span rows = ops_pool_span(p, 0, row);
        for (int64_t q = 0; q < across; q += 4) {
            q = cpu_least(q, across - 4); /* the last four overlap others where they must */
            const int32_t first = (int32_t)(rows.from * p->in[1] + 2 * q);
            places at = {first, first + 2, first + 4, first + 6};
            winner w = {{-INFINITY, -INFINITY, -INFINITY, -INFINITY}, at};
            for (int64_t a = rows.from; a < rows.to; a++, at += (int32_t)p->in[1]) {
                four low, high;
                memcpy(&low, x + a * p->in[1] + 2 * q, sizeof low);
                memcpy(&high, x + a * p->in[1] + 2 * q + 4, sizeof high);
                w = larger(w, (four){low[0], low[2], high[0], high[2]}, at);
                w = larger(w, (four){low[1], low[3], high[1], high[3]}, at + 1);
            }
            memcpy(y + q, &w.best, sizeof w.best);
            memcpy(index + q, &w.at, sizeof w.at);
        }
    }
}

typedef struct pool {
    ops_slide_plan p;
    int64_t planes, together; /* of a tile */
    bool pairs;               /* windows are two wide, side by side */
} pool;

CPU_COLD static nilu_status prepare(nilu *nl, const nilu_node *n, nilu_shape x, nilu_shape y, cpu_job *job)
{
    pool *v = base_calloc(nl, 1, sizeof *v);
    *job = (cpu_job){.phases = 1, .plan = v};
    if (!v)
        return NILU_E_NO_MEMORY;
    v->p = ops_pool_plan(n->attr, x, y);
    v->pairs = in_pairs(&v->p);
    v->planes = v->p.samples * v->p.channels;
    v->together = CPU_TILE_BYTES / (v->p.in[0] * v->p.in[1] * (int64_t)nilu_dtype_size(n->in[0]->dtype)) + 1;
    job->tiles[0] = cpu_ceil_div(v->planes, v->together);
    job->local = (size_t)(v->p.in[1] > v->p.out[1] ? v->p.in[1] : v->p.out[1]) * sizeof(double);
    return NILU_OK;
}

CPU_COLD static nilu_status prepare_pool(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)isa;
    return prepare(nl, n, n->in[0]->shape, n->out[0].shape, job);
}

CPU_COLD static nilu_status prepare_unpool(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)isa;
    return prepare(nl, n, n->out[0].shape, n->in[0]->shape, job);
}

/* Planes `from` of input 0 become planes `to` of output 0. */
#define EACH_PLANE(f32, f64, FROM, TO)                                                                                 \
    const pool *v = c->plan;                                                                                           \
    const int64_t from = v->p.FROM[0] * v->p.FROM[1], to = v->p.TO[0] * v->p.TO[1];                                    \
    (void)phase, (void)local;                                                                                          \
    for (int64_t i = begin * v->together; i < cpu_least(end * v->together, v->planes); i++)                            \
        if (c->in[0].dtype == NILU_F32) {                                                                              \
            const float *x = (const float *)c->in[0].data + i * from;                                                  \
            float *z = (float *)c->out[0].data + i * to;                                                               \
            f32;                                                                                                       \
        } else {                                                                                                       \
            const double *x = (const double *)c->in[0].data + i * from;                                                \
            double *z = (double *)c->out[0].data + i * to;                                                             \
            f64;                                                                                                       \
        }                                                                                                              \
    return NILU_OK

static nilu_status run_max(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    int32_t *index = c->out[1].data;
    EACH_PLANE((v->pairs ? max_pairs : max_f32)(&v->p, x, z, index + i * to), max_f64(&v->p, x, z, index + i * to), in, out);
}

static nilu_status run_avg(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    const bool counting = ((const struct ops_pool *)c->attr)->counting;
    EACH_PLANE(avg_f32(&v->p, counting, x, z, local), avg_f64(&v->p, counting, x, z, local), in, out);
}

static nilu_status run_unpool(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    const bool counting = ((const struct ops_pool *)c->attr)->counting;
    EACH_PLANE(unpool_f32(&v->p, counting, x, z, local), unpool_f64(&v->p, counting, x, z, local), out, in);
}

static bool part_of(const nilu_node *n, const cpu_job *job, int k, int64_t tile, cpu_part *part)
{
    const pool *v = job->plan;
    (void)n;
    *part = (cpu_part){.from = tile * v->together, .to = cpu_least((tile + 1) * v->together, v->planes), .of = v->planes};
    return k <= 0;
}

/* ---- along the last axis */

static const char *accepts_scatter(const nilu_node *n, const cpu_isa *isa)
{
    const struct ops_scatter *t = n->attr;
    return graph_split(n->out[0].shape, (int)t->axis).inner != 1 ? N_("only the last axis has a fast kernel") : cpu_accepts_wide(n, isa);
}

static int64_t lines_of_tile(int64_t elements)
{
    return CPU_TILE_BYTES / (4 * elements + 1) + 1;
}

CPU_COLD static nilu_status prepare_scatter(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    const struct ops_scatter *t = n->attr;
    const graph_around z = graph_split(n->out[0].shape, (int)t->axis);
    (void)nl, (void)isa;
    *job = (cpu_job){.phases = 1, .tiles = {z.n ? cpu_ceil_div(z.outer, lines_of_tile(z.n)) : 1}, .local = (size_t)z.n * sizeof(double), .faults = true};
    return NILU_OK;
}

static nilu_status run_scatter(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    const struct ops_scatter *t = c->attr;
    const graph_around x = graph_split(c->in[0].shape, (int)t->axis);
    const int64_t per = t->n ? lines_of_tile(t->n) : x.outer;
    (void)phase;
    for (int64_t i = begin * per; i < cpu_least(end * per, x.outer); i++)
        if (c->in[0].dtype == NILU_F32)
            scatter_f32(c, i * x.n, x.n, t->n, (const float *)c->in[0].data + i * x.n, (float *)c->out[0].data + i * t->n, local);
        else
            scatter_f64(c, i * x.n, x.n, t->n, (const double *)c->in[0].data + i * x.n, (double *)c->out[0].data + i * t->n, local);
    return NILU_OK;
}

CPU_COLD static nilu_status prepare_take(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)nl, (void)isa;
    *job = (cpu_job){.phases = 1, .tiles = {cpu_ceil_div(base_count(n->out[0].shape), CPU_TILE_BYTES / 8)}, .faults = true};
    return NILU_OK;
}

static nilu_status run_take(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    const struct ops_axis *t = c->attr;
    const graph_around x = graph_split(c->in[0].shape, (int)t->axis), z = graph_split(c->out[0].shape, (int)t->axis);
    const int64_t per = CPU_TILE_BYTES / 8, stop = cpu_least(end * per, c->out[0].n);
    int64_t place;
    (void)phase, (void)local;
    for (int64_t i = begin * per; i < stop; i++)
        if (cpu_place(c, i, x.n, &place))
            ops_copy(c, 0, (i / (z.n * z.inner) * x.n + place) * x.inner + i % z.inner, i, 1);
    return NILU_OK;
}

const cpu_kernel cpu_kernel_max_pool = {"max_pool", "max_pool", cpu_accepts_wide, prepare_pool, run_max, part_of};
const cpu_kernel cpu_kernel_avg_pool = {"avg_pool", "avg_pool", cpu_accepts_wide, prepare_pool, run_avg, part_of};
const cpu_kernel cpu_kernel_avg_unpool = {"avg_unpool", "avg_unpool", cpu_accepts_wide, prepare_unpool, run_unpool, part_of};
const cpu_kernel cpu_kernel_scatter_along = {"scatter_along", "scatter_along", accepts_scatter, prepare_scatter, run_scatter};
const cpu_kernel cpu_kernel_take_along = {"take_along", "take_along", cpu_accepts_all, prepare_take, run_take};
