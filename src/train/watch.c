/* Watching a training: at a few steps a second plan runs forward and back over the same batch with the same weights, and gives
 * back one number for each parameter (the sum of its gradient's squares) and one for each unit (its largest output) or layer.
 * It runs before 1 of 48 steps, and costs about as much as one: some 2 %. Having no assignments it cannot change a bit. */
#include "train/train.h"

#include <math.h>
#include <string.h>

#define EVERY 48

bool train_watch_due(int64_t step)
{
    return step == 1 || step == 4 || step == 12 || step % EVERY == 0;
}

nilu_status train_watch_new(nilu *nl, const nilu_data_info *data, const char *loss, const nilu_store *store, train_watch *w)
{
    *w = (train_watch){.nl = nl, .first_loss = NAN, .recent_loss = NAN, .guess = NAN, .expected = NAN};
    w->classes = data->task == NILU_TASK_CLASSES;
    if (w->classes && (strcmp(loss, "cross_entropy") == 0 || strcmp(loss, "nll") == 0))
        w->expected = w->guess = log((double)data->outputs);
    else if (!w->classes && strcmp(loss, "mse") == 0)
        w->expected = w->guess = 1; /* targets are handed out with deviation 1 */
    int n = nilu_store_count(store);
    w->param = base_calloc(nl, (size_t)n + 1, sizeof *w->param);
    if (!w->param)
        return NILU_E_NO_MEMORY;
    return NILU_OK;
}

void train_watch_free(train_watch *w)
{
    for (int i = 0; i < w->params; i++)
        base_free(w->nl, w->param[i].before);
    for (int i = 0; i < w->layers; i++)
        base_free(w->nl, w->layer[i].seen);
    base_free(w->nl, w->param);
    base_free(w->nl, w->layer);
    base_free(w->nl, w->fetch);
    *w = (train_watch){0};
}

/* ---- the plan */

static nilu_tensor *share_beyond(nilu_tensor *a, double middle, double reach)
{
    nilu_tensor *far = nilu_abs(nilu_shift(a, -middle));
    nilu_tensor *limit = nilu_fill(nilu_tensor_graph(a), a->dtype, NILU_SCALAR, reach);
    return nilu_mean(nilu_cast(nilu_gt(far, limit), NILU_F32), NILU_ALL, false);
}

/* Functions with an end to them; what is beyond `reach` from `middle` passes back less than a twentieth of the error. */
static const struct {
    const char *op;
    double middle, reach; /* reach 0: relu, whose units may be dead */
} functions[] = {{"relu", 0, 0}, {"tanh", 0, 0.975}, {"sigmoid", 0.5, 0.487}};

static nilu_tensor *add_layer(train_watch *w, nilu_node *n)
{
    nilu_tensor *a = &n->out[0];
    for (size_t i = 0; i < COUNT(functions); i++) {
        if (strcmp(n->op->name, functions[i].op) != 0 || a->shape.rank < 2 || a->dtype != NILU_F32)
            continue;
        watch_layer *l = &w->layer[w->layers];
        *l = (watch_layer){0};
        snprintf(l->name, sizeof l->name, "%s", n->name);
        snprintf(l->op, sizeof l->op, "%s", n->op->name);
        if (functions[i].reach > 0) {
            w->layers++;
            return share_beyond(a, functions[i].middle, functions[i].reach);
        }
        nilu_axes axes = {.n = a->shape.rank - 1};
        for (int k = 0; k < axes.n; k++)
            axes.at[k] = k;
        l->units = a->shape.dim[a->shape.rank - 1];
        l->seen = base_calloc(w->nl, (size_t)l->units + 1, sizeof *l->seen);
        if (!l->seen)
            return NULL;
        for (int64_t u = 0; u < l->units; u++)
            l->seen[u] = -1;
        w->layers++;
        return nilu_max(a, axes, false);
    }
    return NULL;
}

static nilu_status add_params(train_watch *w, nilu_graph *g, nilu_store *store, nilu_tensor *loss, int n, nilu_tensor **param,
                              nilu_tensor **grad)
{
    NILU_TRY(nilu_grad(loss, n, param, grad));
    for (int i = 0; i < n; i++) {
        watch_param *p = &w->param[w->params++];
        *p = (watch_param){.value = nilu_store_find(store, nilu_tensor_name(param[i]))};
        if (p->value && p->value->dtype == NILU_F32 && !(p->before = base_alloc(w->nl, p->value->bytes + 1)))
            return NILU_E_NO_MEMORY;
        nilu_tensor *square = nilu_square(grad[i]);
        w->fetch[i] = nilu_sum(square && square->dtype == NILU_BF16 ? nilu_cast(square, NILU_F32) : square, NILU_ALL, false);
    }
    return graph_report(g);
}

nilu_status train_watch_compile(train_watch *w, nilu_graph *g, nilu_store *store, nilu_tensor *loss, nilu_plan **plan)
{
    int n = nilu_params_of(loss, 0, NULL), forward = g->nnode;
    if (n > nilu_store_count(store) || w->params) /* not this store's, or compiled before */
        return base_fail(w->nl, NILU_E_GRAPH, N_("watch: the model has other parameters than it had"));
    nilu_tensor **list = base_calloc(w->nl, 2 * (size_t)n + 1, sizeof *list);
    w->fetch = base_calloc(w->nl, (size_t)n + (size_t)forward + 1, sizeof(nilu_tensor *));
    w->layer = base_calloc(w->nl, (size_t)forward + 1, sizeof *w->layer);
    nilu_status status = list && w->fetch && w->layer ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        nilu_params_of(loss, n, list);
        status = add_params(w, g, store, loss, n, list, list + n);
    }
    for (int i = 0; i < forward && status == NILU_OK; i++) {
        int before = w->layers;
        nilu_tensor *t = add_layer(w, g->node[i]);
        if (w->layers > before)
            w->fetch[n + before] = t;
        status = w->nl->status == NILU_E_NO_MEMORY ? NILU_E_NO_MEMORY : graph_report(g);
    }
    for (int i = 0; i < g->nnode; i++) /* the step counter counts steps, not looks */
        g->node[i]->assigned = NULL;
    g->step = NULL;
    if (status == NILU_OK)
        status = nilu_compile(g, store, n + w->layers, w->fetch, NULL, plan);
    base_free(w->nl, list);
    return status;
}

/* ---- a look */

static void look_at_layer(train_watch *w, watch_layer *l, const float *fetched)
{
    if (!l->units) {
        l->share = *fetched;
        return;
    }
    int64_t dead = 0;
    for (int64_t u = 0; u < l->units; u++) {
        if (fetched[u] > 0)
            l->seen[u] = w->looks;
        dead += l->seen[u] < w->looks - 2;
    }
    l->share = w->looks < 2 ? 0 : (double)dead / (double)l->units;
}

nilu_status train_watch_look(train_watch *w, nilu_plan *plan)
{
    double square = 0;
    NILU_TRY(nilu_step(plan));
    for (int i = 0; i < w->params; i++) {
        watch_param *p = &w->param[i];
        double sum = base_load(nilu_fetched_dtype(plan, i), nilu_fetched(plan, i), 0);
        p->gradient = sqrt(sum);
        p->silent = sum == 0 ? p->silent + 1 : 0;
        square += sum;
        if (p->before)
            memcpy(p->before, p->value->data, p->value->bytes);
    }
    for (int i = 0; i < w->layers; i++)
        look_at_layer(w, &w->layer[i], nilu_fetched(plan, w->params + i));
    w->norm = sqrt(square);
    return NILU_OK;
}

#define LANES 16
void train_watch_after(train_watch *w)
{
    for (int i = 0; i < w->params; i++) {
        watch_param *p = &w->param[i];
        const float *now = p->value ? p->value->data : NULL;
        if (!p->before)
            continue;
        float change[LANES] = {0}, weight[LANES] = {0};
        int64_t n = base_count(p->value->shape), whole = n - n % LANES;
        for (int64_t k = 0; k < whole; k += LANES)
            for (int j = 0; j < LANES; j++) {
                float d = now[k + j] - p->before[k + j];
                change[j] += d * d;
                weight[j] += p->before[k + j] * p->before[k + j];
            }
        double c = 0, s = 0;
        for (int j = 0; j < LANES; j++) {
            c += change[j];
            s += weight[j];
        }
        for (int64_t k = whole; k < n; k++) {
            double d = (double)now[k] - p->before[k];
            c += d * d;
            s += (double)p->before[k] * p->before[k];
        }
        p->change = sqrt(c);
        p->weight = sqrt(s);
        p->ratio = p->weight > 0 ? p->change / p->weight : 0;
        p->rise = fmax(p->rise, p->ratio);
    }
    w->looks++;
}

/* ---- kept */

static size_t number(char *out, size_t room, double v)
{
    int n = isfinite(v) ? snprintf(out, room, "%.6g", v) : snprintf(out, room, "null");
    return n > 0 && (size_t)n < room ? (size_t)n : 0;
}

/* {"step": 96, "loss": 0.31, "gradient_norm": 1.2, "params": {"fc1/weight": [|g|, |w|, |dw|], …}, "units": {"fc1/relu": 0.1}} */
size_t train_watch_line(const train_watch *w, char *out, size_t room)
{
    size_t at = (size_t)snprintf(out, room, "{\"step\": %lld, \"loss\": ", (long long)w->step);
    at += number(out + at, room - at, w->recent_loss);
    at += (size_t)snprintf(out + at, room - at, ", \"gradient_norm\": ");
    at += number(out + at, room - at, w->norm);
    at += (size_t)snprintf(out + at, room - at, ", \"params\": {");
    for (int i = 0; i < w->params && at + 400 < room; i++) {
        const watch_param *p = &w->param[i];
        if (!p->value || strlen(p->value->name) > 200)
            continue;
        at += (size_t)snprintf(out + at, room - at, "%s\"%s\": [", out[at - 1] == '{' ? "" : ", ", p->value->name);
        at += number(out + at, room - at, p->gradient);
        at += (size_t)snprintf(out + at, room - at, ", ");
        at += number(out + at, room - at, p->weight);
        at += (size_t)snprintf(out + at, room - at, ", ");
        at += number(out + at, room - at, p->change);
        at += (size_t)snprintf(out + at, room - at, "]");
    }
    at += (size_t)snprintf(out + at, room - at, "}, \"units\": {");
    for (int i = 0; i < w->layers && at + 200 < room; i++) {
        at += (size_t)snprintf(out + at, room - at, "%s\"%s\": ", i ? ", " : "", w->layer[i].name);
        at += number(out + at, room - at, w->layer[i].share);
    }
    at += (size_t)snprintf(out + at, room - at, "}}\n");
    return at;
}
