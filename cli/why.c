/* `nilu why`: why the error is sent back, and not searched for. */
#include "cli.h"

#include "report/report.h"

#include <math.h>
#include <string.h>

struct why {
    cli_reading reading;
    bool quick;
    int64_t steps, samples, sizes;
    const char *html, *svg;
};

/* ---- the chart: a column for each number of dimensions, in it a place for each way */

#define ROWS 14
#define COLUMN 9
static const char letter[NILU_WAYS] = {'B', 'r', 'h', 'e', 's'};

static int row_of(double loss, double most)
{
    double share = most > 0 ? loss / most : 0;
    int row = (int)lround((1 - fmin(fmax(share, 0), 1)) * (ROWS - 1));
    return row;
}

static void chart(const nilu_why_result *r)
{
    double most = 0;
    for (int i = 0; i < r->sizes; i++)
        most = fmax(most, r->size[i].loss);
    printf(_(N_("\nLoss against dimensions (B backpropagation, r random search, h hill climbing, e evolution strategy, s SPSA, - start):\n")));
    for (int row = 0; row < ROWS; row++) {
        char line[NILU_WHY_SIZES * COLUMN + 1];
        memset(line, ' ', sizeof line);
        for (int i = 0; i < r->sizes; i++) {
            char *at = line + i * COLUMN + 2;
            if (row_of(r->size[i].loss, most) == row)
                memset(at - 1, '-', NILU_WAYS + 2);
            for (int way = 0; way < NILU_WAYS; way++)
                if (row_of(r->size[i].way[way].loss, most) == row)
                    at[way] = letter[way];
        }
        line[r->sizes * COLUMN] = 0;
        printf("%5.2f |%s\n", most * (1 - (double)row / (ROWS - 1)), line);
    }
    printf("      +");
    for (int i = 0; i < r->sizes * COLUMN; i++)
        putchar('-');
    printf("\n       ");
    for (int i = 0; i < r->sizes; i++)
        printf("  10^%-*d", COLUMN - 5, i + 1);
    printf("\n");
}

/* ---- tables */

static nilu_status losses(const cli *c, const nilu_why_result *r)
{
    cli_table t = cli_table_new(c->nl, "rrrrrrrr");
    cli_figure a;
    cli_cell(&t, "%s", _(N_("dimensions")));
    cli_cell(&t, "%s", _(N_("FLOPs each")));
    cli_cell(&t, "%s", _(N_("start")));
    for (int way = 0; way < NILU_WAYS; way++)
        cli_cell(&t, "%s", _(nilu_way_name(way)));
    for (int i = 0; i < r->sizes; i++) {
        const nilu_why_size *s = &r->size[i];
        cli_cell(&t, "%s", cli_quantity((double)s->dimensions, a));
        cli_cell(&t, "%.1e", s->flops);
        cli_cell(&t, "%.4f", s->loss);
        for (int way = 0; way < NILU_WAYS; way++)
            cli_cell(&t, "%.4f", s->way[way].loss);
    }
    return cli_table_print(&t, &c->out, 0);
}

static nilu_status angles(const cli *c, const nilu_why_result *r)
{
    cli_table t = cli_table_new(c->nl, "rrrrr");
    cli_figure a;
    printf(_(N_("\nHow far a random direction points along the gradient, mean |cos|:\n")));
    cli_cell(&t, "%s", _(N_("dimensions")));
    cli_cell(&t, "%s", _(N_("directions")));
    cli_cell(&t, "%s", _(N_("measured")));
    cli_cell(&t, "%s", _(N_("error")));
    cli_cell(&t, "%s", "sqrt(2/(pi N))");
    for (int i = 0; i < r->sizes; i++) {
        const nilu_why_size *s = &r->size[i];
        cli_cell(&t, "%s", cli_quantity((double)s->dimensions, a));
        cli_cell(&t, "%d", s->directions);
        cli_cell(&t, "%.6f", s->cosine);
        cli_cell(&t, "%.6f", s->cosine_error);
        cli_cell(&t, "%.6f", s->theory);
    }
    return cli_table_print(&t, &c->out, 0);
}

static nilu_status navigation(const cli *c, const nilu_why_size *s)
{
    cli_table t = cli_table_new(c->nl, "rrrr");
    cli_figure a;
    printf(_(N_("\nExact navigation with %s dimensions, in f64: what a step of eps against the gradient g does to the loss\n")),
           cli_quantity((double)s->dimensions, a));
    cli_cell(&t, "eps");
    cli_cell(&t, "%s", _(N_("measured")));
    cli_cell(&t, "-eps |g|^2");
    cli_cell(&t, "%s", _(N_("measured / predicted")));
    for (int k = 0; k < NILU_WHY_STEPS; k++) {
        cli_cell(&t, "%.0e", s->step[k].eps);
        cli_cell(&t, "%.8e", s->step[k].measured);
        cli_cell(&t, "%.8e", s->step[k].predicted);
        cli_cell(&t, "%.8f", s->step[k].measured / s->step[k].predicted);
    }
    return cli_table_print(&t, &c->out, 0);
}

static nilu_status say_text(const cli *c, const nilu_data_info *d, const nilu_why_result *r)
{
    cli_figure time, a;
    const nilu_why_size *last = &r->size[r->sizes - 1];
    if (d->task == NILU_TASK_CLASSES)
        printf(_(N_("question   %s: has the class an odd number? %lld samples\n")), d->name, (long long)r->samples);
    else
        printf(_(N_("question   %s: is the target above its mean? %lld samples\n")), d->name, (long long)r->samples);
    printf(_(N_("budget     the FLOPs of %lld steps of backpropagation, for each way\n\n")), (long long)r->steps);
    NILU_TRY(losses(c, r));
    chart(r);
    NILU_TRY(angles(c, r));
    NILU_TRY(navigation(c, last));
    double rest = INFINITY;
    for (int way = 1; way < NILU_WAYS; way++)
        rest = fmin(rest, last->way[way].loss);
    printf(_(N_("\nWith %s dimensions backpropagation went from %.4f to %.4f; the best of the others came to %.4f.\n")),
           cli_quantity((double)last->dimensions, a), last->loss, last->way[NILU_BACKPROPAGATION].loss, rest);
    cli_note(c, _(N_("time       %s")), cli_seconds(r->seconds, time));
    return NILU_OK;
}

/* ---- JSON */

static json_t *size_json(const nilu_why_size *s)
{
    json_t *ways = json_array(), *steps = json_array();
    for (int way = 0; way < NILU_WAYS; way++) {
        const nilu_why_way *w = &s->way[way];
        json_array_append_new(ways, json_pack("{s:s, s:o, s:f, s:f, s:I, s:f, s:f}", "way", nilu_way_name(way), "loss",
                                              cli_real(w->loss), "right", w->right, "flops", w->flops, "asked",
                                              (json_int_t)w->asked, "rate", w->rate, "seconds", w->seconds));
    }
    for (int k = 0; k < NILU_WHY_STEPS; k++)
        json_array_append_new(steps, json_pack("{s:f, s:o, s:o}", "eps", s->step[k].eps, "measured", cli_real(s->step[k].measured),
                                               "predicted", cli_real(s->step[k].predicted)));
    return json_pack("{s:I, s:I, s:I, s:f, s:f, s:f, s:o, s:I, s:o, s:o, s:f, s:o}", "dimensions", (json_int_t)s->dimensions,
                     "inputs", (json_int_t)s->inputs, "hidden", (json_int_t)s->hidden, "loss", s->loss, "gradient", s->gradient,
                     "flops", s->flops, "ways", ways, "directions", (json_int_t)s->directions, "cosine", cli_real(s->cosine),
                     "cosine_error", cli_real(s->cosine_error), "theory", s->theory, "navigation", steps);
}

static nilu_status say_json(cli *c, const nilu_data_info *d, const nilu_why_result *r)
{
    for (int i = 0; i < r->sizes; i++)
        NILU_TRY(cli_emit(c, "size", size_json(&r->size[i])));
    return cli_emit(c, "result", json_pack("{s:s, s:I, s:I, s:I, s:f}", "data", d->name, "sizes", (json_int_t)r->sizes, "samples",
                                           (json_int_t)r->samples, "steps", (json_int_t)r->steps, "seconds", r->seconds));
}

/* ---- the command */

typedef struct session {
    const cli *c;
    cli_progress bar;
    int done, all;
} session;

static bool progress(void *user, int64_t dimensions, int way)
{
    session *s = user;
    char text[128];
    cli_figure a;
    if (*cli_signal())
        return false;
    snprintf(text, sizeof text, _(N_("%s dimensions, %s")), cli_quantity((double)dimensions, a), _(nilu_way_name(way)));
    if (s->c->err.terminal && !s->c->quiet && !s->c->json)
        cli_progress_show(&s->bar, (double)s->done / s->all, text);
    s->done++;
    return true;
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    const struct why *s = settings;
    nilu_data *data = NULL;
    nilu_why_result result;
    nilu_why_options o = NILU_WHY_DEFAULT;
    session told = {.c = c, .bar = {.screen = &c->err}};
    if (s->quick) {
        o.sizes = 4;
        o.steps = 30;
    }
    if (cli_given(c, "sizes"))
        o.sizes = (int)s->sizes;
    if (cli_given(c, "steps"))
        o.steps = s->steps;
    o.samples = s->samples;
    o.progress = progress;
    o.user = &told;
    told.all = o.sizes * NILU_WAYS;
    cli_signals_catch();
    NILU_TRY(cli_open_data(c, &s->reading, n ? operand[0] : "digits", &data));
    nilu_status status = nilu_why(c->nl, data, &o, &result);
    cli_progress_clear(&told.bar);
    if (status == NILU_OK)
        status = c->json ? say_json(c, nilu_data_about(data), &result) : say_text(c, nilu_data_about(data), &result);
    if (status == NILU_OK && s->svg)
        status = report_why_svg(c->nl, &result, s->svg);
    if (status == NILU_OK && s->html)
        status = report_why_page(c->nl, nilu_data_about(data)->name, &result, s->html);
    nilu_data_free(data);
    return status;
}

static const char *const story[] = {
    N_("The same network, asked the same question of the same samples, is trained in five ways that may all spend the same number of "
       "floating-point operations: by backpropagation, and by ways that can only ask what the loss would be elsewhere. It has 10 "
       "weights, then 100, up to a million. Step sizes are chosen for each way from several, by what they achieve in a fifth of the "
       "budget; that search is not counted, nor is what the others spend on random numbers."),
    N_("Then the reason: a random direction hardly ever points along the gradient when there are many dimensions, and a small step "
       "against the gradient changes the loss by exactly what backpropagation says."),
    NULL,
};

static const cli_operand operands[] = {
    {"DATA", CLI_DATA, N_("the name of a set, a file or a folder; digits if nothing is said"), .optional = true},
    {0},
};

#define AT(field) offsetof(struct why, field)
static const cli_option options[] = {
    {"quick", 0, NULL, CLI_FLAG, AT(quick), N_("up to 10,000 dimensions, 30 steps: about a second"), .group = N_("Race")},
    {"steps", 0, "N", CLI_WHOLE, AT(steps), N_("steps of backpropagation, whose FLOPs all may spend"), "60", .low = 1, .high = 1e6},
    {"sizes", 0, "N", CLI_WHOLE, AT(sizes), N_("networks of 10, 100, 1000 weights and so on: how many of them"), "6", .low = 1, .high = NILU_WHY_SIZES},
    {"samples", 'n', "N", CLI_WHOLE, AT(samples), N_("samples of the training part"), "256", .low = 2, .high = 1048576},
    {"html", 0, "FILE", CLI_FILE, AT(html), N_("write all of it as a page that opens without a network"), .group = N_("Output")},
    {"svg", 0, "FILE", CLI_FILE, AT(svg), N_("draw the chart of the losses")},
    CLI_READING_ROWS(struct why),
    {0},
};

static const cli_field fields[] = {
    {"size", "dimensions", "number", N_("weights and biases of the network")},
    {"size", "inputs", "number", N_("fixed random mixtures of the features that it sees")},
    {"size", "hidden", "number", N_("tanh units; 0: none")},
    {"size", "loss", "number", N_("at the start")},
    {"size", "gradient", "number", N_("its length at the start")},
    {"size", "flops", "number", N_("that each way may spend")},
    {"size", "ways", "objects", N_("of each way: way, loss, right, flops, asked, rate, seconds")},
    {"size", "directions", "number", N_("random directions that were compared with the gradient")},
    {"size", "cosine", "number", N_("mean of |cos| of the angle between them")},
    {"size", "cosine_error", "number", N_("its standard error")},
    {"size", "theory", "number", "sqrt(2 / (pi N))"},
    {"size", "navigation", "objects", N_("of each eps: eps, measured and predicted change of the loss, in f64")},
    {"result", "data", "text", N_("name of the set")},
    {"result", "sizes", "number", N_("networks")},
    {"result", "samples", "number", N_("samples that were learnt")},
    {"result", "steps", "number", N_("steps of backpropagation")},
    {"result", "seconds", "number", N_("that it all took")},
    {0},
};

static const cli_example examples[] = {
    {"nilu why", N_("on the handwritten digits that come with nilu")},
    {"nilu why titanic.csv --target Survived --quick", N_("on a table, in a second")},
    {0},
};

const cli_command command_why = {
    .name = "why", .about = N_("Shows why the error is sent back: backpropagation against search, at equal cost"), .story = story,
    .operands = operands, .options = options, .common = CLI_JSON | CLI_QUIET | CLI_THREADS | CLI_SEED, .fields = fields,
    .examples = examples, .run = run,
};
