/* cpu: the muscles. A kernel is a plain function on pointers that computes one op (or one fused op of the rewrite room)
 * for some dtypes and shapes; a row in kernels.inc makes it known. Where no kernel accepts a node, the op's reference
 * runs, and the plan says why.
 *
 * Invariants: work is cut into tiles by shape alone; a tile has one owner; what it computes does not depend on which
 * thread runs it or on what else the thread does. Kernels never allocate. f32 results are the same bits on every
 * instruction set but "portable"'s mathematical library-free floor, which is the same source and so the same bits too. */
#ifndef CPU_H
#define CPU_H

#include "rewrite/rewrite.h"

/* What a kernel worked out about a node, once, when the plan was made. */
#define CPU_MAX_PHASES 4
typedef struct cpu_job {
    int phases;                     /* 1..4: all tiles of a phase are done before the next one begins */
    int64_t tiles[CPU_MAX_PHASES];  /* of each phase */
    size_t scratch;                 /* bytes the kernel keeps from step to step (packed copies, partial sums): c->scratch,
                                       cleared once, on 64 bytes */
    size_t local;                   /* bytes each thread needs while it runs tiles: `local`, on 64 bytes, not cleared */
    void *plan;                     /* from base_alloc (or NULL), freed with the plan: c->plan */
    uint32_t in_place[GRAPH_MAX_OUT]; /* bit k of in_place[i]: output i may share its memory with input k, which has the
                                         same dtype and shape, because each element is read before it is written */
    bool faults;                    /* may report bad data */
} cpu_job;

typedef struct cpu_isa cpu_isa;
typedef struct cpu_kernel {
    const char *op, *name;
    /* NULL: it can compute this node; else why not, as the plan prints it ("f64 has no fast kernel"). Static text. */
    const char *(*accepts)(const nilu_node *n, const cpu_isa *isa);
    nilu_status (*prepare)(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job);
    /* Tiles begin .. end-1 of `phase`. */
    nilu_status (*run)(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local);
} cpu_kernel;

/* The rows of kernels.inc in order; the first that accepts a node runs it. */
const cpu_kernel *cpu_kernel_at(size_t i); /* NULL past the last */
#define NILU_KERNEL(op, id, ...) extern const cpu_kernel cpu_kernel_##id;
#include "cpu/kernels.inc"
#undef NILU_KERNEL

/* ---- instruction sets: the functions of src/cpu/isa, one table for each set */
typedef struct cpu_gemm_table cpu_gemm_table; /* gemm section below */
typedef struct cpu_tape_table cpu_tape_table; /* tape section below */
struct cpu_isa {
    const char *name;
    const cpu_gemm_table *gemm;
    const cpu_tape_table *tape;
    const cpu_gemm_table *gemm_bf16; /* NULL: this machine has no bf16 products */
};
/* By name, or the best of this machine if NULL; NULL if it is unknown or this machine has none. */
const cpu_isa *cpu_isa_find(const char *name);

#endif
