/* scatter_add owns its results by place, so no two threads add to one number, and sums run in the order of the indices, in
 * double (whole numbers in i64): the reference's own arithmetic, the same bits from any cut. There are two ways.
 *
 * Wide slices: first the indices are put in the order of their places, then a tile computes a range of places: one pass over
 * x and z. Narrow slices: that order would cost more than the sums. Each tile reads all indices and adds those that fall
 * into its range of places to sums in `local`. */
#include "cpu/cpu.h"

#include <string.h>

#define NARROW 64             /* bytes of a slice */
#define NEAR_SUMS (32 * 1024) /* doubles of a tile's sums: 256 KiB stay in the second-level cache */
#define MOST_SCANS 16         /* tiles that each read all indices */

typedef struct scatter {
    bool narrow;
    int64_t places, tiles; /* places of a tile; tiles of one outer slice */
} scatter;

static scatter cut(graph_around z, int64_t count, int64_t size)
{
    scatter s = {.narrow = z.inner * size < NARROW};
    if (!s.narrow) {
        s.places = CPU_TILE_BYTES / (z.inner * size + 1) + 1;
    } else {
        int64_t near = cpu_ceil_div(z.n * z.inner, NEAR_SUMS), shares = cpu_least(count / 4096, 4);
        int64_t tiles = cpu_least(near > shares ? near : shares, MOST_SCANS); /* a few, if there is work for them */
        s.places = cpu_ceil_div(z.n, tiles ? tiles : 1);
    }
    s.places += s.places == 0;
    s.tiles = cpu_ceil_div(z.n, s.places);
    return s;
}

static nilu_status prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)isa;
    const struct ops_scatter *t = n->attr;
    int64_t count = base_count(n->in[1]->shape);
    graph_around z = graph_split(n->out[0].shape, (int)t->axis);
    scatter *s = base_alloc(nl, sizeof *s);
    if (!s)
        return NILU_E_NO_MEMORY;
    *s = cut(z, count, (int64_t)nilu_dtype_size(n->out[0].dtype));
    *job = (cpu_job){.phases = 2, .tiles = {1, z.inner ? z.outer * s->tiles : 0}, .plan = s, .faults = true};
    if (s->narrow)
        job->local = (size_t)(s->places * z.inner) * sizeof(double);
    else
        job->scratch = (size_t)(z.n + 2 + count) * sizeof(int64_t);
    return NILU_OK;
}

static void check_indices(const nilu_call *c, int64_t n)
{
    int64_t place;
    for (int64_t i = 0; i < c->in[1].n; i++)
        cpu_place(c, i, n, &place);
}

/* first[p] .. first[p + 1] - 1 are the positions in order[] of the indices to place p. */
static void sort_indices(const nilu_call *c, int64_t n, int64_t *first, int64_t *order)
{
    int64_t count = c->in[1].n, place;
    memset(first, 0, (size_t)(n + 2) * sizeof *first);
    for (int64_t i = 0; i < count; i++)
        if (cpu_place(c, i, n, &place))
            first[place + 2]++;
    for (int64_t p = 2; p <= n; p++)
        first[p] += first[p - 1];
    for (int64_t i = 0; i < count; i++) {
        place = cpu_index(&c->in[1], i);
        if (place >= 0 && place < n)
            order[first[place + 1]++] = i;
    }
}

static void add_to_i64(int64_t *sum, int64_t v)
{
    if (__builtin_add_overflow(*sum, v, sum))
        *sum = v > 0 ? INT64_MAX : INT64_MIN;
}

/* ---- wide slices */

/* Types other than f32. */
static void add_any(const nilu_call *c, int64_t z, int64_t x, const int64_t *order, int64_t slices, int64_t inner)
{
    bool real = base_is_float(c->out[0].dtype);
    for (int64_t k = 0; k < inner; k++) {
        double sum = 0;
        int64_t whole = 0;
        for (int64_t s = 0; s < slices; s++)
            if (real)
                sum += call_get(c, 0, x + order[s] * inner + k);
            else
                add_to_i64(&whole, call_get_int(c, 0, x + order[s] * inner + k));
        if (c->out[0].dtype == NILU_I64)
            ((int64_t *)c->out[0].data)[z + k] = whole;
        else
            call_put(c, 0, z + k, real ? sum : (double)whole);
    }
}

static void wide_tile(const nilu_call *c, graph_around z, const scatter *s, int64_t tile)
{
    const int64_t *first = c->scratch, *order = first + z.n + 2;
    int64_t outer = tile / s->tiles, p = tile % s->tiles * s->places, stop = cpu_least(p + s->places, z.n);
    int64_t x = outer * c->in[1].n * z.inner, size = (int64_t)nilu_dtype_size(c->out[0].dtype);
    for (; p < stop; p++) {
        const int64_t *from = order + first[p];
        int64_t slices = first[p + 1] - first[p], to = (outer * z.n + p) * z.inner;
        if (slices == 0)
            memset((char *)c->out[0].data + to * size, 0, (size_t)(z.inner * size));
        else if (c->out[0].dtype == NILU_F32)
            c->isa->numbers->add_slices((float *)c->out[0].data + to, (const float *)c->in[0].data + x, from, slices,
                                        z.inner);
        else
            add_any(c, to, x, from, slices, z.inner);
    }
}

/* ---- narrow slices */

static void add_narrow_f32(const nilu_call *c, const float *x, double *sum, int64_t p, int64_t places, int64_t inner)
{
    int64_t count = c->in[1].n;
    bool wide = c->in[1].dtype == NILU_I64;
    const int64_t *i64 = c->in[1].data;
    const int32_t *i32 = c->in[1].data;
    for (int64_t i = 0; i < count; i++) {
        uint64_t at = (uint64_t)((wide ? i64[i] : i32[i]) - p);
        if (at < (uint64_t)places)
            for (int64_t k = 0; k < inner; k++)
                sum[(int64_t)at * inner + k] += (double)x[i * inner + k];
    }
}

static void add_narrow_any(const nilu_call *c, int64_t x, void *sums, int64_t p, int64_t places, int64_t inner)
{
    bool real = base_is_float(c->out[0].dtype);
    double *sum = sums;
    int64_t *whole = sums;
    for (int64_t i = 0; i < c->in[1].n; i++) {
        int64_t at = cpu_index(&c->in[1], i) - p;
        for (int64_t k = 0; k < inner && at >= 0 && at < places; k++)
            if (real)
                sum[at * inner + k] += call_get(c, 0, x + i * inner + k);
            else
                add_to_i64(&whole[at * inner + k], call_get_int(c, 0, x + i * inner + k));
    }
}

static void narrow_tile(const nilu_call *c, graph_around z, const scatter *s, int64_t tile, void *sums)
{
    nilu_dtype dtype = c->out[0].dtype;
    int64_t outer = tile / s->tiles, p = tile % s->tiles * s->places, places = cpu_least(s->places, z.n - p);
    int64_t x = outer * c->in[1].n * z.inner, to = (outer * z.n + p) * z.inner, n = places * z.inner;
    memset(sums, 0, (size_t)n * sizeof(double));
    if (dtype == NILU_F32)
        add_narrow_f32(c, (const float *)c->in[0].data + x, sums, p, places, z.inner);
    else
        add_narrow_any(c, x, sums, p, places, z.inner);
    if (base_is_float(dtype))
        c->isa->numbers->store[dtype]((char *)c->out[0].data + (size_t)to * nilu_dtype_size(dtype), sums, n);
    else if (dtype == NILU_I64)
        memcpy((int64_t *)c->out[0].data + to, sums, (size_t)n * sizeof(int64_t));
    else
        for (int64_t i = 0; i < n; i++)
            call_put(c, 0, to + i, (double)((const int64_t *)sums)[i]);
}

static nilu_status run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    const struct ops_scatter *t = c->attr;
    const scatter *s = c->plan;
    graph_around z = graph_split(c->out[0].shape, (int)t->axis);
    if (phase == 0 && begin < end) {
        if (s->narrow)
            check_indices(c, z.n);
        else
            sort_indices(c, z.n, c->scratch, (int64_t *)c->scratch + z.n + 2);
    }
    for (int64_t tile = begin; phase == 1 && tile < end; tile++)
        if (s->narrow)
            narrow_tile(c, z, s, tile, local);
        else
            wide_tile(c, z, s, tile);
    return NILU_OK;
}

const cpu_kernel cpu_kernel_scatter_add = {"scatter_add", "scatter_add", cpu_accepts_all, prepare, run};
