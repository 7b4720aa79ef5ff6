/* How long until the first correct answer, by size?
 *
 * A child process fills a database on disk - dense vectors with a graph, sparse vectors, documents with indexes of three
 * fields (keyword, integer, text) - and ends, once properly (`closed`) and once by SIGKILL in the middle of a further load of
 * 50,000 points (`killed`). Then, in a process of its own for each question, the database is opened and asked one thing, and
 * the answer is compared with what it must be. One line of JSON per question: milliseconds to open, to the answer, of CPU time of
 * the asking thread until then, of all threads until nothing is left to be done in the background, private memory then, and
 * whether the answer is right. Questions:
 *     read      the payload of one point, by id               search    nearest to the vector of one point
 *     filter    the same among those of a city (keyword)      range     how many have a number in a range (integer)
 *     text      how many have two words in their title        sparse    best sparse match of one point's entries
 *     newest    nearest to the last point that was acknowledged
 * The files are in the system's cache, as after a crash of the process; `--cold` asks the system to drop them first.
 * usage: build/recovery_bench FOLDER [POINTS [DIM [M [EF_CONSTRUCT]]]] [--cold]      default 100000 128 16 100
 *        FOLDER must not exist; it is left behind for a look, and is yours to remove.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "base/base.h"

#define BATCH       2000u
#define MORE_POINTS 50000u /* of the load that is killed */
#ifndef TERMS
#define TERMS 24u /* entries of a sparse vector; others by -DTERMS=60u */
#endif
#define VOCABULARY  30000u
#define NUMBERS     1000000u
#define S(text_)    ((oct_slice){(text_), sizeof(text_) - 1})

typedef struct setup {
    const char *folder;
    uint64_t    points;
    size_t      dim;
    int64_t     m, ef_construct;
    bool        cold;
} setup;

/* Of all threads, background work too. */
static double
process_cpu_ms(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e6;
}

/* Memory that no file could give back. */
static double
private_mb(void)
{
    FILE         *file = fopen("/proc/self/status", "re");
    char          line[128];
    unsigned long kilobytes = 0;

    while (file != NULL && fgets(line, sizeof line, file) != NULL && sscanf(line, "RssAnon: %lu", &kilobytes) != 1)
        ;
    if (file != NULL)
        (void)fclose(file);
    return (double)kilobytes / 1024;
}

/* Given to the system to write, by this process. */
static double
written_mb(void)
{
    FILE              *file = fopen("/proc/self/io", "re");
    char               line[128];
    unsigned long long bytes = 0;

    while (file != NULL && fgets(line, sizeof line, file) != NULL && sscanf(line, "wchar: %llu", &bytes) != 1)
        ;
    if (file != NULL)
        (void)fclose(file);
    return (double)bytes / 1e6;
}

/* --- points: functions of their number ----------------------------------------------------------- */

static void
make_vector(uint64_t point, float *out, size_t dim)
{
    /* A few hundred clusters, so that a walk finds its way. */
    const uint64_t center = mix64(point) % 500;

    for (size_t i = 0; i < dim; i++)
        out[i] = (float)(mix64(center * 4099 + i) >> 40) / 16777216.0f +
                 0.3f * (float)(mix64(point * 8209 + i) >> 40) / 16777216.0f;
}

static void
make_terms(uint64_t point, uint32_t indices[TERMS], float values[TERMS])
{
    for (uint32_t i = 0; i < TERMS; i++) {
        const uint64_t dice = mix64(point * 64 + i);
        const double   share = (double)(dice >> 11) / 9007199254740992.0;

        /* Frequent terms and rare ones; each slice of the vocabulary gives one, so that none comes twice. */
        indices[i] = i * (VOCABULARY / TERMS) + (uint32_t)(share * share * (VOCABULARY / TERMS));
        values[i] = 0.1f + (float)(dice & 1023) / 512.0f;
    }
}

static uint32_t
city_of(uint64_t point)
{
    return (uint32_t)(mix64(point) >> 8) % 100;
}

static uint32_t
number_of(uint64_t point)
{
    return (uint32_t)(mix64(point + 7) % NUMBERS);
}

static uint32_t
word_of(uint64_t point, uint32_t which)
{
    return (uint32_t)(mix64(point * 3 + which) % 2000);
}

static size_t
write_document(uint64_t point, char *text, size_t size)
{
    return (size_t)snprintf(text, size,
                            "{\"title\":\"about word%u and word%u of some kind\",\"city\":\"city %u\",\"number\":%u,"
                            "\"point\":%" PRIu64 "}",
                            word_of(point, 0), word_of(point, 1), city_of(point), number_of(point), point);
}

/* --- filling ----------------------------------------------------------------------------------------- */

static void
load(oct_collection *collection, const setup *of, uint64_t from, uint64_t to)
{
    oct_point  *points = oct_calloc(BATCH, sizeof *points);
    oct_vector *vectors = oct_calloc(BATCH, 2 * sizeof *vectors);
    float      *values = oct_calloc(BATCH, of->dim * sizeof *values), *weights = oct_calloc(BATCH, TERMS * sizeof *weights);
    uint32_t   *indices = oct_calloc(BATCH, TERMS * sizeof *indices);
    char       *texts = oct_calloc(BATCH, 256);
    oct_error   error;

    for (uint64_t at = from; at < to; at += BATCH) {
        const size_t count = size_min(BATCH, to - at);

        for (size_t i = 0; i < count; i++) {
            make_vector(at + i, values + i * of->dim, of->dim);
            make_terms(at + i, indices + i * TERMS, weights + i * TERMS);
            vectors[2 * i] = (oct_vector){.values = values + i * of->dim, .value_count = of->dim};
            vectors[2 * i + 1] = (oct_vector){.name = S("words"),
                                              .kind = OCT_SPARSE,
                                              .values = weights + i * TERMS,
                                              .indices = indices + i * TERMS,
                                              .value_count = TERMS};
            points[i] = (oct_point){.id = oct_id_number(at + i), .vectors = vectors + 2 * i, .vector_count = 2};
            points[i].payload = (oct_slice){texts + 256 * i, write_document(at + i, texts + 256 * i, 256)};
        }
        must(oct_upsert(collection, points, count, NULL, NULL, &error), &error);
    }
    oct_free(points);
    oct_free(vectors);
    oct_free(values);
    oct_free(weights);
    oct_free(indices);
    oct_free(texts);
}

static void
index_field(oct_collection *collection, oct_slice field, int64_t type)
{
    oct_field_index index;
    oct_error       error;

    oct_field_index_init(&index);
    index.field = field;
    index.type = type;
    must(oct_field_index_create(collection, &index, NULL, NULL, &error), &error);
}

static void
open_all(const setup *of, oct_database **database, oct_collection **collection)
{
    const oct_open_options options = {.path = of->folder};
    oct_error              error;

    must(oct_open(&options, database, &error), &error);
    *collection = NULL;
    if (oct_collection_open(*database, S("c"), collection, &error) == OCT_NOT_FOUND)
        *collection = NULL;
}

static void
fill(const setup *of)
{
    oct_database         *database;
    oct_collection       *collection;
    oct_collection_config config;
    oct_vector_config     vectors[2];
    oct_error             error;

    open_all(of, &database, &collection);
    oct_collection_config_init(&config);
    oct_vector_config_init(&vectors[0]);
    oct_vector_config_init(&vectors[1]);
    vectors[0].size = (int64_t)of->dim;
    vectors[0].distance = OCT_EUCLID;
    vectors[1].name = S("words");
    vectors[1].sparse = 1;
    config.vectors = vectors;
    config.vector_count = 2;
    config.hnsw.m = of->m;
    config.hnsw.ef_construct = of->ef_construct;
    must(oct_collection_create(database, S("c"), &config, &error), &error);
    must(oct_collection_open(database, S("c"), &collection, &error), &error);
    index_field(collection, S("city"), OCT_FIELD_KEYWORD);
    index_field(collection, S("number"), OCT_FIELD_INTEGER);
    index_field(collection, S("title"), OCT_FIELD_TEXT);
    load(collection, of, 0, of->points);
    must(oct_collection_wait_indexed(collection, 0, &error), &error);
    oct_collection_close(collection);
    must(oct_close(database, &error), &error);
    (void)printf("{\"points\":%" PRIu64 ",\"dim\":%zu,\"entries\":%u,\"given_mb\":%.1f,\"written_mb\":%.1f}\n", of->points, of->dim,
                 TERMS, (double)of->points * (double)(of->dim * 4 + TERMS * 8 + 120) / 1e6, written_mb());
    (void)fflush(stdout);
}

/* Says on the pipe what was acknowledged, and dies. */
static void
fill_and_die(const setup *of, int pipe_end)
{
    oct_database   *database;
    oct_collection *collection;
    uint64_t        done = of->points;

    open_all(of, &database, &collection);
    for (; done < of->points + MORE_POINTS; done += BATCH) {
        load(collection, of, done, done + BATCH);
        if (write(pipe_end, &done, sizeof done) != sizeof done)
            exit(1);
    }
    (void)raise(SIGKILL);
}

/* --- asking --------------------------------------------------------------------------------------------- */

typedef bool (*question)(oct_collection *collection, const setup *of, uint64_t count);

static bool
hits_begin_with(oct_records *records, uint64_t point)
{
    const bool ok = records->count > 0 && records->items[0].id.low == point;

    oct_records_free(records);
    return ok;
}

static bool
ask_read(oct_collection *collection, const setup *of, uint64_t count)
{
    const uint64_t   point = count / 2;
    const oct_id     id = oct_id_number(point);
    const oct_select select = {.with_payload = true};
    oct_records     *found = NULL;
    oct_error        error;
    char             text[256], name[64];
    bool             ok;

    (void)of;
    must(oct_retrieve(collection, &id, 1, &select, &found, &error), &error);
    (void)write_document(point, text, sizeof text);
    (void)snprintf(name, sizeof name, "\"point\":%" PRIu64 "}", point);
    ok = found->count == 1 && found->items[0].payload.size == strlen(text) &&
         memcmp(found->items[0].payload.data, text, strlen(text)) == 0;
    oct_records_free(found);
    return ok;
}

static bool
search(oct_collection *collection, const setup *of, uint64_t point, const oct_filter *filter)
{
    float             *query = oct_calloc(of->dim, sizeof *query);
    oct_search_request request = {.query = query, .dim = of->dim, .limit = 10, .ef = 512, .filter = filter};
    oct_records       *found = NULL;
    oct_error          error;

    make_vector(point, query, of->dim);
    must(oct_search(collection, &request, &found, &error), &error);
    oct_free(query);
    return hits_begin_with(found, point);
}

static bool
ask_search(oct_collection *collection, const setup *of, uint64_t count)
{
    return search(collection, of, count / 3, NULL);
}

static bool
ask_newest(oct_collection *collection, const setup *of, uint64_t count)
{
    return search(collection, of, count - 1, NULL);
}

static bool
ask_filter(oct_collection *collection, const setup *of, uint64_t count)
{
    char            city[32];
    const uint64_t  point = count / 5;
    oct_value       value = {.text = {city, (size_t)snprintf(city, sizeof city, "city %u", city_of(point))}};
    oct_match       match = {.values = &value, .value_count = 1};
    oct_condition   condition = {.key = S("city"), .field = &(oct_field_condition){.match = &match}};
    oct_filter      filter = {.must = &condition, .must_count = 1};

    return search(collection, of, point, &filter);
}

static bool
count_is(oct_collection *collection, const oct_field_condition *field, oct_slice key, uint64_t want)
{
    oct_condition condition = {.key = key, .field = field};
    oct_filter    filter = {.must = &condition, .must_count = 1};
    uint64_t      count = 0;
    oct_error     error;

    must(oct_count_where(collection, &filter, &count, &error), &error);
    return count == want;
}

static bool
ask_range(oct_collection *collection, const setup *of, uint64_t count)
{
    const oct_range           range = {.bounds = OCT_GTE | OCT_LT, .gte = 1000, .lt = 2000};
    const oct_field_condition field = {.range = &range};

    (void)of;
    return count_is(collection, &field, S("number"), count);
}

static bool
ask_text(oct_collection *collection, const setup *of, uint64_t count)
{
    const oct_match           match = {.kind = OCT_MATCH_TEXT, .text = S("word7")};
    const oct_field_condition field = {.match = &match};

    (void)of;
    return count_is(collection, &field, S("title"), count);
}

static bool
ask_sparse(oct_collection *collection, const setup *of, uint64_t count)
{
    uint32_t          indices[TERMS];
    float             values[TERMS];
    oct_query_request request = {.query = {.kind = OCT_QUERY_NEAREST, .using_vector = S("words"), .limit = 10}};
    oct_records      *found = NULL;
    oct_error         error;

    (void)of;
    make_terms(count / 7, indices, values);
    request.query.as.nearest.target.vector =
        (oct_vector){.kind = OCT_SPARSE, .values = values, .indices = indices, .value_count = TERMS};
    must(oct_query_points(collection, &request, &found, &error), &error);
    return hits_begin_with(found, count / 7);
}

/* What the two counts must be is worked out here, outside the clock. */
static uint64_t
expected(question what, uint64_t count)
{
    uint64_t right = 0;

    if (what != ask_range && what != ask_text)
        return count;
    for (uint64_t point = 0; point < count; point++)
        right += what == ask_range ? number_of(point) >= 1000 && number_of(point) < 2000
                                   : word_of(point, 0) == 7 || word_of(point, 1) == 7;
    return right;
}

static void
drop_cache(const char *folder)
{
    char  command[600];
    FILE *files;
    char  path[500];

    (void)snprintf(command, sizeof command, "find '%s' -type f", folder);
    files = popen(command, "r");
    while (files != NULL && fgets(path, sizeof path, files) != NULL) {
        int file;

        path[strcspn(path, "\n")] = '\0';
        file = open(path, O_RDONLY);
        if (file >= 0) {
            (void)fdatasync(file);
            (void)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
            (void)close(file);
        }
    }
    if (files != NULL)
        (void)pclose(files);
}

/* In a process of its own, which ends without closing: nothing is written. */
static void
ask(const setup *of, const char *end, const char *name, question what, uint64_t count)
{
    const uint64_t right = expected(what, count);
    int            status;

    (void)fflush(stdout);
    if (of->cold)
        drop_cache(of->folder);
    if (fork() == 0) {
        const double      start = now_ms(), cpu_start = cpu_ms();
        oct_database     *database;
        oct_database_info info;
        oct_collection   *collection;
        double            opened, answered, cpu;
        double            settled, settled_mb;
        bool              ok;

        open_all(of, &database, &collection);
        opened = now_ms();
        ok = collection != NULL && what(collection, of, right);
        answered = now_ms();
        cpu = cpu_ms() - cpu_start;
        oct_database_describe(database, &info);
        (void)oct_collection_wait_indexed(collection, 0, NULL);
        settled = process_cpu_ms();
        settled_mb = private_mb();
        (void)printf("{\"points\":%" PRIu64 ",\"dim\":%zu,\"end\":\"%s\",\"cache\":\"%s\",\"replayed\":%" PRIu64
                     ",\"question\":\"%s\",\"open_ms\":%.1f,\"answer_ms\":%.1f,\"cpu_ms\":%.1f,\"settled_cpu_ms\":%.1f,"
                     "\"private_mb\":%.1f,\"right\":%s}\n",
                     of->points, of->dim, end, of->cold ? "cold" : "warm", info.replayed_records, name, opened - start,
                     answered - start, cpu, settled, settled_mb, ok ? "true" : "false");
        (void)fflush(stdout);
        _exit(ok ? 0 : 1);
    }
    (void)wait(&status);
    if (status != 0)
        (void)fprintf(stderr, "%s after %s: wrong\n", name, end);
}

static void
ask_all(const setup *of, const char *end, uint64_t count)
{
    static const struct {
        const char *name;
        question    what;
    } questions[] = {{"read", ask_read}, {"search", ask_search}, {"filter", ask_filter}, {"range", ask_range},
                     {"text", ask_text}, {"sparse", ask_sparse}, {"newest", ask_newest}};

    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
        ask(of, end, questions[i].name, questions[i].what, count);
}

int
main(int argc, char **argv)
{
    setup    of = {.points = 100000, .dim = 128, .m = 16, .ef_construct = 100};
    int      pipes[2];
    uint64_t done = 0, last = 0;

    for (; argc > 1 && strcmp(argv[argc - 1], "--cold") == 0; argc--)
        of.cold = true;
    if (argc < 2) {
        (void)fprintf(stderr, "usage: %s FOLDER [POINTS [DIM [M [EF_CONSTRUCT]]]] [--cold]\n", argv[0]);
        return 2;
    }
    of.folder = argv[1];
    of.points = argc > 2 ? strtoull(argv[2], NULL, 10) : of.points;
    of.dim = argc > 3 ? strtoul(argv[3], NULL, 10) : of.dim;
    of.m = argc > 4 ? atoi(argv[4]) : of.m;
    of.ef_construct = argc > 5 ? atoi(argv[5]) : of.ef_construct;
    if (access(of.folder, F_OK) != 0) {
        if (fork() == 0) {
            fill(&of);
            _exit(0);
        }
        (void)wait(NULL);
    }
    ask_all(&of, "closed", of.points);
    if (pipe(pipes) != 0)
        return 1;
    if (fork() == 0) {
        (void)close(pipes[0]);
        fill_and_die(&of, pipes[1]);
    }
    (void)close(pipes[1]);
    while (read(pipes[0], &last, sizeof last) == (ssize_t)sizeof last)
        done = last + BATCH;
    (void)wait(NULL);
    if (done > of.points)
        ask_all(&of, "killed", done);
    return 0;
}
