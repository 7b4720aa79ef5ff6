/* spare.h - room on the disk that is kept back for what must still work when the disk is full.
 *
 * A file of zeros that the disk has promised room for. Who needs it lets go of the file and writes into what has become free.
 * Nothing is ever read from it, and it need not survive a crash: it is not synced, and is made again by the next one who
 * adds to the database. docs/reliability.md tells what the room is for.
 * THREADS  The caller's lock.
 */
#ifndef OCT_SPARE_H
#define OCT_SPARE_H

#include "os/os.h"

typedef struct spare {
    os      *system;
    char    *path;
    uint64_t held;   /* bytes of the file that are promised */
    uint64_t wanted; /* as many it should have */
} spare;

/* Of the file `name` in `folder`. What an earlier process held there counts. */
oct_status spare_init(spare *self, os *system, const char *folder, const char *name, uint64_t wanted, oct_error *error);
void       spare_clear(spare *self); /* the file stays */
/* Hold as many bytes as are wanted. OCT_FULL: there is no such room; what is held already stays held. */
oct_status spare_hold(spare *self, oct_error *error);
/* Want no more than `wanted` bytes, and give the rest back to the disk. What fails is tried again the next time. */
void spare_shrink(spare *self, uint64_t wanted);
/* Give the room back to the disk. False: there was none. */
bool spare_release(spare *self);

static inline bool
spare_is_held(const spare *self)
{
    return self->held >= self->wanted;
}

#endif
