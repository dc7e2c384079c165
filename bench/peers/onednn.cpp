/* oneDNN on products:  onednn SECONDS THREADS f32|bf16 SHAPE…  (64x512x784 NT). The result is f32. With bf16 the operands are
 * bf16 in memory before the clock starts; nilu's are f32 and are rounded within the time. */
#include "peer.h"

#include <dnnl.hpp>
#include <omp.h>
#include <unordered_map>

using dnnl::memory;

struct product {
    dnnl::matmul primitive;
    dnnl::stream stream;
    std::unordered_map<int, memory> arguments;
};

static void multiply(void *user)
{
    product *p = static_cast<product *>(user);
    p->primitive.execute(p->stream, p->arguments);
    p->stream.wait();
}

static dnnl::matmul::primitive_desc describe(const dnnl::engine &e, const memory::desc &a, const memory::desc &b, const memory::desc &c)
{
#if DNNL_VERSION_MAJOR < 3
    return dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, c), e);
#else
    return dnnl::matmul::primitive_desc(e, a, b, c);
#endif
}

/* The numbers of `from`, in the type and order of `wanted`. */
static memory filled(const dnnl::engine &e, dnnl::stream &stream, const memory::desc &wanted, const memory::desc &plain, float *from)
{
    memory source(plain, e, from), out(wanted, e);
    dnnl::reorder(source, out).execute(stream, source, out);
    stream.wait();
    return out;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    bool bf16 = strcmp(argv[3], "bf16") == 0;
    omp_set_num_threads(atoi(argv[2]));
    dnnl::engine e(dnnl::engine::kind::cpu, 0);
    auto type = bf16 ? memory::data_type::bf16 : memory::data_type::f32, f32 = memory::data_type::f32;
    using tag = memory::format_tag;
    for (int i = 4; i < argc; i++) {
        peer_shape s;
        if (!peer_read(argv[i], &s))
            return 2;
        dnnl::stream stream(e);
        auto order = [](int transposed) { return transposed ? tag::ba : tag::ab; };
        memory::desc a({s.m, s.k}, type, order(s.ta)), b({s.k, s.n}, type, order(s.tb)), c({s.m, s.n}, f32, tag::ab);
        memory::desc plain_a({s.m, s.k}, f32, order(s.ta)), plain_b({s.k, s.n}, f32, order(s.tb));
        float *x = peer_numbers(s.m * s.k), *y = peer_numbers(s.k * s.n);
        memory ma = filled(e, stream, a, plain_a, x), mb = filled(e, stream, b, plain_b, y), mc(c, e);
        product p = {dnnl::matmul(describe(e, a, b, c)), stream, {{DNNL_ARG_SRC, ma}, {DNNL_ARG_WEIGHTS, mb}, {DNNL_ARG_DST, mc}}};
        peer_tell_product(argv[i], &s, peer_measure(multiply, &p, atof(argv[1])));
        free(x);
        free(y);
    }
    return 0;
}
