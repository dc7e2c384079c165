/* The table of kernels, expanded from the rows of kernels.inc. */
#include "cpu/cpu.h"

static const cpu_kernel *const rows[] = {
#define NILU_KERNEL(op, id, ...) &cpu_kernel_##id,
#include "cpu/kernels.inc"
#undef NILU_KERNEL
    NULL};

const cpu_kernel *cpu_kernel_at(size_t i)
{
    return i < COUNT(rows) ? rows[i] : NULL;
}

const char *cpu_accepts_all(const nilu_node *n, const cpu_isa *isa)
{
    (void)n, (void)isa;
    return NULL;
}

bool cpu_rounds(const nilu_node *n)
{
    const bool *bf16 = graph_attr_find(n, "bf16");
    return bf16 && *bf16;
}

const char *cpu_accepts_products(const nilu_node *n, const cpu_isa *isa)
{
    (void)isa;
    return cpu_rounds(n) && n->in[0]->dtype == NILU_F64 ? N_("f64 is not rounded to bf16 by any kernel") : NULL;
}

const char *cpu_accepts_wide(const nilu_node *n, const cpu_isa *isa)
{
    return n->in[0]->dtype == NILU_BF16 ? N_("bf16 has no fast kernel") : cpu_accepts_products(n, isa);
}
