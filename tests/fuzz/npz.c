/* NPZ archives: their list, each array, and the whole as a set of samples. The members' check sums are mended first: they keep
 * a fuzzer out, but nobody who writes a hostile file. */
#include "fuzz/fuzz.h"

#include <zlib.h>

enum { MEMBERS = 64, UNPACKED = 1 << 16 };

static uint32_t number(const unsigned char *p, int bytes)
{
    uint32_t v = 0;
    while (bytes-- > 0)
        v = v << 8 | p[bytes];
    return v;
}

static uLong sum_of(const unsigned char *at, size_t stored, bool packed)
{
    static unsigned char out[UNPACKED];
    z_stream s = {.next_in = (unsigned char *)at, .avail_in = (uInt)stored, .next_out = out, .avail_out = sizeof out};
    if (!packed)
        return crc32(0, at, (uInt)stored);
    if (inflateInit2(&s, -MAX_WBITS) != Z_OK)
        abort();
    inflate(&s, Z_FINISH);
    inflateEnd(&s);
    return crc32(0, out, (uInt)s.total_out);
}

/* Every entry of a list, wherever one stands. */
static void mend(unsigned char *file, size_t n)
{
    int members = 0;
    for (size_t at = 0; at + 46 <= n && members < MEMBERS; at++) {
        unsigned char *p = file + at;
        if (memcmp(p, "PK\1\2", 4) != 0)
            continue;
        members++;
        size_t place = number(p + 42, 4), stored = number(p + 20, 4);
        if (place > n || n - place < 30)
            continue;
        place += 30 + number(file + place + 26, 2) + number(file + place + 28, 2);
        if (place > n || stored > n - place)
            continue;
        uLong sum = sum_of(file + place, stored, number(p + 10, 2) == 8);
        for (int i = 0; i < 4; i++)
            p[16 + i] = (unsigned char)(sum >> 8 * i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    /* Of what deflate can give: 1032 times its bytes, and an array of another type is eight times as large. */
    nilu *nl = fuzz_context(n, 16 << 20);
    fuzz_refuse(16 << 20);
    unsigned char *file = malloc(n + 1);
    if (!file)
        abort();
    memcpy(file, bytes, n);
    mend(file, n);
    const char *path = fuzz_file("a.npz", file, n);
    free(file);
    nilu_npz *npz = NULL;
    nilu_status status = nilu_npz_open(nl, path, &npz);
    fuzz_judge(nl, status);
    for (int i = 0; status == NILU_OK && i < nilu_npz_count(npz) && i < MEMBERS; i++) {
        nilu_dtype dtype;
        nilu_shape shape;
        void *values;
        nilu_status read = nilu_npz_read(npz, nilu_npz_name(npz, i), i % 2 ? NILU_F32 : NILU_DTYPES, &dtype, &shape, &values);
        fuzz_judge(nl, read);
        if (read == NILU_OK)
            nilu_array_free(nl, values);
    }
    nilu_npz_free(npz);
    nilu_data *data = NULL;
    nilu_data_options o = NILU_DATA_DEFAULT;
    o.memory = 1 << 20;
    status = nilu_data_open(nl, path, &o, &data);
    fuzz_judge(nl, status);
    if (status == NILU_OK)
        nilu_data_free(data);
    fuzz_end(nl);
    return 0;
}
