/* A tape becomes a program: its loop is brought into the fewest axes and cut into tiles, its ops become steps, the longest
 * chains that the table of steps knows, and every value gets a place. */
#include "cpu/cpu.h"

#include <string.h>

#define ROUND(n) (((n) + 15) & ~(int64_t)15)
#define LINE(bytes) (((bytes) + 63) & ~(size_t)63)
#define MAX_DRAFTS CPU_MAX_TEMPS /* steps, and copies of their operands */
#define MAX_VALUES (REWRITE_MAX_INPUTS + MAX_DRAFTS)

enum { CHANGES_DOWN = 1, CHANGES_ALONG = 2, CHANGES = 3 };

/* A step of the program while it is made. */
typedef struct draft {
    cpu_step_fn run;
    float p[3];
    int value[CPU_MAX_RESULTS], arg[CPU_MAX_OPERANDS]; /* values; -1: none */
} draft;

typedef struct maker {
    const nilu_node *node;
    const rewrite_tape *t;
    cpu_program *p;
    bool packed;
    int nvalue, ndraft;
    int full;                /* the class of what changes with every number of a block */
    int same[MAX_VALUES];    /* the value that it is: itself, or a cast's operand */
    int class[MAX_VALUES];   /* along which axes of a block it changes */
    int uses[MAX_VALUES];    /* steps and ends that read it */
    bool inside[MAX_VALUES]; /* of a longer step */
    int place[MAX_VALUES];   /* -1: none yet; of outputs OUTPUT + e until the temporaries are counted */
    draft step[MAX_DRAFTS];
} maker;
#define OUTPUT 1000

static int shift_of(const nilu_node *n)
{
    return n->op == &rewrite_op_product ? 1
                                        : 0; /* node input of tape input k is k + shift, but for the product itself */
}

static const char *step_name(const rewrite_step *s)
{
    return s->op->elementwise ? s->op->name : "truth"; /* a cast to bool; to f32 it does nothing */
}

/* ---- the loop */

static bool summed(const rewrite_end *end, int axis)
{
    for (int i = 0; i < end->axes.n; i++)
        if (end->axes.at[i] == axis)
            return true;
    return false;
}

/* The program's axis `at` is axis `axis` of the loop; -1: none, but one of length 1. */
static void add_axis(maker *m, int at, int64_t dim, int axis, int64_t (*stride)[NILU_MAX_RANK])
{
    cpu_program *p = m->p;
    p->dim[at] = dim;
    for (int k = shift_of(m->node); k < p->nin; k++)
        p->in[k].stride[at] = axis < 0 ? 0 : stride[k][axis];
    for (int e = 0; e < p->nend; e++)
        p->end[e].over[at] = axis >= 0 && p->end[e].sum && summed(&m->t->end[e], axis);
}

/* Is axis d of the loop the continuation of the program's last axis, for every input and every sum? */
static bool goes_on(const maker *m, int d, int64_t (*stride)[NILU_MAX_RANK])
{
    const cpu_program *p = m->p;
    const int last = p->rank - 1;
    for (int k = shift_of(m->node); k < p->nin; k++)
        if (p->in[k].stride[last] != stride[k][d] * m->t->loop.dim[d])
            return false;
    for (int e = 0; e < p->nend; e++)
        if (p->end[e].sum && p->end[e].over[last] != summed(&m->t->end[e], d))
            return false;
    return true;
}

static void find_axes(maker *m)
{
    cpu_program *p = m->p;
    const nilu_shape loop = m->t->loop;
    int64_t stride[REWRITE_MAX_INPUTS][NILU_MAX_RANK];
    for (int k = shift_of(m->node); k < p->nin; k++)
        ops_strides(m->node->in[k + shift_of(m->node)]->shape, loop, stride[k]);
    for (int d = 0; d < loop.rank; d++) {
        if (!p->product && loop.dim[d] == 1)
            continue;
        if (!p->product && p->rank && goes_on(m, d, stride))
            add_axis(m, p->rank - 1, p->dim[p->rank - 1] * loop.dim[d], d, stride);
        else
            add_axis(m, p->rank++, loop.dim[d], d, stride);
    }
    for (; p->rank < 2; p->rank++) { /* there are always rows and columns */
        p->dim[1] = p->dim[0];
        for (int k = 0; k < p->nin; k++)
            p->in[k].stride[1] = p->in[k].stride[0];
        for (int e = 0; e < p->nend; e++)
            p->end[e].over[1] = p->end[e].over[0];
        add_axis(m, 0, 1, -1, stride);
    }
    for (int k = 0; k < p->nin; k++) {
        cpu_tape_input *in = &p->in[k];
        in->input = k + shift_of(m->node);
        in->bytes = !(p->product && k == 0) && m->node->in[in->input]->dtype == NILU_BOOL;
        in->along = (p->product && k == 0) || in->stride[p->rank - 1] != 0;
        in->down = (p->product && k == 0) || in->stride[p->rank - 2] != 0;
    }
    for (int e = 0; e < p->nend; e++) {
        cpu_tape_end *end = &p->end[e];
        end->kept = 1;
        for (int d = p->rank - 1; d >= 0; d--) {
            end->unit[d] = end->over[d] ? 0 : end->kept;
            end->kept *= end->over[d] ? 1 : p->dim[d];
        }
    }
}

/* ---- tiles and blocks */

#define TILE 4096       /* numbers of a tile; the caches of the next level hold what it reads and writes */
#define SUM_TILE 16384  /* of one with sums: fewer parts to add up */
#define RUN 1024        /* numbers side by side, of which more are not worth a thought */
#define SHORT 16        /* rows shorter than this are packed */
#define BLOCK CPU_BLOCK /* numbers of a block */

static int64_t tile_size(const cpu_program *p)
{
    int64_t n = 1;
    for (int d = 0; d < p->rank; d++)
        n *= p->ext[d];
    return n;
}

static bool any_over(const cpu_program *p, int axis)
{
    bool over = false;
    for (int e = 0; e < p->nend; e++)
        over |= p->end[e].over[axis];
    return over;
}

/* Do the numbers of one sum lie in short runs, far from each other? Tiles that keep them together would read a little here and
 * a little there. */
static bool scattered(const cpu_program *p)
{
    int64_t run = 1;
    bool inside = false; /* of an axis that is kept */
    for (int d = p->rank - 1; d >= 0; d--) {
        if (any_over(p, d) && inside && p->dim[d] > 1)
            return run < RUN;
        inside |= !any_over(p, d) && d < p->rank - 1;
        run *= inside ? 1 : p->dim[d];
    }
    return false;
}

/* Axes that no sum is taken over are cut first, the outermost before the others: that costs nothing. Where it would scatter
 * what a tile reads, they are cut last: then there are more parts to add up. */
static void cut_tiles(cpu_program *p)
{
    const int inner = p->rank - 1;
    bool sums = false;
    for (int e = 0; e < p->nend; e++)
        sums |= p->end[e].sum;
    memcpy(p->ext, p->dim, sizeof p->ext);
    const int64_t most = sums ? SUM_TILE : TILE;
    const bool late = scattered(p);
    for (int pass = 0; pass < 2 && !p->product && tile_size(p) > 0; pass++)
        for (int d = 0; d < p->rank; d++) {
            const bool over = any_over(p, d);
            if ((over != late) != (pass == 1) || (d == inner && p->packed))
                continue;
            const int64_t least = d < inner ? 1 : over ? most : CPU_BLOCK, parts = cpu_ceil_div(tile_size(p), most);
            int64_t ext = cpu_ceil_div(p->dim[d], parts);
            if (ext < least)
                ext = least;
            if (d == inner)
                ext = ROUND(ext);
            p->ext[d] = cpu_least(ext, p->dim[d]);
        }
    p->line = -1;
    for (int d = p->rank - 1, others = 0; d >= 0; d--) {
        p->cuts[d] = p->ext[d] ? cpu_ceil_div(p->dim[d], p->ext[d]) : 0;
        if (p->cuts[d] > 1)
            p->line = others++ || sums ? -1 : d;
    }
}

/* Short rows are packed, if there are others that they can be packed with. */
static void choose_blocks(cpu_program *p, bool packed)
{
    const int inner = p->rank - 1;
    const int64_t columns = p->dim[inner], rows = p->dim[inner - 1];
    p->packed = !p->product && rows > 1 && (columns < SHORT || (p->rank > 2 && rows * columns < CPU_BLOCK / 2));
    if (columns > CPU_BLOCK / 2)
        p->packed = false;
    p->packed |= packed;
    cut_tiles(p);
    for (p->flat = inner; p->flat > 0 && p->ext[p->flat] == p->dim[p->flat];)
        p->flat--;
    if (!p->packed)
        p->flat = inner - 1;
    for (int k = 0; k < p->nin; k++) {
        cpu_tape_input *in = &p->in[k];
        if (p->product && k == 0)
            continue;
        bool dense = true, still = true;
        int64_t unit = 1;
        for (int d = inner; d >= 0; unit *= p->dim[d--]) {
            dense &= d < p->flat || p->dim[d] == 1 || in->stride[d] == unit;
            still &= d < p->flat || in->stride[d] == 0;
        }
        in->brought = in->bytes || (p->packed && !dense && !still);
        if (p->packed)
            in->along = in->down = !still;
        in->once = in->brought;
        for (int d = p->flat; d < inner + !p->packed; d++)
            in->once &= in->stride[d] == 0;
    }
}

/* ---- steps */

typedef struct found {
    int arg[CPU_MAX_OPERANDS];
    float p[3];
    int np, ninside, inside[16], nkept, kept[CPU_MAX_RESULTS];
    bool copies; /* numbers may stand for vectors: they will be copied into blocks */
} found;

static const rewrite_step *maker_of(const maker *m, int v)
{
    return v >= m->t->nin && v < m->t->nin + m->t->nstep ? &m->t->step[v - m->t->nin] : NULL;
}

/* Operand letters are capital where the operand changes along the innermost axis along which the step's result does. */
static bool is_vector(const maker *m, int v, int result)
{
    const int class = m->class[result];
    return m->class[v] & (class & CHANGES_ALONG  ? CHANGES_ALONG
                          : class & CHANGES_DOWN ? CHANGES_DOWN
                                                 : 0) ||
           class == 0;
}

static bool either_order(const nilu_op *op)
{
    return op == &nilu_op_add || op == &nilu_op_mul || op == &nilu_op_maximum || op == &nilu_op_minimum;
}

/* May the step that makes `result` make v as well? Nobody else may read v before. */
static bool may_keep(const maker *m, int v, int result, const found *f)
{
    for (int i = v + 1; i < result; i++) {
        bool own = m->same[i] != i;
        for (int k = 0; k < f->ninside; k++)
            own |= f->inside[k] == i;
        for (int k = 0; k < 3 && !own; k++)
            if (maker_of(m, i)->arg[k] >= 0 && m->same[maker_of(m, i)->arg[k]] == v)
                return false;
    }
    return m->class[v] == m->class[result];
}

/* Does the pattern at `at` fit value v of the step that makes value `result`? Returns what follows it, or NULL. */
static const char *fit(const maker *m, const char *at, int v, int result, found *f)
{
    v = m->same[v];
    if (at[1] == ',' || at[1] == ')') {
        const bool vector = *at >= 'A' && *at <= 'Z';
        int *arg = &f->arg[*at - (vector ? 'A' : 'a')];
        if (is_vector(m, v, result) ? !vector : vector && !f->copies)
            return NULL;
        if (*arg >= 0 && *arg != v)
            return NULL;
        *arg = v;
        return at + 1;
    }
    const rewrite_step *s = maker_of(m, v);
    const bool keep = *at == '!';
    at += keep;
    if (!s || (v != result && (m->inside[v] || (keep ? !may_keep(m, v, result, f) : m->uses[v] != 1))))
        return NULL;
    const char *name = step_name(s);
    const size_t length = strlen(name);
    if (strncmp(at, name, length) != 0 || (at[length] != '(' && at[length] != '*'))
        return NULL;
    at += length;
    for (int k = 0; *at == '*'; at++, k++)
        f->p[f->np++] = (float)s->p[k];
    if (v != result)
        f->inside[f->ninside++] = v;
    if (keep)
        f->kept[f->nkept++] = v;
    const found before = *f;
    const char *end = at + 1, *first = NULL;
    if (either_order(s->op)) {
        end = fit(m, at + 1, s->arg[0], result, f);
        end = end ? fit(m, end + 1, s->arg[1], result, f) : NULL;
        if (end)
            return end + 1;
        *f = before;
        first = fit(m, at + 1, s->arg[1], result, f);
        end = first ? fit(m, first + 1, s->arg[0], result, f) : NULL;
        return end ? end + 1 : NULL;
    }
    for (int k = 0; k < 3 && s->arg[k] >= 0; k++) {
        end = fit(m, end, s->arg[k], result, f);
        if (!end)
            return NULL;
        end++; /* the comma, or the bracket */
    }
    return end;
}

/* The first row of the table that fits. */
static const cpu_tape_row *find_row(const maker *m, int v, bool copies, found *f)
{
    for (int i = 0; i < m->p->isa->rows; i++) {
        const cpu_tape_row *row = &m->p->isa->row[i];
        *f = (found){.arg = {-1, -1, -1, -1, -1, -1, -1}, .copies = copies};
        if (fit(m, row->pattern, v, v, f))
            return row;
    }
    return NULL;
}

static draft *add_draft(maker *m, cpu_step_fn run, int value)
{
    draft *d = &m->step[m->ndraft++];
    *d = (draft){.run = run, .value = {value, -1, -1}, .arg = {-1, -1, -1, -1, -1, -1, -1}};
    return d;
}

/* A step that copies v, and the new value's number. */
static int add_copy(maker *m, int v, int class)
{
    const int copy = m->nvalue++;
    m->same[copy] = copy;
    m->class[copy] = class;
    m->place[copy] = -1;
    const char *pattern = is_vector(m, v, copy) ? "copy(A)" : "copy(a)";
    for (int i = 0; i < m->p->isa->rows; i++)
        if (strcmp(m->p->isa->row[i].pattern, pattern) == 0)
            add_draft(m, m->p->isa->row[i].run, copy)->arg[0] = v;
    return copy;
}

static void look_at_values(maker *m)
{
    const rewrite_tape *t = m->t;
    const cpu_program *p = m->p;
    const int inner = p->rank - 1;
    m->full = (p->dim[inner - 1] > 1 ? CHANGES_DOWN : 0) | (p->dim[inner] > 1 ? CHANGES_ALONG : 0);
    if (p->packed && m->full)
        m->full = CHANGES_ALONG;
    m->nvalue = t->nin + t->nstep;
    for (int v = 0; v < m->nvalue; v++) {
        m->same[v] = v;
        m->place[v] = v < t->nin ? v : -1;
        if (v < t->nin) {
            m->class[v] = ((p->in[v].down ? CHANGES_DOWN : 0) | (p->in[v].along ? CHANGES_ALONG : 0)) & m->full;
            continue;
        }
        const rewrite_step *s = maker_of(m, v);
        if (!s->op->elementwise && s->dtype == NILU_F32)
            m->same[v] = m->same[s->arg[0]];
        for (int k = 0; k < 3 && s->arg[k] >= 0; k++) {
            m->class[v] |= m->class[s->arg[k]];
            m->uses[m->same[s->arg[k]]] += m->same[v] == v;
        }
    }
    for (int e = 0; e < t->nend; e++)
        m->uses[m->same[t->end[e].value]] += 2; /* not inside of anything */
}

/* From the last step to the first, so that each is looked at when all that read it have been. */
static void choose_steps(maker *m)
{
    const rewrite_tape *t = m->t;
    const cpu_tape_row *row[REWRITE_MAX_STEPS];
    found f[REWRITE_MAX_STEPS];
    for (int s = t->nstep - 1; s >= 0; s--) {
        const int v = t->nin + s;
        if (m->same[v] != v || m->inside[v])
            continue;
        row[s] = find_row(m, v, false, &f[s]);
        if (!row[s])
            row[s] = find_row(m, v, true, &f[s]);
        for (int i = 0; i < f[s].ninside; i++)
            m->inside[f[s].inside[i]] = true;
    }
    for (int s = 0; s < t->nstep; s++) {
        const int v = t->nin + s;
        if (m->same[v] != v || m->inside[v])
            continue;
        for (int k = 0; k < CPU_MAX_OPERANDS;
             k++) /* a row's capital letters want vectors; a copy does no harm to a number */
            if (f[s].arg[k] >= 0 && f[s].copies && !is_vector(m, f[s].arg[k], v))
                f[s].arg[k] = add_copy(m, f[s].arg[k], m->class[v]);
        draft *d = add_draft(m, row[s]->run, v);
        memcpy(d->p, f[s].p, sizeof d->p);
        memcpy(d->arg, f[s].arg, sizeof d->arg);
        for (int k = 0; k < f[s].nkept; k++)
            d->value[1 + k] = f[s].kept[k];
    }
}

/* What an output stores is written there by the step that makes it, if that makes a whole block; else by a copy. */
static void choose_ends(maker *m)
{
    cpu_program *p = m->p;
    for (int e = 0; e < p->nend; e++) {
        cpu_tape_end *end = &p->end[e];
        const bool tile = end->sum || end->bytes;
        int v = m->same[m->t->end[e].value];
        if (m->class[v] != m->full || (!tile && m->place[v] >= 0))
            v = add_copy(m, v, m->full);
        if (!tile)
            m->place[v] = OUTPUT + e;
        end->place = v; /* a value until all have places */
    }
}

/* Steps that do not change within a block come first: they run once for many blocks. */
static void order_steps(maker *m)
{
    draft sorted[MAX_DRAFTS];
    int n = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < m->ndraft; i++)
            if ((m->class[m->step[i].value[0]] != 0) == pass)
                sorted[n++] = m->step[i];
        if (pass == 0)
            m->p->fixed = n;
    }
    memcpy(m->step, sorted, sizeof *sorted * (size_t)n);
}

/* The last step that reads value v; ndraft: it is read when all steps have run; -1: by none. */
static int last_reader(const maker *m, int v)
{
    for (int e = 0; e < m->p->nend; e++)
        if (m->p->end[e].place == v && (m->p->end[e].sum || m->p->end[e].bytes))
            return m->ndraft;
    for (int i = m->ndraft - 1; i >= 0; i--)
        for (int k = 0; k < CPU_MAX_OPERANDS; k++)
            if (m->step[i].arg[k] == v)
                return i;
    return -1;
}

/* A temporary block is free again when its value was read for the last time, also by the step that takes it over, if both
 * lie alike. What a fixed step makes stays. */
static void choose_places(maker *m)
{
    cpu_program *p = m->p;
    int until[MAX_DRAFTS], class[MAX_DRAFTS], by[MAX_DRAFTS]; /* by: the step that writes it */
    for (int i = 0; i < m->ndraft; i++)
        for (int k = 0; k < CPU_MAX_RESULTS && m->step[i].value[k] >= 0; k++) {
            const int v = m->step[i].value[k];
            if (m->place[v] >= 0)
                continue;
            int slot = 0;
            while (slot < p->ntemp && (until[slot] > i || class[slot] != m->class[v] || by[slot] == i))
                slot++;
            p->ntemp += slot == p->ntemp;
            class[slot] = m->class[v];
            by[slot] = i;
            until[slot] = i < p->fixed ? m->ndraft : last_reader(m, v);
            m->place[v] = p->nin + slot;
            p->down[slot] = m->class[v] & CHANGES_DOWN;
            p->along[slot] = m->class[v] & CHANGES_ALONG;
        }
    for (int v = 0; v < m->nvalue; v++)
        if (m->place[v] >= OUTPUT)
            m->place[v] += p->nin + p->ntemp - OUTPUT;
}

/* An output may lie where an input lies if every step that reads it does so before, or while, the output is written. */
static void allow_in_place(maker *m)
{
    cpu_program *p = m->p;
    for (int e = 0; e < p->nend; e++) {
        int written = m->ndraft; /* bytes: when all steps have run */
        for (int i = 0; i < m->ndraft && !p->end[e].bytes; i++)
            for (int k = 0; k < CPU_MAX_RESULTS && m->step[i].value[k] >= 0; k++)
                if (m->place[m->step[i].value[k]] == p->nin + p->ntemp + e)
                    written = i;
        for (int k = shift_of(m->node); k < p->nin && !p->end[e].sum; k++) {
            const nilu_tensor *in = m->node->in[p->in[k].input], *out = &m->node->out[e];
            if (in->dtype == out->dtype && base_same_shape(in->shape, out->shape) && p->in[k].input < 32 &&
                (p->in[k].brought || last_reader(m, k) <= written))
                p->in_place[e] |= 1u << p->in[k].input;
        }
    }
}

/* Where the parts of sums are: in the scratch, and, of one box, in `local` behind the blocks. */
static void place_sums(maker *m)
{
    cpu_program *p = m->p;
    const int inner = p->rank - 1;
    p->local = (size_t)(p->ntemp + p->nin) * (size_t)(p->block + CPU_GRAIN) * sizeof(float);
    for (int e = 0; e < p->nend; e++) {
        cpu_tape_end *end = &p->end[e];
        if (!end->sum)
            continue;
        end->lanes = p->packed;
        for (int d = p->flat; d < inner; d++)
            end->lanes &= end->over[d];
        int64_t sums = 1;
        end->cuts = 1;
        for (int d = 0; d < p->rank; d++) {
            if (end->over[d])
                end->cuts *= p->product ? cpu_ceil_div(p->dim[d], CPU_GRAIN) : p->cuts[d];
            else if (d < inner)
                sums *= p->product ? CPU_GRAIN : p->ext[d];
        }
        sums *= end->lanes          ? p->block
                : p->product        ? CPU_BLOCK
                : !end->over[inner] ? p->ext[inner]
                : p->packed         ? 1
                                    : CPU_GRAIN;
        end->sums = p->local;
        p->local = LINE(p->local + (size_t)(sums + CPU_GRAIN) * sizeof(float));
        end->partial = p->scratch;
        if (end->cuts > 1)
            p->scratch = LINE(p->scratch + (size_t)(end->kept * end->cuts) * sizeof(float));
    }
}

/* Blocks are small where much lies between steps. Sums over rows keep some columns in registers for several rows. */
static void size_blocks(maker *m)
{
    cpu_program *p = m->p;
    const int inner = p->rank - 1;
    p->block = BLOCK;
    p->width = BLOCK;
    if (m->ndraft - p->fixed <= 1 && !p->packed)
        p->width = p->block = 4 * BLOCK;
    for (int e = 0; e < p->nend; e++)
        if (p->end[e].sum && p->end[e].over[inner - 1] && p->dim[inner - 1] > 1)
            p->width = CPU_BLOCK;
}

/* A program of one step over numbers that are read and written where they lie needs no blocks. */
static bool is_whole(const maker *m)
{
    const cpu_program *p = m->p;
    bool whole = m->ndraft - p->fixed == 1 && !p->packed;
    for (int k = 0; k < p->nin; k++)
        whole &= !p->in[k].brought || p->in[k].once;
    for (int e = 0; e < p->nend; e++)
        whole &= !p->end[e].sum && !p->end[e].bytes;
    return whole;
}

static bool narrow(nilu_dtype dtype)
{
    return dtype == NILU_F32 || dtype == NILU_BOOL;
}

const char *cpu_program_refuses(const nilu_node *n, const rewrite_tape *t)
{
    bool all = true;
    for (int k = shift_of(n); k < t->nin; k++)
        all &= narrow(n->in[k + shift_of(n)]->dtype);
    for (int e = 0; e < t->nend; e++)
        all &= narrow(t->end[e].dtype);
    return all ? NULL : N_("tapes are f32 and bool");
}

static void make(maker *m)
{
    const rewrite_tape *t = m->t;
    cpu_program *p = m->p;
    p->product = m->node->op == &rewrite_op_product;
    p->nin = t->nin;
    p->nend = t->nend;
    for (int e = 0; e < t->nend; e++) {
        p->end[e].sum = t->end[e].sum;
        p->end[e].bytes = !t->end[e].sum && t->end[e].dtype == NILU_BOOL;
    }
    find_axes(m);
    choose_blocks(p, m->packed);
    look_at_values(m);
    choose_steps(m);
    choose_ends(m);
    order_steps(m);
    choose_places(m);
    allow_in_place(m);
    size_blocks(m);
    place_sums(m);
    p->whole = is_whole(m);
    for (int e = 0; e < p->nend; e++)
        p->end[e].place = m->place[p->end[e].place];
}

nilu_status cpu_program_new(nilu *nl, const nilu_node *n, const rewrite_tape *t, const cpu_isa *isa, bool packed,
                            cpu_program **out)
{
    maker *m = base_calloc(nl, 1, sizeof *m);
    cpu_program *p = base_calloc(nl, 1, sizeof *p + MAX_DRAFTS * sizeof *p->step);
    *out = p;
    if (!m || !p) {
        base_free(nl, m);
        base_free(nl, p);
        *out = NULL;
        return NILU_E_NO_MEMORY;
    }
    *m = (maker){.node = n, .t = t, .p = p, .packed = packed};
    p->isa = isa->tape;
    make(m);
    p->nstep = m->ndraft;
    for (int i = 0; i < m->ndraft; i++) {
        const draft *d = &m->step[i];
        cpu_step *s = &p->step[i];
        const int class = m->class[d->value[0]];
        *s = (cpu_step){.run = d->run, .down = class & CHANGES_DOWN, .along = class & CHANGES_ALONG};
        memcpy(s->p, d->p, sizeof s->p);
        for (int k = 0; k < CPU_MAX_RESULTS; k++)
            s->z[k] = (uint8_t)(d->value[k] < 0 ? 0 : m->place[d->value[k]]);
        for (int k = 0; k < CPU_MAX_OPERANDS; k++)
            s->a[k] = (uint8_t)(d->arg[k] < 0 ? 0 : m->place[d->arg[k]]);
    }
    base_free(nl, m);
    return NILU_OK;
}

size_t cpu_program_bytes(const cpu_program *p)
{
    return sizeof *p + (size_t)p->nstep * sizeof *p->step;
}

rewrite_tape cpu_tape_of(const nilu_node *n, rewrite_step *step)
{
    if (n->op == &rewrite_op_tape)
        return *((const struct rewrite_tape_attr *)n->attr)->tape;
    if (n->op == &rewrite_op_product)
        return *((const struct rewrite_product_attr *)n->attr)->tape;
    *step = (rewrite_step){.op = n->op, .arg = {-1, -1, -1}, .dtype = n->out[0].dtype};
    ops_params(n, step->p);
    for (int k = 0; k < n->nin; k++)
        step->arg[k] = k;
    return (rewrite_tape){.loop = n->out[0].shape,
                          .nin = n->nin,
                          .nstep = 1,
                          .nend = 1,
                          .step = step,
                          .end = {{.value = n->nin, .dtype = n->out[0].dtype, .shape = n->out[0].shape}}};
}
