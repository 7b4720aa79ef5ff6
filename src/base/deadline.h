/* deadline.h - until when the work of this thread is wanted.
 *
 * A caller says once how long it will wait (oct_time_limit); whatever it then asks for looks at the clock at intervals of
 * a millisecond or so and stops. It belongs to the thread and is no argument, as it concerns every read of octant.h and
 * the loops many calls below; threads that help with a split of this one's work (workers.h) have it meanwhile.
 * Nothing that a write has begun stops: deadlines are looked at before the log.
 */
#ifndef OCT_DEADLINE_H
#define OCT_DEADLINE_H

#include "base/base.h"

typedef struct deadline {
    uint64_t at_ns;    /* by CLOCK_MONOTONIC; 0: none */
    uint64_t limit_ms; /* as it was given */
} deadline;

void     deadline_set(deadline given);
deadline deadline_get(void);
/* From now on; 0: none. */
void deadline_begin(uint64_t limit_ms);
bool deadline_has_passed(void);
/* OCT_TIMEOUT if it has, naming the limit. */
oct_status deadline_check(oct_error *error);

#endif
