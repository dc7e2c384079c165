/* The graphs of training, judging and saying, built from one model, and their plans. */
#include "nn/nn.h"
#include "train/train.h"

#include <string.h>

static const char MIXED_LABEL[] = "mixup/label", MIXED_SHARE[] = "mixup/share";

/* The one input, in the shape that the model asks for if it has as many numbers. */
static nilu_status add_input(const train_net *net, nilu_graph *g, int64_t n, nilu_tensor **x)
{
    const nn_input *in = &net->model->input[0];
    if (net->model->ninput != 1)
        return base_fail(net->nl, NILU_E_MODEL, N_("%s: the model has %d inputs, but samples of %s are one array; leave one input"),
                         net->model->file, net->model->ninput, net->data->name);
    *x = nilu_input(g, in->name, NILU_F32, nn_input_shape(net->model, n, net->data->features));
    return graph_report(g);
}

/* Of the target's input, which the model's own must not have. */
static const char *target_name(const train_net *net)
{
    return strcmp(net->model->input[0].name, "target") == 0 ? "label" : "target";
}

static nilu_tensor *add_target(const train_net *net, nilu_graph *g, int64_t n)
{
    if (net->data->task == NILU_TASK_CLASSES)
        return nilu_input(g, target_name(net), NILU_I32, NILU_SHAPE(n));
    return nilu_input(g, target_name(net), NILU_F32, NILU_SHAPE(n, net->data->outputs));
}

static nilu_tensor *loss_of(const train_net *net, nilu_tensor *y, nilu_tensor *target)
{
    const nilu_xent_options o = {.smoothing = net->smoothing};
    return net->smoothing > 0 ? nilu_softmax_xent(y, target, &o) : nilu_loss(net->loss, y, target);
}

/* The loss; of two labels that are mixed, share · loss(y, label) + (1 - share) · loss(y, other). */
static nilu_tensor *add_loss(const train_net *net, nilu_graph *g, nilu_tensor *y, int64_t n)
{
    nilu_tensor *loss = loss_of(net, y, add_target(net, g, n));
    if (net->mixes && net->mode != TRAIN_JUDGE) {
        nilu_tensor *other = loss_of(net, y, nilu_input(g, MIXED_LABEL, NILU_I32, NILU_SHAPE(n)));
        loss = nilu_add(other, nilu_mul(nilu_input(g, MIXED_SHARE, NILU_F32, NILU_SCALAR), nilu_sub(loss, other)));
    }
    return nilu_named(loss, "loss");
}

/* What the loss takes y for, as probabilities; scores stay as they are. */
static nilu_tensor *said(const train_net *net, nilu_tensor *y)
{
    if (strcmp(net->loss, "cross_entropy") == 0)
        return nilu_softmax(y, -1);
    if (strcmp(net->loss, "nll") == 0 || strcmp(net->loss, "kl") == 0)
        return nilu_exp(y);
    if (strcmp(net->loss, "bce") == 0)
        return nilu_sigmoid(y);
    return y;
}

/* Compiling would begin anew what the store lacks; a model that was trained, or is trained on, has all of its values. */
static nilu_status all_there(const train_net *net, const nilu_graph *g)
{
    for (int i = 0; i < g->nnode && net->complete; i++) {
        const nilu_node *n = g->node[i];
        if ((n->op == &graph_op_param || n->op == &graph_op_state) && !nilu_store_find(net->store, n->name))
            return base_fail(net->nl, NILU_E_VERIFY, N_("%s: the values of the model lack it; were they saved from another model?"), n->name);
    }
    return NILU_OK;
}

static void count_untrained(train_net *net, const nilu_graph *g)
{
    net->frozen = net->measured = 0;
    for (int i = 0; i < g->nnode; i++)
        if (g->node[i]->frozen)
            *(nn_frozen(net->model, g->node[i]->name) ? &net->frozen : &net->measured) += base_count(g->node[i]->out[0].shape);
}

static nilu_status build(train_net *net, nilu_graph *g, int64_t n, nilu_plan **plan)
{
    nilu_tensor *x = NULL, *y = NULL, *fetch[2] = {NULL, NULL};
    NILU_TRY(add_input(net, g, n, &x));
    x = train_views(net, x);
    NILU_TRY(graph_report(g)); /* before a tensor that is NULL, and of no graph, is taken for a missing input */
    NILU_TRY(nilu_model_build(net->model, x, net->data->outputs, net->mode == TRAIN_LEARN || net->mode == TRAIN_WATCH, &y));
    y = train_views_mean(net, y, n);
    if (net->mode == TRAIN_SAY) {
        fetch[0] = said(net, y);
        NILU_TRY(all_there(net, g));
        return nilu_compile(g, net->store, 1, fetch, NULL, plan);
    }
    nilu_tensor *loss = add_loss(net, g, y, n);
    NILU_TRY(graph_report(g));
    count_untrained(net, g);
    if (net->mode == TRAIN_WATCH)
        return train_watch_compile(net->watch, g, net->store, loss, plan);
    if (net->mode == TRAIN_JUDGE) {
        fetch[0] = y;
        fetch[1] = loss;
    } else {
        fetch[0] = loss;
        NILU_TRY(nilu_minimise(loss, 0, NULL, net->optimizer, &fetch[1], NULL));
    }
    NILU_TRY(all_there(net, g));
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    o.bf16 = net->bf16 && net->mode == TRAIN_LEARN;
    return nilu_compile(g, net->store, 2, fetch, &o, plan);
}

nilu_status train_net_build(const train_net *net, nilu_graph *g, int64_t n, nilu_tensor **loss)
{
    nilu_tensor *x = NULL, *y = NULL;
    NILU_TRY(add_input(net, g, n, &x));
    NILU_TRY(nilu_model_build(net->model, x, net->data->outputs, true, &y));
    *loss = add_loss(net, g, y, n);
    return graph_report(g);
}

nilu_status train_net_plan(train_net *net, int64_t n, nilu_plan **plan)
{
    for (int i = 0; i < net->plans; i++)
        if (net->plan[i].n == n) {
            *plan = net->plan[i].plan;
            return NILU_OK;
        }
    nilu_graph *g = nilu_graph_new(net->nl);
    if (!g)
        return NILU_E_NO_MEMORY;
    nilu_status status = build(net, g, n, plan);
    nilu_graph_free(g);
    if (status != NILU_OK)
        return status;
    int place = net->plans < TRAIN_PLANS ? net->plans++ : net->oldest++ % TRAIN_PLANS;
    nilu_plan_free(net->plan[place].plan);
    net->plan[place] = (struct train_sized){n, *plan};
    return NILU_OK;
}

nilu_status train_net_feed(const train_net *net, nilu_plan *plan, const train_batch *b)
{
    NILU_TRY(nilu_feed(plan, net->model->input[0].name, b->x, (size_t)(b->n * net->data->features) * sizeof(float)));
    if (net->mode == TRAIN_SAY)
        return NILU_OK;
    if (net->mixes && net->mode != TRAIN_JUDGE) {
        NILU_TRY(nilu_feed(plan, MIXED_LABEL, b->other, (size_t)b->n * sizeof(int32_t)));
        NILU_TRY(nilu_feed(plan, MIXED_SHARE, &b->share, sizeof b->share));
    }
    if (b->label)
        return nilu_feed(plan, target_name(net), b->label, (size_t)b->n * sizeof(int32_t));
    return nilu_feed(plan, target_name(net), b->target, (size_t)(b->n * net->data->outputs) * sizeof(float));
}

void train_net_clear(train_net *net)
{
    for (int i = 0; i < net->plans; i++) {
        nilu_plan_free(net->plan[i].plan);
        net->plan[i] = (struct train_sized){0};
    }
    net->plans = net->oldest = 0;
}
