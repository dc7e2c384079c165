/* `nilu health`: what is wrong with a run, why, and what to do; and whether that helps. */
#include "cli.h"

#include <math.h>
#include <string.h>

struct health {
    bool remedy, no_replay;
    int64_t steps;
    const char *out, *runs;
};

/* ---- text */

static void say_alarm(const cli *c, const nilu_alarm *a)
{
    static const cli_style styles[] = {CLI_DIM, CLI_YELLOW, CLI_RED};
    printf("%s%s %s%s", cli_paint(&c->out, styles[a->level]), cli_alarm_level(a->level), a->code, cli_paint(&c->out, CLI_PLAIN));
    printf(a->step ? _(N_(" (step %lld)\n")) : "\n", (long long)a->step);
    const char *const part[][2] = {{N_("evidence"), a->evidence}, {N_("cause"), a->cause}, {N_("remedy"), a->remedy}};
    for (size_t i = 0; i < COUNT(part); i++) {
        printf("  %s%*s", _(part[i][0]), 10 - cli_width(_(part[i][0])), "");
        cli_wrap(stdout, part[i][1], 12, 12, c->out.columns);
        putchar('\n');
    }
}

static void say_fault(const nilu_first_fault *f)
{
    if (!f->found)
        return;
    printf(_(N_("first bad number: element %lld of %s (%s, %s) became %g in step %lld, after update %lld; the largest number that went in was %.4g\n")),
           (long long)f->element, f->node, f->op, f->phase, f->value, (long long)f->step, (long long)f->step - 1, f->input);
    if (f->sample >= 0)
        printf(_(N_("  it belongs to sample train:%lld\n")), (long long)f->sample);
}

static void say_scores(const char *title, const nilu_scores *s)
{
    char text[96];
    printf("  %s%*s", title, 10 - cli_width(title), "");
    if (isfinite(s->loss))
        printf(_(N_("%s, loss %.4f\n")), cli_scores_text(s, text), s->loss);
    else
        printf("%s\n", _(N_("diverged")));
}

static void say_remedy(const nilu_remedy *r)
{
    printf(_(N_("\nremedy tried: %s\n")), r->change);
    say_scores(_(N_("before")), &r->before);
    say_scores(_(N_("after")), &r->after);
    printf("  %s\n", r->better ? _(N_("it helps")) : _(N_("it does not help")));
    if (r->run)
        printf(_(N_("  the new run is %s; the old one is as it was\n")), r->run);
}

static void say(const cli *c, const char *folder, const nilu_health *h)
{
    int bad = 0;
    for (int i = 0; i < h->alarms; i++)
        bad += h->alarm[i].level != NILU_NOTE;
    for (int level = NILU_FAULT; level >= NILU_NOTE; level--)
        for (int i = 0; i < h->alarms; i++)
            if (h->alarm[i].level == (nilu_alarm_level)level)
                say_alarm(c, &h->alarm[i]);
    say_fault(&h->fault);
    if (!bad && h->looks)
        printf(_(N_("%s: nothing is wrong; it was looked at %d times\n")), folder, h->looks);
    else if (!bad)
        printf(_(N_("%s: nothing is wrong with its data and weights; while it was trained, nobody looked (--no-alarms)\n")), folder);
}

/* ---- JSON */

static json_t *fault_json(const nilu_first_fault *f)
{
    if (!f->found)
        return json_null();
    return json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:o, s:f}", "step", (json_int_t)f->step, "node", f->node, "op", f->op, "phase",
                     f->phase, "element", (json_int_t)f->element, "sample", (json_int_t)f->sample, "value", cli_real(f->value),
                     "input", f->input);
}

static json_t *remedy_json(const nilu_remedy *r)
{
    return json_pack("{s:s, s:s?, s:b, s:o, s:o}", "change", r->change, "run", r->run, "helps", (int)r->better, "before",
                     cli_scores_json(&r->before), "after", cli_scores_json(&r->after));
}

static nilu_status emit(cli *c, const char *folder, const nilu_health *h, const nilu_remedy *r)
{
    for (int i = 0; i < h->alarms; i++)
        NILU_TRY(cli_emit(c, "alarm", cli_alarm_json(&h->alarm[i])));
    return cli_emit(c, "result", json_pack("{s:s, s:i, s:i, s:o, s:o, s:f}", "run", folder, "alarms", h->alarms, "looks", h->looks,
                                           "first_fault", fault_json(&h->fault), "remedy", r ? remedy_json(r) : json_null(), "seconds",
                                           h->seconds));
}

/* ---- the command */

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    const struct health *s = settings;
    nilu_data_options opened;
    nilu_health h;
    nilu_remedy r = {0};
    (void)n;
    NILU_TRY(cli_data_options(c, NULL, &opened));
    nilu_health_options o = NILU_HEALTH_DEFAULT;
    o.opened = &opened;
    o.no_replay = s->no_replay;
    cli_signals_catch();
    NILU_TRY(nilu_health_of(c->nl, operand[0], &o, &h));
    nilu_remedy_options t = NILU_REMEDY_DEFAULT;
    t.opened = &opened;
    t.out = s->out;
    t.runs = s->runs;
    t.steps = s->steps == CLI_UNSET ? 0 : s->steps;
    t.stop = cli_signal();
    if (!c->json)
        say(c, operand[0], &h);
    nilu_status status = s->remedy && h.alarms ? nilu_health_remedy(c->nl, operand[0], &h, &t, &r) : NILU_OK;
    if (status == NILU_OK && c->json)
        status = emit(c, operand[0], &h, s->remedy && h.alarms ? &r : NULL);
    else if (status == NILU_OK && s->remedy && h.alarms)
        say_remedy(&r);
    nilu_text_free(c->nl, r.run);
    nilu_health_free(c->nl, &h);
    return status;
}

static const char *const story[] = {
    N_("Alarms that were told while the run was trained are told again; its data and its weights are examined; a run that diverged is "
       "replayed from its last checkpoint to the same bits, until the first infinite number appears, and that step is taken again node "
       "by node."),
    NULL,
};

static const cli_operand operands[] = {
    {"RUN", CLI_FOLDER, N_("folder of a run")},
    {0},
};

#define AT(field) offsetof(struct health, field)
static const cli_option options[] = {
    {"try-remedy", 0, NULL, CLI_FLAG, AT(remedy), N_("train a fork of the run with the settings that its alarms advise, and compare; the old run stays as it is"), .group = N_("Remedy")},
    {"steps", 0, "N", CLI_WHOLE, AT(steps), N_("steps of the fork"), .usual = N_("as many as the run"), .low = 1, .high = 1e15},
    {"out", 'o', "RUN", CLI_FOLDER, AT(out), N_("folder of the fork, which must not exist yet"), .usual = N_("a new one in runs, named after the data")},
    {"runs", 0, "FOLDER", CLI_FOLDER, AT(runs), N_("folder in which new runs are made"), "runs"},
    {"no-replay", 0, NULL, CLI_FLAG, AT(no_replay), N_("do not look for the first bad number of a run that diverged")},
    {0},
};

static const cli_field fields[] = {
    {"alarm", "code", "text", N_("what is wrong")},
    {"alarm", "level", "text", "note, warning, fault"},
    {"alarm", "step", "number", N_("step at which it was seen; 0: before training")},
    {"alarm", "where", "text", N_("parameter, layer or column; else empty")},
    {"alarm", "value", "number", N_("what was measured")},
    {"alarm", "limit", "number", N_("what it should have stayed within")},
    {"alarm", "evidence", "text", N_("that in words")},
    {"alarm", "cause", "text", N_("where it comes from")},
    {"alarm", "remedy", "text", N_("what to do")},
    {"result", "run", "text", N_("folder of the run")},
    {"result", "alarms", "number", N_("how many there are")},
    {"result", "looks", "number", N_("at gradients and units, while it was trained")},
    {"result", "first_fault", "object", N_("of a run that diverged: step, node, op, phase, element, sample, value, input; else null")},
    {"result", "remedy", "object", N_("with --try-remedy: change, run, helps, before, after; else null")},
    {"result", "seconds", "number", N_("that the examination took")},
    {0},
};

static const cli_example examples[] = {
    {"nilu health runs/digits-1", N_("what is wrong with it")},
    {"nilu health runs/digits-1 --try-remedy", N_("and does the remedy help?")},
    {0},
};

const cli_command command_health = {
    .name = "health", .about = N_("Says what is wrong with a run, why, and what to do; tries the remedy"), .story = story,
    .operands = operands, .options = options, .common = CLI_JSON | CLI_QUIET | CLI_THREADS, .fields = fields,
    .examples = examples, .run = run,
};
