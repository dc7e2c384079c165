/* Rows of ONNX's recurrent cells, attention and resizing. Recurrent cells are unrolled over their steps. */
#include "io/onnx.h"

#include <math.h>
#include <string.h>

typedef nilu_tensor *T;

/* ---- recurrent cells: X [steps, n, in], W [directions, gates * h, in], R [.., h], B [.., 2 * gates * h] */

typedef struct cell {
    onnx_site *s;
    nilu_dtype d;
    int64_t steps, n, h;
    T w, r, wb, rb;    /* of this direction */
    T peephole;        /* LSTM: [3 * h] or NULL */
    bool before_reset; /* GRU */
} cell;

static T of_direction(onnx_site *s, int i, int k)
{
    nilu_shape shape = onnx_shape(s, i), one = {.rank = shape.rank - 1};
    memcpy(one.dim, shape.dim + 1, sizeof *one.dim * (NILU_MAX_RANK - 1));
    return nilu_reshape(nilu_slice(onnx_t(s, i), 0, k, k + 1, 1), one);
}

static T gate(const cell *c, T x, int k)
{
    return nilu_slice(x, 1, k * c->h, (k + 1) * c->h, 1);
}

static T with(T x, T bias)
{
    return bias ? nilu_add(x, bias) : x;
}

static T next_rnn(const cell *c, T x, T *h, T *unused)
{
    (void)unused;
    return *h = nilu_tanh(nilu_add(with(nilu_matmul_t(x, false, c->w, true), c->wb),
                                   with(nilu_matmul_t(*h, false, c->r, true), c->rb)));
}

/* gates z r h */
static T next_gru(const cell *c, T x, T *h, T *unused)
{
    (void)unused;
    T a = with(nilu_matmul_t(x, false, c->w, true), c->wb), b = with(nilu_matmul_t(*h, false, c->r, true), c->rb);
    T z = nilu_sigmoid(nilu_add(gate(c, a, 0), gate(c, b, 0))),
      r = nilu_sigmoid(nilu_add(gate(c, a, 1), gate(c, b, 1))), n;
    if (c->before_reset)
        n = nilu_tanh(nilu_add(gate(c, a, 2), nilu_mul(r, gate(c, b, 2))));
    else {
        T rh = nilu_slice(c->r, 0, 2 * c->h, 3 * c->h, 1), m = nilu_matmul_t(nilu_mul(r, *h), false, rh, true);
        n = nilu_tanh(nilu_add(gate(c, a, 2), with(m, c->rb ? nilu_slice(c->rb, 0, 2 * c->h, 3 * c->h, 1) : NULL)));
    }
    return *h = nilu_add(nilu_mul(nilu_sub(onnx_scalar(c->s, c->d, 1), z), n), nilu_mul(z, *h));
}

/* gates i o f c */
static T next_lstm(const cell *c, T x, T *h, T *state)
{
    T a = nilu_add(with(nilu_matmul_t(x, false, c->w, true), c->wb), with(nilu_matmul_t(*h, false, c->r, true), c->rb));
    T peep[3] = {NULL};
    for (int k = 0; k < 3 && c->peephole; k++)
        peep[k] = nilu_slice(c->peephole, 0, k * c->h, (k + 1) * c->h, 1);
    T i = gate(c, a, 0), o = gate(c, a, 1), f = gate(c, a, 2), g = nilu_tanh(gate(c, a, 3));
    i = nilu_sigmoid(peep[0] ? nilu_add(i, nilu_mul(peep[0], *state)) : i);
    f = nilu_sigmoid(peep[2] ? nilu_add(f, nilu_mul(peep[2], *state)) : f);
    *state = nilu_add(nilu_mul(f, *state), nilu_mul(i, g));
    o = nilu_sigmoid(peep[1] ? nilu_add(o, nilu_mul(peep[1], *state)) : o);
    return *h = nilu_mul(o, nilu_tanh(*state));
}

static nilu_status recurrent(onnx_site *s, int gates, T (*next)(const cell *, T, T *, T *), bool memory)
{
    nilu_shape x = onnx_shape(s, 0);
    bool first = onnx_int(s, "layout", 0);
    int directions = onnx_text_is(s, "direction", "forward", "bidirectional") ? 2 : 1;
    bool reverse = onnx_text_is(s, "direction", "forward", "reverse");
    if (x.rank != 3 || onnx_rank(s, 1) != 3 || onnx_rank(s, 2) != 3 || onnx_shape(s, 1).dim[0] != directions)
        return onnx_fail(s, N_("its equation does not fit the shapes"));
    if (onnx_attr(s, "activations") || onnx_attr(s, "clip") || onnx_int(s, "input_forget", 0))
        return onnx_fail(s, N_("activations of its own, clipping and coupled gates are not supported"));
    T input = first ? nilu_transpose(onnx_t(s, 0), NILU_AXES(1, 0, 2)) : onnx_t(s, 0);
    cell c = {.s = s,
              .d = onnx_dtype_of(s, 0),
              .steps = x.dim[first ? 1 : 0],
              .n = x.dim[first ? 0 : 1],
              .h = onnx_shape(s, 2).dim[2]};
    c.before_reset = onnx_int(s, "linear_before_reset", 0);
    if (onnx_has(s, 4)) {
        const int64_t *length;
        int64_t n;
        NILU_TRY(onnx_whole(s, 4, &length, &n));
        for (int64_t i = 0; i < n; i++)
            if (length[i] != c.steps)
                return onnx_fail(s, N_("sequences of different lengths are not supported"));
    }
    if (c.steps < 1 || c.steps > 4096)
        return onnx_fail(s, N_("it takes more than %d steps"), 4096);
    T *out[2], last[2], memo[2] = {NULL, NULL};
    for (int k = 0; k < directions; k++) {
        out[k] = onnx_keep(&s->b->pool, (size_t)c.steps * sizeof *out[k]);
        if (!out[k])
            return NILU_E_NO_MEMORY;
        c.w = of_direction(s, 1, k);
        c.r = of_direction(s, 2, k);
        c.wb = onnx_has(s, 3) ? nilu_slice(of_direction(s, 3, k), 0, 0, gates * c.h, 1) : NULL;
        c.rb = onnx_has(s, 3) ? nilu_slice(of_direction(s, 3, k), 0, gates * c.h, 2 * gates * c.h, 1) : NULL;
        c.peephole = memory && onnx_has(s, 7) ? of_direction(s, 7, k) : NULL;
        T zero = nilu_fill(s->b->g, c.d, NILU_SHAPE(c.n, c.h), 0), h = zero, state = zero;
        if (onnx_has(s, 5))
            h = first ? nilu_reshape(nilu_slice(onnx_t(s, 5), 1, k, k + 1, 1), NILU_SHAPE(c.n, c.h))
                      : of_direction(s, 5, k);
        if (memory && onnx_has(s, 6))
            state = first ? nilu_reshape(nilu_slice(onnx_t(s, 6), 1, k, k + 1, 1), NILU_SHAPE(c.n, c.h))
                          : of_direction(s, 6, k);
        for (int64_t t = 0; t < c.steps; t++) {
            int64_t at = (k == 1 || reverse) ? c.steps - 1 - t : t;
            T xt = nilu_reshape(nilu_slice(input, 0, at, at + 1, 1), NILU_SHAPE(c.n, x.dim[2]));
            out[k][at] = nilu_reshape(next(&c, xt, &h, &state), NILU_SHAPE(1, 1, c.n, c.h));
        }
        last[k] = nilu_reshape(h, NILU_SHAPE(1, c.n, c.h));
        memo[k] = nilu_reshape(state, NILU_SHAPE(1, c.n, c.h));
    }
    T y[2], end = directions == 2 ? nilu_concat(2, last, 0) : last[0],
            kept = directions == 2 ? nilu_concat(2, memo, 0) : memo[0];
    for (int k = 0; k < directions; k++)
        y[k] = onnx_joined(out[k], c.steps, 0); /* [steps, 1, n, h] */
    T all = directions == 2 ? nilu_concat(2, y, 1) : y[0];
    NILU_TRY(onnx_put(s, 0, first ? nilu_transpose(all, NILU_AXES(2, 0, 1, 3)) : all));
    NILU_TRY(onnx_put(s, 1, first ? nilu_transpose(end, NILU_AXES(1, 0, 2)) : end));
    return memory ? onnx_put(s, 2, first ? nilu_transpose(kept, NILU_AXES(1, 0, 2)) : kept) : NILU_OK;
}

static nilu_status build_RNN(onnx_site *s)
{
    return recurrent(s, 1, next_rnn, false);
}

static nilu_status build_GRU(onnx_site *s)
{
    return recurrent(s, 3, next_gru, false);
}

static nilu_status build_LSTM(onnx_site *s)
{
    return recurrent(s, 4, next_lstm, true);
}

/* ---- attention, opset 23: Q, K, V [n, heads, length, size] or [n, length, heads * size]; mask, past K and V */

static T heads_apart(T x, int64_t heads)
{
    if (!x || x->shape.rank == 4)
        return x;
    if (x->shape.rank != 3 || heads < 1 || x->shape.dim[2] % heads)
        return NULL;
    return nilu_transpose(nilu_reshape(x, NILU_SHAPE(x->shape.dim[0], x->shape.dim[1], heads, x->shape.dim[2] / heads)),
                          NILU_AXES(0, 2, 1, 3));
}

/* [n, few, ..] -> [n, many, ..]: each head serves many / few in turn */
static T repeated(T x, int64_t many)
{
    nilu_shape s = x ? x->shape : NILU_SCALAR;
    if (!x || s.dim[1] == many)
        return x;
    if (s.dim[1] < 1 || many % s.dim[1])
        return NULL;
    T wide = nilu_broadcast_to(nilu_reshape(x, NILU_SHAPE(s.dim[0], s.dim[1], 1, s.dim[2], s.dim[3])),
                               NILU_SHAPE(s.dim[0], s.dim[1], many / s.dim[1], s.dim[2], s.dim[3]));
    return nilu_reshape(wide, NILU_SHAPE(s.dim[0], many, s.dim[2], s.dim[3]));
}

/* -inf where query i may not see key j */
static T causal(onnx_site *s, nilu_dtype d, int64_t queries, int64_t keys, int64_t past)
{
    char *see = onnx_keep(&s->b->pool, (size_t)(queries * keys));
    for (int64_t i = 0; see && i < queries; i++)
        for (int64_t j = 0; j < keys; j++)
            see[i * keys + j] = j <= i + past;
    T mask = see ? nilu_constant(s->b->g, NILU_BOOL, NILU_SHAPE(queries, keys), see) : NULL;
    return nilu_where(mask, onnx_scalar(s, d, 0), onnx_scalar(s, d, -INFINITY));
}

/* rows in which nothing may be seen give 0, not NaN */
static T attention_weights(onnx_site *s, T score, nilu_dtype d)
{
    T top = nilu_max(score, NILU_AXES(-1), true);
    T blind = nilu_eq(top, onnx_scalar(s, d, -INFINITY));
    T safe = nilu_where(blind, onnx_scalar(s, d, 0), score);
    return nilu_where(blind, onnx_scalar(s, d, 0), nilu_softmax(safe, -1));
}

static nilu_status build_Attention(onnx_site *s)
{
    bool flat = onnx_rank(s, 0) == 3;
    nilu_dtype d = onnx_dtype_of(s, 0);
    T q = heads_apart(onnx_t(s, 0), onnx_int(s, "q_num_heads", 0)),
      k = heads_apart(onnx_t(s, 1), onnx_int(s, "kv_num_heads", 0)),
      v = heads_apart(onnx_t(s, 2), onnx_int(s, "kv_num_heads", 0));
    if (!q || !k || !v || q->shape.rank != 4 || k->shape.rank != 4 || v->shape.rank != 4)
        return onnx_fail(s, N_("its equation does not fit the shapes"));
    if (onnx_has(s, 4))
        k = nilu_concat(2, (T[]){onnx_t(s, 4), k}, 2);
    if (onnx_has(s, 5))
        v = nilu_concat(2, (T[]){onnx_t(s, 5), v}, 2);
    NILU_TRY(onnx_put(s, 1, k));
    NILU_TRY(onnx_put(s, 2, v));
    int64_t keys = k->shape.dim[2], queries = q->shape.dim[2], heads = q->shape.dim[1];
    double scale = onnx_float(s, "scale", 1 / sqrt((double)q->shape.dim[3])), cap = onnx_float(s, "softcap", 0);
    int mode = (int)onnx_int(s, "qk_matmul_output_mode", 0);
    T many_k = repeated(k, heads), many_v = repeated(v, heads);
    if (!many_k || !many_v)
        return onnx_fail(s, N_("its equation does not fit the shapes"));
    T score = nilu_matmul_t(nilu_scale(q, sqrt(scale)), false, nilu_scale(many_k, sqrt(scale)), true), bias = NULL,
      shown = score;
    if (onnx_has(s, 3)) {
        T mask = onnx_t(s, 3);
        if (mask && mask->dtype == NILU_BOOL)
            mask = nilu_where(mask, onnx_scalar(s, d, 0), onnx_scalar(s, d, -INFINITY));
        int64_t have = mask ? mask->shape.dim[mask->shape.rank - 1] : keys;
        if (have < keys) /* what the mask does not reach is not seen */
            mask = nilu_pad(mask, -1, 0, keys - have, -INFINITY);
        bias = mask;
    }
    if (onnx_int(s, "is_causal", 0)) {
        T c = causal(s, d, queries, keys, onnx_has(s, 4) ? onnx_shape(s, 4).dim[2] : 0);
        bias = bias ? nilu_add(bias, c) : c;
    }
    if (onnx_has(s, 6)) { /* how many keys of each sample are real */
        T length = nilu_reshape(nilu_cast(onnx_t(s, 6), NILU_I64), NILU_SHAPE(onnx_shape(s, 6).dim[0], 1, 1, 1));
        int64_t *at = onnx_keep(&s->b->pool, (size_t)keys * sizeof *at);
        for (int64_t j = 0; at && j < keys; j++)
            at[j] = j;
        T real = at ? nilu_lt(onnx_whole_constant(s, NILU_SHAPE(1, 1, 1, keys), at), length) : NULL;
        T c = nilu_where(real, onnx_scalar(s, d, 0), onnx_scalar(s, d, -INFINITY));
        bias = bias ? nilu_add(bias, c) : c;
    }
    if (cap > 0)
        score = nilu_scale(nilu_tanh(nilu_scale(score, 1 / cap)), cap);
    shown = mode == 1 ? score : shown;
    if (bias)
        score = nilu_add(score, bias);
    shown = mode == 2 ? score : shown;
    T weight = attention_weights(s, score, d);
    NILU_TRY(onnx_put(s, 3, mode == 3 ? weight : shown));
    T z = nilu_matmul(weight, many_v);
    if (flat && z)
        z = nilu_reshape(nilu_transpose(z, NILU_AXES(0, 2, 1, 3)),
                         NILU_SHAPE(z->shape.dim[0], queries, heads * z->shape.dim[3]));
    return onnx_put(s, 0, z);
}

/* ---- resizing: each axis is multiplied by a matrix of weights, [out, in] */

typedef struct resize {
    bool nearest, cubic, antialias, exclude, crop;
    double a, outside;
    double scale, start, end; /* of this axis */
    int64_t in, out;
} resize;

static double place_in(const onnx_site *s, const resize *r, int64_t i)
{
    double x = (double)i, in = (double)r->in, out = (double)r->out, whole = in * r->scale;
    if (onnx_text_is(s, "coordinate_transformation_mode", "half_pixel", "asymmetric"))
        return x / r->scale;
    if (onnx_text_is(s, "coordinate_transformation_mode", "half_pixel", "align_corners"))
        return out == 1 ? 0 : x * (in - 1) / (whole - 1);
    if (onnx_text_is(s, "coordinate_transformation_mode", "half_pixel", "pytorch_half_pixel"))
        return out == 1 ? -0.5 : (x + 0.5) / r->scale - 0.5;
    if (r->crop)
        return out > 1 ? r->start * (in - 1) + x * (r->end - r->start) * (in - 1) / (out - 1)
                       : 0.5 * (r->start + r->end) * (in - 1);
    if (onnx_text_is(s, "coordinate_transformation_mode", "half_pixel", "half_pixel_symmetric")) {
        double adjust = out / whole, centre = in / 2;
        return centre * (1 - adjust) + (x + 0.5) / r->scale - 0.5;
    }
    return (x + 0.5) / r->scale - 0.5;
}

static double kernel_at(const resize *r, double t)
{
    t = fabs(t);
    if (!r->cubic)
        return t < 1 ? 1 - t : 0;
    if (t < 1)
        return ((r->a + 2) * t - (r->a + 3)) * t * t + 1;
    return t < 2 ? ((r->a * t - 5 * r->a) * t + 8 * r->a) * t - 4 * r->a : 0;
}

static int64_t nearest_of(const onnx_site *s, double x)
{
    if (onnx_text_is(s, "nearest_mode", "round_prefer_floor", "floor"))
        return (int64_t)floor(x);
    if (onnx_text_is(s, "nearest_mode", "round_prefer_floor", "ceil"))
        return (int64_t)ceil(x);
    if (onnx_text_is(s, "nearest_mode", "round_prefer_floor", "round_prefer_ceil"))
        return (int64_t)floor(x + 0.5);
    return (int64_t)ceil(x - 0.5);
}

static void weights_of(const onnx_site *s, const resize *r, int64_t i, double *row, double *constant)
{
    double x = place_in(s, r, i);
    if (!isfinite(x) || (r->crop && (x < 0 || x > (double)(r->in - 1)))) {
        *constant = r->outside;
        return;
    }
    if (r->nearest) {
        int64_t j = nearest_of(s, x);
        row[j < 0 ? 0 : j >= r->in ? r->in - 1 : j] = 1;
        return;
    }
    double stretch = r->antialias && r->scale < 1 ? r->scale : 1, sum = 0;
    double reach = (r->cubic ? 2 : 1) / stretch;
    for (int64_t j = (int64_t)floor(x - reach); j <= (int64_t)ceil(x + reach); j++) {
        double w = kernel_at(r, ((double)j - x) * stretch);
        bool inside = j >= 0 && j < r->in;
        if (r->exclude && !inside)
            continue;
        row[j < 0 ? 0 : j >= r->in ? r->in - 1 : j] += w;
        sum += w;
    }
    for (int64_t j = 0; j < r->in && sum != 0; j++)
        row[j] /= sum;
}

static nilu_status resize_axis(onnx_site *s, T *x, int axis, const resize *r)
{
    nilu_dtype d = onnx_dtype_of(s, 0), wide = base_is_float(d) ? d : NILU_F64;
    double *w = onnx_keep(&s->b->pool, (size_t)(r->in * r->out) * sizeof *w),
           *c = onnx_keep(&s->b->pool, (size_t)r->out * sizeof *c);
    bool constant = false;
    if (!w || !c)
        return NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < r->out; i++) {
        weights_of(s, r, i, w + i * r->in, &c[i]);
        constant = constant || c[i] != 0;
    }
    T add = constant ? onnx_real_constant(s, wide, NILU_SHAPE(r->out), c) : NULL;
    T y = onnx_times(nilu_cast(*x, wide), axis, onnx_real_constant(s, wide, NILU_SHAPE(r->out, r->in), w), true, add);
    *x = nilu_cast(y, d);
    return NILU_OK;
}

static nilu_status build_Resize(onnx_site *s)
{
    nilu_shape x = onnx_shape(s, 0);
    nilu_axes axes;
    const double *scale = NULL, *roi = NULL;
    const int64_t *size = NULL;
    int64_t nscale = 0, nsize = 0, nroi = 0;
    bool upsample = strcmp(s->node->op_type, "Upsample") == 0;
    int at_scale = upsample || s->b->opset < 11 ? 1 : 2;
    resize r = {.nearest = onnx_text_is(s, "mode", "nearest", "nearest"),
                .cubic = onnx_text_is(s, "mode", "nearest", "cubic"),
                .antialias = onnx_int(s, "antialias", 0),
                .exclude = onnx_int(s, "exclude_outside", 0),
                .a = onnx_float(s, "cubic_coeff_a", -0.75),
                .outside = onnx_float(s, "extrapolation_value", 0),
                .crop = onnx_text_is(s, "coordinate_transformation_mode", "half_pixel", "tf_crop_and_resize")};
    NILU_TRY(onnx_axes(s, 99, x.rank, &axes));
    if (!axes.n)
        for (; axes.n < x.rank; axes.n++)
            axes.at[axes.n] = axes.n;
    if (onnx_has(s, at_scale))
        NILU_TRY(onnx_real(s, at_scale, &scale, &nscale));
    if (!upsample && onnx_has(s, 3))
        NILU_TRY(onnx_whole(s, 3, &size, &nsize));
    if (r.crop && onnx_has(s, 1))
        NILU_TRY(onnx_real(s, 1, &roi, &nroi));
    if ((nsize ? nsize : nscale) != axes.n || (r.crop && nroi != 2 * axes.n))
        return onnx_fail(s, N_("%d axes are given for %d"), (int)(nsize ? nsize : nscale), axes.n);
    double ratio = NAN; /* of all axes, where they keep their aspect */
    for (int k = 0; k < axes.n && nsize; k++) {
        double each = (double)size[k] / (double)x.dim[axes.at[k]];
        if (onnx_text_is(s, "keep_aspect_ratio_policy", "stretch", "not_larger"))
            ratio = isnan(ratio) || each < ratio ? each : ratio;
        else if (onnx_text_is(s, "keep_aspect_ratio_policy", "stretch", "not_smaller"))
            ratio = isnan(ratio) || each > ratio ? each : ratio;
    }
    T z = onnx_t(s, 0);
    for (int k = 0; k < axes.n && z; k++) {
        r.in = x.dim[axes.at[k]];
        r.scale = !nsize ? scale[k] : isnan(ratio) ? (double)size[k] / (double)r.in : ratio;
        double out = nsize && isnan(ratio) ? (double)size[k]
                     : nsize               ? round(ratio * (double)r.in)
                                           : floor(r.scale * (double)r.in);
        if (!(out >= 1 && out < 1e6) || r.in < 1)
            return onnx_fail(s, N_("its size is out of range"));
        r.out = (int64_t)out;
        r.start = r.crop ? roi[k] : 0;
        r.end = r.crop ? roi[k + axes.n] : 1;
        if (r.in != r.out || r.crop || r.scale != 1)
            NILU_TRY(resize_axis(s, &z, axes.at[k], &r));
    }
    return onnx_put(s, 0, z);
}

#define IS(name)                                                                                                       \
    {                                                                                                                  \
#name, build_##name                                                                                            \
    }
const onnx_row onnx_rows_net[] = {IS(RNN), IS(GRU), IS(LSTM), IS(Attention), IS(Resize), {"Upsample", build_Resize},
                                  {0}};
