/* Rows of ONNX's reductions, and of what runs along one axis. */
#include "io/onnx.h"

#include <math.h>
#include <string.h>

typedef nilu_tensor *T;

/* ---- reductions: axes are an attribute, since opset 13 or 18 an input */

typedef T (*reduce_fn)(T x, nilu_axes axes, bool keep);

static nilu_status reduce(onnx_site *s, T (*before)(T), reduce_fn op, T (*after)(T))
{
    int rank = onnx_rank(s, 0);
    bool keep = onnx_int(s, "keepdims", 1);
    nilu_dtype d = onnx_dtype_of(s, 0);
    nilu_axes axes;
    NILU_TRY(onnx_axes(s, 1, rank, &axes));
    T x = onnx_t(s, 0);
    if (before)
        x = before(x);
    if (axes.n == 0 && (onnx_int(s, "noop_with_empty_axes", 0) || rank == 0))
        return onnx_put(s, 0, after && x ? after(x) : x);
    bool truth = d == NILU_BOOL;
    T z = op(truth ? nilu_cast(x, NILU_I32) : x, axes, keep);
    return onnx_put(s, 0, after ? after(z) : truth ? nilu_cast(z, NILU_BOOL) : z);
}

static T root(T x)
{
    return x && !base_is_float(x->dtype) ? nilu_cast(nilu_sqrt(nilu_cast(x, NILU_F64)), x->dtype) : nilu_sqrt(x);
}
static T size_of(T x)
{
    return x && !base_is_float(x->dtype) ? nilu_cast(nilu_abs(nilu_cast(x, NILU_F64)), x->dtype) : nilu_abs(x);
}
static T squared(T x)
{
    return nilu_mul(x, x);
}
#define REDUCE(name, before, op, after)                                                                                \
    static nilu_status build_##name(onnx_site *s)                                                                      \
    {                                                                                                                  \
        return reduce(s, before, op, after);                                                                           \
    }
REDUCE(ReduceSum, NULL, nilu_sum, NULL)
REDUCE(ReduceMean, NULL, nilu_mean, NULL)
REDUCE(ReduceMax, NULL, nilu_max, NULL)
REDUCE(ReduceMin, NULL, nilu_min, NULL)
REDUCE(ReduceProd, NULL, nilu_prod, NULL)
REDUCE(ReduceL1, size_of, nilu_sum, NULL)
REDUCE(ReduceL2, squared, nilu_sum, root)
REDUCE(ReduceSumSquare, squared, nilu_sum, NULL)
REDUCE(ReduceLogSum, NULL, nilu_sum, nilu_log)
REDUCE(ReduceLogSumExp, NULL, nilu_logsumexp, NULL)

static nilu_status arg(onnx_site *s, bool max)
{
    int axis, rank = onnx_rank(s, 0);
    bool last = onnx_int(s, "select_last_index", 0), keep = onnx_int(s, "keepdims", 1);
    NILU_TRY(onnx_axis(s, onnx_int(s, "axis", 0), rank, &axis));
    T x = onnx_t(s, 0);
    int64_t n = onnx_shape(s, 0).dim[axis];
    if (last) { /* the first from behind */
        int64_t *back = onnx_keep(&s->b->pool, (size_t)n * sizeof *back);
        for (int64_t i = 0; back && i < n; i++)
            back[i] = n - 1 - i;
        x = back ? nilu_gather(x, onnx_whole_constant(s, NILU_SHAPE(n), back), axis) : NULL;
    }
    T z = max ? nilu_argmax(x, axis, keep) : nilu_argmin(x, axis, keep);
    return onnx_put(s, 0, last ? nilu_sub(onnx_scalar(s, NILU_I64, (double)(n - 1)), z) : z);
}

static nilu_status build_ArgMax(onnx_site *s)
{
    return arg(s, true);
}

static nilu_status build_ArgMin(onnx_site *s)
{
    return arg(s, false);
}

/* ---- along one axis; before opset 13 softmax and its kin see a matrix, cut at `axis` */

static nilu_status along(onnx_site *s, T (*op)(T, int))
{
    nilu_shape x = onnx_shape(s, 0), flat = {.rank = 2, .dim = {1, 1}};
    int axis;
    if (x.rank == 0)
        x = (nilu_shape){.rank = 1, .dim = {1}};
    NILU_TRY(onnx_axis(s, onnx_int(s, "axis", s->b->opset < 13 ? 1 : -1), x.rank, &axis));
    if (s->b->opset >= 13)
        return onnx_put(s, 0, nilu_reshape(op(nilu_reshape(onnx_t(s, 0), x), axis), onnx_shape(s, 0)));
    for (int d = 0; d < x.rank; d++)
        flat.dim[d >= axis] *= x.dim[d];
    return onnx_put(s, 0, nilu_reshape(op(nilu_reshape(onnx_t(s, 0), flat), 1), x));
}

static T hardmax(T x, int axis)
{
    if (!x)
        return NULL;
    int rank = x->shape.rank;
    nilu_axes swap = {.n = rank};
    for (int d = 0; d < rank; d++) /* one_hot puts classes last */
        swap.at[d] = d < axis ? d : d == axis ? rank - 1 : d - 1;
    T hot = nilu_one_hot(nilu_argmax(x, axis, false), x->shape.dim[axis], x->dtype);
    return rank > 1 ? nilu_transpose(hot, swap) : hot;
}

static nilu_status build_Softmax(onnx_site *s)
{
    return along(s, nilu_softmax);
}

static nilu_status build_LogSoftmax(onnx_site *s)
{
    return along(s, nilu_log_softmax);
}

static nilu_status build_Hardmax(onnx_site *s)
{
    return along(s, hardmax);
}

/* x / |x|_p; rows of zeros stay zero */
static nilu_status build_LpNormalization(onnx_site *s)
{
    int axis;
    nilu_dtype d = onnx_dtype_of(s, 0);
    NILU_TRY(onnx_axis(s, onnx_int(s, "axis", -1), onnx_rank(s, 0), &axis));
    T x = onnx_t(s, 0);
    T norm = onnx_int(s, "p", 2) == 1 ? nilu_sum(nilu_abs(x), NILU_AXES(axis), true)
                                      : nilu_sqrt(nilu_sum(nilu_square(x), NILU_AXES(axis), true));
    T safe = nilu_where(nilu_eq(norm, onnx_scalar(s, d, 0)), onnx_scalar(s, d, 1), norm);
    return onnx_put(s, 0, nilu_div(x, safe));
}

/* Running sums as a product with a triangle of ones, the axis last. */
static nilu_status build_CumSum(onnx_site *s)
{
    const int64_t *at;
    int64_t n;
    nilu_shape x = onnx_shape(s, 0);
    nilu_dtype d = onnx_dtype_of(s, 0), wide = base_is_float(d) ? d : NILU_F64;
    int axis;
    bool exclusive = onnx_int(s, "exclusive", 0), reverse = onnx_int(s, "reverse", 0);
    NILU_TRY(onnx_whole(s, 1, &at, &n));
    NILU_TRY(onnx_axis(s, n ? *at : 0, x.rank, &axis));
    int64_t m = x.dim[axis];
    if (m > 4096)
        return onnx_fail(s, N_("its axis of %lld is too long; at most %d"), (long long)m, 4096);
    double *ones = onnx_keep(&s->b->pool, (size_t)(m * m) * sizeof *ones);
    if (!ones)
        return NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < m; j++) /* x's element i goes into sum j */
            ones[i * m + j] = reverse ? (exclusive ? i > j : i >= j) : (exclusive ? i < j : i <= j);
    T y = onnx_times(nilu_cast(onnx_t(s, 0), wide), axis, onnx_real_constant(s, wide, NILU_SHAPE(m, m), ones), false,
                     NULL);
    return onnx_put(s, 0, nilu_cast(y, d));
}

static nilu_status build_CumProd(onnx_site *s)
{
    const int64_t *at;
    int64_t n;
    nilu_shape x = onnx_shape(s, 0);
    int axis;
    bool exclusive = onnx_int(s, "exclusive", 0), reverse = onnx_int(s, "reverse", 0);
    T part[GRAPH_MAX_IN], run = NULL;
    NILU_TRY(onnx_whole(s, 1, &at, &n));
    NILU_TRY(onnx_axis(s, n ? *at : 0, x.rank, &axis));
    int64_t m = x.dim[axis];
    if (m > GRAPH_MAX_IN || m < 1)
        return onnx_fail(s, N_("its axis of %lld is too long; at most %d"), (long long)m, GRAPH_MAX_IN);
    nilu_shape one = x;
    one.dim[axis] = 1;
    for (int64_t k = 0; k < m; k++) {
        int64_t i = reverse ? m - 1 - k : k;
        T v = nilu_slice(onnx_t(s, 0), axis, i, i + 1, 1);
        T next = run ? nilu_mul(run, v) : v;
        part[i] = !exclusive ? next : run ? run : nilu_fill(s->b->g, onnx_dtype_of(s, 0), one, 1);
        run = next;
    }
    return onnx_put(s, 0, nilu_concat((int)m, part, axis));
}

#define IS(name)                                                                                                       \
    {                                                                                                                  \
#name, build_##name                                                                                            \
    }
const onnx_row onnx_rows_reduce[] = {IS(ReduceSum),
                                     IS(ReduceMean),
                                     IS(ReduceMax),
                                     IS(ReduceMin),
                                     IS(ReduceProd),
                                     IS(ReduceL1),
                                     IS(ReduceL2),
                                     IS(ReduceSumSquare),
                                     IS(ReduceLogSum),
                                     IS(ReduceLogSumExp),
                                     IS(ArgMax),
                                     IS(ArgMin),
                                     IS(Softmax),
                                     IS(LogSoftmax),
                                     IS(Hardmax),
                                     IS(LpNormalization),
                                     IS(CumSum),
                                     IS(CumProd),
                                     {0}};
