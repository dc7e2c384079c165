/* broadcast_to: x repeated along the axes that it lacks or has as 1.
 *     x [..]   ->   z shape, by NumPy's rule
 * Backward:
 *     δx = Σ δz over what was spread: the errors of all copies add up                                 */
#include "ops/ops.h"

struct broadcast_to {
    nilu_shape shape;
};

static nilu_status shape(nilu_build *b)
{
    struct broadcast_to *t = b->attr;
    nilu_shape x = b->in[0]->shape;
    char dims[BASE_SHAPE_TEXT];
    bool fits = t->shape.rank >= x.rank;
    if (t->shape.rank < 0 || t->shape.rank > NILU_MAX_RANK)
        return graph_out(b, 0, b->in[0]->dtype, t->shape); /* which refuses it */
    for (int d = 0; fits && d < x.rank; d++) {
        int64_t n = t->shape.dim[d + t->shape.rank - x.rank];
        fits = x.dim[d] == n || x.dim[d] == 1;
    }
    NILU_NEED(b, fits, N_("x does not broadcast to %s; axes are matched from the last, and 1 fits all"), base_shape_text(t->shape, dims));
    for (int d = t->shape.rank; d < NILU_MAX_RANK; d++)
        t->shape.dim[d] = 0;
    return graph_out(b, 0, b->in[0]->dtype, t->shape);
}

static void grad(nilu_back *g)
{
    if (g->need[0])
        g->din[0] = ops_sum_to(g->dout[0], g->in[0]->shape);
}

static nilu_status ref(const nilu_call *c)
{
    nilu_shape z = c->out[0].shape;
    int64_t stride[NILU_MAX_RANK];
    ops_strides(c->in[0].shape, z, stride);
    for (int64_t i = 0; i < c->out[0].n; i++) {
        int64_t from = 0;
        for (int64_t d = z.rank - 1, rest = i; d >= 0; rest /= z.dim[d], d--)
            from += rest % z.dim[d] * stride[d];
        ops_copy(c, 0, from, i, 1);
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"a row by hand", "3", .attr = "shape=2,3", .fill = "count", .want = "0 1 2 0 1 2"},
    {"a column by hand", "2x1", .attr = "shape=2,3", .fill = "count", .want = "0 0 0 1 1 1"},
    {"a scalar", "s", .attr = "shape=2,2", .fill = "list 7", .want = "7 7 7 7"},
    {"both ends", "2x1x3x1", .attr = "shape=2,4,3,5"},
    {"as it is", "2x3", .attr = "shape=2,3", .fill = "count", .want = "0 1 2 3 4 5"},
    {"longer than a block", "301", .attr = "shape=3,301"},
    {"ids", "2i9", .attr = "shape=2,2", .fill = "list 1 2", .want = "1 2 1 2"},
    {"bool", "2x1b", .attr = "shape=2,2", .fill = "list 0 1", .want = "0 0 1 1"},
    {"to nothing", "1x3", .attr = "shape=0,3"},
    {"does not fit", "2", .attr = "shape=2,3", .error = "x does not broadcast to [2, 3]"},
    {"fewer axes", "2x3", .attr = "shape=3", .error = "x does not broadcast to [3]"},
    {0}};

const nilu_op nilu_op_broadcast_to = {.name = "broadcast_to",
                                      .inputs = {"x"},
                                      .attr_size = sizeof(struct broadcast_to),
                                      .fields = {NILU_DIMS(struct broadcast_to, shape)},
                                      .shape = shape,
                                      .grad = grad,
                                      .ref = ref,
                                      .flops = ops_no_flops,
                                      .cases = cases,
                                      .backward = N_("dx = dz, summed over what was spread")};

nilu_tensor *nilu_broadcast_to(nilu_tensor *x, nilu_shape dims)
{
    return graph_node(&nilu_op_broadcast_to, 1, &x, &(struct broadcast_to){dims});
}
