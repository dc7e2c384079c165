/* Reductions that no tape has taken in: sum, prod, max and min over any axes of any data type, in double.
 *
 * x's axes are seen as groups, in turn kept and gone. If the last is gone, what makes up a result lies in runs, which are
 * added up by sixteen lanes; if it is kept, rows are added to rows of sums, several short rows at once. x is read in the order
 * in which it lies, as far as a few hundred results reach. Where there are few results, what makes up each is cut into
 * pieces, whose partial results are put together in a second phase. Lanes, blocks and pieces are given by the shape, so the
 * bits are. */
#include "cpu/cpu.h"

#include <math.h>
#include <string.h>

#define LANES 16
#define PIECE 16384 /* elements of a tile, if there are so many */
#define MOST_PIECES 64
#define NEAR_SUMS 4096 /* doubles in `local`: half of a first-level cache and more */

typedef struct reduce {
    cpu_fold fold;
    double start;          /* of a result: 0, 1, -inf, inf */
    bool columns;          /* the last group is kept: rows of `width`; else runs of `run` */
    int64_t run, width;    /* columns: `run` rows lie behind each other */
    ops_walk kept, gone;   /* the other groups */
    int64_t length, piece; /* of a result: what pieces are cut of, runs or, of a single one, numbers; rows */
    int64_t pieces;
    int64_t group, groups; /* results, or rows of results, of a tile */
    int64_t wide, blocks;  /* columns of a tile */
} reduce;

static const double starts[] = {[CPU_SUM] = 0, [CPU_PROD] = 1, [CPU_MAX] = -INFINITY, [CPU_MIN] = INFINITY};

nilu_shape cpu_group_axes(nilu_shape s, nilu_axes gone, nilu_axes *axes)
{
    nilu_shape out = NILU_SCALAR;
    bool was = false;
    *axes = (nilu_axes){0};
    for (int d = 0, a = 0; d < s.rank; d++) {
        bool is = a < gone.n && gone.at[a] == d;
        a += is;
        if (s.dim[d] == 1)
            continue;
        if (out.rank && is == was) {
            out.dim[out.rank - 1] *= s.dim[d];
            continue;
        }
        was = is;
        if (is)
            axes->at[axes->n++] = out.rank;
        out.dim[out.rank++] = s.dim[d];
    }
    return out;
}

static void cut(reduce *r)
{
    int64_t cost = r->gone.n * r->run; /* of one result, or of one row of them */
    r->wide = cpu_least(r->width, NEAR_SUMS);
    r->blocks = cpu_ceil_div(r->width, r->wide ? r->wide : 1);
    r->length = r->columns || r->gone.n == 1 ? cost : r->gone.n;
    cost *= r->wide;
    r->group = r->blocks > 1 ? 1 : cost < PIECE ? PIECE / (cost + 1) + 1 : 1;
    if (!r->columns && r->gone.n != 1) /* so many side by side, for the order in memory */
        r->group = NEAR_SUMS / LANES;
    r->group = cpu_least(r->group, r->kept.n);
    r->groups = r->group ? cpu_ceil_div(r->kept.n, r->group) : 0;
    r->pieces = 1;
    if (r->groups * r->blocks < MOST_PIECES)
        r->pieces = cpu_least(cpu_ceil_div(cost * r->group, PIECE), cpu_least(MOST_PIECES, r->length));
    r->piece = cpu_ceil_div(r->length, r->pieces ? r->pieces : 1);
    r->pieces = r->piece ? cpu_ceil_div(r->length, r->piece) : 1;
}

static nilu_status prepare(nilu *nl, const nilu_node *n, cpu_fold fold, cpu_job *job)
{
    const struct ops_reduce *t = n->attr;
    reduce *r = base_calloc(nl, 1, sizeof *r);
    nilu_axes gone, outer;
    if (!r)
        return NILU_E_NO_MEMORY;
    nilu_shape s = cpu_group_axes(n->in[0]->shape, t->axes, &gone);
    r->fold = fold;
    r->start = starts[fold];
    r->columns = s.rank > 0 && !(gone.n && gone.at[gone.n - 1] == s.rank - 1);
    r->width = r->columns ? s.dim[s.rank - 1] : 1;
    r->run = gone.n ? s.dim[gone.at[gone.n - 1]] : 1;
    outer = gone;
    outer.n -= gone.n > 0;
    r->gone = ops_walk_over(s, outer, true);
    if (r->columns)
        gone.at[gone.n++] = s.rank - 1;
    r->kept = ops_walk_over(s, gone, false);
    cut(r);
    int64_t results = base_count(n->out[0].shape);
    *job = (cpu_job){.phases = r->pieces > 1 ? 2 : 1, .plan = r, .local = NEAR_SUMS * sizeof(double)};
    if (results)
        job->tiles[0] = r->groups * r->blocks * r->pieces;
    if (results && r->pieces > 1) {
        job->tiles[1] = cpu_ceil_div(results, CPU_BLOCK);
        job->scratch = (size_t)(r->pieces * results) * sizeof(double);
    }
    return NILU_OK;
}

static void seek(ops_walk *w, int64_t index)
{
    w->offset = 0;
    for (int d = w->rank - 1; d >= 0; d--) {
        w->at[d] = index % w->dim[d];
        index /= w->dim[d];
        w->offset += w->at[d] * w->stride[d];
    }
}

/* What a tile works with. */
typedef struct work {
    const reduce *r;
    const nilu_call *c;
    const cpu_numbers_table *isa;
    int64_t piece, from, to; /* of the length */
    int64_t first, stop;     /* results, or rows of results */
    double *sums;            /* local */
} work;

static void load(const work *w, double *block, int64_t at, int64_t n)
{
    const nilu_arg *x = &w->c->in[0];
    w->isa->load[x->dtype](block, (const char *)x->data + (size_t)at * nilu_dtype_size(x->dtype), n);
}

/* Results first .. first+n-1 of this piece go to z, or are kept to be put together. */
static void put(const work *w, int64_t first, const double *v, int64_t n)
{
    const nilu_arg *z = &w->c->out[0];
    if (w->r->pieces > 1)
        memcpy((double *)w->c->scratch + w->piece * z->n + first, v, (size_t)n * sizeof *v);
    else
        w->isa->store[z->dtype]((char *)z->data + (size_t)first * nilu_dtype_size(z->dtype), v, n);
}

static void clear(const reduce *r, double *sums, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sums[i] = r->start;
}

static void add_run(const work *w, double *lane, int64_t at, int64_t n)
{
    double block[CPU_BLOCK];
    const nilu_arg *x = &w->c->in[0];
    if (w->r->fold >= CPU_MAX && x->dtype == NILU_F32) {
        const cpu_rows_table *rows = w->c->isa->rows;
        const float *from = (const float *)x->data + at;
        double v = (double)(w->r->fold == CPU_MAX ? rows->largest(from, n) : rows->smallest(from, n));
        w->isa->fold[w->r->fold](lane, &v, 1);
        return;
    }
    for (int64_t i = 0; i < n; i += CPU_BLOCK) {
        int64_t count = cpu_least(n - i, CPU_BLOCK);
        load(w, block, at + i, count);
        w->isa->lanes[w->r->fold](lane, block, count);
    }
}

/* Runs shorter than the lanes, behind each other: their numbers one after another. */
static void short_runs(const work *w)
{
    double block[CPU_BLOCK], v[CPU_BLOCK];
    int64_t run = w->r->run, per = CPU_BLOCK / run;
    for (int64_t i = w->first; i < w->stop; i += per) {
        int64_t n = cpu_least(w->stop - i, per);
        load(w, block, i * run, n * run);
        w->isa->runs[w->r->fold](v, w->r->start, block, n, run);
        put(w, i, v, n);
    }
}

static void single_runs(const work *w)
{
    ops_walk kept = w->r->kept;
    seek(&kept, w->first);
    for (int64_t i = w->first; i < w->stop; i++, ops_walk_step(&kept)) {
        double lane[LANES];
        clear(w->r, lane, LANES);
        add_run(w, lane, kept.offset + w->from, w->to - w->from);
        double v = w->isa->across[w->r->fold](lane);
        put(w, i, &v, 1);
    }
}

/* Several runs a result: the lanes of all results of the tile stand side by side. */
static void many_runs(const work *w)
{
    ops_walk gone = w->r->gone, kept = w->r->kept;
    int64_t n = w->stop - w->first;
    clear(w->r, w->sums, n * LANES);
    if (w->from < w->to)
        seek(&gone, w->from);
    for (int64_t q = w->from; q < w->to; q++, ops_walk_step(&gone)) {
        seek(&kept, w->first);
        for (int64_t i = 0; i < n; i++, ops_walk_step(&kept))
            add_run(w, w->sums + i * LANES, kept.offset + gone.offset, w->r->run);
    }
    for (int64_t i = 0; i < n; i++)
        w->sums[i] = w->isa->across[w->r->fold](w->sums + i * LANES);
    put(w, w->first, w->sums, n);
}

/* The n numbers at x to n sums. */
static void add_numbers(const work *w, double *sums, int64_t x, int64_t n)
{
    double block[CPU_BLOCK];
    if (w->r->fold == CPU_SUM && w->c->in[0].dtype == NILU_F32) {
        w->isa->add_f32(sums, (const float *)w->c->in[0].data + x, n);
        return;
    }
    for (int64_t i = 0; i < n; i += CPU_BLOCK) {
        load(w, block, x + i, cpu_least(n - i, CPU_BLOCK));
        w->isa->fold[w->r->fold](sums + i, block, cpu_least(n - i, CPU_BLOCK));
    }
}

/* Adds rows to w->sums [width]: block by block of a long row, or several short rows at once. */
static void add_rows(const work *w, int64_t base, int64_t width)
{
    const reduce *r = w->r;
    double many[CPU_BLOCK];
    int64_t together = width > CPU_BLOCK / 2 || r->blocks > 1 ? 0 : CPU_BLOCK / width;
    ops_walk gone = r->gone;
    clear(r, w->sums, width);
    clear(r, many, CPU_BLOCK);
    if (w->from < w->to)
        seek(&gone, w->from / r->run);
    for (int64_t q = w->from, at = r->run ? w->from % r->run : 0, rows; q < w->to; q += rows) {
        int64_t x = base + gone.offset + at * r->width;
        rows = together ? cpu_least(cpu_least(r->run - at, w->to - q), together) : 1;
        add_numbers(w, together ? many : w->sums, x, rows * width);
        at += rows;
        if (at == r->run) {
            at = 0;
            ops_walk_step(&gone);
        }
    }
    for (int64_t k = 0; k < together; k++)
        w->isa->fold[r->fold](w->sums, many + k * width, width);
}

static void tile(const reduce *r, const nilu_call *c, int64_t t, double *local)
{
    int64_t block = t % r->blocks, piece = t / r->blocks % r->pieces, group = t / r->blocks / r->pieces;
    work w = {.r = r, .c = c, .isa = c->isa->numbers, .piece = piece, .from = piece * r->piece, .sums = local};
    w.to = cpu_least(w.from + r->piece, r->length);
    w.first = group * r->group;
    w.stop = cpu_least(w.first + r->group, r->kept.n);
    if (r->columns) {
        int64_t column = block * r->wide, width = cpu_least(r->width - column, r->wide);
        ops_walk kept = r->kept;
        seek(&kept, w.first);
        for (int64_t i = w.first; i < w.stop; i++, ops_walk_step(&kept)) {
            add_rows(&w, kept.offset + column, width);
            put(&w, i * r->width + column, w.sums, width);
        }
    } else if (r->gone.n != 1) {
        many_runs(&w);
    } else if (r->run > 0 && r->run < LANES && r->pieces == 1) {
        short_runs(&w);
    } else {
        single_runs(&w);
    }
}

static nilu_status run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    const reduce *r = c->plan;
    const nilu_arg *z = &c->out[0];
    for (int64_t t = begin; t < end && phase == 0; t++)
        tile(r, c, t, local);
    for (int64_t t = begin; t < end && phase == 1; t++) {
        double sums[CPU_BLOCK];
        int64_t first = t * CPU_BLOCK, n = cpu_least(z->n - first, CPU_BLOCK);
        clear(r, sums, n);
        for (int64_t p = 0; p < r->pieces; p++)
            c->isa->numbers->fold[r->fold](sums, (const double *)c->scratch + p * z->n + first, n);
        c->isa->numbers->store[z->dtype]((char *)z->data + (size_t)first * nilu_dtype_size(z->dtype), sums, n);
    }
    return NILU_OK;
}

static const char *accepts_exact(const nilu_node *n, const cpu_isa *isa)
{
    (void)isa;
    return n->in[0]->dtype == NILU_I64 ? N_("a double does not hold every i64") : NULL;
}

#define KERNEL(name, kind, accepts)                                                                                    \
    static nilu_status prepare_##name(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)                  \
    {                                                                                                                  \
        (void)isa;                                                                                                     \
        return prepare(nl, n, kind, job);                                                                              \
    }                                                                                                                  \
    const cpu_kernel cpu_kernel_##name = {#name, #name, accepts, prepare_##name, run};
KERNEL(sum, CPU_SUM, cpu_accepts_all)
KERNEL(prod, CPU_PROD, cpu_accepts_all)
KERNEL(max, CPU_MAX, accepts_exact)
KERNEL(min, CPU_MIN, accepts_exact)
