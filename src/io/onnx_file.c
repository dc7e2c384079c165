/* Opening an ONNX file: read whole, its nesting limited, unpacked, its graph's inputs, outputs and initial values listed. */
#include "io/onnx.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_LIMIT ((size_t)1 << 31) /* protobuf's own limit */
#define DEPTH_LIMIT 32               /* messages within messages */
#define UNPACKED_BESIDE ((size_t)64 << 20) /* beside the file's own length: an empty node takes 2 bytes of it, and 144 unpacked */
#define OLDEST 7
#define NEWEST 27

/* ---- nesting: unpacking recurses, so a file could choose how deep. These are the messages that can hold themselves. */
enum { MODEL, GRAPH, NODE, ATTRIBUTE, FUNCTION, INFO, TYPE, WRAPPER, TRAINING, KINDS };
static const struct {
    int kind, field, inner;
} nests[] = {{MODEL, 7, GRAPH},     {MODEL, 25, FUNCTION},  {MODEL, 20, TRAINING},     {TRAINING, 1, GRAPH},
             {TRAINING, 2, GRAPH},  {GRAPH, 1, NODE},       {GRAPH, 11, INFO},         {GRAPH, 12, INFO},
             {GRAPH, 13, INFO},     {FUNCTION, 7, NODE},    {FUNCTION, 11, ATTRIBUTE}, {NODE, 5, ATTRIBUTE},
             {ATTRIBUTE, 6, GRAPH}, {ATTRIBUTE, 11, GRAPH}, {ATTRIBUTE, 14, TYPE},     {ATTRIBUTE, 15, TYPE},
             {INFO, 2, TYPE},       {TYPE, 4, WRAPPER},     {TYPE, 5, WRAPPER},        {TYPE, 9, WRAPPER},
             {WRAPPER, 1, TYPE},    {WRAPPER, 2, TYPE}};

static bool varint(const unsigned char **p, const unsigned char *end, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && *p < end; shift += 7) {
        unsigned char c = *(*p)++;
        *value |= (uint64_t)(c & 127) << shift;
        if (c < 128)
            return true;
    }
    return false;
}

/* False if the message is torn or nests too deep. */
static bool shallow(const unsigned char *p, size_t n, int kind, int depth)
{
    const unsigned char *end = p + n;
    while (p < end) {
        uint64_t key, length = 0;
        if (depth > DEPTH_LIMIT || !varint(&p, end, &key))
            return false;
        switch (key & 7) {
        case 0:
            if (!varint(&p, end, &length))
                return false;
            continue;
        case 1:
            length = 8;
            break;
        case 5:
            length = 4;
            break;
        case 2:
            if (!varint(&p, end, &length))
                return false;
            break;
        default:
            return false;
        }
        if (length > (uint64_t)(end - p))
            return false;
        for (size_t i = 0; i < COUNT(nests) && (key & 7) == 2; i++)
            if (nests[i].kind == kind && key >> 3 == (uint64_t)nests[i].field &&
                !shallow(p, (size_t)length, nests[i].inner, depth + 1))
                return false;
        p += length;
    }
    return true;
}

/* ---- protobuf-c's memory comes from the context, and not without end */
typedef struct memory {
    nilu *nl;
    size_t left;
    bool over;
} memory;

static void *give(void *user, size_t bytes)
{
    memory *m = user;
    m->over = m->over || bytes > m->left;
    if (m->over)
        return NULL;
    m->left -= bytes;
    return base_alloc(m->nl, bytes ? bytes : 1);
}

static void take(void *user, void *p)
{
    base_free(((memory *)user)->nl, p);
}

static nilu_status unpack(nilu_onnx *m)
{
    char *bytes;
    size_t n;
    NILU_TRY(base_read_file(m->nl, m->path, FILE_LIMIT, &bytes, &n));
    memory room = {m->nl, n + UNPACKED_BESIDE, false};
    ProtobufCAllocator allocator = {give, take, &room};
    m->size = n;
    m->pool = (onnx_pool){.nl = m->nl, .path = m->path, .limit = 2 * n + ONNX_BESIDE};
    nilu_status status = NILU_OK;
    if (!shallow((const unsigned char *)bytes, n, MODEL, 0))
        status = base_fail(m->nl, NILU_E_FILE_CORRUPT,
                           N_("%s: this is no sound ONNX file: it is cut off, or nested too deep"), m->path);
    if (status == NILU_OK) {
        m->model = onnx__model_proto__unpack(&allocator, n, (const uint8_t *)bytes);
        if (!m->model && room.over)
            status = base_fail(m->nl, NILU_E_FILE_CORRUPT,
                               N_("%s: this is no sound ONNX file: it unpacks to more than its length and %zu MB"), m->path,
                               UNPACKED_BESIDE >> 20);
        else if (!m->model && m->nl->status == NILU_E_NO_MEMORY)
            status = NILU_E_NO_MEMORY;
        else if (!m->model || !m->model->graph)
            status =
                base_fail(m->nl, NILU_E_FILE_CORRUPT, N_("%s: this is no sound ONNX file: it holds no graph"), m->path);
    }
    base_free(m->nl, bytes);
    return status;
}

static nilu_status versions(nilu_onnx *m)
{
    for (size_t i = 0; i < m->model->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *o = m->model->opset_import[i];
        if (!o->domain || !o->domain[0] || strcmp(o->domain, "ai.onnx") == 0)
            m->opset = o->version > 0 && o->version < 1000 ? (int)o->version : -1;
    }
    if (!m->opset)
        return base_fail(m->nl, NILU_E_UNSUPPORTED,
                         N_("%s: uses no ops of ONNX itself; other sets of ops are not supported"), m->path);
    if (m->opset < OLDEST || m->opset > NEWEST)
        return base_fail(m->nl, NILU_E_UNSUPPORTED, N_("%s: is of opset %d; opsets %d to %d can be read"), m->path,
                         m->opset, OLDEST, NEWEST);
    return NILU_OK;
}

/* ---- what goes in and comes out */

static nilu_status port_of(nilu_onnx *m, const Onnx__ValueInfoProto *v, nilu_onnx_port *p)
{
    const Onnx__TypeProto *type = v->type;
    p->name = v->name ? v->name : "";
    p->dtype = NILU_DTYPES;
    p->ranked = false;
    if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !type->tensor_type)
        return base_fail(m->nl, NILU_E_UNSUPPORTED,
                         N_("%s: \"%.80s\" is no tensor; sequences, maps and optionals are not supported"), m->path,
                         p->name);
    if (!onnx_dtype(type->tensor_type->elem_type, &p->dtype))
        return base_fail(
            m->nl, NILU_E_UNSUPPORTED,
            N_("%.300s: tensor %.80s: elements of type %s are not supported; convert it to float or int64"), m->path,
            p->name, onnx_type_name(type->tensor_type->elem_type));
    const Onnx__TensorShapeProto *shape = type->tensor_type->shape;
    if (!shape)
        return NILU_OK;
    if (shape->n_dim > NILU_MAX_RANK)
        return base_fail(m->nl, NILU_E_UNSUPPORTED, N_("%.300s: tensor %.80s has %zu dimensions; nilu has at most %d"),
                         m->path, p->name, shape->n_dim, NILU_MAX_RANK);
    p->ranked = true;
    p->shape.rank = (int)shape->n_dim;
    for (size_t d = 0; d < shape->n_dim; d++) {
        const Onnx__TensorShapeProto__Dimension *dim = shape->dim[d];
        bool fixed = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && dim->dim_value >= 0;
        p->shape.dim[d] = fixed ? dim->dim_value : -1;
    }
    return NILU_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of all initial values in order; NULL: no memory. */
static const char **initial_names(nilu_onnx *m)
{
    const char **name = onnx_keep(&m->pool, (size_t)m->ninitial * sizeof *name);
    for (int i = 0; i < m->ninitial && name; i++)
        name[i] = m->initial[i].name;
    if (name)
        qsort(name, (size_t)m->ninitial, sizeof *name, by_name);
    return name;
}

static nilu_status ports(nilu_onnx *m)
{
    const Onnx__GraphProto *g = m->model->graph;
    if (g->n_sparse_initializer)
        return base_fail(m->nl, NILU_E_UNSUPPORTED,
                         N_("%s: has sparse initial values, which are not supported; make them dense"), m->path);
    m->initial = onnx_keep(&m->pool, g->n_initializer * sizeof *m->initial);
    m->in = onnx_keep(&m->pool, g->n_input * sizeof *m->in);
    m->out = onnx_keep(&m->pool, g->n_output * sizeof *m->out);
    m->in_type = onnx_keep(&m->pool, g->n_input * sizeof *m->in_type);
    if (!m->initial || !m->in || !m->out || !m->in_type)
        return NILU_E_NO_MEMORY;
    for (size_t i = 0; i < g->n_initializer; i++) {
        onnx_value *v = &m->initial[m->ninitial];
        NILU_TRY(onnx_tensor_read(m->nl, m->path, m->folder, g->initializer[i], &m->pool, v));
        v->weight = base_is_float(v->dtype) && v->shape.rank > 0;
        m->ninitial++;
    }
    const char **name = initial_names(m);
    if (!name)
        return NILU_E_NO_MEMORY;
    for (size_t i = 0; i < g->n_input; i++) /* before version 4 of the format initial values are inputs too */
        if (!g->input[i]->name || !bsearch(&g->input[i]->name, name, (size_t)m->ninitial, sizeof *name, by_name)) {
            NILU_TRY(port_of(m, g->input[i], &m->in[m->nin]));
            m->in_type[m->nin++] = g->input[i]->type->tensor_type->elem_type;
        }
    for (size_t i = 0; i < g->n_output; i++)
        NILU_TRY(port_of(m, g->output[i], &m->out[m->nout++]));
    return NILU_OK;
}

/* ---- ops that are not known: all of them in one sentence */

static void unknown_in(const nilu_onnx *m, const Onnx__GraphProto *g, base_buffer *b, int *n)
{
    for (size_t i = 0; i < g->n_node; i++) {
        const onnx_node *node = g->node[i];
        const char *op = node->op_type ? node->op_type : "", *domain = node->domain ? node->domain : "";
        bool foreign = domain[0] && strcmp(domain, "ai.onnx") != 0;
        if ((foreign || !onnx_find(op)) && (*n)++ < 20)
            base_appendf(m->nl, b, "%s%.40s%s%.40s (%.60s)", b->len ? ", " : "", domain, foreign ? "." : "", op,
                         node->name && node->name[0]         ? node->name
                         : node->n_output && node->output[0] ? node->output[0]
                                                             : "?");
        for (size_t k = 0; k < node->n_attribute; k++) {
            if (node->attribute[k]->g)
                unknown_in(m, node->attribute[k]->g, b, n);
            for (size_t j = 0; j < node->attribute[k]->n_graphs; j++)
                unknown_in(m, node->attribute[k]->graphs[j], b, n);
        }
    }
}

static nilu_status unknown(const nilu_onnx *m)
{
    base_buffer b = {0};
    int n = 0;
    nilu_status status = NILU_OK;
    unknown_in(m, m->model->graph, &b, &n);
    if (n)
        status = base_fail(m->nl, NILU_E_UNSUPPORTED, N_("%.200s: %d nodes are of ops that nilu does not know: %.600s"),
                           m->path, n, b.at ? b.at : "");
    base_free(m->nl, b.at);
    return status;
}

/* ---- the public side */

/* Where there is none that can be read, external data will say so. */
static nilu_status open_folder(nilu_onnx *m)
{
    char *folder = base_strdup(m->nl, m->path), *slash = folder ? strrchr(folder, '/') : NULL;
    if (!folder)
        return NILU_E_NO_MEMORY;
    if (slash)
        slash[slash == folder] = 0;
    m->folder = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    base_free(m->nl, folder);
    return NILU_OK;
}

nilu_status nilu_onnx_open(nilu *nl, const char *path, nilu_onnx **model)
{
    nilu_onnx *m = base_calloc(nl, 1, sizeof *m);
    *model = NULL;
    if (!m)
        return NILU_E_NO_MEMORY;
    *m = (nilu_onnx){.nl = nl, .path = base_strdup(nl, path), .folder = -1, .pool = {.nl = nl}};
    nilu_status status = m->path ? unpack(m) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = versions(m);
    if (status == NILU_OK)
        status = unknown(m);
    if (status == NILU_OK)
        status = open_folder(m);
    if (status == NILU_OK)
        status = ports(m);
    if (status == NILU_OK)
        *model = m;
    else
        nilu_onnx_free(m);
    return status;
}

void nilu_onnx_free(nilu_onnx *m)
{
    if (!m)
        return;
    memory room = {.nl = m->nl};
    ProtobufCAllocator allocator = {give, take, &room};
    if (m->model)
        onnx__model_proto__free_unpacked(m->model, &allocator);
    if (m->folder >= 0)
        close(m->folder);
    onnx_pool_free(&m->pool);
    base_free(m->nl, m->path);
    base_free(m->nl, m);
}

int nilu_onnx_inputs(const nilu_onnx *m)
{
    return m->nin;
}

int nilu_onnx_outputs(const nilu_onnx *m)
{
    return m->nout;
}

const nilu_onnx_port *nilu_onnx_input(const nilu_onnx *m, int i)
{
    return i >= 0 && i < m->nin ? &m->in[i] : NULL;
}

const nilu_onnx_port *nilu_onnx_output(const nilu_onnx *m, int i)
{
    return i >= 0 && i < m->nout ? &m->out[i] : NULL;
}
