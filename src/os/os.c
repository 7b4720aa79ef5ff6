/* The parts of os.h that every implementation has in common: defaults of out-parameters, whole reads. */
#include "os/os_internal.h"

#include <stdio.h>
#include <stdlib.h>

void
os_free(os *self)
{
    if (self != NULL)
        self->ops->destroy(self);
}

oct_status
os_open(os *self, const char *path, unsigned flags, os_file **out, oct_error *error)
{
    *out = NULL;
    if ((flags & OS_CREATE) != 0)
        flags |= OS_WRITE;
    return self->ops->open(self, path, flags, out, error);
}

void
os_close(os_file *file)
{
    if (file != NULL)
        file->ops->close(file);
}

bool
os_exists(os *self, const char *path)
{
    os_file         *file = NULL;
    const oct_status status = os_open(self, path, 0, &file, NULL);

    os_close(file);
    return status == OCT_OK;
}

oct_status
os_read(os_file *file, uint64_t offset, void *data, size_t size, size_t *got, oct_error *error)
{
    *got = 0;
    return file->ops->read(file, offset, data, size, got, error);
}

oct_status
os_read_all(os_file *file, uint64_t offset, void *data, size_t size, oct_error *error)
{
    size_t           got;
    const oct_status status = os_read(file, offset, data, size, &got, error);

    if (status != OCT_OK)
        return status;
    if (got < size)
        return oct_fail(error, OCT_CORRUPT,
                        "%s: the file ends at offset %llu, expected %zu bytes from offset %llu", file->path,
                        (unsigned long long)(offset + got), size, (unsigned long long)offset);
    return OCT_OK;
}

oct_status
os_write(os_file *file, uint64_t offset, const void *data, size_t size, oct_error *error)
{
    return size == 0 ? OCT_OK : file->ops->write(file, offset, data, size, error);
}

oct_status
os_sync(os_file *file, oct_error *error)
{
    return file->ops->sync(file, error);
}

oct_status
os_size(os_file *file, uint64_t *out, oct_error *error)
{
    *out = 0;
    return file->ops->size(file, out, error);
}

oct_status
os_truncate(os_file *file, uint64_t size, oct_error *error)
{
    return file->ops->truncate(file, size, error);
}

oct_status
os_reserve(os_file *file, uint64_t offset, uint64_t size, oct_error *error)
{
    return size == 0 ? OCT_OK : file->ops->reserve(file, offset, size, error);
}

oct_status
os_map(os_file *file, uint64_t offset, size_t size, void *at, void **out, oct_error *error)
{
    *out = NULL;
    if (size == 0 || offset % OS_PAGE_BYTES != 0)
        return oct_fail(error, OCT_INVALID,
                        "%s: cannot map %zu bytes at offset %llu: no bytes, or not a page's start",
                        file->path, size, (unsigned long long)offset);
    return file->ops->map(file, offset, size, at, out, error);
}

void
os_unmap(os *self, void *memory, size_t size)
{
    if (memory != NULL)
        self->ops->unmap(self, memory, size);
}

oct_status
os_rename(os *self, const char *from, const char *to, oct_error *error)
{
    return self->ops->rename(self, from, to, error);
}

oct_status
os_remove(os *self, const char *path, oct_error *error)
{
    return self->ops->remove(self, path, error);
}

oct_status
os_make_dir(os *self, const char *path, oct_error *error)
{
    return self->ops->make_dir(self, path, error);
}

oct_status
os_remove_dir(os *self, const char *path, oct_error *error)
{
    return self->ops->remove_dir(self, path, error);
}

oct_status
os_list(os *self, const char *path, char ***names, size_t *count, oct_error *error)
{
    *names = NULL;
    *count = 0;
    return self->ops->list(self, path, names, count, error);
}

oct_status
os_sync_dir(os *self, const char *path, oct_error *error)
{
    return self->ops->sync_dir(self, path, error);
}

oct_status
os_lock(os *self, const char *path, os_file **out, oct_error *error)
{
    *out = NULL;
    return self->ops->lock(self, path, out, error);
}

uint64_t
os_clock_ns(os *self)
{
    return self->ops->clock_ns(self);
}

void
os_random(os *self, void *data, size_t size)
{
    self->ops->random(self, data, size);
}

oct_status
os_path_join(char path[OS_PATH_MAX], const char *folder, const char *name, oct_error *error)
{
    const int length = snprintf(path, OS_PATH_MAX, "%s/%s", folder, name);

    if (length < 0 || length >= (int)OS_PATH_MAX)
        return oct_fail(error, OCT_RANGE,
                        "the path %.60s.../%.60s is longer than %u bytes; use a shorter folder", folder, name,
                        OS_PATH_MAX - 1);
    return OCT_OK;
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

oct_status
os_names_from(const buffer *texts, size_t count, char ***names, oct_error *error)
{
    const size_t pointers = count * sizeof(char *);
    char       **list = texts->failed ? NULL : oct_alloc(pointers + texts->size);
    char        *text;

    *names = NULL;
    if (list == NULL)
        return oct_fail_memory(error, pointers + texts->size);
    text = (char *)list + pointers;
    if (texts->size > 0)
        memcpy(text, texts->data, texts->size);
    for (size_t i = 0; i < count; i++) {
        list[i] = text;
        text += strlen(text) + 1;
    }
    qsort(list, count, sizeof list[0], compare_names);
    *names = list;
    return OCT_OK;
}

oct_status
os_check_map(const char *path, uint64_t file_size, uint64_t offset, size_t size, oct_error *error)
{
    const uint64_t end = (file_size + OS_PAGE_BYTES - 1) / OS_PAGE_BYTES * OS_PAGE_BYTES;

    if (offset > end || size > end - offset)
        return oct_fail(error, OCT_CORRUPT,
                        "%s: the file ends at offset %llu, expected %zu bytes from offset %llu", path,
                        (unsigned long long)file_size, size, (unsigned long long)offset);
    return OCT_OK;
}

uint64_t
os_room(os *self, const char *path)
{
    return self->ops->room(self, path);
}
