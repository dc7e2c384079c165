/* Instructions that run behind the tiles of others: the same bits as one after the other, for any number of threads, step by
 * step; and nothing that some of them still read is overwritten by others of them. */
#include "plan/plan.h"
#include "support/support.h"

#include "nets.h"

#include <string.h>

enum { STEPS = 3, PICTURE = 3 * 32 * 32 };

typedef struct net {
    const char *name;
    int batch;
    const char *layers; /* NULL: ResNet-20 */
    int least;          /* instructions that run behind others */
    bool forward;       /* nothing is learnt, so that what a layer reads dies with it */
    bool skip;          /* then what layers make of a picture is added to it, which is a larger one */
} net;

static const net nets[] = {
    {"strides and pools", 24, "conv 32 3 padding=1 gelu, conv 32 3 padding=same bias=false, pool max 2, batchnorm, gelu, conv 48 3 stride=2 padding=1 relu, "
                              "pool avg 2, conv 48 1 relu, flatten, dense 10", 8},
    {"ResNet-20", 8, NULL, 6},
    {"forward", 24, "conv 32 3 padding=1 relu, pool max 2, conv 64 3 padding=same relu, pool max 2, conv 64 3 relu, pool avg 2, flatten, dense 10", 4, true},
    {"skip", 8, "conv 16 3 padding=same bias=false", 1, true, true},
};

typedef struct trained {
    nilu *nl;
    nilu_graph *g;
    nilu_store *store;
    nilu_plan *plan;
} trained;

static trained compile(const net *n, int threads)
{
    trained t = {.nl = support_context(threads, NULL)};
    nilu_optimizer_options options = NILU_OPTIMIZER_DEFAULT;
    options.name = "momentum";
    t.g = nilu_graph_new(t.nl);
    t.store = nilu_store_new(t.nl);
    nilu_tensor *x = nilu_input(t.g, "x", NILU_F32, NILU_SHAPE(n->batch, 3, 32, 32));
    if (n->skip) /* so that it is given up when it has been read, and by what runs behind the layers */
        x = nilu_sin(nets_chain(t.nl, x, "before", "conv 16 1", true));
    nilu_tensor *y = n->layers ? nets_chain(t.nl, x, "net", n->layers, true) : nets_resnet20(t.nl, x, true);
    if (n->skip)
        y = nets_chain(t.nl, nilu_relu(nilu_add(x, y)), "after", "pool max 2, flatten, dense 10", true);
    nilu_tensor *loss = nilu_loss("cross_entropy", y, nilu_input(t.g, "target", NILU_I32, NILU_SHAPE(n->batch)));
    if (!n->forward)
        assert_ok(t.nl, nilu_minimise(loss, 0, NULL, &options, NULL, NULL));
    assert_ok(t.nl, nilu_compile(t.g, t.store, 1, &loss, NULL, &t.plan));
    return t;
}

static void release(trained *t)
{
    nilu_plan_free(t->plan);
    nilu_store_free(t->store);
    nilu_graph_free(t->g);
    nilu_free(t->nl);
}

typedef char outcome[256]; /* hash of the weights, and the losses */

/* Other pictures in each step, so that a tile that comes too early is found out. */
static void train(trained *t, const net *n, outcome all)
{
    float *x = malloc((size_t)(n->batch * PICTURE) * sizeof *x);
    int32_t target[32];
    uint64_t state = nets_seed(1);
    nilu_store_hash(t->store, NILU_PARAM, all); /* as they were; what became of them is in the next step's loss */
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < n->batch * PICTURE; i++)
            x[i] = (float)nets_draw(&state);
        for (int i = 0; i < n->batch; i++)
            target[i] = (i + step) % 10;
        assert_ok(t->nl, nilu_feed(t->plan, "x", x, (size_t)(n->batch * PICTURE) * sizeof *x));
        assert_ok(t->nl, nilu_feed(t->plan, "target", target, (size_t)n->batch * sizeof *target));
        assert_ok(t->nl, nilu_step(t->plan));
        size_t end = strlen(all);
        snprintf(all + end, sizeof(outcome) - end, " %a", (double)*(const float *)nilu_fetched(t->plan, 0));
    }
    free(x);
}

static void same_bits(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 8};
    for (size_t i = 0; i < COUNT(nets); i++) {
        outcome wanted, got;
        trained apart = compile(&nets[i], 1);
        apart.plan->apart = true;
        train(&apart, &nets[i], wanted);
        release(&apart);
        for (size_t k = 0; k < COUNT(threads); k++) {
            trained t = compile(&nets[i], threads[k]);
            train(&t, &nets[i], got);
            if (strcmp(got, wanted) != 0)
                fail_msg("%s: other bits behind each other, with %d threads", nets[i].name, threads[k]);
            release(&t);
        }
    }
}

static bool meet(const nilu_plan *p, int a, int b)
{
    const plan_buffer *x = &p->buffer[a], *y = &p->buffer[b];
    return a == b || (x->where == PLAN_ARENA && y->where == PLAN_ARENA && x->offset < y->offset + y->bytes && y->offset < x->offset + x->bytes);
}

static void nothing_read_is_overwritten(void **state)
{
    (void)state;
    for (size_t n = 0; n < COUNT(nets); n++) {
        trained t = compile(&nets[n], 2);
        const nilu_plan *p = t.plan;
        int behind = 0;
        for (int i = 0; i < p->nstep; i++) {
            const plan_step *s = &p->step[i];
            behind += plan_runs_behind(p, s);
            assert_false(plan_runs_behind(p, s) && s->wait);
            for (int m = plan_leader(p, i); m < i; m++)
                for (int k = 0; k < p->step[m].call.nin; k++)
                    for (int j = 0; j < s->call.nout; j++)
                        if (meet(p, p->step[m].in[k], s->out[j]))
                            fail_msg("%s: instruction %d writes where %d reads, behind which it runs", nets[n].name, i, m);
        }
        if (behind < nets[n].least)
            fail_msg("%s: only %d instructions run behind others", nets[n].name, behind);
        release(&t);
    }
}

/* Behind which kernels, which kernels run: all that can are met. */
static void all_kernels_are_met(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"conv", "tape"}, {"winograd", "tape"}, {"winograd", "moments"}, {"winograd", "max_pool"}, {"max_pool", "moments"},
                                           {"tape", "avg_pool"}, {"conv", "moments"}};
    bool met[COUNT(pairs)] = {false}, sums = false;
    for (size_t n = 0; n < COUNT(nets); n++) {
        trained t = compile(&nets[n], 2);
        for (int i = 1; i < t.plan->nstep; i++) {
            const plan_step *s = &t.plan->step[i];
            for (size_t k = 0; k < COUNT(pairs) && plan_runs_behind(t.plan, s); k++)
                met[k] |= strcmp(s[-1].kernel->name, pairs[k][0]) == 0 && strcmp(s->kernel->name, pairs[k][1]) == 0;
            sums |= plan_runs_behind(t.plan, s) && strcmp(s->kernel->name, "tape") == 0 && s->job.phases == 2;
        }
        char *text = nilu_plan_text(t.plan);
        assert_contains(text, nets[n].skip ? " > tape " : nets[n].forward ? " > max_pool " : " > moments ");
        nilu_text_free(t.nl, text);
        release(&t);
    }
    for (size_t k = 0; k < COUNT(pairs); k++)
        if (!met[k])
            fail_msg("no %s runs behind a %s", pairs[k][1], pairs[k][0]);
    assert_true(sums);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits), cmocka_unit_test(nothing_read_is_overwritten), cmocka_unit_test(all_kernels_are_met)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
