/* GET and POST /logger: which lines are logged, looked at and changed while it runs; and /audit/logs, which has none to show.
 *
 * The engine writes no log; who serves it does, and says how to change its level (oct_api_logger). In process nobody does, and
 * the level is only kept and shown.
 */
#include "api/encode.h"

#include <pthread.h>
#include <strings.h>

static const char *const levels[] = {"OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the next two, and the calls of `change` */
static size_t          level = 3;
static void (*change)(const char *level);

static bool
find_level(oct_slice name, size_t *out)
{
    for (*out = 0; *out < countof(levels); (*out)++)
        if (name.size == strlen(levels[*out]) && strncasecmp(name.data, levels[*out], name.size) == 0)
            return true;
    return false;
}

void
oct_api_logger(const char *name, void (*set_level)(const char *level))
{
    size_t found;

    (void)pthread_mutex_lock(&lock);
    if (find_level(slice_of(name), &found))
        level = found;
    change = set_level;
    (void)pthread_mutex_unlock(&lock);
}

oct_status
service_logger(api_call *call, oct_error *error)
{
    (void)error;
    (void)pthread_mutex_lock(&lock);
    buffer_format(&call->out, "{\"log_level\":\"%s\",\"format\":\"text\",\"on_disk\":{\"enabled\":false}}", levels[level]);
    (void)pthread_mutex_unlock(&lock);
    return OCT_OK;
}

oct_status
service_set_logger(api_call *call, oct_error *error)
{
    enum { LEVEL, FORMAT, ON_DISK };
    static const json_field fields[] = {{"log_level", NULL, false}, {"format", NULL, false}, {"on_disk", NULL, false}};
    const json_path level_at = json_at(NULL, "log_level"), format_at = json_at(NULL, "format");
    const json_path disk_at = json_at(NULL, "on_disk"), enabled_at = json_at(&disk_at, "enabled");
    oct_slice       name = {NULL, 0}, format = {NULL, 0};
    yyjson_val     *body, *values[countof(fields)], *enabled = NULL;
    bool            to_disk = false;
    size_t          found = 0;
    oct_status      status = api_body(call, &body, error);

    if (status == OCT_OK)
        status = json_fields(NULL, body, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = json_get_text(&level_at, values[LEVEL], &name, error);
    if (status == OCT_OK)
        status = json_get_text(&format_at, values[FORMAT], &format, error);
    if (status == OCT_OK && values[ON_DISK] != NULL) {
        const json_field of_disk[] = {{"enabled", NULL, false}};

        status = json_fields(&disk_at, values[ON_DISK], of_disk, 1, false, &enabled, error);
        if (status == OCT_OK)
            status = json_get_bool(&enabled_at, enabled, &to_disk, error);
    }
    if (status == OCT_OK && to_disk)
        status = api_unsupported(&enabled_at, "a log file (lines go to stderr)", error);
    if (status == OCT_OK && format.data != NULL && !slice_is(format, "text"))
        status = api_unsupported(&format_at, "another format than `text`", error);
    /* "info,actix=warn": what follows the comma is of modules that are not here. */
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] == ',')
            name.size = i;
    if (status == OCT_OK && name.data != NULL && !find_level(name, &found))
        status = json_fail(&level_at, error, OCT_FORMAT,
                           "unknown variant `" SLICE_FMT "`, expected one of `OFF`, `ERROR`, `WARN`, `INFO`, `DEBUG`, `TRACE`",
                           (int)size_min(name.size, 64), name.data);
    if (status != OCT_OK)
        return status;
    if (name.data != NULL) {
        (void)pthread_mutex_lock(&lock);
        level = found;
        if (change != NULL)
            change(levels[found]);
        (void)pthread_mutex_unlock(&lock);
    }
    encode_bool(&call->out, true);
    return OCT_OK;
}

/* Checked as if there were one; there is none, as in a Qdrant whose configuration does not switch it on. */
oct_status
service_audit_logs(api_call *call, oct_error *error)
{
    enum { FROM, TO, LIMIT, FILTERS };
    static const json_field fields[] = {
        {"time_from", NULL, false}, {"time_to", NULL, false}, {"limit", NULL, false}, {"filters", NULL, false}};
    const json_path from_at = json_at(NULL, "time_from"), to_at = json_at(NULL, "time_to"), limit_at = json_at(NULL, "limit");
    oct_slice       from = {NULL, 0}, to = {NULL, 0};
    uint64_t        limit = 100;
    yyjson_val     *body, *values[countof(fields)];
    oct_status      status = api_body(call, &body, error);

    if (status == OCT_OK)
        status = json_fields(NULL, body, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = json_get_text(&from_at, values[FROM], &from, error);
    if (status == OCT_OK)
        status = json_get_text(&to_at, values[TO], &to, error);
    if (status == OCT_OK)
        status = json_get_range(&limit_at, values[LIMIT], 1, 10000, &limit, error);
    return status != OCT_OK ? status
                            : oct_fail(error, OCT_BAD_REQUEST, "Audit logging is not enabled: this server keeps no audit log");
}
