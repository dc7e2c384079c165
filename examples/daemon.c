/* A daemon that learns while it waits: 200 microseconds at a time of its loop of events go to a net that predicts the next
 * reading of a sensor from the last eight. cc daemon.c -lm $(pkg-config --cflags --libs nilu) */
#include <math.h>
#include <nilu.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 32, WINDOW = 8, TURNS = 2000, BUDGET = 200 };

static long allocations;

static void *counted(void *user, void *old, size_t size)
{
    (void)user;
    if (size == 0)
        return free(old), NULL;
    allocations++;
    return realloc(old, size);
}

static float reading(long time) /* what a sensor would say */
{
    return sinf(0.1f * (float)time) + 0.3f * sinf(0.037f * (float)time);
}

int main(void)
{
    static float x[BATCH][WINDOW], t[BATCH][1];
    nilu_options options = NILU_OPTIONS_DEFAULT; /* one thread: the daemon's own */
    options.alloc.resize = counted;
    nilu *nl = nilu_new(&options, NULL);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_tensor *input = nilu_input(g, "x", NILU_F32, NILU_SHAPE(BATCH, WINDOW)), *target = nilu_input(g, "t", NILU_F32, NILU_SHAPE(BATCH, 1));
    nilu_tensor *loss = nilu_mse(nilu_dense(nilu_dense(input, "hidden", 16, "tanh", NULL, true), "out", 1, NULL, NULL, true), target);
    nilu_minimise(loss, 0, NULL, NULL, NULL, NULL);
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan = NULL;
    if (nilu_compile(g, store, 1, &loss, NULL, &plan) != NILU_OK || nilu_feed(plan, "x", x, sizeof x) != NILU_OK || nilu_feed(plan, "t", t, sizeof t) != NILU_OK)
        return fprintf(stderr, "%s\n", nilu_errmsg(nl)), 1;
    nilu_graph_free(g); /* the plan has what it needs */
    long before = allocations;
    int64_t all = 0, steps;
    for (long turn = 0; turn < TURNS; turn++) { /* the loop of events: a reading comes, then there is a little time */
        for (int i = 0; i < WINDOW; i++)
            x[turn % BATCH][i] = reading(turn + i);
        t[turn % BATCH][0] = reading(turn + WINDOW);
        if (nilu_step_for(plan, BUDGET, &steps) != NILU_OK)
            return fprintf(stderr, "%s\n", nilu_errmsg(nl)), 1;
        all += steps;
    }
    printf("loss %.6f after %lld steps, %ld allocations since the start\n", (double)*(const float *)nilu_fetched(plan, 0), (long long)all, allocations - before);
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_free(nl);
    return 0;
}
