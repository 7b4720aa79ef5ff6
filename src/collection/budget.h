/* budget.h - how much memory the process may take: oct_open_options.memory_limit.
 *
 * WHAT     The limit is on private memory (RssAnon of the kernel): pages of mapped files are not counted, as the kernel takes them
 *          back when somebody else needs them. As memory fills up:
 *              below 70 %      nothing happens
 *              from 70 % on    the database spills: checkpoints come more often, and after each vectors and payload
 *                              documents leave memory for the files that have them (shard_disk.c), in every collection
 *              from 90 % on    (less 8 MiB) a write that adds waits for the checkpoint under way and is refused if that was not enough
 *                              (OCT_FULL, 507): codes, links and numbers stay in memory, and have filled it
 *          Reads and deletions go on. A compaction that would not fit waits until it does.
 * COST     The kernel is asked every LOOK_NS, or when as much was written as matters; 20 us each time. Without a limit: one branch.
 * THREADS  Any.
 */
#ifndef OCT_COLLECTION_BUDGET_H
#define OCT_COLLECTION_BUDGET_H

#include <stdatomic.h>

#include "base/base.h"

#define BUDGET_LIMIT_MIN (64u << 20) /* bytes: less is a mistake in the unit */

typedef struct budget {
    uint64_t         limit;      /* bytes; 0: none. Set when opened */
    _Atomic uint64_t used;       /* when last looked */
    _Atomic uint64_t looked_ns;  /* 0: never */
    _Atomic uint64_t written;    /* admitted since */
    _Atomic uint64_t spill_log;  /* record bytes in the log when a checkpoint was last asked for */
    atomic_bool      spilling;   /* never unset */
} budget;

oct_status budget_init(budget *self, uint64_t limit, oct_error *error);
/* May a write of about so many bytes be made? OCT_FULL: not now. May wait for a checkpoint. */
oct_status budget_admit(oct_database *database, uint64_t bytes, oct_error *error);
/* Is there room for so many bytes that a job would like to have? Never waits. */
bool budget_has_room(oct_database *database, uint64_t bytes);

#endif
