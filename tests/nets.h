/* Convolutional nets of the benchmarks, of what the core's header offers alone, and numbers to fill them with that Python
 * makes as well. */
#ifndef NETS_H
#define NETS_H

#include <nilu.h>

/* Numbers from -1 to 1, multiples of 2^-23, by xorshift (Marsaglia 2003); `which` says which ones. */
static inline uint64_t nets_seed(uint64_t which)
{
    return 88172645463325252u ^ which * 0x9E3779B97F4A7C15u;
}

static inline double nets_draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (double)(*state >> 40) / 8388608.0 - 1;
}

/* A chain of layers under a scope of its own; without outputs of its own. */
static inline nilu_tensor *nets_chain(nilu *nl, nilu_tensor *x, const char *scope, const char *layers, bool training)
{
    nilu_model *m = NULL;
    nilu_tensor *y = NULL;
    if (!x || nilu_model_chain(nl, layers, &m) != NILU_OK)
        return NULL;
    nilu_scope_push(nilu_tensor_graph(x), scope);
    nilu_status status = nilu_model_build(m, x, 0, training, &y);
    nilu_scope_pop(nilu_tensor_graph(x));
    nilu_model_free(m);
    return status == NILU_OK ? y : NULL;
}

/* W3: x [n, 28, 28] -> [n, 10]. */
static inline nilu_tensor *nets_w3(nilu *nl, nilu_tensor *x)
{
    return nets_chain(nl, x, "w3", "conv 32 3 relu, conv 64 3 relu, pool max 2, flatten, 128 relu, dense 10", true);
}

/* W4, ResNet-20 (He et al. 2016): x [n, 3, side, side] -> [n, 10]. Where a stage begins, a 1x1 convolution takes the skip. */
static inline nilu_tensor *nets_resnet20(nilu *nl, nilu_tensor *x, bool training)
{
    nilu_tensor *h = nets_chain(nl, x, "stem", "conv 16 3 padding=1 bias=false, batchnorm, relu", training);
    for (int block = 0; block < 9 && h; block++) {
        const int width = 16 << block / 3, stride = block == 3 || block == 6 ? 2 : 1;
        char layers[160], scope[24];
        snprintf(layers, sizeof layers, "conv %d 3 stride=%d padding=1 bias=false, batchnorm, relu, conv %d 3 padding=1 bias=false, batchnorm",
                 width, stride, width);
        snprintf(scope, sizeof scope, "block%d", block + 1);
        nilu_tensor *road = nets_chain(nl, h, scope, layers, training), *skip = h;
        snprintf(layers, sizeof layers, "conv %d 1 stride=2 bias=false, batchnorm", width);
        snprintf(scope, sizeof scope, "skip%d", block + 1);
        if (stride == 2)
            skip = nets_chain(nl, h, scope, layers, training);
        h = road && skip ? nilu_relu(nilu_add(road, skip)) : NULL;
    }
    return nets_chain(nl, h, "head", "pool avg global, dense 10", training);
}

#endif
