/* A run's folder in which one file is hostile: the first byte of the input says which. */
#include "fuzz/fuzz.h"

#include "record/record.h"

#include <stdio.h>

#define RUN NILU_BUILD_DIR "/corpus/run-of-ten" /* script/fuzz-seeds has it made */

static const char *const names[] = {"metrics.jsonl", "health.jsonl", "checkpoints/last.safetensors", "model.safetensors"};
enum { NAMES = sizeof names / sizeof *names };

static void put_back(const char *name)
{
    char path[1024];
    static char bytes[1 << 16];
    snprintf(path, sizeof path, "%s/%s", RUN, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        abort();
    fuzz_file(name, bytes, fread(bytes, 1, sizeof bytes, f));
    fclose(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static bool begun;
    if (n < 1)
        return 0;
    nilu *nl = fuzz_context(n, 4 << 20);
    if (!begun) {
        char path[512];
        snprintf(path, sizeof path, "%s/checkpoints", fuzz_folder());
        if (base_make_dirs(nl, path) != NILU_OK)
            abort();
        put_back("run.yaml");
        for (int i = 0; i < NAMES; i++)
            put_back(names[i]);
        begun = true;
    }
    const char *name = names[bytes[0] % NAMES];
    fuzz_file(name, bytes + 1, n - 1);
    nilu_run *run = NULL;
    nilu_status status = nilu_run_open(nl, fuzz_folder(), &run);
    fuzz_judge(nl, status);
    for (int moment = NILU_MODEL; moment <= NILU_LAST && status == NILU_OK; moment += NILU_LAST) {
        nilu_store *store = NULL;
        nilu_status found = nilu_run_store(run, (nilu_moment)moment, &store);
        fuzz_judge(nl, found);
        if (found == NILU_OK)
            nilu_store_free(store);
    }
    nilu_run_free(run);
    nilu_health health;
    status = nilu_health_of(nl, fuzz_folder(), NULL, &health);
    fuzz_judge(nl, status);
    if (status == NILU_OK)
        nilu_health_free(nl, &health);
    if (strcmp(name, "checkpoints/last.safetensors") == 0) {
        record_position p;
        fuzz_judge(nl, record_checkpoint_read(nl, fuzz_folder(), RECORD_LAST, "", 0, NULL, &p));
    }
    put_back(name);
    fuzz_end(nl);
    return 0;
}
