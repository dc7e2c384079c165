/* resize: pictures of another size.
 *     x [n, c, ..]   ->   y [n, c, size ..]
 * nearest: place i of m comes from place i n / m, rounded down. linear: from between the two places around
 * (i + 1/2) n / m - 1/2; linear_corners: around i (n - 1) / (m - 1), so that corners stay corners.
 * A composite: along each axis two neighbours are gathered and mixed.
 * Backward: each place collects what was taken from it, in the same shares.                            */
#include "ops/ops.h"

#include <math.h>

struct resize {
    nilu_axes size;
    int64_t how;
};

static nilu_status shape(nilu_build *b)
{
    struct resize *t = b->attr;
    nilu_shape y;
    NILU_TRY(ops_resized(b, &t->size, &y));
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, t->how >= NILU_NEAREST && t->how <= NILU_LINEAR_CORNERS, N_("there is no way %lld to resize"), (long long)t->how);
    return graph_out(b, 0, b->in[0]->dtype, y);
}

typedef struct axis {
    int64_t in, out, how;
} axis;

/* Where place `i` comes from, between places of x. */
static double source(const axis *a, int64_t i)
{
    if (a->how == NILU_NEAREST)
        return (double)(i * a->in / a->out);
    double at = a->how == NILU_LINEAR_CORNERS ? (a->out > 1 ? (double)i * (double)(a->in - 1) / (double)(a->out - 1) : 0)
                                              : ((double)i + 0.5) * (double)a->in / (double)a->out - 0.5;
    return fmin(fmax(at, 0), (double)(a->in - 1));
}

static double first(const void *how, int64_t i, int64_t j)
{
    (void)j;
    return floor(source(how, i));
}

static double second(const void *how, int64_t i, int64_t j)
{
    return fmin(first(how, i, j) + 1, (double)(((const axis *)how)->in - 1));
}

static double share(const void *how, int64_t i, int64_t j)
{
    return source(how, i) - first(how, i, j);
}

static nilu_tensor *along(nilu_tensor *x, int d, const axis *a)
{
    nilu_graph *g = x->node->g;
    nilu_tensor *low = nilu_gather(x, ops_table(g, NILU_I32, NILU_SHAPE(a->out), first, a), d);
    if (a->how == NILU_NEAREST)
        return low;
    nilu_shape column = {.rank = x->shape.rank - d};
    for (int k = 0; k < column.rank; k++)
        column.dim[k] = k ? 1 : a->out;
    nilu_tensor *high = nilu_gather(x, ops_table(g, NILU_I32, NILU_SHAPE(a->out), second, a), d);
    return nilu_add(low, nilu_mul(nilu_sub(high, low), ops_table(g, x->dtype, column, share, a)));
}

static nilu_tensor *expand(nilu_build *b)
{
    const struct resize *t = b->attr;
    nilu_tensor *x = b->in[0], *y = x;
    for (int d = 0; d < t->size.n && y; d++) {
        const axis a = {x->shape.dim[2 + d], t->size.at[d], t->how};
        if (a.in != a.out)
            y = along(y, 2 + d, &a);
    }
    return y == x ? nilu_reshape(x, x->shape) : y;
}

static nilu_status ref(const nilu_call *c)
{
    const struct resize *t = c->attr;
    const nilu_shape s = c->in[0].shape, z = c->out[0].shape;
    const int last = s.rank - 1;
    const axis across = {s.dim[last], z.dim[last], t->how}, down = {s.rank == 3 ? 1 : s.dim[2], s.rank == 3 ? 1 : z.dim[2], t->how};
    for (int64_t i = 0; i < c->out[0].n; i++) {
        const int64_t plane = i / across.out / down.out * down.in * across.in;
        double y = source(&down, i / across.out % down.out), x = source(&across, i % across.out), sum = 0;
        for (int a = 0; a < 2; a++)
            for (int e = 0; e < 2; e++) {
                double row = fmin(floor(y) + a, (double)(down.in - 1)), column = fmin(floor(x) + e, (double)(across.in - 1));
                double part = (a ? y - floor(y) : 1 - (y - floor(y))) * (e ? x - floor(x) : 1 - (x - floor(x)));
                if (part != 0)
                    sum += part * call_get(c, 0, plane + (int64_t)row * across.in + (int64_t)column);
            }
        call_put(c, 0, i, sum);
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"nearest by hand", "1x1x2x2", .attr = "size=4,2", .fill = "list 1 2 3 4", .want = "[1, 1, 4, 2] 1 2 1 2 3 4 3 4"},
    {"nearest, smaller", "1x1x5", .attr = "size=2", .fill = "list 1 2 3 4 5", .want = "[1, 1, 2] 1 3"},
    {"linear by hand", "1x1x2", .attr = "size=4 how=1", .fill = "list 0 4", .want = "[1, 1, 4] 0 1 3 4"},
    {"linear, corners by hand", "1x1x2", .attr = "size=5 how=2", .fill = "list 0 4", .want = "[1, 1, 5] 0 1 2 3 4"},
    {"corners of one place", "1x1x3", .attr = "size=1 how=2", .fill = "list 7 8 9", .want = "[1, 1, 1] 7"},
    {"linear of a picture by hand", "1x1x2x2", .attr = "size=3 how=2", .fill = "list 0 2 4 6", .want = "[1, 1, 3, 3] 0 1 2 2 3 4 4 5 6"},
    {"the same size", "1x2x3x2", .attr = "size=3,2 how=1"},
    {"nearest, pictures", "2x2x3x5", .attr = "size=7,4"},
    {"linear, pictures", "2x2x3x5", .attr = "size=7,4 how=1"},
    {"linear, corners, pictures", "2x2x3x5", .attr = "size=7,4 how=2"},
    {"one place everywhere", "1x2x1x1", .attr = "size=3 how=1"},
    {"no size", "1x1x4", .error = "size is 0, but must be at least 1"},
    {"no such way", "1x1x4", .attr = "size=2 how=3", .error = "there is no way 3 to resize"},
    {"x is empty", "1x1x0", .attr = "size=2", .error = "x has no places along spatial axis 0"},
    {"a plane too large", "1x1x65536x65536", .attr = "size=2", .error = "a plane of x has more than 2^31 places"},
    {0}};

const nilu_op nilu_op_resize = {.name = "resize",
                                .inputs = {"x"},
                                .attr_size = sizeof(struct resize),
                                .fields = {NILU_AXIS_LIST(struct resize, size), NILU_INT(struct resize, how)},
                                .shape = shape,
                                .expand = expand,
                                .ref = ref,
                                .cases = cases,
                                .backward = N_("dx = what was taken from each place, in the same shares")};

nilu_tensor *nilu_resize(nilu_tensor *x, nilu_sizes size, nilu_resize_how how)
{
    return graph_node(&nilu_op_resize, 1, &x, &(struct resize){size, (int64_t)how});
}
