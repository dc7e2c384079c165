/* Tapes: the loop is cut into tiles, a tile into blocks of 256 numbers, and every step of the chain runs over one block
 * before the next step does, so that what is between two steps never leaves the first-level cache.
 *
 * The loop is seen as rows × columns: columns are the trailing axes along which each input lies as the loop does or does not
 * change at all, and which every sum takes together; the other axes are rows. A block is a piece of a long row, or several
 * short ones. Where an input's piece lies in memory as the block does, it is read there; else it is brought into a slot.
 *
 * Bits: a sum is taken over the blocks of a tile in their order, and over the tiles in theirs, in double. Tiles are cut by
 * shape alone. */
#include "cpu/cpu.h"

#include <string.h>

#define MAX_VALUES (REWRITE_MAX_INPUTS + REWRITE_MAX_STEPS)
#define ROUND(n) (((n) + 15) & ~(int64_t)15)

typedef struct source {
    bool tile, bytes;             /* a product's tile; bool in memory */
    bool moves_down, moves_along; /* does it change from row to row, from column to column? */
    bool even;                    /* row r begins at r * pitch; else `stride` by the leading axes */
    int64_t pitch;
    int64_t stride[NILU_MAX_RANK];
    int input; /* of the call */
} source;

typedef struct step {
    cpu_step_fn run;
    ops_scalar_fn scalar; /* where there is no `run` */
    int arg[3];           /* values; -1: none */
    int slot;
    float p[2];
    double wide[2];
} step;

typedef enum sink_kind { STORE, SUM_ROWS, SUM_COLUMNS, SUM_ALL } sink_kind; /* SUM_ROWS: over rows, one sum a column */
typedef struct sink {
    int value;
    sink_kind kind;
    bool bytes;
    bool direct; /* the step that makes it may write it to its place */
} sink;

struct cpu_program {
    const cpu_tape_table *isa;
    int64_t rows, columns;
    int leading; /* axes that are rows */
    int64_t dim[NILU_MAX_RANK];
    int nin, nstep, nend, slots;
    source source[REWRITE_MAX_INPUTS];
    sink sink[GRAPH_MAX_OUT];
    step step[];
};

/* ---- the loop as rows and columns */

static int64_t product_of(nilu_shape s, int from, int to)
{
    int64_t n = 1;
    for (int d = from; d < to; d++)
        n *= s.dim[d];
    return n;
}

/* Does the input lie along axes from .. rank-1 as the loop does (1), stay the same (0), or neither (-1)? */
static int along(nilu_shape loop, const int64_t *stride, int from)
{
    bool still = true, dense = true;
    int64_t unit = 1;
    for (int d = loop.rank - 1; d >= from; unit *= loop.dim[d], d--) {
        if (loop.dim[d] == 1)
            continue;
        still &= stride[d] == 0;
        dense &= stride[d] == unit;
    }
    return still ? 0 : dense ? 1 : -1;
}

/* Are all, or none, of the axes from .. to-1 that are longer than 1 among `axes`? 1, 0, or -1 for some. */
static int taken(nilu_shape loop, const nilu_axes *axes, int from, int to)
{
    int in = 0, out = 0;
    for (int d = from; d < to; d++) {
        bool named = false;
        for (int i = 0; i < axes->n; i++)
            named |= axes->at[i] == d;
        if (loop.dim[d] != 1)
            *(named ? &in : &out) += 1;
    }
    return in && out ? -1 : in > 0;
}

static int shift_of(const nilu_node *n)
{
    return n->op == &rewrite_op_product ? 1 : 0;
}

static void strides_of(const nilu_node *n, const rewrite_tape *t, int k, int64_t stride[NILU_MAX_RANK])
{
    ops_strides(n->in[k + shift_of(n)]->shape, t->loop, stride);
}

static bool splits_at(const nilu_node *n, const rewrite_tape *t, int at)
{
    int64_t stride[NILU_MAX_RANK];
    for (int k = shift_of(n); k < t->nin; k++) {
        strides_of(n, t, k, stride);
        if (along(t->loop, stride, at) < 0)
            return false;
    }
    for (int e = 0; e < t->nend; e++)
        if (t->end[e].sum &&
            (taken(t->loop, &t->end[e].axes, 0, at) < 0 || taken(t->loop, &t->end[e].axes, at, t->loop.rank) < 0))
            return false;
    return true;
}

/* The number of leading axes that are rows, the fewest possible; -1: there is no such cut. A product has one. */
static int split(const nilu_node *n, const rewrite_tape *t)
{
    for (int at = shift_of(n); at <= t->loop.rank; at++)
        if (splits_at(n, t, at))
            return at;
    return -1;
}

static bool narrow(nilu_dtype dtype)
{
    return dtype == NILU_F32 || dtype == NILU_BOOL;
}

const char *cpu_program_refuses(const nilu_node *n, const rewrite_tape *t)
{
    for (int k = shift_of(n); k < t->nin; k++)
        if (!narrow(n->in[k + shift_of(n)]->dtype))
            return N_("tapes are f32 and bool");
    for (int e = 0; e < t->nend; e++)
        if (!narrow(t->end[e].dtype))
            return N_("tapes are f32 and bool");
    return split(n, t) < 0 ? N_("a sum takes some of the leading or trailing axes and leaves others") : NULL;
}

/* ---- making a program */

static void make_source(const nilu_node *n, const rewrite_tape *t, int k, cpu_program *p)
{
    source *s = &p->source[k];
    int64_t stride[NILU_MAX_RANK];
    *s = (source){.tile = shift_of(n) && k == 0, .moves_down = true, .moves_along = true, .even = true};
    if (s->tile)
        return;
    s->input = k + shift_of(n);
    s->bytes = n->in[s->input]->dtype == NILU_BOOL;
    strides_of(n, t, k, stride);
    memcpy(s->stride, stride, sizeof s->stride);
    s->moves_along = along(t->loop, stride, p->leading) == 1;
    s->moves_down = false;
    for (int d = p->leading - 1, inner = -1; d >= 0; d--) {
        if (t->loop.dim[d] == 1)
            continue;
        s->moves_down |= stride[d] != 0;
        if (inner < 0)
            s->pitch = stride[d];
        else
            s->even &= stride[d] == stride[inner] * t->loop.dim[inner];
        inner = d;
    }
}

/* Which step reads value v last; nstep: it is needed when all steps have run; -1: never read. */
static int last_reader(const rewrite_tape *t, int v)
{
    for (int e = 0; e < t->nend; e++)
        if (t->end[e].value == v)
            return t->nstep;
    for (int s = t->nstep - 1; s >= 0; s--)
        for (int k = 0; k < 3; k++)
            if (t->step[s].arg[k] == v)
                return s;
    return -1;
}

/* Slots for the steps' values: one is free again when its value was read for the last time, also by the step that takes it
 * over. The first nin slots are the inputs'. */
static int take_slots(const rewrite_tape *t, cpu_program *p)
{
    int owner[REWRITE_MAX_STEPS], used = 0;
    for (int s = 0; s < t->nstep; s++) {
        int slot = 0;
        while (slot < used && last_reader(t, t->nin + owner[slot]) > s)
            slot++;
        owner[slot] = s;
        used = slot == used ? used + 1 : used;
        p->step[s].slot = t->nin + slot;
    }
    return t->nin + used;
}

static void make_sink(const rewrite_tape *t, int e, cpu_program *p)
{
    const rewrite_end *end = &t->end[e];
    sink *s = &p->sink[e];
    *s = (sink){.value = end->value, .kind = STORE, .bytes = end->dtype == NILU_BOOL};
    if (end->sum) {
        bool rows = taken(t->loop, &end->axes, 0, p->leading) == 1 || p->rows == 1;
        bool columns = taken(t->loop, &end->axes, p->leading, t->loop.rank) == 1 || p->columns == 1;
        if (end->axes.n == 0)
            rows = columns = false;
        s->kind = rows && columns ? SUM_ALL : rows ? SUM_ROWS : SUM_COLUMNS;
        return;
    }
    /* Its place may be an input's: it may be written when all inputs have been read. */
    int maker = end->value - t->nin;
    s->direct = !s->bytes && maker >= 0;
    for (int k = 0; k < t->nin; k++)
        s->direct &= last_reader(t, k) <= maker;
    for (int other = 0; other < e; other++)
        s->direct &= t->end[other].value != end->value;
}

size_t cpu_program_size(const rewrite_tape *t)
{
    return sizeof(cpu_program) + (size_t)t->nstep * sizeof(step);
}

void cpu_program_make(cpu_program *p, const nilu_node *n, const rewrite_tape *t, const cpu_isa *isa)
{
    memset(p, 0, cpu_program_size(t));
    p->isa = isa->tape;
    p->leading = split(n, t);
    p->rows = product_of(t->loop, 0, p->leading);
    p->columns = product_of(t->loop, p->leading, t->loop.rank);
    memcpy(p->dim, t->loop.dim, sizeof p->dim);
    p->nin = t->nin;
    p->nstep = t->nstep;
    p->nend = t->nend;
    for (int k = 0; k < t->nin; k++)
        make_source(n, t, k, p);
    for (int i = 0; i < t->nstep; i++) {
        const rewrite_step *from = &t->step[i];
        step *s = &p->step[i];
        const char *name = from->op->elementwise ? from->op->name : from->dtype == NILU_BOOL ? "truth" : "cast";
        s->run = p->isa->find(name);
        s->scalar = s->run ? NULL : ops_scalar(from->op);
        memcpy(s->arg, from->arg, sizeof s->arg);
        for (int k = 0; k < 2; k++)
            s->p[k] = (float)(s->wide[k] = from->p[k]);
    }
    p->slots = take_slots(t, p);
    for (int e = 0; e < t->nend; e++)
        make_sink(t, e, p);
}

void cpu_program_loop(const cpu_program *p, int64_t *rows, int64_t *columns)
{
    *rows = p->rows;
    *columns = p->columns;
}

size_t cpu_program_local(const cpu_program *p)
{
    return (size_t)p->slots * CPU_BLOCK * sizeof(float);
}

static int64_t sums_of(const cpu_program *p, const sink *s)
{
    return s->kind == STORE ? 0 : s->kind == SUM_ROWS ? p->columns : s->kind == SUM_COLUMNS ? p->rows : 1;
}

static int64_t parts_of(const sink *s, int64_t down, int64_t across)
{
    return s->kind == SUM_ROWS ? down : s->kind == SUM_COLUMNS ? across : down * across;
}

size_t cpu_program_scratch(const cpu_program *p, int64_t down, int64_t across)
{
    int64_t n = 0;
    for (int e = 0; e < p->nend; e++)
        n += ROUND(sums_of(p, &p->sink[e])) * parts_of(&p->sink[e], down, across);
    return (size_t)n * sizeof(float);
}

void cpu_program_in_place(const cpu_program *p, uint32_t in_place[GRAPH_MAX_OUT])
{
    for (int e = 0; e < p->nend; e++)
        for (int k = 0; k < p->nin && p->sink[e].kind == STORE && !p->sink[e].bytes; k++) {
            const source *s = &p->source[k];
            bool same = !s->tile && !s->bytes && (s->moves_along || p->columns == 1) && (s->moves_down || p->rows == 1) &&
                        (p->rows == 1 || (s->even && s->pitch == p->columns));
            if (same)
                in_place[e] |= 1u << s->input;
        }
}

/* ---- running */

/* What stays the same while a tile runs. */
typedef struct run {
    const cpu_program *p;
    const nilu_call *c;
    const cpu_rect *r;
    float *local;
    float *partial[GRAPH_MAX_OUT]; /* of this tile */
    int64_t height, width;         /* of a block, at most */
} run;

static float *slot_of(const run *x, int slot)
{
    return x->local + (int64_t)slot * CPU_BLOCK;
}

static int64_t row_start(const cpu_program *p, const source *s, int64_t row)
{
    int64_t at = 0;
    if (s->even)
        return row * s->pitch;
    for (int d = p->leading - 1; d >= 0; row /= p->dim[d], d--)
        at += row % p->dim[d] * s->stride[d];
    return at;
}

/* Numbers of one row from column c on into `to`. */
static void bring_row(const run *x, const source *s, int64_t row, int64_t c, int64_t n, float *to)
{
    if (s->tile) {
        memcpy(to, x->r->tile + (row - x->r->r0) * x->r->ld + c - x->r->c0, (size_t)n * sizeof *to);
        return;
    }
    const void *data = x->c->in[s->input].data;
    int64_t at = row_start(x->p, s, row) + (s->moves_along ? c : 0);
    if (!s->moves_along)
        x->p->isa->fill(to, s->bytes ? (float)((const unsigned char *)data)[at] : ((const float *)data)[at], n);
    else if (s->bytes)
        x->p->isa->from_bytes(to, (const unsigned char *)data + at, n);
    else
        memcpy(to, (const float *)data + at, (size_t)n * sizeof *to);
}

/* Where in memory the block lies as it is needed; NULL: nowhere. */
static const float *in_place_of(const run *x, const source *s, int64_t row, int64_t height, int64_t c, int64_t width)
{
    if (height * width % 16 || s->bytes || !s->moves_along)
        return NULL;
    if (s->tile)
        return height == 1 || x->r->ld == width ? x->r->tile + (row - x->r->r0) * x->r->ld + c - x->r->c0 : NULL;
    if (height > 1 && !(s->moves_down && s->even && s->pitch == width))
        return NULL;
    return (const float *)x->c->in[s->input].data + row_start(x->p, s, row) + c;
}

/* Inputs that are the same for every block of the tile are brought once. */
static bool same_for_all(const run *x, const source *s)
{
    return !s->moves_down && (!s->moves_along || x->height > 1);
}

static void bring_block(const run *x, int k, int64_t row, int64_t height, int64_t c, int64_t width)
{
    for (int64_t i = 0; i < height; i++)
        bring_row(x, &x->p->source[k], row + i, c, width, slot_of(x, k) + i * width);
}

static void put_row(const run *x, int e, const float *v, int64_t row, int64_t c, int64_t n)
{
    int64_t at = row * x->p->columns + c;
    if (x->p->sink[e].bytes)
        x->p->isa->to_bytes((unsigned char *)x->c->out[e].data + at, v, n);
    else
        memcpy((float *)x->c->out[e].data + at, v, (size_t)n * sizeof *v);
}

static void finish(const run *x, int e, const float *v, int64_t row, int64_t height, int64_t c, int64_t width)
{
    const cpu_program *p = x->p;
    float *sums = x->partial[e];
    switch (p->sink[e].kind) {
    case STORE:
        if (height == 1 || width == p->columns)
            put_row(x, e, v, row, c, height * width);
        else
            for (int64_t i = 0; i < height; i++)
                put_row(x, e, v + i * width, row + i, c, width);
        return;
    case SUM_ROWS:
        for (int64_t i = 0; i < height; i++)
            p->isa->add_row(sums + c, v + i * width, width);
        return;
    case SUM_COLUMNS:
        for (int64_t i = 0; i < height; i++)
            sums[row + i] += p->isa->sum(v + i * width, width);
        return;
    case SUM_ALL:
        *sums += p->isa->sum(v, height * width);
        return;
    }
}

static void by_element(const step *s, float *z, const float *const arg[3], int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        z[i] = s->scalar ? (float)s->scalar((double)arg[0][i], (double)arg[1][i], (double)arg[2][i], s->wide) : arg[0][i];
}

static void block(const run *x, int64_t row, int64_t height, int64_t c, int64_t width)
{
    const cpu_program *p = x->p;
    const float *value[MAX_VALUES + 1], *arg[3];
    int64_t n = height * width, whole = ROUND(n);
    for (int k = 0; k < p->nin; k++) {
        const source *s = &p->source[k];
        value[k] = same_for_all(x, s) ? NULL : in_place_of(x, s, row, height, c, width);
        if (value[k])
            continue;
        value[k] = slot_of(x, k);
        if (!same_for_all(x, s))
            bring_block(x, k, row, height, c, width);
    }
    bool straight = n == whole && (height == 1 || width == p->columns);
    for (int i = 0; i < p->nstep; i++) {
        const step *s = &p->step[i];
        float *z = slot_of(x, s->slot);
        for (int e = 0; straight && e < p->nend; e++)
            if (p->sink[e].direct && p->sink[e].value == p->nin + i)
                z = (float *)x->c->out[e].data + row * p->columns + c;
        for (int k = 0; k < 3; k++)
            arg[k] = s->arg[k] >= 0 ? value[s->arg[k]] : slot_of(x, 0);
        if (s->run)
            s->run(z, arg[0], arg[1], arg[2], s->p, whole);
        else
            by_element(s, z, arg, n);
        value[p->nin + i] = z;
    }
    for (int e = 0; e < p->nend; e++)
        if (!(straight && p->sink[e].direct))
            finish(x, e, value[p->sink[e].value], row, height, c, width);
}

/* This tile's part of the partial sums, cleared. */
static void clear_sums(run *x, char *partial)
{
    const cpu_program *p = x->p;
    const cpu_rect *r = x->r;
    float *at = (float *)(void *)partial;
    for (int e = 0; e < p->nend; e++) {
        const sink *s = &p->sink[e];
        int64_t n = sums_of(p, s), part = s->kind == SUM_ROWS ? r->row : s->kind == SUM_COLUMNS ? r->column : r->row * r->across + r->column;
        x->partial[e] = at + part * ROUND(n);
        at += ROUND(n) * parts_of(s, r->down, r->across);
        int64_t from = s->kind == SUM_ROWS ? r->c0 : s->kind == SUM_COLUMNS ? r->r0 : 0;
        int64_t to = s->kind == SUM_ROWS ? r->c1 : s->kind == SUM_COLUMNS ? r->r1 : n;
        if (n)
            memset(x->partial[e] + from, 0, (size_t)(to - from) * sizeof(float));
    }
}

void cpu_program_rect(const cpu_program *p, const nilu_call *c, const cpu_rect *r, char *partial, void *local)
{
    run x = {.p = p, .c = c, .r = r, .local = local};
    int64_t width = r->c1 - r->c0, rows = r->r1 - r->r0;
    x.width = width < CPU_BLOCK ? width : CPU_BLOCK;
    x.height = width < CPU_BLOCK ? CPU_BLOCK / width : 1;
    x.height = x.height > rows ? rows : x.height;
    clear_sums(&x, partial);
    for (int k = 0; k < p->nin; k++)
        if (same_for_all(&x, &p->source[k]))
            bring_block(&x, k, r->r0, x.height, r->c0, x.width);
    for (int64_t row = r->r0; row < r->r1; row += x.height) {
        int64_t height = r->r1 - row < x.height ? r->r1 - row : x.height;
        for (int64_t at = r->c0; at < r->c1; at += x.width)
            block(&x, row, height, at, r->c1 - at < x.width ? r->c1 - at : x.width);
    }
}

#define FOLD 256 /* sums of a piece */

int64_t cpu_program_folds(const cpu_program *p)
{
    int64_t n = 0;
    for (int e = 0; e < p->nend; e++)
        n += (sums_of(p, &p->sink[e]) + FOLD - 1) / FOLD;
    return n;
}

void cpu_program_fold(const cpu_program *p, const nilu_call *c, int64_t down, int64_t across, const char *partial, int64_t begin,
                      int64_t end)
{
    const float *at = (const float *)(const void *)partial;
    int64_t piece = 0;
    for (int e = 0; e < p->nend; e++) {
        const sink *s = &p->sink[e];
        int64_t n = sums_of(p, s), parts = parts_of(s, down, across);
        for (int64_t from = 0; from < n; from += FOLD, piece++) {
            if (piece < begin || piece >= end)
                continue;
            for (int64_t i = from; i < n && i < from + FOLD; i++) {
                double sum = 0;
                for (int64_t k = 0; k < parts; k++)
                    sum += (double)at[k * ROUND(n) + i];
                ((float *)c->out[e].data)[i] = (float)sum;
            }
        }
        at += ROUND(n) * parts;
    }
}
