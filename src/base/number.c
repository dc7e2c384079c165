/* Numbers: the data types, and reading and writing one element of any of them as a double or an integer. */
#include "base/base.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
    bool is_float;
} dtypes[NILU_DTYPES] = {[NILU_F32] = {"f32", 4, true},   [NILU_F64] = {"f64", 8, true}, [NILU_BF16] = {"bf16", 2, true},
                         [NILU_I32] = {"i32", 4, false},  [NILU_I64] = {"i64", 8, false}, [NILU_U8] = {"u8", 1, false},
                         [NILU_BOOL] = {"bool", 1, false}};

size_t nilu_dtype_size(nilu_dtype dtype)
{
    return (unsigned)dtype < NILU_DTYPES ? dtypes[dtype].size : 0;
}

const char *nilu_dtype_name(nilu_dtype dtype)
{
    return (unsigned)dtype < NILU_DTYPES ? dtypes[dtype].name : "?";
}

bool nilu_dtype_from_name(const char *name, nilu_dtype *dtype)
{
    for (int i = 0; i < NILU_DTYPES; i++)
        if (strcmp(name, dtypes[i].name) == 0) {
            *dtype = (nilu_dtype)i;
            return true;
        }
    return false;
}

bool base_is_float(nilu_dtype dtype)
{
    return (unsigned)dtype < NILU_DTYPES && dtypes[dtype].is_float;
}

/* 1 sign, 5 exponent, 10 fraction bits. */
float base_f16_to_f32(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    float v = exponent == 31  ? (fraction ? NAN : INFINITY)
              : exponent == 0 ? ldexpf((float)fraction, -24)
                              : ldexpf((float)(1024 + fraction), exponent - 25);
    return half >> 15 ? -v : v;
}

float base_bf16_to_f32(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

uint16_t base_f32_to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if (value != value)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

double base_load(nilu_dtype dtype, const void *array, int64_t i)
{
    switch (dtype) {
    case NILU_F32:
        return ((const float *)array)[i];
    case NILU_F64:
        return ((const double *)array)[i];
    case NILU_BF16:
        return base_bf16_to_f32(((const uint16_t *)array)[i]);
    case NILU_I32:
        return ((const int32_t *)array)[i];
    case NILU_I64:
        return (double)((const int64_t *)array)[i];
    default:
        return ((const uint8_t *)array)[i];
    }
}

static int64_t saturate(double value, int64_t low, int64_t high)
{
    if (!(value > (double)low)) /* NaN too */
        return value != value ? 0 : low;
    return value >= (double)high ? high : (int64_t)value;
}

void base_store(nilu_dtype dtype, void *array, int64_t i, double value)
{
    switch (dtype) {
    case NILU_F32:
        ((float *)array)[i] = (float)value;
        return;
    case NILU_F64:
        ((double *)array)[i] = value;
        return;
    case NILU_BF16:
        ((uint16_t *)array)[i] = base_f32_to_bf16((float)value);
        return;
    case NILU_I32:
        ((int32_t *)array)[i] = (int32_t)saturate(value, INT32_MIN, INT32_MAX);
        return;
    case NILU_I64:
        ((int64_t *)array)[i] = saturate(value, INT64_MIN, INT64_MAX);
        return;
    case NILU_U8:
        ((uint8_t *)array)[i] = (uint8_t)saturate(value, 0, 255);
        return;
    default:
        ((uint8_t *)array)[i] = value != 0;
    }
}

int64_t base_load_int(nilu_dtype dtype, const void *array, int64_t i)
{
    switch (dtype) {
    case NILU_I32:
        return ((const int32_t *)array)[i];
    case NILU_I64:
        return ((const int64_t *)array)[i];
    case NILU_U8:
    case NILU_BOOL:
        return ((const uint8_t *)array)[i];
    default:
        return saturate(base_load(dtype, array, i), INT64_MIN, INT64_MAX);
    }
}

int64_t base_count(nilu_shape s)
{
    int64_t n = 1;
    for (int i = 0; i < s.rank; i++)
        n *= s.dim[i];
    return n;
}

bool base_same_shape(nilu_shape a, nilu_shape b)
{
    if (a.rank != b.rank)
        return false;
    for (int i = 0; i < a.rank; i++)
        if (a.dim[i] != b.dim[i])
            return false;
    return true;
}

const char *base_shape_text(nilu_shape s, char out[BASE_SHAPE_TEXT])
{
    int at = snprintf(out, BASE_SHAPE_TEXT, "[");
    for (int i = 0; i < s.rank && i < NILU_MAX_RANK; i++) /* a shape from outside may claim more */
        at += snprintf(out + at, BASE_SHAPE_TEXT - (size_t)at, i ? ", %lld" : "%lld", (long long)s.dim[i]);
    snprintf(out + at, BASE_SHAPE_TEXT - (size_t)at, "]");
    return out;
}
