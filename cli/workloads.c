/* The workloads of `nilu bench`, built as any program would build them: through the public interface. */
#include "cli.h"

#include <math.h>
#include <string.h>

/* Errors are sticky, so only what is read of a tensor needs a tensor. */
static int64_t dim(nilu_tensor *t, int axis)
{
    return t ? nilu_tensor_shape(t).dim[axis] : 0;
}

/* A net as it grows. `flops`: of a step's products and convolutions; the first layer's input wants no gradient. */
typedef struct cli_net {
    nilu_tensor *y;
    int layers;
    double flops;
} net;

/* Two operations forward for each multiply-add, two for the weight's gradient, two for the error sent back. */
static void count(net *n, double multiply_adds)
{
    n->flops += (n->layers++ ? 6 : 4) * multiply_adds;
}

static void dense(net *n, int64_t units, const char *activation)
{
    char name[16];
    snprintf(name, sizeof name, "fc%d", n->layers + 1);
    count(n, (double)(dim(n->y, 0) * dim(n->y, 1) * units));
    n->y = nilu_dense(n->y, name, units, activation, NULL, true);
}

static void chain(net *n, const int64_t *units, const char *activation, const char *last)
{
    for (; *units; units++)
        dense(n, *units, units[1] ? activation : last);
}

static void w1(net *n)
{
    chain(n, (const int64_t[]){512, 512, 10, 0}, "relu", NULL);
}

static void w2(net *n)
{
    chain(n, (const int64_t[]){128, 10, 0}, "relu", NULL);
}

static void w8(net *n)
{
    chain(n, (const int64_t[]){3, 1, 0}, "tanh", "tanh");
}

/* 3x3, without a bias. */
static nilu_tensor *conv(net *n, nilu_tensor *x, int64_t filters, int stride, int padding)
{
    if (!x) /* there is no graph for its weights */
        return NULL;
    const int64_t channels = dim(x, 1);
    const double deviation = sqrt(2.0 / (double)(channels * 9));
    const nilu_conv_options o = {.stride = NILU_SIZES(stride), .padding = NILU_SIZES(padding)};
    char name[16];
    snprintf(name, sizeof name, "conv%d", n->layers + 1);
    nilu_tensor *w = nilu_param(nilu_tensor_graph(x), name, NILU_F32, NILU_SHAPE(filters, channels, 3, 3), (nilu_init){NILU_INIT_NORMAL, 0, deviation});
    nilu_tensor *y = nilu_conv(x, w, &o);
    count(n, (double)(dim(y, 0) * dim(y, 1) * dim(y, 2) * dim(y, 3) * channels * 9));
    return y;
}

/* A number for each channel. */
static nilu_tensor *channelwise(net *n, nilu_tensor *y, const char *what, double value)
{
    char name[24];
    snprintf(name, sizeof name, "conv%d/%s", n->layers, what);
    return y ? nilu_param(nilu_tensor_graph(y), name, NILU_F32, NILU_SHAPE(dim(y, 1)), (nilu_init){NILU_INIT_CONSTANT, value, 0}) : NULL;
}

static nilu_tensor *biased_relu(net *n, nilu_tensor *y)
{
    nilu_tensor *bias = channelwise(n, y, "bias", 0);
    return nilu_relu(nilu_add(y, nilu_reshape(bias, NILU_SHAPE(dim(y, 1), 1, 1))));
}

/* With the batch's statistics, which running ones follow. */
static nilu_tensor *normalised(net *n, nilu_tensor *y)
{
    nilu_tensor *gamma = channelwise(n, y, "gamma", 1), *beta = channelwise(n, y, "beta", 0);
    nilu_tensor *running[] = {channelwise(n, y, "mean", 0), channelwise(n, y, "variance", 1)};
    nilu_tensor *now = nilu_moments(y, NILU_AXES(0, 2, 3), false);
    for (int i = 0; i < 2; i++)
        nilu_assign(running[i], nilu_add(running[i], nilu_scale(nilu_sub(nilu_output(now, i), running[i]), 0.1)));
    return nilu_batch_norm(y, now, nilu_output(now, 1), gamma, beta, 1e-5);
}

static void w3(net *n)
{
    nilu_tensor *y = biased_relu(n, conv(n, n->y, 32, 1, 0));
    y = nilu_max_pool(biased_relu(n, conv(n, y, 64, 1, 0)), NILU_SIZES(2), NULL);
    n->y = nilu_flatten(y);
    chain(n, (const int64_t[]){128, 10, 0}, "relu", NULL);
}

/* A block of two convolutions and the road around them: where the picture shrinks, every other place, and zeros for the
 * channels that are new (He et al. 2015, option A). */
static nilu_tensor *block(net *n, nilu_tensor *x, int64_t filters, int stride)
{
    nilu_tensor *y = nilu_relu(normalised(n, conv(n, x, filters, stride, 1)));
    y = normalised(n, conv(n, y, filters, 1, 1));
    if (dim(x, 1) != filters) {
        const int64_t fresh = (filters - dim(x, 1)) / 2;
        x = nilu_slice(nilu_slice(x, 2, 0, dim(x, 2), stride), 3, 0, dim(x, 3), stride);
        x = nilu_pad(x, 1, fresh, fresh, 0);
    }
    return nilu_relu(nilu_add(y, x));
}

static void w4(net *n)
{
    nilu_tensor *y = nilu_relu(normalised(n, conv(n, n->y, 16, 1, 1)));
    for (int stage = 0; stage < 3; stage++)
        for (int i = 0; i < 3; i++)
            y = block(n, y, 16 << stage, stage > 0 && i == 0 ? 2 : 1);
    n->y = nilu_mean(y, NILU_AXES(2, 3), false);
    dense(n, 10, NULL);
}

const cli_workload cli_workloads[] = {
    {"W1", {64, 784}, 2, 10, "adam", 1e-3, w1, false},
    {"W2", {32, 784}, 2, 10, "sgd", 1e-2, w2, false},
    {"W3", {64, 1, 28, 28}, 4, 10, "momentum", 1e-2, w3, false},
    {"W4", {128, 3, 32, 32}, 4, 10, "momentum", 1e-2, w4, false},
    {"W8", {1, 2}, 2, 0, "sgd", 1e-2, w8, true},
    {"W8b4", {4, 2}, 2, 0, "sgd", 1e-2, w8, false},
    {0},
};

const char *cli_workload_name(int i)
{
    return i >= 0 && i < (int)COUNT(cli_workloads) - 1 ? cli_workloads[i].name : NULL;
}

nilu_tensor *cli_workload_loss(const cli_workload *w, nilu_graph *g, double *flops)
{
    nilu_shape shape = {.rank = w->rank};
    memcpy(shape.dim, w->sample, (size_t)w->rank * sizeof *shape.dim);
    net n = {.y = nilu_input(g, "x", NILU_F32, shape)};
    nilu_tensor *target = w->classes ? nilu_input(g, "target", NILU_I32, NILU_SHAPE(w->sample[0]))
                                     : nilu_input(g, "target", NILU_F32, NILU_SHAPE(w->sample[0], 1));
    w->build(&n);
    *flops = n.flops;
    return nilu_loss(w->classes ? "cross_entropy" : "mse", n.y, target);
}
