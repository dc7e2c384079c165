/* What reductions share. A reduction splits x's axes in two: the kept ones number its results, the named ones what each
 * result is made of. Two walks, one inside the other, visit every element of x once; a walk that has gone through all its
 * coordinates stands at the start again. */
#include "ops/ops.h"

#include <string.h>

static bool has(nilu_axes axes, int d)
{
    for (int i = 0; i < axes.n; i++)
        if (axes.at[i] == d)
            return true;
    return false;
}

ops_walk ops_walk_over(nilu_shape s, nilu_axes axes, bool named)
{
    int64_t stride[NILU_MAX_RANK];
    ops_walk w = {.n = 1};
    ops_strides(s, s, stride);
    for (int d = 0; d < s.rank; d++)
        if (has(axes, d) == named) {
            w.dim[w.rank] = s.dim[d];
            w.stride[w.rank++] = stride[d];
            w.n *= s.dim[d];
        }
    return w;
}

void ops_walk_step(ops_walk *w)
{
    for (int d = w->rank - 1; d >= 0; d--) {
        w->offset += w->stride[d];
        if (++w->at[d] < w->dim[d])
            return;
        w->offset -= w->stride[d] * w->dim[d];
        w->at[d] = 0;
    }
}

nilu_status ops_reduce_shape(nilu_build *b)
{
    struct ops_reduce *t = b->attr;
    NILU_TRY(graph_axes(b, t->axes, b->in[0]->shape.rank, &t->axes));
    return graph_out(b, 0, b->in[0]->dtype, ops_reduced(b->in[0]->shape, t->axes, t->keep));
}

nilu_status ops_reduce_some(nilu_build *b, const char *what)
{
    const struct ops_reduce *t = b->attr;
    NILU_TRY(ops_reduce_shape(b));
    for (int i = 0; i < t->axes.n; i++)
        NILU_NEED(b, b->in[0]->shape.dim[t->axes.at[i]] > 0,
                  N_("axis %d is empty, and there is no %s of nothing; leave this step out"), t->axes.at[i], what);
    return NILU_OK;
}

double ops_reduce_flops(const nilu_node *n)
{
    return (double)base_count(n->in[0]->shape);
}

nilu_tensor *ops_unreduce(nilu_tensor *dz, nilu_shape shape, nilu_axes axes)
{
    nilu_shape kept = ops_reduced(shape, axes, true);
    if (dz && !base_same_shape(dz->shape, kept))
        dz = nilu_reshape(dz, kept);
    return ops_spread_to(dz, shape);
}

/* The order of x's axes with the named ones last; true if that changes anything. */
static bool named_last(nilu_shape s, nilu_axes axes, nilu_axes *order)
{
    bool changed = false;
    *order = (nilu_axes){0};
    for (int named = 0; named < 2; named++)
        for (int d = 0; d < s.rank; d++)
            if (has(axes, d) == named) {
                changed |= order->n != d;
                order->at[order->n++] = d;
            }
    return changed;
}

nilu_tensor *ops_to_rows(nilu_tensor *x, nilu_axes axes)
{
    nilu_axes order;
    if (!x)
        return NULL;
    nilu_shape s = x->shape;
    int64_t groups = base_count(ops_reduced(s, axes, false)), n = ops_walk_over(s, axes, true).n;
    if (named_last(s, axes, &order))
        x = nilu_transpose(x, order);
    return nilu_reshape(x, NILU_SHAPE(groups, n));
}

nilu_tensor *ops_from_rows(nilu_tensor *rows, nilu_shape shape, nilu_axes axes)
{
    nilu_axes order, back = {.n = shape.rank};
    bool changed = named_last(shape, axes, &order);
    nilu_shape moved = shape;
    for (int d = 0; d < shape.rank; d++) {
        moved.dim[d] = shape.dim[order.at[d]];
        back.at[order.at[d]] = d;
    }
    rows = nilu_reshape(rows, moved);
    return changed ? nilu_transpose(rows, back) : rows;
}

/* ---- the first of the largest or smallest */

int64_t ops_extreme(const nilu_call *c, int64_t start, ops_walk *gone, int sign, int64_t *element)
{
    bool is_float = base_is_float(c->in[0].dtype), best_nan = false;
    double best = 0;
    int64_t best_int = 0, position = 0;
    for (int64_t j = 0; j < gone->n; j++, ops_walk_step(gone)) {
        int64_t at = start + gone->offset, whole = is_float ? 0 : call_get_int(c, 0, at);
        double x = is_float ? call_get(c, 0, at) : 0;
        bool more = is_float ? !best_nan && (x != x || (sign > 0 ? x > best : x < best))
                             : (sign > 0 ? whole > best_int : whole < best_int);
        if (j > 0 && !more)
            continue;
        best = x;
        best_int = whole;
        best_nan = x != x;
        position = j;
        *element = at;
    }
    return position;
}

void ops_extreme_grad(nilu_back *g, nilu_tensor *(*position)(nilu_tensor *x, int axis, bool keep))
{
    const struct ops_reduce *t = g->attr;
    nilu_tensor *x = g->in[0], *rows = ops_to_rows(x, t->axes);
    if (!g->need[0] || !rows)
        return;
    nilu_tensor *first = nilu_one_hot(position(rows, 1, false), rows->shape.dim[1], NILU_BOOL);
    g->din[0] = nilu_where(ops_from_rows(first, x->shape, t->axes), ops_unreduce(g->dout[0], x->shape, t->axes),
                           nilu_fill(g->g, x->dtype, NILU_SCALAR, 0));
}

nilu_status ops_extreme_ref(const nilu_call *c, int sign)
{
    const struct ops_reduce *t = c->attr;
    ops_walk kept = ops_walk_over(c->in[0].shape, t->axes, false), gone = ops_walk_over(c->in[0].shape, t->axes, true);
    size_t size = nilu_dtype_size(c->in[0].dtype);
    for (int64_t i = 0; i < kept.n; i++, ops_walk_step(&kept)) {
        int64_t at = 0;
        ops_extreme(c, kept.offset, &gone, sign, &at);
        memcpy((char *)c->out[0].data + (size_t)i * size, (const char *)c->in[0].data + (size_t)at * size, size);
    }
    return NILU_OK;
}

nilu_status ops_position_shape(nilu_build *b)
{
    struct ops_position *t = b->attr;
    nilu_shape s = b->in[0]->shape;
    NILU_TRY(graph_axis(b, "axis", t->axis, s.rank, &t->axis));
    NILU_NEED(b, s.dim[t->axis] > 0, N_("axis %lld is empty, and nothing has no first; leave this step out"),
              (long long)t->axis);
    return graph_out(b, 0, NILU_I64, ops_reduced(s, NILU_AXES((int)t->axis), t->keep));
}

nilu_status ops_position_ref(const nilu_call *c, int sign)
{
    const struct ops_position *t = c->attr;
    nilu_axes axis = NILU_AXES((int)t->axis);
    ops_walk kept = ops_walk_over(c->in[0].shape, axis, false), gone = ops_walk_over(c->in[0].shape, axis, true);
    for (int64_t i = 0; i < kept.n; i++, ops_walk_step(&kept)) {
        int64_t element;
        ((int64_t *)c->out[0].data)[i] = ops_extreme(c, kept.offset, &gone, sign, &element);
    }
    return NILU_OK;
}
