/* How often the right one is accused, on a run of one's own:
 *   bench_blame RUN culprit [TRIALS [SEED]]   one weight of the trained net is tampered with until predictions flip; is it found?
 *   bench_blame RUN agree [CASES]             predicted against measured effect, and maps of shuffled weights
 *   bench_blame RUN time                      how long a case takes
 * A trial draws layer, weight and sign at random, and lets the weight grow from a small multiple of its layer's deviation until
 * enough of the test samples that were right are wrong: strong: 1 in 100; mild: 1 in 1,000. A weight that cannot do that within
 * 40 deviations (one that reads a pixel which is always black) is drawn again. */
#include "base/base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TESTED 2000
#define LEARNT 1024
#define CASES 48

typedef struct subject {
    nilu *nl;
    nilu_run *run;
    nilu_store *store;
    nilu_data *data;
    const nilu_data_info *info;
    int64_t features, outputs, n;
    float *x, *usual, *baseline; /* x [n, features] of the test part; usual [LEARNT, features] */
    int32_t *label;
    int *said;
    bool *right; /* before anything was done */
} subject;

static void must(nilu *nl, nilu_status status)
{
    if (status == NILU_OK)
        return;
    fprintf(stderr, "bench_blame: %s\n", nilu_errmsg(nl));
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void answer(subject *s)
{
    nilu_predictor *p;
    float *y = malloc((size_t)(s->n * s->outputs) * sizeof *y);
    must(s->nl, nilu_predictor_new(s->nl, nilu_run_model(s->run), s->store, s->data, NULL, &p));
    must(s->nl, nilu_predict(p, NILU_TEST, NULL, s->n, y));
    for (int64_t i = 0; i < s->n; i++) {
        s->said[i] = 0;
        for (int k = 1; k < (int)s->outputs; k++)
            if (y[i * s->outputs + k] > y[i * s->outputs + s->said[i]])
                s->said[i] = k;
    }
    nilu_predictor_free(p);
    free(y);
}

static subject open_subject(const char *folder)
{
    subject s = {.nl = nilu_new(NULL, NULL)};
    must(s.nl, nilu_run_open(s.nl, folder, &s.run));
    must(s.nl, nilu_run_store(s.run, NILU_MODEL, &s.store));
    nilu_data_options o = NILU_DATA_DEFAULT;
    o.data_dir = getenv("NILU_DATA_DIR");
    must(s.nl, nilu_run_data(s.run, NULL, &o, &s.data));
    s.info = nilu_data_about(s.data);
    s.features = s.info->features;
    s.outputs = s.info->outputs;
    s.n = s.info->count[NILU_TEST] < TESTED ? s.info->count[NILU_TEST] : TESTED;
    s.x = malloc((size_t)(s.n * s.features) * sizeof *s.x);
    s.usual = malloc((size_t)(LEARNT * s.features) * sizeof *s.usual);
    s.baseline = calloc((size_t)s.features, sizeof *s.baseline);
    s.label = malloc((size_t)s.n * sizeof *s.label);
    s.said = malloc((size_t)s.n * sizeof *s.said);
    s.right = malloc((size_t)s.n * sizeof *s.right);
    must(s.nl, nilu_data_batch(s.data, NILU_TEST, NULL, s.n, s.x, s.label, NULL));
    must(s.nl, nilu_data_batch(s.data, NILU_TRAIN, NULL, LEARNT, s.usual, NULL, NULL));
    for (int64_t i = 0; i < LEARNT * s.features; i++)
        s.baseline[i % s.features] += s.usual[i] / LEARNT;
    answer(&s);
    for (int64_t i = 0; i < s.n; i++)
        s.right[i] = s.said[i] == s.label[i];
    return s;
}

static nilu_blame *court(const subject *s)
{
    nilu_blame *b;
    nilu_blame_options o = NILU_BLAME_DEFAULT;
    o.baseline = s->baseline;
    o.height = s->info->height;
    o.width = s->info->width;
    o.channels = s->info->channels;
    must(s->nl, nilu_blame_new(s->nl, nilu_run_model(s->run), s->store, s->features, s->outputs, &o, &b));
    must(s->nl, nilu_blame_learn(b, LEARNT, s->usual));
    return b;
}

/* ---- one weight is tampered with */

typedef struct culprit {
    const char *layer; /* "fc1/weight" */
    int64_t from, neuron;
    float was;
    double size; /* in deviations */
} culprit;

static int64_t newly_wrong(const subject *s)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->n; i++)
        n += s->right[i] && s->said[i] != s->label[i];
    return n;
}

static double deviation(const nilu_value *v)
{
    const float *w = v->data;
    double sum = 0, squares = 0, n = (double)(v->bytes / sizeof *w);
    for (size_t i = 0; i < v->bytes / sizeof *w; i++) {
        sum += (double)w[i];
        squares += (double)w[i] * (double)w[i];
    }
    return sqrt(squares / n - sum / n * (sum / n));
}

static bool tamper(subject *s, base_key key, uint64_t *draw, bool strong, culprit *c)
{
    const nilu_value *matrix[64];
    int n = 0;
    for (int i = 0; i < nilu_store_count(s->store) && n < 64; i++)
        if (nilu_store_at(s->store, i)->kind == NILU_PARAM && nilu_store_at(s->store, i)->shape.rank == 2)
            matrix[n++] = nilu_store_at(s->store, i);
    const nilu_value *v = matrix[(int)(base_uniform53(key, (*draw)++) * n)];
    int64_t out = v->shape.dim[1], at = (int64_t)(base_uniform53(key, (*draw)++) * (double)(v->shape.dim[0] * out));
    double sign = base_uniform53(key, (*draw)++) < 0.5 ? -1 : 1, unit = deviation(v);
    float *w = (float *)v->data + at;
    *c = (culprit){.layer = v->name, .from = at / out, .neuron = at % out, .was = *w};
    int64_t need = s->n / (strong ? 100 : 1000);
    for (c->size = strong ? 5 : 2; c->size <= 40; c->size *= 1.25) {
        *w = (float)(sign * c->size * unit);
        answer(s);
        if (newly_wrong(s) >= (need > 1 ? need : 1))
            return true;
    }
    *w = c->was;
    return false;
}

static void mend(subject *s, const culprit *c)
{
    const nilu_value *v = nilu_store_find(s->store, c->layer);
    ((float *)v->data)[c->from * v->shape.dim[1] + c->neuron] = c->was;
}

typedef struct score {
    int layer, first, ten;
} score;

static void judge(const subject *s, nilu_blame *b, const culprit *c, const nilu_suspect *found, int n, score *out)
{
    nilu_scene *scene;
    nilu_layer_view v;
    (void)b;
    must(s->nl, nilu_scene_new(s->nl, nilu_run_model(s->run), s->store, s->features, s->outputs, NULL, &scene));
    for (int k = 0; k < n && k < 10; k++) {
        nilu_scene_layer(scene, found[k].layer, NILU_FROM_GAP, &v);
        bool layer = strcmp(v.weight_name, c->layer) == 0,
             same = layer && found[k].from == c->from && found[k].neuron == c->neuron;
        out->layer += k == 0 && layer;
        out->first += k == 0 && same;
        out->ten += same;
    }
    nilu_scene_free(scene);
}

/* All wrong answers, drawn evenly if there are more than CASES: also those that were wrong before. */
static void all_cases(const subject *s, nilu_blame *b, const culprit *c, score *out)
{
    float *x = malloc((size_t)(CASES * s->features) * sizeof *x);
    int32_t label[CASES];
    int64_t wrong = 0, n = 0, seen = 0;
    for (int64_t i = 0; i < s->n; i++)
        wrong += s->said[i] != s->label[i];
    for (int64_t i = 0; i < s->n; i++) {
        if (s->said[i] == s->label[i])
            continue;
        if (n < CASES && seen++ * CASES >= n * wrong) {
            memcpy(x + n * s->features, s->x + i * s->features, (size_t)s->features * sizeof *x);
            label[n++] = s->label[i];
        }
    }
    nilu_suspect found[10];
    int have;
    must(s->nl, nilu_blame_together(b, n, x, label, NULL, 10, found, &have));
    judge(s, b, c, found, have, out);
    free(x);
}

/* One that was right before. */
static void one_case(const subject *s, nilu_blame *b, const culprit *c, double draw, score *out)
{
    int64_t which = (int64_t)(draw * (double)newly_wrong(s));
    nilu_suspect found[10];
    int have;
    for (int64_t i = 0; i < s->n; i++)
        if (s->right[i] && s->said[i] != s->label[i] && which-- == 0) {
            must(s->nl, nilu_blame_together(b, 1, s->x + i * s->features, &s->label[i], NULL, 10, found, &have));
            judge(s, b, c, found, have, out);
        }
}

static void culprits(subject *s, int trials, uint64_t seed)
{
    printf("%d trials each; of %lld test samples\n", trials, (long long)s->n);
    printf("%-8s %-24s %-6s %8s %8s %10s\n", "tamper", "size (deviations)", "cases", "layer", "weight", "in top 10");
    for (int strong = 1; strong >= 0; strong--) {
        score all = {0}, one = {0};
        double size[1000];
        uint64_t draw = 0;
        base_key key = {seed, (uint64_t)strong};
        for (int t = 0; t < trials;) {
            culprit c;
            if (!tamper(s, key, &draw, strong, &c))
                continue;
            nilu_blame *b = court(s);
            all_cases(s, b, &c, &all);
            one_case(s, b, &c, base_uniform53(key, draw++), &one);
            nilu_blame_free(b);
            mend(s, &c);
            size[t++] = c.size;
        }
        for (int i = 1; i < trials; i++)
            for (int k = i; k > 0 && size[k] < size[k - 1]; k--) {
                double other = size[k];
                size[k] = size[k - 1];
                size[k - 1] = other;
            }
        char range[48];
        snprintf(range, sizeof range, "%.1f / %.1f / %.1f", size[0], size[trials / 2], size[trials - 1]);
        printf("%-8s %-24s %-6s %8d %8d %10d\n", strong ? "strong" : "mild", range, "all", all.layer, all.first,
               all.ten);
        printf("%-8s %-24s %-6s %8d %8d %10d\n", "", "", "one", one.layer, one.first, one.ten);
        fflush(stdout);
    }
}

/* ---- predicted against measured */

static void agreement(subject *s, int cases)
{
    nilu_blame *b = court(s);
    double sum = 0, least = 1, same = 0, most = -1, size = 0;
    int n = 0, below = 0;
    for (int64_t i = 0; i < s->n && n < cases; i++) {
        nilu_case_file f;
        double map;
        if (s->said[i] == s->label[i] && s->n - i > cases - n)
            continue; /* wrong answers; what is missing at the end are right ones */
        must(s->nl, nilu_blame_case(b, s->x + i * s->features, s->label[i], NULL, -1, &f));
        must(s->nl, nilu_blame_sanity(b, 1, (uint64_t)i, &map));
        sum += f.agreement;
        least = fmin(least, f.agreement);
        below += f.agreement < 0.9;
        same += map;
        most = fmax(most, map);
        size += fabs(map);
        n++;
    }
    printf("rank correlation of predicted and measured effect, 32 neurons: mean of %d cases %.4f, least %.4f, below "
           "0.9 in %d\n",
           n, sum / n, least, below);
    printf("map against that of shuffled weights: mean correlation %.4f, mean |correlation| %.4f, largest %.4f\n",
           same / n, size / n, most);
    nilu_blame_free(b);
}

static void times(subject *s)
{
    double start = now();
    nilu_blame *b = court(s);
    printf("plans and usual outputs: %.1f ms\n", 1e3 * (now() - start));
    for (int64_t i = 0, n = 0; i < s->n && n < 10; i++) {
        nilu_case_file f;
        if (s->said[i] == s->label[i])
            continue;
        must(s->nl, nilu_blame_case(b, s->x + i * s->features, s->label[i], NULL, -1, &f));
        printf("test:%lld said %d is %d gap %.3f: %.1f ms; agreement %.3f; restored %lld of %lld, gap %.3f says %d; "
               "top weight %s %lld>%lld over %.1f predicted %.3f measured %.3f\n",
               (long long)i, s->said[i], s->label[i], f.verdict.gap, 1e3 * f.seconds, f.agreement,
               (long long)f.restored, (long long)s->features, f.restored_gap, f.restored_said, f.stop[0].name,
               (long long)f.stop[0].weight[0].from, (long long)f.stop[0].weight[0].neuron, f.stop[0].weight[0].over,
               f.stop[0].weight[0].predicted, f.stop[0].weight[0].measured);
        n++;
    }
    nilu_blame_free(b);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_blame RUN culprit|agree|time [N [SEED]]\n");
        return 2;
    }
    subject s = open_subject(argv[1]);
    int n = argc > 3 ? atoi(argv[3]) : 100;
    if (strcmp(argv[2], "culprit") == 0)
        culprits(&s, n < 1000 ? n : 1000, argc > 4 ? (uint64_t)atoi(argv[4]) : 1);
    else if (strcmp(argv[2], "agree") == 0)
        agreement(&s, n);
    else
        times(&s);
    nilu_data_free(s.data);
    nilu_store_free(s.store);
    nilu_run_free(s.run);
    nilu_free(s.nl);
    free(s.x), free(s.usual), free(s.baseline), free(s.label), free(s.said), free(s.right);
    return 0;
}
