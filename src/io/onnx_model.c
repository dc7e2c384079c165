/* An ONNX file as the source of a model: what training, judging and forensics build. Its one input is brought into the shape
 * of the file's, its first output is the result.
 *
 * Decided here, because a file does not say it: whatever the batch that it was written with, any will do, as long as the
 * nodes allow it; a function at the end that the loss holds itself is left out; normalisations keep the statistics they came
 * with unless the model says otherwise, since most files were written for answering; dropout drops in training. */
#include "io/io.h"
#include "io/onnx.h"
#include "nn/nn.h"

#include <string.h>

static void hold(void *file)
{
    ((nilu_onnx *)file)->holders++;
}

static void release(void *file)
{
    nilu_onnx *o = file;
    if (--o->holders == 0)
        nilu_onnx_free(o);
}

/* ---- the input */

static bool fits(nilu_shape have, nilu_shape want)
{
    bool good = have.rank == want.rank;
    for (int d = 0; good && d < want.rank; d++)
        good = want.dim[d] < 0 || want.dim[d] == have.dim[d];
    return good;
}

static nilu_shape sample_of(nilu_shape s)
{
    nilu_shape sample = {.rank = s.rank ? s.rank - 1 : 0};
    for (int d = 0; d < sample.rank; d++)
        sample.dim[d] = s.dim[d + 1];
    return sample;
}

/* The shape of n samples that each hold as many numbers as `want`, with at most one free dimension; rank 0: there is none. */
static nilu_shape filled(int64_t n, int64_t numbers, nilu_shape want)
{
    nilu_shape s = {.rank = want.rank + 1, .dim = {n}};
    int64_t product = 1;
    int free_one = -1, open = 0;
    for (int d = 0; d < want.rank; d++)
        if (want.dim[d] < 0)
            free_one = d, open++;
        else
            product *= s.dim[d + 1] = want.dim[d];
    if (open == 1 && product > 0 && numbers % product == 0)
        s.dim[free_one + 1] = numbers / product, product = numbers;
    return open <= 1 && product == numbers ? s : NILU_SCALAR;
}

/* Samples as the file wants them: pictures have their channels last in nilu's data, and first in most files. */
static nilu_tensor *input(const nilu_model *m, const nilu_onnx *o, nilu_tensor *x)
{
    const nilu_onnx_port *p = &o->in[0];
    nilu_shape have = sample_of(x->shape), want = sample_of(p->shape), turned = have, full;
    char a[BASE_SHAPE_TEXT], b[BASE_SHAPE_TEXT];
    if (have.rank == 3)
        turned = NILU_SHAPE(have.dim[2], have.dim[0], have.dim[1]);
    if (!p->ranked || p->shape.rank == 0)
        want = have;
    else if (have.rank == 3 && fits(turned, want) && (have.dim[2] < have.dim[0] || !fits(have, want)))
        x = nilu_transpose(x, NILU_AXES(0, 3, 1, 2));
    else if (!fits(have, want)) {
        full = filled(x->shape.dim[0], base_count(have), want);
        if (!full.rank) {
            nn_fail(m, m->file, N_("its input \"%.80s\" wants samples of %s (-1: any), but those of the data are %s; bring the data "
                                   "into that shape, or write the file for theirs"), p->name, base_shape_text(want, a),
                    base_shape_text(have, b));
            return NULL;
        }
        x = nilu_reshape(x, full);
    }
    return x && x->dtype != p->dtype ? nilu_cast(x, p->dtype) : x;
}

/* ---- the result */

/* What a loss holds itself, or wants in another form. */
static const struct {
    const char *loss, *op;
    bool log;
} ends[] = {{"cross_entropy", "softmax", false}, {"cross_entropy", "log_softmax", false}, {"bce", "sigmoid", false},
            {"nll", "softmax", true},            {"kl", "softmax", true}};

static nilu_tensor *end_for(const char *loss, nilu_tensor *y)
{
    nilu_tensor *t = y;
    while (strcmp(t->node->op->name, "reshape") == 0 && base_same_shape(t->shape, t->node->in[0]->shape))
        t = t->node->in[0];
    for (size_t i = 0; i < COUNT(ends); i++) {
        const int64_t *axis = graph_attr_find(t->node, "axis");
        if (strcmp(ends[i].loss, loss) != 0 || strcmp(ends[i].op, t->node->op->name) != 0 ||
            (axis && *axis != t->shape.rank - 1))
            continue;
        return ends[i].log ? nilu_log_softmax(t->node->in[0], -1) : t->node->in[0];
    }
    return y;
}

static nilu_status result(const nilu_model *m, nilu_tensor *const *out, int nout, int64_t n, int64_t outputs, nilu_tensor **y)
{
    nilu_tensor *t = NULL;
    char dims[BASE_SHAPE_TEXT];
    for (int i = 0; i < nout && !t; i++)
        t = base_is_float(out[i]->dtype) ? out[i] : NULL;
    if (!t)
        return nn_fail(m, m->file, N_("none of its outputs are real numbers, so there is nothing that a loss could be taken of"));
    if (t->dtype != NILU_F32)
        t = nilu_cast(t, NILU_F32);
    if (t && (m->loss || outputs > 0))
        t = end_for(m->loss ? m->loss : "cross_entropy", t);
    *y = t;
    if (!t || outputs == 0)
        return graph_report(out[0]->node->g);
    int64_t numbers = n ? base_count(t->shape) / n : 0;
    bool of_samples = t->shape.rank >= 1 && t->shape.dim[0] == n;
    if (!of_samples)
        return nn_fail(m, m->file, N_("its output is %s for %lld samples; write it with a free batch (dynamic_axes, or "
                                      "dynamic_shapes, of the exporter)"), base_shape_text(t->shape, dims), (long long)n);
    if (numbers != outputs)
        return nn_fail(m, m->file, N_("it gives %lld numbers for each sample, but the data want %lld (classes, or numbers to be "
                                      "predicted); write it with an end of that size"), (long long)numbers, (long long)outputs);
    *y = t->shape.rank == 2 ? t : nilu_reshape(t, NILU_SHAPE(n, outputs));
    return graph_report(out[0]->node->g);
}

/* ---- building */

static nilu_status build(const nilu_model *m, nilu_tensor *x, int64_t outputs, bool training, nilu_tensor **y)
{
    nilu_onnx *o = m->opened;
    nilu_graph *g = x->node->g;
    int64_t n = x->shape.rank ? x->shape.dim[0] : 1, batch = o->in[0].ranked && o->in[0].shape.rank ? o->in[0].shape.dim[0] : -1;
    nilu_tensor **out = base_calloc(m->nl, (size_t)o->nout + 1, sizeof *out), *in = out ? input(m, o, x) : NULL;
    nilu_status status = !out ? NILU_E_NO_MEMORY : in ? NILU_OK : nilu_graph_status(g) != NILU_OK ? graph_report(g) : NILU_E_MODEL;
    if (status == NILU_OK) {
        hold(o);
        status = graph_hold(g, o, release);
    }
    if (status == NILU_OK) {
        nilu_onnx_given given = {o->in[0].name, in, NULL};
        onnx_wish wish = {.training = training, .model = m, .batch = batch, .n = n};
        status = onnx_build(o, g, 1, &given, &wish, out);
        if (status != NILU_OK && batch >= 0 && batch != n) {
            char sentence[sizeof m->nl->message];
            memcpy(sentence, nilu_errmsg(m->nl), sizeof sentence);
            status = nn_fail(m, m->file, N_("was written for batches of %lld, and another does not pass: %.600s; write it with a "
                                            "free batch"), (long long)batch, sentence);
        }
    }
    if (status == NILU_OK)
        status = result(m, out, o->nout, n, outputs, y);
    base_free(m->nl, out);
    return status != NILU_OK ? graph_fail(g, status, "%s", nilu_errmsg(m->nl)) : NILU_OK;
}

static int count(const Onnx__GraphProto *g, const char *op)
{
    int n = 0;
    for (size_t i = 0; i < g->n_node; i++)
        n += g->node[i]->op_type && strcmp(g->node[i]->op_type, op) == 0;
    return n;
}

int onnx_norms(const nilu_onnx *o)
{
    return count(o->model->graph, "BatchNormalization");
}

static char *about(const nilu_model *m)
{
    const nilu_onnx *o = m->opened;
    base_buffer b = {0};
    const char *slash = strrchr(m->path, '/');
    int norms = onnx_norms(o), drops = count(o->model->graph, "Dropout");
    nilu_status status = base_appendf(m->nl, &b, base_text(N_("%s (ONNX), %zu nodes")), slash ? slash + 1 : m->path,
                                      o->model->graph->n_node);
    if (status == NILU_OK && norms)
        status = base_appendf(m->nl, &b, m->train_norms ? base_text(N_(", %d norms learn the statistics of the data"))
                                                        : base_text(N_(", %d norms keep their statistics")), norms);
    if (status == NILU_OK && drops)
        status = base_appendf(m->nl, &b, base_text(N_(", %d dropouts")), drops);
    if (status == NILU_OK)
        return b.at;
    base_free(m->nl, b.at);
    return NULL;
}

static const nn_source source = {"ONNX", build, about, release, hold};

nilu_status onnx_model_open(nilu_model *m, const char *path)
{
    nilu_onnx *o;
    NILU_TRY(nilu_onnx_open(m->nl, path, &o));
    nilu_status status = NILU_OK;
    if (o->nin != 1)
        status = base_fail(m->nl, NILU_E_UNSUPPORTED, N_("%.300s: has %d inputs, but a sample is one array; write it with one input"),
                           path, o->nin);
    else if (!base_is_float(o->in[0].dtype))
        status = base_fail(m->nl, NILU_E_UNSUPPORTED, N_("%.300s: its input \"%.80s\" is %s, but samples are real numbers"), path,
                           o->in[0].name, nilu_dtype_name(o->in[0].dtype));
    else if (o->nout < 1)
        status = base_fail(m->nl, NILU_E_FILE_CORRUPT, N_("%.300s: has no outputs"), path);
    if (status != NILU_OK) {
        nilu_onnx_free(o);
        return status;
    }
    o->holders = 1;
    m->opened = o;
    m->source = &source;
    return NILU_OK;
}
