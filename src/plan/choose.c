/* Which kernel runs an instruction: the first row that accepts its node. Where none does, the reference runs, and the
 * reason is kept for the plan's text. */
#include "plan/plan.h"

#include <string.h>

static bool row_is_for(const cpu_kernel *k, const nilu_op *op)
{
    return strcmp(k->op, op->name) == 0 || (op->elementwise && strcmp(k->op, "elementwise") == 0);
}

/* May output `out` lie where input `in` lay, when the reference runs? It reads all inputs at a point before it writes
 * that point, if the op is elementwise or fused; a product's operands and a sum's loop are read for other points too. */
static bool reads_first(const nilu_node *n, int in, int out)
{
    const rewrite_tape *tape = n->op == &rewrite_op_tape ? ((const struct rewrite_tape_attr *)n->attr)->tape
                               : n->op == &rewrite_op_product ? ((const struct rewrite_product_attr *)n->attr)->tape
                                                              : NULL;
    if (tape ? tape->end[out].sum || (n->op == &rewrite_op_product && in < 2) : !n->op->elementwise)
        return false;
    return n->in[in]->dtype == n->out[out].dtype && base_same_shape(n->in[in]->shape, n->out[out].shape);
}

/* The reference runs as one tile. Only ops that read ids can meet bad data. */
static void reference_job(const nilu_node *n, cpu_job *job)
{
    *job = (cpu_job){.phases = 1, .tiles = {1}};
    job->scratch = n->op->ref_scratch ? n->op->ref_scratch(n) : 0;
    for (int k = 0; k < n->nin && k < 32; k++) {
        nilu_dtype dtype = n->in[k]->dtype;
        for (int j = 0; j < n->nout; j++)
            if (reads_first(n, k, j))
                job->in_place[j] |= 1u << k;
        if (!n->op->elementwise && (dtype == NILU_I32 || dtype == NILU_I64))
            job->faults = true;
    }
}

double plan_flops(const plan_step *s)
{
    return s->copy ? 0 : s->node->op->flops ? s->node->op->flops(s->node) : (double)s->call.out[0].n;
}

double plan_bytes(const plan_step *s)
{
    double bytes = 0;
    for (int k = 0; k < s->call.nin; k++)
        bytes += (double)s->call.in[k].n * (double)nilu_dtype_size(s->call.in[k].dtype);
    for (int k = 0; k < s->call.nout; k++)
        bytes += (double)s->call.out[k].n * (double)nilu_dtype_size(s->call.out[k].dtype);
    return bytes;
}

double plan_estimate(const plan_step *s)
{
    return s->kernel ? plan_bytes(s) / 30 + plan_flops(s) / 60 : plan_bytes(s) / 2 + plan_flops(s);
}

#define SHARED_FROM 600 /* ns: below this a second thread costs more than it brings */

static bool too_small(const plan_step *s)
{
    int64_t most = 0;
    for (int i = 0; i < s->job.phases; i++)
        most = s->job.tiles[i] > most ? s->job.tiles[i] : most;
    return most < 2 || plan_estimate(s) < SHARED_FROM;
}

static nilu_status choose(nilu_plan *p, plan_step *s)
{
    if (s->copy) {
        s->kernel = &plan_copy;
        return plan_copy.prepare(p->nl, s->node, p->isa, &s->job);
    }
    s->why = p->reference ? N_("the reference was asked for") : N_("no kernel has been written for this op");
    const cpu_kernel *k;
    for (size_t i = 0; !p->reference && (k = cpu_kernel_at(i)); i++) {
        if (!row_is_for(k, s->node->op) || (p->kernels && !strstr(k->name, p->kernels)))
            continue;
        s->why = k->accepts(s->node, p->isa);
        if (!s->why) {
            s->kernel = k;
            return k->prepare(p->nl, s->node, p->isa, &s->job);
        }
    }
    reference_job(s->node, &s->job);
    return NILU_OK;
}

nilu_status plan_choose(nilu_plan *p, plan_step *s)
{
    NILU_TRY(choose(p, s));
    s->alone = too_small(s);
    return NILU_OK;
}

/* ---- the copy: tiles of 64 KiB */

#define PIECE 65536

static nilu_status copy_prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)nl, (void)isa;
    size_t bytes = (size_t)base_count(n->out[0].shape) * nilu_dtype_size(n->out[0].dtype);
    *job = (cpu_job){.phases = 1, .tiles = {(int64_t)((bytes + PIECE - 1) / PIECE)}};
    return NILU_OK;
}

static nilu_status copy_run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    (void)phase, (void)local;
    size_t bytes = (size_t)c->out[0].n * nilu_dtype_size(c->out[0].dtype), at = (size_t)begin * PIECE;
    size_t stop = (size_t)end * PIECE < bytes ? (size_t)end * PIECE : bytes;
    if (at < stop)
        memcpy((char *)c->out[0].data + at, (const char *)c->in[0].data + at, stop - at);
    return NILU_OK;
}

const cpu_kernel plan_copy = {"copy", "copy", NULL, copy_prepare, copy_run};
