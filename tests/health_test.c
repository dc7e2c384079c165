/* Health: who looks changes no bit; sick trainings are told apart from healthy ones. */
#include "support/sets.h"

#include "train/train.h"

#include <unistd.h>

typedef struct seen {
    int n;
    char code[24][32];
} seen;

static void hear(void *user, const nilu_alarm *a)
{
    seen *s = user;
    assert_true(a->code[0] && a->evidence[0] && a->cause[0] && a->remedy[0]);
    if (s->n < 24)
        snprintf(s->code[s->n++], sizeof s->code[0], "%s", a->code);
}

static bool heard(const seen *s, const char *code)
{
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->code[i], code) == 0)
            return true;
    return false;
}

/* A training of clouds of four classes. */
typedef struct sick {
    const char *chain, *optimizer;
    double lr;
    const char *code; /* NULL: healthy */
} sick;

static const char *health_set;

static nilu_status train(nilu *nl, const sick *c, bool blind, seen *s, char hex[65])
{
    nilu_train_options o = NILU_TRAIN_DEFAULT;
    nilu_train_result r = {0};
    nilu_model *model = NULL;
    nilu_data *data = support_open(nl, health_set, 0.1);
    assert_ok(nl, nilu_model_chain(nl, c->chain, &model));
    o.optimizer.name = c->optimizer;
    if (c->lr >= 0)
        o.optimizer.lr = c->lr;
    o.batch = 16;
    o.epochs = 12;
    o.blind = blind;
    o.on_alarm = hear;
    o.user = s;
    nilu_status status = nilu_train(nl, model, data, &o, &r);
    if (status != NILU_E_NOT_FINITE)
        assert_ok(nl, status);
    if (!r.store)
        fail_msg("%s: %d %s", c->chain, status, nilu_errmsg(nl));
    nilu_store_hash(r.store, NILU_PARAM, hex);
    nilu_train_result_free(nl, &r);
    nilu_model_free(model);
    nilu_data_free(data);
    return status;
}

static const sick cases[] = {
    {"32 relu", NULL, -1, NULL},
    {"32 relu, dropout 0.3, 16 tanh", "adam", -1, NULL},
    {"32 relu, 32 relu, 32 relu", "momentum", 0.01, NULL},
    {"16 sigmoid", "sgd", 0.1, NULL},
    {"32 relu", "adam", 3, "worse_than_guessing"},
    {"32 relu", "sgd", 1e-6, "update_too_small"},
    {"32 relu", NULL, 0, "frozen"},
    {"32 relu init=zeros, 16 relu init=zeros", NULL, -1, "symmetry"},
    {"32 relu init=normal:4, 32 relu init=normal:4", NULL, -1, "initial_loss"},
    {"32 tanh init=normal:5", NULL, -1, "saturated_units"},
    {"24 sigmoid, 24 sigmoid, 24 sigmoid, 24 sigmoid, 24 sigmoid, 24 sigmoid, 24 sigmoid, 24 sigmoid, 24 sigmoid", "sgd", 0.01, "vanishing_gradient"},
    {"32 linear init=normal:2, 32 linear init=normal:2, 32 linear init=normal:2, dense auto", "sgd", 0.1, "not_finite"},
};

static void each_its_own(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    support_folder();
    health_set = support_set("health", 600, 10, 4);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const sick *c = &cases[i];
        seen s = {0}, none = {0};
        char with[65], without[65];
        nilu_status status = train(nl, c, false, &s, with);
        assert_int_equal(status, train(nl, c, true, &none, without));
        assert_string_equal(with, without);
        assert_int_equal(none.n, 0);
        if (c->code && !heard(&s, c->code))
            fail_msg("%s, %s, lr %g: no alarm %s among %d (%s, %s)", c->chain, c->optimizer ? c->optimizer : "-", c->lr, c->code, s.n, s.code[0], s.code[1]);
        if (!c->code && s.n && !heard(&s, "unshuffled"))
            fail_msg("%s: a healthy training was told %s", c->chain, s.code[0]);
    }
    nilu_free(nl);
    support_remove();
}

/* A run in a folder: what was told is told again, the bad number is found, the remedy helps, the old run stays as it was. */
static void examined(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    support_folder();
    const char *set = support_set("deep", 400, 8, 3), *folder = support_at("sick");
    nilu_data_options opened = NILU_DATA_DEFAULT;
    nilu_train_options o = NILU_TRAIN_DEFAULT;
    nilu_data *data = NULL;
    nilu_model *model = NULL;
    nilu_health h;
    nilu_remedy r;
    assert_ok(nl, nilu_data_open(nl, set, &opened, &data));
    assert_ok(nl, nilu_model_chain(nl, "24 relu, dropout 0.1, 16 relu", &model));
    o.out = folder;
    o.where = set;
    o.opened = &opened;
    o.optimizer.name = "sgd";
    o.optimizer.lr = 1e12;
    o.batch = 16;
    o.epochs = 6;
    nilu_status status = nilu_train(nl, model, data, &o, NULL);
    if (status != NILU_E_NOT_FINITE)
        fail_msg("it did not diverge: %s", nilu_errmsg(nl));
    assert_ok(nl, nilu_health_of(nl, folder, NULL, &h));
    bool told = false;
    for (int i = 0; i < h.alarms; i++)
        told |= strcmp(h.alarm[i].code, "not_finite") == 0;
    assert_true(told && h.fault.found && h.fault.step >= 1 && !isfinite(h.fault.value) && isfinite(h.fault.input));
    assert_true(h.fault.node[0] && h.fault.op[0]);
    nilu_remedy_options t = NILU_REMEDY_DEFAULT;
    t.out = support_at("mended");
    assert_ok(nl, nilu_health_remedy(nl, folder, &h, &t, &r));
    assert_true(r.better && isinf(r.before.loss) && r.after.accuracy > 0.6);
    assert_string_equal(r.run, t.out);
    nilu_text_free(nl, r.run);
    nilu_health_free(nl, &h);
    assert_ok(nl, nilu_health_of(nl, t.out, NULL, &h));
    assert_false(h.fault.found);
    for (int i = 0; i < h.alarms; i++)
        assert_int_equal(h.alarm[i].level, NILU_NOTE);
    nilu_health_free(nl, &h);
    nilu_model_free(model);
    nilu_data_free(data);
    nilu_free(nl);
    support_remove();
}

/* ---- memory that runs out */

static const char *fork_to;

static nilu_status examine_once(nilu *nl, void *user)
{
    nilu_health h;
    nilu_remedy r = {0};
    nilu_remedy_options o = NILU_REMEDY_DEFAULT;
    char line[300];
    o.out = fork_to;
    o.steps = 1;
    nilu_status status = nilu_health_of(nl, user, NULL, &h);
    if (status != NILU_OK) {
        assert_null(h.alarm);
        return status;
    }
    status = nilu_health_remedy(nl, user, &h, &o, &r);
    nilu_text_free(nl, r.run);
    nilu_health_free(nl, &h);
    snprintf(line, sizeof line, "rm -rf %s", o.out);
    if (access(o.out, F_OK) == 0)
        assert_int_equal(system(line), 0);
    return status;
}

/* Whatever is not to be had, the run is as it was; the failure is told. */
static void every_allocation_may_fail(void **state)
{
    (void)state;
    support_memory m = {0};
    nilu *nl = support_context(1, &m);
    support_folder();
    const char *set = support_set("ill", 40, 4, 2), *folder = support_at("ill");
    fork_to = support_at("fork");
    nilu_data_options opened = NILU_DATA_DEFAULT;
    nilu_train_options o = NILU_TRAIN_DEFAULT;
    nilu_data *data = NULL;
    nilu_model *model = NULL;
    assert_ok(nl, nilu_data_open(nl, set, &opened, &data));
    assert_ok(nl, nilu_model_chain(nl, "3 relu", &model));
    o.out = folder;
    o.where = set;
    o.opened = &opened;
    o.optimizer.name = "sgd";
    o.optimizer.lr = 1e12;
    o.batch = 16;
    o.epochs = 2;
    nilu_status status = nilu_train(nl, model, data, &o, NULL);
    assert_true(status == NILU_OK || status == NILU_E_NOT_FINITE);
    nilu_model_free(model);
    nilu_data_free(data);
    assert_ok(nl, examine_once(nl, (void *)folder));
    support_fail_within(nl, &m, examine_once, (void *)folder);
    nilu_free(nl);
    assert_int_equal(m.alive, 0);
    support_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_its_own), cmocka_unit_test(examined), cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
