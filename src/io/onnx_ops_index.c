/* Rows of ONNX's ops that read or write by index. Each becomes a gather or a scatter_add over flat indices, so that the
 * error finds its way back; negative indices count from the end. */
#include "io/onnx.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef nilu_tensor *T;

/* index [..] with the negative ones moved up by n */
static T wrapped(onnx_site *s, T index, int64_t n)
{
    T i = nilu_cast(index, NILU_I64);
    return nilu_where(nilu_lt(i, onnx_scalar(s, NILU_I64, 0)), nilu_add(i, onnx_scalar(s, NILU_I64, (double)n)), i);
}

static nilu_status build_Gather(onnx_site *s)
{
    int axis;
    NILU_TRY(onnx_axis(s, onnx_int(s, "axis", 0), onnx_rank(s, 0), &axis));
    return onnx_put(s, 0, nilu_gather(onnx_t(s, 0), wrapped(s, onnx_t(s, 1), onnx_shape(s, 0).dim[axis]), axis));
}

static void strides(nilu_shape x, int64_t stride[NILU_MAX_RANK])
{
    int64_t n = 1;
    for (int d = x.rank - 1; d >= 0; n *= x.dim[d], d--)
        stride[d] = n;
}

/* Of each element of an index of shape `i`: where it lies in x, were the coordinate along `axis` 0. */
static T places(onnx_site *s, nilu_shape x, nilu_shape i, int axis)
{
    int64_t stride[NILU_MAX_RANK], n = base_count(i), *at = onnx_keep(&s->b->pool, (size_t)n * sizeof *at);
    strides(x, stride);
    for (int64_t k = 0; at && k < n; k++) {
        int64_t rest = k;
        for (int d = i.rank - 1; d >= 0; rest /= i.dim[d], d--)
            at[k] += d == axis ? 0 : rest % i.dim[d] * stride[d];
    }
    return at ? onnx_whole_constant(s, i, at) : NULL;
}

/* index along `axis` -> flat index into x */
static nilu_status flat_along(onnx_site *s, int k, int axis, T *flat)
{
    nilu_shape x = onnx_shape(s, 0), i = onnx_shape(s, k);
    int64_t stride[NILU_MAX_RANK];
    strides(x, stride);
    if (i.rank != x.rank)
        return onnx_fail(s, N_("%d axes are given for %d"), i.rank, x.rank);
    for (int d = 0; d < i.rank; d++)
        if (d != axis && i.dim[d] > x.dim[d])
            return onnx_fail(s, N_("its index is larger than its data"));
    T at = nilu_mul(wrapped(s, onnx_t(s, k), x.dim[axis]), onnx_scalar(s, NILU_I64, (double)stride[axis]));
    *flat = nilu_reshape(nilu_add(at, places(s, x, i, axis)), onnx_vector(base_count(i)));
    return NILU_OK;
}

static nilu_status build_GatherElements(onnx_site *s)
{
    int axis;
    T flat = NULL;
    NILU_TRY(onnx_axis(s, onnx_int(s, "axis", 0), onnx_rank(s, 0), &axis));
    NILU_TRY(flat_along(s, 1, axis, &flat));
    T x = nilu_reshape(onnx_t(s, 0), onnx_vector(base_count(onnx_shape(s, 0))));
    return onnx_put(s, 0, nilu_reshape(nilu_gather(x, flat, 0), onnx_shape(s, 1)));
}

/* index [.., k] of coordinates along x's axes from `batch` on -> flat [count], of slices of `inner` elements */
static nilu_status flat_of(onnx_site *s, int batch, T *flat, int64_t *inner)
{
    nilu_shape x = onnx_shape(s, 0), i = onnx_shape(s, 1);
    int64_t stride[NILU_MAX_RANK], k = i.rank ? i.dim[i.rank - 1] : 0, count = k ? base_count(i) / k : 0;
    strides(x, stride);
    if (i.rank < 1 || k < 1 || batch + k > x.rank)
        return onnx_fail(s, N_("its index is larger than its data"));
    *inner = stride[batch + k - 1];
    T index = nilu_reshape(nilu_cast(onnx_t(s, 1), NILU_I64), NILU_SHAPE(count, k)), sum = NULL;
    for (int64_t d = 0; d < k; d++) {
        T one = wrapped(s, nilu_slice(index, 1, d, d + 1, 1), x.dim[batch + d]);
        T part = nilu_mul(one, onnx_scalar(s, NILU_I64, (double)(stride[batch + d] / (*inner ? *inner : 1))));
        sum = sum ? nilu_add(sum, part) : part;
    }
    if (batch) {
        int64_t *at = onnx_keep(&s->b->pool, (size_t)count * sizeof *at), each = count,
                block = *inner ? stride[batch - 1] / *inner : 0;
        for (int d = 0; d < batch; d++)
            each /= x.dim[d] ? x.dim[d] : 1;
        for (int64_t j = 0; at && j < count; j++)
            at[j] = j / (each ? each : 1) * block;
        sum = at ? nilu_add(sum, onnx_whole_constant(s, NILU_SHAPE(count, 1), at)) : NULL;
    }
    *flat = nilu_reshape(sum, onnx_vector(count));
    return NILU_OK;
}

static nilu_status build_GatherND(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0), i = onnx_shape(s, 1), z = {0};
    int batch = (int)onnx_int(s, "batch_dims", 0);
    int64_t inner = 0;
    T flat = NULL;
    if (batch < 0 || batch >= i.rank || batch >= x.rank)
        return onnx_fail(s, N_("batch_dims is out of range"));
    NILU_TRY(flat_of(s, batch, &flat, &inner));
    int k = (int)i.dim[i.rank - 1];
    if (i.rank - 1 + x.rank - batch - k > NILU_MAX_RANK)
        return onnx_fail(s, N_("%lld dimensions are too many; nilu has at most %d"),
                         (long long)(i.rank - 1 + x.rank - batch - k), NILU_MAX_RANK);
    for (int d = 0; d < i.rank - 1; d++)
        z.dim[z.rank++] = i.dim[d];
    for (int d = batch + k; d < x.rank; d++)
        z.dim[z.rank++] = x.dim[d];
    T rows = nilu_reshape(onnx_t(s, 0), NILU_SHAPE(inner ? base_count(x) / inner : 0, inner));
    return onnx_put(s, 0, nilu_reshape(nilu_gather(rows, flat, 0), z));
}

/* ---- scattering: rows [n, inner] with updates [count, inner] put, or combined, where `flat` says */
static nilu_status scatter(onnx_site *s, T flat, int64_t inner, T updates)
{
    nilu_shape x = onnx_shape(s, 0);
    int64_t n = inner ? base_count(x) / inner : 0;
    T rows = nilu_reshape(onnx_t(s, 0), NILU_SHAPE(n, inner)), z = NULL;
    bool add = onnx_text_is(s, "reduction", "none", "add"), none = onnx_text_is(s, "reduction", "none", "none");
    if (!flat || !updates)
        return graph_report(s->b->g);
    T u = nilu_reshape(updates, NILU_SHAPE(flat->shape.dim[0], inner));
    T sum = nilu_scatter_add(u, flat, 0, n);
    if (add)
        z = nilu_add(rows, sum);
    if (none) { /* places are distinct, or the last would have to win */
        T hit = nilu_scatter_add(nilu_fill(s->b->g, NILU_I32, flat->shape, 1), flat, 0, n);
        z = nilu_where(nilu_reshape(nilu_gt(hit, onnx_scalar(s, NILU_I32, 0)), NILU_SHAPE(n, 1)), sum, rows);
    }
    if (!add && !none) { /* one after the other */
        int64_t count = flat->shape.dim[0];
        bool mul = onnx_text_is(s, "reduction", "none", "mul"), max = onnx_text_is(s, "reduction", "none", "max");
        if (count > 256)
            return onnx_fail(s, N_("more than %d updates cannot be combined this way"), 256);
        z = rows;
        int64_t *id = onnx_keep(&s->b->pool, (size_t)n * sizeof *id);
        for (int64_t i = 0; id && i < n; i++)
            id[i] = i;
        T ids = id ? onnx_whole_constant(s, NILU_SHAPE(n, 1), id) : NULL;
        for (int64_t k = 0; k < count && z; k++) {
            T hit = nilu_eq(ids, nilu_slice(flat, 0, k, k + 1, 1)), v = nilu_slice(u, 0, k, k + 1, 1);
            T w = mul ? nilu_mul(z, v) : max ? nilu_maximum(z, v) : nilu_minimum(z, v);
            z = nilu_where(hit, w, z);
        }
    }
    return onnx_put(s, 0, nilu_reshape(z, x));
}

static nilu_status build_ScatterND(onnx_site *s)
{
    int64_t inner = 0;
    T flat = NULL;
    NILU_TRY(flat_of(s, 0, &flat, &inner));
    return scatter(s, flat, inner, onnx_t(s, 2));
}

static nilu_status build_ScatterElements(onnx_site *s)
{
    int axis;
    T flat = NULL;
    NILU_TRY(onnx_axis(s, onnx_int(s, "axis", 0), onnx_rank(s, 0), &axis));
    NILU_TRY(flat_along(s, 1, axis, &flat));
    return scatter(s, flat, 1, onnx_t(s, 2));
}

/* values [off, on]; depth and values are known or not: values are tensors */
static nilu_status build_OneHot(onnx_site *s)
{
    const int64_t *depth;
    int64_t n;
    int rank = onnx_rank(s, 0), axis;
    NILU_TRY(onnx_whole(s, 1, &depth, &n));
    if (rank == NILU_MAX_RANK)
        return onnx_fail(s, N_("%lld dimensions are too many; nilu has at most %d"), (long long)rank + 1, NILU_MAX_RANK);
    NILU_TRY(onnx_axis(s, onnx_int(s, "axis", -1), rank + 1, &axis));
    if (!n || *depth < 1 || *depth > INT32_MAX)
        return onnx_fail(s, N_("its depth is out of range"));
    T index = wrapped(s, onnx_t(s, 0), *depth), outside, hot;
    /* what is out of range is off everywhere */
    outside = nilu_logical_or(nilu_lt(index, onnx_scalar(s, NILU_I64, 0)),
                              nilu_ge(index, onnx_scalar(s, NILU_I64, (double)*depth)));
    hot = nilu_one_hot(nilu_where(outside, onnx_scalar(s, NILU_I64, (double)*depth), index), *depth + 1, NILU_BOOL);
    hot = nilu_slice(hot, rank, 0, *depth, 1);
    nilu_axes order = {.n = rank + 1};
    for (int d = 0; d <= rank; d++)
        order.at[d] = d < axis ? d : d == axis ? rank : d - 1;
    if (rank)
        hot = nilu_transpose(hot, order);
    T off = nilu_slice(onnx_t(s, 2), 0, 0, 1, 1), on = nilu_slice(onnx_t(s, 2), 0, 1, 2, 1);
    return onnx_put(s, 0, nilu_where(hot, nilu_reshape(on, NILU_SCALAR), nilu_reshape(off, NILU_SCALAR)));
}

/* ---- as many as a condition says: it must be known */

static nilu_status build_Compress(onnx_site *s)
{
    const int64_t *keep;
    int64_t n, m = 0;
    int axis = 0;
    bool flat = !onnx_attr(s, "axis");
    T x = onnx_t(s, 0);
    NILU_TRY(onnx_whole(s, 1, &keep, &n));
    if (flat)
        x = nilu_reshape(x, onnx_vector(base_count(onnx_shape(s, 0))));
    else
        NILU_TRY(onnx_axis(s, onnx_int(s, "axis", 0), onnx_rank(s, 0), &axis));
    int64_t *at = onnx_keep(&s->b->pool, (size_t)n * sizeof *at);
    for (int64_t i = 0; at && i < n; i++)
        if (keep[i])
            at[m++] = i;
    return onnx_put(s, 0, at ? nilu_gather(x, onnx_whole_constant(s, onnx_vector(m), at), axis) : NULL);
}

static nilu_status build_NonZero(onnx_site *s)
{
    const double *at;
    int64_t n, m = 0;
    nilu_shape x = onnx_shape(s, 0);
    NILU_TRY(onnx_real(s, 0, &at, &n));
    for (int64_t i = 0; i < n; i++)
        m += at[i] != 0;
    int64_t *out = onnx_keep(&s->b->pool, (size_t)(m * x.rank) * sizeof *out);
    if (!out)
        return NILU_E_NO_MEMORY;
    for (int64_t i = 0, k = 0; i < n; i++) {
        int64_t rest = i;
        if (at[i] == 0)
            continue;
        for (int d = x.rank - 1; d >= 0; rest /= x.dim[d], d--)
            out[d * m + k] = rest % x.dim[d];
        k++;
    }
    return onnx_know(s, 0, NILU_I64, NILU_SHAPE(x.rank, m), out);
}

#define TOP_MOST 256 /* each is a search of its own */

/* The largest again and again, each taken out for the next. What is -inf counts as the lowest finite number, below which only
 * those lie that were taken. */
static nilu_status build_TopK(onnx_site *s)
{
    int axis;
    const int64_t *k;
    int64_t n;
    nilu_shape x = onnx_shape(s, 0), out = x, line = {.rank = x.rank};
    NILU_TRY(onnx_axis(s, onnx_int(s, "axis", -1), x.rank, &axis));
    NILU_TRY(onnx_whole(s, 1, &k, &n));
    if (n != 1 || k[0] < 1 || k[0] > x.dim[axis] || k[0] > TOP_MOST)
        return onnx_fail(s, N_("it wants more than the axis has, none, or more than %d"), TOP_MOST);
    out.dim[axis] = k[0];
    int64_t stride[NILU_MAX_RANK], *number = onnx_keep(&s->b->pool, (size_t)x.dim[axis] * sizeof *number);
    T part[TOP_MOST], wide = nilu_cast(onnx_frozen(s, 0), NILU_F64);
    for (int d = 0; d < x.rank; d++)
        line.dim[d] = d == axis ? x.dim[d] : 1;
    for (int64_t i = 0; number && i < x.dim[axis]; i++)
        number[i] = i;
    T place = number ? onnx_whole_constant(s, line, number) : NULL, none = onnx_scalar(s, NILU_F64, -INFINITY);
    T left = nilu_maximum(onnx_int(s, "largest", 1) ? wide : nilu_neg(wide), onnx_scalar(s, NILU_F64, -DBL_MAX));
    for (int64_t i = 0; i < k[0]; i++) {
        part[i] = nilu_argmax(left, axis, true);
        left = nilu_where(nilu_eq(place, part[i]), none, left);
    }
    T index = onnx_joined(part, k[0], axis);
    strides(x, stride);
    T at = nilu_add(nilu_mul(index, onnx_scalar(s, NILU_I64, (double)stride[axis])), places(s, x, out, axis));
    T flat = nilu_reshape(onnx_t(s, 0), onnx_vector(base_count(x)));
    NILU_TRY(onnx_put(s, 0, nilu_reshape(nilu_gather(flat, nilu_reshape(at, onnx_vector(base_count(out))), 0), out)));
    return onnx_put(s, 1, index);
}

#define IS(name)                                                                                                       \
    {                                                                                                                  \
#name, build_##name                                                                                            \
    }
const onnx_row onnx_rows_index[] = {IS(Gather),          IS(GatherElements),
                                    IS(GatherND),        IS(ScatterND),
                                    IS(ScatterElements), {"Scatter", build_ScatterElements},
                                    IS(OneHot),          IS(Compress),
                                    IS(NonZero),         IS(TopK),
                                    {0}};
