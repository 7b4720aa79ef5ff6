/* manifest.h - the catalogue and the truth: one file that says which files and lengths count.
 *
 * The content is JSON made and read by the catalogue (collection/catalogue.c); this module makes its
 * replacement atomic: temporary file, sync, rename to manifest.<n+1>, sync of the folder. The rename is
 * the only point at which a checkpoint becomes true.
 */
#ifndef OCT_MANIFEST_H
#define OCT_MANIFEST_H

#include "os/os.h"

#define MANIFEST_BYTES_MAX (1u << 30)

/* Read the newest manifest in `folder`. *number 0 and an empty content if there is none, or no folder. A
 * temporary file is a left-over and is ignored. If the newest is damaged: OCT_CORRUPT with file and
 * offset. content->data is NUL-terminated beyond `size` and released with oct_free. */
oct_status manifest_read(os *system, const char *folder, uint64_t *number, oct_slice *content,
                         oct_error *error);
/* Write `number` + 1 and drop older ones. *number is the new one on success and unchanged on failure.
 * OCT_STOPPED: the new name was given but could not be made durable, so nobody knows which manifest the
 * next open will find. Then write no checkpoint until the database was opened again: files that
 * either manifest names must stay as they are. After any other failure the old manifest counts. */
oct_status manifest_write(os *system, const char *folder, uint64_t *number, oct_slice content,
                          oct_error *error);

#endif
