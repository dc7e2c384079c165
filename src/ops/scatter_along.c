/* scatter_along: take_along's adjoint: every line of x along one axis is added into n places, 0 before, that its own line of
 * indices names.
 *     x [.., m, ..]   index [.., m, ..]   ->   z [.., n, ..]       z[a, index[a, j, b], b] += x[a, j, b]
 * An index that is not below n fails the step.
 * Backward:
 *     δx = take_along of δz: each element owes what became of the place it was added to               */
#include "ops/ops.h"

#include <string.h>

static nilu_status shape(nilu_build *b)
{
    struct ops_scatter *t = b->attr;
    nilu_shape x = b->in[0]->shape, index = b->in[1]->shape;
    NILU_TRY(ops_need_index(b, 1));
    NILU_NEED_AS(b, NILU_E_DTYPE, base_is_float(b->in[0]->dtype), N_("x must be f32, f64 or bf16; is a cast missing?"));
    NILU_TRY(graph_axis(b, "axis", t->axis, x.rank, &t->axis));
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, t->n >= 0, N_("n is %lld, but cannot be negative"), (long long)t->n);
    NILU_NEED(b, base_same_shape(x, index), N_("index must have x's shape: a place for each element"));
    x.dim[t->axis] = t->n;
    return graph_out(b, 0, b->in[0]->dtype, x);
}

static void grad(nilu_back *g)
{
    const struct ops_scatter *t = g->attr;
    if (g->need[0])
        g->din[0] = nilu_take_along(g->dout[0], g->in[1], (int)t->axis);
}

static size_t ref_scratch(const nilu_node *n) /* sums are collected in doubles */
{
    return (size_t)base_count(n->out[0].shape) * sizeof(double);
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_scatter *t = c->attr;
    graph_around x = graph_split(c->in[0].shape, (int)t->axis), z = graph_split(c->out[0].shape, (int)t->axis);
    double *sum = c->scratch;
    int64_t place;
    memset(c->scratch, 0, (size_t)c->out[0].n * sizeof *sum);
    for (int64_t i = 0; i < c->in[0].n; i++) {
        NILU_TRY(ops_index(c, i, t->n, &place));
        sum[(i / (x.n * x.inner) * z.n + place) * z.inner + i % z.inner] += call_get(c, 0, i);
    }
    for (int64_t i = 0; i < c->out[0].n; i++)
        call_put(c, 0, i, sum[i]);
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"rows by hand", "2x2 2x2i3", .attr = "axis=1 n=3", .fill = "list 1 2 3 4 2 0 1 1", .want = "[2, 3] 2 0 1 0 7 0"},
    {"columns by hand", "2x2 2x2i3", .attr = "axis=0 n=3", .fill = "list 1 2 3 4 2 0 2 1", .want = "[3, 2] 0 2 0 4 4 0"},
    {"middle axis", "2x5x3 2x5x3i4", .attr = "axis=1 n=4"},
    {"last axis by -1", "3x7 3x7i5", .attr = "axis=-1 n=5"},
    {"longer than a block", "3x290 3x290i301", .attr = "axis=1 n=301"},
    {"nothing is added", "0x2 0x2i3", .attr = "axis=0 n=2", .want = "[2, 2] 0 0 0 0"},
    {"no places, nothing to add", "0x2 0x2i3", .attr = "axis=0 n=0"},
    {"index too large", "1x2 1x2i9", .attr = "axis=1 n=3", .fill = "list 1 2 1 3", .fault = "index 1 is 3, but there are 3 places"},
    {"index negative", "1x2 1x2i9", .attr = "axis=1 n=3", .fill = "list 1 2 -1 7", .fault = "index 0 is -1, but there are 3 places"},
    {"index is float", "3 3", .attr = "axis=0 n=3", .error = "index must be i32 or i64"},
    {"x is ids", "3i4 3i4", .attr = "axis=0 n=3", .error = "x must be f32, f64 or bf16"},
    {"axis out of range", "3 3i3", .attr = "axis=1 n=3", .error = "axis is 1, but there are 1 axes"},
    {"n negative", "3 3i3", .attr = "axis=0 n=-1", .error = "n is -1, but cannot be negative"},
    {"another shape", "3x2 2x2i3", .attr = "axis=0 n=3", .error = "index must have x's shape"},
    {0}};

const nilu_op nilu_op_scatter_along = {.name = "scatter_along",
                                       .inputs = {"x", "index"},
                                       .attr_size = sizeof(struct ops_scatter),
                                       .fields = {NILU_INT(struct ops_scatter, axis), NILU_INT(struct ops_scatter, n)},
                                       .shape = shape,
                                       .grad = grad,
                                       .nodiff = {[1] = N_("there is nothing between two indices")},
                                       .ref = ref,
                                       .ref_scratch = ref_scratch,
                                       .cases = cases,
                                       .backward = N_("dx = take_along(dz, index)")};

nilu_tensor *nilu_scatter_along(nilu_tensor *x, nilu_tensor *index, int axis, int64_t n)
{
    return graph_node(&nilu_op_scatter_along, 2, (nilu_tensor *[]){x, index}, &(struct ops_scatter){axis, n});
}
