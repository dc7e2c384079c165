/* `nilu export`: a run's network for other programs. */
#include "cli.h"
#include "gguf.h"

#include <string.h>

struct export
{
    const char *onnx, *safetensors, *npz, *gguf;
};

/* The weights, each an array of its name. */
static nilu_status write_npz(nilu *nl, const nilu_store *store, const char *path)
{
    int n = 0;
    nilu_array *arrays = base_calloc(nl, (size_t)nilu_store_count(store) + 1, sizeof *arrays);
    if (!arrays)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < nilu_store_count(store); i++) {
        const nilu_value *v = nilu_store_at(store, i);
        if (v->kind == NILU_PARAM)
            arrays[n++] = (nilu_array){v->name, v->dtype, v->shape, v->data};
    }
    nilu_status status = nilu_npz_write(nl, path, n, arrays);
    base_free(nl, arrays);
    return status;
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    const struct export *s = settings;
    nilu_run *run = NULL;
    nilu_store *store = NULL;
    (void)n;
    if (!s->onnx && !s->safetensors && !s->npz && !s->gguf)
        return cli_fail(c, NILU_E_USAGE, _(N_("export: say what to write: --onnx FILE, --safetensors FILE, --npz FILE or --gguf FILE")));
    nilu_status status = nilu_run_open(c->nl, operand[0], &run);
    if (status == NILU_OK)
        status = nilu_run_store(run, NILU_MODEL, &store);
    const nilu_run_info *about = status == NILU_OK ? nilu_run_about(run) : NULL;
    if (about && s->onnx)
        status = nilu_onnx_write_model(nilu_run_model(run), store, about->features, about->outputs, s->onnx);
    if (about && status == NILU_OK && s->safetensors)
        status = nilu_save(store, 1u << NILU_PARAM, 1, &(nilu_pair){"model", about->model}, s->safetensors);
    if (about && status == NILU_OK && s->npz)
        status = write_npz(c->nl, store, s->npz);
    if (about && status == NILU_OK && s->gguf)
        status = gguf_write(store, "nilu", about->name, about->model, s->gguf);
    if (status == NILU_OK && c->json)
        status = cli_emit(c, "result", json_pack("{s:s, s:s?, s:s?, s:s?, s:s?}", "run", operand[0], "onnx", s->onnx, "safetensors",
                                                 s->safetensors, "npz", s->npz, "gguf", s->gguf));
    else if (status == NILU_OK)
        cli_note(c, _(N_("Samples must be encoded as the run encodes them: run.yaml says how, section encoder.")));
    nilu_store_free(store);
    nilu_run_free(run);
    return status;
}

static const char *const story[] = {
    N_("Writes a run's network so that other programs can run it: as ONNX (opset 20, the size of the batch left open), "
       "or its weights alone "
       "as safetensors, NPZ or GGUF. A net that came from an ONNX file is written as that file's graph with its new weights. What goes in are encoded samples, what comes out is what the last layer gives: of classes, "
       "logits."),
    NULL,
};

static const cli_operand operands[] = {{"RUN", CLI_FOLDER, N_("folder of a run")}, {0}};

#define AT(field) offsetof(struct export, field)
static const cli_option options[] = {
    {"onnx", 0, "FILE", CLI_FILE, AT(onnx), N_("write the network to this ONNX file"), .group = N_("Output")},
    {"safetensors", 0, "FILE", CLI_FILE, AT(safetensors), N_("write the weights to this safetensors file")},
    {"npz", 0, "FILE", CLI_FILE, AT(npz), N_("write the weights to this file of NumPy's")},
    {"gguf", 0, "FILE", CLI_FILE, AT(gguf), N_("write the weights to this GGUF file, with the network's text in its metadata")},
    {0},
};

static const cli_field fields[] = {
    {"result", "run", "text", N_("folder of the run")},
    {"result", "onnx", "text", N_("the ONNX file; null: none")},
    {"result", "safetensors", "text", N_("the safetensors file; null: none")},
    {"result", "npz", "text", N_("the NPZ file; null: none")},
    {"result", "gguf", "text", N_("the GGUF file; null: none")},
    {0},
};

static const cli_example examples[] = {
    {"nilu export runs/digits-1 --onnx digits.onnx", N_("for onnxruntime and others")},
    {0},
};

const cli_command command_export = {
    .name = "export",
    .about = N_("Writes a run's network as ONNX, or its weights as safetensors, NPZ or GGUF"),
    .story = story,
    .operands = operands,
    .options = options,
    .common = CLI_JSON | CLI_QUIET,
    .fields = fields,
    .examples = examples,
    .run = run,
};
