/* NPY, numpy's format (NEP 1): "\x93NUMPY", a version, the length of the header, then a header that is a Python dictionary
 * literal with exactly three keys, descr, fortran_order and shape. Versions 1 to 3 are read; structured and object types
 * are refused (an object array is a pickle, which is a program). Version 1 is written. */
#include "data/data.h"

#include <ctype.h>
#include <string.h>

enum { HEADER_LIMIT = 1 << 16 };

typedef struct reader {
    const char *at;
} reader;

static void blanks(reader *r)
{
    while (*r->at == ' ' || *r->at == '\n' || *r->at == '\t')
        r->at++;
}

static bool take(reader *r, char c)
{
    blanks(r);
    if (*r->at != c)
        return false;
    r->at++;
    return true;
}

static bool take_word(reader *r, const char *word)
{
    blanks(r);
    size_t n = strlen(word);
    if (strncmp(r->at, word, n) != 0)
        return false;
    r->at += n;
    return true;
}

/* 'text' or "text" into out[]. */
static bool take_text(reader *r, char *out, size_t room)
{
    blanks(r);
    char quote = *r->at;
    if (quote != '\'' && quote != '"')
        return false;
    const char *end = strchr(r->at + 1, quote);
    if (!end || (size_t)(end - r->at - 1) >= room)
        return false;
    size_t n = (size_t)(end - r->at - 1);
    memcpy(out, r->at + 1, n);
    out[n] = 0;
    r->at = end + 1;
    return true;
}

/* (3, 28, 28): false if it is not a tuple, has more dimensions than there can be, or one does not fit. */
static bool take_shape(reader *r, nilu_shape *s)
{
    s->rank = 0;
    if (!take(r, '('))
        return false;
    while (!take(r, ')')) {
        uint64_t v = 0;
        blanks(r);
        if (!isdigit((unsigned char)*r->at) || s->rank == NILU_MAX_RANK)
            return false;
        for (; isdigit((unsigned char)*r->at); r->at++) {
            v = v * 10 + (uint64_t)(*r->at - '0');
            if (v > INT64_MAX / 16)
                return false;
        }
        if (*r->at == 'L') /* as Python 2 wrote it */
            r->at++;
        s->dim[s->rank++] = (int64_t)v;
        if (!take(r, ',')) {
            if (!take(r, ')'))
                return false;
            break;
        }
    }
    return true;
}

static bool take_header(reader *r, char descr[16], bool *fortran, nilu_shape *shape)
{
    bool seen[3] = {false, false, false};
    if (!take(r, '{'))
        return false;
    while (!take(r, '}')) {
        char key[16];
        if (!take_text(r, key, sizeof key) || !take(r, ':'))
            return false;
        int which = strcmp(key, "descr") == 0           ? 0
                    : strcmp(key, "fortran_order") == 0 ? 1
                    : strcmp(key, "shape") == 0         ? 2
                                                        : 3;
        if (which == 3 || seen[which])
            return false;
        seen[which] = true;
        if (which == 0 && !take_text(r, descr, 16))
            return false;
        if (which == 1) {
            *fortran = take_word(r, "True");
            if (!*fortran && !take_word(r, "False"))
                return false;
        }
        if (which == 2 && !take_shape(r, shape))
            return false;
        if (!take(r, ',')) {
            if (!take(r, '}'))
                return false;
            break;
        }
    }
    blanks(r);
    return *r->at == 0 && seen[0] && seen[1] && seen[2];
}

static bool type_of(const char *descr, data_type *type)
{
    static const struct {
        const char *code;
        data_type type;
    } known[] = {{"b1", DATA_BOOL}, {"u1", DATA_U8},  {"i1", DATA_I8},  {"u2", DATA_U16},
                 {"i2", DATA_I16},  {"u4", DATA_U32}, {"i4", DATA_I32}, {"u8", DATA_U64},
                 {"i8", DATA_I64},  {"f2", DATA_F16}, {"f4", DATA_F32}, {"f8", DATA_F64}};
    if (!descr[0] || !strchr("<>|", descr[0]))
        return false;
    for (size_t i = 0; i < COUNT(known); i++)
        if (strcmp(descr + 1, known[i].code) == 0) {
            *type = known[i].type;
            return true;
        }
    return false;
}

nilu_status data_npy_header(nilu *nl, data_array *a)
{
    const char *path = a->file.path;
    unsigned char head[12] = {0};
    if (!data_file_at(&a->file, 0, head, 10) || memcmp(head, "\x93NUMPY", 6) != 0)
        return base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s: is no NPY file: it does not begin with \\x93NUMPY"), path);
    int version = head[6];
    if (version < 1 || version > 3 || head[7] != 0)
        return base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s: is NPY version %d.%d; versions 1.0, 2.0 and 3.0 can be read"),
                         path, version, head[7]);
    size_t start = version == 1 ? 10 : 12, n = (size_t)head[8] | (size_t)head[9] << 8;
    if (version > 1) {
        if (!data_file_at(&a->file, 10, head + 10, 2))
            return base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s: ends within its header"), path);
        n |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
    }
    if (n > HEADER_LIMIT || n > a->file.size - start)
        return base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s: claims a header of %zu bytes, which it cannot have"), path,
                         n);

    char *text = base_alloc(nl, n + 1);
    if (!text)
        return NILU_E_NO_MEMORY;
    char descr[16];
    nilu_status status = NILU_OK;
    bool read = data_file_at(&a->file, start, text, n);
    text[n] = 0;
    if (!read || !take_header(&(reader){text}, descr, &a->fortran, &a->shape))
        status =
            base_fail(nl, NILU_E_FILE_CORRUPT,
                      N_("%s: its header cannot be read: %.120s; a plain array with descr, fortran_order and shape of "
                         "at most %d dimensions is expected"),
                      path, text, NILU_MAX_RANK);
    else if (!type_of(descr, &a->type))
        status = base_fail(nl, NILU_E_UNSUPPORTED,
                           N_("%s: holds elements of type '%s'; save it as a plain number type such as float32"), path,
                           descr);
    base_free(nl, text);
    NILU_TRY(status);
    a->big_endian = descr[0] == '>';
    a->offset = start + n;
    return data_array_check(nl, a, a->file.size - a->offset);
}

/* ---- a whole array */

/* The type that holds all of the file's: its own, or the next wider. */
static nilu_dtype dtype_of(data_type type)
{
    static const nilu_dtype known[DATA_TYPES] = {
        [DATA_BOOL] = NILU_BOOL, [DATA_U8] = NILU_U8,   [DATA_I8] = NILU_I32,  [DATA_U16] = NILU_I32,
        [DATA_I16] = NILU_I32,   [DATA_U32] = NILU_I64, [DATA_I32] = NILU_I32, [DATA_U64] = NILU_I64,
        [DATA_I64] = NILU_I64,   [DATA_F16] = NILU_F32, [DATA_F32] = NILU_F32, [DATA_F64] = NILU_F64};
    return known[type];
}

/* Elements in the file's order, which is column by column where it says so. */
static nilu_status read_all(nilu *nl, const data_array *a, nilu_dtype dtype, void *values)
{
    enum { BLOCK = 4096 };
    int64_t n = base_count(a->shape);
    unsigned char raw[BLOCK * 8];
    double number[BLOCK];
    bool same_integers = (a->type == DATA_I64 && dtype == NILU_I64) && !a->big_endian;
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t some = n - at < BLOCK ? n - at : BLOCK;
        if (!data_file_at(&a->file, a->offset + (uint64_t)at * data_type_size(a->type), raw,
                          (size_t)some * data_type_size(a->type)))
            return base_fail(nl, NILU_E_FILE_READ, N_("%s: reading failed: %s"), a->file.path,
                             base_text(N_("the file became shorter")));
        if (same_integers)
            memcpy((int64_t *)values + at, raw, (size_t)some * sizeof(int64_t)); /* a double would not hold them all */
        else
            data_array_numbers(a, raw, some, number);
        for (int64_t i = 0; i < some && !same_integers; i++) {
            int64_t place = at + i;
            if (a->fortran) { /* its digits turned round */
                int64_t rest = place, stride = n;
                place = 0;
                for (int d = 0; d < a->shape.rank; d++) {
                    stride /= a->shape.dim[d];
                    place += rest % a->shape.dim[d] * stride;
                    rest /= a->shape.dim[d];
                }
            }
            base_store(dtype, values, place, number[i]);
            if (!base_is_float(dtype) && base_load(dtype, values, place) != number[i])
                return base_fail(nl, NILU_E_DTYPE, N_("%s: holds %g, which %s does not"), a->file.path, number[i],
                                 nilu_dtype_name(dtype));
        }
    }
    return NILU_OK;
}

nilu_status data_npy_values(nilu *nl, data_array *a, nilu_dtype want, nilu_dtype *dtype, nilu_shape *shape, void **values)
{
    *values = NULL;
    a->any = true;
    NILU_TRY(data_npy_header(nl, a));
    *dtype = want < NILU_DTYPES ? want : dtype_of(a->type);
    *shape = a->shape;
    *values = base_alloc_aligned(nl, (size_t)base_count(a->shape) * nilu_dtype_size(*dtype));
    nilu_status status = *values ? read_all(nl, a, *dtype, *values) : NILU_E_NO_MEMORY;
    if (status != NILU_OK) {
        nilu_array_free(nl, *values);
        *values = NULL;
    }
    return status;
}

nilu_status nilu_npy_read(nilu *nl, const char *path, nilu_dtype want, nilu_dtype *dtype, nilu_shape *shape,
                          void **values)
{
    data_array a = {.any = true};
    *values = NULL;
    NILU_TRY(data_file_open(nl, path, SIZE_MAX, &a.file));
    nilu_status status = data_npy_values(nl, &a, want, dtype, shape, values);
    data_file_close(nl, &a.file);
    return status;
}

void nilu_array_free(nilu *nl, void *values)
{
    base_free_aligned(nl, values);
}

nilu_status data_npy_begin(nilu *nl, const char *path, nilu_dtype dtype, nilu_shape shape, unsigned char out[DATA_NPY_HEADER],
                           size_t *length)
{
    static const char *const descr[NILU_DTYPES] = {[NILU_F32] = "f4", [NILU_F64] = "f8", [NILU_I32] = "i4",
                                                   [NILU_I64] = "i8", [NILU_U8] = "u1",  [NILU_BOOL] = "b1"};
    const char order = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? '>' : '<';
    enum { ALIGN = 64, START = 10 };
    if (dtype >= NILU_DTYPES || !descr[dtype])
        return base_fail(nl, NILU_E_DTYPE, N_("%s: NPY has no type for %s; cast to f32 first"), path,
                         dtype < NILU_DTYPES ? nilu_dtype_name(dtype) : "?");
    char *header = (char *)out + START;
    const size_t room = DATA_NPY_HEADER - START;
    int n = snprintf(header, room, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                     nilu_dtype_size(dtype) == 1 ? '|' : order, descr[dtype]);
    for (int i = 0; i < shape.rank; i++)
        n += snprintf(header + n, room - (size_t)n, "%lld%s", (long long)shape.dim[i],
                      shape.rank == 1 || i < shape.rank - 1 ? ", " : "");
    n += snprintf(header + n, room - (size_t)n, "), }");
    while ((START + n + 1) % ALIGN)
        header[n++] = ' ';
    header[n++] = '\n';
    const unsigned char start[START] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)n, (unsigned char)(n >> 8)};
    memcpy(out, start, sizeof start);
    *length = START + (size_t)n;
    return NILU_OK;
}

nilu_status nilu_npy_write(nilu *nl, const char *path, nilu_dtype dtype, nilu_shape shape, const void *values)
{
    unsigned char header[DATA_NPY_HEADER];
    size_t n;
    base_output o;
    if (!nl || !path)
        return NILU_E_USAGE;
    NILU_TRY(data_npy_begin(nl, path, dtype, shape, header, &n));
    NILU_TRY(base_create(nl, path, &o));
    base_write(&o, header, n);
    base_write(&o, values, (size_t)base_count(shape) * nilu_dtype_size(dtype));
    return base_commit(&o);
}
