/* What random ops share. Nothing random is stored: a node's numbers are a pure function of (seed, its stream, step,
 * index), so that they can be computed again anywhere, by any thread, at any past step. */
#include "ops/ops.h"

base_key ops_random_key(uint64_t seed, int64_t stream, int64_t step)
{
    uint32_t out[4];
    base_philox(seed, (uint64_t)stream, (uint64_t)step, out);
    return (base_key){(uint64_t)out[0] << 32 | out[1], (uint64_t)out[2] << 32 | out[3]};
}

nilu_status ops_need_step(nilu_build *b, int i)
{
    NILU_NEED_AS(b, NILU_E_DTYPE, b->in[i]->dtype == NILU_I64 || b->in[i]->dtype == NILU_I32,
                 N_("step must be i32 or i64; use nilu_step_counter"));
    NILU_NEED(b, b->in[i]->shape.rank == 0, N_("step must be a scalar; use nilu_step_counter"));
    return NILU_OK;
}
