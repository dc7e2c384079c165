/* The passes, seen by this room alone. */
#ifndef REWRITE_PASSES_H
#define REWRITE_PASSES_H

#include "rewrite/rewrite.h"

/* Drops dead nodes and sorts the rest, so that inputs stand before their users; numbers and names are put right. */
nilu_status rewrite_tidy(rewrite_job *job);
/* Values known now are computed now, and arithmetic that does nothing is left out. */
nilu_status rewrite_simplify(rewrite_job *job);
/* A sum of what is multiplied by what is the same for all it sums: the factor goes behind the sum; else NULL. */
nilu_tensor *rewrite_factor_out(nilu_node *n);
/* The way back computes again what is cheaper to compute than to bring from memory. */
nilu_status rewrite_recompute(rewrite_job *job);
/* Products of f32 matrices and convolutions round their operands to bf16, where that was allowed; sums stay f32. */
nilu_status rewrite_precision(rewrite_job *job);
/* A fill that nothing swallowed becomes a constant, so that no step spends time on it. */
nilu_status rewrite_fold(rewrite_job *job);
/* Do two nodes compute the same, of the same inputs? */
bool rewrite_equal(const nilu_node *a, const nilu_node *b);
/* Equal ops of equal inputs become one. */
nilu_status rewrite_cse(rewrite_job *job);
/* Elementwise chains, the sums at their ends and the products before them become tapes. */
nilu_status rewrite_fuse(rewrite_job *job);

#endif
