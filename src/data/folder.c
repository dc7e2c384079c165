/* A folder of pictures: a folder for each class, and above these, where there are any, folders for training, validation and
 * testing. Here is only found what there is: classes are the names of folders and samples those of files, both in the order
 * of their bytes, which no language changes. Files that are not named as pictures are left out and counted; links are
 * followed, and no folder is entered deeper than a class. */
#include "data/picture.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

typedef struct entry {
    const char *name;
    bool folder;
} entry;

typedef struct listing {
    entry *entry;
    int n, cap;
} listing;

typedef struct finder {
    nilu_data *d;
    data_pool names; /* of folders that are looked into */
    picture_set *set;
    char other[64];  /* a file that was left out */
    int64_t others;
    char empty[64];  /* a folder without pictures */
    int64_t empties;
} finder;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

static bool is_folder(int fd, const struct dirent *e)
{
    struct stat info;
    if (e->d_type != DT_UNKNOWN && e->d_type != DT_LNK)
        return e->d_type == DT_DIR;
    return fstatat(fd, e->d_name, &info, 0) == 0 && S_ISDIR(info.st_mode);
}

/* What a folder holds but for names that begin with a dot, sorted; freed by base_free(l->entry). */
static nilu_status list(finder *f, const char *path, listing *l)
{
    nilu *nl = f->d->nl;
    nilu_status status = NILU_OK;
    DIR *dir = opendir(path);
    *l = (listing){0};
    if (!dir)
        return base_fail(nl, NILU_E_FILE_READ, N_("%s: cannot be opened: %s"), path, strerror(errno));
    for (struct dirent *e; status == NILU_OK && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        status = base_grow(nl, &l->entry, &l->cap, l->n + 1, sizeof *l->entry);
        const char *name = status == NILU_OK ? data_keep_text(&f->names, e->d_name, strlen(e->d_name)) : NULL;
        if (status == NILU_OK && !name)
            status = NILU_E_NO_MEMORY;
        if (status == NILU_OK)
            l->entry[l->n++] = (entry){name, is_folder(dirfd(dir), e)};
    }
    closedir(dir);
    if (l->n)
        qsort(l->entry, (size_t)l->n, sizeof *l->entry, by_name);
    return status;
}

static bool is_picture(const entry *e)
{
    static const char *const ends[] = {"png", "jpg", "jpeg", "jpe"};
    const char *dot = strrchr(e->name, '.');
    for (size_t i = 0; i < COUNT(ends) && dot && !e->folder; i++)
        if (strcasecmp(dot + 1, ends[i]) == 0)
            return true;
    return false;
}

static int pictures_in(const listing *l)
{
    int n = 0;
    for (int i = 0; i < l->n; i++)
        n += is_picture(&l->entry[i]);
    return n;
}

static void left_out(finder *f, const entry *e)
{
    if (f->others++ == 0)
        snprintf(f->other, sizeof f->other, "%s", e->name);
}

/* All pictures of a folder as samples of class `label`. */
static nilu_status add_pictures(finder *f, const char *folder, const listing *l, int32_t label)
{
    nilu_data *d = f->d;
    picture_set *s = f->set;
    for (int i = 0; i < l->n; i++) {
        if (!is_picture(&l->entry[i])) {
            left_out(f, &l->entry[i]);
            continue;
        }
        NILU_TRY(base_grow(d->nl, &s->path, &s->path_cap, s->n + 1, sizeof *s->path));
        NILU_TRY(base_grow(d->nl, &s->label, &s->label_cap, s->n + 1, sizeof *s->label));
        s->path[s->n] = data_keep_format(&d->pool, "%s/%s", folder, l->entry[i].name);
        s->label[s->n] = label;
        if (!s->path[s->n])
            return NILU_E_NO_MEMORY;
        s->n++;
    }
    return NILU_OK;
}

int data_class_named(const nilu_data *d, const char *name)
{
    for (int i = 0; i < (int)d->info.outputs; i++)
        if (strcmp(d->class_name[i], name) == 0)
            return i;
    return -1;
}

/* The class of a folder's name: a new one where classes are being learnt. */
static nilu_status class_of(finder *f, const char *folder, const char *name, bool learn, int32_t *label)
{
    nilu_data *d = f->d;
    *label = -1;
    if (d->options.task == NILU_TASK_NONE)
        return NILU_OK;
    if (!data_is_utf8(name, strlen(name)))
        return base_fail(d->nl, NILU_E_DATA, N_("%s: the folder's name is not UTF-8, so that it cannot name a class; rename it"), folder);
    if (learn) {
        picture_set *s = f->set;
        NILU_TRY(base_grow(d->nl, &s->class, &s->class_cap, s->classes + 1, sizeof *s->class));
        s->class[s->classes] = data_keep_text(&d->pool, name, strlen(name));
        *label = s->classes;
        return s->class[s->classes++] ? NILU_OK : NILU_E_NO_MEMORY;
    }
    if (d->info.task != NILU_TASK_CLASSES)
        return NILU_OK;
    *label = data_class_named(d, name);
    if (*label < 0)
        return base_fail(d->nl, NILU_E_RANGE,
                         d->has_encoder ? N_("%s: \"%s\" is none of the %lld classes that the model was trained on; rename the folder, or "
                                             "read the pictures without their classes (task none)")
                                        : N_("%s: \"%s\" is none of the %lld classes that the training pictures have; rename the folder, or take it out"),
                         folder, name, (long long)d->info.outputs);
    return NILU_OK;
}

static nilu_status add_class(finder *f, const char *folder, const char *name, bool learn)
{
    listing l;
    int32_t label;
    nilu_status status = list(f, folder, &l);
    if (status == NILU_OK && pictures_in(&l) == 0) {
        if (f->empties++ == 0)
            snprintf(f->empty, sizeof f->empty, "%s", name);
    } else if (status == NILU_OK) {
        status = class_of(f, folder, name, learn, &label);
        if (status == NILU_OK)
            status = add_pictures(f, folder, &l, label);
    }
    base_free(f->d->nl, l.entry);
    return status;
}

/* A folder of classes, or of pictures without any. `learn`: its folders are the classes. */
static nilu_status add_part(finder *f, const char *folder, bool learn)
{
    listing l;
    int64_t before = f->set->n;
    nilu_status status = list(f, folder, &l);
    for (int i = 0; i < l.n && status == NILU_OK; i++) {
        char *below = l.entry[i].folder ? data_keep_format(&f->names, "%s/%s", folder, l.entry[i].name) : NULL;
        if (below)
            status = add_class(f, below, l.entry[i].name, learn);
        else if (l.entry[i].folder)
            status = NILU_E_NO_MEMORY;
    }
    if (status == NILU_OK && f->set->n == before) {
        status = add_pictures(f, folder, &l, -1);
    } else {
        for (int i = 0; i < l.n; i++)
            if (!l.entry[i].folder)
                left_out(f, &l.entry[i]);
    }
    base_free(f->d->nl, l.entry);
    return status;
}

/* The folder of a part, NULL: there is none. One that holds pictures itself is a class of that name. */
static nilu_status part_folder(finder *f, const char *where, const listing *top, const char *const names[3], const char **path)
{
    *path = NULL;
    for (int i = 0; i < top->n; i++) {
        bool named = false;
        for (int k = 0; k < 3 && names[k] && top->entry[i].folder; k++)
            named = named || strcasecmp(top->entry[i].name, names[k]) == 0;
        if (!named)
            continue;
        const char *folder = data_keep_format(&f->names, "%s/%s", where, top->entry[i].name);
        listing l = {0};
        NILU_TRY(folder ? list(f, folder, &l) : NILU_E_NO_MEMORY);
        bool folders = false;
        for (int k = 0; k < l.n; k++)
            folders = folders || l.entry[k].folder;
        if (folders && pictures_in(&l) == 0)
            *path = folder;
        base_free(f->d->nl, l.entry);
    }
    return NILU_OK;
}

static nilu_status find(finder *f, const char *where)
{
    static const char *const names[NILU_PARTS][3] = {[NILU_TRAIN] = {"train", "training"},
                                                     [NILU_VALIDATION] = {"validation", "val", "valid"},
                                                     [NILU_TEST] = {"test", "testing"}};
    const char *part[NILU_PARTS] = {NULL};
    picture_set *s = f->set;
    nilu_data *d = f->d;
    listing top;
    nilu_status status = list(f, where, &top);
    for (int p = 0; p < NILU_PARTS && status == NILU_OK; p++)
        status = part_folder(f, where, &top, names[p], &part[p]);
    base_free(d->nl, top.entry);
    NILU_TRY(status);
    NILU_TRY(add_part(f, part[NILU_TRAIN] ? part[NILU_TRAIN] : where, !d->has_encoder));
    s->first[NILU_VALIDATION] = s->first[NILU_TEST] = s->n;
    if (s->classes == 1)
        return base_fail(d->nl, NILU_E_DATA, N_("%s: all samples are of one class; two are needed to learn a difference"), where);
    if (s->classes) {
        d->info.task = NILU_TASK_CLASSES;
        d->info.outputs = s->classes;
        d->class_name = data_keep(&d->pool, (size_t)s->classes * sizeof *d->class_name);
        if (!d->class_name)
            return NILU_E_NO_MEMORY;
        memcpy(d->class_name, s->class, (size_t)s->classes * sizeof *d->class_name);
        d->info.class_names = d->class_name;
    }
    if (!part[NILU_TRAIN])
        return NILU_OK;
    if (part[NILU_VALIDATION])
        NILU_TRY(add_part(f, part[NILU_VALIDATION], false));
    s->first[NILU_TEST] = s->n;
    return part[NILU_TEST] ? add_part(f, part[NILU_TEST], false) : NILU_OK;
}

nilu_status data_find_pictures(nilu_data *d, const char *where, picture_set *set)
{
    finder f = {.d = d, .names.nl = d->nl, .set = set};
    nilu_status status = find(&f, where);
    data_pool_free(&f.names);
    if (status == NILU_OK && f.others && set->n)
        status = data_note(d, N_("Left out were %lld files that are not named as PNG or JPEG pictures, the first \"%s\"."),
                           (long long)f.others, f.other);
    if (status == NILU_OK && f.empties && set->n)
        status = data_note(d, N_("Left out were %lld folders without pictures, the first \"%s\"."), (long long)f.empties, f.empty);
    return status;
}
