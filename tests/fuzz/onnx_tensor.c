/* Tensors of ONNX files: any type, shape and way of holding the numbers; external data at any place with any offset and
 * length. The input is read as the fields of a tensor rather than as protobuf, which onnx.c does. */
#include "fuzz/fuzz.h"

#include "io/onnx.h"

#include <fcntl.h>
#include <unistd.h>

typedef struct source {
    const uint8_t *at;
    size_t n;
} source;

static uint64_t take(source *s, size_t bytes)
{
    uint64_t v = 0;
    for (; bytes && s->n; bytes--, s->at++, s->n--)
        v = v << 8 | *s->at;
    return v;
}

static char *take_text(source *s)
{
    size_t n = take(s, 1) % 32;
    n = n < s->n ? n : s->n;
    char *text = fuzz_text(s->at, n);
    s->at += n;
    s->n -= n;
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    source s = {bytes, n};
    onnx_tensor t = ONNX__TENSOR_PROTO__INIT;
    int64_t dims[12];
    char *text[7] = {0};
    Onnx__StringStringEntryProto entry[3], *entries[3] = {&entry[0], &entry[1], &entry[2]};
    uint8_t how = (uint8_t)take(&s, 1);
    t.name = text[0] = take_text(&s);
    t.data_type = (int32_t)(take(&s, 1) % 26);
    t.has_data_type = 1;
    t.dims = dims;
    t.n_dims = take(&s, 1) % 12;
    for (size_t i = 0; i < t.n_dims; i++)
        dims[i] = (int64_t)(how & 1 ? take(&s, 8) : take(&s, 1));
    t.has_data_location = how >> 1 & 1;
    t.data_location = (Onnx__TensorProto__DataLocation)(how >> 2 & 1);
    t.external_data = entries;
    t.n_external_data = how >> 3 & 3;
    for (size_t i = 0; i < t.n_external_data; i++) {
        static char *const keys[] = {"location", "offset", "length"};
        onnx__string_string_entry_proto__init(&entry[i]);
        entry[i].key = how & 32 ? keys[i] : (text[1 + 2 * i] = take_text(&s));
        entry[i].value = text[2 + 2 * i] = take_text(&s);
    }
    t.has_raw_data = how >> 6 & 1;
    t.raw_data.len = s.n;
    t.raw_data.data = malloc(s.n + 1);
    void *lists = malloc(s.n + 8);
    if (!t.raw_data.data || !lists)
        abort();
    memcpy(t.raw_data.data, s.at, s.n);
    memcpy(lists, s.at, s.n);
    t.float_data = lists, t.int32_data = lists, t.int64_data = lists, t.double_data = lists;
    t.n_float_data = t.n_int32_data = s.n / 4;
    t.n_int64_data = t.n_double_data = s.n / 8;
    nilu *nl = fuzz_context(n, 1 << 16);
    onnx_pool pool = {.nl = nl};
    onnx_value v;
    fuzz_file("w.bin", s.at, s.n);
    int folder = open(fuzz_folder(), O_PATH | O_DIRECTORY);
    nilu_status status = onnx_tensor_read(nl, "m.onnx", how & 128 ? -1 : folder, &t, &pool, &v);
    fuzz_judge(nl, status);
    uint64_t sum = 0;
    for (size_t i = 0; status == NILU_OK && i < (size_t)base_count(v.shape) * nilu_dtype_size(v.dtype); i++)
        sum += ((const unsigned char *)v.data)[i]; /* all of it is there */
    if (sum == 1)
        sum = 0;
    onnx_pool_free(&pool);
    close(folder);
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        free(text[i]);
    free(t.raw_data.data);
    free(lists);
    fuzz_end(nl);
    return 0;
}
