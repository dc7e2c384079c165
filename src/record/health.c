/* health.jsonl: a line of JSON for each look at a training, and for each alarm. It only grows by whole lines; after an
 * interruption what was seen behind the last checkpoint is dropped, since those steps are run again. */
#include "record/record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "step": N, as the lines have it; -1: none */
static long long step_of(const char *line, size_t n)
{
    static const char key[] = "\"step\": ";
    for (size_t i = 0; i + sizeof key < n; i++)
        if (memcmp(line + i, key, sizeof key - 1) == 0)
            return strtoll(line + i + sizeof key - 1, NULL, 10);
    return -1;
}

nilu_status record_health(record_folder *f, const char *line, size_t n)
{
    if (!f->path)
        return NILU_OK;
    char path[PATH_MAX];
    size_t length = strlen(f->path);
    snprintf(path, sizeof path, "%s%s" RECORD_HEALTH, f->path, length && f->path[length - 1] == '/' ? "" : "/");
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
    ssize_t done = fd >= 0 ? write(fd, line, n) : -1;
    int error = errno;
    if (fd >= 0)
        close(fd);
    return done == (ssize_t)n ? NILU_OK : base_fail(f->nl, NILU_E_FILE_WRITE, N_("%s: cannot be written: %s"), path, strerror(error));
}

nilu_status record_health_read(nilu *nl, const char *folder, char **text, size_t *n)
{
    char *path = record_path(nl, folder, RECORD_HEALTH);
    *text = NULL;
    *n = 0;
    nilu_status status = path ? base_read_file(nl, path, 256u << 20, text, n) : NILU_E_NO_MEMORY;
    base_free(nl, path);
    return status == NILU_E_FILE_NOT_FOUND ? NILU_OK : status;
}

nilu_status record_health_reopen(record_folder *f, int64_t step)
{
    char *text = NULL, *path = NULL;
    size_t n = 0;
    base_output o;
    if (!f->path)
        return NILU_OK;
    nilu_status status = record_health_read(f->nl, f->path, &text, &n);
    if (status == NILU_OK && text && n) {
        path = record_path(f->nl, f->path, RECORD_HEALTH);
        status = path ? base_create(f->nl, path, &o) : NILU_E_NO_MEMORY;
        for (size_t at = 0; status == NILU_OK && at < n;) {
            const char *end = memchr(text + at, '\n', n - at);
            if (!end)
                break;
            size_t length = (size_t)(end - text) + 1 - at;
            if (step_of(text + at, length) <= step)
                base_write(&o, text + at, length);
            at += length;
        }
        if (status == NILU_OK)
            status = base_commit(&o);
    }
    base_free(f->nl, path);
    base_free(f->nl, text);
    return status;
}
