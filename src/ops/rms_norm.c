/* rms_norm: each sample's features divided by their root mean square, then scaled (Zhang, Sennrich 2019).
 *     x [.., last axes..]   gamma [last axes..] (optional)   ->   y: x's shape
 *     y = x / sqrt(mean(x²) + eps) · gamma                         mean over the last `axes` axes
 * A composite. Backward, with r = 1 / sqrt(mean(x²) + eps), g = δy · gamma:
 *     δx = r (g - x r² · mean(g x))                                                                     */
#include "ops/ops.h"

#include <math.h>

struct rms_norm {
    int64_t axes;
    double eps;
};

static nilu_status shape(nilu_build *b)
{
    const struct rms_norm *t = b->attr;
    NILU_TRY(ops_norm_need(b, t->eps));
    NILU_TRY(ops_norm_last(b, t->axes));
    return graph_out(b, 0, b->in[0]->dtype, b->in[0]->shape);
}

static nilu_tensor *expand(nilu_build *b)
{
    const struct rms_norm *t = b->attr;
    nilu_tensor *x = b->in[0], *square = nilu_mean(nilu_square(x), ops_last_axes(x->shape.rank, t->axes), true);
    nilu_tensor *y = nilu_mul(x, nilu_rsqrt(nilu_shift(square, t->eps)));
    return b->nin > 1 ? nilu_mul(y, b->in[1]) : y;
}

static nilu_status ref(const nilu_call *c)
{
    const struct rms_norm *t = c->attr;
    const int64_t n = ops_walk_over(c->in[0].shape, ops_last_axes(c->in[0].shape.rank, t->axes), true).n;
    for (int64_t i = 0; i < c->in[0].n; i += n) {
        double squares = 0;
        for (int64_t j = 0; j < n; j++)
            squares += call_get(c, 0, i + j) * call_get(c, 0, i + j);
        for (int64_t j = 0; j < n; j++)
            call_put(c, 0, i + j, call_get(c, 0, i + j) / sqrt(squares / (double)n + t->eps) * (c->nin > 1 ? call_get(c, 1, j) : 1));
    }
    return NILU_OK;
}

static const nilu_case cases[] = {
    {"by hand: root of 25", "1x2", .attr = "axes=1", .fill = "list 1 7", .want = "0.2 1.4"},
    {"eps by hand: root of 25 + 11", "1x2", .attr = "axes=1 eps=11", .fill = "list -1 7", .want = "-0.16666666666666666 1.1666666666666667"},
    {"scaled by hand", "1x2 2", .attr = "axes=1", .fill = "list 1 7 10 5", .want = "2 7"},
    {"random", "4x7 7", .attr = "axes=1 eps=1e-6"},
    {"two axes", "3x4x5 4x5", .attr = "axes=2 eps=1e-6"},
    {"rows longer than a block", "2x301 301", .attr = "axes=1 eps=1e-6"},
    {"no samples", "0x3 3", .attr = "axes=1"},
    {"too many axes", "2x3", .attr = "axes=3", .error = "x has 2 axes, of which 3 cannot be normalised together"},
    {"gamma does not fit", "2x3 2", .attr = "axes=1", .error = "gamma must be [3], a number for each"},
    {"eps infinite", "2x3", .attr = "axes=1 eps=inf", .error = "eps is inf, but must be finite"},
    {0}};

const nilu_op nilu_op_rms_norm = {.name = "rms_norm",
                                  .inputs = {"x", "gamma"},
                                  .attr_size = sizeof(struct rms_norm),
                                  .fields = {NILU_INT(struct rms_norm, axes), NILU_REAL(struct rms_norm, eps)},
                                  .shape = shape,
                                  .expand = expand,
                                  .ref = ref,
                                  .cases = cases,
                                  .backward = N_("dx = r (g - x r^2 mean(g x)), g = dy * gamma")};

nilu_tensor *nilu_rms_norm(nilu_tensor *x, nilu_tensor *gamma, int axes, double eps)
{
    return graph_node(&nilu_op_rms_norm, gamma ? 2 : 1, (nilu_tensor *[]){x, gamma}, &(struct rms_norm){axes, eps});
}
