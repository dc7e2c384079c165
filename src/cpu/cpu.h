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
typedef struct cpu_numbers_table cpu_numbers_table; /* numbers section below */
struct cpu_isa {
    const char *name;
    const cpu_gemm_table *gemm;
    const cpu_tape_table *tape;
    const cpu_numbers_table *numbers;
    const cpu_gemm_table *gemm_bf16; /* the table for products of rounded operands: `gemm`, or one of bf16 instructions */
    double (*peak)(int64_t rounds, float *sink); /* multiply-adds on registers; returns the FLOPs done */
};
/* By name, or the best of this machine if NULL; NULL if it is unknown or this machine has none. */
const cpu_isa *cpu_isa_find(const char *name);

/* ---- tape section: a chain of steps on blocks of numbers that stay in the first-level cache. Bool values travel as the
 * floats 0 and 1. */
#define CPU_BLOCK 256
typedef void (*cpu_step_fn)(float *z, const float *a, const float *b, const float *c, const float *p, int64_t n);
struct cpu_tape_table {
    cpu_step_fn (*find)(const char *op);               /* NULL: this op has no step here */
    float (*sum)(const float *v, int64_t n);           /* by lanes, then across them by v_sum's tree */
    void (*add_row)(float *to, const float *v, int64_t n);
    void (*fill)(float *to, float value, int64_t n);
    void (*from_bytes)(float *to, const unsigned char *from, int64_t n);
    void (*to_bytes)(unsigned char *to, const float *from, int64_t n);
};

/* A tape made ready: its loop seen as rows × columns, a slot for every value. */
typedef struct cpu_program cpu_program;
/* NULL, or why tape `t` of node `n` has no program. Where n is a product, value 0 of the tape is the product's tile, and
 * n's inputs are the product's two operands, then the tape's inputs from 1 on. */
const char *cpu_program_refuses(const nilu_node *n, const rewrite_tape *t);
size_t cpu_program_size(const rewrite_tape *t);
/* Makes the program of a tape that is not refused in `p`, of cpu_program_size bytes. Nothing of `t` is kept. */
void cpu_program_make(cpu_program *p, const nilu_node *n, const rewrite_tape *t, const cpu_isa *isa);
/* The loop as rows and columns; of a product those of its result. */
void cpu_program_loop(const cpu_program *p, int64_t *rows, int64_t *columns);
size_t cpu_program_local(const cpu_program *p);
/* Bytes for the partial sums of a loop that is cut into down × across tiles; 0: there are no sums, and no folds. */
size_t cpu_program_scratch(const cpu_program *p, int64_t down, int64_t across);
/* Which outputs may lie where which inputs of the call lie, as cpu_job.in_place. */
void cpu_program_in_place(const cpu_program *p, uint32_t in_place[GRAPH_MAX_OUT]);
typedef struct cpu_rect {
    int64_t down, across;   /* of the grid of tiles */
    int64_t row, column;    /* this tile's place in it */
    int64_t r0, r1, c0, c1; /* what of the loop it covers */
    const float *tile;      /* of a product: element (r, c) is tile[(r - r0) * ld + c - c0] */
    int64_t ld;
} cpu_rect;
/* Runs the chain on one tile; sums become partial sums in c->scratch from `partial` on. */
void cpu_program_rect(const cpu_program *p, const nilu_call *c, const cpu_rect *r, char *partial, void *local);
/* The partial sums are added up, in the order of the tiles: pieces begin .. end-1 of cpu_program_folds. */
int64_t cpu_program_folds(const cpu_program *p);
void cpu_program_fold(const cpu_program *p, const nilu_call *c, int64_t down, int64_t across, const char *partial, int64_t begin,
                      int64_t end);

/* ---- for cutting */
static inline int64_t cpu_ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}
static inline int64_t cpu_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
/* Bytes of a tile of a kernel that only moves numbers: of what is written. */
#define CPU_TILE_BYTES 65536
/* Why not, of a kernel that computes every node of its op: there is no reason. */
const char *cpu_accepts_all(const nilu_node *n, const cpu_isa *isa);

/* ---- tables: indices in i32 or i64 (gather.c) */
int64_t cpu_index(const nilu_arg *a, int64_t i);
/* Index `i` of input 1; false after a fault if it is not below `n`. */
bool cpu_place(const nilu_call *c, int64_t i, int64_t n, int64_t *place);

/* ---- numbers section: blocks of any data type become doubles, and doubles become blocks of any data type. */
struct cpu_numbers_table {
    void (*load[NILU_DTYPES])(double *to, const void *from, int64_t n);
    void (*store[NILU_DTYPES])(void *to, const double *from, int64_t n);
    /* z [inner] = Σ_s x [order[s], inner] in double, in the order of s */
    void (*add_slices)(float *z, const float *x, const int64_t *order, int64_t slices, int64_t inner);
};

/* ---- gemm section: products. Each element of c is one chain of fused multiply-adds over k in ascending order, from 0, or
 * from what c holds if `more`. Blocks, tiles, threads and instruction sets only choose who computes it. */
#define CPU_SOON 6
typedef struct cpu_soon { /* `bytes` from each place */
    int n;
    const char *at[CPU_SOON];
    int64_t bytes;
} cpu_soon;
/* p [rows, k], any strides; q [k, columns] and c [rows, columns], columns adjacent. */
typedef struct cpu_product {
    int64_t rows, columns, k;
    int64_t p_row, p_step, q_step, c_row; /* distances in elements: between rows, and from k to k + 1 */
    int64_t q_strip;        /* distance from a block's columns of q to the next block's */
    int strip;              /* vectors of a block, 1..4, most[strip] != 0 */
    bool more;
    void *keep;             /* NULL, or where q is copied to while the first rows use it, for the others: strip after
                               strip, k rows of `strip` whole vectors each */
    const cpu_soon *soon;   /* NULL, or what is needed next: it is asked for meanwhile, one line as k goes on */
    int64_t soon_step;      /* the blocks' own */
} cpu_product;
typedef enum cpu_form { CPU_F32, CPU_F64, CPU_ROUNDED } cpu_form; /* ROUNDED: f32 or bf16, rounded to bf16 */
struct cpu_gemm_table {
    int lanes[3], most[5];  /* lanes of a vector of each form; most rows of a block of 1..4 vectors */
    int per;                /* what stands for an operand's element in the rounded form: 1, an f32 that was rounded; 2, bf16
                               of k and k + 1 side by side in four bytes, the last one filled up with 0 */
    void (*multiply[3])(const cpu_product *g, const void *p, const void *q, void *c);
    /* to [columns, rows] = from [rows, columns] transposed; ld: distances between rows. Of 4 and 8 bytes. */
    void (*flip[2])(int64_t rows, int64_t columns, const void *from, int64_t ld, void *to, int64_t to_ld);
    /* Into the rounded form: from memory in which k is adjacent, to [rows, k / per]; and from memory in which rows are, to
     * [k / per, rows]. */
    void (*round_rows)(int64_t rows, int64_t k, const void *from, nilu_dtype type, int64_t ld, void *to, int64_t to_ld);
    void (*round_columns)(int64_t rows, int64_t k, const void *from, nilu_dtype type, int64_t ld, void *to, int64_t to_ld);
    void (*to_bf16)(const float *from, uint16_t *to, int64_t n);
};

/* How a product is cut. It is computed as it stands, p = a and q = b, or from its transpose, p = bᵀ and q = aᵀ, whichever
 * lets q be read as it lies in memory: p may have any strides, so that operands need hardly ever be copied. A tile is
 * computed by one thread, and lies whole in its caches while something is done to it. */
typedef enum cpu_gemm_pack { CPU_AS_IT_IS, CPU_LOCAL, CPU_SHARED } cpu_gemm_pack; /* where an operand is read: in place,
                                                in a copy of the tile's part, in a copy that all threads made together */
typedef struct cpu_operand {
    int64_t far, step;  /* distances in memory, in elements: between rows of p or columns of q, and from k to k + 1 */
    cpu_gemm_pack pack;
    size_t at;          /* of the copy, in `local` or in the scratch */
} cpu_operand;
typedef struct cpu_gemm {
    int64_t m, n, k, batches;             /* of the result [batches, m, n] */
    cpu_form form;
    nilu_dtype type;                      /* of the operands in memory */
    const cpu_gemm_table *isa;
    bool swap;                            /* rows of p are columns of the result */
    int64_t rows, columns;                /* of p and q: m, n or n, m */
    cpu_operand p, q;
    int64_t tile_rows, tile_columns, down, across; /* tiles of one matrix: `down` in a column of tiles, then the next */
    int64_t depth;                        /* k is cut into pieces of this length, so that q's part stays near */
    int strip;
    bool keep;                            /* q is copied while the first rows of a tile use it */
    bool direct;                          /* one tile, computed where the result lies: `whole` is all there is to do */
    cpu_product whole;
    size_t tile_at, turned_at, local;     /* in `local`: the tile; the tile turned round; the caller's */
    size_t scratch;
    int nsoon, soon[CPU_SOON];            /* inputs of the call that are read where the tile lies, when it is done */
    nilu_shape batch;
    int64_t a_stride[NILU_MAX_RANK], b_stride[NILU_MAX_RANK];
} cpu_gemm;
typedef struct cpu_gemm_tile { /* rows r0..r1, columns c0..c1 of matrix `batch` of the result */
    int64_t batch, r0, r1, c0, c1, row, column; /* row, column: of the grid of tiles */
    void *at;
    int64_t ld;
} cpu_gemm_tile;
/* `whole`: each tile is computed in a buffer of its own, because something will be done to it. */
void cpu_gemm_plan(const nilu_node *n, const cpu_isa *isa, bool ta, bool tb, bool bf16, bool whole, cpu_gemm *g);
/* Work of the first phase, where an operand is shared: pieces begin .. end-1 of cpu_gemm_pieces; 0: there is none. */
int64_t cpu_gemm_pieces(const cpu_gemm *g);
void cpu_gemm_share(const cpu_gemm *g, const nilu_call *c, int64_t begin, int64_t end);
/* Computes tile `t` into its buffer in `local`, or into `result` if that is not NULL; then it takes tiles up to `end` along
 * where they are one piece, and *t is the last. *packed remembers from tile to tile what lies in q's copy; it is -1 before
 * the first. */
cpu_gemm_tile cpu_gemm_compute(const cpu_gemm *g, const nilu_call *c, int64_t *t, int64_t end, void *result, char *local,
                               int64_t *packed);

#endif
