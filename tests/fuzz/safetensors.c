/* safetensors: values and metadata of a file; a store that it does not fit is as it was. */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    nilu *nl = fuzz_context(n, 1 << 20);
    const char *path = fuzz_file("w.safetensors", bytes, n);
    nilu_store *store = nilu_store_new(nl);
    nilu_status status = nilu_load(store, NILU_PARAMS | NILU_STATES, path);
    fuzz_judge(nl, status);
    if (status != NILU_OK && nilu_store_count(store))
        abort(); /* a failure puts nothing in */
    char *value = NULL;
    status = nilu_load_metadata(nl, path, "nilu.states", &value);
    fuzz_judge(nl, status);
    nilu_text_free(nl, value);
    nilu_store_free(store);
    fuzz_end(nl);
    return 0;
}
