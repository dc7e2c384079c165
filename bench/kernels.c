/* How near the kernels that are neither products nor tapes come to memory's speed, on one thread: each op on shapes from the
 * workloads, in the second-level cache and in memory, as bytes read and written a second, beside memcpy of as many bytes.
 *     bench_kernels [text that the row must contain] */
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct row {
    const char *op, *in, *attr;
    bool table; /* of input 0 no more is read than is written */
    nilu_dtype real;
} rows[] = {
    {"transpose", "128x128"},
    {"transpose", "1024x1024"},
    {"transpose", "4096x4096"},
    {"transpose", "4001x4003"},
    {"transpose", "1000000x3"},
    {"transpose", "32x8x64x64"},
    {"transpose", "64x8x64x64", "axes=0,2,1,3"},
    {"transpose", "2048x2048", .real = NILU_F64},
    {"transpose", "4096x4096u"},
    {"broadcast_to", "4096", "shape=4096,4096"},
    {"broadcast_to", "4096x1", "shape=4096,4096"},
    {"broadcast_to", "64x1x64x1", "shape=64,64,64,64"},
    {"slice", "4096x4096", "axis=0 start=100 stop=4000 step=1"},
    {"slice", "4096x4096", "axis=1 start=100 stop=4000 step=1"},
    {"slice", "4096x4096", "axis=1 start=0 stop=4096 step=2"},
    {"slice", "1000000x10", "axis=1 start=2 stop=6 step=1"},
    {"concat", "4096x1024 4096x3072", "axis=1"},
    {"concat", "1000000x4 1000000x4", "axis=1"},
    {"concat", "1000000x1 1000000x3", "axis=1"},
    {"concat", "64x512 64x512", "axis=1"},
    {"pad", "4096x4000", "axis=1 before=48 after=48"},
    {"pad", "100000x28", "axis=1 before=2 after=2"},
    {"pad", "100000x28", "axis=1 before=2 after=2 value=1"},
    {"cast", "16777216", "dtype=bf16"},
    {"cast", "16777216u", "dtype=f32"},
    {"cast", "65536", "dtype=f64"},
    {"cast", "65536", "dtype=bf16"},
    {"cast", "65536", "dtype=f32", .real = NILU_BF16},
    {"cast", "65536", "dtype=f32", .real = NILU_F64},
    {"cast", "65536", "dtype=i32"},
    {"cast", "65536", "dtype=i64"},
    {"cast", "65536", "dtype=u8"},
    {"cast", "65536", "dtype=bool"},
    {"cast", "65536u", "dtype=f32"},
    {"cast", "65536i1000", "dtype=f32"},
    {"gather", "50257x768 4096i50257", "axis=0", .table = true},
    {"gather", "65x128 4096i65", "axis=0", .table = true},
    {"gather", "1000000 1000000i1000000", "axis=0", .table = true},
    {"one_hot", "65536i10", "classes=10 dtype=f32"},
    {"one_hot", "4096i4096", "classes=4096 dtype=f32"},
    {"one_hot", "65536i10", "classes=10 dtype=bool"},
    {"scatter_add", "256x768 256i50257", "axis=0 n=50257"},
    {"scatter_add", "4096x128 4096i65", "axis=0 n=65"},
    {"scatter_add", "1000000 1000000i1000000", "axis=0 n=1000000"},
    {"scatter_add", "1000000x4 1000000i1000", "axis=0 n=1000"},
    {"sum", "4096x4096", "axes=1"},
    {"sum", "4096x4096", "axes=0"},
    {"sum", "4096x4096"},
    {"sum", "256x256"},
    {"sum", "64x512", "axes=0"},
    {"sum", "64x512", "axes=1"},
    {"sum", "1000000x10", "axes=0"},
    {"sum", "1000000x10", "axes=1"},
    {"sum", "1000000x3", "axes=1"},
    {"sum", "128x64x32x32", "axes=0,2,3"},
    {"sum", "128x64x9x9", "axes=0,2,3"},
    {"sum", "64x32x64x32", "axes=0,2"},
    {"max", "4096x4096", "axes=1"},
    {"max", "4096x4096", "axes=0"},
    {"max", "256x256", "axes=1"},
    {"dropout", "65536 si9", "rate=0.1"},
    {"dropout", "16777216 si9", "rate=0.1"},
    {"random_uniform", "si9", "dtype=f32 shape=65536 high=1"},
    {"random_uniform", "si9", "dtype=f32 shape=16777216 high=1"},
    {"random_normal", "si9", "dtype=f32 shape=65536 deviation=1"},
    {"softmax", "64x10", "axis=1"},
    {"softmax", "256x256", "axis=1"},
    {"softmax", "256x50257", "axis=1"},
    {"softmax", "64x1000x49", "axis=1"},
    {"log_softmax", "256x256", "axis=1"},
    {"logsumexp", "256x256", "axes=1"},
    {"softmax_xent", "64x10 64i10"},
    {"softmax_xent", "256x256 256i256"},
    {"softmax_xent", "256x50257 256i50257"},
    {"softmax_xent", "256x256 256i256", "smoothing=0.1"},
    {"softmax_xent_grad", "64x10 64i10 64 s s"},
    {"softmax_xent_grad", "256x256 256i256 256 s s"},
    {"softmax_xent_grad", "256x50257 256i50257 256 s s"},
};

/* Of this thread: others on the machine slow it down less. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

#define ROUNDS 9

static double median(double *seconds)
{
    qsort(seconds, ROUNDS, sizeof *seconds, by_value);
    return seconds[ROUNDS / 2];
}

static bool measure(nilu *nl, const struct row *r)
{
    nilu_case c = {.what = "bench", .in = r->in, .attr = r->attr};
    const nilu_op *op = graph_op(r->op);
    graph_case made;
    nilu_store *store = nilu_store_new(nl);
    nilu_plan *plan = NULL;
    double bytes = 0, op_seconds[ROUNDS], copy_seconds[ROUNDS];
    nilu_status status = graph_case_new(nl, op, &c, r->real, NILU_I32, 0, &made);
    if (status == NILU_OK)
        status = nilu_compile(made.g, store, 1, &made.out, NULL, &plan);
    for (int k = 0; k < made.nin && status == NILU_OK; k++) {
        size_t size = (size_t)base_count(made.in[k]->shape) * nilu_dtype_size(made.in[k]->dtype);
        status = nilu_feed(plan, made.in[k]->node->name, made.data[k], size);
        bytes += r->table && k == 0 ? 0 : (double)size;
    }
    if (status == NILU_OK)
        status = nilu_step(plan);
    if (status != NILU_OK) {
        fprintf(stderr, "%s %s: %s\n", r->op, r->in, nilu_errmsg(nl));
        return false;
    }
    bytes += (r->table ? 2 : 1) * (double)base_count(made.out->shape) * (double)nilu_dtype_size(made.out->dtype);
    size_t half = (size_t)(bytes / 2);
    char *from = malloc(half + 1), *to = malloc(half + 1);
    int repeat = (int)(2e8 / bytes) + 1;
    if (!from || !to)
        return false;
    memset(from, 1, half);
    memset(to, 2, half);
    for (int i = 0; i < ROUNDS; i++) {
        double begin = now();
        for (int j = 0; j < repeat; j++)
            nilu_step(plan);
        double middle = now();
        for (int j = 0; j < repeat; j++) {
            memcpy(to, from, half);
            __asm__ volatile("" : : "r"(to) : "memory");
        }
        op_seconds[i] = (middle - begin) / repeat;
        copy_seconds[i] = (now() - middle) / repeat;
    }
    double own = median(op_seconds), copy = median(copy_seconds), n = (double)base_count(made.out->shape);
    printf("%-13s %-9s %-30s %-32s %10.2f us %7.3f ns/element %7.2f GB/s  memcpy %7.2f  %4.0f %%\n", r->op,
           plan->step[0].kernel ? plan->step[0].kernel->name : "reference", r->in, r->attr ? r->attr : "", own * 1e6,
           own * 1e9 / n, bytes / own * 1e-9, bytes / copy * 1e-9, 100 * copy / own);
    fflush(stdout);
    free(from);
    free(to);
    nilu_plan_free(plan);
    nilu_store_free(store);
    graph_case_free(&made);
    return true;
}

int main(int argc, char **argv)
{
    nilu *nl = nilu_new(NULL, NULL);
    bool good = nl != NULL;
    for (size_t i = 0; i < COUNT(rows) && good; i++) {
        char text[200];
        snprintf(text, sizeof text, "%s %s %s", rows[i].op, rows[i].in, rows[i].attr ? rows[i].attr : "");
        if (argc < 2 || strstr(text, argv[1]))
            good = measure(nl, &rows[i]);
    }
    nilu_free(nl);
    return good ? 0 : 1;
}
