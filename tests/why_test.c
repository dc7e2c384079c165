/* Why: the gradient keeps its promise, random directions know nothing of it, and at equal cost nobody else keeps up. */
#include "support/sets.h"

#include "base/base.h"

static void race(void **state)
{
    (void)state;
    nilu_options options = NILU_OPTIONS_DEFAULT;
    nilu *nl = nilu_new(&options, NULL);
    support_folder();
    nilu_data *data = support_open(nl, support_set("why", 300, 12, 4), 0.1);
    nilu_why_options o = NILU_WHY_DEFAULT;
    nilu_why_result r, again;
    o.sizes = 4;
    o.steps = 30;
    o.samples = 100;
    assert_ok(nl, nilu_why(nl, data, &o, &r));
    assert_int_equal(r.sizes, 4);
    int64_t n = 10;
    for (int i = 0; i < 4; i++, n *= 10) {
        const nilu_why_size *s = &r.size[i];
        assert_int_equal(s->dimensions, n);
        assert_true(fabs(s->cosine - s->theory) <= 5 * s->cosine_error + 0.05 * s->theory);
        for (int k = 2; k < 7; k++) { /* the error of the prediction falls as eps does */
            double off = fabs(s->step[k].measured / s->step[k].predicted - 1);
            assert_true(off <= 10 * s->step[k].eps * fmax(1, s->gradient) + 1e-5);
        }
        for (int way = 0; way < NILU_WAYS; way++) {
            assert_true(s->way[way].flops <= s->flops * 1.001 && s->way[way].flops > s->flops * 0.5);
            assert_true(isfinite(s->way[way].loss) && s->way[way].right >= 0 && s->way[way].right <= 1);
            if (way && n >= 1000)
                assert_true(s->way[NILU_BACKPROPAGATION].loss < s->way[way].loss);
        }
    }
    assert_ok(nl, nilu_why(nl, data, &o, &again));
    for (int i = 0; i < 4; i++)
        for (int way = 0; way < NILU_WAYS; way++)
            assert_true(r.size[i].way[way].loss == again.size[i].way[way].loss);
    nilu_data_free(data);
    nilu_free(nl);
    support_remove();
}

static bool stop(void *user, int64_t dimensions, int way)
{
    (void)user, (void)dimensions;
    return way < 2;
}

static void refusals(void **state)
{
    (void)state;
    nilu *nl = nilu_new(NULL, NULL);
    support_folder();
    nilu_data *data = support_open(nl, support_set("numbers", 60, 3, 0), 0.1);
    nilu_why_options o = NILU_WHY_DEFAULT;
    nilu_why_result r;
    o.sizes = 2;
    o.progress = stop;
    assert_int_equal(nilu_why(nl, data, &o, &r), NILU_E_CANCELLED);
    o.sizes = 7;
    assert_int_equal(nilu_why(nl, data, &o, &r), NILU_E_USAGE);
    assert_non_null(strstr(nilu_errmsg(nl), "7 sizes"));
    o.size = 1;
    assert_int_equal(nilu_why(nl, data, &o, &r), NILU_E_USAGE);
    assert_null(nilu_way_name(NILU_WAYS));
    nilu_data_free(data);
    nilu_free(nl);
    support_remove();
}

static nilu_status small(nilu *nl, void *user)
{
    nilu_data *data = NULL;
    nilu_why_options o = NILU_WHY_DEFAULT;
    nilu_why_result r;
    o.sizes = 2;
    o.steps = 1;
    nilu_status status = nilu_data_open(nl, user, NULL, &data);
    if (status == NILU_OK)
        status = nilu_why(nl, data, &o, &r);
    nilu_data_free(data);
    return status;
}

static void survives(void **state)
{
    (void)state;
    support_folder();
    support_fail_each(1, small, (void *)support_set("small", 30, 3, 2));
    support_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(race), cmocka_unit_test(refusals), cmocka_unit_test(survives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
