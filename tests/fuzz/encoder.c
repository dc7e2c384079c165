/* The JSON text of an encoder, as it stands in a run's settings, over a table and over arrays. */
#include "fuzz/fuzz.h"

static const char table[] = "length,width,colour,kind\n1,2,red,a\n3.5,,blue,b\n2,7,red,a\n4,1,green,b\n5,5,blue,a\n";

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const unsigned char pictures[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8};
    nilu *nl = fuzz_context(n, 16 << 20);
    char *text = fuzz_text(bytes, n);
    const char *path[2] = {fuzz_file("t.csv", table, sizeof table - 1), fuzz_file("t.idx", pictures, sizeof pictures)};
    nilu_data_options o = NILU_DATA_DEFAULT;
    o.encoder = text;
    for (int i = 0; i < 2; i++) {
        nilu_data *data = NULL;
        int64_t first = 0;
        nilu_status status = nilu_data_open(nl, path[i], &o, &data);
        fuzz_judge(nl, status);
        if (status != NILU_OK)
            continue;
        float *x = calloc((size_t)nilu_data_about(data)->features + 1, sizeof *x);
        fuzz_judge(nl, nilu_data_batch(data, NILU_TEST, &first, 1, x, NULL, NULL));
        free(x);
        nilu_text_free(nl, nilu_data_encoder_text(data));
        nilu_data_free(data);
    }
    free(text);
    fuzz_end(nl);
    return 0;
}
