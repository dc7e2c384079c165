/* `nilu plan`: what a step of training will cost, and the instructions it becomes, before a number is computed. */
#include "cli.h"

#include "rewrite/rewrite.h"

#include <string.h>

struct plan {
    cli_building building;
    bool passes, brief;
};

typedef struct cost {
    nilu_plan_summary summary;
    size_t weights, states; /* bytes */
    double seconds;
} cost;

static void count_store(const nilu_store *store, cost *k)
{
    for (int i = 0; i < nilu_store_count(store); i++) {
        const nilu_value *v = nilu_store_at(store, i);
        *(v->kind == NILU_PARAM ? &k->weights : &k->states) += v->bytes;
    }
}

static nilu_status compile(const cli_site *s, const char *without, nilu_plan **plan)
{
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    nilu_tensor *fetch[] = {s->loss ? s->loss : s->y};
    o.without = without;
    return nilu_compile(s->g, s->store, 1, fetch, &o, plan);
}

/* What each pass changes: the plan after the first one, the first two, and so on. */
static nilu_status show_passes(const cli_site *s)
{
    cli *c = s->c;
    cli_figure a, b;
    cli_table t = cli_table_new(c->nl, "lrrr");
    cli_cell(&t, "%s", _(N_("after the pass")));
    cli_cell(&t, "%s", _(N_("instructions")));
    cli_cell(&t, "%s", _(N_("memory of values")));
    cli_cell(&t, "%s", _(N_("moved in a step")));
    for (int i = -1; i < 0 || rewrite_pass_name(i); i++) {
        char without[256] = "";
        size_t at = 0;
        nilu_plan *plan = NULL;
        nilu_plan_summary summary;
        for (int k = i + 1; rewrite_pass_name(k); k++)
            at += (size_t)snprintf(without + at, sizeof without - at, "%s%s", at ? "," : "", rewrite_pass_name(k));
        NILU_TRY(compile(s, without, &plan));
        nilu_plan_summarise(plan, &summary);
        nilu_plan_free(plan);
        cli_cell(&t, "%s", i < 0 ? _(N_("(none)")) : rewrite_pass_name(i));
        cli_cell(&t, "%d", summary.instructions);
        cli_cell(&t, "%s", cli_bytes((double)summary.arena_bytes, a));
        cli_cell(&t, "%s", cli_bytes(summary.bytes, b));
    }
    printf("\n");
    return cli_table_print(&t, &c->out, 0);
}

static void row(cli_table *t, const char *name, const char *value, const char *remark)
{
    cli_cell(t, "%s", name);
    cli_cell(t, "%s", value);
    cli_cell(t, "%s", remark);
}

static nilu_status show_cost(const cli_site *s, const cost *k)
{
    const nilu_plan_summary *p = &k->summary;
    char remark[128];
    cli_figure f, g;
    cli_table t = cli_table_new(s->c->nl, "lrl");
    row(&t, _(N_("a step")), "", "");
    snprintf(remark, sizeof remark, _(N_("batch of %lld samples")), (long long)s->batch);
    row(&t, _(N_("parameters")), cli_quantity((double)p->params, f), "");
    row(&t, _(N_("instructions")), cli_quantity(p->instructions, f), remark);
    snprintf(remark, sizeof remark, _(N_("%s a sample")), cli_quantity(p->flops / (double)s->batch, g));
    row(&t, _(N_("FLOPs")), cli_quantity(p->flops, f), remark);
    row(&t, _(N_("memory moved")), cli_bytes(p->bytes, f), "");
    row(&t, _(N_("weights")), cli_bytes((double)k->weights, f), "");
    row(&t, _(N_("states of the optimizer")), cli_bytes((double)k->states, f), "");
    snprintf(remark, sizeof remark, _(N_("%s are alive at once")), cli_bytes((double)p->lower_bound, g));
    row(&t, _(N_("values between instructions")), cli_bytes((double)p->arena_bytes, f), remark);
    row(&t, _(N_("packed copies, partial sums")), cli_bytes((double)p->scratch_bytes, f), "");
    row(&t, _(N_("peak")), cli_bytes((double)p->peak_bytes, f), "");
    snprintf(remark, sizeof remark, _(N_("planned in %s")), cli_seconds(k->seconds, g));
    row(&t, "", "", remark);
    return cli_table_print(&t, &s->c->out, 0);
}

static nilu_status show_json(const cli_site *s, const cost *k, const nilu_plan *plan)
{
    const nilu_plan_summary *p = &k->summary;
    nilu_plan_instruction in;
    for (int i = 0; nilu_plan_instruction_at(plan, i, &in); i++)
        NILU_TRY(cli_emit(s->c, "instruction", json_pack("{s:i, s:s, s:s, s:s, s:s, s:f, s:f, s:b}", "place", i, "value", in.value,
                                                         "op", in.op, "kernel", in.kernel, "why", in.why, "flops", in.flops,
                                                         "bytes", in.bytes, "backward", (int)in.backward)));
    return cli_emit(s->c, "result", json_pack("{s:I, s:I, s:i, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "batch",
                                              (json_int_t)s->batch, "params", (json_int_t)p->params, "instructions",
                                              p->instructions, "flops", p->flops, "bytes", p->bytes, "weight_bytes",
                                              (json_int_t)k->weights, "state_bytes", (json_int_t)k->states, "value_bytes",
                                              (json_int_t)p->arena_bytes, "lower_bound", (json_int_t)p->lower_bound,
                                              "scratch_bytes", (json_int_t)p->scratch_bytes, "peak_bytes",
                                              (json_int_t)p->peak_bytes, "seconds", k->seconds));
}

static nilu_status show(const cli_site *s, const struct plan *settings, const nilu_plan *plan)
{
    cost k = {0};
    nilu_plan_summarise(plan, &k.summary);
    k.seconds = k.summary.plan_seconds;
    count_store(s->store, &k);
    if (s->c->json)
        return show_json(s, &k, plan);
    NILU_TRY(show_cost(s, &k));
    if (settings->passes)
        NILU_TRY(show_passes(s));
    if (settings->brief)
        return NILU_OK;
    char *text = nilu_plan_text(plan);
    if (!text)
        return NILU_E_NO_MEMORY;
    printf("\n%s", text);
    nilu_text_free(s->c->nl, text);
    return NILU_OK;
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    struct plan p = *(const struct plan *)settings;
    cli_site s;
    nilu_plan *plan = NULL;
    p.building.network.model = n ? operand[0] : NULL;
    p.building.batch_usual = 64;
    nilu_status status = cli_build(c, &p.building, &s);
    if (s.optimizer.schedule.total == 0) /* without data nobody knows how many updates there will be; a step is the same in any case */
        s.optimizer.schedule.total = s.optimizer.schedule.warmup + 1;
    if (status == NILU_OK && !p.building.forward)
        status = nilu_minimise(s.loss, 0, NULL, &s.optimizer, NULL, NULL);
    if (status == NILU_OK)
        status = compile(&s, NULL, &plan);
    if (status == NILU_OK)
        status = show(&s, &p, plan);
    nilu_plan_free(plan);
    cli_site_free(&s);
    return status;
}

static const char *const story[] = {
    N_("M is a model file, or the folder of a run; without it --hidden or --layers say what the network is. Shapes come from "
       "--data, from the run, from the model file, or from --input and --outputs."),
    N_("In the list of instructions a line is: its number, | where all threads wait for each other, > where it runs behind the "
       "tiles of the one before while these are in the caches, the kernel, the value that is computed, the op, the inputs with "
       "their places in memory, the outputs, FLOPs, and, where the reference runs, why no faster kernel does."),
    NULL,
};

static const cli_operand operands[] = {
    {"M", CLI_FILE, N_("model file in YAML, or the folder of a run"), .optional = true},
    {0},
};

#define AT(field) offsetof(struct plan, field)
static const cli_option options[] = {
    CLI_BUILDING_ROWS(struct plan),
    {"optimizer", 'O', "NAME", CLI_CHOICE, AT(building.optimizer), N_("how weights follow the gradient"), .usual = N_("that of the run or the model file, else adam"), .choice = nilu_optimizer_name},
    {"forward", 'F', NULL, CLI_FLAG, AT(building.forward), N_("plan an answer, not a step of training"), .group = N_("Output")},
    {"passes", 0, NULL, CLI_FLAG, AT(passes), N_("show what each pass of the planner changes")},
    {"brief", 0, NULL, CLI_FLAG, AT(brief), N_("leave the list of instructions out")},
    CLI_READING_ROWS_OF(struct plan, building.reading),
    {0},
};

static const cli_field fields[] = {
    {"instruction", "place", "number", N_("its number, from 0")},
    {"instruction", "value", "text", N_("name of what it computes")},
    {"instruction", "op", "text", N_("the op")},
    {"instruction", "kernel", "text", N_("the kernel that runs")},
    {"instruction", "why", "text", N_("where the reference runs: why no faster kernel does")},
    {"instruction", "flops", "number", N_("floating-point operations of a step")},
    {"instruction", "bytes", "number", N_("bytes read and written in a step")},
    {"instruction", "backward", "truth", N_("it belongs to the way back")},
    {"result", "batch", "number", N_("samples of a step")},
    {"result", "params", "number", N_("trained numbers")},
    {"result", "instructions", "number", N_("how many there are")},
    {"result", "flops", "number", N_("floating-point operations of a step")},
    {"result", "bytes", "number", N_("bytes read and written in a step")},
    {"result", "weight_bytes", "number", N_("memory of the weights")},
    {"result", "state_bytes", "number", N_("memory of the optimizer's states")},
    {"result", "value_bytes", "number", N_("memory of the values between instructions")},
    {"result", "lower_bound", "number", N_("largest sum of values that are alive at once")},
    {"result", "scratch_bytes", "number", N_("memory of packed copies and partial sums")},
    {"result", "peak_bytes", "number", N_("all of these together")},
    {"result", "seconds", "number", N_("that planning took")},
    {0},
};

static const cli_example examples[] = {
    {"nilu plan model.yaml --data mnist --batch 64", N_("what a step will cost")},
    {"nilu plan --hidden 512,512 --input 784 --outputs 10 --passes", N_("and what the planner makes of it")},
    {"nilu plan runs/digits-1", N_("the step of a run")},
    {0},
};

const cli_command command_plan = {
    .name = "plan", .about = N_("Shows what a step of training costs, and the instructions it becomes"), .story = story,
    .operands = operands, .options = options, .common = CLI_JSON | CLI_QUIET | CLI_THREADS | CLI_SEED, .fields = fields,
    .examples = examples, .run = run,
};
