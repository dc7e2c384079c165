/* The steps of tapes on blocks of numbers, each one function for one op: z[i] = f(a[i], b[i], c[i]) for n numbers, n a
 * multiple of sixteen. Blocks may be the same; each sixteen are read before they are written. */
#include "cpu/cpu.h"
#include "cpu/isa/math.h"

#define STEP(op, expression)                                                                                           \
    static void step_##op(float *z, const float *pa, const float *pb, const float *pc, const float *p, int64_t n)      \
    {                                                                                                                  \
        const vf p0 = v_set(p[0]), p1 = v_set(p[1]);                                                                   \
        (void)p0, (void)p1, (void)pb, (void)pc;                                                                        \
        for (int64_t i = 0; i < n; i += LANES) {                                                                       \
            const vf a = v_load(pa + i);                                                                               \
            v_store(z + i, expression);                                                                                \
        }                                                                                                              \
    }
#define B v_load(pb + i)
#define C v_load(pc + i)
#define ZERO v_set(0)
#define ONE v_set(1)

SIMD_FN vf larger(vf a, vf b)
{
    return v_select(v_either(v_nan(a), v_nan(b)), v_add(a, b), v_select(v_le(b, a), a, b));
}
SIMD_FN vf smaller(vf a, vf b)
{
    return v_select(v_either(v_nan(a), v_nan(b)), v_add(a, b), v_select(v_le(a, b), a, b));
}
SIMD_FN vf sign(vf a)
{
    return v_select(v_lt(ZERO, a), ONE, v_select(v_lt(a, ZERO), v_set(-1), a));
}
/* x where x > 0, else `other`; NaN is kept by `other`. */
SIMD_FN vf above(vf a, vf other)
{
    return v_select(v_lt(ZERO, a), a, other);
}
SIMD_FN vf truth(vf a)
{
    return v_truth(v_not(v_eq(a, ZERO)));
}
#define SELU_SCALE 1.0507009873554804934f
#define SELU_ALPHA 1.6732632423543772848f
#define GELU_A 0.79788456080286535588f
#define GELU_B 0.044715f
SIMD_FN vf gelu_tanh(vf a)
{
    vf inner = v_mul(v_set(GELU_A), v_fma(v_mul(v_set(GELU_B), v_mul(a, a)), a, a));
    return v_mul(v_mul(a, v_set(0.5f)), v_add(ONE, v_tanh(inner)));
}
SIMD_FN vf hard(vf a) /* x / 6 + 1 / 2 within 0 .. 1 */
{
    vf y = v_fma(a, v_set(1.0f / 6), v_set(0.5f));
    return v_select(v_lt(a, v_set(-3)), ZERO, v_select(v_lt(v_set(3), a), ONE, y));
}

STEP(add, v_add(a, B))
STEP(sub, v_sub(a, B))
STEP(mul, v_mul(a, B))
STEP(div, v_div(a, B))
STEP(maximum, larger(a, B))
STEP(minimum, smaller(a, B))
STEP(neg, v_neg(a))
STEP(abs, v_abs(a))
STEP(sign, sign(a))
STEP(square, v_mul(a, a))
STEP(sqrt, v_sqrt(a))
STEP(rsqrt, v_div(ONE, v_sqrt(a)))
STEP(reciprocal, v_div(ONE, a))
STEP(scale, v_mul(a, p0))
STEP(shift, v_add(a, p0))
STEP(clamp, v_select(v_lt(a, p0), p0, v_select(v_lt(p1, a), p1, a)))
STEP(floor, v_floor(a))
STEP(ceil, v_ceil(a))
STEP(round, v_round(a))
STEP(exp, v_exp(a))
STEP(expm1, v_expm1(a))
STEP(log, v_log(a))
STEP(log1p, v_log1p(a))
STEP(tanh, v_tanh(a))
STEP(sigmoid, v_sigmoid(a))
STEP(relu, v_select(v_le(a, ZERO), ZERO, a))
STEP(heaviside, v_truth(v_lt(ZERO, a)))
STEP(leaky_relu, above(a, v_mul(a, p0)))
STEP(elu, above(a, v_mul(p0, v_expm1(a))))
STEP(selu, v_mul(v_set(SELU_SCALE), above(a, v_mul(v_set(SELU_ALPHA), v_expm1(a)))))
STEP(gelu_tanh, gelu_tanh(a))
STEP(silu, v_mul(a, v_sigmoid(a)))
STEP(softplus, v_softplus(a))
STEP(softsign, v_div(a, v_add(ONE, v_abs(a))))
STEP(mish, v_mul(a, v_tanh(v_softplus(a))))
STEP(hard_sigmoid, hard(a))
STEP(hard_swish, v_mul(a, hard(a)))
STEP(eq, v_truth(v_eq(a, B)))
STEP(ne, v_truth(v_not(v_eq(a, B))))
STEP(lt, v_truth(v_lt(a, B)))
STEP(le, v_truth(v_le(a, B)))
STEP(gt, v_truth(v_lt(B, a)))
STEP(ge, v_truth(v_le(B, a)))
STEP(logical_and, v_mul(truth(a), truth(B)))
STEP(logical_or, v_select(v_eq(a, ZERO), truth(B), ONE))
STEP(logical_xor, v_truth(v_not(v_eq(truth(a), truth(B)))))
STEP(logical_not, v_truth(v_eq(a, ZERO)))
STEP(where, v_select(v_eq(a, ZERO), C, B))
STEP(truth, truth(a))

#define ROW(op) {#op, step_##op},
static const struct {
    const char *op;
    cpu_step_fn run;
} steps[] = {ROW(add) ROW(sub) ROW(mul) ROW(div) ROW(maximum) ROW(minimum) ROW(neg) ROW(abs) ROW(sign) ROW(square)
             ROW(sqrt) ROW(rsqrt) ROW(reciprocal) ROW(scale) ROW(shift) ROW(clamp) ROW(floor) ROW(ceil) ROW(round)
             ROW(exp) ROW(expm1) ROW(log) ROW(log1p) ROW(tanh) ROW(sigmoid) ROW(relu) ROW(heaviside) ROW(leaky_relu)
             ROW(elu) ROW(selu) ROW(gelu_tanh) ROW(silu) ROW(softplus) ROW(softsign) ROW(mish) ROW(hard_sigmoid)
             ROW(hard_swish) ROW(eq) ROW(ne) ROW(lt) ROW(le) ROW(gt) ROW(ge) ROW(logical_and) ROW(logical_or)
             ROW(logical_xor) ROW(logical_not) ROW(where) ROW(truth)};

static cpu_step_fn find(const char *op)
{
    for (size_t i = 0; i < COUNT(steps); i++)
        if (strcmp(steps[i].op, op) == 0)
            return steps[i].run;
    return NULL;
}

static float sum(const float *v, int64_t n)
{
    vf s = ZERO;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        s = v_add(s, v_load(v + i));
    if (i < n)
        s = v_add(s, v_load_n(v + i, n - i));
    return v_sum(s);
}

static void add_row(float *to, const float *v, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        v_store(to + i, v_add(v_load(to + i), v_load(v + i)));
    for (; i < n; i++)
        to[i] += v[i];
}

static void fill(float *to, float value, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = value;
}

static void from_bytes(float *to, const unsigned char *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = from[i];
}

static void to_bytes(unsigned char *to, const float *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = from[i] != 0;
}

const cpu_tape_table ISA(cpu_tape) = {find, sum, add_row, fill, from_bytes, to_bytes};
