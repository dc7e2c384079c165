/* Who is to blame in a convolutional net: sums of every channel at every place, with the zeros around a picture; a filter's
 * gradient as the sum over its places; conservation through pools, norms and skips; measured changes that are those of a net
 * that was really changed; a culprit planted in a filter. */
#include "support/support.h"

#include "forensics/forensics.h"

typedef struct net {
    nilu *nl;
    nilu_model *model;
    nilu_store *store;
    int64_t features;
} net;
#define OUTPUTS 4

static const struct example {
    const char *what, *text;
    int64_t features;
    bool roads, bends;
} examples[] = {
    {"a chain", "input: [2, 9, 8]\nlayers:\n  - conv 5 3 relu padding=same\n  - pool max 2\n  - conv 6 3 relu stride=2 padding=1\n  - flatten\n  - 7 relu\n  - dense auto\n",
     144, false, false},
    {"groups and dilation", "input: [4, 9, 8]\nlayers:\n  - conv 6 3 leaky_relu groups=2 dilation=2 padding=1\n  - conv 6 3 relu groups=6\n  - pool avg 2\n  - flatten\n  - dense auto\n",
     288, false, false},
    {"norms", "input: [1, 8, 8]\nlayers:\n  - conv 6 3 padding=same bias=false\n  - batchnorm\n  - relu\n  - conv 5 3\n  - batchnorm\n  - relu\n  - pool avg global\n  - dense auto\n",
     64, false, false},
    {"skips",
     "input: [1, 8, 8]\nlayers:\n  - conv 6 3 padding=same bias=false name=c0\n  - batchnorm name=n0\n  - relu name=r0\n"
     "  - conv 6 3 padding=same bias=false name=c1\n  - batchnorm\n  - relu\n  - conv 6 3 padding=same bias=false name=c2\n  - batchnorm name=n2\n"
     "  - add name=a1 from=n2,r0\n  - relu name=r1\n  - conv 8 3 stride=2 padding=1 name=c3\n  - relu\n  - conv 8 3 padding=same bias=false name=c4\n"
     "  - batchnorm name=n4\n  - conv 8 1 stride=2 bias=false name=s from=r1\n  - add name=a2 from=n4,s\n  - relu\n  - pool avg global\n  - dense auto\n",
     64, true, false},
    {"side by side", "input: [1, 6, 6]\nlayers:\n  - conv 4 3 relu padding=same name=a\n  - conv 3 3 relu padding=same name=b\n  - flatten name=f from=a\n"
     "  - flatten name=g from=b\n  - concat from=f,g\n  - dense auto\n", 36, true, false},
    {"functions that bend", "input: [1, 6, 6]\nlayers:\n  - conv 4 3 tanh\n  - conv 3 3 gelu\n  - flatten\n  - dense auto\n", 36, false, true},
};

static net make(uint64_t seed, const struct example *e)
{
    nilu_options o = NILU_OPTIONS_DEFAULT;
    o.seed = seed;
    net n = {.nl = nilu_new(&o, NULL), .features = e->features};
    nilu_plan *plan;
    nilu_tensor *y;
    assert_ok(n.nl, nilu_model_from_text(n.nl, e->text, "m.yaml", &n.model));
    n.store = nilu_store_new(n.nl);
    nilu_graph *g = nilu_graph_new(n.nl);
    nilu_tensor *x = nilu_input(g, "x", NILU_F32, nn_input_shape(n.model, 1, e->features));
    assert_ok(n.nl, nilu_model_build(n.model, x, OUTPUTS, false, &y));
    assert_ok(n.nl, nilu_compile(g, n.store, 1, &y, NULL, &plan));
    nilu_plan_free(plan);
    nilu_graph_free(g);
    for (int i = 0; i < nilu_store_count(n.store); i++) { /* norms and biases as training might leave them */
        const nilu_value *v = nilu_store_at(n.store, i);
        const bool positive = strstr(v->name, "/variance") || strstr(v->name, "/gamma");
        float *w = v->data;
        for (size_t k = 0; v->shape.rank == 1 && k < v->bytes / sizeof *w; k++) {
            const double own = 0.3 * base_normal((base_key){seed, 7 + (uint64_t)i}, k);
            w[k] = (float)(positive ? 0.6 + fabs(own) : own);
        }
    }
    return n;
}

static void drop(net *n)
{
    nilu_store_free(n->store);
    nilu_model_free(n->model);
    nilu_free(n->nl);
}

static void draw(uint64_t which, int64_t n, float *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)base_normal((base_key){which, 5}, (uint64_t)i);
}

/* ---- sums */

/* Taps are walked over by hand: what lies outside counts as 0. */
static double sum_by_hand(const nilu_layer_view *l, int64_t filter, int64_t place, int *outside)
{
    double z = l->bias ? l->bias[filter] : 0;
    for (int64_t k = 0; k < l->taps; k++) {
        const int64_t in = nilu_layer_input(l, k, filter, place);
        z += in < 0 ? 0 : l->x[in] * l->weight[k * l->filters + filter];
        *outside += in < 0;
    }
    return z;
}

static void layer_adds_up(const char *what, const nilu_layer_view *l, int *outside)
{
    double *passed = calloc((size_t)l->in, sizeof *passed), *gradient = calloc((size_t)(l->taps * l->filters), sizeof *gradient);
    assert_non_null(passed);
    assert_non_null(gradient);
    assert_int_equal(l->out, l->filters * l->places);
    for (int64_t f = 0; f < l->filters; f++)
        for (int64_t p = 0; p < l->places; p++) {
            const int64_t j = f * l->places + p;
            const double z = sum_by_hand(l, f, p, outside);
            if (!(fabs(l->z[j] - z) <= 1e-12 * fmax(1, fabs(z))))
                fail_msg("%s, %s[%d](%d): z is %.17g, its parts add up to %.17g", what, l->name, (int)f, (int)p, l->z[j], z);
            assert_near(l->delta[j], l->received[j] * l->slope[j], 1e-14);
            for (int64_t k = 0; k < l->taps; k++) {
                const int64_t in = nilu_layer_input(l, k, f, p);
                if (in < 0)
                    continue;
                gradient[k * l->filters + f] += l->x[in] * l->delta[j];
                passed[in] += l->weight[k * l->filters + f] * l->delta[j];
            }
        }
    for (int64_t i = 0; i < l->in; i++)
        assert_near(l->passed[i], passed[i], 1e-12);
    for (int64_t k = 0; k < l->taps; k++)
        for (int64_t f = 0; f < l->filters; f++)
            assert_near(forensics_ticket(l, k, f), gradient[k * l->filters + f], 1e-12);
    free(passed);
    free(gradient);
}

static void every_place_adds_up(void **state)
{
    (void)state;
    for (size_t e = 0; e < COUNT(examples); e++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            net n = make(seed, &examples[e]);
            float x[512];
            nilu_scene *s;
            nilu_layer_view l;
            nilu_conservation c;
            int outside = 0;
            draw(seed, n.features, x);
            assert_ok(n.nl, nilu_scene_new(n.nl, n.model, n.store, n.features, OUTPUTS, NULL, &s));
            assert_ok(n.nl, nilu_scene_look(s, x, 1, NULL, -1));
            for (int i = 0; nilu_scene_layer(s, i, NILU_FROM_LOSS, &l); i++) {
                layer_adds_up(examples[e].what, &l, &outside);
                assert_true(nilu_scene_layer(s, i, NILU_FROM_GAP, &l));
                layer_adds_up(examples[e].what, &l, &outside);
            }
            assert_int_equal(outside > 0, e != COUNT(examples) - 1 && strstr(examples[e].text, "padding=") != NULL);
            nilu_scene_conservation(s, &c);
            if (!examples[e].bends && !(fabs(c.residual) <= 1e-12 * fmax(1, fabs(c.gap))))
                fail_msg("%s: %g of the gap %g is missing", examples[e].what, c.residual, c.gap);
            nilu_scene_free(s);
            drop(&n);
        }
}

/* ---- cases and trials */

static double gap_of(const net *n, const float *x, int accused, int rival)
{
    nilu_scene *s;
    nilu_verdict v;
    assert_ok(n->nl, nilu_scene_new(n->nl, n->model, n->store, n->features, OUTPUTS, NULL, &s));
    assert_ok(n->nl, nilu_scene_look(s, x, rival, NULL, accused));
    nilu_scene_verdict(s, &v);
    double gap = v.gap;
    nilu_scene_free(s);
    return gap;
}

static float *weight_of(const net *n, const nilu_stop *s, int64_t tap, int64_t filter)
{
    char name[80];
    snprintf(name, sizeof name, "%s/weight", s->name);
    return (float *)nilu_store_find(n->store, name)->data + (s->window ? filter * s->taps + tap : tap * s->filters + filter);
}

/* A weight that is mended in the store, once for all places. */
static void weights_were_tried(const net *n, const float *x, const nilu_case_file *f, const nilu_stop *s, int *tried)
{
    for (int k = 0; k < s->weights && k < 3; k++, ++*tried) {
        const nilu_suspect *w = &s->weight[k];
        float *at = weight_of(n, s, w->from, w->neuron), was = *at;
        assert_int_equal(w->places, s->places);
        assert_true(w->place >= 0 && w->place < s->places);
        assert_near(w->value, (double)was, 1e-7);
        *at = (float)w->mended;
        const double then = gap_of(n, x, f->verdict.accused, f->verdict.rival);
        *at = was;
        if (!(fabs(then - f->verdict.gap - w->measured) <= 2e-5))
            fail_msg("%s, weight %d of filter %d: measured %g, but the gap goes from %g to %g", s->name, (int)w->from, (int)w->neuron, w->measured,
                     f->verdict.gap, then);
    }
}

/* A channel is switched off for good where its filter and its bias are 0: relu and leaky_relu make 0 of 0. */
static void channels_were_tried(const net *n, const float *x, const nilu_case_file *f, const nilu_stop *s, bool normed, int *tried)
{
    char name[80];
    snprintf(name, sizeof name, "%s/bias", s->name);
    const nilu_value *bias = nilu_store_find(n->store, name);
    for (int k = 0; k < s->channels && k < 2 && bias && !normed && strstr(s->activation, "relu"); k++, ++*tried) {
        const int64_t c = s->channel[k].neuron;
        float was[64], *b = (float *)bias->data + c, bias_was = *b;
        assert_true(s->taps <= 64);
        for (int64_t tap = 0; tap < s->taps; tap++) {
            was[tap] = *weight_of(n, s, tap, c);
            *weight_of(n, s, tap, c) = 0;
        }
        *b = 0;
        const double off = gap_of(n, x, f->verdict.accused, f->verdict.rival) - f->verdict.gap;
        if (!(fabs(off - s->channel[k].off) <= 2e-5))
            fail_msg("%s, channel %d: switched off %g, but it is %g", s->name, (int)c, s->channel[k].off, off);
        *b = bias_was;
        for (int64_t tap = 0; tap < s->taps; tap++)
            *weight_of(n, s, tap, c) = was[tap];
    }
}

static void sums_and_trials(void **state)
{
    (void)state;
    int weights = 0, channels = 0, roads = 0;
    for (size_t e = 0; e < COUNT(examples); e++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            net n = make(seed, &examples[e]);
            nilu_blame *b;
            nilu_case_file f;
            float x[512], usual[20 * 512];
            draw(seed, n.features, x);
            draw(seed + 50, 20 * n.features, usual);
            assert_ok(n.nl, nilu_blame_new(n.nl, n.model, n.store, n.features, OUTPUTS, NULL, &b));
            assert_ok(n.nl, nilu_blame_learn(b, 20, usual));
            assert_ok(n.nl, nilu_blame_case(b, x, (int32_t)(seed % OUTPUTS), NULL, -1, &f));
            for (int i = 0; i < f.stops; i++) {
                const nilu_stop *s = &f.stop[i];
                assert_near(s->tickets + s->biases + s->roads + s->residual, f.verdict.gap, 1e-13);
                if (!examples[e].bends && !(fabs(s->residual) <= 1e-12 * fmax(1, fabs(f.verdict.gap))))
                    fail_msg("%s, %s: residual %g", examples[e].what, s->name, s->residual);
                roads += s->roads != 0;
                assert_true(examples[e].roads || s->roads == 0);
                assert_int_equal(s->channels > 0, s->places > 1);
                weights_were_tried(&n, x, &f, s, &weights);
                channels_were_tried(&n, x, &f, s, strcmp(examples[e].what, "norms") == 0, &channels);
            }
            nilu_blame_free(b);
            drop(&n);
        }
    assert_true(weights > 100 && channels > 10 && roads >= 12);
}

/* ---- a culprit in a filter */

static void culprits_are_found(void **state)
{
    (void)state;
    int first = 0;
    for (int trial = 0; trial < 20; trial++) {
        net n = make((uint64_t)trial, &examples[2]);
        const nilu_value *v = nilu_store_find(n.store, trial % 2 ? "conv2/weight" : "conv1/weight");
        const int64_t taps = base_count(v->shape) / v->shape.dim[0], at = trial * 37 % base_count(v->shape);
        nilu_blame *b;
        nilu_suspect s[3];
        float x[8 * 64], usual[20 * 64];
        int32_t label[8];
        int found;
        nilu_scene *scene;
        nilu_verdict verdict;
        draw((uint64_t)trial, 8 * 64, x);
        draw(50, 20 * 64, usual);
        assert_ok(n.nl, nilu_scene_new(n.nl, n.model, n.store, 64, OUTPUTS, NULL, &scene));
        for (int i = 0; i < 8; i++) { /* what the sound net says is right */
            assert_ok(n.nl, nilu_scene_look(scene, x + 64 * i, 0, NULL, -1));
            nilu_scene_verdict(scene, &verdict);
            label[i] = verdict.accused;
        }
        nilu_scene_free(scene);
        ((float *)v->data)[at] += 6;
        assert_ok(n.nl, nilu_blame_new(n.nl, n.model, n.store, 64, OUTPUTS, NULL, &b));
        assert_ok(n.nl, nilu_blame_learn(b, 20, usual));
        int64_t wrong = 0;
        for (int i = 0; i < 8; i++) { /* those that it now gets wrong come first */
            nilu_case_file f;
            assert_ok(n.nl, nilu_blame_case(b, x + 64 * i, label[i], NULL, -1, &f));
            if (f.verdict.accused == label[i])
                continue;
            memmove(x + 64 * wrong, x + 64 * i, 64 * sizeof *x);
            label[wrong++] = label[i];
        }
        if (!wrong) {
            first++; /* nobody was harmed */
        } else {
            assert_ok(n.nl, nilu_blame_together(b, wrong, x, label, NULL, 3, s, &found));
            first += found && s[0].layer == trial % 2 && s[0].neuron == at / taps && s[0].from == at % taps;
        }
        nilu_blame_free(b);
        drop(&n);
    }
    if (first < 18)
        fail_msg("%d of 20 planted weights came first", first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_place_adds_up), cmocka_unit_test(sums_and_trials), cmocka_unit_test(culprits_are_found)};
    return cmocka_run_group_tests_name("blame_conv", tests, NULL, NULL);
}
