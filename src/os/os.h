/* os.h - the operating system as a table of functions: files, maps, sync, clocks, randomness.
 *
 * OWNS     every call by which the engine touches a disk or a clock. `os_posix` is the real one,
 *          `os_memory_new` keeps files in anonymous memory (a database at ":memory:" and many tests),
 *          and tests wrap either to drop, tear or fail calls (tests/support/os_fault.h).
 * CALLED   by storage, and by the shard for maps. Calls nothing but libc.
 * PATHS    are UTF-8, NUL-terminated, with '/' between parts.
 * DURABLE  Bytes written count as durable after os_sync of the file, names (created, renamed, removed)
 *          after os_sync_dir of the folder, and not before: tests take that literally. So a new folder
 *          is durable after os_sync_dir of its parent.
 * ERRORS   OCT_IO with path and the system's text; OCT_FULL for a full disk or quota; OCT_NOT_FOUND
 *          for a missing file or folder; OCT_LOCKED from os_lock; OCT_NOMEM. A call that failed changed
 *          nothing, except that a failed write may have written a part.
 * THREADS  An os may be used by all threads. One os_file may be read and written at different ranges
 *          by many threads at once; close it when none uses it.
 */
#ifndef OCT_OS_H
#define OCT_OS_H

#include "base/base.h"

typedef struct os      os;
typedef struct os_file os_file;

enum { /* flags of os_open; reading is always allowed */
       OS_WRITE = 1,
       OS_CREATE = 2,   /* make it if absent (implies OS_WRITE) */
       OS_TRUNCATE = 4, /* empty it */
       OS_EXCLUSIVE = 8 /* with OS_CREATE: fail with OCT_EXISTS if it is there */
};

typedef struct os_ops {
    oct_status (*open)(os *self, const char *path, unsigned flags, os_file **out, oct_error *error);
    void (*close)(os_file *file);
    oct_status (*read)(os_file *file, uint64_t offset, void *data, size_t size, size_t *got,
                       oct_error *error);
    oct_status (*write)(os_file *file, uint64_t offset, const void *data, size_t size, oct_error *error);
    oct_status (*sync)(os_file *file, oct_error *error);
    oct_status (*size)(os_file *file, uint64_t *out, oct_error *error);
    oct_status (*truncate)(os_file *file, uint64_t size, oct_error *error);
    oct_status (*reserve)(os_file *file, uint64_t offset, uint64_t size, oct_error *error);
    oct_status (*map)(os_file *file, uint64_t offset, size_t size, void *at, void **out, oct_error *error);
    void (*unmap)(os *self, void *memory, size_t size);
    oct_status (*rename)(os *self, const char *from, const char *to, oct_error *error);
    oct_status (*remove)(os *self, const char *path, oct_error *error);
    oct_status (*make_dir)(os *self, const char *path, oct_error *error);
    oct_status (*remove_dir)(os *self, const char *path, oct_error *error);
    oct_status (*list)(os *self, const char *path, char ***names, size_t *count, oct_error *error);
    oct_status (*sync_dir)(os *self, const char *path, oct_error *error);
    oct_status (*lock)(os *self, const char *path, os_file **out, oct_error *error);
    uint64_t (*clock_ns)(os *self);
    void (*random)(os *self, void *data, size_t size);
    uint64_t (*room)(os *self, const char *path);
    void (*destroy)(os *self);
} os_ops;

struct os { /* implementations put this first in a struct of their own */
    const os_ops *ops;
    bool          is_volatile; /* nothing outlives the process: no log is kept, no checkpoint written */
};

struct os_file { /* likewise */
    const os_ops *ops;
    os           *system;
    const char   *path; /* as opened, for messages; lives as long as the file */
};

os        *os_posix(void); /* the one for real files; never freed */
oct_status os_memory_new(os **out, oct_error *error);
void       os_free(os *self); /* accepts NULL and os_posix() */

/* *out is NULL on failure; close accepts NULL. */
oct_status os_open(os *self, const char *path, unsigned flags, os_file **out, oct_error *error);
void       os_close(os_file *file);
bool       os_exists(os *self, const char *path); /* can it be opened for reading? */
/* Read up to `size` bytes; *got is less only at the end of the file. */
oct_status os_read(os_file *file, uint64_t offset, void *data, size_t size, size_t *got, oct_error *error);
/* Read exactly `size` bytes; OCT_CORRUPT if the file ends before. */
oct_status os_read_all(os_file *file, uint64_t offset, void *data, size_t size, oct_error *error);
/* Write all of it, extending the file. Partial writes and EINTR are dealt with inside. */
oct_status os_write(os_file *file, uint64_t offset, const void *data, size_t size, oct_error *error);
oct_status os_sync(os_file *file, oct_error *error); /* fdatasync: bytes and the size needed to read them */
oct_status os_size(os_file *file, uint64_t *out, oct_error *error);
oct_status os_truncate(os_file *file, uint64_t size, oct_error *error);
/* Make sure that writes to this range cannot fail for want of space; the file grows to hold it and the
 * new bytes read as zero. Where the file system cannot promise, zeroes are written behind the end of the
 * file. No other thread may make the file longer meanwhile. */
oct_status os_reserve(os_file *file, uint64_t offset, uint64_t size, oct_error *error);
/* Map a range, copy on write: stores stay private to this process. `offset` is a multiple of
 * OS_PAGE_BYTES. `at` NULL: anywhere; else exactly there, replacing anonymous memory of the caller's.
 * Bytes past the end of the file inside the last page read as zero; a range that begins a page or more
 * past the end is OCT_CORRUPT. What is written to the file later may or may not be seen. */
oct_status os_map(os_file *file, uint64_t offset, size_t size, void *at, void **out, oct_error *error);
void       os_unmap(os *self, void *memory, size_t size);
oct_status os_rename(os *self, const char *from, const char *to,
                     oct_error *error);                                 /* a file; replaces `to` */
oct_status os_remove(os *self, const char *path, oct_error *error);     /* a missing file is ok */
oct_status os_make_dir(os *self, const char *path, oct_error *error);   /* with its parents; existing is ok */
oct_status os_remove_dir(os *self, const char *path, oct_error *error); /* an empty one; missing is ok */
/* Names in a folder, sorted, without "." and "..". One allocation: oct_free(names). */
oct_status os_list(os *self, const char *path, char ***names, size_t *count, oct_error *error);
oct_status os_sync_dir(os *self, const char *path, oct_error *error);
/* Hold `path` against every other process (and other opens in this one) until os_close(*out). The file
 * is made if absent and stays; OCT_LOCKED says who holds it. */
oct_status os_lock(os *self, const char *path, os_file **out, oct_error *error);
uint64_t   os_clock_ns(os *self); /* CLOCK_MONOTONIC, so that it serves for timed waits */
void       os_random(os *self, void *data, size_t size);
/* Bytes that the disk of this folder has left for who writes now; UINT64_MAX: without end, or nobody knows. */
uint64_t   os_room(os *self, const char *path);

#define OS_PAGE_BYTES 4096u
#define OS_PATH_MAX   4096u
#define OS_NAME_MAX   255u /* bytes of one part of a path */

/* "folder/name" into `path`; OCT_RANGE if it is too long. */
oct_status os_path_join(char path[OS_PATH_MAX], const char *folder, const char *name, oct_error *error);

#endif /* OCT_OS_H */
