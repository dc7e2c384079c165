/* Scores as text and as JSON, and the names of the parts that they are of. */
#include "cli.h"

const char *cli_scores_text(const nilu_scores *s, char out[96])
{
    out[0] = 0;
    if (s->n && s->task == NILU_TASK_CLASSES)
        snprintf(out, 96, _(N_("accuracy %.2f %%")), 100 * s->accuracy);
    else if (s->n)
        snprintf(out, 96, _(N_("RMSE %.4g, R2 %.4f")), s->rmse, s->r2);
    return out;
}

json_t *cli_scores_json(const nilu_scores *s)
{
    json_t *o = json_object();
    if (!s->n)
        return o;
    json_object_set_new(o, "loss", cli_real(s->loss));
    if (s->task == NILU_TASK_CLASSES)
        json_object_set_new(o, "accuracy", cli_real(s->accuracy));
    if (s->task == NILU_TASK_NUMBERS) {
        json_object_set_new(o, "rmse", cli_real(s->rmse));
        json_object_set_new(o, "mae", cli_real(s->mae));
        json_object_set_new(o, "r2", cli_real(s->r2));
    }
    return o;
}

const char *cli_part_name(int i)
{
    static const char *const names[] = {[NILU_TRAIN] = "train", [NILU_VALIDATION] = "validation", [NILU_TEST] = "test"};
    return i >= 0 && i < NILU_PARTS ? names[i] : NULL;
}

const char *cli_part_title(nilu_part part)
{
    static const char *const titles[] = {[NILU_TRAIN] = N_("training"), [NILU_VALIDATION] = N_("validation"), [NILU_TEST] = N_("test")};
    return _(titles[part]);
}
