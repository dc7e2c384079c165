/* Mixed precision. Every product of f32 matrices, and every convolution of f32 pictures, rounds its operands to bf16, in which
 * they have half the bytes and some machines twice the speed, and adds up in f32; the master weights, their updates and
 * everything elementwise stay f32. bf16 has f32's range, so no loss needs to be scaled. */
#include "rewrite/passes.h"

nilu_status rewrite_precision(rewrite_job *job)
{
    for (int i = 0; job->bf16 && i < job->g->nnode; i++) {
        nilu_node *n = job->g->node[i];
        bool *bf16 = (bool *)graph_attr_find(n, "bf16");
        if (bf16 && n->out[0].dtype == NILU_F32)
            *bf16 = true;
    }
    return NILU_OK;
}
