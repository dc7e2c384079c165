/* rewrite: a graph becomes a better graph that computes the same. Passes work on the plan's own copy of the live part of
 * the user's graph, one pass a file, in the order of the table in pass.c; after each, the graph is verified.
 *
 * Fusion makes two ops that exist only here: a `tape`, a chain of elementwise ops that runs block by block while its
 * values stay in the first-level cache, and a `product`, a matmul with a tape behind it that runs on each tile of the
 * product before it leaves the cache. Their chain is data, the struct below; a kernel turns it into calls. */
#ifndef REWRITE_H
#define REWRITE_H

#include "ops/ops.h"

/* One step: value (nin + its index) = op(value arg[0], value arg[1], value arg[2]). Values 0 .. nin-1 are inputs. Bool
 * values are 0 and 1. A cast between float and bool (or i32, i64) is a step like any other. */
typedef struct rewrite_step {
    const nilu_op *op; /* elementwise or cast */
    int arg[3];        /* -1: none */
    double p[2];       /* the op's real attributes */
    nilu_dtype dtype;  /* of its result in the graph that was fused */
} rewrite_step;

/* An output: value `value`, stored as it is, or summed over the axes `axes` of the loop. */
typedef struct rewrite_end {
    int value;
    bool sum;
    nilu_axes axes;   /* sorted; of a sum */
    nilu_dtype dtype; /* of the output: f32, or bool if it is stored */
    nilu_shape shape; /* of the output: the loop, or what the sum leaves (summed axes gone or 1) */
} rewrite_end;

/* A chain over all points of `loop`; each input is broadcast to it by NumPy's rule. A value may be an input that passes
 * straight to an end. In a product, input 0 of the tape is the product itself (node inputs a, b are not inputs of the
 * tape; the node's inputs 2, 3, … are the tape's 1, 2, …) and loop is [m, n]. */
typedef struct rewrite_tape {
    nilu_shape loop;
    int nin, nstep, nend;
    const rewrite_step *step;
    rewrite_end end[GRAPH_MAX_OUT]; /* end[i] is output i of the node */
} rewrite_tape;

struct rewrite_tape_attr {
    const rewrite_tape *tape; /* in the memory of the graph */
};
struct rewrite_product_attr {
    bool ta, tb, bf16; /* as matmul's */
    const rewrite_tape *tape;
};
extern const nilu_op rewrite_op_tape, rewrite_op_product;

/* "relu mul sum(0)": the steps and ends of a tape, for plans and errors. */
nilu_status rewrite_tape_text(nilu *nl, const rewrite_tape *t, base_buffer *b);

#define REWRITE_MAX_INPUTS 16
#define REWRITE_MAX_STEPS 48

/* A copy of the part of `g` that `fetch` and the assignments need, with f32 turned into f64 if `recast`; *out owns it,
 * fetched[i] receives the copy of fetch[i]. */
nilu_status rewrite_copy(nilu_graph *g, int n, nilu_tensor *const *fetch, bool recast, nilu_graph **out,
                         nilu_tensor **fetched);

/* What a pass works on. A pass redirects users of a tensor with rewrite_replace; nodes left without users disappear. */
typedef struct rewrite_job {
    nilu_graph *g;
    bool bf16; /* products may round their operands */
    int nfetch;
    nilu_tensor **fetch;
} rewrite_job;
void rewrite_replace(rewrite_job *job, nilu_tensor *old, nilu_tensor *new_one);
/* Name of the i-th pass in their order; NULL past the last. */
const char *rewrite_pass_name(int i);
/* All passes but those whose names are in `without` (NULL: none), on a fresh copy of the graph in *job. */
nilu_status rewrite_all(rewrite_job *job, const char *without);

#endif
