/* A YAML file as dotted keys. See config.h.
 *
 * libyaml's events are walked with a stack of the open maps; the path of the key at hand grows and shrinks in
 * one buffer: "service" -> "service.http_port" -> "service". What hangs below a key without meaning here is
 * skipped by counting starts and ends.
 */
#include <errno.h>
#include <stdio.h>
#include <yaml.h>

#include "server/config_internal.h"

typedef struct reader {
    server_config *config;
    const char    *name; /* of the file, for messages */
    yaml_parser_t  parser;
    char           path[256];
    size_t         path_size;
    size_t         depth;                           /* open maps */
    size_t         starts[SERVER_CONFIG_DEPTH_MAX]; /* path_size outside each */
    bool           has_key;                         /* the key of a value to come is on the path */
    bool           seen[128];                       /* by index into config_keys */
    char           source[512];                     /* "file:line" */
} reader;

static const char *
source_of(reader *self, const yaml_event_t *event)
{
    (void)snprintf(self->source, sizeof self->source, "%.400s:%zu", self->name, event->start_mark.line + 1);
    return self->source;
}

static oct_slice
path_of(const reader *self)
{
    return (oct_slice){self->path, self->path_size};
}

static oct_status
next_event(reader *self, yaml_event_t *event, oct_error *error)
{
    if (yaml_parser_parse(&self->parser, event))
        return OCT_OK;
    return oct_fail(
        error, OCT_FORMAT, "%s:%zu: not YAML: %s%s%s", self->name, self->parser.problem_mark.line + 1,
        self->parser.problem == NULL ? "unreadable" : self->parser.problem,
        self->parser.context == NULL ? "" : ", ", self->parser.context == NULL ? "" : self->parser.context);
}

static oct_status
push_key(reader *self, const yaml_event_t *event, oct_error *error)
{
    const size_t size = event->data.scalar.length;

    if (self->path_size + 1 + size > sizeof self->path - 1)
        return oct_fail(error, OCT_RANGE, "%s: a key is longer than %zu bytes", source_of(self, event),
                        sizeof self->path - 1);
    if (self->path_size > 0)
        self->path[self->path_size++] = '.';
    memcpy(self->path + self->path_size, event->data.scalar.value, size);
    self->path_size += size;
    self->has_key = true;
    return OCT_OK;
}

/* The value of the key on the path is done. */
static void
pop_key(reader *self)
{
    self->path_size = self->depth == 0 ? 0 : self->starts[self->depth - 1];
    self->has_key = false;
}

/* Read on until the map or list that has just begun is closed. */
static oct_status
skip_tree(reader *self, oct_error *error)
{
    size_t open = 1;

    while (open > 0) {
        yaml_event_t event;
        oct_status   status = next_event(self, &event, error);

        if (status != OCT_OK)
            return status;
        if (event.type == YAML_MAPPING_START_EVENT || event.type == YAML_SEQUENCE_START_EVENT)
            open++;
        if (event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT)
            open--;
        yaml_event_delete(&event);
    }
    pop_key(self);
    return OCT_OK;
}

static void
warn_unknown(reader *self, const yaml_event_t *event)
{
    log_line(LOG_LEVEL_WARN, "%s: unknown key \"%.*s\", ignored", source_of(self, event),
             (int)self->path_size, self->path);
}

static bool
is_ignored(const config_key *key)
{
    return key != NULL && (key->kind == CONFIG_IGNORED || key->kind == CONFIG_IGNORED_TREE);
}

static oct_status
refuse_shape(reader *self, const yaml_event_t *event, const char *got, oct_error *error)
{
    return oct_fail(error, OCT_INVALID, "%s: %.*s is %s, but must be one value, as in \"key: value\"",
                    source_of(self, event), (int)self->path_size, self->path, got);
}

static bool
is_null(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;

    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    return text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 ||
           strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0;
}

static oct_status
take_value(reader *self, const yaml_event_t *event, oct_error *error)
{
    const config_key *key = config_key_find(path_of(self));
    const char       *value = (const char *)event->data.scalar.value;
    oct_status        status = OCT_OK;

    if (key == NULL) {
        if (!config_key_is_section(path_of(self)))
            warn_unknown(self, event);
        else if (!is_null(event)) /* "service:" with nothing below it is harmless */
            return oct_fail(error, OCT_INVALID, "%s: %.*s must be a section of keys, not a value",
                            source_of(self, event), (int)self->path_size, self->path);
        pop_key(self);
        return OCT_OK;
    }
    if (event->data.scalar.length > SERVER_CONFIG_TEXT_MAX || strlen(value) != event->data.scalar.length)
        return oct_fail(error, OCT_RANGE, "%s: the value of %s is longer than %u bytes or holds a zero byte",
                        source_of(self, event), key->name, SERVER_CONFIG_TEXT_MAX);
    if (!is_ignored(key)) {
        bool *seen = &self->seen[key - config_keys];

        if (*seen)
            return oct_fail(error, OCT_INVALID, "%s: %s is given twice; keep one", source_of(self, event),
                            key->name);
        *seen = true;
        if (is_null(event) || (value[0] == '\0' && key->kind == CONFIG_SECRET))
            config_key_unset(self->config, key);
        else
            status = config_key_set(self->config, key, value, source_of(self, event), error);
    }
    pop_key(self);
    return status;
}

static oct_status
open_map(reader *self, const yaml_event_t *event, oct_error *error)
{
    const config_key *key = config_key_find(path_of(self));

    if (self->has_key) {
        if (is_ignored(key))
            return skip_tree(self, error);
        if (key != NULL)
            return refuse_shape(self, event, "a section", error);
        if (!config_key_is_section(path_of(self))) {
            warn_unknown(self, event);
            return skip_tree(self, error);
        }
    }
    if (self->depth == SERVER_CONFIG_DEPTH_MAX)
        return oct_fail(error, OCT_RANGE, "%s: sections are nested more than %u deep", source_of(self, event),
                        SERVER_CONFIG_DEPTH_MAX);
    self->starts[self->depth++] = self->path_size;
    self->has_key = false;
    return OCT_OK;
}

static oct_status
open_list(reader *self, const yaml_event_t *event, oct_error *error)
{
    const config_key *key = config_key_find(path_of(self));

    if (key != NULL && !is_ignored(key))
        return refuse_shape(self, event, "a list", error);
    if (key == NULL && config_key_is_section(path_of(self)))
        return oct_fail(error, OCT_INVALID, "%s: %.*s must be a section of keys, not a list",
                        source_of(self, event), (int)self->path_size, self->path);
    if (key == NULL)
        warn_unknown(self, event);
    return skip_tree(self, error);
}

static void
close_map(reader *self)
{
    self->depth--;
    pop_key(self);
}

static oct_status
take_event(reader *self, const yaml_event_t *event, oct_error *error)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return oct_fail(error, OCT_UNSUPPORTED,
                        "%s: aliases (\"*name\") are not supported, write the value out",
                        source_of(self, event));
    case YAML_MAPPING_START_EVENT:
        if (self->depth > 0 && !self->has_key)
            break;
        return open_map(self, event, error);
    case YAML_MAPPING_END_EVENT:
        close_map(self);
        return OCT_OK;
    case YAML_SEQUENCE_START_EVENT:
        if (!self->has_key)
            break;
        return open_list(self, event, error);
    case YAML_SCALAR_EVENT:
        if (self->depth == 0 && is_null(event))
            return OCT_OK; /* an empty file */
        if (self->depth == 0)
            break;
        return self->has_key ? take_value(self, event, error) : push_key(self, event, error);
    default:
        return OCT_OK;
    }
    return oct_fail(error, OCT_INVALID, "%s: a configuration is sections of \"key: value\" lines",
                    source_of(self, event));
}

oct_status
server_config_read_yaml(server_config *self, oct_slice text, const char *name, oct_error *error)
{
    reader     walk = {.config = self, .name = name};
    oct_status status = OCT_OK;
    bool       ended = false;
    int        documents = 0;

    _Static_assert(sizeof walk.seen > 80, "one place for each key");
    OCT_MUST(config_key_count <= sizeof walk.seen);
    if (!yaml_parser_initialize(&walk.parser))
        return oct_fail_memory(error, sizeof walk.parser);
    yaml_parser_set_input_string(&walk.parser, (const unsigned char *)(text.size == 0 ? "" : text.data),
                                 text.size);
    while (status == OCT_OK && !ended) {
        yaml_event_t event;

        status = next_event(&walk, &event, error);
        if (status != OCT_OK)
            break;
        ended = event.type == YAML_STREAM_END_EVENT;
        if (event.type == YAML_DOCUMENT_START_EVENT && ++documents > 1)
            status =
                oct_fail(error, OCT_INVALID, "%s: a second document begins; one file is one configuration",
                         source_of(&walk, &event));
        else
            status = take_event(&walk, &event, error);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&walk.parser);
    return status;
}

oct_status
server_config_read_file(server_config *self, const char *path, oct_error *error)
{
    FILE      *file = fopen(path, "rb");
    buffer     text = {0};
    oct_status status;
    size_t     got;

    if (file == NULL)
        return oct_fail(error, errno == ENOENT ? OCT_NOT_FOUND : OCT_IO, "configuration file %s: %s", path,
                        strerror(errno));
    do {
        got = 0;
        if (buffer_reserve(&text, 4096)) {
            got = fread(text.data + text.size, 1, 4096, file);
            text.size += got;
        }
    } while (got > 0 && text.size <= SERVER_CONFIG_FILE_BYTES_MAX);
    if (text.failed)
        status = oct_fail_memory(error, text.size);
    else if (ferror(file))
        status = oct_fail(error, OCT_IO, "configuration file %s: %s", path, strerror(errno));
    else if (text.size > SERVER_CONFIG_FILE_BYTES_MAX)
        status = oct_fail(error, OCT_RANGE, "configuration file %s is larger than %u bytes", path,
                          SERVER_CONFIG_FILE_BYTES_MAX);
    else
        status = server_config_read_yaml(self, (oct_slice){text.data, text.size}, path, error);
    (void)fclose(file);
    buffer_clear(&text);
    return status;
}
