/* data: samples come in from files and are handed out as batches of f32.
 *
 * A set is one or two `data_rows` (the training file and, where there is one, the test file). Rows lie in memory as u8
 * (pictures) or as normalised f32, or stay in their file and are read when asked for; either way a part is a list of
 * row numbers and nothing else. Invariants: what is learnt (means, deviations, categories) is learnt from rows of the
 * training part alone; every size that a file claims is checked against the file's length before memory is asked for;
 * data_gather neither allocates nor touches the context, so that several threads may call it at once. */
#ifndef DATA_H
#define DATA_H

#include "base/base.h"

#include <stdatomic.h>
#include <xxhash.h>

/* ---- memory that lives as long as its set: data/pool.c */
typedef struct data_pool {
    nilu *nl;
    struct data_block *last;
    size_t bytes; /* of all blocks */
} data_pool;
void *data_keep(data_pool *pool, size_t bytes); /* cleared, aligned for any type; NULL: error is set */
char *data_keep_text(data_pool *pool, const char *text, size_t n);
char *data_keep_format(data_pool *pool, const char *format, ...) NILU_FORMAT(2, 3);
void data_pool_free(data_pool *pool);

/* ---- bytes of a file, packed or not: data/file.c */
typedef struct data_file {
    const char *path; /* the caller's, outlives the file */
    int fd;           /* -1: everything is in `bytes` */
    char *bytes;      /* NULL: read through `fd` */
    uint64_t size;    /* unpacked */
    uint64_t begin;   /* of a member of an archive: where it begins behind `fd` */
} data_file;
/* What may come of packed bytes: real pictures and tables shrink to a fifth or a twentieth, and a bomb is made to shrink further. */
enum { DATA_USUAL_RATIO = 100, DATA_USUAL_BESIDE = 32 << 20 };
/* Opens a regular file. A gzip file is unpacked into memory, at most `limit` bytes of it. */
nilu_status data_file_open(nilu *nl, const char *path, size_t limit, data_file *f);
/* The same for n <= DATA_FILES of them, unpacked at once where the context has threads; a NULL path is none. */
#define DATA_FILES 4
nilu_status data_files_open(nilu *nl, int n, const char *const *path, size_t limit, data_file *f);
/* The first *n bytes, unpacked, of a file; *n is how many there were. */
nilu_status data_file_head(nilu *nl, const char *path, void *head, size_t *n);
/* Brings the whole file into memory. */
nilu_status data_file_load(nilu *nl, data_file *f);
/* n bytes from `offset`: false if they are not there. Thread-safe; sets no error. */
bool data_file_at(const data_file *f, uint64_t offset, void *out, size_t n);
/* Tells the fingerprint of all bytes. XXH64 (Collet 2012) is fast and not cryptographic: it shows that data changed,
 * not that someone wanted to deceive. */
nilu_status data_file_print(nilu *nl, const data_file *f, XXH64_state_t *print);
void data_file_close(nilu *nl, data_file *f);
/* The member `name`.npy of an opened archive as a file, at most `limit` bytes unpacked; packed ones are unpacked into memory.
 * `path` is what errors call it. */
nilu_status data_npz_member(nilu_npz *z, int i, const char *path, size_t limit, data_file *f);
/* true if something of this name exists; `folder`: and is a folder. */
bool data_exists(const char *path, bool folder);

/* ---- arrays in files: data/array.c, data/idx.c, data/npy.c */
typedef enum data_type {
    DATA_BOOL,
    DATA_U8,
    DATA_I8,
    DATA_U16,
    DATA_I16,
    DATA_U32,
    DATA_I32,
    DATA_U64,
    DATA_I64,
    DATA_F16,
    DATA_F32,
    DATA_F64,
    DATA_TYPES
} data_type;
typedef struct data_array {
    data_file file;
    const char *format; /* "idx" or "npy" */
    data_type type;
    bool big_endian;
    bool fortran;    /* the first dimension runs fastest */
    bool any;        /* no samples: a scalar and an empty array are arrays too */
    uint64_t offset; /* of the first element in the file */
    nilu_shape shape;
    int64_t count, width; /* rows: the first dimension; elements a row: the product of the others */
} data_array;
size_t data_type_size(data_type type);
const char *data_type_name(data_type type);
bool data_type_is_float(data_type type);
/* Reads the header of an opened file; on failure the file stays the caller's to close. */
nilu_status data_idx_header(nilu *nl, data_array *a);
nilu_status data_npy_header(nilu *nl, data_array *a);
/* All elements of an opened NPY file; see nilu_npy_read. */
nilu_status data_npy_values(nilu *nl, data_array *a, nilu_dtype want, nilu_dtype *dtype, nilu_shape *shape, void **values);
/* The bytes of an NPY header of version 1, of which *n are used. */
#define DATA_NPY_HEADER 384
nilu_status data_npy_begin(nilu *nl, const char *path, nilu_dtype dtype, nilu_shape shape, unsigned char out[DATA_NPY_HEADER],
                           size_t *n);
/* Checks dimensions against each other and the file's length, and fills count and width. */
nilu_status data_array_check(nilu *nl, data_array *a, uint64_t have);
/* Elements first .. first+n-1 of a row as they stand in the file. Thread-safe; false if they cannot be read. */
bool data_array_read(const data_array *a, int64_t row, int64_t first, int64_t n, void *raw);
/* n elements of raw bytes, which are turned to this machine's order, as f64: integers below 2^53 lose nothing. */
void data_array_numbers(const data_array *a, void *raw, int64_t n, double *out);

/* ---- tables: data/csv.c (records and cells), data/sniff.c (delimiter, header), data/number.c, data/words.c */
typedef struct data_cell {
    char *at; /* not ended by NUL */
    size_t n;
    bool quoted;
} data_cell;
typedef enum data_csv_fault { CSV_OK, CSV_NUL, CSV_AFTER_QUOTE, CSV_OPEN_QUOTE, CSV_CELLS } data_csv_fault;
typedef struct data_record {
    data_cell *cell;
    int cells, cap; /* cells beyond cap are counted, not kept */
    data_csv_fault fault;
    int fault_cell; /* from 0 */
    size_t bytes;   /* that the record takes, with its line end */
    int64_t lines;  /* that it spans */
} data_record;
/* Length of the first record in at[0..n): 0 if it does not end there, unless `last`: then all is taken. */
size_t data_csv_length(const char *at, size_t n, char delimiter, bool last);
/* Splits one record of n bytes into cells, in place: quotes are taken off, doubled ones halved, blanks trimmed. */
void data_csv_split(char *at, size_t n, char delimiter, data_record *r);
typedef struct data_csv { /* a walk over all records of a file */
    nilu *nl;
    const data_file *file;
    char delimiter;
    char *window;
    size_t len, cap, pos;
    uint64_t next;   /* offset in the file of window[len] */
    int64_t line;    /* of the record in `record`, from 1 */
    int64_t lines;   /* before window[pos] */
    uint64_t offset; /* of the record in the file */
    data_record record;
    int expected;         /* cells of the first record, which all others must have; 0 before it */
    XXH64_state_t *print; /* NULL, or told of all bytes read */
} data_csv;
/* What a faulty record is told off for, without place. */
const char *data_csv_fault_text(data_csv_fault fault);
nilu_status data_csv_start(nilu *nl, const data_file *file, char delimiter, data_csv *c);
/* The next record that is not a blank line; *more false at the end. */
nilu_status data_csv_next(data_csv *c, bool *more);
void data_csv_end(data_csv *c);
/* Finds the delimiter (where *delimiter is 0) and whether the first record is a header (where *header is -1). */
nilu_status data_csv_sniff(nilu *nl, const data_file *file, char *delimiter, int *header);

typedef enum data_cell_kind { CELL_MISSING, CELL_NUMBER, CELL_NOT_FINITE, CELL_TEXT } data_cell_kind;
/* What a cell holds; *value is set for a number. decimal_comma: "1,5" is a number too. */
data_cell_kind data_cell_number(const data_cell *cell, bool decimal_comma, double *value);

/* A cell's text as UTF-8, ended by NUL, into out[2 * cell->n + 1]; returns its length. */
size_t data_cell_text(const data_cell *cell, char *out);
/* Its beginning, for a sentence. */
#define DATA_SHOWN 64
const char *data_cell_shown(const data_cell *cell, char out[DATA_SHOWN]);

/* A set of texts with counts. */
typedef struct data_word {
    const char *text; /* UTF-8, NUL-ended */
    int64_t count;
    int64_t line; /* where it was seen first */
} data_word;
typedef struct data_words {
    data_word *word;
    int words, cap;
    int *slot; /* hash table of indices + 1 */
    int slots; /* a power of two */
    bool full; /* there were more than `limit` */
} data_words;
/* Counts a cell's text; *id is its number, or -1 if the set holds `limit` others already. Text that is not UTF-8 is
 * taken for Latin-1. */
nilu_status data_words_add(nilu *nl, data_words *w, data_pool *pool, const data_cell *cell, int limit, int64_t line,
                           int *id);
void data_words_free(nilu *nl, data_words *w);
/* Index of the cell's text in n sorted texts, -1 if it is not there. */
int data_words_find(const char *const *text, int n, const data_cell *cell);
bool data_is_utf8(const char *at, size_t n);

/* ---- scaling: x = (v - mean) / std. `each` columns that stand together have one mean and deviation: all of them, those
 * of a channel, or one. data/scale.c */
typedef struct data_scale {
    int64_t columns, each;
    double *mean, *std;    /* [columns / each]; std 0: the columns never change, and x is 0 */
    double low, high;      /* smallest and largest number of the training part: black and white of a picture */
    float *factor, *shift; /* of u8: x = v * factor + shift, [columns / each] */
} data_scale;
nilu_status data_scale_new(nilu_data *d, int64_t columns, int64_t each, data_scale *s);
/* Learns it from the rows of the training part. NaN and infinity are errors that name their place. */
nilu_status data_scale_learn(nilu_data *d, const data_array *a, data_scale *s);
/* Sums of bytes: whole numbers, so that threads may share the work and join what they have in any order. */
typedef struct data_sums {
    uint64_t sum, squares;
    unsigned char low, high;
} data_sums;
#define DATA_SUMS_NONE                                                                                                 \
    {                                                                                                                  \
        0, 0, 255, 0                                                                                                   \
    }
data_sums data_sums_of(const unsigned char *v, int64_t n);
data_sums data_sums_join(data_sums a, data_sums b);
/* Mean and deviation number `k` of sums over n bytes; low and high are widened. */
void data_scale_take(data_scale *s, int64_t k, const data_sums *sums, double n);
/* What options.scale says takes the place of what was learnt; `bytes`: as shares of 255. */
nilu_status data_scale_wanted(nilu_data *d, data_scale *s, bool bytes);
/* factor and shift, once mean and std stand. */
void data_scale_finish(data_scale *s);
/* Elements first .. first+n-1 of a row: n numbers, or n u8. */
void data_scale_numbers(const data_scale *s, int64_t first, int64_t n, const double *v, float *x);
void data_scale_bytes(const data_scale *s, const unsigned char *v, float *restrict x);
/* Row `row` of an array, scaled. Thread-safe; on failure (it cannot be read, or is not finite) a sentence in fault[]. */
#define DATA_FAULT 512
nilu_status data_scale_row(const data_scale *s, const data_array *a, int64_t row, float *x, char fault[DATA_FAULT]);

/* ---- what the target is: data/target.c */
/* Whether numbers (NaN: missing) are classes where nobody said so: whole, few, and each several times. `labels`: they are
 * stored as integers of their own file, which few would do to a quantity. */
bool data_target_is_classes(const double *v, int64_t n, bool labels);
/* Learns the classes of whole numbers, or of words; fills info.outputs and info.class_names. `where` is who holds them. */
nilu_status data_classes_of_numbers(nilu_data *d, const char *where, const double *v, int64_t n);
/* *class_of [words]: the class of each word; from base_alloc. */
nilu_status data_classes_of_words(nilu_data *d, const char *where, const data_words *w, int **class_of);
/* The class of a number, -1 if it is none of them. */
int data_class_of_number(const nilu_data *d, double v);

/* ---- a table's columns and their encoding: data/table.c, data/survey.c, data/learn.c */
typedef enum data_column_kind { COLUMN_LEFT_OUT, COLUMN_NUMBER, COLUMN_TEXT, COLUMN_TARGET } data_column_kind;
typedef struct data_column {
    const char *name;
    data_column_kind kind;
    double mean, std;      /* number: x = (v - mean) / std, a missing cell is the mean */
    const char **category; /* text: sorted; a missing cell is the text "" */
    int categories;
    bool other;        /* one more feature for rare and unseen texts */
    bool kept;         /* the caller wants it whatever it looks like */
    bool same;         /* left out, because it is the same in each row of the training part */
    bool steps, empty; /* each number is the one before plus one; no cell holds anything */
    int64_t missing;   /* cells */
    int place;         /* cell of this column in a record of the file at hand, -1: none */
} data_column;
typedef struct data_scratch { /* for one reader at a time */
    atomic_flag taken;
    char *bytes;
    data_cell *cell;
    struct picture_decoder *decoder; /* of files of pictures */
} data_scratch;

typedef struct data_rows data_rows;
struct data_rows {
    int64_t count;
    const char *name;         /* of the file, without its folder */
    const unsigned char *u8;  /* [count, features], or */
    float *f32;               /* [count, features] scaled, or both NULL: streamed */
    int32_t *label;           /* [count]; -1: no label */
    float *value;             /* [count, outputs] scaled; NaN: no target */
    data_array array, target; /* of arrays: the files; a closed one has no path */
    /* pictures: brings the bytes of a row into `to` [features]; thread-safe, on failure a sentence in fault[] */
    nilu_status (*bring)(const nilu_data *d, const data_rows *r, int64_t row, struct picture_decoder *x,
                         unsigned char *to, char fault[]);
    unsigned char *bytes;         /* what u8 points to, where it is the set\'s own; freed by base_free */
    const char **path; /* of files of pictures: [count], of which the first `hidden` bytes are not shown */
    int hidden;
    struct data_batches *batches; /* of batch files: data/cifar.c */
};

struct nilu_data {
    nilu *nl;
    data_pool pool;
    nilu_data_options options; /* texts in it are the caller's and not used after opening */
    nilu_data_info info;
    const char **note;
    int note_cap;
    size_t limit, held; /* bytes that samples may take in memory, and do */
    XXH64_state_t *print;
    bool has_encoder; /* given, not learnt */
    /* where samples are */
    data_rows rows[2];
    int source[NILU_PARTS];      /* which rows a part is of */
    uint32_t *index[NILU_PARTS]; /* row numbers, ascending; NULL: all rows in order */
    /* target */
    const char **class_name; /* [outputs]; NULL: numbers or nothing */
    double *class_value;     /* [outputs], ascending; NULL: classes are texts, sorted */
    data_scale target_scale;
    /* encoding of arrays */
    bool arrays;
    nilu_shape sample; /* shape of a sample; of pictures from files [channels, height, width] */
    bool planes;       /* it is so */
    data_scale scale;
    /* encoding of tables */
    data_file file;
    char delimiter;
    bool header, decimal_comma;
    int columns, target; /* target: index of its column, -1: none */
    data_column *column;
    int cells;        /* of a record of the file at hand */
    uint64_t *offset; /* of each row in the file */
    size_t longest;   /* bytes of the longest record */
    data_scratch *scratch;
    int scratches;
};
#define DATA_MAX_ROWS 0x7fffffff
#define DATA_MAX_CLASSES 65536

nilu_status data_note(nilu_data *d, const char *format, ...) NILU_FORMAT(2, 3);
/* A path without its folder; static within `path`. */
const char *data_base_name(const char *path);
/* Opens a table or arrays whose nature is known; d->options are in place. */
nilu_status data_open_table(nilu_data *d, const char *path);
/* Paths of training x, y, test x, y; NULL: not there. With an archive they are members of it, whose paths are for errors. */
nilu_status data_open_arrays(nilu_data *d, const char *const path[4], nilu_npz *archive, const int *member);
/* A folder of pictures, or one of them, and how they are laid out: data/pictures.c, data/folder.c. */
nilu_status data_open_pictures(nilu_data *d, const char *path);
/* What all sets of planes of bytes do once rows[] have their counts, labels and `bring`, `own` of rows[0] being from a
 * validation part of the set's own, the last ones: parts, scale, memory, notes. */
nilu_status data_finish_pictures(nilu_data *d, int64_t own, bool own_test);
/* Says what a sample is. */
nilu_status data_picture_shape(nilu_data *d, const char *path, int channels, int height, int width);
void data_pictures_free(nilu_data *d);
/* CIFAR's batch files: false if the folder has none. data/cifar.c */
bool data_has_batches(nilu_data *d, const char *folder);
nilu_status data_open_batches(nilu_data *d, const char *folder);
void data_batches_free(nilu_data *d);
/* The class of a name; -1: there is none. */
int data_class_named(const nilu_data *d, const char *name);
/* Counts rows * width * size bytes to those held if there is room for them; else false. */
bool data_fits(nilu_data *d, int64_t rows, int64_t width, size_t size);

/* First walk over a table: how many rows, where each begins, what kinds of columns, which target. */
typedef struct data_survey {
    int64_t rows, cap;
    double *value; /* of the target's cell, NaN: missing or no number */
    int32_t *word; /* its number in `words`, -1: missing */
    data_words words;
    data_pool pool; /* of the words' texts */
    bool text;      /* the target holds texts */
} data_survey;
nilu_status data_table_survey(nilu_data *d, data_survey *s);
void data_survey_free(nilu_data *d, data_survey *s);
/* Second walk: learns the columns' encoding from the training part. */
nilu_status data_table_learn(nilu_data *d);
/* Fills info.features and info.feature_names from the columns. */
nilu_status data_table_features(nilu_data *d);
/* Encodes a split record: false and a sentence about the cell in fault[] if it does not fit. */
bool data_table_encode(const nilu_data *d, const data_record *r, float *x, char fault[], size_t room);
/* Index of the column of this name or, "#3", of this place; -1 and an error that suggests another if there is none. */
nilu_status data_column_named(nilu_data *d, const char *name, size_t n, int *column);
/* Begins a walk over the rows of the table, the header behind it. */
nilu_status data_table_start(nilu_data *d, data_csv *c);

/* ---- parts: data/split.c */
/* Divides rows[0] into parts by options.validation and .test, each class by the same share; rows without target belong to
 * none, unless the encoder was given. */
nilu_status data_split(nilu_data *d, bool own_test);

/* ---- encoder as text: data/encoder.c */
nilu_status data_encoder_read(nilu_data *d, const char *text);

/* ---- batches: data/batch.c. Thread-safe; on failure a sentence in fault[]. */
nilu_status data_gather(nilu_data *d, nilu_part part, const int64_t *index, int64_t n, float *x, int32_t *labels,
                        float *targets, char fault[DATA_FAULT]);
/* Of a set of pictures: byte * factor + term is what is handed out for a byte of this channel, as nilu_data_picture gives it. */
void data_pixel_scale(const nilu_data *d, int channel, float *factor, float *term);
/* Row of rows[source[part]] that is sample i of a part. */
int64_t data_row_of(const nilu_data *d, nilu_part part, int64_t i);
/* Bytes and cells for reading rows of a streamed table, one reader at a time. */
nilu_status data_scratch_new(nilu_data *d);

/* ---- catalogue: data/catalogue.c, data/get.c, data/download.c */
typedef struct data_set_file {
    const char *name;   /* as a gzip file has it, without .gz */
    uint64_t size;      /* unpacked */
    const char *sha256; /* of the unpacked bytes */
} data_set_file;
typedef struct data_set {
    nilu_dataset about;
    const char *system;         /* folder in which Debian has it, NULL: none */
    data_set_file file[4];      /* [0].name NULL: comes with nilu */
    const char *const *classes; /* names, NULL: the digits themselves */
    int outputs;
} data_set;
/* The row of this name; NULL: none. */
const data_set *data_set_named(const char *name);
/* The folder of a set, if `name` is in the catalogue: *folder (of the set's pool) NULL if it is not on this machine. */
bool data_catalogue_find(nilu_data *d, const char *name, nilu_status *status, char **folder);
/* What nilu_data_get does, for any row; *folder is freed by base_free. */
nilu_status data_get_set(nilu *nl, const data_set *set, const nilu_get_options *o, char **folder);
/* Downloads `url`, at most `limit` bytes of it. Errors: FILE_NOT_FOUND (404), FILE_READ, FILE_WRITE, CANCELLED. */
nilu_status data_download(nilu *nl, const char *url, uint64_t limit, const nilu_get_options *o, const char *file,
                          base_output *out);

/* The file that a sample is, beneath the folder that was opened; NULL: samples are no files. The set's. */
const char *data_sample_file(const nilu_data *data, nilu_part part, int64_t index);
/* The feature that a channel of a pixel is. */
static inline int64_t data_feature(const nilu_data_info *i, int64_t pixel, int channel)
{
    return i->planes ? (int64_t)channel * i->height * i->width + pixel : pixel * i->channels + channel;
}

#endif
