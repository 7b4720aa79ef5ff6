/* cli.h - the commands of the program `octant`.
 *
 * A command is a line in main.c's table: name, arguments, flags, text of its help, function. Flags are
 * "--name value" or "--name=value", before or after the other arguments.
 */
#ifndef OCT_CLI_H
#define OCT_CLI_H

#include "base/base.h"

#define CLI_FLAGS_MAX 8

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 }; /* exit codes */

typedef struct cli_flag {
    const char *name;       /* "--path" */
    const char *value_name; /* "DIR"; NULL: the flag takes no value */
    const char *help;
} cli_flag;

typedef struct cli_arguments {
    const char *values[CLI_FLAGS_MAX]; /* by index into the command's flags; NULL: not given, "": given */
    const char *first, *second;        /* what is not a flag; NULL: none */
} cli_arguments;

typedef struct cli_command {
    const char *name;
    const char *argument;    /* "PATH", "[PATH]", "PATH FILE"; NULL: none is taken */
    const char *summary;     /* one line */
    const char *description; /* paragraphs, indented */
    cli_flag    flags[CLI_FLAGS_MAX];
    int (*run)(const cli_arguments *arguments);
} cli_command;

int cli_serve(const cli_arguments *arguments);
int cli_info(const cli_arguments *arguments);
int cli_check(const cli_arguments *arguments);
int cli_check_backup(const cli_arguments *arguments); /* of a file */
int cli_backup(const cli_arguments *arguments);
int cli_repair(const cli_arguments *arguments);
int cli_restore(const cli_arguments *arguments);
int cli_bench(const cli_arguments *arguments);

/* The flags of the commands, by position in main.c's table. */
enum { SERVE_PATH, SERVE_HOST, SERVE_HTTP_PORT, SERVE_GRPC_PORT, SERVE_CONFIG, SERVE_LOG_LEVEL };
enum { INFO_JSON };
enum { CHECK_BASES };
enum { BACKUP_BASE };
enum { RESTORE_BASES };
enum {
    BENCH_COLLECTION,
    BENCH_VECTOR,
    BENCH_QUERIES,
    BENCH_K,
    BENCH_EF,
    BENCH_THREADS,
    BENCH_JSON,
    BENCH_PLOT
};

/* "octant: TEXT" to stderr; returns CLI_FAILED. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "1.5 MB", in one of a few buffers, so that several fit into one printf. */
const char *cli_bytes_text(uint64_t bytes);
bool        cli_is_file(const char *path);

/* Open the database at `path` for reading only; on failure the reason has been printed. */
oct_status cli_open_read_only(const char *path, oct_database **out);

#endif
