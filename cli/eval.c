/* `nilu eval`: how good a run is, class by class, and which answers are wrong. */
#include "cli.h"

#include <string.h>

struct eval {
    cli_reading reading;
    const char *part, *views;
    int64_t mistakes;
    bool show;
};

/* ---- tables */

static nilu_status class_table(const cli_subject *k, const nilu_evaluation *e)
{
    cli_table t = cli_table_new(k->c->nl, "lrrrr");
    cli_cell(&t, "%s", _(N_("class")));
    cli_cell(&t, "%s", _(N_("samples")));
    cli_cell(&t, "%s", _(N_("precision")));
    cli_cell(&t, "%s", _(N_("recall")));
    cli_cell(&t, "%s", "F1");
    for (int64_t i = 0; i < e->outputs; i++) {
        cli_cell(&t, "%s", k->info->class_names[i]);
        cli_cell(&t, "%lld", (long long)e->classes[i].n);
        cli_cell(&t, "%.1f %%", 100 * e->classes[i].precision);
        cli_cell(&t, "%.1f %%", 100 * e->classes[i].recall);
        cli_cell(&t, "%.3f", e->classes[i].f1);
    }
    printf("\n");
    return cli_table_print(&t, &k->c->out, 0);
}

/* Cut to a few columns, so that a matrix of long names still fits. */
static const char *short_name(const char *name, char out[64])
{
    size_t n = strlen(cli_clean(name, out, 64));
    while (n > 0 && cli_width(out) > 8) {
        do
            n--;
        while (n > 0 && ((unsigned char)out[n] & 0xc0) == 0x80);
        out[n] = 0;
    }
    return out;
}

static int matrix_width(const cli_subject *k, const nilu_evaluation *e)
{
    int width = 12;
    for (int64_t i = 0; i < e->outputs && width <= k->c->out.columns; i++) {
        char name[64];
        int own = cli_width(short_name(k->info->class_names[i], name));
        width += 2 + (own > 4 ? own : 4);
    }
    return width;
}

static nilu_status matrix(const cli_subject *k, const nilu_evaluation *e)
{
    char align[40], name[64];
    int n = (int)e->outputs;
    memset(align, 'r', sizeof align);
    align[0] = 'l';
    align[n + 1] = 0;
    cli_table t = cli_table_new(k->c->nl, align);
    cli_cell(&t, "%s", _(N_("truth \\ said")));
    for (int i = 0; i < n; i++) {
        cli_cell(&t, "%s", short_name(k->info->class_names[i], name));
    }
    for (int i = 0; i < n; i++) {
        cli_cell(&t, "%s", short_name(k->info->class_names[i], name));
        for (int j = 0; j < n; j++)
            if (e->confusion[i * n + j])
                cli_cell(&t, "%lld", (long long)e->confusion[i * n + j]);
            else
                cli_cell(&t, ".");
    }
    printf("\n");
    return cli_table_print(&t, &k->c->out, 0);
}

/* Where a matrix would not fit: the pairs that are confused most. */
static nilu_status pairs(const cli_subject *k, const nilu_evaluation *e)
{
    int64_t n = e->outputs, before = INT64_MAX, before_at = -1;
    cli_table t = cli_table_new(k->c->nl, "llr");
    cli_cell(&t, "%s", _(N_("truth")));
    cli_cell(&t, "%s", _(N_("said")));
    cli_cell(&t, "%s", _(N_("times")));
    for (int row = 0; row < 10; row++) { /* the next in the order of (count, place) */
        int64_t best = 0, at = -1;
        for (int64_t i = 0; i < n * n; i++) {
            int64_t v = i / n == i % n ? 0 : e->confusion[i];
            bool after = v < before || (v == before && i > before_at);
            if (after && v > best) {
                best = v;
                at = i;
            }
        }
        if (at < 0)
            break;
        cli_cell(&t, "%s", k->info->class_names[at / n]);
        cli_cell(&t, "%s", k->info->class_names[at % n]);
        cli_cell(&t, "%lld", (long long)best);
        before = best;
        before_at = at;
    }
    printf("\n");
    return cli_table_print(&t, &k->c->out, 0);
}

static nilu_status output_table(const cli_subject *k, const nilu_evaluation *e)
{
    cli_table t = cli_table_new(k->c->nl, "lrrr");
    cli_cell(&t, "%s", _(N_("output")));
    cli_cell(&t, "RMSE");
    cli_cell(&t, "MAE");
    cli_cell(&t, "R2");
    for (int64_t i = 0; i < e->outputs; i++) {
        cli_cell(&t, "%lld", (long long)i + 1);
        cli_cell(&t, "%.5g", e->rmse[i]);
        cli_cell(&t, "%.5g", e->mae[i]);
        cli_cell(&t, "%.4f", e->r2[i]);
    }
    printf("\n");
    return cli_table_print(&t, &k->c->out, 0);
}

static nilu_status report_text(const cli_subject *k, const nilu_evaluation *e)
{
    cli *c = k->c;
    char scores[96];
    cli_figure time;
    printf(_(N_("%s of %s (%s): %s%s%s, loss %.4f; %lld samples in %s\n")), cli_part_title(k->part), k->info->name,
           nilu_run_about(k->run)->path, cli_paint(&c->out, CLI_BOLD), cli_scores_text(&e->scores, scores),
           cli_paint(&c->out, CLI_PLAIN), e->scores.loss, (long long)e->scores.n, cli_seconds(e->seconds, time));
    if (!e->classes)
        return e->outputs > 1 ? output_table(k, e) : NILU_OK;
    NILU_TRY(class_table(k, e));
    if (e->outputs < 2)
        return NILU_OK;
    return e->outputs <= 30 && matrix_width(k, e) <= c->out.columns ? matrix(k, e) : pairs(k, e);
}

/* ---- JSON */

static json_t *classes_json(const cli_subject *k, const nilu_evaluation *e)
{
    json_t *list = json_array();
    for (int64_t i = 0; list && i < e->outputs; i++)
        json_array_append_new(list, json_pack("{s:s, s:I, s:f, s:f, s:f}", "class", k->info->class_names[i], "samples",
                                              (json_int_t)e->classes[i].n, "precision", e->classes[i].precision, "recall",
                                              e->classes[i].recall, "f1", e->classes[i].f1));
    return list;
}

static json_t *confusion_json(const nilu_evaluation *e)
{
    json_t *rows = json_array();
    for (int64_t i = 0; rows && i < e->outputs; i++) {
        json_t *row = json_array();
        for (int64_t j = 0; row && j < e->outputs; j++)
            json_array_append_new(row, json_integer(e->confusion[i * e->outputs + j]));
        json_array_append_new(rows, row);
    }
    return rows;
}

static nilu_status report_json(const cli_subject *k, const nilu_evaluation *e, const cli_mistake *worst, int64_t n)
{
    const nilu_run_info *about = nilu_run_about(k->run);
    json_t *fields = cli_scores_json(&e->scores);
    cli_merge(fields, json_pack("{s:s, s:s, s:s, s:I, s:I, s:f}", "run", about->path, "data", k->info->name, "part",
                                             cli_part_name((int)k->part), "samples", (json_int_t)e->scores.n, "steps",
                                             (json_int_t)about->steps, "seconds", e->seconds));
    if (e->classes) {
        json_object_set_new(fields, "macro_f1", cli_real(e->macro_f1));
        json_object_set_new(fields, "classes", classes_json(k, e));
        json_object_set_new(fields, "confusion", confusion_json(e));
    }
    if (n > 0)
        json_object_set_new(fields, "mistakes", cli_mistakes_json(k, worst, n));
    return cli_emit(k->c, "result", fields);
}

/* ---- the command */

static nilu_status report(const cli_subject *k, const struct eval *s)
{
    nilu_evaluation e = {0};
    int64_t wanted = s->mistakes > 0 ? s->mistakes : s->show, found = 0;
    cli_mistake *worst = base_calloc(k->c->nl, (size_t)wanted + 1, sizeof *worst);
    nilu_status status = worst ? nilu_evaluate(k->predictor, k->part, &e) : NILU_E_NO_MEMORY;
    if (status == NILU_OK && wanted > 0)
        status = cli_mistakes_find(k, wanted, worst, &found);
    if (status == NILU_OK && k->c->json) {
        status = report_json(k, &e, worst, found);
    } else if (status == NILU_OK) {
        status = report_text(k, &e);
        if (status == NILU_OK && s->mistakes > 0)
            status = cli_mistakes_list(k, worst, found);
        if (status == NILU_OK && s->show && found)
            status = cli_mistake_show(k, &worst[0]);
        if (status == NILU_OK && s->show && !found)
            printf(_(N_("\nThere is no mistake to show.\n")));
    }
    base_free(k->c->nl, worst);
    nilu_evaluation_free(k->c->nl, &e);
    return status;
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    const struct eval *s = settings;
    cli_subject k;
    nilu_status status = cli_subject_open(c, &s->reading, operand[0], n > 1 ? operand[1] : NULL, s->part, &k);
    if (status == NILU_OK)
        status = cli_views(k.predictor, s->views);
    if (status == NILU_OK)
        status = report(&k, s);
    cli_subject_free(&k);
    return status;
}

static const char *const story[] = {
    N_("Without DATA the run's own set is opened again, with the same parts; its test part is judged, or the validation part, if "
       "there is no test part. Another set is encoded as the run's was."),
    NULL,
};

static const cli_operand operands[] = {
    {"RUN", CLI_FOLDER, N_("folder of a run")},
    {"DATA", CLI_DATA, N_("another set to judge by"), .optional = true},
    {0},
};

#define AT(field) offsetof(struct eval, field)
static const cli_option options[] = {
    {"part", 'p', "PART", CLI_CHOICE, AT(part), N_("the part to judge by"), .usual = N_("test, else validation, else train"), .group = N_("Judgement"), .choice = cli_part_name},
    CLI_VIEWS_ROW(struct eval),
    {"mistakes", 'n', "N", CLI_WHOLE, AT(mistakes), N_("list the N wrong answers that were given most surely"), "0", .low = 0, .high = 1e6},
    {"show-mistake", 0, NULL, CLI_FLAG, AT(show), N_("show the worst of them, as a picture where it is one")},
    CLI_READING_ROWS(struct eval),
    {0},
};

static const cli_field fields[] = {
    {"result", "run", "text", N_("folder of the run")},
    {"result", "data", "text", N_("name of the set")},
    {"result", "part", "text", "train, validation, test"},
    {"result", "samples", "number", N_("samples with a known target")},
    {"result", "loss", "number", N_("mean loss")},
    {"result", "accuracy", "number", N_("share that is right, from 0 to 1; of classes")},
    {"result", "macro_f1", "number", N_("mean of F1 over the classes that have samples")},
    {"result", "rmse", "number", N_("root mean squared error, in the target's units; of numbers")},
    {"result", "mae", "number", N_("mean absolute error; of numbers")},
    {"result", "r2", "number", N_("share of the variance that is explained; of numbers")},
    {"result", "steps", "number", N_("steps that the run was trained")},
    {"result", "seconds", "number", N_("that the judgement took")},
    {"result", "classes", "objects", N_("class, samples, precision, recall and f1 of each class")},
    {"result", "confusion", "numbers", N_("a row for each true class, a column for each that was said")},
    {"result", "mistakes", "objects", N_("with --mistakes: sample, said, truth, probability; of numbers sample, predicted, true")},
    {0},
};

static const cli_example examples[] = {
    {"nilu eval runs/digits-1", N_("by the test part")},
    {"nilu eval runs/digits-1 --show-mistake", N_("and look at a mistake")},
    {"nilu eval runs/titanic-1 new.csv", N_("by other data with the same columns")},
    {0},
};

const cli_command command_eval = {
    .name = "eval", .about = N_("Judges a run: accuracy, a table of classes, what is confused with what"), .story = story,
    .operands = operands, .options = options, .common = CLI_JSON | CLI_QUIET | CLI_THREADS, .fields = fields,
    .examples = examples, .run = run,
};
