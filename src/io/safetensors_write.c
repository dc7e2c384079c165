/* Writing safetensors: the header first, padded with blanks to a multiple of eight bytes, then the values by name. What is
 * written depends on the values and the metadata alone. */
#include "io/io.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef struct writer {
    nilu *nl;
    const char *path;
    const nilu_value **value; /* by name */
    int count;
    nilu_pair *pair;          /* by key; the last is the check sum */
    int pairs;
    char *states;
    char check[33];
    base_buffer header;
} writer;

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const nilu_value *const *)a)->name, (*(const nilu_value *const *)b)->name);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const nilu_pair *)a)->key, ((const nilu_pair *)b)->key);
}

static nilu_status pick(writer *w, const nilu_store *store, unsigned kinds)
{
    int n = nilu_store_count(store);
    w->value = base_calloc(w->nl, (size_t)n + 1, sizeof *w->value);
    if (!w->value)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < n; i++) {
        const nilu_value *v = nilu_store_at(store, i);
        if (kinds & 1u << v->kind)
            w->value[w->count++] = v;
    }
    qsort(w->value, (size_t)w->count, sizeof *w->value, by_name);
    for (int i = 0; i < w->count; i++)
        if (strcmp(w->value[i]->name, "__metadata__") == 0)
            return base_fail(w->nl, NILU_E_USAGE, N_("%s: a value cannot be called __metadata__; use another name"), w->path);
    return NILU_OK;
}

/* A text as JSON; only UTF-8 can be one. */
static nilu_status add_text(writer *w, base_buffer *b, const char *text)
{
    if (!data_is_utf8(text, strlen(text)))
        return base_fail(w->nl, NILU_E_USAGE, N_("%s: \"%.80s\" is not UTF-8, so that it cannot be written; use another name or "
                                                 "text"), w->path, text);
    NILU_TRY(base_append(w->nl, b, "\"", 1));
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ')
            NILU_TRY(base_appendf(w->nl, b, "\\u%04x", (unsigned)*c));
        else if (*c == '"' || *c == '\\')
            NILU_TRY(base_appendf(w->nl, b, "\\%c", *c));
        else
            NILU_TRY(base_append(w->nl, b, c, 1));
    return base_append(w->nl, b, "\"", 1);
}

/* The list of those values that are states, "" if there are none. */
static nilu_status list_states(writer *w)
{
    base_buffer b = {0};
    nilu_status status = NILU_OK;
    int n = 0;
    for (int i = 0; i < w->count && status == NILU_OK; i++) {
        if (w->value[i]->kind != NILU_STATE)
            continue;
        status = base_append(w->nl, &b, n++ ? "," : "[", 1);
        if (status == NILU_OK)
            status = add_text(w, &b, w->value[i]->name);
    }
    if (status == NILU_OK)
        status = base_append(w->nl, &b, "]", n ? 1 : 0);
    w->states = b.at;
    return status;
}

static nilu_status arrange(writer *w, int n, const nilu_pair *metadata)
{
    w->pair = base_calloc(w->nl, (size_t)n + 2, sizeof *w->pair);
    if (!w->pair)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < n; i++)
        w->pair[w->pairs++] = metadata[i];
    if (*w->states)
        w->pair[w->pairs++] = (nilu_pair){IO_STATES, w->states};
    qsort(w->pair, (size_t)w->pairs, sizeof *w->pair, by_key);
    for (int i = 0; i < w->pairs; i++)
        if ((i && strcmp(w->pair[i].key, w->pair[i - 1].key) == 0) || strcmp(w->pair[i].key, IO_CHECK) == 0)
            return base_fail(w->nl, NILU_E_USAGE, N_("%s: the metadata have %.80s twice, or use a name that nilu needs itself"),
                             w->path, w->pair[i].key);
    return NILU_OK;
}

static nilu_status add_check(writer *w)
{
    io_check check;
    NILU_TRY(io_check_start(w->nl, &check));
    for (int i = 0; i < w->pairs; i++)
        io_check_pair(&check, w->pair[i].key, w->pair[i].value);
    for (int i = 0; i < w->count; i++)
        io_check_tensor(&check, w->value[i]->name, io_dtype_name(w->value[i]->dtype), w->value[i]->shape);
    for (int i = 0; i < w->count; i++)
        io_check_bytes(&check, w->value[i]->data, w->value[i]->bytes);
    io_check_end(&check, w->check);
    w->pair[w->pairs++] = (nilu_pair){IO_CHECK, w->check};
    return NILU_OK;
}

static nilu_status add_tensor(writer *w, const nilu_value *v, uint64_t *at)
{
    base_buffer *b = &w->header;
    NILU_TRY(base_append(w->nl, b, ",", 1));
    NILU_TRY(add_text(w, b, v->name));
    NILU_TRY(base_appendf(w->nl, b, ":{\"dtype\":\"%s\",\"shape\":[", io_dtype_name(v->dtype)));
    for (int d = 0; d < v->shape.rank; d++)
        NILU_TRY(base_appendf(w->nl, b, "%s%lld", d ? "," : "", (long long)v->shape.dim[d]));
    uint64_t begin = *at;
    *at += v->bytes;
    return base_appendf(w->nl, b, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin, (unsigned long long)*at);
}

static nilu_status make_header(writer *w)
{
    base_buffer *b = &w->header;
    uint64_t at = 0;
    NILU_TRY(base_append(w->nl, b, "{\"__metadata__\":{", 17));
    for (int i = 0; i < w->pairs; i++) {
        if (i)
            NILU_TRY(base_append(w->nl, b, ",", 1));
        NILU_TRY(add_text(w, b, w->pair[i].key));
        NILU_TRY(base_append(w->nl, b, ":", 1));
        NILU_TRY(add_text(w, b, w->pair[i].value));
    }
    NILU_TRY(base_append(w->nl, b, "}", 1));
    for (int i = 0; i < w->count; i++)
        NILU_TRY(add_tensor(w, w->value[i], &at));
    NILU_TRY(base_append(w->nl, b, "}", 1));
    return base_append(w->nl, b, "       ", (8 - b->len % 8) % 8);
}

static nilu_status write_file(writer *w)
{
    base_output o;
    unsigned char length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)w->header.len >> 8 * i);
    NILU_TRY(base_create(w->nl, w->path, &o));
    base_write(&o, length, sizeof length);
    base_write(&o, w->header.at, w->header.len);
    for (int i = 0; i < w->count; i++)
        base_write(&o, w->value[i]->data, w->value[i]->bytes);
    return base_commit(&o);
}

nilu_status io_write(const nilu_store *store, unsigned kinds, int n, const nilu_pair *metadata, const char *path)
{
    nilu *nl = graph_store_context(store);
    writer w = {.nl = nl, .path = path};
    nilu_status status = pick(&w, store, kinds);
    if (status == NILU_OK)
        status = list_states(&w);
    if (status == NILU_OK)
        status = arrange(&w, n, metadata);
    if (status == NILU_OK)
        status = add_check(&w);
    if (status == NILU_OK)
        status = make_header(&w);
    if (status == NILU_OK)
        status = write_file(&w);
    base_free(nl, w.value);
    base_free(nl, w.pair);
    base_free(nl, w.states);
    base_free(nl, w.header.at);
    return status;
}

nilu_status nilu_save(const nilu_store *store, unsigned kinds, int n, const nilu_pair *metadata, const char *path)
{
    return io_write(store, kinds, n, metadata, path);
}
