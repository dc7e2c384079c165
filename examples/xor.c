/* Ten lines that train: a net learns exclusive or. cc xor.c $(pkg-config --cflags --libs nilu) */
#include <nilu.h>
#include <stdio.h>

int main(void)
{
    float x[4][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}}, t[4][1] = {{0}, {1}, {1}, {0}};
    nilu *nl = nilu_new(NULL, NULL);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_tensor *input = nilu_input(g, "x", NILU_F32, NILU_SHAPE(4, 2)), *target = nilu_input(g, "t", NILU_F32, NILU_SHAPE(4, 1));
    nilu_tensor *y = nilu_dense(nilu_dense(input, "hidden", 8, "tanh", NULL, true), "out", 1, NULL, NULL, true);
    nilu_tensor *loss = nilu_bce_logits(y, target), *fetch[] = {loss, nilu_sigmoid(y)};
    nilu_optimizer_options adam = NILU_OPTIMIZER_DEFAULT;
    adam.lr = 0.05;
    nilu_minimise(loss, 0, NULL, &adam, NULL, NULL);

    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan = NULL;
    nilu_compile(g, store, 2, fetch, NULL, &plan);
    nilu_feed(plan, "x", x, sizeof x);
    nilu_feed(plan, "t", t, sizeof t);
    for (int step = 0; plan && step < 300; step++)
        nilu_step(plan);
    const float *p = nilu_fetched(plan, 1);
    if (nilu_errmsg(nl)[0])
        return fprintf(stderr, "%s\n", nilu_errmsg(nl)), 1;
    printf("loss %.4f; 0^0 %.3f, 0^1 %.3f, 1^0 %.3f, 1^1 %.3f\n", *(const float *)nilu_fetched(plan, 0), p[0], p[1], p[2], p[3]);
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    nilu_free(nl);
    return 0;
}
