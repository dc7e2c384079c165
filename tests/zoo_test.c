/* The models that come with nilu have as many parameters as their papers and other people's code count, and blocks of a model
 * file become the layers that they stand for. */
#include "nn/nn.h"
#include "support/support.h"

#define FOLDER NILU_SOURCE_DIR "/data"

static const struct {
    const char *name;
    nilu_shape sample;
    int64_t classes, parameters; /* trained ones */
} known[] = {
    {"lenet5", {3, {1, 28, 28}}, 10, 61706},
    {"cnn28", {3, {1, 28, 28}}, 10, 1199882},
    {"mnist_fast", {3, {1, 28, 28}}, 10, 29434},
    {"mnist_quick", {3, {1, 28, 28}}, 10, 116714},
    {"cifar_small", {3, {3, 32, 32}}, 10, 294818},
    {"cifar_quick", {3, {3, 32, 32}}, 10, 639146},
    {"cifar_fast", {3, {3, 32, 32}}, 10, 1373034},    /* without the filters of its first layer, which are not learnt */
    {"resnet20", {3, {3, 32, 32}}, 10, 272474},       /* 0.27 M in table 6 of the paper */
    {"resnet18_32", {3, {3, 32, 32}}, 10, 11173962},
    {"resnet18", {3, {3, 224, 224}}, 1000, 11689512}, /* these four as torchvision counts them */
    {"resnet50", {3, {3, 224, 224}}, 1000, 25557032},
    {"vgg11", {3, {3, 224, 224}}, 1000, 132863336},
    {"mobilenet_v2", {3, {3, 224, 224}}, 1000, 3504872},
};

static int64_t count(nilu_tensor *y)
{
    static nilu_tensor *params[512];
    int n = nilu_params_of(y, 512, params);
    int64_t sum = 0;
    for (int i = 0; i < n; i++) {
        nilu_shape s = nilu_tensor_shape(params[i]);
        int64_t each = 1;
        for (int d = 0; d < s.rank; d++)
            each *= s.dim[d];
        sum += each;
    }
    return sum;
}

static void as_many_parameters(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    for (size_t i = 0; i < COUNT(known); i++) {
        nilu_model *m, *again;
        nilu_shape x = {.rank = 4, .dim = {2, known[i].sample.dim[0], known[i].sample.dim[1], known[i].sample.dim[2]}};
        assert_ok(nl, nilu_model_known(nl, known[i].name, FOLDER, &m));
        char *text = nilu_model_text(m);
        assert_ok(nl, nilu_model_from_text(nl, text, "written out", &again)); /* without blocks it is the same net */
        for (int training = 0; training < 2; training++) {
            nilu_graph *g = nilu_graph_new(nl);
            nilu_tensor *y;
            assert_ok(nl, nilu_model_build(training ? again : m, nilu_input(g, "x", NILU_F32, x), known[i].classes, training, &y));
            nilu_shape s = nilu_tensor_shape(y);
            assert_int_equal(s.rank, 2);
            assert_int_equal(s.dim[1], known[i].classes);
            if (count(y) != known[i].parameters)
                fail_msg("%s has %lld parameters, not %lld", known[i].name, (long long)count(y), (long long)known[i].parameters);
            nilu_graph_free(g);
        }
        nilu_text_free(nl, text);
        nilu_model_free(again);
        nilu_model_free(m);
    }
    for (int i = 0; nilu_model_catalogue(i); i++) { /* all that are offered are there */
        nilu_model *m;
        assert_ok(nl, nilu_model_known(nl, nilu_model_catalogue(i)->name, FOLDER, &m));
        nilu_model_free(m);
    }
    nilu_free(nl);
}

static void blocks_become_layers(void **state)
{
    (void)state;
    static const char yaml[] = "layers:\n"
                               "  - dense 4 relu\n"
                               "  - repeat: 2\n"
                               "    layers:\n"
                               "      - residual: [dense 8 relu, dense 4]\n"
                               "      - relu\n"
                               "  - residual: [dense 3 relu, dense 2]\n"
                               "    shortcut: [dense 2 bias=false]\n"
                               "  - residual: [dense 2]\n",
                      want[] = "layers:\n"
                               "  - dense 4 relu name=fc1\n"
                               "  - dense 8 relu name=fc2\n"
                               "  - dense 4 name=fc3\n"
                               "  - add name=add1 from=fc3,fc1\n"
                               "  - relu name=relu1\n"
                               "  - dense 8 relu name=fc4\n"
                               "  - dense 4 name=fc5\n"
                               "  - add name=add2 from=fc5,relu1\n"
                               "  - relu name=relu2\n"
                               "  - dense 3 relu name=fc6\n"
                               "  - dense 2 name=fc7\n"
                               "  - dense 2 bias=false name=fc8 from=relu2\n"
                               "  - add name=add3 from=fc7,fc8\n"
                               "  - dense 2 name=fc9\n"
                               "  - add name=add4 from=fc9,add3\n";
    nilu *nl = support_context(1, NULL);
    nilu_model *m;
    assert_ok(nl, nilu_model_from_text(nl, yaml, "m.yaml", &m));
    char *text = nilu_model_text(m);
    assert_string_equal(text, want);
    nilu_text_free(nl, text);
    nilu_model_free(m);
    /* What comes in first is the input itself. */
    assert_ok(nl, nilu_model_from_text(nl, "layers: [{residual: [dense 4], shortcut: [dense 4]}]", "m.yaml", &m));
    text = nilu_model_text(m);
    assert_string_equal(text, "layers:\n  - dense 4 name=fc1\n  - dense 4 name=fc2 from=x\n  - add name=add1 from=fc1,fc2\n");
    nilu_text_free(nl, text);
    nilu_model_free(m);
    nilu_free(nl);
}

static void mistakes(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"layers:\n  - {repeat: 0, layers: [dense 3]}", "m.yaml:2: repeat is how often, from 1 to 10000, not 0"},
        {"layers:\n  - {repeat: 2.5, layers: [dense 3]}", "m.yaml:2: repeat is how often, from 1 to 10000, not 2.5"},
        {"layers:\n  - {repeat: [dense 3]}", "m.yaml:2: repeat is how often, from 1 to 10000, not a list"},
        {"layers:\n  - {repeat: 3}", "m.yaml:2: repeat has no layers"},
        {"layers:\n  - {repeat: 3, layers: []}", "m.yaml:2: repeat has no layers"},
        {"layers:\n  - {repeat: 3, layer: [dense 3]}", "m.yaml:2: repeat has no layer; did you mean layers?"},
        {"layers:\n  - {repeat: 3, layers: dense 3}", "m.yaml:2: layers must be a list"},
        {"layers:\n  - {repeat: 3, layers: [dense 3 name=a]}", "m.yaml:2: the name a is taken (m.yaml:2)"},
        {"layers:\n  - {repeat: 200, layers: [{repeat: 200, layers: [relu]}]}", "m.yaml:2: repeat makes more than 10000 layers"},
        {"layers:\n  - {residual: []}", "m.yaml:2: residual has no layers; write at least one"},
        {"layers:\n  - {residual: dense 3}", "m.yaml:2: residual must be a list"},
        {"layers:\n  - {residual: [dense 3], shortcut: []}", "m.yaml:2: shortcut has no layers"},
        {"layers:\n  - {residual: [dense 3], shorcut: [dense 3]}", "m.yaml:2: residual has no shorcut; did you mean shortcut?"},
        {"layers:\n  - {residual: [dense 3 rleu]}", "m.yaml:2: dense: there is no activation called rleu"},
    };
    nilu *nl = support_context(1, NULL);
    nilu_model *m;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(nilu_model_from_text(nl, rows[i][0], "m.yaml", &m), NILU_E_MODEL);
        assert_contains(nilu_errmsg(nl), rows[i][1]);
        assert_null(m);
    }
    assert_int_equal(nilu_model_known(nl, "resnet2", FOLDER, &m), NILU_E_NAME);
    assert_contains(nilu_errmsg(nl), "no model is called resnet2; did you mean resnet20?");
    assert_int_equal(nilu_model_known(nl, "../models/resnet20", FOLDER, &m), NILU_E_NAME);
    assert_int_equal(nilu_model_known(nl, "lenet5", "/nowhere", &m), NILU_E_FILE_NOT_FOUND);
    nilu_free(nl);
}

static nilu_status read_blocks(nilu *nl, void *user)
{
    nilu_model *m = NULL;
    nilu_status status = nilu_model_from_text(nl, user, "m.yaml", &m);
    nilu_model_free(m);
    return status;
}

static void failed_allocations(void **state)
{
    (void)state;
    char text[] = "layers: [{repeat: 2, layers: [{residual: [dense 4], shortcut: [dense 4]}]}]";
    support_fail_each(1, read_blocks, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_many_parameters), cmocka_unit_test(blocks_become_layers), cmocka_unit_test(mistakes),
                                       cmocka_unit_test(failed_allocations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
