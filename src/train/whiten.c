/* Whitening: the filters of a first layer are set, not learnt. With the second moments M of all patches of pictures that the
 * layer sees, M v = λ v, filter i is v_i / √(λ_i + ε) in the order of λ, and after them stand their opposites, for the
 * activations that follow: so what comes out has variance 1 and no correlation (Coates, Ng 2012; as a fixed first layer
 * Page 2018). ε is a share of the mean λ, which keeps directions that only hold noise from being blown up.
 *
 * Loops run in the order of the samples in one thread: the same bits everywhere. */
#include "nn/nn.h"
#include "train/train.h"

#include <math.h>
#include <string.h>

#define SAMPLES 1024 /* spread evenly over the training part; more change no digit that matters */
#define EPSILON 5e-4
#define LARGEST 512  /* numbers of a patch */

/* ---- eigenvectors */

/* Turns rows and columns p and q so that a[p][q] becomes 0. */
static void rotate(int n, double *a, double *v, int p, int q)
{
    const double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
    const double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1)), c = 1 / sqrt(t * t + 1), s = t * c;
    for (int k = 0; k < n; k++) {
        const double x = a[k * n + p], y = a[k * n + q];
        a[k * n + p] = c * x - s * y;
        a[k * n + q] = s * x + c * y;
    }
    for (int k = 0; k < n; k++) {
        const double x = a[p * n + k], y = a[q * n + k], vx = v[p * n + k], vy = v[q * n + k];
        a[p * n + k] = c * x - s * y;
        a[q * n + k] = s * x + c * y;
        v[p * n + k] = c * vx - s * vy;
        v[q * n + k] = s * vx + c * vy;
    }
}

static void swap_rows(int n, double *v, int i, int j)
{
    for (int k = 0; k < n; k++) {
        const double t = v[i * n + k];
        v[i * n + k] = v[j * n + k];
        v[j * n + k] = t;
    }
}

void train_eigen(int n, double *a, double *value, double *vector)
{
    double all = 0;
    for (int i = 0; i < n * n; i++) {
        all += a[i] * a[i];
        vector[i] = i % (n + 1) == 0;
    }
    for (int sweep = 0; sweep < 60; sweep++) { /* each squares what is left; ten are many */
        double off = 0;
        for (int p = 0; p < n; p++)
            for (int q = p + 1; q < n; q++)
                off += a[p * n + q] * a[p * n + q];
        if (!(off > 1e-30 * all))
            break;
        for (int p = 0; p < n; p++)
            for (int q = p + 1; q < n; q++)
                if (a[p * n + q] != 0)
                    rotate(n, a, vector, p, q);
    }
    for (int i = 0; i < n; i++)
        value[i] = a[i * n + i];
    for (int i = 0; i < n; i++) {
        int most = i, at = 0;
        for (int k = i + 1; k < n; k++)
            most = value[k] > value[most] ? k : most;
        const double t = value[i];
        value[i] = value[most];
        value[most] = t;
        swap_rows(n, vector, i, most);
        for (int k = 1; k < n; k++)
            at = fabs(vector[i * n + k]) > fabs(vector[i * n + at]) ? k : at;
        for (int k = 0; k < n && vector[i * n + at] < 0; k++)
            if (k != at)
                vector[i * n + k] = -vector[i * n + k];
        vector[i * n + at] = fabs(vector[i * n + at]);
    }
}

/* ---- patches */

/* Adds the second moments of all patches of one picture; the numbers of a patch are in the order [c, k, k]. */
static double add_patches(const float *x, const nilu_data_info *d, int k, double *patch, double *moments)
{
    const int c = d->channels, n = c * k * k, next = d->planes ? 1 : c, plane = d->planes ? d->height * d->width : 1;
    for (int top = 0; top + k <= d->height; top++)
        for (int left = 0; left + k <= d->width; left++) {
            for (int i = 0; i < n; i++)
                patch[i] = x[((top + i / k % k) * d->width + left + i % k) * next + i / (k * k) * plane];
            for (int i = 0; i < n; i++)
                for (int j = i; j < n; j++)
                    moments[i * n + j] += patch[i] * patch[j];
        }
    return (double)(d->height - k + 1) * (double)(d->width - k + 1);
}

static nilu_status measure(nilu_data *data, int k, float *x, double *patch, double *moments)
{
    const nilu_data_info *d = nilu_data_about(data);
    const int64_t all = d->count[NILU_TRAIN], samples = all < SAMPLES ? all : SAMPLES;
    const int n = d->channels * k * k;
    double patches = 0;
    for (int64_t i = 0; i < samples; i++) {
        const int64_t index = i * all / samples;
        NILU_TRY(nilu_data_batch(data, NILU_TRAIN, &index, 1, x, NULL, NULL));
        patches += add_patches(x, d, k, patch, moments);
    }
    for (int i = 0; i < n; i++)
        for (int j = i; j < n; j++)
            moments[i * n + j] = moments[j * n + i] = moments[i * n + j] / patches;
    return NILU_OK;
}

static nilu_status set_filters(nilu_data *data, const nn_layer *l, nilu_store *store, double *block, float *filter)
{
    const nilu_data_info *d = nilu_data_about(data);
    const int filters = (int)l->value[0].number, k = (int)l->value[1].number, n = d->channels * k * k;
    double *moments = block, *vector = moments + n * n, *value = vector + n * n, *patch = value + n, mean = 0;
    char name[NN_MAX_NAME + 8];
    NILU_TRY(measure(data, k, filter, patch, moments)); /* a sample fits where the filters will be */
    train_eigen(n, moments, value, vector);
    for (int i = 0; i < n; i++)
        mean += value[i] / n;
    for (int i = 0; i < filters; i++) {
        const int at = i % (filters / 2);
        const double root = sqrt(fmax(value[at], 0) + EPSILON * mean), scale = root > 0 ? (i == at ? 1 : -1) / root : 0;
        for (int p = 0; p < n; p++)
            filter[i * n + p] = (float)(vector[at * n + p] * scale);
    }
    snprintf(name, sizeof name, "%s/weight", l->name);
    return nilu_store_put(store, NILU_PARAM, name, NILU_F32, NILU_SHAPE(filters, d->channels, k, k), filter);
}

nilu_status train_whiten(nilu *nl, const nilu_model *m, nilu_data *data, nilu_store *store)
{
    const nilu_data_info *d = nilu_data_about(data);
    const nn_kind *whiten = nn_kind_find("whiten"), *turn = nn_kind_find("channels_first");
    nilu_status status = NILU_OK;
    for (int i = 0; i < m->nlayer && status == NILU_OK; i++) {
        const nn_layer *l = &m->layer[i];
        if (l->kind != whiten)
            continue;
        const int from = l->from[0] >= 0 && m->layer[l->from[0]].kind == turn ? m->layer[l->from[0]].from[0] : l->from[0];
        const double k = l->value[1].number, n = k * k * d->channels, filters = l->value[0].number;
        if (from >= 0 || d->height < k || d->width < k || n > LARGEST || filters > 2 * n || fmod(filters, 2) != 0)
            return nn_fail(m, l->where, N_("%s: it must read the pictures of the data themselves, with patches of at most %d numbers that fit into "
                                           "them, and have an even number of filters, at most two for each number"), l->name, LARGEST);
        const size_t size = (size_t)n, room = (size_t)filters * size > (size_t)d->features ? (size_t)filters * size : (size_t)d->features;
        double *block = base_calloc(nl, 2 * size * size + 2 * size, sizeof *block);
        float *filter = base_calloc(nl, room, sizeof *filter);
        status = block && filter ? set_filters(data, l, store, block, filter) : NILU_E_NO_MEMORY;
        base_free(nl, block);
        base_free(nl, filter);
    }
    return status;
}
