/* The two fused ops. They have no builder and no gradient: they are made after differentiation, by fuse.c alone. Their
 * reference walks the loop point by point and rounds after each step, so it gives what the unfused ops' references give. */
#include "rewrite/rewrite.h"

#include <string.h>

static const rewrite_tape *tape_of(const nilu_op *op, const void *attr)
{
    return op == &rewrite_op_tape ? ((const struct rewrite_tape_attr *)attr)->tape
                                  : ((const struct rewrite_product_attr *)attr)->tape;
}

static nilu_status shape(nilu_build *b)
{
    const rewrite_tape *t = tape_of(b->op, b->attr);
    for (int i = 0; i < t->nend; i++)
        NILU_TRY(graph_out(b, i, t->end[i].dtype, t->end[i].shape));
    return NILU_OK;
}

static double rounded(nilu_dtype dtype, double v)
{
    return dtype == NILU_F32 ? (double)(float)v : dtype == NILU_BOOL ? v != 0 : v;
}

static double product_at(const nilu_call *c, int64_t i)
{
    const struct rewrite_product_attr *p = c->attr;
    int64_t n = p->tape->loop.dim[1], row = i / n, col = i % n;
    const nilu_shape x = c->in[0].shape, w = c->in[1].shape;
    int64_t k = x.dim[p->ta ? 0 : 1];
    double sum = 0;
    for (int64_t j = 0; j < k; j++)
        sum += ops_operand(c, 0, p->ta ? j * x.dim[1] + row : row * k + j, p->bf16) *
               ops_operand(c, 1, p->tb ? col * w.dim[1] + j : j * w.dim[1] + col, p->bf16);
    return (double)(float)sum;
}

/* Where point `i` of the loop adds to in a sum over `axes`: the index of its other coordinates. */
static int64_t kept(nilu_shape loop, const nilu_axes *axes, int64_t i)
{
    int64_t at = 0, step = 1, a = axes->n - 1;
    for (int d = loop.rank - 1; d >= 0; i /= loop.dim[d], d--) {
        if (a >= 0 && axes->at[a] == d) {
            a--;
            continue;
        }
        at += i % loop.dim[d] * step;
        step *= loop.dim[d];
    }
    return at;
}

/* Sums are collected in doubles, in the scratch. */
static nilu_status ref(const nilu_call *c)
{
    const rewrite_tape *t = tape_of(c->op, c->attr);
    bool product = c->op == &rewrite_op_product;
    int shift = product ? 1 : 0; /* node input of tape input k is k + shift, but for the product itself */
    int64_t stride[REWRITE_MAX_INPUTS][NILU_MAX_RANK], n = base_count(t->loop);
    double v[REWRITE_MAX_INPUTS + REWRITE_MAX_STEPS];
    for (int k = shift; k < t->nin; k++)
        ops_strides(c->in[k + shift].shape, t->loop, stride[k]);
    double *sums = c->scratch;
    for (int e = 0; e < t->nend; sums += t->end[e].sum ? c->out[e].n : 0, e++)
        if (t->end[e].sum)
            memset(sums, 0, (size_t)c->out[e].n * sizeof *sums);
    for (int64_t i = 0; i < n; i++) {
        if (product)
            v[0] = product_at(c, i);
        for (int k = shift; k < t->nin; k++) {
            int64_t at = 0, rest = i;
            for (int d = t->loop.rank - 1; d >= 0; rest /= t->loop.dim[d], d--)
                at += rest % t->loop.dim[d] * stride[k][d];
            v[k] = call_get(c, k + shift, at);
        }
        for (int s = 0; s < t->nstep; s++) {
            const rewrite_step *r = &t->step[s];
            double arg[3];
            for (int k = 0; k < 3; k++)
                arg[k] = r->arg[k] >= 0 ? v[r->arg[k]] : 0;
            ops_scalar_fn f = ops_scalar(r->op);
            v[t->nin + s] = rounded(r->dtype, f ? f(arg[0], arg[1], arg[2], r->p) : arg[0]);
        }
        sums = c->scratch;
        for (int e = 0; e < t->nend; e++) {
            if (!t->end[e].sum) {
                call_put(c, e, i, v[t->end[e].value]);
                continue;
            }
            sums[kept(t->loop, &t->end[e].axes, i)] += v[t->end[e].value];
            sums += c->out[e].n;
        }
    }
    sums = c->scratch;
    for (int e = 0; e < t->nend; e++)
        for (int64_t i = 0; t->end[e].sum && i < c->out[e].n; i++)
            call_put(c, e, i, *sums++);
    return NILU_OK;
}

static size_t ref_scratch(const nilu_node *n)
{
    const rewrite_tape *t = tape_of(n->op, n->attr);
    size_t bytes = 0;
    for (int e = 0; e < t->nend; e++)
        bytes += t->end[e].sum ? (size_t)base_count(t->end[e].shape) * sizeof(double) : 0;
    return bytes;
}

static double flops(const nilu_node *n)
{
    const rewrite_tape *t = tape_of(n->op, n->attr);
    double points = (double)base_count(t->loop), each = t->nstep;
    for (int e = 0; e < t->nend; e++)
        each += t->end[e].sum;
    if (n->op == &rewrite_op_product) {
        const struct rewrite_product_attr *p = n->attr;
        each += 2 * (double)n->in[0]->shape.dim[p->ta ? 0 : 1];
    }
    return points * each;
}

nilu_status rewrite_tape_text(nilu *nl, const rewrite_tape *t, base_buffer *b)
{
    const char *blank = "";
    for (int s = 0; s < t->nstep; s++, blank = " ")
        NILU_TRY(base_appendf(nl, b, "%s%s", blank, t->step[s].op->name));
    for (int e = 0; e < t->nend; e++) {
        if (!t->end[e].sum)
            continue;
        NILU_TRY(base_appendf(nl, b, "%ssum(", blank));
        for (int i = 0; i < t->end[e].axes.n; i++)
            NILU_TRY(base_appendf(nl, b, i ? " %d" : "%d", t->end[e].axes.at[i]));
        NILU_TRY(base_appendf(nl, b, ")"));
        blank = " ";
    }
    return NILU_OK;
}

#define MADE_LATE "it is made after differentiation"
const nilu_op rewrite_op_tape = {.name = "tape", .variadic = true, .attr_size = sizeof(struct rewrite_tape_attr),
                                 .shape = shape, .ref = ref, .ref_scratch = ref_scratch, .flops = flops,
                                 .no_gradient = MADE_LATE};
const nilu_op rewrite_op_product = {.name = "product", .variadic = true, .attr_size = sizeof(struct rewrite_product_attr),
                                    .fields = {NILU_FLAG(struct rewrite_product_attr, ta),
                                               NILU_FLAG(struct rewrite_product_attr, tb),
                                               NILU_FLAG(struct rewrite_product_attr, bf16)},
                                    .shape = shape, .ref = ref, .ref_scratch = ref_scratch, .flops = flops,
                                    .no_gradient = MADE_LATE};
