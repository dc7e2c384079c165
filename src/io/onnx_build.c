/* From nodes of ONNX to nodes of a graph. What is known before a step (shapes, axes, constants) is worked out at once, by
 * building the same op in a graph of its own and running it: there is no second arithmetic. */
#include "io/onnx.h"

#include <string.h>

#define FOLD_LIMIT ((int64_t)1 << 22) /* elements that go into a node whose outputs are worked out at once */
#define FOLD_ROOM (2 * FOLD_LIMIT)    /*   and all that it computes on the way */
#define ATTRIBUTES_LIMIT 64           /* they are searched for by name */
#define NODES_LIMIT 200000            /* of the graph, and of the file with bodies counted each time: loops in loops are unrolled */

/* ---- values by name */

static uint64_t slot_of(const onnx_scope *s, const char *name)
{
    uint64_t at = base_hash_text(name) & (uint64_t)(s->by_name_cap - 1);
    while (s->by_name[at] && strcmp(s->value[s->by_name[at] - 1]->name, name) != 0)
        at = (at + 1) & (uint64_t)(s->by_name_cap - 1);
    return at;
}

static nilu_status scope_add(onnx_builder *b, onnx_scope *s, onnx_value *v)
{
    NILU_TRY(base_grow(b->nl, &s->value, &s->cap, s->n + 1, sizeof *s->value));
    if (2 * (s->n + 1) > s->by_name_cap) {
        int cap = s->by_name_cap ? 2 * s->by_name_cap : 64;
        base_free(b->nl, s->by_name);
        s->by_name = base_calloc(b->nl, (size_t)cap, sizeof *s->by_name);
        s->by_name_cap = s->by_name ? cap : 0;
        if (!s->by_name)
            return NILU_E_NO_MEMORY;
        for (int i = 0; i < s->n; i++)
            s->by_name[slot_of(s, s->value[i]->name)] = i + 1;
    }
    s->value[s->n++] = v;
    s->by_name[slot_of(s, v->name)] = s->n; /* a later value of a name hides the earlier one */
    return NILU_OK;
}

static onnx_value *scope_find(const onnx_scope *s, const char *name)
{
    for (; s; s = s->outer)
        if (s->by_name_cap) {
            int i = s->by_name[slot_of(s, name)];
            if (i)
                return s->value[i - 1];
        }
    return NULL;
}

static void scope_free(onnx_builder *b, onnx_scope *s)
{
    base_free(b->nl, s->value);
    base_free(b->nl, s->by_name);
}

/* ---- what ops ask of their node */

static const char *node_name(const onnx_node *n)
{
    return n->name && n->name[0] ? n->name : n->n_output && n->output[0] ? n->output[0] : "?";
}

nilu_status onnx_fail(const onnx_site *s, const char *format, ...)
{
    char sentence[500];
    va_list args;
    va_start(args, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(sentence, sizeof sentence, base_text(format), args);
#pragma GCC diagnostic pop
    va_end(args);
    return base_fail(s->b->nl, NILU_E_UNSUPPORTED, N_("%.200s: %s \"%.80s\": %s"), s->b->m->path, s->node->op_type,
                     node_name(s->node), sentence);
}

bool onnx_has(const onnx_site *s, int i)
{
    return i < s->nin && s->in[i];
}

nilu_shape onnx_shape(const onnx_site *s, int i)
{
    return onnx_has(s, i) ? s->in[i]->shape : NILU_SCALAR;
}

nilu_dtype onnx_dtype_of(const onnx_site *s, int i)
{
    return onnx_has(s, i) ? s->in[i]->dtype : NILU_DTYPES;
}

int onnx_rank(const onnx_site *s, int i)
{
    return onnx_shape(s, i).rank;
}

nilu_tensor *onnx_t(onnx_site *s, int i)
{
    if (!onnx_has(s, i)) {
        graph_fail(s->b->g, NILU_E_MODEL, N_("%s: input %d is missing"), s->node->op_type, i);
        return NULL;
    }
    onnx_value *v = s->in[i];
    if (v->t && v->t->node->g == s->b->g)
        return v->t;
    if (v->weight && s->b->depth == 0) {
        v->t = nilu_param(s->b->g, v->name, v->dtype, v->shape, (nilu_init){NILU_INIT_CONSTANT, 0, 0});
        if (v->t && s->b->wish->model) { /* the model's file stays as long as the graph */
            v->t->node->begin = v->data;
            v->t->node->begin_dtype = v->dtype;
        }
        return v->t;
    }
    nilu_tensor *t = nilu_constant(s->b->g, v->dtype, v->shape, v->data);
    if (!v->t)
        v->t = t;
    return t;
}

nilu_tensor *onnx_frozen(onnx_site *s, int i)
{
    nilu_tensor *t = onnx_t(s, i);
    return t && t->node->op == &graph_op_param ? nilu_stop_gradient(t) : t;
}

static nilu_status known(const onnx_site *s, int i)
{
    if (!onnx_has(s, i))
        return onnx_fail(s, N_("input %d is missing"), i);
    if (!s->in[i]->data)
        return onnx_fail(
            s, N_("input %d, \"%.80s\", decides about shapes, so it must be known before a step: make it a constant"),
            i, s->in[i]->name);
    return NILU_OK;
}

nilu_status onnx_whole(onnx_site *s, int i, const int64_t **at, int64_t *n)
{
    NILU_TRY(known(s, i));
    const onnx_value *v = s->in[i];
    *n = base_count(v->shape);
    int64_t *out = onnx_keep(&s->b->pool, (size_t)*n * sizeof *out);
    *at = out;
    if (!out)
        return NILU_E_NO_MEMORY;
    for (int64_t k = 0; k < *n; k++)
        out[k] = base_load_int(v->dtype, v->data, k);
    return NILU_OK;
}

nilu_status onnx_real(onnx_site *s, int i, const double **at, int64_t *n)
{
    NILU_TRY(known(s, i));
    const onnx_value *v = s->in[i];
    *n = base_count(v->shape);
    double *out = onnx_keep(&s->b->pool, (size_t)*n * sizeof *out);
    *at = out;
    if (!out)
        return NILU_E_NO_MEMORY;
    for (int64_t k = 0; k < *n; k++)
        out[k] = base_load(v->dtype, v->data, k);
    return NILU_OK;
}

nilu_status onnx_put(onnx_site *s, int i, nilu_tensor *t)
{
    if (i >= s->nout)
        return NILU_OK;
    if (!t)
        return graph_report(s->b->g);
    s->out[i].t = t;
    s->out[i].dtype = t->dtype;
    s->out[i].shape = t->shape;
    return NILU_OK;
}

nilu_status onnx_know(onnx_site *s, int i, nilu_dtype dtype, nilu_shape shape, const void *data)
{
    if (i < s->nout) {
        s->out[i].data = data;
        s->out[i].dtype = dtype;
        s->out[i].shape = shape;
    }
    return NILU_OK;
}

nilu_tensor *onnx_whole_constant(onnx_site *s, nilu_shape shape, const int64_t *at)
{
    return nilu_constant(s->b->g, NILU_I64, shape, at);
}

nilu_tensor *onnx_real_constant(onnx_site *s, nilu_dtype dtype, nilu_shape shape, const double *at)
{
    int64_t n = base_count(shape);
    void *data = onnx_keep(&s->b->pool, (size_t)n * nilu_dtype_size(dtype));
    if (!data) {
        graph_fail(s->b->g, NILU_E_NO_MEMORY, N_("out of memory; a smaller batch or model needs less"));
        return NULL;
    }
    for (int64_t i = 0; i < n; i++)
        base_store(dtype, data, i, at[i]);
    return nilu_constant(s->b->g, dtype, shape, data);
}

nilu_tensor *onnx_scalar(onnx_site *s, nilu_dtype dtype, double value)
{
    return nilu_fill(s->b->g, dtype, NILU_SCALAR, value);
}

nilu_tensor *onnx_joined(nilu_tensor *const *part, int64_t n, int axis)
{
    nilu_tensor *z = n ? part[0] : NULL;
    for (int64_t k = 1; k < n; k += GRAPH_MAX_IN - 1) {
        nilu_tensor *some[GRAPH_MAX_IN] = {z};
        int m = 1;
        for (int64_t j = k; j < n && m < GRAPH_MAX_IN; j++)
            some[m++] = part[j];
        z = nilu_concat(m, some, axis);
    }
    return z;
}

nilu_tensor *onnx_times(nilu_tensor *x, int axis, nilu_tensor *matrix, bool turned, nilu_tensor *add)
{
    if (!x)
        return NULL;
    int rank = x->shape.rank;
    nilu_axes there = {.n = rank}, back = {.n = rank};
    for (int k = 0; k < rank; k++) {
        there.at[k] = k == rank - 1 ? axis : k < axis ? k : k + 1;
        back.at[k] = k == axis ? rank - 1 : k < axis ? k : k - 1;
    }
    nilu_tensor *y = rank > 1 ? nilu_transpose(x, there) : nilu_reshape(x, NILU_SHAPE(1, x->shape.dim[0]));
    y = nilu_matmul_t(y, false, matrix, turned);
    y = add ? nilu_add(y, add) : y;
    return rank > 1 ? nilu_transpose(y, back) : nilu_reshape(y, onnx_vector(-1));
}

nilu_tensor *onnx_as_row(onnx_site *s, const onnx_value *v)
{
    nilu_shape shape = {.rank = v->shape.rank + 1, .dim = {1}};
    if (v->shape.rank == NILU_MAX_RANK) {
        graph_fail(s->b->g, NILU_E_SHAPE, N_("%s: its rows have %d dimensions, which leaves no room for one more"),
                   s->node->op_type, v->shape.rank);
        return NULL;
    }
    memcpy(shape.dim + 1, v->shape.dim, sizeof *shape.dim * (size_t)v->shape.rank);
    return nilu_reshape(v->t ? v->t : nilu_constant(s->b->g, v->dtype, v->shape, v->data), shape);
}

/* ---- attributes */

const onnx_attribute *onnx_attr(const onnx_site *s, const char *name)
{
    for (size_t i = 0; i < s->node->n_attribute; i++)
        if (s->node->attribute[i]->name && strcmp(s->node->attribute[i]->name, name) == 0)
            return s->node->attribute[i];
    return NULL;
}

int64_t onnx_int(const onnx_site *s, const char *name, int64_t otherwise)
{
    const onnx_attribute *a = onnx_attr(s, name);
    return a && a->has_i ? a->i : otherwise;
}

double onnx_float(const onnx_site *s, const char *name, double otherwise)
{
    const onnx_attribute *a = onnx_attr(s, name);
    return a && a->has_f ? (double)a->f : otherwise;
}

int onnx_ints(const onnx_site *s, const char *name, int64_t *at, int room)
{
    const onnx_attribute *a = onnx_attr(s, name);
    if (!a)
        return -1;
    for (size_t i = 0; i < a->n_ints && i < (size_t)room; i++)
        at[i] = a->ints[i];
    return a->n_ints < (size_t)room ? (int)a->n_ints : room;
}

bool onnx_text_is(const onnx_site *s, const char *name, const char *otherwise, const char *text)
{
    const onnx_attribute *a = onnx_attr(s, name);
    if (!a || !a->has_s)
        return strcmp(otherwise, text) == 0;
    return a->s.len == strlen(text) && memcmp(a->s.data, text, a->s.len) == 0;
}

nilu_status onnx_axis(onnx_site *s, int64_t axis, int rank, int *positive)
{
    if (axis < -rank || axis >= rank)
        return onnx_fail(s, N_("axis %lld is out of range; there are %d"), (long long)axis, rank);
    *positive = (int)(axis < 0 ? axis + rank : axis);
    return NILU_OK;
}

nilu_status onnx_axes(onnx_site *s, int i, int rank, nilu_axes *axes)
{
    int64_t list[NILU_MAX_RANK + 1];
    const int64_t *at = list;
    int64_t n = onnx_ints(s, "axes", list, NILU_MAX_RANK + 1);
    if (n < 0 && onnx_has(s, i))
        NILU_TRY(onnx_whole(s, i, &at, &n));
    *axes = NILU_ALL;
    if (n > NILU_MAX_RANK)
        return onnx_fail(s, N_("%lld axes are too many"), (long long)n);
    for (int64_t k = 0; k < n; k++)
        NILU_TRY(onnx_axis(s, at[k], rank, &axes->at[axes->n++]));
    return NILU_OK;
}

/* ---- nodes */

static nilu_status run_row(onnx_site *s)
{
    const onnx_row *row = onnx_find(s->node->op_type);
    if (!row) /* of a body that the first look did not see */
        return onnx_fail(s, N_("this op is not known"));
    nilu_status status = row->build(s);
    nilu_status graph = nilu_graph_status(s->b->g);
    return status != NILU_OK ? status : graph != NILU_OK ? graph_report(s->b->g) : NILU_OK;
}

/* Of how many inputs the elements matter: of what a type is taken from, none. */
static int numbers_of(const onnx_site *s)
{
    return strcmp(s->node->op_type, "CastLike") == 0 && s->nin > 1 ? 1 : s->nin;
}

/* All inputs are known, and none is a weight; what the caller gave decides about whole numbers only. */
static bool can_fold(const onnx_site *s)
{
    int64_t elements = 0;
    if (strcmp(s->node->op_type, "If") == 0 || strcmp(s->node->op_type, "Loop") == 0 ||
        strcmp(s->node->op_type, "Scan") == 0)
        return false;
    for (int i = 0; i < numbers_of(s); i++) {
        const onnx_value *v = s->in[i];
        if (!v)
            continue;
        if (!v->data || v->weight || (v->given && base_is_float(v->dtype)))
            return false;
        elements += base_count(v->shape);
    }
    return elements <= FOLD_LIMIT;
}

static nilu_status keep_fetched(onnx_site *s, const nilu_plan *plan, int n, const int *which)
{
    for (int k = 0; k < n; k++) {
        onnx_value *o = &s->out[which[k]];
        size_t bytes = (size_t)base_count(nilu_fetched_shape(plan, k)) * nilu_dtype_size(nilu_fetched_dtype(plan, k));
        void *data = onnx_keep(&s->b->pool, bytes);
        if (!data)
            return NILU_E_NO_MEMORY;
        if (bytes)
            memcpy(data, nilu_fetched(plan, k), bytes);
        o->data = data;
    }
    for (int i = 0; i < s->nout; i++)
        s->out[i].t = NULL; /* it goes with its graph */
    return NILU_OK;
}

/* Elements of all values of a graph. */
static int64_t elements_of(const nilu_graph *g)
{
    int64_t sum = 0;
    for (int i = 0; i < g->nnode; i++)
        for (int k = 0; k < g->node[i]->nout && sum <= FOLD_ROOM; k++)
            sum += base_count(g->node[i]->out[k].shape);
    return sum;
}

/* *large: it would take too much room, so it is left to the steps. */
static nilu_status fold(onnx_site *s, bool *large)
{
    nilu_graph *outside = s->b->g, *g = nilu_graph_new(s->b->nl);
    nilu_store *store = nilu_store_new(s->b->nl);
    nilu_plan *plan = NULL;
    nilu_tensor *fetch[ONNX_MAX_OUT];
    int which[ONNX_MAX_OUT], n = 0;
    nilu_tensor *was[ONNX_MAX_IN];
    nilu_status status = g && store ? NILU_OK : NILU_E_NO_MEMORY;
    for (int i = 0; i < s->nin; i++) {
        was[i] = s->in[i] ? s->in[i]->t : NULL;
        if (s->in[i])
            s->in[i]->t = NULL;
    }
    s->b->g = g;
    s->b->depth++;
    if (status == NILU_OK)
        status = run_row(s);
    for (int i = 0; i < s->nout; i++)
        if (s->out[i].t && !s->out[i].data)
            which[n] = i, fetch[n++] = s->out[i].t;
    nilu_compile_options plain = NILU_COMPILE_DEFAULT;
    *large = status == NILU_OK && n && elements_of(g) > FOLD_ROOM;
    n = *large ? 0 : n;
    if (status == NILU_OK && n)
        status = nilu_compile(g, store, n, fetch, &plain, &plan);
    if (status == NILU_OK && n)
        status = nilu_step(plan);
    if (status == NILU_OK)
        status = keep_fetched(s, plan, n, which);
    s->b->depth--;
    s->b->g = outside;
    for (int i = 0; i < s->nin; i++)
        if (s->in[i])
            s->in[i]->t = was[i];
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    return status;
}

/* A value that comes of what the caller gave is the caller's too. */
static bool any_given(const onnx_site *s)
{
    for (int i = 0; i < numbers_of(s); i++)
        if (s->in[i] && s->in[i]->given)
            return true;
    return false;
}

static nilu_status build_node(onnx_builder *b, const onnx_node *node, onnx_scope *scope)
{
    onnx_site s = {.b = b, .node = node, .scope = scope};
    if (!node->op_type)
        return base_fail(b->nl, NILU_E_FILE_CORRUPT, N_("%s: a node has no op"), b->m->path);
    if (node->n_input > ONNX_MAX_IN || node->n_output > ONNX_MAX_OUT)
        return onnx_fail(&s, N_("it has more than %d inputs or %d outputs"), ONNX_MAX_IN, ONNX_MAX_OUT);
    if (node->n_attribute > ATTRIBUTES_LIMIT)
        return onnx_fail(&s, N_("it has %zu attributes; no op has more than %d"), node->n_attribute, ATTRIBUTES_LIMIT);
    if (++b->built > NODES_LIMIT || b->g->nnode > NODES_LIMIT)
        return onnx_fail(&s, N_("with it there are more than %d nodes, loops unrolled"), NODES_LIMIT);
    s.nin = (int)node->n_input;
    s.nout = (int)node->n_output;
    for (int i = 0; i < s.nin; i++) {
        if (!node->input[i][0])
            continue;
        s.in[i] = scope_find(scope, node->input[i]);
        if (!s.in[i])
            return onnx_fail(&s, N_("input \"%.80s\" is computed nowhere before it"), node->input[i]);
    }
    char where[256];
    snprintf(where, sizeof where, "%.150s: %.80s", b->m->path, node_name(node));
    nilu_birthplace(b->g, where);
    bool outside = !can_fold(&s);
    if (!outside)
        NILU_TRY(fold(&s, &outside));
    if (outside) {
        memset(s.out, 0, sizeof s.out);
        NILU_TRY(run_row(&s));
    }
    nilu_birthplace(b->g, NULL);
    bool given = any_given(&s);
    for (int i = 0; i < s.nout; i++) {
        if (!node->output[i][0])
            continue;
        onnx_value *v = onnx_keep(&b->pool, sizeof *v);
        if (!v)
            return NILU_E_NO_MEMORY;
        *v = s.out[i];
        if (!v->t && !v->data)
            return onnx_fail(&s, N_("output %d is not supported"), i);
        v->name = node->output[i];
        v->given = given && v->data;
        NILU_TRY(scope_add(b, scope, v));
    }
    return NILU_OK;
}

static nilu_status result(onnx_builder *b, const onnx_scope *scope, const Onnx__GraphProto *g, int nout,
                          onnx_value *out)
{
    for (int i = 0; i < nout; i++) {
        const char *name = i < (int)g->n_output && g->output[i]->name ? g->output[i]->name : "";
        const onnx_value *v = scope_find(scope, name);
        if (!v)
            return base_fail(b->nl, NILU_E_FILE_CORRUPT, N_("%.200s: output \"%.80s\" is computed nowhere"), b->m->path,
                             name);
        out[i] = *v;
    }
    return NILU_OK;
}

nilu_status onnx_subgraph(onnx_site *s, const Onnx__GraphProto *sub, int nin, onnx_value *const *in, int nout,
                          onnx_value *out)
{
    onnx_builder *b = s->b;
    onnx_scope scope = {.outer = s->scope};
    nilu_status status = NILU_OK;
    b->built += (int64_t)sub->n_initializer;
    if (nin > (int)sub->n_input || nout > (int)sub->n_output)
        return onnx_fail(s, N_("its body has %zu inputs and %zu outputs, but %d and %d are needed"), sub->n_input,
                         sub->n_output, nin, nout);
    for (size_t i = 0; status == NILU_OK && i < sub->n_initializer; i++) {
        onnx_value *v = onnx_keep(&b->pool, sizeof *v);
        status =
            v ? onnx_tensor_read(b->nl, b->m->path, b->m->folder, sub->initializer[i], &b->pool, v) : NILU_E_NO_MEMORY;
        if (status == NILU_OK)
            status = scope_add(b, &scope, v);
    }
    for (int i = 0; status == NILU_OK && i < nin; i++) {
        onnx_value *v = onnx_keep(&b->pool, sizeof *v);
        if (v) {
            *v = *in[i];
            v->name = sub->input[i]->name ? sub->input[i]->name : "";
            v->weight = false;
        }
        status = v ? scope_add(b, &scope, v) : NILU_E_NO_MEMORY;
    }
    for (size_t i = 0; status == NILU_OK && i < sub->n_node; i++)
        status = build_node(b, sub->node[i], &scope);
    if (status == NILU_OK)
        status = result(b, &scope, sub, nout, out);
    scope_free(b, &scope);
    return status;
}

/* ---- the public side */

static nilu_status take_inputs(onnx_builder *b, onnx_scope *scope, int n, const nilu_onnx_given *in)
{
    const nilu_onnx *m = b->m;
    for (int i = 0; i < m->nin; i++) {
        const nilu_onnx_given *given = NULL;
        for (int k = 0; k < n && !given; k++) { /* most likely in the model's order */
            const nilu_onnx_given *one = &in[(i + k) % n];
            if (strcmp(one->name, m->in[i].name) == 0)
                given = one;
        }
        if (!given)
            return base_fail(b->nl, NILU_E_USAGE, N_("%.200s: input \"%.80s\" is missing"), m->path, m->in[i].name);
        if (given->t && given->t->node->g != b->g)
            return base_fail(b->nl, NILU_E_GRAPH, N_("%.200s: input \"%.80s\" is of another graph"), m->path,
                             m->in[i].name);
        onnx_value *v = onnx_keep(&b->pool, sizeof *v);
        if (!v)
            return NILU_E_NO_MEMORY;
        *v = (onnx_value){.name = m->in[i].name, .t = given->t, .data = given->data, .given = given->data != NULL, .type = m->in_type[i]};
        if (given->t)
            v->dtype = given->t->dtype, v->shape = given->t->shape;
        if (!given->t)
            return base_fail(b->nl, NILU_E_USAGE, N_("%.200s: input \"%.80s\" is missing"), m->path, m->in[i].name);
        NILU_TRY(scope_add(b, scope, v));
    }
    return NILU_OK;
}

nilu_status nilu_onnx_build(const nilu_onnx *m, nilu_graph *g, int n, const nilu_onnx_given *in, bool training,
                            nilu_tensor **y)
{
    return onnx_build(m, g, n, in, &(onnx_wish){.training = training, .batch = -1}, y);
}

nilu_status onnx_build(const nilu_onnx *m, nilu_graph *g, int n, const nilu_onnx_given *in, const onnx_wish *wish, nilu_tensor **y)
{
    onnx_builder b = {.m = m, .nl = m->nl, .g = g, .opset = m->opset, .wish = wish};
    onnx_scope scope = {0};
    const Onnx__GraphProto *p = m->model->graph;
    b.pool = (onnx_pool){.nl = m->nl, .path = m->path, .limit = 2 * m->size + ONNX_BESIDE};
    onnx_value *out = onnx_keep(&b.pool, (size_t)m->nout * sizeof *out);
    nilu_status status = out ? nilu_graph_status(g) : NILU_E_NO_MEMORY;
    for (int i = 0; status == NILU_OK && i < m->ninitial; i++) {
        onnx_value *v = onnx_keep(&b.pool, sizeof *v);
        if (v)
            *v = m->initial[i];
        status = v ? scope_add(&b, &scope, v) : NILU_E_NO_MEMORY;
    }
    if (status == NILU_OK)
        status = take_inputs(&b, &scope, n, in);
    for (size_t i = 0; status == NILU_OK && i < p->n_node; i++)
        status = build_node(&b, p->node[i], &scope);
    if (status == NILU_OK)
        status = result(&b, &scope, p, m->nout, out);
    for (int i = 0; status == NILU_OK && i < m->nout; i++) {
        y[i] =
            out[i].t && out[i].t->node->g == g ? out[i].t : nilu_constant(g, out[i].dtype, out[i].shape, out[i].data);
        status = y[i] ? NILU_OK : graph_report(g);
    }
    scope_free(&b, &scope);
    onnx_pool_free(&b.pool);
    return status;
}

static nilu_status put_weight(const nilu_onnx *m, const onnx_value *v, nilu_kind kind, nilu_dtype dtype,
                              nilu_store *store)
{
    if (dtype != NILU_F64 || v->dtype != NILU_F32)
        return nilu_store_put(store, kind, v->name, v->dtype, v->shape, v->data);
    int64_t n = base_count(v->shape);
    double *wide = base_calloc(m->nl, (size_t)n + 1, sizeof *wide);
    for (int64_t i = 0; wide && i < n; i++)
        wide[i] = base_load(v->dtype, v->data, i);
    nilu_status status = wide ? nilu_store_put(store, kind, v->name, NILU_F64, v->shape, wide) : NILU_E_NO_MEMORY;
    base_free(m->nl, wide);
    return status;
}

nilu_status nilu_onnx_weights(const nilu_onnx *m, nilu_graph *g, nilu_dtype dtype, nilu_store *store)
{
    for (int i = 0; i < m->ninitial; i++) {
        const onnx_value *v = &m->initial[i];
        nilu_tensor *t = v->weight ? nilu_find(g, v->name) : NULL;
        if (t && (t->node->op == &graph_op_param || t->node->op == &graph_op_state))
            NILU_TRY(put_weight(m, v, t->node->op == &graph_op_param ? NILU_PARAM : NILU_STATE, dtype, store));
    }
    return NILU_OK;
}
