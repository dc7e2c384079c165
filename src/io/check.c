/* The check sum of a file that nilu wrote: XXH3-128 (Collet 2019) over what the file says, not over how the header is
 * laid out. It finds damage; it is no signature. */
#include "io/io.h"

#include <string.h>
#include <xxhash.h>

nilu_status io_check_start(nilu *nl, io_check *c)
{
    c->state = XXH3_createState();
    if (!c->state)
        return base_no_memory(nl, 0);
    XXH3_128bits_reset(c->state);
    return NILU_OK;
}

void io_check_bytes(io_check *c, const void *bytes, size_t n)
{
    XXH3_128bits_update(c->state, bytes, n);
}

/* With its NUL, so that two texts are not one. */
static void add_text(io_check *c, const char *text)
{
    io_check_bytes(c, text, strlen(text) + 1);
}

void io_check_pair(io_check *c, const char *key, const char *value)
{
    add_text(c, key);
    add_text(c, value);
}

void io_check_tensor(io_check *c, const char *name, const char *dtype, nilu_shape shape)
{
    char dims[BASE_SHAPE_TEXT];
    add_text(c, name);
    add_text(c, dtype);
    add_text(c, base_shape_text(shape, dims));
}

void io_check_end(io_check *c, char hex[33])
{
    if (c->state && hex) {
        XXH128_hash_t h = XXH3_128bits_digest(c->state);
        snprintf(hex, 33, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
    }
    XXH3_freeState(c->state);
    c->state = NULL;
}
