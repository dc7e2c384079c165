/* Memory: every block comes from the context's allocator, is counted, and reports its failure as an error. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *from_malloc(void *user, void *old, size_t size)
{
    (void)user;
    if (size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, size);
}

const nilu_allocator base_malloc_allocator = {from_malloc, NULL};

bool base_mul(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

bool base_add(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

void *base_realloc(nilu *nl, void *old, size_t bytes)
{
    if (bytes == 0)
        bytes = 1; /* 0 would free */
    nl->allocations++;
    void *p = nl->options.alloc.resize(nl->options.alloc.user, old, bytes);
    if (!p)
        base_no_memory(nl, bytes);
    return p;
}

void *base_alloc(nilu *nl, size_t bytes)
{
    return base_realloc(nl, NULL, bytes);
}

void *base_calloc(nilu *nl, size_t count, size_t bytes)
{
    size_t total;
    if (!base_mul(count, bytes, &total)) {
        base_no_memory(nl, SIZE_MAX);
        return NULL;
    }
    void *p = base_alloc(nl, total);
    if (p)
        memset(p, 0, total);
    return p;
}

void base_free(nilu *nl, void *p)
{
    if (p)
        nl->options.alloc.resize(nl->options.alloc.user, p, 0);
}

/* A wish, which may be refused: large pages, of which [at, at + bytes) is whole ones. Small ones lie anywhere in memory, so what
 * should fit a cache of its own meets itself in it, and every page wants an entry among few. */
void base_in_large_pages(void *at, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    const uintptr_t page = BASE_LARGE_PAGE, begin = ((uintptr_t)at + page - 1) & ~(page - 1), end = ((uintptr_t)at + bytes) & ~(page - 1);
    if (begin < end)
        madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
    (void)at, (void)bytes;
#endif
}

/* The block's true start stands in the eight bytes before the aligned address; whole lines of 64 bytes follow it. What fills
 * large pages begins with one; its end stays in small ones, so that no more memory is touched than was asked for. */
void *base_alloc_aligned(nilu *nl, size_t bytes)
{
    const bool large = bytes >= BASE_LARGE_PAGE;
    const uintptr_t to = large ? BASE_LARGE_PAGE : 64;
    size_t total;
    if (!base_add(bytes, to + 64 + sizeof(void *), &total)) {
        base_no_memory(nl, SIZE_MAX);
        return NULL;
    }
    char *start = base_alloc(nl, total);
    if (!start)
        return NULL;
    char *p = (char *)(((uintptr_t)start + sizeof(void *) + to - 1) & ~(to - 1));
    if (large)
        base_in_large_pages(p, bytes);
    memset(p, 0, bytes + 64);
    memcpy(p - sizeof start, &start, sizeof start);
    return p;
}

void base_free_aligned(nilu *nl, void *p)
{
    if (!p)
        return;
    char *start;
    memcpy(&start, (char *)p - sizeof start, sizeof start);
    base_free(nl, start);
}

char *base_strdup(nilu *nl, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = base_alloc(nl, n);
    return copy ? memcpy(copy, text, n) : NULL;
}

char *base_format(nilu *nl, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *text = n < 0 ? NULL : base_alloc(nl, (size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(args);
    va_end(again);
    return text;
}

nilu_status base_append(nilu *nl, base_buffer *b, const void *bytes, size_t n)
{
    size_t need;
    if (!base_add(b->len, n, &need) || !base_add(need, 1, &need))
        return base_no_memory(nl, SIZE_MAX);
    if (need > b->cap) {
        size_t cap = need < 64 ? 64 : need + need / 2;
        char *at = base_realloc(nl, b->at, cap);
        if (!at)
            return NILU_E_NO_MEMORY;
        b->at = at;
        b->cap = cap;
    }
    if (n)
        memcpy(b->at + b->len, bytes, n);
    b->len += n;
    b->at[b->len] = 0;
    return NILU_OK;
}

nilu_status base_appendf(nilu *nl, base_buffer *b, const char *format, ...)
{
    char small[512];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, format, args);
    nilu_status status = NILU_OK;
    if (n >= 0 && (size_t)n < sizeof small) {
        status = base_append(nl, b, small, (size_t)n);
    } else if (n >= 0) {
        char *text = base_alloc(nl, (size_t)n + 1);
        status = text ? NILU_OK : NILU_E_NO_MEMORY;
        if (text) {
            vsnprintf(text, (size_t)n + 1, format, again);
            status = base_append(nl, b, text, (size_t)n);
            base_free(nl, text);
        }
    }
    va_end(args);
    va_end(again);
    return status;
}

nilu_status base_grow(nilu *nl, void *array, int *cap, int n, size_t size)
{
    if (n <= *cap)
        return NILU_OK;
    int more = *cap < 8 ? 8 : *cap * 2;
    while (more < n)
        more *= 2;
    void *old, *p;
    memcpy(&old, array, sizeof old);
    p = base_realloc(nl, old, (size_t)more * size);
    if (!p)
        return NILU_E_NO_MEMORY;
    memcpy(array, &p, sizeof p);
    *cap = more;
    return NILU_OK;
}
