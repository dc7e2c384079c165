/* Rows of ONNX's products, normalisations and losses. */
#include "io/onnx.h"
#include "nn/nn.h"

#include <math.h>
#include <string.h>

typedef nilu_tensor *T;

/* ---- products: a vector is a row on the left and a column on the right; whole numbers are multiplied in f64 */

static T product(T a, T b)
{
    if (!a || !b)
        return NULL;
    nilu_shape p = a->shape, q = b->shape;
    nilu_dtype d = a->dtype;
    bool row = p.rank == 1, column = q.rank == 1, whole = !base_is_float(d);
    a = row ? nilu_reshape(a, NILU_SHAPE(1, p.dim[0])) : a;
    b = column ? nilu_reshape(b, NILU_SHAPE(q.dim[0], 1)) : b;
    T z = whole ? nilu_matmul(nilu_cast(a, NILU_F64), nilu_cast(b, NILU_F64)) : nilu_matmul(a, b);
    z = whole ? nilu_cast(z, d) : z;
    if (!z || (!row && !column))
        return z;
    nilu_shape s = {0};
    for (int i = 0; i < z->shape.rank; i++)
        if (!(row && i == z->shape.rank - 2) && !(column && i == z->shape.rank - 1))
            s.dim[s.rank++] = z->shape.dim[i];
    return nilu_reshape(z, s);
}

static nilu_status build_MatMul(onnx_site *s)
{
    return onnx_put(s, 0, product(onnx_t(s, 0), onnx_t(s, 1)));
}

static nilu_status build_Gemm(onnx_site *s)
{
    double alpha = onnx_float(s, "alpha", 1), beta = onnx_float(s, "beta", 1);
    nilu_dtype d = onnx_dtype_of(s, 0), wide = base_is_float(d) ? d : NILU_F64;
    T z = nilu_matmul_t(nilu_cast(onnx_t(s, 0), wide), onnx_int(s, "transA", 0), nilu_cast(onnx_t(s, 1), wide),
                        onnx_int(s, "transB", 0));
    z = alpha == 1 ? z : nilu_scale(z, alpha);
    if (onnx_has(s, 2)) {
        T c = nilu_cast(onnx_t(s, 2), wide);
        z = nilu_add(z, beta == 1 ? c : nilu_scale(c, beta));
    }
    return onnx_put(s, 0, nilu_cast(z, d));
}

/* ---- einsum: operands are joined two at a time by a product of matrices, [shared and kept, own, summed] */

typedef struct term {
    T t;
    int label[NILU_MAX_RANK]; /* of each axis; those of an ellipsis are 128 and up, counted from the end */
} term;

static int find_label(const term *a, int label)
{
    for (int d = 0; a->t && d < a->t->shape.rank; d++)
        if (a->label[d] == label)
            return d;
    return -1;
}

/* Axes in the order of `want`; the others must not be. */
static T ordered(const term *a, const int *want, int n)
{
    nilu_axes axes = {.n = n};
    for (int i = 0; i < n; i++)
        axes.at[i] = find_label(a, want[i]);
    bool same = true;
    for (int i = 0; i < n; i++)
        same = same && axes.at[i] == i;
    return same ? a->t : nilu_transpose(a->t, axes);
}

static void sum_out(term *a, const int *keep, int nkeep, const term *other)
{
    for (int d = a->t ? a->t->shape.rank - 1 : -1; d >= 0 && a->t; d--) {
        bool kept = other && find_label(other, a->label[d]) >= 0;
        for (int i = 0; i < nkeep; i++)
            kept = kept || keep[i] == a->label[d];
        if (kept)
            continue;
        a->t = nilu_sum(a->t, NILU_AXES(d), false);
        memmove(a->label + d, a->label + d + 1, sizeof *a->label * (size_t)(NILU_MAX_RANK - d - 1));
    }
}

static void join(term *a, term *b, const int *keep, int nkeep)
{
    int both[NILU_MAX_RANK], sum[NILU_MAX_RANK], left[NILU_MAX_RANK], right[NILU_MAX_RANK], nboth = 0, nsum = 0,
                                                                                            nleft = 0, nright = 0;
    int order[2][2 * NILU_MAX_RANK];
    int64_t size[4] = {1, 1, 1, 1};
    nilu_shape out = {0};
    sum_out(a, keep, nkeep, b);
    sum_out(b, keep, nkeep, a);
    if (!a->t || !b->t) {
        a->t = NULL;
        return;
    }
    for (int d = 0; d < a->t->shape.rank; d++) {
        bool kept = false, shared = find_label(b, a->label[d]) >= 0;
        for (int i = 0; i < nkeep; i++)
            kept = kept || keep[i] == a->label[d];
        int64_t n = a->t->shape.dim[d];
        if (shared && kept)
            both[nboth++] = a->label[d], size[0] *= n;
        else if (shared)
            sum[nsum++] = a->label[d], size[1] *= n;
        else
            left[nleft++] = a->label[d], size[2] *= n;
    }
    for (int d = 0; d < b->t->shape.rank; d++)
        if (find_label(a, b->label[d]) < 0)
            right[nright++] = b->label[d], size[3] *= b->t->shape.dim[d];
    memcpy(order[0], both, sizeof both[0] * (size_t)nboth);
    memcpy(order[0] + nboth, left, sizeof left[0] * (size_t)nleft);
    memcpy(order[0] + nboth + nleft, sum, sizeof sum[0] * (size_t)nsum);
    memcpy(order[1], both, sizeof both[0] * (size_t)nboth);
    memcpy(order[1] + nboth, sum, sizeof sum[0] * (size_t)nsum);
    memcpy(order[1] + nboth + nsum, right, sizeof right[0] * (size_t)nright);
    term made = {0};
    for (int i = 0; i < nboth + nleft && out.rank < NILU_MAX_RANK; i++)
        made.label[out.rank] = order[0][i], out.dim[out.rank++] = a->t->shape.dim[find_label(a, order[0][i])];
    for (int i = 0; i < nright && out.rank < NILU_MAX_RANK; i++)
        made.label[out.rank] = right[i], out.dim[out.rank++] = b->t->shape.dim[find_label(b, right[i])];
    T p = nilu_reshape(ordered(a, order[0], nboth + nleft + nsum), NILU_SHAPE(size[0], size[2], size[1]));
    T q = nilu_reshape(ordered(b, order[1], nboth + nsum + nright), NILU_SHAPE(size[0], size[1], size[3]));
    made.t = nilu_reshape(product(p, q), out);
    *a = made;
}

/* Labels of one operand from its text; repeated ones are a diagonal. */
static nilu_status read_term(onnx_site *s, const char **text, term *a)
{
    int n = 0, rank = a->t->shape.rank, named = 0;
    for (const char *p = *text; *p && *p != ',' && *p != '-'; p++)
        named += *p != '.' && *p != ' ';
    for (; **text && **text != ',' && **text != '-'; (*text)++) {
        if (**text == ' ')
            continue;
        if (strncmp(*text, "...", 3) == 0) {
            for (int k = rank - named; k > 0 && n < rank; k--)
                a->label[n++] = 127 + k;
            *text += 2;
        } else if (n < rank)
            a->label[n++] = (unsigned char)**text;
        else
            n = NILU_MAX_RANK + 1;
    }
    if (n != rank)
        return onnx_fail(s, N_("its equation does not fit the shapes"));
    for (int d = 0; d < rank; d++)
        for (int e = d + 1; e < rank; e++)
            if (a->label[d] == a->label[e]) {
                if (rank != 2 || a->t->shape.dim[0] != a->t->shape.dim[1])
                    return onnx_fail(s, N_("only the diagonal of a matrix is supported"));
                int64_t m = a->t->shape.dim[0], *at = onnx_keep(&s->b->pool, (size_t)m * sizeof *at);
                for (int64_t i = 0; at && i < m; i++)
                    at[i] = i * m + i;
                a->t = at ? nilu_gather(nilu_reshape(a->t, onnx_vector(m * m)),
                                        onnx_whole_constant(s, onnx_vector(m), at), 0)
                          : NULL;
                return NILU_OK;
            }
    return NILU_OK;
}

static nilu_status build_Einsum(onnx_site *s)
{
    const onnx_attribute *a = onnx_attr(s, "equation");
    char text[256];
    term in[8] = {{0}};
    int keep[NILU_MAX_RANK], nkeep = 0, seen[256] = {0}, ellipsis = 0;
    if (!a || a->s.len >= sizeof text || s->nin > 8 || s->nin < 1)
        return onnx_fail(s, N_("its equation does not fit the shapes"));
    memcpy(text, a->s.data, a->s.len);
    text[a->s.len] = 0;
    const char *p = text;
    for (int i = 0; i < s->nin; i++) {
        in[i].t = onnx_t(s, i);
        if (!in[i].t)
            return graph_report(s->b->g);
        NILU_TRY(read_term(s, &p, &in[i]));
        p += *p == ',';
        for (int d = 0; in[i].t && d < in[i].t->shape.rank; d++) {
            seen[in[i].label[d]]++;
            if (in[i].label[d] >= 128 && in[i].label[d] - 127 > ellipsis)
                ellipsis = in[i].label[d] - 127;
        }
    }
    bool explicit = p[0] == '-' && p[1] == '>';
    p += explicit ? 2 : 0;
    if (!explicit) /* in the order of letters, those that come once */
        for (int l = 255; l >= 128; l--)
            if (seen[l] && nkeep < NILU_MAX_RANK)
                keep[nkeep++] = l;
    for (int l = 0; !explicit && l < 128; l++)
        if (seen[l] == 1 && nkeep < NILU_MAX_RANK)
            keep[nkeep++] = l;
    for (; explicit && *p; p++) {
        if (strncmp(p, "...", 3) == 0) {
            for (int k = ellipsis; k > 0 && nkeep < NILU_MAX_RANK; k--)
                keep[nkeep++] = 127 + k;
            p += 2;
        } else if (*p != ' ' && nkeep < NILU_MAX_RANK)
            keep[nkeep++] = (unsigned char)*p;
    }
    for (int i = 1; i < s->nin; i++) {
        int later[64], n = nkeep;
        memcpy(later, keep, sizeof keep[0] * (size_t)nkeep);
        for (int k = i + 1; k < s->nin; k++)
            for (int d = 0; in[k].t && d < in[k].t->shape.rank && n < 64; d++)
                later[n++] = in[k].label[d];
        join(&in[0], &in[i], later, n);
    }
    sum_out(&in[0], keep, nkeep, NULL);
    if (!in[0].t)
        return graph_report(s->b->g);
    for (int i = 0; i < nkeep; i++)
        if (find_label(&in[0], keep[i]) < 0)
            return onnx_fail(s, N_("its equation does not fit the shapes"));
    return onnx_put(s, 0, ordered(&in[0], keep, nkeep));
}

/* ---- normalisations */

/* (x - mean) / sqrt(variance + epsilon) over axes; mean and 1 / deviation too where wanted */
static T normalised(onnx_site *s, T x, nilu_axes axes, double epsilon, T *mean, T *rstd)
{
    T m = nilu_mean(x, axes, true), centred = nilu_sub(x, m);
    T r = nilu_rsqrt(
        nilu_add(nilu_mean(nilu_square(centred), axes, true), onnx_scalar(s, x ? x->dtype : NILU_F32, epsilon)));
    if (mean)
        *mean = m;
    if (rstd)
        *rstd = r;
    return nilu_mul(centred, r);
}

static nilu_axes from_axis(int axis, int rank)
{
    nilu_axes axes = {0};
    for (int d = axis; d < rank; d++)
        axes.at[axes.n++] = d;
    return axes;
}

static nilu_status build_LayerNormalization(onnx_site *s)
{
    int axis, rank = onnx_rank(s, 0);
    T mean, rstd;
    NILU_TRY(onnx_axis(s, onnx_int(s, "axis", -1), rank, &axis));
    T z = nilu_mul(normalised(s, onnx_t(s, 0), from_axis(axis, rank), onnx_float(s, "epsilon", 1e-5), &mean, &rstd),
                   onnx_t(s, 1));
    NILU_TRY(onnx_put(s, 0, onnx_has(s, 2) ? nilu_add(z, onnx_t(s, 2)) : z));
    NILU_TRY(onnx_put(s, 1, mean));
    return onnx_put(s, 2, rstd);
}

static nilu_status build_RMSNormalization(onnx_site *s)
{
    int axis, rank = onnx_rank(s, 0);
    NILU_TRY(onnx_axis(s, onnx_int(s, "axis", -1), rank, &axis));
    T x = onnx_t(s, 0), mean = nilu_mean(nilu_square(x), from_axis(axis, rank), true);
    T r = nilu_rsqrt(nilu_add(mean, onnx_scalar(s, onnx_dtype_of(s, 0), onnx_float(s, "epsilon", 1e-5))));
    return onnx_put(s, 0, nilu_mul(nilu_mul(x, r), onnx_t(s, 1)));
}

static nilu_status build_MeanVarianceNormalization(onnx_site *s)
{
    int64_t list[NILU_MAX_RANK] = {0, 2, 3}, n = onnx_ints(s, "axes", list, NILU_MAX_RANK);
    nilu_axes axes = {.n = (int)(n < 0 ? 3 : n)};
    for (int i = 0; i < axes.n; i++)
        NILU_TRY(onnx_axis(s, list[i], onnx_rank(s, 0), &axes.at[i]));
    T x = onnx_t(s, 0), centred = nilu_sub(x, nilu_mean(x, axes, true));
    T deviation = nilu_sqrt(nilu_mean(nilu_square(centred), axes, true));
    return onnx_put(s, 0, nilu_div(centred, nilu_add(deviation, onnx_scalar(s, onnx_dtype_of(s, 0), 1e-9))));
}

/* [c] as [1, c, 1, ..] beside x */
static T per_channel(T v, int rank)
{
    nilu_shape shape = {.rank = rank};
    for (int d = 0; d < rank; d++)
        shape.dim[d] = d == 1 && v ? v->shape.dim[0] : 1;
    return nilu_reshape(v, shape);
}

/* By the batch's statistics, which the running ones follow after the step; the variance is that of the population. */
static nilu_status learning(onnx_site *s, T x, double momentum, double epsilon)
{
    int rank = onnx_rank(s, 0);
    nilu_axes axes = {0};
    for (int k = 0; k < rank; k++)
        if (k != 1)
            axes.at[axes.n++] = k;
    T now = nilu_moments(x, axes, false);
    if (!now)
        return graph_report(s->b->g);
    for (int i = 0; i < 2; i++) {
        T running = onnx_t(s, 3 + i), fresh = nilu_output(now, i);
        T next = nilu_add(running, nilu_scale(nilu_sub(fresh, running), 1 - momentum));
        if (running && running->node->op == &graph_op_param && !running->node->assigned)
            nilu_assign(running, next);
        NILU_TRY(onnx_put(s, 1 + i, next));
    }
    return onnx_put(s, 0, nilu_batch_norm(x, now, nilu_output(now, 1), onnx_t(s, 1), onnx_t(s, 2), epsilon));
}

/* By running statistics; in training by the batch's, and the running ones are given out. */
static nilu_status build_BatchNormalization(onnx_site *s)
{
    int rank = onnx_rank(s, 0);
    double epsilon = onnx_float(s, "epsilon", 1e-5), momentum = onnx_float(s, "momentum", 0.9);
    bool training = onnx_int(s, "training_mode", 0);
    nilu_dtype d = onnx_dtype_of(s, 0);
    nilu_axes axes = {0};
    if (rank < 2)
        return onnx_fail(s, N_("it wants a matrix"));
    for (int k = 0; k < rank; k++)
        if (k != 1)
            axes.at[axes.n++] = k;
    T x = onnx_t(s, 0), mean = onnx_frozen(s, 3), var = onnx_frozen(s, 4);
    const nilu_model *model = s->b->wish->model;
    if (model) {
        if (s->b->wish->training && (training || model->train_norms) && !nn_frozen(model, s->in[3]->name))
            return learning(s, x, momentum, epsilon);
        training = false; /* as it answers */
        NILU_TRY(onnx_put(s, 1, mean));
        NILU_TRY(onnx_put(s, 2, var));
    }
    if (training) {
        T m = nilu_mean(x, axes, false), v = nilu_mean(nilu_square(nilu_sub(x, per_channel(m, rank))), axes, false);
        NILU_TRY(onnx_put(s, 1, nilu_add(nilu_scale(mean, momentum), nilu_scale(m, 1 - momentum))));
        NILU_TRY(onnx_put(s, 2, nilu_add(nilu_scale(var, momentum), nilu_scale(v, 1 - momentum))));
        mean = m;
        var = v;
    }
    T r = nilu_rsqrt(nilu_add(var, onnx_scalar(s, d, epsilon)));
    T z = nilu_mul(nilu_sub(x, per_channel(mean, rank)), per_channel(nilu_mul(r, onnx_t(s, 1)), rank));
    return onnx_put(s, 0, nilu_add(z, per_channel(onnx_t(s, 2), rank)));
}

static nilu_status groups(onnx_site *s, int64_t count, bool of_channels)
{
    nilu_shape x = onnx_shape(s, 0), grouped = {.rank = 3}, each;
    if (x.rank < 2 || count < 1 || x.dim[1] % count || x.dim[1] == 0)
        return onnx_fail(s, N_("its groups do not fit the channels"));
    grouped.dim[0] = x.dim[0];
    grouped.dim[1] = count;
    grouped.dim[2] = -1;
    T z = normalised(s, nilu_reshape(onnx_t(s, 0), grouped), NILU_AXES(2), onnx_float(s, "epsilon", 1e-5), NULL, NULL);
    T scale = onnx_t(s, 1), bias = onnx_t(s, 2);
    if (of_channels) {
        z = nilu_reshape(z, x);
        return onnx_put(s, 0, nilu_add(nilu_mul(z, per_channel(scale, x.rank)), per_channel(bias, x.rank)));
    }
    each = NILU_SHAPE(1, count, 1);
    z = nilu_add(nilu_mul(z, nilu_reshape(scale, each)), nilu_reshape(bias, each));
    return onnx_put(s, 0, nilu_reshape(z, x));
}

static nilu_status build_InstanceNormalization(onnx_site *s)
{
    return groups(s, onnx_rank(s, 0) > 1 ? onnx_shape(s, 0).dim[1] : 0, true);
}

static nilu_status build_GroupNormalization(onnx_site *s)
{
    return groups(s, onnx_int(s, "num_groups", 1), s->b->opset >= 21);
}

/* x / (bias + alpha / size * sum of squares over neighbouring channels) ^ beta */
static nilu_status build_LRN(onnx_site *s)
{
    nilu_dtype d = onnx_dtype_of(s, 0);
    nilu_shape x = onnx_shape(s, 0);
    int64_t size = onnx_int(s, "size", 1), before = (size - 1) / 2;
    if (x.rank < 2 || size < 1 || size > 64)
        return onnx_fail(s, N_("its size is out of range"));
    T t = onnx_t(s, 0), square = nilu_pad(nilu_square(t), 1, before, size - 1 - before, 0), sum = NULL;
    for (int64_t i = 0; i < size; i++) {
        T part = nilu_slice(square, 1, i, i + x.dim[1], 1);
        sum = sum ? nilu_add(sum, part) : part;
    }
    T base =
        nilu_shift(nilu_scale(sum, onnx_float(s, "alpha", (double)0.0001f) / (double)size), onnx_float(s, "bias", 1));
    return onnx_put(s, 0, nilu_div(t, nilu_pow(base, onnx_scalar(s, d, onnx_float(s, "beta", 0.75)))));
}

/* ---- losses over [n, c, ..] and labels [n, ..] */

static nilu_status likelihood(onnx_site *s, T log_p)
{
    nilu_shape x = onnx_shape(s, 0), l = onnx_shape(s, 1), wide = l;
    nilu_dtype d = onnx_dtype_of(s, 0);
    bool ignoring = onnx_attr(s, "ignore_index") != NULL;
    if (x.rank < 2 || l.rank != x.rank - 1)
        return onnx_fail(s, N_("%d axes are given for %d"), l.rank, x.rank - 1);
    T label = nilu_cast(onnx_t(s, 1), NILU_I64), counts = NULL, weight = NULL;
    if (ignoring) {
        counts = nilu_ne(label, onnx_scalar(s, NILU_I64, (double)onnx_int(s, "ignore_index", 0)));
        label = nilu_where(counts, label, onnx_scalar(s, NILU_I64, 0));
    }
    nilu_axes order = {.n = x.rank};
    for (int k = 0; k < x.rank; k++) /* one_hot puts classes last; they belong second */
        order.at[k] = k == 0 ? 0 : k == 1 ? x.rank - 1 : k - 1;
    T hot = nilu_transpose(nilu_one_hot(label, x.dim[1], NILU_BOOL), order);
    T loss = nilu_neg(nilu_sum(nilu_where(hot, log_p, onnx_scalar(s, d, 0)), NILU_AXES(1), false));
    wide.rank = l.rank;
    if (onnx_has(s, 2))
        weight = nilu_gather(onnx_t(s, 2), label, 0);
    if (counts)
        weight = nilu_where(counts, weight ? weight : nilu_fill(s->b->g, d, wide, 1), onnx_scalar(s, d, 0));
    loss = weight ? nilu_mul(loss, weight) : loss;
    if (onnx_text_is(s, "reduction", "mean", "sum"))
        loss = nilu_sum(loss, NILU_ALL, false);
    else if (onnx_text_is(s, "reduction", "mean", "mean"))
        loss = weight ? nilu_div(nilu_sum(loss, NILU_ALL, false), nilu_sum(weight, NILU_ALL, false))
                      : nilu_mean(loss, NILU_ALL, false);
    return onnx_put(s, 0, loss);
}

static nilu_status build_NegativeLogLikelihoodLoss(onnx_site *s)
{
    return likelihood(s, onnx_t(s, 0));
}

static nilu_status build_SoftmaxCrossEntropyLoss(onnx_site *s)
{
    if (onnx_rank(s, 0) < 2)
        return onnx_fail(s, N_("it wants a matrix"));
    T log_p = nilu_log_softmax(onnx_t(s, 0), 1);
    NILU_TRY(onnx_put(s, 1, log_p));
    return likelihood(s, log_p);
}

#define IS(name)                                                                                                       \
    {                                                                                                                  \
#name, build_##name                                                                                            \
    }
const onnx_row onnx_rows_nn[] = {IS(MatMul),
                                 IS(Gemm),
                                 IS(Einsum),
                                 IS(LayerNormalization),
                                 IS(RMSNormalization),
                                 IS(MeanVarianceNormalization),
                                 IS(BatchNormalization),
                                 IS(InstanceNormalization),
                                 IS(GroupNormalization),
                                 IS(LRN),
                                 IS(NegativeLogLikelihoodLoss),
                                 IS(SoftmaxCrossEntropyLoss),
                                 {0}};
