/* What is the same for all numbers of a sum is taken out of it: Σ (x · c) = c · Σ x, where c does not change along the axes
 * of the sum. Batch norm's way back has four such sums over pictures; without their factors two are left, Σ δ and Σ δ (x - mean). */
#include "rewrite/passes.h"

enum { MOST_FACTORS = 8 };

typedef struct taking {
    nilu_axes axes;
    nilu_shape loop;
    int n;
    nilu_tensor *factor[MOST_FACTORS];
    double number;
    bool any;
} taking;

/* Does `t` stay the same along the axes of the sum? */
static bool steady(const taking *k, const nilu_tensor *t)
{
    const int lead = k->loop.rank - t->shape.rank;
    for (int i = 0; i < k->axes.n; i++) {
        const int d = k->axes.at[i];
        if (d >= lead && t->shape.dim[d - lead] != 1)
            return false;
    }
    return true;
}

static nilu_tensor *without(taking *k, nilu_tensor *t, int depth);

static nilu_tensor *without_mul(taking *k, nilu_tensor *t, int depth)
{
    nilu_tensor *const *in = t->node->in;
    for (int i = 0; i < 2; i++)
        if (steady(k, in[i]) && base_same_shape(in[1 - i]->shape, t->shape) && k->n < MOST_FACTORS) {
            k->factor[k->n++] = in[i];
            k->any = true;
            return without(k, in[1 - i], depth + 1);
        }
    if (!base_same_shape(in[0]->shape, t->shape) || !base_same_shape(in[1]->shape, t->shape))
        return t;
    nilu_tensor *a = without(k, in[0], depth + 1), *b = without(k, in[1], depth + 1);
    if (a == in[0] && b == in[1])
        return t;
    return a && b && a->node->id < b->node->id ? nilu_mul(a, b) : nilu_mul(b, a); /* one order, for whoever looks for equals */
}

/* `t` without the factors that it is found to have. */
static nilu_tensor *without(taking *k, nilu_tensor *t, int depth)
{
    const nilu_node *n = t ? t->node : NULL;
    if (!n || depth > 8)
        return t;
    if (n->op == &nilu_op_mul)
        return without_mul(k, t, depth);
    if (n->op == &nilu_op_neg || n->op == &nilu_op_scale) {
        k->number *= n->op == &nilu_op_neg ? -1 : *(const double *)graph_attr_find(n, "factor");
        k->any = true;
        return without(k, n->in[0], depth + 1);
    }
    return t;
}

nilu_tensor *rewrite_factor_out(nilu_node *n)
{
    if (n->op != &nilu_op_sum || (n->out[0].dtype != NILU_F32 && n->out[0].dtype != NILU_F64))
        return NULL;
    taking k = {.axes = *(const nilu_axes *)graph_attr_find(n, "axes"), .loop = n->in[0]->shape, .number = 1};
    if (k.axes.n < 2) /* of rows and columns: the sums are short, and the factors reach them in a tape */
        return NULL;
    nilu_tensor *x = without(&k, n->in[0], 0);
    if (!k.any)
        return NULL;
    n->g->naming = n->name;
    nilu_tensor *y = nilu_sum(x, k.axes, *(const bool *)graph_attr_find(n, "keep"));
    for (int i = 0; i < k.n && y; i++) {
        nilu_tensor *c = k.factor[i];
        if (y->shape.rank < k.loop.rank) { /* its axes of the sum go, too */
            nilu_shape s = {.rank = k.loop.rank};
            const int lead = s.rank - c->shape.rank;
            for (int d = 0; d < s.rank; d++)
                s.dim[d] = d < lead ? 1 : c->shape.dim[d - lead];
            c = nilu_reshape(c, ops_reduced(s, k.axes, false));
        }
        y = nilu_mul(y, c);
    }
    y = k.number == 1 ? y : nilu_scale(y, k.number);
    n->g->naming = NULL;
    return y;
}
