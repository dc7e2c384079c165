/* The ground: hashes against published values, permutations that are permutations. */
#include "support/support.h"

#include "base/base.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sha256), cmocka_unit_test(permutations),
                                       cmocka_unit_test(permutations_are_fair)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
