/* reshape: the same numbers in the same order, read with other dimensions.
 *     x [..]   ->   z shape; one dimension may be -1: what is left
 * Backward:
 *     δx = δz, reshaped back                                                                          */
#include "ops/ops.h"

struct reshape {
    nilu_shape shape;
};

static nilu_status shape(nilu_build *b)
{
    struct reshape *t = b->attr;
    int64_t count = base_count(b->in[0]->shape), known = 1;
    int open = -1;
    if (t->shape.rank < 0 || t->shape.rank > NILU_MAX_RANK)
        return graph_out(b, 0, b->in[0]->dtype, t->shape); /* which refuses it */
    for (int d = 0; d < t->shape.rank; d++) {
        int64_t n = t->shape.dim[d];
        NILU_NEED_AS(b, NILU_E_ATTRIBUTE, n >= -1, N_("dimension %d is %lld; give 0 or more, or -1 for what is left"), d, (long long)n);
        NILU_NEED_AS(b, NILU_E_ATTRIBUTE, n != -1 || open < 0, N_("two dimensions are -1; only one can be what is left"));
        if (n == -1)
            open = d;
        else
            NILU_NEED(b, !__builtin_mul_overflow(known, n, &known), N_("the shape has too many elements"));
    }
    if (open >= 0) {
        NILU_NEED(b, known > 0 && count % known == 0, N_("%lld elements cannot be cut into pieces of %lld"), (long long)count, (long long)known);
        t->shape.dim[open] = count / known;
        known = count;
    }
    NILU_NEED(b, known == count, N_("x has %lld elements but the shape has %lld"), (long long)count, (long long)known);
    for (int d = t->shape.rank; d < NILU_MAX_RANK; d++)
        t->shape.dim[d] = 0;
    return graph_out(b, 0, b->in[0]->dtype, t->shape);
}

static void grad(nilu_back *g)
{
    if (g->need[0])
        g->din[0] = nilu_reshape(g->dout[0], g->in[0]->shape);
}

static nilu_status ref(const nilu_call *c)
{
    ops_copy(c, 0, 0, 0, c->out[0].n);
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"by hand", "2x3", .attr = "shape=3,2", .fill = "count", .want = "0 1 2 3 4 5"},
    {"what is left", "2x6", .attr = "shape=3,-1", .fill = "count", .want = "0 1 2 3 4 5 6 7 8 9 10 11"},
    {"to a vector", "2x3x4", .attr = "shape=-1"},
    {"to a scalar", "1x1", .fill = "list 7", .want = "7"},
    {"from a scalar", "s", .attr = "shape=1,1,1", .fill = "list 7", .want = "7"},
    {"ids", "4i9", .attr = "shape=2,2", .fill = "list 1 2 3 4", .want = "1 2 3 4"},
    {"bool", "4b", .attr = "shape=2,2", .fill = "list 0 1 1 0", .want = "0 1 1 0"},
    {"bytes", "4u", .attr = "shape=2,-1", .fill = "list 0 255 3 4", .want = "0 255 3 4"},
    {"empty", "0x3", .attr = "shape=3,0"},
    {"elements are lost", "2x3", .attr = "shape=2,2", .error = "x has 6 elements but the shape has 4"},
    {"not a multiple", "2x3", .attr = "shape=4,-1", .error = "6 elements cannot be cut into pieces of 4"},
    {"nothing is left", "0x3", .attr = "shape=0,-1", .error = "cannot be cut into pieces of 0"},
    {"two open", "2x3", .attr = "shape=-1,-1", .error = "two dimensions are -1"},
    {"negative", "2x3", .attr = "shape=-2,3", .error = "dimension 0 is -2"},
    {"more than can be counted", "2x3", .attr = "shape=4000000000,4000000000", .error = "too many elements"},
    {0}};

const nilu_op nilu_op_reshape = {.name = "reshape",
                                 .inputs = {"x"},
                                 .view = true,
                                 .attr_size = sizeof(struct reshape),
                                 .fields = {NILU_DIMS(struct reshape, shape)},
                                 .shape = shape,
                                 .grad = grad,
                                 .ref = ref,
                                 .flops = ops_no_flops,
                                 .cases = cases,
                                 .backward = N_("dx = dz, reshaped back")};

nilu_tensor *nilu_reshape(nilu_tensor *x, nilu_shape dims)
{
    return graph_node(&nilu_op_reshape, 1, &x, &(struct reshape){dims});
}
