/* The ground: random numbers against published vectors, permutations, rounding, hashes, memory, files, names. */
#include "base/base.h"
#include "support/support.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The known answers that the paper's authors give with their code (Random123, kat_vectors, philox4x32 of 10 rounds). */
static void philox_as_published(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed, stream, counter;
        uint32_t want[4];
    } known[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        uint32_t out[4];
        base_philox(known[i].seed, known[i].stream, known[i].counter, out);
        for (int k = 0; k < 4; k++)
            assert_int_equal(out[k], known[i].want[k]);
    }
}

/* Draws are the words of the blocks, in their order. */
static void draws_are_the_words_of_blocks(void **state)
{
    (void)state;
    base_key key = {11, 22};
    for (uint64_t i = 0; i < 64; i++) {
        uint32_t quarter[4], half[4];
        base_philox(11, 22, i / 4, quarter);
        base_philox(11, 22, i / 2, half);
        assert_true((double)base_uniform(key, i) == (double)(quarter[i % 4] >> 8) / 16777216);
        uint64_t bits = (uint64_t)half[i % 2 * 2] << 32 | half[i % 2 * 2 + 1];
        assert_true(base_uniform53(key, i) == (double)(bits >> 11) / 9007199254740992);
    }
}

/* Many at once are the same as one by one, also where a counter outgrows 32 bits. */
static void draws_come_together(void **state)
{
    (void)state;
    static const uint64_t firsts[] = {0, 64, 12800, ((uint64_t)1 << 34) - 64, ((uint64_t)1 << 33) - 64};
    static const int64_t counts[] = {0, 1, 2, 7, 64, 65, 250};
    base_key key = {0x123456789abcdef0, 0xfedcba9876543210};
    double u[256], normal[256];
    for (size_t f = 0; f < COUNT(firsts); f++)
        for (size_t c = 0; c < COUNT(counts); c++) {
            u[counts[c]] = normal[counts[c]] = -9;
            base_uniforms(key, firsts[f], u, counts[c]);
            base_normals(key, firsts[f], normal, counts[c]);
            for (int64_t i = 0; i < counts[c]; i++) {
                assert_true(u[i] == (double)base_uniform(key, firsts[f] + (uint64_t)i));
                assert_true(normal[i] == base_normal(key, firsts[f] + (uint64_t)i));
            }
            assert_true(u[counts[c]] == -9 && normal[counts[c]] == -9);
        }
}

static void draws_have_their_distribution(void **state)
{
    (void)state;
    enum { N = 400000 };
    base_key key = {1, 2};
    double sum[6] = {0}, tail = 0, pairs = 0, last = 0;
    int bin[16] = {0};
    for (uint64_t i = 0; i < N; i++) {
        double u = (double)base_uniform(key, i), n = base_normal(key, i);
        assert_true(u >= 0 && u < 1);
        bin[(int)(u * 16)]++;
        for (int k = 0; k < 4; k++)
            sum[k] += pow(n, k + 1);
        sum[4] += u;
        tail += fabs(n) > 2;
        pairs += n * last;
        last = n;
    }
    for (int k = 0; k < 16; k++) /* 5 deviations of a count */
        assert_near((double)bin[k] / N, 1.0 / 16, 5 * sqrt(15.0 / 256 / N));
    double s = sqrt(1.0 / N);
    assert_near(sum[0] / N, 0, 5 * s);
    assert_near(sum[1] / N, 1, 5 * sqrt(2) * s);
    assert_near(sum[2] / N, 0, 5 * sqrt(15) * s);
    assert_near(sum[3] / N, 3, 5 * sqrt(96) / 3 * s);
    assert_near(sum[4] / N, 0.5, 5 * s);
    assert_near(tail / N, 0.0455, 5 * 0.21 * s);
    assert_near(pairs / N, 0, 5 * s);
}

static void numbers_are_rounded(void **state)
{
    (void)state;
    static const struct {
        float from, to;
    } bf16[] = {{1, 1},
                {1 + 0x1p-8f, 1}, /* ties to even */
                {1 + 3 * 0x1p-8f, 1 + 2 * 0x1p-7f},
                {1 + 0x1p-8f + 0x1p-20f, 1 + 0x1p-7f}, /* just above a tie */
                {-1 - 0x1p-9f, -1},
                {0x1.ffp127f, INFINITY},
                {0x1.fep127f, 0x1.fep127f},
                {0x1p-149f, 0},
                {INFINITY, INFINITY}};
    for (size_t i = 0; i < COUNT(bf16); i++)
        assert_true(base_bf16_to_f32(base_f32_to_bf16(bf16[i].from)) == bf16[i].to);
    assert_true(isnan(base_bf16_to_f32(base_f32_to_bf16(NAN))));
    uint32_t quiet = 0x7f800001;
    float signalling;
    memcpy(&signalling, &quiet, 4);
    assert_true(isnan(base_bf16_to_f32(base_f32_to_bf16(signalling))));

    int64_t room;
    static const struct {
        nilu_dtype dtype;
        double from;
        int64_t to;
    } whole[] = {{NILU_I32, -1.9, -1},         {NILU_I32, 1e10, INT32_MAX}, {NILU_I32, -1e10, INT32_MIN},
                 {NILU_I64, 1e300, INT64_MAX}, {NILU_I64, NAN, 0},          {NILU_U8, -3, 0},
                 {NILU_U8, 256, 255},          {NILU_U8, 254.9, 254},       {NILU_BOOL, 0.5, 1}};
    for (size_t i = 0; i < COUNT(whole); i++) {
        base_store(whole[i].dtype, &room, 0, whole[i].from);
        assert_true(base_load_int(whole[i].dtype, &room, 0) == whole[i].to);
    }
    double large = 1e300;
    assert_true(base_load_int(NILU_F64, &large, 0) == INT64_MAX);
}

/* FIPS 180-4's examples, and lengths around the ends of a block. */
static void sha256(void **state)
{
    static const struct {
        const char *text;
        int times;
        const char *want;
    } rows[] = {{"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
                {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
                {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
                 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
                {"a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
                {"a", 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
                {"a", 56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
                {"a", 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"}};
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        base_sha256 s;
        char hex[65];
        base_sha256_start(&s);
        for (int k = 0; k < rows[i].times; k++)
            base_sha256_add(&s, rows[i].text, strlen(rows[i].text));
        base_sha256_end(&s, hex);
        assert_string_equal(hex, rows[i].want);
    }
}

static void sentences_are_text(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    base_fail(nl, NILU_E_DATA, "%s: %s", "a\nb", "\x1b[2J\xff\xc3\xc2\x9b\xed\xa0\x80 \xe4\xb8\x96\xc3\xa9");
    assert_string_equal(nilu_errmsg(nl), "a\\x0ab: \\x1b[2J\\xff\\xc3\\xc2\\x9b\\xed\\xa0\\x80 \xe4\xb8\x96\xc3\xa9");
    char many[2000];
    memset(many, '\n', sizeof many - 1);
    many[sizeof many - 1] = 0;
    base_fail(nl, NILU_E_DATA, "%s", many);
    assert_true(strlen(nilu_errmsg(nl)) < 1024 && strlen(nilu_errmsg(nl)) > 1000);
    nilu_free(nl);
}

static void permutations(void **state)
{
    bool seen[600];
    (void)state;
    for (uint64_t n = 1; n < COUNT(seen); n++) {
        memset(seen, 0, sizeof seen);
        for (uint64_t i = 0; i < n; i++) {
            uint64_t place = base_permute((base_key){n, 3}, n, i);
            assert_true(place < n);
            assert_false(seen[place]);
            seen[place] = true;
        }
    }
    for (uint64_t i = 0; i < 1000; i++) /* no size is too large */
        assert_true(base_permute((base_key){1, i}, UINT64_MAX, UINT64_MAX - 1 - i) < UINT64_MAX);
}

/* Every one of the 24 orders of four things is as frequent as any other, and every place of 50 for every one of 50. */
static void permutations_are_fair(void **state)
{
    enum { ORDERS = 48000, PLACES = 50000 };
    int of_four[256] = {0}, place[50][50] = {{0}};
    double chi = 0;
    (void)state;
    for (uint64_t s = 0; s < ORDERS; s++) {
        int code = 0;
        for (uint64_t i = 0; i < 4; i++)
            code = code * 4 + (int)base_permute((base_key){s % 7, s / 7}, 4, i);
        of_four[code]++;
    }
    for (int i = 0; i < 256; i++)
        chi += of_four[i] ? (of_four[i] - ORDERS / 24.0) * (of_four[i] - ORDERS / 24.0) / (ORDERS / 24.0) : 0;
    assert_true(chi < 2 * 23); /* 23 degrees of freedom: beyond 46 once in 300 times */
    for (uint64_t s = 0; s < PLACES; s++)
        for (uint64_t i = 0; i < 50; i++)
            place[i][base_permute((base_key){s, 11}, 50, i)]++;
    chi = 0;
    for (int i = 0; i < 50; i++)
        for (int j = 0; j < 50; j++)
            chi += (place[i][j] - PLACES / 50.0) * (place[i][j] - PLACES / 50.0) / (PLACES / 50.0);
    assert_true(chi > 0.85 * 49 * 49 && chi < 1.15 * 49 * 49);
}

static void memory_is_counted_and_checked(void **state)
{
    (void)state;
    support_memory m = {0};
    nilu *nl = support_context(1, &m);
    size_t n;
    assert_false(base_mul(SIZE_MAX / 2, 3, &n));
    assert_true(base_mul(SIZE_MAX / 2, 2, &n));
    assert_false(base_add(SIZE_MAX, 1, &n));
    assert_null(base_calloc(nl, SIZE_MAX / 2, 3));
    assert_int_equal(nl->status, NILU_E_NO_MEMORY);
    assert_null(base_alloc_aligned(nl, SIZE_MAX - 8));
    for (size_t size = 0; size < 300; size += 37) {
        unsigned char *p = base_alloc_aligned(nl, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 1, size);
        base_free_aligned(nl, p);
    }
    base_free(nl, NULL);
    base_free_aligned(nl, NULL);

    base_buffer b = {0};
    for (int i = 0; i < 100; i++)
        assert_ok(nl, base_appendf(nl, &b, "%d,", i));
    assert_int_equal(b.len, 290);
    assert_int_equal(strlen(b.at), 290);
    char large[2000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = 0;
    assert_ok(nl, base_appendf(nl, &b, "%s", large));
    assert_int_equal(b.len, 290 + 1999);
    assert_string_equal(b.at + 290, large);
    base_free(nl, b.at);

    int *array = NULL, cap = 0;
    for (int i = 0; i < 1000; i++) {
        assert_ok(nl, base_grow(nl, &array, &cap, i + 1, sizeof *array));
        array[i] = i;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(array[i], i);
    base_free(nl, array);
    nilu_free(nl);
    assert_int_equal(m.alive, 0);
}

/* ---- files */

static void content_is(nilu *nl, const char *path, const char *want)
{
    char *text;
    size_t n;
    assert_ok(nl, base_read_file(nl, path, 1000, &text, &n));
    assert_string_equal(text, want);
    assert_int_equal(n, strlen(want));
    base_free(nl, text);
}

static void files_are_replaced_whole(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    char folder[] = "/tmp/nilu-base-XXXXXX", path[64], deep[64];
    base_output o;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    assert_ok(nl, base_create(nl, path, &o));
    base_write(&o, "old", 3);
    assert_int_equal(access(path, F_OK), -1); /* nothing before the commit */
    assert_ok(nl, base_commit(&o));
    content_is(nl, path, "old");

    assert_ok(nl, base_create(nl, path, &o));
    base_write(&o, "new and longer", 14);
    content_is(nl, path, "old");
    base_discard(&o);
    content_is(nl, path, "old");

    assert_ok(nl, base_create(nl, path, &o));
    base_write(&o, "new", 3);
    assert_ok(nl, base_commit(&o));
    content_is(nl, path, "new");

    char *text;
    size_t n;
    assert_int_equal(base_read_file(nl, path, 2, &text, &n), NILU_E_FILE_CORRUPT);
    assert_int_equal(base_read_file(nl, folder, 2, &text, &n), NILU_E_FILE_READ);
    assert_int_equal(base_create(nl, "/proc/none/file", &o), NILU_E_FILE_WRITE);
    snprintf(deep, sizeof deep, "%s/a/b/c", folder);
    assert_ok(nl, base_make_dirs(nl, deep));
    assert_ok(nl, base_make_dirs(nl, deep));
    snprintf(deep, sizeof deep, "%s/file/b", folder);
    assert_int_equal(base_make_dirs(nl, deep), NILU_E_FILE_WRITE);
    assert_contains(nilu_errmsg(nl), "file");

    if (access("/dev/full", W_OK) == 0) { /* a full disk: what stood there stays */
        assert_ok(nl, base_create(nl, path, &o));
        int full = open("/dev/full", O_WRONLY), own = fileno(o.file);
        assert_true(full >= 0 && dup2(full, own) == own);
        close(full);
        base_write(&o, "lost", 4);
        assert_int_equal(base_commit(&o), NILU_E_FILE_WRITE);
        assert_contains(nilu_errmsg(nl), "No space");
        content_is(nl, path, "new");
    }
    assert_int_equal(unlink(path), 0);
    snprintf(deep, sizeof deep, "%s/a/b/c", folder);
    for (char *end = deep + strlen(deep); end > deep + strlen(folder); *(end = strrchr(deep, '/')) = 0)
        assert_int_equal(rmdir(deep), 0);
    assert_int_equal(rmdir(folder), 0); /* no temporary file was left */
    nilu_free(nl);
}

static void slips_are_recognised(void **state)
{
    (void)state;
    static const char *const names[] = {"relu", "sigmoid", "softmax", "epochs", "batch"};
    static const struct {
        const char *wrong, *meant;
    } slips[] = {{"rleu", "relu"},    {"Relu", "relu"},   {"sigmod", "sigmoid"}, {"softmx", "softmax"},
                 {"epoch", "epochs"}, {"bacth", "batch"}, {"tanh", NULL},        {"", NULL}};
    for (size_t i = 0; i < COUNT(slips); i++) {
        const char *got = base_nearest(slips[i].wrong, names, COUNT(names));
        if (slips[i].meant)
            assert_true(got && strcmp(got, slips[i].meant) == 0);
        else
            assert_null(got);
    }
}

static void errors_have_their_exit_codes(void **state)
{
    (void)state;
    assert_int_equal(nilu_status_exit(NILU_OK), 0);
    assert_int_equal(nilu_status_exit(NILU_E_SHAPE), 1);
    assert_int_equal(nilu_status_exit(NILU_E_USAGE), 2);
    assert_int_equal(nilu_status_exit(NILU_E_FILE_CORRUPT), 3);
    assert_int_equal(nilu_status_exit(NILU_E_NOT_FINITE), 4);
    assert_int_equal(nilu_status_exit(NILU_E_VERIFY), 5);
    assert_int_equal(nilu_status_exit(NILU_E_CANCELLED), 75);
    assert_int_equal(nilu_status_exit((nilu_status)12345), 1);
    assert_string_equal(nilu_status_text((nilu_status)12345), "unknown status");
    assert_string_equal(nilu_status_text(NILU_OK), "ok");

    const char *why;
    nilu_options o = NILU_OPTIONS_DEFAULT;
    o.threads = -1;
    assert_null(nilu_new(&o, &why));
    assert_contains(why, "threads");
    o = (nilu_options)NILU_OPTIONS_DEFAULT;
    o.size = 3;
    assert_null(nilu_new(&o, &why));
    assert_contains(why, "size");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_as_published),
        cmocka_unit_test(draws_are_the_words_of_blocks),
        cmocka_unit_test(draws_come_together),
        cmocka_unit_test(draws_have_their_distribution),
        cmocka_unit_test(permutations),
        cmocka_unit_test(sentences_are_text),
        cmocka_unit_test(permutations_are_fair),
        cmocka_unit_test(numbers_are_rounded),
        cmocka_unit_test(sha256),
        cmocka_unit_test(memory_is_counted_and_checked),
        cmocka_unit_test(files_are_replaced_whole),
        cmocka_unit_test(slips_are_recognised),
        cmocka_unit_test(errors_have_their_exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
