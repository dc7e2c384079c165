/* nilu: train neural networks by backpropagation, and learn who is to blame for a mistake.
 *
 * The order of this page is the order in which a program meets it: a context, a graph (the forward pass), its
 * derivative, a store for what is learnt, a plan, steps. Every call that can fail returns a nilu_status, or a
 * pointer that is NULL on failure; nilu_errmsg() then has one sentence. The library never prints, exits or aborts.
 *
 * Conventions: whoever makes a thing frees it. A graph owns its tensors; a plan owns its memory; a store owns the
 * values of parameters and states. Arrays are row-major. Two contexts share nothing; one context is used by one
 * thread at a time. */
#ifndef NILU_H
#define NILU_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NILU_VERSION "0.1.0"
#define NILU_MAX_RANK 8

#if defined(__GNUC__)
#define NILU_API __attribute__((visibility("default")))
#define NILU_FORMAT(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define NILU_API
#define NILU_FORMAT(fmt, args)
#endif

/* ---- status ----------------------------------------------------------------------------------------------------- */

typedef enum nilu_status {
    NILU_OK = 0,
#define NILU_ERROR(code, value, exit, text) NILU_E_##code = value,
#include "nilu/err.inc"
#undef NILU_ERROR
} nilu_status;

/* The English sentence of a code; "ok" for NILU_OK. Static text. */
NILU_API const char *nilu_status_text(nilu_status status);
/* The exit code that the command gives for a status: 0, 1, 2, 3, 4, 5 or 75 (sysexits' "try again"). */
NILU_API int nilu_status_exit(nilu_status status);

/* ---- data types --------------------------------------------------------------------------------------------------- */

typedef enum nilu_dtype {
    NILU_F32,
    NILU_F64,
    NILU_BF16, /* storage only: the upper half of an f32, rounded to nearest even */
    NILU_I32,
    NILU_I64,
    NILU_U8,
    NILU_BOOL, /* one byte, 0 or 1 */
    NILU_DTYPES
} nilu_dtype;

NILU_API size_t nilu_dtype_size(nilu_dtype dtype);      /* bytes an element */
NILU_API const char *nilu_dtype_name(nilu_dtype dtype); /* "f32", "bool", … */
NILU_API bool nilu_dtype_from_name(const char *name, nilu_dtype *dtype);

/* Dimensions, outermost first. rank 0 is a scalar of one element. */
typedef struct nilu_shape {
    int rank;
    int64_t dim[NILU_MAX_RANK];
} nilu_shape;

#define NILU_SCALAR ((nilu_shape){0})
/* nilu_shape of the arguments: NILU_SHAPE(64, 784). C only. */
#define NILU_SHAPE(...)                                                                                                \
    ((nilu_shape){.rank = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dim = {__VA_ARGS__}})

/* ---- context ------------------------------------------------------------------------------------------------------ */

typedef struct nilu nilu;
typedef struct nilu_graph nilu_graph;
typedef struct nilu_tensor nilu_tensor;
typedef struct nilu_store nilu_store;
typedef struct nilu_plan nilu_plan;

/* Where memory comes from. `resize(user, old, size)` works as realloc does, and frees when size is 0; what it returns
 * is aligned as malloc's. */
typedef struct nilu_allocator {
    void *(*resize)(void *user, void *old, size_t size);
    void *user;
} nilu_allocator;

typedef enum nilu_log_level { NILU_LOG_DEBUG, NILU_LOG_INFO, NILU_LOG_WARNING } nilu_log_level;
typedef void (*nilu_log_fn)(void *user, nilu_log_level level, const char *sentence);

typedef struct nilu_options {
    size_t size;          /* sizeof(nilu_options) */
    int threads;          /* 1: no thread is ever made; 0: one for each processor */
    uint64_t seed;        /* of initial weights, dropout, shuffling */
    const char *isa;      /* NULL: the best this machine has; else "portable", "avx2", "avx512", "neon" */
    nilu_allocator alloc; /* {0}: malloc */
    nilu_log_fn log;      /* NULL: silence */
    void *log_user;
} nilu_options;
#define NILU_OPTIONS_DEFAULT {sizeof(nilu_options), 1, 0, NULL, {NULL, NULL}, NULL, NULL}

/* A new context, or NULL if memory ran out or the options are wrong (then *why, where given, says why; static text).
 * `options` may be NULL. Freed by nilu_free after all that was made with it. */
NILU_API nilu *nilu_new(const nilu_options *options, const char **why);
NILU_API void nilu_free(nilu *nl);
/* The last error's sentence, "" if there was none. Valid until the next call with this context. */
NILU_API const char *nilu_errmsg(const nilu *nl);
/* The name of the instruction set in use: "avx512", … */
NILU_API const char *nilu_isa(const nilu *nl);
NILU_API int nilu_threads(const nilu *nl);
NILU_API uint64_t nilu_seed(const nilu *nl);

/* ---- values: a store of named arrays -------------------------------------------------------------------------------
 * Parameters (trained) and states (optimizer moments, running statistics, the step counter: saved, not trained) live in
 * a store, by name. Plans that are compiled with one store share its values; a checkpoint is a store written to a file. */

typedef enum nilu_kind { NILU_PARAM, NILU_STATE } nilu_kind;

typedef struct nilu_value {
    const char *name; /* owned by the store */
    nilu_kind kind;
    nilu_dtype dtype;
    nilu_shape shape;
    size_t bytes;
    void *data; /* row-major, on 64 bytes, owned by the store; stays where it is until the store is freed */
} nilu_value;

NILU_API nilu_store *nilu_store_new(nilu *nl);
NILU_API void nilu_store_free(nilu_store *store);
/* Number of values, and the i-th in the order in which they were added (NULL if i is out of range). */
NILU_API int nilu_store_count(const nilu_store *store);
NILU_API const nilu_value *nilu_store_at(const nilu_store *store, int i);
NILU_API const nilu_value *nilu_store_find(const nilu_store *store, const char *name); /* NULL: none */
/* Adds a value, or overwrites the one of that name, whose dtype and shape must then be the same (NILU_E_SHAPE,
 * NILU_E_DTYPE). `data` may be NULL for zeros, and is copied. */
NILU_API nilu_status nilu_store_put(nilu_store *store, nilu_kind kind, const char *name, nilu_dtype dtype,
                                    nilu_shape shape, const void *data);
/* SHA-256 over all values of `kind` in the order of their names: name, dtype, shape, bytes. 64 hex digits and a NUL. */
NILU_API void nilu_store_hash(const nilu_store *store, nilu_kind kind, char hex[65]);

/* ---- building a graph ------------------------------------------------------------------------------------------------
 * Each call adds a node and returns its (first) output. Errors are sticky: the first bad call records what was wrong
 * and returns NULL; builder calls that are given NULL return NULL; nilu_grad and nilu_compile report the first error. */

NILU_API nilu_graph *nilu_graph_new(nilu *nl);
NILU_API void nilu_graph_free(nilu_graph *g);
/* The first error of a builder call, NILU_OK if there was none; nilu_errmsg has its sentence. */
NILU_API nilu_status nilu_graph_status(const nilu_graph *g);
/* Names of nodes made until the matching pop start with `name/`. */
NILU_API void nilu_scope_push(nilu_graph *g, const char *name);
NILU_API void nilu_scope_pop(nilu_graph *g);
/* Where the following nodes come from ("model.yaml:14"), named in errors; NULL: nowhere in particular. */
NILU_API void nilu_birthplace(nilu_graph *g, const char *where);
/* Gives a tensor's node the name `scope/name`; an equal name gets a number. Returns `t`. */
NILU_API nilu_tensor *nilu_named(nilu_tensor *t, const char *name);

NILU_API nilu_graph *nilu_tensor_graph(const nilu_tensor *t);
NILU_API const char *nilu_tensor_name(const nilu_tensor *t); /* owned by the graph */
NILU_API nilu_dtype nilu_tensor_dtype(const nilu_tensor *t);
NILU_API nilu_shape nilu_tensor_shape(const nilu_tensor *t);
/* The node of this name, its first output; NULL if there is none. */
NILU_API nilu_tensor *nilu_find(nilu_graph *g, const char *name);
NILU_API int nilu_graph_nodes(const nilu_graph *g);
/* Output `i` (0..3) of the node that made `t`; NULL if it has no such output. */
NILU_API nilu_tensor *nilu_output(nilu_tensor *t, int i);

/* What a parameter holds before it is trained: a pure function of (seed, name, index). */
typedef enum nilu_init_kind {
    NILU_INIT_CONSTANT,   /* a */
    NILU_INIT_UNIFORM,    /* [a, b) */
    NILU_INIT_NORMAL,     /* mean a, standard deviation b */
    NILU_INIT_ORTHOGONAL, /* rows or columns orthonormal, times a; the first dimension against the rest */
    NILU_INIT_EYE         /* a on the diagonal */
} nilu_init_kind;
typedef struct nilu_init {
    nilu_init_kind kind;
    double a, b;
} nilu_init;

/* A value that the caller feeds before each step. */
NILU_API nilu_tensor *nilu_input(nilu_graph *g, const char *name, nilu_dtype dtype, nilu_shape shape);
/* A trained value, f32, f64 or bf16, kept in the plan's store under its full name. */
NILU_API nilu_tensor *nilu_param(nilu_graph *g, const char *name, nilu_dtype dtype, nilu_shape shape, nilu_init init);
/* A value that is saved but not trained; every element starts as `value`. */
NILU_API nilu_tensor *nilu_state(nilu_graph *g, const char *name, nilu_dtype dtype, nilu_shape shape, double value);
/* The counter of steps: the state "step", i64 scalar, 0 in the first step, plus one after each. Made on first use. */
NILU_API nilu_tensor *nilu_step_counter(nilu_graph *g);
/* An array of numbers known now; `data` is copied. */
NILU_API nilu_tensor *nilu_constant(nilu_graph *g, nilu_dtype dtype, nilu_shape shape, const void *data);
/* At the end of each step `state` (or parameter) takes `value`, of the same dtype and shape, after every reader of the
 * old value. A second assignment to the same state is an error. */
NILU_API void nilu_assign(nilu_tensor *state, nilu_tensor *value);

/* Axes of a reduction or a transposition, outermost first; n = 0 stands for all of them. */
typedef struct nilu_axes {
    int n;
    int at[NILU_MAX_RANK];
} nilu_axes;
#define NILU_ALL ((nilu_axes){0})
/* nilu_axes of the arguments: NILU_AXES(0, 1). C only. */
#define NILU_AXES(...) ((nilu_axes){.n = (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), .at = {__VA_ARGS__}})

typedef struct nilu_xent_options {
    nilu_tensor *weight; /* NULL, or [k] of x's dtype: each class's weight; the mean is over the weights of the rows */
    double smoothing;    /* share of the truth that is spread evenly over the classes, in [0, 1) */
    bool ignoring;       /* rows whose label is `ignore` count for nothing */
    int64_t ignore;
} nilu_xent_options;

/* Whole numbers, one for each spatial axis of pictures; one alone stands for all of them. */
typedef nilu_axes nilu_sizes;
#define NILU_SIZES(...) NILU_AXES(__VA_ARGS__) /* NILU_SIZES(2), NILU_SIZES(3, 5). C only. */

/* How a window moves over pictures. {0}: stride 1, dilation 1, no padding, one group. */
typedef struct nilu_conv_options {
    nilu_sizes stride, dilation;
    nilu_sizes padding; /* zeros before each axis, and behind it unless `after` says otherwise */
    nilu_sizes after;
    int64_t groups; /* channels are cut into so many parts, each with filters of its own; all channels: depthwise */
} nilu_conv_options;

/* How a pool moves. {0}: window beside window, no padding. */
typedef struct nilu_pool_options {
    nilu_sizes stride; /* {0}: as long as the kernel */
    nilu_sizes padding, after; /* as nilu_conv_options; what lies there counts for nothing */
    bool counting; /* of avg_pool: it counts as zeros */
} nilu_pool_options;

/* Ways to resize: nearest place; between two places; the same with corners that stay corners. */
typedef enum nilu_resize_how { NILU_NEAREST, NILU_LINEAR, NILU_LINEAR_CORNERS } nilu_resize_how;
/* What stands beyond the ends of an axis: c b | a b c d | c b; a a | a b c d | d d; c d | a b c d | a b. */
typedef enum nilu_padding { NILU_PAD_REFLECT, NILU_PAD_REPLICATE, NILU_PAD_CIRCULAR } nilu_padding;

/* The product with either operand read transposed: no transpose is ever made. */
NILU_API nilu_tensor *nilu_matmul_t(nilu_tensor *a, bool a_transposed, nilu_tensor *b, bool b_transposed);

/* The ops: one prototype a row. */
#define NILU_OP(name, parameters) NILU_API nilu_tensor *nilu_##name parameters;
#include "nilu/ops.inc"
#undef NILU_OP
/* Name of the i-th op in the order above; NULL past the last. Static text. */
NILU_API const char *nilu_op_name(int i);

/* ---- differentiation --------------------------------------------------------------------------------------------------
 * Adds to the graph the nodes that compute d y / d wrt[i] for a scalar y, walking from y back to the start; grads[i]
 * receives each, of wrt[i]'s dtype and shape (zeros where y does not depend on it). They are ordinary nodes, named
 * `grad/<name>`, and the errors on the way `delta/<name>`; differentiate them again for higher orders.
 * NILU_E_NO_GRADIENT if an op on the way has none; NILU_E_SHAPE if y is not a scalar. */
NILU_API nilu_status nilu_grad(nilu_tensor *y, int n, nilu_tensor *const *wrt, nilu_tensor **grads);
/* The same from a y of any shape with the error `dy` (y's dtype and shape) given: grads[i] = dyᵀ · d y / d wrt[i]. */
NILU_API nilu_status nilu_grad_from(nilu_tensor *y, nilu_tensor *dy, int n, nilu_tensor *const *wrt,
                                    nilu_tensor **grads);
/* All parameters that y depends on other than through stop_gradient, but for frozen ones, in the order in which they were
 * made: fills `out` with at most `room` of them and returns how many there are. */
NILU_API int nilu_params_of(nilu_tensor *y, int room, nilu_tensor **out);

/* ---- planning and running ---------------------------------------------------------------------------------------------- */

typedef struct nilu_compile_options {
    size_t size;          /* sizeof(nilu_compile_options) */
    nilu_dtype dtype;     /* NILU_F32: as the graph says; NILU_F64: every f32 in it becomes f64 (the store too) */
    bool reference;       /* reference kernels only: the judge */
    const char *kernels;  /* NULL: all; else only kernels whose name contains this text (tests) */
    const char *without;  /* NULL, or names of passes to leave out, separated by commas */
    bool bf16;            /* products of f32 matrices and convolutions of f32 pictures round their operands to bf16 and add
                             up in f32 (Micikevicius et al. 2018); weights, updates and all else stay f32. Faster where the machine has bf16 products; it
                             is another arithmetic, and part of a run's identity */
} nilu_compile_options;
#define NILU_COMPILE_DEFAULT {sizeof(nilu_compile_options), NILU_F32, false, NULL, NULL, false}

/* Turns the part of the graph that `fetch` and the assignments need into a list of kernel calls with a place in memory
 * for every value. Parameters and states are found in `store` by name, or added there with their initial values.
 * The graph may be freed or extended afterwards; the store must outlive the plan. Freed by nilu_plan_free. */
NILU_API nilu_status nilu_compile(nilu_graph *g, nilu_store *store, int n, nilu_tensor *const *fetch,
                                  const nilu_compile_options *options, nilu_plan **plan);
NILU_API void nilu_plan_free(nilu_plan *plan);
/* Tells the plan where the values of input `name` are: `bytes` of the input's dtype and shape, row-major. They are read
 * in place by the following steps and must stay until then; no alignment is needed. What is fed to an input of the graph that
 * no fetch needs is dropped. */
NILU_API nilu_status nilu_feed(nilu_plan *plan, const char *name, const void *data, size_t bytes);
/* One step: reads the feeds, computes the fetches, carries out the assignments. If the data are at fault (an id out of
 * range) it fails, names the node, and no parameter or state has changed. Never allocates. */
NILU_API nilu_status nilu_step(nilu_plan *plan);
/* Steps as long as the next one is expected to end within `microseconds` of the call, by what recent ones took; *steps is how
 * many that were. The first call of a plan makes at least one step, to find out. Where a step fails, those before it count. With
 * a context of one thread nothing is allocated and no thread made, so that it fits into another program's loop of events. */
NILU_API nilu_status nilu_step_for(nilu_plan *plan, int64_t microseconds, int64_t *steps);
/* The value of the i-th fetch after a step: row-major, valid until the next step. */
NILU_API const void *nilu_fetched(const nilu_plan *plan, int i);
NILU_API nilu_shape nilu_fetched_shape(const nilu_plan *plan, int i);
NILU_API nilu_dtype nilu_fetched_dtype(const nilu_plan *plan, int i);

typedef struct nilu_plan_summary {
    int instructions;
    int64_t params;         /* trained numbers */
    double flops, bytes;    /* of one step: floating-point operations, bytes read and written */
    size_t arena_bytes;     /* of the values between kernels */
    size_t lower_bound;     /* largest sum of values alive at once: no plan with this order can do with less */
    size_t store_bytes;     /* parameters and states */
    size_t scratch_bytes;   /* packed copies, partial sums */
    size_t peak_bytes;      /* all of these together */
    double plan_seconds;
} nilu_plan_summary;
NILU_API void nilu_plan_summarise(const nilu_plan *plan, nilu_plan_summary *out);
typedef struct nilu_plan_instruction {
    const char *value;   /* name of the node that it computes, its last if several became one; owned by the plan */
    const char *op, *kernel;
    const char *why;     /* where no kernel but the reference runs: why; else "" */
    const char *where;   /* its node's birthplace, "" if it has none */
    double flops, bytes; /* of one step */
    bool backward;       /* a gradient rule made it */
} nilu_plan_instruction;
/* Instruction `i` of the plan; false past the last. */
NILU_API bool nilu_plan_instruction_at(const nilu_plan *plan, int i, nilu_plan_instruction *out);
/* A step like nilu_step's that adds the seconds of each instruction to seconds[i], one for each instruction of the plan. */
NILU_API nilu_status nilu_profile_step(nilu_plan *plan, double *seconds);
/* What this machine can do at most, measured for a fifth of a second with the context's threads and instruction set:
 * floating-point operations a second (f32 fused multiply-adds on registers), and bytes read and written a second from and
 * to memory beyond all caches. */
NILU_API double nilu_peak_flops(nilu *nl);
NILU_API double nilu_peak_bytes(nilu *nl); /* 0 if there is not enough memory to find out */
/* The plan as text, one line an instruction: node, kernel and why not a faster one, shapes, place in memory, FLOPs.
 * Freed by nilu_text_free; NULL if memory ran out. */
NILU_API char *nilu_plan_text(const nilu_plan *plan);
/* The graph, with its backward nodes, as "text", "dot" or "mermaid". Freed by nilu_text_free. */
NILU_API char *nilu_graph_text(nilu_graph *g, const char *format);
NILU_API void nilu_text_free(nilu *nl, char *text);

/* ---- checking derivatives ----------------------------------------------------------------------------------------------
 * A derivative is compared with differences of the value: (f(x + h) - f(x - h)) / 2h of two step lengths, extrapolated
 * (Richardson 1911), in f64; where they disagree, the steps are made shorter. Where the value has a kink (relu at 0), its
 * slopes on both sides differ however short the step; the derivative must then lie between them. Each tensor is checked
 * element by element, and all of them at once along a random direction. */

typedef struct nilu_gradcheck_options {
    size_t size;        /* sizeof(nilu_gradcheck_options) */
    double tolerance;   /* largest error that passes, relative to the number itself, or to 1/1000 of the largest in the
                           gradient, if that is more; what rounding explains is allowed for */
    int64_t samples;    /* elements checked of each tensor, drawn at random; 0: all */
    uint64_t seed;      /* of the numbers an op is given, and of samples and directions */
    const char *only;   /* nilu_gradcheck_op: this case alone; NULL: all of the op's cases */
} nilu_gradcheck_options;
#define NILU_GRADCHECK_DEFAULT {sizeof(nilu_gradcheck_options), 1e-6, 0, 0, NULL}

typedef struct nilu_gradcheck_report {
    int cases;       /* of an op, that have a derivative and were checked */
    int64_t checked; /* comparisons */
    int64_t kinks;   /* of these, at a kink */
    int64_t failed;
    double worst;    /* largest relative error, kinks apart */
    char text[1024]; /* the first failure: where, the seed, what was expected and got, how to run it alone; "" if none */
} nilu_gradcheck_report;

/* Checks op `name` on its own test cases: the gradient, the second derivative where there is one, and that J and its
 * transpose agree: <J v, u> = <v, Jᵀu>. OK means that the check took place: see the report. An op without gradient has
 * no cases to check. `options` may be NULL. NILU_E_NAME if there is no such op or case. */
NILU_API nilu_status nilu_gradcheck_op(nilu *nl, const char *name, const nilu_gradcheck_options *options,
                                       nilu_gradcheck_report *report);

typedef struct nilu_fed {
    const char *name; /* of an input */
    const void *data; /* of the input's dtype and shape */
    size_t bytes;
} nilu_fed;
/* Checks the gradient of a scalar loss by all of its parameters, whose values are those of `store` (NULL: the initial
 * ones); the store does not change. The gradient's nodes are added to the graph. Errors: those of nilu_grad,
 * nilu_compile, nilu_feed and nilu_step; NILU_E_DTYPE if a parameter is bf16, in which no difference is exact. */
NILU_API nilu_status nilu_gradcheck(nilu_tensor *loss, const nilu_store *store, int n, const nilu_fed *feeds,
                                    const nilu_gradcheck_options *options, nilu_gradcheck_report *report);

/* ---- optimizers -------------------------------------------------------------------------------------------------------
 * An optimizer adds nodes: the gradients, and what each parameter becomes at the end of the step. */

#define NILU_UNSET (0.0 / 0.0) /* of a real option: the optimizer's own default, shown in brackets */

typedef enum nilu_schedule_kind {
    NILU_SCHEDULE_CONSTANT,
    NILU_SCHEDULE_STEP,    /* times `gamma` after each `every` updates */
    NILU_SCHEDULE_LINEAR,  /* from 1 down to `final` in a straight line */
    NILU_SCHEDULE_COSINE,  /* from 1 down to `final` along half a cosine (Loshchilov, Hutter 2017) */
    NILU_SCHEDULE_ONECYCLE /* from 1/25 up to 1 and down to 1/250000 along cosines (Smith, Topin 2018) */
} nilu_schedule_kind;

/* What the learning rate is multiplied with at update u = 0, 1, 2, …: the same as PyTorch's StepLR, LinearLR,
 * CosineAnnealingLR and OneCycleLR (without the cycle of momentum). After `total` updates it stays as it is. */
typedef struct nilu_schedule {
    nilu_schedule_kind kind;
    int64_t warmup;   /* updates in which the rate first rises in a straight line, before the schedule starts; 0: none */
    int64_t total;    /* updates in all, warm-up included: linear, cosine and onecycle need it */
    int64_t every;    /* step: updates between two falls */
    double start;     /* what the warm-up starts from, in (0, 1] [1 / warmup] */
    double gamma;     /* step [0.1] */
    double final;     /* linear, cosine: what is left at the end, in [0, 1] [0] */
    double rise;      /* onecycle: share of `total` in which the rate rises, in (0, 1) [0.3] */
} nilu_schedule;

typedef struct nilu_optimizer_options {
    size_t size;         /* sizeof(nilu_optimizer_options) */
    const char *name;    /* "sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adadelta", "adam", "adamw", "lion" or
                            "muon"; NULL: "adam" */
    double lr;           /* learning rate [sgd, momentum, nesterov, adam, adamw, muon 1e-3; rmsprop, adagrad 1e-2;
                            adadelta 1; lion 1e-4] */
    double momentum;     /* [momentum, nesterov 0.9; muon 0.95; rmsprop 0] */
    double beta1, beta2; /* decay of the averages of g and of g² [adam, adamw, muon 0.9, 0.999; lion 0.9, 0.99] */
    double eps;          /* kept out of the denominator's way [1e-8; adagrad 1e-10; adadelta 1e-6; muon 1e-7] */
    double decay;        /* weight decay: added to the gradient, but in adamw, lion and muon taken from the weight
                            [0; adamw 0.01; muon 0.1] */
    double rho;          /* decay of the average of g² [rmsprop 0.99; adadelta 0.9] */
    double side_lr;      /* muon: rate of AdamW, which updates all but matrices and filters [lr] */
    double clip_value;   /* each number of a gradient is kept within ± this; 0: as it is [0] */
    double clip_norm;    /* gradients whose common 2-norm is larger are scaled down to it, after clip_value; 0: as they
                            are [0] */
    double ema;          /* decay of averages of the weights, kept as states opt/<parameter>/ema of all parameters that the
                            step assigns, running statistics too; 0: none [0] */
    int accumulate;      /* steps whose mean gradient makes one update; 0 and 1: each step is an update */
    nilu_schedule schedule;
    const char *scope;   /* what the names of its nodes and states start with; NULL: "opt" */
} nilu_optimizer_options;
#define NILU_SCHEDULE_DEFAULT {NILU_SCHEDULE_CONSTANT, 0, 0, 0, NILU_UNSET, NILU_UNSET, NILU_UNSET, NILU_UNSET}
#define NILU_OPTIMIZER_DEFAULT                                                                                         \
    {sizeof(nilu_optimizer_options), NULL, NILU_UNSET, NILU_UNSET, NILU_UNSET, NILU_UNSET, NILU_UNSET, NILU_UNSET,     \
     NILU_UNSET, NILU_UNSET, NILU_UNSET, NILU_UNSET, NILU_UNSET, 0, NILU_SCHEDULE_DEFAULT, NULL}

/* Adds to the loss's graph (a scalar) the gradients of `n` parameters (params NULL: all that the loss depends on), and
 * the assignments that make one step of training: the same updates, to the order of rounding, as PyTorch's.
 * States are called opt/<parameter>/m and the like; they and the arithmetic have the parameter's dtype (f32 for bf16
 * parameters). The state "opt/lr", f64, is the learning rate before the schedule: overwrite it in the store to change
 * the rate of a running training. *rate, where wanted, is the f64 rate of this step; *norm the f64 2-norm of all
 * gradients of this update, before clip_norm (PyTorch's clip_grad_norm_); both for fetching.
 * With `accumulate` gradients are summed in states and the update takes effect in every N-th step alone; between two
 * updates all other states stay as they are, and schedules count updates.
 * `options` may be NULL. Errors: USAGE (unknown name, a number out of range), those of nilu_grad. */
NILU_API nilu_status nilu_minimise(nilu_tensor *loss, int n, nilu_tensor *const *params,
                                   const nilu_optimizer_options *options, nilu_tensor **rate, nilu_tensor **norm);
/* Name of the i-th optimizer and of the i-th schedule; NULL past the last. Static text. */
NILU_API const char *nilu_optimizer_name(int i);
NILU_API const char *nilu_schedule_name(int i);
/* The options with every unset field filled in, and checked (USAGE). `out` may be `options`; NULL options: defaults. */
NILU_API nilu_status nilu_optimizer_resolve(nilu *nl, const nilu_optimizer_options *options,
                                            nilu_optimizer_options *out);

/* ---- layers and models --------------------------------------------------------------------------------------------------
 * A layer is a few nodes with names and parameters; a model is a description from which graphs are built, one for each
 * batch size, mode and dtype. Layers take their dtype from their input. */

/* Initial values by name: "zeros", "ones", "constant", "uniform", "normal", "orthogonal", "eye", and for a layer with
 * fan_in inputs and fan_out outputs "xavier_uniform" and "xavier_normal" (Glorot, Bengio 2010), "he_uniform" and
 * "he_normal" (He et al. 2015), "lecun_uniform" and "lecun_normal" (LeCun et al. 1998), "linear" (uniform within
 * ± 1/sqrt(fan_in), PyTorch's for dense layers), also under the names "glorot_…" and "kaiming_…". A number after a colon
 * scales them: "normal:0.02" has that deviation [0.05], "uniform:0.1" goes from -0.1 to 0.1 [0.05], "constant:3" is 3,
 * "he_normal:0.5" is half as wide. USAGE for an unknown name. */
NILU_API nilu_status nilu_init_named(nilu *nl, const char *name, int64_t fan_in, int64_t fan_out, nilu_init *init);
/* Name of the i-th initialiser; NULL past the last. Static text. */
NILU_API const char *nilu_init_name(int i);

/* Applies an activation by its op's name: "relu", "gelu", …, also "softmax" and "log_softmax" over the last axis, and
 * "linear" or NULL for none. leaky_relu has slope 0.01 and elu alpha 1. */
NILU_API nilu_tensor *nilu_activation(nilu_tensor *x, const char *name);
NILU_API const char *nilu_activation_name(int i); /* NULL past the last; static text */
/* x [.., k] -> activation(x · weight + bias) [.., units]; parameters <name>/weight [k, units] and <name>/bias [units].
 * `init` names the weights' initial values; NULL: he_uniform before relu and its kin, lecun_normal before selu, else
 * xavier_uniform. The bias starts at 0 ("linear": as the weights). */
NILU_API nilu_tensor *nilu_dense(nilu_tensor *x, const char *name, int64_t units, const char *activation,
                                 const char *init, bool bias);
/* x [n, ..] -> [n, product of the rest]. */
NILU_API nilu_tensor *nilu_flatten(nilu_tensor *x);
/* A loss by name: "cross_entropy" (softmax_xent; y [n, k] are logits, target [n] integer), "nll" (y: log
 * probabilities), "bce" (bce_logits), "mse", "l1", "huber" (delta 1), "hinge", "kl" (y: log probabilities). Those that
 * want a target of y's shape and are given classes [n] make it from them: 1 for the class and 0 (hinge: -1) for others. */
NILU_API nilu_tensor *nilu_loss(const char *name, nilu_tensor *y, nilu_tensor *target);
NILU_API const char *nilu_loss_name(int i); /* NULL past the last; static text */

typedef struct nilu_model nilu_model;

/* How a model wishes to be trained: section `train` of its file. */
typedef struct nilu_model_training {
    const char *loss;                 /* NULL: by the task */
    nilu_optimizer_options optimizer; /* what is not said is unset; name NULL: not said; schedule totals as written */
    bool scheduled;                   /* `schedule` was said */
    int64_t epochs, batch;            /* 0: not said */
    double label_smoothing;           /* unset: not said */
} nilu_model_training;

/* A model from a YAML or ONNX file, from YAML text (`name` stands for the file in errors), or from a chain of layers on one line,
 * separated by commas: "512 relu, dropout 0.2, 512 relu". A layer is written `kind arguments key=value …`; a number alone
 * means dense. Kinds: dense UNITS [ACTIVATION] [init=NAME] [bias=false], dropout RATE, flatten, every activation
 * (leaky_relu SLOPE, elu ALPHA), scale FACTOR, add, mul, concat; layers for pictures: conv FILTERS KERNEL [ACTIVATION] [stride=1]
 * [padding=0 or same] [dilation=1] [groups=1] [init=NAME] [bias=false], whiten FILTERS KERNEL (a convolution whose
 * filters nilu_train sets once: the main directions of the training pictures' patches, to variance 1, and their opposites), pool max|avg KERNEL|global [stride=KERNEL]
 * [padding=0], adaptive_pool max|avg SIZE, upsample FACTOR [nearest|linear|corners], pad PLACES
 * [zeros|reflect|replicate|circular], channels_first, batchnorm [momentum=0.1] [eps=1e-5] [frozen=true], layernorm and
 * rmsnorm (over the last axis), groupnorm GROUPS|channels; all take name=NAME and from=LAYER[,LAYER…]. A file has `layers`, a list
 * of such lines, of mappings {dense: 512, activation: relu, name: a, from: x} or of blocks: {repeat: 3, layers: [..]}, and
 * {residual: [..], shortcut: [..]}, which adds what came in, through the layers of the shortcut if there are any. It may have
 * `input` (shape of a sample, [784]), `inputs` ({x: [784], z: [10]}), `output` (the layer that is the result), `init`, `loss`,
 * `train`, `freeze` (as nilu_model_freeze). Instead of `layers` it may have `file`: an ONNX file of one input, relative to it,
 * with `sha256` and `norms` (frozen, trained). Such a model begins with the file's weights, under their names, and with any
 * batch.
 * A layer reads the one before it unless `from` says otherwise. Errors: MODEL, with file and line and what was probably
 * meant; FILE_NOT_FOUND, FILE_READ. Freed by nilu_model_free, before the context. */
NILU_API nilu_status nilu_model_load(nilu *nl, const char *path, nilu_model **model);
NILU_API nilu_status nilu_model_from_text(nilu *nl, const char *yaml, const char *name, nilu_model **model);
NILU_API nilu_status nilu_model_chain(nilu *nl, const char *chain, nilu_model **model);
/* A model that comes with nilu, from its file NAME.yaml in the folder models of data_dir (NULL: where it was installed).
 * Errors: NAME, with what was probably meant; those of nilu_model_load. */
NILU_API nilu_status nilu_model_known(nilu *nl, const char *name, const char *data_dir, nilu_model **model);
/* The i-th of them; NULL past the last. Static texts. */
typedef struct nilu_known_model {
    const char *name, *about;
} nilu_known_model;
NILU_API const nilu_known_model *nilu_model_catalogue(int i);
/* n hidden dense layers; `activation` NULL: relu. */
NILU_API nilu_status nilu_model_hidden(nilu *nl, int n, const int64_t *units, const char *activation,
                                       nilu_model **model);
NILU_API void nilu_model_free(nilu_model *model);
/* Parameters whose names fit are used and not trained: patterns with * and ?, separated by commas, for a whole name or for its
 * part before a '.' or '/'; the last that fits decides, and one behind '!' thaws: "*, !fc" trains fc alone. Running statistics
 * of a frozen name keep. NULL: nothing is frozen. A pattern that fits nothing is an error when the model is built. */
NILU_API nilu_status nilu_model_freeze(nilu_model *model, const char *patterns);
/* Whether the normalisations of a model from elsewhere learn the statistics of the data in training (false at first: they
 * keep those that they came with). Returns whether it has any. */
NILU_API bool nilu_model_train_norms(nilu_model *model, bool train);
/* The model in one line, for people. Freed by nilu_text_free; NULL if memory ran out. */
NILU_API char *nilu_model_summary(const nilu_model *model);
NILU_API int nilu_model_layers(const nilu_model *model); /* 0 of a model from elsewhere */
/* Owned by the model. */
NILU_API const nilu_model_training *nilu_model_wishes(const nilu_model *model);
NILU_API int nilu_model_inputs(const nilu_model *model);
NILU_API const char *nilu_model_input_name(const nilu_model *model, int i); /* "x" where nothing was said */
/* The model as the text of a file that means the same. Freed by nilu_text_free; NULL if memory ran out. */
NILU_API char *nilu_model_text(const nilu_model *model);

/* Builds the model into x's graph; x [n, ..] is what its one input is. *y is the result: what `output` or the last layer
 * gives. In `training` dropout drops.
 * `outputs` is the number of classes or of numbers wanted of a sample; 0: whatever the model gives. `dense auto` has that
 * many units. If the result is not as wide and does not come from a dense layer without activation, one of that width is
 * added; if it does, the model does not fit (MODEL). A softmax at the end is refused where cross-entropy, which holds
 * one itself, is the loss. */
NILU_API nilu_status nilu_model_build(const nilu_model *model, nilu_tensor *x, int64_t outputs, bool training,
                                      nilu_tensor **y);
/* The same for a model of n inputs, in the order of nilu_model_input_name. */
NILU_API nilu_status nilu_model_build_n(const nilu_model *model, int n, nilu_tensor *const *x, int64_t outputs,
                                        bool training, nilu_tensor **y);

/* ---- data ----------------------------------------------------------------------------------------------------------
 * A set of samples: pictures in IDX files, tables in CSV, arrays in NPY. Opening one decides everything that a newcomer
 * would have to decide (delimiter, header, types of columns, split, what fills a missing cell), says so in notes, and
 * learns the encoding (means, deviations, categories) from the training part alone. */

typedef struct nilu_data nilu_data;

typedef enum nilu_part { NILU_TRAIN, NILU_VALIDATION, NILU_TEST, NILU_PARTS } nilu_part;

typedef enum nilu_task {
    NILU_TASK_AUTO,    /* options only: text or few distinct whole numbers are classes, other numbers a regression */
    NILU_TASK_CLASSES, /* a label is 0..outputs-1 */
    NILU_TASK_NUMBERS, /* regression: a target is `outputs` numbers */
    NILU_TASK_NONE     /* the set has no target */
} nilu_task;

typedef struct nilu_data_options {
    size_t size;         /* sizeof(nilu_data_options) */
    const char *target;  /* table: the column's name, or "#3" for the third; IDX and NPY: the file with the labels or
                            targets; NULL: the last column, or the file found by the naming rule */
    nilu_task task;      /* NILU_TASK_NONE: no target is looked for */
    char delimiter;      /* of a table; 0: found out */
    int header;          /* 1: the first row has the names; 0: it is data; -1: found out */
    double validation;   /* share of the training samples held out for validation, 0 <= v < 1 */
    double test;         /* likewise for testing, where the set has no test part of its own */
    bool refuse_missing; /* true: an empty cell is an error; false: filled with the mean, or a category of its own */
    const char *ignore;  /* columns to leave out, separated by commas; NULL: none */
    const char *keep;    /* columns to use although they look like names or numbers of rows */
    uint64_t seed;       /* of the split */
    size_t memory;       /* samples that need more bytes stay in the file and are read when asked for; 0: a quarter of
                            the machine's memory */
    const char *encoder; /* nilu_data_encoder_text() of the data that a model was trained on: nothing is learnt, columns
                            are matched by name, and what has no parts of its own becomes NILU_TEST */
    const char *data_dir;  /* where the digits that come with nilu are; NULL: where they were installed */
    const char *cache_dir; /* where nilu_data_get put its sets; NULL: nowhere */
    const char *resize;    /* files of pictures: the size that all are brought to, "HEIGHTxWIDTH" or one number for both:
                              they are made to cover it, and their middle is cut out; NULL: all must be of one size */
    const char *colour;    /* files of pictures: "grey", "rgb"; NULL or "auto": rgb if any file has colour */
    const char *scale;     /* pictures and arrays: "MEANS/DEVIATIONS" that take the place of those learnt, as in
                              "0.485,0.456,0.406/0.229,0.224,0.225": one number or one a channel (of arrays a feature); of
                              bytes as shares of 255. For nets that were trained so. NULL: learnt */
} nilu_data_options;
#define NILU_DATA_DEFAULT                                                                                              \
    {sizeof(nilu_data_options), NULL, NILU_TASK_AUTO, 0, -1, 0.1, 0, false, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL}

typedef struct nilu_data_info {
    const char *name;                 /* "mnist", or the file's name without its folder */
    const char *format;               /* "idx", "csv", "npy", "pictures" or "cifar" */
    nilu_task task;                   /* never NILU_TASK_AUTO */
    int64_t count[NILU_PARTS];        /* samples of each part */
    int64_t features;                 /* f32 numbers of a sample after encoding */
    int height, width, channels;      /* features = height * width * channels, in this order; 0, 0, 0: no picture */
    bool planes;                      /* the order is channels, height, width instead */
    int64_t outputs;                  /* classes, or numbers in a target; 0 without target */
    const char *target;               /* name of the target, "" if it has none */
    const char *const *class_names;   /* [outputs]; NULL unless classes */
    const char *const *feature_names; /* [features]; NULL for pictures and arrays */
    const double *target_mean;        /* [outputs], of the training part; NULL unless numbers: targets are handed out */
    const double *target_std;         /*   as (value - mean) / std; undo it to show them */
    char fingerprint[32];             /* "xxh64:" and 16 hex digits over all samples and targets as they were read */
    bool streamed;                    /* samples are read from the file when asked for */
    size_t bytes;                     /* of memory held */
    double seconds;                   /* that opening took */
    int notes;                        /* what was decided or done to the data, a sentence each */
    const char *const *note;
} nilu_data_info;

/* Opens a set. `where` is a name of the catalogue ("digits", "mnist", "fashion-mnist"; write ./digits for a folder
 * of that name), a folder of IDX files named as MNIST's are (train-images-idx3-ubyte[.gz], …), one IDX file of
 * pictures (labels beside it: "images" becomes "labels", "idx3" "idx1"), a folder of PNG and JPEG pictures with a folder for
 * each class, above them train, validation (or val, valid) and test where there are parts, one such picture, a folder of
 * CIFAR's batch files (data_batch_1.bin, …, or train.bin; `target` "coarse" for CIFAR-100's other labels), a table (.csv .tsv .data .txt, also .gz),
 * or an .npy array whose first dimension counts samples (targets beside it: X.npy and y.npy, X_train.npy and
 * y_train.npy), or an .npz archive with arrays x and y, or x_train, y_train, x_test and y_test. `options` may be NULL. Freed by nilu_data_free. Errors: FILE_NOT_FOUND, FILE_READ, FILE_CORRUPT
 * (with file, line and column), DATA (what the file holds does not fit the wish or the encoder), RANGE (a label),
 * NAME (a column that is not there), UNSUPPORTED (a format that nilu does not read; a packed file too large to be
 * unpacked into memory), USAGE. */
NILU_API nilu_status nilu_data_open(nilu *nl, const char *where, const nilu_data_options *options, nilu_data **data);
NILU_API void nilu_data_free(nilu_data *data);
/* What is known of the set; owned by it. */
NILU_API const nilu_data_info *nilu_data_about(const nilu_data *data);

/* Positions first .. first+n-1 of epoch `epoch` in its shuffled order, as indices into `part`, into index[]. A pure
 * function of (seed, epoch, size of the part), nothing is stored. Returns how many there are: the last batch of an
 * epoch is a short one, and 0 ends it. */
NILU_API int64_t nilu_data_order(const nilu_data *data, nilu_part part, uint64_t seed, uint64_t epoch, int64_t first,
                                 int64_t n, int64_t *index);
/* Gathers n samples: x [n, features] f32, normalised, and of the target either labels [n] i32 (classes; -1: sample
 * without label) or targets [n, outputs] f32 (numbers; NaN: sample without target); each may be NULL. index [n]: samples
 * of `part`, NULL: 0..n-1. RANGE if an index is; FILE_READ if a streamed file changed under our hands. Allocates
 * nothing. */
NILU_API nilu_status nilu_data_batch(nilu_data *data, nilu_part part, const int64_t *index, int64_t n, float *x,
                                     int32_t *labels, float *targets);
/* Sample `index` as a picture: height * width * channels bytes, 0 black; numbers other than u8 are spread over the
 * range seen in training. UNSUPPORTED if the set has no pictures. */
NILU_API nilu_status nilu_data_picture(nilu_data *data, nilu_part part, int64_t index, unsigned char *pixels);
/* Where sample `index` stands and, of a table, its cells: "iris.csv:7: sepal length (cm) 5.1, …". Freed by
 * nilu_text_free; NULL on failure. */
NILU_API char *nilu_data_describe(nilu_data *data, nilu_part part, int64_t index);

/* The encoding as JSON text, to be kept with a model and given to nilu_data_options.encoder. Freed by
 * nilu_text_free; NULL if memory ran out. */
NILU_API char *nilu_data_encoder_text(const nilu_data *data);

/* A named set that nilu knows how to get. */
typedef struct nilu_dataset {
    const char *name, *about, *licence, *source; /* source: where it is downloaded from; "" if it comes with nilu */
} nilu_dataset;
NILU_API const nilu_dataset *nilu_data_catalogue(int i); /* static; NULL past the last */

typedef struct nilu_get_options {
    size_t size;           /* sizeof(nilu_get_options) */
    const char *from;      /* folder or http(s) address that has the set's files; NULL: Debian's package, then `source` */
    const char *cache_dir; /* the files go to cache_dir/name; never NULL */
    /* Told of progress, `total` 0 if unknown; returns false to stop (NILU_E_CANCELLED). May be NULL. */
    bool (*progress)(void *user, const char *file, uint64_t done, uint64_t total);
    void *user;
} nilu_get_options;
#define NILU_GET_DEFAULT {sizeof(nilu_get_options), NULL, NULL, NULL, NULL}
/* Brings a set of the catalogue onto this machine: each file is checked by the SHA-256 of its unpacked bytes, then
 * put in place whole; files that are there already are checked and kept. *folder, where wanted, says where the set
 * now is (freed by nilu_text_free). Errors: NAME, FILE_NOT_FOUND, FILE_READ (the server's answer or the network's),
 * VERIFY (wrong hash). */
NILU_API nilu_status nilu_data_get(nilu *nl, const char *name, const nilu_get_options *options, char **folder);

/* Reads an array of any number type and shape (IEEE half becomes f32). *values is of `want`, or where want is NILU_DTYPES of
 * the file's own type, or the next wider one that nilu has; freed by nilu_array_free. DTYPE if a number does not fit. */
NILU_API nilu_status nilu_npy_read(nilu *nl, const char *path, nilu_dtype want, nilu_dtype *dtype, nilu_shape *shape,
                                   void **values);
NILU_API void nilu_array_free(nilu *nl, void *values);
/* Writes an array as NPY version 1.0 (numpy's format), atomically. F32, F64, I32, I64, U8 and BOOL. */
NILU_API nilu_status nilu_npy_write(nilu *nl, const char *path, nilu_dtype dtype, nilu_shape shape, const void *values);

/* NPZ, numpy's archive of arrays by name, stored or deflated. Opening checks its list of members: FILE_CORRUPT if they overlap,
 * claim what they cannot hold, or two have one name. Freed by nilu_npz_free. */
typedef struct nilu_npz nilu_npz;
NILU_API nilu_status nilu_npz_open(nilu *nl, const char *path, nilu_npz **npz);
NILU_API void nilu_npz_free(nilu_npz *npz);
NILU_API int nilu_npz_count(const nilu_npz *npz);
NILU_API const char *nilu_npz_name(const nilu_npz *npz, int i); /* without .npy; owned by the archive; NULL: none */
/* As nilu_npy_read; its check sum is compared. NAME if there is no such array. */
NILU_API nilu_status nilu_npz_read(nilu_npz *npz, const char *name, nilu_dtype want, nilu_dtype *dtype, nilu_shape *shape,
                                   void **values);
typedef struct nilu_array {
    const char *name;
    nilu_dtype dtype;
    nilu_shape shape;
    const void *values;
} nilu_array;
/* Writes n arrays of different names, stored, atomically; the same arrays give the same bytes. Types as nilu_npy_write. */
NILU_API nilu_status nilu_npz_write(nilu *nl, const char *path, int n, const nilu_array *arrays);

/* ---- values in files ---------------------------------------------------------------------------------------------------
 * The one format of weights and checkpoints is safetensors: a header of JSON, then plain arrays. */

#define NILU_PARAMS (1u << NILU_PARAM)
#define NILU_STATES (1u << NILU_STATE)

typedef struct nilu_pair {
    const char *key, *value;
} nilu_pair;

/* Writes the values of `kinds` (NILU_PARAMS, NILU_STATES or both) in the order of their names, with the n texts of
 * `metadata` (NULL: none; keys must differ; "nilu.states" and "nilu.check" are taken). The same values give the same bytes. `path` is
 * replaced atomically and synced to the disk. Errors: FILE_WRITE, USAGE. */
NILU_API nilu_status nilu_save(const nilu_store *store, unsigned kinds, int n, const nilu_pair *metadata,
                               const char *path);
/* Puts the values of `kinds` that a safetensors file holds into the store; files from elsewhere hold parameters alone.
 * What the store has under the same name is overwritten and must have the same dtype and shape; what the file lacks
 * stays as it was. On failure the store is as before (but for NO_MEMORY). F16 becomes f32. Errors: FILE_NOT_FOUND,
 * FILE_READ, FILE_CORRUPT (with what is wrong in the header), UNSUPPORTED (a dtype that nilu has not), SHAPE, DTYPE. */
NILU_API nilu_status nilu_load(nilu_store *store, unsigned kinds, const char *path);
/* One text of a file's metadata: *value NULL if there is none of that key. Freed by nilu_text_free. */
NILU_API nilu_status nilu_load_metadata(nilu *nl, const char *path, const char *key, char **value);

/* ---- training ----------------------------------------------------------------------------------------------------------
 * A run is a function of (data, model, options, seed of the context): it gives the same bits with any number of threads,
 * and interrupted and continued the same as undisturbed. */

typedef struct nilu_predictor nilu_predictor;

/* How good a model is on a part of a set. What does not belong to the task is NaN. */
typedef struct nilu_scores {
    nilu_task task;
    int64_t n;            /* samples with a known target */
    double loss;          /* mean of the loss that is trained with */
    double accuracy;      /* classes: share that is right, 0..1 */
    double rmse, mae, r2; /* numbers: in the target's own units; r2 the mean over outputs */
} nilu_scores;

typedef struct nilu_class_scores {
    int64_t n, said, right;       /* samples of the class; samples that were said to be of it; both */
    double precision, recall, f1; /* 0 where nothing was said, or there is nothing to find */
} nilu_class_scores;

typedef struct nilu_evaluation {
    nilu_scores scores;
    int64_t outputs;            /* classes, or numbers of a target */
    int64_t *confusion;         /* classes: [outputs, outputs], row: truth, column: what was said; else NULL */
    nilu_class_scores *classes; /* classes: [outputs]; else NULL */
    double macro_f1;            /* mean of f1 over classes that have samples */
    double *rmse, *mae, *r2;    /* numbers: [outputs] each; else NULL */
    double seconds;
} nilu_evaluation;

typedef enum nilu_ending {
    NILU_FINISHED,      /* all epochs, or all steps that were asked for */
    NILU_STOPPED_EARLY, /* the validation loss had no new low for `patience` epochs */
    NILU_INTERRUPTED,   /* by `stop` or a callback: nilu_resume goes on */
    NILU_DIVERGED       /* the loss was no longer finite */
} nilu_ending;

/* All settings of a run, resolved: told before the first step. */
typedef struct nilu_train_about {
    const char *run;                  /* folder; NULL: nothing is recorded */
    const char *loss;                 /* by name */
    nilu_optimizer_options optimizer; /* every field has a value; schedule.total is the run's where it was not said */
    int64_t epochs, batch, patience;  /* patience 0: no early stopping */
    int64_t epoch_steps, steps;       /* of one epoch, and of all */
    int64_t samples, validation;      /* in the training and the validation part */
    int64_t params, trained;          /* numbers; of them, those that the updates change */
    int64_t measured;                 /* beside them: statistics that norms keep, filters that whiten */
    uint64_t seed;
    const nilu_model *model;
    const nilu_plan *plan;            /* of a full batch: for nilu_plan_summarise and nilu_plan_text */
    int64_t done;                     /* steps done before: of a resumed run, else 0 */
    double seconds;                   /* since nilu_train was called: building and planning */
} nilu_train_about;

/* After a step. */
typedef struct nilu_progress {
    int64_t epoch, step;       /* from 1; step counts through all epochs */
    int64_t batch;             /* samples of this step */
    double loss;               /* of this step */
    double mean_loss;          /* of this epoch so far: the mean over its samples */
    double rate;               /* learning rate of this step */
    double seconds;            /* since nilu_train was called */
    double samples_per_second; /* of training steps in this epoch */
    bool epoch_ends;
    const nilu_store *store;   /* the values after this step */
} nilu_progress;

/* After an epoch: a line of metrics.jsonl. */
typedef struct nilu_epoch {
    int64_t epoch, step;       /* epochs and steps done */
    double loss;               /* mean over the samples of the epoch, as they were met */
    nilu_scores validation;    /* n = 0: no validation part */
    double rate;               /* learning rate of its last step */
    double seconds;            /* of training and validation in all epochs so far, interruptions not counted */
    double samples_per_second; /* of this epoch's training steps */
    bool best;                 /* its validation loss is the lowest so far */
    int64_t bad;               /* epochs since the lowest */
} nilu_epoch;

/* Something is wrong with a training, or with its data. */
typedef enum nilu_alarm_level {
    NILU_NOTE,    /* good to know */
    NILU_WARNING, /* the result is worse than it need be */
    NILU_FAULT    /* nothing, or nothing true, is being learnt */
} nilu_alarm_level;
typedef struct nilu_alarm {
    const char *code;           /* "dead_units"; static: a name of nilu_alarm_code */
    nilu_alarm_level level;
    int64_t step;               /* when it was seen, from 1; 0: before training */
    char where[96];             /* parameter, layer or column; "" */
    double value, limit;        /* what was measured, and what it should have stayed within */
    char evidence[320];         /* that in words */
    const char *cause, *remedy; /* sentences; static, translated */
} nilu_alarm;
/* Name of the i-th code; NULL past the last. Static text. */
NILU_API const char *nilu_alarm_code(int i);

typedef struct nilu_train_options {
    size_t size;                       /* sizeof(nilu_train_options) */
    const char *loss;                  /* a name of nilu_loss; NULL: the model's wish, else by the task: cross_entropy or
                                          mse */
    nilu_optimizer_options optimizer;  /* unset fields: the model's wish, else the optimizer's default; where nobody names
                                          one, adamw with lr 2e-3 and a decay by the number of samples */
    bool scheduled;                    /* optimizer.schedule is meant; false: the model's wish, else one that suits, but for
                                          a warm-up other than 0 (-1: none); a `total` of 0 is the number of updates */
    int64_t epochs, batch;             /* 0: the model's wish, else by the size of the data */
    int64_t steps;                     /* end after this many steps, whatever the epochs; 0: no such limit; -1: before the
                                          first, so that the model is judged and kept as it is */
    int64_t patience;                  /* epochs without a new lowest validation loss before stopping early; 0: by the
                                          epochs; -1: never */
    double label_smoothing;            /* of cross_entropy in training: share of the truth that is spread over all classes;
                                          unset: the model's wish, else 0. Judging knows none */
    bool bf16;                         /* products round their operands to bf16: nilu_compile_options.bf16 */
    /* Recording. Both NULL: nothing is written. */
    const char *out;                   /* the run's folder, which must not exist yet */
    const char *runs;                  /* or the folder in which a new one is made: digits-1, digits-2, … */
    const char *where;                 /* what nilu_data_open was given, and how: kept in the run, so that it can be */
    const nilu_data_options *opened;   /*   opened again. NULL: the run can be resumed with data at hand alone */
    double checkpoint_seconds;         /* a checkpoint at least so often, also within an epoch [30] */
    int64_t checkpoint_steps;          /* and every so many steps; 0: not by steps. At the end of an epoch one is written
                                          unless that would take more than a twentieth of the time */
    int snapshots;                     /* copies of the weights at so many steps, spread evenly on a logarithmic scale
                                          from the first to the last, for forensics; 0: none; -1:
                                          8 where a run is recorded and each takes at most 32 MiB, else none */
    /* What happens is told here, in the thread that called. A callback that returns false stops the training as
     * `stop` does. All may be NULL. */
    bool (*on_start)(void *user, const nilu_train_about *about);
    bool (*on_step)(void *user, const nilu_progress *progress);
    bool (*on_epoch)(void *user, const nilu_epoch *epoch);
    /* Where given, full batches are nilu_profile_step's, and this is told at the end how many there were and the seconds of
     * each instruction of their plan in all of them. */
    void (*on_profile)(void *user, const nilu_plan *plan, int64_t steps, const double *seconds);
    void *user;
    const volatile sig_atomic_t *stop; /* looked at after each step: not 0 stops: a signal handler may set it */
    bool blind;                        /* nobody watches: no alarms, and 2 % less work. No bit of the result depends on it */
    void (*on_alarm)(void *user, const nilu_alarm *alarm); /* each code once; also kept in the run's health.jsonl */
    const char *augment;               /* pictures of training batches are changed anew in each epoch, by words separated by
                                          commas: flip (left for right by chance), altflip (in every other epoch), crop N
                                          (shifted by up to N pixels, the edge reflected), translate N (likewise, mean colour
                                          coming in), cutout N (a square covered by it: DeVries and Taylor 2017), colour S
                                          (brightness, contrast, saturation by a factor of 1 - S to 1 + S), mixup A (mixed in
                                          pairs by shares of Beta(A, A): Zhang et al. 2018). NULL: not */
    const nilu_store *weights;         /* values that parameters of the model begin with, under their names and of their
                                          shapes; the others begin as the model says. NULL: all do. Not for nilu_resume */
    const char *begun;                 /* hash of `weights`; set by nilu_train */
} nilu_train_options;
#define NILU_TRAIN_DEFAULT                                                                                             \
    {sizeof(nilu_train_options), NULL, NILU_OPTIMIZER_DEFAULT, false, 0, 0, 0, 0, NILU_UNSET, false, NULL, NULL, NULL, \
     NULL, 30, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL}

typedef struct nilu_train_result {
    nilu_ending ending;
    char *run;             /* folder, NULL: nothing was recorded */
    nilu_store *store;     /* values as trained: the weights of the best epoch where there is a validation part,
                              or their averages where optimizer.ema asks for them */
    char weights[65];      /* nilu_store_hash of its parameters */
    int64_t epochs, steps; /* done, in the whole run */
    int64_t best_epoch;    /* whose weights these are; 0: the last step's */
    double loss;           /* mean over the last epoch's training samples */
    nilu_part judged;      /* the part that `scores` are of: test, else validation, else train */
    nilu_scores scores;    /* of these weights; n = 0 if interrupted or diverged */
    double seconds;        /* of training and validation, interruptions not counted */
    double score_seconds;  /* of the last judgement */
    double first_step;     /* seconds from the call to the end of the first step */
    double samples_per_second;/* of all training steps of this call */
} nilu_train_result;

/* The model that suits a set where none is given: hidden layers of a width that fits its features and samples. */
NILU_API nilu_status nilu_model_for(nilu *nl, const nilu_data *data, nilu_model **model);
/* Trains `model` (NULL: nilu_model_for) on data's training part; `options` may be NULL. *result is filled whatever the
 * end, and freed by nilu_train_result_free; result may be NULL where a run is recorded. The context's seed is the run's.
 * Errors: CANCELLED (stopped; the run can go on: exit code 75), NOT_FINITE (with epoch, step and what to do; the last
 * good checkpoint is as it was), USAGE, DATA (no target, an empty part), FILE_WRITE (nothing that was there is lost),
 * and those of the model and the data. */
NILU_API nilu_status nilu_train(nilu *nl, const nilu_model *model, nilu_data *data, const nilu_train_options *options,
                                nilu_train_result *result);
/* Goes on with the run in folder `run` from its last checkpoint, to the same bits as if it had not stopped. Settings are
 * the run's (its seed holds instead of the context's); of `options` only callbacks, user, stop, checkpoint_seconds and
 * checkpoint_steps count, and of `opened` the folders data_dir and cache_dir. data NULL: the run's set is opened again.
 * A run that has ended is judged anew and returns OK. Errors: those of nilu_train and nilu_run_open; VERIFY if data,
 * checkpoint and run do not belong together. */
NILU_API nilu_status nilu_resume(nilu *nl, const char *run, nilu_data *data, const nilu_train_options *options,
                                 nilu_train_result *result);
NILU_API void nilu_train_result_free(nilu *nl, nilu_train_result *result);

/* A model with its values, ready for samples of `data`. Plans for other batch sizes are made when first needed. All four
 * are used, not owned, until nilu_predictor_free. `loss` NULL: by the task. */
NILU_API nilu_status nilu_predictor_new(nilu *nl, const nilu_model *model, nilu_store *store, nilu_data *data,
                                        const char *loss, nilu_predictor **predictor);
NILU_API void nilu_predictor_free(nilu_predictor *predictor);
/* Each picture is seen several times, and what is said is the mean before softmax: as it is and mirrored, or both also moved
 * by a place up left and down right, which count half as much. DATA if the samples are no pictures. */
typedef enum nilu_views { NILU_VIEWS_ONE, NILU_VIEWS_FLIP, NILU_VIEWS_FLIP_SHIFT } nilu_views;
NILU_API nilu_status nilu_predictor_views(nilu_predictor *predictor, nilu_views views);
NILU_API const char *nilu_views_name(int i); /* "none", "flip", "flip+shift"; NULL past the last */
/* out [n, outputs]: of classes the probabilities (of losses that have none, such as hinge: scores), of numbers the
 * values in the target's own units. index [n]: samples of `part`; NULL: 0..n-1. Any n. */
NILU_API nilu_status nilu_predict(nilu_predictor *predictor, nilu_part part, const int64_t *index, int64_t n,
                                  float *out);
/* Judges the model on a whole part. Sums are taken in f64 in the order of the samples: the same bits for any threads.
 * Freed by nilu_evaluation_free. DATA if the part is empty or has no target. */
NILU_API nilu_status nilu_evaluate(nilu_predictor *predictor, nilu_part part, nilu_evaluation *out);
NILU_API void nilu_evaluation_free(nilu *nl, nilu_evaluation *evaluation);

/* ---- ONNX: models that others made ---------------------------------------------------------------------------------------
 * An ONNX file (opset 7 to 27; float, double, bfloat16, int32, int64, uint8 and bool tensors) becomes an ordinary graph: to
 * be run, differentiated, trained, looked into. Its initial values of float type become parameters under their names. What
 * decides about shapes must be known when the graph is built: constants, shapes, and inputs whose numbers are given. */

typedef struct nilu_onnx nilu_onnx;
typedef struct nilu_onnx_port {
    const char *name; /* owned by the model */
    nilu_dtype dtype;
    bool ranked;      /* a shape is said */
    nilu_shape shape; /* -1: free, as a batch's size is */
} nilu_onnx_port;
/* An input of a graph that is being built: `t` is of the graph; `data`, its elements, where they are known already: then
 * shapes may depend on them, and the graph holds for these numbers alone. NULL: not known. */
typedef struct nilu_onnx_given {
    const char *name;
    nilu_tensor *t;
    const void *data;
} nilu_onnx_given;

/* Opens and checks a file; external data are read from beneath its folder alone. Freed by nilu_onnx_free. Errors: FILE_READ,
 * FILE_CORRUPT, UNSUPPORTED (with all ops that are not known, and their nodes). */
NILU_API nilu_status nilu_onnx_open(nilu *nl, const char *path, nilu_onnx **model);
NILU_API void nilu_onnx_free(nilu_onnx *model);
NILU_API int nilu_onnx_inputs(const nilu_onnx *model); /* without those that have an initial value */
NILU_API int nilu_onnx_outputs(const nilu_onnx *model);
NILU_API const nilu_onnx_port *nilu_onnx_input(const nilu_onnx *model, int i); /* NULL: none; owned by the model */
NILU_API const nilu_onnx_port *nilu_onnx_output(const nilu_onnx *model, int i);
/* Builds the model into `g`; `in` are all its inputs, in any order; y[i] becomes output i. In `training` dropout drops.
 * UNSUPPORTED, with file, op and node, where something of a node cannot be done. */
NILU_API nilu_status nilu_onnx_build(const nilu_onnx *model, nilu_graph *g, int n, const nilu_onnx_given *in, bool training,
                                     nilu_tensor **y);
/* Puts the initial values of the parameters and states that were built into `g` into the store. `dtype` is that of
 * nilu_compile_options: with NILU_F64 those of f32 become f64. */
NILU_API nilu_status nilu_onnx_weights(const nilu_onnx *model, nilu_graph *g, nilu_dtype dtype, nilu_store *store);
/* Writes what y[0..n-1] need of a graph as an ONNX file (opset 20), atomically: inputs and outputs under the names of their
 * nodes, parameters with the values of `store`. Dimensions of size `batch` are left open in the file, so build the graph with
 * a batch of a size that nothing else has; 0: every size is fixed. UNSUPPORTED for a node that the format cannot say. */
NILU_API nilu_status nilu_onnx_write(nilu_graph *g, int n, nilu_tensor *const *y, const nilu_store *store, int64_t batch,
                                     const char *path);
/* A model of one input with the values of `store`, as it answers: samples [n, features] go in, [n, outputs] comes out. A model
 * from an ONNX file is that file's graph with these values. */
NILU_API nilu_status nilu_onnx_write_model(const nilu_model *model, const nilu_store *store, int64_t features, int64_t outputs,
                                           const char *path);

/* ---- runs --------------------------------------------------------------------------------------------------------------
 * A run is one plain folder:
 *   run.yaml             settings, seed, data with fingerprint and encoder, model, version; at the end its result
 *   metrics.jsonl        a line of JSON an epoch
 *   model.safetensors    the weights alone, when it has ended; the same run gives the same bytes
 *   checkpoints/         last.safetensors and best.safetensors: weights, optimizer's states, position in the data
 *   snapshots/           weights on the way, by step: 00000128.safetensors
 *   health.jsonl         a line of JSON for each look at gradients and units, and for each alarm
 *   lock                 held while a process trains in it */

typedef struct nilu_run nilu_run;

typedef enum nilu_moment {
    NILU_MODEL, /* the weights that the run ended with; while it has not: best, else last */
    NILU_BEST,  /* values of the best checkpoint */
    NILU_LAST   /* values of the last checkpoint */
} nilu_moment;

typedef struct nilu_run_info {
    const char *path, *name;            /* folder; its last part */
    const char *version;                /* of nilu, that made it */
    const char *identity;               /* SHA-256 over all that the bits depend on: equal for runs that must be equal */
    const char *arithmetic;             /* "f32"; "bf16" where products round to it */
    uint64_t seed;
    const char *where;                  /* data, as opened; "" if not known */
    const char *data;                   /* nilu_data_info.name */
    const char *fingerprint;            /* nilu_data_info.fingerprint */
    const char *encoder;                /* for nilu_data_options.encoder */
    const char *model;                  /* text of its file */
    nilu_task task;
    int64_t features, outputs, samples; /* samples: of the training part */
    nilu_train_options options;         /* as resolved; recording and callbacks unset */
    nilu_data_options opened;
    bool ended;                         /* for good: model.safetensors is there */
    nilu_ending ending;                 /* where ended; else NILU_INTERRUPTED */
    int64_t epochs, steps, best_epoch;  /* done, by the last checkpoint */
    double seconds;                     /* of training, by the last checkpoint */
    nilu_scores scores;                 /* where ended; else n = 0 */
    nilu_part judged;                   /* the part that they are of */
    const char *weights;                /* where ended: hash of the parameters; else "" */
    int snapshots;                      /* and their steps, ascending */
    const int64_t *snapshot;
} nilu_run_info;

/* Opens a run's folder for reading. Freed by nilu_run_free. Errors: FILE_NOT_FOUND (no run there), FILE_CORRUPT (with
 * file and line), FILE_READ. */
NILU_API nilu_status nilu_run_open(nilu *nl, const char *path, nilu_run **run);
NILU_API void nilu_run_free(nilu_run *run);
NILU_API const nilu_run_info *nilu_run_about(const nilu_run *run); /* owned by the run */
NILU_API const nilu_model *nilu_run_model(const nilu_run *run);    /* owned by the run */
/* A new store with the run's values; freed by nilu_store_free. FILE_NOT_FOUND if there are none yet. */
NILU_API nilu_status nilu_run_store(const nilu_run *run, nilu_moment moment, nilu_store **store);
/* The weights as they were after `step` (one of nilu_run_info.snapshot). */
NILU_API nilu_status nilu_run_snapshot(const nilu_run *run, int64_t step, nilu_store **store);
/* Opens the data: where NULL the run's own, parts and encoding as they were (VERIFY if its fingerprint has changed);
 * else another set, encoded as the run's. Of `options` (may be NULL) data_dir, cache_dir and memory count for the run's
 * own; all but the encoder for another. Freed by nilu_data_free. */
NILU_API nilu_status nilu_run_data(const nilu_run *run, const char *where, const nilu_data_options *options,
                                   nilu_data **data);
/* The i-th line of metrics.jsonl; false past the last. */
NILU_API bool nilu_run_epoch(const nilu_run *run, int i, nilu_epoch *epoch);
/* ---- forensics: one sample in a trained network ------------------------------------------------------------------------
 * A scene shows what passed forward and what error came back, layer by layer, from either of two starts: the loss, where the
 * accident happened, or the gap between the accused answer and its rival, which says why this answer and not that one. */

typedef struct nilu_scene nilu_scene;
#define NILU_LAYER_NAME 64

typedef enum nilu_start { NILU_FROM_LOSS, NILU_FROM_GAP, NILU_STARTS } nilu_start;

typedef struct nilu_scene_options {
    size_t size;      /* sizeof(nilu_scene_options) */
    nilu_dtype dtype; /* arithmetic: NILU_F64, or NILU_F32 as in training */
    nilu_task task;   /* NILU_TASK_CLASSES or NILU_TASK_NUMBERS */
    const char *loss; /* as for nilu_loss; NULL: by the task */
} nilu_scene_options;
#define NILU_SCENE_DEFAULT {sizeof(nilu_scene_options), NILU_F64, NILU_TASK_CLASSES, NULL}

/* A scene of `model` with the parameters of `weights`, which are copied. Samples are [features] f32 as nilu_data_batch hands
 * them out, answers [outputs]. MODEL if the weights are of another model. Freed by nilu_scene_free. */
NILU_API nilu_status nilu_scene_new(nilu *nl, const nilu_model *model, const nilu_store *weights, int64_t features,
                                    int64_t outputs, const nilu_scene_options *options, nilu_scene **scene);
NILU_API void nilu_scene_free(nilu_scene *scene);
/* Looks at a sample x [features]. Its truth is `label` (classes) or target [outputs] (numbers). `accused` is the output whose
 * answer is asked about; -1: the largest of classes, the first of numbers. Its rival is the truth or, where the accused is
 * the truth, the largest of the others. RANGE for a label or output that is none. */
NILU_API nilu_status nilu_scene_look(nilu_scene *scene, const float *x, int32_t label, const float *target, int accused);

typedef struct nilu_verdict {
    int64_t features, outputs;
    const double *x, *y; /* [features] what was seen, [outputs] what was answered (logits); owned by the scene */
    double loss;
    double gap;          /* y[accused] - y[rival]; y[accused] alone for numbers */
    int label;           /* -1 for numbers */
    const double *target;/* [outputs] for numbers, NULL for classes; owned by the scene */
    int accused, rival;  /* rival: -1 for numbers */
} nilu_verdict;
NILU_API void nilu_scene_verdict(const nilu_scene *scene, nilu_verdict *out);
/* The error that arrives at the sample itself: d loss / dx or d gap / dx, [features]. */
NILU_API const double *nilu_scene_error(const nilu_scene *scene, nilu_start start);

/* How the filters of a convolution slide over what they read: {rows, columns}; of lines the rows are 1. */
typedef struct nilu_window {
    int64_t channels, groups;
    int64_t size[2], map[2];              /* of what is read, of what is made of it */
    int64_t kernel[2], stride[2], dilation[2], padding[2];
} nilu_window;

/* One layer's part: z = x . weight + bias, a = f(z); and the way back, a neuron's four steps: received, filtered by f'(z) to
 * delta, weight gradient x . delta, passed on delta . weight^T. Owned by the scene, valid until its next call.
 * A convolution's neuron is a channel at a place of its map, number filter * places + place; all places of a channel share the
 * `taps` weights of its filter, so a weight's gradient is the sum over the places. Where a batch norm with running statistics
 * follows, f is the norm and what is behind it. */
typedef struct nilu_layer_view {
    const char *name, *activation;        /* "fc1"; the op's name, "" if there is none */
    int64_t in, out;
    int64_t taps, filters, places;        /* dense: in, out, 1; out = filters * places */
    const nilu_window *window;            /* NULL: dense */
    bool normed;                          /* f begins with a norm */
    const char *weight_name, *bias_name;  /* in the store; bias_name "" where there is none */
    const double *weight, *bias;          /* [taps, filters]; [filters] or NULL */
    const double *gradient;               /* [taps, filters] of a convolution's weights; NULL: dense, x . delta */
    const double *x, *z, *a;              /* [in], [out], [out] */
    const double *slope;                  /* f'(z) [out]; relu's is 0 at z = 0 */
    const double *received, *delta;       /* [out]: the error at a from everyone who read it, the error at z */
    const double *passed;                 /* [in]: what this layer passes back to its input */
} nilu_layer_view;
NILU_API int nilu_scene_layers(const nilu_scene *scene);
/* Layer i in the order of the forward pass; false if there is none. */
NILU_API bool nilu_scene_layer(nilu_scene *scene, int i, nilu_start start, nilu_layer_view *out);
/* Which of the layer's inputs tap `tap` of filter `filter` reads at place `place`; -1: none, but the zeros around a picture.
 * Of a dense layer it is the tap. */
NILU_API int64_t nilu_layer_input(const nilu_layer_view *layer, int64_t tap, int64_t filter, int64_t place);

/* Do the parts add up? For a net of linear layers, pools, norms by running statistics and functions with f(cz) = c f(z) for
 * c > 0 (relu and its kin) gap = sum of x . d gap/dx  +  sum of what is added . its error exactly, where biases and the shifts
 * of norms are what is added; for others `residual` says how much is missing. */
typedef struct nilu_conservation {
    double gap, inputs, biases, residual;
} nilu_conservation;
NILU_API void nilu_scene_conservation(const nilu_scene *scene, nilu_conservation *out);

/* One neuron's part, step by step: what it saw and said, what error it received and from whom, what of it passes its
 * function, its own gradient, what it passes on. Long sums show their largest terms: the rest is total - sum of the terms. */
#define NILU_TERMS 32
typedef struct nilu_term {
    int layer;                /* the layer that the other end belongs to; -1: the sample; -2: something worked out from several */
    int64_t index;            /* its neuron, or the sample's feature; of -2 as place */
    int64_t place;            /* which of the layer's inputs, or of the reader's neurons, it is */
    int64_t tap;              /* which of the neuron's weights */
    double all;               /* of `own`: the gradient of this weight, over all places that share it */
    double left, right, product;
} nilu_term;
typedef struct nilu_terms {
    int n;                    /* largest terms first */
    nilu_term term[NILU_TERMS];
    int64_t of;               /* terms in all */
    double total;             /* of all terms */
    double left;              /* where all terms have one right factor: the sum of their left ones */
} nilu_terms;
typedef struct nilu_explanation {
    nilu_start start;
    int layer;
    const char *name, *activation; /* as in nilu_layer_view */
    int64_t neuron, in, out;       /* in: of a convolution's neuron the taps of its filter */
    int64_t filter, place, outside; /* as in nilu_layer_view; taps that lie outside the picture, where 0 is read */
    const nilu_window *window;     /* NULL: dense */
    bool biased, normed;
    double bias, z, a, slope, received, delta;
    nilu_terms said;    /* x * weight; with the bias, z */
    nilu_terms heard;   /* delta of who read it * weight; the total is what came back through weights */
    const char *via;  /* an op through which more came back, NULL if there is none; received - heard.total came through it */
    bool answers;     /* it is an output: the start itself reads it, and received - heard.total came from there */
    double guess, truth; /* of an output of cross-entropy, from the loss: its probability, and 1 if it is the truth; else NaN */
    nilu_terms own;     /* x * delta: the gradient of its weights; left: the sum of x */
    nilu_terms passed;  /* weight * delta, to each input; left: the sum of weights */
} nilu_explanation;
/* Explains neuron `neuron` of layer `layer` (counted as nilu_scene_layer counts) for the sample that the scene shows, with at
 * most `terms` terms of each sum (1 to NILU_TERMS). Texts are the scene's. RANGE if there is no such neuron. */
NILU_API nilu_status nilu_explain(nilu_scene *scene, int layer, int64_t neuron, nilu_start start, int terms, nilu_explanation *out);

/* What an optimizer makes of one sample: a step of the run's own training graph, without dropout, on that sample alone. */
typedef struct nilu_lesson nilu_lesson;
/* Parameters are those of `weights`; the optimizer's states those of `states` where it has them (NULL: as at the start of a
 * training). Both are copied. `accumulate` of the optimizer counts as 1. Freed by nilu_lesson_free. */
NILU_API nilu_status nilu_lesson_new(nilu *nl, const nilu_model *model, const nilu_store *weights, const nilu_store *states,
                                     int64_t features, int64_t outputs, const nilu_scene_options *options,
                                     const nilu_optimizer_options *optimizer, nilu_lesson **lesson);
NILU_API void nilu_lesson_free(nilu_lesson *lesson);
/* Learns the sample that the scene shows, from its loss. Each lesson begins with the same weights and states. */
NILU_API nilu_status nilu_lesson_learn(nilu_lesson *lesson, const nilu_scene *scene);
/* The weight or bias `name` before and after the last lesson, in the store's shape; NULL if there is none. */
NILU_API const float *nilu_lesson_before(const nilu_lesson *lesson, const char *name);
NILU_API const float *nilu_lesson_after(const nilu_lesson *lesson, const char *name);
NILU_API double nilu_lesson_rate(const nilu_lesson *lesson); /* learning rate of the last lesson */

/* The relay: what a layer handed on and what came back, as 2-norms over the layer. */
typedef struct nilu_relay {
    const char *name, *activation;
    int64_t in, out, open;                 /* open: neurons whose slope is not 0 */
    int64_t filters;                       /* as in nilu_layer_view */
    const nilu_window *window;
    double x, z, a, slope;                 /* slope: mean of f'(z) */
    double received, delta, passed;
    double weight_gradient, bias_gradient; /* of a matrix |x| |delta|, which is exact for one sample; 0 without bias */
} nilu_relay;
/* Layer `layer` of the sample that the scene shows; false if there is none. Texts are the scene's. */
NILU_API bool nilu_relay_of(nilu_scene *scene, int layer, nilu_start start, nilu_relay *out);

typedef enum nilu_leg_kind {
    NILU_LEG_START,  /* the start, or an op without weights, hands the error to an output; norm: what is received */
    NILU_LEG_BACK,   /* a reader's error times its transposed weights; norm: what is received */
    NILU_LEG_SLOPE,  /* times f'(z); norm: the error at z */
    NILU_LEG_UPDATE  /* the weights' gradient, and their update; norm: the gradient */
} nilu_leg_kind;
typedef struct nilu_leg {
    nilu_leg_kind kind;
    int layer, reader;  /* reader: of NILU_LEG_BACK, the layer whose weights it goes through; else -1 */
    const char *via;    /* of NILU_LEG_START: the op, NULL: the start itself */
    double norm;
    int instruction;    /* of the lesson's plan; -1: none does that alone, or there is no plan */
    const char *kernel; /* of that instruction; "" where there is none */
} nilu_leg;
/* The journey back, leg by leg in the order in which it is made: from the start to every weight. Fills at most `room` of leg[];
 * *n says how many there are. `lesson` (may be NULL) is what has the plan: the run's own step on the sample. */
NILU_API nilu_status nilu_journey(nilu_scene *scene, const nilu_lesson *lesson, nilu_start start, int room, nilu_leg *leg, int *n);

/* Other worlds: the network run once with `worlds` changes at a time, each in a row of its own, in f32. */
typedef struct nilu_whatif nilu_whatif;
NILU_API nilu_status nilu_whatif_new(nilu *nl, const nilu_model *model, const nilu_store *weights, int64_t features,
                                     int64_t outputs, int worlds, nilu_whatif **whatif);
NILU_API void nilu_whatif_free(nilu_whatif *whatif);
/* All worlds become the real one with sample x [features]. */
NILU_API void nilu_whatif_reset(nilu_whatif *whatif, const float *x);
/* What is seen in one world, [features], to be written to; NULL if there is no such world. */
NILU_API float *nilu_whatif_x(nilu_whatif *whatif, int world);
/* In this world neuron `neuron` of layer `layer` (counted as nilu_scene_layer counts) puts out `value`, whatever comes in. */
NILU_API nilu_status nilu_whatif_hold(nilu_whatif *whatif, int world, int layer, int64_t neuron, double value);
/* In this world its sum z is larger by `amount`: by (w' - w) x_i for a weight from input i that is w' instead of w. */
NILU_API nilu_status nilu_whatif_nudge(nilu_whatif *whatif, int world, int layer, int64_t neuron, double amount);
NILU_API nilu_status nilu_whatif_run(nilu_whatif *whatif);
/* The answer in one world [outputs], until the next run. */
NILU_API const float *nilu_whatif_y(const nilu_whatif *whatif, int world);

/* ---- forensics: who is to blame ------------------------------------------------------------------------------------------
 * The gap of an answer shared out over what was seen. Where a method's parts should add up to something, `wanted` says to
 * what, and `residual` what is missing. */

typedef enum nilu_method {
    NILU_GRADIENT_INPUT, /* x . d gap/dx; adds up to the gap where nothing in the net is added or bent */
    NILU_INTEGRATED,     /* integrated gradients from the baseline (Sundararajan, Taly, Yan 2017): to gap(x) - gap(baseline) */
    NILU_LRP,            /* layer-wise relevance propagation, epsilon rule (Bach et al. 2015): to the gap, biases' share apart */
    NILU_OCCLUSION,      /* gap(x) - gap(x with this feature restored to the baseline), each one run; need not add up */
    NILU_SALIENCY,       /* |d gap/dx| (Simonyan, Vedaldi, Zisserman 2014); a slope and no part */
    NILU_SMOOTH,         /* SmoothGrad: d gap/dx, the mean over noisy copies of x (Smilkov et al. 2017); likewise */
    NILU_GRAD_CAM,       /* where a layer's maps were open, by the mean error of each (Selvaraju et al. 2017); likewise */
    NILU_METHODS
} nilu_method;
NILU_API const char *nilu_method_name(int i); /* NULL past the last; static text */

typedef struct nilu_attribute_options {
    size_t size;           /* sizeof(nilu_attribute_options) */
    nilu_dtype dtype;      /* NILU_F32 or NILU_F64; occlusion is always f32 */
    int steps;             /* points of the Gauss-Legendre sum on the way from the baseline, 1 to 4096 */
    double epsilon;        /* of LRP */
    const float *baseline; /* [features], copied: a sample that says nothing, such as the mean of the training part; NULL: 0 */
    int copies;            /* of SmoothGrad, 1 or more */
    double noise;          /* their noise's deviation, as a share of x's largest number less its smallest */
    uint64_t seed;         /* of that noise: copy c, feature i has normal number c * features + i of stream "smooth_grad" */
    const char *layer;     /* of Grad-CAM, by its name in the model; NULL: the last that gives maps */
    int height, width, channels; /* of pictures, for Grad-CAM: features = height * width * channels in this order; 0: none */
    bool planes;           /* the order is channels, height, width instead */
} nilu_attribute_options;
#define NILU_ATTRIBUTE_DEFAULT {sizeof(nilu_attribute_options), NILU_F32, 32, 1e-9, NULL, 32, 0.15, 0, NULL, 0, 0, 0, false}

typedef struct nilu_attribution {
    double gap, baseline_gap; /* of the sample, and of the baseline (integrated gradients; else 0) */
    double sum, wanted, residual;
} nilu_attribution;

typedef struct nilu_attributor nilu_attributor;
/* Plans for the parameters of `weights`, which are copied; the model is used until nilu_attributor_free. */
NILU_API nilu_status nilu_attributor_new(nilu *nl, const nilu_model *model, const nilu_store *weights, int64_t features,
                                         int64_t outputs, const nilu_attribute_options *options, nilu_attributor **attributor);
NILU_API void nilu_attributor_free(nilu_attributor *attributor);
/* The part of each feature of x [features] in y[accused] - y[rival] (rival -1: in y[accused] alone), into part [features];
 * `out` may be NULL. RANGE for an output or a method that is none. */
NILU_API nilu_status nilu_attribute(nilu_attributor *attributor, nilu_method method, const float *x, int accused, int rival,
                                    double *part, nilu_attribution *out);
/* An inquiry: a run that is looked into, with its weights, its own data and a scene at hand. */
typedef struct nilu_inquiry nilu_inquiry;

typedef struct nilu_inquiry_options {
    size_t size;                     /* sizeof(nilu_inquiry_options) */
    nilu_moment moment;              /* whose weights */
    nilu_dtype dtype;                /* arithmetic of the scene: NILU_F64 or NILU_F32 */
    const nilu_data_options *opened; /* data_dir, cache_dir and memory count, as for nilu_run_data; NULL: none. Copied, but
                                        for its texts */
} nilu_inquiry_options;
#define NILU_INQUIRY_DEFAULT {sizeof(nilu_inquiry_options), NILU_MODEL, NILU_F64, NULL}

/* Owned by the inquiry. */
typedef struct nilu_inquiry_info {
    nilu_run *run;
    const nilu_run_info *about;
    const nilu_model *model;
    nilu_store *store;         /* the weights; not to be changed */
    nilu_data *data;           /* the run's own set */
    const nilu_data_info *set;
    nilu_scene *scene;
} nilu_inquiry_info;

/* Opens a run's folder. Freed by nilu_inquiry_free. Errors: those of nilu_run_open, nilu_run_store, nilu_run_data and
 * nilu_scene_new. */
NILU_API nilu_status nilu_inquiry_open(nilu *nl, const char *folder, const nilu_inquiry_options *options, nilu_inquiry **out);
NILU_API void nilu_inquiry_free(nilu_inquiry *q);
NILU_API const nilu_inquiry_info *nilu_inquiry_about(const nilu_inquiry *q);

/* The sample that the scene shows. Valid until the next is looked at. */
typedef struct nilu_sample {
    const char *name;          /* "test:42", "new.csv:0" */
    nilu_data *data;           /* the set that it is from: for nilu_data_picture and nilu_data_describe */
    const nilu_data_info *set;
    nilu_part part;
    int64_t index;
    const float *x;            /* [features] */
    int32_t label;             /* -1 for numbers */
    const float *target;       /* [outputs] numbers; NULL for classes */
} nilu_sample;

/* Looks at a sample by its name: "test:42", "validation:7", "train:3"; "42" of the part by which the run is judged; "FILE" or
 * "FILE:7", the first sample or that at position 7 of a set which is read as the run's was; NULL: the first of the part by
 * which the run is judged. `truth` and `accused` name classes, or give their numbers; NULL: as the data say, and whatever was
 * answered. *out may be NULL. Errors: NAME (no such sample, file or class), RANGE, DATA (nobody says what is right), those of
 * nilu_data_open. */
NILU_API nilu_status nilu_inquiry_sample(nilu_inquiry *q, const char *name, const char *truth, const char *accused, nilu_sample *out);
/* The same for sample `index` of a part of the set at hand: the run's own until a file was named. */
NILU_API nilu_status nilu_inquiry_look(nilu_inquiry *q, nilu_part part, int64_t index, const char *truth, const char *accused,
                                    nilu_sample *out);
/* A lesson with the run's optimizer as it was after its last checkpoint, and with its full rate: a schedule that has come to
 * its end would show nothing. Made at the first call; owned by the inquiry. */
NILU_API nilu_status nilu_inquiry_lesson(nilu_inquiry *q, nilu_lesson **lesson);
/* What is seen on average, [features]: the mean over the training part. Worked out at the first call; owned by the inquiry. */
NILU_API nilu_status nilu_inquiry_mean(nilu_inquiry *q, const double **mean);

/* ---- forensics: the error changes the picture -----------------------------------------------------------------------------
 * A dream climbs: the picture follows the gradient of what a layer says about it (Mordvintsev, Olah, Tyka 2015), step by
 * step, in octaves from coarse to fine. The network's weights are copied, and a hash shows that they stayed what they were.
 * The same seed gives the same bytes, whatever the threads. */

typedef struct nilu_dream_options {
    size_t size;       /* sizeof(nilu_dream_options) */
    const char *layer; /* by its name in the model; NULL: the answer, one logit a class */
    int steps;         /* in each octave, 1 or more */
    int octaves;       /* sizes that the picture is dreamt in, 1 to 16; the last is its own */
    double scale;      /* between them, above 1, to 16 */
    double rate;       /* mean change of a pixel in a step, as a share of white: above 0, to 1 */
    double smooth;     /* octaves of frequency in the gradient weigh 2^-smooth of the next coarser one: 0 to 8 */
    double noise;      /* deviation of the noise that a picture starts as, as a share of white */
    int jitter;        /* pixels that it is rolled by at most before a step, anew each time */
    uint64_t seed;     /* of noise and jitter */
    bool (*progress)(void *user, double share); /* told after each step how much is done; returns false to stop
                                                   (NILU_E_CANCELLED). May be NULL */
    void *user;
} nilu_dream_options;
#define NILU_DREAM_DEFAULT {sizeof(nilu_dream_options), NULL, 32, 3, 1.4, 0.02, 0.7, 0.02, 2, 0, NULL, NULL}

typedef struct nilu_dream_result {
    int height, width, channels;
    const unsigned char *pixels; /* [height][width][channels], until the next dream */
    int64_t steps, rose;         /* of these steps raised what they climb; the others were taken back */
    double before, after;        /* what was climbed, at the first step and behind the last */
    char weights[65];            /* SHA-256 of all weights afterwards, as nilu_store_hash gives it */
} nilu_dream_result;

typedef struct nilu_dream nilu_dream;
/* Plans for a layer of an inquiry's network, on pictures; the inquiry is used until nilu_dream_free. Errors: NAME (no such
 * layer), UNSUPPORTED (no pictures), USAGE. */
NILU_API nilu_status nilu_dream_open(nilu *nl, nilu_inquiry *q, const nilu_dream_options *options, nilu_dream **dream);
NILU_API void nilu_dream_free(nilu_dream *dream);
NILU_API int64_t nilu_dream_channels(const nilu_dream *dream); /* of the layer; neurons, of a dense one */
/* Does the layer read pictures of any size? Else only those of the training's. */
NILU_API bool nilu_dream_any_size(const nilu_dream *dream);
/* Dreams of n channels (0: of the whole layer: half the mean square of what it gives; else the sum of the means of what
 * their function reads), on a picture [height][width][channels], or from noise where it is NULL. height, width 0: the
 * training's. RANGE for a channel that there is not, or a size that the layer does not read; VERIFY if a weight changed. */
NILU_API nilu_status nilu_dream_of(nilu_dream *dream, int n, const int64_t *channel, const unsigned char *picture, int height,
                                   int width, nilu_dream_result *out);

/* The smallest change, by its length, that was found to turn the answer about a picture to class `to`. */
typedef struct nilu_acquittal {
    bool found;            /* false: nothing between black and white turned it */
    unsigned char *pixels; /* [height][width][channels]: the picture then */
    int said;              /* the answer before */
    double before, after;  /* logit of `to` less that of the strongest other class; after: of the bytes in `pixels` */
    double distance;       /* length of the change, 1 being one channel's way from black to white */
    int most;              /* largest change of a byte */
    int64_t changed;       /* pixels */
} nilu_acquittal;
/* `picture` [height][width][channels] is of the training's size. out->pixels is freed by nilu_acquittal_free. Errors: RANGE
 * (no such class), USAGE (the answer is that class already), UNSUPPORTED (no classes, or no pictures). */
NILU_API nilu_status nilu_acquit(nilu *nl, nilu_inquiry *q, const unsigned char *picture, int to, nilu_acquittal *out);
NILU_API void nilu_acquittal_free(nilu *nl, nilu_acquittal *acquittal);

/* An accusation, and the trial of it: something is changed in the net or the sample, and the answer is recomputed. The slope
 * names suspects; what convicts is the measured change. */
typedef struct nilu_suspect {
    int layer;                  /* as nilu_scene_layer counts them; -1: the sample */
    int64_t neuron;             /* of the layer; of the sample: the feature, or the first one of its group or window; of a
                                   convolution's channels and weights: the filter */
    int64_t from;               /* a weight: the input that it reads, of a filter the tap; -1: the neuron itself */
    int64_t places;             /* 1; a weight that a filter shares out over so many places of its map, or the channel of all */
    int64_t place;              /* where such a weight's input x error is largest */
    int side;                   /* the sample, a picture: a window of side x side pixels; else 0 */
    double value, mended;       /* what it is, and what it was mended to: a weight to the edge of its layer's usual range
                                   (mean + or - 2 deviations; one within it to the mean), a neuron's output to its mean (a
                                   channel's at each place; here their means), a feature to the baseline */
    double ticket;              /* a weight: input x error = d gap / d weight, the sum over its places; else the error received */
    double amount;              /* its part in the gap by the slope: value x ticket; a group's or window's is the sum */
    double over;                /* over-reaction: distance from its layer's mean weight in deviations; else 0 */
    double predicted, measured; /* change of the gap when it is mended: by the slope, and as it was run */
    double off;                 /* as it was run: change of the gap when it is set to 0; the sample: as measured */
    int said;                   /* classes: the answer when it is mended; numbers: -1 */
    int64_t fixed;              /* cases whose answer is the truth when it is mended (numbers: whose error is halved) */
} nilu_suspect;

typedef struct nilu_stop { /* a layer on the way back */
    const char *name, *activation;
    int64_t in, out, taps, filters, places; /* as in nilu_layer_view */
    const nilu_window *window;              /* NULL: dense */
    int reads;              /* the layer whose outputs are its inputs, if only by way of pools; -1: the sample; -2: something
                               worked out from several */
    int64_t map[3];         /* the inputs are so many channels of so many rows and columns; {in, 1, 1}: they are no map */
    double tickets;         /* sum of weight x ticket over the layer's weights */
    double biases;          /* of what is added in this and all later layers (biases, shifts of norms): the sum of it x error */
    double roads;           /* of what goes past this layer to later ones (a skip): the sum of it x its error on that way */
    double residual;        /* gap - tickets - biases - roads: 0 where nothing bends but relu and its kin */
    double mean, deviation; /* of its weights */
    int neurons, weights, channels;
    const nilu_suspect *neuron, *weight; /* the worst first: by what mending was measured to do */
    const nilu_suspect *channel;         /* of a convolution: its whole maps */
} nilu_stop;

typedef struct nilu_case_file {
    nilu_verdict verdict;
    double target;              /* numbers: of the accused output */
    int side;                   /* which way the gap is wrong: 1: too large (classes always), -1: too small */
    int stops;
    const nilu_stop *stop;      /* in the order of the forward pass */
    double agreement;           /* rank correlation (Spearman) of predicted and measured change over the `judged` neurons */
    int judged;                 /*   whose output's part in the gap is largest */
    int inputs;
    const nilu_suspect *input;  /* windows of a picture; groups or features */
    const double *heat;         /* [features] measured change of the gap, the other way round, shared out over features */
    const double *path;         /* [features] integrated gradients from the baseline */
    nilu_attribution sum;       /*   and how they add up */
    int64_t restored;           /* fewest features found, the hottest first, whose restoring to the baseline changes the */
    const int64_t *restore;     /*   answer (numbers: halves the error); all that speak for it where it stays */
    double restored_gap;        /* the gap then */
    int restored_said;          /* and the answer; -1 for numbers */
    bool turned;                /* it changed */
    double seconds;             /* that all of this took */
} nilu_case_file;

typedef struct nilu_blame_options {
    size_t size;                  /* sizeof(nilu_blame_options) */
    nilu_task task;
    const char *loss;             /* as for nilu_loss; NULL: by the task */
    const float *baseline;        /* [features], copied: the mean of the training part; NULL: 0 */
    const int32_t *group;         /* [features], copied: features of one number are restored together; NULL: each alone */
    int height, width, channels;  /* of a picture; 0: none */
    int neurons, weights, inputs; /* how many are tried, of each layer and of the sample */
    nilu_scene *scene;            /* of the same net, to be looked through, not owned; NULL: one is made */
    bool planes;                  /* of a picture: the order is channels, height, width */
} nilu_blame_options;
#define NILU_BLAME_DEFAULT {sizeof(nilu_blame_options), NILU_TASK_CLASSES, NULL, NULL, NULL, 0, 0, 0, 32, 16, 16, NULL, false}

typedef struct nilu_blame nilu_blame;
/* A court for the parameters of `weights`, which are copied; the model is used until nilu_blame_free. */
NILU_API nilu_status nilu_blame_new(nilu *nl, const nilu_model *model, const nilu_store *weights, int64_t features,
                                    int64_t outputs, const nilu_blame_options *options, nilu_blame **blame);
/* The court of a run: task, loss, shape of pictures and columns are its set's, the baseline is the mean of its training part,
 * and what neurons usually put out is learnt from some samples of it. Of `options` (NULL: the usual) the counts hold. It looks
 * through the inquiry's scene, which shows the last case from then on. */
NILU_API nilu_status nilu_blame_open(nilu *nl, nilu_inquiry *q, const nilu_blame_options *options, nilu_blame **blame);
NILU_API void nilu_blame_free(nilu_blame *blame);
/* Learns what neurons usually put out: the mean over n samples x [n, features] of the training part. Until then it is 0. */
NILU_API nilu_status nilu_blame_learn(nilu_blame *blame, int64_t n, const float *x);
/* Tries one sample: x [features], its label or target [outputs]. `accused` as in nilu_scene_look, but of numbers -1 is the
 * output that is furthest off. *out is filled; what it points to is the blame's, until its next call. */
NILU_API nilu_status nilu_blame_case(nilu_blame *blame, const float *x, int32_t label, const float *target, int accused,
                                     nilu_case_file *out);
/* The weights that n cases have in common: x [n, features], labels [n] or targets [n, outputs]. The `want` worst by what
 * mending them was measured to do to the gap, mean over the cases, into out[]; *found says how many there are. */
NILU_API nilu_status nilu_blame_together(nilu_blame *blame, int64_t n, const float *x, const int32_t *labels, const float *targets,
                                         int want, nilu_suspect *out, int *found);
/* Would any net have given this map? The correlation of the integrated gradients of the last case with those of the same net
 * with its weights shuffled, mean over `rounds` shuffles (Adebayo et al. 2018): near 0 if the map speaks of what was learnt. */
NILU_API nilu_status nilu_blame_sanity(nilu_blame *blame, int rounds, uint64_t seed, double *correlation);

/* ---- training samples ---------------------------------------------------------------------------------------------------
 * Adds the length of each sample's own gradient, [rows], to the graph of a loss that is the mean over the rows of its
 * samples: the 2-norm over all parameters of d (loss of this row) / d parameter. Of a dense layer it is |x| |delta|, so a
 * step that computes the gradient anyway has it for some sums over what is there (Goodfellow 2015). An ordinary node: fetch
 * it from the same plan as the training step. Graph error UNSUPPORTED if a parameter is not in exactly one dense layer. */
NILU_API nilu_tensor *nilu_sample_norms(nilu_tensor *loss);

/* Who taught this answer? The training samples whose gradients, with the weights of each snapshot of the run (where it kept
 * none: with those of its end), point most against that of the gap between the accused answer and its rival. Nets of dense
 * layers. An index of small images of x and delta of every layer makes asking quick: it is searched, and the best 512 are
 * weighed again exactly. It is a file in the run's folder, bound to weights and data, made anew where it does not fit. */
typedef struct nilu_samples nilu_samples;

typedef struct nilu_samples_options {
    size_t size;       /* sizeof(nilu_samples_options) */
    const char *index; /* the index's file; NULL: samples.index in the run's folder */
    bool exact;        /* without index: every question walks over all training samples */
    /* Told while the index is made; false stops (CANCELLED). May be NULL. */
    bool (*progress)(void *user, int64_t done, int64_t all);
    void *user;
} nilu_samples_options;
#define NILU_SAMPLES_DEFAULT {sizeof(nilu_samples_options), NULL, false, NULL, NULL}

typedef struct nilu_samples_info {
    const char *path;    /* of the index */
    int64_t samples;     /* in the training part */
    int moments;         /* weights on the way that are used, at most 16 */
    const int64_t *step; /*   and their steps */
    bool made;           /* the index was made now */
    double seconds;      /*   which took so long */
    size_t bytes;        /* of its file */
} nilu_samples_info;

typedef enum nilu_kinship {
    NILU_KIN_DIRECTION, /* cosine of the gradients of gap and sample, mean over the snapshots: the one to use */
    NILU_KIN_TRACIN,    /* product of the gradients of both losses, mean over the snapshots (Pruthi et al. 2020) */
    NILU_KIN_FINAL,     /* the same with the last snapshot alone */
    NILU_KINSHIPS
} nilu_kinship;

typedef struct nilu_teacher {
    int64_t index;    /* in the training part */
    int32_t label;    /* -1 for numbers */
    double influence; /* NILU_KIN_DIRECTION: from -1 to 1; more than 0: learning it has widened the gap (of numbers: the error) */
} nilu_teacher;

/* The inquiry must outlive the samples. Freed by nilu_samples_free. Errors: UNSUPPORTED (not all layers are dense), FILE_WRITE
 * (the index), those of nilu_run_snapshot. */
NILU_API nilu_status nilu_samples_open(nilu *nl, nilu_inquiry *q, const nilu_samples_options *options, nilu_samples **samples);
NILU_API void nilu_samples_free(nilu_samples *samples);
NILU_API const nilu_samples_info *nilu_samples_about(const nilu_samples *samples);
/* The `want` samples that taught each of n cases x [n, features] with labels [n] or targets [n, outputs], most influential
 * first, into out [n, want]; *found says how many there are of each. accused [n] as in nilu_scene_look; NULL: -1, what is
 * answered (of numbers the output that is furthest off). The index is used for one case and NILU_KIN_DIRECTION; all else
 * walks over all training samples once. */
NILU_API nilu_status nilu_samples_ask(nilu_samples *samples, nilu_kinship kinship, int n, const float *x, const int32_t *labels,
                                      const float *targets, const int *accused, int want, nilu_teacher *out, int *found);
/* The training samples whose label is probably wrong: those whose error at the answer |d loss / d answer| stayed largest, mean
 * over the snapshots (`influence`; Paul et al. 2021). Those of labels that are learnt by heart fall late. */
NILU_API nilu_status nilu_samples_suspects(nilu_samples *samples, int want, nilu_teacher *out, int *found);
/* ---- health of a run -----------------------------------------------------------------------------------------------------
 * What was told while it was trained, what its data and weights say now, and which number was the first to go. */

typedef struct nilu_first_fault {
    bool found;
    int64_t step;              /* in which it appeared, from 1 */
    char node[128], op[32];    /* that made it */
    const char *phase;         /* "forward", "backward" or "update"; static */
    int64_t element;           /* of the node's value */
    int64_t sample;            /* whose it is, in the training part; -1: of no single one */
    double value, input;       /* it; the largest number that went into the node */
} nilu_first_fault;

typedef struct nilu_health {
    int alarms;                /* each code once */
    nilu_alarm *alarm;
    int looks;                 /* that were taken while it was trained */
    nilu_first_fault fault;
    double seconds;
} nilu_health;

typedef struct nilu_health_options {
    size_t size;                     /* sizeof(nilu_health_options) */
    const nilu_data_options *opened; /* as for nilu_run_data */
    bool no_replay;                  /* a run that diverged is not replayed */
} nilu_health_options;
#define NILU_HEALTH_DEFAULT {sizeof(nilu_health_options), NULL, false}
/* Examines the run in `folder`, which does not change. Freed by nilu_health_free. Errors: those of nilu_run_open and
 * nilu_run_data. */
NILU_API nilu_status nilu_health_of(nilu *nl, const char *folder, const nilu_health_options *options, nilu_health *out);
NILU_API void nilu_health_free(nilu *nl, nilu_health *health);

typedef struct nilu_remedy_options {
    size_t size;                     /* sizeof(nilu_remedy_options) */
    const nilu_data_options *opened; /* as for nilu_run_data */
    const char *out, *runs;          /* of the fork, as for nilu_train; both NULL: it is not recorded */
    int64_t steps;                   /* of the fork; 0: as many as the run */
    const volatile sig_atomic_t *stop;
} nilu_remedy_options;
#define NILU_REMEDY_DEFAULT {sizeof(nilu_remedy_options), NULL, NULL, NULL, 0, NULL}

typedef struct nilu_remedy {
    char change[256];          /* in words */
    char *run;                 /* folder of the fork; freed by nilu_text_free */
    nilu_part part;            /* that both are judged by */
    nilu_scores before, after; /* loss infinite: diverged */
    bool diverged, better;     /* better: the loss is lower by 5 % at least */
} nilu_remedy;
/* Trains a fork of the run with the settings that the alarms advise. UNSUPPORTED if settings cannot mend them. */
NILU_API nilu_status nilu_health_remedy(nilu *nl, const char *folder, const nilu_health *health, const nilu_remedy_options *options,
                                        nilu_remedy *remedy);

/* ---- why the error is sent back ----------------------------------------------------------------------------------------
 * Backpropagation against ways that can only ask for the loss at other places, on a set's samples, with equal numbers of
 * floating-point operations, as the network grows from 10 weights to a million. */

typedef enum nilu_way {
    NILU_BACKPROPAGATION,
    NILU_RANDOM_SEARCH,
    NILU_HILL_CLIMBING, /* Rechenberg 1973 */
    NILU_EVOLUTION,     /* evolution strategy (Salimans et al. 2017) */
    NILU_SPSA,          /* simultaneous perturbation (Spall 1992) */
    NILU_WAYS
} nilu_way;
/* "backpropagation", "random search", …; NULL past the last. Static text. */
NILU_API const char *nilu_way_name(int i);

#define NILU_WHY_SIZES 6 /* 10, 100, … 1,000,000 dimensions */
#define NILU_WHY_STEPS 9

typedef struct nilu_why_way {
    double loss, right;   /* where it ended: mean cross-entropy, and the share of samples that are answered rightly */
    double flops;         /* that it spent, of those it was given */
    int64_t asked;        /* losses that it asked for; of backpropagation: steps */
    double rate;          /* step size that was best in a fifth of the budget; 0: it finds its own */
    double seconds;       /* in all, with the search for the step size */
} nilu_why_way;

typedef struct nilu_why_step {
    double eps, measured, predicted; /* loss(w - eps g) - loss(w), and -eps |g|^2, in f64 */
} nilu_why_step;

typedef struct nilu_why_size {
    int64_t dimensions;   /* weights and biases */
    int64_t inputs, hidden; /* hidden 0: a single unit */
    double loss, gradient; /* at the start: the loss and the gradient's length */
    double flops;         /* what each way may spend */
    nilu_why_way way[NILU_WAYS];
    int directions;       /* random ones, whose angle to the gradient was measured: */
    double cosine, cosine_error; /* mean |cos| and its standard error */
    double theory;        /* sqrt(2 / (pi N)), which the mean comes to as N grows */
    nilu_why_step step[NILU_WHY_STEPS];
} nilu_why_size;

typedef struct nilu_why_result {
    int sizes;
    nilu_why_size size[NILU_WHY_SIZES];
    int64_t samples, steps;
    double seconds;
} nilu_why_result;

typedef struct nilu_why_options {
    size_t size;     /* sizeof(nilu_why_options) */
    int sizes;       /* the first of 10, 100, … dimensions, at most NILU_WHY_SIZES */
    int64_t steps;   /* of backpropagation; the others may spend as many operations */
    int64_t samples; /* of the training part */
    bool (*progress)(void *user, int64_t dimensions, int way); /* before each; false stops. May be NULL */
    void *user;
} nilu_why_options;
#define NILU_WHY_DEFAULT {sizeof(nilu_why_options), NILU_WHY_SIZES, 60, 256, NULL, NULL}

/* The question is whether a sample's class has an odd number, or its number is above the mean. The network is a tanh layer
 * on fixed random mixtures of the features. Errors: USAGE, DATA (no target), CANCELLED. */
NILU_API nilu_status nilu_why(nilu *nl, nilu_data *data, const nilu_why_options *options, nilu_why_result *result);

#ifdef __cplusplus
}
#endif
#endif
