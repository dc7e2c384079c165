/* Values in files: what Python's safetensors package wrote is read, what we write is what that package reads (it checked
 * ours.safetensors, see tests/files/make_safetensors.py), and every byte of a file may be hostile. */
#include "support/support.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES NILU_SOURCE_DIR "/tests/files/"

static char folder[64] = "/tmp/nilu-io-XXXXXX";

static const char *at(const char *name)
{
    static char path[2][256];
    static int turn;
    snprintf(path[turn ^= 1], sizeof path[0], "%s/%s", folder, name);
    return path[turn];
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static size_t read_bytes(const char *path, char *out, size_t room)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(out, 1, room, f);
    assert_true(n < room);
    fclose(f);
    return n;
}

static void write_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* A file with this header and so many bytes of data. */
static void write_file(const char *path, const char *header, size_t data)
{
    char bytes[4096] = "";
    uint64_t n = strlen(header);
    memcpy(bytes, &n, 8);
    memcpy(bytes + 8, header, n);
    write_bytes(path, bytes, 8 + n + data);
}

static nilu_store *sample(nilu *nl)
{
    nilu_store *s = nilu_store_new(nl);
    int64_t step = (int64_t)1 << 40;
    if (!s)
        return NULL;
    nilu_status status = nilu_store_put(s, NILU_STATE, "step", NILU_I64, NILU_SCALAR, &step);
    if (status == NILU_OK)
        status = nilu_store_put(s, NILU_PARAM, "b \"q\"", NILU_F64, NILU_SCALAR, (double[]){0.1});
    if (status == NILU_OK)
        status = nilu_store_put(s, NILU_PARAM, "a/weight", NILU_F32, NILU_SHAPE(2, 3), (float[]){0, 0.5f, 1, 1.5f, 2, 2.5f});
    if (status == NILU_OK)
        status = nilu_store_put(s, NILU_STATE, "opt/m", NILU_F32, NILU_SHAPE(2), (float[]){-1.5f, 2.5f});
    if (status == NILU_OK)
        status = nilu_store_put(s, NILU_PARAM, "n", NILU_U8, NILU_SHAPE(2), (unsigned char[]){250, 5});
    if (status == NILU_OK)
        status = nilu_store_put(s, NILU_PARAM, "flag", NILU_BOOL, NILU_SHAPE(3), (unsigned char[]){1, 0, 1});
    if (status == NILU_OK)
        status = nilu_store_put(s, NILU_PARAM, "empty", NILU_F32, NILU_SHAPE(0, 4), NULL);
    if (status == NILU_OK)
        return s;
    nilu_store_free(s);
    return NULL;
}

static const nilu_pair note = {"note", "line\nline \"世界\""};
#define BOTH (NILU_PARAMS | NILU_STATES)

static void ours_is_what_python_reads(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *s = sample(nl);
    static char got[4096], want[4096];
    assert_ok(nl, nilu_save(s, BOTH, 1, &note, at("ours")));
    size_t n = read_bytes(at("ours"), got, sizeof got);
    if (getenv("NILU_WRITE_GOLDEN"))
        write_bytes(FILES "ours.safetensors", got, n);
    assert_int_equal(n, read_bytes(FILES "ours.safetensors", want, sizeof want));
    assert_memory_equal(got, want, n);
    uint64_t header;
    memcpy(&header, got, 8);
    assert_int_equal(header % 8, 0);
    nilu_store_free(s);
    nilu_free(nl);
}

static void theirs_is_read(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *s = nilu_store_new(nl);
    char *text;
    assert_ok(nl, nilu_load(s, NILU_STATES, FILES "theirs.safetensors"));
    assert_int_equal(nilu_store_count(s), 0); /* files from elsewhere hold parameters */
    assert_ok(nl, nilu_load(s, BOTH, FILES "theirs.safetensors"));
    assert_int_equal(nilu_store_count(s), 10);
    const float *f32 = nilu_store_find(s, "f32")->data, want[] = {1, -2, 0.5f, 3e38f, -0.0f, 1e-45f};
    assert_memory_equal(f32, want, sizeof want);
    assert_true(*(double *)nilu_store_find(s, "f64")->data == 0.1);
    assert_int_equal(nilu_store_find(s, "f64")->shape.rank, 0);
    assert_int_equal(nilu_store_find(s, "bf16")->dtype, NILU_BF16);
    assert_int_equal(((uint16_t *)nilu_store_find(s, "bf16")->data)[1], 0xC000);
    const nilu_value *f16 = nilu_store_find(s, "f16");
    const float *h = f16->data;
    assert_int_equal(f16->dtype, NILU_F32);
    assert_true(h[0] == 1 && h[1] == -2 && h[2] == 65504 && h[3] == 0x1p-24f && h[4] == 0.333251953125f && h[5] == -INFINITY);
    assert_int_equal(((int32_t *)nilu_store_find(s, "i32")->data)[0], INT32_MIN);
    assert_true(*(int64_t *)nilu_store_find(s, "i64")->data == -9007199254740993);
    assert_int_equal(((unsigned char *)nilu_store_find(s, "u8")->data)[2], 255);
    assert_int_equal(((unsigned char *)nilu_store_find(s, "bool")->data)[0], 1);
    assert_int_equal(nilu_store_find(s, "empty")->bytes, 0);
    assert_true(*(float *)nilu_store_find(s, "näme \"q\" \\ \n")->data == 42);
    assert_ok(nl, nilu_load_metadata(nl, FILES "theirs.safetensors", "note", &text));
    assert_string_equal(text, "hello, 世界");
    nilu_text_free(nl, text);
    assert_ok(nl, nilu_load_metadata(nl, FILES "theirs.safetensors", "nothing", &text));
    assert_null(text);
    nilu_store_free(s);
    nilu_free(nl);
}

static void what_goes_out_comes_back(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *s = sample(nl), *back = nilu_store_new(nl), *params = nilu_store_new(nl);
    char a[65], b[65];
    static char once[4096], twice[4096];
    assert_ok(nl, nilu_save(s, BOTH, 0, NULL, at("x")));
    size_t n = read_bytes(at("x"), once, sizeof once);
    assert_ok(nl, nilu_load(back, BOTH, at("x")));
    for (int kind = 0; kind < 2; kind++) {
        nilu_store_hash(s, (nilu_kind)kind, a);
        nilu_store_hash(back, (nilu_kind)kind, b);
        assert_string_equal(a, b);
    }
    assert_int_equal(nilu_store_find(back, "opt/m")->kind, NILU_STATE);
    assert_ok(nl, nilu_save(back, BOTH, 0, NULL, at("x"))); /* another order in the store, the same bytes */
    assert_int_equal(read_bytes(at("x"), twice, sizeof twice), n);
    assert_memory_equal(once, twice, n);
    assert_ok(nl, nilu_load(params, NILU_PARAMS, at("x")));
    assert_int_equal(nilu_store_count(params), 5);
    assert_ok(nl, nilu_save(s, NILU_PARAMS, 0, NULL, at("p")));
    assert_ok(nl, nilu_load(params, BOTH, at("p")));
    assert_int_equal(nilu_store_count(params), 5);
    nilu_store_free(s);
    nilu_store_free(back);
    nilu_store_free(params);
    nilu_free(nl);
}

/* A store that the file does not fit stays as it was, whole. */
static void a_misfit_changes_nothing(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *s = sample(nl), *other = nilu_store_new(nl);
    const float *m = NULL;
    assert_ok(nl, nilu_save(s, BOTH, 0, NULL, at("x")));
    assert_ok(nl, nilu_store_put(other, NILU_STATE, "opt/m", NILU_F32, NILU_SHAPE(2), (float[]){7, 8}));
    assert_ok(nl, nilu_store_put(other, NILU_PARAM, "n", NILU_U8, NILU_SHAPE(3), NULL));
    m = nilu_store_find(other, "opt/m")->data;
    assert_int_equal(nilu_load(other, BOTH, at("x")), NILU_E_SHAPE);
    assert_contains(nilu_errmsg(nl), "tensor n is u8 [2], but u8 [3] is wanted");
    assert_int_equal(nilu_store_count(other), 2);
    assert_true(m[0] == 7 && m[1] == 8);
    nilu_store_free(other);
    other = nilu_store_new(nl);
    assert_ok(nl, nilu_store_put(other, NILU_PARAM, "n", NILU_I32, NILU_SHAPE(2), NULL));
    assert_int_equal(nilu_load(other, BOTH, at("x")), NILU_E_DTYPE);
    nilu_store_free(other);
    nilu_store_free(s);
    nilu_free(nl);
}

#define T(dtype, shape, place) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" place "}"
static const struct {
    const char *header;
    size_t data;
    nilu_status status;
    const char *says;
} bad[] = {
    {"[]", 0, NILU_E_FILE_CORRUPT, "no JSON object"},
    {"", 0, NILU_E_FILE_CORRUPT, "no JSON object"},
    {"{", 0, NILU_E_FILE_CORRUPT, "byte 1 of its header"},
    {"{\"a\":" T("F32", "[1]", "[0,4]") ",\"a\":" T("F32", "[1]", "[0,4]") "}", 4, NILU_E_FILE_CORRUPT, "duplicate"},
    {"{\"a\":" T("F32", "[1]", "[0,4]") "}x", 4, NILU_E_FILE_CORRUPT, "of its header"},
    {"{\"a\":7}", 0, NILU_E_FILE_CORRUPT, "must have dtype, shape and data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4, NILU_E_FILE_CORRUPT, "and no more"},
    {"{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, NILU_E_FILE_CORRUPT, "has no dtype"},
    {"{\"a\":" T("Q7", "[1]", "[0,4]") "}", 4, NILU_E_UNSUPPORTED, "tensor a is Q7, which nilu has not"},
    {"{\"a\":" T("I8", "[4]", "[0,4]") "}", 4, NILU_E_UNSUPPORTED, "tensor a is I8"},
    {"{\"a\":" T("F32", "1", "[0,4]") "}", 4, NILU_E_FILE_CORRUPT, "its shape is no list"},
    {"{\"a\":" T("F32", "[-1]", "[0,4]") "}", 4, NILU_E_FILE_CORRUPT, "dimension 0 is no whole number"},
    {"{\"a\":" T("F32", "[1,1.0]", "[0,4]") "}", 4, NILU_E_FILE_CORRUPT, "dimension 1 is no whole number"},
    {"{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, NILU_E_UNSUPPORTED, "has 9 dimensions"},
    {"{\"a\":" T("F32", "[1]", "[0,4,4]") "}", 4, NILU_E_FILE_CORRUPT, "two whole numbers"},
    {"{\"a\":" T("F32", "[1]", "{}") "}", 4, NILU_E_FILE_CORRUPT, "two whole numbers"},
    {"{\"a\":" T("F32", "[1]", "[4,0]") "}", 4, NILU_E_FILE_CORRUPT, "two whole numbers"},
    {"{\"a\":" T("F32", "[1]", "[-4,0]") "}", 4, NILU_E_FILE_CORRUPT, "two whole numbers"},
    {"{\"a\":" T("F32", "[1]", "[0,8]") "}", 4, NILU_E_FILE_CORRUPT, "ends at byte 8, but there are 4 bytes"},
    {"{\"a\":" T("F32", "[2]", "[0,4]") "}", 4, NILU_E_FILE_CORRUPT, "4 bytes, but its shape and dtype want 8"},
    {"{\"a\":" T("F32", "[4294967296,4294967296]", "[0,4]") "}", 4, NILU_E_FILE_CORRUPT, "its shape and dtype want >"},
    {"{\"a\":" T("F32", "[4611686018427387904,4]", "[0,0]") "}", 0, NILU_E_FILE_CORRUPT, "its shape and dtype want >"},
    {"{\"a\":" T("F32", "[9223372036854775808]", "[0,4]") "}", 4, NILU_E_FILE_CORRUPT, "of its header"},
    {"{\"a\":" T("F32", "[1]", "[0,4]") ",\"b\":" T("F32", "[1]", "[0,4]") "}", 4, NILU_E_FILE_CORRUPT, "does not begin where"},
    {"{\"a\":" T("F32", "[1]", "[0,4]") ",\"b\":" T("F32", "[1]", "[8,12]") "}", 12, NILU_E_FILE_CORRUPT, "does not begin where"},
    {"{\"a\":" T("F32", "[1]", "[4,8]") "}", 8, NILU_E_FILE_CORRUPT, "does not begin where"},
    {"{\"a\":" T("F32", "[1]", "[0,4]") "}", 5, NILU_E_FILE_CORRUPT, "1 bytes at its end belong to no tensor"},
    {"{\"__metadata__\":7}", 0, NILU_E_FILE_CORRUPT, "must be an object of texts"},
    {"{\"__metadata__\":{\"a\":1}}", 0, NILU_E_FILE_CORRUPT, "a is no text"},
    {"{\"__metadata__\":{\"nilu.states\":\"x\"}}", 0, NILU_E_FILE_CORRUPT, "its list of states is no list"},
    {"{\"__metadata__\":{\"nilu.states\":\"[3]\"}}", 0, NILU_E_FILE_CORRUPT, "has no such tensor"},
    {"{\"__metadata__\":{\"nilu.states\":\"[\\\"b\\\"]\"}}", 0, NILU_E_FILE_CORRUPT, "calls b a state"},
    {"{\"__metadata__\":{\"nilu.check\":\"00\"}}", 0, NILU_E_FILE_CORRUPT, "the check sum differs"},
};

static void headers_are_not_believed(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nilu_store *s = nilu_store_new(nl);
        write_file(at("bad"), bad[i].header, bad[i].data);
        nilu_status status = nilu_load(s, BOTH, at("bad"));
        if (status != bad[i].status || !strstr(nilu_errmsg(nl), bad[i].says) || nilu_store_count(s))
            fail_msg("%s: status %d, \"%s\"", bad[i].header, status, status ? nilu_errmsg(nl) : "");
        nilu_store_free(s);
    }
    nilu_store *s = nilu_store_new(nl);
    write_file(at("good"), "{}", 0);
    assert_ok(nl, nilu_load(s, BOTH, at("good")));
    write_file(at("good"), "{\"b\":" T("F32", "[1]", "[4,8]") ",\"a\":" T("F32", "[]", "[0,4]") "}     ", 8);
    assert_ok(nl, nilu_load(s, BOTH, at("good")));
    assert_int_equal(nilu_store_count(s), 2);
    assert_int_equal(nilu_load(s, BOTH, at("nothing")), NILU_E_FILE_NOT_FOUND);
    assert_int_equal(nilu_load(s, BOTH, folder), NILU_E_FILE_READ);
    assert_int_equal(nilu_load(s, BOTH, FILES "i8.safetensors"), NILU_E_UNSUPPORTED);
    assert_contains(nilu_errmsg(nl), "tensor tiny is I8");
    write_bytes(at("short"), "\1\0\0", 3);
    assert_int_equal(nilu_load(s, BOTH, at("short")), NILU_E_FILE_CORRUPT);
    write_bytes(at("short"), "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    assert_int_equal(nilu_load(s, BOTH, at("short")), NILU_E_FILE_CORRUPT);
    nilu_store_free(s);
    nilu_free(nl);
}

static void a_bool_is_0_or_1(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *s = nilu_store_new(nl);
    char file[128] = "";
    const char *header = "{\"a\":" T("BOOL", "[2]", "[0,2]") "}";
    uint64_t n = strlen(header);
    memcpy(file, &n, 8);
    memcpy(file + 8, header, n);
    file[8 + n + 1] = 2;
    write_bytes(at("b"), file, 8 + n + 2);
    assert_int_equal(nilu_load(s, BOTH, at("b")), NILU_E_FILE_CORRUPT);
    assert_contains(nilu_errmsg(nl), "holds a byte of 2");
    nilu_store_free(s);
    nilu_free(nl);
}

/* Every byte of one of our files is changed in turn, and every shorter file is tried: none may be taken for the real one. */
static void damage_is_found(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *s = sample(nl);
    static char bytes[4096];
    assert_ok(nl, nilu_save(s, BOTH, 1, &note, at("x")));
    size_t n = read_bytes(at("x"), bytes, sizeof bytes);
    uint64_t header;
    memcpy(&header, bytes, 8);
    for (size_t i = 0; i < n; i++) {
        static const char flips[] = {1, 0x20, (char)0x80, 0x7f};
        for (size_t k = 0; k < sizeof flips; k++) {
            nilu_store *got = nilu_store_new(nl);
            char was = bytes[i];
            bytes[i] = (char)(bytes[i] ^ flips[k]);
            write_bytes(at("y"), bytes, n);
            nilu_status status = nilu_load(got, BOTH, at("y"));
            /* the check sum itself may fall out of the metadata, and \u000A is \u000a */
            bool unchecked = memmem(bytes, 8 + header, "\"nilu.check\"", 12) == NULL;
            bool same = i > 5 && memcmp(&bytes[i - 5], "\\u000", 5) == 0 && flips[k] == 0x20;
            if (status == NILU_OK && !unchecked && !same)
                fail_msg("byte %zu ^ %d was not noticed", i, flips[k]);
            assert_true(status == NILU_OK || nilu_store_count(got) == 0);
            bytes[i] = was;
            nilu_store_free(got);
        }
    }
    for (size_t cut = 0; cut < n; cut++) {
        nilu_store *got = nilu_store_new(nl);
        write_bytes(at("y"), bytes, cut);
        assert_int_equal(nilu_load(got, BOTH, at("y")), NILU_E_FILE_CORRUPT);
        nilu_store_free(got);
    }
    nilu_store_free(s);
    nilu_free(nl);
}

static void names_must_be_writable(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *s = nilu_store_new(nl);
    const nilu_pair twice[] = {{"a", "1"}, {"a", "2"}}, taken[] = {{"nilu.check", ""}}, odd[] = {{"a", "\xff"}};
    assert_int_equal(nilu_save(s, BOTH, 2, twice, at("n")), NILU_E_USAGE);
    assert_int_equal(nilu_save(s, BOTH, 1, taken, at("n")), NILU_E_USAGE);
    assert_int_equal(nilu_save(s, BOTH, 1, odd, at("n")), NILU_E_USAGE);
    assert_ok(nl, nilu_store_put(s, NILU_PARAM, "__metadata__", NILU_U8, NILU_SCALAR, NULL));
    assert_int_equal(nilu_save(s, BOTH, 0, NULL, at("n")), NILU_E_USAGE);
    assert_ok(nl, nilu_save(s, NILU_STATES, 0, NULL, at("n")));
    nilu_store_free(s);
    s = nilu_store_new(nl);
    assert_ok(nl, nilu_store_put(s, NILU_PARAM, "w\xc3", NILU_U8, NILU_SCALAR, NULL));
    assert_int_equal(nilu_save(s, BOTH, 0, NULL, at("n")), NILU_E_USAGE);
    nilu_store_free(s);
    nilu_free(nl);
}

/* What stood under the name survives every failure to write, and nothing is left beside it. */
static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_store *s = sample(nl);
    static char before[4096], after[4096], command[128];
    struct rlimit old, small;
    assert_ok(nl, nilu_save(s, BOTH, 0, NULL, at("keep")));
    size_t n = read_bytes(at("keep"), before, sizeof before);
    assert_ok(nl, nilu_store_put(s, NILU_PARAM, "big", NILU_F32, NILU_SHAPE(1000, 1000), NULL));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 100000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    nilu_status status = nilu_save(s, BOTH, 0, NULL, at("keep"));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(status, NILU_E_FILE_WRITE);
    assert_contains(nilu_errmsg(nl), "what stood there is unchanged");
    assert_int_equal(read_bytes(at("keep"), after, sizeof after), n);
    assert_memory_equal(before, after, n);
    snprintf(command, sizeof command, "test -z \"$(ls %s | grep tmp)\"", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(nilu_save(s, BOTH, 0, NULL, at("no/such/folder")), NILU_E_FILE_WRITE);
    nilu_store_free(s);
    nilu_free(nl);
}

static nilu_status there_and_back(nilu *nl, void *user)
{
    (void)user;
    nilu_store *s = sample(nl), *back = s ? nilu_store_new(nl) : NULL;
    char *text = NULL;
    nilu_status status = back ? nilu_save(s, BOTH, 1, &note, at("oom")) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = nilu_load(back, BOTH, at("oom"));
    if (status == NILU_OK)
        status = nilu_load_metadata(nl, at("oom"), "note", &text);
    nilu_text_free(nl, text);
    nilu_store_free(s);
    nilu_store_free(back);
    return status;
}

static void failed_allocations(void **state)
{
    (void)state;
    support_fail_each(1, there_and_back, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ours_is_what_python_reads), cmocka_unit_test(theirs_is_read),
        cmocka_unit_test(what_goes_out_comes_back),  cmocka_unit_test(a_misfit_changes_nothing),
        cmocka_unit_test(headers_are_not_believed),  cmocka_unit_test(a_bool_is_0_or_1),
        cmocka_unit_test(damage_is_found),           cmocka_unit_test(names_must_be_writable),
        cmocka_unit_test(a_full_disk_loses_nothing), cmocka_unit_test(failed_allocations),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
