/* random_normal: numbers of the bell curve, new in each step (Box, Muller 1958).
 *     step [] -> z shape;     z_i = mean + deviation · n_i
 * n is the same in every data type, but for rounding, so a plan in f64 sees what the plan in f32 saw.
 * Backward: none: it depends on the step alone.                                                   */
#include "ops/ops.h"

#include <math.h>

struct normal {
    double mean, deviation;
    int64_t stream;
    nilu_shape shape;
    nilu_dtype dtype;
};

static nilu_status shape(nilu_build *b)
{
    const struct normal *t = b->attr;
    NILU_TRY(ops_need_step(b, 0));
    NILU_NEED_AS(b, NILU_E_DTYPE, base_is_float(t->dtype), N_("the data type must be f32, f64 or bf16, not %s"),
                 nilu_dtype_name(t->dtype));
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, isfinite(t->mean), N_("mean is %g, but must be finite"), t->mean);
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, isfinite(t->deviation) && t->deviation >= 0,
                 N_("deviation is %g, but must be finite and not negative"), t->deviation);
    return graph_out(b, 0, t->dtype, t->shape);
}

static nilu_status ref(const nilu_call *c)
{
    const struct normal *t = c->attr;
    base_key key = ops_random_key(c->seed, t->stream, call_get_int(c, 0, 0));
    for (int64_t i = 0; i < c->out[0].n; i++)
        call_put(c, 0, i, t->mean + t->deviation * base_normal(key, (uint64_t)i));
    return NILU_OK;
}

static double flops(const nilu_node *n) /* log, root, sine, and the arithmetic around them */
{
    return 8.0 * (double)base_count(n->out[0].shape);
}

static const nilu_case cases[] = {
    /* from a Philox4x32-10 written apart, checked by Random123's known answers */
    {"first draws", "si9", .attr = "dtype=f64 shape=5 mean=0 deviation=1 stream=0", .fill = "list 0",
     .want = "-0.34361356816438593 -1.2332114229291284 -0.6082200164161506 0.9343160591727978 -1.799106655574297"},
    {"the next step", "si9", .attr = "dtype=f32 shape=2 mean=10 deviation=2 stream=0", .fill = "list 1",
     .want = "11.6156721507557844 9.1602290646688044"},
    {"another stream", "si9", .attr = "dtype=f64 shape=2,1 deviation=1 stream=3", .fill = "list 0",
     .want = "-0.5940155957133112 0.33804003145789413"},
    {"no deviation", "si9", .attr = "dtype=f32 shape=3 mean=2.5", .want = "2.5 2.5 2.5"},
    {"a scalar", "si9", .attr = "dtype=f64 deviation=1"},
    {"longer than a block", "si9", .attr = "dtype=f32 shape=7,43 deviation=1"},
    {"bf16", "si9", .attr = "dtype=bf16 shape=17 deviation=1"},
    {"empty", "si9", .attr = "dtype=f32 shape=0,3 deviation=1"},
    {"integers", "si9", .attr = "dtype=u8 shape=3 deviation=1", .error = "must be f32, f64 or bf16, not u8"},
    {"deviation negative", "si9", .attr = "dtype=f32 shape=3 deviation=-1", .error = "deviation is -1"},
    {"mean is no number", "si9", .attr = "dtype=f32 shape=3 mean=nan deviation=1", .error = "mean is nan"},
    {"step is float", "s", .attr = "dtype=f32 shape=3 deviation=1", .error = "step must be i32 or i64"},
    {"step is a vector", "2i9", .attr = "dtype=f32 shape=3 deviation=1", .error = "step must be a scalar"},
    {0}};

const nilu_op nilu_op_random_normal = {.name = "random_normal",
                                       .inputs = {"step"},
                                       .random = true,
                                       .attr_size = sizeof(struct normal),
                                       .fields = {NILU_DTYPE(struct normal, dtype), NILU_DIMS(struct normal, shape),
                                                  NILU_REAL(struct normal, mean), NILU_REAL(struct normal, deviation),
                                                  NILU_INT(struct normal, stream)},
                                       .shape = shape,
                                       .no_gradient = N_("it depends on the step alone"),
                                       .nodiff = {N_("it counts steps")},
                                       .ref = ref,
                                       .flops = flops,
                                       .cases = cases};

nilu_tensor *nilu_random_normal(nilu_graph *g, nilu_dtype dtype, nilu_shape dims, double mean, double deviation)
{
    nilu_tensor *step = nilu_step_counter(g);
    if (!step)
        return NULL;
    return graph_node(&nilu_op_random_normal, 1, &step, &(struct normal){mean, deviation, g->streams++, dims, dtype});
}
