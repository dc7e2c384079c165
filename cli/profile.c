/* Where the time of training steps goes, instruction by instruction, beside what this machine can do at most: as a table, as
 * JSON, and as a drawing in which an instruction is as wide as its share of a step. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

typedef enum phase { FORWARD, BACKWARD, UPDATE, PHASES } phase;

typedef struct row {
    nilu_plan_instruction in;
    int place;
    double seconds; /* of one step */
    double roof;    /* the least seconds that the peak allows for its operations and bytes, as a share of `seconds` */
} row;

typedef struct profile {
    cli *c;
    row *r; /* as they run */
    int n;
    int64_t steps;
    double seconds, flops; /* of one step */
    double peak_flops, peak_bytes;
} profile;

/* The optimizer's nodes begin with opt; what a product writes there belongs to it, though its gradient is in it. */
static phase phase_of(const row *r)
{
    if (strncmp(r->in.value, "opt/", 4) == 0 || strcmp(r->in.value, "step") == 0 || strcmp(r->in.value, "step+1") == 0)
        return UPDATE;
    return r->in.backward ? BACKWARD : FORWARD;
}

static const char *const phase_names[PHASES] = {N_("forward"), N_("backward"), N_("update")};
static const char *const phase_codes[PHASES] = {"forward", "backward", "update"};

static nilu_status read_plan(profile *p, const nilu_plan *plan, const double *seconds)
{
    nilu_plan_summary summary;
    nilu *nl = p->c->nl;
    nilu_plan_summarise(plan, &summary);
    p->peak_flops = nilu_peak_flops(nl);
    p->peak_bytes = nilu_peak_bytes(nl);
    p->r = base_calloc(nl, (size_t)summary.instructions + 1, sizeof *p->r);
    if (!p->r)
        return NILU_E_NO_MEMORY;
    for (row *r = p->r; nilu_plan_instruction_at(plan, p->n, &r->in); r = &p->r[++p->n]) {
        r->place = p->n;
        r->seconds = seconds[p->n] / (double)(p->steps > 0 ? p->steps : 1);
        double flops = p->peak_flops > 0 ? r->in.flops / p->peak_flops : 0,
               bytes = p->peak_bytes > 0 ? r->in.bytes / p->peak_bytes : 0;
        r->roof = r->seconds > 0 ? (flops > bytes ? flops : bytes) / r->seconds : 0;
        p->seconds += r->seconds;
        p->flops += r->in.flops;
    }
    return NILU_OK;
}

static double share(const profile *p, const row *r)
{
    return p->seconds > 0 ? r->seconds / p->seconds : 0;
}

/* ---- the table, slowest first */

static int slower(const void *a, const void *b)
{
    double x = ((const row *)a)->seconds, y = ((const row *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

static nilu_status table(profile *p)
{
    cli *c = p->c;
    cli_figure f;
    const char *const heads[] = {_(N_("share")),       _(N_("time")), "GFLOP/s",       "GB/s",
                                 _(N_("of roofline")), _(N_("op")),   _(N_("kernel")), _(N_("value"))};
    cli_table t = cli_table_new(c->nl, "rrrrrlll");
    for (size_t i = 0; i < COUNT(heads); i++)
        cli_cell(&t, "%s", heads[i]);
    qsort(p->r, (size_t)p->n, sizeof *p->r, slower);
    for (const row *r = p->r; r < p->r + p->n; r++) {
        double s = r->seconds > 0 ? r->seconds : 1e-12;
        cli_cell(&t, "%.1f %%", 100 * share(p, r));
        cli_cell(&t, "%s", cli_seconds(r->seconds, f));
        cli_cell(&t, "%.1f", r->in.flops / s * 1e-9);
        cli_cell(&t, "%.1f", r->in.bytes / s * 1e-9);
        cli_cell(&t, "%.0f %%", 100 * r->roof);
        cli_cell(&t, "%s", r->in.op);
        cli_cell(&t, "%s", r->in.kernel);
        cli_cell(&t, "%s", r->in.value);
    }
    printf(_(N_("\nWhere the time of a step goes: %s, %.1f GFLOP/s, mean of %lld steps\n")), cli_seconds(p->seconds, f),
           p->seconds > 0 ? p->flops / p->seconds * 1e-9 : 0, (long long)p->steps);
    printf(_(N_("The roofline: %.1f GFLOP/s in f32, %.1f GB/s of memory; caches give more than 100 %%\n")),
           p->peak_flops * 1e-9, p->peak_bytes * 1e-9);
    nilu_status status = cli_table_print(&t, &c->out, 0);
    printf("\n");
    return status;
}

static nilu_status json(const profile *p)
{
    json_t *list = json_array();
    for (const row *r = p->r; r < p->r + p->n; r++)
        if (json_array_append_new(list, json_pack("{s:i, s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:f}", "place", r->place,
                                                  "value", r->in.value, "op", r->in.op, "kernel", r->in.kernel, "phase",
                                                  phase_codes[phase_of(r)], "seconds", r->seconds, "flops", r->in.flops,
                                                  "bytes", r->in.bytes, "of_roofline", r->roof)) != 0) {
            json_decref(list);
            return base_no_memory(p->c->nl, 0);
        }
    return cli_emit(p->c, "profile",
                    json_pack("{s:I, s:f, s:f, s:f, s:o}", "steps", (json_int_t)p->steps, "step_seconds", p->seconds,
                              "peak_flops", p->peak_flops, "peak_bytes", p->peak_bytes, "profile", list));
}

/* ---- the drawing: on top the phases of a step, below them its instructions in the order in which they run */

#define LEFT 10.0
#define WIDTH 1180.0

static const char style[] =
    "text{fill:#222}.page{fill:#fff}rect{stroke:#fff}.forward{fill:#85b3d9}.backward{fill:#d98880}"
    ".update{fill:#b9c0a0}@media(prefers-color-scheme:dark){text{fill:#ddd}.page{fill:#1b1d21}"
    "rect{stroke:#1b1d21}.forward{fill:#3f74a3}.backward{fill:#a3524a}.update{fill:#6b7350}}";

static void xml(FILE *f, const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p == '<' || *p == '>' || *p == '&' || *p == '"')
            fprintf(f, "&#%d;", *p);
        else
            fputc((unsigned char)*p < ' ' ? ' ' : *p, f);
}

static void bar(FILE *f, phase kind, double x, double width, int y, int height)
{
    fprintf(f, "<rect class=\"%s\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\"/>", phase_codes[kind], x, y, width,
            height);
}

static void instruction(FILE *f, const profile *p, const row *r, double x)
{
    cli_figure time;
    double width = WIDTH * share(p, r), s = r->seconds > 0 ? r->seconds : 1e-12;
    fprintf(f, "<g><title>");
    xml(f, r->in.value);
    fprintf(f, "\n%s, %s\n%s, %.1f %%\n%.1f GFLOP/s, %.1f GB/s\n", r->in.op, r->in.kernel,
            cli_seconds(r->seconds, time), 100 * share(p, r), r->in.flops / s * 1e-9, r->in.bytes / s * 1e-9);
    fprintf(f, _(N_("%.0f %% of the roofline")), 100 * r->roof);
    fprintf(f, "</title>");
    bar(f, phase_of(r), x, width, 66, 60);
    if (width > 14) {
        fprintf(f, "<text transform=\"translate(%.2f 138) rotate(40)\">", x + width / 2 - 3);
        xml(f, r->in.value);
        fprintf(f, "</text>");
    }
    fprintf(f, "</g>\n");
}

/* Neighbours of one phase are one bar. */
static void phases(FILE *f, const profile *p)
{
    cli_figure time;
    double x = LEFT;
    for (int i = 0, k; i < p->n; i = k) {
        double seconds = 0;
        phase kind = phase_of(&p->r[i]);
        for (k = i; k < p->n && phase_of(&p->r[k]) == kind; k++)
            seconds += p->r[k].seconds;
        double width = WIDTH * seconds / p->seconds;
        fprintf(f, "<g><title>%s: %s, %.1f %%</title>", _(phase_names[kind]), cli_seconds(seconds, time),
                100 * seconds / p->seconds);
        bar(f, kind, x, width, 38, 26);
        if (width > 60)
            fprintf(f, "<text x=\"%.2f\" y=\"55\">%s</text>", x + 5, _(phase_names[kind]));
        fprintf(f, "</g>\n");
        x += width;
    }
}

static nilu_status draw(const profile *p, const char *path)
{
    cli_figure time;
    double x = LEFT;
    base_output o;
    NILU_TRY(base_create(p->c->nl, path, &o));
    fprintf(o.file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1200 290\" font-family=\"sans-serif\" "
            "font-size=\"11\">\n"
            "<style>%s</style>\n<rect class=\"page\" width=\"1200\" height=\"290\"/>\n<text x=\"10\" y=\"24\" "
            "font-size=\"15\">",
            style);
    fprintf(o.file, _(N_("A step: %s, mean of %lld steps")), cli_seconds(p->seconds, time), (long long)p->steps);
    fprintf(o.file, "</text>\n");
    if (p->seconds > 0)
        phases(o.file, p);
    for (const row *r = p->r; r < p->r + p->n; r++) {
        instruction(o.file, p, r, x);
        x += WIDTH * share(p, r);
    }
    fprintf(o.file, "</svg>\n");
    return base_commit(&o);
}

nilu_status cli_profile(cli *c, const nilu_plan *plan, int64_t steps, const double *seconds, const char *svg)
{
    profile p = {.c = c, .steps = steps};
    nilu_status status = read_plan(&p, plan, seconds);
    if (status == NILU_OK && svg)
        status = draw(&p, svg);
    if (status == NILU_OK)
        status = c->json ? json(&p) : table(&p);
    base_free(c->nl, p.r);
    return status;
}
