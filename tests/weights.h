/* Nets whose weights are compared, bit by bit, over instruction sets and numbers of threads: by bits_test, and by the
 * program weights.c, for which this needs the core's header alone. */
#ifndef WEIGHTS_H
#define WEIGHTS_H

#include <nilu.h>
#include <stdio.h>
#include <stdlib.h>

#include "nets.h"

typedef struct weights_net {
    const char *name;
    int batch, features;
    int hidden[2]; /* dense layers, before one of 10; {0}: the net is built by name */
    const char *activation[2], *init, *optimizer;
    double dropout, clip_norm;
    bool bf16; /* its products round their operands */
} weights_net;

/* W1 to W4 are those of the benchmarks, W4 with fewer pictures a step; the last takes the ways that dense ones do not:
 * functions, random numbers, odd sizes. */
static const weights_net weights_nets[] = {
    {"W1", 64, 784, {512, 512}, {"relu", "relu"}, NULL, "adam", 0, 0},
    {"W2", 32, 784, {128, 0}, {"relu", NULL}, NULL, "sgd", 0, 0},
    {"W3", 64, 784, {0}, {NULL}, NULL, "momentum", 0, 0},
    {"W4", 8, 3072, {0}, {NULL}, NULL, "momentum", 0, 0},
    {"odd", 31, 784, {77, 53}, {"gelu", "tanh"}, "he_normal", "adamw", 0.3, 0.5},
};

static inline nilu_tensor *weights_dense(const weights_net *n, nilu_tensor *x)
{
    nilu_tensor *t = nilu_dense(x, "fc1", n->hidden[0], n->activation[0], n->init, true);
    if (n->dropout > 0)
        t = nilu_dropout(t, n->dropout);
    if (n->hidden[1])
        t = nilu_dense(t, "fc2", n->hidden[1], n->activation[1], n->init, true);
    return nilu_dense(t, "out", 10, NULL, NULL, true);
}

static inline nilu_tensor *weights_build(nilu *nl, const weights_net *n, nilu_tensor *x)
{
    if (n->hidden[0])
        return weights_dense(n, x);
    return n->features == 784 ? nets_w3(nl, nilu_reshape(x, NILU_SHAPE(n->batch, 28, 28)))
                              : nets_resnet20(nl, nilu_reshape(x, NILU_SHAPE(n->batch, 3, 32, 32)), true);
}

/* Trains for `steps` steps on one batch; false after an error of `nl`. `batch` 0: the net's own. */
static inline bool weights_train(nilu *nl, const weights_net *net, int batch, int steps, char hex[65])
{
    weights_net n = *net;
    n.batch = batch ? batch : n.batch;
    const size_t count = (size_t)n.batch * (size_t)n.features;
    float *x = malloc(count * sizeof *x);
    int32_t *label = malloc((size_t)n.batch * sizeof *label);
    uint64_t state = nets_seed(0);
    nilu_optimizer_options options = NILU_OPTIMIZER_DEFAULT;
    nilu_compile_options compiling = NILU_COMPILE_DEFAULT;
    nilu_plan *plan = NULL;
    for (size_t i = 0; i < count && x; i++)
        x[i] = (float)nets_draw(&state);
    for (int i = 0; i < n.batch && label; i++)
        label[i] = i % 10;
    nilu_graph *g = nilu_graph_new(nl);
    nilu_store *store = nilu_store_new(nl);
    nilu_tensor *in = nilu_input(g, "x", NILU_F32, NILU_SHAPE(n.batch, n.features));
    nilu_tensor *target = nilu_input(g, "target", NILU_I32, NILU_SHAPE(n.batch));
    nilu_tensor *loss = nilu_loss("cross_entropy", weights_build(nl, &n, in), target);
    options.name = n.optimizer;
    options.clip_norm = n.clip_norm;
    compiling.bf16 = n.bf16;
    bool good = x && label && nilu_minimise(loss, 0, NULL, &options, NULL, NULL) == NILU_OK &&
                nilu_compile(g, store, 1, &loss, &compiling, &plan) == NILU_OK &&
                nilu_feed(plan, "x", x, count * sizeof *x) == NILU_OK &&
                nilu_feed(plan, "target", label, (size_t)n.batch * sizeof *label) == NILU_OK;
    for (int i = 0; i < steps && good; i++)
        good = nilu_step(plan) == NILU_OK;
    if (good)
        nilu_store_hash(store, NILU_PARAM, hex);
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    free(x);
    free(label);
    return good;
}

#endif
