/* Convolutions forward and back to the pictures, on the blocks of gemm: a tile is a product whose one operand is a panel of
 * pictures that was laid out in the thread's own cache. Nothing of its kind ever lies in memory.
 *     panel    [taps, places]: row (channel, place of the kernel) holds what lies under it, for some places of the window
 *     conv            y [filters, places] = w [filters, taps] · panel of x
 *     conv_transpose  x [channels, places] = wᵀ [channels, taps] · panel of y. Places are taken by what is left of them when
 *                     divided by the stride: those of one kind lie under the same places of the kernel, so nothing is
 *                     multiplied that a stride leaves out
 * Where filters are few, to lay out a panel takes longer than to multiply it. Then the pictures are copied once, with the zeros
 * around them, and read at every tap's distance from the copy's beginning; at a stride of two, those of even and of odd rows and
 * columns are pictures of their own; what lies between the end of one row and the
 * beginning of the next is computed as well, and not looked at.
 * Places are counted on from sample to sample, so that a tile of small pictures takes several. A tile that lies within one
 * sample, where all places are of one kind, is computed where the result lies; others are put there from a buffer. Where there are
 * many taps, the panel has those of a few channels at a time, and the tile goes on from what it holds. Sums go by channels and
 * taps in ascending order, whatever the tiles are; those of copies by taps and channels.
 * Where operands are rounded to bf16, panels and copies are so where they were laid, before they leave the nearest cache, and
 * become what the blocks of such products take: two steps of the sum, taps or channels, may stand in one number's place. */
#include "cpu/cpu.h"

#include <string.h>

#define NEAR (160 << 10)   /* bytes of a panel, and of a tile: the rest of a second-level cache is left for the weights */
#define DEPTH 320          /* taps of a panel, about */
#define UNIT 48            /* places: whole blocks on every instruction set */
#define MOST_COLUMNS 960
#define MOST_COPIED 64     /* channels of a copy */
#define FEW_STEPS 64       /* of a sum: a block has hardly begun when it ends */
#define MOST_PHASES 4      /* pictures of a copy, into which the source is sorted by a stride */
#define FEW_TILES 16       /* more are not made smaller for the sake of threads */

typedef struct kind { /* places of the result that lie under the same places of the kernel */
    int64_t from[2], size[2]; /* the first; how many, `step` apart */
    int64_t places, tiles;    /* of a sample; of all samples, or, where they are copied, of one */
    int64_t first, taps;      /* in `tap` */
    size_t weights;           /* where its [groups, rows, channels, taps] (or taps, channels) are, in elements */
    /* Of a copy: the distance of its rows, and of its channels; where column 0 is; the source's row of its first row, before
     * that of the place; rows of places of a tile, and tiles of a sample. */
    int64_t pitch, far, left, up, rows, cuts;
    int phases, phase[MOST_PHASES][2]; /* those that are read, one after the other in each channel, `sheet` apart */
    int64_t sheet, reach;              /* reach: rows of a phase beyond those of places */
} kind;

typedef struct tap { /* a place of the kernel: where it lies in the source of the place (0, 0) */
    int64_t at, shift[2];
    int64_t near[2]; /* of copies: where in its phase, shift = near · step + phase */
    int phase[2];
} tap;

typedef struct conv {
    ops_slide_plan p;
    const cpu_gemm_table *isa;
    cpu_lay_fn lay;                     /* of floats, where products have none */
    cpu_form form;
    int64_t size, per;                  /* of an element; steps of the sum in one */
    bool back, bare, copied, turned;    /* conv_transpose; the source is its own panel; it is copied, without a panel; weights are */
    bool whole;                         /* of copies: a row of places is whole blocks, which are computed where the result lies */
    bool by_block;                      /* of copies: one block of rows after the other, whose weights lie beside each other */
    int64_t rows, inner;                /* of a group: channels of the result, and of the source */
    int64_t source[2], result[2], step[2], spread[2]; /* step: in the source, from place to place; spread: in the result */
    int64_t area, kinds;
    int64_t columns, ld, chunk, parts;  /* places of a tile; from row to row of a panel; channels of a panel; parts of the rows */
    int64_t all;                        /* tiles of one group and part; of copies, and of one sample */
    int strip;
    size_t product_at, pieces_at;       /* in `local`, behind the panel */
    kind *kind;
    cpu_hop *hop;                       /* of copies: from each tap to the next */
    tap tap[];
} conv;

/* ---- the panel */

/* Some rows of places of a panel's row: where they come from in the first channel, and go to; zeros before the numbers that are
 * inside of the picture, and behind them. */
typedef struct piece {
    int64_t rows, from, to, before, inside, wide;
} piece;

static int64_t most_pieces(int64_t taps, int64_t places, int64_t columns)
{
    return places ? taps * (3 * (columns / places + 2) + 2) : 0;
}

/* The pieces of a tap's row, for the places first .. last-1 of a kind. Rows of places that are whole are laid out together. */
static piece *find_pieces(const conv *v, const kind *k, const tap *t, int64_t first, int64_t last, int64_t to, piece *z)
{
    const int64_t plane = v->source[0] * v->source[1], sample = (v->back ? v->p.filters : v->p.channels) * plane, step = v->step[1];
    const int64_t width = k->size[1], room = v->source[1] - t->shift[1], under = v->source[0] - t->shift[0];
    /* columns that are in the picture: low .. high-1; rows: top .. bottom-1 */
    const int64_t low = cpu_least(t->shift[1] < 0 ? cpu_ceil_div(-t->shift[1], step) : 0, width), high = room <= 0 ? 0 : cpu_least(cpu_ceil_div(room, step), width);
    const int64_t top = t->shift[0] < 0 ? cpu_ceil_div(-t->shift[0], v->step[0]) : 0, bottom = under <= 0 ? 0 : cpu_ceil_div(under, v->step[0]);
    int64_t n = first / k->places, row = first % k->places / width, column = first % k->places % width;
    for (int64_t left = last - first; left > 0; z++) {
        const int64_t wide = cpu_least(left, width - column);
        const bool inside = row >= top && row < bottom;
        const int64_t until = row < top ? cpu_least(top, k->size[0]) : inside ? cpu_least(bottom, k->size[0]) : k->size[0];
        int64_t rows = wide < width ? 1 : cpu_least(left / width, until - row), a = low - column, b = inside ? high - column : 0;
        a = a < 0 ? 0 : cpu_least(a, wide);
        b = b < a ? a : cpu_least(b, wide);
        *z = (piece){rows, n * sample + (row * v->step[0] + t->shift[0]) * v->source[1] + (column + a) * step + t->shift[1], to, a, b - a, wide};
        if (b <= a)
            z->from = 0;
        left -= rows * wide;
        to += rows * wide;
        column = 0;
        row += rows;
        if (row == k->size[0])
            row = 0, n++;
    }
    return z;
}

/* Rows begin .. end-1 of what was laid, `ld` apart, are rounded where operands are; the first of them is a whole step. */
static void round_rows(const conv *v, char *at, int64_t ld, int64_t begin, int64_t end, int64_t n)
{
    if (v->form == CPU_ROUNDED)
        v->isa->round_columns(n, end - begin, at + begin * ld * v->size, NILU_F32, ld, at + begin / v->per * ld * v->size, ld);
}

/* A row for each channel and tap, all taps of one channel behind each other. */
static void lay_panel(const conv *v, const kind *k, const char *at, int64_t channels, int64_t first, int64_t last, char *panel, piece *pieces)
{
    piece *end = pieces;
    for (int64_t t = 0; t < k->taps; t++)
        end = find_pieces(v, k, &v->tap[k->first + t], first, last, t * v->ld, end);
    for (int64_t c = 0, done = 0; c < channels; c++, at += v->source[0] * v->source[1] * v->size) {
        const int64_t ready = (c + 1) * k->taps, whole = c + 1 < channels ? ready / v->per * v->per : ready;
        char *rows = panel + c * k->taps * v->ld * v->size;
        for (const piece *z = pieces; z < end; z++)
            v->lay(z->rows, at + z->from * v->size, v->step[0] * v->source[1], v->step[1], rows + z->to * v->size, z->wide, z->before, z->inside, z->wide);
        round_rows(v, panel, v->ld, done, whole, last - first);
        done = whole;
    }
}

/* n numbers, so far apart. */
static void move(const conv *v, char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n)
{
    if (v->size == 4)
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * to_step * 4, from + i * from_step * 4, 4);
    else
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * to_step * 8, from + i * from_step * 8, 8);
}

/* ---- making ready */

/* Vectors of a block: as few as keep both units busy, because more of them read the panel more often. */
CPU_COLD static int strip_for(const cpu_gemm_table *isa, int64_t rows)
{
    enum { BUSY = 10 }; /* sums under way: two units, four cycles each */
    int best = 1;
    for (int strip = 1; strip <= 4; strip++) {
        if (!isa->most[strip])
            continue;
        best = strip;
        const int64_t high = rows ? cpu_ceil_div(rows, cpu_ceil_div(rows, isa->most[strip])) : 0;
        if (strip > 1 && high * strip >= BUSY)
            break;
    }
    return best;
}

/* Channels at a time: no step of the sum is torn, whatever the instruction set. */
static int64_t even(const conv *v, int64_t channels)
{
    return v->form == CPU_ROUNDED ? cpu_round_up(channels, 2) : channels;
}

/* How many channels are laid out at a time, and how many places a tile takes; by shape alone, because the sums behind a tile go
 * by tiles. */
CPU_COLD static void cut(conv *v, int64_t taps, int64_t places)
{
    const int64_t chunks = cpu_ceil_div(v->inner * taps, 2 * DEPTH) > 1 ? cpu_ceil_div(v->inner * taps, DEPTH) : 1;
    v->chunk = even(v, cpu_ceil_div(v->inner, chunks) + (v->inner == 0));
    const int64_t depth = v->chunk * taps, deep = depth > v->rows ? depth : v->rows;
    int64_t n = NEAR / (deep * v->size + 1) / UNIT * UNIT;
    n = cpu_least(n < UNIT ? UNIT : n, MOST_COLUMNS);
    n = cpu_least(n, cpu_round_up(cpu_ceil_div(places * v->p.samples * v->p.groups, FEW_TILES), UNIT));
    v->columns = n > 0 ? n : UNIT;
    v->ld = v->columns + 16; /* off powers of two */
    const int64_t tiles = cpu_ceil_div(places * v->p.samples, v->columns) * v->p.groups;
    v->parts = v->rows ? cpu_least(cpu_ceil_div(v->rows, UNIT), tiles ? cpu_ceil_div(FEW_TILES / 2, tiles) : 1) : 1;
}

/* From row to row of the weights, in elements. */
static int64_t line_of(const conv *v, const kind *k)
{
    return cpu_ceil_div(v->inner, v->per) * k->taps;
}

/* Sorts the places of the kernel by the kind of places of the result that they lie over. Forward there is one kind. */
CPU_COLD static void find_kinds(conv *v)
{
    const ops_slide_plan *p = &v->p;
    int64_t found = 0;
    size_t weights = 0;
    for (int64_t i = 0; i < v->kinds; i++) {
        kind *k = &v->kind[i];
        *k = (kind){.from = {i / v->spread[1], i % v->spread[1]}, .first = found, .weights = weights};
        for (int d = 0; d < 2; d++)
            k->size[d] = v->result[d] > k->from[d] ? cpu_ceil_div(v->result[d] - k->from[d], v->spread[d]) : 0;
        k->places = k->size[0] * k->size[1];
        for (int64_t t = 0; t < v->area; t++) {
            const int64_t down = t / p->kernel[1] * p->dilation[0] - p->padding[0], across = t % p->kernel[1] * p->dilation[1] - p->padding[1];
            if (!v->back)
                v->tap[found++] = (tap){.at = t, .shift = {down, across}};
            else if ((k->from[0] - down) % p->stride[0] == 0 && (k->from[1] - across) % p->stride[1] == 0)
                v->tap[found++] = (tap){.at = t, .shift = {(k->from[0] - down) / p->stride[0], (k->from[1] - across) / p->stride[1]}};
        }
        k->taps = found - k->first;
        weights += (size_t)(p->groups * v->rows * line_of(v, k));
    }
}

/* ---- copies in place of panels */

/* The phase of a tap among those of its kind. */
static int phase_of(const kind *k, const tap *t)
{
    int i = 0;
    while (i < k->phases && (k->phase[i][0] != t->phase[0] || k->phase[i][1] != t->phase[1]))
        i++;
    return i;
}

/* Where a tap reads in a copy, from its beginning. */
static int64_t place_of(const kind *k, const tap *t)
{
    return phase_of(k, t) * k->sheet + (t->near[0] - k->up) * k->pitch + t->near[1] + k->left;
}

/* How kind k's copy lies; false: it is no good, because too much of it is not looked at. */
CPU_COLD static bool lay_copy(conv *v, kind *k)
{
    enum { LAYING = 20 }; /* to lay out a number of the panel takes as long as so many filters' products with it */
    int64_t least[2] = {0, 0}, most[2] = {0, 0};
    for (int64_t i = 0; i < k->taps; i++) {
        tap *t = &v->tap[k->first + i];
        for (int d = 0; d < 2; d++) {
            t->phase[d] = (int)((t->shift[d] % v->step[d] + v->step[d]) % v->step[d]);
            t->near[d] = (t->shift[d] - t->phase[d]) / v->step[d];
            least[d] = i == 0 || t->near[d] < least[d] ? t->near[d] : least[d];
            most[d] = i == 0 || t->near[d] > most[d] ? t->near[d] : most[d];
        }
        if (phase_of(k, t) == k->phases)
            memcpy(k->phase[k->phases++], t->phase, sizeof t->phase);
    }
    const int64_t width = cpu_ceil_div(v->source[1], v->step[1]), beyond = k->size[1] - 1 + most[1] - (width - 1);
    k->left = least[1] < 0 ? -least[1] : 0;
    k->up = least[0];
    k->pitch = width + (beyond > k->left ? beyond : k->left);
    k->pitch = k->pitch < k->size[1] ? k->size[1] : k->pitch;
    k->reach = most[0] - least[0];
    const int64_t line = v->chunk * k->phases > v->rows / 2 ? v->chunk * k->phases : v->rows / 2;
    k->rows = NEAR / (line * k->pitch * v->size + 1) - k->reach;
    k->rows = cpu_least(cpu_least(k->rows, 2 * MOST_COLUMNS / k->pitch), k->size[0]);
    if (k->rows < 1)
        return false;
    k->cuts = cpu_ceil_div(k->size[0], k->rows);
    k->rows = cpu_ceil_div(k->size[0], k->cuts);
    k->sheet = (k->rows + k->reach) * k->pitch + k->left + 16;
    k->far = k->sheet * k->phases;
    k->far += k->far % 256 == 0 ? 16 : 0;
    const int64_t columns = cpu_round_up(k->rows * k->pitch, 16) + (k->cuts > 1 ? 16 : 0);
    return (columns * k->cuts - k->places) * v->rows < k->places * LAYING;
}

CPU_COLD static bool lay_copies(conv *v)
{
    if (v->step[0] * v->step[1] > MOST_PHASES || v->bare || v->rows == 0 || v->inner == 0)
        return false;
    const int64_t chunks = cpu_ceil_div(v->inner, MOST_COPIED);
    v->chunk = even(v, cpu_ceil_div(v->inner, chunks));
    for (int64_t i = 0; i < v->kinds; i++)
        if (v->kind[i].places > 0 && !lay_copy(v, &v->kind[i]))
            return false;
    for (int64_t i = 0; i < v->kinds; i++)
        for (int64_t t = 0; t + 1 < v->kind[i].taps; t++) {
            const tap *at = &v->tap[v->kind[i].first + t];
            v->hop[v->kind[i].first + t].q = place_of(&v->kind[i], at + 1) - place_of(&v->kind[i], at);
        }
    return true;
}

CPU_COLD static conv *start(nilu *nl, const nilu_node *n, const cpu_isa *isa, bool back)
{
    const struct ops_conv *o = n->attr;
    const nilu_shape x = back ? n->out[0].shape : n->in[0]->shape, y = back ? n->in[0]->shape : n->out[0].shape;
    const ops_slide_plan p = ops_conv_plan(o, x, n->in[1]->shape, y);
    const int64_t area = p.kernel[0] * p.kernel[1], kinds = back ? p.stride[0] * p.stride[1] : 1;
    size_t taps, all, rest;
    if (!base_mul((size_t)area, sizeof(tap) + sizeof(cpu_hop), &taps) || !base_mul((size_t)kinds, sizeof(kind), &rest) || !base_add(taps, rest, &all) ||
        !base_add(all, sizeof(conv), &all)) {
        base_no_memory(nl, 0);
        return NULL;
    }
    conv *v = base_calloc(nl, 1, all);
    if (!v)
        return NULL;
    v->p = p;
    v->form = n->in[0]->dtype == NILU_F64 ? CPU_F64 : cpu_rounds(n) ? CPU_ROUNDED : CPU_F32;
    v->lay = isa->gemm->lay[v->form == CPU_F64];
    v->isa = v->form == CPU_ROUNDED ? isa->gemm_bf16 : isa->gemm;
    v->size = v->form == CPU_F64 ? 8 : 4;
    v->per = v->form == CPU_ROUNDED ? v->isa->per : 1;
    v->back = back;
    v->rows = (back ? p.channels : p.filters) / p.groups;
    v->inner = (back ? p.filters : p.channels) / p.groups;
    for (int d = 0; d < 2; d++) {
        v->source[d] = back ? p.out[d] : p.in[d];
        v->result[d] = back ? p.in[d] : p.out[d];
        v->step[d] = back ? 1 : p.stride[d];
        v->spread[d] = back ? p.stride[d] : 1;
    }
    v->parts = 1;
    v->area = area;
    v->kinds = kinds;
    v->kind = (kind *)(void *)(v->tap + area);
    v->hop = (cpu_hop *)(void *)(v->kind + kinds);
    return v;
}

CPU_COLD static nilu_status prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job, bool back)
{
    conv *v = start(nl, n, isa, back);
    *job = (cpu_job){.plan = v};
    if (!v)
        return NILU_E_NO_MEMORY;
    int64_t most = 0, places = 0, copy = 0, product = 0, pieces = 0;
    find_kinds(v);
    for (int64_t i = 0; i < v->kinds; i++) {
        most = v->kind[i].taps > most ? v->kind[i].taps : most;
        places = v->kind[i].places > places ? v->kind[i].places : places;
    }
    v->bare = v->form != CPU_ROUNDED && v->area == 1 && v->kinds == 1 && v->step[0] == 1 && v->step[1] == 1 && v->tap[0].shift[0] == 0 && v->tap[0].shift[1] == 0 &&
              v->source[0] == v->result[0] && v->source[1] == v->result[1];
    v->copied = lay_copies(v);
    if (!v->copied)
        cut(v, most, places);
    v->strip = strip_for(v->isa, cpu_ceil_div(v->rows, v->parts));
    v->whole = v->copied && v->kinds == 1 && v->kind->size[1] % (v->strip * v->isa->lanes[v->form]) == 0;
    v->by_block = v->whole || (v->copied && v->kinds == 1 && v->inner * v->area <= FEW_STEPS);
    for (int64_t i = 0; i < v->kinds; i++) {
        kind *k = &v->kind[i];
        k->tiles = v->copied ? k->cuts : cpu_ceil_div(k->places * v->p.samples, v->columns);
        v->all += k->tiles;
        pieces = most_pieces(k->taps, k->places, v->columns) > pieces ? most_pieces(k->taps, k->places, v->columns) : pieces;
        if (v->copied) {
            v->ld = cpu_round_up(k->rows * k->pitch, 16) + 16 > v->ld ? cpu_round_up(k->rows * k->pitch, 16) + 16 : v->ld;
            copy = v->chunk * k->far > copy ? v->chunk * k->far : copy;
        }
    }
    product = v->whole ? 0 : v->rows * v->ld;
    if (!v->copied)
        copy = v->chunk * most * v->ld;
    v->turned = back || v->copied || v->form == CPU_ROUNDED;
    if (v->turned) {
        job->tiles[job->phases++] = v->p.filters;
        job->scratch = (size_t)(v->p.groups * v->rows * cpu_ceil_div(v->inner, v->per) * v->area * v->size);
    }
    job->tiles[job->phases++] = v->rows ? v->all * v->p.groups * v->parts * (v->copied ? v->p.samples : 1) : 0;
    v->product_at = ((size_t)((copy + 64) * v->size) + 63) & ~(size_t)63;
    v->pieces_at = (v->product_at + (size_t)(product * v->size) + 63) & ~(size_t)63;
    job->local = v->pieces_at + (v->copied ? (size_t)v->area * sizeof(cpu_hop) : (size_t)pieces * sizeof(piece));
    return NILU_OK;
}

/* ---- tiles */

/* Step `i` of a row of weights, whose elements lie `far` apart. */
static void put_weight(const conv *v, char *row, int64_t i, int64_t far, const char *from)
{
    char *to = row + i / v->per * far * v->size;
    float x;
    if (v->form != CPU_ROUNDED) {
        move(v, to, 1, from, 1, 1);
        return;
    }
    memcpy(&x, from, sizeof x);
    const uint16_t half = base_f32_to_bf16(x);
    x = base_bf16_to_f32(half);
    if (v->per == 2)
        memcpy(to + i % 2 * 2, &half, sizeof half);
    else
        memcpy(to, &x, sizeof x);
}

typedef struct block { /* of rows of the result */
    int64_t first, rows;
} block;

/* That of a row: there are as few blocks as possible, in equal parts, of which the first ones may have a row more. */
static block block_of(const conv *v, int64_t row)
{
    const int64_t blocks = cpu_ceil_div(v->rows, v->isa->most[v->strip]), rows = v->rows / blocks, larger = v->rows % blocks * (rows + 1);
    if (row < larger)
        return (block){row - row % (rows + 1), rows + 1};
    return (block){row - (row - larger) % rows, rows};
}

/* The weights of filter o, [channels, area], go to their kinds: [channels, filters, taps] each, or forward [filters, channels, taps];
 * for copies, taps come before the channels of a chunk; by blocks, [chunks, blocks, taps, channels of a chunk, rows of a block]: rows
 * that lie beside each other need one pointer, and no steps to make others. */
static void turn_weights(const conv *v, const nilu_call *c, int64_t o)
{
    const int64_t channels = v->back ? v->rows : v->inner, many = v->back ? v->inner : v->rows, group = o / many;
    const char *from = (const char *)c->in[1].data + o * channels * v->area * v->size;
    for (int64_t i = 0; i < v->kinds; i++) {
        const kind *k = &v->kind[i];
        for (int64_t channel = 0; channel < channels; channel++) {
            const int64_t row = v->back ? channel : o % many, inner = v->back ? o % many : channel, at = inner % v->chunk;
            const int64_t step = v->copied ? cpu_round_up(cpu_least(v->chunk, v->inner - inner + at), v->per) : 1;
            const int64_t before = (inner - at) / v->per * k->taps; /* steps of earlier chunks */
            int64_t far = 1, place = row * line_of(v, k) + before;
            if (v->by_block) {
                const block b = block_of(v, row);
                far = b.rows;
                place = before * v->rows + b.first * step / v->per * k->taps + row - b.first;
            }
            char *to = (char *)c->scratch + ((int64_t)k->weights + group * v->rows * line_of(v, k) + place) * v->size;
            for (int64_t t = 0; t < k->taps; t++)
                put_weight(v, to, at * (v->copied ? 1 : k->taps) + t * step, far, from + (channel * v->area + v->tap[k->first + t].at) * v->size);
        }
    }
}

/* A product [rows, places first .. last-1 of a kind] goes where the places are. */
static void put(const conv *v, const kind *k, const char *from, int64_t rows, int64_t first, int64_t last, char *to)
{
    const int64_t plane = v->result[0] * v->result[1], channels = v->back ? v->p.channels : v->p.filters;
    for (int64_t j = first; j < last;) {
        const int64_t n = j / k->places, at = j % k->places, row = at / k->size[1], column = at % k->size[1];
        const int64_t some = cpu_least(last - j, v->kinds == 1 ? k->places - at : k->size[1] - column);
        char *z = to + (n * channels * plane + (k->from[0] + row * v->spread[0]) * v->result[1] + k->from[1] + column * v->spread[1]) * v->size;
        const char *s = from + (j - first) * v->size;
        for (int64_t i = 0; i < rows; i++, z += plane * v->size, s += v->ld * v->size) {
            if (v->spread[1] == 1)
                memcpy(z, s, (size_t)(some * v->size));
            else
                move(v, z, v->spread[1], s, 1, some);
        }
        j += some;
    }
}

/* A tile whose places' rows lie `pitch` apart goes where the places are. */
static void put_rows(const conv *v, const kind *k, const char *from, int64_t n, int64_t top, int64_t high, char *to)
{
    const int64_t plane = v->result[0] * v->result[1], channels = v->back ? v->p.channels : v->p.filters, step = v->spread[1];
    to += (n * channels * plane + (k->from[0] + top * v->spread[0]) * v->result[1] + k->from[1]) * v->size;
    /* what is written behind a row, the next one overwrites */
    const int64_t easy = step == 1 && v->spread[0] == 1 && k->size[1] == v->result[1] && k->size[1] >= 16 ? high - 1 : 0;
    for (int64_t i = 0; i < v->rows; i++, to += plane * v->size, from += v->ld * v->size) {
        v->lay(easy, from, k->pitch, 1, to, k->size[1], 0, k->size[1], k->size[1]);
        for (int64_t r = easy; r < high; r++) {
            char *z = to + r * v->spread[0] * v->result[1] * v->size;
            const char *s = from + r * k->pitch * v->size;
            if (step == 1)
                memcpy(z, s, (size_t)(k->size[1] * v->size));
            else
                move(v, z, step, s, 1, k->size[1]);
        }
    }
}

/* One phase of a channel: `high` rows from row `y` of the phase on, with the zeros around them. */
static void copy_phase(const conv *v, const kind *k, const int phase[2], const char *source, int64_t y, int64_t high, char *to)
{
    const int64_t rows = v->source[0] > phase[0] ? cpu_ceil_div(v->source[0] - phase[0], v->step[0]) : 0,
                  width = v->source[1] > phase[1] ? cpu_ceil_div(v->source[1] - phase[1], v->step[1]) : 0;
    const int64_t before = y < 0 ? cpu_least(-y, high) : 0, beyond = y + high - rows, after = beyond > 0 ? cpu_least(beyond, high - before) : 0,
                  inside = high - before - after, zeros = k->left + before * k->pitch;
    v->lay(1, source, 0, 1, to, 0, zeros, 0, 0);
    to += zeros * v->size;
    if (inside > 0)
        v->lay(inside, source + (((y + before) * v->step[0] + phase[0]) * v->source[1] + phase[1]) * v->size, v->step[0] * v->source[1], v->step[1], to,
            k->pitch, 0, width, k->pitch);
    v->lay(1, source, 0, 1, to + inside * k->pitch * v->size, 0, after * k->pitch, 0, 0);
}

/* A tile, whose planes are written from end to end, a block of them at a time. */
static void multiply_blocks(const conv *v, const kind *k, cpu_product g, const char *p, const char *q, int64_t high, char *to)
{
    if (v->whole) {
        g.lines = high - 1;
        g.q_line = k->pitch;
        g.c_line = k->size[1];
    }
    g.p_row = 1;
    for (int64_t done = 0; done < v->rows; done += g.rows) {
        g.rows = g.p_step = block_of(v, done).rows;
        v->isa->multiply[v->form](&g, p + done * g.k * k->taps * v->size, q, to + done * g.c_row * v->size);
    }
}

static void compute_copied(const conv *v, const nilu_call *c, int64_t t, char *local)
{
    const int64_t group = t % v->p.groups, plane = v->source[0] * v->source[1];
    const kind *k = v->kind;
    const int64_t n = t / v->p.groups / v->all; /* all kinds of a sample, so that their places are near when they are put there */
    for (t = t / v->p.groups % v->all; t >= k->cuts; k++)
        t -= k->cuts;
    const int64_t top = t * k->rows, high = cpu_least(k->rows, k->size[0] - top), line = line_of(v, k), lanes = v->isa->lanes[v->form];
    const char *source = (const char *)c->in[0].data + (n * (v->back ? v->p.filters : v->p.channels) + group * v->inner) * plane * v->size;
    const char *weights = (const char *)c->scratch + ((int64_t)k->weights + group * v->rows * line) * v->size;
    const int64_t area = v->result[0] * v->result[1];
    char *tile = local + v->product_at, *result = (char *)c->out[0].data + group * v->rows * area * v->size;
    char *planes = result + (n * (v->back ? v->p.channels : v->p.filters) * area + top * k->size[1]) * v->size; /* where they are whole */
    cpu_hop *hop = (cpu_hop *)(void *)(local + v->pieces_at);
    cpu_product g = {.rows = v->rows, .columns = v->whole ? k->size[1] : cpu_round_up((high - 1) * k->pitch + k->size[1], lanes), .p_row = line, .p_step = 1, .q_step = k->far,
                     .q_strip = (int64_t)v->strip * lanes, .c_row = v->whole ? area : v->ld, .strip = v->strip, .near = true, .hop = hop, .hops = k->taps ? k->taps - 1 : 0};
    const int64_t row = v->step[0] * v->source[1] * v->size, soon = (top + k->up) * row < 0 ? 0 : (top + k->up) * row,
                  span = cpu_least((high + k->reach) * row, plane * v->size - soon);
    for (int64_t first = 0; first < v->inner && (k->taps || first == 0); first += v->chunk) {
        char *to = local;
        const int64_t channels = k->taps ? cpu_least(v->chunk, v->inner - first) : 0;
        g.k = cpu_ceil_div(channels, v->per);
        for (int64_t i = 0; i < g.hops; i++)
            hop[i] = (cpu_hop){0, v->hop[k->first + i].q - g.k * k->far};
        for (int64_t i = 0; i < channels; i++, source += plane * v->size, to += k->far * v->size) {
            for (int64_t at = soon; at < soon + span; at += 64) /* of the next channel: planes are short, and strides puzzle the machine */
                __builtin_prefetch(source + (plane * v->size + at));
            for (int f = 0; f < k->phases; f++)
                copy_phase(v, k, k->phase[f], source, top + k->up, high + k->reach, to + f * k->sheet * v->size);
            if ((i + 1) % v->per == 0 || i + 1 == channels)
                round_rows(v, local, k->far, i / v->per * v->per, i + 1, k->far);
        }
        const char *p = weights + first / v->per * k->taps * (v->by_block ? v->rows : 1) * v->size, *q = local + (k->taps ? place_of(k, &v->tap[k->first]) : 0) * v->size;
        if (v->by_block)
            multiply_blocks(v, k, g, p, q, high, v->whole ? planes : tile);
        else
            v->isa->multiply[v->form](&g, p, q, tile);
        g.more = true;
    }
    if (!v->whole)
        put_rows(v, k, tile, n, top, high, result);
}

static void compute(const conv *v, const nilu_call *c, int64_t t, char *local)
{
    const int64_t part = t % v->parts, group = t / v->parts % v->p.groups, plane = v->source[0] * v->source[1];
    const int64_t r0 = part * v->rows / v->parts, rows = (part + 1) * v->rows / v->parts - r0;
    const kind *k = v->kind;
    for (t = t / v->parts / v->p.groups; t >= k->tiles; k++)
        t -= k->tiles;
    const int64_t first = t * v->columns, last = cpu_least(first + v->columns, k->places * v->p.samples), n = first / k->places;
    const bool within = (last - 1) / k->places == n, direct = within && v->kinds == 1, bare = within && v->bare;
    const int64_t line = line_of(v, k), result = v->result[0] * v->result[1];
    const char *source = (const char *)c->in[0].data + group * v->inner * plane * v->size, *weights = v->turned ? c->scratch : c->in[1].data;
    char *to = (char *)c->out[0].data + (group * v->rows + r0) * result * v->size, *tile = local + v->product_at;
    cpu_product g = {.rows = rows, .columns = last - first, .p_row = line, .p_step = 1, .q_step = v->ld,
                     .q_strip = (int64_t)v->strip * v->isa->lanes[v->form], .c_row = v->ld, .strip = v->strip, .near = true};
    if (direct) {
        tile = to + (n * (v->back ? v->p.channels : v->p.filters) * result + first % k->places) * v->size;
        g.c_row = result;
    }
    weights += ((int64_t)k->weights + (group * v->rows + r0) * line) * v->size;
    if (bare)
        source += (n * (v->back ? v->p.filters : v->p.channels) * plane + first % k->places) * v->size;
    for (int64_t i = 0; i == 0 || i < v->inner; i += v->chunk) {
        const int64_t channels = cpu_least(v->chunk, v->inner - i);
        const char *q = local, *from = source + i * plane * v->size;
        g.k = cpu_ceil_div(channels * k->taps, v->per);
        g.more = i > 0;
        if (bare) {
            q = from;
            g.q_step = plane;
        } else {
            lay_panel(v, k, from, channels, first, last, local, (piece *)(void *)(local + v->pieces_at));
        }
        v->isa->multiply[v->form](&g, weights + i / v->per * k->taps * v->size, q, tile);
    }
    if (!direct)
        put(v, k, tile, rows, first, last, to);
}

/* Of the samples. */
static bool part_made(const nilu_node *n, const cpu_job *job, int k, int64_t t, cpu_part *part)
{
    const conv *v = job->plan;
    const kind *at = v->kind;
    (void)n;
    *part = (cpu_part){.from = t / v->p.groups / (v->all ? v->all : 1), .of = v->p.samples};
    part->to = part->from + 1;
    if (!v->copied) {
        for (t = t / v->parts / v->p.groups; t >= at->tiles; at++)
            t -= at->tiles;
        part->from = t * v->columns / at->places;
        part->to = (cpu_least((t + 1) * v->columns, at->places * v->p.samples) - 1) / at->places + 1;
    }
    return k < 0;
}

static nilu_status prepare_conv(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    return prepare(nl, n, isa, job, false);
}

static nilu_status prepare_transpose(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    return prepare(nl, n, isa, job, true);
}

static nilu_status run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    const conv *v = c->plan;
    for (int64_t t = begin; t < end; t++) {
        if (phase == 0 && v->turned)
            turn_weights(v, c, t);
        else if (v->copied)
            compute_copied(v, c, t, local);
        else
            compute(v, c, t, local);
    }
    return NILU_OK;
}

const cpu_kernel cpu_kernel_conv = {"conv", "conv", cpu_accepts_wide, prepare_conv, run, part_made};
const cpu_kernel cpu_kernel_conv_transpose = {"conv_transpose", "conv_transpose", cpu_accepts_wide, prepare_transpose, run, part_made};
