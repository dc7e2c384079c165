/* Rows of ONNX's ops that move numbers, make them, or ask for shapes. */
#include "io/onnx.h"

#include <math.h>
#include <string.h>

typedef nilu_tensor *T;

static nilu_status know_whole(onnx_site *s, nilu_shape shape, const int64_t *at)
{
    int64_t n = base_count(shape), *data = onnx_keep(&s->b->pool, (size_t)n * sizeof *data);
    if (!data)
        return NILU_E_NO_MEMORY;
    memcpy(data, at, (size_t)n * sizeof *data);
    return onnx_know(s, 0, NILU_I64, shape, data);
}

static nilu_status build_Shape(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0);
    int64_t start = onnx_int(s, "start", 0), end = onnx_int(s, "end", x.rank);
    start = start < 0 ? start + x.rank : start;
    end = end < 0 ? end + x.rank : end;
    start = start < 0 ? 0 : start > x.rank ? x.rank : start;
    end = end < start ? start : end > x.rank ? x.rank : end;
    return know_whole(s, onnx_vector(end - start), x.dim + start);
}

static nilu_status build_Size(onnx_site *s)
{
    int64_t n = base_count(onnx_shape(s, 0));
    return know_whole(s, NILU_SCALAR, &n);
}

/* ---- shapes */

static nilu_status shape_from(onnx_site *s, int i, nilu_shape *shape)
{
    int64_t list[NILU_MAX_RANK + 1], n = onnx_ints(s, "shape", list, NILU_MAX_RANK + 1);
    const int64_t *at = list;
    if (n < 0)
        NILU_TRY(onnx_whole(s, i, &at, &n));
    if (n > NILU_MAX_RANK)
        return onnx_fail(s, N_("%lld dimensions are too many; nilu has at most %d"), (long long)n, NILU_MAX_RANK);
    *shape = (nilu_shape){.rank = (int)n};
    for (int d = 0; d < shape->rank; d++)
        shape->dim[d] = at[d];
    return NILU_OK;
}

static nilu_status build_Reshape(onnx_site *s)
{
    nilu_shape z, x = onnx_shape(s, 0);
    NILU_TRY(shape_from(s, 1, &z));
    for (int d = 0; d < z.rank && !onnx_int(s, "allowzero", 0); d++)
        if (z.dim[d] == 0 && d < x.rank)
            z.dim[d] = x.dim[d];
    const onnx_wish *wish = s->b->wish; /* a batch that was written into the shape is freed where it stands first */
    if (wish->batch > 0 && z.rank > 0 && x.rank > 0 && z.dim[0] == wish->batch && x.dim[0] == wish->n)
        z.dim[0] = wish->n;
    return onnx_put(s, 0, nilu_reshape(onnx_t(s, 0), z));
}

static nilu_status build_Flatten(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0), z = {.rank = 2, .dim = {1, 1}};
    int64_t axis = onnx_int(s, "axis", 1);
    axis += axis < 0 ? x.rank : 0;
    if (axis < 0 || axis > x.rank)
        return onnx_fail(s, N_("axis %lld is out of range; there are %d"), (long long)axis, x.rank);
    for (int d = 0; d < x.rank; d++)
        z.dim[d >= axis] *= x.dim[d];
    return onnx_put(s, 0, nilu_reshape(onnx_t(s, 0), z));
}

static nilu_status build_Squeeze(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0), z = {0};
    nilu_axes axes;
    NILU_TRY(onnx_axes(s, 1, x.rank, &axes));
    for (int d = 0; d < x.rank; d++) {
        bool out = axes.n == 0 && x.dim[d] == 1;
        for (int k = 0; k < axes.n; k++)
            out = out || axes.at[k] == d;
        if (out && x.dim[d] != 1)
            return onnx_fail(s, N_("dimension %d is %lld, not 1"), d, (long long)x.dim[d]);
        if (!out)
            z.dim[z.rank++] = x.dim[d];
    }
    return onnx_put(s, 0, nilu_reshape(onnx_t(s, 0), z));
}

static nilu_status build_Unsqueeze(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0), z = {0};
    int64_t list[NILU_MAX_RANK], n = onnx_ints(s, "axes", list, NILU_MAX_RANK);
    const int64_t *at = list;
    bool added[NILU_MAX_RANK] = {false};
    if (n < 0)
        NILU_TRY(onnx_whole(s, 1, &at, &n));
    if (x.rank + n > NILU_MAX_RANK)
        return onnx_fail(s, N_("%lld dimensions are too many; nilu has at most %d"), (long long)(x.rank + n),
                         NILU_MAX_RANK);
    z.rank = x.rank + (int)n;
    for (int64_t k = 0; k < n; k++) {
        int axis;
        NILU_TRY(onnx_axis(s, at[k], z.rank, &axis));
        added[axis] = true;
    }
    for (int d = 0, from = 0; d < z.rank; d++)
        z.dim[d] = added[d] || from >= x.rank ? 1 : x.dim[from++];
    return onnx_put(s, 0, nilu_reshape(onnx_t(s, 0), z));
}

static nilu_status build_Transpose(onnx_site *s)
{
    int64_t perm[NILU_MAX_RANK];
    nilu_axes axes = {.n = onnx_rank(s, 0)};
    int n = onnx_ints(s, "perm", perm, NILU_MAX_RANK);
    if (n >= 0 && n != axes.n)
        return onnx_fail(s, N_("%d axes are given for %d"), n, axes.n);
    for (int i = 0; i < axes.n; i++)
        if (n < 0)
            axes.at[i] = axes.n - 1 - i;
        else
            NILU_TRY(onnx_axis(s, perm[i], axes.n, &axes.at[i]));
    return onnx_put(s, 0, axes.n < 2 ? onnx_t(s, 0) : nilu_transpose(onnx_t(s, 0), axes));
}

/* ---- parts and wholes */

static nilu_status build_Concat(onnx_site *s)
{
    T x[ONNX_MAX_IN];
    for (int i = 0; i < s->nin; i++)
        x[i] = onnx_t(s, i);
    return onnx_put(s, 0, nilu_concat(s->nin, x, (int)onnx_int(s, "axis", 1)));
}

static nilu_status build_Split(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0);
    int64_t list[ONNX_MAX_OUT], n = onnx_ints(s, "split", list, ONNX_MAX_OUT), start = 0;
    const int64_t *at = list;
    int axis;
    NILU_TRY(onnx_axis(s, onnx_int(s, "axis", 0), x.rank, &axis));
    if (onnx_has(s, 1))
        NILU_TRY(onnx_whole(s, 1, &at, &n));
    int64_t each = (x.dim[axis] + s->nout - 1) / (s->nout ? s->nout : 1);
    for (int i = 0; i < s->nout; i++) {
        int64_t size = n < 0 ? (x.dim[axis] - start < each ? x.dim[axis] - start : each) : i < n ? at[i] : 0;
        if (size < 0 || start > x.dim[axis] - size)
            return onnx_fail(s, N_("its parts are larger than the whole"));
        NILU_TRY(onnx_put(s, i, nilu_slice(onnx_t(s, 0), axis, start, start + size, 1)));
        start += size;
    }
    return NILU_OK;
}

/* Backwards, a slice is a choice of indices. */
static T slice(onnx_site *s, T x, int axis, int64_t start, int64_t end, int64_t step)
{
    int64_t n = x ? x->shape.dim[axis] : 0;
    start += start < 0 ? n : 0;
    end += end < 0 && end > INT64_MIN / 2 ? n : 0;
    if (step > 0) {
        start = start < 0 ? 0 : start > n ? n : start;
        end = end < start ? start : end > n ? n : end;
        return nilu_slice(x, axis, start, end, step);
    }
    start = start < 0 ? -1 : start >= n ? n - 1 : start;
    end = end < -1 ? -1 : end > start ? start : end;
    step = step < -n - 1 ? -n - 1 : step; /* the count must not overflow */
    int64_t count = (start - end - step - 1) / -step;
    int64_t *at = onnx_keep(&s->b->pool, (size_t)count * sizeof *at);
    for (int64_t i = 0; at && i < count; i++)
        at[i] = start + i * step;
    return at ? nilu_gather(x, onnx_whole_constant(s, onnx_vector(count), at), axis) : NULL;
}

static nilu_status build_Slice(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0);
    int64_t list[3][NILU_MAX_RANK], n = onnx_ints(s, "starts", list[0], NILU_MAX_RANK), m = n, axes = -1, steps = -1;
    const int64_t *start = list[0], *end = list[1], *axis = NULL, *step = NULL;
    T z = onnx_t(s, 0);
    if (n >= 0) {
        m = onnx_ints(s, "ends", list[1], NILU_MAX_RANK);
        axes = onnx_ints(s, "axes", list[2], NILU_MAX_RANK);
        axis = list[2];
    } else {
        NILU_TRY(onnx_whole(s, 1, &start, &n));
        NILU_TRY(onnx_whole(s, 2, &end, &m));
        if (onnx_has(s, 3))
            NILU_TRY(onnx_whole(s, 3, &axis, &axes));
        if (onnx_has(s, 4))
            NILU_TRY(onnx_whole(s, 4, &step, &steps));
    }
    if (m != n || (axes >= 0 && axes != n) || (steps >= 0 && steps != n) || n > x.rank)
        return onnx_fail(s, N_("starts, ends, axes and steps differ in number"));
    for (int64_t i = 0; i < n && z; i++) {
        int a = (int)i;
        if (axes >= 0)
            NILU_TRY(onnx_axis(s, axis[i], x.rank, &a));
        if (steps >= 0 && step[i] == 0)
            return onnx_fail(s, N_("a step is 0"));
        z = slice(s, z, a, start[i], end[i], steps >= 0 ? step[i] : 1);
    }
    return onnx_put(s, 0, z);
}

static nilu_status build_Expand(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0), want, z;
    NILU_TRY(shape_from(s, 1, &want));
    z.rank = want.rank > x.rank ? want.rank : x.rank;
    for (int d = 0; d < z.rank; d++) {
        int a = d - (z.rank - x.rank), b = d - (z.rank - want.rank);
        int64_t m = a < 0 ? 1 : x.dim[a], n = b < 0 ? 1 : want.dim[b];
        z.dim[d] = m == 1 ? n : m; /* a 1 in what is wanted leaves x's */
    }
    return onnx_put(s, 0, nilu_broadcast_to(onnx_t(s, 0), z));
}

static nilu_status build_Tile(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0);
    const int64_t *at;
    int64_t n;
    NILU_TRY(onnx_whole(s, 1, &at, &n));
    if (n != x.rank)
        return onnx_fail(s, N_("%d axes are given for %d"), (int)n, x.rank);
    T z = onnx_t(s, 0);
    for (int d = 0; d < x.rank && z; d++) {
        int64_t count = at[d] * x.dim[d];
        if (at[d] < 0 || at[d] > INT32_MAX || count > INT32_MAX)
            return onnx_fail(s, N_("it repeats too often"));
        int64_t *index = at[d] == 1 ? NULL : onnx_keep(&s->b->pool, (size_t)count * sizeof *index);
        for (int64_t i = 0; index && i < count; i++)
            index[i] = i % x.dim[d];
        if (at[d] != 1)
            z = index ? nilu_gather(z, onnx_whole_constant(s, onnx_vector(count), index), d) : NULL;
    }
    return onnx_put(s, 0, z);
}

/* Where an element left of or right of 0..n-1 is taken from. */
static int64_t mirrored(int64_t i, int64_t n, bool reflect, bool wrap)
{
    if (wrap)
        return ((i % n) + n) % n;
    if (!reflect)
        return i < 0 ? 0 : i >= n ? n - 1 : i;
    int64_t period = n > 1 ? 2 * (n - 1) : 1;
    i = ((i % period) + period) % period;
    return i < n ? i : period - i;
}

static nilu_status build_Pad(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0);
    int64_t list[2 * NILU_MAX_RANK], n = onnx_ints(s, "pads", list, 2 * NILU_MAX_RANK), nvalue;
    const int64_t *at = list;
    const double *given;
    double value = onnx_float(s, "value", 0);
    nilu_axes axes = NILU_ALL;
    bool constant = onnx_text_is(s, "mode", "constant", "constant"),
         reflect = onnx_text_is(s, "mode", "constant", "reflect"), wrap = onnx_text_is(s, "mode", "constant", "wrap");
    if (n < 0)
        NILU_TRY(onnx_whole(s, 1, &at, &n));
    if (onnx_has(s, 2)) {
        NILU_TRY(onnx_real(s, 2, &given, &nvalue));
        value = nvalue ? given[0] : value;
    }
    NILU_TRY(onnx_axes(s, 3, x.rank, &axes));
    if (!axes.n)
        for (; axes.n < x.rank; axes.n++)
            axes.at[axes.n] = axes.n;
    if (n != 2 * axes.n)
        return onnx_fail(s, N_("%d axes are given for %d"), (int)n, 2 * axes.n);
    T z = onnx_t(s, 0);
    for (int k = 0; k < axes.n && z; k++) {
        int64_t before = at[k], after = at[k + axes.n], size = z->shape.dim[axes.at[k]];
        if (before > INT32_MAX || after > INT32_MAX || before < -size || after < -size || size + before + after < 0 ||
            (!constant && size < 1))
            return onnx_fail(s, N_("its padding is out of range"));
        if (constant) {
            z = nilu_slice(z, axes.at[k], before < 0 ? -before : 0, size + (after < 0 ? after : 0), 1);
            if (before > 0 || after > 0)
                z = nilu_pad(z, axes.at[k], before > 0 ? before : 0, after > 0 ? after : 0, value);
            continue;
        }
        int64_t count = size + before + after, *index = onnx_keep(&s->b->pool, (size_t)count * sizeof *index);
        for (int64_t i = 0; index && i < count; i++)
            index[i] = mirrored(i - before, size, reflect, wrap);
        z = index ? nilu_gather(z, onnx_whole_constant(s, onnx_vector(count), index), axes.at[k]) : NULL;
    }
    return onnx_put(s, 0, z);
}

static nilu_status build_CenterCropPad(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0);
    const int64_t *at;
    int64_t n;
    nilu_axes axes;
    NILU_TRY(onnx_whole(s, 1, &at, &n));
    NILU_TRY(onnx_axes(s, 9, x.rank, &axes));
    if (!axes.n)
        for (; axes.n < x.rank; axes.n++)
            axes.at[axes.n] = axes.n;
    if (n != axes.n)
        return onnx_fail(s, N_("%d axes are given for %d"), (int)n, axes.n);
    T z = onnx_t(s, 0);
    for (int k = 0; k < axes.n && z; k++) {
        int64_t have = x.dim[axes.at[k]], want = at[k], less = have - want, more = want - have;
        if (want < 0 || want > INT32_MAX)
            return onnx_fail(s, N_("its padding is out of range"));
        z = less > 0   ? nilu_slice(z, axes.at[k], less / 2, less / 2 + want, 1)
            : more > 0 ? nilu_pad(z, axes.at[k], more / 2, more - more / 2, 0)
                       : z;
    }
    return onnx_put(s, 0, z);
}

/* [n, c, h, w]: blocks of space become channels, or the other way */
static nilu_status build_SpaceToDepth(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0);
    int64_t b = onnx_int(s, "blocksize", 1);
    if (x.rank != 4 || b < 1 || b > 1 << 15 || x.dim[2] % b || x.dim[3] % b)
        return onnx_fail(s, N_("it wants [n, c, h, w] that blocks fit in"));
    T z = nilu_reshape(onnx_t(s, 0), NILU_SHAPE(x.dim[0], x.dim[1], x.dim[2] / b, b, x.dim[3] / b, b));
    z = nilu_transpose(z, NILU_AXES(0, 3, 5, 1, 2, 4));
    return onnx_put(s, 0, nilu_reshape(z, NILU_SHAPE(x.dim[0], x.dim[1] * b * b, x.dim[2] / b, x.dim[3] / b)));
}

static nilu_status build_DepthToSpace(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0);
    int64_t b = onnx_int(s, "blocksize", 1);
    bool crd = onnx_text_is(s, "mode", "DCR", "CRD");
    if (x.rank != 4 || b < 1 || b > 1 << 15 || x.dim[1] % (b * b))
        return onnx_fail(s, N_("it wants [n, c, h, w] that blocks fit in"));
    int64_t c = x.dim[1] / (b * b);
    T z = crd ? nilu_reshape(onnx_t(s, 0), NILU_SHAPE(x.dim[0], c, b, b, x.dim[2], x.dim[3]))
              : nilu_reshape(onnx_t(s, 0), NILU_SHAPE(x.dim[0], b, b, c, x.dim[2], x.dim[3]));
    z = crd ? nilu_transpose(z, NILU_AXES(0, 1, 4, 2, 5, 3)) : nilu_transpose(z, NILU_AXES(0, 3, 4, 1, 5, 2));
    return onnx_put(s, 0, nilu_reshape(z, NILU_SHAPE(x.dim[0], c, x.dim[2] * b, x.dim[3] * b)));
}

/* ---- making numbers */

static nilu_status build_Constant(onnx_site *s)
{
    const onnx_attribute *a;
    onnx_value v = {0};
    if ((a = onnx_attr(s, "value")) && a->t) {
        NILU_TRY(onnx_tensor_read(s->b->nl, s->b->m->path, s->b->m->folder, a->t, &s->b->pool, &v));
        s->out[0].type = v.type;
        return onnx_know(s, 0, v.dtype, v.shape, v.data);
    }
    if ((a = onnx_attr(s, "value_int")))
        return onnx_know(s, 0, NILU_I64, NILU_SCALAR, &a->i);
    if ((a = onnx_attr(s, "value_float")))
        return onnx_know(s, 0, NILU_F32, NILU_SCALAR, &a->f);
    if ((a = onnx_attr(s, "value_ints")))
        return onnx_know(s, 0, NILU_I64, onnx_vector((int64_t)a->n_ints),
                         a->n_ints ? (const void *)a->ints : (const void *)a);
    if ((a = onnx_attr(s, "value_floats")))
        return onnx_know(s, 0, NILU_F32, onnx_vector((int64_t)a->n_floats),
                         a->n_floats ? (const void *)a->floats : (const void *)a);
    return onnx_fail(s, N_("it holds no number"));
}

static nilu_status build_ConstantOfShape(onnx_site *s)
{
    const onnx_attribute *a = onnx_attr(s, "value");
    onnx_value v = {.dtype = NILU_F32};
    nilu_shape shape;
    if (a && a->t)
        NILU_TRY(onnx_tensor_read(s->b->nl, s->b->m->path, s->b->m->folder, a->t, &s->b->pool, &v));
    NILU_TRY(shape_from(s, 0, &shape));
    return onnx_put(
        s, 0, nilu_fill(s->b->g, v.dtype, shape, v.data && base_count(v.shape) ? base_load(v.dtype, v.data, 0) : 0));
}

static nilu_status build_Range(onnx_site *s)
{
    const double *start, *limit, *delta;
    int64_t n;
    nilu_dtype d = onnx_dtype_of(s, 0);
    NILU_TRY(onnx_real(s, 0, &start, &n));
    NILU_TRY(onnx_real(s, 1, &limit, &n));
    NILU_TRY(onnx_real(s, 2, &delta, &n));
    double count = ceil((*limit - *start) / *delta);
    if (!(count <= 1e9))
        return onnx_fail(s, N_("its range has no end"));
    n = count > 0 ? (int64_t)count : 0;
    void *at = onnx_keep(&s->b->pool, (size_t)n * nilu_dtype_size(d));
    if (!at)
        return NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < n; i++)
        base_store(d, at, i, *start + (double)i * *delta);
    return onnx_know(s, 0, d, onnx_vector(n), at);
}

/* All that lies beyond the longest side is the same. */
static int64_t diagonal(int64_t k)
{
    const int64_t most = (int64_t)1 << 41;
    return k < -most ? -most : k > most ? most : k;
}

static nilu_status build_EyeLike(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0);
    nilu_dtype d = onnx_dtype_of(s, 0);
    int64_t k = diagonal(onnx_int(s, "k", 0));
    if (onnx_attr(s, "dtype") && !onnx_dtype((int)onnx_int(s, "dtype", 0), &d))
        return onnx_fail(s, N_("elements of type %s are not supported"), onnx_type_name((int)onnx_int(s, "dtype", 0)));
    if (x.rank != 2)
        return onnx_fail(s, N_("it wants a matrix"));
    void *at = onnx_keep(&s->b->pool, (size_t)base_count(x) * nilu_dtype_size(d));
    if (!at)
        return NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < x.dim[0]; i++)
        if (i + k >= 0 && i + k < x.dim[1])
            base_store(d, at, i * x.dim[1] + i + k, 1);
    return onnx_know(s, 0, d, x, at);
}

static nilu_status build_Trilu(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0);
    nilu_dtype d = onnx_dtype_of(s, 0);
    bool upper = onnx_int(s, "upper", 1);
    const int64_t *given;
    int64_t n, k = 0;
    if (x.rank < 2)
        return onnx_fail(s, N_("it wants a matrix"));
    if (onnx_has(s, 1))
        NILU_TRY(onnx_whole(s, 1, &given, &n));
    if (onnx_has(s, 1))
        k = n ? diagonal(*given) : 0;
    int64_t rows = x.dim[x.rank - 2], cols = x.dim[x.rank - 1];
    char *keep = onnx_keep(&s->b->pool, (size_t)(rows * cols));
    if (!keep)
        return NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            keep[i * cols + j] = upper ? j >= i + k : j <= i + k;
    T mask = nilu_constant(s->b->g, NILU_BOOL, NILU_SHAPE(rows, cols), keep);
    return onnx_put(s, 0, nilu_where(mask, onnx_t(s, 0), onnx_scalar(s, d, 0)));
}

#define IS(name)                                                                                                       \
    {                                                                                                                  \
#name, build_##name                                                                                            \
    }
const onnx_row onnx_rows_shape[] = {IS(Shape),        IS(Size),
                                    IS(Reshape),      IS(Flatten),
                                    IS(Squeeze),      IS(Unsqueeze),
                                    IS(Transpose),    IS(Concat),
                                    IS(Split),        IS(Slice),
                                    IS(Expand),       IS(Tile),
                                    IS(Pad),          IS(CenterCropPad),
                                    IS(SpaceToDepth), IS(DepthToSpace),
                                    IS(Constant),     IS(ConstantOfShape),
                                    IS(Range),        IS(EyeLike),
                                    IS(Trilu),        {0}};
