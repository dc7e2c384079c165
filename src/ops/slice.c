/* slice: every `step`-th of the places start .. stop-1 of one axis.
 *     x [.., n, ..]   ->   z [.., ceil((stop - start) / step), ..]
 * Negative bounds count from the end; what lies beyond an end is taken back to it, as in NumPy.
 * Backward:
 *     δx = δz at the places that were taken, 0 elsewhere                                              */
#include "ops/ops.h"

static int64_t bound(int64_t at, int64_t n)
{
    at = at < 0 ? at + n : at;
    return at < 0 ? 0 : at > n ? n : at;
}

static nilu_status shape(nilu_build *b)
{
    struct ops_slice *t = b->attr;
    nilu_shape out = b->in[0]->shape;
    NILU_TRY(graph_axis(b, "axis", t->axis, out.rank, &t->axis));
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, t->step > 0, N_("step is %lld, but must be at least 1"), (long long)t->step);
    t->start = bound(t->start, out.dim[t->axis]);
    t->stop = bound(t->stop, out.dim[t->axis]);
    if (t->stop < t->start)
        t->stop = t->start;
    out.dim[t->axis] = (t->stop - t->start) / t->step + ((t->stop - t->start) % t->step != 0);
    return graph_out(b, 0, b->in[0]->dtype, out);
}

static void grad(nilu_back *g)
{
    const struct ops_slice *t = g->attr;
    int axis = (int)t->axis;
    int64_t n = g->in[0]->shape.dim[axis], count = g->out[0]->shape.dim[axis];
    if (!g->need[0])
        return;
    if (t->step == 1) {
        g->din[0] = nilu_pad(g->dout[0], axis, t->start, n - t->stop, 0);
        return;
    }
    int64_t *place = graph_alloc(g->g, (size_t)(count + 1) * sizeof *place);
    if (!place)
        return;
    for (int64_t i = 0; i < count; i++)
        place[i] = t->start + i * t->step;
    g->din[0] = nilu_scatter_add(g->dout[0], nilu_constant(g->g, NILU_I64, NILU_SHAPE(count), place), axis, n);
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_slice *t = c->attr;
    graph_around x = graph_split(c->in[0].shape, (int)t->axis), z = graph_split(c->out[0].shape, (int)t->axis);
    for (int64_t o = 0; o < z.outer; o++)
        for (int64_t i = 0; i < z.n; i++)
            ops_copy(c, 0, (o * x.n + t->start + i * t->step) * x.inner, (o * z.n + i) * z.inner, z.inner);
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"by hand", "6", .attr = "axis=0 start=1 stop=4 step=1", .fill = "count", .want = "1 2 3"},
    {"every second", "7", .attr = "axis=0 start=1 stop=7 step=2", .fill = "count", .want = "1 3 5"},
    {"every third to the end", "8", .attr = "axis=0 start=0 stop=9223372036854775807 step=3", .fill = "count", .want = "0 3 6"},
    {"from the end", "6", .attr = "axis=0 start=-3 stop=-1 step=1", .fill = "count", .want = "3 4"},
    {"columns", "2x4", .attr = "axis=1 start=1 stop=3 step=1", .fill = "count", .want = "1 2 5 6"},
    {"rows", "3x2", .attr = "axis=0 start=1 stop=2 step=1", .fill = "count", .want = "2 3"},
    {"last axis by -1", "2x4", .attr = "axis=-1 start=0 stop=4 step=3", .fill = "count", .want = "0 3 4 7"},
    {"all of it", "2x3", .attr = "axis=1 start=0 stop=3 step=1", .fill = "count", .want = "0 1 2 3 4 5"},
    {"beyond both ends", "3", .attr = "axis=0 start=-9 stop=9 step=1", .fill = "count", .want = "0 1 2"},
    {"nothing", "5", .attr = "axis=0 start=3 stop=2 step=1", .want = ""},
    {"middle axis", "3x7x5", .attr = "axis=1 start=2 stop=7 step=2"},
    {"longer than a block", "2x601", .attr = "axis=1 start=10 stop=590 step=1"},
    {"ids", "4i9", .attr = "axis=0 start=1 stop=3 step=1", .fill = "list 1 2 3 4", .want = "2 3"},
    {"bool", "4b", .attr = "axis=0 start=0 stop=4 step=2", .fill = "list 1 0 0 1", .want = "1 0"},
    {"empty", "0x3", .attr = "axis=1 start=1 stop=2 step=1"},
    {"axis out of range", "2x3", .attr = "axis=2 step=1", .error = "axis is 2, but there are 2 axes"},
    {"a scalar has no axis", "s", .attr = "axis=0 step=1", .error = "axis is 0, but there are 0 axes"},
    {"step 0", "3", .attr = "axis=0 stop=3", .error = "step is 0, but must be at least 1"},
    {"backwards", "3", .attr = "axis=0 stop=3 step=-1", .error = "step is -1"},
    {0}};

const nilu_op nilu_op_slice = {.name = "slice",
                               .inputs = {"x"},
                               .attr_size = sizeof(struct ops_slice),
                               .fields = {NILU_INT(struct ops_slice, axis), NILU_INT(struct ops_slice, start),
                                          NILU_INT(struct ops_slice, stop), NILU_INT(struct ops_slice, step)},
                               .shape = shape,
                               .grad = grad,
                               .ref = ref,
                               .flops = ops_no_flops,
                               .cases = cases,
                               .backward = N_("dx = dz where it was taken from, 0 elsewhere")};

nilu_tensor *nilu_slice(nilu_tensor *x, int axis, int64_t start, int64_t stop, int64_t step)
{
    return graph_node(&nilu_op_slice, 1, &x, &(struct ops_slice){axis, start, stop, step});
}
