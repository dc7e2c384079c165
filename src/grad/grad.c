/* The journey back. The error starts at y and is walked through the nodes in the reverse of the order in which they were
 * made; each node's rule turns the error at its outputs into the errors at its inputs, and errors that reach a value by
 * several ways are added. Only nodes between y and what was asked for are visited, so nothing is built for the first
 * layer's input or below frozen layers. */
#include "ops/ops.h"

#include <string.h>

/* The walk's notes on the nodes that existed before it. */
typedef struct walk {
    nilu_graph *g;
    int count;                              /* nodes up to y */
    bool *leads;                            /* does the node depend on anything that was asked for? */
    nilu_tensor *(*error)[GRAPH_MAX_OUT];   /* what has reached each output so far */
} walk;

static bool takes_error(const nilu_node *n, int i)
{
    return (i >= 6 || !n->op->nodiff[i]) && base_is_float(n->in[i]->dtype);
}

static void mark(walk *w, int n, nilu_tensor *const *wrt)
{
    for (int i = 0; i < n; i++)
        if (wrt[i]->node->id < w->count)
            w->leads[wrt[i]->node->id] = true;
    for (int id = 0; id < w->count; id++) {
        const nilu_node *node = w->g->node[id];
        for (int k = 0; k < node->nin && !w->leads[id]; k++)
            w->leads[id] = w->leads[node->in[k]->node->id] && takes_error(node, k);
    }
}

static void arrive(walk *w, nilu_tensor *at, nilu_tensor *error)
{
    nilu_tensor **sum = &w->error[at->node->id][at->out];
    *sum = *sum ? nilu_add(*sum, error) : error;
}

/* The error at a node's first output is complete: it gets its name, unless it is a node of another's that was passed on. */
static void christen(walk *w, const nilu_node *n)
{
    nilu_tensor *error = w->error[n->id][0];
    if (!error || error->node->id < w->count || strncmp(error->node->name, "delta/", 6) != 0 ||
        !strchr(error->node->name, '~'))
        return;
    char name[600];
    snprintf(name, sizeof name, "%s/%s", strcmp(n->op->name, "param") == 0 ? "grad" : "delta", n->name);
    nilu_named(error, name);
}

static nilu_status visit(walk *w, const nilu_node *n)
{
    nilu_graph *g = w->g;
    bool reached = false, wanted = false, need[GRAPH_MAX_IN];
    nilu_tensor *din[GRAPH_MAX_IN] = {0};
    for (int i = 0; i < n->nout; i++)
        reached |= w->error[n->id][i] != NULL;
    if (!reached || !w->leads[n->id])
        return NILU_OK;
    christen(w, n);
    for (int i = 0; i < n->nin; i++)
        wanted |= need[i] = takes_error(n, i) && w->leads[n->in[i]->node->id];
    if (!wanted)
        return NILU_OK;
    if (!n->op->grad)
        return graph_fail(g, NILU_E_NO_GRADIENT, N_("%s: the error cannot pass %s, because %s; use nilu_stop_gradient before it or ask for other gradients"),
                          n->name, n->op->name, n->op->no_gradient ? n->op->no_gradient : "it has no gradient rule");
    char naming[600];
    snprintf(naming, sizeof naming, "delta/%s~", n->name);
    nilu_back b = {.g = g, .node = n, .attr = n->attr, .nin = n->nin, .nout = n->nout, .in = n->in, .need = need, .din = din};
    for (int i = 0; i < n->nout; i++) {
        b.out[i] = (nilu_tensor *)&n->out[i];
        b.dout[i] = w->error[n->id][i];
    }
    const nilu_node *outer = g->origin;
    g->origin = n;
    g->naming = naming;
    n->op->grad(&b);
    for (int i = 0; i < n->nin && g->status == NILU_OK; i++) {
        if (!need[i] || !din[i])
            continue;
        if (!base_same_shape(din[i]->shape, n->in[i]->shape) || din[i]->dtype != n->in[i]->dtype)
            graph_fail(g, NILU_E_GRAPH, N_("%s: the rule of %s gives input %d an error of another shape or type"), n->name,
                       n->op->name, i + 1);
        else
            arrive(w, n->in[i], din[i]);
    }
    g->naming = NULL;
    g->origin = outer;
    return g->status;
}

nilu_status nilu_grad_from(nilu_tensor *y, nilu_tensor *dy, int n, nilu_tensor *const *wrt, nilu_tensor **grads)
{
    for (int i = 0; i < n; i++)
        grads[i] = NULL;
    nilu_graph *g = y ? y->node->g : NULL;
    for (int i = 0; i < n && !g; i++)
        g = wrt[i] ? wrt[i]->node->g : NULL;
    if (!g)
        return NILU_E_GRAPH;
    NILU_TRY(graph_report(g));
    bool missing = !y || !dy;
    for (int i = 0; i < n; i++)
        missing |= !wrt[i];
    if (missing)
        return graph_fail(g, NILU_E_GRAPH, N_("nilu_grad: a tensor is missing (NULL); pass the tensors of earlier calls"));
    if (!base_is_float(y->dtype))
        return graph_fail(g, NILU_E_DTYPE, N_("nilu_grad: %s is %s; only an f32, f64 or bf16 value has an error"),
                          y->node->name, nilu_dtype_name(y->dtype));
    if (dy->dtype != y->dtype || !base_same_shape(dy->shape, y->shape))
        return graph_fail(g, NILU_E_SHAPE, N_("nilu_grad: the error given for %s must have its type and shape"), y->node->name);
    for (int i = 0; i < n; i++)
        if (!base_is_float(wrt[i]->dtype))
            return graph_fail(g, NILU_E_DTYPE, N_("nilu_grad: %s is %s; only an f32, f64 or bf16 value has a gradient"),
                              wrt[i]->node->name, nilu_dtype_name(wrt[i]->dtype));

    walk w = {.g = g, .count = y->node->id + 1};
    char scope[sizeof g->scope];
    memcpy(scope, g->scope, sizeof scope);
    g->scope[0] = 0; /* names of the way back are made of the forward nodes' full names */
    w.leads = base_calloc(g->nl, (size_t)w.count, sizeof *w.leads);
    w.error = base_calloc(g->nl, (size_t)w.count, sizeof *w.error);
    nilu_status status = w.leads && w.error ? NILU_OK : graph_fail(g, NILU_E_NO_MEMORY, "%s", nilu_errmsg(g->nl));
    if (status == NILU_OK) {
        mark(&w, n, wrt);
        arrive(&w, y, dy);
        for (int id = w.count - 1; id >= 0 && status == NILU_OK; id--)
            status = visit(&w, g->node[id]);
    }
    for (int i = 0; i < n && status == NILU_OK; i++) {
        nilu_tensor *error = wrt[i]->node->id < w.count ? w.error[wrt[i]->node->id][wrt[i]->out] : NULL;
        grads[i] = error ? error : nilu_fill(g, wrt[i]->dtype, wrt[i]->shape, 0);
    }
    base_free(g->nl, w.leads);
    base_free(g->nl, w.error);
    memcpy(g->scope, scope, sizeof scope);
    return graph_report(g);
}

/* How the error is born: d y / d y = 1. */
static nilu_tensor *birth(nilu_tensor *y)
{
    nilu_graph *g = y->node->g;
    char first = g->scope[0];
    g->scope[0] = 0;
    g->naming = "delta/~";
    nilu_tensor *one = nilu_fill(g, y->dtype, y->shape, 1);
    g->naming = NULL;
    g->scope[0] = first;
    return one;
}

nilu_status nilu_grad(nilu_tensor *y, int n, nilu_tensor *const *wrt, nilu_tensor **grads)
{
    if (y && base_count(y->shape) != 1) {
        char dims[BASE_SHAPE_TEXT];
        return graph_fail(y->node->g, NILU_E_SHAPE,
                          N_("nilu_grad: %s is %s, but the start must be one number; take its mean or sum first, or give its error to nilu_grad_from"),
                          y->node->name, base_shape_text(y->shape, dims));
    }
    return nilu_grad_from(y, y ? birth(y) : NULL, n, wrt, grads);
}

int nilu_params_of(nilu_tensor *y, int room, nilu_tensor **out)
{
    if (!y)
        return 0;
    nilu_graph *g = y->node->g;
    int n = 0;
    bool *seen = base_calloc(g->nl, (size_t)y->node->id + 1, sizeof *seen);
    if (!seen) {
        graph_fail(g, NILU_E_NO_MEMORY, "%s", nilu_errmsg(g->nl));
        return 0;
    }
    seen[y->node->id] = true;
    for (int id = y->node->id; id >= 0; id--)
        for (int k = 0; seen[id] && k < g->node[id]->nin && g->node[id]->op != &nilu_op_stop_gradient; k++)
            seen[g->node[id]->in[k]->node->id] = true;
    for (int id = 0; id <= y->node->id; id++)
        if (seen[id] && g->node[id]->op == &graph_op_param && !g->node[id]->frozen) {
            if (n < room)
                out[n] = &g->node[id]->out[0];
            n++;
        }
    base_free(g->nl, seen);
    return n;
}
