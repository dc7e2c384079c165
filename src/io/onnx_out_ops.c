/* What nilu's ops are in ONNX. Coarse ones (means, norms, resizing, most losses) are small ones in the graph already. */
#include "io/onnx_out.h"

#include <math.h>
#include <string.h>

static const char *input(onnx_writer *w, const nilu_node *n, int i)
{
    return onnx_out_name(w, n->in[i]);
}

static const char *one(onnx_writer *w, const char *op, const char *x, const char *out)
{
    return onnx_out_step(w, op, 1, &x, out);
}

static const char *two(onnx_writer *w, const char *op, const char *x, const char *y, const char *out)
{
    return onnx_out_step(w, op, 2, (const char *const[]){x, y}, out);
}

static double real(const nilu_node *n, const char *name)
{
    const double *p = graph_attr_find(n, name);
    return p ? *p : 0;
}

static int64_t whole(const nilu_node *n, const char *name)
{
    const int64_t *p = graph_attr_find(n, name);
    return p ? *p : 0;
}

static bool flag(const nilu_node *n, const char *name)
{
    const bool *p = graph_attr_find(n, name);
    return p && *p;
}

static const nilu_axes *axes_of(const nilu_node *n, const char *name)
{
    return graph_attr_find(n, name);
}

/* ---- elementwise formulas */

static void square(onnx_writer *w, const nilu_node *n)
{
    two(w, "Mul", input(w, n, 0), input(w, n, 0), n->name);
}

static void rsqrt_(onnx_writer *w, const nilu_node *n)
{
    one(w, "Reciprocal", one(w, "Sqrt", input(w, n, 0), NULL), n->name);
}

static void scale(onnx_writer *w, const nilu_node *n)
{
    two(w, "Mul", input(w, n, 0), onnx_out_scalar(w, n->out[0].dtype, real(n, "factor")), n->name);
}

static void shift(onnx_writer *w, const nilu_node *n)
{
    two(w, "Add", input(w, n, 0), onnx_out_scalar(w, n->out[0].dtype, real(n, "term")), n->name);
}

static void clamp(onnx_writer *w, const nilu_node *n)
{
    nilu_dtype d = n->out[0].dtype;
    const char *in[] = {input(w, n, 0), onnx_out_scalar(w, d, real(n, "low")), onnx_out_scalar(w, d, real(n, "high"))};
    onnx_out_node(w, "Clip", 3, in, n->name);
}

static void expm1_(onnx_writer *w, const nilu_node *n)
{
    two(w, "Sub", one(w, "Exp", input(w, n, 0), NULL), onnx_out_scalar(w, n->out[0].dtype, 1), n->name);
}

static void log1p_(onnx_writer *w, const nilu_node *n)
{
    one(w, "Log", two(w, "Add", input(w, n, 0), onnx_out_scalar(w, n->out[0].dtype, 1), NULL), n->name);
}

static void cast_to(onnx_writer *w, const char *x, nilu_dtype dtype, const char *out)
{
    onnx_out_int(w, onnx_out_node(w, "Cast", 1, &x, out), "to", onnx_type(dtype));
}

static void heaviside(onnx_writer *w, const nilu_node *n)
{
    cast_to(w, two(w, "Greater", input(w, n, 0), onnx_out_scalar(w, n->out[0].dtype, 0), NULL), n->out[0].dtype,
            n->name);
}

static void cast(onnx_writer *w, const nilu_node *n)
{
    cast_to(w, input(w, n, 0), n->out[0].dtype, n->name);
}

static void silu(onnx_writer *w, const nilu_node *n)
{
    two(w, "Mul", input(w, n, 0), one(w, "Sigmoid", input(w, n, 0), NULL), n->name);
}

static void gelu_tanh(onnx_writer *w, const nilu_node *n)
{
    const char *x = input(w, n, 0);
    onnx_out_text(w, onnx_out_node(w, "Gelu", 1, &x, n->name), "approximate", "tanh");
}

static void leaky_relu(onnx_writer *w, const nilu_node *n)
{
    const char *x = input(w, n, 0);
    onnx_out_float(w, onnx_out_node(w, "LeakyRelu", 1, &x, n->name), "alpha", real(n, "slope"));
}

static void elu(onnx_writer *w, const nilu_node *n)
{
    const char *x = input(w, n, 0);
    onnx_out_float(w, onnx_out_node(w, "Elu", 1, &x, n->name), "alpha", real(n, "alpha"));
}

static void hard_sigmoid(onnx_writer *w, const nilu_node *n)
{
    const char *x = input(w, n, 0);
    Onnx__NodeProto *node = onnx_out_node(w, "HardSigmoid", 1, &x, n->name);
    onnx_out_float(w, node, "alpha", 1.0 / 6);
    onnx_out_float(w, node, "beta", 0.5);
}

static void not_equal(onnx_writer *w, const nilu_node *n)
{
    one(w, "Not", two(w, "Equal", input(w, n, 0), input(w, n, 1), NULL), n->name);
}

/* ---- products and reductions */

static const char *turned(onnx_writer *w, const nilu_tensor *t)
{
    int64_t perm[NILU_MAX_RANK];
    const char *x = onnx_out_name(w, t);
    for (int d = 0; d < t->shape.rank; d++)
        perm[d] = d < t->shape.rank - 2 ? d : 2 * t->shape.rank - 3 - d;
    Onnx__NodeProto *node = onnx_out_node(w, "Transpose", 1, &x, NULL);
    onnx_out_ints(w, node, "perm", t->shape.rank, perm);
    return node ? node->output[0] : "";
}

static void matmul(onnx_writer *w, const nilu_node *n)
{
    const char *a = flag(n, "ta") ? turned(w, n->in[0]) : input(w, n, 0),
               *b = flag(n, "tb") ? turned(w, n->in[1]) : input(w, n, 1);
    two(w, "MatMul", a, b, n->name);
}

static void reduction(onnx_writer *w, const nilu_node *n, const char *name)
{
    const nilu_axes *axes = axes_of(n, "axes");
    int64_t at[NILU_MAX_RANK];
    int count = axes && axes->n ? axes->n : n->in[0]->shape.rank;
    for (int i = 0; i < count; i++)
        at[i] = axes && axes->n ? axes->at[i] : i;
    const char *in[] = {input(w, n, 0), count ? onnx_out_whole(w, count, at) : NULL};
    if (!count) { /* of a scalar there is nothing to reduce */
        one(w, "Identity", in[0], n->name);
        return;
    }
    onnx_out_int(w, onnx_out_node(w, name, 2, in, n->name), "keepdims", flag(n, "keep"));
}

static void position(onnx_writer *w, const nilu_node *n, const char *name)
{
    const char *x = input(w, n, 0);
    Onnx__NodeProto *node = onnx_out_node(w, name, 1, &x, n->name);
    onnx_out_int(w, node, "axis", whole(n, "axis"));
    onnx_out_int(w, node, "keepdims", flag(n, "keep"));
}

static void with_axis(onnx_writer *w, const nilu_node *n, const char *name)
{
    const char *in[GRAPH_MAX_IN];
    for (int i = 0; i < n->nin; i++)
        in[i] = input(w, n, i);
    onnx_out_int(w, onnx_out_node(w, name, n->nin, in, n->name), "axis", whole(n, "axis"));
}

/* mean and variance: output 1 is a node of its own in the file */
static void moments(onnx_writer *w, const nilu_node *n)
{
    const nilu_axes *axes = axes_of(n, "axes");
    int64_t at[NILU_MAX_RANK];
    int count = axes && axes->n ? axes->n : n->in[0]->shape.rank;
    for (int i = 0; i < count; i++)
        at[i] = axes && axes->n ? axes->at[i] : i;
    const char *x = input(w, n, 0), *a = onnx_out_whole(w, count, at);
    Onnx__NodeProto *wide = onnx_out_node(w, "ReduceMean", 2, (const char *const[]){x, a}, NULL);
    onnx_out_int(w, wide, "keepdims", 1);
    const char *centred = two(w, "Sub", x, wide ? wide->output[0] : "", NULL);
    onnx_out_int(w, onnx_out_node(w, "ReduceMean", 2, (const char *const[]){x, a}, n->name), "keepdims",
                 flag(n, "keep"));
    const char *in[] = {two(w, "Mul", centred, centred, NULL), a};
    onnx_out_int(w, onnx_out_node(w, "ReduceMean", 2, in, onnx_out_name(w, &n->out[1])), "keepdims", flag(n, "keep"));
}

/* ---- movement. Dimensions of the batch's size are left open: 0 in a Reshape copies the input's, -1 is what is left. */

static void reshape(onnx_writer *w, const nilu_node *n)
{
    nilu_shape x = n->in[0]->shape, z = n->out[0].shape;
    int64_t at[NILU_MAX_RANK];
    int open = 0;
    for (int d = 0; d < z.rank; d++) {
        bool free_one = w->batch && z.dim[d] >= w->batch && z.dim[d] % w->batch == 0;
        bool same = free_one && d < x.rank && x.dim[d] == z.dim[d];
        at[d] = !free_one ? z.dim[d] : same ? 0 : -1;
        open += free_one && !same;
    }
    if (open > 1)
        onnx_out_fail(w, n, N_("two of its dimensions depend on the size of the batch"));
    two(w, "Reshape", input(w, n, 0), onnx_out_whole(w, z.rank, at), n->name);
}

static void broadcast_to(onnx_writer *w, const nilu_node *n)
{
    nilu_shape z = n->out[0].shape;
    for (int d = 0; d < z.rank; d++)
        if (w->batch && z.dim[d] == w->batch)
            onnx_out_fail(w, n, N_("it depends on the size of the batch"));
    two(w, "Expand", input(w, n, 0), onnx_out_whole(w, z.rank, z.dim), n->name);
}

static void transpose(onnx_writer *w, const nilu_node *n)
{
    const nilu_axes *axes = axes_of(n, "axes");
    int64_t perm[NILU_MAX_RANK];
    const char *x = input(w, n, 0);
    for (int i = 0; axes && i < axes->n; i++)
        perm[i] = axes->at[i];
    onnx_out_ints(w, onnx_out_node(w, "Transpose", 1, &x, n->name), "perm", axes ? axes->n : 0, perm);
}

static void slice(onnx_writer *w, const nilu_node *n)
{
    int64_t start = whole(n, "start"), stop = whole(n, "stop"), axis = whole(n, "axis"), step = whole(n, "step");
    if (w->batch && n->in[0]->shape.dim[axis] == w->batch)
        onnx_out_fail(w, n, N_("it depends on the size of the batch"));
    const char *in[] = {input(w, n, 0), onnx_out_whole(w, 1, &start), onnx_out_whole(w, 1, &stop),
                        onnx_out_whole(w, 1, &axis), onnx_out_whole(w, 1, &step)};
    onnx_out_node(w, "Slice", 5, in, n->name);
}

static void pad(onnx_writer *w, const nilu_node *n)
{
    int64_t pads[2] = {whole(n, "before"), whole(n, "after")}, axis = whole(n, "axis");
    const char *in[] = {input(w, n, 0), onnx_out_whole(w, 2, pads),
                        onnx_out_scalar(w, n->out[0].dtype, real(n, "value")), onnx_out_whole(w, 1, &axis)};
    onnx_out_node(w, "Pad", 4, in, n->name);
}

static void one_hot(onnx_writer *w, const nilu_node *n)
{
    char values[16];
    nilu_dtype d = n->out[0].dtype;
    base_store(d, values, 0, 0);
    base_store(d, values, 1, 1);
    const char *in[] = {input(w, n, 0), onnx_out_scalar(w, NILU_I64, (double)whole(n, "classes")),
                        onnx_out_constant(w, d, NILU_SHAPE(2), values)};
    onnx_out_int(w, onnx_out_node(w, "OneHot", 3, in, n->name), "axis", -1);
}

static void fill(onnx_writer *w, const nilu_node *n)
{
    nilu_shape z = n->out[0].shape;
    for (int d = 0; d < z.rank; d++)
        if (w->batch && z.dim[d] == w->batch)
            onnx_out_fail(w, n, N_("it depends on the size of the batch"));
    const char *value = onnx_out_scalar(w, n->out[0].dtype, real(n, "value"));
    if (z.rank)
        two(w, "Expand", value, onnx_out_whole(w, z.rank, z.dim), n->name);
    else
        one(w, "Identity", value, n->name);
}

/* ---- pictures */

static void window(onnx_writer *w, Onnx__NodeProto *node, const nilu_node *n, const char *kernel)
{
    int spatial = n->in[0]->shape.rank - 2;
    const nilu_axes *before = axes_of(n, "padding"), *after = axes_of(n, "after");
    static const char *const names[][2] = {{"stride", "strides"}, {"dilation", "dilations"}, {NULL, "kernel_shape"}};
    int64_t at[2 * NILU_MAX_RANK];
    for (size_t k = 0; k < COUNT(names); k++) {
        const nilu_axes *a = names[k][0] ? axes_of(n, names[k][0]) : kernel ? axes_of(n, kernel) : NULL;
        for (int i = 0; a && i < spatial; i++)
            at[i] = a->at[a->n > 1 ? i : 0];
        if (a && a->n)
            onnx_out_ints(w, node, names[k][1], spatial, at);
    }
    for (int i = 0; i < spatial; i++) {
        at[i] = before && before->n ? before->at[before->n > 1 ? i : 0] : 0;
        at[i + spatial] = after && after->n ? after->at[after->n > 1 ? i : 0] : at[i];
    }
    onnx_out_ints(w, node, "pads", 2 * spatial, at);
}

static void conv(onnx_writer *w, const nilu_node *n)
{
    const char *in[] = {input(w, n, 0), input(w, n, 1)};
    Onnx__NodeProto *node = onnx_out_node(w, "Conv", 2, in, n->name);
    window(w, node, n, NULL);
    onnx_out_int(w, node, "group", whole(n, "groups") > 0 ? whole(n, "groups") : 1);
}

static void max_pool(onnx_writer *w, const nilu_node *n)
{
    const char *x = input(w, n, 0);
    window(w, onnx_out_node(w, "MaxPool", 1, &x, n->name), n, "kernel");
}

static void avg_pool(onnx_writer *w, const nilu_node *n)
{
    const char *x = input(w, n, 0);
    Onnx__NodeProto *node = onnx_out_node(w, "AveragePool", 1, &x, n->name);
    window(w, node, n, "kernel");
    onnx_out_int(w, node, "count_include_pad", flag(n, "counting"));
}

const onnx_out_row onnx_out_rows[] = {{"add", "Add"},
                                      {"sub", "Sub"},
                                      {"mul", "Mul"},
                                      {"div", "Div"},
                                      {"pow", "Pow"},
                                      {"maximum", "Max"},
                                      {"minimum", "Min"},
                                      {"neg", "Neg"},
                                      {"abs", "Abs"},
                                      {"sign", "Sign"},
                                      {"square", NULL, square},
                                      {"sqrt", "Sqrt"},
                                      {"rsqrt", NULL, rsqrt_},
                                      {"reciprocal", "Reciprocal"},
                                      {"scale", NULL, scale},
                                      {"shift", NULL, shift},
                                      {"clamp", NULL, clamp},
                                      {"floor", "Floor"},
                                      {"ceil", "Ceil"},
                                      {"round", "Round"},
                                      {"exp", "Exp"},
                                      {"expm1", NULL, expm1_},
                                      {"log", "Log"},
                                      {"log1p", NULL, log1p_},
                                      {"sin", "Sin"},
                                      {"cos", "Cos"},
                                      {"tanh", "Tanh"},
                                      {"erf", "Erf"},
                                      {"sigmoid", "Sigmoid"},
                                      {"relu", "Relu"},
                                      {"heaviside", NULL, heaviside},
                                      {"leaky_relu", NULL, leaky_relu},
                                      {"elu", NULL, elu},
                                      {"selu", "Selu"},
                                      {"gelu", "Gelu"},
                                      {"gelu_tanh", NULL, gelu_tanh},
                                      {"silu", NULL, silu},
                                      {"softplus", "Softplus"},
                                      {"softsign", "Softsign"},
                                      {"mish", "Mish"},
                                      {"hard_sigmoid", NULL, hard_sigmoid},
                                      {"hard_swish", "HardSwish"},
                                      {"eq", "Equal"},
                                      {"ne", NULL, not_equal},
                                      {"lt", "Less"},
                                      {"le", "LessOrEqual"},
                                      {"gt", "Greater"},
                                      {"ge", "GreaterOrEqual"},
                                      {"logical_and", "And"},
                                      {"logical_or", "Or"},
                                      {"logical_xor", "Xor"},
                                      {"logical_not", "Not"},
                                      {"where", "Where"},
                                      {"sum", "ReduceSum", .named = reduction},
                                      {"mean", "ReduceMean", .named = reduction},
                                      {"max", "ReduceMax", .named = reduction},
                                      {"min", "ReduceMin", .named = reduction},
                                      {"prod", "ReduceProd", .named = reduction},
                                      {"logsumexp", "ReduceLogSumExp", .named = reduction},
                                      {"argmax", "ArgMax", .named = position},
                                      {"argmin", "ArgMin", .named = position},
                                      {"softmax", "Softmax", .named = with_axis},
                                      {"log_softmax", "LogSoftmax", .named = with_axis},
                                      {"moments", NULL, moments},
                                      {"reshape", NULL, reshape},
                                      {"transpose", NULL, transpose},
                                      {"broadcast_to", NULL, broadcast_to},
                                      {"slice", NULL, slice},
                                      {"concat", "Concat", .named = with_axis},
                                      {"pad", NULL, pad},
                                      {"gather", "Gather", .named = with_axis},
                                      {"take_along", "GatherElements", .named = with_axis},
                                      {"one_hot", NULL, one_hot},
                                      {"cast", NULL, cast},
                                      {"stop_gradient", "Identity"},
                                      {"fill", NULL, fill},
                                      {"matmul", NULL, matmul},
                                      {"conv", NULL, conv},
                                      {"max_pool", NULL, max_pool},
                                      {"avg_pool", NULL, avg_pool},
                                      {0}};
