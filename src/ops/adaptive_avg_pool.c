/* adaptive_avg_pool: the mean of windows that share a picture out into `size` parts, whatever its own size.
 *     x [n, c, ..]   ->   y [n, c, size ..]       part i of an axis of n places, of m: from i n / m down to (i + 1) n / m up
 * A composite: avg_pool where the parts are even, else a product with the matrix of shares along each axis.
 * Backward: an even share of the error for everyone in the part.                                      */
#include "ops/ops.h"

struct adaptive {
    nilu_axes size;
};

static nilu_status shape(nilu_build *b)
{
    struct adaptive *t = b->attr;
    nilu_shape y;
    NILU_TRY(ops_resized(b, &t->size, &y));
    return graph_out(b, 0, b->in[0]->dtype, y);
}

typedef struct parts {
    int64_t in, out;
    bool turned; /* [out, in] */
} parts;

static double share(const void *how, int64_t i, int64_t j)
{
    const parts *p = how;
    const ops_span s = ops_adaptive_span(p->in, p->out, p->turned ? i : j);
    const int64_t from = p->turned ? j : i;
    return from >= s.from && from < s.to ? 1.0 / (double)(s.to - s.from) : 0;
}

static nilu_tensor *expand(nilu_build *b)
{
    const struct adaptive *t = b->attr;
    nilu_tensor *x = b->in[0];
    const nilu_shape s = x->shape;
    bool even = true;
    nilu_axes kernel = {.n = t->size.n};
    for (int d = 0; d < t->size.n; d++) {
        even = even && s.dim[2 + d] % t->size.at[d] == 0;
        kernel.at[d] = (int)(s.dim[2 + d] / t->size.at[d]);
    }
    if (even)
        return nilu_avg_pool(x, kernel, NULL);
    const int last = s.rank - 1;
    const parts across = {s.dim[last], t->size.at[last - 2], false}, down = {s.dim[2], t->size.at[0], true};
    nilu_tensor *y = nilu_matmul(x, ops_table(b->g, x->dtype, NILU_SHAPE(across.in, across.out), share, &across));
    if (s.rank == 4 && y)
        y = nilu_matmul(ops_table(b->g, x->dtype, NILU_SHAPE(down.out, down.in), share, &down), y);
    return y;
}

static nilu_status ref(const nilu_call *c)
{
    const nilu_shape s = c->in[0].shape, z = c->out[0].shape;
    const bool flat = s.rank == 3;
    const int64_t h = flat ? 1 : s.dim[2], w = s.dim[s.rank - 1], down = flat ? 1 : z.dim[2], across = z.dim[z.rank - 1];
    for (int64_t i = 0; i < c->out[0].n; i++) {
        const ops_span y = ops_adaptive_span(h, down, i / across % down), x = ops_adaptive_span(w, across, i % across);
        double sum = 0;
        for (int64_t a = y.from; a < y.to; a++)
            for (int64_t d = x.from; d < x.to; d++)
                sum += call_get(c, 0, (i / across / down * h + a) * w + d);
        call_put(c, 0, i, sum / (double)((y.to - y.from) * (x.to - x.from)));
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"even parts by hand", "1x1x4", .attr = "size=2", .fill = "list 1 2 3 6", .want = "[1, 1, 2] 1.5 4.5"},
    {"parts overlap", "1x1x5", .attr = "size=2", .fill = "list 1 2 3 4 5", .want = "[1, 1, 2] 2 4"},
    {"more parts than places", "1x1x2", .attr = "size=3", .fill = "list 1 3", .want = "[1, 1, 3] 1 2 3"},
    {"pictures, uneven", "2x3x5x7", .attr = "size=2,3"},
    {"pictures, even", "2x3x4x6", .attr = "size=2,3"},
    {"all in one", "2x3x4x5", .attr = "size=1"},
    {"lines", "2x3x11", .attr = "size=4"},
    {"no samples", "0x2x5x5", .attr = "size=2"},
    {"no size", "1x1x4", .error = "size is 0, but must be at least 1"},
    {"x is a matrix", "4x5", .attr = "size=2", .error = "x must be [samples, channels, length]"},
    {"x is empty", "1x1x0", .attr = "size=2", .error = "x has no places along spatial axis 0"},
    {0}};

const nilu_op nilu_op_adaptive_avg_pool = {.name = "adaptive_avg_pool",
                                           .inputs = {"x"},
                                           .attr_size = sizeof(struct adaptive),
                                           .fields = {NILU_AXIS_LIST(struct adaptive, size)},
                                           .shape = shape,
                                           .expand = expand,
                                           .ref = ref,
                                           .cases = cases,
                                           .backward = N_("dx = dy / count, for everyone in the part")};

nilu_tensor *nilu_adaptive_avg_pool(nilu_tensor *x, nilu_sizes size)
{
    return graph_node(&nilu_op_adaptive_avg_pool, 1, &x, &(struct adaptive){size});
}
