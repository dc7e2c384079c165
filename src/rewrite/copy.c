/* The plan's own copy of the part of a graph that will be run. Everything that neither a fetch nor an assignment needs
 * stays behind: that is the dead code. Names are kept; f32 may become f64 on the way, which is how a net is computed in
 * double without being built again. */
#include "rewrite/rewrite.h"

#include <string.h>

typedef struct copy {
    nilu_graph *from, *to;
    bool recast;
    bool *live;
    nilu_node **twin; /* of each node of `from` */
} copy;

static nilu_dtype dtype_of(const copy *c, nilu_dtype dtype)
{
    return c->recast && dtype == NILU_F32 ? NILU_F64 : dtype;
}

static nilu_tensor *twin_of(const copy *c, const nilu_tensor *t)
{
    return &c->twin[t->node->id]->out[t->out];
}

/* Marks what is needed, from the end to the start; assignments of live states are needed too, so this is repeated
 * until nothing is added. */
static void mark(copy *c, int n, nilu_tensor *const *fetch)
{
    nilu_graph *g = c->from;
    for (int i = 0; i < n; i++)
        c->live[fetch[i]->node->id] = true;
    for (int id = 0; id < g->nnode; id++)
        if (g->node[id]->assigned)
            c->live[id] = c->live[g->node[id]->assigned->node->id] = true;
    for (int id = g->nnode - 1; id >= 0; id--)
        for (int k = 0; c->live[id] && k < g->node[id]->nin; k++)
            c->live[g->node[id]->in[k]->node->id] = true;
}

static nilu_status copy_leaf(copy *c, const nilu_node *n)
{
    nilu_graph *to = c->to;
    nilu_tensor *t = graph_leaf(to, n->op, n->name, n->attr, dtype_of(c, n->out[0].dtype), n->out[0].shape);
    if (!t)
        return to->status;
    t->node->init = n->init;
    t->node->begin = n->begin;
    t->node->begin_dtype = n->begin_dtype;
    t->node->frozen = n->frozen;
    c->twin[n->id] = t->node;
    if (!n->data)
        return NILU_OK;
    int64_t count = base_count(t->shape);
    size_t bytes = (size_t)count * nilu_dtype_size(t->dtype);
    t->node->data = graph_alloc(to, bytes ? bytes : 1);
    if (!t->node->data)
        return to->status;
    if (t->dtype == n->out[0].dtype)
        memcpy(t->node->data, n->data, bytes);
    else
        for (int64_t i = 0; i < count; i++)
            base_store(t->dtype, t->node->data, i, base_load(n->out[0].dtype, n->data, i));
    return NILU_OK;
}

static nilu_status copy_node(copy *c, const nilu_node *n)
{
    nilu_graph *to = c->to;
    nilu_tensor *in[GRAPH_MAX_IN];
    unsigned char attr[GRAPH_MAX_ATTR] = {0};
    if (n->op->attr_size)
        memcpy(attr, n->attr, n->op->attr_size);
    for (const graph_field *f = n->op->fields; c->recast && f < n->op->fields + GRAPH_MAX_FIELDS && f->name; f++)
        if (f->kind == FIELD_DTYPE) {
            nilu_dtype *dtype = (nilu_dtype *)(void *)(attr + f->offset);
            *dtype = dtype_of(c, *dtype);
        }
    for (int k = 0; k < n->nin; k++)
        in[k] = twin_of(c, n->in[k]);
    to->naming = n->name;
    to->where = n->where ? (char *)n->where : NULL;
    to->origin = n->origin && c->live[n->origin->id] ? c->twin[n->origin->id] : NULL;
    nilu_tensor *t = n->nin ? graph_node(n->op, n->nin, in, attr) : graph_source(to, n->op, attr);
    to->naming = NULL;
    to->where = NULL;
    to->origin = NULL;
    if (!t)
        return to->status;
    c->twin[n->id] = t->node;
    if (n->where) {
        nilu_birthplace(to, n->where);
        t->node->where = to->where;
        to->where = NULL;
    }
    return NILU_OK;
}

/* The counter of steps counts, unless the program counts itself. */
static void count_steps(copy *c)
{
    nilu_tensor *step = c->from->step;
    if (!step || !c->live[step->node->id])
        return;
    c->to->step = twin_of(c, step);
    if (step->node->assigned)
        return;
    nilu_tensor *one = nilu_constant(c->to, NILU_I64, NILU_SCALAR, &(int64_t){1});
    nilu_assign(c->to->step, nilu_named(nilu_add(c->to->step, one), "step+1"));
}

nilu_status rewrite_copy(nilu_graph *g, int n, nilu_tensor *const *fetch, bool recast, nilu_graph **out,
                         nilu_tensor **fetched)
{
    copy c = {.from = g, .recast = recast, .to = nilu_graph_new(g->nl)};
    *out = NULL;
    nilu_status status = NILU_E_NO_MEMORY;
    if (!c.to)
        return status;
    c.live = base_calloc(g->nl, (size_t)g->nnode + 1, sizeof *c.live);
    c.twin = base_calloc(g->nl, (size_t)g->nnode + 1, sizeof *c.twin);
    if (!c.live || !c.twin)
        goto cleanup;
    mark(&c, n, fetch);
    status = NILU_OK;
    for (int id = 0; id < g->nnode && status == NILU_OK; id++)
        if (c.live[id])
            status = g->node[id]->op->leaf ? copy_leaf(&c, g->node[id]) : copy_node(&c, g->node[id]);
    for (int id = 0; id < g->nnode && status == NILU_OK; id++)
        if (c.live[id] && g->node[id]->assigned)
            nilu_assign(twin_of(&c, &g->node[id]->out[0]), twin_of(&c, g->node[id]->assigned));
    if (status == NILU_OK)
        count_steps(&c);
    status = graph_report(c.to);
    for (int i = 0; i < n && status == NILU_OK; i++)
        fetched[i] = twin_of(&c, fetch[i]);
cleanup:
    base_free(g->nl, c.live);
    base_free(g->nl, c.twin);
    if (status == NILU_OK)
        *out = c.to;
    else
        nilu_graph_free(c.to);
    return status;
}
