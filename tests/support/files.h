/* Files of a test: a folder of its own, gone when the test is over. */
#ifndef SUPPORT_FILES_H
#define SUPPORT_FILES_H

#include "support/support.h"

/* cmocka fixtures: *state is a context with one thread. */
int files_setup(void **state);
int files_teardown(void **state);
/* The path of a name in the folder; the last eight stay valid. */
const char *files_path(const char *name);
/* Writes bytes, or a text, under a name, and returns its path. */
const char *files_put(const char *name, const void *bytes, size_t n);
const char *files_text(const char *name, const char *text);

#endif
