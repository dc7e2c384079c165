/* Rows of ONNX's ops on quantized numbers: whole numbers q of 8 or 16 bits that stand for (q - zero point) * scale. They are
 * held as they are, or as i32, and computed with as real numbers. No error goes through rounding, and scales are not trained. */
#include "io/onnx.h"

#include <string.h>

typedef nilu_tensor *T;

/* The least and the largest number of a type of the format. */
static const struct {
    int type;
    double low, high;
} ranges[] = {{2, 0, 255}, {3, -128, 127}, {4, 0, 65535}, {5, -32768, 32767}};

/* Input i, a scale or a zero point, as real numbers beside x: one for all, one for each slice along `axis`, or one for each
 * `block_size` elements along it. */
static nilu_status beside(onnx_site *s, int i, nilu_dtype real, T *out)
{
    nilu_shape x = onnx_shape(s, 0), p = onnx_shape(s, i), wide = {.rank = x.rank};
    int64_t block = onnx_int(s, "block_size", 0), n;
    int axis = 0;
    T t = nilu_cast(onnx_frozen(s, i), real);
    if (base_count(p) == 1 && p.rank < 2) {
        *out = nilu_reshape(t, NILU_SCALAR);
        return NILU_OK;
    }
    NILU_TRY(onnx_axis(s, onnx_int(s, "axis", 1), x.rank, &axis));
    for (int d = 0; d < x.rank; d++)
        wide.dim[d] = block ? x.dim[d] : 1;
    n = p.rank > axis ? p.dim[axis] : 0;
    if (!block && p.rank == 1) {
        wide.dim[axis] = p.dim[0];
        *out = nilu_reshape(t, wide);
        return NILU_OK;
    }
    if (block < 1 || p.rank != x.rank || x.rank == NILU_MAX_RANK || n != (x.dim[axis] - 1) / block + 1 || block > INT32_MAX)
        return onnx_fail(s, N_("%d axes are given for %d"), p.rank, block ? x.rank : 1);
    nilu_shape apart = {.rank = x.rank + 1}, many;
    for (int d = 0; d <= x.rank; d++)
        apart.dim[d] = d == axis + 1 ? 1 : p.dim[d > axis ? d - 1 : d];
    many = apart;
    many.dim[axis + 1] = block;
    wide.dim[axis] = n * block;
    t = nilu_reshape(nilu_broadcast_to(nilu_reshape(t, apart), many), wide);
    *out = nilu_slice(t, axis, 0, x.dim[axis], 1);
    return NILU_OK;
}

static nilu_status build_DequantizeLinear(onnx_site *s)
{
    nilu_dtype real = onnx_dtype_of(s, 1);
    T scale, zero, x = nilu_cast(onnx_t(s, 0), real);
    NILU_TRY(beside(s, 1, real, &scale));
    if (onnx_has(s, 2)) {
        NILU_TRY(beside(s, 2, real, &zero));
        x = nilu_sub(x, zero);
    }
    return onnx_put(s, 0, nilu_mul(x, scale));
}

/* round(x / scale) + zero, held within the range of a type */
static nilu_status quantized(onnx_site *s, T x, T scale, T zero, int type)
{
    T q = nilu_round(nilu_div(x, scale));
    nilu_dtype d;
    for (size_t k = 0; k < COUNT(ranges); k++)
        if (ranges[k].type == type && onnx_dtype(type, &d)) {
            q = nilu_clamp(zero ? nilu_add(q, zero) : q, ranges[k].low, ranges[k].high);
            return onnx_put(s, 0, nilu_cast(q, d));
        }
    return onnx_fail(s, N_("elements of type %s are not supported"), onnx_type_name(type));
}

static nilu_status build_QuantizeLinear(onnx_site *s)
{
    nilu_dtype real = onnx_dtype_of(s, 1);
    int type = (int)onnx_int(s, "output_dtype", 0);
    T scale, zero = NULL, x = nilu_cast(onnx_t(s, 0), real);
    NILU_TRY(beside(s, 1, real, &scale));
    if (onnx_has(s, 2)) {
        NILU_TRY(beside(s, 2, real, &zero));
        type = s->in[2]->type;
    }
    return quantized(s, x, scale, zero, type ? type : 2);
}

/* The range of x, and 0, onto 0 to 255. */
static nilu_status build_DynamicQuantizeLinear(onnx_site *s)
{
    T x = onnx_t(s, 0), none = onnx_scalar(s, onnx_dtype_of(s, 0), 0);
    T low = nilu_minimum(nilu_min(x, NILU_ALL, false), none), high = nilu_maximum(nilu_max(x, NILU_ALL, false), none);
    T scale = nilu_div(nilu_sub(high, low), onnx_scalar(s, onnx_dtype_of(s, 0), 255));
    T zero = nilu_round(nilu_clamp(nilu_div(nilu_neg(low), scale), 0, 255));
    NILU_TRY(onnx_put(s, 1, scale));
    NILU_TRY(onnx_put(s, 2, nilu_cast(zero, NILU_U8)));
    return quantized(s, x, scale, zero, 2);
}

/* Input i less zero points (input i + 2; one, or one for each row of a or column of b), in f64: sums stay exact. */
static T less(onnx_site *s, int i)
{
    T x = nilu_cast(onnx_t(s, i), NILU_F64), zero = onnx_has(s, i + 2) ? nilu_cast(onnx_t(s, i + 2), NILU_F64) : NULL;
    if (zero && i == 0 && zero->shape.rank == 1 && zero->shape.dim[0] != 1)
        zero = nilu_reshape(zero, NILU_SHAPE(zero->shape.dim[0], 1));
    return zero ? nilu_sub(x, zero) : x;
}

static nilu_status build_MatMulInteger(onnx_site *s)
{
    return onnx_put(s, 0, nilu_cast(nilu_matmul(less(s, 0), less(s, 1)), NILU_I32));
}

#define IS(name)                                                                                                       \
    {                                                                                                                  \
#name, build_##name                                                                                            \
    }
const onnx_row onnx_rows_narrow[] = {IS(QuantizeLinear), IS(DequantizeLinear), IS(DynamicQuantizeLinear), IS(MatMulInteger), {0}};
