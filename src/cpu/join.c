/* Joins: concat, pad and fill write each row of z from a few pieces: rows of inputs, or one value repeated. A row is what lies
 * behind one another along the axis and all axes inside it. Measured on one core (bench/move.c): 95 % of memcpy's speed
 * where pieces have 256 bytes or more. */
#include "cpu/cpu.h"

#include <string.h>

typedef struct piece {
    int64_t at, bytes; /* within a row of z */
    int input;         /* -1: padding */
} piece;

typedef struct join {
    int pieces;
    int64_t outer, row; /* rows, and bytes of one */
    int64_t rows, cuts; /* a tile is `rows` rows, or the cuts-th part of one */
    int64_t size;
    uint64_t value; /* of padding: its bytes */
    piece piece[];
} join;

static join *new_join(nilu *nl, const nilu_node *n, int axis, int pieces, cpu_job *job)
{
    join *j = base_calloc(nl, 1, sizeof *j + (size_t)pieces * sizeof(piece));
    graph_around z = graph_split(n->out[0].shape, axis);
    if (!j)
        return NULL;
    j->pieces = pieces;
    j->size = (int64_t)nilu_dtype_size(n->out[0].dtype);
    j->outer = z.outer;
    j->row = z.n * z.inner * j->size;
    j->cuts = cpu_ceil_div(j->row, CPU_TILE_BYTES);
    j->rows = j->cuts > 1 ? 1 : CPU_TILE_BYTES / (j->row + 1) + 1;
    *job = (cpu_job){.phases = 1, .plan = j};
    if (j->row && j->outer)
        job->tiles[0] = j->cuts > 1 ? j->outer * j->cuts : cpu_ceil_div(j->outer, j->rows);
    return j;
}

static nilu_status concat_prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)isa;
    int axis = (int)((const struct ops_axis *)n->attr)->axis;
    join *j = new_join(nl, n, axis, n->nin, job);
    int64_t at = 0;
    if (!j)
        return NILU_E_NO_MEMORY;
    for (int k = 0; k < n->nin; k++) {
        graph_around x = graph_split(n->in[k]->shape, axis);
        j->piece[k] = (piece){at, x.n * x.inner * j->size, k};
        at += j->piece[k].bytes;
    }
    return NILU_OK;
}

static nilu_status pad_prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)isa;
    const struct ops_pad *t = n->attr;
    join *j = new_join(nl, n, (int)t->axis, 3, job);
    if (!j)
        return NILU_E_NO_MEMORY;
    graph_around x = graph_split(n->in[0]->shape, (int)t->axis);
    int64_t step = x.inner * j->size, before = t->before * step, middle = x.n * step;
    j->piece[0] = (piece){0, before, -1};
    j->piece[1] = (piece){before, middle, 0};
    j->piece[2] = (piece){before + middle, t->after * step, -1};
    base_store(n->out[0].dtype, &j->value, 0, t->value);
    return NILU_OK;
}

static nilu_status fill_prepare(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job)
{
    (void)isa;
    join *j = base_calloc(nl, 1, sizeof *j + sizeof(piece));
    if (!j)
        return NILU_E_NO_MEMORY;
    j->pieces = 1;
    j->size = (int64_t)nilu_dtype_size(n->out[0].dtype);
    j->row = base_count(n->out[0].shape) * j->size;
    j->cuts = cpu_ceil_div(j->row, CPU_TILE_BYTES);
    j->outer = j->rows = 1;
    j->piece[0] = (piece){0, j->row, -1};
    *job = (cpu_job){.phases = 1, .tiles = {j->cuts}, .plan = j};
    base_store(n->out[0].dtype, &j->value, 0, *(const double *)graph_attr_find(n, "value"));
    return NILU_OK;
}

/* A call of memcpy costs more than a few words do. */
static void copy(char *to, const char *from, int64_t bytes)
{
    if (bytes >= 64) {
        memcpy(to, from, (size_t)bytes);
        return;
    }
    for (; bytes >= 8; bytes -= 8, to += 8, from += 8)
        memcpy(to, from, 8);
    if (bytes & 4) {
        memcpy(to, from, 4);
        to += 4, from += 4;
    }
    for (int i = 0; i < (bytes & 3); i++)
        to[i] = from[i];
}

static void spread(char *to, const uint64_t *value, int64_t bytes, int64_t size)
{
    bool even = true; /* all bytes of the value are one, as in 0 */
    for (int64_t i = 1; i < size; i++)
        even &= ((const char *)value)[i] == ((const char *)value)[0];
    if (even) {
        memset(to, *(const unsigned char *)value, (size_t)bytes);
        return;
    }
    for (int64_t i = 0; i < bytes; i += size)
        memcpy(to + i, value, (size_t)size);
}

/* Bytes begin .. end-1 of row `r` of z. */
static void part(const join *j, const nilu_call *c, int64_t r, int64_t begin, int64_t end)
{
    char *z = (char *)c->out[0].data + r * j->row;
    for (int k = 0; k < j->pieces; k++) {
        const piece *p = &j->piece[k];
        int64_t from = p->at > begin ? p->at : begin, to = cpu_least(p->at + p->bytes, end);
        if (from >= to)
            continue;
        if (p->input < 0)
            spread(z + from, &j->value, to - from, j->size);
        else
            copy(z + from, (const char *)c->in[p->input].data + r * p->bytes + (from - p->at), to - from);
    }
}

static nilu_status run(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local)
{
    (void)phase, (void)local;
    const join *j = c->plan;
    for (int64_t t = begin; t < end; t++) {
        if (j->cuts > 1) {
            int64_t at = t % j->cuts * CPU_TILE_BYTES;
            part(j, c, t / j->cuts, at, cpu_least(at + CPU_TILE_BYTES, j->row));
            continue;
        }
        int64_t stop = cpu_least((t + 1) * j->rows, j->outer);
        for (int64_t r = t * j->rows; r < stop; r++)
            part(j, c, r, 0, j->row);
    }
    return NILU_OK;
}

const cpu_kernel cpu_kernel_concat = {"concat", "concat", cpu_accepts_all, concat_prepare, run};
const cpu_kernel cpu_kernel_pad = {"pad", "pad", cpu_accepts_all, pad_prepare, run};
const cpu_kernel cpu_kernel_fill = {"fill", "fill", cpu_accepts_all, fill_prepare, run};
