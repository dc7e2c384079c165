/* Kernels on shapes that no row of an op has: large enough for many tiles and pieces, with tails, ones and zeros among the
 * dimensions. Each random case is judged by the op's reference, and gives the same bits on every instruction set and with
 * 3 threads, some with 2 and 8. cpu_test [SEED]. */
#include "support/rows.h"

#define CASES (ROWS_SLOW ? 2 : 10) /* of each op */
#define MOST 20000                 /* elements of an input */
static const char *const isas[] = {"portable", "avx2", "avx512", "neon"};
static const nilu_dtype reals[] = {NILU_F32, NILU_F32, NILU_F32, NILU_F64, NILU_BF16};
static uint64_t seed = 1, drawn;
static int kernels_run;

static int64_t below(int64_t n)
{
    return (int64_t)(base_uniform53((base_key){seed, 7}, drawn++) * (double)n);
}

static bool coin(void)
{
    return below(2);
}

static int64_t size(int64_t most)
{
    static const int64_t usual[] = {1,   2,   3,   5,   8,   15,  16,  17,   31,   64,   65,
                                    127, 200, 255, 256, 257, 300, 600, 1025, 2100, 5000, 20000};
    int64_t n = below(40) == 0 ? 0 : usual[below((int64_t)COUNT(usual))];
    return n < most ? n : most;
}

/* A case in the making. */
typedef struct text {
    char in[300], attr[300];
    int rank;
    int64_t dim[NILU_MAX_RANK];
} text;

static void add(char *to, const char *format, ...)
{
    va_list args;
    size_t n = strlen(to);
    va_start(args, format);
    vsnprintf(to + n, 300 - n, format, args);
    va_end(args);
}

static void add_dims(char *to, int rank, const int64_t *dim, const char *between)
{
    for (int d = 0; d < rank; d++)
        add(to, "%s%lld", d ? between : "", (long long)dim[d]);
}

/* A shape of `least` axes or a few more, and not more than MOST elements. */
static void shape(text *t, int least)
{
    int64_t left = MOST;
    t->rank = least + (int)below(least > 2 ? 2 : 4);
    for (int d = 0; d < t->rank; d++) {
        t->dim[d] = size(t->rank > 2 && coin() ? 20 : left > 1 ? left : 1);
        left = t->dim[d] > 1 ? left / t->dim[d] : left;
    }
}

static void input(text *t, const char *after)
{
    add(t->in, "%s", *t->in ? " " : "");
    if (t->rank)
        add_dims(t->in, t->rank, t->dim, "x");
    else
        add(t->in, "s");
    add(t->in, "%s", after);
}

static void any_type(text *t)
{
    static const char *const types[] = {"", "", "", "i100", "b", "u"};
    input(t, types[below((int64_t)COUNT(types))]);
}

static int an_axis(const text *t)
{
    return (int)below(t->rank);
}

/* ---- how to make a case of each op */

static void make_transpose(text *t)
{
    int order[NILU_MAX_RANK];
    shape(t, 1);
    any_type(t);
    add(t->attr, "axes=");
    for (int d = 0; d < t->rank; d++)
        order[d] = d;
    for (int d = t->rank - 1; d >= 0; d--) {
        int other = (int)below(d + 1), keep = order[d];
        order[d] = order[other];
        order[other] = keep;
    }
    for (int d = 0; d < t->rank; d++)
        add(t->attr, d ? ",%d" : "%d", order[d]);
}

static void make_broadcast_to(text *t)
{
    int64_t to[NILU_MAX_RANK];
    shape(t, 2);
    memcpy(to, t->dim, sizeof to);
    for (int d = 0; d < t->rank; d++)
        if (coin())
            t->dim[d] = 1;
    any_type(t);
    add(t->attr, "shape=");
    add_dims(t->attr, t->rank, to, ",");
}

static void make_slice(text *t)
{
    shape(t, 1);
    any_type(t);
    int axis = an_axis(t);
    int64_t start = below(t->dim[axis] + 1), stop = start + below(t->dim[axis] - start + 1);
    add(t->attr, "axis=%d start=%lld stop=%lld step=%lld", axis, (long long)start, (long long)stop,
        (long long)(1 + below(3)));
}

static void make_concat(text *t)
{
    static const char *const types[] = {"", "i100", "b", "u"};
    const char *type = types[below((int64_t)COUNT(types))];
    shape(t, 1);
    int axis = an_axis(t), n = 1 + (int)below(5);
    for (int k = 0; k < n; k++) {
        t->dim[axis] = size(40);
        input(t, type);
    }
    add(t->attr, "axis=%d", axis);
}

static void make_pad(text *t)
{
    shape(t, 1);
    any_type(t);
    add(t->attr, "axis=%d before=%lld after=%lld value=%d", an_axis(t), (long long)below(20), (long long)below(20),
        (int)below(3));
}

static void make_gather(text *t)
{
    shape(t, 1);
    int axis = an_axis(t);
    t->dim[axis] += t->dim[axis] == 0;
    any_type(t);
    int64_t rest = 1;
    for (int d = 0; d < t->rank; d++)
        rest *= d == axis || t->dim[d] == 0 ? 1 : t->dim[d];
    add(t->in, " %lldi%lld", (long long)size(2 * MOST / rest + 1), (long long)t->dim[axis]);
    add(t->attr, "axis=%d", axis);
}

static void make_scatter_add(text *t)
{
    static const char *const types[] = {"", "", "", "i100", "u"};
    shape(t, 1);
    int axis = an_axis(t);
    int64_t n = 1 + size(3000);
    input(t, types[below((int64_t)COUNT(types))]);
    add(t->in, " %lldi%lld", (long long)t->dim[axis], (long long)n);
    add(t->attr, "axis=%d n=%lld", axis, (long long)n);
}

static void make_one_hot(text *t)
{
    static const char *const types[] = {"f32", "f64", "bf16", "i32", "i64", "u8", "bool"};
    int64_t classes = 1 + size(300);
    t->rank = 1;
    t->dim[0] = size(MOST / classes + 1);
    char after[24];
    snprintf(after, sizeof after, "i%lld", (long long)classes);
    input(t, after);
    add(t->attr, "classes=%lld dtype=%s", (long long)classes, types[below((int64_t)COUNT(types))]);
}

static void make_cast(text *t)
{
    static const char *const types[] = {"f32", "f64", "bf16", "i32", "i64", "u8", "bool"};
    shape(t, 1);
    any_type(t);
    add(t->attr, "dtype=%s", types[below((int64_t)COUNT(types))]);
}

static void make_reduction(text *t)
{
    shape(t, 1);
    for (int d = 0; d < t->rank; d++)
        t->dim[d] += t->dim[d] == 0;
    input(t, "");
    const char *between = "axes=";
    for (int d = 0; d < t->rank; d++)
        if (coin()) {
            add(t->attr, "%s%d", between, d);
            between = ",";
        }
    add(t->attr, " keep=%d", (int)below(2));
}

static void make_prod(text *t) /* of not so many that nothing is left */
{
    t->rank = 2;
    t->dim[0] = size(300);
    t->dim[1] = size(17);
    input(t, "");
    add(t->attr, "axes=1");
}

static void make_row(text *t)
{
    shape(t, 1);
    input(t, "");
    add(t->attr, "axis=%d", an_axis(t));
}

static void make_logsumexp(text *t)
{
    shape(t, 1);
    input(t, "");
    add(t->attr, "axes=%d", an_axis(t));
}

static void make_position(text *t)
{
    shape(t, 1);
    int axis = an_axis(t);
    t->dim[axis] += t->dim[axis] == 0;
    any_type(t);
    add(t->attr, "axis=%d", axis);
}

static void labels(text *t)
{
    t->rank = 2;
    t->dim[1] = 1 + size(3000);
    t->dim[0] = 1 + size(MOST / t->dim[1]);
    input(t, "");
    add(t->in, " %lldi%lld", (long long)t->dim[0], (long long)t->dim[1]);
    if (coin())
        add(t->attr, "smoothing=0.25 ");
    if (coin())
        add(t->attr, "ignoring=1 ignore=%lld", (long long)below(3));
}

static void make_xent(text *t)
{
    labels(t);
    if (coin())
        add(t->in, " %lld", (long long)t->dim[1]);
}

static void make_xent_grad(text *t)
{
    labels(t);
    add(t->in, " %lld s s", (long long)t->dim[0]);
    if (coin())
        add(t->in, " %lld", (long long)t->dim[1]);
}

static void make_dropout(text *t)
{
    shape(t, 1);
    input(t, "");
    add(t->in, " si1000000");
    add(t->attr, "rate=0.%d stream=%d", 1 + (int)below(9), (int)below(5));
}

static void make_random(text *t)
{
    shape(t, 1);
    add(t->in, "si1000000");
    add(t->attr, "dtype=%s stream=3 shape=", coin() ? "f32" : "f64");
    add_dims(t->attr, t->rank, t->dim, ",");
}

static void make_uniform(text *t)
{
    make_random(t);
    add(t->attr, " low=-2 high=5");
}

static void make_normal(text *t)
{
    make_random(t);
    add(t->attr, " mean=0.5 deviation=3");
}

static void make_binary(text *t)
{
    text other;
    shape(t, 2);
    other = *t;
    for (int d = 0; d < t->rank; d++)
        if (below(3) == 0)
            *(coin() ? &t->dim[d] : &other.dim[d]) = 1;
    input(t, "");
    add(t->in, " ");
    add_dims(t->in, t->rank, other.dim, "x");
}

static const struct maker {
    const char *op;
    void (*make)(text *t);
    const char *fill;
} makers[] = {{"transpose", make_transpose},
              {"broadcast_to", make_broadcast_to},
              {"slice", make_slice},
              {"concat", make_concat},
              {"pad", make_pad},
              {"gather", make_gather},
              {"scatter_add", make_scatter_add},
              {"one_hot", make_one_hot},
              {"cast", make_cast},
              {"sum", make_reduction},
              {"prod", make_prod},
              {"max", make_reduction},
              {"min", make_reduction},
              {"softmax", make_row},
              {"log_softmax", make_row},
              {"logsumexp", make_logsumexp},
              {"argmax", make_position},
              {"argmin", make_position},
              {"softmax_xent", make_xent, "positive"},
              {"softmax_xent_grad", make_xent_grad, "positive"},
              {"dropout", make_dropout},
              {"random_uniform", make_uniform},
              {"random_normal", make_normal},
              {"add", make_binary},
              {"maximum", make_binary}};

/* ---- running them */

static void kernel_case(rows_row *r, const rows_way *like, const cpu_kernel *k, const rows_values *judge, bool many)
{
    static const int threads[] = {1, 3, 2, 8};
    rows_values first = {0}, v;
    for (size_t i = 0; i < COUNT(isas); i++)
        for (size_t j = 0; j < COUNT(threads) && cpu_isa_find(isas[i]); j++) {
            rows_way w = *like;
            if (j > 0 && (cpu_isa_find(isas[i]) != cpu_isa_find(NULL) || (j > 1 && !many)))
                continue;
            w.isa = isas[i];
            w.threads = threads[j];
            w.kernel = k;
            w.without = "simplify,cse,precision,recompute,fuse,fold";
            if (rows_run(r, &w, &v) != NILU_OK) {
                rows_complain(r, &w, "%s (in \"%s\" attr \"%s\")", v.message, r->c->in, r->c->attr);
            } else if (!rows_same(r, &w, "kernel against reference", &v, judge, false) ||
                       (first.n && !rows_same(r, &w, "the same bits everywhere", &v, &first, true))) {
                print_error("  in \"%s\" attr \"%s\"\n", r->c->in, r->c->attr);
            } else if (!first.n) {
                first = v;
                continue;
            }
            rows_free(&v);
        }
    rows_free(&first);
}

static void random_cases(void **state)
{
    const struct maker *m = *state;
    rows_row r = {.op = graph_op(m->op)};
    drawn = base_hash_text(m->op) % 1000000;
    for (int n = 0; n < CASES; n++) {
        text t = {0};
        rows_values judge;
        rows_way w = {.real = reals[below((int64_t)COUNT(reals))],
                      .whole = coin() ? NILU_I32 : NILU_I64,
                      .threads = 1,
                      .reference = true};
        m->make(&t);
        nilu_case c = {.what = "random", .in = t.in, .attr = t.attr, .fill = m->fill};
        r.c = &c;
        if (rows_run(&r, &w, &judge) != NILU_OK)
            fail_msg("%s: in \"%s\" attr \"%s\": %s", m->op, t.in, t.attr, judge.message);
        for (int k = 0; k < judge.n; k++) /* rows.c knows the largest input of its own judge alone */
            judge.operand = 1;
        w.reference = false;
        const cpu_kernel *k;
        for (size_t i = 0; (k = cpu_kernel_at(i)); i++) {
            nilu *nl = rows_context(NULL, 1);
            graph_case made;
            bool ours = strcmp(k->op, m->op) == 0 || (r.op->elementwise && strcmp(k->op, "elementwise") == 0);
            assert_ok(nl, graph_case_new(nl, r.op, &c, w.real, w.whole, 0, &made));
            bool accepted = ours && !k->accepts(made.out->node, cpu_isa_find(NULL));
            graph_case_free(&made);
            nilu_free(nl);
            kernels_run += accepted;
            if (accepted)
                kernel_case(&r, &w, k, &judge, n == 0);
        }
        rows_free(&judge);
    }
    assert_true(kernels_run >= CASES / 2); /* bf16 has not all of them */
    kernels_run = 0;
    if (r.failures)
        fail_msg("%s: %d complaints with seed %llu", m->op, r.failures, (unsigned long long)seed);
}

/* ---- what rows cannot say */

static void draws_are_base_uniform(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(isas); i++) {
        const cpu_isa *isa = cpu_isa_find(isas[i]);
        double got[1000];
        base_key key = {0x123456789abcdefu, 0xfedcba9876543210u};
        static const uint64_t firsts[] = {0, 64, (uint64_t)1 << 34, ((uint64_t)1 << 34) - 64,
                                          ((uint64_t)1 << 40) - 1024};
        for (size_t f = 0; isa && f < COUNT(firsts); f++) {
            isa->random->uniform(key, firsts[f], got, 1000);
            for (int j = 0; j < 1000; j++)
                assert_true(got[j] == (double)base_uniform(key, firsts[f] + (uint64_t)j));
            isa->random->normal(key, firsts[f], got, 999);
            for (int j = 0; j < 999; j++)
                assert_near(got[j], base_normal(key, firsts[f] + (uint64_t)j), 1e-13);
        }
    }
}

/* Every length of a block, of numbers whose sums and products are exact. */
static void lanes_of_every_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(isas); i++)
        for (int n = 0; n <= CPU_BLOCK && cpu_isa_find(isas[i]); n++)
            for (int fold = 0; fold < CPU_FOLDS; fold++) {
                const cpu_numbers_table *t = cpu_isa_find(isas[i])->numbers;
                double start = fold == CPU_SUM ? 0 : fold == CPU_PROD ? 1 : fold == CPU_MAX ? -1e9 : 1e9;
                double v[CPU_BLOCK], lane[16], want = start, run;
                for (int k = 0; k < 16; k++)
                    lane[k] = start;
                for (int k = 0; k < n; k++) {
                    v[k] = fold == CPU_PROD ? (k * 7 % 3 ? 1 : -2) : (k * 37 + n) % 101 - 50;
                    t->fold[fold](&want, &v[k], 1);
                }
                t->runs[fold](&run, start, v, 1, n);
                t->lanes[fold](lane, v, n);
                if (!(t->across[fold](lane) == want && run == want))
                    fail_msg("%s: fold %d of %d numbers is wrong", isas[i], fold, n);
            }
}

static void logarithms(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        double u = base_uniform53((base_key){seed, 9}, (uint64_t)i),
               x = i % 2 ? 1 + (u - 0.5) * 1e-3 : exp(1400 * (u - 0.5));
        double want = log(x), got = cpu_log(x);
        if (!(fabs(got - want) <= 4.5e-16 * fabs(want)))
            fail_msg("log %.17g is %.17g, not %.17g", x, got, want);
    }
    assert_true(cpu_log(NAN) != cpu_log(NAN));
    assert_true(cpu_log(1) == 0);
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[COUNT(makers) + 3];
    size_t n = 0;
    if (argc > 1)
        seed = strtoull(argv[1], NULL, 10);
    for (; n < COUNT(makers); n++)
        tests[n] = (struct CMUnitTest){makers[n].op, random_cases, NULL, NULL, (void *)&makers[n]};
    tests[n++] = (struct CMUnitTest){"draws_are_base_uniform", draws_are_base_uniform, NULL, NULL, NULL};
    tests[n++] = (struct CMUnitTest){"lanes_of_every_length", lanes_of_every_length, NULL, NULL, NULL};
    tests[n++] = (struct CMUnitTest){"logarithms", logarithms, NULL, NULL, NULL};
    return _cmocka_run_group_tests("cpu", tests, n, NULL, NULL);
}
