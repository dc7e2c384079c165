/* OpenBLAS on products:  openblas SECONDS THREADS f32 SHAPE…  (64x512x784 NT). */
#include "peer.h"

#include <cblas.h>

void openblas_set_num_threads(int);

typedef struct product {
    peer_shape s;
    const float *a, *b;
    float *c;
} product;

static void multiply(void *user)
{
    product *p = (product *)user;
    int m = (int)p->s.m, n = (int)p->s.n, k = (int)p->s.k;
    cblas_sgemm(CblasRowMajor, p->s.ta ? CblasTrans : CblasNoTrans, p->s.tb ? CblasTrans : CblasNoTrans, m, n, k, 1, p->a,
                p->s.ta ? m : k, p->b, p->s.tb ? k : n, 0, p->c, n);
}

int main(int argc, char **argv)
{
    if (argc < 5 || strcmp(argv[3], "f32") != 0)
        return 2;
    openblas_set_num_threads(atoi(argv[2]));
    for (int i = 4; i < argc; i++) {
        product p;
        if (!peer_read(argv[i], &p.s))
            return 2;
        float *a = peer_numbers(p.s.m * p.s.k), *b = peer_numbers(p.s.k * p.s.n);
        p.a = a;
        p.b = b;
        p.c = peer_numbers(p.s.m * p.s.n);
        peer_tell_product(argv[i], &p.s, peer_measure(multiply, &p, atof(argv[1])));
        free(a);
        free(b);
        free(p.c);
    }
    return 0;
}
