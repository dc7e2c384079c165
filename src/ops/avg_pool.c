/* avg_pool: the mean of each window, channel by channel.
 *     x [n, c, ..]   ->   y [n, c, ..]       y_p = Σ_k x[p · stride + k - padding] / count_p
 * count_p is how many places of the window lie in the picture; under `counting`, how many there are.
 * Backward:
 *     δx = avg_unpool(δy)       an even share of the error for everyone in the window                  */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    nilu_shape y;
    NILU_TRY(ops_pool_shape(b, &y));
    return graph_out(b, 0, b->in[0]->dtype, y);
}

static void grad(nilu_back *g)
{
    const struct ops_pool *t = g->attr;
    nilu_pool_options o = ops_pool_options(t);
    if (g->need[0])
        g->din[0] = nilu_avg_unpool(g->dout[0], ops_spatial(g->in[0]->shape), t->kernel, &o);
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_pool *t = c->attr;
    const ops_slide_plan p = ops_pool_plan(t, c->in[0].shape, c->out[0].shape);
    for (int64_t i = 0; i < c->out[0].n; i++) {
        int64_t column = i % p.out[1], row = i / p.out[1] % p.out[0], plane = i / (p.out[0] * p.out[1]) * p.in[0] * p.in[1];
        ops_span y = ops_pool_span(&p, 0, row), x = ops_pool_span(&p, 1, column);
        double sum = 0;
        for (int64_t a = y.from; a < y.to; a++)
            for (int64_t b = x.from; b < x.to; b++)
                sum += call_get(c, 0, plane + a * p.in[1] + b);
        call_put(c, 0, i, sum / ops_pool_count(&p, t->counting, y, x));
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"a line by hand", "1x1x6", .attr = "kernel=2", .fill = "list 1 3 2 0 -5 -4", .want = "[1, 1, 3] 2 1 -4.5"},
    {"a picture by hand", "1x1x2x4", .attr = "kernel=2", .fill = "list 1 2 7 6 4 3 5 8", .want = "[1, 1, 1, 2] 2.5 6.5"},
    {"padding does not count", "1x1x2", .attr = "kernel=2 padding=1", .fill = "list -3 -2", .want = "[1, 1, 2] -3 -2"},
    {"padding counts", "1x1x2", .attr = "kernel=2 padding=1 counting=1", .fill = "list -3 -2", .want = "[1, 1, 2] -1.5 -1"},
    {"pictures", "2x3x6x8", .attr = "kernel=2"},
    {"kernel, stride, padding of their own", "2x2x7x9", .attr = "kernel=3,2 stride=2,3 padding=1,0 after=0,1"},
    {"the same, counting", "2x2x7x9", .attr = "kernel=3,2 stride=2,3 padding=1,0 after=0,1 counting=1"},
    {"a tail is left over", "2x2x5x7", .attr = "kernel=2"},
    {"windows overlap", "1x3x5x33", .attr = "kernel=3 stride=1 padding=1"},
    {"lines", "3x2x17", .attr = "kernel=3 stride=2"},
    {"no samples", "0x2x4x4", .attr = "kernel=2"},
    {"kernel too large", "1x1x4", .attr = "kernel=5", .error = "the kernel covers 5 places"},
    {"padding as large as the kernel", "1x1x4", .attr = "kernel=2 padding=2", .error = "some windows would see nothing"},
    {"ids", "1x1x4i3", .attr = "kernel=2", .error = "x must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_avg_pool = {.name = "avg_pool",
                                  .inputs = {"x"},
                                  .attr_size = sizeof(struct ops_pool),
                                  .fields = {NILU_AXIS_LIST(struct ops_pool, kernel), OPS_WINDOW_FIELD(struct ops_pool, stride),
                                             OPS_WINDOW_FIELD(struct ops_pool, padding), OPS_WINDOW_FIELD(struct ops_pool, after),
                                             NILU_FLAG(struct ops_pool, counting)},
                                  .shape = shape,
                                  .grad = grad,
                                  .ref = ref,
                                  .flops = ops_pool_flops,
                                  .cases = cases,
                                  .backward = N_("dx = dy / count, for everyone in the window")};

nilu_tensor *nilu_avg_pool(nilu_tensor *x, nilu_sizes kernel, const nilu_pool_options *options)
{
    struct ops_pool t = ops_pool_attr(kernel, options);
    return graph_node(&nilu_op_avg_pool, 1, &x, &t);
}
