/* `nilu op NAME`: the reference page of an op, made from its row in ops.inc and its record. */
#include "cli.h"

#include "ops/ops.h"

#include <string.h>

/* What ops.inc says: rows of ops, and between them the titles of sections. */
typedef struct op_text {
    const char *name, *parameters, *text; /* a section has no name */
} op_text;
#define OP_SECTION(text) {NULL, NULL, text},
#define OP_TEXT(name, parameters, text) {name, parameters, text},
static const op_text texts[] = {
#include "ops_text.inc"
};

static const char *op_name(int i)
{
    return i >= 0 && (size_t)i < graph_op_count() ? graph_op_at((size_t)i)->name : NULL;
}

/* ---- all of them */

static nilu_status list(cli *c)
{
    cli_table t = cli_table_new(c->nl, "ll");
    cli_cell(&t, "%s", _(N_("op")));
    cli_cell(&t, "%s", _(N_("what it computes")));
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (texts[i].name) {
            cli_cell(&t, "  %s", texts[i].name);
            cli_cell(&t, "%s", *texts[i].text ? _(texts[i].text) : "");
            continue;
        }
        NILU_TRY(cli_table_print(&t, &c->out, 0));
        printf("\n");
        cli_wrap(stdout, _(texts[i].text), 0, 0, c->out.columns);
        printf("\n");
        t.align = "ll";
        /* A section's first line is no heading. */
        cli_cell(&t, "%s", "");
        cli_cell(&t, "%s", "");
    }
    return cli_table_print(&t, &c->out, 0);
}

static nilu_status list_json(cli *c)
{
    json_t *names = json_array();
    for (size_t i = 0; names && i < graph_op_count(); i++)
        json_array_append_new(names, json_string(graph_op_at(i)->name));
    return cli_emit(c, "result", json_pack("{s:o}", "ops", names));
}

/* ---- one */

static void line(const cli *c, const char *term, const char *text)
{
    int column = 14, width = cli_width(term);
    printf("%s%s%s%*s", cli_paint(&c->out, CLI_BOLD), term, cli_paint(&c->out, CLI_PLAIN), width < column ? column - width : 1, "");
    cli_wrap(stdout, text, column, column, c->out.columns);
    printf("\n");
}

static const char *field_kind(graph_field_kind kind)
{
    static const char *const names[] = {[FIELD_INT] = "int", [FIELD_REAL] = "real", [FIELD_BOOL] = "bool",
                                        [FIELD_DTYPE] = "dtype", [FIELD_SHAPE] = "shape", [FIELD_AXES] = "axes"};
    return names[kind];
}

static const char *inputs_text(const nilu_op *op, char out[256])
{
    size_t at = 0;
    out[0] = 0;
    for (int i = 0; i < 6 && op->inputs[i] && at < 256; i++)
        at += (size_t)snprintf(out + at, 256 - at, "%s%s", i ? ", " : "", op->inputs[i]);
    if (op->variadic && at < 256)
        snprintf(out + at, 256 - at, "%s", *out ? ", ..." : _(N_("any number")));
    return out;
}

static void gradient(const cli *c, const nilu_op *op)
{
    char text[512];
    if (op->backward)
        line(c, _(N_("gradient")), _(op->backward));
    else if (op->no_gradient)
        line(c, _(N_("gradient")), (snprintf(text, sizeof text, _(N_("none: %s")), _(op->no_gradient)), text));
    else if (op->expand)
        line(c, _(N_("gradient")), _(N_("that of the ops it is made of")));
    else if (op->grad)
        line(c, _(N_("gradient")), _(N_("by its rule")));
    for (int i = 0; i < 6 && op->inputs[i]; i++) {
        if (!op->nodiff[i] || op->no_gradient)
            continue;
        snprintf(text, sizeof text, _(N_("no error goes to %s: %s")), op->inputs[i], _(op->nodiff[i]));
        line(c, "", text);
    }
}

/* What a case is there to see: a value, a refusal, or that all agree. */
static const char *expects(const nilu_case *k, char out[160])
{
    if (k->error)
        snprintf(out, 160, _(N_("refused: \"%s\"")), _(k->error));
    else if (k->fault)
        snprintf(out, 160, _(N_("step fails: \"%s\"")), _(k->fault));
    else if (k->want)
        snprintf(out, 160, strlen(k->want) > 40 ? "= %.37s..." : "= %s", k->want);
    else
        snprintf(out, 160, "%s", k->kinky ? _(N_("all kernels agree")) : _(N_("gradients are right, all kernels agree")));
    return out;
}

static nilu_status cases(cli *c, const nilu_op *op)
{
    char text[160];
    cli_table t = cli_table_new(c->nl, "llll");
    cli_cell(&t, "%s", _(N_("case")));
    cli_cell(&t, "%s", _(N_("inputs")));
    cli_cell(&t, "%s", _(N_("attributes")));
    cli_cell(&t, "%s", _(N_("expected")));
    for (const nilu_case *k = op->cases; k && k->what; k++) {
        cli_cell(&t, "%s", k->what);
        cli_cell(&t, "%s", k->in ? k->in : "-");
        cli_cell(&t, "%s", k->attr ? k->attr : "-");
        cli_cell(&t, "%s", expects(k, text));
    }
    printf("\n");
    return cli_table_print(&t, &c->out, 0);
}

static nilu_status page(cli *c, const op_text *text, const nilu_op *op)
{
    char words[512];
    size_t at = 0;
    snprintf(words, sizeof words, "nilu_tensor *nilu_%s%s", op->name, text->parameters);
    line(c, words, "");
    printf("\n");
    const op_text *section = text;
    while (section > texts && section->name)
        section--;
    if (*text->text)
        line(c, _(N_("computes")), _(text->text));
    if (!section->name)
        line(c, _(N_("kind")), _(section->text));
    line(c, _(N_("inputs")), inputs_text(op, words));
    words[0] = 0;
    for (int i = 0; i < GRAPH_MAX_FIELDS && op->fields[i].name; i++)
        at += (size_t)snprintf(words + at, sizeof words - at, "%s%s (%s)", i ? ", " : "", op->fields[i].name, field_kind(op->fields[i].kind));
    if (at)
        line(c, _(N_("attributes")), words);
    gradient(c, op);
    if (op->decompose)
        line(c, _(N_("reference")), _(N_("smaller ops, which also give its second derivative")));
    return op->cases && op->cases->what ? cases(c, op) : NILU_OK;
}

static json_t *cases_json(const nilu_op *op)
{
    json_t *list = json_array();
    for (const nilu_case *k = op->cases; list && k && k->what; k++)
        json_array_append_new(list, json_pack("{s:s, s:s?, s:s?, s:s?, s:s?, s:s?}", "what", k->what, "in", k->in, "attributes",
                                              k->attr, "want", k->want, "error", k->error, "fault", k->fault));
    return list;
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    (void)settings;
    if (n == 0)
        return c->json ? list_json(c) : list(c);
    const nilu_op *op = NULL;
    const op_text *text = NULL;
    for (size_t i = 0; i < COUNT(texts); i++)
        if (texts[i].name && strcmp(texts[i].name, operand[0]) == 0)
            text = &texts[i];
    for (size_t i = 0; i < graph_op_count(); i++)
        if (strcmp(graph_op_at(i)->name, operand[0]) == 0)
            op = graph_op_at(i);
    if (!op || !text) {
        const char *names[256];
        size_t count = 0;
        while (count < COUNT(names) && (names[count] = op_name((int)count)))
            count++;
        const char *near = base_nearest(operand[0], names, count);
        return near ? cli_fail(c, NILU_E_USAGE, _(N_("op: there is no op called %s; did you mean %s?")), operand[0], near)
                    : cli_fail(c, NILU_E_USAGE, _(N_("op: there is no op called %s; nilu op lists them")), operand[0]);
    }
    if (!c->json)
        return page(c, text, op);
    return cli_emit(c, "result", json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:o}", "op", op->name, "parameters", text->parameters,
                                           "text", text->text, "gradient", op->backward, "no_gradient", op->no_gradient,
                                           "cases", cases_json(op)));
}

static const cli_operand operands[] = {
    {"NAME", CLI_CHOICE, N_("the op; without it, all are listed"), .optional = true, .choice = op_name},
    {0},
};

static const cli_field fields[] = {
    {"result", "ops", "texts", N_("names of all ops; the other fields are those of one op")},
    {"result", "op", "text", N_("its name")},
    {"result", "parameters", "text", N_("of the function nilu_NAME in C")},
    {"result", "text", "text", N_("what it computes")},
    {"result", "gradient", "text", N_("its gradient in one line, or null")},
    {"result", "no_gradient", "text", N_("why it has none, or null")},
    {"result", "cases", "objects", N_("its test cases, as nilu gradcheck runs them")},
    {0},
};

static const cli_example examples[] = {
    {"nilu op softmax_xent", N_("what it computes, its gradient, its cases")},
    {0},
};

const cli_command command_op = {
    .name = "op", .about = N_("Shows the reference page of an op, with its gradient and its test cases"), .operands = operands,
    .common = CLI_JSON, .fields = fields, .examples = examples, .run = run,
};
