/* concat: tensors one behind the other along one axis.
 *     x_k [.., n_k, ..]   ->   z [.., Σ n_k, ..]
 * Backward:
 *     δx_k = the slice of δz that x_k became                                                          */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    struct ops_axis *t = b->attr;
    nilu_shape out = b->in[0]->shape;
    NILU_TRY(graph_axis(b, "axis", t->axis, out.rank, &t->axis));
    for (int k = 1; k < b->nin; k++) {
        nilu_shape s = b->in[k]->shape;
        NILU_NEED_AS(b, NILU_E_DTYPE, b->in[k]->dtype == b->in[0]->dtype, N_("the inputs must have one data type; is a cast missing?"));
        NILU_NEED(b, s.rank == out.rank, N_("input %d has %d axes but input 1 has %d; is a reshape missing before it?"), k + 1, s.rank, out.rank);
        for (int d = 0; d < out.rank; d++)
            NILU_NEED(b, d == t->axis || s.dim[d] == out.dim[d], N_("at axis %d input %d has %lld and input 1 has %lld; they must be equal everywhere but at axis %lld"),
                      d, k + 1, (long long)s.dim[d], (long long)out.dim[d], (long long)t->axis);
        out.dim[t->axis] += s.dim[t->axis];
    }
    return graph_out(b, 0, b->in[0]->dtype, out);
}

static void grad(nilu_back *g)
{
    const struct ops_axis *t = g->attr;
    int64_t at = 0;
    for (int k = 0; k < g->nin; k++) {
        int64_t n = g->in[k]->shape.dim[t->axis];
        if (g->need[k])
            g->din[k] = nilu_slice(g->dout[0], (int)t->axis, at, at + n, 1);
        at += n;
    }
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_axis *t = c->attr;
    graph_around z = graph_split(c->out[0].shape, (int)t->axis);
    int64_t at = 0;
    for (int k = 0; k < c->nin; k++) {
        int64_t n = c->in[k].shape.dim[t->axis];
        for (int64_t o = 0; o < z.outer; o++)
            ops_copy(c, k, o * n * z.inner, (o * z.n + at) * z.inner, n * z.inner);
        at += n;
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"by hand", "2 3", .attr = "axis=0", .fill = "list 0 1 2 3 4", .want = "0 1 2 3 4"},
    {"columns by hand", "2x1 2x2", .attr = "axis=1", .fill = "list 0 1 2 3 4 5", .want = "0 2 3 1 4 5"},
    {"rows by hand", "1x2 2x2", .attr = "axis=0", .fill = "list 0 1 2 3 4 5", .want = "0 1 2 3 4 5"},
    {"last axis by -1", "2x1 2x2", .attr = "axis=-1", .fill = "list 0 1 2 3 4 5", .want = "0 2 3 1 4 5"},
    {"one alone", "2x3", .attr = "axis=0", .fill = "count", .want = "0 1 2 3 4 5"},
    {"five of them", "2x3 2x1 2x4 2x1 2x2", .attr = "axis=1"},
    {"middle axis", "3x2x5 3x4x5", .attr = "axis=1"},
    {"longer than a block", "2x301 2x7", .attr = "axis=1"},
    {"one is empty", "2x0 2x3", .attr = "axis=1", .fill = "count", .want = "0 1 2 3 4 5"},
    {"ids", "2i9 1i9", .attr = "axis=0", .fill = "list 1 2 3", .want = "1 2 3"},
    {"bool", "2b 1b", .attr = "axis=0", .fill = "list 1 0 1", .want = "1 0 1"},
    {"two types", "2 2i9", .attr = "axis=0", .error = "one data type"},
    {"other axes differ", "2x3 3x3", .attr = "axis=1", .error = "at axis 0 input 2 has 3 and input 1 has 2"},
    {"other ranks", "2x3 3", .attr = "axis=0", .error = "input 2 has 1 axes but input 1 has 2"},
    {"axis out of range", "2 2", .attr = "axis=1", .error = "axis is 1, but there are 1 axes"},
    {"scalars have no axis", "s s", .attr = "axis=0", .error = "axis is 0, but there are 0 axes"},
    {0}};

const nilu_op nilu_op_concat = {.name = "concat",
                                .variadic = true,
                                .attr_size = sizeof(struct ops_axis),
                                .fields = {NILU_INT(struct ops_axis, axis)},
                                .shape = shape,
                                .grad = grad,
                                .ref = ref,
                                .flops = ops_no_flops,
                                .cases = cases,
                                .backward = N_("dx_k = the slice of dz that x_k became")};

nilu_tensor *nilu_concat(int n, nilu_tensor *const *x, int axis)
{
    return graph_node(&nilu_op_concat, n, x, &(struct ops_axis){axis});
}
