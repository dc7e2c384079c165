/* A test case made real: its inputs' shapes are read from a few words, they are filled with numbers, and the op is applied
 * to them. The check of derivatives and the tests of all ops build what they check here. */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

/* How to say which case is wrong. */
typedef struct reader {
    nilu *nl;
    const nilu_op *op;
    const nilu_case *c;
    nilu_dtype real, whole;
    uint64_t seed;
    const char *list;          /* what is left of fill's list; NULL: another fill */
    int64_t ids[GRAPH_MAX_IN]; /* "i5": 5; 0: not ids */
} reader;

static nilu_status wrong(const reader *r, const char *what)
{
    return base_fail(r->nl, NILU_E_USAGE, N_("%s, case \"%s\": %s; correct the case in the op's file"), r->op->name,
                     r->c->what, what);
}

static int64_t count_list(const char *list)
{
    int64_t n = 0;
    for (char *end; strtod(list, &end), end != list; list = end)
        n++;
    return n;
}

/* One word: "3x4", "s", "3i5", "2x3b", "4u". */
static nilu_status read_word(reader *r, const char *word, nilu_dtype *dtype, nilu_shape *s, int64_t *ids)
{
    char *end = (char *)word;
    *s = NILU_SCALAR;
    *dtype = r->real;
    *ids = 0;
    if (*word == 's')
        end++;
    else
        for (const char *p = word;; p = end + 1) {
            long long n = strtoll(p, &end, 10);
            if (end == p || s->rank == NILU_MAX_RANK)
                return wrong(r, N_("an input is not written as 2x3"));
            s->dim[s->rank++] = n;
            if (*end != 'x')
                break;
        }
    if (*end == 'i') {
        *ids = strtoll(end + 1, &end, 10);
        *dtype = r->whole;
    } else if (*end == 'b' || *end == 'u') {
        *dtype = *end++ == 'b' ? NILU_BOOL : NILU_U8;
    }
    return *end ? wrong(r, N_("what follows an input's shape is not b, u, or i and a number")) : NILU_OK;
}

static nilu_status make_inputs(reader *r, graph_case *made)
{
    const char *in = r->c->in;
    char word[128], name[16];
    if (!in) {
        snprintf(word, sizeof word, "%lld", r->list ? (long long)count_list(r->list) : 0LL);
        in = word;
    }
    for (int used; sscanf(in, " %127s%n", word, &used) == 1; in += used) {
        nilu_dtype dtype;
        nilu_shape shape;
        if (made->nin == GRAPH_MAX_IN)
            return wrong(r, N_("there are too many inputs"));
        NILU_TRY(read_word(r, word, &dtype, &shape, &r->ids[made->nin]));
        snprintf(name, sizeof name, "in%d", made->nin);
        nilu_tensor *t = nilu_input(made->g, name, dtype, shape);
        if (!t)
            return graph_report(made->g);
        made->in[made->nin++] = t;
        if (!r->c->in)
            break;
    }
    return NILU_OK;
}

static double draw(const reader *r, const nilu_tensor *t, int k, int64_t i)
{
    const char *fill = r->c->fill ? r->c->fill : "";
    base_key key = {base_hash_text(r->op->name) ^ r->seed, base_hash_text(r->c->what) + (uint64_t)k};
    double u = base_uniform53(key, (uint64_t)i), gain = r->c->gain == 0 ? 1 : r->c->gain;
    bool count = strcmp(fill, "count") == 0;
    if (t->dtype == NILU_BOOL)
        return u < 0.5;
    if (t->dtype == NILU_U8)
        return (double)(int)(u * 256);
    if (!base_is_float(t->dtype))
        return count ? (double)(i % (r->ids[k] > 0 ? r->ids[k] : 1)) : (double)(int64_t)(u * (double)r->ids[k]);
    if (strcmp(fill, "zero") == 0)
        return 0;
    return gain * (strcmp(fill, "ones") == 0       ? 1
                   : count                         ? (double)i
                   : strcmp(fill, "positive") == 0 ? 0.5 + 2 * u
                   : strcmp(fill, "unit") == 0     ? 0.05 + 0.9 * u
                                                   : base_normal(key, (uint64_t)i));
}

static nilu_status fill_inputs(reader *r, graph_case *made)
{
    for (int k = 0; k < made->nin; k++) {
        const nilu_tensor *t = made->in[k];
        int64_t n = base_count(t->shape);
        size_t bytes;
        /* inputs of refused cases are never read, and may be as large as they like */
        if (!made->out || !base_mul((size_t)n, nilu_dtype_size(t->dtype), &bytes))
            continue;
        if (!(made->data[k] = base_alloc(r->nl, bytes + 1)))
            return NILU_E_NO_MEMORY;
        for (int64_t i = 0; i < n; i++) {
            char *end;
            double v = r->list ? strtod(r->list, &end) * (r->c->gain == 0 ? 1 : r->c->gain) : draw(r, t, k, i);
            if (r->list && end == r->list)
                return wrong(r, N_("the list is shorter than the inputs"));
            if (r->list)
                r->list = end;
            base_store(t->dtype, made->data[k], i, v);
        }
    }
    return made->out && r->list && count_list(r->list) ? wrong(r, N_("the list is longer than the inputs")) : NILU_OK;
}

nilu_status graph_case_new(nilu *nl, const nilu_op *op, const nilu_case *c, nilu_dtype real, nilu_dtype whole,
                           uint64_t seed, graph_case *made)
{
    reader r = {.nl = nl, .op = op, .c = c, .real = real, .whole = whole, .seed = seed};
    unsigned char attr[GRAPH_MAX_ATTR];
    *made = (graph_case){.g = nilu_graph_new(nl)};
    if (!made->g)
        return NILU_E_NO_MEMORY;
    if (c->fill && strncmp(c->fill, "list", 4) == 0)
        r.list = c->fill + 4;
    NILU_TRY(make_inputs(&r, made));
    NILU_TRY(graph_attr_parse(nl, op, c->attr, attr));
    made->out = made->nin ? graph_node(op, made->nin, made->in, attr) : graph_source(made->g, op, attr);
    if (!made->out && made->g->status == NILU_E_NO_MEMORY)
        return graph_report(made->g);
    return fill_inputs(&r, made);
}

void graph_case_free(graph_case *made)
{
    nilu *nl = made->g ? made->g->nl : NULL;
    for (int k = 0; k < made->nin; k++)
        base_free(nl, made->data[k]);
    nilu_graph_free(made->g);
    *made = (graph_case){0};
}

const nilu_case *graph_case_find(const nilu_op *op, const char *what)
{
    for (const nilu_case *c = op->cases; c && c->what; c++)
        if (strcmp(c->what, what) == 0)
            return c;
    return NULL;
}
