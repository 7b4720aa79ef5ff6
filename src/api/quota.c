/* GET and PUT /quotas. See collection/quota.h for what they do. */
#include "api/encode.h"

static void
add_percent(buffer *out, const char *name, int64_t value)
{
    if (value < 0)
        return;
    if (out->data[out->size - 1] != '{')
        buffer_add_byte(out, ',');
    buffer_format(out, "\"%s\":%lld", name, (long long)value);
}

void
quota_encode_config(buffer *out, const oct_quota_config *config)
{
    buffer_format(out, "{\"enabled\":%s", config->enabled ? "true" : "false");
    add_percent(out, "max_resident_memory_percent", config->max_resident_memory_percent);
    add_percent(out, "max_disk_usage_percent", config->max_disk_usage_percent);
    add_percent(out, "release_margin_percent", config->release_margin_percent);
    buffer_add_byte(out, '}');
}

oct_status
service_quotas(api_call *call, oct_error *error)
{
    oct_quota_config config;
    oct_quota_usage  usage;

    (void)error;
    oct_quota_get(call->database, &config, &usage);
    buffer_add_text(&call->out, "{\"config\":");
    quota_encode_config(&call->out, &config);
    buffer_add_text(&call->out, ",\"usage\":{");
    add_percent(&call->out, "resident_memory_percent", usage.resident_memory_percent);
    add_percent(&call->out, "disk_usage_percent", usage.disk_usage_percent);
    buffer_add_text(&call->out, "}}");
    return OCT_OK;
}

oct_status
service_set_quotas(api_call *call, oct_error *error)
{
    enum { ENABLED, MEMORY, DISK, MARGIN };
    static const json_field fields[] = {{"enabled", NULL, false},
                                        {"max_resident_memory_percent", NULL, false},
                                        {"max_disk_usage_percent", NULL, false},
                                        {"release_margin_percent", NULL, false}};
    oct_quota_config config = {false, OCT_UNSET, OCT_UNSET, OCT_UNSET};
    int64_t *const   numbers[] = {NULL, &config.max_resident_memory_percent, &config.max_disk_usage_percent,
                                  &config.release_margin_percent};
    const json_path  enabled_at = json_at(NULL, "enabled");
    yyjson_val      *body = NULL, *values[countof(fields)];
    bool             wait = true;
    oct_status       status = api_option_bool(call, "wait", &wait, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = json_fields(NULL, body, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = json_get_bool(&enabled_at, values[ENABLED], &config.enabled, error);
    for (size_t i = MEMORY; i < countof(fields) && status == OCT_OK; i++) {
        const json_path at = json_at(NULL, fields[i].name);
        uint64_t        number = 0;

        if (values[i] == NULL)
            continue;
        status = json_get_u64(&at, values[i], &number, error);
        if (status == OCT_OK && (number > 100 || (number < 1 && i != MARGIN)))
            status = json_fail_range(&at, number, i == MARGIN ? 0 : 1, 100, error);
        *numbers[i] = (int64_t)number;
    }
    if (status == OCT_OK)
        status = oct_quota_set(call->database, &config, error);
    encode_bool(&call->out, true);
    return status;
}
