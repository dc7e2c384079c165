/* GGUF: what stands before the values, then all values. */
#include "fuzz/fuzz.h"
#include "gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    nilu *nl = fuzz_context(4 * n, 1 << 20); /* a tensor's place takes more memory than the least that it takes in a file */
    gguf_file f;
    nilu_status status = gguf_open(nl, fuzz_file("w.gguf", bytes, n), &f);
    fuzz_judge(nl, status);
    for (int i = 0; status == NILU_OK && i < f.count; i++) {
        void *values = malloc((size_t)base_count(f.tensor[i].shape) * nilu_dtype_size(f.tensor[i].dtype) + 1);
        if (values)
            fuzz_judge(nl, gguf_read(&f, &f.tensor[i], values));
        free(values);
    }
    gguf_close(&f);
    fuzz_end(nl);
    return 0;
}
