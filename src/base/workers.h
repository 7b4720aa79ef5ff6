/* workers.h - one pool of threads for background work and for splitting work.
 *
 * OWNS     its threads. Everything the engine does behind the caller's back (graph batches, checkpoints,
 *          compaction) runs here, and nothing else makes threads but the log.
 * TWO WAYS workers_submit queues a job, run once, in order of submission. workers_split runs one
 *          function for items 0 .. count-1 on the calling thread and on every idle worker, and returns
 *          when all are done; which thread does which item is left to chance, so items must not depend on
 *          each other. A job may call workers_split. A worker that has helped with a split for some milliseconds while
 *          a job was waiting does the job, so that long splits do not keep jobs waiting until they end.
 * THREADS  Any thread may submit or split.
 */
#ifndef OCT_WORKERS_H
#define OCT_WORKERS_H

#include "base/base.h"

#define WORKERS_MAX 256u

typedef struct workers workers;

/* `count` threads, started when first needed; 0: one per CPU that this process may use. */
oct_status workers_new(uint32_t count, workers **out, oct_error *error);
/* Runs what is queued, then ends the threads. Accepts NULL. */
void     workers_free(workers *self);
uint32_t workers_count(const workers *self);

/* False: no memory, or no thread to be had, and the job was not queued. */
bool workers_submit(workers *self, void (*run)(void *context), void *context);
/* Take back a job that has not begun: true, and it never will. False: it runs, has run, or was never queued. */
bool workers_cancel(workers *self, void (*run)(void *context), void *context);

/* run(context, item, worker): `worker` is 0 .. workers_count(self), unique among those at work on this
 * split, for scratch memory. `threads_max` 0: all. */
void workers_split(workers *self, size_t count, uint32_t threads_max,
                   void (*run)(void *context, size_t item, uint32_t worker), void *context);

#endif
