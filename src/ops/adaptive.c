/* What adaptive pools and resizing share: constant tables that say which places of an axis make a place of the result. */
#include "ops/ops.h"

nilu_status ops_need_planes(nilu_build *b)
{
    const nilu_shape x = b->in[0]->shape;
    int64_t plane = 1;
    for (int d = 2; d < x.rank; d++) {
        NILU_NEED(b, !__builtin_mul_overflow(plane, x.dim[d], &plane) && plane <= INT32_MAX, N_("a plane of x has more than 2^31 places"));
        NILU_NEED(b, x.dim[d] > 0, N_("x has no places along spatial axis %d"), d - 2);
    }
    return NILU_OK;
}

nilu_status ops_resized(nilu_build *b, nilu_axes *size, nilu_shape *y)
{
    NILU_TRY(ops_need_picture(b, 0));
    *y = b->in[0]->shape;
    NILU_TRY(ops_fill_size(b, "size", size, y->rank - 2));
    NILU_TRY(ops_need_planes(b));
    for (int d = 0; d < size->n; d++)
        y->dim[2 + d] = size->at[d];
    return NILU_OK;
}

ops_span ops_adaptive_span(int64_t in, int64_t out, int64_t i)
{
    return (ops_span){i * in / out, ((i + 1) * in + out - 1) / out};
}

nilu_tensor *ops_table(nilu_graph *g, nilu_dtype dtype, nilu_shape shape, double (*at)(const void *how, int64_t i, int64_t j), const void *how)
{
    const nilu_dtype held = base_is_float(dtype) ? NILU_F64 : dtype; /* or a graph recast to f64 would have shares of f32 */
    const int64_t rows = shape.dim[0], columns = shape.rank > 1 ? shape.dim[1] : 1;
    size_t n;
    void *numbers = base_mul((size_t)rows, (size_t)columns, &n) ? base_calloc(g->nl, n + 1, nilu_dtype_size(held)) : NULL;
    if (!numbers) {
        graph_fail(g, base_no_memory(g->nl, 0), "%s", nilu_errmsg(g->nl));
        return NULL;
    }
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            base_store(held, numbers, i * columns + j, at(how, i, j));
    nilu_tensor *t = nilu_constant(g, held, shape, numbers);
    base_free(g->nl, numbers);
    return held == dtype ? t : nilu_cast(t, dtype);
}
