/* run.yaml: the settings of a run as rows of one table, which writes them, reads them and says what the bits depend on. */
#include "nn/nn.h"
#include "nn/yaml.h"
#include "record/record.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *task_name(int i)
{
    static const char *const names[] = {"auto", "classes", "numbers", "none"};
    return i >= 0 && i < (int)COUNT(names) ? names[i] : NULL;
}

static const char *ending_name(int i)
{
    static const char *const names[] = {"finished", "stopped early", "interrupted", "diverged"};
    return i >= 0 && i < (int)COUNT(names) ? names[i] : NULL;
}

static const char *part_name(int i)
{
    static const char *const names[] = {"train", "validation", "test"};
    return i >= 0 && i < (int)COUNT(names) ? names[i] : NULL;
}

/* What a row holds: double, int64_t, int, uint64_t, size_t, bool, char, text, an index into names, one of names. */
typedef enum row_kind { REAL, COUNTED, SMALL, SEED, SIZE, TRUTH, LETTER, TEXT, INDEX, WORD } row_kind;
typedef enum row_use { PLAIN, BITS, RESULT } row_use; /* BITS: part of the identity */

typedef struct row {
    const char *section, *key;
    row_kind kind;
    row_use use;
    size_t at; /* in nilu_run_info */
    const char *(*name)(int);
} row;
#define AT(field) offsetof(nilu_run_info, field)

static const row rows[] = {
    {"", "nilu", TEXT, PLAIN, AT(version)},
    {"", "identity", TEXT, PLAIN, AT(identity)},
    {"", "arithmetic", TEXT, BITS, AT(arithmetic)},
    {"", "seed", SEED, BITS, AT(seed)},
    {"data", "where", TEXT, PLAIN, AT(where)},
    {"data", "name", TEXT, PLAIN, AT(data)},
    {"data", "fingerprint", TEXT, BITS, AT(fingerprint)},
    {"data", "task", INDEX, BITS, AT(task), task_name},
    {"data", "features", COUNTED, BITS, AT(features)},
    {"data", "outputs", COUNTED, BITS, AT(outputs)},
    {"data", "samples", COUNTED, BITS, AT(samples)},
    {"opened", "target", TEXT, PLAIN, AT(opened.target)},
    {"opened", "task", INDEX, PLAIN, AT(opened.task), task_name},
    {"opened", "delimiter", LETTER, PLAIN, AT(opened.delimiter)},
    {"opened", "header", SMALL, PLAIN, AT(opened.header)},
    {"opened", "validation", REAL, BITS, AT(opened.validation)},
    {"opened", "test", REAL, BITS, AT(opened.test)},
    {"opened", "refuse_missing", TRUTH, PLAIN, AT(opened.refuse_missing)},
    {"opened", "ignore", TEXT, PLAIN, AT(opened.ignore)},
    {"opened", "keep", TEXT, PLAIN, AT(opened.keep)},
    {"opened", "seed", SEED, BITS, AT(opened.seed)},
    {"opened", "memory", SIZE, PLAIN, AT(opened.memory)},
    {"opened", "resize", TEXT, PLAIN, AT(opened.resize)},
    {"opened", "colour", TEXT, PLAIN, AT(opened.colour)},
    {"opened", "scale", TEXT, PLAIN, AT(opened.scale)},
    {"train", "loss", WORD, BITS, AT(options.loss), nilu_loss_name},
    {"train", "epochs", COUNTED, BITS, AT(options.epochs)},
    {"train", "batch", COUNTED, BITS, AT(options.batch)},
    {"train", "steps", COUNTED, BITS, AT(options.steps)},
    {"train", "patience", COUNTED, BITS, AT(options.patience)},
    {"train", "label_smoothing", REAL, BITS, AT(options.label_smoothing)},
    {"train", "bf16", TRUTH, BITS, AT(options.bf16)},
    {"train", "augment", TEXT, BITS, AT(options.augment)},
    {"train", "begun", TEXT, BITS, AT(options.begun)},
    {"train", "snapshots", SMALL, PLAIN, AT(options.snapshots)},
    {"optimizer", "name", WORD, BITS, AT(options.optimizer.name), nilu_optimizer_name},
    {"optimizer", "scope", TEXT, BITS, AT(options.optimizer.scope)},
    {"optimizer", "lr", REAL, BITS, AT(options.optimizer.lr)},
    {"optimizer", "momentum", REAL, BITS, AT(options.optimizer.momentum)},
    {"optimizer", "beta1", REAL, BITS, AT(options.optimizer.beta1)},
    {"optimizer", "beta2", REAL, BITS, AT(options.optimizer.beta2)},
    {"optimizer", "eps", REAL, BITS, AT(options.optimizer.eps)},
    {"optimizer", "decay", REAL, BITS, AT(options.optimizer.decay)},
    {"optimizer", "rho", REAL, BITS, AT(options.optimizer.rho)},
    {"optimizer", "side_lr", REAL, BITS, AT(options.optimizer.side_lr)},
    {"optimizer", "clip_value", REAL, BITS, AT(options.optimizer.clip_value)},
    {"optimizer", "clip_norm", REAL, BITS, AT(options.optimizer.clip_norm)},
    {"optimizer", "ema", REAL, BITS, AT(options.optimizer.ema)},
    {"optimizer", "accumulate", SMALL, BITS, AT(options.optimizer.accumulate)},
    {"schedule", "name", INDEX, BITS, AT(options.optimizer.schedule.kind), nilu_schedule_name},
    {"schedule", "warmup", COUNTED, BITS, AT(options.optimizer.schedule.warmup)},
    {"schedule", "total", COUNTED, BITS, AT(options.optimizer.schedule.total)},
    {"schedule", "every", COUNTED, BITS, AT(options.optimizer.schedule.every)},
    {"schedule", "start", REAL, BITS, AT(options.optimizer.schedule.start)},
    {"schedule", "gamma", REAL, BITS, AT(options.optimizer.schedule.gamma)},
    {"schedule", "final", REAL, BITS, AT(options.optimizer.schedule.final)},
    {"schedule", "rise", REAL, BITS, AT(options.optimizer.schedule.rise)},
    {"", "model", TEXT, BITS, AT(model)},
    {"", "encoder", TEXT, BITS, AT(encoder)},
    {"result", "ending", INDEX, RESULT, AT(ending), ending_name},
    {"result", "epochs", COUNTED, RESULT, AT(epochs)},
    {"result", "steps", COUNTED, RESULT, AT(steps)},
    {"result", "best_epoch", COUNTED, RESULT, AT(best_epoch)},
    {"result", "seconds", REAL, RESULT, AT(seconds)},
    {"result", "weights", TEXT, RESULT, AT(weights)},
    {"result", "judged", INDEX, RESULT, AT(judged), part_name},
    {"result", "samples", COUNTED, RESULT, AT(scores.n)},
    {"result", "loss", REAL, RESULT, AT(scores.loss)},
    {"result", "accuracy", REAL, RESULT, AT(scores.accuracy)},
    {"result", "rmse", REAL, RESULT, AT(scores.rmse)},
    {"result", "mae", REAL, RESULT, AT(scores.mae)},
    {"result", "r2", REAL, RESULT, AT(scores.r2)},
};

/* ---- writing */

/* One character of UTF-8 at `c`: its length, 0 if it is none. */
static int decode(const char *text, uint32_t *point)
{
    const unsigned char *c = (const unsigned char *)text;
    int n = *c < 0x80 ? 1 : *c >> 5 == 6 ? 2 : *c >> 4 == 14 ? 3 : *c >> 3 == 30 ? 4 : 0;
    *point = n == 1 ? *c : n == 0 ? 0 : *c & (0x7fu >> n);
    for (int i = 1; i < n; i++) {
        if (c[i] >> 6 != 2)
            return 0;
        *point = *point << 6 | (c[i] & 63u);
    }
    return n;
}

static bool plain(uint32_t point)
{
    return (point >= 0x20 && point < 0x7f) || (point >= 0xa0 && point < 0xd800 && point != 0x2028 && point != 0x2029) ||
           (point >= 0xe000 && point < 0xfffe && point != 0xfeff) || point >= 0x10000;
}

/* Between quotes, with escapes for all that YAML would not take or give back as it is. */
static nilu_status add_quoted(nilu *nl, base_buffer *b, const char *text)
{
    NILU_TRY(base_append(nl, b, "\"", 1));
    for (int n; *text; text += n) {
        uint32_t point;
        n = decode(text, &point);
        if (n == 0)
            return base_fail(nl, NILU_E_USAGE, N_("\"%.200s\" is not UTF-8, so that it cannot be kept in a run; rename it"), text);
        if (point == '"' || point == '\\')
            NILU_TRY(base_appendf(nl, b, "\\%c", (int)point));
        else if (point == '\n')
            NILU_TRY(base_append(nl, b, "\\n", 2));
        else if (plain(point))
            NILU_TRY(base_append(nl, b, text, (size_t)n));
        else
            NILU_TRY(base_appendf(nl, b, "\\u%04x", (unsigned)point));
    }
    return base_append(nl, b, "\"", 1);
}

/* As a block of lines, which people can read, where that loses nothing. */
static nilu_status add_text(nilu *nl, base_buffer *b, const char *text)
{
    bool block = strchr(text, '\n') && text[strlen(text) - 1] == '\n' && *text != ' ' && *text != '\n';
    for (const char *c = text; *c && block; c++)
        block = (*c >= ' ' && *c != 0x7f) || (*c == '\n' && c[1] != '\n');
    if (!block)
        return add_quoted(nl, b, text);
    NILU_TRY(base_append(nl, b, "|", 1));
    while (*text) {
        size_t n = strcspn(text, "\n");
        NILU_TRY(base_append(nl, b, "\n  ", 3));
        NILU_TRY(base_append(nl, b, text, n));
        text += n + 1;
    }
    return NILU_OK;
}

/* Is there nothing to say? Numbers that were not set, empty texts. */
static bool absent(const row *r, const void *at)
{
    double real;
    const char *text;
    memcpy(&real, at, sizeof real);
    memcpy(&text, at, sizeof text);
    return r->kind == REAL ? !isfinite(real) : r->kind == TEXT || r->kind == WORD ? !text || !*text : false;
}

static nilu_status add_value(nilu *nl, base_buffer *b, const row *r, const void *at)
{
    char number[32];
    switch (r->kind) {
    case REAL:
        return base_appendf(nl, b, "%s", nn_number_text(*(const double *)at, number));
    case COUNTED:
        return base_appendf(nl, b, "%lld", (long long)*(const int64_t *)at);
    case SMALL:
        return base_appendf(nl, b, "%d", *(const int *)at);
    case SEED:
        return base_appendf(nl, b, "%llu", (unsigned long long)*(const uint64_t *)at);
    case SIZE:
        return base_appendf(nl, b, "%zu", *(const size_t *)at);
    case TRUTH:
        return base_appendf(nl, b, "%s", *(const bool *)at ? "true" : "false");
    case LETTER: {
        char letter[2] = {*(const char *)at, 0};
        return add_quoted(nl, b, letter);
    }
    case TEXT:
        return add_text(nl, b, *(const char *const *)at);
    case INDEX: {
        unsigned index;
        memcpy(&index, at, sizeof index); /* of some enum */
        const char *name = r->name((int)index);
        return base_appendf(nl, b, "%s", name ? name : "");
    }
    case WORD:
        return base_appendf(nl, b, "%s", *(const char *const *)at);
    }
    return NILU_OK;
}

static nilu_status add_rows(nilu *nl, const nilu_run_info *info, bool (*wanted)(const row *r), base_buffer *b)
{
    const char *section = "";
    for (const row *r = rows; r < rows + COUNT(rows); r++) {
        const void *at = (const char *)info + r->at;
        if (!wanted(r) || absent(r, at))
            continue;
        if (strcmp(r->section, section) != 0 && *r->section)
            NILU_TRY(base_appendf(nl, b, "%s:\n", r->section));
        section = r->section;
        NILU_TRY(base_appendf(nl, b, "%s%s: ", *section ? "  " : "", r->key));
        NILU_TRY(add_value(nl, b, r, at));
        NILU_TRY(base_append(nl, b, "\n", 1));
    }
    return NILU_OK;
}

static bool is_setting(const row *r)
{
    return r->use != RESULT;
}

static bool is_result(const row *r)
{
    return r->use == RESULT;
}

static bool is_bits(const row *r)
{
    return r->use == BITS;
}

nilu_status record_settings_text(nilu *nl, const nilu_run_info *info, bool result, base_buffer *b)
{
    NILU_TRY(base_appendf(nl, b, "# A training run. nilu eval judges it, nilu train --resume goes on with it.\n"));
    NILU_TRY(add_rows(nl, info, is_setting, b));
    return result ? add_rows(nl, info, is_result, b) : NILU_OK;
}

nilu_status record_identity(nilu *nl, const nilu_run_info *info, char hex[65])
{
    base_buffer b = {0};
    base_sha256 s;
    nilu_status status = add_rows(nl, info, is_bits, &b);
    base_sha256_start(&s);
    base_sha256_add(&s, b.at, b.len);
    base_sha256_end(&s, hex);
    base_free(nl, b.at);
    return status;
}

/* ---- reading */

typedef struct reader {
    nilu *nl;
    const char *name;
    data_pool *pool;
} reader;

static nilu_status wrong(const reader *rd, const row *r, const nn_yaml *y)
{
    return base_fail(rd->nl, NILU_E_FILE_CORRUPT, N_("%.300s:%d: %s cannot be %.80s; was it changed by hand?"), rd->name, y->line,
                     r->key, y->kind == YAML_TEXT ? y->text : nn_yaml_kind_text(y));
}

/* A whole number within [low, high]. */
static bool whole(const char *text, long long low, long long high, long long *value)
{
    char *end;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return *text && !*end && errno == 0 && *value >= low && *value <= high;
}

static bool named(const row *r, const char *text, int *index)
{
    for (*index = 0; r->name(*index); ++*index)
        if (strcmp(r->name(*index), text) == 0)
            return true;
    return false;
}

static nilu_status read_row(const reader *rd, const row *r, const nn_yaml *y, void *at)
{
    const char *text = y->text;
    long long number = 0;
    double real = 0;
    int index = 0;
    if (y->kind != YAML_TEXT)
        return wrong(rd, r, y);
    switch (r->kind) {
    case REAL:
        if (!nn_number(text, &real))
            return wrong(rd, r, y);
        *(double *)at = real;
        return NILU_OK;
    case COUNTED:
        if (!whole(text, -1, INT64_MAX, &number))
            return wrong(rd, r, y);
        *(int64_t *)at = number;
        return NILU_OK;
    case SMALL:
        if (!whole(text, -1, INT32_MAX, &number))
            return wrong(rd, r, y);
        *(int *)at = (int)number;
        return NILU_OK;
    case SIZE:
        if (!whole(text, 0, INT64_MAX, &number))
            return wrong(rd, r, y);
        *(size_t *)at = (size_t)number;
        return NILU_OK;
    case SEED: {
        char *end;
        errno = 0;
        unsigned long long seed = strtoull(text, &end, 10);
        if (*text < '0' || *text > '9' || *end || errno)
            return wrong(rd, r, y);
        *(uint64_t *)at = seed;
        return NILU_OK;
    }
    case TRUTH:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return wrong(rd, r, y);
        *(bool *)at = *text == 't';
        return NILU_OK;
    case LETTER:
        if (strlen(text) > 1)
            return wrong(rd, r, y);
        *(char *)at = *text;
        return NILU_OK;
    case TEXT: {
        char *kept = data_keep_text(rd->pool, text, strlen(text));
        *(const char **)at = kept;
        return kept ? NILU_OK : NILU_E_NO_MEMORY;
    }
    case INDEX:
        if (!named(r, text, &index))
            return wrong(rd, r, y);
        memcpy(at, &index, sizeof index);
        return NILU_OK;
    case WORD:
        if (!named(r, text, &index))
            return wrong(rd, r, y);
        *(const char **)at = r->name(index);
        return NILU_OK;
    }
    return NILU_OK;
}

/* Before reading: texts are empty, numbers that are only written where they are known are unknown. */
static void clear(nilu_run_info *info)
{
    *info = (nilu_run_info){.options = NILU_TRAIN_DEFAULT, .opened = NILU_DATA_DEFAULT};
    for (const row *r = rows; r < rows + COUNT(rows); r++) {
        void *at = (char *)info + r->at;
        if (r->kind == REAL)
            *(double *)at = NAN;
        if (r->kind == TEXT)
            *(const char **)at = strcmp(r->section, "opened") == 0 ? NULL : "";
    }
    info->ending = NILU_INTERRUPTED;
}

static nilu_status read_rows(const reader *rd, const nn_yaml *root, nilu_run_info *info)
{
    bool result = nn_yaml_get(root, "result") != NULL;
    for (const row *r = rows; r < rows + COUNT(rows); r++) {
        const nn_yaml *section = *r->section ? nn_yaml_get(root, r->section) : root, *y = nn_yaml_get(section, r->key);
        bool optional = r->kind == REAL || r->kind == TEXT || (r->use == RESULT && !result);
        if (y)
            NILU_TRY(read_row(rd, r, y, (char *)info + r->at));
        else if (!optional)
            return base_fail(rd->nl, NILU_E_FILE_CORRUPT, N_("%.300s:%d: %s%s%s is missing; was it changed by hand?"), rd->name,
                             section ? section->line : root->line, r->section, *r->section ? "." : "", r->key);
    }
    return NILU_OK;
}

nilu_status record_settings_read(nilu *nl, const char *name, const char *text, size_t n, data_pool *pool, nilu_run_info *info)
{
    nn_yaml *root = NULL;
    reader rd = {nl, name, pool};
    char identity[65];
    clear(info);
    NILU_TRY(nn_yaml_load(nl, NILU_E_FILE_CORRUPT, name, text, n, &root));
    nilu_status status = read_rows(&rd, root, info);
    nn_yaml_free(nl, root);
    if (status == NILU_OK)
        status = record_identity(nl, info, identity);
    if (status == NILU_OK && strcmp(identity, info->identity) != 0)
        status = base_fail(nl, NILU_E_VERIFY, N_("%.300s: its settings are not those that the run was started with (the identity "
                                                 "differs); undo the change, or train anew"), name);
    info->options.scheduled = true;
    info->scores.task = info->task;
    return status;
}
