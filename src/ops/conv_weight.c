/* conv_weight: what each place of a kernel owes for: picture × error, summed over all samples and places of the window.
 *     x [n, c, ..]   y [n, o, ..]   ->   w [o, c / groups, kernel ..]
 *     w[o, i, k] = Σ_n Σ_p x[n, i, p · stride + k · dilation - padding] · y[n, o, p]
 * The adjoint of conv in its weights, and so their gradient.
 * Backward, with u the error of w:
 *     δx = conv_transpose(y, u)      δy = conv(x, u)                                               */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    struct ops_conv *t = b->attr;
    const nilu_shape x = b->in[0]->shape, y = b->in[1]->shape;
    nilu_shape w = y, made;
    NILU_TRY(ops_conv_need(b));
    NILU_NEED(b, x.dim[0] == y.dim[0], N_("x has %lld samples, but y has %lld"), (long long)x.dim[0], (long long)y.dim[0]);
    NILU_TRY(ops_fill_size(b, "kernel", &t->size, x.rank - 2));
    w.dim[0] = y.dim[1];
    w.dim[1] = x.dim[1] / t->groups;
    for (int d = 0; d < x.rank - 2; d++)
        w.dim[2 + d] = t->size.at[d];
    NILU_TRY(ops_conv_fits(b, x, w, &made));
    NILU_TRY(ops_conv_same(b, made, y));
    return graph_out(b, 0, b->in[0]->dtype, w);
}

static void grad(nilu_back *g)
{
    nilu_conv_options o = ops_conv_options(g->attr);
    nilu_tensor *x = g->in[0], *y = g->in[1], *u = g->dout[0];
    if (g->need[0])
        g->din[0] = nilu_conv_transpose(y, u, ops_spatial(x->shape), &o);
    if (g->need[1])
        g->din[1] = nilu_conv(x, u, &o);
}

/* Of channel `i` of x and filter `o`, with the window's first place at (a, b) of its kernel. */
static double owed(const nilu_call *c, const ops_slide_plan *p, int64_t i, int64_t o, int64_t a, int64_t b)
{
    const struct ops_conv *t = c->attr;
    double sum = 0;
    for (int64_t n = 0; n < p->samples; n++)
        for (int64_t top = 0; top < p->out[0]; top++)
            for (int64_t left = 0; left < p->out[1]; left++) {
                int64_t row = top * p->stride[0] + a * p->dilation[0] - p->padding[0],
                        column = left * p->stride[1] + b * p->dilation[1] - p->padding[1];
                if (row >= 0 && row < p->in[0] && column >= 0 && column < p->in[1])
                    sum += ops_operand(c, 0, ((n * p->channels + i) * p->in[0] + row) * p->in[1] + column, t->bf16) *
                           ops_operand(c, 1, ((n * p->filters + o) * p->out[0] + top) * p->out[1] + left, t->bf16);
            }
    return sum;
}

static nilu_status ref(const nilu_call *c)
{
    const ops_slide_plan p = ops_conv_plan(c->attr, c->in[0].shape, c->out[0].shape, c->in[1].shape);
    const int64_t each = p.channels / p.groups, many = p.filters / p.groups;
    int64_t at = 0;
    for (int64_t o = 0; o < p.filters; o++)
        for (int64_t i = 0; i < each; i++)
            for (int64_t a = 0; a < p.kernel[0]; a++)
                for (int64_t b = 0; b < p.kernel[1]; b++)
                    call_put(c, 0, at++, owed(c, &p, o / many * each + i, o, a, b));
    return NILU_OK;
}

static double flops(const nilu_node *n)
{
    const ops_slide_plan p = ops_conv_plan(n->attr, n->in[0]->shape, n->out[0].shape, n->in[1]->shape);
    return ops_conv_flops(&p);
}

static const nilu_case cases[] = {
    {"a line by hand", "1x1x4 1x1x3", .attr = "size=2", .fill = "list 1 2 3 4 1 10 100", .want = "[1, 1, 2] 321 432"},
    {"padded by hand", "1x1x3 1x1x3", .attr = "size=3 padding=1", .fill = "list 1 2 3 1 10 100", .want = "[1, 1, 3] 210 321 32"},
    {"two samples by hand", "2x1x2 2x1x1", .attr = "size=2", .fill = "list 1 2 3 4 10 1", .want = "[1, 1, 2] 13 24"},
    {"a picture by hand", "1x1x2x3 1x1x1x2", .attr = "size=2,2", .fill = "list 1 2 3 4 5 6 1 10", .want = "[1, 1, 2, 2] 21 32 54 65"},
    {"depthwise by hand", "1x2x2 1x2x2", .attr = "size=1 groups=2", .fill = "list 1 2 3 4 1 10 100 1000", .want = "[2, 1, 1] 21 4300"},
    {"pictures", "2x3x5x6 2x4x3x5", .attr = "size=3,2"},
    {"strides, dilations, paddings of their own", "2x2x7x9 2x3x4x3", .attr = "size=2,3 stride=2,3 dilation=3,2 padding=1,2 after=2,0"},
    {"two groups", "2x4x5x5 2x6x5x5", .attr = "size=3 groups=2 padding=1"},
    {"depthwise, two filters each", "2x3x5x4 2x6x3x2", .attr = "size=3 groups=3 stride=2 padding=1"},
    {"many samples", "9x2x3x3 9x3x2x2", .attr = "size=2"},
    {"lines", "3x4x17 3x5x9", .attr = "size=5 stride=2 padding=2"},
    {"operands rounded to bf16", "1x1x2 1x1x2", .attr = "size=1 bf16=1", .fill = "list 1.00390625 3 1 1.01171875", .want = "[1, 1, 1] 4.046875",
     .kinky = true},
    {"rounded: odd samples, groups, strides", "5x6x7x9 5x4x4x5", .attr = "size=3,2 groups=2 stride=2 padding=1 bf16=1", .kinky = true},
    {"no samples: zeros", "0x1x2x2 0x1x1x1", .attr = "size=2", .want = "[1, 1, 2, 2] 0 0 0 0"},
    {"samples do not fit", "2x1x4 3x1x3", .attr = "size=2", .error = "x has 2 samples, but y has 3"},
    {"y has another size", "2x1x4 2x1x4", .attr = "size=2", .error = "y must be [2, 1, 3], as the convolution makes it"},
    {"no kernel", "2x1x4 2x1x4", .error = "kernel is 0, but must be at least 1"},
    {"ids", "1x1x4 1x1x3i9", .attr = "size=2", .error = "y must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_conv_weight = {.name = "conv_weight",
                                     .inputs = {"x", "y"},
                                     .attr_size = sizeof(struct ops_conv),
                                     .fields = {OPS_WINDOW(struct ops_conv), NILU_AXIS_LIST(struct ops_conv, size),
                                                OPS_CONV},
                                     .shape = shape,
                                     .grad = grad,
                                     .ref = ref,
                                     .flops = flops,
                                     .cases = cases,
                                     .backward = N_("dx = conv_transpose(y, dw), dy = conv(x, dw)")};

nilu_tensor *nilu_conv_weight(nilu_tensor *x, nilu_tensor *y, nilu_sizes kernel, const nilu_conv_options *options)
{
    struct ops_conv t = ops_conv_attr(options, kernel);
    return graph_node(&nilu_op_conv_weight, 2, (nilu_tensor *[]){x, y}, &t);
}
