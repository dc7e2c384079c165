/* Batches of the training part in their shuffled order. Where reading is slow a helper gathers the next batch during the
 * step; which batch that is depends on its number alone. */
#include "train/train.h"

#include <pthread.h>
#include <string.h>

nilu_status train_batch_new(nilu *nl, const nilu_data_info *data, int64_t n, train_batch *b)
{
    size_t x, target, index, total;
    bool numbers = data->task == NILU_TASK_NUMBERS;
    *b = (train_batch){0};
    if (!base_mul((size_t)n, (size_t)data->features * sizeof(float), &x) || !base_mul((size_t)n, sizeof(int64_t), &index) ||
        !base_mul((size_t)n, numbers ? (size_t)data->outputs * sizeof(float) : sizeof(int32_t), &target) ||
        !base_add(x, target + index + 192, &total))
        return base_no_memory(nl, SIZE_MAX);
    b->block = base_alloc_aligned(nl, total);
    if (!b->block)
        return NILU_E_NO_MEMORY;
    b->x = (float *)b->block;
    b->index = (int64_t *)(b->block + ((x + 63) & ~(size_t)63));
    char *rest = (char *)b->index + ((index + 63) & ~(size_t)63);
    if (numbers)
        b->target = (float *)rest;
    else if (data->task == NILU_TASK_CLASSES)
        b->label = (int32_t *)rest;
    return NILU_OK;
}

void train_batch_free(nilu *nl, train_batch *b)
{
    base_free_aligned(nl, b->block);
    *b = (train_batch){0};
}

/* ---- gathering */

static nilu_status gather(const train_loader *l, int64_t epoch, int64_t batch, train_batch *b, char fault[DATA_FAULT])
{
    b->n = nilu_data_order(l->data, NILU_TRAIN, l->seed, (uint64_t)epoch, batch * l->size, l->size, b->index);
    return data_gather(l->data, NILU_TRAIN, b->index, b->n, b->x, b->label, b->target, fault);
}

static void advance(const train_loader *l, int64_t *epoch, int64_t *batch)
{
    if (++*batch * l->size >= nilu_data_about(l->data)->count[NILU_TRAIN]) {
        *batch = 0;
        ++*epoch;
    }
}

/* ---- the helper: fills the slot that is not handed out, whenever it is told to */

typedef enum state { IDLE, WANTED, READY, QUIT } state;
struct train_helper {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    const train_loader *loader;
    state state;
    int64_t epoch, batch;
    train_batch *into;
    nilu_status status;
    char fault[DATA_FAULT];
};

static void *help(void *user)
{
    struct train_helper *h = user;
    pthread_mutex_lock(&h->mutex);
    while (h->state != QUIT) {
        if (h->state != WANTED) {
            pthread_cond_wait(&h->changed, &h->mutex);
            continue;
        }
        pthread_mutex_unlock(&h->mutex);
        h->status = gather(h->loader, h->epoch, h->batch, h->into, h->fault);
        pthread_mutex_lock(&h->mutex);
        if (h->state == WANTED)
            h->state = READY;
        pthread_cond_broadcast(&h->changed);
    }
    pthread_mutex_unlock(&h->mutex);
    return NULL;
}

static void tell(struct train_helper *h, state what)
{
    pthread_mutex_lock(&h->mutex);
    h->state = what;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->mutex);
}

static void ask_helper(train_loader *l)
{
    struct train_helper *h = l->helper;
    h->epoch = l->epoch;
    h->batch = l->batch;
    h->into = &l->slot[l->turn];
    tell(h, WANTED);
}

static void wait_for_helper(struct train_helper *h)
{
    pthread_mutex_lock(&h->mutex);
    while (h->state == WANTED)
        pthread_cond_wait(&h->changed, &h->mutex);
    pthread_mutex_unlock(&h->mutex);
}

/* Without a helper everything works as well, so a thread that cannot be had is no error. */
static nilu_status start_helper(train_loader *l)
{
    struct train_helper *h = base_calloc(l->data->nl, 1, sizeof *h);
    if (!h)
        return NILU_E_NO_MEMORY;
    h->loader = l;
    pthread_mutex_init(&h->mutex, NULL);
    pthread_cond_init(&h->changed, NULL);
    if (pthread_create(&h->thread, NULL, help, h) == 0) {
        l->helper = h;
        return NILU_OK;
    }
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->mutex);
    base_free(l->data->nl, h);
    return NILU_OK;
}

nilu_status train_loader_start(nilu_data *data, uint64_t seed, int64_t size, int64_t epoch, int64_t batch, train_loader *l)
{
    const nilu_data_info *info = nilu_data_about(data);
    *l = (train_loader){.data = data, .seed = seed, .size = size, .epoch = epoch, .batch = batch};
    bool help_wanted = info->streamed && data->nl->threads > 1;
    for (int i = 0; i < (help_wanted ? 2 : 1); i++)
        NILU_TRY(train_batch_new(data->nl, info, size, &l->slot[i]));
    if (help_wanted)
        NILU_TRY(start_helper(l));
    if (l->helper)
        ask_helper(l);
    return NILU_OK;
}

nilu_status train_loader_next(train_loader *l, const train_batch **b)
{
    char own[DATA_FAULT] = "", *fault = l->helper ? l->helper->fault : own;
    nilu_status status;
    *b = &l->slot[l->turn];
    if (l->helper) {
        wait_for_helper(l->helper);
        status = l->helper->status;
    } else {
        status = gather(l, l->epoch, l->batch, &l->slot[l->turn], fault);
    }
    if (status != NILU_OK)
        return base_fail(l->data->nl, status, "%s", fault);
    advance(l, &l->epoch, &l->batch);
    if (l->helper) {
        l->turn ^= 1;
        ask_helper(l);
    }
    return NILU_OK;
}

void train_loader_stop(train_loader *l)
{
    struct train_helper *h = l->helper;
    if (!l->data)
        return;
    if (h) {
        tell(h, QUIT);
        pthread_join(h->thread, NULL);
        pthread_cond_destroy(&h->changed);
        pthread_mutex_destroy(&h->mutex);
        base_free(l->data->nl, h);
    }
    for (int i = 0; i < 2; i++)
        train_batch_free(l->data->nl, &l->slot[i]);
    *l = (train_loader){0};
}
