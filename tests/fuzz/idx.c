/* IDX, plain or packed by gzip: pictures with labels. The first byte of the input says where the labels begin. */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n < 3)
        return 0;
    enum { ROOM = 1 << 20 }; /* what samples may take; a packed file's length says nothing about them */
    size_t cut = ((size_t)bytes[0] << 8 | bytes[1]) % (n - 1);
    nilu *nl = fuzz_context(n, 16 << 20);
    nilu_data *data = NULL;
    nilu_data_options o = NILU_DATA_DEFAULT;
    o.memory = ROOM;
    fuzz_file("train-labels-idx1-ubyte", bytes + 2 + cut, n - 2 - cut);
    const char *path = fuzz_file("train-images-idx3-ubyte", bytes + 2, cut);
    nilu_status status = nilu_data_open(nl, fuzz_folder(), &o, &data);
    fuzz_judge(nl, status);
    if (status == NILU_OK) {
        const nilu_data_info *about = nilu_data_about(data);
        int64_t last = about->count[NILU_TRAIN] - 1;
        float *x = malloc(sizeof *x * (size_t)about->features);
        int32_t label;
        if (x && about->task == NILU_TASK_CLASSES)
            fuzz_judge(nl, nilu_data_batch(data, NILU_TRAIN, &last, 1, x, &label, NULL));
        free(x);
        nilu_data_free(data);
    }
    o.task = NILU_TASK_NONE;
    status = nilu_data_open(nl, path, &o, &data);
    fuzz_judge(nl, status);
    if (status == NILU_OK)
        nilu_data_free(data);
    fuzz_end(nl);
    return 0;
}
