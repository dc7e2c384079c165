/* Tables: gather and one_hot, with data of any type. Gather copies slices; one_hot clears rows and sets one element of each.
 * Every index is checked where it is used; one that is out of range is reported and left out. */
#include "cpu/cpu.h"

#include <string.h>

int64_t cpu_index(const nilu_arg *a, int64_t i)
{
    return a->dtype == NILU_I64 ? ((const int64_t *)a->data)[i] : ((const int32_t *)a->data)[i];
}

bool cpu_place(const nilu_call *c, int64_t i, int64_t n, int64_t *place)
{
    *place = cpu_index(&c->in[1], i);
    return (*place >= 0 && *place < n) || ops_index(c, i, n, place) == NILU_OK;
}

static int64_t slices_of_tile(int64_t bytes)
{
    return CPU_TILE_BYTES / (bytes + 1) + 1;
}

static nilu_status gather_prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)nl, (void)isa;
    graph_around x = graph_split(n->in[0]->shape, (int)((const struct ops_axis *)n->attr)->axis);
    int64_t bytes = x.inner * (int64_t)nilu_dtype_size(n->out[0].dtype);
    int64_t slices = x.outer * base_count(n->in[1]->shape);
    *job = (cpu_job){.phases = 1, .tiles = {cpu_ceil_div(slices, slices_of_tile(bytes))}, .faults = true};
    return NILU_OK;
}

static void copy_slice(char *to, const char *from, int64_t bytes)
{
    switch (bytes) {
    case 1:
        *to = *from;
        return;
    case 2:
        memcpy(to, from, 2);
        return;
    case 4:
        memcpy(to, from, 4);
        return;
    case 8:
        memcpy(to, from, 8);
        return;
    default:
        memcpy(to, from, (size_t)bytes);
    }
}

static nilu_status gather_run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    (void)phase, (void)local;
    graph_around x = graph_split(c->in[0].shape, (int)((const struct ops_axis *)c->attr)->axis);
    int64_t bytes = x.inner * (int64_t)nilu_dtype_size(c->out[0].dtype), count = c->in[1].n, place;
    int64_t per = slices_of_tile(bytes), at = begin * per, stop = cpu_least(end * per, x.outer * count);
    if (at >= stop)
        return NILU_OK;
    const char *from = (const char *)c->in[0].data + at / count * x.n * bytes;
    char *to = (char *)c->out[0].data + at * bytes;
    for (int64_t i = at % count; at < stop; at++, to += bytes) {
        if (cpu_place(c, i, x.n, &place))
            copy_slice(to, from + place * bytes, bytes);
        if (++i == count)
            i = 0, from += x.n * bytes;
    }
    return NILU_OK;
}

/* ---- one_hot: element `size` bytes; the index is input 0 */

static nilu_status one_hot_prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)nl, (void)isa;
    const nilu_tensor *z = &n->out[0];
    int64_t row = z->shape.dim[z->shape.rank - 1] * (int64_t)nilu_dtype_size(z->dtype);
    *job = (cpu_job){
        .phases = 1, .tiles = {cpu_ceil_div(base_count(n->in[0]->shape), slices_of_tile(row))}, .faults = true};
    return NILU_OK;
}

static nilu_status one_hot_run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    (void)phase, (void)local;
    const nilu_arg *z = &c->out[0];
    int64_t classes = z->shape.dim[z->shape.rank - 1], size = (int64_t)nilu_dtype_size(z->dtype), row = classes * size;
    int64_t per = slices_of_tile(row), at = begin * per, stop = cpu_least(end * per, c->in[0].n);
    uint64_t one;
    if (at >= stop)
        return NILU_OK;
    base_store(z->dtype, &one, 0, 1);
    memset((char *)z->data + at * row, 0, (size_t)((stop - at) * row));
    for (; at < stop; at++) {
        int64_t index = cpu_index(&c->in[0], at);
        if (index < 0 || index >= classes)
            graph_fault(c, at, N_("index %lld is %lld, but there are %lld classes (0 is the first)"), (long long)at,
                        (long long)index, (long long)classes);
        else
            copy_slice((char *)z->data + at * row + index * size, (const char *)&one, size);
    }
    return NILU_OK;
}

const cpu_kernel cpu_kernel_gather = {"gather", "gather", cpu_accepts_all, gather_prepare, gather_run};
const cpu_kernel cpu_kernel_one_hot = {"one_hot", "one_hot", cpu_accepts_all, one_hot_prepare, one_hot_run};
