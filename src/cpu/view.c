/* Views: slice, flip, transpose and broadcast_to read x with strides and write z from its first element to its last. One record
 * says all three: the axes of z, joined where that is possible, each with the distance in x of one step along it (0 where x
 * is repeated). Four ways to copy, by the strides:
 *     runs     the last axis is adjacent in x too: memcpy
 *     spread   the last axis repeats one element
 *     flip     another axis is adjacent in x: squares are turned round while they are in the cache
 *     pick     neither: element by element
 * Measured on one core (bench/move.c), bytes read and written, against memcpy of as many bytes: runs 95 to 100 %, flip of
 * f32 80 % in memory and 12 bytes a cycle in the second-level cache. */
#include "cpu/cpu.h"

#include <string.h>

typedef enum view_way { VIEW_RUNS, VIEW_SPREAD, VIEW_FLIP, VIEW_PICK } view_way;

typedef struct view {
    view_way way;
    int rank;
    int64_t dim[NILU_MAX_RANK], from[NILU_MAX_RANK], to[NILU_MAX_RANK]; /* distances in bytes */
    int64_t start, size; /* bytes: of x before the first element read; of an element */
    /* runs, spread, pick: a tile is `rows` whole rows of the last axis, or `piece` elements of one */
    int64_t rows, piece, pieces;
    /* flip: a tile is `high` steps along axis `across`, which is adjacent in x, by `wide` along the last; `ahead`: the next
     * tile is asked for while one is worked on */
    int across;
    int64_t high, wide;
    bool ahead;
} view;

#define LINE 64 /* bytes: a flip's tile is a line of x wide, and long, so that few lines of z are open at once */
#define LONG 512
#define NEAR (1 << 20) /* bytes read and written: beyond these, what comes next is far away */

/* Axes of 1 go; neighbours that x steps through as one become one. */
static void join_axes(view *v)
{
    int n = 0;
    for (int d = 0; d < v->rank; d++) {
        if (v->dim[d] == 1)
            continue;
        if (n && v->from[n - 1] == v->from[d] * v->dim[d]) {
            v->dim[n - 1] *= v->dim[d];
            v->from[n - 1] = v->from[d];
            continue;
        }
        v->dim[n] = v->dim[d];
        v->from[n++] = v->from[d];
    }
    if (!n) {
        v->dim[0] = 1;
        v->from[n++] = v->size;
    }
    v->rank = n;
    int64_t step = v->size;
    for (int d = n - 1; d >= 0; step *= v->dim[d], d--)
        v->to[d] = step;
}

static int64_t outer_count(const view *v)
{
    int64_t n = 1;
    for (int d = 0; d < v->rank - 1; d++)
        n *= v->way == VIEW_FLIP && d == v->across ? 1 : v->dim[d];
    return n;
}

/* Chooses the way and the tiles; how many there are. */
static int64_t cut(view *v)
{
    int last = v->rank - 1;
    int64_t n = v->dim[last], stride = v->from[last];
    v->way = stride == v->size ? VIEW_RUNS : stride == 0 ? VIEW_SPREAD : VIEW_PICK;
    for (int d = 0; d < last && v->way == VIEW_PICK; d++)
        if (v->from[d] == v->size) {
            v->way = VIEW_FLIP;
            v->across = d;
        }
    for (int d = 0; d < v->rank; d++)
        if (v->dim[d] == 0)
            return 0;
    if (v->way == VIEW_FLIP) {
        int64_t high = v->dim[v->across], side = LINE / v->size;
        v->wide = cpu_least(n, high < side ? LONG * side / high : LONG);
        v->high = cpu_least(high, cpu_ceil_div(LONG, v->wide) * side);
        v->ahead = v->high == side && 2 * outer_count(v) * high * n * v->size > NEAR;
        return outer_count(v) * cpu_ceil_div(high, v->high) * cpu_ceil_div(n, v->wide);
    }
    v->pieces = cpu_ceil_div(n * v->size, CPU_TILE_BYTES);
    v->piece = cpu_ceil_div(cpu_ceil_div(n, v->pieces), 64) * 64;
    v->pieces = cpu_ceil_div(n, v->piece);
    v->rows = v->pieces > 1 ? 1 : cpu_least(CPU_TILE_BYTES / (n * v->size), outer_count(v));
    return v->pieces > 1 ? outer_count(v) * v->pieces : cpu_ceil_div(outer_count(v), v->rows);
}

static nilu_status plan(nilu *nl, view *v, cpu_job *job)
{
    view *kept = base_alloc(nl, sizeof *kept);
    if (!kept)
        return NILU_E_NO_MEMORY;
    join_axes(v);
    *job = (cpu_job){.phases = 1, .tiles = {cut(v)}, .plan = kept};
    *kept = *v;
    return NILU_OK;
}

static view whole(const nilu_node *n)
{
    view v = {.rank = n->out[0].shape.rank, .size = (int64_t)nilu_dtype_size(n->out[0].dtype)};
    memcpy(v.dim, n->out[0].shape.dim, sizeof v.dim);
    return v;
}

static nilu_status slice_prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)isa;
    const struct ops_slice *t = n->attr;
    view v = whole(n);
    ops_strides(n->in[0]->shape, n->in[0]->shape, v.from);
    for (int d = 0; d < v.rank; d++)
        v.from[d] *= v.size;
    v.start = t->start * v.from[t->axis];
    v.from[t->axis] *= t->step;
    return plan(nl, &v, job);
}

static nilu_status flip_prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)isa;
    const nilu_axes *axes = n->attr; /* all there is */
    view v = whole(n);
    ops_strides(n->in[0]->shape, n->in[0]->shape, v.from);
    for (int d = 0; d < v.rank; d++)
        v.from[d] *= v.size;
    for (int k = 0; k < axes->n; k++) {
        const int d = axes->at[k];
        v.start += v.dim[d] > 0 ? (v.dim[d] - 1) * v.from[d] : 0;
        v.from[d] = -v.from[d];
    }
    return plan(nl, &v, job);
}

static nilu_status transpose_prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)isa;
    const struct ops_transpose *t = n->attr;
    view v = whole(n);
    int64_t stride[NILU_MAX_RANK];
    ops_strides(n->in[0]->shape, n->in[0]->shape, stride);
    for (int d = 0; d < v.rank; d++)
        v.from[d] = stride[t->axes.at[d]] * v.size;
    return plan(nl, &v, job);
}

static nilu_status broadcast_prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)isa;
    view v = whole(n);
    ops_strides(n->in[0]->shape, n->out[0].shape, v.from);
    for (int d = 0; d < v.rank; d++)
        v.from[d] *= v.size;
    return plan(nl, &v, job);
}

/* ---- copying */

/* The coordinates of all axes but the last (and but `across` in a flip), and where they lie in x. */
typedef struct walk {
    int64_t at[NILU_MAX_RANK], from, to;
} walk;

static walk walk_to(const view *v, int64_t index)
{
    walk w = {.from = v->start};
    for (int d = v->rank - 2; d >= 0; d--) {
        if (v->way == VIEW_FLIP && d == v->across)
            continue;
        w.at[d] = index % v->dim[d];
        index /= v->dim[d];
        w.from += w.at[d] * v->from[d];
        w.to += w.at[d] * v->to[d];
    }
    return w;
}

static void walk_on(const view *v, walk *w)
{
    for (int d = v->rank - 2; d >= 0; d--) {
        w->from += v->from[d];
        if (++w->at[d] < v->dim[d])
            return;
        w->from -= w->at[d] * v->from[d];
        w->at[d] = 0;
    }
}

static void copy_run(char *to, const char *from, int64_t bytes)
{
    if (bytes >= 64) {
        memcpy(to, from, (size_t)bytes);
        return;
    }
    for (; bytes >= 8; bytes -= 8, to += 8, from += 8)
        memcpy(to, from, 8);
    if (bytes & 4) {
        memcpy(to, from, 4);
        to += 4, from += 4;
    }
    for (int i = 0; i < (bytes & 3); i++)
        to[i] = from[i];
}

#define EACH_SIZE(X) X(uint8_t, 1) X(uint16_t, 2) X(uint32_t, 4) X(uint64_t, 8)

static void spread(char *to, const char *from, int64_t n, int64_t size)
{
    switch (size) {
#define SPREAD(type, bytes)                                                                                            \
    case bytes: {                                                                                                      \
        type v;                                                                                                        \
        memcpy(&v, from, bytes);                                                                                       \
        for (int64_t i = 0; i < n; i++)                                                                                \
            memcpy(to + i * bytes, &v, bytes);                                                                         \
        return;                                                                                                        \
    }
        EACH_SIZE(SPREAD)
    }
}

/* The other way round: neighbours are put `stride` bytes apart. */
static inline void put(char *to, int64_t stride, const char *from, int64_t n, int64_t size)
{
    switch (size) {
#define PUT(type, bytes)                                                                                               \
    case bytes:                                                                                                        \
        for (int64_t i = 0; i < n; i++)                                                                                \
            memcpy(to + i * stride, from + i * bytes, bytes);                                                          \
        return;
        EACH_SIZE(PUT)
    }
}

static void pick(char *to, const char *from, int64_t n, int64_t stride, int64_t size)
{
    switch (size) {
#define PICK(type, bytes)                                                                                              \
    case bytes:                                                                                                        \
        for (int64_t i = 0; i < n; i++)                                                                                \
            memcpy(to + i * bytes, from + i * stride, bytes);                                                          \
        return;
        EACH_SIZE(PICK)
    }
}

static void run_tile(const view *v, const char *x, char *z, int64_t tile)
{
    int last = v->rank - 1;
    int64_t n = v->dim[last], row = v->pieces > 1 ? tile / v->pieces : tile * v->rows;
    int64_t begin = v->pieces > 1 ? tile % v->pieces * v->piece : 0, count = cpu_least(n - begin, v->piece);
    int64_t rows = cpu_least(outer_count(v) - row, v->rows);
    walk w = walk_to(v, row);
    z += (row * n + begin) * v->size;
    x += begin * v->from[last];
    for (int64_t r = 0; r < rows; r++, z += n * v->size, walk_on(v, &w)) {
        if (v->way == VIEW_RUNS)
            copy_run(z, x + w.from, count * v->size);
        else if (v->way == VIEW_SPREAD)
            spread(z, x + w.from, count, v->size);
        else
            pick(z, x + w.from, count, v->from[last], v->size);
    }
}

/* ---- flips: z[j, i] = x[i, j], distances in bytes */

typedef uint32_t word4 __attribute__((vector_size(16)));
typedef uint64_t word2 __attribute__((vector_size(16)));

static inline void flip_4x4(const char *x, int64_t ldx, char *z, int64_t ldz)
{
    word4 a, b, c, d;
    memcpy(&a, x, 16);
    memcpy(&b, x + ldx, 16);
    memcpy(&c, x + 2 * ldx, 16);
    memcpy(&d, x + 3 * ldx, 16);
    word4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    word4 AB = __builtin_shufflevector(a, b, 2, 6, 3, 7), CD = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    a = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    b = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    c = __builtin_shufflevector(AB, CD, 0, 1, 4, 5);
    d = __builtin_shufflevector(AB, CD, 2, 3, 6, 7);
    memcpy(z, &a, 16);
    memcpy(z + ldz, &b, 16);
    memcpy(z + 2 * ldz, &c, 16);
    memcpy(z + 3 * ldz, &d, 16);
}

static inline void flip_2x2(const char *x, int64_t ldx, char *z, int64_t ldz)
{
    word2 a, b;
    memcpy(&a, x, 16);
    memcpy(&b, x + ldx, 16);
    word2 lower = __builtin_shufflevector(a, b, 0, 2), upper = __builtin_shufflevector(a, b, 1, 3);
    memcpy(z, &lower, 16);
    memcpy(z + ldz, &upper, 16);
}

static inline void flip_words(const char *x, int64_t ldx, char *z, int64_t ldz)
{
    for (int q = 0; q < 16; q += 4)
        for (int p = 0; p < 16; p += 4)
            flip_4x4(x + q * ldx + p * 4, ldx, z + p * ldz + q * 4, ldz);
}

static inline void flip_doubles(const char *x, int64_t ldx, char *z, int64_t ldz)
{
    for (int q = 0; q < 8; q += 2)
        for (int p = 0; p < 8; p += 2)
            flip_2x2(x + q * ldx + p * 8, ldx, z + p * ldz + q * 8, ldz);
}

/* A square of lines of 64 bytes, or what is left of one at the edges. Where rows lie a large power of two apart, all of a
 * column falls into a few places of the cache, and a square would throw itself out: it is turned round in a buffer. */
static void square(const char *x, int64_t ldx, char *z, int64_t ldz, int64_t rows, int64_t columns, int64_t size)
{
    char buffer[64 * 64] __attribute__((aligned(64)));
    int64_t side = LINE / size;
    bool full = rows == side && columns == side && size >= 4;
    if (full && ldz % 1024) {
        size == 4 ? flip_words(x, ldx, z, ldz) : flip_doubles(x, ldx, z, ldz);
        return;
    }
    if (full)
        size == 4 ? flip_words(x, ldx, buffer, LINE) : flip_doubles(x, ldx, buffer, LINE);
    else
        for (int64_t i = 0; i < rows; i++)
            put(buffer + i * size, LINE, x + i * ldx, columns, size);
    for (int64_t j = 0; j < columns; j++)
        if (rows == side)
            memcpy(z + j * ldz, buffer + j * LINE, LINE);
        else
            copy_run(z + j * ldz, buffer + j * LINE, rows * size);
}

void cpu_flip(const char *x, int64_t ldx, char *z, int64_t ldz, int64_t rows, int64_t columns, int64_t size, bool ahead)
{
    int64_t side = LINE / size;
    for (int64_t i = 0; i < rows; i += side)
        for (int64_t j = 0; j < columns; j += side) {
            const char *from = x + i * ldx + j * size;
            char *to = z + j * ldz + i * size;
            int64_t high = cpu_least(rows - i, side), wide = cpu_least(columns - j, side);
            for (int64_t q = 0; q < high && ahead; q++) /* the next tile's lines */
                __builtin_prefetch(from + q * ldx + LINE);
            for (int64_t p = 0; p < wide && ahead; p++)
                __builtin_prefetch(to + (p + side) * ldz, 1);
            square(from, ldx, to, ldz, high, wide, size);
        }
}

static void flip_tile(const view *v, const char *x, char *z, int64_t tile)
{
    int last = v->rank - 1, across = v->across;
    int64_t n = v->dim[last], m = v->dim[across], wide = cpu_ceil_div(n, v->wide), high = cpu_ceil_div(m, v->high);
    int64_t j = tile % high * v->high, i = tile / high % wide * v->wide; /* tile after tile along x's rows */
    walk w = walk_to(v, tile / wide / high);
    cpu_flip(x + w.from + i * v->from[last] + j * v->size, v->from[last], z + w.to + i * v->size + j * v->to[across],
             v->to[across], cpu_least(n - i, v->wide), cpu_least(m - j, v->high), v->size, v->ahead);
}

static nilu_status run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    (void)phase, (void)local;
    const view *v = c->plan;
    for (int64_t t = begin; t < end; t++)
        if (v->way == VIEW_FLIP)
            flip_tile(v, c->in[0].data, c->out[0].data, t);
        else
            run_tile(v, c->in[0].data, c->out[0].data, t);
    return NILU_OK;
}

const cpu_kernel cpu_kernel_slice = {"slice", "slice", cpu_accepts_all, slice_prepare, run};
const cpu_kernel cpu_kernel_transpose = {"transpose", "transpose", cpu_accepts_all, transpose_prepare, run};
const cpu_kernel cpu_kernel_broadcast_to = {"broadcast_to", "broadcast_to", cpu_accepts_all, broadcast_prepare, run};
const cpu_kernel cpu_kernel_flip = {"flip", "flip", cpu_accepts_all, flip_prepare, run};
