/* What new collections have where their creator says nothing: an operator's wishes, from the server's configuration file.
 *
 * They are written into the configuration of a collection when it is created, so that it keeps them when they change, and
 * means the same wherever its files are opened.
 */
#include "config/config_internal.h"

oct_status
config_decode_new(oct_slice json, arena *memory, oct_collection_config *out, oct_error *error)
{
    enum { VECTORS, HNSW, WAL, OPTIMIZERS, QUANTIZATION, STRICT, PAYLOAD };
    static const json_field fields[] = {{"vectors", NULL, false},           {"hnsw_config", NULL, false},
                                        {"wal_config", NULL, false},        {"optimizers_config", NULL, false},
                                        {"quantization_config", NULL, false}, {"strict_mode_config", NULL, false},
                                        {"payload", NULL, false}};
    yyjson_val             *values[countof(fields)];
    json_document           document;
    oct_vector_config      *every = arena_array(memory, 1, sizeof *every);
    oct_status              status = json_parse(json, &document, error);

    oct_collection_config_init(out);
    if (status == OCT_OK && every == NULL)
        status = oct_fail_memory(error, sizeof *every);
    if (status == OCT_OK)
        status = json_fields(NULL, document.root, fields, countof(fields), false, values, error);
    if (status == OCT_OK) {
        oct_vector_config_init(every);
        out->vectors = every;
        out->vector_count = 1;
        status = config_section_decode(NULL, "vectors", &config_vector_update_table, values[VECTORS], FORM_REQUEST, every,
                                       error);
    }
    if (status == OCT_OK)
        status = config_table_decode(NULL, &config_params_update_table, document.root, FORM_REQUEST, out, error);
    if (status == OCT_OK)
        status = config_section_decode(NULL, "payload", &config_payload_table, values[PAYLOAD], FORM_REQUEST, out, error);
    if (status == OCT_OK)
        status = config_settings_decode(values[HNSW], values[WAL], values[OPTIMIZERS], values[QUANTIZATION], false, out, error);
    if (status == OCT_OK)
        status = config_strict_decode(values[STRICT], FORM_REQUEST, memory, &out->strict, error);
    json_document_clear(&document);
    return status;
}

oct_status
config_add_new(const oct_collection_config *given, const oct_collection_config *wanted, arena *memory,
               oct_collection_config *out, oct_error *error)
{
    const oct_vector_config *every = wanted->vectors;
    oct_vector_config       *vectors = arena_array(memory, given->vector_count + 1, sizeof *vectors);

    if (vectors == NULL)
        return oct_fail_memory(error, given->vector_count * sizeof *vectors);
    *out = *given;
    for (size_t i = 0; i < given->vector_count; i++) {
        vectors[i] = given->vectors[i];
        /* `memory` and `on_disk` say the same in two ways: who has said one has chosen. */
        if (vectors[i].sparse != 1 && vectors[i].on_disk == OCT_UNSET && vectors[i].memory == OCT_UNSET)
            config_table_add(&config_vector_update_table, &vectors[i], every);
    }
    out->vectors = vectors;
    config_table_add(&config_params_update_table, out, wanted);
    config_table_add(&config_payload_table, out, wanted);
    config_table_add(&config_hnsw_table, &out->hnsw, &wanted->hnsw);
    config_table_add(&config_wal_table, &out->wal, &wanted->wal);
    config_table_add(&config_optimizer_table, &out->optimizer, &wanted->optimizer);
    config_table_add(&config_strict_table, &out->strict, &wanted->strict);
    if (out->quantization.kind == OCT_QUANTIZATION_UNSET)
        out->quantization = wanted->quantization;
    return OCT_OK;
}
