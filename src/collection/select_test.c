/* Goal:   whatever a filter chooses - for a count, a page, a search or a write - is what matches at that moment.
 * Method: random histories against an array of structs, seed 61; collections with a graph and filters of every
 *         selectivity, seed 62; more filters than are remembered, seed 63; a writer beside readers, seed 64; each
 *         allocation
 *         failing in turn; a database closed and opened again. All through octant.h. */
#include "octant.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "base/base.h"
#include "support/test.h"

#define S(text_) ((oct_slice){(text_), sizeof(text_) - 1})
#define DIM      8u

/* --- a collection and its model ------------------------------------------------------------------------ */

typedef struct model_point {
    bool    lives, has_first, has_second; /* vectors */
    int64_t group;                        /* payload: {"group": g, "tags": ["t<g % 3>"]} */
} model_point;

typedef struct world {
    oct_database   *database;
    oct_collection *collection;
    model_point    *points;
    uint64_t        count;
} world;

static void
must_be_ok(oct_status status, const oct_error *error)
{
    CHECK_MSG(status == OCT_OK, "%s", error->text);
}

/* Two named vectors; with `low` thresholds there is a graph from the start. */
static void
world_open(world *self, const char *path, uint64_t count, bool low)
{
    oct_open_options      options = {.path = path, .threads = 2};
    oct_vector_config     vectors[2];
    oct_collection_config config;
    oct_error             error = {0};

    *self = (world){.count = count, .points = oct_calloc(count, sizeof *self->points)};
    oct_collection_config_init(&config);
    for (size_t i = 0; i < 2; i++) {
        oct_vector_config_init(&vectors[i]);
        vectors[i].name = i == 0 ? S("first") : S("second");
        vectors[i].size = DIM;
        vectors[i].distance = OCT_EUCLID;
        if (low)
            vectors[i].hnsw.full_scan_threshold = 1;
    }
    config.vectors = vectors;
    config.vector_count = 2;
    if (low)
        config.optimizer.indexing_threshold = 1;
    must_be_ok(oct_open(&options, &self->database, &error), &error);
    must_be_ok(oct_collection_create(self->database, S("c"), &config, &error), &error);
    must_be_ok(oct_collection_open(self->database, S("c"), &self->collection, &error), &error);
}

static void
world_close(world *self)
{
    oct_collection_close(self->collection);
    CHECK_OK(oct_close(self->database, NULL));
    oct_free(self->points);
}

/* Ids go up and down with the point number, so that numbers in the shard are not in the order of ids. */
static oct_id
id_of(uint64_t point)
{
    return oct_id_number((point * 7919) % 1000003);
}

static oct_slice
payload_of(int64_t group, char *text, size_t size)
{
    return (oct_slice){text,
                       (size_t)snprintf(text, size, "{\"group\":%" PRId64 ",\"tags\":[\"t%" PRId64 "\"]}",
                                        group, group % 3)};
}

static void
upsert(world *self, uint64_t point, int64_t group, unsigned vectors, test_rng *rng,
       const oct_update_rule *rule)
{
    float      values[2][DIM];
    oct_vector given[2];
    oct_point  one = {.id = id_of(point), .vectors = given};
    char       text[128];
    oct_error  error = {0};

    for (size_t v = 0; v < 2; v++) {
        test_fill(rng, values[v], DIM);
        if ((vectors >> v & 1) != 0)
            given[one.vector_count++] = (oct_vector){
                .name = v == 0 ? S("first") : S("second"), .values = values[v], .value_count = DIM};
    }
    one.payload = payload_of(group, text, sizeof text);
    must_be_ok(oct_upsert_where(self->collection, &one, 1, rule, NULL, NULL, &error), &error);
}

/* --- filters of the model -------------------------------------------------------------------------------- */

typedef enum model_kind { GROUP_IN, TAG_IS, HAS_SECOND, ID_IN, NOT_GROUP, KINDS } model_kind;

/* A filter with everything it points to. It must not be copied. */
typedef struct model_filter {
    model_kind          kind;
    int64_t             low, high;
    uint64_t            ids_from, ids_count;
    char                tag[8];
    oct_value           value;
    oct_match           match;
    oct_range           range;
    oct_field_condition field;
    oct_id              ids[64];
    oct_condition       conditions[2];
    oct_filter          filter;
} model_filter;

static void
make_filter(model_filter *self, model_kind kind, int64_t low, int64_t high, uint64_t ids_from)
{
    *self = (model_filter){.kind = kind, .low = low, .high = high, .ids_from = ids_from};
    self->range = (oct_range){.bounds = OCT_GTE | OCT_LT, .gte = (double)low, .lt = (double)high};
    self->conditions[0] = (oct_condition){.key = S("group"), .field = &self->field};
    self->field.range = &self->range;
    switch (kind) {
    case TAG_IS:
        (void)snprintf(self->tag, sizeof self->tag, "t%d", (int)(low % 3));
        self->value.text = slice_of(self->tag);
        self->match = (oct_match){.values = &self->value, .value_count = 1};
        self->field = (oct_field_condition){.match = &self->match};
        self->conditions[0].key = S("tags[]");
        break;
    case HAS_SECOND:
        self->conditions[0] = (oct_condition){.kind = OCT_CONDITION_HAS_VECTOR, .vector = S("second")};
        break;
    case ID_IN:
        self->ids_count = countof(self->ids);
        for (uint64_t i = 0; i < self->ids_count; i++)
            self->ids[i] = id_of(ids_from + i);
        self->conditions[1] =
            (oct_condition){.kind = OCT_CONDITION_HAS_ID, .ids = self->ids, .id_count = self->ids_count};
        self->filter.must_count = 1;
        break;
    default:
        break;
    }
    self->filter.must_count++;
    self->filter.must = self->conditions;
    if (kind == NOT_GROUP)
        self->filter = (oct_filter){.must_not = self->conditions, .must_not_count = 1};
}

static void
random_filter(model_filter *self, const world *of, test_rng *rng)
{
    const int64_t low = (int64_t)test_below(rng, 50);

    make_filter(self, (model_kind)test_below(rng, KINDS), low, low + 1 + (int64_t)test_below(rng, 40),
                test_below(rng, of->count));
}

static bool
matches(const model_filter *filter, const world *of, uint64_t point)
{
    const model_point *self = &of->points[point];
    const bool         in_group = self->group >= filter->low && self->group < filter->high;

    switch (filter->kind) {
    case GROUP_IN:
        return self->lives && in_group;
    case TAG_IS:
        return self->lives && self->group % 3 == filter->low % 3;
    case HAS_SECOND:
        return self->lives && self->has_second;
    case ID_IN:
        return self->lives && in_group && point >= filter->ids_from &&
               point < filter->ids_from + filter->ids_count;
    default:
        return self->lives && !in_group;
    }
}

/* --- the questions ------------------------------------------------------------------------------------------ */

static int
compare_ids(const void *a, const void *b)
{
    const oct_id *x = a, *y = b;

    return (x->low > y->low) - (x->low < y->low);
}

/* The ids that match, ascending; oct_free them. */
static oct_id *
matching_ids(const world *self, const model_filter *filter, size_t *count)
{
    oct_id *ids = oct_calloc(self->count + 1, sizeof *ids);

    *count = 0;
    for (uint64_t point = 0; point < self->count; point++) {
        if (matches(filter, self, point))
            ids[(*count)++] = id_of(point);
    }
    qsort(ids, *count, sizeof *ids, compare_ids);
    return ids;
}

static void
check_count_and_pages(const world *self, const model_filter *filter, test_rng *rng)
{
    size_t       wanted, at = 0;
    oct_id      *ids = matching_ids(self, filter, &wanted);
    const size_t limit = 1 + (size_t)test_below(rng, 40);
    uint64_t     count = 0;
    oct_error    error = {0};
    oct_id       from = {0};
    bool         more = wanted > 0;

    must_be_ok(oct_count_where(self->collection, &filter->filter, &count, &error), &error);
    CHECK_MSG(count == wanted, "kind %d, %" PRId64 " to %" PRId64 ": %" PRIu64 " counted, %zu match",
              (int)filter->kind, filter->low, filter->high, count, wanted);
    if (test_below(rng, 2) == 0 && wanted > 0) {
        at = (size_t)test_below(rng, wanted); /* from the middle, between two ids */
        from = at == 0 ? (oct_id){0} : oct_id_number(ids[at - 1].low + 1);
    }
    for (size_t pages = 0; more && pages <= wanted; pages++) {
        oct_records *page = NULL;

        must_be_ok(oct_scroll_where(self->collection, &filter->filter, &from, limit, NULL, &page, &error),
                   &error);
        if (page == NULL)
            break;
        CHECK_INT(page->count, size_min(limit, wanted - at));
        for (size_t i = 0; i < page->count && at < wanted; i++, at++)
            CHECK_MSG(page->items[i].id.low == ids[at].low, "place %zu", at);
        CHECK(page->has_next == (at < wanted));
        more = page->has_next;
        from = page->next;
        oct_records_free(page);
    }
    CHECK_INT(at, wanted);
    oct_free(ids);
}

/* `limit` points match, so `limit` are found, all of them matching, best first. Returns how many of the best ones. */
static size_t
check_search(const world *self, const model_filter *filter, size_t limit, size_t ef, test_rng *rng,
             size_t *wanted_hits)
{
    oct_search_request request = {
        .vector_name = S("first"), .dim = DIM, .limit = limit, .ef = ef, .filter = &filter->filter};
    float        query[DIM];
    size_t       matching = 0, best = 0;
    oct_records *hits = NULL, *exact = NULL;
    oct_error    error = {0};

    test_fill(rng, query, DIM);
    request.query = query;
    for (uint64_t point = 0; point < self->count; point++)
        matching += matches(filter, self, point) && self->points[point].has_first;
    must_be_ok(oct_search(self->collection, &request, &hits, &error), &error);
    request.exact = true;
    must_be_ok(oct_search(self->collection, &request, &exact, &error), &error);
    *wanted_hits = size_min(limit, matching);
    if (hits == NULL || exact == NULL)
        return 0;
    CHECK_MSG(hits->count == *wanted_hits,
              "kind %d, %" PRId64 " to %" PRId64 ": %zu hits, %zu match, limit %zu", (int)filter->kind,
              filter->low, filter->high, hits->count, matching, limit);
    CHECK_INT(exact->count, *wanted_hits);
    for (size_t i = 0; i < hits->count; i++) {
        bool found = false;

        for (uint64_t point = 0; point < self->count && !found; point++)
            found = id_of(point).low == hits->items[i].id.low && matches(filter, self, point) &&
                    self->points[point].has_first;
        CHECK_MSG(found, "hit %zu does not match", i);
        CHECK(i == 0 || hits->items[i].score >= hits->items[i - 1].score);
        best += i < exact->count && hits->items[i].score <= exact->items[exact->count - 1].score;
    }
    oct_records_free(hits);
    oct_records_free(exact);
    return best;
}

/* --- histories ------------------------------------------------------------------------------------------------ */

static void
random_upsert(world *self, test_rng *rng)
{
    static const oct_update_mode modes[] = {OCT_UPSERT, OCT_UPSERT, OCT_INSERT_ONLY, OCT_UPDATE_ONLY};
    const uint64_t               point = test_below(rng, self->count);
    const int64_t                group = (int64_t)test_below(rng, 90);
    const unsigned               vectors = (unsigned)test_below(rng, 4);
    oct_update_rule              rule = {.mode = modes[test_below(rng, countof(modes))]};
    model_point                 *old = &self->points[point];
    model_filter                 filter;
    bool passes = old->lives ? rule.mode != OCT_INSERT_ONLY : rule.mode != OCT_UPDATE_ONLY;

    random_filter(&filter, self, rng);
    if (test_below(rng, 2) == 0) {
        rule.filter = &filter.filter;
        passes = passes && (!old->lives || matches(&filter, self, point));
    }
    upsert(self, point, group, vectors, rng, &rule);
    if (passes)
        *old = (model_point){true, (vectors & 1) != 0, (vectors & 2) != 0, group};
}

/* New vectors for a point, if it matches. */
static void
random_update_vectors(world *self, test_rng *rng)
{
    const uint64_t point = test_below(rng, self->count);
    float          values[DIM];
    oct_vector     vector = {.name = S("second"), .values = values, .value_count = DIM};
    oct_point      one = {.id = id_of(point), .vectors = &vector, .vector_count = 1};
    model_filter   filter;
    oct_error      error = {0};

    test_fill(rng, values, DIM);
    random_filter(&filter, self, rng);
    CHECK_STATUS(oct_update_vectors_where(self->collection, &one, 1, &filter.filter, NULL, NULL, &error),
                 self->points[point].lives ? OCT_OK : OCT_NOT_FOUND);
    if (matches(&filter, self, point))
        self->points[point].has_second = true;
}

static void
random_write_by_filter(world *self, test_rng *rng)
{
    const oct_slice    names[] = {S("second")};
    const uint64_t     extra = test_below(rng, self->count);
    const int64_t      group = (int64_t)test_below(rng, 90);
    const uint64_t     kind = test_below(rng, 3);
    oct_id             ids[1] = {id_of(extra)};
    oct_targets        targets = {.ids = ids};
    char               text[128];
    oct_payload_change change = {.action = OCT_PAYLOAD_OVERWRITE,
                                 .payload = payload_of(group, text, sizeof text)};
    bool              *chosen = oct_calloc(self->count, sizeof *chosen);
    model_filter       filter;
    oct_error          error = {0};

    make_filter(&filter, test_below(rng, 3) == 0 ? ID_IN : GROUP_IN, group, group + 2,
                test_below(rng, self->count));
    targets.filter = &filter.filter;
    /* At times an id besides, which may match too. */
    targets.id_count = self->points[extra].lives && test_below(rng, 2) == 0;
    for (uint64_t point = 0; point < self->count; point++)
        chosen[point] = matches(&filter, self, point) || (targets.id_count > 0 && point == extra);
    if (kind == 0)
        must_be_ok(oct_delete_where(self->collection, &targets, NULL, NULL, &error), &error);
    else if (kind == 1)
        must_be_ok(oct_delete_vectors_where(self->collection, &targets, names, 1, NULL, NULL, &error),
                   &error);
    else
        must_be_ok(oct_change_payload_where(self->collection, &targets, &change, NULL, NULL, &error), &error);
    for (uint64_t point = 0; point < self->count; point++) {
        if (!chosen[point])
            continue;
        if (kind == 0)
            self->points[point] = (model_point){0};
        else if (kind == 1)
            self->points[point].has_second = false;
        else
            self->points[point].group = group;
    }
    oct_free(chosen);
}

static void
play(world *self, test_rng *rng, uint64_t steps)
{
    /* Few filters, asked again and again, so that answers are remembered and brought up to date. */
    model_filter *kept = oct_calloc(8, sizeof *kept);

    for (size_t i = 0; i < 8; i++)
        random_filter(&kept[i], self, rng);
    for (uint64_t step = 0; step < steps && !test_has_failed(); step++) {
        const uint64_t dice = test_below(rng, 10);
        size_t         wanted;
        model_filter   once;

        if (dice < 5)
            random_upsert(self, rng);
        else if (dice < 6)
            random_update_vectors(self, rng);
        else if (dice < 7)
            random_write_by_filter(self, rng);
        random_filter(&once, self, rng);
        check_count_and_pages(self, dice < 8 ? &kept[test_below(rng, 8)] : &once, rng);
        if (dice >= 8)
            (void)check_search(self, &once, 1 + (size_t)test_below(rng, 30), 0, rng, &wanted);
    }
    oct_free(kept);
}

TEST(filtered_reads_and_writes_agree_with_an_array)
{
    test_rng rng = test_rng_seed(61);
    world    self;

    world_open(&self, NULL, 300, false);
    play(&self, &rng, test_scaled(2500));
    CHECK_OK(oct_collection_check(self.collection, NULL));
    world_close(&self);
}

TEST(a_write_by_filter_is_the_same_after_reopening)
{
    test_rng         rng = test_rng_seed(65);
    char             path[512];
    oct_open_options options = {.path = path, .threads = 1};
    oct_error        error = {0};
    world            self;

    (void)snprintf(path, sizeof path, "%s/by_filter", test_folder());
    world_open(&self, path, 120, false);
    for (int round = 0; round < 3 && !test_has_failed(); round++) {
        play(&self, &rng, 150);
        oct_collection_close(self.collection);
        must_be_ok(oct_close(self.database, &error), &error);
        must_be_ok(oct_open(&options, &self.database, &error), &error);
        must_be_ok(oct_collection_open(self.database, S("c"), &self.collection, &error), &error);
    }
    play(&self, &rng, 50);
    world_close(&self);
}

TEST(limit_points_that_match_give_limit_hits)
{
    static const int64_t widths[] = {1, 3, 10, 40, 89};
    test_rng             rng = test_rng_seed(62);
    size_t               found = 0, wanted_all = 0;
    oct_error            error = {0};
    world                self;

    world_open(&self, NULL, 4000, true);
    for (uint64_t point = 0; point < self.count; point++) {
        const unsigned vectors = test_below(&rng, 10) == 0 ? 2 : 3;

        self.points[point] = (model_point){true, (vectors & 1) != 0, true, (int64_t)test_below(&rng, 90)};
        upsert(&self, point, self.points[point].group, vectors, &rng, NULL);
    }
    must_be_ok(oct_collection_wait_indexed(self.collection, 0, &error), &error);
    for (uint64_t round = 0; round < test_scaled(120) && !test_has_failed(); round++) {
        static const size_t limits[] = {1, 10, 100, 1000, 5000};
        model_filter        filter;
        size_t              wanted;
        const int64_t       low = (int64_t)test_below(&rng, 90);

        make_filter(&filter,
                    round % 4 == 0   ? TAG_IS
                    : round % 4 == 1 ? NOT_GROUP
                                     : GROUP_IN,
                    low, low + widths[test_below(&rng, countof(widths))], 0);
        found += check_search(&self, &filter, limits[test_below(&rng, countof(limits))], 64, &rng, &wanted);
        wanted_all += wanted;
        /* A hundredth of the points die or move now and then. */
        for (int i = 0; round % 10 == 9 && i < 40; i++) {
            const uint64_t point = test_below(&rng, self.count);
            const oct_id   id = id_of(point);

            if (test_below(&rng, 2) == 0) {
                must_be_ok(oct_delete(self.collection, &id, 1, NULL, NULL, &error), &error);
                self.points[point] = (model_point){0};
            } else {
                self.points[point] = (model_point){true, true, true, (int64_t)test_below(&rng, 90)};
                upsert(&self, point, self.points[point].group, 3, &rng, NULL);
            }
        }
    }
    /* Random vectors of 8 dimensions, ef 64, m 16: what an unfiltered search of this graph finds, and no less. */
    CHECK_MSG(found * 100 >= wanted_all * 95, "%zu of %zu of the best are found", found, wanted_all);
    world_close(&self);
}

TEST(more_filters_than_are_remembered_are_answered_alike)
{
    test_rng      rng = test_rng_seed(63);
    model_filter *filters = oct_calloc(100, sizeof *filters);
    world         self;

    world_open(&self, NULL, 200, false);
    for (uint64_t point = 0; point < self.count; point++) {
        self.points[point] = (model_point){true, true, true, (int64_t)test_below(&rng, 90)};
        upsert(&self, point, self.points[point].group, 3, &rng, NULL);
    }
    for (size_t i = 0; i < 100; i++)
        random_filter(&filters[i], &self, &rng);
    for (uint64_t round = 0; round < test_scaled(1500) && !test_has_failed(); round++) {
        /* The first ones often, so that they stay while the others come and go. */
        check_count_and_pages(&self, &filters[test_below(&rng, test_below(&rng, 2) == 0 ? 10 : 100)], &rng);
        if (round % 20 == 0)
            random_upsert(&self, &rng);
    }
    oct_free(filters);
    world_close(&self);
}

TEST(large_collections_are_asked_by_several_threads)
{
    const uint64_t         count = 100000; /* more than four chunks of 16,384 */
    const oct_open_options options = {.threads = 3};
    oct_vector_config      vector;
    oct_collection_config  config;
    uint64_t              *ids = oct_calloc(count, sizeof *ids);
    float                 *vectors = oct_calloc(count, sizeof *vectors);
    oct_slice             *payloads = oct_calloc(count, sizeof *payloads);
    char(*texts)[32] = oct_calloc(count, sizeof *texts);
    oct_database   *database = NULL;
    oct_collection *collection = NULL;
    oct_error       error = {0};

    for (uint64_t i = 0; i < count; i++) {
        ids[i] = i;
        payloads[i] = (oct_slice){
            texts[i], (size_t)snprintf(texts[i], sizeof texts[i], "{\"group\":%" PRIu64 "}", i % 97)};
    }
    oct_collection_config_init(&config);
    oct_vector_config_init(&vector);
    vector.size = 1;
    vector.distance = OCT_DOT;
    config.vectors = &vector;
    config.vector_count = 1;
    config.optimizer.indexing_threshold = 0;
    must_be_ok(oct_open(&options, &database, &error), &error);
    must_be_ok(oct_collection_create(database, S("c"), &config, &error), &error);
    must_be_ok(oct_collection_open(database, S("c"), &collection, &error), &error);
    must_be_ok(oct_upsert_rows(collection, ids, vectors, count, 1, 0, payloads, NULL, &error), &error);
    for (int64_t group = 0; group < 12; group++) {
        const uint64_t of_group = (count - (uint64_t)group + 96) / 97;
        model_filter   some;
        oct_targets    targets = {.filter = &some.filter};
        uint64_t       found = 0, left = 0;

        make_filter(&some, GROUP_IN, group, group + 1, 0);
        must_be_ok(oct_count_where(collection, &some.filter, &found, &error), &error);
        CHECK_INT(found, of_group);
        must_be_ok(oct_delete_where(collection, &targets, NULL, NULL, &error), &error);
        must_be_ok(oct_count_where(collection, &some.filter, &found, &error), &error);
        CHECK_INT(found, 0);
        must_be_ok(oct_count(collection, &left, &error), &error);
        make_filter(&some, NOT_GROUP, group, group + 1, 0);
        must_be_ok(oct_count_where(collection, &some.filter, &found, &error), &error);
        CHECK_INT(found, left);
    }
    oct_collection_close(collection);
    CHECK_OK(oct_close(database, NULL));
    oct_free(ids);
    oct_free(vectors);
    oct_free(payloads);
    oct_free(texts);
}

/* --- threads ---------------------------------------------------------------------------------------------------- */

typedef struct readers {
    world           *of;
    atomic_bool      stop;
    _Atomic uint64_t reads[2];
} readers;

static void *
read_on(void *context)
{
    readers     *self = context;
    test_rng     rng = test_rng_seed(640);
    model_filter filter;
    oct_error    error = {0};

    while (!atomic_load(&self->stop)) {
        oct_search_request request = {.vector_name = S("first"), .dim = DIM, .limit = 5};
        float              query[DIM];
        oct_records       *hits = NULL, *page = NULL;
        uint64_t           count;

        /* Groups from 1000 on exist only in passing, those from 2000 on never. */
        make_filter(&filter, GROUP_IN, test_below(&rng, 2) == 0 ? 0 : 2000, 3000, 0);
        test_fill(&rng, query, DIM);
        request.query = query;
        request.filter = &filter.filter;
        must_be_ok(oct_count_where(self->of->collection, &filter.filter, &count, &error), &error);
        CHECK_MSG(filter.low == 0 || count == 0, "%" PRIu64 " points of a group that none has", count);
        must_be_ok(oct_search(self->of->collection, &request, &hits, &error), &error);
        must_be_ok(oct_scroll_where(self->of->collection, &filter.filter, NULL, 7, NULL, &page, &error),
                   &error);
        CHECK(filter.low == 0 || (hits != NULL && hits->count == 0 && page != NULL && page->count == 0));
        oct_records_free(hits);
        oct_records_free(page);
        self->reads[filter.low != 0]++;
    }
    return NULL;
}

TEST(a_writer_sees_its_own_writes_while_others_read)
{
    test_rng  rng = test_rng_seed(64);
    readers   reading = {0};
    pthread_t threads[2];
    world     self;

    world_open(&self, NULL, 150, true);
    reading.of = &self;
    for (uint64_t point = 0; point < self.count; point++) {
        self.points[point] = (model_point){true, true, true, (int64_t)test_below(&rng, 90)};
        upsert(&self, point, self.points[point].group, 3, &rng, NULL);
    }
    for (size_t i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, read_on, &reading), 0);
    play(&self, &rng, test_scaled(300));
    for (int64_t group = 0; group < 20; group++) { /* moved away and back by filters */
        char               text[128];
        oct_payload_change change = {.action = OCT_PAYLOAD_SET,
                                     .payload = payload_of(1000, text, sizeof text)};
        model_filter       from, to;
        oct_targets        targets = {.filter = &from.filter};
        oct_error          error = {0};
        uint64_t           before, after;

        make_filter(&from, GROUP_IN, group, group + 1, 0);
        make_filter(&to, GROUP_IN, 1000, 1001, 0);
        must_be_ok(oct_count_where(self.collection, &from.filter, &before, &error), &error);
        must_be_ok(oct_change_payload_where(self.collection, &targets, &change, NULL, NULL, &error), &error);
        must_be_ok(oct_count_where(self.collection, &to.filter, &after, &error), &error);
        CHECK_INT(after, before);
        change.payload = payload_of(group, text, sizeof text);
        targets.filter = &to.filter;
        must_be_ok(oct_change_payload_where(self.collection, &targets, &change, NULL, NULL, &error), &error);
        must_be_ok(oct_count_where(self.collection, &from.filter, &after, &error), &error);
        CHECK_INT(after, before);
    }
    /* On a busy machine the readers may not have had their turn yet. */
    while (atomic_load(&reading.reads[0]) == 0 || atomic_load(&reading.reads[1]) == 0)
        (void)sched_yield();
    atomic_store(&reading.stop, true);
    for (size_t i = 0; i < 2; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    world_close(&self);
}

/* --- failures
 * ------------------------------------------------------------------------------------------------------ */

TEST(a_filtered_call_without_memory_changes_nothing)
{
    test_rng     rng = test_rng_seed(66);
    model_filter some;
    world        self;
    uint64_t     succeeded = 0;

    world_open(&self, NULL, 100, false);
    for (uint64_t point = 0; point < self.count; point++) {
        self.points[point] = (model_point){true, true, true, (int64_t)test_below(&rng, 90)};
        upsert(&self, point, self.points[point].group, 3, &rng, NULL);
    }
    for (uint64_t after = 0; after < 60 && !test_has_failed(); after++) {
        oct_records *page = NULL;
        uint64_t     count = 0;
        oct_error    error = {0};
        oct_status   counted, scrolled, deleted;
        model_filter rare;
        oct_targets  targets = {.filter = &rare.filter};

        random_filter(&some, &self, &rng);
        make_filter(&rare, GROUP_IN, (int64_t)after, (int64_t)after + 1, 0);
        oct_alloc_fail_after(after, true);
        counted = oct_count_where(self.collection, &some.filter, &count, &error);
        oct_alloc_fail_after(after, true);
        scrolled = oct_scroll_where(self.collection, &some.filter, NULL, 10, NULL, &page, &error);
        oct_alloc_fail_after(after, true);
        deleted = oct_delete_where(self.collection, &targets, NULL, NULL, &error);
        oct_alloc_fail_after(UINT64_MAX, false);
        CHECK(counted == OCT_OK || counted == OCT_NOMEM);
        CHECK(scrolled == OCT_OK ? page != NULL : scrolled == OCT_NOMEM && page == NULL);
        CHECK(deleted == OCT_OK || deleted == OCT_NOMEM);
        oct_records_free(page);
        for (uint64_t point = 0; point < self.count && deleted == OCT_OK; point++) {
            if (matches(&rare, &self, point))
                self.points[point] = (model_point){0};
        }
        succeeded += deleted == OCT_OK;
        check_count_and_pages(&self, &some, &rng);
        check_count_and_pages(&self, &rare, &rng);
    }
    CHECK(succeeded > 0 && succeeded < 60);
    world_close(&self);
}
