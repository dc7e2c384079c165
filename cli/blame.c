/* `nilu blame`: who is to blame for an answer, stop by stop from the loss back to the sample, each accusation tried. */
#include "cli.h"
#include "report/report.h"

#include <math.h>
#include <string.h>

struct blame {
    cli_sampling sampling;
    int64_t worst, top;
    bool sanity, alone;
    const char *part, *tickets, *html;
};

/* ---- names */

double cli_in_units(const cli_blame *b, double change)
{
    const double *std = b->k.info->set->target_std;
    return std ? change * std[b->file.verdict.accused] : change;
}

double cli_in_value(const cli_blame *b, double value)
{
    const double *mean = b->k.info->set->target_mean;
    return cli_in_units(b, value) + (mean ? mean[b->file.verdict.accused] : 0);
}

/* "conv1[3](5, 12)": a channel at a place of its map; "fc1[3]". */
static const char *map_place(const char *name, const int64_t map[3], int64_t index, char out[CLI_PLACE])
{
    const int64_t area = map[1] * map[2], at = index % area;
    if (area == 1)
        snprintf(out, CLI_PLACE, "%.40s[%lld]", name, (long long)index);
    else
        snprintf(out, CLI_PLACE, "%.40s[%d](%d, %d)", name, (int)(index / area), (int)(at / map[2]), (int)(at % map[2]));
    return out;
}

const char *cli_place(const cli_blame *b, int layer, int64_t index, char out[CLI_PLACE])
{
    const nilu_data_info *set = b->k.info->set;
    char clean[64];
    int channel;
    int64_t pixel = set->height && layer < 0 ? report_pixel(set, index, &channel) : 0;
    if (layer >= 0) {
        const nilu_stop *s = &b->file.stop[layer];
        return map_place(s->name, (int64_t[3]){s->filters, s->window ? s->window->map[0] : 1, s->window ? s->window->map[1] : 1}, index, out);
    }
    if (set->height && index < set->features)
        snprintf(out, CLI_PLACE, "(%lld, %lld)", (long long)(pixel / set->width), (long long)(pixel % set->width));
    else if (set->feature_names && index < set->features)
        snprintf(out, CLI_PLACE, "%s", cli_clean(set->feature_names[index], clean, sizeof clean));
    else
        snprintf(out, CLI_PLACE, "x[%lld]", (long long)index);
    return out;
}

/* A neuron; a channel, which is a whole map. */
const char *cli_suspect_place(const cli_blame *b, const nilu_suspect *s, char out[CLI_PLACE])
{
    if (s->places == 1)
        return cli_place(b, s->layer, s->neuron, out);
    snprintf(out, CLI_PLACE, "%.40s[%lld]", b->file.stop[s->layer].name, (long long)s->neuron);
    return out;
}

/* "fc1[3] > fc2[5]"; of a filter the channel that it reads and the tap, counted from the middle: "conv1[3](-1, +1) > conv2[5]". */
const char *cli_weight_place(const cli_blame *b, const nilu_suspect *s, char out[2 * CLI_PLACE])
{
    char from[CLI_PLACE], to[CLI_PLACE];
    const nilu_stop *stop = &b->file.stop[s->layer];
    const char *name = stop->reads >= 0 ? b->file.stop[stop->reads].name : stop->reads == -1 ? "x" : "";
    const nilu_window *w = stop->window;
    if (w) {
        const int64_t area = w->kernel[0] * w->kernel[1], each = w->channels / w->groups, k = s->from % area;
        const int64_t channel = s->neuron / (stop->filters / w->groups) * each + s->from / area;
        const int row = (int)(k / w->kernel[1] - (w->kernel[0] - 1) / 2), column = (int)(k % w->kernel[1] - (w->kernel[1] - 1) / 2);
        if (stop->reads == -1 && w->channels == 1)
            snprintf(from, sizeof from, "%.40s(%+d, %+d)", name, row, column);
        else
            snprintf(from, sizeof from, "%.40s[%lld](%+d, %+d)", name, (long long)channel, row, column);
        snprintf(out, 2 * CLI_PLACE, "%.90s > %.40s[%lld]", from, stop->name, (long long)s->neuron);
        return out;
    }
    if (stop->reads == -1)
        cli_place(b, -1, s->from, from);
    else
        map_place(name, stop->map, s->from, from);
    snprintf(out, 2 * CLI_PLACE, "%.90s > %.90s", from, cli_place(b, s->layer, s->neuron, to));
    return out;
}

const char *cli_part_place(const cli_blame *b, const nilu_suspect *s, char out[CLI_PLACE])
{
    const nilu_data_info *set = b->k.info->set;
    if (s->side > 1) {
        int channel;
        int64_t pixel = report_pixel(set, s->neuron, &channel);
        long long top = pixel / set->width, left = pixel % set->width;
        snprintf(out, CLI_PLACE, _(N_("rows %lld-%lld, columns %lld-%lld")), top, top + s->side - 1, left,
                 left + s->side - 1);
        return out;
    }
    cli_place(b, -1, s->neuron, out);
    char *equals = set->feature_names ? strchr(out, '=') : NULL;
    if (equals)
        *equals = 0;
    return out;
}

const char *cli_answer(const cli_blame *b, int said, double gap, char out[CLI_PLACE])
{
    if (said >= 0)
        return cli_clean(b->k.info->set->class_names[said], out, CLI_PLACE);
    snprintf(out, CLI_PLACE, "%.6g", cli_in_value(b, gap));
    return out;
}

/* ---- tickets as CSV: all suspects, the tried ones first */

static void ticket(const cli_blame *b, const char *kind, const nilu_suspect *s, int rank, double residual)
{
    const char *layer = s->layer >= 0 ? b->file.stop[s->layer].name : "";
    char from[24] = "", answer[CLI_PLACE], over[32] = "";
    if (s->from >= 0)
        snprintf(from, sizeof from, "%lld", (long long)s->from);
    if (strcmp(kind, "weight") == 0)
        snprintf(over, sizeof over, "%.6g", s->over);
    cli_answer(b, s->said, b->file.verdict.gap + s->measured, answer);
    printf("%s,%s,%d,%lld,%s,%.9g,%.9g,%.9g,%.9g,%s,%.9g,%.9g,%.9g,", layer, kind, rank, (long long)s->neuron, from,
           s->value, s->mended, s->ticket, s->amount, over, s->predicted, s->measured, s->off);
    bool quote = strpbrk(answer, ",\"") != NULL;
    for (const char *p = (quote ? printf("\"") : 0, answer); *p; p++)
        printf(*p == '"' ? "\"\"" : "%c", *p);
    printf(quote ? "\",%.3g\n" : ",%.3g\n", residual);
}

static void tickets(const cli_blame *b)
{
    const nilu_case_file *f = &b->file;
    printf("layer,kind,rank,neuron,from,value,mended,ticket,amount,over_reaction,predicted,measured,off,answer,"
           "residual\n");
    for (int i = f->stops - 1; i >= 0; i--) {
        for (int k = 0; k < f->stop[i].neurons; k++)
            ticket(b, "neuron", &f->stop[i].neuron[k], k + 1, f->stop[i].residual);
        for (int k = 0; k < f->stop[i].channels; k++)
            ticket(b, "channel", &f->stop[i].channel[k], k + 1, f->stop[i].residual);
        for (int k = 0; k < f->stop[i].weights; k++)
            ticket(b, "weight", &f->stop[i].weight[k], k + 1, f->stop[i].residual);
    }
    for (int k = 0; k < f->inputs; k++)
        ticket(b, "input", &f->input[k], k + 1, f->sum.residual);
}

/* ---- JSON */

static json_t *suspect_json(const cli_blame *b, const nilu_suspect *s)
{
    char place[2 * CLI_PLACE], answer[CLI_PLACE];
    const char *where = s->layer < 0  ? cli_part_place(b, s, place)
                        : s->from < 0 ? cli_suspect_place(b, s, place)
                                      : cli_weight_place(b, s, place);
    json_t *o = json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s}", "place", where, "neuron",
                          (json_int_t)s->neuron, "value", s->value, "mended", s->mended, "ticket", s->ticket, "amount",
                          s->amount, "predicted", s->predicted, "measured", s->measured, "off", s->off, "answer",
                          cli_answer(b, s->said, b->file.verdict.gap + s->measured, answer));
    if (o && s->from >= 0)
        cli_merge(o, json_pack("{s:I, s:f}", "from", (json_int_t)s->from, "over_reaction", s->over));
    if (o && s->places > 1)
        cli_merge(o, json_pack("{s:I}", "places", (json_int_t)s->places));
    return o;
}

static json_t *suspects_json(const cli_blame *b, int n, const nilu_suspect *s)
{
    json_t *list = json_array();
    for (int k = 0; list && k < n; k++)
        json_array_append_new(list, suspect_json(b, &s[k]));
    return list;
}

static json_t *stops_json(const cli_blame *b)
{
    json_t *list = json_array();
    for (int i = b->file.stops - 1; list && i >= 0; i--) {
        const nilu_stop *s = &b->file.stop[i];
        json_t *o = json_pack("{s:s, s:f, s:f, s:f, s:f, s:o, s:o}", "layer", s->name, "tickets", s->tickets,
                              "biases", s->biases, "roads", s->roads, "residual", s->residual, "neurons",
                              suspects_json(b, s->neurons, s->neuron), "weights",
                              suspects_json(b, s->weights, s->weight));
        if (s->window)
            cli_merge(o, json_pack("{s:o, s:[I, I, I]}", "channels", suspects_json(b, s->channels, s->channel), "map",
                                   (json_int_t)s->filters, (json_int_t)s->window->map[0], (json_int_t)s->window->map[1]));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *common_json(const cli_blame *b)
{
    json_t *list = suspects_json(b, b->commons, b->common);
    for (int k = 0; list && k < b->commons; k++) {
        json_object_del(json_array_get(list, (size_t)k), "answer");
        json_object_set_new(json_array_get(list, (size_t)k), "fixed", json_integer(b->common[k].fixed));
    }
    return list;
}

static json_t *teachers_json(const cli_blame *b)
{
    json_t *list = json_array();
    for (int i = 0; i < b->teachers; i++) {
        const nilu_teacher *t = &b->teacher[i];
        json_t *o = json_pack("{s:I, s:o}", "sample", (json_int_t)t->index, "influence", cli_real(t->influence));
        if (t->label >= 0)
            json_object_set_new(o, "label", json_string(b->k.info->set->class_names[t->label]));
        json_array_append_new(list, o);
    }
    return list;
}

static nilu_status report_json(const cli_blame *b)
{
    const nilu_case_file *f = &b->file;
    char said[CLI_PLACE], truth[CLI_PLACE], then[CLI_PLACE];
    json_t *restore = json_array();
    for (int64_t k = 0; restore && k < f->restored; k++)
        json_array_append_new(restore, json_integer(f->restore[k]));
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:o, s:o}", "run", b->k.info->about->path, "sample", b->k.sample.name,
                  "said", cli_answer(b, f->verdict.rival < 0 ? -1 : f->verdict.accused, f->verdict.gap, said), "truth",
                  cli_answer(b, f->verdict.label, f->target, truth), "loss", f->verdict.loss, "gap", f->verdict.gap,
                  "stops", stops_json(b), "inputs", suspects_json(b, f->inputs, f->input));
    cli_merge(o,
              json_pack("{s:o, s:f, s:b, s:s, s:f, s:f, s:i}", "restore", restore, "restored_gap", f->restored_gap,
                        "turned", f->turned, "restored_answer", cli_answer(b, f->restored_said, f->restored_gap, then),
                        "path_sum", f->sum.sum, "path_residual", f->sum.residual, "judged", f->judged));
    json_object_set_new(o, "agreement", cli_real(f->agreement));
    cli_merge(o, json_pack("{s:f, s:f}", "seconds", f->seconds, "prepared", b->prepared));
    if (!isnan(b->sanity))
        json_object_set_new(o, "sanity", json_real(b->sanity));
    if (b->samples) {
        json_object_set_new(o, "teachers", teachers_json(b));
        json_object_set_new(o, "teachers_seconds", json_real(b->asked));
    }
    if (b->cases > 1)
        json_object_set_new(o, "common", common_json(b));
    return cli_emit(b->k.c, "result", o);
}

/* ---- finding cases */

static nilu_part part_of(const nilu_data_info *set, const char *wanted)
{
    for (int i = 0; wanted && cli_part_name(i); i++)
        if (strcmp(cli_part_name(i), wanted) == 0)
            return (nilu_part)i;
    return set->count[NILU_TEST] ? NILU_TEST : set->count[NILU_VALIDATION] ? NILU_VALIDATION : NILU_TRAIN;
}

/* The wrong answers that were given most surely. */
static nilu_status find_worst(cli_blame *b, nilu_part part, int64_t n, cli_mistake *worst)
{
    const nilu_inquiry_info *i = b->k.info;
    cli_subject s = {.c = b->k.c, .run = i->run, .store = i->store, .data = i->data, .info = i->set, .part = part};
    if (i->set->count[part] == 0)
        return cli_fail(b->k.c, NILU_E_DATA, _(N_("%s: %s has no %s part; choose another with --part")),
                        b->k.c->command->name, i->set->name, cli_part_name((int)part));
    NILU_TRY(nilu_predictor_new(b->k.c->nl, i->model, i->store, i->data, i->about->options.loss, &s.predictor));
    nilu_status status = cli_mistakes_find(&s, n, worst, &b->cases);
    nilu_predictor_free(s.predictor);
    b->worst = worst;
    return status;
}

/* The weights that all of the cases have in common. */
static nilu_status find_common(cli_blame *b, nilu_part part)
{
    nilu *nl = b->k.c->nl;
    const nilu_inquiry_info *i = b->k.info;
    bool classes = i->about->task == NILU_TASK_CLASSES;
    size_t n = (size_t)b->cases, width = (size_t)i->set->features;
    float *x = base_calloc(nl, n, width * sizeof *x),
          *target = base_calloc(nl, n, (size_t)i->set->outputs * sizeof *target);
    int32_t *label = base_calloc(nl, n, sizeof *label);
    int64_t *index = base_calloc(nl, n, sizeof *index);
    nilu_status status = x && target && label && index ? NILU_OK : NILU_E_NO_MEMORY;
    for (size_t k = 0; k < n && status == NILU_OK; k++)
        index[k] = b->worst[k].index;
    if (status == NILU_OK)
        status = nilu_data_batch(i->data, part, index, b->cases, x, classes ? label : NULL, classes ? NULL : target);
    if (status == NILU_OK)
        status = nilu_blame_together(b->court, b->cases, x, classes ? label : NULL, classes ? NULL : target,
                                     (int)COUNT(b->common), b->common, &b->commons);
    base_free(nl, x);
    base_free(nl, target);
    base_free(nl, label);
    base_free(nl, index);
    return status;
}

/* ---- the command */

static nilu_status try_case(cli_blame *b, const struct blame *s, nilu_part part)
{
    nilu_verdict v;
    const double *mean;
    NILU_TRY(nilu_inquiry_mean(b->k.at, &mean)); /* the data are read before the clock starts */
    double start = base_now();
    NILU_TRY(nilu_blame_open(b->k.c->nl, b->k.at, NULL, &b->court));
    b->prepared = base_now() - start;
    if (b->cases > 1)
        NILU_TRY(find_common(b, part));
    nilu_scene_verdict(b->k.info->scene, &v);
    NILU_TRY(nilu_blame_case(b->court, b->k.sample.x, b->k.sample.label, b->k.sample.target,
                             s->sampling.accused ? v.accused : -1, &b->file));
    if (s->sanity)
        NILU_TRY(nilu_blame_sanity(b->court, 8, (uint64_t)b->k.c->seed, &b->sanity));
    return NILU_OK;
}

/* ---- who taught it */

static bool shown(void *user, int64_t done, int64_t all)
{
    cli_progress_show(user, all ? (double)done / (double)all : 1,
                      _(N_("training samples are looked at, once for this run")));
    return true;
}

/* Nets that are not all dense have no index: then the case file says so, and is whole without. */
static nilu_status find_teachers(cli_blame *b, const struct blame *s)
{
    cli *c = b->k.c;
    cli_progress bar = {.screen = &c->err, .started = base_now()};
    nilu_samples_options o = NILU_SAMPLES_DEFAULT;
    nilu_verdict v;
    if (s->alone)
        return NILU_OK;
    if (!c->quiet && c->err.terminal) {
        o.progress = shown;
        o.user = &bar;
    }
    nilu_status status = nilu_samples_open(c->nl, b->k.at, &o, &b->samples);
    cli_progress_clear(&bar);
    if (status == NILU_E_UNSUPPORTED || status == NILU_E_FILE_WRITE) {
        cli_note(c, _(N_("who taught it is left out: %s")), nilu_errmsg(c->nl));
        return NILU_OK;
    }
    NILU_TRY(status);
    nilu_scene_verdict(b->k.info->scene, &v);
    double start = base_now();
    int32_t label = b->k.sample.label;
    int accused = v.accused, want = b->top < 10 ? 10 : (int)b->top;
    NILU_TRY(nilu_samples_ask(b->samples, NILU_KIN_DIRECTION, 1, b->k.sample.x, v.label >= 0 ? &label : NULL,
                              v.label >= 0 ? NULL : b->k.sample.target, &accused, want, b->teacher, &b->teachers));
    b->asked = base_now() - start;
    return NILU_OK;
}

static nilu_status write_page(const cli_blame *b, const char *path)
{
    char title[256];
    snprintf(title, sizeof title, _(N_("Who is to blame for %s of %s")), b->k.sample.name, b->k.info->set->name);
    report page = report_page(b->k.c->nl, title, NULL);
    nilu_status status = cli_casefile(b, &page);
    report_page_end(&page);
    if (status == NILU_OK)
        status = report_write(&page, path);
    else
        report_free(&page);
    if (status == NILU_OK)
        cli_note(b->k.c, _(N_("%s: written")), path);
    return status;
}

static nilu_status tell(cli_blame *b, const struct blame *s)
{
    if (s->html)
        NILU_TRY(write_page(b, s->html));
    if (s->tickets)
        tickets(b);
    else if (b->k.c->json)
        return report_json(b);
    else
        return cli_casefile(b, NULL);
    return NILU_OK;
}

static nilu_status choose(cli_blame *b, const struct blame *s, nilu_part part, cli_mistake *worst)
{
    if (s->sampling.sample)
        return cli_case_look(&b->k, &s->sampling);
    NILU_TRY(find_worst(b, part, s->worst, worst));
    if (b->cases == 0)
        return cli_fail(b->k.c, NILU_E_DATA,
                        _(N_("%s: the %s part has no wrong answer to look into; choose another with --part, or a "
                             "sample with --sample")),
                        b->k.c->command->name, cli_part_name((int)part));
    return nilu_inquiry_look(b->k.at, part, worst[0].index, s->sampling.truth, s->sampling.accused, &b->k.sample);
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    const struct blame *s = settings;
    cli_blame b = {.top = s->top, .sanity = NAN};
    (void)n;
    if (s->sampling.sample && (s->part || cli_given(c, "worst")))
        return cli_fail(c, NILU_E_USAGE,
                        _(N_("blame: --sample names the case, --worst and --part search for it; keep one of them")));
    if (s->tickets && c->json)
        return cli_fail(c, NILU_E_USAGE, _(N_("blame: --tickets and --json exclude each other; keep one")));
    cli_mistake *worst = base_calloc(c->nl, (size_t)s->worst, sizeof *worst);
    nilu_status status = worst ? cli_case_open(c, operand[0], NILU_F64, &b.k) : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        nilu_part part = part_of(b.k.info->set, s->part);
        status = choose(&b, s, part, worst);
        if (status == NILU_OK)
            status = try_case(&b, s, part);
        if (status == NILU_OK && !s->tickets)
            status = find_teachers(&b, s);
    }
    if (status == NILU_OK)
        status = tell(&b, s);
    nilu_samples_free(b.samples);
    nilu_blame_free(b.court);
    cli_case_free(&b.k);
    base_free(c->nl, worst);
    return status;
}

static const char *csv_name(int i)
{
    return i == 0 ? "csv" : NULL;
}

static const char *const story[] = {
    N_("The case file of an answer, from the loss back to the sample: which neurons held the wheel, which weights "
       "over-reacted, what in "
       "the sample they saw. The gradient names suspects; each is then mended, and the network is asked again: "
       "predicted and measured "
       "change of the gap stand side by side, and those whose mending helped most come first. A neuron is set to what "
       "it usually puts "
       "out, a weight to the edge of what is usual in its layer, what was seen to the mean of the training part."),
    NULL,
};

static const cli_operand operands[] = {
    {"RUN", CLI_FOLDER, N_("folder of a run")},
    {0},
};

#define AT(field) offsetof(struct blame, field)
static const cli_option options[] = {
    {"sample", 0, "SAMPLE", CLI_WORD, AT(sampling.sample),
     N_("the sample: test:42, validation:7, train:3, or FILE or FILE:7 with samples like the run's"),
     .usual = N_("the wrong answer that was given most surely"), .group = N_("Sample")},
    {"truth", 0, "CLASS", CLI_WORD, AT(sampling.truth), N_("the class that is right, by name or number"),
     .usual = N_("as the data say")},
    {"accused", 0, "CLASS", CLI_WORD, AT(sampling.accused), N_("the answer that is asked about, by name or number"),
     .usual = N_("what the network said")},
    {"worst", 'n', "N", CLI_WHOLE, AT(worst),
     N_("take the N wrong answers that were given most surely: the weights they have in common, and the file of the "
        "worst"),
     "1", .low = 1, .high = 1000},
    {"part", 'p', "PART", CLI_CHOICE, AT(part), N_("the part that wrong answers are taken from"),
     .usual = N_("test, else validation, else train"), .choice = cli_part_name},
    {"top", 0, "N", CLI_WHOLE, AT(top), N_("rows of each table"), "5", .low = 1, .high = 32, .group = N_("Report")},
    {"alone", 0, NULL, CLI_FLAG, AT(alone), N_("do not look for the training samples that taught the answer")},
    {"sanity", 0, NULL, CLI_FLAG, AT(sanity), N_("compare the map of the sample with those of shuffled weights")},
    {"tickets", 0, "FORMAT", CLI_CHOICE, AT(tickets), N_("print every ticket as a line of a table, and nothing else"),
     .choice = csv_name},
    {"html", 0, "FILE", CLI_FILE, AT(html), N_("also write the case file as one page that needs no network")},
    {0},
};

static const cli_field fields[] = {
    {"result", "run", "text", N_("folder of the run")},
    {"result", "sample", "text", N_("the sample, as in test:42")},
    {"result", "said", "text", N_("the answer: a class, or a number in the target's units")},
    {"result", "truth", "text", N_("what is right")},
    {"result", "loss", "number", N_("of this sample")},
    {"result", "gap", "number",
     N_("logit of the accused class minus its rival's; of numbers the answer, scaled as in training")},
    {"result", "stops", "objects",
     N_("a layer each, the last one first: layer, tickets + biases + roads + residual = gap, neurons and weights that were "
        "tried, worst first: place, neuron, from, value, mended, ticket (input x error), amount (value x ticket), "
        "over_reaction (deviations), predicted and measured change of the gap when mended, off: when set to 0, answer: "
        "when mended; of a convolution also channels (whole maps) and map (channels, rows, columns), neuron of a weight is "
        "its filter, from its tap, and places says how many share it")},
    {"result", "inputs", "objects", N_("windows or columns of the sample that were tried, likewise")},
    {"result", "restore", "numbers", N_("fewest features found whose restoring to the mean changes the answer")},
    {"result", "restored_gap", "number", N_("the gap then")},
    {"result", "restored_answer", "text", N_("the answer then")},
    {"result", "turned", "true or false", N_("whether it became the truth (of numbers: the error was halved)")},
    {"result", "path_sum", "number", N_("sum of the integrated gradients")},
    {"result", "path_residual", "number",
     N_("their convergence delta: what is missing to the gap less the mean sample's")},
    {"result", "agreement", "number",
     N_("rank correlation of predicted and measured change over the most blamed neurons")},
    {"result", "judged", "number", N_("how many neurons that is")},
    {"result", "seconds", "number", N_("that the trial took")},
    {"result", "prepared", "number", N_("seconds to plan it, and to learn what is usual")},
    {"result", "sanity", "number", N_("with --sanity: mean correlation of the map with those of shuffled weights")},
    {"result", "teachers", "objects",
     N_("training samples that taught the answer, most first: sample, label, influence (-1 to 1)")},
    {"result", "teachers_seconds", "number", N_("that asking them took, the index of the run made before")},
    {"result", "common", "objects",
     N_("with --worst: weights that the cases have in common; numbers are means over the cases, fixed: how many of "
        "them mending sets right")},
    {0},
};

static const cli_example examples[] = {
    {"nilu blame runs/digits-1", N_("the worst mistake of the test part")},
    {"nilu blame runs/digits-1 --sample test:42 --html case.html", N_("one sample, with pictures")},
    {"nilu blame runs/digits-1 --worst 50", N_("what fifty mistakes have in common")},
    {"nilu blame runs/titanic-1 --tickets csv", N_("every accusation as a table")},
    {0},
};

const cli_command command_blame = {
    .name = "blame",
    .about = N_("Says who is to blame for an answer: layer, neuron, weight, pixel; every accusation is tried"),
    .story = story,
    .operands = operands,
    .options = options,
    .common = CLI_JSON | CLI_QUIET | CLI_THREADS | CLI_SEED,
    .fields = fields,
    .examples = examples,
    .run = run,
};
