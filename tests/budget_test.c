/* Steps within a budget: how well it is kept, and that nothing is allocated. */
#include "support/support.h"

#include <sys/resource.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* How often the system has taken the processor away from this thread. */
static long interrupted(void)
{
    struct rusage r;
    assert_int_equal(getrusage(RUSAGE_THREAD, &r), 0);
    return r.ru_nivcsw;
}

typedef struct net {
    nilu *nl;
    nilu_store *store;
    nilu_plan *plan;
    float x[64 * 64];
} net;

static void make(net *n, support_memory *m)
{
    n->nl = support_context(1, m);
    nilu_graph *g = nilu_graph_new(n->nl);
    nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(64, 64));
    nilu_tensor *loss = nilu_mean(nilu_square(nilu_dense(x, "fc", 64, "tanh", NULL, true)), NILU_ALL, false);
    assert_ok(n->nl, nilu_minimise(loss, 0, NULL, NULL, NULL, NULL));
    n->store = nilu_store_new(n->nl);
    assert_ok(n->nl, nilu_compile(g, n->store, 1, &loss, NULL, &n->plan));
    for (int i = 0; i < 64 * 64; i++)
        n->x[i] = (float)(i % 17) / 17;
    assert_ok(n->nl, nilu_feed(n->plan, "x", n->x, sizeof n->x));
    nilu_graph_free(g);
}

static void end(net *n)
{
    nilu_plan_free(n->plan);
    nilu_store_free(n->store);
    nilu_free(n->nl);
}

static int64_t counter(const net *n)
{
    return *(const int64_t *)nilu_store_find(n->store, "step")->data;
}

/* Where others have the processor no budget can be kept, so of the calls that were not interrupted those that keep it are counted. */
static void the_budget_is_kept(void **state)
{
    (void)state;
    enum { CALLS = 400 };
    static net n;
    support_memory m = {0};
    make(&n, &m);
    for (int64_t budget = 200; budget <= 5000; budget *= 5) {
        int kept = 0, calm = 0;
        int64_t steps, all = 0, before = counter(&n);
        double worst = 0, spent = 0;
        long made = m.made;
        int calls = 0;
        for (; calls < CALLS || (calm < CALLS / 10 && calls < 10 * CALLS); calls++) {
            const long others = interrupted();
            double begin = now();
            assert_ok(n.nl, nilu_step_for(n.plan, budget, &steps));
            double took = 1e6 * (now() - begin);
            const bool counts = interrupted() == others;
            calm += counts;
            kept += counts && took <= 1.05 * (double)budget;
            worst = took > worst ? took : worst;
            spent += took;
            all += steps;
        }
        assert_int_equal(m.made, made); /* nothing is allocated */
        assert_int_equal(counter(&n) - before, all);
        assert_true(all > 0);
        printf("# %lld us: kept by %d of %d calls that were not interrupted, the worst of all %d took %.0f us, %.0f %% used, %lld steps\n", (long long)budget, kept, calm, calls, worst,
               100 * spent / (calls * (double)budget), (long long)all);
        assert_true(calm > 0 && 4 * kept > 3 * calm);
    }
    end(&n);
}

static void small_and_odd_budgets(void **state)
{
    (void)state;
    static net n;
    int64_t steps = 7;
    make(&n, NULL);
    assert_ok(n.nl, nilu_step_for(n.plan, -1, &steps));
    assert_int_equal(steps, 0);
    assert_ok(n.nl, nilu_step_for(n.plan, 1000000, &steps)); /* nothing is known yet: one at least */
    assert_true(steps >= 1);
    int64_t begun = 0;
    for (int i = 0; i < 2000 && !begun; i++) /* hope never ends, or one slow step would have been the last */
        assert_ok(n.nl, nilu_step_for(n.plan, 1, &begun));
    assert_true(begun >= 1);
    assert_ok(n.nl, nilu_step_for(n.plan, INT64_MIN, &steps));
    assert_int_equal(steps, 0);
    end(&n);
}

static void a_step_that_fails_ends_it(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_tensor *picked = nilu_gather(nilu_input(g, "table", NILU_F32, NILU_SHAPE(4)), nilu_input(g, "id", NILU_I32, NILU_SHAPE(1)), 0);
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan;
    float table[4] = {0};
    int32_t id = 4;
    int64_t steps = 7;
    assert_ok(nl, nilu_compile(g, store, 1, &picked, NULL, &plan));
    assert_int_equal(nilu_step_for(plan, 1000, &steps), NILU_E_USAGE); /* not fed */
    assert_ok(nl, nilu_feed(plan, "table", table, sizeof table));
    assert_ok(nl, nilu_feed(plan, "id", &id, sizeof id));
    assert_int_equal(nilu_step_for(plan, 1000, &steps), NILU_E_RANGE);
    assert_int_equal(steps, 0);
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    nilu_free(nl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_budget_is_kept), cmocka_unit_test(small_and_odd_budgets),
                                       cmocka_unit_test(a_step_that_fails_ends_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
