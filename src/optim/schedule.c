/* Schedules: what the learning rate is multiplied with at update u, as f64 nodes computed from the number of updates made
 * so far; so a schedule is part of the step, and a resumed training goes on where it was. With w warm-up updates,
 *     factor(u) = warm(min(u, w)) · fall(max(u − w, 0)),     warm(u) = start + (1 − start) u / w. */
#include "optim/optim.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846
/* Of OneCycleLR: 1 / div_factor, and 1 / (div_factor * final_div_factor). */
#define CYCLE_START (1.0 / 25)
#define CYCLE_END (1.0 / 25 / 1e4)

static const char *const names[] = {[NILU_SCHEDULE_CONSTANT] = "constant", [NILU_SCHEDULE_STEP] = "step",
                                    [NILU_SCHEDULE_LINEAR] = "linear", [NILU_SCHEDULE_COSINE] = "cosine",
                                    [NILU_SCHEDULE_ONECYCLE] = "onecycle"};

const char *nilu_schedule_name(int i)
{
    return i >= 0 && i < (int)COUNT(names) ? names[i] : NULL;
}

static nilu_status fill(nilu *nl, const char *what, double *field, double otherwise, double low, double high)
{
    if (isnan(*field))
        *field = otherwise;
    if (!(*field >= low && *field <= high))
        return base_fail(nl, NILU_E_USAGE, N_("schedule: %s is %g; give a number from %g to %g"), what, *field, low, high);
    return NILU_OK;
}

nilu_status optim_schedule_check(nilu *nl, nilu_schedule *s)
{
    if (!nilu_schedule_name((int)s->kind))
        return base_fail(nl, NILU_E_USAGE, N_("schedule: %d is no kind of schedule; use constant, step, linear, cosine or "
                                              "onecycle"), (int)s->kind);
    const char *name = names[s->kind];
    if (s->warmup < 0 || s->total < 0 || s->every < 0)
        return base_fail(nl, NILU_E_USAGE, N_("schedule: %s has a negative number of updates; give 0 or more"), name);
    NILU_TRY(fill(nl, "start", &s->start, s->warmup > 0 ? 1.0 / (double)s->warmup : 1, 0, 1));
    NILU_TRY(fill(nl, "gamma", &s->gamma, 0.1, 0, 1e6));
    NILU_TRY(fill(nl, "final", &s->final, 0, 0, 1));
    NILU_TRY(fill(nl, "rise", &s->rise, 0.3, 1e-9, 1));
    bool ends = s->kind == NILU_SCHEDULE_LINEAR || s->kind == NILU_SCHEDULE_COSINE || s->kind == NILU_SCHEDULE_ONECYCLE;
    if (ends && s->total <= s->warmup)
        return base_fail(nl, NILU_E_USAGE, N_("schedule: %s lasts %lld updates of which %lld are warm-up; give a larger total"),
                         name, (long long)s->total, (long long)s->warmup);
    if (s->kind == NILU_SCHEDULE_STEP && s->every == 0)
        return base_fail(nl, NILU_E_USAGE, N_("schedule: step needs to know after how many updates the rate falls; set every"));
    if (s->kind == NILU_SCHEDULE_ONECYCLE && s->warmup > 0)
        return base_fail(nl, NILU_E_USAGE, N_("schedule: onecycle begins with its own rise; leave the warm-up out, or set rise"));
    return NILU_OK;
}

/* from + (to - from) * share */
static nilu_tensor *line(nilu_tensor *share, double from, double to)
{
    return nilu_shift(nilu_scale(share, to - from), from);
}

/* The same along half a cosine: to + (from - to) / 2 * (1 + cos(pi * share)). */
static nilu_tensor *wave(nilu_tensor *share, double from, double to)
{
    return nilu_shift(nilu_scale(nilu_shift(nilu_cos(nilu_scale(share, PI)), 1), (from - to) / 2), to);
}

/* Up to 1 in the first `rise` of the updates, down in the rest. A rise of less than an update leaves only the fall. */
static nilu_tensor *cycle(nilu_graph *g, const nilu_schedule *s, nilu_tensor *u)
{
    double last = (double)s->total - 1, top = s->rise * (double)s->total - 1;
    u = nilu_minimum(u, optim_number(g, last));
    if (top >= last)
        return wave(nilu_div(u, optim_number(g, last > 0 ? last : 1)), CYCLE_START, 1);
    if (top <= 0)
        return wave(nilu_div(u, optim_number(g, last > 0 ? last : 1)), 1, CYCLE_END);
    nilu_tensor *up = wave(nilu_div(u, optim_number(g, top)), CYCLE_START, 1);
    nilu_tensor *down = wave(nilu_div(nilu_shift(u, -top), optim_number(g, last - top)), 1, CYCLE_END);
    return nilu_where(nilu_le(u, optim_number(g, top)), up, down);
}

static nilu_tensor *fall(nilu_graph *g, const nilu_schedule *s, nilu_tensor *u)
{
    nilu_tensor *length = NULL;
    if (s->kind == NILU_SCHEDULE_LINEAR || s->kind == NILU_SCHEDULE_COSINE) {
        length = optim_number(g, (double)(s->total - s->warmup));
        u = nilu_div(nilu_minimum(u, length), length);
    }
    switch (s->kind) {
    case NILU_SCHEDULE_STEP:
        return nilu_pow(optim_number(g, s->gamma), nilu_floor(nilu_div(u, optim_number(g, (double)s->every))));
    case NILU_SCHEDULE_LINEAR:
        return line(u, 1, s->final);
    case NILU_SCHEDULE_COSINE:
        return wave(u, 1, s->final);
    case NILU_SCHEDULE_ONECYCLE:
        return cycle(g, s, u);
    case NILU_SCHEDULE_CONSTANT:
        break;
    }
    return NULL;
}

nilu_tensor *optim_schedule(nilu_graph *g, const nilu_schedule *s, nilu_tensor *done)
{
    if (s->warmup == 0)
        return fall(g, s, done);
    nilu_tensor *length = optim_number(g, (double)s->warmup);
    nilu_tensor *warm = line(nilu_div(nilu_minimum(done, length), length), s->start, 1);
    if (s->kind == NILU_SCHEDULE_CONSTANT)
        return warm;
    nilu_tensor *past = nilu_maximum(nilu_sub(done, length), optim_number(g, 0));
    return nilu_mul(warm, fall(g, s, past));
}
