/* Rows of ONNX's ops on pictures: [n, channels, ..] with one or two spatial axes. */
#include "io/onnx.h"

#include <math.h>
#include <string.h>

typedef nilu_tensor *T;

/* How a window moves: from attributes, one number for each spatial axis. */
typedef struct window {
    int spatial;
    nilu_sizes kernel, stride, dilation, before, after;
} window;

static nilu_status sizes(onnx_site *s, const char *name, int spatial, int64_t low, int otherwise, nilu_sizes *out)
{
    int64_t list[NILU_MAX_RANK];
    int n = onnx_ints(s, name, list, NILU_MAX_RANK);
    if (n >= 0 && n != spatial)
        return onnx_fail(s, N_("%d axes are given for %d"), n, spatial);
    out->n = spatial;
    for (int i = 0; i < spatial; i++) {
        if (n >= 0 && (list[i] < low || list[i] > INT32_MAX / 4))
            return onnx_fail(s, N_("its %s are out of range"), name);
        out->at[i] = n < 0 ? otherwise : (int)list[i];
    }
    return NILU_OK;
}

/* auto_pad: as much padding as makes the output in / stride large, more of it behind (UPPER) or before (LOWER). */
static void same_padding(window *w, nilu_shape x, bool upper)
{
    for (int i = 0; i < w->spatial; i++) {
        int64_t in = x.dim[2 + i], stride = w->stride.at[i], out = (in + stride - 1) / stride;
        int64_t reach = (int64_t)(w->kernel.at[i] - 1) * w->dilation.at[i] + 1, all = (out - 1) * stride + reach - in;
        all = all < 0 ? 0 : all;
        w->before.at[i] = (int)(upper ? all / 2 : all - all / 2);
        w->after.at[i] = (int)(all - w->before.at[i]);
    }
}

static nilu_status window_of(onnx_site *s, nilu_shape x, const nilu_shape *filters, window *w)
{
    int64_t pads[2 * NILU_MAX_RANK];
    w->spatial = x.rank - 2;
    if (w->spatial < 1 || w->spatial > 2)
        return onnx_fail(s, N_("it wants one or two spatial axes, and x has %d dimensions"), x.rank);
    NILU_TRY(sizes(s, "kernel_shape", w->spatial, 1, 1, &w->kernel));
    for (int i = 0; filters && i < w->spatial; i++)
        w->kernel.at[i] = (int)filters->dim[2 + i];
    NILU_TRY(sizes(s, "strides", w->spatial, 1, 1, &w->stride));
    NILU_TRY(sizes(s, "dilations", w->spatial, 1, 1, &w->dilation));
    w->before.n = w->after.n = w->spatial;
    int n = onnx_ints(s, "pads", pads, 2 * NILU_MAX_RANK);
    if (n >= 0 && n != 2 * w->spatial)
        return onnx_fail(s, N_("%d axes are given for %d"), n, 2 * w->spatial);
    for (int i = 0; i < n; i++) {
        if (pads[i] < 0 || pads[i] > INT32_MAX / 4)
            return onnx_fail(s, N_("its %s are out of range"), "pads");
        (i < w->spatial ? &w->before : &w->after)->at[i % w->spatial] = (int)pads[i];
    }
    if (onnx_text_is(s, "auto_pad", "NOTSET", "SAME_UPPER") || onnx_text_is(s, "auto_pad", "NOTSET", "SAME_LOWER"))
        same_padding(w, x, onnx_text_is(s, "auto_pad", "NOTSET", "SAME_UPPER"));
    return NILU_OK;
}

/* [o] as [o, 1, ..] beside what comes out */
static T with_bias(onnx_site *s, T z)
{
    if (!onnx_has(s, 2) || !z)
        return z;
    nilu_shape shape = {.rank = z->shape.rank - 1, .dim = {z->shape.dim[1], 1, 1, 1, 1, 1, 1}};
    return nilu_add(z, nilu_reshape(onnx_t(s, 2), shape));
}

static nilu_status build_Conv(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0), f = onnx_shape(s, 1);
    window w = {0};
    if (f.rank != x.rank)
        return onnx_fail(s, N_("%d axes are given for %d"), f.rank, x.rank);
    NILU_TRY(window_of(s, x, &f, &w));
    nilu_conv_options o = {.stride = w.stride,
                           .dilation = w.dilation,
                           .padding = w.before,
                           .after = w.after,
                           .groups = onnx_int(s, "group", 1)};
    return onnx_put(s, 0, with_bias(s, nilu_conv(onnx_t(s, 0), onnx_t(s, 1), &o)));
}

/* The size that comes out is said, or follows from stride, kernel, padding and output_padding. */
static nilu_status build_ConvTranspose(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0), f = onnx_shape(s, 1);
    int64_t want[NILU_MAX_RANK];
    int n = onnx_ints(s, "output_shape", want, NILU_MAX_RANK);
    window w = {0};
    nilu_sizes more, size;
    if (f.rank != x.rank)
        return onnx_fail(s, N_("%d axes are given for %d"), f.rank, x.rank);
    NILU_TRY(window_of(s, x, &f, &w));
    NILU_TRY(sizes(s, "output_padding", w.spatial, 0, 0, &more));
    bool same =
        onnx_text_is(s, "auto_pad", "NOTSET", "SAME_UPPER") || onnx_text_is(s, "auto_pad", "NOTSET", "SAME_LOWER");
    bool upper = onnx_text_is(s, "auto_pad", "NOTSET", "SAME_UPPER");
    size.n = w.spatial;
    for (int i = 0; i < w.spatial; i++) {
        if (x.dim[2 + i] > INT32_MAX || (n == w.spatial && (want[i] < 1 || want[i] > INT32_MAX)))
            return onnx_fail(s, N_("its size is out of range"));
        int64_t full =
            (x.dim[2 + i] - 1) * w.stride.at[i] + more.at[i] + (int64_t)(w.kernel.at[i] - 1) * w.dilation.at[i] + 1;
        if (same || n == w.spatial) {
            int64_t out = n == w.spatial ? want[i] : x.dim[2 + i] * w.stride.at[i], all = full - out;
            all = all < 0 ? 0 : all;
            w.before.at[i] = (int)(upper ? all / 2 : all - all / 2);
            w.after.at[i] = (int)(all - w.before.at[i]);
            full = out + all;
        }
        full -= w.before.at[i] + w.after.at[i];
        if (full < 1 || full > INT32_MAX)
            return onnx_fail(s, N_("its size is out of range"));
        size.at[i] = (int)full;
    }
    nilu_conv_options o = {.stride = w.stride,
                           .dilation = w.dilation,
                           .padding = w.before,
                           .after = w.after,
                           .groups = onnx_int(s, "group", 1)};
    return onnx_put(s, 0, with_bias(s, nilu_conv_transpose(onnx_t(s, 0), onnx_t(s, 1), size, &o)));
}

/* ---- pools */

/* ceil_mode: one more window at the end of an axis where it begins within the picture or the padding before it. */
static nilu_status pool_window(onnx_site *s, window *w)
{
    nilu_shape x = onnx_shape(s, 0);
    NILU_TRY(window_of(s, x, NULL, w));
    for (int i = 0; i < w->spatial; i++) {
        int64_t reach = (int64_t)(w->kernel.at[i] - 1) * w->dilation.at[i] + 1, stride = w->stride.at[i];
        int64_t room = x.dim[2 + i] + w->before.at[i] + w->after.at[i] - reach;
        if (!onnx_int(s, "ceil_mode", 0) || room < 0 || room % stride == 0)
            continue;
        if ((room / stride + 1) * stride < x.dim[2 + i] + w->before.at[i])
            w->after.at[i] += (int)(stride - room % stride);
    }
    return NILU_OK;
}

static bool has_holes(const window *w)
{
    for (int i = 0; i < w->spatial; i++)
        if (w->dilation.at[i] != 1)
            return true;
    return false;
}

/* All windows laid out, one element of each at a time: pool = fold over the kernel's elements of a strided slice. */
static T over_elements(T x, const window *w, double outside, T (*op)(T, T))
{
    T z = NULL;
    for (int i = 0; i < w->spatial; i++)
        x = nilu_pad(x, 2 + i, w->before.at[i], w->after.at[i], outside);
    int64_t count = 1;
    for (int i = 0; i < w->spatial; i++)
        count *= w->kernel.at[i];
    for (int64_t k = 0; k < count && x && count <= 1024; k++) {
        T part = x;
        int64_t rest = k;
        for (int i = w->spatial - 1; i >= 0 && part; rest /= w->kernel.at[i], i--) {
            int64_t at = rest % w->kernel.at[i] * w->dilation.at[i],
                    reach = (int64_t)(w->kernel.at[i] - 1) * w->dilation.at[i];
            part = nilu_slice(part, 2 + i, at, x->shape.dim[2 + i] - reach + at, w->stride.at[i]);
        }
        z = z ? op(z, part) : part;
    }
    return z;
}

/* Indices count through the whole tensor. */
static nilu_status max_indices(onnx_site *s, T pooled)
{
    nilu_shape x = onnx_shape(s, 0);
    int64_t planes = x.dim[0] * x.dim[1], plane = planes ? base_count(x) / planes : 0,
            *at = onnx_keep(&s->b->pool, (size_t)planes * sizeof *at);
    for (int64_t i = 0; at && i < planes; i++)
        at[i] = i * plane;
    nilu_shape each = {.rank = x.rank, .dim = {x.dim[0], x.dim[1], 1, 1, 1, 1, 1, 1}};
    T index =
        at && pooled ? nilu_add(nilu_cast(nilu_output(pooled, 1), NILU_I64), onnx_whole_constant(s, each, at)) : NULL;
    if (onnx_int(s, "storage_order", 0) && x.rank == 4 &&
        index) { /* columns first: plane + row * width + column -> plane + column * height + row */
        double h = (double)x.dim[2], w = (double)x.dim[3];
        T in_plane = nilu_cast(nilu_output(pooled, 1), NILU_F64),
          row = nilu_floor(nilu_scale(nilu_shift(in_plane, 0.5), 1 / w));
        T column = nilu_sub(in_plane, nilu_scale(row, w));
        index = nilu_add(nilu_cast(nilu_add(nilu_scale(column, h), row), NILU_I64), onnx_whole_constant(s, each, at));
    }
    return onnx_put(s, 1, index);
}

static nilu_status build_MaxPool(onnx_site *s)
{
    window w = {0};
    nilu_dtype d = onnx_dtype_of(s, 0), wide = base_is_float(d) ? d : NILU_F32;
    NILU_TRY(pool_window(s, &w));
    T x = nilu_cast(onnx_t(s, 0), wide);
    if (has_holes(&w)) {
        T z = over_elements(x, &w, -INFINITY, nilu_maximum);
        return z ? onnx_put(s, 0, nilu_cast(z, d)) : onnx_fail(s, N_("its size is out of range"));
    }
    nilu_pool_options o = {.stride = w.stride, .padding = w.before, .after = w.after};
    T z = nilu_max_pool(x, w.kernel, &o);
    if (s->nout > 1)
        NILU_TRY(max_indices(s, z));
    return onnx_put(s, 0, nilu_cast(z, d));
}

/* What the padding that is counted, but not ceil_mode's, adds to the mean: sums over windows of what counts. */
static nilu_status build_AveragePool(onnx_site *s)
{
    window w = {0}, plain = {0};
    bool counting = onnx_int(s, "count_include_pad", 0);
    nilu_shape x = onnx_shape(s, 0), ones = {.rank = x.rank, .dim = {1, 1}};
    nilu_dtype d = onnx_dtype_of(s, 0);
    NILU_TRY(pool_window(s, &w));
    NILU_TRY(window_of(s, x, NULL, &plain));
    bool longer = memcmp(&w.after, &plain.after, sizeof w.after) != 0;
    nilu_pool_options o = {.stride = w.stride, .padding = w.before, .after = w.after, .counting = counting};
    if (!has_holes(&w) && !(counting && longer))
        return onnx_put(s, 0, nilu_avg_pool(onnx_t(s, 0), w.kernel, &o));
    memcpy(ones.dim + 2, x.dim + 2, sizeof *ones.dim * (size_t)w.spatial);
    T count = nilu_fill(s->b->g, d, ones, 1), sum;
    window rest = w;
    for (int i = 0; i < w.spatial && counting; i++) { /* the padding counts as ones, what was made longer as nothing */
        count = nilu_pad(count, 2 + i, w.before.at[i], plain.after.at[i], 1);
        rest.before.at[i] = 0;
        rest.after.at[i] -= plain.after.at[i];
    }
    count = over_elements(count, &rest, 0, nilu_add);
    sum = over_elements(onnx_t(s, 0), &w, 0, nilu_add);
    return sum && count ? onnx_put(s, 0, nilu_div(sum, count)) : onnx_fail(s, N_("its size is out of range"));
}

static T power(onnx_site *s, T x, double p)
{
    return p == 1 ? x : p == 2 ? nilu_square(x) : nilu_pow(x, onnx_scalar(s, onnx_dtype_of(s, 0), p));
}

static nilu_status build_LpPool(onnx_site *s)
{
    window w = {0};
    double p = (double)onnx_int(s, "p", 2);
    NILU_TRY(pool_window(s, &w));
    T sum = over_elements(power(s, nilu_abs(onnx_t(s, 0)), p), &w, 0, nilu_add);
    return sum ? onnx_put(s, 0, p == 2 ? nilu_sqrt(sum) : power(s, sum, 1 / p))
               : onnx_fail(s, N_("its size is out of range"));
}

static nilu_status global(onnx_site *s, T (*op)(T, nilu_axes, bool))
{
    nilu_axes axes = {0};
    for (int k = 2; k < onnx_rank(s, 0); k++)
        axes.at[axes.n++] = k;
    return onnx_put(s, 0, axes.n ? op(onnx_t(s, 0), axes, true) : onnx_t(s, 0));
}

static nilu_status build_GlobalAveragePool(onnx_site *s)
{
    return global(s, nilu_mean);
}

static nilu_status build_GlobalMaxPool(onnx_site *s)
{
    return global(s, nilu_max);
}

#define IS(name)                                                                                                       \
    {                                                                                                                  \
#name, build_##name                                                                                            \
    }
const onnx_row onnx_rows_picture[] = {IS(Conv),   IS(ConvTranspose),     IS(MaxPool),       IS(AveragePool),
                                      IS(LpPool), IS(GlobalAveragePool), IS(GlobalMaxPool), {0}};
