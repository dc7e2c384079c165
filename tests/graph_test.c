/* Graphs and stores: names, errors that stick, first values, what differentiation adds, identities of weights. */
#include "graph/graph.h"
#include "support/support.h"

typedef struct world {
    nilu *nl;
    nilu_graph *g;
    nilu_store *store;
} world;

static world begin(uint64_t seed)
{
    nilu_options o = NILU_OPTIONS_DEFAULT;
    o.seed = seed;
    world w = {.nl = nilu_new(&o, NULL)};
    w.g = nilu_graph_new(w.nl);
    w.store = nilu_store_new(w.nl);
    return w;
}

static void end(world *w)
{
    nilu_graph_free(w->g);
    nilu_store_free(w->store);
    nilu_free(w->nl);
}

/* ---- names */

static void names_are_paths(void **state)
{
    (void)state;
    world w = begin(0);
    nilu_tensor *x = nilu_input(w.g, "x", NILU_F32, NILU_SHAPE(2));
    nilu_scope_push(w.g, "block");
    nilu_scope_push(w.g, "fc");
    nilu_tensor *a = nilu_relu(x), *b = nilu_relu(x), *c = nilu_named(nilu_relu(x), "relu");
    assert_string_equal(nilu_tensor_name(a), "block/fc/relu");
    assert_string_not_equal(nilu_tensor_name(a), nilu_tensor_name(b));
    assert_string_not_equal(nilu_tensor_name(b), nilu_tensor_name(c));
    nilu_scope_pop(w.g);
    assert_string_equal(nilu_tensor_name(nilu_named(nilu_tanh(x), "squash")), "block/squash");
    nilu_scope_pop(w.g);
    assert_ptr_equal(nilu_find(w.g, "block/fc/relu"), a);
    assert_ptr_equal(nilu_find(w.g, nilu_tensor_name(c)), c);
    assert_null(nilu_find(w.g, "fc/relu"));
    char name[24];
    for (int i = 0; i < 500; i++) { /* the table of names grows */
        snprintf(name, sizeof name, "n%d", i);
        nilu_named(nilu_neg(x), name);
    }
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_string_equal(nilu_tensor_name(nilu_find(w.g, name)), name);
    }
    assert_ok(w.nl, graph_verify(w.g));
    assert_int_equal(nilu_graph_status(w.g), NILU_OK);
    assert_null(nilu_input(w.g, "x", NILU_F32, NILU_SHAPE(2)));
    assert_int_equal(nilu_graph_status(w.g), NILU_E_NAME);
    assert_contains(nilu_errmsg(w.nl), "x: this name is taken");
    end(&w);
}

static void scopes_have_an_end(void **state)
{
    (void)state;
    world w = begin(0);
    nilu_scope_pop(w.g);
    assert_int_equal(nilu_graph_status(w.g), NILU_E_NAME);
    end(&w);
    w = begin(0);
    char long_name[600];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    nilu_scope_push(w.g, long_name);
    assert_int_equal(nilu_graph_status(w.g), NILU_E_NAME);
    end(&w);
    w = begin(0);
    for (int i = 0; i < 100; i++)
        nilu_scope_push(w.g, "s");
    assert_int_equal(nilu_graph_status(w.g), NILU_E_NAME);
    end(&w);
}

/* ---- errors */

static void the_first_error_stays(void **state)
{
    (void)state;
    world w = begin(0);
    nilu_plan *plan = NULL;
    nilu_tensor *x = nilu_input(w.g, "x", NILU_F32, NILU_SHAPE(2, 3)), *d;
    nilu_tensor *bad = nilu_matmul(x, x);
    assert_null(bad);
    int nodes = nilu_graph_nodes(w.g);
    assert_null(nilu_reshape(x, NILU_SHAPE(7))); /* another error, which is not told */
    assert_null(nilu_relu(bad));
    assert_null(nilu_relu(x)); /* after an error nothing is built */
    assert_null(nilu_param(w.g, "w", NILU_F32, NILU_SHAPE(2), (nilu_init){0}));
    assert_null(nilu_constant(w.g, NILU_F32, NILU_SCALAR, &(float){1}));
    assert_int_equal(nilu_graph_nodes(w.g), nodes);
    assert_int_equal(nilu_grad(x, 1, &x, &d), NILU_E_SHAPE);
    assert_contains(nilu_errmsg(w.nl), "matmul: a has 3 features");
    assert_int_equal(nilu_compile(w.g, w.store, 1, &x, NULL, &plan), NILU_E_SHAPE);
    assert_contains(nilu_errmsg(w.nl), "matmul: a has 3 features");
    end(&w);
}

static void arrays_are_possible_or_refused(void **state)
{
    (void)state;
    static const nilu_shape shapes[] = {{.rank = 2, .dim = {1 << 21, 1 << 20}},
                                        {.rank = 1, .dim = {-1}},
                                        {.rank = 9},
                                        {.rank = -1},
                                        {.rank = 3, .dim = {INT64_MAX, INT64_MAX, 4}}};
    for (size_t i = 0; i < COUNT(shapes); i++) {
        world w = begin(0);
        assert_null(nilu_input(w.g, "x", NILU_F32, shapes[i]));
        assert_int_equal(nilu_graph_status(w.g), NILU_E_SHAPE);
        assert_int_not_equal(nilu_store_put(w.store, NILU_PARAM, "x", NILU_F32, shapes[i], NULL), NILU_OK);
        end(&w);
    }
    world w = begin(0);
    assert_null(nilu_input(w.g, "x", (nilu_dtype)77, NILU_SHAPE(2)));
    assert_int_equal(nilu_graph_status(w.g), NILU_E_DTYPE);
    end(&w);
    w = begin(0);
    assert_null(nilu_param(w.g, "x", NILU_I32, NILU_SHAPE(2), (nilu_init){0}));
    assert_contains(nilu_errmsg(w.nl), "a parameter must be f32, f64 or bf16");
    end(&w);
}

/* ---- attributes */

static void attributes_are_read_as_they_are_written(void **state)
{
    (void)state;
    static const struct {
        const char *op, *text;
    } rows[] = {{"slice", "axis=-1 start=2 stop=9 step=3"},
                {"clamp", "low=-1.5 high=0.25"},
                {"sum", "axes=(0 2) keep=true"},
                {"reshape", "shape=[2, 3, 4]"},
                {"one_hot", "classes=5 dtype=f64"}};
    world w = begin(0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned char a[GRAPH_MAX_ATTR], b[GRAPH_MAX_ATTR];
        const nilu_op *op = graph_op(rows[i].op);
        base_buffer text = {0};
        char glued[64], *to = glued; /* a value ends at a blank */
        for (const char *c = rows[i].text; *c; c++)
            if (*c == '(' || *c == '[')
                for (; *c && *c != ')' && *c != ']'; c++)
                    *to++ = *c == ' ' ? '_' : *c;
            else if (*c != ')' && *c != ']')
                *to++ = *c;
        *to = 0;
        assert_ok(w.nl, graph_attr_parse(w.nl, op, glued, a));
        assert_ok(w.nl, graph_attr_text(w.nl, op, a, &text));
        assert_string_equal(text.at, rows[i].text);
        base_free(w.nl, text.at);
        assert_ok(w.nl, graph_attr_parse(w.nl, op, NULL, b));
        assert_false(graph_attr_equal(op, a, b));
        assert_true(graph_attr_hash(op, a, 1) != graph_attr_hash(op, b, 1));
    }
    unsigned char a[GRAPH_MAX_ATTR];
    assert_int_equal(graph_attr_parse(w.nl, graph_op("sum"), "axle=1", a), NILU_E_ATTRIBUTE);
    assert_contains(nilu_errmsg(w.nl), "axle");
    assert_int_equal(graph_attr_parse(w.nl, graph_op("clamp"), "low=much", a), NILU_E_ATTRIBUTE);
    assert_null(graph_op("sigmund"));
    end(&w);
}

/* ---- first values */

static const float *first_values(world *w, const char *name, nilu_shape shape, nilu_init init)
{
    nilu_plan *plan;
    nilu_tensor *p = nilu_param(w->g, name, NILU_F32, shape, init);
    assert_ok(w->nl, nilu_compile(w->g, w->store, 1, &p, NULL, &plan));
    nilu_plan_free(plan);
    return nilu_store_find(w->store, name)->data;
}

static void first_values_are_a_function_of_seed_and_name(void **state)
{
    (void)state;
    static const nilu_init kinds[] = {
        {NILU_INIT_UNIFORM, -1, 1}, {NILU_INIT_NORMAL, 0, 1}, {NILU_INIT_ORTHOGONAL, 1, 0}};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        world w = begin(3), again = begin(3), other = begin(4);
        nilu_shape s = NILU_SHAPE(6, 5);
        first_values(&again, "before", NILU_SHAPE(7), kinds[1]); /* what else there is makes no difference */
        const float *a = first_values(&w, "a", s, kinds[i]), *b = first_values(&w, "b", s, kinds[i]);
        assert_memory_not_equal(a, b, 30 * sizeof *a);
        assert_memory_equal(a, first_values(&again, "a", s, kinds[i]), 30 * sizeof *a);
        assert_memory_not_equal(a, first_values(&other, "a", s, kinds[i]), 30 * sizeof *a);
        end(&w), end(&again), end(&other);
    }
}

static void first_values_by_hand(void **state)
{
    (void)state;
    world w = begin(0);
    const float *v = first_values(&w, "eye", NILU_SHAPE(3, 2), (nilu_init){NILU_INIT_EYE, 2.5, 0});
    static const float eye[] = {2.5f, 0, 0, 2.5f, 0, 0};
    assert_memory_equal(v, eye, sizeof eye);
    v = first_values(&w, "same", NILU_SHAPE(4), (nilu_init){NILU_INIT_CONSTANT, -3, 0});
    for (int i = 0; i < 4; i++)
        assert_near((double)v[i], -3, 0);
    v = first_values(&w, "between", NILU_SHAPE(5000), (nilu_init){NILU_INIT_UNIFORM, 2, 5});
    double low = 9, high = 0;
    for (int i = 0; i < 5000; i++)
        low = fmin(low, (double)v[i]), high = fmax(high, (double)v[i]);
    assert_true(low >= 2 && low < 2.01 && high < 5 && high > 4.99);
    v = first_values(&w, "wide", NILU_SHAPE(3, 8), (nilu_init){NILU_INIT_ORTHOGONAL, 2, 0}); /* rows, times 2 */
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            double sum = 0;
            for (int k = 0; k < 8; k++)
                sum += (double)v[i * 8 + k] * (double)v[j * 8 + k];
            assert_near(sum, i == j ? 4 : 0, 1e-5);
        }
    end(&w);
}

/* ---- differentiation adds what was asked for */

static void nothing_is_built_that_nobody_asked_for(void **state)
{
    (void)state;
    world w = begin(0);
    nilu_tensor *x = nilu_input(w.g, "x", NILU_F32, NILU_SHAPE(4, 5)), *p[3], *d[2], *h = x;
    char name[16];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "w%d", i);
        p[i] = nilu_param(w.g, name, NILU_F32, NILU_SHAPE(5, 5), (nilu_init){0});
        h = nilu_matmul(h, p[i]);
    }
    nilu_tensor *y = nilu_sum(h, NILU_ALL, false);
    int before = nilu_graph_nodes(w.g), last, all;
    assert_ok(w.nl, nilu_grad(y, 1, &p[2], d)); /* below w2 all is frozen */
    last = nilu_graph_nodes(w.g) - before;
    int products = 0;
    for (int i = before; i < w.g->nnode; i++)
        products += strcmp(w.g->node[i]->op->name, "matmul") == 0;
    assert_int_equal(products, 1);
    before = nilu_graph_nodes(w.g);
    assert_ok(w.nl, nilu_grad(y, 1, &p[0], d));
    all = nilu_graph_nodes(w.g) - before;
    products = 0;
    for (int i = before; i < w.g->nnode; i++)
        products += strcmp(w.g->node[i]->op->name, "matmul") == 0;
    assert_int_equal(products, 3); /* two errors handed back, one gradient; none of w1, w2 and x */
    assert_true(last < all);
    before = nilu_graph_nodes(w.g);
    nilu_tensor *free_one = nilu_param(w.g, "free", NILU_F32, NILU_SHAPE(2), (nilu_init){0});
    assert_ok(w.nl, nilu_grad(y, 1, &free_one, d)); /* y does not depend on it: zeros */
    assert_string_equal(d[0]->node->op->name, "fill");
    assert_true(base_same_shape(d[0]->shape, free_one->shape));
    assert_int_equal(nilu_params_of(y, 0, NULL), 3);
    nilu_tensor *found[3];
    assert_int_equal(nilu_params_of(y, 2, found), 3);
    assert_ptr_equal(found[0], p[0]);
    assert_ptr_equal(found[1], p[1]);
    end(&w);
}

/* ---- stores */

static void stores_keep_values_by_name(void **state)
{
    (void)state;
    world w = begin(0);
    float v[6] = {1, 2, 3, 4, 5, 6};
    char name[24];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "value%d", i);
        v[0] = (float)i;
        assert_ok(w.nl, nilu_store_put(w.store, i % 2 ? NILU_STATE : NILU_PARAM, name, NILU_F32, NILU_SHAPE(2, 3), v));
    }
    assert_int_equal(nilu_store_count(w.store), 300);
    const nilu_value *seven = nilu_store_find(w.store, "value7");
    assert_true(*(const float *)seven->data == 7);
    assert_int_equal(seven->kind, NILU_STATE);
    assert_ptr_equal(seven, nilu_store_at(w.store, 7));
    assert_int_equal((uintptr_t)seven->data % 64, 0);
    assert_null(nilu_store_find(w.store, "value300"));
    assert_null(nilu_store_at(w.store, 300));
    assert_null(nilu_store_at(w.store, -1));
    const void *place = seven->data;
    assert_ok(w.nl, nilu_store_put(w.store, NILU_STATE, "value7", NILU_F32, NILU_SHAPE(2, 3), NULL)); /* zeros */
    assert_ptr_equal(nilu_store_find(w.store, "value7")->data, place);
    assert_true(*(const float *)place == 0);
    assert_int_equal(nilu_store_put(w.store, NILU_STATE, "value7", NILU_F32, NILU_SHAPE(3, 2), v), NILU_E_SHAPE);
    assert_int_equal(nilu_store_put(w.store, NILU_STATE, "value7", NILU_F64, NILU_SHAPE(2, 3), v), NILU_E_DTYPE);
    end(&w);
}

/* Every bit of every value counts, as do name, shape and type, and nothing else. */
static void hashes_see_every_bit(void **state)
{
    (void)state;
    char base[65], hex[65];
    for (int change = 0; change < 30; change++) {
        world w = begin(0);
        unsigned char bytes[24] = {0};
        if (change >= 1 && change <= 24)
            bytes[change - 1] = 1;
        nilu_shape shape = change == 25 ? NILU_SHAPE(3, 2) : NILU_SHAPE(2, 3);
        assert_ok(w.nl, nilu_store_put(w.store, change == 28 ? NILU_STATE : NILU_PARAM, change == 26 ? "v" : "w",
                                       change == 27 ? NILU_I32 : NILU_F32, shape, bytes));
        if (change == 29) /* a state is none of the parameters */
            assert_ok(w.nl, nilu_store_put(w.store, NILU_STATE, "s", NILU_F32, NILU_SCALAR, NULL));
        nilu_store_hash(w.store, NILU_PARAM, hex);
        if (change == 0)
            memcpy(base, hex, sizeof hex);
        else if (change == 29)
            assert_string_equal(base, hex);
        else
            assert_string_not_equal(base, hex);
        end(&w);
    }
    world a = begin(0), b = begin(0); /* the order in which values were added does not count */
    assert_ok(a.nl, nilu_store_put(a.store, NILU_PARAM, "x", NILU_F32, NILU_SCALAR, &(float){1}));
    assert_ok(a.nl, nilu_store_put(a.store, NILU_PARAM, "y", NILU_F32, NILU_SCALAR, &(float){2}));
    assert_ok(b.nl, nilu_store_put(b.store, NILU_PARAM, "y", NILU_F32, NILU_SCALAR, &(float){2}));
    assert_ok(b.nl, nilu_store_put(b.store, NILU_PARAM, "x", NILU_F32, NILU_SCALAR, &(float){1}));
    nilu_store_hash(a.store, NILU_PARAM, base);
    nilu_store_hash(b.store, NILU_PARAM, hex);
    assert_string_equal(base, hex);
    end(&a), end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_paths),
        cmocka_unit_test(scopes_have_an_end),
        cmocka_unit_test(the_first_error_stays),
        cmocka_unit_test(arrays_are_possible_or_refused),
        cmocka_unit_test(attributes_are_read_as_they_are_written),
        cmocka_unit_test(first_values_are_a_function_of_seed_and_name),
        cmocka_unit_test(first_values_by_hand),
        cmocka_unit_test(nothing_is_built_that_nobody_asked_for),
        cmocka_unit_test(stores_keep_values_by_name),
        cmocka_unit_test(hashes_see_every_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
