/* The case file as it is told: the same story on the terminal and, with a page, in HTML. Numbers that are printed as a sum add
 * up as they are printed: the remainder is the difference of what stands there. */
#include "cli.h"
#include "data/data.h"
#include "report/report.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* ---- where it is told */

typedef struct teller {
    const cli_blame *b;
    report *page; /* NULL: the terminal */
    cli_table table;
    nilu_status status;
} teller;

static void heading(teller *t, const char *text)
{
    const cli_screen *s = &t->b->k.c->out;
    if (t->page)
        report_section(t->page, text);
    else
        printf("\n%s%s%s\n", cli_paint(s, CLI_BOLD), text, cli_paint(s, CLI_PLAIN));
}

static void say(teller *t, const char *format, ...) NILU_FORMAT(2, 3);
static void say(teller *t, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (t->page) {
        report_say(t->page, "%s", text);
        return;
    }
    cli_wrap(stdout, text, 0, 2, t->b->k.c->out.columns);
    printf("\n");
}

static void begin(teller *t, const char *align)
{
    if (t->page)
        report_table(t->page, align);
    else
        t->table = cli_table_new(t->b->k.c->nl, align);
}

static void cell(teller *t, const char *format, ...) NILU_FORMAT(2, 3);
static void cell(teller *t, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (t->page)
        report_cell(t->page, "%s", text);
    else
        cli_cell(&t->table, "%s", text);
}

static void end(teller *t)
{
    if (t->page) {
        report_table_end(t->page);
        return;
    }
    nilu_status status = cli_table_print(&t->table, &t->b->k.c->out, 2);
    t->status = t->status == NILU_OK ? status : t->status;
}

/* Decimals of everything that is compared with the gap: four, fewer where it is large (houses cost 400,000). */
static int decimals(const cli_blame *b)
{
    double size = fabs(cli_in_units(b, b->file.verdict.gap));
    return size < 1e2 ? 4 : size < 1e4 ? 2 : 0;
}

/* As it is printed; no -0. */
static double printed(const cli_blame *b, double v)
{
    double unit = pow(10, decimals(b));
    return round(v * unit) / unit + 0.0;
}

/* The gap as the difference of the two printed logits; of numbers the answer, less the mean of the target, in its units. */
static double shown_gap(const cli_blame *b)
{
    const nilu_verdict *v = &b->file.verdict;
    return v->rival < 0 ? printed(b, cli_in_units(b, v->gap))
                        : printed(b, printed(b, v->y[v->accused]) - printed(b, v->y[v->rival]));
}

static void change(teller *t, double v)
{
    cell(t, "%+.*f", decimals(t->b), printed(t->b, cli_in_units(t->b, v)));
}

static void answer_then(teller *t, const nilu_suspect *s)
{
    char answer[CLI_PLACE];
    cell(t, "%s", cli_answer(t->b, s->said, t->b->file.verdict.gap + s->measured, answer));
}

/* ---- the parts of the story */

static double sure(const nilu_verdict *v)
{
    double sum = 0;
    for (int64_t k = 0; k < v->outputs; k++)
        sum += exp(v->y[k] - v->y[v->accused]);
    return 100 / sum;
}

static void scene(teller *t)
{
    const cli_blame *b = t->b;
    const nilu_case_file *f = &b->file;
    const nilu_verdict *v = &f->verdict;
    char said[CLI_PLACE], truth[CLI_PLACE], rival[CLI_PLACE];
    heading(t, _(N_("The scene")));
    if (v->rival < 0) {
        double is = printed(b, cli_in_value(b, v->gap)), want = printed(b, cli_in_value(b, f->target));
        int d = decimals(b);
        say(t, _(N_("%s of %s: the network says %.*f, %.*f is right: the error is %+.*f. Loss %.4f.")),
            b->k.sample.name, b->k.info->set->name, d, is, d, want, d, is - want, v->loss);
        return;
    }
    cli_answer(b, v->accused, 0, said);
    cli_answer(b, v->label, 0, truth);
    cli_answer(b, v->rival, 0, rival);
    if (v->accused == v->label)
        say(t, _(N_("%s of %s: the network says %s (%.1f %% sure), and that is right. Loss %.4f.")), b->k.sample.name,
            b->k.info->set->name, said, sure(v), v->loss);
    else
        say(t, _(N_("%s of %s: the network says %s (%.1f %% sure), but %s is right. Loss %.4f.")), b->k.sample.name,
            b->k.info->set->name, said, sure(v), truth, v->loss);
    double own = printed(b, v->y[v->accused]), other = printed(b, v->y[v->rival]);
    say(t, _(N_("The gap between the logits of %s and %s is what is asked about: %.4f - (%.4f) = %.4f.")), said, rival,
        own, other, shown_gap(b));
}

static void suspects(teller *t, const char *title, int n, const nilu_suspect *s)
{
    char place[CLI_PLACE];
    if (!n)
        return;
    begin(t, "lrrrrrl");
    cell(t, "%s", title);
    cell(t, "%s", _(N_("output")));
    cell(t, "%s", _(N_("usual")));
    cell(t, "%s", _(N_("predicted")));
    cell(t, "%s", _(N_("measured")));
    cell(t, "%s", _(N_("switched off")));
    cell(t, "%s", _(N_("answer then")));
    for (int k = 0; k < n && k < t->b->top; k++) {
        cell(t, "%s", cli_suspect_place(t->b, &s[k], place));
        cell(t, "%.4f", s[k].value);
        cell(t, "%.4f", s[k].mended);
        change(t, s[k].predicted);
        change(t, s[k].measured);
        change(t, s[k].off);
        answer_then(t, &s[k]);
    }
    end(t);
}

static void neurons(teller *t, int layer)
{
    const nilu_stop *s = &t->b->file.stop[layer];
    suspects(t, _(N_("channel")), s->channels, s->channel);
    suspects(t, _(N_("neuron")), s->neurons, s->neuron);
}

static void hidden(teller *t)
{
    const nilu_case_file *f = &t->b->file;
    char text[256];
    for (int i = f->stops - 2; i >= 0; i--) {
        if (!f->stop[i].neurons)
            continue;
        const char *title = f->stop[i + 1].reads != i ? _(N_("Neurons of layer %s"))
                            : i == f->stops - 2       ? _(N_("Output layer %s: who held the wheel"))
                                                      : _(N_("Layer %s: which neurons told it to"));
        snprintf(text, sizeof text, title, f->stop[f->stop[i + 1].reads != i ? i : i + 1].name);
        heading(t, text);
        if (i == f->stops - 2)
            say(t, "%s",
                _(N_("Each neuron that it listens to, set to what it usually puts out: what that should do to the gap "
                     "by the error "
                     "that reached it, and what it did.")));
        neurons(t, i);
    }
    if (f->judged > 1 && !isnan(f->agreement))
        say(t, _(N_("Predicted and measured change agree over the %d most blamed neurons: rank correlation %.3f.")),
            f->judged, f->agreement);
}

/* Where of its map a filter's weight did most. */
static void most_at(teller *t, const nilu_suspect *s)
{
    const nilu_window *w = t->b->file.stop[s->layer].window;
    if (w)
        cell(t, "(%lld, %lld)", (long long)(s->place / w->map[1]), (long long)(s->place % w->map[1]));
    else
        cell(t, "%s", "");
}

static void weight_rows(teller *t, int n, const nilu_suspect *s, bool common)
{
    char place[2 * CLI_PLACE];
    bool shared = false;
    for (int k = 0; k < n && !common; k++)
        shared |= s[k].places > 1;
    begin(t, shared ? "lrrrrrrrl" : "lrrrrrrl");
    cell(t, "%s", _(N_("weight")));
    if (shared)
        cell(t, "%s", _(N_("most at")));
    cell(t, "%s", _(N_("value")));
    cell(t, "%s", _(N_("over-reaction")));
    cell(t, "%s", _(N_("mended to")));
    cell(t, "%s", _(N_("predicted")));
    cell(t, "%s", _(N_("measured")));
    cell(t, "%s", _(N_("set to 0")));
    cell(t, "%s", common ? _(N_("set right")) : _(N_("answer then")));
    for (int k = 0; k < n; k++) {
        cell(t, "%s", cli_weight_place(t->b, &s[k], place));
        if (shared)
            most_at(t, &s[k]);
        cell(t, "%.4f", s[k].value);
        cell(t, "%.1f", s[k].over);
        cell(t, "%.4f", s[k].mended);
        change(t, s[k].predicted);
        change(t, s[k].measured);
        change(t, s[k].off);
        if (common)
            cell(t, "%lld", (long long)s[k].fixed);
        else
            answer_then(t, &s[k]);
    }
    end(t);
}

static void weights(teller *t)
{
    const nilu_case_file *f = &t->b->file;
    bool shared = false;
    heading(t, _(N_("Weights that over-reacted")));
    say(t, "%s",
        _(N_("Over-reaction is the distance from the mean weight of the layer in deviations; beyond 2 a weight is "
             "mended to that edge, "
             "else to the mean.")));
    for (int i = 0; i < f->stops; i++)
        shared |= f->stop[i].window != NULL;
    if (shared)
        say(t, "%s",
            _(N_("A filter's weight is used at every place of its map: predicted and measured are for all of them at once, "
                 "\"most at\" is the place where input × error is largest. Its tap is counted from the middle: rows down, columns to the "
                 "right.")));
    for (int i = f->stops - 1; i >= 0; i--)
        if (f->stop[i].weights)
            weight_rows(t, f->stop[i].weights < t->b->top ? f->stop[i].weights : (int)t->b->top, f->stop[i].weight,
                        false);
}

static void parts(teller *t)
{
    const nilu_case_file *f = &t->b->file;
    char place[CLI_PLACE];
    begin(t, "lrrl");
    cell(t, "%s", t->b->k.info->set->height ? _(N_("pixels")) : _(N_("column")));
    cell(t, "%s", _(N_("predicted")));
    cell(t, "%s", _(N_("measured")));
    cell(t, "%s", _(N_("answer then")));
    for (int k = 0; k < f->inputs && k < t->b->top; k++) {
        cell(t, "%s", cli_part_place(t->b, &f->input[k], place));
        change(t, f->input[k].predicted);
        change(t, f->input[k].measured);
        answer_then(t, &f->input[k]);
    }
    end(t);
}

static void restored(teller *t)
{
    const cli_blame *b = t->b;
    const nilu_case_file *f = &b->file;
    char then[CLI_PLACE], list[512] = "", place[CLI_PLACE];
    cli_answer(b, f->restored_said, f->restored_gap, then);
    int d = decimals(b);
    double to = printed(b, cli_in_units(b, f->restored_gap));
    long long all = (long long)b->k.info->set->features, some = (long long)f->restored;
    if (f->verdict.rival < 0)
        say(t,
            f->turned ? _(N_("Restoring %lld of %lld numbers to the mean of the training part halves the error: the "
                             "answer becomes %s."))
                      : _(N_("Restoring %lld of %lld numbers to the mean of the training part does most, but it does "
                             "not halve the error: the answer becomes %s.")),
            some, all, then);
    else if (f->turned)
        say(t,
            _(N_("Restoring %lld of %lld numbers to the mean of the training part turns the answer to %s: the gap goes "
                 "from %.*f to %.*f.")),
            some, all, then, d, shown_gap(b), d, to);
    else
        say(t,
            _(N_(
                "Nothing that was restored turned the answer: the gap goes from %.*f to %.*f at best (%lld numbers).")),
            d, shown_gap(b), d, to, some);
    for (int64_t k = 0; k < f->restored && !b->k.info->set->height && strlen(list) + CLI_PLACE + 8 < sizeof list; k++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", k ? ", " : "",
                 cli_place(b, -1, f->restore[k], place));
    if (*list)
        say(t, _(N_("Restored: %s.")), list);
    double sum = printed(b, cli_in_units(b, f->sum.sum)), usual = printed(b, cli_in_units(b, f->sum.baseline_gap));
    say(t, _(N_("Integrated gradients from that mean: %.*f, of %.*f - (%.*f) = %.*f; convergence delta %.1e.")), d, sum,
        d, shown_gap(b), d, usual, d, printed(b, shown_gap(b) - usual), -cli_in_units(b, f->sum.residual));
}

/* One ticket a stop: the worst of each layer, and whether the layer's parts add up. */
static void stops(teller *t)
{
    const nilu_case_file *f = &t->b->file;
    char place[2 * CLI_PLACE];
    heading(t, _(N_("Tickets, one a stop")));
    static const char *const titles[] = {N_("layer"),       N_("neuron"),  N_("weight"), N_("amount"),          N_("over"),      N_("measured"),
                                         N_("answer then"), N_("weights"), N_("biases"), N_("other roads"), N_("remainder"), N_("residual")};
    bool roads = false;
    for (int i = 0; i < f->stops; i++)
        roads |= f->stop[i].roads < 0 || f->stop[i].roads > 0;
    begin(t, roads ? "lllrrrlrrrrr" : "lllrrrlrrrr");
    for (size_t i = 0; i < COUNT(titles); i++)
        if (roads || i != 9)
            cell(t, "%s", _(titles[i]));
    for (int i = f->stops - 1; i >= 0; i--) {
        const nilu_stop *s = &f->stop[i];
        const nilu_suspect none = {.said = f->verdict.rival < 0 ? -1 : f->verdict.accused},
                           *w = s->weights ? &s->weight[0] : &none;
        double tickets = printed(t->b, cli_in_units(t->b, s->tickets)),
               biases = printed(t->b, cli_in_units(t->b, s->biases)),
               other = printed(t->b, cli_in_units(t->b, s->roads));
        int d = decimals(t->b);
        cell(t, "%s", s->name);
        cell(t, "%s", s->neurons ? cli_place(t->b, i, s->neuron[0].neuron, place) : "");
        cell(t, "%s", s->weights ? cli_weight_place(t->b, w, place) : "");
        cell(t, "%.*f", d, printed(t->b, cli_in_units(t->b, w->amount)));
        cell(t, "%.1f", w->over);
        change(t, w->measured);
        answer_then(t, w);
        cell(t, "%.*f", d, tickets);
        cell(t, "%.*f", d, biases);
        if (roads)
            cell(t, "%.*f", d, other);
        cell(t, "%.*f", d, printed(t->b, shown_gap(t->b) - tickets - biases - other));
        cell(t, "%.1e", cli_in_units(t->b, s->residual));
    }
    end(t);
    say(t,
        _(N_("The ticket is for the weight: its part in the gap, how far it is from what is usual, what mending it "
             "did. In every line "
             "weights + biases (from this layer on) + remainder = %.*f; residual is the remainder before rounding.")),
        decimals(t->b), shown_gap(t->b));
    if (roads)
        say(t, "%s",
            _(N_("Other roads lead past a layer, as a skip does: what goes along them × its error there. They are one more "
                 "summand of their line.")));
}

/* ---- pictures: input, heat, both */

static void paint(const nilu_case_file *f, const nilu_data_info *set, const unsigned char *pixels, int64_t i,
                  double most, int which, bool dark, unsigned char rgb[3])
{
    int c = set->channels;
    double heat = 0;
    unsigned char warm[3];
    for (int k = 0; k < c; k++)
        heat += f->side * f->heat[data_feature(set, i, k)];
    report_heat(&heat, 1, most, warm);
    double share = most > 0 ? fmin(fabs(heat) / most, 1) : 0;
    for (int k = 0; k < 3; k++) {
        double own = pixels[i * c + (c == 3 ? k : 0)], hue = heat > 0 ? (k == 0 ? 255 : 40) : (k == 2 ? 255 : 60);
        rgb[k] = which == 0   ? (unsigned char)own
                 : which == 1 ? (dark ? (unsigned char)(255 * share) : warm[k])
                              : (unsigned char)(own * 0.55 * (1 - share) + hue * share);
    }
}

/* `which` as 0: input, 1: heat, 2: both; into a canvas of `across` pixels a row, from column `left`. */
static void draw(const cli_blame *b, const unsigned char *pixels, int which, bool dark, unsigned char *canvas,
                 int across, int left)
{
    const nilu_data_info *set = b->k.info->set;
    double most = 0;
    for (int64_t i = 0; i < set->features / set->channels; i++) {
        double heat = 0;
        for (int k = 0; k < set->channels; k++)
            heat += b->file.heat[data_feature(set, i, k)];
        most = fmax(most, fabs(heat));
    }
    for (int64_t i = 0; i < (int64_t)set->height * set->width; i++)
        paint(&b->file, set, pixels, i, most, which, dark,
              canvas + ((i / set->width) * across + left + i % set->width) * 3);
}

static void figure(teller *t, const unsigned char *pixels, const char *caption)
{
    const nilu_data_info *set = t->b->k.info->set;
    int zoom = 224 / set->width > 1 ? 224 / set->width : 1;
    report_raw(t->page, "<figure style=\"max-width:15rem\">\n");
    report_picture(t->page, pixels, set->height, set->width, 3, zoom, caption);
    report_markup(t->page, "<figcaption>%s</figcaption>\n</figure>\n", caption);
}

static nilu_status pictures(teller *t)
{
    static const char *const captions[] = {N_("what was seen"),
                                           N_("what spoke for the answer (red) and against it (blue), as measured"),
                                           N_("both, one over the other")};
    const cli_blame *b = t->b;
    cli *c = b->k.c;
    const nilu_data_info *set = b->k.info->set;
    int width = set->width, n = t->page || 3 * width + 4 <= c->out.columns ? 3 : 2,
        across = t->page ? width : n * (width + 1) - 1;
    size_t bytes = (size_t)set->height * (size_t)across * 3;
    unsigned char *pixels = base_alloc(c->nl, (size_t)set->features), *canvas = base_calloc(c->nl, 1, bytes);
    nilu_status status = pixels && canvas
                             ? nilu_data_picture(b->k.sample.data, b->k.sample.part, b->k.sample.index, pixels)
                             : NILU_E_NO_MEMORY;
    if (status == NILU_OK && t->page)
        report_raw(t->page, "<div class=\"row\">\n");
    for (int k = 0; k < n && status == NILU_OK; k++) {
        int which = n == 2 && k == 1 ? (c->out.colours ? 2 : 1) : k;
        draw(b, pixels, which, !t->page && !c->out.colours, canvas, across, t->page ? 0 : k * (width + 1));
        if (t->page)
            figure(t, canvas, _(captions[which]));
    }
    if (status == NILU_OK && t->page)
        report_raw(t->page, "</div>\n");
    else if (status == NILU_OK)
        cli_picture(&c->out, canvas, set->height, across, 3, 2);
    base_free(c->nl, pixels);
    base_free(c->nl, canvas);
    return status;
}

static nilu_status seen(teller *t)
{
    const cli_blame *b = t->b;
    heading(t, _(N_("What was seen")));
    if (b->k.info->set->height) {
        NILU_TRY(pictures(t));
    } else {
        char *text = nilu_data_describe(b->k.sample.data, b->k.sample.part, b->k.sample.index), clean[1000];
        if (!text)
            return NILU_E_NO_MEMORY;
        say(t, "%s", cli_clean(text, clean, sizeof clean));
        nilu_text_free(b->k.c->nl, text);
    }
    parts(t);
    restored(t);
    return NILU_OK;
}

static void common(teller *t)
{
    const cli_blame *b = t->b;
    int n = b->commons < b->top ? b->commons : (int)b->top;
    char text[256];
    snprintf(text, sizeof text, _(N_("What %lld wrong answers have in common")), (long long)b->cases);
    heading(t, text);
    say(t, "%s",
        _(N_("Weights whose mending closes the gaps most, mean over the cases; set right: how many of them are "
             "answered rightly then.")));
    weight_rows(t, n, b->common, true);
}

/* ---- who taught it */

/* Training samples as they look, side by side. */
static nilu_status thumbnails(teller *t, int n)
{
    const cli_blame *b = t->b;
    cli *c = b->k.c;
    const nilu_data_info *set = b->k.info->set;
    int channels = set->channels, width = set->width, most = t->page ? n : (c->out.columns - 2) / (width + 1);
    n = n < most ? n : most;
    int across = t->page ? width : n * (width + 1);
    unsigned char *own = base_alloc(c->nl, (size_t)set->features),
                  *canvas = base_calloc(c->nl, (size_t)set->height * 3, (size_t)(across > 0 ? across : 1));
    nilu_status status = own && canvas ? NILU_OK : NILU_E_NO_MEMORY;
    if (t->page)
        report_raw(t->page, "<div class=\"row\">\n");
    for (int k = 0; k < n && status == NILU_OK; k++) {
        char caption[CLI_PLACE];
        status = nilu_data_picture(b->k.info->data, NILU_TRAIN, b->teacher[k].index, own);
        for (int i = 0; i < set->height * width && status == NILU_OK; i++)
            for (int h = 0; h < 3; h++)
                canvas[((i / width) * across + (t->page ? 0 : k * (width + 1)) + i % width) * 3 + h] =
                    own[i * channels + (channels == 3 ? h : 0)];
        snprintf(caption, sizeof caption, "train:%lld", (long long)b->teacher[k].index);
        if (status == NILU_OK && t->page)
            figure(t, canvas, caption);
    }
    if (t->page)
        report_raw(t->page, "</div>\n");
    else if (status == NILU_OK && n > 0)
        cli_picture(&c->out, canvas, set->height, across, 3, 2);
    base_free(c->nl, own);
    base_free(c->nl, canvas);
    return status;
}

static nilu_status taught(teller *t)
{
    const cli_blame *b = t->b;
    const nilu_samples_info *about = nilu_samples_about(b->samples);
    int n = b->teachers < b->top ? b->teachers : (int)b->top;
    cli_figure time;
    char clean[128];
    heading(t, _(N_("Who taught it")));
    say(t,
        _(N_("The training samples whose gradients point most against that of this gap, mean over %d moments of the "
             "training: learning them has widened it.")),
        about->moments);
    if (b->k.info->set->height)
        NILU_TRY(thumbnails(t, n));
    begin(t, "llr");
    cell(t, "%s", _(N_("sample")));
    cell(t, "%s", _(N_("label")));
    cell(t, "%s", _(N_("influence")));
    for (int i = 0; i < n; i++) {
        const nilu_teacher *e = &b->teacher[i];
        cell(t, "train:%lld", (long long)e->index);
        cell(t, "%s", e->label >= 0 ? cli_clean(b->k.info->set->class_names[e->label], clean, sizeof clean) : "");
        cell(t, "%.3f", e->influence);
    }
    end(t);
    say(t, _(N_("Asked %lld samples in %s.")), (long long)about->samples, cli_seconds(b->asked, time));
    return NILU_OK;
}

nilu_status cli_casefile(const cli_blame *b, report *page)
{
    teller t = {b, page, {0}, NILU_OK};
    cli_figure trial, before;
    if (b->cases > 1)
        common(&t);
    scene(&t);
    hidden(&t);
    weights(&t);
    NILU_TRY(seen(&t));
    if (b->samples && b->teachers)
        NILU_TRY(taught(&t));
    stops(&t);
    if (!isnan(b->sanity))
        say(&t, _(N_("The map of integrated gradients correlates %.3f with those of shuffled weights: %s.")), b->sanity,
            fabs(b->sanity) < 0.1 ? _(N_("it speaks of what was learnt")) : _(N_("do not trust it")));
    say(&t, _(N_("Tried in %s, after %s of planning and learning what is usual.")), cli_seconds(b->file.seconds, trial),
        cli_seconds(b->prepared, before));
    return t.status;
}
