/* Layers as functions: a few nodes, named, with their parameters; and the table of activations. */
#include "nn/nn.h"

#include <string.h>

/* ---- activations */
#define PLAIN(op)                                                                                                      \
    static nilu_tensor *apply_##op(nilu_tensor *x, double p)                                                           \
    {                                                                                                                  \
        (void)p;                                                                                                       \
        return nilu_##op(x);                                                                                           \
    }
PLAIN(relu)
PLAIN(selu)
PLAIN(gelu)
PLAIN(gelu_tanh)
PLAIN(silu)
PLAIN(softplus)
PLAIN(softsign)
PLAIN(mish)
PLAIN(hard_sigmoid)
PLAIN(hard_swish)
PLAIN(sigmoid)
PLAIN(tanh)
static nilu_tensor *apply_relu6(nilu_tensor *x, double p)
{
    (void)p;
    return nilu_clamp(x, 0, 6);
}
static nilu_tensor *apply_linear(nilu_tensor *x, double p)
{
    (void)p;
    return x;
}
static nilu_tensor *apply_leaky_relu(nilu_tensor *x, double p)
{
    return nilu_leaky_relu(x, p);
}
static nilu_tensor *apply_elu(nilu_tensor *x, double p)
{
    return nilu_elu(x, p);
}
static nilu_tensor *apply_softmax(nilu_tensor *x, double p)
{
    (void)p;
    return nilu_softmax(x, -1);
}
static nilu_tensor *apply_log_softmax(nilu_tensor *x, double p)
{
    (void)p;
    return nilu_log_softmax(x, -1);
}

#define HE "he_uniform"
#define XAVIER "xavier_uniform"
static const nn_activation activations[] = {
    {"relu", apply_relu, NULL, 0, HE},
    {"relu6", apply_relu6, NULL, 0, HE},
    {"leaky_relu", apply_leaky_relu, "slope", 0.01, HE},
    {"elu", apply_elu, "alpha", 1, HE},
    {"selu", apply_selu, NULL, 0, "lecun_normal"},
    {"gelu", apply_gelu, NULL, 0, HE},
    {"gelu_tanh", apply_gelu_tanh, NULL, 0, HE},
    {"silu", apply_silu, NULL, 0, HE},
    {"swish", apply_silu, NULL, 0, HE}, /* the same by its other name */
    {"softplus", apply_softplus, NULL, 0, HE},
    {"softsign", apply_softsign, NULL, 0, XAVIER},
    {"mish", apply_mish, NULL, 0, HE},
    {"hard_sigmoid", apply_hard_sigmoid, NULL, 0, XAVIER},
    {"hard_swish", apply_hard_swish, NULL, 0, HE},
    {"sigmoid", apply_sigmoid, NULL, 0, XAVIER},
    {"tanh", apply_tanh, NULL, 0, XAVIER},
    {"softmax", apply_softmax, NULL, 0, XAVIER},
    {"log_softmax", apply_log_softmax, NULL, 0, XAVIER},
    {"linear", apply_linear, NULL, 0, XAVIER},
};

const char *nilu_activation_name(int i)
{
    return i >= 0 && i < (int)COUNT(activations) ? activations[i].name : NULL;
}

const nn_activation *nn_activation_find(const char *name)
{
    for (size_t i = 0; i < COUNT(activations); i++)
        if (strcmp(activations[i].name, name) == 0)
            return &activations[i];
    return NULL;
}

/* Fails in the graph of `x`. */
static const nn_activation *activation(nilu_tensor *x, const char *name)
{
    const nn_activation *a = nn_activation_find(name ? name : "linear");
    char suggestion[256];
    if (!a)
        graph_fail(x->node->g, NILU_E_NAME, N_("there is no activation called %s; %s"), name,
                   nn_suggest(name, nilu_activation_name, "activations are", suggestion));
    return a;
}

nilu_tensor *nilu_activation(nilu_tensor *x, const char *name)
{
    const nn_activation *a = x ? activation(x, name) : NULL;
    return a ? a->apply(x, a->otherwise) : NULL;
}

/* ---- layers */

nilu_tensor *nilu_flatten(nilu_tensor *x)
{
    if (!x || x->shape.rank == 2)
        return x;
    if (x->shape.rank == 0) {
        graph_fail(x->node->g, NILU_E_SHAPE, N_("flatten: %s is one number; it needs the samples as first axis"), x->node->name);
        return NULL;
    }
    int64_t rest = 1;
    for (int d = 1; d < x->shape.rank; d++)
        rest *= x->shape.dim[d];
    return nilu_reshape(x, NILU_SHAPE(x->shape.dim[0], rest));
}

nilu_tensor *nilu_dense(nilu_tensor *x, const char *name, int64_t units, const char *act, const char *init, bool bias)
{
    const nn_activation *a = x ? activation(x, act) : NULL;
    if (!a)
        return NULL;
    nilu_graph *g = x->node->g;
    char dims[BASE_SHAPE_TEXT];
    const char *where = g->where ? g->where : "";
    if (x->shape.rank < 2) {
        graph_fail(g, NILU_E_SHAPE, N_("dense %s%s: %s is %s, but it must be [samples, features]; reshape it%s%s%s"), g->scope,
                   name, x->node->name, base_shape_text(x->shape, dims), *where ? " [" : "", where, *where ? "]" : "");
        return NULL;
    }
    int64_t fan_in = x->shape.dim[x->shape.rank - 1];
    nilu_init weights, zeros = {NILU_INIT_CONSTANT, 0, 0};
    nilu_status status = nilu_init_named(g->nl, init ? init : a->init, fan_in, units, &weights);
    if (status != NILU_OK) {
        graph_fail(g, status, "dense %s%s: %s", g->scope, name, nilu_errmsg(g->nl));
        return NULL;
    }
    nilu_scope_push(g, name);
    nilu_tensor *w = nilu_param(g, "weight", x->dtype, NILU_SHAPE(fan_in, units), weights);
    nilu_tensor *y = nilu_matmul(x, w);
    if (bias) {
        bool same = init && strncmp(init, "linear", 6) == 0;
        y = nilu_add(y, nilu_param(g, "bias", x->dtype, NILU_SHAPE(units), same ? weights : zeros));
    }
    y = a->apply(y, a->otherwise);
    nilu_scope_pop(g);
    return y;
}

/* ---- losses */

typedef nilu_tensor *T;

static T cross_entropy(T y, T target)
{
    return nilu_softmax_xent(y, target, NULL);
}
static T huber(T y, T target)
{
    return nilu_huber(y, target, 1);
}
static T hinge(T y, T target)
{
    return nilu_hinge(y, target);
}

static const struct loss {
    const char *name;
    T (*apply)(T y, T target);
    bool classes; /* takes class numbers as they are */
} losses[] = {{"cross_entropy", cross_entropy, true}, {"nll", nilu_nll, true}, {"bce", nilu_bce_logits, false},
              {"mse", nilu_mse, false}, {"l1", nilu_l1, false}, {"huber", huber, false}, {"hinge", hinge, false},
              {"kl", nilu_kl, false}};

const char *nilu_loss_name(int i)
{
    return i >= 0 && i < (int)COUNT(losses) ? losses[i].name : NULL;
}

nilu_tensor *nilu_loss(const char *name, nilu_tensor *y, nilu_tensor *target)
{
    nilu_graph *g = y ? y->node->g : NULL;
    char suggestion[256];
    if (!y || !target)
        return NULL;
    for (size_t i = 0; i < COUNT(losses); i++) {
        if (strcmp(losses[i].name, name) != 0)
            continue;
        if (!losses[i].classes && !base_is_float(target->dtype) && target->shape.rank == 1 && y->shape.rank == 2) {
            target = nilu_one_hot(target, y->shape.dim[1], y->dtype);
            if (losses[i].apply == hinge)
                target = nilu_shift(nilu_scale(target, 2), -1);
        }
        return losses[i].apply(y, target);
    }
    graph_fail(g, NILU_E_NAME, N_("there is no loss called %s; %s"), name,
               nn_suggest(name, nilu_loss_name, "losses are", suggestion));
    return NULL;
}
