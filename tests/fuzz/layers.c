/* The words of --layers. */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    nilu *nl = fuzz_context(n, 32 << 20);
    char *text = fuzz_text(bytes, n);
    nilu_model *model = NULL;
    nilu_status status = nilu_model_chain(nl, text, &model);
    fuzz_judge(nl, status);
    if (status == NILU_OK) {
        fuzz_model(nl, model);
        nilu_model_free(model);
    }
    free(text);
    fuzz_end(nl);
    return 0;
}
