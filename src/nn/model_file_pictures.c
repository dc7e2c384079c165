/* What a model is told about its data: the shape of pictures, where it has layers that want pictures and does not say, or
 * where other pictures are to be looked at. The model is read anew from its text, so the caller's stays as it was. */
#include "nn/nn.h"

#include <math.h>
#include <string.h>

/* The model with the shape of its pictures written into its input. */
static nilu_status tell(nilu_model *m, int64_t height, int64_t width, int64_t many, bool planes)
{
    nn_input *in = &m->input[0];
    in->shaped = true;
    in->shape = many == 1 || planes ? NILU_SHAPE(many, height, width) : NILU_SHAPE(height, width, many);
    if (many == 1 || planes)
        return NILU_OK;
    char name[NN_MAX_NAME] = "channels_first";
    for (int i = 2; nn_layer_find(m, name) != INT32_MIN; i++)
        snprintf(name, sizeof name, "channels_first%d", i);
    NILU_TRY(base_grow(m->nl, &m->layer, &m->layer_cap, m->nlayer + 1, sizeof *m->layer));
    nn_layer first = {.kind = nn_kind_find("channels_first"), .name = base_strdup(m->nl, name), .where = base_strdup(m->nl, in->where),
                      .from = base_alloc(m->nl, sizeof *first.from), .nfrom = 1, .read = true};
    if (!first.name || !first.where || !first.from) {
        nn_layer_clear(m->nl, &first);
        return NILU_E_NO_MEMORY;
    }
    first.from[0] = -1;
    for (int k = 0; k < NN_MAX_ARGS; k++)
        first.value[k].number = NAN;
    for (int i = 0; i < m->nlayer; i++)
        for (int k = 0; k < m->layer[i].nfrom; k++)
            m->layer[i].from[k]++; /* the input is layer 0 now */
    memmove(m->layer + 1, m->layer, (size_t)m->nlayer * sizeof *m->layer);
    m->layer[0] = first;
    m->nlayer++;
    m->result++;
    return NILU_OK;
}

/* The same model once more, read from its text; a file in another's format is shared. */
static nilu_status again(const nilu_model *m, nilu_model **own)
{
    char *text = nilu_model_text(m);
    nilu_status status = text ? nilu_model_from_text(m->nl, text, m->file, own) : NILU_E_NO_MEMORY;
    nilu_text_free(m->nl, text);
    if (status == NILU_OK && m->source) {
        m->source->hold(m->opened);
        (*own)->source = m->source;
        (*own)->opened = m->opened;
    }
    return status;
}

nilu_status nn_for_loss(nilu_model *m, const char *loss)
{
    base_free(m->nl, m->loss);
    m->loss = base_strdup(m->nl, loss);
    m->training.loss = m->loss;
    return m->loss ? NILU_OK : NILU_E_NO_MEMORY;
}

nilu_status nn_for_pictures(const nilu_model *m, int height, int width, int many, bool planes, nilu_model **own)
{
    bool wanted = false;
    *own = NULL;
    bool pictures = height >= 1 && width >= 1 && many >= 1;
    for (int i = 0; i < m->nlayer; i++)
        wanted |= m->layer[i].kind->pictures;
    if (!m->path && (!wanted || m->ninput != 1 || m->input[0].shaped || !pictures))
        return NILU_OK;
    nilu_status status = again(m, own);
    if (status == NILU_OK && m->path && pictures && !m->input[0].shaped) {
        (*own)->input[0].shaped = true;
        (*own)->input[0].shape = planes ? NILU_SHAPE(many, height, width) : NILU_SHAPE(height, width, many);
    } else if (status == NILU_OK && !m->path)
        status = tell(*own, height, width, many, planes);
    if (status != NILU_OK) {
        nilu_model_free(*own);
        *own = NULL;
    }
    return status;
}

nilu_status nn_at_size(const nilu_model *m, int height, int width, int new_height, int new_width, nilu_model **own)
{
    *own = NULL;
    NILU_TRY(again(m, own));
    nilu_shape *s = &(*own)->input[0].shape;
    const int at = s->rank == 3 && s->dim[0] == height && s->dim[1] == width ? 0 : s->rank - 2; /* channels last, or first */
    if ((*own)->input[0].shaped && s->rank >= 2 && s->dim[at] == height && s->dim[at + 1] == width) {
        s->dim[at] = new_height;
        s->dim[at + 1] = new_width;
    }
    return NILU_OK;
}
