/* octant - the program. Finds the command, reads its flags, explains itself. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli.h"
#include "octant_api.h"

#define SUGGEST_DISTANCE_MAX 2

static int run_version(const cli_arguments *arguments);
static int run_help(const cli_arguments *arguments);

static const cli_command commands[] = {
    {.name = "serve",
     .argument = "[PATH]",
     .summary = "serve a database over HTTP, with Qdrant's REST API",
     .description =
         "  Opens the database at PATH (made if absent), listens, and serves until SIGTERM or Ctrl-C; then\n"
         "  finishes the requests in flight and writes a checkpoint. \":memory:\" keeps nothing.\n"
         "\n"
         "  Later wins: defaults, config/config.yaml in the working directory, the file of --config,\n"
         "  QDRANT__SECTION__KEY and OCTANT__SECTION__KEY in the environment, flags.\n",
     .flags = {[SERVE_PATH] = {"--path", "DIR", "the database; default ./storage (storage.storage_path)"},
               [SERVE_HOST] = {"--host", "HOST", "address to listen on; default 0.0.0.0 (service.host)"},
               [SERVE_HTTP_PORT] = {"--http-port", "N", "default 6333; 0: any free one (service.http_port)"},
               [SERVE_GRPC_PORT] = {"--grpc-port", "N",
                                    "gRPC; default 6334; 0: any free one (service.grpc_port)"},
               [SERVE_CONFIG] = {"--config", "FILE", "a configuration in YAML, with Qdrant's keys"},
               [SERVE_LOG_LEVEL] = {"--log-level", "LEVEL", "OFF, ERROR, WARN, INFO or DEBUG (log_level)"}},
     .run = cli_serve},
    {.name = "info",
     .argument = "PATH",
     .summary = "show what is in a database",
     .description =
         "  Opens the database at PATH for reading only, also while a server has it open, and prints its\n"
         "  collections: points, vectors, rows in the graph and in the tail, bytes, log position.\n",
     .flags = {[INFO_JSON] = {"--json", NULL, "print one JSON object instead of a table"}},
     .run = cli_info},
    {.name = "check",
     .argument = "PATH",
     .summary = "verify the checksums and invariants of a database, or of a backup",
     .description =
         "  Opens the database at PATH for reading only and verifies every collection. Exit code 1 and the\n"
         "  name of the damage, if there is any; what is not damaged is verified all the same.\n"
         "  PATH may be a backup or a snapshot: every byte of it, and of all that it goes on from.\n",
     .flags = {[CHECK_BASES] = {"--bases", "DIR", "where an increment's bases are; default: beside it"}},
     .run = cli_check},
    {.name = "repair",
     .argument = "PATH",
     .summary = "mend what can be mended in a damaged database",
     .description =
         "  Opens the database at PATH for writing. Graphs whose files are damaged are made again from the vectors.\n"
         "  A collection whose ids, payloads or vectors are damaged stays as it is, set aside: recover it from a\n"
         "  snapshot, or delete it. Says what it did, then verifies everything. Make a copy first.\n",
     .run = cli_repair},
    {.name = "backup",
     .argument = "PATH FILE",
     .summary = "copy a database into one file, also while it is in use",
     .description =
         "  Writes everything that was acknowledged when it began into FILE, with a checksum over every byte.\n"
         "  Servers and programs that have the database at PATH open go on.\n"
         "\n"
         "  With --base, FILE is an increment: it has only what changed since the backup OLD, which may be an\n"
         "  increment too. To restore it, OLD and what that goes on from are needed.\n",
     .flags = {[BACKUP_BASE] = {"--base", "OLD", "write only what the backup (or full snapshot) OLD does not have"}},
     .run = cli_backup},
    {.name = "restore",
     .argument = "FILE PATH",
     .summary = "make a database of a backup or a snapshot",
     .description =
         "  Makes the database PATH, which must not be there or be empty, out of FILE: a backup, a full\n"
         "  snapshot, or a snapshot of one collection. A damaged FILE is refused, and then there is no PATH.\n"
         "  What an increment goes on from is looked for in its folder, by name or, if renamed, by checksum.\n",
     .flags = {[RESTORE_BASES] = {"--bases", "DIR", "where an increment's bases are; default: beside it"}},
     .run = cli_restore},
    {.name = "bench",
     .argument = "PATH",
     .summary = "measure recall, speed and memory of the collections of a database",
     .description = "  Opens the database at PATH for reading only and searches for a sample of its own "
                    "points, each without\n"
                    "  itself: recall against an exact search, queries per second, latencies, for several "
                    "values of ef; then\n"
                    "  memory and disk by part. Near half a minute a collection; longer where an exact "
                    "search is slow.\n",
     .flags = {[BENCH_COLLECTION] = {"--collection", "NAME", "only this one; default: each in turn"},
               [BENCH_VECTOR] = {"--vector", "NAME", "only this named vector; default: each"},
               [BENCH_QUERIES] = {"--queries", "N", "points to search for; default 1000"},
               [BENCH_K] = {"--k", "N", "hits wanted; default 10"},
               [BENCH_EF] = {"--ef", "N,N,...", "default 16,24,32,48,64,96,128,192,256,384,512"},
               [BENCH_THREADS] = {"--threads", "N", "how many all threads are; default: one per CPU"},
               [BENCH_JSON] = {"--json", NULL, "print one JSON object instead of tables"},
               [BENCH_PLOT] = {"--plot", "FILE", "write speed by recall as SVG"}},
     .run = cli_bench},
    {.name = "version", .summary = "show the version", .description = "", .run = run_version},
    {.name = "help",
     .argument = "[COMMAND]",
     .summary = "show this, or how to use a command",
     .description = "",
     .run = run_help},
};

int
cli_fail(const char *format, ...)
{
    va_list args;

    (void)fputs("octant: ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return CLI_FAILED;
}

oct_status
cli_open_read_only(const char *path, oct_database **out)
{
    const oct_open_options options = {.path = path, .read_only = true};
    oct_error              error = {0};
    struct stat            found;
    oct_status             status;

    *out = NULL;
    if (stat(path, &found) != 0 || !S_ISDIR(found.st_mode)) {
        (void)cli_fail("%s is not a folder, so there is no database in it", path);
        return OCT_NOT_FOUND;
    }
    status = oct_open(&options, out, &error);
    if (status != OCT_OK)
        (void)cli_fail("%s", error.text); /* which names the path */
    return status;
}

/* --- help ------------------------------------------------------------------------------------ */

static size_t
flag_count(const cli_command *command)
{
    size_t count = 0;

    while (count < CLI_FLAGS_MAX && command->flags[count].name != NULL)
        count++;
    return count;
}

static const cli_command *
find_command(const char *name)
{
    for (size_t i = 0; i < countof(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

/* Letters to insert, drop or change to make `b` of `a` (Levenshtein), or more than any word has. */
static size_t
edit_distance(const char *a, const char *b)
{
    size_t       row[32];
    const size_t size = strlen(b);

    if (size >= countof(row))
        return SIZE_MAX;
    for (size_t j = 0; j <= size; j++)
        row[j] = j;
    for (; *a != '\0'; a++) {
        size_t diagonal = row[0]++;

        for (size_t j = 1; j <= size; j++) {
            const size_t changed = diagonal + (*a != b[j - 1]);

            diagonal = row[j];
            row[j] = size_min(changed, 1 + size_min(row[j], row[j - 1]));
        }
    }
    return row[size];
}

static void
show_command(const cli_command *command, FILE *out)
{
    const size_t count = flag_count(command);

    (void)fprintf(out, "octant %s%s%s%s - %s\n", command->name, count > 0 ? " [FLAGS]" : "",
                  command->argument == NULL ? "" : " ", command->argument == NULL ? "" : command->argument,
                  command->summary);
    if (command->description[0] != '\0')
        (void)fprintf(out, "\n%s", command->description);
    if (count > 0)
        (void)fputc('\n', out);
    for (size_t i = 0; i < count; i++) {
        const cli_flag *flag = &command->flags[i];
        char            left[64];

        (void)snprintf(left, sizeof left, "%s %s", flag->name,
                       flag->value_name == NULL ? "" : flag->value_name);
        (void)fprintf(out, "  %-20s %s\n", left, flag->help);
    }
}

static void
show_commands(FILE *out)
{
    (void)fputs("octant - a vector database engine\n\nusage: octant COMMAND [FLAGS] [ARGUMENT]\n\n", out);
    for (size_t i = 0; i < countof(commands); i++)
        (void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    (void)fputs("\n`octant help COMMAND` tells more. To try it: octant serve --path :memory:\n", out);
}

static int
unknown_command(const char *name)
{
    const cli_command *near = NULL;

    for (size_t i = 0; i < countof(commands) && near == NULL; i++) {
        if (edit_distance(name, commands[i].name) <= SUGGEST_DISTANCE_MAX)
            near = &commands[i];
    }
    (void)fprintf(stderr, "octant: there is no command \"%s\"", name);
    if (near != NULL)
        (void)fprintf(stderr, "; did you mean \"%s\"?\n", near->name);
    else
        (void)fputs("; see octant help\n", stderr);
    return CLI_USAGE;
}

static int
run_help(const cli_arguments *arguments)
{
    const cli_command *command;

    if (arguments->first == NULL) {
        show_commands(stdout);
        return CLI_OK;
    }
    command = find_command(arguments->first);
    if (command == NULL)
        return unknown_command(arguments->first);
    show_command(command, stdout);
    return CLI_OK;
}

static int
run_version(const cli_arguments *arguments)
{
    (void)arguments;
    (void)printf("octant %s (Qdrant API %s, kernels %s)\n", oct_version(), OCT_API_VERSION, oct_cpu_level());
    return CLI_OK;
}

/* --- arguments ------------------------------------------------------------------------------- */

static int
unknown_flag(const cli_command *command, const char *given)
{
    const cli_flag *near = NULL;

    for (size_t i = 0; i < flag_count(command) && near == NULL; i++) {
        if (edit_distance(given, command->flags[i].name) <= SUGGEST_DISTANCE_MAX)
            near = &command->flags[i];
    }
    (void)fprintf(stderr, "octant %s: there is no flag %s", command->name, given);
    if (near != NULL)
        (void)fprintf(stderr, "; did you mean %s?\n", near->name);
    else
        (void)fprintf(stderr, "; see octant help %s\n", command->name);
    return CLI_USAGE;
}

/* Take the flag at argv[*at], and its value. */
static int
read_flag(const cli_command *command, int argc, char **argv, int *at, cli_arguments *out)
{
    const char  *given = argv[*at];
    const size_t name_size = strcspn(given, "=");
    const char  *value = given[name_size] == '=' ? given + name_size + 1 : NULL;

    for (size_t i = 0; i < flag_count(command); i++) {
        const cli_flag *flag = &command->flags[i];

        if (strlen(flag->name) != name_size || strncmp(flag->name, given, name_size) != 0)
            continue;
        if (flag->value_name == NULL && value != NULL) {
            (void)fprintf(stderr, "octant %s: %s takes no value\n", command->name, flag->name);
            return CLI_USAGE;
        }
        if (flag->value_name != NULL && value == NULL && *at + 1 < argc)
            value = argv[++*at];
        if (flag->value_name != NULL && (value == NULL || value[0] == '\0')) {
            (void)fprintf(stderr, "octant %s: %s needs a value: %s %s\n", command->name, flag->name,
                          flag->name, flag->value_name);
            return CLI_USAGE;
        }
        out->values[i] = value == NULL ? "" : value;
        return CLI_OK;
    }
    return unknown_flag(command, given);
}

static int
read_arguments(const cli_command *command, int argc, char **argv, cli_arguments *out)
{
    const bool takes_two = command->argument != NULL && strchr(command->argument, ' ') != NULL;
    bool       flags_are_over = false;

    for (int at = 0; at < argc; at++) {
        int status = CLI_OK;

        if (!flags_are_over && strcmp(argv[at], "--") == 0) {
            flags_are_over = true;
        } else if (!flags_are_over && argv[at][0] == '-' && argv[at][1] != '\0') {
            status = read_flag(command, argc, argv, &at, out);
        } else if (out->first != NULL && out->second == NULL && takes_two) {
            out->second = argv[at];
        } else if (command->argument == NULL || out->first != NULL) {
            (void)fprintf(stderr, "octant %s: \"%s\" is one argument too many; see octant help %s\n",
                          command->name, argv[at], command->name);
            status = CLI_USAGE;
        } else {
            out->first = argv[at];
        }
        if (status != CLI_OK)
            return status;
    }
    if (command->argument != NULL && command->argument[0] != '[' &&
        (out->first == NULL || (takes_two && out->second == NULL))) {
        (void)fprintf(stderr, "octant %s: %s is missing; see octant help %s\n", command->name,
                      command->argument, command->name);
        return CLI_USAGE;
    }
    return CLI_OK;
}

int
main(int argc, char **argv)
{
    cli_arguments      arguments = {0};
    const cli_command *command;
    const char        *name = argc > 1 ? argv[1] : "";
    int                status;

    if (argc <= 1) {
        show_commands(stderr);
        return CLI_USAGE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    command = find_command(name);
    if (command == NULL)
        return unknown_command(name);
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            show_command(command, stdout);
            return CLI_OK;
        }
    }
    status = read_arguments(command, argc - 2, argv + 2, &arguments);
    if (status == CLI_OK)
        status = command->run(&arguments);
    if (fflush(stdout) != 0 && status == CLI_OK)
        status = cli_fail("cannot write to standard output");
    return status;
}
