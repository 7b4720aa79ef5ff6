/* Several writes as one against the same writes one by one.
 * Goal:   a batch that succeeds leaves what its writes leave one after the other; one that fails leaves what was; both
 *         survive reopening.
 * Method: random batches of every kind of write, by ids and by filters, on few ids so that writes of a batch meet; a twin in
 *         memory gets them singly; every point is compared, vectors and payload. Seeds 951 on. */
#include <stdio.h>

#include "collection/database_test.h"

#define IDS  14u
#define DIM  3u
#define MOST 6u

static const oct_slice name = {"c", 1};

typedef struct made { /* one random write, with what it points to */
    oct_write           write;
    oct_point           points[3];
    oct_vector          vectors[3];
    float               values[3][DIM];
    char                payloads[3][48];
    oct_id              ids[3];
    oct_value           value;
    oct_match           match;
    oct_field_condition field;
    oct_condition       condition;
    oct_filter          filter;
    oct_slice           names[1], keys[1];
    char                text[48];
} made;

static void
create(oct_database *database)
{
    oct_vector_config     vectors[2];
    oct_collection_config config;

    for (size_t i = 0; i < 2; i++) {
        oct_vector_config_init(&vectors[i]);
        vectors[i].name = i == 0 ? (oct_slice){"a", 1} : (oct_slice){"b", 1};
        vectors[i].size = DIM;
        vectors[i].distance = i == 0 ? OCT_COSINE : OCT_DOT;
    }
    oct_collection_config_init(&config);
    config.vectors = vectors;
    config.vector_count = 2;
    CHECK_OK(oct_collection_create(database, name, &config, NULL));
}

static void
pick_filter(made *self, test_rng *rng)
{
    self->value = (oct_value){.kind = OCT_VALUE_INTEGER, .integer = (int64_t)test_below(rng, 4)};
    self->match = (oct_match){.kind = OCT_MATCH_VALUE, .values = &self->value, .value_count = 1};
    self->field = (oct_field_condition){.match = &self->match};
    self->condition = (oct_condition){.kind = OCT_CONDITION_FIELD, .key = {"n", 1}, .field = &self->field};
    if (test_below(rng, 3) == 0)
        self->condition = (oct_condition){.kind = OCT_CONDITION_HAS_VECTOR, .vector = {"b", 1}};
    self->filter = (oct_filter){.must = &self->condition, .must_count = 1};
}

/* `known`: ids that are there, for writes that fail otherwise. */
static void
pick_write(made *self, test_rng *rng, const bool *known)
{
    const size_t count = 1 + test_below(rng, 3);
    size_t       usable = 0;

    *self = (made){.write.kind = (oct_write_kind)test_below(rng, 5)};
    pick_filter(self, rng);
    for (size_t i = 0; i < count; i++) {
        const uint64_t id = test_below(rng, IDS);

        for (size_t d = 0; d < DIM; d++)
            self->values[i][d] = 1.0f + (float)test_below(rng, 9);
        self->vectors[i] = (oct_vector){.name = test_below(rng, 2) == 0 ? (oct_slice){"a", 1} : (oct_slice){"b", 1},
                                        .values = self->values[i],
                                        .value_count = DIM};
        (void)snprintf(self->payloads[i], sizeof self->payloads[i], "{\"n\":%u,\"x\":{\"y\":%u}}", (unsigned)test_below(rng, 4),
                       (unsigned)test_below(rng, 9));
        if ((self->write.kind == OCT_WRITE_VECTORS || self->write.kind == OCT_WRITE_PAYLOAD) && !known[id])
            continue;
        self->ids[usable] = oct_id_number(id);
        self->points[usable++] = (oct_point){.id = oct_id_number(id),
                                             .vectors = &self->vectors[i],
                                             .vector_count = 1,
                                             .payload = slice_of(self->payloads[i])};
    }
    self->write.points = self->points;
    self->write.point_count = usable;
    if (self->write.kind == OCT_WRITE_UPSERT)
        self->write.mode = (oct_update_mode)test_below(rng, 3);
    if (test_below(rng, 3) == 0)
        self->write.filter = &self->filter;
    self->write.targets = (oct_targets){self->ids, usable, test_below(rng, 3) == 0 ? &self->filter : NULL};
    self->names[0] = test_below(rng, 2) == 0 ? (oct_slice){"a", 1} : (oct_slice){"b", 1};
    self->keys[0] = (oct_slice){"x.y", 3};
    self->write.names = self->names;
    self->write.name_count = 1;
    (void)snprintf(self->text, sizeof self->text, "{\"n\":%u,\"z\":[1]}", (unsigned)test_below(rng, 4));
    self->write.change = (oct_payload_change){.action = (oct_payload_action)test_below(rng, 4),
                                              .payload = slice_of(self->text),
                                              .keys = self->keys,
                                              .key_count = 1};
}

static oct_status
single(oct_collection *collection, const oct_write *write, oct_error *error)
{
    const oct_update_rule rule = {write->mode, write->filter};

    switch (write->kind) {
    case OCT_WRITE_UPSERT:
        return oct_upsert_where(collection, write->points, write->point_count, &rule, NULL, NULL, error);
    case OCT_WRITE_VECTORS:
        return oct_update_vectors_where(collection, write->points, write->point_count, write->filter, NULL, NULL, error);
    case OCT_WRITE_DELETE_VECTORS:
        return oct_delete_vectors_where(collection, &write->targets, write->names, write->name_count, NULL, NULL, error);
    case OCT_WRITE_DELETE:
        return oct_delete_where(collection, &write->targets, NULL, NULL, error);
    default:
        return oct_change_payload_where(collection, &write->targets, &write->change, NULL, NULL, error);
    }
}

/* Everything there is, as text. */
static void
show(oct_database *database, buffer *out, bool *known)
{
    const oct_select everything = {.with_payload = true, .with_vector = true};
    oct_collection  *collection = NULL;
    oct_records     *records = NULL;

    out->size = 0;
    for (size_t i = 0; known != NULL && i < IDS; i++)
        known[i] = false;
    CHECK_OK(oct_collection_open(database, name, &collection, NULL));
    CHECK_OK(oct_scroll(collection, NULL, IDS + 1, &everything, &records, NULL));
    for (size_t i = 0; i < records->count; i++) {
        const oct_record *record = &records->items[i];

        if (known != NULL)
            known[record->id.low] = true;
        buffer_format(out, "%llu %.*s", (unsigned long long)record->id.low, SLICE_ARG(record->payload));
        for (size_t v = 0; v < record->vector_count; v++) {
            buffer_format(out, " %.*s", SLICE_ARG(record->vectors[v].name));
            for (size_t d = 0; d < DIM; d++)
                buffer_format(out, " %a", (double)record->vectors[v].values[d]);
        }
        buffer_add_byte(out, '\n');
    }
    buffer_add_byte(out, '\0');
    oct_records_free(records);
    oct_collection_close(collection);
}

TEST(batches_of_writes_are_their_writes_or_nothing)
{
    for (uint64_t seed = 951; seed < 951 + test_scaled(20) && !test_has_failed(); seed++) {
        test_rng      rng = test_rng_seed(seed);
        os           *disk = world_disk();
        oct_error     error = {0};
        oct_database *database = world_open(disk, &error), *twin = NULL;
        buffer        got = {0}, wanted = {0};
        bool          known[IDS] = {false};

        OCT_MUST(database != NULL && oct_open(NULL, &twin, NULL) == OCT_OK);
        create(database);
        create(twin);
        for (int round = 0; round < 40 && !test_has_failed(); round++) {
            const size_t    count = 1 + test_below(&rng, MOST);
            made            some[MOST + 1];
            oct_write       writes[MOST + 1];
            oct_collection *here = NULL, *there = NULL;
            oct_status      status = OCT_OK;

            CHECK_OK(oct_collection_open(database, name, &here, NULL));
            CHECK_OK(oct_collection_open(twin, name, &there, NULL));
            show(twin, &wanted, known);
            /* Singly first: what there is decides which ids the next write may name. */
            for (size_t i = 0; i < count; i++) {
                pick_write(&some[i], &rng, known);
                writes[i] = some[i].write;
                CHECK_MSG(single(there, &writes[i], &error) == OCT_OK, "seed %llu: %s", (unsigned long long)seed, error.text);
                show(twin, &got, known);
            }
            if (test_below(&rng, 4) == 0) { /* the same, and one more that fails */
                const oct_id nobody = oct_id_number(IDS + 5);
                oct_write    bad = {.kind = OCT_WRITE_PAYLOAD, .targets = {&nobody, 1, NULL}};

                bad.change.action = OCT_PAYLOAD_CLEAR;
                writes[count] = bad;
                status = oct_write_batch(here, writes, count + 1, NULL, NULL, &error);
                CHECK_MSG(status == OCT_NOT_FOUND, "seed %llu: %d %s", (unsigned long long)seed, (int)status, error.text);
                show(database, &got, NULL);
                CHECK_TEXT(got.data, wanted.data);
            }
            status = oct_write_batch(here, writes, count, NULL, NULL, &error);
            CHECK_MSG(status == OCT_OK, "seed %llu: %d %s", (unsigned long long)seed, (int)status, error.text);
            show(database, &got, NULL);
            show(twin, &wanted, NULL);
            CHECK_TEXT(got.data, wanted.data);
            oct_collection_close(here);
            oct_collection_close(there);
            if (test_below(&rng, 6) == 0) {
                CHECK_OK(oct_close(database, NULL));
                database = world_open(disk, &error);
                OCT_MUST(database != NULL);
                show(database, &got, NULL);
                CHECK_TEXT(got.data, wanted.data);
            }
        }
        buffer_clear(&got);
        buffer_clear(&wanted);
        CHECK_OK(oct_close(database, NULL));
        CHECK_OK(oct_close(twin, NULL));
        os_free(disk);
    }
}
