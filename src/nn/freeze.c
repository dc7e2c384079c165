/* Parameters that are used and not trained, by patterns of their names: "conv*, !conv9". A pattern stands for a whole name, or
 * for the part of it before a '.' or '/': fc is fc/weight and fc.bias, too. '*' is any text, '?' any letter; the last pattern
 * that fits decides, and one behind '!' thaws. */
#include "nn/nn.h"

#include <string.h>

/* Does [p, end) fit all of [name, stop)? One place to go back to is enough: that of the last '*'. */
static bool fits(const char *p, const char *end, const char *name, const char *stop)
{
    const char *star = NULL, *from = NULL;
    while (name < stop) {
        if (p < end && *p == '*') {
            star = p++;
            from = name;
        } else if (p < end && (*p == '?' || *p == *name)) {
            p++;
            name++;
        } else if (star) {
            p = star + 1;
            name = ++from;
        } else {
            return false;
        }
    }
    while (p < end && *p == '*')
        p++;
    return p == end;
}

static bool names(const char *p, const char *end, const char *name)
{
    for (const char *c = name + 1; *name && *c; c++)
        if ((*c == '.' || *c == '/') && fits(p, end, name, c))
            return true;
    return fits(p, end, name, name + strlen(name));
}

/* The next pattern of a list: [*p, *end), and whether it thaws; false after the last. */
static bool next(const char **list, const char **p, const char **end, bool *thaws)
{
    while (**list == ',' || **list == ' ')
        (*list)++;
    *thaws = **list == '!';
    *p = *list + *thaws;
    *end = *list += strcspn(*list, ",");
    while (*end > *p && (*end)[-1] == ' ')
        (*end)--;
    return *end > *p;
}

bool nn_frozen(const nilu_model *m, const char *name)
{
    const char *list = m->freeze ? m->freeze : "", *p, *end;
    bool thaws, frozen = false;
    while (next(&list, &p, &end, &thaws))
        if (names(p, end, name))
            frozen = !thaws;
    return frozen;
}

/* Names that a person who mistook one may have meant. */
static nilu_status fits_none(const nilu_model *m, const nilu_graph *g, int first, const char *p, const char *end)
{
    char list[300] = "", wrong[80];
    size_t at = 0;
    snprintf(wrong, sizeof wrong, "%.*s", end - p < 79 ? (int)(end - p) : 79, p);
    for (int i = first; i < g->nnode && at < sizeof list - 80; i++)
        if (g->node[i]->op == &graph_op_param)
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%.60s", at ? ", " : "", g->node[i]->name);
    return nn_fail(m, m->file, N_("freeze: no parameter is called %s; there are %s"), wrong, list);
}

static nilu_status told(const nilu_model *m, nilu_graph *g, nilu_status status)
{
    return graph_fail(g, status, "%s", nilu_errmsg(m->nl));
}

nilu_status nn_freeze(const nilu_model *m, nilu_graph *g, int first)
{
    const char *list = m->freeze ? m->freeze : "", *p, *end;
    bool thaws, left = false;
    if (!m->freeze)
        return NILU_OK;
    while (next(&list, &p, &end, &thaws)) {
        bool any = false;
        for (int i = first; i < g->nnode && !any; i++)
            any = g->node[i]->op == &graph_op_param && names(p, end, g->node[i]->name);
        if (!any)
            return told(m, g, fits_none(m, g, first, p, end));
    }
    for (int i = first; i < g->nnode; i++)
        if (g->node[i]->op == &graph_op_param) {
            g->node[i]->frozen |= nn_frozen(m, g->node[i]->name);
            left |= !g->node[i]->frozen;
        }
    return left ? NILU_OK
                : told(m, g, nn_fail(m, m->file, N_("freeze: \"%.200s\" freezes every parameter, so nothing is left to train; "
                                                    "thaw some, as in \"*, !fc\""), m->freeze));
}

nilu_status nilu_model_freeze(nilu_model *m, const char *patterns)
{
    char *copy = patterns && *patterns ? base_strdup(m->nl, patterns) : NULL;
    if (patterns && *patterns && !copy)
        return NILU_E_NO_MEMORY;
    base_free(m->nl, m->freeze);
    m->freeze = copy;
    return NILU_OK;
}
