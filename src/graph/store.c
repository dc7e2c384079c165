/* A store: named arrays that outlive plans. Values are found through an open hash table; a value's bytes never move, so
 * that plans can hold pointers to them. */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

struct nilu_store {
    nilu *nl;
    nilu_value **value; /* in the order in which they were added */
    int count, cap;
    int *slot; /* indices + 1 */
    int slots;
};

nilu_store *nilu_store_new(nilu *nl)
{
    nilu_store *s = base_calloc(nl, 1, sizeof *s);
    if (s)
        s->nl = nl;
    return s;
}

static void free_value(nilu *nl, nilu_value *v)
{
    if (!v)
        return;
    base_free(nl, (char *)v->name);
    base_free_aligned(nl, v->data);
    base_free(nl, v);
}

void nilu_store_free(nilu_store *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->count; i++)
        free_value(s->nl, s->value[i]);
    base_free(s->nl, s->value);
    base_free(s->nl, s->slot);
    base_free(s->nl, s);
}

nilu *graph_store_context(const nilu_store *s)
{
    return s->nl;
}

int nilu_store_count(const nilu_store *s)
{
    return s->count;
}

const nilu_value *nilu_store_at(const nilu_store *s, int i)
{
    return i >= 0 && i < s->count ? s->value[i] : NULL;
}

static int *slot_of(const nilu_store *s, const char *name)
{
    size_t mask = (size_t)s->slots - 1, i = base_hash_text(name) & mask;
    while (s->slot[i] && strcmp(s->value[s->slot[i] - 1]->name, name) != 0)
        i = (i + 1) & mask;
    return &s->slot[i];
}

const nilu_value *nilu_store_find(const nilu_store *s, const char *name)
{
    int *slot = s->slots ? slot_of(s, name) : NULL;
    return slot && *slot ? s->value[*slot - 1] : NULL;
}

static nilu_status make_room(nilu_store *s)
{
    NILU_TRY(base_grow(s->nl, &s->value, &s->cap, s->count + 1, sizeof *s->value));
    if (2 * (s->count + 1) <= s->slots)
        return NILU_OK;
    int slots = s->slots ? 2 * s->slots : 32, *old = s->slot;
    int *fresh = base_calloc(s->nl, (size_t)slots, sizeof *fresh);
    if (!fresh)
        return NILU_E_NO_MEMORY;
    s->slot = fresh;
    s->slots = slots;
    base_free(s->nl, old);
    for (int i = 0; i < s->count; i++)
        *slot_of(s, s->value[i]->name) = i + 1;
    return NILU_OK;
}

static nilu_status size_of(nilu *nl, const char *name, nilu_dtype dtype, nilu_shape shape, size_t *bytes)
{
    size_t n = nilu_dtype_size(dtype);
    bool fits = shape.rank >= 0 && shape.rank <= NILU_MAX_RANK;
    for (int d = 0; fits && d < shape.rank; d++)
        fits = shape.dim[d] >= 0 && base_mul(n, (size_t)shape.dim[d], &n);
    *bytes = n;
    return fits ? NILU_OK : base_fail(nl, NILU_E_SHAPE, N_("%s: the shape is not possible; dimensions are 0 or more, at most %d of them"),
                                      name, NILU_MAX_RANK);
}

nilu_status nilu_store_put(nilu_store *s, nilu_kind kind, const char *name, nilu_dtype dtype, nilu_shape shape,
                           const void *data)
{
    nilu *nl = s->nl;
    size_t bytes;
    char a[BASE_SHAPE_TEXT], b[BASE_SHAPE_TEXT];
    NILU_TRY(size_of(nl, name, dtype, shape, &bytes));
    const nilu_value *old = nilu_store_find(s, name);
    if (old) {
        if (old->dtype != dtype)
            return base_fail(nl, NILU_E_DTYPE, N_("%s: is %s in the store, but %s was given"), name, nilu_dtype_name(old->dtype),
                             nilu_dtype_name(dtype));
        if (!base_same_shape(old->shape, shape))
            return base_fail(nl, NILU_E_SHAPE, N_("%s: is %s in the store, but %s was given"), name,
                             base_shape_text(old->shape, a), base_shape_text(shape, b));
        if (data)
            memmove(old->data, data, bytes);
        else
            memset(old->data, 0, bytes);
        return NILU_OK;
    }
    NILU_TRY(make_room(s));
    nilu_value *v = base_calloc(nl, 1, sizeof *v);
    if (!v)
        return NILU_E_NO_MEMORY;
    for (int d = shape.rank; d < NILU_MAX_RANK; d++)
        shape.dim[d] = 0;
    *v = (nilu_value){.name = base_strdup(nl, name), .kind = kind, .dtype = dtype, .shape = shape, .bytes = bytes};
    v->data = base_alloc_aligned(nl, bytes ? bytes : 1);
    if (!v->name || !v->data) {
        free_value(nl, v);
        return NILU_E_NO_MEMORY;
    }
    if (data)
        memcpy(v->data, data, bytes);
    *slot_of(s, name) = s->count + 1;
    s->value[s->count++] = v;
    return NILU_OK;
}

void nilu_store_hash(const nilu_store *s, nilu_kind kind, char hex[65])
{
    base_sha256 h;
    base_sha256_start(&h);
    /* By name: the next is the smallest that is larger than the last. Stores are small; nothing is allocated. */
    for (const char *last = NULL;;) {
        const nilu_value *next = NULL;
        for (int i = 0; i < s->count; i++) {
            const nilu_value *v = s->value[i];
            if (v->kind == kind && (!last || strcmp(v->name, last) > 0) && (!next || strcmp(v->name, next->name) < 0))
                next = v;
        }
        if (!next)
            break;
        char dims[BASE_SHAPE_TEXT];
        const char *dtype = nilu_dtype_name(next->dtype);
        base_sha256_add(&h, next->name, strlen(next->name) + 1);
        base_sha256_add(&h, dtype, strlen(dtype) + 1);
        base_shape_text(next->shape, dims);
        base_sha256_add(&h, dims, strlen(dims) + 1);
        base_sha256_add(&h, next->data, next->bytes);
        last = next->name;
    }
    base_sha256_end(&h, hex);
}
