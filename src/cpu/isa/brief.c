/* Steps of a brief that are no steps of tapes: on arrays of at most sixteen numbers, each of which is one vector. What an
 * index says which lanes of an operand meet in a lane of the result. */
#include "cpu/cpu.h"
#include "cpu/simd.h"

SIMD_FN const cpu_brief_op *op_of(const cpu_step *s)
{
    return (const cpu_brief_op *)(const void *)s;
}

SIMD_FN vf argument(const cpu_brief_op *o, int k)
{
    return o->whole[k] ? v_load(o->arg[k]->data) : v_load_n(o->arg[k]->data, o->n[k]);
}

/* Each lane one chain of fused multiply-adds, as a product's elements are everywhere. */
static void product(const cpu_step *s, float *const *at, const int64_t *ld, int64_t rows, int64_t columns)
{
    const cpu_brief_op *o = op_of(s);
    const vf a = argument(o, 0), b = argument(o, 1);
    const int32_t *index = o->index;
    vf sum = v_set(0);
    (void)ld, (void)rows, (void)columns;
    for (int k = 0; k < o->rounds; k++, index += 2 * LANES)
        sum = v_fma(v_permute(a, index + LANES), v_permute(b, index), sum);
    v_store(at[s->z[0]], sum);
}

/* Of one row: its numbers are read one by one, and so need not wait until those that were fed have reached the cache. */
static void row_product(const cpu_step *s, float *const *at, const int64_t *ld, int64_t rows, int64_t columns)
{
    const cpu_brief_op *o = op_of(s);
    const float *a = o->arg[0]->data;
    const vf b = argument(o, 1);
    const int32_t *index = o->index;
    vf sum = v_set(0);
    (void)ld, (void)rows, (void)columns;
    for (int k = 0; k < o->rounds; k++, index += LANES)
        sum = v_fma(v_set(a[k]), v_permute(b, index), sum);
    v_store(at[s->z[0]], sum);
}

static void spread(const cpu_step *s, float *const *at, const int64_t *ld, int64_t rows, int64_t columns)
{
    const cpu_brief_op *o = op_of(s);
    (void)ld, (void)rows, (void)columns;
    v_store(at[s->z[0]], v_permute(argument(o, 0), o->index));
}

/* A sum over rows: one after the other. */
static void chain(const cpu_step *s, float *const *at, const int64_t *ld, int64_t rows, int64_t columns)
{
    const cpu_brief_op *o = op_of(s);
    const vf v = v_load(at[s->a[0]]);
    vf sum = v_set(0);
    (void)ld, (void)rows, (void)columns;
    for (int k = 0; k < o->rounds; k++)
        sum = v_add(sum, v_permute(v, o->index + k * LANES));
    v_store(at[s->z[0]], sum);
}

/* Sums of n[0] numbers each, `rounds` of them: v_sum's tree. */
static void tree(const cpu_step *s, float *const *at, const int64_t *ld, int64_t rows, int64_t columns)
{
    const cpu_brief_op *o = op_of(s);
    float *z = at[s->z[0]];
    (void)ld, (void)rows, (void)columns;
    for (int k = 0; k < o->rounds; k++)
        z[k] = v_sum(v_add(v_set(0), v_load_n(at[s->a[0]] + k * o->n[0], o->n[0]))); /* 0: no sum is -0 */
}

/* f64 becomes f32. */
static void narrow(const cpu_step *s, float *const *at, const int64_t *ld, int64_t rows, int64_t columns)
{
    const cpu_brief_op *o = op_of(s);
    const double *from = o->arg[0]->data;
    (void)ld, (void)rows, (void)columns;
    for (int i = 0; i < o->n[0]; i++)
        at[s->z[0]][i] = (float)from[i];
}

const cpu_brief_steps ISA(cpu_brief) = {product, row_product, spread, chain, tree, narrow};
