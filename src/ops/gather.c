/* gather: slices of x along one axis, one for each index: a table is looked up.
 *     x [outer.., n, inner..]   index [..]   ->   z [outer.., index's shape.., inner..]
 * An index that is not below n fails the step.
 * Backward:
 *     δx = scatter_add of δz: a slice that was taken several times owes for all of them               */
#include "ops/ops.h"

#include <string.h>

static nilu_status shape(nilu_build *b)
{
    struct ops_axis *t = b->attr;
    nilu_shape x = b->in[0]->shape, index = b->in[1]->shape, out = NILU_SCALAR;
    NILU_TRY(ops_need_index(b, 1));
    NILU_TRY(graph_axis(b, "axis", t->axis, x.rank, &t->axis));
    NILU_NEED(b, x.rank - 1 + index.rank <= NILU_MAX_RANK, N_("the result would have %d axes, but at most %d are possible"), x.rank - 1 + index.rank,
              NILU_MAX_RANK);
    for (int d = 0; d < t->axis; d++)
        out.dim[out.rank++] = x.dim[d];
    for (int d = 0; d < index.rank; d++)
        out.dim[out.rank++] = index.dim[d];
    for (int d = (int)t->axis + 1; d < x.rank; d++)
        out.dim[out.rank++] = x.dim[d];
    return graph_out(b, 0, b->in[0]->dtype, out);
}

static void grad(nilu_back *g)
{
    const struct ops_axis *t = g->attr;
    if (g->need[0])
        g->din[0] = nilu_scatter_add(g->dout[0], g->in[1], (int)t->axis, g->in[0]->shape.dim[t->axis]);
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_axis *t = c->attr;
    graph_around x = graph_split(c->in[0].shape, (int)t->axis);
    int64_t count = c->in[1].n, place;
    for (int64_t i = 0; i < count; i++) {
        NILU_TRY(ops_index(c, i, x.n, &place));
        for (int64_t o = 0; o < x.outer; o++)
            ops_copy(c, 0, (o * x.n + place) * x.inner, (o * count + i) * x.inner, x.inner);
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"rows by hand", "3x2 2i3", .attr = "axis=0", .fill = "list 0 1 2 3 4 5 2 0", .want = "4 5 0 1"},
    {"columns by hand", "2x3 2i3", .attr = "axis=1", .fill = "list 0 1 2 3 4 5 2 0", .want = "2 0 5 3"},
    {"one index takes the axis away", "3x2 si3", .attr = "axis=0", .fill = "list 0 1 2 3 4 5 1", .want = "2 3"},
    {"a row twice", "2x2 3i2", .attr = "axis=0", .fill = "list 1 2 3 4 1 1 0", .want = "3 4 3 4 1 2"},
    {"a matrix of indices", "5x3 2x4i5", .attr = "axis=0"},
    {"middle axis", "3x5x2 4i5", .attr = "axis=1"},
    {"last axis by -1", "3x5 7i5", .attr = "axis=-1"},
    {"many of few", "3x17 301i3", .attr = "axis=0"},
    {"ids", "3i9 2i3", .attr = "axis=0", .fill = "list 7 8 9 2 0", .want = "9 7"},
    {"bool", "3b 2i3", .attr = "axis=0", .fill = "list 1 0 0 2 0", .want = "0 1"},
    {"no index", "3x2 0i3", .attr = "axis=0"},
    {"index too large", "3 2i9", .attr = "axis=0", .fill = "list 1 2 3 1 3", .fault = "index 1 is 3, but there are 3 places"},
    {"index negative", "3 2i9", .attr = "axis=0", .fill = "list 1 2 3 -1 7", .fault = "index 0 is -1, but there are 3 places"},
    {"of nothing", "0x2 1i9", .attr = "axis=0", .fill = "list 0", .fault = "index 0 is 0, but there are 0 places"},
    {"index is float", "3 2", .attr = "axis=0", .error = "index must be i32 or i64"},
    {"axis out of range", "3 2i3", .attr = "axis=1", .error = "axis is 1, but there are 1 axes"},
    {"too many axes", "1x1x1x1x1x2 1x1x1x1i2", .attr = "axis=0", .error = "the result would have 9 axes"},
    {0}};

const nilu_op nilu_op_gather = {.name = "gather",
                                .inputs = {"x", "index"},
                                .attr_size = sizeof(struct ops_axis),
                                .fields = {NILU_INT(struct ops_axis, axis)},
                                .shape = shape,
                                .grad = grad,
                                .nodiff = {[1] = N_("there is nothing between two indices")},
                                .ref = ref,
                                .flops = ops_no_flops,
                                .cases = cases,
                                .backward = N_("dx = scatter_add(dz, index): taken twice, owes twice")};

nilu_tensor *nilu_gather(nilu_tensor *x, nilu_tensor *index, int axis)
{
    return graph_node(&nilu_op_gather, 2, (nilu_tensor *[]){x, index}, &(struct ops_axis){axis});
}
