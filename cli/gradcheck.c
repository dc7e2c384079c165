/* `nilu gradcheck`: derivatives against differences of values, in double precision: of every op by its own cases, or of a
 * model's loss by its parameters. */
#include "cli.h"

#include <math.h>
#include <string.h>

struct gradcheck {
    cli_building building;
    const char *op, *only;
    bool all;
    double tolerance;
    int64_t samples;
};

typedef struct tally {
    int64_t passed, failed, kinks, ops;
    double worst;
} tally;

static const char *op_name(int i)
{
    return nilu_op_name(i);
}

static void count(tally *t, const nilu_gradcheck_report *r)
{
    t->passed += r->checked - r->failed;
    t->failed += r->failed;
    t->kinks += r->kinks;
    t->ops++;
    if (r->worst > t->worst)
        t->worst = r->worst;
}

static nilu_gradcheck_options options_of(const cli *c, const struct gradcheck *s)
{
    nilu_gradcheck_options o = NILU_GRADCHECK_DEFAULT;
    o.tolerance = s->tolerance;
    o.samples = s->samples != CLI_UNSET ? s->samples : 0;
    o.seed = (uint64_t)c->seed;
    o.only = s->only;
    return o;
}

/* ---- ops */

static void op_row(cli_table *t, const char *name, const nilu_gradcheck_report *r)
{
    cli_cell(t, "%s", name);
    cli_cell(t, "%d", r->cases);
    cli_cell(t, "%lld", (long long)r->checked);
    cli_cell(t, "%lld", (long long)r->kinks);
    if (r->checked)
        cli_cell(t, "%.1e", r->worst);
    else
        cli_cell(t, "-");
    cli_cell(t, "%s", r->failed ? _(N_("WRONG")) : r->checked ? _(N_("right")) : _(N_("no gradient")));
}

static nilu_status check_op(cli *c, const struct gradcheck *s, const char *name, cli_table *t, tally *sum)
{
    nilu_gradcheck_options o = options_of(c, s);
    nilu_gradcheck_report r = {0};
    NILU_TRY(nilu_gradcheck_op(c->nl, name, &o, &r));
    count(sum, &r);
    if (c->json)
        return cli_emit(c, "op", json_pack("{s:s, s:i, s:I, s:I, s:I, s:o, s:s}", "op", name, "cases", r.cases, "checked",
                                           (json_int_t)r.checked, "kinks", (json_int_t)r.kinks, "failed", (json_int_t)r.failed,
                                           "worst", cli_real(r.worst), "text", r.text));
    op_row(t, name, &r);
    if (r.failed)
        cli_note(c, "%s", r.text);
    return NILU_OK;
}

static nilu_status check_ops(cli *c, const struct gradcheck *s, tally *sum)
{
    cli_table t = cli_table_new(c->nl, "lrrrrl");
    cli_progress bar = {.screen = &c->err};
    nilu_status status = NILU_OK;
    int all = 0;
    cli_cell(&t, "%s", _(N_("op")));
    cli_cell(&t, "%s", _(N_("cases")));
    cli_cell(&t, "%s", _(N_("comparisons")));
    cli_cell(&t, "%s", _(N_("at kinks")));
    cli_cell(&t, "%s", _(N_("worst error")));
    cli_cell(&t, "%s", "");
    while (nilu_op_name(all))
        all++;
    cli_signals_catch();
    for (int i = 0; i < all && status == NILU_OK; i++) {
        if (s->op && strcmp(s->op, nilu_op_name(i)) != 0)
            continue;
        if (!c->json && !c->quiet && !s->op)
            cli_progress_show(&bar, (double)i / all, nilu_op_name(i));
        status = *cli_signal() ? base_fail(c->nl, NILU_E_CANCELLED, N_("gradcheck: interrupted")) : check_op(c, s, nilu_op_name(i), &t, sum);
    }
    cli_progress_clear(&bar);
    if (c->json || status != NILU_OK)
        cli_table_free(&t);
    return c->json || status != NILU_OK ? status : cli_table_print(&t, &c->out, 0);
}

/* ---- a model */

static size_t bytes_of(const nilu_tensor *t)
{
    return (size_t)base_count(nilu_tensor_shape(t)) * nilu_dtype_size(nilu_tensor_dtype(t));
}

static void fill(nilu_tensor *t, void *data, base_key key, int64_t classes)
{
    int64_t n = base_count(nilu_tensor_shape(t));
    for (int64_t i = 0; i < n; i++)
        if (nilu_tensor_dtype(t) == NILU_I32)
            ((int32_t *)data)[i] = (int32_t)(base_uniform53(key, (uint64_t)i) * (double)classes);
        else
            ((float *)data)[i] = (float)base_normal(key, (uint64_t)i);
}

/* Numbers to check at: the first samples of the data, or random ones. */
static nilu_status feed(cli_site *s, nilu_fed *fed, int *n)
{
    nilu *nl = s->c->nl;
    nilu_shape y = nilu_tensor_shape(s->y);
    for (int i = 0; i <= s->inputs; i++) {
        nilu_tensor *t = i < s->inputs ? s->fed[i] : s->target;
        void *data = base_calloc(nl, 1, bytes_of(t) + 1);
        if (!data)
            return NILU_E_NO_MEMORY;
        fed[(*n)++] = (nilu_fed){nilu_tensor_name(t), data, bytes_of(t)};
        fill(t, data, (base_key){nilu_seed(nl), (uint64_t)i}, y.dim[y.rank - 1]);
    }
    if (!s->data)
        return NILU_OK;
    if (nilu_data_about(s->data)->count[NILU_TRAIN] < s->batch)
        return cli_fail(s->c, NILU_E_DATA, _(N_("gradcheck: the data have fewer than %lld training samples; use a smaller --batch")), (long long)s->batch);
    void *target = (void *)fed[1].data;
    bool classes = s->task == NILU_TASK_CLASSES;
    return nilu_data_batch(s->data, NILU_TRAIN, NULL, s->batch, (void *)fed[0].data, classes ? target : NULL, classes ? NULL : target);
}

static nilu_status check_model(cli *c, const struct gradcheck *s, tally *sum)
{
    cli_site site;
    nilu_fed fed[CLI_MAX_INPUTS + 1];
    nilu_gradcheck_options o = options_of(c, s);
    nilu_gradcheck_report r = {0};
    int n = 0;
    nilu_store *store = NULL;
    if (s->samples == CLI_UNSET)
        o.samples = 32; /* of each tensor: a large net has more than can be waited for */
    nilu_status status = cli_build(c, &s->building, &site);
    if (status == NILU_OK)
        status = feed(&site, fed, &n);
    if (status == NILU_OK && site.run)
        status = nilu_run_store(site.run, NILU_MODEL, &store);
    if (status == NILU_OK)
        status = nilu_gradcheck(site.loss, store, n, fed, &o, &r);
    if (status == NILU_OK) {
        count(sum, &r);
        if (r.failed)
            cli_note(c, "%s", r.text);
    }
    for (int i = 0; i < n; i++)
        base_free(c->nl, (void *)fed[i].data);
    nilu_store_free(store);
    cli_site_free(&site);
    return status;
}

/* ---- the command */

static nilu_status verdict(cli *c, const tally *t)
{
    cli_figure a, b;
    if (c->json)
        NILU_TRY(cli_emit(c, "result", json_pack("{s:I, s:I, s:I, s:o}", "passed", (json_int_t)t->passed, "failed",
                                                 (json_int_t)t->failed, "kinks", (json_int_t)t->kinks, "worst", cli_real(t->worst))));
    else
        printf(_(N_("%s comparisons right, %lld wrong; %s at kinks; worst relative error %.1e\n")),
               cli_quantity((double)t->passed, a), (long long)t->failed, cli_quantity((double)t->kinks, b), t->worst);
    if (!t->failed)
        return NILU_OK;
    return cli_fail(c, NILU_E_VERIFY, _(N_("gradcheck: %lld derivatives are wrong; see above which")), (long long)t->failed);
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    struct gradcheck s = *(const struct gradcheck *)settings;
    tally sum = {0};
    s.building.network.model = n ? operand[0] : NULL;
    s.building.batch_usual = 4;
    bool model = n || s.building.network.layers || s.building.network.hidden.n;
    if (model + s.all + (s.op != NULL) != 1)
        return cli_fail(c, NILU_E_USAGE, _(N_("gradcheck: give a model, or --op NAME, or --all")));
    if (s.only && !s.op)
        return cli_fail(c, NILU_E_USAGE, _(N_("gradcheck: --case belongs to --op NAME")));
    NILU_TRY(model ? check_model(c, &s, &sum) : check_ops(c, &s, &sum));
    return verdict(c, &sum);
}

static const char *const story[] = {
    N_("A derivative is compared with differences of the value in double precision; where the value has a kink (relu at 0), it must "
       "lie between the slopes on both sides, and is counted apart. Ops are checked on their own test cases, with second "
       "derivatives where there are any. A model is checked at its initial weights, or, of a run, at the trained ones."),
    NULL,
};

static const cli_operand operands[] = {
    {"M", CLI_FILE, N_("model file in YAML, or the folder of a run"), .optional = true},
    {0},
};

#define AT(field) offsetof(struct gradcheck, field)
static const cli_option options[] = {
    {"all", 'a', NULL, CLI_FLAG, AT(all), N_("check every op"), .group = N_("What is checked")},
    {"op", 0, "NAME", CLI_CHOICE, AT(op), N_("check this op; nilu op lists them"), .choice = op_name},
    {"case", 0, "NAME", CLI_WORD, AT(only), N_("of the op, this case alone")},
    {"tolerance", 0, "ERROR", CLI_NUMBER, AT(tolerance), N_("largest relative error that passes"), "1e-6", .low = 0, .high = 1},
    {"samples", 'n', "N", CLI_WHOLE, AT(samples), N_("elements checked of each tensor, drawn at random; 0: all"), .usual = N_("all; of a model 32"), .low = 0, .high = 1e12},
    CLI_BUILDING_ROWS(struct gradcheck),
    CLI_READING_ROWS_OF(struct gradcheck, building.reading),
    {0},
};

static const cli_field fields[] = {
    {"op", "op", "text", N_("name of the op")},
    {"op", "cases", "number", N_("its cases that have a derivative")},
    {"op", "checked", "number", N_("comparisons")},
    {"op", "kinks", "number", N_("of these, at a kink")},
    {"op", "failed", "number", N_("of these, wrong")},
    {"op", "worst", "number", N_("largest relative error, kinks apart")},
    {"op", "text", "text", N_("the first failure and how to run it alone; else empty")},
    {"result", "passed", "number", N_("comparisons that are right")},
    {"result", "failed", "number", N_("comparisons that are wrong")},
    {"result", "kinks", "number", N_("comparisons at a kink")},
    {"result", "worst", "number", N_("largest relative error, kinks apart")},
    {0},
};

static const cli_example examples[] = {
    {"nilu gradcheck --all", N_("every op")},
    {"nilu gradcheck --op softmax_xent", N_("one op")},
    {"nilu gradcheck model.yaml --input 784 --outputs 10", N_("a model's loss by its parameters")},
    {0},
};

const cli_command command_gradcheck = {
    .name = "gradcheck", .about = N_("Checks derivatives of ops or of a model against differences of values"), .story = story,
    .operands = operands, .options = options, .common = CLI_JSON | CLI_QUIET | CLI_THREADS | CLI_SEED, .fields = fields,
    .examples = examples, .run = run,
};
