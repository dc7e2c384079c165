/* A program runs: a tile's blocks one after the other, on each block every step, so that what is between two steps never
 * leaves the first-level cache.
 *
 * The part of the loop that is done at once is a box. Its outer axes are walked plane by plane. The blocks of a plane are
 * pieces of it, rows × columns, read and written where they lie; or, in a packed program, stretches of several short rows
 * as if they were one long row, for which inputs that do not lie so are brought together. */
#include "cpu/cpu.h"

#include <string.h>

typedef struct box {
    int64_t from[CPU_LOOP_RANK], ext[CPU_LOOP_RANK];
    float *tile; /* of a product: the box's first number */
    int64_t tile_ld;
} box;

/* A place that is read or written where it lies: how far it moves from row to row and from column to column, in bytes. */
typedef struct move {
    char *from;
    int64_t down, along;
    int place;
} move;

/* What stays the same while a box is done. */
typedef struct frame {
    const cpu_program *p;
    const nilu_call *c;
    const box *b;
    char *partial, *local;
    int64_t width, height;        /* of a block, at most */
    int64_t plane[CPU_LOOP_RANK]; /* where in the box the plane is */
    const char *in[REWRITE_MAX_INPUTS];
    char *out[GRAPH_MAX_OUT]; /* the plane's first numbers */
    int nmove, nbrought;
    move move[REWRITE_MAX_INPUTS + GRAPH_MAX_OUT];
    int brought[REWRITE_MAX_INPUTS];            /* for each block */
    float *sums[GRAPH_MAX_OUT];                 /* of the plane */
    int64_t unit[GRAPH_MAX_OUT][CPU_LOOP_RANK]; /* what a step along an axis means in the box's sums */
    float *at[REWRITE_MAX_INPUTS + CPU_MAX_TEMPS + GRAPH_MAX_OUT];
    int64_t ld[REWRITE_MAX_INPUTS + CPU_MAX_TEMPS + GRAPH_MAX_OUT];
} frame;

static float *block_of(const frame *f, int number) /* temporaries, then inputs that are brought */
{
    return (float *)(void *)f->local + (int64_t)number * (f->p->block + CPU_GRAIN);
}

static size_t size_of(bool bytes)
{
    return bytes ? 1 : sizeof(float);
}

static void bring_row(const frame *f, int k, const char *from, bool spread, int64_t n, float *to)
{
    if (!f->p->in[k].bytes && !spread)
        memcpy(to, from, (size_t)n * sizeof *to);
    else if (!spread)
        f->p->isa->from_bytes(to, (const unsigned char *)from, n);
    else
        for (int64_t i = 0; i < n; i++)
            to[i] = f->p->in[k].bytes ? (float)*(const unsigned char *)from : *(const float *)(const void *)from;
}

static void run_steps(const frame *f, int begin, int end, int64_t rows, int64_t columns)
{
    for (const cpu_step *s = f->p->step + begin; s < f->p->step + end; s++)
        s->run(s, f->at, f->ld, s->down ? rows : 1, s->along ? columns : 1);
}

/* ---- blocks of rows and columns */

static void sum_block(const frame *f, const cpu_tape_end *end, int e, int64_t row, int64_t column, int64_t rows,
                      int64_t columns)
{
    const cpu_tape_table *isa = f->p->isa;
    const int inner = f->p->rank - 1;
    const float *v = f->at[end->place];
    const int64_t ld = f->ld[end->place], step = f->unit[e][inner - 1];
    const bool along = end->over[inner] && !f->p->product; /* a product's rows are added up by grains, later */
    float *sums = f->sums[e] + row * step + (along ? 0 : column);
    if (along)
        isa->sum_along(sums, step, v, ld, rows, columns);
    else if (end->over[inner - 1])
        isa->sum_down(sums, v, ld, rows, columns);
    else
        for (int64_t i = 0; i < rows; i++)
            isa->sum_down(sums + i * step, v + i * ld, ld, 1, columns);
}

static void bring_block(const frame *f, int k, int64_t row, int64_t column, int64_t rows, int64_t columns)
{
    const cpu_tape_input *in = &f->p->in[k];
    const int inner = f->p->rank - 1;
    for (int64_t i = 0; i < (in->down ? rows : 1); i++) {
        const int64_t at = (row + i) * in->stride[inner - 1] + column * in->stride[inner];
        bring_row(f, k, f->in[k] + at * (int64_t)size_of(in->bytes), false, in->along ? columns : 1,
                  f->at[k] + i * f->ld[k]);
    }
}

static void run_block(frame *f, int64_t row, int64_t column, int64_t rows, int64_t columns)
{
    const cpu_program *p = f->p;
    const int inner = p->rank - 1;
    for (const move *m = f->move; m < f->move + f->nmove; m++)
        f->at[m->place] = (float *)(void *)(m->from + row * m->down + column * m->along);
    for (int i = 0; i < f->nbrought; i++)
        bring_block(f, f->brought[i], row, column, rows, columns);
    run_steps(f, p->fixed, p->nstep, rows, columns);
    for (int e = 0; e < p->nend; e++) {
        const cpu_tape_end *end = &p->end[e];
        if (end->sum)
            sum_block(f, end, e, row, column, rows, columns);
        for (int64_t i = 0; end->bytes && i < rows; i++)
            p->isa->to_bytes((unsigned char *)f->out[e] + (row + i) * p->dim[inner] + column,
                             f->at[end->place] + i * f->ld[end->place], columns);
    }
}

/* What moves from block to block. */
static void find_moves(frame *f)
{
    const cpu_program *p = f->p;
    const int inner = p->rank - 1;
    f->nmove = f->nbrought = 0;
    if (p->product)
        f->move[f->nmove++] = (move){(char *)f->b->tile, f->b->tile_ld * (int64_t)sizeof(float), sizeof(float), 0};
    for (int k = p->product; k < p->nin; k++) {
        const cpu_tape_input *in = &p->in[k];
        if (in->brought && !in->once)
            f->brought[f->nbrought++] = k;
        else if (!in->brought && (in->down || in->along))
            f->move[f->nmove++] = (move){(char *)f->in[k], in->stride[inner - 1] * (int64_t)sizeof(float),
                                         in->stride[inner] * (int64_t)sizeof(float), k};
    }
    for (int e = 0; e < p->nend; e++)
        if (!p->end[e].sum && !p->end[e].bytes)
            f->move[f->nmove++] =
                (move){f->out[e], p->dim[inner] * (int64_t)sizeof(float), sizeof(float), p->nin + p->ntemp + e};
}

static void run_plane(frame *f)
{
    const cpu_program *p = f->p;
    const int64_t rows = f->b->ext[p->rank - 2], columns = f->b->ext[p->rank - 1];
    find_moves(f);
    for (int64_t r = 0; r < rows; r += f->height)
        for (int64_t c = 0; c < columns; c += f->width)
            run_block(f, r, c, cpu_least(f->height, rows - r), cpu_least(f->width, columns - c));
}

/* ---- packed blocks */

/* The coordinates of row number `row` of the plane along the axes flat .. rank-2. */
static void find_row(const frame *f, int64_t row, int64_t at[CPU_LOOP_RANK])
{
    for (int d = f->p->rank - 2; d >= f->p->flat; d--) {
        at[d] = row % f->b->ext[d];
        row /= f->b->ext[d];
    }
}

static int64_t offset_of(const frame *f, const int64_t at[CPU_LOOP_RANK], const int64_t unit[CPU_LOOP_RANK])
{
    int64_t offset = 0;
    for (int d = f->p->flat; d < f->p->rank - 1; d++)
        offset += at[d] * unit[d];
    return offset;
}

static void next_row(const frame *f, int64_t at[CPU_LOOP_RANK])
{
    for (int d = f->p->rank - 2; d >= f->p->flat && ++at[d] == f->b->ext[d]; d--)
        at[d] = 0;
}

static void bring_rows(const frame *f, int k, int64_t row, int64_t rows)
{
    const cpu_tape_input *in = &f->p->in[k];
    const int inner = f->p->rank - 1;
    const int64_t columns = f->p->dim[inner];
    int64_t at[CPU_LOOP_RANK];
    find_row(f, row, at);
    for (int64_t i = 0; i < rows; i++, next_row(f, at))
        bring_row(f, k, f->in[k] + offset_of(f, at, in->stride) * (int64_t)size_of(in->bytes), in->stride[inner] == 0,
                  columns, f->at[k] + i * columns);
}

static void sum_packed(const frame *f, const cpu_tape_end *end, int e, int64_t row, int64_t rows)
{
    const cpu_tape_table *isa = f->p->isa;
    const int inner = f->p->rank - 1;
    const int64_t columns = f->p->dim[inner];
    const float *v = f->at[end->place];
    int64_t at[CPU_LOOP_RANK];
    if (end->lanes) {
        isa->sum_down(f->sums[e], v, 0, 1, rows * columns);
        return;
    }
    find_row(f, row, at);
    for (int64_t i = 0; i < rows; i++, v += columns, next_row(f, at)) {
        float *sums = f->sums[e] + offset_of(f, at, f->unit[e]), sixteen[CPU_GRAIN] = {0}, one;
        if (end->over[inner]) {
            isa->sum_along(sixteen, 0, v, 0, 1, columns);
            isa->total(&one, 1, sixteen, CPU_GRAIN);
            *sums += one;
        } else {
            isa->sum_down(sums, v, 0, 1, columns);
        }
    }
}

static void run_packed_plane(frame *f)
{
    const cpu_program *p = f->p;
    const int first_out = p->nin + p->ntemp;
    const int64_t columns = p->dim[p->rank - 1];
    int64_t all = 1;
    for (int d = p->flat; d < p->rank - 1; d++)
        all *= f->b->ext[d];
    for (int64_t row = 0; row < all; row += f->height) {
        const int64_t rows = cpu_least(f->height, all - row);
        for (int k = 0; k < p->nin; k++) {
            if (!p->in[k].brought && p->in[k].along)
                f->at[k] = (float *)(void *)f->in[k] + row * columns;
            else if (p->in[k].brought && (!p->in[k].once || row == 0))
                bring_rows(f, k, row, rows);
        }
        for (int e = 0; e < p->nend; e++)
            f->at[first_out + e] = (float *)(void *)f->out[e] + row * columns;
        run_steps(f, p->fixed, p->nstep, 1, rows * columns);
        for (int e = 0; e < p->nend; e++) {
            const cpu_tape_end *end = &p->end[e];
            if (end->sum)
                sum_packed(f, end, e, row, rows);
            else if (end->bytes)
                p->isa->to_bytes((unsigned char *)f->out[e] + row * columns, f->at[end->place], rows * columns);
        }
    }
}

/* ---- boxes */

/* Where a plane's numbers begin, and what is the same for all of its blocks. */
static void enter_plane(frame *f)
{
    const cpu_program *p = f->p;
    const int inner = p->rank - 1;
    int64_t out = 0;
    for (int d = 0; d < p->rank; d++)
        out = out * p->dim[d] + f->b->from[d] + (d < p->flat ? f->plane[d] : 0);
    for (int e = 0; e < p->nend; e++) {
        const cpu_tape_end *end = &p->end[e];
        f->out[e] = (char *)f->c->out[e].data + (end->sum ? 0 : out * (int64_t)size_of(end->bytes));
        f->at[p->nin + p->ntemp + e] = (float *)(void *)f->out[e];
        f->sums[e] = (float *)(void *)(f->local + end->sums);
        for (int d = 0; end->sum && d < p->flat; d++)
            f->sums[e] += f->plane[d] * f->unit[e][d];
    }
    f->at[0] = f->b->tile; /* of a product */
    for (int k = p->product; k < p->nin; k++) {
        const cpu_tape_input *in = &p->in[k];
        int64_t at = 0;
        for (int d = 0; d < p->rank; d++)
            at += (f->b->from[d] + (d < p->flat ? f->plane[d] : 0)) * in->stride[d];
        f->in[k] = (const char *)f->c->in[in->input].data + at * (int64_t)size_of(in->bytes);
        f->at[k] = in->brought ? block_of(f, p->ntemp + k) : (float *)(void *)f->in[k];
        if (in->brought && in->once && in->stride[inner] == 0)
            bring_row(f, k, f->in[k], false, 1, f->at[k]);
    }
    run_steps(f, 0, p->fixed, 1, 1);
}

/* Distances from row to row, and how the box's sums lie: what is kept, and, of what is summed along, sixteen lanes. */
static void enter_box(frame *f)
{
    const cpu_program *p = f->p;
    const int inner = p->rank - 1;
    f->height = p->packed ? p->block / p->dim[inner] : 1;
    f->width = f->b->ext[inner];
    if (p->whole) {
        f->height = f->b->ext[inner - 1];
    } else if (!p->packed) {
        const int64_t pieces = cpu_ceil_div(f->width, p->width), rows = f->b->ext[inner - 1];
        if (pieces > 1)
            f->width = (cpu_ceil_div(f->width, pieces) + 15) & ~(int64_t)15;
        const int64_t most = f->width < p->block ? p->block / f->width : 1;
        f->height = cpu_ceil_div(rows, cpu_ceil_div(rows, most));
    }
    for (int k = 0; k < p->nin; k++)
        f->ld[k] = p->packed           ? 0
                   : !p->in[k].brought ? p->in[k].stride[inner - 1]
                   : !p->in[k].down    ? 0
                   : p->in[k].along    ? f->width
                                       : 1;
    if (p->product)
        f->ld[0] = f->b->tile_ld;
    for (int i = 0; i < p->ntemp; i++) {
        f->at[p->nin + i] = block_of(f, i);
        f->ld[p->nin + i] = !p->down[i] ? 0 : p->along[i] ? f->width : 1;
    }
    for (int e = 0; e < p->nend; e++) {
        const cpu_tape_end *end = &p->end[e];
        f->ld[p->nin + p->ntemp + e] = p->dim[inner];
        if (!end->sum)
            continue;
        int64_t unit = end->lanes                        ? p->block
                       : p->product || !end->over[inner] ? f->b->ext[inner]
                       : p->packed                       ? 1
                                                         : CPU_GRAIN;
        for (int d = inner - 1; d >= 0; d--) {
            const bool kept = !end->over[d] && !(end->lanes && d >= p->flat);
            f->unit[e][d] = kept ? unit : 0;
            unit *= kept ? f->b->ext[d] : 1;
        }
        memset(f->local + end->sums, 0, (size_t)unit * sizeof(float));
    }
}

/* The sums of one row of the box, from lanes to what is kept, go to their places. */
static void leave_row(const frame *f, int e, float *sums, float *to)
{
    const cpu_program *p = f->p;
    const cpu_tape_end *end = &p->end[e];
    const int inner = p->rank - 1;
    const int64_t columns = f->b->ext[inner];
    float sixteen[CPU_GRAIN] = {0};
    if (p->product && end->over[inner]) {
        p->isa->total(to, end->kept, sums, columns);
    } else if (end->over[inner] && p->packed && !end->lanes) {
        *to = *sums;
    } else if (end->over[inner]) {
        p->isa->sum_along(sixteen, 0, sums, 0, 1, end->lanes ? p->block : CPU_GRAIN);
        p->isa->total(to, 1, sixteen, CPU_GRAIN);
    } else if (end->lanes) {
        memset(to, 0, (size_t)columns * sizeof *to);
        p->isa->sum_down(to, sums, columns, f->height, columns);
    } else {
        memcpy(to, sums, (size_t)columns * sizeof *to);
    }
}

/* Which part of the sum the box is. */
static int64_t part_of(const frame *f, const cpu_tape_end *end)
{
    const cpu_program *p = f->p;
    int64_t part = 0;
    for (int d = 0; d < p->rank; d++)
        if (end->over[d])
            part = p->product ? part * cpu_ceil_div(p->dim[d], CPU_GRAIN) + f->b->from[d] / CPU_GRAIN
                              : part * p->cuts[d] + f->b->from[d] / p->ext[d];
    return part;
}

static void leave_box(const frame *f)
{
    const cpu_program *p = f->p;
    const int inner = p->rank - 1;
    for (int e = 0; e < p->nend; e++) {
        const cpu_tape_end *end = &p->end[e];
        if (!end->sum)
            continue;
        int64_t at[CPU_LOOP_RANK] = {0};
        float *sums = (float *)(void *)(f->local + end->sums), *to = f->c->out[e].data;
        if (end->cuts > 1)
            to = (float *)(void *)(f->partial + end->partial) + part_of(f, end) * end->kept;
        for (int d = 0; d < p->rank; d++)
            to += f->b->from[d] * end->unit[d];
        for (int d = 0; d >= 0;) {
            int64_t from = 0, offset = 0;
            for (int i = 0; i < inner; i++) {
                from += at[i] * f->unit[e][i];
                offset += at[i] * end->unit[i];
            }
            leave_row(f, e, sums + from, to + offset);
            for (d = inner - 1; d >= 0 && (end->over[d] || ++at[d] == f->b->ext[d]); d--)
                at[d] = 0;
        }
    }
}

static void run_box(frame *f)
{
    const cpu_program *p = f->p;
    enter_box(f);
    memset(f->plane, 0, sizeof f->plane);
    for (int d = 0; d >= 0;) {
        enter_plane(f);
        if (p->packed)
            run_packed_plane(f);
        else
            run_plane(f);
        for (d = p->flat - 1; d >= 0 && ++f->plane[d] == f->b->ext[d]; d--)
            f->plane[d] = 0;
    }
    leave_box(f);
}

int64_t cpu_program_tiles(const cpu_program *p)
{
    int64_t tiles = 1;
    for (int d = 0; d < p->rank; d++)
        tiles *= p->cuts[d];
    return tiles;
}

void cpu_program_run(const cpu_program *p, const nilu_call *c, int64_t begin, int64_t end, char *partial, void *local)
{
    box b;
    frame f = {.p = p, .c = c, .b = &b, .partial = partial, .local = local};
    const int64_t together = p->line < 0 ? 1 : end - begin;
    for (int64_t t = begin; t < end; t += together) {
        int64_t rest = t;
        for (int d = p->rank - 1; d >= 0; rest /= p->cuts[d--]) {
            b.from[d] = rest % p->cuts[d] * p->ext[d];
            b.ext[d] = cpu_least(d == p->line ? p->ext[d] * together : p->ext[d], p->dim[d] - b.from[d]);
        }
        run_box(&f);
    }
}

cpu_part cpu_program_part(const cpu_program *p, int64_t tile)
{
    int outer = 0;
    while (outer + 1 < p->rank && p->dim[outer] == 1)
        outer++;
    for (int d = p->rank - 1; d > outer; d--)
        tile /= p->cuts[d];
    const int64_t from = tile * p->ext[outer];
    return (cpu_part){.from = from, .to = cpu_least(from + p->ext[outer], p->dim[outer]), .of = p->dim[outer]};
}

/* ---- a product's tile, and what is left to be done when all tiles have run */

/* Is the sum finished when a tile has run? A product's tile may take all rows, or all columns. */
static bool finished(const cpu_program *p, int e, bool all_rows, bool all_columns)
{
    const cpu_tape_end *end = &p->end[e];
    return !end->sum || end->cuts == 1 || (p->product && (all_rows || !end->over[0]) && (all_columns || !end->over[1]));
}

/* Adds up the parts of numbers from .. from+n-1 of output e. */
static void fold(const cpu_program *p, const nilu_call *c, int e, const char *partial, int64_t from, int64_t n)
{
    const cpu_tape_end *end = &p->end[e];
    const float *v = (const float *)(const void *)(partial + end->partial);
    float sixteen[CPU_GRAIN], *to = c->out[e].data;
    if (end->kept > 1) {
        p->isa->fold(to + from, v + from, end->kept, end->cuts, n);
        return;
    }
    p->isa->fold(sixteen, v, CPU_GRAIN, end->cuts / CPU_GRAIN, CPU_GRAIN);
    p->isa->sum_down(sixteen, v + end->cuts / CPU_GRAIN * CPU_GRAIN, 0, 1, end->cuts % CPU_GRAIN);
    p->isa->total(to, 1, sixteen, CPU_GRAIN);
}

void cpu_program_rect(const cpu_program *p, const nilu_call *c, const cpu_rect *r, char *partial, void *local)
{
    box b;
    frame f = {.p = p, .c = c, .b = &b, .partial = partial, .local = local};
    int64_t rows = r->r1 - r->r0, columns = r->c1 - r->c0;
    const bool all_rows = rows == p->dim[0], all_columns = columns == p->dim[1];
    for (int e = 0; e < p->nend; e++)
        if (p->end[e].sum) {
            rows = CPU_GRAIN;
            columns = CPU_BLOCK;
        }
    for (int64_t row = r->r0; row < r->r1; row += rows)
        for (int64_t column = r->c0; column < r->c1; column += columns) {
            b = (box){.from = {row, column}, .ext = {cpu_least(rows, r->r1 - row), cpu_least(columns, r->c1 - column)}};
            b.tile = r->tile + (row - r->r0) * r->ld + column - r->c0;
            b.tile_ld = r->ld;
            run_box(&f);
        }
    for (int e = 0; e < p->nend; e++) {
        const cpu_tape_end *end = &p->end[e];
        if (end->cuts > 1 && finished(p, e, all_rows, all_columns))
            fold(p, c, e, partial,
                 !end->over[0]   ? r->r0
                 : !end->over[1] ? r->c0
                                 : 0,
                 !end->over[0]   ? r->r1 - r->r0
                 : !end->over[1] ? r->c1 - r->c0
                                 : 1);
    }
}

#define PIECE 256 /* numbers that are finished at once */

int64_t cpu_program_folds(const cpu_program *p, int64_t down, int64_t across)
{
    int64_t n = 0;
    for (int e = 0; e < p->nend; e++)
        if (!finished(p, e, down == 1, across == 1))
            n += cpu_ceil_div(p->end[e].kept, PIECE);
    return n;
}

void cpu_program_fold(const cpu_program *p, const nilu_call *c, int64_t down, int64_t across, const char *partial,
                      int64_t begin, int64_t end)
{
    int64_t piece = 0;
    for (int e = 0; e < p->nend; e++)
        for (int64_t from = 0; !finished(p, e, down == 1, across == 1) && from < p->end[e].kept; from += PIECE, piece++)
            if (piece >= begin && piece < end)
                fold(p, c, e, partial, from, cpu_least(PIECE, p->end[e].kept - from));
}
