/* Scenes and other worlds: the parts add up, the errors are slopes, and a change that was made is the change that is seen. */
#include "support/support.h"

#include "base/base.h"

/* A model with weights of its own, as training would leave it. */
typedef struct net {
    nilu *nl;
    nilu_model *model;
    nilu_store *store;
    int64_t features, outputs;
} net;

static net make(uint64_t seed, const char *chain, int64_t features, int64_t outputs)
{
    nilu_options o = NILU_OPTIONS_DEFAULT;
    o.seed = seed;
    net n = {.nl = nilu_new(&o, NULL), .features = features, .outputs = outputs};
    assert_ok(n.nl, nilu_model_chain(n.nl, chain, &n.model));
    n.store = nilu_store_new(n.nl);
    nilu_graph *g = nilu_graph_new(n.nl);
    nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(1, features)), *y;
    nilu_plan *plan;
    assert_ok(n.nl, nilu_model_build(n.model, x, outputs, false, &y));
    assert_ok(n.nl, nilu_compile(g, n.store, 1, &y, NULL, &plan));
    nilu_plan_free(plan);
    nilu_graph_free(g);
    for (int i = 0; i < nilu_store_count(n.store); i++) { /* biases that are not all zero */
        const nilu_value *v = nilu_store_at(n.store, i);
        float *w = v->data;
        for (size_t k = 0; v->shape.rank == 1 && k < v->bytes / sizeof *w; k++)
            w[k] = (float)(0.3 * base_normal((base_key){seed, 77 + (uint64_t)i}, k));
    }
    return n;
}

static void drop(net *n)
{
    nilu_store_free(n->store);
    nilu_model_free(n->model);
    nilu_free(n->nl);
}

static void sample(const net *n, uint64_t which, float *x)
{
    for (int64_t i = 0; i < n->features; i++)
        x[i] = (float)base_normal((base_key){which, 5}, (uint64_t)i);
}

static void parts_add_up(void **state)
{
    (void)state;
    static const char *const chains[] = {"16 relu", "12 leaky_relu, 9 relu", "20 relu bias=false, 7 linear, 11 relu", "dense auto"};
    double worst[2] = {0, 0};
    for (int c = 0; c < 4; c++)
        for (int seed = 0; seed < 10; seed++) {
            net n = make((uint64_t)seed, chains[c], 13, 5);
            for (int wide = 0; wide < 2; wide++) {
                nilu_scene_options o = NILU_SCENE_DEFAULT;
                o.dtype = wide ? NILU_F64 : NILU_F32;
                nilu_scene *s;
                assert_ok(n.nl, nilu_scene_new(n.nl, n.model, n.store, n.features, n.outputs, &o, &s));
                for (int k = 0; k < 25; k++) {
                    float x[13];
                    nilu_conservation sum;
                    sample(&n, (uint64_t)(seed * 100 + k), x);
                    assert_ok(n.nl, nilu_scene_look(s, x, k % 5, NULL, -1));
                    nilu_verdict v;
                    nilu_scene_verdict(s, &v);
                    assert_true(v.rival != v.accused && (v.rival == v.label || v.accused == v.label));
                    assert_near(v.gap, v.y[v.accused] - v.y[v.rival], 1e-6);
                    nilu_scene_conservation(s, &sum);
                    double off = fabs(sum.residual) / fmax(fabs(sum.gap), 0.1);
                    worst[wide] = fmax(worst[wide], off);
                    if (!(off <= (wide ? 1e-12 : 1e-5)))
                        fail_msg("%s, seed %d, sample %d: gap %.17g, residual %g", chains[c], seed, k, sum.gap, sum.residual);
                }
                nilu_scene_free(s);
            }
            drop(&n);
        }
    print_message("1,000 cases each: worst residual %.2g of the gap in f32, %.2g in f64\n", worst[0], worst[1]);
}

static void errors_are_slopes(void **state)
{
    (void)state;
    net n = make(3, "9 tanh, 8 gelu, 6 sigmoid", 7, 4);
    nilu_scene *s;
    assert_ok(n.nl, nilu_scene_new(n.nl, n.model, n.store, n.features, n.outputs, NULL, &s));
    float x[7];
    sample(&n, 1, x);
    assert_ok(n.nl, nilu_scene_look(s, x, 2, NULL, -1));
    double slope[2][7];
    for (int start = 0; start < 2; start++)
        memcpy(slope[start], nilu_scene_error(s, start), sizeof slope[start]);
    nilu_verdict v;
    nilu_scene_verdict(s, &v);
    int accused = v.accused;
    for (int i = 0; i < 7; i++) {
        double side[2][2], at[2];
        for (int k = 0; k < 2; k++) {
            float moved[7];
            memcpy(moved, x, sizeof x);
            moved[i] += k ? 1e-3f : -1e-3f;
            at[k] = (double)moved[i];
            assert_ok(n.nl, nilu_scene_look(s, moved, 2, NULL, accused));
            nilu_scene_verdict(s, &v);
            side[0][k] = v.loss;
            side[1][k] = v.gap;
        }
        for (int start = 0; start < 2; start++)
            assert_near(slope[start][i], (side[start][1] - side[start][0]) / (at[1] - at[0]), 2e-6);
    }
    nilu_scene_free(s);
    drop(&n);
}

static void layers_hand_on_the_error(void **state)
{
    (void)state;
    net n = make(4, "9 tanh, dropout 0.3, 8 relu", 7, 4);
    nilu_scene *s;
    assert_ok(n.nl, nilu_scene_new(n.nl, n.model, n.store, n.features, n.outputs, NULL, &s));
    float x[7];
    sample(&n, 9, x);
    assert_ok(n.nl, nilu_scene_look(s, x, 1, NULL, -1));
    assert_int_equal(nilu_scene_layers(s), 3);
    static const char *const names[] = {"fc1", "fc2", "fc3"}, *const acts[] = {"tanh", "relu", ""};
    for (int i = 0; i < 3; i++) {
        nilu_layer_view l, next;
        for (int start = 0; start < 2; start++) {
            assert_true(nilu_scene_layer(s, i, start, &l));
            assert_string_equal(l.name, names[i]);
            assert_string_equal(l.activation, acts[i]);
            for (int64_t j = 0; j < l.out; j++) {
                double z = l.bias[j];
                for (int64_t k = 0; k < l.in; k++)
                    z += l.x[k] * l.weight[k * l.out + j];
                assert_near(l.z[j], z, 1e-14);
                assert_near(l.delta[j], l.received[j] * l.slope[j], 1e-15);
                double slope = i == 0 ? 1 - tanh(z) * tanh(z) : i == 1 ? z > 0 : 1;
                assert_near(l.slope[j], slope, 1e-14);
            }
            if (nilu_scene_layer(s, i + 1, start, &next))
                for (int64_t j = 0; j < l.out; j++)
                    assert_near(l.received[j], next.passed[j], 1e-14);
        }
    }
    assert_true(nilu_scene_layer(s, 0, NILU_FROM_LOSS, &(nilu_layer_view){0}));
    nilu_layer_view first;
    nilu_scene_layer(s, 0, NILU_FROM_LOSS, &first);
    for (int i = 0; i < 7; i++)
        assert_near(first.passed[i], nilu_scene_error(s, NILU_FROM_LOSS)[i], 1e-14);
    nilu_scene_free(s);
    drop(&n);
}

/* Changing a weight for good and nudging its sum by what that changes must give one answer. */
static void other_worlds_are_true(void **state)
{
    (void)state;
    net n = make(5, "9 relu, 8 tanh", 7, 4);
    nilu_whatif *w;
    nilu_scene *s;
    assert_ok(n.nl, nilu_whatif_new(n.nl, n.model, n.store, n.features, n.outputs, 4, &w));
    assert_ok(n.nl, nilu_scene_new(n.nl, n.model, n.store, n.features, n.outputs, NULL, &s));
    float x[7];
    sample(&n, 2, x);
    assert_ok(n.nl, nilu_scene_look(s, x, 0, NULL, -1));
    nilu_layer_view l;
    nilu_verdict v;
    assert_true(nilu_scene_layer(s, 1, NILU_FROM_LOSS, &l));
    nilu_whatif_reset(w, x);
    assert_ok(n.nl, nilu_whatif_hold(w, 1, 0, 3, 0));
    assert_ok(n.nl, nilu_whatif_nudge(w, 2, 1, 5, -2 * l.weight[4 * 8 + 5] * l.x[4]));
    nilu_whatif_x(w, 3)[6] = 4;
    assert_ok(n.nl, nilu_whatif_run(w));
    nilu_scene_verdict(s, &v);
    for (int k = 0; k < 4; k++)
        assert_near((double)nilu_whatif_y(w, 0)[k], v.y[k], 1e-6);
    float *weight = nilu_store_find(n.store, "fc2/weight")->data;
    nilu_scene *after;
    weight[4 * 8 + 5] *= -1;
    assert_ok(n.nl, nilu_scene_new(n.nl, n.model, n.store, n.features, n.outputs, NULL, &after));
    assert_ok(n.nl, nilu_scene_look(after, x, 0, NULL, -1));
    nilu_scene_verdict(after, &v);
    for (int k = 0; k < 4; k++)
        assert_near((double)nilu_whatif_y(w, 2)[k], v.y[k], 1e-6);
    weight[4 * 8 + 5] *= -1;
    for (int k = 0; k < 8; k++) /* a neuron that puts out nothing is one whose way out is cut */
        weight[3 * 8 + k] = 0;
    nilu_scene_free(after);
    assert_ok(n.nl, nilu_scene_new(n.nl, n.model, n.store, n.features, n.outputs, NULL, &after));
    assert_ok(n.nl, nilu_scene_look(after, x, 0, NULL, -1));
    nilu_scene_verdict(after, &v);
    for (int k = 0; k < 4; k++)
        assert_near((double)nilu_whatif_y(w, 1)[k], v.y[k], 1e-6);
    x[6] = 4;
    assert_ok(n.nl, nilu_scene_look(s, x, 0, NULL, -1));
    nilu_scene_verdict(s, &v);
    for (int k = 0; k < 4; k++)
        assert_near((double)nilu_whatif_y(w, 3)[k], v.y[k], 1e-6);
    assert_int_equal(nilu_whatif_hold(w, 4, 0, 0, 0), NILU_E_RANGE);
    assert_contains(nilu_errmsg(n.nl), "there is no such place");
    nilu_scene_free(after);
    nilu_scene_free(s);
    nilu_whatif_free(w);
    drop(&n);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    net n = make(6, "9 relu", 7, 4), other = make(6, "9 relu, 9 relu", 7, 4);
    nilu_scene *s;
    float x[7] = {0};
    assert_int_equal(nilu_scene_new(n.nl, other.model, n.store, 7, 4, NULL, &s), NILU_E_SHAPE);
    nilu_model_free(other.model);
    assert_ok(n.nl, nilu_model_chain(n.nl, "9 relu name=hidden", &other.model));
    assert_int_equal(nilu_scene_new(n.nl, other.model, n.store, 7, 4, NULL, &s), NILU_E_MODEL);
    assert_contains(nilu_errmsg(n.nl), "hidden/weight: the trained weights do not hold it");
    assert_int_equal(nilu_scene_new(n.nl, n.model, n.store, 0, 4, NULL, &s), NILU_E_USAGE);
    assert_ok(n.nl, nilu_scene_new(n.nl, n.model, n.store, 7, 4, NULL, &s));
    assert_int_equal(nilu_scene_look(s, x, 4, NULL, -1), NILU_E_RANGE);
    assert_int_equal(nilu_scene_look(s, x, 3, NULL, 4), NILU_E_RANGE);
    nilu_scene_free(s);
    nilu_model_free(other.model);
    nilu_store_free(other.store);
    drop(&n);
    nilu_free(other.nl);
}

static nilu_status look_once(nilu *nl, void *user)
{
    const net *n = user;
    float x[7] = {1, 2, 3};
    nilu_model *model = NULL;
    nilu_scene *s = NULL;
    nilu_whatif *w = NULL;
    nilu_status status = nilu_model_chain(nl, "9 relu", &model);
    if (status == NILU_OK)
        status = nilu_scene_new(nl, model, n->store, 7, 4, NULL, &s);
    if (status == NILU_OK)
        status = nilu_scene_look(s, x, 1, NULL, -1);
    if (status == NILU_OK)
        status = nilu_whatif_new(nl, model, n->store, 7, 4, 3, &w);
    nilu_whatif_free(w);
    nilu_scene_free(s);
    nilu_model_free(model);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    net n = make(7, "9 relu", 7, 4);
    support_fail_each(1, look_once, &n);
    drop(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_add_up),          cmocka_unit_test(errors_are_slopes), cmocka_unit_test(layers_hand_on_the_error),
        cmocka_unit_test(other_worlds_are_true), cmocka_unit_test(mistakes_are_named), cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("forensics", tests, NULL, NULL);
}
