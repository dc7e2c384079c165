/* `nilu bench`: how fast this machine trains. Its peak is measured first; then each measurement runs in a process of its own,
 * which is this command again with --alone, and comes back as lines of JSON. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct bench {
    bool gemm, alone, profile;
    const char *precision, *only;
    double seconds;
};

typedef struct session {
    cli *c;
    const struct bench *s;
    double peak, peak_one, memory; /* FLOP/s of all threads and of one, bytes a second */
    cli_table steps, products;
    int workloads, rows;
    nilu_status status; /* of an answer */
} session;

static bool is_bf16(const struct bench *s)
{
    return strcmp(s->precision, "bf16") == 0;
}

/* ---- the peak */

static nilu_status measure_peak(session *b)
{
    cli *c = b->c;
    nilu_options one = NILU_OPTIONS_DEFAULT;
    one.isa = nilu_isa(c->nl);
    nilu *single = nilu_new(&one, NULL);
    if (!single)
        return NILU_E_NO_MEMORY;
    b->peak_one = nilu_peak_flops(single);
    b->peak = nilu_threads(c->nl) == 1 ? b->peak_one : nilu_peak_flops(c->nl);
    b->memory = nilu_peak_bytes(c->nl);
    nilu_free(single);
    if (c->json)
        return cli_emit(c, "peak",
                        json_pack("{s:f, s:f, s:f, s:i, s:s}", "flops", b->peak, "flops_one", b->peak_one, "bytes",
                                  b->memory, "threads", nilu_threads(c->nl), "isa", nilu_isa(c->nl)));
    printf(_(N_("this machine: %.1f GFLOP/s in f32 and %.1f GB/s of memory at most; %s, threads: %d\n")),
           b->peak * 1e-9, b->memory * 1e-9, nilu_isa(c->nl), nilu_threads(c->nl));
    fflush(stdout);
    return NILU_OK;
}

/* ---- what comes back */

static double real(const json_t *o, const char *name)
{
    return json_number_value(json_object_get(o, name));
}

static const char *text(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s ? s : "";
}

static void workload_row(session *b, const json_t *o)
{
    cli_table *t = &b->steps;
    cli_figure f;
    cli_cell(t, "%s", text(o, "workload"));
    cli_cell(t, "%s", cli_quantity(real(o, "batch"), f));
    cli_cell(t, "%s", cli_quantity(real(o, "samples_per_second"), f));
    cli_cell(t, "%s", cli_quantity(real(o, "steps_per_second"), f));
    cli_cell(t, "%s", cli_seconds(real(o, "step_us") * 1e-6, f));
    cli_cell(t, "%.0f %%", 100 * real(o, "spread"));
    cli_cell(t, "%.1f", real(o, "flops") * 1e-9);
    cli_cell(t, "%.1f %%", 100 * real(o, "of_peak"));
    cli_cell(t, "%s", cli_bytes(real(o, "resident_bytes"), f));
    cli_cell(t, "%s", cli_bytes(real(o, "planned_bytes"), f));
    cli_cell(t, "%s", cli_seconds(real(o, "first_step_ms") * 1e-3, f));
}

static void product_row(session *b, const json_t *o)
{
    cli_table *t = &b->products;
    cli_figure f;
    cli_cell(t, "%s", text(o, "product"));
    cli_cell(t, "%.0f", real(o, "threads"));
    cli_cell(t, "%s", cli_seconds(real(o, "us") * 1e-6, f));
    cli_cell(t, "%.0f %%", 100 * real(o, "spread"));
    cli_cell(t, "%.1f", real(o, "flops") * 1e-9);
    cli_cell(t, "%.1f %%", 100 * real(o, "of_peak"));
    cli_cell(t, "%s", text(o, "kernel"));
}

static nilu_status status_named(const char *name)
{
#define NILU_ERROR(code, value, exit, text)                                                                            \
    if (strcmp(name, #code) == 0)                                                                                      \
        return NILU_E_##code;
#include "nilu/err.inc"
#undef NILU_ERROR
    return NILU_E_SYSTEM;
}

static nilu_status take(session *b, const char *line)
{
    json_t *o = json_loads(line, 0, NULL);
    const char *event = text(o, "event");
    bool step = strcmp(event, "workload") == 0;
    nilu_status status = NILU_OK;
    double peak = real(o, "threads") == 1 ? b->peak_one : b->peak;
    if (step || strcmp(event, "product") == 0) {
        json_object_set_new(o, "of_peak", cli_real(real(o, "flops") / peak));
        b->workloads += step;
        b->rows += !step;
        if (b->c->json)
            status = cli_emit(b->c, event, json_incref(o));
        else if (step)
            workload_row(b, o);
        else
            product_row(b, o);
    } else if (strcmp(event, "error") == 0) {
        status = cli_fail(b->c, status_named(text(o, "status")), "%s", text(o, "message"));
    }
    json_decref(o);
    return status;
}

/* ---- the processes */

/* This command again, to measure one workload or (name NULL) the products. */
static nilu_status become(const session *b, const char *name, int out)
{
    char threads[16], seed[32], seconds[32];
    char *line[20];
    int n = 0;
    snprintf(threads, sizeof threads, "%d", nilu_threads(b->c->nl));
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)nilu_seed(b->c->nl));
    snprintf(seconds, sizeof seconds, "%.17g", b->s->seconds);
    const char *const fixed[] = {"nilu",        "bench",         "--alone", "--json",    "--threads",
                                 threads,       "--seed",        seed,      "--seconds", seconds,
                                 "--precision", b->s->precision, "--only",  b->s->only,  name ? name : "--gemm"};
    for (size_t i = 0; i < COUNT(fixed); i++)
        line[n++] = (char *)fixed[i];
    if (b->c->lang) {
        line[n++] = (char *)"--lang";
        line[n++] = (char *)b->c->lang;
    }
    line[n] = NULL;
    if (dup2(out, STDOUT_FILENO) < 0 || !freopen("/dev/null", "w", stderr))
        return NILU_E_SYSTEM;
    execv("/proc/self/exe", line);
    return NILU_E_SYSTEM;
}

static nilu_status listen_to(session *b, FILE *f)
{
    char *line = NULL;
    size_t room = 0;
    nilu_status status = NILU_OK;
    while (status == NILU_OK && getline(&line, &room, f) > 0)
        status = take(b, line);
    free(line);
    return status;
}

static nilu_status measure(session *b, const char *name)
{
    cli *c = b->c;
    int ends[2], how = 0;
    nilu_status status = NILU_E_SYSTEM;
    fflush(stdout);
    if (pipe(ends) != 0)
        return cli_fail(c, status, _(N_("bench: the system has no pipe left")));
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        become(b, name, ends[1]);
        _exit(127);
    }
    close(ends[1]);
    FILE *f = fdopen(ends[0], "r");
    if (f && pid > 0)
        status = listen_to(b, f);
    if (f)
        fclose(f);
    else
        close(ends[0]);
    if (pid > 0 && waitpid(pid, &how, 0) == pid && how == 0)
        return status;
    if (c->said)
        return status;
    return cli_fail(c, NILU_E_SYSTEM,
                    _(N_("bench: the process that measures %s ended before its time; see it with: nilu bench "
                         "--alone --json %s")),
                    name ? name : "--gemm", name ? name : "--gemm");
}

/* ---- the command */

static void headings(session *b)
{
    const char *const steps[] = {_(N_("workload")), _(N_("batch")),   _(N_("samples/s")), _(N_("steps/s")),
                                 _(N_("step")),     _(N_("spread")),  "GFLOP/s",          _(N_("of peak")),
                                 _(N_("resident")), _(N_("planned")), _(N_("first step"))};
    const char *const products[] = {_(N_("product")), _(N_("threads")), _(N_("time")),  _(N_("spread")),
                                    "GFLOP/s",        _(N_("of peak")), _(N_("kernel"))};
    b->steps = cli_table_new(b->c->nl, "lrrrrrrrrrr");
    b->products = cli_table_new(b->c->nl, "lrrrrrl");
    for (size_t i = 0; i < COUNT(steps); i++)
        cli_cell(&b->steps, "%s", steps[i]);
    for (size_t i = 0; i < COUNT(products); i++)
        cli_cell(&b->products, "%s", products[i]);
}

static nilu_status conclude(session *b)
{
    cli *c = b->c;
    if (c->json)
        return cli_emit(c, "result",
                        json_pack("{s:i, s:i, s:f, s:f}", "workloads", b->workloads, "products", b->rows, "peak_flops",
                                  b->peak, "peak_bytes", b->memory));
    if (b->workloads)
        NILU_TRY(cli_table_print(&b->steps, &c->out, 0));
    if (b->workloads && b->rows)
        printf("\n");
    return b->rows ? cli_table_print(&b->products, &c->out, 0) : NILU_OK;
}

static nilu_status all(session *b, int n, char **operand)
{
    cli_progress bar = {.screen = &b->c->err};
    bool every = n == 0 && !b->s->gemm;
    nilu_status status = measure_peak(b);
    headings(b);
    for (int i = 0; status == NILU_OK && (every ? cli_workload_name(i) != NULL : i < n); i++) {
        const char *name = every ? cli_workload_name(i) : operand[i];
        if (!b->c->json && !b->c->quiet)
            cli_progress_show(&bar, 0, name);
        status = measure(b, name);
    }
    if (status == NILU_OK && b->s->gemm) {
        if (!b->c->json && !b->c->quiet)
            cli_progress_show(&bar, 0, "GEMM");
        status = measure(b, NULL);
    }
    cli_progress_clear(&bar);
    if (status == NILU_OK)
        status = conclude(b);
    cli_table_free(&b->steps);
    cli_table_free(&b->products);
    return status;
}

static nilu_status check_names(cli *c, int n, char **operand)
{
    const char *names[16];
    int known = 0;
    for (; known < (int)COUNT(names) && (names[known] = cli_workload_name(known)); known++)
        ;
    for (int i = 0; i < n; i++) {
        int k = 0;
        while (k < known && strcmp(names[k], operand[i]) != 0)
            k++;
        if (k < known)
            continue;
        const char *near = base_nearest(operand[i], names, (size_t)known);
        if (near)
            return cli_fail(c, NILU_E_USAGE, _(N_("bench: there is no workload %s; did you mean %s?")), operand[i],
                            near);
        return cli_fail(c, NILU_E_USAGE, _(N_("bench: there is no workload %s; nilu help bench lists them")),
                        operand[i]);
    }
    return NILU_OK;
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    const struct bench *s = settings;
    session b = {.c = c, .s = s};
    NILU_TRY(check_names(c, n, operand));
    if (s->profile) {
        if (n != 1 || s->gemm)
            return cli_fail(c, NILU_E_USAGE, _(N_("bench: --profile shows one workload; name it, as in nilu bench W4 --profile")));
        return cli_measure_workload(c, operand[0], is_bf16(s), s->seconds, true);
    }
    if (!s->alone)
        return all(&b, n, operand);
    if (n + s->gemm != 1 || !c->json)
        return cli_fail(c, NILU_E_USAGE, _(N_("bench: --alone measures one workload, or --gemm, and wants --json")));
    NILU_TRY(s->gemm ? cli_measure_products(c, s->only, is_bf16(s), s->seconds)
                     : cli_measure_workload(c, operand[0], is_bf16(s), s->seconds, false));
    return cli_emit(c, "result", json_pack("{s:i, s:i}", "workloads", n, "products", (int)s->gemm));
}

static const char *precision_name(int i)
{
    return i == 0 ? "f32" : i == 1 ? "bf16" : NULL;
}

static const char *const story[] = {
    N_("Without arguments all workloads are measured: W1, a network 784-512-512-10 with relu, batch 64, adam; W2, "
       "784-128-10 with "
       "relu, batch 32, sgd; W3, two convolutions, a pool and two dense layers on pictures of 28x28, batch 64, momentum; W4, "
       "ResNet-20 on pictures of 32x32, batch 128, momentum; W8 and W8b4, 2-3-1 with tanh, batch 1 and 4, sgd. A step is feeding, forward, backward "
       "and update, "
       "on one random batch that is in memory already (W8: the four cases of exclusive or in turn). With --gemm alone "
       "only "
       "products are measured."),
    N_("Speeds are medians of short runs, and the spread between their quartiles says how calm the machine was. Shares "
       "are of what "
       "its f32 multiply-adds can do with as many threads, measured just before. Memory is the most that a process of "
       "its own had "
       "resident, program and libraries included; the first step counts from the start of that process, without making "
       "the data."),
    NULL,
};

static const cli_operand operands[] = {
    {"WORKLOAD", CLI_WORD, N_("what to measure"), .optional = true, .many = true, .choice = cli_workload_name},
    {0},
};

#define AT(field) offsetof(struct bench, field)
static const cli_option options[] = {
    {"gemm", 'g', NULL, CLI_FLAG, AT(gemm), N_("measure products of matrices"), .group = N_("What is measured")},
    {"only", 0, "TEXT", CLI_WORD, AT(only), N_("of the products, those whose name contains this text"), ""},
    {"precision", 0, "NAME", CLI_CHOICE, AT(precision),
     N_("of the operands of products; sums, weights and updates stay f32"), "f32", .choice = precision_name},
    {"seconds", 0, "S", CLI_NUMBER, AT(seconds), N_("how long each is measured"), "2", .low = 0.001, .high = 3600},
    {"profile", 0, NULL, CLI_FLAG, AT(profile), N_("show where the time of one workload's step goes")},
    {"alone", 0, NULL, CLI_FLAG, AT(alone), N_("measure one in this very process, without the peak")},
    {0},
};

static const cli_field fields[] = {
    {"peak", "flops", "number", N_("f32 multiply-adds on registers, in operations a second")},
    {"peak", "flops_one", "number", N_("the same of one thread")},
    {"peak", "bytes", "number", N_("read from and written to memory a second")},
    {"peak", "threads", "number", N_("threads that computed")},
    {"peak", "isa", "text", N_("instruction set in use")},
    {"workload", "workload", "text", N_("its name")},
    {"workload", "precision", "text", "f32, bf16"},
    {"workload", "batch", "number", N_("samples of a step")},
    {"workload", "threads", "number", N_("threads that computed")},
    {"workload", "step_us", "number", N_("microseconds of a step, the median")},
    {"workload", "samples_per_second", "number", N_("samples that are trained with a second")},
    {"workload", "steps_per_second", "number", N_("steps a second")},
    {"workload", "spread", "number", N_("distance between the quartiles, as a share of the median")},
    {"workload", "flops", "number", N_("operations a second, those of products and convolutions alone")},
    {"workload", "of_peak", "number", N_("share of the peak in f32, with as many threads")},
    {"workload", "resident_bytes", "number", N_("most memory that its process had resident")},
    {"workload", "planned_bytes", "number", N_("most memory by the plan: values, weights, states, scratch")},
    {"workload", "first_step_ms", "number",
     N_("milliseconds from the start of its process to the end of the first step, without making the data")},
    {"product", "product", "text", N_("rows x columns x inner length, and which operand is read transposed (T)")},
    {"product", "precision", "text", "f32, bf16"},
    {"product", "kernel", "text", N_("the kernel that ran")},
    {"product", "threads", "number", N_("threads that computed; products up to 64 x 64 have one")},
    {"product", "us", "number", N_("microseconds, the median")},
    {"product", "spread", "number", N_("distance between the quartiles, as a share of the median")},
    {"product", "flops", "number", N_("operations a second")},
    {"product", "of_peak", "number", N_("share of the peak in f32, with as many threads")},
    {"result", "workloads", "number", N_("workloads measured")},
    {"result", "products", "number", N_("products measured")},
    {"result", "peak_flops", "number", N_("as in the line peak")},
    {"result", "peak_bytes", "number", N_("as in the line peak")},
    {0},
};

static const cli_example examples[] = {
    {"nilu bench", N_("all workloads")},
    {"nilu bench W1 --precision bf16 --threads 1", N_("one, with bf16 products on one thread")},
    {"nilu bench --gemm --only 768", N_("some products")},
    {"nilu bench W4 --profile", N_("which instructions of a step take how long")},
    {0},
};

const cli_command command_bench = {
    .name = "bench",
    .about = N_("Measures how fast this machine trains"),
    .story = story,
    .operands = operands,
    .options = options,
    .common = CLI_JSON | CLI_QUIET | CLI_THREADS | CLI_SEED,
    .fields = fields,
    .examples = examples,
    .run = run,
};
