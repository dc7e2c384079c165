#include "support/sets.h"

#include "base/base.h"
#include <unistd.h>

static char folder[64];

const char *support_folder(void)
{
    strcpy(folder, "/tmp/nilu-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

void support_remove(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0)
        fail_msg("%s cannot be removed", folder);
}

const char *support_at(const char *name)
{
    static char path[1024][256];
    static unsigned turn;
    turn = (turn + 1) % 1024;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

size_t support_read(const char *path, char *out, size_t room)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s is not there", path);
    size_t n = fread(out, 1, room, f);
    fclose(f);
    assert_true(n < room);
    out[n] = 0;
    return n;
}

void support_write(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

const char *support_set(const char *name, int64_t n, int64_t features, int classes)
{
    nilu *nl = support_context(1, NULL);
    float *x = calloc((size_t)(n * features), sizeof *x), *value = calloc((size_t)n, sizeof *value);
    int32_t *label = calloc((size_t)n, sizeof *label);
    base_key noise = {1, 2}, centre = {1, 3};
    char file[128];
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        label[i] = classes ? (int32_t)(i % classes) : 0;
        for (int64_t k = 0; k < features; k++) {
            double c = classes ? 2 * base_normal(centre, (uint64_t)(label[i] * features + k)) : 0;
            x[i * features + k] = (float)(c + base_normal(noise, (uint64_t)(i * features + k)));
            sum += sin((double)x[i * features + k]) / (double)(k + 1);
        }
        value[i] = (float)(100 + 20 * sum);
    }
    snprintf(file, sizeof file, "X%s.npy", name);
    const char *path = support_at(file);
    assert_ok(nl, nilu_npy_write(nl, path, NILU_F32, NILU_SHAPE(n, features), x));
    snprintf(file, sizeof file, "y%s.npy", name);
    if (classes)
        assert_ok(nl, nilu_npy_write(nl, support_at(file), NILU_I32, NILU_SHAPE(n), label));
    else
        assert_ok(nl, nilu_npy_write(nl, support_at(file), NILU_F32, NILU_SHAPE(n), value));
    free(x);
    free(value);
    free(label);
    nilu_free(nl);
    return path;
}

nilu_data *support_open(nilu *nl, const char *path, double validation)
{
    nilu_data *data = NULL;
    nilu_data_options o = NILU_DATA_DEFAULT;
    o.validation = validation;
    assert_ok(nl, nilu_data_open(nl, path, &o, &data));
    return data;
}

nilu_data *support_opened(nilu *nl, const char *where, const nilu_data_options *o)
{
    nilu_data *d = NULL;
    assert_ok(nl, nilu_data_open(nl, where, o, &d));
    return d;
}

void support_refused(nilu *nl, const char *where, const nilu_data_options *o, nilu_status want, const char *error)
{
    nilu_data *d = NULL;
    nilu_status status = nilu_data_open(nl, where, o, &d);
    if (status == NILU_OK)
        fail_msg("%s was opened; \"%s\" was expected", where, error);
    assert_contains(nilu_errmsg(nl), error);
    assert_int_equal(status, want);
    assert_null(d);
}
