/* Writing snapshots. See snapshot.h. */
#include "collection/backup.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/epoch.h"
#include "base/json.h"
#include "storage/manifest.h"

#define OPEN_COLUMNS 400u /* held open from the beginning; more are opened when their turn comes */
#define FOLDER_LOOKS 8    /* at a folder that another process writes to, before we believe in damage */

const char *const snapshot_kinds[3] = {"collection", "shard", "full"};

/* An archive in the making. */
typedef struct packing {
    os                *system; /* of the database */
    const char        *folder; /* likewise; NULL in memory */
    oct_snapshot_scope scope;
    uint64_t           only;           /* shard id; 0: all */
    uint64_t           log_begin;      /* records up to here are covered by the manifest */
    uint64_t           log_end;        /* the position of this snapshot */
    uint64_t           catalogue_from; /* of the catalogue's records those up to here are in the manifest */
    uint64_t           shard_from;     /* of `only`: its records up to here are in its files */
    uint64_t           position;       /* of the last record that is in */
    archive_writer    *to;
    increment         *part;           /* what its base has is left out; NULL: all is written */
    log_chunk          chunk;
    bool               deleted; /* `only` is, further on in the log */
    struct {
        column_state   state;
        uint64_t       shard_id;
        column_source *source; /* NULL: to be opened */
    } *columns;
    size_t column_count, column_capacity, open_count;
} packing;

static void
packing_clear(packing *self)
{
    for (size_t i = 0; i < self->column_count; i++)
        column_source_free(self->columns[i].source);
    oct_free(self->columns);
    log_chunk_clear(&self->chunk);
}

/* --- columns --------------------------------------------------------------------------------------------- */

static oct_status
open_column(packing *self, size_t i, oct_error *error)
{
    char folder[OS_PATH_MAX];

    (void)snprintf(folder, sizeof folder, "%s/shard/%" PRIu64, self->folder, self->columns[i].shard_id);
    return column_source_open(self->system, folder, &self->columns[i].state, &self->columns[i].source, error);
}

/* Take down the files that an entry of a shard names. */
static oct_status
add_columns(packing *self, uint64_t shard_id, yyjson_val *state, oct_error *error)
{
    arena         memory = {0};
    oct_slice     text = {"", 0};
    column_state *states = NULL;
    size_t        count = 0;
    oct_status    status = json_write_value(state, &memory, &text, error);

    if (status == OCT_OK)
        status = shard_entry_columns(text, &states, &count, error);
    arena_clear(&memory);
    if (status == OCT_OK && self->column_count + count > self->column_capacity) {
        const size_t capacity = 2 * (self->column_count + count);
        void        *fresh = oct_realloc(self->columns, capacity * sizeof *self->columns);

        if (fresh == NULL) {
            oct_free(states);
            return oct_fail_memory(error, capacity * sizeof *self->columns);
        }
        self->columns = fresh;
        self->column_capacity = capacity;
    }
    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        self->columns[self->column_count].state = states[i];
        self->columns[self->column_count].shard_id = shard_id;
        self->columns[self->column_count].source = NULL;
        if (self->open_count < OPEN_COLUMNS) {
            status = open_column(self, self->column_count, error);
            self->open_count++;
        }
        self->column_count++;
    }
    oct_free(states);
    return status;
}

static oct_status
copy_columns(packing *self, oct_error *error)
{
    const archive_sink to = self->part == NULL ? archive_sink_of(self->to) : increment_sink(self->part);
    oct_status         status = OCT_OK;

    for (size_t i = 0; i < self->column_count && status == OCT_OK; i++) {
        char prefix[64];

        (void)snprintf(prefix, sizeof prefix, "shard/%" PRIu64, self->columns[i].shard_id);
        if (self->columns[i].source == NULL)
            status = open_column(self, i, error);
        if (status == OCT_OK)
            status = column_source_copy(self->columns[i].source, prefix, &to, error);
        column_source_free(self->columns[i].source);
        self->columns[i].source = NULL;
    }
    return status;
}

/* --- the manifest ------------------------------------------------------------------------------------------- */

/* Take down what is there, and make the manifest of the snapshot: whole, or with one entry. */
static oct_status
make_manifest(packing *self, oct_slice manifest, buffer *out, oct_error *error)
{
    static const char empty[] = "{\"log_sequence\":0,\"catalogue_sequence\":0,\"next_shard\":1,\"aliases\":{},"
                                "\"collections\":[]}";
    json_document document;
    arena         memory = {0};
    yyjson_val   *entry, *key, *value;
    size_t        index, max;
    bool          first = true;
    oct_status    status = json_parse(manifest.size == 0 ? slice_of(empty) : manifest, &document, error);

    if (status != OCT_OK) {
        json_document_clear(&document);
        return status == OCT_NOMEM ? status : oct_fail(error, OCT_CORRUPT, "the manifest is not JSON");
    }
    self->log_begin = yyjson_get_uint(yyjson_obj_get(document.root, "log_sequence"));
    self->catalogue_from = yyjson_get_uint(yyjson_obj_get(document.root, "catalogue_sequence"));
    if (self->only != 0)
        buffer_format(out,
                      "{\"log_sequence\":%" PRIu64 ",\"catalogue_sequence\":%" PRIu64 ",\"next_shard\":%" PRIu64
                      ",\"aliases\":{},\"collections\":[",
                      self->log_end, self->log_end, self->only + 1);
    yyjson_arr_foreach(yyjson_obj_get(document.root, "collections"), index, max, entry)
    {
        const uint64_t shard_id = yyjson_get_uint(yyjson_obj_get(entry, "shard"));
        oct_slice      text = {"", 0};

        if (status != OCT_OK || (self->only != 0 && shard_id != self->only))
            continue;
        self->shard_from = yyjson_get_uint(yyjson_obj_get(yyjson_obj_get(entry, "state"), "sequence"));
        /* Its configuration may be from a record behind the catalogue's position: older ones must not come along. */
        if (self->only != 0 && yyjson_get_uint(yyjson_obj_get(entry, "changed")) > self->catalogue_from)
            self->catalogue_from = yyjson_get_uint(yyjson_obj_get(entry, "changed"));
        status = add_columns(self, shard_id, yyjson_obj_get(entry, "state"), error);
        if (status == OCT_OK && self->only != 0)
            status = json_write_value(entry, &memory, &text, error);
        buffer_add(out, text.data, text.size);
    }
    if (self->only != 0)
        buffer_add_text(out, "]}\n");
    /* Whole: as it is, but that the log behind it may be cut at its end was true there and need not be here. */
    for (yyjson_obj_iter each = yyjson_obj_iter_with(document.root);
         self->only == 0 && status == OCT_OK && (key = yyjson_obj_iter_next(&each)) != NULL;) {
        oct_slice text = {"", 0};

        value = yyjson_obj_iter_get_val(key);
        if (yyjson_equals_str(key, "log_end"))
            continue;
        buffer_add_byte(out, first ? '{' : ',');
        first = false;
        json_add_text(out, (oct_slice){yyjson_get_str(key), yyjson_get_len(key)});
        buffer_add_byte(out, ':');
        status = json_write_value(value, &memory, &text, error);
        buffer_add(out, text.data, text.size);
    }
    if (self->only == 0)
        buffer_add_text(out, first ? "{}\n" : "}\n");
    json_document_clear(&document);
    arena_clear(&memory);
    return status == OCT_OK && out->failed ? oct_fail_memory(error, out->size) : status;
}

/* --- the log ---------------------------------------------------------------------------------------------------- */

static oct_status
add_record(packing *self, uint64_t sequence, uint64_t shard_id, oct_slice body, oct_error *error)
{
    if (self->part != NULL)
        return increment_record(self->part, sequence, shard_id, body, error);
    piece_encode_record(&self->chunk.records, sequence, shard_id, body);
    return log_chunk_added(&self->chunk, self->to, error);
}

/* A record of the catalogue: may it come along? Those that bring files with them are met here. */
static oct_status
look_at_change(packing *self, oct_slice body, bool *wanted, oct_error *error)
{
    json_document document;
    yyjson_val   *op;
    uint64_t      shard_id;
    oct_status    status = json_parse(body, &document, error);

    if (status != OCT_OK) {
        json_document_clear(&document);
        return status == OCT_NOMEM ? status : oct_fail(error, OCT_CORRUPT, "a record of the catalogue is not JSON");
    }
    op = yyjson_obj_get(document.root, "op");
    shard_id = yyjson_get_uint(yyjson_obj_get(document.root, "shard"));
    *wanted = self->only == 0 || shard_id == self->only;
    if (*wanted && self->only != 0 && yyjson_equals_str(op, "delete"))
        self->deleted = true;
    if (*wanted && yyjson_equals_str(op, "recover"))
        status = add_columns(self, shard_id, yyjson_obj_get(document.root, "state"), error);
    /* Whoever takes the place of a collection deletes it. */
    if (self->only != 0 && yyjson_equals_str(op, "recover") &&
        yyjson_get_uint(yyjson_obj_get(document.root, "replaces")) == self->only)
        self->deleted = true;
    json_document_clear(&document);
    return status;
}

static oct_status
copy_record(void *context, const log_record *record, oct_error *error)
{
    packing   *self = context;
    bool       wanted = self->only == 0 || (record->shard == self->only && record->sequence > self->shard_from);
    oct_status status = OCT_OK;

    if (record->sequence > self->log_end)
        return OCT_OK;
    self->position = record->sequence;
    if (record->shard == 0 && record->sequence > self->catalogue_from)
        status = look_at_change(self, record->body, &wanted, error);
    return status == OCT_OK && wanted ? add_record(self, record->sequence, record->shard, record->body, error) : status;
}

static oct_status
copy_log(packing *self, oct_error *error)
{
    char              path[OS_PATH_MAX];
    const log_options options = {.system = self->system, .path = path, .read_only = true};
    write_log        *log = NULL;
    oct_status        status;

    (void)snprintf(path, sizeof path, "%s/log", self->folder);
    self->position = self->log_begin;
    status = log_open(&options, self->log_begin, copy_record, self, &log, error);
    (void)log_close(log, NULL);
    if (status != OCT_OK)
        return status;
    return self->part == NULL ? log_chunk_end(&self->chunk, self->to, error) : increment_end_log(self->part, error);
}

/* --- the archive -------------------------------------------------------------------------------------------------- */

static oct_status
add_head(packing *self, oct_slice name, oct_slice format, oct_slice manifest, oct_error *error)
{
    buffer     head = {0};
    oct_status status;

    buffer_format(&head, "{\"format\":%u,\"kind\":\"%s\",\"created_by\":\"octant %s\",\"created\":%lld,\"collection\":",
                  self->part == NULL ? SNAPSHOT_FORMAT : SNAPSHOT_FORMAT_INCREMENT,
                  self->part == NULL ? snapshot_kinds[self->scope] : SNAPSHOT_KIND_INCREMENT, OCTANT_VERSION,
                  (long long)time(NULL));
    json_add_text(&head, name);
    if (self->part != NULL)
        increment_add_head(self->part, &head);
    buffer_add_text(&head, "}\n");
    status = head.failed ? oct_fail_memory(error, head.size)
                         : archive_add(self->to, SNAPSHOT_HEAD, (oct_slice){head.data, head.size}, error);
    if (status == OCT_OK)
        status = archive_add(self->to, DATABASE_FORMAT_FILE, format, error);
    if (status == OCT_OK)
        status = archive_add(self->to, "manifest", manifest, error);
    buffer_clear(&head);
    return status;
}

/* What all files follow from: read at one moment, in which no checkpoint comes. */
typedef struct catalogue_text {
    buffer    format;
    oct_slice manifest; /* to be oct_freed */
} catalogue_text;

static void
catalogue_text_clear(catalogue_text *self)
{
    buffer_clear(&self->format);
    oct_free((void *)(uintptr_t)self->manifest.data);
}

static oct_status
catalogue_text_read(os *system, const char *folder, catalogue_text *out, oct_error *error)
{
    uint64_t   number;
    oct_status status = database_read_format(system, folder, &out->format, error);

    return status != OCT_OK ? status : manifest_read(system, folder, &number, &out->manifest, error);
}

/* Of files. Nobody removes them meanwhile, or the caller tries again. */
static oct_status
pack_files(packing *self, const catalogue_text *of, oct_slice name, oct_error *error)
{
    buffer     manifest = {0};
    oct_status status = make_manifest(self, of->manifest, &manifest, error);

    if (status == OCT_OK)
        status = add_head(self, name, (oct_slice){of->format.data, of->format.size},
                          (oct_slice){manifest.data, manifest.size}, error);
    if (status == OCT_OK)
        status = copy_log(self, error);
    if (status == OCT_OK && self->deleted)
        status = oct_fail(error, OCT_NOT_FOUND, "Collection `" SLICE_FMT "` was deleted while its snapshot was made",
                          SLICE_ARG(name));
    if (status == OCT_OK)
        status = copy_columns(self, error);
    if (status == OCT_OK && self->part != NULL)
        status = increment_end(self->part, self->position, error);
    buffer_clear(&manifest);
    return status;
}

/* Of memory: the entries as they are now, and the content of each shard as a record. */
static oct_status
pack_memory(packing *self, oct_database *database, oct_slice name, oct_error *error)
{
    catalogue_view view;
    buffer         format = {0}, manifest = {0}, content = {0};
    size_t         kept = 0, alias_count;
    oct_status     status = catalogue_view_new(database, &view, error);

    if (status != OCT_OK)
        return status;
    for (size_t i = 0; i < view.collection_count; i++) {
        if (self->only != 0 && view.collections[i]->shard_id != self->only)
            collection_release(view.collections[i]);
        else
            view.collections[kept++] = view.collections[i];
    }
    view.collection_count = kept;
    view.catalogue_sequence = view.log_sequence = view.log_end = 0;
    for (size_t i = 0; i < kept; i++)
        shard_stop_writes(view.collections[i]->shard);
    database_write_format(&format);
    alias_count = view.alias_count;
    if (self->only != 0) /* aliases are the database's */
        view.alias_count = 0;
    status = catalogue_write(&view, &manifest, error);
    view.alias_count = alias_count;
    if (status == OCT_OK && format.failed)
        status = oct_fail_memory(error, 1);
    if (status == OCT_OK)
        status = add_head(self, name, (oct_slice){format.data, format.size}, (oct_slice){manifest.data, manifest.size},
                          error);
    for (size_t i = 0; i < kept && status == OCT_OK; i++) {
        content.size = 0;
        status = shard_encode(view.collections[i]->shard, &content, error);
        if (status == OCT_OK && content.size > LOG_BODY_MAX)
            status = oct_fail(error, OCT_FULL,
                              "the collection has %zu bytes; a snapshot of a collection in memory can have %u at most: "
                              "open the database on a path",
                              content.size, LOG_BODY_MAX);
        if (status == OCT_OK)
            status = add_record(self, i + 1, view.collections[i]->shard_id, (oct_slice){content.data, content.size}, error);
    }
    for (size_t i = 0; i < kept; i++)
        shard_resume_writes(view.collections[i]->shard);
    if (status == OCT_OK)
        status = log_chunk_end(&self->chunk, self->to, error);
    catalogue_view_clear(&view);
    buffer_clear(&format);
    buffer_clear(&manifest);
    buffer_clear(&content);
    return status;
}

static oct_status
finish(packing *self, oct_status status, uint64_t *size, char sum[SHA256_TEXT_BYTES], oct_error *error)
{
    if (status == OCT_OK)
        status = archive_finish(self->to, size, sum, error);
    else
        archive_abandon(self->to);
    packing_clear(self);
    return status;
}

oct_status
snapshot_write(oct_database *self, oct_snapshot_scope scope, oct_collection *only, os *to, const char *path,
               uint64_t *size, char sum[SHA256_TEXT_BYTES], oct_error *error)
{
    packing work = {.system = self->system, .folder = self->path, .scope = scope,
                    .only = only == NULL ? 0 : only->shard_id};
    const oct_slice name = only == NULL ? slice_of("") : slice_of(only->name);
    catalogue_text  text = {.manifest = {NULL, 0}};
    oct_status      status = OCT_OK;

    if (self->read_only)
        return oct_fail(error, OCT_FORBIDDEN, "the database %s was opened for reading only; octant backup can copy it",
                        self->path);
    (void)pthread_mutex_lock(&self->checkpoint_lock);
    database_hold_files(self);
    /* Everything acknowledged is in: records without `wait` too, and those of a lazier sync policy. */
    work.log_end = log_last_sequence(self->log);
    if (!self->system->is_volatile)
        status = log_sync(self->log, error);
    if (status == OCT_OK && !self->system->is_volatile)
        status = catalogue_text_read(self->system, self->path, &text, error);
    (void)pthread_mutex_unlock(&self->checkpoint_lock);
    /* However long it takes to copy: checkpoints go on, and leave alone what is being read. */
    if (status == OCT_OK)
        status = archive_create(to, path, &work.to, error);
    if (status == OCT_OK)
        status = self->system->is_volatile ? pack_memory(&work, self, name, error) : pack_files(&work, &text, name, error);
    database_let_go(self);
    catalogue_text_clear(&text);
    return finish(&work, status, size, sum, error);
}

oct_status
snapshot_write_folder(os *system, const char *folder, const char *path, increment *part, uint64_t *size, uint64_t *position,
                      char sum[SHA256_TEXT_BYTES], oct_error *error)
{
    oct_status status = OCT_CORRUPT;

    /* A checkpoint of the writer may take files away before we hold them: damage is what stays. */
    for (int looks = 0; (status == OCT_CORRUPT || status == OCT_NOT_FOUND) && looks < FOLDER_LOOKS; looks++) {
        packing        work = {.system = system, .folder = folder, .scope = OCT_SNAPSHOT_FULL, .log_end = UINT64_MAX,
                               .part = part};
        catalogue_text text = {.manifest = {NULL, 0}};

        status = archive_create(system, path, &work.to, error);
        if (status == OCT_OK && part != NULL) {
            increment_clear(part); /* of the look before */
            status = increment_begin(part, work.to, error);
        }
        if (status == OCT_OK)
            status = catalogue_text_read(system, folder, &text, error);
        if (status == OCT_OK)
            status = pack_files(&work, &text, slice_of(""), error);
        catalogue_text_clear(&text);
        if (position != NULL)
            *position = work.position;
        status = finish(&work, status, size, sum, error);
    }
    return status;
}
