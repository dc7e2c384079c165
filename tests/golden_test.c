/* What PyTorch computes, recorded in tests/golden by script/golden, against what nilu computes: values, gradients, second
 * derivatives, whole nets, courses of training, a step of ResNet-20, schedules, initial values.
 * In f64 each number must agree to 1e-10 (of itself, or of a thousandth of its tensor's largest). In f32 the error is judged
 * as a share of the tensor's largest number (of gradients: at least of 1 % of the case's largest gradient); it may be 1e-5,
 * or ten times what PyTorch's own f32 is off. */
#include "support/support.h"
#include "graph/graph.h"
#include "nets.h"

#include <jansson.h>

#define WIDE 1e-10
#define NARROW 1e-5

/* The ways in which everything is computed. */
typedef struct way {
    const char *what;
    nilu_dtype dtype;
    int threads;
    bool reference;
    const char *without;
} way;
static const way ways[] = {{"f64", NILU_F64, 1, false, NULL},
                           {"f32", NILU_F32, 1, false, NULL},
                           {"f32, three threads", NILU_F32, 3, false, NULL},
                           {"f32, reference", NILU_F32, 1, true, NULL},
                           {"f32, no passes", NILU_F32, 1, false, "fuse,cse,simplify"}};

static int failures;

static void failed(const char *text, const char *what, const way *w, int64_t i, double got, double want)
{
    if (failures++ < 20)
        print_error("%s (%s), %s [%lld]: got %.17g, want %.17g\n", text, w->what, what, (long long)i, got, want);
}

static json_t *load(const char *name)
{
    char path[512];
    json_error_t e;
    snprintf(path, sizeof path, "%s/tests/golden/%s", NILU_SOURCE_DIR, name);
    json_t *j = json_load_file(path, JSON_REJECT_DUPLICATES, &e);
    if (!j)
        fail_msg("%s:%d: %s", path, e.line, e.text);
    return j;
}

static double number(const json_t *j)
{
    return json_is_string(j) ? strtod(json_string_value(j), NULL) : json_number_value(j);
}

static double at(const json_t *list, int64_t i)
{
    return number(json_array_get(list, (size_t)i));
}

static nilu_shape shape_of(const json_t *list)
{
    nilu_shape s = NILU_SCALAR;
    for (s.rank = 0; s.rank < (int)json_array_size(list); s.rank++)
        s.dim[s.rank] = (int64_t)at(list, s.rank);
    return s;
}

/* The largest |number| of a list, or `least` where that is more. */
static double largest(const json_t *list, double least)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        double v = fabs(at(list, (int64_t)i));
        least = isfinite(v) && v > least ? v : least;
    }
    return least;
}

/* Compares n numbers at `got` with a list; `scale` is what an f32 error is a share of, `theirs` PyTorch's own. */
static void compare(const char *text, const char *what, const way *w, const void *got, nilu_dtype dtype, int64_t n,
                    const json_t *want, double scale, double theirs)
{
    double top = largest(want, 0), most = fmax(NARROW, 10 * theirs) * scale;
    if (n != (int64_t)json_array_size(want)) {
        failed(text, what, w, -1, (double)n, (double)json_array_size(want));
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        double a = base_load(dtype, got, i), b = at(want, i);
        if (w->dtype == NILU_F64)
            most = WIDE * fmax(fabs(b), top / 1000);
        if (!(fabs(a - b) <= most || a == b)) {
            failed(text, what, w, i, a, b);
            return;
        }
    }
}

/* ---- numbers to feed */

typedef struct feeds {
    int n;
    char name[32][8];
    void *data[32];
    size_t bytes[32];
} feeds;

static nilu_tensor *input(nilu_graph *g, feeds *f, const way *w, nilu_dtype dtype, nilu_shape shape, const json_t *list,
                          const char *prefix, int number_of)
{
    nilu_dtype kept = dtype == NILU_F32 ? w->dtype : dtype;
    int64_t n = base_count(shape);
    assert_int_equal(n, json_array_size(list));
    assert_true(f->n < 32);
    snprintf(f->name[f->n], sizeof f->name[0], "%s%d", prefix, number_of);
    f->bytes[f->n] = (size_t)n * nilu_dtype_size(kept);
    f->data[f->n] = malloc(f->bytes[f->n] + 1);
    assert_non_null(f->data[f->n]);
    for (int64_t i = 0; i < n; i++)
        base_store(kept, f->data[f->n], i, at(list, i));
    return nilu_input(g, f->name[f->n++], dtype, shape);
}

static void feed(nilu *nl, nilu_plan *plan, const feeds *f)
{
    for (int i = 0; i < f->n; i++)
        assert_ok(nl, nilu_feed(plan, f->name[i], f->data[i], f->bytes[i]));
}

static void drop(feeds *f)
{
    for (int i = 0; i < f->n; i++)
        free(f->data[i]);
    f->n = 0;
}

static nilu_compile_options options_of(const way *w)
{
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    o.dtype = w->dtype;
    o.reference = w->reference;
    o.without = w->without;
    return o;
}

/* ---- ops */

#define MOST 64
/* A case made real: tensor t[i] is input i or, after the inputs, a node; y is the last. */
typedef struct example {
    nilu_graph *g;
    feeds f;
    nilu_tensor *t[MOST], *y, *fetch[MOST];
    int n, nfetch;
    const json_t *want[MOST]; /* of each fetch */
    char what[MOST][48];
    double least[MOST]; /* that the error in f32 is a share of */
} example;

static void wish(example *e, nilu_tensor *t, const json_t *want, double least, const char *what, const char *by)
{
    e->fetch[e->nfetch] = t;
    e->want[e->nfetch] = want;
    e->least[e->nfetch] = least;
    snprintf(e->what[e->nfetch++], sizeof e->what[0], "%s%s", what, by);
}

static double most_of(const json_t *lists)
{
    double most = 0;
    const char *key;
    json_t *list;
    json_object_foreach((json_t *)lists, key, list) most = largest(list, most);
    return most;
}

static nilu_tensor *apply(nilu *nl, const example *e, const json_t *node)
{
    unsigned char attr[GRAPH_MAX_ATTR];
    const nilu_op *op = graph_op(json_string_value(json_array_get(node, 0)));
    const json_t *from = json_array_get(node, 2);
    int n = (int)json_array_size(from);
    nilu_tensor *in[MOST];
    assert_non_null(op);
    assert_ok(nl, graph_attr_parse(nl, op, json_string_value(json_array_get(node, 1)), attr));
    for (int i = 0; i < n; i++)
        in[i] = e->t[(int)at(from, i)];
    return nilu_output(graph_node(op, n, in, attr), (int)at(node, 3) /* 0 where it is not said */);
}

/* The gradients of <dy, y>, and those of the sum over inputs of <v, gradient>: by the inputs, then by dy. */
static void differentiate(nilu *nl, example *e, const json_t *c, const way *w)
{
    const json_t *grads = json_object_get(c, "grad"), *v = json_object_get(c, "v"),
                 *seconds = json_object_get(c, "second");
    nilu_tensor *wrt[MOST], *d[MOST], *d2[MOST], *sum = NULL;
    const char *key, *keys[MOST];
    json_t *list;
    int n = 0;
    nilu_tensor *dy = input(e->g, &e->f, w, NILU_F32, e->y->shape, json_object_get(c, "dy"), "dy", 0);
    json_object_foreach((json_t *)grads, key, list)
    {
        keys[n] = key;
        wrt[n++] = e->t[atoi(key)];
    }
    assert_ok(nl, nilu_grad_from(e->y, dy, n, wrt, d));
    for (int i = 0; i < n; i++)
        wish(e, d[i], json_object_get(grads, keys[i]), 0.01 * most_of(grads), "gradient by input ", keys[i]);
    if (!v)
        return;
    for (int i = 0; i < n; i++) {
        nilu_tensor *by = input(e->g, &e->f, w, NILU_F32, wrt[i]->shape, json_object_get(v, keys[i]), "v", i);
        nilu_tensor *own = nilu_sum(nilu_mul(d[i], by), NILU_ALL, false);
        sum = sum ? nilu_add(sum, own) : own;
    }
    keys[n] = "dy";
    wrt[n] = dy;
    assert_ok(nl, nilu_grad(sum, n + 1, wrt, d2));
    for (int i = 0; i <= n; i++)
        wish(e, d2[i], json_object_get(seconds, keys[i]), 0.01 * most_of(seconds), "second derivative by ", keys[i]);
}

static void build(nilu *nl, example *e, const json_t *c, const way *w)
{
    size_t i;
    json_t *x, *node;
    json_array_foreach(json_object_get(c, "in"), i, x)
    {
        const char *type = json_string_value(json_object_get(x, "type"));
        nilu_dtype dtype = NILU_F32;
        assert_true(!type || nilu_dtype_from_name(type, &dtype));
        e->t[e->n++] =
            input(e->g, &e->f, w, dtype, shape_of(json_object_get(x, "shape")), json_object_get(x, "at"), "in", (int)i);
    }
    json_array_foreach(json_object_get(c, "nodes"), i, node) e->t[e->n++] = apply(nl, e, node);
    e->y = e->t[e->n - 1];
    assert_ok(nl, graph_report(e->g));
    wish(e, e->y, json_object_get(c, "want"), 0, "value", "");
    if (json_object_get(c, "grad"))
        differentiate(nl, e, c, w);
}

static void agree(const json_t *c, const way *w)
{
    const char *name = json_string_value(json_object_get(c, "case"));
    nilu *nl = support_context(w->threads, NULL);
    nilu_store *store = nilu_store_new(nl);
    nilu_compile_options o = options_of(w);
    example e = {.g = nilu_graph_new(nl)};
    nilu_plan *plan;
    build(nl, &e, c, w);
    if (!base_same_shape(e.y->shape, shape_of(json_object_get(c, "shape"))))
        failed(name, "shape", w, 0, (double)base_count(e.y->shape), 0);
    assert_ok(nl, nilu_compile(e.g, store, e.nfetch, e.fetch, &o, &plan));
    feed(nl, plan, &e.f);
    assert_ok(nl, nilu_step(plan));
    assert_int_equal(e.nfetch, json_array_size(json_object_get(c, "f32")));
    for (int i = 0; i < e.nfetch; i++)
        compare(name, e.what[i], w, nilu_fetched(plan, i), nilu_fetched_dtype(plan, i),
                base_count(nilu_fetched_shape(plan, i)), e.want[i], largest(e.want[i], e.least[i]),
                at(json_object_get(c, "f32"), i));
    nilu_plan_free(plan);
    nilu_graph_free(e.g);
    nilu_store_free(store);
    nilu_free(nl);
    drop(&e.f);
}

static void ops_and_nets(void **state)
{
    (void)state;
    json_t *file = load("ops.json"), *c;
    size_t i;
    failures = 0;
    assert_true(json_array_size(json_object_get(file, "cases")) > 150);
    for (size_t w = 0; w < COUNT(ways); w++)
        json_array_foreach(json_object_get(file, "cases"), i, c) agree(c, &ways[w]);
    json_decref(file);
    if (failures)
        fail_msg("%d tensors differ from PyTorch's", failures);
}

/* Every op is compared, but these. */
static void every_op_is_there(void **state)
{
    (void)state;
    static const char *const own[] = {
        "random_uniform", "random_normal",
        "dropout",                             /* other random numbers */
        "heaviside",      "softmax_xent_grad", /* the gradients of relu and softmax_xent */
        "fill",           "cast",
        "stop_gradient", /* nothing is computed */
    };
    json_t *file = load("ops.json"), *c, *node;
    for (size_t k = 0; k < graph_op_count(); k++) {
        const char *name = graph_op_at(k)->name;
        size_t i, n;
        bool met = false;
        json_array_foreach(json_object_get(file, "cases"), i, c)
        {
            json_array_foreach(json_object_get(c, "nodes"), n, node) met |=
                strcmp(json_string_value(json_array_get(node, 0)), name) == 0;
        }
        for (i = 0; i < COUNT(own); i++)
            met |= strcmp(own[i], name) == 0;
        if (!met)
            fail_msg("%s is not compared with PyTorch; add a case to script/golden", name);
    }
    json_decref(file);
}

/* ---- courses of training */

static double option(const json_t *o, const char *name, double otherwise)
{
    const json_t *j = json_object_get(o, name);
    return j ? number(j) : otherwise;
}

static nilu_optimizer_options read_options(const json_t *j)
{
    nilu_optimizer_options o = NILU_OPTIMIZER_DEFAULT;
#define READ(field) o.field = option(j, #field, o.field)
    o.name = json_string_value(json_object_get(j, "name"));
    READ(lr), READ(momentum), READ(beta1), READ(beta2), READ(eps), READ(decay), READ(rho), READ(side_lr),
        READ(clip_value), READ(clip_norm);
#undef READ
    o.accumulate = (int)option(j, "accumulate", 1);
    return o;
}

static const char *const param_names[] = {"w0", "b0", "w1", "b1"};

typedef struct course {
    nilu_graph *g;
    feeds batch[8];
    nilu_tensor *loss, *norm;
} course;

static void set_out(nilu *nl, nilu_store *store, course *k, const json_t *file, const nilu_optimizer_options *o,
                    const way *w)
{
    const json_t *x = json_object_get(file, "x"), *label = json_object_get(file, "label"),
                 *params = json_object_get(file, "params");
    int64_t rows = (int64_t)json_array_size(json_array_get(label, 0));
    nilu_tensor *p[4], *in = NULL, *id = NULL;
    for (int i = 0; i < 4; i++) {
        const json_t *first = json_array_get(params, (size_t)i), *list = json_object_get(first, "at");
        nilu_shape s = shape_of(json_object_get(first, "shape"));
        double at0[64];
        p[i] = nilu_param(k->g, param_names[i], NILU_F32, s, (nilu_init){NILU_INIT_CONSTANT, 0, 0});
        assert_true(base_count(s) <= 64);
        for (int64_t e = 0; e < base_count(s); e++)
            base_store(w->dtype, at0, e, at(list, e));
        assert_ok(nl, nilu_store_put(store, NILU_PARAM, param_names[i], w->dtype, s, at0));
    }
    nilu_shape sample = NILU_SHAPE(rows, p[0]->shape.dim[0]);
    for (int b = 0; b < (int)json_array_size(x); b++) {
        nilu_graph *g = b ? nilu_graph_new(nl) : k->g; /* batches after the first only need their numbers */
        nilu_tensor *xb = input(g, &k->batch[b], w, NILU_F32, sample, json_array_get(x, (size_t)b), "x", 0);
        nilu_tensor *lb =
            input(g, &k->batch[b], w, NILU_I64, NILU_SHAPE(rows), json_array_get(label, (size_t)b), "label", 0);
        in = b ? in : xb;
        id = b ? id : lb;
        if (b)
            nilu_graph_free(g);
    }
    nilu_tensor *h = nilu_tanh(nilu_add(nilu_matmul(in, p[0]), p[1]));
    k->loss = nilu_softmax_xent(nilu_add(nilu_matmul(h, p[2]), p[3]), id, NULL);
    /* in f32 the norm is not asked for, so that passes may do as they do in training */
    assert_ok(nl, nilu_minimise(k->loss, 0, NULL, o, NULL, w->dtype == NILU_F64 ? &k->norm : NULL));
}

static void follow(const json_t *file, const json_t *row, const way *w)
{
    const json_t *options = json_object_get(row, "options"), *loss = json_object_get(row, "loss"),
                 *kept = json_object_get(file, "kept");
    const json_t *theirs = json_object_get(row, "f32"), *norms = json_object_get(row, "norm");
    char *text = json_dumps(options, JSON_COMPACT);
    nilu_optimizer_options o = read_options(options);
    nilu *nl = support_context(w->threads, NULL);
    nilu_store *store = nilu_store_new(nl);
    course k = {.g = nilu_graph_new(nl)};
    set_out(nl, store, &k, file, &o, w);
    nilu_tensor *fetch[] = {k.loss, k.norm};
    nilu_compile_options compile = options_of(w);
    nilu_plan *plan;
    assert_ok(nl, nilu_compile(k.g, store, k.norm ? 2 : 1, fetch, &compile, &plan));
    int batches = (int)json_array_size(json_object_get(file, "x")), steps = (int)json_array_size(loss), stop = 0;
    assert_int_equal(steps, 50);
    for (int s = 0; s < steps; s++) {
        feed(nl, plan, &k.batch[s % batches]);
        assert_ok(nl, nilu_step(plan));
        double got = base_load(w->dtype, nilu_fetched(plan, 0), 0), want = at(loss, s);
        double most = w->dtype == NILU_F64 ? WIDE : fmax(NARROW, 10 * at(theirs, 0));
        if (!(fabs(got - want) <= most * fmax(fabs(want), 1)))
            failed(text, "loss", w, s, got, want);
        if (k.norm && (s + 1) % o.accumulate == 0) {
            got = base_load(NILU_F64, nilu_fetched(plan, 1), 0), want = at(norms, (s + 1) / o.accumulate - 1);
            if (!(fabs(got - want) <= WIDE * want))
                failed(text, "norm", w, s, got, want);
        }
        if (s + 1 != (int)at(kept, stop))
            continue;
        for (int i = 0; i < 4; i++) {
            const nilu_value *v = nilu_store_find(store, param_names[i]);
            const json_t *want_w =
                json_array_get(json_array_get(json_object_get(row, "weights"), (size_t)stop), (size_t)i);
            assert_int_equal(v->dtype, w->dtype);
            compare(text, param_names[i], w, v->data, v->dtype, base_count(v->shape), want_w, largest(want_w, 0),
                    at(theirs, stop + 1));
        }
        stop++;
    }
    assert_int_equal(stop, json_array_size(kept));
    nilu_plan_free(plan);
    nilu_graph_free(k.g);
    nilu_store_free(store);
    nilu_free(nl);
    for (int b = 0; b < batches; b++)
        drop(&k.batch[b]);
    free(text);
}

static void courses_of_training(void **state)
{
    (void)state;
    json_t *file = load("courses.json"), *row;
    size_t i;
    failures = 0;
    assert_true(json_array_size(json_object_get(file, "courses")) > 20);
    for (size_t w = 0; w < COUNT(ways); w++)
        json_array_foreach(json_object_get(file, "courses"), i, row) follow(file, row, &ways[w]);
    for (i = 0; nilu_optimizer_name((int)i); i++) {
        size_t n;
        bool met = false;
        json_array_foreach(json_object_get(file, "courses"), n, row) met |=
            strcmp(json_string_value(json_object_get(json_object_get(row, "options"), "name")),
                   nilu_optimizer_name((int)i)) == 0;
        if (!met)
            fail_msg("%s is not compared; add a course to script/golden", nilu_optimizer_name((int)i));
    }
    json_decref(file);
    if (failures)
        fail_msg("%d numbers differ from PyTorch's", failures);
}

/* ---- ResNet-20, batch norm in training: gradients by all parameters and by the pictures, running statistics */

#define PICTURES 4

/* Values that both sides draw: of the pictures from stream 0, of the i-th parameter from stream i + 2. */
static void fill_params(const nilu_graph *g, nilu *nl, nilu_store *store, nilu_dtype dtype)
{
    uint64_t which = 2;
    for (int i = 0; i < g->nnode; i++) {
        const nilu_node *node = g->node[i];
        if (node->op != &graph_op_param)
            continue;
        const nilu_shape s = node->out[0].shape;
        const char *slash = strrchr(node->name, '/'), *what = slash + 1;
        const bool by_one = strcmp(what, "gamma") == 0 || strcmp(what, "variance") == 0, filters = s.rank == 4;
        const double factor = filters ? exp2(floor(log2(sqrt(6.0 / (double)(s.dim[1] * s.dim[2] * s.dim[3]))))) : 0.25;
        uint64_t state = nets_seed(which++);
        assert_non_null(slash);
        assert_ok(nl, nilu_store_put(store, NILU_PARAM, node->name, dtype, s, NULL));
        void *data = nilu_store_find(store, node->name)->data;
        for (int64_t k = 0; k < base_count(s); k++)
            base_store(dtype, data, k, by_one + factor * nets_draw(&state));
    }
}

/* A tensor against what is told of it: its length, its product with stream 1, three of its numbers. In f32 each may be off by
 * 1e-4 of the length, or ten times what PyTorch's own f32 is. */
static void told(const json_t *row, const way *w, const void *got, nilu_dtype dtype, int64_t n)
{
    const char *name = json_string_value(json_object_get(row, "name"));
    const double norm = option(row, "norm", NAN), along = option(row, "along", NAN);
    const double most = w->dtype == NILU_F64 ? WIDE * norm : fmax(1e-4, 10 * option(row, "f32", 0)) * norm;
    const int64_t places[] = {0, n / 2, n - 1};
    double squares = 0, sum = 0;
    uint64_t state = nets_seed(1);
    for (int64_t i = 0; i < n; i++) {
        const double v = base_load(dtype, got, i);
        squares += v * v;
        sum += v * nets_draw(&state);
    }
    if (n != base_count(shape_of(json_object_get(row, "shape"))) || !(fabs(sqrt(squares) - norm) <= most))
        failed(name, "length", w, n, sqrt(squares), norm);
    if (!(fabs(sum - along) <= most))
        failed(name, "along a vector", w, n, sum, along);
    for (size_t k = 0; k < COUNT(places); k++) {
        const double v = base_load(dtype, got, places[k]), want = at(json_object_get(row, "at"), (int64_t)k);
        if (!(fabs(v - want) <= most))
            failed(name, "number", w, places[k], v, want);
    }
}

static void step_of_resnet(const json_t *file, const way *w)
{
    const json_t *rows = json_object_get(file, "tensors");
    nilu *nl = support_context(w->threads, NULL);
    nilu_store *store = nilu_store_new(nl);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_compile_options o = options_of(w);
    nilu_tensor *fetch[128], *wrt[128], *grad[128];
    nilu_plan *plan;
    const int64_t numbers = PICTURES * 3 * 32 * 32;
    int n = 0, all = (int)json_array_size(rows);
    int32_t label[PICTURES];
    void *x = calloc((size_t)numbers, sizeof(double));
    uint64_t state = nets_seed((uint64_t)option(file, "pictures", 0));
    nilu_tensor *in = nilu_input(g, "x", NILU_F32, NILU_SHAPE(PICTURES, 3, 32, 32)), *y = nets_resnet20(nl, in, true);
    if (!x || !y)
        fail_msg("%s", nilu_errmsg(nl));
    fill_params(g, nl, store, w->dtype);
    fetch[0] = nilu_loss("cross_entropy", y, nilu_input(g, "label", NILU_I32, NILU_SHAPE(PICTURES)));
    fetch[1] = y;
    assert_true(all > 100 && all < 126);
    for (; n < all; n++) { /* gradients come first */
        const char *name = json_string_value(json_object_get(json_array_get(rows, (size_t)n), "name"));
        wrt[n] = nilu_find(g, name);
        assert_non_null(wrt[n]);
        if (strstr(name, "/mean"))
            break;
    }
    assert_int_equal(n, nilu_params_of(fetch[0], 0, NULL) + 1);
    assert_ok(nl, nilu_grad(fetch[0], n, wrt, grad));
    memcpy(fetch + 2, grad, (size_t)n * sizeof *fetch);
    assert_ok(nl, nilu_compile(g, store, 2 + n, fetch, &o, &plan));
    for (int64_t i = 0; i < numbers; i++)
        base_store(w->dtype, x, i, nets_draw(&state));
    for (int i = 0; i < PICTURES; i++)
        label[i] = i % 10;
    assert_ok(nl, nilu_feed(plan, "x", x, (size_t)numbers * nilu_dtype_size(w->dtype)));
    assert_ok(nl, nilu_feed(plan, "label", label, sizeof label));
    assert_ok(nl, nilu_step(plan));
    const double loss = base_load(nilu_fetched_dtype(plan, 0), nilu_fetched(plan, 0), 0), want = option(file, "loss", NAN);
    if (!(fabs(loss - want) <= (w->dtype == NILU_F64 ? WIDE : 1e-5) * want))
        failed("resnet", "loss", w, 0, loss, want);
    compare("resnet", "answer", w, nilu_fetched(plan, 1), nilu_fetched_dtype(plan, 1), base_count(nilu_fetched_shape(plan, 1)),
            json_object_get(file, "y"), largest(json_object_get(file, "y"), 0), 1e-5);
    for (int i = 0; i < all; i++) {
        const json_t *row = json_array_get(rows, (size_t)i);
        if (i < n) {
            told(row, w, nilu_fetched(plan, 2 + i), nilu_fetched_dtype(plan, 2 + i), base_count(nilu_fetched_shape(plan, 2 + i)));
            continue;
        }
        const nilu_value *v = nilu_store_find(store, json_string_value(json_object_get(row, "name"))); /* after the step */
        assert_non_null(v);
        told(row, w, v->data, v->dtype, base_count(v->shape));
    }
    nilu_plan_free(plan);
    nilu_graph_free(g);
    nilu_store_free(store);
    nilu_free(nl);
    free(x);
}

static void resnet(void **state)
{
    (void)state;
    json_t *file = load("resnet.json");
    failures = 0;
    for (size_t w = 0; w < COUNT(ways); w++)
        if (!ways[w].reference) /* 2 GFLOP by plain loops */
            step_of_resnet(file, &ways[w]);
    json_decref(file);
    if (failures)
        fail_msg("%d numbers differ from PyTorch's", failures);
}

/* ---- schedules */

static nilu_schedule read_schedule(const json_t *j)
{
    nilu_schedule s = NILU_SCHEDULE_DEFAULT;
    const char *kind = json_string_value(json_object_get(j, "kind"));
    int i = 0;
    while (nilu_schedule_name(i) && strcmp(nilu_schedule_name(i), kind) != 0)
        i++;
    assert_non_null(nilu_schedule_name(i));
    s.kind = (nilu_schedule_kind)i;
#define READ(field, type) s.field = (type)option(j, #field, (double)s.field)
    READ(warmup, int64_t), READ(total, int64_t), READ(every, int64_t);
    READ(start, double), READ(gamma, double), READ(final, double), READ(rise, double);
#undef READ
    return s;
}

static void schedules(void **state)
{
    (void)state;
    json_t *file = load("schedules.json"), *row;
    size_t i;
    failures = 0;
    json_array_foreach(json_object_get(file, "schedules"), i, row)
    {
        const json_t *want = json_object_get(row, "factors");
        char *text = json_dumps(json_object_get(row, "schedule"), JSON_COMPACT);
        nilu *nl = support_context(1, NULL);
        nilu_store *store = nilu_store_new(nl);
        nilu_graph *g = nilu_graph_new(nl);
        nilu_tensor *w = nilu_param(g, "w", NILU_F32, NILU_SCALAR, (nilu_init){NILU_INIT_CONSTANT, 1, 0}), *rate;
        nilu_optimizer_options o = NILU_OPTIMIZER_DEFAULT;
        nilu_plan *plan;
        o.name = "sgd";
        o.lr = 0.5;
        o.schedule = read_schedule(json_object_get(row, "schedule"));
        assert_ok(nl, nilu_minimise(nilu_square(w), 0, NULL, &o, &rate, NULL));
        assert_ok(nl, nilu_compile(g, store, 1, &rate, NULL, &plan));
        assert_true(json_array_size(want) > 30);
        for (size_t u = 0; u < json_array_size(want); u++) {
            assert_ok(nl, nilu_step(plan));
            double got = *(const double *)nilu_fetched(plan, 0) / o.lr;
            if (!(fabs(got - at(want, (int64_t)u)) <= 1e-12))
                failed(text, "factor", &ways[0], (int64_t)u, got, at(want, (int64_t)u));
        }
        nilu_plan_free(plan);
        nilu_graph_free(g);
        nilu_store_free(store);
        nilu_free(nl);
        free(text);
    }
    json_decref(file);
    if (failures)
        fail_msg("%d factors differ from PyTorch's", failures);
}

/* ---- initial values: other random numbers, of the same spread */

/* The largest element of |wᵀ w - 1| for w [rows, columns]. */
static double slant(const float *w, int64_t rows, int64_t columns)
{
    double worst = 0;
    for (int64_t a = 0; a < columns; a += 7)
        for (int64_t b = 0; b <= a; b++) {
            double sum = a == b ? -1 : 0;
            for (int64_t r = 0; r < rows; r++)
                sum += (double)w[r * columns + a] * (double)w[r * columns + b];
            worst = fmax(worst, fabs(sum));
        }
    return worst;
}

static void initial_values(void **state)
{
    (void)state;
    json_t *file = load("spreads.json"), *row;
    int64_t in = (int64_t)option(file, "fan_in", 0), out = (int64_t)option(file, "fan_out", 0);
    size_t i;
    json_array_foreach(json_object_get(file, "spreads"), i, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));
        nilu *nl = support_context(1, NULL);
        nilu_store *store = nilu_store_new(nl);
        nilu_graph *g = nilu_graph_new(nl);
        nilu_init init;
        nilu_plan *plan;
        assert_ok(nl, nilu_init_named(nl, name, in, out, &init));
        nilu_tensor *w = nilu_param(g, "w", NILU_F32, NILU_SHAPE(in, out), init);
        assert_ok(nl, nilu_compile(g, store, 1, &w, NULL, &plan));
        const float *v = nilu_store_find(store, "w")->data;
        double sum = 0, squares = 0, top = 0, n = (double)(in * out);
        for (int64_t k = 0; k < in * out; k++) {
            sum += (double)v[k];
            squares += (double)v[k] * (double)v[k];
            top = fmax(top, fabs((double)v[k]));
        }
        double deviation = sqrt(squares / n), want = option(row, "deviation", 0);
        bool even = init.kind == NILU_INIT_UNIFORM;
        if (!(fabs(sum / n) <= 4 * want / sqrt(n)) || !(fabs(deviation / want - 1) <= 0.01) ||
            !(fabs(top / option(row, "largest", 0) - 1) <= (even ? 0.001 : 0.2)))
            fail_msg("%s: mean %g, deviation %g, largest %g; PyTorch's: 0, %g, %g", name, sum / n, deviation, top, want,
                     option(row, "largest", 0));
        if (json_object_get(row, "orthogonal"))
            assert_true(slant(v, in, out) <= 1e-5);
        nilu_plan_free(plan);
        nilu_graph_free(g);
        nilu_store_free(store);
        nilu_free(nl);
    }
    json_decref(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ops_and_nets), cmocka_unit_test(every_op_is_there),
                                       cmocka_unit_test(courses_of_training), cmocka_unit_test(resnet),
                                       cmocka_unit_test(schedules), cmocka_unit_test(initial_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
