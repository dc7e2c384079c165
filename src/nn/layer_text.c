/* A layer is written in words: `dense 512 relu init=he_normal name=a from=x`. The first says the kind; those without a key
 * are arguments in the order of the kind's row; the others are arguments by name, or name and from, which all layers
 * take. A mapping in a model file becomes the same words. */
#include "nn/nn.h"

#include <math.h>
#include <string.h>

/* ---- words */

nilu_status nn_words_add(const nilu_model *m, nn_words *words, const char *key, const char *text, size_t n,
                         const char *where)
{
    nilu *nl = m->nl;
    NILU_TRY(base_grow(nl, &words->at, &words->cap, words->n + 1, sizeof *words->at));
    nn_word *w = &words->at[words->n];
    *w = (nn_word){.key = key ? base_strdup(nl, key) : NULL, .text = base_format(nl, "%.*s", (int)n, text),
                   .where = base_strdup(nl, where)};
    words->n++;
    return (key && !w->key) || !w->text || !w->where ? NILU_E_NO_MEMORY : NILU_OK;
}

nilu_status nn_words_cut(const nilu_model *m, nn_words *words, const char *text, const char *where)
{
    static const char blanks[] = " \t\r\n";
    if (strlen(text) > 4096)
        return nn_fail(m, where, N_("a layer of %zu characters; write one layer in each item of the list"), strlen(text));
    for (const char *p = text + strspn(text, blanks); *p; p += strspn(p, blanks)) {
        size_t n = strcspn(p, blanks), before = strcspn(p, "=");
        if (before >= n) {
            NILU_TRY(nn_words_add(m, words, NULL, p, n, where));
        } else if (before == 0 || before + 1 == n || before >= NN_MAX_NAME) {
            return nn_fail(m, where, N_("\"%.*s\" is not key=value; write it without blanks, as in init=he_normal"), (int)n, p);
        } else {
            char key[NN_MAX_NAME];
            snprintf(key, sizeof key, "%.*s", (int)before, p);
            NILU_TRY(nn_words_add(m, words, key, p + before + 1, n - before - 1, where));
        }
        p += n;
    }
    return NILU_OK;
}

void nn_words_free(nilu *nl, nn_words *words)
{
    for (int i = 0; i < words->n; i++) {
        base_free(nl, words->at[i].key);
        base_free(nl, words->at[i].text);
        base_free(nl, words->at[i].where);
    }
    base_free(nl, words->at);
    *words = (nn_words){0};
}

/* ---- one argument */

static nilu_status read_value(const nilu_model *m, const char *kind, const nn_arg *a, const nn_word *w, nn_value *v)
{
    char suggestion[256];
    switch (a->kind) {
    case ARG_ACTIVATION:
        v->activation = nn_activation_find(w->text);
        if (!v->activation)
            return nn_fail(m, w->where, N_("%s: there is no activation called %s; %s"), kind, w->text,
                           nn_suggest(w->text, nilu_activation_name, "activations are", suggestion));
        return NILU_OK;
    case ARG_INIT: {
        nilu_init probe;
        if (nilu_init_named(m->nl, w->text, 1, 1, &probe) != NILU_OK) {
            char sentence[sizeof m->nl->message];
            memcpy(sentence, m->nl->message, sizeof sentence);
            return nn_fail(m, w->where, "%s: %s", kind, sentence);
        }
        v->text = base_strdup(m->nl, w->text);
        return v->text ? NILU_OK : NILU_E_NO_MEMORY;
    }
    case ARG_TRUTH:
        if (strcmp(w->text, "true") != 0 && strcmp(w->text, "false") != 0)
            return nn_fail(m, w->where, N_("%s: %s is true or false, not %s"), kind, a->name, w->text);
        v->number = w->text[0] == 't';
        return NILU_OK;
    case ARG_CHOICE: {
        char list[128] = "";
        for (int i = 0, n = 0; a->choice[i]; i++) {
            if (strcmp(w->text, a->choice[i]) == 0) {
                v->number = i;
                return NILU_OK;
            }
            n += snprintf(list + n, sizeof list - (size_t)n, "%s%s", i ? ", " : "", a->choice[i]);
        }
        return nn_fail(m, w->where, N_("%s: %s is one of %s, not %s"), kind, a->name, list, w->text);
    }
    case ARG_COUNT:
    case ARG_REAL:
        break;
    }
    if (a->word && strcmp(w->text, a->word) == 0) {
        v->number = NN_AUTO;
        return NILU_OK;
    }
    if (!nn_number(w->text, &v->number) || (a->kind == ARG_COUNT && v->number != floor(v->number)))
        return nn_fail(m, w->where, a->kind == ARG_COUNT ? N_("%s: %s must be a whole number, not %s")
                                                         : N_("%s: %s must be a number, not %s"), kind, a->name, w->text);
    if (!(v->number >= a->low && v->number < a->high))
        return nn_fail(m, w->where, N_("%s: %s is %s; it must be at least %g and below %g"), kind, a->name, w->text, a->low,
                       a->high);
    return NILU_OK;
}

/* Could a word without key be this argument? Truths and initial values never stand without their name. */
static bool stands_for(const nn_arg *a, const nn_word *w)
{
    double unused;
    bool number = nn_number(w->text, &unused) || (a->word && strcmp(w->text, a->word) == 0);
    return ((a->kind == ARG_COUNT || a->kind == ARG_REAL) && number) || ((a->kind == ARG_ACTIVATION || a->kind == ARG_CHOICE) && !number);
}

/* The argument that a word stands for: its index, -1 for one that the kind does not have. */
static int argument_of(const nn_kind *k, const nn_word *w, const bool *said)
{
    int first = -1;
    for (int i = 0; i < NN_MAX_ARGS && k->arg[i].name; i++) {
        if (w->key && strcmp(w->key, k->arg[i].name) == 0)
            return i;
        if (w->key || said[i] || k->arg[i].kind == ARG_TRUTH || k->arg[i].kind == ARG_INIT)
            continue;
        if (k->arg[i].required || stands_for(&k->arg[i], w))
            return i;
        first = first < 0 ? i : first; /* whose complaint is heard */
    }
    return first;
}

static nilu_status no_such_argument(const nilu_model *m, const char *kind, const nn_kind *k, const nn_word *w)
{
    const char *names[NN_MAX_ARGS + 2];
    size_t n = 0;
    for (int i = 0; i < NN_MAX_ARGS && k->arg[i].name; i++)
        names[n++] = k->arg[i].name;
    names[n++] = "name";
    names[n++] = "from";
    if (!w->key)
        return nn_fail(m, w->where, N_("%s: %s is one argument too many; write one layer in each item of the list"), kind, w->text);
    const char *near = base_nearest(w->key, names, n);
    char list[256] = "";
    for (size_t i = 0, at = 0; i < n; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", names[i]);
    if (near)
        return nn_fail(m, w->where, N_("%s: there is no %s; did you mean %s?"), kind, w->key, near);
    return nn_fail(m, w->where, N_("%s: there is no %s; it takes %s"), kind, w->key, list);
}

/* ---- name and from */

bool nn_good_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    return n > 0 && n < NN_MAX_NAME && !name[n] && name[0] != '.' && name[0] != '-';
}

static nilu_status check_name(const nilu_model *m, const nn_word *w)
{
    if (!nn_good_name(w->text))
        return nn_fail(m, w->where, N_("\"%.80s\" cannot be a name; use letters, digits, _, - and . (at most %d)"), w->text,
                       NN_MAX_NAME - 1);
    int old = nn_layer_find(m, w->text);
    if (old != INT32_MIN)
        return nn_fail(m, w->where, N_("the name %s is taken (%s); give each layer its own"), w->text,
                       old >= 0 ? m->layer[old].where : m->input[-1 - old].where);
    return NILU_OK;
}

/* fc1, fc2, …: counted among the layers of its kind; a name that was given to another is left out. */
static char *make_name(const nilu_model *m, const nn_layer *l, const char *prefix)
{
    char name[NN_MAX_NAME + 16];
    int i = 1;
    for (int k = 0; k < m->nlayer; k++)
        i += m->layer[k].kind == l->kind && m->layer[k].activation == l->activation;
    do
        snprintf(name, sizeof name, "%s%d", prefix, i++);
    while (nn_layer_find(m, name) != INT32_MIN);
    return base_strdup(m->nl, name);
}

static nilu_status add_from(nilu_model *m, nn_layer *l, const char *who, int id)
{
    if (l->nfrom == GRAPH_MAX_IN)
        return nn_fail(m, l->where, N_("%s reads more than %d layers; merge some of them before"), who, GRAPH_MAX_IN);
    int *more = base_realloc(m->nl, l->from, ((size_t)l->nfrom + 1) * sizeof *more);
    if (!more)
        return NILU_E_NO_MEMORY;
    l->from = more;
    l->from[l->nfrom++] = id;
    return NILU_OK;
}

/* `from=a,b` */
static nilu_status read_from(nilu_model *m, nn_layer *l, const char *who, const nn_word *w)
{
    for (const char *p = w->text; *p;) {
        char name[256];
        size_t n = strcspn(p, ",");
        snprintf(name, sizeof name, "%.*s", n < sizeof name ? (int)n : (int)sizeof name - 1, p);
        if (l->name && strcmp(name, l->name) == 0)
            return nn_fail(m, w->where, N_("%s reads itself; a network has no cycles: name an earlier layer"), name);
        int id = nn_layer_find(m, name);
        if (id == INT32_MIN)
            return nn_unknown_layer(m, w->where, who, name);
        NILU_TRY(add_from(m, l, who, id));
        p += n + (p[n] == ',');
    }
    return NILU_OK;
}

static nilu_status read_connections(nilu_model *m, nn_layer *l, const nn_words *words, const char *kind)
{
    bool named = false, said = false;
    for (int i = 1; i < words->n; i++) {
        const nn_word *w = &words->at[i];
        if (!w->key || strcmp(w->key, "name") != 0)
            continue;
        if (named)
            return nn_fail(m, w->where, N_("%s: name is given twice; keep one"), kind);
        named = true;
        NILU_TRY(check_name(m, w));
        l->name = base_strdup(m->nl, w->text);
        if (!l->name)
            return NILU_E_NO_MEMORY;
    }
    const char *who = l->name ? l->name : kind;
    for (int i = 1; i < words->n; i++) {
        if (words->at[i].key && strcmp(words->at[i].key, "from") == 0) {
            said = true;
            NILU_TRY(read_from(m, l, who, &words->at[i]));
        }
    }
    if (!said) {
        l->chained = m->tail == m->nlayer - 1;
        if (l->kind->merges)
            return nn_fail(m, l->where, N_("%s: it merges layers but is not told which; add from=a,b"), kind);
        if (m->nlayer == 0 && m->ninput > 1)
            return nn_fail(m, l->where, N_("%s: it is the first layer of a model with %d inputs; say which it reads, with "
                                           "from=%s"), kind, m->ninput, m->input[0].name);
        return add_from(m, l, who, m->tail);
    }
    if (l->kind->merges && l->nfrom < 2)
        return nn_fail(m, l->where, N_("%s: it merges two layers or more but reads %d; add one to its from"), kind, l->nfrom);
    if (!l->kind->merges && l->nfrom != 1)
        return nn_fail(m, l->where, N_("%s: it reads one layer, not %d; merge them with add, mul or concat before"), kind,
                       l->nfrom);
    return NILU_OK;
}

/* ---- the layer */

static nilu_status read_arguments(nilu_model *m, nn_layer *l, const nn_words *words, const char *kind)
{
    bool said[NN_MAX_ARGS] = {false};
    for (int i = 1; i < words->n; i++) {
        const nn_word *w = &words->at[i];
        if (w->key && (strcmp(w->key, "name") == 0 || strcmp(w->key, "from") == 0))
            continue;
        int a = argument_of(l->kind, w, said);
        if (a < 0)
            return no_such_argument(m, kind, l->kind, w);
        if (said[a])
            return nn_fail(m, w->where, N_("%s: %s is given twice; keep one"), kind, l->kind->arg[a].name);
        said[a] = true;
        NILU_TRY(read_value(m, kind, &l->kind->arg[a], w, &l->value[a]));
    }
    for (int a = 0; a < NN_MAX_ARGS && l->kind->arg[a].name; a++)
        if (l->kind->arg[a].required && !said[a])
            return nn_fail(m, l->where, N_("%s: %s is missing; write for example %s %s"), kind, l->kind->arg[a].name, kind,
                           l->kind->example);
    return NILU_OK;
}

static bool starts_as_number(const char *text)
{
    double unused;
    return nn_number(text, &unused);
}

/* The words in order, the kind first; `dense` is put before a number that stands alone. */
nilu_status nn_layer_read(nilu_model *m, const nn_words *given, const char *where)
{
    nilu *nl = m->nl;
    char suggestion[256];
    nn_words words = *given;
    nn_word *own = NULL;
    if (m->nlayer == NN_MAX_LAYERS)
        return nn_fail(m, where, N_("a model has at most %d layers"), NN_MAX_LAYERS);
    if (words.n == 0 || words.at[0].key)
        return nn_fail(m, where, N_("a layer begins with its kind, as in dense 512 relu"));
    if (starts_as_number(words.at[0].text)) {
        own = base_calloc(nl, (size_t)words.n + 1, sizeof *own);
        if (!own)
            return NILU_E_NO_MEMORY;
        own[0] = (nn_word){.text = (char *)"dense", .where = words.at[0].where}; /* read only */
        memcpy(own + 1, words.at, (size_t)words.n * sizeof *own);
        words = (nn_words){.at = own, .n = given->n + 1};
    }
    const char *kind = words.at[0].text;
    nilu_status status = base_grow(nl, &m->layer, &m->layer_cap, m->nlayer + 1, sizeof *m->layer);
    if (status != NILU_OK)
        goto cleanup;
    nn_layer *l = &m->layer[m->nlayer];
    *l = (nn_layer){.kind = nn_kind_find(kind), .activation = nn_activation_find(kind)};
    for (int i = 0; i < NN_MAX_ARGS; i++)
        l->value[i].number = NAN;
    if (!l->kind) {
        status = nn_fail(m, where, N_("there is no layer called %s; %s"), kind,
                         nn_suggest(kind, nn_kind_name, "layers are", suggestion));
        goto cleanup;
    }
    l->where = base_strdup(nl, where);
    status = l->where ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = read_arguments(m, l, &words, kind);
    if (status == NILU_OK)
        status = read_connections(m, l, &words, kind);
    if (status == NILU_OK && !l->name) {
        l->name = make_name(m, l, l->kind->prefix ? l->kind->prefix : kind);
        status = l->name ? NILU_OK : NILU_E_NO_MEMORY;
    }
    if (status == NILU_OK)
        m->tail = m->nlayer++;
    else
        nn_layer_clear(nl, l);

cleanup:
    base_free(nl, own);
    return status;
}
