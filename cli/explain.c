/* `nilu explain`: one neuron's four steps for one sample, in sums that can be done again. */
#include "cli.h"

#include <math.h>
#include <string.h>

#include "report/sheet.h"

struct explain {
    cli_sampling sampling;
    const char *layer, *start, *html;
    int64_t neuron, channel, terms, seed;
    cli_sizes place;
    double answer;
    bool matrix, quiz;
};

typedef struct subject {
    cli *c;
    const struct explain *s;
    cli_case k;
    nilu_explanation e;
    report_names names;
    nilu_lesson *lesson;
    report_sheet sheet;
} subject;

/* ---- what is asked about */

static nilu_status find_layer(cli_case *k, const char *name, int *layer)
{
    nilu_layer_view l;
    const char *names[64];
    int n = nilu_scene_layers(k->info->scene);
    *layer = n - 1;
    if (n == 0)
        return cli_fail(k->c, NILU_E_MODEL, _(N_("%s: the network has no layer with weights")), k->info->about->path);
    if (!name)
        return NILU_OK;
    for (int i = 0; i < n && nilu_scene_layer(k->info->scene, i, NILU_FROM_LOSS, &l); i++) {
        if (strcmp(l.name, name) == 0) {
            *layer = i;
            return NILU_OK;
        }
        if (i < (int)COUNT(names))
            names[i] = l.name;
    }
    const char *near = base_nearest(name, names, (size_t)(n < (int)COUNT(names) ? n : (int)COUNT(names)));
    return cli_fail(k->c, NILU_E_NAME, _(N_("%s: there is no layer %s; did you mean %s?")), k->info->about->path, name, near ? near : names[0]);
}

static int64_t largest_error(const nilu_layer_view *l, int64_t from, int64_t to)
{
    int64_t best = from;
    for (int64_t j = from; j < to; j++)
        best = fabs(l->delta[j]) > fabs(l->delta[best]) ? j : best;
    return best;
}

/* The neuron of a convolution that --channel and --place name: without a place the one with the largest error. */
static nilu_status find_place(const subject *u, const nilu_layer_view *l, int64_t *neuron)
{
    const int64_t channel = u->s->channel, *at = u->s->place.at;
    if (!l->window)
        return cli_fail(u->c, NILU_E_USAGE, _(N_("explain: %s is no convolution and has no channels; name one of its neurons with --neuron")), l->name);
    if (channel >= l->filters)
        return cli_fail(u->c, NILU_E_USAGE, _(N_("%s has %lld channels (0 is the first); there is no %lld")), l->name, (long long)l->filters, (long long)channel);
    if (u->s->place.n && (u->s->place.n != 2 || at[0] >= l->window->map[0] || at[1] >= l->window->map[1]))
        return cli_fail(u->c, NILU_E_USAGE, _(N_("explain: --place takes a row and a column, and the maps of %s have %lld x %lld places: 0,0 is the first")), l->name,
                        (long long)l->window->map[0], (long long)l->window->map[1]);
    *neuron = u->s->place.n ? channel * l->places + at[0] * l->window->map[1] + at[1]
                            : largest_error(l, channel * l->places, (channel + 1) * l->places);
    return NILU_OK;
}

/* Nobody named: in the last layer what was said, in a convolution the largest error (its corners say little), else the first. */
static nilu_status find_neuron(const subject *u, int layer, nilu_start start, const nilu_verdict *v, int64_t *neuron)
{
    const struct explain *s = u->s;
    nilu_layer_view l;
    nilu_scene_layer(u->k.info->scene, layer, start, &l);
    if (s->channel == CLI_UNSET && s->place.n)
        return cli_fail(u->c, NILU_E_USAGE, _(N_("explain: a --place is one of a channel's; name it with --channel")));
    if (s->channel != CLI_UNSET && s->neuron != CLI_UNSET)
        return cli_fail(u->c, NILU_E_USAGE, _(N_("explain: --neuron and --channel are two ways to name one neuron; keep one of them")));
    if (s->channel != CLI_UNSET)
        return find_place(u, &l, neuron);
    *neuron = s->neuron != CLI_UNSET                              ? s->neuron
              : layer == nilu_scene_layers(u->k.info->scene) - 1 ? v->accused
              : l.window                                         ? largest_error(&l, 0, l.out)
                                                                 : 0;
    return NILU_OK;
}

static nilu_status open_subject(subject *u, const char *folder)
{
    const struct explain *s = u->s;
    nilu_verdict v;
    int layer;
    NILU_TRY(cli_case_open(u->c, folder, NILU_F64, &u->k));
    NILU_TRY(find_layer(&u->k, s->layer, &layer));
    NILU_TRY(cli_case_look(&u->k, &s->sampling));
    nilu_scene *scene = u->k.info->scene;
    nilu_scene_verdict(scene, &v);
    nilu_start start = strcmp(s->start, "gap") == 0 ? NILU_FROM_GAP : NILU_FROM_LOSS;
    int64_t neuron = 0;
    NILU_TRY(find_neuron(u, layer, start, &v, &neuron));
    nilu_status status = nilu_explain(scene, layer, neuron, start, (int)s->terms, &u->e);
    if (status != NILU_OK)
        return status == NILU_E_RANGE ? NILU_E_USAGE : status; /* a neuron of the line's */
    u->names = (report_names){scene, u->k.sample.set};
    if (start == NILU_FROM_LOSS) {
        NILU_TRY(nilu_inquiry_lesson(u->k.at, &u->lesson));
        NILU_TRY(nilu_lesson_learn(u->lesson, scene));
    }
    report_explain(&u->sheet, &u->e, &u->names, u->lesson, u->k.info->about->options.optimizer.name);
    return u->sheet.status;
}

static const char *whom(const subject *u, char out[256])
{
    const nilu_explanation *e = &u->e;
    if (e->window) {
        snprintf(out, 256, e->start == NILU_FROM_GAP ? _(N_("%s, channel %lld at (%lld, %lld), which is neuron %lld; a filter of %lld taps (%s); the way back starts at the gap"))
                                                     : _(N_("%s, channel %lld at (%lld, %lld), which is neuron %lld; a filter of %lld taps (%s); the way back starts at the loss")),
                 e->name, (long long)e->filter, (long long)(e->place / e->window->map[1]), (long long)(e->place % e->window->map[1]),
                 (long long)e->neuron, (long long)e->in, *e->activation ? e->activation : _(N_("no activation")));
        return out;
    }
    snprintf(out, 256, e->start == NILU_FROM_GAP ? _(N_("%s, neuron %lld of %lld, with %lld inputs (%s); the way back starts at the gap"))
                                                 : _(N_("%s, neuron %lld of %lld, with %lld inputs (%s); the way back starts at the loss")),
             e->name, (long long)e->neuron, (long long)e->out, (long long)e->in, *e->activation ? e->activation : _(N_("no activation")));
    return out;
}

/* ---- text */

static nilu_status print(const subject *u, int lines, bool matrix)
{
    cli *c = u->c;
    base_buffer out = {0};
    report_sheet shown = u->sheet;
    shown.n = lines;
    const char *bold = cli_paint(&c->out, CLI_BOLD), *plain = cli_paint(&c->out, CLI_PLAIN);
    nilu_status status = report_sheet_text(&shown, c->out.utf8, bold, plain, &out);
    if (status == NILU_OK && matrix)
        status = report_matrix_text(&u->e, &u->names, c->out.utf8, bold, plain, &out);
    if (status == NILU_OK)
        fputs(out.at ? out.at : "", stdout);
    base_free(c->nl, out.at);
    return status;
}

/* ---- the quiz */

/* The line whose result is asked for: one of those that can be worked out from what stands above. */
static int choose(const subject *u)
{
    int n = 0;
    for (int i = 0; i < u->sheet.n; i++)
        n += u->sheet.line[i].asks;
    if (n == 0)
        return -1;
    int wanted = (int)(base_hash(&u->s->seed, sizeof u->s->seed, 0) % (uint64_t)n);
    for (int i = 0;; i++)
        if (u->sheet.line[i].asks && wanted-- == 0)
            return i;
}

/* Right is what is printed, or that with fewer digits, but at least three. */
static bool is_right(report_figure f, double answer)
{
    double value = report_value(f), unit = pow(10, -f.d);
    return fabs(answer - value) <= fmax(unit * 1.001, 5e-4 * fabs(value));
}

static nilu_status quiz(subject *u)
{
    cli *c = u->c;
    double answer = u->s->answer;
    char line[64], formula[256];
    report_digits digits;
    int at = choose(u);
    if (at < 0) {
        printf(_(N_("There is nothing to work out here: take another neuron.\n")));
        return NILU_OK;
    }
    u->sheet.hidden = at;
    NILU_TRY(print(u, at + 1, false));
    printf(_(N_("\nWhat stands for the question mark? ")));
    fflush(stdout);
    if (!isfinite(answer)) {
        char *end = line;
        if (fgets(line, sizeof line, stdin))
            answer = strtod(line, &end);
        if (end == line) {
            printf("\n");
            return NILU_OK;
        }
    } else {
        printf("%.10g\n", answer);
    }
    const sheet_line *l = &u->sheet.line[at];
    bool right = is_right(l->result, answer);
    report_sheet_formula(l, c->out.utf8, formula, sizeof formula);
    printf("%s%s%s %s\n", cli_paint(&c->out, right ? CLI_GREEN : CLI_RED), right ? _(N_("Right.")) : _(N_("Not quite.")),
           cli_paint(&c->out, CLI_PLAIN), l->n ? formula : report_figure_text(l->result, digits));
    c->said = true;
    return right ? NILU_OK : NILU_E_VERIFY;
}

/* ---- pages */

static nilu_status page(const subject *u)
{
    char title[256], headline[256], neuron[256];
    const nilu_explanation *e = &u->e;
    snprintf(title, sizeof title, _(N_("%s, neuron %lld: its part in %s")), e->name, (long long)e->neuron, u->k.sample.name);
    report r = report_page(u->c->nl, title, cli_case_headline(&u->k, headline));
    report_say(&r, "%s", whom(u, neuron));
    NILU_TRY(cli_case_picture(&u->k, &r));
    report_sheet_page(&u->sheet, &r);
    report_matrix_page(e, &u->names, &r);
    report_section(&r, _(N_("How to read this")));
    report_remark(&r, "%s", _(N_("Figures are rounded once; products, remainders and sums are worked out from the figures that are printed, so every line "
                                 "can be done again with pencil and paper. The network was computed in f64. At z = 0 relu counts as closed: its slope is 0.")));
    report_page_end(&r);
    return report_write(&r, u->s->html);
}

/* ---- JSON */

static json_t *terms_json(const subject *u, const nilu_terms *t)
{
    json_t *list = json_array();
    double rest = t->total;
    char name[REPORT_NAME];
    for (int i = 0; list && i < t->n; i++) {
        const nilu_term *m = &t->term[i];
        rest -= m->product;
        json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o}", "name", report_name(&u->names, m->layer, m->index, name), "left",
                                              cli_real(m->left), "right", cli_real(m->right), "product", cli_real(m->product)));
    }
    return json_pack("{s:o, s:I, s:o, s:o}", "terms", list, "of", (json_int_t)t->of, "rest", cli_real(rest), "total", cli_real(t->total));
}

static nilu_status emit(const subject *u)
{
    const nilu_explanation *e = &u->e;
    nilu_verdict v;
    nilu_scene_verdict(u->k.info->scene, &v);
    json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:o}", "run", u->k.info->about->path, "sample", u->k.sample.name, "layer", e->name,
                          "neuron", (json_int_t)e->neuron, "activation", e->activation, "start", cli_start_name((int)e->start), "loss",
                          cli_real(v.loss));
    cli_merge(o, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "bias", cli_real(e->bias), "z", cli_real(e->z), "a", cli_real(e->a), "received",
                           cli_real(e->received), "slope", cli_real(e->slope), "delta", cli_real(e->delta)));
    cli_merge(o, json_pack("{s:o, s:o, s:o, s:o}", "said", terms_json(u, &e->said), "heard", terms_json(u, &e->heard), "own",
                           terms_json(u, &e->own), "passed", terms_json(u, &e->passed)));
    if (v.label >= 0)
        cli_merge(o, json_pack("{s:i, s:i}", "truth", v.label, "accused", v.accused));
    if (u->lesson)
        cli_merge(o, json_pack("{s:s, s:o}", "optimizer", u->k.info->about->options.optimizer.name, "rate", cli_real(nilu_lesson_rate(u->lesson))));
    return cli_emit(u->c, "result", o);
}

/* ---- the command */

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    subject u = {.c = c, .s = settings, .sheet = report_sheet_new(c->nl)};
    char headline[256], neuron[256];
    (void)n;
    nilu_status status = open_subject(&u, operand[0]);
    if (status == NILU_OK && u.s->html) {
        status = page(&u);
        if (status == NILU_OK && !c->json)
            cli_note(c, _(N_("written: %s")), u.s->html);
    }
    if (status == NILU_OK && c->json)
        status = emit(&u);
    else if (status == NILU_OK && (!u.s->html || u.s->quiz)) {
        printf("%s\n%s\n", cli_case_headline(&u.k, headline), whom(&u, neuron));
        status = u.s->quiz ? quiz(&u) : print(&u, u.sheet.n, u.s->matrix);
    }
    report_sheet_free(&u.sheet);
    cli_case_free(&u.k);
    return status;
}

static const char *const story[] = {
    N_("Backpropagation asks the same four things of every neuron: receive the error of everyone it spoke to; filter it by how far its sum z "
       "moves its answer a; owe input times error for each of its weights; pass error times weight on to each of its inputs. Here they stand with the "
       "real numbers of a run and a sample."),
    N_("Figures are rounded once, and products, remainders and sums are worked out from the figures that are printed: every line can be done "
       "again with pencil and paper. At z = 0 relu counts as closed, its slope is 0."),
    N_("Without --layer it is the output layer, and the answer that the network gave."),
    NULL,
};

static const cli_operand operands[] = {
    {"RUN", CLI_FOLDER, N_("folder of a run")},
    {0},
};

#define AT(field) offsetof(struct explain, field)
static const cli_option options[] = {
    {"layer", 'l', "LAYER", CLI_WORD, AT(layer), N_("the layer, as in fc1"), .usual = N_("the last"), .group = N_("Neuron")},
    {"neuron", 'n', "N", CLI_WHOLE, AT(neuron), N_("the neuron; 0 is the first; a convolution's are counted channel by channel, each row by row"), .usual = N_("of the last layer what was said, of a convolution the one with the largest error, else 0"), .low = 0, .high = 1e12},
    {"channel", 'c', "N", CLI_WHOLE, AT(channel), N_("a convolution's neuron by its channel instead; 0 is the first"), .low = 0, .high = 1e12},
    {"place", 'p', "ROW,COLUMN", CLI_SIZES, AT(place), N_("and by its place in that channel's map; 0,0 is the first"), .usual = N_("where the error is largest"), .low = 0, .high = 1e9},
    {"start", 0, "WHERE", CLI_CHOICE, AT(start), N_("where the way back starts: the loss, or the gap between what was said and what it should have been"), "loss", .choice = cli_start_name},
    CLI_SAMPLING_ROWS(struct explain),
    {"terms", 't', "N", CLI_WHOLE, AT(terms), N_("terms of each sum that are shown, the largest first"), "6", .group = N_("Output"), .low = 1, .high = NILU_TERMS},
    {"matrix", 'm', NULL, CLI_FLAG, AT(matrix), N_("also the whole layer as products of matrices, with a corner of their numbers")},
    {"quiz", 0, NULL, CLI_FLAG, AT(quiz), N_("hide one number and ask for it; a wrong answer exits with 5")},
    {"seed", 0, "N", CLI_WHOLE, AT(seed), N_("another seed asks for another number"), "0", .low = 0, .high = 9e18},
    {"answer", 0, "NUMBER", CLI_NUMBER, AT(answer), N_("the answer to the quiz"), .usual = N_("read from the terminal"), .low = -1e300, .high = 1e300},
    {"html", 0, "FILE", CLI_FILE, AT(html), N_("write a page instead, one file that needs no network")},
    {0},
};

static const cli_field fields[] = {
    {"result", "run", "text", N_("folder of the run")},
    {"result", "sample", "text", N_("the sample's name")},
    {"result", "layer", "text", N_("the layer")},
    {"result", "neuron", "number", N_("the neuron; 0 is the first")},
    {"result", "activation", "text", N_("the layer's activation, empty if it has none")},
    {"result", "start", "text", "loss, gap"},
    {"result", "loss", "number", N_("the sample's loss")},
    {"result", "bias", "number", N_("of the neuron")},
    {"result", "z", "number", N_("its sum")},
    {"result", "a", "number", N_("what it says: f(z)")},
    {"result", "received", "number", N_("error that came back to a")},
    {"result", "slope", "number", "f'(z)"},
    {"result", "delta", "number", N_("error at z: received times slope")},
    {"result", "said", "object", N_("input times weight: the largest terms, how many there are of, the rest, the total")},
    {"result", "heard", "object", N_("error of each reader times weight, likewise")},
    {"result", "own", "object", N_("input times error, likewise: the gradient of its weights")},
    {"result", "passed", "object", N_("weight times error, likewise: what it passes to each input")},
    {"result", "truth", "number", N_("the class that is right; of classes")},
    {"result", "accused", "number", N_("the class that is asked about; of classes")},
    {"result", "optimizer", "text", N_("the run's optimizer; with --start loss")},
    {"result", "rate", "number", N_("its learning rate before any schedule")},
    {0},
};

static const cli_example examples[] = {
    {"nilu explain runs/digits-1 --sample test:42 --layer fc1 --neuron 17", N_("a hidden neuron's four steps")},
    {"nilu explain runs/flowers-1 --layer conv2 --channel 3 --place 4,5", N_("a channel of a convolution, at one place of its map")},
    {"nilu explain runs/digits-1 --matrix", N_("what was said to the first test sample, with the layer's products")},
    {"nilu explain runs/digits-1 --layer fc1 --quiz", N_("work one of the numbers out")},
    {0},
};

const cli_command command_explain = {
    .name = "explain", .about = N_("Shows one neuron's part in an answer: what it received, filtered, owes and passes on"), .story = story,
    .operands = operands, .options = options, .common = CLI_JSON | CLI_QUIET | CLI_THREADS, .fields = fields,
    .examples = examples, .run = run,
};
