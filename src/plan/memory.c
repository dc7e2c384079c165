/* Places in the arena. The largest buffers are placed first, each at the lowest offset where it meets no buffer that is
 * alive at the same time. */
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

#define ALIGN(bytes) (((bytes) + 63) & ~(size_t)63)

static int by_size(const void *a, const void *b)
{
    const plan_buffer *x = *(const plan_buffer *const *)a, *y = *(const plan_buffer *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : x > y;
}

static int by_offset(const void *a, const void *b)
{
    const plan_buffer *x = *(const plan_buffer *const *)a, *y = *(const plan_buffer *const *)b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x < y ? -1 : x > y;
}

static size_t lower_bound(const nilu_plan *p)
{
    size_t bound = 0;
    for (int i = 0; i <= p->nstep; i++) {
        size_t live = 0;
        for (int b = 0; b < p->nbuffer; b++)
            if (p->buffer[b].where == PLAN_ARENA && p->buffer[b].first <= i && p->buffer[b].last >= i)
                live += ALIGN(p->buffer[b].bytes);
        bound = live > bound ? live : bound;
    }
    return bound;
}

nilu_status plan_place(nilu_plan *p)
{
    plan_buffer **list = base_calloc(p->nl, (size_t)p->nbuffer + 1, sizeof(plan_buffer *));
    plan_buffer **near = base_calloc(p->nl, (size_t)p->nbuffer + 1, sizeof(plan_buffer *));
    int n = 0;
    nilu_status status = NILU_E_NO_MEMORY;
    if (!list || !near)
        goto cleanup;
    for (int b = 0; b < p->nbuffer; b++)
        if (p->buffer[b].where == PLAN_ARENA)
            list[n++] = &p->buffer[b];
    qsort(list, (size_t)n, sizeof(plan_buffer *), by_size);
    p->arena_bytes = 0;
    for (int i = 0; i < n; i++) {
        plan_buffer *b = list[i];
        int neighbours = 0;
        for (int j = 0; j < i; j++)
            if (list[j]->first <= b->last && b->first <= list[j]->last)
                near[neighbours++] = list[j];
        qsort(near, (size_t)neighbours, sizeof(plan_buffer *), by_offset);
        size_t at = 0;
        for (int j = 0; j < neighbours && at + b->bytes > near[j]->offset; j++) {
            size_t end = near[j]->offset + ALIGN(near[j]->bytes);
            at = end > at ? end : at;
        }
        b->offset = at;
        if (at + ALIGN(b->bytes) > p->arena_bytes)
            p->arena_bytes = at + ALIGN(b->bytes);
    }
    p->lower_bound = lower_bound(p);
    p->arena = base_alloc_aligned(p->nl, p->arena_bytes + 64);
    if (!p->arena)
        goto cleanup;
    for (int i = 0; i < n; i++)
        list[i]->data = p->arena + list[i]->offset;
    status = NILU_OK;
cleanup:
    base_free(p->nl, list);
    base_free(p->nl, near);
    return status;
}

/* ---- barriers: between two instructions that touch the same bytes, one of them writing */

static bool overlap(const plan_buffer *a, const plan_buffer *b)
{
    if (a == b)
        return true;
    return a->where == PLAN_ARENA && b->where == PLAN_ARENA && a->offset < b->offset + b->bytes &&
           b->offset < a->offset + a->bytes;
}

static bool conflict(const nilu_plan *p, const plan_step *a, const plan_step *b)
{
    for (int i = 0; i < a->call.nout; i++) {
        for (int j = 0; j < b->call.nin; j++)
            if (overlap(&p->buffer[a->out[i]], &p->buffer[b->in[j]]))
                return true;
        for (int j = 0; j < b->call.nout; j++)
            if (overlap(&p->buffer[a->out[i]], &p->buffer[b->out[j]]))
                return true;
    }
    for (int i = 0; i < a->call.nin; i++)
        for (int j = 0; j < b->call.nout; j++)
            if (overlap(&p->buffer[a->in[i]], &p->buffer[b->out[j]]))
                return true;
    return false;
}

/* What runs behind the tiles of the one before waits where that does. */
void plan_barriers(nilu_plan *p)
{
    int since = 0;
    for (int i = 0; i < p->nstep; i++) {
        const int first = plan_leader(p, i);
        bool wait = false;
        for (int j = since; j < first && !wait; j++)
            wait = !(p->step[j].alone && p->step[i].alone) && /* small ones follow each other on one thread */
                   (p->step[j].job.faults || conflict(p, &p->step[j], &p->step[i]));
        if (wait) {
            p->step[first].wait = true;
            since = first;
        }
    }
}
