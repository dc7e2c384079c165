/* Where a graph starts: inputs, parameters, states, constants; and how parameters begin. A parameter's first value is a
 * pure function of (seed, its name, index), so it does not depend on what else is in the graph. */
#include "graph/graph.h"

#include <math.h>
#include <string.h>

const nilu_op graph_op_input = {.name = "input", .leaf = true, .no_gradient = "it is where the error arrives"};
const nilu_op graph_op_param = {.name = "param", .leaf = true, .no_gradient = "it is where the error arrives"};
const nilu_op graph_op_state = {.name = "state", .leaf = true, .no_gradient = "it is where the error arrives"};
const nilu_op graph_op_constant = {.name = "constant", .leaf = true, .no_gradient = "it is where the error arrives"};

/* Leaves are found by name from outside, so a name that is taken is an error, not numbered. */
static bool free_name(nilu_graph *g, const char *name)
{
    char full[sizeof g->scope + 256];
    snprintf(full, sizeof full, "%s%s", g->scope, name);
    if (!nilu_find(g, full))
        return true;
    graph_fail(g, NILU_E_NAME, N_("%s: this name is taken; give each input, parameter and state its own"), full);
    return false;
}

nilu_tensor *nilu_input(nilu_graph *g, const char *name, nilu_dtype dtype, nilu_shape shape)
{
    if (!g || g->status != NILU_OK || !free_name(g, name))
        return NULL;
    return graph_leaf(g, &graph_op_input, name, NULL, dtype, shape);
}

nilu_tensor *nilu_param(nilu_graph *g, const char *name, nilu_dtype dtype, nilu_shape shape, nilu_init init)
{
    if (!g || g->status != NILU_OK || !free_name(g, name))
        return NULL;
    if (!base_is_float(dtype)) {
        graph_fail(g, NILU_E_DTYPE, N_("%s%s: a parameter must be f32, f64 or bf16; use a state for %s"), g->scope,
                   name, nilu_dtype_name(dtype));
        return NULL;
    }
    nilu_tensor *t = graph_leaf(g, &graph_op_param, name, NULL, dtype, shape);
    if (t)
        t->node->init = init;
    return t;
}

nilu_tensor *nilu_state(nilu_graph *g, const char *name, nilu_dtype dtype, nilu_shape shape, double value)
{
    if (!g || g->status != NILU_OK || !free_name(g, name))
        return NULL;
    nilu_tensor *t = graph_leaf(g, &graph_op_state, name, NULL, dtype, shape);
    if (t)
        t->node->init = (nilu_init){NILU_INIT_CONSTANT, value, 0};
    return t;
}

nilu_tensor *nilu_step_counter(nilu_graph *g)
{
    if (!g || g->status != NILU_OK)
        return NULL;
    if (!g->step) {
        char scope[sizeof g->scope];
        memcpy(scope, g->scope, sizeof scope); /* the counter is one for the whole graph: it has no scope */
        g->scope[0] = 0;
        g->step = nilu_state(g, "step", NILU_I64, NILU_SCALAR, 0);
        memcpy(g->scope, scope, sizeof scope);
    }
    return g->step;
}

nilu_tensor *nilu_constant(nilu_graph *g, nilu_dtype dtype, nilu_shape shape, const void *data)
{
    nilu_tensor *t = graph_leaf(g, &graph_op_constant, "constant", NULL, dtype, shape);
    if (!t)
        return NULL;
    size_t bytes = (size_t)base_count(shape) * nilu_dtype_size(dtype);
    t->node->data = graph_alloc(g, bytes ? bytes : 1);
    if (!t->node->data)
        return NULL;
    memcpy(t->node->data, data, bytes);
    return t;
}

void nilu_assign(nilu_tensor *state, nilu_tensor *value)
{
    if (!state || !value || state->node->g->status != NILU_OK)
        return;
    nilu_graph *g = state->node->g;
    nilu_node *n = state->node;
    char a[BASE_SHAPE_TEXT], b[BASE_SHAPE_TEXT];
    if (value->node->g != g)
        graph_fail(g, NILU_E_GRAPH, N_("%s: is assigned a value of another graph; build both in one"), n->name);
    else if (n->op != &graph_op_state && n->op != &graph_op_param)
        graph_fail(g, NILU_E_GRAPH, N_("%s: only parameters and states can be assigned, not a %s"), n->name,
                   n->op->name);
    else if (n->assigned)
        graph_fail(g, NILU_E_GRAPH, N_("%s: is assigned twice in one step; keep one of the two"), n->name);
    else if (state->dtype != value->dtype || !base_same_shape(state->shape, value->shape))
        graph_fail(g, NILU_E_SHAPE, N_("%s: is %s %s but is assigned %s %s; they must be the same"), n->name,
                   nilu_dtype_name(state->dtype), base_shape_text(state->shape, a), nilu_dtype_name(value->dtype),
                   base_shape_text(value->shape, b));
    else
        n->assigned = value;
}

/* Orthonormal rows (or columns, if there are more rows) by modified Gram-Schmidt, twice, of a normal matrix. */
static nilu_status orthogonal(nilu *nl, base_key key, double gain, nilu_dtype dtype, int64_t rows, int64_t cols,
                              void *data)
{
    int64_t few = rows < cols ? rows : cols, many = rows < cols ? cols : rows;
    double *q = base_calloc(nl, (size_t)few * (size_t)many + 1, sizeof *q);
    if (!q)
        return NILU_E_NO_MEMORY;
    base_normals(key, 0, q, few * many);
    for (int64_t i = 0; i < few; i++) {
        double *v = q + i * many, norm = 0;
        for (int pass = 0; pass < 2; pass++)
            for (int64_t j = 0; j < i; j++) {
                double dot = 0;
                for (int64_t k = 0; k < many; k++)
                    dot += v[k] * q[j * many + k];
                for (int64_t k = 0; k < many; k++)
                    v[k] -= dot * q[j * many + k];
            }
        for (int64_t k = 0; k < many; k++)
            norm += v[k] * v[k];
        norm = sqrt(norm);
        for (int64_t k = 0; k < many; k++)
            v[k] /= norm;
    }
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            base_store(dtype, data, i * cols + j, gain * (rows <= cols ? q[i * cols + j] : q[j * rows + i]));
    base_free(nl, q);
    return NILU_OK;
}

#define BLOCK 256 /* draws at once */

/* a + b times draws. */
static void draw(void (*draws)(base_key key, uint64_t first, double *to, int64_t n), base_key key, double a, double b,
                 nilu_dtype dtype, int64_t count, void *data)
{
    double block[BLOCK];
    for (int64_t i = 0; i < count; i += BLOCK) {
        const int64_t n = count - i < BLOCK ? count - i : BLOCK;
        draws(key, (uint64_t)i, block, n);
        for (int64_t j = 0; j < n; j++)
            if (dtype == NILU_F32)
                ((float *)data)[i + j] = (float)(a + b * block[j]);
            else
                base_store(dtype, data, i + j, a + b * block[j]);
    }
}

nilu_status graph_init(nilu *nl, const nilu_node *n, void *data)
{
    nilu_init init = n->init;
    nilu_dtype dtype = n->out[0].dtype;
    nilu_shape s = n->out[0].shape;
    int64_t count = base_count(s), cols = s.rank ? s.dim[s.rank - 1] : 1;
    base_key key = {nl->options.seed, base_hash_text(n->name)};
    if (n->begin && dtype == n->begin_dtype) {
        memcpy(data, n->begin, (size_t)count * nilu_dtype_size(dtype));
        return NILU_OK;
    }
    if (n->begin) {
        for (int64_t i = 0; i < count; i++)
            base_store(dtype, data, i, base_load(n->begin_dtype, n->begin, i));
        return NILU_OK;
    }
    switch (init.kind) {
    case NILU_INIT_CONSTANT:
        for (int64_t i = 0; i < count && (init.a != 0 || signbit(init.a)); i++) /* 0: it is there */
            base_store(dtype, data, i, init.a);
        return NILU_OK;
    case NILU_INIT_UNIFORM:
        draw(base_uniforms, key, init.a, init.b - init.a, dtype, count, data);
        return NILU_OK;
    case NILU_INIT_NORMAL:
        draw(base_normals, key, init.a, init.b, dtype, count, data);
        return NILU_OK;
    case NILU_INIT_ORTHOGONAL: {
        int64_t rows = s.rank ? s.dim[0] : 1;
        return orthogonal(nl, key, init.a, dtype, rows, rows ? count / rows : 0, data);
    }
    case NILU_INIT_EYE:
        for (int64_t i = 0; i < count; i++)
            base_store(dtype, data, i, i / (cols ? cols : 1) == i % (cols ? cols : 1) ? init.a : 0);
        return NILU_OK;
    }
    return base_fail(nl, NILU_E_ATTRIBUTE, N_("%s: unknown kind of initial value"), n->name);
}
