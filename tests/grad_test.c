/* The check of derivatives checked: right gradients pass, wrong ones are found and named, kinks are told from both. */
#include "graph/graph.h"
#include "support/support.h"

/* ---- ops whose way back is wrong on purpose */

static nilu_status same_shape(nilu_build *b)
{
    return graph_out(b, 0, b->in[0]->dtype, b->in[0]->shape);
}

static nilu_status sine(const nilu_call *c)
{
    for (int64_t i = 0; i < c->out[0].n; i++)
        call_put(c, 0, i, sin(call_get(c, 0, i)));
    return NILU_OK;
}

static nilu_status ramp(const nilu_call *c)
{
    for (int64_t i = 0; i < c->out[0].n; i++)
        call_put(c, 0, i, fmax(call_get(c, 0, i), 0));
    return NILU_OK;
}

static void a_little_long(nilu_back *g)
{
    g->din[0] = nilu_mul(g->dout[0], nilu_scale(nilu_cos(g->in[0]), 1.00001));
}

static void steeper_than_either_side(nilu_back *g)
{
    g->din[0] = nilu_scale(g->dout[0], 1.5);
}

static void downhill(nilu_back *g)
{
    g->din[0] = nilu_scale(g->dout[0], -0.5);
}

static void no_number(nilu_back *g)
{
    g->din[0] = nilu_scale(g->dout[0], NAN);
}

static const nilu_op long_sine = {
    .name = "long_sine", .inputs = {"x"}, .shape = same_shape, .ref = sine, .grad = a_little_long};
static const nilu_op steep_ramp = {
    .name = "steep_ramp", .inputs = {"x"}, .shape = same_shape, .ref = ramp, .grad = steeper_than_either_side};
static const nilu_op falling_ramp = {
    .name = "falling_ramp", .inputs = {"x"}, .shape = same_shape, .ref = ramp, .grad = downhill};
static const nilu_op lost_sine = {
    .name = "lost_sine", .inputs = {"x"}, .shape = same_shape, .ref = sine, .grad = no_number};

/* ---- losses of one parameter w [5], through an op */

static nilu_gradcheck_report check_through(const nilu_op *op, double value, double spread)
{
    nilu *nl = support_context(1, NULL);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_init init = {spread > 0 ? NILU_INIT_NORMAL : NILU_INIT_CONSTANT, value, spread};
    nilu_tensor *w = nilu_param(g, "w", NILU_F32, NILU_SHAPE(5), init);
    nilu_tensor *loss = nilu_named(nilu_sum(graph_node(op, 1, &w, NULL), NILU_ALL, false), "loss");
    nilu_gradcheck_report report;
    assert_ok(nl, nilu_gradcheck(loss, NULL, 0, NULL, NULL, &report));
    nilu_graph_free(g);
    nilu_free(nl);
    return report;
}

static void right_gradients_pass(void **state)
{
    (void)state;
    nilu_gradcheck_report r = check_through(graph_op("sin"), 0, 1);
    assert_int_equal(r.failed, 0);
    assert_int_equal(r.kinks, 0);
    assert_int_equal(r.checked, 5 + 1); /* elements, and a direction through all */
    assert_true(r.worst < 1e-8);
    assert_string_equal(r.text, "");
}

static void a_wrong_gradient_is_found_and_named(void **state)
{
    (void)state;
    nilu_gradcheck_report r = check_through(&long_sine, 0, 1);
    assert_int_equal(r.failed, 6);
    assert_near(r.worst, 1e-5, 1e-6);
    assert_contains(r.text, "loss: its gradient by");
    assert_contains(r.text, "expected");
    r = check_through(&lost_sine, 0, 1);
    assert_int_equal(r.failed, 6);
    assert_false(r.worst <= 1e300);
}

static void kinks_are_counted_not_failed(void **state)
{
    (void)state;
    nilu_gradcheck_report r = check_through(graph_op("relu"), 0, 0);
    assert_int_equal(r.failed, 0);
    assert_int_equal(r.kinks, 6);
    r = check_through(graph_op("floor"), 2, 0); /* a jump */
    assert_int_equal(r.failed, 0);
    assert_int_equal(r.kinks, 6);
    r = check_through(graph_op("relu"), 1e-5, 0); /* near a kink: shorter steps get by */
    assert_int_equal(r.failed + r.kinks, 0);
}

static void a_wrong_gradient_does_not_hide_in_a_kink(void **state)
{
    (void)state;
    nilu_gradcheck_report r = check_through(&steep_ramp, 0, 0);
    assert_true(r.failed >= 5); /* the slopes along a direction may lie apart enough */
    r = check_through(&falling_ramp, 0, 0);
    assert_true(r.failed >= 5);
    r = check_through(&steep_ramp, 1e-5, 0);
    assert_int_equal(r.failed, 6);
}

/* ---- a net with all that makes it hard: dropout, an optimizer's assignments, ids, f32 feeds, a store in use */

typedef struct net {
    nilu_graph *g;
    nilu_store *store;
    nilu_tensor *loss;
    float x[6 * 4];
    int32_t label[6];
    nilu_fed fed[2];
} net;

static nilu_status make_net(nilu *nl, net *t)
{
    memset(t, 0, sizeof *t);
    t->store = nilu_store_new(nl);
    t->g = nilu_graph_new(nl);
    if (!t->store || !t->g)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < 24; i++)
        t->x[i] = (float)sin(i * 1.7);
    for (int i = 0; i < 6; i++)
        t->label[i] = i % 3;
    nilu_tensor *x = nilu_input(t->g, "x", NILU_F32, NILU_SHAPE(6, 4)),
                *label = nilu_input(t->g, "label", NILU_I32, NILU_SHAPE(6));
    nilu_tensor *h = nilu_dropout(nilu_dense(x, "fc1", 7, "relu", NULL, true), 0.3);
    t->loss = nilu_named(nilu_softmax_xent(nilu_dense(h, "fc2", 3, NULL, NULL, true), label, NULL), "loss");
    t->fed[0] = (nilu_fed){"x", t->x, sizeof t->x};
    t->fed[1] = (nilu_fed){"label", t->label, sizeof t->label};
    return nilu_graph_status(t->g);
}

static void free_net(net *t)
{
    nilu_graph_free(t->g);
    nilu_store_free(t->store);
}

static void a_net_in_training_is_checked(void **state)
{
    (void)state;
    nilu *nl = support_context(3, NULL);
    net t;
    nilu_plan *plan;
    nilu_gradcheck_report r;
    char before[65], after[65];
    assert_ok(nl, make_net(nl, &t));
    assert_ok(nl, nilu_minimise(t.loss, 0, NULL, NULL, NULL, NULL));
    assert_ok(nl, nilu_compile(t.g, t.store, 1, &t.loss, NULL, &plan));
    for (int i = 0; i < 2; i++)
        assert_ok(nl, nilu_feed(plan, t.fed[i].name, t.fed[i].data, t.fed[i].bytes));
    assert_ok(nl, nilu_step(plan));
    nilu_store_hash(t.store, NILU_PARAM, before);
    assert_ok(nl, nilu_gradcheck(t.loss, t.store, 2, t.fed, NULL, &r));
    nilu_store_hash(t.store, NILU_PARAM, after);
    assert_string_equal(before, after);
    if (r.failed)
        fail_msg("%s", r.text);
    assert_int_equal(r.checked, 4 * 7 + 7 + 7 * 3 + 3 + 1);
    nilu_gradcheck_options few = NILU_GRADCHECK_DEFAULT;
    few.samples = 2;
    assert_ok(nl, nilu_gradcheck(t.loss, t.store, 2, t.fed, &few, &r));
    assert_int_equal(r.checked, 4 * 2 + 1);
    assert_int_equal(r.failed, 0);
    nilu_plan_free(plan);
    free_net(&t);
    nilu_free(nl);
}

static void mistakes_are_refused(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    net t;
    nilu_gradcheck_report r;
    assert_ok(nl, make_net(nl, &t));
    nilu_fed wrong[2] = {t.fed[0], {"labels", t.label, sizeof t.label}};
    assert_int_equal(nilu_gradcheck(t.loss, t.store, 2, wrong, NULL, &r), NILU_E_NAME);
    assert_contains(nilu_errmsg(nl), "labels");
    wrong[1] = (nilu_fed){"label", t.label, 3};
    assert_int_equal(nilu_gradcheck(t.loss, t.store, 2, wrong, NULL, &r), NILU_E_SHAPE);
    assert_int_equal(nilu_gradcheck(t.loss, t.store, 1, t.fed, NULL, &r), NILU_E_USAGE); /* label is not fed */
    assert_contains(nilu_errmsg(nl), "label");
    assert_int_equal(nilu_gradcheck(NULL, NULL, 0, NULL, NULL, &r), NILU_E_GRAPH);
    nilu_gradcheck_options o = {0};
    assert_int_equal(nilu_gradcheck(t.loss, t.store, 2, t.fed, &o, &r), NILU_E_USAGE);
    assert_int_equal(nilu_gradcheck_op(nl, "tanh", &o, &r), NILU_E_USAGE);
    assert_int_equal(nilu_gradcheck_op(nl, "tanhh", NULL, &r), NILU_E_NAME);
    assert_contains(nilu_errmsg(nl), "did you mean \"tanh\"?");
    o = (nilu_gradcheck_options)NILU_GRADCHECK_DEFAULT;
    o.only = "nowhere";
    assert_int_equal(nilu_gradcheck_op(nl, "tanh", &o, &r), NILU_E_NAME);
    free_net(&t);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_tensor *w = nilu_param(g, "w", NILU_BF16, NILU_SHAPE(3), (nilu_init){NILU_INIT_CONSTANT, 1, 0});
    assert_int_equal(nilu_gradcheck(nilu_sum(w, NILU_ALL, false), NULL, 0, NULL, NULL, &r), NILU_E_DTYPE);
    assert_contains(nilu_errmsg(nl), "bf16");
    nilu_graph_free(g);
    nilu_free(nl);
}

static void an_op_is_checked_by_its_cases(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_gradcheck_report r;
    nilu_gradcheck_options o = NILU_GRADCHECK_DEFAULT;
    o.only = "scalar";
    assert_ok(nl, nilu_gradcheck_op(nl, "tanh", &o, &r));
    assert_int_equal(r.cases, 1);
    assert_int_equal(r.failed, 0);
    assert_int_equal(r.checked, (1 + 1) + (1 + 2) + 1); /* x; x and dz of the second order; J and its transpose */
    assert_ok(nl, nilu_gradcheck_op(nl, "argmax", NULL, &r));
    assert_int_equal(r.cases, 0);
    int ops = 0;
    while (nilu_op_name(ops))
        ops++;
    assert_int_equal(ops, (int)graph_op_count());
    assert_null(nilu_op_name(-1));
    nilu_free(nl);
}

/* ---- memory that runs out */

static nilu_status check_net(nilu *nl, void *user)
{
    (void)user;
    net t;
    nilu_gradcheck_report r;
    nilu_gradcheck_options few = NILU_GRADCHECK_DEFAULT;
    few.samples = 1;
    nilu_status status = make_net(nl, &t);
    if (status == NILU_OK)
        status = nilu_gradcheck(t.loss, t.store, 2, t.fed, &few, &r);
    free_net(&t);
    return status;
}

static nilu_status check_op(nilu *nl, void *user)
{
    (void)user;
    nilu_gradcheck_report r;
    nilu_gradcheck_options o = NILU_GRADCHECK_DEFAULT;
    o.samples = 1;
    o.only = "a row over a matrix";
    return nilu_gradcheck_op(nl, "mul", &o, &r);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    support_fail_each(1, check_net, NULL);
    support_fail_each(1, check_op, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_gradients_pass),          cmocka_unit_test(a_wrong_gradient_is_found_and_named),
        cmocka_unit_test(kinks_are_counted_not_failed),  cmocka_unit_test(a_wrong_gradient_does_not_hide_in_a_kink),
        cmocka_unit_test(a_net_in_training_is_checked),  cmocka_unit_test(mistakes_are_refused),
        cmocka_unit_test(an_op_is_checked_by_its_cases), cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
