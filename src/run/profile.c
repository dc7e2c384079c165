/* Where the time of a step goes. A profiled step is an ordinary one, but that all threads meet after every instruction and
 * the first of them reads the clock there, so that an instruction's time is that of its slowest share; and none runs behind the
 * tiles of another. Meetings and ways to memory cost something, which is why a profiled step is a little longer than a step. */
#include "run/run.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#include <time.h>

static void walk(nilu_plan *p, run_barrier *barrier, int me, int all, double *seconds)
{
    double before = base_now();
    for (int i = 0; i < p->nstep; i++) {
        run_share(p, &p->step[i], barrier, me, all);
        bool stop = run_meet(barrier, all);
        if (me == 0) {
            double after = base_now();
            seconds[i] += after - before;
            before = after;
        }
        if (stop)
            return;
    }
}

nilu_status nilu_profile_step(nilu_plan *p, double *seconds)
{
    NILU_TRY(run_ready(p));
    run_barrier barrier = {.watch = &p->fault.raised};
    p->apart = true;
#pragma omp parallel num_threads(p->threads) if (p->threads > 1)
    {
#ifdef _OPENMP
        int me = omp_get_thread_num(), all = omp_get_num_threads();
#else
        int me = 0, all = 1;
#endif
        unsigned before = run_flush_begin();
        walk(p, &barrier, me, all, seconds);
        run_flush_end(before);
    }
    p->apart = false;
    return run_outcome(p);
}
