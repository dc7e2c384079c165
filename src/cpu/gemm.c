/* Products, cut into tiles. The plan is made from the shape alone: which operand runs through the vectors, how large a tile
 * is, and whether an operand must be copied first. Copies are avoided: reading b as it lies in memory costs nothing as
 * long as its columns are adjacent, and if they are not, those of aᵀ often are, and the transpose of the product is
 * computed, tile by tile, and turned round while the tile is in the cache. */
#include "cpu/cpu.h"

#include <string.h>

#define LINE 64
#define FAR_ROWS                                                                                                       \
    100 /* rows of a tile from which on q is copied while the first of them use it: then it lies in one piece */
#define NEAR (384 * 1024) /* bytes of q that may be expected to stay in the second-level cache beside p and c */

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t round_up(int64_t a, int64_t b)
{
    return ceil_div(a, b) * b;
}

static size_t element(const cpu_gemm *g)
{
    return g->wide ? sizeof(double) : sizeof(float);
}

/* Half cycles that one k takes in a block: multiply-adds, loads, or the wait for the last sum of a chain. */
static double block_cost(int64_t rows, int64_t vectors)
{
    double busy = (double)(rows * vectors), loads = (double)(rows + vectors) * 1.1, wait = 8;
    return busy > loads ? busy > wait ? busy : wait : loads > wait ? loads : wait;
}

static double tile_cost(const cpu_gemm_table *isa, const cpu_gemm *g, int64_t rows, int64_t columns, int strip)
{
    int64_t blocks = ceil_div(rows, isa->most[strip]), lanes = isa->lanes[g->wide];
    int64_t vectors = ceil_div(columns, lanes), full = vectors / strip, rest = vectors % strip;
    int64_t high = ceil_div(rows, blocks), low = rows / blocks, highs = rows % blocks ? rows % blocks : blocks;
    double cost = (double)highs * ((double)full * block_cost(high, strip) + (rest ? block_cost(high, rest) : 0));
    if (low != high)
        cost += (double)(blocks - highs) * ((double)full * block_cost(low, strip) + (rest ? block_cost(low, rest) : 0));
    return cost * (double)g->k / 2;
}

/* The time of all threads together, in cycles of one, when 2, 3, 4 and 8 of them share `tiles` tiles. */
static double balance(int64_t tiles)
{
    static const int threads[] = {2, 2, 3, 4, 8};
    double sum = 0;
    for (size_t i = 0; i < COUNT(threads); i++)
        sum += (double)(ceil_div(tiles, threads[i]) * threads[i]) / (double)tiles;
    return sum / COUNT(threads);
}

typedef struct cut {
    double cost;
    int64_t rows, columns, depth;
    int strip;
} cut;

/* What cutting into tiles of rows × columns would cost, with all that is read from further away than the second level. */
static cut weigh(const cpu_gemm_table *isa, const cpu_gemm *g, int64_t rows, int64_t columns, int strip)
{
    cut c = {.rows = rows, .columns = columns, .strip = strip, .depth = g->k > 0 ? g->k : 1};
    double size = (double)element(g), k = (double)g->k;
    int64_t down = ceil_div(g->rows, rows), across = ceil_div(g->columns, columns), tiles = down * across * g->batches;
    if ((double)columns * k * size > NEAR) {
        int64_t pieces = (int64_t)((double)columns * k * size / NEAR) + 1;
        c.depth = ceil_div(g->k, pieces);
    }
    double near_p = (double)g->rows * (double)c.depth * size < NEAR ? 1.0 / 60 : 1.0 / 16;
    double compute = (double)(down * across) * tile_cost(isa, g, rows, columns, strip);
    double read_p = (double)across * (double)g->rows * k * size * near_p;
    double read_q = (double)g->columns * k * size / 16 * (c.depth < g->k ? (double)down : 1);
    double sums = (double)g->rows * (double)g->columns * 2 / isa->lanes[g->wide] * (double)ceil_div(g->k, c.depth);
    double segments = (double)g->m * (double)g->n / (double)(g->swap ? rows : columns) * 6;
    if (g->pack == CPU_Q_LOCAL)
        read_q += (double)g->columns * k * 0.25 * (c.depth < g->k ? (double)down : 1);
    c.cost = (compute + read_p + read_q + sums + segments + (double)(down * across) * 200) * balance(tiles);
    return c;
}

static cut best_cut(const cpu_gemm_table *isa, const cpu_gemm *g)
{
    static const int parts[] = {1,  2,  3,  4,  5,  6,  7,  8,  10, 12,  14,  16, 20,
                                24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 192, 256};
    cut best = {.cost = -1};
    bool small = (double)g->m * (double)g->n * (double)g->k < 32 * 3000;
    for (int strip = 1; strip <= 4; strip++) {
        int64_t width = (int64_t)strip * isa->lanes[g->wide];
        for (size_t i = 0; i < COUNT(parts) && isa->most[strip]; i++)
            for (size_t j = 0; j < COUNT(parts); j++) {
                int64_t rows = ceil_div(g->rows, parts[i]), columns = round_up(ceil_div(g->columns, parts[j]), width);
                if ((small && parts[i] * parts[j] > 1) || (i && parts[i] > g->rows) ||
                    (j && (parts[j] - 1) * width >= g->columns))
                    continue;
                if (g->swap && parts[i] > 1)
                    rows = round_up(rows, LINE / (int64_t)element(g));
                cut c = weigh(isa, g, rows, columns, strip);
                if (best.cost < 0 || c.cost < best.cost)
                    best = c;
            }
    }
    return best;
}

/* One way to see the product: as it is, or from its transpose. */
static double look(const cpu_gemm_table *isa, cpu_gemm *g, bool ta, bool tb, bool swap)
{
    int64_t a_row = ta ? 1 : g->k, a_step = ta ? g->m : 1, b_row = tb ? g->k : 1, b_step = tb ? 1 : g->n;
    g->swap = swap;
    g->rows = swap ? g->n : g->m;
    g->columns = swap ? g->m : g->n;
    g->p_row = swap ? b_row : a_row;
    g->p_step = swap ? b_step : a_step;
    g->q_row = swap ? a_row : b_row;
    g->q_step = swap ? a_step : b_step;
    g->pack = g->q_row == 1 || g->columns == 1 ? CPU_Q_AS_IT_IS : CPU_Q_LOCAL;
    cut c = best_cut(isa, g);
    g->tile_rows = c.rows;
    g->tile_columns = c.columns;
    g->depth = c.depth;
    g->strip = c.strip;
    g->down = ceil_div(g->rows, c.rows);
    g->across = ceil_div(g->columns, c.columns);
    if (g->pack == CPU_Q_LOCAL && g->batches == 1 && g->across == 1 && g->down > 1)
        g->pack = CPU_Q_SHARED;
    return c.cost + (swap ? (double)g->m * (double)g->n * 0.3 : 0);
}

static int64_t width(const cpu_gemm *g, const cpu_isa *isa)
{
    return (int64_t)g->strip * isa->gemm->lanes[g->wide];
}

static void shape_of(const nilu_node *n, bool ta, bool tb, cpu_gemm *g)
{
    nilu_shape a = n->in[0]->shape, b = n->in[1]->shape;
    g->m = a.dim[a.rank - (ta ? 1 : 2)];
    g->k = a.dim[a.rank - (ta ? 2 : 1)];
    g->n = b.dim[b.rank - (tb ? 2 : 1)];
    a.rank -= 2, b.rank -= 2;
    if (base_count(b) == 1 && !ta) { /* rows of all matrices of a are rows of one */
        g->m *= base_count(a);
        a.rank = b.rank = 0;
    }
    g->a_batch = a;
    g->b_batch = b;
    g->batch = a.rank > b.rank ? a : b;
    for (int d = 0; d < g->batch.rank; d++) {
        int i = d - (g->batch.rank - a.rank), j = d - (g->batch.rank - b.rank);
        if (i >= 0 && j >= 0 && g->batch.dim[d] == 1)
            g->batch.dim[d] = a.dim[i] == 1 ? b.dim[j] : a.dim[i];
    }
    g->batches = base_count(g->batch);
    ops_strides(a, g->batch, g->a_stride);
    ops_strides(b, g->batch, g->b_stride);
}

void cpu_gemm_plan(const nilu_node *n, const cpu_isa *isa, bool ta, bool tb, bool whole, cpu_gemm *g)
{
    memset(g, 0, sizeof *g);
    g->wide = n->in[0]->dtype == NILU_F64;
    shape_of(n, ta, tb, g);
    if (g->m == 0 || g->n == 0 || g->batches == 0)
        return;
    cpu_gemm turned = *g;
    if (look(isa->gemm, &turned, ta, tb, true) < look(isa->gemm, g, ta, tb, false))
        *g = turned;
    size_t size = element(g), tile = 0, panel = 0;
    if (whole || g->swap)
        tile = (size_t)(round_up(g->tile_rows, 16) * round_up(g->tile_columns, 16)) * size;
    if (g->pack != CPU_Q_SHARED)
        panel = (size_t)(round_up(g->tile_columns, width(g, isa)) * g->depth) * size;
    else
        panel = (size_t)(round_up(g->columns, width(g, isa)) * g->k) * size;
    g->tile_at = 0;
    g->panel_at = (whole && g->swap ? 2 * tile : tile);
    g->local = g->panel_at + (g->pack == CPU_Q_SHARED ? 0 : (size_t)round_up((int64_t)panel, LINE));
    g->scratch = g->pack == CPU_Q_SHARED ? panel : 0;
}

/* ---- work */

static const char *at(const void *base, int64_t index, const cpu_gemm *g)
{
    return (const char *)base + index * (int64_t)element(g);
}

/* Where matrix `batch` of a and b begins. */
static void operands(const cpu_gemm *g, const nilu_call *c, int64_t batch, const void **p, const void **q)
{
    int64_t a = 0, b = 0;
    for (int d = g->batch.rank - 1; d >= 0; batch /= g->batch.dim[d], d--) {
        a += batch % g->batch.dim[d] * g->a_stride[d];
        b += batch % g->batch.dim[d] * g->b_stride[d];
    }
    const void *from_a = at(c->in[0].data, a * g->m * g->k, g), *from_b = at(c->in[1].data, b * g->k * g->n, g);
    *p = g->swap ? from_b : from_a;
    *q = g->swap ? from_a : from_b;
}

#define PIECE 64 /* rows of q in a piece of work of the first phase */

/* q's rows k0..k1 and columns c0..c1, from memory in which k is adjacent, into strips of `depth` rows. */
static void copy_q(const cpu_gemm *g, const cpu_isa *isa, const void *q, int64_t k0, int64_t k1, int64_t c0, int64_t c1,
                   char *to, int64_t depth)
{
    int64_t wide = width(g, isa);
    for (int64_t c = c0; c < c1; c += wide, to += depth * wide * (int64_t)element(g))
        isa->gemm->flip[g->wide](c1 - c < wide ? c1 - c : wide, k1 - k0, at(q, c * g->q_row + k0 * g->q_step, g),
                                 g->q_row, to, wide);
}

int64_t cpu_gemm_pieces(const cpu_gemm *g)
{
    return ceil_div(g->k, PIECE);
}

void cpu_gemm_share(const cpu_gemm *g, const nilu_call *c, int64_t begin, int64_t end)
{
    const void *p, *q;
    int64_t k0 = begin * PIECE, k1 = end * PIECE < g->k ? end * PIECE : g->k;
    operands(g, c, 0, &p, &q);
    copy_q(g, c->isa, q, k0, k1, 0, g->columns, (char *)at(c->scratch, k0 * width(g, c->isa), g), g->k);
}

cpu_gemm_tile cpu_gemm_compute(const cpu_gemm *g, const nilu_call *c, int64_t t, void *result, char *local,
                               int64_t *packed)
{
    int64_t j = t / g->down, i = t % g->down, batch = j / g->across, size = (int64_t)element(g);
    j %= g->across;
    int64_t r0 = i * g->tile_rows, c0 = j * g->tile_columns;
    int64_t r1 = r0 + g->tile_rows < g->rows ? r0 + g->tile_rows : g->rows;
    int64_t c1 = c0 + g->tile_columns < g->columns ? c0 + g->tile_columns : g->columns;
    cpu_gemm_tile tile = {batch, r0, r1, c0, c1, i, j, NULL, 0};
    const void *p, *q;
    operands(g, c, batch, &p, &q);
    cpu_product x = {.rows = r1 - r0,
                     .columns = c1 - c0,
                     .p_row = g->p_row,
                     .p_step = g->p_step,
                     .q_step = g->q_step,
                     .strip = g->strip};
    x.c_row = round_up(x.columns, 16);
    x.c = local + g->tile_at;
    if (result && !g->swap) {
        x.c_row = g->n;
        x.c = (char *)result + ((batch * g->m + r0) * g->n + c0) * size;
    }
    if (g->across == 1 && !g->swap) { /* the tile's part of an operand lies in one piece */
        x.nsoon = g->nsoon;
        x.soon_bytes = x.rows * g->n * size;
        for (int e = 0; e < g->nsoon; e++)
            x.soon[e] = at(c->in[g->soon[e]].data, r0 * g->n, g);
    }
    int64_t wide = width(g, c->isa);
    x.q_strip = wide;
    for (int64_t k0 = 0; k0 == 0 || k0 < g->k; k0 += g->depth) {
        int64_t k1 = k0 + g->depth < g->k ? k0 + g->depth : g->k, want = (batch * g->across + j) * (g->k + 1) + k0;
        x.k = k1 - k0;
        x.p = at(p, r0 * g->p_row + k0 * g->p_step, g);
        x.more = k0 > 0;
        if (g->pack == CPU_Q_SHARED) {
            x.q = at(c->scratch, c0 * g->k + k0 * wide, g);
            x.q_step = wide;
            x.q_strip = g->k * wide;
        } else if (*packed == want || g->pack == CPU_Q_LOCAL) {
            if (*packed != want)
                copy_q(g, c->isa, q, k0, k1, c0, c1, local + g->panel_at, x.k);
            x.keep = NULL;
            x.q = local + g->panel_at;
            x.q_step = wide;
            x.q_strip = x.k * wide;
            *packed = want;
        } else {
            x.q = at(q, k0 * g->q_step + c0, g);
            x.q_step = g->q_step;
            x.q_strip = wide;
            x.keep = x.rows >= FAR_ROWS ? local + g->panel_at : NULL;
            *packed = x.keep ? want : -1;
        }
        c->isa->gemm->multiply[g->wide](&x);
    }
    tile.at = x.c;
    tile.ld = x.c_row;
    if (g->swap) {
        tile = (cpu_gemm_tile){batch, c0, c1, r0, r1, j, i, local + g->panel_at / 2, round_up(r1 - r0, 16)};
        if (result) {
            tile.ld = g->n;
            tile.at = (char *)result + ((batch * g->m + c0) * g->n + r0) * size;
        }
        c->isa->gemm->flip[g->wide](x.rows, x.columns, x.c, x.c_row, tile.at, tile.ld);
    }
    return tile;
}

/* ---- the kernel of matmul */

struct matmul {
    bool ta, tb, bf16;
};

static const char *accepts(const nilu_node *n, const cpu_isa *isa)
{
    const struct matmul *t = n->attr;
    (void)isa;
    if (n->in[0]->dtype != NILU_F32 && n->in[0]->dtype != NILU_F64)
        return "only f32 and f64 have products";
    return t->bf16 ? "products of operands rounded to bf16 are another kernel's" : NULL;
}

static nilu_status prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    const struct matmul *t = n->attr;
    cpu_gemm *g = base_calloc(nl, 1, sizeof *g);
    *job = (cpu_job){.phases = 1, .plan = g};
    if (!g)
        return NILU_E_NO_MEMORY;
    cpu_gemm_plan(n, isa, t->ta, t->tb, false, g);
    if (g->pack == CPU_Q_SHARED)
        job->tiles[job->phases++ - 1] = cpu_gemm_pieces(g);
    job->tiles[job->phases - 1] = g->batches * g->down * g->across;
    job->scratch = g->scratch;
    job->local = g->local;
    return NILU_OK;
}

static nilu_status run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    const cpu_gemm *g = c->plan;
    int64_t packed = -1;
    if (g->pack == CPU_Q_SHARED && phase == 0)
        cpu_gemm_share(g, c, begin, end);
    else
        for (int64_t t = begin; t < end; t++)
            cpu_gemm_compute(g, c, t, c->out[0].data, local, &packed);
    return NILU_OK;
}

const cpu_kernel cpu_kernel_gemm = {"matmul", "gemm", accepts, prepare, run};
