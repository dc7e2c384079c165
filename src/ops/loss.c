/* What losses share: the shape rules of labels and of pairs, and the small ops that cross-entropy is made of. */
#include "ops/ops.h"

nilu_status ops_need_labels(nilu_build *b)
{
    const nilu_tensor *x = b->in[0], *label = b->in[1];
    const char *name = b->op->inputs[0];
    NILU_NEED_AS(b, NILU_E_DTYPE, base_is_float(x->dtype), N_("%s must be f32, f64 or bf16; is a cast missing?"), name);
    NILU_NEED(b, x->shape.rank == 2, N_("%s must be [samples, classes]; is a reshape missing before it?"), name);
    NILU_NEED(b, x->shape.dim[0] > 0, N_("the batch is empty, and there is no mean over nothing; leave this step out"));
    NILU_NEED(b, x->shape.dim[1] > 0, N_("%s has no classes; its second dimension must be at least 1"), name);
    NILU_NEED_AS(b, NILU_E_DTYPE, label->dtype == NILU_I32 || label->dtype == NILU_I64,
                 N_("label must be i32 or i64, the number of a class; is a cast or an argmax missing?"));
    NILU_NEED(b, label->shape.rank == 1 && label->shape.dim[0] == x->shape.dim[0],
              N_("label must be [%lld], one class for each row of %s"), (long long)x->shape.dim[0], name);
    return NILU_OK;
}

nilu_status ops_pair_loss(nilu_build *b)
{
    NILU_TRY(graph_same_float(b));
    NILU_NEED(b, base_same_shape(b->in[0]->shape, b->in[1]->shape),
              N_("both inputs must have one shape; is a reshape missing before it?"));
    NILU_NEED(b, base_count(b->in[0]->shape) > 0, N_("the batch is empty, and there is no mean over nothing; leave this step out"));
    return graph_out(b, 0, b->in[0]->dtype, NILU_SCALAR);
}

nilu_status ops_label(const nilu_call *c, int64_t i, int64_t classes, int64_t *label)
{
    *label = call_get_int(c, 1, i);
    if (*label < 0 || *label >= classes)
        return graph_fault(c, i, N_("label %lld is %lld, but there are %lld classes (0 is the first)"), (long long)i,
                           (long long)*label, (long long)classes);
    return NILU_OK;
}

static nilu_tensor *column(nilu_tensor *t, int64_t n)
{
    return nilu_reshape(t, NILU_SHAPE(n, 1));
}

ops_xent_parts ops_xent_split(nilu_tensor *x, nilu_tensor *label, nilu_tensor *weight, const struct ops_xent *o)
{
    nilu_graph *g = x->node->g;
    int64_t n = x->shape.dim[0], k = x->shape.dim[1];
    ops_xent_parts p = {.x = x, .weight = weight};
    if (o->ignoring) {
        nilu_tensor *keep = nilu_ne(label, nilu_fill(g, label->dtype, NILU_SCALAR, (double)o->ignore));
        label = nilu_where(keep, label, nilu_fill(g, label->dtype, NILU_SCALAR, 0));
        p.keep = column(keep, n);
        p.x = nilu_where(p.keep, x, nilu_fill(g, x->dtype, NILU_SCALAR, 0));
    }
    p.hot = nilu_one_hot(label, k, NILU_BOOL);
    if (weight)
        p.own = column(nilu_gather(weight, label, 0), n);
    return p;
}

nilu_tensor *ops_xent_kept(const ops_xent_parts *p, nilu_tensor *t)
{
    if (!p->keep || !t)
        return t;
    return nilu_where(p->keep, t, nilu_fill(t->node->g, t->dtype, NILU_SCALAR, 0));
}
