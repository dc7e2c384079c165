/* `nilu import`: a net that others made, or weights that somebody trained. What is in the file is told; with data it becomes a run
 * like any other, judged and kept as it is. */
#include "weights.h"

#include "io/onnx.h"
#include "nn/nn.h"

#include <stdlib.h>
#include <string.h>

struct import
{
    cli_network network;
    cli_reading reading;
    const char *data, *out, *runs, *loss;
    bool train_norms;
};

/* ---- what is in it */

static json_t *dims_json(nilu_shape shape)
{
    json_t *dims = json_array();
    for (int d = 0; d < shape.rank; d++)
        json_array_append_new(dims, json_integer((json_int_t)shape.dim[d]));
    return dims;
}

static nilu_status tell_tensor(cli *c, cli_table *t, const char *name, const char *type, nilu_shape shape)
{
    char text[BASE_SHAPE_TEXT];
    if (c->json)
        return cli_emit(c, "tensor", json_pack("{s:s, s:s, s:o}", "name", name, "type", type, "shape", dims_json(shape)));
    cli_cell(t, "%s", name);
    cli_cell(t, "%s", type);
    cli_cell(t, "%s", base_shape_text(shape, text));
    return NILU_OK;
}

static cli_table tensor_table(cli *c)
{
    cli_table t = cli_table_new(c->nl, "lll");
    cli_cell(&t, "%s", _(N_("tensor")));
    cli_cell(&t, "%s", _(N_("type")));
    cli_cell(&t, "%s", _(N_("shape")));
    return t;
}

static nilu_status end_table(cli *c, cli_table *t, nilu_status status)
{
    if (status == NILU_OK && !c->json && !c->quiet)
        return cli_table_print(t, &c->out, 0);
    cli_table_free(t);
    return status;
}

static nilu_status tell_weights(cli *c, const cli_weights *w, bool list)
{
    cli_figure n;
    nilu_status status = NILU_OK;
    if (list) {
        cli_table t = tensor_table(c);
        for (int i = 0; i < w->count && status == NILU_OK; i++)
            status = tell_tensor(c, &t, w->tensor[i].name, w->tensor[i].type, w->tensor[i].shape);
        status = end_table(c, &t, status);
    }
    if (status == NILU_OK)
        cli_note(c, _(N_("%s: %s, %d tensors of %s numbers in all")), w->path, w->format, w->count, cli_quantity(cli_weights_numbers(w), n));
    return status;
}

static int by_op(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* How often each op is in the graph itself. */
static nilu_status tell_ops(cli *c, const nilu_onnx *m)
{
    const Onnx__GraphProto *g = m->model->graph;
    const char **op = base_calloc(c->nl, g->n_node + 1, sizeof *op);
    cli_table t = cli_table_new(c->nl, "lr");
    nilu_status status = op ? NILU_OK : NILU_E_NO_MEMORY;
    for (size_t i = 0; i < g->n_node && op; i++)
        op[i] = g->node[i]->op_type ? g->node[i]->op_type : "";
    if (op)
        qsort(op, g->n_node, sizeof *op, by_op);
    cli_cell(&t, "%s", _(N_("op")));
    cli_cell(&t, "%s", _(N_("nodes")));
    for (size_t i = 0, end; op && i < g->n_node && status == NILU_OK; i = end) {
        for (end = i; end < g->n_node && strcmp(op[end], op[i]) == 0;)
            end++;
        cli_cell(&t, "%s", op[i]);
        cli_cell(&t, "%zu", end - i);
        if (c->json)
            status = cli_emit(c, "op", json_pack("{s:s, s:i}", "name", op[i], "nodes", (int)(end - i)));
    }
    base_free(c->nl, op);
    return end_table(c, &t, status);
}

static nilu_status tell_ports(cli *c, const nilu_onnx *m)
{
    cli_table t = cli_table_new(c->nl, "llll");
    char text[BASE_SHAPE_TEXT];
    nilu_status status = NILU_OK;
    for (int k = 0; k < m->nin + m->nout && status == NILU_OK; k++) {
        const nilu_onnx_port *p = k < m->nin ? &m->in[k] : &m->out[k - m->nin];
        if (c->json)
            status = cli_emit(c, k < m->nin ? "input" : "output", json_pack("{s:s, s:s, s:o}", "name", p->name, "type", nilu_dtype_name(p->dtype),
                                                                            "shape", p->ranked ? dims_json(p->shape) : json_null()));
        cli_cell(&t, "%s", k < m->nin ? _(N_("input")) : _(N_("output")));
        cli_cell(&t, "%s", p->name);
        cli_cell(&t, "%s", nilu_dtype_name(p->dtype));
        cli_cell(&t, "%s", p->ranked ? base_shape_text(p->shape, text) : "?");
    }
    return end_table(c, &t, status);
}

static nilu_status tell_parameters(cli *c, const nilu_onnx *m)
{
    cli_table t = tensor_table(c);
    nilu_status status = NILU_OK;
    for (int i = 0; i < m->ninitial && status == NILU_OK; i++)
        if (m->initial[i].weight)
            status = tell_tensor(c, &t, m->initial[i].name, nilu_dtype_name(m->initial[i].dtype), m->initial[i].shape);
    return end_table(c, &t, status);
}

static nilu_status tell_onnx(cli *c, const char *path, bool list, int64_t *numbers)
{
    nilu_onnx *m = NULL;
    cli_figure n;
    int params = 0;
    *numbers = 0;
    NILU_TRY(nilu_onnx_open(c->nl, path, &m));
    for (int i = 0; i < m->ninitial; i++)
        if (m->initial[i].weight)
            params++, *numbers += base_count(m->initial[i].shape);
    nilu_status status = list ? tell_parameters(c, m) : NILU_OK;
    if (status == NILU_OK && list)
        status = tell_ops(c, m);
    if (status == NILU_OK && list)
        status = tell_ports(c, m);
    if (status == NILU_OK)
        cli_note(c, _(N_("%s: ONNX, opset %d, %zu nodes, %d parameters of %s numbers in all (-1: any size)")), path, m->opset,
                 m->model->graph->n_node, params, cli_quantity((double)*numbers, n));
    nilu_onnx_free(m);
    return status;
}

/* ---- a run of it */

typedef struct making {
    cli *c;
    const struct import *s;
    nilu_model *model;
    nilu_data *data;
    nilu_graph *g;
    nilu_tensor **p;
    int params;
    nilu_store *store; /* NULL: the model has its values itself */
} making;

/* The network that the weights are for: as the line says, or as the file itself does. */
static nilu_status model_for(making *k, const cli_weights *w)
{
    cli *c = k->c;
    const char *path = w->path;
    if (k->s->network.model || k->s->network.layers || k->s->network.hidden.n)
        return cli_open_model(c, &k->s->network, &k->model);
    if (w->model)
        return nilu_model_from_text(c->nl, w->model, path, &k->model);
    return cli_fail(c, NILU_E_USAGE, _(N_("import: %s holds weights and no network; say which it is with --model FILE, a name of nilu model "
                                          "list, or --layers")), path);
}

static nilu_status fit(making *k, cli_weights *w)
{
    cli *c = k->c;
    bool by_order;
    int unused = 0;
    NILU_TRY(cli_parameters(c, k->model, k->data, &k->g, &k->p, &k->params));
    k->store = nilu_store_new(c->nl);
    if (!k->store)
        return NILU_E_NO_MEMORY;
    NILU_TRY(cli_weights_fit(w, k->params, k->p, k->store, &by_order));
    if (by_order)
        cli_note(c, _(N_("No name in %s is one of the model's: modules were taken in their order.")), w->path);
    for (int i = 0; i < w->count; i++)
        unused += !w->tensor[i].used;
    if (unused)
        cli_note(c, _(N_("%d tensors of %s are not the model's, and were left out.")), unused, w->path);
    return NILU_OK;
}

static nilu_status keep(making *k, nilu_train_result *r)
{
    nilu_train_options o = NILU_TRAIN_DEFAULT;
    nilu_data_options opened;
    NILU_TRY(cli_data_options(k->c, &k->s->reading, &opened));
    o.loss = k->s->loss;
    o.out = k->s->out;
    o.runs = k->s->out ? NULL : k->s->runs;
    o.where = k->s->data;
    o.opened = &opened;
    o.steps = -1;
    o.optimizer.ema = 0;
    o.snapshots = 0;
    o.weights = k->store;
    o.blind = true;
    return nilu_train(k->c->nl, k->model, k->data, &o, r);
}

static nilu_status tell_run(making *k, const char *file, int64_t numbers, const nilu_train_result *r)
{
    cli *c = k->c;
    char scores[96];
    if (c->json) {
        json_t *fields = cli_scores_json(&r->scores);
        json_t *more = json_pack("{s:s, s:s?, s:I, s:s, s:s}", "file", file, "run", r->run, "numbers", (json_int_t)numbers, "part",
                                 cli_part_name((int)r->judged), "weights", r->weights);
        return cli_emit(c, "result", cli_merge(fields, more) ? fields : NULL);
    }
    printf(_(N_("%s: %s, loss %.4f, %lld samples\n")), cli_part_title(r->judged), cli_scores_text(&r->scores, scores), r->scores.loss,
           (long long)r->scores.n);
    printf(_(N_("run        %s\n")), r->run);
    cli_note(c, _(N_("next       nilu blame %s")), r->run);
    return NILU_OK;
}

static nilu_status make_run(making *k, const char *file, cli_weights *w, int64_t numbers)
{
    cli *c = k->c;
    nilu_train_result r = {0};
    if (!w->c && (k->s->network.model || k->s->network.layers || k->s->network.hidden.n))
        return cli_fail(c, NILU_E_USAGE, _(N_("import: %s is a network itself; leave --model, --layers and --hidden out")), file);
    if (!w->c)
        NILU_TRY(nilu_model_load(c->nl, file, &k->model));
    else
        NILU_TRY(model_for(k, w));
    if (k->s->train_norms && !nilu_model_train_norms(k->model, true))
        return cli_fail(c, NILU_E_USAGE, _(N_("import: --train-norms is for an ONNX model with BatchNormalization, which this is not")));
    NILU_TRY(cli_open_data(c, &k->s->reading, k->s->data, &k->data));
    if (w->c)
        NILU_TRY(fit(k, w));
    nilu_status status = keep(k, &r);
    if (status == NILU_OK)
        status = tell_run(k, file, numbers, &r);
    nilu_train_result_free(c->nl, &r);
    return status;
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    const struct import *s = settings;
    making k = {.c = c, .s = s};
    cli_weights w = {0};
    cli_form form;
    int64_t numbers = 0;
    (void)n;
    if (s->out && !s->data)
        return cli_fail(c, NILU_E_USAGE, _(N_("import: a run is judged on data and asked about them; give them with --data DATA")));
    NILU_TRY(cli_form_of(c, operand[0], &form));
    nilu_status status;
    if (form == CLI_FORM_ONNX) {
        status = tell_onnx(c, operand[0], !s->data, &numbers);
    } else {
        status = cli_weights_open(c, operand[0], form, &w);
        if (status == NILU_OK)
            status = tell_weights(c, &w, !s->data);
        numbers = (int64_t)cli_weights_numbers(&w);
    }
    if (status == NILU_OK && s->data)
        status = make_run(&k, operand[0], &w, numbers);
    else if (status == NILU_OK && c->json)
        status = cli_emit(c, "result", json_pack("{s:s, s:n, s:I}", "file", operand[0], "run", "numbers", (json_int_t)numbers));
    nilu_store_free(k.store);
    base_free(c->nl, k.p);
    nilu_graph_free(k.g);
    nilu_data_free(k.data);
    nilu_model_free(k.model);
    cli_weights_close(&w);
    return status;
}

static const char *const story[] = {
    N_("Says what is in a file: of ONNX the ops, parameters, inputs and outputs; of safetensors, NPZ and GGUF the tensors. With --data it "
       "becomes a run, judged and kept as it is, that eval, blame, dream, attribute and train --from take like one that was trained here."),
    N_("Weights alone want a network (--model, --layers), unless nilu wrote the file and the network with it. They are matched by their "
       "names, also as PyTorch names them, else module by module. Give with --scale how samples were scaled when the net was trained: "
       "what is learnt from other data is not that."),
    NULL,
};

static const cli_operand operands[] = {{"FILE", CLI_FILE, N_("an ONNX file, or weights: safetensors, NPZ, GGUF")}, {0}};

#define AT(field) offsetof(struct import, field)
static const cli_option options[] = {
    {"data", 'd', "DATA", CLI_DATA, AT(data), N_("make a run of it, with these data"), .group = N_("Run")},
    {"out", 'o', "RUN", CLI_FOLDER, AT(out), N_("folder of the run, which must not exist yet"), .usual = N_("a new one in runs, named after the data")},
    {"runs", 0, "FOLDER", CLI_FOLDER, AT(runs), N_("folder in which new runs are made"), "runs"},
    {"loss", 0, "NAME", CLI_CHOICE, AT(loss), N_("what the net was trained to make small"), .usual = N_("cross_entropy for classes, mse for numbers"), .choice = nilu_loss_name},
    {"train-norms", 0, NULL, CLI_FLAG, AT(train_norms), N_("when the run is trained on, normalisations of an ONNX model learn the statistics of the data")},
    {"model", 'm', "FILE", CLI_FILE, AT(network.model), N_("network that weights are for: model file in YAML or ONNX, the folder of a run, or a name of nilu model list"), .group = N_("Network")},
    CLI_NETWORK_ROWS(struct import),
    CLI_READING_ROWS(struct import),
    {0},
};

static const cli_field fields[] = {
    {"tensor", "name", "text", N_("of a parameter, or of what lies in a file of weights")},
    {"tensor", "type", "text", N_("of its numbers, as the format calls it")},
    {"tensor", "shape", "numbers", N_("its dimensions")},
    {"op", "name", "text", N_("an op of ONNX")},
    {"op", "nodes", "number", N_("how many nodes are of it")},
    {"input", "name", "text", N_("of an input")},
    {"input", "type", "text", "f32, f64, i64, ..."},
    {"input", "shape", "numbers", N_("its dimensions, -1 where they are free; null: not said")},
    {"output", "name", "text", N_("of an output")},
    {"output", "type", "text", "f32, f64, i64, ..."},
    {"output", "shape", "numbers", N_("its dimensions, -1 where they are free; null: not said")},
    {"result", "file", "text", N_("the file")},
    {"result", "run", "text", N_("folder of the run; null: none was asked for")},
    {"result", "numbers", "number", N_("of all parameters or tensors")},
    {"result", "part", "text", N_("of a run: the part that the following scores are of: test, else validation, else train")},
    {"result", "loss", "number", N_("mean loss")},
    {"result", "accuracy", "number", N_("share that is right, from 0 to 1; of classes")},
    {"result", "rmse", "number", N_("root mean squared error, in the target's units; of numbers")},
    {"result", "mae", "number", N_("mean absolute error; of numbers")},
    {"result", "r2", "number", N_("share of the variance that is explained; of numbers")},
    {"result", "weights", "text", N_("SHA-256 of all weights: equal for equal runs")},
    {0},
};

static const cli_example examples[] = {
    {"nilu import net.onnx", N_("what is in it")},
    {"nilu import resnet18.onnx --data photos --size 224 --scale 0.485,0.456,0.406/0.229,0.224,0.225", N_("a net of ImageNet's as a run on one's own photos")},
    {"nilu import mlp.safetensors --layers \"512 relu\" --data mnist", N_("weights that PyTorch saved")},
    {0},
};

const cli_command command_import = {
    .name = "import",
    .about = N_("Makes a run of a net or weights from elsewhere: ONNX, safetensors, NPZ, GGUF"),
    .story = story,
    .operands = operands,
    .options = options,
    .common = CLI_JSON | CLI_QUIET | CLI_THREADS | CLI_SEED,
    .fields = fields,
    .examples = examples,
    .run = run,
};
