/* Muon (Jordan et al. 2024): the momentum of a matrix is replaced by the nearest matrix whose directions all count the
 * same, found by five Newton-Schulz steps in the arithmetic of the weights.
 *     m ← m + (1 − μ)(g − m)        u = g + μ (m − g)                       Nesterov's look ahead
 *     x = u / max(‖u‖, ε)           five times: a = x xᵀ,  x ← 3.4445 x + (−4.775 a + 2.0315 a²) x
 *     w ← w (1 − η λ) − η √max(1, fan-out / fan-in) x
 * The smaller side is multiplied: for a tall x, a = xᵀ x stands on the right. A matrix at least twice as long as it is wide is
 * multiplied by a polynomial of its first a instead: four fifths of the work, and less the longer it is. Weights are [in, out] here, so fan-out is
 * the second dimension; the filters of a convolution are the matrix [filters, all that one of them reads]. Everything else is
 * updated by AdamW with `side_lr`. */
#include "optim/optim.h"

#include <math.h>

#define STEPS 5
#define LONG 32 /* of the shorter side, from which on a longer matrix goes by squares */
static const double quintic[3] = {3.4445, -4.7750, 2.0315};
static const double side_eps = 1e-8; /* of AdamW */

static void scalars(const optim_update *u, nilu_tensor *k[OPTIM_MAX_SCALARS])
{
    nilu_tensor *side = u->rate;
    if (u->o->side_lr != u->o->lr && u->o->lr > 0)
        side = nilu_scale(u->rate, u->o->side_lr / u->o->lr);
    optim_adamw_scalars(u, side, k);
    k[3] = u->rate;
    k[4] = nilu_shift(nilu_scale(u->rate, -u->o->decay), 1);
}

/* b a + c a², so that a step is x ← 3.4445 x + p x. */
static nilu_tensor *polynomial(nilu_tensor *a)
{
    return nilu_add(nilu_scale(a, quintic[1]), nilu_scale(nilu_matmul(a, a), quintic[2]));
}

static nilu_tensor *stepwise(nilu_tensor *x, bool tall)
{
    for (int i = 0; i < STEPS; i++) {
        nilu_tensor *p = polynomial(nilu_matmul_t(x, tall, x, !tall));
        x = nilu_add(nilu_scale(x, quintic[0]), tall ? nilu_matmul(x, p) : nilu_matmul(p, x));
    }
    return x;
}

/* The same for a long x, of which all steps need only a: x becomes t x, t = τ + s, and a becomes t a t; t, s, p and a are polynomials
 * of the first a, so they commute. Products have the shorter side alone, but for the first and the last. */
static nilu_tensor *by_squares(nilu_tensor *x, bool tall)
{
    nilu_tensor *a = nilu_matmul_t(x, tall, x, !tall), *s = NULL;
    double scale = 1; /* τ */
    for (int i = 0; i < STEPS; i++, scale *= quintic[0]) {
        nilu_tensor *p = polynomial(a), *moved = nilu_scale(p, scale);
        s = s ? nilu_add(nilu_add(nilu_scale(s, quintic[0]), moved), nilu_matmul(p, s)) : moved;
        if (i + 1 < STEPS) {
            nilu_tensor *h = nilu_matmul(p, a);
            a = nilu_add(nilu_add(nilu_scale(a, quintic[0] * quintic[0]), nilu_scale(h, 2 * quintic[0])), nilu_matmul(p, h));
        }
    }
    return nilu_add(nilu_scale(x, scale), tall ? nilu_matmul(x, s) : nilu_matmul(s, x));
}

static nilu_tensor *orthogonal(nilu_tensor *u, double eps)
{
    const int64_t rows = u ? u->shape.dim[0] : 0, columns = u ? u->shape.dim[1] : 0;
    const bool tall = rows > columns;
    const int64_t shorter = tall ? columns : rows, longer = tall ? rows : columns;
    nilu_tensor *norm = nilu_sqrt(nilu_sum(nilu_square(u), NILU_ALL, false));
    nilu_tensor *least = nilu_fill(nilu_tensor_graph(u), nilu_tensor_dtype(u), NILU_SCALAR, eps);
    nilu_tensor *x = nilu_div(u, nilu_maximum(norm, least));
    return shorter >= LONG && longer >= 2 * shorter ? by_squares(x, tall) : stepwise(x, tall);
}

static nilu_tensor *muon(const optim_site *s)
{
    const nilu_optimizer_options *o = s->all->o;
    if (!s->w || s->w->shape.rank < 2 || base_count(s->w->shape) == 0)
        return optim_adamw_step(s, side_eps, s->k);
    nilu_tensor *m = optim_state(s, "m", 0), *m1 = optim_average(m, s->g, 1 - o->momentum);
    optim_keep(s, m, m1);
    const nilu_shape shape = s->w->shape;
    const bool filters = shape.rank > 2;
    double in = (double)shape.dim[0], out = (double)shape.dim[1];
    if (filters) {
        out = (double)shape.dim[0];
        in = (double)base_count(shape) / out;
    }
    nilu_tensor *u = optim_average(s->g, m1, o->momentum);
    nilu_tensor *x = orthogonal(filters ? nilu_reshape(u, NILU_SHAPE(shape.dim[0], (int64_t)in)) : u, o->eps);
    x = filters ? nilu_reshape(x, shape) : x;
    double gain = in > 0 && out > in ? sqrt(out / in) : 1;
    nilu_tensor *w = o->decay > 0 ? nilu_mul(s->w, s->k[4]) : s->w;
    return nilu_sub(w, nilu_mul(nilu_scale(x, gain), s->k[3]));
}

const optim_rule optim_muon = {.name = "muon",
                               .otherwise = {.lr = 1e-3, .momentum = 0.95, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-7,
                                             .decay = 0.1},
                               .scalars = scalars, .step = muon};
