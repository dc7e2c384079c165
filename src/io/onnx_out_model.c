/* A model with its values as an ONNX file: its graph for answering, with the batch left open. */
#include "io/onnx_out.h"
#include "nn/nn.h"

#include <string.h>

#define BATCH 7919 /* a prime that no layer has */

/* A file's own graph with the values of the store for its initial ones: what was read is lent to the writer, and put back. */
static nilu_status onnx_rewrite(const nilu_onnx *o, const nilu_store *store, const char *path)
{
    Onnx__GraphProto *g = o->model->graph;
    Onnx__TensorProto **was = g->initializer, **list = base_calloc(o->nl, g->n_initializer + 1, sizeof *list),
                      *own = base_calloc(o->nl, g->n_initializer + 1, sizeof *own);
    onnx_pool narrow = {.nl = o->nl, .path = path, .limit = SIZE_MAX};
    nilu_status status = list && own ? NILU_OK : NILU_E_NO_MEMORY;
    for (size_t i = 0; i < g->n_initializer && status == NILU_OK; i++) {
        const onnx_value *v = &o->initial[i];
        const nilu_value *now = nilu_store_find(store, v->name);
        bool fits = now && now->dtype == v->dtype && base_same_shape(now->shape, v->shape);
        size_t bytes;
        const void *data = onnx_tensor_bytes(&narrow, v, fits ? now->data : v->data, &bytes);
        onnx__tensor_proto__init(&own[i]);
        own[i].name = was[i]->name;
        own[i].has_data_type = true;
        own[i].data_type = was[i]->data_type;
        own[i].n_dims = was[i]->n_dims;
        own[i].dims = was[i]->dims;
        own[i].has_raw_data = true;
        own[i].raw_data = (ProtobufCBinaryData){bytes, (uint8_t *)(uintptr_t)data};
        list[i] = &own[i];
        status = data ? NILU_OK : NILU_E_NO_MEMORY;
    }
    if (status == NILU_OK) {
        g->initializer = list;
        status = onnx_pack(o->nl, o->model, path);
        g->initializer = was;
    }
    onnx_pool_free(&narrow);
    base_free(o->nl, list);
    base_free(o->nl, own);
    return status;
}

nilu_status nilu_onnx_write_model(const nilu_model *m, const nilu_store *store, int64_t features, int64_t outputs,
                                  const char *path)
{
    nilu *nl = m->nl;
    const nn_input *in = &m->input[0];
    nilu_shape s = NILU_SHAPE(BATCH, features);
    nilu_tensor *y;
    if (m->source)
        return onnx_rewrite(m->opened, store, path);
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
