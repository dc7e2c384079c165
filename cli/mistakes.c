/* Wrong answers of a run: the ones that were given most surely, as a list, as JSON, and one as it looks. */
#include "cli.h"

#include <math.h>

/* Keeps the n worst, worst first. */
static void keep(cli_mistake *worst, int64_t n, int64_t *have, cli_mistake m)
{
    int64_t at = *have < n ? (*have)++ : n;
    if (at == n && !(m.sure > worst[n - 1].sure))
        return;
    at = at == n ? n - 1 : at;
    for (; at > 0 && m.sure > worst[at - 1].sure; at--)
        worst[at] = worst[at - 1];
    worst[at] = m;
}

static bool judge(const cli_subject *k, const float *answer, const float *want, int label, int64_t index, cli_mistake *m)
{
    *m = (cli_mistake){.index = index};
    if (k->info->task == NILU_TASK_NUMBERS) {
        m->value = answer[0];
        m->want = want[0] * k->info->target_std[0] + k->info->target_mean[0];
        m->sure = fabs(m->value - m->want);
        return m->sure > 0;
    }
    for (int i = 1; i < (int)k->info->outputs; i++)
        if (answer[i] > answer[m->said])
            m->said = i;
    m->truth = label;
    m->sure = answer[m->said];
    return label >= 0 && label != m->said;
}

#define BLOCK 1024
/* The wrong answers that were given most surely. */
nilu_status cli_mistakes_find(const cli_subject *k, int64_t n, cli_mistake *worst, int64_t *have)
{
    nilu *nl = k->c->nl;
    int64_t all = k->info->count[k->part], index[BLOCK];
    bool classes = k->info->task == NILU_TASK_CLASSES;
    size_t outputs = (size_t)k->info->outputs, bytes, row;
    nilu_status status = NILU_E_NO_MEMORY;
    int32_t label[BLOCK];
    if (!base_mul((size_t)k->info->features, BLOCK * sizeof(float), &bytes) || !base_mul(outputs, BLOCK * sizeof(float), &row))
        return base_no_memory(nl, 0);
    float *x = base_alloc(nl, bytes), *answer = base_alloc(nl, row), *want = base_alloc(nl, row);
    *have = 0;
    if (!x || !answer || !want)
        goto cleanup;
    for (int64_t first = 0; first < all; first += BLOCK) {
        int64_t m = all - first < BLOCK ? all - first : BLOCK;
        for (int64_t i = 0; i < m; i++)
            index[i] = first + i;
        status = nilu_predict(k->predictor, k->part, index, m, answer);
        if (status == NILU_OK)
            status = nilu_data_batch(k->data, k->part, index, m, x, classes ? label : NULL, classes ? NULL : want);
        if (status != NILU_OK)
            goto cleanup;
        for (int64_t i = 0; i < m; i++) {
            cli_mistake found;
            if (judge(k, answer + (size_t)i * outputs, want + (size_t)i * outputs, classes ? label[i] : -1, first + i, &found))
                keep(worst, n, have, found);
        }
    }
    status = NILU_OK;
cleanup:
    base_free(nl, x);
    base_free(nl, answer);
    base_free(nl, want);
    return status;
}

static const char *sample_name(const cli_subject *k, int64_t index, char out[48])
{
    snprintf(out, 48, "%s:%lld", cli_part_name((int)k->part), (long long)index);
    return out;
}

nilu_status cli_mistakes_list(const cli_subject *k, const cli_mistake *worst, int64_t n)
{
    char name[48];
    bool classes = k->info->task == NILU_TASK_CLASSES;
    cli_table t = cli_table_new(k->c->nl, "lllr");
    cli_cell(&t, "%s", _(N_("sample")));
    cli_cell(&t, "%s", classes ? _(N_("said")) : _(N_("predicted")));
    cli_cell(&t, "%s", classes ? _(N_("truth")) : _(N_("true value")));
    cli_cell(&t, "%s", classes ? _(N_("sure")) : _(N_("error")));
    for (int64_t i = 0; i < n; i++) {
        cli_cell(&t, "%s", sample_name(k, worst[i].index, name));
        if (classes) {
            cli_cell(&t, "%s", k->info->class_names[worst[i].said]);
            cli_cell(&t, "%s", k->info->class_names[worst[i].truth]);
            cli_cell(&t, "%.1f %%", 100 * worst[i].sure);
        } else {
            cli_cell(&t, "%.6g", worst[i].value);
            cli_cell(&t, "%.6g", worst[i].want);
            cli_cell(&t, "%.4g", worst[i].sure);
        }
    }
    printf("\n");
    return cli_table_print(&t, &k->c->out, 0);
}

/* One wrong answer as it looks: a picture, or the cells of its row. */
nilu_status cli_mistake_show(const cli_subject *k, const cli_mistake *m)
{
    cli *c = k->c;
    char name[48], said[128], truth[128];
    sample_name(k, m->index, name);
    if (k->info->task == NILU_TASK_CLASSES)
        printf(_(N_("\nA mistake: %s is %s, but the network says %s (%.1f %% sure)\n")), name,
               cli_clean(k->info->class_names[m->truth], truth, sizeof truth),
               cli_clean(k->info->class_names[m->said], said, sizeof said), 100 * m->sure);
    else
        printf(_(N_("\nThe largest error: %s is %.6g, but the network says %.6g\n")), name, m->want, m->value);
    if (k->info->height) {
        size_t pixels = (size_t)k->info->features;
        unsigned char *picture = base_alloc(c->nl, pixels);
        if (!picture)
            return NILU_E_NO_MEMORY;
        nilu_status status = nilu_data_picture(k->data, k->part, m->index, picture);
        if (status == NILU_OK)
            cli_picture(&c->out, picture, k->info->height, k->info->width, k->info->channels, 2);
        base_free(c->nl, picture);
        NILU_TRY(status);
    } else {
        char *text = nilu_data_describe(k->data, k->part, m->index), clean[2048];
        if (!text)
            return NILU_E_NO_MEMORY;
        printf("  ");
        cli_wrap(stdout, cli_clean(text, clean, sizeof clean), 2, 2, c->out.columns);
        printf("\n");
        nilu_text_free(c->nl, text);
    }
    return NILU_OK;
}

json_t *cli_mistakes_json(const cli_subject *k, const cli_mistake *worst, int64_t n)
{
    json_t *list = json_array();
    for (int64_t i = 0; list && i < n; i++) {
        json_t *o = json_pack("{s:I}", "sample", (json_int_t)worst[i].index);
        if (o && k->info->task == NILU_TASK_CLASSES)
            cli_merge(o, json_pack("{s:s, s:s, s:f}", "said", k->info->class_names[worst[i].said], "truth",
                                                k->info->class_names[worst[i].truth], "probability", worst[i].sure));
        else if (o)
            cli_merge(o, json_pack("{s:f, s:f}", "predicted", worst[i].value, "true", worst[i].want));
        json_array_append_new(list, o);
    }
    return list;
}
