/* os_internal.h - what the implementations of os.h share. */
#ifndef OCT_OS_INTERNAL_H
#define OCT_OS_INTERNAL_H

#include "os/os.h"

/* What os_list answers with, from `count` NUL-terminated names one after the other: sorted, in one
 * allocation. */
oct_status os_names_from(const buffer *texts, size_t count, char ***names, oct_error *error);

/* OCT_CORRUPT if a map of [offset, offset + size) would touch a page that holds no byte of the file:
 * a load from there would be a SIGBUS, not an error. */
oct_status os_check_map(const char *path, uint64_t file_size, uint64_t offset, size_t size, oct_error *error);

#endif
