/* Strict mode: what may be asked for. Texts are those of qdrant-api.md 1.3. Seed 971.
 * Goal:   each limit refuses what is beyond it, with its text, lets through what is not, and asks nothing when it is off.
 * Method: one collection in memory, its strict mode changed for each row of a table of requests. */
#include <time.h>

#include "collection/collection.h"
#include "support/test.h"

#define DIM 4u

static const oct_slice name = {"c", 1};

typedef struct fixture {
    oct_database   *database;
    oct_collection *collection;
} fixture;

static fixture
fixture_new(void)
{
    fixture               self = {0};
    oct_vector_config     vector;
    oct_collection_config config;
    const oct_point       points[] = {{.id = {0, 1, 0, 0}}, {.id = {0, 2, 0, 0}}, {.id = {0, 3, 0, 0}}};

    OCT_MUST(oct_open(NULL, &self.database, NULL) == OCT_OK);
    oct_vector_config_init(&vector);
    vector.size = DIM;
    vector.distance = OCT_DOT;
    oct_collection_config_init(&config);
    config.vectors = &vector;
    config.vector_count = 1;
    CHECK_OK(oct_collection_create(self.database, name, &config, NULL));
    CHECK_OK(oct_collection_open(self.database, name, &self.collection, NULL));
    CHECK_OK(oct_upsert(self.collection, points, countof(points), NULL, NULL, NULL));
    return self;
}

static void
fixture_clear(fixture *self)
{
    oct_collection_close(self->collection);
    CHECK_OK(oct_close(self->database, NULL));
}

static void
set(fixture *self, void (*change)(oct_strict_config *strict))
{
    oct_collection_config changes;

    oct_collection_config_init(&changes);
    changes.strict.enabled = 1;
    change(&changes.strict);
    CHECK_OK(oct_collection_update(self->database, name, &changes, NULL));
}

static oct_status
query(fixture *self, const oct_query *given, oct_error *error)
{
    oct_query_request request = {.query = *given};
    oct_records      *records = NULL;
    const oct_status  status = oct_query_points(self->collection, &request, &records, error);

    oct_records_free(records);
    return status;
}

static void query_limit(oct_strict_config *strict) { strict->max_query_limit = 15; }
static void no_exact(oct_strict_config *strict) { strict->search_allow_exact = 0; }
static void small_ef(oct_strict_config *strict) { strict->search_max_hnsw_ef = 32; }
static void oversampling(oct_strict_config *strict) { strict->search_max_oversampling = 1.5; }
static void timeouts(oct_strict_config *strict) { strict->max_timeout = 3; }
static void indexed(oct_strict_config *strict) { strict->unindexed_filtering_retrieve = 0; }
static void indexed_writes(oct_strict_config *strict) { strict->unindexed_filtering_update = 0; }
static void one_index(oct_strict_config *strict) { strict->max_payload_index_count = 1; }
static void conditions(oct_strict_config *strict) { strict->filter_max_conditions = 2; }
static void sizes(oct_strict_config *strict) { strict->condition_max_size = 2; }
static void batches(oct_strict_config *strict) { strict->upsert_max_batchsize = 2; strict->search_max_batchsize = 2; }
static void few_points(oct_strict_config *strict) { strict->max_points_count = 4; }
static void few_reads(oct_strict_config *strict) { strict->read_rate_limit = 3; }
static void few_writes(oct_strict_config *strict) { strict->write_rate_limit = 3; }
static void little_memory(oct_strict_config *strict) { strict->max_resident_memory_percent = 40; }
static void vector_bytes(oct_strict_config *strict) { strict->max_collection_vector_size_bytes = 0; }

TEST(strict_mode_refuses_queries_beyond_its_limits)
{
    const float values[DIM] = {1, 2, 3, 4};
    oct_query   nearest = {.kind = OCT_QUERY_NEAREST, .limit = 3};
    oct_query   fused = {.kind = OCT_QUERY_RRF, .limit = 3, .prefetch = &nearest, .prefetch_count = 1};
    fixture     self = fixture_new();
    oct_error   error = {0};

    nearest.as.nearest.target.vector = (oct_vector){.kind = OCT_DENSE, .values = values, .value_count = DIM};
    nearest.limit = 30;
    CHECK_OK(query(&self, &nearest, &error));
    set(&self, query_limit);
    CHECK_STATUS(query(&self, &nearest, &error), OCT_BAD_REQUEST);
    CHECK_TEXT(error.text, "Limit exceeded 30 > 15 for \"limit\". Help: Reduce the \"limit\" parameter to or below 15.");
    CHECK_STATUS(query(&self, &fused, &error), OCT_BAD_REQUEST); /* of prefetches too */
    nearest.limit = 15;
    CHECK_OK(query(&self, &nearest, &error));

    nearest.exact = true;
    CHECK_OK(query(&self, &nearest, &error));
    set(&self, no_exact);
    CHECK_STATUS(query(&self, &nearest, &error), OCT_BAD_REQUEST);
    CHECK_TEXT(error.text, "Exact search disabled!. Help: Set exact=false.");
    nearest.exact = false;
    nearest.ef = 33;
    CHECK_OK(query(&self, &nearest, &error));
    set(&self, small_ef);
    CHECK_STATUS(query(&self, &nearest, &error), OCT_BAD_REQUEST);
    CHECK_TEXT(error.text, "Limit exceeded 33 > 32 for \"hnsw_ef\". Help: Reduce the \"hnsw_ef\" parameter to or below 32.");
    nearest.ef = 32;
    nearest.oversampling = 1.75;
    set(&self, oversampling);
    CHECK_STATUS(query(&self, &nearest, &error), OCT_BAD_REQUEST);
    CHECK(strstr(error.text, "Limit exceeded 1.75 > 1.5 for \"oversampling\"") != NULL);
    nearest.oversampling = 1.5;
    CHECK_OK(query(&self, &nearest, &error));
    set(&self, timeouts);
    oct_time_limit(4000);
    CHECK_STATUS(query(&self, &nearest, &error), OCT_BAD_REQUEST);
    CHECK(strstr(error.text, "Limit exceeded 4 > 3 for \"timeout\"") != NULL);
    oct_time_limit(3000);
    CHECK_OK(query(&self, &nearest, &error));
    oct_time_limit(0);
    fixture_clear(&self);
}

TEST(strict_mode_looks_at_filters)
{
    const oct_value           words[] = {{.text = {"x", 1}}, {.text = {"y", 1}}, {.text = {"z", 1}}};
    const oct_match           match = {OCT_MATCH_ANY, words, 3, {NULL, 0}};
    const oct_field_condition field = {.match = &match};
    const oct_condition       three[] = {{.kind = OCT_CONDITION_FIELD, .key = {"k", 1}, .field = &field},
                                         {.kind = OCT_CONDITION_IS_NULL, .key = {"k", 1}},
                                         {.kind = OCT_CONDITION_HAS_VECTOR}};
    const oct_filter          filter = {.must = three, .must_count = 3};
    const oct_targets         targets = {.filter = &filter};
    fixture                   self = fixture_new();
    oct_error                 error = {0};
    oct_field_index           index;
    uint64_t                  count;

    CHECK_OK(oct_count_where(self.collection, &filter, &count, &error));
    set(&self, indexed);
    CHECK_STATUS(oct_count_where(self.collection, &filter, &count, &error), OCT_BAD_REQUEST);
    CHECK_TEXT(error.text, "Index required but not found for \"k\" of one of the following types: [keyword, uuid]. Help: Create "
                           "an index for this key or use a different filter.");
    oct_field_index_init(&index);
    index.field = (oct_slice){"k", 1};
    index.type = OCT_FIELD_INTEGER;
    set(&self, one_index);
    CHECK_OK(oct_field_index_create(self.collection, &index, NULL, NULL, &error));
    CHECK_STATUS(oct_count_where(self.collection, &filter, &count, &error), OCT_BAD_REQUEST); /* of another type */
    index.type = OCT_FIELD_KEYWORD;
    CHECK_OK(oct_field_index_create(self.collection, &index, NULL, NULL, &error)); /* in its place */
    CHECK_OK(oct_count_where(self.collection, &filter, &count, &error));
    index.field = (oct_slice){"other", 5};
    CHECK_STATUS(oct_field_index_create(self.collection, &index, NULL, NULL, &error), OCT_BAD_REQUEST);
    CHECK(strstr(error.text, "Collection already has the maximum number of payload indices (1)") != NULL);
    CHECK_OK(oct_field_index_delete(self.collection, (oct_slice){"k", 1}, NULL, NULL, &error));
    CHECK_OK(oct_delete_where(self.collection, &targets, NULL, NULL, &error));
    set(&self, indexed_writes);
    CHECK_STATUS(oct_delete_where(self.collection, &targets, NULL, NULL, &error), OCT_BAD_REQUEST);
    fixture_clear(&self);

    self = fixture_new();
    set(&self, sizes);
    CHECK_STATUS(oct_count_where(self.collection, &filter, &count, &error), OCT_BAD_REQUEST);
    CHECK(strstr(error.text, "Condition size limit reached (3 > 2)") != NULL);
    fixture_clear(&self);

    self = fixture_new();
    set(&self, conditions);
    CHECK_STATUS(oct_count_where(self.collection, &filter, &count, &error), OCT_BAD_REQUEST);
    CHECK(strstr(error.text, "Filter condition limit reached (3 > 2)") != NULL);
    fixture_clear(&self);
}

TEST(strict_mode_bounds_writes_and_rates)
{
    const oct_point   points[] = {{.id = {0, 3, 0, 0}}, {.id = {0, 4, 0, 0}}, {.id = {0, 5, 0, 0}}};
    oct_query_request requests[3] = {{.query = {.limit = 1}}, {.query = {.limit = 1}}, {.query = {.limit = 1}}};
    oct_records      *records[3];
    fixture           self = fixture_new();
    oct_error         error = {0};
    uint64_t          count;

    set(&self, batches);
    CHECK_STATUS(oct_upsert(self.collection, points, 3, NULL, NULL, &error), OCT_BAD_REQUEST);
    CHECK(strstr(error.text, "Limit exceeded 3 > 2 for \"upsert limit\"") != NULL);
    CHECK_STATUS(oct_query_batch(self.collection, requests, 3, records, &error), OCT_BAD_REQUEST);
    CHECK(strstr(error.text, "Limit exceeded 3 > 2 for \"search batch size\"") != NULL);
    set(&self, few_points);
    CHECK_STATUS(oct_upsert(self.collection, points + 1, 2, NULL, NULL, &error), OCT_BAD_REQUEST);
    CHECK(strstr(error.text, "Max points count limit of 4 reached!") != NULL);
    CHECK_OK(oct_upsert(self.collection, points, 2, NULL, NULL, &error)); /* one of them is there already */
    set(&self, vector_bytes);
    CHECK_STATUS(oct_upsert(self.collection, points, 1, NULL, NULL, &error), OCT_BAD_REQUEST);
    CHECK(strstr(error.text, "Max vector storage size limit of 0 bytes") != NULL);
    fixture_clear(&self);

    self = fixture_new();
    set(&self, few_reads);
    for (int i = 0; i < 3; i++)
        CHECK_OK(oct_count(self.collection, &count, &error));
    CHECK_STATUS(oct_count(self.collection, &count, &error), OCT_BUSY);
    CHECK_TEXT(error.text, "Read rate limit exceeded: Operation requires 1 tokens but only 0.0 were available. Retry after 20s");
    set(&self, few_writes);
    CHECK_STATUS(oct_upsert(self.collection, (const oct_point[4]){{.id = {0, 9, 0, 0}}}, 4, NULL, NULL, &error), OCT_BUSY);
    CHECK_TEXT(error.text,
               "Write rate limit exceeded, request larger than rate limiter capacity, please try to split your request");
    CHECK_OK(oct_upsert(self.collection, points, 3, NULL, NULL, &error));
    CHECK_STATUS(oct_delete(self.collection, &points[0].id, 1, NULL, NULL, &error), OCT_BUSY);
    fixture_clear(&self);
}

/* Goal:   when the process takes more memory than the collection allows, writes are refused and deletions are not.
 * Method: what was measured is changed behind its back; it is measured anew after a second, so it may take several tries. */
TEST(strict_mode_stops_writes_when_memory_is_short)
{
    const oct_point points[] = {{.id = {0, 3, 0, 0}}};
    fixture         self = fixture_new();
    oct_error       error = {0};
    oct_status      status = OCT_OK;
    quota          *measured = &self.collection->database->quotas;

    set(&self, little_memory);
    for (int i = 0; i < 1000 && status == OCT_OK; i++) {
        (void)pthread_mutex_lock(&measured->lock);
        measured->usage.resident_memory_percent = 41;
        measured->asked_ns = os_clock_ns(os_posix());
        (void)pthread_mutex_unlock(&measured->lock);
        status = oct_upsert(self.collection, points, 1, NULL, NULL, &error);
    }
    CHECK_STATUS(status, OCT_BAD_REQUEST);
    CHECK_TEXT(error.text, "Max resident memory limit of 40% reached: the process takes 41% of the machine's memory!. Help: Delete "
                           "some points or raise max_resident_memory_percent.");
    CHECK_OK(oct_delete(self.collection, &points[0].id, 1, NULL, NULL, &error));
    (void)pthread_mutex_lock(&measured->lock);
    measured->usage.resident_memory_percent = 40;
    measured->asked_ns = os_clock_ns(os_posix());
    (void)pthread_mutex_unlock(&measured->lock);
    CHECK_OK(oct_upsert(self.collection, points, 1, NULL, NULL, &error));
    fixture_clear(&self);
}

/* Goal:   a search whose time is over stops with OCT_TIMEOUT, and so does a filter; without a limit both go through.
 * Method: enough points for some milliseconds of exact scan; a limit that has passed when the search begins. */
TEST(work_stops_when_its_time_is_over)
{
    fixture             self = fixture_new();
    const float         values[DIM] = {1, 2, 3, 4};
    const oct_condition of[] = {{.kind = OCT_CONDITION_IS_NULL, .key = {"k", 1}}};
    const oct_filter    filter = {.must = of, .must_count = 1};
    oct_search_request  request = {.query = values, .dim = DIM, .limit = 3, .exact = true, .filter = &filter};
    oct_records        *records = NULL;
    oct_error           error = {0};
    struct timespec     a_while = {0, 3000000};

    oct_time_limit(1);
    (void)nanosleep(&a_while, NULL);
    CHECK_STATUS(oct_search(self.collection, &request, &records, &error), OCT_TIMEOUT);
    CHECK_TEXT(error.text, "Operation timed out after 0.001 seconds; allow it more with `timeout`");
    CHECK_STATUS(oct_scroll_where(self.collection, &filter, NULL, 3, NULL, &records, &error), OCT_TIMEOUT);
    oct_time_limit(UINT64_MAX);
    CHECK_OK(oct_search(self.collection, &request, &records, &error));
    oct_records_free(records);
    oct_time_limit(0);
    CHECK_OK(oct_search(self.collection, &request, &records, &error));
    oct_records_free(records);
    fixture_clear(&self);
}
