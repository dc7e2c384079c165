/* The encoding as JSON text, which lives with a model: with it new data are read as the training data were. It comes back
 * from a file, so it is as hostile as any: every number and name in it is checked before it is used. */
#include "data/data.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static const char FORMAT[] = "nilu-encoder-1";

static const struct {
    nilu_task task;
    const char *name;
} tasks[] = {{NILU_TASK_CLASSES, "classes"}, {NILU_TASK_NUMBERS, "numbers"}, {NILU_TASK_NONE, "none"}};

/* ---- writing: NULL where memory ran out, which json_object_set_new passes on */

static json_t *whole(json_t *list, int64_t n)
{
    if (list && json_array_size(list) == (size_t)n)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *numbers(const double *v, int64_t n)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < n; i++)
        json_array_append_new(list, json_real(v[i]));
    return whole(list, n);
}

static json_t *texts(const char *const *text, int64_t n)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(text[i]));
    return whole(list, n);
}

static json_t *column_json(const data_column *c)
{
    switch (c->kind) {
    case COLUMN_NUMBER:
        return json_pack("{s:s, s:s, s:f, s:f}", "name", c->name, "use", "number", "mean", c->mean, "std", c->std);
    case COLUMN_TEXT:
        return json_pack("{s:s, s:s, s:o, s:b}", "name", c->name, "use", "text", "texts",
                         texts(c->category, c->categories), "other", c->other);
    case COLUMN_TARGET:
        return json_pack("{s:s, s:s}", "name", c->name, "use", "target");
    default:
        return json_pack("{s:s, s:s}", "name", c->name, "use", "no");
    }
}

static bool write_table(const nilu_data *d, json_t *root)
{
    json_t *columns = json_array();
    bool ok = true;
    for (int i = 0; i < d->columns; i++)
        ok = json_array_append_new(columns, column_json(&d->column[i])) == 0 && ok;
    return json_object_set_new(root, "columns", columns) == 0 && ok;
}

static bool write_arrays(const nilu_data *d, json_t *root)
{
    const data_scale *s = &d->scale;
    int64_t n = s->columns / s->each;
    json_t *shape = json_array();
    for (int i = 0; i < d->sample.rank; i++)
        json_array_append_new(shape, json_integer(d->sample.dim[i]));
    return json_object_set_new(root, "shape", shape) == 0 &&
           json_object_set_new(root, "shared", json_boolean(n == 1)) == 0 &&
           (!d->planes || json_object_set_new(root, "planes", json_true()) == 0) &&
           json_object_set_new(root, "mean", numbers(s->mean, n)) == 0 &&
           json_object_set_new(root, "std", numbers(s->std, n)) == 0 &&
           json_object_set_new(root, "low", json_real(s->low)) == 0 &&
           json_object_set_new(root, "high", json_real(s->high)) == 0;
}

static bool write_target(const nilu_data *d, json_t *root)
{
    int64_t n = d->info.outputs;
    bool ok = json_object_set_new(root, "target", json_string(d->info.target)) == 0;
    for (size_t i = 0; i < COUNT(tasks); i++)
        if (tasks[i].task == d->info.task)
            ok = ok && json_object_set_new(root, "task", json_string(tasks[i].name)) == 0;
    if (d->info.task == NILU_TASK_CLASSES)
        ok = ok && json_object_set_new(root, "classes", texts(d->class_name, n)) == 0;
    if (d->info.task == NILU_TASK_CLASSES && d->class_value)
        ok = ok && json_object_set_new(root, "class_numbers", numbers(d->class_value, n)) == 0;
    if (d->info.task == NILU_TASK_NUMBERS)
        ok = ok && json_object_set_new(root, "target_mean", numbers(d->target_scale.mean, n)) == 0 &&
             json_object_set_new(root, "target_std", numbers(d->target_scale.std, n)) == 0;
    return ok;
}

typedef struct sink {
    nilu *nl;
    base_buffer buffer;
    bool failed; /* jansson does not always pass on that a piece could not be written */
} sink;

static int append(const char *bytes, size_t n, void *user)
{
    sink *s = user;
    s->failed = s->failed || base_append(s->nl, &s->buffer, bytes, n) != NILU_OK;
    return s->failed ? -1 : 0;
}

char *nilu_data_encoder_text(const nilu_data *data)
{
    sink s = {.nl = data->nl};
    json_t *root = json_object();
    bool ok = json_object_set_new(root, "format", json_string(FORMAT)) == 0 && write_target(data, root) &&
              (data->arrays ? write_arrays(data, root) : write_table(data, root));
    if (ok)
        ok = json_dump_callback(root, append, &s, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) == 0 &&
             append("\n", 1, &s) == 0;
    json_decref(root);
    if (ok)
        return s.buffer.at;
    base_free(s.nl, s.buffer.at);
    base_no_memory(s.nl, 0);
    return NULL;
}

/* ---- reading */

static nilu_status wrong(nilu_data *d, const char *what)
{
    return base_fail(d->nl, NILU_E_FILE_CORRUPT,
                     N_("the encoder of the data is damaged: %s; train again, or restore the run's folder"),
                     base_text(what));
}

static nilu_status read_text(nilu_data *d, const json_t *j, const char **text)
{
    if (!json_is_string(j))
        return wrong(d, N_("a name is missing"));
    *text = data_keep_text(&d->pool, json_string_value(j), strlen(json_string_value(j)));
    return *text ? NILU_OK : NILU_E_NO_MEMORY;
}

/* Texts; `sorted`: they are searched, so they must be ascending. */
static nilu_status read_texts(nilu_data *d, const json_t *j, bool sorted, const char ***text, int *n)
{
    if (!json_is_array(j) || json_array_size(j) > 1 << 20)
        return wrong(d, N_("a list of texts is missing"));
    *n = (int)json_array_size(j);
    *text = data_keep(&d->pool, (size_t)*n * sizeof **text);
    if (!*text)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < *n; i++) {
        NILU_TRY(read_text(d, json_array_get(j, (size_t)i), &(*text)[i]));
        if (sorted && i > 0 && strcmp((*text)[i - 1], (*text)[i]) >= 0)
            return wrong(d, N_("its texts are not in order"));
    }
    return NILU_OK;
}

static bool is_finite_number(const json_t *j)
{
    return json_is_number(j) && isfinite(json_number_value(j));
}

/* Exactly n finite numbers, none below `least`. */
static nilu_status read_numbers(nilu_data *d, const json_t *j, int64_t n, double least, double *out)
{
    if (!json_is_array(j) || json_array_size(j) != (size_t)n)
        return wrong(d, N_("a list of numbers is missing or has the wrong length"));
    for (int64_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(j, (size_t)i);
        if (!is_finite_number(v) || json_number_value(v) < least)
            return wrong(d, N_("a mean or deviation is no usable number"));
        out[i] = json_number_value(v);
    }
    return NILU_OK;
}

static nilu_status read_classes(nilu_data *d, const json_t *root)
{
    const json_t *values = json_object_get(root, "class_numbers");
    int n;
    NILU_TRY(read_texts(d, json_object_get(root, "classes"), values == NULL, &d->class_name, &n));
    if (n < 2 || n > DATA_MAX_CLASSES)
        return wrong(d, N_("it has no classes"));
    d->info.outputs = n;
    d->info.class_names = d->class_name;
    if (!values)
        return NILU_OK;
    d->class_value = data_keep(&d->pool, (size_t)n * sizeof *d->class_value);
    if (!d->class_value)
        return NILU_E_NO_MEMORY;
    NILU_TRY(read_numbers(d, values, n, -1e15, d->class_value));
    for (int i = 1; i < n; i++)
        if (!(d->class_value[i - 1] < d->class_value[i]))
            return wrong(d, N_("its class numbers are not in order"));
    return NILU_OK;
}

static nilu_status read_target(nilu_data *d, const json_t *root)
{
    const char *task = json_string_value(json_object_get(root, "task"));
    d->info.task = NILU_TASK_AUTO;
    for (size_t i = 0; i < COUNT(tasks) && task; i++)
        if (strcmp(task, tasks[i].name) == 0)
            d->info.task = tasks[i].task;
    NILU_TRY(read_text(d, json_object_get(root, "target"), &d->info.target));
    if (d->info.task == NILU_TASK_AUTO)
        return wrong(d, N_("its task is unknown"));
    if (d->info.task == NILU_TASK_CLASSES)
        return read_classes(d, root);
    if (d->info.task == NILU_TASK_NONE)
        return NILU_OK;
    const json_t *mean = json_object_get(root, "target_mean");
    size_t n = json_array_size(mean);
    if (n < 1 || n > DATA_MAX_ROWS)
        return wrong(d, N_("its targets have no mean"));
    d->info.outputs = (int64_t)n;
    NILU_TRY(data_scale_new(d, d->info.outputs, 1, &d->target_scale));
    NILU_TRY(read_numbers(d, mean, d->info.outputs, -INFINITY, d->target_scale.mean));
    NILU_TRY(read_numbers(d, json_object_get(root, "target_std"), d->info.outputs, 0, d->target_scale.std));
    data_scale_finish(&d->target_scale);
    d->info.target_mean = d->target_scale.mean;
    d->info.target_std = d->target_scale.std;
    return NILU_OK;
}

static nilu_status read_column(nilu_data *d, const json_t *j, int i)
{
    data_column *c = &d->column[i];
    const char *use = json_string_value(json_object_get(j, "use"));
    const json_t *mean = json_object_get(j, "mean"), *std = json_object_get(j, "std");
    *c = (data_column){.place = -1, .std = 1};
    NILU_TRY(read_text(d, json_object_get(j, "name"), &c->name));
    if (!use)
        return wrong(d, N_("a column has no use"));
    if (strcmp(use, "number") == 0) {
        c->kind = COLUMN_NUMBER;
        if (!is_finite_number(mean) || !is_finite_number(std) || !(json_number_value(std) > 0))
            return wrong(d, N_("a mean or deviation is no usable number"));
        c->mean = json_number_value(mean);
        c->std = json_number_value(std);
    } else if (strcmp(use, "text") == 0) {
        c->kind = COLUMN_TEXT;
        c->other = json_is_true(json_object_get(j, "other"));
        NILU_TRY(read_texts(d, json_object_get(j, "texts"), true, &c->category, &c->categories));
    } else if (strcmp(use, "target") == 0) {
        c->kind = COLUMN_TARGET;
        d->target = i;
    } else if (strcmp(use, "no") != 0) {
        return wrong(d, N_("a column has no use"));
    }
    return NILU_OK;
}

static nilu_status read_table(nilu_data *d, const json_t *columns)
{
    size_t n = json_array_size(columns);
    if (n < 1 || n > 1 << 20)
        return wrong(d, N_("it has no columns"));
    d->column = data_keep(&d->pool, n * sizeof *d->column);
    if (!d->column)
        return NILU_E_NO_MEMORY;
    d->columns = (int)n;
    for (int i = 0; i < d->columns; i++)
        NILU_TRY(read_column(d, json_array_get(columns, (size_t)i), i));
    return NILU_OK;
}

static nilu_status read_arrays(nilu_data *d, const json_t *root)
{
    const json_t *shape = json_object_get(root, "shape"), *low = json_object_get(root, "low"),
                 *high = json_object_get(root, "high");
    size_t rank = json_array_size(shape), width = 1;
    if (!json_is_array(shape) || rank >= NILU_MAX_RANK || !is_finite_number(low) || !is_finite_number(high))
        return wrong(d, N_("it has neither columns nor a shape"));
    d->sample.rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        int64_t n = json_integer_value(json_array_get(shape, i));
        if (n < 1 || !base_mul(width, (size_t)n, &width) || width > DATA_MAX_ROWS)
            return wrong(d, N_("its shape is impossible"));
        d->sample.dim[i] = n;
    }
    d->info.features = (int64_t)width;
    const json_t *mean = json_object_get(root, "mean");
    d->planes = json_is_true(json_object_get(root, "planes"));
    if (d->planes && rank != 3)
        return wrong(d, N_("its shape is impossible"));
    bool shared = json_is_true(json_object_get(root, "shared"));
    int64_t means = shared ? 1 : d->planes ? d->sample.dim[0] : d->info.features;
    if (json_array_size(mean) != (size_t)means) /* before so much memory is asked for */
        return wrong(d, N_("a list of numbers is missing or has the wrong length"));
    NILU_TRY(data_scale_new(d, d->info.features, d->info.features / means, &d->scale));
    NILU_TRY(read_numbers(d, mean, means, -INFINITY, d->scale.mean));
    NILU_TRY(read_numbers(d, json_object_get(root, "std"), means, 0, d->scale.std));
    d->scale.low = json_number_value(low);
    d->scale.high = json_number_value(high);
    data_scale_finish(&d->scale);
    return NILU_OK;
}

nilu_status data_encoder_read(nilu_data *d, const char *text)
{
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!root && json_error_code(&error) == json_error_out_of_memory)
        return base_no_memory(d->nl, 0);
    if (!root)
        return base_fail(d->nl, NILU_E_FILE_CORRUPT,
                         N_("the encoder of the data is damaged: line %d: %s; train again, or restore "
                            "the run's folder"),
                         error.line, error.text);
    const char *format = json_string_value(json_object_get(root, "format"));
    nilu_status status;
    d->has_encoder = true;
    if (!format || strcmp(format, FORMAT) != 0)
        status = wrong(d, N_("its format is unknown"));
    else
        status = read_target(d, root);
    if (status == NILU_OK)
        status =
            json_object_get(root, "columns") ? read_table(d, json_object_get(root, "columns")) : read_arrays(d, root);
    json_decref(root);
    return status;
}
