/* adaptive_max_pool: the largest of windows that share a picture out into `size` parts, whatever its own size.
 *     x [n, c, ..]   ->   y [n, c, size ..]       parts as adaptive_avg_pool's
 * A composite: max_pool where the parts are even; else the places of each part are gathered, shorter parts with their last
 * place several times, and the largest taken. The first of equals owes the error, so it does not matter how often one came. */
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
} parts;

static double place(const void *how, int64_t i, int64_t j)
{
    const parts *p = how;
    const ops_span s = ops_adaptive_span(p->in, p->out, i);
    return (double)(s.from + j < s.to ? s.from + j : s.to - 1);
}

/* Axis d of x becomes two: the parts, and the places of each. */
static nilu_tensor *cut(nilu_tensor *x, int d, int64_t in, int64_t out)
{
    const parts p = {in, out};
    int64_t most = 0;
    for (int64_t i = 0; i < out; i++) {
        const ops_span s = ops_adaptive_span(in, out, i);
        most = s.to - s.from > most ? s.to - s.from : most;
    }
    return x ? nilu_gather(x, ops_table(x->node->g, NILU_I32, NILU_SHAPE(out, most), place, &p), d) : NULL;
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
        return nilu_max_pool(x, kernel, NULL);
    x = cut(x, 2, s.dim[2], t->size.at[0]);
    if (s.rank == 3)
        return nilu_max(x, NILU_AXES(3), false);
    return nilu_max(cut(x, 4, s.dim[3], t->size.at[1]), NILU_AXES(3, 5), false);
}

static nilu_status ref(const nilu_call *c)
{
    const nilu_shape s = c->in[0].shape, z = c->out[0].shape;
    const bool flat = s.rank == 3;
    const int64_t h = flat ? 1 : s.dim[2], w = s.dim[s.rank - 1], down = flat ? 1 : z.dim[2], across = z.dim[z.rank - 1];
    for (int64_t i = 0; i < c->out[0].n; i++) {
        const ops_span y = ops_adaptive_span(h, down, i / across % down), x = ops_adaptive_span(w, across, i % across);
        double best = 0;
        for (int64_t a = y.from; a < y.to; a++)
            for (int64_t d = x.from; d < x.to; d++) {
                double v = call_get(c, 0, (i / across / down * h + a) * w + d);
                if ((a == y.from && d == x.from) || v > best || v != v)
                    best = v;
            }
        call_put(c, 0, i, best);
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"even parts by hand", "1x1x4", .attr = "size=2", .fill = "list 1 2 6 3", .want = "[1, 1, 2] 2 6"},
    {"parts overlap: the middle owes twice", "1x1x5", .attr = "size=2", .fill = "list 1 2 9 4 5", .want = "[1, 1, 2] 9 9", .gradient = "0 0 2 0 0"},
    {"a short part's last place owes once", "1x1x3", .attr = "size=2", .fill = "list 1 5 2", .want = "[1, 1, 2] 5 5", .gradient = "0 2 0"},
    {"parts of several lengths", "1x1x7", .attr = "size=4", .fill = "list 1 2 3 4 5 6 7", .want = "[1, 1, 4] 2 4 6 7", .gradient = "0 1 0 1 0 1 1"},
    {"pictures, uneven", "2x3x5x7", .attr = "size=2,3"},
    {"pictures, even", "2x3x4x6", .attr = "size=2,3"},
    {"lines", "2x3x11", .attr = "size=4"},
    {"no size", "1x1x4", .error = "size is 0, but must be at least 1"},
    {"x is empty", "1x1x4x0", .attr = "size=2", .error = "x has no places along spatial axis 1"},
    {0}};

const nilu_op nilu_op_adaptive_max_pool = {.name = "adaptive_max_pool",
                                           .inputs = {"x"},
                                           .attr_size = sizeof(struct adaptive),
                                           .fields = {NILU_AXIS_LIST(struct adaptive, size)},
                                           .shape = shape,
                                           .expand = expand,
                                           .ref = ref,
                                           .cases = cases,
                                           .backward = N_("dx = dy at the first largest of each part, 0 elsewhere")};

nilu_tensor *nilu_adaptive_max_pool(nilu_tensor *x, nilu_sizes size)
{
    return graph_node(&nilu_op_adaptive_max_pool, 1, &x, &(struct adaptive){size});
}
