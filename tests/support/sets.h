/* Small sets of samples for tests of training: written as NPY, opened like any other. */
#ifndef SUPPORT_SETS_H
#define SUPPORT_SETS_H

#include "support/support.h"

/* A new folder, removed by support_remove; static memory, one at a time. */
const char *support_folder(void);
void support_remove(void);
/* "folder/name" in static memory; the last thousand stay. */
const char *support_at(const char *name);
size_t support_read(const char *path, char *out, size_t room);
void support_write(const char *path, const void *bytes, size_t n);

/* Writes X<name>.npy and y<name>.npy into the folder: `n` samples of `features` numbers; `classes` clouds that overlap a
 * little, or with classes 0 a smooth function of them. Returns the path of X. */
const char *support_set(const char *name, int64_t n, int64_t features, int classes);
/* The same, opened; `validation` as in the options. */
nilu_data *support_open(nilu *nl, const char *path, double validation);
/* What must open; and what must not, with this status and `error` in its sentence. */
nilu_data *support_opened(nilu *nl, const char *where, const nilu_data_options *o);
void support_refused(nilu *nl, const char *where, const nilu_data_options *o, nilu_status want, const char *error);

#endif
