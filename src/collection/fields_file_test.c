/* Goal:   after a proper end the indexes of payload fields are there when the database is opened, and right whatever happened to
 *         their files: removed, damaged, older than the points, younger than the points, of an index that was dropped.
 * Method: a collection large enough for files, with indexes of four types; answers are compared with counts worked out from
 *         the documents, which follow from the number of a point and how often it was written. */
#include "collection/fields.h"

#include <stdlib.h>

#include "base/epoch.h"
#include "support/os_fault.h"
#include "support/plain.h"
#include "support/test.h"

#define S(text_)    ((oct_slice){(text_), sizeof(text_) - 1})
#define POINTS      4000u
#define DIM         16u
#define FOLDER      "/data/db"
#define FIELD_COUNT 4u

typedef struct scene {
    os             *disk;
    oct_database   *database;
    oct_collection *collection;
    uint32_t        writes[POINTS]; /* how often each was written */
} scene;

static const struct {
    const char    *name;
    oct_field_type type;
} fields[FIELD_COUNT] = {
    {"city", OCT_FIELD_KEYWORD}, {"number", OCT_FIELD_INTEGER}, {"title", OCT_FIELD_TEXT}, {"share", OCT_FIELD_FLOAT}};

static uint32_t
value_of(uint32_t point, uint32_t writes)
{
    return (uint32_t)(mix64(point * 31 + writes) % 20);
}

static void
write_points(scene *self, uint32_t first, uint32_t count)
{
    static char texts[POINTS][160];
    uint64_t   *ids = calloc(count, sizeof *ids);
    float      *vectors = calloc((size_t)count * DIM, sizeof *vectors);
    oct_slice  *payloads = calloc(count, sizeof *payloads);
    oct_error   error = {0};

    for (uint32_t i = 0; i < count; i++) {
        const uint32_t point = first + i, value = value_of(point, ++self->writes[point]);

        ids[i] = point;
        vectors[(size_t)i * DIM] = (float)point;
        payloads[i].data = texts[i];
        payloads[i].size = (size_t)snprintf(texts[i], sizeof texts[i],
                                            "{\"city\":\"c%u\",\"number\":%u,\"title\":\"some w%u words\",\"share\":%u.5}", value,
                                            value, value, value);
    }
    CHECK_MSG(oct_upsert_rows(self->collection, ids, vectors, count, DIM, 0, payloads, NULL, &error) == OCT_OK, "%s", error.text);
    free(ids);
    free(vectors);
    free(payloads);
}

static void
open_scene(scene *self)
{
    const oct_open_options options = {.path = FOLDER, .threads = 1};
    oct_error              error = {0};

    CHECK_MSG(database_open_on(self->disk, &options, &self->database, &error) == OCT_OK, "%s", error.text);
    OCT_MUST(self->database != NULL);
    if (oct_collection_open(self->database, S("c"), &self->collection, NULL) != OCT_OK)
        self->collection = NULL;
}

static void
close_scene(scene *self)
{
    oct_collection_close(self->collection);
    CHECK_OK(oct_close(self->database, NULL));
}

static scene *
scene_new(void)
{
    scene                *self = calloc(1, sizeof *self);
    oct_collection_config config;
    oct_vector_config     vector;
    oct_error             error = {0};

    OCT_MUST(self != NULL);
    self->disk = os_fault_new();
    OCT_MUST(os_make_dir(self->disk, "/data", NULL) == OCT_OK && os_sync_dir(self->disk, "/", NULL) == OCT_OK);
    open_scene(self);
    test_plain_config(&config, &vector, DIM, OCT_DOT);
    self->collection = test_create(self->database, "c", &config);
    for (size_t f = 0; f < FIELD_COUNT; f++) {
        oct_field_index index;

        oct_field_index_init(&index);
        index.field = slice_of(fields[f].name);
        index.type = fields[f].type;
        CHECK_OK(oct_field_index_create(self->collection, &index, NULL, NULL, &error));
    }
    write_points(self, 0, POINTS);
    return self;
}

static void
scene_clear(scene *self)
{
    os_free(self->disk);
    free(self);
}

/* Of one value, by each index. */
static void
check_answers(const scene *self, const char *when)
{
    for (uint32_t value = 0; value < 20; value += 3) {
        char                      city[8], word[8];
        const oct_value           texts = {.text = {city, (size_t)snprintf(city, sizeof city, "c%u", value)}};
        const oct_match           is_city = {.values = &texts, .value_count = 1};
        const size_t              word_size = (size_t)snprintf(word, sizeof word, "w%u", value);
        const oct_match           has_word = {.kind = OCT_MATCH_TEXT, .text = {word, word_size}};
        const oct_range           is_number = {.bounds = OCT_GTE | OCT_LTE, .gte = value, .lte = value};
        const oct_range           is_share = {.bounds = OCT_GT | OCT_LT, .gt = value, .lt = value + 1.0};
        const oct_field_condition asked[FIELD_COUNT] = {
            {.match = &is_city}, {.range = &is_number}, {.match = &has_word}, {.range = &is_share}};
        uint64_t                  expected = 0;

        for (uint32_t point = 0; point < POINTS; point++)
            expected += value_of(point, self->writes[point]) == value;
        for (size_t f = 0; f < FIELD_COUNT; f++) {
            const oct_condition condition = {.key = slice_of(fields[f].name), .field = &asked[f]};
            const oct_filter    only = {.must = &condition, .must_count = 1};
            uint64_t            count = 0;
            oct_error           error = {0};

            CHECK_MSG(oct_count_where(self->collection, &only, &count, &error) == OCT_OK, "%s: %s", when, error.text);
            CHECK_MSG(count == expected, "%s: %llu have %s %u, expected %llu", when, (unsigned long long)count, fields[f].name,
                      value, (unsigned long long)expected);
        }
    }
}

/* How many indexes came from their files. */
static size_t
loaded_count(const scene *self)
{
    size_t count = 0;

    epoch_pin();
    for (size_t i = 0; i < collection_box(self->collection)->field_count; i++)
        count += field_index_saved(collection_box(self->collection)->fields[i])->is_there;
    epoch_unpin();
    return count;
}

/* Paths of the files of indexes; how many. */
static size_t
list_index_files(os *disk, char paths[16][OS_PATH_MAX])
{
    char **names = NULL;
    size_t count = 0, found = 0;

    if (os_list(disk, FOLDER "/shard/1", &names, &count, NULL) != OCT_OK)
        return 0;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(names[i], "field.", 6) == 0 && found < 16)
            CHECK_OK(os_path_join(paths[found++], FOLDER "/shard/1", names[i], NULL));
    }
    oct_free(names);
    return found;
}

static void
read_all(os *disk, const char *from, buffer *out)
{
    os_file *file = NULL;
    uint64_t size = 0;

    CHECK_OK(os_open(disk, from, 0, &file, NULL));
    CHECK_OK(os_size(file, &size, NULL));
    OCT_MUST(buffer_reserve(out, (size_t)size + 1));
    CHECK_OK(os_read_all(file, 0, out->data, (size_t)size, NULL));
    out->size = (size_t)size;
    os_close(file);
}

static void
write_all(os *disk, const char *to, const buffer *from)
{
    os_file *file = NULL;

    CHECK_OK(os_open(disk, to, OS_CREATE | OS_TRUNCATE, &file, NULL));
    CHECK_OK(os_write(file, 0, from->data, from->size, NULL));
    CHECK_OK(os_sync(file, NULL));
    os_close(file);
}

TEST(indexes_are_there_after_opening)
{
    scene *self = scene_new();
    char   paths[16][OS_PATH_MAX];

    close_scene(self);
    CHECK_INT(list_index_files(self->disk, paths), FIELD_COUNT);
    open_scene(self);
    CHECK_INT(loaded_count(self), FIELD_COUNT);
    check_answers(self, "opened");
    write_points(self, 100, 900);
    check_answers(self, "written");
    /* The end of the process: what is in the log is newer than the files. */
    {
        test_rng rng = test_rng_seed(1);
        os      *after = os_fault_crash(self->disk, &rng);

        close_scene(self);
        os_free(self->disk);
        self->disk = after;
    }
    open_scene(self);
    CHECK_INT(loaded_count(self), FIELD_COUNT);
    check_answers(self, "after a crash");
    CHECK_OK(oct_field_index_delete(self->collection, S("share"), NULL, NULL, NULL));
    close_scene(self);
    CHECK_INT(list_index_files(self->disk, paths), FIELD_COUNT - 1);
    open_scene(self);
    CHECK_INT(loaded_count(self), FIELD_COUNT - 1);
    check_answers(self, "without one");
    close_scene(self);
    scene_clear(self);
}

TEST(files_of_indexes_may_be_lost_damaged_or_of_another_time)
{
    scene   *self = scene_new();
    test_rng rng = test_rng_seed(5);
    os      *early;
    char     paths[16][OS_PATH_MAX];
    size_t   count;
    buffer   old[16] = {0}, now[16] = {0};

    close_scene(self);
    early = os_fault_crash(self->disk, &rng); /* a copy: all is durable */
    count = list_index_files(self->disk, paths);
    OCT_MUST(count == FIELD_COUNT);
    for (size_t i = 0; i < count; i++)
        read_all(self->disk, paths[i], &old[i]);
    open_scene(self);
    write_points(self, 0, 1500);
    close_scene(self);
    for (size_t i = 0; i < count; i++)
        read_all(self->disk, paths[i], &now[i]);

    for (int kind = 0; kind < 4 && !test_has_failed(); kind++) {
        static const char *const what[] = {"removed", "damaged", "cut", "of the past"};

        for (size_t i = 0; i < count; i++) {
            buffer bad = {0};

            buffer_add(&bad, kind == 3 ? old[i].data : now[i].data, kind == 3 ? old[i].size : now[i].size);
            if (kind == 1)
                bad.data[test_below(&rng, bad.size)] ^= 4;
            if (kind == 2)
                bad.size = test_below(&rng, bad.size);
            if (kind == 0)
                CHECK_OK(os_remove(self->disk, paths[i], NULL));
            else
                write_all(self->disk, paths[i], &bad);
            buffer_clear(&bad);
        }
        open_scene(self);
        CHECK_INT(loaded_count(self), kind == 3 ? FIELD_COUNT : 0);
        check_answers(self, what[kind]);
        CHECK_OK(oct_collection_check(self->collection, NULL));
        close_scene(self); /* and writes good ones */
        open_scene(self);
        CHECK_INT(loaded_count(self), FIELD_COUNT);
        check_answers(self, "opened again");
        close_scene(self);
    }
    /* The points of the past, with indexes that know more. */
    for (size_t i = 0; i < count; i++)
        write_all(early, paths[i], &now[i]);
    os_free(self->disk);
    self->disk = early;
    for (uint32_t point = 0; point < 1500; point++)
        self->writes[point]--;
    open_scene(self);
    CHECK_INT(loaded_count(self), 0);
    check_answers(self, "of the future");
    close_scene(self);
    for (size_t i = 0; i < count; i++) {
        buffer_clear(&old[i]);
        buffer_clear(&now[i]);
    }
    scene_clear(self);
}
