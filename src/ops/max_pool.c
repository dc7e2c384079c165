/* max_pool: the largest of each window, channel by channel.
 *     x [n, c, ..]   ->   y [n, c, ..], index [n, c, ..] i32: where in its channel's plane the largest stood
 * Padding counts as nothing, a NaN as more than all. Output 1 is kept for the way back:
 *     δx = scatter_along(δy, index) in each plane       who won owes the error; the first of equals                 */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    nilu_shape y;
    NILU_TRY(ops_pool_shape(b, &y));
    NILU_TRY(ops_need_planes(b));
    NILU_TRY(graph_out(b, 0, b->in[0]->dtype, y));
    return graph_out(b, 1, NILU_I32, y);
}

static void grad(nilu_back *g)
{
    if (!g->need[0])
        return;
    nilu_shape x = g->in[0]->shape, y = g->out[0]->shape;
    int64_t planes = x.dim[0] * x.dim[1];
    nilu_shape lines = NILU_SHAPE(planes, y.dim[2] * (y.rank > 3 ? y.dim[3] : 1));
    nilu_tensor *sum = nilu_scatter_along(nilu_reshape(g->dout[0], lines), nilu_reshape(g->out[1], lines), 1, x.dim[2] * (x.rank > 3 ? x.dim[3] : 1));
    g->din[0] = nilu_reshape(sum, x);
}

static nilu_status ref(const nilu_call *c)
{
    const ops_slide_plan p = ops_pool_plan(c->attr, c->in[0].shape, c->out[0].shape);
    for (int64_t i = 0; i < c->out[0].n; i++) {
        int64_t column = i % p.out[1] * p.stride[1] - p.padding[1], row = i / p.out[1] % p.out[0] * p.stride[0] - p.padding[0];
        int64_t plane = i / (p.out[0] * p.out[1]) * p.in[0] * p.in[1], at = -1;
        double best = 0;
        for (int64_t a = row; a < row + p.kernel[0]; a++)
            for (int64_t b = column; b < column + p.kernel[1]; b++) {
                if (a < 0 || a >= p.in[0] || b < 0 || b >= p.in[1])
                    continue;
                double v = call_get(c, 0, plane + a * p.in[1] + b);
                if (at < 0 || v > best || (v != v && best == best)) {
                    best = v;
                    at = a * p.in[1] + b;
                }
            }
        call_put(c, 0, i, best);
        ((int32_t *)c->out[1].data)[i] = (int32_t)at;
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"a line by hand", "1x1x6", .attr = "kernel=2", .fill = "list 1 3 2 0 -5 -4", .want = "[1, 1, 3] 3 2 -4", .gradient = "0 1 1 0 0 1"},
    {"a picture by hand", "1x1x2x4", .attr = "kernel=2", .fill = "list 1 2 7 6 4 3 5 8", .want = "[1, 1, 1, 2] 4 8"},
    {"windows overlap: a winner owes twice", "1x1x3", .attr = "kernel=2 stride=1", .fill = "list 1 9 2", .want = "[1, 1, 2] 9 9",
     .gradient = "0 2 0"},
    {"padding is nothing, not zero", "1x1x2", .attr = "kernel=2 padding=1", .fill = "list -3 -2", .want = "[1, 1, 2] -3 -2"},
    {"the first of equals", "1x1x2x2", .attr = "kernel=2", .fill = "ones", .want = "[1, 1, 1, 1] 1", .gradient = "1 0 0 0", .kinky = true},
    {"a NaN wins, the first", "1x1x4", .attr = "kernel=4", .fill = "list 1 nan 9 nan", .want = "[1, 1, 1] nan", .gradient = "0 1 0 0", .kinky = true},
    {"minus infinity", "1x1x2", .attr = "kernel=2", .fill = "list -inf -inf", .want = "[1, 1, 1] -inf", .gradient = "1 0", .kinky = true},
    {"pictures", "2x3x6x8", .attr = "kernel=2"},
    {"kernel, stride, padding of their own", "2x2x7x9", .attr = "kernel=3,2 stride=2,3 padding=1,0 after=0,1"},
    {"a tail is left over", "2x2x5x7", .attr = "kernel=2"},
    {"rows longer than a vector", "1x2x6x70", .attr = "kernel=2"},
    {"3x3 at stride 2, padded", "1x3x9x11", .attr = "kernel=3 stride=2 padding=1"},
    {"lines", "3x2x17", .attr = "kernel=3 stride=2"},
    {"no samples", "0x2x4x4", .attr = "kernel=2"},
    {"x is a matrix", "4x5", .attr = "kernel=2", .error = "x must be [samples, channels, length]"},
    {"no kernel", "1x1x4", .error = "kernel is 0, but must be at least 1"},
    {"kernel too large", "1x1x4", .attr = "kernel=5", .error = "the kernel covers 5 places"},
    {"padding as large as the kernel", "1x1x4", .attr = "kernel=2 padding=2", .error = "padding of 2 and 2 around a kernel of 2: some windows would see nothing"},
    {"nothing but padding", "1x1x0", .attr = "kernel=2 padding=1", .error = "x has no places along spatial axis 0"},
    {"a plane too large", "1x1x65536x65536", .attr = "kernel=2", .error = "a plane of x has more than 2^31 places"},
    {"ids", "1x1x4i3", .attr = "kernel=2", .error = "x must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_max_pool = {.name = "max_pool",
                                  .inputs = {"x"},
                                  .attr_size = sizeof(struct ops_pool),
                                  .fields = {NILU_AXIS_LIST(struct ops_pool, kernel), OPS_WINDOW_FIELD(struct ops_pool, stride),
                                             OPS_WINDOW_FIELD(struct ops_pool, padding), OPS_WINDOW_FIELD(struct ops_pool, after)},
                                  .shape = shape,
                                  .grad = grad,
                                  .ref = ref,
                                  .flops = ops_pool_flops,
                                  .cases = cases,
                                  .backward = N_("dx = dy at the first largest of each window, 0 elsewhere")};

nilu_tensor *nilu_max_pool(nilu_tensor *x, nilu_sizes kernel, const nilu_pool_options *options)
{
    struct ops_pool t = ops_pool_attr(kernel, options);
    return graph_node(&nilu_op_max_pool, 1, &x, &t);
}
