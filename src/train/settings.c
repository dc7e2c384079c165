/* What was left open is decided: by the model's wishes first, then by the size and the kind of the data. */
#include "nn/nn.h"
#include "train/train.h"

#include <math.h>
#include <string.h>

/* ---- the loss */

nilu_status train_loss(nilu *nl, const nilu_data_info *data, const char *wish, const char **loss)
{
    static const char *const of_numbers[] = {"mse", "l1", "huber"};
    char suggestion[256];
    *loss = NULL;
    if (data->task != NILU_TASK_CLASSES && data->task != NILU_TASK_NUMBERS)
        return base_fail(nl, NILU_E_DATA, N_("%s: has no target, so that there is nothing to learn; name a column or a file as target"),
                         data->name);
    if (!wish)
        wish = data->task == NILU_TASK_CLASSES ? "cross_entropy" : "mse";
    for (int i = 0; nilu_loss_name(i); i++)
        if (strcmp(nilu_loss_name(i), wish) == 0)
            *loss = nilu_loss_name(i);
    if (!*loss)
        return base_fail(nl, NILU_E_USAGE, N_("there is no loss called %s; %s"), wish,
                         nn_suggest(wish, nilu_loss_name, "losses are", suggestion));
    bool fits = data->task == NILU_TASK_CLASSES;
    for (size_t i = 0; i < COUNT(of_numbers); i++)
        fits |= strcmp(of_numbers[i], *loss) == 0;
    if (!fits)
        return base_fail(nl, NILU_E_USAGE, N_("the loss %s is for classes, but the target %s of %s is numbers; use mse, l1 or huber"),
                         *loss, data->target, data->name);
    return NILU_OK;
}

/* ---- the size of the work */

static int64_t within(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* The power of two at or below `value`. */
static int64_t power_below(int64_t value)
{
    int64_t p = 1;
    while (p * 2 <= value)
        p *= 2;
    return p;
}

/* What follows was chosen on eight tables, 4,000 and 60,000 digits and 60,000 pictures of clothes, five seeds each: larger
 * batches lose accuracy on small sets, smaller ones lose time on large sets, and more epochs gain less than the noise
 * between seeds. */
static int64_t batch_for(int64_t samples)
{
    return within(power_below(samples / 64), 16, 128);
}

static int64_t epochs_for(int64_t samples)
{
    return within(llround(3000 / sqrt((double)samples)), 12, 200);
}

int64_t train_epoch_steps(const nilu_data_info *data, const nilu_train_options *o)
{
    return (data->count[NILU_TRAIN] + o->batch - 1) / o->batch;
}

int64_t train_steps(const nilu_data_info *data, const nilu_train_options *o)
{
    int64_t steps = train_epoch_steps(data, o) * o->epochs;
    return o->steps < 0 ? 0 : o->steps && o->steps < steps ? o->steps : steps;
}

/* ---- options */

static double either(double wish, double otherwise)
{
    return isnan(wish) ? otherwise : wish;
}

/* Fields that the options leave unset are the model's. */
static void merge_optimizer(nilu_optimizer_options *o, const nilu_optimizer_options *wish)
{
    static const size_t reals[] = {
        offsetof(nilu_optimizer_options, lr),    offsetof(nilu_optimizer_options, momentum),  offsetof(nilu_optimizer_options, beta1),
        offsetof(nilu_optimizer_options, beta2), offsetof(nilu_optimizer_options, eps),       offsetof(nilu_optimizer_options, decay),
        offsetof(nilu_optimizer_options, rho),   offsetof(nilu_optimizer_options, side_lr),   offsetof(nilu_optimizer_options, clip_value),
        offsetof(nilu_optimizer_options, clip_norm), offsetof(nilu_optimizer_options, ema)};
    bool other = o->name && wish->name && strcmp(o->name, wish->name) != 0; /* whose numbers are for another rule */
    for (size_t i = 0; i < COUNT(reals) && !other; i++) {
        double *own = (double *)((char *)o + reals[i]);
        *own = either(*own, *(const double *)((const char *)wish + reals[i]));
    }
    if (!o->name)
        o->name = wish->name;
    if (!o->accumulate)
        o->accumulate = wish->accumulate;
}

static nilu_status check(nilu *nl, const nilu_train_options *o)
{
    static const struct {
        const char *name;
        size_t at;
        int64_t low, high;
    } limits[] = {{"epochs", offsetof(nilu_train_options, epochs), 0, 1000000},
                  {"batch", offsetof(nilu_train_options, batch), 0, 1 << 20},
                  {"steps", offsetof(nilu_train_options, steps), -1, (int64_t)1 << 40},
                  {"patience", offsetof(nilu_train_options, patience), -1, 1000000},
                  {"checkpoint_steps", offsetof(nilu_train_options, checkpoint_steps), 0, (int64_t)1 << 40}};
    if (o->size != sizeof *o)
        return base_fail(nl, NILU_E_USAGE, N_("nilu_train: options.size is not sizeof(nilu_train_options); start from NILU_TRAIN_DEFAULT"));
    for (size_t i = 0; i < COUNT(limits); i++) {
        int64_t value;
        memcpy(&value, (const char *)o + limits[i].at, sizeof value);
        if (value < limits[i].low || value > limits[i].high)
            return base_fail(nl, NILU_E_USAGE, N_("training: %s is %lld; give a number from %lld to %lld"), limits[i].name,
                             (long long)value, (long long)limits[i].low, (long long)limits[i].high);
    }
    if (o->snapshots < -1 || o->snapshots > 1000)
        return base_fail(nl, NILU_E_USAGE, N_("training: snapshots is %d; give a number from 0 to 1000"), o->snapshots);
    if (!(o->checkpoint_seconds >= 0))
        return base_fail(nl, NILU_E_USAGE, N_("training: checkpoint_seconds is %g; give 0 or more"), o->checkpoint_seconds);
    if (o->out && o->runs)
        return base_fail(nl, NILU_E_USAGE, N_("training: out and runs are both given; keep one"));
    return NILU_OK;
}

/* The rate rises, and falls to nothing, so that the last epochs settle. */
static nilu_schedule schedule_for(void)
{
    nilu_schedule s = NILU_SCHEDULE_DEFAULT;
    s.kind = NILU_SCHEDULE_ONECYCLE;
    return s;
}

/* Where nobody names an optimizer: AdamW, which was best or within noise of it on all sets; the fewer samples there are,
 * the more the weights are held back. */
static void suit_optimizer(nilu_optimizer_options *o, int64_t samples)
{
    o->name = "adamw";
    o->lr = either(o->lr, 2e-3);
    o->decay = either(o->decay, fmin(0.1 + 100 / (double)samples, 0.5));
}

nilu_status train_resolve(nilu *nl, const nilu_model *model, const nilu_data *data, const nilu_train_options *options,
                          nilu_train_options *out)
{
    nilu_train_options o = NILU_TRAIN_DEFAULT;
    const nilu_model_training *wish = nilu_model_wishes(model);
    const nilu_data_info *d = nilu_data_about(data);
    int64_t n = d->count[NILU_TRAIN];
    if (options)
        o = *options;
    data_augment augment;
    NILU_TRY(check(nl, &o));
    NILU_TRY(data_augment_read(nl, data, o.augment, &augment));
    NILU_TRY(train_loss(nl, d, o.loss ? o.loss : wish->loss, &o.loss));
    o.label_smoothing = either(either(o.label_smoothing, wish->label_smoothing), 0);
    if (!(o.label_smoothing >= 0 && o.label_smoothing < 1))
        return base_fail(nl, NILU_E_USAGE, N_("training: label_smoothing is %g; give a number from 0 to below 1"), o.label_smoothing);
    if (o.label_smoothing > 0 && strcmp(o.loss, "cross_entropy") != 0)
        return base_fail(nl, NILU_E_USAGE, N_("training: label_smoothing is for the loss cross_entropy, not for %s; leave it out"), o.loss);
    if (n == 0)
        return base_fail(nl, NILU_E_DATA, N_("%s: its training part is empty; hold out less for validation and test"), d->name);
    if (!o.batch)
        o.batch = wish->batch ? wish->batch : batch_for(n);
    if (o.batch > n)
        o.batch = n;
    if (!o.epochs)
        o.epochs = wish->epochs ? wish->epochs : epochs_for(n);
    if (d->count[NILU_VALIDATION] == 0 || o.patience < 0)
        o.patience = 0;
    else if (!o.patience)
        o.patience = within(o.epochs / 4, 5, 20);
    merge_optimizer(&o.optimizer, &wish->optimizer);
    if (!o.optimizer.name)
        suit_optimizer(&o.optimizer, n);
    nilu_schedule *s = &o.optimizer.schedule;
    const int64_t warmup = s->warmup; /* alone it takes nothing from what the model wishes for afterwards */
    if (!o.scheduled && wish->scheduled)
        *s = wish->optimizer.schedule;
    else if (!o.scheduled && !warmup)
        *s = schedule_for();
    if (!o.scheduled && warmup)
        s->warmup = warmup > 0 ? warmup : 0;
    int64_t updates = train_steps(d, &o) / (o.optimizer.accumulate > 1 ? o.optimizer.accumulate : 1);
    if (!s->total)
        s->total = updates > s->warmup ? updates : s->warmup + 1;
    o.scheduled = true;
    NILU_TRY(nilu_optimizer_resolve(nl, &o.optimizer, &o.optimizer));
    *out = o;
    return NILU_OK;
}

/* ---- a model where none is given */

#define WIDE 128   /* features: pictures, many columns */
#define MANY 8192  /* samples: enough for a second layer to pay */

nilu_status nilu_model_for(nilu *nl, const nilu_data *data, nilu_model **model)
{
    const nilu_data_info *d = nilu_data_about(data);
    int64_t first = d->features >= WIDE ? 256 : 128, units[2] = {first, first / 2};
    return nilu_model_hidden(nl, d->count[NILU_TRAIN] >= MANY ? 2 : 1, units, NULL, model);
}
