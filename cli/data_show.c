/* `nilu data show`: what a set holds and how it is read, with its first samples as pictures or rows. */
#include "cli.h"

#include <string.h>

struct show {
    cli_reading reading;
    int64_t samples;
    const char *part, *sheet;
};

static const char *task_text(nilu_task task)
{
    static const char *const names[] = {[NILU_TASK_AUTO] = "", [NILU_TASK_CLASSES] = N_("classes"),
                                        [NILU_TASK_NUMBERS] = N_("numbers"), [NILU_TASK_NONE] = N_("no target")};
    return *names[task] ? _(names[task]) : "";
}

static void pair(const cli *c, const char *name, const char *text)
{
    char clean[1024];
    int width = cli_width(name), column = 12;
    printf("%s%s%s%*s", cli_paint(&c->out, CLI_BOLD), name, cli_paint(&c->out, CLI_PLAIN), width < column ? column - width : 1, "");
    cli_wrap(stdout, cli_clean(text, clean, sizeof clean), column, column, c->out.columns);
    printf("\n");
}

/* "a, b, c, … (12 in all)" */
static void names_text(const char *const *names, int64_t n, char out[512])
{
    size_t at = 0;
    int64_t i = 0;
    out[0] = 0;
    for (; i < n && at + strlen(names[i]) + 40 < 512; i++)
        at += (size_t)snprintf(out + at, 512 - at, "%s%s", i ? ", " : "", names[i]);
    if (i < n)
        snprintf(out + at, 512 - at, _(N_(", ... (%lld in all)")), (long long)n);
}

static void about_text(const cli *c, const nilu_data_info *d)
{
    char text[512];
    cli_figure a, b, f, bytes, time;
    snprintf(text, sizeof text, "%s (%s), %s", d->name, d->format, d->fingerprint);
    pair(c, _(N_("set")), text);
    snprintf(text, sizeof text, _(N_("%s for training, %s for validation, %s for testing")),
             cli_quantity((double)d->count[NILU_TRAIN], a), cli_quantity((double)d->count[NILU_VALIDATION], b),
             cli_quantity((double)d->count[NILU_TEST], f));
    pair(c, _(N_("samples")), text);
    if (d->height)
        snprintf(text, sizeof text, _(N_("pictures of %d x %d, %d channels: %lld numbers")), d->height, d->width, d->channels,
                 (long long)d->features);
    else
        snprintf(text, sizeof text, _(N_("%lld numbers after encoding")), (long long)d->features);
    pair(c, _(N_("features")), text);
    if (d->feature_names) {
        names_text(d->feature_names, d->features, text);
        pair(c, "", text);
    }
    snprintf(text, sizeof text, *d->target ? "%s: %s" : "%s%s", d->target, task_text(d->task));
    pair(c, _(N_("target")), text);
    if (d->class_names) {
        names_text(d->class_names, d->outputs, text);
        pair(c, "", text);
    }
    for (int64_t i = 0; d->target_mean && i < d->outputs && i < 8; i++) {
        snprintf(text, sizeof text, _(N_("mean %.6g, standard deviation %.6g")), d->target_mean[i], d->target_std[i]);
        pair(c, "", text);
    }
    snprintf(text, sizeof text, d->streamed ? _(N_("%s, samples are read when asked for; opened in %s")) : _(N_("%s; opened in %s")),
             cli_bytes((double)d->bytes, bytes), cli_seconds(d->seconds, time));
    pair(c, _(N_("memory")), text);
    for (int i = 0; i < d->notes; i++)
        pair(c, i ? "" : _(N_("notes")), d->note[i]);
}

static nilu_status show_picture(cli *c, nilu_data *data, nilu_part part, int64_t index)
{
    const nilu_data_info *d = nilu_data_about(data);
    unsigned char *pixels = base_alloc(c->nl, (size_t)d->features);
    nilu_status status = pixels ? nilu_data_picture(data, part, index, pixels) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        cli_picture(&c->out, pixels, d->height, d->width, d->channels, 2);
    base_free(c->nl, pixels);
    return status;
}

static nilu_status show_sample(cli *c, nilu_data *data, nilu_part part, int64_t index)
{
    char clean[2048];
    char *text = nilu_data_describe(data, part, index);
    if (!text)
        return NILU_E_NO_MEMORY;
    printf("\n%s:%lld  ", cli_part_name((int)part), (long long)index);
    cli_wrap(stdout, cli_clean(text, clean, sizeof clean), 14, 4, c->out.columns);
    printf("\n");
    nilu_text_free(c->nl, text);
    return nilu_data_about(data)->height ? show_picture(c, data, part, index) : NILU_OK;
}

static json_t *names_json(const char *const *names, int64_t n)
{
    json_t *list = json_array();
    for (int64_t i = 0; names && i < n; i++)
        json_array_append_new(list, json_string(names[i]));
    return list;
}

static nilu_status about_json(cli *c, const nilu_data_info *d)
{
    static const char *const tasks[] = {[NILU_TASK_AUTO] = "auto", [NILU_TASK_CLASSES] = "classes",
                                        [NILU_TASK_NUMBERS] = "numbers", [NILU_TASK_NONE] = "none"};
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:b, s:f}", "name", d->name, "format", d->format,
                          "fingerprint", d->fingerprint, "task", tasks[d->task], "train", (json_int_t)d->count[NILU_TRAIN],
                          "validation", (json_int_t)d->count[NILU_VALIDATION], "test", (json_int_t)d->count[NILU_TEST],
                          "features", (json_int_t)d->features, "outputs", (json_int_t)d->outputs, "target", d->target, "picture",
                          d->height ? "yes" : "no", "streamed", (int)d->streamed, "seconds", d->seconds);
    if (!o)
        return base_no_memory(c->nl, 0);
    json_object_set_new(o, "picture", d->height ? json_pack("[i, i, i]", d->height, d->width, d->channels) : json_null());
    json_object_set_new(o, "feature_names", names_json(d->feature_names, d->features));
    json_object_set_new(o, "class_names", names_json(d->class_names, d->outputs));
    json_object_set_new(o, "notes", names_json(d->note, d->notes));
    return cli_emit(c, "result", o);
}

static nilu_status show(cli *c, const void *settings, int n, char **operand)
{
    const struct show *s = settings;
    nilu_data *data = NULL;
    nilu_data_options o;
    (void)n;
    NILU_TRY(cli_data_options(c, &s->reading, &o));
    NILU_TRY(nilu_data_open(c->nl, operand[0], &o, &data));
    const nilu_data_info *d = nilu_data_about(data);
    nilu_status status = NILU_OK;
    int part = 0;
    while (strcmp(cli_part_name(part), s->part) != 0)
        part++;
    if (s->sheet && !d->height)
        status = cli_fail(c, NILU_E_USAGE, _(N_("data show: the samples of %s are no pictures; leave --sheet out")), d->name);
    else if (c->json)
        status = about_json(c, d);
    else
        about_text(c, d);
    for (int64_t i = 0; i < s->samples && i < d->count[part] && status == NILU_OK && !c->json; i++)
        status = show_sample(c, data, (nilu_part)part, i);
    if (s->sheet && status == NILU_OK)
        status = cli_sheet(c, data, (nilu_part)part, s->sheet);
    nilu_data_free(data);
    return status;
}

static const cli_operand show_operands[] = {
    {"DATA", CLI_DATA, N_("the name of a set, a file or a folder")},
    {0},
};

static const cli_option show_options[] = {
    {"samples", 'n', "N", CLI_WHOLE, offsetof(struct show, samples), N_("show the first N samples, pictures as such"), "0", .group = N_("Output"), .low = 0, .high = 1e6},
    {"part", 'p', "PART", CLI_CHOICE, offsetof(struct show, part), N_("of this part"), "train", .choice = cli_part_name},
    {"sheet", 0, "FILE", CLI_FILE, offsetof(struct show, sheet), N_("write some of its pictures, class by class, into this PNG file")},
    CLI_READING_ROWS(struct show),
    {0},
};

static const cli_field show_fields[] = {
    {"result", "name", "text", N_("name of the set")},
    {"result", "format", "text", "idx, csv, npy, pictures, cifar"},
    {"result", "fingerprint", "text", N_("hash over all samples and targets")},
    {"result", "task", "text", "classes, numbers, none"},
    {"result", "train", "number", N_("samples of the training part")},
    {"result", "validation", "number", N_("samples of the validation part")},
    {"result", "test", "number", N_("samples of the test part")},
    {"result", "features", "number", N_("numbers of a sample after encoding")},
    {"result", "feature_names", "texts", N_("their names; empty of pictures and arrays")},
    {"result", "picture", "numbers", N_("height, width and channels; null: no pictures")},
    {"result", "target", "text", N_("name of the target")},
    {"result", "outputs", "number", N_("classes, or numbers of a target")},
    {"result", "class_names", "texts", N_("names of the classes")},
    {"result", "streamed", "truth", N_("samples are read from the file when asked for")},
    {"result", "seconds", "number", N_("that opening took")},
    {"result", "notes", "texts", N_("what was decided or done to the data")},
    {0},
};

static const cli_example show_examples[] = {
    {"nilu data show digits --samples 3", N_("what the set holds, and three pictures of it")},
    {"nilu data show adult.data", N_("how a table is read")},
    {"nilu data show flowers --size 64 --sheet flowers.png", N_("what is in a folder of pictures, at a size of 64 x 64")},
    {0},
};

const cli_command command_data_show = {
    .name = "data show", .about = N_("Shows what a data set holds and how it is read"), .operands = show_operands,
    .options = show_options, .common = CLI_JSON | CLI_SEED, .fields = show_fields, .examples = show_examples, .run = show,
};
