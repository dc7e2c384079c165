/* What the ways of `why` share: one network, one question, and the plans that answer it. */
#ifndef FORENSICS_WHY_H
#define FORENSICS_WHY_H

#include "forensics/forensics.h"

#define WHY_WORLDS 2 /* candidates in one run of the forward plan: a place and its mirror image */
#define WHY_PIECES 4

typedef struct why_piece { /* weights of a layer, or its biases */
    const char *name;
    int64_t at, n, rows, columns; /* at: of the first among all n */
    double scale;                 /* deviation of the initial values */
} why_piece;

typedef struct why_race {
    nilu *nl;
    uint64_t seed;
    int64_t m, d, h, n; /* samples, inputs, hidden units (0: none), dimensions */
    float *x, *t;       /* [m, d], [m] */
    int pieces;
    why_piece piece[WHY_PIECES];
    nilu_store *store;
    nilu_plan *asking, *learning, *noise;
    double ask_flops, step_flops; /* of one loss; of one step of backpropagation */
    float *start, *w, *sum;       /* [n] */
    float *world;                 /* piece after piece [WHY_WORLDS, n of the piece] */
} why_race;

/* n fresh random numbers of the bell curve, until the next call. */
nilu_status why_noise(why_race *r, const float **z);
/* Lets way `way` spend `flops`, from the start. */
nilu_status why_run(why_race *r, int way, double flops, nilu_why_way *out);

#endif
