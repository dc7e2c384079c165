/* The model file: a YAML tree becomes a model. Whatever is wrong is said with its line and, where a word is unknown, the
 * word that was probably meant. */
#include "nn/nn.h"
#include "nn/yaml.h"

#include <math.h>
#include <string.h>

#define WHERE 600

typedef struct reader {
    nilu_model *m;
    char where[WHERE];
} reader;

static const char *at(reader *r, int line)
{
    snprintf(r->where, sizeof r->where, "%.560s:%d", r->m->file, line);
    return r->where;
}

static const char *const top_keys[] = {"name", "input", "inputs", "init", "layers", "output", "loss", "train", "freeze",
                                       "file", "sha256", "norms"};

static nilu_status unknown_key(reader *r, const nn_yaml *map, int i, const char *const *known, size_t n, const char *what)
{
    const char *near = base_nearest(map->key[i], known, n);
    if (near)
        return nn_fail(r->m, at(r, map->key_line[i]), N_("%s has no %.80s; did you mean %s?"), what, map->key[i], near);
    char list[400] = "";
    for (size_t k = 0, used = 0; k < n && used + 40 < sizeof list; k++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", k ? ", " : "", known[k]);
    return nn_fail(r->m, at(r, map->key_line[i]), N_("%s has no %.80s; it may have %s"), what, map->key[i], list);
}

static nilu_status need_text(reader *r, const nn_yaml *y, const char *key)
{
    if (y->kind != YAML_TEXT || !*y->text)
        return nn_fail(r->m, at(r, y->line), N_("%s must be a word, not %s"), key,
                       y->kind == YAML_TEXT ? base_text(N_("nothing")) : nn_yaml_kind_text(y));
    return NILU_OK;
}

static nilu_status keep_text(reader *r, const nn_yaml *y, const char *key, char **out)
{
    NILU_TRY(need_text(r, y, key));
    *out = base_strdup(r->m->nl, y->text);
    return *out ? NILU_OK : NILU_E_NO_MEMORY;
}

/* ---- inputs */

static nilu_status read_dim(reader *r, const nn_yaml *y, const char *name, nilu_shape *s)
{
    double value;
    if (y->kind != YAML_TEXT || !nn_number(y->text, &value) || value != floor(value) || value < 1 || value >= 2147483648.0)
        return nn_fail(r->m, at(r, y->line), N_("input %s: %s is no dimension; write whole numbers, as in [28, 28, 1]"), name,
                       y->kind == YAML_TEXT ? y->text : nn_yaml_kind_text(y));
    if (s->rank == NILU_MAX_RANK - 1)
        return nn_fail(r->m, at(r, y->line), N_("input %s: a sample has at most %d dimensions"), name, NILU_MAX_RANK - 1);
    s->dim[s->rank++] = (int64_t)value;
    return NILU_OK;
}

static nilu_status read_input(reader *r, const char *name, int line, const nn_yaml *y)
{
    nilu_shape s = NILU_SCALAR;
    bool any = y->kind == YAML_TEXT && (!*y->text || strcmp(y->text, "any") == 0);
    if (!nn_good_name(name))
        return nn_fail(r->m, at(r, line), N_("\"%.80s\" cannot be the name of an input; use letters, digits, _ and -"), name);
    if (r->m->ninput == GRAPH_MAX_IN)
        return nn_fail(r->m, at(r, line), N_("more than %d inputs; take some together"), GRAPH_MAX_IN);
    if (y->kind == YAML_MAP)
        return nn_fail(r->m, at(r, y->line), N_("input %s: its shape must be a list, as in [28, 28, 1], not a mapping"), name);
    if (y->kind == YAML_TEXT && !any)
        NILU_TRY(read_dim(r, y, name, &s));
    for (int i = 0; i < y->n; i++)
        NILU_TRY(read_dim(r, y->at[i], name, &s));
    return nn_model_input(r->m, at(r, line), name, !any, s);
}

static nilu_status read_inputs(reader *r, const nn_yaml *root)
{
    const nn_yaml *one = nn_yaml_get(root, "input"), *many = nn_yaml_get(root, "inputs");
    if (one && many)
        return nn_fail(r->m, at(r, many->line), N_("input and inputs are both given; keep inputs"));
    if (one)
        return read_input(r, "x", one->line, one);
    if (!many)
        return nn_model_input(r->m, at(r, root->line), "x", false, NILU_SCALAR);
    if (many->kind != YAML_MAP || many->n == 0)
        return nn_fail(r->m, at(r, many->line), N_("inputs must be a mapping of names to shapes, as in {x: [784]}; for one shape "
                                                   "write input"));
    for (int i = 0; i < many->n; i++)
        NILU_TRY(read_input(r, many->key[i], many->key_line[i], many->at[i]));
    return NILU_OK;
}

/* ---- layers */

static nilu_status add_word(reader *r, nn_words *w, const char *key, const nn_yaml *y)
{
    if (y->kind != YAML_TEXT)
        return nn_fail(r->m, at(r, y->line), N_("%s must be a word or a number, not %s"), key ? key : "an argument",
                       nn_yaml_kind_text(y));
    return nn_words_add(r->m, w, key, y->text, strlen(y->text), at(r, y->line));
}

static nilu_status add_entry(reader *r, nn_words *w, const char *key, const nn_yaml *y)
{
    if (strcmp(key, "from") != 0 || y->kind != YAML_LIST)
        return add_word(r, w, key, y);
    for (int i = 0; i < y->n; i++)
        NILU_TRY(add_word(r, w, "from", y->at[i]));
    return y->n ? NILU_OK : nn_fail(r->m, at(r, y->line), N_("from names no layer; name one or leave from out"));
}

/* What stands behind the kind: `dense: 512`, `dense: 512 relu`, `add: [a, b]`, `dense: {units: 512}`, `relu:`. */
static nilu_status add_kind(reader *r, nn_words *w, const nn_kind *kind, const char *name, const nn_yaml *y, int line)
{
    NILU_TRY(nn_words_add(r->m, w, NULL, name, strlen(name), at(r, line)));
    if (y->kind == YAML_TEXT)
        return nn_words_cut(r->m, w, y->text, at(r, y->line));
    for (int i = 0; i < y->n; i++)
        NILU_TRY(y->kind == YAML_MAP ? add_entry(r, w, y->key[i], y->at[i])
                                     : add_word(r, w, kind->merges ? "from" : NULL, y->at[i]));
    return NILU_OK;
}

static nilu_status read_mapping(reader *r, const nn_yaml *y, nn_words *w)
{
    int kind = -1;
    char suggestion[256];
    for (int i = 0; i < y->n; i++) {
        if (!nn_kind_find(y->key[i]))
            continue;
        if (kind >= 0)
            return nn_fail(r->m, at(r, y->key_line[i]), N_("a layer cannot be both %s and %s; make two items of the list"),
                           y->key[kind], y->key[i]);
        kind = i;
    }
    if (kind < 0)
        return nn_fail(r->m, at(r, y->line), N_("no key of this layer is a kind of layer, as in {dense: 512}; %s"),
                       y->n ? nn_suggest(y->key[0], nn_kind_name, "layers are", suggestion) : base_text(N_("it is empty")));
    NILU_TRY(add_kind(r, w, nn_kind_find(y->key[kind]), y->key[kind], y->at[kind], y->key_line[kind]));
    for (int i = 0; i < y->n; i++)
        if (i != kind)
            NILU_TRY(add_entry(r, w, y->key[i], y->at[i]));
    return NILU_OK;
}

static nilu_status read_layer(reader *r, const nn_yaml *y)
{
    nn_words w = {0};
    nilu_status status;
    if (y->kind == YAML_LIST)
        status = nn_fail(r->m, at(r, y->line), N_("a layer is a text or a mapping, not a list; write - dense 512 relu"));
    else if (y->kind == YAML_MAP)
        status = read_mapping(r, y, &w);
    else
        status = nn_words_cut(r->m, &w, y->text, at(r, y->line));
    if (status == NILU_OK)
        status = nn_layer_read(r->m, &w, at(r, y->line));
    nn_words_free(r->m->nl, &w);
    return status;
}

/* The model is a file in another's format, and the keys that go with one. */
static nilu_status read_file(reader *r, const nn_yaml *root)
{
    const nn_yaml *file = nn_yaml_get(root, "file"), *sha256 = nn_yaml_get(root, "sha256"), *norms = nn_yaml_get(root, "norms");
    const nn_yaml *with = sha256 ? sha256 : norms;
    if (!file)
        return with ? nn_fail(r->m, at(r, with->line), N_("sha256 and norms go with file, which is missing; add it, or take them out"))
                    : NILU_OK;
    NILU_TRY(keep_text(r, file, "file", &r->m->path));
    if (sha256)
        NILU_TRY(keep_text(r, sha256, "sha256", &r->m->sha256));
    if (!norms)
        return NILU_OK;
    NILU_TRY(need_text(r, norms, "norms"));
    r->m->train_norms = strcmp(norms->text, "trained") == 0;
    return r->m->train_norms || strcmp(norms->text, "frozen") == 0
               ? NILU_OK
               : nn_fail(r->m, at(r, norms->line), N_("norms must be frozen or trained, not %.80s"), norms->text);
}

static nilu_status read_items(reader *r, const nn_yaml *list, const char *what);

/* The only keys of a block are `known`, n of them. */
static nilu_status check_block(reader *r, const nn_yaml *y, const char *const *known, size_t n)
{
    for (int i = 0; i < y->n; i++) {
        bool right = false;
        for (size_t k = 0; k < n; k++)
            right |= strcmp(y->key[i], known[k]) == 0;
        if (!right)
            return unknown_key(r, y, i, known, n, known[0]);
    }
    return NILU_OK;
}

/* {repeat: 3, layers: [..]}: the layers one after another, three times. Each turn adds a layer, so the limit ends it. */
static nilu_status read_repeat(reader *r, const nn_yaml *y)
{
    static const char *const keys[] = {"repeat", "layers"};
    const nn_yaml *times = nn_yaml_get(y, "repeat"), *layers = nn_yaml_get(y, "layers");
    double n;
    NILU_TRY(check_block(r, y, keys, COUNT(keys)));
    if (times->kind != YAML_TEXT || !nn_number(times->text, &n) || n != floor(n) || n < 1 || n > NN_MAX_LAYERS)
        return nn_fail(r->m, at(r, times->line), N_("repeat is how often, from 1 to %d, not %s; the layers stand beside it, as in {repeat: 3, "
                                                    "layers: [..]}"), NN_MAX_LAYERS, times->kind == YAML_TEXT ? times->text : nn_yaml_kind_text(times));
    if (!layers || (layers->kind == YAML_LIST && layers->n == 0))
        return nn_fail(r->m, at(r, y->line), N_("repeat has no layers; write {repeat: 3, layers: [..]}"));
    for (int i = 0; i < (int)n; i++) {
        if (r->m->nlayer >= NN_MAX_LAYERS)
            return nn_fail(r->m, at(r, y->line), N_("repeat makes more than %d layers; repeat less often"), NN_MAX_LAYERS);
        NILU_TRY(read_items(r, layers, "layers"));
    }
    return NILU_OK;
}

static const char *name_of(const nilu_model *m, int id)
{
    return id < 0 ? m->input[-1 - id].name : m->layer[id].name;
}

/* {residual: [..], shortcut: [..]}: what goes in is added to what comes out of the layers, or first through its own. */
static nilu_status read_residual(reader *r, const nn_yaml *y)
{
    static const char *const keys[] = {"residual", "shortcut"};
    const nn_yaml *shortcut = nn_yaml_get(y, "shortcut");
    nilu_model *m = r->m;
    int start = m->tail;
    nn_words w = {0};
    NILU_TRY(check_block(r, y, keys, COUNT(keys)));
    NILU_TRY(read_items(r, nn_yaml_get(y, "residual"), "residual"));
    int end = m->tail;
    m->tail = start;
    if (shortcut)
        NILU_TRY(read_items(r, shortcut, "shortcut"));
    const char *branch[] = {name_of(m, end), name_of(m, m->tail)};
    nilu_status status = nn_words_add(m, &w, NULL, "add", 3, at(r, y->line));
    for (int i = 0; i < 2 && status == NILU_OK; i++)
        status = nn_words_add(m, &w, "from", branch[i], strlen(branch[i]), at(r, y->line));
    if (status == NILU_OK)
        status = nn_layer_read(m, &w, at(r, y->line));
    nn_words_free(m->nl, &w);
    return status;
}

static nilu_status read_items(reader *r, const nn_yaml *list, const char *what)
{
    if (list->kind != YAML_LIST)
        return nn_fail(r->m, at(r, list->line), N_("%s must be a list, as in [\"512 relu\", \"dropout 0.2\"], not %s"), what,
                       nn_yaml_kind_text(list));
    if (list->n == 0 && strcmp(what, "layers") != 0)
        return nn_fail(r->m, at(r, list->line), N_("%s has no layers; write at least one"), what);
    for (int i = 0; i < list->n; i++) {
        const nn_yaml *y = list->at[i];
        NILU_TRY(nn_yaml_get(y, "repeat") ? read_repeat(r, y) : nn_yaml_get(y, "residual") ? read_residual(r, y) : read_layer(r, y));
    }
    return NILU_OK;
}

static nilu_status read_layers(reader *r, const nn_yaml *root)
{
    const nn_yaml *layers = nn_yaml_get(root, "layers");
    if (r->m->path && !layers)
        return NILU_OK;
    if (!layers)
        return nn_fail(r->m, at(r, root->line), N_("layers is missing; write for example layers: [\"512 relu\"]"));
    return read_items(r, layers, "layers");
}

static nilu_status read_output(reader *r, const nn_yaml *root)
{
    const nn_yaml *y = nn_yaml_get(root, "output");
    if (!y)
        return NILU_OK;
    NILU_TRY(need_text(r, y, "output"));
    int id = nn_layer_find(r->m, y->text);
    if (id == INT32_MIN)
        return nn_unknown_layer(r->m, at(r, y->line), "output", y->text);
    if (id < 0)
        return nn_fail(r->m, at(r, y->line), N_("output is the input %s itself; name a layer"), y->text);
    r->m->result = id;
    return NILU_OK;
}

/* ---- training */

static nilu_status read_wish(reader *r, const nn_wish *wish, const nn_yaml *y)
{
    nilu_model_training *t = &r->m->training;
    double value;
    if (y->kind != YAML_TEXT || !nn_number(y->text, &value))
        return nn_fail(r->m, at(r, y->line), N_("%s must be a number, not %s"), wish->name,
                       y->kind == YAML_TEXT ? *y->text ? y->text : base_text(N_("nothing")) : nn_yaml_kind_text(y));
    if (wish->kind != WISH_REAL && (value != floor(value) || value < 0 || value >= 2147483648.0))
        return nn_fail(r->m, at(r, y->line), N_("%s must be a whole number, not %s"), wish->name, y->text);
    int64_t count = (int64_t)value;
    int small = (int)value;
    if (wish->kind == WISH_REAL)
        memcpy((char *)t + wish->at, &value, sizeof value);
    else if (wish->kind == WISH_COUNT)
        memcpy((char *)t + wish->at, &count, sizeof count);
    else
        memcpy((char *)t + wish->at, &small, sizeof small);
    return NILU_OK;
}

static nilu_status read_name(reader *r, const nn_yaml *y, const char *what, const char *(*name)(int), int *index)
{
    char suggestion[256];
    NILU_TRY(need_text(r, y, what));
    for (int i = 0; name(i); i++)
        if (strcmp(name(i), y->text) == 0) {
            *index = i;
            return NILU_OK;
        }
    return nn_fail(r->m, at(r, y->line), N_("there is no %s called %.80s; %s"), what, y->text,
                   nn_suggest(y->text, name, "there are", suggestion));
}

/* Names that people know from elsewhere. */
static const char *const known_as[][2] = {{"learning_rate", "lr"}, {"weight_decay", "decay"}, {"batch_size", "batch"}};

static nilu_status read_training_entry(reader *r, const nn_yaml *y, int i)
{
    const char *key = y->key[i], *known[40] = {"optimizer", "schedule"};
    size_t n = 2;
    int index;
    nilu_model_training *t = &r->m->training;
    for (size_t k = 0; k < COUNT(known_as); k++)
        if (strcmp(key, known_as[k][0]) == 0)
            key = known_as[k][1];
    if (strcmp(key, "optimizer") == 0) {
        NILU_TRY(read_name(r, y->at[i], "optimizer", nilu_optimizer_name, &index));
        t->optimizer.name = nilu_optimizer_name(index);
        return NILU_OK;
    }
    if (strcmp(key, "schedule") == 0) {
        NILU_TRY(read_name(r, y->at[i], "schedule", nilu_schedule_name, &index));
        t->optimizer.schedule.kind = (nilu_schedule_kind)index;
        t->scheduled = true;
        return NILU_OK;
    }
    for (const nn_wish *wish = nn_wishes; wish->name; wish++) {
        if (strcmp(key, wish->name) == 0)
            return read_wish(r, wish, y->at[i]);
        if (n < COUNT(known))
            known[n++] = wish->name;
    }
    return unknown_key(r, y, i, known, n, "train");
}

static nilu_status read_training(reader *r, const nn_yaml *root)
{
    const nn_yaml *y = nn_yaml_get(root, "train");
    if (!y)
        return NILU_OK;
    if (y->kind != YAML_MAP)
        return nn_fail(r->m, at(r, y->line), N_("train must be a mapping, as in {optimizer: adam, lr: 0.001}, not %s"),
                       nn_yaml_kind_text(y));
    for (int i = 0; i < y->n; i++)
        NILU_TRY(read_training_entry(r, y, i));
    /* A schedule's length may be left to the training, which knows how many updates there are. */
    nilu_optimizer_options o = r->m->training.optimizer;
    if (o.schedule.total == 0)
        o.schedule.total = o.schedule.warmup + 1;
    if (o.schedule.every == 0)
        o.schedule.every = 1;
    nilu_status status = nilu_optimizer_resolve(r->m->nl, &o, &o);
    if (status != NILU_OK) {
        char sentence[sizeof r->m->nl->message];
        memcpy(sentence, r->m->nl->message, sizeof sentence);
        return nn_fail(r->m, at(r, y->line), "%s", sentence);
    }
    return NILU_OK;
}

/* ---- the file */

static nilu_status read_init(reader *r, const nn_yaml *y)
{
    nilu_init probe;
    NILU_TRY(keep_text(r, y, "init", &r->m->init));
    if (nilu_init_named(r->m->nl, y->text, 1, 1, &probe) == NILU_OK)
        return NILU_OK;
    char sentence[sizeof r->m->nl->message];
    memcpy(sentence, r->m->nl->message, sizeof sentence);
    return nn_fail(r->m, at(r, y->line), "%s", sentence);
}

static nilu_status read_root(reader *r, const nn_yaml *root)
{
    int index;
    if (root->kind != YAML_MAP)
        return nn_fail(r->m, at(r, root->line), N_("a model is a mapping with the key layers, not %s"), nn_yaml_kind_text(root));
    for (int i = 0; i < root->n; i++) {
        bool known = false;
        for (size_t k = 0; k < COUNT(top_keys); k++)
            known |= strcmp(root->key[i], top_keys[k]) == 0;
        if (!known)
            return unknown_key(r, root, i, top_keys, COUNT(top_keys), "a model");
    }
    const nn_yaml *name = nn_yaml_get(root, "name"), *init = nn_yaml_get(root, "init"), *loss = nn_yaml_get(root, "loss");
    if (name)
        NILU_TRY(keep_text(r, name, "name", &r->m->title));
    if (init)
        NILU_TRY(read_init(r, init));
    if (loss) {
        NILU_TRY(read_name(r, loss, "loss", nilu_loss_name, &index));
        NILU_TRY(keep_text(r, loss, "loss", &r->m->loss));
        r->m->training.loss = r->m->loss;
    }
    const nn_yaml *freeze = nn_yaml_get(root, "freeze");
    if (freeze)
        NILU_TRY(keep_text(r, freeze, "freeze", &r->m->freeze));
    NILU_TRY(read_file(r, root));
    NILU_TRY(read_inputs(r, root));
    NILU_TRY(read_layers(r, root));
    NILU_TRY(read_output(r, root));
    NILU_TRY(nn_model_close(r->m, at(r, root->line)));
    return read_training(r, root);
}

nilu_status nn_model_read(nilu *nl, const char *text, size_t n, const char *name, nilu_model **model)
{
    nn_yaml *root = NULL;
    *model = NULL;
    NILU_TRY(nn_yaml_load(nl, NILU_E_MODEL, name, text, n, &root));
    reader r = {.m = nn_model_new(nl, name)};
    nilu_status status = r.m ? read_root(&r, root) : NILU_E_NO_MEMORY;
    nn_yaml_free(nl, root);
    if (status == NILU_OK)
        *model = r.m;
    else
        nilu_model_free(r.m);
    return status;
}

nilu_status nilu_model_from_text(nilu *nl, const char *yaml, const char *name, nilu_model **model)
{
    return nn_model_read(nl, yaml, strlen(yaml), name ? name : "model", model);
}
