/* One source for every instruction set. A file that includes this header is compiled once for each of them, with
 * CPU_ISA one of portable, avx2, avx512, neon and the compiler's flags to match; ISA(name) gives its functions names of
 * their own. `vf` is sixteen f32 lanes on every one of them: a whole register, or several, or an array. Everything that
 * is summed across lanes goes through v_sum, whose tree is the same everywhere, and every multiply-add that is meant to
 * be fused is written v_fma; so fp32 results are the same bits on every instruction set. */
#ifndef CPU_SIMD_H
#define CPU_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define ISA_PASTE_(name, isa) name##_##isa
#define ISA_PASTE(name, isa) ISA_PASTE_(name, isa)
#define ISA(name) ISA_PASTE(name, CPU_ISA)

#define LANES 16

#endif
