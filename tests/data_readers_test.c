/* Readers of bytes: what others wrote (numpy, Python's csv module) comes out right, and what is damaged or hostile gets a
 * sentence that names the file, and the line where it has lines. */
#include "support/files.h"

#include "data/data.h"
#include <zlib.h>

#define FILES NILU_SOURCE_DIR "/tests/files"

static char path[256];

/* Writes a file and remembers its path. */
static void put(const char *name, const void *bytes, size_t n)
{
    snprintf(path, sizeof path, "%s", files_put(name, bytes, n));
}

/* ---- arrays */

/* Element i as tests/files/make.py wrote it. */
static double array_of(data_type type, int i)
{
    static const double largest[DATA_TYPES] = {
        [DATA_U8] = 255,         [DATA_I8] = 127,         [DATA_U16] = 65535,   [DATA_I16] = 32767,
        [DATA_U32] = 4294967295, [DATA_I32] = 2147483647, [DATA_U64] = 0x1p+64, [DATA_I64] = 0x1p+63};
    if (type == DATA_BOOL)
        return i % 3 == 0;
    if (data_type_is_float(type))
        return (7 * i - 30) / 4.0;
    if (i == 11)
        return largest[type];
    return type == DATA_I8 || type == DATA_I16 || type == DATA_I32 || type == DATA_I64 ? 7 * i - 30 : 7 * i;
}

static void check_npy(nilu *nl, const char *name, data_type type)
{
    data_array a = {0};
    char raw[4 * 8];
    double v[4];
    snprintf(path, sizeof path, FILES "/npy/%s.npy", name);
    for (int loaded = 0; loaded < 2; loaded++) {
        assert_ok(nl, data_file_open(nl, path, SIZE_MAX, &a.file));
        if (loaded)
            assert_ok(nl, data_file_load(nl, &a.file));
        assert_ok(nl, data_npy_header(nl, &a));
        assert_int_equal(a.type, type);
        assert_int_equal(a.count, 3);
        assert_int_equal(a.width, 4);
        for (int row = 0; row < 3; row++)
            for (int first = 0; first < 4; first++) {
                assert_true(data_array_read(&a, row, first, 4 - first, raw));
                data_array_numbers(&a, raw, 4 - first, v);
                for (int j = first; j < 4; j++)
                    if (!(v[j - first] == array_of(type, row * 4 + j)))
                        fail_msg("%s: row %d, element %d is %g, not %g", name, row, j, v[j - first],
                                 array_of(type, row * 4 + j));
            }
        data_file_close(nl, &a.file);
    }
}

static void npy_of_all_types(void **state)
{
    static const char *const codes[DATA_TYPES] = {"b1", "u1", "i1", "u2", "i2", "u4",
                                                  "i4", "u8", "i8", "f2", "f4", "f8"};
    char name[32];
    for (int type = 0; type < DATA_TYPES; type++) {
        check_npy(*state, codes[type], (data_type)type);
        snprintf(name, sizeof name, "%s-fortran", codes[type]);
        check_npy(*state, name, (data_type)type);
        snprintf(name, sizeof name, "%s-big", codes[type]);
        if (data_type_size((data_type)type) > 1)
            check_npy(*state, name, (data_type)type);
    }
    for (int version = 1; version <= 3; version++) {
        snprintf(name, sizeof name, "version%d", version);
        check_npy(*state, name, DATA_F32);
    }
}

static void halves(void **state)
{
    static const struct {
        uint16_t bits;
        double value;
    } known[] = {{0x0000, 0},  {0x0001, 0x1p-24}, {0x03ff, 1023 * 0x1p-24}, {0x0400, 0x1p-14},  {0x3c00, 1},
                 {0xc000, -2}, {0x7bff, 65504},   {0x7c00, INFINITY},       {0xfc00, -INFINITY}};
    (void)state;
    for (size_t i = 0; i < COUNT(known); i++) {
        data_array a = {.type = DATA_F16};
        uint16_t raw = known[i].bits;
        double v;
        data_array_numbers(&a, &raw, 1, &v);
        assert_true(v == known[i].value);
    }
}

/* A version 1 file with this header text and `payload` bytes of zeros. */
static size_t npy_with(unsigned char *out, const char *header, size_t payload)
{
    size_t n = strlen(header);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (unsigned char)n;
    out[9] = (unsigned char)(n >> 8);
    memcpy(out + 10, header, n);
    memset(out + 10 + n, 0, payload);
    return 10 + n + payload;
}

static void hostile_npy(void **state)
{
    static const struct {
        const char *header;
        size_t payload;
        const char *error;
    } rows[] = {
        {"", 0, "its header cannot be read"},
        {"{", 0, "its header cannot be read"},
        {"{}", 0, "its header cannot be read"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 8, NULL},
        {"{'shape': (2, ), 'fortran_order': False, 'descr': \"<f4\", }   \n", 8, NULL},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2L,)}", 8, NULL},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", 8, "its header cannot be read"},
        {"{'descr': '<f4', 'fortran_order': False}", 8, "its header cannot be read"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 8, "its header cannot be read"},
        {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}", 8, "its header cannot be read"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", 8, "its header cannot be read"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 8, "its header cannot be read"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", 4, "at most 8 dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", 8, "is the file cut off?"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", 8, "is the file cut off?"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 8, "4 bytes follow after"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4)}", 0, "is empty"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': ()}", 4, "holds a single number"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 8, "elements of type '|O'"},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", 8, "elements of type '<c8'"},
        {"{'descr': 'f4', 'fortran_order': False, 'shape': (1,)}", 8, "elements of type 'f4'"},
        {"{'descr': '<f4<f4<f4<f4<f4<f4', 'fortran_order': False, 'shape': (1,)}", 8, "its header cannot be read"},
    };
    nilu *nl = *state;
    unsigned char bytes[512];
    for (size_t i = 0; i < COUNT(rows); i++) {
        data_array a = {0};
        put("hostile.npy", bytes, npy_with(bytes, rows[i].header, rows[i].payload));
        assert_ok(nl, data_file_open(nl, path, SIZE_MAX, &a.file));
        nilu_status status = data_npy_header(nl, &a);
        if (!rows[i].error)
            assert_ok(nl, status);
        else if (status == NILU_OK)
            fail_msg("%s was taken", rows[i].header);
        else
            assert_contains(nilu_errmsg(nl), rows[i].error);
        if (rows[i].error)
            assert_contains(nilu_errmsg(nl), path);
        data_file_close(nl, &a.file);
    }
    /* cut off anywhere: an error each time */
    size_t n = npy_with(bytes, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 8);
    for (size_t cut = 0; cut < n; cut++) {
        data_array a = {0};
        put("cut.npy", bytes, cut);
        assert_ok(nl, data_file_open(nl, path, SIZE_MAX, &a.file));
        assert_int_not_equal(data_npy_header(nl, &a), NILU_OK);
        data_file_close(nl, &a.file);
    }
}

static void foreign_npy(void **state)
{
    static const struct {
        const char *name, *error;
    } rows[] = {{"scalar", "holds a single number"},
                {"complex", "'<c8'"},
                {"fields", "its header cannot be read"},
                {"objects", "'|O'"}};
    nilu *nl = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        data_array a = {0};
        snprintf(path, sizeof path, FILES "/npy/%s.npy", rows[i].name);
        assert_ok(nl, data_file_open(nl, path, SIZE_MAX, &a.file));
        assert_int_not_equal(data_npy_header(nl, &a), NILU_OK);
        assert_contains(nilu_errmsg(nl), rows[i].error);
        data_file_close(nl, &a.file);
    }
}

static void npy_written(void **state)
{
    nilu *nl = *state;
    const float values[6] = {1, -2.5f, 3e-20f, 4e20f, 0, 6};
    snprintf(path, sizeof path, "%s", files_path("out.npy"));
    assert_ok(nl, nilu_npy_write(nl, path, NILU_F32, NILU_SHAPE(3, 2), values));
    data_array a = {0};
    float row[2];
    assert_ok(nl, data_file_open(nl, path, SIZE_MAX, &a.file));
    assert_ok(nl, data_npy_header(nl, &a));
    assert_int_equal(a.offset % 64, 0); /* as the format wants it */
    assert_int_equal(a.shape.rank, 2);
    for (int i = 0; i < 3; i++) {
        assert_true(data_array_read(&a, i, 0, 2, row));
        assert_memory_equal(row, values + 2 * i, sizeof row);
    }
    data_file_close(nl, &a.file);
    assert_int_equal(nilu_npy_write(nl, path, NILU_BF16, NILU_SHAPE(1), values), NILU_E_DTYPE);
    assert_int_equal(nilu_npy_write(nl, "/nowhere/at/all.npy", NILU_F32, NILU_SHAPE(1), values), NILU_E_FILE_WRITE);
}

/* ---- NPZ: what numpy wrote, and what it would not have written */

static void npz_of_numpy(void **state)
{
    static const char *const names[] = {"stored", "packed", "wide"};
    nilu *nl = *state;
    for (size_t i = 0; i < COUNT(names); i++) {
        nilu_npz *z;
        nilu_dtype dtype;
        nilu_shape shape;
        void *v;
        snprintf(path, sizeof path, FILES "/npz/%s.npz", names[i]);
        assert_ok(nl, nilu_npz_open(nl, path, &z));
        assert_int_equal(nilu_npz_count(z), 3);
        assert_ok(nl, nilu_npz_read(z, "x", NILU_DTYPES, &dtype, &shape, &v)); /* arange(200 * 3) / 7 */
        assert_int_equal(dtype, NILU_F32);
        assert_true(base_same_shape(shape, NILU_SHAPE(200, 3)));
        for (int k = 0; k < 600; k++)
            assert_true(((float *)v)[k] == (float)k / 7);
        nilu_array_free(nl, v);
        assert_ok(nl, nilu_npz_read(z, "layer/y", NILU_DTYPES, &dtype, &shape, &v));
        assert_int_equal(dtype, NILU_I64);
        assert_int_equal(((int64_t *)v)[199], 199 % 3);
        nilu_array_free(nl, v);
        assert_ok(nl, nilu_npz_read(z, "none", NILU_DTYPES, &dtype, &shape, &v));
        assert_int_equal(base_count(shape), 0);
        nilu_array_free(nl, v);
        assert_int_equal(nilu_npz_read(z, "z", NILU_DTYPES, &dtype, &shape, &v), NILU_E_NAME);
        nilu_npz_free(z);
    }
}

static nilu_status npz_try(nilu *nl, const char *bytes, size_t n)
{
    nilu_npz *z;
    nilu_dtype dtype;
    nilu_shape shape;
    void *v;
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
    nilu_status status = nilu_npz_open(nl, path, &z);
    if (status != NILU_OK)
        return status;
    for (int i = 0; i < nilu_npz_count(z); i++) {
        nilu_status one = nilu_npz_read(z, nilu_npz_name(z, i), NILU_DTYPES, &dtype, &shape, &v);
        status = status == NILU_OK ? one : status;
        nilu_array_free(nl, v);
    }
    nilu_npz_free(z);
    return status;
}

static void npz_torn_and_bent(void **state)
{
    nilu *nl = *state;
    static const char *const names[] = {"stored", "packed"};
    for (size_t k = 0; k < COUNT(names); k++) {
        char *bytes;
        size_t n;
        int refused = 0;
        snprintf(path, sizeof path, FILES "/npz/%s.npz", names[k]);
        assert_ok(nl, base_read_file(nl, path, 1 << 20, &bytes, &n));
        snprintf(path, sizeof path, "%s", files_path("bent.npz"));
        for (size_t cut = 0; cut < n; cut += 1 + n / 61)
            assert_int_not_equal(npz_try(nl, bytes, cut), NILU_OK);
        for (uint64_t i = 0; i < 400; i++) {
            uint32_t r[4];
            base_philox(11, k, i, r);
            char *at = bytes + r[0] % n, was = *at;
            *at ^= (char)(1 << r[1] % 8);
            refused += npz_try(nl, bytes, n) != NILU_OK;
            *at = was;
        }
        assert_true(refused > 300); /* dates and the like may be anything */
        base_free(nl, bytes);
    }
}

static void npz_written(void **state)
{
    nilu *nl = *state;
    const float w[3] = {1, -0.0f, 3e-39f};
    const int64_t n = INT64_MAX;
    const nilu_array arrays[] = {{"fc1/weight", NILU_F32, NILU_SHAPE(3, 1), w}, {"n", NILU_I64, NILU_SCALAR, &n}};
    nilu_npz *z;
    nilu_dtype dtype;
    nilu_shape shape;
    void *v;
    char *bytes, *at;
    size_t length;
    snprintf(path, sizeof path, "%s", files_path("out.npz"));
    assert_ok(nl, nilu_npz_write(nl, path, 2, arrays));
    assert_ok(nl, nilu_npz_open(nl, path, &z));
    assert_string_equal(nilu_npz_name(z, 0), "fc1/weight");
    assert_ok(nl, nilu_npz_read(z, "fc1/weight", NILU_DTYPES, &dtype, &shape, &v));
    assert_memory_equal(v, w, sizeof w);
    nilu_array_free(nl, v);
    assert_ok(nl, nilu_npz_read(z, "n", NILU_DTYPES, &dtype, &shape, &v));
    assert_int_equal(*(int64_t *)v, n);
    nilu_array_free(nl, v);
    nilu_npz_free(z);
    const nilu_array twice[] = {arrays[0], arrays[0]}, outside[] = {{"../n", NILU_I64, NILU_SCALAR, &n}};
    assert_int_equal(nilu_npz_write(nl, path, 2, twice), NILU_E_USAGE);
    assert_int_equal(nilu_npz_write(nl, path, 1, outside), NILU_E_USAGE);
    /* the list says that the second array is the first once more: two names for the same bytes */
    assert_ok(nl, base_read_file(nl, path, 1 << 20, &bytes, &length));
    at = bytes + length - 98 - 8; /* the place in the last entry of the list, before the three records of the end */
    memset(at, 0, 8);
    assert_int_equal(npz_try(nl, bytes, length), NILU_E_FILE_CORRUPT);
    base_free(nl, bytes);
}

static void idx_of_all_types(void **state)
{
    static const struct {
        unsigned char code, bytes[8];
        double value;
    } rows[] = {{0x08, {200}, 200},
                {0x09, {200}, -56},
                {0x0b, {0xff, 0x38}, -200},
                {0x0c, {0, 1, 0, 0}, 65536},
                {0x0d, {0xc0, 0x20, 0, 0}, -2.5},
                {0x0e, {0xc0, 0x04, 0, 0, 0, 0, 0, 0}, -2.5}};
    nilu *nl = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned char bytes[16] = {0, 0, rows[i].code, 1, 0, 0, 0, 1};
        data_array a = {0};
        double v;
        char raw[8];
        size_t size = rows[i].code < 0x0b ? 1 : rows[i].code == 0x0b ? 2 : rows[i].code == 0x0e ? 8 : 4;
        memcpy(bytes + 8, rows[i].bytes, size);
        put("type.idx", bytes, 8 + size);
        assert_ok(nl, data_file_open(nl, path, SIZE_MAX, &a.file));
        assert_ok(nl, data_idx_header(nl, &a));
        assert_true(data_array_read(&a, 0, 0, 1, raw));
        data_array_numbers(&a, raw, 1, &v);
        assert_true(v == rows[i].value);
        data_file_close(nl, &a.file);
    }
}

static void hostile_idx(void **state)
{
    static const struct {
        unsigned char bytes[24];
        size_t n;
        const char *error;
    } rows[] = {
        {{0}, 0, "ends before the 4 bytes"},
        {{0, 0, 8}, 3, "ends before the 4 bytes"},
        {{1, 0, 8, 1, 0, 0, 0, 1, 9}, 9, "begins with 01 00"},
        {{0, 0, 7, 1, 0, 0, 0, 1, 9}, 9, "type code 0x07"},
        {{0, 0, 8, 0, 9}, 5, "claims 0 dimensions"},
        {{0, 0, 8, 9, 9}, 5, "claims 9 dimensions"},
        {{0, 0, 8, 3, 0, 0, 0, 1}, 8, "ends within its header"},
        {{0, 0, 8, 1, 0, 0, 0, 2, 9}, 9, "is the file cut off?"},
        {{0, 0, 8, 1, 0, 0, 0, 1, 9, 9}, 10, "1 bytes follow after"},
        {{0, 0, 8, 1, 0, 0, 0, 0}, 8, "is empty"},
        {{0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 0}, 12, "is empty"},
        {{0, 0, 14, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}, 16, "is the file cut off?"}};
    nilu *nl = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        data_array a = {0};
        put("hostile.idx", rows[i].bytes, rows[i].n);
        assert_ok(nl, data_file_open(nl, path, SIZE_MAX, &a.file));
        assert_int_equal(data_idx_header(nl, &a),
                         rows[i].error[0] == 'i' && rows[i].error[3] == 'e' ? NILU_E_DATA : NILU_E_FILE_CORRUPT);
        assert_contains(nilu_errmsg(nl), rows[i].error);
        assert_contains(nilu_errmsg(nl), path);
        data_file_close(nl, &a.file);
    }
}

/* ---- gzip */

static size_t pack(const void *bytes, size_t n, unsigned char *out, size_t room)
{
    z_stream z = {
        .next_in = (unsigned char *)bytes, .avail_in = (unsigned)n, .next_out = out, .avail_out = (unsigned)room};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(deflateEnd(&z), Z_OK);
    return room - z.avail_out;
}

/* An allocator for which 100 MB are too much. */
static void *modest(void *user, void *old, size_t size)
{
    (void)user;
    if (size == 0) {
        free(old);
        return NULL;
    }
    return size > 100000000 ? NULL : realloc(old, size);
}

static void gzip(void **state)
{
    enum { N = 300000, ROOM = N + 1000 };
    nilu *nl = *state;
    unsigned char *plain = malloc(N), *packed = malloc(2 * ROOM);
    data_file f;
    uint32_t out[4];
    for (uint64_t i = 0; i < N; i++) {
        base_philox(1, 2, i, out);
        plain[i] = (unsigned char)(out[0] % 7);
    }
    size_t n = pack(plain, N, packed, ROOM);
    put("whole.gz", packed, n);
    assert_ok(nl, data_file_open(nl, path, N, &f)); /* fits exactly */
    assert_int_equal(f.size, N);
    assert_memory_equal(f.bytes, plain, N);
    data_file_close(nl, &f);
    assert_int_equal(data_file_open(nl, path, N - 1, &f), NILU_E_UNSUPPORTED);
    assert_contains(nilu_errmsg(nl), "unpack it with gunzip");

    size_t m = pack(plain, 1000, packed + n, ROOM); /* two members; the trailer speaks of the second alone */
    put("members.gz", packed, n + m);
    assert_ok(nl, data_file_open(nl, path, SIZE_MAX, &f));
    assert_int_equal(f.size, N + 1000);
    assert_memory_equal(f.bytes + N, plain, 1000);
    data_file_close(nl, &f);

    for (size_t cut = 2; cut < n; cut += cut < 40 || cut + 40 > n ? 1 : 997) {
        put("cut.gz", packed, cut);
        assert_int_equal(data_file_open(nl, path, SIZE_MAX, &f), NILU_E_FILE_CORRUPT);
        assert_contains(nilu_errmsg(nl), path);
    }
    packed[n - 6] ^= 1; /* the check sum */
    put("sum.gz", packed, n);
    assert_int_equal(data_file_open(nl, path, SIZE_MAX, &f), NILU_E_FILE_CORRUPT);
    assert_contains(nilu_errmsg(nl), "damaged gzip file");
    packed[n - 6] ^= 1;
    nilu_options o = NILU_OPTIONS_DEFAULT; /* a claim of 4 GB must not make us ask for them */
    o.alloc.resize = modest;
    nilu *small = nilu_new(&o, NULL);
    memset(packed + n - 4, 0xff, 4);
    put("claim.gz", packed, n);
    assert_int_equal(data_file_open(small, path, SIZE_MAX, &f), NILU_E_FILE_CORRUPT);
    nilu_free(small);

    unsigned char head[16];
    size_t have = sizeof head;
    put("members.gz", packed, n);
    assert_ok(nl, data_file_head(nl, path, head, &have));
    assert_int_equal(have, sizeof head);
    assert_memory_equal(head, plain, sizeof head);
    free(plain);
    free(packed);
}

static void gzip_bomb(void **state)
{
    enum { N = 64 << 20, LIMIT = 1 << 20 };
    unsigned char *zeros = calloc(1, N), *packed = malloc(1 << 20);
    data_file f;
    size_t n = pack(zeros, N, packed, 1 << 20);
    put("bomb.gz", packed, n);
    assert_int_equal(data_file_open(*state, path, LIMIT, &f), NILU_E_UNSUPPORTED);
    assert_contains(nilu_errmsg(*state), "unpacks to more than the 1048576 bytes");
    free(zeros);
    free(packed);
}

static void files_unpacked_at_once(void **state)
{
    (void)state;
    nilu *nl = support_context(4, NULL);
    unsigned char packed[4][256];
    char name[4][256], text[32];
    const char *paths[4];
    data_file f[4];
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "this is file %d", i);
        put(text, packed[i], pack(text, strlen(text), packed[i], sizeof packed[i]));
        strcpy(name[i], path);
        paths[i] = name[i];
    }
    assert_ok(nl, data_files_open(nl, 4, paths, SIZE_MAX, f));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(f[i].size, 14);
        assert_int_equal(f[i].bytes[13], '0' + i);
        data_file_close(nl, &f[i]);
    }
    put("cut off", packed[2], 20);
    paths[2] = path;
    assert_int_equal(data_files_open(nl, 4, paths, SIZE_MAX, f), NILU_E_FILE_CORRUPT);
    assert_contains(nilu_errmsg(nl), "cut off");
    assert_int_equal(data_files_open(nl, 1, (const char *[]){"/tmp"}, SIZE_MAX, f), NILU_E_FILE_READ);
    assert_contains(nilu_errmsg(nl), "is not a regular file");
    nilu_free(nl);
}

/* ---- tables */

static void numbers(void **state)
{
    static const struct {
        const char *text;
        data_cell_kind kind;
        double value;
        bool comma;
    } rows[] = {{"", CELL_MISSING},
                {"?", CELL_MISSING},
                {"NA", CELL_MISSING},
                {"n/a", CELL_MISSING},
                {"NULL", CELL_MISSING},
                {"0", CELL_NUMBER, 0},
                {"-0", CELL_NUMBER, 0},
                {"+7", CELL_NUMBER, 7},
                {"1.5", CELL_NUMBER, 1.5},
                {".5", CELL_NUMBER, .5},
                {"5.", CELL_NUMBER, 5},
                {"-1e-3", CELL_NUMBER, -1e-3},
                {"1E+5", CELL_NUMBER, 1e5},
                {"1e", CELL_TEXT},
                {"e5", CELL_TEXT},
                {".", CELL_TEXT},
                {"-", CELL_TEXT},
                {"1.2.3", CELL_TEXT},
                {"12a", CELL_TEXT},
                {"0x10", CELL_TEXT},
                {"1 2", CELL_TEXT},
                {"nan", CELL_NOT_FINITE},
                {"-inf", CELL_NOT_FINITE},
                {"Infinity", CELL_NOT_FINITE},
                {"1e400", CELL_NOT_FINITE},
                {"1e-400", CELL_NUMBER, 0},
                {"1,5", CELL_TEXT},
                {"1,5", CELL_NUMBER, 1.5, true},
                {"1.5", CELL_NUMBER, 1.5, true},
                {"1.234,5", CELL_TEXT, 0, true},
                {"123456789012345678901234567890", CELL_NUMBER, 123456789012345678901234567890.0},
                {"0.1234567890123456789012345678901234567890", CELL_NUMBER, 0.1234567890123456789012345678901234567890},
                {"9007199254740993", CELL_NUMBER, 0x1p+53},
                {"NaNa", CELL_TEXT}};
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        data_cell cell = {(char *)rows[i].text, strlen(rows[i].text), false};
        double v = 0;
        data_cell_kind kind = data_cell_number(&cell, rows[i].comma, &v);
        if (kind != rows[i].kind || (kind == CELL_NUMBER && !(v == rows[i].value)))
            fail_msg("\"%s\" is kind %d, value %.17g", rows[i].text, kind, v);
    }
    for (uint64_t i = 0; i < 100000; i++) { /* every number that C prints is read back the same */
        base_key key = {11, 3};
        char text[40];
        double v, want = ldexp(base_uniform53(key, 2 * i) - 0.5, (int)(base_uniform53(key, 2 * i + 1) * 200) - 100);
        int n = snprintf(text, sizeof text, i % 2 ? "%.17g" : "%.6g", want);
        want = strtod(text, NULL);
        assert_int_equal(data_cell_number(&(data_cell){text, (size_t)n, false}, false, &v), CELL_NUMBER);
        if (!(v == want))
            fail_msg("seed 11, draw %d: %s is read as %.17g", (int)i, text, v);
    }
}

static void cells(void **state)
{
    static const struct {
        const char *text;
        char delimiter;
        const char *want; /* cells with | between them */
        data_csv_fault fault;
    } rows[] = {{"a,b,c\n", ',', "a|b|c"},
                {"a, b ,\tc\r\n", ',', "a|b|c"},
                {",,\n", ',', "||"},
                {"\"a,b\",c\n", ',', "a,b|c"},
                {"\"a\"\"b\",c", ',', "a\"b|c"},
                {"\"a\nb\";c", ';', "a\nb|c"},
                {"a\"b,c", ',', "a\"b|c"},
                {"a\tb\t\tc\n", '\t', "a|b||c"},
                {" a  b c  \n", ' ', "a|b|c"},
                {"\"\",x\n", ',', "|x"},
                {"\" a \",x\n", ',', " a |x"},
                {"\"a\" b,c\n", ',', "a", CSV_AFTER_QUOTE},
                {"\"a,b\n", ',', "a,b", CSV_OPEN_QUOTE}};
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[64], got[64] = "";
        data_cell cell[8];
        data_record r = {.cell = cell, .cap = 8};
        strcpy(text, rows[i].text);
        data_csv_split(text, strlen(text), rows[i].delimiter, &r);
        for (int c = 0; c < r.cells; c++)
            sprintf(got + strlen(got), "%s%.*s", c ? "|" : "", (int)cell[c].n, cell[c].at);
        if (r.fault != rows[i].fault || strcmp(got, rows[i].want) != 0)
            fail_msg("row %d: fault %d, cells %s", (int)i, r.fault, got);
    }
}

static void delimiters_and_headers(void **state)
{
    static const struct {
        const char *text;
        char delimiter;
        int header;
    } rows[] = {{"a,b\n1,2\n", ',', 1},
                {"1,2\n3,4\n", ',', 0},
                {"a;b\n1,5;2\n", ';', 1},
                {"1,5;2,5\n3,5;4,5\n", ';', 0},
                {"a\tb c\n1\t2\n", '\t', 1},
                {"x|y\n1|2\n", '|', 1},
                {"a b c\n1 2 3\n", ' ', 1},
                {"name\n1\n2\n", ',', 1},
                {"red,round\nblue,square\nred,square\n", ',', 0},
                {"colour,form\nred,round\nred,square\n", ',', 1},
                {"\xef\xbb\xbf"
                 "a,b\n1,2\n",
                 ',', 1},
                {"date,city\n\"1, 2\",\"a, b\"\n\"1, 2\",\"c, d\"\n", ',', 1},
                {"\n\na,b\n1,2\n", ',', 1},
                {"a,a\n1,2\n", ',', 1}};
    nilu *nl = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char delimiter = 0;
        int header = -1;
        data_file f;
        put("sniffed", rows[i].text, strlen(rows[i].text));
        assert_ok(nl, data_file_open(nl, path, SIZE_MAX, &f));
        assert_ok(nl, data_csv_sniff(nl, &f, &delimiter, &header));
        if (delimiter != rows[i].delimiter || header != rows[i].header)
            fail_msg("%s: \"%c\", header %d", rows[i].text, delimiter, header);
        data_file_close(nl, &f);
    }
}

/* Walks a table to its end and returns the status. */
static nilu_status walk(nilu *nl, const char *file, int64_t *rows)
{
    data_file f;
    data_csv c;
    bool more = true;
    assert_ok(nl, data_file_open(nl, file, SIZE_MAX, &f));
    nilu_status status = data_csv_start(nl, &f, ',', &c);
    for (*rows = 0; status == NILU_OK && more; *rows += more)
        status = data_csv_next(&c, &more);
    data_csv_end(&c);
    data_file_close(nl, &f);
    return status;
}

static void hostile_tables(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        const char *error; /* after the path */
    } rows[] = {{"a,b\n1,2\n1,2,3\n", 0, ":3: this row has 3 cells, but the first row has 2"},
                {"a,b\n\n\n1\n", 0, ":4: this row has 1 cells"},
                {"a,b\n\"x\ny\",2\n1\n", 0, ":4: this row has 1 cells"},
                {"a,b\r1,2\r3\r", 0, ":3: this row has 1 cells"},
                {"a,b\n1,\"2\n3,4\n", 0, ":2: cell 2 opens a quote that is never closed"},
                {"a,b\n1,\"2\"3\n", 0, ":2: cell 2 goes on after its closing quote"},
                {"a,b\n1,2\0\n", 9, ":2: cell 2 has a zero byte"},
                {"\xff\xfe"
                 "a\0",
                 4, ": is UTF-16 text"}};
    nilu *nl = *state;
    int64_t n;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char want[400];
        put("hostile.csv", rows[i].text, rows[i].n ? rows[i].n : strlen(rows[i].text));
        assert_int_equal(walk(nl, path, &n), NILU_E_FILE_CORRUPT);
        snprintf(want, sizeof want, "%s%s", path, rows[i].error);
        assert_contains(nilu_errmsg(nl), want);
    }
}

static void long_records(void **state)
{
    enum { LONG = 3 << 20, HUGE_ROW = (1 << 24) + 10 };
    nilu *nl = *state;
    char *text = malloc(HUGE_ROW + 100);
    int64_t n;
    memset(text, 'x', LONG);
    memcpy(text, "a,", 2);
    memcpy(text + LONG, "\nb,c\n", 5);
    put("long.csv", text, LONG + 5);
    assert_ok(nl, walk(nl, path, &n));
    assert_int_equal(n, 2);
    memset(text, 'x', HUGE_ROW);
    put("huge.csv", text, HUGE_ROW);
    assert_int_equal(walk(nl, path, &n), NILU_E_FILE_CORRUPT);
    assert_contains(nilu_errmsg(nl), "huge.csv:1: the row that begins here is longer than");
    memset(text, ',', 200000);
    put("wide.csv", text, 200000);
    assert_int_equal(walk(nl, path, &n), NILU_E_UNSUPPORTED);
    assert_contains(nilu_errmsg(nl), "at most 100000 columns");
    free(text);
}

/* Windows end anywhere: a table cut into records must not depend on where. */
static void records_across_windows(void **state)
{
    nilu *nl = *state;
    snprintf(path, sizeof path, "%s", files_path("big.csv"));
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (int i = 0; i < 60000; i++)
        fprintf(f, "%d,\"line one\nline \"\"two\"\"\",%d\r\n", i, i * 3);
    fclose(f);
    data_file file;
    data_csv c;
    bool more;
    assert_ok(nl, data_file_open(nl, path, SIZE_MAX, &file));
    assert_ok(nl, data_csv_start(nl, &file, ',', &c));
    for (int i = 0; i < 60000; i++) {
        char want[16];
        assert_ok(nl, data_csv_next(&c, &more));
        assert_true(more);
        assert_int_equal(c.line, 2 * i + 1);
        int n = snprintf(want, sizeof want, "%d", 3 * i);
        assert_int_equal(c.record.cell[2].n, n);
        assert_memory_equal(c.record.cell[2].at, want, n);
        assert_int_equal(c.record.cell[1].n, 19);
    }
    assert_ok(nl, data_csv_next(&c, &more));
    assert_false(more);
    data_csv_end(&c);
    data_file_close(nl, &file);
}

static void words(void **state)
{
    nilu *nl = *state;
    data_words w = {0};
    data_pool pool = {.nl = nl};
    int id;
    static const struct {
        const char *cell, *text;
        int id;
    } rows[] = {{"a", "a", 0},
                {"b", "b", 1},
                {"a", "a", 0},
                {"", "", 2},
                {"\xe4", "ä", 3},
                /* Latin-1 */ {"ä", "ä", 3},
                {"臺北", "臺北", 4},
                {"\xed\xa0\x80", "í €", 5},
                /* a surrogate is no UTF-8 */ {"x\x1b[2Jy", "x [2Jy", 6}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        data_cell cell = {(char *)rows[i].cell, strlen(rows[i].cell), false};
        assert_ok(nl, data_words_add(nl, &w, &pool, &cell, 100, (int64_t)i, &id));
        if (i == 7) /* 0xed 0xa0 0x80: í, no-break space, a control character */
            continue;
        assert_int_equal(id, rows[i].id);
        assert_string_equal(w.word[id].text, rows[i].text);
    }
    assert_int_equal(w.word[0].count, 2);
    for (int i = 0; i < 1000; i++) {
        char text[16];
        int n = snprintf(text, sizeof text, "word %d", i);
        assert_ok(nl, data_words_add(nl, &w, &pool, &(data_cell){text, (size_t)n, false}, 500, 1, &id));
        assert_int_equal(id, i + 7 < 500 ? i + 7 : -1);
    }
    assert_true(w.full);
    data_words_free(nl, &w);
    data_pool_free(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(npy_of_all_types),
                                       cmocka_unit_test(halves),
                                       cmocka_unit_test(hostile_npy),
                                       cmocka_unit_test(foreign_npy),
                                       cmocka_unit_test(npy_written),
                                       cmocka_unit_test(npz_of_numpy),
                                       cmocka_unit_test(npz_torn_and_bent),
                                       cmocka_unit_test(npz_written),
                                       cmocka_unit_test(idx_of_all_types),
                                       cmocka_unit_test(hostile_idx),
                                       cmocka_unit_test(gzip),
                                       cmocka_unit_test(gzip_bomb),
                                       cmocka_unit_test(files_unpacked_at_once),
                                       cmocka_unit_test(numbers),
                                       cmocka_unit_test(cells),
                                       cmocka_unit_test(delimiters_and_headers),
                                       cmocka_unit_test(hostile_tables),
                                       cmocka_unit_test(long_records),
                                       cmocka_unit_test(records_across_windows),
                                       cmocka_unit_test(words)};
    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
