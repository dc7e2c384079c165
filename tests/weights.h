/* Three nets whose weights are compared, bit by bit, over instruction sets and numbers of threads: by bits_test, and by the
 * program weights.c, for which this needs the core's header alone. */
#ifndef WEIGHTS_H
#define WEIGHTS_H

#include <nilu.h>

typedef struct weights_net {
    const char *name;
    int batch, hidden[2]; /* 784 inputs, 10 classes */
    const char *activation[2], *init, *optimizer;
    double dropout, clip_norm;
} weights_net;

/* W1 and W2 are those of the benchmarks; the third takes the ways that they do not: functions, random numbers, odd sizes. */
static const weights_net weights_nets[] = {
    {"W1", 64, {512, 512}, {"relu", "relu"}, NULL, "adam", 0, 0},
    {"W2", 32, {128, 0}, {"relu", NULL}, NULL, "sgd", 0, 0},
    {"W3", 31, {77, 53}, {"gelu", "tanh"}, "he_normal", "adamw", 0.3, 0.5},
};
#define WEIGHTS_MOST 64 /* of a batch */

/* Numbers from -1 to 1 by xorshift (Marsaglia 2003). */
static inline void weights_fill(float *x, int n)
{
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < n; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        x[i] = (float)(state >> 40) / 8388608.0f - 1;
    }
}

/* Trains for `steps` steps on one batch; false after an error of `nl`. */
static inline bool weights_train(nilu *nl, const weights_net *n, int steps, char hex[65])
{
    static float x[WEIGHTS_MOST * 784];
    static int32_t label[WEIGHTS_MOST];
    nilu_optimizer_options options = NILU_OPTIMIZER_DEFAULT;
    nilu_plan *plan = NULL;
    weights_fill(x, n->batch * 784);
    for (int i = 0; i < n->batch; i++)
        label[i] = i % 10;
    nilu_graph *g = nilu_graph_new(nl);
    nilu_store *store = nilu_store_new(nl);
    nilu_tensor *t = nilu_input(g, "x", NILU_F32, NILU_SHAPE(n->batch, 784));
    nilu_tensor *target = nilu_input(g, "target", NILU_I32, NILU_SHAPE(n->batch));
    t = nilu_dense(t, "fc1", n->hidden[0], n->activation[0], n->init, true);
    if (n->dropout > 0)
        t = nilu_dropout(t, n->dropout);
    if (n->hidden[1])
        t = nilu_dense(t, "fc2", n->hidden[1], n->activation[1], n->init, true);
    nilu_tensor *loss = nilu_loss("cross_entropy", nilu_dense(t, "out", 10, NULL, NULL, true), target);
    options.name = n->optimizer;
    options.clip_norm = n->clip_norm;
    bool good = nilu_minimise(loss, 0, NULL, &options, NULL, NULL) == NILU_OK &&
                nilu_compile(g, store, 1, &loss, NULL, &plan) == NILU_OK &&
                nilu_feed(plan, "x", x, (size_t)n->batch * 784 * sizeof *x) == NILU_OK &&
                nilu_feed(plan, "target", label, (size_t)n->batch * sizeof *label) == NILU_OK;
    for (int i = 0; i < steps && good; i++)
        good = nilu_step(plan) == NILU_OK;
    if (good)
        nilu_store_hash(store, NILU_PARAM, hex);
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    return good;
}

#endif
