/* Opening what the line names: data, with the rows that say how to read it; a model, from a file, a run or words; a run with
 * its values and data, ready to answer. */
#include "cli.h"

#include "io/io.h"

#include <string.h>
#include <sys/stat.h>

static const char *nth(const char *const *names, int n, int i)
{
    return i >= 0 && i < n ? names[i] : NULL;
}

static const char *const tasks[] = {"auto", "classes", "numbers", "none"}, *const missing[] = {"fill", "error"},
                  *const headers[] = {"no", "yes", "auto"}, *const colours[] = {"auto", "grey", "rgb"};

const char *cli_task_name(int i)
{
    return nth(tasks, COUNT(tasks), i);
}

const char *cli_missing_name(int i)
{
    return nth(missing, COUNT(missing), i);
}

const char *cli_header_name(int i)
{
    return nth(headers, COUNT(headers), i);
}

const char *cli_colour_name(int i)
{
    return nth(colours, COUNT(colours), i);
}

static int place_of(const char *const *names, int n, const char *name)
{
    int i = 0;
    while (i < n && strcmp(names[i], name) != 0)
        i++;
    return i;
}

nilu_status cli_data_options(cli *c, const cli_reading *r, nilu_data_options *o)
{
    static const nilu_task task[] = {NILU_TASK_AUTO, NILU_TASK_CLASSES, NILU_TASK_NUMBERS, NILU_TASK_NONE};
    *o = (nilu_data_options)NILU_DATA_DEFAULT;
    o->data_dir = c->data_dir;
    o->cache_dir = c->cache_dir;
    o->seed = (uint64_t)c->seed;
    if (!r)
        return NILU_OK;
    if (r->delimiter && strcmp(r->delimiter, "tab") != 0 && strlen(r->delimiter) != 1)
        return cli_fail(c, NILU_E_USAGE, _(N_("%s: --delimiter wants one character or the word tab, not \"%s\"")),
                        c->command->name, r->delimiter);
    o->target = r->target;
    o->task = task[place_of(tasks, COUNT(tasks), r->task)];
    o->refuse_missing = strcmp(r->missing, "error") == 0;
    o->ignore = r->ignore;
    o->keep = r->keep;
    o->header = place_of(headers, COUNT(headers), r->header) == 2 ? -1 : place_of(headers, COUNT(headers), r->header);
    o->delimiter = !r->delimiter ? 0 : strcmp(r->delimiter, "tab") == 0 ? '\t' : r->delimiter[0];
    o->validation = r->validation;
    o->test = r->test;
    o->resize = r->size;
    o->scale = r->scale;
    o->colour = strcmp(r->colour, "auto") == 0 ? NULL : r->colour;
    return NILU_OK;
}

nilu_status cli_open_data(cli *c, const cli_reading *r, const char *where, nilu_data **data)
{
    nilu_data_options o;
    NILU_TRY(cli_data_options(c, r, &o));
    NILU_TRY(nilu_data_open(c->nl, where, &o, data));
    const nilu_data_info *info = nilu_data_about(*data);
    for (int i = 0; i < info->notes; i++)
        cli_note(c, "%s", info->note[i]);
    return NILU_OK;
}

/* The model that a run was trained with. */
static nilu_status model_of_run(cli *c, const char *folder, nilu_model **model)
{
    nilu_run *run = NULL;
    NILU_TRY(nilu_run_open(c->nl, folder, &run));
    const char *text = nilu_run_about(run)->model;
    nilu_status status = io_model_read(c->nl, text, strlen(text), folder, folder, model);
    nilu_run_free(run);
    return status;
}

nilu_status cli_open_model(cli *c, const cli_network *n, nilu_model **model)
{
    struct stat info;
    bool there = n->model && stat(n->model, &info) == 0;
    *model = NULL;
    if ((n->model != NULL) + (n->layers != NULL) + (n->hidden.n > 0) > 1)
        return cli_fail(c, NILU_E_USAGE, _(N_("%s: a model file, --hidden and --layers exclude each other; keep one")), c->command->name);
    if (there && S_ISDIR(info.st_mode))
        return model_of_run(c, n->model, model);
    if (n->model && !there && !strpbrk(n->model, "./"))
        return nilu_model_known(c->nl, n->model, c->data_dir, model);
    if (n->model)
        return nilu_model_load(c->nl, n->model, model);
    if (n->layers)
        return nilu_model_chain(c->nl, n->layers, model);
    if (n->hidden.n)
        return nilu_model_hidden(c->nl, n->hidden.n, n->hidden.at, n->activation, model);
    return NILU_OK;
}

/* ---- a run, ready to answer */

nilu_status cli_views(nilu_predictor *p, const char *name)
{
    int i = 0;
    while (strcmp(nilu_views_name(i), name) != 0)
        i++;
    return nilu_predictor_views(p, (nilu_views)i);
}

static nilu_part choose_part(const nilu_data_info *info, const char *wanted)
{
    for (int i = 0; wanted && cli_part_name(i); i++)
        if (strcmp(cli_part_name(i), wanted) == 0)
            return (nilu_part)i;
    return info->count[NILU_TEST] ? NILU_TEST : info->count[NILU_VALIDATION] ? NILU_VALIDATION : NILU_TRAIN;
}

nilu_status cli_subject_open(cli *c, const cli_reading *reading, const char *folder, const char *where, const char *part,
                             cli_subject *k)
{
    nilu_data_options o;
    *k = (cli_subject){.c = c};
    NILU_TRY(cli_data_options(c, reading, &o));
    NILU_TRY(nilu_run_open(c->nl, folder, &k->run));
    NILU_TRY(nilu_run_store(k->run, NILU_MODEL, &k->store));
    NILU_TRY(nilu_run_data(k->run, where, &o, &k->data));
    k->info = nilu_data_about(k->data);
    k->part = choose_part(k->info, part);
    if (k->info->count[k->part] == 0)
        return cli_fail(c, NILU_E_DATA, _(N_("%s: %s has no %s part; choose another with --part")), c->command->name, k->info->name,
                        cli_part_name((int)k->part));
    return nilu_predictor_new(c->nl, nilu_run_model(k->run), k->store, k->data, nilu_run_about(k->run)->options.loss, &k->predictor);
}

void cli_subject_free(cli_subject *k)
{
    nilu_predictor_free(k->predictor);
    nilu_data_free(k->data);
    nilu_store_free(k->store);
    nilu_run_free(k->run);
}
