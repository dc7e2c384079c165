// The header is C++ as well, and what a program in C++ needs of it can be written there.
#include <nilu.h>

#include <cmath>
#include <cstdio>

int main()
{
    nilu_options options = NILU_OPTIONS_DEFAULT;
    nilu *nl = nilu_new(&options, nullptr);
    nilu_graph *g = nilu_graph_new(nl);
    nilu_shape pair = {1, {2}};
    nilu_tensor *x = nilu_input(g, "x", NILU_F64, pair), *dx = nullptr;
    nilu_tensor *y = nilu_sum(nilu_square(x), nilu_axes{}, false);
    if (nilu_grad(y, 1, &x, &dx) != NILU_OK)
        return std::fprintf(stderr, "%s\n", nilu_errmsg(nl)), 1;
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan = nullptr;
    double value[2] = {3, -4};
    if (nilu_compile(g, store, 1, &dx, nullptr, &plan) != NILU_OK || nilu_feed(plan, "x", value, sizeof value) != NILU_OK ||
        nilu_step(plan) != NILU_OK)
        return std::fprintf(stderr, "%s\n", nilu_errmsg(nl)), 1;
    const double *slope = static_cast<const double *>(nilu_fetched(plan, 0));
    bool right = std::fabs(slope[0] - 6) < 1e-12 && std::fabs(slope[1] + 8) < 1e-12;
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    nilu_free(nl);
    return right ? 0 : 1;
}
