/* Layers for pictures [samples, channels, height, width]. Pictures without an axis of channels, [samples, height, width],
 * get one. Running statistics are parameters that no error reaches: they belong to the model and are saved with it, and the
 * training step assigns them. */
#include "nn/nn.h"

#include <math.h>
#include <string.h>

static int64_t count_or(const nn_value *v, int64_t otherwise)
{
    return isnan(v->number) ? otherwise : (int64_t)v->number;
}

static double real_or(const nn_value *v, double otherwise)
{
    return isnan(v->number) ? otherwise : v->number;
}

/* The layer's input as pictures; NULL after an error. */
static nilu_tensor *picture(const nn_site *s)
{
    nilu_tensor *x = s->in[0];
    char dims[BASE_SHAPE_TEXT];
    if (!x || x->shape.rank == 4)
        return x;
    if (x->shape.rank == 3)
        return nilu_reshape(x, NILU_SHAPE(x->shape.dim[0], 1, x->shape.dim[1], x->shape.dim[2]));
    graph_fail(s->g, NILU_E_MODEL, N_("%s: %s reads %s, but it wants pictures [samples, channels, height, width]; write their shape into the "
                                      "model file, as in input: [1, 28, 28]"), s->layer->where, s->layer->name, base_shape_text(x->shape, dims));
    return NULL;
}

static nilu_tensor *channel_param(const nn_site *s, const char *name, nilu_tensor *x, double value)
{
    return nilu_param(s->g, name, x->dtype, NILU_SHAPE(x->shape.dim[1]), (nilu_init){NILU_INIT_CONSTANT, value, 0});
}

/* ---- convolution */

enum { FILTERS, KERNEL, ACT, STRIDE, PADDING, DILATION, GROUPS, INIT, BIAS };

/* Zeros around an axis of n places so that at a stride of 1 it stays as long: behind it, if there is an odd one. */
static void keep_size(nilu_conv_options *o, int d, int64_t n, int64_t kernel)
{
    const int64_t stride = o->stride.at[0], covered = (kernel - 1) * o->dilation.at[0] + 1;
    const int64_t want = ((n - 1) / stride) * stride + covered, all = want > n ? want - n : 0;
    o->padding.at[d] = (int)(all / 2);
    o->after.at[d] = (int)(all - all / 2);
}

nilu_tensor *nn_conv(const nn_site *s)
{
    const nn_value *v = s->layer->value;
    const nn_activation *a = v[ACT].activation ? v[ACT].activation : nn_activation_find("linear");
    const int64_t filters = (int64_t)v[FILTERS].number, kernel = (int64_t)v[KERNEL].number, groups = count_or(&v[GROUPS], 1);
    const char *init = v[INIT].text ? v[INIT].text : s->model->init;
    nilu_tensor *x = picture(s);
    nilu_conv_options o = {.stride = NILU_SIZES((int)count_or(&v[STRIDE], 1)), .dilation = NILU_SIZES((int)count_or(&v[DILATION], 1)), .groups = groups};
    if (!x)
        return NULL;
    if (x->shape.dim[1] % groups || filters % groups) {
        graph_fail(s->g, NILU_E_MODEL, N_("%s: %s: %lld groups do not share %lld channels and %lld filters evenly"), s->layer->where, s->layer->name,
                   (long long)groups, (long long)x->shape.dim[1], (long long)filters);
        return NULL;
    }
    if (v[PADDING].number == NN_AUTO) {
        o.padding.n = o.after.n = 2;
        for (int d = 0; d < 2; d++)
            keep_size(&o, d, x->shape.dim[2 + d], kernel);
    } else {
        o.padding = NILU_SIZES((int)count_or(&v[PADDING], 0));
    }
    const int64_t each = x->shape.dim[1] / groups, fan_in = each * kernel * kernel;
    nilu_init weights, zeros = {NILU_INIT_CONSTANT, 0, 0};
    nilu_status status = nilu_init_named(s->g->nl, init ? init : a->init, fan_in, filters / groups * kernel * kernel, &weights);
    if (status != NILU_OK) {
        graph_fail(s->g, status, "%s", nilu_errmsg(s->g->nl));
        return NULL;
    }
    nilu_scope_push(s->g, s->layer->name);
    nilu_tensor *y = nilu_conv(x, nilu_param(s->g, "weight", x->dtype, NILU_SHAPE(filters, each, kernel, kernel), weights), &o);
    if (y && v[BIAS].number != 0) {
        const bool same = init && strncmp(init, "linear", 6) == 0;
        nilu_tensor *bias = nilu_param(s->g, "bias", x->dtype, NILU_SHAPE(filters), same ? weights : zeros);
        y = nilu_add(y, nilu_reshape(bias, NILU_SHAPE(filters, 1, 1)));
    }
    y = y ? a->apply(y, a->otherwise) : NULL;
    nilu_scope_pop(s->g);
    return y;
}

/* Its filters are not learnt: the training sets them by the pictures that it is given. */
nilu_tensor *nn_whiten(const nn_site *s)
{
    const nn_value *v = s->layer->value; /* filters, kernel, stride, padding, bias */
    const nilu_conv_options o = {.stride = NILU_SIZES((int)count_or(&v[2], 1)), .padding = NILU_SIZES((int)count_or(&v[3], 0))};
    const int64_t filters = (int64_t)v[0].number, kernel = (int64_t)v[1].number;
    nilu_tensor *x = picture(s);
    if (!x)
        return NULL;
    const int64_t each = x->shape.dim[1], fan_in = each * kernel * kernel;
    if (filters % 2 || filters > 2 * fan_in) {
        graph_fail(s->g, NILU_E_MODEL, N_("%s: %s: %lld filters; there can be any even number of them up to %lld, two for each direction of a patch"),
                   s->layer->where, s->layer->name, (long long)filters, (long long)(2 * fan_in));
        return NULL;
    }
    nilu_scope_push(s->g, s->layer->name);
    nilu_tensor *weight = nilu_param(s->g, "weight", x->dtype, NILU_SHAPE(filters, each, kernel, kernel),
                                     (nilu_init){NILU_INIT_NORMAL, 0, sqrt(1.0 / (double)fan_in)});
    if (weight)
        weight->node->frozen = true;
    nilu_tensor *y = nilu_conv(x, nilu_stop_gradient(weight), &o);
    if (v[4].number != 0) {
        nilu_tensor *bias = nilu_param(s->g, "bias", x->dtype, NILU_SHAPE(filters), (nilu_init){NILU_INIT_CONSTANT, 0, 0});
        y = nilu_add(y, nilu_reshape(bias, NILU_SHAPE(filters, 1, 1)));
    }
    nilu_scope_pop(s->g);
    return nilu_named(y, s->layer->name);
}

/* ---- pools */

nilu_tensor *nn_pool(const nn_site *s)
{
    const nn_value *v = s->layer->value; /* kind, kernel, stride, padding */
    const bool largest = v[0].number == 0;
    nilu_tensor *x = picture(s);
    if (!x)
        return NULL;
    if (v[1].number == NN_AUTO)
        return nilu_named(largest ? nilu_max(x, NILU_AXES(2, 3), false) : nilu_mean(x, NILU_AXES(2, 3), false), s->layer->name);
    nilu_pool_options o = {.padding = NILU_SIZES((int)count_or(&v[3], 0))};
    if (!isnan(v[2].number))
        o.stride = NILU_SIZES((int)v[2].number);
    const nilu_sizes kernel = NILU_SIZES((int)v[1].number);
    return nilu_named(largest ? nilu_max_pool(x, kernel, &o) : nilu_avg_pool(x, kernel, &o), s->layer->name);
}

nilu_tensor *nn_adaptive(const nn_site *s)
{
    const nn_value *v = s->layer->value; /* kind, size */
    const nilu_sizes size = NILU_SIZES((int)v[1].number);
    nilu_tensor *x = picture(s);
    return nilu_named(v[0].number == 0 ? nilu_adaptive_max_pool(x, size) : nilu_adaptive_avg_pool(x, size), s->layer->name);
}

/* ---- sizes */

nilu_tensor *nn_upsample(const nn_site *s)
{
    const nn_value *v = s->layer->value; /* factor, how */
    nilu_tensor *x = picture(s);
    if (!x)
        return NULL;
    nilu_sizes size = {.n = 2};
    for (int d = 0; d < 2; d++) {
        const double n = (double)x->shape.dim[2 + d] * v[0].number;
        if (!(n >= 1 && n < INT32_MAX)) {
            graph_fail(s->g, NILU_E_MODEL, N_("%s: %s makes %lld places %g times as many; 1 to 2^31 are possible"), s->layer->where, s->layer->name,
                       (long long)x->shape.dim[2 + d], v[0].number);
            return NULL;
        }
        size.at[d] = (int)n;
    }
    return nilu_named(nilu_resize(x, size, isnan(v[1].number) ? NILU_NEAREST : (nilu_resize_how)v[1].number), s->layer->name);
}

nilu_tensor *nn_pad(const nn_site *s)
{
    const nn_value *v = s->layer->value; /* places, kind: zeros or nilu_padding + 1 */
    const int64_t n = (int64_t)v[0].number;
    nilu_tensor *x = picture(s);
    for (int d = 2; d < 4 && x; d++)
        x = isnan(v[1].number) || v[1].number == 0 ? nilu_pad(x, d, n, n, 0) : nilu_pad_mode(x, d, n, n, (nilu_padding)(v[1].number - 1));
    return nilu_named(x, s->layer->name);
}

/* The order in which many files keep pictures, [samples, height, width, channels], made the one that layers want. */
nilu_tensor *nn_channels_first(const nn_site *s)
{
    nilu_tensor *x = s->in[0];
    char dims[BASE_SHAPE_TEXT];
    if (x && x->shape.rank != 4) {
        graph_fail(s->g, NILU_E_MODEL, N_("%s: %s reads %s, but it wants [samples, height, width, channels]"), s->layer->where, s->layer->name,
                   base_shape_text(x->shape, dims));
        return NULL;
    }
    return nilu_named(nilu_transpose(x, NILU_AXES(0, 3, 1, 2)), s->layer->name);
}

/* ---- normalisations */

/* Channels of [n, c, ..]; features [n, c] as they are. */
static nilu_tensor *channels(const nn_site *s)
{
    return s->in[0] && s->in[0]->shape.rank == 2 ? s->in[0] : picture(s);
}

/* running <- running + momentum (now - running), after the step. */
static void follow(nilu_tensor *running, nilu_tensor *now, double momentum)
{
    if (running && now)
        nilu_assign(running, nilu_add(running, nilu_scale(nilu_sub(now, running), momentum)));
}

nilu_tensor *nn_batchnorm(const nn_site *s)
{
    const nn_value *v = s->layer->value; /* momentum, eps, frozen */
    const double momentum = real_or(&v[0], 0.1), eps = real_or(&v[1], 1e-5);
    nilu_tensor *x = channels(s);
    if (!x)
        return NULL;
    nilu_scope_push(s->g, s->layer->name);
    nilu_tensor *gamma = channel_param(s, "gamma", x, 1), *beta = channel_param(s, "beta", x, 0);
    nilu_tensor *mean = channel_param(s, "mean", x, 0), *variance = channel_param(s, "variance", x, 1), *y;
    bool frozen = v[2].number == 1 || (mean && nn_frozen(s->model, mean->node->name));
    if (mean && variance)
        mean->node->frozen = variance->node->frozen = true;
    if (s->training && !frozen) {
        const nilu_axes gone = x->shape.rank == 2 ? NILU_AXES(0) : NILU_AXES(0, 2, 3);
        nilu_tensor *now = nilu_moments(x, gone, false);
        const double n = (double)base_count(x->shape) / (double)(x->shape.dim[1] ? x->shape.dim[1] : 1);
        y = now ? nilu_batch_norm(x, now, nilu_output(now, 1), gamma, beta, eps) : NULL;
        if (now) { /* of the sample, as PyTorch keeps it */
            follow(mean, now, momentum);
            follow(variance, nilu_scale(nilu_output(now, 1), n > 1 ? n / (n - 1) : 1), momentum);
        }
    } else {
        y = nilu_batch_norm(x, nilu_stop_gradient(mean), nilu_stop_gradient(variance), gamma, beta, eps);
    }
    nilu_scope_pop(s->g);
    return nilu_named(y, s->layer->name);
}

static nilu_tensor *over_last(const nn_site *s, bool centred)
{
    nilu_tensor *x = s->in[0];
    const double eps = real_or(&s->layer->value[0], centred ? 1e-5 : 1e-6);
    if (!x)
        return NULL;
    const nilu_shape last = NILU_SHAPE(x->shape.rank ? x->shape.dim[x->shape.rank - 1] : 1);
    nilu_scope_push(s->g, s->layer->name);
    nilu_tensor *gamma = nilu_param(s->g, "gamma", x->dtype, last, (nilu_init){NILU_INIT_CONSTANT, 1, 0});
    nilu_tensor *y = centred ? nilu_layer_norm(x, gamma, nilu_param(s->g, "beta", x->dtype, last, (nilu_init){NILU_INIT_CONSTANT, 0, 0}), 1, eps)
                             : nilu_rms_norm(x, gamma, 1, eps);
    nilu_scope_pop(s->g);
    return nilu_named(y, s->layer->name);
}

nilu_tensor *nn_layernorm(const nn_site *s)
{
    return over_last(s, true);
}

nilu_tensor *nn_rmsnorm(const nn_site *s)
{
    return over_last(s, false);
}

nilu_tensor *nn_groupnorm(const nn_site *s)
{
    const nn_value *v = s->layer->value; /* groups, eps */
    nilu_tensor *x = channels(s);
    if (!x)
        return NULL;
    nilu_scope_push(s->g, s->layer->name);
    nilu_tensor *y = nilu_group_norm(x, channel_param(s, "gamma", x, 1), channel_param(s, "beta", x, 0),
                                     v[0].number == NN_AUTO ? x->shape.dim[1] : (int64_t)v[0].number, real_or(&v[1], 1e-5));
    nilu_scope_pop(s->g);
    return nilu_named(y, s->layer->name);
}

nilu_shape nn_input_shape(const nilu_model *m, int64_t n, int64_t features)
{
    const nn_input *in = &m->input[0];
    nilu_shape s = NILU_SHAPE(n, features);
    if (in->shaped && in->shape.rank < NILU_MAX_RANK && base_count(in->shape) == features) {
        s.rank = in->shape.rank + 1;
        memcpy(s.dim + 1, in->shape.dim, (size_t)in->shape.rank * sizeof *s.dim);
    }
    return s;
}
