/* matmul: Z = X·W, batched; either operand may be read transposed, so no transpose is ever made.
 *     a [.., m, k]   b [.., k, n]   ->   z [.., m, n]       leading axes broadcast
 * Backward (the transposes are the journey back):
 *     δa = δz · bᵀ        collect the error from everyone this input reached
 *     δb = aᵀ · δz        input × error                                                          */
#include "ops/ops.h"

struct matmul {
    bool ta, tb;
    bool bf16; /* set by a pass: the operands are rounded to bf16 before they are multiplied */
};

static nilu_status shape(nilu_build *b)
{
    const struct matmul *t = b->attr;
    nilu_shape x = b->in[0]->shape, w = b->in[1]->shape, out = NILU_SCALAR;
    NILU_TRY(graph_same_float(b));
    NILU_NEED(b, x.rank >= 2, N_("a must be a matrix or a batch of matrices; is a reshape missing before it?"));
    NILU_NEED(b, w.rank >= 2, N_("b must be a matrix or a batch of matrices; is a reshape missing before it?"));
    int64_t m = x.dim[x.rank - (t->ta ? 1 : 2)], k = x.dim[x.rank - (t->ta ? 2 : 1)];
    int64_t rows = w.dim[w.rank - (t->tb ? 1 : 2)], n = w.dim[w.rank - (t->tb ? 2 : 1)];
    NILU_NEED(b, k == rows, N_("a has %lld features in each row but b expects %lld; is a flatten missing before it?"),
              (long long)k, (long long)rows);
    out.rank = x.rank > w.rank ? x.rank : w.rank;
    for (int d = 0; d < out.rank - 2; d++) {
        int i = d - (out.rank - x.rank), j = d - (out.rank - w.rank);
        int64_t p = i < 0 ? 1 : x.dim[i], q = j < 0 ? 1 : w.dim[j];
        NILU_NEED(b, p == q || p == 1 || q == 1, N_("the batches %lld and %lld do not broadcast"), (long long)p, (long long)q);
        out.dim[d] = p == 1 ? q : p;
    }
    out.dim[out.rank - 2] = m;
    out.dim[out.rank - 1] = n;
    return graph_out(b, 0, b->in[0]->dtype, out);
}

static void grad(nilu_back *g)
{
    const struct matmul *t = g->attr;
    nilu_tensor *a = g->in[0], *b = g->in[1], *dz = g->dout[0];
    if (g->need[0]) /* z = a b: δa = δz bᵀ; z = aᵀ b: δa = b δzᵀ */
        g->din[0] = ops_sum_to(t->ta ? nilu_matmul_t(b, t->tb, dz, true) : nilu_matmul_t(dz, false, b, !t->tb), a->shape);
    if (g->need[1]) /* z = a b: δb = aᵀ δz; z = a bᵀ: δb = δzᵀ a */
        g->din[1] = ops_sum_to(t->tb ? nilu_matmul_t(dz, true, a, t->ta) : nilu_matmul_t(a, !t->ta, dz, false), b->shape);
}

double ops_operand(const nilu_call *c, int k, int64_t i, bool bf16)
{
    double v = call_get(c, k, i);
    return bf16 ? (double)base_bf16_to_f32(base_f32_to_bf16((float)v)) : v;
}

static nilu_status ref(const nilu_call *c)
{
    const struct matmul *t = c->attr;
    nilu_shape x = c->in[0].shape, w = c->in[1].shape, z = c->out[0].shape;
    int64_t m = z.dim[z.rank - 2], n = z.dim[z.rank - 1], k = x.dim[x.rank - (t->ta ? 2 : 1)];
    nilu_shape batch = z, xb = x, wb = w;
    batch.rank -= 2, xb.rank -= 2, wb.rank -= 2;
    int64_t xs[NILU_MAX_RANK], ws[NILU_MAX_RANK], count = base_count(batch);
    ops_strides(xb, batch, xs);
    ops_strides(wb, batch, ws);
    for (int64_t i = 0; i < count; i++) {
        int64_t xo = 0, wo = 0;
        for (int64_t d = batch.rank - 1, rest = i; d >= 0; rest /= batch.dim[d], d--) {
            xo += rest % batch.dim[d] * xs[d];
            wo += rest % batch.dim[d] * ws[d];
        }
        for (int64_t r = 0; r < m; r++)
            for (int64_t s = 0; s < n; s++) {
                double sum = 0;
                for (int64_t j = 0; j < k; j++)
                    sum += ops_operand(c, 0, xo * m * k + (t->ta ? j * m + r : r * k + j), t->bf16) *
                           ops_operand(c, 1, wo * k * n + (t->tb ? s * k + j : j * n + s), t->bf16);
                call_put(c, 0, (i * m + r) * n + s, sum);
            }
    }
    return NILU_OK;
}

static double flops(const nilu_node *node)
{
    const struct matmul *t = node->attr;
    nilu_shape x = node->in[0]->shape;
    return 2.0 * (double)base_count(node->out[0].shape) * (double)x.dim[x.rank - (t->ta ? 2 : 1)];
}

static const nilu_case cases[] = {
    {"2x2 by hand", "2x2 2x2", .fill = "list 1 2 3 4 5 6 7 8", .want = "19 22 43 50"},
    {"a transposed by hand", "2x2 2x2", .attr = "ta=1", .fill = "list 1 2 3 4 5 6 7 8", .want = "26 30 38 44"},
    {"b transposed by hand", "2x2 2x2", .attr = "tb=1", .fill = "list 1 2 3 4 5 6 7 8", .want = "17 23 39 53"},
    {"both transposed", "5x3 4x5", .attr = "ta=1 tb=1"},
    {"a row", "1x7 7x4"},
    {"a column", "6x3 3x1"},
    {"bf16 operands by hand: 1 + 2^-9 is rounded to 1, 1 + 3/2 2^-8 to 1 + 2^-7", "1x2 2x1", .attr = "bf16=1",
     .fill = "list 1.001953125 1.005859375 1 1", .want = "2.0078125", .kinky = true},
    {"bf16 operands, tails in every direction", "17x19 19x35", .attr = "bf16=1", .kinky = true},
    {"tails in every direction", "17x19 19x35"},
    {"batched", "3x4x5 3x5x2"},
    {"batch broadcast over b", "3x4x5 5x2"},
    {"batch broadcast over a", "4x5 3x5x2"},
    {"batches broadcast both ways", "2x1x3x4 5x4x2"},
    {"batched, a transposed, broadcast", "2x5x4 5x3", .attr = "ta=1"},
    {"operands rounded to bf16", "1x2 2x1", .attr = "bf16=1", .fill = "list 1.00390625 3 1 1.01171875", .want = "4.046875", .kinky = true},
    {"rounded, tails", "17x19 19x35", .attr = "bf16=1", .kinky = true},
    {"empty k: zeros", "2x0 0x3", .want = "0 0 0 0 0 0"},
    {"empty m", "0x3 3x2"},
    {"features do not fit", "64x784 512x10", .error = "a has 784 features in each row but b expects 512"},
    {"a vector", "3 3x2", .error = "a must be a matrix"},
    {"b a vector", "2x3 3", .error = "b must be a matrix"},
    {"batches do not fit", "2x3x4 5x4x2", .error = "do not broadcast"},
    {"ids", "2x3i5 3x2", .error = "a must be f32, f64 or bf16"},
    {0}};

const nilu_op nilu_op_matmul = {.name = "matmul",
                                .inputs = {"a", "b"},
                                .attr_size = sizeof(struct matmul),
                                .fields = {NILU_FLAG(struct matmul, ta), NILU_FLAG(struct matmul, tb),
                                           NILU_FLAG(struct matmul, bf16)},
                                .shape = shape,
                                .grad = grad,
                                .ref = ref,
                                .flops = flops,
                                .cases = cases,
                                .backward = N_("da = dz . b^T, db = a^T . dz")};

nilu_tensor *nilu_matmul_t(nilu_tensor *a, bool a_transposed, nilu_tensor *b, bool b_transposed)
{
    return graph_node(&nilu_op_matmul, 2, (nilu_tensor *[]){a, b}, &(struct matmul){a_transposed, b_transposed, false});
}

nilu_tensor *nilu_matmul(nilu_tensor *a, nilu_tensor *b)
{
    return nilu_matmul_t(a, false, b, false);
}
