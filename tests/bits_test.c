/* The same bits, always: the SHA-256 of all weights after some steps (dense nets: 200; convolutions, which take seconds, few
 * unless NILU_EXHAUSTIVE is set: then 100, W4 with its own batch) is the same for 1, 2, 3 and 8 threads, and on every instruction set of this
 * machine; and that of W4 with its operands rounded to bf16. (script/neon asks ARM's as well.) */
#include "support/support.h"

#include "cpu/cpu.h"
#include "weights.h"

#ifdef __SANITIZE_ADDRESS__
#define STEPS 6
#else
#define STEPS 200
#endif
#define FEW 3 /* on the floor, which is slow */
#define LONG 100

static void train(const weights_net *n, const char *isa, int threads, int batch, int steps, char hex[65])
{
    nilu_options o = NILU_OPTIONS_DEFAULT;
    o.isa = isa;
    o.threads = threads;
    nilu *nl = nilu_new(&o, NULL);
    assert_non_null(nl);
    if (!weights_train(nl, n, batch, steps, hex))
        fail_msg("%s, %s, %d threads: %s", n->name, isa, threads, nilu_errmsg(nl));
    nilu_free(nl);
}

/* bf16 that an instruction multiplies in pairs is added up in another order. */
static bool in_pairs(const char *isa)
{
    return cpu_isa_find(isa)->gemm_bf16 != cpu_isa_find(isa)->gemm;
}

static void same_bits(const weights_net *n, int batch, int long_run, int short_run)
{
    static const char *const isas[] = {"avx512", "avx2", "neon", "portable"};
    static const int threads[] = {1, 2, 3, 8};
    char few[65], many[65], got[65];
    train(n, NULL, 1, batch, short_run, few);
    train(n, NULL, 1, batch, long_run, many);
    assert_string_not_equal(few, many);
    for (size_t i = 0; i < COUNT(isas); i++)
        for (size_t t = 0; t < COUNT(threads) && cpu_isa_find(isas[i]); t++) {
            const bool best = cpu_isa_find(isas[i]) == cpu_isa_find(NULL), slow = strcmp(isas[i], "portable") == 0;
            if (!best && (t != 2 || (n->bf16 && in_pairs(isas[i]) != in_pairs(NULL))))
                continue; /* three threads stand for all */
            train(n, isas[i], threads[t], batch, slow ? short_run : long_run, got);
            if (strcmp(got, slow ? few : many) != 0)
                fail_msg("%s: %s with %d threads gives other weights", n->name, isas[i], threads[t]);
        }
    printf("%s, %d steps: %s\n", n->name, long_run, many);
}

static const weights_net *named(const char *name)
{
    for (size_t i = 0; i < COUNT(weights_nets); i++)
        if (strcmp(weights_nets[i].name, name) == 0)
            return &weights_nets[i];
    fail_msg("there is no net %s", name);
    return NULL;
}

static void dense(void **state)
{
    same_bits(named(*state), 0, STEPS, FEW);
}

static void convolve(const weights_net *n)
{
    const bool all = getenv("NILU_EXHAUSTIVE") != NULL, residual = strcmp(n->name, "W4") == 0;
    same_bits(n, all && residual ? 128 : 0, all ? LONG : residual ? 3 : 6, 1);
}

static void convolutions(void **state)
{
    convolve(named(*state));
}

static void rounded(void **state)
{
    weights_net n = *named(*state);
    n.bf16 = true;
    convolve(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"W1", dense, NULL, NULL, (char *)"W1"},        {"W2", dense, NULL, NULL, (char *)"W2"},        {"odd", dense, NULL, NULL, (char *)"odd"},
        {"W3", convolutions, NULL, NULL, (char *)"W3"}, {"W4", convolutions, NULL, NULL, (char *)"W4"},
        {"W4 in bf16", rounded, NULL, NULL, (char *)"W4"},
    };
    return cmocka_run_group_tests_name("bits", tests, NULL, NULL);
}
