/* The same bits, always: the SHA-256 of all weights after 200 steps is the same for 1, 2, 3 and 8 threads, and on every
 * instruction set of this machine. (script/neon asks ARM's as well.) */
#include "support/support.h"

#include "cpu/cpu.h"
#include "weights.h"

#ifdef __SANITIZE_ADDRESS__
#define STEPS 6
#else
#define STEPS 200
#endif
#define FEW 3 /* on the floor, which is slow */

static void train(const weights_net *n, const char *isa, int threads, int steps, char hex[65])
{
    nilu_options o = NILU_OPTIONS_DEFAULT;
    o.isa = isa;
    o.threads = threads;
    nilu *nl = nilu_new(&o, NULL);
    assert_non_null(nl);
    if (!weights_train(nl, n, steps, hex))
        fail_msg("%s, %s, %d threads: %s", n->name, isa, threads, nilu_errmsg(nl));
    nilu_free(nl);
}

static void same_bits(const weights_net *n)
{
    static const char *const isas[] = {"avx512", "avx2", "neon", "portable"};
    static const int threads[] = {1, 2, 3, 8};
    char few[65], many[65], got[65];
    train(n, NULL, 1, FEW, few);
    train(n, NULL, 1, STEPS, many);
    assert_string_not_equal(few, many);
    for (size_t i = 0; i < COUNT(isas); i++)
        for (size_t t = 0; t < COUNT(threads) && cpu_isa_find(isas[i]); t++) {
            const bool best = cpu_isa_find(isas[i]) == cpu_isa_find(NULL), slow = strcmp(isas[i], "portable") == 0;
            if (!best && t != 2)
                continue; /* three threads stand for all */
            train(n, isas[i], threads[t], slow ? FEW : STEPS, got);
            if (strcmp(got, slow ? few : many) != 0)
                fail_msg("%s: %s with %d threads gives other weights", n->name, isas[i], threads[t]);
        }
    printf("%s, %d steps: %s\n", n->name, STEPS, many);
}

static void w1(void **state)
{
    (void)state;
    same_bits(&weights_nets[0]);
}

static void w2(void **state)
{
    (void)state;
    same_bits(&weights_nets[1]);
}

static void w3(void **state)
{
    (void)state;
    same_bits(&weights_nets[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(w1), cmocka_unit_test(w2), cmocka_unit_test(w3)};
    return cmocka_run_group_tests_name("bits", tests, NULL, NULL);
}
