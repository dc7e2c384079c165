/* Grad-CAM (Selvaraju et al. 2017): where a layer looked. Each channel of its maps counts by the mean of the error that
 * reached it; what is left above 0 of their sum is spread over the picture, linear between the middles of the maps' places.
 * It is coarse and holds for a layer as a whole, where the other methods follow every pixel. */
#include "forensics/lens.h"

#include <math.h>

struct forensics_cam {
    nilu *nl;
    nilu_plan *plan;
    nilu_dtype dtype;
    int64_t features, outputs, channels, height, width; /* of the maps */
    int picture[3];                                     /* height, width, channels */
    bool planes;
    void *x, *direction; /* fed */
    float *map, *large;
};

/* The last maps [1, channels, height, width] before anything is made of them that is no map. */
static nilu_tensor *last_maps(nilu_graph *g, const nilu_model *m)
{
    nilu_tensor *sums, *found = NULL;
    for (int i = 0; i < m->nlayer; i++) {
        nilu_tensor *t = forensics_layer(g, m->layer[i].name, &sums);
        if (t && t->shape.rank == 4 && t->shape.dim[2] * t->shape.dim[3] > 1 && m->layer[i].kind != nn_kind_find("channels_first"))
            found = t;
    }
    return found;
}

static nilu_status compile(forensics_cam *c, nilu_graph *g, nilu_tensor *y, nilu_tensor *maps, nilu_store *store)
{
    nilu_tensor *fetch[3] = {y, maps, NULL};
    nilu_tensor *direction = nilu_input(g, "direction", NILU_F32, NILU_SHAPE(c->outputs));
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    o.dtype = c->dtype;
    NILU_TRY(nilu_grad(nilu_sum(nilu_mul(y, direction), NILU_ALL, false), 1, &maps, &fetch[2]));
    NILU_TRY(nilu_compile(g, store, 3, fetch, &o, &c->plan));
    const size_t real = nilu_dtype_size(c->dtype);
    c->x = base_calloc(c->nl, (size_t)(c->features + c->outputs), real);
    c->map = base_calloc(c->nl, (size_t)(c->height * c->width) + (size_t)c->picture[0] * (size_t)c->picture[1], sizeof *c->map);
    if (!c->x || !c->map)
        return NILU_E_NO_MEMORY;
    c->large = c->map + c->height * c->width;
    c->direction = (char *)c->x + (size_t)c->features * real;
    NILU_TRY(nilu_feed(c->plan, "x", c->x, (size_t)c->features * real));
    return nilu_feed(c->plan, "direction", c->direction, (size_t)c->outputs * real);
}

nilu_status forensics_cam_new(nilu *nl, const nilu_model *model, nilu_store *store, int64_t features, int64_t outputs,
                              const nilu_attribute_options *o, forensics_cam **cam)
{
    nilu_graph *g = NULL;
    nilu_tensor *y, *sums, *maps = NULL;
    *cam = NULL;
    if (o->height < 1 || o->width < 1 || o->channels < 1 || (int64_t)o->height * o->width * o->channels != features)
        return base_fail(nl, NILU_E_UNSUPPORTED, N_("grad_cam: the samples are no pictures; it shows where in a picture a layer looked"));
    forensics_cam *c = base_calloc(nl, 1, sizeof *c);
    if (!c)
        return NILU_E_NO_MEMORY;
    *c = (forensics_cam){.nl = nl, .dtype = o->dtype, .features = features, .outputs = outputs, .planes = o->planes,
                         .picture = {o->height, o->width, o->channels}};
    nilu_status status = forensics_build(nl, model, 1, features, outputs, &g, &y);
    if (status == NILU_OK) {
        maps = o->layer ? forensics_layer(g, o->layer, &sums) : last_maps(g, model);
        if (!maps && o->layer)
            status = forensics_no_layer(nl, g, model, o->layer);
        else if (!maps)
            status = base_fail(nl, NILU_E_UNSUPPORTED, N_("grad_cam: no layer gives maps, as convolutions do; ask by another method"));
        else if (maps->shape.rank != 4)
            status = base_fail(nl, NILU_E_UNSUPPORTED, N_("grad_cam: %s gives no maps; name a layer that does, such as a convolution"), o->layer);
    }
    if (status == NILU_OK) {
        c->channels = maps->shape.dim[1];
        c->height = maps->shape.dim[2];
        c->width = maps->shape.dim[3];
        status = compile(c, g, y, maps, store);
    }
    nilu_graph_free(g);
    if (status == NILU_OK)
        *cam = c;
    else
        forensics_cam_free(c);
    return status;
}

void forensics_cam_free(forensics_cam *c)
{
    if (!c)
        return;
    nilu_plan_free(c->plan);
    base_free(c->nl, c->x);
    base_free(c->nl, c->map);
    base_free(c->nl, c);
}

nilu_status forensics_cam_look(forensics_cam *c, const float *x, int accused, int rival, double *part, double *gap)
{
    const int64_t area = c->height * c->width;
    for (int64_t i = 0; i < c->features; i++)
        base_store(c->dtype, c->x, i, (double)x[i]);
    for (int64_t k = 0; k < c->outputs; k++)
        base_store(c->dtype, c->direction, k, (k == accused) - (double)(k == rival));
    NILU_TRY(nilu_step(c->plan));
    const void *y = nilu_fetched(c->plan, 0), *maps = nilu_fetched(c->plan, 1), *error = nilu_fetched(c->plan, 2);
    *gap = base_load(c->dtype, y, accused) - (rival < 0 ? 0 : base_load(c->dtype, y, rival));
    for (int64_t i = 0; i < area; i++)
        c->map[i] = 0;
    for (int64_t k = 0; k < c->channels; k++) {
        double mean = 0;
        for (int64_t i = 0; i < area; i++)
            mean += base_load(c->dtype, error, k * area + i) / (double)area;
        for (int64_t i = 0; i < area; i++)
            c->map[i] += (float)(mean * base_load(c->dtype, maps, k * area + i));
    }
    for (int64_t i = 0; i < area; i++)
        c->map[i] = fmaxf(c->map[i], 0);
    NILU_TRY(forensics_resample(c->nl, c->map, 1, (int)c->height, (int)c->width, c->large, c->picture[0], c->picture[1]));
    const int64_t channels = c->picture[2], plane = c->features / channels;
    for (int64_t i = 0; i < c->features; i++) /* the channels of a pixel share its number */
        part[i] = (double)c->large[c->planes ? i % plane : i / channels] / (double)channels;
    return NILU_OK;
}
