/* What the ends of a weight are called. */
#include "report/sheet.h"

int64_t report_pixel(const nilu_data_info *set, int64_t feature, int *channel)
{
    const int64_t plane = (int64_t)set->height * set->width;
    *channel = (int)(set->planes ? feature / plane : feature % set->channels);
    return set->planes ? feature % plane : feature / set->channels;
}

const char *report_name(const report_names *names, int layer, int64_t index, char out[REPORT_NAME])
{
    const nilu_data_info *set = names->set;
    nilu_verdict v;
    nilu_scene_verdict(names->scene, &v);
    if (layer >= 0) {
        const forensics_site *l = forensics_scene_site(names->scene, layer);
        bool last = layer == nilu_scene_layers(names->scene) - 1 && l->out == v.outputs;
        char number[24];
        snprintf(number, sizeof number, "%lld", (long long)index);
        if (l->slides) {
            const int64_t place = index % l->places, across = l->window.map[1];
            snprintf(out, REPORT_NAME, "%s[%d](%d, %d)", l->name, (int)(index / l->places), (int)(place / across), (int)(place % across));
            return out;
        }
        const char *class = last && set && set->class_names ? set->class_names[index] : number;
        bool same = true;
        for (int i = 0; same && (class[i] || number[i]); i++)
            same = class[i] == number[i];
        snprintf(out, REPORT_NAME, same ? "%s[%s]" : "%s[%s] %.40s", l->name, number, class);
    } else if (layer == -2) {
        snprintf(out, REPORT_NAME, "input[%lld]", (long long)index);
    } else if (set && set->height && index < v.features) {
        int channel;
        int64_t pixel = report_pixel(set, index, &channel);
        snprintf(out, REPORT_NAME, set->channels > 1 ? "(%lld, %lld) %c" : "(%lld, %lld)", (long long)(pixel / set->width),
                 (long long)(pixel % set->width), set->channels == 3 ? "RGB"[channel] : (char)('0' + channel % 10));
    } else if (set && set->feature_names && index < v.features) {
        snprintf(out, REPORT_NAME, "%.60s", set->feature_names[index]);
    } else {
        snprintf(out, REPORT_NAME, "x[%lld]", (long long)index);
    }
    return out;
}
