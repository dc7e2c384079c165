#include "support/support.h"

#include <malloc.h>

static void *resize(void *user, void *old, size_t size)
{
    support_memory *m = user;
    if (size == 0) {
        m->alive -= old != NULL;
        free(old);
        return NULL;
    }
    if (++m->made == m->fail_at)
        return NULL;
    void *p = realloc(old, size);
    m->alive += p && !old;
    return p;
}

nilu_allocator support_allocator(support_memory *m)
{
    return (nilu_allocator){resize, m};
}

nilu *support_context(int threads, support_memory *m)
{
    nilu_options o = NILU_OPTIONS_DEFAULT;
    o.threads = threads;
    o.seed = 7;
    o.isa = getenv("NILU_ISA");
    if (m)
        o.alloc = support_allocator(m);
    return nilu_new(&o, NULL);
}

void support_fail_each(int threads, nilu_status (*body)(nilu *nl, void *user), void *user)
{
    /* One by one at first, then every seventh: what comes late comes many times over. */
    for (long n = 1;; n += n < 1000 ? 1 : 7) {
        support_memory m = {.fail_at = n};
        nilu *nl = support_context(threads, &m);
        nilu_status status = nl ? body(nl, user) : NILU_E_NO_MEMORY;
        if (nl && status != NILU_OK && status != NILU_E_NO_MEMORY)
            fail_msg("allocation %ld failed, and the report was: %s", n, nilu_errmsg(nl));
        nilu_free(nl);
        if (m.alive)
            fail_msg("allocation %ld failed, and %ld blocks leaked", n, m.alive);
        if (m.made < n)
            return; /* it got through without meeting the failure */
        if (status == NILU_OK)
            fail_msg("allocation %ld failed, and nobody noticed", n);
    }
}

void support_fail_within(nilu *nl, support_memory *m, nilu_status (*body)(nilu *nl, void *user), void *user)
{
    const long alive = m->alive;
    for (long n = 1;; n += n < 1000 ? 1 : 7) {
        m->fail_at = m->made + n;
        nilu_status status = body(nl, user);
        bool met = m->made >= m->fail_at;
        m->fail_at = 0;
        if (status != NILU_OK && status != NILU_E_NO_MEMORY)
            fail_msg("allocation %ld failed, and the report was: %s", n, nilu_errmsg(nl));
        if (m->alive != alive)
            fail_msg("allocation %ld failed, and %ld blocks leaked", n, m->alive - alive);
        if (met && status == NILU_OK)
            fail_msg("allocation %ld failed, and nobody noticed", n);
        if (!met)
            return;
    }
}
