/* record: what happened, in a folder that people can read. Written by the trainer, read by all that comes after it.
 *
 * Invariants: every file but the journal is replaced whole; the journal only grows by whole lines. What a checkpoint
 * speaks of (lines of the journal, the best checkpoint) was written before it. One process at a time writes in a folder:
 * it holds `lock`. Nothing that is read back is believed unchecked. */
#ifndef RECORD_H
#define RECORD_H

#include "io/io.h"

/* Where a training stands: with the values, all that the rest of it depends on. */
typedef struct record_position {
    int64_t epoch, step;     /* epochs done; steps done in all */
    int64_t batch;           /* batches of the current epoch that are done */
    double loss_sum;         /* of the current epoch: sum of loss × samples, and samples */
    int64_t loss_n;
    double last_loss;        /* mean of the last whole epoch; NaN: none yet */
    double best_loss;        /* lowest validation loss; infinite: none yet */
    int64_t best_epoch, bad; /* when that was; epochs since */
    double seconds;          /* of training; the only thing here that no bit depends on */
} record_position;

/* ---- run.yaml: record/settings.c */
/* The settings as YAML; with `result`, also how it ended. */
nilu_status record_settings_text(nilu *nl, const nilu_run_info *info, bool result, base_buffer *b);
/* Reads them back: texts go to the pool. Errors: FILE_CORRUPT with name and line. */
nilu_status record_settings_read(nilu *nl, const char *name, const char *text, size_t n, data_pool *pool, nilu_run_info *info);
/* SHA-256 over all settings that bits depend on. */
nilu_status record_identity(nilu *nl, const nilu_run_info *info, char hex[65]);

/* ---- a folder that is being written: record/folder.c */
typedef struct record_folder {
    nilu *nl;
    char *path; /* NULL: nothing is recorded, and all that follows does nothing */
    int lock, journal;
    char identity[65];
    char *settings; /* as text, kept in checkpoints */
} record_folder;
/* Makes a new folder, `out` or the next free name in `runs`, copies the model's file if it is made of one, and writes
 * run.yaml. Closed by record_close. */
nilu_status record_create(nilu *nl, const char *out, const char *runs, nilu_run_info *info, const nilu_model *model,
                          record_folder *f);
/* Takes the lock of a folder that is there, to go on in it. */
nilu_status record_reopen(nilu *nl, const nilu_run_info *info, record_folder *f);
void record_close(record_folder *f);
/* "folder/name", freed by base_free. */
char *record_path(nilu *nl, const char *folder, const char *name);
/* Adds the end to run.yaml. */
nilu_status record_result(record_folder *f, const nilu_run_info *info);

/* ---- metrics.jsonl: record/journal.c */
nilu_status record_epoch(record_folder *f, const nilu_epoch *e);
/* Drops lines of epochs after `epochs`, and what is not a whole line; opens the journal for more. */
nilu_status record_journal_open(record_folder *f, int64_t epochs);
nilu_status record_journal_sync(record_folder *f);
/* Reads all whole lines; *epoch is freed by base_free. A journal that is not there has none. */
nilu_status record_journal_read(nilu *nl, const char *folder, nilu_epoch **epoch, int *n);

/* ---- health.jsonl: record/health.c */
#define RECORD_HEALTH "health.jsonl"
/* Adds a whole line. Allocates nothing. */
nilu_status record_health(record_folder *f, const char *line, size_t n);
/* Drops lines of steps after `step`. */
nilu_status record_health_reopen(record_folder *f, int64_t step);
/* All of it, freed by base_free; *text NULL: there is none. */
nilu_status record_health_read(nilu *nl, const char *folder, char **text, size_t *n);

/* ---- values: record/checkpoint.c */
#define RECORD_LAST "checkpoints/last.safetensors"
#define RECORD_BEST "checkpoints/best.safetensors"
#define RECORD_MODEL "model.safetensors"
nilu_status record_checkpoint(record_folder *f, const char *name, const nilu_store *store, const record_position *p);
/* What a checkpoint's metadata say, and its values where `store` is given. VERIFY if it is of another run. */
nilu_status record_checkpoint_read(nilu *nl, const char *folder, const char *name, const char *identity, unsigned kinds,
                                   nilu_store *store, record_position *p);
nilu_status record_model(record_folder *f, const char *model, const nilu_store *store);
nilu_status record_snapshot(record_folder *f, const nilu_store *store, int64_t step);

#endif
