/* conv: convolution (cross-correlation, as networks mean it): filters slide over pictures.
 *     x [n, c, ..]   w [o, c / groups, kernel ..]   ->   y [n, o, ..]       one or two spatial axes
 *     y[n, o, p] = Σ_i Σ_k x[n, i, p · stride + k · dilation - padding] · w[o, i, k]        i: channels of o's group
 * With groups = c every channel has filters of its own: a depthwise convolution. conv, conv_transpose and conv_weight are
 * one trilinear form with one factor taken out, so that the three are closed under differentiation.
 * Backward:
 *     δx = conv_transpose(δy, w)      every place collects the error of all windows that it was in
 *     δw = conv_weight(x, δy)         input × error, summed over all places of the window        */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    nilu_shape y;
    NILU_TRY(ops_conv_need(b));
    NILU_TRY(ops_conv_fits(b, b->in[0]->shape, b->in[1]->shape, &y));
    return graph_out(b, 0, b->in[0]->dtype, y);
}

static void grad(nilu_back *g)
{
    nilu_tensor *x = g->in[0], *w = g->in[1], *dy = g->dout[0];
    nilu_conv_options o = ops_conv_options(g->attr);
    if (g->need[0])
        g->din[0] = nilu_conv_transpose(dy, w, ops_spatial(x->shape), &o);
    if (g->need[1])
        g->din[1] = nilu_conv_weight(x, dy, ops_spatial(w->shape), &o);
}

static double window(const nilu_call *c, const ops_slide_plan *p, int64_t n, int64_t o, int64_t top, int64_t left)
{
    const struct ops_conv *t = c->attr;
    const int64_t each = p->channels / p->groups, group = o / (p->filters / p->groups);
    double sum = 0;
    for (int64_t i = 0; i < each; i++)
        for (int64_t a = 0; a < p->kernel[0]; a++)
            for (int64_t b = 0; b < p->kernel[1]; b++) {
                int64_t row = top + a * p->dilation[0], column = left + b * p->dilation[1];
                if (row >= 0 && row < p->in[0] && column >= 0 && column < p->in[1])
                    sum += ops_operand(c, 0, ((n * p->channels + group * each + i) * p->in[0] + row) * p->in[1] + column, t->bf16) *
                           ops_operand(c, 1, ((o * each + i) * p->kernel[0] + a) * p->kernel[1] + b, t->bf16);
            }
    return sum;
}

static nilu_status ref(const nilu_call *c)
{
    const ops_slide_plan p = ops_conv_plan(c->attr, c->in[0].shape, c->in[1].shape, c->out[0].shape);
    int64_t at = 0;
    for (int64_t n = 0; n < p.samples; n++)
        for (int64_t o = 0; o < p.filters; o++)
            for (int64_t row = 0; row < p.out[0]; row++)
                for (int64_t column = 0; column < p.out[1]; column++)
                    call_put(c, 0, at++, window(c, &p, n, o, row * p.stride[0] - p.padding[0], column * p.stride[1] - p.padding[1]));
    return NILU_OK;
}

static double flops(const nilu_node *n)
{
    const ops_slide_plan p = ops_conv_plan(n->attr, n->in[0]->shape, n->in[1]->shape, n->out[0].shape);
    return ops_conv_flops(&p);
}

static const nilu_case cases[] = {
    {"a line by hand", "1x1x4 1x1x2", .fill = "list 1 2 3 4 10 1", .want = "[1, 1, 3] 12 23 34"},
    {"padded by hand", "1x1x3 1x1x3", .attr = "padding=1", .fill = "list 1 2 3 1 10 100", .want = "[1, 1, 3] 210 321 32"},
    {"stride 2 and dilation 2 by hand", "1x1x6 1x1x2", .attr = "stride=2 dilation=2", .fill = "list 1 2 3 4 5 6 10 1",
     .want = "[1, 1, 2] 13 35"},
    {"a picture by hand", "1x1x2x3 1x1x2x2", .fill = "list 1 2 3 4 5 6 1 10 100 1000", .want = "[1, 1, 1, 2] 5421 6532"},
    {"two channels, two filters by hand", "1x2x2 2x2x1", .fill = "list 1 2 3 4 1 10 100 1000", .want = "[1, 2, 2] 31 42 3100 4200"},
    {"depthwise by hand", "1x2x2 2x1x1", .attr = "groups=2", .fill = "list 1 2 3 4 10 100", .want = "[1, 2, 2] 10 20 300 400"},
    {"padded only after", "1x1x2 1x1x2", .attr = "padding=0 after=1", .fill = "list 1 2 1 10", .want = "[1, 1, 2] 21 2"},
    {"pictures", "2x3x5x6 4x3x3x2"},
    {"pictures, padded", "2x2x4x5 3x2x3x3", .attr = "padding=1"},
    {"strides, dilations, paddings of their own", "2x2x7x9 3x2x2x3", .attr = "stride=2,3 dilation=3,2 padding=1,2 after=2,0"},
    {"two groups", "2x4x5x5 6x2x3x3", .attr = "groups=2 padding=1"},
    {"depthwise, two filters each", "2x3x5x4 6x1x3x3", .attr = "groups=3 stride=2 padding=1"},
    {"1x1", "2x5x3x4 7x5x1x1"},
    {"the kernel is the picture", "2x3x4x5 2x3x4x5"},
    {"nothing but padding under some places", "1x2x2x2 2x2x1x1", .attr = "padding=2"},
    {"stride beyond the kernel", "1x2x7x8 3x2x2x2", .attr = "stride=4"},
    {"lines", "3x4x17 5x4x5", .attr = "stride=2 padding=2"},
    {"rows longer than a vector", "1x2x3x40 18x2x3x3", .attr = "padding=1"},
    {"operands rounded to bf16", "1x1x2 1x1x2", .attr = "bf16=1", .fill = "list 1.00390625 3 1 1.01171875", .want = "[1, 1, 1] 4.046875", .kinky = true},
    {"rounded: odd channels, groups, strides", "3x6x7x9 4x3x3x2", .attr = "groups=2 stride=2 padding=1 bf16=1", .kinky = true},
    {"no samples", "0x2x4x4 3x2x2x2"},
    {"no channels: zeros", "1x0x2x2 1x0x2x2", .want = "[1, 1, 1, 1] 0"},
    {"x is a matrix", "4x5 1x1", .error = "x must be [samples, channels, length] or"},
    {"w has too few axes", "1x1x4x4 1x1x2", .error = "x and w must have as many axes"},
    {"channels do not fit", "1x3x4x4 2x4x2x2", .error = "x has 3 channels in each group, but w expects 4"},
    {"groups do not share channels", "1x3x4x4 2x1x2x2", .attr = "groups=2", .error = "x has 3 channels, which 2 groups do not share"},
    {"groups do not share filters", "1x4x4x4 3x2x2x2", .attr = "groups=2", .error = "y has 3 channels, which 2 groups do not share"},
    {"no group", "1x4x4x4 3x4x2x2", .attr = "groups=-1", .error = "there are -1 groups"},
    {"kernel too large", "1x1x4x4 1x1x5x2", .error = "the kernel covers 5 places of spatial axis 0, but with its padding x has only 4"},
    {"dilated kernel too large", "1x1x4x4 1x1x2x3", .attr = "dilation=2147483647", .error = "the kernel covers 2147483648 places"},
    {"kernel empty", "1x1x4x4 1x1x0x2", .error = "the kernel has no places along spatial axis 0"},
    {"stride 0", "1x1x4x4 1x1x2x2", .attr = "stride=0,1", .error = "stride is 0, but must be at least 1"},
    {"padding negative", "1x1x4x4 1x1x2x2", .attr = "padding=-1", .error = "padding is -1, but must be at least 0"},
    {"a stride too many", "1x1x4x4 1x1x2x2", .attr = "stride=1,1,1", .error = "stride has 3 numbers, but there are 2 spatial axes"},
    {"ids", "1x1x4i3 1x1x2", .error = "x must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_conv = {.name = "conv",
                              .inputs = {"x", "w"},
                              .attr_size = sizeof(struct ops_conv),
                              .fields = {OPS_WINDOW(struct ops_conv), OPS_CONV},
                              .shape = shape,
                              .grad = grad,
                              .ref = ref,
                              .flops = flops,
                              .cases = cases,
                              .backward = N_("dx = conv_transpose(dy, w), dw = conv_weight(x, dy)")};

nilu_tensor *nilu_conv(nilu_tensor *x, nilu_tensor *w, const nilu_conv_options *options)
{
    struct ops_conv t = ops_conv_attr(options, (nilu_axes){0});
    return graph_node(&nilu_op_conv, 2, (nilu_tensor *[]){x, w}, &t);
}
