/* Instructions that run behind the tiles of the one before: norms' sums and activations behind convolutions. As soon as the
 * tiles are there that a tile of the second one reads, the thread that finished the last of them computes it, and finds in its
 * caches what would have come from memory; meanwhile other threads multiply, and leave memory alone. Tiles are the same as
 * ever, so no bit changes. Others may run behind the second one's, and so on; none of them may write to what another one reads.
 *
 * A tile knows which part of an array it makes or reads: the outermost axis is cut there, so parts are pieces of memory. */
#include "plan/plan.h"

#include <string.h>

#define LEAST (256 << 10) /* bytes: what is smaller stays in the caches anyway */

/* The tiles of a reader, in the order of its parts. */
typedef struct readers {
    int64_t n;
    cpu_part *part;
} readers;

/* How many of them, from the first on, end at or before `made` begins; or, if `begin`, begin before it ends. */
static int64_t count(const readers *r, const cpu_part *made, bool begin)
{
    int64_t low = 0, high = r->n;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        const cpu_part *x = &r->part[middle];
        if (begin ? x->from * made->of < made->to * x->of : x->to * made->of <= made->from * x->of)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Those of them that need something of `made`: from .. to-1. */
static void find_needy(const readers *r, const cpu_part *made, int32_t range[2])
{
    const bool all = r->part->beginning && made->from * r->part->of < made->of;
    range[0] = all ? 0 : (int32_t)count(r, made, false);
    range[1] = all ? (int32_t)r->n : (int32_t)count(r, made, true);
}

/* The first instruction behind `i` that reads its output 0, as input *k; -1: none, or small ones do not alone lie between. */
static int find_reader(const nilu_plan *p, int i, int *k)
{
    const nilu_tensor *made = &p->step[i].node->out[0];
    for (int j = i + 1; j < p->nstep && !p->step[j].copy; j++) {
        const nilu_node *n = p->step[j].node;
        for (*k = 0; *k < n->nin; ++*k)
            if (plan_root(n->in[*k]) == made)
                return j;
        if (!p->step[j].alone)
            break;
    }
    return -1;
}

/* May instruction j come directly behind i? Of those with which it runs, and of what lies between, it must need nothing but the
 * output 0 of i; and it must write to no state. */
static bool may_come(const nilu_plan *p, int i, int j)
{
    const nilu_node *n = p->step[j].node;
    for (int m = plan_leader(p, i); m < j; m++)
        for (int k = 0; k < n->nin; k++)
            if (plan_root(n->in[k])->node == p->step[m].node && (m != i || plan_root(n->in[k])->out != 0))
                return false;
    for (int s = 0; s < p->g->nnode; s++)
        if (p->g->node[s]->assigned && plan_root(p->g->node[s]->assigned)->node == n)
            return false;
    return true;
}

/* The parts that tiles of s read of its input k; false: it cannot be told, or they are in no order. */
static bool find_readers(const plan_step *s, int k, readers *r)
{
    for (int64_t i = 0; i < r->n; i++) {
        const cpu_part *x = &r->part[i];
        if (!s->kernel->part(s->node, &s->job, k, i, &r->part[i]) || x->from >= x->to || (i > 0 && (x->from < x[-1].from || x->to < x[-1].to)))
            return false;
    }
    return r->n > 0;
}

/* Which tiles of `second`, which reads what `first` makes as input k, wait for which of its tiles; *behind stays NULL if they
 * cannot tell. */
static nilu_status find_parts(nilu *nl, const plan_step *first, const plan_step *second, int k, plan_behind **behind)
{
    const int64_t makers = first->job.tiles[first->job.phases - 1];
    readers r = {second->job.tiles[0], NULL};
    plan_behind *b = NULL;
    cpu_part made;
    size_t bytes, more;
    r.part = base_calloc(nl, (size_t)r.n + 1, sizeof *r.part);
    if (r.part && base_mul((size_t)makers, sizeof *b->waits, &bytes) && base_mul((size_t)r.n, 2 * sizeof *b->left, &more) &&
        base_add(bytes, more, &bytes) && base_add(bytes, sizeof *b, &bytes))
        b = base_calloc(nl, 1, bytes);
    if (!b) {
        base_free(nl, r.part);
        return base_no_memory(nl, 0), NILU_E_NO_MEMORY;
    }
    b->left = (int32_t *)(void *)(b->waits + makers);
    b->all = b->left + r.n;
    bool known = find_readers(second, k, &r);
    for (int64_t t = 0; t < makers && known; t++) {
        known = first->kernel->part(first->node, &first->job, -1, t, &made);
        if (known)
            find_needy(&r, &made, b->waits[t]);
        for (int32_t j = b->waits[t][0]; j < b->waits[t][1]; j++)
            b->all[j]++;
    }
    for (int64_t j = 0; j < r.n && known; j++)
        known = b->all[j] > 0;
    memcpy(b->left, b->all, (size_t)r.n * sizeof *b->left);
    base_free(nl, r.part);
    if (known)
        *behind = b;
    else
        base_free(nl, b);
    return NILU_OK;
}

bool plan_runs_behind(const nilu_plan *p, const plan_step *s)
{
    return s > p->step && s[-1].behind;
}

int plan_leader(const nilu_plan *p, int i)
{
    while (plan_runs_behind(p, &p->step[i]))
        i--;
    return i;
}

nilu_status plan_find_behind(nilu_plan *p)
{
    for (int i = 0; i + 1 < p->nstep; i++) {
        plan_step *first = &p->step[i];
        int k, j;
        if (first->copy || first->alone || !first->kernel || !first->kernel->part || first->job.faults)
            continue;
        const nilu_tensor *made = &first->node->out[0];
        if (made->dtype != NILU_F32 || base_count(made->shape) * (int64_t)sizeof(float) < LEAST || (j = find_reader(p, i, &k)) < 0)
            continue;
        const plan_step *second = &p->step[j];
        if (second->alone || !second->kernel || !second->kernel->part || second->job.faults || !may_come(p, i, j))
            continue;
        NILU_TRY(find_parts(p->nl, first, second, k, &first->behind));
        if (!first->behind)
            continue;
        const plan_step moved = *second;
        memmove(&p->step[i + 2], &p->step[i + 1], (size_t)(j - i - 1) * sizeof moved);
        p->step[i + 1] = moved;
    }
    return NILU_OK;
}
