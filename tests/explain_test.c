/* Explanations are right to the last printed digit: a reader that knows nothing but what is printed does every line again.
 *   NILU_TUPLES=10000 build/release/explain_test     that many (net, layer, neuron, sample), as script/explain-check runs them */
#include "support/support.h"

#include "report/sheet.h"

/* ---- the reader: decimal numbers from text, without the code that printed them */

typedef struct decimal {
    __int128 m;
    int d; /* m / 10^d */
} decimal;

static bool read_decimal(const char *text, decimal *out)
{
    bool minus = *text == '-', point = false, digits = false;
    *out = (decimal){0, 0};
    for (text += minus; (*text >= '0' && *text <= '9') || (*text == '.' && !point); text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        out->m = out->m * 10 + (*text - '0');
        out->d += point;
        digits = true;
    }
    if (*text == 'e') {
        char *end;
        out->d -= (int)strtol(text + 1, &end, 10);
        text = end;
    }
    out->m = minus ? -out->m : out->m;
    return digits && !*text;
}

static decimal scaled(decimal a, int d) /* to more decimals */
{
    for (; a.d < d; a.d++)
        a.m *= 10;
    return a;
}

static decimal rounded(decimal a, int d) /* half goes away from zero */
{
    __int128 one = 1;
    if (a.d <= d)
        return scaled(a, d);
    if (a.d - d > 36) /* far below half a digit */
        return (decimal){0, d};
    for (int i = d; i < a.d; i++)
        one *= 10;
    bool minus = a.m < 0;
    __int128 size = minus ? -a.m : a.m;
    size = (size * 2 + one) / (2 * one);
    return (decimal){minus ? -size : size, d};
}

static decimal calculate(decimal a, const char *sign, decimal b)
{
    if (strcmp(sign, "\xc3\x97") == 0)
        return (decimal){a.m * b.m, a.d + b.d};
    int d = a.d > b.d ? a.d : b.d;
    a = scaled(a, d);
    b = scaled(b, d);
    return (decimal){strcmp(sign, "+") == 0 ? a.m + b.m : a.m - b.m, d};
}

static bool equal(decimal a, decimal b)
{
    int d = a.d > b.d ? a.d : b.d;
    return scaled(a, d).m == scaled(b, d).m;
}

/* ---- the reader: a page */

typedef struct reading {
    const char *page, *about;
    long lines, calculations, sums;
    decimal sum, z, a, received, slope, error;
    bool summing, closing; /* closing: a line was drawn, the total is next */
    int step;
} reading;

static void complain(const reading *r, const char *line, const char *why)
{
    fail_msg("%s\n%s\nin \"%s\": %s", r->page, r->about, line, why);
}

/* "label  a × b = c", "label = c" */
static void read_line(reading *r, char *line)
{
    char copy[512], *token[64], *save = NULL, *label = line + strspn(line, " ");
    int n = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *t = strtok_r(copy, " ", &save); t && n < 64; t = strtok_r(NULL, " ", &save))
        token[n++] = t;
    decimal c, a = {0, 0}, b = {0, 0};
    if (n < 2 || strcmp(token[n - 2], "=") != 0 || !read_decimal(token[n - 1], &c))
        complain(r, line, "this is no calculation");
    const char *sign = n >= 5 ? token[n - 4] : "";
    bool calculation = (strcmp(sign, "\xc3\x97") == 0 || strcmp(sign, "+") == 0 || strcmp(sign, "\xe2\x88\x92") == 0) &&
                       read_decimal(token[n - 5], &a) && read_decimal(token[n - 3], &b);
    r->lines++;
    if (calculation) {
        r->calculations++;
        if (!equal(rounded(calculate(a, sign, b), c.d), c))
            complain(r, line, "the calculation is wrong");
        if ((r->step == 3 || r->step == 4) && strcmp(sign, "\xc3\x97") == 0 && !equal(b, r->error))
            complain(r, line, "its factor is not the error of step 2");
    }
    if (r->closing) {
        r->sums++;
        if (!equal(r->sum, c))
            complain(r, line, "the terms do not add up");
        r->closing = r->summing = false;
        r->z = r->step == 0 ? c : r->z;
        r->received = r->step == 1 ? c : r->received;
        return;
    }
    if (r->summing) {
        int d = r->sum.d > c.d ? r->sum.d : c.d;
        r->sum = (decimal){scaled(r->sum, d).m + scaled(c, d).m, d};
    }
    if (r->step == 0 && strncmp(label, "a = relu(z)", 11) == 0 && !equal(c, r->z.m > 0 ? r->z : (decimal){0, 0}))
        complain(r, line, "this is not the larger of z and 0");
    if (r->step == 0 && strncmp(label, "a = z", 5) == 0 && !equal(c, r->z))
        complain(r, line, "this is not z");
    if (r->step == 0)
        r->a = c;
    if (r->step == 1)
        r->received = c;
    if (r->step == 2 && strncmp(label, "f'(z)", 5) == 0)
        r->slope = c;
    if (r->step == 2 && strncmp(label, "error", 5) == 0) {
        r->error = c;
        if (!equal(a, r->received) || !equal(b, r->slope))
            complain(r, line, "its factors are not what was received, and the slope");
    }
}

static void read_page(reading *r, const char *page)
{
    char line[512];
    r->page = page;
    for (const char *at = page; *at;) {
        size_t n = strcspn(at, "\n");
        snprintf(line, sizeof line, "%.*s", (int)n, at);
        at += n + (at[n] == '\n');
        bool rule = strspn(line, " ") < strlen(line) && strstr(line, "\xe2\x94\x80") == line + strspn(line, " ");
        if (!*line) {
            r->summing = true;
            r->sum = (decimal){0, 0};
        } else if (*line != ' ') {
            r->step = *line - '0';
        } else if (rule) {
            r->closing = true;
        } else if (strncmp(line, "    ", 4) == 0 && strstr(line, " = ") && !strstr(line, ".  ") && line[strlen(line) - 1] != '.') {
            read_line(r, line);
        }
    }
}

/* ---- nets of all kinds */

typedef struct net {
    nilu *nl;
    nilu_model *model;
    nilu_store *store;
    nilu_scene_options options;
    int64_t features, outputs;
} net;

static uint64_t draw(uint64_t seed, uint64_t which, uint64_t below)
{
    uint32_t out[4];
    base_philox(seed, 41, which, out);
    return out[0] % below;
}

static const char *const branches[] = {
    "layers:\n  - dense 7 relu name=p\n  - dense 7 tanh name=q from=x\n  - add from=p,q\n  - dense 5 relu\n  - dense auto\n",
    "layers:\n  - dense 6 relu name=p\n  - dense 4 sigmoid name=q from=x\n  - concat from=p,q\n  - dense auto\n",
    "layers:\n  - dense 6 tanh name=p\n  - dense 6 relu name=q\n  - add from=p,q\n  - dense 3 softmax\n  - dense auto\n",
    "layers:\n  - dense 6 softmax name=p\n  - dense auto\n",
};

/* Neurons that are a channel at a place of its map: zeros around the picture, strides, groups, pools, norms. */
static const struct maps {
    int64_t features;
    const char *text;
} maps[] = {
    {36, "input: [1, 6, 6]\nlayers:\n  - conv 3 3 relu padding=same\n  - pool max 2\n  - conv 4 2 tanh\n  - flatten\n  - dense auto\n"},
    {60, "input: [2, 6, 5]\nlayers:\n  - conv 4 3 gelu stride=2 padding=1 groups=2\n  - conv 3 3 padding=same bias=false\n  - flatten\n  - dense auto\n"},
    {48, "input: [3, 4, 4]\nlayers:\n  - conv 5 3 padding=same bias=false\n  - batchnorm\n  - relu\n  - pool avg global\n  - dense auto\n"},
};

static net make(uint64_t seed)
{
    static const char *const acts[] = {"relu", "tanh", "sigmoid", "leaky_relu", "elu", "selu", "gelu", "gelu_tanh", "silu", "softplus", "softsign",
                                       "mish", "hard_sigmoid", "hard_swish", "linear", "relu", "relu"};
    static const char *const losses[] = {NULL, NULL, NULL, "hinge", "mse"};
    nilu_options o = NILU_OPTIONS_DEFAULT;
    o.seed = seed;
    net n = {.nl = nilu_new(&o, NULL), .options = NILU_SCENE_DEFAULT, .features = 1 + (int64_t)draw(seed, 0, 60),
             .outputs = 1 + (int64_t)draw(seed, 1, 10)};
    bool numbers = draw(seed, 2, 4) == 0;
    n.options.task = numbers ? NILU_TASK_NUMBERS : NILU_TASK_CLASSES;
    n.options.dtype = draw(seed, 3, 3) ? NILU_F64 : NILU_F32;
    n.options.loss = numbers ? draw(seed, 4, 2) ? "huber" : NULL : losses[draw(seed, 4, COUNT(losses))];
    if (draw(seed, 5, 6) == 1) {
        const struct maps *m = &maps[draw(seed, 6, COUNT(maps))];
        n.features = m->features;
        assert_ok(n.nl, nilu_model_from_text(n.nl, m->text, "net", &n.model));
    } else if (draw(seed, 5, 6) == 0) {
        assert_ok(n.nl, nilu_model_from_text(n.nl, branches[draw(seed, 6, COUNT(branches))], "net", &n.model));
    } else {
        char chain[256] = "";
        int depth = 1 + (int)draw(seed, 7, 3);
        for (int i = 0; i < depth; i++)
            snprintf(chain + strlen(chain), sizeof chain - strlen(chain), "%s%d %s%s", i ? ", " : "", 1 + (int)draw(seed, 8 + (uint64_t)i, 45),
                     acts[draw(seed, 20 + (uint64_t)i, COUNT(acts))], draw(seed, 30 + (uint64_t)i, 5) ? "" : " bias=false");
        strcat(chain, ", dense auto");
        assert_ok(n.nl, nilu_model_chain(n.nl, chain, &n.model));
    }
    n.store = nilu_store_new(n.nl);
    nilu_graph *g = nilu_graph_new(n.nl);
    nilu_tensor *x = nilu_input(g, "x", NILU_F32, nn_input_shape(n.model, 1, n.features)), *y;
    nilu_plan *plan;
    assert_ok(n.nl, nilu_model_build(n.model, x, n.outputs, false, &y));
    assert_ok(n.nl, nilu_compile(g, n.store, 1, &y, NULL, &plan));
    nilu_plan_free(plan);
    nilu_graph_free(g);
    for (int i = 0; i < nilu_store_count(n.store); i++) { /* large and small numbers, and biases that are not zero */
        const nilu_value *v = nilu_store_at(n.store, i);
        float *w = v->data, size = powf(10, (float)draw(seed, 50 + (uint64_t)i, 7) / 2 - 2);
        for (size_t k = 0; k < v->bytes / sizeof *w; k++)
            w[k] = v->shape.rank == 1 ? size * (float)base_normal((base_key){seed, 77 + (uint64_t)i}, k) : w[k] * size;
        for (size_t k = 0; k < v->bytes / sizeof *w && strstr(v->name, "/variance"); k++)
            w[k] = fabsf(w[k]);
    }
    return n;
}

static void drop(net *n)
{
    nilu_store_free(n->store);
    nilu_model_free(n->model);
    nilu_free(n->nl);
}

static void near_enough(const char *what, decimal printed, double value, const char *about)
{
    double p = (double)printed.m * pow(10, -printed.d), most = 1e-4 * fabs(value) + 2 * pow(10, -printed.d) + 1e-37; /* f32 ends there */
    if (!(fabs(p - value) <= most))
        fail_msg("%s: %s is printed as %.9g but is %.9g", about, what, p, value);
}

static void explain_one(const net *n, nilu_scene *scene, nilu_lesson *lesson, uint64_t seed, reading *all)
{
    nilu_explanation e;
    char about[256];
    int layer = (int)draw(seed, 100, (uint64_t)nilu_scene_layers(scene));
    nilu_start start = draw(seed, 101, 3) == 0;
    nilu_layer_view l;
    nilu_scene_layer(scene, layer, start, &l);
    int64_t neuron = (int64_t)draw(seed, 102, (uint64_t)l.out);
    int terms = 1 + (int)draw(seed, 103, NILU_TERMS);
    assert_ok(n->nl, nilu_explain(scene, layer, neuron, start, terms, &e));
    snprintf(about, sizeof about, "seed %llu, %s[%lld] %s, from the %s", (unsigned long long)seed, e.name, (long long)neuron, e.activation,
             start ? "gap" : "loss");
    report_sheet s = report_sheet_new(n->nl);
    base_buffer text = {0};
    report_explain(&s, &e, &(report_names){scene, NULL}, lesson, "adam");
    assert_ok(n->nl, report_sheet_text(&s, true, "", "", &text));
    reading r = {.about = about};
    read_page(&r, text.at);
    near_enough("z", r.z, e.z, about);
    near_enough("received", r.received, e.received, about);
    near_enough("the error", r.error, e.delta, about);
    assert_true(r.sums >= 1 && r.lines > 3);
    all->lines += r.lines;
    all->calculations += r.calculations;
    all->sums += r.sums;
    report_sheet_free(&s);
    base_free(n->nl, text.at);
}

static void every_line_can_be_done_again(void **state)
{
    (void)state;
    const char *wanted = getenv("NILU_TUPLES");
    int tuples = wanted ? atoi(wanted) : 600, each = 12;
    reading all = {0};
    for (int i = 0; i < tuples; i += each) {
        net n = make((uint64_t)i);
        nilu_scene *scene;
        nilu_lesson *lesson;
        assert_ok(n.nl, nilu_scene_new(n.nl, n.model, n.store, n.features, n.outputs, &n.options, &scene));
        assert_ok(n.nl, nilu_lesson_new(n.nl, n.model, n.store, NULL, n.features, n.outputs, &n.options, NULL, &lesson));
        for (int k = 0; k < each && i + k < tuples; k++) {
            float x[64], target[16];
            uint64_t seed = (uint64_t)(i + k);
            for (int64_t j = 0; j < n.features; j++)
                x[j] = draw(seed, 200 + (uint64_t)j, 4) ? (float)base_normal((base_key){seed, 5}, (uint64_t)j) : 0;
            for (int64_t j = 0; j < n.outputs; j++)
                target[j] = (float)base_normal((base_key){seed, 6}, (uint64_t)j);
            assert_ok(n.nl, nilu_scene_look(scene, x, (int32_t)draw(seed, 199, (uint64_t)n.outputs), target, -1));
            assert_ok(n.nl, nilu_lesson_learn(lesson, scene));
            explain_one(&n, scene, lesson, seed, &all);
        }
        nilu_lesson_free(lesson);
        nilu_scene_free(scene);
        drop(&n);
    }
    print_message("%d tuples: %ld lines, %ld calculations and %ld sums done again, all equal to the last digit\n", tuples, all.lines,
                  all.calculations, all.sums);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    net n = make(12);
    nilu_scene *scene;
    nilu_explanation e;
    float x[64] = {1}, target[16] = {0};
    assert_ok(n.nl, nilu_scene_new(n.nl, n.model, n.store, n.features, n.outputs, &n.options, &scene));
    assert_ok(n.nl, nilu_scene_look(scene, x, 0, target, -1));
    assert_int_equal(nilu_explain(scene, 0, 0, NILU_FROM_LOSS, 0, &e), NILU_E_USAGE);
    assert_int_equal(nilu_explain(scene, 0, 0, NILU_FROM_LOSS, NILU_TERMS + 1, &e), NILU_E_USAGE);
    assert_int_equal(nilu_explain(scene, 9, 0, NILU_FROM_LOSS, 1, &e), NILU_E_RANGE);
    assert_int_equal(nilu_explain(scene, 0, 99, NILU_FROM_LOSS, 1, &e), NILU_E_RANGE);
    assert_contains(nilu_errmsg(n.nl), "neuron 99: the layer has");
    nilu_scene_free(scene);
    drop(&n);
}

/* A lesson of plain gradient descent takes rate x gradient from each weight, and begins anew each time. */
static void lessons_are_steps(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_model *model;
    nilu_store *weights = nilu_store_new(nl);
    nilu_scene *scene;
    nilu_lesson *lesson;
    nilu_layer_view l;
    float w[2][3] = {{1, -1, 0.5f}, {2, 0.25f, -1}}, b[3] = {0.1f, 0.2f, 0.3f}, x[2] = {1.5f, -2};
    nilu_optimizer_options o = NILU_OPTIMIZER_DEFAULT;
    o.name = "sgd";
    o.lr = 0.5;
    o.accumulate = 4;
    assert_ok(nl, nilu_model_chain(nl, "dense auto", &model));
    assert_ok(nl, nilu_store_put(weights, NILU_PARAM, "fc1/weight", NILU_F32, NILU_SHAPE(2, 3), w));
    assert_ok(nl, nilu_store_put(weights, NILU_PARAM, "fc1/bias", NILU_F32, NILU_SHAPE(3), b));
    assert_ok(nl, nilu_scene_new(nl, model, weights, 2, 3, NULL, &scene));
    assert_ok(nl, nilu_lesson_new(nl, model, weights, NULL, 2, 3, NULL, &o, &lesson));
    assert_ok(nl, nilu_scene_look(scene, x, 1, NULL, -1));
    for (int again = 0; again < 2; again++)
        assert_ok(nl, nilu_lesson_learn(lesson, scene));
    assert_true(nilu_scene_layer(scene, 0, NILU_FROM_LOSS, &l));
    const float *after = nilu_lesson_after(lesson, "fc1/weight"), *bias = nilu_lesson_after(lesson, "fc1/bias");
    for (int j = 0; j < 3; j++) {
        for (int i = 0; i < 2; i++)
            assert_near((double)after[i * 3 + j], (double)w[i][j] - 0.5 * (double)x[i] * l.delta[j], 1e-6);
        assert_near((double)bias[j], (double)b[j] - 0.5 * l.delta[j], 1e-6);
    }
    assert_memory_equal(nilu_lesson_before(lesson, "fc1/weight"), w, sizeof w);
    assert_null(nilu_lesson_after(lesson, "fc2/weight"));
    assert_near(nilu_lesson_rate(lesson), 0.5, 1e-12);
    nilu_lesson_free(lesson);
    nilu_scene_free(scene);
    nilu_store_free(weights);
    nilu_model_free(model);
    nilu_free(nl);
}

/* From the loss through every layer, last layer first; each leg names the instruction that did it. */
static void journeys_reach_every_weight(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_model *model;
    nilu_store *weights = nilu_store_new(nl);
    nilu_scene *scene;
    nilu_lesson *lesson;
    nilu_leg leg[16];
    nilu_relay r;
    nilu_layer_view l;
    float x[20];
    int n;
    for (int i = 0; i < 20; i++)
        x[i] = (float)base_normal((base_key){3, 5}, (uint64_t)i);
    assert_ok(nl, nilu_model_chain(nl, "30 tanh, 25 relu, dense auto", &model));
    nilu_graph *g = nilu_graph_new(nl);
    nilu_tensor *y;
    nilu_plan *plan;
    assert_ok(nl, nilu_model_build(model, nilu_input(g, "x", NILU_F32, NILU_SHAPE(1, 20)), 4, false, &y));
    assert_ok(nl, nilu_compile(g, weights, 1, &y, NULL, &plan));
    nilu_plan_free(plan);
    nilu_graph_free(g);
    assert_ok(nl, nilu_scene_new(nl, model, weights, 20, 4, NULL, &scene));
    assert_ok(nl, nilu_lesson_new(nl, model, weights, NULL, 20, 4, NULL, NULL, &lesson));
    assert_ok(nl, nilu_scene_look(scene, x, 2, NULL, -1));
    assert_ok(nl, nilu_journey(scene, lesson, NILU_FROM_LOSS, 16, leg, &n));
    static const struct {
        nilu_leg_kind kind;
        int layer, reader;
    } want[] = {{NILU_LEG_START, 2, -1}, {NILU_LEG_UPDATE, 2, -1}, {NILU_LEG_BACK, 1, 2},   {NILU_LEG_SLOPE, 1, -1},
                {NILU_LEG_UPDATE, 1, -1}, {NILU_LEG_BACK, 0, 1},    {NILU_LEG_SLOPE, 0, -1}, {NILU_LEG_UPDATE, 0, -1}};
    assert_int_equal(n, COUNT(want));
    for (int i = 0; i < n; i++) {
        assert_int_equal(leg[i].kind, want[i].kind);
        assert_int_equal(leg[i].layer, want[i].layer);
        assert_int_equal(leg[i].reader, want[i].reader);
        if (leg[i].instruction < 0 || !*leg[i].kernel)
            fail_msg("leg %d has no instruction", i);
    }
    assert_true(leg[2].instruction < leg[5].instruction); /* back through fc3 before back through fc2 */
    assert_true(nilu_relay_of(scene, 1, NILU_FROM_LOSS, &r) && nilu_scene_layer(scene, 1, NILU_FROM_LOSS, &l));
    double delta = 0, gradient = 0;
    int64_t open = 0;
    for (int j = 0; j < 25; j++) {
        delta += l.delta[j] * l.delta[j];
        open += l.z[j] > 0;
        for (int i = 0; i < 30; i++)
            gradient += l.x[i] * l.delta[j] * l.x[i] * l.delta[j];
    }
    assert_near(r.delta, sqrt(delta), 1e-14);
    assert_near(r.weight_gradient, sqrt(gradient), 1e-14);
    assert_int_equal(r.open, open);
    assert_false(nilu_relay_of(scene, 3, NILU_FROM_LOSS, &r));
    assert_ok(nl, nilu_journey(scene, NULL, NILU_FROM_GAP, 2, leg, &n)); /* the gap updates nothing */
    assert_int_equal(n, 5);
    assert_int_equal(leg[0].instruction, -1);
    nilu_lesson_free(lesson);
    nilu_scene_free(scene);
    nilu_store_free(weights);
    nilu_model_free(model);
    nilu_free(nl);
}

static nilu_status explain_once(nilu *nl, void *user)
{
    const net *n = user;
    float x[64] = {1, 2, 3}, target[16] = {0};
    nilu_model *model = NULL;
    nilu_scene *scene = NULL;
    nilu_lesson *lesson = NULL;
    nilu_explanation e;
    base_buffer text = {0};
    report_sheet s = report_sheet_new(nl);
    report r = report_page(nl, "title", NULL);
    nilu_status status = nilu_model_from_text(nl, branches[0], "net", &model);
    if (status == NILU_OK)
        status = nilu_scene_new(nl, model, n->store, n->features, n->outputs, NULL, &scene);
    if (status == NILU_OK)
        status = nilu_scene_look(scene, x, 0, target, -1);
    if (status == NILU_OK)
        status = nilu_lesson_new(nl, model, n->store, NULL, n->features, n->outputs, NULL, NULL, &lesson);
    if (status == NILU_OK)
        status = nilu_lesson_learn(lesson, scene);
    if (status == NILU_OK)
        status = nilu_explain(scene, 0, 0, NILU_FROM_LOSS, 3, &e);
    if (status == NILU_OK) {
        report_names names = {scene, NULL};
        report_explain(&s, &e, &names, lesson, "adam");
        report_sheet_page(&s, &r);
        report_matrix_page(&e, &names, &r);
        nilu_leg leg[16];
        int legs = 0;
        status = nilu_journey(scene, lesson, NILU_FROM_LOSS, 16, leg, &legs);
        report_journey j = {scene, NILU_FROM_LOSS, 1, 1, legs, leg, "adam"};
        if (status == NILU_OK)
            report_journey_svg(&j, false, &r);
        if (status == NILU_OK)
            status = r.status;
        if (status == NILU_OK)
            status = report_journey_text(&j, nl, false, &text);
        if (status == NILU_OK)
            status = report_journey_mermaid(&j, nl, &text);
        if (status == NILU_OK)
            status = report_sheet_text(&s, false, "", "", &text);
        if (status == NILU_OK)
            status = report_matrix_text(&e, &names, true, "", "", &text);
    }
    report_free(&r);
    base_free(nl, text.at);
    report_sheet_free(&s);
    nilu_lesson_free(lesson);
    nilu_scene_free(scene);
    nilu_model_free(model);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (uint64_t seed = 0;; seed++) { /* the first net of the first kind with branches */
        net n = make(seed);
        bool found = draw(seed, 5, 6) == 0 && draw(seed, 6, COUNT(branches)) == 0 && n.options.task == NILU_TASK_CLASSES;
        if (found)
            support_fail_each(1, explain_once, &n);
        drop(&n);
        if (found)
            return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_can_be_done_again),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(lessons_are_steps),
        cmocka_unit_test(journeys_reach_every_weight),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
