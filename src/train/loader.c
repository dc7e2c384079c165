/* Batches of the training part in their shuffled order. Where reading is slow helpers gather the next batches during the
 * steps, each into a slot of a ring; which batch that is depends on its number alone. */
#include "train/train.h"

#include <pthread.h>
#include <string.h>

nilu_status train_batch_new(nilu *nl, const nilu_data_info *data, int64_t n, train_batch *b)
{
    size_t x, target, index, total; /* target: also of the labels that are mixed in */
    bool numbers = data->task == NILU_TASK_NUMBERS;
    *b = (train_batch){0};
    if (!base_mul((size_t)n, (size_t)data->features * sizeof(float), &x) || !base_mul((size_t)n, sizeof(int64_t), &index) ||
        !base_mul((size_t)n, numbers ? (size_t)data->outputs * sizeof(float) : 2 * sizeof(int32_t), &target) ||
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
    b->other = b->label ? b->label + n : NULL;
    return NILU_OK;
}

void train_batch_free(nilu *nl, train_batch *b)
{
    base_free_aligned(nl, b->block);
    *b = (train_batch){0};
}

/* ---- gathering */

static nilu_status gather(const train_loader *l, int64_t epoch, int64_t batch, float *room, train_batch *b, char fault[DATA_FAULT])
{
    const data_augment *a = &l->augment;
    b->n = nilu_data_order(l->data, NILU_TRAIN, l->seed, (uint64_t)epoch, batch * l->size, l->size, b->index);
    NILU_TRY(data_gather(l->data, NILU_TRAIN, b->index, b->n, b->x, b->label, b->target, fault));
    if (data_augment_changes(a))
        data_augment_batch(l->data, a, l->seed, epoch, b->index, b->n, b->x, room);
    if (a->mixup > 0)
        b->share = data_augment_mix(l->data, a, l->seed, epoch, batch, b->n, b->x, b->target, b->label, b->other);
    return NILU_OK;
}

static void advance(const train_loader *l, int64_t *epoch, int64_t *batch)
{
    if (++*batch * l->size >= nilu_data_about(l->data)->count[NILU_TRAIN]) {
        *batch = 0;
        ++*epoch;
    }
}

bool train_mixes(nilu_data *data, const char *augment)
{
    data_augment a;
    return data_augment_read(data->nl, data, augment, &a) == NILU_OK && a.mixup > 0 && data->info.task == NILU_TASK_CLASSES;
}

/* ---- helpers: each takes the next free slot of the ring, and the number of the next batch with it */

typedef enum state { FREE, BEING_FILLED, READY } state;
struct train_helper {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    train_loader *loader;
    bool quit;
    int64_t epoch, batch; /* of the batch that is gathered next */
    int next;             /* and the slot that it goes into */
    int threads, rooms;   /* rooms: taken by threads so far */
    pthread_t thread[TRAIN_SLOTS];
    struct {
        state state;
        nilu_status status;
        char fault[DATA_FAULT];
    } slot[TRAIN_SLOTS];
};

static void *help(void *user)
{
    struct train_helper *h = user;
    train_loader *l = h->loader;
    pthread_mutex_lock(&h->mutex);
    float *room = l->room[h->rooms++];
    while (!h->quit) {
        const int k = h->next;
        const int64_t epoch = h->epoch, batch = h->batch;
        if (h->slot[k].state != FREE) {
            pthread_cond_wait(&h->changed, &h->mutex);
            continue;
        }
        h->slot[k].state = BEING_FILLED;
        h->next = (k + 1) % l->slots;
        advance(l, &h->epoch, &h->batch);
        pthread_mutex_unlock(&h->mutex);
        nilu_status status = gather(l, epoch, batch, room, &l->slot[k], h->slot[k].fault);
        pthread_mutex_lock(&h->mutex);
        h->slot[k].status = status;
        h->slot[k].state = READY;
        pthread_cond_broadcast(&h->changed);
    }
    pthread_mutex_unlock(&h->mutex);
    return NULL;
}

static void end_helper(nilu *nl, struct train_helper *h)
{
    pthread_mutex_lock(&h->mutex);
    h->quit = true;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->mutex);
    for (int i = 0; i < h->threads; i++)
        pthread_join(h->thread[i], NULL);
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->mutex);
    base_free(nl, h);
}

/* Without a helper everything works as well, so a thread that cannot be had is no error. */
static nilu_status start_helpers(train_loader *l)
{
    struct train_helper *h = base_calloc(l->data->nl, 1, sizeof *h);
    if (!h)
        return NILU_E_NO_MEMORY;
    h->loader = l;
    h->epoch = l->epoch;
    h->batch = l->batch;
    pthread_mutex_init(&h->mutex, NULL);
    pthread_cond_init(&h->changed, NULL);
    while (h->threads < l->slots - 1 && pthread_create(&h->thread[h->threads], NULL, help, h) == 0)
        h->threads++;
    if (h->threads)
        l->helper = h;
    else
        end_helper(l->data->nl, h);
    return NILU_OK;
}

/* The slot that was handed out is given back; waits for the one after it. */
static nilu_status from_helpers(train_loader *l, const train_batch **b, char fault[DATA_FAULT])
{
    struct train_helper *h = l->helper;
    pthread_mutex_lock(&h->mutex);
    if (l->turn >= 0)
        h->slot[l->turn].state = FREE;
    pthread_cond_broadcast(&h->changed);
    l->turn = (l->turn + 1) % l->slots;
    while (h->slot[l->turn].state != READY)
        pthread_cond_wait(&h->changed, &h->mutex);
    nilu_status status = h->slot[l->turn].status;
    if (status != NILU_OK)
        memcpy(fault, h->slot[l->turn].fault, DATA_FAULT);
    pthread_mutex_unlock(&h->mutex);
    *b = &l->slot[l->turn];
    return status;
}

/* ---- the loader */

nilu_status train_loader_start(nilu_data *data, uint64_t seed, int64_t size, int64_t epoch, int64_t batch, const char *augment,
                               train_loader *l)
{
    const nilu_data_info *info = nilu_data_about(data);
    const int threads = data->nl->threads;
    *l = (train_loader){.data = data, .seed = seed, .size = size, .epoch = epoch, .batch = batch, .turn = -1, .slots = 1};
    NILU_TRY(data_augment_read(data->nl, data, augment, &l->augment));
    if (info->streamed && threads > 1) /* one helper where reading is all, more where pictures are decoded */
        l->slots = info->planes && threads < TRAIN_SLOTS ? threads + 1 : info->planes ? TRAIN_SLOTS : 2;
    for (int i = 0; i < l->slots; i++) {
        NILU_TRY(train_batch_new(data->nl, info, size, &l->slot[i]));
        l->room[i] = data_augment_changes(&l->augment)
                         ? base_calloc(data->nl, (size_t)data_augment_room(data), sizeof(float))
                         : NULL;
        if (!l->room[i] && data_augment_changes(&l->augment))
            return NILU_E_NO_MEMORY;
    }
    return l->slots > 1 ? start_helpers(l) : NILU_OK;
}

nilu_status train_loader_next(train_loader *l, const train_batch **b)
{
    char fault[DATA_FAULT] = "";
    nilu_status status;
    if (l->helper) {
        status = from_helpers(l, b, fault);
    } else {
        *b = &l->slot[0];
        status = gather(l, l->epoch, l->batch, l->room[0], &l->slot[0], fault);
    }
    if (status != NILU_OK)
        return base_fail(l->data->nl, status, "%s", fault);
    advance(l, &l->epoch, &l->batch);
    return NILU_OK;
}

void train_loader_stop(train_loader *l)
{
    if (!l->data)
        return;
    if (l->helper)
        end_helper(l->data->nl, l->helper);
    for (int i = 0; i < l->slots; i++) {
        train_batch_free(l->data->nl, &l->slot[i]);
        base_free(l->data->nl, l->room[i]);
    }
    *l = (train_loader){0};
}
