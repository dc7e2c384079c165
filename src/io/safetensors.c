/* Reading safetensors: the header is parsed and checked against the file's length before anything else happens. */
#include "io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_LIMIT 100000000 /* bytes; the format's own limit */

typedef struct type {
    const char *name;
    int dtype; /* -1: nilu has none */
    bool half;
} type;
static const type types[] = {
    {"F32", NILU_F32}, {"F64", NILU_F64}, {"BF16", NILU_BF16}, {"I32", NILU_I32}, {"I64", NILU_I64},
    {"U8", NILU_U8},   {"BOOL", NILU_BOOL}, {"F16", NILU_F32, true}, {"I8", -1}, {"U16", -1}, {"I16", -1}, {"U32", -1},
    {"U64", -1},       {"C64", -1}, {"F8_E4M3", -1}, {"F8_E5M2", -1}, {"F8_E8M0", -1},
};

const char *io_dtype_name(nilu_dtype dtype)
{
    for (size_t i = 0; i < COUNT(types); i++)
        if (types[i].dtype == (int)dtype && !types[i].half)
            return types[i].name;
    return "";
}

static nilu_status bad(const io_file *f, const char *format, ...) NILU_FORMAT(2, 3);
static nilu_status bad(const io_file *f, const char *format, ...)
{
    char sentence[700];
    va_list args;
    va_start(args, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(sentence, sizeof sentence, base_text(format), args);
#pragma GCC diagnostic pop
    va_end(args);
    return base_fail(f->nl, NILU_E_FILE_CORRUPT, N_("%.300s: this is no sound safetensors file: %s"), f->path, sentence);
}

/* n bytes from `at`, which the header's checks have shown to be there. */
static nilu_status read_at(const io_file *f, uint64_t at, void *out, size_t n)
{
    return base_read_at(f->nl, f->fd, f->path, at, out, n);
}

/* ---- the header */

static nilu_status parse(io_file *f, uint64_t *start)
{
    unsigned char length[8];
    uint64_t n = 0;
    if (f->size < sizeof length)
        return bad(f, N_("it has %llu bytes, too few for a header"), (unsigned long long)f->size);
    NILU_TRY(read_at(f, 0, length, sizeof length));
    for (int i = 7; i >= 0; i--)
        n = n << 8 | length[i];
    if (n > f->size - sizeof length || n > HEADER_LIMIT)
        return bad(f, N_("it begins with a header of %llu bytes, but the file has %llu, and a header at most %d"),
                   (unsigned long long)n, (unsigned long long)f->size, HEADER_LIMIT);
    char *text = base_alloc(f->nl, (size_t)n + 1);
    if (!text)
        return NILU_E_NO_MEMORY;
    nilu_status status = read_at(f, sizeof length, text, (size_t)n);
    if (status == NILU_OK && (n == 0 || text[0] != '{'))
        status = bad(f, N_("its header is no JSON object"));
    json_error_t e;
    if (status == NILU_OK) {
        f->tree = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &e);
        if (!f->tree && json_error_code(&e) == json_error_out_of_memory)
            status = base_no_memory(f->nl, (size_t)n);
        else if (!f->tree)
            status = bad(f, N_("byte %d of its header: %s"), e.position, e.text);
    }
    base_free(f->nl, text);
    *start = sizeof length + n;
    return status;
}

static nilu_status read_shape(const io_file *f, io_tensor *t, json_t *shape)
{
    if (!json_is_array(shape))
        return bad(f, N_("tensor %.80s: its shape is no list"), t->name);
    size_t rank = json_array_size(shape);
    if (rank > NILU_MAX_RANK)
        return base_fail(f->nl, NILU_E_UNSUPPORTED, N_("%s: tensor %.80s has %zu dimensions; nilu has at most %d"), f->path, t->name,
                         rank, NILU_MAX_RANK);
    t->shape.rank = (int)rank;
    for (size_t d = 0; d < rank; d++) {
        json_t *dim = json_array_get(shape, d);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return bad(f, N_("tensor %.80s: dimension %zu is no whole number from 0 up"), t->name, d);
        t->shape.dim[d] = json_integer_value(dim);
    }
    return NILU_OK;
}

static nilu_status read_place(const io_file *f, io_tensor *t, json_t *place, uint64_t start, size_t element)
{
    json_t *begin = json_array_get(place, 0), *end = json_array_get(place, 1);
    if (json_array_size(place) != 2 || !json_is_integer(begin) || !json_is_integer(end) || json_integer_value(begin) < 0 ||
        json_integer_value(end) < json_integer_value(begin))
        return bad(f, N_("tensor %.80s: data_offsets must be two whole numbers, begin and end"), t->name);
    uint64_t room = f->size - start, last = (uint64_t)json_integer_value(end);
    if (last > room)
        return bad(f, N_("tensor %.80s ends at byte %llu, but there are %llu bytes of data"), t->name, (unsigned long long)last,
                   (unsigned long long)room);
    size_t bytes = element;
    bool fits = true;
    for (int d = 0; d < t->shape.rank && fits; d++)
        fits = base_mul(bytes, (size_t)t->shape.dim[d], &bytes);
    t->begin = start + (uint64_t)json_integer_value(begin);
    t->bytes = last - (uint64_t)json_integer_value(begin);
    if (!fits || bytes != t->bytes)
        return bad(f, N_("tensor %.80s: its place has %llu bytes, but its shape and dtype want %s%zu"), t->name,
                   (unsigned long long)t->bytes, fits ? "" : "> ", fits ? bytes : SIZE_MAX);
    return NILU_OK;
}

static nilu_status read_tensor(const io_file *f, const char *name, json_t *row, uint64_t start, io_tensor *t)
{
    t->name = name;
    if (!json_is_object(row) || json_object_size(row) != 3)
        return bad(f, N_("tensor %.80s must have dtype, shape and data_offsets, and no more"), name);
    const char *dtype = json_string_value(json_object_get(row, "dtype"));
    const type *is = NULL;
    for (size_t i = 0; i < COUNT(types) && dtype; i++)
        if (strcmp(types[i].name, dtype) == 0)
            is = &types[i];
    if (!dtype)
        return bad(f, N_("tensor %.80s has no dtype"), name);
    if (!is || is->dtype < 0)
        return base_fail(f->nl, NILU_E_UNSUPPORTED, N_("%s: tensor %.80s is %.20s, which nilu has not; convert it to F32"), f->path,
                         name, dtype);
    t->dtype = (nilu_dtype)is->dtype;
    t->half = is->half;
    NILU_TRY(read_shape(f, t, json_object_get(row, "shape")));
    return read_place(f, t, json_object_get(row, "data_offsets"), start, is->half ? 2 : nilu_dtype_size(t->dtype));
}

static int by_place(const void *one, const void *two)
{
    const io_tensor *a = one, *b = two;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

static nilu_status read_tensors(io_file *f, uint64_t start)
{
    const char *name;
    json_t *row;
    f->tensor = base_calloc(f->nl, json_object_size(f->tree) + 1, sizeof *f->tensor);
    if (!f->tensor)
        return NILU_E_NO_MEMORY;
    json_object_foreach(f->tree, name, row)
        if (strcmp(name, "__metadata__") != 0)
            NILU_TRY(read_tensor(f, name, row, start, &f->tensor[f->count++]));
    qsort(f->tensor, (size_t)f->count, sizeof *f->tensor, by_place);
    for (int i = 0; i < f->count; i++) {
        if (f->tensor[i].begin != start)
            return bad(f, N_("tensor %.80s does not begin where the one before it ends"), f->tensor[i].name);
        start += f->tensor[i].bytes;
    }
    if (start != f->size)
        return bad(f, N_("%llu bytes at its end belong to no tensor"), (unsigned long long)(f->size - start));
    return NILU_OK;
}

/* ---- metadata */

const char *io_metadata(const io_file *f, const char *key)
{
    return json_string_value(json_object_get(json_object_get(f->tree, "__metadata__"), key));
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(io_tensor *const *)a)->name, (*(io_tensor *const *)b)->name);
}

static nilu_status mark_states(io_file *f, json_t *names)
{
    size_t n = json_array_size(names);
    io_tensor **sorted = base_calloc(f->nl, (size_t)f->count + 1, sizeof *sorted);
    nilu_status status = sorted ? NILU_OK : NILU_E_NO_MEMORY;
    for (int i = 0; i < f->count && sorted; i++)
        sorted[i] = &f->tensor[i];
    if (sorted)
        qsort(sorted, (size_t)f->count, sizeof *sorted, by_name);
    for (size_t i = 0; i < n && status == NILU_OK; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        io_tensor key = {.name = name ? name : ""}, *at = &key;
        io_tensor **found = bsearch(&at, sorted, (size_t)f->count, sizeof *sorted, by_name);
        if (found)
            (*found)->kind = NILU_STATE;
        else
            status = bad(f, N_("it calls %.80s a state, but has no such tensor"), key.name);
    }
    base_free(f->nl, sorted);
    return status;
}

static nilu_status read_metadata(io_file *f)
{
    json_t *metadata = json_object_get(f->tree, "__metadata__"), *value;
    const char *key;
    if (!metadata)
        return NILU_OK;
    if (!json_is_object(metadata))
        return bad(f, N_("__metadata__ must be an object of texts"));
    json_object_foreach(metadata, key, value)
        if (!json_is_string(value))
            return bad(f, N_("__metadata__: %.80s is no text"), key);
    const char *states = io_metadata(f, IO_STATES);
    if (!states)
        return NILU_OK;
    json_error_t e;
    json_t *names = json_loads(states, 0, &e);
    if (!names && json_error_code(&e) == json_error_out_of_memory)
        return base_no_memory(f->nl, 0);
    nilu_status status = json_is_array(names) ? mark_states(f, names) : bad(f, N_("its list of states is no list"));
    json_decref(names);
    return status;
}

nilu_status io_open(nilu *nl, const char *path, io_file *f)
{
    struct stat info;
    uint64_t start = 0;
    *f = (io_file){.nl = nl, .fd = -1, .path = base_strdup(nl, path)};
    if (!f->path)
        return NILU_E_NO_MEMORY;
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f->fd < 0)
        return base_fail(nl, errno == ENOENT ? NILU_E_FILE_NOT_FOUND : NILU_E_FILE_READ, N_("%s: cannot be opened: %s"), path,
                         strerror(errno));
    if (fstat(f->fd, &info) != 0 || !S_ISREG(info.st_mode))
        return base_fail(nl, NILU_E_FILE_READ, N_("%s: is not a regular file"), path);
    f->size = (uint64_t)info.st_size;
    NILU_TRY(parse(f, &start));
    NILU_TRY(read_tensors(f, start));
    return read_metadata(f);
}

void io_close(io_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    json_decref(f->tree);
    base_free(f->nl, f->tensor);
    base_free(f->nl, f->path);
    *f = (io_file){.nl = f->nl, .fd = -1};
}

/* ---- the arrays */

#define PIECE 65536

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static nilu_status check_header(const io_file *f, io_check *check)
{
    json_t *metadata = json_object_get(f->tree, "__metadata__"), *value;
    const char *key;
    int n = 0;
    const char **keys = base_calloc(f->nl, json_object_size(metadata) + 1, sizeof *keys);
    if (!keys)
        return NILU_E_NO_MEMORY;
    json_object_foreach(metadata, key, value)
        if (strcmp(key, IO_CHECK) != 0)
            keys[n++] = key;
    qsort(keys, (size_t)n, sizeof *keys, by_text);
    for (int i = 0; i < n; i++)
        io_check_pair(check, keys[i], io_metadata(f, keys[i]));
    base_free(f->nl, keys);
    for (int i = 0; i < f->count; i++)
        io_check_tensor(check, f->tensor[i].name, f->tensor[i].half ? "F16" : io_dtype_name(f->tensor[i].dtype), f->tensor[i].shape);
    return NILU_OK;
}

nilu_status io_verify(io_file *f)
{
    const char *want = io_metadata(f, IO_CHECK);
    unsigned char piece[PIECE];
    char got[33] = "";
    io_check check = {0};
    if (want)
        NILU_TRY(io_check_start(f->nl, &check));
    nilu_status status = want ? check_header(f, &check) : NILU_OK;
    for (int i = 0; i < f->count; i++) {
        const io_tensor *t = &f->tensor[i];
        for (uint64_t at = 0; at < t->bytes && status == NILU_OK && (want || t->dtype == NILU_BOOL); at += PIECE) {
            size_t n = t->bytes - at < PIECE ? (size_t)(t->bytes - at) : PIECE;
            status = read_at(f, t->begin + at, piece, n);
            for (size_t k = 0; t->dtype == NILU_BOOL && k < n && status == NILU_OK; k++)
                if (piece[k] > 1)
                    status = bad(f, N_("tensor %.80s is BOOL, but holds a byte of %d"), t->name, piece[k]);
            if (want && status == NILU_OK)
                io_check_bytes(&check, piece, n);
        }
    }
    if (want)
        io_check_end(&check, status == NILU_OK ? got : NULL);
    if (status == NILU_OK && want && strcmp(want, got) != 0)
        status = base_fail(f->nl, NILU_E_FILE_CORRUPT, N_("%s: its content is not what nilu wrote (the check sum differs); use another "
                                                          "copy of it"), f->path);
    return status;
}

static nilu_status read_halves(const io_file *f, const io_tensor *t, float *out)
{
    uint16_t piece[PIECE / 2];
    for (uint64_t at = 0; at < t->bytes; at += sizeof piece) {
        size_t n = t->bytes - at < sizeof piece ? (size_t)(t->bytes - at) : sizeof piece;
        NILU_TRY(read_at(f, t->begin + at, piece, n));
        for (size_t i = 0; i < n / 2; i++)
            *out++ = base_f16_to_f32(piece[i]);
    }
    return NILU_OK;
}

/* Does the file fit what the store holds already? */
static nilu_status compare(const io_file *f, const io_tensor *t, const nilu_value *v)
{
    char a[BASE_SHAPE_TEXT], b[BASE_SHAPE_TEXT];
    if (!v || (v->dtype == t->dtype && base_same_shape(v->shape, t->shape)))
        return NILU_OK;
    return base_fail(f->nl, v->dtype != t->dtype ? NILU_E_DTYPE : NILU_E_SHAPE,
                     N_("%s: tensor %.80s is %s %s, but %s %s is wanted; was it saved from another model?"), f->path, t->name,
                     nilu_dtype_name(t->dtype), base_shape_text(t->shape, a), nilu_dtype_name(v->dtype),
                     base_shape_text(v->shape, b));
}

nilu_status io_read_tensor(const io_file *f, const io_tensor *t, void *to)
{
    return t->half ? read_halves(f, t, to) : read_at(f, t->begin, to, (size_t)t->bytes);
}

nilu_status io_read(io_file *f, nilu_store *store, unsigned kinds)
{
    for (int i = 0; i < f->count; i++)
        if (kinds & 1u << f->tensor[i].kind)
            NILU_TRY(compare(f, &f->tensor[i], nilu_store_find(store, f->tensor[i].name)));
    NILU_TRY(io_verify(f));
    for (int i = 0; i < f->count; i++) {
        const io_tensor *t = &f->tensor[i];
        if (!(kinds & 1u << t->kind))
            continue;
        if (!nilu_store_find(store, t->name))
            NILU_TRY(nilu_store_put(store, t->kind, t->name, t->dtype, t->shape, NULL));
        NILU_TRY(io_read_tensor(f, t, nilu_store_find(store, t->name)->data));
    }
    return NILU_OK;
}

nilu_status nilu_load(nilu_store *store, unsigned kinds, const char *path)
{
    io_file f;
    nilu_status status = io_open(graph_store_context(store), path, &f);
    if (status == NILU_OK)
        status = io_read(&f, store, kinds);
    io_close(&f);
    return status;
}

nilu_status nilu_load_metadata(nilu *nl, const char *path, const char *key, char **value)
{
    io_file f;
    *value = NULL;
    nilu_status status = io_open(nl, path, &f);
    const char *text = status == NILU_OK ? io_metadata(&f, key) : NULL;
    if (text && !(*value = base_strdup(nl, text)))
        status = NILU_E_NO_MEMORY;
    io_close(&f);
    return status;
}
