/* The lens: the way from a picture to what a network sees of it. A byte becomes a feature by one factor and one term for
 * each channel, as the run's data were scaled; in a graph, a picture [1, channels, height, width] of numbers from 0 to 1
 * goes the same way, so that an error that comes back to the features comes back to the picture. */
#include "forensics/lens.h"

#include <math.h>
#include <string.h>

#include "data/data.h"

#define LOOKED 256 /* samples of the training part by which colours are known */

nilu_status forensics_lens_colours(nilu *nl, nilu_data *data, forensics_lens *l)
{
    const nilu_data_info *set = nilu_data_about(data);
    const int64_t all = set->count[NILU_TRAIN], n = all < LOOKED ? all : LOOKED, area = (int64_t)l->height * l->width;
    unsigned char *pixels = base_alloc(nl, (size_t)set->features);
    nilu_status status = pixels ? NILU_OK : NILU_E_NO_MEMORY;
    double sum[LENS_CHANNELS] = {0}, products[LENS_CHANNELS][LENS_CHANNELS] = {{0}};
    for (int64_t i = 0; i < n && status == NILU_OK; i++) {
        status = nilu_data_picture(data, NILU_TRAIN, i * all / n, pixels);
        for (int64_t k = 0; k < area && status == NILU_OK; k++)
            for (int a = 0; a < l->channels; a++) {
                sum[a] += pixels[k * l->channels + a];
                for (int b = 0; b < l->channels; b++)
                    products[a][b] += pixels[k * l->channels + a] * pixels[k * l->channels + b];
            }
    }
    base_free(nl, pixels);
    const double many = n ? (double)n * (double)area : 1;
    double trace = 0;
    for (int a = 0; a < l->channels; a++) {
        l->mean[a] = n ? sum[a] / many : 127;
        for (int b = 0; b < l->channels; b++)
            l->colours[a][b] = products[a][b] / many - sum[a] / many * (sum[b] / many);
        trace += l->colours[a][a] / l->channels;
    }
    for (int a = 0; a < l->channels; a++)
        for (int b = 0; b < l->channels; b++)
            l->colours[a][b] = trace > 0 ? l->colours[a][b] / trace : a == b;
    return status;
}

nilu_status forensics_lens_of(nilu *nl, nilu_data *data, forensics_lens *l)
{
    const nilu_data_info *set = nilu_data_about(data);
    if (!set->height || (set->channels != 1 && set->channels != 3))
        return base_fail(nl, NILU_E_UNSUPPORTED,
                         N_("%s: its samples are no pictures in grey or colour; only such can be shown and changed"), set->name);
    *l = (forensics_lens){.height = set->height, .width = set->width, .channels = set->channels, .planes = set->planes};
    for (int c = 0; c < l->channels; c++)
        data_pixel_scale(data, c, &l->factor[c], &l->term[c]);
    return NILU_OK;
}

void forensics_lens_features(const forensics_lens *l, const unsigned char *pixels, float *x)
{
    for (int64_t i = 0; i < (int64_t)l->height * l->width * l->channels; i++)
        x[forensics_lens_at(l, i)] = (float)pixels[i] * l->factor[i % l->channels] + l->term[i % l->channels];
}

int64_t forensics_lens_at(const forensics_lens *l, int64_t i)
{
    return l->planes ? i % l->channels * l->height * l->width + i / l->channels : i;
}

nilu_tensor *forensics_lens_node(const forensics_lens *l, const nilu_model *m, nilu_tensor *picture)
{
    nilu_graph *g = nilu_tensor_graph(picture);
    float factor[LENS_CHANNELS], term[LENS_CHANNELS];
    const nilu_shape s = nilu_tensor_shape(picture), channels = NILU_SHAPE(l->channels, 1, 1);
    for (int c = 0; c < l->channels; c++) {
        factor[c] = l->factor[c] * 255;
        term[c] = l->term[c];
    }
    nilu_tensor *x = nilu_add(nilu_mul(picture, nilu_constant(g, NILU_F32, channels, factor)), nilu_constant(g, NILU_F32, channels, term));
    if (l->channels > 1 && !l->planes) /* as the data have them */
        x = nilu_transpose(x, NILU_AXES(0, 2, 3, 1));
    return nilu_reshape(x, nn_input_shape(m, 1, s.dim[1] * s.dim[2] * s.dim[3]));
}

nilu_tensor *forensics_layer(nilu_graph *g, const char *name, nilu_tensor **sums)
{
    const size_t n = strlen(name);
    for (int i = g->nnode - 1; i >= 0; i--) {
        nilu_node *node = g->node[i];
        if (node->op->leaf || strncmp(node->name, name, n) != 0 || (node->name[n] && node->name[n] != '/'))
            continue;
        *sums = node->op->elementwise && node->nin == 1 && node->op->grad ? node->in[0] : &node->out[0];
        return &node->out[0];
    }
    return *sums = NULL;
}

nilu_status forensics_no_layer(nilu *nl, nilu_graph *g, const nilu_model *m, const char *name)
{
    base_buffer list = {0};
    nilu_tensor *sums;
    nilu_status status = NILU_OK;
    for (int i = 0; i < m->nlayer && status == NILU_OK; i++)
        if (forensics_layer(g, m->layer[i].name, &sums))
            status = base_appendf(nl, &list, "%s%s", list.len ? ", " : "", m->layer[i].name);
    if (status == NILU_OK)
        status = base_fail(nl, NILU_E_NAME, N_("%s: the network has no such layer; it has %s"), name, list.at ? list.at : "-");
    base_free(nl, list.at);
    return status;
}

nilu_status forensics_maps(nilu *nl, const nilu_inquiry_info *i, const char *layer, const float *x, nilu_shape *shape, float **maps)
{
    nilu_graph *g = NULL;
    nilu_tensor *y, *sums, *given = NULL;
    nilu_plan *plan = NULL;
    *maps = NULL;
    nilu_status status = forensics_build(nl, i->model, 1, i->set->features, i->set->outputs, &g, &y);
    if (status == NILU_OK)
        status = (given = forensics_layer(g, layer, &sums)) ? nilu_compile(g, i->store, 1, &given, NULL, &plan)
                                                            : forensics_no_layer(nl, g, i->model, layer);
    if (status == NILU_OK)
        status = nilu_feed(plan, "x", x, (size_t)i->set->features * sizeof *x);
    if (status == NILU_OK)
        status = nilu_step(plan);
    if (status == NILU_OK) {
        *shape = nilu_fetched_shape(plan, 0);
        const size_t n = (size_t)base_count(*shape);
        *maps = base_calloc(nl, n, sizeof **maps);
        status = *maps ? NILU_OK : NILU_E_NO_MEMORY;
        for (size_t k = 0; k < n && *maps; k++)
            (*maps)[k] = (float)base_load(nilu_fetched_dtype(plan, 0), nilu_fetched(plan, 0), (int64_t)k);
    }
    nilu_plan_free(plan);
    nilu_graph_free(g);
    return status;
}

/* ---- other sizes: linear between pixel centres; made smaller, the mean of what a pixel covers */

static void resample_line(const float *from, int64_t step, int n, float *to, int64_t to_step, int m)
{
    for (int i = 0; i < m; i++) {
        if (m < n) {
            double first = (double)i * n / m, last = (double)(i + 1) * n / m, sum = 0;
            for (int k = (int)first; k < n && k < last; k++)
                sum += (fmin(k + 1, last) - fmax(k, first)) * (double)from[k * step];
            to[i * to_step] = (float)(sum / (last - first));
        } else {
            double at = fmin(fmax((i + 0.5) * n / m - 0.5, 0), n - 1);
            int k = (int)at, next = k + 1 < n ? k + 1 : k;
            to[i * to_step] = (float)((double)from[k * step] + (at - k) * ((double)from[next * step] - (double)from[k * step]));
        }
    }
}

nilu_status forensics_resample(nilu *nl, const float *from, int channels, int height, int width, float *to, int new_height, int new_width)
{
    float *between = base_calloc(nl, (size_t)height * (size_t)new_width, sizeof *between);
    if (!between)
        return NILU_E_NO_MEMORY;
    for (int c = 0; c < channels; c++) {
        for (int y = 0; y < height; y++)
            resample_line(from + ((int64_t)c * height + y) * width, 1, width, between + (int64_t)y * new_width, 1, new_width);
        for (int x = 0; x < new_width; x++)
            resample_line(between + x, new_width, height, to + (int64_t)c * new_height * new_width + x, new_width, new_height);
    }
    base_free(nl, between);
    return NILU_OK;
}
