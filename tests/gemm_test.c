/* Products against one chain of fused multiply-adds an element, bit for bit: every block, tail, transposition, batch and
 * instruction set, any number of threads, operands at any address. */
#include "support/support.h"

#include "cpu/cpu.h"

static const char *const isas[] = {"portable", "avx2", "avx512", "neon"};
static const int thread_counts[] = {1, 2, 3, 8};

/* Numbers whose sums round: a few bits too many, signs mixed. */
static double number(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(int64_t)*state / 9.3e18;
}

static double element(nilu_dtype t, const void *a, int64_t i)
{
    return t == NILU_F32 ? (double)((const float *)a)[i] : ((const double *)a)[i];
}

static void chain(nilu_dtype t, int64_t k, const void *a, int64_t ai, int64_t as, const void *b, int64_t bi, int64_t bs,
                  void *c, int64_t ci)
{
    float narrow = 0;
    double wide = 0;
    for (int64_t p = 0; p < k; p++) {
        double x = element(t, a, ai + p * as), y = element(t, b, bi + p * bs);
        narrow = fmaf((float)x, (float)y, narrow);
        wide = fma(x, y, wide);
    }
    if (t == NILU_F32)
        ((float *)c)[ci] = narrow;
    else
        ((double *)c)[ci] = wide;
}

/* An array at an address that is a multiple of its element's size and of nothing more. */
static void *unaligned(void *block, size_t size)
{
    return (char *)block + 64 - (uintptr_t)block % 64 + size;
}

static void *numbers(nilu_dtype t, int64_t n, uint64_t seed, void **block)
{
    size_t size = nilu_dtype_size(t);
    *block = malloc((size_t)n * size + 192);
    assert_non_null(*block);
    void *at = unaligned(*block, size);
    for (int64_t i = 0; i < n; i++)
        base_store(t, at, i, number(&seed));
    return at;
}

typedef struct product {
    nilu_dtype dtype;
    nilu_shape a, b;
    bool ta, tb;
} product;

static void want(const product *p, const void *a, const void *b, void *c, nilu_shape s)
{
    int64_t m = s.dim[s.rank - 2], n = s.dim[s.rank - 1], k = p->a.dim[p->a.rank - (p->ta ? 2 : 1)];
    nilu_shape batch = s, ab = p->a, bb = p->b;
    int64_t as[NILU_MAX_RANK], bs[NILU_MAX_RANK];
    batch.rank -= 2, ab.rank -= 2, bb.rank -= 2;
    ops_strides(ab, batch, as);
    ops_strides(bb, batch, bs);
    for (int64_t i = 0; i < base_count(batch); i++) {
        int64_t ao = 0, bo = 0, rest = i;
        for (int d = batch.rank - 1; d >= 0; rest /= batch.dim[d], d--) {
            ao += rest % batch.dim[d] * as[d] * m * k;
            bo += rest % batch.dim[d] * bs[d] * k * n;
        }
        for (int64_t r = 0; r < m; r++)
            for (int64_t j = 0; j < n; j++)
                chain(p->dtype, k, a, ao + (p->ta ? r : r * k), p->ta ? m : 1, b, bo + (p->tb ? j * k : j),
                      p->tb ? 1 : n, c, (i * m + r) * n + j);
    }
}

static void check(const product *p, const char *isa, int threads)
{
    nilu_options o = NILU_OPTIONS_DEFAULT;
    o.threads = threads;
    o.isa = isa;
    nilu *nl = nilu_new(&o, NULL);
    assert_non_null(nl);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan;
    nilu_tensor *a = nilu_input(g, "a", p->dtype, p->a), *b = nilu_input(g, "b", p->dtype, p->b);
    nilu_tensor *c = nilu_matmul_t(a, p->ta, b, p->tb);
    nilu_compile_options only = NILU_COMPILE_DEFAULT;
    only.kernels = "gemm";
    assert_ok(nl, nilu_compile(g, store, 1, &c, &only, &plan));
    char *text = nilu_plan_text(plan);
    assert_contains(text, " gemm ");
    nilu_text_free(nl, text);
    size_t size = nilu_dtype_size(p->dtype);
    int64_t na = base_count(p->a), nb = base_count(p->b), nc = base_count(nilu_tensor_shape(c));
    void *block_a, *block_b, *x = numbers(p->dtype, na, 1, &block_a), *y = numbers(p->dtype, nb, 2, &block_b);
    void *wanted = malloc((size_t)nc * size + 1);
    want(p, x, y, wanted, nilu_tensor_shape(c));
    assert_ok(nl, nilu_feed(plan, "a", x, (size_t)na * size));
    assert_ok(nl, nilu_feed(plan, "b", y, (size_t)nb * size));
    for (int step = 0; step < 2; step++) {
        assert_ok(nl, nilu_step(plan));
        const void *got = nilu_fetched(plan, 0);
        for (int64_t i = 0; i < nc; i++)
            if (memcmp((const char *)got + (size_t)i * size, (char *)wanted + (size_t)i * size, size) != 0)
                fail_msg(
                    "%s, %d threads, a rank %d [.. %d %d]%s b [.. %d %d]%s: element %d of step %d is %.9g, not %.9g",
                    isa, threads, p->a.rank, (int)p->a.dim[p->a.rank - 2], (int)p->a.dim[p->a.rank - 1],
                    p->ta ? "T" : "", (int)p->b.dim[p->b.rank - 2], (int)p->b.dim[p->b.rank - 1], p->tb ? "T" : "",
                    (int)i, step, element(p->dtype, got, i), element(p->dtype, wanted, i));
    }
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    nilu_free(nl);
    free(block_a);
    free(block_b);
    free(wanted);
}

static product matrices(nilu_dtype dtype, int m, int n, int k, int transposed)
{
    bool ta = transposed & 1, tb = transposed >> 1;
    return (product){dtype, ta ? NILU_SHAPE(k, m) : NILU_SHAPE(m, k), tb ? NILU_SHAPE(n, k) : NILU_SHAPE(k, n), ta, tb};
}

static void on_every_isa(const product *p, int threads)
{
    for (size_t i = 0; i < COUNT(isas); i++)
        if (cpu_isa_find(isas[i]))
            check(p, isas[i], threads);
}

/* Blocks of every height and width, with every tail: c has a rim that must stay as it is. */
static void blocks(void **state)
{
    (void)state;
    enum { MOST = 41, RIM = 3, LD = 2 * MOST };
    static double a[MOST * MOST], b[MOST * LD], c[(MOST + RIM) * LD], w[(MOST + RIM) * LD], kept[MOST * (LD + 64)];
    for (size_t s = 0; s < COUNT(isas); s++) {
        const cpu_isa *isa = cpu_isa_find(isas[s]);
        for (int type = 0; type < 2 && isa; type++)
            for (int strip = 1; strip <= 4; strip++)
                for (int m = 0; m < MOST && isa->gemm->most[strip]; m++)
                    for (int n = 0; n < (m % 4 ? 20 : 2 * MOST - RIM); n++) {
                        nilu_dtype t = type ? NILU_F64 : NILU_F32;
                        int k = (m * 7 + n) % 13;
                        bool more = (m + n) % 3 == 0;
                        uint64_t seed = (uint64_t)(m * 100 + n);
                        for (int i = 0; i < MOST * MOST; i++)
                            base_store(t, a, i, number(&seed));
                        for (int i = 0; i < MOST * LD; i++)
                            base_store(t, b, i, number(&seed));
                        for (int i = 0; i < (MOST + RIM) * LD; i++)
                            base_store(t, c, i, i * 0.01);
                        memcpy(w, c, sizeof w);
                        for (int i = 0; i < m; i++)
                            for (int j = 0; j < n; j++) {
                                float narrow = more ? (float)element(t, c, i * LD + j) : 0;
                                double wide = more ? element(t, c, i * LD + j) : 0;
                                for (int p = 0; p < k; p++) {
                                    double x = element(t, a, i * MOST + p), y = element(t, b, p * LD + j);
                                    narrow = fmaf((float)x, (float)y, narrow);
                                    wide = fma(x, y, wide);
                                }
                                base_store(t, w, i * LD + j, type ? wide : (double)narrow);
                            }
                        cpu_product g = {.p = a,
                                         .q = b,
                                         .c = c,
                                         .rows = m,
                                         .columns = n,
                                         .k = k,
                                         .p_row = MOST,
                                         .p_step = 1,
                                         .q_step = LD,
                                         .q_strip = strip * isa->gemm->lanes[type],
                                         .c_row = LD,
                                         .strip = strip,
                                         .more = more,
                                         .nsoon = 0};
                        g.keep = n % 2 ? kept : NULL;
                        isa->gemm->multiply[type](&g);
                        if (memcmp(c, w, (size_t)((MOST + RIM) * LD) * nilu_dtype_size(t)) != 0)
                            fail_msg("%s f%d, strips of %d: [%d, %d] · [%d, %d] is wrong", isas[s], type ? 64 : 32,
                                     strip, m, k, k, n);
                    }
    }
}

static void transposes(void **state)
{
    (void)state;
    enum { MOST = 70 };
    static double a[MOST * MOST], b[MOST * MOST];
    for (size_t s = 0; s < COUNT(isas); s++) {
        const cpu_isa *isa = cpu_isa_find(isas[s]);
        for (int type = 0; type < 2 && isa; type++)
            for (int m = 0; m < MOST; m++)
                for (int n = 0; n < MOST; n++) {
                    nilu_dtype t = type ? NILU_F64 : NILU_F32;
                    for (int i = 0; i < MOST * MOST; i++) {
                        base_store(t, a, i, i);
                        base_store(t, b, i, -1);
                    }
                    isa->gemm->flip[type](m, n, a, MOST, b, MOST);
                    for (int i = 0; i < MOST; i++)
                        for (int j = 0; j < MOST; j++)
                            if (element(t, b, i * MOST + j) != (i < n && j < m ? j * MOST + i : -1))
                                fail_msg("%s f%d: [%d, %d] transposed is wrong at %d %d", isas[s], type ? 64 : 32, m, n,
                                         i, j);
                }
    }
}

static void every_small_shape(void **state)
{
    (void)state;
    static const int sizes[] = {0, 1, 2, 3, 5, 8, 10, 15, 16, 17, 31, 33, 40};
    for (int t = 0; t < 4; t++)
        for (size_t i = 0; i < COUNT(sizes); i++)
            for (size_t j = 0; j < COUNT(sizes); j++)
                for (size_t l = 0; l < COUNT(sizes); l += 2) {
                    product p = matrices((i + j + l) % 3 ? NILU_F32 : NILU_F64, sizes[i], sizes[j], sizes[l], t);
                    check(&p, isas[(i + j) % 3], 1);
                    if ((i * 5 + j + l) % 7 == 0)
                        on_every_isa(&p, 1);
                }
}

static void large_shapes(void **state)
{
    (void)state;
    static const int shapes[][3] = {{64, 512, 784}, {784, 512, 64},   {64, 10, 512},  {1, 513, 300},
                                    {300, 1, 257},  {203, 207, 1031}, {33, 1000, 65}, {1000, 48, 130},
                                    {129, 97, 61},  {5, 2000, 2100},  {2, 3, 5000}};
    for (size_t i = 0; i < COUNT(shapes); i++)
        for (int t = 0; t < 4; t++) {
            product p =
                matrices((int)i % 4 == 3 && t ? NILU_F64 : NILU_F32, shapes[i][0], shapes[i][1], shapes[i][2], t);
            for (size_t s = 0; s < COUNT(isas); s++)
                if (cpu_isa_find(isas[s]))
                    check(&p, isas[s], thread_counts[(i + (size_t)t + s) % COUNT(thread_counts)]);
        }
}

static void threads_change_nothing(void **state)
{
    (void)state;
    for (int t = 0; t < 4; t++)
        for (size_t i = 0; i < COUNT(thread_counts); i++) {
            product p = matrices(NILU_F32, 150, 170, 190, t);
            check(&p, NULL, thread_counts[i]);
        }
}

static void batches(void **state)
{
    (void)state;
    const product p[] = {{NILU_F32, NILU_SHAPE(3, 4, 5), NILU_SHAPE(3, 5, 2), false, false},
                         {NILU_F32, NILU_SHAPE(7, 4, 5), NILU_SHAPE(5, 17), false, false},
                         {NILU_F32, NILU_SHAPE(2, 3, 4, 5), NILU_SHAPE(1, 1, 33, 5), false, true},
                         {NILU_F64, NILU_SHAPE(4, 5), NILU_SHAPE(6, 5, 2), false, false},
                         {NILU_F32, NILU_SHAPE(2, 1, 3, 40), NILU_SHAPE(5, 40, 20), false, false},
                         {NILU_F32, NILU_SHAPE(1, 3, 9), NILU_SHAPE(4, 1, 9, 9), false, true},
                         {NILU_F32, NILU_SHAPE(2, 50, 41), NILU_SHAPE(50, 33), true, false},
                         {NILU_F64, NILU_SHAPE(3, 50, 41), NILU_SHAPE(3, 33, 50), true, true},
                         {NILU_F32, NILU_SHAPE(12, 64, 32), NILU_SHAPE(12, 64, 32), false, true},
                         {NILU_F32, NILU_SHAPE(0, 4, 5), NILU_SHAPE(0, 5, 2), false, false}};
    for (size_t i = 0; i < COUNT(p); i++)
        for (size_t t = 0; t < COUNT(thread_counts); t++)
            on_every_isa(&p[i], thread_counts[t]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks),
        cmocka_unit_test(transposes),
        cmocka_unit_test(every_small_shape),
        cmocka_unit_test(large_shapes),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(batches),
    };
    return cmocka_run_group_tests_name("gemm", tests, NULL, NULL);
}
