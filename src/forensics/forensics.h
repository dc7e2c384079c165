/* forensics: who is to blame. A trained network is looked at with one sample in it: what passed forward, what error came
 * back, what would have happened otherwise. Results are plain numbers; showing them is the report room's business.
 *
 * Invariants: nothing here changes the trained weights (scenes and other worlds hold their own copies); everything is read
 * off the graph, never off the layers it was written with, so it holds for every net that can be built. */
#ifndef FORENSICS_H
#define FORENSICS_H

#include "ops/ops.h"

#include "nn/nn.h"

/* A layer with weights, as it is found in a graph: z = x · w + b or x * w + b (a convolution, whose filters are the columns of
 * w and slide over places), u = z through what is constant (a batch norm by its running statistics), a = f(u). */
typedef struct forensics_site {
    char name[NILU_LAYER_NAME];
    nilu_tensor *x, *w, *b, *product, *z, *u, *a; /* x: the product's operand; b NULL: none; u is z, a is u where there is nothing */
    bool transposed;                /* w is [filters, taps] */
    int64_t in, out;                /* numbers of a sample: out = filters · places */
    int64_t taps, filters, places;  /* a matrix has [taps, filters] and one place */
    bool slides;                    /* a convolution, by `window` */
    nilu_window window;
} forensics_site;
/* The layers of `g` in the order in which they run: fills at most `room` of site[] and returns how many there are; -1: no
 * memory. A layer is a product of values with a parameter, what is added to it that is a parameter, what else is constant, and
 * the one elementwise function that alone reads that; products on the way back are none. */
int forensics_sites(const nilu_graph *g, forensics_site *site, int room);
/* Does no sample have a part in it? */
bool forensics_constant(const nilu_tensor *t);
/* Where weight (tap, filter) stands in the store. */
int64_t forensics_weight_at(const forensics_site *s, int64_t tap, int64_t filter);
/* What a weight of the layer owes: the sum over all its places of input x error. */
double forensics_ticket(const nilu_layer_view *v, int64_t tap, int64_t filter);

/* The class that a text names, or whose number from 0 it is; `usual` where there is no text. NAME: there is none. */
nilu_status forensics_class(nilu_inquiry *q, const char *text, int32_t usual, int32_t *out);

/* A store of its own for a plan in `dtype`, with the parameters of `weights` in it. */
nilu_status forensics_weights(nilu *nl, const nilu_store *weights, nilu_dtype dtype, nilu_store **copy);

/* Builds `model` for n samples into a new graph, for evaluation: x is the input "x", *y the answer. */
nilu_status forensics_build(nilu *nl, const nilu_model *model, int64_t n, int64_t features, int64_t outputs, nilu_graph **g,
                            nilu_tensor **y);

/* Copies g into the empty graph `to`; *y2 is y's twin. Each node is shown to `change` as soon as its twin t is made, and what
 * that returns stands for the node from then on; twin[id] is what stands for output 0 of the nodes before it. */
typedef nilu_tensor *(*forensics_change)(void *user, const nilu_node *n, nilu_tensor *t, nilu_tensor *const *twin);
nilu_status forensics_copy(const nilu_graph *g, const nilu_tensor *y, forensics_change change, void *user, nilu_graph *to,
                           nilu_tensor **y2);

/* What an attributor's plan gives for one sample: d (y[accused] - y[rival]) / dx [features], and y [outputs]. */
nilu_status forensics_slope(nilu_attributor *a, const float *x, int accused, int rival, double *slope, double *y);

/* Grad-CAM: cam.c */
typedef struct forensics_cam forensics_cam;
nilu_status forensics_cam_new(nilu *nl, const nilu_model *model, nilu_store *store, int64_t features, int64_t outputs,
                              const nilu_attribute_options *o, forensics_cam **cam);
void forensics_cam_free(forensics_cam *cam);
nilu_status forensics_cam_look(forensics_cam *cam, const float *x, int accused, int rival, double *part, double *gap);

/* ---- gradients of single samples: norms.c. The layers that `loss` depends on, into *site, freed by base_free; UNSUPPORTED where
 * a parameter is not in exactly one dense layer, or a row is not a sample. */
nilu_status forensics_dense(nilu_tensor *loss, int *n, forensics_site **site);
/* The errors that come back from the scalar `from` to each layer's sums, [rows, out]. */
nilu_status forensics_errors(nilu_tensor *from, int n, const forensics_site *site, nilu_tensor **delta);
/* The length [rows, 1] of each row's gradient by all layers' parameters. */
nilu_tensor *forensics_norm(int n, const forensics_site *site, nilu_tensor *const *delta);

/* What a layer does to its sums: its function of what is constant times the sum, plus what is constant. */
typedef struct forensics_function {
    ops_scalar_fn f; /* NULL: nothing */
    double p[2];
    const double *scale, *u; /* [out] of a norm, and what it made of the sums at hand; NULL: there is none */
} forensics_function;
forensics_function forensics_function_of(const nilu_scene *s, int layer);
/* What neuron j would put out, were its sum larger by `move`. */
double forensics_moved(const forensics_function *f, const nilu_layer_view *v, int64_t j, double move);

/* What adds up with the weights of layer i to the gap: all that is constant and added behind its product, and what goes past
 * it on other roads. */
void forensics_beside(const nilu_scene *s, int i, double *offsets, double *roads);

/* The layer whose output layer i reads; -1: the sample, -2: something worked out from several. *map: the shape in which its
 * inputs are counted, {channels, height, width}, or {in, 1, 1}; they are those outputs, unless a pool has made them fewer. */
int forensics_reads(const nilu_scene *s, int i, int64_t map[3]);

/* ---- the court: blame.c finds suspects by the slope, verify.c tries them, input.c does both for the sample */
#define FORENSICS_WORLDS 128 /* that are run at once */

typedef struct forensics_usual { /* of a layer */
    double mean, deviation;      /* of its weights */
    double *output;              /* [out] mean over the training part */
    double *harm;                /* [taps, filters] sum over cases, while several are tried together; else NULL */
    nilu_suspect *neuron, *weight, *channel;
    int neurons, weights, channels;
} forensics_usual;

struct nilu_blame {
    nilu *nl;
    nilu_blame_options options;
    const nilu_model *model;
    nilu_store *store;
    int64_t features, outputs;
    float *baseline, *x; /* x: of the last case */
    int32_t *group;
    nilu_scene *scene;
    nilu_whatif *worlds;
    nilu_attributor *attributor;
    int nlayer;
    forensics_usual *layer;
    nilu_stop *stop;
    nilu_suspect *input;
    double *heat, *path;
    int64_t *restore;
    nilu_verdict verdict; /* of the last case */
    double target;
    int side;
};

/* Runs every suspect's mending, and its setting to 0, on the case at hand, and adds what happened to it: measured, off, said,
 * fixed. */
nilu_status forensics_try(nilu_blame *b, int n, nilu_suspect *const *suspect);
/* The gap in a world, and whether its answer is the truth (numbers: half as far off as it was). */
double forensics_gap(const nilu_blame *b, int world);
bool forensics_turned(const nilu_blame *b, int world, int *said);
/* Puts suspects in order: those whose mending helped most come first. */
void forensics_sort(const nilu_blame *b, int n, nilu_suspect *suspect);
/* Puts `new` among the at most `room` best, best first, by `score`; scores[room] is its companion. */
void forensics_keep(nilu_suspect *best, double *scores, int room, int *n, nilu_suspect new, double score);
/* Tries what was seen: windows, groups, and the smallest set that turns the answer. */
nilu_status forensics_input(nilu_blame *b, nilu_case_file *out);

/* A layer that reads another's output: its inputs from `offset` on are that output, unchanged. */
typedef struct forensics_path {
    int site;
    int64_t offset;
} forensics_path;
/* Who reads the output of site[from] among the first `nodes` nodes of g: fills at most `room` of path[] and returns how many
 * there are; -1: no memory. *answers: it is, unchanged, (part of) the answer; *other: an op that reads it and is neither, or
 * NULL. */
int forensics_readers(const nilu_graph *g, int nodes, const nilu_tensor *answer, const forensics_site *site, int nsite, int from,
                      forensics_path *path, int room, bool *answers, const char **other);
/* The same for layer `from` of a scene. */
int forensics_scene_readers(const nilu_scene *s, int from, forensics_path *path, int room, bool *answers, const char **other);
const forensics_site *forensics_scene_site(const nilu_scene *s, int i);
const nilu_scene_options *forensics_scene_options(const nilu_scene *s);
nilu *forensics_scene_context(const nilu_scene *s);
const nilu_plan *forensics_lesson_plan(const nilu_lesson *l);

#endif
