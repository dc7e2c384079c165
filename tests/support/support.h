/* What many tests share: a context that counts and fails allocations, and comparisons that a NaN cannot pass. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "nilu.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Allocations so far, those still alive, and the one that fails (0: none). */
typedef struct support_memory {
    long made, alive, fail_at;
} support_memory;
nilu_allocator support_allocator(support_memory *m);
/* A context with `threads` threads; `m` may be NULL. */
nilu *support_context(int threads, support_memory *m);
/* Calls body(nl, user) with the 1st, 2nd, … allocation failing until it gets through; fails if anything leaks, or if a
 * failure is reported as anything but NILU_E_NO_MEMORY. */
void support_fail_each(int threads, nilu_status (*body)(nilu *nl, void *user), void *user);
/* The same in a context of `m` in which other things are open: each failure leaves what is alive as it was. */
void support_fail_within(nilu *nl, support_memory *m, nilu_status (*body)(nilu *nl, void *user), void *user);

#define assert_ok(nl, expr)                                                                                            \
    do {                                                                                                               \
        nilu_status ok_ = (expr);                                                                                      \
        if (ok_ != NILU_OK)                                                                                            \
            fail_msg("%s: %s", #expr, nilu_errmsg(nl));                                                                \
    } while (0)
/* |got - want| <= tolerance * max(1, |want|) */
#define assert_near(got, want, tolerance)                                                                              \
    do {                                                                                                               \
        double got_ = (got), want_ = (want), most_ = (tolerance) * (fabs(want_) > 1 ? fabs(want_) : 1);                \
        if (!(fabs(got_ - want_) <= most_))                                                                            \
            fail_msg("%s is %.17g, not %.17g (within %g)", #got, got_, want_, most_);                                  \
    } while (0)
#define assert_contains(text, part)                                                                                    \
    do {                                                                                                               \
        if (!strstr((text), (part)))                                                                                   \
            fail_msg("\"%s\" does not contain \"%s\"", (text), (part));                                                \
    } while (0)

#endif
