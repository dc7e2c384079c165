/* `nilu grad`: the gradient of a model from elsewhere, with respect to everything that has a name. */
#include "cli.h"

#include <math.h>
#include <string.h>

struct grad {
    cli_pairs input;
    const char *out, *dtype, *wrt, *loss;
};
enum { MOST = 4096 };

static const char *wrt_name(int i)
{
    static const char *const names[] = {"params", "inputs", "all"};
    return i >= 0 && i < (int)COUNT(names) ? names[i] : NULL;
}

/* The output to start from: the one that was named, or the only one; a single number. */
static nilu_status find_loss(cli *c, const struct grad *s, const cli_foreign *f, nilu_tensor **loss)
{
    int at = s->loss ? -1 : f->nout == 1 ? 0 : -2;
    const char *names[64];
    for (int i = 0; i < f->nout; i++) {
        names[i] = nilu_onnx_output(f->model, i)->name;
        if (s->loss && strcmp(names[i], s->loss) == 0)
            at = i;
    }
    if (at == -2)
        return cli_fail(c, NILU_E_USAGE,
                        _(N_("grad: the model has %d outputs; say which with --loss NAME, for example %s")), f->nout,
                        f->nout ? names[0] : "?");
    if (at < 0) {
        const char *near = base_nearest(s->loss, names, (size_t)f->nout);
        if (near)
            return cli_fail(c, NILU_E_USAGE, _(N_("grad: the model has no output \"%s\"; did you mean \"%s\"?")),
                            s->loss, near);
        return cli_fail(c, NILU_E_USAGE, _(N_("grad: the model has no output \"%s\"; its first is \"%s\"")), s->loss,
                        f->nout ? names[0] : "");
    }
    nilu_tensor *y = f->y[at];
    char text[BASE_SHAPE_TEXT];
    if (base_count(nilu_tensor_shape(y)) != 1 || !base_is_float(nilu_tensor_dtype(y)))
        return cli_fail(c, NILU_E_USAGE,
                        _(N_("grad: output \"%s\" is %s %s; the gradient is that of a single number, such as a loss")),
                        names[at], nilu_dtype_name(nilu_tensor_dtype(y)), base_shape_text(nilu_tensor_shape(y), text));
    *loss = nilu_tensor_shape(y).rank ? nilu_reshape(y, NILU_SCALAR) : y;
    return NILU_OK;
}

/* What is asked for: parameters that the loss depends on, float inputs, or both. */
static int wanted(const struct grad *s, const cli_foreign *f, nilu_tensor *loss, nilu_tensor **wrt)
{
    int n = 0;
    if (strcmp(s->wrt, "inputs") != 0)
        n = nilu_params_of(loss, MOST - 64, wrt);
    n = n > MOST - 64 ? MOST - 64 : n;
    for (int i = 0; i < f->nin && strcmp(s->wrt, "params") != 0; i++)
        if (f->given[i].t && base_is_float(nilu_tensor_dtype(f->given[i].t)))
            wrt[n++] = f->given[i].t;
    return n;
}

static nilu_status tell(cli *c, const cli_foreign *f, int n, nilu_tensor *const *wrt, cli_table *t)
{
    nilu_status status = NILU_OK;
    for (int i = 0; i < n && status == NILU_OK; i++) {
        const char *name = nilu_tensor_name(wrt[i]);
        nilu_shape shape = nilu_fetched_shape(f->plan, i + 1);
        double norm = 0, largest = 0;
        char text[BASE_SHAPE_TEXT], shown[128];
        for (int64_t k = 0; k < base_count(shape); k++) {
            double v = base_load(nilu_fetched_dtype(f->plan, i + 1), nilu_fetched(f->plan, i + 1), k);
            norm += v * v;
            largest = fabs(v) <= largest ? largest : fabs(v);
        }
        if (c->json) {
            status = cli_emit(
                c, "gradient",
                json_pack("{s:s, s:o, s:o}", "name", name, "norm", cli_real(sqrt(norm)), "largest", cli_real(largest)));
            continue;
        }
        cli_cell(t, "%s", cli_clean(name, shown, sizeof shown));
        cli_cell(t, "%s", base_shape_text(shape, text));
        cli_cell(t, "%.6g", sqrt(norm));
        cli_cell(t, "%.6g", largest);
    }
    return status;
}

static nilu_status save(cli *c, const struct grad *s, const cli_foreign *f, int n, nilu_tensor *const *wrt)
{
    nilu_store *store = nilu_store_new(c->nl);
    nilu_status status = store ? NILU_OK : NILU_E_NO_MEMORY;
    for (int i = 0; i < n && status == NILU_OK; i++)
        status = nilu_store_put(store, NILU_PARAM, nilu_tensor_name(wrt[i]), nilu_fetched_dtype(f->plan, i + 1),
                                nilu_fetched_shape(f->plan, i + 1), nilu_fetched(f->plan, i + 1));
    if (status == NILU_OK)
        status = nilu_save(store, 1u << NILU_PARAM, 0, NULL, s->out);
    nilu_store_free(store);
    return status;
}

static nilu_status run_on(cli *c, const struct grad *s, const char *model, cli_foreign *f, nilu_tensor **wrt,
                          nilu_tensor **fetch)
{
    NILU_TRY(cli_foreign_open(c, model, &s->input, cli_foreign_dtype(s->dtype), f));
    NILU_TRY(find_loss(c, s, f, &fetch[0]));
    int n = wanted(s, f, fetch[0], wrt);
    if (!n)
        return cli_fail(c, NILU_E_GRAPH, _(N_("grad: output \"%s\" depends on nothing that has a gradient")),
                        s->loss ? s->loss : nilu_onnx_output(f->model, 0)->name);
    NILU_TRY(nilu_grad(fetch[0], n, wrt, fetch + 1));
    NILU_TRY(cli_foreign_step(f, n + 1, fetch));
    if (s->out)
        NILU_TRY(save(c, s, f, n, wrt));
    cli_table t = cli_table_new(c->nl, "llrr");
    cli_cell(&t, "%s", _(N_("gradient by")));
    cli_cell(&t, "%s", _(N_("shape")));
    cli_cell(&t, "%s", _(N_("norm")));
    cli_cell(&t, "%s", _(N_("largest")));
    nilu_status status = tell(c, f, n, wrt, &t);
    double loss = base_load(nilu_fetched_dtype(f->plan, 0), nilu_fetched(f->plan, 0), 0);
    if (status == NILU_OK && c->json)
        status = cli_emit(
            c, "result",
            json_pack("{s:s, s:o, s:i, s:s?}", "model", model, "loss", cli_real(loss), "gradients", n, "file", s->out));
    if (status == NILU_OK && !c->json) {
        printf(_(N_("loss %.9g\n")), loss);
        return cli_table_print(&t, &c->out, 0);
    }
    cli_table_free(&t);
    return status;
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    cli_foreign f = {.c = c};
    (void)n;
    nilu_tensor **wrt = base_calloc(c->nl, MOST, sizeof *wrt), **fetch = base_calloc(c->nl, MOST + 1, sizeof *fetch);
    nilu_status status = wrt && fetch ? run_on(c, settings, operand[0], &f, wrt, fetch) : NILU_E_NO_MEMORY;
    cli_foreign_free(&f);
    base_free(c->nl, wrt);
    base_free(c->nl, fetch);
    return status;
}

static const char *const story[] = {
    N_("Reads an ONNX file, computes one of its outputs that is a single number, and sends its error back to "
       "everything that has a name: "
       "the parameters, the inputs, or both. The gradients have the names of what they belong to."),
    NULL,
};

static const cli_operand operands[] = {{"MODEL", CLI_FILE, N_("an ONNX file")}, {0}};

#define AT(field) offsetof(struct grad, field)
static const cli_option options[] = {
    CLI_FOREIGN_INPUT_ROW(struct grad),
    {"loss", 0, "NAME", CLI_WORD, AT(loss), N_("the output to start from"), .usual = N_("the only one")},
    {"wrt", 0, "WHAT", CLI_CHOICE, AT(wrt), N_("by what"), "params", .choice = wrt_name},
    {"output", 'o', "FILE", CLI_FILE, AT(out), N_("write the gradients to this safetensors file")},
    CLI_FOREIGN_DTYPE_ROW(struct grad),
    {0},
};

static const cli_field fields[] = {
    {"gradient", "name", "text", N_("of the parameter or input")},
    {"gradient", "norm", "number", N_("root of the sum of squares")},
    {"gradient", "largest", "number", N_("the largest number in it, without its sign")},
    {"result", "model", "text", N_("the file")},
    {"result", "loss", "number", N_("the output that was started from")},
    {"result", "gradients", "number", N_("how many there are")},
    {"result", "file", "text", N_("where they were written; null: nowhere")},
    {0},
};

static const cli_example examples[] = {
    {"nilu grad model.onnx -i x=a.npy -i label=b.npy --loss loss -o g.safetensors", N_("of all parameters")},
    {"nilu grad model.onnx -i x=a.npy --wrt inputs --dtype f64",
     N_("which way the input would have to change, in double")},
    {0},
};

const cli_command command_grad = {
    .name = "grad",
    .about = N_("Computes the gradient of an ONNX model by its parameters or inputs"),
    .story = story,
    .operands = operands,
    .options = options,
    .common = CLI_JSON | CLI_QUIET | CLI_THREADS,
    .fields = fields,
    .examples = examples,
    .run = run,
};
