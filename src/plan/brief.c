/* The brief of a plan that one thread runs: worth it where there are arrays of a few numbers. */
#include "plan/plan.h"

#define MOST 100 /* instructions: a larger plan has other things to wait for */

nilu_status plan_brief(nilu_plan *p)
{
    if (p->reference || p->threads > 1 || p->nstep > MOST)
        return NILU_OK;
    NILU_TRY(cpu_brief_new(p->nl, p->isa, &p->brief));
    for (int i = 0; i < p->nstep; i++) {
        const plan_step *s = &p->step[i];
        uint32_t ragged = 0;
        for (int k = 0; k < s->call.nin && k < 32; k++) {
            const plan_where where = p->buffer[s->in[k]].where;
            ragged |= where == PLAN_FEED || where == PLAN_CONSTANT ? 1u << k : 0;
        }
        NILU_TRY(cpu_brief_add(p->brief, s->kernel, &s->call, &s->job, ragged, p->local));
    }
    if (cpu_brief_helps(p->brief))
        return NILU_OK;
    cpu_brief_free(p->brief);
    p->brief = NULL;
    return NILU_OK;
}
