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

#endif
