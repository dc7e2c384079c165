/* Training pictures, changed anew in each epoch: mirrored, shifted, partly covered, in other light, mixed. What happens to a
 * sample is a pure function of (seed, epoch, sample), and what is mixed of (seed, epoch, batch): the same bits with any
 * number of threads, and after an interruption. */
#ifndef DATA_AUGMENT_H
#define DATA_AUGMENT_H

#include "data/data.h"

typedef enum augment_flip { AUGMENT_NO_FLIP, AUGMENT_FLIP, AUGMENT_ALTFLIP } augment_flip;

typedef struct data_augment {
    augment_flip flip; /* left for right by chance; or in every other epoch, from the first or the second on by chance */
    int shift;         /* up to so many pixels in either direction */
    bool reflect;      /* what comes in is reflected at the edge; else it is the training part's mean */
    int cutout;        /* side of a square that is covered by that mean */
    double colour;     /* brightness, contrast and saturation change by up to this share; 0: not */
    double mixup;      /* samples are mixed in pairs by shares of Beta(mixup, mixup); 0: not */
} data_augment;

/* Reads "flip, crop 4, cutout 8, …"; NULL or "": nothing. `data` is what it is for. */
nilu_status data_augment_read(nilu *nl, const nilu_data *data, const char *text, data_augment *a);
/* Does it change pictures one by one? */
bool data_augment_changes(const data_augment *a);
/* Numbers of room that it takes. */
int64_t data_augment_room(const nilu_data *d);
/* Changes n samples x [n, features] in place, which are index[n] of the training part. */
void data_augment_batch(const nilu_data *d, const data_augment *a, uint64_t seed, int64_t epoch, const int64_t *index,
                        int64_t n, float *x, float *room);
/* Mixes samples i and n-1-i, the order of a batch being by chance anyway; returns the share that a sample keeps. Targets
 * [n, outputs] are mixed likewise, and of labels [n] those mixed in are put into other[n]; each may be NULL. */
float data_augment_mix(const nilu_data *d, const data_augment *a, uint64_t seed, int64_t epoch, int64_t batch, int64_t n,
                       float *x, float *targets, const int32_t *labels, int32_t *other);

#endif
