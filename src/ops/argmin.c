/* argmin: where along an axis the smallest is.
 *     x [.., n, ..]   ->   z i64: x's shape without `axis`, or with 1 for it (keep)
 * The first of equals; a NaN wins over all. Any data type goes.
 * Backward: none: a position does not change smoothly.                                             */
#include "ops/ops.h"

static nilu_status ref(const nilu_call *c)
{
    return ops_position_ref(c, -1);
}

static const nilu_case cases[] = {
    {"by hand", "2x3", .attr = "axis=1", .fill = "list 4 -1 2 0 9 3", .want = "[2] 1 0"},
    {"by hand, down the columns, kept", "2x3", .attr = "axis=0 keep=1", .fill = "list 4 -1 2 0 9 3",
     .want = "[1, 3] 1 0 0"},
    {"the first of equals", "2x4", .attr = "axis=-1", .fill = "list 1 2 2 1 7 7 7 7", .want = "0 0"},
    {"the first NaN wins", "2x3", .attr = "axis=1", .fill = "list 1 nan nan nan -inf inf", .want = "1 0"},
    {"infinity", "3", .attr = "axis=0", .fill = "list 1 -inf inf", .want = "1"},
    {"one place", "3x1", .attr = "axis=1", .want = "0 0 0"},
    {"integers", "2x3i9", .attr = "axis=1", .fill = "list 3 8 8 -5 -5 2", .want = "0 0"},
    {"bool", "2x2b", .attr = "axis=1", .fill = "list 0 1 1 1", .want = "0 0"},
    {"random", "5x7", .attr = "axis=1"},
    {"middle axis", "3x4x5", .attr = "axis=1"},
    {"longer than a block", "3x301", .attr = "axis=1"},
    {"columns longer than a block", "301x3", .attr = "axis=0"},
    {"no groups", "0x3", .attr = "axis=1"},
    {"nothing to choose from", "0x3", .attr = "axis=0", .error = "axis 0 is empty, and nothing has no first"},
    {"axis out of range", "2x3", .attr = "axis=2", .error = "axis is 2, but there are 2 axes"},
    {"a scalar has no axis", "s", .attr = "axis=0", .error = "axis is 0, but there are 0 axes"},
    {0}};

const nilu_op nilu_op_argmin = {.name = "argmin",
                                .inputs = {"x"},
                                .attr_size = sizeof(struct ops_position),
                                .fields = {NILU_INT(struct ops_position, axis), NILU_FLAG(struct ops_position, keep)},
                                .shape = ops_position_shape,
                                .no_gradient = N_("a position does not change smoothly"),
                                .nodiff = {N_("a position does not change smoothly")},
                                .ref = ref,
                                .flops = ops_reduce_flops,
                                .cases = cases};

nilu_tensor *nilu_argmin(nilu_tensor *x, int axis, bool keep)
{
    return graph_node(&nilu_op_argmin, 1, &x, &(struct ops_position){axis, keep});
}
