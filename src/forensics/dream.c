/* Dreams: the error does not stop at the input, it changes the picture (Mordvintsev, Olah, Tyka 2015; Olah, Mordvintsev,
 * Schubert 2017). The picture is a state of a graph that holds the network; how much the asked channels say is a scalar in
 * it; nilu_grad walks from there back to the picture; and the picture's update is nodes of the same graph, carried out by
 * the step that computes the error.
 *
 * What the error is put through on its way is what makes it a picture and no noise: it is cut into bands of frequency which
 * all weigh alike (a Laplacian pyramid, as natural pictures have equal strength in each octave), and its colours are mixed
 * as those of the training part vary together. Before each step the picture is rolled by a few pixels, so that no detail
 * hangs on the raster of the strides.
 *
 * A graph is planned for each size. Layers that read any size see the picture as large as it is; a network that reads one
 * size alone is shown the picture resized to it, so that the first octaves are coarse pictures.
 *
 * Invariants: no weight is assigned in the graph, and a hash over all of them is compared at the end; a step that does not
 * raise what it climbs is halved until it does, and taken back if it never does. */
#include "forensics/lens.h"

#include <math.h>
#include <string.h>

#define BANDS 6
#define SMALLEST_BAND 4
#define SIZES 16
#define SIDE 8192 /* of a picture */
#define HALVINGS 7     /* of a step that did not rise, before it is taken back */
#define GROWTH 1.5f    /* of the rate from step to step, up to the one that was asked for */

typedef struct sized { /* plans for one size of picture */
    int height, width;
    nilu_plan *climb, *look;
    float *picture; /* the state [channels][height][width] */
    int32_t *row, *column;
} sized;

struct nilu_dream {
    nilu *nl;
    nilu_dream_options options;
    forensics_lens lens;
    const nilu_model *model;
    nilu_store *store;
    char *layer, hash[65]; /* layer NULL: the answer */
    int64_t outputs, channels;
    bool any_size;
    float *direction, whole, rate;
    sized size[SIZES];
    int sizes;
    unsigned char *pixels;
};

/* ---- the graph */

/* All bands of the error with the same power, coarse to fine. */
static nilu_tensor *even_bands(nilu_tensor *error, int height, int width, double smooth)
{
    nilu_tensor *band[BANDS + 1], *low = error, *sum = NULL;
    int n = 0, h[BANDS + 1] = {height}, w[BANDS + 1] = {width};
    while (n < BANDS && h[n] >= 2 * SMALLEST_BAND && w[n] >= 2 * SMALLEST_BAND) {
        h[n + 1] = h[n] / 2;
        w[n + 1] = w[n] / 2;
        nilu_tensor *lower = nilu_resize(low, NILU_SIZES(h[n + 1], w[n + 1]), NILU_LINEAR);
        band[n] = nilu_sub(low, nilu_resize(lower, NILU_SIZES(h[n], w[n]), NILU_LINEAR));
        low = lower;
        n++;
    }
    band[n] = low;
    for (int i = n; i >= 0; i--) {
        nilu_tensor *power = nilu_mean(nilu_square(band[i]), NILU_ALL, false);
        nilu_tensor *even = nilu_mul(band[i], nilu_rsqrt(nilu_shift(power, 1e-20)));
        even = nilu_scale(even, exp2(-smooth * (n - i)));
        sum = sum ? nilu_add(nilu_resize(sum, NILU_SIZES(h[i], w[i]), NILU_LINEAR), even) : even;
    }
    return sum;
}

/* The way that the picture goes: mixed colours, and a mean change of 1 a pixel. What is as dark or as light as can be and
 * wants to be more so has no say: its error, spread to what is around it, would lead where nothing rises. */
static nilu_tensor *direction_of(const nilu_dream *d, nilu_tensor *picture, nilu_tensor *error, const sized *z)
{
    nilu_graph *g = nilu_tensor_graph(error);
    const int c = d->lens.channels;
    nilu_tensor *moved = nilu_clamp(nilu_add(picture, nilu_scale(nilu_sign(error), 1.0 / 255)), 0, 1);
    error = nilu_mul(error, nilu_sign(nilu_abs(nilu_sub(moved, picture))));
    nilu_tensor *u = even_bands(error, z->height, z->width, d->options.smooth);
    if (c > 1) {
        float mix[LENS_CHANNELS * LENS_CHANNELS];
        for (int i = 0; i < c * c; i++)
            mix[i] = (float)d->lens.colours[i / c][i % c];
        u = nilu_conv(u, nilu_constant(g, NILU_F32, NILU_SHAPE(c, c, 1, 1), mix), NULL);
    }
    nilu_tensor *size = nilu_mean(nilu_abs(u), NILU_ALL, false);
    return nilu_div(u, nilu_shift(size, 1e-20));
}

/* What the asked channels say, and half the mean square of all that the layer gives: each with its share. */
static nilu_tensor *objective(nilu_tensor *sums, nilu_tensor *given)
{
    nilu_graph *g = nilu_tensor_graph(given);
    const nilu_shape s = nilu_tensor_shape(sums);
    nilu_tensor *each = s.rank == 4 ? nilu_mean(sums, NILU_AXES(0, 2, 3), false) : nilu_mean(sums, NILU_AXES(0), false);
    nilu_tensor *direction = nilu_input(g, "direction", NILU_F32, NILU_SHAPE(s.dim[1]));
    nilu_tensor *whole = nilu_input(g, "whole", NILU_F32, NILU_SCALAR);
    nilu_tensor *strength = nilu_scale(nilu_mean(nilu_square(given), NILU_ALL, false), 0.5);
    return nilu_add(nilu_sum(nilu_mul(each, direction), NILU_ALL, false), nilu_mul(strength, whole));
}

/* The network on a rolled picture of h times w pixels. */
static nilu_status build(const nilu_dream *d, nilu_graph *g, const sized *z, nilu_tensor **picture, nilu_tensor **goal)
{
    const forensics_lens *l = &d->lens;
    nilu_model *own = NULL;
    nilu_tensor *y, *sums, *given;
    char name[48];
    const int h = d->any_size && z->height > l->height ? z->height : l->height, w = d->any_size && z->width > l->width ? z->width : l->width;
    snprintf(name, sizeof name, "picture %dx%d", z->height, z->width);
    *picture = nilu_state(g, name, NILU_F32, NILU_SHAPE(1, l->channels, z->height, z->width), 0);
    nilu_tensor *rolled = nilu_gather(*picture, nilu_input(g, "row", NILU_I32, NILU_SHAPE(z->height)), 2);
    rolled = nilu_gather(rolled, nilu_input(g, "column", NILU_I32, NILU_SHAPE(z->width)), 3);
    if (h != z->height || w != z->width)
        rolled = nilu_resize(rolled, NILU_SIZES(h, w), NILU_LINEAR);
    NILU_TRY(nilu_graph_status(g));
    NILU_TRY(nn_at_size(d->model, l->height, l->width, h, w, &own));
    nilu_tensor *seen = forensics_lens_node(l, own, rolled); /* NULL is of no graph, which alone knows why */
    nilu_status status = seen ? nilu_model_build(own, seen, d->outputs, false, &y) : nilu_graph_status(g);
    if (status == NILU_OK) {
        given = d->layer ? forensics_layer(g, d->layer, &sums) : (sums = y);
        if (!given)
            status = forensics_no_layer(d->nl, g, own, d->layer);
        else if (nilu_tensor_shape(given).rank != 4 && nilu_tensor_shape(given).rank != 2)
            status = base_fail(d->nl, NILU_E_UNSUPPORTED, N_("%s: gives neither pictures nor numbers side by side; take a layer that does"), d->layer);
        else
            *goal = objective(sums, given);
    }
    nilu_model_free(own);
    return status == NILU_OK ? nilu_graph_status(g) : status;
}

static nilu_status feed(nilu_dream *d, const sized *z, nilu_plan *plan)
{
    NILU_TRY(nilu_feed(plan, "direction", d->direction, (size_t)d->channels * sizeof *d->direction));
    NILU_TRY(nilu_feed(plan, "whole", &d->whole, sizeof d->whole));
    NILU_TRY(nilu_feed(plan, "row", z->row, (size_t)z->height * sizeof *z->row));
    return nilu_feed(plan, "column", z->column, (size_t)z->width * sizeof *z->column);
}

/* Two plans of one graph: how much is said, and that with the picture's update. */
static nilu_status compile(nilu_dream *d, nilu_graph *g, sized *z)
{
    nilu_tensor *picture, *goal, *error;
    char name[48];
    NILU_TRY(build(d, g, z, &picture, &goal));
    if (!d->direction) {
        d->channels = nilu_tensor_shape(nilu_find(g, "direction")).dim[0];
        d->direction = base_calloc(d->nl, (size_t)d->channels, sizeof *d->direction);
        if (!d->direction)
            return NILU_E_NO_MEMORY;
    }
    NILU_TRY(nilu_compile(g, d->store, 1, &goal, NULL, &z->look));
    NILU_TRY(nilu_grad(goal, 1, &picture, &error));
    nilu_tensor *rate = nilu_input(g, "rate", NILU_F32, NILU_SCALAR);
    nilu_assign(picture, nilu_clamp(nilu_add(picture, nilu_mul(direction_of(d, picture, error, z), rate)), 0, 1));
    NILU_TRY(nilu_compile(g, d->store, 1, &goal, NULL, &z->climb));
    snprintf(name, sizeof name, "picture %dx%d", z->height, z->width);
    z->picture = nilu_store_find(d->store, name)->data;
    NILU_TRY(feed(d, z, z->look));
    NILU_TRY(feed(d, z, z->climb));
    return nilu_feed(z->climb, "rate", &d->rate, sizeof d->rate);
}

static void drop_last(nilu_dream *d)
{
    sized *z = &d->size[--d->sizes];
    nilu_plan_free(z->climb);
    nilu_plan_free(z->look);
    base_free(d->nl, z->row);
}

/* The plans of a size: made once. */
static nilu_status plan_for(nilu_dream *d, int height, int width, sized **out)
{
    for (int i = 0; i < d->sizes; i++)
        if (d->size[i].height == height && d->size[i].width == width) {
            *out = &d->size[i];
            return NILU_OK;
        }
    if (d->sizes == SIZES)
        return base_fail(d->nl, NILU_E_RANGE, N_("a dream has at most %d sizes of pictures; make a new one"), SIZES);
    sized *z = &d->size[d->sizes++];
    *z = (sized){.height = height, .width = width, .row = base_calloc(d->nl, (size_t)height + (size_t)width, sizeof *z->row)};
    nilu_graph *g = z->row ? nilu_graph_new(d->nl) : NULL;
    z->column = z->row ? z->row + height : NULL;
    nilu_status status = g ? compile(d, g, z) : NILU_E_NO_MEMORY;
    nilu_graph_free(g);
    if (status != NILU_OK)
        drop_last(d);
    *out = z;
    return status;
}

/* Does every weight keep its shape when pictures are larger? Else the layer reads one size alone. */
static nilu_status try_size(nilu_dream *d)
{
    const forensics_lens *l = &d->lens;
    sized z = {.height = l->height + 32, .width = l->width + 32};
    nilu_graph *g = nilu_graph_new(d->nl);
    nilu_tensor *picture, *goal, *param[1024];
    d->any_size = true;
    nilu_status status = g ? build(d, g, &z, &picture, &goal) : NILU_E_NO_MEMORY;
    int n = status == NILU_OK ? nilu_params_of(goal, (int)COUNT(param), param) : 0;
    status = status == NILU_OK ? nilu_graph_status(g) : status;
    for (int i = 0; i < n && i < (int)COUNT(param); i++) {
        const nilu_value *v = nilu_store_find(d->store, nilu_tensor_name(param[i]));
        d->any_size = d->any_size && v && base_same_shape(v->shape, nilu_tensor_shape(param[i]));
    }
    if (status != NILU_OK && status != NILU_E_NO_MEMORY && status != NILU_E_NAME) {
        d->any_size = false; /* it cannot be built for another size */
        status = NILU_OK;
    }
    nilu_graph_free(g);
    return status;
}

/* ---- opening */

nilu_status nilu_dream_open(nilu *nl, nilu_inquiry *q, const nilu_dream_options *options, nilu_dream **dream)
{
    static const nilu_dream_options usual = NILU_DREAM_DEFAULT;
    const nilu_dream_options *o = options ? options : &usual;
    const nilu_inquiry_info *i = nilu_inquiry_about(q);
    sized *z;
    *dream = NULL;
    if (o->size != sizeof *o)
        return base_fail(nl, NILU_E_USAGE, N_("nilu_dream_open: options.size is not sizeof(nilu_dream_options); start from NILU_DREAM_DEFAULT"));
    if (o->steps < 1 || o->octaves < 1 || o->octaves > SIZES || !(o->scale > 1 && o->scale <= 16) || !(o->rate > 0 && o->rate <= 1) ||
        o->jitter < 0 || !(o->smooth >= 0 && o->smooth <= 8))
        return base_fail(nl, NILU_E_USAGE,
                         N_("nilu_dream_open: %d steps, %d octaves, scale %g, rate %g, jitter %d, smooth %g; steps and octaves are at least 1 and "
                            "octaves at most %d, scale lies above 1 and up to 16, rate above 0 and up to 1, jitter is not negative, smooth lies from 0 to 8"),
                         o->steps, o->octaves, o->scale, o->rate, o->jitter, o->smooth, SIZES);
    nilu_dream *d = base_calloc(nl, 1, sizeof *d);
    if (!d)
        return NILU_E_NO_MEMORY;
    *d = (nilu_dream){.nl = nl, .options = *o, .model = i->model, .outputs = i->set->outputs};
    nilu_status status = forensics_lens_of(nl, i->data, &d->lens);
    if (status == NILU_OK)
        status = forensics_lens_colours(nl, i->data, &d->lens);
    if (status == NILU_OK && o->layer)
        status = (d->layer = base_strdup(nl, o->layer)) ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = forensics_weights(nl, i->store, NILU_F32, &d->store);
    if (status == NILU_OK) {
        nilu_store_hash(d->store, NILU_PARAM, d->hash);
        status = try_size(d);
    }
    if (status == NILU_OK)
        status = plan_for(d, d->lens.height, d->lens.width, &z);
    if (status == NILU_OK)
        *dream = d;
    else
        nilu_dream_free(d);
    return status;
}

void nilu_dream_free(nilu_dream *d)
{
    if (!d)
        return;
    while (d->sizes)
        drop_last(d);
    nilu_store_free(d->store);
    base_free(d->nl, d->layer);
    base_free(d->nl, d->direction);
    base_free(d->nl, d->pixels);
    base_free(d->nl, d);
}

int64_t nilu_dream_channels(const nilu_dream *d)
{
    return d->channels;
}

bool nilu_dream_any_size(const nilu_dream *d)
{
    return d->any_size;
}

/* ---- climbing */

static void roll(const nilu_dream *d, sized *z, uint64_t step)
{
    const base_key key = {d->options.seed, base_hash_text("dream/jitter")};
    const int most[2] = {d->options.jitter < z->height / 2 ? d->options.jitter : z->height / 2,
                         d->options.jitter < z->width / 2 ? d->options.jitter : z->width / 2};
    int by[2];
    for (int k = 0; k < 2; k++)
        by[k] = (int)(base_uniform(key, 2 * step + (uint64_t)k) * (float)(2 * most[k] + 1)) - most[k];
    for (int i = 0; i < z->height; i++)
        z->row[i] = (i + by[0] + z->height) % z->height;
    for (int i = 0; i < z->width; i++)
        z->column[i] = (i + by[1] + z->width) % z->width;
}

static nilu_status climb(nilu_dream *d, sized *z, int octave, nilu_dream_result *out)
{
    const size_t bytes = (size_t)z->height * (size_t)z->width * (size_t)d->lens.channels * sizeof(float);
    const nilu_dream_options *o = &d->options;
    float *kept = base_alloc(d->nl, bytes);
    nilu_status status = kept ? NILU_OK : NILU_E_NO_MEMORY;
    d->rate = (float)o->rate;
    for (int s = 0; s < o->steps && status == NILU_OK; s++) {
        roll(d, z, (uint64_t)(octave * o->steps + s));
        memcpy(kept, z->picture, bytes);
        status = nilu_step(z->climb);
        const float before = status == NILU_OK ? *(const float *)nilu_fetched(z->climb, 0) : 0;
        float after = before;
        bool rose = false;
        for (int tries = 0; status == NILU_OK && !rose && tries <= HALVINGS; tries++) {
            for (size_t i = 0; i < bytes / sizeof *kept && tries; i++)
                z->picture[i] = (z->picture[i] + kept[i]) / 2;
            status = nilu_step(z->look);
            after = *(const float *)nilu_fetched(z->look, 0);
            rose = after > before;
            d->rate = tries ? d->rate / 2 : d->rate;
        }
        if (status == NILU_OK && !isfinite(before))
            status = base_fail(d->nl, NILU_E_NOT_FINITE, N_("dream: what is climbed is %g; are the weights finite?"), (double)before);
        if (!out->steps)
            out->before = (double)before;
        out->steps++;
        out->rose += rose;
        out->after = (double)(rose ? after : before);
        if (!rose)
            memcpy(z->picture, kept, bytes);
        d->rate = fminf(d->rate * GROWTH, (float)o->rate);
        if (status == NILU_OK && o->progress && !o->progress(o->user, (octave + (s + 1.0) / o->steps) / o->octaves))
            status = base_fail(d->nl, NILU_E_CANCELLED, N_("dream: interrupted"));
    }
    base_free(d->nl, kept);
    return status;
}

static int of_octave(const nilu_dream *d, int side, int octave)
{
    const int n = (int)lround(side / pow(d->options.scale, d->options.octaves - 1 - octave));
    return n < 2 * SMALLEST_BAND ? side < 2 * SMALLEST_BAND ? side : 2 * SMALLEST_BAND : n;
}

/* What the first octave starts with, and what the others are measured against: the picture, or the mean colour. */
static void ground(const nilu_dream *d, const unsigned char *picture, int64_t area, float *to)
{
    const int c = d->lens.channels;
    for (int64_t i = 0; i < area; i++)
        for (int k = 0; k < c; k++)
            to[k * area + i] = picture ? (float)picture[i * c + k] / 255 : (float)(d->lens.mean[k] / 255);
}

static void noise(const nilu_dream *d, float *to, int64_t area)
{
    const base_key key = {d->options.seed, base_hash_text("dream/noise")};
    for (int64_t i = 0; i < area; i++)
        for (int k = 0; k < d->lens.channels; k++) {
            double sum = 0;
            for (int j = 0; j < d->lens.channels; j++)
                sum += d->lens.colours[k][j] * base_normal(key, (uint64_t)(i * d->lens.channels + j));
            to[k * area + i] = (float)(d->options.noise * sum);
        }
}

/* From octave to octave goes what was dreamt, not the picture: its details come anew from the original. */
static nilu_status dream_all(nilu_dream *d, const unsigned char *picture, int height, int width, nilu_dream_result *out)
{
    nilu *nl = d->nl;
    const int c = d->lens.channels;
    const size_t most = (size_t)height * (size_t)width * (size_t)c;
    const nilu_dream_options *o = &d->options;
    float *start = base_calloc(nl, 3 * most, sizeof *start), *base = start ? start + most : NULL, *dreamt = start ? base + most : NULL;
    nilu_status status = start ? NILU_OK : NILU_E_NO_MEMORY;
    int h = 0, w = 0;
    if (start)
        ground(d, picture, (int64_t)height * width, start);
    for (int octave = 0; octave < o->octaves && status == NILU_OK; octave++) {
        const int nh = of_octave(d, height, octave), nw = of_octave(d, width, octave);
        const int64_t n = (int64_t)nh * nw * c;
        sized *z = NULL;
        status = plan_for(d, nh, nw, &z);
        if (status == NILU_OK)
            status = forensics_resample(nl, start, c, height, width, base, nh, nw);
        if (status == NILU_OK && octave)
            status = forensics_resample(nl, dreamt, c, h, w, z->picture, nh, nw);
        else if (status == NILU_OK && picture)
            memset(z->picture, 0, (size_t)n * sizeof *z->picture);
        else if (status == NILU_OK)
            noise(d, z->picture, (int64_t)nh * nw);
        for (int64_t i = 0; i < n && status == NILU_OK; i++)
            z->picture[i] = fminf(fmaxf(z->picture[i] + base[i], 0), 1);
        if (status == NILU_OK)
            status = climb(d, z, octave, out);
        for (int64_t i = 0; i < n && status == NILU_OK; i++)
            dreamt[i] = octave + 1 < o->octaves ? z->picture[i] - base[i] : z->picture[i];
        h = nh;
        w = nw;
    }
    for (size_t i = 0; i < most && status == NILU_OK; i++)
        d->pixels[i] = (unsigned char)lrintf(dreamt[(int64_t)(i % (size_t)c) * height * width + (int64_t)(i / (size_t)c)] * 255);
    base_free(nl, start);
    return status;
}

nilu_status nilu_dream_of(nilu_dream *d, int n, const int64_t *channel, const unsigned char *picture, int height, int width,
                          nilu_dream_result *out)
{
    *out = (nilu_dream_result){.height = height ? height : d->lens.height, .width = width ? width : d->lens.width, .channels = d->lens.channels};
    if (out->height < 1 || out->width < 1 || out->height > SIDE || out->width > SIDE)
        return base_fail(d->nl, NILU_E_RANGE, N_("a picture of %d x %d pixels; a dream has 1 to %d on each side"), out->height, out->width, SIDE);
    if (!d->any_size && (out->height != d->lens.height || out->width != d->lens.width))
        return base_fail(d->nl, NILU_E_RANGE,
                         N_("%s reads pictures of %d x %d alone, as in training, but this one has %d x %d; resize it, or choose a layer of "
                            "channels that stands before"),
                         d->layer ? d->layer : base_text(N_("the answer")), d->lens.height, d->lens.width, out->height, out->width);
    memset(d->direction, 0, (size_t)d->channels * sizeof *d->direction);
    for (int i = 0; i < n; i++) {
        if (channel[i] < 0 || channel[i] >= d->channels)
            return base_fail(d->nl, NILU_E_RANGE, N_("%s has %lld channels (0 is the first); there is no %lld"),
                             d->layer ? d->layer : base_text(N_("the answer")), (long long)d->channels, (long long)channel[i]);
        d->direction[channel[i]] = 1;
    }
    d->whole = n ? 0 : 1;
    base_free(d->nl, d->pixels);
    d->pixels = base_alloc(d->nl, (size_t)out->height * (size_t)out->width * (size_t)out->channels);
    NILU_TRY(d->pixels ? dream_all(d, picture, out->height, out->width, out) : NILU_E_NO_MEMORY);
    out->pixels = d->pixels;
    nilu_store_hash(d->store, NILU_PARAM, out->weights);
    if (strcmp(out->weights, d->hash) != 0)
        return base_fail(d->nl, NILU_E_VERIFY, N_("dream: a weight of the network has changed; this is a fault of nilu"));
    return NILU_OK;
}
