/* cast: the same numbers in another data type.
 *     x any -> z of `dtype`, x's shape
 * To fewer bits a float is rounded to nearest even; to an integer it is truncated towards zero, and what does not fit
 * becomes the nearest number that does (NaN: 0); to bool, everything but 0 is true.
 * Backward: δx = δz, cast back; an error passes between floats alone.                             */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    const struct ops_dtype *t = b->attr;
    return graph_out(b, 0, t->dtype, b->in[0]->shape);
}

static void grad(nilu_back *g)
{
    if (g->need[0])
        g->din[0] = nilu_cast(g->dout[0], g->in[0]->dtype);
}

static nilu_status ref(const nilu_call *c)
{
    bool exact = c->out[0].dtype == NILU_I64 && !base_is_float(c->in[0].dtype); /* a double has 53 bits */
    for (int64_t i = 0; i < c->out[0].n; i++)
        if (exact)
            ((int64_t *)c->out[0].data)[i] = call_get_int(c, 0, i);
        else
            call_put(c, 0, i, call_get(c, 0, i));
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"to whole numbers: towards zero", "6", .attr = "dtype=i32", .fill = "list -1.9 -0.5 0 0.99 1.5 2.5", .want = "-1 0 0 0 1 2"},
    {"what does not fit saturates", "5", .attr = "dtype=i32", .fill = "list 3e9 -3e9 inf -inf nan",
     .want = "2147483647 -2147483648 2147483647 -2147483648 0"},
    {"to a byte", "4", .attr = "dtype=u8", .fill = "list -3 255 256 77.7", .want = "0 255 255 77"},
    {"to bool", "4", .attr = "dtype=bool", .fill = "list 0 -0.0 0.1 -7", .want = "0 0 1 1"},
    {"from bool", "2x2b", .attr = "dtype=f32", .fill = "list 0 1 1 0", .want = "0 1 1 0"},
    {"from ids", "3i9", .attr = "dtype=f64", .fill = "list 8 0 3", .want = "8 0 3"},
    {"from bytes", "3u", .attr = "dtype=i64", .fill = "list 0 255 128", .want = "0 255 128"},
    {"ids to ids", "5i9", .attr = "dtype=i64"},
    {"to bf16: ties to even", "3", .attr = "dtype=bf16", .fill = "list 1.00390625 1.01171875 -3", .want = "1 1.015625 -3", .kinky = true},
    {"to f64", "5x7", .attr = "dtype=f64"},
    {"to f32", "5x7", .attr = "dtype=f32"},
    {"longer than a block", "301", .attr = "dtype=f64"},
    {"scalar", "s", .attr = "dtype=f64"},
    {"empty", "0x3", .attr = "dtype=i64"},
    {0}};

const nilu_op nilu_op_cast = {.name = "cast",
                              .inputs = {"x"},
                              .attr_size = sizeof(struct ops_dtype),
                              .fields = {NILU_DTYPE(struct ops_dtype, dtype)},
                              .shape = shape,
                              .grad = grad,
                              .ref = ref,
                              .cases = cases,
                              .backward = N_("dx = dz, cast back")};

nilu_tensor *nilu_cast(nilu_tensor *x, nilu_dtype dtype)
{
    if (x && x->dtype == dtype)
        return x;
    return graph_node(&nilu_op_cast, 1, &x, &(struct ops_dtype){dtype});
}
