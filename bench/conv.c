/* Convolutions of the shapes that training meets, in all three passes, in GFLOP/s and in % of what this machine's multiply-adds
 * can do, which is measured first; padding counts as if it were multiplied, as it does for the peers. One line of JSON each:
 *     bench_conv [seconds [threads [shape …]]]
 * A shape is samples x channels x height x width, filters x kernel, stride, padding, and which pass (forward, error: back to the
 * pictures, weight: the gradient), or only a part of the text of those that are measured where none is given:
 *     bench_conv 0.2 2 "500x24x31x31 64x3x3 1 1 forward" 15x15 */
#include "peers/peer.h"
#include "plan.h"
#include "cpu/cpu.h"

static const char *const shapes[] = {
    "500x3x32x32 32x3x3 1 1",   "500x32x32x32 48x3x3 1 1",  "500x48x16x16 64x3x3 1 1",   "500x64x16x16 128x3x3 1 1", "500x128x8x8 192x3x3 1 1",
    "500x192x8x8 256x3x3 1 1",  "500x256x4x4 256x3x3 1 1",  "500x24x31x31 64x3x3 1 1",   "500x64x15x15 256x3x3 1 1", "500x256x7x7 256x3x3 1 1",
    "500x256x3x3 256x3x3 1 1",  "64x1x28x28 32x3x3 1 1",    "64x32x28x28 64x3x3 1 1",    "128x3x32x32 16x3x3 1 1",   "128x16x32x32 16x3x3 1 1",
    "128x16x32x32 32x3x3 2 1",  "128x16x32x32 32x1x1 2 0",  "128x32x16x16 32x3x3 1 1",   "128x32x16x16 64x3x3 2 1",  "128x64x8x8 64x3x3 1 1"};

static int measure(double seconds, int threads, const char *text, double best)
{
    peer_window s;
    nilu *nl = context(threads);
    nilu_graph *g = nl ? nilu_graph_new(nl) : NULL;
    nilu_store *store = nl ? nilu_store_new(nl) : NULL;
    nilu_plan *plan = NULL;
    if (!g || !store || !peer_read_window(text, &s))
        return 1;
    nilu_conv_options o = {0};
    o.stride = NILU_SIZES((int)s.stride);
    o.padding = NILU_SIZES((int)s.padding);
    nilu_init init = {NILU_INIT_UNIFORM, -1, 1};
    nilu_tensor *x = nilu_param(g, "x", NILU_F32, NILU_SHAPE(s.n, s.c, s.h, s.w), init);
    nilu_tensor *w = nilu_param(g, "w", NILU_F32, NILU_SHAPE(s.o, s.c, s.kh, s.kw), init);
    nilu_tensor *y = nilu_param(g, "y", NILU_F32, NILU_SHAPE(s.n, s.o, s.oh, s.ow), init);
    nilu_tensor *z = s.pass == 'f'   ? nilu_conv(x, w, &o)
                     : s.pass == 'e' ? nilu_conv_transpose(y, w, NILU_SIZES((int)s.h, (int)s.w), &o)
                                     : nilu_conv_weight(x, y, NILU_SIZES((int)s.kh, (int)s.kw), &o);
    if (nilu_compile(g, store, 1, &z, NULL, &plan) != NILU_OK) {
        fprintf(stderr, "%s\n", nilu_errmsg(nl));
        return 1;
    }
    peer_tell_window(text, &s, peer_measure(step, plan, seconds), best);
    nilu_plan_free(plan);
    nilu_store_free(store);
    nilu_graph_free(g);
    nilu_free(nl);
    return 0;
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 0.2;
    int threads = argc > 2 ? atoi(argv[2]) : 1, failed = 0;
    nilu *nl = context(threads);
    if (!nl)
        return 1;
    const double best = nilu_peak_flops(nl);
    nilu_free(nl);
    for (int i = 3; i < argc; i++) {
        peer_window s;
        if (peer_read_window(argv[i], &s))
            failed |= measure(seconds, threads, argv[i], best);
    }
    static const char *const passes[] = {"forward", "error", "weight"};
    for (size_t i = 0; i < COUNT(shapes); i++)
        for (size_t p = 0; p < COUNT(passes); p++) {
            char text[96];
            peer_window s;
            bool wanted = argc <= 3;
            snprintf(text, sizeof text, "%s %s", shapes[i], passes[p]);
            for (int k = 3; k < argc; k++)
                wanted |= !peer_read_window(argv[k], &s) && strstr(text, argv[k]);
            if (wanted)
                failed |= measure(seconds, threads, text, best);
        }
    return failed;
}
