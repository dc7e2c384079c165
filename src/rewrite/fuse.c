/* Fusion. Elementwise ops over one loop become one tape, so that a value that only they need never leaves the cache; sums
 * of such a value are taken on the way; and a matmul whose result they work on becomes the product they run behind.
 *
 * Groups grow by joining a value's maker to its user. A join is legal if the group could still run as one: no input of
 * the joint group may depend on a member of it. That one rule keeps the graph free of cycles, keeps a matmul from eating
 * its own result, and keeps a sum's result out of the loop that takes it. */
#include "rewrite/passes.h"

#include <string.h>

#define MAX_MEMBERS (REWRITE_MAX_STEPS + 8)

typedef struct fusion {
    rewrite_job *job;
    nilu_graph *g;
    int *group;         /* of each node: the number of its group */
    int *next;          /* the ring of its group's members */
    int *mark, stamp;   /* visited in this search */
    int *stack;
    int *first, *users; /* nodes that read node i: users[first[i]] .. users[first[i + 1] - 1] */
    bool *held;         /* fetched or assigned: it must be stored */
} fusion;

static bool small_float(const nilu_tensor *t)
{
    return t->dtype == NILU_F32 || t->dtype == NILU_BOOL;
}

static bool is_step(const nilu_node *n)
{
    if (!(n->op->elementwise || n->op == &nilu_op_cast) || !small_float(&n->out[0]) || base_count(n->out[0].shape) < 1)
        return false;
    for (int k = 0; k < n->nin; k++)
        if (!small_float(n->in[k]))
            return false;
    return true;
}

static bool is_product(const nilu_node *n)
{
    return n->op == &nilu_op_matmul && n->out[0].dtype == NILU_F32 && n->out[0].shape.rank == 2 &&
           base_count(n->out[0].shape) > 0;
}

static bool is_sum(const nilu_node *n)
{
    return n->op == &nilu_op_sum && n->out[0].dtype == NILU_F32 && base_count(n->in[0]->shape) > 0;
}

static nilu_shape loop_of(const nilu_node *n)
{
    return is_sum(n) ? n->in[0]->shape : n->out[0].shape;
}

/* Can the node be in a group at all? */
static bool joins(const nilu_node *n)
{
    return is_step(n) || is_product(n) || is_sum(n);
}

/* Adds the members of the ring of `id` to member[0..n-1], in order; more than MAX_MEMBERS: there are too many. */
static int collect(const fusion *f, int id, int *member, int n)
{
    int at = id;
    do {
        if (n == MAX_MEMBERS)
            return MAX_MEMBERS + 1;
        int i = n++;
        for (; i > 0 && member[i - 1] > at; i--)
            member[i] = member[i - 1];
        member[i] = at;
        at = f->next[at];
    } while (at != id);
    return n;
}

/* Is `t` a value inside the group: made by a step or the product of it? */
static bool inside(const fusion *f, const nilu_tensor *t, int a, int b)
{
    int group = f->group[t->node->id];
    return (group == a || group == b) && !is_sum(t->node);
}

/* Does any node that `t` depends on, t's own included, belong to group a or b? A group is walked as one: it depends on
 * what any member depends on. */
static bool depends(fusion *f, const nilu_tensor *t, int a, int b)
{
    int depth = 0;
    f->stack[depth++] = t->node->id;
    while (depth) {
        int id = f->stack[--depth], at = id;
        if (f->group[id] == a || f->group[id] == b)
            return true;
        if (f->mark[id] == f->stamp)
            continue;
        do {
            const nilu_node *node = f->g->node[at];
            f->mark[at] = f->stamp;
            for (int k = 0; k < node->nin; k++)
                if (f->mark[node->in[k]->node->id] != f->stamp)
                    f->stack[depth++] = node->in[k]->node->id;
            at = f->next[at];
        } while (at != id);
    }
    return false;
}

static bool stored(const fusion *f, int id, int a, int b)
{
    if (f->held[id])
        return true;
    for (int u = f->first[id]; u < f->first[id + 1]; u++)
        if (f->group[f->users[u]] != a && f->group[f->users[u]] != b)
            return true;
    return false;
}

/* Could the groups of nodes x and y be one? */
static bool fits(fusion *f, int x, int y)
{
    int member[MAX_MEMBERS], n = collect(f, x, member, 0), a = f->group[x], b = f->group[y];
    if (n <= MAX_MEMBERS)
        n = collect(f, y, member, n);
    const nilu_tensor *input[REWRITE_MAX_INPUTS + 2];
    int inputs = 0, steps = 0, ends = 0, products = 0;
    if (n > MAX_MEMBERS)
        return false;
    nilu_shape loop = loop_of(f->g->node[member[0]]);
    f->stamp++;
    for (int i = 0; i < n; i++) {
        const nilu_node *node = f->g->node[member[i]];
        if (!base_same_shape(loop_of(node), loop))
            return false;
        steps += is_step(node);
        products += is_product(node);
        ends += is_sum(node) || stored(f, member[i], a, b);
        for (int k = 0; k < node->nin; k++) {
            const nilu_tensor *t = node->in[k];
            if (inside(f, t, a, b) && !is_product(node))
                continue;
            bool known = false;
            for (int j = 0; j < inputs; j++)
                known |= input[j] == t;
            if (known)
                continue;
            if (inputs == (int)COUNT(input) || depends(f, t, a, b))
                return false;
            input[inputs++] = t;
        }
    }
    return steps <= REWRITE_MAX_STEPS && ends <= GRAPH_MAX_OUT && products <= 1 &&
           inputs <= REWRITE_MAX_INPUTS - 1 + 2 * products;
}

static void join(fusion *f, int x, int y)
{
    int at = y, swap = f->next[x];
    do {
        f->group[at] = f->group[x];
        at = f->next[at];
    } while (at != y);
    f->next[x] = f->next[y];
    f->next[y] = swap;
}

/* Which value of the tape is `t`? Inputs are found or added. */
typedef struct making {
    rewrite_tape tape;
    rewrite_step step[REWRITE_MAX_STEPS];
    const nilu_tensor *made[REWRITE_MAX_STEPS]; /* the tensor each step computes */
    const nilu_tensor *input[REWRITE_MAX_INPUTS];
} making;

static int find(const making *m, const nilu_tensor *t)
{
    for (int s = 0; s < m->tape.nstep; s++)
        if (m->made[s] == t)
            return REWRITE_MAX_INPUTS + s; /* numbered behind the inputs when these are all known */
    for (int k = 0; k < m->tape.nin; k++)
        if (m->input[k] == t)
            return k;
    return -1;
}

static int value_of(making *m, const nilu_tensor *t)
{
    int v = find(m, t);
    if (v < 0)
        m->input[v = m->tape.nin++] = t;
    return v;
}

static int renumber(const making *m, int v)
{
    return v >= REWRITE_MAX_INPUTS ? v - REWRITE_MAX_INPUTS + m->tape.nin : v;
}

/* What several members compute again for themselves is computed once; returns how many members are left. */
static int merge_equal(fusion *f, int *member, int n)
{
    nilu_graph *g = f->g;
    const int group = f->group[member[0]];
    int left = 0;
    for (int i = 0; i < n; i++) {
        nilu_node *node = g->node[member[i]], *twin = NULL;
        for (int j = 0; j < left && !twin; j++)
            if (is_step(node) && rewrite_equal(g->node[member[j]], node) && !stored(f, member[i], group, group))
                twin = g->node[member[j]];
        for (int j = i + 1; j < n && twin; j++)
            for (int k = 0; k < g->node[member[j]]->nin; k++)
                if (g->node[member[j]]->in[k] == &node->out[0])
                    g->node[member[j]]->in[k] = &twin->out[0];
        if (!twin)
            member[left++] = member[i];
    }
    return left;
}

static nilu_status make(fusion *f, const int *member, int n)
{
    nilu_graph *g = f->g;
    int group = f->group[member[0]];
    making m = {.tape.loop = loop_of(g->node[member[0]])};
    const nilu_node *product = NULL;
    nilu_tensor *replaced[GRAPH_MAX_OUT];
    nilu_node *last = NULL;
    for (int i = 0; i < n; i++)
        if (is_product(g->node[member[i]]))
            product = g->node[member[i]];
    if (product)
        value_of(&m, &product->out[0]);
    for (int i = 0; i < n; i++) {
        const nilu_node *node = g->node[member[i]];
        if (!is_step(node))
            continue;
        rewrite_step *s = &m.step[m.tape.nstep];
        *s = (rewrite_step){.op = node->op, .arg = {-1, -1, -1}, .dtype = node->out[0].dtype};
        if (node->op->elementwise)
            ops_params(node, s->p);
        for (int k = 0; k < node->nin; k++)
            s->arg[k] = value_of(&m, node->in[k]);
        m.made[m.tape.nstep++] = &node->out[0];
    }
    for (int i = 0; i < n; i++) {
        nilu_node *node = g->node[member[i]];
        if (!is_sum(node) && !stored(f, member[i], group, group))
            continue;
        rewrite_end *e = &m.tape.end[m.tape.nend];
        *e = (rewrite_end){.sum = is_sum(node), .dtype = node->out[0].dtype, .shape = node->out[0].shape};
        e->value = value_of(&m, is_sum(node) ? node->in[0] : &node->out[0]);
        if (e->sum)
            e->axes = *(const nilu_axes *)graph_attr_find(node, "axes");
        replaced[m.tape.nend++] = &node->out[0];
        last = node;
    }
    for (int s = 0; s < m.tape.nstep; s++)
        for (int k = 0; k < 3; k++)
            m.step[s].arg[k] = renumber(&m, m.step[s].arg[k]);
    for (int e = 0; e < m.tape.nend; e++)
        m.tape.end[e].value = renumber(&m, m.tape.end[e].value);
    rewrite_tape *tape = graph_alloc(g, sizeof *tape);
    rewrite_step *step = graph_alloc(g, sizeof *step * (size_t)(m.tape.nstep + 1));
    if (!tape || !step)
        return g->status;
    memcpy(step, m.step, sizeof *step * (size_t)m.tape.nstep);
    m.tape.step = step;
    *tape = m.tape;
    nilu_tensor *in[REWRITE_MAX_INPUTS + 2], *out;
    int nin = 0;
    if (product) {
        in[nin++] = product->in[0];
        in[nin++] = product->in[1];
    }
    for (int k = product ? 1 : 0; k < tape->nin; k++)
        in[nin++] = (nilu_tensor *)m.input[k];
    g->naming = last->name;
    g->origin = last->origin;
    if (product) {
        bool ta = *(const bool *)graph_attr_find(product, "ta"), tb = *(const bool *)graph_attr_find(product, "tb");
        bool bf16 = *(const bool *)graph_attr_find(product, "bf16");
        out = graph_node(&rewrite_op_product, nin, in, &(struct rewrite_product_attr){ta, tb, bf16, tape});
    } else {
        out = graph_node(&rewrite_op_tape, nin, in, &(struct rewrite_tape_attr){tape});
    }
    g->naming = NULL;
    g->origin = NULL;
    if (!out)
        return graph_report(g);
    char *name = out->node->name;
    out->node->name = last->name;
    last->name = name;
    out->node->where = last->where;
    for (int e = 0; e < tape->nend; e++)
        rewrite_replace(f->job, replaced[e], &out->node->out[e]);
    return NILU_OK;
}

static nilu_status find_users(fusion *f)
{
    nilu_graph *g = f->g;
    int edges = 0;
    for (int i = 0; i < g->nnode; i++)
        edges += g->node[i]->nin;
    f->first = base_calloc(g->nl, (size_t)g->nnode + 2, sizeof *f->first);
    f->users = base_calloc(g->nl, (size_t)edges + 1, sizeof *f->users);
    f->stack = base_calloc(g->nl, (size_t)edges + (size_t)g->nnode + 2, sizeof *f->stack);
    if (!f->first || !f->users || !f->stack)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < g->nnode; i++)
        for (int k = 0; k < g->node[i]->nin; k++)
            f->first[g->node[i]->in[k]->node->id + 1]++;
    for (int i = 0; i < g->nnode; i++)
        f->first[i + 1] += f->first[i];
    for (int i = 0; i < g->nnode; i++)
        for (int k = 0; k < g->node[i]->nin; k++)
            f->users[f->first[g->node[i]->in[k]->node->id]++] = i;
    for (int i = g->nnode; i > 0; i--)
        f->first[i] = f->first[i - 1];
    f->first[0] = 0;
    return NILU_OK;
}

nilu_status rewrite_fuse(rewrite_job *job)
{
    nilu_graph *g = job->g;
    fusion f = {.job = job, .g = g};
    int count = g->nnode, member[MAX_MEMBERS];
    f.group = base_calloc(g->nl, (size_t)count + 1, sizeof *f.group);
    f.next = base_calloc(g->nl, (size_t)count + 1, sizeof *f.next);
    f.mark = base_calloc(g->nl, (size_t)count + 1, sizeof *f.mark);
    f.held = base_calloc(g->nl, (size_t)count + 1, sizeof *f.held);
    nilu_status status = f.group && f.next && f.mark && f.held ? find_users(&f) : NILU_E_NO_MEMORY;
    if (status != NILU_OK)
        goto cleanup;
    for (int i = 0; i < count; i++) {
        f.group[i] = f.next[i] = i;
        if (g->node[i]->assigned)
            f.held[g->node[i]->assigned->node->id] = true;
    }
    for (int i = 0; i < job->nfetch; i++)
        f.held[job->fetch[i]->node->id] = true;
    for (int i = count - 1; i >= 0; i--) {
        const nilu_node *n = g->node[i];
        for (int k = 0; k < n->nin && joins(n) && !is_product(n); k++) {
            int maker = n->in[k]->node->id;
            if (f.group[maker] != f.group[i] && joins(g->node[maker]) && !is_sum(g->node[maker]) && fits(&f, maker, i))
                join(&f, maker, i);
        }
    }
    for (int i = 0; i < count && status == NILU_OK; i++) {
        int n = f.next[i] == i ? 1 : collect(&f, i, member, 0);
        if (n > 1 && member[0] == i)
            status = make(&f, member, merge_equal(&f, member, n));
    }
cleanup:
    base_free(g->nl, f.group);
    base_free(g->nl, f.next);
    base_free(g->nl, f.mark);
    base_free(g->nl, f.held);
    base_free(g->nl, f.first);
    base_free(g->nl, f.users);
    base_free(g->nl, f.stack);
    return status;
}
