/* One step. With one thread, or when there is little to share, a plain loop over the instructions. Otherwise one
 * parallel region in which all threads walk the list together: each runs its share of an instruction's tiles, then what is
 * left of others' shares, because cores are never equally fast for long; and they meet only where the plan says that one
 * must wait for the other. Which thread runs a tile, and when, changes no bit. */
#include "run/run.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#include <sched.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* Denormals are flushed in every thread for the time of a step: they cost a hundred times as much and mean nothing. */
unsigned run_flush_begin(void)
{
#if defined(__x86_64__)
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
#elif defined(__aarch64__)
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | (1u << 24)));
    return (unsigned)before;
#else
    return 0;
#endif
}

void run_flush_end(unsigned before)
{
#if defined(__x86_64__)
    _mm_setcsr(before);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)before));
#else
    (void)before;
#endif
}

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
    _mm_pause();
#endif
}

#define SPINS 4000

int run_meet(run_barrier *b, int all)
{
    int round = __atomic_load_n(&b->round, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&b->arrived, 1, __ATOMIC_ACQ_REL) == all) {
        b->seen = __atomic_load_n(b->watch, __ATOMIC_ACQUIRE);
        __atomic_store_n(&b->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&b->round, round + 1, __ATOMIC_RELEASE);
        return b->seen;
    }
    for (int i = 0; __atomic_load_n(&b->round, __ATOMIC_ACQUIRE) == round; i++)
        if (i < SPINS)
            pause_briefly();
        else
            sched_yield();
    return b->seen;
}

/* Tiles begin .. end-1, and those of the next instruction that run behind them and waited for these alone. */
static void run_tiles(const nilu_plan *p, const plan_step *s, int phase, int64_t begin, int64_t end, void *local)
{
    const plan_behind *b = s->behind;
    if (!b || p->apart || phase + 1 < s->job.phases) {
        s->kernel->run(&s->call, phase, begin, end, local);
        return;
    }
    for (int64_t t = begin; t < end; t++) {
        s->kernel->run(&s->call, phase, t, t + 1, local);
        for (int32_t i = b->waits[t][0]; i < b->waits[t][1]; i++)
            if (__atomic_sub_fetch(&b->left[i], 1, __ATOMIC_ACQ_REL) == 0) {
                b->left[i] = b->all[i]; /* for the next step: in this one nobody looks at it any more */
                run_tiles(p, s + 1, 0, i, i + 1, local);
            }
    }
}

/* The first phase that is still to be run. */
static int first_phase(const nilu_plan *p, const plan_step *s)
{
    return !p->apart && plan_runs_behind(p, s);
}

void run_alone(nilu_plan *p, const plan_step *s)
{
    if (!s->kernel) {
        s->call.op->ref(&s->call);
        return;
    }
    for (int phase = first_phase(p, s); phase < s->job.phases; phase++)
        run_tiles(p, s, phase, 0, s->job.tiles[phase], p->local);
}

#define HELPED 8 /* threads whose shares are looked at: each look may ask another core for a line */

/* Takes half of what is left of a share, so that pieces are large at first and small at last; false: nothing is. */
static bool take(int64_t *taken, int64_t share, int64_t *first, int64_t *some)
{
    int64_t t = __atomic_load_n(taken, __ATOMIC_RELAXED);
    do {
        if (t >= share)
            return false;
        *some = (share - t + 1) / 2;
    } while (!__atomic_compare_exchange_n(taken, &t, t + *some, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    *first = t;
    return true;
}

void run_share(nilu_plan *p, const plan_step *s, run_barrier *barrier, int me, int all)
{
    void *local = p->local + p->local_bytes * (size_t)me;
    if (s->alone || all == 1) {
        if (me == 0)
            run_alone(p, s);
        return;
    }
    for (int phase = first_phase(p, s); phase < s->job.phases; phase++) {
        const int64_t tiles = s->job.tiles[phase];
        if (phase)
            run_meet(barrier, all);
        for (int k = 0; k < all && k <= HELPED; k++) {
            const int who = (me + k) % all;
            const int64_t begin = tiles * who / all, share = tiles * (who + 1) / all - begin;
            int64_t first, some;
            while (take(p->taken + p->taken_far * who + s->taken + phase, share, &first, &some))
                run_tiles(p, s, phase, begin + first, begin + first + some, local);
        }
    }
}

static void walk_alone(nilu_plan *p)
{
    for (int i = 0; i < p->nstep; i++) {
        run_alone(p, &p->step[i]);
        if (p->step[i].job.faults && p->fault.raised)
            return;
    }
}

/* Small instructions follow each other on the first thread, which itself leaves out what comes behind bad data; the others
 * learn of it where all meet next. */
static void walk_together(nilu_plan *p, run_barrier *barrier, int me, int all)
{
    for (int i = 0; i < p->nstep; i++) {
        const plan_step *s = &p->step[i];
        if (s->wait && run_meet(barrier, all))
            return; /* bad data: nobody goes on */
        if (!(s->alone && me == 0 && __atomic_load_n(&p->fault.raised, __ATOMIC_RELAXED)))
            run_share(p, s, barrier, me, all);
    }
}

nilu_status run_ready(nilu_plan *p)
{
    for (int i = 0; i < p->nfeed; i++)
        if (!p->buffer[p->feed[i].buffer].data)
            return base_fail(p->nl, NILU_E_USAGE, N_("%s: this input was never fed; call nilu_feed before nilu_step"),
                             p->feed[i].node->name);
    p->fault.raised = 0;
    if (p->threads > 1)
        memset(p->taken, 0, (size_t)(p->taken_far * p->threads) * sizeof *p->taken);
    return NILU_OK;
}

nilu_status run_outcome(const nilu_plan *p)
{
    return p->fault.raised ? base_fail(p->nl, NILU_E_RANGE, "%s", p->fault.text) : NILU_OK;
}

nilu_status nilu_step(nilu_plan *p)
{
    NILU_TRY(run_ready(p));
    if (p->threads == 1) {
        unsigned before = run_flush_begin();
        if (p->brief)
            cpu_brief_run(p->brief, &p->fault);
        else
            walk_alone(p);
        run_flush_end(before);
    } else {
        run_barrier barrier = {.watch = &p->fault.raised};
#pragma omp parallel num_threads(p->threads)
        {
#ifdef _OPENMP
            int me = omp_get_thread_num(), all = omp_get_num_threads();
#else
            int me = 0, all = 1;
#endif
            unsigned before = run_flush_begin();
            walk_together(p, &barrier, me, all);
            run_flush_end(before);
        }
    }
    return run_outcome(p);
}

/* To an input that nothing needs; of the wrong size it is a mistake all the same. */
static bool dropped(const nilu_plan *p, const char *name, const void *data, size_t bytes)
{
    for (int i = 0; i < p->nunread; i++)
        if (strcmp(p->unread[i].name, name) == 0)
            return data && p->unread[i].bytes == bytes;
    return false;
}

nilu_status nilu_feed(nilu_plan *p, const char *name, const void *data, size_t bytes)
{
    plan_feed *f = NULL;
    for (int i = 0; i < p->nfeed && !f; i++)
        if (strcmp(p->feed[i].node->name, name) == 0)
            f = &p->feed[i];
    if (!f && dropped(p, name, data, bytes))
        return NILU_OK;
    if (!f) {
        const char *names[16];
        size_t n = 0;
        for (int i = 0; i < p->nunread; i++)
            if (strcmp(p->unread[i].name, name) == 0)
                return base_fail(p->nl, NILU_E_SHAPE, N_("%s: takes %zu bytes, but was fed %zu bytes"), name, p->unread[i].bytes,
                                 data ? bytes : 0);
        for (int i = 0; i < p->nfeed && n < COUNT(names); i++)
            names[n++] = p->feed[i].node->name;
        const char *near = base_nearest(name, names, n);
        return near ? base_fail(p->nl, NILU_E_NAME, N_("%s: the plan has no input of this name; did you mean \"%s\"?"), name, near)
                    : base_fail(p->nl, NILU_E_NAME, N_("%s: the plan has no input of this name"), name);
    }
    char dims[BASE_SHAPE_TEXT];
    if (!data || bytes != f->bytes)
        return base_fail(p->nl, NILU_E_SHAPE, N_("%s: is %s %s, %zu bytes, but was fed %zu bytes"), name,
                         nilu_dtype_name(f->node->out[0].dtype), base_shape_text(f->node->out[0].shape, dims), f->bytes,
                         data ? bytes : 0);
    p->buffer[f->buffer].data = (void *)data; /* read only */
    for (int i = 0; i < f->nuse; i++)
        p->step[f->use[i][0]].call.in[f->use[i][1]].data = (void *)data;
    return NILU_OK;
}

const void *nilu_fetched(const nilu_plan *p, int i)
{
    return i >= 0 && i < p->nfetch ? p->buffer[p->fetch[i].buffer].data : NULL;
}

nilu_shape nilu_fetched_shape(const nilu_plan *p, int i)
{
    return i >= 0 && i < p->nfetch ? p->fetch[i].shape : NILU_SCALAR;
}

nilu_dtype nilu_fetched_dtype(const nilu_plan *p, int i)
{
    return i >= 0 && i < p->nfetch ? p->fetch[i].dtype : NILU_F32;
}
