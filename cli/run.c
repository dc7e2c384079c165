/* `nilu run`: a model from elsewhere computes its outputs. */
#include "cli.h"

#include <math.h>
#include <string.h>

struct run {
    cli_pairs input;
    const char *out, *dtype;
};

/* Outputs are named freely: what a file's name cannot hold becomes a dash. */
static char *file_of(nilu *nl, const char *folder, const char *name)
{
    char *path = base_format(nl, "%s/%s.npy", folder, name);
    for (char *p = path ? path + strlen(folder) + 1 : NULL; p && *p; p++)
        if (*p == '/' || (unsigned char)*p < ' ')
            *p = '-';
    return path;
}

static nilu_status tell(cli *c, const struct run *s, const cli_foreign *f, int i, cli_table *t)
{
    const char *name = nilu_onnx_output(f->model, i)->name;
    nilu_shape shape = nilu_fetched_shape(f->plan, i);
    nilu_dtype dtype = nilu_fetched_dtype(f->plan, i);
    const void *at = nilu_fetched(f->plan, i);
    char text[BASE_SHAPE_TEXT], shown[128];
    char *file = s->out ? file_of(c->nl, s->out, name) : NULL;
    nilu_status status = s->out && !file ? NILU_E_NO_MEMORY : NILU_OK;
    if (file)
        status = nilu_npy_write(c->nl, file, dtype, shape, at);
    if (status == NILU_OK && c->json) {
        json_t *dims = json_array();
        for (int d = 0; d < shape.rank; d++)
            json_array_append_new(dims, json_integer((json_int_t)shape.dim[d]));
        status = cli_emit(c, "output",
                          json_pack("{s:s, s:s, s:o, s:s?}", "name", name, "dtype", nilu_dtype_name(dtype), "shape",
                                    dims, "file", file));
    } else if (status == NILU_OK) {
        cli_cell(t, "%s", cli_clean(name, shown, sizeof shown));
        cli_cell(t, "%s", nilu_dtype_name(dtype));
        cli_cell(t, "%s", base_shape_text(shape, text));
        size_t n = 0;
        shown[0] = 0;
        for (int64_t k = 0; k < base_count(shape) && k < 4; k++)
            n += (size_t)snprintf(shown + n, sizeof shown - n, "%s%.6g", k ? " " : "", base_load(dtype, at, k));
        cli_cell(t, "%s%s", shown, base_count(shape) > 4 ? " ..." : "");
        cli_cell(t, "%s", file ? file : "");
    }
    base_free(c->nl, file);
    return status;
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    const struct run *s = settings;
    cli_foreign f;
    (void)n;
    nilu_status status = cli_foreign_open(c, operand[0], &s->input, cli_foreign_dtype(s->dtype), &f);
    if (status == NILU_OK)
        status = cli_foreign_step(&f, f.nout, f.y);
    if (status == NILU_OK && s->out)
        status = base_make_dirs(c->nl, s->out);
    cli_table t = cli_table_new(c->nl, "llllr");
    cli_cell(&t, "%s", _(N_("output")));
    cli_cell(&t, "%s", _(N_("type")));
    cli_cell(&t, "%s", _(N_("shape")));
    cli_cell(&t, "%s", _(N_("first numbers")));
    cli_cell(&t, "%s", s->out ? _(N_("file")) : "");
    for (int i = 0; i < f.nout && status == NILU_OK; i++)
        status = tell(c, s, &f, i, &t);
    if (status == NILU_OK && c->json)
        status = cli_emit(c, "result", json_pack("{s:s, s:i}", "model", operand[0], "outputs", f.nout));
    if (status == NILU_OK && !c->json)
        status = cli_table_print(&t, &c->out, 0);
    else
        cli_table_free(&t);
    cli_foreign_free(&f);
    return status;
}

static const char *const story[] = {
    N_("Reads an ONNX file and computes its outputs. Each input is an array in a file of NumPy's (NPY). What a model "
       "does not say, such "
       "as the size of a batch, is taken from the arrays."),
    NULL,
};

static const cli_operand operands[] = {{"MODEL", CLI_FILE, N_("an ONNX file")}, {0}};

#define AT(field) offsetof(struct run, field)
static const cli_option options[] = {
    CLI_FOREIGN_INPUT_ROW(struct run),
    {"output", 'o', "FOLDER", CLI_FOLDER, AT(out), N_("write each output to FOLDER/NAME.npy")},
    CLI_FOREIGN_DTYPE_ROW(struct run),
    {0},
};

static const cli_field fields[] = {
    {"output", "name", "text", N_("of the output")},
    {"output", "dtype", "text", "f32, f64, i64, ..."},
    {"output", "shape", "numbers", N_("its dimensions")},
    {"output", "file", "text", N_("where it was written; null: nowhere")},
    {"result", "model", "text", N_("the file")},
    {"result", "outputs", "number", N_("that it has")},
    {0},
};

static const cli_example examples[] = {
    {"nilu run model.onnx --input x=a.npy --output results", N_("results/NAME.npy for every output")},
    {0},
};

const cli_command command_run = {
    .name = "run",
    .about = N_("Computes the outputs of an ONNX model"),
    .story = story,
    .operands = operands,
    .options = options,
    .common = CLI_JSON | CLI_QUIET | CLI_THREADS,
    .fields = fields,
    .examples = examples,
    .run = run,
};
