/* Every row of every op: values, refusals, faults, derivatives; the reference against every kernel, fused and not, on
 * every instruction set, in every data type, with one thread and with three. One test an op, and tests of the table as a
 * whole. Run alone: rows_test OP ["CASE"]. */
#include "support/rows.h"

static const char *only_case;
static const char *const isas[] = {"portable", "avx2", "avx512", "neon"};
static const nilu_dtype reals[] = {NILU_F32, NILU_F64, NILU_BF16};

/* ---- refusals and faults */

static void refuses(rows_row *r)
{
    for (size_t d = 0; d < COUNT(reals); d++) {
        rows_way w = {.real = reals[d], .whole = NILU_I32, .threads = 1};
        nilu *nl = rows_context(NULL, 1);
        graph_case made;
        char shape[BASE_SHAPE_TEXT];
        nilu_plan *plan = NULL;
        nilu_store *store = nilu_store_new(nl);
        assert_ok(nl, graph_case_new(nl, r->op, r->c, w.real, w.whole, 0, &made));
        if (made.out || nilu_graph_status(made.g) == NILU_OK) {
            rows_complain(r, &w, "was not refused; expected \"%s\"", r->c->error);
        } else {
            char message[1024];
            snprintf(message, sizeof message, "%s", nilu_errmsg(nl));
            rows_heard(r->op, message);
            if (!strstr(message, r->c->error))
                rows_complain(r, &w, "refused, but not with \"%s\": \"%s\"", r->c->error, message);
            if (strncmp(message, r->op->name, strlen(r->op->name)) != 0)
                rows_complain(r, &w, "the refusal does not begin with the op's name: \"%s\"", message);
            for (int k = 0; k < made.nin && k < 4; k++)
                if (!strstr(message, base_shape_text(made.in[k]->shape, shape)))
                    rows_complain(r, &w, "the refusal does not name the shape of input %d: \"%s\"", k + 1, message);
            /* the graph says the same again, takes no more nodes, does not compile, and can be freed */
            nilu_tensor *later = made.nin ? nilu_neg(made.in[0]) : nilu_fill(made.g, NILU_F32, NILU_SCALAR, 0);
            nilu_status first = nilu_graph_status(made.g);
            if (later || nilu_compile(made.g, store, 0, NULL, NULL, &plan) != first ||
                strcmp(nilu_errmsg(nl), message) != 0)
                rows_complain(r, &w, "after the refusal the graph does not stay as it was");
        }
        nilu_store_free(store);
        graph_case_free(&made);
        nilu_free(nl);
    }
}

static void faults(rows_row *r)
{
    rows_values v;
    rows_way w = {.real = NILU_F32, .threads = 1, .reference = true};
    for (int i = 0; i < 6; i++) {
        w.whole = i % 2 ? NILU_I64 : NILU_I32;
        w.reference = i < 2;
        w.threads = i < 4 ? 1 : 3;
        nilu_status status = rows_run(r, &w, &v);
        if (status != NILU_E_RANGE || !strstr(v.message, r->c->fault))
            rows_complain(r, &w, "expected the fault \"%s\", got \"%s\"", r->c->fault, status ? v.message : "no fault");
        else
            rows_heard(r->op, v.message);
        rows_free(&v);
    }
}

/* ---- values */

static bool has_attr(const nilu_op *op, const char *name)
{
    for (int i = 0; i < GRAPH_MAX_FIELDS && op->fields[i].name; i++)
        if (strcmp(op->fields[i].name, name) == 0)
            return true;
    return false;
}

/* Products of operands rounded to bf16 add up in the order of the instruction that there is for them. */
static bool adds_its_own_way(const rows_row *r, const rows_way *w)
{
    return has_attr(r->op, "bf16") && (w->bf16 || w->real == NILU_BF16 || (r->c->attr && strstr(r->c->attr, "bf16=1")));
}

/* The same way on all instruction sets, with one thread and with three: the same bits, near `want`. */
static void everywhere(rows_row *r, rows_way w, const char *what, const rows_values *want)
{
    rows_values first = {0}, v;
    for (size_t i = 0; i < COUNT(isas); i++) {
        w.isa = isas[i];
        if (!cpu_isa_find(w.isa) || (ROWS_SLOW && i > 0 && cpu_isa_find(w.isa) != cpu_isa_find(NULL)))
            continue;
        if (w.kernel && w.kernel->accepts == NULL)
            continue;
        if (adds_its_own_way(r, &w)) {
            rows_free(&first);
            first = (rows_values){0};
        }
        int threads = r->large && cpu_isa_find(w.isa) != cpu_isa_find(NULL) ? 1 : 3;
        for (w.threads = 1; w.threads <= threads; w.threads += 2) {
            if (rows_run(r, &w, &v) != NILU_OK) {
                rows_complain(r, &w, "%s: %s", what, v.message);
                rows_free(&v);
                continue;
            }
            bool good = rows_same(r, &w, what, &v, want, false);
            if (good && first.n)
                rows_same(r, &w, "the same bits everywhere", &v, &first, true);
            if (first.n) {
                rows_free(&v);
            } else {
                first = v;
            }
        }
    }
    rows_free(&first);
}

/* A wrapped way: fused, and one by one (which is where kernels work in place), against the reference. */
static void wrapped(rows_row *r, rows_way w, const rows_values *judge)
{
    rows_values reference;
    w.wrapped = w.reference = true;
    w.threads = 1;
    if (rows_run(r, &w, &reference) != NILU_OK) {
        rows_complain(r, &w, "%s", reference.message);
    } else {
        reference.composite = judge->composite;
        reference.operand = judge->operand;
        w.reference = false;
        everywhere(r, w, "fused against reference", &reference);
        w.without = "simplify,cse,fuse,fold";
        everywhere(r, w, "one by one against reference", &reference);
    }
    rows_free(&reference);
}

static bool is_for(const cpu_kernel *k, const nilu_op *op)
{
    return strcmp(k->op, op->name) == 0 || (op->elementwise && strcmp(k->op, "elementwise") == 0);
}

/* Each kernel that accepts the node, on its own. */
static void every_kernel(rows_row *r, const rows_way *like, const rows_values *want)
{
    const cpu_kernel *k;
    for (size_t i = 0; (k = cpu_kernel_at(i)); i++) {
        rows_way w = *like;
        graph_case made;
        if (!is_for(k, r->op) || r->op->expand)
            continue;
        nilu *nl = rows_context(NULL, 1);
        assert_ok(nl, graph_case_new(nl, r->op, r->c, w.real, w.whole, 0, &made));
        bool accepted = made.out && !k->accepts(made.out->node, cpu_isa_find(NULL));
        graph_case_free(&made);
        nilu_free(nl);
        w.kernel = k;
        w.without = "simplify,cse,precision,fuse,fold";
        if (accepted)
            everywhere(r, w, "kernel against reference", want);
    }
}

static void value(rows_row *r)
{
    for (int i = 0; i < (r->large && ROWS_SLOW ? 1 : 4); i++) { /* f32 with ids of both sizes, f64, bf16 */
        rows_way w = {
            .real = reals[i % 3], .whole = i == 0 || i == 1 ? NILU_I32 : NILU_I64, .threads = 1, .reference = true};
        rows_values judge, reference;
        nilu_status status = rows_judge(r, w.real, w.whole, &judge);
        if (status != NILU_OK) {
            rows_complain(r, &w, "%s", judge.message);
            rows_free(&judge);
            continue;
        }
        if (r->c->want && (w.real != NILU_BF16 || rows_exact(r, NILU_BF16)))
            rows_want(r, &w, &judge);
        status = rows_run(r, &w, &reference);
        if (status != NILU_OK)
            rows_complain(r, &w, "%s", reference.message);
        else if (r->op->expand) { /* the composite has output 0 alone */
            rows_values one = judge;
            one.n = 1;
            rows_same(r, &w, "composite against its reference", &reference, &one, false);
        } else
            rows_same(r, &w, "planned reference against the plain call", &reference, &judge, true);
        rows_free(&reference);
        w.reference = false;
        every_kernel(r, &w, &judge);
        w.reference = false;
        if (i == 0 || !r->large)
            wrapped(r, w, &judge);
        w.bf16 = w.real == NILU_F32 && (i == 0 || !r->large) && has_attr(r->op, "bf16");
        if (w.bf16)
            wrapped(r, w, &judge);
        rows_free(&judge);
    }
}

/* Passes may use that an input is one number known beforehand: 0 and 1, which many rules look for, and another. */
static void known_numbers(rows_row *r)
{
    static const double numbers[] = {0, 1, 2.5};
    nilu *nl = rows_context(NULL, 1);
    graph_case made;
    bool candidate[GRAPH_MAX_IN] = {false};
    assert_ok(nl, graph_case_new(nl, r->op, r->c, NILU_F32, NILU_I32, 0, &made));
    for (int k = 0; k < made.nin; k++)
        candidate[k] = base_is_float(made.in[k]->dtype) && base_count(made.in[k]->shape) < 100;
    int n = made.nin;
    graph_case_free(&made);
    nilu_free(nl);
    for (int k = 0; k < n; k++)
        for (size_t i = 0; i < COUNT(numbers) && candidate[k]; i++) {
            rows_way w = {.real = NILU_F32,
                          .whole = NILU_I32,
                          .threads = 1,
                          .reference = true,
                          .wrapped = true,
                          .known = k + 1,
                          .number = numbers[i],
                          .unsimplified = true};
            rows_values plain, simplified;
            nilu_status status = rows_run(r, &w, &plain);
            w.unsimplified = false;
            if (rows_run(r, &w, &simplified) != status)
                rows_complain(r, &w, "with input %d known to be %g: %s", k + 1, numbers[i], simplified.message);
            else if (status == NILU_OK)
                rows_same(r, &w, "with an input that is known", &simplified, &plain, false);
            rows_free(&plain);
            rows_free(&simplified);
        }
}

/* Both orders, against differences. */
static void derivatives(rows_row *r)
{
    nilu *nl = rows_context(NULL, 1);
    nilu_gradcheck_options o = NILU_GRADCHECK_DEFAULT;
    nilu_gradcheck_report report;
    o.samples = ROWS_SLOW ? 3 : 32;
    o.only = only_case;
    assert_ok(nl, nilu_gradcheck_op(nl, r->op->name, &o, &report));
    if (report.failed) {
        print_error("%s (%lld of %lld)\n", report.text, (long long)report.failed, (long long)report.checked);
        r->failures++;
    }
    nilu_free(nl);
}

/* ---- one test an op */

static void op_rows(void **state)
{
    rows_row r = {.op = *state};
    int rows = 0;
    for (r.c = r.op->cases; r.c && r.c->what; r.c++) {
        if (only_case && strcmp(only_case, r.c->what) != 0)
            continue;
        rows++;
        if (r.c->error)
            refuses(&r);
        else if (r.c->fault)
            faults(&r);
        else {
            value(&r);
            known_numbers(&r);
            if (r.c->gradient)
                rows_gradient(&r);
        }
        if (r.op->decompose && !r.c->error && !r.c->fault)
            rows_decompose(&r);
    }
    for (const rows_large *l = rows_large_table; l->op; l++)
        if (strcmp(l->op, r.op->name) == 0 && (!only_case || strcmp(only_case, l->c.what) == 0)) {
            rows++;
            r.c = &l->c;
            r.large = true;
            value(&r);
        }
    if (!rows)
        fail_msg("%s has no case%s%s", r.op->name, only_case ? " " : "s", only_case ? only_case : "");
    if (!only_case || graph_case_find(r.op, only_case))
        derivatives(&r);
    if (!only_case)
        rows_survive(&r);
    if (r.failures)
        fail_msg("%s: %d complaints", r.op->name, r.failures);
}

/* ---- the table as a whole */

/* Ops that take whatever they are given. */
static const char *const never_refuse[] = {"cast", "stop_gradient"};

static void table_is_complete(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < graph_op_count(); i++) {
        const nilu_op *op = graph_op_at(i);
        int want = 0, error = 0;
        bool may_not = false;
        for (size_t k = 0; k < COUNT(never_refuse); k++)
            may_not |= strcmp(never_refuse[k], op->name) == 0;
        for (const nilu_case *c = op->cases; c && c->what; c++) {
            want += c->want != NULL;
            error += c->error != NULL;
            if (graph_case_find(op, c->what) != c && ++bad)
                print_error("%s has two cases \"%s\"\n", op->name, c->what);
            if (c->want && (c->error || c->fault) && ++bad)
                print_error("%s, case \"%s\": refused and known by hand\n", op->name, c->what);
        }
        if (!want && ++bad)
            print_error("%s: no case is known by hand\n", op->name);
        if (!error != may_not && ++bad)
            print_error("%s: %s\n", op->name, may_not ? "refuses after all" : "no case is refused");
        if (!op->grad && !op->expand && !op->no_gradient && ++bad)
            print_error("%s: neither a gradient nor a reason for having none\n", op->name);
        if (op->grad && !op->backward && ++bad)
            print_error("%s: the gradient is not said in one line\n", op->name);
        if ((!op->ref || !op->shape) && ++bad)
            print_error("%s: no shape rule or no reference\n", op->name);
    }
    assert_int_equal(bad, 0);
}

/* A node made by a gradient rule lets errors pass itself, or has no float result that one could reach, or nothing that an
 * error could go to. */
static bool passes(const nilu_node *n)
{
    bool takes = false, gives = false;
    for (int i = 0; i < n->nout; i++)
        gives |= base_is_float(n->out[i].dtype);
    for (int k = 0; k < n->nin; k++)
        takes |= base_is_float(n->in[k]->dtype) && !(k < 6 && n->op->nodiff[k]);
    return n->op->leaf || n->op->grad || !gives || !takes;
}

static void closed_under_differentiation(void **state)
{
    (void)state;
    int bad = 0, rules = 0;
    for (size_t i = 0; i < graph_op_count(); i++) {
        const nilu_op *op = graph_op_at(i);
        for (const nilu_case *c = op->cases; c && c->what && (op->grad || op->expand); c++) {
            nilu *nl = rows_context(NULL, 1);
            graph_case made;
            nilu_tensor *wrt[GRAPH_MAX_IN], *grads[GRAPH_MAX_IN];
            assert_ok(nl, graph_case_new(nl, op, c, NILU_F32, NILU_I32, 0, &made));
            int n = rows_wrt(op, &made, wrt);
            if (made.out && n && base_is_float(made.out->dtype)) {
                nilu_tensor *dy = nilu_input(made.g, "dy", made.out->dtype, made.out->shape);
                assert_ok(nl, nilu_grad_from(made.out, dy, n, wrt, grads));
                assert_ok(nl, graph_verify(made.g));
                rules++;
                for (int id = 0; id < made.g->nnode; id++)
                    if (!passes(made.g->node[id]) && ++bad)
                        print_error("%s, case \"%s\": its gradient holds %s, which has none (%s)\n", op->name, c->what,
                                    made.g->node[id]->op->name, made.g->node[id]->op->no_gradient);
            }
            graph_case_free(&made);
            nilu_free(nl);
        }
    }
    assert_int_equal(bad, 0);
    assert_true(rules > 300);
}

static void every_sentence_is_met(void **state)
{
    (void)state;
    assert_int_equal(rows_unheard(NILU_SOURCE_DIR "/src/ops"), 0);
}

static void every_way_was_taken(void **state)
{
    (void)state;
    const cpu_kernel *k;
    int bad = 0;
    for (size_t i = 0; (k = cpu_kernel_at(i)); i++) {
        bool possible = !strstr(k->name, "bf16") || cpu_isa_find(NULL)->gemm_bf16;
        if (possible && rows_were_taken.kernel[i] < 2 && ++bad)
            print_error("%s kernel %s\n", rows_were_taken.kernel[i] ? "no row cuts into tiles the" : "no row runs the",
                        k->name);
    }
    assert_int_equal(bad, 0);
    assert_true(rows_were_taken.in_place > 1000);
    assert_true(rows_were_taken.shared > 100 || !cpu_kernel_at(0));
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[256] = {{0}};
    size_t n = 0;
    for (size_t i = 0; i < graph_op_count() && n < COUNT(tests) - 4; i++)
        if (argc < 2 || strcmp(argv[1], graph_op_at(i)->name) == 0)
            tests[n++] = (struct CMUnitTest){graph_op_at(i)->name, op_rows, NULL, NULL, (void *)graph_op_at(i)};
    only_case = argc > 2 ? argv[2] : NULL;
    if (!n) {
        print_error("no op is called %s\n", argv[1]);
        return 2;
    }
    if (argc < 2) {
        tests[n++] = (struct CMUnitTest){"table_is_complete", table_is_complete, NULL, NULL, NULL};
        tests[n++] =
            (struct CMUnitTest){"closed_under_differentiation", closed_under_differentiation, NULL, NULL, NULL};
        tests[n++] = (struct CMUnitTest){"every_sentence_is_met", every_sentence_is_met, NULL, NULL, NULL};
        tests[n++] = (struct CMUnitTest){"every_way_was_taken", every_way_was_taken, NULL, NULL, NULL};
    }
    return _cmocka_run_group_tests("rows", tests, n, NULL, NULL);
}
