/* Attributes: printed, compared, hashed and read from the op's field table alone. */
#include "graph/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const void *at(const void *attr, const graph_field *f)
{
    return (const char *)attr + f->offset;
}

#define EACH_FIELD(op, f) for (const graph_field *f = (op)->fields; f < (op)->fields + GRAPH_MAX_FIELDS && f->name; f++)

nilu_status graph_attr_text(nilu *nl, const nilu_op *op, const void *attr, base_buffer *b)
{
    char dims[BASE_SHAPE_TEXT];
    EACH_FIELD(op, f)
    {
        const void *p = at(attr, f);
        NILU_TRY(base_appendf(nl, b, "%s%s=", b->len ? " " : "", f->name));
        switch (f->kind) {
        case FIELD_INT:
            NILU_TRY(base_appendf(nl, b, "%lld", (long long)*(const int64_t *)p));
            break;
        case FIELD_REAL:
            NILU_TRY(base_appendf(nl, b, "%.9g", *(const double *)p));
            break;
        case FIELD_BOOL:
            NILU_TRY(base_appendf(nl, b, "%s", *(const bool *)p ? "true" : "false"));
            break;
        case FIELD_DTYPE:
            NILU_TRY(base_appendf(nl, b, "%s", nilu_dtype_name(*(const nilu_dtype *)p)));
            break;
        case FIELD_SHAPE:
            NILU_TRY(base_appendf(nl, b, "%s", base_shape_text(*(const nilu_shape *)p, dims)));
            break;
        case FIELD_AXES: {
            const nilu_axes *a = p;
            NILU_TRY(base_appendf(nl, b, "("));
            for (int i = 0; i < a->n; i++)
                NILU_TRY(base_appendf(nl, b, i ? " %d" : "%d", a->at[i]));
            NILU_TRY(base_appendf(nl, b, ")"));
            break;
        }
        }
    }
    return NILU_OK;
}

const void *graph_attr_find(const nilu_node *n, const char *name)
{
    EACH_FIELD(n->op, f)
    {
        if (strcmp(f->name, name) == 0)
            return at(n->attr, f);
    }
    return NULL;
}

static size_t field_size(const graph_field *f)
{
    static const size_t size[] = {[FIELD_INT] = sizeof(int64_t),      [FIELD_REAL] = sizeof(double),
                                  [FIELD_BOOL] = sizeof(bool),        [FIELD_DTYPE] = sizeof(nilu_dtype),
                                  [FIELD_SHAPE] = sizeof(nilu_shape), [FIELD_AXES] = sizeof(nilu_axes)};
    return size[f->kind];
}

bool graph_attr_equal(const nilu_op *op, const void *a, const void *b)
{
    EACH_FIELD(op, f)
    {
        if (memcmp(at(a, f), at(b, f), field_size(f)) != 0)
            return false;
    }
    return true;
}

uint64_t graph_attr_hash(const nilu_op *op, const void *attr, uint64_t seed)
{
    EACH_FIELD(op, f) seed = base_hash(at(attr, f), field_size(f), seed);
    return seed;
}

/* "[2, 3]", "2x3" or "(0 1)": whole numbers with anything but digits and signs between them. */
static int read_list(const char *text, long long out[NILU_MAX_RANK])
{
    int n = 0;
    for (const char *p = text; *p && n < NILU_MAX_RANK;) {
        char *end;
        long long v = strtoll(p, &end, 10);
        if (end == p) {
            p++;
            continue;
        }
        out[n++] = v;
        p = end;
    }
    return n;
}

static nilu_status read_field(nilu *nl, const nilu_op *op, const graph_field *f, const char *text, void *p)
{
    char *end = NULL;
    long long list[NILU_MAX_RANK];
    errno = 0;
    switch (f->kind) {
    case FIELD_INT:
        *(int64_t *)p = strtoll(text, &end, 10);
        break;
    case FIELD_REAL:
        *(double *)p = strtod(text, &end);
        break;
    case FIELD_BOOL:
        *(bool *)p = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
        return NILU_OK;
    case FIELD_DTYPE:
        if (nilu_dtype_from_name(text, p))
            return NILU_OK;
        break;
    case FIELD_SHAPE: {
        nilu_shape *s = p;
        s->rank = read_list(text, list);
        for (int i = 0; i < s->rank; i++)
            s->dim[i] = list[i];
        return NILU_OK;
    }
    case FIELD_AXES: {
        nilu_axes *a = p;
        a->n = read_list(text, list);
        for (int i = 0; i < a->n; i++)
            a->at[i] = (int)list[i];
        return NILU_OK;
    }
    }
    if (!end || end == text || *end || errno)
        return base_fail(nl, NILU_E_ATTRIBUTE, N_("%s: \"%s\" is no value for %s"), op->name, text, f->name);
    return NILU_OK;
}

nilu_status graph_attr_parse(nilu *nl, const nilu_op *op, const char *text, void *attr)
{
    char key[32], value[160];
    int used;
    memset(attr, 0, op->attr_size);
    for (; text && sscanf(text, " %31[a-z_0-9]=%159s%n", key, value, &used) == 2; text += used) {
        bool known = false;
        EACH_FIELD(op, f)
        {
            if (strcmp(f->name, key) != 0)
                continue;
            NILU_TRY(read_field(nl, op, f, value, (char *)attr + f->offset));
            known = true;
        }
        if (!known)
            return base_fail(nl, NILU_E_ATTRIBUTE, N_("%s: has no attribute \"%s\""), op->name, key);
    }
    return NILU_OK;
}
