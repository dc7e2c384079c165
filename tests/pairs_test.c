/* Products whose operands stand in pairs, two bf16 in a number's place, on machines that have no instruction for them: plain
 * loops take the place of its blocks. Every case of matmul and of the convolutions, and all large ones, are computed by every
 * kernel that takes them, and compared with the reference. Run alone: pairs_test OP ["CASE"]. */
#include "support/rows.h"

#include <stdlib.h>

#define PAIR 2
#define WIDTH 4 /* lanes of a vector: fewer than any machine has, so that there are tails */
#define TOLERANCE 2e-6

static const char *only_op, *only_case;

/* ---- the table of an instruction set */

static float first_of(uint32_t pair)
{
    return base_bf16_to_f32((uint16_t)pair);
}

static float second_of(uint32_t pair)
{
    return base_bf16_to_f32((uint16_t)(pair >> 16));
}

static void multiply(const cpu_product *g, const void *p, const void *q, void *c)
{
    const int64_t width = (int64_t)g->strip * WIDTH;
    for (int64_t row = 0; row < g->rows; row++)
        for (int64_t i = 0; i < g->columns * (g->lines + 1); i++) {
            const int64_t line = i / g->columns, column = i % g->columns;
            const uint32_t *a = (const uint32_t *)p + row * g->p_row,
                           *b = (const uint32_t *)q + line * g->q_line + column / width * g->q_strip + column % width;
            float *to = (float *)c + row * g->c_row + line * g->c_line + column, sum = g->more ? *to : 0;
            for (int64_t hop = 0;; hop++) {
                for (int64_t k = 0; k < g->k; k++, a += g->p_step, b += g->q_step)
                    sum += first_of(*a) * first_of(*b) + second_of(*a) * second_of(*b);
                if (hop == g->hops)
                    break;
                a += g->hop[hop].p;
                b += g->hop[hop].q;
            }
            *to = sum;
        }
}

static uint32_t half(const void *from, nilu_dtype type, int64_t i)
{
    return type == NILU_BF16 ? ((const uint16_t *)from)[i] : base_f32_to_bf16(((const float *)from)[i]);
}

static void round_rows(int64_t rows, int64_t k, const void *from, nilu_dtype type, int64_t ld, void *to, int64_t to_ld)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < k; i += PAIR)
            ((uint32_t *)to)[r * to_ld + i / PAIR] = half(from, type, r * ld + i) | (i + 1 < k ? half(from, type, r * ld + i + 1) << 16 : 0);
}

static void round_columns(int64_t rows, int64_t k, const void *from, nilu_dtype type, int64_t ld, void *to, int64_t to_ld)
{
    for (int64_t i = 0; i < k; i += PAIR)
        for (int64_t r = 0; r < rows; r++)
            ((uint32_t *)to)[i / PAIR * to_ld + r] = half(from, type, i * ld + r) | (i + 1 < k ? half(from, type, (i + 1) * ld + r) << 16 : 0);
}

static void to_bf16(const float *from, uint16_t *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = base_f32_to_bf16(from[i]);
}

static const cpu_gemm_table pairs = {.lanes = {0, 0, WIDTH}, .most = {0, 5, 3, 2, 0}, .per = PAIR, .multiply = {NULL, NULL, multiply},
                                     .round_rows = round_rows, .round_columns = round_columns, .to_bf16 = to_bf16};

/* ---- a case, by a kernel */

/* Two steps, the second with what the first one left behind; what a thread has for itself is spoilt before each tile. */
static void run_kernel(const cpu_kernel *k, const cpu_job *job, nilu_call *c)
{
    void *local = NULL;
    assert_int_equal(posix_memalign(&local, 64, job->local + 64), 0);
    assert_int_equal(posix_memalign(&c->scratch, 64, job->scratch + 64), 0);
    memset(c->scratch, 0, job->scratch);
    for (int step = 0; step < 2; step++) {
        memset(c->out[0].data, 0xff, (size_t)c->out[0].n * nilu_dtype_size(c->out[0].dtype));
        for (int phase = 0; phase < job->phases; phase++)
            for (int64_t t = 0; t < job->tiles[phase]; t++) {
                memset(local, 0xff, job->local);
                assert_int_equal(k->run(c, phase, t, t + 1, local), NILU_OK);
            }
    }
    free(local);
    free(c->scratch);
}

static int compare(const char *what, const cpu_kernel *k, const nilu_arg *got, const rows_values *want)
{
    double largest = 0;
    for (int64_t i = 0; i < got->n; i++)
        largest = fmax(largest, fabs(base_load(got->dtype, want->data[0], i)));
    for (int64_t i = 0; i < got->n; i++) {
        const double x = base_load(got->dtype, got->data, i), y = base_load(got->dtype, want->data[0], i);
        if (fabs(x - y) <= TOLERANCE * largest)
            continue;
        print_error("%s, case \"%s\", kernel %s: element %lld is %.9g, but should be %.9g (pairs_test %s \"%s\")\n", k->op, what, k->name,
                    (long long)i, x, y, k->op, what);
        return 1;
    }
    return 0;
}

/* The case with its operands rounded. Returns how many kernels were wrong; *runs: how many there were. */
static int check(const nilu_op *op, const nilu_case *c, int *runs)
{
    char attr[256];
    snprintf(attr, sizeof attr, "%s bf16=1", c->attr ? c->attr : "");
    nilu_case rounded = *c;
    rounded.attr = attr;
    const rows_row row = {.op = op, .c = &rounded};
    cpu_isa isa = *cpu_isa_find(NULL);
    isa.gemm_bf16 = &pairs;
    nilu *nl = rows_context(NULL, 1);
    graph_case made;
    rows_values want, got = {0};
    const cpu_kernel *k;
    int bad = 0;
    assert_ok(nl, graph_case_new(nl, op, &rounded, NILU_F32, NILU_I32, 0, &made));
    assert_int_equal(rows_judge(&row, NILU_F32, NILU_I32, &want), NILU_OK);
    const nilu_node *n = made.out->node;
    nilu_arg in[2], out = {rows_add(&got, NILU_F32, made.out->shape, NULL), NILU_F32, made.out->shape, base_count(made.out->shape)};
    for (int i = 0; i < 2; i++)
        in[i] = (nilu_arg){made.data[i], NILU_F32, made.in[i]->shape, base_count(made.in[i]->shape)};
    for (size_t i = 0; (k = cpu_kernel_at(i)); i++) {
        cpu_job job;
        if (strcmp(k->op, op->name) != 0 || k->accepts(n, &isa))
            continue;
        assert_ok(nl, k->prepare(nl, n, &isa, &job));
        nilu_call call = {.op = op, .node = n, .attr = n->attr, .nin = 2, .nout = 1, .in = in, .out = &out, .plan = job.plan, .isa = &isa};
        run_kernel(k, &job, &call);
        bad += compare(c->what, k, &out, &want);
        base_free(nl, job.plan);
        ++*runs;
    }
    rows_free(&got);
    rows_free(&want);
    graph_case_free(&made);
    nilu_free(nl);
    return bad;
}

static void op_in_pairs(void **state)
{
    const nilu_op *op = *state;
    int bad = 0, runs = 0;
    for (const nilu_case *c = op->cases; c->what; c++)
        if (!c->error && (!only_case || strcmp(c->what, only_case) == 0))
            bad += check(op, c, &runs);
    for (const rows_large *l = rows_large_table; l->op; l++)
        if (strcmp(l->op, op->name) == 0 && (!only_case || strcmp(l->c.what, only_case) == 0))
            bad += check(op, &l->c, &runs);
    assert_true(runs > (only_case ? 0 : 20));
    assert_int_equal(bad, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        {"matmul", op_in_pairs, NULL, NULL, (void *)&nilu_op_matmul},
        {"conv", op_in_pairs, NULL, NULL, (void *)&nilu_op_conv},
        {"conv_transpose", op_in_pairs, NULL, NULL, (void *)&nilu_op_conv_transpose},
        {"conv_weight", op_in_pairs, NULL, NULL, (void *)&nilu_op_conv_weight},
    };
    only_op = argc > 1 ? argv[1] : NULL;
    only_case = argc > 2 ? argv[2] : NULL;
    if (only_op)
        cmocka_set_test_filter(only_op);
    return cmocka_run_group_tests_name("pairs", tests, NULL, NULL);
}
