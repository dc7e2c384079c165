/* softmax_xent: cross-entropy of softmax(x), the surprise of the truth at the guess.
 *     x [n, k]   label [n]   weight [k] (optional)   ->   loss [], lse [n], total []
 *     truth_ic = (1 - s) · w_label(i) · [c = label(i)]  +  s/k · w_c          s: smoothing; w: all 1 without weight
 *     lse_i    = log Σ_c exp x_ic                                             row maximum taken out first
 *     total    = Σ_i w_label(i)
 *     loss     = Σ_i Σ_c truth_ic · (lse_i - x_ic) / total
 * Rows whose label is `ignore` stand in no sum, and their lse is 0; if all are, the loss is 0/0, not a number. A class
 * whose truth is 0 costs nothing even at x = -inf. (The same definition as PyTorch's cross_entropy.)
 * Outputs 1 and 2 are kept for the way back:
 *     δx_ic = (Σ_c truth_ic · softmax(x)_ic - truth_ic) / total · δloss       blame = guess - truth */
#include "ops/ops.h"

#include <math.h>

static nilu_status shape(nilu_build *b)
{
    const struct ops_xent *o = b->attr;
    const nilu_tensor *x = b->in[0];
    NILU_TRY(ops_need_labels(b));
    if (b->nin > 2) {
        NILU_NEED_AS(b, NILU_E_DTYPE, b->in[2]->dtype == x->dtype, N_("weight must have x's data type; is a cast missing?"));
        NILU_NEED(b, b->in[2]->shape.rank == 1 && b->in[2]->shape.dim[0] == x->shape.dim[1],
                  N_("weight must be [%lld], one for each class"), (long long)x->shape.dim[1]);
    }
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, o->smoothing >= 0 && o->smoothing < 1,
                 N_("smoothing is %g, but must be at least 0 and below 1"), o->smoothing);
    NILU_TRY(graph_out(b, 0, x->dtype, NILU_SCALAR));
    NILU_TRY(graph_out(b, 1, x->dtype, NILU_SHAPE(x->shape.dim[0])));
    return graph_out(b, 2, x->dtype, NILU_SCALAR);
}

static void grad(nilu_back *g)
{
    const struct ops_xent *o = g->attr;
    nilu_tensor *x = g->in[0], *label = g->in[1], *weight = g->nin > 2 ? g->in[2] : NULL, *way = NULL;
    if (!g->need[0])
        return;
    if (g->dout[0])
        way = nilu_softmax_xent_grad(x, label, g->out[1], g->out[2], g->dout[0],
                                     &(nilu_xent_options){weight, o->smoothing, o->ignoring, o->ignore});
    if (g->dout[1]) { /* the error that reached lse: δx = softmax(x) · δlse */
        ops_xent_parts p = ops_xent_split(x, label, weight, o);
        nilu_shape column = NILU_SHAPE(x->shape.dim[0], 1);
        nilu_tensor *share = nilu_exp(nilu_sub(p.x, nilu_reshape(g->out[1], column)));
        nilu_tensor *more = ops_xent_kept(&p, nilu_mul(share, nilu_reshape(g->dout[1], column)));
        way = way ? nilu_add(way, more) : more;
    }
    g->din[0] = way;
}

static nilu_tensor *decompose(nilu_graph *graph, int nin, nilu_tensor *const *in, const void *attr)
{
    const struct ops_xent *o = attr;
    ops_xent_parts p = ops_xent_split(in[0], in[1], nin > 2 ? in[2] : NULL, o);
    nilu_tensor *nothing = nilu_fill(graph, in[0]->dtype, NILU_SCALAR, 0), *one = nilu_fill(graph, in[0]->dtype, NILU_SCALAR, 1);
    nilu_tensor *cost = nilu_sub(nilu_logsumexp(p.x, NILU_AXES(1), true), p.x); /* of each class, were it the truth */
    nilu_tensor *own = p.own ? p.own : one;
    nilu_tensor *row = nilu_mul(own, nilu_sum(nilu_where(p.hot, cost, nothing), NILU_AXES(1), true));
    if (o->smoothing > 0) {
        nilu_tensor *spread = nilu_mean(p.weight ? nilu_mul(cost, p.weight) : cost, NILU_AXES(1), true);
        row = nilu_add(nilu_scale(row, 1 - o->smoothing), nilu_scale(spread, o->smoothing));
    }
    nilu_tensor *count = nilu_broadcast_to(own, NILU_SHAPE(in[0]->shape.dim[0], 1));
    return nilu_div(nilu_sum(ops_xent_kept(&p, row), NILU_ALL, false), nilu_sum(ops_xent_kept(&p, count), NILU_ALL, false));
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_xent *o = c->attr;
    int64_t n = c->in[0].shape.dim[0], k = c->in[0].shape.dim[1];
    bool weighted = c->nin > 2;
    double loss = 0, total = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t label;
        if (o->ignoring && call_get_int(c, 1, i) == o->ignore) {
            call_put(c, 1, i, 0);
            continue;
        }
        NILU_TRY(ops_label(c, i, k, &label));
        double top = -INFINITY, sum = 0;
        for (int64_t j = 0; j < k; j++) {
            double x = call_get(c, 0, i * k + j);
            top = x > top || x != x ? x : top;
        }
        for (int64_t j = 0; j < k; j++)
            sum += exp(call_get(c, 0, i * k + j) - top);
        double lse = isinf(top) ? top : top + log(sum);
        double own = weighted ? call_get(c, 2, label) : 1;
        for (int64_t j = 0; j < k; j++) {
            double truth = o->smoothing / (double)k * (weighted ? call_get(c, 2, j) : 1);
            truth += j == label ? (1 - o->smoothing) * own : 0;
            loss += truth == 0 ? 0 : truth * (lse - call_get(c, 0, i * k + j));
        }
        total += own;
        call_put(c, 1, i, lse);
    }
    call_put(c, 0, 0, loss / total);
    call_put(c, 2, 0, total);
    return NILU_OK;
}

static double flops(const nilu_node *n) /* maximum, difference, exp, sum, truth */
{
    return 5.0 * (double)base_count(n->in[0]->shape);
}

#define LN2_LN3_LN4 "list 0 0.6931471805599453 1.0986122886681098 1.3862943611198906" /* shares 1 2 3 4 of 10 */
static const nilu_case cases[] = {
    {"equal scores: ln 4", "3x4 3i4", .fill = "zero", .want = "1.3862943611198906"},
    {"by hand: ln 10/3", "1x4 1i4", .fill = LN2_LN3_LN4 " 2", .want = "1.2039728043259361"},
    {"smoothed by hand: 0.6 ln 10/3 + 0.1 ln 10^4/24", "1x4 1i4", .attr = "smoothing=0.4", .fill = LN2_LN3_LN4 " 2", .want = "1.3256123367583854"},
    {"weighted by hand: (1 ln 2 + 3 ln 4) / 4", "2x2 2i2 2",
     .fill = "list 0 0 1.0986122886681098 0 0 1 1 3", .want = "1.2130075659799042"},
    {"weighted and smoothed", "2x2 2i2 2", .attr = "smoothing=0.5", .fill = "list 0 0 1.0986122886681098 0 0 1 1 3",
     .want = "1.0577009003681543"},
    {"one row ignored: ln 2", "2x2 2i2", .attr = "ignoring=1 ignore=-100", .fill = "list 0 0 nan inf 1 -100", .want = "0.6931471805599453", .gradient = "0.5 -0.5 0 0", .kinky = true},
    {"ignored label is a class: ln 2", "2x2 2i2", .attr = "ignoring=1 ignore=0", .fill = "list 7 9 0 0 0 1", .want = "0.6931471805599453"},
    {"all rows ignored: 0 / 0", "2x2 2i2", .attr = "ignoring=1 ignore=1", .fill = "list 1 2 3 4 1 1", .want = "nan", .kinky = true},
    {"sure and right at 5000", "1x3 1i3", .fill = "list 0 5000 -5000 1", .want = "0"},
    {"sure and wrong at 5000", "1x3 1i3", .fill = "list 0 5000 -5000 2", .want = "10000"},
    {"a masked class costs nothing: ln 2", "1x3 1i3", .fill = "list 0 -inf 0 2", .want = "0.6931471805599453", .gradient = "0.5 0 -0.5", .kinky = true},
    {"one class", "5x1 5i1", .want = "0"},
    {"random", "4x5 4i5"},
    {"smoothed", "4x5 4i5", .attr = "smoothing=0.1"},
    {"weighted", "4x5 4i5 5", .fill = "positive"},
    {"all at once", "9x5 9i5 5", .attr = "smoothing=0.2 ignoring=1 ignore=3", .fill = "positive"},
    {"rows longer than a block", "3x301 3i301", .attr = "smoothing=0.1"},
    {"many rows", "301x3 301i3", .attr = "ignoring=1 ignore=2"},
    {"tail of a vector", "5x17 5i17"},
    {"logits of 5000", "4x6 4i6", .gain = 5000, .kinky = true},
    {"label too large", "2x3 2i3", .fill = "list 1 2 3 4 5 6 0 3", .fault = "label 1 is 3, but there are 3 classes"},
    {"label negative", "2x3 2i3", .fill = "list 1 2 3 4 5 6 -1 9", .fault = "label 0 is -1, but there are 3 classes"},
    {"an ignored label beside a wrong one", "2x3 2i3", .attr = "ignoring=1 ignore=-100", .fill = "list 1 2 3 4 5 6 -100 -1",
     .fault = "label 1 is -1"},
    {"empty batch", "0x4 0i4", .error = "the batch is empty"},
    {"no classes", "3x0 3i1", .error = "x has no classes"},
    {"x is a vector", "3 3i3", .error = "x must be [samples, classes]"},
    {"label is a matrix", "4x2 4x2i2", .error = "label must be [4], one class for each row of x"},
    {"label too short", "4x2 3i2", .error = "label must be [4]"},
    {"label is one-hot floats", "4x2 4", .error = "label must be i32 or i64"},
    {"x is ids", "4x2i3 4i2", .error = "x must be f32, f64 or bf16"},
    {"weight too short", "4x3 4i3 2", .error = "weight must be [3]"},
    {"weight is ids", "4x3 4i3 3i9", .error = "weight must have x's data type"},
    {"smoothing 1", "4x3 4i3", .attr = "smoothing=1", .error = "smoothing is 1"},
    {"smoothing negative", "4x3 4i3", .attr = "smoothing=-0.5", .error = "smoothing is -0.5"},
    {0}};

const nilu_op nilu_op_softmax_xent = {.name = "softmax_xent",
                                      .inputs = {"x", "label", "weight"},
                                      .attr_size = sizeof(struct ops_xent),
                                      .fields = {NILU_REAL(struct ops_xent, smoothing), NILU_FLAG(struct ops_xent, ignoring),
                                                 NILU_INT(struct ops_xent, ignore)},
                                      .shape = shape,
                                      .grad = grad,
                                      .nodiff = {[1] = N_("it is the number of a class"), [2] = N_("class weights are given, not learnt")},
                                      .decompose = decompose,
                                      .ref = ref,
                                      .flops = flops,
                                      .cases = cases,
                                      .backward = N_("dx = (softmax(x) - truth) / n * dloss: guess minus truth")};

nilu_tensor *nilu_softmax_xent(nilu_tensor *x, nilu_tensor *label, const nilu_xent_options *options)
{
    nilu_xent_options o = options ? *options : (nilu_xent_options){0};
    return graph_node(&nilu_op_softmax_xent, o.weight ? 3 : 2, (nilu_tensor *[]){x, label, o.weight},
                      &(struct ops_xent){o.smoothing, o.ignore, o.ignoring});
}
