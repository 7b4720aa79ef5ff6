/* octant bench: measure a collection as it is, on its own points.
 *
 * QUERIES  A sample of the stored vectors, each searched for with its own point left out (`exclude`): what is asked is
 *          "what is like this one". Such queries lie where the data lies, so they are somewhat easier than
 *          questions from outside; python -m bench measures those.
 * RECALL   By score, against an exact search: a hit counts if it is at least as good as the k-th true one, within
 *          TIE. Collections hold duplicates, and another copy of the same text is not a wrong answer.
 * TIMED    Passes over all queries, after a few to warm up: on one thread, call by call; then on all threads. The
 *          values of ef take turns within a round, and there are BENCH_ROUNDS rounds, so that a slow second of the
 *          machine does not fall on one value. Beside wall time stands the thread's CPU time: where the two
 *          differ, something else had the core.
 * SAFE     Opens for reading only, also beside a server, and writes nothing but the plot.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/workers.h"
#include "bench.h"
#include "cli.h"

#define QUERIES_DEFAULT 1000u
#define QUERIES_MAX     1000000u
#define K_DEFAULT       10u
#define K_MAX           10000u
#define SCROLL_PAGE     10000u
#define WARM_UP         32u
#define PASS_NS         200000000u /* a pass goes on for so long, whole turns of the queries */
#define ALL_ITEM        8u         /* queries handed to a thread at a time */
#define TIE             1e-5       /* of scores, relative where they are above 1 */
#define RESULTS_MAX     256u
#define SEED            1u

static const size_t EFS_DEFAULT[] = {16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512};

typedef struct plan {
    const char *path;
    const char *collection; /* NULL: every one */
    const char *vector;     /* NULL: every dense one */
    size_t      queries, k;
    size_t      efs[BENCH_EFS_MAX];
    size_t      ef_count;
    uint32_t    threads;
    bool        json;
    const char *plot; /* NULL: none */
} plan;

/* The sample of one vector name. */
typedef struct sample {
    oct_collection *collection;
    oct_slice       vector;
    bool            less_is_better; /* scores are distances */
    size_t          dim, k, count;
    oct_id         *ids;
    float          *queries;    /* count x dim */
    float          *truth;      /* the worst score that counts as a hit, of each query */
    uint32_t       *true_count; /* hits of the exact search: k, or all there are */
    uint32_t       *hits, *found;
    uint64_t       *took_ns; /* of each call of a pass */
    size_t          took_room;
} sample;

/* --- progress -------------------------------------------------------------------------------------------- */

static void
progress(const char *what, size_t done, size_t total)
{
    static const char bar[] = "##############################";
    const int         width = (int)sizeof bar - 1;
    const int         full = total == 0 ? width : (int)((double)done / (double)total * width);

    if (!isatty(STDERR_FILENO))
        return;
    (void)fprintf(stderr, "\r\033[K  %-24.24s [%-*.*s] %3.0f%%", what, width, full, bar,
                  100.0 * (double)done / (double)size_max(total, 1));
    (void)fflush(stderr);
}

static void
progress_end(void)
{
    if (isatty(STDERR_FILENO))
        (void)fputs("\r\033[K", stderr);
}

static uint64_t
clock_ns(clockid_t which)
{
    struct timespec now;

    (void)clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- the sample ------------------------------------------------------------------------------------------ */

static void
sample_clear(sample *self)
{
    oct_free(self->ids);
    oct_free(self->queries);
    oct_free(self->truth);
    oct_free(self->true_count);
    oct_free(self->hits);
    oct_free(self->found);
    oct_free(self->took_ns);
    *self = (sample){0};
}

/* `wanted` ids out of all, each set equally likely: reservoir sampling (Vitter 1985, algorithm R), one page of ids
 * at a time. */
static oct_status
draw_ids(sample *self, size_t wanted, uint64_t points, oct_error *error)
{
    oct_id     from = {0};
    bool       has_from = false;
    uint64_t   seen = 0, random = SEED;
    oct_status status = OCT_OK;

    self->ids = oct_calloc(wanted, sizeof *self->ids);
    if (self->ids == NULL)
        return oct_fail_memory(error, wanted * sizeof *self->ids);
    for (bool is_last = false; !is_last && status == OCT_OK;) {
        oct_records *page = NULL;

        status = oct_scroll(self->collection, has_from ? &from : NULL, SCROLL_PAGE, NULL, &page, error);
        if (status != OCT_OK)
            break;
        for (size_t i = 0; i < page->count; i++, seen++) {
            random = mix64(random);
            if (self->count < wanted)
                self->ids[self->count++] = page->items[i].id;
            else if (random % (seen + 1) < wanted)
                self->ids[random % (seen + 1)] = page->items[i].id;
        }
        is_last = !page->has_next;
        from = page->next;
        has_from = true;
        oct_records_free(page);
        progress("drawing points", (size_t)seen, (size_t)points);
    }
    return status;
}

/* The vectors of the ids drawn; points without this vector leave the sample. */
static oct_status
read_vectors(sample *self, oct_error *error)
{
    const oct_select select = {.with_vector = true, .vectors = &self->vector, .vector_count = 1};
    oct_records     *records = NULL;
    oct_status status = oct_retrieve(self->collection, self->ids, self->count, &select, &records, error);
    size_t     kept = 0;

    if (status != OCT_OK)
        return status;
    self->queries = oct_calloc(self->count, self->dim * sizeof(float));
    if (self->queries == NULL) {
        status = oct_fail_memory(error, self->count * self->dim * sizeof(float));
    } else {
        for (size_t i = 0; i < records->count; i++) {
            const oct_record *record = &records->items[i];

            if (record->vector_count != 1 || record->vectors[0].value_count != self->dim)
                continue;
            self->ids[kept] = record->id;
            memcpy(self->queries + kept * self->dim, record->vectors[0].values, self->dim * sizeof(float));
            kept++;
        }
        self->count = kept;
    }
    oct_records_free(records);
    return status;
}

static oct_status
search(const sample *self, size_t query, size_t ef, bool exact, oct_records **out, oct_error *error)
{
    const oct_search_request request = {
        .vector_name = self->vector,
        .query = self->queries + query * self->dim,
        .dim = self->dim,
        .limit = self->k,
        .ef = ef,
        .exact = exact,
        .exclude = &self->ids[query],
        .exclude_count = 1,
    };

    return oct_search(self->collection, &request, out, error);
}

/* --- work split among threads ---------------------------------------------------------------------------- */

typedef struct job {
    sample         *of;
    size_t          ef;
    bool            exact;
    size_t          items, turns;
    _Atomic(size_t) done;
    atomic_bool     failed;
    oct_error       error; /* of the call that failed first */
} job;

static void
job_fail(job *self, const oct_error *error)
{
    if (!atomic_exchange(&self->failed, true))
        self->error = *error;
}

/* Hits of a search that reach the truth. */
static void
count_hits(sample *self, size_t query, const oct_records *records)
{
    uint32_t hits = 0;

    for (size_t i = 0; i < records->count; i++) {
        const float score = records->items[i].score;

        hits += self->less_is_better ? score <= self->truth[query] : score >= self->truth[query];
    }
    self->hits[query] = hits < self->true_count[query] ? hits : self->true_count[query];
    self->found[query] = (uint32_t)records->count;
}

static void
run_truth(void *context, size_t query, uint32_t worker)
{
    job         *self = context;
    sample      *of = self->of;
    oct_records *records = NULL;
    oct_error    error = {0};

    (void)worker;
    if (atomic_load(&self->failed))
        return;
    if (search(of, query, self->ef, self->exact, &records, &error) != OCT_OK) {
        job_fail(self, &error);
        return;
    }
    if (self->exact) {
        of->true_count[query] = (uint32_t)records->count;
        if (records->count > 0) {
            const float worst = records->items[records->count - 1].score;
            const float slack = (float)(TIE * fmax(1.0, fabs((double)worst)));

            of->truth[query] = of->less_is_better ? worst + slack : worst - slack;
        }
        progress("searching exactly", atomic_fetch_add(&self->done, 1) + 1, of->count);
    } else {
        count_hits(of, query, records);
    }
    oct_records_free(records);
}

static void
run_timed(void *context, size_t item, uint32_t worker)
{
    job         *self = context;
    const size_t start = item * ALL_ITEM % self->of->count;

    (void)worker;
    for (size_t i = 0; i < ALL_ITEM && !atomic_load_explicit(&self->failed, memory_order_relaxed); i++) {
        oct_records *records = NULL;
        oct_error    error;

        if (search(self->of, (start + i) % self->of->count, self->ef, false, &records, &error) != OCT_OK)
            job_fail(self, &error);
        oct_records_free(records);
    }
}

static oct_status
job_run(job *self, workers *pool, uint32_t threads, void (*run)(void *context, size_t item, uint32_t worker),
        oct_error *error)
{
    workers_split(pool, self->items, threads, run, self);
    if (!atomic_load(&self->failed))
        return OCT_OK;
    return oct_fail(error, self->error.status, "%s", self->error.text);
}

/* --- measuring ------------------------------------------------------------------------------------------- */

/* Truth for every query, and the speed of a scan: on one thread for a few queries, since it is slow. */
static oct_status
find_truth(sample *self, workers *pool, uint32_t threads, bench_result *out, oct_error *error)
{
    job      every = {.of = self, .exact = true, .items = self->count};
    uint64_t start, spent = 0;
    size_t   timed = 0;

    self->truth = oct_calloc(self->count, sizeof *self->truth);
    self->true_count = oct_calloc(self->count, sizeof *self->true_count);
    self->hits = oct_calloc(self->count, sizeof *self->hits);
    self->found = oct_calloc(self->count, sizeof *self->found);
    if (self->truth == NULL || self->true_count == NULL || self->hits == NULL || self->found == NULL)
        return oct_fail_memory(error, self->count * sizeof *self->truth);
    for (start = clock_ns(CLOCK_MONOTONIC); timed < self->count && spent < PASS_NS; timed++) {
        oct_records *records = NULL;
        oct_status   status = search(self, timed, 0, true, &records, error);

        oct_records_free(records);
        if (status != OCT_OK)
            return status;
        spent = clock_ns(CLOCK_MONOTONIC) - start;
    }
    out->exact_qps.rounds[0] = (double)timed / ((double)spent / 1e9);
    return job_run(&every, pool, threads, run_truth, error);
}

static oct_status
find_recall(sample *self, workers *pool, uint32_t threads, bench_point *out, oct_error *error)
{
    job        every = {.of = self, .ef = out->ef, .items = self->count};
    oct_status status = job_run(&every, pool, threads, run_truth, error);
    uint64_t   hits = 0, found = 0, all = 0;

    for (size_t i = 0; i < self->count; i++) {
        hits += self->hits[i];
        found += self->found[i];
        all += self->true_count[i];
    }
    out->recall = all == 0 ? 1 : (double)hits / (double)all;
    out->found = all == 0 ? 1 : (double)found / (double)all;
    return status;
}

static int
by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* One thread, one call a query, whole turns of the queries until PASS_NS are over. */
static oct_status
time_singles(sample *self, bench_point *out, size_t round, oct_error *error)
{
    const size_t turns_max = self->took_room / self->count;
    uint64_t     cpu, wall = 0;
    size_t       calls = 0;
    oct_records *records = NULL;

    for (size_t i = 0; i < size_min(WARM_UP, self->count); i++) {
        const oct_status status = search(self, i, out->ef, false, &records, error);

        oct_records_free(records);
        if (status != OCT_OK)
            return status;
    }
    cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (size_t turn = 0; turn < turns_max && (turn == 0 || wall < PASS_NS); turn++) {
        for (size_t i = 0; i < self->count; i++) {
            const uint64_t   start = clock_ns(CLOCK_MONOTONIC);
            const oct_status status = search(self, i, out->ef, false, &records, error);
            const uint64_t   took = clock_ns(CLOCK_MONOTONIC) - start;

            oct_records_free(records);
            if (status != OCT_OK)
                return status;
            self->took_ns[calls++] = took;
            wall += took;
        }
    }
    cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    qsort(self->took_ns, calls, sizeof *self->took_ns, by_value);
    out->qps.rounds[round] = (double)calls / ((double)wall / 1e9);
    out->cpu_qps.rounds[round] = (double)calls / ((double)cpu / 1e9);
    out->p50_us.rounds[round] = (double)self->took_ns[calls / 2] / 1e3;
    out->p99_us.rounds[round] = (double)self->took_ns[(size_t)((double)(calls - 1) * 0.99)] / 1e3;
    return OCT_OK;
}

static oct_status
time_all(sample *self, workers *pool, uint32_t threads, bench_point *out, size_t round, oct_error *error)
{
    /* As many calls as one thread would make in a pass, times the threads. */
    const double wanted = out->qps.rounds[round] * (PASS_NS / 1e9) * threads;
    job      every = {.of = self, .ef = out->ef, .items = size_max(threads, (size_t)(wanted / ALL_ITEM) + 1)};
    uint64_t start = clock_ns(CLOCK_MONOTONIC);
    oct_status status = job_run(&every, pool, threads, run_timed, error);

    out->all_qps.rounds[round] =
        (double)(every.items * ALL_ITEM) / ((double)(clock_ns(CLOCK_MONOTONIC) - start) / 1e9);
    return status;
}

static oct_status
measure(sample *self, const plan *wanted, workers *pool, bench_result *out, oct_error *error)
{
    const size_t steps = wanted->ef_count * (BENCH_ROUNDS + 1);
    size_t       done = 0;
    oct_status   status = find_truth(self, pool, wanted->threads, out, error);

    /* Room for a pass at a million queries a second, and for every query once. */
    self->took_room = size_max(self->count, PASS_NS / 1000u);
    self->took_room -= self->took_room % self->count;
    self->took_ns = oct_calloc(self->took_room, sizeof *self->took_ns);
    if (status == OCT_OK && self->took_ns == NULL)
        status = oct_fail_memory(error, self->took_room * sizeof *self->took_ns);
    out->point_count = wanted->ef_count;
    for (size_t i = 0; i < wanted->ef_count && status == OCT_OK; i++) {
        out->points_at[i].ef = wanted->efs[i];
        status = find_recall(self, pool, wanted->threads, &out->points_at[i], error);
        progress("recall", ++done, steps);
    }
    for (size_t round = 0; round < BENCH_ROUNDS; round++) {
        for (size_t i = 0; i < wanted->ef_count && status == OCT_OK; i++) {
            status = time_singles(self, &out->points_at[i], round, error);
            if (status == OCT_OK)
                status = time_all(self, pool, wanted->threads, &out->points_at[i], round, error);
            progress("speed", ++done, steps);
        }
    }
    return status;
}

/* Everything about one vector name. `out->queries` 0: there was nothing to measure. */
static oct_status
bench_vector(oct_collection *collection, const oct_collection_info *info, const oct_vector_config *vector,
             const plan *wanted, workers *pool, bench_result *out, oct_error *error)
{
    sample     self = {.collection = collection,
                       .vector = vector->name,
                       .less_is_better = vector->distance == OCT_EUCLID || vector->distance == OCT_MANHATTAN,
                       .dim = (size_t)vector->size};
    oct_status status = OCT_OK;

    *out = (bench_result){.collection = info->name,
                          .vector = vector->name,
                          .points = info->points_count,
                          .graph_rows = info->indexed_vectors_count,
                          .tail_rows = info->tail_vectors_count,
                          .dead_rows = info->deleted_vectors_count,
                          .ram_bytes = info->ram_bytes,
                          .disk_bytes = info->disk_bytes,
                          .size = vector->size,
                          .distance = vector->distance,
                          .m = vector->hnsw.m >= 0 ? vector->hnsw.m : info->config.hnsw.m,
                          .ef_construct = vector->hnsw.ef_construct >= 0 ? vector->hnsw.ef_construct
                                                                         : info->config.hnsw.ef_construct,
                          .threads = wanted->threads};
    oct_collection_memory(collection, &out->memory);
    if (info->points_count < 2)
        return OCT_OK;
    self.k = size_min(wanted->k, (size_t)info->points_count - 1);
    status =
        draw_ids(&self, size_min(wanted->queries, (size_t)info->points_count), info->points_count, error);
    if (status == OCT_OK)
        status = read_vectors(&self, error);
    if (status == OCT_OK && self.count > 0)
        status = measure(&self, wanted, pool, out, error);
    out->queries = self.count;
    out->k = self.k;
    sample_clear(&self);
    progress_end();
    return status;
}

/* --- the command ----------------------------------------------------------------------------------------- */

/* A number of [min, max], or false after having said what is wrong with it. */
static bool
read_number(const char *flag, const char *text, size_t min, size_t max, size_t *out)
{
    char              *end = NULL;
    unsigned long long value;

    if (text == NULL)
        return true; /* the default stays */
    value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || value < min || value > max) {
        (void)cli_fail("%s is \"%s\"; it must be a number from %zu to %zu", flag, text, min, max);
        return false;
    }
    *out = (size_t)value;
    return true;
}

static bool
read_efs(const char *text, plan *out)
{
    if (text == NULL) {
        out->ef_count = countof(EFS_DEFAULT);
        memcpy(out->efs, EFS_DEFAULT, sizeof EFS_DEFAULT);
        return true;
    }
    while (out->ef_count < BENCH_EFS_MAX) {
        char         one[24];
        const size_t size = strcspn(text, ",");

        (void)snprintf(one, sizeof one, "%.*s", (int)size_min(size, sizeof one - 1), text);
        if (!read_number("a value of --ef", one, 1, OCT_LIMIT_MAX, &out->efs[out->ef_count]))
            return false;
        out->ef_count++;
        if (text[size] == '\0')
            return true;
        text += size + 1;
    }
    (void)cli_fail("--ef has more than %d values", BENCH_EFS_MAX);
    return false;
}

static bool
read_plan(const cli_arguments *arguments, plan *out)
{
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    size_t     threads = online < 1 ? 1 : size_min((size_t)online, WORKERS_MAX);

    *out = (plan){.path = arguments->first,
                  .collection = arguments->values[BENCH_COLLECTION],
                  .vector = arguments->values[BENCH_VECTOR],
                  .queries = QUERIES_DEFAULT,
                  .k = K_DEFAULT,
                  .json = arguments->values[BENCH_JSON] != NULL,
                  .plot = arguments->values[BENCH_PLOT]};
    if (!read_number("--queries", arguments->values[BENCH_QUERIES], 1, QUERIES_MAX, &out->queries) ||
        !read_number("--k", arguments->values[BENCH_K], 1, K_MAX, &out->k) ||
        !read_number("--threads", arguments->values[BENCH_THREADS], 1, WORKERS_MAX, &threads) ||
        !read_efs(arguments->values[BENCH_EF], out))
        return false;
    out->threads = (uint32_t)threads;
    return true;
}

typedef struct session {
    const plan          *wanted;
    oct_database        *database;
    workers             *pool;
    bench_result         results[RESULTS_MAX];
    oct_collection_info *infos[RESULTS_MAX]; /* hold the names in results */
    size_t               result_count, info_count;
    uint64_t             points;
    bool                 was_found; /* the vector asked for, in some collection */
} session;

static oct_status
bench_collection(session *self, oct_slice name, oct_error *error)
{
    oct_collection      *collection = NULL;
    oct_collection_info *info = NULL;
    oct_status           status = oct_collection_open(self->database, name, &collection, error);

    if (status == OCT_OK)
        status = oct_collection_describe(collection, &info, error);
    if (status == OCT_OK) {
        self->infos[self->info_count++] = info;
        self->points += info->points_count;
    }
    for (size_t v = 0; status == OCT_OK && v < info->config.vector_count; v++) {
        const oct_vector_config *vector = &info->config.vectors[v];
        bench_result            *result = &self->results[self->result_count];

        if (self->wanted->vector != NULL && !slice_is(vector->name, self->wanted->vector))
            continue;
        self->was_found = true;
        if (vector->multivector == 1 || self->result_count == RESULTS_MAX)
            continue; /* a query is many vectors there */
        status = bench_vector(collection, info, vector, self->wanted, self->pool, result, error);
        if (status == OCT_OK && result->queries > 0) {
            self->result_count++;
            if (!self->wanted->json)
                bench_show_table(result);
        } else if (status == OCT_OK && !self->wanted->json) {
            (void)printf("\n" SLICE_FMT ": fewer than two points, nothing to measure\n", SLICE_ARG(name));
        }
    }
    oct_collection_close(collection);
    return status;
}

static int
show(session *self, const bench_memory *before)
{
    const plan  *wanted = self->wanted;
    bench_memory memory;
    buffer       out = {0};
    int          exit_code = CLI_OK;

    bench_memory_read(wanted->path, &memory);
    if (!wanted->json) {
        bench_show_memory(&memory, before, self->points);
    } else {
        buffer_add_text(&out, "{\"path\":");
        json_add_text(&out, slice_of(wanted->path));
        buffer_format(&out, ",\"version\":\"%s\",\"cpu\":\"%s\",\"results\":[", oct_version(),
                      oct_cpu_level());
        for (size_t i = 0; i < self->result_count; i++) {
            if (i > 0)
                buffer_add_byte(&out, ',');
            bench_add_json(&out, &self->results[i]);
        }
        buffer_add_text(&out, "],\"memory\":");
        bench_add_memory_json(&out, &memory, before);
        buffer_add_text(&out, "}\n");
        if (out.failed)
            exit_code = cli_fail("out of memory");
        else
            (void)fwrite(out.data, 1, out.size, stdout);
    }
    buffer_clear(&out);
    if (wanted->plot != NULL && self->result_count > 0) {
        if (!bench_write_plot(wanted->plot, self->results, self->result_count))
            exit_code = CLI_FAILED;
        else if (!wanted->json)
            (void)printf("\nplot: %s\n", wanted->plot);
    }
    return exit_code;
}

static oct_status
bench_all(session *self, oct_error *error)
{
    oct_names *names = NULL;
    oct_status status;

    if (self->wanted->collection != NULL)
        return bench_collection(self, slice_of(self->wanted->collection), error);
    status = oct_collection_list(self->database, &names, error);
    for (size_t i = 0; status == OCT_OK && i < names->count && self->info_count < RESULTS_MAX; i++)
        status = bench_collection(self, names->items[i], error);
    oct_names_free(names);
    return status;
}

int
cli_bench(const cli_arguments *arguments)
{
    plan         wanted;
    bench_memory before;
    oct_error    error = {0};
    session     *self = NULL;
    oct_status   status = OCT_OK;
    int          exit_code = CLI_FAILED;

    if (!read_plan(arguments, &wanted))
        return CLI_USAGE;
    self = oct_calloc(1, sizeof *self);
    if (self == NULL)
        return cli_fail("out of memory");
    self->wanted = &wanted;
    bench_memory_read(wanted.path, &before);
    if (cli_open_read_only(wanted.path, &self->database) != OCT_OK)
        goto out;
    if (wanted.threads > 1) /* the calling thread is one of them */
        status = workers_new(wanted.threads - 1, &self->pool, &error);
    else
        status = workers_new(1, &self->pool, &error);
    if (status == OCT_OK)
        status = bench_all(self, &error);
    progress_end();
    if (status != OCT_OK)
        (void)cli_fail("%s", error.text);
    else if (wanted.vector != NULL && !self->was_found)
        (void)cli_fail("no collection has a vector \"%s\"", wanted.vector);
    else
        exit_code = show(self, &before);
out:
    for (size_t i = 0; i < self->info_count; i++)
        oct_collection_info_free(self->infos[i]);
    workers_free(self->pool);
    if (oct_close(self->database, &error) != OCT_OK)
        exit_code = cli_fail("%s", error.text);
    oct_free(self);
    return exit_code;
}
