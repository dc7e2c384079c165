/* Tapes: random chains over random loops, broadcast every way, with sums over random axes, alone and behind products. Each
 * is run by the reference, fused, and op by op. Values must be near the reference's, and what is stored the same bits fused
 * or not; everything the same bits on every instruction set and for any number of threads; and again with each output in
 * the place of each input where the kernel allows it. */
#include "support/support.h"

#include "run/run.h"

#define MAX_ENDS 4
#define MAX_INPUTS 6

typedef struct numbers {
    uint64_t state;
} numbers;

static uint64_t draw(numbers *r, uint64_t below)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (r->state >> 33) % below;
}

static float real(numbers *r)
{
    return (float)((double)draw(r, 1 << 24) / (1 << 22) - 2.0);
}

static const int lengths[] = {1, 1, 2, 3, 5, 7, 10, 16, 17, 31, 33, 64, 100, 129, 257, 300, 1000};

static nilu_shape random_loop(numbers *r, int rank, int64_t most)
{
    nilu_shape s;
    do {
        s = NILU_SCALAR;
        for (int d = 0; d < rank; d++)
            s.dim[s.rank++] = lengths[draw(r, COUNT(lengths))];
    } while (base_count(s) > most);
    return s;
}

/* A shape that broadcasts to the loop: axes of length 1, leading axes left out. */
static nilu_shape random_part(numbers *r, nilu_shape loop)
{
    nilu_shape s = NILU_SCALAR;
    const int kind = (int)draw(r, 6), from = kind < 3 || !loop.rank ? 0 : (int)draw(r, (uint64_t)loop.rank + 1);
    for (int d = from; d < loop.rank; d++)
        s.dim[s.rank++] = kind == 0 || draw(r, 3) ? loop.dim[d] : 1;
    return s;
}

/* ---- a random graph */

typedef struct scene {
    nilu *nl;
    nilu_graph *g;
    nilu_store *store;
    int ninput, nend;
    nilu_tensor *input[MAX_INPUTS], *end[MAX_ENDS],
        *size[MAX_ENDS]; /* size: the sum of what is summed, without signs */
    void *data[MAX_INPUTS];
    size_t bytes[MAX_INPUTS];
    bool product;
} scene;

typedef nilu_tensor *T;

static T smooth(numbers *r, T x)
{
    switch (draw(r, 34)) {
    case 0:
        return nilu_neg(x);
    case 1:
        return nilu_abs(x);
    case 2:
        return nilu_square(nilu_tanh(x));
    case 3:
        return nilu_sqrt(nilu_shift(nilu_abs(x), 0.1));
    case 4:
        return nilu_rsqrt(nilu_shift(nilu_abs(x), 0.5));
    case 5:
        return nilu_reciprocal(nilu_shift(nilu_square(x), 1));
    case 6:
        return nilu_scale(x, 0.75);
    case 7:
        return nilu_shift(x, -0.25);
    case 8:
        return nilu_clamp(x, -1, 1.5);
    case 9:
        return nilu_exp(nilu_clamp(x, -5, 2));
    case 10:
        return nilu_expm1(nilu_clamp(x, -5, 2));
    case 11:
        return nilu_log(nilu_shift(nilu_abs(x), 0.5));
    case 12:
        return nilu_log1p(nilu_abs(x));
    case 13:
        return nilu_sin(x);
    case 14:
        return nilu_cos(x);
    case 15:
        return nilu_tanh(x);
    case 16:
        return nilu_erf(x);
    case 17:
        return nilu_sigmoid(x);
    case 18:
        return nilu_relu(x);
    case 19:
        return nilu_leaky_relu(x, 0.125);
    case 20:
        return nilu_elu(x, 1.25);
    case 21:
        return nilu_selu(x);
    case 22:
        return nilu_gelu(x);
    case 23:
        return nilu_gelu_tanh(x);
    case 24:
        return nilu_silu(x);
    case 25:
        return nilu_softplus(x);
    case 26:
        return nilu_softsign(x);
    case 27:
        return nilu_mish(x);
    case 28:
        return nilu_hard_sigmoid(x);
    case 29:
        return nilu_hard_swish(x);
    case 30:
        return nilu_shift(nilu_neg(nilu_square(nilu_tanh(x))), 1);
    case 31:
        return nilu_exp(nilu_scale(nilu_square(x), -0.5));
    case 32:
        return nilu_erf(nilu_scale(x, 0.7));
    default:
        return nilu_scale(nilu_shift(x, 1), 0.5);
    }
}

static T calm(T x) /* chains would grow */
{
    return nilu_clamp(x, -4, 4);
}

static T joined(numbers *r, T a, T b, T c)
{
    switch (draw(r, 18)) {
    case 0:
        return calm(nilu_add(a, b));
    case 1:
        return calm(nilu_sub(a, b));
    case 2:
        return calm(nilu_mul(a, b));
    case 3:
        return nilu_div(a, nilu_shift(nilu_abs(b), 1));
    case 4:
        return nilu_maximum(a, b);
    case 5:
        return nilu_minimum(a, b);
    case 6:
        return nilu_pow(nilu_shift(nilu_abs(a), 0.5), nilu_clamp(b, -2, 2));
    case 7:
        return calm(nilu_add(a, nilu_mul(b, c)));
    case 8:
        return calm(nilu_sub(a, nilu_mul(b, c)));
    case 9:
        return nilu_add(a, nilu_scale(nilu_sub(b, a), 0.1));
    case 10:
        return nilu_add(a, nilu_scale(nilu_sub(nilu_square(b), a), 0.001));
    case 11:
        return calm(
            nilu_sub(a, nilu_mul(nilu_div(b, nilu_shift(nilu_mul(nilu_sqrt(nilu_shift(nilu_abs(c), 0.1)), b), 9)), c)));
    case 12:
        return calm(nilu_mul(nilu_sub(a, b), c));
    case 13:
        return calm(nilu_add(nilu_scale(a, 0.9), b));
    case 14:
        return nilu_relu(nilu_add(a, b));
    case 15:
        return nilu_tanh(nilu_add(b, a));
    case 16:
        return calm(nilu_mul(a, nilu_shift(nilu_neg(nilu_square(b)), 1)));
    default:
        return calm(nilu_mul(a, nilu_mul(b, nilu_shift(nilu_neg(b), 1))));
    }
}

/* An answer, from inputs alone: they are the same numbers in every arithmetic. */
static T answer(numbers *r, T a, T b)
{
    switch (draw(r, 6)) {
    case 0:
        return nilu_eq(a, b);
    case 1:
        return nilu_ne(a, b);
    case 2:
        return nilu_lt(a, b);
    case 3:
        return nilu_le(a, b);
    case 4:
        return nilu_gt(a, b);
    default:
        return nilu_ge(a, b);
    }
}

static T chosen(numbers *r, T question, T other, T a, T b)
{
    switch (draw(r, 7)) {
    case 0:
        return nilu_where(question, a, b);
    case 1:
        return nilu_where(nilu_logical_not(question), b, a);
    case 2:
        return nilu_where(nilu_logical_and(question, other), a, b);
    case 3:
        return nilu_where(nilu_logical_or(question, other), a, b);
    case 4:
        return nilu_where(nilu_logical_xor(question, other), a, b);
    case 5:
        return nilu_mul(a, nilu_cast(question, NILU_F32));
    default:
        return nilu_add(nilu_cast(other, NILU_F32), b);
    }
}

static T new_input(scene *s, numbers *r, nilu_shape shape, bool truth)
{
    char name[16];
    const int i = s->ninput++;
    const int64_t n = base_count(shape);
    snprintf(name, sizeof name, "x%d", i);
    s->bytes[i] = (size_t)n * (truth ? 1 : sizeof(float));
    s->data[i] = malloc(s->bytes[i] + 1);
    for (int64_t k = 0; k < n; k++)
        if (truth)
            ((unsigned char *)s->data[i])[k] = draw(r, 2);
        else
            ((float *)s->data[i])[k] = draw(r, 9) ? real(r) : (float)draw(r, 3) - 1; /* some are equal */
    return s->input[i] = nilu_input(s->g, name, truth ? NILU_BOOL : NILU_F32, shape);
}

static nilu_axes random_axes(numbers *r, int rank)
{
    nilu_axes a = {0};
    while (rank && !a.n)
        for (int d = a.n = 0; d < rank; d++)
            if (draw(r, 2))
                a.at[a.n++] = d;
    return a;
}

static void build(scene *s, uint64_t seed, bool product, int threads, const char *isa)
{
    numbers r = {seed * 2654435761u + 12345};
    nilu_options o = NILU_OPTIONS_DEFAULT;
    o.threads = threads;
    o.isa = isa;
    *s = (scene){.nl = nilu_new(&o, NULL), .product = product};
    s->g = nilu_graph_new(s->nl);
    s->store = nilu_store_new(s->nl);
    const nilu_shape loop = random_loop(&r, product ? 2 : (int)draw(&r, 5), product ? 40000 : 150000);
    T pool[64], raw[2], question[2];
    int n = 0;
    if (product) {
        const int64_t k = lengths[draw(&r, 9)];
        T a = new_input(s, &r, NILU_SHAPE(loop.dim[0], k), false),
          b = new_input(s, &r, NILU_SHAPE(k, loop.dim[1]), false);
        pool[n++] = nilu_matmul(a, b);
        pool[n] = calm(pool[0]);
        n++;
    }
    raw[0] = pool[n++] = new_input(s, &r, loop, false);
    raw[1] = pool[n++] = new_input(s, &r, random_part(&r, loop), false);
    pool[n++] = new_input(s, &r, random_part(&r, loop), false);
    question[0] = new_input(s, &r, random_part(&r, loop), true);
    question[1] = answer(&r, raw[0], raw[1]);
    const int steps = 1 + (int)draw(&r, 12);
    for (int i = 0; i < steps; i++) {
        T a = pool[draw(&r, (uint64_t)n)], b = pool[draw(&r, (uint64_t)n)], c = pool[draw(&r, (uint64_t)n)];
        const uint64_t kind = draw(&r, 8);
        pool[n++] = kind < 3   ? smooth(&r, a)
                    : kind < 7 ? joined(&r, a, b, c)
                               : chosen(&r, question[draw(&r, 2)], question[1], a, b);
    }
    const int ends = 1 + (int)draw(&r, 3);
    for (int i = 0; i < ends; i++) {
        T v = nilu_add(pool[i ? n - 1 - (int)draw(&r, (uint64_t)(n < 6 ? n : 6)) : n - 1], nilu_scale(raw[0], 0.01));
        if (product && i == 0)
            v = nilu_add(v, nilu_scale(pool[0], 0.125));
        s->size[s->nend] = NULL;
        if (draw(&r, 2) && loop.rank) {
            const nilu_axes axes = random_axes(&r, loop.rank);
            const bool keep = draw(&r, 2);
            s->size[s->nend] = nilu_sum(nilu_abs(v), axes, keep);
            v = nilu_sum(v, axes, keep);
        }
        s->end[s->nend++] = v;
    }
    if (draw(&r, 4) == 0) {
        s->size[s->nend] = NULL;
        s->end[s->nend++] = question[1];
    }
}

static void tear_down(scene *s)
{
    for (int i = 0; i < s->ninput; i++)
        free(s->data[i]);
    nilu_graph_free(s->g);
    nilu_store_free(s->store);
    nilu_free(s->nl);
}

/* The results of a step, one after the other. */
typedef struct result {
    int64_t n[2 * MAX_ENDS];
    nilu_dtype dtype[2 * MAX_ENDS];
    void *data[2 * MAX_ENDS];
    int count;
} result;

static void take(const nilu_plan *plan, int count, result *out)
{
    out->count = count;
    for (int i = 0; i < count; i++) {
        out->n[i] = base_count(nilu_fetched_shape(plan, i));
        out->dtype[i] = nilu_fetched_dtype(plan, i);
        const size_t bytes = (size_t)out->n[i] * nilu_dtype_size(out->dtype[i]);
        out->data[i] = malloc(bytes + 1);
        memcpy(out->data[i], nilu_fetched(plan, i), bytes);
    }
}

static void drop(result *r)
{
    for (int i = 0; i < r->count; i++)
        free(r->data[i]);
}

static nilu_plan *compiled(scene *s, bool reference, const char *without, bool sizes)
{
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    nilu_plan *plan = NULL;
    nilu_tensor *fetch[2 * MAX_ENDS];
    int n = 0;
    o.reference = reference;
    o.without = without;
    for (int i = 0; i < s->nend; i++)
        fetch[n++] = s->end[i];
    for (int i = 0; i < s->nend && sizes; i++)
        fetch[n++] = s->size[i] ? s->size[i] : s->end[i];
    assert_ok(s->nl, nilu_compile(s->g, s->store, n, fetch, &o, &plan));
    for (int i = 0; i < s->ninput; i++)
        for (int f = 0; f < plan->nfeed; f++)
            if (strcmp(plan->feed[f].node->name, nilu_tensor_name(s->input[i])) == 0)
                assert_ok(s->nl, nilu_feed(plan, nilu_tensor_name(s->input[i]), s->data[i], s->bytes[i]));
    assert_ok(s->nl, nilu_step(plan));
    return plan;
}

static void run(scene *s, bool reference, const char *without, result *out)
{
    nilu_plan *plan = compiled(s, reference, without, reference);
    take(plan, s->nend * (reference ? 2 : 1), out);
    nilu_plan_free(plan);
}

static void say(scene *s, uint64_t seed, const char *what, int end, int64_t i, double got, double want)
{
    nilu_plan *plan = compiled(s, false, NULL, false);
    char *text = nilu_plan_text(plan);
    fail_msg("seed %llu, %s: end %d, element %lld is %.9g, not %.9g\n%s", (unsigned long long)seed, what, end,
             (long long)i, got, want, text);
}

static void near_reference(scene *s, uint64_t seed, const result *got, const result *want)
{
    for (int e = 0; e < got->count; e++)
        for (int64_t i = 0; i < got->n[e]; i++) {
            const double g = base_load(got->dtype[e], got->data[e], i), w = base_load(want->dtype[e], want->data[e], i);
            const double size = s->size[e] ? base_load(NILU_F32, want->data[e + got->count], i) : fabs(w);
            if (!(fabs(g - w) <= 5e-5 * (size + 1)))
                say(s, seed, "against the reference", e, i, g, w);
        }
}

static void same_bits(scene *s, uint64_t seed, const char *what, const result *got, const result *want, bool sums)
{
    for (int e = 0; e < got->count; e++)
        for (int64_t i = 0; i < got->n[e] && (sums || !s->size[e]); i++) {
            const size_t size = nilu_dtype_size(got->dtype[e]), at = size * (size_t)i;
            if (memcmp((char *)got->data[e] + at, (char *)want->data[e] + at, size) != 0)
                say(s, seed, what, e, i, base_load(got->dtype[e], got->data[e], i),
                    base_load(want->dtype[e], want->data[e], i));
        }
}

/* ---- the tests */

static uint64_t cases(void)
{
    const char *more = getenv("NILU_CASES");
    return more ? (uint64_t)atoll(more) : 300;
}

static void against_the_reference(bool product)
{
    for (uint64_t seed = 1; seed <= cases(); seed++) {
        scene s;
        result fused, alone, reference;
        build(&s, seed, product, 1, getenv("NILU_ISA"));
        run(&s, true, NULL, &reference);
        run(&s, false, NULL, &fused);
        near_reference(&s, seed, &fused, &reference);
        run(&s, false, "fuse", &alone);
        near_reference(&s, seed, &alone, &reference);
        same_bits(&s, seed, "fused against op by op", &fused, &alone, false);
        drop(&fused);
        drop(&alone);
        drop(&reference);
        tear_down(&s);
    }
}

static void tapes_against_the_reference(void **state)
{
    (void)state;
    against_the_reference(false);
}

static void products_against_the_reference(void **state)
{
    (void)state;
    against_the_reference(true);
}

static void bits_everywhere(void **state)
{
    (void)state;
    static const int threads[] = {2, 3, 8};
    static const char *const isas[] = {"portable", "avx2", "avx512", "neon"};
    for (uint64_t seed = 1; seed <= cases() / 2; seed++)
        for (int product = 0; product < 2; product++) {
            scene s;
            result first, other;
            build(&s, seed, product, 1, NULL);
            run(&s, false, NULL, &first);
            for (size_t i = 0; i < COUNT(threads) + COUNT(isas); i++) {
                const char *isa = i < COUNT(threads) ? NULL : isas[i - COUNT(threads)];
                scene t;
                char what[64];
                if (isa && !cpu_isa_find(isa))
                    continue;
                build(&t, seed, product, isa ? 1 : threads[i], isa);
                run(&t, false, NULL, &other);
                snprintf(what, sizeof what, isa ? "%s" : "%.0s%d threads", isa ? isa : "", isa ? 0 : threads[i]);
                same_bits(&s, seed, what, &other, &first, true);
                drop(&other);
                tear_down(&t);
            }
            drop(&first);
            tear_down(&s);
        }
}

/* The fused ops have references too, which run where no kernel takes them: each instruction of a plan is run by both. */
static void what_fused_ops_mean(void **state)
{
    (void)state;
    int sums = 0;
    for (uint64_t seed = 1; seed <= cases(); seed++) {
        scene s;
        build(&s, seed, seed % 3 == 0, 1, getenv("NILU_ISA"));
        nilu_plan *plan = compiled(&s, false, NULL, false);
        for (int i = 0; i < plan->nstep; i++) {
            const plan_step *x = &plan->step[i];
            const nilu_op *op = x->call.op;
            nilu_arg out[GRAPH_MAX_OUT];
            nilu_call c = x->call;
            const bool fused = x->kernel && (op == &rewrite_op_tape || op == &rewrite_op_product);
            const rewrite_tape *t = !fused                   ? NULL
                                    : op == &rewrite_op_tape ? ((const struct rewrite_tape_attr *)c.attr)->tape
                                                             : ((const struct rewrite_product_attr *)c.attr)->tape;
            if (fused) {
                c.scratch = malloc(op->ref_scratch(x->node) + 1);
                for (int e = 0; e < c.nout; e++) {
                    out[e] = c.out[e];
                    out[e].data = malloc((size_t)out[e].n * nilu_dtype_size(out[e].dtype) + 1);
                }
                c.out = out;
                op->ref(&c);
            }
            run_alone(plan, x);
            for (int e = 0; e < c.nout && fused; e++) {
                const double added = t->end[e].sum && out[e].n ? (double)(base_count(t->loop) / out[e].n) : 0;
                sums += t->end[e].sum;
                for (int64_t k = 0; k < out[e].n; k++) {
                    const double g = base_load(out[e].dtype, x->call.out[e].data, k),
                                 w = base_load(out[e].dtype, out[e].data, k);
                    if (!(fabs(g - w) <= 5e-5 * (fabs(w) + 2 * added + 1)))
                        say(&s, seed, "the kernel against the fused op's reference", e, k, g, w);
                }
                free(out[e].data);
            }
            if (fused)
                free(c.scratch);
        }
        nilu_plan_free(plan);
        tear_down(&s);
    }
    assert_true(sums > 50);
}

/* Runs instruction `x` with the inputs and outputs of `c`. */
static void call(const nilu_plan *p, const plan_step *x, const nilu_call *c)
{
    for (int phase = 0; phase < x->job.phases; phase++)
        x->kernel->run(c, phase, 0, x->job.tiles[phase], p->local);
}

static void outputs_in_place(void **state)
{
    (void)state;
    int places = 0;
    for (uint64_t seed = 1; seed <= cases(); seed++) {
        scene s;
        build(&s, seed, seed % 3 == 0, 1, getenv("NILU_ISA"));
        nilu_plan *plan = compiled(&s, false, NULL, false);
        for (int i = 0; i < plan->nstep; i++) {
            const plan_step *x = &plan->step[i];
            if (!x->kernel || x->copy)
                continue;
            for (int e = 0; e < x->call.nout; e++)
                for (int k = 0; k < x->call.nin && k < 32; k++) {
                    if (!(x->job.in_place[e] >> k & 1))
                        continue;
                    nilu_arg in[64], out[GRAPH_MAX_OUT];
                    nilu_call c = x->call;
                    void *copy[64], *want[GRAPH_MAX_OUT];
                    places++;
                    for (int j = 0; j < c.nin; j++) {
                        const size_t bytes = (size_t)c.in[j].n * nilu_dtype_size(c.in[j].dtype);
                        in[j] = c.in[j];
                        in[j].data = copy[j] = malloc(bytes + 1);
                        for (size_t b = 0; b < bytes; b++) /* what was in the arena may be gone: any numbers do */
                            ((unsigned char *)copy[j])[b] = c.in[j].dtype == NILU_BOOL ? b % 3 == 0
                                                            : b % 4 == 3               ? 63
                                                                                       : (unsigned char)(b * 7);
                    }
                    for (int pass = 0; pass < 2; pass++) {
                        for (int j = 0; j < c.nout; j++) {
                            const size_t bytes = (size_t)x->call.out[j].n * nilu_dtype_size(x->call.out[j].dtype);
                            out[j] = x->call.out[j];
                            if (pass == 0)
                                want[j] = calloc(bytes + 1, 1);
                            out[j].data = pass == 0 ? want[j] : j == e ? copy[k] : calloc(bytes + 1, 1);
                        }
                        c.in = in;
                        c.out = out;
                        call(plan, x, &c);
                    }
                    for (int j = 0; j < c.nout; j++) {
                        if (memcmp(out[j].data, want[j], (size_t)out[j].n * nilu_dtype_size(out[j].dtype)) != 0)
                            fail_msg(
                                "seed %llu: instruction %d, output %d in the place of input %d changes output %d\n%s",
                                (unsigned long long)seed, i, e, k, j, nilu_plan_text(plan));
                        free(want[j]);
                        if (j != e)
                            free(out[j].data);
                    }
                    for (int j = 0; j < c.nin; j++)
                        free(copy[j]);
                }
        }
        nilu_plan_free(plan);
        tear_down(&s);
    }
    assert_true(places > 50);
}

/* An update must be one pass that writes weight and moments where they are. */
static void an_update_is_one_pass(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_store *store = nilu_store_new(nl);
    T w = nilu_param(g, "w", NILU_F32, NILU_SHAPE(300, 40), (nilu_init){NILU_INIT_NORMAL, 0, 1});
    T m = nilu_state(g, "m", NILU_F32, NILU_SHAPE(300, 40), 0),
      v = nilu_state(g, "v", NILU_F32, NILU_SHAPE(300, 40), 0);
    T grad = nilu_input(g, "g", NILU_F32, NILU_SHAPE(300, 40)), rate = nilu_input(g, "rate", NILU_F32, NILU_SCALAR);
    T m1 = nilu_add(m, nilu_scale(nilu_sub(grad, m), 0.1)),
      v1 = nilu_add(v, nilu_scale(nilu_sub(nilu_square(grad), v), 0.001));
    nilu_assign(m, m1);
    nilu_assign(v, v1);
    nilu_assign(w, nilu_sub(w, nilu_mul(nilu_div(m1, nilu_shift(nilu_mul(nilu_sqrt(v1), rate), 1e-8)), rate)));
    nilu_plan *plan;
    assert_ok(nl, nilu_compile(g, store, 0, NULL, NULL, &plan));
    assert_int_equal(plan->nstep, 1);
    const cpu_program *p = plan->step[0].job.plan;
    assert_int_equal(p->nstep, 1);
    assert_int_equal(p->ntemp, 0);
    nilu_plan_free(plan);
    nilu_graph_free(g);
    nilu_store_free(store);
    nilu_free(nl);
}

/* A sum over the first and the last of three axes, both so long that tiles cut them: whole numbers, so that it is exact. */
static void a_sum_in_parts_along_two_axes(void **state)
{
    (void)state;
    enum { A = 3, B = 2, C = 40000 };
    for (int threads = 1; threads <= 3; threads += 2) {
        nilu *nl = support_context(threads, NULL);
        nilu_graph *g = nilu_graph_new(nl);
        nilu_store *store = nilu_store_new(nl);
        T sum = nilu_sum(nilu_square(nilu_input(g, "x", NILU_F32, NILU_SHAPE(A, B, C))), NILU_AXES(0, 2), false);
        nilu_plan *plan;
        float *x = malloc(A * B * C * sizeof *x), want[B] = {0};
        assert_non_null(x);
        for (int i = 0; i < A * B * C; i++) {
            x[i] = (float)(i % 7 + i / (B * C));
            want[i / C % B] += x[i] * x[i];
        }
        assert_ok(nl, nilu_compile(g, store, 1, &sum, NULL, &plan));
        const cpu_program *p = plan->step[plan->nstep - 1].job.plan;
        assert_true(p->cuts[0] > 1 && p->cuts[p->rank - 1] > 1);
        assert_ok(nl, nilu_feed(plan, "x", x, A * B * C * sizeof *x));
        assert_ok(nl, nilu_step(plan));
        assert_memory_equal(nilu_fetched(plan, 0), want, sizeof want);
        free(x);
        nilu_plan_free(plan);
        nilu_graph_free(g);
        nilu_store_free(store);
        nilu_free(nl);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tapes_against_the_reference),
        cmocka_unit_test(products_against_the_reference),
        cmocka_unit_test(what_fused_ops_mean),
        cmocka_unit_test(bits_everywhere),
        cmocka_unit_test(outputs_in_place),
        cmocka_unit_test(an_update_is_one_pass),
        cmocka_unit_test(a_sum_in_parts_along_two_axes),
    };
    return cmocka_run_group_tests_name("tape", tests, NULL, NULL);
}
