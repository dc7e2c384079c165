/* What a scene holds, for those who fill it: scene.c, and roads.c. */
#ifndef FORENSICS_SCENE_H
#define FORENSICS_SCENE_H

#include "forensics/forensics.h"

typedef struct scene_layer {
    forensics_site site;
    const double *weight, *bias;
    double *transposed; /* the weight as [taps, filters]; owned */
    double *x, *z, *a, *slope, *received[NILU_STARTS], *delta[NILU_STARTS];
    double *passed[NILU_STARTS];   /* of a matrix one for both, of the last nilu_scene_layer */
    double *gradient[NILU_STARTS]; /* of a convolution, [taps, filters] */
    double *u, *scale;             /* of a norm */
} scene_layer;

/* What is added up beside the weights: a constant that a node adds (from = 0), or what goes from one node to another. */
typedef struct scene_road {
    int from, to, fetched;
    double value;
} scene_road;

struct nilu_scene {
    nilu *nl;
    nilu_scene_options options;
    int64_t features, outputs;
    nilu_graph *g;
    nilu_store *store;
    nilu_plan *plan;
    int nlayer, forward; /* forward: nodes of the model; the loss and the way back come after them */
    scene_layer *layer;
    forensics_site *site; /* those of the layers once more, in one piece */
    int nroad;
    scene_road *road;
    const nilu_tensor *answer;
    double *x, *y, *target, *direction, *at_x[NILU_STARTS];
    double loss, gap;
    int32_t label;
    int accused, rival;
};

#define SCALARS 3 /* y, loss, gap come first among the fetches, then the error at x from both starts */
#define HEAD (SCALARS + NILU_STARTS)
/* Of a layer: x, z, a, slope, u, scale, then received, delta, passed and gradient from both starts; what a layer lacks is
 * fetched as y once more. */
enum { X, Z, A, SLOPE, U, SCALE, RECEIVED, DELTA = RECEIVED + NILU_STARTS, PASSED = DELTA + NILU_STARTS,
       GRADIENT = PASSED + NILU_STARTS, EACH = GRADIENT + NILU_STARTS };

/* Adds the roads to the scene, and a sum for each to the fetches *list, which grows; `depends`: room for its nodes. */
nilu_status forensics_add_roads(nilu_scene *s, bool *depends, nilu_tensor ***list);

#endif
