/* A program in C99 sees the header, and a context with one thread makes no thread. */
#include <nilu.h>

#include <stdio.h>
#include <string.h>

static int threads(void)
{
    char line[256];
    int n = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        sscanf(line, "Threads: %d", &n);
    if (f)
        fclose(f);
    return n;
}

int main(void)
{
    nilu *nl = nilu_new(NULL, NULL);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_tensor *x = nilu_input(g, "x", NILU_F32, NILU_SHAPE(256, 512)), *y, *loss;
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan = NULL;
    static float value[256 * 512];
    y = nilu_dense(nilu_dense(x, "a", 512, "relu", NULL, true), "b", 1, NULL, NULL, true);
    loss = nilu_mean(nilu_square(y), NILU_ALL, false);
    nilu_minimise(loss, 0, NULL, NULL, NULL, NULL);
    nilu_compile(g, store, 1, &loss, NULL, &plan);
    nilu_feed(plan, "x", value, sizeof value);
    if (!plan || nilu_step(plan) != NILU_OK)
        return fprintf(stderr, "%s\n", nilu_errmsg(nl)), 1;
    printf("nilu %s: %d thread, loss %g\n", NILU_VERSION, threads(), (double)*(const float *)nilu_fetched(plan, 0));
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    nilu_free(nl);
    return threads() == 1 ? 0 : 1;
}
