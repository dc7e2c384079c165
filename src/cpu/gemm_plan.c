/* How a product is cut: which operand runs through the vectors, how large a tile is, which operands are copied first, and
 * into what. It is decided from the shape alone, by weighing every way of a short list: cycles of the blocks, bytes that
 * come from further away than the second-level cache, copies, and what several threads would wait for each other. */
#include "cpu/cpu.h"

#include <string.h>

#define LINE 64
#define NEAR (256 * 1024) /* bytes of q that may be expected to stay in the second-level cache beside p and c */
#define SMALL (32 * 3000) /* multiply-adds of a product that no second thread is called for */
#define MEETING 4000      /* cycles that it costs when all threads wait for each other */
#define SHARED_MOST ((double)(8 << 20)) /* bytes of a copy that all threads share */
#define LAST_LEVEL ((double)(24 << 20)) /* bytes of an operand that may stay in the third-level cache */
#define MOST_TILES 128                  /* of one matrix */
#define KEPT_ROWS 100                   /* of a tile, from which on it pays to copy q while the first of them use it */

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t round_up(int64_t a, int64_t b)
{
    return ceil_div(a, b) * b;
}

static int64_t size_of(const cpu_gemm *g) /* of an element of the result, and of what blocks read */
{
    return g->form == CPU_F64 ? 8 : 4;
}

static int64_t per(const cpu_gemm *g) /* steps of k in an element of an operand */
{
    return g->form == CPU_ROUNDED ? g->isa->per : 1;
}

/* ---- weighing. Sums that a chain takes of tiles depend on how these were cut. So all is weighed for one machine, whatever
 * instruction set will be used. */

static const int usual_most[] = {0, 14, 14, 9, 6};

static int64_t usual_lanes(const cpu_gemm *g)
{
    return g->form == CPU_F64 ? 8 : 16;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* Cycles that one k takes in a block: multiply-adds, loads, the wait for the last sum of each chain, or for q from the
 * second-level cache. As measured. */
static double block_cost(const cpu_gemm *g, int64_t rows, int64_t vectors)
{
    double busy = (double)(rows * vectors) / 2, loads = (double)(rows + 2 * vectors + 1) / 2,
           line = (double)vectors * LINE / 20;
    double cost = larger(larger(busy, loads), larger(g->form == CPU_ROUNDED && per(g) == 2 ? 5.6 : 3.9, line));
    if ((double)(g->rows * g->k * size_of(g)) < NEAR)
        return cost;
    return g->p.step != 1 ? cost * 1.03 : rows > 10 ? cost * 1.04 : cost; /* p comes from afar, in many streams */
}

/* Cycles of a tile in blocks of `strip` vectors, on an instruction set with such vectors and so many registers. */
static double tile_cost(const cpu_gemm *g, int64_t lanes, const int *most, int64_t rows, int64_t columns, int strip)
{
    int64_t blocks = ceil_div(rows, most[strip]), vectors = ceil_div(columns, lanes);
    int64_t full = vectors / strip, rest = vectors % strip;
    int64_t high = ceil_div(rows, blocks), low = rows / blocks, highs = rows % blocks ? rows % blocks : blocks;
    double cost = (double)highs * ((double)full * block_cost(g, high, strip) + (rest ? block_cost(g, high, rest) : 0));
    if (low != high)
        cost += (double)(blocks - highs) *
                ((double)full * block_cost(g, low, strip) + (rest ? block_cost(g, low, rest) : 0));
    return cost * (double)ceil_div(g->k, per(g)) + (double)(blocks * (full + (rest > 0)) * 40 + rows * vectors);
}

/* All tiles of the grid, those at the edges with what is left for them. */
static double grid_cost(const cpu_gemm *g, int64_t rows, int64_t columns, int strip)
{
    int64_t down = g->rows / rows, across = g->columns / columns, below = g->rows % rows, beside = g->columns % columns;
    double cost = 0;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) {
            int64_t tiles = (i ? below > 0 : down) * (j ? beside > 0 : across);
            if (tiles)
                cost += (double)tiles *
                        (200 + tile_cost(g, usual_lanes(g), usual_most, i ? below : rows, j ? beside : columns, strip));
        }
    return cost;
}

/* What `tiles` tiles cost that cost `all` together and one of them, whole, `one`: threads are held up by the one that has the
 * most and the largest of them. 2, 3, 4 and 8 threads are thought of, 2 most. */
static double held_up(int64_t tiles, double all, double one)
{
    static const int threads[] = {2, 2, 2, 3, 4, 8};
    double sum = 0;
    for (size_t i = 0; i < COUNT(threads); i++)
        sum += larger(all, (double)(ceil_div(tiles, threads[i]) * threads[i]) * one);
    return sum / COUNT(threads);
}

/* Is the result computed where it lies, from whole columns? Then a thread computes its tiles side by side. */
static bool merges(const cpu_gemm *g, int64_t rows)
{
    return !g->chained && !g->swap && rows >= g->rows;
}

typedef struct cut {
    double cost;
    int64_t rows, columns, depth;
    bool keep;
    cpu_gemm_pack p, q;
} cut;

/* The cheaper of two copies, and its cost: each tile's by itself, `times` over, or all threads' together, once, and then it
 * comes back from the third level. `each` is what a number costs. */
static cpu_gemm_pack copy(const cpu_gemm *g, double numbers, double times, double each, double *cost)
{
    double once = numbers * each, bytes = numbers * (double)size_of(g) / (double)per(g),
           shared = once + MEETING + bytes / 12;
    bool share = g->batches == 1 && bytes <= SHARED_MOST && shared < once * times;
    *cost += share ? shared : once * times;
    return share ? CPU_SHARED : CPU_LOCAL;
}

/* What copying a number takes: least where it stays in its order, most where it is turned round. */
static double copying(const cpu_gemm *g, bool ordered, bool turned)
{
    return g->form != CPU_ROUNDED ? 0.2 : ordered ? 0.08 : turned ? 0.25 : 0.12;
}

/* Cycles in which an operand's number comes to a copy, beyond what copying takes: from the memory, where it is too large for
 * the last level. */
static double from_memory(const cpu_gemm *g, double numbers)
{
    double size = (double)nilu_dtype_size(g->type);
    return numbers * size > LAST_LEVEL ? size / 8 : 0;
}

/* What cutting into tiles of rows × columns would cost, with all that is read from further away than the second level. */
static cut weigh(const cpu_gemm *g, bool copy_p, bool copy_q, int64_t rows, int64_t columns, int strip)
{
    cut c = {.rows = rows, .columns = columns, .depth = g->k > 0 ? g->k : 1};
    double size = (double)size_of(g) / (double)per(g), k = (double)g->k;
    double down = (double)ceil_div(g->rows, rows), across = (double)ceil_div(g->columns, columns), far = 0;
    double q_bytes = (double)columns * k * size, all_p = (double)g->rows * k, all_q = (double)g->columns * k;
    if (q_bytes > NEAR)
        c.depth = round_up(ceil_div(g->k, (int64_t)(q_bytes / NEAR) + 1), per(g));
    double again = c.depth < g->k ? down : 1;                  /* times that q is read from afar */
    double walks = merges(g, rows) && across > 2 ? 2 : across; /* and p */
    double passes = (double)ceil_div(g->k, c.depth);
    c.keep = !copy_q && rows >= KEPT_ROWS;
    c.p =
        copy_p ? copy(g, all_p, walks, copying(g, g->p.step == 1, false) + from_memory(g, all_p), &far) : CPU_AS_IT_IS;
    again = again > 1 || !copy_q || down <= 1 ? again
            : across < 4                      ? 1 + 1 / across
                                              : 1; /* two threads may share a column */
    c.q = copy_q ? copy(g, all_q, again, copying(g, false, g->q.far != 1) + from_memory(g, all_q), &far) : CPU_AS_IT_IS;
    far += across * all_p * size * ((double)g->rows * (double)c.depth * size < NEAR ? 1.0 / 60 : 1.0 / 16);
    far += all_q * size / 16 * again;
    far += (double)g->rows * (double)g->columns * passes *
           ((double)(rows * columns * size_of(g)) < 2 * NEAR ? 0.125 : 0.5);
    far += (double)g->m * (double)g->n / (double)(g->swap ? rows : columns) * 6; /* pieces of rows of the result */
    double tiles = down * across * (double)g->batches;
    c.cost = held_up((int64_t)tiles, (grid_cost(g, rows, columns, strip) + far) * (double)g->batches,
                     200 + tile_cost(g, usual_lanes(g), usual_most, rows, columns, strip) +
                         far * (double)g->batches / tiles);
    return c;
}

static cut best_cut(const cpu_gemm *g, bool copy_p, bool copy_q)
{
    static const int parts[] = {1,  2,  3,  4,  5,  6,  7,  8,  10, 12,  14,  16, 20,
                                24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 192, 256};
    bool small = (double)g->m * (double)g->n * (double)g->k < SMALL;
    cut best = {.cost = -1};
    for (int strip = 1; strip <= 4; strip++) {
        int64_t width = strip * usual_lanes(g);
        if ((strip == 1 && g->columns > usual_lanes(g)) || (strip == 4 && g->rows > 2 * usual_most[4]))
            continue; /* for few columns, and for few rows */
        for (size_t i = 0; i < COUNT(parts); i++)
            for (size_t j = 0; j < COUNT(parts); j++) {
                int64_t rows = ceil_div(g->rows, parts[i]), columns = round_up(ceil_div(g->columns, parts[j]), width);
                if (parts[i] * parts[j] > (small ? 1 : MOST_TILES) || (i && parts[i] > g->rows) ||
                    (j && (parts[j] - 1) * width >= g->columns))
                    continue;
                if (g->swap && parts[i] > 1)
                    rows = round_up(rows, LINE / size_of(g));
                if (g->chained && parts[i] > 1)
                    rows = round_up(rows, CPU_GRAIN);
                columns = columns < g->columns ? columns : g->columns;
                cut c = weigh(g, copy_p, copy_q, rows, columns, strip);
                if (best.cost < 0 || c.cost < best.cost)
                    best = c;
            }
    }
    return best;
}

/* The blocks of this instruction set that fit a tile best. */
static int best_strip(const cpu_gemm *g)
{
    int best = 0;
    double least = 0;
    for (int strip = 1; strip <= 4; strip++) {
        if (!g->isa->most[strip])
            continue;
        double cost = tile_cost(g, g->isa->lanes[g->form], g->isa->most, g->tile_rows, g->tile_columns, strip);
        if (!best || cost < least)
            best = strip, least = cost;
    }
    return best;
}

/* One way to see the product: as it is, or from its transpose. */
static double look(cpu_gemm *g, bool ta, bool tb, bool swap)
{
    cpu_operand a = {.far = ta ? 1 : g->k, .step = ta ? g->m : 1}, b = {.far = tb ? g->k : 1, .step = tb ? 1 : g->n};
    g->swap = swap;
    g->rows = swap ? g->n : g->m;
    g->columns = swap ? g->m : g->n;
    g->p = swap ? b : a;
    g->q = swap ? a : b;
    bool pairs = per(g) == 2 && g->type == NILU_BF16 && g->p.step == 1 && g->p.far % 2 == 0 && g->k % 2 == 0;
    cut c = best_cut(g, g->form == CPU_ROUNDED && !pairs, g->form == CPU_ROUNDED || (g->q.far != 1 && g->columns > 1));
    g->tile_rows = c.rows;
    g->tile_columns = c.columns;
    g->depth = c.depth;
    g->strip = best_strip(g);
    g->keep = c.keep;
    g->p.pack = c.p;
    g->q.pack = c.q;
    g->beside = merges(g, c.rows);
    g->down = ceil_div(g->rows, c.rows);
    g->across = ceil_div(g->columns, c.columns);
    return c.cost + (swap ? (double)g->m * (double)g->n * 0.3 : 0);
}

/* ---- the plan */

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
    g->batch = a.rank > b.rank ? a : b;
    for (int d = 0; d < g->batch.rank; d++) {
        int i = d - (g->batch.rank - a.rank), j = d - (g->batch.rank - b.rank);
        if (i >= 0 && j >= 0)
            g->batch.dim[d] = a.dim[i] == 1 ? b.dim[j] : a.dim[i];
    }
    g->batches = base_count(g->batch);
    ops_strides(a, g->batch, g->a_stride);
    ops_strides(b, g->batch, g->b_stride);
}

static size_t lined_up(int64_t bytes)
{
    return (size_t)round_up(bytes, LINE);
}

static void take(size_t bytes, size_t *at, size_t *end)
{
    *at = *end;
    *end += bytes;
}

/* Places in `local` and in the scratch. */
static void place(cpu_gemm *g, bool whole)
{
    int64_t size = size_of(g), width = g->strip * g->isa->lanes[g->form];
    size_t tile = lined_up(round_up(g->tile_rows, 16) * round_up(g->tile_columns, 16) * size);
    int64_t depth = ceil_div(g->depth, per(g)), k = ceil_div(g->k, per(g));
    if (whole || g->swap)
        take(tile, &g->tile_at, &g->local);
    if (whole && g->swap)
        take(tile, &g->turned_at, &g->local);
    if (g->q.pack == CPU_LOCAL || g->keep)
        take(lined_up(round_up(g->tile_columns, width) * depth * size), &g->q.at, &g->local);
    if (g->p.pack == CPU_LOCAL)
        take(lined_up(g->tile_rows * (g->p.step == 1 ? cpu_gemm_spaced(depth) : depth) * size), &g->p.at, &g->local);
    if (g->q.pack == CPU_SHARED)
        take(lined_up(round_up(g->columns, width) * k * size), &g->q.at, &g->scratch);
    if (g->p.pack == CPU_SHARED)
        take(lined_up(g->rows * (g->p.step == 1 ? cpu_gemm_spaced(k) : k) * size), &g->p.at, &g->scratch);
}

void cpu_gemm_plan(const nilu_node *n, const cpu_isa *isa, bool ta, bool tb, bool bf16, bool whole, cpu_gemm *g)
{
    memset(g, 0, sizeof *g);
    g->type = n->in[0]->dtype;
    g->form = g->type == NILU_F64 ? CPU_F64 : bf16 || g->type == NILU_BF16 ? CPU_ROUNDED : CPU_F32;
    g->isa = g->form == CPU_ROUNDED ? isa->gemm_bf16 : isa->gemm;
    g->chained = whole;
    shape_of(n, ta, tb, g);
    if (g->m == 0 || g->n == 0 || g->batches == 0)
        return;
    cpu_gemm turned = *g;
    if (look(&turned, ta, tb, true) < look(g, ta, tb, false))
        *g = turned;
    place(g, whole);
    g->whole = (cpu_product){.rows = g->rows,
                             .columns = g->columns,
                             .k = g->k,
                             .p_row = g->p.far,
                             .p_step = g->p.step,
                             .q_step = g->q.step,
                             .q_strip = (int64_t)g->strip * g->isa->lanes[g->form],
                             .c_row = g->n,
                             .strip = g->strip};
    g->direct = !whole && !g->swap && !g->keep && g->down * g->across * g->batches == 1 && g->depth >= g->k &&
                g->p.pack == CPU_AS_IT_IS && g->q.pack == CPU_AS_IT_IS && g->form != CPU_ROUNDED;
}
