/* `nilu attribute`: what in a sample spoke for the answer, by one of several methods or by all of them side by side. */
#include "cli.h"

#include <math.h>
#include <string.h>

#include "data/data.h"
#include "report/report.h"

struct attribute {
    cli_sampling sampling;
    const char *by, *layer, *out;
    int64_t points, copies, top, magnify;
    double noise;
};

typedef struct shares {
    cli *c;
    const struct attribute *s;
    cli_case k;
    nilu_verdict v;
    nilu_attributor *attributor;
    double *part; /* [features] */
    nilu_attribution sum;
} shares;

/* In the order of nilu_method; "all" behind them. */
static const char *const methods[NILU_METHODS + 1] = {"gradient_input", "integrated", "lrp", "occlusion", "saliency", "smooth_grad", "grad_cam", "all"};

static const char *method_name(int i)
{
    return i >= 0 && i < (int)COUNT(methods) ? methods[i] : NULL;
}

static nilu_status open_shares(shares *t, const char *folder)
{
    nilu_attribute_options o = NILU_ATTRIBUTE_DEFAULT;
    const double *mean;
    NILU_TRY(cli_case_open(t->c, folder, NILU_F32, &t->k));
    const nilu_data_info *set = t->k.info->set;
    if (t->s->out && (!set->height || (set->channels != 1 && set->channels != 3)))
        return cli_fail(t->c, NILU_E_UNSUPPORTED, _(N_("attribute: the samples of %s are no pictures, so none is written; leave --out out")), set->name);
    NILU_TRY(cli_case_look(&t->k, &t->s->sampling));
    nilu_scene_verdict(t->k.info->scene, &t->v);
    NILU_TRY(nilu_inquiry_mean(t->k.at, &mean));
    float *baseline = base_calloc(t->c->nl, (size_t)set->features, sizeof *baseline);
    t->part = base_calloc(t->c->nl, (size_t)set->features, sizeof *t->part);
    for (int64_t i = 0; i < set->features && baseline; i++)
        baseline[i] = (float)mean[i];
    o.steps = (int)t->s->points;
    o.copies = (int)t->s->copies;
    o.noise = t->s->noise;
    o.seed = (uint64_t)t->c->seed;
    o.layer = t->s->layer;
    o.baseline = baseline;
    o.height = set->height;
    o.width = set->width;
    o.channels = set->channels;
    o.planes = set->planes;
    nilu_status status = baseline && t->part ? nilu_attributor_new(t->c->nl, t->k.info->model, t->k.info->store, set->features, set->outputs, &o, &t->attributor)
                                             : NILU_E_NO_MEMORY;
    base_free(t->c->nl, baseline);
    return status;
}

static nilu_status ask(shares *t, int method)
{
    return nilu_attribute(t->attributor, (nilu_method)method, t->k.sample.x, t->v.accused, t->v.rival, t->part, &t->sum);
}

/* ---- pictures */

/* Of pixel i: the sum over its channels. */
static double pixel(const shares *t, int64_t i)
{
    const nilu_data_info *set = t->k.info->set;
    double sum = 0;
    for (int k = 0; k < set->channels; k++)
        sum += t->part[data_feature(set, i, k)];
    return sum;
}

/* Red spoke for the answer, blue against it; the same length on both sides of white. */
static nilu_status heat(const shares *t, report_tiles *sheet, int tile)
{
    const int64_t area = (int64_t)sheet->height * sheet->width;
    double *value = base_calloc(t->c->nl, (size_t)area, sizeof *value), most = 0;
    unsigned char *rgb = base_alloc(t->c->nl, 3 * (size_t)area);
    for (int64_t i = 0; i < area && value && rgb; i++) {
        value[i] = pixel(t, i);
        most = fmax(most, fabs(value[i]));
    }
    if (value && rgb) {
        report_heat(value, area, most, rgb);
        report_tiles_put(sheet, tile, rgb, 3);
    }
    const bool made = value && rgb;
    base_free(t->c->nl, value);
    base_free(t->c->nl, rgb);
    return made ? NILU_OK : NILU_E_NO_MEMORY;
}

/* The sample, then a tile for each method that was asked. */
static nilu_status sample_tile(const shares *t, report_tiles *sheet)
{
    unsigned char *pixels = base_alloc(t->c->nl, (size_t)t->k.info->set->features);
    nilu_status status = pixels ? nilu_data_picture(t->k.sample.data, t->k.sample.part, t->k.sample.index, pixels) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        report_tiles_put(sheet, 0, pixels, t->k.info->set->channels);
    base_free(t->c->nl, pixels);
    return status;
}

/* ---- the story */

static const char *place(const shares *t, int64_t i, char out[96])
{
    const nilu_data_info *set = t->k.info->set;
    char clean[64];
    if (set->height)
        snprintf(out, 96, "(%lld, %lld)", (long long)(i / set->width), (long long)(i % set->width));
    else if (set->feature_names)
        snprintf(out, 96, "%s", cli_clean(set->feature_names[i], clean, sizeof clean));
    else
        snprintf(out, 96, "x[%lld]", (long long)i);
    return out;
}

static nilu_status table(const shares *t)
{
    const nilu_data_info *set = t->k.info->set;
    const int64_t n = set->height ? (int64_t)set->height * set->width : set->features;
    cli_table rows = cli_table_new(t->c->nl, "lr");
    char name[96];
    bool *told = base_calloc(t->c->nl, (size_t)n, sizeof *told);
    if (!told)
        return NILU_E_NO_MEMORY;
    cli_cell(&rows, "%s", set->height ? _(N_("pixel")) : _(N_("column")));
    cli_cell(&rows, "%s", _(N_("part")));
    for (int64_t k = 0; k < t->s->top && k < n; k++) {
        int64_t best = -1;
        double most = -1;
        for (int64_t i = 0; i < n; i++) {
            const double own = fabs(set->height ? pixel(t, i) : t->part[i]);
            if (!told[i] && own > most) {
                best = i;
                most = own;
            }
        }
        if (best < 0)
            break;
        told[best] = true;
        cli_cell(&rows, "%s", place(t, best, name));
        cli_cell(&rows, "%+.5g", set->height ? pixel(t, best) : t->part[best]);
    }
    base_free(t->c->nl, told);
    return cli_table_print(&rows, &t->c->out, 2);
}

static nilu_status tell(const shares *t, int method)
{
    cli *c = t->c;
    if (!c->json) {
        printf("\n%s%s%s\n", cli_paint(&c->out, CLI_BOLD), methods[method], cli_paint(&c->out, CLI_PLAIN));
        if (method == NILU_INTEGRATED || method == NILU_LRP || method == NILU_GRADIENT_INPUT)
            printf(_(N_("parts add up to %.4f; the gap that they share out is %.4f\n")), t->sum.sum, t->sum.wanted);
        return table(t);
    }
    json_t *parts = json_array();
    for (int64_t i = 0; parts && i < t->k.info->set->features; i++)
        json_array_append_new(parts, cli_real(t->part[i]));
    return cli_emit(c, "method", json_pack("{s:s, s:o, s:o, s:o}", "by", methods[method], "gap", cli_real(t->sum.gap), "sum", cli_real(t->sum.sum), "parts", parts));
}

static nilu_status ask_all(shares *t)
{
    const nilu_data_info *set = t->k.info->set;
    int first = 0;
    while (strcmp(methods[first], t->s->by) != 0)
        first++;
    const bool all = first == NILU_METHODS;
    int n = all ? NILU_METHODS : 1;
    first = all ? 0 : first;
    char headline[256];
    report_tiles sheet = {0};
    nilu_status status = NILU_OK;
    if (set->height && (set->channels == 1 || set->channels == 3)) {
        status = report_tiles_new(t->c->nl, n + 1, n + 1 < 4 ? n + 1 : 4, set->height, set->width, (int)t->s->magnify, &sheet);
        if (status == NILU_OK)
            status = sample_tile(t, &sheet);
    } else {
        n = all ? NILU_GRAD_CAM : n; /* the last method asks where in a picture */
    }
    for (int i = 0; i < n && status == NILU_OK; i++) {
        status = ask(t, first + i);
        if (all && status == NILU_E_UNSUPPORTED) { /* a network without maps: its tile stays empty */
            status = NILU_OK;
            continue;
        }
        if (status == NILU_OK && sheet.pixels)
            status = heat(t, &sheet, i + 1);
        if (status == NILU_OK && i == 0 && !t->c->json) /* not before the first method has answered: it may refuse */
            printf("%s\n", cli_case_headline(&t->k, headline));
        if (status == NILU_OK)
            status = tell(t, first + i);
    }
    if (status == NILU_OK && t->s->out)
        status = report_tiles_write(&sheet, t->s->out);
    else if (status == NILU_OK && sheet.pixels && !t->c->json) {
        printf("\n");
        cli_picture(&t->c->out, sheet.pixels, sheet.sheet_height, sheet.sheet_width, 3, 2);
    }
    report_tiles_free(&sheet);
    return status;
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    shares t = {.c = c, .s = settings};
    (void)n;
    nilu_status status = open_shares(&t, operand[0]);
    if (status == NILU_OK)
        status = ask_all(&t);
    if (status == NILU_OK && c->json)
        status = cli_emit(c, "result", json_pack("{s:s, s:s, s:i, s:i, s:o}", "run", t.k.info->about->path, "sample", t.k.sample.name, "accused", t.v.accused,
                                                 "rival", t.v.rival, "file", t.s->out ? json_string(t.s->out) : json_null()));
    nilu_attributor_free(t.attributor);
    base_free(c->nl, t.part);
    cli_case_free(&t.k);
    return status;
}

static const char *const story[] = {
    N_("What is shared out is the gap: the logit of what was said, less that of what should have been (of a right answer: of the next best). "
       "Methods that follow the error back cost a step or a few; occlusion restores one number after the other to the mean of the training part "
       "and looks what happens, so it is the one that the others are judged by."),
    NULL,
};

static const cli_operand operands[] = {
    {"RUN", CLI_FOLDER, N_("folder of a run")},
    {0},
};

#define AT(field) offsetof(struct attribute, field)
static const cli_option options[] = {
    CLI_SAMPLING_ROWS(struct attribute),
    {"by", 'b', "METHOD", CLI_CHOICE, AT(by), N_("the method"), "integrated", .group = N_("Method"), .choice = method_name},
    {"points", 0, "N", CLI_WHOLE, AT(points), N_("of integrated gradients, on the way from the mean of the training part"), "32", .low = 1, .high = 4096},
    {"copies", 0, "N", CLI_WHOLE, AT(copies), N_("of smooth_grad, with noise added"), "32", .low = 1, .high = 100000},
    {"noise", 0, "SHARE", CLI_NUMBER, AT(noise), N_("its deviation, as a share of the sample's range"), "0.15", .low = 0, .high = 10},
    {"layer", 'l', "LAYER", CLI_WORD, AT(layer), N_("whose maps grad_cam weighs"), .usual = N_("the last that has any")},
    {"top", 0, "N", CLI_WHOLE, AT(top), N_("parts that are listed, largest first"), "5", .low = 0, .high = 1000000, .group = N_("Output")},
    {"out", 'o', "FILE", CLI_FILE, AT(out), N_("write the sample and its maps here, side by side, as PNG"), .usual = N_("shown on the terminal")},
    {"magnify", 0, "N", CLI_WHOLE, AT(magnify), N_("draw each pixel as N x N"), "1", .low = 1, .high = 64},
    {0},
};

static const cli_field fields[] = {
    {"method", "by", "text", N_("the method")},
    {"method", "gap", "number", N_("what is shared out")},
    {"method", "sum", "number", N_("of all parts")},
    {"method", "parts", "numbers", N_("of each feature, in the order of the data")},
    {"result", "run", "text", N_("folder of the run")},
    {"result", "sample", "text", N_("the sample's name")},
    {"result", "accused", "number", N_("output that is asked about")},
    {"result", "rival", "number", N_("output that it is compared with; -1: none")},
    {"result", "file", "text", N_("what was written; null: nothing")},
    {0},
};

static const cli_example examples[] = {
    {"nilu attribute runs/digits-1 --sample test:42", N_("which pixels spoke for the answer")},
    {"nilu attribute runs/flowers-1 --sample rose.jpg --by grad_cam --magnify 8 -o where.png", N_("where the last maps looked")},
    {"nilu attribute runs/digits-1 --by all --magnify 4 -o methods.png", N_("all methods side by side")},
    {0},
};

const cli_command command_attribute = {
    .name = "attribute", .about = N_("Shares an answer out over what was seen: gradients, LRP, Grad-CAM, occlusion"), .story = story,
    .operands = operands, .options = options, .common = CLI_JSON | CLI_QUIET | CLI_THREADS | CLI_SEED, .fields = fields,
    .examples = examples, .run = run,
};
