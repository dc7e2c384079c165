/* What the benchmarks of single instructions share. */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include "nilu.h"

#include <stdlib.h>

static void step(void *plan)
{
    nilu_step(plan);
}

static nilu *context(int threads)
{
    nilu_options options = NILU_OPTIONS_DEFAULT;
    options.threads = threads;
    options.isa = getenv("NILU_ISA");
    return nilu_new(&options, NULL);
}

#endif
