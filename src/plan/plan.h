/* plan: a graph is laid out. Nodes become instructions in an order, every value gets a place, every instruction a kernel.
 *
 * Invariants: a value's bytes are not overwritten before its last reader has run; a parameter or state changes only
 * after everything that may report bad data has run; an instruction waits (`wait`) wherever it reads or overwrites what
 * an instruction since the last barrier wrote or read. */
#ifndef PLAN_H
#define PLAN_H

#include "cpu/cpu.h"

typedef enum plan_where { PLAN_ARENA, PLAN_STORE, PLAN_FEED, PLAN_CONSTANT } plan_where;

/* A piece of memory that holds one value, or several after each other. */
typedef struct plan_buffer {
    plan_where where;
    size_t bytes, offset; /* offset: in the arena */
    int first, last;      /* instructions that write and read it; last = count of instructions: read after the step. Of those
                             that run behind each other all begin to write with the first. */
    void *data;           /* of the store or a constant; of a feed, what was fed */
    const nilu_node *leaf;
} plan_buffer;

/* An instruction that runs behind the tiles of the one before. */
typedef struct plan_behind {
    int32_t *left, *all;  /* of each tile of its first phase: for how many tiles it waits, in this step still, and in all */
    int32_t waits[][2];   /* of each tile of the last phase of the one before: those that wait for it, from .. to-1 */
} plan_behind;

typedef struct plan_step {
    const nilu_node *node;    /* of a copy: the state it writes, or the leaf it reads */
    const cpu_kernel *kernel; /* NULL: the op's reference, or a copy */
    const char *why;          /* why no kernel */
    bool copy;
    bool wait;                /* a barrier stands before it */
    bool alone;               /* too small to share */
    plan_behind *behind;      /* NULL, or what the next one waits for, which runs behind its tiles */
    int64_t taken;            /* of its first phase, in the plan's `taken` */
    cpu_job job;
    nilu_call call;
    int *in, *out;            /* buffers */
} plan_step;

typedef struct plan_fetch {
    int buffer;
    nilu_dtype dtype;
    nilu_shape shape;
} plan_fetch;

typedef struct plan_feed {
    const nilu_node *node;
    int buffer;
    size_t bytes;
    int nuse;
    int (*use)[2]; /* instruction, input */
} plan_feed;

typedef struct plan_unread { /* an input of the graph that nothing here needs: what is fed to it is dropped */
    char *name;
    size_t bytes;
} plan_unread;

struct nilu_plan {
    nilu *nl;
    nilu_store *store;
    nilu_graph *g; /* rewritten, the plan's own */
    const cpu_isa *isa;
    bool reference;
    const char *kernels;
    int nstep, step_cap;
    plan_step *step;
    int nbuffer, buffer_cap;
    plan_buffer *buffer;
    int *buffer_of; /* of each tensor: node id * GRAPH_MAX_OUT + output; -1: none */
    int nfetch, nfeed;
    plan_fetch *fetch;
    plan_feed *feed;
    int nunread, unread_cap;
    plan_unread *unread;
    char *arena, *scratch, *local;
    size_t arena_bytes, lower_bound, scratch_bytes, local_bytes; /* local: of one thread */
    int threads;
    int64_t *taken;      /* [threads, phases]: how many tiles of its share of a phase each thread's have been taken, */
    int64_t taken_far;   /* so far from thread to thread */
    bool apart;          /* nothing runs behind another's tiles: somebody reads the clock */
    cpu_brief *brief; /* or NULL: the instructions one by one */
    call_fault fault;
    double seconds;
    double expected; /* seconds of a step, as nilu_step_for expects them */
};

/* The instructions' order: nodes that run, each behind its inputs and, where possible, behind the readers of the state
 * that it will overwrite. Fills order[] (room for all nodes) and returns how many; -1: no memory. */
int plan_order(nilu_graph *g, const nilu_node **order);
/* The tensor whose memory `t` shares: its input's, if its op only looks at it. */
const nilu_tensor *plan_root(const nilu_tensor *t);
/* Chooses a kernel for the step's node, prepares it, and tells whether it is worth to be shared. */
nilu_status plan_choose(nilu_plan *p, plan_step *s);
/* What a step does: operations, bytes that it reads and writes, and nanoseconds on one core, roughly. */
double plan_flops(const plan_step *s);
double plan_bytes(const plan_step *s);
double plan_estimate(const plan_step *s);
/* Which instructions run behind the tiles of others; they are put there. */
nilu_status plan_find_behind(nilu_plan *p);
/* Does it run behind the tiles of the one before? */
bool plan_runs_behind(const nilu_plan *p, const plan_step *s);
/* The first of those that run behind each other and among which is i: all begin with it. */
int plan_leader(const nilu_plan *p, int i);
/* Offsets in the arena for all buffers there. */
nilu_status plan_place(nilu_plan *p);
/* So many threads: room for what each works in, and for what is taken of their shares. */
nilu_status plan_threads(nilu_plan *p, int threads);
/* Where barriers are needed. */
void plan_barriers(nilu_plan *p);
/* One list of calls for a plan of few numbers. */
nilu_status plan_brief(nilu_plan *p);
/* Copies bytes: the kernel of an assignment that cannot be made in place. */
extern const cpu_kernel plan_copy;

#endif
