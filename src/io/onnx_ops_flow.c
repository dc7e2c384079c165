/* Rows of ONNX's control flow. A graph has none: branches are chosen and loops unrolled while it is built, so what decides must
 * be known then. */
#include "io/onnx.h"

#include <string.h>

typedef nilu_tensor *T;
enum { STEPS_LIMIT = 10000 }; /* of a loop that is unrolled */

static const Onnx__GraphProto *body(const onnx_site *s, const char *name)
{
    const onnx_attribute *a = onnx_attr(s, name);
    return a ? a->g : NULL;
}

/* No input from `first` on may be left out. */
static nilu_status all_there(const onnx_site *s, int first)
{
    for (int i = first; i < s->nin; i++)
        if (!onnx_has(s, i))
            return onnx_fail(s, N_("input %d is missing"), i);
    return NILU_OK;
}

static nilu_status build_If(onnx_site *s)
{
    const int64_t *which;
    int64_t n;
    NILU_TRY(onnx_whole(s, 0, &which, &n));
    const Onnx__GraphProto *g = body(s, n && *which ? "then_branch" : "else_branch");
    if (!g)
        return onnx_fail(s, N_("it has no body"));
    return onnx_subgraph(s, g, 0, NULL, s->nout, s->out);
}

/* Trip count and conditions must be known. */
static nilu_status build_Loop(onnx_site *s)
{
    const Onnx__GraphProto *g = body(s, "body");
    const int64_t *trips = &(int64_t){INT64_MAX}, *go = &(int64_t){1};
    int64_t n;
    int carried = s->nin - 2;
    onnx_value state[ONNX_MAX_IN], counter, condition, out[ONNX_MAX_OUT + 1];
    if (!g || carried < 0 || carried > s->nout)
        return onnx_fail(s, N_("it has no body"));
    int scans = s->nout - carried;
    if (onnx_has(s, 0))
        NILU_TRY(onnx_whole(s, 0, &trips, &n));
    if (onnx_has(s, 1))
        NILU_TRY(onnx_whole(s, 1, &go, &n));
    T *row = onnx_keep(&s->b->pool, sizeof *row * (STEPS_LIMIT + 1) * (size_t)(scans + 1));
    if (!row)
        return NILU_E_NO_MEMORY;
    NILU_TRY(all_there(s, 2));
    for (int i = 0; i < carried; i++)
        state[i] = *s->in[i + 2];
    int64_t t = 0;
    for (bool more = *go; t < *trips && more; t++) {
        onnx_value *in[ONNX_MAX_IN] = {&counter, &condition};
        char *at = onnx_keep(&s->b->pool, 16);
        if (!at)
            return NILU_E_NO_MEMORY;
        if (t == STEPS_LIMIT)
            return onnx_fail(s, N_("it takes more than %d steps"), STEPS_LIMIT);
        memcpy(at, &t, sizeof t);
        at[8] = 1;
        counter = (onnx_value){.name = "", .data = at, .dtype = NILU_I64};
        condition = (onnx_value){.name = "", .data = at + 8, .dtype = NILU_BOOL};
        for (int i = 0; i < carried; i++)
            in[2 + i] = &state[i];
        NILU_TRY(onnx_subgraph(s, g, 2 + carried, in, 1 + s->nout, out));
        if (!out[0].data)
            return onnx_fail(s, N_("its condition must be known before a step"));
        more = base_load_int(out[0].dtype, out[0].data, 0);
        for (int i = 0; i < carried; i++)
            state[i] = out[1 + i];
        for (int i = 0; i < scans; i++)
            row[i * STEPS_LIMIT + t] = onnx_as_row(s, &out[1 + carried + i]);
    }
    for (int i = 0; i < carried; i++)
        s->out[i] = state[i];
    for (int i = 0; i < scans; i++) {
        if (!t)
            return onnx_fail(s, N_("it takes no step"));
        NILU_TRY(onnx_put(s, carried + i, onnx_joined(row + i * STEPS_LIMIT, t, 0)));
    }
    return NILU_OK;
}

/* Forward scans along the first axis, as opset 9 has them by default. */
static nilu_status build_Scan(onnx_site *s)
{
    const Onnx__GraphProto *g = body(s, "body");
    int64_t m = onnx_int(s, "num_scan_inputs", 0), list[ONNX_MAX_IN];
    int states = m < 0 || m > s->nin ? -1 : s->nin - (int)m, scans = s->nout - states;
    onnx_value state[ONNX_MAX_IN], slice_of[ONNX_MAX_IN], out[ONNX_MAX_OUT];
    static const char *const plain[] = {"scan_input_axes", "scan_output_axes", "scan_input_directions",
                                        "scan_output_directions"};
    for (size_t k = 0; k < COUNT(plain); k++)
        for (int n = onnx_ints(s, plain[k], list, ONNX_MAX_IN), i = 0; i < n; i++)
            if (list[i] != 0)
                return onnx_fail(s, N_("only forward scans along the first axis are supported"));
    if (!g || m < 1 || states < 0 || scans < 0 || s->b->opset < 9)
        return onnx_fail(s, N_("it has no body"));
    int64_t steps = onnx_rank(s, states) ? onnx_shape(s, states).dim[0] : 0;
    if (steps < 1 || steps > STEPS_LIMIT)
        return onnx_fail(s, N_("it takes more than %d steps"), STEPS_LIMIT);
    T *row = onnx_keep(&s->b->pool, sizeof *row * (size_t)steps * (size_t)(scans + 1));
    if (!row)
        return NILU_E_NO_MEMORY;
    NILU_TRY(all_there(s, 0));
    for (int i = 0; i < states; i++)
        state[i] = *s->in[i];
    for (int64_t t = 0; t < steps; t++) {
        onnx_value *in[ONNX_MAX_IN];
        for (int i = 0; i < s->nin; i++) {
            in[i] = i < states ? &state[i] : &slice_of[i];
            if (i < states)
                continue;
            nilu_shape shape = onnx_shape(s, i), one = {.rank = shape.rank - 1};
            memcpy(one.dim, shape.dim + 1, sizeof *one.dim * (NILU_MAX_RANK - 1));
            T x = nilu_reshape(nilu_slice(onnx_t(s, i), 0, t, t + 1, 1), one);
            if (!x)
                return graph_report(s->b->g);
            slice_of[i] = (onnx_value){.name = "", .t = x, .dtype = x->dtype, .shape = x->shape};
        }
        NILU_TRY(onnx_subgraph(s, g, s->nin, in, s->nout, out));
        for (int i = 0; i < states; i++)
            state[i] = out[i];
        for (int i = 0; i < scans; i++)
            row[i * steps + t] = onnx_as_row(s, &out[states + i]);
    }
    for (int i = 0; i < states; i++)
        s->out[i] = state[i];
    for (int i = 0; i < scans; i++)
        NILU_TRY(onnx_put(s, states + i, onnx_joined(row + i * steps, steps, 0)));
    return NILU_OK;
}

#define IS(name)                                                                                                       \
    {                                                                                                                  \
#name, build_##name                                                                                            \
    }
const onnx_row onnx_rows_flow[] = {IS(If), IS(Loop), IS(Scan), {0}};
