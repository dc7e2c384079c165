/* Means and variances in one visit. With s the first number of what makes up a result, sixteen lanes of doubles add up
 * x - s and its square; so numbers far from 0 cost no digits. x is seen as [outer, kept, run], of which outer and run are gone:
 * rows (outer 1), channels of pictures, and, with a run of 1, features, which are added up row by row. Where there are few
 * results, `outer` is cut into parts, which are added up in a second phase. */
#include "cpu/cpu.h"

#define LANES 16
#define PIECE 16384 /* elements of a tile, if there are so many */
#define MOST_PARTS 16
#define MOST_GROUP 64 /* channels whose sums are under way together: 16 KB of them */

typedef struct moments {
    int64_t outer, kept, run;
    int64_t parts, group, groups; /* of `outer`; results of a tile */
} moments;

/* False: the axes are mixed in another way. */
CPU_COLD static bool see(const nilu_node *n, moments *m)
{
    nilu_axes gone;
    nilu_shape s = cpu_group_axes(n->in[0]->shape, ((const struct ops_reduce *)n->attr)->axes, &gone);
    *m = (moments){1, 1, 1, .parts = 1};
    if (gone.n > 2 || s.rank > 3 || (gone.n == 2 && s.rank == 2))
        return false;
    if (gone.n == 2) {
        m->outer = s.dim[0], m->kept = s.dim[1], m->run = s.dim[2];
    } else if (gone.n == 1 && s.rank < 3) {
        const bool last = gone.at[0] == s.rank - 1;
        *(last ? &m->run : &m->outer) = s.dim[gone.at[0]];
        m->kept = s.rank > 1 ? s.dim[1 - gone.at[0]] : 1;
    } else {
        m->kept = base_count(s);
    }
    return gone.n != 1 || s.rank < 3;
}

static const char *accepts(const nilu_node *n, const cpu_isa *isa)
{
    moments m;
    (void)isa;
    return see(n, &m) ? NULL : N_("the axes do not lie behind each other");
}

CPU_COLD static nilu_status prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    moments *m = base_calloc(nl, 1, sizeof *m);
    (void)isa;
    *job = (cpu_job){.phases = 2, .plan = m};
    if (!m)
        return NILU_E_NO_MEMORY;
    see(n, m);
    const int64_t cost = m->outer * m->run;
    m->group = m->run == 1 ? CPU_BLOCK : m->outer > 1 ? MOST_GROUP : PIECE / (cost + 1) + 1;
    m->group = cpu_least(m->group, m->kept);
    m->groups = m->group ? cpu_ceil_div(m->kept, m->group) : 0;
    if (m->groups < MOST_PARTS)
        m->parts = cpu_least(cpu_least(MOST_PARTS, cpu_ceil_div(cost * m->group, PIECE)), m->outer);
    m->parts = m->parts < 1 ? 1 : m->parts;
    job->tiles[0] = m->groups * m->parts;
    job->tiles[1] = cpu_ceil_div(m->kept, CPU_BLOCK);
    job->scratch = (size_t)(m->parts * m->kept) * 2 * sizeof(double);
    return NILU_OK;
}

typedef struct sums {
    double one[LANES], two[LANES];
} sums;

/* Numbers at .. at+n-1 of x. */
static void add_run(const nilu_call *c, int64_t at, int64_t n, double shift, sums *s)
{
    double block[CPU_BLOCK];
    const nilu_arg *x = &c->in[0];
    if (x->dtype == NILU_F32) {
        c->isa->numbers->add_moments(s->one, s->two, (const float *)x->data + at, shift, n);
        return;
    }
    for (int64_t i = 0; i < n; i += CPU_BLOCK) {
        const int64_t some = cpu_least(n - i, CPU_BLOCK);
        c->isa->numbers->load[x->dtype](block, (const char *)x->data + (size_t)(at + i) * nilu_dtype_size(x->dtype), some);
        int64_t j = 0;
        for (; j + LANES <= some; j += LANES)
            for (int k = 0; k < LANES; k++) {
                const double far = block[j + k] - shift;
                s->one[k] += far;
                s->two[k] += far * far;
            }
        for (int k = 0; j + k < some; k++) {
            const double far = block[j + k] - shift;
            s->one[k] += far;
            s->two[k] += far * far;
        }
    }
}

static double first_of(const nilu_call *c, const moments *m, int64_t k)
{
    return call_get(c, 0, k * m->run);
}

CPU_COLD static double across(const double *lane)
{
    double v[LANES];
    memcpy(v, lane, sizeof v);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int k = 0; k < half; k++)
            v[k] += v[k + half];
    return v[0];
}

/* Results of one number of each row: the rows from .. to-1, columns first .. stop-1. */
static void features(const nilu_call *c, const moments *m, int64_t from, int64_t to, int64_t first, int64_t stop, double *out)
{
    double shift[CPU_BLOCK], row[CPU_BLOCK], one[CPU_BLOCK] = {0}, two[CPU_BLOCK] = {0};
    const nilu_arg *x = &c->in[0];
    const int64_t n = stop - first;
    const size_t size = nilu_dtype_size(x->dtype);
    c->isa->numbers->load[x->dtype](shift, (const char *)x->data + (size_t)first * size, n);
    for (int64_t a = from; a < to; a++) {
        c->isa->numbers->load[x->dtype](row, (const char *)x->data + (size_t)(a * m->kept + first) * size, n);
        for (int64_t k = 0; k < n; k++) {
            const double far = row[k] - shift[k];
            one[k] += far;
            two[k] += far * far;
        }
    }
    for (int64_t k = 0; k < n; k++) {
        out[2 * (first + k)] = one[k];
        out[2 * (first + k) + 1] = two[k];
    }
}

static void put(const sums *s, double out[2])
{
    out[0] = across(s->one);
    out[1] = across(s->two);
}

static void tile(const nilu_call *c, const moments *m, int64_t t)
{
    const int64_t part = t / m->groups, first = t % m->groups * m->group, stop = cpu_least(first + m->group, m->kept);
    const int64_t from = part * m->outer / m->parts, to = (part + 1) * m->outer / m->parts;
    double *out = (double *)c->scratch + part * m->kept * 2;
    if (m->run == 1) {
        features(c, m, from, to, first, stop, out);
        return;
    }
    if (m->outer > 1) { /* in the order of memory */
        sums s[MOST_GROUP] = {0};
        for (int64_t a = from; a < to; a++)
            for (int64_t k = first; k < stop; k++)
                add_run(c, (a * m->kept + k) * m->run, m->run, first_of(c, m, k), &s[k - first]);
        for (int64_t k = first; k < stop; k++)
            put(&s[k - first], out + 2 * k);
        return;
    }
    for (int64_t k = first; k < stop; k++) {
        sums s = {{0}, {0}};
        add_run(c, k * m->run, m->run, first_of(c, m, k), &s);
        put(&s, out + 2 * k);
    }
}

CPU_COLD static void finish(const nilu_call *c, const moments *m, int64_t k)
{
    const double n = (double)(m->outer * m->run), *part = c->scratch;
    double one = 0, two = 0;
    for (int64_t p = 0; p < m->parts; p++) {
        one += part[2 * (p * m->kept + k)];
        two += part[2 * (p * m->kept + k) + 1];
    }
    const double variance = two / n - one / n * (one / n);
    call_put(c, 0, k, first_of(c, m, k) + one / n);
    call_put(c, 1, k, variance < 0 ? 0 : variance);
}

static nilu_status run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    const moments *m = c->plan;
    (void)local;
    for (int64_t t = begin; t < end && phase == 0; t++)
        tile(c, m, t);
    for (int64_t k = begin * CPU_BLOCK; k < cpu_least(end * CPU_BLOCK, m->kept) && phase == 1; k++)
        finish(c, m, k);
    return NILU_OK;
}

/* Parts are of `outer`; all of them know the first numbers, which are in the first. */
static bool part_of(const nilu_node *n, const cpu_job *job, int k, int64_t tile, cpu_part *part)
{
    const moments *m = job->plan;
    const int64_t i = tile / m->groups;
    if (k != 0 || m->outer != n->in[0]->shape.dim[0])
        return false;
    *part = (cpu_part){.from = i * m->outer / m->parts, .to = (i + 1) * m->outer / m->parts, .of = m->outer, .beginning = true};
    return true;
}

const cpu_kernel cpu_kernel_moments = {"moments", "moments", accepts, prepare, run, part_of};
