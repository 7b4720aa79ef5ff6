/* os_fault.h - a disk in memory that forgets, tears and fails as a real one may, but on demand.
 *
 * WHAT     An os (src/os/os.h) for crash tests and fault injection. Every file has its synced content and
 *          the list of writes since; every name made, renamed or removed waits for os_sync_dir of its
 *          folder. Nothing unsynced may be relied upon, in any order: that is all POSIX promises.
 * CRASH    os_fault_crash makes the disk as it may be found after the power went now. Each unsynced write
 *          is kept, dropped or torn at 512-byte sectors, each unsynced name kept or dropped, all at random
 *          and one by one. A file whose name was lost is lost; so is all in a folder whose name was lost.
 * FAIL     os_fault_fail_at makes the n-th call from now fail. A write that fails has written its first half.
 * THREADS  Any; a crash may be taken while others write.
 */
#ifndef OCT_OS_FAULT_H
#define OCT_OS_FAULT_H

#include "os/os.h"
#include "support/test.h"

#define OS_FAULT_SECTOR_BYTES 512u

/* Called before a sync of a file or a folder becomes true: the moment when most is unsynced. By any thread, which holds no
 * lock of the disk. Set before the disk is used; NULL: nobody. */
typedef void (*os_fault_watch)(void *context);

typedef struct os_fault_counts {
    uint64_t calls; /* that can fail: all but close, unmap, clock, random */
    uint64_t writes;
    uint64_t bytes_written;
    uint64_t syncs; /* of files */
    uint64_t dir_syncs;
} os_fault_counts;

os *os_fault_new(void); /* empty, never NULL; released with os_free */
os *os_fault_crash(os *self, test_rng *rng);
void os_fault_on_sync(os *self, os_fault_watch watch, void *context);

/* The n-th call from now (0: the next) fails with `status`; `sticky`: and all that follow. UINT64_MAX
 * switches it off. */
void os_fault_fail_at(os *self, uint64_t n, oct_status status, bool sticky);
/* Has the call that was to fail been made? */
bool os_fault_has_failed(os *self);
/* All files together may hold so many bytes; what would be more is OCT_FULL. UINT64_MAX: no limit. */
void     os_fault_limit(os *self, uint64_t bytes);
uint64_t os_fault_bytes(os *self); /* in all files now */
/* Every sync of a file takes so long: what group commit is for. */
void            os_fault_slow_sync(os *self, uint32_t microseconds);
os_fault_counts os_fault_count(os *self);

#endif
