/* pad: a value put before and after one axis.
 *     x [.., n, ..]   ->   z [.., before + n + after, ..]
 * Backward:
 *     δx = the slice of δz that x became; the value was given, not learnt                             */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    struct ops_pad *t = b->attr;
    nilu_shape out = b->in[0]->shape;
    NILU_TRY(graph_axis(b, "axis", t->axis, out.rank, &t->axis));
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, t->before >= 0 && t->after >= 0, N_("before is %lld and after is %lld, but neither can be negative; use slice to cut"),
                 (long long)t->before, (long long)t->after);
    int64_t *n = &out.dim[t->axis];
    NILU_NEED(b, !__builtin_add_overflow(*n, t->before, n) && !__builtin_add_overflow(*n, t->after, n), N_("the padded axis is too long"));
    return graph_out(b, 0, b->in[0]->dtype, out);
}

static void grad(nilu_back *g)
{
    const struct ops_pad *t = g->attr;
    if (g->need[0])
        g->din[0] = nilu_slice(g->dout[0], (int)t->axis, t->before, t->before + g->in[0]->shape.dim[t->axis], 1);
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_pad *t = c->attr;
    graph_around x = graph_split(c->in[0].shape, (int)t->axis), z = graph_split(c->out[0].shape, (int)t->axis);
    for (int64_t i = 0; i < c->out[0].n; i++)
        call_put(c, 0, i, t->value);
    for (int64_t o = 0; o < x.outer; o++)
        ops_copy(c, 0, o * x.n * x.inner, (o * z.n + t->before) * z.inner, x.n * x.inner);
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"by hand", "3", .attr = "axis=0 before=1 after=2 value=9", .fill = "count", .want = "9 0 1 2 9 9"},
    {"columns by hand", "2x2", .attr = "axis=1 before=1 after=0 value=-1", .fill = "count", .want = "-1 0 1 -1 2 3"},
    {"rows by hand", "2x2", .attr = "axis=0 before=0 after=1", .fill = "count", .want = "0 1 2 3 0 0"},
    {"last axis by -1", "2x2", .attr = "axis=-1 before=0 after=1", .fill = "count", .want = "0 1 0 2 3 0"},
    {"nothing is added", "2x2", .attr = "axis=0", .fill = "count", .want = "0 1 2 3"},
    {"middle axis", "3x2x5", .attr = "axis=1 before=2 after=3 value=0.5"},
    {"longer than a block", "2x301", .attr = "axis=1 before=17 after=5"},
    {"infinity", "2", .attr = "axis=0 before=1 value=-inf", .fill = "count", .want = "-inf 0 1", .kinky = true},
    {"ids", "2i9", .attr = "axis=0 after=1 value=-100", .fill = "list 1 2", .want = "1 2 -100"},
    {"bool", "1b", .attr = "axis=0 before=1 value=1", .fill = "list 0", .want = "1 0"},
    {"nothing but padding", "0", .attr = "axis=0 after=2 value=3", .want = "3 3"},
    {"axis out of range", "2x3", .attr = "axis=2", .error = "axis is 2, but there are 2 axes"},
    {"negative", "3", .attr = "axis=0 before=-1", .error = "before is -1 and after is 0, but neither can be negative"},
    {"too long", "3", .attr = "axis=0 before=9223372036854775807", .error = "the padded axis is too long"},
    {0}};

const nilu_op nilu_op_pad = {.name = "pad",
                             .inputs = {"x"},
                             .attr_size = sizeof(struct ops_pad),
                             .fields = {NILU_INT(struct ops_pad, axis), NILU_INT(struct ops_pad, before),
                                        NILU_INT(struct ops_pad, after), NILU_REAL(struct ops_pad, value)},
                             .shape = shape,
                             .grad = grad,
                             .ref = ref,
                             .flops = ops_no_flops,
                             .cases = cases,
                             .backward = N_("dx = dz without what was put around it")};

nilu_tensor *nilu_pad(nilu_tensor *x, int axis, int64_t before, int64_t after, double value)
{
    return graph_node(&nilu_op_pad, 1, &x, &(struct ops_pad){axis, before, after, value});
}
