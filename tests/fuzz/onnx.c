/* ONNX models: opened, built as far as they can be, and small ones run for a step. */
#include "fuzz/fuzz.h"

/* Rooms for building: shapes say how much a graph computes, not how much of the file there is. */
enum { PORTS = 8, NODES = 300, CONSTANT = 64 << 20 };
#define FLOPS 1e6 /* of a step that is worth the time */

static void step(nilu *nl, const nilu_onnx *model, nilu_graph *g, int n, const nilu_onnx_given *in, int outputs, nilu_tensor **y)
{
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan = NULL;
    nilu_plan_summary about;
    static double zeros[1 << 16];
    nilu_status status = store ? nilu_onnx_weights(model, g, NILU_F32, store) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = nilu_compile(g, store, outputs, y, NULL, &plan);
    fuzz_judge(nl, status);
    bool small = status == NILU_OK;
    if (small) {
        nilu_plan_summarise(plan, &about);
        small = about.flops <= FLOPS && about.bytes <= 4 * FLOPS;
    }
    for (int i = 0; i < n && small; i++) {
        nilu_shape shape = nilu_tensor_shape(in[i].t);
        size_t bytes = nilu_dtype_size(nilu_tensor_dtype(in[i].t));
        for (int k = 0; k < shape.rank; k++)
            bytes *= (size_t)shape.dim[k];
        small = bytes <= sizeof zeros;
        if (small) /* what no output needs is no input of the plan */
            nilu_feed(plan, in[i].name, zeros, bytes);
    }
    if (small)
        fuzz_judge(nl, nilu_step(plan));
    nilu_plan_free(plan);
    nilu_store_free(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    nilu *nl = fuzz_context(6 * n, 1 << 20); /* unpacked, an empty node of two bytes is a structure of two hundred */
    nilu_onnx *model = NULL;
    nilu_status status = nilu_onnx_open(nl, fuzz_file("m.onnx", bytes, n), &model);
    fuzz_judge(nl, status);
    int in = status == NILU_OK ? nilu_onnx_inputs(model) : 0, out = status == NILU_OK ? nilu_onnx_outputs(model) : 0;
    if (status == NILU_OK && in <= PORTS && out <= PORTS) {
        fuzz_refuse(CONSTANT);
        nilu_onnx_given given[PORTS];
        nilu_tensor *y[PORTS];
        nilu_graph *g = nilu_graph_new(nl);
        for (int i = 0; i < in && g; i++) {
            const nilu_onnx_port *port = nilu_onnx_input(model, i);
            nilu_shape shape = port->ranked ? port->shape : NILU_SHAPE(2, 3);
            for (int k = 0; k < shape.rank; k++)
                shape.dim[k] = shape.dim[k] < 0 ? 2 : shape.dim[k];
            given[i] = (nilu_onnx_given){port->name, nilu_input(g, port->name, port->dtype, shape), NULL};
        }
        status = g ? nilu_graph_status(g) : NILU_E_NO_MEMORY;
        if (status == NILU_OK)
            status = nilu_onnx_build(model, g, in, given, false, y);
        fuzz_judge(nl, status);
        if (status == NILU_OK && out && nilu_graph_nodes(g) < NODES)
            step(nl, model, g, in, given, out, y);
        nilu_graph_free(g);
    }
    nilu_onnx_free(model);
    fuzz_end(nl);
    return 0;
}
