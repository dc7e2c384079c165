/* GGUF, the file format of ggml (version 3, little endian): metadata by key, the tensors' names, types, shapes and places, then
 * their bytes, each tensor at a multiple of the alignment. Its dimensions stand the fastest first, nilu's last.
 *
 * Invariants: nothing of a file is believed before it is checked against the file's length; tensors do not overlap; values
 * are read from the file into the caller's memory, piece by piece, and never lie twice in memory. */
#ifndef CLI_GGUF_H
#define CLI_GGUF_H

#include "base/base.h"

typedef struct gguf_tensor {
    char *name;
    int type;          /* row of the table of types */
    nilu_dtype dtype;  /* what its values become */
    nilu_shape shape;
    uint64_t begin, bytes; /* in the file */
} gguf_tensor;

typedef struct gguf_file {
    nilu *nl;
    char *path;
    int fd;
    uint64_t size;
    gguf_tensor *tensor; /* in the order of their places */
    int count;
    uint64_t alignment;
    char *architecture, *title, *model; /* general.architecture, general.name, nilu.model; NULL: not said */
} gguf_file;

#define GGUF_MAX_RANK 4
#define GGUF_ALIGNMENT 32
#define GGUF_MODEL "nilu.model" /* metadata: the text of the model */

/* Opens a file and checks all that stands before its values. Closed by gguf_close, also after a failure. Errors: FILE_NOT_FOUND,
 * FILE_READ, FILE_CORRUPT, UNSUPPORTED (another version, a type that is not read). */
nilu_status gguf_open(nilu *nl, const char *path, gguf_file *f);
void gguf_close(gguf_file *f);
/* "F32", "Q8_0", ...: as it lies in the file. */
const char *gguf_type_name(const gguf_tensor *t);
/* The values of a tensor, row-major, as `dtype`; `to` has room for them. */
nilu_status gguf_read(const gguf_file *f, const gguf_tensor *t, void *to);
/* Writes the parameters of a store, by name, atomically. UNSUPPORTED where the format has no such type or rank. */
nilu_status gguf_write(const nilu_store *store, const char *architecture, const char *title, const char *model, const char *path);
/* The number that the format has for a type; -1: none. */
int gguf_type_of(nilu_dtype dtype);

#endif
