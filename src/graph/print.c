/* A graph as text for people, as DOT for graphviz, as mermaid for a page; and its invariants, checked. */
#include "graph/graph.h"

#include <string.h>

void nilu_text_free(nilu *nl, char *text)
{
    base_free(nl, text);
}

static nilu_status print_text(nilu *nl, const nilu_graph *g, base_buffer *b)
{
    char dims[BASE_SHAPE_TEXT];
    for (int i = 0; i < g->nnode; i++) {
        const nilu_node *n = g->node[i];
        NILU_TRY(base_appendf(nl, b, "%s = %s(", n->name, n->op->name));
        for (int k = 0; k < n->nin; k++)
            NILU_TRY(base_appendf(nl, b, n->in[k]->out ? "%s%s.%d" : "%s%s", k ? ", " : "", n->in[k]->node->name,
                                  n->in[k]->out));
        base_buffer attr = {0};
        nilu_status status = n->attr ? graph_attr_text(nl, n->op, n->attr, &attr) : NILU_OK;
        if (status == NILU_OK && attr.len)
            status = base_appendf(nl, b, n->nin ? "; %s" : "%s", attr.at);
        base_free(nl, attr.at);
        NILU_TRY(status);
        NILU_TRY(base_appendf(nl, b, ")"));
        for (int k = 0; k < n->nout; k++)
            NILU_TRY(base_appendf(nl, b, "%s %s %s", k ? "," : " ->", nilu_dtype_name(n->out[k].dtype),
                                  base_shape_text(n->out[k].shape, dims)));
        NILU_TRY(base_appendf(nl, b, "\n"));
        if (n->assigned)
            NILU_TRY(base_appendf(nl, b, "    %s takes %s\n", n->name, n->assigned->node->name));
    }
    return NILU_OK;
}

/* A node belongs to the journey back if a gradient rule made it. */
static const char *colour(const nilu_node *n)
{
    return n->op->leaf ? "#dbe9f6" : n->origin ? "#f6d5d5" : "#ffffff";
}

static nilu_status print_dot(nilu *nl, const nilu_graph *g, base_buffer *b)
{
    char dims[BASE_SHAPE_TEXT];
    NILU_TRY(base_appendf(nl, b, "digraph nilu {\n    node [shape=box, style=filled, fontname=\"sans-serif\", fontsize=11];\n"));
    for (int i = 0; i < g->nnode; i++) {
        const nilu_node *n = g->node[i];
        NILU_TRY(base_appendf(nl, b, "    n%d [label=\"%s\\n%s %s\", fillcolor=\"%s\"];\n", i, n->name, n->op->name,
                              base_shape_text(n->out[0].shape, dims), colour(n)));
        for (int k = 0; k < n->nin; k++)
            NILU_TRY(base_appendf(nl, b, "    n%d -> n%d%s;\n", n->in[k]->node->id, i,
                                  n->origin ? " [color=\"#b03030\"]" : ""));
        if (n->assigned)
            NILU_TRY(base_appendf(nl, b, "    n%d -> n%d [style=dashed];\n", n->assigned->node->id, i));
    }
    return base_appendf(nl, b, "}\n");
}

static nilu_status print_mermaid(nilu *nl, const nilu_graph *g, base_buffer *b)
{
    char dims[BASE_SHAPE_TEXT];
    NILU_TRY(base_appendf(nl, b, "graph TD\n"));
    for (int i = 0; i < g->nnode; i++) {
        const nilu_node *n = g->node[i];
        NILU_TRY(base_appendf(nl, b, "    n%d[\"%s<br>%s %s\"]\n", i, n->name, n->op->name,
                              base_shape_text(n->out[0].shape, dims)));
        for (int k = 0; k < n->nin; k++)
            NILU_TRY(base_appendf(nl, b, "    n%d --> n%d\n", n->in[k]->node->id, i));
        if (n->assigned)
            NILU_TRY(base_appendf(nl, b, "    n%d -.-> n%d\n", n->assigned->node->id, i));
    }
    return NILU_OK;
}

char *nilu_graph_text(nilu_graph *g, const char *format)
{
    static const char *const names[] = {"text", "dot", "mermaid"};
    static nilu_status (*const print[])(nilu *, const nilu_graph *, base_buffer *) = {print_text, print_dot, print_mermaid};
    base_buffer b = {0};
    nilu_status status = NILU_E_USAGE;
    size_t i = 0;
    while (i < COUNT(names) && strcmp(names[i], format) != 0)
        i++;
    if (i < COUNT(names)) {
        status = base_append(g->nl, &b, "", 0);
        if (status == NILU_OK)
            status = print[i](g->nl, g, &b);
    } else {
        base_fail(g->nl, status, N_("nilu_graph_text: no format \"%s\"; use text, dot or mermaid"), format);
    }
    if (status == NILU_OK)
        return b.at;
    base_free(g->nl, b.at);
    return NULL;
}

nilu_status graph_verify(nilu_graph *g)
{
    for (int i = 0; i < g->nnode; i++) {
        const nilu_node *n = g->node[i];
        if (n->id != i)
            return base_fail(g->nl, NILU_E_GRAPH, N_("%s: stands at %d but says %d"), n->name, i, n->id);
        for (int k = 0; k < n->nin; k++)
            if (n->in[k]->node->g != g || n->in[k]->node->id >= i)
                return base_fail(g->nl, NILU_E_GRAPH, N_("%s: its input %s does not stand before it"), n->name,
                                 n->in[k]->node->name);
        if (n->assigned && (n->assigned->dtype != n->out[0].dtype || !base_same_shape(n->assigned->shape, n->out[0].shape)))
            return base_fail(g->nl, NILU_E_GRAPH, N_("%s: takes a value of another type or shape"), n->name);
    }
    return NILU_OK;
}
