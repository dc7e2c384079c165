/* Layers and models: what a text means, what is said of a wrong one, and that nothing in a text can do harm. */
#include "nn/nn.h"
#include "support/support.h"

/* ---- models that are right: what they become */

/* "x matmul add relu …": the nodes in their order, but parameters as name[shape] where they are made. */
static void summary(nilu *nl, const nilu_graph *g, base_buffer *b)
{
    char dims[BASE_SHAPE_TEXT];
    for (int i = 0; i < g->nnode; i++) {
        const nilu_node *n = g->node[i];
        bool leaf = n->op->leaf;
        assert_ok(nl, base_appendf(nl, b, "%s%s%s", b->len ? " " : "", leaf ? n->name : n->op->name,
                                   n->op == &graph_op_param ? base_shape_text(n->out[0].shape, dims) : ""));
        if (n->attr && !leaf && n->op->fields[0].kind == FIELD_REAL)
            assert_ok(nl, base_appendf(nl, b, "(%g)", *(const double *)graph_attr_find(n, n->op->fields[0].name)));
    }
}

static const struct good {
    const char *what, *yaml;
    int64_t features, outputs;
    bool training;
    const char *want;
} good[] = {
    {"a chain of numbers", "layers: [512 relu, 10]", 784, 10, false,
     "x fc1/weight[784, 512] matmul fc1/bias[512] add relu fc2/weight[512, 10] matmul fc2/bias[10] add"},
    {"a layer for the classes is added", "layers: [\"8 tanh\"]", 4, 3, false,
     "x fc1/weight[4, 8] matmul fc1/bias[8] add tanh fc2/weight[8, 3] matmul fc2/bias[3] add"},
    {"none is added where the width is right", "layers: [\"3\"]", 4, 3, false,
     "x fc1/weight[4, 3] matmul fc1/bias[3] add"},
    {"as wide as the target", "layers: [dense 5 gelu, dense auto]", 4, 3, false,
     "x fc1/weight[4, 5] matmul fc1/bias[5] add gelu fc2/weight[5, 3] matmul fc2/bias[3] add"},
    {"mappings",
     "layers:\n  - {dense: 8, activation: silu, name: first, bias: false}\n  - dropout: 0.25\n  - dense: auto\n", 4, 3,
     true, "x first/weight[4, 8] matmul silu step dropout(0.25) fc2/weight[8, 3] matmul fc2/bias[3] add"},
    {"dropout is for training", "layers:\n  - 8 silu\n  - dropout 0.25\n  - dense auto\n", 4, 3, false,
     "x fc1/weight[4, 8] matmul fc1/bias[8] add silu fc2/weight[8, 3] matmul fc2/bias[3] add"},
    {"an activation's number", "layers: [dense 6, leaky_relu 0.2, dense 6, elu 0.5, leaky_relu, dense auto]", 4, 2,
     false,
     "x fc1/weight[4, 6] matmul fc1/bias[6] add leaky_relu(0.2) fc2/weight[6, 6] matmul fc2/bias[6] add elu(0.5) "
     "leaky_relu(0.01) fc3/weight[6, 2] matmul fc3/bias[2] add"},
    {"a branch", "layers:\n  - dense 8 relu name=a\n  - dense 8 tanh name=b from=a\n  - add: [a, b]\n  - dense auto\n",
     8, 2, false,
     "x a/weight[8, 8] matmul a/bias[8] add relu b/weight[8, 8] matmul b/bias[8] add tanh add fc3/weight[8, 2] matmul "
     "fc3/bias[2] add"},
    {"side by side", "layers:\n  - dense 3 relu name=a\n  - dense 5 relu name=b from=x\n  - concat from=a,b\n", 4, 8,
     false, "x a/weight[4, 3] matmul a/bias[3] add relu b/weight[4, 5] matmul b/bias[5] add relu concat"},
    {"output names the result", "output: a\nlayers:\n  - dense 2 name=a\n", 4, 2, false,
     "x a/weight[4, 2] matmul a/bias[2] add"},
    {"a shape and a comment", "# a model\nname: \"mine: 1\"\ninput: [4]\nlayers: # two\n- flatten\n- dense auto\n", 4,
     2, false, "x fc1/weight[4, 2] matmul fc1/bias[2] add"},
    {"wishes",
     "init: he_normal\nloss: mse\ntrain: {optimizer: sgd, learning_rate: 0.5, epochs: 3, batch_size: 7, momentum: 0.5, "
     "schedule: cosine, warmup: 5, clip_norm: 1}\nlayers: [dense auto]\n",
     4, 2, false, "x fc1/weight[4, 2] matmul fc1/bias[2] add"},
};

static void build(nilu *nl, const nilu_model *m, const struct good *c, base_buffer *text)
{
    nilu_graph *g = nilu_graph_new(nl);
    nilu_tensor *y, *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(2, c->features));
    assert_ok(nl, nilu_model_build(m, x, c->outputs, c->training, &y));
    assert_int_equal(y->shape.dim[1], c->outputs);
    summary(nl, g, text);
    nilu_graph_free(g);
}

static void models_become_nodes(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    for (size_t i = 0; i < COUNT(good); i++) {
        nilu_model *m, *again;
        base_buffer text = {0}, other = {0};
        assert_ok(nl, nilu_model_from_text(nl, good[i].yaml, "m.yaml", &m));
        build(nl, m, &good[i], &text);
        if (strcmp(text.at, good[i].want) != 0)
            fail_msg("%s: it became\n%s\nnot\n%s", good[i].what, text.at, good[i].want);
        char *written = nilu_model_text(m), *twice; /* and written out it is the same model */
        assert_non_null(written);
        assert_ok(nl, nilu_model_from_text(nl, written, "again.yaml", &again));
        build(nl, again, &good[i], &other);
        assert_string_equal(text.at, other.at);
        twice = nilu_model_text(again);
        assert_string_equal(written, twice);
        const nilu_model_training *a = nilu_model_wishes(m), *b = nilu_model_wishes(again);
        assert_int_equal(a->epochs, b->epochs);
        assert_int_equal(a->batch, b->batch);
        assert_int_equal(a->scheduled, b->scheduled);
        assert_memory_equal(&a->optimizer.lr, &b->optimizer.lr, sizeof(double));
        nilu_text_free(nl, written), nilu_text_free(nl, twice);
        base_free(nl, text.at), base_free(nl, other.at);
        nilu_model_free(m), nilu_model_free(again);
    }
    nilu_free(nl);
}

static void wishes_are_kept(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_model *m;
    assert_ok(nl, nilu_model_from_text(nl, good[COUNT(good) - 1].yaml, "m.yaml", &m));
    const nilu_model_training *t = nilu_model_wishes(m);
    assert_string_equal(t->loss, "mse");
    assert_string_equal(t->optimizer.name, "sgd");
    assert_near(t->optimizer.lr, 0.5, 0);
    assert_near(t->optimizer.momentum, 0.5, 0);
    assert_near(t->optimizer.clip_norm, 1, 0);
    assert_true(isnan(t->optimizer.decay));
    assert_int_equal(t->epochs, 3);
    assert_int_equal(t->batch, 7);
    assert_true(t->scheduled);
    assert_int_equal(t->optimizer.schedule.kind, NILU_SCHEDULE_COSINE);
    assert_int_equal(t->optimizer.schedule.warmup, 5);
    nilu_model_free(m);
    nilu_free(nl);
}

static void several_inputs(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_model *m;
    nilu_graph *g = nilu_graph_new(nl);
    base_buffer text = {0};
    assert_ok(nl,
              nilu_model_from_text(nl,
                                   "inputs: {image: [2, 3], extra: [4]}\nlayers:\n  - flatten from=image name=flat\n"
                                   "  - concat: [extra, flat]\n  - dense auto\n",
                                   "m.yaml", &m));
    assert_int_equal(nilu_model_inputs(m), 2);
    assert_string_equal(nilu_model_input_name(m, 1), "extra");
    nilu_tensor *x[] = {nilu_input(g, "image", NILU_F32, NILU_SHAPE(5, 2, 3)),
                        nilu_input(g, "extra", NILU_F32, NILU_SHAPE(5, 4))},
                *y;
    assert_ok(nl, nilu_model_build_n(m, 2, x, 3, false, &y));
    summary(nl, g, &text);
    assert_string_equal(text.at, "image extra reshape concat fc1/weight[10, 3] matmul fc1/bias[3] add");
    assert_ptr_equal(nilu_find(g, "concat1")->node->in[0], x[1]); /* in the order in which they are named */
    assert_int_equal(nilu_model_build(m, x[0], 3, false, &y), NILU_E_MODEL);
    assert_contains(nilu_errmsg(nl), "the model has 2 inputs, but 1 are given");
    nilu_tensor *swapped[] = {x[1], x[0]};
    assert_int_equal(nilu_model_build_n(m, 2, swapped, 3, false, &y), NILU_E_MODEL);
    assert_contains(nilu_errmsg(nl), "m.yaml:1: input image: a sample is [4], but the model says [2, 3]");
    base_free(nl, text.at);
    nilu_graph_free(g);
    nilu_model_free(m);
    nilu_free(nl);
}

/* ---- models that are wrong: file, line and what was probably meant */

static const struct bad {
    const char *yaml, *want;
} bad[] = {
    {"layers:\n  - dense 512 rleu\n", "m.yaml:2: dense: there is no activation called rleu; did you mean relu?"},
    {"layers:\n  - 512 relu\n  - dropuot 0.2\n", "m.yaml:3: there is no layer called dropuot; did you mean dropout?"},
    {"layer:\n  - 512 relu\n", "m.yaml:1: a model has no layer; did you mean layers?"},
    {"layers:\n  - dense: 512\n    activation: relu\n    unit: 3\n",
     "m.yaml:4: dense: there is no unit; did you mean units?"},
    {"layers:\n  - dropout 1.5\n", "m.yaml:2: dropout: rate is 1.5; it must be at least 0 and below 1"},
    {"layers:\n  - dropout\n", "m.yaml:2: dropout: rate is missing"},
    {"layers:\n  - dense 0\n", "m.yaml:2: dense: units is 0"},
    {"layers:\n  - dense 2.5\n", "m.yaml:2: dense: units must be a whole number, not 2.5"},
    {"layers:\n  - dense relu\n", "m.yaml:2: dense: units must be a whole number, not relu"},
    {"layers:\n  - dense 5 relu tanh\n", "m.yaml:2: dense: tanh is one argument too many"},
    {"layers:\n  - dense 5 bias=no\n", "m.yaml:2: dense: bias is true or false, not no"},
    {"layers:\n  - dense 5 init=he_norml\n",
     "m.yaml:2: dense: there are no initial values called he_norml; did you mean he_normal?"},
    {"layers:\n  - dense 5 init=\n", "m.yaml:2: \"init=\" is not key=value"},
    {"layers:\n  - dense 5 name=a\n  - relu name=a\n", "m.yaml:3: the name a is taken (m.yaml:2)"},
    {"layers:\n  - dense 5 name=a/b\n", "m.yaml:2: \"a/b\" cannot be a name"},
    {"layers:\n  - dense 5 name=first\n  - relu from=frist\n",
     "m.yaml:3: relu: no input or earlier layer is called frist; did you mean first?"},
    {"layers:\n  - relu from=later\n  - dense 5 name=later\n",
     "m.yaml:2: relu: no input or earlier layer is called later"},
    {"layers:\n  - dense 5 name=a from=a\n", "m.yaml:2: a reads itself"},
    {"layers:\n  - dense 5 name=a\n  - dense 5 name=b from=x\n  - relu\n",
     "m.yaml:2: a is read by no other layer and is not the result"},
    {"inputs: {x: [4], z: [3]}\nlayers:\n  - dense 5 from=x\n", "m.yaml:1: input z is read by no layer"},
    {"input: [4]\ninputs: {x: [4]}\nlayers: [\"3\"]\n", "m.yaml:2: input and inputs are both given"},
    {"input: [4, -1]\nlayers: [\"3\"]\n", "m.yaml:1: input x: -1 is no dimension"},
    {"input: {a: 4}\nlayers: [\"3\"]\n", "m.yaml:1: input x: its shape must be a list"},
    {"layers: 512 relu\n", "m.yaml:1: layers must be a list"},
    {"layers: []\n", "m.yaml:1: the model has no layers"},
    {"name: x\n", "m.yaml:1: layers is missing"},
    {"- 512 relu\n", "m.yaml:1: a model is a mapping with the key layers"},
    {"layers:\n  - [512, relu]\n", "m.yaml:2: a layer is a text or a mapping, not a list"},
    {"layers:\n  - {dense: 5, dropout: 0.1}\n", "m.yaml:2: a layer cannot be both dense and dropout"},
    {"layers:\n  - {densee: 5}\n", "m.yaml:2: no key of this layer is a kind of layer"},
    {"layers: [\"3\"]\nlayers: [\"4\"]\n", "m.yaml:2: the key layers stands here and in line 1"},
    {"layers: [\"3\"]\nloss: mes\n", "m.yaml:2: there is no loss called mes; did you mean mse?"},
    {"layers: [\"3\"]\ntrain:\n  optimizer: adma\n", "m.yaml:3: there is no optimizer called adma; did you mean adam?"},
    {"layers: [\"3\"]\ntrain:\n  epoch: 3\n", "m.yaml:3: train has no epoch; did you mean epochs?"},
    {"layers: [\"3\"]\ntrain:\n  epochs: many\n", "m.yaml:3: epochs must be a number, not many"},
    {"layers: [\"3\"]\ntrain:\n  epochs: 2.5\n", "m.yaml:3: epochs must be a whole number, not 2.5"},
    {"layers: [\"3\"]\ntrain: {momentum: 1.5, optimizer: sgd}\n", "m.yaml:2: optimizer: momentum of sgd is 1.5"},
    {"layers: [\"3\"]\ntrain: fast\n", "m.yaml:2: train must be a mapping"},
    {"layers: [\"3\"]\ninit: glorot\n", "m.yaml:2: there are no initial values called glorot"},
    {"layers: [\"3\"]\noutput: fc7\n", "m.yaml:2: output: no input or earlier layer is called fc7; did you mean fc1?"},
    {"layers: [\"3\"]\noutput: x\n", "m.yaml:2: output is the input x itself"},
    {"layers:\n  - dense 5 \"relu\n  - 3\n :\n", "m.yaml:4: "},
    {"a: &b [1]\nlayers: *b\n", "m.yaml:1: anchors and aliases (& and *) are not read here"},
    {"layers: &b [\"3\"]\noutput: *b\n", "m.yaml:1: anchors and aliases"},
    {"layers:\n\t- 3\n", "m.yaml:2: found character that cannot start any token; look at the indentation"},
    {"", "m.yaml:1: layers is missing"},
    {"layers: [\"3\"]\n---\nlayers: [\"3\"]\n", "m.yaml:3: a second document begins here"},
};

static void mistakes_have_their_line(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    int wrong = 0;
    for (size_t i = 0; i < COUNT(bad); i++) {
        nilu_model *m = (nilu_model *)1;
        nilu_status status = nilu_model_from_text(nl, bad[i].yaml, "m.yaml", &m);
        if (status != NILU_E_MODEL || m || !strstr(nilu_errmsg(nl), bad[i].want)) {
            print_error("--- %s\n  gave (%d): %s\n  not: %s\n", bad[i].yaml, (int)status, status ? nilu_errmsg(nl) : "",
                        bad[i].want);
            wrong++;
        }
        if (status == NILU_OK)
            nilu_model_free(m);
    }
    assert_int_equal(wrong, 0);
    nilu_free(nl);
}

/* Models that read well and do not fit what they are built on. */
static void what_does_not_fit(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        int64_t outputs;
        const char *want;
    } rows[] = {
        {"layers:\n  - 8 relu\n  - dense 10\n", 3, "m.yaml:3: fc2: the model ends with [2, 10], but the data want 3"},
        {"layers:\n  - 3\n  - softmax\n", 3,
         "m.yaml:3: softmax1: the model ends with a softmax, but cross-entropy holds one itself"},
        {"layers:\n  - dense auto\n", 0, "m.yaml:2: fc1 is as wide as the data's target"},
        {"input: [5]\nlayers:\n  - 3\n", 3, "m.yaml:1: input x: a sample is [4], but the model says [5]"},
        {"layers:\n  - dense 3 name=a\n  - dense 4 name=b from=x\n  - add: [a, b]\n", 3,
         "m.yaml:4: add1: input 1 is [2, 3] but input 2 is [2, 4]"},
    };
    nilu *nl = support_context(1, NULL);
    for (size_t i = 0; i < COUNT(rows); i++) {
        nilu_model *m;
        nilu_graph *g = nilu_graph_new(nl);
        nilu_tensor *y, *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(2, 4));
        assert_ok(nl, nilu_model_from_text(nl, rows[i].yaml, "m.yaml", &m));
        assert_int_equal(nilu_model_build(m, x, rows[i].outputs, false, &y), NILU_E_MODEL);
        assert_contains(nilu_errmsg(nl), rows[i].want);
        assert_null(y);
        nilu_graph_free(g);
        nilu_model_free(m);
    }
    nilu_free(nl);
}

/* ---- hostile texts */

static void read_anything(nilu *nl, const char *text)
{
    nilu_model *m;
    nilu_status status = nilu_model_from_text(nl, text, "m.yaml", &m);
    if (status == NILU_OK)
        nilu_model_free(m);
    else if (status != NILU_E_MODEL || !strstr(nilu_errmsg(nl), "m.yaml"))
        fail_msg("\"%s\" gave %d: %s", text, (int)status, nilu_errmsg(nl));
}

static void any_text_is_a_model_or_a_mistake(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    base_key key = {2024, 1};
    uint64_t n = 0;
    static const char odd[] = "{}[]:,-#&*!|>'\"%@`= \n\t0x~";
    for (size_t i = 0; i < COUNT(good) + COUNT(bad); i++) {
        const char *yaml = i < COUNT(good) ? good[i].yaml : bad[i - COUNT(good)].yaml;
        size_t length = strlen(yaml);
        char *text = malloc(length + 2);
        for (size_t cut = 0; cut < length; cut++) {
            snprintf(text, cut + 1, "%s", yaml);
            read_anything(nl, text);
        }
        for (int round = 0; round < 60 && length; round++) { /* seed 2024 */
            strcpy(text, yaml);
            for (int k = 0; k < 1 + round % 4; k++, n += 2) {
                size_t at = (size_t)((double)base_uniform(key, n) * (double)length);
                text[at] = odd[(size_t)((double)base_uniform(key, n + 1) * (sizeof odd - 1))];
            }
            read_anything(nl, text);
        }
        free(text);
    }
    base_buffer deep = {0};
    assert_ok(nl, base_appendf(nl, &deep, "layers: "));
    for (int i = 0; i < 5000; i++)
        assert_ok(nl, base_append(nl, &deep, "[", 1));
    read_anything(nl, deep.at);
    deep.len = 0;
    assert_ok(nl, base_appendf(nl, &deep, "layers: ["));
    for (int i = 0; i < 20000; i++)
        assert_ok(nl, base_appendf(nl, &deep, "relu, "));
    assert_ok(nl, base_appendf(nl, &deep, "relu]"));
    read_anything(nl, deep.at);
    base_free(nl, deep.at);
    nilu_free(nl);
}

static nilu_status read_and_build(nilu *nl, void *user)
{
    const struct good *c = user;
    nilu_model *m;
    nilu_tensor *y;
    NILU_TRY(nilu_model_from_text(nl, c->yaml, "m.yaml", &m));
    nilu_graph *g = nilu_graph_new(nl);
    nilu_status status = g ? NILU_OK : NILU_E_NO_MEMORY;
    nilu_tensor *x = g ? nilu_input(g, "x", NILU_F32, NILU_SHAPE(2, c->features)) : NULL;
    if (g)
        status = nilu_graph_status(g);
    if (status == NILU_OK)
        status = nilu_model_build(m, x, c->outputs, c->training, &y);
    char *text = nilu_model_text(m);
    if (!text && status == NILU_OK)
        status = NILU_E_NO_MEMORY;
    nilu_text_free(nl, text);
    nilu_graph_free(g);
    nilu_model_free(m);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        support_fail_each(1, read_and_build, (void *)&good[i]);
}

/* ---- losses, activations and first values by name */

/* Scores [2, 3] and their classes, or numbers [2, 3]: the loss by hand. */
static void losses_of_classes_and_of_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *loss;
        bool classes;
        double want;
    } rows[] = {
        {"mse", false, (1 + 0 + 4 + 0.25 + 0 + 1) / 6},
        {"l1", false, (1 + 0 + 2 + 0.5 + 0 + 1) / 6},
        {"huber", false, (0.5 + 0 + 1.5 + 0.125 + 0 + 0.5) / 6},
        {"mse", true, (0 + 0 + 4 + 0.25 + 1 + 1) / 6},  /* one-hot rows 1 0 0 and 0 1 0 */
        {"hinge", true, (0 + 1 + 3 + 0.5 + 1 + 0) / 6}, /* 1 -1 -1 and -1 1 -1 */
        {"cross_entropy", true, (1.4076059644443801 + 0.6802696706417346) / 2},
    };
    static const float y[] = {1, 0, 2, -0.5f, 0, -1}, target[] = {0, 0, 0, 0, 0, 0};
    static const int32_t label[] = {0, 1};
    nilu *nl = support_context(1, NULL);
    for (size_t i = 0; i < COUNT(rows); i++) {
        nilu_graph *g = nilu_graph_new(nl);
        nilu_store *store = nilu_store_new(nl);
        nilu_plan *plan;
        nilu_tensor *in = nilu_input(g, "y", NILU_F32, NILU_SHAPE(2, 3)), *loss;
        loss = nilu_loss(rows[i].loss, in,
                         rows[i].classes ? nilu_input(g, "t", NILU_I32, NILU_SHAPE(2))
                                         : nilu_input(g, "t", NILU_F32, NILU_SHAPE(2, 3)));
        assert_ok(nl, nilu_compile(g, store, 1, &loss, NULL, &plan));
        assert_ok(nl, nilu_feed(plan, "y", y, sizeof y));
        assert_ok(nl, rows[i].classes ? nilu_feed(plan, "t", label, sizeof label)
                                      : nilu_feed(plan, "t", target, sizeof target));
        assert_ok(nl, nilu_step(plan));
        assert_near((double)*(const float *)nilu_fetched(plan, 0), rows[i].want, 1e-6);
        nilu_plan_free(plan);
        nilu_store_free(store);
        nilu_graph_free(g);
    }
    nilu_free(nl);
}

static void names_are_known_or_corrected(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_init init;
    for (int i = 0; nilu_activation_name(i); i++) {
        nilu_graph *g = nilu_graph_new(nl);
        nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(2, 3)),
                    *y = nilu_activation(x, nilu_activation_name(i));
        assert_non_null(y);
        assert_true(strcmp(nilu_activation_name(i), "linear") == 0 ? y == x : y != x);
        assert_null(nilu_activation(x, "rleu"));
        assert_contains(nilu_errmsg(nl), "did you mean relu?");
        nilu_graph_free(g);
    }
    for (int i = 0; nilu_init_name(i); i++)
        assert_ok(nl, nilu_init_named(nl, nilu_init_name(i), 30, 20, &init));
    assert_ok(nl, nilu_init_named(nl, "normal:0.02", 1, 1, &init));
    assert_near(init.b, 0.02, 0);
    assert_ok(nl, nilu_init_named(nl, "uniform:0.1", 1, 1, &init));
    assert_true(init.a == -0.1 && init.b == 0.1);
    assert_ok(nl, nilu_init_named(nl, "constant:3", 1, 1, &init));
    assert_true(init.kind == NILU_INIT_CONSTANT && init.a == 3);
    assert_ok(nl, nilu_init_named(nl, "he_normal:0.5", 50, 1, &init));
    assert_near(init.b, 0.1, 1e-15); /* sqrt(2 / 50) / 2 */
    assert_ok(nl, nilu_init_named(nl, "xavier_uniform", 30, 20, &init));
    assert_near(init.b, sqrt(6.0 / 50), 1e-15);
    assert_int_equal(nilu_init_named(nl, "he_normal:much", 1, 1, &init), NILU_E_USAGE);
    assert_int_equal(nilu_init_named(nl, "he", 1, 1, &init), NILU_E_USAGE);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(2, 3));
    assert_null(nilu_loss("msee", x, x));
    assert_contains(nilu_errmsg(nl), "did you mean mse?");
    nilu_graph_free(g);
    g = nilu_graph_new(nl);
    assert_null(nilu_dense(nilu_input(g, "v", NILU_F32, NILU_SHAPE(3)), "fc", 4, "relu", NULL, true));
    assert_contains(nilu_errmsg(nl), "dense fc: v is [3], but it must be [samples, features]");
    nilu_graph_free(g);
    nilu_free(nl);
}

static void chains_without_a_file(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_model *m;
    base_buffer text = {0};
    assert_ok(nl, nilu_model_chain(nl, "5 relu, dropout 0.5, dense auto", &m));
    build(nl, m, &(struct good){.features = 4, .outputs = 2}, &text);
    assert_string_equal(text.at,
                        "x fc1/weight[4, 5] matmul fc1/bias[5] add relu fc2/weight[5, 2] matmul fc2/bias[2] add");
    nilu_model_free(m);
    text.len = 0;
    assert_ok(nl, nilu_model_hidden(nl, 2, (int64_t[]){6, 5}, "tanh", &m));
    build(nl, m, &(struct good){.features = 4, .outputs = 2}, &text);
    assert_string_equal(text.at,
                        "x fc1/weight[4, 6] matmul fc1/bias[6] add tanh fc2/weight[6, 5] matmul fc2/bias[5] add tanh "
                        "fc3/weight[5, 2] matmul fc3/bias[2] add");
    nilu_model_free(m);
    text.len = 0;
    assert_ok(nl, nilu_model_hidden(nl, 0, NULL, NULL, &m));
    build(nl, m, &(struct good){.features = 4, .outputs = 2}, &text);
    assert_string_equal(text.at, "x fc1/weight[4, 2] matmul fc1/bias[2] add");
    nilu_model_free(m);
    base_free(nl, text.at);
    assert_int_equal(nilu_model_chain(nl, "512 relu,, 10", &m), NILU_E_MODEL);
    assert_contains(nilu_errmsg(nl), "layer 2 of \"512 relu,, 10\": it is empty");
    assert_int_equal(nilu_model_chain(nl, "512 rellu", &m), NILU_E_MODEL);
    assert_int_equal(nilu_model_load(nl, "/nowhere/model.yaml", &m), NILU_E_FILE_NOT_FOUND);
    nilu_free(nl);
}

/* ---- what is not trained */

static void some_are_frozen(void **state)
{
    static const struct {
        const char *what, *patterns;
        int trained; /* of fc1/weight, fc1/bias, fc2/weight, fc2/bias */
        const char *error;
    } rows[] = {{"nothing", NULL, 4},
                {"an empty list", " , ", 4},
                {"a layer", "fc1", 2},
                {"a name", "fc1/weight", 3},
                {"a pattern", "*/bias", 2},
                {"letters", "fc?/bias, fc1", 1},
                {"all but one", "*, !fc2", 2},
                {"the last decides", "!fc2,*,!fc1/bias", 1},
                {"stars that must go back", "f*c*1*/*w*t", 3},
                {"no part of a name", "fc", 0, "no parameter is called fc; there are fc1/weight, fc1/bias, fc2/weight, fc2/bias"},
                {"none of that name", "fc1, conv*", 0, "no parameter is called conv*"},
                {"all", "*", 0, "nothing is left to train"}};
    (void)state;
    nilu *nl = support_context(1, NULL);
    for (size_t i = 0; i < COUNT(rows); i++) {
        nilu_model *m;
        nilu_tensor *y;
        nilu_graph *g = nilu_graph_new(nl);
        assert_ok(nl, nilu_model_chain(nl, "4 relu, 3", &m));
        assert_ok(nl, nilu_model_freeze(m, rows[i].patterns));
        char *text = nilu_model_text(m);
        nilu_model_free(m);
        assert_ok(nl, nilu_model_from_text(nl, text, "again", &m)); /* the text says it too */
        nilu_text_free(nl, text);
        nilu_status status = nilu_model_build(m, nilu_input(g, "x", NILU_F32, NILU_SHAPE(2, 5)), 3, true, &y);
        if (rows[i].error) {
            assert_int_equal(status, NILU_E_MODEL);
            assert_contains(nilu_errmsg(nl), rows[i].error);
        } else {
            assert_ok(nl, status);
            if (nilu_params_of(y, 0, NULL) != rows[i].trained)
                fail_msg("%s: %d are trained, not %d", rows[i].what, nilu_params_of(y, 0, NULL), rows[i].trained);
        }
        nilu_graph_free(g);
        nilu_model_free(m);
    }
    nilu_free(nl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_become_nodes),
        cmocka_unit_test(wishes_are_kept),
        cmocka_unit_test(several_inputs),
        cmocka_unit_test(mistakes_have_their_line),
        cmocka_unit_test(what_does_not_fit),
        cmocka_unit_test(any_text_is_a_model_or_a_mistake),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(losses_of_classes_and_of_numbers),
        cmocka_unit_test(names_are_known_or_corrected),
        cmocka_unit_test(chains_without_a_file),
        cmocka_unit_test(some_are_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
