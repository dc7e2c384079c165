/* How weights begin, by name. The spread of a layer's weights is chosen so that the variance of what passes stays the
 * same on the way forward (fan-in), on the way back (fan-out) or both; an even distribution over ± a has variance a²/3. */
#include "nn/nn.h"

#include <math.h>
#include <string.h>

typedef enum fan { NO_FAN, FAN_IN, FAN_MEAN } fan;

/* A distribution whose variance is gain² / fan, or (NO_FAN) whose number is `otherwise` unless one is given. */
typedef struct row {
    const char *name;
    nilu_init_kind kind;
    fan fan;
    double otherwise; /* with a fan: the variance times the fan */
} row;

static const row rows[] = {
    {"zeros", NILU_INIT_CONSTANT, NO_FAN, 0},
    {"ones", NILU_INIT_CONSTANT, NO_FAN, 1},
    {"constant", NILU_INIT_CONSTANT, NO_FAN, 0},
    {"uniform", NILU_INIT_UNIFORM, NO_FAN, 0.05},
    {"normal", NILU_INIT_NORMAL, NO_FAN, 0.05},
    {"orthogonal", NILU_INIT_ORTHOGONAL, NO_FAN, 1},
    {"eye", NILU_INIT_EYE, NO_FAN, 1},
    {"xavier_uniform", NILU_INIT_UNIFORM, FAN_MEAN, 1},
    {"xavier_normal", NILU_INIT_NORMAL, FAN_MEAN, 1},
    {"he_uniform", NILU_INIT_UNIFORM, FAN_IN, 2},
    {"he_normal", NILU_INIT_NORMAL, FAN_IN, 2},
    {"lecun_uniform", NILU_INIT_UNIFORM, FAN_IN, 1},
    {"lecun_normal", NILU_INIT_NORMAL, FAN_IN, 1},
    {"linear", NILU_INIT_UNIFORM, FAN_IN, 1.0 / 3},
    {"glorot_uniform", NILU_INIT_UNIFORM, FAN_MEAN, 1},
    {"glorot_normal", NILU_INIT_NORMAL, FAN_MEAN, 1},
    {"kaiming_uniform", NILU_INIT_UNIFORM, FAN_IN, 2},
    {"kaiming_normal", NILU_INIT_NORMAL, FAN_IN, 2},
};

const char *nilu_init_name(int i)
{
    return i >= 0 && i < (int)COUNT(rows) ? rows[i].name : NULL;
}

static const row *find(const char *name, size_t n)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if (strlen(rows[i].name) == n && memcmp(rows[i].name, name, n) == 0)
            return &rows[i];
    return NULL;
}

nilu_status nilu_init_named(nilu *nl, const char *name, int64_t fan_in, int64_t fan_out, nilu_init *init)
{
    const char *colon = strchr(name, ':');
    size_t n = colon ? (size_t)(colon - name) : strlen(name);
    const row *r = find(name, n);
    double number = NAN;
    if (!r) {
        char word[NN_MAX_NAME], suggestion[256];
        snprintf(word, sizeof word, "%.*s", n < NN_MAX_NAME ? (int)n : NN_MAX_NAME - 1, name);
        return base_fail(nl, NILU_E_USAGE, N_("there are no initial values called %s; %s"), word,
                         nn_suggest(word, nilu_init_name, "initial values are", suggestion));
    }
    if (colon && !nn_number(colon + 1, &number))
        return base_fail(nl, NILU_E_USAGE, N_("initial values %s: %s is not a number; write for example %s:0.5"), name,
                         colon + 1, r->name);
    if (r->fan == NO_FAN) {
        double a = isnan(number) ? r->otherwise : number;
        init->kind = r->kind;
        init->a = r->kind == NILU_INIT_UNIFORM ? -a : r->kind == NILU_INIT_NORMAL ? 0 : a;
        init->b = r->kind == NILU_INIT_UNIFORM || r->kind == NILU_INIT_NORMAL ? a : 0;
        return NILU_OK;
    }
    double fans = r->fan == FAN_IN ? (double)fan_in : ((double)fan_in + (double)fan_out) / 2;
    double deviation = sqrt(r->otherwise / (fans > 0 ? fans : 1)) * (isnan(number) ? 1 : number);
    if (r->kind == NILU_INIT_NORMAL)
        *init = (nilu_init){NILU_INIT_NORMAL, 0, deviation};
    else
        *init = (nilu_init){NILU_INIT_UNIFORM, -deviation * sqrt(3), deviation * sqrt(3)};
    return NILU_OK;
}
