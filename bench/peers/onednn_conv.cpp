/* oneDNN on convolutions:  onednn_conv SECONDS THREADS SHAPE…  (as bench_conv has it). Pictures and filters lie as oneDNN likes
 * best before the clock starts; nilu's are plain arrays. */
#include "peer.h"

#include <dnnl.hpp>
#include <omp.h>
#include <unordered_map>

using dnnl::memory;
using dnnl::prop_kind;

struct job {
    dnnl::primitive primitive;
    dnnl::stream stream;
    std::unordered_map<int, memory> arguments;
};

static void execute(void *user)
{
    job *j = static_cast<job *>(user);
    j->primitive.execute(j->stream, j->arguments);
    j->stream.wait();
}

static memory filled(const dnnl::engine &e, dnnl::stream &stream, const memory::desc &wanted, const memory::dims &dims)
{
    long n = 1;
    for (long d : dims)
        n *= d;
    float *numbers = peer_numbers(n);
    memory source(memory::desc(dims, memory::data_type::f32, memory::format_tag::abcd), e, numbers), out(wanted, e);
    dnnl::reorder(source, out).execute(stream, source, out);
    stream.wait();
    free(numbers);
    return out;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    omp_set_num_threads(atoi(argv[2]));
    dnnl::engine e(dnnl::engine::kind::cpu, 0);
    for (int i = 3; i < argc; i++) {
        peer_window s;
        if (!peer_read_window(argv[i], &s))
            return 2;
        dnnl::stream stream(e);
        const memory::dims dx = {s.n, s.c, s.h, s.w}, dw = {s.o, s.c, s.kh, s.kw}, dy = {s.n, s.o, s.oh, s.ow}, stride = {s.stride, s.stride},
                           padding = {s.padding, s.padding};
        auto any = [](const memory::dims &d) { return memory::desc(d, memory::data_type::f32, memory::format_tag::any); };
        const auto direct = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR < 3
        dnnl::convolution_forward::primitive_desc f({prop_kind::forward_training, direct, any(dx), any(dw), any(dy), stride, padding, padding}, e);
        dnnl::convolution_backward_data::primitive_desc b({direct, any(dx), any(dw), any(dy), stride, padding, padding}, e, f);
        dnnl::convolution_backward_weights::primitive_desc w({direct, any(dx), any(dw), any(dy), stride, padding, padding}, e, f);
#else
        dnnl::convolution_forward::primitive_desc f(e, prop_kind::forward_training, direct, any(dx), any(dw), any(dy), stride, padding, padding);
        dnnl::convolution_backward_data::primitive_desc b(e, direct, any(dx), any(dw), any(dy), stride, padding, padding, f);
        dnnl::convolution_backward_weights::primitive_desc w(e, direct, any(dx), any(dw), any(dy), stride, padding, padding, f);
#endif
        job j;
        j.stream = stream;
        if (s.pass == 'f') {
            j.primitive = dnnl::convolution_forward(f);
            j.arguments = {{DNNL_ARG_SRC, filled(e, stream, f.src_desc(), dx)}, {DNNL_ARG_WEIGHTS, filled(e, stream, f.weights_desc(), dw)},
                           {DNNL_ARG_DST, memory(f.dst_desc(), e)}};
        } else if (s.pass == 'e') {
            j.primitive = dnnl::convolution_backward_data(b);
            j.arguments = {{DNNL_ARG_DIFF_DST, filled(e, stream, b.diff_dst_desc(), dy)}, {DNNL_ARG_WEIGHTS, filled(e, stream, b.weights_desc(), dw)},
                           {DNNL_ARG_DIFF_SRC, memory(b.diff_src_desc(), e)}};
        } else {
            j.primitive = dnnl::convolution_backward_weights(w);
            j.arguments = {{DNNL_ARG_SRC, filled(e, stream, w.src_desc(), dx)}, {DNNL_ARG_DIFF_DST, filled(e, stream, w.diff_dst_desc(), dy)},
                           {DNNL_ARG_DIFF_WEIGHTS, memory(w.diff_weights_desc(), e)}};
        }
        peer_tell_window(argv[i], &s, peer_measure(execute, &j, atof(argv[1])), 0);
    }
    return 0;
}
