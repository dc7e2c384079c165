/* Rows of ONNX's ops that look at a picture between its points: a grid says where, from -1 at one side to 1 at the other. What
 * is seen there is a sum over the points around, each a gather times a weight that depends on the grid, so that the error
 * finds its way to both. Any number of spatial axes: the points around are those of each axis, all with all. */
#include "io/onnx.h"

#include <string.h>

typedef nilu_tensor *T;

enum { MOST = 4 }; /* points along an axis: 1 the nearest, 2 linear, 4 cubic (Keys 1981, a = -0.75) */

typedef struct axis {
    int points;
    T at[MOST], weight[MOST]; /* of each: its place along the axis, whole and inside, and its share: [n, 1, places] */
} axis;

typedef struct sampling {
    int points;
    bool corners, border, reflection;
} sampling;

/* x back and forth between low and high */
static T reflected(T x, double low, double high)
{
    double span = high - low;
    if (span <= 0)
        return nilu_scale(x, 0);
    T u = nilu_abs(nilu_shift(x, -low));
    u = nilu_sub(u, nilu_scale(nilu_floor(nilu_scale(u, 0.5 / span)), 2 * span));
    return nilu_shift(nilu_neg(nilu_abs(nilu_shift(u, -span))), span + low);
}

/* Where something outside is looked for instead; what lies outside of all counts nothing, and is left where it is. */
static T brought_in(const sampling *o, T x, int64_t n)
{
    double last = (double)n - 1, half = o->corners ? 0 : 0.5;
    x = o->reflection ? reflected(x, -half, last + half) : x;
    return o->reflection || o->border ? nilu_clamp(x, 0, last) : x;
}

/* a d³ + b d² + c d + e */
static T cubic(T d, double a, double b, double c, double e)
{
    return nilu_shift(nilu_mul(d, nilu_shift(nilu_mul(d, nilu_shift(nilu_scale(d, a), b)), c)), e);
}

/* The share of a point that is d away: `near`, less than one, or else less than two. */
static T share(T d, int points, bool near)
{
    const double a = -0.75;
    if (points == 2)
        return nilu_shift(nilu_neg(d), 1);
    return near ? cubic(d, a + 2, -(a + 3), 0, 1) : cubic(d, a, -5 * a, 8 * a, -4 * a);
}

/* The points around each place of grid coordinate g [n, 1, places] along an axis of n points. */
static axis around(const sampling *o, T g, int64_t n)
{
    axis a = {.points = o->points};
    double last = (double)n - 1, stretch = o->corners ? last / 2 : (double)n / 2;
    T x = nilu_shift(nilu_scale(g, stretch), last / 2);
    x = o->points == 4 ? x : brought_in(o, x, n);
    T base = o->points == 1 ? nilu_round(x) : nilu_floor(x), part = nilu_sub(x, base);
    for (int k = 0; k < o->points; k++) {
        int away = k - (o->points - 1) / 2;
        T at = nilu_shift(base, away), d = away > 0 ? nilu_shift(nilu_neg(part), away) : nilu_shift(part, -away);
        at = o->points == 4 ? brought_in(o, at, n) : at;
        T held = nilu_clamp(at, 0, last), inside = at ? nilu_cast(nilu_eq(at, held), at->dtype) : NULL;
        a.at[k] = nilu_cast(held, NILU_I64);
        a.weight[k] = o->points == 1 ? inside : nilu_mul(share(d, o->points, away == 0 || away == 1), inside);
    }
    return a;
}

static nilu_status build_GridSample(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0), grid = onnx_shape(s, 1), out = grid;
    int spatial = x.rank - 2, most = 1;
    sampling o = {.points = 2,
                  .corners = onnx_int(s, "align_corners", 0),
                  .border = onnx_text_is(s, "padding_mode", "zeros", "border"),
                  .reflection = onnx_text_is(s, "padding_mode", "zeros", "reflection")};
    if (onnx_text_is(s, "mode", "linear", "nearest"))
        o.points = 1;
    else if (onnx_text_is(s, "mode", "linear", "cubic") || onnx_text_is(s, "mode", "linear", "bicubic"))
        o.points = 4;
    if (spatial < 1 || grid.rank != x.rank || grid.dim[grid.rank - 1] != spatial || grid.dim[0] != x.dim[0] || !base_count(x))
        return onnx_fail(s, N_("%d axes are given for %d"), grid.rank, x.rank);
    int64_t places = 1, plane = 1;
    axis a[NILU_MAX_RANK];
    for (int k = 0; k < spatial; k++)
        places *= grid.dim[1 + k], plane *= x.dim[2 + k], most *= o.points;
    if (most > 64)
        return onnx_fail(s, N_("its size is out of range"));
    for (int k = 0; k < spatial; k++) { /* the grid names the last axis first */
        int64_t c = spatial - 1 - k;
        T g = nilu_slice(onnx_t(s, 1), grid.rank - 1, c, c + 1, 1);
        a[k] = around(&o, nilu_reshape(g, NILU_SHAPE(x.dim[0], 1, places)), x.dim[2 + k]);
    }
    T flat = nilu_reshape(onnx_t(s, 0), NILU_SHAPE(x.dim[0], x.dim[1], plane)), sum = NULL;
    for (int i = 0; i < most; i++) {
        T at = NULL, weight = NULL;
        for (int k = 0, rest = i; k < spatial; rest /= o.points, k++) {
            T here = a[k].at[rest % o.points], share = a[k].weight[rest % o.points];
            at = at ? nilu_add(nilu_mul(at, onnx_scalar(s, NILU_I64, (double)x.dim[2 + k])), here) : here;
            weight = weight ? nilu_mul(weight, share) : share;
        }
        at = nilu_broadcast_to(at, NILU_SHAPE(x.dim[0], x.dim[1], places));
        T seen = nilu_mul(nilu_take_along(flat, at, 2), weight);
        sum = sum ? nilu_add(sum, seen) : seen;
    }
    memmove(out.dim + 2, out.dim + 1, (size_t)spatial * sizeof *out.dim);
    out.dim[1] = x.dim[1];
    return onnx_put(s, 0, nilu_reshape(sum, out));
}

/* theta [n, k, k + 1], size [n, channels, ..] -> where each point of a picture of that size comes from: [n, .., k] */
static nilu_status build_AffineGrid(onnx_site *s)
{
    const int64_t *size;
    int64_t n, places = 1;
    nilu_dtype d = onnx_dtype_of(s, 0);
    bool corners = onnx_int(s, "align_corners", 0);
    NILU_TRY(onnx_whole(s, 1, &size, &n));
    nilu_shape theta = onnx_shape(s, 0), out = {.rank = (int)n};
    if (n < 3 || n > NILU_MAX_RANK || theta.rank != 3 || theta.dim[2] != n - 1)
        return onnx_fail(s, N_("%d axes are given for %d"), (int)n, theta.rank);
    out.dim[0] = theta.dim[0];
    out.dim[n - 1] = theta.dim[1];
    for (int k = 2; k < n; k++) {
        if (size[k] < 1 || size[k] > INT32_MAX || places > INT32_MAX)
            return onnx_fail(s, N_("its size is out of range"));
        places *= out.dim[k - 1] = size[k];
    }
    double *at = onnx_keep(&s->b->pool, (size_t)places * (size_t)(n - 1) * sizeof *at);
    if (!at)
        return NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < places; i++) {
        int64_t rest = i;
        for (int64_t k = n - 1; k >= 2; rest /= size[k], k--) {
            double side = (double)size[k], p = (double)(rest % size[k]);
            at[i * (n - 1) + n - 1 - k] = !corners ? (2 * p + 1) / side - 1 : size[k] == 1 ? 0 : 2 * p / (side - 1) - 1;
        }
        at[i * (n - 1) + n - 2] = 1;
    }
    T points = onnx_real_constant(s, d, NILU_SHAPE(places, n - 1), at);
    return onnx_put(s, 0, nilu_reshape(nilu_matmul_t(points, false, onnx_t(s, 0), true), out));
}

#define IS(name)                                                                                                       \
    {                                                                                                                  \
#name, build_##name                                                                                            \
    }
const onnx_row onnx_rows_sample[] = {IS(GridSample), IS(AffineGrid), {0}};
