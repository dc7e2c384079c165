/* run.yaml. Its identity is a hash that no fuzzer finds, so what is read before it is compared counts. */
#include "fuzz/fuzz.h"

#include "record/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    nilu *nl = fuzz_context(n, 1 << 20);
    data_pool pool = {.nl = nl};
    nilu_run_info info;
    char *text = fuzz_text(bytes, n);
    nilu_status status = record_settings_read(nl, "run.yaml", text, n, &pool, &info);
    fuzz_judge(nl, status);
    data_pool_free(&pool);
    free(text);
    fuzz_end(nl);
    return 0;
}
