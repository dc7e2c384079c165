/* fill: every element is one number, known when the graph is built.
 *     -> z shape
 * Backward: it depends on nothing, so the error ends here.                                        */
#include "ops/ops.h"

struct fill {
    double value;
    nilu_shape shape;
    nilu_dtype dtype;
};

static nilu_status shape(nilu_build *b)
{
    const struct fill *t = b->attr;
    return graph_out(b, 0, t->dtype, t->shape);
}

static nilu_status ref(const nilu_call *c)
{
    const struct fill *t = c->attr;
    for (int64_t i = 0; i < c->out[0].n; i++)
        call_put(c, 0, i, t->value);
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"a vector", "", .attr = "dtype=f32 shape=3 value=2.5", .want = "2.5 2.5 2.5"},
    {"a scalar", "", .attr = "dtype=f64 value=-1", .want = "-1"},
    {"integers: truncated", "", .attr = "dtype=i64 shape=2,1 value=7.9", .want = "7 7"},
    {"small integers: saturated", "", .attr = "dtype=u8 shape=2 value=300", .want = "255 255"},
    {"bool: anything but 0 is true", "", .attr = "dtype=bool shape=2 value=0.5", .want = "1 1"},
    {"infinite", "", .attr = "dtype=f32 shape=1 value=-inf", .want = "-inf"},
    {"longer than a block", "", .attr = "dtype=f32 shape=301 value=1"},
    {"empty", "", .attr = "dtype=f32 shape=0,3 value=1"},
    {"a negative dimension", "", .attr = "dtype=f32 shape=2,-3 value=1", .error = "dimension 1 is -3"},
    {"too large", "", .attr = "dtype=f32 shape=1048577,1048577 value=1", .error = "more than 2^40 elements"},
    {0}};

const nilu_op nilu_op_fill = {.name = "fill",
                              .attr_size = sizeof(struct fill),
                              .fields = {NILU_DTYPE(struct fill, dtype), NILU_DIMS(struct fill, shape),
                                         NILU_REAL(struct fill, value)},
                              .shape = shape,
                              .no_gradient = N_("it is one number, known beforehand"),
                              .ref = ref,
                              .cases = cases};

nilu_tensor *nilu_fill(nilu_graph *g, nilu_dtype dtype, nilu_shape dims, double value)
{
    struct fill t = {.value = value, .dtype = dtype, .shape = {.rank = dims.rank}};
    for (int d = 0; d < dims.rank && d < NILU_MAX_RANK; d++)
        t.shape.dim[d] = dims.dim[d]; /* and zeros behind: equal fills are equal bytes */
    return graph_source(g, &nilu_op_fill, &t);
}
