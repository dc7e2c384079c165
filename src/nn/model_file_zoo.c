/* The models that come with nilu: for each a row, and a file of layers in the folder `models` of the data, so that they can
 * be read and changed like anyone's own. The last dense layer is as wide as the data's target; the numbers of parameters
 * are those of 1,000 classes for nets of large pictures, of 10 for the others. */
#include "nn/nn.h"

#include <string.h>

static const nilu_known_model models[] = {
    {"lenet5", N_("28 x 28, 62 thousand parameters (LeCun 1998)")},
    {"cnn28", N_("28 x 28, 1.2 million parameters: two convolutions, a pool, two dense layers")},
    {"mnist_fast", N_("28 x 28, 29 thousand parameters, learnt in little time")},
    {"mnist_quick", N_("28 x 28, 0.12 million parameters, learnt in seconds")},
    {"cifar_small", N_("32 x 32, 0.29 million parameters, at full resolution")},
    {"cifar_quick", N_("32 x 32, 0.6 million parameters: cifar_fast with fewer filters")},
    {"cifar_fast", N_("32 x 32, 1.4 million parameters, learnt in little time: a first layer that whitens, Muon")},
    {"resnet20", N_("32 x 32, 0.27 million parameters (He 2015)")},
    {"resnet18_32", N_("32 x 32, 11.2 million parameters: resnet18 without its early strides")},
    {"resnet18", N_("224 x 224, 11.7 million parameters (He 2015)")},
    {"resnet50", N_("224 x 224, 25.6 million parameters (He 2015)")},
    {"vgg11", N_("224 x 224, 132.9 million parameters (Simonyan 2014)")},
    {"mobilenet_v2", N_("224 x 224, 3.5 million parameters (Sandler 2018)")},
};

const nilu_known_model *nilu_model_catalogue(int i)
{
    return i >= 0 && i < (int)COUNT(models) ? &models[i] : NULL;
}

static const char *name_at(int i)
{
    return i < (int)COUNT(models) ? models[i].name : NULL;
}

nilu_status nilu_model_known(nilu *nl, const char *name, const char *data_dir, nilu_model **model)
{
    char suggestion[256];
    bool known = false;
    *model = NULL;
    for (size_t i = 0; i < COUNT(models); i++)
        known |= strcmp(models[i].name, name) == 0;
    if (!known)
        return base_fail(nl, NILU_E_NAME, N_("no model is called %.80s; %s"), name, nn_suggest(name, name_at, N_("there are"), suggestion));
    char *path = base_format(nl, "%s/models/%s.yaml", data_dir ? data_dir : NILU_DATADIR, name);
    nilu_status status = path ? nilu_model_load(nl, path, model) : NILU_E_NO_MEMORY;
    base_free(nl, path);
    return status;
}
