/* The steps of tapes. A step runs over a block of rows × columns; an operand is a vector (A, B, …), with a distance from row
 * to row, or a single number in each row (a, b, …). A row of the table is a pattern of ops, the kinds of its operands and
 * an expression. Rows of several ops are chains that occur often: they save loads and stores of what lies between, and
 * round as the ops would one by one. The longest pattern that fits is taken, so longer ones stand first.
 *
 * In a pattern, `*` takes the next real attribute of that op into p0, p1, …; operands of add, mul, maximum and minimum may
 * stand in either order. A step may write over an operand that lies as its result does: sixteen numbers are read before
 * they are written. Bool values are 0 and 1. */
#include "cpu/cpu.h"
#include "cpu/isa/math.h"

enum { NONE, VECTOR, NUMBER };
#define _ NONE
#define V VECTOR
#define N NUMBER

/* ---- what single ops compute */
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
SIMD_FN vf relu(vf a)
{
    return v_max(ZERO, a); /* 0 > NaN ? 0 : NaN */
}
SIMD_FN vf heaviside(vf a)
{
    return v_truth(v_lt(ZERO, a));
}
SIMD_FN vf above(vf a, vf x, vf other)
{
    return v_select(v_lt(ZERO, a), x, other);
}
SIMD_FN vf truth(vf a)
{
    return v_truth(v_not(v_eq(a, ZERO)));
}
SIMD_FN vf where(vf condition, vf a, vf b)
{
    return v_select(v_eq(condition, ZERO), b, a);
}
SIMD_FN vf clamp(vf a, vf low, vf high)
{
    return v_select(v_lt(a, low), low, v_select(v_lt(high, a), high, a));
}
SIMD_FN vf hard(vf a) /* (x + 3) / 6 within 0 .. 1 */
{
    return v_min(ONE, v_max(ZERO, v_mul(v_add(a, v_set(3)), v_set(1.0f / 6)))); /* NaN stays */
}
SIMD_FN vf average(vf old, vf fresh, vf share)
{
    return v_add(old, v_mul(v_sub(fresh, old), share));
}
#define SELU_SCALE 1.0507009873554804934f
#define SELU_BOTH 1.7580993408473768599f /* scale · alpha */

/* ---- the rows: name, kinds of the operands A .. E, pattern, expression */
#define LONG_STEPS(X)                                                                                                  \
    X(adam, V, V, V, N, N, "sub(A,mul(div(B,shift*(mul(sqrt(C),d))),e))",                                              \
      v_sub(A, v_mul(v_div(B, v_add(v_mul(v_sqrt(C), D), p0)), E)))                                                    \
    X(average_square, V, V, _, _, _, "add(A,scale*(sub(square(B),A)))", average(A, v_mul(B, B), p0))                   \
    X(average, V, V, _, _, _, "add(A,scale*(sub(B,A)))", average(A, B, p0))                                            \
    X(leak_back, V, N, V, _, _, "where(gt(A,b),C,scale*(C))", v_select(v_lt(B, A), C, v_mul(C, p0)))                   \
    X(tanh_back, V, V, _, _, _, "mul(A,shift*(neg(square(B))))", v_mul(A, v_add(v_neg(v_mul(B, B)), p0)))              \
    X(sigmoid_back, V, V, _, _, _, "mul(A,mul(B,shift*(neg(B))))", v_mul(A, v_mul(B, v_add(v_neg(B), p0))))            \
    X(relu_back, V, V, _, _, _, "mul(A,heaviside(B))", v_mul(A, heaviside(B)))                                         \
    X(root, V, N, _, _, _, "shift*(mul(sqrt(A),b))", v_add(v_mul(v_sqrt(A), B), p0))                                   \
    X(descend_decayed, V, V, N, _, _, "sub(A,mul(add(B,scale*(A)),c))", v_sub(A, v_mul(v_add(B, v_mul(A, p0)), C)))    \
    X(over_root, V, V, _, _, _, "div(A,shift*(sqrt(B)))", v_div(A, v_add(v_sqrt(B), p0)))                              \
    X(bell, V, _, _, _, _, "exp(scale*(square(A)))", v_exp(v_mul(v_mul(A, A), p0)))                                    \
    X(where_above, V, N, V, V, _, "where(gt(A,b),C,D)", v_select(v_lt(B, A), C, D))                                    \
    X(where_above_n, V, N, V, N, _, "where(gt(A,b),C,d)", v_select(v_lt(B, A), C, D))                                  \
    X(sub_scale_mul, V, V, N, _, _, "sub(A,mul(scale*(B),c))", v_sub(A, v_mul(v_mul(B, p0), C)))                       \
    X(add_relu, V, V, _, _, _, "relu(add(A,B))", relu(v_add(A, B)))                                                    \
    X(add_tanh, V, V, _, _, _, "tanh(add(A,B))", v_tanh(v_add(A, B)))                                                  \
    X(add_sigmoid, V, V, _, _, _, "sigmoid(add(A,B))", v_sigmoid(v_add(A, B)))                                         \
    X(add_gelu, V, V, _, _, _, "gelu(add(A,B))", v_gelu(v_add(A, B)))                                                  \
    X(add_gelu_tanh, V, V, _, _, _, "gelu_tanh(add(A,B))", v_gelu_tanh(v_add(A, B)))                                   \
    X(sub_exp, V, N, _, _, _, "exp(sub(A,b))", v_exp(v_sub(A, B)))                                                     \
    X(sub_square, V, V, _, _, _, "square(sub(A,B))", square(v_sub(A, B)))                                              \
    X(sub_n_square, V, N, _, _, _, "square(sub(A,b))", square(v_sub(A, B)))                                            \
    X(sub_mul_n, V, N, N, _, _, "mul(sub(A,b),c)", v_mul(v_sub(A, B), C))                                              \
    X(mul_n_mul, V, V, N, _, _, "mul(mul(A,c),B)", v_mul(v_mul(A, C), B))                                              \
    X(mul_mul, V, V, V, _, _, "mul(mul(A,B),C)", v_mul(v_mul(A, B), C))                                                \
    X(add_mul, V, V, V, _, _, "add(A,mul(B,C))", v_add(A, v_mul(B, C)))                                                \
    X(add_mul_n, V, V, N, _, _, "add(A,mul(B,c))", v_add(A, v_mul(B, C)))                                              \
    X(sub_mul, V, V, V, _, _, "sub(A,mul(B,C))", v_sub(A, v_mul(B, C)))                                                \
    X(sub_mul_n2, V, V, N, _, _, "sub(A,mul(B,c))", v_sub(A, v_mul(B, C)))                                             \
    X(mul_sub, V, V, V, _, _, "sub(mul(A,B),C)", v_sub(v_mul(A, B), C))                                                \
    X(mul_add, V, V, V, _, _, "mul(A,add(B,C))", v_mul(A, v_add(B, C)))                                                \
    X(mul_by_sub, V, V, V, _, _, "mul(A,sub(B,C))", v_mul(A, v_sub(B, C)))                                             \
    X(add_add, V, V, V, _, _, "add(add(A,B),C)", v_add(v_add(A, B), C))                                                \
    X(add_scale, V, V, _, _, _, "add(A,scale*(B))", v_add(A, v_mul(B, p0)))                                            \
    X(sub_scale, V, V, _, _, _, "sub(A,scale*(B))", v_sub(A, v_mul(B, p0)))                                            \
    X(scale_sub, V, V, _, _, _, "sub(scale*(A),B)", v_sub(v_mul(A, p0), B))                                            \
    X(mul_scale, V, V, _, _, _, "mul(A,scale*(B))", v_mul(A, v_mul(B, p0)))                                            \
    X(scale_mul, V, V, _, _, _, "scale*(mul(A,B))", v_mul(v_mul(A, B), p0))                                            \
    X(mul_shift, V, V, _, _, _, "mul(A,shift*(B))", v_mul(A, v_add(B, p0)))                                            \
    X(shift_mul, V, V, _, _, _, "shift*(mul(A,B))", v_add(v_mul(A, B), p0))                                            \
    X(add_square, V, V, _, _, _, "add(A,square(B))", v_add(A, v_mul(B, B)))                                            \
    X(mul_square, V, V, _, _, _, "mul(A,square(B))", v_mul(A, v_mul(B, B)))                                            \
    X(scale_shift, V, _, _, _, _, "shift*(scale*(A))", v_add(v_mul(A, p1), p0))                                        \
    X(shift_neg, V, _, _, _, _, "shift*(neg(A))", v_add(v_neg(A), p0))                                                 \
    X(neg_square, V, _, _, _, _, "neg(square(A))", v_neg(v_mul(A, A)))                                                 \
    X(scale_square, V, _, _, _, _, "scale*(square(A))", v_mul(v_mul(A, A), p0))                                        \
    X(scale_erf, V, _, _, _, _, "erf(scale*(A))", v_erf(v_mul(A, p0)))                                                 \
    X(neg_mul, V, V, _, _, _, "neg(mul(A,B))", v_neg(v_mul(A, B)))

#define BINARY(X, op, expression)                                                                                      \
    X(op, V, V, _, _, _, #op "(A,B)", expression)                                                                      \
    X(op##_vn, V, N, _, _, _, #op "(A,b)", expression)                                                                 \
    X(op##_nv, N, V, _, _, _, #op "(a,B)", expression)
#define COMPARE(X, op, expression)                                                                                     \
    X(op, V, V, _, _, _, #op "(A,B)", expression)                                                                      \
    X(op##_vn, V, N, _, _, _, #op "(A,b)", expression)
#define UNARY(X, op, expression) X(op, V, _, _, _, _, #op "(A)", expression)

#define SHORT_STEPS(X)                                                                                                 \
    BINARY(X, add, v_add(A, B))                                                                                        \
    BINARY(X, sub, v_sub(A, B))                                                                                        \
    BINARY(X, mul, v_mul(A, B))                                                                                        \
    BINARY(X, div, v_div(A, B))                                                                                        \
    BINARY(X, maximum, larger(A, B))                                                                                   \
    BINARY(X, minimum, smaller(A, B))                                                                                  \
    COMPARE(X, eq, v_truth(v_eq(A, B)))                                                                                \
    COMPARE(X, ne, v_truth(v_not(v_eq(A, B))))                                                                         \
    COMPARE(X, lt, v_truth(v_lt(A, B)))                                                                                \
    COMPARE(X, le, v_truth(v_le(A, B)))                                                                                \
    COMPARE(X, gt, v_truth(v_lt(B, A)))                                                                                \
    COMPARE(X, ge, v_truth(v_le(B, A)))                                                                                \
    X(where, V, V, V, _, _, "where(A,B,C)", where(A, B, C))                                                            \
    X(where_vvn, V, V, N, _, _, "where(A,B,c)", where(A, B, C))                                                        \
    X(where_vnv, V, N, V, _, _, "where(A,b,C)", where(A, B, C))                                                        \
    X(where_nvv, N, V, V, _, _, "where(a,B,C)", where(A, B, C))                                                        \
    X(logical_and, V, V, _, _, _, "logical_and(A,B)", v_mul(truth(A), truth(B)))                                       \
    X(logical_or, V, V, _, _, _, "logical_or(A,B)", v_max(truth(A), truth(B)))                                         \
    X(logical_xor, V, V, _, _, _, "logical_xor(A,B)", v_truth(v_not(v_eq(truth(A), truth(B)))))                        \
    X(pow, V, V, _, _, _, "pow(A,B)", v_pow(A, B))                                                                     \
    X(scale, V, _, _, _, _, "scale*(A)", v_mul(A, p0))                                                                 \
    X(shift, V, _, _, _, _, "shift*(A)", v_add(A, p0))                                                                 \
    X(clamp, V, _, _, _, _, "clamp**(A)", clamp(A, p0, p1))                                                            \
    X(leaky_relu, V, _, _, _, _, "leaky_relu*(A)", above(A, A, v_mul(A, p0)))                                          \
    X(elu, V, _, _, _, _, "elu*(A)", above(A, A, v_mul(p0, v_expm1(A))))                                               \
    X(selu, V, _, _, _, _, "selu(A)", above(A, v_mul(A, v_set(SELU_SCALE)), v_mul(v_expm1(A), v_set(SELU_BOTH))))      \
    X(copy, V, _, _, _, _, "copy(A)", A)                                                                               \
    X(copy_n, N, _, _, _, _, "copy(a)", A)                                                                             \
    UNARY(X, truth, truth(A))                                                                                          \
    UNARY(X, logical_not, v_truth(v_eq(A, ZERO)))                                                                      \
    UNARY(X, neg, v_neg(A))                                                                                            \
    UNARY(X, abs, v_abs(A))                                                                                            \
    UNARY(X, sign, sign(A))                                                                                            \
    UNARY(X, square, v_mul(A, A))                                                                                      \
    UNARY(X, sqrt, v_sqrt(A))                                                                                          \
    UNARY(X, rsqrt, v_div(ONE, v_sqrt(A)))                                                                             \
    UNARY(X, reciprocal, v_div(ONE, A))                                                                                \
    UNARY(X, floor, v_floor(A))                                                                                        \
    UNARY(X, ceil, v_ceil(A))                                                                                          \
    UNARY(X, round, v_round(A))                                                                                        \
    UNARY(X, exp, v_exp(A))                                                                                            \
    UNARY(X, expm1, v_expm1(A))                                                                                        \
    UNARY(X, log, v_log(A))                                                                                            \
    UNARY(X, log1p, v_log1p(A))                                                                                        \
    UNARY(X, sin, v_sin(A))                                                                                            \
    UNARY(X, cos, v_cos(A))                                                                                            \
    UNARY(X, tanh, v_tanh(A))                                                                                          \
    UNARY(X, erf, v_erf(A))                                                                                            \
    UNARY(X, sigmoid, v_sigmoid(A))                                                                                    \
    UNARY(X, relu, relu(A))                                                                                            \
    UNARY(X, heaviside, heaviside(A))                                                                                  \
    UNARY(X, gelu, v_gelu(A))                                                                                          \
    UNARY(X, gelu_tanh, v_gelu_tanh(A))                                                                                \
    UNARY(X, silu, v_silu(A))                                                                                          \
    UNARY(X, softplus, v_softplus(A))                                                                                  \
    UNARY(X, softsign, v_div(A, v_add(ONE, v_abs(A))))                                                                 \
    UNARY(X, mish, v_mish(A))                                                                                          \
    UNARY(X, hard_sigmoid, hard(A))                                                                                    \
    UNARY(X, hard_swish, v_select(v_lt(A, v_set(-3)), ZERO, v_mul(A, hard(A))))

SIMD_FN vf square(vf a)
{
    return v_mul(a, a);
}

/* One operand of the row: its place, its distance to the next row, and, of a number, the number spread. */
#define OPERAND(kind, x, i)                                                                                            \
    const float *x = kind == NONE ? z : at[s->a[i]];                                                                   \
    const int64_t x##_ld = kind == NONE ? 0 : ld[s->a[i]];
#define NUMBERS(kind, x) const vf x##_n = kind == NUMBER ? v_set(*x) : ZERO;
#define READ(kind, X, x) const vf X = kind == VECTOR ? v_load(x + i) : x##_n;
#define READ_PART(kind, X, x) const vf X = kind == VECTOR ? v_load_n(x + i, n) : x##_n;
#define FLAT(kind, x) (kind == NONE || x##_ld == (kind == VECTOR ? columns : 0))
#define EACH(F, ka, kb, kc, kd, ke) F(ka, A, a) F(kb, B, b) F(kc, C, c) F(kd, D, d) F(ke, E, e)
#define UNUSED (void)A, (void)B, (void)C, (void)D, (void)E, (void)p0, (void)p1
#ifdef SIMD_MASKS
#define WHOLE(ka, kb, kc, kd, ke, expression)                                                                          \
    for (; i + LANES <= columns; i += LANES) {                                                                         \
        EACH(READ, ka, kb, kc, kd, ke)                                                                                 \
        UNUSED;                                                                                                        \
        v_store(z + i, expression);                                                                                    \
    }
#define REST if
#else /* one loop, half the code */
#define WHOLE(ka, kb, kc, kd, ke, expression)
#define REST while
#endif
#define STEP(name, ka, kb, kc, kd, ke, pattern, expression)                                                            \
    static void step_##name(const cpu_step *s, float *const *at, const int64_t *ld, int64_t rows, int64_t columns)     \
    {                                                                                                                  \
        float *z = at[s->z];                                                                                           \
        const int64_t z_ld = ld[s->z];                                                                                 \
        const vf p0 = v_set(s->p[0]), p1 = v_set(s->p[1]);                                                             \
        OPERAND(ka, a, 0)                                                                                              \
        OPERAND(kb, b, 1)                                                                                              \
        OPERAND(kc, c, 2) OPERAND(kd, d, 3)                                                                            \
            OPERAND(ke, e, 4) if (rows > 1 && z_ld == columns && FLAT(ka, a) && FLAT(kb, b) && FLAT(kc, c) &&          \
                                  FLAT(kd, d) && FLAT(ke, e))                                                          \
        {                                                                                                              \
            columns *= rows;                                                                                           \
            rows = 1;                                                                                                  \
        }                                                                                                              \
        for (; rows > 0; rows--, z += z_ld, a += a_ld, b += b_ld, c += c_ld, d += d_ld, e += e_ld) {                   \
            NUMBERS(ka, a) NUMBERS(kb, b) NUMBERS(kc, c) NUMBERS(kd, d) NUMBERS(ke, e) int64_t i = 0;                  \
            WHOLE(ka, kb, kc, kd, ke, expression)                                                                      \
            REST(i < columns)                                                                                          \
            {                                                                                                          \
                const int64_t n = columns - i < LANES ? columns - i : LANES;                                           \
                EACH(READ_PART, ka, kb, kc, kd, ke)                                                                    \
                UNUSED;                                                                                                \
                v_store_n(z + i, expression, n);                                                                       \
                i += LANES;                                                                                            \
            }                                                                                                          \
        }                                                                                                              \
    }
LONG_STEPS(STEP)
SHORT_STEPS(STEP)

#define ROW(name, ka, kb, kc, kd, ke, pattern, expression) {pattern, step_##name},
static const cpu_tape_row rows_[] = {LONG_STEPS(ROW) SHORT_STEPS(ROW)};

/* ---- sums: in an order that the shape alone decides. */

/* sums[c] += v[0][c] + v[1][c] + … */
static void sum_down(float *sums, const float *v, int64_t ld, int64_t rows, int64_t columns)
{
    int64_t i = 0;
    for (; i + LANES <= columns; i += LANES) {
        vf sum = v_load(sums + i);
        for (int64_t r = 0; r < rows; r++)
            sum = v_add(sum, v_load(v + r * ld + i));
        v_store(sums + i, sum);
    }
    if (i < columns) {
        vf sum = v_load_n(sums + i, columns - i);
        for (int64_t r = 0; r < rows; r++)
            sum = v_add(sum, v_load_n(v + r * ld + i, columns - i));
        v_store_n(sums + i, sum, columns - i);
    }
}

SIMD_FN vf four(const float *v)
{
    return v_add(v_add(v_load(v), v_load(v + LANES)), v_add(v_load(v + 2 * LANES), v_load(v + 3 * LANES)));
}

/* Sixteen sums: each takes every sixteenth number of a row, sixteen of them at a time, in pairs, pairs of pairs and so on.
 * The next row's sums lie `step` behind. */
static void sum_along(float *sums, int64_t step, const float *v, int64_t ld, int64_t rows, int64_t columns)
{
    for (; rows > 0; rows--, v += ld, sums += step) {
        vf sum = v_load(sums);
        int64_t i = 0;
        for (; i + 16 * LANES <= columns; i += 16 * LANES)
            sum = v_add(sum, v_add(v_add(four(v + i), four(v + i + 4 * LANES)),
                                   v_add(four(v + i + 8 * LANES), four(v + i + 12 * LANES))));
        for (; i + 4 * LANES <= columns; i += 4 * LANES)
            sum = v_add(sum, four(v + i));
        for (; i + LANES <= columns; i += LANES)
            sum = v_add(sum, v_load(v + i));
        if (i < columns)
            sum = v_add(sum, v_load_n(v + i, columns - i));
        v_store(sums, sum);
    }
}

/* sums[i] = the sum of sixteen, or of as many as are left of n. */
static void total(float *sums, int64_t step, const float *v, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES, sums += step)
        *sums = v_sum(n - i < LANES ? v_load_n(v + i, n - i) : v_load(v + i));
}

/* sums[c] = the sum of v[0][c] … v[rows-1][c] in pairs, of pairs in pairs, and so on. */
static void fold(float *sums, const float *v, int64_t ld, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < columns; i += LANES) {
        const int64_t n = columns - i < LANES ? columns - i : LANES;
        vf level[64];
        int depth = 0;
        for (int64_t r = 0; r < rows; r++) {
            vf sum = v_load_n(v + r * ld + i, n);
            for (int64_t pair = r; pair & 1; pair >>= 1)
                sum = v_add(level[--depth], sum);
            level[depth++] = sum;
        }
        while (depth > 1) {
            depth--;
            level[depth - 1] = v_add(level[depth - 1], level[depth]);
        }
        v_store_n(sums + i, depth ? level[0] : ZERO, n);
    }
}

/* ---- bytes */

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

const cpu_tape_table ISA(cpu_tape) = {rows_, (int)COUNT(rows_), sum_down, sum_along, total, fold, from_bytes, to_bytes};
