/* YAML as a tree that remembers its lines. Read by libyaml; only full builds have it.
 *
 * Invariants: keys of a mapping are texts and each stands once; the tree has no cycles and no shared parts (anchors are
 * refused), is at most NN_YAML_DEPTH deep, and is one document. */
#ifndef NN_YAML_H
#define NN_YAML_H

#include "base/base.h"

#define NN_YAML_DEPTH 32

typedef enum nn_yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP } nn_yaml_kind;
typedef struct nn_yaml nn_yaml;
struct nn_yaml {
    nn_yaml_kind kind;
    int line;      /* from 1 */
    char *text;    /* of a text: "" for nothing */
    bool quoted;   /* so that "5" is told from 5 */
    int n;         /* items of a list, entries of a mapping */
    char **key;    /* of a mapping: [n] */
    int *key_line; /* likewise */
    nn_yaml **at;  /* [n] */
};

/* Reads `n` bytes; errors are `blame` with "name:line: sentence", or NO_MEMORY. An empty text is an empty mapping.
 * Freed by nn_yaml_free. */
nilu_status nn_yaml_load(nilu *nl, nilu_status blame, const char *name, const char *text, size_t n, nn_yaml **root);
void nn_yaml_free(nilu *nl, nn_yaml *y);
/* The value of `key`; NULL if `map` is no mapping or has no such key. */
const nn_yaml *nn_yaml_get(const nn_yaml *map, const char *key);
/* "a text", "a list", "a mapping". */
const char *nn_yaml_kind_text(const nn_yaml *y);

#endif
