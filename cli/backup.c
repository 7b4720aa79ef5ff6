/* octant backup, octant restore, and octant check of a backup: a database in one file, or in a chain of them, and back. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli.h"
#include "octant_snapshot.h"

bool
cli_is_file(const char *path)
{
    struct stat found;

    return stat(path, &found) == 0 && S_ISREG(found.st_mode);
}

int
cli_backup(const cli_arguments *arguments)
{
    const char     *base = arguments->values[BACKUP_BASE];
    oct_backup_info info;
    oct_error       error = {0};

    if (oct_backup_since(arguments->first, arguments->second, base, &info, &error) != OCT_OK)
        return cli_fail("%s", error.text);
    if (base == NULL)
        (void)printf("%s is a backup of %s: %s, up to record %" PRIu64 " of the log\n", arguments->second, arguments->first,
                     cli_bytes_text(info.bytes), info.log_position);
    else
        (void)printf("%s is an increment of %s: %s of %s changed, up to record %" PRIu64 " of the log\n", arguments->second, base,
                     cli_bytes_text(info.stored_bytes), cli_bytes_text(info.content_bytes), info.log_position);
    return CLI_OK;
}

int
cli_restore(const cli_arguments *arguments)
{
    oct_error error = {0};

    if (oct_restore_from(arguments->first, arguments->values[RESTORE_BASES], arguments->second, &error) != OCT_OK)
        return cli_fail("%s", error.text);
    (void)printf("%s holds the database of %s\n", arguments->second, arguments->first);
    return CLI_OK;
}

int
cli_check_backup(const cli_arguments *arguments)
{
    oct_backup_info info;
    oct_error       error = {0};

    if (oct_backup_verify(arguments->first, arguments->values[CHECK_BASES], &info, &error) != OCT_OK)
        return cli_fail("%s", error.text);
    if (info.is_increment)
        (void)printf("%s: an increment, %s of %s in it, up to record %" PRIu64
                     " of the log; it and the %zu file%s that it goes on from are sound\n",
                     arguments->first, cli_bytes_text(info.stored_bytes), cli_bytes_text(info.content_bytes), info.log_position,
                     info.file_count - 1, info.file_count == 2 ? "" : "s");
    else
        (void)printf("%s: a whole backup or snapshot of %s, sound\n", arguments->first, cli_bytes_text(info.bytes));
    (void)printf("SHA-256 %s\n", info.sha256);
    return CLI_OK;
}
