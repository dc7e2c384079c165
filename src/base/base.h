/* base: the ground all rooms stand on: context, errors, memory, random numbers, hashes, files.
 *
 * Invariants: no global state; every allocation goes through the context's allocator, so that a test can fail each
 * one; the sentence of the first error of a call is kept, later ones do not overwrite it unless it was read. */
#ifndef BASE_H
#define BASE_H

#include "nilu.h"
#include <stdarg.h>
#include <stdio.h>

struct nilu {
    nilu_options options;
    int threads;
    const struct cpu_isa *isa; /* kernels in use, set by the cpu room */
    nilu_status status;        /* of `message` */
    char message[1024];
    int64_t allocations; /* calls that asked for memory, ever: a test counts them over a step */
};

/* The only control-flow macro: return the status of a call that failed. */
#define NILU_TRY(expr)                                                                                                 \
    do {                                                                                                               \
        nilu_status try_status_ = (expr);                                                                              \
        if (try_status_ != NILU_OK)                                                                                    \
            return try_status_;                                                                                        \
    } while (0)

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Marks a message text for translation; texts are msgids and are translated where they are formatted (base_fail). */
#define N_(text) text

/* ---- errors: base/error.c */
/* Records `status` and one sentence "who: what; where; what to do", and returns `status`. */
nilu_status base_fail(nilu *nl, nilu_status status, const char *format, ...) NILU_FORMAT(3, 4);
nilu_status base_vfail(nilu *nl, nilu_status status, const char *format, va_list args);
/* NILU_E_NO_MEMORY with a sentence that names the size wanted (0: not known). */
nilu_status base_no_memory(nilu *nl, size_t bytes);
/* The message catalogue lookup (gettext's dgettext where built with it, else the text itself). */
const char *base_text(const char *msgid);
void base_log(const nilu *nl, nilu_log_level level, const char *format, ...) NILU_FORMAT(3, 4);
/* Of `n` names the one nearest to `wrong` by edit distance if it is near enough to be a slip, else NULL. */
const char *base_nearest(const char *wrong, const char *const *names, size_t n);

/* ---- memory: base/alloc.c. On failure NULL, and the context's error is NILU_E_NO_MEMORY. */
void *base_alloc(nilu *nl, size_t bytes);                /* not cleared */
void *base_calloc(nilu *nl, size_t count, size_t bytes); /* cleared; count * bytes is checked */
void *base_realloc(nilu *nl, void *old, size_t bytes);   /* old block intact on failure */
enum { BASE_LARGE_PAGE = 1 << 21 };
void base_in_large_pages(void *at, size_t bytes);
void *base_alloc_aligned(nilu *nl, size_t bytes);        /* on 64 bytes, whole lines of 64, cleared; base_free_aligned
                                                            frees it */
void base_free(nilu *nl, void *p);
void base_free_aligned(nilu *nl, void *p);
char *base_strdup(nilu *nl, const char *text);
char *base_format(nilu *nl, const char *format, ...) NILU_FORMAT(2, 3);
/* a * b and a + b with overflow check: false if it does not fit. All sizes from outside go through these. */
bool base_mul(size_t a, size_t b, size_t *product);
bool base_add(size_t a, size_t b, size_t *sum);

/* A growing array of bytes or items: {0} is empty. Freed by base_free(nl, v.at). */
typedef struct base_buffer {
    char *at;
    size_t len, cap;
} base_buffer;
nilu_status base_append(nilu *nl, base_buffer *b, const void *bytes, size_t n); /* keeps b->at[b->len] == 0 */
nilu_status base_appendf(nilu *nl, base_buffer *b, const char *format, ...) NILU_FORMAT(3, 4);
/* Room for `n` items of `size` bytes in *array with *cap places: grown by doubling. */
nilu_status base_grow(nilu *nl, void *array, int *cap, int n, size_t size);

/* ---- random numbers: base/rng.c. Philox4x32-10 (Salmon et al. 2011): a pure function, nothing is stored. */
typedef struct base_key {
    uint64_t seed, stream; /* stream: which use of randomness, e.g. a hash of a parameter's name */
} base_key;
void base_philox(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4]);
/* Draw number `index` of a stream: uniform in [0, 1) with 24 bits for f32 use; 53 for f64 use; standard normal. */
float base_uniform(base_key key, uint64_t index);
double base_uniform53(base_key key, uint64_t index);
double base_normal(base_key key, uint64_t index);
/* The same of draws first .. first+n-1, first a multiple of 64. */
void base_uniforms(base_key key, uint64_t first, double *to, int64_t n);
void base_normals(base_key key, uint64_t first, double *to, int64_t n);
/* Where element `index` of 0..n-1 goes in a keyed permutation (Feistel network with cycle walking). n >= 1. */
uint64_t base_permute(base_key key, uint64_t n, uint64_t index);

/* ---- hashes: base/hash.c */
uint64_t base_hash(const void *bytes, size_t n, uint64_t seed); /* FNV-1a with a final mix: for tables and streams */
uint64_t base_hash_text(const char *text);
typedef struct base_sha256 {
    uint32_t h[8];
    uint64_t bytes;
    unsigned char block[64];
} base_sha256;
void base_sha256_start(base_sha256 *s);
void base_sha256_add(base_sha256 *s, const void *bytes, size_t n);
void base_sha256_end(base_sha256 *s, char hex[65]);

/* ---- files: base/file.c */
/* Reads a whole regular file of at most `limit` bytes; *bytes is freed by base_free. NUL follows the last byte. */
nilu_status base_read_file(nilu *nl, const char *path, size_t limit, char **bytes, size_t *n);
/* n bytes that stand from `at` in the open file; that they are there has been checked, `path` is for the sentence. */
nilu_status base_read_at(nilu *nl, int file, const char *path, uint64_t at, void *out, size_t n);
/* A file under a temporary name beside `path`; base_commit syncs it and renames it over `path`, so that `path` always
 * holds either the old or the new content whole. base_discard removes it. */
typedef struct base_output {
    nilu *nl;
    char *path, *temporary;
    FILE *file;
    nilu_status status; /* the first failed write; base_commit reports it */
} base_output;
nilu_status base_create(nilu *nl, const char *path, base_output *o);
void base_write(base_output *o, const void *bytes, size_t n);
nilu_status base_commit(base_output *o);
void base_discard(base_output *o);
nilu_status base_make_dirs(nilu *nl, const char *path);

/* ---- numbers: base/number.c */
float base_bf16_to_f32(uint16_t half);
float base_f16_to_f32(uint16_t half);
uint16_t base_f32_to_bf16(float value); /* nearest even; NaN stays NaN */
double base_load(nilu_dtype dtype, const void *array, int64_t i);
void base_store(nilu_dtype dtype, void *array, int64_t i, double value); /* integers: truncated, then saturated */
int64_t base_load_int(nilu_dtype dtype, const void *array, int64_t i);   /* floats: truncated */
bool base_is_float(nilu_dtype dtype);
int64_t base_count(nilu_shape s); /* elements; 1 for a scalar */
bool base_same_shape(nilu_shape a, nilu_shape b);
/* "[64, 784]" into `out`, which is returned. */
#define BASE_SHAPE_TEXT 192
const char *base_shape_text(nilu_shape s, char out[BASE_SHAPE_TEXT]);

/* Seconds on a clock that only goes forward. */
double base_now(void);

#endif
