/* The context: all that would otherwise be global. */
#include "base/base.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

extern const nilu_allocator base_malloc_allocator;

nilu *nilu_new(const nilu_options *options, const char **why)
{
    nilu_options o = NILU_OPTIONS_DEFAULT;
    const char *wrong = NULL;
    if (options && options->size != sizeof o)
        wrong = base_text(N_("nilu_new: options.size is not sizeof(nilu_options); start from NILU_OPTIONS_DEFAULT"));
    else if (options)
        o = *options;
    if (!wrong && (o.threads < 0 || o.threads > 1024))
        wrong = base_text(N_("nilu_new: threads must be 0 (all processors) to 1024"));
    if (!o.alloc.resize)
        o.alloc = base_malloc_allocator;
    nilu *nl = wrong ? NULL : o.alloc.resize(o.alloc.user, NULL, sizeof *nl);
    if (!nl && !wrong)
        wrong = base_text(N_("nilu_new: out of memory"));
    if (why)
        *why = wrong ? wrong : "";
    if (!nl)
        return NULL;
    memset(nl, 0, sizeof *nl);
    nl->options = o;
    nl->threads = o.threads;
    if (nl->threads == 0) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        nl->threads = n < 1 ? 1 : n > 1024 ? 1024 : (int)n;
    }
    return nl;
}

void nilu_free(nilu *nl)
{
    if (nl)
        nl->options.alloc.resize(nl->options.alloc.user, nl, 0);
}

const char *nilu_errmsg(const nilu *nl)
{
    return nl->message;
}

int nilu_threads(const nilu *nl)
{
    return nl->threads;
}

uint64_t nilu_seed(const nilu *nl)
{
    return nl->options.seed;
}

double base_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
