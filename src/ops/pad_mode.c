/* pad_mode: one axis continued beyond its ends with what it has itself.
 *     x [.., n, ..]   ->   z [.., before + n + after, ..]
 *     reflect    c b | a b c d | c b       at most n - 1 on each side
 *     replicate  a a | a b c d | d d
 *     circular   c d | a b c d | a b       at most n
 * A composite: a gather, so an element owes for all of its copies.                                     */
#include "ops/ops.h"

struct pad_mode {
    int64_t axis, before, after, mode;
};

static nilu_status shape(nilu_build *b)
{
    struct pad_mode *t = b->attr;
    nilu_shape z = b->in[0]->shape;
    NILU_TRY(graph_axis(b, "axis", t->axis, z.rank, &t->axis));
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, t->mode >= NILU_PAD_REFLECT && t->mode <= NILU_PAD_CIRCULAR, N_("there is no way %lld to pad"), (long long)t->mode);
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, t->before >= 0 && t->after >= 0, N_("before is %lld and after is %lld, but neither can be negative; use slice to cut"),
                 (long long)t->before, (long long)t->after);
    const int64_t n = z.dim[t->axis], most = t->mode == NILU_PAD_REFLECT ? n - 1 : t->mode == NILU_PAD_CIRCULAR ? n : INT32_MAX;
    NILU_NEED(b, n > 0 && n <= INT32_MAX, N_("the axis has %lld elements, but 1 to 2^31 can be continued"), (long long)n);
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, t->before <= most && t->after <= most, N_("before is %lld and after is %lld, but an axis of %lld can give %lld at most"),
                 (long long)t->before, (long long)t->after, (long long)n, (long long)most);
    z.dim[t->axis] = t->before + n + t->after;
    return graph_out(b, 0, b->in[0]->dtype, z);
}

typedef struct ends {
    int64_t n, before, mode;
} ends;

static double place(const void *how, int64_t i, int64_t j)
{
    const ends *e = how;
    int64_t at = i - e->before;
    (void)j;
    if (e->mode == NILU_PAD_CIRCULAR)
        return (double)((at + e->n) % e->n);
    if (e->mode == NILU_PAD_REPLICATE)
        return (double)(at < 0 ? 0 : at >= e->n ? e->n - 1 : at);
    return (double)(at < 0 ? -at : at >= e->n ? 2 * (e->n - 1) - at : at);
}

static nilu_tensor *expand(nilu_build *b)
{
    const struct pad_mode *t = b->attr;
    const ends e = {b->in[0]->shape.dim[t->axis], t->before, t->mode};
    return nilu_gather(b->in[0], ops_table(b->g, NILU_I32, NILU_SHAPE(e.before + e.n + t->after), place, &e), (int)t->axis);
}

static nilu_status ref(const nilu_call *c)
{
    const struct pad_mode *t = c->attr;
    graph_around x = graph_split(c->in[0].shape, (int)t->axis), z = graph_split(c->out[0].shape, (int)t->axis);
    const ends e = {x.n, t->before, t->mode};
    for (int64_t o = 0; o < z.outer; o++)
        for (int64_t i = 0; i < z.n; i++)
            ops_copy(c, 0, (o * x.n + (int64_t)place(&e, i, 0)) * x.inner, (o * z.n + i) * x.inner, x.inner);
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"reflected by hand", "4", .attr = "axis=0 before=2 after=3 mode=0", .fill = "count", .want = "2 1 0 1 2 3 2 1 0"},
    {"repeated by hand", "3", .attr = "axis=0 before=2 after=4 mode=1", .fill = "count", .want = "0 0 0 1 2 2 2 2 2"},
    {"round and round by hand", "3", .attr = "axis=0 before=2 after=3 mode=2", .fill = "count", .want = "1 2 0 1 2 0 1 2"},
    {"rows", "2x2", .attr = "axis=0 before=1 after=1 mode=2", .fill = "count", .want = "[4, 2] 2 3 0 1 2 3 0 1"},
    {"nothing is added", "2x2", .attr = "axis=-1", .fill = "count", .want = "[2, 2] 0 1 2 3"},
    {"pictures", "2x3x4x5", .attr = "axis=2 before=3 after=2"},
    {"one element, repeated", "2x1", .attr = "axis=1 before=2 after=1 mode=1"},
    {"longer than a block", "2x301", .attr = "axis=1 before=17 after=5"},
    {"ids", "2i9", .attr = "axis=0 after=1 mode=1", .fill = "list 1 2", .want = "1 2 2"},
    {"axis out of range", "2x3", .attr = "axis=2", .error = "axis is 2, but there are 2 axes"},
    {"no such way", "3", .attr = "axis=0 before=1 mode=3", .error = "there is no way 3 to pad"},
    {"negative", "3", .attr = "axis=0 before=-1", .error = "before is -1 and after is 0, but neither can be negative"},
    {"nothing to repeat", "0", .attr = "axis=0 before=1 mode=1", .error = "the axis has 0 elements"},
    {"reflected too far", "3", .attr = "axis=0 before=3", .error = "an axis of 3 can give 2 at most"},
    {"round too far", "3", .attr = "axis=0 after=4 mode=2", .error = "an axis of 3 can give 3 at most"},
    {0}};

const nilu_op nilu_op_pad_mode = {.name = "pad_mode",
                                  .inputs = {"x"},
                                  .attr_size = sizeof(struct pad_mode),
                                  .fields = {NILU_INT(struct pad_mode, axis), NILU_INT(struct pad_mode, before),
                                             NILU_INT(struct pad_mode, after), NILU_INT(struct pad_mode, mode)},
                                  .shape = shape,
                                  .expand = expand,
                                  .ref = ref,
                                  .flops = ops_no_flops,
                                  .cases = cases,
                                  .backward = N_("dx = dz, with the copies' errors added to where they came from")};

nilu_tensor *nilu_pad_mode(nilu_tensor *x, int axis, int64_t before, int64_t after, nilu_padding mode)
{
    return graph_node(&nilu_op_pad_mode, 1, &x, &(struct pad_mode){axis, before, after, (int64_t)mode});
}
