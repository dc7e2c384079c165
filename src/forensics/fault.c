/* The first number that was none. A run that diverged is taken up at its last checkpoint and goes the same steps to the same
 * bits, until a step makes an infinity or a NaN; that step is taken again with every node fetched, in the order of the
 * graph: forward, back, update. The first bad node is the maker. */
#include "forensics/health.h"

#include <math.h>
#include <string.h>

typedef struct replay {
    nilu *nl;
    const nilu_run_info *info;
    nilu_data *data;
    nilu_store *store, *before; /* after the step, before it */
    train_net net;
    train_loader loader;
    record_position at;
    const train_batch *batch;   /* of the step */
} replay;

static bool all_finite(const nilu_store *s)
{
    for (int i = 0; i < nilu_store_count(s); i++) {
        const nilu_value *v = nilu_store_at(s, i);
        const float *f = v->data;
        float sum = 0;
        for (int64_t k = 0; v->kind == NILU_PARAM && v->dtype == NILU_F32 && k < base_count(v->shape); k++)
            sum += f[k] * 0.0f;
        if (sum != 0)
            return false;
    }
    return true;
}

static nilu_status begin(replay *r, const nilu_model *model)
{
    const nilu_run_info *i = r->info;
    r->store = nilu_store_new(r->nl);
    r->before = nilu_store_new(r->nl);
    if (!r->store || !r->before)
        return NILU_E_NO_MEMORY;
    nilu_status status = record_checkpoint_read(r->nl, i->path, RECORD_LAST, i->identity, NILU_PARAMS | NILU_STATES, r->store, &r->at);
    bool begun = status == NILU_OK;
    if (!begun && status != NILU_E_FILE_NOT_FOUND)
        return status;
    if (!begun)
        r->at = (record_position){0};
    r->net = (train_net){.nl = r->nl, .model = model, .data = nilu_data_about(r->data), .store = r->store, .loss = i->options.loss,
                         .optimizer = &i->options.optimizer, .mode = TRAIN_LEARN, .bf16 = i->options.bf16,
                         .mixes = train_mixes(r->data, i->options.augment), .complete = begun};
    return train_loader_start(r->data, i->seed, i->options.batch, r->at.epoch, r->at.batch, i->options.augment, &r->loader);
}

/* Steps until one makes a bad number; *found false: none did. */
static nilu_status go_on(replay *r, bool *found)
{
    int64_t steps = train_steps(nilu_data_about(r->data), &r->info->options);
    double until = base_now() + REPLAY_SECONDS;
    *found = false;
    while (r->at.step < steps && !*found && base_now() < until) {
        nilu_plan *plan;
        NILU_TRY(train_loader_next(&r->loader, &r->batch));
        NILU_TRY(train_net_plan(&r->net, r->batch->n, &plan));
        NILU_TRY(train_net_feed(&r->net, plan, r->batch));
        NILU_TRY(train_copy_values(r->before, r->store, NILU_PARAMS | NILU_STATES));
        NILU_TRY(nilu_step(plan));
        r->at.step++;
        *found = !isfinite(*(const float *)nilu_fetched(plan, 0)) || !all_finite(r->store);
    }
    return NILU_OK;
}

/* ---- the step again, node by node */

static double largest_input(const nilu_plan *plan, const nilu_node *n, const int *place)
{
    double most = 0;
    for (int k = 0; k < n->nin; k++) {
        int at = place[n->in[k]->node->id];
        if (at < 0 || n->in[k]->out)
            continue;
        for (int64_t i = 0; i < base_count(n->in[k]->shape); i++)
            most = fmax(most, fabs(base_load(n->in[k]->dtype, nilu_fetched(plan, at), i)));
    }
    return most;
}

static void found_at(const replay *r, const nilu_plan *plan, const nilu_node *n, const int *place, int64_t element, int update,
                     nilu_first_fault *out)
{
    const nilu_tensor *t = &n->out[0];
    out->found = true;
    out->step = r->at.step;
    snprintf(out->node, sizeof out->node, "%s", n->name);
    snprintf(out->op, sizeof out->op, "%s", n->op->name);
    out->phase = n->id >= update ? "update" : n->origin ? "backward" : "forward";
    out->element = element;
    out->value = base_load(t->dtype, nilu_fetched(plan, place[n->id]), element);
    out->input = largest_input(plan, n, place);
    out->sample = -1;
    if (n->id < update && t->shape.rank > 0 && t->shape.dim[0] == r->batch->n)
        out->sample = r->batch->index[element / (base_count(t->shape) / r->batch->n)];
}

static nilu_status node_by_node(replay *r, nilu_graph *g, nilu_first_fault *out)
{
    nilu_tensor *loss = NULL;
    nilu_plan *plan = NULL;
    NILU_TRY(train_net_build(&r->net, g, r->batch->n, &loss));
    int n = 0, params = nilu_params_of(loss, 0, NULL);
    nilu_optimizer_options o = r->info->options.optimizer;
    NILU_TRY(nilu_minimise(loss, 0, NULL, &o, NULL, NULL));
    int update = g->nnode; /* the first node of the optimizer's scope */
    for (int i = 0; i < g->nnode && update == g->nnode; i++)
        if (strncmp(g->node[i]->name, "opt/", 4) == 0)
            update = i;
    nilu_tensor **fetch = base_calloc(r->nl, (size_t)g->nnode + 1, sizeof(nilu_tensor *));
    int *place = base_calloc(r->nl, (size_t)g->nnode + 1, sizeof *place);
    nilu_status status = fetch && place && params >= 0 ? NILU_OK : NILU_E_NO_MEMORY;
    for (int i = 0; i < g->nnode && status == NILU_OK; i++) {
        place[i] = -1;
        nilu_tensor *t = &g->node[i]->out[0];
        if (base_is_float(t->dtype) && g->node[i]->op != &graph_op_constant) {
            fetch[n] = t;
            place[i] = n++;
        }
    }
    if (status == NILU_OK)
        status = nilu_compile(g, r->before, n, fetch, NULL, &plan);
    if (status == NILU_OK)
        status = train_net_feed(&r->net, plan, r->batch);
    if (status == NILU_OK)
        status = nilu_step(plan);
    for (int i = 0; i < g->nnode && status == NILU_OK && !out->found; i++)
        for (int64_t k = 0; place[i] >= 0 && k < base_count(g->node[i]->out[0].shape); k++)
            if (!isfinite(base_load(g->node[i]->out[0].dtype, nilu_fetched(plan, place[i]), k))) {
                found_at(r, plan, g->node[i], place, k, update, out);
                break;
            }
    nilu_plan_free(plan);
    base_free(r->nl, fetch);
    base_free(r->nl, place);
    return status;
}

nilu_status health_first_fault(nilu *nl, const nilu_run *run, nilu_data *data, nilu_first_fault *out)
{
    replay r = {.nl = nl, .info = nilu_run_about(run), .data = data};
    uint64_t seed = nl->options.seed;
    bool found = false;
    nl->options.seed = r.info->seed;
    nilu_status status = begin(&r, nilu_run_model(run));
    if (status == NILU_OK)
        status = go_on(&r, &found);
    if (status == NILU_OK && found) {
        nilu_graph *g = nilu_graph_new(nl);
        status = g ? node_by_node(&r, g, out) : NILU_E_NO_MEMORY;
        nilu_graph_free(g);
    }
    nl->options.seed = seed;
    train_loader_stop(&r.loader);
    train_net_clear(&r.net);
    nilu_store_free(r.store);
    nilu_store_free(r.before);
    return status;
}
