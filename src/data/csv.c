/* Records and cells of a table as RFC 4180 has them, and as people write them: blanks around cells, any of four line ends,
 * a byte-order mark, blank lines. A record is found first (quotes may hide line ends in it) and split second, in place.
 * Invariant: what is in the window from `pos` on has not been split yet. */
#include "data/data.h"

#include <string.h>

enum { WINDOW = 1 << 18, RECORD_LIMIT = 1 << 24, CELL_LIMIT = 100000 };

static bool is_blank(char c, char delimiter)
{
    return c == ' ' || (c == '\t' && delimiter != '\t');
}

static bool is_end(char c, char delimiter)
{
    return c == delimiter || (delimiter == ' ' && c == '\t');
}

size_t data_csv_length(const char *at, size_t n, char delimiter, bool last)
{
    size_t none = last ? n : 0, i = 0;
    while (i < n) {
        while (i < n && is_blank(at[i], delimiter))
            i++;
        if (i < n && at[i] == '"') {
            for (i++;; i += 2) {
                const char *quote = memchr(at + i, '"', n - i);
                if (!quote || quote + 1 == at + n)
                    return none;
                i = (size_t)(quote - at);
                if (at[i + 1] != '"')
                    break;
            }
            i++;
        }
        for (; i < n; i++) {
            if (at[i] == '\n')
                return i + 1;
            if (at[i] == '\r')
                return i + 1 < n ? i + 1 + (at[i + 1] == '\n') : none;
            if (is_end(at[i], delimiter))
                break;
        }
        i++;
    }
    return none;
}

/* Takes the quotes off a cell that begins at p with one; returns where it goes on. */
static char *unquote(char *p, char *end, data_cell *cell, data_csv_fault *fault)
{
    char *out = p + 1;
    cell->at = out;
    cell->quoted = true;
    for (p++;; p++) {
        if (p == end) {
            *fault = CSV_OPEN_QUOTE;
            break;
        }
        if (*p == '"' && (p + 1 == end || p[1] != '"')) {
            p++;
            break;
        }
        p += *p == '"';
        *out++ = *p;
    }
    cell->n = (size_t)(out - cell->at);
    return p;
}

void data_csv_split(char *at, size_t n, char delimiter, data_record *r)
{
    char *p = at, *end = at + n;
    if (end > at && end[-1] == '\n')
        end--;
    if (end > at && end[-1] == '\r')
        end--;
    r->cells = 0;
    r->fault = CSV_OK;
    r->bytes = n;
    for (;;) {
        data_cell cell = {0};
        data_csv_fault fault = CSV_OK;
        while (p < end && is_blank(*p, delimiter))
            p++;
        if (delimiter == ' ' && p == end && r->cells > 0)
            break; /* blanks at the end of a line begin no cell */
        cell.at = p;
        if (p < end && *p == '"') {
            p = unquote(p, end, &cell, &fault);
            while (p < end && !is_end(*p, delimiter) && fault == CSV_OK) {
                if (!is_blank(*p, delimiter))
                    fault = CSV_AFTER_QUOTE;
                p++;
            }
        } else {
            while (p < end && !is_end(*p, delimiter))
                p++;
            cell.n = (size_t)(p - cell.at);
            while (cell.n > 0 && is_blank(cell.at[cell.n - 1], delimiter))
                cell.n--;
        }
        if (cell.n && memchr(cell.at, 0, cell.n))
            fault = CSV_NUL;
        if (fault != CSV_OK && r->fault == CSV_OK) {
            r->fault = fault;
            r->fault_cell = r->cells;
        }
        if (r->cells < r->cap)
            r->cell[r->cells] = cell;
        r->cells++;
        if (p >= end || fault == CSV_AFTER_QUOTE)
            break;
        p++;
    }
}

const char *data_csv_fault_text(data_csv_fault fault)
{
    switch (fault) {
    case CSV_NUL:
        return N_("has a zero byte; is this a text file?");
    case CSV_AFTER_QUOTE:
        return N_("goes on after its closing quote; a quote inside a quoted cell is written twice");
    case CSV_OPEN_QUOTE:
        return N_("opens a quote that is never closed");
    default:
        return N_("cannot be read");
    }
}

nilu_status data_csv_start(nilu *nl, const data_file *file, char delimiter, data_csv *c)
{
    unsigned char mark[3] = {0, 0, 0};
    *c = (data_csv){.nl = nl, .file = file, .delimiter = delimiter};
    if (data_file_at(file, 0, mark, 2) && (mark[0] ^ mark[1]) == 1 && mark[0] >= 0xfe)
        return base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s: is UTF-16 text; convert it with iconv -f UTF-16 -t UTF-8"),
                         file->path);
    if (data_file_at(file, 0, mark, 3) && memcmp(mark, "\xef\xbb\xbf", 3) == 0)
        c->next = 3;
    c->cap = file->size < WINDOW ? (size_t)file->size + 1 : WINDOW;
    c->window = base_alloc(nl, c->cap);
    return c->window ? NILU_OK : NILU_E_NO_MEMORY;
}

void data_csv_end(data_csv *c)
{
    if (!c->nl)
        return;
    base_free(c->nl, c->window);
    base_free(c->nl, c->record.cell);
    c->window = NULL;
    c->record.cell = NULL;
}

/* More bytes behind those that are not yet split. */
static nilu_status refill(data_csv *c)
{
    memmove(c->window, c->window + c->pos, c->len - c->pos);
    c->len -= c->pos;
    c->pos = 0;
    if (c->len == c->cap) {
        if (c->cap >= RECORD_LIMIT)
            return base_fail(c->nl, NILU_E_FILE_CORRUPT,
                             N_("%s:%lld: the row that begins here is longer than %d bytes; is a quote never closed?"),
                             c->file->path, (long long)c->lines + 1, RECORD_LIMIT);
        char *larger = base_realloc(c->nl, c->window, c->cap * 2);
        if (!larger)
            return NILU_E_NO_MEMORY;
        c->window = larger;
        c->cap *= 2;
    }
    uint64_t left = c->file->size - c->next;
    size_t want = left < c->cap - c->len ? (size_t)left : c->cap - c->len;
    if (!data_file_at(c->file, c->next, c->window + c->len, want))
        return base_fail(c->nl, NILU_E_FILE_READ, N_("%s: reading failed at byte %llu; did the file change?"),
                         c->file->path, (unsigned long long)c->next);
    if (c->print)
        XXH64_update(c->print, c->window + c->len, want);
    c->len += want;
    c->next += want;
    return NILU_OK;
}

/* Room for as many cells as the first record can have; all others must have the same number. */
static nilu_status first_record(data_csv *c, const char *at, size_t n)
{
    size_t cells = 1;
    for (size_t i = 0; i < n; i++)
        cells += is_end(at[i], c->delimiter);
    if (cells > CELL_LIMIT)
        return base_fail(c->nl, NILU_E_UNSUPPORTED,
                         N_("%s: its first row has %zu cells; at most %d columns are possible"), c->file->path, cells,
                         CELL_LIMIT);
    base_free(c->nl, c->record.cell); /* of a blank line that stood before */
    c->record.cell = base_calloc(c->nl, cells, sizeof(data_cell));
    c->record.cap = (int)cells;
    return c->record.cell ? NILU_OK : NILU_E_NO_MEMORY;
}

nilu_status data_csv_next(data_csv *c, bool *more)
{
    data_record *r = &c->record;
    for (;;) {
        bool last = c->next == c->file->size;
        size_t n = c->len - c->pos, length = data_csv_length(c->window + c->pos, n, c->delimiter, last);
        *more = length > 0;
        if (length == 0 && last)
            return NILU_OK;
        if (length == 0) {
            NILU_TRY(refill(c));
            continue;
        }
        char *at = c->window + c->pos;
        c->offset = c->next - n;
        c->line = c->lines + 1;
        c->pos += length;
        r->lines = at[length - 1] == '\r';
        for (size_t i = 0; i < length; i++)
            r->lines += at[i] == '\n';
        c->lines += r->lines;
        if (!c->expected)
            NILU_TRY(first_record(c, at, length));
        data_csv_split(at, length, c->delimiter, r);
        if (r->fault != CSV_OK)
            return base_fail(c->nl, NILU_E_FILE_CORRUPT, N_("%s:%lld: cell %d %s"), c->file->path, (long long)c->line,
                             r->fault_cell + 1, base_text(data_csv_fault_text(r->fault)));
        if (r->cells == 1 && r->cell[0].n == 0 && !r->cell[0].quoted)
            continue; /* a blank line */
        if (!c->expected)
            c->expected = r->cells;
        if (r->cells != c->expected)
            return base_fail(
                c->nl, NILU_E_FILE_CORRUPT,
                N_("%s:%lld: this row has %d cells, but the first row has %d; cells with the delimiter in them "
                   "must be quoted"),
                c->file->path, (long long)c->line, r->cells, c->expected);
        return NILU_OK;
    }
}
