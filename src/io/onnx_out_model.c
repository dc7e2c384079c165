/* A model with its values as an ONNX file: its graph for answering, with the batch left open. */
#include "io/onnx_out.h"
#include "nn/nn.h"

#include <string.h>

#define BATCH 7919 /* a prime that no layer has */

nilu_status nilu_onnx_write_model(const nilu_model *m, const nilu_store *store, int64_t features, int64_t outputs,
                                  const char *path)
{
    nilu *nl = m->nl;
    const nn_input *in = &m->input[0];
    nilu_shape s = NILU_SHAPE(BATCH, features);
    nilu_tensor *y;
    if (m->ninput != 1)
        return base_fail(nl, NILU_E_UNSUPPORTED, N_("%s: a model of %d inputs cannot be written this way"), m->file,
                         m->ninput);
    if (in->shaped && in->shape.rank < NILU_MAX_RANK && base_count(in->shape) == features) {
        s.rank = in->shape.rank + 1;
        memcpy(s.dim + 1, in->shape.dim, (size_t)in->shape.rank * sizeof *s.dim);
    }
    nilu_graph *g = nilu_graph_new(nl);
    nilu_tensor *x = g ? nilu_input(g, in->name, NILU_F32, s) : NULL;
    nilu_status status = !g ? NILU_E_NO_MEMORY : x ? nilu_model_build(m, x, outputs, false, &y) : graph_report(g);
    if (status == NILU_OK)
        status = nilu_onnx_write(g, 1, (nilu_tensor *[]){nilu_named(y, "y")}, store, BATCH, path);
    nilu_graph_free(g);
    return status;
}
