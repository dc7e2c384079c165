/* random_uniform: numbers spread evenly from low to high, new in each step.
 *     step [] -> z shape;     z_i = low + (high - low) · u_i,   u_i of 24 bits in [0, 1)
 * u is the same in every data type, so a plan in f64 sees what the plan in f32 saw; where the type has fewer digits
 * than the result, rounding may reach `high`.
 * Backward: none: it depends on the step alone.                                                   */
#include "ops/ops.h"

#include <math.h>

struct uniform {
    double low, high;
    int64_t stream;
    nilu_shape shape;
    nilu_dtype dtype;
};

static nilu_status shape(nilu_build *b)
{
    const struct uniform *t = b->attr;
    NILU_TRY(ops_need_step(b, 0));
    NILU_NEED_AS(b, NILU_E_DTYPE, base_is_float(t->dtype), N_("the data type must be f32, f64 or bf16, not %s"),
                 nilu_dtype_name(t->dtype));
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, isfinite(t->low) && isfinite(t->high) && t->low <= t->high,
                 N_("low is %g and high is %g, but low must not be above high, and both finite"), t->low, t->high);
    return graph_out(b, 0, t->dtype, t->shape);
}

static nilu_status ref(const nilu_call *c)
{
    const struct uniform *t = c->attr;
    base_key key = ops_random_key(c->seed, t->stream, call_get_int(c, 0, 0));
    for (int64_t i = 0; i < c->out[0].n; i++)
        call_put(c, 0, i, t->low + (t->high - t->low) * (double)base_uniform(key, (uint64_t)i));
    return NILU_OK;
}

static const nilu_case cases[] = {
    /* from a Philox4x32-10 written apart, checked by Random123's known answers */
    {"first draws", "si9", .attr = "dtype=f32 shape=5 low=0 high=1 stream=0", .fill = "list 0",
     .want = "0.4406781792640686 0.6117013692855835 0.7067511081695557 0.6381489634513855 0.5371708273887634"},
    {"the next step", "si9", .attr = "dtype=f64 shape=3 low=-1 high=3 stream=0", .fill = "list 1",
     .want = "1.6428103446960449 0.78254342079162598 2.6948459148406982"},
    {"another stream", "si9", .attr = "dtype=f32 shape=2,1 low=0 high=1 stream=3", .fill = "list 0",
     .want = "0.7917078733444214 0.39619070291519165"},
    {"nothing between low and high", "si9", .attr = "dtype=f32 shape=3 low=2 high=2", .want = "2 2 2"},
    {"a scalar", "si9", .attr = "dtype=f64 low=-1 high=1"},
    {"longer than a block", "si9", .attr = "dtype=f32 shape=7,43 low=-1 high=1"},
    {"bf16", "si9", .attr = "dtype=bf16 shape=17 low=0 high=1"},
    {"empty", "si9", .attr = "dtype=f32 shape=0,3 high=1"},
    {"integers", "si9", .attr = "dtype=i32 shape=3 high=1", .error = "must be f32, f64 or bf16, not i32"},
    {"low above high", "si9", .attr = "dtype=f32 shape=3 low=2 high=1", .error = "low is 2 and high is 1"},
    {"no bound", "si9", .attr = "dtype=f32 shape=3 low=0 high=inf", .error = "both finite"},
    {"step is float", "s", .attr = "dtype=f32 shape=3 high=1", .error = "step must be i32 or i64"},
    {"step is a vector", "2i9", .attr = "dtype=f32 shape=3 high=1", .error = "step must be a scalar"},
    {0}};

const nilu_op nilu_op_random_uniform = {.name = "random_uniform",
                                        .inputs = {"step"},
                                        .random = true,
                                        .attr_size = sizeof(struct uniform),
                                        .fields = {NILU_DTYPE(struct uniform, dtype), NILU_DIMS(struct uniform, shape),
                                                   NILU_REAL(struct uniform, low), NILU_REAL(struct uniform, high),
                                                   NILU_INT(struct uniform, stream)},
                                        .shape = shape,
                                        .no_gradient = N_("it depends on the step alone"),
                                        .nodiff = {N_("it counts steps")},
                                        .ref = ref,
                                        .cases = cases};

nilu_tensor *nilu_random_uniform(nilu_graph *g, nilu_dtype dtype, nilu_shape dims, double low, double high)
{
    nilu_tensor *step = nilu_step_counter(g);
    if (!step)
        return NULL;
    return graph_node(&nilu_op_random_uniform, 1, &step, &(struct uniform){low, high, g->streams++, dims, dtype});
}
