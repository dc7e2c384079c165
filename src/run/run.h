/* run: the plan is executed: feeds in, one walk over the instructions, fetches out. */
#ifndef RUN_H
#define RUN_H

#include "plan/plan.h"

/* Where all threads of a step meet. Spins briefly, then lets others have the core. */
typedef struct run_barrier {
    int arrived;
    int round;
    const int *watch; /* looked at by the last to arrive; what it saw is the same for all */
    int seen;
} run_barrier;
int run_meet(run_barrier *b, int all); /* of `all` threads; returns what was seen */

/* Are all inputs fed? Then the plan is made ready for a step. */
nilu_status run_ready(nilu_plan *p);
/* What the step came to. */
nilu_status run_outcome(const nilu_plan *p);
/* One instruction, by one thread alone, or by all together, of which the caller is number `me`. */
void run_alone(nilu_plan *p, const plan_step *s);
void run_share(nilu_plan *p, const plan_step *s, run_barrier *barrier, int me, int all);
/* Denormals are zero from here on in this thread; end gives back what begin found. */
unsigned run_flush_begin(void);
void run_flush_end(unsigned before);

/* ---- derivatives are checked. Given weights u, a value y of parts x is one number f = Σ u_i y_i, and along a line x + t·v
 * its slope must be Σ g · v: v is one element, or a random direction. */
typedef struct run_part {
    const char *name;
    double *x;       /* what the plans read; it is moved and put back */
    const double *g; /* the gradient to be checked: fetched */
    double *v, *at;  /* a direction; x as it was */
    int64_t n;
} run_part;
typedef struct run_probe {
    nilu *nl;
    const nilu_gradcheck_options *options;
    nilu_gradcheck_report *report;
    const char *subject, *alone; /* "relu, case \"random\": the gradient of"; the command that runs this alone */
    nilu_plan *value;            /* its fetch 0 is y */
    const double *u;             /* [elements of y]; NULL: y is one number */
    int n;
    run_part *part;
    nilu_store *kept; /* what steps may change: put back before each; NULL: nothing */
    void **copy;      /* of its values */
    double rounding;  /* size of the terms that f is made of, and */
    double reach;     /* of the largest x: how far f can be trusted */
} run_probe;
/* Checks elements of every part, and one direction through all of them. */
nilu_status run_probe_parts(run_probe *p);
/* Counts a comparison of `got` with `expected`, for numbers of about `scale`; writes the sentence of the worst. */
bool run_judge(run_probe *p, const char *what, int64_t element, double got, double expected, double scale);

#endif
