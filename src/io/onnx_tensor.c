/* Tensors of ONNX files: raw bytes or typed lists, in the file or in another beside it. Numbers of a type that nilu has not
 * are widened as they are read. */
#include "io/onnx.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIMIT ((size_t)1 << 36) /* bytes of one tensor */
#define BLOCK 256               /* what a block of memory takes beside its bytes, at most */

void *onnx_keep(onnx_pool *p, size_t bytes)
{
    if (p->bytes > p->limit || bytes > p->limit - p->bytes) {
        base_fail(p->nl, NILU_E_NO_MEMORY,
                  N_("%.300s: to build it more than %zu MB are wanted beside its weights; is a size in it wrong, or a loop too long?"),
                  p->path, p->limit >> 20);
        return NULL;
    }
    if (base_grow(p->nl, &p->block, &p->cap, p->n + 1, sizeof *p->block) != NILU_OK)
        return NULL;
    void *block = base_alloc_aligned(p->nl, bytes ? bytes : 1);
    if (block) {
        p->block[p->n++] = block;
        p->bytes += bytes + BLOCK;
    }
    return block;
}

void onnx_pool_free(onnx_pool *p)
{
    while (p->n)
        base_free_aligned(p->nl, p->block[--p->n]);
    base_free(p->nl, p->block);
    base_free(p->nl, p->file);
    p->block = NULL;
    p->file = NULL;
    p->cap = p->files = p->files_cap = 0;
    p->bytes = 0;
}

enum { INT8 = 3, UINT16, INT16, FLOAT16 = 10 };
typedef struct kind {
    int type;
    const char *name;
    int dtype; /* -1: nilu has none */
    int size;  /* bytes of an element in the file */
} kind;
static const kind kinds[] = {
    {1, "float", NILU_F32, 4},        {2, "uint8", NILU_U8, 1},         {INT8, "int8", NILU_I32, 1},
    {UINT16, "uint16", NILU_I32, 2},  {INT16, "int16", NILU_I32, 2},    {6, "int32", NILU_I32, 4},
    {7, "int64", NILU_I64, 8},        {8, "string", -1, 0},             {9, "bool", NILU_BOOL, 1},
    {FLOAT16, "float16", NILU_F32, 2}, {11, "double", NILU_F64, 8},     {12, "uint32", -1, 4},
    {13, "uint64", -1, 8},            {14, "complex64", -1, 8},         {15, "complex128", -1, 16},
    {16, "bfloat16", NILU_BF16, 2}};

static const kind *kind_of(int type)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (kinds[i].type == type)
            return &kinds[i];
    return NULL;
}

bool onnx_dtype(int type, nilu_dtype *dtype)
{
    const kind *k = kind_of(type);
    if (k && k->dtype >= 0)
        *dtype = (nilu_dtype)k->dtype;
    return k && k->dtype >= 0;
}

int onnx_type(nilu_dtype dtype)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (kinds[i].dtype == (int)dtype && kinds[i].size == (int)nilu_dtype_size(dtype))
            return kinds[i].type;
    return 0;
}

const char *onnx_type_name(int type)
{
    const kind *k = kind_of(type);
    return k ? k->name : "a type of later versions";
}

/* ---- types that are narrower in the file */

/* Element i of `from`, as it stands in the file. */
static void widened(int type, void *out, size_t i, const void *from)
{
    uint16_t two = 0;
    memcpy(&two, (const char *)from + i * (type == INT8 ? 1 : 2), type == INT8 ? 1 : 2);
    if (type == FLOAT16)
        ((float *)out)[i] = base_f16_to_f32(two);
    else
        ((int32_t *)out)[i] = type == INT8 ? (int8_t)two : type == INT16 ? (int16_t)two : two;
}

/* To the nearest half float, to the even one of two; what is too large becomes infinite. */
static uint16_t half_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (size < 0x38800000) /* below 2^-14: a multiple of 2^-24 */
        return (uint16_t)(sign | (uint32_t)lrintf(fabsf(value) * 0x1p24f));
    size += 0xfff + (size >> 13 & 1);
    return (uint16_t)(sign | (size >= 0x47800000 ? 0x7c00 : (size - 0x38000000) >> 13));
}

const void *onnx_tensor_bytes(onnx_pool *pool, const onnx_value *v, const void *data, size_t *bytes)
{
    size_t n = (size_t)base_count(v->shape), size = (size_t)kind_of(v->type)->size;
    *bytes = n * size;
    if (size == nilu_dtype_size(v->dtype))
        return data;
    char *out = onnx_keep(pool, *bytes);
    for (size_t i = 0; out && i < n; i++) {
        uint16_t two = v->type == FLOAT16 ? half_of(((const float *)data)[i]) : (uint16_t)((const int32_t *)data)[i];
        memcpy(out + i * size, &two, size);
    }
    return out;
}

static nilu_status bad(nilu *nl, const char *path, const onnx_tensor *t, const char *what)
{
    return base_fail(nl, NILU_E_FILE_CORRUPT, N_("%.300s: tensor %.80s: %s"), path,
                     t->name && t->name[0] ? t->name : "?", base_text(what));
}

static nilu_status shape_of(nilu *nl, const char *path, const onnx_tensor *t, onnx_value *v, size_t *bytes)
{
    size_t n = nilu_dtype_size(v->dtype);
    if (t->n_dims > NILU_MAX_RANK)
        return base_fail(nl, NILU_E_UNSUPPORTED, N_("%.300s: tensor %.80s has %zu dimensions; nilu has at most %d"),
                         path, t->name ? t->name : "?", t->n_dims, NILU_MAX_RANK);
    v->shape = (nilu_shape){.rank = (int)t->n_dims};
    bool empty = false;
    for (size_t d = 0; d < t->n_dims; d++) {
        empty = empty || t->dims[d] == 0;
        if (t->dims[d] < 0 || !base_mul(n, t->dims[d] ? (size_t)t->dims[d] : 1, &n) || n > LIMIT)
            return bad(nl, path, t, N_("its dimensions are negative or too large"));
        v->shape.dim[d] = t->dims[d];
    }
    *bytes = empty ? 0 : n;
    return NILU_OK;
}

static bool decimal(const char *text, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && !*end && !errno;
}

/* An external file that is seen for the first time raises the limit by twice its length. */
static nilu_status allow(onnx_pool *p, const struct stat *st)
{
    uint64_t number = (uint64_t)st->st_ino;
    for (int i = p->files; i > 0; i--)
        if (p->file[i - 1] == number)
            return NILU_OK;
    NILU_TRY(base_grow(p->nl, &p->file, &p->files_cap, p->files + 1, sizeof *p->file));
    p->file[p->files++] = number;
    p->limit += 2 * (size_t)st->st_size;
    return NILU_OK;
}

/* No absolute path, no "..", no symbolic link leads out of the folder. */
int onnx_beside(int folder, const char *name)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, /* or a pipe would be waited for */
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
}

/* From a file beneath the model's folder; `bytes` of it go to the end of `room` bytes. */
static nilu_status external(nilu *nl, const char *path, int folder, const onnx_tensor *t, size_t bytes, size_t room,
                            onnx_pool *pool, onnx_value *v)
{
    const char *location = NULL;
    uint64_t offset = 0, length = bytes;
    for (size_t i = 0; i < t->n_external_data; i++) {
        const char *key = t->external_data[i]->key, *value = t->external_data[i]->value;
        if (!key || !value)
            continue;
        if (strcmp(key, "location") == 0)
            location = value;
        else if ((strcmp(key, "offset") == 0 && !decimal(value, &offset)) ||
                 (strcmp(key, "length") == 0 && !decimal(value, &length)))
            return bad(nl, path, t, N_("offset and length of its external data must be whole numbers"));
    }
    if (!location || folder < 0)
        return bad(nl, path, t, N_("its external data have no location"));
    int fd = onnx_beside(folder, location);
    if (fd < 0)
        return base_fail(nl, NILU_E_FILE_NOT_FOUND,
                         N_("%.200s: tensor %.80s: its data in \"%.200s\" cannot be opened: %s"), path,
                         t->name ? t->name : "?", location,
                         errno == EXDEV || errno == ELOOP ? base_text(N_("they lie outside of the model's folder"))
                                                          : strerror(errno));
    struct stat st;
    nilu_status status = NILU_OK;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || length != bytes || offset > (uint64_t)st.st_size ||
        bytes > (uint64_t)st.st_size - offset)
        status = bad(nl, path, t, N_("its external data are not as long as its shape says"));
    if (status == NILU_OK)
        status = allow(pool, &st);
    char *data = status == NILU_OK ? onnx_keep(pool, room) : NULL;
    v->data = data;
    if (status == NILU_OK && !data)
        status = NILU_E_NO_MEMORY;
    data = data ? data + (room - bytes) : NULL;
    for (size_t got = 0; status == NILU_OK && got < bytes;) {
        ssize_t r = pread(fd, data + got, bytes - got, (off_t)(offset + got));
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            status = base_fail(nl, NILU_E_FILE_READ, N_("%s: reading failed: %s"), path,
                               r < 0 ? strerror(errno) : base_text(N_("the file became shorter")));
        else
            got += (size_t)r;
    }
    close(fd);
    return status;
}

/* Lists of the type's own field; half-wide types lie in int32_data. */
static nilu_status listed(nilu *nl, const char *path, const onnx_tensor *t, onnx_pool *pool, onnx_value *v)
{
    int64_t n = base_count(v->shape);
    bool half = v->type == FLOAT16, whole = half || v->dtype == NILU_I32 || v->dtype == NILU_U8 || v->dtype == NILU_BOOL || v->dtype == NILU_BF16;
    size_t have = whole                  ? t->n_int32_data
                  : v->dtype == NILU_F32 ? t->n_float_data
                  : v->dtype == NILU_F64 ? t->n_double_data
                                         : t->n_int64_data;
    if (have != (size_t)n)
        return bad(nl, path, t, N_("it does not hold as many numbers as its shape says"));
    if (!half && (v->dtype == NILU_F32 || v->dtype == NILU_F64 || v->dtype == NILU_I64 || v->dtype == NILU_I32)) {
        v->data = v->dtype == NILU_F32   ? (const void *)t->float_data
                  : v->dtype == NILU_F64 ? (const void *)t->double_data
                  : v->dtype == NILU_I64 ? (const void *)t->int64_data
                                         : (const void *)t->int32_data;
        if (n)
            return NILU_OK;
    }
    char *data = onnx_keep(pool, (size_t)n * nilu_dtype_size(v->dtype));
    if (!data)
        return NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < n; i++)
        if (v->dtype == NILU_BF16)
            ((uint16_t *)(void *)data)[i] = (uint16_t)t->int32_data[i];
        else if (v->type == FLOAT16)
            ((float *)(void *)data)[i] = base_f16_to_f32((uint16_t)t->int32_data[i]);
        else
            base_store(v->dtype, data, i, t->int32_data[i]);
    v->data = data;
    return NILU_OK;
}

nilu_status onnx_tensor_read(nilu *nl, const char *path, int folder, const onnx_tensor *t, onnx_pool *pool,
                             onnx_value *v)
{
    size_t bytes = 0;
    *v = (onnx_value){.name = t->name ? t->name : "", .type = t->data_type};
    if (!onnx_dtype(t->data_type, &v->dtype))
        return base_fail(
            nl, NILU_E_UNSUPPORTED,
            N_("%.300s: tensor %.80s: elements of type %s are not supported; convert it to float or int64"), path,
            v->name[0] ? v->name : "?", onnx_type_name(t->data_type));
    NILU_TRY(shape_of(nl, path, t, v, &bytes));
    bool raw = !t->has_data_location || t->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    if (raw && !t->has_raw_data)
        return listed(nl, path, t, pool, v);
    size_t wide = nilu_dtype_size(v->dtype), size = (size_t)kind_of(v->type)->size, n = bytes / wide, stored = n * size;
    if (!raw)
        NILU_TRY(external(nl, path, folder, t, stored, bytes, pool, v));
    else if (t->raw_data.len != stored)
        return bad(nl, path, t, N_("it does not hold as many bytes as its shape says"));
    else
        v->data = t->raw_data.data;
    if (raw && ((uintptr_t)v->data % wide != 0 || !bytes || v->dtype == NILU_BOOL || size != wide)) {
        char *data = onnx_keep(pool, bytes);
        if (!data)
            return NILU_E_NO_MEMORY;
        if (stored)
            memcpy(data + bytes - stored, t->raw_data.data, stored);
        v->data = data;
    }
    char *data = (char *)(uintptr_t)v->data; /* ours, where one of these two changes it */
    for (size_t i = 0; v->dtype == NILU_BOOL && i < bytes; i++)
        data[i] = data[i] != 0; /* other bytes are no bool */
    for (size_t i = 0; size != wide && i < n; i++)
        widened(v->type, data, i, data + bytes - stored); /* from the end of the same memory: never over what is to come */
    return NILU_OK;
}
