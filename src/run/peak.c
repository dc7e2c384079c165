/* What this machine can do at most, measured here and now: the yardstick of benchmarks and profiles. */
#include "run/run.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#include <string.h>

#define TRIALS 7
#define TRIAL_SECONDS 0.02

/* The best of some trials: others may want the machine too, but nobody can make it faster than it is. */
double nilu_peak_flops(nilu *nl)
{
    const cpu_isa *isa = cpu_isa_find(nl->options.isa);
    double best = 0;
    if (!isa)
        return 0;
    int64_t rounds = 1000;
    float sink[64];
    for (double t = 0; t < TRIAL_SECONDS; rounds *= 2) {
        double begin = base_now();
        isa->peak(rounds, &sink[0]);
        t = base_now() - begin;
    }
    for (int trial = 0; trial < TRIALS; trial++) {
        double flops = 0, begin = base_now();
#pragma omp parallel num_threads(nl->threads) reduction(+ : flops) if (nl->threads > 1)
        {
            float mine;
            flops += isa->peak(rounds, &mine);
        }
        double rate = flops / (base_now() - begin);
        best = rate > best ? rate : best;
    }
    return best;
}

#define BUFFER ((size_t)64 << 20) /* of each thread: well beyond its caches */

double nilu_peak_bytes(nilu *nl)
{
    double best = 0;
    size_t all = BUFFER * (size_t)nl->threads;
    char *from = base_alloc_aligned(nl, all), *to = base_alloc_aligned(nl, all);
    for (int trial = 0; trial < 3 && from && to; trial++) {
        double begin = base_now();
#pragma omp parallel for num_threads(nl->threads) schedule(static) if (nl->threads > 1)
        for (int t = 0; t < nl->threads; t++)
            memcpy(to + BUFFER * (size_t)t, from + BUFFER * (size_t)t, BUFFER);
        double rate = 2 * (double)all / (base_now() - begin);
        best = rate > best ? rate : best;
    }
    base_free_aligned(nl, from);
    base_free_aligned(nl, to);
    return best;
}
