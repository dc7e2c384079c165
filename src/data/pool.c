/* Memory that lives as long as a set: names, categories, small tables. Blocks are only ever added, and all are freed
 * at once, so no failure on the way can lose one. */
#include "data/data.h"

#include <string.h>

struct data_block {
    struct data_block *before;
    size_t used, size;
    max_align_t bytes[];
};

enum { BLOCK = 16384 };

void *data_keep(data_pool *pool, size_t bytes)
{
    size_t size, total;
    if (!base_add(bytes, sizeof(max_align_t) - 1, &size)) {
        base_no_memory(pool->nl, bytes);
        return NULL;
    }
    size -= size % sizeof(max_align_t);
    struct data_block *b = pool->last;
    if (!b || b->size - b->used < size) {
        size_t room = size > BLOCK ? size : BLOCK;
        if (!base_add(room, sizeof *b, &total)) {
            base_no_memory(pool->nl, bytes);
            return NULL;
        }
        b = base_calloc(pool->nl, 1, total);
        if (!b)
            return NULL;
        b->before = pool->last;
        b->size = room;
        pool->last = b;
        pool->bytes += total;
    }
    void *at = (char *)b->bytes + b->used;
    b->used += size;
    return at;
}

char *data_keep_text(data_pool *pool, const char *text, size_t n)
{
    char *copy = n < SIZE_MAX ? data_keep(pool, n + 1) : NULL;
    if (copy)
        memcpy(copy, text, n);
    return copy;
}

char *data_keep_format(data_pool *pool, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : data_keep(pool, (size_t)n + 1);
    if (!text)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

void data_pool_free(data_pool *pool)
{
    while (pool->last) {
        struct data_block *before = pool->last->before;
        base_free(pool->nl, pool->last);
        pool->last = before;
    }
    pool->bytes = 0;
}
