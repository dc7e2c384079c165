/* Opening a run for forensics, and the sample that the line names. */
#include "cli.h"

#include <math.h>
#include <string.h>

#include "report/report.h"

nilu_status cli_case_open(cli *c, const char *folder, nilu_dtype dtype, cli_case *k)
{
    nilu_data_options opened;
    nilu_inquiry_options o = NILU_INQUIRY_DEFAULT;
    *k = (cli_case){.c = c};
    NILU_TRY(cli_data_options(c, NULL, &opened));
    o.dtype = dtype;
    o.opened = &opened;
    NILU_TRY(nilu_inquiry_open(c->nl, folder, &o, &k->at));
    k->info = nilu_inquiry_about(k->at);
    return NILU_OK;
}

nilu_status cli_case_look(cli_case *k, const cli_sampling *s)
{
    return nilu_inquiry_sample(k->at, s->sample, s->truth, s->accused, &k->sample);
}

void cli_case_free(cli_case *k)
{
    nilu_inquiry_free(k->at);
}

const char *cli_case_headline(const cli_case *k, char out[256])
{
    const nilu_data_info *set = k->info->set;
    const char *loss = k->info->about->options.loss;
    char said[64], truth[64];
    nilu_verdict v;
    nilu_scene_verdict(k->info->scene, &v);
    if (v.label < 0) {
        double mean = set->target_mean ? set->target_mean[0] : 0, std = set->target_std ? set->target_std[0] : 1;
        snprintf(out, 256, _(N_("%s of %s: %.6g is right, the network says %.6g; loss %.6g")), k->sample.name, set->name,
                 v.target[0] * std + mean, v.y[0] * std + mean, v.loss);
        return out;
    }
    double sum = 0;
    int64_t best = 0;
    for (int64_t i = 1; i < v.outputs; i++)
        best = v.y[i] > v.y[best] ? i : best;
    for (int64_t i = 0; i < v.outputs; i++)
        sum += exp(v.y[i] - v.y[best]);
    cli_clean(set->class_names[v.label], truth, sizeof truth);
    cli_clean(set->class_names[best], said, sizeof said);
    if (!loss || strcmp(loss, "cross_entropy") == 0)
        snprintf(out, 256, _(N_("%s of %s: %s is right, the network says %s (%.1f %% sure); loss %.6g")), k->sample.name, set->name, truth,
                 said, 100 / sum, v.loss);
    else
        snprintf(out, 256, _(N_("%s of %s: %s is right, the network says %s; loss %.6g")), k->sample.name, set->name, truth, said, v.loss);
    return out;
}

nilu_status cli_case_picture(const cli_case *k, struct report *r)
{
    const nilu_data_info *set = k->sample.set;
    if (!set->height || (set->channels != 1 && set->channels != 3))
        return NILU_OK;
    unsigned char *pixels = base_alloc(k->c->nl, (size_t)set->features);
    if (!pixels)
        return NILU_E_NO_MEMORY;
    nilu_status status = nilu_data_picture(k->sample.data, k->sample.part, k->sample.index, pixels);
    int zoom = 168 / set->width;
    report_raw(r, "<figure>");
    if (status == NILU_OK)
        report_picture(r, pixels, set->height, set->width, set->channels, zoom > 1 ? zoom : 1, k->sample.name);
    report_markup(r, "<figcaption>%s</figcaption></figure>\n", k->sample.name);
    base_free(k->c->nl, pixels);
    return status;
}

static const char *const starts[] = {"loss", "gap"};

const char *cli_start_name(int i)
{
    return i >= 0 && i < (int)COUNT(starts) ? starts[i] : NULL;
}
