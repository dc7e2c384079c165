/* `nilu eval`: how good a run is, class by class, and which answers are wrong. */
#include "cli.h"

#include <math.h>
#include <string.h>

struct eval {
    cli_reading reading;
    const char *part;
    int64_t mistakes;
    bool show;
};

/* A run with its values and data, ready to answer. */
typedef struct court {
    cli *c;
    nilu_run *run;
    nilu_store *store;
    nilu_data *data;
    nilu_predictor *predictor;
    const nilu_data_info *info;
    nilu_part part;
} court;

/* ---- wrong answers */

typedef struct mistake {
    int64_t index;
    int said, truth;    /* classes */
    double sure;        /* classes: probability of what was said; numbers: |error| of the first output */
    double value, want; /* numbers */
} mistake;

/* Keeps the n worst, worst first. */
static void keep(mistake *worst, int64_t n, int64_t *have, mistake m)
{
    int64_t at = *have < n ? (*have)++ : n;
    if (at == n && !(m.sure > worst[n - 1].sure))
        return;
    at = at == n ? n - 1 : at;
    for (; at > 0 && m.sure > worst[at - 1].sure; at--)
        worst[at] = worst[at - 1];
    worst[at] = m;
}

static bool judge(const court *k, const float *answer, const float *want, int label, int64_t index, mistake *m)
{
    *m = (mistake){.index = index};
    if (k->info->task == NILU_TASK_NUMBERS) {
        m->value = answer[0];
        m->want = want[0] * k->info->target_std[0] + k->info->target_mean[0];
        m->sure = fabs(m->value - m->want);
        return m->sure > 0;
    }
    for (int i = 1; i < (int)k->info->outputs; i++)
        if (answer[i] > answer[m->said])
            m->said = i;
    m->truth = label;
    m->sure = answer[m->said];
    return label >= 0 && label != m->said;
}

#define BLOCK 1024
/* The wrong answers that were given most surely. */
static nilu_status find_mistakes(const court *k, int64_t n, mistake *worst, int64_t *have)
{
    nilu *nl = k->c->nl;
    int64_t all = k->info->count[k->part], index[BLOCK];
    bool classes = k->info->task == NILU_TASK_CLASSES;
    size_t outputs = (size_t)k->info->outputs, bytes, row;
    nilu_status status = NILU_E_NO_MEMORY;
    int32_t label[BLOCK];
    if (!base_mul((size_t)k->info->features, BLOCK * sizeof(float), &bytes) || !base_mul(outputs, BLOCK * sizeof(float), &row))
        return base_no_memory(nl, 0);
    float *x = base_alloc(nl, bytes), *answer = base_alloc(nl, row), *want = base_alloc(nl, row);
    *have = 0;
    if (!x || !answer || !want)
        goto cleanup;
    for (int64_t first = 0; first < all; first += BLOCK) {
        int64_t m = all - first < BLOCK ? all - first : BLOCK;
        for (int64_t i = 0; i < m; i++)
            index[i] = first + i;
        status = nilu_predict(k->predictor, k->part, index, m, answer);
        if (status == NILU_OK)
            status = nilu_data_batch(k->data, k->part, index, m, x, classes ? label : NULL, classes ? NULL : want);
        if (status != NILU_OK)
            goto cleanup;
        for (int64_t i = 0; i < m; i++) {
            mistake found;
            if (judge(k, answer + (size_t)i * outputs, want + (size_t)i * outputs, classes ? label[i] : -1, first + i, &found))
                keep(worst, n, have, found);
        }
    }
    status = NILU_OK;
cleanup:
    base_free(nl, x);
    base_free(nl, answer);
    base_free(nl, want);
    return status;
}

static const char *sample_name(const court *k, int64_t index, char out[48])
{
    snprintf(out, 48, "%s:%lld", cli_part_name((int)k->part), (long long)index);
    return out;
}

static nilu_status list_mistakes(const court *k, const mistake *worst, int64_t n)
{
    char name[48];
    bool classes = k->info->task == NILU_TASK_CLASSES;
    cli_table t = cli_table_new(k->c->nl, "lllr");
    cli_cell(&t, "%s", _(N_("sample")));
    cli_cell(&t, "%s", classes ? _(N_("said")) : _(N_("predicted")));
    cli_cell(&t, "%s", classes ? _(N_("truth")) : _(N_("true value")));
    cli_cell(&t, "%s", classes ? _(N_("sure")) : _(N_("error")));
    for (int64_t i = 0; i < n; i++) {
        cli_cell(&t, "%s", sample_name(k, worst[i].index, name));
        if (classes) {
            cli_cell(&t, "%s", k->info->class_names[worst[i].said]);
            cli_cell(&t, "%s", k->info->class_names[worst[i].truth]);
            cli_cell(&t, "%.1f %%", 100 * worst[i].sure);
        } else {
            cli_cell(&t, "%.6g", worst[i].value);
            cli_cell(&t, "%.6g", worst[i].want);
            cli_cell(&t, "%.4g", worst[i].sure);
        }
    }
    printf("\n");
    return cli_table_print(&t, &k->c->out, 0);
}

/* One wrong answer as it looks: a picture, or the cells of its row. */
static nilu_status show_mistake(const court *k, const mistake *m)
{
    cli *c = k->c;
    char name[48], said[128], truth[128];
    sample_name(k, m->index, name);
    if (k->info->task == NILU_TASK_CLASSES)
        printf(_(N_("\nA mistake: %s is %s, but the network says %s (%.1f %% sure)\n")), name,
               cli_clean(k->info->class_names[m->truth], truth, sizeof truth),
               cli_clean(k->info->class_names[m->said], said, sizeof said), 100 * m->sure);
    else
        printf(_(N_("\nThe largest error: %s is %.6g, but the network says %.6g\n")), name, m->want, m->value);
    if (k->info->height) {
        size_t pixels = (size_t)k->info->features;
        unsigned char *picture = base_alloc(c->nl, pixels);
        if (!picture)
            return NILU_E_NO_MEMORY;
        nilu_status status = nilu_data_picture(k->data, k->part, m->index, picture);
        if (status == NILU_OK)
            cli_picture(&c->out, picture, k->info->height, k->info->width, k->info->channels, 2);
        base_free(c->nl, picture);
        NILU_TRY(status);
    } else {
        char *text = nilu_data_describe(k->data, k->part, m->index), clean[2048];
        if (!text)
            return NILU_E_NO_MEMORY;
        printf("  ");
        cli_wrap(stdout, cli_clean(text, clean, sizeof clean), 2, 2, c->out.columns);
        printf("\n");
        nilu_text_free(c->nl, text);
    }
    return NILU_OK;
}

/* ---- tables */

static nilu_status class_table(const court *k, const nilu_evaluation *e)
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

static int matrix_width(const court *k, const nilu_evaluation *e)
{
    int width = 12;
    for (int64_t i = 0; i < e->outputs && width <= k->c->out.columns; i++) {
        char name[64];
        int own = cli_width(short_name(k->info->class_names[i], name));
        width += 2 + (own > 4 ? own : 4);
    }
    return width;
}

static nilu_status matrix(const court *k, const nilu_evaluation *e)
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
static nilu_status pairs(const court *k, const nilu_evaluation *e)
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

static nilu_status output_table(const court *k, const nilu_evaluation *e)
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

static nilu_status report_text(const court *k, const nilu_evaluation *e)
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

static json_t *classes_json(const court *k, const nilu_evaluation *e)
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

static json_t *mistakes_json(const court *k, const mistake *worst, int64_t n)
{
    json_t *list = json_array();
    for (int64_t i = 0; list && i < n; i++) {
        json_t *o = json_pack("{s:I}", "sample", (json_int_t)worst[i].index);
        if (o && k->info->task == NILU_TASK_CLASSES)
            cli_merge(o, json_pack("{s:s, s:s, s:f}", "said", k->info->class_names[worst[i].said], "truth",
                                                k->info->class_names[worst[i].truth], "probability", worst[i].sure));
        else if (o)
            cli_merge(o, json_pack("{s:f, s:f}", "predicted", worst[i].value, "true", worst[i].want));
        json_array_append_new(list, o);
    }
    return list;
}

static nilu_status report_json(const court *k, const nilu_evaluation *e, const mistake *worst, int64_t n)
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
        json_object_set_new(fields, "mistakes", mistakes_json(k, worst, n));
    return cli_emit(k->c, "result", fields);
}

/* ---- the command */

static nilu_part choose_part(const nilu_data_info *info, const char *wanted)
{
    for (int i = 0; wanted && cli_part_name(i); i++)
        if (strcmp(cli_part_name(i), wanted) == 0)
            return (nilu_part)i;
    return info->count[NILU_TEST] ? NILU_TEST : info->count[NILU_VALIDATION] ? NILU_VALIDATION : NILU_TRAIN;
}

static nilu_status open_court(court *k, const struct eval *s, const char *folder, const char *where)
{
    cli *c = k->c;
    nilu_data_options o;
    NILU_TRY(cli_data_options(c, &s->reading, &o));
    NILU_TRY(nilu_run_open(c->nl, folder, &k->run));
    const nilu_run_info *about = nilu_run_about(k->run);
    NILU_TRY(nilu_run_store(k->run, NILU_MODEL, &k->store));
    NILU_TRY(nilu_run_data(k->run, where, &o, &k->data));
    k->info = nilu_data_about(k->data);
    k->part = choose_part(k->info, s->part);
    if (k->info->count[k->part] == 0)
        return cli_fail(c, NILU_E_DATA, _(N_("eval: %s has no %s part; choose another with --part")), k->info->name, cli_part_name((int)k->part));
    return nilu_predictor_new(c->nl, nilu_run_model(k->run), k->store, k->data, about->options.loss, &k->predictor);
}

static nilu_status report(const court *k, const struct eval *s)
{
    nilu_evaluation e = {0};
    int64_t wanted = s->mistakes > 0 ? s->mistakes : s->show, found = 0;
    mistake *worst = base_calloc(k->c->nl, (size_t)wanted + 1, sizeof *worst);
    nilu_status status = worst ? nilu_evaluate(k->predictor, k->part, &e) : NILU_E_NO_MEMORY;
    if (status == NILU_OK && wanted > 0)
        status = find_mistakes(k, wanted, worst, &found);
    if (status == NILU_OK && k->c->json) {
        status = report_json(k, &e, worst, found);
    } else if (status == NILU_OK) {
        status = report_text(k, &e);
        if (status == NILU_OK && s->mistakes > 0)
            status = list_mistakes(k, worst, found);
        if (status == NILU_OK && s->show && found)
            status = show_mistake(k, &worst[0]);
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
    court k = {.c = c};
    nilu_status status = open_court(&k, s, operand[0], n > 1 ? operand[1] : NULL);
    if (status == NILU_OK)
        status = report(&k, s);
    nilu_predictor_free(k.predictor);
    nilu_data_free(k.data);
    nilu_store_free(k.store);
    nilu_run_free(k.run);
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
