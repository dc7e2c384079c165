/* A model as text: what nilu_model_from_text reads back to the same model, every name and connection written out. So a run
 * can keep the model that it trained, wherever that came from. */
#include "nn/nn.h"

#include <math.h>
#include <string.h>

static nilu_status value_text(nilu *nl, base_buffer *b, const nn_arg *a, const nn_value *v)
{
    char number[32];
    if (a->kind == ARG_ACTIVATION)
        return v->activation ? base_appendf(nl, b, " %s", v->activation->name) : NILU_OK;
    if (a->kind == ARG_INIT)
        return v->text ? base_appendf(nl, b, " init=%s", v->text) : NILU_OK;
    if (isnan(v->number))
        return NILU_OK;
    if (a->kind == ARG_TRUTH)
        return base_appendf(nl, b, " %s=%s", a->name, v->number != 0 ? "true" : "false");
    const char *key = a->required ? "" : a->name, *is = a->required ? "" : "=";
    if (a->word && v->number == NN_AUTO)
        return base_appendf(nl, b, " %s%s%s", key, is, a->word);
    if (a->kind == ARG_CHOICE)
        return base_appendf(nl, b, " %s%s%s", key, is, a->choice[(int)v->number]);
    if (a->kind == ARG_COUNT)
        return base_appendf(nl, b, " %s%s%lld", key, is, (long long)v->number);
    return base_appendf(nl, b, " %s%s%s", key, is, nn_number_text(v->number, number));
}

static nilu_status layer_text(const nilu_model *m, base_buffer *b, const nn_layer *l)
{
    nilu *nl = m->nl;
    NILU_TRY(base_appendf(nl, b, "  - %s", l->activation ? l->activation->name : l->kind->name));
    for (int i = 0; i < NN_MAX_ARGS && l->kind->arg[i].name; i++)
        NILU_TRY(value_text(nl, b, &l->kind->arg[i], &l->value[i]));
    NILU_TRY(base_appendf(nl, b, " name=%s", l->name));
    for (int i = 0; i < l->nfrom && !l->chained; i++)
        NILU_TRY(base_appendf(nl, b, "%s%s", i ? "," : " from=",
                              l->from[i] < 0 ? m->input[-1 - l->from[i]].name : m->layer[l->from[i]].name));
    return base_appendf(nl, b, "\n");
}

static nilu_status inputs_text(const nilu_model *m, base_buffer *b)
{
    nilu *nl = m->nl;
    char dims[BASE_SHAPE_TEXT];
    bool plain = m->ninput == 1 && strcmp(m->input[0].name, "x") == 0;
    if (plain && !m->input[0].shaped)
        return NILU_OK;
    if (plain)
        return base_appendf(nl, b, "input: %s\n", base_shape_text(m->input[0].shape, dims));
    NILU_TRY(base_appendf(nl, b, "inputs:\n"));
    for (int i = 0; i < m->ninput; i++)
        NILU_TRY(base_appendf(nl, b, "  %s: %s\n", m->input[i].name,
                              m->input[i].shaped ? base_shape_text(m->input[i].shape, dims) : "any"));
    return NILU_OK;
}

static nilu_status quoted(const nilu_model *m, base_buffer *b, const char *key, const char *text)
{
    NILU_TRY(base_appendf(m->nl, b, "%s: \"", key));
    for (const char *c = text; *c; c++)
        if (*c == '"' || *c == '\\')
            NILU_TRY(base_appendf(m->nl, b, "\\%c", *c));
        else if ((unsigned char)*c < ' ')
            NILU_TRY(base_appendf(m->nl, b, "\\x%02x", (unsigned)*c));
        else
            NILU_TRY(base_append(m->nl, b, c, 1));
    return base_appendf(m->nl, b, "\"\n");
}

static nilu_status real_text(nilu *nl, base_buffer *b, const char *name, double value)
{
    char number[32];
    return isnan(value) ? NILU_OK : base_appendf(nl, b, "  %s: %s\n", name, nn_number_text(value, number));
}

static nilu_status count_text(nilu *nl, base_buffer *b, const char *name, int64_t value)
{
    return value == 0 ? NILU_OK : base_appendf(nl, b, "  %s: %lld\n", name, (long long)value);
}

static nilu_status training_text(const nilu_model *m, base_buffer *b)
{
    nilu *nl = m->nl;
    const nilu_model_training *t = &m->training;
    base_buffer own = {0};
    nilu_status status = NILU_OK;
    if (t->optimizer.name)
        status = base_appendf(nl, &own, "  optimizer: %s\n", t->optimizer.name);
    for (int i = 0; nn_wishes[i].name && status == NILU_OK; i++) {
        const char *at = (const char *)t + nn_wishes[i].at;
        double real = NAN;
        int64_t count = 0;
        int small = 0;
        switch (nn_wishes[i].kind) {
        case WISH_REAL:
            memcpy(&real, at, sizeof real);
            status = real_text(nl, &own, nn_wishes[i].name, real);
            break;
        case WISH_COUNT:
            memcpy(&count, at, sizeof count);
            status = count_text(nl, &own, nn_wishes[i].name, count);
            break;
        case WISH_INT:
            memcpy(&small, at, sizeof small);
            status = count_text(nl, &own, nn_wishes[i].name, small);
            break;
        }
    }
    if (status == NILU_OK && t->scheduled)
        status = base_appendf(nl, &own, "  schedule: %s\n", nilu_schedule_name((int)t->optimizer.schedule.kind));
    if (status == NILU_OK && own.len)
        status = base_appendf(nl, b, "train:\n%s", own.at);
    base_free(nl, own.at);
    return status;
}

static nilu_status model_text(const nilu_model *m, base_buffer *b)
{
    nilu *nl = m->nl;
    if (m->title)
        NILU_TRY(quoted(m, b, "name", m->title));
    NILU_TRY(inputs_text(m, b));
    if (m->init)
        NILU_TRY(base_appendf(nl, b, "init: %s\n", m->init));
    if (m->path) {
        NILU_TRY(quoted(m, b, "file", m->path));
        if (m->sha256)
            NILU_TRY(base_appendf(nl, b, "sha256: %s\n", m->sha256));
        NILU_TRY(base_appendf(nl, b, "norms: %s\n", m->train_norms ? "trained" : "frozen"));
    } else {
        NILU_TRY(base_appendf(nl, b, "layers:\n"));
    }
    for (int i = 0; i < m->nlayer; i++)
        NILU_TRY(layer_text(m, b, &m->layer[i]));
    if (m->freeze)
        NILU_TRY(quoted(m, b, "freeze", m->freeze));
    if (!m->path && m->result != m->nlayer - 1)
        NILU_TRY(base_appendf(nl, b, "output: %s\n", m->layer[m->result].name));
    if (m->loss)
        NILU_TRY(base_appendf(nl, b, "loss: %s\n", m->loss));
    return training_text(m, b);
}

char *nilu_model_text(const nilu_model *m)
{
    base_buffer b = {0};
    if (model_text(m, &b) == NILU_OK)
        return b.at;
    base_free(m->nl, b.at);
    return NULL;
}

/* "dense 512 relu, dropout 0.2, dense 10" */
static nilu_status layers_line(const nilu_model *m, base_buffer *b)
{
    base_buffer one = {0};
    nilu_status status = NILU_OK;
    for (int i = 0; i < m->nlayer && status == NILU_OK; i++) {
        one.len = 0;
        status = layer_text(m, &one, &m->layer[i]);
        const char *end = status == NILU_OK ? strstr(one.at, " name=") : NULL;
        if (status == NILU_OK)
            status = base_appendf(m->nl, b, "%s%.*s", i ? ", " : "", end ? (int)(end - one.at - 4) : 0, one.at + 4);
    }
    base_free(m->nl, one.at);
    return status;
}

char *nilu_model_summary(const nilu_model *m)
{
    base_buffer b = {0};
    if (m->source)
        return m->source->about(m);
    if (layers_line(m, &b) == NILU_OK)
        return b.at;
    base_free(m->nl, b.at);
    return NULL;
}

#define REAL(name, field) {name, WISH_REAL, offsetof(nilu_model_training, field)}
#define COUNTED(name, field) {name, WISH_COUNT, offsetof(nilu_model_training, field)}
const nn_wish nn_wishes[] = {
    COUNTED("epochs", epochs),
    COUNTED("batch", batch),
    REAL("lr", optimizer.lr),
    REAL("momentum", optimizer.momentum),
    REAL("beta1", optimizer.beta1),
    REAL("beta2", optimizer.beta2),
    REAL("eps", optimizer.eps),
    REAL("decay", optimizer.decay),
    REAL("rho", optimizer.rho),
    REAL("side_lr", optimizer.side_lr),
    REAL("clip_value", optimizer.clip_value),
    REAL("clip_norm", optimizer.clip_norm),
    REAL("ema", optimizer.ema),
    REAL("label_smoothing", label_smoothing),
    {"accumulate", WISH_INT, offsetof(nilu_model_training, optimizer.accumulate)},
    COUNTED("warmup", optimizer.schedule.warmup),
    COUNTED("total", optimizer.schedule.total),
    COUNTED("every", optimizer.schedule.every),
    REAL("start", optimizer.schedule.start),
    REAL("gamma", optimizer.schedule.gamma),
    REAL("final", optimizer.schedule.final),
    REAL("rise", optimizer.schedule.rise),
    {NULL, WISH_REAL, 0},
};
