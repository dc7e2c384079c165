/* Judging and predicting: the model without dropout, in batches of a fixed size, so that sums are the same bits always. */
#include "train/train.h"

#include <math.h>
#include <string.h>

#define BATCH 256

struct nilu_predictor {
    nilu *nl;
    nilu_data *data;
    const nilu_data_info *about;
    train_net judge, say;
    train_batch batch;
};

nilu_status nilu_predictor_new(nilu *nl, const nilu_model *model, nilu_store *store, nilu_data *data, const char *loss,
                               nilu_predictor **predictor)
{
    const nilu_data_info *about = nilu_data_about(data);
    *predictor = NULL;
    NILU_TRY(train_loss(nl, about, loss ? loss : nilu_model_wishes(model)->loss, &loss));
    nilu_predictor *p = base_calloc(nl, 1, sizeof *p);
    if (!p)
        return NILU_E_NO_MEMORY;
    *p = (nilu_predictor){.nl = nl, .data = data, .about = about};
    p->judge = (train_net){.nl = nl, .model = model, .data = about, .store = store, .loss = loss, .mode = TRAIN_JUDGE,
                           .complete = true};
    p->say = p->judge;
    p->say.mode = TRAIN_SAY;
    nilu_status status = train_batch_new(nl, about, BATCH, &p->batch);
    if (status == NILU_OK)
        *predictor = p;
    else
        nilu_predictor_free(p);
    return status;
}

void nilu_predictor_free(nilu_predictor *p)
{
    if (!p)
        return;
    nilu *nl = p->nl;
    train_net_clear(&p->judge);
    train_net_clear(&p->say);
    train_batch_free(nl, &p->batch);
    base_free(nl, p);
}

nilu_status nilu_predictor_views(nilu_predictor *p, nilu_views views)
{
    if (!nilu_views_name((int)views))
        return base_fail(p->nl, NILU_E_USAGE, N_("nilu_predictor_views: %d is no kind of views; use NILU_VIEWS_ONE, _FLIP or _FLIP_SHIFT"), (int)views);
    if (views != NILU_VIEWS_ONE && p->about->height == 0)
        return base_fail(p->nl, NILU_E_DATA, N_("%s: its samples are no pictures, so that they cannot be mirrored"), p->about->name);
    if (views != p->say.views) {
        train_net_clear(&p->judge);
        train_net_clear(&p->say);
    }
    p->judge.views = p->say.views = views;
    return NILU_OK;
}

/* ---- judging */

static bool known(const nilu_predictor *p, int64_t i)
{
    const train_batch *b = &p->batch;
    return b->label ? b->label[i] >= 0 : !isnan(b->target[i * p->about->outputs]);
}

/* Of n samples from `*next` on, those with a known target, up to a batch: they are gathered. */
static nilu_status next_batch(nilu_predictor *p, nilu_part part, int64_t *next)
{
    train_batch *b = &p->batch;
    int64_t count = p->about->count[part], n = 0;
    while (n < BATCH && *next < count) {
        int64_t room = BATCH - n < count - *next ? BATCH - n : count - *next, kept = n;
        for (int64_t i = 0; i < room; i++)
            b->index[n + i] = *next + i;
        NILU_TRY(nilu_data_batch(p->data, part, b->index + n, room, NULL, b->label ? b->label + n : NULL,
                                 b->target ? b->target + n * p->about->outputs : NULL));
        for (int64_t i = n; i < n + room; i++)
            if (known(p, i))
                b->index[kept++] = b->index[i];
        *next += room;
        n = kept;
    }
    b->n = n;
    return nilu_data_batch(p->data, part, b->index, n, b->x, b->label, b->target);
}

nilu_status train_judge(nilu_predictor *p, nilu_part part, train_sums *s)
{
    train_sums_clear(s);
    for (int64_t next = 0;;) {
        nilu_plan *plan;
        NILU_TRY(next_batch(p, part, &next));
        if (p->batch.n == 0)
            return NILU_OK;
        NILU_TRY(train_net_plan(&p->judge, p->batch.n, &plan));
        NILU_TRY(train_net_feed(&p->judge, plan, &p->batch));
        NILU_TRY(nilu_step(plan));
        train_sums_add(s, &p->batch, nilu_fetched(plan, 0), *(const float *)nilu_fetched(plan, 1));
    }
}

nilu_status nilu_evaluate(nilu_predictor *p, nilu_part part, nilu_evaluation *out)
{
    const double begin = base_now();
    train_sums sums = {0};
    *out = (nilu_evaluation){0};
    if ((int)part < 0 || part >= NILU_PARTS || p->about->count[part] == 0)
        return base_fail(p->nl, NILU_E_DATA, N_("%s: this part has no samples; judge another"), p->about->name);
    nilu_status status = train_sums_new(p->nl, p->about, true, &sums);
    if (status == NILU_OK)
        status = train_judge(p, part, &sums);
    if (status == NILU_OK && sums.n == 0)
        status = base_fail(p->nl, NILU_E_DATA, N_("%s: no sample of this part has a known target, so that nothing can be judged; "
                                                  "nilu predict needs none"), p->about->name);
    if (status == NILU_OK)
        status = train_evaluation(p->nl, p->about, &sums, out);
    train_sums_free(p->nl, &sums);
    out->seconds = base_now() - begin;
    if (status != NILU_OK)
        nilu_evaluation_free(p->nl, out);
    return status;
}

/* ---- predicting */

static void put(const nilu_predictor *p, const float *y, float *out)
{
    int64_t k = p->about->outputs;
    bool numbers = p->about->task == NILU_TASK_NUMBERS && p->about->target_std;
    for (int64_t i = 0; i < p->batch.n * k; i++)
        out[i] = numbers ? (float)(y[i] * p->about->target_std[i % k] + p->about->target_mean[i % k]) : y[i];
}

nilu_status nilu_predict(nilu_predictor *p, nilu_part part, const int64_t *index, int64_t n, float *out)
{
    train_batch *b = &p->batch;
    for (int64_t done = 0; done < n; done += b->n) {
        nilu_plan *plan;
        b->n = n - done < BATCH ? n - done : BATCH;
        for (int64_t i = 0; i < b->n; i++)
            b->index[i] = index ? index[done + i] : done + i;
        NILU_TRY(nilu_data_batch(p->data, part, b->index, b->n, b->x, NULL, NULL));
        NILU_TRY(train_net_plan(&p->say, b->n, &plan));
        NILU_TRY(train_net_feed(&p->say, plan, b));
        NILU_TRY(nilu_step(plan));
        put(p, nilu_fetched(plan, 0), out + done * p->about->outputs);
    }
    return NILU_OK;
}
