/* A graph is built, node by node. Nodes, names and attributes live in blocks that are freed with the graph. */
#include "graph/graph.h"

#include <string.h>

#define BLOCK_BYTES 16384

struct graph_block {
    struct graph_block *next;
    size_t used, size;
    char bytes[];
};

struct graph_guest {
    void *of;
    void (*release)(void *of);
    struct graph_guest *next;
};

void *graph_alloc(nilu_graph *g, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    struct graph_block *b = g->block;
    if (!b || b->size - b->used < bytes) {
        size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        b = base_alloc(g->nl, sizeof *b + 16 + size);
        if (!b) {
            graph_fail(g, NILU_E_NO_MEMORY, "%s", nilu_errmsg(g->nl));
            return NULL;
        }
        *b = (struct graph_block){.next = g->block, .size = size};
        g->block = b;
    }
    char *at = (char *)(((uintptr_t)b->bytes + 15) & ~(uintptr_t)15) + b->used;
    b->used += bytes;
    return memset(at, 0, bytes);
}

static char *copy_text(nilu_graph *g, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = graph_alloc(g, n);
    return copy ? memcpy(copy, text, n) : NULL;
}

nilu_graph *nilu_graph_new(nilu *nl)
{
    nilu_graph *g = base_calloc(nl, 1, sizeof *g);
    if (g)
        g->nl = nl;
    return g;
}

void nilu_graph_free(nilu_graph *g)
{
    if (!g)
        return;
    for (struct graph_guest *guest = g->guest; guest; guest = guest->next)
        guest->release(guest->of);
    for (struct graph_block *b = g->block, *next; b; b = next) {
        next = b->next;
        base_free(g->nl, b);
    }
    base_free(g->nl, g->node);
    base_free(g->nl, g->by_name);
    base_free(g->nl, g);
}

nilu_status graph_hold(nilu_graph *g, void *of, void (*release)(void *of))
{
    struct graph_guest *guest = graph_alloc(g, sizeof *guest);
    if (!guest) {
        release(of);
        return graph_report(g);
    }
    *guest = (struct graph_guest){of, release, g->guest};
    g->guest = guest;
    return NILU_OK;
}

nilu_status graph_fail(nilu_graph *g, nilu_status status, const char *format, ...)
{
    if (g->status != NILU_OK)
        return g->status;
    va_list args;
    va_start(args, format);
    base_vfail(g->nl, status, format, args);
    va_end(args);
    g->status = status;
    memcpy(g->message, g->nl->message, sizeof g->message);
    return status;
}

nilu_status graph_report(nilu_graph *g)
{
    if (g->status != NILU_OK)
        base_fail(g->nl, g->status, "%s", g->message);
    return g->status;
}

nilu_status nilu_graph_status(const nilu_graph *g)
{
    return graph_report((nilu_graph *)g); /* writes to the context alone */
}

/* ---- names: unique, found through an open hash table of node ids + 1 */

static int *slot_of(const nilu_graph *g, const char *name)
{
    size_t mask = (size_t)g->by_name_cap - 1, i = base_hash_text(name) & mask;
    while (g->by_name[i] && strcmp(g->node[g->by_name[i] - 1]->name, name) != 0)
        i = (i + 1) & mask;
    return &g->by_name[i];
}

/* A renamed node leaves its old entry behind, which matches no name any more but keeps the chains behind it whole. */
static nilu_status index_name(nilu_graph *g, const nilu_node *n)
{
    if (2 * (g->by_name_used + 1) > g->by_name_cap) {
        int cap = g->by_name_cap ? 2 * g->by_name_cap : 64, *old = g->by_name;
        int *fresh = base_calloc(g->nl, (size_t)cap, sizeof *fresh);
        if (!fresh)
            return graph_fail(g, NILU_E_NO_MEMORY, "%s", nilu_errmsg(g->nl));
        g->by_name = fresh;
        g->by_name_cap = cap;
        base_free(g->nl, old);
        for (int i = 0; i < g->nnode; i++)
            *slot_of(g, g->node[i]->name) = i + 1;
        g->by_name_used = g->nnode;
    }
    *slot_of(g, n->name) = n->id + 1;
    g->by_name_used++;
    return NILU_OK;
}

nilu_status graph_reindex(nilu_graph *g)
{
    base_free(g->nl, g->by_name);
    g->by_name = NULL;
    g->by_name_cap = g->by_name_used = 0;
    int cap = 64;
    while (cap < 4 * g->nnode)
        cap *= 2;
    g->by_name = base_calloc(g->nl, (size_t)cap, sizeof *g->by_name);
    if (!g->by_name)
        return NILU_E_NO_MEMORY;
    g->by_name_cap = cap;
    for (int i = 0; i < g->nnode; i++)
        *slot_of(g, g->node[i]->name) = i + 1;
    g->by_name_used = g->nnode;
    return NILU_OK;
}

static bool taken(const nilu_graph *g, const char *name)
{
    return g->by_name_cap && *slot_of(g, name);
}

/* `name` in the current scope, with a number behind it if it is taken. */
static char *fresh_name(nilu_graph *g, const char *name)
{
    char full[sizeof g->scope + 256];
    size_t n = (size_t)snprintf(full, sizeof full - 12, "%s%s", g->scope, name);
    if (n >= sizeof full - 12)
        n = sizeof full - 13;
    /* Numbers are taken one after the other, so the first free one is found by halving: a loop of many steps asks for many. */
    unsigned low = 1, high = 2; /* low is taken */
    if (!taken(g, full))
        return copy_text(g, full);
    for (; snprintf(full + n, 12, "_%u", high), taken(g, full) && high < 1u << 30; high *= 2)
        low = high;
    while (high - low > 1) {
        const unsigned middle = low + (high - low) / 2;
        snprintf(full + n, 12, "_%u", middle);
        *(taken(g, full) ? &low : &high) = middle;
    }
    snprintf(full + n, 12, "_%u", high);
    return copy_text(g, full);
}

void nilu_scope_push(nilu_graph *g, const char *name)
{
    size_t end = strlen(g->scope);
    if (g->depth == (int)COUNT(g->scope_end) || end + strlen(name) + 2 > sizeof g->scope) {
        graph_fail(g, NILU_E_NAME, N_("%s%s: scopes are nested too deeply; use shorter names"), g->scope, name);
        return;
    }
    g->scope_end[g->depth++] = (int)end;
    snprintf(g->scope + end, sizeof g->scope - end, "%s/", name);
}

void nilu_scope_pop(nilu_graph *g)
{
    if (g->depth > 0)
        g->scope[g->scope_end[--g->depth]] = 0;
    else
        graph_fail(g, NILU_E_NAME, N_("nilu_scope_pop: no scope is open; push one first"));
}

void nilu_birthplace(nilu_graph *g, const char *where)
{
    g->where = where ? copy_text(g, where) : NULL;
}

nilu_tensor *nilu_named(nilu_tensor *t, const char *name)
{
    if (!t)
        return NULL;
    char *full = fresh_name(t->node->g, name);
    if (!full)
        return NULL;
    t->node->name = full;
    if (index_name(t->node->g, t->node) != NILU_OK)
        return NULL;
    return t;
}

nilu_tensor *nilu_find(nilu_graph *g, const char *name)
{
    int *slot = g->by_name_cap ? slot_of(g, name) : NULL;
    return slot && *slot ? &g->node[*slot - 1]->out[0] : NULL;
}

nilu_graph *nilu_tensor_graph(const nilu_tensor *t)
{
    return t ? t->node->g : NULL;
}

const char *nilu_tensor_name(const nilu_tensor *t)
{
    return t ? t->node->name : "";
}

nilu_dtype nilu_tensor_dtype(const nilu_tensor *t)
{
    return t ? t->dtype : NILU_F32;
}

nilu_shape nilu_tensor_shape(const nilu_tensor *t)
{
    return t ? t->shape : NILU_SCALAR;
}

int nilu_graph_nodes(const nilu_graph *g)
{
    return g->nnode;
}

nilu_tensor *nilu_output(nilu_tensor *t, int i)
{
    return t && i >= 0 && i < t->node->nout ? &t->node->out[i] : NULL;
}

/* ---- nodes */

static nilu_node *new_node(nilu_graph *g, const nilu_op *op, const char *name, int nin, nilu_tensor *const *in,
                           const void *attr)
{
    nilu_node *n = graph_alloc(g, sizeof *n);
    nilu_tensor **inputs = nin ? graph_alloc(g, (size_t)nin * sizeof *inputs) : NULL;
    void *attributes = op->attr_size ? graph_alloc(g, op->attr_size) : NULL;
    if (!n || (nin && !inputs) || (op->attr_size && !attributes))
        return NULL;
    if (base_grow(g->nl, &g->node, &g->node_cap, g->nnode + 1, sizeof *g->node) != NILU_OK) {
        graph_fail(g, NILU_E_NO_MEMORY, "%s", nilu_errmsg(g->nl));
        return NULL;
    }
    if (attributes)
        memcpy(attributes, attr, op->attr_size);
    if (nin)
        memcpy(inputs, in, (size_t)nin * sizeof *in);
    *n = (nilu_node){.g = g, .op = op, .id = g->nnode, .where = g->where, .origin = g->origin, .attr = attributes,
                     .nin = nin, .in = inputs};
    n->name = fresh_name(g, name);
    if (!n->name || index_name(g, n) != NILU_OK)
        return NULL;
    g->node[g->nnode++] = n;
    return n;
}

static void set_outputs(nilu_node *n, int nout, const nilu_dtype *dtype, const nilu_shape *shape)
{
    n->nout = nout;
    for (int i = 0; i < nout; i++)
        n->out[i] = (nilu_tensor){.node = n, .out = i, .dtype = dtype[i], .shape = shape[i]};
}

static nilu_tensor *build(nilu_graph *g, const nilu_op *op, int nin, nilu_tensor *const *in, const void *attr)
{
    unsigned char own[GRAPH_MAX_ATTR] = {0};
    if (op->attr_size)
        memcpy(own, attr, op->attr_size);
    nilu_build b = {.g = g, .op = op, .nin = nin, .in = in, .attr = own};
    nilu_status status = op->shape(&b);
    if (status != NILU_OK) {
        if (g->status == NILU_OK)
            graph_fail(g, status, "%s", nilu_errmsg(g->nl));
        return NULL;
    }
    if (op->expand)
        return op->expand(&b);
    nilu_node *n = new_node(g, op, g->naming ? g->naming : op->name, nin, in, own);
    if (!n)
        return NULL;
    set_outputs(n, b.nout, b.dtype, b.shape);
    return &n->out[0];
}

nilu_tensor *graph_node(const nilu_op *op, int nin, nilu_tensor *const *in, const void *attr)
{
    nilu_graph *g = NULL;
    for (int i = 0; i < nin; i++)
        if (in[i])
            g = in[i]->node->g;
    if (!g || g->status != NILU_OK)
        return NULL;
    if (nin > GRAPH_MAX_IN) {
        graph_fail(g, NILU_E_GRAPH, N_("%s%s: has %d inputs, but at most %d are possible; do it in several"), g->scope, op->name,
                   nin, GRAPH_MAX_IN);
        return NULL;
    }
    for (int i = 0; i < nin; i++) {
        if (!in[i]) {
            graph_fail(g, NILU_E_GRAPH, N_("%s%s: input %d is missing (NULL); pass the tensor of an earlier call"), g->scope,
                       op->name, i + 1);
            return NULL;
        }
        if (in[i]->node->g != g) { /* whichever of them is looked at next must know */
            graph_fail(in[i]->node->g, NILU_E_GRAPH, N_("%s%s: its inputs belong to two graphs; build it in one"), g->scope, op->name);
            graph_fail(g, NILU_E_GRAPH, N_("%s%s: its inputs belong to two graphs; build it in one"), g->scope, op->name);
            return NULL;
        }
    }
    return build(g, op, nin, in, attr);
}

nilu_tensor *graph_source(nilu_graph *g, const nilu_op *op, const void *attr)
{
    return g && g->status == NILU_OK ? build(g, op, 0, NULL, attr) : NULL;
}

nilu_tensor *graph_leaf(nilu_graph *g, const nilu_op *op, const char *name, const void *attr, nilu_dtype dtype,
                        nilu_shape shape)
{
    if (!g || g->status != NILU_OK)
        return NULL;
    nilu_build b = {.g = g, .op = op};
    if (graph_out(&b, 0, dtype, shape) != NILU_OK)
        return NULL;
    nilu_node *n = new_node(g, op, name, 0, NULL, attr);
    if (!n)
        return NULL;
    set_outputs(n, 1, b.dtype, b.shape);
    return &n->out[0];
}
