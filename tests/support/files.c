#include "support/files.h"

static char folder[32];
static char paths[8][320];
static unsigned next;

int files_setup(void **state)
{
    strcpy(folder, "/tmp/nilu-test-XXXXXX");
    *state = support_context(1, NULL);
    return *state && mkdtemp(folder) ? 0 : -1;
}

int files_teardown(void **state)
{
    char command[64];
    nilu_free(*state);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

const char *files_path(const char *name)
{
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

const char *files_put(const char *name, const void *bytes, size_t n)
{
    const char *path = files_path(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    return path;
}

const char *files_text(const char *name, const char *text)
{
    return files_put(name, text, strlen(text));
}
