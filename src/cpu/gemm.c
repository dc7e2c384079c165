/* Products at work: operands are copied where the plan says so, tiles are computed. Copies are rare: b is read as it lies in
 * memory as long as its columns are adjacent, and if they are not, those of aᵀ often are, and the transpose of the product
 * is computed, tile by tile, and turned round while the tile is in the cache. */
#include "cpu/cpu.h"

#define PIECE 16 /* rows, or steps of k, in a piece of work of the first phase */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t per(const cpu_gemm *g)
{
    return g->form == CPU_ROUNDED ? g->isa->per : 1;
}

static int64_t size_of(const cpu_gemm *g)
{
    return g->form == CPU_F64 ? 8 : 4;
}

static int64_t width_of(const cpu_gemm *g)
{
    return (int64_t)g->strip * g->isa->lanes[g->form];
}

/* Element `i` of an operand in memory; of the result and of copies. */
static const char *in_memory(const cpu_gemm *g, const void *base, int64_t i)
{
    return (const char *)base + i * (g->type == NILU_BF16 ? 2 : g->type == NILU_F64 ? 8 : 4);
}

static char *in_copy(const cpu_gemm *g, const void *base, int64_t i)
{
    return (char *)base + i * size_of(g);
}

/* Where matrix `batch` of p and q begins. */
static void operands(const cpu_gemm *g, const nilu_call *c, int64_t batch, const void **p, const void **q)
{
    int64_t a = 0, b = 0;
    for (int d = g->batch.rank - 1; d >= 0; batch /= g->batch.dim[d], d--) {
        a += batch % g->batch.dim[d] * g->a_stride[d];
        b += batch % g->batch.dim[d] * g->b_stride[d];
    }
    const void *from_a = in_memory(g, c->in[0].data, a * g->m * g->k),
               *from_b = in_memory(g, c->in[1].data, b * g->k * g->n);
    *p = g->swap ? from_b : from_a;
    *q = g->swap ? from_a : from_b;
}

/* ---- copies. p's has its rows as they are, k adjacent if it is so in memory and else rows adjacent; `ld` apart. q's
 * consists of strips, `depth` steps of k in each. */

static void copy_p(const cpu_gemm *g, const void *p, int64_t r0, int64_t r1, int64_t k0, int64_t k1, void *to,
                   int64_t ld)
{
    const char *from = in_memory(g, p, r0 * g->p.far + k0 * g->p.step);
    if (g->p.step == 1)
        g->isa->round_rows(r1 - r0, k1 - k0, from, g->type, g->p.far, to, ld);
    else
        g->isa->round_columns(r1 - r0, k1 - k0, from, g->type, g->p.step, to, ld);
}

/* Columns whose k is adjacent are turned round, a few steps at a time. */
static void turn_q(const cpu_gemm *g, const cpu_isa *isa, const void *q, int64_t k0, int64_t k1, int64_t c, int64_t n,
                   void *to)
{
    enum { STEPS = 64, MOST_LANES = 64 };
    float rounded[MOST_LANES * STEPS];
    int64_t wide = width_of(g), steps = STEPS * per(g);
    if (g->form != CPU_ROUNDED) {
        isa->gemm->flip[g->form](n, k1 - k0, in_memory(g, q, c * g->q.far + k0), g->q.far, to, wide);
        return;
    }
    for (int64_t k = k0; k < k1; k += steps) {
        int64_t some = least(steps, k1 - k);
        g->isa->round_rows(n, some, in_memory(g, q, c * g->q.far + k), g->type, g->q.far, rounded, STEPS);
        isa->gemm->flip[0](n, ceil_div(some, per(g)), rounded, STEPS, in_copy(g, to, (k - k0) / per(g) * wide), wide);
    }
}

static void copy_q(const cpu_gemm *g, const cpu_isa *isa, const void *q, int64_t k0, int64_t k1, int64_t c0, int64_t c1,
                   void *to, int64_t depth)
{
    int64_t wide = width_of(g);
    for (int64_t c = c0; c < c1; c += wide, to = in_copy(g, to, depth * wide)) {
        int64_t n = least(wide, c1 - c);
        if (g->q.far == 1)
            g->isa->round_columns(n, k1 - k0, in_memory(g, q, c + k0 * g->q.step), g->type, g->q.step, to, wide);
        else
            turn_q(g, isa, q, k0, k1, c, n, to);
    }
}

/* Pieces of p come first, then those of q. */
static int64_t pieces_of_p(const cpu_gemm *g)
{
    return g->p.pack != CPU_SHARED ? 0 : ceil_div(g->p.step == 1 ? g->rows : g->k, PIECE);
}

int64_t cpu_gemm_pieces(const cpu_gemm *g)
{
    return pieces_of_p(g) + (g->q.pack == CPU_SHARED ? ceil_div(g->k, PIECE) : 0);
}

void cpu_gemm_share(const cpu_gemm *g, const nilu_call *c, int64_t begin, int64_t end)
{
    const void *p, *q;
    int64_t mine = pieces_of_p(g), k = ceil_div(g->k, per(g));
    operands(g, c, 0, &p, &q);
    for (int64_t i = begin; i < end; i++) {
        int64_t from = (i < mine ? i : i - mine) * PIECE, to = from + PIECE;
        if (i >= mine)
            copy_q(g, c->isa, q, from, least(to, g->k), 0, g->columns,
                   in_copy(g, (char *)c->scratch + g->q.at, from / per(g) * width_of(g)), k);
        else if (g->p.step == 1)
            copy_p(g, p, from, least(to, g->rows), 0, g->k,
                   in_copy(g, (char *)c->scratch + g->p.at, from * cpu_gemm_spaced(k)), cpu_gemm_spaced(k));
        else
            copy_p(g, p, 0, g->rows, from, least(to, g->k),
                   in_copy(g, (char *)c->scratch + g->p.at, from / per(g) * g->rows), g->rows);
    }
}

/* ---- tiles */

typedef struct place { /* of a tile: its matrix, its part of p's rows and q's columns; `wide` tiles lie side by side */
    int64_t batch, i, j, r0, r1, c0, c1, wide;
} place;

/* The place of tile *t, and of those below it or beside it that may be computed along with it. */
static place place_of(const cpu_gemm *g, int64_t *t, int64_t end, bool alone)
{
    place x = {.i = *t % g->down, .j = *t / g->down % g->across, .batch = *t / g->down / g->across};
    int64_t more = alone ? 1 : least(end - *t, g->down - x.i);
    x.wide = g->beside ? least(end - *t, g->across - x.j) : 1;
    *t += more * x.wide - 1;
    x.r0 = x.i * g->tile_rows;
    x.c0 = x.j * g->tile_columns;
    x.r1 = least(x.r0 + more * g->tile_rows, g->rows);
    x.c1 = least(x.c0 + x.wide * g->tile_columns, g->columns);
    return x;
}

/* p for the tile and steps k0..k1. */
static const void *set_p(const cpu_gemm *g, const nilu_call *c, const place *at, const void *p, int64_t k0, int64_t k1,
                         char *local, cpu_product *x)
{
    bool rows = g->p.step == 1;
    int64_t first = k0 / per(g), k = g->p.pack == CPU_SHARED ? ceil_div(g->k, per(g)) : x->k,
            ld = rows ? cpu_gemm_spaced(k) : g->rows;
    if (g->p.pack == CPU_AS_IT_IS) {
        x->p_row = rows ? g->p.far / per(g) : g->p.far;
        x->p_step = g->p.step;
        return in_memory(g, p, at->r0 * g->p.far + k0 * g->p.step);
    }
    if (g->p.pack == CPU_LOCAL && !rows)
        ld = at->r1 - at->r0;
    x->p_row = rows ? ld : 1;
    x->p_step = rows ? 1 : ld;
    if (g->p.pack == CPU_SHARED)
        return in_copy(g, (char *)c->scratch + g->p.at, rows ? at->r0 * ld + first : first * ld + at->r0);
    copy_p(g, p, at->r0, at->r1, k0, k1, local + g->p.at, ld);
    return local + g->p.at;
}

static const void *set_q(const cpu_gemm *g, const nilu_call *c, const place *at, const void *q, int64_t k0, int64_t k1,
                         char *local, int64_t *packed, cpu_product *x)
{
    int64_t wide = width_of(g), want = (at->batch * g->across + at->j) * (g->k + 1) + k0;
    x->keep = NULL;
    x->q_step = x->q_strip = wide;
    if (g->q.pack == CPU_SHARED) {
        x->q_strip = ceil_div(g->k, per(g)) * wide;
        return in_copy(g, (char *)c->scratch + g->q.at, at->c0 * (x->q_strip / wide) + k0 / per(g) * wide);
    }
    if (*packed == want || g->q.pack == CPU_LOCAL) {
        if (*packed != want)
            copy_q(g, c->isa, q, k0, k1, at->c0, at->c1, local + g->q.at, x->k);
        x->q_strip = x->k * wide;
        *packed = want;
        return local + g->q.at;
    }
    x->q_step = g->q.step;
    x->keep = g->keep ? local + g->q.at : NULL;
    *packed = g->keep ? want : -1;
    return in_memory(g, q, k0 * g->q.step + at->c0);
}

cpu_gemm_tile cpu_gemm_compute(const cpu_gemm *g, const nilu_call *c, int64_t *t, int64_t end, void *result,
                               char *local, int64_t *packed)
{
    const place at = place_of(g, t, end, !result || g->swap || g->p.pack == CPU_LOCAL);
    const void *p, *q;
    void *to = local + g->tile_at;
    cpu_product x = g->whole;
    cpu_soon soon = {.n = g->across == 1 && !g->swap ? g->nsoon : 0, .bytes = (at.r1 - at.r0) * g->n * size_of(g)};
    cpu_gemm_tile tile = {
        .batch = at.batch, .r0 = at.r0, .r1 = at.r1, .c0 = at.c0, .c1 = at.c1, .row = at.i, .column = at.j};
    operands(g, c, at.batch, &p, &q);
    x.rows = at.r1 - at.r0;
    x.columns = at.c1 - at.c0;
    x.c_row = (x.columns + 15) / 16 * 16;
    if (result && !g->swap) {
        to = in_copy(g, result, (at.batch * g->m + at.r0) * g->n + at.c0);
        x.c_row = g->n;
    }
    for (int e = 0; e < soon.n; e++) /* the tile's part of an operand lies in one piece */
        soon.at[e] = in_copy(g, c->in[g->soon[e]].data, at.r0 * g->n);
    x.soon = soon.n ? &soon : NULL;
    for (int64_t k0 = 0; k0 == 0 || k0 < g->k; k0 += g->depth) {
        int64_t k1 = least(k0 + g->depth, g->k);
        x.k = ceil_div(k1 - k0, per(g));
        x.more = k0 > 0;
        const void *from_p = set_p(g, c, &at, p, k0, k1, local, &x);
        for (int64_t j = 0; j < at.wide; j++) {
            place one = at;
            one.j += j;
            one.c0 += j * g->tile_columns;
            one.c1 = least(one.c0 + g->tile_columns, at.c1);
            x.columns = one.c1 - one.c0;
            const void *from_q = set_q(g, c, &one, q, k0, k1, local, packed, &x);
            g->isa->multiply[g->form](&x, from_p, from_q, in_copy(g, to, one.c0 - at.c0));
        }
    }
    tile.at = to;
    tile.ld = x.c_row;
    if (!g->swap)
        return tile;
    tile = (cpu_gemm_tile){
        .batch = at.batch, .r0 = at.c0, .r1 = at.c1, .c0 = at.r0, .c1 = at.r1, .row = at.j, .column = at.i};
    tile.at = result ? in_copy(g, result, (at.batch * g->m + at.c0) * g->n + at.r0) : local + g->turned_at;
    tile.ld = result ? g->n : (x.rows + 15) / 16 * 16;
    c->isa->gemm->flip[g->form == CPU_F64](x.rows, x.columns, to, x.c_row, tile.at, tile.ld);
    return tile;
}

/* ---- the kernel of matmul */

struct matmul {
    bool ta, tb, bf16;
};

static nilu_status prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    const struct matmul *t = n->attr;
    cpu_gemm *g = base_calloc(nl, 1, sizeof *g);
    *job = (cpu_job){.plan = g};
    if (!g)
        return NILU_E_NO_MEMORY;
    cpu_gemm_plan(n, isa, t->ta, t->tb, t->bf16, n->out[0].dtype == NILU_BF16, g);
    int64_t pieces = cpu_gemm_pieces(g);
    if (pieces)
        job->tiles[job->phases++] = pieces;
    job->tiles[job->phases++] = g->batches * g->down * g->across;
    job->scratch = g->scratch;
    job->local = g->local;
    return NILU_OK;
}

/* The tile's floats as bf16 in the result. */
static void put_rounded(const cpu_gemm *g, const nilu_call *c, const cpu_gemm_tile *t)
{
    for (int64_t r = t->r0; r < t->r1; r++)
        g->isa->to_bf16((const float *)t->at + (r - t->r0) * t->ld,
                        (uint16_t *)c->out[0].data + (t->batch * g->m + r) * g->n + t->c0, t->c1 - t->c0);
}

static nilu_status run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    const cpu_gemm *g = c->plan;
    int64_t packed = -1;
    if (g->direct) {
        g->isa->multiply[g->form](&g->whole, c->in[0].data, c->in[1].data, c->out[0].data);
    } else if (phase == 0 && cpu_gemm_pieces(g)) {
        cpu_gemm_share(g, c, begin, end);
    } else {
        bool rounded = c->out[0].dtype == NILU_BF16;
        for (int64_t t = begin; t < end; t++) {
            cpu_gemm_tile tile = cpu_gemm_compute(g, c, &t, end, rounded ? NULL : c->out[0].data, local, &packed);
            if (rounded)
                put_rounded(g, c, &tile);
        }
    }
    return NILU_OK;
}

const cpu_kernel cpu_kernel_gemm = {"matmul", "gemm", cpu_accepts_products, prepare, run};
