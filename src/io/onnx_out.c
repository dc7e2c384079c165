/* The walk over a graph, and the messages of its file. Messages live in the writer's pool and are packed at the end. */
#include "io/onnx_out.h"

#include <string.h>

#define OPSET 20
#define IR_VERSION 9

static void *keep(onnx_writer *w, size_t bytes)
{
    void *p = w->status == NILU_OK ? onnx_keep(&w->pool, bytes) : NULL;
    if (!p && w->status == NILU_OK)
        w->status = NILU_E_NO_MEMORY;
    return p;
}

static char *keep_text(onnx_writer *w, const char *text)
{
    char *copy = keep(w, strlen(text) + 1);
    if (copy)
        memcpy(copy, text, strlen(text) + 1);
    return copy;
}

void onnx_out_fail(onnx_writer *w, const nilu_node *n, const char *why)
{
    if (w->status == NILU_OK)
        w->status = base_fail(w->nl, NILU_E_UNSUPPORTED, N_("%s (%s): cannot be written as ONNX: %s"), n->name,
                              n->op->name, base_text(why));
}

const char *onnx_out_name(onnx_writer *w, const nilu_tensor *t)
{
    char name[600];
    if (t->out == 0)
        return t->node->name;
    snprintf(name, sizeof name, "%.550s:%d", t->node->name, t->out);
    char *copy = keep_text(w, name);
    return copy ? copy : "";
}

/* ---- nodes and attributes */

Onnx__NodeProto *onnx_out_node(onnx_writer *w, const char *op, int n, const char *const *in, const char *out)
{
    Onnx__NodeProto *node = keep(w, sizeof *node);
    char **input = keep(w, (size_t)n * sizeof *input), **output = keep(w, sizeof *output), name[32];
    if (!node || !input || !output)
        return NULL;
    if (base_grow(w->nl, &w->node, &w->node_cap, w->nnode + 1, sizeof *w->node) != NILU_OK) {
        w->status = NILU_E_NO_MEMORY;
        return NULL;
    }
    onnx__node_proto__init(node);
    snprintf(name, sizeof name, "_%d", w->fresh++);
    output[0] = keep_text(w, out ? out : name);
    for (int i = 0; i < n; i++)
        input[i] = keep_text(w, in[i] ? in[i] : "");
    node->op_type = keep_text(w, op);
    node->name = output[0];
    node->n_input = (size_t)n;
    node->input = input;
    node->n_output = 1;
    node->output = output;
    w->node[w->nnode++] = node;
    return w->status == NILU_OK ? node : NULL;
}

const char *onnx_out_step(onnx_writer *w, const char *op, int n, const char *const *in, const char *out)
{
    Onnx__NodeProto *node = onnx_out_node(w, op, n, in, out);
    return node ? node->output[0] : "";
}

static Onnx__AttributeProto *attribute(onnx_writer *w, Onnx__NodeProto *node, const char *name,
                                       Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *a = node ? keep(w, sizeof *a) : NULL,
                         **list = node ? keep(w, (node->n_attribute + 1) * sizeof *list) : NULL;
    if (!a || !list)
        return NULL;
    onnx__attribute_proto__init(a);
    a->name = keep_text(w, name);
    a->has_type = true;
    a->type = type;
    if (node->n_attribute)
        memcpy(list, node->attribute, node->n_attribute * sizeof *list);
    list[node->n_attribute++] = a;
    node->attribute = list;
    return a;
}

void onnx_out_int(onnx_writer *w, Onnx__NodeProto *node, const char *name, int64_t value)
{
    Onnx__AttributeProto *a = attribute(w, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (a)
        a->has_i = true, a->i = value;
}

void onnx_out_float(onnx_writer *w, Onnx__NodeProto *node, const char *name, double value)
{
    Onnx__AttributeProto *a = attribute(w, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    if (a)
        a->has_f = true, a->f = (float)value;
}

void onnx_out_text(onnx_writer *w, Onnx__NodeProto *node, const char *name, const char *value)
{
    Onnx__AttributeProto *a = attribute(w, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    char *copy = a ? keep_text(w, value) : NULL;
    if (copy)
        a->has_s = true, a->s = (ProtobufCBinaryData){strlen(copy), (uint8_t *)copy};
}

void onnx_out_ints(onnx_writer *w, Onnx__NodeProto *node, const char *name, int n, const int64_t *at)
{
    Onnx__AttributeProto *a = attribute(w, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    int64_t *copy = a ? keep(w, (size_t)n * sizeof *copy) : NULL;
    if (!copy)
        return;
    memcpy(copy, at, (size_t)n * sizeof *copy);
    a->n_ints = (size_t)n;
    a->ints = copy;
}

/* ---- values */

static void initial(onnx_writer *w, const char *name, nilu_dtype dtype, nilu_shape shape, const void *data)
{
    Onnx__TensorProto *t = keep(w, sizeof *t);
    size_t bytes = (size_t)base_count(shape) * nilu_dtype_size(dtype);
    int64_t *dims = keep(w, (size_t)shape.rank * sizeof *dims);
    uint8_t *copy = keep(w, bytes);
    if (!t || !dims || !copy)
        return;
    if (base_grow(w->nl, &w->initial, &w->initial_cap, w->ninitial + 1, sizeof *w->initial) != NILU_OK) {
        w->status = NILU_E_NO_MEMORY;
        return;
    }
    onnx__tensor_proto__init(t);
    if (bytes)
        memcpy(copy, data, bytes);
    memcpy(dims, shape.dim, (size_t)shape.rank * sizeof *dims);
    t->name = keep_text(w, name);
    t->has_data_type = true;
    t->data_type = onnx_type(dtype);
    t->n_dims = (size_t)shape.rank;
    t->dims = dims;
    t->has_raw_data = true;
    t->raw_data = (ProtobufCBinaryData){bytes, copy};
    w->initial[w->ninitial++] = t;
}

const char *onnx_out_constant(onnx_writer *w, nilu_dtype dtype, nilu_shape shape, const void *data)
{
    char name[32];
    snprintf(name, sizeof name, "_%d", w->fresh++);
    initial(w, name, dtype, shape, data);
    return w->status == NILU_OK ? w->initial[w->ninitial - 1]->name : "";
}

const char *onnx_out_whole(onnx_writer *w, int n, const int64_t *at)
{
    return onnx_out_constant(w, NILU_I64, NILU_SHAPE(n), at);
}

const char *onnx_out_scalar(onnx_writer *w, nilu_dtype dtype, double value)
{
    char data[8];
    base_store(dtype, data, 0, value);
    return onnx_out_constant(w, dtype, NILU_SCALAR, data);
}

static Onnx__ValueInfoProto *port(onnx_writer *w, const char *name, const nilu_tensor *t)
{
    Onnx__ValueInfoProto *v = keep(w, sizeof *v);
    Onnx__TypeProto *type = keep(w, sizeof *type);
    Onnx__TypeProto__Tensor *tensor = keep(w, sizeof *tensor);
    Onnx__TensorShapeProto *shape = keep(w, sizeof *shape);
    Onnx__TensorShapeProto__Dimension **dim = keep(w, NILU_MAX_RANK * sizeof *dim);
    if (!v || !type || !tensor || !shape || !dim)
        return NULL;
    onnx__value_info_proto__init(v);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(tensor);
    onnx__tensor_shape_proto__init(shape);
    for (int d = 0; d < t->shape.rank; d++) {
        dim[d] = keep(w, sizeof *dim[d]);
        if (!dim[d])
            return NULL;
        onnx__tensor_shape_proto__dimension__init(dim[d]);
        bool free_one = w->batch && t->shape.dim[d] == w->batch;
        dim[d]->value_case = free_one ? ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM
                                      : ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        if (free_one)
            dim[d]->dim_param = keep_text(w, "n");
        else
            dim[d]->dim_value = t->shape.dim[d];
    }
    shape->n_dim = (size_t)t->shape.rank;
    shape->dim = dim;
    tensor->has_elem_type = true;
    tensor->elem_type = onnx_type(t->dtype);
    tensor->shape = shape;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    v->name = keep_text(w, name);
    v->type = type;
    return v;
}

/* ---- the walk */

static void write_node(onnx_writer *w, const nilu_node *n)
{
    const char *in[GRAPH_MAX_IN];
    for (const onnx_out_row *r = onnx_out_rows; r->op; r++) {
        if (strcmp(r->op, n->op->name) != 0)
            continue;
        for (int i = 0; i < n->nin; i++)
            in[i] = onnx_out_name(w, n->in[i]);
        if (r->write)
            r->write(w, n);
        else if (r->named)
            r->named(w, n, r->name);
        else
            onnx_out_node(w, r->name, n->nin, in, n->name);
        return;
    }
    onnx_out_fail(w, n, N_("the format has no such op"));
}

static void write_leaf(onnx_writer *w, const nilu_node *n, const nilu_store *store)
{
    const nilu_tensor *t = &n->out[0];
    if (n->op == &graph_op_constant)
        initial(w, n->name, t->dtype, t->shape, n->data);
    else if (n->op == &graph_op_param || n->op == &graph_op_state) {
        const nilu_value *v = nilu_store_find(store, n->name);
        if (!v || v->dtype != t->dtype || !base_same_shape(v->shape, t->shape))
            onnx_out_fail(w, n, N_("the store has no such value"));
        else
            initial(w, n->name, v->dtype, v->shape, v->data);
    }
}

static void mark(const nilu_node *n, bool *live)
{
    live[n->id] = true;
}

/* Nodes stand in an order in which they can be run, so one pass backwards finds what is needed. */
static bool *live_nodes(onnx_writer *w, const nilu_graph *g, int n, nilu_tensor *const *y)
{
    bool *live = keep(w, (size_t)g->nnode);
    for (int i = 0; live && i < n; i++)
        mark(y[i]->node, live);
    for (int i = g->nnode - 1; live && i >= 0; i--)
        for (int k = 0; live[i] && k < g->node[i]->nin; k++)
            mark(g->node[i]->in[k]->node, live);
    return live;
}

nilu_status onnx_pack(nilu *nl, const Onnx__ModelProto *model, const char *path)
{
    base_output o;
    size_t bytes = onnx__model_proto__get_packed_size(model);
    if (bytes > ((size_t)1 << 31) - 1)
        return base_fail(nl, NILU_E_UNSUPPORTED, N_("%s: the model takes %zu bytes; an ONNX file has at most 2 GiB"),
                         path, bytes);
    uint8_t *packed = base_alloc(nl, bytes + 1);
    if (!packed)
        return NILU_E_NO_MEMORY;
    onnx__model_proto__pack(model, packed);
    nilu_status status = base_create(nl, path, &o);
    if (status == NILU_OK) {
        base_write(&o, packed, bytes);
        status = base_commit(&o);
    }
    base_free(nl, packed);
    return status;
}

static nilu_status pack(onnx_writer *w, Onnx__GraphProto *graph, const char *path)
{
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets[1] = {&opset};
    char producer[] = "nilu", version[] = NILU_VERSION, domain[] = "";
    opset.domain = domain;
    opset.has_version = true;
    opset.version = OPSET;
    model.has_ir_version = true;
    model.ir_version = IR_VERSION;
    model.producer_name = producer;
    model.producer_version = version;
    model.n_opset_import = 1;
    model.opset_import = opsets;
    model.graph = graph;
    return onnx_pack(w->nl, &model, path);
}

nilu_status nilu_onnx_write(nilu_graph *g, int n, nilu_tensor *const *y, const nilu_store *store, int64_t batch,
                            const char *path)
{
    onnx_writer w = {.nl = g->nl, .pool = {.nl = g->nl, .limit = SIZE_MAX}, .batch = batch, .status = nilu_graph_status(g)};
    Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
    if (w.status != NILU_OK)
        return graph_report(g);
    bool *live = live_nodes(&w, g, n, y);
    Onnx__ValueInfoProto **in = keep(&w, (size_t)g->nnode * sizeof *in), **out = keep(&w, (size_t)n * sizeof *out);
    char name[] = "nilu";
    for (int i = 0; i < g->nnode && w.status == NILU_OK; i++) {
        const nilu_node *node = g->node[i];
        if (!live[i])
            continue;
        if (node->op == &graph_op_input)
            in[graph.n_input++] = port(&w, node->name, &node->out[0]);
        else if (node->op->leaf)
            write_leaf(&w, node, store);
        else
            write_node(&w, node);
    }
    for (int i = 0; i < n && w.status == NILU_OK; i++)
        out[i] = port(&w, onnx_out_name(&w, y[i]), y[i]);
    if (w.status == NILU_OK) {
        graph.name = name;
        graph.n_node = (size_t)w.nnode;
        graph.node = w.node;
        graph.n_initializer = (size_t)w.ninitial;
        graph.initializer = w.initial;
        graph.input = in;
        graph.n_output = (size_t)n;
        graph.output = out;
        w.status = pack(&w, &graph, path);
    }
    base_free(w.nl, w.node);
    base_free(w.nl, w.initial);
    onnx_pool_free(&w.pool);
    return w.status;
}
