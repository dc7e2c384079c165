/* CIFAR's batch files and the names of their classes. The first byte says which kind it is and what is wanted, the second and
 * third how long the file of names is, which stands first; what follows is a whole number of records and perhaps some bytes. */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <unistd.h>

enum { TEN = 3073, HUNDRED = 3074 };

/* n bytes that repeat `bytes`, since a record is longer than what a fuzzer likes to change. */
static const char *records(const char *name, const uint8_t *bytes, size_t have, size_t n)
{
    static uint8_t all[3 * HUNDRED + 256];
    n = n < sizeof all ? n : sizeof all;
    for (size_t i = 0; i < n; i++)
        all[i] = have ? bytes[i % have] : 0;
    return fuzz_file(name, all, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n < 5)
        return 0;
    const bool hundred = bytes[0] & 1;
    const size_t each = hundred ? HUNDRED : TEN, cut = ((size_t)bytes[1] << 8 | bytes[2]) % (n - 3);
    const uint8_t *rest = bytes + 3 + cut;
    const size_t have = n - 3 - cut;
    nilu *nl = fuzz_context(n, 16 << 20);
    const char *file[4] = {fuzz_file(hundred ? "fine_label_names.txt" : "batches.meta.txt", bytes + 3, cut),
                           bytes[0] & 2 ? NULL : fuzz_file("coarse_label_names.txt", bytes + 3, cut / 2),
                           records(hundred ? "train.bin" : "data_batch_1.bin", rest, have, each * (1 + bytes[0] / 4 % 3) + (bytes[0] & 16 ? have : 0)),
                           bytes[0] & 32 ? records(hundred ? "test.bin" : "test_batch.bin", rest + have / 2, have - have / 2, each) : NULL};
    nilu_data *data = NULL, *again = NULL;
    nilu_data_options o = NILU_DATA_DEFAULT;
    o.memory = bytes[0] & 64 ? 1 << 10 : 4 << 20;
    o.target = bytes[0] & 128 ? "coarse" : NULL;
    nilu_status status = nilu_data_open(nl, fuzz_folder(), &o, &data);
    fuzz_judge(nl, status);
    if (status == NILU_OK) {
        static float x[3072];
        int32_t label;
        for (int part = 0; part < NILU_PARTS; part++)
            for (int64_t i = 0; i < nilu_data_about(data)->count[part]; i++) {
                fuzz_judge(nl, nilu_data_batch(data, (nilu_part)part, &i, 1, x, &label, NULL));
                nilu_text_free(nl, nilu_data_describe(data, (nilu_part)part, i));
            }
        char *encoder = nilu_data_encoder_text(data);
        o.encoder = encoder;
        status = encoder ? nilu_data_open(nl, fuzz_folder(), &o, &again) : NILU_E_NO_MEMORY;
        fuzz_judge(nl, status);
        nilu_data_free(again);
        nilu_text_free(nl, encoder);
    }
    nilu_data_free(data);
    for (int i = 0; i < 4; i++)
        if (file[i])
            unlink(file[i]);
    fuzz_end(nl);
    return 0;
}
