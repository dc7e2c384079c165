/* What fuzz targets share: a context whose memory is limited by the length of the input, and a folder for files.
 *
 * A target hands the fuzzer's bytes to one reader in the way in which a user's file would come. Besides what the sanitizers
 * see, a target fails if a reader asks for more memory than twice its file and a constant, if it fails without a sentence,
 * or with one that is no valid UTF-8, or if it takes more than ten seconds. */
#ifndef FUZZ_H
#define FUZZ_H

#include "nilu.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A new context for an input of `size` bytes: allocations beyond 2 * size + constant stop the program. */
nilu *fuzz_context(size_t size, size_t constant);
/* From here on such allocations fail instead, since they are not for the file but for what it asks to be computed. */
void fuzz_refuse(size_t constant);
/* Frees it; stops the program if anything that was made with it is still alive, or if it took too long. */
void fuzz_end(nilu *nl);
/* Writes a file into the target's own folder, and returns its path; the last eight stay valid. */
const char *fuzz_file(const char *name, const void *bytes, size_t n);
const char *fuzz_folder(void);
/* Stops the program if `status` is a failure without a good sentence. */
void fuzz_judge(nilu *nl, nilu_status status);
/* Builds a model for samples of a few sizes, for training and for use. */
void fuzz_model(nilu *nl, const nilu_model *model);
/* The input as text, ended by NUL; freed by free. */
char *fuzz_text(const uint8_t *bytes, size_t n);

#endif
