/* `nilu predict`: what a run says to new samples, a row each. All files are opened before the first row is written. */
#include "cli.h"
#include "data/data.h"

#include <string.h>

struct predict {
    cli_reading reading;
    const char *format, *out, *part, *views;
    bool all;
};

#define BLOCK 1024

/* Where rows go, and what they look like. */
typedef struct sink {
    cli *c;
    const struct predict *s;
    const nilu_data_info *info; /* of the file at hand */
    const char *file;
    nilu_data *data;            /* likewise */
    nilu_part part;
    FILE *f;
    float *kept;                /* npy: all answers */
    int64_t rows, outputs;
    int class_width;
} sink;
typedef struct format {
    const char *name;
    nilu_status (*head)(sink *k);
    nilu_status (*row)(sink *k, int64_t index, const float *answer);
} format;

static int best_of(const float *answer, int64_t n)
{
    int best = 0;
    for (int i = 1; i < (int)n; i++)
        if (answer[i] > answer[best])
            best = i;
    return best;
}

static bool has_classes(const sink *k)
{
    return k->info->task == NILU_TASK_CLASSES;
}

/* "42", or "train:42" in a set that has several parts. */
static const char *sample_name(const sink *k, int64_t index, char out[48])
{
    bool parts = k->info->count[NILU_TRAIN] || k->info->count[NILU_VALIDATION];
    snprintf(out, 48, "%s%s%lld", parts ? cli_part_name((int)k->part) : "", parts ? ":" : "", (long long)index);
    return out;
}

/* ---- text */

static nilu_status text_head(sink *k)
{
    k->class_width = cli_width(_(N_("class")));
    for (int64_t i = 0; has_classes(k) && i < k->info->outputs; i++)
        if (cli_width(k->info->class_names[i]) > k->class_width)
            k->class_width = cli_width(k->info->class_names[i]);
    fprintf(k->f, "%s%s%s\n", cli_paint(&k->c->out, CLI_BOLD), k->file, cli_paint(&k->c->out, CLI_PLAIN));
    return NILU_OK;
}

static nilu_status text_row(sink *k, int64_t index, const float *answer)
{
    char name[48], class[256];
    const char *picture = data_sample_file(k->data, k->part, index);
    if (picture)
        fprintf(k->f, "  %s", cli_clean(picture, class, sizeof class));
    else
        fprintf(k->f, "%10s", sample_name(k, index, name));
    if (has_classes(k)) {
        int best = best_of(answer, k->outputs);
        cli_clean(k->info->class_names[best], class, sizeof class);
        fprintf(k->f, "  %s%*s  %7.3f %%", class, k->class_width - cli_width(class), "", 100 * (double)answer[best]);
    }
    for (int64_t i = 0; i < k->outputs && (k->s->all || !has_classes(k)); i++)
        fprintf(k->f, has_classes(k) ? "  %.4f" : "  %.6g", (double)answer[i]);
    fputc('\n', k->f);
    return NILU_OK;
}

/* ---- CSV (RFC 4180) */

static void csv_text(FILE *f, const char *text)
{
    if (!text[strcspn(text, ",\"\r\n")]) {
        fputs(text, f);
        return;
    }
    fputc('"', f);
    for (const char *p = text; *p; p++)
        fputs(*p == '"' ? "\"\"" : (char[]){*p, 0}, f);
    fputc('"', f);
}

static nilu_status csv_head(sink *k)
{
    if (k->rows)
        return NILU_OK; /* one heading for all files */
    fputs("file,sample", k->f);
    if (has_classes(k))
        fputs(",class,probability", k->f);
    for (int64_t i = 0; i < k->outputs && (k->s->all || !has_classes(k)); i++) {
        fputc(',', k->f);
        if (has_classes(k))
            csv_text(k->f, k->info->class_names[i]);
        else if (k->outputs == 1)
            csv_text(k->f, *k->info->target ? k->info->target : "value");
        else
            fprintf(k->f, "value%lld", (long long)i + 1);
    }
    fputc('\n', k->f);
    return NILU_OK;
}

static nilu_status csv_row(sink *k, int64_t index, const float *answer)
{
    char name[48];
    const char *picture = data_sample_file(k->data, k->part, index);
    csv_text(k->f, picture ? picture : k->file);
    fprintf(k->f, ",%s", sample_name(k, index, name));
    if (has_classes(k)) {
        int best = best_of(answer, k->outputs);
        fputc(',', k->f);
        csv_text(k->f, k->info->class_names[best]);
        fprintf(k->f, ",%.9g", (double)answer[best]);
    }
    for (int64_t i = 0; i < k->outputs && (k->s->all || !has_classes(k)); i++)
        fprintf(k->f, ",%.9g", (double)answer[i]);
    fputc('\n', k->f);
    return NILU_OK;
}

/* ---- JSON */

static nilu_status no_head(sink *k)
{
    (void)k;
    return NILU_OK;
}

static nilu_status json_row(sink *k, int64_t index, const float *answer)
{
    const char *picture = data_sample_file(k->data, k->part, index);
    char clean[1024];
    json_t *o = json_pack("{s:s, s:s, s:s, s:I}", "event", "row", "file", picture ? cli_clean(picture, clean, sizeof clean) : k->file, "part", cli_part_name((int)k->part), "sample",
                          (json_int_t)index);
    if (o && has_classes(k)) {
        int best = best_of(answer, k->outputs);
        cli_merge(o, json_pack("{s:s, s:o}", "class", k->info->class_names[best], "probability", cli_real(answer[best])));
    }
    if (o && (k->s->all || !has_classes(k))) {
        json_t *values = json_array();
        for (int64_t i = 0; i < k->outputs; i++)
            json_array_append_new(values, cli_real(answer[i]));
        json_object_set_new(o, has_classes(k) ? "probabilities" : "values", values);
    }
    int failed = o ? json_dumpf(o, k->f, JSON_COMPACT | JSON_REAL_PRECISION(9)) : -1;
    json_decref(o);
    fputc('\n', k->f);
    return failed && !ferror(k->f) ? base_no_memory(k->c->nl, 0) : NILU_OK;
}

/* ---- NPY: kept until all are there, as the shape comes first */

static nilu_status npy_row(sink *k, int64_t index, const float *answer)
{
    (void)index;
    memcpy(k->kept + k->rows * k->outputs, answer, (size_t)k->outputs * sizeof *answer);
    return NILU_OK;
}

static const format formats[] = {
    {"text", text_head, text_row}, {"csv", csv_head, csv_row}, {"json", no_head, json_row}, {"npy", no_head, npy_row}};

static const char *format_name(int i)
{
    return i >= 0 && i < (int)COUNT(formats) ? formats[i].name : NULL;
}

/* ---- asking */

static nilu_status ask_part(sink *k, const format *form, nilu_predictor *p, float *answer)
{
    int64_t all = k->info->count[k->part], index[BLOCK];
    for (int64_t first = 0; first < all; first += BLOCK) {
        int64_t n = all - first < BLOCK ? all - first : BLOCK;
        if (*cli_signal())
            return base_fail(k->c->nl, NILU_E_CANCELLED, N_("predict: interrupted"));
        for (int64_t i = 0; i < n; i++)
            index[i] = first + i;
        NILU_TRY(nilu_predict(p, k->part, index, n, answer));
        for (int64_t i = 0; i < n; i++) {
            NILU_TRY(form->row(k, first + i, answer + i * k->outputs));
            k->rows++;
        }
    }
    return NILU_OK;
}

static bool wanted_part(const sink *k, int part)
{
    return k->info->count[part] && (!k->s->part || strcmp(k->s->part, cli_part_name(part)) == 0);
}

static nilu_status ask_file(sink *k, const format *form, const nilu_run *run, nilu_store *store, nilu_data *data)
{
    cli *c = k->c;
    nilu_predictor *p = NULL;
    float *answer = base_calloc(c->nl, (size_t)k->outputs, BLOCK * sizeof *answer);
    nilu_status status = answer ? nilu_predictor_new(c->nl, nilu_run_model(run), store, data, nilu_run_about(run)->options.loss, &p)
                                : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = cli_views(p, k->s->views);
    if (status == NILU_OK)
        status = form->head(k);
    for (int part = 0; part < NILU_PARTS && status == NILU_OK; part++) {
        k->part = (nilu_part)part;
        if (wanted_part(k, part))
            status = ask_part(k, form, p, answer);
    }
    nilu_predictor_free(p);
    base_free(c->nl, answer);
    return status;
}

/* ---- the command */

static nilu_status open_files(cli *c, const struct predict *s, const nilu_run *run, int n, char **file, nilu_data **data)
{
    nilu_data_options o;
    NILU_TRY(cli_data_options(c, &s->reading, &o));
    for (int i = 0; i < n; i++)
        NILU_TRY(nilu_run_data(run, file[i], &o, &data[i]));
    return NILU_OK;
}

static nilu_status keep_room(sink *k, int n, nilu_data *const *data)
{
    int64_t rows = 0;
    size_t bytes;
    for (int i = 0; i < n; i++) {
        k->info = nilu_data_about(data[i]);
        for (int part = 0; part < NILU_PARTS; part++)
            rows += wanted_part(k, part) ? k->info->count[part] : 0;
    }
    if (!base_mul((size_t)rows, (size_t)k->outputs * sizeof(float), &bytes))
        return base_no_memory(k->c->nl, 0);
    k->kept = base_alloc(k->c->nl, bytes ? bytes : 1);
    return k->kept ? NILU_OK : NILU_E_NO_MEMORY;
}

static nilu_status ask_all(sink *k, const format *form, const nilu_run *run, int n, char **file, nilu_data *const *data)
{
    nilu_store *store = NULL;
    nilu_status status = nilu_run_store(run, NILU_MODEL, &store);
    for (int i = 0; i < n && status == NILU_OK; i++) {
        k->info = nilu_data_about(data[i]);
        k->file = file[i];
        k->data = data[i];
        status = ask_file(k, form, run, store, data[i]);
    }
    nilu_store_free(store);
    return status;
}

static nilu_status write_answers(sink *k, const format *form, const nilu_run *run, int n, char **file, nilu_data *const *data)
{
    cli *c = k->c;
    const char *out = k->s->out;
    base_output o = {0};
    nilu_status status = NILU_OK;
    bool npy = strcmp(form->name, "npy") == 0;
    if (npy)
        status = keep_room(k, n, data);
    else if (out)
        status = base_create(c->nl, out, &o);
    k->f = o.file ? o.file : stdout;
    if (status == NILU_OK)
        status = ask_all(k, form, run, n, file, data);
    if (status == NILU_OK && npy)
        status = nilu_npy_write(c->nl, out, NILU_F32, NILU_SHAPE(k->rows, k->outputs), k->kept);
    if (o.file && status == NILU_OK)
        status = base_commit(&o);
    else
        base_discard(&o);
    base_free(c->nl, k->kept);
    return status;
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    const struct predict *s = settings;
    const format *form = formats;
    double before = base_now();
    nilu_run *run = NULL;
    sink k = {.c = c, .s = s};
    n--;
    operand++;
    while (strcmp(form->name, c->json ? "json" : s->format) != 0)
        form++;
    if (strcmp(form->name, "npy") == 0 && !s->out)
        return cli_fail(c, NILU_E_USAGE, _(N_("predict: --format npy writes a file; say which with --out FILE")));
    cli_signals_catch();
    nilu_data **data = base_calloc(c->nl, (size_t)n, sizeof *data);
    nilu_status status = data ? nilu_run_open(c->nl, operand[-1], &run) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = open_files(c, s, run, n, operand, data);
    if (status == NILU_OK) {
        k.outputs = nilu_run_about(run)->outputs;
        status = write_answers(&k, form, run, n, operand, data);
    }
    if (status == NILU_OK && c->json)
        status = cli_emit(c, "result", json_pack("{s:s, s:I, s:f}", "run", operand[-1], "rows", (json_int_t)k.rows, "seconds",
                                                 base_now() - before));
    for (int i = 0; i < n && data; i++)
        nilu_data_free(data[i]);
    base_free(c->nl, data);
    nilu_run_free(run);
    return status;
}

static const char *const story[] = {
    N_("Columns of a table are matched by name with those that the run was trained on; the target may be missing. Of classes the "
       "most probable is shown with its probability, of numbers the values in the target's units."),
    NULL,
};

static const cli_operand operands[] = {
    {"RUN", CLI_FOLDER, N_("folder of a run")},
    {"FILE", CLI_DATA, N_("samples: PNG and JPEG pictures or folders of them, IDX, CSV, TSV or NPY"), .many = true},
    {0},
};

#define AT(field) offsetof(struct predict, field)
static const cli_option options[] = {
    {"format", 'f', "FORMAT", CLI_CHOICE, AT(format), N_("how answers are written"), "text", .group = N_("Output"), .choice = format_name},
    {"out", 'o', "FILE", CLI_FILE, AT(out), N_("write to this file instead of standard output; it is there whole or not at all")},
    {"all", 'a', NULL, CLI_FLAG, AT(all), N_("the probabilities of all classes, too")},
    {"part", 'p', "PART", CLI_CHOICE, AT(part), N_("of a set that has parts, this one alone"), .choice = cli_part_name},
    CLI_VIEWS_ROW(struct predict),
    CLI_READING_ROWS(struct predict),
    {0},
};

static const cli_field fields[] = {
    {"row", "file", "text", N_("the file that the sample stands in")},
    {"row", "part", "text", "train, validation, test"},
    {"row", "sample", "number", N_("its place in the part, from 0")},
    {"row", "class", "text", N_("the most probable class")},
    {"row", "probability", "number", N_("its probability")},
    {"row", "probabilities", "numbers", N_("with --all: of each class")},
    {"row", "values", "numbers", N_("of numbers: what is predicted, in the target's units")},
    {"result", "run", "text", N_("folder of the run")},
    {"result", "rows", "number", N_("samples that were answered")},
    {"result", "seconds", "number", N_("that it took")},
    {0},
};

static const cli_example examples[] = {
    {"nilu predict runs/titanic-1 passengers.csv", N_("a line for each row")},
    {"nilu predict runs/digits-1 t10k-images-idx3-ubyte --format csv --out answers.csv", N_("into a table")},
    {"nilu predict runs/flowers-1 picture.png", N_("one picture")},
    {"nilu predict runs/digits-1 x.npy --format npy --out p.npy", N_("all probabilities, for NumPy")},
    {0},
};

const cli_command command_predict = {
    .name = "predict", .about = N_("Asks a run about new samples: a class and its probability, or values"), .story = story,
    .operands = operands, .options = options, .common = CLI_JSON | CLI_QUIET | CLI_THREADS, .fields = fields,
    .examples = examples, .run = run,
};
