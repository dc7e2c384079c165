/* Convolutions of 3 x 3 places with fewer multiplications (Winograd 1980; Lavin and Gray 2016). A tile is 4 x 4 places of the
 * result and the 6 x 6 places of the picture that they see. Rows and columns are taken for polynomials and evaluated in six
 * points, where their convolution is a product of numbers: 36 products for 16 places instead of 144.
 *     V = Bᵀ x B      U = G w Gᵀ      y = Aᵀ (Σ_channels U V) A
 *     conv            product [tiles, filters] = V [tiles, channels] · U [channels, filters], for each of the 36 positions
 *     conv_transpose  the same with w turned by half a turn, and channels and filters exchanged
 *     conv_weight     product [channels, filters] = Vᵀ [channels, tiles] · E [tiles, filters], E of the errors' tiles (4 points
 *                     -> 6), added up over all tiles of a part, parts in their order; then 36 sums become 9 weights
 * Sixteen channels lie side by side while they are transformed, so pictures of any size have whole vectors; what lies beyond
 * the picture is 0. A group of tiles, some whole rows of them, is transformed, multiplied by the blocks of gemm, and
 * transformed back before the next: it stays in the thread's caches.
 *
 * Points 0, ±5/8, ±3/2 and infinity: all constants of Bᵀ and Aᵀ are exact, and so small that f32 suffers little. Errors over
 * those of direct sums in f32, root of mean squares, 64 / 256 channels: 2.1 / 1.9, gradients of weights 1.4; with the usual
 * points ±1 and ±2 they were 4.7 / 4.7 and 3.1. Largest error over largest number: 1.4e-6 and 2.5e-6, direct 7e-7 and 1.2e-6.
 * Operands that are rounded to bf16 are so before they are transformed, and all else is f32: the same numbers as of direct sums,
 * and on every instruction set.
 * A number that is not finite spoils all 16 places of its tiles. */
#include "cpu/cpu.h"

#include <string.h>

enum { TILE = 4, SIDE = 6, POSITIONS = SIDE * SIDE, KERNEL = 3, AREA = 9 };
#define LANES 16
#define LEAST 16               /* channels, and filters */
#define LEAST_TILES 64
#define MOST_WEIGHTS (16 << 20) /* numbers of U: they stay from step to step */
#define GROUP 48               /* tiles of a group, about: each reads all of U */
#define WEIGHT_GROUP 96        /* conv_weight: each reads and writes a part's sums */
#define GROUPS 8               /* for that many threads, if each has FEW tiles */
#define FEW 12
#define MOST_PARTS 16          /* of the sum over tiles */
#define PART_TILES 384         /* of a part, at least: its sums, more than a cache holds, are written and read once more */
#define PARTS_BYTES (16 << 20) /* that parts may take, if there are several */
#define TASKS 8                /* of conv_weight, at least: parts, and chunks of filters, each of which transforms all pictures */

typedef struct winograd {
    const cpu_gemm_table *gemm;
    const cpu_winograd_table *isa;
    bool back, rounds;           /* conv_transpose; operands are rounded to bf16 where they are laid out, before they are transformed */
    int64_t samples, channels, filters; /* sums go over channels; conv_weight: V's, and E's */
    int64_t in[2], out[2], padding[2];  /* sides of the picture, of the result (conv_weight: of the errors) */
    int64_t down, across;        /* tiles of a picture */
    int64_t strips, some, groups; /* rows of tiles: all; of a group; of all groups */
    int64_t tiles;               /* of a group */
    int64_t wide;                /* channels that lie side by side in V */
    int64_t v_far, m_far;        /* from position to position, in elements */
    int strip;
    int64_t panel;               /* columns of a block's operand, that lie together */
    size_t m_at, picture_at, turned_at; /* in `local`, in elements, behind V */
    int64_t chunk, chunks, parts, all; /* conv_weight: `all` numbers in a part */
} winograd;

/* to [columns, rows] = from [rows, columns] transposed, in whole squares: the last ones overlap others where they must. */
static void turn(const winograd *v, int64_t rows, int64_t columns, const float *from, int64_t ld, float *to, int64_t to_ld)
{
    enum { SQUARE = 4 };
    const int64_t lanes = v->gemm->lanes[CPU_F32], tail = rows & (lanes - 1), rest = columns & (SQUARE - 1);
    if (tail && rows > lanes) {
        turn(v, rows - tail, columns, from, ld, to, to_ld);
        turn(v, lanes, columns, from + (rows - lanes) * ld, ld, to + rows - lanes, to_ld);
    } else if (rest && columns > SQUARE) {
        v->gemm->flip[0](rows, columns - rest, from, ld, to, to_ld);
        v->gemm->flip[0](rows, SQUARE, from + columns - SQUARE, ld, to + (columns - SQUARE) * to_ld, to_ld);
    } else {
        v->gemm->flip[0](rows, columns, from, ld, to, to_ld);
    }
}

static void round_off(const winograd *v, float *at, int64_t n)
{
    if (v->rounds)
        v->gemm->round_rows(1, n, at, NILU_F32, 0, at, 0);
}

/* ---- pictures become V, or E */

typedef struct source { /* planes of a tensor, seen from tiles */
    const float *at;
    int64_t channels, sides[2], padding[2], width, rows; /* of a strip of tiles */
    cpu_winograd_fn transform;
} source;

/* Rows r .. end-1 of the strip whose first lies at `top`, some channels side by side. What lies to the left and right of
 * the picture is 0 already. */
static void lay(const winograd *v, const source *s, const float *plane, int64_t channels, int64_t top, int64_t r, int64_t end, float *to)
{
    const int64_t low = cpu_least(s->padding[1] > 0 ? s->padding[1] : 0, s->width), skip = low - s->padding[1];
    const int64_t n = cpu_least(s->width - low, s->sides[1] - skip);
    for (; r < end && n > 0; r++) {
        float *row = to + (r * s->width + low) * LANES;
        if (top + r < 0 || top + r >= s->sides[0]) {
            memset(row, 0, (size_t)(n * LANES) * sizeof *row);
        } else {
            turn(v, channels, n, plane + (top + r) * s->sides[1] + skip, s->sides[0] * s->sides[1], row, LANES);
            round_off(v, row, n * LANES);
        }
    }
}

/* `n` numbers of every plane are asked for. */
static void ask(const float *at, int64_t channels, int64_t plane, int64_t n)
{
    for (int64_t c = 0; c < channels; c++, at += plane)
        for (int64_t i = 0; i < n; i += LANES)
            __builtin_prefetch(at + i);
}

/* Where channel c begins in a position of V, M or E. */
static int64_t at_channel(const winograd *v, int64_t c, int64_t wide)
{
    return c / wide * wide * v->tiles + c % wide;
}

/* The tiles of strips begin .. end-1, channels c0 .. c1-1, transformed: z [positions, channels / wide, tiles, wide]. */
static void gather(const winograd *v, const source *s, int64_t begin, int64_t end, int64_t c0, int64_t c1, float *z, int64_t wide,
                   int64_t z_far, float *picture)
{
    const cpu_grid from = {s->width * LANES, LANES, TILE * LANES}, to = {SIDE * z_far, z_far, wide};
    const int64_t shared = s->rows - TILE, plane = s->sides[0] * s->sides[1];
    memset(picture, 0, (size_t)(s->rows * from.row) * sizeof *picture);
    for (int64_t c = c0; c < c1; c += LANES)
        for (int64_t strip = begin; strip < end; strip++) {
            const int64_t sample = strip / v->down, place = strip % v->down;
            int64_t ready = 0;
            if (strip > begin && place > 0) {
                memcpy(picture, picture + TILE * from.row, (size_t)(shared * from.row) * sizeof *picture);
                ready = shared;
            }
            lay(v, s, s->at + (sample * s->channels + c) * plane, cpu_least(LANES, c1 - c), place * TILE - s->padding[0], ready, s->rows, picture);
            if (strip + 1 < end || c + LANES < c1) { /* what comes next */
                const int64_t next = strip + 1 < end ? strip + 1 : begin, channel = strip + 1 < end ? c : c + LANES, row = next % v->down * TILE;
                ask(s->at + (next / v->down * s->channels + channel) * plane + row * s->sides[1], cpu_least(LANES, c1 - channel), plane,
                    cpu_least(TILE, s->sides[0] - row) * s->sides[1]);
            }
            s->transform(picture, &from, z + (strip - begin) * v->across * wide + at_channel(v, c - c0, wide), &to, v->across);
        }
}

static source pictures(const winograd *v, const nilu_arg *x)
{
    return (source){.at = x->data, .channels = v->channels, .sides = {v->in[0], v->in[1]}, .padding = {v->padding[0], v->padding[1]},
                    .width = v->across * TILE + SIDE - TILE, .rows = SIDE, .transform = v->isa->picture};
}

/* ---- making ready */

/* Cycles, at what direct products reach, and those of the transforms with their way through memory; a quarter more must be
 * won, and as many tiles be there as keep some threads busy. */
CPU_COLD static bool worth_it(const ops_slide_plan *p)
{
    const double c = (double)p->channels, f = (double)p->filters;
    const double tiles = (double)p->samples * (double)cpu_ceil_div(p->out[0], TILE) * (double)cpu_ceil_div(p->out[1], TILE);
    const double places = (double)p->samples * (double)p->out[0] * (double)p->out[1];
    const double direct = places * c * f * AREA / 16 / 0.8;
    const double here = tiles * (c * f * POSITIONS / 16 / 0.85 + 25 * (c + f)) + c * f * POSITIONS;
    return c >= LEAST && f >= LEAST && tiles >= LEAST_TILES && direct > 1.25 * here && c * f * POSITIONS < MOST_WEIGHTS;
}

/* NULL, or why not: the shape alone decides, because bits depend on it. */
CPU_COLD static const char *refuses(const nilu_node *n, nilu_shape x, nilu_shape w, nilu_shape y)
{
    if (n->in[0]->dtype != NILU_F32)
        return N_("Winograd's products are of f32");
    const ops_slide_plan p = ops_conv_plan(n->attr, x, w, y);
    for (int d = 0; d < 2; d++)
        if (p.kernel[d] != KERNEL || p.stride[d] != 1 || p.dilation[d] != 1 || p.groups != 1)
            return N_("Winograd's kernels are 3 x 3 places side by side, of one group, at a stride of 1");
    return worth_it(&p) ? NULL : N_("too few channels, filters or places for Winograd's transforms to be worth their time");
}

static const char *accepts(const nilu_node *n, const cpu_isa *isa)
{
    (void)isa;
    return refuses(n, n->in[0]->shape, n->in[1]->shape, n->out[0].shape);
}

static const char *accepts_transpose(const nilu_node *n, const cpu_isa *isa)
{
    (void)isa;
    return refuses(n, n->out[0].shape, n->in[1]->shape, n->in[0]->shape);
}

static const char *accepts_weight(const nilu_node *n, const cpu_isa *isa)
{
    (void)isa;
    return refuses(n, n->in[0]->shape, n->out[0].shape, n->in[1]->shape);
}

/* Of shapes x [samples, channels, ..], w and y [samples, filters, ..] of the convolution. */
CPU_COLD static winograd *start(nilu *nl, const nilu_node *n, const cpu_isa *isa, nilu_shape x, nilu_shape w, nilu_shape y, bool back)
{
    const ops_slide_plan p = ops_conv_plan(n->attr, x, w, y);
    winograd *v = base_calloc(nl, 1, sizeof *v);
    if (!v)
        return NULL;
    v->gemm = isa->gemm;
    v->isa = isa->winograd;
    v->back = back;
    v->rounds = cpu_rounds(n);
    v->samples = p.samples;
    v->channels = back ? p.filters : p.channels;
    v->filters = back ? p.channels : p.filters;
    for (int d = 0; d < 2; d++) {
        v->in[d] = back ? p.out[d] : p.in[d];
        v->out[d] = back ? p.in[d] : p.out[d];
        v->padding[d] = back ? KERNEL - 1 - p.padding[d] : p.padding[d];
    }
    v->down = cpu_ceil_div(v->out[0], TILE);
    v->across = cpu_ceil_div(v->out[1], TILE);
    v->strips = v->samples * v->down;
    v->strip = 1; /* vectors of a block: 32 columns at most */
    for (int strip = 2; strip <= 4; strip *= 2)
        if (v->gemm->most[strip] && strip * v->gemm->lanes[CPU_F32] <= 2 * LANES)
            v->strip = strip;
    v->panel = v->strip * v->gemm->lanes[CPU_F32];
    v->panel = v->panel < LANES ? LANES : v->panel;
    return v;
}

/* Places in `local`, when groups and parts are known. */
CPU_COLD static size_t place(winograd *v)
{
    const int64_t width = v->across * TILE + SIDE - TILE;
    v->tiles = v->some * v->across;
    v->wide = v->chunk ? LANES : v->channels % 1024 ? cpu_round_up(v->channels, LANES) : cpu_gemm_spaced(v->channels);
    v->v_far = cpu_gemm_spaced(v->tiles * cpu_round_up(v->channels, v->wide));
    v->m_far = cpu_gemm_spaced(v->tiles * cpu_round_up(v->chunk ? v->chunk : v->filters, v->panel));
    v->m_at = (size_t)(POSITIONS * v->v_far);
    v->picture_at = v->m_at + (size_t)(POSITIONS * v->m_far);
    v->turned_at = v->picture_at + (size_t)(SIDE * width * LANES);
    return v->turned_at + (size_t)((TILE * width + AREA * LANES) * LANES);
}

/* ---- conv and conv_transpose: phase 0 makes U, of sixteen channels and filters at a time; phase 1 computes groups */

static nilu_status prepare_both(winograd *v, cpu_job *job)
{
    *job = (cpu_job){.phases = 2, .plan = v};
    if (!v)
        return NILU_E_NO_MEMORY;
    const int64_t share = v->strips * v->across / GROUPS, rounds = (share + GROUP / 2) / GROUP;
    if (share < FEW)
        v->some = cpu_ceil_div(FEW, v->across);
    else /* threads get the same number of them, mostly */
        v->some = cpu_ceil_div(v->strips, rounds ? rounds * GROUPS : GROUPS);
    v->groups = cpu_ceil_div(v->strips, v->some);
    job->tiles[0] = cpu_ceil_div(v->filters, LANES) * cpu_ceil_div(v->channels, LANES);
    job->tiles[1] = v->groups;
    job->scratch = (size_t)(POSITIONS * cpu_round_up(v->filters, v->panel) * v->channels) * sizeof(float);
    job->local = place(v) * sizeof(float);
    return NILU_OK;
}

CPU_COLD static nilu_status prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    return prepare_both(start(nl, n, isa, n->in[0]->shape, n->in[1]->shape, n->out[0].shape, false), job);
}

CPU_COLD static nilu_status prepare_transpose(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    return prepare_both(start(nl, n, isa, n->out[0].shape, n->in[1]->shape, n->in[0]->shape, true), job);
}

/* U [positions, panels, channels, panel]: a block of sixteen filters and channels. */
static void transform_weights(const winograd *v, const nilu_call *c, int64_t t, float *local)
{
    const int64_t blocks = cpu_ceil_div(v->filters, LANES), f = t % blocks * LANES, c0 = t / blocks * LANES;
    const int64_t filters = cpu_least(LANES, v->filters - f), channels = cpu_least(LANES, v->channels - c0);
    const int64_t far = cpu_round_up(v->filters, v->panel) * v->channels;
    const cpu_grid to = {SIDE * far, far, v->panel};
    float *u = (float *)c->scratch + f / v->panel * v->panel * v->channels + c0 * v->panel + f % v->panel, *turned = local + v->turned_at;
    const float *w = c->in[1].data;
    if (!v->back) {
        const cpu_grid from = {KERNEL * LANES, LANES, AREA * LANES};
        turn(v, filters, channels * AREA, w + (f * v->channels + c0) * AREA, v->channels * AREA, turned, LANES);
        round_off(v, turned, channels * AREA * LANES);
        v->isa->kernel(turned, &from, u, &to, channels);
    } else {
        const cpu_grid from = {-KERNEL * LANES, -LANES, AREA * LANES};
        for (int64_t i = 0; i < channels; i++)
            turn(v, filters, AREA, w + ((c0 + i) * v->filters + f) * AREA, AREA, turned + i * AREA * LANES, LANES);
        round_off(v, turned, channels * AREA * LANES);
        v->isa->kernel(turned + (AREA - 1) * LANES, &from, u, &to, channels);
    }
}

/* Strips begin .. end-1 of filters f .. f+15, which begin at m. */
static void put_back(const winograd *v, const float *m, int64_t begin, int64_t end, int64_t f, float *y, float *turned)
{
    const int64_t width = v->out[1], plane = v->out[0] * width, last = v->across - 1, n = cpu_least(LANES, v->filters - f);
    const cpu_grid from = {SIDE * v->m_far, v->m_far, -v->panel}, to = {width * LANES, LANES, -TILE * LANES};
    for (int64_t strip = end - 1; strip >= begin; strip--) {
        const int64_t row = strip % v->down * TILE, rows = cpu_least(TILE, v->out[0] - row);
        float *to_y = y + (strip / v->down * v->filters + f) * plane + row * width;
        ask(to_y, n, plane, rows * width);
        /* What of a tile lies beyond its row is overwritten by the next row's begin, which comes later: the last tile is first. */
        v->isa->result(m + ((strip - begin) * v->across + last) * v->panel, &from, turned + last * TILE * LANES, &to, v->across);
        turn(v, rows * width, n, turned, LANES, to_y, plane);
    }
}

/* What comes next is asked for, into the second level: some lines each time. */
enum { RIGHT, LEFT, SUMS, PICTURES, RESULT, STREAMS }; /* of products; and from memory: pictures, and what they become (conv_weight: errors) */
typedef struct stream {
    const float *at;
    int64_t lines;
} stream;

__attribute__((noinline)) static void soon(stream *next)
{
    for (int i = 0; i < STREAMS; i++)
        for (int64_t n = next[i].lines; n > 0; n--, next[i].at += LANES)
            __builtin_prefetch(next[i].at, 0, 2);
}

/* Numbers of a tensor before a strip, as if they lay strip by strip. */
__attribute__((noinline)) static int64_t before(const winograd *v, int64_t strip, int64_t channels, const int64_t *sides)
{
    return strip * (channels * sides[0] * sides[1]) / v->down;
}

/* A panel of `rows` rows of p in so many blocks, before each of which what comes next is asked for. */
static void multiply(const winograd *v, cpu_product *g, int64_t rows, int64_t blocks, const float *p, const float *q, float *to, stream *next)
{
    for (int64_t row = 0; blocks > 0; blocks--, row += g->rows) {
        g->rows = cpu_ceil_div(rows - row, blocks);
        soon(next);
        v->gemm->multiply[CPU_F32](g, p + row * g->p_row, q, to + row * g->c_row);
    }
}

/* While a block is multiplied, what blocks of the next panel and of the next position need is on its way, and from memory
 * what is read and written when all are done. */
static void compute(const winograd *v, const nilu_call *c, int64_t t, float *local)
{
    const int64_t begin = t * v->some, end = cpu_least(begin + v->some, v->strips), rows = (end - begin) * v->across;
    const int64_t panels = cpu_ceil_div(v->filters, v->panel), blocks = cpu_ceil_div(rows, v->gemm->most[v->strip]), lines = v->panel / LANES;
    const int64_t all = POSITIONS * panels * blocks * LANES;
    const source x = pictures(v, &c->in[0]);
    const float *u = c->scratch;
    float *m = local + v->m_at;
    stream next[] = {{NULL, cpu_ceil_div(v->channels * lines, blocks)},
                     {NULL, cpu_ceil_div(rows * v->wide / LANES, blocks * panels)},
                     {NULL, cpu_ceil_div(rows * lines, blocks)},
                     {x.at + before(v, end, v->channels, v->in), cpu_ceil_div(before(v, v->some, v->channels, v->in), all)},
                     {(const float *)c->out[0].data + before(v, begin, v->filters, v->out),
                      cpu_ceil_div(before(v, v->some, v->filters, v->out), all)}};
    cpu_product g = {.k = v->channels, .p_row = v->wide, .p_step = 1, .q_step = v->panel, .c_row = v->panel, .strip = v->strip, .near = true,
                     .q_strip = (int64_t)v->strip * v->gemm->lanes[CPU_F32]};
    gather(v, &x, begin, end, 0, v->channels, local, v->wide, v->v_far, local + v->picture_at);
    for (int64_t i = 0; i < POSITIONS; i++) {
        const float *p = local + i * v->v_far;
        float *to = m + i * v->m_far;
        next[LEFT].at = p + v->v_far;
        for (int64_t f = 0; f < v->filters; f += v->panel, to += v->tiles * v->panel, u += v->channels * v->panel) {
            next[RIGHT].at = u + v->channels * v->panel;
            next[SUMS].at = to + v->tiles * v->panel;
            g.columns = cpu_least(v->panel, v->filters - f);
            multiply(v, &g, rows, blocks, p, u, to, next);
        }
    }
    for (int64_t f = 0; f < v->filters; f += LANES)
        put_back(v, m + at_channel(v, f, v->panel), begin, end, f, c->out[0].data, local + v->turned_at);
}

static nilu_status run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    for (int64_t t = begin; t < end; t++) {
        if (phase == 0)
            transform_weights(c->plan, c, t, local);
        else
            compute(c->plan, c, t, local);
    }
    return NILU_OK;
}

static bool part_made(const nilu_node *n, const cpu_job *job, int k, int64_t tile, cpu_part *part)
{
    const winograd *v = job->plan;
    (void)n;
    *part = (cpu_part){.from = tile * v->some / v->down, .to = cpu_ceil_div(cpu_least((tile + 1) * v->some, v->strips), v->down), .of = v->samples};
    return k < 0;
}

/* ---- conv_weight: phase 0 adds up parts [positions, channels, filters], phase 1 adds parts up and makes weights of them */

CPU_COLD static nilu_status prepare_weight(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    winograd *v = start(nl, n, isa, n->in[0]->shape, n->out[0].shape, n->in[1]->shape, false);
    *job = (cpu_job){.phases = 2, .plan = v};
    if (!v)
        return NILU_E_NO_MEMORY;
    const int64_t bytes = POSITIONS * v->channels * cpu_round_up(v->filters, LANES) * (int64_t)sizeof(float);
    for (v->parts = 1; v->parts < MOST_PARTS && v->parts * bytes < PARTS_BYTES && v->parts * PART_TILES < v->strips * v->across;)
        v->parts *= 2; /* threads get the same number of them, mostly */
    v->parts = cpu_least(v->parts, v->strips);
    v->chunk = cpu_round_up(cpu_ceil_div(v->filters, cpu_ceil_div(TASKS, v->parts)), 2 * LANES);
    v->chunks = cpu_ceil_div(v->filters, v->chunk);
    v->all = POSITIONS * v->channels * cpu_round_up(v->filters, v->panel);
    v->some = cpu_least(cpu_ceil_div(WEIGHT_GROUP, v->across), cpu_ceil_div(v->strips, v->parts));
    job->tiles[0] = v->parts * v->chunks;
    job->tiles[1] = cpu_ceil_div(v->filters, v->panel) * cpu_ceil_div(v->channels, LANES);
    job->scratch = (size_t)(v->parts * v->all) * sizeof(float);
    job->local = place(v) * sizeof(float);
    return NILU_OK;
}

static void add_up(const winograd *v, const nilu_call *c, int64_t t, float *local)
{
    const int64_t part = t / v->chunks, f = t % v->chunks * v->chunk, filters = cpu_least(v->chunk, v->filters - f);
    const int64_t first = part * v->strips / v->parts, last = (part + 1) * v->strips / v->parts;
    const int64_t each = cpu_ceil_div(LANES, v->gemm->most[v->strip]); /* blocks of sixteen channels */
    const int64_t blocks = cpu_ceil_div(v->channels, LANES) * cpu_ceil_div(filters, v->panel) * each, all = POSITIONS * blocks * LANES;
    const source x = pictures(v, &c->in[0]);
    const source e = {.at = c->in[1].data, .channels = v->filters, .sides = {v->out[0], v->out[1]}, .width = v->across * TILE, .rows = TILE,
                      .transform = v->isa->error};
    stream next[] = {{NULL, cpu_ceil_div(v->m_far / LANES, blocks)},
                     {NULL, cpu_ceil_div(v->v_far / LANES, blocks)},
                     {NULL, cpu_ceil_div(v->panel, each)},
                     {NULL, cpu_ceil_div(before(v, v->some, v->channels, v->in), all)},
                     {NULL, v->chunks == 1 ? cpu_ceil_div(before(v, v->some, v->filters, v->out), all) : 0}};
    cpu_product g = {.p_row = 1, .p_step = v->wide, .q_step = v->panel, .c_row = v->panel, .strip = v->strip, .near = true,
                     .q_strip = (int64_t)v->strip * v->gemm->lanes[CPU_F32]};
    for (int64_t begin = first; begin < last; begin += v->some, g.more = true) {
        const int64_t end = cpu_least(begin + v->some, last);
        gather(v, &x, begin, end, 0, v->channels, local, v->wide, v->v_far, local + v->picture_at);
        gather(v, &e, begin, end, f, f + filters, local + v->m_at, v->panel, v->m_far, local + v->picture_at);
        next[PICTURES].at = x.at + before(v, end, v->channels, v->in);
        next[RESULT].at = e.at + before(v, end, v->filters, v->out);
        g.k = (end - begin) * v->across;
        for (int64_t i = 0; i < POSITIONS; i++) {
            float *to = (float *)c->scratch + part * v->all + (i * cpu_round_up(v->filters, v->panel) + f) * v->channels;
            const float *p = local + i * v->v_far, *q = local + v->m_at + i * v->m_far;
            next[LEFT].at = p + v->v_far;
            next[RIGHT].at = q + v->m_far;
            for (int64_t j = 0; j < filters; j += v->panel, q += v->tiles * v->panel) {
                g.columns = cpu_least(v->panel, filters - j);
                for (int64_t o = 0; o < v->channels; o += LANES, to += LANES * v->panel) {
                    const int64_t rows = cpu_least(LANES, v->channels - o);
                    next[SUMS].at = to + LANES * v->panel;
                    multiply(v, &g, rows, cpu_least(each, rows), p + o * v->tiles, q, to, next);
                }
                to += (v->channels - cpu_round_up(v->channels, LANES)) * v->panel;
            }
        }
    }
}

/* Weights of a panel of filters and sixteen channels. */
static void finish(const winograd *v, const nilu_call *c, int64_t t, float *local)
{
    const int64_t panels = cpu_ceil_div(v->filters, v->panel), f = t % panels * v->panel, c0 = t / panels * LANES;
    const int64_t channels = cpu_least(LANES, v->channels - c0), n = channels * v->panel;
    const cpu_grid from = {SIDE * n, n, v->panel}, to = {KERNEL * LANES, LANES, AREA * LANES};
    const float *parts = (const float *)c->scratch + f * v->channels + c0 * v->panel;
    float *turned = local + v->turned_at;
    memset(local, 0, (size_t)(POSITIONS * n) * sizeof *local);
    for (int64_t i = 0; i < POSITIONS; i++)
        c->isa->tape->sum_down(local + i * n, parts + i * panels * v->panel * v->channels, v->all, v->parts, n);
    for (int64_t j = 0; j < v->panel && f + j < v->filters; j += LANES) {
        v->isa->gradient(local + j, &from, turned, &to, channels);
        turn(v, channels * AREA, cpu_least(LANES, v->filters - f - j), turned, LANES,
             (float *)c->out[0].data + ((f + j) * v->channels + c0) * AREA, v->channels * AREA);
    }
}

static nilu_status run_weight(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    for (int64_t t = begin; t < end; t++) {
        if (phase == 0)
            add_up(c->plan, c, t, local);
        else
            finish(c->plan, c, t, local);
    }
    return NILU_OK;
}

const cpu_kernel cpu_kernel_winograd = {"conv", "winograd", accepts, prepare, run, part_made};
const cpu_kernel cpu_kernel_winograd_transpose = {"conv_transpose", "winograd", accepts_transpose, prepare_transpose, run, part_made};
const cpu_kernel cpu_kernel_winograd_weight = {"conv_weight", "winograd", accepts_weight, prepare_weight, run_weight};
