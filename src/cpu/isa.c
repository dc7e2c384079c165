/* Which instruction sets were built, and which of them this machine has. */
#include "cpu/cpu.h"

#include <string.h>

#define ISA_TABLE(isa)                                                                                                 \
    extern const cpu_gemm_table cpu_gemm_##isa;                                                                        \
    extern const cpu_tape_table cpu_tape_##isa;                                                                        \
    extern const cpu_numbers_table cpu_numbers_##isa;                                                                  \
    extern const cpu_rows_table cpu_rows_##isa;                                                                        \
    extern const cpu_random_table cpu_random_##isa;                                                                    \
    extern const cpu_winograd_table cpu_winograd_##isa;                                                                \
    extern double cpu_peak_##isa(int64_t rounds, float *sink);                                                         \
    static const cpu_isa table_##isa = {.name = #isa,                                                                  \
                                        .gemm = &cpu_gemm_##isa,                                                       \
                                        .tape = &cpu_tape_##isa,                                                       \
                                        .numbers = &cpu_numbers_##isa,                                                 \
                                        .gemm_bf16 = &cpu_gemm_##isa,                                                  \
                                        .rows = &cpu_rows_##isa,                                                       \
                                        .random = &cpu_random_##isa,                                                   \
                                        .winograd = &cpu_winograd_##isa,                                               \
                                        .peak = cpu_peak_##isa};

#ifdef NILU_HAVE_PORTABLE
ISA_TABLE(portable)
static bool has_portable(void)
{
    return true;
}
#endif
#ifdef NILU_HAVE_NEON
ISA_TABLE(neon)
static bool has_neon(void)
{
    return true;
}
#endif
#ifdef NILU_HAVE_AVX2
ISA_TABLE(avx2)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif
#ifdef NILU_HAVE_AVX512
ISA_TABLE(avx512)
#ifdef NILU_EMULATE_AVX512 /* by functions, so that its kernels can be tested where the machine lacks it */
#define SUPPORTS(feature) true
#else
#define SUPPORTS(feature) __builtin_cpu_supports(feature)
#endif
static bool has_avx512(void)
{
    return SUPPORTS("avx512f") && SUPPORTS("avx512bw") && SUPPORTS("avx512dq") && SUPPORTS("avx512vl") && has_avx2();
}
#ifdef NILU_HAVE_AVX512BF16
extern const cpu_gemm_table cpu_gemm_avx512bf16;
static const cpu_isa table_avx512bf16 = {.name = "avx512",
                                         .gemm = &cpu_gemm_avx512,
                                         .tape = &cpu_tape_avx512,
                                         .numbers = &cpu_numbers_avx512,
                                         .rows = &cpu_rows_avx512,
                                         .random = &cpu_random_avx512,
                                         .winograd = &cpu_winograd_avx512,
                                         .gemm_bf16 = &cpu_gemm_avx512bf16,
                                         .peak = cpu_peak_avx512};
static bool has_avx512bf16(void)
{
    return SUPPORTS("avx512bf16") && has_avx512();
}
#endif
#endif

static const struct {
    const cpu_isa *isa;
    bool (*has)(void);
} rows[] = {
#ifdef NILU_HAVE_AVX512BF16
    {&table_avx512bf16, has_avx512bf16},
#endif
#ifdef NILU_HAVE_AVX512
    {&table_avx512, has_avx512},
#endif
#ifdef NILU_HAVE_AVX2
    {&table_avx2, has_avx2},
#endif
#ifdef NILU_HAVE_NEON
    {&table_neon, has_neon},
#endif
#ifdef NILU_HAVE_PORTABLE
    {&table_portable, has_portable},
#endif
};

const cpu_isa *cpu_isa_find(const char *name)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if ((!name || strcmp(name, rows[i].isa->name) == 0) && rows[i].has())
            return rows[i].isa;
    return NULL;
}

const char *nilu_isa(const nilu *nl)
{
    const cpu_isa *isa = cpu_isa_find(nl->options.isa);
    return isa ? isa->name : "none";
}
