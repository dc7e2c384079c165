/* What a plan says of itself: its costs in numbers, and its instructions in text. */
#include "plan/plan.h"

#include <string.h>

void nilu_plan_summarise(const nilu_plan *p, nilu_plan_summary *out)
{
    *out = (nilu_plan_summary){.instructions = p->nstep, .arena_bytes = p->arena_bytes, .lower_bound = p->lower_bound,
                               .scratch_bytes = p->scratch_bytes + p->local_bytes * (size_t)p->threads,
                               .plan_seconds = p->seconds};
    for (int i = 0; i < p->nstep; i++) {
        out->flops += plan_flops(&p->step[i]);
        out->bytes += plan_bytes(&p->step[i]);
    }
    for (int b = 0; b < p->nbuffer; b++) {
        if (p->buffer[b].where != PLAN_STORE)
            continue;
        out->store_bytes += p->buffer[b].bytes;
        if (p->buffer[b].leaf->op == &graph_op_param && !p->buffer[b].leaf->frozen)
            out->params += base_count(p->buffer[b].leaf->out[0].shape);
    }
    out->peak_bytes = out->arena_bytes + out->store_bytes + out->scratch_bytes;
}

bool nilu_plan_instruction_at(const nilu_plan *p, int i, nilu_plan_instruction *out)
{
    if (i < 0 || i >= p->nstep)
        return false;
    const plan_step *s = &p->step[i];
    *out = (nilu_plan_instruction){.value = s->node->name,
                                   .op = s->copy ? "copy" : s->node->op == &rewrite_op_product ? "matmul" : s->node->op->name,
                                   .kernel = s->kernel ? s->kernel->name : "reference",
                                   .why = s->kernel ? "" : base_text(s->why),
                                   .where = s->node->where ? s->node->where : "",
                                   .flops = plan_flops(s),
                                   .bytes = plan_bytes(s),
                                   .backward = !s->copy && s->node->origin != NULL};
    return true;
}

static nilu_status print_place(nilu *nl, const plan_buffer *b, base_buffer *text)
{
    static const char *const names[] = {[PLAN_STORE] = "store", [PLAN_FEED] = "feed", [PLAN_CONSTANT] = "const"};
    return b->where == PLAN_ARENA ? base_appendf(nl, text, "@%zu", b->offset)
                                  : base_appendf(nl, text, "%s", names[b->where]);
}

static nilu_status print_step(nilu *nl, const nilu_plan *p, int i, base_buffer *b)
{
    const plan_step *s = &p->step[i];
    char dims[BASE_SHAPE_TEXT];
    NILU_TRY(base_appendf(nl, b, "%4d %c %-10s %-28s", i, s->wait ? '|' : plan_runs_behind(p, s) ? '>' : ' ', s->kernel ? s->kernel->name : "reference",
                          s->node->name));
    const rewrite_tape *tape = s->copy ? NULL
                               : s->node->op == &rewrite_op_tape ? ((const struct rewrite_tape_attr *)s->node->attr)->tape
                               : s->node->op == &rewrite_op_product ? ((const struct rewrite_product_attr *)s->node->attr)->tape
                                                                    : NULL;
    NILU_TRY(base_appendf(nl, b, " %s", s->copy ? "copy" : s->node->op == &rewrite_op_product ? "matmul" : s->node->op->name));
    if (!s->copy && cpu_rounds(s->node))
        NILU_TRY(base_appendf(nl, b, "(bf16)"));
    if (tape) {
        NILU_TRY(base_appendf(nl, b, "{"));
        NILU_TRY(rewrite_tape_text(nl, tape, b));
        NILU_TRY(base_appendf(nl, b, "}"));
    }
    for (int k = 0; k < s->call.nin; k++) {
        NILU_TRY(base_appendf(nl, b, " %s", base_shape_text(s->call.in[k].shape, dims)));
        NILU_TRY(print_place(nl, &p->buffer[s->in[k]], b));
    }
    NILU_TRY(base_appendf(nl, b, " ->"));
    for (int k = 0; k < s->call.nout; k++) {
        NILU_TRY(base_appendf(nl, b, " %s", base_shape_text(s->call.out[k].shape, dims)));
        NILU_TRY(print_place(nl, &p->buffer[s->out[k]], b));
    }
    NILU_TRY(base_appendf(nl, b, "  %.4g flop", plan_flops(s)));
    if (!s->kernel)
        NILU_TRY(base_appendf(nl, b, "  (%s)", base_text(s->why)));
    return base_appendf(nl, b, "\n");
}

char *nilu_plan_text(const nilu_plan *p)
{
    nilu *nl = p->nl;
    base_buffer b = {0};
    nilu_status status = base_appendf(nl, &b, "%s\n", base_text(N_("# instruction; | waits for all threads, > runs behind the tiles of the one before; kernel; value; op; inputs -> outputs @ place in the arena")));
    for (int i = 0; i < p->nstep && status == NILU_OK; i++)
        status = print_step(nl, p, i, &b);
    if (status == NILU_OK)
        return b.at;
    base_free(nl, b.at);
    return NULL;
}
