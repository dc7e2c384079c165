/* The first walk over a table: where its rows begin, what its columns are called and hold, which one is the target.
 * What is decided here is how the table is written, from all of its rows; what is learnt from it comes later, from the
 * training part alone. */
#include "data/data.h"

#include <math.h>
#include <string.h>

/* What the cells of a column are. */
typedef struct seen {
    int64_t missing, numbers, texts, not_finite;
    int64_t text_line, not_finite_line; /* of the first such cell */
    char text[DATA_SHOWN];              /* beginning of the first text */
    double last;
    bool steps; /* each number is the one before plus one */
} seen;

/* ---- columns by name */

nilu_status data_column_named(nilu_data *d, const char *name, size_t n, int *column)
{
    int number = 0;
    for (*column = 0; *column < d->columns; ++*column)
        if (strlen(d->column[*column].name) == n && memcmp(d->column[*column].name, name, n) == 0)
            return NILU_OK;
    for (size_t i = 1; i < n && n < 9 && name[0] == '#'; i++)
        number = name[i] >= '0' && name[i] <= '9' && number >= 0 ? number * 10 + (name[i] - '0') : -1;
    *column = number - 1;
    if (number >= 1 && number <= d->columns)
        return NILU_OK;
    *column = -1;
    char *wrong = base_format(d->nl, "%.*s", (int)n, name);
    const char **names = wrong ? base_calloc(d->nl, (size_t)d->columns, sizeof *names) : NULL;
    nilu_status status = NILU_E_NO_MEMORY;
    if (names) {
        for (int i = 0; i < d->columns; i++)
            names[i] = d->column[i].name;
        const char *near = base_nearest(wrong, names, (size_t)d->columns);
        if (near)
            status = base_fail(d->nl, NILU_E_NAME, N_("%s: has no column \"%s\"; did you mean \"%s\"?"), d->file.path,
                               wrong, near);
        else
            status = base_fail(d->nl, NILU_E_NAME, N_("%s: has no column \"%s\"; its %d columns are \"%s\" to \"%s\""),
                               d->file.path, wrong, d->columns, names[0], names[d->columns - 1]);
    }
    base_free(d->nl, names);
    base_free(d->nl, wrong);
    return status;
}

/* Marks the columns of a list separated by commas. */
static nilu_status mark(nilu_data *d, const char *list, bool keep)
{
    while (list && *list) {
        size_t n = strcspn(list, ","), from = strspn(list, " "), end = n;
        while (end > from && list[end - 1] == ' ')
            end--;
        int column;
        if (end > from) {
            NILU_TRY(data_column_named(d, list + from, end - from, &column));
            if (!keep && column == d->target)
                return base_fail(d->nl, NILU_E_USAGE, N_("%s: column \"%s\" is the target and cannot be left out"),
                                 d->file.path, d->column[column].name);
            d->column[column].kept = keep;
            if (!keep)
                d->column[column].kind = COLUMN_LEFT_OUT;
        }
        list += n + (list[n] == ',');
    }
    return NILU_OK;
}

/* Names from the header, or #1, #2, …; a name that comes again gets its number. */
static nilu_status name_columns(nilu_data *d, const data_record *r)
{
    data_words words = {0};
    nilu_status status = NILU_OK;
    d->columns = r->cells;
    d->column = data_keep(&d->pool, (size_t)r->cells * sizeof *d->column);
    if (!d->column)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < r->cells && status == NILU_OK; i++) {
        data_column *c = &d->column[i];
        int known = words.words, id = known;
        *c = (data_column){.kind = COLUMN_NUMBER, .place = i};
        if (d->header && r->cell[i].n > 0) {
            status = data_words_add(d->nl, &words, &d->pool, &r->cell[i], INT32_MAX, 1, &id);
            if (status == NILU_OK)
                c->name = id == known ? words.word[id].text
                                      : data_keep_format(&d->pool, "%s #%d", words.word[id].text, i + 1);
        } else {
            c->name = data_keep_format(&d->pool, "#%d", i + 1);
        }
        if (status == NILU_OK && !c->name)
            status = NILU_E_NO_MEMORY;
    }
    data_words_free(d->nl, &words);
    return status;
}

static nilu_status learn_columns(nilu_data *d, const data_record *r)
{
    NILU_TRY(name_columns(d, r));
    d->target = -1;
    if (d->options.task != NILU_TASK_NONE && d->options.target)
        NILU_TRY(data_column_named(d, d->options.target, strlen(d->options.target), &d->target));
    else if (d->options.task != NILU_TASK_NONE)
        d->target = d->columns - 1;
    if (d->target >= 0) {
        d->column[d->target].kind = COLUMN_TARGET;
        d->info.target = d->column[d->target].name;
    }
    if (d->columns == 1 && d->target >= 0)
        return base_fail(d->nl, NILU_E_DATA,
                         N_("%s: has one column (cells separated by \"%c\"), where a target and something to "
                            "tell it from are needed; is the delimiter right?"),
                         d->file.path, d->delimiter);
    NILU_TRY(mark(d, d->options.ignore, false));
    return mark(d, d->options.keep, true);
}

/* ---- the encoder's columns over a file */

static bool used(const data_column *c)
{
    return c->kind == COLUMN_NUMBER || c->kind == COLUMN_TEXT;
}

static int place_of(const data_record *r, const char *name)
{
    for (int i = 0; i < r->cells; i++)
        if (data_words_find(&name, 1, &r->cell[i]) == 0)
            return i;
    return -1;
}

/* Whether the first record holds names: those of the columns that the model was trained on. */
static bool holds_names(const nilu_data *d, const data_record *r)
{
    for (int i = 0; i < d->columns; i++)
        if (used(&d->column[i]) && place_of(r, d->column[i].name) >= 0)
            return true;
    return false;
}

static bool has_names(const nilu_data *d)
{
    for (int i = 0; i < d->columns; i++)
        if (d->column[i].name[0] != '#')
            return true;
    return false;
}

static bool has_numbers(const nilu_data *d)
{
    for (int i = 0; i < d->columns; i++)
        if (d->column[i].kind == COLUMN_NUMBER)
            return true;
    return false;
}

static nilu_status lay_by_name(nilu_data *d, const data_record *r)
{
    for (int i = 0; i < d->columns; i++) {
        data_column *c = &d->column[i];
        c->place = place_of(r, c->name);
        if (c->place < 0 && used(c))
            return base_fail(d->nl, NILU_E_DATA, N_("%s: has no column \"%s\", which the model was trained on"),
                             d->file.path, c->name);
    }
    return NILU_OK;
}

/* Without names: all columns, or all but the target, or those used, in their old order. */
static nilu_status lay_by_order(nilu_data *d, const data_record *r)
{
    int needed = 0, place = 0;
    for (int i = 0; i < d->columns; i++)
        needed += used(&d->column[i]);
    bool all = r->cells == d->columns, features = d->target >= 0 && r->cells == d->columns - 1;
    if (!all && !features && r->cells != needed)
        return base_fail(d->nl, NILU_E_DATA,
                         N_("%s: has %d columns and no header, but the model was trained on a table of %d "
                            "columns"),
                         d->file.path, r->cells, d->columns);
    for (int i = 0; i < d->columns; i++) {
        data_column *c = &d->column[i];
        bool there = all || (features && i != d->target) || (!features && used(c));
        c->place = there ? place++ : -1;
    }
    return NILU_OK;
}

/* ---- the walk */

/* Looks at the first record: names or the first row; *row: it is one. */
static nilu_status begin(nilu_data *d, const data_record *r, bool *row)
{
    /* Texts above texts may be names or not: then only known ones are believed. */
    if (d->has_encoder && d->options.header < 0 && has_names(d))
        d->header = holds_names(d, r) || (d->header && has_numbers(d));
    *row = !d->header;
    d->cells = r->cells;
    if (!d->has_encoder)
        return learn_columns(d, r);
    if (d->options.task == NILU_TASK_NONE)
        d->target = -1;
    return d->header && has_names(d) ? lay_by_name(d, r) : lay_by_order(d, r);
}

static nilu_status grow_one(nilu *nl, void *array, int64_t cap, size_t size)
{
    void *old, *p;
    size_t bytes;
    if (!base_mul((size_t)cap, size, &bytes))
        return base_no_memory(nl, SIZE_MAX);
    memcpy(&old, array, sizeof old);
    p = base_realloc(nl, old, bytes);
    if (!p)
        return NILU_E_NO_MEMORY;
    memcpy(array, &p, sizeof p);
    return NILU_OK;
}

/* Room for one more row. */
static nilu_status grow(nilu_data *d, data_survey *s)
{
    if (s->rows < s->cap)
        return NILU_OK;
    if (s->rows >= DATA_MAX_ROWS)
        return base_fail(d->nl, NILU_E_UNSUPPORTED, N_("%s: has more than %d rows"), d->file.path, DATA_MAX_ROWS);
    int64_t cap = s->cap ? s->cap * 2 : 1024;
    NILU_TRY(grow_one(d->nl, &d->offset, cap, sizeof *d->offset));
    if (d->target >= 0) {
        NILU_TRY(grow_one(d->nl, &s->value, cap, sizeof *s->value));
        NILU_TRY(grow_one(d->nl, &s->word, cap, sizeof *s->word));
    }
    s->cap = cap;
    return NILU_OK;
}

static nilu_status see_target(nilu_data *d, data_survey *s, const data_csv *csv)
{
    int place = d->target >= 0 ? d->column[d->target].place : -1;
    if (d->target < 0)
        return NILU_OK;
    s->value[s->rows] = NAN;
    s->word[s->rows] = -1;
    if (place < 0)
        return NILU_OK;
    const data_cell *cell = &csv->record.cell[place];
    double v;
    data_cell_kind kind = data_cell_number(cell, d->decimal_comma, &v);
    if (kind == CELL_MISSING && d->options.refuse_missing)
        return base_fail(d->nl, NILU_E_DATA, N_("%s:%lld: the target \"%s\" is missing"), d->file.path,
                         (long long)csv->line, d->column[d->target].name);
    if (kind == CELL_MISSING)
        return NILU_OK;
    if (kind == CELL_NUMBER)
        s->value[s->rows] = v;
    int id;
    NILU_TRY(data_words_add(d->nl, &s->words, &s->pool, cell, DATA_MAX_CLASSES, csv->line, &id));
    s->word[s->rows] = id;
    return NILU_OK;
}

static void see_cell(const nilu_data *d, const data_cell *cell, int64_t line, seen *s)
{
    double v;
    switch (data_cell_number(cell, d->decimal_comma, &v)) {
    case CELL_MISSING:
        s->missing++;
        s->steps = false;
        break;
    case CELL_NUMBER:
        s->steps = s->steps && (s->numbers == 0 || v == s->last + 1);
        s->last = v;
        s->numbers++;
        break;
    case CELL_NOT_FINITE:
        s->not_finite_line = s->not_finite++ ? s->not_finite_line : line;
        break;
    case CELL_TEXT:
        if (s->texts++ == 0) {
            data_cell_shown(cell, s->text);
            s->text_line = line;
        }
        break;
    }
}

static nilu_status walk(nilu_data *d, data_csv *csv, data_survey *s, seen **see)
{
    bool more, row = true, begun = false;
    for (;;) {
        NILU_TRY(data_csv_next(csv, &more));
        if (!more)
            return NILU_OK;
        if (!begun) {
            begun = true;
            NILU_TRY(begin(d, &csv->record, &row));
            *see = base_calloc(d->nl, (size_t)d->columns, sizeof **see);
            if (!*see)
                return NILU_E_NO_MEMORY;
            for (int i = 0; i < d->columns; i++)
                (*see)[i].steps = true;
            if (!row)
                continue;
        }
        NILU_TRY(grow(d, s));
        d->offset[s->rows] = csv->offset;
        d->longest = csv->record.bytes > d->longest ? csv->record.bytes : d->longest;
        NILU_TRY(see_target(d, s, csv));
        for (int i = 0; i < d->columns && !d->has_encoder; i++)
            see_cell(d, &csv->record.cell[i], csv->line, &(*see)[i]);
        s->rows++;
    }
}

/* ---- kinds */

/* A column is numbers if all its cells are; a few texts among numbers are more likely a slip than a meaning. */
static nilu_status decide(nilu_data *d, data_column *c, const seen *s)
{
    enum { SLIPS = 10 }; /* fewer than one in so many */
    bool numbers = s->numbers > 0 && s->texts == 0;
    if (c->kind == COLUMN_LEFT_OUT)
        return NILU_OK;
    if (s->texts > 0 && s->texts * SLIPS <= s->numbers + s->texts && !c->kept)
        return base_fail(
            d->nl, NILU_E_FILE_CORRUPT,
            N_("%s:%lld: column \"%s\" holds \"%s\" here, but numbers in %lld rows; correct the cell, leave it empty "
               "if it is missing, or name the column among those to ignore, or to keep as text"),
            d->file.path, (long long)s->text_line, c->name, s->text, (long long)s->numbers);
    if (s->texts == 0 && s->not_finite > 0)
        return base_fail(
            d->nl, NILU_E_DATA,
            N_("%s:%lld: column \"%s\" holds a number that is infinite or not a number; leave the cell empty if it is "
               "missing"),
            d->file.path, (long long)s->not_finite_line, c->name);
    if (c->kind == COLUMN_TARGET)
        return NILU_OK;
    c->kind = numbers ? COLUMN_NUMBER : s->texts > 0 ? COLUMN_TEXT : COLUMN_LEFT_OUT;
    c->missing = s->missing;
    c->steps = numbers && s->steps && s->numbers > 2;
    c->empty = s->numbers + s->texts == 0;
    return NILU_OK;
}

static nilu_status decide_target(nilu_data *d, data_survey *s, const seen *see)
{
    const data_column *c = &d->column[d->target];
    s->text = see->texts > 0;
    if (see->numbers + see->texts == 0)
        return base_fail(d->nl, NILU_E_DATA, N_("%s: the target \"%s\" is missing in every row"), d->file.path,
                         c->name);
    if (d->options.task == NILU_TASK_NUMBERS && s->text)
        return base_fail(d->nl, NILU_E_FILE_CORRUPT,
                         N_("%s:%lld: the target \"%s\" is \"%s\" here, which is no number"), d->file.path,
                         (long long)see->text_line, c->name, see->text);
    bool classes = d->options.task == NILU_TASK_CLASSES || s->text ||
                   (d->options.task == NILU_TASK_AUTO && data_target_is_classes(s->value, s->rows, false));
    d->info.task = classes ? NILU_TASK_CLASSES : NILU_TASK_NUMBERS;
    return NILU_OK;
}

nilu_status data_table_survey(nilu_data *d, data_survey *s)
{
    data_csv csv;
    seen *see = NULL;
    *s = (data_survey){.pool.nl = d->nl};
    nilu_status status = data_csv_start(d->nl, &d->file, d->delimiter, &csv);
    csv.print = d->print;
    if (status == NILU_OK)
        status = walk(d, &csv, s, &see);
    data_csv_end(&csv);
    if (status == NILU_OK && s->rows == 0)
        status = base_fail(d->nl, NILU_E_DATA, N_("%s: has no rows%s"), d->file.path,
                           d->cells ? base_text(N_(" below its header")) : "");
    for (int i = 0; i < d->columns && status == NILU_OK && !d->has_encoder; i++)
        status = decide(d, &d->column[i], &see[i]);
    if (status == NILU_OK && d->target >= 0 && !d->has_encoder)
        status = decide_target(d, s, &see[d->target]);
    base_free(d->nl, see);
    return status;
}

void data_survey_free(nilu_data *d, data_survey *s)
{
    base_free(d->nl, s->value);
    base_free(d->nl, s->word);
    data_words_free(d->nl, &s->words);
    data_pool_free(&s->pool);
}
