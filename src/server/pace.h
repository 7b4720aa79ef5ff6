/* pace.h - which requests are better not run on an event loop: learned from how long the last of their kind took.
 *
 * A search takes 100 us, and to hand it to a worker would cost a tenth of that; an exact search of a million points takes
 * 100 ms, in which no other client of the loop is heard, and in which its own client cannot be heard to leave. Which of the
 * two it will be, the engine often knows when it has made its plan, and then it is begun again by a worker (TRIES in
 * base/deadline.h). What the engine did not know is cut short when it has taken PACE_SLOW_NS of the loop, and remembered (by a
 * hash of route and collection): the next of its kind is run by a worker at once, until one of them was quick again.
 */
#ifndef OCT_SERVER_PACE_H
#define OCT_SERVER_PACE_H

#include "base/base.h"

#define PACE_SLOW_NS  2000000u /* of a loop: longer than most searches, shorter than a client notices */
#define PACE_QUICK_NS 1000000u /* of a worker: back to the loop */
#define PACE_SLOTS    256u

/* Zero is empty. One per loop, touched by its thread only. */
typedef struct pace {
    uint32_t slow[PACE_SLOTS]; /* keys; 0: free. Two kinds with one slot take turns, which costs time and no answer */
} pace;

/* Of a route and what tells a collection: two texts. Never 0. */
uint32_t pace_key(oct_slice route, oct_slice collection);
bool     pace_is_slow(const pace *self, uint32_t key);
/* What one took on a loop; and on a worker, where what was slow may have been known before. */
void     pace_note(pace *self, uint32_t key, uint64_t took_ns);
void     pace_forgive(pace *self, uint32_t key, uint64_t took_ns);

#endif
