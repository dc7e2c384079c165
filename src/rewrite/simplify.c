/* Values known now are computed now, and arithmetic that does nothing is left out. Gradients bring much of it: an error
 * that starts as 1, masks times 1, values that are spread only to be spread again. A rule looks at one node and gives a
 * tensor to use in its place, or NULL; the sweep is repeated until no rule finds anything. */
#include "rewrite/passes.h"

#include <string.h>

#define SPREAD 16 /* times that a factor is read, so that it pays to bring factors together */

typedef nilu_tensor *T;

static bool is(const nilu_node *n, const nilu_op *op)
{
    return n->op == op;
}

static double real_attr(const nilu_node *n, const char *name)
{
    const double *value = graph_attr_find(n, name);
    return value ? *value : 0;
}

/* Is every element of `t` one number that is known now? */
static bool uniform(const nilu_tensor *t, double *value)
{
    const nilu_node *n = t->node;
    if (is(n, &nilu_op_fill)) {
        *value = real_attr(n, "value");
        return true;
    }
    if (is(n, &graph_op_constant) && base_count(t->shape) == 1) {
        *value = base_load(t->dtype, n->data, 0);
        return true;
    }
    return false;
}

static double rounded(nilu_dtype dtype, double v)
{
    uint64_t room;
    base_store(dtype, &room, 0, v);
    return base_load(dtype, &room, 0);
}

static T fill_for(const nilu_node *n, double value)
{
    return nilu_fill(n->g, n->out[0].dtype, n->out[0].shape, rounded(n->out[0].dtype, value));
}

/* An elementwise op, or a movement, of uniform inputs is uniform. */
static T known(nilu_node *n)
{
    double v[3] = {0}, p[2];
    if (n->nin < 1 || n->nin > 3 || n->nout != 1)
        return NULL;
    for (int k = 0; k < n->nin; k++)
        if (!uniform(n->in[k], &v[k]))
            return NULL;
    if (n->op->elementwise) {
        ops_params(n, p);
        return fill_for(n, ops_scalar(n->op)(v[0], v[1], v[2], p));
    }
    if (is(n, &nilu_op_cast) || is(n, &nilu_op_broadcast_to) || is(n, &nilu_op_reshape) || is(n, &nilu_op_transpose) ||
        is(n, &nilu_op_stop_gradient) || is(n, &nilu_op_slice))
        return fill_for(n, v[0]);
    if (is(n, &nilu_op_sum) && base_is_float(n->out[0].dtype) && base_count(n->out[0].shape) > 0)
        return fill_for(n, v[0] * (double)base_count(n->in[0]->shape) / (double)base_count(n->out[0].shape));
    return NULL;
}

/* x * c, x + c, x - c, x / 1 with a number c known now. */
static T by_number(nilu_node *n)
{
    double c;
    if (n->nin != 2 || !base_is_float(n->out[0].dtype))
        return NULL;
    for (int k = 0; k < 2; k++) {
        T x = n->in[1 - k];
        if (!uniform(n->in[k], &c) || !base_same_shape(x->shape, n->out[0].shape))
            continue;
        if (is(n, &nilu_op_mul))
            return c == 1 ? x : nilu_scale(x, c);
        if (is(n, &nilu_op_add))
            return c == 0 ? x : nilu_shift(x, c);
        if (is(n, &nilu_op_sub) && k == 1)
            return c == 0 ? x : nilu_shift(x, -c);
        if (is(n, &nilu_op_div) && k == 1 && c == 1)
            return x;
    }
    return NULL;
}

static T nothing(nilu_node *n)
{
    if (n->nin != 1 || n->nout != 1)
        return NULL;
    T x = n->in[0];
    bool same = x->dtype == n->out[0].dtype && base_same_shape(x->shape, n->out[0].shape);
    if (same && (is(n, &nilu_op_cast) || is(n, &nilu_op_broadcast_to) || is(n, &nilu_op_reshape) ||
                 is(n, &nilu_op_stop_gradient)))
        return x;
    if (is(n, &nilu_op_scale) && real_attr(n, "factor") == 1)
        return x;
    if (is(n, &nilu_op_neg) && is(x->node, &nilu_op_neg))
        return x->node->in[0];
    if (is(n, &nilu_op_reshape) && is(x->node, &nilu_op_reshape))
        return nilu_reshape(x->node->in[0], n->out[0].shape);
    return NULL;
}

/* op(broadcast_to(y), x) is op(y, x) where x alone gives the shape. */
static T spread_twice(nilu_node *n)
{
    if (!n->op->elementwise || n->nin < 2)
        return NULL;
    for (int k = 0; k < n->nin; k++) {
        if (!is(n->in[k]->node, &nilu_op_broadcast_to))
            continue;
        for (int j = 0; j < n->nin; j++)
            if (j != k && base_same_shape(n->in[j]->shape, n->out[0].shape)) {
                T in[3];
                memcpy(in, n->in, (size_t)n->nin * sizeof *in);
                in[k] = in[k]->node->in[0];
                return graph_node(n->op, n->nin, in, n->attr);
            }
    }
    return NULL;
}

/* x · a · b is x · (a · b) where both factors are spread over x: batch norm's 1 / deviation and its scale. */
static T small_first(nilu_node *n)
{
    if (!is(n, &nilu_op_mul))
        return NULL;
    for (int k = 0; k < 2; k++) {
        const nilu_node *m = n->in[k]->node;
        T b = n->in[1 - k];
        if (!is(m, &nilu_op_mul) || !base_same_shape(m->out[0].shape, n->out[0].shape) || base_count(b->shape) * SPREAD >= base_count(n->out[0].shape))
            continue;
        for (int j = 0; j < 2; j++)
            if (base_same_shape(m->in[1 - j]->shape, n->out[0].shape) && base_same_shape(m->in[j]->shape, b->shape))
                return nilu_mul(m->in[1 - j], nilu_mul(m->in[j], b));
    }
    return NULL;
}

static T (*const rules[])(nilu_node *n) = {known, by_number, nothing, spread_twice, small_first, rewrite_factor_out};

static void follow(nilu_tensor **t, T *instead, int count)
{
    while (*t && (*t)->node->id < count && (*t)->out == 0 && instead[(*t)->node->id])
        *t = instead[(*t)->node->id];
}

static nilu_status sweep(rewrite_job *job, bool *changed)
{
    nilu_graph *g = job->g;
    int count = g->nnode;
    T *instead = base_calloc(g->nl, (size_t)count + 1, sizeof *instead);
    if (!instead)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < count && g->status == NILU_OK; i++) {
        nilu_node *n = g->node[i];
        for (int k = 0; k < n->nin; k++)
            follow(&n->in[k], instead, count);
        if (n->op->leaf)
            continue;
        g->origin = n->origin;
        for (size_t r = 0; r < COUNT(rules) && !instead[i] && g->status == NILU_OK; r++)
            instead[i] = rules[r](n);
        g->origin = NULL;
        if (!instead[i])
            continue;
        *changed = true;
        nilu_node *fresh = instead[i]->node;
        if (fresh->id >= count) { /* the new node takes over the name */
            char *name = fresh->name;
            fresh->name = n->name;
            n->name = name;
            fresh->where = n->where;
        }
    }
    for (int i = 0; i < count; i++)
        follow(&g->node[i]->assigned, instead, count);
    for (int i = 0; i < job->nfetch; i++)
        follow(&job->fetch[i], instead, count);
    base_free(g->nl, instead);
    NILU_TRY(graph_report(g));
    return rewrite_tidy(job);
}

nilu_status rewrite_simplify(rewrite_job *job)
{
    for (bool changed = true; changed;) {
        changed = false;
        NILU_TRY(sweep(job, &changed));
    }
    return NILU_OK;
}

#define FOLD_BYTES 4096

nilu_status rewrite_fold(rewrite_job *job)
{
    for (int i = 0; i < job->g->nnode; i++) {
        nilu_node *n = job->g->node[i];
        int64_t count = base_count(n->out[0].shape);
        size_t bytes = (size_t)count * nilu_dtype_size(n->out[0].dtype);
        if (!is(n, &nilu_op_fill) || bytes > FOLD_BYTES)
            continue;
        double value = real_attr(n, "value");
        n->data = graph_alloc(job->g, bytes + 1);
        if (!n->data)
            return job->g->status;
        for (int64_t k = 0; k < count; k++)
            base_store(n->out[0].dtype, n->data, k, value);
        n->op = &graph_op_constant;
    }
    return NILU_OK;
}
