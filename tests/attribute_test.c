/* What spoke for an answer: the shares of every feature agree with Captum's (recorded by script/golden), add up where they
 * should, and occlusion is what the changed worlds say. */
#include "support/support.h"

#include "base/base.h"

#include <jansson.h>

static json_t *file;
static int failures;

static double number(const json_t *list, size_t i)
{
    return json_number_value(json_array_get(list, i));
}

/* A net of the file as a model with weights. */
static void open_net(nilu *nl, const json_t *row, nilu_model **model, nilu_store **store)
{
    const json_t *sizes = json_object_get(row, "sizes"), *params = json_object_get(row, "params");
    const char *f = json_string_value(json_object_get(row, "activation"));
    char chain[512] = "";
    *store = nilu_store_new(nl);
    for (size_t i = 0; i < json_array_size(params); i++) {
        const json_t *pair = json_array_get(params, i), *bias = json_array_get(pair, 1);
        int64_t shape[2] = {(int64_t)number(sizes, i), (int64_t)number(sizes, i + 1)};
        bool last = i + 1 == json_array_size(params);
        snprintf(chain + strlen(chain), sizeof chain - strlen(chain), "%s%lld %s name=fc%d%s", i ? ", " : "",
                 (long long)shape[1], last ? "linear" : f, (int)i + 1, json_is_null(bias) ? " bias=false" : "");
        for (int kind = 0; kind < 2; kind++) {
            const json_t *list = json_array_get(pair, (size_t)kind);
            char name[32];
            float values[1024];
            snprintf(name, sizeof name, "fc%d/%s", (int)i + 1, kind ? "bias" : "weight");
            assert_true(json_array_size(list) <= COUNT(values));
            for (size_t k = 0; k < json_array_size(list); k++)
                values[k] = (float)number(list, k);
            if (!json_is_null(list))
                assert_ok(nl, nilu_store_put(*store, NILU_PARAM, name, NILU_F32,
                                             kind ? NILU_SHAPE(shape[1]) : NILU_SHAPE(shape[0], shape[1]), values));
        }
    }
    assert_ok(nl, nilu_model_chain(nl, chain, model));
}

static void compare(const char *net, const char *what, bool wide, const double *got, const json_t *want, double *worst)
{
    double top = 0;
    for (size_t i = 0; i < json_array_size(want); i++)
        top = fmax(top, fabs(number(want, i)));
    for (size_t i = 0; i < json_array_size(want); i++) {
        double off = fabs(got[i] - number(want, i)) / (wide ? fmax(fabs(number(want, i)), top / 1000) : top);
        *worst = fmax(*worst, off);
        if (!(off <= (wide ? 1e-10 : 1e-4)) && failures++ < 20)
            print_error("%s, %s, %s [%d]: got %.17g, want %.17g\n", net, what, wide ? "f64" : "f32", (int)i, got[i],
                        number(want, i));
    }
}

static void judge_output(nilu *nl, nilu_attributor *a, const json_t *row, const json_t *one, const float *x, bool wide,
                         double *worst)
{
    const char *net = json_string_value(json_object_get(row, "net"));
    int output = (int)json_integer_value(json_object_get(one, "output"));
    double part[64], y = json_number_value(json_object_get(one, "y"));
    for (int m = 0; m < NILU_OCCLUSION; m++) {
        const json_t *want = json_object_get(one, nilu_method_name(m));
        nilu_attribution sum;
        if (!want)
            continue;
        assert_ok(nl, nilu_attribute(a, m, x, output, -1, part, &sum));
        compare(net, nilu_method_name(m), wide, part, want, worst);
        assert_near(sum.gap, y, wide ? 1e-12 : 1e-5);
        /* Captum's delta is sum - (y(x) - y(baseline)), the negative of what is missing. */
        if (m == NILU_INTEGRATED)
            assert_near(sum.residual, -json_number_value(json_object_get(one, "delta")), wide ? 1e-12 : 1e-5);
    }
}

static void captum_agrees(void **state)
{
    (void)state;
    char path[512];
    json_error_t e;
    double worst[2] = {0, 0};
    snprintf(path, sizeof path, "%s/tests/golden/attributions.json", NILU_SOURCE_DIR);
    file = json_load_file(path, JSON_REJECT_DUPLICATES, &e);
    if (!file)
        fail_msg("%s:%d: %s", path, e.line, e.text);
    const json_t *nets = json_object_get(file, "nets");
    assert_true(json_array_size(nets) >= 12);
    for (size_t n = 0; n < json_array_size(nets); n++)
        for (int wide = 0; wide < 2; wide++) {
            const json_t *row = json_array_get(nets, n), *xs = json_object_get(row, "x"),
                         *bs = json_object_get(row, "baseline");
            nilu *nl = support_context(1, NULL);
            nilu_model *model;
            nilu_store *store;
            nilu_attributor *a;
            float x[64], baseline[64];
            open_net(nl, row, &model, &store);
            for (size_t i = 0; i < json_array_size(xs); i++) {
                x[i] = (float)number(xs, i);
                baseline[i] = (float)number(bs, i);
            }
            nilu_attribute_options o = NILU_ATTRIBUTE_DEFAULT;
            o.dtype = wide ? NILU_F64 : NILU_F32;
            o.steps = (int)json_integer_value(json_object_get(file, "points"));
            o.epsilon = json_number_value(json_object_get(file, "epsilon"));
            o.baseline = baseline;
            const json_t *sizes = json_object_get(row, "sizes"), *outputs = json_object_get(row, "outputs");
            assert_ok(nl, nilu_attributor_new(nl, model, store, (int64_t)number(sizes, 0),
                                              (int64_t)number(sizes, json_array_size(sizes) - 1), &o, &a));
            for (size_t k = 0; k < json_array_size(outputs); k++)
                judge_output(nl, a, row, json_array_get(outputs, k), x, wide, &worst[wide]);
            nilu_attributor_free(a);
            nilu_store_free(store);
            nilu_model_free(model);
            nilu_free(nl);
        }
    json_decref(file);
    print_message("worst of 12 nets: %.2g in f64, %.2g in f32\n", worst[1], worst[0]);
    assert_int_equal(failures, 0);
}

/* ---- on pictures: convolutions, pools, a batch norm and a road past it, against Captum with the same noise */

static void open_pictures(nilu *nl, const json_t *row, nilu_model **model, nilu_store **store)
{
    const char *name;
    json_t *param;
    float values[1024];
    *store = nilu_store_new(nl);
    json_object_foreach(json_object_get(row, "params"), name, param)
    {
        const json_t *at = json_object_get(param, "at"), *dims = json_object_get(param, "shape");
        nilu_shape shape = {.rank = (int)json_array_size(dims)};
        assert_true(json_array_size(at) <= COUNT(values));
        for (int d = 0; d < shape.rank; d++)
            shape.dim[d] = (int64_t)number(dims, (size_t)d);
        for (size_t i = 0; i < json_array_size(at); i++)
            values[i] = (float)number(at, i);
        assert_ok(nl, nilu_store_put(*store, NILU_PARAM, name, NILU_F32, shape, values));
    }
    assert_ok(nl, nilu_model_from_text(nl, json_string_value(json_object_get(row, "yaml")), "golden", model));
}

static void captum_agrees_on_pictures(void **state)
{
    (void)state;
    char path[512];
    json_error_t e;
    double worst[2] = {0, 0};
    snprintf(path, sizeof path, "%s/tests/golden/picture_attributions.json", NILU_SOURCE_DIR);
    json_t *all = json_load_file(path, JSON_REJECT_DUPLICATES, &e);
    if (!all)
        fail_msg("%s:%d: %s", path, e.line, e.text);
    const json_t *nets = json_object_get(all, "nets");
    assert_int_equal(json_array_size(nets), 2);
    for (size_t n = 0; n < 2; n++)
        for (int wide = 0; wide < 2; wide++) {
            const json_t *row = json_array_get(nets, n), *size = json_object_get(row, "size"), *xs = json_object_get(row, "x");
            const char *net = json_string_value(json_object_get(row, "net"));
            const int64_t features = (int64_t)json_array_size(xs);
            nilu *nl = support_context(1, NULL);
            nilu_model *model;
            nilu_store *store;
            nilu_attributor *a;
            float x[256];
            double part[256];
            open_pictures(nl, row, &model, &store);
            for (int64_t i = 0; i < features; i++)
                x[i] = (float)number(xs, (size_t)i);
            nilu_attribute_options o = NILU_ATTRIBUTE_DEFAULT;
            o.dtype = wide ? NILU_F64 : NILU_F32;
            o.steps = 1;
            o.epsilon = json_number_value(json_object_get(all, "epsilon"));
            o.copies = (int)json_integer_value(json_object_get(all, "copies"));
            o.noise = json_number_value(json_object_get(all, "noise"));
            o.seed = (uint64_t)json_integer_value(json_object_get(all, "seed"));
            o.layer = json_string_value(json_object_get(row, "camera"));
            o.channels = (int)number(size, 0);
            o.height = (int)number(size, 1);
            o.width = (int)number(size, 2);
            o.planes = true;
            assert_ok(nl, nilu_attributor_new(nl, model, store, features, 3, &o, &a));
            for (size_t k = 0; k < 3; k++) {
                const json_t *one = json_array_get(json_object_get(row, "outputs"), k);
                for (int m = 0; m < NILU_METHODS; m++) {
                    const json_t *want = json_object_get(one, nilu_method_name(m));
                    nilu_attribution sum;
                    if (!want)
                        continue;
                    assert_ok(nl, nilu_attribute(a, m, x, (int)k, -1, part, &sum));
                    assert_near(sum.gap, json_number_value(json_object_get(one, "y")), wide ? 1e-12 : 1e-5);
                    /* Captum adds its epsilon behind pools, too; Grad-CAM's maps are f32 */
                    const bool loose = m == NILU_LRP || m == NILU_GRAD_CAM;
                    if (!loose)
                        compare(net, nilu_method_name(m), wide, part, want, &worst[wide]);
                    for (size_t i = 0; i < json_array_size(want) && loose; i++)
                        assert_near(m == NILU_LRP ? part[i] : part[i] * o.channels, number(want, i), 1e-5);
                }
            }
            nilu_attributor_free(a);
            nilu_store_free(store);
            nilu_model_free(model);
            nilu_free(nl);
        }
    json_decref(all);
    print_message("worst on pictures: %.2g in f64, %.2g in f32\n", worst[1], worst[0]);
    assert_int_equal(failures, 0);
}

/* ---- properties, on a net with a side road */

typedef struct net {
    nilu *nl;
    nilu_model *model;
    nilu_store *store;
} net;

static const char yaml[] = "layers:\n- 12 relu name=a\n- 12 relu name=b\n- add from=a,b name=c\n- 9 relu name=d\n";

static net make(nilu *nl, const char *text)
{
    net n = {.nl = nl};
    nilu_plan *plan;
    nilu_tensor *y;
    assert_ok(nl, nilu_model_from_text(nl, text, "test", &n.model));
    nilu_graph *g = nilu_graph_new(nl);
    nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(1, 7));
    n.store = nilu_store_new(nl);
    assert_ok(nl, nilu_model_build(n.model, x, 4, false, &y));
    assert_ok(nl, nilu_compile(g, n.store, 1, &y, NULL, &plan));
    nilu_plan_free(plan);
    nilu_graph_free(g);
    return n;
}

static void parts_add_up(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    net n = make(nl, yaml); /* biases are 0: nothing of the gap is theirs */
    nilu_attributor *a;
    nilu_attribute_options o = NILU_ATTRIBUTE_DEFAULT;
    o.dtype = NILU_F64;
    o.steps = 300;
    assert_ok(nl, nilu_attributor_new(nl, n.model, n.store, 7, 4, &o, &a));
    for (int c = 0; c < 20; c++) {
        float x[7];
        double part[NILU_METHODS][7], one[7], other[7];
        nilu_attribution sum;
        for (int i = 0; i < 7; i++)
            x[i] = (float)base_normal((base_key){9, (uint64_t)c}, (uint64_t)i);
        for (int m = 0; m < NILU_GRAD_CAM; m++) {
            assert_ok(nl, nilu_attribute(a, m, x, 2, 1, part[m], &sum));
            static const double close[] = {1e-12, 1e-2, 1e-6, INFINITY, INFINITY, INFINITY}; /* a path over kinks converges slowly */
            if (!(fabs(sum.residual) <= close[m] * fmax(fabs(sum.gap), 0.1)))
                fail_msg("case %d, %s: gap %g, residual %g", c, nilu_method_name(m), sum.gap, sum.residual);
            /* against a rival is the same as one less the other */
            assert_ok(nl, nilu_attribute(a, m, x, 2, -1, one, NULL));
            assert_ok(nl, nilu_attribute(a, m, x, 1, -1, other, NULL));
            for (int i = 0; i < 7 && m != NILU_SALIENCY; i++)
                assert_near(part[m][i], one[i] - other[i], 1e-6);
        }
        for (int i = 0; i < 7; i++) /* where nothing bends and nothing is added, relevance is gradient x input */
            assert_near(part[NILU_LRP][i], part[NILU_GRADIENT_INPUT][i], 1e-6);
    }
    nilu_attributor_free(a);
    nilu_store_free(n.store);
    nilu_model_free(n.model);
    nilu_free(nl);
}

static void occlusion_is_measured(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    net n = make(nl, yaml);
    nilu_attributor *a;
    nilu_scene *s;
    nilu_verdict v;
    float baseline[7] = {0.5f, -1, 0, 0.25f, 2, 1, 0}, x[7] = {1, 2, 0, -1, 2, 0.5f, 3};
    double part[7], gap;
    nilu_attribute_options o = NILU_ATTRIBUTE_DEFAULT;
    o.baseline = baseline;
    assert_ok(nl, nilu_attributor_new(nl, n.model, n.store, 7, 4, &o, &a));
    assert_ok(nl, nilu_attribute(a, NILU_OCCLUSION, x, 0, 3, part, NULL));
    assert_ok(nl, nilu_scene_new(nl, n.model, n.store, 7, 4, NULL, &s));
    assert_ok(nl, nilu_scene_look(s, x, 3, NULL, 0));
    nilu_scene_verdict(s, &v);
    gap = v.gap;
    for (int i = 0; i < 7; i++) {
        float moved[7];
        memcpy(moved, x, sizeof x);
        moved[i] = baseline[i];
        assert_ok(nl, nilu_scene_look(s, moved, 3, NULL, 0));
        nilu_scene_verdict(s, &v);
        assert_near(part[i], gap - v.gap, 1e-5);
    }
    assert_true(part[2] == 0 && part[4] == 0); /* as the baseline has them */
    nilu_scene_free(s);
    assert_int_equal(nilu_attribute(a, NILU_LRP, x, 4, -1, part, NULL), NILU_E_RANGE);
    assert_int_equal(nilu_attribute(a, NILU_METHODS, x, 0, -1, part, NULL), NILU_E_RANGE);
    nilu_attributor_free(a);
    o.steps = 0;
    assert_int_equal(nilu_attributor_new(nl, n.model, n.store, 7, 4, &o, &a), NILU_E_USAGE);
    assert_null(a);
    o.size = 1;
    assert_int_equal(nilu_attributor_new(nl, n.model, n.store, 7, 4, &o, &a), NILU_E_USAGE);
    nilu_store_free(n.store);
    nilu_model_free(n.model);
    nilu_free(nl);
}

static const char maps[] = "input: [2, 6, 5]\nlayers:\n- conv 3 3 relu padding=same name=c1\n- pool max 2 stride=1 name=p1\n"
                           "- conv 4 2 name=c2\n- batchnorm name=n2\n- relu name=r2\n- pool avg global\n- dense 3 name=fc\n";

/* On maps, by what the methods say of themselves: the channel that alone is read, and slopes known by differences. */
static void pictures_are_looked_at(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_model *model;
    nilu_plan *plan;
    nilu_tensor *y;
    nilu_attributor *a;
    assert_ok(nl, nilu_model_from_text(nl, maps, "test", &model));
    nilu_graph *g = nilu_graph_new(nl);
    nilu_store *store = nilu_store_new(nl);
    assert_ok(nl, nilu_model_build(model, nilu_input(g, "x", NILU_F32, NILU_SHAPE(1, 2, 6, 5)), 3, false, &y));
    assert_ok(nl, nilu_compile(g, store, 1, &y, NULL, &plan));
    nilu_plan_free(plan);
    nilu_graph_free(g);
    float x[60], moved[60];
    double slope[60], smooth[60], sum[60] = {0}, cam[60], lrp[60], product[60];
    nilu_attribution up, down;
    nilu_attribute_options o = NILU_ATTRIBUTE_DEFAULT;
    o.dtype = NILU_F64;
    o.steps = 2;
    o.copies = 5; /* more than a run has rows */
    o.noise = 0.1;
    o.seed = 3;
    o.height = 6;
    o.width = 5;
    o.channels = 2;
    o.planes = true;
    float low = INFINITY, high = -INFINITY;
    for (int i = 0; i < 60; i++) {
        x[i] = (float)base_normal((base_key){11, 0}, (uint64_t)i);
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    assert_ok(nl, nilu_attributor_new(nl, model, store, 60, 3, &o, &a));
    assert_ok(nl, nilu_attribute(a, NILU_SALIENCY, x, 1, 2, slope, NULL));
    assert_ok(nl, nilu_attribute(a, NILU_LRP, x, 1, 2, lrp, NULL));
    assert_ok(nl, nilu_attribute(a, NILU_GRADIENT_INPUT, x, 1, 2, product, NULL));
    for (int i = 0; i < 60; i++) {
        memcpy(moved, x, sizeof x);
        moved[i] = x[i] + 0x1p-14f;
        assert_ok(nl, nilu_attribute(a, NILU_SALIENCY, moved, 1, 2, cam, &up));
        float above = moved[i];
        moved[i] = x[i] - 0x1p-14f;
        assert_ok(nl, nilu_attribute(a, NILU_SALIENCY, moved, 1, 2, cam, &down));
        assert_near(slope[i], fabs((up.gap - down.gap) / ((double)above - (double)moved[i])), 1e-4);
        assert_near(lrp[i], product[i], 1e-6); /* relu alone bends here, and what is added to sums is no relevance */
    }
    /* SmoothGrad: the mean over copies whose noise is said in nilu.h */
    assert_ok(nl, nilu_attribute(a, NILU_SMOOTH, x, 1, 2, smooth, NULL));
    for (int c = 0; c < 5; c++) {
        double noisy[60];
        for (int i = 0; i < 60; i++) {
            noisy[i] = (double)x[i] + 0.1 * ((double)high - (double)low) * base_normal((base_key){3, base_hash_text("smooth_grad")}, (uint64_t)(c * 60 + i));
            moved[i] = (float)noisy[i];
        }
        assert_ok(nl, nilu_attribute(a, NILU_GRADIENT_INPUT, moved, 1, 2, product, NULL));
        for (int i = 0; i < 60; i++)
            sum[i] += product[i] / (double)moved[i] / 5;
    }
    for (int i = 0; i < 60; i++)
        assert_near(smooth[i], sum[i], 1e-4);
    /* Grad-CAM of the layer before the mean over places: with all errors of a channel alike, it is the gap's own sum. */
    assert_ok(nl, nilu_attribute(a, NILU_GRAD_CAM, x, 1, 2, cam, &up));
    double total = 0;
    for (int i = 0; i < 30; i++) {
        assert_true(cam[i] >= 0);
        assert_near(cam[i], cam[30 + i], 0); /* channels share a pixel's number */
        total += cam[i];
    }
    assert_true(total > 0);
    assert_ok(nl, nilu_attribute(a, NILU_GRAD_CAM, x, 2, 1, smooth, NULL)); /* what spoke against it is shown when that is asked */
    int top = 0;
    for (int i = 0; i < 30; i++)
        top = cam[i] > cam[top] ? i : top;
    assert_true(smooth[top] < cam[top]);
    nilu_attributor_free(a);
    o.layer = "fc";
    assert_ok(nl, nilu_attributor_new(nl, model, store, 60, 3, &o, &a));
    assert_int_equal(nilu_attribute(a, NILU_GRAD_CAM, x, 1, 2, cam, NULL), NILU_E_UNSUPPORTED);
    assert_contains(nilu_errmsg(nl), "gives no maps");
    nilu_attributor_free(a);
    o.layer = "c9";
    assert_ok(nl, nilu_attributor_new(nl, model, store, 60, 3, &o, &a));
    assert_int_equal(nilu_attribute(a, NILU_GRAD_CAM, x, 1, 2, cam, NULL), NILU_E_NAME);
    assert_contains(nilu_errmsg(nl), "c1, p1, c2, n2, r2");
    nilu_attributor_free(a);
    nilu_store_free(store);
    nilu_model_free(model);
    nilu_free(nl);
}

static nilu_status ask_all(nilu *nl, void *user)
{
    const nilu_store *store = user;
    nilu_model *model = NULL;
    nilu_attributor *a = NULL;
    float x[7] = {1, 2, 3};
    double part[7];
    nilu_attribute_options o = NILU_ATTRIBUTE_DEFAULT;
    o.steps = 2;
    nilu_status status = nilu_model_chain(nl, "9 relu", &model);
    if (status == NILU_OK)
        status = nilu_attributor_new(nl, model, store, 7, 4, &o, &a);
    for (int m = 0; m < NILU_GRAD_CAM && status == NILU_OK; m++)
        status = nilu_attribute(a, m, x, 0, 1, part, NULL);
    nilu_attributor_free(a);
    nilu_model_free(model);
    return status;
}

/* Of maps, by the ways that they alone have; who could not be asked can be asked again. */
static nilu_status ask_maps(nilu *nl, void *user)
{
    nilu_model *model = NULL;
    nilu_attributor *a = NULL;
    float x[60] = {1, 2, 3};
    double part[60];
    nilu_attribute_options o = NILU_ATTRIBUTE_DEFAULT;
    o.copies = 2;
    o.height = 6;
    o.width = 5;
    o.channels = 2;
    o.planes = true;
    nilu_status status = nilu_model_from_text(nl, maps, "test", &model);
    if (status == NILU_OK)
        status = nilu_attributor_new(nl, model, user, 60, 3, &o, &a);
    static const nilu_method ways[] = {NILU_LRP, NILU_SMOOTH, NILU_GRAD_CAM};
    for (size_t i = 0; i < COUNT(ways) && status == NILU_OK; i++) {
        status = nilu_attribute(a, ways[i], x, 0, 1, part, NULL);
        if (status == NILU_E_NO_MEMORY)
            assert_ok(nl, nilu_attribute(a, ways[i], x, 0, 1, part, NULL));
    }
    nilu_attributor_free(a);
    nilu_model_free(model);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    net n = make(nl, "layers:\n- 9 relu\n");
    support_fail_each(1, ask_all, n.store);
    nilu_store_free(n.store);
    nilu_model_free(n.model);
    nilu_store *store = nilu_store_new(nl);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_plan *plan;
    nilu_tensor *y;
    assert_ok(nl, nilu_model_from_text(nl, maps, "test", &n.model));
    assert_ok(nl, nilu_model_build(n.model, nilu_input(g, "x", NILU_F32, NILU_SHAPE(1, 2, 6, 5)), 3, false, &y));
    assert_ok(nl, nilu_compile(g, store, 1, &y, NULL, &plan));
    nilu_plan_free(plan);
    nilu_graph_free(g);
    support_fail_each(1, ask_maps, store);
    nilu_store_free(store);
    nilu_model_free(n.model);
    nilu_free(nl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(captum_agrees), cmocka_unit_test(captum_agrees_on_pictures), cmocka_unit_test(parts_add_up),
                                       cmocka_unit_test(occlusion_is_measured), cmocka_unit_test(pictures_are_looked_at),
                                       cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
