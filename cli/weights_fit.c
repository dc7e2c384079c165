/* Whose values are whose: parameters of a network, and tensors of a file that somebody else may have named.
 *
 * Three ways, in this order: the same name; the name that PyTorch would give (fc1.weight of fc1/weight, whose matrix stands the
 * other way round; bn1.running_mean of bn1/mean); and, where not one name is the same, module by module, both in their order,
 * since nets that are plain sequences number their modules. Shapes must fit in each. */
#include "weights.h"

#include "data/data.h"
#include "graph/graph.h"
#include "nn/nn.h"

#include <stdlib.h>
#include <string.h>

/* The end of a name, behind its module. */
static const char *leaf_of(const char *name)
{
    const char *dot = strrchr(name, '.'), *slash = strrchr(name, '/'), *end = dot > slash ? dot : slash;
    return end ? end + 1 : name;
}

/* What PyTorch calls the parameters of nilu's layers. */
static const struct {
    const char *ours, *theirs;
} leaves[] = {{"gamma", "weight"}, {"beta", "bias"}, {"mean", "running_mean"}, {"variance", "running_var"}};

static bool same_leaf(const char *ours, const char *theirs)
{
    if (strcmp(ours, theirs) == 0)
        return true;
    for (size_t i = 0; i < COUNT(leaves); i++)
        if (strcmp(leaves[i].ours, ours) == 0 && strcmp(leaves[i].theirs, theirs) == 0)
            return true;
    return false;
}

/* Is `theirs` the name of module and leaf with points for slashes? */
static bool same_dotted(const char *ours, const char *theirs)
{
    const char *a = leaf_of(ours), *b = leaf_of(theirs);
    if (a - ours != b - theirs || !same_leaf(a, b) || !strchr(theirs, '.'))
        return false;
    for (const char *p = ours; p < a; p++)
        if (p[0] != theirs[p - ours] && !(p[0] == '/' && theirs[p - ours] == '.'))
            return false;
    return true;
}

/* Do these values fit? A dense layer's matrix is [inputs, outputs] here and [outputs, inputs] in PyTorch. */
static bool fits(const cli_tensor *t, const nilu_tensor *p, bool dotted, bool *turned)
{
    *turned = dotted && p->shape.rank == 2 && strchr(p->node->name, '/') && strcmp(leaf_of(p->node->name), "weight") == 0;
    if (!*turned)
        return base_same_shape(t->shape, p->shape);
    return t->shape.rank == 2 && t->shape.dim[0] == p->shape.dim[1] && t->shape.dim[1] == p->shape.dim[0];
}

static nilu_status take(cli_weights *w, int i, bool turned, const nilu_tensor *p, nilu_store *store)
{
    size_t n = (size_t)base_count(p->shape);
    float *values = base_calloc(w->c->nl, n + 1, sizeof *values);
    nilu_status status = values ? cli_weights_get(w, i, turned, values) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = nilu_store_put(store, NILU_PARAM, p->node->name, NILU_F32, p->shape, values);
    base_free(w->c->nl, values);
    w->tensor[i].used = true;
    return status;
}

static nilu_status wrong_shape(const cli_weights *w, const cli_tensor *t, const nilu_tensor *p)
{
    char a[BASE_SHAPE_TEXT], b[BASE_SHAPE_TEXT];
    return cli_fail(w->c, NILU_E_SHAPE, _(N_("%s: tensor %.80s is %s, but %.80s of the model is %s; were they made for another net?")), w->path,
                    t->name, base_shape_text(t->shape, a), p->node->name, base_shape_text(p->shape, b));
}

/* ---- by name */

static int by_tensor_name(const void *a, const void *b)
{
    return strcmp((*(const cli_tensor *const *)a)->name, (*(const cli_tensor *const *)b)->name);
}

static cli_tensor *find(cli_tensor *const *sorted, int n, const char *name)
{
    const cli_tensor key = {.name = name}, *at = &key;
    cli_tensor *const *found = bsearch(&at, sorted, (size_t)n, sizeof *sorted, by_tensor_name);
    return found ? *found : NULL;
}

/* The tensor with the name that PyTorch would give; NULL: none. */
static cli_tensor *find_dotted(cli_tensor *const *sorted, int n, const char *ours)
{
    char name[256];
    const char *leaf = leaf_of(ours);
    size_t module = (size_t)(leaf - ours);
    for (int i = -1; i < (int)COUNT(leaves); i++) {
        if (i >= 0 && strcmp(leaves[i].ours, leaf) != 0)
            continue;
        snprintf(name, sizeof name, "%.*s%s", (int)module, ours, i < 0 ? leaf : leaves[i].theirs);
        for (char *p = name; *p; p++)
            *p = *p == '/' ? '.' : *p;
        cli_tensor *t = find(sorted, n, name);
        if (t && same_dotted(ours, t->name))
            return t;
    }
    return NULL;
}

static nilu_status by_name(cli_weights *w, int n, nilu_tensor *const *p, nilu_store *store, int *found)
{
    cli_tensor **sorted = base_calloc(w->c->nl, (size_t)w->count + 1, sizeof *sorted);
    nilu_status status = sorted ? NILU_OK : NILU_E_NO_MEMORY;
    for (int i = 0; i < w->count && sorted; i++)
        sorted[i] = &w->tensor[i];
    if (sorted)
        qsort(sorted, (size_t)w->count, sizeof *sorted, by_tensor_name);
    *found = 0;
    for (int k = 0; k < n && status == NILU_OK; k++) {
        cli_tensor *t = find(sorted, w->count, p[k]->node->name);
        bool dotted = !t, turned;
        if (dotted)
            t = find_dotted(sorted, w->count, p[k]->node->name);
        if (!t)
            continue;
        ++*found;
        status = fits(t, p[k], dotted, &turned) ? take(w, (int)(t - w->tensor), turned, p[k], store) : wrong_shape(w, t, p[k]);
    }
    base_free(w->c->nl, sorted);
    return status;
}

/* ---- in their order */

/* Texts with numbers by their size: "10" behind "9". */
static int natural(const char *a, const char *b)
{
    while (*a && *b) {
        char *x, *y;
        if (*a >= '0' && *a <= '9' && *b >= '0' && *b <= '9') {
            unsigned long i = strtoul(a, &x, 10), k = strtoul(b, &y, 10);
            if (i != k)
                return i < k ? -1 : 1;
            a = x;
            b = y;
            continue;
        }
        if (*a != *b)
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

static int by_module(const void *a, const void *b)
{
    return natural((*(const cli_tensor *const *)a)->name, (*(const cli_tensor *const *)b)->name);
}

static size_t module_of(const char *name)
{
    return (size_t)(leaf_of(name) - name);
}

static bool same_module(const char *a, const char *b)
{
    return module_of(a) == module_of(b) && memcmp(a, b, module_of(a)) == 0;
}

/* The tensor among those from `at` on of one module that this parameter takes; NULL: none. */
static cli_tensor *in_module(cli_tensor *const *sorted, int at, int n, const nilu_tensor *p, bool *turned)
{
    for (int i = at; i < n && same_module(sorted[at]->name, sorted[i]->name); i++)
        if (same_leaf(leaf_of(p->node->name), leaf_of(sorted[i]->name)) && fits(sorted[i], p, true, turned))
            return sorted[i];
    return NULL;
}

static nilu_status in_order(cli_weights *w, int n, nilu_tensor *const *p, nilu_store *store, int *found)
{
    cli_tensor **sorted = base_calloc(w->c->nl, (size_t)w->count + 1, sizeof *sorted);
    nilu_status status = sorted ? NILU_OK : NILU_E_NO_MEMORY;
    int count = 0, at = 0;
    for (int i = 0; i < w->count && sorted; i++)
        if (base_is_float(w->tensor[i].dtype))
            sorted[count++] = &w->tensor[i];
    if (sorted)
        qsort(sorted, (size_t)count, sizeof *sorted, by_module);
    *found = 0;
    for (int k = 0; k < n && status == NILU_OK && at < count; k++) {
        bool turned;
        cli_tensor *t = in_module(sorted, at, count, p[k], &turned);
        if (!t)
            break;
        ++*found;
        status = take(w, (int)(t - w->tensor), turned, p[k], store);
        if (k + 1 < n && !same_module(p[k]->node->name, p[k + 1]->node->name))
            for (int was = at; at < count && same_module(sorted[was]->name, sorted[at]->name);)
                at++;
    }
    base_free(w->c->nl, sorted);
    return status;
}

/* ---- all */

static nilu_status lacks(const cli_weights *w, int n, nilu_tensor *const *p, const nilu_store *store, int found)
{
    base_buffer b = {0};
    int named = 0;
    nilu_status status = NILU_OK;
    for (int k = 0; k < n && status == NILU_OK && named < 8; k++)
        if (!nilu_store_find(store, p[k]->node->name))
            status = base_appendf(w->c->nl, &b, "%s%.60s", named++ ? ", " : "", p[k]->node->name);
    if (status == NILU_OK)
        status = cli_fail(w->c, NILU_E_VERIFY, _(N_("%s: has values for %d of the %d parameters of the model; it lacks %s%s; its first tensor is "
                                                    "%.80s")), w->path, found, n, b.at ? b.at : "", named == 8 ? ", ..." : "",
                          w->count ? w->tensor[0].name : "none");
    base_free(w->c->nl, b.at);
    return status;
}

nilu_status cli_weights_fit(cli_weights *w, int n, nilu_tensor *const *p, nilu_store *store, bool *by_order)
{
    int found;
    NILU_TRY(by_name(w, n, p, store, &found));
    *by_order = !found && n > 0;
    if (*by_order)
        NILU_TRY(in_order(w, n, p, store, &found));
    return found == n ? NILU_OK : lacks(w, n, p, store, found);
}

nilu_status cli_parameters(cli *c, const nilu_model *model, const nilu_data *data, nilu_graph **g, nilu_tensor ***p, int *n)
{
    const nilu_data_info *d = nilu_data_about(data);
    nilu_model *own = NULL;
    nilu_tensor *y = NULL;
    *p = NULL;
    *n = 0;
    *g = nilu_graph_new(c->nl);
    nilu_status status = *g ? nn_for_pictures(model, d->height, d->width, d->channels, d->planes, &own) : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        const nilu_model *m = own ? own : model;
        status = nilu_model_build(m, nilu_input(*g, "x", NILU_F32, nn_input_shape(m, 1, d->features)), d->outputs, false, &y);
    }
    if (status == NILU_OK && !(*p = base_calloc(c->nl, (size_t)(*g)->nnode + 1, sizeof **p)))
        status = NILU_E_NO_MEMORY;
    for (int i = 0; status == NILU_OK && i < (*g)->nnode; i++) /* frozen ones too, which nothing reaches */
        if ((*g)->node[i]->op == &graph_op_param)
            (*p)[(*n)++] = &(*g)->node[i]->out[0];
    nilu_model_free(own);
    return status;
}
