/* Windows over pictures: what convolutions and pools share. A picture is [samples, channels, length] or [samples, channels,
 * height, width]; one of one spatial axis is a picture of height 1. A window of `kernel` places, `dilation` apart, begins
 * `padding` places before the picture and moves by `stride`; what lies outside of the picture counts as zero (or, under
 * max, as nothing). */
#include "ops/ops.h"

/* A list as long as there are spatial axes: one number stands for all, none for `otherwise`. */
static nilu_status fill_list(nilu_build *b, const char *what, nilu_axes *list, int axes, int least, nilu_axes otherwise)
{
    if (list->n == 0)
        *list = otherwise;
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, list->n == 1 || list->n == axes, N_("%s has %d numbers, but there are %d spatial axes"), what, list->n, axes);
    for (int d = 0; d < NILU_MAX_RANK; d++)
        list->at[d] = d >= axes ? 0 : list->n == 1 ? list->at[0] : list->at[d];
    list->n = axes;
    for (int d = 0; d < axes; d++)
        NILU_NEED_AS(b, NILU_E_ATTRIBUTE, list->at[d] >= least, N_("%s is %d, but must be at least %d"), what, list->at[d], least);
    return NILU_OK;
}

nilu_status ops_need_picture(nilu_build *b, int i)
{
    NILU_NEED_AS(b, NILU_E_DTYPE, base_is_float(b->in[i]->dtype), N_("%s must be f32, f64 or bf16; is a cast missing?"), b->op->inputs[i]);
    NILU_NEED(b, b->in[i]->shape.rank == 3 || b->in[i]->shape.rank == 4,
              N_("%s must be [samples, channels, length] or [samples, channels, height, width]; is a reshape missing before it?"),
              b->op->inputs[i]);
    return NILU_OK;
}

nilu_status ops_fill_window(nilu_build *b, struct ops_window *t, int axes)
{
    const nilu_axes one = NILU_AXES(1), none = NILU_AXES(0);
    NILU_TRY(fill_list(b, "stride", &t->stride, axes, 1, one));
    NILU_TRY(fill_list(b, "dilation", &t->dilation, axes, 1, one));
    NILU_TRY(fill_list(b, "padding", &t->padding, axes, 0, none));
    return fill_list(b, "after", &t->after, axes, 0, t->padding);
}

nilu_status ops_fill_size(nilu_build *b, const char *what, nilu_axes *size, int axes)
{
    return fill_list(b, what, size, axes, 1, NILU_AXES(0));
}

/* Places that a window covers; more than any picture has, if that many. */
static int64_t reach(int64_t kernel, int64_t dilation)
{
    int64_t n;
    return __builtin_mul_overflow(kernel - 1, dilation, &n) || n >= INT64_MAX / 4 ? INT64_MAX / 4 : n + 1;
}

nilu_status ops_slide(nilu_build *b, const struct ops_window *t, int d, int64_t n, int64_t kernel, int64_t *places)
{
    int64_t room = n + t->padding.at[d] + t->after.at[d] - reach(kernel, t->dilation.at[d]);
    NILU_NEED(b, kernel > 0, N_("the kernel has no places along spatial axis %d"), d);
    NILU_NEED(b, room >= 0, N_("the kernel covers %lld places of spatial axis %d, but with its padding x has only %lld"),
              (long long)reach(kernel, t->dilation.at[d]), d, (long long)(n + t->padding.at[d] + t->after.at[d]));
    *places = room / t->stride.at[d] + 1;
    return NILU_OK;
}

/* ---- convolutions: x [n, c, ..], w [o, c / groups, kernel ..], y [n, o, ..]; any two of them make the third */

static nilu_status need_groups(nilu_build *b, const char *what, int64_t channels, int64_t groups)
{
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, channels % groups == 0, N_("%s has %lld channels, which %lld groups do not share evenly"), what,
                 (long long)channels, (long long)groups);
    return NILU_OK;
}

nilu_status ops_conv_need(nilu_build *b)
{
    struct ops_conv *t = b->attr;
    NILU_TRY(graph_same_float(b));
    NILU_TRY(ops_need_picture(b, 0));
    NILU_NEED(b, b->in[1]->shape.rank == b->in[0]->shape.rank, N_("%s and %s must have as many axes"), b->op->inputs[0], b->op->inputs[1]);
    t->groups = t->groups == 0 ? 1 : t->groups;
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, t->groups > 0, N_("there are %lld groups, but one is the least"), (long long)t->groups);
    return ops_fill_window(b, &t->window, b->in[0]->shape.rank - 2);
}

nilu_status ops_conv_fits(nilu_build *b, nilu_shape x, nilu_shape w, nilu_shape *y)
{
    const struct ops_conv *t = b->attr;
    NILU_TRY(need_groups(b, "x", x.dim[1], t->groups));
    NILU_TRY(need_groups(b, "y", w.dim[0], t->groups));
    NILU_NEED(b, w.dim[1] == x.dim[1] / t->groups, N_("x has %lld channels in each group, but w expects %lld"),
              (long long)(x.dim[1] / t->groups), (long long)w.dim[1]);
    *y = x;
    y->dim[1] = w.dim[0];
    for (int d = 0; d < x.rank - 2; d++)
        NILU_TRY(ops_slide(b, &t->window, d, x.dim[2 + d], w.dim[2 + d], &y->dim[2 + d]));
    return NILU_OK;
}

nilu_status ops_conv_same(nilu_build *b, nilu_shape made, nilu_shape y)
{
    char want[BASE_SHAPE_TEXT];
    NILU_NEED(b, base_same_shape(made, y), N_("y must be %s, as the convolution makes it"), base_shape_text(made, want));
    return NILU_OK;
}

static void two(int64_t to[2], const nilu_shape *s, const nilu_axes *list, int axes, int64_t otherwise)
{
    for (int d = 0; d < 2; d++) {
        int own = d - (2 - axes);
        to[d] = own < 0 ? otherwise : s ? s->dim[2 + own] : list->at[own];
    }
}

static ops_slide_plan plane(const struct ops_window *t, nilu_shape x, nilu_shape y)
{
    const int axes = x.rank - 2;
    ops_slide_plan p = {.samples = x.dim[0], .channels = x.dim[1]};
    two(p.in, &x, NULL, axes, 1);
    two(p.out, &y, NULL, axes, 1);
    two(p.stride, NULL, &t->stride, axes, 1);
    two(p.dilation, NULL, &t->dilation, axes, 1);
    two(p.padding, NULL, &t->padding, axes, 0);
    return p;
}

ops_slide_plan ops_conv_plan(const struct ops_conv *t, nilu_shape x, nilu_shape w, nilu_shape y)
{
    ops_slide_plan p = plane(&t->window, x, y);
    two(p.kernel, &w, NULL, x.rank - 2, 1);
    p.filters = y.dim[1];
    p.groups = t->groups;
    return p;
}

ops_slide_plan ops_pool_plan(const struct ops_pool *t, nilu_shape x, nilu_shape y)
{
    ops_slide_plan p = plane(&t->window, x, y);
    two(p.kernel, NULL, &t->kernel, x.rank - 2, 1);
    p.filters = p.groups = p.channels;
    return p;
}

double ops_conv_flops(const ops_slide_plan *p)
{
    return 2.0 * (double)(p->samples * p->filters * p->out[0] * p->out[1]) *
           (double)(p->groups ? p->channels / p->groups * p->kernel[0] * p->kernel[1] : 0);
}

struct ops_conv ops_conv_attr(const nilu_conv_options *options, nilu_axes size)
{
    nilu_conv_options o = options ? *options : (nilu_conv_options){0};
    return (struct ops_conv){{o.stride, o.dilation, o.padding, o.after}, size, o.groups};
}

nilu_conv_options ops_conv_options(const struct ops_conv *t)
{
    return (nilu_conv_options){t->window.stride, t->window.dilation, t->window.padding, t->window.after, t->groups};
}

nilu_axes ops_spatial(nilu_shape s)
{
    nilu_axes size = {.n = s.rank - 2};
    for (int d = 0; d < size.n; d++)
        size.at[d] = s.dim[2 + d] > INT32_MAX ? INT32_MAX : (int)s.dim[2 + d];
    return size;
}

/* ---- pools: windows without holes, each of which sees something */

nilu_status ops_pool_fits(nilu_build *b, nilu_shape x, nilu_shape *y)
{
    struct ops_pool *t = b->attr;
    const int axes = x.rank - 2;
    NILU_TRY(ops_fill_size(b, "kernel", &t->kernel, axes));
    if (t->window.stride.n == 0)
        t->window.stride = t->kernel;
    NILU_TRY(ops_fill_window(b, &t->window, axes));
    *y = x;
    for (int d = 0; d < axes; d++) {
        const int before = t->window.padding.at[d], after = t->window.after.at[d], kernel = t->kernel.at[d];
        NILU_NEED_AS(b, NILU_E_ATTRIBUTE, before < kernel && after < kernel,
                     N_("padding of %d and %d around a kernel of %d: some windows would see nothing"), before, after, kernel);
        NILU_NEED(b, x.dim[2 + d] > 0, N_("x has no places along spatial axis %d"), d);
        NILU_TRY(ops_slide(b, &t->window, d, x.dim[2 + d], kernel, &y->dim[2 + d]));
    }
    return NILU_OK;
}

nilu_status ops_pool_shape(nilu_build *b, nilu_shape *y)
{
    NILU_TRY(ops_need_picture(b, 0));
    return ops_pool_fits(b, b->in[0]->shape, y);
}

struct ops_pool ops_pool_attr(nilu_axes kernel, const nilu_pool_options *options)
{
    nilu_pool_options o = options ? *options : (nilu_pool_options){0};
    return (struct ops_pool){{o.stride, {0}, o.padding, o.after}, kernel, {0}, o.counting};
}

nilu_pool_options ops_pool_options(const struct ops_pool *t)
{
    return (nilu_pool_options){t->window.stride, t->window.padding, t->window.after, t->counting};
}

ops_span ops_pool_span(const ops_slide_plan *p, int d, int64_t place)
{
    int64_t from = place * p->stride[d] - p->padding[d], to = from + p->kernel[d];
    return (ops_span){from < 0 ? 0 : from, to > p->in[d] ? p->in[d] : to};
}

double ops_pool_count(const ops_slide_plan *p, bool counting, ops_span y, ops_span x)
{
    return counting ? (double)(p->kernel[0] * p->kernel[1]) : (double)((y.to - y.from) * (x.to - x.from));
}

double ops_pool_flops(const nilu_node *n)
{
    const ops_slide_plan p = ops_pool_plan(n->attr, n->in[0]->shape, n->out[0].shape);
    return (double)base_count(n->out[0].shape) * (double)(p.kernel[0] * p.kernel[1]);
}
