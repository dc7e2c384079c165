/* The words of augmentation: "flip, crop 4, cutout 8, colour 0.2, mixup 0.2". Each is one row, and may stand once. */
#include "data/augment.h"

#include <stdlib.h>
#include <string.h>

typedef struct word {
    const char *name;
    bool number;      /* it takes one */
    double low, high; /* of which 0 is no limit, but the shorter side of the picture */
    void (*set)(data_augment *a, double value);
} word;

static void set_flip(data_augment *a, double value)
{
    (void)value;
    a->flip = AUGMENT_FLIP;
}

static void set_altflip(data_augment *a, double value)
{
    (void)value;
    a->flip = AUGMENT_ALTFLIP;
}

static void set_crop(data_augment *a, double value)
{
    a->shift = (int)value;
    a->reflect = true;
}

static void set_translate(data_augment *a, double value)
{
    a->shift = (int)value;
    a->reflect = false;
}

static void set_cutout(data_augment *a, double value)
{
    a->cutout = (int)value;
}

static void set_colour(data_augment *a, double value)
{
    a->colour = value;
}

static void set_mixup(data_augment *a, double value)
{
    a->mixup = value;
}

static const word words[] = {{"flip", false, 0, 0, set_flip},         {"altflip", false, 0, 0, set_altflip},
                             {"crop", true, 1, 0, set_crop},          {"translate", true, 1, 0, set_translate},
                             {"cutout", true, 1, 0, set_cutout},      {"colour", true, 0.01, 1, set_colour},
                             {"mixup", true, 0.01, 4, set_mixup}};

static nilu_status unknown(nilu *nl, const char *name)
{
    const char *names[COUNT(words)];
    for (size_t i = 0; i < COUNT(words); i++)
        names[i] = words[i].name;
    const char *near = base_nearest(name, names, COUNT(words));
    if (near)
        return base_fail(nl, NILU_E_USAGE, N_("augment: there is nothing called \"%s\"; did you mean %s?"), name, near);
    return base_fail(nl, NILU_E_USAGE, N_("augment: there is nothing called \"%s\"; give some of flip, altflip, crop N, translate N, cutout N, colour S, mixup A, separated by commas"), name);
}

/* A number that is written with digits and a point, in any locale. */
static bool number_of(const char *text, double *value)
{
    data_cell cell = {.at = (char *)text, .n = strlen(text)};
    return data_cell_number(&cell, false, value) == CELL_NUMBER;
}

static nilu_status read_word(nilu *nl, const nilu_data *d, char *text, bool *seen, data_augment *a)
{
    char *name = text + strspn(text, " "), *end = name + strcspn(name, " "), *value = end + strspn(end, " ");
    size_t i = 0;
    double v = 0;
    for (size_t n = strlen(value); n > 0 && value[n - 1] == ' ';)
        value[--n] = 0;
    *end = 0;
    while (i < COUNT(words) && strcmp(words[i].name, name) != 0)
        i++;
    if (i == COUNT(words))
        return unknown(nl, name);
    const word *w = &words[i];
    const int side = d->info.height < d->info.width ? d->info.height : d->info.width;
    const double high = w->high > 0 ? w->high : w->set == set_cutout ? side : side - 1;
    if (!w->number && *value)
        return base_fail(nl, NILU_E_USAGE, N_("augment: %s takes no number, but \"%s\" stands behind it"), name, value);
    if (w->number && (!number_of(value, &v) || !(v >= w->low && v <= high) || (w->low == 1 && v != (int)v)))
        return base_fail(nl, NILU_E_USAGE, N_("augment: %s wants a number from %g to %g, not \"%s\""), name, w->low, high, value);
    if (seen[i])
        return base_fail(nl, NILU_E_USAGE, N_("augment: %s stands there twice"), name);
    seen[i] = true;
    w->set(a, v);
    return NILU_OK;
}

nilu_status data_augment_read(nilu *nl, const nilu_data *d, const char *text, data_augment *a)
{
    bool seen[COUNT(words)] = {false};
    *a = (data_augment){0};
    if (!text || !*text)
        return NILU_OK;
    if (!d->info.height)
        return base_fail(nl, NILU_E_USAGE, N_("augment: the samples of %s are no pictures, which alone can be mirrored, shifted or lit otherwise; leave it out"), d->info.name);
    char *copy = base_strdup(nl, text), *at = copy;
    nilu_status status = copy ? NILU_OK : NILU_E_NO_MEMORY;
    while (status == NILU_OK && at) {
        char *next = strchr(at, ',');
        if (next)
            *next++ = 0;
        status = read_word(nl, d, at, seen, a);
        at = next;
    }
    base_free(nl, copy);
    if (status == NILU_OK && seen[0] && seen[1])
        status = base_fail(nl, NILU_E_USAGE, N_("augment: flip and altflip both mirror; keep one"));
    if (status == NILU_OK && seen[2] && seen[3])
        status = base_fail(nl, NILU_E_USAGE, N_("augment: crop and translate both shift; keep one"));
    return status;
}
