/* deadline.h - until when the work of this thread is wanted.
 *
 * A caller says once how long it will wait (oct_time_limit); whatever it then asks for looks at the clock at intervals of
 * a millisecond or so and stops. It belongs to the thread and is no argument, as it concerns every read of octant.h and
 * the loops many calls below; threads that help with a split of this one's work (workers.h) have it meanwhile.
 * Nothing that a write has begun stops: deadlines are looked at before the log.
 *
 * Around that limit there may be the caller's own: a server that works for a client (deadline_enter) says until when
 * the client waits, and has a flag that another thread raises when the client has left. Whichever comes first counts.
 *
 * TRIES    A thread that others wait for, such as an event loop, runs what is quick itself and leaves the rest to others. Which
 *          of the two a request is shows only when its filter is compiled and its plan made. So the thread tries
 *          (deadline_try): the work is over when it takes longer than the thread can spare, or, better, when whoever
 *          knows what comes says that it will (deadline_expect), and is begun again elsewhere. A try fails with OCT_TIMEOUT and
 *          has changed nothing but what it paid (rate limits), which the next one need not pay again.
 */
#ifndef OCT_DEADLINE_H
#define OCT_DEADLINE_H

#include "base/base.h"

/* Of a request, for all its tries. Zero: none yet. */
typedef struct deadline_trial {
    uint64_t     until_ns; /* by CLOCK_MONOTONIC; 0: as long as it takes */
    _Atomic bool is_over;  /* also by a thread that helps */
    uint64_t     paid;     /* by all tries together */
    uint64_t     credit;   /* of this try: what earlier ones paid and it has not needed yet */
} deadline_trial;

typedef struct deadline {
    uint64_t            at_ns;    /* by CLOCK_MONOTONIC; 0: none */
    uint64_t            limit_ms; /* as it was given */
    uint64_t            outer_ns; /* as at_ns, of whoever this thread works for */
    const _Atomic bool *left;     /* NULL, or raised when nobody waits any more */
    deadline_trial     *trial;    /* NULL: none of which a caller has said that it is one */
} deadline;

void     deadline_set(deadline given);
deadline deadline_get(void);
/* From now on; 0: none. What deadline_enter said stays. */
void deadline_begin(uint64_t limit_ms);
/* What this thread does until deadline_leave is wanted until `outer_ns` (0: without end), and as long as *left is false
 * (NULL: always). */
void deadline_enter(uint64_t outer_ns, const _Atomic bool *left);
/* After deadline_enter: this is a try, for at most `patience_ns` from now on (0: as long as it takes). */
void deadline_try(deadline_trial *trial, uint64_t patience_ns);
void deadline_leave(void);
/* What comes will take about so long: OCT_TIMEOUT if that is more than this try has left. */
oct_status deadline_expect(uint64_t cost_ns, oct_error *error);
/* This try is over: what failed with OCT_TIMEOUT may succeed elsewhere. */
bool deadline_is_put_off(void);
/* Of what a request costs (tokens of a rate limit), the part that its earlier tries have not paid; and that it was paid. */
uint64_t deadline_owed(uint64_t cost);
void     deadline_pay(uint64_t cost);
bool deadline_has_passed(void);
/* OCT_TIMEOUT if it has, naming the limit. */
oct_status deadline_check(oct_error *error);

#endif
