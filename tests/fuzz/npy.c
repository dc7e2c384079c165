/* NPY: an array on its own, and as a set of samples with targets. */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    nilu *nl = fuzz_context(n, 16 << 20);
    nilu_dtype dtype;
    nilu_shape shape;
    void *values = NULL;
    const char *path = fuzz_file("X.npy", bytes, n);
    nilu_status status = nilu_npy_read(nl, path, NILU_DTYPES, &dtype, &shape, &values);
    fuzz_judge(nl, status);
    if (status == NILU_OK)
        nilu_array_free(nl, values);
    status = nilu_npy_read(nl, path, NILU_I32, &dtype, &shape, &values);
    if (status == NILU_OK)
        nilu_array_free(nl, values);
    nilu_data *data = NULL;
    nilu_data_options o = NILU_DATA_DEFAULT;
    o.target = path; /* its first column is asked for where it has one alone */
    status = nilu_data_open(nl, path, &o, &data);
    fuzz_judge(nl, status);
    if (status == NILU_OK)
        nilu_data_free(data);
    fuzz_end(nl);
    return 0;
}
