/* A folder of two classes with a picture in each: the input is both files. Its first bytes say how the set is opened, and how
 * long the first file is. What was learnt reads the folder again. */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <sys/stat.h>

enum { ROOM = 4 << 20 }; /* what samples may take */

static nilu_status open_again(nilu *nl, const nilu_data_options *o, nilu_data **data)
{
    nilu_status status = nilu_data_open(nl, fuzz_folder(), o, data);
    fuzz_judge(nl, status);
    if (status != NILU_OK)
        return status;
    const nilu_data_info *about = nilu_data_about(*data);
    float *x = malloc(sizeof *x * (size_t)about->features);
    int32_t label;
    for (int part = 0; part < NILU_PARTS && x; part++)
        for (int64_t i = 0; i < about->count[part]; i++) {
            fuzz_judge(nl, nilu_data_batch(*data, (nilu_part)part, &i, 1, x, about->task == NILU_TASK_CLASSES ? &label : NULL, NULL));
            nilu_text_free(nl, nilu_data_describe(*data, (nilu_part)part, i));
        }
    free(x);
    return NILU_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const sizes[] = {NULL, "7", "9x5", "64x64"}, *const colours[] = {NULL, "grey", "rgb", "auto"};
    static bool begun;
    if (n < 4)
        return 0;
    nilu *nl = fuzz_context(n, 16 << 20);
    for (const char *const *name = (const char *const[]){"a", "b", NULL}; !begun && *name; name++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", fuzz_folder(), *name);
        if (mkdir(path, 0700) != 0)
            abort();
    }
    begun = true;
    size_t cut = ((size_t)bytes[1] << 8 | bytes[2]) % (n - 2);
    fuzz_file("a/1.png", bytes + 3, cut);
    fuzz_file("b/1.jpg", bytes + 3 + cut, n - 3 - cut);
    nilu_data *data = NULL, *again = NULL;
    nilu_data_options o = NILU_DATA_DEFAULT;
    o.resize = sizes[bytes[0] % 4];
    o.colour = colours[bytes[0] / 4 % 4];
    o.memory = bytes[0] & 16 ? 1 << 8 : ROOM;
    o.task = bytes[0] & 32 ? NILU_TASK_NONE : NILU_TASK_AUTO;
    o.validation = 0;
    if (open_again(nl, &o, &data) == NILU_OK) {
        char *encoder = nilu_data_encoder_text(data);
        o.encoder = encoder;
        o.memory = ROOM;
        if (encoder && open_again(nl, &o, &again) == NILU_OK)
            nilu_data_free(again);
        nilu_text_free(nl, encoder);
    }
    nilu_data_free(data);
    fuzz_end(nl);
    return 0;
}
