/* The kernels that run tapes: of a tape node, of an elementwise node that stayed alone, and of a product with a tape behind
 * it, whose tiles are worked on before they leave the cache. */
#include "cpu/cpu.h"

#include <string.h>

#define ALIGN(bytes) (((bytes) + 63) & ~(size_t)63)

/* ---- a tape by itself, and one elementwise op: a tape of one step */

static const char *accepts_tape(const nilu_node *n, const cpu_isa *isa)
{
    rewrite_step step;
    const rewrite_tape t = cpu_tape_of(n, &step);
    (void)isa;
    return cpu_program_refuses(n, &t);
}

static nilu_status prepare_tape(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    rewrite_step step;
    const rewrite_tape t = cpu_tape_of(n, &step);
    cpu_program *p;
    *job = (cpu_job){.phases = 1};
    NILU_TRY(cpu_program_new(nl, n, &t, isa, false, &p));
    job->plan = p;
    job->tiles[0] = cpu_program_tiles(p);
    job->scratch = p->scratch;
    job->local = p->local;
    memcpy(job->in_place, p->in_place, sizeof job->in_place);
    if (cpu_program_folds(p, 0, 0))
        job->tiles[job->phases++] = cpu_program_folds(p, 0, 0);
    return NILU_OK;
}

static nilu_status run_tape(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    if (phase == 0)
        cpu_program_run(c->plan, c, begin, end, c->scratch, local);
    else
        cpu_program_fold(c->plan, c, 0, 0, c->scratch, begin, end);
    return NILU_OK;
}

static bool part_of_tape(const nilu_node *n, const cpu_job *job, int k, int64_t tile, cpu_part *part)
{
    const cpu_program *p = job->plan;
    int64_t loop = 1;
    for (int d = 0; d < p->rank; d++)
        loop *= p->dim[d];
    *part = cpu_program_part(p, tile);
    return (k >= 0 || job->phases == 1) && base_count(k < 0 ? n->out[0].shape : n->in[k]->shape) == loop;
}

const cpu_kernel cpu_kernel_tape = {"tape", "tape", accepts_tape, prepare_tape, run_tape, part_of_tape};
const cpu_kernel cpu_kernel_elementwise = {"elementwise", "tape", accepts_tape, prepare_tape, run_tape, part_of_tape};

/* ---- a product with a tape behind it */

typedef struct product {
    cpu_gemm gemm;
    cpu_program *program; /* behind this struct */
    size_t partial;       /* where the sums begin in the scratch */
    int64_t down, across; /* tiles of the result */
    int first;            /* phase that computes */
} product;

static const char *accepts_product(const nilu_node *n, const cpu_isa *isa)
{
    const struct rewrite_product_attr *t = n->attr;
    (void)isa;
    return cpu_program_refuses(n, t->tape);
}

static nilu_status prepare_product(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    const struct rewrite_product_attr *t = n->attr;
    cpu_program *p;
    *job = (cpu_job){.phases = 0};
    NILU_TRY(cpu_program_new(nl, n, t->tape, isa, false, &p));
    product *x = base_alloc(nl, ALIGN(sizeof *x) + cpu_program_bytes(p));
    if (x) {
        x->program = (cpu_program *)(void *)((char *)x + ALIGN(sizeof *x));
        memcpy(x->program, p, cpu_program_bytes(p));
        job->plan = x;
    }
    base_free(nl, p);
    if (!x)
        return NILU_E_NO_MEMORY;
    p = x->program;
    cpu_gemm *g = &x->gemm;
    cpu_gemm_plan(n, isa, t->ta, t->tb, t->bf16, true, g);
    for (int k = 2; k < n->nin && g->nsoon < CPU_SOON; k++)
        if (n->in[k]->dtype == NILU_F32 && base_same_shape(n->in[k]->shape, t->tape->loop))
            g->soon[g->nsoon++] = k;
    x->down = g->swap ? g->across : g->down;
    x->across = g->swap ? g->down : g->across;
    x->partial = ALIGN(g->scratch);
    if (cpu_gemm_pieces(g))
        job->tiles[job->phases++] = cpu_gemm_pieces(g);
    x->first = job->phases;
    job->tiles[job->phases++] = g->down * g->across;
    if (cpu_program_folds(p, x->down, x->across))
        job->tiles[job->phases++] = cpu_program_folds(p, x->down, x->across);
    job->scratch = x->partial + p->scratch;
    job->local = ALIGN(g->local) + p->local;
    memcpy(job->in_place, p->in_place, sizeof job->in_place);
    return NILU_OK;
}

static nilu_status run_product(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    const product *x = c->plan;
    const cpu_gemm *g = &x->gemm;
    char *partial = (char *)c->scratch + x->partial;
    int64_t packed = -1;
    if (phase < x->first) {
        cpu_gemm_share(g, c, begin, end);
    } else if (phase == x->first) {
        for (int64_t t = begin; t < end; t++) {
            cpu_gemm_tile tile = cpu_gemm_compute(g, c, &t, end, NULL, local, &packed);
            cpu_rect r = {.r0 = tile.r0, .r1 = tile.r1, .c0 = tile.c0, .c1 = tile.c1, .tile = tile.at, .ld = tile.ld};
            cpu_program_rect(x->program, c, &r, partial, (char *)local + ALIGN(g->local));
        }
    } else {
        cpu_program_fold(x->program, c, x->down, x->across, partial, begin, end);
    }
    return NILU_OK;
}

const cpu_kernel cpu_kernel_product = {"product", "gemm+tape", accepts_product, prepare_product, run_product};
