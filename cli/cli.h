/* cli: the command nilu. A subcommand is one file with a cli_command record, and one row in commands.inc. Its record says
 * in rows what it takes; parsing, help, man page, shell completion and the page on its JSON are made from these rows, so
 * that they cannot disagree.
 *
 * Invariants: results go to stdout, progress and errors to stderr; an error is one line, said once; a command that fails
 * has left nothing half-done. Texts for people are msgids, translated where they are shown. */
#ifndef CLI_H
#define CLI_H

#include "base/base.h"
#include <jansson.h>
#include <signal.h>

typedef struct cli cli;

/* Translates a text; the compiler checks formats through it. */
const char *cli_text(const char *msgid) __attribute__((format_arg(1)));
#define _(text) cli_text(text)

/* ---- what a terminal or file can show: screen.c */
typedef struct cli_screen {
    FILE *file;
    bool terminal, utf8;
    int colours; /* 0: none; 256; 1 << 24 */
    int columns;
} cli_screen;
typedef enum cli_style { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_RED, CLI_GREEN, CLI_YELLOW } cli_style;
/* `when`: "auto", "always" or "never". */
cli_screen cli_screen_of(FILE *file, const char *when, bool utf8);
/* The escape sequence of a style; "" where there are no colours. */
const char *cli_paint(const cli_screen *s, cli_style style);
/* Columns that a text takes: wide characters two, combining ones none. */
int cli_width(const char *text);
/* Writes a text word by word, lines broken before column `width`, all but the first indented; between Chinese characters a
 * line may break anywhere that punctuation allows. `column`: where the first line stands already. */
void cli_wrap(FILE *f, const char *text, int column, int indent, int width);
/* Copies a text that came from outside, with control characters and broken UTF-8 made visible; cut to `room`. */
const char *cli_clean(const char *text, char *out, size_t room);

/* ---- numbers for people: figures.c. They write to `out` and return it. */
typedef char cli_figure[32];
const char *cli_bytes(double bytes, cli_figure out);      /* 12.3 MiB */
const char *cli_quantity(double value, cli_figure out);   /* 1.07 M, 669,706 below a million */
const char *cli_seconds(double seconds, cli_figure out);  /* 3.1 ms, 2.41 s, 1:02:03 */

/* ---- tables: table.c. Cells are filled in row by row; the first row is the heading. */
typedef struct cli_table {
    nilu *nl;
    const char *align; /* one letter a column: l or r */
    char **cell;
    int cells, cap;
    nilu_status status;
} cli_table;
cli_table cli_table_new(nilu *nl, const char *align);
void cli_cell(cli_table *t, const char *format, ...) NILU_FORMAT(2, 3);
void cli_table_free(cli_table *t);
/* Prints and frees it. */
nilu_status cli_table_print(cli_table *t, const cli_screen *s, int indent);

/* ---- a bar with what is left to wait, on a terminal: progress.c */
typedef struct cli_progress {
    const cli_screen *screen;
    double started, from, shown;
    bool drawn;
} cli_progress;
/* Shows `fraction` of the work as done, with `text` behind the bar; at most ten times a second. */
void cli_progress_show(cli_progress *p, double fraction, const char *text);
void cli_progress_clear(cli_progress *p);

/* ---- pictures in the terminal: picture.c. Pixels [height][width][channels], 1 or 3 channels. */
void cli_picture(const cli_screen *s, const unsigned char *pixels, int height, int width, int channels, int indent);

/* ---- options: options.c */
typedef enum cli_kind {
    CLI_FLAG,   /* bool */
    CLI_WORD,   /* const char *: any text */
    CLI_FILE,   /* const char *: a file's name */
    CLI_FOLDER, /* const char *: a folder's name */
    CLI_DATA,   /* const char *: a file, a folder or the name of a data set */
    CLI_CHOICE, /* const char *: one of .choice(0), .choice(1), … */
    CLI_WHOLE,  /* int64_t from low to high; CLI_UNSET if not given and without default */
    CLI_NUMBER, /* double from low to high; NAN if not given and without default */
    CLI_SIZES,  /* cli_sizes: whole numbers from low to high, separated by commas */
    CLI_PAIRS   /* cli_pairs: NAME=FILE, as often as it is given */
} cli_kind;
#define CLI_UNSET INT64_MIN
typedef struct cli_sizes {
    int n;
    int64_t at[32];
} cli_sizes;

typedef struct cli_pairs {
    int n;
    const char *at[64]; /* "name=file" */
} cli_pairs;

typedef struct cli_option {
    const char *name;
    char letter;           /* 0: only the long form */
    const char *argument;  /* what stands for the value in the help; NULL for flags */
    cli_kind kind;
    size_t at;             /* where in the command's settings the value goes */
    const char *help;      /* msgid: one sentence without a full stop */
    const char *otherwise; /* the default: parsed like a value that was given; NULL: none */
    const char *usual;     /* msgid: the default in words, where it is worked out later */
    const char *group;     /* msgid: heading in the help; NULL: that of the row before */
    double low, high;
    const char *(*choice)(int i);
} cli_option;

typedef struct cli_operand {
    const char *name; /* as it stands in the help; NULL ends the list */
    cli_kind kind;    /* what completion offers */
    const char *help;
    bool optional, many;
    const char *(*choice)(int i);
} cli_operand;

/* A field of a line of --json. Rows of one event stand together; "result" is the last line. */
typedef struct cli_field {
    const char *event, *name, *type, *help;
} cli_field;

typedef struct cli_example {
    const char *line, *about;
} cli_example;

/* Options that many commands share; their values stand in cli. */
enum { CLI_JSON = 1, CLI_QUIET = 2, CLI_THREADS = 4, CLI_SEED = 8 };

#define CLI_SETTINGS_MAX 1024

typedef struct cli_command {
    const char *name;           /* "train", "data show" */
    const char *about;          /* msgid: one sentence without a full stop */
    const char *const *story;   /* msgids: paragraphs; NULL ends */
    const cli_operand *operands;
    const cli_option *options;  /* ends with {0} */
    unsigned common;
    const cli_field *fields;    /* ends with {0}; NULL: no --json */
    const cli_example *examples;
    /* `settings` is what the rows filled in; `operand` has n texts and a NULL behind them. */
    nilu_status (*run)(cli *c, const void *settings, int n, char **operand);
} cli_command;

/* ---- the command as it runs */
struct cli {
    nilu *nl;
    const cli_command *command;
    /* common options */
    bool help, json, quiet;
    int64_t threads, seed;
    const char *lang, *colour;
    uint64_t given;             /* bit i: row i of the command's options was given */
    cli_screen out, err;
    bool said, done;            /* the error has been told; the last line of --json is out */
    double started;             /* base_now() at the start of the process */
    const char *data_dir;       /* where the sets are that come with nilu */
    const char *locale_dir;
    char *cache_dir;            /* where sets are kept that were brought; NULL: there is no such place */
};

/* The commands in the order of commands.inc; NULL past the last. */
const cli_command *cli_command_at(int i);
const char *cli_command_name(int i);
/* The command called by the first words of argv; *words says how many those are. NULL: none. */
const cli_command *cli_command_find(int argc, char **argv, int *words);

/* Reads the arguments behind the command's name into `settings` and c; operands are left in argv[0..*n-1]. A mistake is
 * told with a suggestion: NILU_E_USAGE. */
nilu_status cli_parse(cli *c, void *settings, int argc, char **argv, int *n);
/* Was this option on the command line? */
bool cli_given(const cli *c, const char *name);
/* All rows that a command takes, its own and then the common ones; NULL past the last. */
const cli_option *cli_row_at(const cli_command *command, int i);

/* ---- help, man pages, completion: help.c, manual.c, completion.c */
void cli_print_help(const cli *c, const cli_command *command, FILE *f); /* NULL: all commands */
void cli_man(const cli_command *command, FILE *f);                /* NULL: nilu(1) */
void cli_complete(const char *shell, FILE *f);                    /* bash, zsh, fish */
/* "train DATA [options]": what stands behind "nilu". */
#define CLI_SYNOPSIS 256
const char *cli_synopsis(const cli_command *command, char out[CLI_SYNOPSIS]);
/* What an option does, what it may be, its default. */
#define CLI_OPTION_TEXT 640
const char *cli_option_text(const cli_option *o, char out[CLI_OPTION_TEXT]);
extern const char *const cli_exit_codes[][2]; /* code, msgid; NULL ends */
extern const char *const cli_environment[][2];

/* ---- what commands use: main.c */
/* Tells an error of the command itself, once, and returns `status`. */
nilu_status cli_fail(cli *c, nilu_status status, const char *format, ...) NILU_FORMAT(3, 4);
/* A remark on stderr, unless --quiet. */
void cli_note(const cli *c, const char *format, ...) NILU_FORMAT(2, 3);
/* One line of --json: `fields` with "event" put before them. Frees `fields`; NULL is an error (no memory). */
nilu_status cli_emit(cli *c, const char *event, json_t *fields);
/* A number for JSON: null if it is not finite. */
json_t *cli_real(double value);
/* Adds what `more` has to `fields` and frees it; false if memory ran out. */
bool cli_merge(json_t *fields, json_t *more);
const char *cli_status_name(nilu_status status); /* "DATA" */

/* ---- alarms: alarms.c */
json_t *cli_alarm_json(const nilu_alarm *a);
/* A line on stderr, unless --quiet. */
void cli_alarm_say(const cli *c, const nilu_alarm *a);
/* "note", "warning", "fault"; in the reader's language. */
const char *cli_alarm_level(nilu_alarm_level level);

/* ---- rows that commands share which open data or take a model: opening.c */
typedef struct cli_reading {
    const char *target, *task, *missing, *ignore, *keep, *header, *delimiter, *size, *colour, *scale;
    double validation, test;
} cli_reading;
const char *cli_task_name(int i);
const char *cli_missing_name(int i);
const char *cli_header_name(int i);
const char *cli_colour_name(int i);
#define CLI_READING_ROWS_OF(type, member)                                                                              \
    {"target", 'T', "COLUMN", CLI_WORD, offsetof(type, member.target),                                                 \
     N_("what is to be predicted: a column's name, #3 for the third, or the file with the labels"),                    \
     .usual = N_("the last column, or the file found by its name"), .group = N_("Data")},                              \
    {"task", 0, "TASK", CLI_CHOICE, offsetof(type, member.task),                                                       \
     N_("what the target is"), "auto", .choice = cli_task_name},                                                       \
    {"missing", 0, "WHAT", CLI_CHOICE, offsetof(type, member.missing),                                                 \
     N_("empty cells; fill: numbers with the mean, text with a category of its own"), "fill",                          \
     .choice = cli_missing_name},                                                                                      \
    {"ignore", 0, "COLUMNS", CLI_WORD, offsetof(type, member.ignore),                                                  \
     N_("columns to leave out, separated by commas")},                                                                 \
    {"keep", 0, "COLUMNS", CLI_WORD, offsetof(type, member.keep),                                                      \
     N_("columns to use although they look like names or numbers of rows")},                                           \
    {"header", 0, "WHAT", CLI_CHOICE, offsetof(type, member.header),                                                   \
     N_("does the first row have the names of the columns?"), "auto", .choice = cli_header_name},                      \
    {"delimiter", 0, "CHARACTER", CLI_WORD, offsetof(type, member.delimiter),                                          \
     N_("what stands between cells; tab for a tabulator"), .usual = N_("found out")},                                  \
    {"validation", 0, "SHARE", CLI_NUMBER, offsetof(type, member.validation),                                          \
     N_("share of the training samples that is held out for validation"), "0.1", .low = 0, .high = 0.99},              \
    {"test", 0, "SHARE", CLI_NUMBER, offsetof(type, member.test),                                                      \
     N_("share held out for the final judgement, where the data have no test part"), "0", .low = 0, .high = 0.99},     \
    {"size", 0, "SIZE", CLI_WORD, offsetof(type, member.size),                                                         \
     N_("pictures: HEIGHTxWIDTH that all are brought to, or one number for both")},                                    \
    {"colour", 0, "WHAT", CLI_CHOICE, offsetof(type, member.colour),                                                   \
     N_("pictures: grey or rgb; auto: rgb if any file has colour"), "auto", .choice = cli_colour_name},                \
    {"scale", 0, "M/S", CLI_WORD, offsetof(type, member.scale),                                                        \
     N_("pictures and arrays: means and deviations to scale by, of bytes shares of 255, as a net from elsewhere wants"), \
     .usual = N_("learnt from the training part")}
#define CLI_READING_ROWS(type) CLI_READING_ROWS_OF(type, reading)
/* The library's options for what was read; the set's notes are told. */
nilu_status cli_data_options(cli *c, const cli_reading *r, nilu_data_options *o);
nilu_status cli_open_data(cli *c, const cli_reading *r, const char *where, nilu_data **data);

#define CLI_VIEWS_ROW(type)                                                                                            \
    {"tta", 0, "VIEWS", CLI_CHOICE, offsetof(type, views),                                                             \
     N_("see each picture several times, and take the mean: mirrored, or also moved by a place"), "none", .choice = nilu_views_name}
nilu_status cli_views(nilu_predictor *p, const char *name);

typedef struct cli_network {
    const char *model, *layers, *activation;
    cli_sizes hidden;
} cli_network;
#define CLI_NETWORK_ROWS_OF(type, member)                                                                              \
    {"hidden", 0, "SIZES", CLI_SIZES, offsetof(type, member.hidden),                                                   \
     N_("hidden dense layers of these sizes, as in 512,512"), .group = N_("Network"), .low = 1, .high = 2147483647.0}, \
    {"activation", 0, "NAME", CLI_CHOICE, offsetof(type, member.activation),                                           \
     N_("activation of the layers that --hidden makes"), "relu", .choice = nilu_activation_name},                      \
    {"layers", 0, "LAYERS", CLI_WORD, offsetof(type, member.layers),                                                   \
     N_("layers in words, separated by commas, as in \"512 relu, dropout 0.2\"")}
#define CLI_NETWORK_ROWS(type) CLI_NETWORK_ROWS_OF(type, network)
/* The model that was asked for: by file, or run folder, or --hidden, or --layers; *model is NULL if by none. */
nilu_status cli_open_model(cli *c, const cli_network *n, nilu_model **model);

/* A run with its values and data, ready to answer; freed by cli_subject_free, also after a failure. `where` NULL: the run's
 * own data; `part` NULL: test, else validation, else train. */
typedef struct cli_subject {
    cli *c;
    nilu_run *run;
    nilu_store *store;
    nilu_data *data;
    nilu_predictor *predictor;
    const nilu_data_info *info;
    nilu_part part;
} cli_subject;
nilu_status cli_subject_open(cli *c, const cli_reading *reading, const char *folder, const char *where, const char *part,
                             cli_subject *subject);
void cli_subject_free(cli_subject *subject);

/* ---- a run that is looked into, with one sample: sampling.c. Rows that all commands of forensics share. */
typedef struct cli_sampling {
    const char *sample, *truth, *accused;
} cli_sampling;
#define CLI_SAMPLING_ROWS(type)                                                                                        \
    {"sample", 0, "SAMPLE", CLI_WORD, offsetof(type, sampling.sample),                                                 \
     N_("the sample: test:42, validation:7, train:3, or FILE or FILE:7 with samples like the run's"),                  \
     .usual = N_("the first of the test part"), .group = N_("Sample")},                                                \
    {"truth", 0, "CLASS", CLI_WORD, offsetof(type, sampling.truth), N_("the class that is right, by name or number"),  \
     .usual = N_("as the data say")},                                                                                  \
    {"accused", 0, "CLASS", CLI_WORD, offsetof(type, sampling.accused),                                                \
     N_("the answer that is asked about, by name or number"), .usual = N_("what the network said")}
typedef struct cli_case {
    cli *c;
    nilu_inquiry *at;
    const nilu_inquiry_info *info;
    nilu_sample sample;
} cli_case;
/* Opens the run; freed by cli_case_free, also after a failure. */
nilu_status cli_case_open(cli *c, const char *folder, nilu_dtype dtype, cli_case *k);
/* Puts the sample that the line names into the scene. */
nilu_status cli_case_look(cli_case *k, const cli_sampling *s);
void cli_case_free(cli_case *k);
/* "test:42 of digits: 4 is right, the network says 9 (71.3 % sure); loss 1.2345" */
const char *cli_case_headline(const cli_case *k, char out[256]);
/* The sample as a figure of a page, where it is a picture. */
struct report;
nilu_status cli_case_picture(const cli_case *k, struct report *r);
/* A section with the maps of each convolution and the errors at them; nothing where there is none. maps.c */
nilu_status cli_maps_page(nilu_scene *scene, nilu_start start, struct report *r);
const char *cli_start_name(int i); /* of a nilu_start: "loss", "gap"; NULL past the last */

/* ---- models from elsewhere, with arrays for their inputs: foreign.c */
typedef struct cli_array {
    nilu_dtype dtype;
    nilu_shape shape;
    void *data;
} cli_array;
typedef struct cli_foreign {
    cli *c;
    nilu_onnx *model;
    nilu_graph *g;
    nilu_store *store;
    nilu_plan *plan;
    int nin, nout;
    nilu_dtype wide; /* of the arithmetic: NILU_F32 as the file says, or NILU_F64 */
    cli_array in[64];
    nilu_onnx_given given[64];
    nilu_tensor *y[64];
} cli_foreign;
/* Opens an ONNX file, reads its inputs from the NPY files that the pairs name, and builds its graph; the caller compiles with
 * cli_foreign_compile, and calls cli_foreign_free, also after a failure. */
nilu_status cli_foreign_open(cli *c, const char *path, const cli_pairs *inputs, nilu_dtype wide, cli_foreign *f);
/* Compiles n fetches, feeds the inputs and takes a step. */
nilu_status cli_foreign_step(cli_foreign *f, int n, nilu_tensor *const *fetch);
void cli_foreign_free(cli_foreign *f);
const char *cli_foreign_dtype_name(int i); /* "f32", "f64" */
nilu_dtype cli_foreign_dtype(const char *name);
#define CLI_FOREIGN_INPUT_ROW(type)                                                                                    \
    {"input", 'i', "NAME=FILE", CLI_PAIRS, offsetof(type, input),                                                      \
     N_("an input of the model and the NPY file with its numbers; once for each"), .group = N_("Model")}
#define CLI_FOREIGN_DTYPE_ROW(type)                                                                                    \
    {"dtype", 0, "TYPE", CLI_CHOICE, offsetof(type, dtype), N_("f64 computes in double what the model has in float"),  \
     "f32", .choice = cli_foreign_dtype_name}

/* ---- the case file of an answer: blame.c gathers it, casefile.c tells it, on the terminal or (page) as a page of HTML */
typedef struct cli_blame {
    cli_case k;
    nilu_blame *court;
    nilu_case_file file;
    int64_t top;             /* rows of a table */
    double prepared;         /* seconds to plan, and to learn what is usual */
    double sanity;           /* NaN: not asked for */
    const struct cli_mistake *worst; /* several cases: these */
    int64_t cases;
    nilu_suspect common[16]; /*   and the weights that they have in common */
    int commons;
    nilu_samples *samples;   /* who taught it; NULL: not asked, or not to be had */
    nilu_teacher teacher[32];
    int teachers;
    double asked;            /* seconds of asking them, without making the index */
} cli_blame;
struct report;
nilu_status cli_casefile(const cli_blame *b, struct report *page);
/* Of output `index` of layer `layer`, input `index` of its weights; of the sample (-1) a column's name or a pixel's place. */
#define CLI_PLACE 96
const char *cli_place(const cli_blame *b, int layer, int64_t index, char out[CLI_PLACE]);
const char *cli_suspect_place(const cli_blame *b, const nilu_suspect *s, char out[CLI_PLACE]);
const char *cli_weight_place(const cli_blame *b, const nilu_suspect *s, char out[2 * CLI_PLACE]);
/* The sample's windows and columns: where they are. */
const char *cli_part_place(const cli_blame *b, const nilu_suspect *s, char out[CLI_PLACE]);
/* What the answer is, in words: a class or a number in the target's own units. */
const char *cli_answer(const cli_blame *b, int said, double gap, char out[CLI_PLACE]);
/* Numbers in the target's own units: a change, and a value. */
double cli_in_units(const cli_blame *b, double change);
double cli_in_value(const cli_blame *b, double value);

/* ---- wrong answers: mistakes.c */
typedef struct cli_mistake {
    int64_t index;
    int said, truth;    /* classes */
    double sure;        /* classes: probability of what was said; numbers: |error| of the first output */
    double value, want; /* numbers */
} cli_mistake;
/* The at most n wrong answers that were given most surely, worst first; *have says how many. */
nilu_status cli_mistakes_find(const cli_subject *k, int64_t n, cli_mistake *worst, int64_t *have);
nilu_status cli_mistakes_list(const cli_subject *k, const cli_mistake *worst, int64_t n);
json_t *cli_mistakes_json(const cli_subject *k, const cli_mistake *worst, int64_t n);
/* One as it looks: a picture, or the cells of its row. */
nilu_status cli_mistake_show(const cli_subject *k, const cli_mistake *m);

/* ---- a step that is built but not run, for plan, graph and gradcheck: building.c */
typedef struct cli_building {
    cli_network network;
    cli_reading reading;
    const char *data, *input, *loss, *optimizer;
    int64_t outputs, batch, batch_usual;
    bool forward; /* the model alone, as it answers: without loss and without dropout */
} cli_building;
#define CLI_BUILDING_ROWS(type)                                                                                        \
    CLI_NETWORK_ROWS_OF(type, building.network),                                                                       \
    {"batch", 'b', "N", CLI_WHOLE, offsetof(type, building.batch), N_("samples of a step"),                            \
     .usual = N_("that of the run or the model file, else 64"), .group = N_("Shapes"), .low = 1, .high = 1e9},         \
    {"data", 'd', "DATA", CLI_DATA, offsetof(type, building.data), N_("take the shapes from this data set")},          \
    {"input", 0, "SHAPE", CLI_WORD, offsetof(type, building.input), N_("shape of a sample, as in 784 or 28x28")},      \
    {"outputs", 0, "N", CLI_WHOLE, offsetof(type, building.outputs), N_("classes, or numbers that are predicted"),     \
     .usual = N_("what the model gives"), .low = 1, .high = 1e9},                                                      \
    {"loss", 0, "NAME", CLI_CHOICE, offsetof(type, building.loss), N_("the loss"),                                     \
     .usual = N_("that of the run or the model file, else cross_entropy"), .choice = nilu_loss_name}
#define CLI_MAX_INPUTS 16
typedef struct cli_site {
    cli *c;
    nilu_model *model;
    nilu_run *run;
    nilu_data *data;
    nilu_graph *g;
    nilu_store *store;
    nilu_shape input; /* of a sample; rank 0: not known */
    int64_t outputs, batch;
    nilu_task task;
    const char *loss_name;
    nilu_optimizer_options optimizer;
    int inputs;
    nilu_tensor *fed[CLI_MAX_INPUTS], *x[CLI_MAX_INPUTS]; /* what is fed, and what the model reads */
    nilu_tensor *y, *target, *loss;
} cli_site;
/* Builds model and loss; freed by cli_site_free, also after a failure. */
nilu_status cli_build(cli *c, const cli_building *b, cli_site *s);
void cli_site_free(cli_site *s);

/* ---- a sheet of a part's pictures, which a set must have, as a PNG file: sheet.c */
nilu_status cli_sheet(cli *c, nilu_data *data, nilu_part part, const char *path);

/* ---- scores, for train and eval: scores.c */
/* "accuracy 97.31 %" or "RMSE 0.412, R2 0.873"; "" if there are none. */
const char *cli_scores_text(const nilu_scores *s, char out[96]);
json_t *cli_scores_json(const nilu_scores *s); /* loss, and accuracy or rmse, mae, r2 */
const char *cli_part_name(int i);              /* "train", "validation", "test"; NULL past the last */
const char *cli_part_title(nilu_part part);    /* translated */

/* ---- where the time of steps goes: profile.c. As a table or JSON, and as a drawing where `svg` names a file. */
nilu_status cli_profile(cli *c, const nilu_plan *plan, int64_t steps, const double *seconds, const char *svg);

/* ---- what nilu bench measures: workloads.c. Steps of training on a batch that stays the same. */
struct cli_net; /* as it grows */
typedef struct cli_workload {
    const char *name; /* NULL ends the list */
    int64_t sample[4]; /* the batch: its samples, then the shape of one */
    int rank, classes; /* classes 0: a number is to be met, with squared error; else cross-entropy */
    const char *optimizer;
    double lr;
    void (*build)(struct cli_net *net);
    bool turns; /* its samples come one after the other: each step is another one */
} cli_workload;
extern const cli_workload cli_workloads[];
const char *cli_workload_name(int i); /* NULL past the last */
/* The loss on inputs "x" and "target"; *flops: of a step's products and convolutions. */
nilu_tensor *cli_workload_loss(const cli_workload *w, nilu_graph *g, double *flops);

/* ---- how it measures: measure.c. Each measurement is told as a line of --json; `profiled`: where the time goes, as cli_profile
 * shows it. */
nilu_status cli_measure_workload(cli *c, const char *name, bool bf16, double seconds, bool profiled);
nilu_status cli_measure_products(cli *c, const char *only, bool bf16, double seconds);

/* ---- interruption: signals.c. The first signal asks; the second ends the process at once. */
void cli_signals_catch(void);
const volatile sig_atomic_t *cli_signal(void); /* the signal that asked, 0: none */

/* ---- places and language: places.c */
void cli_places(cli *c);
char *cli_cache_dir(nilu *nl); /* freed by base_free */
/* Sets the language of messages from `lang` or, where it is NULL, the environment. Is the output UTF-8? */
bool cli_language(const char *lang, const char *locale_dir);
/* Name of the i-th language there is; NULL past the last. */
const char *cli_language_name(int i);

#define CLI_COMMAND(name) extern const cli_command command_##name;
#include "commands.inc"
#undef CLI_COMMAND

#endif
