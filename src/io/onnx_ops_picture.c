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

#define IS(name)                                                                                                       \
    {                                                                                                                  \
#name, build_##name                                                                                            \
    }
const onnx_row onnx_rows_picture[] = {IS(Conv), IS(ConvTranspose), {0}};
