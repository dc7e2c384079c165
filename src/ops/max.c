/* max: the largest along axes.
 *     x [..]   ->   z: x's shape without `axes`, or with 1 for them (keep)        z_k = max_j x_kj
 * A NaN wins over all. Any data type goes: max of bool asks whether any holds.
 * Backward:
 *     δx_kj = δz_k at the first j with x_kj = z_k, else 0        who won owes the error           */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    return ops_reduce_some(b, "max");
}

static void grad(nilu_back *g)
{
    ops_extreme_grad(g, nilu_argmax);
}

static nilu_status ref(const nilu_call *c)
{
    return ops_extreme_ref(c, 1);
}

static const nilu_case cases[] = {
    {"by hand, all axes", "2x3", .fill = "list 4 -1 2 0 9 3", .want = "9"},
    {"by hand, last axis", "2x3", .attr = "axes=1", .fill = "list 4 -1 2 0 9 3", .want = "[2] 4 9"},
    {"by hand, first axis kept", "2x3", .attr = "axes=0 keep=1", .fill = "list 4 -1 2 0 9 3", .want = "[1, 3] 4 9 3",
     .gradient = "1 0 0 0 1 1"},
    {"by hand, two axes of three", "2x3x4", .attr = "axes=0,2", .fill = "count", .want = "15 19 23"},
    {"scalar", "s", .fill = "list 7", .want = "7"},
    {"all equal", "4", .fill = "ones", .want = "1", .gradient = "1 0 0 0", .kinky = true},
    {"equal in both axes", "2x2x2", .attr = "axes=0,2", .fill = "list 1 1 1 1 1 1 1 1", .want = "1 1",
     .gradient = "1 0 1 0 0 0 0 0", .kinky = true},
    {"a NaN wins", "2x3", .attr = "axes=1", .fill = "list 1 nan 9 -9 2 nan", .want = "nan nan",
     .gradient = "0 1 0 0 0 1", .kinky = true},
    {"infinity", "2x2", .attr = "axes=1", .fill = "list -inf 1 inf 2", .want = "1 inf", .kinky = true},
    {"numbers of 5000", "4x6", .attr = "axes=0", .gain = 5000},
    {"integers", "2x3i9", .attr = "axes=1", .fill = "list 3 8 8 0 -5 -7", .want = "8 0"},
    {"bool", "2x2b", .attr = "axes=1", .fill = "list 0 1 0 0", .want = "1 0"},
    {"random", "5x7", .attr = "axes=1"},
    {"random, first axis", "5x7", .attr = "axes=0"},
    {"middle axis", "3x4x5", .attr = "axes=1"},
    {"outer and inner axis, kept", "3x4x5", .attr = "axes=-1,0 keep=1"},
    {"eight axes", "2x1x3x1x2x1x2x3", .attr = "axes=1,2,4,7"},
    {"longer than a block", "3x301", .attr = "axes=1"},
    {"columns longer than a block", "301x3", .attr = "axes=0"},
    {"no groups", "0x3", .attr = "axes=1"},
    {"max of nothing", "0x3", .attr = "axes=0", .error = "axis 0 is empty, and there is no max of nothing"},
    {"axis out of range", "2x3", .attr = "axes=2", .error = "axis is 2, but there are 2 axes"},
    {"axis named twice", "2x3", .attr = "axes=1,1", .error = "axis 1 is named twice"},
    {0}};

const nilu_op nilu_op_max = {.name = "max",
                             .inputs = {"x"},
                             .attr_size = sizeof(struct ops_reduce),
                             .fields = {NILU_AXIS_LIST(struct ops_reduce, axes), NILU_FLAG(struct ops_reduce, keep)},
                             .shape = shape,
                             .grad = grad,
                             .ref = ref,
                             .flops = ops_reduce_flops,
                             .cases = cases,
                             .backward = N_("dx = dz at the first largest, 0 elsewhere")};

nilu_tensor *nilu_max(nilu_tensor *x, nilu_axes axes, bool keep)
{
    return graph_node(&nilu_op_max, 1, &x, &(struct ops_reduce){axes, keep});
}
