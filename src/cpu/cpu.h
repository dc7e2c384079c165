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

#include <string.h>

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

/* Of an array whose outermost axes are cut into `of` equal parts: parts from .. to-1, and also, if `beginning`, part 0. */
typedef struct cpu_part {
    int64_t from, to, of;
    bool beginning;
} cpu_part;

typedef struct cpu_isa cpu_isa;
typedef struct cpu_kernel {
    const char *op, *name;
    /* NULL: it can compute this node; else why not, as the plan prints it ("f64 has no fast kernel"). Static text. */
    const char *(*accepts)(const nilu_node *n, const cpu_isa *isa);
    nilu_status (*prepare)(nilu *nl, const nilu_node *n, const cpu_isa *isa, cpu_job *job);
    /* Tiles begin .. end-1 of `phase`. */
    nilu_status (*run)(const nilu_call *c, int phase, int64_t begin, int64_t end, void *local);
    /* NULL, or which part of input k a tile of the first phase reads, and, if k is -1, of output 0 a tile of the last phase makes;
     * false: it cannot be told. */
    bool (*part)(const nilu_node *n, const cpu_job *job, int k, int64_t tile, cpu_part *part);
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
typedef struct cpu_rows_table cpu_rows_table;       /* rows section below */
typedef struct cpu_rows_f64 cpu_rows_f64;
typedef struct cpu_random_table cpu_random_table;   /* random section below */
typedef struct cpu_winograd_table cpu_winograd_table; /* winograd section below */
struct cpu_isa {
    const char *name;
    const cpu_gemm_table *gemm;
    const cpu_tape_table *tape;
    const cpu_numbers_table *numbers;
    const cpu_rows_table *rows;
    const cpu_random_table *random;
    const cpu_gemm_table *gemm_bf16; /* the table for products of rounded operands: `gemm`, or one of bf16 instructions */
    double (*peak)(int64_t rounds, float *sink); /* multiply-adds on registers; returns the FLOPs done */
    const cpu_winograd_table *winograd;
};
/* By name, or the best of this machine if NULL; NULL if it is unknown or this machine has none. */
const cpu_isa *cpu_isa_find(const char *name);

/* ---- tape section: a chain of steps on blocks of numbers that stay in the first-level cache. Bool values travel as the
 * floats 0 and 1. Places are where values are while a block runs: the inputs, then temporary blocks, then the outputs. */
#define CPU_BLOCK 256
#define CPU_MAX_OPERANDS 7
#define CPU_MAX_RESULTS 3
typedef struct cpu_step cpu_step;
/* Places s->z, rows × columns, from the places s->a; ld: of each place the distance from row to row. */
typedef void (*cpu_step_fn)(const cpu_step *s, float *const *at, const int64_t *ld, int64_t rows, int64_t columns);
struct cpu_step {
    cpu_step_fn run;
    float p[3];
    uint8_t z[CPU_MAX_RESULTS], a[CPU_MAX_OPERANDS];
    bool down, along; /* does its result change from row to row, from column to column? */
};
/* Steps of a brief, which know more than places: see there. */
typedef struct cpu_brief_steps {
    cpu_step_fn product, row_product, spread, chain, tree, narrow;
} cpu_brief_steps;
typedef struct cpu_tape_row {
    const char *pattern; /* as isa/tape.c explains */
    int results;
    cpu_step_fn run;
} cpu_tape_row;
struct cpu_tape_table {
    const cpu_tape_row *row;
    int rows;
    void (*sum_down)(float *sums, const float *v, int64_t ld, int64_t rows, int64_t columns);
    void (*sum_along)(float *sums, int64_t step, const float *v, int64_t ld, int64_t rows, int64_t columns);
    void (*total)(float *sums, int64_t step, const float *v, int64_t n);
    void (*fold)(float *sums, const float *v, int64_t ld, int64_t rows, int64_t columns);
    void (*from_bytes)(float *to, const unsigned char *from, int64_t n);
    void (*to_bytes)(unsigned char *to, const float *from, int64_t n);
    const cpu_brief_steps *brief;
};

/* A tape made ready. Its loop is brought into the fewest axes, two at least, whose last two are the rows and columns of
 * blocks. A sum is taken over the parts into which its axes are cut, in a fixed order, then over the parts in a fixed tree;
 * the parts are a product's grains, and a tape's tiles. */
#define CPU_LOOP_RANK (NILU_MAX_RANK + 1)
#define CPU_MAX_TEMPS (4 * REWRITE_MAX_STEPS + GRAPH_MAX_OUT)
#define CPU_GRAIN 16 /* rows, and columns, of a part of a product's sum */
typedef struct cpu_tape_input {
    int input;                     /* of the call */
    bool bytes, along, down;       /* bool in memory; does it change from column to column, row to row? */
    bool brought, once;            /* it does not lie as a block needs it, and is brought into one; one for all blocks */
    int64_t stride[CPU_LOOP_RANK]; /* in elements */
} cpu_tape_input;
typedef struct cpu_tape_end {
    int place;
    bool bytes, sum;
    bool lanes;                  /* of a packed sum: whole blocks are added up, it goes over all rows of a block */
    bool over[CPU_LOOP_RANK];    /* of a sum: the axes it is taken over */
    int64_t kept, cuts;          /* numbers that are left; parts that are added up */
    int64_t unit[CPU_LOOP_RANK]; /* what a step along an axis means in the output, 0 along those summed over */
    size_t partial;              /* where the parts are in the scratch: [cuts, kept] */
    size_t sums;                 /* where those of one box are in `local` */
} cpu_tape_end;
typedef struct cpu_program {
    const cpu_tape_table *isa;
    bool product;
    bool packed;                                /* rows are so short that a block takes several, brought together */
    int rank, flat;                             /* flat: the first axis of those that a packed block may cross */
    int64_t dim[CPU_LOOP_RANK];
    int64_t ext[CPU_LOOP_RANK], cuts[CPU_LOOP_RANK]; /* of a tile; tiles along each axis */
    int64_t block, width;                       /* numbers of a block, and of one row of it, at most */
    int nin, nstep, fixed, ntemp, nend;         /* fixed: steps that come first and change along no axis of a block */
    bool down[CPU_MAX_TEMPS], along[CPU_MAX_TEMPS]; /* of temporaries: along which axes of a block they change */
    int line;                                   /* the axis along which adjacent tiles are as good as one; -1: none */
    bool whole;                                 /* nothing lies between steps: a box is one block */
    size_t local, scratch;                      /* bytes */
    uint32_t in_place[GRAPH_MAX_OUT];           /* as cpu_job's */
    cpu_tape_input in[REWRITE_MAX_INPUTS];
    cpu_tape_end end[GRAPH_MAX_OUT];
    cpu_step step[];
} cpu_program;
/* NULL, or why tape `t` of node `n` has no program. Where n is a product, value 0 of the tape is the product's tile, and
 * n's inputs are the product's two operands, then the tape's inputs from 1 on. Static text. */
const char *cpu_program_refuses(const nilu_node *n, const rewrite_tape *t);
/* The program of a tape that is not refused, one block from base_alloc. Nothing of `t` is kept. A kernel gives it
 * p->scratch bytes that stay (`partial`), and each thread p->local bytes. `packed`: the whole loop is one row of a block. */
nilu_status cpu_program_new(nilu *nl, const nilu_node *n, const rewrite_tape *t, const cpu_isa *isa, bool packed,
                            cpu_program **p);
/* The tape of a tape, a product or an elementwise node; of the last it is made, with one step in `step`. */
rewrite_tape cpu_tape_of(const nilu_node *n, rewrite_step *step);
size_t cpu_program_bytes(const cpu_program *p); /* it may be copied to elsewhere */
/* Tiles of a tape, in the grid of p->cuts. */
int64_t cpu_program_tiles(const cpu_program *p);
void cpu_program_run(const cpu_program *p, const nilu_call *c, int64_t begin, int64_t end, char *partial, void *local);
/* Of arrays that are as large as the loop, the part that a tile reads. */
cpu_part cpu_program_part(const cpu_program *p, int64_t tile);
/* Of a product: runs the chain on rows r0 .. r1-1, columns c0 .. c1-1. Where it has sums, r0 and c0 must be multiples of
 * CPU_GRAIN, on every instruction set, or sums would depend on it. The tile stays as it was. */
typedef struct cpu_rect {
    int64_t r0, r1, c0, c1;
    float *tile; /* element (r, c) is tile[(r - r0) * ld + c - c0] */
    int64_t ld;
} cpu_rect;
void cpu_program_rect(const cpu_program *p, const nilu_call *c, const cpu_rect *r, char *partial, void *local);
/* What is left to be done when all tiles have run, in pieces that any thread may take: sums that no tile could finish. Of a
 * product, `down` and `across` say how many tiles there are; of a tape they are 0. */
int64_t cpu_program_folds(const cpu_program *p, int64_t down, int64_t across);
void cpu_program_fold(const cpu_program *p, const nilu_call *c, int64_t down, int64_t across, const char *partial,
                      int64_t begin, int64_t end);

/* ---- brief section: what a plan does, as one list of calls on known places, for plans of so few numbers that to look for
 * what to do would cost more than to do it. Where no array of an instruction has more than sixteen numbers, each is one
 * vector, and the instruction some steps on these: those of its tape, and the products, spreads and sums of isa/brief.c.
 * What makes one number of any type from others needs no blocks either. All compute the same bits as the kernels. Other
 * instructions are called as ever. */
typedef struct cpu_brief_op {
    cpu_step step; /* first: a step that needs more than places finds its op from it */
    void *data;
    const nilu_arg *arg[2]; /* read where they are at the time; whole[k]: a vector of them may be read, else n[k] numbers */
    int n[2];
    bool whole[2], faults;
    int rounds;           /* of a product or a chain */
    int32_t *index;       /* of an operand's lanes, sixteen for each round */
} cpu_brief_op;
typedef struct cpu_brief cpu_brief;
nilu_status cpu_brief_new(nilu *nl, const cpu_isa *isa, cpu_brief **b);
void cpu_brief_free(cpu_brief *b);
/* Adds what instruction `c` does. `ragged`: bit k tells that input k's memory ends where its numbers end, and may be
 * elsewhere in the next step; all other arrays fill up whole lines of 64 bytes, which may be overwritten. */
nilu_status cpu_brief_add(cpu_brief *b, const cpu_kernel *k, const nilu_call *c, const cpu_job *job, uint32_t ragged,
                          void *local);
bool cpu_brief_helps(const cpu_brief *b); /* was anything added but calls of kernels? */
void cpu_brief_run(const cpu_brief *b, const call_fault *fault);

/* Of what runs once a plan: small rather than fast. */
#define CPU_COLD __attribute__((cold))

/* ---- for cutting */
static inline int64_t cpu_ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}
static inline int64_t cpu_round_up(int64_t n, int64_t to)
{
    return cpu_ceil_div(n, to) * to;
}
static inline int64_t cpu_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
/* Bytes of a tile of a kernel that only moves numbers: of what is written. */
#define CPU_TILE_BYTES 65536
/* Why not, of a kernel that computes every node of its op: there is no reason. */
const char *cpu_accepts_all(const nilu_node *n, const cpu_isa *isa);
/* Of a kernel that has f32 and f64. */
const char *cpu_accepts_wide(const nilu_node *n, const cpu_isa *isa);
/* Of one that has bf16 too, and rounds f32 to it where cpu_rounds. */
const char *cpu_accepts_products(const nilu_node *n, const cpu_isa *isa);
bool cpu_rounds(const nilu_node *n); /* a product whose operands are to be rounded to bf16 */

/* ---- shapes */
/* x's axes joined into groups, in turn kept and gone, without those of 1; *axes: which groups are gone. */
nilu_shape cpu_group_axes(nilu_shape s, nilu_axes gone, nilu_axes *axes);
/* z[j, i] = x[i, j] of elements of 1, 2, 4 or 8 bytes; ldx, ldz: bytes between rows. `ahead`: the next columns of x, and rows
 * of z, are asked for. */
void cpu_flip(const char *x, int64_t ldx, char *z, int64_t ldz, int64_t rows, int64_t columns, int64_t size, bool ahead);

/* ---- tables: indices in i32 or i64 (gather.c) */
int64_t cpu_index(const nilu_arg *a, int64_t i);
/* Index `i` of input 1; false after a fault if it is not below `n`. */
bool cpu_place(const nilu_call *c, int64_t i, int64_t n, int64_t *place);

/* ---- numbers section: blocks of any data type become doubles, and doubles become blocks of any data type. */
typedef enum cpu_fold { CPU_SUM, CPU_PROD, CPU_MAX, CPU_MIN, CPU_FOLDS } cpu_fold;
struct cpu_numbers_table {
    void (*load[NILU_DTYPES])(double *to, const void *from, int64_t n);
    void (*store[NILU_DTYPES])(void *to, const double *from, int64_t n);
    /* z [inner] = Σ_s x [order[s], inner] in double, in the order of s */
    void (*add_slices)(float *z, const float *x, const int64_t *order, int64_t slices, int64_t inner);
    void (*fold[CPU_FOLDS])(double *to, const double *v, int64_t n); /* to[i] = to[i] op v[i] */
    void (*add_f32)(double *to, const float *v, int64_t n);
    void (*add_moments)(double *one, double *two, const float *v, double shift, int64_t n); /* to sixteen lanes each: of v - shift */
    /* to sixteen lanes, by halving v, which is spoilt */
    void (*lanes[CPU_FOLDS])(double *lane, double *v, int64_t n);
    /* to[i] = start op v[i * run] op v[i * run + 1] …, one after another */
    void (*runs[CPU_FOLDS])(double *to, double start, const double *v, int64_t results, int64_t run);
    double (*across[CPU_FOLDS])(double *lane); /* of sixteen lanes, in a tree; spoils them */
};

/* ---- rows section: a row of n numbers, which may be 0. */
typedef struct cpu_xent_row {
    double lse, whole, even, share;
} cpu_xent_row;
#define CPU_ROWS(name, real)                                                                                           \
    struct name {                                                                                                      \
        real (*largest)(const real *x, int64_t n); /* NaN if there is one; -inf of nothing */                          \
        real (*smallest)(const real *x, int64_t n);                                                                    \
        int64_t (*find)(const real *x, real v, int64_t n); /* where v first is (any NaN, if it is one); n: nowhere */  \
        double (*exp_sum)(const real *x, real top, int64_t n);          /* Σ exp(x_i - top) */                         \
        double (*exp_row)(real *z, const real *x, real top, int64_t n); /* and z_i = exp(x_i - top); z may be x */     \
        void (*scale)(real *z, real factor, int64_t n);                 /* z_i = z_i factor */                         \
        void (*lower)(real *z, const real *x, real top, real more, int64_t n); /* z_i = (x_i - top) - more */          \
        /* Σ w_i (top - x_i) over the w_i that are not 0; w NULL: all 1 */                                             \
        double (*depth)(const real *x, const real *w, real top, int64_t n);                                            \
        /* z_i = (whole exp(x_i - lse) - even w_i) share */                                                            \
        void (*xent_back)(real *z, const real *x, const real *w, const cpu_xent_row *r, int64_t n);                    \
    };
CPU_ROWS(cpu_rows_table, float)
CPU_ROWS(cpu_rows_f64, double)
/* What is done with a row of f32 or f64. */
typedef struct cpu_row_steps {
    void (*softmax)(const cpu_isa *isa, void *z, const void *x, int64_t n); /* z may be x */
    void (*log_softmax)(const cpu_isa *isa, void *z, const void *x, int64_t n);
    void (*logsumexp)(const cpu_isa *isa, void *z, const void *x, int64_t n); /* z: one number */
    /* row i of softmax_xent and its way back, of a good label; *own is the label's weight */
    double (*xent)(const nilu_call *c, int64_t i, int64_t label, double *own); /* the row's loss; sets its lse */
    void (*xent_back)(const nilu_call *c, int64_t i, int64_t label);
} cpu_row_steps;
extern const cpu_row_steps cpu_row_steps_f32, cpu_row_steps_f64;
/* log x of a positive x, within 2 units in the last place, the same bits everywhere; NaN stays. */
static inline double cpu_log(double x)
{
    int64_t bits, k;
    double m;
    memcpy(&bits, &x, sizeof bits);
    k = (bits - 0x3fe6a09e667f3bcd) >> 52; /* m: sqrt(1/2) .. sqrt(2) */
    bits -= (int64_t)((uint64_t)k << 52);
    memcpy(&m, &bits, sizeof m);
    double f = m - 1, s = f / (2 + f), z = s * s, e = (double)(int32_t)k; /* log(1 + f) = 2 atanh(s) */
    double p = 2.0 / 21;
    p = p * z + 2.0 / 19;
    p = p * z + 2.0 / 17;
    p = p * z + 2.0 / 15;
    p = p * z + 2.0 / 13;
    p = p * z + 2.0 / 11;
    p = p * z + 2.0 / 9;
    p = p * z + 2.0 / 7;
    p = p * z + 2.0 / 5;
    p = p * z + 2.0 / 3;
    double y = e * 6.93147180369123816490e-01 + (2 * s + (s * z * p + e * 1.90821492927058770002e-10));
    return x != x ? x : y;
}

/* ---- random section: draws first .. first+n-1 of a key, first a multiple of 64. */
struct cpu_random_table {
    void (*uniform)(base_key key, uint64_t first, double *to, int64_t n); /* base_uniform's */
    void (*normal)(base_key key, uint64_t first, double *to, int64_t n);  /* base_normal's, to about 1e-13 */
    /* v_i / (1 - rate) where base_uniform's draw is not below rate, else 0 */
    void (*drop)(base_key key, uint64_t first, double rate, double *v, int64_t n);
};

/* ---- winograd section: n squares of vectors of sixteen channels, transformed (winograd.c says into what) */
typedef struct cpu_grid { /* distances of vectors in elements: between rows and columns of a square, from square to square */
    int64_t row, column, next;
} cpu_grid;
typedef void (*cpu_winograd_fn)(const float *x, const cpu_grid *from, float *z, const cpu_grid *to, int64_t n);
struct cpu_winograd_table {
    cpu_winograd_fn picture, kernel, result, error, gradient; /* 6 -> 6, 3 -> 6, 6 -> 4, 4 -> 6, 6 -> 3 a side */
};

/* ---- gemm section: products. Each element of c is one chain of fused multiply-adds over k in ascending order, from 0, or
 * from what c holds if `more`. Blocks, tiles, threads and instruction sets only choose who computes it. */
#define CPU_SOON 6
typedef struct cpu_soon { /* `bytes` from each place */
    int n;
    const char *at[CPU_SOON];
    int64_t bytes;
} cpu_soon;
/* Steps beyond those that all k take: behind the first k of them, the second, and so on. Elements. */
typedef struct cpu_hop {
    int64_t p, q;
} cpu_hop;
/* p [rows, k], any strides; q [k, columns] and c [rows, columns], columns adjacent. */
typedef struct cpu_product {
    int64_t rows, columns, k;
    int64_t p_row, p_step, q_step, c_row; /* distances in elements: between rows, and from k to k + 1 */
    int64_t q_strip;        /* distance from a block's columns of q to the next block's */
    int strip;              /* vectors of a block, 1..4, most[strip] != 0 */
    bool near;              /* p and q are in the nearest caches: nothing is asked for, and nothing may be kept */
    const cpu_hop *hop;     /* k may be only a part of the sum: there are as many steps again behind each of these */
    int64_t hops;
    int64_t lines, q_line, c_line; /* as many columns again, lines times, each so far behind the last in q and c; only where the
                                      rows are one block's, the columns whole strips, and nothing is kept or asked for */
    bool more;
    void *keep;             /* NULL, or where q is copied to while the first rows use it, for the others: strip after
                               strip, k rows of `strip` whole vectors each */
    const cpu_soon *soon;   /* NULL, or what is needed next: it is asked for meanwhile, one line as k goes on */
    int64_t soon_step;      /* the blocks' own */
} cpu_product;
typedef void (*cpu_lay_fn)(int64_t rows, const void *from, int64_t ld, int64_t step, void *to, int64_t far, int64_t before, int64_t inside, int64_t n);
typedef enum cpu_form { CPU_F32, CPU_F64, CPU_ROUNDED } cpu_form; /* ROUNDED: f32 or bf16, rounded to bf16 */
struct cpu_gemm_table {
    int lanes[3], most[5];  /* lanes of a vector of each form; most rows of a block of 1..4 vectors */
    int per;                /* what stands for an operand's element in the rounded form: 1, an f32 that was rounded; 2, bf16
                               of k and k + 1 side by side in four bytes, the last one filled up with 0 */
    void (*multiply[3])(const cpu_product *g, const void *p, const void *q, void *c);
    /* to [columns, rows] = from [rows, columns] transposed; ld: distances between rows. Of 4 and 8 bytes. */
    void (*flip[2])(int64_t rows, int64_t columns, const void *from, int64_t ld, void *to, int64_t to_ld);
    /* Rows of a panel, of 4 and 8 bytes: each has `before` zeros, `inside` numbers from every step-th place of `from`, and
     * zeros up to n. What lies up to a vector behind is overwritten. ld, far: from row to row. */
    cpu_lay_fn lay[2];
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
    bool chained;                         /* a chain follows: tiles begin at multiples of CPU_GRAIN */
    int64_t rows, columns;                /* of p and q: m, n or n, m */
    cpu_operand p, q;
    int64_t tile_rows, tile_columns, down, across; /* tiles of one matrix: `down` in a column of tiles, then the next */
    int64_t depth;                        /* k is cut into pieces of this length, so that q's part stays near */
    int strip;
    bool keep;                            /* q is copied while the first rows of a tile use it */
    bool beside;                          /* tiles lie side by side, and a thread's are computed along with each other */
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
/* Distance between rows of `k` elements in a copy: an odd number of lines, so that rows do not fall into one set of a cache. */
static inline int64_t cpu_gemm_spaced(int64_t k)
{
    return ((k + 15) / 16 | 1) * 16;
}
/* Work of the first phase, where an operand is shared: pieces begin .. end-1 of cpu_gemm_pieces; 0: there is none. */
int64_t cpu_gemm_pieces(const cpu_gemm *g);
void cpu_gemm_share(const cpu_gemm *g, const nilu_call *c, int64_t begin, int64_t end);
/* Computes tile `t` into its buffer in `local`, or into `result` if that is not NULL; then it takes tiles up to `end` along
 * where they are one piece, and *t is the last. *packed remembers from tile to tile what lies in q's copy; it is -1 before
 * the first. */
cpu_gemm_tile cpu_gemm_compute(const cpu_gemm *g, const nilu_call *c, int64_t *t, int64_t end, void *result, char *local,
                               int64_t *packed);

#endif
