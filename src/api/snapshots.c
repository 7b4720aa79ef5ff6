/* Snapshots over the API: of collections, of shards, of everything. See api.h; what they are: octant_snapshot.h.
 *
 * One handler for each operation, whoever's snapshots they are: the route's pattern says.
 * UPLOAD   multipart/form-data (RFC 7578), the part called `snapshot`. The body lies in a file, so that its size does not
 *          matter: the part is found there, and recovered from where it lies. Its first line is the boundary.
 * RECOVER  from a file:// location in the snapshot folder, or from http(s), fetched into a file first.
 */
#include "api/encode.h"

#include <time.h>

#define SCAN_BYTES         (256u << 10) /* of a body, searched at a time */
#define BOUNDARY_BYTES_MAX 200u         /* RFC 2046 allows 70, and there are "--" before it and around it */
#define PART_HEAD_MAX      8192u

/* --- what the route and the query string say ------------------------------------------------------------------- */

static bool
pattern_has(const api_call *call, const char *part)
{
    return strstr(call->route->pattern, part) != NULL;
}

/* Whose, and (name not NULL) which one. */
static oct_status
get_place(api_call *call, oct_snapshot_place *out, oct_slice *name, oct_error *error)
{
    size_t   used = 0;
    uint64_t number = 0;

    *out = (oct_snapshot_place){.scope = OCT_SNAPSHOT_FULL};
    if (pattern_has(call, "{collection_name}")) {
        out->scope = OCT_SNAPSHOT_COLLECTION;
        out->collection = call->params[used++];
    }
    if (pattern_has(call, "{shard_id}")) {
        const oct_slice text = call->params[used++];

        out->scope = OCT_SNAPSHOT_SHARD;
        for (size_t i = 0; i < text.size; i++) {
            if (text.data[i] < '0' || text.data[i] > '9' || number > UINT32_MAX) {
                call->place = API_IN_PATH;
                return oct_fail(error, OCT_FORMAT, "can not parse `" SLICE_FMT "` to a `u32`",
                                (int)size_min(text.size, 64), text.data);
            }
            number = number * 10 + (uint64_t)(text.data[i] - '0');
        }
        out->shard = number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
    }
    if (name != NULL)
        *name = call->params[used];
    return OCT_OK;
}

static oct_status
check_priority(api_call *call, oct_slice text, oct_error *error)
{
    if (slice_is(text, "no_sync") || slice_is(text, "snapshot") || slice_is(text, "replica"))
        return OCT_OK; /* which copy counts, if there are several: here is one */
    call->place = API_IN_QUERY;
    return oct_fail(error, OCT_FORMAT,
                    "unknown variant `" SLICE_FMT "`, expected one of `no_sync`, `snapshot`, `replica`",
                    (int)size_min(text.size, 64), text.data);
}

/* --- answers --------------------------------------------------------------------------------------------------------- */

static void
encode_snapshot(buffer *out, const oct_snapshot *item)
{
    const time_t created = (time_t)item->created;
    char         when[32] = "";
    struct tm    parts;

    buffer_add_text(out, "{\"name\":");
    json_add_text(out, item->name);
    if (item->created != 0 && gmtime_r(&created, &parts) != NULL &&
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &parts) > 0)
        buffer_format(out, ",\"creation_time\":\"%s\"", when);
    else
        buffer_add_text(out, ",\"creation_time\":null");
    buffer_add_text(out, ",\"size\":");
    json_add_u64(out, item->size);
    buffer_add_text(out, ",\"checksum\":");
    if (item->checksum.size > 0)
        json_add_text(out, item->checksum);
    else
        buffer_add_text(out, "null");
    buffer_add_byte(out, '}');
}

oct_status
snapshots_list(api_call *call, oct_error *error)
{
    oct_snapshot_place place;
    oct_snapshots     *list = NULL;
    oct_status         status = get_place(call, &place, NULL, error);

    if (status == OCT_OK)
        status = oct_snapshot_list(call->database, &place, &list, error);
    if (status != OCT_OK)
        return status;
    buffer_add_byte(&call->out, '[');
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            buffer_add_byte(&call->out, ',');
        encode_snapshot(&call->out, &list->items[i]);
    }
    buffer_add_byte(&call->out, ']');
    oct_snapshots_free(list);
    return OCT_OK;
}

oct_status
snapshots_create(api_call *call, oct_error *error)
{
    oct_snapshot_place place;
    oct_snapshots     *made = NULL;
    bool               wait = true;
    oct_status         status = api_option_bool(call, "wait", &wait, error);

    if (status == OCT_OK)
        status = get_place(call, &place, NULL, error);
    if (status == OCT_OK)
        status = oct_snapshot_create(call->database, &place, wait, &made, error);
    if (made != NULL)
        encode_snapshot(&call->out, &made->items[0]);
    oct_snapshots_free(made);
    call->is_accepted = !wait;
    return status;
}

oct_status
snapshots_delete(api_call *call, oct_error *error)
{
    oct_snapshot_place place;
    oct_slice          name;
    bool               wait = true;
    oct_status         status = api_option_bool(call, "wait", &wait, error);

    if (status == OCT_OK)
        status = get_place(call, &place, &name, error);
    if (status == OCT_OK)
        status = oct_snapshot_delete(call->database, &place, name, error);
    encode_bool(&call->out, true);
    call->is_accepted = !wait; /* though it is done */
    return status;
}

static void
send_file(api_call *call)
{
    call->plain = true;
    call->out.size = 0;
    call->content_type = "application/octet-stream";
}

oct_status
snapshots_download(api_call *call, oct_error *error)
{
    oct_snapshot_place place;
    oct_slice          name;
    oct_status         status = get_place(call, &place, &name, error);

    if (status == OCT_OK)
        status = oct_snapshot_open(call->database, &place, name, &call->file, error);
    send_file(call);
    return status;
}

/* A fresh one, that is gone when it was sent. */
oct_status
snapshots_stream(api_call *call, oct_error *error)
{
    oct_snapshot_place place;
    oct_snapshots     *made = NULL;
    oct_status         status = get_place(call, &place, NULL, error);

    if (status == OCT_OK)
        status = oct_snapshot_create(call->database, &place, true, &made, error);
    if (status == OCT_OK)
        status = oct_snapshot_open(call->database, &place, made->items[0].name, &call->file, error);
    if (made != NULL) /* the open file stays readable */
        (void)oct_snapshot_delete(call->database, &place, made->items[0].name, NULL);
    oct_snapshots_free(made);
    send_file(call);
    return status;
}

/* --- recovering --------------------------------------------------------------------------------------------------------- */

static int
hex_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* The path of file:///path or file://localhost/path, decoded. */
static oct_status
path_of_location(api_call *call, oct_slice location, oct_slice *out, oct_error *error)
{
    oct_slice rest = {location.data + 7, location.size - 7};
    char     *path;
    size_t    size = 0;

    if (rest.size > 9 && memcmp(rest.data, "localhost", 9) == 0) {
        rest.data += 9;
        rest.size -= 9;
    }
    if (rest.size == 0 || rest.data[0] != '/')
        return oct_fail(error, OCT_BAD_REQUEST,
                        "Invalid snapshot URI, file path must be absolute or on localhost");
    path = arena_alloc(&call->memory, rest.size + 1);
    if (path == NULL)
        return oct_fail_memory(error, rest.size);
    for (size_t i = 0; i < rest.size; i++) {
        const int high = rest.data[i] == '%' && i + 2 < rest.size ? hex_of(rest.data[i + 1]) : -1;
        const int low = high >= 0 ? hex_of(rest.data[i + 2]) : -1;

        path[size++] = low >= 0 ? (char)(high * 16 + low) : rest.data[i];
        i += low >= 0 ? 2 : 0;
    }
    path[size] = '\0';
    *out = (oct_slice){path, size};
    return OCT_OK;
}

/* Below the snapshot folder, and by no way around. */
static bool
is_inside(oct_slice path, const char *folder)
{
    const size_t size = strlen(folder);

    for (size_t i = 0; i + 2 < path.size; i++) {
        if (memcmp(path.data + i, "/..", 3) == 0 && (i + 3 == path.size || path.data[i + 3] == '/'))
            return false;
    }
    return path.size > size + 1 && memcmp(path.data, folder, size) == 0 && path.data[size] == '/';
}

static oct_status
open_location(api_call *call, oct_slice location, oct_slice key, oct_file **out, oct_error *error)
{
    const char *folder = oct_snapshot_folder(call->database);
    oct_slice   path = {"", 0};
    oct_status  status;

    *out = NULL;
    if (location.size > 7 && memcmp(location.data, "file://", 7) == 0) {
        status = path_of_location(call, location, &path, error);
        if (status == OCT_OK)
            status = oct_file_open(call->database, path, out, error);
        if (status == OCT_NOT_FOUND)
            status = oct_fail(error, OCT_BAD_REQUEST, "Snapshot file \"" SLICE_FMT "\" does not exist", SLICE_ARG(path));
        if (status != OCT_BAD_REQUEST && status != OCT_NOMEM && !is_inside(path, folder)) {
            oct_file_close(*out);
            *out = NULL;
            status = oct_fail(error, OCT_FORBIDDEN, "Snapshot file path must be inside the snapshots directory, %s", folder);
        }
        return status;
    }
    if ((location.size <= 7 || memcmp(location.data, "http://", 7) != 0) &&
        (location.size <= 8 || memcmp(location.data, "https://", 8) != 0))
        return oct_fail(error, OCT_BAD_REQUEST,
                        "Invalid snapshot URI \"" SLICE_FMT "\": expected file:///path, http://.. or https://..",
                        (int)size_min(location.size, 300), location.data);
    if (oct_snapshot_urls_refused(call->database))
        return oct_fail(error, OCT_FORBIDDEN, "Snapshot recovery from remote URLs is disabled in the configuration");
    status = oct_file_new(call->database, out, error);
    if (status == OCT_OK)
        status = fetch_url(location, key, *out, error);
    if (status != OCT_OK) {
        oct_file_close(*out);
        *out = NULL;
    }
    return status;
}

/* A damaged file is the sender's mistake, not ours. */
static oct_status
recover_from(api_call *call, const oct_snapshot_place *place, oct_file *file, uint64_t offset, uint64_t size, bool wait,
             oct_error *error)
{
    oct_error  why = {OCT_OK, ""};
    oct_status status = oct_snapshot_recover(call->database, place, file, offset, size, wait, &why);

    if (status == OCT_CORRUPT)
        status = OCT_BAD_REQUEST;
    return status == OCT_OK ? OCT_OK : oct_fail(error, status, "%s", why.text);
}

oct_status
snapshots_recover(api_call *call, oct_error *error)
{
    static const json_field fields[] = {
        {"location", NULL, true}, {"priority", NULL, false}, {"checksum", NULL, false}, {"api_key", NULL, false}};
    yyjson_val        *body, *values[countof(fields)];
    oct_slice          texts[countof(fields)] = {{NULL, 0}};
    char               sum[OCT_SHA256_TEXT];
    oct_snapshot_place place;
    oct_file          *file = NULL;
    bool               wait = true;
    oct_status         status = api_option_bool(call, "wait", &wait, error);

    if (status == OCT_OK)
        status = get_place(call, &place, NULL, error);
    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = json_fields(NULL, body, fields, countof(fields), false, values, error);
    for (size_t i = 0; i < countof(fields) && status == OCT_OK; i++) {
        const json_path at = json_at(NULL, fields[i].name);

        status = json_get_text(&at, values[i], &texts[i], error);
    }
    if (status == OCT_OK && values[1] != NULL) {
        status = check_priority(call, texts[1], error);
        call->place = API_IN_BODY;
    }
    if (status == OCT_OK)
        status = open_location(call, texts[0], texts[3], &file, error);
    if (status == OCT_OK && values[2] != NULL) {
        status = oct_file_sha256(file, 0, oct_file_size(file), sum, error);
        if (status == OCT_OK && !slice_is(texts[2], sum))
            status = oct_fail(error, OCT_INVALID, "Snapshot checksum mismatch: expected " SLICE_FMT ", got %s",
                              (int)size_min(texts[2].size, 128), texts[2].data, sum);
    }
    if (status == OCT_OK) {
        status = recover_from(call, &place, file, 0, oct_file_size(file), wait, error);
        file = NULL; /* taken over */
    }
    oct_file_close(file);
    encode_bool(&call->out, true);
    call->is_accepted = !wait;
    return status;
}

/* --- uploads --------------------------------------------------------------------------------------------------------------- */

static oct_status
fail_form(const char *what, oct_error *error)
{
    return oct_fail(error, OCT_BAD_REQUEST,
                    "the body must be multipart/form-data with a part `snapshot` that holds the file: %s", what);
}

/* Where `text` begins at or after `from`; UINT64_MAX: nowhere. */
static oct_status
find_text(oct_file *file, uint64_t from, oct_slice text, uint64_t *out, oct_error *error)
{
    char      *bytes = oct_alloc(SCAN_BYTES);
    size_t     got = SCAN_BYTES;
    oct_status status = bytes == NULL ? oct_fail_memory(error, SCAN_BYTES) : OCT_OK;

    *out = UINT64_MAX;
    while (status == OCT_OK && *out == UINT64_MAX && got == SCAN_BYTES) {
        const char *found;

        status = oct_file_read(file, from, bytes, SCAN_BYTES, &got, error);
        found = status == OCT_OK && got >= text.size ? memmem(bytes, got, text.data, text.size) : NULL;
        if (found != NULL)
            *out = from + (uint64_t)(found - bytes);
        from += SCAN_BYTES - text.size + 1; /* it may lie across the seam */
    }
    oct_free(bytes);
    return status;
}

/* Does a part's head call it `snapshot`? */
static bool
is_our_part(const char *head, size_t size)
{
    static const char *const names[] = {"name=\"snapshot\"", "name=snapshot"};

    for (size_t i = 0; i < countof(names); i++) {
        const char *at = memmem(head, size, names[i], strlen(names[i]));

        if (at != NULL && at > head && (at[-1] == ' ' || at[-1] == ';' || at[-1] == '\t'))
            return true;
    }
    return false;
}

/* Find the part in a body, by its boundaries. */
static oct_status
find_part(oct_file *file, uint64_t *offset, uint64_t *size, oct_error *error)
{
    char        boundary[BOUNDARY_BYTES_MAX + 4] = "\r\n", head[PART_HEAD_MAX];
    size_t      got, length;
    uint64_t    at, end;
    const char *line_end;
    oct_status  status = oct_file_read(file, 0, boundary + 2, BOUNDARY_BYTES_MAX, &got, error);

    if (status != OCT_OK)
        return status;
    line_end = memmem(boundary + 2, got, "\r\n", 2);
    if (line_end == NULL || line_end < boundary + 5 || memcmp(boundary + 2, "--", 2) != 0)
        return fail_form("it does not begin with a boundary", error);
    length = (size_t)(line_end - boundary); /* with the line break before it */
    for (at = length;; at = end + length) {
        status = oct_file_read(file, at, head, sizeof head, &got, error);
        if (status != OCT_OK)
            return status;
        line_end = memmem(head, got, "\r\n\r\n", 4);
        if (line_end == NULL)
            return fail_form("there is no such part", error);
        *offset = at + (uint64_t)(line_end + 4 - head);
        status = find_text(file, *offset, (oct_slice){boundary, length}, &end, error);
        if (status != OCT_OK)
            return status;
        if (end == UINT64_MAX)
            return fail_form("it ends before its last boundary", error);
        *size = end - *offset;
        if (is_our_part(head, (size_t)(line_end - head)))
            return OCT_OK;
    }
}

oct_status
snapshots_upload(api_call *call, oct_error *error)
{
    const oct_slice   *priority = api_option_get(call, "priority"), *checksum = api_option_get(call, "checksum");
    char               sum[OCT_SHA256_TEXT];
    oct_snapshot_place place;
    uint64_t           offset = 0, size = 0;
    bool               wait = true;
    oct_status         status = api_option_bool(call, "wait", &wait, error);

    if (status == OCT_OK)
        status = get_place(call, &place, NULL, error);
    if (status == OCT_OK && priority != NULL)
        status = check_priority(call, *priority, error);
    if (status == OCT_OK && call->upload == NULL) { /* without a socket it comes in memory */
        status = oct_file_new(call->database, &call->upload, error);
        if (status == OCT_OK)
            status = oct_file_write(call->upload, call->body.data, call->body.size, error);
    }
    if (status == OCT_OK)
        status = find_part(call->upload, &offset, &size, error);
    if (status == OCT_OK && checksum != NULL) {
        status = oct_file_sha256(call->upload, offset, size, sum, error);
        if (status == OCT_OK && !slice_is(*checksum, sum)) {
            call->http_status = 400; /* the bare text; which is whose is as in Qdrant */
            status = oct_fail(error, OCT_INVALID, "Checksum mismatch: expected %s, actual " SLICE_FMT, sum,
                              (int)size_min(checksum->size, 128), checksum->data);
        }
    }
    if (status != OCT_OK)
        return status;
    status = recover_from(call, &place, call->upload, offset, size, wait, error);
    call->upload = NULL; /* taken over */
    if (place.scope == OCT_SNAPSHOT_SHARD)
        buffer_add_text(&call->out, "null");
    else
        encode_bool(&call->out, true);
    call->is_accepted = !wait;
    return status;
}
