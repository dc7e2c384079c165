/* scatter_add: gather's adjoint: slices of x are added into n places of one axis, 0 before.
 *     x [outer.., index's shape.., inner..]   index [..]   ->   z [outer.., n, inner..]
 * An index that is not below n fails the step. Integers saturate.
 * Backward:
 *     δx = gather of δz: each slice owes what became of the place it was added to                     */
#include "ops/ops.h"

#include <string.h>

static nilu_status shape(nilu_build *b)
{
    struct ops_scatter *t = b->attr;
    nilu_shape x = b->in[0]->shape, index = b->in[1]->shape, out = NILU_SCALAR;
    int rank = x.rank - index.rank + 1; /* of z */
    NILU_TRY(ops_need_index(b, 1));
    NILU_NEED_AS(b, NILU_E_DTYPE, b->in[0]->dtype != NILU_BOOL, N_("x must be numbers, not bool; is a cast missing?"));
    NILU_NEED(b, rank >= 1, N_("x has %d axes and index %d; x must have index's axes among its own"), x.rank, index.rank);
    NILU_TRY(graph_axis(b, "axis", t->axis, rank, &t->axis));
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, t->n >= 0, N_("n is %lld, but cannot be negative"), (long long)t->n);
    for (int d = 0; d < index.rank; d++)
        NILU_NEED(b, x.dim[t->axis + d] == index.dim[d], N_("x has %lld at axis %lld, but index has %lld at its axis %d; from axis on, x has index's shape"),
                  (long long)x.dim[t->axis + d], (long long)t->axis + d, (long long)index.dim[d], d);
    for (int d = 0; d < t->axis; d++)
        out.dim[out.rank++] = x.dim[d];
    out.dim[out.rank++] = t->n;
    for (int d = (int)t->axis + index.rank; d < x.rank; d++)
        out.dim[out.rank++] = x.dim[d];
    return graph_out(b, 0, b->in[0]->dtype, out);
}

static void grad(nilu_back *g)
{
    const struct ops_scatter *t = g->attr;
    if (g->need[0])
        g->din[0] = nilu_gather(g->dout[0], g->in[1], (int)t->axis);
}

/* Sums are collected in doubles, or in whole numbers, in the scratch. */
static size_t ref_scratch(const nilu_node *n)
{
    return (size_t)base_count(n->out[0].shape) * sizeof(double);
}

static void add_whole(int64_t *sum, int64_t v)
{
    if (__builtin_add_overflow(*sum, v, sum))
        *sum = v > 0 ? INT64_MAX : INT64_MIN;
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_scatter *t = c->attr;
    graph_around z = graph_split(c->out[0].shape, (int)t->axis);
    bool is_float = base_is_float(c->out[0].dtype);
    double *sum = c->scratch;
    int64_t *whole = c->scratch, count = c->in[1].n, place;
    memset(c->scratch, 0, (size_t)c->out[0].n * sizeof *sum);
    for (int64_t i = 0; i < count; i++) {
        NILU_TRY(ops_index(c, i, t->n, &place));
        for (int64_t o = 0; o < z.outer; o++)
            for (int64_t k = 0; k < z.inner; k++) {
                int64_t from = (o * count + i) * z.inner + k, to = (o * z.n + place) * z.inner + k;
                if (is_float)
                    sum[to] += call_get(c, 0, from);
                else
                    add_whole(&whole[to], call_get_int(c, 0, from));
            }
    }
    for (int64_t i = 0; i < c->out[0].n; i++)
        if (is_float)
            call_put(c, 0, i, sum[i]);
        else if (c->out[0].dtype == NILU_I64)
            ((int64_t *)c->out[0].data)[i] = whole[i];
        else
            call_put(c, 0, i, (double)whole[i]);
    return NILU_OK;
}

static double flops(const nilu_node *n)
{
    return (double)base_count(n->in[0]->shape);
}

static const nilu_case cases[] = {
    {"rows by hand", "3x2 3i4", .attr = "axis=0 n=4", .fill = "list 1 2 3 4 5 6 2 0 2", .want = "3 4 0 0 6 8 0 0"},
    {"columns by hand", "2x2 2i3", .attr = "axis=1 n=3", .fill = "list 1 2 3 4 2 0", .want = "2 0 1 4 0 3"},
    {"one index", "2 si3", .attr = "axis=0 n=3", .fill = "list 5 6 1", .want = "0 0 5 6 0 0"},
    {"all into one place", "4 4i1", .attr = "axis=0 n=1", .fill = "list 1 2 3 4 0 0 0 0", .want = "10"},
    {"a matrix of indices", "2x4x3 2x4i5", .attr = "axis=0 n=5"},
    {"middle axis", "3x4x2 4i5", .attr = "axis=1 n=5"},
    {"last axis by -1", "3x7 7i5", .attr = "axis=-1 n=5"},
    {"many into few", "301x17 301i3", .attr = "axis=0 n=3"},
    {"integers", "3i9 3i2", .attr = "axis=0 n=2", .fill = "list 7 8 9 1 0 1", .want = "8 16"},
    {"bytes saturate", "2u 2i1", .attr = "axis=0 n=1", .fill = "list 200 100 0 0", .want = "255"},
    {"nothing is added", "0x2 0i3", .attr = "axis=0 n=3", .want = "0 0 0 0 0 0"},
    {"index too large", "2 2i9", .attr = "axis=0 n=3", .fill = "list 1 2 1 3", .fault = "index 1 is 3, but there are 3 places"},
    {"index negative", "2 2i9", .attr = "axis=0 n=3", .fill = "list 1 2 -1 7", .fault = "index 0 is -1"},
    {"no place", "1 1i9", .attr = "axis=0 n=0", .fill = "list 1 0", .fault = "there are 0 places"},
    {"index is float", "3 3", .attr = "axis=0 n=3", .error = "index must be i32 or i64"},
    {"bool", "3b 3i3", .attr = "axis=0 n=3", .error = "x must be numbers, not bool"},
    {"index has too many axes", "3 3x1x2i3", .attr = "axis=0 n=3", .error = "x has 1 axes and index 3"},
    {"index of another length", "3x2 2i3", .attr = "axis=0 n=3", .error = "x has 3 at axis 0, but index has 2 at its axis 0"},
    {"axis out of range", "3x2 3i3", .attr = "axis=2 n=3", .error = "axis is 2, but there are 2 axes"},
    {"n negative", "3 3i3", .attr = "axis=0 n=-1", .error = "n is -1"},
    {0}};

const nilu_op nilu_op_scatter_add = {.name = "scatter_add",
                                     .inputs = {"x", "index"},
                                     .attr_size = sizeof(struct ops_scatter),
                                     .fields = {NILU_INT(struct ops_scatter, axis), NILU_INT(struct ops_scatter, n)},
                                     .shape = shape,
                                     .grad = grad,
                                     .nodiff = {[1] = N_("there is nothing between two indices")},
                                     .ref = ref,
                                     .ref_scratch = ref_scratch,
                                     .flops = flops,
                                     .cases = cases,
                                     .backward = N_("dx = gather(dz, index)")};

nilu_tensor *nilu_scatter_add(nilu_tensor *x, nilu_tensor *index, int axis, int64_t n)
{
    return graph_node(&nilu_op_scatter_add, 2, (nilu_tensor *[]){x, index}, &(struct ops_scatter){axis, n});
}
