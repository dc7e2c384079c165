/* transpose: the axes in another order.
 *     x [d0, d1, ..]   ->   z [d_axes[0], d_axes[1], ..];   without axes the last two are exchanged
 * Backward:
 *     δx = δz with the axes put back                                                                  */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    struct ops_transpose *t = b->attr;
    nilu_shape x = b->in[0]->shape, out = x;
    bool used[NILU_MAX_RANK] = {false};
    if (t->axes.n == 0) {
        NILU_NEED(b, x.rank >= 2, N_("x has %d axes, but two are needed to exchange them; is a reshape missing before it?"), x.rank);
        for (int d = 0; d < x.rank; d++)
            t->axes.at[t->axes.n++] = d;
        t->axes.at[x.rank - 1] = x.rank - 2;
        t->axes.at[x.rank - 2] = x.rank - 1;
    }
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, t->axes.n == x.rank, N_("%d axes are named, but x has %d; name each once"), t->axes.n, x.rank);
    for (int d = 0; d < x.rank; d++) {
        int64_t axis = 0;
        NILU_TRY(graph_axis(b, "axis", t->axes.at[d], x.rank, &axis));
        NILU_NEED_AS(b, NILU_E_ATTRIBUTE, !used[axis], N_("axis %lld is named twice"), (long long)axis);
        used[axis] = true;
        t->axes.at[d] = (int)axis;
        out.dim[d] = x.dim[axis];
    }
    return graph_out(b, 0, b->in[0]->dtype, out);
}

static void grad(nilu_back *g)
{
    const struct ops_transpose *t = g->attr;
    nilu_axes back = {.n = t->axes.n};
    for (int d = 0; d < t->axes.n; d++)
        back.at[t->axes.at[d]] = d;
    if (g->need[0])
        g->din[0] = nilu_transpose(g->dout[0], back);
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_transpose *t = c->attr;
    nilu_shape x = c->in[0].shape, z = c->out[0].shape;
    int64_t stride[NILU_MAX_RANK];
    ops_strides(x, x, stride);
    for (int64_t i = 0; i < c->out[0].n; i++) {
        int64_t from = 0;
        for (int64_t d = z.rank - 1, rest = i; d >= 0; rest /= z.dim[d], d--)
            from += rest % z.dim[d] * stride[t->axes.at[d]];
        ops_copy(c, 0, from, i, 1);
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"by hand", "2x3", .fill = "count", .want = "0 3 1 4 2 5"},
    {"by hand, three axes turned", "2x2x3", .attr = "axes=2,0,1", .fill = "count", .want = "0 3 6 9 1 4 7 10 2 5 8 11"},
    {"the last two of three", "2x2x3", .fill = "count", .want = "0 3 1 4 2 5 6 9 7 10 8 11"},
    {"axes from the end", "2x3", .attr = "axes=-1,-2", .fill = "count", .want = "0 3 1 4 2 5"},
    {"nothing moves", "2x3", .attr = "axes=0,1", .fill = "count", .want = "0 1 2 3 4 5"},
    {"a vector stays", "5", .attr = "axes=0"},
    {"tails", "17x19"},
    {"four axes", "2x3x4x5", .attr = "axes=3,1,0,2"},
    {"eight axes", "2x1x3x1x2x1x2x3", .attr = "axes=7,6,5,4,3,2,1,0"},
    {"longer than a block", "3x301"},
    {"ids", "2x3i9", .fill = "list 1 2 3 4 5 6", .want = "1 4 2 5 3 6"},
    {"bool", "2x2b", .fill = "list 0 1 0 0", .want = "0 0 1 0"},
    {"bytes", "2x2u", .fill = "list 0 255 3 4", .want = "0 3 255 4"},
    {"empty", "0x3"},
    {"a vector has no two axes", "5", .error = "x has 1 axes, but two are needed"},
    {"too few axes", "2x3x4", .attr = "axes=0,1", .error = "2 axes are named, but x has 3"},
    {"axis named twice", "2x3", .attr = "axes=0,-2", .error = "axis 0 is named twice"},
    {"axis out of range", "2x3", .attr = "axes=0,2", .error = "axis is 2, but there are 2 axes"},
    {0}};

const nilu_op nilu_op_transpose = {.name = "transpose",
                                   .inputs = {"x"},
                                   .attr_size = sizeof(struct ops_transpose),
                                   .fields = {NILU_AXIS_LIST(struct ops_transpose, axes)},
                                   .shape = shape,
                                   .grad = grad,
                                   .ref = ref,
                                   .flops = ops_no_flops,
                                   .cases = cases,
                                   .backward = N_("dx = dz, its axes put back")};

nilu_tensor *nilu_transpose(nilu_tensor *x, nilu_axes axes)
{
    return graph_node(&nilu_op_transpose, 1, &x, &(struct ops_transpose){axes});
}
