/* The five transforms of Winograd's convolutions (winograd.c says what they are for), each z = T x Tᵀ of a square x, for
 * sixteen channels side by side, in the points 0, ±A, ±B and infinity. A line at a time: a line is six numbers or fewer of
 * every channel, so that all of it stands in registers. */
#include "cpu/cpu.h"
#include "cpu/simd.h"

/* Exact in f32, as all that is made of them but the quotients. */
#define A 0.625f
#define B 1.5f
#define A2 (A * A)
#define B2 (B * B)
#define AT_0 (1.0f / (A2 * B2)) /* 1 / Π (point - other point) */
#define AT_A (1.0f / (2 * A2 * (A2 - B2)))
#define AT_B (1.0f / (2 * B2 * (B2 - A2)))

typedef void line(const rf *x, rf *z);

/* Six places of a picture: the coefficients of Π (x - other point), and of Π (x - point). */
SIMD_FN void picture_line(const rf *x, rf *z)
{
    const rf a = r_set(A), b = r_set(B), aa = r_set(A2), bb = r_set(B2), sum = r_set(A2 + B2), product = r_set(A2 * B2);
    const rf even_a = r_fnma(bb, x[2], x[4]), odd_a = r_fnma(bb, x[1], x[3]);
    const rf even_b = r_fnma(aa, x[2], x[4]), odd_b = r_fnma(aa, x[1], x[3]);
    z[0] = r_fma(product, x[0], r_fnma(sum, x[2], x[4]));
    z[1] = r_fma(a, odd_a, even_a);
    z[2] = r_fnma(a, odd_a, even_a);
    z[3] = r_fma(b, odd_b, even_b);
    z[4] = r_fnma(b, odd_b, even_b);
    z[5] = r_fma(product, x[1], r_fnma(sum, x[3], x[5]));
}

/* Three weights as a polynomial, at the points. */
SIMD_FN void kernel_line(const rf *x, rf *z)
{
    const rf even_a = r_fma(r_set(A2), x[2], x[0]), even_b = r_fma(r_set(B2), x[2], x[0]);
    z[0] = r_mul(r_set(AT_0), x[0]);
    z[1] = r_mul(r_set(AT_A), r_fma(r_set(A), x[1], even_a));
    z[2] = r_mul(r_set(AT_A), r_fnma(r_set(A), x[1], even_a));
    z[3] = r_mul(r_set(AT_B), r_fma(r_set(B), x[1], even_b));
    z[4] = r_mul(r_set(AT_B), r_fnma(r_set(B), x[1], even_b));
    z[5] = x[2];
}

/* Four places of the result. */
SIMD_FN void result_line(const rf *x, rf *z)
{
    const rf sum_a = r_add(x[1], x[2]), less_a = r_sub(x[1], x[2]), sum_b = r_add(x[3], x[4]), less_b = r_sub(x[3], x[4]);
    z[0] = r_add(r_add(x[0], sum_a), sum_b);
    z[1] = r_fma(r_set(B), less_b, r_mul(r_set(A), less_a));
    z[2] = r_fma(r_set(B2), sum_b, r_mul(r_set(A2), sum_a));
    z[3] = r_add(r_fma(r_set(B2 * B), less_b, r_mul(r_set(A2 * A), less_a)), x[5]);
}

/* Four errors as a polynomial, at the points; what they are to be divided by is left to the gradient. */
SIMD_FN void error_line(const rf *x, rf *z)
{
    const rf even_a = r_fma(r_set(A2), x[2], x[0]), odd_a = r_fma(r_set(A2), x[3], x[1]);
    const rf even_b = r_fma(r_set(B2), x[2], x[0]), odd_b = r_fma(r_set(B2), x[3], x[1]);
    z[0] = x[0];
    z[1] = r_fma(r_set(A), odd_a, even_a);
    z[2] = r_fnma(r_set(A), odd_a, even_a);
    z[3] = r_fma(r_set(B), odd_b, even_b);
    z[4] = r_fnma(r_set(B), odd_b, even_b);
    z[5] = x[3];
}

/* Three weights' gradients. */
SIMD_FN void gradient_line(const rf *x, rf *z)
{
    const rf sum_a = r_add(x[1], x[2]), less_a = r_sub(x[1], x[2]), sum_b = r_add(x[3], x[4]), less_b = r_sub(x[3], x[4]);
    z[0] = r_fma(r_set(AT_B), sum_b, r_fma(r_set(AT_A), sum_a, r_mul(r_set(AT_0), x[0])));
    z[1] = r_fma(r_set(B * AT_B), less_b, r_mul(r_set(A * AT_A), less_a));
    z[2] = r_add(r_fma(r_set(B2 * AT_B), sum_b, r_mul(r_set(A2 * AT_A), sum_a)), x[5]);
}

/* Rows of z are written in their order. The numbers of a square of six by six lie far from each other: the next ones are asked
 * for. */
SIMD_FN void square(line *each, int in, int out, const float *x, const cpu_grid *from, float *z, const cpu_grid *to)
{
    rf columns[6][6], one[6], made[6]; /* turned: the first pass goes down the columns */
    for (int j = 0; j < in; j++) {
        SIMD_UNROLL for (int i = 0; i < in; i++) {
            one[i] = r_load(x + i * from->row + j * from->column);
            if (out < 6)
                __builtin_prefetch(x + i * from->row + j * from->column + from->next, 0, 2);
        }
        each(one, made);
        SIMD_UNROLL for (int i = 0; i < out; i++) columns[i][j] = made[i];
    }
    for (int i = 0; i < out; i++) {
        each(columns[i], made);
        SIMD_UNROLL for (int j = 0; j < out; j++) {
            r_store(z + i * to->row + j * to->column, made[j]);
            if (out == 6)
                __builtin_prefetch(z + i * to->row + j * to->column + to->next, 1, 2);
        }
    }
}

#define TRANSFORM(name, in, out)                                                                                       \
    static void name(const float *x, const cpu_grid *from, float *z, const cpu_grid *to, int64_t n)                    \
    {                                                                                                                  \
        for (; n > 0; n--, x += from->next, z += to->next)                                                             \
            for (int lane = 0; lane < LANES; lane += R_LANES)                                                          \
                square(name##_line, in, out, x + lane, from, z + lane, to);                                            \
    }
TRANSFORM(picture, 6, 6)
TRANSFORM(kernel, 3, 6)
TRANSFORM(result, 6, 4)
TRANSFORM(error, 4, 6)
TRANSFORM(gradient, 6, 3)

const cpu_winograd_table ISA(cpu_winograd) = {picture, kernel, result, error, gradient};
