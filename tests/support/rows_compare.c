/* How near is near enough. */
#include "support/rows.h"

/* Of f32 results, relative to the largest number of the tensor: a kernel and its reference both round once, but a sum in
 * f32 adds a rounding for each of its pieces, and a function of its own has 2 units in the last place. */
static const struct {
    const char *op;
    double tolerance;
} f32_tolerance[] = {
    {"sum", 2e-6},          {"mean", 2e-6},
    {"matmul", 2e-6},       {"prod", 2e-5},
    {"conv", 2e-6},         {"conv_transpose", 2e-6}, {"conv_weight", 2e-6},
    {"logsumexp", 1e-6},    {"softmax", 2e-6},
    {"log_softmax", 1e-6},  {"scatter_add", 1e-6},
    {"softmax_xent", 2e-6}, {"softmax_xent_grad", 2e-6},
    {"nll", 2e-6},          {"bce_logits", 2e-6},
    {"mse", 2e-6},          {"l1", 2e-6},
    {"huber", 2e-6},        {"hinge", 2e-6},
    {"kl", 2e-6},
};
#define F32_OTHERWISE 5e-7
/* Of gradients, relative to the tensor's largest number, or to 1 % of the case's largest gradient if that is more. */
#define F32_GRADIENT 2e-5
#define F64_TOLERANCE 1e-12
#define BF16_TOLERANCE 0x1p-7 /* one unit in the last place of the largest */
#define BF16_GRADIENT 0x1p-4  /* each op on the way rounds */

static double tolerance(const nilu_op *op, nilu_dtype real, bool gradient, bool composite)
{
    if (real == NILU_F64)
        return gradient ? 1e2 * F64_TOLERANCE : F64_TOLERANCE;
    if (real == NILU_BF16)
        return gradient || composite ? BF16_GRADIENT : BF16_TOLERANCE;
    if (gradient)
        return F32_GRADIENT;
    for (size_t i = 0; i < COUNT(f32_tolerance); i++)
        if (strcmp(f32_tolerance[i].op, op->name) == 0)
            return f32_tolerance[i].tolerance;
    return F32_OTHERWISE;
}

static double largest(const rows_values *v, int k)
{
    double most = 0;
    for (int64_t i = 0; i < base_count(v->shape[k]); i++) {
        double x = fabs(base_load(v->dtype[k], v->data[k], i));
        most = x > most && isfinite(x) ? x : most;
    }
    return most;
}

/* `known`: a number known beforehand may be taken out of a sum, where infinity times 0 is never met. */
static bool near_enough(double got, double want, double allowed, bool known)
{
    if (isfinite(want))
        return fabs(got - want) <= allowed;
    return want == want ? got == want : known ? !isfinite(got) : got != got;
}

bool rows_same(rows_row *r, const rows_way *w, const char *what, const rows_values *got, const rows_values *want,
               bool exact)
{
    char a[BASE_SHAPE_TEXT], b[BASE_SHAPE_TEXT];
    double gradients = 0;
    if (got->n != want->n) {
        rows_complain(r, w, "%s: %d values instead of %d", what, got->n, want->n);
        return false;
    }
    for (int k = got->n - got->gradients; k < got->n; k++)
        gradients = fmax(gradients, largest(want, k));
    for (int k = 0; k < got->n; k++) {
        bool gradient = k >= got->n - got->gradients;
        if (got->dtype[k] != want->dtype[k] || !base_same_shape(got->shape[k], want->shape[k])) {
            rows_complain(r, w, "%s: value %d is %s %s instead of %s %s", what, k, nilu_dtype_name(got->dtype[k]),
                          base_shape_text(got->shape[k], a), nilu_dtype_name(want->dtype[k]),
                          base_shape_text(want->shape[k], b));
            return false;
        }
        bool difference = strcmp(r->op->name, "softmax_xent_grad") == 0; /* of shares up to 1, which may cancel */
        double scale = fmax(fmax(largest(want, k), difference ? fmin(want->operand, 1) : 0), gradient ? 1e-2 * gradients : want->composite ? want->operand : 0);
        double allowed = scale * tolerance(r->op, got->dtype[k], gradient, want->composite) +
                         (got->dtype[k] == NILU_F64 ? 1e-300 : 1e-37);
        if (exact || !base_is_float(got->dtype[k]))
            allowed = 0;
        size_t size = nilu_dtype_size(got->dtype[k]);
        for (int64_t i = 0; i < base_count(got->shape[k]); i++) {
            double x = base_load(got->dtype[k], got->data[k], i), y = base_load(want->dtype[k], want->data[k], i);
            bool good = exact ? memcmp((char *)got->data[k] + (size_t)i * size,
                                       (char *)want->data[k] + (size_t)i * size, size) == 0
                              : near_enough(x, y, allowed, w->known > 0);
            if (good)
                continue;
            rows_complain(r, w, "%s: %s %d, element %lld: expected %.9g, got %.9g (largest %.3g, allowed %.2g)", what,
                          gradient ? "gradient" : "output", gradient ? k - (got->n - got->gradients) : k, (long long)i,
                          y, x, scale, allowed);
            return false;
        }
    }
    return true;
}

bool rows_exact(const rows_row *r, nilu_dtype real)
{
    nilu *nl = support_context(1, NULL);
    graph_case wide, narrow;
    bool exact = true;
    assert_ok(nl, graph_case_new(nl, r->op, r->c, NILU_F64, NILU_I64, 0, &wide));
    assert_ok(nl, graph_case_new(nl, r->op, r->c, real, NILU_I64, 0, &narrow));
    for (int k = 0; k < wide.nin; k++)
        for (int64_t i = 0; wide.data[k] && narrow.data[k] && i < base_count(wide.in[k]->shape); i++) {
            double a = base_load(wide.in[k]->dtype, wide.data[k], i),
                   b = base_load(narrow.in[k]->dtype, narrow.data[k], i);
            exact &= a == b || (a != a && b != b);
        }
    graph_case_free(&wide);
    graph_case_free(&narrow);
    nilu_free(nl);
    return exact;
}

/* By hand means to the last digit in f64; in f32 what is given has been rounded, and so is what comes out. */
void rows_want(rows_row *r, const rows_way *w, const rows_values *got)
{
    const char *p = r->c->want;
    int64_t n = base_count(got->shape[0]), i = 0;
    double relative = got->dtype[0] == NILU_F64    ? 4e-15
                      : got->dtype[0] == NILU_BF16 ? 0x1.01p-8 /* half a unit in the last place: rounded once */
                                                   : 2e-6;
    if (w->real == NILU_F32 && got->dtype[0] == NILU_F64)
        relative = 2e-6;
    if (*p == '[') {
        char dims[BASE_SHAPE_TEXT];
        size_t length = strlen(base_shape_text(got->shape[0], dims));
        if (strncmp(p, dims, length) != 0)
            rows_complain(r, w, "known by hand: expected the shape %.*s, got %s", (int)strcspn(p, "]") + 1, p, dims);
        p += strcspn(p, "]") + 1;
    }
    for (char *end; i < n; i++, p = end) {
        double want = strtod(p, &end), have = base_load(got->dtype[0], got->data[0], i);
        if (end == p)
            break;
        double allowed = base_is_float(got->dtype[0]) ? relative * fmax(1, fabs(want)) : 0;
        if (!near_enough(have, want, allowed, false))
            rows_complain(r, w, "known by hand, element %lld: expected %.17g, got %.17g", (long long)i, want, have);
    }
    if (i < n || p[strspn(p, " ")])
        rows_complain(r, w, "known by hand: the case gives another count of numbers than the %lld of the output",
                      (long long)n);
}
