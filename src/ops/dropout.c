/* dropout: each element is lost with probability `rate`; those that stay grow, so that the mean stays (Srivastava et
 * al. 2014, in the inverted form).
 *     z_i = x_i · m_i,   m_i = 1 / (1 - rate) where u_i >= rate, else 0
 * u_i of 24 bits is a pure function of (seed, stream, step, i), the same in every data type; the mask is never stored.
 * Backward: the same op, with the same stream, on the error: what was lost owes nothing.
 *     δx = δz · m                                                                                 */
#include "ops/ops.h"

static nilu_status shape(nilu_build *b)
{
    const struct ops_dropout *t = b->attr;
    NILU_NEED_AS(b, NILU_E_DTYPE, base_is_float(b->in[0]->dtype), N_("x must be f32, f64 or bf16; is a cast missing?"));
    NILU_TRY(ops_need_step(b, 1));
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, t->rate >= 0 && t->rate < 1, N_("rate is %g, but must be at least 0 and below 1"), t->rate);
    return graph_out(b, 0, b->in[0]->dtype, b->in[0]->shape);
}

static void grad(nilu_back *g)
{
    if (g->need[0])
        g->din[0] = graph_node(g->node->op, 2, (nilu_tensor *[]){g->dout[0], g->in[1]}, g->attr);
}

static nilu_status ref(const nilu_call *c)
{
    const struct ops_dropout *t = c->attr;
    base_key key = ops_random_key(c->seed, t->stream, call_get_int(c, 1, 0));
    for (int64_t i = 0; i < c->out[0].n; i++)
        call_put(c, 0, i, base_uniform(key, (uint64_t)i) >= t->rate ? call_get(c, 0, i) / (1 - t->rate) : 0);
    return NILU_OK;
}

static const nilu_case cases[] = {
    /* the draws are 0.44 0.61 0.71 0.64 0.54: see random_uniform */
    {"by hand", "5 si9", .attr = "rate=0.6 stream=0", .fill = "list 1 2 3 4 5 0", .want = "0 5 7.5 10 0"},
    {"the next step: 0.66 0.45 0.92 0.52 0.38", "5 si9", .attr = "rate=0.6 stream=0", .fill = "list 1 2 3 4 5 1", .want = "2.5 0 7.5 0 0"},
    {"another stream: 0.79 0.40", "2 si9", .attr = "rate=0.5 stream=3", .fill = "list 1 2 0", .want = "2 0"},
    {"what is lost is lost: infinite", "2 si9", .attr = "rate=0.5 stream=0", .fill = "list inf 2 0", .want = "0 4", .kinky = true},
    {"rate 0", "4 si9", .fill = "list 1 2 3 4 5", .want = "1 2 3 4"},
    {"random", "5x7 si9", .attr = "rate=0.5 stream=1"},
    {"nearly all lost", "5x7 si9", .attr = "rate=0.95 stream=1"},
    {"longer than a block", "3x301 si9", .attr = "rate=0.1 stream=2"},
    {"scalar", "s si9", .attr = "rate=0.5"},
    {"empty", "0x3 si9", .attr = "rate=0.5"},
    {"rate 1", "3 si9", .attr = "rate=1", .error = "rate is 1, but must be at least 0 and below 1"},
    {"rate negative", "3 si9", .attr = "rate=-0.1", .error = "rate is -0.1"},
    {"ids", "3i5 si9", .attr = "rate=0.5", .error = "x must be f32, f64 or bf16"},
    {"step is float", "3 s", .attr = "rate=0.5", .error = "step must be i32 or i64"},
    {"step is a vector", "3 2i9", .attr = "rate=0.5", .error = "step must be a scalar"},
    {0}};

const nilu_op nilu_op_dropout = {.name = "dropout",
                                 .inputs = {"x", "step"},
                                 .random = true,
                                 .attr_size = sizeof(struct ops_dropout),
                                 .fields = {NILU_REAL(struct ops_dropout, rate), NILU_INT(struct ops_dropout, stream)},
                                 .shape = shape,
                                 .grad = grad,
                                 .nodiff = {[1] = N_("it counts steps")},
                                 .ref = ref,
                                 .cases = cases,
                                 .backward = N_("dx = dz * mask, the forward pass's own")};

nilu_tensor *nilu_dropout(nilu_tensor *x, double rate)
{
    if (!x || rate == 0)
        return x;
    nilu_graph *g = x->node->g;
    nilu_tensor *step = nilu_step_counter(g);
    if (!step)
        return NULL;
    return graph_node(&nilu_op_dropout, 2, (nilu_tensor *[]){x, step}, &(struct ops_dropout){rate, g->streams++});
}
