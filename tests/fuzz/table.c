/* Tables: found out how they are written, learnt from, encoded; then the same table is read again by its own encoder.
 * The first byte of the input chooses what a user may have said. */
#include "fuzz/fuzz.h"

static void batches(nilu *nl, nilu_data *data)
{
    const nilu_data_info *about = nilu_data_about(data);
    float *x = malloc(sizeof *x * (size_t)about->features + 1), *target = malloc(sizeof *target * (size_t)about->outputs + 1);
    int32_t label;
    for (int part = 0; part < NILU_PARTS && x && target; part++) {
        for (int64_t i = 0; i < about->count[part] && i < 4; i++) {
            bool classes = about->task == NILU_TASK_CLASSES, numbers = about->task == NILU_TASK_NUMBERS;
            fuzz_judge(nl, nilu_data_batch(data, (nilu_part)part, &i, 1, x, classes ? &label : NULL, numbers ? target : NULL));
            nilu_text_free(nl, nilu_data_describe(data, (nilu_part)part, i));
        }
    }
    free(x);
    free(target);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n < 1)
        return 0;
    nilu *nl = fuzz_context(n, 64 << 20); /* a row of a text column is a feature for each of its texts */
    nilu_data *data = NULL, *again = NULL;
    nilu_data_options o = NILU_DATA_DEFAULT;
    const uint8_t said = bytes[0];
    o.task = said & 1 ? NILU_TASK_NUMBERS : said & 2 ? NILU_TASK_NONE : NILU_TASK_AUTO;
    o.header = said & 4 ? 1 : said & 8 ? 0 : -1;
    o.delimiter = said & 16 ? ';' : 0;
    o.memory = said & 32 ? 1 << 12 : 16 << 20;
    o.target = said & 64 ? "#1" : NULL;
    o.refuse_missing = said & 128;
    const char *path = fuzz_file("t.csv", bytes + 1, n - 1);
    nilu_status status = nilu_data_open(nl, path, &o, &data);
    fuzz_judge(nl, status);
    char *encoder = status == NILU_OK ? nilu_data_encoder_text(data) : NULL;
    if (status == NILU_OK)
        batches(nl, data);
    if (encoder) {
        o.encoder = encoder;
        o.memory = 0;
        status = nilu_data_open(nl, path, &o, &again);
        fuzz_judge(nl, status);
        if (status == NILU_OK) {
            batches(nl, again);
            nilu_data_free(again);
        }
    }
    nilu_text_free(nl, encoder);
    nilu_data_free(data);
    fuzz_end(nl);
    return 0;
}
