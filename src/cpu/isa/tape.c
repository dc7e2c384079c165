/* The steps of tapes. A step runs over a block of rows × columns; an operand is a vector (A, B, …), with a distance from row
 * to row, or a single number in each row (a, b, …). A row of the table is a pattern of ops, the kinds of its operands, the
 * number of results, and what is computed. Rows of several ops are chains that occur often: they save loads and stores of
 * what lies between, and round as the ops would one by one. The longest pattern that fits is taken, so longer ones stand
 * first.
 *
 * In a pattern, `*` takes the next real attribute of that op into p0, p1, …; operands of add, mul, maximum and minimum may
 * stand in either order. A value inside of the pattern must not be needed outside, but for those that `!` marks: they are
 * results as well, Y and X in their order. A step may write over an operand that lies as its result does: sixteen numbers of
 * all operands are read before any are written. Bool values are 0 and 1. */
#include "cpu/cpu.h"
#include "cpu/isa/math.h"

enum { NONE, VECTOR, NUMBER };
#define _ NONE
#define V VECTOR
#define N NUMBER
#define K_V V, _, _, _, _, _, _
#define K_N N, _, _, _, _, _, _
#define K_VV V, V, _, _, _, _, _
#define K_VN V, N, _, _, _, _, _
#define K_NV N, V, _, _, _, _, _
#define K_VVV V, V, V, _, _, _, _
#define K_VVN V, V, N, _, _, _, _
#define K_VNV V, N, V, _, _, _, _
#define K_NVV N, V, V, _, _, _, _
#define K_VNN V, N, N, _, _, _, _
#define K_VVVN V, V, V, N, _, _, _
#define K_VNVV V, N, V, V, _, _, _
#define K_VNVN V, N, V, N, _, _, _
#define K_VVVNN V, V, V, N, N, _, _
#define K_VVVVN V, V, V, V, N, _, _
#define K_VVVVNN V, V, V, V, N, N, _
#define K_VVVVNNN V, V, V, V, N, N, N

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
    X(adamw_whole, K_VVVVNNN, 3,                                                                                       \
      "sub(mul(A,g),mul(div(!add(B,scale*(sub(C,B))),shift*(mul(sqrt(!add(D,scale*(sub(square(C),D)))),e))),f))",      \
      Y = average(B, C, p0), W = average(D, v_mul(C, C), p2),                                                          \
      Z = v_sub(v_mul(A, G), v_mul(v_div(Y, v_add(v_mul(v_sqrt(W), E), p1)), F)))                                      \
    X(adam_whole, K_VVVVNN, 3,                                                                                         \
      "sub(A,mul(div(!add(B,scale*(sub(C,B))),shift*(mul(sqrt(!add(D,scale*(sub(square(C),D)))),e))),f))",             \
      Y = average(B, C, p0), W = average(D, v_mul(C, C), p2),                                                          \
      Z = v_sub(A, v_mul(v_div(Y, v_add(v_mul(v_sqrt(W), E), p1)), F)))                                                \
    X(momentum_whole, K_VVVN, 2, "sub(A,mul(!add(scale*(B),C),d))", Y = v_add(v_mul(B, p0), C),                        \
      Z = v_sub(A, v_mul(Y, D)))                                                                                       \
    X(nesterov_whole, K_VVVN, 2, "sub(A,mul(add(C,scale*(!add(scale*(B),C))),d))", Y = v_add(v_mul(B, p1), C),         \
      Z = v_sub(A, v_mul(v_add(C, v_mul(Y, p0)), D)))                                                                  \
    X(adam, K_VVVNN, 1, "sub(A,mul(div(B,shift*(mul(sqrt(C),d))),e))",                                                 \
      Z = v_sub(A, v_mul(v_div(B, v_add(v_mul(v_sqrt(C), D), p0)), E)))                                                \
    X(average_square, K_VV, 1, "add(A,scale*(sub(square(B),A)))", Z = average(A, v_mul(B, B), p0))                     \
    X(average, K_VV, 1, "add(A,scale*(sub(B,A)))", Z = average(A, B, p0))                                              \
    X(leak_back, K_VNV, 1, "where(gt(A,b),C,scale*(C))", Z = v_select(v_lt(B, A), C, v_mul(C, p0)))                    \
    X(tanh_back, K_VV, 1, "mul(A,shift*(neg(square(B))))", Z = v_mul(A, v_add(v_neg(v_mul(B, B)), p0)))                \
    X(sigmoid_back, K_VV, 1, "mul(A,mul(B,shift*(neg(B))))", Z = v_mul(A, v_mul(B, v_add(v_neg(B), p0))))              \
    X(relu_back, K_VV, 1, "mul(A,heaviside(B))", Z = v_mul(A, heaviside(B)))                                           \
    X(root, K_VN, 1, "shift*(mul(sqrt(A),b))", Z = v_add(v_mul(v_sqrt(A), B), p0))                                     \
    X(descend_decayed, K_VVN, 1, "sub(A,mul(add(B,scale*(A)),c))", Z = v_sub(A, v_mul(v_add(B, v_mul(A, p0)), C)))     \
    X(over_root, K_VV, 1, "div(A,shift*(sqrt(B)))", Z = v_div(A, v_add(v_sqrt(B), p0)))                                \
    X(bell, K_V, 1, "exp(scale*(square(A)))", Z = v_exp(v_mul(v_mul(A, A), p0)))                                       \
    X(where_above, K_VNVV, 1, "where(gt(A,b),C,D)", Z = v_select(v_lt(B, A), C, D))                                    \
    X(where_above_n, K_VNVN, 1, "where(gt(A,b),C,d)", Z = v_select(v_lt(B, A), C, D))                                  \
    X(sub_scale_mul, K_VVN, 1, "sub(A,mul(scale*(B),c))", Z = v_sub(A, v_mul(v_mul(B, p0), C)))                        \
    X(add_relu, K_VV, 1, "relu(add(A,B))", Z = relu(v_add(A, B)))                                                      \
    X(add_tanh, K_VV, 1, "tanh(add(A,B))", Z = v_tanh(v_add(A, B)))                                                    \
    X(add_sigmoid, K_VV, 1, "sigmoid(add(A,B))", Z = v_sigmoid(v_add(A, B)))                                           \
    X(add_gelu, K_VV, 1, "gelu(add(A,B))", Z = v_gelu(v_add(A, B)))                                                    \
    X(add_gelu_tanh, K_VV, 1, "gelu_tanh(add(A,B))", Z = v_gelu_tanh(v_add(A, B)))                                     \
    X(sub_exp, K_VN, 1, "exp(sub(A,b))", Z = v_exp(v_sub(A, B)))                                                       \
    X(sub_square, K_VV, 1, "square(sub(A,B))", Z = square(v_sub(A, B)))                                                \
    X(sub_n_square, K_VN, 1, "square(sub(A,b))", Z = square(v_sub(A, B)))                                              \
    X(sub_mul_n, K_VNN, 1, "mul(sub(A,b),c)", Z = v_mul(v_sub(A, B), C))                                               \
    X(mul_n_mul, K_VVN, 1, "mul(mul(A,c),B)", Z = v_mul(v_mul(A, C), B))                                               \
    X(mul_mul, K_VVV, 1, "mul(mul(A,B),C)", Z = v_mul(v_mul(A, B), C))                                                 \
    X(add_mul, K_VVV, 1, "add(A,mul(B,C))", Z = v_add(A, v_mul(B, C)))                                                 \
    X(add_mul_n, K_VVN, 1, "add(A,mul(B,c))", Z = v_add(A, v_mul(B, C)))                                               \
    X(sub_mul, K_VVV, 1, "sub(A,mul(B,C))", Z = v_sub(A, v_mul(B, C)))                                                 \
    X(sub_mul_n2, K_VVN, 1, "sub(A,mul(B,c))", Z = v_sub(A, v_mul(B, C)))                                              \
    X(mul_sub, K_VVV, 1, "sub(mul(A,B),C)", Z = v_sub(v_mul(A, B), C))                                                 \
    X(mul_add, K_VVV, 1, "mul(A,add(B,C))", Z = v_mul(A, v_add(B, C)))                                                 \
    X(mul_by_sub, K_VVV, 1, "mul(A,sub(B,C))", Z = v_mul(A, v_sub(B, C)))                                              \
    X(add_add, K_VVV, 1, "add(add(A,B),C)", Z = v_add(v_add(A, B), C))                                                 \
    X(add_scale, K_VV, 1, "add(A,scale*(B))", Z = v_add(A, v_mul(B, p0)))                                              \
    X(sub_scale, K_VV, 1, "sub(A,scale*(B))", Z = v_sub(A, v_mul(B, p0)))                                              \
    X(scale_sub, K_VV, 1, "sub(scale*(A),B)", Z = v_sub(v_mul(A, p0), B))                                              \
    X(mul_scale, K_VV, 1, "mul(A,scale*(B))", Z = v_mul(A, v_mul(B, p0)))                                              \
    X(scale_mul, K_VV, 1, "scale*(mul(A,B))", Z = v_mul(v_mul(A, B), p0))                                              \
    X(mul_shift, K_VV, 1, "mul(A,shift*(B))", Z = v_mul(A, v_add(B, p0)))                                              \
    X(shift_mul, K_VV, 1, "shift*(mul(A,B))", Z = v_add(v_mul(A, B), p0))                                              \
    X(add_square, K_VV, 1, "add(A,square(B))", Z = v_add(A, v_mul(B, B)))                                              \
    X(mul_square, K_VV, 1, "mul(A,square(B))", Z = v_mul(A, v_mul(B, B)))                                              \
    X(scale_shift, K_V, 1, "shift*(scale*(A))", Z = v_add(v_mul(A, p1), p0))                                           \
    X(shift_neg, K_V, 1, "shift*(neg(A))", Z = v_add(v_neg(A), p0))                                                    \
    X(neg_square, K_V, 1, "neg(square(A))", Z = v_neg(v_mul(A, A)))                                                    \
    X(scale_square, K_V, 1, "scale*(square(A))", Z = v_mul(v_mul(A, A), p0))                                           \
    X(scale_erf, K_V, 1, "erf(scale*(A))", Z = v_erf(v_mul(A, p0)))                                                    \
    X(neg_mul, K_VV, 1, "neg(mul(A,B))", Z = v_neg(v_mul(A, B)))

#define BINARY(X, op, expression)                                                                                      \
    X(op, K_VV, 1, #op "(A,B)", Z = expression)                                                                        \
    X(op##_vn, K_VN, 1, #op "(A,b)", Z = expression)                                                                   \
    X(op##_nv, K_NV, 1, #op "(a,B)", Z = expression)
#define COMPARE(X, op, expression)                                                                                     \
    X(op, K_VV, 1, #op "(A,B)", Z = expression)                                                                        \
    X(op##_vn, K_VN, 1, #op "(A,b)", Z = expression)
#define UNARY(X, op, expression) X(op, K_V, 1, #op "(A)", Z = expression)

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
    X(where, K_VVV, 1, "where(A,B,C)", Z = where(A, B, C))                                                             \
    X(where_vvn, K_VVN, 1, "where(A,B,c)", Z = where(A, B, C))                                                         \
    X(where_vnv, K_VNV, 1, "where(A,b,C)", Z = where(A, B, C))                                                         \
    X(where_nvv, K_NVV, 1, "where(a,B,C)", Z = where(A, B, C))                                                         \
    X(logical_and, K_VV, 1, "logical_and(A,B)", Z = v_mul(truth(A), truth(B)))                                         \
    X(logical_or, K_VV, 1, "logical_or(A,B)", Z = v_max(truth(A), truth(B)))                                           \
    X(logical_xor, K_VV, 1, "logical_xor(A,B)", Z = v_truth(v_not(v_eq(truth(A), truth(B)))))                          \
    X(pow, K_VV, 1, "pow(A,B)", Z = v_pow(A, B))                                                                       \
    X(scale, K_V, 1, "scale*(A)", Z = v_mul(A, p0))                                                                    \
    X(shift, K_V, 1, "shift*(A)", Z = v_add(A, p0))                                                                    \
    X(clamp, K_V, 1, "clamp**(A)", Z = clamp(A, p0, p1))                                                               \
    X(leaky_relu, K_V, 1, "leaky_relu*(A)", Z = above(A, A, v_mul(A, p0)))                                             \
    X(elu, K_V, 1, "elu*(A)", Z = above(A, A, v_mul(p0, v_expm1(A))))                                                  \
    X(selu, K_V, 1, "selu(A)", Z = above(A, v_mul(A, v_set(SELU_SCALE)), v_mul(v_expm1(A), v_set(SELU_BOTH))))         \
    X(copy, K_V, 1, "copy(A)", Z = A)                                                                                  \
    X(copy_n, K_N, 1, "copy(a)", Z = A)                                                                                \
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
#define RESULT(there, x, i)                                                                                            \
    float *x = there ? at[s->z[i]] : NULL;                                                                             \
    const int64_t x##_ld = there ? ld[s->z[i]] : 0;
#define NUMBERS(kind, X, x) const vf x##_n = kind == NUMBER ? v_set(*x) : ZERO;
#define READ(kind, X, x) const vf X = kind == VECTOR ? v_load(x + i) : x##_n;
#define READ_PART(kind, X, x) const vf X = kind == VECTOR ? v_load_n(x + i, n) : x##_n;
#define IS_FLAT(kind, X, x) &&(kind == NONE || x##_ld == (kind == VECTOR ? columns : 0))
#define NEXT_ROW(kind, X, x) x += x##_ld;
#define EACH(DO, ka, kb, kc, kd, ke, kf, kg)                                                                           \
    DO(ka, A, a) DO(kb, B, b) DO(kc, C, c) DO(kd, D, d) DO(ke, E, e) DO(kf, F, f) DO(kg, G, g)
#define UNUSED (void)A, (void)B, (void)C, (void)D, (void)E, (void)F, (void)G, (void)p0, (void)p1, (void)p2
#ifdef SIMD_MASKS
#define WHOLE(results, ka, kb, kc, kd, ke, kf, kg, ...)                                                                \
    for (; i + LANES <= columns; i += LANES) {                                                                         \
        EACH(READ, ka, kb, kc, kd, ke, kf, kg)                                                                         \
        vf Z, Y = p0, W = p0;                                                                                          \
        UNUSED;                                                                                                        \
        __VA_ARGS__;                                                                                                   \
        v_store(z + i, Z);                                                                                             \
        if (results > 1)                                                                                               \
            v_store(y + i, Y);                                                                                         \
        if (results > 2)                                                                                               \
            v_store(w + i, W);                                                                                         \
    }
#define REST if
#else /* one loop, half the code */
#define WHOLE(results, ka, kb, kc, kd, ke, kf, kg, ...)
#define REST while
#endif
#define STEP(...) STEP_(__VA_ARGS__)
#define STEP_(name, ka, kb, kc, kd, ke, kf, kg, results, pattern, ...)                                                 \
    static void step_##name(const cpu_step *s, float *const *at, const int64_t *ld, int64_t rows, int64_t columns)     \
    {                                                                                                                  \
        const vf p0 = v_set(s->p[0]), p1 = v_set(s->p[1]), p2 = v_set(s->p[2]);                                        \
        RESULT(true, z, 0)                                                                                             \
        RESULT(results > 1, y, 1) RESULT(results > 2, w, 2) OPERAND(ka, a, 0) OPERAND(kb, b, 1) OPERAND(kc, c, 2)      \
            OPERAND(kd, d, 3) OPERAND(ke, e, 4) OPERAND(kf, f, 5)                                                      \
                OPERAND(kg, g, 6) if (rows > 1 && z_ld == columns && (results < 2 || y_ld == columns) &&               \
                                      (results < 3 || w_ld == columns) EACH(IS_FLAT, ka, kb, kc, kd, ke, kf, kg))      \
        {                                                                                                              \
            columns *= rows;                                                                                           \
            rows = 1;                                                                                                  \
        }                                                                                                              \
        for (; rows > 0; rows--) {                                                                                     \
            EACH(NUMBERS, ka, kb, kc, kd, ke, kf, kg)                                                                  \
            int64_t i = 0;                                                                                             \
            WHOLE(results, ka, kb, kc, kd, ke, kf, kg, __VA_ARGS__)                                                    \
            REST(i < columns)                                                                                          \
            {                                                                                                          \
                const int64_t n = columns - i < LANES ? columns - i : LANES;                                           \
                EACH(READ_PART, ka, kb, kc, kd, ke, kf, kg)                                                            \
                vf Z, Y = p0, W = p0;                                                                                  \
                UNUSED;                                                                                                \
                __VA_ARGS__;                                                                                           \
                v_store_n(z + i, Z, n);                                                                                \
                if (results > 1)                                                                                       \
                    v_store_n(y + i, Y, n);                                                                            \
                if (results > 2)                                                                                       \
                    v_store_n(w + i, W, n);                                                                            \
                i += LANES;                                                                                            \
            }                                                                                                          \
            EACH(NEXT_ROW, ka, kb, kc, kd, ke, kf, kg)                                                                 \
            z += z_ld;                                                                                                 \
            y += y_ld;                                                                                                 \
            w += w_ld;                                                                                                 \
        }                                                                                                              \
    }
LONG_STEPS(STEP)
SHORT_STEPS(STEP)

#define ROW(...) ROW_(__VA_ARGS__)
#define ROW_(name, ka, kb, kc, kd, ke, kf, kg, results, pattern, ...) {pattern, results, step_##name},
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

extern const cpu_brief_steps ISA(cpu_brief);
const cpu_tape_table ISA(cpu_tape) = {rows_, (int)COUNT(rows_), sum_down,   sum_along,      total,
                                      fold,  from_bytes,       to_bytes, &ISA(cpu_brief)};
