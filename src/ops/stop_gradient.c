/* stop_gradient: z = x, and the error goes no further: for what comes before, z is a given.
 *     x any -> z like x                                                                           */
#include "ops/ops.h"

#include <string.h>

static nilu_status shape(nilu_build *b)
{
    return graph_out(b, 0, b->in[0]->dtype, b->in[0]->shape);
}

static nilu_status ref(const nilu_call *c)
{
    if (c->out[0].n)
        memmove(c->out[0].data, c->in[0].data, (size_t)c->out[0].n * nilu_dtype_size(c->out[0].dtype));
    return NILU_OK;
}

static const nilu_case cases[] = {{"by hand", "3", .fill = "list 1 -2 3", .want = "1 -2 3"},
                                  {"a matrix", "5x7"},
                                  {"scalar", "s"},
                                  {"ids", "4i9"},
                                  {"empty", "0x3"},
                                  {0}};

#define WHY N_("to stop the error is what it is for")
const nilu_op nilu_op_stop_gradient = {.name = "stop_gradient",
                                       .inputs = {"x"},
                                       .view = true,
                                       .shape = shape,
                                       .no_gradient = WHY,
                                       .nodiff = {WHY},
                                       .ref = ref,
                                       .cases = cases};

nilu_tensor *nilu_stop_gradient(nilu_tensor *x)
{
    return graph_node(&nilu_op_stop_gradient, 1, &x, NULL);
}
