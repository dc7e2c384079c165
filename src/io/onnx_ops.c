/* Rows of ONNX's elementwise ops. Most are one op of nilu; some are a formula over a few. Whole numbers are divided in f64,
 * which is exact below 2^53. */
#include "io/onnx.h"

#include <math.h>
#include <string.h>

typedef nilu_tensor *T;

static T minus(T a, double b)
{
    return nilu_shift(a, -b);
}

/* Ops that nilu has under another name. */
static const struct {
    const char *name;
    T (*one)(T);
    T (*two)(T, T);
} plain[] = {
    {"Sqrt", nilu_sqrt},
    {"Reciprocal", nilu_reciprocal},
    {"Floor", nilu_floor},
    {"Ceil", nilu_ceil},
    {"Round", nilu_round},
    {"Exp", nilu_exp},
    {"Log", nilu_log},
    {"Sin", nilu_sin},
    {"Cos", nilu_cos},
    {"Tanh", nilu_tanh},
    {"Erf", nilu_erf},
    {"Sigmoid", nilu_sigmoid},
    {"Relu", nilu_relu},
    {"Softplus", nilu_softplus},
    {"Softsign", nilu_softsign},
    {"Mish", nilu_mish},
    {"HardSwish", nilu_hard_swish},
    {"Not", nilu_logical_not},
    {"Add", NULL, nilu_add},
    {"Sub", NULL, nilu_sub},
    {"Mul", NULL, nilu_mul},
    {"And", NULL, nilu_logical_and},
    {"Or", NULL, nilu_logical_or},
    {"Xor", NULL, nilu_logical_xor},
    {"Equal", NULL, nilu_eq},
    {"Less", NULL, nilu_lt},
    {"LessOrEqual", NULL, nilu_le},
    {"Greater", NULL, nilu_gt},
    {"GreaterOrEqual", NULL, nilu_ge},
};

static int plain_at(const char *op)
{
    for (int i = 0; i < (int)COUNT(plain); i++)
        if (strcmp(plain[i].name, op) == 0)
            return i;
    return -1;
}

static nilu_status build_plain(onnx_site *s)
{
    int i = plain_at(s->node->op_type);
    T x = onnx_t(s, 0);
    return onnx_put(s, 0, plain[i].one ? plain[i].one(x) : plain[i].two(x, onnx_t(s, 1)));
}

const onnx_row *onnx_find(const char *op)
{
    static const onnx_row row = {"", build_plain};
    static const onnx_row *const tables[] = {onnx_rows,     onnx_rows_shape,   onnx_rows_reduce, onnx_rows_index,  onnx_rows_nn,
                                             onnx_rows_net, onnx_rows_picture, onnx_rows_sample, onnx_rows_narrow, onnx_rows_flow};
    if (plain_at(op) >= 0)
        return &row;
    for (size_t k = 0; k < COUNT(tables); k++)
        for (const onnx_row *r = tables[k]; r->name; r++)
            if (strcmp(r->name, op) == 0)
                return r;
    return NULL;
}

/* a row whose output is an expression over its input x */
#define ROW(op, expression)                                                                                            \
    static nilu_status build_##op(onnx_site *s)                                                                        \
    {                                                                                                                  \
        T x = onnx_t(s, 0);                                                                                            \
        return onnx_put(s, 0, expression);                                                                             \
    }

static bool is_whole(T x)
{
    return x && !base_is_float(x->dtype);
}

static T negative(onnx_site *s, T x)
{
    return is_whole(x) ? nilu_sub(onnx_scalar(s, x->dtype, 0), x) : nilu_neg(x);
}

ROW(Neg, negative(s, x))
ROW(Abs, is_whole(x) ? nilu_maximum(x, negative(s, x)) : nilu_abs(x))
ROW(Sign, is_whole(x) ? nilu_cast(nilu_sign(nilu_cast(x, NILU_F64)), x->dtype) : nilu_sign(x))
ROW(Tan, nilu_div(nilu_sin(x), nilu_cos(x)))
ROW(Sinh, nilu_scale(nilu_sub(nilu_expm1(x), nilu_expm1(nilu_neg(x))), 0.5))
ROW(Cosh, nilu_scale(nilu_add(nilu_exp(x), nilu_exp(nilu_neg(x))), 0.5))
ROW(Asinh, nilu_mul(nilu_sign(x), nilu_log(nilu_add(nilu_abs(x), nilu_sqrt(nilu_shift(nilu_square(x), 1))))))
ROW(Acosh, nilu_log(nilu_add(x, nilu_sqrt(minus(nilu_square(x), 1)))))
ROW(Atanh, nilu_scale(nilu_sub(nilu_log1p(x), nilu_log1p(nilu_neg(x))), 0.5))
ROW(LeakyRelu, nilu_leaky_relu(x, onnx_float(s, "alpha", (double)0.01f)))
ROW(Elu, nilu_elu(x, onnx_float(s, "alpha", 1)))
ROW(Swish, nilu_mul(x, nilu_sigmoid(nilu_scale(x, onnx_float(s, "alpha", 1)))))
ROW(Gelu, onnx_text_is(s, "approximate", "none", "tanh") ? nilu_gelu_tanh(x) : nilu_gelu(x))
ROW(HardSigmoid,
    nilu_clamp(nilu_shift(nilu_scale(x, onnx_float(s, "alpha", (double)0.2f)), onnx_float(s, "beta", 0.5)), 0, 1))
ROW(IsNaN, nilu_ne(x, x))

/* selu of any alpha and gamma: gamma * elu(x, alpha) */
static nilu_status build_Selu(onnx_site *s)
{
    T x = onnx_t(s, 0);
    if (!onnx_attr(s, "alpha") && !onnx_attr(s, "gamma"))
        return onnx_put(s, 0, nilu_selu(x));
    return onnx_put(s, 0,
                    nilu_scale(nilu_elu(x, onnx_float(s, "alpha", 1.67326319217681884765625)),
                               onnx_float(s, "gamma", 1.05070102214813232421875)));
}

static nilu_status build_Celu(onnx_site *s)
{
    double alpha = onnx_float(s, "alpha", 1);
    T x = onnx_t(s, 0);
    return onnx_put(s, 0,
                    nilu_add(nilu_relu(x), nilu_scale(nilu_minimum(nilu_expm1(nilu_scale(x, 1 / alpha)),
                                                                   onnx_scalar(s, onnx_dtype_of(s, 0), 0)),
                                                      alpha)));
}

static nilu_status build_ThresholdedRelu(onnx_site *s)
{
    nilu_dtype d = onnx_dtype_of(s, 0);
    T x = onnx_t(s, 0);
    return onnx_put(s, 0,
                    nilu_where(nilu_gt(x, onnx_scalar(s, d, onnx_float(s, "alpha", 1))), x, onnx_scalar(s, d, 0)));
}

static nilu_status build_Shrink(onnx_site *s)
{
    nilu_dtype d = onnx_dtype_of(s, 0);
    double lambda = onnx_float(s, "lambd", 0.5), bias = onnx_float(s, "bias", 0);
    T x = onnx_t(s, 0), none = onnx_scalar(s, d, 0);
    T high = nilu_where(nilu_gt(x, onnx_scalar(s, d, lambda)), nilu_sub(x, onnx_scalar(s, d, bias)), none);
    return onnx_put(s, 0,
                    nilu_where(nilu_lt(x, onnx_scalar(s, d, -lambda)), nilu_add(x, onnx_scalar(s, d, bias)), high));
}

static nilu_status build_PRelu(onnx_site *s)
{
    T x = onnx_t(s, 0), none = onnx_scalar(s, onnx_dtype_of(s, 0), 0);
    return onnx_put(s, 0, nilu_where(nilu_gt(x, none), x, nilu_mul(x, onnx_t(s, 1))));
}

static nilu_status build_IsInf(onnx_site *s)
{
    nilu_dtype d = onnx_dtype_of(s, 0);
    bool up = onnx_int(s, "detect_positive", 1), down = onnx_int(s, "detect_negative", 1);
    T x = onnx_t(s, 0), y = up && down ? nilu_abs(x) : down ? nilu_neg(x) : x;
    T z = nilu_eq(y, onnx_scalar(s, d, INFINITY));
    return onnx_put(s, 0, up || down ? z : nilu_logical_and(z, nilu_logical_not(z)));
}

/* ---- whole numbers */

static T quotient(T a, T b, nilu_dtype d, bool down)
{
    T q = nilu_div(nilu_cast(a, NILU_F64), nilu_cast(b, NILU_F64));
    return nilu_cast(down ? nilu_floor(q) : q, d); /* a cast goes towards zero */
}

static nilu_status build_Div(onnx_site *s)
{
    nilu_dtype d = onnx_dtype_of(s, 0);
    T a = onnx_t(s, 0), b = onnx_t(s, 1);
    return onnx_put(s, 0, base_is_float(d) ? nilu_div(a, b) : quotient(a, b, d, false));
}

/* a - b * floor(a / b), or with fmod a - b * trunc(a / b) */
static nilu_status build_Mod(onnx_site *s)
{
    nilu_dtype d = onnx_dtype_of(s, 0);
    bool fmod = onnx_int(s, "fmod", 0);
    T a = onnx_t(s, 0), b = onnx_t(s, 1);
    if (!base_is_float(d))
        return onnx_put(s, 0, nilu_sub(a, nilu_mul(b, quotient(a, b, d, !fmod))));
    T q = nilu_div(a, b), whole = fmod ? nilu_mul(nilu_sign(q), nilu_floor(nilu_abs(q))) : nilu_floor(q);
    return onnx_put(s, 0, nilu_sub(a, nilu_mul(b, whole)));
}

static nilu_status build_Pow(onnx_site *s)
{
    nilu_dtype d = onnx_dtype_of(s, 0), wide = base_is_float(d) ? d : NILU_F64;
    T z = nilu_pow(nilu_cast(onnx_t(s, 0), wide), nilu_cast(onnx_t(s, 1), wide));
    return onnx_put(s, 0, nilu_cast(z, d));
}

/* ---- any number of inputs */

static nilu_status chain(onnx_site *s, T (*op)(T, T), T *out)
{
    T z = onnx_t(s, 0);
    for (int i = 1; i < s->nin; i++)
        z = op(z, onnx_t(s, i));
    *out = z;
    return NILU_OK;
}
#define CHAIN(name, op)                                                                                                \
    static nilu_status build_##name(onnx_site *s)                                                                      \
    {                                                                                                                  \
        T z;                                                                                                           \
        NILU_TRY(chain(s, op, &z));                                                                                    \
        return onnx_put(s, 0, z);                                                                                      \
    }
CHAIN(Max, nilu_maximum)
CHAIN(Min, nilu_minimum)
CHAIN(Sum, nilu_add)

static nilu_status build_Mean(onnx_site *s)
{
    T z;
    NILU_TRY(chain(s, nilu_add, &z));
    return onnx_put(s, 0, nilu_div(z, onnx_scalar(s, onnx_dtype_of(s, 0), s->nin)));
}

/* ---- the rest */

/* From 0 up it is what others call relu6: its derivative at 0 is 0, as relu's. */
static nilu_status build_Clip(onnx_site *s)
{
    nilu_dtype d = onnx_dtype_of(s, 0);
    bool zero = onnx_attr(s, "min") && onnx_float(s, "min", 0) == 0;
    if (onnx_has(s, 1) && s->in[1]->data && !s->in[1]->given && base_count(onnx_shape(s, 1)) == 1)
        zero = base_load(s->in[1]->dtype, s->in[1]->data, 0) == 0;
    T x = onnx_t(s, 0);
    if (zero && base_is_float(d))
        x = nilu_relu(x);
    else if (onnx_has(s, 1))
        x = nilu_maximum(x, onnx_t(s, 1));
    else if (onnx_attr(s, "min"))
        x = nilu_maximum(x, onnx_scalar(s, d, onnx_float(s, "min", 0)));
    if (onnx_has(s, 2))
        x = nilu_minimum(x, onnx_t(s, 2));
    else if (onnx_attr(s, "max"))
        x = nilu_minimum(x, onnx_scalar(s, d, onnx_float(s, "max", 0)));
    return onnx_put(s, 0, x);
}

static nilu_status build_Where(onnx_site *s)
{
    return onnx_put(s, 0, nilu_where(onnx_t(s, 0), onnx_t(s, 1), onnx_t(s, 2)));
}

static nilu_status same(onnx_site *s)
{
    if (!onnx_has(s, 0))
        return onnx_fail(s, N_("input %d is missing"), 0);
    s->out[0] = *s->in[0]; /* known stays known; a weight used twice is one */
    return onnx_put(s, 0, onnx_t(s, 0));
}

static nilu_status build_Cast(onnx_site *s)
{
    nilu_dtype d;
    int to = (int)onnx_int(s, "to", 0);
    if (!onnx_dtype(to, &d))
        return onnx_fail(s, N_("elements of type %s are not supported"), onnx_type_name(to));
    return onnx_put(s, 0, nilu_cast(onnx_t(s, 0), d));
}

static nilu_status build_CastLike(onnx_site *s)
{
    if (!onnx_has(s, 1))
        return onnx_fail(s, N_("input %d is missing"), 1);
    return onnx_put(s, 0, nilu_cast(onnx_t(s, 0), onnx_dtype_of(s, 1)));
}

/* Drops where the graph is built for training; its rate is an input since opset 12. */
static nilu_status build_Dropout(onnx_site *s)
{
    double rate = onnx_float(s, "ratio", 0.5);
    int64_t n;
    const double *at;
    const int64_t *on;
    bool training = s->b->wish->training && !onnx_has(s, 2);
    if (onnx_has(s, 1)) {
        NILU_TRY(onnx_real(s, 1, &at, &n));
        rate = n ? at[0] : rate;
    }
    if (onnx_has(s, 2)) {
        NILU_TRY(onnx_whole(s, 2, &on, &n));
        training = n && on[0] && (s->b->wish->training || !s->b->wish->model);
    }
    T x = onnx_t(s, 0), one = nilu_fill(s->b->g, NILU_F32, onnx_shape(s, 0), 1);
    T kept = training && rate > 0 ? nilu_dropout(one, rate) : one;
    NILU_TRY(onnx_put(s, 1, nilu_gt(kept, onnx_scalar(s, NILU_F32, 0))));
    return onnx_put(s, 0, training && rate > 0 ? nilu_mul(x, nilu_cast(kept, onnx_dtype_of(s, 0))) : x);
}

#define IS(name)                                                                                                       \
    {                                                                                                                  \
#name, build_##name                                                                                            \
    }
const onnx_row onnx_rows[] = {IS(Div),
                              IS(Mod),
                              IS(Pow),
                              IS(Neg),
                              IS(Abs),
                              IS(Sign),
                              IS(Tan),
                              IS(Sinh),
                              IS(Cosh),
                              IS(Asinh),
                              IS(Acosh),
                              IS(Atanh),
                              IS(LeakyRelu),
                              IS(PRelu),
                              IS(Elu),
                              IS(Selu),
                              IS(Celu),
                              IS(Gelu),
                              IS(Swish),
                              IS(HardSigmoid),
                              IS(ThresholdedRelu),
                              IS(Shrink),
                              IS(IsNaN),
                              IS(IsInf),
                              IS(Max),
                              IS(Min),
                              IS(Sum),
                              IS(Mean),
                              IS(Clip),
                              IS(Where),
                              {"Identity", same},
                              IS(Cast),
                              IS(CastLike),
                              IS(Dropout),
                              {0}};
