/* rows: the test cases of the ops, run in many ways and judged. A row is one case of one op; a way is a data type, an
 * instruction set, a number of threads, and what the plan may do. Whatever goes wrong is printed with the row, the seed,
 * what was expected and got, and how to run it alone; the op's test goes on to the next row and fails at its end. */
#ifndef ROWS_H
#define ROWS_H

#include "support/support.h"
#include "plan/plan.h"

#ifdef __SANITIZE_ADDRESS__
#define ROWS_SLOW true /* everything is checked, in fewer ways and with fewer samples */
#else
#define ROWS_SLOW false
#endif

typedef struct rows_row {
    const nilu_op *op;
    const nilu_case *c;
    bool large;   /* from rows_large_table: run in fewer ways */
    int failures; /* of the op so far */
} rows_row;

typedef struct rows_way {
    nilu_dtype real, whole;
    const char *isa; /* NULL: the best */
    int threads;
    bool reference;
    bool unsimplified; /* the reference without any pass; else those passes run that do not fuse */
    int known;         /* input known - 1 is `number` when the plan is made; 0: none. Of a wrapped way */
    double number;
    const cpu_kernel *kernel; /* NULL: whichever the plan chooses */
    const char *without;      /* passes left out */
    bool wrapped;             /* behind and before other ops, with gradients; else the op alone */
    bool bf16;                /* products round their operands */
} rows_way;

/* What came out. In a wrapped way the values behind the op, then the gradients of its float inputs. */
typedef struct rows_values {
    int n, gradients; /* values [0, n - gradients) are not gradients */
    nilu_dtype dtype[GRAPH_MAX_OUT + GRAPH_MAX_IN];
    nilu_shape shape[GRAPH_MAX_OUT + GRAPH_MAX_IN];
    void *data[GRAPH_MAX_OUT + GRAPH_MAX_IN];
    bool composite; /* the op is no node */
    double operand; /* its largest input, which its intermediate values are as large as */
    char message[1024];
} rows_values;
void *rows_add(rows_values *v, nilu_dtype dtype, nilu_shape shape, const void *data); /* data NULL: zeros */
void rows_free(rows_values *v);

/* What all ways together have come by. */
typedef struct rows_taken {
    int in_place;       /* instructions whose output took an input's memory */
    int shared;         /* instructions that several threads ran together */
    int64_t kernel[64]; /* rows of kernels.inc: the largest number of tiles they were cut into; 0: never ran */
} rows_taken;
extern rows_taken rows_were_taken;

void rows_complain(rows_row *r, const rows_way *w, const char *format, ...) NILU_FORMAT(3, 4);
/* Builds, plans and runs a row. A status other than OK comes with its message. */
nilu_status rows_run(const rows_row *r, const rows_way *w, rows_values *v);
/* The op's reference called as a plain function: the judge, also of composites, of which no plan has a node. */
nilu_status rows_judge(const rows_row *r, nilu_dtype real, nilu_dtype whole, rows_values *v);
/* Compares all values; false after a complaint. `exact`: bit by bit. */
bool rows_same(rows_row *r, const rows_way *w, const char *what, const rows_values *got, const rows_values *want,
               bool exact);
/* Output 0 against the numbers known by hand. */
void rows_want(rows_row *r, const rows_way *w, const rows_values *got);
/* Are all of the case's floats held exactly by `real`? */
bool rows_exact(const rows_row *r, nilu_dtype real);

/* A context for instruction set `isa`, NULL: NILU_ISA's or the best. */
nilu *rows_context(const char *isa, int threads);
/* The inputs of a case that have a gradient. */
int rows_wrt(const nilu_op *op, const graph_case *made, nilu_tensor *wrt[GRAPH_MAX_IN]);
/* A coarse op against what it is made of: value and gradients, in f64. */
void rows_decompose(rows_row *r);
/* The gradient known by hand, in f64. */
void rows_gradient(rows_row *r);
/* The op's first good case, with every allocation failing in turn. */
void rows_survive(rows_row *r);

/* Rows too large to be differentiated element by element; ends with {0}. */
typedef struct rows_large {
    const char *op;
    nilu_case c;
} rows_large;
extern const rows_large rows_large_table[];

/* Texts of refusals and faults that rows have met, and whether a source's sentence is among them. */
void rows_heard(const nilu_op *op, const char *message);
/* Reads the sources in `folder` (src/ops) and prints each sentence that no row has met. Returns how many. */
int rows_unheard(const char *folder);

#endif
