/* A model's file (YAML): what is read is written and read again, with the same text; and it is built. */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    nilu *nl = fuzz_context(n, 32 << 20);
    nilu_model *model = NULL, *again = NULL;
    nilu_status status = nilu_model_load(nl, fuzz_file("model.yaml", bytes, n), &model);
    fuzz_judge(nl, status);
    if (status == NILU_OK) {
        fuzz_model(nl, model);
        char *text = nilu_model_text(model);
        status = nilu_model_from_text(nl, text, "its own text", &again);
        fuzz_judge(nl, status);
        char *same = status == NILU_OK ? nilu_model_text(again) : NULL;
        if (!same || strcmp(text, same) != 0)
            abort();
        nilu_text_free(nl, text);
        nilu_text_free(nl, same);
        nilu_model_free(again);
        nilu_model_free(model);
    }
    fuzz_end(nl);
    return 0;
}
