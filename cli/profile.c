/* Where the time of training steps goes, instruction by instruction: as a table, as JSON, and as a drawing in which an
 * instruction is as wide as its share of a step. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

typedef struct row {
    nilu_plan_instruction in;
    double seconds; /* of one step */
} row;

static int slower(const void *a, const void *b)
{
    double x = ((const row *)a)->seconds, y = ((const row *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* The plan's instructions with their time, as they run; *n says how many. */
static row *rows_of(nilu *nl, const nilu_plan *plan, int64_t steps, const double *seconds, int *n)
{
    nilu_plan_summary summary;
    nilu_plan_summarise(plan, &summary);
    row *r = base_calloc(nl, (size_t)summary.instructions + 1, sizeof *r);
    for (*n = 0; r && nilu_plan_instruction_at(plan, *n, &r[*n].in); (*n)++)
        r[*n].seconds = seconds[*n] / (double)(steps > 0 ? steps : 1);
    return r;
}

static double sum_of(const row *r, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += r[i].seconds;
    return sum;
}

static nilu_status table(cli *c, row *r, int n, int64_t steps)
{
    double all = sum_of(r, n), flops = 0;
    cli_figure time;
    cli_table t = cli_table_new(c->nl, "rrrrll");
    cli_cell(&t, "%s", _(N_("share")));
    cli_cell(&t, "%s", _(N_("time")));
    cli_cell(&t, "GFLOP/s");
    cli_cell(&t, "GB/s");
    cli_cell(&t, "%s", _(N_("kernel")));
    cli_cell(&t, "%s", _(N_("value")));
    qsort(r, (size_t)n, sizeof *r, slower);
    for (int i = 0; i < n; i++) {
        double s = r[i].seconds > 0 ? r[i].seconds : 1e-12;
        flops += r[i].in.flops;
        cli_cell(&t, "%.1f %%", all > 0 ? 100 * r[i].seconds / all : 0);
        cli_cell(&t, "%s", cli_seconds(r[i].seconds, time));
        cli_cell(&t, "%.1f", r[i].in.flops / s * 1e-9);
        cli_cell(&t, "%.1f", r[i].in.bytes / s * 1e-9);
        cli_cell(&t, "%s", r[i].in.kernel);
        cli_cell(&t, "%s", r[i].in.value);
    }
    printf(_(N_("\nWhere the time of a step goes: %s, %.1f GFLOP/s, mean of %lld steps\n")), cli_seconds(all, time),
           all > 0 ? flops / all * 1e-9 : 0, (long long)steps);
    nilu_status status = cli_table_print(&t, &c->out, 0);
    printf("\n");
    return status;
}

static nilu_status json(cli *c, const row *r, int n, int64_t steps)
{
    for (int i = 0; i < n; i++)
        NILU_TRY(cli_emit(c, "instruction", json_pack("{s:i, s:s, s:s, s:s, s:f, s:f, s:f, s:b, s:I}", "place", i, "value", r[i].in.value,
                                                      "op", r[i].in.op, "kernel", r[i].in.kernel, "flops", r[i].in.flops, "bytes",
                                                      r[i].in.bytes, "seconds", r[i].seconds, "backward", (int)r[i].in.backward,
                                                      "profiled", (json_int_t)steps)));
    return NILU_OK;
}

/* ---- the drawing */

static void xml(FILE *f, const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p == '<' || *p == '>' || *p == '&' || *p == '"')
            fprintf(f, "&#%d;", *p);
        else
            fputc(*p, f);
}

/* One bar: the way there in blue, the way back in red, what is left (updates) in grey. */
static void bar(FILE *f, const row *r, double x, double width, double all)
{
    cli_figure time;
    const char *colour = r->in.backward ? "#d98880" : strncmp(r->in.value, "opt/", 4) == 0 ? "#b2babb" : "#85b3d9";
    fprintf(f, "<g><title>");
    xml(f, r->in.value);
    fprintf(f, ", %s: %s, %.1f %%</title><rect x=\"%.2f\" y=\"40\" width=\"%.2f\" height=\"60\" fill=\"%s\" stroke=\"#fff\"/>",
            r->in.kernel, cli_seconds(r->seconds, time), 100 * r->seconds / all, x, width, colour);
    if (width > 24) {
        fprintf(f, "<text transform=\"translate(%.2f 108) rotate(35)\">", x + width / 2);
        xml(f, r->in.value);
        fprintf(f, "</text>");
    }
    fprintf(f, "</g>\n");
}

static nilu_status draw(cli *c, const char *path, const row *r, int n, int64_t steps)
{
    double all = sum_of(r, n), x = 10;
    const double width = 1180;
    cli_figure time;
    base_output o;
    NILU_TRY(base_create(c->nl, path, &o));
    fprintf(o.file, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1200 260\" font-family=\"sans-serif\" font-size=\"11\">\n"
                    "<rect width=\"1200\" height=\"260\" fill=\"#fff\"/>\n<text x=\"10\" y=\"24\" font-size=\"15\">");
    fprintf(o.file, _(N_("A step: %s, mean of %lld steps")), cli_seconds(all, time), (long long)steps);
    fprintf(o.file, "</text>\n");
    for (int i = 0; i < n && all > 0; i++) {
        bar(o.file, &r[i], x, width * r[i].seconds / all, all);
        x += width * r[i].seconds / all;
    }
    fprintf(o.file, "</svg>\n");
    return base_commit(&o);
}

nilu_status cli_profile(cli *c, const nilu_plan *plan, int64_t steps, const double *seconds, const char *svg)
{
    int n = 0;
    row *r = rows_of(c->nl, plan, steps, seconds, &n);
    nilu_status status = r ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK && svg)
        status = draw(c, svg, r, n, steps);
    if (status == NILU_OK)
        status = c->json ? json(c, r, n, steps) : table(c, r, n, steps);
    base_free(c->nl, r);
    return status;
}
