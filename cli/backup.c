/* octant backup, octant restore: a database in one file, and back. */
#include <stdio.h>

#include "cli.h"
#include "octant_snapshot.h"

int
cli_backup(const cli_arguments *arguments)
{
    oct_error error = {0};

    if (oct_backup(arguments->first, arguments->second, &error) != OCT_OK)
        return cli_fail("%s", error.text);
    (void)printf("%s is a backup of %s\n", arguments->second, arguments->first);
    return CLI_OK;
}

int
cli_restore(const cli_arguments *arguments)
{
    oct_error error = {0};

    if (oct_restore(arguments->first, arguments->second, &error) != OCT_OK)
        return cli_fail("%s", error.text);
    (void)printf("%s holds the database of %s\n", arguments->second, arguments->first);
    return CLI_OK;
}
