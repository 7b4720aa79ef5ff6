/* See quota.h. */
#include "collection/quota.h"

#include "base/json.h"
#include "os/process.h"

#define FILE_NAME      "quota.json"
#define FILE_BYTES_MAX 4096u
#define ASK_NS         UINT64_C(1000000000)
#define MARGIN_DEFAULT 5

void
quota_init(quota *self)
{
    *self = (quota){.config = {false, OCT_UNSET, OCT_UNSET, OCT_UNSET}, .usage = {-1, -1, false, false}};
    (void)pthread_mutex_init(&self->lock, NULL);
}

void
quota_clear(quota *self)
{
    (void)pthread_mutex_destroy(&self->lock);
}

static oct_status
check(const oct_quota_config *config, oct_error *error)
{
    const int64_t values[] = {config->max_resident_memory_percent, config->max_disk_usage_percent,
                              config->release_margin_percent};
    static const char *const names[] = {"max_resident_memory_percent", "max_disk_usage_percent", "release_margin_percent"};

    for (size_t i = 0; i < countof(values); i++) {
        const int64_t least = i == 2 ? 0 : 1;

        if (values[i] != OCT_UNSET && (values[i] < least || values[i] > 100))
            return oct_fail(error, OCT_RANGE, "%s: value %lld invalid, must be from %lld to 100", names[i],
                            (long long)values[i], (long long)least);
    }
    return OCT_OK;
}

/* --- the file ------------------------------------------------------------------------------------------- */

static oct_status
read_number(yyjson_val *root, const char *name, int64_t *out, oct_error *error)
{
    const json_path at = json_at(NULL, name);
    yyjson_val     *value = yyjson_obj_get(root, name);
    uint64_t        number = 0;
    oct_status      status = json_get_u64(&at, value, &number, error);

    *out = value == NULL || number > 100 ? OCT_UNSET : (int64_t)number;
    return status;
}

oct_status
quota_load(quota *self, os *system, const char *folder, oct_error *error)
{
    char          path[OS_PATH_MAX], text[FILE_BYTES_MAX];
    os_file      *file = NULL;
    json_document document = {0};
    size_t        size = 0;
    oct_status    status = os_path_join(path, folder, FILE_NAME, error);

    if (status == OCT_OK)
        status = os_open(system, path, 0, &file, error);
    if (status == OCT_NOT_FOUND)
        return OCT_OK;
    if (status == OCT_OK)
        status = os_read(file, 0, text, sizeof text, &size, error);
    os_close(file);
    if (status == OCT_OK)
        status = json_parse((oct_slice){text, size}, &document, error);
    if (status == OCT_FORMAT)
        status = oct_fail(error, OCT_CORRUPT, "%s is not JSON; remove it to have no quota", path);
    if (status == OCT_OK) {
        self->config.enabled = yyjson_is_true(yyjson_obj_get(document.root, "enabled"));
        status = read_number(document.root, "max_resident_memory_percent", &self->config.max_resident_memory_percent, error);
    }
    if (status == OCT_OK)
        status = read_number(document.root, "max_disk_usage_percent", &self->config.max_disk_usage_percent, error);
    if (status == OCT_OK)
        status = read_number(document.root, "release_margin_percent", &self->config.release_margin_percent, error);
    json_document_clear(&document);
    atomic_store(&self->enabled, self->config.enabled);
    return status;
}

static void
add_number(buffer *out, const char *name, int64_t value)
{
    if (value != OCT_UNSET)
        buffer_format(out, ",\"%s\":%lld", name, (long long)value);
}

static oct_status
save(os *system, const char *folder, const oct_quota_config *config, oct_error *error)
{
    char       path[OS_PATH_MAX], fresh[OS_PATH_MAX];
    buffer     text = {0};
    os_file   *file = NULL;
    oct_status status = os_path_join(path, folder, FILE_NAME, error);

    buffer_format(&text, "{\"enabled\":%s", config->enabled ? "true" : "false");
    add_number(&text, "max_resident_memory_percent", config->max_resident_memory_percent);
    add_number(&text, "max_disk_usage_percent", config->max_disk_usage_percent);
    add_number(&text, "release_margin_percent", config->release_margin_percent);
    buffer_add_text(&text, "}\n");
    if (status == OCT_OK)
        status = os_path_join(fresh, folder, FILE_NAME ".new", error);
    if (status == OCT_OK && text.failed)
        status = oct_fail_memory(error, FILE_BYTES_MAX);
    if (status == OCT_OK)
        status = os_open(system, fresh, OS_CREATE | OS_TRUNCATE, &file, error);
    if (status == OCT_OK)
        status = os_write(file, 0, text.data, text.size, error);
    if (status == OCT_OK)
        status = os_sync(file, error);
    os_close(file);
    if (status == OCT_OK)
        status = os_rename(system, fresh, path, error);
    if (status == OCT_OK)
        status = os_sync_dir(system, folder, error);
    buffer_clear(&text);
    return status;
}

oct_status
quota_set(quota *self, os *system, const char *folder, const oct_quota_config *config, oct_error *error)
{
    oct_status status = check(config, error);

    if (status != OCT_OK)
        return status;
    (void)pthread_mutex_lock(&self->lock); /* also while it is written: two changes do not meet in the file */
    if (folder != NULL)
        status = save(system, folder, config, error);
    if (status == OCT_OK) {
        self->config = *config;
        self->usage.memory_exceeded = self->usage.disk_exceeded = false;
        self->asked_ns = 0;
        atomic_store(&self->enabled, config->enabled);
    }
    (void)pthread_mutex_unlock(&self->lock);
    return status;
}

/* --- use -------------------------------------------------------------------------------------------------- */

static int64_t
percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? -1 : (int64_t)((double)part * 100.0 / (double)whole);
}

/* Beyond the limit; or it was, and is not below it by the margin. */
static bool
exceeds(int64_t used, int64_t limit, int64_t margin, bool did)
{
    if (limit == OCT_UNSET || used < 0)
        return false;
    return used > limit || (did && used > limit - margin);
}

/* With the lock. */
static void
measure(quota *self, const char *folder)
{
    const int64_t margin =
        self->config.release_margin_percent == OCT_UNSET ? MARGIN_DEFAULT : self->config.release_margin_percent;
    const uint64_t now = os_clock_ns(os_posix());
    process_stats  stats;
    uint64_t       used, total;

    if (self->asked_ns != 0 && now - self->asked_ns < ASK_NS)
        return;
    process_describe(&stats);
    self->asked_ns = now;
    self->usage.resident_memory_percent = percent(stats.resident_bytes, stats.machine_ram_bytes);
    self->usage.disk_usage_percent = process_disk(folder, &used, &total) ? percent(used, total) : -1;
    self->usage.memory_exceeded = self->config.enabled &&
                                  exceeds(self->usage.resident_memory_percent, self->config.max_resident_memory_percent,
                                          margin, self->usage.memory_exceeded);
    self->usage.disk_exceeded = self->config.enabled &&
                                exceeds(self->usage.disk_usage_percent, self->config.max_disk_usage_percent, margin,
                                        self->usage.disk_exceeded);
}

void
quota_get(quota *self, const char *folder, oct_quota_config *config, oct_quota_usage *usage)
{
    (void)pthread_mutex_lock(&self->lock);
    measure(self, folder);
    *config = self->config;
    *usage = self->usage;
    (void)pthread_mutex_unlock(&self->lock);
}

int64_t
quota_memory_percent(quota *self, const char *folder)
{
    oct_quota_config config;
    oct_quota_usage  usage;

    quota_get(self, folder, &config, &usage);
    return usage.resident_memory_percent;
}

oct_status
quota_check(quota *self, const char *folder, oct_error *error)
{
    oct_quota_config config;
    oct_quota_usage  usage;

    if (!atomic_load_explicit(&self->enabled, memory_order_relaxed))
        return OCT_OK;
    quota_get(self, folder, &config, &usage);
    if (usage.memory_exceeded)
        return oct_fail(error, OCT_FULL,
                        "the process takes %lld %% of the machine's memory, and its quota is %lld %%; delete points or raise "
                        "max_resident_memory_percent",
                        (long long)usage.resident_memory_percent, (long long)config.max_resident_memory_percent);
    if (usage.disk_exceeded)
        return oct_fail(error, OCT_FULL,
                        "the file system is %lld %% full, and its quota is %lld %%; make room or raise max_disk_usage_percent",
                        (long long)usage.disk_usage_percent, (long long)config.max_disk_usage_percent);
    return OCT_OK;
}
