/* one_hot: a class id becomes a row with a 1 at its place.
 *     index [..] i32 or i64 -> z [.., classes] of `dtype`
 * An id that is not below `classes` fails the step.
 * Backward: none: there is nothing between two ids.                                               */
#include "ops/ops.h"

struct one_hot {
    int64_t classes;
    nilu_dtype dtype;
};

static nilu_status shape(nilu_build *b)
{
    const struct one_hot *t = b->attr;
    nilu_shape out = b->in[0]->shape;
    NILU_NEED_AS(b, NILU_E_DTYPE, b->in[0]->dtype == NILU_I32 || b->in[0]->dtype == NILU_I64,
                 N_("index must be i32 or i64; is a cast missing?"));
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, t->classes > 0, N_("classes is %lld, but there must be at least one"),
                 (long long)t->classes);
    NILU_NEED(b, out.rank < NILU_MAX_RANK, N_("index has %d dimensions, and there is no room for one more; is a reshape missing before it?"),
              out.rank);
    out.dim[out.rank++] = t->classes;
    return graph_out(b, 0, t->dtype, out);
}

static nilu_status ref(const nilu_call *c)
{
    const struct one_hot *t = c->attr;
    for (int64_t i = 0; i < c->in[0].n; i++) {
        int64_t index = call_get_int(c, 0, i);
        if (index < 0 || index >= t->classes)
            return graph_fault(c, i, N_("index %lld is %lld, but there are %lld classes (0 is the first)"), (long long)i,
                               (long long)index, (long long)t->classes);
        for (int64_t j = 0; j < t->classes; j++)
            call_put(c, 0, i * t->classes + j, j == index);
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"by hand", "3i4", .attr = "classes=4 dtype=f32", .fill = "list 2 0 3", .want = "0 0 1 0 1 0 0 0 0 0 0 1"},
    {"a scalar becomes a row", "si3", .attr = "classes=3 dtype=f64", .fill = "list 1", .want = "0 1 0"},
    {"bool", "2i2", .attr = "classes=2 dtype=bool", .fill = "list 1 0", .want = "0 1 1 0"},
    {"integers", "2i2", .attr = "classes=2 dtype=i64", .fill = "list 0 1", .want = "1 0 0 1"},
    {"one class", "3i1", .attr = "classes=1 dtype=f32", .want = "1 1 1"},
    {"a matrix of ids", "3x4i7", .attr = "classes=7 dtype=f32"},
    {"longer than a block", "301i10", .attr = "classes=10 dtype=f32"},
    {"empty", "0i3", .attr = "classes=3 dtype=f32"},
    {"id too large", "2i4", .attr = "classes=4 dtype=f32", .fill = "list 3 4", .fault = "index 1 is 4, but there are 4 classes"},
    {"id negative", "2i4", .attr = "classes=4 dtype=f32", .fill = "list -1 9", .fault = "index 0 is -1, but there are 4 classes"},
    {"index is float", "3", .attr = "classes=4 dtype=f32", .error = "index must be i32 or i64"},
    {"no classes", "3i4", .attr = "classes=0 dtype=f32", .error = "classes is 0"},
    {"no room for an axis", "1x1x1x1x1x1x1x2i3", .attr = "classes=3 dtype=f32", .error = "no room for one more"},
    {0}};

const nilu_op nilu_op_one_hot = {.name = "one_hot",
                                 .inputs = {"index"},
                                 .attr_size = sizeof(struct one_hot),
                                 .fields = {NILU_INT(struct one_hot, classes), NILU_DTYPE(struct one_hot, dtype)},
                                 .shape = shape,
                                 .no_gradient = N_("there is nothing between two ids"),
                                 .nodiff = {N_("there is nothing between two ids")},
                                 .ref = ref,
                                 .cases = cases};

nilu_tensor *nilu_one_hot(nilu_tensor *index, int64_t classes, nilu_dtype dtype)
{
    return graph_node(&nilu_op_one_hot, 1, &index, &(struct one_hot){classes, dtype});
}
