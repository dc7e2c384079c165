/* Finding out how a table is written, from its first hundred rows: the delimiter that gives all rows the same number of
 * cells, and whether the first row holds names. */
#include "data/data.h"

#include <string.h>

enum { SAMPLE_BYTES = 1 << 20, SAMPLE_ROWS = 100 };

typedef struct sample {
    const char *at;
    size_t n;
    bool whole; /* nothing follows in the file */
} sample;

/* Walks the sample's records: false at the end. Blank lines are passed over. */
static bool next(const sample *s, char delimiter, size_t *pos, size_t *length)
{
    for (;;) {
        *length = data_csv_length(s->at + *pos, s->n - *pos, delimiter, s->whole);
        if (*length == 0)
            return false;
        size_t blank = strspn(s->at + *pos, " \t\r\n");
        *pos += *length;
        if (blank < *length)
            return true;
    }
}

/* How many rows have as many cells as the first; *cells of the first row. */
static int agreement(const sample *s, char delimiter, char *copy, int *cells, int *rows)
{
    size_t pos = 0, length;
    int agree = 0;
    *cells = *rows = 0;
    while (*rows < SAMPLE_ROWS && next(s, delimiter, &pos, &length)) {
        data_record r = {0};
        memcpy(copy, s->at + pos - length, length);
        data_csv_split(copy, length, delimiter, &r);
        if (*rows == 0)
            *cells = r.cells;
        agree += r.cells == *cells && r.fault == CSV_OK;
        ++*rows;
    }
    return agree;
}

/* The first sign that cuts all rows into the same number of cells, two at least; if none does, the one on which most rows
 * agree. Rarer signs come first, since commas and blanks occur inside of texts and numbers. */
static char find_delimiter(const sample *s, char *copy)
{
    static const char candidates[] = {'\t', ';', '|', ',', ' '};
    char best = ',';
    int best_agree = 0;
    for (size_t i = 0; i < COUNT(candidates); i++) {
        int cells, rows, agree = agreement(s, candidates[i], copy, &cells, &rows);
        if (cells < 2)
            continue;
        if (agree == rows)
            return candidates[i];
        if (agree > best_agree) {
            best = candidates[i];
            best_agree = agree;
        }
    }
    return best;
}

static bool same_text(const data_cell *a, const data_cell *b)
{
    return a->n == b->n && memcmp(a->at, b->at, a->n) == 0;
}

static bool distinct(const data_record *r)
{
    enum { COMPARED = 200 }; /* pairs grow with the square */
    int n = r->cells < COMPARED ? r->cells : COMPARED;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            if (r->cell[i].n && same_text(&r->cell[i], &r->cell[j]))
                return false;
    return true;
}

/* A header stands over numbers without being one; over text alone it is one if its words are distinct and do not come
 * again below. */
static bool is_header(const sample *s, char delimiter, char *copy, data_record *first, data_record *r, bool *numbers,
                      bool *broken)
{
    size_t pos = 0, length, start = 0;
    double value;
    if (!next(s, delimiter, &pos, &length))
        return false;
    memcpy(copy, s->at + pos - length, length);
    data_csv_split(copy, length, delimiter, first);
    start = length; /* cells of the first row stay in copy[0..start) */
    bool text_only = true, repeated = false, over_numbers = false;
    int texts = 0;
    for (int i = 0; i < first->cells; i++) {
        data_cell_kind kind = data_cell_number(&first->cell[i], delimiter == ';', &value);
        text_only = text_only && kind != CELL_NUMBER;
        texts += kind == CELL_TEXT;
        numbers[i] = false;
        broken[i] = kind != CELL_TEXT;
    }
    for (int rows = 0; rows < SAMPLE_ROWS && next(s, delimiter, &pos, &length); rows++) {
        memcpy(copy + start, s->at + pos - length, length);
        data_csv_split(copy + start, length, delimiter, r);
        for (int i = 0; i < first->cells && i < r->cells; i++) {
            data_cell_kind kind = data_cell_number(&r->cell[i], delimiter == ';', &value);
            numbers[i] = numbers[i] || kind == CELL_NUMBER;
            broken[i] = broken[i] || kind == CELL_TEXT;
            repeated = repeated || (kind == CELL_TEXT && same_text(&r->cell[i], &first->cell[i]));
        }
    }
    for (int i = 0; i < first->cells; i++)
        over_numbers = over_numbers || (numbers[i] && !broken[i]);
    return over_numbers || (text_only && texts > 0 && !repeated && distinct(first));
}

nilu_status data_csv_sniff(nilu *nl, const data_file *file, char *delimiter, int *header)
{
    nilu_status status = NILU_OK;
    sample s = {.whole = file->size <= SAMPLE_BYTES};
    size_t want = s.whole ? (size_t)file->size : SAMPLE_BYTES, skip = 0;
    data_record first = {0}, r = {0};
    bool *flags = NULL;
    /* Twice: the first row's cells stay while each of the others is split. One NUL more ends strspn. */
    char *bytes = base_calloc(nl, 1, want + 1), *copy = base_alloc(nl, want * 2 + 1);
    if (!bytes || !copy) {
        status = NILU_E_NO_MEMORY;
        goto cleanup;
    }
    if (!data_file_at(file, 0, bytes, want)) {
        status = base_fail(nl, NILU_E_FILE_READ, N_("%s: reading failed; did the file change?"), file->path);
        goto cleanup;
    }
    skip = want >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    s.at = bytes + skip;
    s.n = want - skip;
    if (*delimiter == 0)
        *delimiter = find_delimiter(&s, copy);
    if (*header >= 0)
        goto cleanup;
    int cells, rows;
    agreement(&s, *delimiter, copy, &cells, &rows);
    first.cap = r.cap = cells;
    first.cell = base_calloc(nl, (size_t)cells + 1, sizeof *first.cell);
    r.cell = first.cell ? base_calloc(nl, (size_t)cells + 1, sizeof *r.cell) : NULL;
    flags = r.cell ? base_calloc(nl, (size_t)cells + 1, 2 * sizeof *flags) : NULL;
    if (!flags) {
        status = NILU_E_NO_MEMORY;
        goto cleanup;
    }
    *header = is_header(&s, *delimiter, copy, &first, &r, flags, flags + cells);
cleanup:
    base_free(nl, flags);
    base_free(nl, first.cell);
    base_free(nl, r.cell);
    base_free(nl, bytes);
    base_free(nl, copy);
    return status;
}
