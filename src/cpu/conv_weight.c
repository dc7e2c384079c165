/* The gradient of a convolution's weights, on the blocks of gemm. Pictures are turned round, so that the channels of a place lie side
 * by side, in a copy in the thread's own cache that has the zeros around them:
 *     copy    [rows, columns, channels]: what lies under the places of a kernel's row, one after the other, is one piece of it
 *     w [filters, (kernel's row) · channels] = y [filters, places] · the copy, seen from the first place of each kernel
 * y is read as it lies. Where channels are so few that a row of the kernel has hardly a vector's worth, a place holds what all rows
 * of the kernel see there: [rows of y, columns, kernel's rows · channels].
 * A tile is a part of the samples, a group and some channels; parts are added up in their order. In each, sums go by samples and
 * places in ascending order.
 * Where operands are rounded to bf16, the copy is so, sample by sample, and y's part is copied for it, of some filters at a time.
 * What the blocks of such products take as one number's two steps are the same places of two samples. */
#include "cpu/cpu.h"

#include <string.h>

#define NEAR (192 << 10)        /* bytes of the copy, in the second-level cache beside y's part and the result's */
#define LONG 256                /* places that a block should add up before its sums go back to memory */
#define VECTORS 24              /* numbers beside each other, from which on one row of the kernel is enough */
#define MOST_PARTS 16           /* of the sum over samples */
#define PARTS_BYTES (16 << 20)  /* that parts may take */
#define ROUNDED (64 << 10)      /* bytes of y's part, rounded */
#define FEW 8                   /* filters of it, at least: a block's rows */

typedef struct weight {
    ops_slide_plan p;
    const cpu_gemm_table *isa;
    cpu_form form;
    int64_t size, per;          /* of an element; samples in one */
    int64_t slice;              /* filters that are multiplied together */
    int64_t each, many, area;   /* channels and filters of a group; places of the kernel */
    int64_t parts, chunks, chunk;
    bool joined;                /* places of a kernel's row lie side by side */
    int64_t stack;              /* rows of the kernel that a place of the copy holds */
    bool by_result;             /* the copy's rows are y's */
    int64_t wide, rows, high;   /* of the copy: columns; rows for `high` rows of y */
    int64_t together;           /* samples of a copy */
    int strip;
    size_t copy_at, rounded_at; /* in `local`, behind the hops from row to row of y, [together, high] */
} weight;

/* How many channels, samples and rows a copy has. */
CPU_COLD static void cut(weight *v)
{
    const ops_slide_plan *p = &v->p;
    const int64_t places = p->out[0] * p->out[1], reach = (p->kernel[0] - 1) * p->dilation[0] + 1;
    v->joined = p->dilation[1] == 1;
    v->stack = v->joined && v->each * p->kernel[1] < VECTORS ? p->kernel[0] : 1;
    v->by_result = v->stack > 1 || p->kernel[0] == 1;
    v->wide = (p->out[1] - 1) * p->stride[1] + (p->kernel[1] - 1) * p->dilation[1] + 1;
    v->high = p->out[0];
    v->rows = v->by_result ? v->high : (v->high - 1) * p->stride[0] + reach;
    const int64_t row = v->wide * v->stack * v->size, enough = places < LONG ? cpu_ceil_div(LONG, places) : 1;
    const int64_t least = v->form == CPU_ROUNDED && p->samples > 1 ? 2 : 1; /* samples of a copy: what a number may hold */
    int64_t samples = enough < p->samples ? enough : p->samples;
    samples = samples < least ? least : samples;
    int64_t chunk = NEAR / (row * v->rows * samples) / 16 * 16;
    chunk = chunk < 16 ? 16 : chunk;
    v->chunks = cpu_ceil_div(v->each, chunk);
    v->chunk = cpu_least(cpu_round_up(cpu_ceil_div(v->each, v->chunks), 16), v->each);
    v->chunks = cpu_ceil_div(v->each, v->chunk);
    const int64_t most = NEAR / (row * v->chunk); /* rows of the copy */
    v->together = cpu_least(most / v->rows, cpu_least(4 * enough, p->samples)) / least * least;
    if (v->together < least) { /* some rows of a sample at a time */
        v->together = least;
        v->high = v->by_result ? most / least : (most / least - reach) / p->stride[0] + 1;
        v->high = v->high < 1 ? 1 : cpu_least(v->high, p->out[0]);
        v->rows = v->by_result ? v->high : (v->high - 1) * p->stride[0] + reach;
    }
    v->slice = v->many;
    if (v->form == CPU_ROUNDED) {
        v->slice = ROUNDED / (v->together * v->high * p->out[1] * v->size + 1);
        v->slice = cpu_ceil_div(v->many, cpu_ceil_div(v->many, v->slice < FEW ? FEW : v->slice));
    }
}

/* Vectors of a block: the most numbers for its time, of so many rows and columns. */
CPU_COLD static int strip_for(const weight *v, int64_t rows, int64_t columns)
{
    int best = 1;
    double least = 0;
    for (int strip = 1; strip <= 4; strip++) {
        if (!v->isa->most[strip])
            continue;
        const int64_t blocks = cpu_ceil_div(rows, v->isa->most[strip]), vectors = cpu_ceil_div(columns, v->isa->lanes[v->form]);
        const double high = (double)rows / (double)blocks;
        double cost = 0; /* of a step of k: sums under way, 8 at least, and loads */
        for (int64_t left = vectors; left > 0; left -= strip) {
            const double across = (double)cpu_least(left, strip), busy = high * across, loads = high + across + 1;
            cost += (double)blocks * (busy > loads ? busy > 8 ? busy : 8 : loads > 8 ? loads : 8);
        }
        if (least == 0 || cost < least)
            best = strip, least = cost;
    }
    return best;
}

CPU_COLD static nilu_status prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    weight draft = {.p = ops_conv_plan(n->attr, n->in[0]->shape, n->out[0].shape, n->in[1]->shape), .isa = isa->gemm, .per = 1};
    const ops_slide_plan *p = &draft.p;
    draft.form = n->in[0]->dtype == NILU_F64 ? CPU_F64 : CPU_F32;
    if (cpu_rounds(n)) {
        draft.form = CPU_ROUNDED;
        draft.isa = isa->gemm_bf16;
        draft.per = draft.isa->per;
    }
    draft.size = draft.form == CPU_F64 ? 8 : 4;
    draft.each = p->channels / p->groups;
    draft.many = p->filters / p->groups;
    draft.area = p->kernel[0] * p->kernel[1];
    *job = (cpu_job){.phases = 2};
    const int64_t all = p->filters * draft.each * draft.area;
    if (all)
        cut(&draft);
    weight *v = base_alloc(nl, sizeof *v);
    if (!v)
        return NILU_E_NO_MEMORY;
    *v = draft;
    job->plan = v;
    if (!all)
        return NILU_OK;
    const int64_t place = v->stack * v->chunk;
    v->strip = strip_for(v, v->many, v->chunk * v->stack * (v->joined ? p->kernel[1] : 1));
    v->parts = cpu_least(cpu_least(MOST_PARTS, PARTS_BYTES / (all * v->size) + 1), p->samples);
    job->tiles[0] = v->parts * p->groups * v->chunks;
    job->tiles[1] = p->filters;
    job->scratch = (size_t)(v->parts * all * v->size);
    v->copy_at = ((size_t)(v->together * v->high) * sizeof(cpu_hop) + 63) & ~(size_t)63;
    v->rounded_at = v->copy_at + (size_t)((v->together * v->rows * v->wide * place + 64) * v->size);
    job->local = v->rounded_at + (v->form == CPU_ROUNDED ? (size_t)(cpu_ceil_div(v->together, v->per) * v->slice * v->high * p->out[1] * v->size) : 0);
    if (job->local < (size_t)(v->each * v->area * v->size))
        job->local = (size_t)(v->each * v->area * v->size);
    return NILU_OK;
}

/* Of `channels` channels of one sample, what `high` rows of y from `top` on see. */
static void copy_sample(const weight *v, const cpu_gemm_table *isa, const char *x, int64_t channels, int64_t top, int64_t high, char *to)
{
    const ops_slide_plan *p = &v->p;
    const int64_t plane = p->in[0] * p->in[1], place = v->stack * channels * v->size;
    const int64_t rows = v->by_result ? high : (high - 1) * p->stride[0] + (p->kernel[0] - 1) * p->dilation[0] + 1;
    const int64_t first = p->padding[1], n = cpu_least(p->in[1], v->wide - first);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t s = 0; s < v->stack; s++) {
            const int64_t y = (v->by_result ? (top + r) * p->stride[0] + s * p->dilation[0] : top * p->stride[0] + r) - p->padding[0];
            char *row = to + r * v->wide * place + s * channels * v->size;
            const int64_t inside = y >= 0 && y < p->in[0] && n > 0 ? n : 0, after = v->wide - first - inside;
            if (v->stack == 1) {
                memset(row, 0, (size_t)((inside ? first : v->wide) * place));
                if (inside && after > 0)
                    memset(row + (first + inside) * place, 0, (size_t)(after * place));
            } else {
                for (int64_t i = 0; i < v->wide; i++)
                    if (i < first || i >= first + inside)
                        memset(row + i * place, 0, (size_t)(channels * v->size));
            }
            if (inside)
                isa->flip[v->form == CPU_F64](channels, inside, x + y * p->in[1] * v->size, plane, row + first * place, v->stack * channels);
        }
}

/* One or two samples' numbers, `far` apart, are rounded; z may be x. */
static void round_samples(const weight *v, int64_t samples, int64_t n, const char *x, int64_t far, char *z)
{
    v->isa->round_columns(n, samples, x, NILU_F32, far, z, n);
}

/* y's part of filters f .. f+slice-1: [samples / per, slice, n]. */
static void round_errors(const weight *v, int64_t samples, int64_t filters, int64_t n, const char *y, char *z)
{
    const int64_t places = v->p.out[0] * v->p.out[1], sample = v->p.filters * places;
    for (int64_t s = 0; s < samples; s += v->per, y += v->per * sample * v->size, z += v->slice * n * v->size)
        for (int64_t f = 0; f < filters; f++)
            round_samples(v, cpu_least(v->per, samples - s), n, y + f * places * v->size, sample, z + f * n * v->size);
}

static void tile(const weight *v, const nilu_call *c, int64_t t, char *local)
{
    const ops_slide_plan *p = &v->p;
    const int64_t chunk = t % v->chunks, group = t / v->chunks % p->groups, part = t / v->chunks / p->groups;
    const int64_t c0 = chunk * v->chunk, channels = cpu_least(v->chunk, v->each - c0), plane = p->in[0] * p->in[1], places = p->out[0] * p->out[1];
    const int64_t begin = part * p->samples / v->parts, end = (part + 1) * p->samples / v->parts;
    const int64_t place = v->stack * channels, row = v->wide * place, down = v->by_result ? row : row * p->stride[0];
    const int64_t downs = v->stack > 1 ? 1 : p->kernel[0], acrosses = v->joined ? 1 : p->kernel[1];
    char *to = (char *)c->scratch + ((part * p->groups + group) * v->each + c0) * v->area * v->many * v->size;
    cpu_hop *hop = (cpu_hop *)(void *)local;
    char *copy = local + v->copy_at;
    cpu_product g = {.columns = place * (v->joined ? p->kernel[1] : 1), .k = p->out[1], .p_step = 1, .q_step = p->stride[1] * place,
                     .q_strip = (int64_t)v->strip * v->isa->lanes[v->form], .c_row = channels * v->area, .strip = v->strip, .near = true, .hop = hop};
    for (int64_t n = begin; n < end; n += v->together)
        for (int64_t top = 0; top < p->out[0]; top += v->high) {
            const int64_t some = cpu_least(v->together, end - n), high = cpu_least(v->high, p->out[0] - top), sheet = v->rows * row;
            const char *y = (const char *)c->in[1].data + ((n * p->filters + group * v->many) * places + top * p->out[1]) * v->size;
            for (int64_t s = 0; s < some; s++) {
                const int64_t whole = s / v->per * v->per;
                copy_sample(v, c->isa->gemm, (const char *)c->in[0].data + ((n + s) * p->channels + group * v->each + c0) * plane * v->size, channels,
                            top, high, copy + s * sheet * v->size);
                if (v->form == CPU_ROUNDED && (s + 1 == some || s + 1 == whole + v->per))
                    round_samples(v, s + 1 - whole, sheet, copy + whole * sheet * v->size, sheet, copy + whole / v->per * sheet * v->size);
            }
            g.p_row = v->form == CPU_ROUNDED ? high * p->out[1] : places;
            g.hops = cpu_ceil_div(some, v->per) * high - 1;
            for (int64_t i = 0; i <= g.hops; i++) {
                const bool last = i % high == high - 1;
                hop[i] = (cpu_hop){last ? ((v->form == CPU_ROUNDED ? v->slice : p->filters) - 1) * g.p_row : 0, down - p->out[1] * g.q_step};
                if (last)
                    hop[i].q += sheet - high * down;
            }
            for (int64_t f = 0; f < v->many; f += v->slice) {
                const char *from = y + f * places * v->size;
                g.rows = cpu_least(v->slice, v->many - f);
                if (v->form == CPU_ROUNDED) {
                    round_errors(v, some, g.rows, g.p_row, from, local + v->rounded_at);
                    from = local + v->rounded_at;
                }
                for (int64_t a = 0; a < downs; a++)
                    for (int64_t b = 0; b < acrosses; b++)
                        v->isa->multiply[v->form](&g, from, copy + (a * p->dilation[0] * row + b * p->dilation[1] * place) * v->size,
                                                  to + (f * g.c_row + (a * p->kernel[1] + b) * channels) * v->size);
            }
            g.more = true;
        }
}

#define ADD(real)                                                                                                                                \
    for (int64_t i = 0; i < n; i++)                                                                                                              \
        ((real *)to)[i] += ((const real *)from)[i];

static void add(cpu_form form, void *to, const void *from, int64_t n)
{
    if (form == CPU_F64) {
        ADD(double)
    } else {
        ADD(float)
    }
}

/* Filter o's taps, from all parts in their order. */
static void add_parts(const weight *v, const nilu_call *c, int64_t o, void *local)
{
    const int64_t taps = v->each * v->area, group = o / v->many, across = v->p.kernel[1];
    void *to = (char *)c->out[0].data + o * taps * v->size;
    for (int64_t c0 = 0; c0 < v->each; c0 += v->chunk) {
        const int64_t channels = cpu_least(v->chunk, v->each - c0), n = channels * v->area;
        memset(local, 0, (size_t)(n * v->size)); /* of no samples */
        for (int64_t part = 0; part < v->parts; part++)
            add(v->form, local,
                (const char *)c->scratch + (((part * v->p.groups + group) * v->each + c0) * v->area * v->many + o % v->many * n) * v->size, n);
        for (int64_t t = 0; t < v->area; t++) {
            const int64_t at = (v->stack > 1 ? t % across * v->stack + t / across : t) * channels;
            for (int64_t i = 0; i < channels; i++) {
                const int64_t z = c0 * v->area + i * v->area + t;
                if (v->form == CPU_F64)
                    ((double *)to)[z] = ((const double *)local)[at + i];
                else
                    ((float *)to)[z] = ((const float *)local)[at + i];
            }
        }
    }
}

static nilu_status run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    for (int64_t t = begin; t < end; t++) {
        if (phase == 0)
            tile(c->plan, c, t, local);
        else
            add_parts(c->plan, c, t, local);
    }
    return NILU_OK;
}

const cpu_kernel cpu_kernel_conv_weight = {"conv_weight", "conv_weight", cpu_accepts_wide, prepare, run};
