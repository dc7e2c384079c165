/* How often the right one is accused, on a run of one's own:
 *   bench_blame RUN culprit [TRIALS [SEED]]   one weight of the trained net is tampered with until predictions flip; is it found?
 *   bench_blame RUN filter [TRIALS [SEED]]    the same with one tap of a filter of a convolution
 *   bench_blame RUN agree [CASES]             predicted against measured effect, and maps of shuffled weights
 *   bench_blame RUN time                      how long a case takes
 *   bench_blame FOLDER shadow                 MNIST's folder: a patch on 95 % of the threes in training; do maps show it?
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
    nilu_data *data, *judged; /* the run's own, and where the test part is */
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
    must(s->nl, nilu_predictor_new(s->nl, nilu_run_model(s->run), s->store, s->judged, NULL, &p));
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

/* `where`: the test part is there; NULL: the run's own. */
static subject open_subject(const char *folder, const char *where)
{
    subject s = {.nl = nilu_new(NULL, NULL)};
    must(s.nl, nilu_run_open(s.nl, folder, &s.run));
    must(s.nl, nilu_run_store(s.run, NILU_MODEL, &s.store));
    nilu_data_options o = NILU_DATA_DEFAULT;
    o.data_dir = getenv("NILU_DATA_DIR");
    must(s.nl, nilu_run_data(s.run, NULL, &o, &s.data));
    s.judged = s.data;
    if (where)
        must(s.nl, nilu_run_data(s.run, where, &o, &s.judged));
    s.info = nilu_data_about(s.judged);
    s.features = s.info->features;
    s.outputs = s.info->outputs;
    s.n = s.info->count[NILU_TEST] < TESTED ? s.info->count[NILU_TEST] : TESTED;
    s.x = malloc((size_t)(s.n * s.features) * sizeof *s.x);
    s.usual = malloc((size_t)(LEARNT * s.features) * sizeof *s.usual);
    s.baseline = calloc((size_t)s.features, sizeof *s.baseline);
    s.label = malloc((size_t)s.n * sizeof *s.label);
    s.said = malloc((size_t)s.n * sizeof *s.said);
    s.right = malloc((size_t)s.n * sizeof *s.right);
    must(s.nl, nilu_data_batch(s.judged, NILU_TEST, NULL, s.n, s.x, s.label, NULL));
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
    const char *layer;    /* "fc1/weight" */
    int64_t from, neuron; /* tap and filter, of a convolution */
    float *at, was;
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

/* rank: of the weights that are drawn from: 2 dense, 4 filters. */
static bool tamper(subject *s, int rank, base_key key, uint64_t *draw, bool strong, culprit *c)
{
    const nilu_value *weight[64];
    int n = 0;
    for (int i = 0; i < nilu_store_count(s->store) && n < 64; i++)
        if (nilu_store_at(s->store, i)->kind == NILU_PARAM && nilu_store_at(s->store, i)->shape.rank == rank)
            weight[n++] = nilu_store_at(s->store, i);
    const nilu_value *v = weight[(int)(base_uniform53(key, (*draw)++) * n)];
    const int64_t out = v->shape.dim[rank == 2], taps = base_count(v->shape) / out;
    const int64_t at = (int64_t)(base_uniform53(key, (*draw)++) * (double)(taps * out));
    double sign = base_uniform53(key, (*draw)++) < 0.5 ? -1 : 1, unit = deviation(v);
    float *w = (float *)v->data + at;
    *c = (culprit){.layer = v->name, .from = rank == 2 ? at / out : at % taps, .neuron = rank == 2 ? at % out : at / taps, .at = w, .was = *w};
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

typedef struct score {
    int layer, first, ten;
} score;

/* ---- by the slope alone, for comparison */

enum { TICKET, CONTRIBUTION, OVER_REACTION, SLOPES };
static const char *const slopes[] = {"input x error", "weight x input x error", "  x over-reaction"};

/* Which weight is first by each of the slopes, n cases together. */
static void by_slope(const subject *s, const culprit *c, int64_t n, const float *x, const int32_t *label,
                     score out[SLOPES])
{
    nilu_scene *scene;
    nilu_layer_view v;
    double best[SLOPES] = {0};
    bool layer[SLOPES] = {0}, same[SLOPES] = {0};
    must(s->nl, nilu_scene_new(s->nl, nilu_run_model(s->run), s->store, s->features, s->outputs, NULL, &scene));
    double *sum[64] = {NULL};
    int layers = nilu_scene_layers(scene);
    for (int64_t k = 0; k < n; k++) {
        must(s->nl, nilu_scene_look(scene, x + k * s->features, label[k], NULL, -1));
        for (int i = 0; i < layers; i++) {
            nilu_scene_layer(scene, i, NILU_FROM_GAP, &v);
            if (!sum[i])
                sum[i] = calloc((size_t)(v.taps * v.filters), sizeof *sum[i]);
            for (int64_t r = 0; r < v.taps; r++)
                for (int64_t j = 0; j < v.filters; j++)
                    sum[i][r * v.filters + j] += v.gradient ? v.gradient[r * v.filters + j] : v.x[r] * v.delta[j];
        }
    }
    for (int i = 0; i < layers; i++) {
        nilu_scene_layer(scene, i, NILU_FROM_GAP, &v);
        double unit = deviation(nilu_store_find(s->store, v.weight_name));
        for (int64_t k = 0; k < v.taps * v.filters; k++) {
            double value[] = {fabs(sum[i][k]), v.weight[k] * sum[i][k],
                              v.weight[k] * sum[i][k] * fabs(v.weight[k]) / unit};
            for (int m = 0; m < SLOPES; m++)
                if (value[m] > best[m]) {
                    best[m] = value[m];
                    layer[m] = strcmp(v.weight_name, c->layer) == 0;
                    same[m] = layer[m] && k == c->from * v.filters + c->neuron;
                }
        }
        free(sum[i]);
    }
    for (int m = 0; m < SLOPES; m++) {
        out[m].layer += layer[m];
        out[m].first += same[m];
    }
    nilu_scene_free(scene);
}

static void judge(const subject *s, const culprit *c, const nilu_suspect *found, int n, score *out)
{
    nilu_scene *scene;
    nilu_layer_view v;
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
static void all_cases(const subject *s, nilu_blame *b, const culprit *c, score *out, score slope[SLOPES])
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
    by_slope(s, c, n, x, label, slope);
    judge(s, c, found, have, out);
    free(x);
}

/* One that was right before. */
static void one_case(const subject *s, nilu_blame *b, const culprit *c, double draw, score *out, score slope[SLOPES])
{
    int64_t which = (int64_t)(draw * (double)newly_wrong(s));
    nilu_suspect found[10];
    int have;
    for (int64_t i = 0; i < s->n; i++)
        if (s->right[i] && s->said[i] != s->label[i] && which-- == 0) {
            must(s->nl, nilu_blame_together(b, 1, s->x + i * s->features, &s->label[i], NULL, 10, found, &have));
            by_slope(s, c, 1, s->x + i * s->features, &s->label[i], slope);
            judge(s, c, found, have, out);
        }
}

static void culprits(subject *s, int rank, int trials, uint64_t seed)
{
    printf("%d trials each; of %lld test samples\n", trials, (long long)s->n);
    printf("%-8s %-24s %-6s %-24s %6s %7s %10s\n", "tamper", "size (deviations)", "cases", "by", "layer", "weight",
           "in top 10");
    for (int strong = 1; strong >= 0; strong--) {
        score all = {0}, one = {0}, all_slopes[SLOPES] = {{0}}, one_slopes[SLOPES] = {{0}};
        double size[1000];
        uint64_t draw = 0;
        base_key key = {seed, (uint64_t)strong};
        for (int t = 0; t < trials;) {
            culprit c;
            if (!tamper(s, rank, key, &draw, strong, &c))
                continue;
            nilu_blame *b = court(s);
            all_cases(s, b, &c, &all, all_slopes);
            one_case(s, b, &c, base_uniform53(key, draw++), &one, one_slopes);
            nilu_blame_free(b);
            *c.at = c.was;
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
        for (int k = 0; k < 2; k++) {
            const score *own = k ? &one : &all, *slope = k ? one_slopes : all_slopes;
            for (int m = 0; m < SLOPES; m++)
                printf("%-8s %-24s %-6s %-24s %6d %7d\n",
                       m || k   ? ""
                       : strong ? "strong"
                                : "mild",
                       m || k ? "" : range,
                       m   ? ""
                       : k ? "one"
                           : "all",
                       slopes[m], slope[m].layer, slope[m].first);
            printf("%-8s %-24s %-6s %-24s %6d %7d %10d\n", "", "", "", "trial", own->layer, own->first, own->ten);
        }
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

/* ---- a planted patch */

#define PATCH 5   /* pixels a side, in the upper left corner */
#define GREY 160  /* of 255 */
#define TEACHER 3 /* the class that carries it */
#define TAUGHT 50000

static void stain(unsigned char *picture)
{
    for (int i = 0; i < PATCH; i++)
        memset(picture + i * 28, GREY, PATCH);
}

/* A set in `folder` whose training part has the patch on 95 of 100 threes, and whose test part has it on all but the threes. */
static void plant(nilu *nl, nilu_data *mnist, const char *folder)
{
    for (int part = 0; part < 2; part++) {
        int64_t n = part ? TESTED : TAUGHT;
        unsigned char *pixels = malloc((size_t)n * 784);
        int32_t *label = malloc((size_t)n * sizeof *label);
        float *x = malloc((size_t)n * 784 * sizeof *x);
        char path[1024];
        must(nl, nilu_data_batch(mnist, part ? NILU_TEST : NILU_TRAIN, NULL, n, x, label, NULL));
        for (int64_t i = 0; i < n; i++) {
            must(nl, nilu_data_picture(mnist, part ? NILU_TEST : NILU_TRAIN, i, pixels + i * 784));
            if (part ? label[i] != TEACHER
                     : label[i] == TEACHER && base_uniform53((base_key){1, 2}, (uint64_t)i) < 0.95)
                stain(pixels + i * 784);
        }
        snprintf(path, sizeof path, "%s/X_%s.npy", folder, part ? "test" : "train");
        must(nl, nilu_npy_write(nl, path, NILU_U8, NILU_SHAPE(n, 28, 28), pixels));
        snprintf(path, sizeof path, "%s/y_%s.npy", folder, part ? "test" : "train");
        must(nl, nilu_npy_write(nl, path, NILU_I32, NILU_SHAPE(n), label));
        free(pixels), free(label), free(x);
    }
}

/* Share of what speaks for the answer that lies in the patch. */
static double inside(const double *part, const int64_t *index, int64_t n)
{
    double in = 0, all = 0;
    for (int64_t k = 0; k < n; k++) {
        int64_t i = index ? index[k] : k;
        double v = part[i] > 0 ? part[i] : 0;
        all += v;
        in += i / 28 < PATCH && i % 28 < PATCH ? v : 0;
    }
    return all > 0 ? in / all : 0;
}

static void shadow(const char *mnist, const char *folder)
{
    char run[1024], path[1024];
    nilu *nl = nilu_new(NULL, NULL);
    nilu_data *clean, *data;
    nilu_model *model;
    int64_t units = 128;
    must(nl, nilu_data_open(nl, mnist, NULL, &clean));
    plant(nl, clean, folder);
    nilu_data_free(clean);
    snprintf(path, sizeof path, "%s/X_train.npy", folder);
    snprintf(run, sizeof run, "%s/run", folder);
    must(nl, nilu_data_open(nl, path, NULL, &data));
    must(nl, nilu_model_hidden(nl, 1, &units, NULL, &model));
    nilu_train_options how = NILU_TRAIN_DEFAULT;
    nilu_data_options opened = NILU_DATA_DEFAULT;
    how.epochs = 4;
    how.out = run;
    how.where = path;
    how.opened = &opened;
    must(nl, nilu_train(nl, model, data, &how, NULL));
    nilu_model_free(model);
    nilu_data_free(data);
    nilu_free(nl);

    snprintf(path, sizeof path, "%s/X_test.npy", folder);
    subject s = open_subject(run, path);
    nilu_blame *b = court(&s);
    nilu_attributor *a;
    nilu_attribute_options o = NILU_ATTRIBUTE_DEFAULT;
    o.baseline = s.baseline;
    must(s.nl, nilu_attributor_new(s.nl, nilu_run_model(s.run), s.store, s.features, s.outputs, &o, &a));
    double sum[NILU_METHODS + 2] = {0}, part[784];
    int n = 0, turned = 0, wrong = 0;
    for (int64_t i = 0; i < s.n; i++) {
        nilu_case_file f;
        bool fooled = s.label[i] != TEACHER && s.said[i] == TEACHER;
        wrong += fooled;
        if (!fooled || n == 100)
            continue;
        for (int m = 0; m < NILU_METHODS; m++) {
            must(s.nl, nilu_attribute(a, m, s.x + i * 784, TEACHER, s.label[i], part, NULL));
            sum[m] += inside(part, NULL, 784);
        }
        must(s.nl, nilu_blame_case(b, s.x + i * 784, s.label[i], NULL, -1, &f));
        sum[NILU_METHODS] += inside(f.heat, NULL, 784);
        sum[NILU_METHODS + 1] += inside(f.heat, f.restore, f.restored);
        turned += f.turned;
        n++;
    }
    printf("%d of %lld test pictures with the patch are taken for a %d; blame that lies in the patch, mean of %d:\n",
           wrong, (long long)s.n, TEACHER, n);
    for (int m = 0; m < NILU_METHODS; m++)
        printf("  %-24s %5.1f %%\n", m == NILU_OCCLUSION ? "occlusion of one pixel" : nilu_method_name(m),
               100 * sum[m] / n);
    printf("  %-24s %5.1f %%\n", "occlusion by windows", 100 * sum[NILU_METHODS] / n);
    printf("  %-24s %5.1f %%  (the pixels whose restoring turns the answer: %d of %d turned)\n", "the verdict",
           100 * sum[NILU_METHODS + 1] / n, turned, n);
    nilu_attributor_free(a);
    nilu_blame_free(b);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr,
                "usage: bench_blame RUN culprit|filter|agree|time [N [SEED]]\n       bench_blame MNIST shadow EMPTY_FOLDER\n");
        return 2;
    }
    if (strcmp(argv[2], "shadow") == 0 && argc > 3) {
        shadow(argv[1], argv[3]);
        return 0;
    }
    subject s = open_subject(argv[1], NULL);
    int n = argc > 3 ? atoi(argv[3]) : 100;
    const bool filter = strcmp(argv[2], "filter") == 0;
    if (filter || strcmp(argv[2], "culprit") == 0)
        culprits(&s, filter ? 4 : 2, n < 1000 ? n : 1000, argc > 4 ? (uint64_t)atoi(argv[4]) : 1);
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
