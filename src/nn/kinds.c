/* The kinds of layers that a model can be written with: one row each, with the arguments it takes and what it builds. */
#include "nn/nn.h"

#include <math.h>
#include <string.h>

static nilu_tensor *dense(const nn_site *s)
{
    const nn_value *v = s->layer->value;
    int64_t units = v[0].number == NN_AUTO ? s->outputs : (int64_t)v[0].number;
    const char *act = v[1].activation ? v[1].activation->name : NULL, *init = v[2].text ? v[2].text : s->model->init;
    if (s->in[0] && s->in[0]->shape.rank > 3) {
        char dims[BASE_SHAPE_TEXT];
        graph_fail(s->g, NILU_E_MODEL, N_("%s: %s reads pictures %s; write flatten or pool avg global before it"), s->layer->where, s->layer->name,
                   base_shape_text(s->in[0]->shape, dims));
        return NULL;
    }
    if (units == 0) {
        graph_fail(s->g, NILU_E_MODEL, N_("%s: %s is as wide as the data's target, which is not known here; write a number "
                                          "instead of auto"), s->layer->where, s->layer->name);
        return NULL;
    }
    return nilu_dense(s->in[0], s->layer->name, units, act, init, v[3].number != 0);
}

static nilu_tensor *dropout(const nn_site *s)
{
    double rate = s->layer->value[0].number;
    return s->training && rate > 0 ? nilu_named(nilu_dropout(s->in[0], rate), s->layer->name) : s->in[0];
}

/* A reshape that does nothing leaves no node to be named. */
static nilu_tensor *flatten(const nn_site *s)
{
    nilu_tensor *y = nilu_flatten(s->in[0]);
    return y == s->in[0] ? y : nilu_named(y, s->layer->name);
}

static nilu_tensor *activation(const nn_site *s)
{
    const nn_activation *a = s->layer->activation;
    double p = s->layer->value[0].number;
    nilu_tensor *y = a->apply(s->in[0], isnan(p) ? a->otherwise : p);
    return y == s->in[0] ? y : nilu_named(y, s->layer->name);
}

/* Branches meet with equal shapes: a silent broadcast would hide a slip. */
static nilu_tensor *merge(const nn_site *s, nilu_tensor *(*op)(nilu_tensor *, nilu_tensor *))
{
    nilu_tensor *y = s->in[0];
    char a[BASE_SHAPE_TEXT], b[BASE_SHAPE_TEXT];
    for (int i = 1; i < s->nin && y; i++) {
        if (s->in[i] && !base_same_shape(s->in[0]->shape, s->in[i]->shape)) {
            graph_fail(s->g, NILU_E_MODEL, N_("%s: %s: input 1 is %s but input %d is %s; both must have one shape, or use concat"),
                       s->layer->where, s->layer->name, base_shape_text(s->in[0]->shape, a), i + 1,
                       base_shape_text(s->in[i]->shape, b));
            return NULL;
        }
        y = op(y, s->in[i]);
    }
    return nilu_named(y, s->layer->name);
}

static nilu_tensor *scale(const nn_site *s)
{
    return nilu_named(nilu_scale(s->in[0], s->layer->value[0].number), s->layer->name);
}

static nilu_tensor *add(const nn_site *s)
{
    return merge(s, nilu_add);
}

static nilu_tensor *mul(const nn_site *s)
{
    return merge(s, nilu_mul);
}

static nilu_tensor *concat(const nn_site *s)
{
    return nilu_named(nilu_concat(s->nin, s->in, -1), s->layer->name);
}

#define MOST 2147483648.0
#define LONG 32768.0 /* of a kernel and what moves it */
static const char *const pools[] = {"max", "avg", NULL}, *const ways[] = {"nearest", "linear", "corners", NULL},
                        *const paddings[] = {"zeros", "reflect", "replicate", "circular", NULL};
#define EPS {"eps", ARG_REAL, .low = 0, .high = 1}
static const nn_kind kinds[] = {
    {"dense", "fc",
     {{"units", ARG_COUNT, .required = true, .word = "auto", .low = 1, .high = MOST},
      {"activation", ARG_ACTIVATION},
      {"init", ARG_INIT},
      {"bias", ARG_TRUTH}},
     .example = "512", .build = dense},
    {"dropout", "dropout", {{"rate", ARG_REAL, .required = true, .low = 0, .high = 1}}, .example = "0.2", .build = dropout},
    {"flatten", "flatten", .build = flatten},
    {"scale", "scale", {{"factor", ARG_REAL, .required = true, .low = -MOST, .high = MOST}}, .example = "0.1", .build = scale},
    {"add", "add", .merges = true, .build = add},
    {"mul", "mul", .merges = true, .build = mul},
    {"concat", "concat", .merges = true, .build = concat},
    {"conv", "conv",
     {{"filters", ARG_COUNT, .required = true, .low = 1, .high = MOST},
      {"kernel", ARG_COUNT, .required = true, .low = 1, .high = LONG},
      {"activation", ARG_ACTIVATION},
      {"stride", ARG_COUNT, .low = 1, .high = LONG},
      {"padding", ARG_COUNT, .word = "same", .low = 0, .high = LONG},
      {"dilation", ARG_COUNT, .low = 1, .high = LONG},
      {"groups", ARG_COUNT, .low = 1, .high = MOST},
      {"init", ARG_INIT},
      {"bias", ARG_TRUTH}},
     .pictures = true, .example = "32 3", .build = nn_conv},
    {"whiten", "whiten",
     {{"filters", ARG_COUNT, .required = true, .low = 1, .high = MOST}, {"kernel", ARG_COUNT, .required = true, .low = 1, .high = LONG},
      {"stride", ARG_COUNT, .low = 1, .high = LONG}, {"padding", ARG_COUNT, .low = 0, .high = LONG}, {"bias", ARG_TRUTH}},
     .pictures = true, .example = "24 2", .build = nn_whiten},
    {"pool", "pool",
     {{"kind", ARG_CHOICE, .required = true, .choice = pools},
      {"kernel", ARG_COUNT, .required = true, .word = "global", .low = 1, .high = LONG},
      {"stride", ARG_COUNT, .low = 1, .high = LONG},
      {"padding", ARG_COUNT, .low = 0, .high = LONG}},
     .pictures = true, .example = "max 2", .build = nn_pool},
    {"adaptive_pool", "pool",
     {{"kind", ARG_CHOICE, .required = true, .choice = pools}, {"size", ARG_COUNT, .required = true, .low = 1, .high = LONG}},
     .pictures = true, .example = "avg 7", .build = nn_adaptive},
    {"batchnorm", "norm", {{"momentum", ARG_REAL, .low = 0, .high = 1.0000001}, EPS, {"frozen", ARG_TRUTH}}, .build = nn_batchnorm},
    {"layernorm", "norm", {EPS}, .build = nn_layernorm},
    {"rmsnorm", "norm", {EPS}, .build = nn_rmsnorm},
    {"groupnorm", "norm", {{"groups", ARG_COUNT, .required = true, .word = "channels", .low = 1, .high = MOST}, EPS}, .example = "8", .build = nn_groupnorm},
    {"upsample", "upsample",
     {{"factor", ARG_REAL, .required = true, .low = 1e-6, .high = LONG}, {"how", ARG_CHOICE, .choice = ways}},
     .pictures = true, .example = "2", .build = nn_upsample},
    {"pad", "pad",
     {{"places", ARG_COUNT, .required = true, .low = 0, .high = LONG}, {"kind", ARG_CHOICE, .choice = paddings}},
     .pictures = true, .example = "2", .build = nn_pad},
    {"channels_first", "channels_first", .build = nn_channels_first},
};

static const nn_kind activation_kind = {"activation", NULL, .build = activation};
static const nn_kind leaky_kind = {"leaky_relu", NULL, {{"slope", ARG_REAL, .low = -1e6, .high = 1e6}}, .build = activation};
static const nn_kind elu_kind = {"elu", NULL, {{"alpha", ARG_REAL, .low = -1e6, .high = 1e6}}, .build = activation};

const nn_kind *nn_kind_find(const char *name)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    const nn_activation *a = nn_activation_find(name);
    if (!a)
        return NULL;
    return strcmp(name, "leaky_relu") == 0 ? &leaky_kind : strcmp(name, "elu") == 0 ? &elu_kind : &activation_kind;
}

const char *nn_kind_name(int i)
{
    return i >= 0 && i < (int)COUNT(kinds) ? kinds[i].name : nilu_activation_name(i - (int)COUNT(kinds));
}
