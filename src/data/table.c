/* Tables: records of text become rows of numbers. A number is scaled; a text becomes a 1 among zeros; a missing number is
 * the mean, that is 0, and a missing text is a text of its own.
 * Three walks over the file: how it is written (survey.c), what the training part teaches (learn.c), and the encoding of
 * every row, which also checks every cell, so that later reading can only fail if the file changes. */
#include "data/data.h"

#include <math.h>
#include <string.h>

nilu_status data_table_start(nilu_data *d, data_csv *c)
{
    bool more;
    NILU_TRY(data_csv_start(d->nl, &d->file, d->delimiter, c));
    return d->header ? data_csv_next(c, &more) : NILU_OK;
}

/* ---- features */

static int features_of(const data_column *c)
{
    return c->kind == COLUMN_NUMBER ? 1 : c->kind == COLUMN_TEXT ? c->categories + c->other : 0;
}

static const char *feature_name(nilu_data *d, const data_column *c, int i)
{
    if (c->kind == COLUMN_NUMBER)
        return c->name;
    if (i == c->categories)
        return data_keep_format(&d->pool, "%s=(other)", c->name);
    return data_keep_format(&d->pool, "%s=%s", c->name, c->category[i][0] ? c->category[i] : "(missing)");
}

nilu_status data_table_features(nilu_data *d)
{
    int64_t n = 0;
    for (int c = 0; c < d->columns; c++)
        n += features_of(&d->column[c]);
    if (n == 0)
        return base_fail(d->nl, NILU_E_DATA, N_("%s: no column is left to learn from; name some to keep"),
                         d->file.path);
    const char **name = data_keep(&d->pool, (size_t)n * sizeof *name);
    if (!name)
        return NILU_E_NO_MEMORY;
    d->info.features = n;
    d->info.feature_names = name;
    for (int c = 0; c < d->columns; c++)
        for (int i = 0; i < features_of(&d->column[c]); i++)
            if (!(*name++ = feature_name(d, &d->column[c], i)))
                return NILU_E_NO_MEMORY;
    return NILU_OK;
}

/* ---- encoding */

static bool encode_number(const nilu_data *d, const data_column *c, const data_cell *cell, float *x, char fault[],
                          size_t room)
{
    double v = 0;
    char text[DATA_SHOWN];
    *x = 0;
    switch (data_cell_number(cell, d->decimal_comma, &v)) {
    case CELL_MISSING:
        if (d->options.refuse_missing)
            snprintf(fault, room, base_text(N_("column \"%s\" is missing")), c->name);
        return !d->options.refuse_missing;
    case CELL_NUMBER:
        *x = (float)((v - c->mean) / c->std);
        if (isfinite(*x))
            return true;
        /* fall through */
    case CELL_NOT_FINITE:
        snprintf(fault, room, base_text(N_("column \"%s\" is %s, which is not finite or too large")), c->name,
                 data_cell_shown(cell, text));
        return false;
    default:
        snprintf(fault, room, base_text(N_("column \"%s\" is \"%s\", which is no number")), c->name,
                 data_cell_shown(cell, text));
        return false;
    }
}

static bool encode_text(const nilu_data *d, const data_column *c, data_cell cell, float *x, char fault[], size_t room)
{
    double v;
    bool missing = data_cell_number(&cell, d->decimal_comma, &v) == CELL_MISSING;
    if (missing && d->options.refuse_missing) {
        snprintf(fault, room, base_text(N_("column \"%s\" is missing")), c->name);
        return false;
    }
    cell.n = missing ? 0 : cell.n;
    int id = data_words_find(c->category, c->categories, &cell);
    memset(x, 0, (size_t)features_of(c) * sizeof *x);
    if (id >= 0)
        x[id] = 1;
    else if (c->other)
        x[c->categories] = 1;
    return true;
}

bool data_table_encode(const nilu_data *d, const data_record *r, float *x, char fault[], size_t room)
{
    for (int i = 0; i < d->columns; i++) {
        const data_column *c = &d->column[i];
        int n = features_of(c);
        if (n == 0)
            continue;
        const data_cell *cell = &r->cell[c->place];
        if (c->kind == COLUMN_NUMBER ? !encode_number(d, c, cell, x, fault, room)
                                     : !encode_text(d, c, *cell, x, fault, room))
            return false;
        x += n;
    }
    return true;
}

/* Encodes all rows into memory where they fit; where they do not, into nothing, for the check. */
static nilu_status encode_all(nilu_data *d)
{
    data_rows *r = &d->rows[0];
    data_csv csv = {0};
    int64_t width = d->info.features;
    char fault[DATA_FAULT];
    bool more, fits = data_fits(d, r->count, width, sizeof(float));
    float *x = data_keep(&d->pool, (size_t)(fits ? r->count : 1) * (size_t)width * sizeof *x);
    if (!x)
        return NILU_E_NO_MEMORY;
    r->f32 = fits ? x : NULL;
    d->info.streamed = !fits;
    nilu_status status = data_table_start(d, &csv);
    for (int64_t i = 0; i < r->count && status == NILU_OK; i++, x += fits ? width : 0) {
        status = data_csv_next(&csv, &more);
        if (status != NILU_OK)
            break;
        if (!more)
            status = base_fail(d->nl, NILU_E_FILE_READ, N_("%s: became shorter while it was read"), d->file.path);
        else if (!data_table_encode(d, &csv.record, x, fault, sizeof fault))
            status = base_fail(d->nl, NILU_E_DATA, "%s:%lld: %s", d->file.path, (long long)csv.line, fault);
    }
    data_csv_end(&csv);
    return status;
}

/* ---- targets */

static nilu_status unknown_class(const nilu_data *d, const char *text, int64_t line)
{
    char classes[200] = "";
    size_t n = 0;
    for (int64_t k = 0; k < d->info.outputs && n + 4 < sizeof classes; k++) {
        size_t more = strlen(d->class_name[k]) + 2;
        if (n + more + 4 > sizeof classes) {
            n += (size_t)snprintf(classes + n, sizeof classes - n, "…");
            break;
        }
        n += (size_t)snprintf(classes + n, sizeof classes - n, "%s%s", k ? ", " : "", d->class_name[k]);
    }
    return base_fail(d->nl, NILU_E_RANGE,
                     N_("%s:%lld: the target \"%s\" is \"%s\", which is none of the classes that are known: %s"),
                     d->file.path, (long long)line, d->info.target, text, classes);
}

/* The class of each word, by the encoder's names or numbers. */
static nilu_status known_classes(nilu_data *d, const data_words *w, int *class_of)
{
    for (int i = 0; i < w->words; i++) {
        data_cell cell = {(char *)w->word[i].text, strlen(w->word[i].text), false};
        double v;
        class_of[i] =
            d->class_value
                ? (data_cell_number(&cell, d->decimal_comma, &v) == CELL_NUMBER ? data_class_of_number(d, v) : -1)
                : data_words_find(d->class_name, (int)d->info.outputs, &cell);
        if (class_of[i] < 0)
            return unknown_class(d, w->word[i].text, w->word[i].line);
    }
    return NILU_OK;
}

static nilu_status label_rows(nilu_data *d, const data_survey *s)
{
    data_rows *r = &d->rows[0];
    int *class_of = NULL;
    nilu_status status = NILU_OK;
    if (d->has_encoder || !s->text) {
        if (!d->has_encoder)
            NILU_TRY(data_classes_of_numbers(d, d->file.path, s->value, s->rows));
        if (s->words.full)
            return base_fail(d->nl, NILU_E_UNSUPPORTED, N_("%s: its target has more than %d different texts"),
                             d->file.path, DATA_MAX_CLASSES);
        class_of = base_calloc(d->nl, (size_t)s->words.words, sizeof *class_of);
        status = class_of ? known_classes(d, &s->words, class_of) : NILU_E_NO_MEMORY;
    } else {
        status = data_classes_of_words(d, d->file.path, &s->words, &class_of);
    }
    r->label = status == NILU_OK ? data_keep(&d->pool, (size_t)s->rows * sizeof *r->label) : NULL;
    if (status == NILU_OK && !r->label)
        status = NILU_E_NO_MEMORY;
    for (int64_t i = 0; i < s->rows && status == NILU_OK; i++)
        r->label[i] = s->word[i] < 0 ? -1 : class_of[s->word[i]];
    base_free(d->nl, class_of);
    return status;
}

/* Before the split: which rows have a target. */
static nilu_status mark_targets(nilu_data *d, const data_survey *s)
{
    data_rows *r = &d->rows[0];
    d->info.outputs = 1;
    r->value = data_keep(&d->pool, (size_t)s->rows * sizeof *r->value);
    for (int64_t i = 0; i < s->rows && r->value; i++)
        r->value[i] = (float)s->value[i];
    return r->value ? NILU_OK : NILU_E_NO_MEMORY;
}

/* After it: scaled by the training part. */
static nilu_status scale_targets(nilu_data *d, const data_survey *s)
{
    data_rows *r = &d->rows[0];
    data_scale *scale = &d->target_scale;
    int64_t n = d->info.count[NILU_TRAIN];
    if (!d->has_encoder) {
        double sum = 0, squares = 0, first = s->value[data_row_of(d, NILU_TRAIN, 0)];
        bool constant = true;
        NILU_TRY(data_scale_new(d, 1, 1, scale));
        for (int64_t i = 0; i < n; i++) {
            double v = s->value[data_row_of(d, NILU_TRAIN, i)];
            sum += v;
            constant = constant && v == first;
        }
        scale->mean[0] = sum / (double)n;
        for (int64_t i = 0; i < n; i++) {
            double from = s->value[data_row_of(d, NILU_TRAIN, i)] - scale->mean[0];
            squares += from * from;
        }
        scale->std[0] = constant ? 0 : sqrt(squares / (double)n);
        data_scale_finish(scale);
        if (!isfinite(scale->mean[0]) || !isfinite(scale->std[0]))
            return base_fail(d->nl, NILU_E_DATA,
                             N_("%s: the numbers of the target \"%s\" are too large to be squared; divide "
                                "them by a power of ten"),
                             d->file.path, d->info.target);
        d->info.target_mean = scale->mean;
        d->info.target_std = scale->std;
    }
    for (int64_t i = 0; i < s->rows; i++) {
        r->value[i] = NAN;
        if (!isnan(s->value[i]))
            data_scale_numbers(scale, 0, 1, &s->value[i], &r->value[i]);
    }
    return NILU_OK;
}

/* ---- notes */

static nilu_status note_form(nilu_data *d)
{
    char delimiter[8] = {'"', d->delimiter, '"'};
    if (d->delimiter == '\t' || d->delimiter == ' ')
        snprintf(delimiter, sizeof delimiter, "%s", d->delimiter == ' ' ? "blanks" : "tabs");
    NILU_TRY(data_note(d,
                       d->header
                           ? N_("Cells are separated by %s, and the first row holds names.")
                           : N_("Cells are separated by %s, and there is no row of names: columns are #1, #2, ..."),
                       delimiter));
    if (d->info.task == NILU_TASK_CLASSES)
        return data_note(d, N_("The target is \"%s\" with %lld classes."), d->info.target, (long long)d->info.outputs);
    if (d->info.task == NILU_TASK_NUMBERS)
        return data_note(d, N_("The target is \"%s\", a number, so this is a regression."), d->info.target);
    return NILU_OK;
}

static nilu_status note_parts(nilu_data *d)
{
    const int64_t *n = d->info.count;
    int64_t unused = d->rows[0].count - n[NILU_TRAIN] - n[NILU_VALIDATION] - n[NILU_TEST];
    if (unused)
        NILU_TRY(data_note(d, N_("Rows without target are not used; there are %lld."), (long long)unused));
    return NILU_OK;
}

/* ---- opening */

static nilu_status survey(nilu_data *d, data_survey *s)
{
    d->decimal_comma = d->delimiter == ';';
    NILU_TRY(data_table_survey(d, s));
    d->rows[0].count = s->rows;
    if (d->target < 0)
        d->info.task = d->has_encoder ? d->info.task : NILU_TASK_NONE;
    else if (d->info.task == NILU_TASK_CLASSES && (s->words.words > 0 || !d->has_encoder))
        NILU_TRY(label_rows(d, s));
    else if (d->info.task == NILU_TASK_NUMBERS)
        NILU_TRY(mark_targets(d, s));
    if (!d->has_encoder)
        NILU_TRY(note_form(d));
    NILU_TRY(data_split(d, false));
    if (!d->has_encoder && d->info.count[NILU_TRAIN] == 0)
        return base_fail(d->nl, NILU_E_DATA, N_("%s: no row is left to be trained on"), d->file.path);
    if (d->target >= 0 && d->info.task == NILU_TASK_NUMBERS)
        NILU_TRY(scale_targets(d, s));
    return d->has_encoder ? NILU_OK : note_parts(d);
}

nilu_status data_open_table(nilu_data *d, const char *path)
{
    data_survey s = {.pool.nl = d->nl};
    int header = d->options.header;
    if (d->has_encoder && !d->column)
        return base_fail(d->nl, NILU_E_DATA,
                         N_("%s: is a table, but the model was trained on arrays; give IDX or NPY with samples "
                            "of the same shape"),
                         path);
    if (d->options.scale)
        return base_fail(d->nl, NILU_E_USAGE, N_("%s: is a table, whose columns are scaled by what they hold; a scale can be given for "
                                                 "pictures and arrays"), path);
    d->info.format = "csv";
    NILU_TRY(data_file_open(d->nl, path, d->limit, &d->file));
    d->delimiter = d->options.delimiter;
    NILU_TRY(data_csv_sniff(d->nl, &d->file, &d->delimiter, &header));
    d->header = header == 1;
    nilu_status status = survey(d, &s);
    data_survey_free(d, &s);
    NILU_TRY(status);
    if (!d->has_encoder)
        NILU_TRY(data_table_learn(d));
    NILU_TRY(data_table_features(d));
    NILU_TRY(encode_all(d));
    return d->info.streamed ? data_scratch_new(d) : NILU_OK;
}
