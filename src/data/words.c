/* Sets of texts with counts: the categories of a column, the classes of a target. A table of indices by open addressing
 * over a plain array of words; texts live in the set's pool. Text is kept as UTF-8; a cell that is not UTF-8 is taken for
 * Latin-1, each byte its own character. Control characters are blanks, so that no file can play with a terminal. */
#include "data/data.h"

#include <string.h>

bool data_is_utf8(const char *at, size_t n)
{
    const unsigned char *p = (const unsigned char *)at, *end = p + n;
    while (p < end) {
        if (*p < 0x80) {
            p++;
            continue;
        }
        int more = *p >= 0xc2 && *p < 0xe0 ? 1 : *p >= 0xe0 && *p < 0xf0 ? 2 : *p >= 0xf0 && *p < 0xf5 ? 3 : 0;
        if (more == 0 || end - p <= more)
            return false;
        unsigned char low = 0x80, high = 0xbf; /* no long forms, no surrogates, nothing beyond 10FFFF */
        low = *p == 0xe0 ? 0xa0 : *p == 0xf0 ? 0x90 : low;
        high = *p == 0xed ? 0x9f : *p == 0xf4 ? 0x8f : high;
        if (p[1] < low || p[1] > high)
            return false;
        for (int i = 2; i <= more; i++)
            if ((p[i] & 0xc0) != 0x80)
                return false;
        p += more + 1;
    }
    return true;
}

/* The bytes of a cell's text one at a time, -1 at its end. */
typedef struct spelling {
    const char *at, *end;
    bool latin1;
    int held; /* second byte of a Latin-1 character, -1: none */
} spelling;

static spelling spell(const data_cell *cell)
{
    return (spelling){cell->at, cell->at + cell->n, !data_is_utf8(cell->at, cell->n), -1};
}

static int next_byte(spelling *s)
{
    if (s->held >= 0) {
        int c = s->held;
        s->held = -1;
        return c;
    }
    if (s->at == s->end)
        return -1;
    unsigned char c = (unsigned char)*s->at++;
    if (c < 0x20 || c == 0x7f)
        return ' ';
    if (!s->latin1 || c < 0x80)
        return c;
    if (c < 0xa0) /* Latin-1's own control characters */
        return ' ';
    s->held = 0x80 | (c & 0x3f);
    return 0xc0 | c >> 6;
}

size_t data_cell_text(const data_cell *cell, char *out)
{
    spelling s = spell(cell);
    size_t n = 0;
    for (int c; (c = next_byte(&s)) >= 0;)
        out[n++] = (char)c;
    out[n] = 0;
    return n;
}

const char *data_cell_shown(const data_cell *cell, char out[DATA_SHOWN])
{
    enum { MOST = (DATA_SHOWN - 1) / 2 };
    data_cell part = *cell;
    part.n = part.n < MOST ? part.n : MOST;
    while (part.n > 0 && part.n < cell->n && ((unsigned char)cell->at[part.n] & 0xc0) == 0x80)
        part.n--; /* not within a character */
    data_cell_text(&part, out);
    return out;
}

static int compare(const data_cell *cell, const char *text)
{
    spelling s = spell(cell);
    for (;; text++) {
        int a = next_byte(&s), b = (unsigned char)*text;
        if (a < 0)
            return b ? -1 : 0;
        if (a != b)
            return a < b ? -1 : 1;
    }
}

int data_words_find(const char *const *text, int n, const data_cell *cell)
{
    int low = 0, high = n;
    while (low < high) {
        int middle = low + (high - low) / 2, order = compare(cell, text[middle]);
        if (order == 0)
            return middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

static uint64_t hash_of(const data_cell *cell)
{
    uint64_t h = 0;
    spelling s = spell(cell);
    for (int c; (c = next_byte(&s)) >= 0;)
        h = (h ^ (uint64_t)c) * 0x100000001b3u;
    return h ^ h >> 29;
}

static nilu_status rehash(nilu *nl, data_words *w)
{
    int slots = w->slots ? w->slots * 2 : 64;
    int *slot = base_calloc(nl, (size_t)slots, sizeof *slot);
    if (!slot)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < w->words; i++) {
        data_cell cell = {(char *)w->word[i].text, strlen(w->word[i].text), false};
        uint64_t k = hash_of(&cell);
        while (slot[k & (uint64_t)(slots - 1)])
            k++;
        slot[k & (uint64_t)(slots - 1)] = i + 1;
    }
    base_free(nl, w->slot);
    w->slot = slot;
    w->slots = slots;
    return NILU_OK;
}

nilu_status data_words_add(nilu *nl, data_words *w, data_pool *pool, const data_cell *cell, int limit, int64_t line,
                           int *id)
{
    *id = -1;
    if (w->words * 2 >= w->slots)
        NILU_TRY(rehash(nl, w));
    uint64_t k = hash_of(cell), mask = (uint64_t)(w->slots - 1);
    for (; w->slot[k & mask]; k++) {
        int i = w->slot[k & mask] - 1;
        if (compare(cell, w->word[i].text) == 0) {
            w->word[i].count++;
            *id = i;
            return NILU_OK;
        }
    }
    if (w->words >= limit) {
        w->full = true;
        return NILU_OK;
    }
    NILU_TRY(base_grow(nl, &w->word, &w->cap, w->words + 1, sizeof *w->word));
    char *text = data_keep(pool, cell->n * 2 + 1);
    if (!text)
        return NILU_E_NO_MEMORY;
    data_cell_text(cell, text);
    w->word[w->words] = (data_word){text, 1, line};
    w->slot[k & mask] = ++w->words;
    *id = w->words - 1;
    return NILU_OK;
}

void data_words_free(nilu *nl, data_words *w)
{
    base_free(nl, w->word);
    base_free(nl, w->slot);
    *w = (data_words){0};
}
