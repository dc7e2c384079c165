/* flip: axes run the other way.
 *     x [..]   ->   z [..]       along each of `axes` the last element comes first; NILU_ALL: every axis
 * Backward:
 *     δx = flip(δz)                                                                                   */
#include "ops/ops.h"

struct flip {
    nilu_axes axes;
};

static nilu_status shape(nilu_build *b)
{
    struct flip *t = b->attr;
    NILU_TRY(graph_axes(b, t->axes, b->in[0]->shape.rank, &t->axes));
    return graph_out(b, 0, b->in[0]->dtype, b->in[0]->shape);
}

static void grad(nilu_back *g)
{
    const struct flip *t = g->attr;
    if (g->need[0])
        g->din[0] = nilu_flip(g->dout[0], t->axes);
}

static nilu_status ref(const nilu_call *c)
{
    const struct flip *t = c->attr;
    const nilu_shape s = c->in[0].shape;
    for (int64_t i = 0; i < c->out[0].n; i++) {
        int64_t from = 0, step = 1, rest = i;
        for (int d = s.rank - 1; d >= 0; step *= s.dim[d], rest /= s.dim[d], d--) {
            int64_t at = rest % s.dim[d];
            for (int k = 0; k < t->axes.n; k++)
                at = t->axes.at[k] == d ? s.dim[d] - 1 - at : at;
            from += at * step;
        }
        ops_copy(c, 0, from, i, 1);
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"a vector by hand", "4", .attr = "axes=0", .fill = "count", .want = "3 2 1 0"},
    {"rows by hand", "2x3", .attr = "axes=0", .fill = "count", .want = "3 4 5 0 1 2"},
    {"columns by hand", "2x3", .attr = "axes=-1", .fill = "count", .want = "2 1 0 5 4 3"},
    {"every axis", "2x3", .fill = "count", .want = "5 4 3 2 1 0"},
    {"a scalar", "s", .fill = "list 7", .want = "7"},
    {"outer and inner axis", "3x4x5", .attr = "axes=0,2"},
    {"middle axis", "3x4x5", .attr = "axes=1"},
    {"longer than a block", "2x301", .attr = "axes=1"},
    {"ids", "3i9", .attr = "axes=0", .fill = "list 7 8 9", .want = "9 8 7"},
    {"bool", "2b", .attr = "axes=0", .fill = "list 1 0", .want = "0 1"},
    {"empty", "0x3", .attr = "axes=0"},
    {"axis out of range", "2x3", .attr = "axes=2", .error = "axis is 2, but there are 2 axes"},
    {"axis named twice", "2x3", .attr = "axes=1,1", .error = "axis 1 is named twice"},
    {0}};

const nilu_op nilu_op_flip = {.name = "flip",
                              .inputs = {"x"},
                              .attr_size = sizeof(struct flip),
                              .fields = {NILU_AXIS_LIST(struct flip, axes)},
                              .shape = shape,
                              .grad = grad,
                              .ref = ref,
                              .flops = ops_no_flops,
                              .cases = cases,
                              .backward = N_("dx = flip(dz)")};

nilu_tensor *nilu_flip(nilu_tensor *x, nilu_axes axes)
{
    return graph_node(&nilu_op_flip, 1, &x, &(struct flip){axes});
}
