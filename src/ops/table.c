/* The table of ops, expanded from the rows of nilu/ops.inc, with the leaves behind it. */
#include "ops/ops.h"

#include <string.h>

static const nilu_op *const rows[] = {
#define NILU_OP(name, parameters) &nilu_op_##name,
#include "nilu/ops.inc"
#undef NILU_OP
};

size_t graph_op_count(void)
{
    return COUNT(rows);
}

const nilu_op *graph_op_at(size_t i)
{
    return i < COUNT(rows) ? rows[i] : NULL;
}

const char *nilu_op_name(int i)
{
    return i >= 0 && (size_t)i < COUNT(rows) ? rows[i]->name : NULL;
}

const nilu_op *graph_op(const char *name)
{
    static const nilu_op *const leaves[] = {&graph_op_input, &graph_op_param, &graph_op_state, &graph_op_constant};
    for (size_t i = 0; i < COUNT(rows); i++)
        if (strcmp(rows[i]->name, name) == 0)
            return rows[i];
    for (size_t i = 0; i < COUNT(leaves); i++)
        if (strcmp(leaves[i]->name, name) == 0)
            return leaves[i];
    return NULL;
}
