/* octant info and octant check: look at a database without a server. */
#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "cli.h"

#define FORMAT_FILE           "octant.json"
#define FORMAT_FILE_BYTES_MAX 65536u

static const char *
distance_name(int64_t distance)
{
    switch (distance) {
    case OCT_COSINE:
        return "Cosine";
    case OCT_EUCLID:
        return "Euclid";
    case OCT_DOT:
        return "Dot";
    case OCT_MANHATTAN:
        return "Manhattan";
    default:
        return "unknown";
    }
}

/* The format version in the database's own description, or -1 if there is none to be read. */
static int64_t
read_format_version(const char *path)
{
    char          name[4200], text[FORMAT_FILE_BYTES_MAX];
    json_document document = {0};
    yyjson_val   *version;
    int64_t       found = -1;
    size_t        size = 0;
    FILE         *file;

    (void)snprintf(name, sizeof name, "%s/" FORMAT_FILE, path);
    file = fopen(name, "rb");
    if (file == NULL)
        return -1;
    size = fread(text, 1, sizeof text, file);
    (void)fclose(file);
    if (json_parse((oct_slice){text, size}, &document, NULL) == OCT_OK) {
        version = yyjson_obj_get(document.root, "format");
        if (yyjson_is_uint(version))
            found = (int64_t)yyjson_get_uint(version);
    }
    json_document_clear(&document);
    return found;
}

const char *
cli_bytes_text(uint64_t bytes)
{
    static char              texts[4][24];
    static unsigned          next;
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    char                    *text = texts[next++ % countof(texts)];
    double                   value = (double)bytes;
    size_t                   unit = 0;

    while (value >= 1000 && unit + 1 < countof(units)) {
        value /= 1000;
        unit++;
    }
    (void)snprintf(text, sizeof texts[0], unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

/* Open and describe one collection; on failure *out is NULL and `error` says why. */
static oct_status
describe(oct_database *database, oct_slice name, oct_collection_info **out, oct_error *error)
{
    oct_collection *collection = NULL;
    oct_status      status = oct_collection_open(database, name, &collection, error);

    *out = NULL;
    if (status == OCT_OK)
        status = oct_collection_describe(collection, out, error);
    oct_collection_close(collection);
    return status;
}

/* --- as JSON --------------------------------------------------------------------------------- */

static void
add_collection(buffer *out, const oct_collection_info *info)
{
    buffer_add_text(out, "{\"name\":");
    json_add_text(out, info->name);
    buffer_add_text(out, ",\"vectors\":[");
    for (size_t i = 0; i < info->config.vector_count; i++) {
        const oct_vector_config *vector = &info->config.vectors[i];

        buffer_add_text(out, i == 0 ? "{\"name\":" : ",{\"name\":");
        json_add_text(out, vector->name);
        buffer_format(out, ",\"size\":%" PRId64 ",\"distance\":\"%s\"}", vector->size,
                      distance_name(vector->distance));
    }
    buffer_format(out,
                  "],\"points\":%" PRIu64 ",\"graph_rows\":%" PRIu64 ",\"tail_rows\":%" PRIu64
                  ",\"deleted_rows\":%" PRIu64 ",\"disk_bytes\":%" PRIu64 ",\"ram_bytes\":%" PRIu64
                  ",\"operations\":%" PRIu64 ",\"stopped\":%s}",
                  info->points_count, info->indexed_vectors_count, info->tail_vectors_count,
                  info->deleted_vectors_count, info->disk_bytes, info->ram_bytes, info->version,
                  info->stopped ? "true" : "false");
}

static int
show_json(oct_database *database, const char *path, const oct_names *names)
{
    const int64_t     format = read_format_version(path);
    oct_database_info info = {0};
    buffer            out = {0};
    int               exit_code = CLI_OK;

    oct_database_describe(database, &info);
    buffer_add_text(&out, "{\"path\":");
    json_add_text(&out, slice_of(path));
    if (format < 0)
        buffer_add_text(&out, ",\"format\":null");
    else
        buffer_format(&out, ",\"format\":%" PRId64, format);
    buffer_format(&out,
                  ",\"version\":\"%s\",\"cpu\":\"%s\",\"log\":{\"sequence\":%" PRIu64 ",\"bytes\":%" PRIu64
                  ",\"replayed\":%" PRIu64 "},\"collections\":[",
                  info.version, info.cpu_level, info.log_sequence, info.log_bytes, info.replayed_records);
    for (size_t i = 0; i < names->count; i++) {
        oct_collection_info *collection;
        oct_error            error = {0};

        if (i > 0)
            buffer_add_byte(&out, ',');
        if (describe(database, names->items[i], &collection, &error) == OCT_OK) {
            add_collection(&out, collection);
        } else {
            buffer_add_text(&out, "{\"name\":");
            json_add_text(&out, names->items[i]);
            buffer_add_text(&out, ",\"error\":");
            json_add_text(&out, slice_of(error.text));
            buffer_add_byte(&out, '}');
            exit_code = CLI_FAILED;
        }
        oct_collection_info_free(collection);
    }
    buffer_add_text(&out, "]}\n");
    if (out.failed)
        exit_code = cli_fail("out of memory");
    else
        (void)fwrite(out.data, 1, out.size, stdout);
    buffer_clear(&out);
    return exit_code;
}

/* --- as a table ------------------------------------------------------------------------------ */

static void
show_collection(const oct_collection_info *info)
{
    (void)printf("\n" SLICE_FMT "%s\n", SLICE_ARG(info->name),
                 info->stopped ? "  (writing has stopped after a failed sync)" : "");
    for (size_t i = 0; i < info->config.vector_count; i++) {
        const oct_vector_config *vector = &info->config.vectors[i];

        (void)printf("  vector   " SLICE_FMT "%s%" PRId64 " %s\n", SLICE_ARG(vector->name),
                     vector->name.size == 0 ? "" : ": ", vector->size, distance_name(vector->distance));
    }
    (void)printf("  points   %" PRIu64 "\n", info->points_count);
    (void)printf("  vectors  %" PRIu64 " in the graph, %" PRIu64 " in the tail, %" PRIu64 " deleted\n",
                 info->indexed_vectors_count, info->tail_vectors_count, info->deleted_vectors_count);
    (void)printf("  bytes    %s on disk, %s in memory\n", cli_bytes_text(info->disk_bytes),
                 cli_bytes_text(info->ram_bytes));
}

static int
show_table(oct_database *database, const char *path, const oct_names *names)
{
    const int64_t     format = read_format_version(path);
    oct_database_info info = {0};
    int               exit_code = CLI_OK;

    oct_database_describe(database, &info);
    (void)printf("%s\n", path);
    if (format >= 0)
        (void)printf("  format   version %" PRId64 ", read by octant %s (kernels %s)\n", format, info.version,
                     info.cpu_level);
    else
        (void)printf("  format   no version given, read by octant %s (kernels %s)\n", info.version,
                     info.cpu_level);
    (void)printf("  log      at record %" PRIu64 ", %s since the last checkpoint\n", info.log_sequence,
                 cli_bytes_text(info.log_bytes));
    (void)printf("  holds    %zu collection%s\n", names->count, names->count == 1 ? "" : "s");
    for (size_t i = 0; i < names->count; i++) {
        oct_collection_info *collection;
        oct_error            error = {0};

        if (describe(database, names->items[i], &collection, &error) == OCT_OK) {
            show_collection(collection);
        } else {
            (void)printf("\n" SLICE_FMT "\n  cannot be read: %s\n", SLICE_ARG(names->items[i]), error.text);
            exit_code = CLI_FAILED;
        }
        oct_collection_info_free(collection);
    }
    return exit_code;
}

/* --- commands -------------------------------------------------------------------------------- */

/* Open, list the collections, run `use`, close. */
static int
with_database(const char *path, int (*use)(oct_database *database, const char *path, const oct_names *names))
{
    oct_database *database = NULL;
    oct_names    *names = NULL;
    oct_error     error = {0};
    int           exit_code = CLI_FAILED;

    if (cli_open_read_only(path, &database) != OCT_OK)
        return CLI_FAILED;
    if (oct_collection_list(database, &names, &error) == OCT_OK)
        exit_code = use(database, path, names);
    else
        (void)cli_fail("%s", error.text);
    oct_names_free(names);
    if (oct_close(database, &error) != OCT_OK)
        exit_code = cli_fail("%s", error.text);
    return exit_code;
}

int
cli_info(const cli_arguments *arguments)
{
    return with_database(arguments->first, arguments->values[INFO_JSON] != NULL ? show_json : show_table);
}

static oct_status
check_collection(oct_database *database, oct_slice name, uint64_t *points, oct_error *error)
{
    oct_collection *collection = NULL;
    oct_status      status = oct_collection_open(database, name, &collection, error);

    if (status == OCT_OK)
        status = oct_collection_check(collection, error);
    if (status == OCT_OK)
        status = oct_count(collection, points, error);
    oct_collection_close(collection);
    return status;
}

static int
check_all(oct_database *database, const char *path, const oct_names *names)
{
    uint64_t          points, points_sum = 0;
    size_t            damaged = 0;
    oct_database_info info = {0};

    oct_database_describe(database, &info);
    (void)printf("%s: catalogue and log are sound, up to record %" PRIu64 " (%" PRIu64 " replayed)\n", path,
                 info.log_sequence, info.replayed_records);
    for (size_t i = 0; i < names->count; i++) {
        oct_error error = {0};

        if (check_collection(database, names->items[i], &points, &error) == OCT_OK) {
            (void)printf("ok       " SLICE_FMT ": %" PRIu64 " points\n", SLICE_ARG(names->items[i]), points);
            points_sum += points;
        } else {
            (void)printf("DAMAGED  " SLICE_FMT ": %s\n", SLICE_ARG(names->items[i]), error.text);
            damaged++;
        }
        (void)fflush(stdout); /* a large collection takes a while */
    }
    (void)printf("%zu collection%s, %" PRIu64
                 " points: stored checksums and invariants verified, %zu damaged\n",
                 names->count, names->count == 1 ? "" : "s", points_sum, damaged);
    return damaged > 0 ? CLI_FAILED : CLI_OK;
}

/* Look for what is damaged, and wait until what can be made again has been. */
static void
mend(oct_database *database, oct_slice name)
{
    oct_collection_info *info = NULL;
    oct_collection      *collection = NULL;
    oct_error            error = {0};
    oct_status           status = oct_collection_inspect(database, name, &info, &error);

    if (status == OCT_OK && info->damage == NULL) {
        status = oct_collection_open(database, name, &collection, &error);
        if (status == OCT_OK)
            (void)oct_collection_check(collection, NULL); /* what it names is told by the check in the end, if it is still there */
        if (status == OCT_OK)
            status = oct_collection_wait_indexed(collection, 0, &error);
        oct_collection_close(collection);
        oct_collection_info_free(info);
        info = NULL;
        if (status == OCT_OK)
            status = oct_collection_inspect(database, name, &info, &error);
    }
    if (status != OCT_OK) {
        (void)printf("FAILED   " SLICE_FMT ": %s\n", SLICE_ARG(name), error.text);
    } else if (info->damage != NULL) {
        (void)printf("LEFT     " SLICE_FMT ": set aside; recover it from a snapshot, or delete it\n", SLICE_ARG(name));
    } else {
        if (info->mended != NULL)
            (void)printf("MENDED   " SLICE_FMT ": made again from what is intact: %s\n", SLICE_ARG(name), info->mended);
        if (info->mended_graphs > 0)
            (void)printf("MENDED   " SLICE_FMT ": %" PRIu64 " graph%s made again from the vectors\n", SLICE_ARG(name),
                         info->mended_graphs, info->mended_graphs == 1 ? "" : "s");
    }
    oct_collection_info_free(info);
}

int
cli_repair(const cli_arguments *arguments)
{
    const oct_open_options options = {.path = arguments->first};
    oct_database          *database = NULL;
    oct_names             *names = NULL;
    oct_error              error = {0};
    oct_status             status;

    if (cli_open_read_only(arguments->first, &database) != OCT_OK) /* is there one? */
        return CLI_FAILED;
    (void)oct_close(database, NULL);
    status = oct_open(&options, &database, &error);
    if (status == OCT_OK)
        status = oct_collection_list(database, &names, &error);
    for (size_t i = 0; status == OCT_OK && i < names->count; i++)
        mend(database, names->items[i]);
    oct_names_free(names);
    if (status != OCT_OK) {
        (void)oct_close(database, NULL);
        return cli_fail("%s", error.text);
    }
    if (oct_close(database, &error) != OCT_OK) /* writes the new files */
        return cli_fail("%s", error.text);
    return cli_check(arguments);
}

int
cli_check(const cli_arguments *arguments)
{
    if (cli_is_file(arguments->first))
        return cli_check_backup(arguments);
    return with_database(arguments->first, check_all);
}
