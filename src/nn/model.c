/* A model is made, checked and freed; chains of layers are read from one line. What it becomes is in model_build.c. */
#include "nn/nn.h"

#include <math.h>
#include <string.h>

nilu_model *nn_model_new(nilu *nl, const char *file)
{
    nilu_model *m = base_calloc(nl, 1, sizeof *m);
    if (!m)
        return NULL;
    m->nl = nl;
    m->result = m->tail = -1;
    m->training.optimizer = (nilu_optimizer_options)NILU_OPTIMIZER_DEFAULT;
    m->training.label_smoothing = NILU_UNSET;
    m->file = base_strdup(nl, file);
    if (!m->file) {
        nilu_model_free(m);
        return NULL;
    }
    return m;
}

void nn_layer_clear(nilu *nl, nn_layer *l)
{
    base_free(nl, l->name);
    base_free(nl, l->where);
    base_free(nl, l->from);
    for (int i = 0; i < NN_MAX_ARGS; i++)
        base_free(nl, l->value[i].text);
    *l = (nn_layer){0};
}

void nilu_model_free(nilu_model *m)
{
    if (!m)
        return;
    nilu *nl = m->nl;
    for (int i = 0; i < m->nlayer; i++)
        nn_layer_clear(nl, &m->layer[i]);
    for (int i = 0; i < m->ninput; i++) {
        base_free(nl, m->input[i].name);
        base_free(nl, m->input[i].where);
    }
    if (m->source)
        m->source->release(m->opened);
    base_free(nl, m->layer);
    base_free(nl, m->input);
    base_free(nl, m->path);
    base_free(nl, m->sha256);
    base_free(nl, m->freeze);
    base_free(nl, m->file);
    base_free(nl, m->title);
    base_free(nl, m->init);
    base_free(nl, m->loss);
    base_free(nl, m);
}

nilu_status nn_fail(const nilu_model *m, const char *where, const char *format, ...)
{
    char sentence[900];
    va_list args;
    va_start(args, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(sentence, sizeof sentence, base_text(format), args);
#pragma GCC diagnostic pop
    va_end(args);
    return base_fail(m->nl, NILU_E_MODEL, "%s: %s", where, sentence);
}

nilu_status nn_model_input(nilu_model *m, const char *where, const char *name, bool shaped, nilu_shape shape)
{
    NILU_TRY(base_grow(m->nl, &m->input, &m->input_cap, m->ninput + 1, sizeof *m->input));
    nn_input *in = &m->input[m->ninput++];
    *in = (nn_input){base_strdup(m->nl, name), base_strdup(m->nl, where), shaped, shape};
    return in->name && in->where ? NILU_OK : NILU_E_NO_MEMORY;
}

int nn_layer_find(const nilu_model *m, const char *name)
{
    for (int i = 0; i < m->nlayer; i++)
        if (strcmp(m->layer[i].name, name) == 0)
            return i;
    for (int i = 0; i < m->ninput; i++)
        if (strcmp(m->input[i].name, name) == 0)
            return -1 - i;
    return INT32_MIN;
}

nilu_status nn_unknown_layer(const nilu_model *m, const char *where, const char *who, const char *name)
{
    const char *names[256];
    size_t n = 0;
    for (int i = 0; i < m->ninput && n < COUNT(names); i++)
        names[n++] = m->input[i].name;
    for (int i = m->nlayer - 1; i >= 0 && n < COUNT(names); i--)
        names[n++] = m->layer[i].name;
    const char *near = base_nearest(name, names, n);
    if (near)
        return nn_fail(m, where, N_("%s: no input or earlier layer is called %.80s; did you mean %s?"), who, name, near);
    char list[200] = "";
    for (size_t i = 0, at = 0; i < n && at + NN_MAX_NAME + 2 < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", names[i]);
    return nn_fail(m, where, N_("%s: no input or earlier layer is called %.80s; there are %s (a layer stands after those that "
                                "it reads, so there are no cycles)"), who, name, list);
}

nilu_status nn_model_close(nilu_model *m, const char *where)
{
    if (m->path)
        return m->nlayer == 0 && m->ninput == 1
                   ? NILU_OK
                   : nn_fail(m, where, N_("the model is the file %.200s, so it has neither layers nor several inputs; take them "
                                          "out"), m->path);
    if (m->nlayer == 0)
        return nn_fail(m, where, N_("the model has no layers; write for example layers: [\"512 relu\"]"));
    int result = m->result < 0 ? m->nlayer - 1 : m->result;
    m->result = result;
    m->layer[result].read = true;
    bool used[GRAPH_MAX_IN] = {false};
    for (int i = 0; i < m->nlayer; i++)
        for (int k = 0; k < m->layer[i].nfrom; k++) {
            int id = m->layer[i].from[k];
            if (id >= 0)
                m->layer[id].read = true;
            else if (-1 - id < GRAPH_MAX_IN)
                used[-1 - id] = true;
        }
    for (int i = 0; i < m->nlayer; i++)
        if (!m->layer[i].read)
            return nn_fail(m, m->layer[i].where, N_("%s is read by no other layer and is not the result; name it in a from or "
                                                    "in output, or take it out"), m->layer[i].name);
    for (int i = 0; i < m->ninput; i++)
        if (!used[i])
            return nn_fail(m, m->input[i].where, N_("input %s is read by no layer; name it in a from, or take it out"),
                           m->input[i].name);
    return NILU_OK;
}

/* ---- models without a file */

/* One layer between commas; commas within from=a,b belong to it, so a chain has none of those. */
static nilu_status read_chain(nilu_model *m, const char *chain)
{
    NILU_TRY(nn_model_input(m, "the chain", "x", false, NILU_SCALAR));
    int at = 1;
    for (const char *p = chain;; at++) {
        size_t n = strcspn(p, ",");
        char where[64];
        snprintf(where, sizeof where, "layer %d of \"%.30s%s\"", at, chain, strlen(chain) > 30 ? "…" : "");
        nn_words words = {0};
        char *text = base_format(m->nl, "%.*s", n > INT32_MAX ? INT32_MAX : (int)n, p);
        nilu_status status = text ? nn_words_cut(m, &words, text, where) : NILU_E_NO_MEMORY;
        if (status == NILU_OK && words.n == 0)
            status = nn_fail(m, where, N_("it is empty; write for example 512 relu, 512 relu"));
        if (status == NILU_OK)
            status = nn_layer_read(m, &words, where);
        nn_words_free(m->nl, &words);
        base_free(m->nl, text);
        NILU_TRY(status);
        if (!p[n])
            return nn_model_close(m, where);
        p += n + 1;
    }
}

nilu_status nilu_model_chain(nilu *nl, const char *chain, nilu_model **model)
{
    *model = NULL;
    nilu_model *m = nn_model_new(nl, "chain");
    if (!m)
        return NILU_E_NO_MEMORY;
    nilu_status status = read_chain(m, chain);
    if (status != NILU_OK) {
        nilu_model_free(m);
        return status;
    }
    *model = m;
    return NILU_OK;
}

nilu_status nilu_model_hidden(nilu *nl, int n, const int64_t *units, const char *activation, nilu_model **model)
{
    base_buffer b = {0};
    *model = NULL;
    nilu_status status = n > 0 ? NILU_OK : base_append(nl, &b, "dense auto", 10);
    for (int i = 0; i < n && status == NILU_OK; i++)
        status = base_appendf(nl, &b, "%sdense %lld %s", i ? ", " : "", (long long)units[i], activation ? activation : "relu");
    if (status == NILU_OK)
        status = nilu_model_chain(nl, b.at, model);
    base_free(nl, b.at);
    return status;
}

/* ---- what is known of a model */

int nilu_model_layers(const nilu_model *m)
{
    return m->nlayer;
}

const nilu_model_training *nilu_model_wishes(const nilu_model *m)
{
    return &m->training;
}

int nilu_model_inputs(const nilu_model *m)
{
    return m->ninput;
}

const char *nilu_model_input_name(const nilu_model *m, int i)
{
    return i >= 0 && i < m->ninput ? m->input[i].name : NULL;
}
