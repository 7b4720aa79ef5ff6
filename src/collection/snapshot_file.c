/* Files that hold snapshots: those of the folder, those of elsewhere, and nameless ones that are being sent. See snapshot.h. */
#include "collection/snapshot.h"

#include <inttypes.h>
#include <stdio.h>

#define SUM_BYTES (1u << 20) /* read at a time */
#define INBOX     ".inbox"   /* no collection's folder begins with a dot */

static oct_status
file_new(os *system, const char *path, unsigned flags, oct_file **out, oct_error *error)
{
    oct_file  *self = oct_calloc(1, sizeof *self);
    oct_status status = self == NULL ? oct_fail_memory(error, sizeof *self) : OCT_OK;

    *out = NULL;
    if (status != OCT_OK)
        return status;
    self->system = system;
    status = os_open(system, path, flags, &self->file, error);
    if (status == OCT_OK)
        status = os_size(self->file, &self->size, error);
    if (status == OCT_OK)
        *out = self;
    else
        oct_file_close(self);
    return status;
}

oct_status
snapshot_file_open(os *system, const char *path, oct_file **out, oct_error *error)
{
    return file_new(system, path, 0, out, error);
}

oct_status
snapshot_file_new(oct_database *self, oct_file **out, oct_error *error)
{
    char       path[OS_PATH_MAX], name[32];
    uint64_t   number;
    oct_status status = os_path_join(path, self->snapshot_path, INBOX, error);

    *out = NULL;
    if (self->read_only)
        return oct_fail(error, OCT_FORBIDDEN, "the database %s was opened for reading only", self->path);
    if (status == OCT_OK)
        status = os_make_dir(self->snapshot_system, path, error);
    os_random(self->snapshot_system, &number, sizeof number);
    (void)snprintf(name, sizeof name, "/%016" PRIx64, number);
    if (status == OCT_OK && strlen(path) + strlen(name) >= sizeof path)
        status = oct_fail(error, OCT_RANGE, "the path of the snapshot folder, %s, is too long", self->snapshot_path);
    if (status != OCT_OK)
        return status;
    strcat(path, name);
    status = file_new(self->snapshot_system, path, OS_CREATE | OS_EXCLUSIVE, out, error);
    if (status != OCT_OK)
        return status;
    (*out)->gone = oct_copy_text(path, strlen(path));
    if ((*out)->gone == NULL) {
        (void)os_remove(self->snapshot_system, path, NULL);
        oct_file_close(*out);
        *out = NULL;
        return oct_fail_memory(error, strlen(path));
    }
    return OCT_OK;
}

oct_status
oct_file_write(oct_file *file, const void *data, size_t size, oct_error *error)
{
    const oct_status status = os_write(file->file, file->size, data, size, error);

    if (status == OCT_OK)
        file->size += size;
    return status;
}

oct_status
oct_file_read(oct_file *file, uint64_t offset, void *data, size_t size, size_t *got, oct_error *error)
{
    return os_read(file->file, offset, data, size, got, error);
}

uint64_t
oct_file_size(const oct_file *file)
{
    return file->size;
}

oct_status
oct_file_sha256(oct_file *file, uint64_t offset, uint64_t size, char sum[OCT_SHA256_TEXT], oct_error *error)
{
    char      *copy = oct_alloc(SUM_BYTES);
    oct_status status = copy == NULL ? oct_fail_memory(error, SUM_BYTES) : OCT_OK;
    sha256     state;

    sum[0] = '\0';
    sha256_init(&state);
    for (uint64_t at = 0; at < size && status == OCT_OK;) {
        const size_t some = size - at < SUM_BYTES ? (size_t)(size - at) : SUM_BYTES;

        status = os_read_all(file->file, offset + at, copy, some, error);
        if (status == OCT_OK)
            sha256_add(&state, copy, some);
        at += some;
    }
    oct_free(copy);
    if (status == OCT_OK)
        sha256_text(&state, sum);
    return status;
}

void
oct_file_close(oct_file *file)
{
    if (file == NULL)
        return;
    if (file->gone != NULL)
        (void)os_remove(file->system, file->gone, NULL);
    os_close(file->file);
    oct_free(file->gone);
    oct_free(file);
}
