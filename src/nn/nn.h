/* nn: layers and models. A model is a list of layers, each with the layers that it reads; it holds no numbers and no
 * tensors, so that any graph can be built from it.
 *
 * Invariants: a layer reads only inputs and earlier layers, so a model has no cycle and can be built in its order; names
 * of layers and inputs are unique; every argument has a value that its kind allows. */
#ifndef NN_H
#define NN_H

#include "graph/graph.h"

#define NN_MAX_ARGS 9
#define NN_MAX_NAME 64
#define NN_MAX_LAYERS 10000 /* that a repeat may lead to */

/* ---- activations and initial values: tables of names */
typedef struct nn_activation {
    const char *name;
    nilu_tensor *(*apply)(nilu_tensor *x, double p);
    const char *argument;    /* name of p, or NULL */
    double otherwise;        /* p where nothing is said */
    const char *init;        /* what suits the weights before it */
} nn_activation;
const nn_activation *nn_activation_find(const char *name); /* NULL: none */
/* "a, b or c" of the nearest name: error text "did you mean relu?" or a list, in `out`. */
const char *nn_suggest(const char *wrong, const char *(*name)(int), const char *what, char out[256]);
/* The number in all of `text`, decimal, in any locale; false if it is none. */
bool nn_number(const char *text, double *value);
/* The shortest text that nn_number reads as `value`. */
const char *nn_number_text(double value, char out[32]);

/* ---- layers of a model */
typedef struct nn_value {
    double number;                  /* NAN: not said; NN_AUTO */
    const nn_activation *activation;
    char *text;                     /* init=NAME */
} nn_value;
#define NN_AUTO (-1.0)

typedef enum nn_arg_kind { ARG_COUNT, ARG_REAL, ARG_TRUTH, ARG_ACTIVATION, ARG_INIT, ARG_CHOICE } nn_arg_kind;
typedef struct nn_arg {
    const char *name;
    nn_arg_kind kind;
    bool required;
    const char *word;         /* that may stand for it, as auto: NN_AUTO; NULL: none */
    double low, high;         /* low <= value < high */
    const char *const *choice; /* its words, NULL at the end; the value is the word's number */
} nn_arg;

typedef struct nn_layer nn_layer;
typedef struct nn_site { /* a layer that is being built */
    const nilu_model *model;
    const nn_layer *layer;
    nilu_tensor *const *in;
    int nin;
    int64_t outputs;
    bool training;
    nilu_graph *g;
} nn_site;

typedef struct nn_kind {
    const char *name, *prefix; /* prefix of the names it is given: fc for dense */
    nn_arg arg[NN_MAX_ARGS];   /* in the order of positional arguments */
    bool merges;               /* reads two or more */
    bool pictures;             /* reads pictures */
    const char *example;       /* its arguments, where one is required */
    nilu_tensor *(*build)(const nn_site *s);
} nn_kind;
const nn_kind *nn_kind_find(const char *name); /* activations too: they share one kind */
const char *nn_kind_name(int i);               /* for suggestions: kinds, then activations */

struct nn_layer {
    const nn_kind *kind;
    const nn_activation *activation; /* of a layer that is one */
    char *name, *where;
    nn_value value[NN_MAX_ARGS];
    int *from, nfrom;  /* layers; input i is -1 - i */
    bool chained;      /* reads the one before because nothing else was said */
    bool read;         /* by another layer, or the result */
};

typedef struct nn_input {
    char *name, *where;
    bool shaped;
    nilu_shape shape; /* of one sample */
} nn_input;

/* Where a model comes from that has no layers of its own: a file in another's format, whose reader (io) builds the nodes.
 * Nothing in nn knows a format. */
typedef struct nn_source {
    const char *format; /* "ONNX" */
    /* As nilu_model_build, of one input; m->loss says which end of the net is wanted. */
    nilu_status (*build)(const nilu_model *m, nilu_tensor *x, int64_t outputs, bool training, nilu_tensor **y);
    char *(*about)(const nilu_model *m); /* in one line; freed by base_free */
    void (*release)(void *file);         /* what `file` points at is counted: models and graphs share it */
    void (*hold)(void *file);
} nn_source;

struct nilu_model {
    nilu *nl;
    char *file; /* what errors call the text */
    char *title, *init;
    nn_input *input;
    int ninput, input_cap;
    nn_layer *layer;
    int nlayer, layer_cap;
    int result; /* layer; -1: the last */
    int tail;   /* what a layer reads that says nothing: layer, or -1 - input */
    char *loss;
    char *freeze; /* patterns of parameters that are not trained; NULL: none */
    nilu_model_training training;
    /* of a model from a file in another's format */
    char *path, *sha256;     /* as the text says; relative to the text's folder; NULL: the model has layers */
    bool train_norms;        /* normalisations learn the batch's statistics; else they keep those that they came with */
    const nn_source *source; /* NULL: not opened yet (io_model_open) */
    void *opened;
};

/* One word of a layer's text: an argument by position (key NULL) or by name. */
typedef struct nn_word {
    char *key, *text;
    char *where; /* "model.yaml:14" */
} nn_word;
typedef struct nn_words {
    nn_word *at;
    int n, cap;
} nn_words;

/* ---- what a file may say about training: rows, for reading and writing alike */
typedef enum nn_wish_kind { WISH_REAL, WISH_COUNT, WISH_INT } nn_wish_kind; /* double, int64_t, int */
typedef struct nn_wish {
    const char *name;
    nn_wish_kind kind;
    size_t at; /* in nilu_model_training */
} nn_wish;
extern const nn_wish nn_wishes[]; /* ends with a NULL name */

/* ---- building a model up: model.c */
nilu_model *nn_model_new(nilu *nl, const char *file);
nilu_status nn_model_input(nilu_model *m, const char *where, const char *name, bool shaped, nilu_shape shape);
/* Fails with "where: sentence", MODEL. */
nilu_status nn_fail(const nilu_model *m, const char *where, const char *format, ...) NILU_FORMAT(3, 4);
/* A model from n bytes of YAML; `name` stands for the file in errors. */
nilu_status nn_model_read(nilu *nl, const char *text, size_t n, const char *name, nilu_model **model);
/* The last checks of a whole model: something to run, every layer read by someone. `where` is its place as a whole. */
nilu_status nn_model_close(nilu_model *m, const char *where);
int nn_layer_find(const nilu_model *m, const char *name); /* layer, or -1 - input; INT32_MIN: neither */
void nn_layer_clear(nilu *nl, nn_layer *l);
nilu_status nn_unknown_layer(const nilu_model *m, const char *where, const char *who, const char *name);

/* ---- what is not trained: freeze.c */
/* Is a parameter of this name frozen? */
bool nn_frozen(const nilu_model *m, const char *name);
/* Marks the frozen among the parameters from node `first` on; MODEL if a pattern fits none, or nothing is left to train. */
nilu_status nn_freeze(const nilu_model *m, nilu_graph *g, int first);

/* ---- reading layers: layer_text.c */
bool nn_good_name(const char *name);
/* Adds `text` to the words, cut at blanks, key=value parts apart. */
nilu_status nn_words_cut(const nilu_model *m, nn_words *words, const char *text, const char *where);
nilu_status nn_words_add(const nilu_model *m, nn_words *words, const char *key, const char *text, size_t n,
                         const char *where);
void nn_words_free(nilu *nl, nn_words *words);
/* Adds the layer that the words describe; the first says its kind. */
nilu_status nn_layer_read(nilu_model *m, const nn_words *words, const char *where);

/* ---- layers for pictures: pictures.c */
nilu_tensor *nn_conv(const nn_site *s);
nilu_tensor *nn_whiten(const nn_site *s);
nilu_tensor *nn_pool(const nn_site *s);
nilu_tensor *nn_adaptive(const nn_site *s);
nilu_tensor *nn_upsample(const nn_site *s);
nilu_tensor *nn_pad(const nn_site *s);
nilu_tensor *nn_channels_first(const nn_site *s);
nilu_tensor *nn_batchnorm(const nn_site *s);
nilu_tensor *nn_layernorm(const nn_site *s);
nilu_tensor *nn_rmsnorm(const nn_site *s);
nilu_tensor *nn_groupnorm(const nn_site *s);
/* *own: the model with the shape of the data's pictures as that of its input, if it has layers that want pictures and does
 * not say, or is another's; else NULL. Freed by nilu_model_free. */
nilu_status nn_for_pictures(const nilu_model *m, int height, int width, int channels, bool planes, nilu_model **own);
/* *own: the model with another size of pictures as that of its input, where it says one. Freed by nilu_model_free. */
nilu_status nn_at_size(const nilu_model *m, int height, int width, int new_height, int new_width, nilu_model **own);
/* Says which loss is meant, of a model that does not. */
nilu_status nn_for_loss(nilu_model *m, const char *loss);
/* Of n samples of so many features: as the model's one input says, if it has as many numbers, else [n, features]. */
nilu_shape nn_input_shape(const nilu_model *m, int64_t n, int64_t features);

#endif
