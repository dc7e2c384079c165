/* What the files on training samples share: the weights on the way, and plans that meet many training samples at once. */
#ifndef FORENSICS_SAMPLES_H
#define FORENSICS_SAMPLES_H

#include "forensics/forensics.h"

#define SAMPLES_ROWS 512 /* training samples a step, and those that are weighed exactly after a search */
#define SAMPLES_WIDTH                                                                                                  \
    24 /* numbers that stand for a layer's x or delta: with 24 the ten of a whole walk were all among
                            those found (digits, 784-64-64-10: 80 of 80) */
#define SAMPLES_MOMENTS 16 /* weights on the way that are used; of more, so many, evenly chosen */

typedef struct samples_layer {
    int64_t in, out;
    bool bias;
    int64_t kx, kd;                    /* numbers kept of x and delta */
    char x[24], d[24], bx[24], bd[24]; /* names of inputs: x and delta of those asked about; bases */
} samples_layer;

/* A plan and what it reads. */
typedef struct samples_pass {
    nilu_plan *plan;
    int64_t rows;
    float *x, *target;
    int32_t *label;
    int64_t *index;
    bool *known; /* its target */
} samples_pass;

/* One case, with the weights of one moment. */
typedef struct samples_ghost {
    double length;
    float *x, *delta; /* of all layers, one behind the other */
} samples_ghost;

struct nilu_samples {
    nilu *nl;
    nilu_samples_options options;
    nilu_samples_info info;
    const nilu_inquiry_info *about;
    const char *loss;
    char *path;                            /* of the index */
    int64_t n, features, outputs, in, out; /* in, out: sums over layers */
    bool classes;
    nilu_store *moment[SAMPLES_MOMENTS], *live, *last;
    int64_t step[SAMPLES_MOMENTS];
    int nlayer;
    samples_layer *layer;
    samples_pass seen, weigh, make; /* one sample; many against those asked about; many for the index */
    int asked;                      /* that `weigh` is planned for */
    float *asked_x, *asked_d;       /* [asked, in] and [asked, out] of each layer, one behind the other */
    float *direction;
    float *basis, *next; /* of all layers, for x then for delta; what a round of learning gives */
    size_t basis_n;
    float *norm, *error; /* [moments, n]: lengths of gradients, and of the errors at the answer; NULL: no index read */
};

void samples_put(nilu_samples *s, const nilu_store *weights);
/* Rows first .. first+rows-1 of `index` (NULL: of the training part); those behind the last are its repetition. */
nilu_status samples_meet(nilu_samples *s, samples_pass *p, const int64_t *index, int64_t first, int64_t n);
/* The graph of `rows` samples: the layers, the error of each, the answer's error, and the lengths of gradients. */
typedef struct samples_graph {
    nilu_graph *g;
    nilu_tensor *y, *loss, *norm;
    forensics_site *site;
    nilu_tensor **delta; /* [layers + 1]: then the answer's */
    int n;
} samples_graph;
nilu_status samples_graph_new(nilu_samples *s, int64_t rows, samples_graph *p);
void samples_graph_free(nilu_samples *s, samples_graph *p);
nilu_status samples_pass_new(nilu_samples *s, samples_graph *p, int64_t rows, int n, nilu_tensor *const *fetch,
                             samples_pass *pass);
void samples_pass_free(nilu *nl, samples_pass *pass);

/* ---- the index: samples_index.c. Opens it, or makes it. */
nilu_status samples_index(nilu_samples *s);
/* Adds to score[n], for each training sample, the cosine with each ghost [moments]. FILE_CORRUPT if the index is damaged. */
nilu_status samples_search(nilu_samples *s, const samples_ghost *ghost, double *score);

#endif
