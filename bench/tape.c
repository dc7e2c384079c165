/* Tapes beside loops that were fused by hand for AVX-512: updates, activations and their ways back, sums, for working sets
 * of the second- and third-level caches and of memory. GB/s of what must be read and written, and the ratio; one line each:
 *     bench_tape [threads [text that the name contains]]                                                              */
#include "nilu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#define WIDE __attribute__((target("avx512f,avx512dq,fma"), noinline))
#endif

typedef nilu_tensor *T;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- loops by hand, over arrays x[0], x[1], …; n numbers, in rows of `columns` */

typedef void (*loop)(float **x, long n, long columns);

#if defined(__x86_64__)
#define SET(a) _mm512_set1_ps(a)
#define LOAD(k) _mm512_loadu_ps(x[k] + i)
#define STORE(k, v) _mm512_storeu_ps(x[k] + i, v)
#define ADD _mm512_add_ps
#define SUB _mm512_sub_ps
#define MUL _mm512_mul_ps

WIDE static void adam(float **x, long n, long columns)
{
    (void)columns;
    const __m512 b1 = SET(0.1f), b2 = SET(0.001f), k = SET(0.9f), eps = SET(1e-8f), rate = SET(0.001f);
    for (long i = 0; i < n; i += 16) {
        const __m512 w = LOAD(0), m = LOAD(1), v = LOAD(2), g = LOAD(3);
        const __m512 m1 = ADD(m, MUL(SUB(g, m), b1)), v1 = ADD(v, MUL(SUB(MUL(g, g), v), b2));
        STORE(1, m1);
        STORE(2, v1);
        STORE(0, SUB(w, MUL(_mm512_div_ps(m1, ADD(MUL(_mm512_sqrt_ps(v1), k), eps)), rate)));
    }
}

WIDE static void adamw(float **x, long n, long columns)
{
    (void)columns;
    const __m512 b1 = SET(0.1f), b2 = SET(0.001f), k = SET(0.9f), eps = SET(1e-8f), rate = SET(0.001f),
                 keep = SET(0.99f);
    for (long i = 0; i < n; i += 16) {
        const __m512 w = LOAD(0), m = LOAD(1), v = LOAD(2), g = LOAD(3);
        const __m512 m1 = ADD(m, MUL(SUB(g, m), b1)), v1 = ADD(v, MUL(SUB(MUL(g, g), v), b2));
        STORE(1, m1);
        STORE(2, v1);
        STORE(0, SUB(MUL(w, keep), MUL(_mm512_div_ps(m1, ADD(MUL(_mm512_sqrt_ps(v1), k), eps)), rate)));
    }
}

WIDE static void momentum(float **x, long n, long columns)
{
    (void)columns;
    const __m512 mu = SET(0.9f), rate = SET(0.001f);
    for (long i = 0; i < n; i += 16) {
        const __m512 w = LOAD(0), v = LOAD(1), g = LOAD(2), v1 = ADD(MUL(v, mu), g);
        STORE(1, v1);
        STORE(0, SUB(w, MUL(v1, rate)));
    }
}

WIDE static void sgd(float **x, long n, long columns)
{
    (void)columns;
    const __m512 rate = SET(0.001f);
    for (long i = 0; i < n; i += 16)
        STORE(0, SUB(LOAD(0), MUL(LOAD(1), rate)));
}

WIDE static void bias_relu(float **x, long n, long columns)
{
    for (long r = 0; r < n; r += columns)
        for (long c = 0; c < columns; c += 16) {
            const long i = r + c;
            STORE(2, _mm512_max_ps(ADD(LOAD(0), _mm512_loadu_ps(x[1] + c)), SET(0)));
        }
}

/* the way back of relu, with the bias's gradient: sums down the columns, sixteen rows at a time */
WIDE static void relu_back(float **x, long n, long columns)
{
    memset(x[3], 0, (size_t)columns * sizeof(float));
    for (long r = 0; r < n; r += columns)
        for (long c = 0; c < columns; c += 16) {
            const long i = r + c;
            const __m512 d = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(LOAD(1), SET(0), _CMP_GT_OQ), LOAD(0));
            STORE(2, d);
            _mm512_storeu_ps(x[3] + c, ADD(_mm512_loadu_ps(x[3] + c), d));
        }
}

WIDE static void tanh_back(float **x, long n, long columns)
{
    (void)columns;
    for (long i = 0; i < n; i += 16) {
        const __m512 z = LOAD(1);
        STORE(2, MUL(LOAD(0), SUB(SET(1), MUL(z, z))));
    }
}

WIDE static void norm(float **x, long n, long columns)
{
    (void)columns;
    __m512 s[4] = {SET(0), SET(0), SET(0), SET(0)};
    for (long k = 0; k < n; k += 64)
        for (int j = 0; j < 4; j++) {
            const long i = k + 16 * j;
            s[j] = _mm512_fmadd_ps(LOAD(0), LOAD(0), s[j]);
        }
    x[1][0] = _mm512_reduce_add_ps(ADD(ADD(s[0], s[1]), ADD(s[2], s[3])));
}
#define BY_HAND(f) f
#else
#define BY_HAND(f) NULL
#endif

/* ---- the same as graphs */

typedef struct net {
    nilu_graph *g;
    nilu_shape shape;
    int nfeed, nfetch;
    T feed[4], fetch[4];
} net;

static T fed(net *b, const char *name, nilu_shape shape)
{
    return b->feed[b->nfeed++] = nilu_input(b->g, name, NILU_F32, shape);
}

static T held(net *b, const char *name)
{
    return nilu_state(b->g, name, NILU_F32, b->shape, 0.25);
}

static T number(net *b, float v) /* not known beforehand, as a rate is not */
{
    char name[32];
    snprintf(name, sizeof name, "number%g", (double)v);
    return nilu_state(b->g, name, NILU_F32, NILU_SCALAR, v);
}

static void average(T old, T fresh, double share, T *out)
{
    *out = nilu_add(old, nilu_scale(nilu_sub(fresh, old), share));
    nilu_assign(old, *out);
}

static void g_adam_with(net *b, bool decay)
{
    T w = held(b, "w"), m = held(b, "m"), v = held(b, "v"), g = fed(b, "g", b->shape), m1, v1;
    average(m, g, 0.1, &m1);
    average(v, nilu_square(g), 0.001, &v1);
    T change = nilu_mul(nilu_div(m1, nilu_shift(nilu_mul(nilu_sqrt(v1), number(b, 0.9f)), 1e-8)), number(b, 0.001f));
    nilu_assign(w, nilu_sub(decay ? nilu_mul(w, number(b, 0.99f)) : w, change));
}

static void g_adam(net *b)
{
    g_adam_with(b, false);
}

static void g_adamw(net *b)
{
    g_adam_with(b, true);
}

static void g_momentum(net *b)
{
    T w = held(b, "w"), v = held(b, "v"), g = fed(b, "g", b->shape), v1 = nilu_add(nilu_scale(v, 0.9), g);
    nilu_assign(v, v1);
    nilu_assign(w, nilu_sub(w, nilu_mul(v1, number(b, 0.001f))));
}

static void g_sgd(net *b)
{
    T w = held(b, "w");
    nilu_assign(w, nilu_sub(w, nilu_mul(fed(b, "g", b->shape), number(b, 0.001f))));
}

static nilu_shape row_of(const net *b)
{
    return NILU_SHAPE(b->shape.dim[1]);
}

static void g_bias_relu(net *b)
{
    b->fetch[b->nfetch++] = nilu_relu(nilu_add(fed(b, "x", b->shape), fed(b, "b", row_of(b))));
}

static void g_bias_gelu(net *b)
{
    b->fetch[b->nfetch++] = nilu_gelu(nilu_add(fed(b, "x", b->shape), fed(b, "b", row_of(b))));
}

static void g_tanh(net *b)
{
    b->fetch[b->nfetch++] = nilu_tanh(fed(b, "x", b->shape));
}

static void g_sigmoid(net *b)
{
    b->fetch[b->nfetch++] = nilu_sigmoid(fed(b, "x", b->shape));
}

static void g_exp(net *b)
{
    b->fetch[b->nfetch++] = nilu_exp(fed(b, "x", b->shape));
}

static void g_relu_back(net *b)
{
    T d = nilu_mul(fed(b, "d", b->shape), nilu_heaviside(fed(b, "z", b->shape)));
    b->fetch[b->nfetch++] = d;
    b->fetch[b->nfetch++] = nilu_sum(d, NILU_AXES(0), false);
}

static void g_tanh_back(net *b)
{
    T z = fed(b, "z", b->shape);
    b->fetch[b->nfetch++] = nilu_mul(fed(b, "d", b->shape), nilu_shift(nilu_neg(nilu_square(z)), 1));
}

static void g_norm(net *b)
{
    b->fetch[b->nfetch++] = nilu_sum(nilu_square(fed(b, "g", b->shape)), NILU_ALL, false);
}

typedef struct row {
    const char *name;
    void (*build)(net *b);
    loop by_hand; /* NULL: none */
    int arrays;   /* that are read or written once each, for GB/s */
    int kept;     /* different arrays, for the working set */

} row;

static const row rows[] = {{"adam", g_adam, BY_HAND(adam), 7, 4},
                           {"adamw", g_adamw, BY_HAND(adamw), 7, 4},
                           {"momentum", g_momentum, BY_HAND(momentum), 5, 3},
                           {"sgd", g_sgd, BY_HAND(sgd), 3, 2},
                           {"bias + relu", g_bias_relu, BY_HAND(bias_relu), 2, 2},
                           {"relu back + sums", g_relu_back, BY_HAND(relu_back), 3, 3},
                           {"tanh back", g_tanh_back, BY_HAND(tanh_back), 3, 3},
                           {"square, sum", g_norm, BY_HAND(norm), 1, 1},
                           {"exp", g_exp, NULL, 2, 2},
                           {"tanh", g_tanh, NULL, 2, 2},
                           {"sigmoid", g_sigmoid, NULL, 2, 2},
                           {"bias + gelu", g_bias_gelu, NULL, 2, 2}};

enum { ROUNDS = 41, BEST = 4, COLUMNS = 512 }; /* the time of a tenth of the rounds: others may use the machine, too */

static double seconds(void (*call)(void *), void *user)
{
    double t = now();
    long times = 1;
    call(user);
    for (;;) {
        t = now();
        for (long i = 0; i < times; i++)
            call(user);
        t = now() - t;
        if (t > 0.0005)
            return t / (double)times;
        times *= 4;
    }
}

static void step(void *user)
{
    if (nilu_step(user) != NILU_OK)
        exit(1);
}

typedef struct by_hand {
    loop run;
    float *x[4];
    long n;
} by_hand;

static void run_by_hand(void *user)
{
    const by_hand *h = user;
    float *x[4];
    memcpy(x, h->x, sizeof x);
    h->run(x, h->n, COLUMNS);
}

static void measure(const row *r, const char *where, double bytes, int threads)
{
    nilu_options o = NILU_OPTIONS_DEFAULT;
    o.threads = threads;
    nilu *nl = nilu_new(&o, NULL);
    net b = {.g = nilu_graph_new(nl)};
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan = NULL;
    long lines = (long)(bytes / r->kept / 4 / COLUMNS);
    b.shape = NILU_SHAPE(lines, COLUMNS);
    r->build(&b);
    if (nilu_compile(b.g, store, b.nfetch, b.fetch, NULL, &plan) != NILU_OK) {
        fprintf(stderr, "%s\n", nilu_errmsg(nl));
        exit(1);
    }
    by_hand h = {.run = r->by_hand, .n = lines * COLUMNS};
    for (int k = 0; k < 4; k++) {
        h.x[k] = aligned_alloc(64, (size_t)h.n * 4);
        for (long i = 0; i < h.n; i++)
            h.x[k][i] = (float)((i * 7 + k) % 13) * 0.1f - 0.3f * (float)(k != 2);
    }
    for (int k = 0; k < b.nfeed; k++) {
        const nilu_shape shape = nilu_tensor_shape(b.feed[k]);
        const size_t fill = (size_t)shape.dim[0] * (size_t)(shape.rank > 1 ? shape.dim[1] : 1) * 4;
        if (nilu_feed(plan, nilu_tensor_name(b.feed[k]), h.x[3 - k], fill) != NILU_OK)
            exit(1);
    }
    double mine[ROUNDS], hand[ROUNDS], moved = (double)r->arrays * (double)h.n * 4;
    for (int i = 0; i < ROUNDS; i++) {
        mine[i] = seconds(step, plan);
        hand[i] = h.run ? seconds(run_by_hand, &h) : 0;
    }
    qsort(mine, ROUNDS, sizeof *mine, by_size);
    qsort(hand, ROUNDS, sizeof *hand, by_size);
    printf("%-18s | %-6s | %7.1f GB/s | %6.3f ns a number", r->name, where, moved / mine[BEST] * 1e-9,
           mine[BEST] / (double)h.n * 1e9);
    if (h.run)
        printf(" | by hand %7.1f GB/s | %5.1f %%", moved / hand[BEST] * 1e-9, 100 * hand[BEST] / mine[BEST]);
    printf("\n");
    for (int k = 0; k < 4; k++)
        free(h.x[k]);
    nilu_plan_free(plan);
    nilu_graph_free(b.g);
    nilu_store_free(store);
    nilu_free(nl);
}

int main(int argc, char **argv)
{
    const int threads = argc > 1 ? atoi(argv[1]) : 1;
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040); /* as nilu does */
#endif
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (argc > 2 && !strstr(rows[i].name, argv[2]))
            continue;
        measure(&rows[i], "L2", 400e3, threads);
        measure(&rows[i], "L3", 8e6, threads);
        measure(&rows[i], "memory", 160e6, threads);
    }
}
