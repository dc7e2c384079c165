/* Writing GGUF: metadata, then the parameters by name. What is written depends on the values and the texts alone. */
#include "gguf.h"

#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 3, TYPE_U32 = 4, TYPE_TEXT = 8 };

typedef struct writer {
    nilu *nl;
    const char *path;
    const nilu_value **value; /* by name */
    int count;
    base_buffer head;
    nilu_status status;
} writer;

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const nilu_value *const *)a)->name, (*(const nilu_value *const *)b)->name);
}

static void put(writer *w, const void *bytes, size_t n)
{
    if (w->status == NILU_OK)
        w->status = base_append(w->nl, &w->head, bytes, n);
}

static void put_whole(writer *w, uint64_t n, int bytes)
{
    unsigned char p[8];
    for (int i = 0; i < bytes; i++)
        p[i] = (unsigned char)(n >> 8 * i);
    put(w, p, (size_t)bytes);
}

static void put_text(writer *w, const char *text)
{
    put_whole(w, strlen(text), 8);
    put(w, text, strlen(text));
}

static void put_pair(writer *w, const char *key, const char *text)
{
    put_text(w, key);
    put_whole(w, TYPE_TEXT, 4);
    put_text(w, text);
}

static uint64_t aligned(uint64_t n)
{
    return (n + GGUF_ALIGNMENT - 1) / GGUF_ALIGNMENT * GGUF_ALIGNMENT;
}

static nilu_status pick(writer *w, const nilu_store *store)
{
    w->value = base_calloc(w->nl, (size_t)nilu_store_count(store) + 1, sizeof *w->value);
    if (!w->value)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < nilu_store_count(store); i++) {
        const nilu_value *v = nilu_store_at(store, i);
        if (v->kind != NILU_PARAM)
            continue;
        if (gguf_type_of(v->dtype) < 0 || v->shape.rank > GGUF_MAX_RANK)
            return base_fail(w->nl, NILU_E_UNSUPPORTED, N_("%s: %.80s is %s of %d dimensions, which GGUF has not; write safetensors"), w->path,
                             v->name, nilu_dtype_name(v->dtype), v->shape.rank);
        w->value[w->count++] = v;
    }
    qsort(w->value, (size_t)w->count, sizeof *w->value, by_name);
    return NILU_OK;
}

static void put_head(writer *w, const char *architecture, const char *title, const char *model)
{
    uint64_t at = 0;
    put(w, "GGUF", 4);
    put_whole(w, VERSION, 4);
    put_whole(w, (uint64_t)w->count, 8);
    put_whole(w, 3 + (model != NULL), 8);
    put_pair(w, "general.architecture", architecture);
    put_pair(w, "general.name", title);
    put_text(w, "general.alignment");
    put_whole(w, TYPE_U32, 4);
    put_whole(w, GGUF_ALIGNMENT, 4);
    if (model)
        put_pair(w, GGUF_MODEL, model);
    for (int i = 0; i < w->count; i++) {
        const nilu_value *v = w->value[i];
        put_text(w, v->name);
        put_whole(w, (uint64_t)v->shape.rank, 4);
        for (int d = v->shape.rank; d-- > 0;)
            put_whole(w, (uint64_t)v->shape.dim[d], 8);
        put_whole(w, (uint64_t)gguf_type_of(v->dtype), 4);
        put_whole(w, at, 8);
        at += aligned(v->bytes);
    }
}

nilu_status gguf_write(const nilu_store *store, const char *architecture, const char *title, const char *model, const char *path)
{
    static const char zeros[GGUF_ALIGNMENT] = {0};
    writer w = {.nl = graph_store_context(store), .path = path};
    base_output o;
    w.status = pick(&w, store);
    put_head(&w, architecture, title, model);
    if (w.status == NILU_OK)
        w.status = base_create(w.nl, path, &o);
    if (w.status == NILU_OK) {
        base_write(&o, w.head.at, w.head.len);
        base_write(&o, zeros, (size_t)(aligned(w.head.len) - w.head.len));
        for (int i = 0; i < w.count; i++) {
            base_write(&o, w.value[i]->data, w.value[i]->bytes);
            base_write(&o, zeros, (size_t)(aligned(w.value[i]->bytes) - w.value[i]->bytes));
        }
        w.status = base_commit(&o);
    }
    base_free(w.nl, w.value);
    base_free(w.nl, w.head.at);
    return w.status;
}
