/* run: the plan is executed: feeds in, one walk over the instructions, fetches out. */
#ifndef RUN_H
#define RUN_H

#include "plan/plan.h"

/* Where all threads of a step meet. Spins briefly, then lets others have the core. */
typedef struct run_barrier {
    int threads;
    int arrived;
    int round;
    const int *watch; /* looked at by the last to arrive; what it saw is the same for all */
    int seen;
} run_barrier;
int run_meet(run_barrier *b); /* returns what was seen */

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

#endif
