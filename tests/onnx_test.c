/* ONNX files that others wrote: opened, built, run, differentiated; and files that are wrong.
 *     onnx_test --nodes FOLDER [NAME]    the node tests of the onnx package (onnx/backend/test/data/node): a line for each,
 *                                        then the totals (script/onnx-node-tests makes a table of it); NAME: that one alone
 *     onnx_test --nets FOLDER            networks that script/onnx-models wrote there */
#include "io/onnx.h"
#include "support/support.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the node tests: model.onnx, and test_data_set_0 with input_0.pb, … and output_0.pb, … */

typedef struct array {
    Onnx__TensorProto *proto;
    onnx_value v;
} array;

static bool array_read(nilu *nl, const char *folder, const char *what, int i, onnx_pool *pool, array *a)
{
    char path[700], *bytes;
    size_t n;
    snprintf(path, sizeof path, "%s/test_data_set_0/%s_%d.pb", folder, what, i);
    if (access(path, F_OK) != 0 || base_read_file(nl, path, 1 << 30, &bytes, &n) != NILU_OK)
        return false;
    a->proto = onnx__tensor_proto__unpack(NULL, n, (const uint8_t *)bytes);
    base_free(nl, bytes);
    return a->proto && onnx_tensor_read(nl, path, -1, a->proto, pool, &a->v) == NILU_OK;
}

static bool near(const onnx_value *want, nilu_dtype dtype, nilu_shape shape, const void *got, char *why, size_t room)
{
    char a[BASE_SHAPE_TEXT], b[BASE_SHAPE_TEXT];
    if (want->dtype != dtype || !base_same_shape(want->shape, shape)) {
        snprintf(why, room, "%s %s instead of %s %s", nilu_dtype_name(dtype), base_shape_text(shape, a),
                 nilu_dtype_name(want->dtype), base_shape_text(want->shape, b));
        return false;
    }
    for (int64_t i = 0; i < base_count(shape); i++) {
        double x = base_load(want->dtype, want->data, i), y = base_load(dtype, got, i);
        bool same =
            (isnan(x) && isnan(y)) || x == y || fabs(x - y) <= (base_is_float(dtype) ? 1e-7 + 1e-3 * fabs(x) : 0);
        if (!same) {
            snprintf(why, room, "element %lld is %.9g instead of %.9g", (long long)i, y, x);
            return false;
        }
    }
    return true;
}

/* The op of a model of one node; else "several". */
static void op_of(nilu *nl, const char *path, char op[64])
{
    char *bytes;
    size_t n;
    snprintf(op, 64, "?");
    if (base_read_file(nl, path, 1 << 30, &bytes, &n) != NILU_OK)
        return;
    Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, n, (const uint8_t *)bytes);
    if (m && m->graph)
        snprintf(op, 64, "%s",
                 m->graph->n_node == 1 && m->graph->node[0]->op_type ? m->graph->node[0]->op_type : "several");
    onnx__model_proto__free_unpacked(m, NULL);
    base_free(nl, bytes);
}

/* 1: passed, 0: failed, -1: of a type or op that nilu leaves out */
static int node_test(const char *folder, char op[64], char *why, size_t room)
{
    enum { MOST = 64 };
    nilu *nl = nilu_new(NULL, NULL);
    nilu_onnx *m = NULL;
    nilu_graph *g = nilu_graph_new(nl);
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan = NULL;
    onnx_pool pool = {.nl = nl, .path = folder, .limit = (size_t)1 << 30};
    array in[MOST] = {{0}}, out[MOST] = {{0}};
    nilu_onnx_given given[MOST];
    nilu_tensor *y[MOST];
    char path[700];
    int result = -1, nin = 0, nout = 0;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    nilu_status status = nilu_onnx_open(nl, path, &m);
    op_of(nl, path, op);
    nin = status == NILU_OK ? nilu_onnx_inputs(m) : 0;
    nout = status == NILU_OK ? nilu_onnx_outputs(m) : 0;
    for (int i = 0; status == NILU_OK && i < nin; i++) {
        if (!array_read(nl, folder, "input", i, &pool, &in[i])) {
            status = NILU_E_UNSUPPORTED;
            break;
        }
        const char *name = nilu_onnx_input(m, i)->name;
        given[i] = (nilu_onnx_given){name, nilu_input(g, name, in[i].v.dtype, in[i].v.shape), in[i].v.data};
    }
    if (status == NILU_OK)
        status = nilu_onnx_build(m, g, nin, given, false, y);
    if (status == NILU_OK)
        status = nilu_onnx_weights(m, g, NILU_F32, store);
    if (status == NILU_OK)
        status = nilu_compile(g, store, nout, y, NULL, &plan);
    for (int i = 0; status == NILU_OK && i < nin; i++) {
        size_t bytes = (size_t)base_count(in[i].v.shape) * nilu_dtype_size(in[i].v.dtype);
        status = nilu_feed(plan, given[i].name, in[i].v.data, bytes);
    }
    if (status == NILU_OK)
        status = nilu_step(plan);
    if (status == NILU_OK) {
        result = 1;
        for (int i = 0; i < nout && result == 1; i++)
            if (!array_read(nl, folder, "output", i, &pool, &out[i]))
                result = -1, snprintf(why, room, "output %d cannot be read", i);
            else if (!near(&out[i].v, nilu_fetched_dtype(plan, i), nilu_fetched_shape(plan, i), nilu_fetched(plan, i),
                           why, room))
                result = 0;
    } else
        snprintf(why, room, "%s", nilu_errmsg(nl));
    for (int i = 0; i < MOST; i++) {
        onnx__tensor_proto__free_unpacked(in[i].proto, NULL);
        onnx__tensor_proto__free_unpacked(out[i].proto, NULL);
    }
    onnx_pool_free(&pool);
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    nilu_onnx_free(m);
    nilu_free(nl);
    return result;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int node_tests(const char *folder, const char *only)
{
    DIR *d = opendir(folder);
    char *name[4096], why[1200], path[600];
    char op[64];
    int n = 0, count[3] = {0};
    for (struct dirent *e; d && (e = readdir(d)) && n < 4096;)
        if (strncmp(e->d_name, "test_", 5) == 0)
            name[n++] = strdup(e->d_name);
    if (d)
        closedir(d);
    qsort(name, (size_t)n, sizeof *name, by_name);
    for (int i = 0; i < n; i++) {
        why[0] = 0;
        snprintf(path, sizeof path, "%s/%s", folder, name[i]);
        int r = only && strcmp(only, name[i]) != 0 ? -2 : node_test(path, op, why, sizeof why);
        if (r != -2) {
            count[r + 1]++;
            printf("%s %s %s%s%s\n",
                   r == 1   ? "ok"
                   : r == 0 ? "failed"
                            : "left-out",
                   name[i], op, why[0] ? ": " : "", why);
        }
        free(name[i]);
    }
    printf("%d passed, %d failed, %d left out\n", count[2], count[1], count[0]);
    return count[1] != 0;
}

/* ---- networks: NAME.onnx, NAME-f32.onnx, and NAME.safetensors with what PyTorch computes (script/onnx-models) */

static const char *const nets[] = {"mlp",         "autoencoder", "rnn",   "lstm", "lstm-both-ways", "gru",
                                   "transformer", "attention",   "gated", "cnn",  "unet",           "signals",
                                   "spatial",     "mlp-half"};

static const nilu_value *number_of(const nilu_store *store, const char *what, const char *name)
{
    char full[256];
    snprintf(full, sizeof full, "%s.%s", what, name);
    return nilu_store_find(store, full);
}

/* The largest difference, as a share of the largest number; infinite where the shapes differ. */
static double off(const nilu_value *want, nilu_dtype dtype, nilu_shape shape, const void *got)
{
    double most = 0, worst = 0;
    if (!want || !base_same_shape(want->shape, shape))
        return INFINITY;
    for (int64_t i = 0; i < base_count(shape); i++) {
        double x = base_load(want->dtype, want->data, i), d = fabs(x - base_load(dtype, got, i));
        most = fmax(most, fabs(x));
        worst = d <= worst ? worst : d; /* NaN stays */
    }
    return worst / fmax(most, 1e-3);
}

static nilu_tensor *as(nilu_graph *g, const nilu_value *v, nilu_dtype dtype)
{
    nilu_tensor *t = nilu_constant(g, v->dtype, v->shape, v->data);
    return base_is_float(v->dtype) ? nilu_cast(t, dtype) : t;
}

static void release(nilu *nl, nilu_onnx *m, nilu_graph *g, nilu_store *store, nilu_store *want, nilu_plan *plan)
{
    nilu_plan_free(plan);
    nilu_graph_free(g);
    nilu_store_free(store);
    nilu_store_free(want);
    nilu_onnx_free(m);
    nilu_free(nl);
}

/* Outputs and the gradients of all parameters, against what was recorded; returns the worst difference. */
static double check_net(const char *folder, const char *name, bool wide, int *params)
{
    enum { MOST = 512 };
    nilu *nl = support_context(1, NULL);
    nilu_onnx *m;
    nilu_store *want = nilu_store_new(nl), *store = nilu_store_new(nl);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_plan *plan;
    nilu_tensor *y[1], *p[MOST], *fetch[MOST + 1];
    char path[700];
    double worst;
    snprintf(path, sizeof path, "%s/%s.safetensors", folder, name);
    assert_ok(nl, nilu_load(want, 1u << NILU_PARAM, path));
    snprintf(path, sizeof path, "%s/%s%s.onnx", folder, name, wide ? "" : "-f32");
    assert_ok(nl, nilu_onnx_open(nl, path, &m));
    assert_int_equal(nilu_onnx_inputs(m), 1);
    assert_int_equal(nilu_onnx_outputs(m), 1);
    const nilu_value *x = number_of(want, "input", "x"), *error = number_of(want, "error", "y");
    nilu_dtype d = wide ? NILU_F64 : NILU_F32;
    nilu_onnx_given given = {"x", as(g, x, d), NULL};
    assert_ok(nl, nilu_onnx_build(m, g, 1, &given, false, y));
    int n = nilu_params_of(y[0], MOST, p);
    assert_true(n > 0 && n < MOST);
    assert_ok(nl, nilu_grad_from(y[0], as(g, error, d), n, p, fetch + 1));
    fetch[0] = y[0];
    assert_ok(nl, nilu_onnx_weights(m, g, NILU_F32, store));
    assert_ok(nl, nilu_compile(g, store, n + 1, fetch, NULL, &plan));
    assert_ok(nl, nilu_step(plan));
    worst = off(number_of(want, "output", "y"), d, nilu_fetched_shape(plan, 0), nilu_fetched(plan, 0));
    if (!(worst <= (wide ? 1e-10 : 1e-5)))
        fail_msg("%s: its output is off by %g", path, worst);
    *params = 0;
    for (int i = 0; i < n; i++) {
        const nilu_value *v = number_of(want, "grad", nilu_tensor_name(p[i]));
        double e = v ? off(v, d, nilu_fetched_shape(plan, i + 1), nilu_fetched(plan, i + 1)) : 0;
        if (!(e <= (wide ? 1e-10 : 1e-4)))
            fail_msg("%s: the gradient of %s is off by %g", path, nilu_tensor_name(p[i]), e);
        worst = fmax(worst, e);
        *params += v != NULL;
    }
    int recorded = 0;
    for (int i = 0; i < nilu_store_count(want); i++)
        recorded += strncmp(nilu_store_at(want, i)->name, "grad.", 5) == 0;
    if (*params != recorded)
        fail_msg("%s: %d gradients of %d", path, *params, recorded);
    release(nl, m, g, store, want, plan);
    return worst;
}

static const char *golden(void)
{
    return NILU_SOURCE_DIR "/tests/golden/onnx";
}

static void networks_of_pytorch(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(nets); i++)
        for (int wide = 0; wide < 2; wide++) {
            int params;
            check_net(golden(), nets[i], wide, &params);
        }
}

static int net_tests(const char *folder)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        char name[256];
        size_t n = strlen(e->d_name);
        if (n < 13 || strcmp(e->d_name + n - 12, ".safetensors") != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(n - 12), e->d_name);
        int params;
        double wide = check_net(folder, name, true, &params), narrow = check_net(folder, name, false, &params);
        printf("%-16s %3d parameters, off by %.1e in f64, %.1e in f32\n", name, params, wide, narrow);
    }
    if (d)
        closedir(d);
    return 0;
}

/* ---- there and back: what nilu writes, it reads, and the answers are the same */

static void writes_what_it_reads(void **state)
{
    (void)state;
    static const char *const models[] = {
        "layers: [dense 9 relu, dense 8 gelu, dense 7 silu, softplus, dense 5 tanh, dense 4]",
        "layers: [dense 6 leaky_relu, elu, selu, mish, dense 6 hard_swish, dropout 0.5, softsign, dense 4]",
        "layers: [{dense: 6, name: a}, {dense: 6, name: b, from: x}, {add: , from: [a, b]}, dense 4 sigmoid]\nloss: mse"};
    nilu *nl = support_context(1, NULL);
    char path[64];
    snprintf(path, sizeof path, "/tmp/nilu-onnx-%d.onnx", (int)getpid());
    for (size_t i = 0; i < COUNT(models); i++) {
        nilu_model *model;
        nilu_store *store = nilu_store_new(nl), *other = nilu_store_new(nl);
        nilu_graph *g = nilu_graph_new(nl), *h = nilu_graph_new(nl);
        nilu_plan *p, *q;
        nilu_tensor *y, *z;
        nilu_onnx *m;
        float x[3 * 5];
        for (int k = 0; k < 15; k++)
            x[k] = (float)sin(k + 1.0);
        assert_ok(nl, nilu_model_from_text(nl, models[i], "model", &model));
        assert_ok(nl, nilu_model_build(model, nilu_input(g, "x", NILU_F32, NILU_SHAPE(3, 5)), 4, false, &y));
        assert_ok(nl, nilu_compile(g, store, 1, &y, NULL, &p));
        assert_ok(nl, nilu_onnx_write_model(model, store, 5, 4, path));
        assert_ok(nl, nilu_onnx_open(nl, path, &m));
        assert_int_equal(nilu_onnx_input(m, 0)->shape.dim[0], -1);
        nilu_onnx_given given = {"x", nilu_input(h, "x", NILU_F32, NILU_SHAPE(3, 5)), NULL};
        assert_ok(nl, nilu_onnx_build(m, h, 1, &given, false, &z));
        assert_ok(nl, nilu_onnx_weights(m, h, NILU_F32, other));
        assert_ok(nl, nilu_compile(h, other, 1, &z, NULL, &q));
        assert_ok(nl, nilu_feed(p, "x", x, sizeof x));
        assert_ok(nl, nilu_feed(q, "x", x, sizeof x));
        assert_ok(nl, nilu_step(p));
        assert_ok(nl, nilu_step(q));
        for (int k = 0; k < 12; k++)
            assert_near(((const float *)nilu_fetched(q, 0))[k], ((const float *)nilu_fetched(p, 0))[k], 1e-6);
        for (int k = 0; k < nilu_store_count(store); k++) { /* every bit of every weight */
            const nilu_value *v = nilu_store_at(store, k), *w = nilu_store_find(other, v->name);
            assert_non_null(w);
            assert_memory_equal(w->data, v->data, v->bytes);
        }
        nilu_plan_free(p);
        nilu_plan_free(q);
        nilu_onnx_free(m);
        nilu_graph_free(g);
        nilu_graph_free(h);
        nilu_store_free(store);
        nilu_store_free(other);
        nilu_model_free(model);
    }
    unlink(path);
    nilu_free(nl);
}

/* ---- types that are narrower in the file than here */

static nilu_onnx *opened(nilu *nl, const char *name)
{
    nilu_onnx *m;
    char path[700];
    snprintf(path, sizeof path, "%s/%s.onnx", golden(), name);
    assert_ok(nl, nilu_onnx_open(nl, path, &m));
    return m;
}

static void whole_numbers_of_8_bits(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_onnx *m = opened(nl, "quantized");
    nilu_store *want = nilu_store_new(nl), *store = nilu_store_new(nl);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_plan *plan;
    nilu_tensor *y;
    char path[700];
    snprintf(path, sizeof path, "%s/quantized.safetensors", golden());
    assert_ok(nl, nilu_load(want, 1u << NILU_PARAM, path));
    nilu_onnx_given given = {"x", as(g, number_of(want, "input", "x"), NILU_F32), NULL};
    assert_ok(nl, nilu_onnx_build(m, g, 1, &given, false, &y));
    assert_ok(nl, nilu_onnx_weights(m, g, NILU_F32, store));
    assert_ok(nl, nilu_compile(g, store, 1, &y, NULL, &plan));
    assert_ok(nl, nilu_step(plan));
    double e = off(number_of(want, "output", "y"), NILU_F32, nilu_fetched_shape(plan, 0), nilu_fetched(plan, 0));
    if (!(e <= 1e-6))
        fail_msg("its output is off by %g", e);
    release(nl, m, g, store, want, plan);
}

static void narrow_types_are_written_back(void **state)
{
    (void)state;
    static const char *const files[] = {"mlp-half-f32", "quantized"};
    static const float tuned[][2] = { /* what a weight became; the nearest half float */
        {1.0f / 3, 0.333251953125f}, {65519, 65504}, {65520, INFINITY}, {-0x1.002p0f, -1}, {0x1.006p0f, 0x1.008p0f},
        {0x1p-24f, 0x1p-24f}, {0x1p-25f, 0}, {0x1.8p-24f, 0x1p-23f}, {0x1.ff8p-15f, 0x1.ff8p-15f}, {0x1.fffp-15f, 0x1p-14f}};
    nilu *nl = support_context(1, NULL);
    char path[700];
    for (size_t k = 0; k < COUNT(files); k++) {
        nilu_model *model;
        nilu_store *store = nilu_store_new(nl);
        nilu_onnx *was = opened(nl, files[k]), *now;
        float weight[9 * 7] = {0};
        for (size_t i = 0; k == 0 && i < COUNT(tuned); i++)
            weight[i] = tuned[i][0];
        if (k == 0)
            assert_ok(nl, nilu_store_put(store, NILU_PARAM, "0.weight", NILU_F32, NILU_SHAPE(9, 7), weight));
        snprintf(path, sizeof path, "%s/%s.onnx", golden(), files[k]);
        assert_ok(nl, nilu_model_load(nl, path, &model));
        snprintf(path, sizeof path, "/tmp/nilu-onnx-%d.onnx", (int)getpid());
        assert_ok(nl, nilu_onnx_write_model(model, store, 7, 3, path));
        assert_ok(nl, nilu_onnx_open(nl, path, &now));
        assert_true(was->ninitial > 3 && now->ninitial == was->ninitial);
        for (int i = 0; i < was->ninitial; i++) {
            const onnx_value *a = &was->initial[i], *b = &now->initial[i];
            assert_int_equal(a->type, b->type);
            if (nilu_store_find(store, a->name))
                for (size_t j = 0; j < COUNT(tuned); j++)
                    assert_true(((const float *)b->data)[j] == tuned[j][1]);
            else
                assert_memory_equal(a->data, b->data, (size_t)base_count(a->shape) * nilu_dtype_size(a->dtype));
        }
        nilu_onnx_free(was);
        nilu_onnx_free(now);
        nilu_store_free(store);
        nilu_model_free(model);
    }
    unlink(path);
    nilu_free(nl);
}

/* ---- files that are wrong */

/* Opens and builds whatever is in `bytes`: any answer will do, but a crash, a hang, or a failure without a sentence. */
static nilu_status try_bytes(nilu *nl, const void *bytes, size_t n)
{
    char path[64];
    nilu_onnx *m;
    snprintf(path, sizeof path, "/tmp/nilu-onnx-%d.onnx", (int)getpid());
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
    nilu_status status = nilu_onnx_open(nl, path, &m);
    if (status == NILU_OK) {
        nilu_graph *g = nilu_graph_new(nl);
        nilu_tensor *y[16];
        nilu_onnx_given given[16];
        int nin = nilu_onnx_inputs(m);
        for (int i = 0; i < nin && i < 16; i++) {
            const nilu_onnx_port *p = nilu_onnx_input(m, i);
            nilu_shape s = p->shape;
            for (int d = 0; d < s.rank; d++)
                s.dim[d] = s.dim[d] < 1 || s.dim[d] > 64 ? 2 : s.dim[d];
            given[i] = (nilu_onnx_given){p->name, nilu_input(g, p->name[0] ? p->name : "x", p->dtype, s), NULL};
        }
        status =
            nin <= 16 && nilu_onnx_outputs(m) <= 16 ? nilu_onnx_build(m, g, nin, given, false, y) : NILU_E_UNSUPPORTED;
        nilu_graph_free(g);
        nilu_onnx_free(m);
    }
    unlink(path);
    if (status != NILU_OK && !strstr(nilu_errmsg(nl), ": "))
        fail_msg("no sentence for status %d", status);
    return status;
}

static char *whole(const char *name, size_t *n)
{
    char path[700], *bytes;
    snprintf(path, sizeof path, "%s/%s.onnx", golden(), name);
    nilu *nl = support_context(1, NULL);
    assert_ok(nl, base_read_file(nl, path, 1 << 24, &bytes, n));
    char *copy = malloc(*n + 1);
    memcpy(copy, bytes, *n + 1);
    base_free(nl, bytes);
    nilu_free(nl);
    return copy;
}

static void torn_and_bent(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    for (size_t k = 0; k < COUNT(nets); k += 3) {
        size_t n;
        char *bytes = whole(nets[k], &n);
        for (size_t cut = 0; cut < n; cut += 1 + n / 97)
            assert_int_not_equal(try_bytes(nl, bytes, cut), NILU_OK);
        for (uint64_t i = 0; i < 400; i++) {
            uint32_t r[4];
            base_philox(7, k, i, r);
            char *at = bytes + r[0] % n, was = *at;
            *at = r[2] & 1 ? (char)r[1] : (char)(was ^ (1 << r[1] % 8));
            try_bytes(nl, bytes, n);
            *at = was;
        }
        free(bytes);
    }
    nilu_free(nl);
}

static void too_deep(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    /* graph { node { attribute { g { node … : a message in a message, 10,000 deep */
    static const unsigned char tags[] = {0x0a, 0x2a, 0x32};
    size_t room = 200000, at = room;
    unsigned char *bytes = calloc(1, room);
    for (int i = 0; i < 10000; i++) {
        size_t n = room - at;
        unsigned char part[5]; /* the length: seven bits a byte, the lowest first */
        int count = 0;
        for (size_t v = n; count == 0 || v; v >>= 7)
            part[count++] = (unsigned char)((v & 127) | (v > 127 ? 128 : 0));
        at -= (size_t)count;
        memcpy(bytes + at, part, (size_t)count);
        bytes[--at] = i == 9999 ? 0x3a : tags[2 - i % 3];
    }
    assert_int_equal(try_bytes(nl, bytes + at, room - at), NILU_E_FILE_CORRUPT);
    assert_contains(nilu_errmsg(nl), "nested too deep");
    free(bytes);
    nilu_free(nl);
}

static void names_what_it_does_not_know(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    size_t n;
    char *bytes = whole("mlp", &n);
    char *gemm = bytes; /* each "Gemm" becomes "Gxmm" */
    int count = 0;
    for (; gemm + 6 <= bytes + n; gemm++)
        if (memcmp(gemm, "\x22\x04Gemm", 6) == 0)
            gemm[3] = 'x', count++;
    assert_int_equal(count, 3);
    assert_int_equal(try_bytes(nl, bytes, n), NILU_E_UNSUPPORTED);
    assert_contains(nilu_errmsg(nl), "3 nodes are of ops that nilu does not know: Gxmm (");
    free(bytes);
    nilu_free(nl);
}

static nilu_status open_and_build(nilu *nl, void *user)
{
    (void)user;
    nilu_onnx *m = NULL;
    char path[700];
    snprintf(path, sizeof path, "%s/attention.onnx", golden());
    nilu_status status = nilu_onnx_open(nl, path, &m);
    nilu_graph *g = status == NILU_OK ? nilu_graph_new(nl) : NULL;
    if (g) {
        nilu_tensor *y;
        nilu_onnx_given given = {"x", nilu_input(g, "x", NILU_F64, NILU_SHAPE(2, 3, 8)), NULL};
        status = given.t ? nilu_onnx_build(m, g, 1, &given, false, &y) : nilu_graph_status(g);
    } else if (status == NILU_OK)
        status = NILU_E_NO_MEMORY;
    nilu_graph_free(g);
    nilu_onnx_free(m);
    return status;
}

static void allocations_may_fail(void **state)
{
    (void)state;
    support_fail_each(1, open_and_build, NULL);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "--nodes") == 0)
        return node_tests(argv[2], argc > 3 ? argv[3] : NULL);
    if (argc > 2 && strcmp(argv[1], "--nets") == 0)
        return net_tests(argv[2]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(networks_of_pytorch),
                                       cmocka_unit_test(writes_what_it_reads),
                                       cmocka_unit_test(whole_numbers_of_8_bits),
                                       cmocka_unit_test(narrow_types_are_written_back),
                                       cmocka_unit_test(torn_and_bent),
                                       cmocka_unit_test(too_deep),
                                       cmocka_unit_test(names_what_it_does_not_know),
                                       cmocka_unit_test(allocations_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
