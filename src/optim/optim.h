/* optim: how a gradient becomes a change of the weights, as nodes of the same graph. An optimizer is one file with one
 * rule, and one row in the table of minimise.c.
 *
 * Invariants: what is the same for every element (rate, bias corrections) is worked out apart, in f64 scalars; the update
 * of one parameter is a chain of elementwise nodes over (w, g, states) with those scalars cast to the arithmetic of the
 * chain and nothing reshaped on the way, so that a pass can fuse it into one loop. States change in updates alone. */
#ifndef OPTIM_H
#define OPTIM_H

#include "graph/graph.h"

#define OPTIM_MAX_SCALARS 5

/* What all parameters of one update share. */
typedef struct optim_update {
    nilu_graph *g;
    const nilu_optimizer_options *o; /* resolved: every field has a value */
    nilu_tensor *rate;               /* f64 scalar: learning rate of this update */
    nilu_tensor *count;              /* f64 scalar: number of this update, from 1 */
    nilu_tensor *due;                /* bool scalar: does the update happen in this step? NULL: always */
} optim_update;

/* One parameter's update. */
typedef struct optim_site {
    const optim_update *all;
    nilu_tensor *w, *g;     /* value and gradient in `dtype` */
    nilu_dtype dtype;       /* arithmetic: the parameter's, but f32 for bf16 */
    nilu_tensor *k[OPTIM_MAX_SCALARS]; /* the rule's scalars in `dtype`; k[0] of a rule without own ones is the rate */
} optim_site;

typedef struct optim_rule {
    const char *name;
    nilu_optimizer_options otherwise; /* the defaults of the fields that the rule reads */
    /* Fills f64 scalars; NULL: k[0] = rate. Nodes may be NULL after an error: builder calls pass it on. */
    void (*scalars)(const optim_update *u, nilu_tensor *k[OPTIM_MAX_SCALARS]);
    nilu_tensor *(*step)(const optim_site *s); /* the parameter's new value, in s->dtype */
} optim_rule;

/* A state of the parameter that is being updated, of its shape, and its value after this update. */
nilu_tensor *optim_state(const optim_site *s, const char *name, double value);
void optim_keep(const optim_site *s, nilu_tensor *state, nilu_tensor *value);
/* old + share * (new - old): an average that forgets. */
nilu_tensor *optim_average(nilu_tensor *old, nilu_tensor *fresh, double share);
/* An f64 scalar. */
nilu_tensor *optim_number(nilu_graph *g, double value);
/* The gradient with decay * w added, where there is decay. */
nilu_tensor *optim_decayed(const optim_site *s);

/* Adds the averages of all parameters that the graph assigns. */
void optim_ema(const optim_update *u);

/* What the rate is multiplied with, from the number of updates made so far (f64 scalar); NULL: always 1. */
nilu_tensor *optim_schedule(nilu_graph *g, const nilu_schedule *s, nilu_tensor *done);
nilu_status optim_schedule_check(nilu *nl, nilu_schedule *s); /* fills in unset fields */

/* f64 2-norm of all gradients together. */
nilu_tensor *optim_norm(nilu_graph *g, int n, nilu_tensor *const *grads);
/* What gradients of that norm are multiplied with to have at most the norm `most`: f64 scalar. */
nilu_tensor *optim_shrink(nilu_graph *g, nilu_tensor *norm, double most);

extern const optim_rule optim_sgd, optim_momentum, optim_nesterov, optim_rmsprop, optim_adagrad, optim_adadelta,
    optim_adam, optim_adamw, optim_lion, optim_muon;
/* AdamW as muon uses it for what is no matrix: rate in k[0] … as optim_adamw's. */
void optim_adamw_scalars(const optim_update *u, nilu_tensor *rate, nilu_tensor *k[3]);
nilu_tensor *optim_adamw_step(const optim_site *s, double eps, nilu_tensor *const k[3]);

#endif
