/* Convolutions, all three ways, on the blocks of gemm: a tile is a product whose one operand is a panel of pictures that was
 * laid out in the thread's own cache. Nothing of its kind ever lies in memory.
 *     panel    [taps, places]: row (channel, place of the kernel) holds what lies under it, for some places of the window
 *     conv            y [filters, places] = w [filters, taps] · panel of x
 *     conv_transpose  x [channels, places] = wᵀ [channels, taps] · panel of y. Places are taken by what is left of them when
 *                     divided by the stride: those of one kind lie under the same places of the kernel, so nothing is
 *                     multiplied that a stride leaves out
 *     conv_weight     wᵀ [taps, filters] = panel of x · yᵀ [places, filters], over the places of some samples; the parts that
 *                     several threads make are added up in their order
 * A picture under a kernel of one place, at a stride of 1, is its own panel. Sums go by taps in ascending order, and over
 * places in ascending order, whatever the tiles are. */
#include "cpu/cpu.h"

#include <string.h>

#define COLD __attribute__((cold)) /* runs once a plan: small rather than fast */

#define NEAR (192 << 10)        /* bytes of a panel: half of a second-level cache is left for the rest */
#define MOST_COLUMNS 1024
#define MOST_PARTS 16           /* of the sum over samples */
#define PARTS_BYTES (16 << 20)  /* that parts may take */

typedef struct kind { /* places of the result that lie under the same places of the kernel */
    int64_t from[2], size[2]; /* the first; how many, `step` apart */
    int64_t first, taps;      /* in `tap` */
    int64_t tiles;            /* of each sample and group */
    size_t weights;           /* where its [groups, channels, filters, taps] are, in elements of the scratch */
} kind;

typedef struct tap { /* a place of the kernel: where it lies in the source of the place (0, 0) */
    int64_t at, shift[2];
} tap;

typedef struct conv {
    ops_slide_plan p;
    const cpu_gemm_table *isa;
    cpu_form form;
    int64_t size;                  /* of an element */
    int64_t each, many;            /* channels and filters of a group */
    int64_t area;                  /* places of the kernel */
    int64_t columns, ld;           /* places of a tile; of a row of the panel to the next */
    int strip;
    int64_t step[2];               /* in the source, from place to place */
    int64_t kinds, tiles;          /* conv_transpose; tiles of one sample and group */
    int64_t parts, chunks, chunk;  /* conv_weight: of samples; of channels, so many together */
    bool bare;                     /* the picture is its own panel */
    size_t product_at, turned_at;  /* in `local`, behind the panel */
    kind *kind;
    tap tap[];
} conv;

/* ---- the panel */

/* So short that a call would take longer. */
static inline void copy(char *to, const char *from, int64_t bytes)
{
    if (bytes < 16) {
        for (int64_t i = 0; i < bytes; i += 4)
            memcpy(to + i, from + i, 4);
        return;
    }
    for (int64_t i = 0; i + 16 <= bytes; i += 16)
        memcpy(to + i, from + i, 16);
    memcpy(to + bytes - 16, from + bytes - 16, 16);
}

static void pick(char *to, const char *from, int64_t n, int64_t step, int64_t size)
{
    if (size == 4)
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * 4, from + i * step * 4, 4);
    else
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * 8, from + i * step * 8, 8);
}

static inline void clear(char *to, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += 4)
        memset(to + i, 0, 4);
}

typedef struct source { /* planes of pictures, seen from places `width` a row */
    const char *at;
    int64_t in[2], step[2], width, size;
} source;

/* Places begin .. end-1 of the rows of one tap, which are `far` bytes apart, one of each channel. */
static void lay(const source *s, const int64_t shift[2], int64_t channels, int64_t begin, int64_t end, char *to, int64_t far)
{
    const int64_t size = s->size, step = s->step[1], plane = s->in[0] * s->in[1] * size;
    int64_t row = begin / s->width, column = begin % s->width;
    /* columns that are in the picture: low .. high-1 */
    const int64_t low = shift[1] < 0 ? cpu_ceil_div(-shift[1], step) : 0;
    const int64_t room = s->in[1] - shift[1], high = room <= 0 ? 0 : cpu_ceil_div(room, step);
    for (int64_t left = end - begin; left > 0; row++, column = 0) {
        const int64_t n = cpu_least(left, s->width - column), y = row * s->step[0] + shift[0];
        const bool inside = y >= 0 && y < s->in[0];
        int64_t a = low - column, b = inside ? high - column : 0; /* of this run */
        a = a < 0 ? 0 : cpu_least(a, n);
        b = b < a ? a : cpu_least(b, n);
        const char *from = b > a ? s->at + (y * s->in[1] + (column + a) * step + shift[1]) * size : s->at;
        char *z = to;
        for (int64_t c = 0; c < channels; c++, z += far, from += plane) {
            clear(z, a * size);
            if (step == 1)
                copy(z + a * size, from, (b - a) * size);
            else
                pick(z + a * size, from, b - a, step, size);
            clear(z + b * size, (n - b) * size);
        }
        left -= n;
        to += n * size;
    }
}

/* A row for each channel and tap, all taps of one channel behind each other. */
static void lay_panel(const conv *v, source s, int64_t channels, const tap *taps, int64_t ntap, int64_t begin, int64_t end, char *panel)
{
    for (int64_t t = 0; t < ntap; t++)
        lay(&s, taps[t].shift, channels, begin, end, panel + t * v->ld * s.size, ntap * v->ld * s.size);
}

/* ---- making ready */

/* Vectors of a block: as few as keep both units busy, because more of them read the panel more often. */
COLD static int strip_for(const cpu_gemm_table *isa, int64_t rows)
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

static int64_t round_up(int64_t n, int64_t to)
{
    return cpu_ceil_div(n, to) * to;
}

/* How many places a tile takes, when there are so many and each has so many taps. */
COLD static void cut(conv *v, int64_t taps, int64_t places)
{
    const int64_t wide = (int64_t)v->strip * v->isa->lanes[v->form];
    int64_t n = NEAR / (taps * v->size + 1);
    n = n > MOST_COLUMNS ? MOST_COLUMNS : n < wide ? wide : n;
    n = cpu_least(n, places);
    if (n > 0)
        n = round_up(cpu_ceil_div(places, cpu_ceil_div(places, n)), wide);
    v->columns = n;
    v->ld = round_up(n, 16) + 16; /* off powers of two */
}

COLD static conv *start(nilu *nl, const nilu_node *n, const cpu_isa *isa, nilu_shape x, nilu_shape w, nilu_shape y, int64_t kinds)
{
    const ops_slide_plan p = ops_conv_plan(n->attr, x, w, y);
    const int64_t area = p.kernel[0] * p.kernel[1];
    size_t taps, all, rest;
    if (!base_mul((size_t)area, sizeof(tap), &taps) || !base_mul((size_t)kinds, sizeof(kind), &rest) || !base_add(taps, rest, &all) ||
        !base_add(all, sizeof(conv), &all)) {
        base_no_memory(nl, 0);
        return NULL;
    }
    conv *v = base_calloc(nl, 1, all);
    if (!v)
        return NULL;
    v->p = p;
    v->isa = isa->gemm;
    v->form = n->in[0]->dtype == NILU_F64 ? CPU_F64 : CPU_F32;
    v->size = v->form == CPU_F64 ? 8 : 4;
    v->each = p.channels / p.groups;
    v->many = p.filters / p.groups;
    v->area = area;
    v->kinds = kinds;
    v->kind = (kind *)(void *)(v->tap + area);
    v->step[0] = v->step[1] = 1;
    return v;
}

static const char *accepts(const nilu_node *n, const cpu_isa *isa)
{
    (void)isa;
    return n->in[0]->dtype == NILU_BF16 ? N_("bf16 has no fast kernel") : NULL;
}

/* Places of the kernel in x, of conv and conv_weight. */
COLD static void taps_of_x(conv *v)
{
    const ops_slide_plan *p = &v->p;
    for (int64_t t = 0; t < v->area; t++)
        v->tap[t] = (tap){t, {t / p->kernel[1] * p->dilation[0] - p->padding[0], t % p->kernel[1] * p->dilation[1] - p->padding[1]}};
    v->step[0] = p->stride[0];
    v->step[1] = p->stride[1];
    v->bare = v->area == 1 && p->stride[0] == 1 && p->stride[1] == 1 && p->padding[0] == 0 && p->padding[1] == 0 && p->out[0] == p->in[0] &&
              p->out[1] == p->in[1];
}

/* ---- conv: a tile is a sample, a group, and some places */

COLD static nilu_status prepare_conv(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    conv *v = start(nl, n, isa, n->in[0]->shape, n->in[1]->shape, n->out[0].shape, 0);
    *job = (cpu_job){.phases = 1, .plan = v};
    if (!v)
        return NILU_E_NO_MEMORY;
    taps_of_x(v);
    v->strip = strip_for(v->isa, v->many);
    cut(v, v->each * v->area, v->p.out[0] * v->p.out[1]);
    v->tiles = v->columns ? cpu_ceil_div(v->p.out[0] * v->p.out[1], v->columns) : 0;
    job->tiles[0] = v->many ? v->p.samples * v->p.groups * v->tiles : 0;
    job->local = v->bare ? 0 : (size_t)(v->each * v->area * v->ld * v->size);
    return NILU_OK;
}

static nilu_status run_conv(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    const conv *v = c->plan;
    const ops_slide_plan *p = &v->p;
    const int64_t plane = p->in[0] * p->in[1], places = p->out[0] * p->out[1], taps = v->each * v->area;
    (void)phase;
    for (int64_t t = begin; t < end; t++) {
        const int64_t first = t % v->tiles * v->columns, last = cpu_least(first + v->columns, places);
        const int64_t group = t / v->tiles % p->groups, sample = t / v->tiles / p->groups;
        const source s = {.at = (const char *)c->in[0].data + (sample * p->channels + group * v->each) * plane * v->size,
                          .in = {p->in[0], p->in[1]}, .step = {v->step[0], v->step[1]}, .width = p->out[1], .size = v->size};
        cpu_product g = {.rows = v->many, .columns = last - first, .k = taps, .p_row = taps, .p_step = 1, .q_step = v->ld,
                         .q_strip = (int64_t)v->strip * v->isa->lanes[v->form], .c_row = places, .strip = v->strip};
        const char *q = local;
        if (v->bare) {
            q = s.at + first * v->size;
            g.q_step = plane;
        } else {
            lay_panel(v, s, v->each, v->tap, v->area, first, last, local);
        }
        v->isa->multiply[v->form](&g, (const char *)c->in[1].data + group * v->many * taps * v->size, q,
                                  (char *)c->out[0].data + ((sample * p->filters + group * v->many) * places + first) * v->size);
    }
    return NILU_OK;
}

/* ---- conv_transpose: phase 0 turns the weights, phase 1 computes tiles of one kind of places */

/* Sorts the places of the kernel by the kind of places of x that they lie over. */
COLD static void find_kinds(conv *v)
{
    const ops_slide_plan *p = &v->p;
    int64_t found = 0;
    size_t weights = 0;
    for (int64_t i = 0; i < v->kinds; i++) {
        kind *k = &v->kind[i];
        *k = (kind){.from = {i / p->stride[1], i % p->stride[1]}, .first = found, .weights = weights};
        for (int d = 0; d < 2; d++)
            k->size[d] = p->in[d] > k->from[d] ? cpu_ceil_div(p->in[d] - k->from[d], p->stride[d]) : 0;
        for (int64_t t = 0; t < v->area; t++) {
            const int64_t down = k->from[0] + p->padding[0] - t / p->kernel[1] * p->dilation[0],
                          across = k->from[1] + p->padding[1] - t % p->kernel[1] * p->dilation[1];
            if (down % p->stride[0] == 0 && across % p->stride[1] == 0)
                v->tap[found++] = (tap){t, {down / p->stride[0], across / p->stride[1]}};
        }
        k->taps = found - k->first;
        weights += (size_t)(p->filters * v->each * k->taps);
    }
}

COLD static nilu_status prepare_transpose(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    const struct ops_conv *o = n->attr;
    const int64_t strides = (int64_t)o->window.stride.at[0] * (o->window.stride.n > 1 ? o->window.stride.at[1] : 1);
    conv *v = start(nl, n, isa, n->out[0].shape, n->in[1]->shape, n->in[0]->shape, strides);
    *job = (cpu_job){.phases = 2, .plan = v};
    if (!v)
        return NILU_E_NO_MEMORY;
    int64_t most = 0, places = 0;
    find_kinds(v);
    for (int64_t i = 0; i < v->kinds; i++) {
        most = v->kind[i].taps > most ? v->kind[i].taps : most;
        places = v->kind[i].size[0] * v->kind[i].size[1] > places ? v->kind[i].size[0] * v->kind[i].size[1] : places;
    }
    v->strip = strip_for(v->isa, v->each);
    v->bare = v->area == 1 && strides == 1 && v->tap[0].shift[0] == 0 && v->tap[0].shift[1] == 0 && v->p.out[0] == v->p.in[0] && v->p.out[1] == v->p.in[1];
    cut(v, v->many * most, places);
    for (int64_t i = 0; i < v->kinds; i++) {
        v->kind[i].tiles = v->columns ? cpu_ceil_div(v->kind[i].size[0] * v->kind[i].size[1], v->columns) : 0;
        v->tiles += v->kind[i].tiles;
    }
    job->tiles[0] = v->p.filters;
    job->tiles[1] = v->each ? v->p.samples * v->p.groups * v->tiles : 0;
    job->scratch = (size_t)(v->p.filters * v->each * v->area * v->size);
    v->product_at = (size_t)round_up(v->bare ? 0 : v->many * most * v->ld * v->size, 64);
    job->local = v->product_at + (v->kinds > 1 ? (size_t)(v->each * v->ld * v->size) : 0);
    return NILU_OK;
}

/* The weights of filter o, [channels, area], go to their kinds, [channels, filters, taps] each. */
static void turn_weights(const conv *v, const nilu_call *c, int64_t o)
{
    const int64_t group = o / v->many;
    const char *from = (const char *)c->in[1].data + o * v->each * v->area * v->size;
    for (int64_t i = 0; i < v->kinds; i++) {
        const kind *k = &v->kind[i];
        for (int64_t channel = 0; channel < v->each; channel++) {
            char *to = (char *)c->scratch +
                       ((int64_t)k->weights + ((group * v->each + channel) * v->many + o % v->many) * k->taps) * v->size;
            for (int64_t t = 0; t < k->taps; t++)
                memcpy(to + t * v->size, from + (channel * v->area + v->tap[k->first + t].at) * v->size, (size_t)v->size);
        }
    }
}

/* A product [channels, places of a kind] goes where the places are. */
static void put_apart(const conv *v, const kind *k, const char *from, int64_t first, int64_t last, char *x)
{
    const ops_slide_plan *p = &v->p;
    for (int64_t i = 0; i < v->each; i++, from += v->ld * v->size, x += p->in[0] * p->in[1] * v->size)
        for (int64_t j = first; j < last;) {
            const int64_t row = j / k->size[1], column = j % k->size[1], n = cpu_least(last - j, k->size[1] - column);
            char *to = x + ((k->from[0] + row * p->stride[0]) * p->in[1] + k->from[1] + column * p->stride[1]) * v->size;
            for (int64_t e = 0; e < n; e++)
                memcpy(to + e * p->stride[1] * v->size, from + (j - first + e) * v->size, (size_t)v->size);
            j += n;
        }
}

static void transpose_tile(const conv *v, const nilu_call *c, int64_t t, char *local)
{
    const ops_slide_plan *p = &v->p;
    const int64_t plane = p->out[0] * p->out[1], group = t / v->tiles % p->groups, sample = t / v->tiles / p->groups;
    const kind *k = v->kind;
    for (t %= v->tiles; t >= k->tiles; k++)
        t -= k->tiles;
    const int64_t first = t * v->columns, last = cpu_least(first + v->columns, k->size[0] * k->size[1]), taps = v->many * k->taps;
    const source s = {.at = (const char *)c->in[0].data + (sample * p->filters + group * v->many) * plane * v->size,
                      .in = {p->out[0], p->out[1]}, .step = {1, 1}, .width = k->size[1], .size = v->size};
    cpu_product g = {.rows = v->each, .columns = last - first, .k = taps, .p_row = taps, .p_step = 1, .q_step = v->ld,
                     .q_strip = (int64_t)v->strip * v->isa->lanes[v->form], .c_row = p->in[0] * p->in[1], .strip = v->strip};
    char *x = (char *)c->out[0].data + (sample * p->channels + group * v->each) * p->in[0] * p->in[1] * v->size, *to = x + first * v->size;
    const char *q = local;
    if (v->kinds > 1) {
        to = local + v->product_at;
        g.c_row = v->ld;
    }
    if (v->bare) {
        q = s.at + first * v->size;
        g.q_step = plane;
    } else {
        lay_panel(v, s, v->many, v->tap + k->first, k->taps, first, last, local);
    }
    v->isa->multiply[v->form](&g, (const char *)c->scratch + ((int64_t)k->weights + group * v->each * taps) * v->size, q, to);
    if (v->kinds > 1)
        put_apart(v, k, to, first, last, x);
}

static nilu_status run_transpose(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    for (int64_t t = begin; t < end; t++) {
        if (phase == 0)
            turn_weights(c->plan, c, t);
        else
            transpose_tile(c->plan, c, t, local);
    }
    return NILU_OK;
}

/* ---- conv_weight: phase 0 makes parts [taps, filters], phase 1 adds them up */

COLD static nilu_status prepare_weight(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    conv *v = start(nl, n, isa, n->in[0]->shape, n->out[0].shape, n->in[1]->shape, 0);
    *job = (cpu_job){.phases = 2, .plan = v};
    if (!v)
        return NILU_E_NO_MEMORY;
    const int64_t places = v->p.out[0] * v->p.out[1], all = v->p.filters * v->each * v->area;
    taps_of_x(v);
    v->chunk = NEAR / (v->area * 128 * v->size) + 1;
    v->chunks = cpu_ceil_div(v->each, v->chunk);
    v->chunk = v->chunks ? cpu_ceil_div(v->each, v->chunks) : 0;
    v->strip = strip_for(v->isa, v->chunk * v->area);
    cut(v, v->chunk * v->area, places);
    v->tiles = v->columns ? cpu_ceil_div(places, v->columns) : 0;
    v->parts = all ? cpu_least(cpu_least(MOST_PARTS, PARTS_BYTES / (all * v->size) + 1), v->p.samples) : 0;
    job->tiles[0] = v->parts * v->p.groups * v->chunks;
    job->tiles[1] = v->p.filters;
    job->scratch = (size_t)(v->parts * all * v->size);
    v->turned_at = (size_t)round_up(v->bare ? 0 : v->chunk * v->area * v->ld * v->size, 64);
    job->local = v->turned_at + (size_t)(round_up(v->many, 16) * v->columns * v->size);
    return NILU_OK;
}

static void weight_tile(const conv *v, const nilu_call *c, int64_t t, char *local)
{
    const ops_slide_plan *p = &v->p;
    const int64_t chunk = t % v->chunks, group = t / v->chunks % p->groups, part = t / v->chunks / p->groups;
    const int64_t c0 = chunk * v->chunk, channels = cpu_least(v->chunk, v->each - c0);
    const int64_t plane = p->in[0] * p->in[1], places = p->out[0] * p->out[1], wide = round_up(v->many, 16);
    const int64_t begin = part * p->samples / v->parts, end = (part + 1) * p->samples / v->parts;
    char *to = (char *)c->scratch + ((part * p->groups + group) * v->each + c0) * v->area * v->many * v->size;
    cpu_product g = {.rows = channels * v->area, .columns = v->many, .p_row = v->bare ? plane : v->ld, .p_step = 1, .q_step = wide,
                     .q_strip = (int64_t)v->strip * v->isa->lanes[v->form], .c_row = v->many, .strip = v->strip};
    for (int64_t sample = begin; sample < end; sample++)
        for (int64_t first = 0; first < places; first += v->columns) {
            const int64_t last = cpu_least(first + v->columns, places);
            const source s = {.at = (const char *)c->in[0].data + (sample * p->channels + group * v->each + c0) * plane * v->size,
                              .in = {p->in[0], p->in[1]}, .step = {v->step[0], v->step[1]}, .width = p->out[1], .size = v->size};
            const char *y = (const char *)c->in[1].data + ((sample * p->filters + group * v->many) * places + first) * v->size;
            const char *panel = v->bare ? s.at + first * v->size : local;
            if (!v->bare)
                lay_panel(v, s, channels, v->tap, v->area, first, last, local);
            v->isa->flip[v->form](v->many, last - first, y, places, local + v->turned_at, wide);
            g.k = last - first;
            v->isa->multiply[v->form](&g, panel, local + v->turned_at, to);
            g.more = true;
        }
}

/* Filter o's taps, from all parts in their order. */
static void add_parts(const conv *v, const nilu_call *c, int64_t o)
{
    const int64_t taps = v->each * v->area, all = v->p.filters * taps, group = o / v->many;
    const int64_t at = group * taps * v->many + o % v->many;
    for (int64_t t = 0; t < taps; t++) {
        if (v->form == CPU_F32) {
            float sum = 0;
            for (int64_t part = 0; part < v->parts; part++)
                sum += ((const float *)c->scratch)[part * all + at + t * v->many];
            ((float *)c->out[0].data)[o * taps + t] = sum;
        } else {
            double sum = 0;
            for (int64_t part = 0; part < v->parts; part++)
                sum += ((const double *)c->scratch)[part * all + at + t * v->many];
            ((double *)c->out[0].data)[o * taps + t] = sum;
        }
    }
}

static nilu_status run_weight(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    for (int64_t t = begin; t < end; t++) {
        if (phase == 0)
            weight_tile(c->plan, c, t, local);
        else
            add_parts(c->plan, c, t);
    }
    return NILU_OK;
}

const cpu_kernel cpu_kernel_conv = {"conv", "conv", accepts, prepare_conv, run_conv};
const cpu_kernel cpu_kernel_conv_transpose = {"conv_transpose", "conv_transpose", accepts, prepare_transpose, run_transpose};
const cpu_kernel cpu_kernel_conv_weight = {"conv_weight", "conv_weight", accepts, prepare_weight, run_weight};
