/* take_along: from every line of x along one axis, the elements that its own line of indices names.
 *     x [.., n, ..]   index [.., m, ..]   ->   z [.., m, ..]       z[a, j, b] = x[a, index[a, j, b], b]
 * An index that is not below n fails the step.
 * Backward:
 *     δx = scatter_along of δz: an element that was taken several times owes for all of them          */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    struct ops_axis *t = b->attr;
    nilu_shape x = b->in[0]->shape, index = b->in[1]->shape;
    NILU_TRY(ops_need_index(b, 1));
    NILU_TRY(graph_axis(b, "axis", t->axis, x.rank, &t->axis));
    NILU_TRY(ops_need_lines(b, (int)t->axis));
    x.dim[t->axis] = index.dim[t->axis];
    return graph_out(b, 0, b->in[0]->dtype, x);
}

static void grad(nilu_back *g)
{
    const struct ops_axis *t = g->attr;
    if (g->need[0])
        g->din[0] = nilu_scatter_along(g->dout[0], g->in[1], (int)t->axis, g->in[0]->shape.dim[t->axis]);
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_axis *t = c->attr;
    graph_around x = graph_split(c->in[0].shape, (int)t->axis), z = graph_split(c->out[0].shape, (int)t->axis);
    int64_t place;
    for (int64_t i = 0; i < c->out[0].n; i++) {
        NILU_TRY(ops_index(c, i, x.n, &place));
        ops_copy(c, 0, (i / (z.n * z.inner) * x.n + place) * x.inner + i % x.inner, i, 1);
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"rows by hand", "2x3 2x2i3", .attr = "axis=1", .fill = "list 1 2 3 4 5 6 2 0 1 1", .want = "[2, 2] 3 1 5 5"},
    {"columns by hand", "2x3 1x3i2", .attr = "axis=0", .fill = "list 1 2 3 4 5 6 1 0 1", .want = "[1, 3] 4 2 6"},
    {"middle axis", "2x4x3 2x5x3i4", .attr = "axis=1"},
    {"last axis by -1", "3x5 3x7i5", .attr = "axis=-1"},
    {"longer than a block", "3x301 3x290i301", .attr = "axis=1"},
    {"ids", "3i9 2i3", .attr = "axis=0", .fill = "list 7 8 9 2 0", .want = "9 7"},
    {"bool", "3b 2i3", .attr = "axis=0", .fill = "list 1 0 0 2 0", .want = "0 1"},
    {"no index", "3x2 0x2i3", .attr = "axis=0"},
    {"index too large", "1x3 1x2i9", .attr = "axis=1", .fill = "list 1 2 3 1 3", .fault = "index 1 is 3, but there are 3 places"},
    {"index negative", "1x3 1x2i9", .attr = "axis=1", .fill = "list 1 2 3 -1 7", .fault = "index 0 is -1, but there are 3 places"},
    {"index is float", "3 2", .attr = "axis=0", .error = "index must be i32 or i64"},
    {"axis out of range", "3 2i3", .attr = "axis=1", .error = "axis is 1, but there are 1 axes"},
    {"index has fewer axes", "3x2 2i3", .attr = "axis=0", .error = "index has 1 axes and x 2; both need as many"},
    {"another number of lines", "3x2 3x4i3", .attr = "axis=0", .error = "at axis 1 x has 2 and index 4; they may differ along axis 0 alone"},
    {0}};

const nilu_op nilu_op_take_along = {.name = "take_along",
                                    .inputs = {"x", "index"},
                                    .attr_size = sizeof(struct ops_axis),
                                    .fields = {NILU_INT(struct ops_axis, axis)},
                                    .shape = shape,
                                    .grad = grad,
                                    .nodiff = {[1] = N_("there is nothing between two indices")},
                                    .ref = ref,
                                    .flops = ops_no_flops,
                                    .cases = cases,
                                    .backward = N_("dx = scatter_along(dz, index): taken twice, owes twice")};

nilu_tensor *nilu_take_along(nilu_tensor *x, nilu_tensor *index, int axis)
{
    return graph_node(&nilu_op_take_along, 2, (nilu_tensor *[]){x, index}, &(struct ops_axis){axis});
}
