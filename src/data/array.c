/* Arrays in files, whatever wrote them: a header told the element type, the byte order and the shape; here are the rows.
 * Invariant: after data_array_check, every row lies inside the file. */
#include "data/data.h"

#include <string.h>

static const struct {
    const char *name;
    unsigned char size;
    bool is_float;
} types[DATA_TYPES] = {
    [DATA_BOOL] = {"bool", 1, false}, [DATA_U8] = {"u8", 1, false},   [DATA_I8] = {"i8", 1, false},
    [DATA_U16] = {"u16", 2, false},   [DATA_I16] = {"i16", 2, false}, [DATA_U32] = {"u32", 4, false},
    [DATA_I32] = {"i32", 4, false},   [DATA_U64] = {"u64", 8, false}, [DATA_I64] = {"i64", 8, false},
    [DATA_F16] = {"f16", 2, true},    [DATA_F32] = {"f32", 4, true},  [DATA_F64] = {"f64", 8, true},
};

size_t data_type_size(data_type type)
{
    return types[type].size;
}

const char *data_type_name(data_type type)
{
    return types[type].name;
}

bool data_type_is_float(data_type type)
{
    return types[type].is_float;
}

nilu_status data_array_check(nilu *nl, data_array *a, uint64_t have)
{
    char text[BASE_SHAPE_TEXT];
    const char *path = a->file.path;
    if (a->shape.rank == 0 && !a->any)
        return base_fail(nl, NILU_E_DATA, N_("%s: holds a single number; the first dimension must count samples"),
                         path);
    size_t width = 1, bytes;
    bool fits = true;
    for (int i = 1; i < a->shape.rank; i++)
        fits = fits && base_mul(width, (size_t)a->shape.dim[i], &width);
    fits = fits && base_mul(width, a->shape.rank ? (size_t)a->shape.dim[0] : 1, &bytes) && base_mul(bytes, data_type_size(a->type), &bytes);
    base_shape_text(a->shape, text);
    if (!fits || bytes > have)
        return base_fail(nl, NILU_E_FILE_CORRUPT,
                         N_("%s: its header claims %s %s, more than the %llu bytes that follow; is the file cut off?"),
                         path, text, data_type_name(a->type), (unsigned long long)have);
    if (bytes < have)
        return base_fail(nl, NILU_E_FILE_CORRUPT,
                         N_("%s: %llu bytes follow after the %s %s that its header claims; the file is damaged"), path,
                         (unsigned long long)(have - bytes), text, data_type_name(a->type));
    if (a->any) {
        a->count = 1;
        a->width = (int64_t)(bytes / data_type_size(a->type));
        return NILU_OK;
    }
    if (a->shape.dim[0] == 0 || width == 0)
        return base_fail(nl, NILU_E_DATA, N_("%s: is empty: its shape is %s"), path, text);
    if (a->shape.dim[0] > DATA_MAX_ROWS || width > DATA_MAX_ROWS)
        return base_fail(nl, NILU_E_UNSUPPORTED, N_("%s: shape %s has a side beyond %d"), path, text, DATA_MAX_ROWS);
    a->count = a->shape.dim[0];
    a->width = (int64_t)width;
    if (a->shape.rank == 1)
        a->fortran = false;
    return NILU_OK;
}

/* Where in the file, in elements, element j of row i stands when the first dimension runs fastest. */
static uint64_t fortran_place(const data_array *a, int64_t i, int64_t j)
{
    uint64_t place = 0;
    for (int k = a->shape.rank - 1; k > 0; k--) { /* the digits of j, the last dimension first */
        uint64_t stride = 1;
        for (int m = 0; m < k; m++)
            stride *= (uint64_t)a->shape.dim[m];
        place += (uint64_t)(j % a->shape.dim[k]) * stride;
        j /= a->shape.dim[k];
    }
    return place + (uint64_t)i;
}

bool data_array_read(const data_array *a, int64_t row, int64_t first, int64_t n, void *raw)
{
    size_t size = data_type_size(a->type);
    if (!a->fortran)
        return data_file_at(&a->file, a->offset + (uint64_t)(row * a->width + first) * size, raw, (size_t)n * size);
    bool ok = true;
    for (int64_t j = 0; j < n && ok; j++)
        ok = data_file_at(&a->file, a->offset + fortran_place(a, row, first + j) * size, (char *)raw + (size_t)j * size,
                          size);
    return ok;
}

/* Turns the bytes of each element round. */
static void turn(unsigned char *at, int64_t n, size_t size)
{
    for (int64_t i = 0; i < n; i++, at += size)
        for (size_t k = 0; k < size / 2; k++) {
            unsigned char held = at[k];
            at[k] = at[size - 1 - k];
            at[size - 1 - k] = held;
        }
}

#define NUMBERS(code, type, expression)                                                                                \
    case code:                                                                                                         \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            type v;                                                                                                    \
            memcpy(&v, (const char *)raw + (size_t)i * sizeof v, sizeof v);                                            \
            out[i] = expression;                                                                                       \
        }                                                                                                              \
        break;

void data_array_numbers(const data_array *a, void *raw, int64_t n, double *out)
{
    const bool big_endian_here = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    if (a->big_endian != big_endian_here)
        turn(raw, n, data_type_size(a->type));
    switch (a->type) {
        NUMBERS(DATA_BOOL, uint8_t, v != 0)
        NUMBERS(DATA_U8, uint8_t, v)
        NUMBERS(DATA_I8, int8_t, v)
        NUMBERS(DATA_U16, uint16_t, v)
        NUMBERS(DATA_I16, int16_t, v)
        NUMBERS(DATA_U32, uint32_t, v)
        NUMBERS(DATA_I32, int32_t, v)
        NUMBERS(DATA_U64, uint64_t, (double)v)
        NUMBERS(DATA_I64, int64_t, (double)v)
        NUMBERS(DATA_F16, uint16_t, (double)base_f16_to_f32(v))
        NUMBERS(DATA_F32, float, (double)v)
        NUMBERS(DATA_F64, double, v)
    default:
        break;
    }
}
