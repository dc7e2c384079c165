/* The builders: each hands on what it is given, in the right places. (Rows call ops by their attributes, so they cannot
 * see a builder that exchanges two of them.) An expression is shown as text and compared. */
#include "graph/graph.h"
#include "support/support.h"

typedef struct world {
    nilu *nl;
    nilu_graph *g;
    nilu_tensor *x, *y, *z, *b, *i; /* [2, 3] floats, bools, and [2] ids */
} world;

static void begin(world *w)
{
    w->nl = support_context(1, NULL);
    w->g = nilu_graph_new(w->nl);
    w->x = nilu_input(w->g, "x", NILU_F32, NILU_SHAPE(2, 3));
    w->y = nilu_input(w->g, "y", NILU_F32, NILU_SHAPE(2, 3));
    w->z = nilu_input(w->g, "z", NILU_F32, NILU_SHAPE(2, 3));
    w->b = nilu_input(w->g, "b", NILU_BOOL, NILU_SHAPE(2, 3));
    w->i = nilu_input(w->g, "i", NILU_I32, NILU_SHAPE(2));
}

static void end(world *w)
{
    nilu_graph_free(w->g);
    nilu_free(w->nl);
}

/* "slice(x axis=1 start=0 stop=2 step=1)" */
static void show(nilu *nl, const nilu_tensor *t, base_buffer *text)
{
    const nilu_node *n = t->node;
    base_buffer attr = {0};
    if (n->op == &graph_op_input || n->op == &graph_op_state) {
        assert_ok(nl, base_appendf(nl, text, "%s", n->name));
        return;
    }
    assert_ok(nl, base_appendf(nl, text, "%s(", n->op->name));
    for (int k = 0; k < n->nin; k++) {
        assert_ok(nl, base_appendf(nl, text, k ? ", " : ""));
        show(nl, n->in[k], text);
    }
    if (n->attr)
        assert_ok(nl, graph_attr_text(nl, n->op, n->attr, &attr));
    assert_ok(nl, base_appendf(nl, text, "%s%s)", n->nin && attr.len ? " " : "", attr.at ? attr.at : ""));
    base_free(nl, attr.at);
}

static int wrong;

static void is(world *w, nilu_tensor *t, const char *want)
{
    base_buffer text = {0};
    if (!t) {
        print_error("%s: %s\n", want, nilu_errmsg(w->nl));
        wrong++;
        return;
    }
    show(w->nl, t, &text);
    if (strcmp(text.at, want) != 0) {
        print_error("expected %s\n     got %s\n", want, text.at);
        wrong++;
    }
    base_free(w->nl, text.at);
}

static void elementwise(void **state)
{
    (void)state;
    world w;
    begin(&w);
    nilu_tensor *x = w.x, *y = w.y;
    wrong = 0;
#define UNARY(op) is(&w, nilu_##op(x), #op "(x)");
    UNARY(neg)
    UNARY(abs) UNARY(sign) UNARY(square) UNARY(sqrt) UNARY(rsqrt) UNARY(reciprocal) UNARY(floor) UNARY(ceil)
        UNARY(round) UNARY(exp) UNARY(expm1) UNARY(log) UNARY(log1p) UNARY(sin) UNARY(cos) UNARY(tanh) UNARY(erf)
            UNARY(sigmoid) UNARY(relu) UNARY(heaviside) UNARY(selu) UNARY(gelu) UNARY(gelu_tanh) UNARY(silu)
                UNARY(softplus) UNARY(softsign) UNARY(mish) UNARY(hard_sigmoid) UNARY(hard_swish) UNARY(stop_gradient)
#define BINARY(op) is(&w, nilu_##op(x, y), #op "(x, y)");
                    BINARY(add) BINARY(sub) BINARY(mul) BINARY(div) BINARY(pow) BINARY(maximum) BINARY(minimum)
                        BINARY(eq) BINARY(ne) BINARY(lt) BINARY(le) BINARY(gt) BINARY(ge) nilu_tensor *no =
                            nilu_logical_not(w.b);
    is(&w, nilu_logical_and(w.b, no), "logical_and(b, logical_not(b))");
    is(&w, nilu_logical_or(w.b, no), "logical_or(b, logical_not(b))");
    is(&w, nilu_logical_xor(w.b, no), "logical_xor(b, logical_not(b))");
    is(&w, nilu_where(w.b, x, y), "where(b, x, y)");
    is(&w, nilu_scale(x, 3), "scale(x factor=3)");
    is(&w, nilu_shift(x, 3), "shift(x term=3)");
    is(&w, nilu_clamp(x, -1, 3), "clamp(x low=-1 high=3)");
    is(&w, nilu_leaky_relu(x, 0.5), "leaky_relu(x slope=0.5)");
    is(&w, nilu_elu(x, 0.5), "elu(x alpha=0.5)");
    end(&w);
    assert_int_equal(wrong, 0);
}

static void reductions(void **state)
{
    (void)state;
    world w;
    begin(&w);
    nilu_tensor *x = w.x;
    wrong = 0;
    is(&w, nilu_sum(x, NILU_AXES(1), true), "sum(x axes=(1) keep=true)");
    is(&w, nilu_sum(x, NILU_AXES(-1, 0), false), "sum(x axes=(0 1) keep=false)"); /* sorted, counted from the front */
    is(&w, nilu_sum(x, NILU_ALL, false), "sum(x axes=(0 1) keep=false)");
    is(&w, nilu_mean(x, NILU_AXES(0), true), "scale(sum(x axes=(0) keep=true) factor=0.5)");
    is(&w, nilu_max(x, NILU_AXES(1), true), "max(x axes=(1) keep=true)");
    is(&w, nilu_min(x, NILU_AXES(1), true), "min(x axes=(1) keep=true)");
    is(&w, nilu_prod(x, NILU_AXES(1), true), "prod(x axes=(1) keep=true)");
    is(&w, nilu_logsumexp(x, NILU_AXES(1), true), "logsumexp(x axes=(1) keep=true)");
    is(&w, nilu_argmax(x, -1, true), "argmax(x axis=1 keep=true)");
    is(&w, nilu_argmin(x, 0, false), "argmin(x axis=0 keep=false)");
    is(&w, nilu_softmax(x, -1), "softmax(x axis=1)");
    is(&w, nilu_log_softmax(x, 0), "log_softmax(x axis=0)");
    end(&w);
    assert_int_equal(wrong, 0);
}

static void movements(void **state)
{
    (void)state;
    world w;
    begin(&w);
    nilu_tensor *x = w.x, *y = w.y;
    wrong = 0;
    is(&w, nilu_reshape(x, NILU_SHAPE(3, -1)), "reshape(x shape=[3, 2])");
    is(&w, nilu_transpose(x, NILU_AXES(1, 0)), "transpose(x axes=(1 0))");
    is(&w, nilu_transpose(x, NILU_ALL), "transpose(x axes=(1 0))");
    is(&w, nilu_broadcast_to(x, NILU_SHAPE(4, 2, 3)), "broadcast_to(x shape=[4, 2, 3])");
    is(&w, nilu_slice(x, 1, 0, 2, 3), "slice(x axis=1 start=0 stop=2 step=3)");
    is(&w, nilu_slice(x, -1, -2, INT64_MAX, 1), "slice(x axis=1 start=1 stop=3 step=1)");
    is(&w, nilu_concat(3, (nilu_tensor *[]){x, y, x}, 1), "concat(x, y, x axis=1)");
    is(&w, nilu_pad(x, 1, 2, 3, 0.5), "pad(x axis=1 before=2 after=3 value=0.5)");
    is(&w, nilu_gather(x, w.i, 1), "gather(x, i axis=1)");
    is(&w, nilu_scatter_add(x, w.i, 0, 7), "scatter_add(x, i axis=0 n=7)");
    is(&w, nilu_one_hot(w.i, 7, NILU_F64), "one_hot(i classes=7 dtype=f64)");
    is(&w, nilu_cast(x, NILU_BF16), "cast(x dtype=bf16)");
    assert_ptr_equal(nilu_cast(x, NILU_F32), x);
    is(&w, nilu_fill(w.g, NILU_BF16, NILU_SHAPE(2, 1), -3), "fill(dtype=bf16 shape=[2, 1] value=-3)");
    end(&w);
    assert_int_equal(wrong, 0);
}

static void products_and_chance(void **state)
{
    (void)state;
    world w;
    begin(&w);
    nilu_tensor *x = w.x, *y = w.y, *square = nilu_matmul_t(x, false, y, true);
    wrong = 0;
    is(&w, square, "matmul(x, y ta=false tb=true bf16=false)");
    is(&w, nilu_matmul_t(x, true, y, false), "matmul(x, y ta=true tb=false bf16=false)");
    is(&w, nilu_matmul(square, x), "matmul(matmul(x, y ta=false tb=true bf16=false), x ta=false tb=false bf16=false)");
    is(&w, nilu_random_uniform(w.g, NILU_F64, NILU_SHAPE(5), -1, 2),
       "random_uniform(step dtype=f64 shape=[5] low=-1 high=2 stream=0)");
    is(&w, nilu_random_normal(w.g, NILU_BF16, NILU_SHAPE(5), -1, 2),
       "random_normal(step dtype=bf16 shape=[5] mean=-1 deviation=2 stream=1)");
    is(&w, nilu_dropout(x, 0.25), "dropout(x, step rate=0.25 stream=2)"); /* each node draws from its own stream */
    assert_ptr_equal(nilu_dropout(x, 0), x);
    end(&w);
    assert_int_equal(wrong, 0);
}

static void losses(void **state)
{
    (void)state;
    world w;
    begin(&w);
    nilu_tensor *x = w.x, *y = w.y;
    nilu_tensor *weight = nilu_input(w.g, "w", NILU_F32, NILU_SHAPE(3)),
                *n = nilu_input(w.g, "n", NILU_F32, NILU_SHAPE(2));
    nilu_tensor *s = nilu_input(w.g, "s", NILU_F32, NILU_SCALAR), *d = nilu_input(w.g, "d", NILU_F32, NILU_SCALAR);
    nilu_xent_options o = {weight, 0.25, true, 9};
    wrong = 0;
    is(&w, nilu_softmax_xent(x, w.i, NULL), "softmax_xent(x, i smoothing=0 ignoring=false ignore=0)");
    is(&w, nilu_softmax_xent(x, w.i, &o), "softmax_xent(x, i, w smoothing=0.25 ignoring=true ignore=9)");
    is(&w, nilu_softmax_xent_grad(x, w.i, n, s, d, NULL),
       "softmax_xent_grad(x, i, n, s, d smoothing=0 ignoring=false ignore=0)");
    is(&w, nilu_softmax_xent_grad(x, w.i, n, s, d, &o),
       "softmax_xent_grad(x, i, n, s, d, w smoothing=0.25 ignoring=true ignore=9)");
    is(&w, nilu_mse(x, y), "scale(sum(square(sub(x, y)) axes=(0 1) keep=false) factor=0.166666667)");
    is(&w, nilu_l1(x, y), "scale(sum(abs(sub(x, y)) axes=(0 1) keep=false) factor=0.166666667)");
    end(&w);
    assert_int_equal(wrong, 0);
}

/* What no case can say: lists of impossible lengths, tensors that are missing or of another graph. */
static void impossible_arguments(void **state)
{
    (void)state;
    static const char *const text[] = {"the list of axes has 9 entries",
                                       "the list of axes has -1 entries",
                                       "9 axes are named",
                                       "input 2 is missing",
                                       "two graphs",
                                       "two graphs",
                                       "at most 64",
                                       "at most 8 dimensions"};
    for (int what = 0; what < 16; what++) {
        world w;
        begin(&w);
        nilu_graph *other = nilu_graph_new(w.nl);
        nilu_tensor *foreign = nilu_input(other, "x", NILU_F32, NILU_SHAPE(2, 3)), *many[65], *t = NULL;
        nilu_shape nine = {.rank = what % 2 ? 9 : -1};
        for (int i = 0; i < 65; i++)
            many[i] = w.x;
        switch (what) {
        case 0:
            t = nilu_sum(w.x, (nilu_axes){.n = 9}, false);
            break;
        case 1:
            t = nilu_sum(w.x, (nilu_axes){.n = -1}, false);
            break;
        case 2:
            t = nilu_transpose(w.x, (nilu_axes){.n = 9});
            break;
        case 3:
            t = nilu_add(w.x, NULL);
            break;
        case 4:
            t = nilu_add(w.x, foreign);
            break;
        case 5:
            t = nilu_add(foreign, w.x);
            break;
        case 6:
            t = nilu_concat(65, many, 0);
            break;
        case 7:
            t = nilu_input(w.g, "nine", NILU_F32, nine);
            break;
        case 8:
        case 9:
            t = nilu_fill(w.g, NILU_F32, nine, 0);
            break;
        case 10:
        case 11:
            t = nilu_broadcast_to(w.x, nine);
            break;
        case 12:
        case 13:
            t = nilu_reshape(w.x, nine);
            break;
        case 14:
        case 15:
            t = nilu_random_uniform(w.g, NILU_F32, nine, 0, 1);
            break;
        }
        assert_null(t);
        assert_int_not_equal(nilu_graph_status(w.g), NILU_OK);
        assert_contains(nilu_errmsg(w.nl), text[what < 8 ? what : 7]);
        nilu_graph_free(other);
        end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elementwise),         cmocka_unit_test(reductions), cmocka_unit_test(movements),
        cmocka_unit_test(products_and_chance), cmocka_unit_test(losses),     cmocka_unit_test(impossible_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
