/* conv_transpose: convolution the other way: what each place of y said is spread over the window it looked at.
 *     y [n, o, ..]   w [o, c / groups, kernel ..]   ->   x [n, c, size ..]
 *     x[n, i, q] = Σ_o Σ_k y[n, o, p] · w[o, i, k]     over the p with p · stride + k · dilation - padding = q
 * It is the adjoint of conv, and so its way back; as a layer of its own it makes pictures larger. `size` must be one that
 * conv turns into y's; where it is not said it is the smallest of them.
 * Backward, with u the error of x:
 *     δy = conv(u, w)      δw = conv_weight(u, y)                                                  */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    struct ops_conv *t = b->attr;
    const nilu_shape y = b->in[0]->shape, w = b->in[1]->shape;
    nilu_shape x = y, made;
    NILU_TRY(ops_conv_need(b));
    NILU_NEED(b, y.dim[1] == w.dim[0], N_("y has %lld channels, but w has %lld filters"), (long long)y.dim[1], (long long)w.dim[0]);
    NILU_NEED(b, !__builtin_mul_overflow(w.dim[1], t->groups, &x.dim[1]), N_("there are too many channels"));
    for (int d = 0; t->size.n == 0 && d < y.rank - 2; d++) {
        int64_t most, step = t->window.stride.at[d], far = t->window.dilation.at[d];
        bool over = __builtin_mul_overflow(y.dim[2 + d] - 1, step, &step) || __builtin_mul_overflow(w.dim[2 + d] - 1, far, &far);
        NILU_NEED(b, !over && !__builtin_add_overflow(step, far, &most) && most < INT32_MAX, N_("the picture would be too large"));
        t->size.at[d] = (int)(most + 1 - t->window.padding.at[d] - t->window.after.at[d]);
    }
    t->size.n = t->size.n == 0 ? y.rank - 2 : t->size.n;
    NILU_TRY(ops_fill_size(b, "size", &t->size, y.rank - 2));
    for (int d = 0; d < y.rank - 2; d++)
        x.dim[2 + d] = t->size.at[d];
    NILU_TRY(ops_conv_fits(b, x, w, &made));
    NILU_TRY(ops_conv_same(b, made, y));
    return graph_out(b, 0, b->in[0]->dtype, x);
}

static void grad(nilu_back *g)
{
    nilu_conv_options o = ops_conv_options(g->attr);
    nilu_tensor *y = g->in[0], *w = g->in[1], *u = g->dout[0];
    if (g->need[0])
        g->din[0] = nilu_conv(u, w, &o);
    if (g->need[1])
        g->din[1] = nilu_conv_weight(u, y, ops_spatial(w->shape), &o);
}

/* The place of the window whose place number `k` lies at `at`; -1: none. */
static int64_t origin(const ops_slide_plan *p, int d, int64_t at, int64_t k)
{
    int64_t from = at + p->padding[d] - k * p->dilation[d];
    return from < 0 || from % p->stride[d] || from / p->stride[d] >= p->out[d] ? -1 : from / p->stride[d];
}

static double place(const nilu_call *c, const ops_slide_plan *p, int64_t n, int64_t i, int64_t row, int64_t column)
{
    const struct ops_conv *t = c->attr;
    const int64_t each = p->channels / p->groups, many = p->filters / p->groups;
    double sum = 0;
    for (int64_t o = i / each * many; o < (i / each + 1) * many; o++)
        for (int64_t a = 0; a < p->kernel[0]; a++)
            for (int64_t b = 0; b < p->kernel[1]; b++) {
                int64_t top = origin(p, 0, row, a), left = origin(p, 1, column, b);
                if (top >= 0 && left >= 0)
                    sum += ops_operand(c, 0, ((n * p->filters + o) * p->out[0] + top) * p->out[1] + left, t->bf16) *
                           ops_operand(c, 1, ((o * each + i % each) * p->kernel[0] + a) * p->kernel[1] + b, t->bf16);
            }
    return sum;
}

static nilu_status ref(const nilu_call *c)
{
    const ops_slide_plan p = ops_conv_plan(c->attr, c->out[0].shape, c->in[1].shape, c->in[0].shape);
    int64_t at = 0;
    for (int64_t n = 0; n < p.samples; n++)
        for (int64_t i = 0; i < p.channels; i++)
            for (int64_t row = 0; row < p.in[0]; row++)
                for (int64_t column = 0; column < p.in[1]; column++)
                    call_put(c, 0, at++, place(c, &p, n, i, row, column));
    return NILU_OK;
}

static double flops(const nilu_node *n)
{
    const ops_slide_plan p = ops_conv_plan(n->attr, n->out[0].shape, n->in[1]->shape, n->in[0]->shape);
    return ops_conv_flops(&p);
}

static const nilu_case cases[] = {
    {"a line by hand", "1x1x3 1x1x2", .fill = "list 1 2 3 10 1", .want = "[1, 1, 4] 10 21 32 3"},
    {"stride 2 by hand", "1x1x2 1x1x3", .attr = "stride=2", .fill = "list 1 2 1 10 100", .want = "[1, 1, 5] 1 10 102 20 200"},
    {"a size larger than the least", "1x1x2 1x1x2", .attr = "stride=3 size=6", .fill = "list 1 2 1 10", .want = "[1, 1, 6] 1 10 0 2 20 0"},
    {"padding is cut off", "1x1x3 1x1x3", .attr = "padding=1", .fill = "list 1 2 3 1 10 100", .want = "[1, 1, 3] 12 123 230"},
    {"a picture by hand", "1x1x1x2 1x1x2x2", .fill = "list 1 2 1 10 100 1000", .want = "[1, 1, 2, 3] 1 12 20 100 1200 2000"},
    {"depthwise by hand", "1x2x2 2x1x1", .attr = "groups=2", .fill = "list 1 2 3 4 10 100", .want = "[1, 2, 2] 10 20 300 400"},
    {"pictures", "2x4x3x5 4x3x3x2"},
    {"strides, dilations, paddings of their own", "2x3x4x3 3x2x2x3", .attr = "stride=2,3 dilation=3,2 padding=1,2 after=2,0 size=7,9"},
    {"two groups", "2x6x5x5 6x2x3x3", .attr = "groups=2 padding=1"},
    {"stride 2, padded, twice as large", "2x4x3x4 4x3x3x3", .attr = "stride=2 padding=1 size=6,8"},
    {"depthwise, two filters each", "2x6x3x2 6x1x3x3", .attr = "groups=3 stride=2 padding=1 size=5,4"},
    {"stride beyond the kernel: holes", "1x3x2x2 3x2x2x2", .attr = "stride=4 size=7,8"},
    {"dilation and stride meet in some places only", "1x2x4x4 2x2x3x3", .attr = "stride=2 dilation=2"},
    {"lines", "3x5x9 5x4x5", .attr = "stride=2 padding=2 size=17"},
    {"rows longer than a vector", "1x18x3x40 18x2x3x3", .attr = "padding=1"},
    {"operands rounded to bf16", "1x1x1 1x1x2", .attr = "bf16=1", .fill = "list 1.00390625 1.01171875 3", .want = "[1, 1, 2] 1.015625 3", .kinky = true},
    {"rounded: odd filters, groups, strides", "3x6x4x5 6x2x3x2", .attr = "groups=2 stride=2 padding=1 bf16=1", .kinky = true},
    {"no samples", "0x3x3x3 3x2x2x2"},
    {"channels do not fit", "1x3x4x4 2x4x2x2", .error = "y has 3 channels, but w has 2 filters"},
    {"not a size of y", "1x1x4 1x1x2", .attr = "size=6", .error = "y must be [1, 1, 5], as the convolution makes it"},
    {"nothing is left", "1x1x1 1x1x1", .attr = "padding=1", .error = "size is -1, but must be at least 1"},
    {"too large", "1x1x3 1x1x2", .attr = "stride=2147483647", .error = "the picture would be too large"},
    {"too many channels", "1x2x3 2x2x2", .attr = "groups=4611686018427387904", .error = "there are too many channels"},
    {"ids", "1x1x4 1x1x2i9", .error = "w must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_conv_transpose = {.name = "conv_transpose",
                                        .inputs = {"y", "w"},
                                        .attr_size = sizeof(struct ops_conv),
                                        .fields = {OPS_WINDOW(struct ops_conv), NILU_AXIS_LIST(struct ops_conv, size),
                                                   OPS_CONV},
                                        .shape = shape,
                                        .grad = grad,
                                        .ref = ref,
                                        .flops = flops,
                                        .cases = cases,
                                        .backward = N_("dy = conv(dx, w), dw = conv_weight(dx, y)")};

nilu_tensor *nilu_conv_transpose(nilu_tensor *y, nilu_tensor *w, nilu_sizes size, const nilu_conv_options *options)
{
    struct ops_conv t = ops_conv_attr(options, size);
    return graph_node(&nilu_op_conv_transpose, 2, (nilu_tensor *[]){y, w}, &t);
}
