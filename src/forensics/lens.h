/* What dreams and acquittals share: pictures, and the networks that look at them. */
#ifndef FORENSICS_LENS_H
#define FORENSICS_LENS_H

#include "forensics/forensics.h"

#define LENS_CHANNELS 3

typedef struct forensics_lens {
    int height, width, channels;                      /* of the pictures that the network was trained on */
    bool planes;                                      /* features are [channels][height][width], not [height][width][channels] */
    float factor[LENS_CHANNELS], term[LENS_CHANNELS]; /* feature = byte * factor + term */
    /* Of the training part's bytes, once forensics_lens_colours has looked at some: their mean, and the covariance of the
     * channels, scaled to a mean variance of 1. */
    double mean[LENS_CHANNELS], colours[LENS_CHANNELS][LENS_CHANNELS];
} forensics_lens;
/* The lens of a set; UNSUPPORTED if its samples are no pictures. */
nilu_status forensics_lens_of(nilu *nl, nilu_data *data, forensics_lens *l);
nilu_status forensics_lens_colours(nilu *nl, nilu_data *data, forensics_lens *l);
/* Pixels [height][width][channels] as the set would hand them out, to the same bits. */
void forensics_lens_features(const forensics_lens *l, const unsigned char *pixels, float *x);
/* The feature that byte i of [height][width][channels] becomes. */
int64_t forensics_lens_at(const forensics_lens *l, int64_t i);
/* The model's input for a picture [1, channels, h, w] of numbers from 0 to 1. */
nilu_tensor *forensics_lens_node(const forensics_lens *l, const nilu_model *m, nilu_tensor *picture);

/* What layer `name` gives, and what its function reads (*sums; the same where it has none), in a graph without a way back;
 * NULL: no node is its own. */
nilu_tensor *forensics_layer(nilu_graph *g, const char *name, nilu_tensor **sums);
/* Fails with NAME, and names those there are. */
nilu_status forensics_no_layer(nilu *nl, nilu_graph *g, const nilu_model *m, const char *name);

/* What a layer gives for the sample x [features]: *maps of *shape, [1, ..]; freed by base_free. */
nilu_status forensics_maps(nilu *nl, const nilu_inquiry_info *i, const char *layer, const float *x, nilu_shape *shape, float **maps);

/* [channels][height][width] in another size. */
nilu_status forensics_resample(nilu *nl, const float *from, int channels, int height, int width, float *to, int new_height, int new_width);

#endif
