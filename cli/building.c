/* A step of training built but not run, for plan, graph and gradcheck: from a model file, a run, or words; its shapes from a
 * data set, the run, the file or the line. */
#include "cli.h"

#include "nn/nn.h"

#include <string.h>
#include <sys/stat.h>

/* "28x28" or "784" */
static nilu_status read_shape(cli *c, const char *text, nilu_shape *shape)
{
    *shape = NILU_SCALAR;
    for (const char *p = text;; p++) {
        int64_t v = 0;
        const char *start = p;
        for (; *p >= '0' && *p <= '9' && v < (int64_t)1 << 40; p++)
            v = v * 10 + (*p - '0');
        if (p == start || v < 1 || (*p && *p != 'x') || shape->rank == NILU_MAX_RANK - 1)
            return cli_fail(c, NILU_E_USAGE, _(N_("%s: --input wants a shape such as 784 or 28x28, not \"%s\"")), c->command->name, text);
        shape->dim[shape->rank++] = v;
        if (!*p)
            return NILU_OK;
    }
}

static bool is_folder(const char *path)
{
    struct stat info;
    return path && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* The settings of a run hold where the line says nothing else. */
static nilu_status from_run(cli_site *s, const cli_building *b)
{
    NILU_TRY(nilu_run_open(s->c->nl, b->network.model, &s->run));
    const nilu_run_info *r = nilu_run_about(s->run);
    s->input = NILU_SHAPE(r->features);
    s->outputs = r->outputs;
    s->task = r->task;
    s->loss_name = r->options.loss;
    s->optimizer = r->options.optimizer;
    s->batch = r->options.batch;
    return NILU_OK;
}

static nilu_status from_data(cli_site *s, const cli_building *b)
{
    if (s->run && !b->data)
        return NILU_OK;
    if (!b->data)
        return NILU_OK;
    NILU_TRY(cli_open_data(s->c, &b->reading, b->data, &s->data));
    const nilu_data_info *d = nilu_data_about(s->data);
    if (d->task == NILU_TASK_NONE)
        return cli_fail(s->c, NILU_E_DATA, _(N_("%s: %s has no target; name it with --target")), s->c->command->name, b->data);
    nilu_model *own = NULL;
    NILU_TRY(nn_for_pictures(s->model, d->height, d->width, d->channels, d->planes, &own));
    if (own) {
        nilu_model_free(s->model);
        s->model = own;
    }
    s->input = NILU_SHAPE(d->features);
    s->outputs = d->outputs;
    s->task = d->task;
    return NILU_OK;
}

static nilu_status from_line(cli_site *s, const cli_building *b)
{
    const nilu_model_training *w = nilu_model_wishes(s->model);
    if (!s->run) {
        s->loss_name = w->loss;
        s->optimizer = w->optimizer;
        s->batch = w->batch;
    }
    if (b->loss)
        s->loss_name = b->loss;
    if (!s->loss_name)
        s->loss_name = s->task == NILU_TASK_NUMBERS ? "mse" : "cross_entropy";
    if (s->model->path)
        NILU_TRY(nn_for_loss(s->model, s->loss_name));
    if (s->task == NILU_TASK_AUTO)
        s->task = strcmp(s->loss_name, "cross_entropy") == 0 || strcmp(s->loss_name, "nll") == 0 ? NILU_TASK_CLASSES : NILU_TASK_NUMBERS;
    if (b->optimizer) {
        s->optimizer = (nilu_optimizer_options)NILU_OPTIMIZER_DEFAULT;
        s->optimizer.name = b->optimizer;
    }
    if (b->batch != CLI_UNSET)
        s->batch = b->batch;
    if (s->batch == 0)
        s->batch = b->batch_usual;
    if (b->outputs != CLI_UNSET)
        s->outputs = b->outputs;
    return b->input ? read_shape(s->c, b->input, &s->input) : NILU_OK;
}

/* The i-th input: of the shape that the data have, brought into the one that the model names. */
static nilu_status make_input(cli_site *s, int i)
{
    const nn_input *in = &s->model->input[i];
    nilu_shape sample = s->input, wanted = in->shape, full = {.rank = 1, .dim = {s->batch}};
    if (sample.rank == 0 && in->shaped)
        sample = in->shape;
    if (sample.rank == 0)
        return cli_fail(s->c, NILU_E_USAGE, _(N_("%s: the shape of input %s is not known; give --data, or --input 784, or write "
                                                 "input: [784] into the model file")), s->c->command->name, in->name);
    if (i > 0 && !in->shaped)
        return cli_fail(s->c, NILU_E_USAGE, _(N_("%s: the model has several inputs; write the shape of each into its file")), s->c->command->name);
    if (s->model->ninput > 1)
        sample = in->shape;
    for (int k = 0; k < sample.rank; k++)
        full.dim[full.rank++] = sample.dim[k];
    s->x[i] = s->fed[i] = nilu_input(s->g, in->name, NILU_F32, full);
    if (in->shaped && !base_same_shape(sample, wanted) && base_count(sample) == base_count(wanted) && wanted.rank < NILU_MAX_RANK) {
        nilu_shape as = {.rank = 1, .dim = {s->batch}};
        for (int k = 0; k < wanted.rank; k++)
            as.dim[as.rank++] = wanted.dim[k];
        s->x[i] = nilu_reshape(s->x[i], as);
    }
    s->inputs++;
    return NILU_OK;
}

static nilu_status make_loss(cli_site *s)
{
    nilu_shape y = nilu_tensor_shape(s->y);
    if (y.rank < 1 || (s->task == NILU_TASK_CLASSES && y.rank != 2))
        return cli_fail(s->c, NILU_E_SHAPE, _(N_("%s: the model's result has %d dimensions, but %s wants [samples, classes]; add a "
                                                 "flatten")), s->c->command->name, y.rank, s->loss_name);
    s->target = s->task == NILU_TASK_CLASSES ? nilu_input(s->g, "target", NILU_I32, NILU_SHAPE(s->batch))
                                             : nilu_input(s->g, "target", NILU_F32, y);
    s->loss = nilu_named(nilu_loss(s->loss_name, s->y, s->target), "loss");
    return nilu_graph_status(s->g);
}

nilu_status cli_build(cli *c, const cli_building *b, cli_site *s)
{
    *s = (cli_site){.c = c, .optimizer = NILU_OPTIMIZER_DEFAULT};
    NILU_TRY(cli_open_model(c, &b->network, &s->model));
    if (!s->model)
        return cli_fail(c, NILU_E_USAGE, _(N_("%s: which model? Name a file or a run, or give --hidden or --layers")), c->command->name);
    if (is_folder(b->network.model))
        NILU_TRY(from_run(s, b));
    NILU_TRY(from_data(s, b));
    NILU_TRY(from_line(s, b));
    s->g = nilu_graph_new(c->nl);
    s->store = nilu_store_new(c->nl);
    if (!s->g || !s->store)
        return NILU_E_NO_MEMORY;
    if (s->model->ninput > CLI_MAX_INPUTS)
        return cli_fail(c, NILU_E_UNSUPPORTED, _(N_("%s: a model of more than %d inputs")), c->command->name, CLI_MAX_INPUTS);
    for (int i = 0; i < s->model->ninput; i++)
        NILU_TRY(make_input(s, i));
    NILU_TRY(nilu_model_build_n(s->model, s->inputs, s->x, s->outputs, !b->forward, &s->y));
    return b->forward ? NILU_OK : make_loss(s);
}

void cli_site_free(cli_site *s)
{
    nilu_graph_free(s->g);
    nilu_store_free(s->store);
    nilu_model_free(s->model);
    nilu_data_free(s->data);
    nilu_run_free(s->run);
    *s = (cli_site){0};
}
