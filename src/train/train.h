/* train: a model learns from data. One loop: gather a batch, take a step, look at the loss; at the end of an epoch judge
 * the validation part, write the journal and perhaps a checkpoint.
 *
 * Invariants: all that a later step depends on is in the store or in the record_position, and both are in a checkpoint; no
 * bit depends on threads, on when a checkpoint was written, or on whether the run was interrupted. Nothing is allocated
 * between two steps of an epoch. */
#ifndef TRAIN_H
#define TRAIN_H

#include "data/augment.h"
#include "record/record.h"

/* ---- settings: train/settings.c */
/* Every choice that the options leave open, made: by the model's wishes, then by the data. */
nilu_status train_resolve(nilu *nl, const nilu_model *model, const nilu_data *data, const nilu_train_options *options,
                          nilu_train_options *out);
/* The loss: of the options, the model, or the task; USAGE if it does not fit the task. */
nilu_status train_loss(nilu *nl, const nilu_data_info *data, const char *wish, const char **loss);
int64_t train_epoch_steps(const nilu_data_info *data, const nilu_train_options *o);
int64_t train_steps(const nilu_data_info *data, const nilu_train_options *o);

/* ---- a model as plans: train/net.c. One plan for each batch size that occurs; they share the store. */
typedef enum train_mode {
    TRAIN_LEARN, /* fetches the loss and the rate, and updates */
    TRAIN_JUDGE, /* fetches the result and the loss */
    TRAIN_SAY,   /* fetches what is said: probabilities, or numbers */
    TRAIN_WATCH  /* fetches how gradients and units are, and changes nothing */
} train_mode;
#define TRAIN_PLANS 8
typedef struct train_net {
    nilu *nl;
    const nilu_model *model;
    const nilu_data_info *data;
    nilu_store *store;
    const char *loss;
    const nilu_optimizer_options *optimizer; /* to learn with */
    train_mode mode;
    double smoothing; /* of the labels, to learn with */
    nilu_views views; /* to judge and say with */
    bool bf16;     /* products learn in bf16; judging and saying are always f32 */
    bool complete; /* the store must have every value already */
    bool mixes;    /* learns from pairs of labels: train_mixes */
    int64_t frozen, measured; /* numbers that updates leave as they are: as was wished, and by their kind (running statistics);
                                 known once a plan is there */
    struct train_watch *watch; /* to watch with */
    struct train_sized {
        int64_t n;
        nilu_plan *plan;
    } plan[TRAIN_PLANS];
    int plans, oldest;
} train_net;
/* The model for training on n samples, up to the loss, in `g`. */
nilu_status train_net_build(const train_net *net, nilu_graph *g, int64_t n, nilu_tensor **loss);
nilu_status train_net_plan(train_net *net, int64_t n, nilu_plan **plan);
/* train/views.c: samples [n, ..] as a batch of all their views, and the mean of what was said of each: [views n, k] -> [n, k]. */
nilu_tensor *train_views(const train_net *net, nilu_tensor *x);
nilu_tensor *train_views_mean(const train_net *net, nilu_tensor *y, int64_t n);
void train_net_clear(train_net *net);

/* ---- samples in memory: train/loader.c */
typedef struct train_batch {
    int64_t n;
    int64_t *index;
    float *x;
    int32_t *label; /* NULL unless classes */
    int32_t *other; /* of classes that are mixed: what is mixed in */
    float share;    /* that a sample keeps of itself there */
    float *target;  /* NULL unless numbers */
    char *block;
} train_batch;
nilu_status train_batch_new(nilu *nl, const nilu_data_info *data, int64_t n, train_batch *b);
void train_batch_free(nilu *nl, train_batch *b);
/* Feeds a plan of `net` of this batch's size. */
nilu_status train_net_feed(const train_net *net, nilu_plan *plan, const train_batch *b);

#define TRAIN_SLOTS 9
typedef struct train_loader {
    nilu_data *data;
    uint64_t seed;
    int64_t size, epoch, batch; /* of the batch that is handed out next */
    data_augment augment;
    train_batch slot[TRAIN_SLOTS];
    float *room[TRAIN_SLOTS];    /* for augmentation, of each that gathers */
    int slots, turn;             /* turn: slot that was handed out, -1: none yet */
    struct train_helper *helper; /* gather batches ahead; NULL: gathered when asked for */
} train_loader;
/* Batches of `size` samples of the training part from batch `batch` of epoch `epoch` on, for ever, changed as `augment` says
 * (NULL: not). The loader stays where it is until train_loader_stop. */
nilu_status train_loader_start(nilu_data *data, uint64_t seed, int64_t size, int64_t epoch, int64_t batch, const char *augment,
                               train_loader *l);
/* Are labels mixed? */
bool train_mixes(nilu_data *data, const char *augment);
/* Valid until the next call. */
nilu_status train_loader_next(train_loader *l, const train_batch **b);
void train_loader_stop(train_loader *l);

/* ---- judging: train/score.c */
typedef struct train_sums {
    nilu_task task;
    int64_t outputs, n, right;
    double loss;
    double *sums;       /* numbers: [outputs, 4] of squared error, absolute error, target, its square; normalised units */
    int64_t *confusion; /* [outputs, outputs], where wanted */
} train_sums;
nilu_status train_sums_new(nilu *nl, const nilu_data_info *data, bool confusion, train_sums *s);
void train_sums_free(nilu *nl, train_sums *s);
void train_sums_clear(train_sums *s);
/* Adds a batch: what the model gave, y [n, outputs], and the mean loss. */
void train_sums_add(train_sums *s, const train_batch *b, const float *y, double loss);
nilu_scores train_sums_scores(const train_sums *s, const nilu_data_info *data);
/* Judges a whole part; samples without a known target count for nothing. */
nilu_status train_judge(nilu_predictor *p, nilu_part part, train_sums *s);
/* What follows from the sums; takes over the confusion matrix. */
nilu_status train_evaluation(nilu *nl, const nilu_data_info *data, train_sums *s, nilu_evaluation *e);

/* ---- how a training is: train/watch.c. At few steps a second plan looks at the same batch with the same weights: how long
 * each parameter's gradient is, which units say nothing. It has no assignments, so no bit depends on whether anyone looks. */
typedef struct watch_param {
    const nilu_value *value;
    float *before;           /* as it was before the step */
    double gradient, weight, change; /* 2-norms at the last look */
    int silent;              /* looks at which its gradient was 0 throughout */
    double ratio, rise;      /* change / weight: at the last look; the largest so far */
    int large;               /* looks after the first at which that was too large */
} watch_param;
typedef struct watch_layer {
    char name[96], op[24];
    int64_t units;           /* 0: of a function that saturates */
    int *seen;               /* [units] of relu: the last look at which the unit said something; -1: none yet */
    double share;            /* dead in the last looks, or saturated in the last */
    int looks;               /* in a row at which it was saturated */
} watch_layer;
typedef struct train_watch {
    nilu *nl;
    int params, layers, looks;
    watch_param *param;
    watch_layer *layer;
    nilu_tensor **fetch;
    double norm;             /* of all gradients at the last look */
    double first_loss, recent_loss; /* of the first step; mean of the last steps */
    double guess;            /* loss of who knows the classes' shares alone; NaN: not known */
    double expected;         /* of weights that know nothing; NaN: not known */
    int vanishing;           /* looks in a row */
    uint64_t told;           /* codes that were told */
    int64_t step, steps;
    bool classes, partial;   /* partial: not each step is an update */
} train_watch;
nilu_status train_watch_new(nilu *nl, const nilu_data_info *data, const char *loss, const nilu_store *store, train_watch *w);
void train_watch_free(train_watch *w);
/* Compiles the plan that looks: called by train_net_plan. */
nilu_status train_watch_compile(train_watch *w, nilu_graph *g, nilu_store *store, nilu_tensor *loss, nilu_plan **plan);
/* Is it time to look, before step `step`? */
bool train_watch_due(int64_t step);
/* Before the step: runs the plan, and keeps the weights; after it: what became of them. */
nilu_status train_watch_look(train_watch *w, nilu_plan *plan);
void train_watch_after(train_watch *w);
/* One line about the last look, for the run's folder. */
size_t train_watch_line(const train_watch *w, char *out, size_t room);

/* ---- what that means: train/alarm.c */
/* Calls `tell` with what is wrong and was not told before. `epoch`: the mean loss of an epoch that ends here, else NaN. */
void train_alarms(train_watch *w, double epoch, void (*tell)(void *user, const nilu_alarm *a), void *user);
/* Of units alone, after a look. */
void train_unit_alarms(train_watch *w, void (*tell)(void *user, const nilu_alarm *a), void *user);
/* An alarm of this code, without evidence. */
nilu_alarm train_alarm(const char *code, int64_t step);
/* It as a line of JSON; returns the length. */
size_t train_alarm_line(const nilu_alarm *a, char *out, size_t room);
/* Of the data, by some of the samples. */
#define SURVEYED 1000000 /* numbers, at the start of a training: some milliseconds */
typedef struct train_survey {
    int64_t looked, compared;     /* samples of the training part; of the other parts */
    int64_t labelled, smallest, largest; /* training samples with a class, and of the smallest and the largest class */
    int64_t changes;              /* of class between neighbours, in the order of the file */
    double entropy, expected_changes;
    int64_t constant;             /* columns, and the name of the first */
    char first_constant[64];
    double reach;                 /* largest |x| */
    int64_t reach_column;
    int64_t overlap, twins;       /* samples of other parts, and of the training part, that stand in the training part, too */
    double spread;                /* between the columns' deviations: largest / smallest but 0 */
} train_survey;
/* `cells` limits how many numbers are looked at. */

nilu_status train_survey_take(nilu_data *data, int64_t cells, train_survey *s);
void train_survey_alarms(const nilu_data_info *data, const train_survey *s, void (*tell)(void *user, const nilu_alarm *a), void *user);

/* ---- whitening: train/whiten.c */
/* Sets the filters of the model's layers `whiten` in the store, by the training part. */
nilu_status train_whiten(nilu *nl, const nilu_model *m, nilu_data *data, nilu_store *store);
/* Eigenvalues of the symmetric a [n, n], the largest first, and in the rows of `vector` [n, n] their unit vectors, each with
 * its largest number positive; `a` is overwritten. Method of Jacobi (1846). */
void train_eigen(int n, double *a, double *value, double *vector);

/* ---- a training that is under way: train/loop.c */
typedef struct train_job {
    nilu *nl;
    nilu_data *data;
    const nilu_data_info *about;
    const nilu_model *model;
    const nilu_train_options *told; /* by the caller: callbacks, stop, how often to write */
    nilu_run_info *info;            /* settings as resolved */
    nilu_store *store, *best;       /* best: NULL: none yet, or no validation part */
    nilu_store *averages;           /* what is judged and kept where optimizer.ema is set; else NULL */
    train_net net;
    nilu_predictor *judge;
    train_sums sums;
    train_loader loader;
    train_watch watch;
    train_net watching;      /* its plan */
    record_folder folder;
    record_position at;
    int64_t epoch_steps, steps;
    record_position best_at; /* when `best` was taken */
    bool best_unsaved;
    int64_t saved_step;      /* of the last checkpoint; -1: none yet */
    nilu_ending ending;
    bool ran;                /* it came to the loop, so that there are values to hand over */
    double *profile;         /* seconds of each instruction of the full batches' plan; NULL: not asked for */
    int64_t profiled;        /* steps in it */
    /* clocks, in seconds */
    double called, resumed_at, first_step; /* resumed_at: when at.seconds began to grow */
    double stepping, epoch_stepping;       /* spent in training steps: in this call, in this epoch */
    int64_t stepped, epoch_stepped;        /* samples */
    double saved, saving;                  /* when the last checkpoint was written, and how long that took */
} train_job;
/* From where `at` says to the end, whichever it is; not a step if not go_on. */
nilu_status train_loop(train_job *j, bool go_on);
/* Brings the averages up to date, where there are any. */
nilu_status train_average(train_job *j);
nilu_status train_copy_values(nilu_store *to, const nilu_store *from, unsigned kinds);

#endif
