/* YAML to tree: libyaml's document, checked and copied node by node into memory of the context. */
#include "nn/yaml.h"

#include <string.h>
#include <yaml.h>

typedef struct reader {
    nilu *nl;
    nilu_status blame;
    const char *name;
    yaml_document_t *document;
    bool *seen; /* by node number: a node that is met twice has an anchor */
} reader;

void nn_yaml_free(nilu *nl, nn_yaml *y)
{
    if (!y)
        return;
    for (int i = 0; i < y->n; i++) {
        nn_yaml_free(nl, y->at[i]);
        if (y->kind == YAML_MAP)
            base_free(nl, y->key[i]);
    }
    base_free(nl, y->text);
    base_free(nl, y->key);
    base_free(nl, y->key_line);
    base_free(nl, y->at);
    base_free(nl, y);
}

const nn_yaml *nn_yaml_get(const nn_yaml *map, const char *key)
{
    for (int i = 0; map && map->kind == YAML_MAP && i < map->n; i++)
        if (strcmp(map->key[i], key) == 0)
            return map->at[i];
    return NULL;
}

const char *nn_yaml_kind_text(const nn_yaml *y)
{
    return base_text(y->kind == YAML_TEXT ? N_("a text") : y->kind == YAML_LIST ? N_("a list") : N_("a mapping"));
}

static nilu_status copy(reader *r, int id, int depth, nn_yaml **out);

static nilu_status copy_scalar(reader *r, const yaml_node_t *node, nn_yaml *y)
{
    const char *text = (const char *)node->data.scalar.value;
    if (strlen(text) != node->data.scalar.length)
        return base_fail(r->nl, r->blame, N_("%s:%d: a text holds a NUL character; take it out"), r->name, y->line);
    y->kind = YAML_TEXT;
    y->quoted = node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    y->text = base_strdup(r->nl, text);
    return y->text ? NILU_OK : NILU_E_NO_MEMORY;
}

static nilu_status copy_list(reader *r, const yaml_node_t *node, int depth, nn_yaml *y)
{
    size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    y->kind = YAML_LIST;
    y->at = base_calloc(r->nl, n + 1, sizeof *y->at);
    if (!y->at)
        return NILU_E_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        y->n++;
        NILU_TRY(copy(r, node->data.sequence.items.start[i], depth + 1, &y->at[i]));
    }
    return NILU_OK;
}

static nilu_status copy_entry(reader *r, const yaml_node_pair_t *pair, int depth, nn_yaml *y)
{
    const yaml_node_t *key = yaml_document_get_node(r->document, pair->key);
    int line = (int)key->start_mark.line + 1, i = y->n;
    if (key->type != YAML_SCALAR_NODE || strlen((char *)key->data.scalar.value) != key->data.scalar.length)
        return base_fail(r->nl, r->blame, N_("%s:%d: a key must be a word"), r->name, line);
    const char *word = (const char *)key->data.scalar.value;
    for (int k = 0; k < i; k++)
        if (strcmp(y->key[k], word) == 0)
            return base_fail(r->nl, r->blame, N_("%s:%d: the key %.80s stands here and in line %d; keep one"), r->name, line,
                             word, y->key_line[k]);
    y->key[i] = base_strdup(r->nl, word);
    if (!y->key[i])
        return NILU_E_NO_MEMORY;
    y->key_line[i] = line;
    y->n++;
    return copy(r, pair->value, depth + 1, &y->at[i]);
}

static nilu_status copy_map(reader *r, const yaml_node_t *node, int depth, nn_yaml *y)
{
    size_t n = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    y->kind = YAML_MAP;
    if (n > 4096) /* keys are compared each with each */
        return base_fail(r->nl, r->blame, N_("%s:%d: a mapping of %zu keys; at most 4096 are read"), r->name, y->line, n);
    y->at = base_calloc(r->nl, n + 1, sizeof *y->at);
    y->key = base_calloc(r->nl, n + 1, sizeof *y->key);
    y->key_line = base_calloc(r->nl, n + 1, sizeof *y->key_line);
    if (!y->at || !y->key || !y->key_line)
        return NILU_E_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        NILU_TRY(copy_entry(r, &node->data.mapping.pairs.start[i], depth, y));
    return NILU_OK;
}

/* What was copied before a failure is in the tree and freed with it. */
static nilu_status copy(reader *r, int id, int depth, nn_yaml **out)
{
    const yaml_node_t *node = yaml_document_get_node(r->document, id);
    int line = (int)node->start_mark.line + 1;
    if (depth > NN_YAML_DEPTH)
        return base_fail(r->nl, r->blame, N_("%s:%d: nested more than %d deep"), r->name, line, NN_YAML_DEPTH);
    if (r->seen[id])
        return base_fail(r->nl, r->blame, N_("%s:%d: anchors and aliases (& and *) are not read here; write the part out"), r->name,
                         line);
    r->seen[id] = true;
    *out = base_calloc(r->nl, 1, sizeof **out);
    if (!*out)
        return NILU_E_NO_MEMORY;
    (*out)->line = line;
    switch (node->type) {
    case YAML_SEQUENCE_NODE:
        return copy_list(r, node, depth, *out);
    case YAML_MAPPING_NODE:
        return copy_map(r, node, depth, *out);
    default:
        return copy_scalar(r, node, *out);
    }
}

static nilu_status complain(reader *r, const yaml_parser_t *p)
{
    if (p->error == YAML_MEMORY_ERROR)
        return base_no_memory(r->nl, 0);
    const char *what = p->problem ? p->problem : N_("this is no YAML");
    if (p->error == YAML_READER_ERROR)
        return base_fail(r->nl, r->blame, N_("%s: byte %zu: %s; the file must be UTF-8 text"), r->name, p->problem_offset, what);
    return base_fail(r->nl, r->blame, N_("%s:%zu: %s; look at the indentation, brackets and quotes here and in the line before"),
                     r->name, p->problem_mark.line + 1, what);
}

static nilu_status read_document(reader *r, yaml_parser_t *parser, nn_yaml **root)
{
    yaml_document_t document;
    if (!yaml_parser_load(parser, &document))
        return complain(r, parser);
    r->document = &document;
    nilu_status status = NILU_OK;
    if (yaml_document_get_root_node(&document)) {
        size_t n = (size_t)(document.nodes.top - document.nodes.start);
        r->seen = base_calloc(r->nl, n + 1, sizeof *r->seen);
        status = r->seen ? copy(r, 1, 0, root) : NILU_E_NO_MEMORY; /* the root is node 1 */
        base_free(r->nl, r->seen);
        r->seen = NULL;
    }
    yaml_document_delete(&document);
    return status;
}

nilu_status nn_yaml_load(nilu *nl, nilu_status blame, const char *name, const char *text, size_t n, nn_yaml **root)
{
    reader r = {.nl = nl, .blame = blame, .name = name};
    yaml_parser_t parser;
    nn_yaml *second = NULL;
    *root = NULL;
    if (!yaml_parser_initialize(&parser))
        return base_no_memory(nl, 0);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
    nilu_status status = read_document(&r, &parser, root);
    if (status == NILU_OK && *root)
        status = read_document(&r, &parser, &second);
    if (status == NILU_OK && second)
        status = base_fail(nl, blame, N_("%s:%d: a second document begins here; keep one in a file"), name, second->line);
    if (status == NILU_OK && !*root) {
        *root = base_calloc(nl, 1, sizeof **root);
        status = *root ? NILU_OK : NILU_E_NO_MEMORY;
        if (*root)
            **root = (nn_yaml){.kind = YAML_MAP, .line = 1};
    }
    if (status != NILU_OK) {
        nn_yaml_free(nl, *root);
        *root = NULL;
    }
    nn_yaml_free(nl, second);
    yaml_parser_delete(&parser);
    return status;
}
