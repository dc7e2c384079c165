/* Reading GGUF: a walk over what stands before the values, then each tensor when it is asked for. */
#include "gguf.h"

#include "data/data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MOST_TENSORS = 1 << 18,
    MOST_NAME = 1024,
    MOST_TEXT = 1 << 22, /* of a text that is kept */
    DEPTH = 4,           /* of arrays in arrays */
    PIECE = 1 << 16,
    BLOCK = 32           /* numbers of a block that share a scale */
};

/* ---- types. Those of blocks begin with their scale, half a float wide. */

typedef void (*expand_fn)(const unsigned char *from, int64_t n, void *to);
typedef struct type {
    const char *name;
    int number, block, bytes; /* in the format; numbers and bytes of a block */
    nilu_dtype dtype;
    expand_fn expand;         /* NULL: the values lie as nilu has them */
} type;

static float half(const unsigned char *p)
{
    return base_f16_to_f32((uint16_t)(p[0] | p[1] << 8));
}

static void of_halves(const unsigned char *from, int64_t n, void *to)
{
    for (int64_t i = 0; i < n; i++)
        ((float *)to)[i] = half(from + 2 * i);
}

static void of_i8(const unsigned char *from, int64_t n, void *to)
{
    for (int64_t i = 0; i < n; i++)
        ((int32_t *)to)[i] = (signed char)from[i];
}

static void of_i16(const unsigned char *from, int64_t n, void *to)
{
    for (int64_t i = 0; i < n; i++)
        ((int32_t *)to)[i] = (int16_t)(from[2 * i] | from[2 * i + 1] << 8);
}

/* q8_0: 32 whole numbers of a byte. */
static void of_q8_0(const unsigned char *from, int64_t n, void *to)
{
    float *out = to;
    for (int64_t k = 0; k < n / BLOCK; k++, from += 2 + BLOCK)
        for (int i = 0; i < BLOCK; i++)
            *out++ = half(from) * (float)(signed char)from[2 + i];
}

/* q4_0: 16 bytes, whose low halves are the first 16 numbers and whose high halves are the others, 8 standing for 0. */
static void of_q4_0(const unsigned char *from, int64_t n, void *to)
{
    float *out = to;
    for (int64_t k = 0; k < n / BLOCK; k++, from += 2 + BLOCK / 2)
        for (int i = 0; i < BLOCK; i++) {
            int byte = from[2 + i % (BLOCK / 2)];
            *out++ = half(from) * (float)((i < BLOCK / 2 ? byte & 15 : byte >> 4) - 8);
        }
}

static const type types[] = {
    {"F32", 0, 1, 4, NILU_F32, NULL},       {"F16", 1, 1, 2, NILU_F32, of_halves},  {"Q4_0", 2, BLOCK, 18, NILU_F32, of_q4_0},
    {"Q8_0", 8, BLOCK, 34, NILU_F32, of_q8_0}, {"I8", 24, 1, 1, NILU_I32, of_i8},   {"I16", 25, 1, 2, NILU_I32, of_i16},
    {"I32", 26, 1, 4, NILU_I32, NULL},      {"I64", 27, 1, 8, NILU_I64, NULL},      {"F64", 28, 1, 8, NILU_F64, NULL},
    {"BF16", 30, 1, 2, NILU_BF16, NULL},
};

int gguf_type_of(nilu_dtype dtype)
{
    for (size_t i = 0; i < COUNT(types); i++)
        if (types[i].dtype == dtype && !types[i].expand)
            return types[i].number;
    return -1;
}

const char *gguf_type_name(const gguf_tensor *t)
{
    return types[t->type].name;
}

/* ---- a walk over the file */

typedef struct walk {
    gguf_file *f;
    uint64_t at; /* in the file */
    unsigned char window[4096];
    uint64_t begin, have; /* of the window */
} walk;

static nilu_status bad(const gguf_file *f, const char *what)
{
    return base_fail(f->nl, NILU_E_FILE_CORRUPT, N_("%.300s: this is no sound GGUF file: %s"), f->path, base_text(what));
}

static nilu_status read_at(const gguf_file *f, uint64_t at, void *to, size_t n)
{
    return base_read_at(f->nl, f->fd, f->path, at, to, n);
}

static uint64_t left(const walk *w)
{
    return w->f->size - w->at;
}

static nilu_status take(walk *w, void *to, size_t n)
{
    if (n > left(w))
        return bad(w->f, N_("it ends before its values begin"));
    if (n > sizeof w->window) {
        NILU_TRY(read_at(w->f, w->at, to, n));
    } else {
        if (w->at < w->begin || w->at + n > w->begin + w->have) {
            w->begin = w->at;
            w->have = left(w) < sizeof w->window ? left(w) : sizeof w->window;
            NILU_TRY(read_at(w->f, w->begin, w->window, (size_t)w->have));
        }
        memcpy(to, w->window + (w->at - w->begin), n);
    }
    w->at += n;
    return NILU_OK;
}

static nilu_status whole(walk *w, int bytes, uint64_t *n)
{
    unsigned char p[8];
    NILU_TRY(take(w, p, (size_t)bytes));
    *n = 0;
    for (int i = bytes; i-- > 0;)
        *n = *n << 8 | p[i];
    return NILU_OK;
}

/* A text of at most `most` bytes, ended by NUL, in memory of its own. */
static nilu_status text(walk *w, size_t most, char **to)
{
    uint64_t n;
    *to = NULL;
    NILU_TRY(whole(w, 8, &n));
    if (n > left(w) || n > most)
        return bad(w->f, N_("a text in it is longer than can be"));
    char *made = base_alloc(w->f->nl, (size_t)n + 1);
    if (!made)
        return NILU_E_NO_MEMORY;
    nilu_status status = take(w, made, (size_t)n);
    if (status == NILU_OK && (memchr(made, 0, (size_t)n) || !data_is_utf8(made, (size_t)n)))
        status = bad(w->f, N_("a text in it is not UTF-8"));
    made[n] = 0;
    if (status == NILU_OK)
        *to = made;
    else
        base_free(w->f->nl, made);
    return status;
}

/* ---- metadata */

enum { TYPE_U32 = 4, TYPE_TEXT = 8, TYPE_ARRAY = 9 };
static const unsigned char sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8}; /* of types 0 to 12; 0: not fixed */

static nilu_status skip(walk *w, uint64_t bytes)
{
    if (bytes > left(w))
        return bad(w->f, N_("it ends before its values begin"));
    w->at += bytes;
    return NILU_OK;
}

/* Over the value of a type; of arrays also what is in them. */
static nilu_status pass(walk *w, uint64_t kind, int depth)
{
    uint64_t n, inner;
    if (kind >= COUNT(sizes))
        return bad(w->f, N_("it has metadata of a type that does not exist"));
    if (sizes[kind])
        return skip(w, sizes[kind]);
    if (kind == TYPE_TEXT) {
        NILU_TRY(whole(w, 8, &n));
        return skip(w, n);
    }
    NILU_TRY(whole(w, 4, &inner));
    NILU_TRY(whole(w, 8, &n));
    if (inner >= COUNT(sizes) || depth == DEPTH)
        return bad(w->f, N_("it has metadata of a type that does not exist"));
    uint64_t least = sizes[inner] ? sizes[inner] : 8; /* bytes of each */
    if (n > left(w) / least)
        return bad(w->f, N_("it ends before its values begin"));
    if (sizes[inner])
        return skip(w, n * least);
    for (uint64_t i = 0; i < n; i++)
        NILU_TRY(pass(w, inner, depth + 1));
    return NILU_OK;
}

static nilu_status pair(walk *w)
{
    gguf_file *f = w->f;
    const struct {
        const char *key;
        char **to;
    } kept[] = {{"general.architecture", &f->architecture}, {"general.name", &f->title}, {GGUF_MODEL, &f->model}};
    char *key;
    uint64_t kind;
    NILU_TRY(text(w, MOST_NAME, &key));
    nilu_status status = *key ? whole(w, 4, &kind) : bad(f, N_("a name in it is empty"));
    char **to = NULL;
    for (size_t i = 0; i < COUNT(kept); i++)
        if (strcmp(key, kept[i].key) == 0 && kind == TYPE_TEXT && !*kept[i].to)
            to = kept[i].to;
    bool aligns = strcmp(key, "general.alignment") == 0;
    base_free(f->nl, key);
    if (status != NILU_OK)
        return status;
    if (to)
        return text(w, MOST_TEXT, to);
    if (!aligns)
        return pass(w, kind, 0);
    if (kind != TYPE_U32)
        return bad(f, N_("its alignment is no whole number of 32 bits"));
    NILU_TRY(whole(w, 4, &f->alignment));
    if (f->alignment < 8 || f->alignment > 1 << 20 || (f->alignment & (f->alignment - 1)))
        return bad(f, N_("its alignment is no power of two from 8 to a million"));
    return NILU_OK;
}

/* ---- tensors */

static nilu_status shape_of(walk *w, gguf_tensor *t)
{
    uint64_t rank, n;
    NILU_TRY(whole(w, 4, &rank));
    if (rank > GGUF_MAX_RANK)
        return bad(w->f, N_("a tensor in it has more than 4 dimensions"));
    t->shape.rank = (int)rank;
    for (int d = (int)rank; d-- > 0;) {
        NILU_TRY(whole(w, 8, &n));
        if (n > INT64_MAX)
            return bad(w->f, N_("the dimensions of a tensor in it are too large"));
        t->shape.dim[d] = (int64_t)n;
    }
    return NILU_OK;
}

static nilu_status type_of(walk *w, gguf_tensor *t)
{
    uint64_t number;
    NILU_TRY(whole(w, 4, &number));
    t->type = -1;
    for (size_t i = 0; i < COUNT(types); i++)
        if ((uint64_t)types[i].number == number)
            t->type = (int)i;
    if (t->type < 0)
        return base_fail(w->f->nl, NILU_E_UNSUPPORTED, N_("%.300s: tensor %.80s is of type %llu, which is not read; convert it to F32, F16, "
                                                          "BF16, Q8_0 or Q4_0"), w->f->path, t->name, (unsigned long long)number);
    t->dtype = types[t->type].dtype;
    return NILU_OK;
}

static nilu_status measure(const gguf_file *f, gguf_tensor *t)
{
    const type *is = &types[t->type];
    int64_t last = t->shape.rank ? t->shape.dim[t->shape.rank - 1] : 1;
    size_t n = 1, bytes;
    bool good = last % is->block == 0;
    for (int d = 0; d < t->shape.rank && good; d++)
        good = base_mul(n, (size_t)t->shape.dim[d], &n);
    good = good && base_mul(n, nilu_dtype_size(t->dtype), &bytes) && base_mul(n / (size_t)is->block, (size_t)is->bytes, &bytes);
    if (!good || n > INT64_MAX)
        return bad(f, N_("the dimensions of a tensor in it are too large, or no blocks"));
    t->bytes = bytes;
    return NILU_OK;
}

static nilu_status tensor(walk *w, gguf_tensor *t)
{
    NILU_TRY(text(w, MOST_NAME, &t->name));
    w->f->count++;
    if (!*t->name)
        return bad(w->f, N_("a name in it is empty"));
    NILU_TRY(shape_of(w, t));
    NILU_TRY(type_of(w, t));
    NILU_TRY(measure(w->f, t));
    return whole(w, 8, &t->begin);
}

static int by_place(const void *one, const void *two)
{
    const gguf_tensor *a = one, *b = two;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int by_name(const void *one, const void *two)
{
    return strcmp(((const gguf_tensor *)one)->name, ((const gguf_tensor *)two)->name);
}

static nilu_status check_places(gguf_file *f, uint64_t start)
{
    uint64_t room = f->size - start, next = 0;
    qsort(f->tensor, (size_t)f->count, sizeof *f->tensor, by_name);
    for (int i = 1; i < f->count; i++)
        if (strcmp(f->tensor[i - 1].name, f->tensor[i].name) == 0)
            return bad(f, N_("two tensors in it have one name"));
    qsort(f->tensor, (size_t)f->count, sizeof *f->tensor, by_place);
    for (int i = 0; i < f->count; i++) {
        gguf_tensor *t = &f->tensor[i];
        if (t->begin % f->alignment || t->begin < next)
            return bad(f, N_("its tensors lie one over the other, or at no multiple of its alignment"));
        if (t->begin > room || t->bytes > room - t->begin)
            return bad(f, N_("it ends before its last tensor does"));
        next = t->begin + t->bytes;
        t->begin += start;
    }
    return NILU_OK;
}

static nilu_status parse(gguf_file *f)
{
    walk w = {.f = f};
    unsigned char magic[4];
    uint64_t version, tensors, pairs;
    if (f->size < 24)
        return bad(f, N_("it ends before its values begin"));
    NILU_TRY(take(&w, magic, 4));
    if (memcmp(magic, "GGUF", 4) != 0)
        return bad(f, N_("it does not begin with GGUF"));
    NILU_TRY(whole(&w, 4, &version));
    if (version == 0x03000000)
        return base_fail(f->nl, NILU_E_UNSUPPORTED, N_("%.300s: is big endian; write it little endian"), f->path);
    if (version != 2 && version != 3)
        return base_fail(f->nl, NILU_E_UNSUPPORTED, N_("%.300s: is of version %llu of GGUF; 2 and 3 are read"), f->path,
                         (unsigned long long)version);
    NILU_TRY(whole(&w, 8, &tensors));
    NILU_TRY(whole(&w, 8, &pairs));
    if (tensors > MOST_TENSORS || tensors > left(&w) / 24 || pairs > left(&w) / 13)
        return bad(f, N_("it says that it has more than it has room for"));
    f->tensor = base_calloc(f->nl, (size_t)tensors + 1, sizeof *f->tensor);
    if (!f->tensor)
        return NILU_E_NO_MEMORY;
    for (uint64_t i = 0; i < pairs; i++)
        NILU_TRY(pair(&w));
    for (uint64_t i = 0; i < tensors; i++)
        NILU_TRY(tensor(&w, &f->tensor[i]));
    uint64_t start = (w.at + f->alignment - 1) / f->alignment * f->alignment;
    return check_places(f, start > f->size ? f->size : start);
}

nilu_status gguf_open(nilu *nl, const char *path, gguf_file *f)
{
    struct stat info;
    *f = (gguf_file){.nl = nl, .fd = -1, .alignment = GGUF_ALIGNMENT, .path = base_strdup(nl, path)};
    if (!f->path)
        return NILU_E_NO_MEMORY;
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f->fd < 0)
        return base_fail(nl, errno == ENOENT ? NILU_E_FILE_NOT_FOUND : NILU_E_FILE_READ, N_("%s: cannot be opened: %s"), path,
                         strerror(errno));
    if (fstat(f->fd, &info) != 0 || !S_ISREG(info.st_mode))
        return base_fail(nl, NILU_E_FILE_READ, N_("%s: is not a regular file"), path);
    f->size = (uint64_t)info.st_size;
    return parse(f);
}

void gguf_close(gguf_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    for (int i = 0; i < f->count; i++)
        base_free(f->nl, f->tensor[i].name);
    base_free(f->nl, f->tensor);
    base_free(f->nl, f->architecture);
    base_free(f->nl, f->title);
    base_free(f->nl, f->model);
    base_free(f->nl, f->path);
    *f = (gguf_file){.nl = f->nl, .fd = -1};
}

nilu_status gguf_read(const gguf_file *f, const gguf_tensor *t, void *to)
{
    const type *is = &types[t->type];
    if (!is->expand)
        return read_at(f, t->begin, to, (size_t)t->bytes);
    unsigned char *piece = base_alloc(f->nl, PIECE);
    nilu_status status = piece ? NILU_OK : NILU_E_NO_MEMORY;
    uint64_t step = PIECE / (uint64_t)is->bytes * (uint64_t)is->bytes;
    for (uint64_t at = 0; at < t->bytes && status == NILU_OK; at += step) {
        uint64_t bytes = t->bytes - at < step ? t->bytes - at : step, done = at / (uint64_t)is->bytes * (uint64_t)is->block;
        status = read_at(f, t->begin + at, piece, (size_t)bytes);
        if (status == NILU_OK)
            is->expand(piece, (int64_t)(bytes / (uint64_t)is->bytes) * is->block, (char *)to + done * nilu_dtype_size(t->dtype));
    }
    base_free(f->nl, piece);
    return status;
}
