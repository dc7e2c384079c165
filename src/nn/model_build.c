/* A model becomes nodes: every layer in its order, each with its line of the model file as birthplace, then the width of
 * the result is brought together with what the data want. */
#include "nn/nn.h"

#include <string.h>

static nilu_status fits(const nilu_model *m, int i, const nilu_tensor *x)
{
    const nn_input *in = &m->input[i];
    nilu_shape sample = x->shape;
    char want[BASE_SHAPE_TEXT], got[BASE_SHAPE_TEXT];
    if (!in->shaped)
        return NILU_OK;
    if (sample.rank > 0) {
        sample.rank--;
        memmove(sample.dim, sample.dim + 1, (size_t)sample.rank * sizeof *sample.dim);
    }
    if (base_same_shape(sample, in->shape))
        return NILU_OK;
    return nn_fail(m, in->where, N_("input %s: a sample is %s, but the model says %s; change one of them, or leave the shape "
                                    "out"), in->name, base_shape_text(sample, got), base_shape_text(in->shape, want));
}

static bool is_softmax(const nn_layer *l)
{
    const nn_activation *a = l->activation ? l->activation : l->value[1].activation;
    return a && strcmp(a->name, "softmax") == 0;
}

/* A dense layer without activation: its width was meant as the number of outputs. */
static bool is_plain_dense(const nn_layer *l)
{
    const nn_activation *a = l->value[1].activation;
    return l->kind == nn_kind_find("dense") && (!a || strcmp(a->name, "linear") == 0);
}

static nilu_status finish(const nilu_model *m, nilu_graph *g, int64_t outputs, nilu_tensor **y)
{
    const nn_layer *last = &m->layer[m->result];
    char dims[BASE_SHAPE_TEXT];
    if (is_softmax(last) && (!m->loss || strcmp(m->loss, "cross_entropy") == 0))
        return nn_fail(m, last->where, N_("%s: the model ends with a softmax, but cross-entropy holds one itself; leave it out, "
                                          "or say loss: mse"), last->name);
    nilu_shape s = (*y)->shape;
    if (s.rank >= 2 && s.dim[s.rank - 1] == outputs && (s.rank == 2 || !is_plain_dense(last)))
        return NILU_OK;
    if (is_plain_dense(last))
        return nn_fail(m, last->where, N_("%s: the model ends with %s, but the data want %lld numbers for each sample; write "
                                          "dense auto%s"), last->name, base_shape_text(s, dims), (long long)outputs,
                       s.rank > 2 ? N_(" after a flatten") : "");
    if (s.rank != 2)
        *y = nilu_named(nilu_flatten(*y), "flatten");
    int i = 1;
    char name[NN_MAX_NAME];
    for (int k = 0; k < m->nlayer; k++)
        i += m->layer[k].kind == nn_kind_find("dense");
    do
        snprintf(name, sizeof name, "fc%d", i++);
    while (nn_layer_find(m, name) != INT32_MIN);
    nilu_birthplace(g, last->where);
    *y = nilu_dense(*y, name, outputs, NULL, m->init, true);
    return NILU_OK;
}

static nilu_status build(const nilu_model *m, nilu_graph *g, nilu_tensor *const *x, int64_t outputs, bool training,
                         nilu_tensor **made, nilu_tensor **y)
{
    nilu_tensor *in[GRAPH_MAX_IN];
    if (m->path && !m->source)
        return nn_fail(m, m->file, N_("%.200s, which the model is made of, is not open; use nilu_model_load"), m->path);
    for (int i = 0; i < m->ninput; i++)
        NILU_TRY(fits(m, i, x[i]));
    if (m->source)
        return m->source->build(m, x[0], outputs, training, y);
    for (int i = 0; i < m->nlayer; i++) {
        const nn_layer *l = &m->layer[i];
        for (int k = 0; k < l->nfrom; k++)
            in[k] = l->from[k] < 0 ? x[-1 - l->from[k]] : made[l->from[k]];
        nn_site s = {m, l, in, l->nfrom, outputs, training, g};
        nilu_birthplace(g, l->where);
        made[i] = l->kind->build(&s);
        NILU_TRY(graph_report(g));
    }
    *y = made[m->result];
    if (outputs > 0) {
        nilu_status status = finish(m, g, outputs, y);
        if (status != NILU_OK)
            return graph_fail(g, status, "%s", nilu_errmsg(m->nl));
    }
    return graph_report(g);
}

nilu_status nilu_model_build_n(const nilu_model *m, int n, nilu_tensor *const *x, int64_t outputs, bool training,
                               nilu_tensor **y)
{
    *y = NULL;
    if (n != m->ninput)
        return nn_fail(m, m->file, N_("the model has %d inputs, but %d are given"), m->ninput, n);
    nilu_graph *g = NULL;
    for (int i = 0; i < n; i++)
        g = x[i] ? x[i]->node->g : g;
    if (!g)
        return nn_fail(m, m->file, N_("there is no input to build the model on; make it with nilu_input first"));
    NILU_TRY(graph_report(g));
    for (int i = 0; i < n; i++)
        if (!x[i])
            return nn_fail(m, m->file, N_("input %s is missing (NULL)"), m->input[i].name);
    if (outputs < 0)
        return base_fail(m->nl, NILU_E_USAGE, N_("nilu_model_build: %lld outputs; give 0 or more"), (long long)outputs);
    char *before = g->where;
    nilu_tensor **made = base_calloc(m->nl, (size_t)m->nlayer + 1, sizeof *made);
    int first = g->nnode;
    nilu_status status = made ? build(m, g, x, outputs, training, made, y) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = nn_freeze(m, g, first);
    base_free(m->nl, made);
    g->where = before;
    if (status != NILU_OK)
        *y = NULL;
    return status;
}

nilu_status nilu_model_build(const nilu_model *m, nilu_tensor *x, int64_t outputs, bool training, nilu_tensor **y)
{
    return nilu_model_build_n(m, 1, &x, outputs, training, y);
}
