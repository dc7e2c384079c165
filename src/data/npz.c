/* NPZ, numpy's archive: a zip file of NPY arrays, stored or deflated. The list at a zip's end says where everything is, and it
 * is believed only where the rest agrees: members lie one behind the other and do not overlap, none claims more than deflate
 * can give, names are plain and each is there once. Nothing is ever written under a name of an archive. */
#include "data/data.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { MEMBERS = 65535, NAME = 512, LIST = 1 << 26, TAIL = 22 + 65535, DEFLATE_RATIO = 1032, CHUNK = 1 << 16 };

typedef struct member {
    char *name; /* without .npy */
    bool packed;
    uint32_t crc;
    uint64_t begin, stored, bytes; /* of its data in the file; as it lies there, and unpacked */
} member;

struct nilu_npz {
    nilu *nl;
    char *path;
    data_file file;
    data_pool pool;
    member *member;
    int n;
};

static uint64_t number(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static nilu_status bad(const nilu_npz *z, const char *what)
{
    return base_fail(z->nl, NILU_E_FILE_CORRUPT, N_("%.300s: this is no sound NPZ file: %s"), z->path, base_text(what));
}

/* ---- the list of members */

typedef struct list {
    uint64_t begin, bytes, count;
} list;

/* The record at the end, and the one of archives beyond 4 GiB that stands before it. */
static nilu_status find_list(const nilu_npz *z, list *l)
{
    uint64_t size = z->file.size;
    size_t n = size < TAIL ? (size_t)size : TAIL, at = 0;
    unsigned char *tail = base_alloc(z->nl, n + 1), wide[56];
    if (!tail)
        return NILU_E_NO_MEMORY;
    bool found = data_file_at(&z->file, size - n, tail, n) && n >= 22;
    if (found)
        for (at = n - 22; memcmp(tail + at, "PK\5\6", 4) != 0 || at + 22 + number(tail + at + 20, 2) != n; at--)
            if (at == 0) {
                found = false;
                break;
            }
    const unsigned char *p = tail + at;
    nilu_status status = found ? NILU_OK : bad(z, N_("the list of its members is missing; was it cut off?"));
    if (found && (number(p + 4, 2) || number(p + 6, 2) || number(p + 8, 2) != number(p + 10, 2)))
        status = bad(z, N_("it is one of several parts"));
    if (found)
        *l = (list){number(p + 16, 4), number(p + 12, 4), number(p + 10, 2)};
    if (found && (l->begin == UINT32_MAX || l->bytes == UINT32_MAX || l->count == 65535)) {
        bool locator = at >= 20 && memcmp(p - 20, "PK\6\7", 4) == 0 && data_file_at(&z->file, number(p - 12, 8), wide, sizeof wide) &&
                       memcmp(wide, "PK\6\6", 4) == 0;
        if (locator)
            *l = (list){number(wide + 48, 8), number(wide + 40, 8), number(wide + 32, 8)};
        else if (l->begin == UINT32_MAX || l->bytes == UINT32_MAX)
            status = bad(z, N_("the list of its members is missing; was it cut off?"));
    }
    if (status == NILU_OK && (l->begin > size || l->bytes > size - l->begin || l->count > l->bytes / 46))
        status = bad(z, N_("the list of its members lies outside of it"));
    if (status == NILU_OK && (l->bytes > LIST || l->count > MEMBERS))
        status = bad(z, N_("it has too many members"));
    base_free(z->nl, tail);
    return status;
}

/* Sizes that do not fit in 32 bits stand in an extra field, those that are needed in this order. */
static bool widen(const unsigned char *extra, size_t n, uint64_t *const value[3])
{
    while (n >= 4) {
        uint64_t id = number(extra, 2), length = number(extra + 2, 2);
        if (length > n - 4)
            return false;
        const unsigned char *p = extra + 4, *end = p + length;
        for (int i = 0; i < 3 && id == 1; i++)
            if (*value[i] == UINT32_MAX) {
                if (end - p < 8)
                    return false;
                *value[i] = number(p, 8);
                p += 8;
            }
        extra += 4 + length;
        n -= 4 + (size_t)length;
    }
    return true;
}

static bool plain_name(const char *name, size_t n)
{
    if (n <= 4 || n > NAME || memcmp(name + n - 4, ".npy", 4) != 0 || name[0] == '/' || memchr(name, 0, n) || memchr(name, '\\', n))
        return false;
    for (size_t i = 0; i + 1 < n; i++)
        if (name[i] == '.' && name[i + 1] == '.' && (i == 0 || name[i - 1] == '/'))
            return false;
    return data_is_utf8(name, n);
}

/* One entry of the list, of at most `room` bytes; *used is how many it takes. */
static nilu_status read_entry(nilu_npz *z, const unsigned char *p, size_t room, member *m, size_t *used)
{
    unsigned char local[30];
    if (room < 46 || memcmp(p, "PK\1\2", 4) != 0)
        return bad(z, N_("the list of its members is damaged"));
    size_t name = (size_t)number(p + 28, 2), extra = (size_t)number(p + 30, 2), comment = (size_t)number(p + 32, 2);
    *used = 46 + name + extra + comment;
    if (*used > room)
        return bad(z, N_("the list of its members is damaged"));
    uint64_t at = number(p + 42, 4), method = number(p + 10, 2);
    m->crc = (uint32_t)number(p + 16, 4);
    m->stored = number(p + 20, 4);
    m->bytes = number(p + 24, 4);
    if (!widen(p + 46 + name, extra, (uint64_t *const[3]){&m->bytes, &m->stored, &at}))
        return bad(z, N_("the list of its members is damaged"));
    if (number(p + 8, 2) & 1)
        return base_fail(z->nl, NILU_E_UNSUPPORTED, N_("%s: is encrypted; save it without a password"), z->path);
    if (method != 0 && method != 8)
        return base_fail(z->nl, NILU_E_UNSUPPORTED, N_("%s: is packed by method %llu; numpy's savez and savez_compressed are read"),
                         z->path, (unsigned long long)method);
    if (!plain_name((const char *)p + 46, name))
        return bad(z, N_("a member is no .npy file, or its name is not plain"));
    if (!data_file_at(&z->file, at, local, sizeof local) || memcmp(local, "PK\3\4", 4) != 0)
        return bad(z, N_("a member is not where the list says"));
    m->packed = method == 8;
    m->begin = at + 30 + number(local + 26, 2) + number(local + 28, 2);
    if (m->begin > z->file.size || m->stored > z->file.size - m->begin || (!m->packed && m->stored != m->bytes) ||
        m->bytes / DEFLATE_RATIO > m->stored + 1)
        return bad(z, N_("a member's size cannot be"));
    m->name = data_keep_text(&z->pool, (const char *)p + 46, name - 4);
    return m->name ? NILU_OK : NILU_E_NO_MEMORY;
}

static int by_place(const void *a, const void *b)
{
    const member *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const member *const *)a)->name, (*(const member *const *)b)->name);
}

static nilu_status check(nilu_npz *z, const list *l)
{
    qsort(z->member, (size_t)z->n, sizeof *z->member, by_place);
    for (int i = 0; i < z->n; i++) {
        uint64_t end = i + 1 < z->n ? z->member[i + 1].begin : l->begin;
        if (z->member[i].stored > end || z->member[i].begin > end - z->member[i].stored)
            return bad(z, N_("its members overlap"));
    }
    const member **sorted = base_calloc(z->nl, (size_t)z->n + 1, sizeof *sorted);
    if (!sorted)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < z->n; i++)
        sorted[i] = &z->member[i];
    qsort(sorted, (size_t)z->n, sizeof *sorted, by_name);
    bool twice = false;
    for (int i = 1; i < z->n; i++)
        twice |= strcmp(sorted[i - 1]->name, sorted[i]->name) == 0;
    base_free(z->nl, sorted);
    return twice ? bad(z, N_("two members have one name")) : NILU_OK;
}

static nilu_status read_list(nilu_npz *z)
{
    list l = {0};
    NILU_TRY(find_list(z, &l));
    z->member = base_calloc(z->nl, (size_t)l.count + 1, sizeof *z->member);
    unsigned char *bytes = base_alloc(z->nl, (size_t)l.bytes + 1);
    nilu_status status = z->member && bytes ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK && !data_file_at(&z->file, l.begin, bytes, (size_t)l.bytes))
        status = bad(z, N_("the list of its members lies outside of it"));
    for (size_t at = 0, used = 0; status == NILU_OK && z->n < (int)l.count; at += used) {
        status = read_entry(z, bytes + at, (size_t)l.bytes - at, &z->member[z->n], &used);
        z->n += status == NILU_OK;
    }
    base_free(z->nl, bytes);
    return status == NILU_OK ? check(z, &l) : status;
}

nilu_status nilu_npz_open(nilu *nl, const char *path, nilu_npz **npz)
{
    nilu_npz *z = base_calloc(nl, 1, sizeof *z);
    *npz = NULL;
    if (!z)
        return NILU_E_NO_MEMORY;
    z->nl = z->pool.nl = nl;
    z->file.fd = -1;
    z->path = data_keep_text(&z->pool, path, strlen(path));
    nilu_status status = z->path ? data_file_open(nl, z->path, SIZE_MAX, &z->file) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = read_list(z);
    if (status == NILU_OK)
        *npz = z;
    else
        nilu_npz_free(z);
    return status;
}

void nilu_npz_free(nilu_npz *z)
{
    if (!z)
        return;
    nilu *nl = z->nl;
    data_file_close(nl, &z->file);
    base_free(nl, z->member);
    data_pool_free(&z->pool);
    base_free(nl, z);
}

int nilu_npz_count(const nilu_npz *z)
{
    return z->n;
}

const char *nilu_npz_name(const nilu_npz *z, int i)
{
    return i >= 0 && i < z->n ? z->member[i].name : NULL;
}

/* ---- a member */

static void *zlib_alloc(void *nl, unsigned items, unsigned size)
{
    return base_calloc(nl, items, size);
}

static void zlib_free(void *nl, void *p)
{
    base_free(nl, p);
}

static nilu_status unpack(const nilu_npz *z, const member *m, char *out)
{
    z_stream s = {.zalloc = zlib_alloc, .zfree = zlib_free, .opaque = z->nl};
    unsigned char *chunk = base_alloc(z->nl, CHUNK);
    int r = chunk ? inflateInit2(&s, -MAX_WBITS) : Z_MEM_ERROR;
    uint64_t read = 0, written = 0;
    while (r == Z_OK) {
        if (s.avail_in == 0 && read < m->stored) {
            size_t n = m->stored - read < CHUNK ? (size_t)(m->stored - read) : CHUNK;
            if (!data_file_at(&z->file, m->begin + read, chunk, n))
                break;
            s.next_in = chunk;
            s.avail_in = (unsigned)n;
            read += n;
        }
        uint64_t left = m->bytes - written;
        unsigned room = left > 1u << 30 ? 1u << 30 : (unsigned)left;
        s.next_out = (unsigned char *)out + written;
        s.avail_out = room;
        unsigned before = s.avail_in;
        r = inflate(&s, Z_NO_FLUSH);
        written += room - s.avail_out;
        if (r == Z_OK && s.avail_out == room && s.avail_in == before)
            break; /* it wants more than there is */
    }
    bool whole = r == Z_STREAM_END && written == m->bytes;
    inflateEnd(&s);
    base_free(z->nl, chunk);
    return r == Z_MEM_ERROR ? NILU_E_NO_MEMORY : whole ? NILU_OK : bad(z, N_("a member's packed data are damaged"));
}

static uint32_t sum_of(const char *bytes, uint64_t n)
{
    uLong crc = crc32(0, NULL, 0);
    for (uint64_t at = 0; at < n; at += 1u << 30)
        crc = crc32(crc, (const Bytef *)bytes + at, n - at < 1u << 30 ? (uInt)(n - at) : 1u << 30);
    return (uint32_t)crc;
}

nilu_status data_npz_member(nilu_npz *z, int i, const char *path, size_t limit, data_file *f)
{
    const member *m = &z->member[i];
    *f = (data_file){.path = path, .fd = -1, .size = m->bytes, .begin = m->begin};
    if (!m->packed && !z->file.bytes) {
        f->fd = dup(z->file.fd);
        return f->fd < 0 ? base_fail(z->nl, NILU_E_FILE_READ, N_("%s: cannot be opened again"), path) : NILU_OK;
    }
    f->begin = 0;
    if (m->bytes > limit)
        return base_fail(z->nl, NILU_E_UNSUPPORTED, N_("%s: unpacks to more than the %zu bytes that samples may take in memory; save it "
                                                       "with numpy.savez, then it is read from the file as needed"), path, limit);
    if (m->packed && m->bytes > DATA_USUAL_BESIDE && (m->bytes - DATA_USUAL_BESIDE) / DATA_USUAL_RATIO > m->stored)
        return base_fail(z->nl, NILU_E_UNSUPPORTED, N_("%s: unpacks to more than %d times its length and %d MB; if that is as it should be, "
                                                       "save it with numpy.savez"), path, DATA_USUAL_RATIO, DATA_USUAL_BESIDE >> 20);
    f->bytes = base_alloc(z->nl, (size_t)m->bytes + 1);
    nilu_status status = f->bytes ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK && m->packed)
        status = unpack(z, m, f->bytes);
    else if (status == NILU_OK && !data_file_at(&z->file, m->begin, f->bytes, (size_t)m->bytes))
        status = bad(z, N_("a member's size cannot be"));
    if (status == NILU_OK && sum_of(f->bytes, m->bytes) != m->crc)
        status = bad(z, N_("a member's check sum is wrong; fetch it again"));
    if (status != NILU_OK)
        data_file_close(z->nl, f);
    return status;
}

nilu_status nilu_npz_read(nilu_npz *z, const char *name, nilu_dtype want, nilu_dtype *dtype, nilu_shape *shape, void **values)
{
    data_array a = {.any = true};
    int at = -1;
    *values = NULL;
    for (int i = 0; i < z->n; i++)
        if (strcmp(z->member[i].name, name) == 0)
            at = i;
    if (at < 0)
        return base_fail(z->nl, NILU_E_NAME, N_("%s: holds no array called %.80s; its first is %.80s"), z->path, name,
                         z->n ? z->member[0].name : "?");
    char *path = base_format(z->nl, "%s: %s", z->path, name);
    nilu_status status = path ? data_npz_member(z, at, path, SIZE_MAX, &a.file) : NILU_E_NO_MEMORY;
    if (status == NILU_OK && !a.file.bytes) { /* all of it is wanted, so its sum can be held against it */
        status = data_file_load(z->nl, &a.file);
        if (status == NILU_OK && sum_of(a.file.bytes, a.file.size) != z->member[at].crc)
            status = bad(z, N_("a member's check sum is wrong; fetch it again"));
    }
    if (status == NILU_OK)
        status = data_npy_values(z->nl, &a, want, dtype, shape, values);
    data_file_close(z->nl, &a.file);
    base_free(z->nl, path);
    return status;
}

/* ---- writing: stored, as numpy.savez does, each array's bytes on 64 behind its header's own padding as far as numpy does it */

typedef struct entry {
    uint32_t crc;
    uint64_t at, bytes;
} entry;

static unsigned char *put(unsigned char *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *p++ = (unsigned char)(v >> 8 * i);
    return p;
}

/* Sizes are always written in 64 bits too: one way, whatever the size. */
static size_t local_header(unsigned char *p, const nilu_array *a, const entry *e)
{
    unsigned char *begin = p;
    size_t name = strlen(a->name);
    memcpy(p, "PK\3\4", 4);
    p = put(p + 4, 45, 2);    /* version 4.5: sizes of 64 bits */
    p = put(p, 1 << 11, 2);   /* names are UTF-8 */
    p = put(p, 0, 2);         /* stored */
    p = put(p, 0, 2);         /* at midnight */
    p = put(p, 1 << 5 | 1, 2);/* of 1980-01-01: the same arrays give the same bytes */
    p = put(p, e->crc, 4);
    p = put(p, UINT32_MAX, 4);
    p = put(p, UINT32_MAX, 4);
    p = put(p, name + 4, 2);
    p = put(p, 20, 2);
    memcpy(p, a->name, name);
    memcpy(p + name, ".npy", 4);
    p = put(p + name + 4, 1, 2);
    p = put(p, 16, 2);
    p = put(p, e->bytes, 8);
    p = put(p, e->bytes, 8);
    return (size_t)(p - begin);
}

static size_t list_entry(unsigned char *p, const nilu_array *a, const entry *e)
{
    unsigned char *begin = p, head[30 + NAME + 4 + 20];
    size_t name = strlen(a->name);
    local_header(head, a, e);
    memcpy(p, "PK\1\2", 4);
    p = put(p + 4, 3 << 8 | 45, 2); /* made as on Unix */
    memcpy(p, head + 4, 22);        /* from the version to the sizes */
    p = put(p + 22, name + 4, 2);
    p = put(p, 28, 2);
    p = put(p, 0, 2 + 2 + 2); /* comment, part, attributes */
    p = put(p, (uint64_t)0600 << 16, 4);
    p = put(p, UINT32_MAX, 4);
    memcpy(p, a->name, name);
    memcpy(p + name, ".npy", 4);
    p = put(p + name + 4, 1, 2);
    p = put(p, 24, 2);
    p = put(p, e->bytes, 8);
    p = put(p, e->bytes, 8);
    p = put(p, e->at, 8);
    return (size_t)(p - begin);
}

static void write_end(base_output *o, uint64_t n, uint64_t begin, uint64_t bytes)
{
    unsigned char end[56 + 20 + 22], *p = end;
    memcpy(p, "PK\6\6", 4);
    p = put(p + 4, 44, 8);
    p = put(p, 3 << 8 | 45, 2);
    p = put(p, 45, 2);
    p = put(p, 0, 8);
    p = put(p, n, 8);
    p = put(p, n, 8);
    p = put(p, bytes, 8);
    p = put(p, begin, 8);
    memcpy(p, "PK\6\7", 4);
    p = put(p + 4, 0, 4);
    p = put(p, begin + bytes, 8);
    p = put(p, 1, 4);
    memcpy(p, "PK\5\6", 4);
    p = put(p + 4, 0, 4);
    p = put(p, n < 65535 ? n : 65535, 2);
    p = put(p, n < 65535 ? n : 65535, 2);
    p = put(p, bytes < UINT32_MAX ? bytes : UINT32_MAX, 4);
    p = put(p, begin < UINT32_MAX ? begin : UINT32_MAX, 4);
    put(p, 0, 2);
    base_write(o, end, sizeof end);
}

static nilu_status write_all(nilu *nl, const char *path, int n, const nilu_array *arrays, entry *e, base_output *o)
{
    unsigned char head[46 + NAME + 4 + 28], header[DATA_NPY_HEADER];
    uint64_t at = 0;
    for (int i = 0; i < n; i++) {
        const nilu_array *a = &arrays[i];
        size_t bytes = (size_t)base_count(a->shape) * nilu_dtype_size(a->dtype), begin;
        NILU_TRY(data_npy_begin(nl, path, a->dtype, a->shape, header, &begin));
        uLong crc = crc32(crc32(0, NULL, 0), header, (uInt)begin);
        for (size_t k = 0; k < bytes; k += 1u << 30)
            crc = crc32(crc, (const Bytef *)a->values + k, bytes - k < 1u << 30 ? (uInt)(bytes - k) : 1u << 30);
        e[i] = (entry){(uint32_t)crc, at, begin + bytes};
        size_t length = local_header(head, a, &e[i]);
        base_write(o, head, length);
        base_write(o, header, begin);
        base_write(o, a->values, bytes);
        at += length + begin + bytes;
    }
    uint64_t begin = at;
    for (int i = 0; i < n; i++) {
        size_t length = list_entry(head, &arrays[i], &e[i]);
        base_write(o, head, length);
        at += length;
    }
    write_end(o, (uint64_t)n, begin, at - begin);
    return NILU_OK;
}

nilu_status nilu_npz_write(nilu *nl, const char *path, int n, const nilu_array *arrays)
{
    base_output o;
    char name[NAME + 5];
    for (int i = 0; i < n; i++) {
        size_t length = strlen(arrays[i].name);
        snprintf(name, sizeof name, "%.*s.npy", NAME - 4, arrays[i].name);
        bool good = length <= NAME - 4 && plain_name(name, length + 4);
        for (int k = 0; k < i && good; k++)
            good = strcmp(arrays[k].name, arrays[i].name) != 0;
        if (!good)
            return base_fail(nl, NILU_E_USAGE, N_("%s: an array cannot be called \"%.80s\": the name is taken, or not plain"), path,
                             arrays[i].name);
    }
    entry *e = base_calloc(nl, (size_t)n + 1, sizeof *e);
    nilu_status status = e ? base_create(nl, path, &o) : NILU_E_NO_MEMORY;
    if (status == NILU_OK) {
        status = write_all(nl, path, n, arrays, e, &o);
        if (status == NILU_OK)
            status = base_commit(&o);
        else
            base_discard(&o);
    }
    base_free(nl, e);
    return status;
}
