/* epoch.h - when old memory may go: readers pin, writers retire.
 *
 * WHAT     A writer replaces a structure by storing a new pointer, then retires the old one. It is
 *          released once every reader that might still hold it has unpinned.
 * HOW      One global counter. A pin publishes the counter's value in the thread's own slot; a retire
 *          takes the counter and adds one. What was retired at `tag` may go when every pinned slot shows
 *          more than `tag`. Pointer and slot are stored and loaded in one total order
 *          (memory_order_seq_cst), so a reader whose pin the scan did not see finds the new pointer.
 *          Epoch-based reclamation: Fraser, "Practical lock-freedom", 2004, section 5.2.3.
 * COST     A pin is a store and a fence. No thread ever waits for another.
 * THREADS  Any. Pins nest. Do not sleep, wait for a lock held by a writer, or call user code while pinned.
 */
#ifndef OCT_EPOCH_H
#define OCT_EPOCH_H

#include "base/base.h"

void epoch_pin(void);
void epoch_unpin(void);

/* Call release(memory) when no reader can hold it, on whatever thread finds that out. Allocates a note; without
 * memory it takes one of a few in reserve, and waits when those are all in use. */
void epoch_retire(void *memory, void (*release)(void *memory));
/* Release what can be released now. */
void epoch_collect(void);
/* Wait until everything retired so far is released. Not while pinned. */
void epoch_drain(void);

#endif
