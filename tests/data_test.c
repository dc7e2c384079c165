/* Sets as a program sees them: what is decided about a file, parts, encodings that come back, batches from memory and from
 * the file, real data. */
#include "support/files.h"

#include "data/data.h"
#include "support/sets.h"
#include <sys/stat.h>
#include <unistd.h>

#define FILES NILU_SOURCE_DIR "/tests/files"
#define SHARED NILU_SOURCE_DIR "/../shared/data"

static const nilu_data_options defaults = NILU_DATA_DEFAULT;

static bool noted(const nilu_data *d, const char *part)
{
    for (int i = 0; i < nilu_data_about(d)->notes; i++)
        if (strstr(nilu_data_about(d)->note[i], part))
            return true;
    return false;
}

/* All samples of a part, x and targets; freed by the caller. */
typedef struct batch {
    float *x, *target;
    int32_t *label;
    int64_t n;
} batch;

static batch all_of(nilu *nl, nilu_data *d, nilu_part part)
{
    const nilu_data_info *i = nilu_data_about(d);
    size_t n = (size_t)i->count[part];
    batch b = {calloc(n + 1, (size_t)i->features * sizeof(float)),
               calloc(n + 1, ((size_t)i->outputs + 1) * sizeof(float)), calloc(n + 1, sizeof(int32_t)), (int64_t)n};
    assert_ok(nl, nilu_data_batch(d, part, NULL, b.n, b.x, b.label, i->task == NILU_TASK_NUMBERS ? b.target : NULL));
    return b;
}

static void batch_free(batch b)
{
    free(b.x);
    free(b.target);
    free(b.label);
}

/* A table of n rows: number, whole number, text of 3, class of 2, and a number that depends on them. */
static const char *table_of(const char *name, int n)
{
    static char text[1 << 18];
    size_t at = (size_t)sprintf(text, "a,b,colour,kind,value\n");
    for (int i = 0; i < n; i++)
        at += (size_t)sprintf(text + at, "%g,%d,%s,%s,%g\n", 0.5 * (i * 37 % 101), i * i % 17,
                              (const char *[]){"red", "green", "blue"}[i * 7 % 3], i % 3 ? "yes" : "no",
                              3.25 * (i * 53 % 97));
    return files_text(name, text);
}

/* ---- tables */

static void dialects_are_one_table(void **state)
{
    static const char *const names[] = {"minimal.csv",   "excel.csv", "unix.csv",   "tabs.tsv",
                                        "semicolon.csv", "pipe.txt",  "old-mac.csv"};
    nilu *nl = *state;
    batch first = {0};
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[300];
        snprintf(path, sizeof path, FILES "/csv/%s", names[i]);
        nilu_data *d = support_opened(nl, path, NULL);
        const nilu_data_info *info = nilu_data_about(d);
        assert_int_equal(info->count[NILU_TRAIN], 36);
        assert_int_equal(info->features, 5);
        assert_string_equal(info->feature_names[0], "city=Köln");
        assert_string_equal(info->feature_names[3], "size");
        assert_string_equal(info->class_names[1], "dog");
        batch b = all_of(nl, d, NILU_TRAIN);
        char *text = nilu_data_describe(d, NILU_TRAIN, 1), line[32];
        assert_non_null(text);
        assert_contains(text, ", city 臺北, size ");
        sprintf(line, ":%d: name no. ",
                2 + 2 * (int)data_row_of(d, NILU_TRAIN, 1)); /* each name has a line end in it */
        assert_contains(text, line);
        nilu_text_free(nl, text);
        nilu_data_free(d);
        if (i == 0) {
            first = b;
            continue;
        }
        assert_memory_equal(b.x, first.x, 36 * 5 * sizeof(float));
        assert_memory_equal(b.label, first.label, 36 * sizeof(int32_t));
        batch_free(b);
    }
    batch_free(first);
}

static void numbers_are_scaled_by_the_training_part(void **state)
{
    nilu *nl = *state;
    nilu_data_options o = defaults;
    o.target = "kind";
    nilu_data *d = support_opened(nl, table_of("scaled.csv", 300), &o);
    const nilu_data_info *info = nilu_data_about(d);
    batch b = all_of(nl, d, NILU_TRAIN);
    assert_int_equal(b.n, 270);
    for (int64_t j = 0; j < info->features; j++) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < b.n; i++) {
            double x = b.x[i * info->features + j];
            sum += x;
            squares += x * x;
        }
        if (strchr(info->feature_names[j], '='))
            continue;
        assert_near(sum / (double)b.n, 0, 1e-6);
        assert_near(squares / (double)b.n, 1, 1e-6);
    }
    batch_free(b);
    nilu_data_free(d);
}

/* Whatever stands in the validation rows, the encoding stays the same. */
static void nothing_is_learnt_from_validation_rows(void **state)
{
    nilu *nl = *state;
    nilu_data_options o = defaults;
    o.target = "value"; /* not stratified, so that the split does not depend on cells */
    char *before, *after;
    nilu_data *d = support_opened(nl, table_of("learn.csv", 100), &o);
    before = nilu_data_encoder_text(d);
    char text[1 << 14] = "a,b,colour,kind,value\n";
    bool *held_out = calloc(100, sizeof *held_out);
    assert_true(nilu_data_about(d)->count[NILU_VALIDATION] == 10);
    for (int64_t i = 0; i < 10; i++)
        held_out[data_row_of(d, NILU_VALIDATION, i)] = true;
    nilu_data_free(d);
    FILE *f = fopen(files_path("learn.csv"), "rb");
    char line[100];
    assert_non_null(fgets(line, sizeof line, f));
    for (int i = 0; fgets(line, sizeof line, f); i++)
        strcat(text, held_out[i] ? "9999,-9999,violet,perhaps,88888\n" : line);
    fclose(f);
    d = support_opened(nl, files_text("other.csv", text), &o);
    after = nilu_data_encoder_text(d);
    assert_string_equal(before, after);
    nilu_data_free(d);
    nilu_text_free(nl, before);
    nilu_text_free(nl, after);
    free(held_out);
}

static void target_by_name_and_number(void **state)
{
    nilu *nl = *state;
    const char *path = table_of("target.csv", 60);
    nilu_data_options o = defaults;
    nilu_data *d = support_opened(nl, path, &o);
    assert_string_equal(nilu_data_about(d)->target, "value");
    assert_int_equal(nilu_data_about(d)->task, NILU_TASK_NUMBERS);
    assert_int_equal(nilu_data_about(d)->outputs, 1);
    nilu_data_free(d);
    o.target = "#4";
    d = support_opened(nl, path, &o);
    assert_string_equal(nilu_data_about(d)->target, "kind");
    assert_int_equal(nilu_data_about(d)->task, NILU_TASK_CLASSES);
    assert_string_equal(nilu_data_about(d)->class_names[0], "no");
    nilu_data_free(d);
    o.target = "kinds";
    support_refused(nl, path, &o, NILU_E_NAME, "has no column \"kinds\"; did you mean \"kind\"?");
    o.target = "#9";
    support_refused(nl, path, &o, NILU_E_NAME, "has no column \"#9\"");
    o.target = "kind";
    o.task = NILU_TASK_NUMBERS;
    support_refused(nl, path, &o, NILU_E_FILE_CORRUPT, "target.csv:2: the target \"kind\" is \"no\" here, which is no number");
    o.task = NILU_TASK_CLASSES;
    o.target = "value";
    support_refused(nl, path, &o, NILU_E_DATA, "are not whole numbers");
    o.target = "b";
    d = support_opened(nl, path, &o);
    assert_int_equal(nilu_data_about(d)->task, NILU_TASK_CLASSES);
    nilu_data_free(d);
    o.task = NILU_TASK_NUMBERS;
    d = support_opened(nl, path, &o);
    batch b = all_of(nl, d, NILU_TRAIN);
    double back = b.target[0] * nilu_data_about(d)->target_std[0] + nilu_data_about(d)->target_mean[0];
    assert_near(back, (double)(data_row_of(d, NILU_TRAIN, 0) * data_row_of(d, NILU_TRAIN, 0) % 17), 1e-6);
    batch_free(b);
    nilu_data_free(d);
    o.task = NILU_TASK_NONE;
    o.target = NULL;
    d = support_opened(nl, path, &o);
    assert_int_equal(nilu_data_about(d)->task, NILU_TASK_NONE);
    assert_int_equal(nilu_data_about(d)->outputs, 0);
    assert_int_equal(d->columns, 5);
    nilu_data_free(d);
}

static void classes_are_sorted_and_guessed(void **state)
{
    static const struct {
        const char *cells; /* of the target, one each row */
        nilu_task task;
        int classes;
        const char *first;
    } rows[] = {{"baabcbaabc", NILU_TASK_CLASSES, 3, "a"},
                {"9119911919", NILU_TASK_CLASSES, 2, "1"},
                {"0123456789", NILU_TASK_NUMBERS, 1, NULL},
                {"0101010123", NILU_TASK_NUMBERS, 1, NULL},
                {"0000010101", NILU_TASK_CLASSES, 2, "0"}};
    nilu *nl = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[1000] = "x,y\n";
        for (int k = 0; k < 10; k++)
            sprintf(text + strlen(text), "%d,%c\n", k % 3, rows[i].cells[k]);
        nilu_data *d = support_opened(nl, files_text("guess.csv", text), NULL);
        assert_int_equal(nilu_data_about(d)->task, rows[i].task);
        assert_int_equal(nilu_data_about(d)->outputs, rows[i].classes);
        if (rows[i].first)
            assert_string_equal(nilu_data_about(d)->class_names[0], rows[i].first);
        for (int64_t k = 0; k < 9 && i == 0; k++) {
            int64_t row = data_row_of(d, NILU_TRAIN, k);
            int32_t label;
            float x[8];
            assert_ok(nl, nilu_data_batch(d, NILU_TRAIN, &k, 1, x, &label, NULL));
            assert_int_equal(label, rows[i].cells[row] - 'a');
        }
        nilu_data_free(d);
    }
}

static void columns_that_say_nothing(void **state)
{
    nilu *nl = *state;
    char text[1 << 15] = "row,user_id,serial,same,nothing,remark,comment,size,kind\n";
    for (int i = 0; i < 200; i++) { /* serial: all different, out of a range of 400 */
        int serial = i < 100 ? 400 - 2 * i : 2 * i - 199;
        sprintf(text + strlen(text), "%d,%d,%d,5,,word %d,%s %d,%d,%d\n", i + 1, 7919 * (i + 3) % 1000003, serial, i,
                i % 3 ? "rather" : "none", i % 3 ? i : 0, i % 40, i % 2);
    }
    const char *path = files_text("ids.csv", text);
    nilu_data *d = support_opened(nl, path, NULL);
    assert_int_equal(nilu_data_about(d)->features, 1);
    assert_true(noted(d, "only number the rows: row, user_id, serial."));
    assert_true(noted(d, "same in every row of the training part: same."));
    assert_true(noted(d, "hardly ever come again: remark, comment."));
    assert_true(noted(d, "are empty: nothing."));
    nilu_data_free(d);
    nilu_data_options o = defaults;
    o.keep = "row , serial,same";
    d = support_opened(nl, path, &o);
    assert_int_equal(nilu_data_about(d)->features, 4);
    nilu_data_free(d);
    o.keep = NULL;
    o.ignore = "size";
    support_refused(nl, path, &o, NILU_E_DATA, "no column is left to learn from");
    o.ignore = "sise";
    support_refused(nl, path, &o, NILU_E_NAME, "did you mean \"size\"?");
    o.ignore = "kind";
    support_refused(nl, path, &o, NILU_E_USAGE, "is the target and cannot be left out");
}

static void rare_and_missing_cells(void **state)
{
    nilu *nl = *state;
    char text[1 << 15] = "colour,size,kind\n";
    for (int i = 0; i < 400; i++)
        sprintf(text + strlen(text), "%s,%s,%d\n",
                i == 7       ? "mauve"
                : i == 8     ? "puce"
                : i % 5 == 0 ? (const char *[]){"", "?", "NA"}[i % 3]
                : i % 2      ? "red"
                             : "blue",
                i % 10 == 0 ? "NA"
                : i % 4     ? "2"
                            : "4",
                i % 2);
    const char *path = files_text("rare.csv", text);
    nilu_data *d = support_opened(nl, path, NULL);
    const nilu_data_info *info = nilu_data_about(d);
    const char *names[] = {"colour=(missing)", "colour=blue", "colour=red", "colour=(other)", "size"};
    assert_int_equal(info->features, 5);
    for (int j = 0; j < 5; j++)
        assert_string_equal(info->feature_names[j], names[j]);
    assert_true(noted(d, "filled with the mean of the training part in: size."));
    assert_true(noted(d, "taken together as \"other\" in: colour."));
    assert_true(noted(d, "A missing text counts as a text of its own in: colour."));
    batch b = all_of(nl, d, NILU_TRAIN);
    for (int64_t i = 0; i < b.n; i++) {
        int64_t row = data_row_of(d, NILU_TRAIN, i);
        int hot = row == 7 || row == 8 ? 3 : row % 5 == 0 ? 0 : row % 2 ? 2 : 1;
        for (int j = 0; j < 4; j++)
            assert_true(b.x[i * 5 + j] == (j == hot));
        if (row % 10 == 0)
            assert_true(b.x[i * 5 + 4] == 0); /* the mean */
    }
    batch_free(b);
    nilu_data_free(d);
    nilu_data_options o = defaults;
    o.refuse_missing = true;
    support_refused(nl, path, &o, NILU_E_DATA, "rare.csv:2: column \"colour\" is missing");
}

static void rows_without_target_are_not_used(void **state)
{
    nilu *nl = *state;
    char text[1 << 14] = "x,kind\n", numbers[1 << 14] = "x,y\n";
    for (int i = 0; i < 100; i++) {
        sprintf(text + strlen(text), "%d,%s\n", i % 9, i % 10 ? i % 2 ? "a" : "b" : "?");
        sprintf(numbers + strlen(numbers), "%d,%s\n", i % 9, i % 10 ? i % 2 ? "1.5" : "2.75" : "");
    }
    for (int k = 0; k < 2; k++) {
        nilu_data *d = support_opened(nl, files_text("holes.csv", k ? numbers : text), NULL);
        const nilu_data_info *info = nilu_data_about(d);
        assert_int_equal(info->count[NILU_TRAIN] + info->count[NILU_VALIDATION], 90);
        assert_true(noted(d, "Rows without target are not used; there are 10."));
        for (int p = 0; p < 2; p++)
            for (int64_t i = 0; i < info->count[p]; i++)
                assert_true(data_row_of(d, (nilu_part)p, i) % 10 != 0);
        nilu_data_free(d);
    }
    nilu_data_options o = defaults;
    o.refuse_missing = true;
    support_refused(nl, files_text("holes.csv", text), &o, NILU_E_DATA, "holes.csv:2: the target \"kind\" is missing");
}

static void hostile_tables(void **state)
{
    static const struct {
        const char *text;
        nilu_status status;
        const char *error;
    } rows[] = {{"", NILU_E_DATA, "bad.csv: is empty"},
                {"\n\n \n", NILU_E_DATA, "bad.csv: has no rows"},
                {"a,b\n", NILU_E_DATA, "bad.csv: has no rows"},
                {"a\n1\n2\n", NILU_E_DATA, "bad.csv: has one column"},
                {"a,b\n1,x\n2,x\n3,x\n", NILU_E_DATA, "all samples are of one class"},
                {"a,b\n1,\n2,\n", NILU_E_DATA, "the target \"b\" is missing in every row"},
                {"a,b\n1,x\nnan,y\n3,x\n", NILU_E_DATA,
                 "bad.csv:3: column \"a\" holds a number that is infinite or not a number"},
                {"a,b\n1,x\n2,y\n1e999,x\n", NILU_E_DATA, "bad.csv:4: column \"a\" holds a number that is infinite"},
                {"a,b\n1,x\n2,y\n3,x\n4,y\n5,x\n6,y\n7,y\n8,y\n9,x\noops,y\n", NILU_E_FILE_CORRUPT,
                 "bad.csv:11: column \"a\" holds \"oops\" here, but numbers in 9 rows"},
                {"a,b\n1e200,x\n-1e200,y\n3,x\n4,y\n", NILU_E_DATA, "too large to be squared"},
                {"\x89PNG\r\n\x1a\n", NILU_E_FILE_CORRUPT, "bad.csv: is a damaged PNG file"},
                {"PK\x03\x04zip", NILU_E_FILE_CORRUPT, "this is no sound NPZ file"}};
    nilu *nl = *state;
    for (size_t i = 0; i < COUNT(rows); i++)
        support_refused(nl, files_text("bad.csv", rows[i].text), NULL, rows[i].status, rows[i].error);
}

static void wrong_places_and_options(void **state)
{
    nilu *nl = *state;
    nilu_data_options o = defaults;
    support_refused(nl, "/nowhere/x.csv", NULL, NILU_E_FILE_NOT_FOUND, "/nowhere/x.csv: there is no such file");
    support_refused(nl, "minst", NULL, NILU_E_FILE_NOT_FOUND, "did you mean the set \"mnist\"?");
    assert_int_equal(mkdir(files_path("bare"), 0700), 0);
    support_refused(nl, files_path("bare"), NULL, NILU_E_FILE_NOT_FOUND, "has no folders of PNG or JPEG pictures");
    o.cache_dir = "/nowhere";
    support_refused(nl, "mnist", &o, NILU_E_FILE_NOT_FOUND, "get it with: nilu data get mnist");
    o = defaults;
    o.validation = 1;
    support_refused(nl, "x", &o, NILU_E_USAGE, "validation is 1");
    o.validation = 0.0 / 0.0;
    support_refused(nl, "x", &o, NILU_E_USAGE, "validation is");
    o = defaults;
    o.size = 3;
    support_refused(nl, "x", &o, NILU_E_USAGE, "options.size");
    o = defaults;
    o.delimiter = '"';
    support_refused(nl, "x", &o, NILU_E_USAGE, "cells cannot be separated by");
    o = defaults;
    o.target = "y";
    support_refused(nl, "/tmp", &o, NILU_E_USAGE, "the classes of pictures are the names of their folders");
}

/* The first row has as many cells as it has, whatever stands above it. */
static void blank_lines_come_first(void **state)
{
    nilu *nl = *state;
    static const char *const begin[] = {"\n", "\r\n\r\n", " \n\t\n", "\xef\xbb\xbf\n"};
    for (size_t i = 0; i < COUNT(begin); i++) {
        char text[200];
        snprintf(text, sizeof text, "%sa,b,c,kind\n1,2,3,x\n4,5,6,y\n7,8,9,x\n1,5,9,y\n", begin[i]);
        nilu_data *d = support_opened(nl, files_text("blank.csv", text), NULL);
        assert_int_equal(nilu_data_about(d)->features, 3);
        assert_string_equal(nilu_data_about(d)->target, "kind");
        nilu_data_free(d);
    }
}

/* ---- parts */

static void parts_are_disjoint_and_stratified(void **state)
{
    (void)state;
    char text[1 << 15] = "x,kind\n";
    enum { N = 1000 };
    static const char kinds[] = "aaaaaaaabc"; /* 80 %, 10 %, 10 % */
    for (int i = 0; i < N; i++)
        sprintf(text + strlen(text), "%d,%c\n", i % 77, i == 500 ? 'z' : kinds[i * 7 % 10]);
    const char *path = files_text("parts.csv", text);
    nilu_data_options o = defaults;
    o.validation = 0.2;
    o.test = 0.1;
    unsigned char *part_of[3][2] = {{NULL}};
    for (int seed = 0; seed < 3; seed++)
        for (int threads = 1; threads <= 4; threads += 3) {
            nilu *nl = support_context(threads, NULL);
            unsigned char *where = part_of[seed][threads > 1] = calloc(N, 1);
            int of_class[4][4] = {{0}};
            o.seed = (uint64_t)seed;
            nilu_data *d = support_opened(nl, path, &o);
            const nilu_data_info *info = nilu_data_about(d);
            for (int p = 0; p < NILU_PARTS; p++) {
                batch b = all_of(nl, d, (nilu_part)p);
                for (int64_t i = 0; i < info->count[p]; i++) {
                    int64_t row = data_row_of(d, (nilu_part)p, i);
                    assert_int_equal(where[row], 0);
                    where[row] = (unsigned char)(p + 1);
                    of_class[b.label[i]][p]++;
                }
                batch_free(b);
            }
            for (int i = 0; i < N; i++)
                assert_int_not_equal(where[i], 0);
            assert_int_equal(info->count[NILU_TEST], 100);
            assert_int_equal(info->count[NILU_VALIDATION], 180);
            for (int k = 0; k < 3; k++) {
                int all = of_class[k][0] + of_class[k][1] + of_class[k][2];
                assert_true(abs(of_class[k][NILU_TEST] * 10 - all) <= 10);
                assert_true(abs(of_class[k][NILU_VALIDATION] * 5 - (all - of_class[k][NILU_TEST])) <= 5);
            }
            assert_int_equal(of_class[3][NILU_TRAIN], 1); /* the only one of its class is trained on */
            nilu_data_free(d);
            nilu_free(nl);
        }
    for (int seed = 0; seed < 3; seed++)
        assert_memory_equal(part_of[seed][0], part_of[seed][1], N);
    assert_memory_not_equal(part_of[0][0], part_of[1][0], N);
    for (int seed = 0; seed < 3; seed++) {
        free(part_of[seed][0]);
        free(part_of[seed][1]);
    }
}

static void classes_are_split_each_on_its_own(void **state)
{
    nilu *nl = *state;
    char text[1 << 14] = "x,kind\n";
    nilu_data_options o = defaults;
    o.validation = 0.5;
    for (int i = 0; i < 200; i++)
        sprintf(text + strlen(text), "%d,%s\n", i % 9, i % 2 ? "b" : "a");
    for (int i = 0; i < 20; i++)
        sprintf(text + strlen(text), "%d,only %d\n", i, i);
    nilu_data *d = support_opened(nl, files_text("each.csv", text), &o);
    int together = 0, of_class[22][2] = {{0}};
    bool held_out[220] = {false};
    for (int p = 0; p < 2; p++)
        for (int64_t i = 0; i < nilu_data_about(d)->count[p]; i++) {
            int64_t row = data_row_of(d, (nilu_part)p, i);
            held_out[row] = p == NILU_VALIDATION;
            of_class[d->rows[0].label[row]][p]++;
        }
    for (int k = 2; k < 22; k++)
        assert_int_equal(of_class[k][NILU_TRAIN], 1);
    assert_int_equal(of_class[0][NILU_VALIDATION], 50);
    for (int i = 0; i < 100; i++) /* the classes have the same size, but not the same draw */
        together += held_out[2 * i] == held_out[2 * i + 1];
    assert_in_range(together, 25, 75);
    nilu_data_free(d);
}

static void order_is_a_permutation(void **state)
{
    nilu *nl = *state;
    static const int sizes[] = {2, 3, 4, 5, 8, 31, 64, 100, 1000};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        int n = sizes[s], moved = 0;
        char text[1 << 14] = "";
        for (int i = 0; i < n; i++)
            sprintf(text + strlen(text), "%d,%d\n", i % 2 + 1, i % 2);
        nilu_data_options o = defaults;
        o.validation = 0;
        o.header = 0;
        nilu_data *d = support_opened(nl, files_text("order.csv", text), &o);
        int64_t *first = calloc((size_t)n, sizeof *first), *second = calloc((size_t)n, sizeof *second), index[7];
        bool *seen = calloc((size_t)n, sizeof *seen);
        int64_t at = 0, got;
        while ((got = nilu_data_order(d, NILU_TRAIN, 5, 0, at, 7, index)) > 0) {
            memcpy(first + at, index, (size_t)got * sizeof *index);
            at += got;
        }
        assert_int_equal(at, n);
        assert_int_equal(nilu_data_order(d, NILU_TRAIN, 5, 1, 0, n + 5, second), n);
        for (int i = 0; i < n; i++) {
            assert_in_range(first[i], 0, n - 1);
            assert_false(seen[first[i]]);
            seen[first[i]] = true;
            moved += first[i] != second[i];
        }
        if (n > 30)
            assert_true(moved > n / 2);
        assert_int_equal(nilu_data_order(d, NILU_TEST, 5, 0, 0, 7, index), 0);
        free(first);
        free(second);
        free(seen);
        nilu_data_free(d);
    }
}

/* ---- encoder */

static void same_batches(nilu *nl, nilu_data *a, nilu_part part_a, nilu_data *b, nilu_part part_b)
{
    batch x = all_of(nl, a, part_a), y = all_of(nl, b, part_b);
    size_t features = (size_t)nilu_data_about(a)->features, outputs = (size_t)nilu_data_about(a)->outputs;
    assert_int_equal(x.n, y.n);
    assert_int_equal(features, nilu_data_about(b)->features);
    assert_memory_equal(x.x, y.x, (size_t)x.n * features * sizeof(float));
    assert_memory_equal(x.label, y.label, (size_t)x.n * sizeof(int32_t));
    if (nilu_data_about(a)->task == NILU_TASK_NUMBERS)
        assert_memory_equal(x.target, y.target, (size_t)x.n * outputs * sizeof(float));
    batch_free(x);
    batch_free(y);
}

static void encoder_of_a_table_comes_back(void **state)
{
    nilu *nl = *state;
    nilu_data_options o = defaults, again = defaults;
    for (int numbers = 0; numbers < 2; numbers++) {
        o.target = numbers ? "value" : "kind";
        o.validation = 0;
        const char *path = table_of("round.csv", 200);
        nilu_data *d = support_opened(nl, path, &o);
        char *encoder = nilu_data_encoder_text(d);
        assert_non_null(encoder);
        again.encoder = encoder;
        nilu_data *e = support_opened(nl, path, &again);
        assert_int_equal(nilu_data_about(e)->count[NILU_TEST], 200);
        assert_int_equal(nilu_data_about(e)->count[NILU_TRAIN], 0);
        assert_int_equal(nilu_data_about(e)->notes, 0);
        assert_string_equal(nilu_data_about(e)->target, o.target);
        same_batches(nl, d, NILU_TRAIN, e, NILU_TEST);
        for (int c = 0; c < d->columns; c++) /* to the last bit */
            assert_true(d->column[c].mean == e->column[c].mean || d->column[c].kind != COLUMN_NUMBER);
        char *text = nilu_data_encoder_text(e);
        assert_string_equal(text, encoder);
        nilu_text_free(nl, text);
        nilu_data_free(e);
        nilu_data_free(d);
        nilu_text_free(nl, encoder);
    }
}

static void encoder_over_other_tables(void **state)
{
    nilu *nl = *state;
    nilu_data_options o = defaults, again = defaults;
    char numbered[256];
    o.target = "kind";
    o.ignore = "value";
    nilu_data *d = support_opened(nl, table_of("known.csv", 200), &o);
    again.encoder = nilu_data_encoder_text(d);
    const char *row = "a,b,colour,kind,value\n4.5,3,red,yes,1\n7,8,black,no,2\n";
    batch want;
    nilu_data *e = support_opened(nl, files_text("new.csv", row), &again);
    want = all_of(nl, e, NILU_TEST);
    assert_int_equal(want.n, 2);
    assert_int_equal(want.label[0], 1);
    assert_int_equal(want.label[1], 0);
    nilu_data_free(e);
    static const struct {
        const char *text;
        bool target;
    } same[] = {{"colour;more;b;a\nred;?;3;4,5\nblack;x;8;7\n", false}, /* any order, other dialect, no target */
                {"4.5,3,red,yes,1\n7,8,black,no,2\n", true},            /* no header: by order */
                {"4.5,3,red,1\n7,8,black,2\n", false},                  /* the same without target */
                {"4.5,3,red\n7,8,black\n", false}};                     /* only what is used */
    for (size_t i = 0; i < COUNT(same); i++) {
        e = support_opened(nl, files_text("new.csv", same[i].text), &again);
        batch b = all_of(nl, e, NILU_TEST);
        assert_int_equal(b.n, 2);
        assert_memory_equal(b.x, want.x, 2 * (size_t)nilu_data_about(e)->features * sizeof(float));
        assert_int_equal(b.label[0], same[i].target ? 1 : -1);
        assert_int_equal(nilu_data_about(e)->task, NILU_TASK_CLASSES);
        batch_free(b);
        nilu_data_free(e);
    }
    static const struct {
        const char *text;
        nilu_status status;
        const char *error;
    } wrong[] = {
        {"a,colour,kind\n1,red,yes\n", NILU_E_DATA, "new.csv: has no column \"b\", which the model was trained on"},
        {"p,q,r,s\n1,2,red,yes\n", NILU_E_DATA, "new.csv: has no column \"a\", which the model was trained on"},
        {"a,b,colour,kind\n1,2,red,maybe\n", NILU_E_RANGE,
         "new.csv:2: the target \"kind\" is \"maybe\", which is none of the classes that are known: no, yes"},
        {"a,b,colour\n1,two,red\n", NILU_E_DATA, "new.csv:2: column \"b\" is \"two\", which is no number"},
        {"a,b,colour\n1,inf,red\n", NILU_E_DATA, "new.csv:2: column \"b\" is inf, which is not finite"},
        {"1,2\n3,4\n", NILU_E_DATA, "has 2 columns and no header"}};
    for (size_t i = 0; i < COUNT(wrong); i++)
        support_refused(nl, files_text("new.csv", wrong[i].text), &again, wrong[i].status, wrong[i].error);
    snprintf(numbered, sizeof numbered, FILES "/npy/f4.npy");
    support_refused(nl, numbered, &again, NILU_E_DATA, "is an array, but the model was trained on a table");
    batch_free(want);
    nilu_text_free(nl, (char *)again.encoder);
    nilu_data_free(d);
}

static void encoder_without_target_and_of_numbers(void **state)
{
    nilu *nl = *state;
    nilu_data_options o = defaults, again = defaults;
    nilu_data *d = support_opened(nl, table_of("known.csv", 200), &o);
    again.encoder = nilu_data_encoder_text(d);
    nilu_data *e = support_opened(nl, files_text("new.csv", "a,b,colour,kind\n1,2,red,yes\n"), &again);
    batch b = all_of(nl, e, NILU_TEST);
    assert_true(isnan(b.target[0]));
    assert_int_equal(nilu_data_about(e)->task, NILU_TASK_NUMBERS);
    assert_near(nilu_data_about(e)->target_mean[0], nilu_data_about(d)->target_mean[0], 0);
    batch_free(b);
    nilu_data_free(e);
    nilu_data_free(d);
    nilu_text_free(nl, (char *)again.encoder);
}

static void hostile_encoders(void **state)
{
#define HEAD "{\"format\": \"nilu-encoder-1\", \"target\": \"t\", "
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "damaged"},
        {"[]", "its format is unknown"},
        {"{\"format\": \"x\"}", "its format is unknown"},
        {"{\"format\": 1, \"format\": 2}", "line 1"},
        {HEAD "\"task\": \"dance\"}", "its task is unknown"},
        {HEAD "\"task\": \"classes\"}", "a list of texts is missing"},
        {HEAD "\"task\": \"classes\", \"classes\": [\"a\"]}", "it has no classes"},
        {HEAD "\"task\": \"classes\", \"classes\": [\"b\", \"a\"]}", "not in order"},
        {HEAD "\"task\": \"classes\", \"classes\": [\"a\", 3]}", "a name is missing"},
        {HEAD "\"task\": \"classes\", \"classes\": [\"1\", \"0\"], \"class_numbers\": [1, 0]}", "not in order"},
        {HEAD "\"task\": \"classes\", \"classes\": [\"1\", \"0\"], \"class_numbers\": [1]}", "wrong length"},
        {HEAD "\"task\": \"numbers\"}", "its targets have no mean"},
        {HEAD "\"task\": \"numbers\", \"target_mean\": [1], \"target_std\": [-1]}", "no usable number"},
        {HEAD "\"task\": \"none\"}", "neither columns nor a shape"},
        {HEAD "\"task\": \"none\", \"columns\": []}", "it has no columns"},
        {HEAD "\"task\": \"none\", \"columns\": [3]}", "a name is missing"},
        {HEAD "\"task\": \"none\", \"columns\": [{\"name\": \"a\"}]}", "a column has no use"},
        {HEAD "\"task\": \"none\", \"columns\": [{\"name\": \"a\", \"use\": \"number\", \"mean\": 0, \"std\": 0}]}",
         "no usable number"},
        {HEAD "\"task\": \"none\", \"columns\": [{\"name\": \"a\", \"use\": \"text\", \"texts\": [\"b\", \"b\"]}]}",
         "not in order"},
        {HEAD "\"task\": \"none\", \"shape\": [-1], \"low\": 0, \"high\": 1}", "its shape is impossible"},
        {HEAD "\"task\": \"none\", \"shape\": [99999999, 99999999], \"low\": 0, \"high\": 1}",
         "its shape is impossible"},
        {HEAD "\"task\": \"none\", \"shape\": [3], \"low\": 0, \"high\": 1, \"mean\": [1, 2]}", "wrong length"},
    };
    nilu *nl = *state;
    nilu_data_options o = defaults;
    const char *path = table_of("any.csv", 10);
    for (size_t i = 0; i < COUNT(rows); i++) {
        o.encoder = rows[i].text;
        support_refused(nl, path, &o, NILU_E_FILE_CORRUPT, rows[i].error);
    }
}

/* ---- arrays */

static const char *npy(nilu *nl, const char *name, nilu_dtype dtype, nilu_shape shape, const void *values)
{
    const char *path = files_path(name);
    assert_ok(nl, nilu_npy_write(nl, path, dtype, shape, values));
    return path;
}

/* X [n, 3] f64, the last column always 0.1, whose sums are not exact; y: class of three, or [n, 2]. Returns X's path. */
static const char *array_set(nilu *nl, int n, bool numbers)
{
    double *x = calloc((size_t)n * 3, sizeof *x);
    int64_t *label = calloc((size_t)n, sizeof *label);
    double *y = calloc((size_t)n * 2, sizeof *y);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < 3; j++)
            x[3 * i + j] = j == 2 ? 0.1 : (i * (13 + j) % 101) * 10;
        label[i] = (i * 5 % 3) * 2 - 1; /* -1, 1, 3 */
        y[2 * i] = i % 11 + 0.5;
        y[2 * i + 1] = i * 1e3;
    }
    if (numbers)
        npy(nl, "y_train.npy", NILU_F64, NILU_SHAPE(n, 2), y);
    else
        npy(nl, "y_train.npy", NILU_I64, NILU_SHAPE(n), label);
    const char *path = npy(nl, "X_train.npy", NILU_F64, NILU_SHAPE(n, 3), x);
    free(x);
    free(label);
    free(y);
    return path;
}

static void arrays_and_targets_beside_them(void **state)
{
    nilu *nl = *state;
    const char *path = array_set(nl, 100, false);
    nilu_data *d = support_opened(nl, path, NULL);
    const nilu_data_info *info = nilu_data_about(d);
    assert_string_equal(info->format, "npy");
    assert_int_equal(info->task, NILU_TASK_CLASSES);
    assert_int_equal(info->outputs, 3);
    assert_string_equal(info->class_names[0], "-1");
    assert_string_equal(info->class_names[2], "3");
    assert_int_equal(info->height, 0);
    assert_true(noted(d, "Columns that never change are set to 0; there are 1."));
    batch b = all_of(nl, d, NILU_TRAIN);
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < b.n; i++) {
        int64_t row = data_row_of(d, NILU_TRAIN, i);
        assert_int_equal(b.label[i], row * 5 % 3);
        assert_true(b.x[3 * i + 2] == 0);
        sum += b.x[3 * i];
        squares += b.x[3 * i] * b.x[3 * i];
    }
    assert_near(sum / (double)b.n, 0, 1e-6);
    assert_near(squares / (double)b.n, 1, 1e-6);
    batch_free(b);
    nilu_data_free(d);

    nilu_data_options o = defaults;
    o.task = NILU_TASK_NUMBERS;
    d = support_opened(nl, path, &o);
    assert_int_equal(nilu_data_about(d)->task, NILU_TASK_NUMBERS);
    nilu_data_free(d);

    path = array_set(nl, 100, true);
    d = support_opened(nl, path, NULL);
    info = nilu_data_about(d);
    assert_int_equal(info->task, NILU_TASK_NUMBERS);
    assert_int_equal(info->outputs, 2);
    b = all_of(nl, d, NILU_VALIDATION);
    assert_near(b.target[1] * info->target_std[1] + info->target_mean[1],
                1e3 * (double)data_row_of(d, NILU_VALIDATION, 0), 1e-5);
    batch_free(b);
    nilu_data_free(d);

    o.task = NILU_TASK_CLASSES;
    support_refused(nl, path, &o, NILU_E_DATA, "has 2 numbers for each sample, so it holds no classes");
    remove(files_path("y_train.npy"));
    support_refused(nl, path, &o, NILU_E_FILE_NOT_FOUND, "no file of targets was found beside it");
    d = support_opened(nl, path, NULL);
    assert_int_equal(nilu_data_about(d)->task, NILU_TASK_NONE);
    assert_true(noted(d, "No labels were found"));
    nilu_data_free(d);
    const float bad[4] = {1, NAN, 3, INFINITY}, few[2] = {1, 2};
    const char *y = npy(nl, "few.npy", NILU_F32, NILU_SHAPE(2), few);
    o = defaults;
    o.target = y;
    support_refused(nl, path, &o, NILU_E_DATA, "few.npy: has 2 targets for the 100 samples");
    o = defaults;
    o.validation = 0;
    support_refused(nl, npy(nl, "bad.npy", NILU_F32, NILU_SHAPE(2, 2), bad), &o, NILU_E_DATA,
            "bad.npy: element 2 of row 1 is NaN");
    o.validation = 0.5; /* a number that only the validation part has */
    const float half[4] = {1, 2, 3, INFINITY}, other[4] = {INFINITY, 2, 3, 4};
    nilu_data *e = NULL;
    assert_true(nilu_data_open(nl, npy(nl, "half.npy", NILU_F32, NILU_SHAPE(2, 2), half), &o, &e) == NILU_E_DATA &&
                nilu_data_open(nl, npy(nl, "half.npy", NILU_F32, NILU_SHAPE(2, 2), other), &o, &e) == NILU_E_DATA);
    assert_contains(nilu_errmsg(nl), "is infinite");
}

/* A folder of pictures as IDX, n to train and m to test, 4 x 3 pixels. */
static const char *picture_folder(const char *name, int n, int m, bool packed)
{
    const char *folder = files_path(name);
    char command[800];
    mkdir(folder, 0777);
    for (int part = 0; part < 2; part++) {
        int count = part ? m : n;
        size_t size = 16 + (size_t)count * 12;
        unsigned char *x = calloc(size, 1), *y = calloc(8 + (size_t)count, 1);
        char file[64];
        memcpy(x, "\0\0\x08\x03\0\0\0\0\0\0\0\x04\0\0\0\x03", 16);
        memcpy(y, "\0\0\x08\x01\0\0\0\0", 8);
        x[7] = y[7] = (unsigned char)count;
        x[6] = y[6] = (unsigned char)(count >> 8);
        for (int i = 0; i < count * 12; i++)
            x[16 + i] = (unsigned char)(i * 7 % 251);
        for (int i = 0; i < count; i++)
            y[8 + i] = (unsigned char)(i % 10);
        snprintf(file, sizeof file, "%s/%s-images-idx3-ubyte", name, part ? "t10k" : "train");
        files_put(file, x, size);
        snprintf(file, sizeof file, "%s/%s-labels-idx1-ubyte", name, part ? "t10k" : "train");
        files_put(file, y, 8 + (size_t)count);
        free(x);
        free(y);
    }
    snprintf(command, sizeof command, "gzip -nf '%s'/*-ubyte", folder);
    if (packed)
        assert_int_equal(system(command), 0);
    return folder;
}

static void pictures(void **state)
{
    nilu *nl = *state;
    const char *folder = picture_folder("pictures", 500, 60, true);
    nilu_data *d = support_opened(nl, folder, NULL);
    const nilu_data_info *info = nilu_data_about(d);
    assert_string_equal(info->name, "pictures");
    assert_string_equal(info->format, "idx");
    assert_int_equal(info->height, 4);
    assert_int_equal(info->width, 3);
    assert_int_equal(info->channels, 1);
    assert_int_equal(info->count[NILU_TRAIN], 450);
    assert_int_equal(info->count[NILU_TEST], 60);
    unsigned char pixels[12];
    float x[12];
    int64_t seven = 7;
    assert_ok(nl, nilu_data_picture(d, NILU_TEST, 7, pixels));
    assert_ok(nl, nilu_data_batch(d, NILU_TEST, &seven, 1, x, NULL, NULL));
    for (int j = 0; j < 12; j++) {
        assert_int_equal(pixels[j], (7 * 12 + j) * 7 % 251);
        assert_near((double)x[j], (pixels[j] - d->scale.mean[0]) / d->scale.std[0], 1e-5);
    }
    double sum = 0, squares = 0; /* of all training pixels: by the definition */
    for (int64_t i = 0; i < 450; i++)
        for (int j = 0; j < 12; j++) {
            double v = (double)((data_row_of(d, NILU_TRAIN, i) * 12 + j) * 7 % 251);
            sum += v;
            squares += v * v;
        }
    assert_near(d->scale.mean[0], sum / 5400, 1e-12);
    assert_near(d->scale.std[0], sqrt(squares / 5400 - sum / 5400 * sum / 5400), 1e-12);
    char *text = nilu_data_describe(d, NILU_TEST, 7);
    assert_string_equal(text, "t10k-images-idx3-ubyte.gz: sample 8, 7");
    nilu_text_free(nl, text);
    int64_t far = 60;
    assert_int_equal(nilu_data_batch(d, NILU_TEST, &far, 1, x, NULL, NULL), NILU_E_RANGE);
    assert_contains(nilu_errmsg(nl), "there is no sample 60; this part has 60");
    far = -1;
    assert_int_equal(nilu_data_picture(d, NILU_TEST, far, pixels), NILU_E_RANGE);
    assert_null(nilu_data_describe(d, NILU_TEST, far));
    assert_int_equal(nilu_data_batch(d, NILU_PARTS, &seven, 1, x, NULL, NULL), NILU_E_USAGE);

    /* one file of it, with the encoder of the whole */
    nilu_data_options o = defaults;
    char *encoder = nilu_data_encoder_text(d);
    o.encoder = encoder;
    char path[400];
    snprintf(path, sizeof path, "%s/t10k-images-idx3-ubyte.gz", folder);
    nilu_data *e = support_opened(nl, path, &o);
    same_batches(nl, d, NILU_TEST, e, NILU_TEST);
    nilu_data_free(e);
    e = support_opened(nl, folder, &o); /* all of it: the same parts as before */
    same_batches(nl, d, NILU_VALIDATION, e, NILU_VALIDATION);
    nilu_data_free(e);
    support_refused(nl, FILES "/npy/u1.npy", &o, NILU_E_DATA,
            "its samples have shape [2, 2], but the model was trained on [4, 3]");
    support_refused(nl, table_of("t.csv", 20), &o, NILU_E_DATA, "is a table, but the model was trained on arrays");
    nilu_text_free(nl, encoder);
    nilu_data_free(d);

    snprintf(path, sizeof path, "%s/t10k-labels-idx1-ubyte.gz", folder);
    assert_int_equal(rename(path, files_path("held")), 0);
    support_refused(nl, folder, NULL, NILU_E_FILE_NOT_FOUND, "has t10k-images-idx3-ubyte, but no t10k-labels-idx1-ubyte");
    assert_int_equal(rename(files_path("held"), path), 0);
    snprintf(path, sizeof path, "%s/t10k-images-idx3-ubyte.gz", folder);
    remove(path); /* labels of nothing are no test part */
    d = support_opened(nl, folder, NULL);
    assert_int_equal(nilu_data_about(d)->count[NILU_TEST], 0);
    nilu_data_free(d);
}

static void classes_have_the_names_of_the_catalogue(void **state)
{
    nilu *nl = *state;
    const char *folder = picture_folder("fashion-mnist", 500, 60, false);
    nilu_data *d = support_opened(nl, folder, NULL);
    assert_string_equal(nilu_data_about(d)->class_names[9], "Ankle boot");
    nilu_data_free(d);
    unsigned char labels[8 + 500] = {0, 0, 8, 1, 0, 0, 1, 244};
    for (int i = 0; i < 500; i++)
        labels[8 + i] = (unsigned char)(i % 12); /* other labels than the set of this name has */
    files_put("fashion-mnist/train-labels-idx1-ubyte", labels, sizeof labels);
    d = support_opened(nl, folder, NULL);
    assert_string_equal(nilu_data_about(d)->class_names[9], "9");
    nilu_data_free(d);
}

static void labels_that_training_does_not_have(void **state)
{
    nilu *nl = *state;
    const char *folder = picture_folder("strange", 500, 60, false);
    unsigned char labels[8 + 60] = {0, 0, 8, 1, 0, 0, 0, 60};
    memset(labels + 8, 3, 60);
    labels[8 + 41] = 12;
    files_put("strange/t10k-labels-idx1-ubyte", labels, sizeof labels);
    support_refused(nl, folder, NULL, NILU_E_RANGE, "t10k-labels-idx1-ubyte: label 12 of sample 42 is none of the 10 classes");
}

/* ---- streaming */

static void stream_and_memory(nilu *nl, const char *where, nilu_data_options o)
{
    nilu_data *memory = support_opened(nl, where, &o), *stream;
    o.memory = 1;
    stream = support_opened(nl, where, &o);
    assert_false(nilu_data_about(memory)->streamed);
    assert_true(nilu_data_about(stream)->streamed);
    assert_string_equal(nilu_data_about(memory)->fingerprint, nilu_data_about(stream)->fingerprint);
    for (int p = 0; p < NILU_PARTS; p++)
        same_batches(nl, memory, (nilu_part)p, stream, (nilu_part)p);
    char *a = nilu_data_encoder_text(memory), *b = nilu_data_encoder_text(stream);
    assert_string_equal(a, b);
    nilu_text_free(nl, a);
    nilu_text_free(nl, b);
    nilu_data_free(memory);
    nilu_data_free(stream);
}

static void streamed_sets_are_the_same(void **state)
{
    nilu *nl = *state;
    nilu_data_options o = defaults;
    o.target = "kind";
    o.test = 0.2;
    stream_and_memory(nl, table_of("stream.csv", 500), o);
    o.target = "value";
    stream_and_memory(nl, table_of("stream.csv", 500), o);
    char text[1 << 14] = "kind,size\n"; /* the longest row is the first */
    for (int i = 0; i < 100; i++)
        sprintf(text + strlen(text), "%d,%s\n", i % 2, i ? i % 3 ? "5" : "17" : "1234567.25");
    o.target = "kind";
    stream_and_memory(nl, files_text("long-first.csv", text), o);
    o.target = NULL;
    stream_and_memory(nl, array_set(nl, 200, false), o);
    stream_and_memory(nl, array_set(nl, 200, true), o);
    stream_and_memory(nl, picture_folder("streamed", 300, 20, false), o);
    stream_and_memory(nl, FILES "/npy/f8-fortran.npy", o);
    stream_and_memory(nl, FILES "/npy/u2-big.npy", o);
}

/* Each column of bytes has its own scale, also beyond the piece in which rows are read. */
static void wide_targets_of_bytes(void **state)
{
    enum { N = 20, WIDE = 700 };
    nilu *nl = *state;
    unsigned char *y = calloc(N, WIDE);
    float x[N];
    for (int i = 0; i < N * WIDE; i++)
        y[i] = (unsigned char)(i / WIDE * (i % WIDE % 11 + 1));
    for (int i = 0; i < N; i++)
        x[i] = (float)i;
    npy(nl, "y_wide.npy", NILU_U8, NILU_SHAPE(N, WIDE), y);
    nilu_data_options o = defaults;
    const char *path = npy(nl, "X_wide.npy", NILU_F32, NILU_SHAPE(N, 1), x);
    stream_and_memory(nl, path, o);
    nilu_data *d = support_opened(nl, path, &o);
    batch b = all_of(nl, d, NILU_TRAIN);
    const nilu_data_info *info = nilu_data_about(d);
    for (int64_t j = 0; j < WIDE; j++)
        assert_near(b.target[WIDE + j] * info->target_std[j] + info->target_mean[j],
                    (double)y[data_row_of(d, NILU_TRAIN, 1) * WIDE + j], 1e-5);
    batch_free(b);
    nilu_data_free(d);
    free(y);
}

static void a_file_that_changes_is_noticed(void **state)
{
    nilu *nl = *state;
    nilu_data_options o = defaults;
    o.memory = 1;
    float x[64];
    int64_t last;
    nilu_data *d = support_opened(nl, table_of("change.csv", 100), &o);
    last = nilu_data_about(d)->count[NILU_TRAIN] - 1;
    files_text("change.csv", "a,b,colour,kind,value\n");
    assert_int_equal(nilu_data_batch(d, NILU_TRAIN, &last, 1, x, NULL, NULL), NILU_E_FILE_READ);
    assert_contains(nilu_errmsg(nl), "did the file change?");
    assert_null(nilu_data_describe(d, NILU_TRAIN, last));
    nilu_data_free(d);
    char other[1 << 14];
    d = support_opened(nl, table_of("change.csv", 100), &o);
    memset(other, '7', sizeof other); /* as long as before, but no cells */
    files_put("change.csv", other, (size_t)d->file.size);
    assert_int_equal(nilu_data_batch(d, NILU_TRAIN, &last, 1, x, NULL, NULL), NILU_E_FILE_READ);
    assert_contains(nilu_errmsg(nl), "is not what it was; did the file change?");
    nilu_data_free(d);
    d = support_opened(nl, array_set(nl, 100, false), &o);
    assert_int_equal(truncate(files_path("X_train.npy"), 200), 0);
    last = nilu_data_about(d)->count[NILU_TRAIN] - 1;
    assert_int_equal(nilu_data_batch(d, NILU_TRAIN, &last, 1, x, NULL, NULL), NILU_E_FILE_READ);
    assert_contains(nilu_errmsg(nl), "did the file change?");
    nilu_data_free(d);
}

/* Many threads gather at once, from few scratches. */
static void gathering_at_once(void **state)
{
    nilu *nl = *state;
    nilu_data_options o = defaults;
    o.memory = 1;
    nilu_data *d = support_opened(nl, table_of("threads.csv", 400), &o);
    batch want = all_of(nl, d, NILU_TRAIN);
    size_t width = (size_t)nilu_data_about(d)->features;
    int wrong = 0;
#pragma omp parallel for num_threads(6) reduction(+ : wrong)
    for (int k = 0; k < 6000; k++) {
        char fault[DATA_FAULT];
        float x[16], y;
        int64_t i = k * 7919 % want.n;
        wrong += data_gather(d, NILU_TRAIN, &i, 1, x, NULL, &y, fault) != NILU_OK || y != want.target[i] ||
                 memcmp(x, want.x + (size_t)i * width, width * sizeof *x) != 0;
    }
    assert_int_equal(wrong, 0);
    batch_free(want);
    nilu_data_free(d);
}

/* ---- memory */

typedef struct attempt {
    const char *where;
    nilu_data_options options;
} attempt;

/* Opens, gathers, shows, encodes. */
static nilu_status use(nilu *nl, void *user)
{
    const attempt *a = user;
    nilu_data *d = NULL, *e = NULL;
    nilu_data_options again = defaults;
    float x[16], y[4];
    int32_t label;
    char *text = NULL, *line = NULL;
    nilu_status status = nilu_data_open(nl, a->where, &a->options, &d);
    if (status == NILU_OK)
        status = nilu_data_batch(d, NILU_TRAIN, NULL, 1, x, &label,
                                 nilu_data_about(d)->task == NILU_TASK_NUMBERS ? y : NULL);
    if (status == NILU_OK)
        status = (line = nilu_data_describe(d, NILU_TRAIN, 0)) ? NILU_OK : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = (text = nilu_data_encoder_text(d)) ? NILU_OK : NILU_E_NO_MEMORY;
    again.encoder = text;
    if (status == NILU_OK)
        status = nilu_data_open(nl, a->where, &again, &e);
    nilu_text_free(nl, line);
    nilu_text_free(nl, text);
    nilu_data_free(e);
    nilu_data_free(d);
    return status;
}

static void allocations_may_fail(void **state)
{
    nilu *nl = *state;
    attempt a = {table_of("fail.csv", 60), defaults};
    support_fail_each(1, use, &a);
    a.options.target = "kind";
    a.options.ignore = "b";
    support_fail_each(1, use, &a);
    a.options.target = "b";
    a.options.ignore = NULL;
    a.options.memory = 1;
    support_fail_each(1, use, &a);
    a = (attempt){array_set(nl, 40, false), defaults};
    support_fail_each(1, use, &a);
    a.options.memory = 1;
    support_fail_each(1, use, &a);
    a = (attempt){array_set(nl, 40, true), defaults};
    support_fail_each(1, use, &a);
    a = (attempt){picture_folder("failing", 40, 10, true), defaults};
    support_fail_each(1, use, &a);
    support_fail_each(2, use, &a);
}

static void batches_allocate_nothing(void **state)
{
    support_memory m = {0};
    nilu *nl = support_context(1, &m);
    (void)state;
    for (int streamed = 0; streamed < 2; streamed++) {
        nilu_data_options o = defaults;
        o.memory = (size_t)streamed;
        nilu_data *d = support_opened(nl, table_of("quiet.csv", 200), &o);
        long before = m.made;
        int64_t index[8];
        float x[8 * 16], y[8];
        for (int i = 0; i < 20; i++) {
            assert_int_equal(nilu_data_order(d, NILU_TRAIN, 1, 2, 8 * i, 8, index), 8);
            assert_ok(nl, nilu_data_batch(d, NILU_TRAIN, index, 8, x, NULL, y));
        }
        assert_int_equal(m.made, before);
        nilu_data_free(d);
    }
    nilu_free(nl);
    assert_int_equal(m.alive, 0);
}

/* ---- real data */

static void tell(const nilu_data *d)
{
    const nilu_data_info *i = nilu_data_about(d);
    if (!getenv("NILU_VERBOSE"))
        return;
    printf("%s: %s, %lld + %lld + %lld samples, %lld features, %lld outputs, %s, %.3f s\n", i->name, i->format,
           (long long)i->count[0], (long long)i->count[1], (long long)i->count[2], (long long)i->features,
           (long long)i->outputs, i->fingerprint, i->seconds);
    for (int k = 0; k < i->notes; k++)
        printf("    %s\n", i->note[k]);
}

static void digits_that_come_along(void **state)
{
    nilu *nl = *state;
    nilu_data_options o = defaults;
    o.data_dir = NILU_SOURCE_DIR "/data";
    nilu_data *d = support_opened(nl, "digits", &o);
    const nilu_data_info *info = nilu_data_about(d);
    tell(d);
    assert_string_equal(info->name, "digits");
    assert_int_equal(info->count[NILU_TRAIN], 3600);
    assert_int_equal(info->count[NILU_VALIDATION], 400);
    assert_int_equal(info->count[NILU_TEST], 1000);
    assert_int_equal(info->features, 784);
    assert_string_equal(info->fingerprint, "xxh64:1f3abc73804f55f4");
    int of_class[2][10] = {{0}};
    for (int p = NILU_VALIDATION; p <= NILU_TEST; p++) {
        batch b = all_of(nl, d, (nilu_part)p);
        for (int64_t i = 0; i < b.n; i++)
            of_class[p - 1][b.label[i]]++;
        batch_free(b);
    }
    for (int k = 0; k < 10; k++) {
        assert_int_equal(of_class[0][k], 40);
        assert_int_equal(of_class[1][k], 100);
    }
    nilu_data_free(d);
}

/* What each table of ../shared/data must be taken for with nothing but its target named. */
static void real_tables(void **state)
{
    static const struct {
        const char *name, *target;
        nilu_task task;
        int64_t rows, features, outputs;
        const char *note;
    } rows[] = {
        {"iris.csv", "target", NILU_TASK_CLASSES, 150, 4, 3, "\"target\" with 3 classes"},
        {"wine.csv", "target", NILU_TASK_CLASSES, 178, 13, 3, "there are 13"},
        {"breast-cancer.csv", "target", NILU_TASK_CLASSES, 569, 30, 2, "there are 30"},
        {"digits.csv", "target", NILU_TASK_CLASSES, 1797, 61, 10,
         "same in every row of the training part: pixel_0_0, pixel_4_0, pixel_4_7."},
        {"diabetes.csv", "target", NILU_TASK_NUMBERS, 442, 10, 1, "so this is a regression"},
        {"adult.data", "Salary", NILU_TASK_CLASSES, 32561, 108, 2,
         "one feature for each text: workclass, education, marital-status, occupation, relationship, race, sex, "
         "native-country."},
        {"titanic.csv", "Survived", NILU_TASK_CLASSES, 891, 11, 2, "hardly ever come again: Name, Ticket, Cabin."},
        {"titanic.csv", "Survived", NILU_TASK_CLASSES, 891, 11, 2, "only number the rows: PassengerId."},
        {"california-housing.csv", "median_house_value", NILU_TASK_NUMBERS, 20640, 13, 1,
         "filled with the mean of the training part in: total_bedrooms."},
    };
    nilu *nl = *state;
    if (access(SHARED "/tabular", R_OK) != 0) {
        printf("real tables: %s is not here, so they were not opened\n", SHARED "/tabular");
        skip();
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        char path[400];
        nilu_data_options o = defaults;
        o.target = rows[i].target;
        snprintf(path, sizeof path, SHARED "/tabular/%s", rows[i].name);
        nilu_data *d = support_opened(nl, path, &o);
        const nilu_data_info *info = nilu_data_about(d);
        tell(d);
        assert_int_equal(info->task, rows[i].task);
        assert_int_equal(info->count[NILU_TRAIN] + info->count[NILU_VALIDATION], rows[i].rows);
        assert_int_equal(info->features, rows[i].features);
        assert_int_equal(info->outputs, rows[i].outputs);
        if (!noted(d, rows[i].note))
            fail_msg("%s: no note says \"%s\"", rows[i].name, rows[i].note);
        nilu_data_free(d);
    }
}

static void real_mnist(void **state)
{
    (void)state;
    if (access(SHARED "/mnist", R_OK) != 0) {
        printf("MNIST: %s is not here, so it was not opened\n", SHARED "/mnist");
        skip();
    }
    nilu *nl = support_context(2, NULL);
    nilu_data *d = support_opened(nl, SHARED "/mnist", NULL);
    const nilu_data_info *info = nilu_data_about(d);
    tell(d);
    assert_int_equal(info->count[NILU_TRAIN], 54000);
    assert_int_equal(info->count[NILU_TEST], 10000);
    assert_string_equal(info->fingerprint, "xxh64:f0dfe166bda66f5a");
    assert_near(d->scale.mean[0], 33.3, 0.01); /* the literature has 0.1307 and 0.3081 of 255 for all 60,000 */
    assert_near(d->scale.std[0], 78.6, 0.01);
    nilu_data_free(d);
    nilu_free(nl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dialects_are_one_table),
                                       cmocka_unit_test(numbers_are_scaled_by_the_training_part),
                                       cmocka_unit_test(nothing_is_learnt_from_validation_rows),
                                       cmocka_unit_test(target_by_name_and_number),
                                       cmocka_unit_test(classes_are_sorted_and_guessed),
                                       cmocka_unit_test(columns_that_say_nothing),
                                       cmocka_unit_test(rare_and_missing_cells),
                                       cmocka_unit_test(rows_without_target_are_not_used),
                                       cmocka_unit_test(hostile_tables),
                                       cmocka_unit_test(wrong_places_and_options),
                                       cmocka_unit_test(blank_lines_come_first),
                                       cmocka_unit_test(parts_are_disjoint_and_stratified),
                                       cmocka_unit_test(classes_are_split_each_on_its_own),
                                       cmocka_unit_test(order_is_a_permutation),
                                       cmocka_unit_test(encoder_of_a_table_comes_back),
                                       cmocka_unit_test(encoder_over_other_tables),
                                       cmocka_unit_test(encoder_without_target_and_of_numbers),
                                       cmocka_unit_test(hostile_encoders),
                                       cmocka_unit_test(arrays_and_targets_beside_them),
                                       cmocka_unit_test(pictures),
                                       cmocka_unit_test(classes_have_the_names_of_the_catalogue),
                                       cmocka_unit_test(labels_that_training_does_not_have),
                                       cmocka_unit_test(streamed_sets_are_the_same),
                                       cmocka_unit_test(wide_targets_of_bytes),
                                       cmocka_unit_test(a_file_that_changes_is_noticed),
                                       cmocka_unit_test(gathering_at_once),
                                       cmocka_unit_test(allocations_may_fail),
                                       cmocka_unit_test(batches_allocate_nothing),
                                       cmocka_unit_test(digits_that_come_along),
                                       cmocka_unit_test(real_tables),
                                       cmocka_unit_test(real_mnist)};
    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
