/* `nilu trace`: the relay. What each layer handed on, what came back, and the journey of the error through the plan. */
#include "cli.h"

#include <math.h>

#include <string.h>

#include "report/sheet.h"

struct trace {
    cli_sampling sampling;
    const char *layer, *start, *flow, *html;
};

typedef struct relay {
    cli *c;
    const struct trace *s;
    cli_case k;
    nilu_lesson *lesson;
    nilu_verdict v;
    report_journey journey;
    nilu_leg leg[512];
} relay;

static const char *const flows[] = {"text", "mermaid", "svg", "html"};

static const char *flow_name(int i)
{
    return i >= 0 && i < (int)COUNT(flows) ? flows[i] : NULL;
}

static nilu_status open_relay(relay *t, const char *folder)
{
    const struct trace *s = t->s;
    nilu_start start = strcmp(s->start, "gap") == 0 ? NILU_FROM_GAP : NILU_FROM_LOSS;
    int n;
    NILU_TRY(cli_case_open(t->c, folder, NILU_F64, &t->k));
    NILU_TRY(cli_case_look(&t->k, &s->sampling));
    nilu_scene *scene = t->k.info->scene;
    nilu_scene_verdict(scene, &t->v);
    if (start == NILU_FROM_LOSS) {
        NILU_TRY(nilu_inquiry_lesson(t->k.at, &t->lesson));
        NILU_TRY(nilu_lesson_learn(t->lesson, scene));
    }
    NILU_TRY(nilu_journey(scene, t->lesson, start, (int)COUNT(t->leg), t->leg, &n));
    t->journey = (report_journey){scene, start, t->v.loss, t->v.gap, n < (int)COUNT(t->leg) ? n : (int)COUNT(t->leg), t->leg,
                                  t->k.info->about->options.optimizer.name};
    return NILU_OK;
}

/* ---- text */

static nilu_status forward_table(const relay *t)
{
    nilu_relay r;
    cli_table table = cli_table_new(t->c->nl, "llrrrrr");
    const char *heads[] = {_(N_("layer")), "f", _(N_("neurons")), "|x|", "|z|", "|a|", _(N_("open"))};
    for (size_t i = 0; i < COUNT(heads); i++)
        cli_cell(&table, "%s", heads[i]);
    for (int i = 0; nilu_relay_of(t->journey.scene, i, t->journey.start, &r); i++) {
        cli_cell(&table, "%s", r.name);
        cli_cell(&table, "%s", *r.activation ? r.activation : "-");
        cli_cell(&table, "%lld", (long long)r.out);
        cli_cell(&table, "%#.5g", r.x);
        cli_cell(&table, "%#.5g", r.z);
        cli_cell(&table, "%#.5g", r.a);
        cli_cell(&table, "%lld", (long long)r.open);
    }
    printf("\n%s%s%s\n", cli_paint(&t->c->out, CLI_BOLD), _(N_("Forward: what each layer handed on")), cli_paint(&t->c->out, CLI_PLAIN));
    return cli_table_print(&table, &t->c->out, 2);
}

static nilu_status back_table(const relay *t)
{
    nilu_relay r;
    cli_table table = cli_table_new(t->c->nl, "lrrrrrr");
    const char *heads[] = {_(N_("layer")), _(N_("received")), _(N_("mean f'(z)")), _(N_("error")), "|dW|", "|db|", _(N_("passed on"))};
    for (size_t i = 0; i < COUNT(heads); i++)
        cli_cell(&table, "%s", heads[i]);
    for (int i = nilu_scene_layers(t->journey.scene) - 1; i >= 0 && nilu_relay_of(t->journey.scene, i, t->journey.start, &r); i--) {
        cli_cell(&table, "%s", r.name);
        cli_cell(&table, "%#.5g", r.received);
        cli_cell(&table, "%.4f", r.slope);
        cli_cell(&table, "%#.5g", r.delta);
        cli_cell(&table, "%#.5g", r.weight_gradient);
        cli_cell(&table, "%#.5g", r.bias_gradient);
        cli_cell(&table, "%#.5g", r.passed);
    }
    printf("\n%s%s%s\n", cli_paint(&t->c->out, CLI_BOLD), _(N_("Back: the error's size at each layer, last layer first")), cli_paint(&t->c->out, CLI_PLAIN));
    return cli_table_print(&table, &t->c->out, 2);
}

static double norm(const double *v, int64_t n, int64_t stride)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += v[i * stride] * v[i * stride];
    return sqrt(sum);
}

/* Every channel of a convolution. */
static nilu_status channel_table(const relay *t, const nilu_layer_view *l)
{
    cli_table table = cli_table_new(t->c->nl, "rrrrrrr");
    const char *heads[] = {_(N_("channel")), "|z|", "|a|", _(N_("open")), _(N_("received")), _(N_("error")), "|dW|"};
    char headline[256];
    for (size_t k = 0; k < COUNT(heads); k++)
        cli_cell(&table, "%s", heads[k]);
    for (int64_t f = 0; f < l->filters; f++) {
        const int64_t at = f * l->places;
        long long open = 0;
        for (int64_t p = 0; p < l->places; p++)
            open += l->slope[at + p] < 0 || l->slope[at + p] > 0;
        cli_cell(&table, "%lld", (long long)f);
        cli_cell(&table, "%#.5g", norm(l->z + at, l->places, 1));
        cli_cell(&table, "%#.5g", norm(l->a + at, l->places, 1));
        cli_cell(&table, "%lld", open);
        cli_cell(&table, "%#.5g", norm(l->received + at, l->places, 1));
        cli_cell(&table, "%#.5g", norm(l->delta + at, l->places, 1));
        cli_cell(&table, "%#.5g", norm(l->gradient + f, l->taps, l->filters));
    }
    printf("%s\n\n", cli_case_headline(&t->k, headline));
    return cli_table_print(&table, &t->c->out, 2);
}

/* Every neuron of one layer. */
static nilu_status layer_table(const relay *t)
{
    nilu_layer_view l;
    nilu_relay r;
    int i = 0;
    while (nilu_scene_layer(t->journey.scene, i, t->journey.start, &l) && strcmp(l.name, t->s->layer) != 0)
        i++;
    if (!nilu_relay_of(t->journey.scene, i, t->journey.start, &r))
        return cli_fail(t->c, NILU_E_NAME, _(N_("%s: there is no layer %s")), t->k.info->about->path, t->s->layer);
    if (l.window)
        return channel_table(t, &l);
    cli_table table = cli_table_new(t->c->nl, "rrrrrrr");
    const char *heads[] = {_(N_("neuron")), "z", "a", "f'(z)", _(N_("received")), _(N_("error")), "|dW|"};
    for (size_t k = 0; k < COUNT(heads); k++)
        cli_cell(&table, "%s", heads[k]);
    for (int64_t k = 0; k < l.out; k++) {
        cli_cell(&table, "%lld", (long long)k);
        cli_cell(&table, "%#.5g", l.z[k]);
        cli_cell(&table, "%#.5g", l.a[k]);
        cli_cell(&table, "%.4g", l.slope[k]);
        cli_cell(&table, "%#.5g", l.received[k]);
        cli_cell(&table, "%#.5g", l.delta[k]);
        cli_cell(&table, "%#.5g", r.x * (l.delta[k] < 0 ? -l.delta[k] : l.delta[k]));
    }
    char headline[256];
    printf("%s\n\n", cli_case_headline(&t->k, headline));
    return cli_table_print(&table, &t->c->out, 2);
}

static nilu_status print(const relay *t)
{
    cli *c = t->c;
    char headline[256];
    base_buffer out = {0};
    if (t->s->layer)
        return layer_table(t);
    printf("%s\n", cli_case_headline(&t->k, headline));
    NILU_TRY(forward_table(t));
    NILU_TRY(back_table(t));
    nilu_status status = report_journey_text(&t->journey, c->nl, c->out.utf8, &out);
    if (status == NILU_OK)
        printf("\n%s%s%s\n%s", cli_paint(&c->out, CLI_BOLD), t->lesson ? _(N_("The journey, by the plan of the run's own step (#: its instructions)")) : _(N_("The journey")),
               cli_paint(&c->out, CLI_PLAIN), out.at ? out.at : "");
    base_free(c->nl, out.at);
    return status;
}

/* ---- drawings and pages */

static nilu_status page(const relay *t, report *r)
{
    char title[128], headline[256];
    nilu_relay l;
    snprintf(title, sizeof title, _(N_("The journey back of %s")), t->k.sample.name);
    *r = report_page(t->c->nl, title, cli_case_headline(&t->k, headline));
    NILU_TRY(cli_case_picture(&t->k, r));
    report_section(r, _(N_("The journey")));
    report_say(r, "%s", t->lesson ? _(N_("From the loss to every weight, as the run's own step does it: # and a kernel's name are the instruction of its plan.")) : _(N_("From the gap to every layer.")));
    report_raw(r, "<div class=\"wide\">");
    report_journey_svg(&t->journey, false, r);
    report_raw(r, "</div>\n");
    NILU_TRY(cli_maps_page(t->journey.scene, t->journey.start, r));
    report_section(r, _(N_("Forward: what each layer handed on")));
    report_table(r, "llrrrrr");
    const char *heads[] = {_(N_("layer")), "f", _(N_("neurons")), "‖x‖", "‖z‖", "‖a‖", _(N_("open"))};
    for (size_t i = 0; i < COUNT(heads); i++)
        report_cell(r, "%s", heads[i]);
    for (int i = 0; nilu_relay_of(t->journey.scene, i, t->journey.start, &l); i++) {
        report_cell(r, "%s", l.name);
        report_cell(r, "%s", *l.activation ? l.activation : "–");
        report_cell(r, "%lld", (long long)l.out);
        report_cell(r, "%#.5g", l.x);
        report_cell(r, "%#.5g", l.z);
        report_cell(r, "%#.5g", l.a);
        report_cell(r, "%lld", (long long)l.open);
    }
    report_table_end(r);
    report_section(r, _(N_("Back: the error's size at each layer, last layer first")));
    report_table(r, "lrrrrr");
    const char *backs[] = {_(N_("layer")), _(N_("received")), _(N_("mean f'(z)")), _(N_("error")), "‖∂W‖", _(N_("passed on"))};
    for (size_t i = 0; i < COUNT(backs); i++)
        report_cell(r, "%s", backs[i]);
    for (int i = nilu_scene_layers(t->journey.scene) - 1; i >= 0 && nilu_relay_of(t->journey.scene, i, t->journey.start, &l); i--) {
        report_cell(r, "%s", l.name);
        report_cell(r, "%#.5g", l.received);
        report_cell(r, "%.4f", l.slope);
        report_cell(r, "%#.5g", l.delta);
        report_cell(r, "%#.5g", l.weight_gradient);
        report_cell(r, "%#.5g", l.passed);
    }
    report_table_end(r);
    report_remark(r, "%s", _(N_("Sizes are 2-norms over the layer. The network was computed in f64. At z = 0 relu counts as closed: its slope is 0.")));
    report_page_end(r);
    return r->status;
}

/* What --flow asks for, to stdout or to a file. */
static nilu_status draw(const relay *t, const char *flow, const char *path)
{
    cli *c = t->c;
    report r = {.nl = c->nl};
    nilu_status status;
    if (strcmp(flow, "html") == 0) {
        status = page(t, &r);
    } else if (strcmp(flow, "svg") == 0) {
        report_journey_svg(&t->journey, true, &r);
        status = r.status;
    } else if (strcmp(flow, "mermaid") == 0) {
        status = report_journey_mermaid(&t->journey, c->nl, &r.text);
    } else {
        status = report_journey_text(&t->journey, c->nl, c->out.utf8, &r.text);
    }
    if (status != NILU_OK || path) {
        r.status = status;
        return path ? report_write(&r, path) : (report_free(&r), status);
    }
    fputs(r.text.at ? r.text.at : "", stdout);
    report_free(&r);
    return NILU_OK;
}

/* ---- JSON */

static json_t *numbers(const double *v, int64_t n)
{
    json_t *list = json_array();
    for (int64_t i = 0; list && i < n; i++)
        json_array_append_new(list, cli_real(v[i]));
    return list;
}

static nilu_status emit(const relay *t)
{
    nilu_layer_view l;
    json_t *layers = json_array(), *legs = json_array();
    for (int i = 0; layers && nilu_scene_layer(t->journey.scene, i, t->journey.start, &l); i++)
        json_array_append_new(layers, json_pack("{s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "layer", l.name, "activation", l.activation,
                                                "in", (json_int_t)l.in, "out", (json_int_t)l.out, "z", numbers(l.z, l.out), "a",
                                                numbers(l.a, l.out), "slope", numbers(l.slope, l.out), "received",
                                                numbers(l.received, l.out), "delta", numbers(l.delta, l.out), "passed",
                                                numbers(l.passed, l.in)));
    static const char *const kinds[] = {"start", "back", "slope", "update"};
    for (int i = 0; legs && i < t->journey.n; i++) {
        const nilu_leg *g = &t->leg[i];
        json_t *o = json_pack("{s:s, s:s, s:o, s:i, s:s}", "kind", kinds[g->kind], "layer", forensics_scene_site(t->journey.scene, g->layer)->name,
                              "norm", cli_real(g->norm), "instruction", g->instruction, "kernel", g->kernel);
        if (o && g->reader >= 0)
            json_object_set_new(o, "through", json_string(forensics_scene_site(t->journey.scene, g->reader)->name));
        json_array_append_new(legs, o);
    }
    return cli_emit(t->c, "result", json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "run", t->k.info->about->path, "sample", t->k.sample.name,
                                              "start", cli_start_name((int)t->journey.start), "loss", cli_real(t->v.loss), "gap",
                                              cli_real(t->v.gap), "layers", layers, "legs", legs));
}

/* ---- the command */

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    relay t = {.c = c, .s = settings};
    (void)n;
    nilu_status status = open_relay(&t, operand[0]);
    if (status == NILU_OK && t.s->html)
        status = draw(&t, t.s->flow ? t.s->flow : "html", t.s->html);
    if (status == NILU_OK && c->json)
        status = emit(&t);
    else if (status == NILU_OK && !t.s->html)
        status = t.s->flow ? draw(&t, t.s->flow, NULL) : print(&t);
    cli_case_free(&t.k);
    return status;
}

static const char *const story[] = {
    N_("A sample goes forward through the layers like the baton of a relay, and its error comes back the same way. Shown are what each layer "
       "handed on, the size of the error wherever it came, and every leg of the way with the instruction of the plan that does it: the plan "
       "of the run's own training step, for this sample alone."),
    NULL,
};

static const cli_operand operands[] = {
    {"RUN", CLI_FOLDER, N_("folder of a run")},
    {0},
};

#define AT(field) offsetof(struct trace, field)
static const cli_option options[] = {
    CLI_SAMPLING_ROWS(struct trace),
    {"start", 0, "WHERE", CLI_CHOICE, AT(start), N_("where the way back starts: the loss, or the gap between what was said and what it should have been"), "loss", .choice = cli_start_name},
    {"layer", 'l', "LAYER", CLI_WORD, AT(layer), N_("every neuron of this layer: z, a, f'(z), what it received, its error and its gradient's size"), .group = N_("Output")},
    {"flow", 'f', "FORMAT", CLI_CHOICE, AT(flow), N_("the journey alone, drawn in this way"), .usual = N_("as text, below the tables"), .choice = flow_name},
    {"out", 'o', "FILE", CLI_FILE, AT(html), N_("write the drawing to a file; without --flow a page, one file that needs no network")},
    {0},
};

static const cli_field fields[] = {
    {"result", "run", "text", N_("folder of the run")},
    {"result", "sample", "text", N_("the sample's name")},
    {"result", "start", "text", "loss, gap"},
    {"result", "loss", "number", N_("the sample's loss")},
    {"result", "gap", "number", N_("what was said minus what it should have been; of numbers the answer")},
    {"result", "layers", "objects", N_("of each layer: layer, activation, in, out, and the arrays z, a, slope, received, delta and passed")},
    {"result", "legs", "objects", N_("of each leg: kind (start, back, slope, update), layer, through, norm, instruction (-1: none), kernel")},
    {0},
};

static const cli_example examples[] = {
    {"nilu trace runs/digits-1 --sample test:42", N_("a sample's way through the layers and back")},
    {"nilu trace runs/digits-1 --flow mermaid", N_("the journey as a diagram")},
    {"nilu trace runs/digits-1 --out journey.html", N_("as a page")},
    {0},
};

const cli_command command_trace = {
    .name = "trace", .about = N_("Follows a sample through the layers, and its error back to every weight"), .story = story,
    .operands = operands, .options = options, .common = CLI_JSON | CLI_QUIET | CLI_THREADS, .fields = fields,
    .examples = examples, .run = run,
};
