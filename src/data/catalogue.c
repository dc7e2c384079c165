/* The catalogue: sets that nilu knows by name. A row says where a set comes from and what its files hash to, unpacked, so
 * that it does not matter who packed them or which server they came from. */
#include "data/data.h"

#include <string.h>

#ifndef NILU_DATADIR
#define NILU_DATADIR "/usr/local/share/nilu"
#endif

static const char *const garments[10] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                         "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

static const data_set sets[] = {
    {.about = {"digits", "5,000 handwritten digits of MNIST, 28 x 28; comes with nilu", "CC BY-SA 3.0", ""}},
    {.about = {"mnist", "70,000 handwritten digits, 28 x 28 (LeCun, Cortes, Burges 1998)", "CC BY-SA 3.0",
               "https://ossci-datasets.s3.amazonaws.com/mnist"},
     .file = {{"train-images-idx3-ubyte", 47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
              {"train-labels-idx1-ubyte", 60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
              {"t10k-images-idx3-ubyte", 7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
              {"t10k-labels-idx1-ubyte", 10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"}}},
    {.about = {"fashion-mnist", "70,000 pictures of clothes in 10 classes, 28 x 28 (Xiao, Rasul, Vollgraf 2017)", "MIT",
               "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"},
     .system = "/usr/share/datasets/fashion-mnist",
     .file = {{"train-images-idx3-ubyte", 47040016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
              {"train-labels-idx1-ubyte", 60008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
              {"t10k-images-idx3-ubyte", 7840016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
              {"t10k-labels-idx1-ubyte", 10008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"}},
     .classes = garments,
     .outputs = 10},
};

const nilu_dataset *nilu_data_catalogue(int i)
{
    return i >= 0 && (size_t)i < COUNT(sets) ? &sets[i].about : NULL;
}

const data_set *data_set_named(const char *name)
{
    for (size_t i = 0; i < COUNT(sets); i++)
        if (strcmp(sets[i].about.name, name) == 0)
            return &sets[i];
    return NULL;
}

/* A set is there if all of its files are, packed or not: a download that was stopped leaves some. */
static bool is_whole(nilu_data *d, const data_set *set, const char *folder)
{
    bool whole = data_exists(folder, true);
    for (int i = 0; i < 4 && whole && set->file[i].name; i++) {
        char *packed = data_keep_format(&d->pool, "%s/%s.gz", folder, set->file[i].name);
        char *plain = data_keep_format(&d->pool, "%s/%s", folder, set->file[i].name);
        whole = packed && plain && (data_exists(packed, false) || data_exists(plain, false));
    }
    return whole;
}

bool data_catalogue_find(nilu_data *d, const char *name, nilu_status *status, char **folder)
{
    const data_set *set = data_set_named(name);
    const char *parent = d->options.cache_dir;
    *folder = NULL;
    *status = NILU_OK;
    if (!set)
        return false;
    if (!set->file[0].name)
        parent = d->options.data_dir ? d->options.data_dir : NILU_DATADIR;
    if (parent) {
        *folder = data_keep_format(&d->pool, "%s/%s", parent, name);
        *status = *folder ? NILU_OK : NILU_E_NO_MEMORY;
        if (*folder && is_whole(d, set, *folder))
            return true;
    }
    *folder = NULL;
    if (*status == NILU_OK && set->system && data_exists(set->system, true)) {
        *folder = data_keep_text(&d->pool, set->system, strlen(set->system));
        *status = *folder ? NILU_OK : NILU_E_NO_MEMORY;
    }
    return true;
}
