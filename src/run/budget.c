/* Steps within a budget of time: for programs that have something else to do. The next step is expected to take what the
 * slowest took that is not forgotten: what is rare comes again. */
#include "run/run.h"


#define FADE 0.95 /* of the expectation is left after each quicker step */

nilu_status nilu_step_for(nilu_plan *p, int64_t microseconds, int64_t *steps)
{
    double at = base_now(), end = at + 1e-6 * (double)microseconds;
    *steps = 0;
    while (at + p->expected <= end) {
        NILU_TRY(nilu_step(p));
        double after = base_now(), took = after - at;
        p->expected = took > FADE * p->expected ? took : FADE * p->expected;
        at = after;
        ++*steps;
    }
    if (*steps == 0)
        p->expected *= FADE; /* or one slow step would be the last */
    return NILU_OK;
}
