/* What augmentation does to numbers. A sample's draws are blocks of Philox, by number:
 *     0: mirrored, rows down, columns right, -      1: row and column of the covered square's middle, -, -
 *     2: brightness, contrast, saturation, -
 * Pictures lie as planes [channel][row][column] or as [row][column][channel]; both are rows of pixels of `size` numbers. */
#include "data/augment.h"

#include <math.h>
#include <string.h>

typedef struct canvas {
    int planes, height, width, size; /* size: numbers of a pixel */
} canvas;

static canvas canvas_of(const nilu_data *d)
{
    const nilu_data_info *i = &d->info;
    return i->planes ? (canvas){i->channels, i->height, i->width, 1} : (canvas){1, i->height, i->width, i->channels};
}

bool data_augment_changes(const data_augment *a)
{
    return a->flip || a->shift || a->cutout || a->colour > 0;
}

int64_t data_augment_room(const nilu_data *d)
{
    const canvas c = canvas_of(d);
    return d->info.features + (int64_t)c.width * c.size;
}

/* 0 .. n-1 */
static int below(uint32_t draw, int n)
{
    return (int)((uint64_t)draw * (uint64_t)n >> 32);
}

/* ---- mirrored and shifted */

static int reflected(int i, int n)
{
    i = i < 0 ? -i : i;
    return i < n ? i : 2 * n - 2 - i;
}

/* Pixel x of the row becomes its pixel x + right; beyond its end it is reflected, or the mean. */
static void shift_row(const canvas *c, const float *restrict row, int right, bool reflect, float *restrict to)
{
    const int n = c->width, size = c->size, away = right < 0 ? -right : right, left = n - away;
    memcpy(to + (right < 0 ? away * size : 0), row + (right > 0 ? away * size : 0), (size_t)(left * size) * sizeof *to);
    for (int i = 0; i < away; i++) {
        const int at = right < 0 ? i : left + i, from = right < 0 ? away - i : n - 2 - i;
        for (int k = 0; k < size; k++)
            to[at * size + k] = reflect ? row[from * size + k] : 0;
    }
}

static void mirror_row(const float *restrict row, const canvas *c, float *restrict to)
{
    const int n = c->width, size = c->size;
    int done = 0;
    for (; size == 1 && done + 8 <= n; done += 8)
        for (int k = 0; k < 8; k++) /* a fixed number: vectors */
            to[done + k] = row[n - 1 - done - k];
    for (int x = done; x < n && size == 1; x++)
        to[x] = row[n - 1 - x];
    for (int x = 0; x < n && size > 1; x++)
        for (int k = 0; k < size; k++)
            to[x * size + k] = row[(n - 1 - x) * size + k];
}

static void shift_picture(const data_augment *a, const canvas *c, int down, int right, bool mirror, const float *from,
                          float *line, float *to)
{
    const size_t row = (size_t)(c->width * c->size);
    for (int p = 0; p < c->planes; p++, from += row * (size_t)c->height)
        for (int y = 0; y < c->height; y++, to += row) {
            if (!a->reflect && (y + down < 0 || y + down >= c->height)) {
                memset(to, 0, row * sizeof *to);
                continue;
            }
            const float *source = from + row * (size_t)reflected(y + down, c->height);
            if (!mirror) {
                shift_row(c, source, right, a->reflect, to);
                continue;
            }
            if (right)
                shift_row(c, source, right, a->reflect, line);
            mirror_row(right ? line : source, c, to);
        }
}

static bool mirrored(const data_augment *a, uint64_t seed, int64_t epoch, int64_t sample, uint32_t draw)
{
    uint32_t out[4];
    if (a->flip != AUGMENT_ALTFLIP)
        return a->flip == AUGMENT_FLIP && draw >> 31;
    base_philox(seed, base_hash_text("altflip"), (uint64_t)sample, out);
    return ((out[0] >> 31) + (uint64_t)epoch) & 1;
}

/* ---- covered (DeVries and Taylor 2017): the square may stand over the edge */

static void cover(const data_augment *a, const canvas *c, int row, int column, float *x)
{
    const int top = row - a->cutout / 2, left = column - a->cutout / 2;
    const int first = left < 0 ? 0 : left, end = left + a->cutout < c->width ? left + a->cutout : c->width;
    for (int p = 0; p < c->planes; p++)
        for (int y = top < 0 ? 0 : top; y < top + a->cutout && y < c->height; y++)
            memset(x + ((p * c->height + y) * c->width + first) * c->size, 0, (size_t)((end - first) * c->size) * sizeof *x);
}

/* ---- in other light: on 0 to 1, black to white, cut off there */

typedef struct light {
    const data_scale *scale;
    int channels;
    int64_t plane, pixel; /* from one channel to the next, from one pixel to the next */
    double black, range;
} light;

static float clip(float v)
{
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

/* x = a x + b, and where it is light cut off; in blocks of a fixed length, which become vectors. */
static void map(float *restrict x, int64_t n, float a, float b, bool cut)
{
    enum { BLOCK = 16 };
    int64_t j = 0;
    for (; j + BLOCK <= n && cut; j += BLOCK)
        for (int k = 0; k < BLOCK; k++)
            x[j + k] = clip(x[j + k] * a + b);
    for (; j + BLOCK <= n; j += BLOCK)
        for (int k = 0; k < BLOCK; k++)
            x[j + k] = x[j + k] * a + b;
    for (; j < n; j++)
        x[j] = cut ? clip(x[j] * a + b) : x[j] * a + b;
}

static float grey_of(const light *l, const float *x)
{
    return l->channels == 3 ? 0.299f * x[0] + 0.587f * x[l->plane] + 0.114f * x[2 * l->plane] : x[0];
}

static void relight(const light *l, int64_t n, float brightness, float contrast, float saturation, float *x)
{
    const data_scale *s = l->scale;
    const int64_t pixels = n / l->channels, each = s->each;
    double sum = 0;
    for (int64_t k = 0; k < n / each; k++)
        map(x + k * each, each, (float)(s->std[k] / l->range) * brightness,
            (float)((s->mean[k] - l->black) / l->range) * brightness, true);
    for (int64_t i = 0; i < pixels; i++)
        sum += grey_of(l, x + i * l->pixel);
    map(x, n, contrast, (float)(sum / (double)pixels) * (1 - contrast), true);
    for (int64_t i = 0; i < pixels && l->channels == 3; i++) {
        float *at = x + i * l->pixel, grey = grey_of(l, at) * (1 - saturation);
        for (int c = 0; c < 3; c++)
            at[c * l->plane] = clip(at[c * l->plane] * saturation + grey);
    }
    for (int64_t k = 0; k < n / each; k++) {
        const double std = s->std[k];
        map(x + k * each, each, std > 0 ? (float)(l->range / std) : 0, std > 0 ? (float)((l->black - s->mean[k]) / std) : 0, false);
    }
}

static light light_of(const nilu_data *d)
{
    const nilu_data_info *i = &d->info;
    const data_scale *s = &d->scale;
    bool bytes = d->rows[d->source[NILU_TRAIN]].array.type == DATA_U8;
    return (light){.scale = s,
                   .channels = i->channels,
                   .plane = i->planes ? (int64_t)i->height * i->width : 1,
                   .pixel = i->planes ? 1 : i->channels,
                   .black = bytes ? 0 : s->low,
                   .range = bytes ? 255 : s->high > s->low ? s->high - s->low : 1};
}

/* ---- a batch */

void data_augment_batch(const nilu_data *d, const data_augment *a, uint64_t seed, int64_t epoch, const int64_t *index,
                        int64_t n, float *x, float *room)
{
    const canvas c = canvas_of(d);
    const light l = light_of(d);
    const int64_t features = d->info.features;
    const uint64_t stream = base_hash(&epoch, sizeof epoch, base_hash_text("augment"));
    for (int64_t i = 0; i < n; i++, x += features) {
        uint32_t draw[4];
        const uint64_t at = (uint64_t)index[i] << 2;
        base_philox(seed, stream, at, draw);
        const bool mirror = mirrored(a, seed, epoch, index[i], draw[0]);
        if (a->shift || mirror) {
            const int down = below(draw[1], 2 * a->shift + 1) - a->shift, right = below(draw[2], 2 * a->shift + 1) - a->shift;
            memcpy(room, x, (size_t)features * sizeof *x);
            shift_picture(a, &c, down, right, mirror, room, room + features, x);
        }
        if (a->colour > 0) {
            float by[3];
            base_philox(seed, stream, at + 2, draw);
            for (int k = 0; k < 3; k++)
                by[k] = (float)(1 + a->colour * ((double)draw[k] * 0x1p-31 - 1));
            relight(&l, features, by[0], by[1], by[2], x);
        }
        if (a->cutout) {
            base_philox(seed, stream, at + 1, draw);
            cover(a, &c, below(draw[0], c.height), below(draw[1], c.width), x);
        }
    }
}

/* ---- mixed (Zhang et al. 2018) */

/* A draw of Beta(a, a), a <= 4 (Jöhnk 1964): of two powers of uniform numbers that add up to less than 1, the share of the
 * first. In logarithms, since a small `a` makes the powers vanish. */
static double beta(base_key key, double a)
{
    for (uint64_t i = 0;; i += 2) {
        double u = log(1 - base_uniform53(key, i)) / a, v = log(1 - base_uniform53(key, i + 1)) / a, top = u > v ? u : v;
        if (exp(u) + exp(v) <= 1)
            return exp(u - top) / (exp(u - top) + exp(v - top));
    }
}

static void mix_pair(float *restrict a, float *restrict b, int64_t n, float share)
{
    for (int64_t j = 0; j < n; j++) {
        float one = a[j], other = b[j];
        a[j] = one * share + other * (1 - share);
        b[j] = other * share + one * (1 - share);
    }
}

float data_augment_mix(const nilu_data *d, const data_augment *a, uint64_t seed, int64_t epoch, int64_t batch, int64_t n,
                       float *x, float *targets, const int32_t *labels, int32_t *other)
{
    const int64_t features = d->info.features, outputs = d->info.outputs;
    const int64_t place[2] = {epoch, batch};
    const float share = (float)beta((base_key){seed, base_hash(place, sizeof place, base_hash_text("mixup"))}, a->mixup);
    for (int64_t i = 0; i < n / 2; i++) {
        mix_pair(x + i * features, x + (n - 1 - i) * features, features, share);
        if (targets)
            mix_pair(targets + i * outputs, targets + (n - 1 - i) * outputs, outputs, share);
    }
    for (int64_t i = 0; i < n && labels && other; i++)
        other[i] = labels[n - 1 - i];
    return share;
}
