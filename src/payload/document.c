/* document.c - from text of unknown origin to a document. See document.h.
 *
 * yyjson parses and writes without recursion and refuses what is not UTF-8, so that only two things are
 * left to do here: limits, looked at before anything is allocated, and repeated keys. Those are rare; a
 * check that finds none decides, and only then is the text written a second time without them.
 */
#include "payload/document.h"

#include <stdlib.h>

#include <yyjson.h>

#include "payload/scan.h"

/* --- memory of one check ----------------------------------------------------------------------- */

/* Enough to parse and write a document of 500 bytes without asking the heap. */
#define SCRATCH_BYTES 16384u

/* Blocks are cut off a buffer on the stack, in order, and come from the heap when it is used up. */
typedef struct scratch {
    size_t used;
    _Alignas(max_align_t) char bytes[SCRATCH_BYTES];
} scratch;

static bool
is_scratch(const scratch *self, const void *memory)
{
    return (uintptr_t)memory - (uintptr_t)self->bytes < SCRATCH_BYTES;
}

static void *
scratch_alloc(void *context, size_t size)
{
    scratch *self = context;
    char    *memory;

    if (size > SCRATCH_BYTES - self->used)
        return oct_alloc(size);
    memory = self->bytes + self->used;
    self->used = size_min(SCRATCH_BYTES, self->used + (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) *
                                                          sizeof(max_align_t));
    return memory;
}

static void *
scratch_realloc(void *context, void *memory, size_t old_size, size_t size)
{
    void *moved;

    if (!is_scratch(context, memory))
        return oct_realloc(memory, size);
    moved = scratch_alloc(context, size);
    if (moved != NULL)
        memcpy(moved, memory, size_min(old_size, size));
    return moved;
}

static void
scratch_free(void *context, void *memory)
{
    if (!is_scratch(context, memory))
        oct_free(memory);
}

/* --- repeated keys ------------------------------------------------------------------------------ */

/* Up to here comparing each key with each is cheaper than sorting them. */
#define PAIRWISE_KEYS_MAX 16u

static int
compare_slices(const void *left, const void *right)
{
    return slice_compare(*(const oct_slice *)left, *(const oct_slice *)right);
}

/* Sorting, not hashing: nobody can choose keys that make it slow. */
static oct_status
object_repeats(yyjson_val *object, bool *out, oct_error *error)
{
    const size_t    count = yyjson_obj_size(object);
    oct_slice       few[PAIRWISE_KEYS_MAX];
    oct_slice      *keys = count <= PAIRWISE_KEYS_MAX ? few : oct_calloc(count, sizeof *keys);
    size_t          read = 0;
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    yyjson_val     *key;

    if (keys == NULL)
        return oct_fail_memory(error, count * sizeof *keys);
    while (!*out && (key = yyjson_obj_iter_next(&iter)) != NULL) {
        keys[read] = (oct_slice){yyjson_get_str(key), yyjson_get_len(key)};
        for (size_t i = 0; keys == few && i < read; i++)
            *out = *out || slice_equal(keys[i], keys[read]);
        read++;
    }
    if (keys != few) {
        qsort(keys, read, sizeof *keys, compare_slices);
        for (size_t i = 1; i < read; i++)
            *out = *out || slice_equal(keys[i - 1], keys[i]);
        oct_free(keys);
    }
    return OCT_OK;
}

/* Whether any object has a key twice. Values lie one behind the other, a container before its content. */
static oct_status
any_repeats(yyjson_val *root, bool *out, oct_error *error)
{
    yyjson_val *end = unsafe_yyjson_get_next(root);
    oct_status  status = OCT_OK;

    *out = false;
    for (yyjson_val *value = root; status == OCT_OK && !*out && value < end; value++) {
        if (yyjson_is_obj(value) && yyjson_obj_size(value) > 1)
            status = object_repeats(value, out, error);
    }
    return status;
}

typedef struct member {
    oct_slice key, value;
    size_t    position;
} member;

static int
compare_members(const void *left, const void *right)
{
    const member *a = left, *b = right;
    const int     order = slice_compare(a->key, b->key);

    return order != 0 ? order : (a->position > b->position) - (a->position < b->position);
}

static int
compare_positions(const void *left, const void *right)
{
    const member *a = left, *b = right;

    return (a->position > b->position) - (a->position < b->position);
}

static oct_status write_unique(oct_slice value, buffer *out, oct_error *error);

/* The members of an object without repeats: the last value at the place of the first. */
static oct_status
write_unique_object(oct_slice object, buffer *out, oct_error *error)
{
    oct_status status = OCT_OK;
    scan       items = scan_open(object);
    buffer     memory = {0}; /* of struct member */
    member     next = {0}, *members;
    size_t     count, kept = 0;

    for (; scan_member(&items, &next.key, &next.value); next.position++)
        buffer_add(&memory, &next, sizeof next);
    if (memory.failed) {
        status = oct_fail_memory(error, memory.size);
        goto out;
    }
    members = (member *)(void *)memory.data;
    count = next.position;
    if (count > 0)
        qsort(members, count, sizeof *members, compare_members);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && slice_equal(members[i].key, members[kept - 1].key))
            members[kept - 1].value = members[i].value;
        else
            members[kept++] = members[i];
    }
    if (kept > 0)
        qsort(members, kept, sizeof *members, compare_positions);

    buffer_add_byte(out, '{');
    for (size_t i = 0; status == OCT_OK && i < kept; i++) {
        buffer_add(out, i == 0 ? "\"" : ",\"", i == 0 ? 1 : 2);
        buffer_add(out, members[i].key.data, members[i].key.size);
        buffer_add(out, "\":", 2);
        status = write_unique(members[i].value, out, error);
    }
    buffer_add_byte(out, '}');
out:
    buffer_clear(&memory);
    return status;
}

/* As deep as the document, which is bounded. */
static oct_status
write_unique(oct_slice value, buffer *out, oct_error *error)
{
    oct_status status = OCT_OK;
    scan       items;
    oct_slice  element;
    bool       is_first = true;

    if (scan_is_object(value))
        return write_unique_object(value, out, error);
    if (!scan_is_array(value)) {
        buffer_add(out, value.data, value.size);
        return OCT_OK;
    }
    items = scan_open(value);
    buffer_add_byte(out, '[');
    for (; status == OCT_OK && scan_element(&items, &element); is_first = false) {
        if (!is_first)
            buffer_add_byte(out, ',');
        status = write_unique(element, out, error);
    }
    buffer_add_byte(out, ']');
    return status;
}

/* --- the check ---------------------------------------------------------------------------------- */

static const char *
type_name(yyjson_val *value)
{
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_NULL:
        return "null";
    case YYJSON_TYPE_BOOL:
        return "a boolean";
    case YYJSON_TYPE_NUM:
        return "a number";
    case YYJSON_TYPE_STR:
        return "a string";
    default:
        return "an array";
    }
}

static oct_status
check_limits(oct_slice json, oct_error *error)
{
    const size_t depth = scan_depth(json);

    if (json.size > OCT_PAYLOAD_BYTES_MAX)
        return oct_fail(error, OCT_RANGE, "a payload of %zu bytes is too large: at most %u are allowed",
                        json.size, OCT_PAYLOAD_BYTES_MAX);
    if (depth > OCT_PAYLOAD_DEPTH_MAX)
        return oct_fail(error, OCT_RANGE,
                        "a payload nested %zu deep is too deep: at most %u levels are allowed", depth,
                        OCT_PAYLOAD_DEPTH_MAX);
    return OCT_OK;
}

oct_status
document_check(oct_slice json, buffer *compact, oct_error *error)
{
    scratch          memory;
    const yyjson_alc allocator = {scratch_alloc, scratch_realloc, scratch_free, &memory};
    yyjson_read_err  failure;
    yyjson_doc      *doc = NULL;
    yyjson_val      *root;
    char            *text = NULL;
    size_t           size;
    bool             has_repeats;
    oct_status       status;

    memory.used = 0;
    if (json.size == 0)
        json = slice_of("{}");
    status = check_limits(json, error);
    if (status != OCT_OK)
        goto out;
    doc = yyjson_read_opts((char *)(uintptr_t)json.data, json.size, YYJSON_READ_NOFLAG, &allocator, &failure);
    if (doc == NULL && failure.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
        status = oct_fail_memory(error, yyjson_read_max_memory_usage(json.size, YYJSON_READ_NOFLAG));
        goto out;
    }
    if (doc == NULL) {
        status = oct_fail(error, OCT_INVALID, "payload is not valid JSON: %s at byte %zu", failure.msg,
                          failure.pos);
        goto out;
    }
    root = yyjson_doc_get_root(doc);
    if (!yyjson_is_obj(root)) {
        status = oct_fail(error, OCT_INVALID, "payload is %s, but must be a JSON object", type_name(root));
        goto out;
    }
    status = any_repeats(root, &has_repeats, error);
    if (status != OCT_OK)
        goto out;
    text = yyjson_val_write_opts(root, YYJSON_WRITE_NOFLAG, &allocator, &size, NULL);
    if (text == NULL) { /* what was read can be written: only memory can be missing */
        status = oct_fail_memory(error, json.size);
        goto out;
    }
    if (has_repeats)
        status = write_unique((oct_slice){text, size}, compact, error);
    else
        buffer_add(compact, text, size);
    if (status == OCT_OK && compact->failed)
        status = oct_fail_memory(error, size);
out:
    if (text != NULL)
        scratch_free(&memory, text);
    yyjson_doc_free(doc);
    return status;
}
