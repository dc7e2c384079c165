/* What the movements share: elements are copied as bytes, so that every data type arrives as it was. */
#include "ops/ops.h"

#include <string.h>

void ops_copy(const nilu_call *c, int k, int64_t from, int64_t to, int64_t n)
{
    size_t size = nilu_dtype_size(c->out[0].dtype);
    if (n > 0)
        memcpy((char *)c->out[0].data + (size_t)to * size, (const char *)c->in[k].data + (size_t)from * size, (size_t)n * size);
}

double ops_no_flops(const nilu_node *n)
{
    (void)n;
    return 0;
}

nilu_status ops_need_index(nilu_build *b, int i)
{
    NILU_NEED_AS(b, NILU_E_DTYPE, b->in[i]->dtype == NILU_I32 || b->in[i]->dtype == NILU_I64,
                 N_("index must be i32 or i64; is a cast missing?"));
    return NILU_OK;
}

nilu_status ops_need_lines(nilu_build *b, int axis)
{
    const nilu_shape x = b->in[0]->shape, index = b->in[1]->shape;
    NILU_NEED(b, x.rank == index.rank, N_("index has %d axes and x %d; both need as many"), index.rank, x.rank);
    for (int d = 0; d < x.rank; d++)
        NILU_NEED(b, d == axis || x.dim[d] == index.dim[d], N_("at axis %d x has %lld and index %lld; they may differ along axis %d alone"), d,
                  (long long)x.dim[d], (long long)index.dim[d], axis);
    return NILU_OK;
}

nilu_status ops_index(const nilu_call *c, int64_t i, int64_t n, int64_t *index)
{
    *index = call_get_int(c, 1, i);
    if (*index < 0 || *index >= n)
        return graph_fault(c, i, N_("index %lld is %lld, but there are %lld places (0 is the first)"), (long long)i,
                           (long long)*index, (long long)n);
    return NILU_OK;
}
