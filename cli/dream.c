/* `nilu dream`: the error changes the picture. Dreams of a layer, of channels or a class; films of them; the smallest change
 * that turns a verdict; and sheets of what a layer has and gives. */
#include "cli.h"

#include <math.h>
#include <string.h>

#include "data/picture.h"
#include "forensics/lens.h"
#include "report/report.h"

struct dream {
    const char *layer, *class, *sample, *acquit, *filters, *maps, *out;
    cli_sizes channel, size;
    int64_t steps, octaves, jitter, frames, magnify;
    double rate, scale, smooth, noise, zoom;
    bool each;
};

typedef struct studio {
    cli *c;
    const struct dream *s;
    cli_case k;
    const char *file; /* operand; NULL: none */
    nilu_dream *dream;
    cli_progress bar;
    int frame;
    unsigned char *picture; /* to start from; NULL: noise */
    int height, width;
} studio;

#define TILES 64 /* of a sheet */

/* ---- pictures come in and go out */

static nilu_status read_picture(cli *c, const char *path, picture_form form, int *height, int *width, unsigned char **pixels)
{
    picture_decoder d = {0};
    picture_look look = {0};
    unsigned char *planes = NULL;
    nilu_status status = picture_load(&d, path);
    if (status == NILU_OK)
        status = picture_header(&d, &look);
    form.height = form.height ? form.height : look.height;
    form.width = form.width ? form.width : look.width;
    const int64_t area = (int64_t)form.height * form.width;
    if (status == NILU_OK) {
        planes = base_calloc(c->nl, 2 * (size_t)area, (size_t)form.channels);
        status = planes ? picture_decode(&d, look, form, planes) : NILU_E_NO_MEMORY;
    }
    if (status != NILU_OK && status != NILU_E_NO_MEMORY)
        cli_fail(c, status, "%s: %s", path, d.why);
    if (status == NILU_OK) {
        *pixels = planes;
        for (int64_t i = 0; i < area * form.channels; i++) /* channels last, behind the planes; then to the front */
            planes[area * form.channels + i] = planes[i % form.channels * area + i / form.channels];
        memmove(planes, planes + area * form.channels, (size_t)(area * form.channels));
        *height = form.height;
        *width = form.width;
    } else {
        base_free(c->nl, planes);
    }
    picture_free(&d);
    return status;
}

/* "out.png" as it is; of a film "out-0001.png". */
static char *frame_path(const studio *t)
{
    const char *out = t->s->out, *dot = strrchr(out, '.'), *slash = strrchr(out, '/');
    const int stem = dot && (!slash || dot > slash) ? (int)(dot - out) : (int)strlen(out);
    return t->s->frames > 1 ? base_format(t->c->nl, "%.*s-%04d%s", stem, out, t->frame + 1, out + stem) : base_strdup(t->c->nl, out);
}

static nilu_status write_one(const studio *t, const unsigned char *pixels, int height, int width, int channels)
{
    report_tiles sheet = {0};
    char *path = frame_path(t);
    nilu_status status = path ? report_tiles_new(t->c->nl, 1, 1, height, width, (int)t->s->magnify, &sheet) : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        report_tiles_put(&sheet, 0, pixels, channels);
        status = report_tiles_write(&sheet, path);
    }
    report_tiles_free(&sheet);
    base_free(t->c->nl, path);
    return status;
}

/* A sheet to the file that was asked for, or to the terminal. */
static nilu_status show(const studio *t, report_tiles *sheet)
{
    if (t->s->out)
        return report_tiles_write(sheet, t->s->out);
    if (!t->c->json)
        cli_picture(&t->c->out, sheet->pixels, sheet->sheet_height, sheet->sheet_width, 3, 2);
    return NILU_OK;
}

/* A square, or, as digits have it, two rows of five. */
static int columns_of(int n)
{
    int columns = 1;
    while (columns * columns < n)
        columns++;
    return n > 4 && n <= 10 ? 5 : columns;
}

/* The picture that is begun with: a file's or a sample's. Where neither is named, there is none. */
static nilu_status find_start(studio *t, bool own_size)
{
    const nilu_data_info *set = t->k.info->set;
    const cli_sizes *z = &t->s->size;
    if (z->n > 2)
        return cli_fail(t->c, NILU_E_USAGE, _(N_("dream: --size takes one number, or height and width, as in 256,384")));
    picture_form form = {z->n ? (int)z->at[0] : 0, z->n ? (int)z->at[z->n - 1] : 0, set->channels};
    if (t->file && t->s->sample)
        return cli_fail(t->c, NILU_E_USAGE, _(N_("dream: a picture and --sample are two starts; keep one of them")));
    if (!own_size && z->n && (form.height != set->height || form.width != set->width))
        return cli_fail(t->c, NILU_E_USAGE, _(N_("dream: what is asked reads pictures of %d x %d alone, as in training; leave --size out, or name a "
                                                 "layer that stands before: one of maps")), set->height, set->width);
    if (!own_size) {
        form.height = set->height;
        form.width = set->width;
    }
    t->height = form.height;
    t->width = form.width;
    if (t->file)
        return read_picture(t->c, t->file, form, &t->height, &t->width, &t->picture);
    if (!t->s->sample)
        return NILU_OK;
    NILU_TRY(nilu_inquiry_sample(t->k.at, t->s->sample, NULL, NULL, &t->k.sample));
    t->picture = base_alloc(t->c->nl, (size_t)set->features);
    t->height = set->height;
    t->width = set->width;
    return t->picture ? nilu_data_picture(t->k.sample.data, t->k.sample.part, t->k.sample.index, t->picture) : NILU_E_NO_MEMORY;
}

/* ---- dreams */

static bool wait_for(void *user, double share)
{
    studio *t = user;
    cli_progress_show(&t->bar, (t->frame + share) / (double)(t->s->frames > 1 ? t->s->frames : 1), "");
    return !*cli_signal();
}

/* The middle of a picture, `zoom` times as large, between pixel centres. */
static void magnified(const unsigned char *from, int height, int width, int channels, double zoom, unsigned char *to)
{
    for (int64_t i = 0; i < (int64_t)height * width * channels; i++) {
        const int64_t pixel = i / channels;
        const double y = (height - 1) / 2.0 + ((double)(pixel / width) - (height - 1) / 2.0) / zoom,
                     x = (width - 1) / 2.0 + ((double)(pixel % width) - (width - 1) / 2.0) / zoom;
        const int row = (int)y, column = (int)x, below = row + 1 < height ? row + 1 : row, right = column + 1 < width ? column + 1 : column;
        const double down = y - row, along = x - column;
        const unsigned char *p = from + i % channels;
#define AT(r, c) ((double)p[((int64_t)(r)*width + (c)) * channels])
        to[i] = (unsigned char)((1 - down) * ((1 - along) * AT(row, column) + along * AT(row, right)) +
                                down * ((1 - along) * AT(below, column) + along * AT(below, right)) + 0.5);
#undef AT
    }
}

static nilu_status tell(const studio *t, const nilu_dream_result *r)
{
    cli *c = t->c;
    const char *layer = t->s->layer ? t->s->layer : _(N_("the answer"));
    if (c->json)
        return cli_emit(c, "result", json_pack("{s:s, s:s, s:i, s:i, s:I, s:I, s:f, s:f, s:s, s:o}", "run", t->k.info->about->path, "layer",
                                               t->s->layer ? t->s->layer : "", "height", r->height, "width", r->width, "steps",
                                               (json_int_t)r->steps, "rose", (json_int_t)r->rose, "before", r->before, "after", r->after, "weights",
                                               r->weights, "file", t->s->out ? json_string(t->s->out) : json_null()));
    printf(_(N_("climbed    %s: from %.4g to %.4g; %lld of %lld steps rose (%.1f %%)\n")), layer, r->before, r->after, (long long)r->rose,
           (long long)r->steps, 100 * (double)r->rose / (double)r->steps);
    printf(_(N_("weights    sha256 %.16s before and after\n")), r->weights);
    if (t->s->out && t->s->frames > 1)
        printf(_(N_("written    %lld pictures of %d x %d, beside %s\n")), (long long)t->s->frames, r->height, r->width, t->s->out);
    else if (t->s->out)
        printf(_(N_("written    %s\n")), t->s->out);
    return NILU_OK;
}

static void add(nilu_dream_result *sum, const nilu_dream_result *r)
{
    const nilu_dream_result before = *sum;
    *sum = *r;
    if (before.steps) {
        sum->steps += before.steps;
        sum->rose += before.rose;
        sum->before = before.before;
    }
}

/* Every channel, or every class, a tile each. */
static nilu_status each_of(studio *t, nilu_dream_result *sum)
{
    const int64_t all = nilu_dream_channels(t->dream);
    const int n = (int)(all < TILES ? all : TILES);
    report_tiles sheet = {0};
    nilu_status status = NILU_OK;
    for (int64_t i = 0; i < n && status == NILU_OK; i++) {
        nilu_dream_result r;
        status = nilu_dream_of(t->dream, 1, &i, t->picture, t->height, t->width, &r);
        if (status == NILU_OK && i == 0)
            status = report_tiles_new(t->c->nl, n, columns_of(n), r.height, r.width, (int)t->s->magnify, &sheet);
        if (status == NILU_OK) {
            report_tiles_put(&sheet, (int)i, r.pixels, r.channels);
            add(sum, &r);
        }
    }
    cli_progress_clear(&t->bar);
    if (status == NILU_OK)
        status = show(t, &sheet);
    report_tiles_free(&sheet);
    return status;
}

static nilu_status one_dream(studio *t, int n, const int64_t *channel, nilu_dream_result *sum)
{
    for (t->frame = 0; t->frame < (t->s->frames > 1 ? t->s->frames : 1); t->frame++) {
        nilu_dream_result r;
        NILU_TRY(nilu_dream_of(t->dream, n, channel, t->picture, t->height, t->width, &r));
        add(sum, &r);
        cli_progress_clear(&t->bar);
        if (t->s->out)
            NILU_TRY(write_one(t, r.pixels, r.height, r.width, r.channels));
        else if (!t->c->json)
            cli_picture(&t->c->out, r.pixels, r.height, r.width, r.channels, 2);
        const size_t bytes = (size_t)r.height * (size_t)r.width * (size_t)r.channels;
        if (t->frame + 1 < t->s->frames) {
            base_free(t->c->nl, t->picture);
            t->picture = base_alloc(t->c->nl, bytes);
            if (!t->picture)
                return NILU_E_NO_MEMORY;
            t->height = r.height;
            t->width = r.width;
            magnified(r.pixels, r.height, r.width, r.channels, t->s->zoom, t->picture);
        }
    }
    return NILU_OK;
}

static nilu_status dream(studio *t)
{
    const struct dream *s = t->s;
    nilu_dream_options o = NILU_DREAM_DEFAULT;
    nilu_dream_result sum = {0};
    int32_t named = -1;
    if (s->class && (s->layer || s->channel.n || s->each))
        return cli_fail(t->c, NILU_E_USAGE, _(N_("dream: --class is a dream of an answer; leave --layer, --channel and --each out, or it")));
    if (s->channel.n && s->each)
        return cli_fail(t->c, NILU_E_USAGE, _(N_("dream: --channel and --each cannot both be; --each takes all of them")));
    if (s->frames > 1 && (s->each || !s->out))
        return cli_fail(t->c, NILU_E_USAGE, _(N_("dream: a film of --frames needs --out FILE, and is of one dream, not of --each")));
    NILU_TRY(forensics_class(t->k.at, s->class, -1, &named));
    const int64_t class = named;
    o.layer = s->layer;
    o.steps = (int)s->steps;
    o.octaves = (int)s->octaves;
    o.jitter = (int)s->jitter;
    o.rate = s->rate;
    o.scale = s->scale;
    o.smooth = s->smooth;
    o.noise = s->noise;
    o.seed = (uint64_t)t->c->seed;
    o.progress = wait_for;
    o.user = t;
    NILU_TRY(nilu_dream_open(t->c->nl, t->k.at, &o, &t->dream));
    NILU_TRY(find_start(t, nilu_dream_any_size(t->dream)));
    nilu_status status = s->each ? each_of(t, &sum) : one_dream(t, s->class ? 1 : s->channel.n, s->class ? &class : s->channel.at, &sum);
    return status == NILU_OK ? tell(t, &sum) : status == NILU_E_RANGE ? NILU_E_USAGE : status; /* a channel of the line's, or a size */
}

/* ---- acquittals */

/* The answer of the network to a picture of the training's size. */
static nilu_status verdict(const studio *t, const unsigned char *pixels, int64_t *said, double *ahead)
{
    const nilu_inquiry_info *i = t->k.info;
    const int64_t n = i->set->features, k = i->set->outputs;
    forensics_lens lens;
    nilu_whatif *world = NULL;
    float *x = base_calloc(t->c->nl, (size_t)n, sizeof *x);
    nilu_status status = x ? forensics_lens_of(t->c->nl, i->data, &lens) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = nilu_whatif_new(t->c->nl, i->model, i->store, n, k, 1, &world);
    if (status == NILU_OK) {
        forensics_lens_features(&lens, pixels, x);
        nilu_whatif_reset(world, x);
        status = nilu_whatif_run(world);
    }
    if (status == NILU_OK) {
        const float *y = nilu_whatif_y(world, 0);
        *said = 0;
        for (int64_t j = 1; j < k; j++)
            *said = y[j] > y[*said] ? j : *said;
        *ahead = INFINITY;
        for (int64_t j = 0; j < k; j++)
            if (j != *said)
                *ahead = fmin(*ahead, (double)(y[*said] - y[j]));
    }
    nilu_whatif_free(world);
    base_free(t->c->nl, x);
    return status;
}

/* Before, after, and the difference between them: grey where nothing changed. The written file is read again, and its second
 * tile is what is asked about. */
static nilu_status write_acquittal(const studio *t, const nilu_acquittal *a, unsigned char *again)
{
    const nilu_data_info *set = t->k.info->set;
    const int zoom = (int)t->s->magnify;
    const int64_t n = set->features;
    unsigned char *difference = base_alloc(t->c->nl, (size_t)n), *read = NULL;
    report_tiles sheet = {0};
    int height, width;
    nilu_status status = difference ? report_tiles_new(t->c->nl, 3, 3, set->height, set->width, zoom, &sheet) : NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < n && status == NILU_OK; i++) {
        difference[i] = (unsigned char)(128 + 127 * (a->pixels[i] - t->picture[i]) / (a->most ? a->most : 1));
        again[i] = a->pixels[i];
    }
    if (status == NILU_OK) {
        report_tiles_put(&sheet, 0, t->picture, set->channels);
        report_tiles_put(&sheet, 1, a->pixels, set->channels);
        report_tiles_put(&sheet, 2, difference, set->channels);
        status = show(t, &sheet);
    }
    if (status == NILU_OK && t->s->out)
        status = read_picture(t->c, t->s->out, (picture_form){0, 0, set->channels}, &height, &width, &read);
    for (int64_t i = 0; i < n && read; i++) {
        const int64_t pixel = i / set->channels, row = pixel / set->width * zoom, column = (set->width + pixel % set->width) * zoom + REPORT_TILE_GAP;
        again[i] = read[(row * width + column) * set->channels + i % set->channels];
    }
    report_tiles_free(&sheet);
    base_free(t->c->nl, difference);
    base_free(t->c->nl, read);
    return status;
}

static nilu_status acquit(studio *t)
{
    cli *c = t->c;
    const nilu_data_info *set = t->k.info->set;
    nilu_acquittal a;
    int64_t said = 0;
    int32_t to;
    double ahead = 0;
    NILU_TRY(forensics_class(t->k.at, t->s->acquit, -1, &to));
    if (!t->file && !t->s->sample)
        return cli_fail(c, NILU_E_USAGE, _(N_("dream: whose verdict is to be turned? Name a sample with --sample test:42, or a picture's file")));
    NILU_TRY(find_start(t, false));
    NILU_TRY(nilu_acquit(c->nl, t->k.at, t->picture, to, &a));
    unsigned char *again = base_alloc(c->nl, (size_t)set->features);
    nilu_status status = !again    ? NILU_E_NO_MEMORY
                         : a.found ? write_acquittal(t, &a, again)
                                   : cli_fail(c, NILU_E_VERIFY, _(N_("dream: no change between black and white was found that turns the answer to %s")),
                                              set->class_names[to]);
    if (status == NILU_OK)
        status = verdict(t, again, &said, &ahead);
    if (status == NILU_OK && said != to)
        status = cli_fail(c, NILU_E_VERIFY, _(N_("dream: the picture that was written is answered by %s, not by %s")), set->class_names[said],
                          set->class_names[to]);
    if (status == NILU_OK && c->json)
        status = cli_emit(c, "result", json_pack("{s:s, s:s, s:s, s:f, s:f, s:i, s:I, s:f, s:o}", "run", t->k.info->about->path, "said",
                                                 set->class_names[a.said], "turned", set->class_names[to], "gap", a.before, "distance", a.distance,
                                                 "most", a.most, "changed", (json_int_t)a.changed, "ahead", ahead, "file",
                                                 t->s->out ? json_string(t->s->out) : json_null()));
    else if (status == NILU_OK) {
        printf(_(N_("verdict    %s, by %.4g; turned to %s\n")), set->class_names[a.said], -a.before, set->class_names[to]);
        printf(_(N_("change     length %.4g (1: a channel from black to white); at most %d of 255; %lld of %lld pixels\n")), a.distance, a.most,
               (long long)a.changed, (long long)set->height * set->width);
        printf(t->s->out ? _(N_("verified   %s was read again: the network says %s, by %.3g\n")) : _(N_("verified   %s: the network says %s, by %.3g\n")),
               t->s->out ? t->s->out : _(N_("the bytes shown")), set->class_names[said], ahead);
    }
    base_free(c->nl, again);
    nilu_acquittal_free(c->nl, &a);
    return status;
}

/* ---- sheets of filters and maps */

/* n planes of numbers [height][width], `channels` of them a tile: each tile from its own smallest to its largest number, or
 * with the same scale on both sides of grey. */
static nilu_status plane_sheet(studio *t, const float *v, int64_t all, int channels, int height, int width, bool signs)
{
    const int n = (int)(all < TILES ? all : TILES);
    const int64_t area = (int64_t)height * width, each = area * channels;
    unsigned char *tile = base_alloc(t->c->nl, (size_t)each);
    report_tiles sheet = {0};
    nilu_status status = tile ? report_tiles_new(t->c->nl, n, columns_of(n), height, width, (int)t->s->magnify, &sheet) : NILU_E_NO_MEMORY;
    for (int i = 0; i < n && status == NILU_OK; i++) {
        float low = INFINITY, high = -INFINITY;
        for (int64_t k = 0; k < each; k++) {
            low = fminf(low, v[i * each + k]);
            high = fmaxf(high, v[i * each + k]);
        }
        if (signs) {
            high = fmaxf(fabsf(low), fabsf(high));
            low = -high;
        }
        for (int64_t k = 0; k < each; k++)
            tile[k % area * channels + k / area] = (unsigned char)(high > low ? (v[i * each + k] - low) / (high - low) * 255 + 0.5f : 0);
        report_tiles_put(&sheet, i, tile, channels);
    }
    if (status == NILU_OK)
        status = show(t, &sheet);
    report_tiles_free(&sheet);
    base_free(t->c->nl, tile);
    if (status == NILU_OK && t->c->json)
        return cli_emit(t->c, "result", json_pack("{s:s, s:i, s:i, s:I, s:i, s:o}", "run", t->k.info->about->path, "height", height, "width", width, "of",
                                                  (json_int_t)all, "shown", n, "file", t->s->out ? json_string(t->s->out) : json_null()));
    if (status == NILU_OK)
        printf(_(N_("shown      %d of %lld, each %d x %d\n")), n, (long long)all, height, width);
    return status;
}

static nilu_status maps(studio *t)
{
    nilu_shape s;
    float *v = NULL;
    if (t->file)
        return cli_fail(t->c, NILU_E_USAGE, _(N_("dream: --maps shows what a sample's maps are; name it with --sample, as in --sample test:42 or --sample FILE")));
    NILU_TRY(nilu_inquiry_sample(t->k.at, t->s->sample, NULL, NULL, &t->k.sample));
    NILU_TRY(forensics_maps(t->c->nl, t->k.info, t->s->maps, t->k.sample.x, &s, &v));
    nilu_status status = s.rank == 4 ? plane_sheet(t, v, s.dim[1], 1, (int)s.dim[2], (int)s.dim[3], false)
                                     : cli_fail(t->c, NILU_E_UNSUPPORTED, _(N_("dream: %s gives no maps; name a layer that does, such as a convolution")), t->s->maps);
    base_free(t->c->nl, v);
    return status;
}

/* Filters of a convolution that reads the picture, in its colours; of others, plane by plane. Of a dense layer that reads the
 * picture, what each neuron weighs its pixels with. */
static nilu_status filters(studio *t)
{
    cli *c = t->c;
    const nilu_inquiry_info *i = t->k.info;
    const nilu_data_info *set = i->set;
    char name[NILU_LAYER_NAME + 16];
    snprintf(name, sizeof name, "%s/weight", t->s->filters);
    const nilu_value *w = nilu_store_find(i->store, name);
    if (!w || w->dtype != NILU_F32) {
        nilu_shape s;
        float *v = NULL; /* if the layer is there, it has no weight; if not, the sentence names those there are */
        NILU_TRY(nilu_inquiry_sample(t->k.at, NULL, NULL, NULL, &t->k.sample));
        NILU_TRY(forensics_maps(c->nl, i, t->s->filters, t->k.sample.x, &s, &v));
        base_free(c->nl, v);
        return cli_fail(c, NILU_E_UNSUPPORTED, _(N_("dream: %s has no weights that could be shown")), t->s->filters);
    }
    if (w->shape.rank == 4) {
        const int64_t in = w->shape.dim[1];
        const int channels = in == 3 && set->channels == 3 ? 3 : 1;
        return plane_sheet(t, w->data, w->shape.dim[0] * in / channels, channels, (int)w->shape.dim[2], (int)w->shape.dim[3], true);
    }
    if (w->shape.rank != 2 || !set->height || w->shape.dim[0] != set->features)
        return cli_fail(c, NILU_E_UNSUPPORTED, _(N_("dream: %s does not read the picture, so its weights are none")), t->s->filters);
    const int64_t n = w->shape.dim[1], area = (int64_t)set->height * set->width;
    float *v = base_calloc(c->nl, (size_t)(n * set->features), sizeof *v);
    if (!v)
        return NILU_E_NO_MEMORY;
    for (int64_t k = 0; k < n; k++)
        for (int64_t p = 0; p < set->features; p++) { /* planes */
            const int64_t at = data_feature(set, p % area, (int)(p / area));
            v[k * set->features + p] = ((const float *)w->data)[at * n + k];
        }
    nilu_status status = plane_sheet(t, v, n, set->channels, set->height, set->width, true);
    base_free(c->nl, v);
    return status;
}

/* ---- the command */

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    studio t = {.c = c, .s = settings, .file = n > 1 ? operand[1] : NULL, .bar = {.screen = &c->err}};
    const struct dream *s = t.s;
    if ((s->acquit != NULL) + (s->filters != NULL) + (s->maps != NULL) + (s->layer || s->class || s->channel.n || s->each) > 1)
        return cli_fail(c, NILU_E_USAGE, _(N_("dream: a dream, --acquit, --filters and --maps are four things; ask for one of them")));
    cli_signals_catch();
    nilu_status status = cli_case_open(c, operand[0], NILU_F32, &t.k);
    if (status == NILU_OK)
        status = s->acquit ? acquit(&t) : s->filters ? filters(&t) : s->maps ? maps(&t) : dream(&t);
    cli_progress_clear(&t.bar);
    nilu_dream_free(t.dream);
    base_free(c->nl, t.picture);
    cli_case_free(&t.k);
    return status;
}

static const char *const story[] = {
    N_("The picture follows the error: it is changed, step by step, so that a layer says more of what it is asked for. Without a picture it "
       "starts as noise, and what comes out is what a channel, a neuron or a class looks for. Several channels are dreamt of at once; "
       "without --channel and --class the whole layer is."),
    N_("Layers of maps dream at any size; an answer that is worked out from all pixels of a picture reads the training's size alone, and a "
       "picture is brought to that."),
    N_("With --acquit, the picture is changed as little as may be so that the verdict turns; the sheet has before, after, and the difference."),
    NULL,
};

static const cli_operand operands[] = {
    {"RUN", CLI_FOLDER, N_("folder of a run that was trained on pictures")},
    {"IMAGE", CLI_FILE, N_("a picture to start from, PNG or JPEG"), .optional = true},
    {0},
};

#define AT(field) offsetof(struct dream, field)
static const cli_option options[] = {
    {"layer", 'l', "LAYER", CLI_WORD, AT(layer), N_("the layer that is asked, by its name in the model"), .usual = N_("the answer"), .group = N_("Dream")},
    {"channel", 'c', "NUMBERS", CLI_SIZES, AT(channel), N_("its channels, or neurons, as in 3,7; 0 is the first"), .usual = N_("the whole layer"), .low = 0, .high = 2147483647.0},
    {"class", 0, "CLASS", CLI_WORD, AT(class), N_("an answer instead, by name or number")},
    {"each", 0, NULL, CLI_FLAG, AT(each), N_("a sheet with a dream of every channel, or of every class")},
    {"sample", 0, "SAMPLE", CLI_WORD, AT(sample), N_("a sample to start from: test:42, validation:7, train:3, or FILE or FILE:7")},
    {"size", 0, "SIZE", CLI_SIZES, AT(size), N_("pixels of the picture: one number, or height,width"), .usual = N_("its own; of noise the training's"), .low = 8, .high = 8192},
    {"steps", 0, "N", CLI_WHOLE, AT(steps), N_("steps in each octave"), "32", .low = 1, .high = 100000},
    {"rate", 0, "SHARE", CLI_NUMBER, AT(rate), N_("mean change of a pixel in a step, as a share of white"), "0.02", .low = 0.0001, .high = 1},
    {"octaves", 0, "N", CLI_WHOLE, AT(octaves), N_("sizes that it is dreamt in, from small to its own"), "3", .low = 1, .high = 16},
    {"scale", 0, "FACTOR", CLI_NUMBER, AT(scale), N_("between two octaves"), "1.4", .low = 1.01, .high = 16},
    {"smooth", 0, "EXPONENT", CLI_NUMBER, AT(smooth), N_("each octave of frequency weighs 2^-EXPONENT of the coarser one"), "0.7", .low = 0, .high = 8},
    {"jitter", 0, "PIXELS", CLI_WHOLE, AT(jitter), N_("pixels that the picture is rolled by at most before each step"), "2", .low = 0, .high = 64},
    {"noise", 0, "SHARE", CLI_NUMBER, AT(noise), N_("deviation of the noise at the start, as a share of white"), "0.02", .low = 0, .high = 1},
    {"frames", 0, "N", CLI_WHOLE, AT(frames), N_("a film: so many pictures, each begun from the middle of the one before"), "1", .low = 1, .high = 9999},
    {"zoom", 0, "FACTOR", CLI_NUMBER, AT(zoom), N_("how much larger that middle is drawn"), "1.05", .low = 1, .high = 4},
    {"acquit", 0, "CLASS", CLI_WORD, AT(acquit), N_("the smallest change of a picture that turns the verdict to this class"), .group = N_("Other pictures")},
    {"filters", 0, "LAYER", CLI_WORD, AT(filters), N_("a sheet of a layer's filters; of a dense layer, of what its neurons weigh pixels with")},
    {"maps", 0, "LAYER", CLI_WORD, AT(maps), N_("a sheet of what a layer's channels give for the sample")},
    {"out", 'o', "FILE", CLI_FILE, AT(out), N_("write the picture here, as PNG; of a film FILE-0001.png and so on"), .usual = N_("shown on the terminal"), .group = N_("Output")},
    {"magnify", 0, "N", CLI_WHOLE, AT(magnify), N_("draw each pixel as N x N"), "1", .low = 1, .high = 64},
    {0},
};

static const cli_field fields[] = {
    {"result", "run", "text", N_("folder of the run")},
    {"result", "layer", "text", N_("the layer that was asked; empty: the answer")},
    {"result", "height", "number", N_("of the picture, or of a tile, in pixels")},
    {"result", "width", "number", N_("likewise")},
    {"result", "steps", "number", N_("that were taken")},
    {"result", "rose", "number", N_("steps that raised what is climbed; the others were taken back")},
    {"result", "before", "number", N_("what is climbed, at the first step")},
    {"result", "after", "number", N_("behind the last")},
    {"result", "weights", "text", N_("SHA-256 of the network's weights afterwards; it was the same before")},
    {"result", "said", "text", N_("with --acquit: the answer before")},
    {"result", "turned", "text", N_("with --acquit: the answer now")},
    {"result", "gap", "number", N_("with --acquit: logit of the class less that of the answer, before")},
    {"result", "distance", "number", N_("with --acquit: length of the change; 1 is one channel's way from black to white")},
    {"result", "most", "number", N_("with --acquit: largest change of a byte")},
    {"result", "changed", "number", N_("with --acquit: pixels that changed")},
    {"result", "ahead", "number", N_("with --acquit: logit of the class less that of the next, of the picture as it was written")},
    {"result", "of", "number", N_("with --filters and --maps: how many there are")},
    {"result", "shown", "number", N_("with --filters and --maps: how many are on the sheet")},
    {"result", "file", "text", N_("what was written; null: nothing")},
    {0},
};

static const cli_example examples[] = {
    {"nilu dream runs/digits-1 --class 3 --magnify 8 -o three.png", N_("what the network takes for a 3")},
    {"nilu dream runs/flowers-1 meadow.jpg --layer conv3 -o dream.png", N_("a photograph in which conv3 finds what it knows")},
    {"nilu dream runs/flowers-1 --layer conv2 --each --size 48 -o portraits.png", N_("what each channel looks for")},
    {"nilu dream runs/digits-1 --acquit 9 --sample test:42 -o acquitted.png", N_("how little turns a verdict")},
    {0},
};

const cli_command command_dream = {
    .name = "dream", .about = N_("Changes a picture by the error: dreams, portraits, the smallest change that turns a verdict"), .story = story,
    .operands = operands, .options = options, .common = CLI_JSON | CLI_QUIET | CLI_THREADS | CLI_SEED, .fields = fields,
    .examples = examples, .run = run,
};
