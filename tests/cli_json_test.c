/* What --json prints: every line is an object with an event, the last one is result or error, every field stands in the man
 * page, and the fields that programs rely on are there. */
#include "support/support.h"

#include <jansson.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/nilu-json-XXXXXX";

static int make_data(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return 1;
    FILE *table = fopen("things.csv", "w"), *numbers = fopen("line.csv", "w");
    if (!table || !numbers)
        return 1;
    fprintf(table, "a,b,kind\n");
    fprintf(numbers, "a,y\n");
    for (int i = 0; i < 90; i++) {
        fprintf(table, "%d.5,%d,%s\n", i % 3, 3 - i % 3, i % 3 == 0 ? "stone" : i % 3 == 1 ? "\xe8\x91\x89" : "\"a, \"\"b\"\"\"");
        fprintf(numbers, "%d.5,%d.25\n", i * 7 % 31, 2 * (i * 7 % 31) + i % 5);
    }
    return fclose(table) || fclose(numbers);
}

static int remove_data(void **state)
{
    (void)state;
    char line[128];
    snprintf(line, sizeof line, "rm -rf %s", folder);
    return chdir("/") != 0 || system(line);
}

/* The output of `nilu arguments`, and its exit code. */
static char *output_of(const char *arguments, int *code)
{
    char line[1024], *text = NULL;
    size_t room = 0, n;
    snprintf(line, sizeof line, "LC_ALL=C '%s/nilu' %s 2>/dev/null", NILU_BUILD_DIR, arguments);
    FILE *f = popen(line, "r");
    assert_non_null(f);
    FILE *to = open_memstream(&text, &room);
    char bytes[4096];
    while ((n = fread(bytes, 1, sizeof bytes, f)) > 0)
        fwrite(bytes, 1, n, to);
    fclose(to);
    int status = pclose(f);
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return text;
}

/* Does the page describe this field? Item names are in bold. */
static bool described(const char *page, const char *field)
{
    char bold[64];
    snprintf(bold, sizeof bold, "\\fB%s\\fR", field);
    return strstr(page, bold) != NULL;
}

static void check_fields(const char *command, const char *page, const json_t *line)
{
    const char *key;
    json_t *value, *o = (json_t *)(uintptr_t)line;
    json_object_foreach(o, key, value)
    {
        bool ours = strcmp(key, "event") == 0;
        if (!ours && !described(page, key))
            fail_msg("%s: field %s does not stand in its man page", command, key);
    }
}

/* Runs a command; its last line, all lines checked. */
static json_t *last_line(const char *command, const char *arguments, const char *last, int code)
{
    char line[1024];
    int got;
    snprintf(line, sizeof line, "help --man %s", command);
    char *page = output_of(line, &got);
    snprintf(line, sizeof line, "%s --json %s", command, arguments);
    char *text = output_of(line, &got), *rest = NULL;
    json_t *object = NULL;
    if (got != code)
        fail_msg("nilu %s: exit code %d, not %d: %s", line, got, code, text);
    for (char *p = strtok_r(text, "\n", &rest); p; p = strtok_r(NULL, "\n", &rest)) {
        json_error_t error;
        json_decref(object);
        object = json_loads(p, JSON_REJECT_DUPLICATES, &error);
        if (!json_is_object(object) || !json_is_string(json_object_get(object, "event")))
            fail_msg("nilu %s: no object with an event: %s (%s)", line, p, error.text);
        if (strcmp(json_string_value(json_object_get(object, "event")), "error") != 0)
            check_fields(command, page, object);
    }
    if (!object || strcmp(json_string_value(json_object_get(object, "event")), last) != 0)
        fail_msg("nilu %s: its last line is not %s", line, last);
    free(text);
    free(page);
    return object;
}

static void needs(const json_t *o, const char *names)
{
    char list[512], *rest = NULL;
    snprintf(list, sizeof list, "%s", names);
    for (char *p = strtok_r(list, " ", &rest); p; p = strtok_r(NULL, " ", &rest))
        if (!json_object_get(o, p))
            fail_msg("the result has no %s", p);
}

static void test_train_and_eval(void **state)
{
    (void)state;
    json_t *o = last_line("train", "things.csv --hidden 8 --epochs 2 --out things", "result", 0);
    needs(o, "accuracy loss seconds steps run startup_ms data_ms first_step_ms weights");
    double accuracy = json_number_value(json_object_get(o, "accuracy"));
    assert_true(accuracy >= 0 && accuracy <= 1);
    assert_string_equal(json_string_value(json_object_get(o, "run")), "things");
    json_decref(o);
    o = last_line("train", "line.csv --hidden 8 --epochs 2 --out line", "result", 0);
    needs(o, "rmse r2 loss seconds steps run");
    assert_null(json_object_get(o, "accuracy"));
    json_decref(o);
    o = last_line("eval", "things --mistakes 3", "result", 0);
    needs(o, "accuracy loss seconds steps run confusion classes");
    json_decref(o);
    o = last_line("eval", "line --mistakes 1", "result", 0);
    needs(o, "rmse r2 loss seconds steps run");
    json_decref(o);
    o = last_line("blame", "line --worst 3 --sanity", "result", 0);
    needs(o, "run sample said truth loss gap stops inputs restore agreement seconds prepared sanity common");
    json_decref(o);
    o = last_line("blame", "things --sample train:0", "result", 0);
    needs(json_array_get(json_object_get(o, "stops"), 0), "layer tickets biases residual neurons weights");
    json_decref(o);
    o = last_line("explain", "things --sample train:3 --layer fc1", "result", 0);
    needs(o, "layer neuron z a received slope delta said heard own passed truth accused optimizer rate");
    json_decref(o);
    o = last_line("trace", "things --sample train:3", "result", 0);
    needs(o, "run sample start loss gap layers legs");
    assert_int_equal(json_array_size(json_object_get(o, "layers")), 2);
    json_decref(o);
    json_decref(last_line("explain", "line --sample train:3 --start gap", "result", 0));
    o = last_line("predict", "things things.csv --all", "result", 0);
    assert_int_equal(json_integer_value(json_object_get(o, "rows")), 90);
    json_decref(o);
    json_decref(last_line("predict", "line line.csv", "result", 0));
    json_decref(last_line("plan", "things", "result", 0));
}

static void test_the_rest(void **state)
{
    (void)state;
    json_t *o = last_line("gradcheck", "--op tanh", "result", 0);
    needs(o, "passed failed worst");
    assert_true(json_integer_value(json_object_get(o, "passed")) > 0);
    json_decref(o);
    json_decref(last_line("data show", "things.csv", "result", 0));
    json_decref(last_line("data list", "", "result", 0));
    json_decref(last_line("op", "softmax_xent", "result", 0));
    json_decref(last_line("op", "", "result", 0));
    json_decref(last_line("version", "", "result", 0));
}

/* An error is told to machines too, on the last line. */
static void test_errors(void **state)
{
    (void)state;
    json_t *o = last_line("train", "nowhere.csv", "error", 3);
    needs(o, "status message exit");
    assert_string_equal(json_string_value(json_object_get(o, "status")), "FILE_NOT_FOUND");
    assert_int_equal(json_integer_value(json_object_get(o, "exit")), 3);
    json_decref(o);
    json_decref(last_line("eval", "things.csv", "error", 3));
    json_decref(last_line("train", "things.csv --hidden 0", "error", 2));
    json_decref(last_line("train", "line.csv --hidden 8 --lr 1e30 --optimizer sgd --epochs 5 --no-run", "error", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_train_and_eval),
        cmocka_unit_test(test_the_rest),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests_name("cli_json", tests, make_data, remove_data);
}
