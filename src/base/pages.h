/* pages.h - anonymous memory in whole pages. */
#ifndef OCT_PAGES_H
#define OCT_PAGES_H

#include "base/base.h"

#define PAGES_BYTES      4096u
#define PAGES_HUGE_BYTES (2u << 20)

/* Zeroed memory, private to the process, or NULL. 2 MiB or more is aligned to 2 MiB and asks for huge
 * pages: a random walk over it then misses the TLB far less.
 * `bytes` is rounded up to whole pages; give pages_unmap the same number. */
void *pages_map(size_t bytes);
void  pages_unmap(void *memory, size_t bytes);

/* Wishes about memory that a file is mapped over; whole pages around it are meant. Other memory does not mind. */
void pages_expect_jumps(void *memory, size_t bytes);  /* read no more than is asked for */
void pages_expect(const void *memory, size_t bytes);  /* all of it, soon: begin to read it */

#endif
