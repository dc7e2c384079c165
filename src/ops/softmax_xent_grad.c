/* softmax_xent_grad: the way back through softmax_xent, in one pass over x; truth as there.
 *     x [n, k]   label [n]   lse [n]   total []   dloss []   weight [k] (optional)   ->   z [n, k]
 *     whole_i = Σ_c truth_ic         (1 without weights)
 *     z_ic    = (whole_i · exp(x_ic - lse_i) - truth_ic) · dloss / total      blame = guess - truth
 * Rows whose label is `ignore` get exactly 0.
 * Backward, with u_ic the error at z, and guess_ic = whole_i · exp(x_ic - lse_i); lse and total are inputs in their own
 * right: what reaches lse goes on into x through softmax_xent.
 *     δx     = u · guess · dloss / total                   δlse   = -Σ_c δx
 *     δdloss = Σ u · (guess - truth) / total               δtotal = -δdloss · dloss / total       */
#include "ops/ops.h"

#include <math.h>

static nilu_status shape(nilu_build *b)
{
    const struct ops_xent *o = b->attr;
    const nilu_tensor *x = b->in[0];
    NILU_TRY(ops_need_labels(b));
    for (int i = 2; i < b->nin; i++)
        NILU_NEED_AS(b, NILU_E_DTYPE, b->in[i]->dtype == x->dtype, N_("%s must have x's data type; is a cast missing?"),
                     b->op->inputs[i]);
    NILU_NEED(b, b->in[2]->shape.rank == 1 && b->in[2]->shape.dim[0] == x->shape.dim[0],
              N_("lse must be [%lld], one for each row of x: pass output 1 of softmax_xent"), (long long)x->shape.dim[0]);
    NILU_NEED(b, b->in[3]->shape.rank == 0, N_("total must be a scalar: pass output 2 of softmax_xent"));
    NILU_NEED(b, b->in[4]->shape.rank == 0, N_("dloss must be a scalar: pass the error of the loss"));
    if (b->nin > 5)
        NILU_NEED(b, b->in[5]->shape.rank == 1 && b->in[5]->shape.dim[0] == x->shape.dim[1],
                  N_("weight must be [%lld], one for each class"), (long long)x->shape.dim[1]);
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, o->smoothing >= 0 && o->smoothing < 1,
                 N_("smoothing is %g, but must be at least 0 and below 1"), o->smoothing);
    return graph_out(b, 0, x->dtype, x->shape);
}

/* whole_i · exp(x_ic - lse_i) [n, k], and truth_ic [n, k] */
static nilu_tensor *guess_and_truth(const ops_xent_parts *p, nilu_tensor *lse, const struct ops_xent *o, nilu_tensor **truth)
{
    nilu_graph *g = lse->node->g;
    nilu_dtype dtype = lse->dtype;
    nilu_tensor *guess = nilu_exp(nilu_sub(p->x, ops_xent_kept(p, nilu_reshape(lse, NILU_SHAPE(lse->shape.dim[0], 1)))));
    *truth = nilu_scale(nilu_cast(p->hot, dtype), 1 - o->smoothing);
    if (p->own) {
        nilu_tensor *spread = nilu_mean(p->weight, NILU_ALL, false);
        nilu_tensor *whole = nilu_add(nilu_scale(p->own, 1 - o->smoothing), nilu_scale(spread, o->smoothing));
        guess = nilu_mul(guess, whole);
        *truth = nilu_mul(*truth, p->own);
    }
    if (o->smoothing > 0 && *truth && p->x) {
        double each = o->smoothing / (double)p->x->shape.dim[1];
        *truth = nilu_add(*truth, p->weight ? nilu_scale(p->weight, each) : nilu_fill(g, dtype, NILU_SCALAR, each));
    }
    return guess;
}

static void grad(nilu_back *g)
{
    const struct ops_xent *o = g->attr;
    nilu_tensor *lse = g->in[2], *total = g->in[3], *dloss = g->in[4], *truth;
    ops_xent_parts p = ops_xent_split(g->in[0], g->in[1], g->nin > 5 ? g->in[5] : NULL, o);
    nilu_tensor *u = ops_xent_kept(&p, g->dout[0]);
    nilu_tensor *guess = guess_and_truth(&p, lse, o, &truth);
    if (g->need[0] || g->need[2]) {
        nilu_tensor *dx = ops_xent_kept(&p, nilu_mul(nilu_mul(u, guess), nilu_div(dloss, total)));
        g->din[0] = g->need[0] ? dx : NULL;
        g->din[2] = g->need[2] ? nilu_neg(nilu_sum(dx, NILU_AXES(1), false)) : NULL;
    }
    if (g->need[3] || g->need[4]) {
        nilu_tensor *ddloss = nilu_div(nilu_sum(nilu_mul(u, nilu_sub(guess, truth)), NILU_ALL, false), total);
        g->din[3] = g->need[3] ? nilu_neg(nilu_div(nilu_mul(ddloss, dloss), total)) : NULL;
        g->din[4] = g->need[4] ? ddloss : NULL;
    }
}

static nilu_tensor *decompose(nilu_graph *graph, int nin, nilu_tensor *const *in, const void *attr)
{
    (void)graph;
    const struct ops_xent *o = attr;
    nilu_tensor *truth;
    ops_xent_parts p = ops_xent_split(in[0], in[1], nin > 5 ? in[5] : NULL, o);
    nilu_tensor *guess = guess_and_truth(&p, in[2], o, &truth);
    return ops_xent_kept(&p, nilu_mul(nilu_sub(guess, truth), nilu_div(in[4], in[3])));
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_xent *o = c->attr;
    int64_t n = c->in[0].shape.dim[0], k = c->in[0].shape.dim[1];
    bool weighted = c->nin > 5;
    double share = call_get(c, 4, 0) / call_get(c, 3, 0), spread = 0;
    for (int64_t j = 0; j < k; j++)
        spread += o->smoothing / (double)k * (weighted ? call_get(c, 5, j) : 1);
    for (int64_t i = 0; i < n; i++) {
        int64_t label;
        if (o->ignoring && call_get_int(c, 1, i) == o->ignore) {
            for (int64_t j = 0; j < k; j++)
                call_put(c, 0, i * k + j, 0);
            continue;
        }
        NILU_TRY(ops_label(c, i, k, &label));
        double own = (1 - o->smoothing) * (weighted ? call_get(c, 5, label) : 1);
        for (int64_t j = 0; j < k; j++) {
            double guess = (own + spread) * exp(call_get(c, 0, i * k + j) - call_get(c, 2, i));
            double truth = o->smoothing / (double)k * (weighted ? call_get(c, 5, j) : 1) + (j == label ? own : 0);
            call_put(c, 0, i * k + j, (guess - truth) * share);
        }
    }
    return NILU_OK;
}

static double flops(const nilu_node *n) /* difference, exp, whole, truth, share */
{
    return 5.0 * (double)base_count(n->out[0].shape);
}

static const nilu_case cases[] = {
    {"by hand: shares 1 2 3 4 of 10", "1x4 1i4 1 s s", .fill = "list 0 0.6931471805599453 1.0986122886681098 1.3862943611198906 2 2.302585092994046 1 1",
     .want = "0.1 0.2 -0.7 0.4"},
    {"smoothed, half the error of two", "1x4 1i4 1 s s", .attr = "smoothing=0.4",
     .fill = "list 0 0.6931471805599453 1.0986122886681098 1.3862943611198906 2 2.302585092994046 4 2", .want = "0 0.05 -0.2 0.15"},
    {"weighted by hand", "2x2 2i2 2 s s 2", .fill = "list 0 0 1.0986122886681098 0 0 1 0.6931471805599453 1.3862943611198906 4 1 1 3",
     .want = "-0.125 0.125 0.5625 -0.5625"},
    {"weighted and smoothed by hand", "1x2 1i2 1 s s 2", .attr = "smoothing=0.5",
     .fill = "list 0 0 0 0.6931471805599453 1 1 1 3", .want = "0 0"},
    {"an ignored row owes nothing", "2x2 2i2 2 s s", .attr = "ignoring=1 ignore=-100",
     .fill = "list 0 0 nan inf 1 -100 0.6931471805599453 0 1 1", .want = "0.5 -0.5 0 0", .kinky = true},
    {"all ignored", "1x2 1i2 1 s s", .attr = "ignoring=1 ignore=0", .fill = "list 1 2 0 0 0 1", .want = "0 0", .kinky = true},
    {"sure at 5000", "1x3 1i3 1 s s", .fill = "list 0 5000 -5000 2 5000 1 1", .want = "0 1 -1"},
    {"random", "4x5 4i5 4 s s", .fill = "positive"},
    {"smoothed", "4x5 4i5 4 s s", .attr = "smoothing=0.1", .fill = "positive"},
    {"weighted", "4x5 4i5 4 s s 5", .fill = "positive"},
    {"all at once", "9x5 9i5 9 s s 5", .attr = "smoothing=0.2 ignoring=1 ignore=3", .fill = "positive"},
    {"rows longer than a block", "3x301 3i301 3 s s", .attr = "smoothing=0.1", .fill = "positive"},
    {"many rows", "301x3 301i3 301 s s", .attr = "ignoring=1 ignore=2", .fill = "positive"},
    {"tail of a vector", "5x17 5i17 5 s s", .fill = "positive"},
    {"label too large", "2x2 2i2 2 s s", .fill = "list 0 0 0 0 0 2 1 1 1 1", .fault = "label 1 is 2, but there are 2 classes"},
    {"empty batch", "0x4 0i4 0 s s", .error = "the batch is empty"},
    {"no classes", "3x0 3i1 3 s s", .error = "x has no classes"},
    {"x is a vector", "3 3i3 3 s s", .error = "x must be [samples, classes]"},
    {"label too short", "4x2 3i2 4 s s", .error = "label must be [4]"},
    {"label is floats", "4x2 4 4 s s", .error = "label must be i32 or i64"},
    {"x is ids", "4x2i3 4i2 4 s s", .error = "x must be f32, f64 or bf16"},
    {"lse is ids", "4x2 4i2 4i2 s s", .error = "lse must have x's data type"},
    {"lse too short", "4x2 4i2 3 s s", .error = "lse must be [4]"},
    {"total is a vector", "4x2 4i2 4 4 s", .error = "total must be a scalar"},
    {"dloss is a vector", "4x2 4i2 4 s 4", .error = "dloss must be a scalar"},
    {"weight too short", "4x3 4i3 4 s s 2", .error = "weight must be [3]"},
    {"smoothing 1", "4x3 4i3 4 s s", .attr = "smoothing=1", .error = "smoothing is 1"},
    {0}};

const nilu_op nilu_op_softmax_xent_grad = {.name = "softmax_xent_grad",
                                           .inputs = {"x", "label", "lse", "total", "dloss", "weight"},
                                           .attr_size = sizeof(struct ops_xent),
                                           .fields = {NILU_REAL(struct ops_xent, smoothing),
                                                      NILU_FLAG(struct ops_xent, ignoring), NILU_INT(struct ops_xent, ignore)},
                                           .shape = shape,
                                           .grad = grad,
                                           .nodiff = {[1] = N_("it is the number of a class"),
                                                      [5] = N_("class weights are given, not learnt")},
                                           .decompose = decompose,
                                           .ref = ref,
                                           .flops = flops,
                                           .cases = cases,
                                           .backward = N_("dx = dz * guess * dloss / total, dlse = -sum(dx), "
                                                       "ddloss = sum(dz * z) / dloss")};

nilu_tensor *nilu_softmax_xent_grad(nilu_tensor *x, nilu_tensor *label, nilu_tensor *lse, nilu_tensor *total,
                                    nilu_tensor *dloss, const nilu_xent_options *options)
{
    nilu_xent_options o = options ? *options : (nilu_xent_options){0};
    return graph_node(&nilu_op_softmax_xent_grad, o.weight ? 6 : 5,
                      (nilu_tensor *[]){x, label, lse, total, dloss, o.weight},
                      &(struct ops_xent){o.smoothing, o.ignore, o.ignoring});
}
