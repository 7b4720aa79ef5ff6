/* Configurations: what is shown, what is refused, what survives storage. Seeds stand in the goals. */
#include "config/config_internal.h"
#include "support/test.h"

static oct_status
decode(const char *body, bool update, arena *memory, oct_collection_config *out, oct_error *error)
{
    json_document document;
    oct_status    status = json_parse(slice_of(body), &document, error);

    if (status == OCT_OK)
        status = update ? config_decode_update(document.root, memory, out, error)
                        : config_decode_create(document.root, memory, out, error);
    json_document_clear(&document);
    return status;
}

static const char *
shown(const oct_collection_config *config, buffer *text)
{
    text->size = 0;
    config_encode(config, text);
    buffer_add_byte(text, '\0');
    return text->data;
}

static const char *
stored(const oct_collection_config *config, buffer *text)
{
    text->size = 0;
    config_write(config, text);
    buffer_add_byte(text, '\0');
    return text->data;
}

/* Goal:   a fresh collection is shown as qdrant-api.md 1.7 spells it out, key by key. */
TEST(fresh_collection_is_shown_with_qdrants_defaults)
{
    arena                 memory = {0};
    buffer                text = {0};
    oct_collection_config config;
    oct_error             error = {0};

    CHECK_OK(decode("{\"vectors\":{\"size\":4,\"distance\":\"Cosine\"}}", false, &memory, &config, &error));
    config_fill_defaults(&config);
    CHECK_TEXT(
        shown(&config, &text),
        "{\"params\":{\"vectors\":{\"size\":4,\"distance\":\"Cosine\"},\"shard_number\":1,"
        "\"replication_factor\":1,\"write_consistency_factor\":1,\"on_disk_payload\":true},"
        "\"hnsw_config\":{\"m\":16,\"ef_construct\":100,\"full_scan_threshold\":10000,"
        "\"max_indexing_threads\":0,\"on_disk\":false},\"optimizer_config\":{\"deleted_threshold\":0.2,"
        "\"vacuum_min_vector_number\":1000,\"default_segment_number\":0,\"max_segment_size\":null,"
        "\"memmap_threshold\":null,\"indexing_threshold\":10000,\"flush_interval_sec\":5,"
        "\"max_optimization_threads\":null,\"prevent_unoptimized\":null},\"wal_config\":{"
        "\"wal_capacity_mb\":32,\"wal_segments_ahead\":0,\"wal_retain_closed\":1},"
        "\"quantization_config\":null}");
    buffer_clear(&text);
    arena_clear(&memory);
}

/* Goal:   whatever is set is shown, under its own name, and nothing else is. */
TEST(what_was_set_is_shown)
{
    arena                 memory = {0};
    buffer                text = {0};
    oct_collection_config config;
    oct_error             error = {0};

    CHECK_OK(decode(
        "{\"vectors\":{\"b\":{\"size\":3,\"distance\":\"Dot\",\"on_disk\":true,\"hnsw_config\":{\"m\":0},"
        "\"quantization_config\":{\"scalar\":{\"type\":\"int8\",\"quantile\":0.99}},\"datatype\":\"float32\"}"
        ","
        "\"\":{\"size\":1,\"distance\":\"Manhattan\",\"memory\":\"cold\"}},"
        "\"shard_number\":2,\"on_disk_payload\":false,\"optimizer_config\":{\"indexing_threshold_kb\":0,"
        "\"max_optimization_threads\":\"auto\",\"prevent_unoptimized\":false},"
        "\"hnsw_config\":{\"m\":null,\"payload_m\":8,\"unknown\":[1,{}]},"
        "\"quantization\":{\"binary\":{\"encoding\":\"two_bits\",\"always_ram\":true}},"
        "\"metadata\":{\"a\":1,\"b\":null,\"a\":2},\"sparse_vectors\":{},\"sharding_method\":\"auto\"}",
        false, &memory, &config, &error));
    CHECK_INT(config.single_vector, 0);
    CHECK_INT(config.hnsw.m, OCT_UNSET);
    CHECK_INT(config.optimizer.indexing_threshold, 0);
    CHECK_INT(config_vector_hnsw(&config, &config.vectors[0]).m, 0);
    CHECK_INT(config_vector_hnsw(&config, &config.vectors[1]).m, 16);
    CHECK_INT(config_vector_hnsw(&config, &config.vectors[1]).payload_m, 8);
    CHECK_INT(config_vector_quantization(&config, &config.vectors[0]).kind, OCT_QUANTIZATION_SCALAR);
    CHECK_INT(config_vector_quantization(&config, &config.vectors[1]).kind, OCT_QUANTIZATION_BINARY);
    config_fill_defaults(&config);
    CHECK_TEXT(shown(&config, &text),
               "{\"params\":{\"vectors\":{\"b\":{\"size\":3,\"distance\":\"Dot\",\"datatype\":\"float32\","
               "\"on_disk\":true,"
               "\"hnsw_config\":{\"m\":0},\"quantization_config\":{\"scalar\":{\"type\":\"int8\","
               "\"quantile\":0.99}}},"
               "\"\":{\"size\":1,\"distance\":\"Manhattan\",\"memory\":\"cold\"}},\"shard_number\":2,"
               "\"sharding_method\":\"auto\","
               "\"replication_factor\":1,\"write_consistency_factor\":1,\"on_disk_payload\":false},"
               "\"hnsw_config\":{\"m\":16,\"ef_construct\":100,\"full_scan_threshold\":10000,"
               "\"max_indexing_threads\":0,\"on_disk\":false,\"payload_m\":8},\"optimizer_config\":{"
               "\"deleted_threshold\":0.2,\"vacuum_min_vector_number\":1000,\"default_segment_number\":0,"
               "\"max_segment_size\":null,\"memmap_threshold\":null,\"indexing_threshold\":0,"
               "\"flush_interval_sec\":5,\"max_optimization_threads\":null,\"prevent_unoptimized\":false},"
               "\"wal_config\":{\"wal_capacity_mb\":32,\"wal_segments_ahead\":0,\"wal_retain_closed\":1},"
               "\"quantization_config\":{\"binary\":{\"encoding\":\"two_bits\",\"always_ram\":true}},"
               "\"metadata\":{\"b\":null,\"a\":2}}");
    buffer_clear(&text);
    arena_clear(&memory);
}

typedef struct bad_body {
    const char *body;
    oct_status  status;
    const char *text; /* part of the error's */
} bad_body;

/* Goal:   each rule of qdrant-api.md 4.1 and 1.3 refuses what breaks it, naming path and value. */
TEST(bad_configurations_are_refused_by_name)
{
#define ONE "\"vectors\":{\"size\":4,\"distance\":\"Dot\"}"
    static const bad_body bad[] = {
        {"[]", OCT_FORMAT, "invalid type: sequence"},
        {"{\"vectors\":[]}", OCT_FORMAT, "vectors: invalid type: sequence"},
        {"{\"vectors\":{\"size\":4}}", OCT_FORMAT, "vectors: missing field `distance`"},
        {"{\"vectors\":{\"distance\":\"Dot\"}}", OCT_FORMAT, "vectors: missing field `size`"},
        {"{\"vectors\":{\"a\":{\"size\":4}}}", OCT_FORMAT, "vectors.a: missing field `distance`"},
        {"{\"vectors\":{\"a\":3}}", OCT_FORMAT, "vectors.a: invalid type: integer `3`"},
        {"{\"vectors\":{\"size\":0,\"distance\":\"Dot\"}}", OCT_RANGE,
         "vectors.size: value 0 invalid, must be from 1 to 65536"},
        {"{\"vectors\":{\"size\":65537,\"distance\":\"Dot\"}}", OCT_RANGE,
         "vectors.size: value 65537 invalid, must be from 1 to 65536"},
        {"{\"vectors\":{\"size\":-1,\"distance\":\"Dot\"}}", OCT_FORMAT,
         "vectors.size: invalid type: integer `-1`"},
        {"{\"vectors\":{\"size\":\"4\",\"distance\":\"Dot\"}}", OCT_FORMAT,
         "vectors.size: invalid type: string \"4\""},
        {"{\"vectors\":{\"size\":4,\"distance\":\"dot\"}}", OCT_FORMAT,
         "unknown variant `dot`, expected one of `Cosine`"},
        {"{\"vectors\":{\"size\":4,\"distance\":\"Dot\",\"size\":5}}", OCT_FORMAT, "duplicate field `size`"},
        {"{\"vectors\":{\"size\":4,\"distance\":\"Dot\",\"memory\":\"pinned\"}}", OCT_RANGE,
         "vectors.memory: `pinned`"},
        {"{\"vectors\":{\"size\":4,\"distance\":\"Dot\",\"datatype\":\"turbo4\"}}", OCT_UNSUPPORTED,
         "turbo4"},
        {"{\"vectors\":{\"size\":4,\"distance\":\"Dot\",\"datatype\":\"float8\"}}", OCT_FORMAT,
         "vectors.datatype"},
        {"{\"vectors\":{\"size\":4,\"distance\":\"Dot\",\"multivector_config\":{\"comparator\":\"min\"}}}",
         OCT_FORMAT, "vectors.multivector_config.comparator: unknown variant `min`"},
        {"{\"vectors\":{\"a/b\":{\"size\":4,\"distance\":\"Dot\"}}}", OCT_RANGE, "must not contain `/`"},
        {"{\"vectors\":{\"a\\u0000\":{\"size\":4,\"distance\":\"Dot\"}}}", OCT_RANGE, "control character"},
        {"{" ONE ",\"hnsw_config\":{\"ef_construct\":3}}", OCT_RANGE,
         "hnsw_config.ef_construct: value 3 invalid, must be 4 or larger"},
        {"{" ONE ",\"hnsw_config\":{\"m\":513}}", OCT_RANGE,
         "hnsw_config.m: value 513 invalid, must be 512 or smaller"},
        {"{" ONE ",\"hnsw_config\":{\"full_scan_threshold\":9}}", OCT_RANGE,
         "value 9 invalid, must be 10 or larger"},
        {"{" ONE ",\"hnsw_config\":{\"full_scan_threshold\":9,\"full_scan_threshold_kb\":9}}", OCT_FORMAT,
         "duplicate"},
        {"{" ONE ",\"hnsw_config\":{\"m\":18446744073709551615}}", OCT_RANGE,
         "hnsw_config.m: value 18446744073709551615"},
        {"{" ONE ",\"hnsw_config\":{\"on_disk\":1}}", OCT_FORMAT,
         "hnsw_config.on_disk: invalid type: integer `1`"},
        {"{" ONE ",\"hnsw_config\":7}", OCT_FORMAT, "hnsw_config: invalid type: integer `7`"},
        {"{" ONE ",\"optimizers_config\":{\"deleted_threshold\":1.5}}", OCT_RANGE,
         "optimizers_config.deleted_threshold: value 1.5 invalid, must be from 0.0 to 1.0"},
        {"{" ONE ",\"optimizers_config\":{\"vacuum_min_vector_number\":99}}", OCT_RANGE,
         "must be 100 or larger"},
        {"{" ONE ",\"optimizers_config\":{\"max_segment_size\":0}}", OCT_RANGE, "must be 1 or larger"},
        {"{" ONE ",\"optimizers_config\":{\"max_optimization_threads\":\"all\"}}", OCT_FORMAT, "or \"auto\""},
        {"{" ONE ",\"wal_config\":{\"wal_capacity_mb\":0}}", OCT_RANGE,
         "wal_config.wal_capacity_mb: value 0 invalid"},
        {"{" ONE ",\"shard_number\":0}", OCT_RANGE, "shard_number: value 0 invalid"},
        {"{" ONE ",\"quantization_config\":\"Disabled\"}", OCT_FORMAT, "quantization_config: invalid type"},
        {"{" ONE ",\"quantization_config\":{}}", OCT_FORMAT, "exactly one of"},
        {"{" ONE ",\"quantization_config\":{\"scalar\":{\"type\":\"int8\"},\"binary\":{}}}", OCT_FORMAT,
         "exactly one of"},
        {"{" ONE ",\"quantization_config\":{\"scalar\":{}}}", OCT_FORMAT,
         "quantization_config.scalar: missing field `type`"},
        {"{" ONE ",\"quantization_config\":{\"scalar\":{\"type\":\"int4\"}}}", OCT_FORMAT,
         "unknown variant `int4`"},
        {"{" ONE ",\"quantization_config\":{\"scalar\":{\"type\":\"int8\",\"quantile\":0.4}}}", OCT_RANGE,
         "quantization_config.scalar.quantile: value 0.4 invalid, must be from 0.5 to 1.0"},
        {"{" ONE ",\"quantization_config\":{\"product\":{}}}", OCT_FORMAT, "missing field `compression`"},
        {"{" ONE ",\"quantization_config\":{\"turbo\":{\"bits\":\"bits3\"}}}", OCT_FORMAT,
         "unknown variant `bits3`"},
        {"{" ONE ",\"metadata\":[]}", OCT_FORMAT, "metadata: invalid type: sequence"},
        {"{" ONE ",\"sparse_vectors\":{\"\":{}}}", OCT_INVALID, "Sparse vector name cannot be empty"},
        {"{\"vectors\":{\"a\":{\"size\":2,\"distance\":\"Dot\"}},\"sparse_vectors\":{\"a\":{}}}", OCT_INVALID,
         "Dense and sparse vector names must be unique - duplicate found with 'a'"},
        {"{\"sparse_vectors\":{\"s\":{\"index\":{\"datatype\":\"turbo4\"}}}}", OCT_RANGE, "sparse vectors do not support"},
        {"{\"sparse_vectors\":{\"s\":{\"modifier\":\"tf\"}}}", OCT_FORMAT, "unknown variant `tf`"},
        {"{\"sparse_vectors\":[]}", OCT_FORMAT, "sparse_vectors: invalid type: sequence"},
        {"{\"sparse_vectors\":{\"s\":{\"index\":{\"full_scan_threshold\":-1}}}}", OCT_FORMAT,
         "sparse_vectors.s.index.full_scan_threshold"},
        {"{" ONE ",\"strict_mode_config\":{\"max_query_limit\":0}}", OCT_RANGE, "must be 1 or larger"},
        {"{" ONE ",\"strict_mode_config\":{\"sparse_config\":{\"a\":{\"max_length\":0}}}}", OCT_RANGE,
         "strict_mode_config.sparse_config.a.max_length: value 0 invalid"},
        {"{" ONE ",\"strict_mode_config\":{\"max_resident_memory_percent\":101}}", OCT_RANGE, "from 1 to 100"},
        {"{" ONE ",\"payload\":{\"memory\":\"pinned\"}}", OCT_RANGE, "pinned"},
        {"{" ONE ",\"sharding_method\":\"other\"}", OCT_FORMAT, "unknown variant `other`"},
        {"{" ONE ",\"payload\":{\"memory\":\"lukewarm\"}}", OCT_FORMAT, "payload.memory: unknown variant"},
    };
#undef ONE

    for (size_t i = 0; i < countof(bad); i++) {
        arena                 memory = {0};
        oct_collection_config config;
        oct_error             error = {0};
        const oct_status      status = decode(bad[i].body, false, &memory, &config, &error);

        CHECK_MSG(status == bad[i].status, "%s gives %d: %s", bad[i].body, (int)status, error.text);
        CHECK_MSG(strstr(error.text, bad[i].text) != NULL, "%s says \"%s\", not \"%s\"", bad[i].body,
                  error.text, bad[i].text);
        arena_clear(&memory);
    }
}

/* Goal:   the typed interface is held to the same limits as JSON, and to those JSON cannot break. */
TEST(typed_configurations_are_held_to_the_limits)
{
    oct_vector_config     vectors[2];
    oct_collection_config config;
    oct_error             error = {0};
    char                  name[OCT_VECTOR_NAME_MAX + 2];

    memset(name, 'n', sizeof name);
    oct_collection_config_init(&config);
    CHECK_OK(config_check(&config, &error)); /* no dense vectors at all is legal */
    oct_vector_config_init(&vectors[0]);
    vectors[0].size = 8;
    vectors[0].distance = OCT_DOT;
    vectors[1] = vectors[0];
    config.vectors = vectors;
    config.vector_count = 1;
    config.single_vector = 1;
    CHECK_OK(config_check(&config, &error));
    config.vector_count = 2;
    config.single_vector = 0;
    CHECK_STATUS(config_check(&config, &error), OCT_INVALID); /* the name "" twice */
    vectors[1].name = (oct_slice){name, OCT_VECTOR_NAME_MAX};
    CHECK_OK(config_check(&config, &error));
    vectors[1].name.size++;
    CHECK_STATUS(config_check(&config, &error), OCT_RANGE);
    vectors[1].name = (oct_slice){"\xC3", 1};
    CHECK_STATUS(config_check(&config, &error), OCT_RANGE);
    vectors[1].name = slice_of("x");
    vectors[1].distance = 9;
    CHECK_STATUS(config_check(&config, &error), OCT_INVALID);
    vectors[1].distance = OCT_EUCLID;
    vectors[1].size = OCT_DIM_MAX + 1;
    CHECK_STATUS(config_check(&config, &error), OCT_RANGE);
    vectors[1].size = OCT_UNSET;
    CHECK_STATUS(config_check(&config, &error), OCT_RANGE);
    vectors[1].size = OCT_DIM_MAX;
    CHECK_OK(config_check(&config, &error));
    config.hnsw.m = OCT_M_MAX + 1;
    CHECK_STATUS(config_check(&config, &error), OCT_RANGE);
    config.hnsw.m = -7;
    CHECK_STATUS(config_check(&config, &error), OCT_RANGE);
    config.hnsw.m = OCT_M_MAX;
    config.hnsw.on_disk = 2;
    CHECK_STATUS(config_check(&config, &error), OCT_RANGE);
    config.hnsw.on_disk = 1;
    config.hnsw.memory = 3;
    CHECK_STATUS(config_check(&config, &error), OCT_RANGE);
    config.hnsw.memory = OCT_MEMORY_PINNED;
    config.optimizer.max_optimization_threads = -2;
    CHECK_OK(config_check(&config, &error));
    config.quantization.kind = 6;
    CHECK_STATUS(config_check(&config, &error), OCT_RANGE);
    config.quantization.kind = OCT_QUANTIZATION_PRODUCT;
    CHECK_STATUS(config_check(&config, &error), OCT_INVALID);
    config.quantization.compression = 5;
    CHECK_STATUS(config_check(&config, &error), OCT_RANGE);
    config.quantization.compression = 16;
    config.metadata = slice_of("[]");
    CHECK_STATUS(config_check(&config, &error), OCT_FORMAT);
    config.metadata = slice_of("{}");
    CHECK_OK(config_check(&config, &error));
    CHECK_STATUS(config_check_name("collection name", slice_of("a:b"), 255, &error), OCT_RANGE);
    CHECK_OK(config_check_name("collection name", slice_of("a b.\xC3\xA9-_"), 255, &error));
}

/* Goal:   PATCH changes what it names and nothing else (qdrant-api.md 1.4). */
TEST(update_changes_only_what_it_names)
{
    arena                 memory = {0};
    buffer                before = {0}, after = {0};
    oct_collection_config base, changes, merged;
    oct_error             error = {0};

    CHECK_OK(decode(
        "{\"vectors\":{\"a\":{\"size\":4,\"distance\":\"Dot\",\"hnsw_config\":{\"m\":5,\"ef_construct\":50}},"
        "\"b\":{\"size\":2,\"distance\":\"Cosine\"}},\"metadata\":{\"k\":1,\"l\":{\"x\":null},\"m\":[]},"
        "\"quantization_config\":{\"scalar\":{\"type\":\"int8\",\"always_ram\":true}},"
        "\"hnsw_config\":{\"ef_construct\":77}}",
        false, &memory, &base, &error));
    CHECK_OK(decode("{}", true, &memory, &changes, &error));
    CHECK_OK(config_merge(&base, &changes, &memory, &merged, &error));
    CHECK_TEXT(stored(&merged, &after), stored(&base, &before));

    CHECK_OK(decode("{\"vectors\":{\"a\":{\"hnsw_config\":{\"m\":6},\"on_disk\":true,\"size\":9,"
                    "\"quantization_config\":{\"binary\":{}}}},\"params\":{\"on_disk_payload\":false,"
                    "\"replication_factor\":3,\"shard_number\":9},\"hnsw_config\":{\"m\":20},"
                    "\"optimizers_config\":{\"indexing_threshold\":7},"
                    "\"quantization_config\":\"Disabled\",\"metadata\":{\"k\":null,\"n\":\"new\",\"m\":2}}",
                    true, &memory, &changes, &error));
    CHECK_OK(config_merge(&base, &changes, &memory, &merged, &error));
    CHECK_TEXT(
        stored(&merged, &after),
        "{\"single_vector\":false,\"vectors\":[{\"name\":\"a\",\"size\":4,\"distance\":\"Dot\",\"on_disk\":"
        "true,"
        "\"hnsw_config\":{\"m\":6,\"ef_construct\":50},\"quantization_config\":{\"binary\":{}}},"
        "{\"name\":\"b\",\"size\":2,\"distance\":\"Cosine\"}],"
        "\"params\":{\"replication_factor\":3,\"on_disk_payload\":false},"
        "\"hnsw_config\":{\"m\":20,\"ef_construct\":77},\"optimizer_config\":{\"indexing_threshold\":7},"
        "\"metadata\":{\"l\":{\"x\":null},\"n\":\"new\",\"m\":2}}");
    CHECK_INT(merged.quantization.always_ram, OCT_UNSET);

    CHECK_OK(decode("{\"vectors\":{\"a\":{\"hnsw_config\":{},\"quantization_config\":\"Disabled\"}}}", true,
                    &memory, &changes, &error));
    CHECK_INT(changes.vectors[0].hnsw.m, OCT_CLEAR);
    CHECK_OK(config_merge(&merged, &changes, &memory, &merged, &error));
    CHECK_INT(merged.vectors[0].hnsw.m, OCT_UNSET);
    CHECK_INT(merged.vectors[0].hnsw.ef_construct, OCT_UNSET);
    CHECK_INT(merged.vectors[0].quantization.kind, OCT_QUANTIZATION_UNSET);

    CHECK_OK(decode("{\"vectors\":{\"zz\":{}}}", true, &memory, &changes, &error));
    CHECK_STATUS(config_merge(&base, &changes, &memory, &merged, &error), OCT_INVALID);
    CHECK_TEXT(error.text, "Not existing vector name error: zz");
    CHECK_STATUS(
        decode("{\"optimizers_config\":{\"deleted_threshold\":-0.1}}", true, &memory, &changes, &error),
        OCT_RANGE);
    CHECK_STATUS(decode("{\"params\":{\"write_consistency_factor\":0}}", true, &memory, &changes, &error),
                 OCT_RANGE);
    CHECK_STATUS(decode("{\"params\":3}", true, &memory, &changes, &error), OCT_FORMAT);
    CHECK_STATUS(decode("{\"vectors\":{\"size\":4,\"distance\":\"Dot\"}}", true, &memory, &changes, &error),
                 OCT_FORMAT);
    buffer_clear(&before);
    buffer_clear(&after);
    arena_clear(&memory);
}

static void
randomise(test_rng *rng, const config_table *table, void *config)
{
    for (size_t i = 0; i < table->count; i++) {
        const config_field *field = &table->fields[i];

        if (field->type == FIELD_FIXED || test_below(rng, 2) == 0)
            continue;
        if (field->type == FIELD_DOUBLE)
            *config_double_in(field, config) =
                field->low + (field->high - field->low) * (double)test_below(rng, 1u << 30) / (1u << 30);
        else if (field->type == FIELD_BOOL)
            *config_number_in(field, config) = (int64_t)test_below(rng, 2);
        else if (field->type == FIELD_NAME)
            *config_number_in(field, config) = field->names[test_below(rng, field->name_count)].value;
        else if (field->type == FIELD_THREADS && test_below(rng, 2) == 0)
            *config_number_in(field, config) = -2;
        else
            *config_number_in(field, config) =
                (int64_t)(field->min +
                          test_u64(rng) % (field->max - field->min) / (1 + test_below(rng, 1000)));
    }
}

static void
randomise_quantization(test_rng *rng, oct_quantization_config *config)
{
    config->kind = (int64_t)test_below(rng, OCT_QUANTIZATION_DISABLED + 1);
    if (config->kind != OCT_QUANTIZATION_UNSET && config->kind != OCT_QUANTIZATION_DISABLED)
        randomise(rng, &config_quantization_kinds[config->kind].table, config);
}

/* Goal:   what is written to the log reads back with every field as it was, set or unset.
 * Method: 500 random configurations with names of any UTF-8, seed 11; compared field by field (memcmp of the
 *         flat structs), and their copies too. Every prefix of the text is refused, not crashed upon. */
TEST(stored_configuration_reads_back_unchanged)
{
    static const char *const names[] = {"",         "a", "size", "distance", "\"quoted\\", "\xF0\x9F\x90\x99",
                                        "tab\there"};
    test_rng                 rng = test_rng_seed(11);
    buffer                   text = {0}, again = {0};

    for (int round = 0; round < 500; round++) {
        arena                 memory = {0};
        oct_vector_config     vectors[countof(names)];
        oct_collection_config config, back, copy;
        oct_error             error = {0};

        oct_collection_config_init(&config);
        config.vectors = vectors;
        config.vector_count = test_below(&rng, countof(names) + 1);
        if (test_below(&rng, 3) > 0)
            config.single_vector = config.vector_count == 1;
        for (size_t i = 0; i < config.vector_count; i++) {
            oct_vector_config_init(&vectors[i]);
            vectors[i].name = slice_of(names[i]);
            randomise(&rng, &config_vector_table, &vectors[i]);
            randomise(&rng, &config_hnsw_table, &vectors[i].hnsw);
            if (test_below(&rng, 10) == 0) {
                oct_hnsw_config_init(&vectors[i].hnsw);
                vectors[i].hnsw.m = OCT_CLEAR;
            }
            randomise_quantization(&rng, &vectors[i].quantization);
        }
        randomise(&rng, &config_params_table, &config);
        randomise(&rng, &config_hnsw_table, &config.hnsw);
        randomise(&rng, &config_optimizer_table, &config.optimizer);
        randomise(&rng, &config_wal_table, &config.wal);
        randomise_quantization(&rng, &config.quantization);
        if (test_below(&rng, 2) == 0)
            config.metadata = slice_of("{\"a\":[1,2.5,null],\"b\":{}}");

        (void)stored(&config, &text);
        CHECK_OK(config_read((oct_slice){text.data, text.size - 1}, &memory, &back, &error));
        CHECK_TEXT(stored(&back, &again), text.data);
        CHECK_INT(back.single_vector, config.single_vector);
        CHECK_INT(back.vector_count, config.vector_count);
        CHECK(memcmp(&back.hnsw, &config.hnsw, sizeof config.hnsw) == 0);
        CHECK(memcmp(&back.optimizer, &config.optimizer, sizeof config.optimizer) == 0);
        CHECK(memcmp(&back.wal, &config.wal, sizeof config.wal) == 0);
        CHECK(memcmp(&back.quantization, &config.quantization, sizeof config.quantization) == 0);
        CHECK(slice_equal(back.metadata, config.metadata));
        for (size_t i = 0; i < back.vector_count && i < config.vector_count; i++) {
            CHECK(slice_equal(back.vectors[i].name, vectors[i].name));
            CHECK_INT(back.vectors[i].size, vectors[i].size);
            CHECK_INT(back.vectors[i].distance, vectors[i].distance);
            CHECK(memcmp(&back.vectors[i].hnsw, &vectors[i].hnsw, sizeof vectors[i].hnsw) == 0);
            CHECK(memcmp(&back.vectors[i].quantization, &vectors[i].quantization,
                         sizeof vectors[i].quantization) == 0);
        }
        CHECK_OK(config_copy(&back, &memory, &copy, &error));
        CHECK_TEXT(stored(&copy, &again), text.data);
        if (round < 5)
            for (size_t cut = 0; cut < text.size - 1; cut++)
                CHECK_STATUS(config_read((oct_slice){text.data, cut}, &memory, &back, &error), OCT_FORMAT);
        arena_clear(&memory);
    }
    buffer_clear(&text);
    buffer_clear(&again);
}

/* Goal:   files of a later version open: keys and kinds this version does not know are passed over. */
TEST(unknown_keys_in_stored_configuration_are_ignored)
{
    arena                 memory = {0};
    buffer                text = {0};
    oct_collection_config config;
    oct_error             error = {0};

    CHECK_OK(config_read(slice_of("{\"vectors\":[{\"name\":\"\",\"size\":3,\"distance\":\"Dot\",\"new\":{}}],"
                                  "\"hnsw_config\":{\"m\":3,\"new\":[]},\"new\":7,"
                                  "\"quantization_config\":{\"new\":{\"x\":1}}}"),
                         &memory, &config, &error));
    CHECK_TEXT(stored(&config, &text), "{\"vectors\":[{\"name\":\"\",\"size\":3,\"distance\":\"Dot\"}],"
                                       "\"hnsw_config\":{\"m\":3}}");
    buffer_clear(&text);
    arena_clear(&memory);
}

/* Goal:   codes have 8 bits where a quantization keeps a byte a component, and 4 elsewhere; a vector's own wins. */
TEST(quantization_settles_the_bits_of_codes)
{
    static const struct {
        const char *wanted;
        uint32_t    bits;
    } cases[] = {
        {"null", 4},
        {"{\"scalar\":{\"type\":\"int8\"}}", 8},
        {"{\"product\":{\"compression\":\"x4\"}}", 8},
        {"{\"product\":{\"compression\":\"x8\"}}", 4},
        {"{\"product\":{\"compression\":\"x64\"}}", 4},
        {"{\"binary\":{}}", 4},
        {"{\"binary\":{\"encoding\":\"two_bits\"}}", 4},
        {"{\"turbo\":{}}", 4},
        {"{\"turbo\":{\"bits\":\"bits4\"}}", 4},
    };
    arena memory = {0};

    for (size_t i = 0; i < countof(cases) * countof(cases); i++) {
        const size_t          own = i % countof(cases), all = i / countof(cases);
        char                  body[512];
        oct_collection_config config;
        oct_error             error = {0};

        (void)snprintf(body, sizeof body,
                       "{\"vectors\":{\"size\":128,\"distance\":\"Dot\",\"quantization_config\":%s},\"quantization_config\":%s}",
                       cases[own].wanted, cases[all].wanted);
        CHECK_OK(decode(body, false, &memory, &config, &error));
        config_fill_defaults(&config);
        CHECK_MSG(config_code_bits(&config, &config.vectors[0]) == cases[own > 0 ? own : all].bits, "%s", body);
    }
    arena_clear(&memory);
}

/* Goal:   out of memory is an answer, and leaves nothing behind (the leak check of ASan sees that).
 * Method: every allocation of decode, merge, copy and read fails in turn, alone and with all that follow. */
TEST(configuration_survives_every_failed_allocation)
{
    static const char body[] =
        "{\"vectors\":{\"a\":{\"size\":4,\"distance\":\"Dot\"}},\"metadata\":{\"k\":[1],\"k\":2}}";

    for (int sticky = 0; sticky < 2; sticky++)
        for (uint64_t count = 0;; count++) {
            arena                 memory = {0};
            oct_collection_config config, merged;
            oct_error             error = {0};
            oct_status            status;
            buffer                text = {0};

            oct_alloc_fail_after(count, sticky == 1);
            status = decode(body, false, &memory, &config, &error);
            if (status == OCT_OK)
                status = config_merge(&config, &config, &memory, &merged, &error);
            if (status == OCT_OK) {
                config_write(&merged, &text);
                status = text.failed
                             ? OCT_NOMEM
                             : config_read((oct_slice){text.data, text.size}, &memory, &config, &error);
            }
            oct_alloc_fail_after(UINT64_MAX, false);
            arena_clear(&memory);
            buffer_clear(&text);
            CHECK_MSG(status == OCT_OK || status == OCT_NOMEM, "allocation %llu gives %d",
                      (unsigned long long)count, (int)status);
            if (status == OCT_OK)
                break;
            CHECK(count < 1000);
            if (test_has_failed())
                return;
        }
}

/* Goal:   strict mode and shard keys are stored and shown as given, and PATCH merges strict mode field by field. */
TEST(strict_mode_and_shard_keys_survive_storing)
{
    static const char create[] = "{\"vectors\":{\"size\":4,\"distance\":\"Dot\"},\"sharding_method\":\"custom\","
                                 "\"strict_mode_config\":{\"enabled\":true,\"max_query_limit\":9,"
                                 "\"search_max_oversampling\":1.5,\"multivector_config\":{\"a\":{\"max_vectors\":5}}},"
                                 "\"payload\":{\"memory\":\"cold\"}}";
    static const char change[] = "{\"strict_mode_config\":{\"max_timeout\":3,\"max_query_limit\":8,"
                                 "\"sparse_config\":{\"s\":{\"max_length\":4}}}}";
    const oct_shard_key_info keys[] = {{{false, 0, {"5", 1}}, 1, 2, 1}, {{true, 5, {NULL, 0}}, 7, 1, 3}};
    arena                    memory = {0};
    oct_collection_config    config, changes, back;
    oct_error                error = {0};
    buffer                   kept = {0}, text = {0};

    CHECK_OK(decode(create, false, &memory, &config, &error));
    CHECK_OK(decode(change, true, &memory, &changes, &error));
    CHECK_OK(config_merge(&config, &changes, &memory, &config, &error));
    config.shard_keys = keys;
    config.shard_key_count = countof(keys);
    config.shard_keys_made = 7;
    (void)stored(&config, &kept);
    CHECK_OK(config_read((oct_slice){kept.data, kept.size - 1}, &memory, &back, &error));
    config_strict_encode(&back.strict, FORM_SHOWN, &text);
    buffer_add_byte(&text, '\0');
    CHECK_TEXT(text.data,
               "\"strict_mode_config\":{\"enabled\":true,\"max_query_limit\":8,\"max_timeout\":3,"
               "\"search_max_oversampling\":1.5,\"multivector_config\":{\"a\":{\"max_vectors\":5}},"
               "\"sparse_config\":{\"s\":{\"max_length\":4}}}");
    CHECK_INT(back.payload_memory, OCT_MEMORY_COLD);
    CHECK_INT(back.sharding_method, 1);
    CHECK_INT(back.shard_key_count, 2);
    CHECK_INT(back.shard_keys_made, 7);
    CHECK(config_find_shard_key(&back, &keys[0].key)->number == 1 &&
          config_find_shard_key(&back, &keys[1].key)->number == 7);
    CHECK(config_shard_key_of(&back, 7)->replication_factor == 3 && config_shard_key_of(&back, 2) == NULL);
    buffer_clear(&text);
    buffer_clear(&kept);
    arena_clear(&memory);
}
