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
    return base_load(t, a, i);
}

static void chain(nilu_dtype t, int64_t k, const void *a, int64_t ai, int64_t as, const void *b, int64_t bi, int64_t bs,
                  void *c, int64_t ci)
{
    float narrow = 0;
    double wide = 0;
    for (int64_t p = 0; p < k && t != NILU_F64; p++)
        narrow = fmaf(((const float *)a)[ai + p * as], ((const float *)b)[bi + p * bs], narrow);
    for (int64_t p = 0; p < k && t == NILU_F64; p++)
        wide = fma(((const double *)a)[ai + p * as], ((const double *)b)[bi + p * bs], wide);
    if (t == NILU_F64)
        ((double *)c)[ci] = wide;
    else
        ((float *)c)[ci] = narrow;
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

/* A plan of one product and what it gives in two steps; *c is freed by the caller. */
static void compute(const product *p, const char *isa, int threads, bool bf16, const void *x, const void *y, void **c,
                    nilu_shape *s)
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
    nilu_tensor *z = nilu_matmul_t(a, p->ta, b, p->tb);
    nilu_compile_options only = NILU_COMPILE_DEFAULT;
    only.kernels = "gemm";
    only.bf16 = bf16;
    assert_ok(nl, nilu_compile(g, store, 1, &z, &only, &plan));
    char *text = nilu_plan_text(plan);
    assert_contains(text, " gemm ");
    nilu_text_free(nl, text);
    *s = nilu_tensor_shape(z);
    size_t size = nilu_dtype_size(p->dtype), bytes = (size_t)base_count(*s) * size;
    assert_ok(nl, nilu_feed(plan, "a", x, (size_t)base_count(p->a) * size));
    assert_ok(nl, nilu_feed(plan, "b", y, (size_t)base_count(p->b) * size));
    assert_non_null(*c = malloc(bytes + 1));
    for (int step = 0; step < 2; step++) {
        assert_ok(nl, nilu_step(plan));
        if (step && memcmp(*c, nilu_fetched(plan, 0), bytes) != 0)
            fail_msg("%s, %d threads: the second step differs", isa, threads);
        memcpy(*c, nilu_fetched(plan, 0), bytes);
    }
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    nilu_free(nl);
}

static const char *describe(const product *p, char text[200])
{
    char a[BASE_SHAPE_TEXT], b[BASE_SHAPE_TEXT];
    snprintf(text, 200, "%s %s%s · %s%s", nilu_dtype_name(p->dtype), base_shape_text(p->a, a), p->ta ? "T" : "",
             base_shape_text(p->b, b), p->tb ? "T" : "");
    return text;
}

static void check(const product *p, const char *isa, int threads)
{
    nilu_shape s;
    char text[200];
    void *block_a, *block_b, *got;
    void *x = numbers(p->dtype, base_count(p->a), 1, &block_a), *y = numbers(p->dtype, base_count(p->b), 2, &block_b);
    compute(p, isa, threads, false, x, y, &got, &s);
    size_t size = nilu_dtype_size(p->dtype);
    void *wanted = malloc((size_t)base_count(s) * size + 1);
    assert_non_null(wanted);
    want(p, x, y, wanted, s);
    for (int64_t i = 0; i < base_count(s); i++)
        if (memcmp((const char *)got + (size_t)i * size, (char *)wanted + (size_t)i * size, size) != 0)
            fail_msg("%s, %d threads, %s: element %d is %.9g, not %.9g", isa, threads, describe(p, text), (int)i,
                     element(p->dtype, got, i), element(p->dtype, wanted, i));
    free(block_a);
    free(block_b);
    free(wanted);
    free(got);
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

/* Blocks of every height and width, with every tail: c has a rim that must stay as it is. p lies row by row or step by step;
 * where whole strips are near, they are three lines of columns, between which one column must stay. */
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
                        bool more = (m + n) % 3 == 0, near = n % 2 == 0, hops = near && k % 2; /* over the step in the middle */
                        const bool below = (m + n) / 2 % 2;
                        const int row = below ? 1 : MOST, step = below ? MOST : 1, wide_strip = strip * isa->gemm->lanes[type];
                        const int lines = near && m <= isa->gemm->most[strip] && n % wide_strip == 0 && 3 * (n + 1) <= LD ? 2 : 0;
                        const cpu_hop hop = {step, LD};
                        uint64_t seed = (uint64_t)(m * 100 + n);
                        for (int i = 0; i < MOST * MOST; i++)
                            base_store(t, a, i, number(&seed));
                        for (int i = 0; i < MOST * LD; i++)
                            base_store(t, b, i, number(&seed));
                        for (int i = 0; i < (MOST + RIM) * LD; i++)
                            base_store(t, c, i, i * 0.01);
                        memcpy(w, c, sizeof w);
                        for (int i = 0; i < m; i++)
                            for (int j = 0; j < (lines + 1) * (n + 1) - 1; j++) {
                                float narrow = more ? (float)element(t, c, i * LD + j) : 0;
                                double wide = more ? element(t, c, i * LD + j) : 0;
                                if (j % (n + 1) == n)
                                    continue;
                                for (int p = 0; p < k; p++) {
                                    double x = element(t, a, i * row + p * step), y = element(t, b, p * LD + j);
                                    if (hops && p == k / 2)
                                        continue;
                                    narrow = fmaf((float)x, (float)y, narrow);
                                    wide = fma(x, y, wide);
                                }
                                base_store(t, w, i * LD + j, type ? wide : (double)narrow);
                            }
                        cpu_product g = {.rows = m,
                                         .columns = n,
                                         .k = hops ? k / 2 : k,
                                         .p_row = row,
                                         .p_step = step,
                                         .q_step = LD,
                                         .q_strip = wide_strip,
                                         .c_row = LD,
                                         .strip = strip,
                                         .more = more,
                                         .near = near,
                                         .hop = &hop,
                                         .hops = hops,
                                         .lines = lines,
                                         .q_line = n + 1,
                                         .c_line = n + 1,
                                         .soon = NULL};
                        g.keep = n % 2 ? kept : NULL;
                        isa->gemm->multiply[type](&g, a, b, c);
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
                    if (cpu_isa_find(isas[(i + j) % 3]))
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

/* Operands rounded to bf16: what is added up is near the sum of the rounded ones' products, in the same order for any
 * number of threads; and exactly f32's chain of them where no instruction multiplies bf16. */
static void check_rounded(const product *p, const char *isa)
{
    nilu_shape s;
    char text[200];
    void *block_a, *block_b, *got = NULL, *first = NULL;
    int64_t na = base_count(p->a), nb = base_count(p->b);
    void *x = numbers(p->dtype, na, 1, &block_a), *y = numbers(p->dtype, nb, 2, &block_b);
    product narrow = *p, sizes = *p;
    narrow.dtype = sizes.dtype = NILU_F32;
    float *xr = malloc((size_t)(na + nb + 1) * 2 * sizeof *xr), *yr = xr + na, *xs = yr + nb, *ys = xs + na;
    assert_non_null(xr);
    for (int64_t i = 0; i < na + nb; i++) {
        xr[i] = base_bf16_to_f32(
            base_f32_to_bf16((float)(i < na ? element(p->dtype, x, i) : element(p->dtype, y, i - na))));
        xs[i] = fabsf(xr[i]);
    }
    for (int t = 0; t < 3; t++) {
        compute(p, isa, thread_counts[t], p->dtype == NILU_F32, x, y, &got, &s);
        if (first && memcmp(first, got, (size_t)base_count(s) * nilu_dtype_size(p->dtype)) != 0)
            fail_msg("%s, %s: %d threads make a difference", isa, describe(p, text), thread_counts[t]);
        free(first);
        first = got;
    }
    float *wanted = malloc((size_t)base_count(s) * 2 * sizeof *wanted + 1), *size = wanted + base_count(s);
    assert_non_null(wanted);
    want(&narrow, xr, yr, wanted, s);
    want(&sizes, xs, ys, size, s);
    bool exact = cpu_isa_find(isa)->gemm_bf16 == cpu_isa_find(isa)->gemm;
    double unit = p->dtype == NILU_BF16 ? 1.0 / 256 : 0;
    for (int64_t i = 0; i < base_count(s); i++) {
        double w = (double)wanted[i], most = (exact ? 0 : 1e-6 * (double)size[i]) + unit * fabs(w);
        if (!(fabs(element(p->dtype, got, i) - w) <= most))
            fail_msg("%s, %s rounded: element %d is %.9g, not %.9g", isa, describe(p, text), (int)i,
                     element(p->dtype, got, i), w);
    }
    free(block_a);
    free(block_b);
    free(xr);
    free(wanted);
    free(got);
}

static void rounded_operands(void **state)
{
    (void)state;
    static const int shapes[][3] = {{1, 1, 1},      {2, 3, 2},     {5, 17, 7},     {16, 16, 16}, {33, 40, 31},
                                    {64, 512, 784}, {512, 65, 64}, {1, 300, 9},    {40, 1, 100}, {130, 257, 63},
                                    {7, 0, 5},      {3, 4, 0},     {103, 107, 531}};
    for (size_t i = 0; i < COUNT(shapes); i++)
        for (int t = 0; t < 8; t++) {
            product p = matrices(t < 4 ? NILU_F32 : NILU_BF16, shapes[i][0], shapes[i][1], shapes[i][2], t % 4);
            for (size_t k = 0; k < COUNT(isas); k++)
                if (cpu_isa_find(isas[k]))
                    check_rounded(&p, isas[k]);
        }
    const product p = {NILU_BF16, NILU_SHAPE(3, 20, 33), NILU_SHAPE(3, 33, 18), false, false};
    check_rounded(&p, NULL);
}

/* A net whose steps are products with chains behind them: training gives the same bits on every instruction set and for any
 * number of threads, and nearly what the references give. */
static double train(const char *isa, int threads, int batch, const nilu_compile_options *o, char hash[65])
{
    nilu_options options = NILU_OPTIONS_DEFAULT;
    options.threads = threads;
    options.isa = isa;
    nilu *nl = nilu_new(&options, NULL);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan;
    nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(batch, 130)),
                *t = nilu_input(g, "t", NILU_I32, NILU_SHAPE(batch));
    nilu_tensor *h = nilu_dense(nilu_dense(x, "a", 203, "relu", NULL, true), "b", 117, "tanh", NULL, true);
    nilu_tensor *loss = nilu_softmax_xent(nilu_dense(h, "c", 10, NULL, NULL, true), t, NULL);
    assert_ok(nl, nilu_minimise(loss, 0, NULL, NULL, NULL, NULL));
    assert_ok(nl, nilu_compile(g, store, 1, &loss, o, &plan));
    float *data = malloc((size_t)batch * 130 * sizeof *data);
    int32_t *label = malloc((size_t)batch * sizeof *label);
    uint64_t seed = 5;
    for (int i = 0; i < batch * 130; i++)
        data[i] = (float)number(&seed);
    for (int i = 0; i < batch; i++)
        label[i] = i * 7 % 10;
    assert_ok(nl, nilu_feed(plan, "x", data, (size_t)batch * 130 * sizeof *data));
    assert_ok(nl, nilu_feed(plan, "t", label, (size_t)batch * sizeof *label));
    double last = 0;
    for (int s = 0; s < 5; s++) {
        assert_ok(nl, nilu_step(plan));
        last = (double)*(const float *)nilu_fetched(plan, 0);
    }
    nilu_store_hash(store, NILU_PARAM, hash);
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    nilu_free(nl);
    free(data);
    free(label);
    return last;
}

static void training_steps(void **state)
{
    (void)state;
    static const int sizes[] = {1, 33, 64, 150};
    nilu_compile_options reference = NILU_COMPILE_DEFAULT, bf16 = NILU_COMPILE_DEFAULT;
    reference.reference = true;
    bf16.bf16 = true;
    for (size_t b = 0; b < COUNT(sizes); b++) {
        char first[65] = "", rounded[65] = "", hash[65];
        double judge = train(NULL, 1, sizes[b], &reference, hash);
        for (size_t i = 0; i < COUNT(isas); i++)
            for (size_t t = 0; t < COUNT(thread_counts) && cpu_isa_find(isas[i]); t++) {
                assert_near(train(isas[i], thread_counts[t], sizes[b], NULL, hash), judge, 1e-4);
                if (first[0] && strcmp(first, hash) != 0)
                    fail_msg("batch %d: %s with %d threads learns something else", sizes[b], isas[i], thread_counts[t]);
                strcpy(first, hash);
                assert_near(train(isas[i], thread_counts[t], sizes[b], &bf16, hash), judge, 0.02);
                if (t && strcmp(rounded, hash) != 0)
                    fail_msg("batch %d, bf16: %s with %d threads learns something else", sizes[b], isas[i],
                             thread_counts[t]);
                strcpy(rounded, hash);
            }
    }
}

/* Where a chain takes each tile, one below the other finds the strips of b that the first one kept, and k is cut into parts. */
static void chains_find_what_was_kept(void **state)
{
    (void)state;
    const product p = matrices(NILU_F32, 384, 2304, 384, 0);
    const nilu_shape s = NILU_SHAPE(384, 2304);
    const size_t bytes = (size_t)base_count(s) * sizeof(float);
    void *block_a, *block_b;
    float *x = numbers(p.dtype, base_count(p.a), 1, &block_a), *y = numbers(p.dtype, base_count(p.b), 2, &block_b);
    float *wanted = malloc(bytes);
    assert_non_null(wanted);
    want(&p, x, y, wanted, s);
    for (int threads = 1; threads <= 3; threads++) {
        nilu *nl = support_context(threads, NULL);
        nilu_graph *g = nilu_graph_new(nl);
        nilu_store *store = nilu_store_new(nl);
        nilu_plan *plan;
        nilu_tensor *z = nilu_relu(nilu_matmul(nilu_input(g, "a", p.dtype, p.a), nilu_input(g, "b", p.dtype, p.b)));
        assert_ok(nl, nilu_compile(g, store, 1, &z, NULL, &plan));
        assert_ok(nl, nilu_feed(plan, "a", x, (size_t)base_count(p.a) * sizeof *x));
        assert_ok(nl, nilu_feed(plan, "b", y, (size_t)base_count(p.b) * sizeof *y));
        assert_ok(nl, nilu_step(plan));
        const float *got = nilu_fetched(plan, 0);
        for (int64_t i = 0; i < base_count(s); i++)
            if (got[i] != (wanted[i] > 0 ? wanted[i] : 0))
                fail_msg("%d threads: element %d is %.9g, not %.9g", threads, (int)i, (double)got[i], (double)wanted[i]);
        nilu_plan_free(plan);
        nilu_store_free(store);
        nilu_graph_free(g);
        nilu_free(nl);
    }
    free(block_a);
    free(block_b);
    free(wanted);
}

/* Argument: a test; default: all. */
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks),
        cmocka_unit_test(transposes),
        cmocka_unit_test(every_small_shape),
        cmocka_unit_test(large_shapes),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(batches),
        cmocka_unit_test(rounded_operands),
        cmocka_unit_test(training_steps),
        cmocka_unit_test(chains_find_what_was_kept),
    };
    return cmocka_run_group_tests_name("gemm", tests, NULL, NULL);
}
