/* The functions of steps against f64: the error over all floats when NILU_EXHAUSTIVE is set, over some millions of them and
 * all that is special otherwise. And the same bits on every instruction set. Denormals are flushed as in a worker: they
 * count as 0, and a result that would be one may be 0. */
#include "support/support.h"

#include "cpu/cpu.h"
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

static unsigned long flush(void)
{
#if defined(__x86_64__)
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
#elif defined(__aarch64__)
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | (1u << 24)));
    return before;
#else
    return 0;
#endif
}

static void unflush(unsigned long before)
{
#if defined(__x86_64__)
    _mm_setcsr((unsigned)before);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)before));
#else
    (void)before;
#endif
}

/* ---- the truth, in double, written so that nothing cancels */

static double t_rsqrt(double x)
{
    return 1 / sqrt(x);
}
static double t_sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}
static double t_silu(double x)
{
    return x * t_sigmoid(x);
}
static double t_softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}
static double t_mish(double x)
{
    double e = exp(x < 300 ? x : 300), n = e * (e + 2);
    return x * (n / (n + 2));
}
static double t_gelu(double x)
{
    return x * 0.5 * erfc(-x * 0.70710678118654752440);
}
static double t_gelu_tanh(double x)
{
    return x / (1 + exp(-2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}
static double t_softsign(double x)
{
    return isinf(x) ? NAN : x / (1 + fabs(x));
}
static double t_hard_sigmoid(double x)
{
    return x < -3 ? 0 : x > 3 ? 1 : (x + 3) / 6;
}
static double t_hard_swish(double x)
{
    return x < -3 ? 0 : x > 3 ? x : x * ((x + 3) / 6);
}
static double t_selu(double x)
{
    return x > 0 ? 1.0507009873554804934 * x : 1.0507009873554804934 * 1.6732632423543772848 * expm1(x);
}

typedef struct function {
    const char *pattern;
    double (*truth)(double);
    double most;  /* error in units in the last place of the f32 result */
    double least; /* results below may be 0 */
} function;
#define NORMAL 0x1p-126
static const function functions[] = {{"exp(A)", exp, 1, NORMAL},
                                     {"expm1(A)", expm1, 1.5, NORMAL},
                                     {"log(A)", log, 1, NORMAL},
                                     {"log1p(A)", log1p, 1.6, NORMAL},
                                     {"tanh(A)", tanh, 2, NORMAL},
                                     {"sigmoid(A)", t_sigmoid, 1.5, NORMAL},
                                     {"erf(A)", erf, 1.101, NORMAL},
                                     {"sin(A)", sin, 1.6, NORMAL},
                                     {"cos(A)", cos, 1.6, NORMAL},
                                     {"softplus(A)", t_softplus, 1.85, NORMAL},
                                     {"sqrt(A)", sqrt, 0.5, NORMAL},
                                     {"rsqrt(A)", t_rsqrt, 1.5, NORMAL},
                                     {"silu(A)", t_silu, 3.5, 0x1p-119},
                                     {"gelu(A)", t_gelu, 6, NORMAL},
                                     {"gelu_tanh(A)", t_gelu_tanh, 6, 0x1p-119},
                                     {"mish(A)", t_mish, 6, 0x1p-119},
                                     {"selu(A)", t_selu, 2.1, NORMAL},
                                     {"softsign(A)", t_softsign, 1.6, NORMAL},
                                     {"hard_sigmoid(A)", t_hard_sigmoid, 1.6, NORMAL},
                                     {"hard_swish(A)", t_hard_swish, 2.5, NORMAL}};

static const char *const isas[] = {"avx512", "avx2", "neon", "portable"};

static cpu_step_fn find(const cpu_isa *isa, const char *pattern)
{
    for (int i = 0; i < isa->tape->rows; i++)
        if (strcmp(isa->tape->row[i].pattern, pattern) == 0)
            return isa->tape->row[i].run;
    return NULL;
}

enum { MANY = 4096 };

static void apply(cpu_step_fn run, const float *a, const float *b, float *z, int64_t n)
{
    float *at[3] = {z, (float *)a, (float *)b};
    const int64_t ld[3] = {0};
    const cpu_step s = {.run = run, .z = {0}, .a = {1, 2}};
    const unsigned long before = flush();
    run(&s, at, ld, 1, n);
    unflush(before);
}

static double unit(double x) /* distance of f32 numbers near x */
{
    int e;
    x = fabs(x) < NORMAL ? NORMAL : fabs(x);
    frexp(x, &e);
    return ldexp(1, e - 24);
}

/* The error in units; -1: it is wrong altogether. */
static double error_of(const function *f, float x, float got)
{
    const double exact = fabs((double)x) < NORMAL ? copysign(0, (double)x) : (double)x, want = f->truth(exact);
    if (isnan(want))
        return isnan(got) ? 0 : -1;
    if (isinf((float)want) || isinf(got))
        return (double)got == (double)(float)want ? 0 : -1;
    if (fabs(want) < f->least && got == 0)
        return 0;
    return isnan(got) ? -1 : fabs((double)got - want) / unit(want);
}

typedef struct worst {
    double error;
    float x, got;
} worst;

static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void check(const function *f, const cpu_step_fn *run, int n, const float *x, worst *w)
{
    float z[MANY], other[MANY];
    apply(run[0], x, x, z, n);
    for (int i = 0; i < n; i++) {
        const double e = error_of(f, x[i], z[i]);
        if (e < 0 || !(e <= w->error))
            *w = (worst){e < 0 ? INFINITY : e, x[i], z[i]};
    }
    for (int k = 1; run[k]; k++) {
        apply(run[k], x, x, other, n);
        for (int i = 0; i < n; i++)
            if (memcmp(&z[i], &other[i], sizeof *z) != 0 && !(isnan(z[i]) && isnan(other[i])))
                *w = (worst){INFINITY, x[i], other[i]};
    }
}

/* The numbers where functions change their ways, and the floats around them. */
static const float special[] = {0,
                                1,
                                2,
                                0.5f,
                                9,
                                9.1f,
                                88,
                                88.3f,
                                88.7228394f,
                                87.3365f,
                                103.972f,
                                89,
                                1e-30f,
                                1e-20f,
                                30,
                                0.92f,
                                3.92f,
                                3.93f,
                                20,
                                10.04f,
                                12,
                                14,
                                1.17549e-38f,
                                30000,
                                29999,
                                117435,
                                1e9f,
                                3.40282347e38f,
                                0.693147f,
                                0.346574f,
                                0.785398f,
                                1.570796f,
                                3.141593f,
                                6.283185f,
                                0.666667f,
                                1.333333f,
                                8388608,
                                16777216,
                                0.333333f,
                                4,
                                5.5f,
                                1e30f,
                                3,
                                2147483648.0f};

static int nonly;
static char **only;

static bool is_asked_for(const function *f)
{
    bool asked = nonly == 0;
    for (int i = 0; i < nonly; i++)
        asked |= strncmp(f->pattern, only[i], strlen(only[i])) == 0 && f->pattern[strlen(only[i])] == '(';
    return asked;
}

static void errors(void **state)
{
    (void)state;
    const uint64_t step = getenv("NILU_EXHAUSTIVE") ? 1 : 2003;
    int bad = 0;
    for (size_t k = 0; k < COUNT(functions); k++) {
        const function *f = &functions[k];
        if (!is_asked_for(f))
            continue;
        cpu_step_fn run[COUNT(isas) + 1] = {NULL};
        int nrun = 0;
        worst all = {0};
        float x[MANY];
        int n = 0;
        for (size_t i = 0; i < COUNT(isas); i++)
            if (cpu_isa_find(isas[i]))
                run[nrun++] = find(cpu_isa_find(isas[i]), f->pattern);
        assert_non_null(run[nrun - 1]);
        for (size_t i = 0; i < COUNT(special); i++)
            for (int sign = 0; sign < 2; sign++) {
                uint32_t bits;
                memcpy(&bits, &special[i], sizeof bits);
                for (n = 0; n < MANY; n++)
                    x[n] = of_bits((bits - MANY / 2 + (uint32_t)n) ^ (uint32_t)sign << 31);
                check(f, run, n, x, &all);
            }
        if (step == 1) /* the other instruction sets see samples */
            run[1] = NULL;
#pragma omp parallel for schedule(dynamic) private(x, n)
        for (int part = 0; part < 4096; part++) {
            worst w = {0};
            const uint64_t end = (uint64_t)(part + 1) << 20;
            for (uint64_t u = ((uint64_t)part << 20) + (step > 1 ? (uint64_t)part * 7 % step : 0); u < end;) {
                for (n = 0; n < MANY && u < end; n++, u += step)
                    x[n] = of_bits((uint32_t)u);
                check(f, run, n, x, &w);
            }
#pragma omp critical
            if (w.error > all.error)
                all = w;
        }
        print_message("%-16s %.3f ULP at %.9g\n", f->pattern, all.error, (double)all.x);
        fflush(stdout);
        if (!(all.error <= f->most))
            print_error("%s of %.9g (%a) is %.9g on one instruction set, not %.9g; %g units are allowed\n", f->pattern,
                        (double)all.x, (double)all.x, (double)all.got, f->truth((double)all.x), f->most);
        bad += !(all.error <= f->most);
    }
    assert_int_equal(bad, 0);
}

static void powers(void **state)
{
    (void)state;
    static const float some[] = {0,         -0.0f, 1,      -1,        INFINITY,   -INFINITY,   NAN,         2,
                                 -2,        3,     -3,     0.5f,      -0.5f,      2.5f,        16777216,    16777218,
                                 -16777215, 3e38f, -3e38f, 1.18e-38f, 1.0000001f, 0.99999994f, -1.0000001f, 1e-20f};
    uint64_t r = 5;
    double most = 0;
    float a[MANY], b[MANY], z[MANY], other[MANY];
    for (int round = 0; round < 400; round++) {
        for (int i = 0; i < MANY; i++) {
            r = r * 6364136223846793005u + 1442695040888963407u;
            const size_t k = (size_t)(round * MANY + i);
            const float any = of_bits((uint32_t)(r >> 32)), near = (float)(r >> 40) / (1 << 20);
            a[i] = k < COUNT(some) * COUNT(some) ? some[k / COUNT(some)] : round % 2 ? any : near;
            b[i] =
                k < COUNT(some) * COUNT(some) ? some[k % COUNT(some)] : (float)((double)(r >> 11 & 0xffff) / 3000 - 10);
            if (round % 3 == 0 && k >= COUNT(some) * COUNT(some))
                b[i] = rintf(b[i] * 4);
        }
        for (size_t i = 0, first = 1; i < COUNT(isas); i++) {
            if (!cpu_isa_find(isas[i]))
                continue;
            apply(find(cpu_isa_find(isas[i]), "pow(A,B)"), a, b, first ? z : other, MANY);
            for (int k = 0; k < MANY && !first; k++)
                if (memcmp(&z[k], &other[k], sizeof *z) != 0 && !(isnan(z[k]) && isnan(other[k])))
                    fail_msg("%s: %.9g ^ %.9g is %.9g, not %.9g", isas[i], (double)a[k], (double)b[k], (double)other[k],
                             (double)z[k]);
            first = 0;
        }
        for (int i = 0; i < MANY; i++) {
            if (fabsf(a[i]) < (float)NORMAL && a[i] != 0)
                continue;
            const double want = pow((double)a[i], (double)b[i]);
            if (fabs(want) < NORMAL && want != 0 && fabsf(z[i]) <= (float)NORMAL)
                continue;
            if (isnan(want) ? !isnan(z[i])
                : isinf((float)want) || want == 0
                    ? !((double)z[i] == (double)(float)want && !signbit(z[i]) == !signbit(want))
                    : !(fabs((double)z[i] - want) <= 0.51 * unit(want)))
                fail_msg("%.9g ^ %.9g is %.9g, not %.9g", (double)a[i], (double)b[i], (double)z[i], want);
            if (!isnan(want) && !isinf((float)want))
                most = fmax(most, fabs((double)z[i] - want) / unit(want));
        }
    }
    print_message("%-16s %.3f ULP\n", "pow(A,B)", most);
}

/* Arguments: names of functions; default: all. */
int main(int argc, char **argv)
{
    nonly = argc - 1;
    only = argv + 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(errors), cmocka_unit_test(powers)};
    return cmocka_run_group_tests_name("math", tests, NULL, NULL);
}
