/* What shape rules are made of: refusing with one clear sentence, declaring outputs, and the rules that many ops share. */
#include "graph/graph.h"

#include <string.h>

#define MAX_ELEMENTS ((int64_t)1 << 40)

nilu_status graph_refuse(nilu_build *b, nilu_status status, const char *format, ...)
{
    if (b->g->status != NILU_OK)
        return b->g->status;
    char sentence[512], inputs[300] = "", dims[BASE_SHAPE_TEXT];
    va_list args;
    va_start(args, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(sentence, sizeof sentence, base_text(format), args);
#pragma GCC diagnostic pop
    va_end(args);
    size_t at = 0;
    for (int i = 0; i < b->nin && i < 4 && at < sizeof inputs; i++)
        at += (size_t)snprintf(inputs + at, sizeof inputs - at, "%s%s %s %s", i ? ", " : "",
                               b->op->variadic || i >= 6 || !b->op->inputs[i] ? "input" : b->op->inputs[i],
                               nilu_dtype_name(b->in[i]->dtype), base_shape_text(b->in[i]->shape, dims));
    return graph_fail(b->g, status, b->nin ? "%s%s: %s (%s)%s%s%s" : "%s%s: %s%s%s%s%s", b->g->scope, b->op->name,
                      sentence, inputs, b->g->where ? " [" : "", b->g->where ? b->g->where : "",
                      b->g->where ? "]" : "");
}

nilu_status graph_out(nilu_build *b, int i, nilu_dtype dtype, nilu_shape shape)
{
    NILU_NEED(b, shape.rank >= 0 && shape.rank <= NILU_MAX_RANK, N_("a tensor has at most %d dimensions"), NILU_MAX_RANK);
    NILU_NEED_AS(b, NILU_E_DTYPE, (unsigned)dtype < NILU_DTYPES, N_("no such data type"));
    int64_t n = 1;
    for (int d = 0; d < shape.rank; d++) {
        NILU_NEED(b, shape.dim[d] >= 0, N_("dimension %d is %lld, but cannot be negative"), d, (long long)shape.dim[d]);
        /* an empty axis does not excuse the others: products over some of the axes must not overflow either */
        NILU_NEED(b, !__builtin_mul_overflow(n, shape.dim[d] ? shape.dim[d] : 1, &n) && n <= MAX_ELEMENTS,
                  N_("the result would have more than 2^40 elements"));
    }
    for (int d = shape.rank; d < NILU_MAX_RANK; d++)
        shape.dim[d] = 0; /* so that equal shapes are equal bytes */
    b->dtype[i] = dtype;
    b->shape[i] = shape;
    if (i >= b->nout)
        b->nout = i + 1;
    return NILU_OK;
}

nilu_status graph_broadcast(nilu_build *b, nilu_shape *out)
{
    nilu_shape s = NILU_SCALAR;
    for (int i = 0; i < b->nin; i++)
        if (b->in[i]->shape.rank > s.rank)
            s.rank = b->in[i]->shape.rank;
    for (int d = 0; d < s.rank; d++) {
        s.dim[d] = 1;
        for (int i = 0; i < b->nin; i++) {
            int own = d - (s.rank - b->in[i]->shape.rank);
            int64_t n = own < 0 ? 1 : b->in[i]->shape.dim[own];
            NILU_NEED(b, n == 1 || s.dim[d] == 1 || n == s.dim[d],
                      N_("the inputs do not broadcast: at axis %d one has %lld and another %lld"), d - s.rank,
                      (long long)s.dim[d], (long long)n);
            if (n != 1)
                s.dim[d] = n;
        }
    }
    *out = s;
    return NILU_OK;
}

nilu_status graph_axis(nilu_build *b, const char *what, int64_t axis, int rank, int64_t *positive)
{
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, axis >= -rank && axis < rank, N_("%s is %lld, but there are %d axes"), what,
                 (long long)axis, rank);
    *positive = axis < 0 ? axis + rank : axis;
    return NILU_OK;
}

nilu_status graph_axes(nilu_build *b, nilu_axes axes, int rank, nilu_axes *positive)
{
    bool used[NILU_MAX_RANK] = {false};
    NILU_NEED_AS(b, NILU_E_ATTRIBUTE, axes.n >= 0 && axes.n <= NILU_MAX_RANK, N_("the list of axes has %d entries"), axes.n);
    for (int i = 0; i < axes.n; i++) {
        int64_t axis = 0;
        NILU_TRY(graph_axis(b, "axis", axes.at[i], rank, &axis));
        NILU_NEED_AS(b, NILU_E_ATTRIBUTE, !used[axis], N_("axis %lld is named twice"), (long long)axis);
        used[axis] = true;
    }
    nilu_axes all = {0};
    for (int d = 0; d < rank; d++)
        if (axes.n == 0 || used[d])
            all.at[all.n++] = d;
    *positive = all;
    return NILU_OK;
}

nilu_status graph_same_float(nilu_build *b)
{
    for (int i = 0; i < b->nin; i++) {
        NILU_NEED_AS(b, NILU_E_DTYPE, base_is_float(b->in[i]->dtype), N_("%s must be f32, f64 or bf16; is a cast missing?"),
                     b->op->variadic || !b->op->inputs[i] ? "each input" : b->op->inputs[i]);
        NILU_NEED_AS(b, NILU_E_DTYPE, b->in[i]->dtype == b->in[0]->dtype, N_("the inputs must have one data type; is a cast missing?"));
    }
    return NILU_OK;
}

graph_around graph_split(nilu_shape s, int axis)
{
    graph_around a = {1, s.rank ? s.dim[axis] : 1, 1};
    for (int d = 0; d < axis; d++)
        a.outer *= s.dim[d];
    for (int d = axis + 1; d < s.rank; d++)
        a.inner *= s.dim[d];
    return a;
}

nilu_status graph_fault(const nilu_call *c, int64_t element, const char *format, ...)
{
    call_fault *f = c->fault;
    while (__atomic_exchange_n(&f->lock, 1, __ATOMIC_ACQUIRE))
        ; /* held for one sentence */
    if (!f->raised || element < f->element) {
        va_list args;
        va_start(args, format);
        size_t at = (size_t)snprintf(f->text, sizeof f->text, "%s: ", c->node ? c->node->name : c->op->name);
        if (at < sizeof f->text) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            vsnprintf(f->text + at, sizeof f->text - at, base_text(format), args);
#pragma GCC diagnostic pop
        }
        va_end(args);
        f->element = element;
        __atomic_store_n(&f->raised, 1, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&f->lock, 0, __ATOMIC_RELEASE);
    return NILU_E_RANGE;
}
