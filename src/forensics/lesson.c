/* The lesson: what the run's own optimizer would make of one sample. The very nodes that trained the network are built once
 * more for a batch of one, with the weights and the optimizer's states put in; one step is made, and the weights before and
 * after it are compared. So momentum, decay, clipping and schedules have their say as they had in training. */
#include "forensics/forensics.h"

#include <string.h>

struct nilu_lesson {
    nilu *nl;
    int64_t features, outputs;
    nilu_task task;
    nilu_store *before, *store; /* before: what each lesson begins with */
    nilu_plan *plan;
    float *x, *target;
    int32_t label;
};

static nilu_status build(nilu_lesson *l, const nilu_model *model, const char *loss_name, const nilu_optimizer_options *optimizer)
{
    nilu_graph *g = NULL;
    nilu_tensor *y, *rate;
    bool classes = l->task == NILU_TASK_CLASSES;
    nilu_optimizer_options o = *optimizer;
    o.accumulate = 1;
    nilu_status status = forensics_build(l->nl, model, 1, l->features, l->outputs, &g, &y);
    if (status != NILU_OK)
        return status;
    nilu_tensor *truth = classes ? nilu_input(g, "label", NILU_I32, NILU_SHAPE(1))
                                 : nilu_input(g, "target", NILU_F32, NILU_SHAPE(1, l->outputs));
    nilu_tensor *loss = nilu_loss(loss_name ? loss_name : classes ? "cross_entropy" : "mse", y, truth);
    status = nilu_graph_status(g);
    if (status == NILU_OK)
        status = nilu_minimise(loss, 0, NULL, &o, &rate, NULL);
    if (status == NILU_OK)
        status = nilu_compile(g, l->store, 1, &rate, NULL, &l->plan);
    if (status == NILU_OK)
        status = nilu_feed(l->plan, "x", l->x, (size_t)l->features * sizeof *l->x);
    if (status == NILU_OK)
        status = classes ? nilu_feed(l->plan, "label", &l->label, sizeof l->label)
                         : nilu_feed(l->plan, "target", l->target, (size_t)l->outputs * sizeof *l->target);
    nilu_graph_free(g);
    return status;
}

/* Values of `from` that the plan's store has, too, in the same shape. */
static void take(nilu_store *store, const nilu_store *from, nilu_kind kind)
{
    for (int i = 0; from && i < nilu_store_count(from); i++) {
        const nilu_value *v = nilu_store_at(from, i), *own = nilu_store_find(store, v->name);
        if (v->kind == kind && own && own->kind == kind && own->dtype == v->dtype && base_same_shape(own->shape, v->shape))
            memcpy(own->data, v->data, v->bytes);
    }
}

nilu_status nilu_lesson_new(nilu *nl, const nilu_model *model, const nilu_store *weights, const nilu_store *states, int64_t features,
                            int64_t outputs, const nilu_scene_options *options, const nilu_optimizer_options *optimizer,
                            nilu_lesson **lesson)
{
    static const nilu_scene_options usual = NILU_SCENE_DEFAULT;
    static const nilu_optimizer_options plain = NILU_OPTIMIZER_DEFAULT;
    const nilu_scene_options *o = options ? options : &usual;
    *lesson = NULL;
    if (o->size != sizeof *o)
        return base_fail(nl, NILU_E_USAGE, N_("nilu_lesson_new: options.size is not sizeof(nilu_scene_options); start from NILU_SCENE_DEFAULT"));
    nilu_lesson *l = base_calloc(nl, 1, sizeof *l);
    if (!l)
        return NILU_E_NO_MEMORY;
    *l = (nilu_lesson){.nl = nl, .features = features, .outputs = outputs, .task = o->task};
    l->x = base_calloc(nl, (size_t)features + (size_t)outputs, sizeof *l->x);
    nilu_status status = l->x ? forensics_weights(nl, weights, NILU_F32, &l->store) : NILU_E_NO_MEMORY;
    l->target = l->x ? l->x + features : NULL;
    if (status == NILU_OK)
        status = build(l, model, o->loss, optimizer ? optimizer : &plain);
    if (status == NILU_OK)
        take(l->store, states, NILU_STATE);
    l->before = status == NILU_OK ? nilu_store_new(nl) : NULL;
    if (status == NILU_OK && !l->before)
        status = NILU_E_NO_MEMORY;
    for (int i = 0; status == NILU_OK && i < nilu_store_count(l->store); i++) {
        const nilu_value *v = nilu_store_at(l->store, i);
        status = nilu_store_put(l->before, v->kind, v->name, v->dtype, v->shape, v->data);
    }
    if (status == NILU_OK)
        *lesson = l;
    else
        nilu_lesson_free(l);
    return status;
}

void nilu_lesson_free(nilu_lesson *l)
{
    if (!l)
        return;
    nilu_plan_free(l->plan);
    nilu_store_free(l->store);
    nilu_store_free(l->before);
    base_free(l->nl, l->x);
    base_free(l->nl, l);
}

nilu_status nilu_lesson_learn(nilu_lesson *l, const nilu_scene *scene)
{
    nilu_verdict v;
    nilu_scene_verdict(scene, &v);
    if (v.features != l->features || v.outputs != l->outputs)
        return base_fail(l->nl, NILU_E_SHAPE, N_("nilu_lesson_learn: the scene has %lld features and %lld outputs, the lesson %lld and %lld"),
                         (long long)v.features, (long long)v.outputs, (long long)l->features, (long long)l->outputs);
    take(l->store, l->before, NILU_PARAM);
    take(l->store, l->before, NILU_STATE);
    for (int64_t i = 0; i < l->features; i++)
        l->x[i] = (float)v.x[i];
    for (int64_t i = 0; i < l->outputs && v.target; i++)
        l->target[i] = (float)v.target[i];
    l->label = v.label;
    return nilu_step(l->plan);
}

const float *nilu_lesson_before(const nilu_lesson *l, const char *name)
{
    const nilu_value *v = nilu_store_find(l->before, name);
    return v && v->dtype == NILU_F32 ? v->data : NULL;
}

const float *nilu_lesson_after(const nilu_lesson *l, const char *name)
{
    const nilu_value *v = nilu_store_find(l->store, name);
    return v && v->dtype == NILU_F32 ? v->data : NULL;
}

double nilu_lesson_rate(const nilu_lesson *l)
{
    return base_load(nilu_fetched_dtype(l->plan, 0), nilu_fetched(l->plan, 0), 0);
}

const nilu_plan *forensics_lesson_plan(const nilu_lesson *l)
{
    return l->plan;
}
