/* The second walk over a table: the training part alone teaches how columns are encoded, and which of them say nothing
 * (one value only) or only say which row it is (numbers and names of rows). */
#include "data/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CATEGORIES = 100, RARE = 10, RARE_SHARE = 100, MAX_WORDS = 1 << 16 };
/* Whole numbers drawn from so wide a range would have met this often by chance; if none did, they are identifiers. */
static const double EXPECTED_MEETINGS = 7;

typedef struct learnt {
    int64_t n;                       /* cells that are not missing */
    double mean, squares, low, high; /* squares: of distances from the mean (Welford 1962) */
    bool whole, again;               /* no number has a fraction; one came again */
    data_words words;                /* of texts; of whole numbers until one comes again */
} learnt;

static nilu_status learn_cell(nilu_data *d, const data_column *c, data_cell cell, int64_t line, data_pool *pool,
                              learnt *l)
{
    double v;
    int id, words = l->words.words;
    data_cell_kind kind = data_cell_number(&cell, d->decimal_comma, &v);
    if (c->kind == COLUMN_TEXT) {
        if (kind == CELL_MISSING)
            cell.n = 0;
        else
            l->n++;
        return data_words_add(d->nl, &l->words, pool, &cell, MAX_WORDS, line, &id);
    }
    if (c->kind != COLUMN_NUMBER || kind != CELL_NUMBER)
        return NILU_OK;
    l->n++;
    double from = v - l->mean;
    l->mean += from / (double)l->n;
    l->squares += from * (v - l->mean);
    l->low = l->n == 1 || v < l->low ? v : l->low;
    l->high = l->n == 1 || v > l->high ? v : l->high;
    l->whole = (l->n == 1 || l->whole) && v == floor(v);
    if (!l->whole || l->again || l->words.full)
        return NILU_OK;
    NILU_TRY(data_words_add(d->nl, &l->words, pool, &cell, MAX_WORDS, line, &id));
    l->again = id >= 0 && id < words;
    return NILU_OK;
}

static nilu_status walk(nilu_data *d, data_csv *csv, data_pool *pool, learnt *learn)
{
    bool more;
    int64_t row = 0, next = 0, count = d->info.count[NILU_TRAIN];
    NILU_TRY(data_table_start(d, csv));
    for (;; row++) {
        NILU_TRY(data_csv_next(csv, &more));
        if (!more || next == count)
            return NILU_OK;
        if (row != data_row_of(d, NILU_TRAIN, next))
            continue;
        next++;
        for (int i = 0; i < d->columns; i++)
            NILU_TRY(learn_cell(d, &d->column[i], csv->record.cell[i], csv->line, pool, &learn[i]));
    }
}

/* ---- what came of it */

/* Names that go on in "id" or its like, as people write it: id, user_id, UserID, PassengerId, index, uuid, key. */
static bool is_id_name(const char *name)
{
    static const char *const ends[] = {"_id", " id", "Id", "ID", "-id", "_no", "index", "uuid", "Index"};
    size_t n = strlen(name);
    if (n == 0 || strcmp(name, "id") == 0 || strcmp(name, "no") == 0 || strcmp(name, "key") == 0)
        return true;
    for (size_t i = 0; i < COUNT(ends); i++) {
        size_t m = strlen(ends[i]);
        if (n >= m && strcmp(name + n - m, ends[i]) == 0)
            return true;
    }
    return false;
}

static bool numbers_rows(const data_column *c, const learnt *l)
{
    if (c->steps)
        return true;
    if (!l->whole || l->again || l->words.full || l->n < 3)
        return false;
    double meetings = (double)l->n * (double)l->n / (2 * (l->high - l->low + 1));
    return meetings >= EXPECTED_MEETINGS || is_id_name(c->name);
}

static int by_count(const void *a, const void *b)
{
    const data_word *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1) : strcmp(x->text, y->text);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Keeps the texts that come often enough; *share of the cells that these are. */
static nilu_status keep_texts(nilu_data *d, data_column *c, learnt *l, double *share)
{
    int64_t rows = d->info.count[NILU_TRAIN], rare = rows / RARE_SHARE < RARE ? rows / RARE_SHARE : RARE, kept = 0;
    data_words *w = &l->words;
    rare = rare < 2 ? 2 : rare;
    qsort(w->word, (size_t)w->words, sizeof *w->word, by_count);
    int n = 0;
    while (n < w->words && n < MAX_CATEGORIES && w->word[n].count >= rare) {
        kept += w->word[n].text[0] ? w->word[n].count : 0; /* a missing cell is no text */
        n++;
    }
    *share = l->n > 0 ? (double)kept / (double)l->n : 0;
    c->categories = n;
    c->other = n < w->words || w->full;
    c->category = data_keep(&d->pool, (size_t)n * sizeof *c->category);
    if (!c->category)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < n; i++) {
        c->category[i] = data_keep_text(&d->pool, w->word[i].text, strlen(w->word[i].text));
        if (!c->category[i])
            return NILU_E_NO_MEMORY;
    }
    qsort(c->category, (size_t)n, sizeof *c->category, by_text);
    return NILU_OK;
}

/* "a, b, c and 12 more", for a note. */
typedef struct list {
    char text[400];
    size_t n;
    int names, more;
} list;

static void put(list *l, const char *name)
{
    size_t n = strlen(name);
    if (l->more || n + 3 > sizeof l->text - l->n) {
        l->more++;
        return;
    }
    l->n += (size_t)snprintf(l->text + l->n, sizeof l->text - l->n, "%s%s", l->names++ ? ", " : "", name);
}

static nilu_status note_list(nilu_data *d, const char *format, list *l)
{
    char text[sizeof l->text + 32];
    if (l->names + l->more == 0)
        return NILU_OK;
    snprintf(text, sizeof text, l->more ? base_text(N_("%s and %d more")) : "%s", l->text, l->more);
    return data_note(d, format, text);
}

typedef struct findings {
    list empty, same, numbering, unique, rare, texts, filled, unknown;
    int numbers;
} findings;

/* Whether a column is used at all, and how. */
static nilu_status judge(nilu_data *d, data_column *c, learnt *l, findings *f)
{
    double share;
    if (c->kind == COLUMN_LEFT_OUT && c->empty)
        put(&f->empty, c->name);
    if (c->kind == COLUMN_NUMBER) {
        c->mean = l->mean;
        c->std = l->low < l->high ? sqrt(l->squares / (double)l->n) : 1;
        if (!isfinite(c->mean) || !isfinite(c->std))
            return base_fail(d->nl, NILU_E_DATA,
                             N_("%s: the numbers of column \"%s\" are too large to be squared; divide them by "
                                "a power of ten"),
                             d->file.path, c->name);
        bool same = !(l->low < l->high), rows = numbers_rows(c, l);
        if (!c->kept && (same || rows)) {
            c->kind = COLUMN_LEFT_OUT;
            c->same = same;
            put(same ? &f->same : &f->numbering, c->name);
        } else {
            f->numbers++;
            if (c->missing)
                put(&f->filled, c->name);
        }
    } else if (c->kind == COLUMN_TEXT) {
        NILU_TRY(keep_texts(d, c, l, &share));
        bool same = l->words.words < 2, unique = share < 0.5;
        if ((!c->kept && (same || unique)) || c->categories + c->other == 0) {
            c->kind = COLUMN_LEFT_OUT;
            c->same = same;
            put(same ? &f->same : &f->unique, c->name);
        } else {
            put(&f->texts, c->name);
            if (c->other)
                put(&f->rare, c->name);
            if (c->categories > 0 && !c->category[0][0])
                put(&f->unknown, c->name);
        }
    }
    return NILU_OK;
}

static nilu_status note_all(nilu_data *d, findings *f)
{
    if (f->numbers)
        NILU_TRY(data_note(
            d, N_("Columns of numbers are scaled to mean 0 and deviation 1 of the training part; there are %d."),
            f->numbers));
    NILU_TRY(note_list(d, N_("Columns of texts become one feature for each text: %s."), &f->texts));
    NILU_TRY(note_list(d, N_("A missing text counts as a text of its own in: %s."), &f->unknown));
    NILU_TRY(
        note_list(d, N_("Texts that are rare in the training part are taken together as \"other\" in: %s."), &f->rare));
    NILU_TRY(note_list(d, N_("Missing numbers are filled with the mean of the training part in: %s."), &f->filled));
    NILU_TRY(note_list(d, N_("Left out, because they only number the rows: %s."), &f->numbering));
    NILU_TRY(note_list(d, N_("Left out, because most of their texts hardly ever come again: %s."), &f->unique));
    NILU_TRY(note_list(d, N_("Left out, because they are the same in every row of the training part: %s."), &f->same));
    return note_list(d, N_("Left out, because they are empty: %s."), &f->empty);
}

nilu_status data_table_learn(nilu_data *d)
{
    nilu *nl = d->nl;
    data_csv csv = {0};
    data_pool pool = {.nl = nl};
    learnt *learn = base_calloc(nl, (size_t)d->columns, sizeof *learn);
    findings *f = learn ? base_calloc(nl, 1, sizeof *f) : NULL;
    nilu_status status = f ? walk(d, &csv, &pool, learn) : NILU_E_NO_MEMORY;
    data_csv_end(&csv);
    for (int i = 0; i < d->columns && status == NILU_OK; i++)
        status = judge(d, &d->column[i], &learn[i], f);
    if (status == NILU_OK)
        status = note_all(d, f);
    for (int i = 0; i < d->columns && learn; i++)
        data_words_free(nl, &learn[i].words);
    data_pool_free(&pool);
    base_free(nl, f);
    base_free(nl, learn);
    return status;
}
