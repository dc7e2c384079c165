/* The elementwise ops: z[i] = f(a[i], b[i], c[i]) over broadcast inputs. They share one shape rule, one reference loop
 * and one way back, and are rows of one table: name, inputs, the scalar function, the derivative.
 * Backward: δa = δz × ∂f/∂a (for an activation: the error, filtered by f′(z)), summed over the axes along which a was
 * broadcast. A derivative is an expression over other ops, so it can be differentiated again. */
#include "ops/ops.h"

#include <math.h>
#include <string.h>

struct real2 {
    double p, q;
};

typedef nilu_tensor *T;

/* What kind of operands a row takes. */
enum { FLOAT, NUMBER, COMPARE, LOGIC, CHOICE };

typedef struct row {
    int kind;
    ops_scalar_fn f;
    /* The derivative by input i: what δz is multiplied with, or (whole = true) the error itself. NULL result: no error
     * goes there. */
    nilu_tensor *(*d)(int i, T a, T b, T z, T dz, const struct real2 *k);
} row;

static const row *row_of(const nilu_op *op)
{
    return op->own;
}

static nilu_status shape(nilu_build *b)
{
    const row *r = row_of(b->op);
    nilu_shape out;
    int first = r->kind == CHOICE ? 1 : 0;
    if (r->kind == CHOICE)
        NILU_NEED_AS(b, NILU_E_DTYPE, b->in[0]->dtype == NILU_BOOL, N_("the condition must be bool; compare to get one"));
    for (int i = first; i < b->nin; i++) {
        if (r->kind == LOGIC)
            NILU_NEED_AS(b, NILU_E_DTYPE, b->in[i]->dtype == NILU_BOOL, N_("the inputs must be bool; compare to get one"));
        NILU_NEED_AS(b, NILU_E_DTYPE, b->in[i]->dtype == b->in[first]->dtype, N_("the inputs must have one data type; is a cast missing?"));
        if (r->kind == NUMBER)
            NILU_NEED_AS(b, NILU_E_DTYPE, b->in[i]->dtype != NILU_BOOL, N_("the inputs must be numbers, not bool; is a cast missing?"));
    }
    if (r->kind == FLOAT)
        NILU_TRY(graph_same_float(b));
    NILU_TRY(graph_broadcast(b, &out));
    bool truth = r->kind == COMPARE || r->kind == LOGIC;
    return graph_out(b, 0, truth ? NILU_BOOL : b->in[first]->dtype, out);
}

static void grad(nilu_back *g)
{
    const row *r = row_of(g->node->op);
    for (int i = 0; i < g->nin; i++) {
        if (!g->need[i])
            continue;
        T d = r->d(i, g->in[0], g->nin > 1 ? g->in[1] : NULL, g->out[0], g->dout[0], g->attr);
        g->din[i] = d ? ops_sum_to(d, g->in[i]->shape) : NULL;
    }
}

static nilu_status ref(const nilu_call *c)
{
    ops_scalar_fn f = row_of(c->op)->f;
    double p[2];
    ops_params(c->node, p);
    nilu_shape loop = c->out[0].shape;
    int64_t stride[3][NILU_MAX_RANK], n = c->out[0].n;
    for (int k = 0; k < c->nin; k++)
        ops_strides(c->in[k].shape, loop, stride[k]);
    for (int64_t i = 0; i < n; i++) {
        double v[3] = {0};
        for (int k = 0; k < c->nin; k++) {
            int64_t at = 0, rest = i;
            for (int d = loop.rank - 1; d >= 0; rest /= loop.dim[d], d--)
                at += rest % loop.dim[d] * stride[k][d];
            v[k] = call_get(c, k, at);
        }
        call_put(c, 0, i, f(v[0], v[1], v[2], p));
    }
    return NILU_OK;
}

ops_scalar_fn ops_scalar(const nilu_op *op)
{
    return op->elementwise ? row_of(op)->f : NULL;
}

void ops_params(const nilu_node *n, double p[2])
{
    const struct real2 *k = n->attr;
    p[0] = k ? k->p : 0;
    p[1] = k ? k->q : 0;
}

/* ---- the scalar functions, in double; p points to the two real attributes */
#define FN(name, expression)                                                                                           \
    static double f_##name(double a, double b, double c, const double *p)                                              \
    {                                                                                                                  \
        (void)a, (void)b, (void)c, (void)p;                                                                            \
        return expression;                                                                                             \
    }
static double log_of_sum(double x) /* softplus without overflow */
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}
#define SQRT2 1.4142135623730950488
#define GELU_A 0.79788456080286535588 /* sqrt(2 / pi) */
#define GELU_B 0.044715
#define SELU_SCALE 1.0507009873554804934
#define SELU_ALPHA 1.6732632423543772848

FN(add, a + b)
FN(sub, a - b)
FN(mul, a *b)
FN(div, a / b)
FN(pow, pow(a, b))
FN(maximum, a != a || b != b ? a + b : a >= b ? a : b)
FN(minimum, a != a || b != b ? a + b : a <= b ? a : b)
FN(neg, -a)
FN(abs, fabs(a))
FN(sign, a > 0 ? 1 : a < 0 ? -1 : a)
FN(square, a *a)
FN(sqrt, sqrt(a))
FN(rsqrt, 1 / sqrt(a))
FN(reciprocal, 1 / a)
FN(scale, a *p[0])
FN(shift, a + p[0])
FN(clamp, a < p[0] ? p[0] : a > p[1] ? p[1] : a)
FN(floor, floor(a))
FN(ceil, ceil(a))
FN(round, rint(a))
FN(exp, exp(a))
FN(expm1, expm1(a))
FN(log, log(a))
FN(log1p, log1p(a))
FN(sin, sin(a))
FN(cos, cos(a))
FN(tanh, tanh(a))
FN(erf, erf(a))
FN(sigmoid, a >= 0 ? 1 / (1 + exp(-a)) : exp(a) / (1 + exp(a)))
FN(relu, a != a ? a : a > 0 ? a : 0)
FN(heaviside, a > 0)
FN(leaky_relu, a > 0 ? a : a *p[0])
FN(elu, a > 0 ? a : p[0] * expm1(a))
FN(selu, SELU_SCALE *(a > 0 ? a : SELU_ALPHA * expm1(a)))
FN(gelu, a * 0.5 * (1 + erf(a / SQRT2)))
FN(gelu_tanh, a * 0.5 * (1 + tanh(GELU_A * (a + GELU_B * a * a * a))))
FN(silu, a >= 0 ? a / (1 + exp(-a)) : a *exp(a) / (1 + exp(a)))
FN(softplus, log_of_sum(a))
FN(softsign, a / (1 + fabs(a)))
FN(mish, a *tanh(log_of_sum(a)))
FN(hard_sigmoid, a < -3 ? 0 : a > 3 ? 1 : a / 6 + 0.5)
FN(hard_swish, a < -3 ? 0 : a > 3 ? a : a *(a / 6 + 0.5))
FN(eq, a == b)
FN(ne, a != b)
FN(lt, a < b)
FN(le, a <= b)
FN(gt, a > b)
FN(ge, a >= b)
FN(logical_and, a != 0 && b != 0)
FN(logical_or, a != 0 || b != 0)
FN(logical_xor, (a != 0) != (b != 0))
FN(logical_not, a == 0)
FN(where, a != 0 ? b : c)

/* ---- the derivatives. `D` gives the error of input i: dz times what stands there. */
#define D(name, expression)                                                                                            \
    static T d_##name(int i, T a, T b, T z, T dz, const struct real2 *k)                                               \
    {                                                                                                                  \
        (void)i, (void)a, (void)b, (void)z, (void)dz, (void)k;                                                         \
        return expression;                                                                                             \
    }
#define MASK(condition) nilu_mul(dz, nilu_cast(condition, dz->dtype))
static T zero_of(T t)
{
    return nilu_fill(t->node->g, t->dtype, NILU_SCALAR, 0);
}
/* 1 where low < x < high, closed on the sides asked for */
static T within(T x, double low, double high)
{
    nilu_graph *g = x->node->g;
    return nilu_logical_and(nilu_ge(x, nilu_fill(g, x->dtype, NILU_SCALAR, low)), nilu_le(x, nilu_fill(g, x->dtype, NILU_SCALAR, high)));
}
static T positive(T x)
{
    return nilu_gt(x, zero_of(x));
}

D(add, dz)
D(sub, i == 0 ? dz : nilu_neg(dz))
D(mul, nilu_mul(dz, i == 0 ? b : a))
D(div, i == 0 ? nilu_div(dz, b) : nilu_neg(nilu_div(nilu_mul(dz, z), b)))
/* by a: b a^(b-1); by b: z log a, which is 0 where a is 0 */
D(pow, i == 0 ? nilu_mul(dz, nilu_mul(b, nilu_pow(a, nilu_shift(b, -1))))
              : nilu_mul(dz, nilu_mul(z, nilu_log(nilu_where(positive(a), a, nilu_fill(a->node->g, a->dtype, NILU_SCALAR, 1))))))
D(maximum, i == 0 ? MASK(nilu_ge(a, b)) : MASK(nilu_lt(a, b)))
D(minimum, i == 0 ? MASK(nilu_le(a, b)) : MASK(nilu_gt(a, b)))
D(neg, nilu_neg(dz))
D(abs, nilu_mul(dz, nilu_sign(a)))
D(none, NULL)
D(square, nilu_mul(dz, nilu_scale(a, 2)))
D(sqrt, nilu_div(nilu_scale(dz, 0.5), z))
D(rsqrt, nilu_mul(dz, nilu_scale(nilu_mul(z, nilu_square(z)), -0.5)))
D(reciprocal, nilu_neg(nilu_mul(dz, nilu_square(z))))
D(scale, nilu_scale(dz, k->p))
D(clamp, MASK(within(a, k->p, k->q)))
D(exp, nilu_mul(dz, z))
D(expm1, nilu_mul(dz, nilu_shift(z, 1)))
D(log, nilu_div(dz, a))
D(log1p, nilu_div(dz, nilu_shift(a, 1)))
D(sin, nilu_mul(dz, nilu_cos(a)))
D(cos, nilu_neg(nilu_mul(dz, nilu_sin(a))))
D(tanh, nilu_mul(dz, nilu_shift(nilu_neg(nilu_square(z)), 1)))
D(erf, nilu_mul(dz, nilu_scale(nilu_exp(nilu_neg(nilu_square(a))), 1.1283791670955125739 /* 2 / sqrt(pi) */)))
D(sigmoid, nilu_mul(dz, nilu_mul(z, nilu_shift(nilu_neg(z), 1))))
D(relu, nilu_mul(dz, nilu_heaviside(z)))
D(leaky_relu, nilu_where(positive(a), dz, nilu_scale(dz, k->p)))
D(elu, nilu_where(positive(a), dz, nilu_mul(dz, nilu_shift(z, k->p))))
D(selu, nilu_where(positive(a), nilu_scale(dz, SELU_SCALE), nilu_mul(dz, nilu_shift(z, SELU_SCALE *SELU_ALPHA))))
/* Phi(x) + x phi(x) */
D(gelu, nilu_mul(dz, nilu_add(nilu_shift(nilu_scale(nilu_erf(nilu_scale(a, 1 / SQRT2)), 0.5), 0.5),
                              nilu_mul(a, nilu_scale(nilu_exp(nilu_scale(nilu_square(a), -0.5)), 0.39894228040143267794 /* 1 / sqrt(2 pi) */)))))
static T d_gelu_tanh(int i, T a, T b, T z, T dz, const struct real2 *k)
{
    (void)i, (void)b, (void)z, (void)k;
    T cube = nilu_mul(a, nilu_square(a));
    T t = nilu_tanh(nilu_scale(nilu_add(a, nilu_scale(cube, GELU_B)), GELU_A));
    T left = nilu_shift(nilu_scale(t, 0.5), 0.5);
    T slope = nilu_shift(nilu_scale(nilu_square(a), 3 * GELU_B * GELU_A), GELU_A);
    T right = nilu_mul(nilu_scale(a, 0.5), nilu_mul(nilu_shift(nilu_neg(nilu_square(t)), 1), slope));
    return nilu_mul(dz, nilu_add(left, right));
}
/* s + z (1 - s) with s = sigmoid(x) */
static T d_silu(int i, T a, T b, T z, T dz, const struct real2 *k)
{
    (void)i, (void)b, (void)k;
    T s = nilu_sigmoid(a);
    return nilu_mul(dz, nilu_add(s, nilu_mul(z, nilu_shift(nilu_neg(s), 1))));
}
D(softplus, nilu_mul(dz, nilu_sigmoid(a)))
D(softsign, nilu_div(dz, nilu_square(nilu_shift(nilu_abs(a), 1))))
static T d_mish(int i, T a, T b, T z, T dz, const struct real2 *k)
{
    (void)i, (void)b, (void)z, (void)k;
    T t = nilu_tanh(nilu_softplus(a));
    return nilu_mul(dz, nilu_add(t, nilu_mul(nilu_mul(a, nilu_sigmoid(a)), nilu_shift(nilu_neg(nilu_square(t)), 1))));
}
D(hard_sigmoid, nilu_scale(MASK(within(a, -3, 3)), 1.0 / 6))
D(hard_swish, nilu_where(within(a, -3, 3), nilu_mul(dz, nilu_shift(nilu_scale(a, 1.0 / 3), 0.5)), MASK(positive(a))))
D(where, i == 0 ? NULL : i == 1 ? nilu_where(a, dz, zero_of(dz)) : nilu_where(a, zero_of(dz), dz))

/* ---- the rows: each makes the op's record, its cases and its builder. Columns: name, gradient rule, how random cases
 * are filled, whether random inputs may meet a kink, inputs, outputs and (at kinks) gradients known by hand, the gradient in
 * one line. */
#define ROW(op, kind, gradient) static const row row_##op = {kind, f_##op, gradient};
#define UNARY_CASES(attrs, fills, kink, list, values, slopes)                                                          \
    {"by hand", .attr = attrs, .fill = list, .want = values, .gradient = slopes, .kinky = true},                       \
        {"random", "5x7", .attr = attrs, .fill = fills, .kinky = kink},                                                \
        {"scalar", "s", .attr = attrs, .fill = fills, .kinky = kink},                                                  \
        {"longer than a block", "301", .attr = attrs, .fill = fills, .kinky = kink},                                   \
        {"empty", "0x3", .attr = attrs}, {"ids", "3i5", .attr = attrs, .error = "x must be f32, f64 or bf16"}, {0}
#define UNARY(op, derivative, fills, kink, list, values, slopes, text)                                                 \
    ROW(op, FLOAT, derivative)                                                                                         \
    static const nilu_case cases_##op[] = {UNARY_CASES(NULL, fills, kink, list, values, slopes)};                      \
    const nilu_op nilu_op_##op = {.name = #op, .inputs = {"x"}, .elementwise = true, .shape = shape, .grad = grad,     \
                                  .ref = ref, .cases = cases_##op, .backward = text, .own = &row_##op};                \
    T nilu_##op(T x)                                                                                                   \
    {                                                                                                                  \
        return graph_node(&nilu_op_##op, 1, &x, NULL);                                                                 \
    }
#define UNARY_WITH(op, what, derivative, attrs, fills, kink, list, values, slopes, text)                               \
    ROW(op, FLOAT, derivative)                                                                                         \
    static const nilu_case cases_##op[] = {UNARY_CASES(attrs, fills, kink, list, values, slopes)};                     \
    const nilu_op nilu_op_##op = {.name = #op, .inputs = {"x"}, .elementwise = true,                                   \
                                  .attr_size = sizeof(struct real2),                                                   \
                                  .fields = {{what, FIELD_REAL, offsetof(struct real2, p)}}, .shape = shape,           \
                                  .grad = grad, .ref = ref, .cases = cases_##op, .backward = text, .own = &row_##op};  \
    T nilu_##op(T x, double value)                                                                                     \
    {                                                                                                                  \
        return graph_node(&nilu_op_##op, 1, &x, &(struct real2){value, 0});                                            \
    }
#define BINARY_CASES(fills, kink, list, values, slopes)                                                                \
    {"by hand", "3 3", .fill = list, .want = values, .gradient = slopes, .kinky = true},                               \
        {"same shape", "5x7 5x7", .fill = fills, .kinky = kink}, {"a row over a matrix", "5x7 7", .fill = fills, .kinky = kink}, \
        {"a column over a matrix", "5x1 5x7", .fill = fills, .kinky = kink},                                           \
        {"a scalar over a matrix", "s 4x5", .fill = fills, .kinky = kink},                                             \
        {"both spread, four axes", "2x1x3x1 4x1x5", .fill = fills, .kinky = kink},                                     \
        {"longer than a block", "3x301 301", .fill = fills, .kinky = kink}, {"empty", "0x3 3"},                        \
        {"does not broadcast", "2x3 2x4", .error = "do not broadcast"}
#define BINARY(op, kind, derivative, fills, kink, list, values, slopes, text)                                          \
    ROW(op, kind, derivative)                                                                                          \
    static const nilu_case cases_##op[] = {BINARY_CASES(fills, kink, list, values, slopes),                            \
                                           {"a bool", "3b 3b", .error = kind == FLOAT ? "must be f32, f64 or bf16" : "must be numbers"}, \
                                           {"two types", "3 3i5", .error = "one data type"}, {0}};                     \
    const nilu_op nilu_op_##op = {.name = #op, .inputs = {"a", "b"}, .elementwise = true, .shape = shape,              \
                                  .grad = grad, .ref = ref, .cases = cases_##op, .backward = text, .own = &row_##op};  \
    T nilu_##op(T a, T b)                                                                                              \
    {                                                                                                                  \
        return graph_node(&nilu_op_##op, 2, (T[]){a, b}, NULL);                                                        \
    }
#define ANSWER N_("its answer is true or false, which does not change smoothly")
#define COMPARISON(op, list, values)                                                                                   \
    ROW(op, COMPARE, NULL)                                                                                             \
    static const nilu_case cases_##op[] = {BINARY_CASES(NULL, true, list, values, NULL),                               \
                                           {"integers", "7i3 7i3"}, {"two types", "3 3i5", .error = "one data type"}, {0}}; \
    const nilu_op nilu_op_##op = {.name = #op, .inputs = {"a", "b"}, .elementwise = true, .shape = shape,              \
                                  .no_gradient = ANSWER, .ref = ref, .cases = cases_##op, .own = &row_##op};           \
    T nilu_##op(T a, T b)                                                                                              \
    {                                                                                                                  \
        return graph_node(&nilu_op_##op, 2, (T[]){a, b}, NULL);                                                        \
    }
#define LOGICAL(op, values)                                                                                            \
    ROW(op, LOGIC, NULL)                                                                                               \
    static const nilu_case cases_##op[] = {{"by hand", "4b 4b", .fill = "list 0 0 1 1 0 1 0 1", .want = values},       \
                                           {"spread", "5x1b 7b"}, {"numbers", "3 3", .error = "must be bool"}, {0}};   \
    const nilu_op nilu_op_##op = {.name = #op, .inputs = {"a", "b"}, .elementwise = true, .shape = shape,              \
                                  .no_gradient = ANSWER, .ref = ref, .cases = cases_##op, .own = &row_##op};           \
    T nilu_##op(T a, T b)                                                                                              \
    {                                                                                                                  \
        return graph_node(&nilu_op_##op, 2, (T[]){a, b}, NULL);                                                        \
    }

UNARY(neg, d_neg, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "2.0 0.5 0.0 -0.25 -3.0", NULL, "dx = -dz")
UNARY(abs, d_abs, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "2.0 0.5 0.0 0.25 3.0", "-1 -1 0 1 1", "dx = dz * sign(x)")
UNARY(sign, d_none, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "-1.0 -1.0 0.0 1.0 1.0", "0 0 0 0 0", "dx = 0")
UNARY(square, d_square, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "4.0 0.25 0.0 0.0625 9.0", NULL, "dx = dz * 2x")
UNARY(sqrt, d_sqrt, "positive", false,
      "list 0.25 1 2 9",
      "0.5 1.0 1.4142135623730951 3.0", NULL, "dx = dz / 2z")
UNARY(rsqrt, d_rsqrt, "positive", false,
      "list 0.25 1 2 9",
      "2.0 1.0 0.7071067811865475 0.3333333333333333", NULL, "dx = -dz * z^3 / 2")
UNARY(reciprocal, d_reciprocal, "positive", false,
      "list -2 0.25 4",
      "-0.5 4.0 0.25", NULL, "dx = -dz * z^2")
UNARY(floor, d_none, NULL, true,
      "list -1.5 -0.5 0.5 2",
      "-2.0 -1.0 0.0 2.0", "0 0 0 0", "dx = 0")
UNARY(ceil, d_none, NULL, true,
      "list -1.5 -0.5 0.5 2",
      "-1.0 0.0 1.0 2.0", "0 0 0 0", "dx = 0")
UNARY(round, d_none, NULL, true,
      "list -1.5 -0.5 0.5 2.5 0.6",
      "-2.0 0.0 0.0 2.0 1.0", "0 0 0 0 0", "dx = 0")
UNARY(exp, d_exp, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "0.1353352832366127 0.6065306597126334 1.0 1.2840254166877414 20.085536923187668", NULL, "dx = dz * z")
UNARY(expm1, d_expm1, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "-0.8646647167633873 -0.3934693402873666 0.0 0.2840254166877415 19.085536923187668", NULL, "dx = dz * (z + 1)")
UNARY(log, d_log, "positive", false,
      "list 0.25 1 2 9",
      "-1.3862943611198906 0.0 0.6931471805599453 2.1972245773362196", NULL, "dx = dz / x")
UNARY(log1p, d_log1p, "positive", false,
      "list 0.25 1 2 9",
      "0.22314355131420976 0.6931471805599453 1.0986122886681096 2.302585092994046", NULL, "dx = dz / (1 + x)")
UNARY(sin, d_sin, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "-0.9092974268256817 -0.479425538604203 0.0 0.24740395925452294 0.1411200080598672", NULL, "dx = dz * cos(x)")
UNARY(cos, d_cos, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "-0.4161468365471424 0.8775825618903728 1.0 0.9689124217106447 -0.9899924966004454", NULL, "dx = -dz * sin(x)")
UNARY(tanh, d_tanh, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "-0.9640275800758169 -0.46211715726000974 0.0 0.24491866240370913 0.9950547536867305", NULL, "dx = dz * (1 - z^2)")
UNARY(erf, d_erf, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "-0.9953222650189527 -0.5204998778130465 0.0 0.2763263901682369 0.9999779095030014", NULL, "dx = dz * 2/sqrt(pi) * exp(-x^2)")
UNARY(sigmoid, d_sigmoid, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "0.11920292202211755 0.3775406687981454 0.5 0.5621765008857981 0.9525741268224334", NULL, "dx = dz * z (1 - z)")
UNARY(relu, d_relu, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "0.0 0.0 0.0 0.25 3.0", "0 0 0 1 1", "dx = dz where x > 0: a closed unit owes nothing")
UNARY(heaviside, d_none, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "0.0 0.0 0.0 1.0 1.0", "0 0 0 0 0", "dx = 0")
UNARY(selu, d_selu, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "-1.520166468595695 -0.6917581878028713 0.0 0.2626752468388701 3.1521029620664414", "0.2379328722516818 1.0663411530445053 1.7580993408473766 1.0507009873554805 1.0507009873554805", "dx = dz * (scale where x > 0, else z + scale * alpha)")
UNARY(gelu, d_gelu, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "-0.04550026389635842 -0.15426876936299344 0.0 0.14967658142073093 2.99595030590511", NULL, "dx = dz * (Phi(x) + x phi(x))")
UNARY(gelu_tanh, d_gelu_tanh, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "-0.04540230591222494 -0.15428599017485606 0.0 0.149675350701685 2.996362607918227", NULL, "dx = dz * (1/2 (1 + t) + x/2 (1 - t^2) (a + 3ab x^2)), t = tanh(a (x + b x^3))")
UNARY(silu, d_silu, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "-0.2384058440442351 -0.1887703343990727 0.0 0.14054412522144952 2.8577223804673", NULL, "dx = dz * (s + z (1 - s)), s = sigmoid(x)")
UNARY(softplus, d_softplus, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "0.1269280110429725 0.4740769841801067 0.6931471805599453 0.8259394198788436 3.048587351573742", NULL, "dx = dz * sigmoid(x)")
UNARY(softsign, d_softsign, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "-0.6666666666666666 -0.3333333333333333 0.0 0.2 0.75", NULL, "dx = dz / (1 + |x|)^2")
UNARY(mish, d_mish, NULL, false,
      "list -2 -0.5 0 0.25 3",
      "-0.2525014826957089 -0.22074377465173 0.0 0.1695724096638176 2.9865350049679575", NULL, "dx = dz * (t + x sigmoid(x) (1 - t^2)), t = tanh(softplus(x))")
UNARY(hard_sigmoid, d_hard_sigmoid, NULL, false,
      "list -4 -3 -1 0 2 5",
      "0.0 0.0 0.33333333333333337 0.5 0.8333333333333333 1.0", "0 0.16666666666666666 0.16666666666666666 0.16666666666666666 0.16666666666666666 0", "dx = dz / 6 where -3 <= x <= 3")
UNARY(hard_swish, d_hard_swish, NULL, false,
      "list -4 -3 -1 0 2 5",
      "0.0 -0.0 -0.33333333333333337 0.0 1.6666666666666665 5.0", "0 -0.5 0.16666666666666666 0.5 1.1666666666666667 1", "dx = dz * (x/3 + 1/2) where -3 <= x <= 3, dz above")
UNARY_WITH(scale, "factor", d_scale, "factor=2.5", NULL, false,
           "list -2 -0.5 0 0.25 3",
           "-5.0 -1.25 0.0 0.625 7.5", NULL, "dx = dz * factor")
UNARY_WITH(shift, "term", d_add, "term=-1.5", NULL, false,
           "list -2 -0.5 0 0.25 3",
           "-3.5 -2.0 -1.5 -1.25 1.5", NULL, "dx = dz")
UNARY_WITH(leaky_relu, "slope", d_leaky_relu, "slope=0.1", NULL, false,
           "list -2 -0.5 0 0.25 3",
           "-0.2 -0.05 0.0 0.25 3.0", "0.1 0.1 0.1 1 1", "dx = dz where x > 0, else slope * dz")
UNARY_WITH(elu, "alpha", d_elu, "alpha=1.5", NULL, false,
           "list -2 -0.5 0 0.25 3",
           "-1.296997075145081 -0.5902040104310499 0.0 0.25 3.0", "0.20300292485491905 0.9097959895689501 1.5 1 1", "dx = dz where x > 0, else dz * (z + alpha)")
BINARY(add, NUMBER, d_add, NULL, false, "list -1.5 2 3 2 2 -4",
       "0.5 4.0 -1.0", NULL, "da = dz, db = dz")
BINARY(sub, NUMBER, d_sub, NULL, false, "list -1.5 2 3 2 2 -4",
       "-3.5 0.0 7.0", NULL, "da = dz, db = -dz")
BINARY(mul, NUMBER, d_mul, NULL, false, "list -1.5 2 3 2 2 -4",
       "-3.0 4.0 -12.0", NULL, "da = dz * b, db = dz * a")
BINARY(div, FLOAT, d_div, "positive", false, "list -1.5 2 3 2 2 -4",
       "-0.75 1.0 -0.75", NULL, "da = dz / b, db = -dz * z / b")
BINARY(pow, FLOAT, d_pow, "positive", false, "list -1.5 2 3 2 2 -4",
       "2.25 4.0 0.012345679012345678", NULL, "da = dz * b a^(b-1), db = dz * z log a")
BINARY(maximum, NUMBER, d_maximum, NULL, false, "list -1.5 2 3 2 2 -4",
       "2.0 2.0 3.0", "0 1 1 1 0 0", "da = dz where a >= b, db = dz elsewhere")
BINARY(minimum, NUMBER, d_minimum, NULL, false, "list -1.5 2 3 2 2 -4",
       "-1.5 2.0 -4.0", "1 1 0 0 0 1", "da = dz where a <= b, db = dz elsewhere")
COMPARISON(eq, "list -1.5 2 3 2 2 -4", "0 1 0")
COMPARISON(ne, "list -1.5 2 3 2 2 -4", "1 0 1")
COMPARISON(lt, "list -1.5 2 3 2 2 -4", "1 0 0")
COMPARISON(le, "list -1.5 2 3 2 2 -4", "1 1 0")
COMPARISON(gt, "list -1.5 2 3 2 2 -4", "0 0 1")
COMPARISON(ge, "list -1.5 2 3 2 2 -4", "0 1 1")
LOGICAL(logical_and, "0 0 0 1")
LOGICAL(logical_or, "0 1 1 1")
LOGICAL(logical_xor, "0 1 1 0")

ROW(logical_not, LOGIC, NULL)
static const nilu_case cases_logical_not[] = {{"by hand", "2b", .fill = "list 0 1", .want = "1 0"},
                                              {"numbers", "3", .error = "must be bool"}, {0}};
const nilu_op nilu_op_logical_not = {.name = "logical_not", .inputs = {"x"}, .elementwise = true, .shape = shape,
                                     .no_gradient = ANSWER, .ref = ref, .cases = cases_logical_not,
                                     .own = &row_logical_not};
T nilu_logical_not(T x)
{
    return graph_node(&nilu_op_logical_not, 1, &x, NULL);
}

ROW(clamp, FLOAT, d_clamp)
static const nilu_case cases_clamp[] = {UNARY_CASES("low=-1 high=0.5", NULL, false, "list -2 -1 0 0.5 3", "-1 -1 0 0.5 0.5", "0 1 1 1 0")};
const nilu_op nilu_op_clamp = {.name = "clamp", .inputs = {"x"}, .elementwise = true, .attr_size = sizeof(struct real2),
                               .fields = {{"low", FIELD_REAL, offsetof(struct real2, p)},
                                          {"high", FIELD_REAL, offsetof(struct real2, q)}},
                               .shape = shape, .grad = grad, .ref = ref, .cases = cases_clamp,
                               .backward = N_("dx = dz where low <= x <= high"), .own = &row_clamp};
T nilu_clamp(T x, double low, double high)
{
    return graph_node(&nilu_op_clamp, 1, &x, &(struct real2){low, high});
}

ROW(where, CHOICE, d_where)
static const nilu_case cases_where[] = {
    {"by hand", "3b 3 3", .fill = "list 1 0 1 1 2 3 4 5 6", .want = "1 5 3"},
    {"same shape", "5x7b 5x7 5x7"}, {"all spread", "7b 5x1 s"}, {"longer than a block", "301b 301 301"},
    {"integers", "4b 4i9 4i9"}, {"empty", "0b 0 0"},
    {"a condition of numbers", "3 3 3", .error = "the condition must be bool"},
    {"two types", "3b 3 3i4", .error = "one data type"},
    {"does not broadcast", "2b 3 3", .error = "do not broadcast"}, {0}};
const nilu_op nilu_op_where = {.name = "where", .inputs = {"condition", "a", "b"}, .elementwise = true, .shape = shape,
                               .grad = grad, .nodiff = {N_("it chooses, and does not change smoothly")}, .ref = ref,
                               .cases = cases_where,
                               .backward = N_("da = dz where the condition holds, db = dz elsewhere"), .own = &row_where};
T nilu_where(T condition, T a, T b)
{
    return graph_node(&nilu_op_where, 3, (T[]){condition, a, b}, NULL);
}
