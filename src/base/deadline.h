/* deadline.h - until when the work of this thread is wanted.
 *
 * A caller says once how long it will wait (oct_time_limit); whatever it then asks for looks at the clock at intervals of
 * a millisecond or so and stops. It belongs to the thread and is no argument, as it concerns every read of octant.h and
 * the loops many calls below; threads that help with a split of this one's work (workers.h) have it meanwhile.
 * Nothing that a write has begun stops: deadlines are looked at before the log.
 *
 * Around that limit there may be the caller's own: a server that works for a client (deadline_enter) says until when
 * the client waits, and has a flag that another thread raises when the client has left. Whichever comes first counts.
 */
#ifndef OCT_DEADLINE_H
#define OCT_DEADLINE_H

#include "base/base.h"

typedef struct deadline {
    uint64_t            at_ns;    /* by CLOCK_MONOTONIC; 0: none */
    uint64_t            limit_ms; /* as it was given */
    uint64_t            outer_ns; /* as at_ns, of whoever this thread works for */
    const _Atomic bool *left;     /* NULL, or raised when nobody waits any more */
} deadline;

void     deadline_set(deadline given);
deadline deadline_get(void);
/* From now on; 0: none. What deadline_enter said stays. */
void deadline_begin(uint64_t limit_ms);
/* What this thread does until deadline_leave is wanted until `outer_ns` (0: without end), and as long as *left is false
 * (NULL: always). */
void deadline_enter(uint64_t outer_ns, const _Atomic bool *left);
void deadline_leave(void);
bool deadline_has_passed(void);
/* OCT_TIMEOUT if it has, naming the limit. */
oct_status deadline_check(oct_error *error);

#endif
