/* io: values in files and back. The one format is safetensors: eight bytes with the length of a header, the header (JSON:
 * of each tensor its dtype, shape and place), then the arrays, row-major, little-endian, one behind the other.
 *
 * Invariants: nothing of a file is believed before it is checked: every size against the file's length, every place
 * against its neighbours, so that the arrays cover the file exactly; a store is touched only when all of that was right. */
#ifndef IO_H
#define IO_H

#include "data/data.h"
#include "graph/graph.h"

typedef struct io_tensor {
    const char *name; /* owned by the header's tree */
    nilu_dtype dtype;
    bool half;        /* F16 in the file: becomes f32 */
    nilu_kind kind;
    nilu_shape shape;
    uint64_t begin, bytes; /* in the file, from its first byte */
} io_tensor;

typedef struct io_file {
    nilu *nl;
    char *path;
    int fd;
    uint64_t size;      /* of the file */
    struct json_t *tree; /* the header */
    io_tensor *tensor;  /* in the order of their places */
    int count;
} io_file;

/* Opens a file and checks all of its header. Closed by io_close, also after a failure. */
nilu_status io_open(nilu *nl, const char *path, io_file *f);
void io_close(io_file *f);
/* A text of the metadata, owned by the file; NULL: none of that key. */
const char *io_metadata(const io_file *f, const char *key);
/* Compares the content with the check sum that nilu writes: CORRUPT if it differs; files from elsewhere have none. */
nilu_status io_verify(io_file *f);
/* The values of one tensor: as its dtype, halves as f32. */
nilu_status io_read_tensor(const io_file *f, const io_tensor *t, void *to);
/* Puts the values of `kinds` into the store; see nilu_load. */
nilu_status io_read(io_file *f, nilu_store *store, unsigned kinds);
/* See nilu_save; the file gets a check sum. */
nilu_status io_write(const nilu_store *store, unsigned kinds, int n, const nilu_pair *metadata, const char *path);

/* ---- models of files: model.c */
/* Opens the file that a model is made of, if it is and is not open yet; `folder`: of its text, "" for the current one. */
nilu_status io_model_open(nilu_model *m, const char *folder);
/* nn_model_read, and that. */
nilu_status io_model_read(nilu *nl, const char *text, size_t n, const char *name, const char *folder, nilu_model **model);
/* For a run: the file by the name that its copy will have, and its hash; then the copy itself. */
nilu_status io_model_for_run(nilu_model *m);
nilu_status io_model_keep(const nilu_model *m, const char *folder);

/* ---- shared by reading and writing */
#define IO_STATES "nilu.states" /* metadata: JSON list of the tensors that are states */
#define IO_CHECK "nilu.check"   /* metadata: XXH3-128 over all other metadata, the tensors' names, types and shapes, and
                                   their bytes */
/* The dtype's name in a safetensors header. */
const char *io_dtype_name(nilu_dtype dtype);
typedef struct io_check {
    struct XXH3_state_s *state;
} io_check;
nilu_status io_check_start(nilu *nl, io_check *c);
void io_check_pair(io_check *c, const char *key, const char *value);
void io_check_tensor(io_check *c, const char *name, const char *dtype, nilu_shape shape);
void io_check_bytes(io_check *c, const void *bytes, size_t n);
void io_check_end(io_check *c, char hex[33]); /* hex NULL: given up */

#endif
