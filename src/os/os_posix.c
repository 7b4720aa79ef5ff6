/* os.h on the real operating system: positioned reads and writes, fdatasync, maps, flock.
 *
 * RETRY    A call that a signal interrupted is made again - except a sync. After a failed sync the kernel
 *          may have dropped the pages and forgotten the error, so that a second sync succeeds over lost
 *          bytes; whatever the reason was, it is reported, and the caller stops trusting the file.
 * LOCK     flock, because it belongs to the open file and not to the process: a second open in this
 *          process conflicts too, and closing an unrelated handle of the same file does not let go of it, as
 *          it would with POSIX record locks. The holder's process id is in the file, for the message.
 */
#include "os/os_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define ZERO_BYTES 65536u /* written at a time where the file system cannot reserve */

typedef struct posix_file {
    os_file base;
    int     fd;
    char    path[];
} posix_file;

static int
fd_of(const os_file *file)
{
    return ((const posix_file *)(const void *)file)->fd;
}

/* The status for an errno, with "cannot WHAT PATH: the system's text". strerror and not strerror_r, which
 * comes in two shapes: in glibc since 2.32 and in musl its text is a constant or the thread's own. */
static oct_status
fail_errno(oct_error *error, int number, const char *what, const char *path)
{
    oct_status status = OCT_IO;

    if (number == ENOSPC || number == EDQUOT)
        status = OCT_FULL;
    else if (number == ENOENT)
        status = OCT_NOT_FOUND;
    else if (number == EEXIST)
        status = OCT_EXISTS;
    else if (number == ENOMEM)
        status = OCT_NOMEM;
    return oct_fail(error, status, "cannot %s %s: %s%s", what, path, strerror(number),
                    status == OCT_FULL ? "; free some space on that disk" : "");
}

/* The handle before the file: so that a lack of memory is found before anything is made or emptied. */
static oct_status
file_new(os *self, const char *path, posix_file **out, oct_error *error)
{
    const size_t size = strlen(path) + 1;
    posix_file  *file = oct_alloc(sizeof *file + size);

    *out = file;
    if (file == NULL)
        return oct_fail_memory(error, sizeof *file + size);
    memcpy(file->path, path, size);
    file->base = (os_file){self->ops, self, file->path};
    file->fd = -1;
    return OCT_OK;
}

static int
open_retrying(const char *path, int flags)
{
    int fd;

    do {
        fd = open(path, flags | O_CLOEXEC, 0666); /* the umask narrows it */
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static oct_status
posix_open(os *self, const char *path, unsigned flags, os_file **out, oct_error *error)
{
    int         how = (flags & OS_WRITE) != 0 ? O_RDWR : O_RDONLY;
    posix_file *file;
    oct_status  status = file_new(self, path, &file, error);

    if (status != OCT_OK)
        return status;
    if ((flags & OS_CREATE) != 0)
        how |= O_CREAT;
    if ((flags & OS_TRUNCATE) != 0)
        how |= O_TRUNC;
    if ((flags & OS_EXCLUSIVE) != 0)
        how |= O_EXCL;
    file->fd = open_retrying(path, how);
    if (file->fd < 0) {
        status = fail_errno(error, errno, "open", path);
        oct_free(file);
        return status;
    }
    *out = &file->base;
    return OCT_OK;
}

static void
posix_close(os_file *file)
{
    (void)close(fd_of(file)); /* what had to be durable was synced; there is nothing left to lose */
    oct_free(file);
}

static oct_status
posix_read(os_file *file, uint64_t offset, void *data, size_t size, size_t *got, oct_error *error)
{
    while (*got < size) {
        const ssize_t count = pread(fd_of(file), (char *)data + *got, size - *got, (off_t)(offset + *got));

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return fail_errno(error, errno, "read", file->path);
        if (count == 0)
            break;
        *got += (size_t)count;
    }
    return OCT_OK;
}

static oct_status
posix_write(os_file *file, uint64_t offset, const void *data, size_t size, oct_error *error)
{
    size_t done = 0;

    while (done < size) {
        const ssize_t count =
            pwrite(fd_of(file), (const char *)data + done, size - done, (off_t)(offset + done));

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return fail_errno(error, errno, "write", file->path);
        if (count == 0) /* no disk does this; better an error than a loop without end */
            return fail_errno(error, EIO, "write", file->path);
        done += (size_t)count;
    }
    return OCT_OK;
}

static oct_status
posix_sync(os_file *file, oct_error *error)
{
    return fdatasync(fd_of(file)) == 0 ? OCT_OK : fail_errno(error, errno, "sync", file->path);
}

static oct_status
posix_size(os_file *file, uint64_t *out, oct_error *error)
{
    struct stat info;

    if (fstat(fd_of(file), &info) != 0)
        return fail_errno(error, errno, "find the size of", file->path);
    *out = (uint64_t)info.st_size;
    return OCT_OK;
}

static oct_status
posix_truncate(os_file *file, uint64_t size, oct_error *error)
{
    int result;

    do {
        result = ftruncate(fd_of(file), (off_t)size);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? OCT_OK : fail_errno(error, errno, "set the size of", file->path);
}

/* For file systems without fallocate: what lies inside the file is taken as held, zeroes follow. */
static oct_status
write_zeros(os_file *file, uint64_t offset, uint64_t end, oct_error *error)
{
    static const char zeros[ZERO_BYTES];

    while (offset < end) {
        const size_t     count = (size_t)(end - offset < ZERO_BYTES ? end - offset : ZERO_BYTES);
        const oct_status status = posix_write(file, offset, zeros, count, error);

        if (status != OCT_OK)
            return status;
        offset += count;
    }
    return OCT_OK;
}

static oct_status
posix_reserve(os_file *file, uint64_t offset, uint64_t size, oct_error *error)
{
    uint64_t   before, after;
    oct_status status = posix_size(file, &before, error);
    int        result;

    if (status != OCT_OK)
        return status;
    do {
        result = fallocate(fd_of(file), 0, (off_t)offset, (off_t)size);
    } while (result != 0 && errno == EINTR);
    if (result == 0)
        return OCT_OK;
    if (errno == EOPNOTSUPP || errno == ENOSYS)
        status = write_zeros(file, before, offset + size, error);
    else
        status = fail_errno(error, errno, "reserve space in", file->path);

    /* A reservation that ran into the end of the disk may have grown the file: give that back. */
    if (status != OCT_OK && posix_size(file, &after, NULL) == OCT_OK && after > before)
        (void)posix_truncate(file, before, NULL);
    return status;
}

static oct_status
posix_map(os_file *file, uint64_t offset, size_t size, void *at, void **out, oct_error *error)
{
    uint64_t   file_size;
    oct_status status = posix_size(file, &file_size, error);
    void      *memory;

    if (status == OCT_OK)
        status = os_check_map(file->path, file_size, offset, size, error);
    if (status != OCT_OK)
        return status;
    memory = mmap(at, size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_NORESERVE | (at == NULL ? 0 : MAP_FIXED), fd_of(file), (off_t)offset);
    if (memory == MAP_FAILED)
        return fail_errno(error, errno, "map", file->path);
    *out = memory;
    return OCT_OK;
}

static void
posix_unmap(os *self, void *memory, size_t size)
{
    (void)self;
    (void)munmap(memory, size);
}

static oct_status
posix_rename(os *self, const char *from, const char *to, oct_error *error)
{
    (void)self;
    return rename(from, to) == 0 ? OCT_OK : fail_errno(error, errno, "rename", from);
}

static oct_status
posix_remove(os *self, const char *path, oct_error *error)
{
    (void)self;
    return unlink(path) == 0 || errno == ENOENT ? OCT_OK : fail_errno(error, errno, "remove", path);
}

/* One folder whose parent exists. */
static oct_status
make_one_dir(const char *path, oct_error *error)
{
    struct stat info;
    int         number;

    if (mkdir(path, 0777) == 0)
        return OCT_OK;
    number = errno;
    if (stat(path, &info) == 0) { /* also where mkdir answers EROFS or EACCES before EEXIST */
        if (S_ISDIR(info.st_mode))
            return OCT_OK;
        return oct_fail(error, OCT_EXISTS, "cannot make the folder %s: a file of that name is in the way",
                        path);
    }
    return fail_errno(error, number, "make the folder", path);
}

static oct_status
posix_make_dir(os *self, const char *path, oct_error *error)
{
    char         part[OS_PATH_MAX];
    const size_t size = strlen(path);
    oct_status   status;

    (void)self;
    if (size >= sizeof part)
        return fail_errno(error, ENAMETOOLONG, "make the folder", path);
    memcpy(part, path, size + 1);
    for (size_t i = 1; i < size; i++) {
        if (part[i] != '/' || part[i - 1] == '/')
            continue;
        part[i] = '\0';
        status = make_one_dir(part, error);
        if (status != OCT_OK)
            return status;
        part[i] = '/';
    }
    return make_one_dir(part, error);
}

static oct_status
posix_remove_dir(os *self, const char *path, oct_error *error)
{
    (void)self;
    return rmdir(path) == 0 || errno == ENOENT ? OCT_OK : fail_errno(error, errno, "remove the folder", path);
}

static oct_status
posix_list(os *self, const char *path, char ***names, size_t *count, oct_error *error)
{
    DIR                 *folder = opendir(path);
    buffer               texts = {0};
    const struct dirent *entry;
    oct_status           status;

    (void)self;
    if (folder == NULL)
        return fail_errno(error, errno, "list", path);
    for (errno = 0; (entry = readdir(folder)) != NULL; errno = 0) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        buffer_add(&texts, entry->d_name, strlen(entry->d_name) + 1);
        (*count)++;
    }
    status =
        errno != 0 ? fail_errno(error, errno, "list", path) : os_names_from(&texts, *count, names, error);
    if (status != OCT_OK)
        *count = 0;
    buffer_clear(&texts);
    (void)closedir(folder);
    return status;
}

static oct_status
posix_sync_dir(os *self, const char *path, oct_error *error)
{
    const int  fd = open_retrying(path, O_RDONLY | O_DIRECTORY);
    oct_status status = OCT_OK;

    (void)self;
    if (fd < 0)
        return fail_errno(error, errno, "open the folder", path);
    if (fsync(fd) != 0 && errno != EINVAL) /* EINVAL: this file system has no such thing as a folder's sync */
        status = fail_errno(error, errno, "sync the folder", path);
    (void)close(fd);
    return status;
}

static oct_status
fail_locked(const char *path, int fd, oct_error *error)
{
    char          text[32] = "";
    const ssize_t count = pread(fd, text, sizeof text - 1, 0);
    const long    pid = count > 0 ? strtol(text, NULL, 10) : 0;

    if (pid == (long)getpid())
        return oct_fail(error, OCT_LOCKED,
                        "%s is locked: this process has the database open already; use that handle, "
                        "or close it first",
                        path);
    if (pid > 0)
        return oct_fail(error, OCT_LOCKED,
                        "%s is locked: another process (pid %ld) has the database open; close it "
                        "there, or send requests to that process",
                        path, pid);
    return oct_fail(error, OCT_LOCKED,
                    "%s is locked: another process has the database open; close it there, or send "
                    "requests to that process",
                    path);
}

/* Who holds the lock, for the message to others. A full disk must not keep anyone from opening, so a
 * failure here costs only the number in that message. */
static void
note_holder(int fd)
{
    char       text[32];
    const int  length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    const bool noted = ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)length, 0) == (ssize_t)length;

    (void)noted;
}

static oct_status
posix_lock(os *self, const char *path, os_file **out, oct_error *error)
{
    posix_file *file;
    oct_status  status = file_new(self, path, &file, error);
    int         result;

    if (status != OCT_OK)
        return status;
    file->fd = open_retrying(path, O_RDWR | O_CREAT);
    if (file->fd < 0) {
        status = fail_errno(error, errno, "open", path);
        oct_free(file);
        return status;
    }
    do {
        result = flock(file->fd, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        status = errno == EWOULDBLOCK ? fail_locked(path, file->fd, error)
                                      : fail_errno(error, errno, "lock", path);
        posix_close(&file->base);
        return status;
    }
    note_holder(file->fd);
    *out = &file->base;
    return OCT_OK;
}

static uint64_t
posix_clock_ns(os *self)
{
    struct timespec now;

    (void)self;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void
posix_random(os *self, void *data, size_t size)
{
    size_t done = 0;

    (void)self;
    while (done < size) {
        const ssize_t count = getrandom((char *)data + done, size - done, 0);

        OCT_MUST(count > 0 || errno == EINTR); /* it has no other way to fail on a kernel that has it */
        if (count > 0)
            done += (size_t)count;
    }
}

static uint64_t
posix_room(os *self, const char *path)
{
    struct statvfs disk;

    (void)self;
    return statvfs(path, &disk) == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize : UINT64_MAX;
}

static void
posix_destroy(os *self)
{
    (void)self; /* static */
}

os *
os_posix(void)
{
    static const os_ops ops = {
        posix_open,     posix_close,    posix_read,     posix_write,      posix_sync,
        posix_size,     posix_truncate, posix_reserve,  posix_map,        posix_unmap,
        posix_rename,   posix_remove,   posix_make_dir, posix_remove_dir, posix_list,
        posix_sync_dir, posix_lock,     posix_clock_ns, posix_random,     posix_room,
        posix_destroy,
    };
    static os self = {&ops, false};

    return &self;
}
