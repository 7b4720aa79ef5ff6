/* See manifest.h.
 *
 * LAYOUT   Little-endian. A file `manifest.<ten digits>`:
 *              offset size  meaning
 *                   0    8  magic "OCTMANIF"
 *                   8    4  version, 1
 *                  12    4  zero
 *                  16    8  size of the content
 *                  24    4  CRC-32C of the content
 *                  28    4  CRC-32C of the 28 bytes before
 *                  32    n  content, to the end of the file
 * VALID    The highest number counts. It was complete and durable before it got its name, so if it does
 *          not hold now, that is damage; an older one, if still there, would be a lie.
 */
#include "storage/manifest.h"

#include <stdio.h>

#include "base/crc32c.h"

#define MANIFEST_MAGIC        "OCTMANIF"
#define MANIFEST_VERSION      1u
#define MANIFEST_HEADER_BYTES 32u
#define MANIFEST_PREFIX       "manifest."
#define MANIFEST_TEMPORARY    "manifest.tmp"

static oct_status
manifest_path(char out[OS_PATH_MAX], const char *folder, uint64_t number, oct_error *error)
{
    char name[48];

    (void)snprintf(name, sizeof name, MANIFEST_PREFIX "%010llu", (unsigned long long)number);
    return os_path_join(out, folder, name, error);
}

/* The number in "manifest.0000000001"; 0: not a name of ours. */
static uint64_t
number_of(const char *name)
{
    const size_t prefix = strlen(MANIFEST_PREFIX);
    uint64_t     number = 0;

    if (strncmp(name, MANIFEST_PREFIX, prefix) != 0 || strlen(name) < prefix + 10 ||
        strlen(name) > prefix + 18)
        return 0;
    for (name += prefix; *name != '\0'; name++) {
        if (*name < '0' || *name > '9')
            return 0;
        number = number * 10 + (uint64_t)(*name - '0');
    }
    return number;
}

static oct_status
check_header(const char *path, const char header[MANIFEST_HEADER_BYTES], uint64_t file_size, oct_error *error)
{
    const uint32_t crc = crc32c(0, header, 28);
    const uint64_t size = get_u64(header + 16);

    if (memcmp(header, MANIFEST_MAGIC, 8) != 0 || get_u32(header + 28) != crc)
        return oct_fail(error, OCT_CORRUPT,
                        "%s: the header at offset 0 is damaged: its checksum is %08x, expected %08x", path,
                        get_u32(header + 28), crc);
    if (get_u32(header + 8) != MANIFEST_VERSION)
        return oct_fail(error, OCT_UNSUPPORTED,
                        "%s: the manifest has format version %u, this program knows %u; open it with "
                        "a later one",
                        path, get_u32(header + 8), MANIFEST_VERSION);
    if (size > MANIFEST_BYTES_MAX || file_size != MANIFEST_HEADER_BYTES + size)
        return oct_fail(error, OCT_CORRUPT, "%s: the file has %llu bytes, expected %llu", path,
                        (unsigned long long)file_size, (unsigned long long)(MANIFEST_HEADER_BYTES + size));
    return OCT_OK;
}

static oct_status
read_one(os *system, const char *path, oct_slice *content, oct_error *error)
{
    char       header[MANIFEST_HEADER_BYTES];
    os_file   *file;
    char      *data = NULL;
    uint64_t   file_size = 0;
    size_t     size;
    uint32_t   crc;
    oct_status status = os_open(system, path, 0, &file, error);

    if (status == OCT_OK)
        status = os_size(file, &file_size, error);
    if (status == OCT_OK)
        status = os_read_all(file, 0, header, sizeof header, error);
    if (status == OCT_OK)
        status = check_header(path, header, file_size, error);
    if (status != OCT_OK)
        goto out;
    size = (size_t)get_u64(header + 16);
    data = oct_alloc(size + 1);
    if (data == NULL) {
        status = oct_fail_memory(error, size + 1);
        goto out;
    }
    status = os_read_all(file, MANIFEST_HEADER_BYTES, data, size, error);
    if (status != OCT_OK)
        goto out;
    data[size] = '\0'; /* for readers of text */
    crc = crc32c(0, data, size);
    if (crc != get_u32(header + 24)) {
        status = oct_fail(error, OCT_CORRUPT,
                          "%s: the checksum of the %zu bytes from offset %u is %08x, expected %08x", path,
                          size, MANIFEST_HEADER_BYTES, crc, get_u32(header + 24));
        goto out;
    }
    *content = (oct_slice){data, size};
    data = NULL;
out:
    oct_free(data);
    os_close(file);
    return status;
}

oct_status
manifest_read(os *system, const char *folder, uint64_t *number, oct_slice *content, oct_error *error)
{
    char       path[OS_PATH_MAX];
    char     **names;
    size_t     count;
    uint64_t   newest = 0;
    oct_status status;

    *number = 0;
    *content = (oct_slice){NULL, 0};
    status = os_list(system, folder, &names, &count, error);
    if (status != OCT_OK)
        return status == OCT_NOT_FOUND ? OCT_OK : status;
    for (size_t i = 0; i < count; i++) {
        if (number_of(names[i]) > newest)
            newest = number_of(names[i]);
    }
    oct_free(names);
    if (newest == 0)
        return OCT_OK;
    status = manifest_path(path, folder, newest, error);
    if (status == OCT_OK)
        status = read_one(system, path, content, error);
    if (status == OCT_OK)
        *number = newest;
    return status;
}

static oct_status
write_temporary(os *system, const char *path, oct_slice content, oct_error *error)
{
    char       header[MANIFEST_HEADER_BYTES] = {0};
    os_file   *file;
    oct_status status;

    memcpy(header, MANIFEST_MAGIC, 8);
    put_u32(header + 8, MANIFEST_VERSION);
    put_u64(header + 16, content.size);
    put_u32(header + 24, crc32c(0, content.data, content.size));
    put_u32(header + 28, crc32c(0, header, 28));
    status = os_open(system, path, OS_CREATE | OS_TRUNCATE, &file, error);
    if (status == OCT_OK)
        status = os_write(file, 0, header, sizeof header, error);
    if (status == OCT_OK)
        status = os_write(file, sizeof header, content.data, content.size, error);
    if (status == OCT_OK)
        status = os_sync(file, error);
    os_close(file);
    return status;
}

/* What cannot be removed now is removed next time, or is passed over by manifest_read. */
static void
remove_older(os *system, const char *folder, uint64_t keep)
{
    char   path[OS_PATH_MAX];
    char **names;
    size_t count;

    if (os_list(system, folder, &names, &count, NULL) != OCT_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        const uint64_t number = number_of(names[i]);

        if (number != 0 && number < keep && os_path_join(path, folder, names[i], NULL) == OCT_OK)
            (void)os_remove(system, path, NULL);
    }
    oct_free(names);
}

oct_status
manifest_write(os *system, const char *folder, uint64_t *number, oct_slice content, oct_error *error)
{
    char       temporary[OS_PATH_MAX], path[OS_PATH_MAX];
    oct_error  cause = {0};
    oct_status status;

    if (content.size > MANIFEST_BYTES_MAX)
        return oct_fail(error, OCT_RANGE, "a manifest of %zu bytes is too large; at most %u", content.size,
                        MANIFEST_BYTES_MAX);
    status = os_path_join(temporary, folder, MANIFEST_TEMPORARY, error);
    if (status == OCT_OK)
        status = manifest_path(path, folder, *number + 1, error);
    if (status != OCT_OK)
        return status;
    status = write_temporary(system, temporary, content, error);
    if (status == OCT_OK)
        status = os_rename(system, temporary, path, error);
    if (status != OCT_OK) {
        (void)os_remove(system, temporary, NULL);
        return status;
    }
    status = os_sync_dir(system, folder, &cause);
    if (status != OCT_OK)
        return oct_fail(error, OCT_STOPPED,
                        "whether %.300s is on the disk is not known: %.300s. Close the database, see to "
                        "the disk, and open it again",
                        path, cause.text);
    *number += 1;
    remove_older(system, folder, *number);
    return OCT_OK;
}
