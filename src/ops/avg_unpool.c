/* avg_unpool: avg_pool's adjoint: each number is shared out evenly over the window it came from.
 *     y [n, c, ..]   ->   x [n, c, size ..]       x_q = Σ y_p / count_p over the windows p that q lies in
 * Backward:
 *     δy = avg_pool(δx)                                                                                */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    struct ops_pool *t = b->attr;
    nilu_shape x = b->in[0]->shape, y = x, made;
    NILU_TRY(ops_need_picture(b, 0));
    NILU_TRY(ops_fill_size(b, "size", &t->size, x.rank - 2));
    for (int d = 0; d < x.rank - 2; d++)
        x.dim[2 + d] = t->size.at[d];
    NILU_TRY(ops_pool_fits(b, x, &made));
    char want[BASE_SHAPE_TEXT];
    NILU_NEED(b, base_same_shape(made, y), N_("y must be %s, as the pool makes it"), base_shape_text(made, want));
    return graph_out(b, 0, b->in[0]->dtype, x);
}

static void grad(nilu_back *g)
{
    const struct ops_pool *t = g->attr;
    nilu_pool_options o = ops_pool_options(t);
    if (g->need[0])
        g->din[0] = nilu_avg_pool(g->dout[0], t->kernel, &o);
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_pool *t = c->attr;
    const ops_slide_plan p = ops_pool_plan(t, c->out[0].shape, c->in[0].shape);
    for (int64_t i = 0; i < c->out[0].n; i++) {
        int64_t column = i % p.in[1], row = i / p.in[1] % p.in[0], plane = i / (p.in[0] * p.in[1]) * p.out[0] * p.out[1];
        double sum = 0;
        for (int64_t a = 0; a < p.out[0]; a++)
            for (int64_t b = 0; b < p.out[1]; b++) {
                ops_span y = ops_pool_span(&p, 0, a), x = ops_pool_span(&p, 1, b);
                if (row >= y.from && row < y.to && column >= x.from && column < x.to)
                    sum += call_get(c, 0, plane + a * p.out[1] + b) / ops_pool_count(&p, t->counting, y, x);
            }
        call_put(c, 0, i, sum);
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"a line by hand", "1x1x2", .attr = "kernel=2 size=5", .fill = "list 2 6", .want = "[1, 1, 5] 1 1 3 3 0"},
    {"windows overlap", "1x1x2", .attr = "kernel=2 stride=1 size=3", .fill = "list 2 6", .want = "[1, 1, 3] 1 4 3"},
    {"padding does not count", "1x1x2", .attr = "kernel=2 padding=1 size=2", .fill = "list 2 6", .want = "[1, 1, 2] 2 6"},
    {"padding counts", "1x1x2", .attr = "kernel=2 padding=1 size=2 counting=1", .fill = "list 2 6", .want = "[1, 1, 2] 1 3"},
    {"pictures", "2x3x3x4", .attr = "kernel=2 size=6,8"},
    {"kernel, stride, padding of their own", "2x2x3x3", .attr = "kernel=3,2 stride=2,3 padding=1,0 after=0,1 size=7,9"},
    {"windows overlap in pictures", "1x3x5x33", .attr = "kernel=3 stride=1 padding=1 size=5,33"},
    {"no samples", "0x2x2x2", .attr = "kernel=2 size=4"},
    {"no size", "1x1x2", .attr = "kernel=2", .error = "size is 0, but must be at least 1"},
    {"not a size of y", "1x1x2", .attr = "kernel=2 size=8", .error = "y must be [1, 1, 4], as the pool makes it"},
    {"ids", "1x1x4i3", .attr = "kernel=2 size=8", .error = "y must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_avg_unpool = {.name = "avg_unpool",
                                    .inputs = {"y"},
                                    .attr_size = sizeof(struct ops_pool),
                                    .fields = {NILU_AXIS_LIST(struct ops_pool, kernel), OPS_WINDOW_FIELD(struct ops_pool, stride),
                                               OPS_WINDOW_FIELD(struct ops_pool, padding), OPS_WINDOW_FIELD(struct ops_pool, after),
                                               NILU_AXIS_LIST(struct ops_pool, size), NILU_FLAG(struct ops_pool, counting)},
                                    .shape = shape,
                                    .grad = grad,
                                    .ref = ref,
                                    .cases = cases,
                                    .backward = N_("dy = the mean of dx over each window")};

nilu_tensor *nilu_avg_unpool(nilu_tensor *y, nilu_sizes size, nilu_sizes kernel, const nilu_pool_options *options)
{
    struct ops_pool t = ops_pool_attr(kernel, options);
    t.size = size;
    return graph_node(&nilu_op_avg_unpool, 1, &y, &t);
}
